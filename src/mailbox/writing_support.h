// What the sources that write share: mailbox_writing.cc stores, mailbox_moving.cc removes and moves, mailbox_journal.cc ends what
// was cut off in one of these.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace mapigate::mailbox {

// Kinds of entries in the journal.
inline constexpr char append_kind[] = "append", move_kind[] = "move", across_kind[] = "across";
inline constexpr unsigned move_version = 2;  // of the payload of a move; 1 had neither flags nor date

inline std::string domain_of(std::string_view user) {
  const auto at = user.rfind('@');
  return std::string(at == std::string_view::npos ? "localhost" : user.substr(at + 1));
}

inline FileTime whole_seconds(FileTime time) { return from_unix(to_unix(time)); }

// Trying again will not help: what was refused is refused.
inline bool is_final(const Error& why) { return !why.retryable() && why.code != Errc::cancelled; }

}  // namespace mapigate::mailbox
