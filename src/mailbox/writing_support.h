// What the sources that write share: mailbox_writing.cc stores, mailbox_moving.cc removes and moves, mailbox_journal.cc ends what
// was cut off in one of these.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "mapi/ids.h"

namespace mapigate::mailbox {

// Kinds of entries in the journal.
inline constexpr char append_kind[] = "append", move_kind[] = "move", across_kind[] = "across",
                      handover_kind[] = "handover", folder_handover_kind[] = "folder handover";
inline constexpr unsigned move_version = 3;  // of the payload of a move; 1 had neither flags nor date, 2 no size

// The head of an entry about a message that is appended.
struct AppendHead {
  mapi::GlobalCounter id = 0, folder = 0;
  std::uint64_t old_key = 0;
  std::uint32_t flags = 0;
  FileTime received;
  std::string message_id;
  // What tells it from others with its Message-ID: content_mark() of it, and the newest key that the index had before. Entries of
  // earlier versions have neither.
  std::string mark;
  std::uint64_t newest = 0;
  std::string to_string() const;
  static AppendHead parse(const std::string& head);
};
// The same for the same message, whatever a server makes of its line ends.
std::string content_mark(View message);

inline std::string domain_of(std::string_view user) {
  const auto at = user.rfind('@');
  return std::string(at == std::string_view::npos ? "localhost" : user.substr(at + 1));
}

inline FileTime whole_seconds(FileTime time) { return from_unix(to_unix(time)); }

// Trying again will not help: what was refused is refused.
inline bool is_final(const Error& why) { return !why.retryable() && why.code != Errc::cancelled; }

// Of one who makes an entry in the journal: whatever ends this before ended(), an error or a call that is cut off, leaves
// something to finish.
class BegunEntry {
 public:
  explicit BegunEntry(bool& journal_open) : journal_open_(journal_open) {}
  ~BegunEntry() {
    if (!ended_) journal_open_ = true;
  }
  BegunEntry(const BegunEntry&) = delete;
  void ended() { ended_ = true; }

 private:
  bool& journal_open_;
  bool ended_ = false;
};

}  // namespace mapigate::mailbox
