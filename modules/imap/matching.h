// Which messages are which, where UIDs do not tell: after a mailbox was numbered anew, renamed, or came back from a backup.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "provider.h"

namespace mapigate::imap {

// What stays of a message whatever becomes of its UID.
struct ContentKey {
  std::uint64_t size = 0;
  std::uint64_t received = 0;  // FILETIME
  std::string message_id;
  auto operator<=>(const ContentKey&) const = default;
};
ContentKey content_key(const FetchData& fetch);  // of one with RFC822.SIZE, INTERNALDATE and the field Message-ID
ContentKey content_key(const state::Message& row);

// Of messages of the selected mailbox, by UID. `uids` ascend.
using KeysByUid = std::vector<std::pair<std::uint32_t, ContentKey>>;
Task<Result<KeysByUid>> keys_of(Connection* connection, std::vector<std::uint32_t> uids);

// What is known of a mailbox once its messages were matched. One delta gives messages their new keys and removes others, so
// that old and new keys never stand side by side.
struct Matched {
  state::FolderDelta delta;
  std::vector<state::MessageKey> known;  // what is left, in order of remote_key
};
// All have new UIDs; those that the server still has keep their ids.
Task<Result<Matched>> match_renumbered(Connection* connection, std::shared_ptr<Account> account, std::vector<state::MessageKey> known);
// The mailbox seems to be from before: a smaller UIDNEXT (`uidnext`; 0: unknown) or HIGHESTMODSEQ. It may have come back from a
// backup, with its UIDVALIDITY, and then gives UIDs out a second time; but servers that are well tell a session such numbers now
// and then. So those messages that would have such UIDs are looked at, the newest first, as far down as UIDs turn out to be other
// messages. Nothing where none does.
Task<Result<std::optional<Matched>>> match_suspect(Connection* connection, std::shared_ptr<Account> account, std::vector<state::MessageKey> known,
                                                   std::uint32_t uidnext);

}  // namespace mapigate::imap
