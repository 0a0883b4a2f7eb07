// Locks on regions of streams ([MS-OXCPRPT] 2.2.24, 3.2.5.21, 3.2.5.22). They belong to a session, hold for all streams on the
// same value, whoever opened them, and end with the stream that they were asked for. One that is too old holds nobody back; whoever
// had it learns so when he comes to the region again.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/time.h"
#include "mapi/ids.h"

namespace mapigate::mailbox {

class OpenMailbox;
struct Object;

// The value behind a stream. `unsaved`: an object that only its session knows.
struct StreamValue {
  mapi::GlobalCounter folder = 0, message = 0;
  std::uint32_t attachment = UINT32_MAX;
  std::uint16_t property = 0;
  const Object* unsaved = nullptr;
  bool operator==(const StreamValue&) const = default;
};

struct StreamRegion {
  std::uint64_t offset = 0, size = 0;
};

class StreamLocks {
 public:
  enum class Outcome : std::uint8_t { granted, held, too_many };
  // `held`: a part of the region is locked already, no matter by whom. `others_read`: they may not write only.
  Outcome lock(const StreamValue& value, StreamRegion region, bool others_read, const OpenMailbox* session,
               std::weak_ptr<const Object> stream, Duration lasts);
  // Those of this session that reach into the region.
  void unlock(const StreamValue& value, StreamRegion region, const OpenMailbox* session);
  bool may_read(const StreamValue& value, StreamRegion region, const OpenMailbox* session) const;
  bool may_write(const StreamValue& value, StreamRegion region, const OpenMailbox* session) const;
  // The session had locked a part of the region for too long, and has neither unlocked it nor locked it anew.
  bool expired(const StreamValue& value, StreamRegion region, const OpenMailbox* session) const;

 private:
  struct Lock {
    StreamValue value;
    StreamRegion region;
    bool others_read;
    const OpenMailbox* session;
    std::weak_ptr<const Object> stream;
    Clock::time_point until;
  };
  const Lock* held_by_others(const StreamValue& value, StreamRegion region, const OpenMailbox* session, bool reading) const;
  std::vector<Lock> locks_;
};

}  // namespace mapigate::mailbox
