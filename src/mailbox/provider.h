// Providers: what stands behind the folders of a mailbox. A provider tells which
// folders there are, finds out what changed in one since last time, and brings
// message content. It keeps no index of its own: the engine applies what it finds to
// the state store and gives out the ids.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "chain/module.h"
#include "convert/mime_message.h"
#include "mailbox/restriction_match.h"
#include "state/mailbox_state.h"

namespace mapigate::mailbox {

using io::Task;

struct RemoteFolder {
  std::string remote_id;         // stays the same over restarts, e.g. the IMAP mailbox name as on the wire
  std::string parent_remote_id;  // empty: directly below the IPM subtree
  std::string name;              // one path element, UTF-8
  state::FolderRole role = state::FolderRole::none;  // inbox, sent_items, …, none
  std::string container_class = "IPF.Note";
  bool selectable = true;
  std::optional<std::uint32_t> total{}, unread{};    // from STATUS, where that came for free
  std::optional<std::uint32_t> rights{};             // of [MS-OXCPERM] 2.2.7; without: those of an owner
};

// Called while a long refresh goes on, with messages done and in all (0: unknown).
using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;
// Takes a part of a refresh; the provider goes on when it returned ok, else gives up with the error.
using DeltaSink = std::function<Task<Status>(state::FolderDelta)>;

// Rows of the folder being refreshed, from the state store, in the order of the ids; those that are gone
// are left out.
using RowLookup = std::function<Task<Result<std::vector<state::Message>>>(std::vector<state::GlobalCounter>)>;

// A folder that the backend's list has no longer, with some of its messages as the index knows them.
struct LostFolder {
  state::Folder folder;
  std::vector<state::Message> sample;
};

// A message in its new place. The key is 0 where the backend does not tell it: find() it then.
struct CopiedMessage {
  std::uint64_t from = 0, to = 0;
};

// How much of what is allowed a mailbox takes up, in bytes.
struct Quota {
  std::uint64_t used = 0, limit = 0;
};

// What the text of a message begins with; none where it stands too far behind in the message to be looked for.
struct MessageBeginning {
  std::uint64_t remote_key = 0;
  std::optional<std::string> text{};
};

// What a backend told unasked.
struct News {
  struct OfFolder {
    std::string remote_id;
    std::optional<std::uint32_t> total{}, unread{};
  };
  std::vector<OfFolder> folders;
  bool folder_list = false;  // folders came, went or were renamed
  bool empty() const { return folders.empty() && !folder_list; }
};
// A standing wait for news: a connection of its own. Lives on the user's executor.
class Watch {
 public:
  virtual ~Watch() = default;
  virtual bool sees_all() const = 0;  // all folders, not only the one it was opened for
  // What happened since the last call, as soon as there is something; empty when `limit` passed without. What happens
  // between two calls is kept for the second.
  virtual Task<Result<News>> next(Duration limit) = 0;
  virtual void close() = 0;  // next() ends with an error
};

// One user's connection to one backend. Lives on the user's executor; calls of
// different sessions interleave, so it queues for itself what must be in order. Every
// call ends: Errc::unavailable or timeout when the backend is down, denied when it does
// not let the user in, not_found when folder or message is gone there.
class Provider {
 public:
  virtual ~Provider() = default;

  // Lets refresh() read index rows where it has to match old messages with new ones. Set once, before the
  // first refresh; without it a folder numbered anew loses the ids of its messages.
  virtual void set_row_lookup(RowLookup) {}

  virtual Task<Result<std::vector<RemoteFolder>>> folders() = 0;

  // Finds what changed against `known` (in order of remote_key) and `folder.cursor` and gives
  // it to `sink` in parts of bounded size; the last one has complete = true. New
  // messages come newest first where the backend allows it, so that a first view fills
  // soon. When the backend numbered the folder anew (UIDVALIDITY), messages are matched by
  // content keys where possible, so that they keep their ids; the rest is removed and added.
  virtual Task<Status> refresh(state::Folder folder, std::vector<state::MessageKey> known, DeltaSink sink,
                               Progress progress) = 0;

  // Cheap question before a refresh: can anything have changed? (STATUS or NOOP.)
  virtual Task<Result<bool>> changed(state::Folder folder) = 0;

  // The whole message; large ones come in a spool file (ByteSource decides).
  virtual Task<Result<convert::ByteSource>> content(state::Folder folder, std::uint64_t remote_key) = 0;

  // The first so many characters of the text (MimeMessage::text) of each message, for rows of a table: of all in one step where
  // the backend allows it. Messages that are gone are left out. By itself it takes them from content(), one after the other.
  virtual Task<Result<std::vector<MessageBeginning>>> beginnings(state::Folder folder, std::vector<std::uint64_t> remote_keys,
                                                                 std::size_t characters);

  // Sets and clears flags (MessageFlag bits) of messages in the backend.
  virtual Task<Status> set_flags(state::Folder folder, std::vector<std::uint64_t> remote_keys, std::uint32_t set,
                                 std::uint32_t clear) = 0;

  // -- writing. Not every backend can: these answer Errc::unsupported then. Errc::denied, full (quota), limit (size), not_found
  // and conflict are final; what comes of a call that ended in another error is open, see find().

  // Stores a message; its key, or 0.
  virtual Task<Result<std::uint64_t>> append(state::Folder folder, convert::ByteSource message, std::uint32_t flags,
                                             FileTime received);
  // For good. Messages that are gone already are no error.
  virtual Task<Status> remove(state::Folder folder, std::vector<std::uint64_t> remote_keys);
  // Copies or moves to another folder of this provider. A message that is gone is left out of the answer.
  virtual Task<Result<std::vector<CopiedMessage>>> copy(state::Folder from, std::vector<std::uint64_t> remote_keys,
                                                        state::Folder to, bool move);
  // Keys of the messages with this Message-ID, ascending.
  virtual Task<Result<std::vector<std::uint64_t>>> find(state::Folder folder, std::string message_id);

  // Which of the folders that `came` were known as others: somebody else renamed them, or they are back from a backup under
  // another name. Pairs of the id of a lost folder and a remote id; each occurs once. Asked only when folders went and came.
  virtual Task<Result<std::vector<std::pair<state::GlobalCounter, std::string>>>> recognize(std::vector<LostFolder> lost,
                                                                                            std::vector<RemoteFolder> came);

  // `parent`: remote id, empty for the top. Errc::conflict when the name is taken.
  virtual Task<Result<RemoteFolder>> create_folder(std::string parent, std::string name);
  virtual Task<Status> delete_folder(std::string remote_id);  // with its messages; it has no folders below it
  // A new place or name; the pairs of old and new remote ids of it and of what is below it.
  virtual Task<Result<std::vector<std::pair<std::string, std::string>>>> move_folder(std::string remote_id,
                                                                                     std::string parent, std::string name);

  // Keys of the messages in which the text is; the backend decides what counts as being in it (RFC 3501 6.4.4: a part of
  // it, in any case). Errc::unsupported: it cannot look for texts.
  // `among`: only these are in question; empty: all.
  virtual Task<Result<std::vector<std::uint64_t>>> search(state::Folder folder, TextQuery query,
                                                            std::vector<std::uint64_t> among);

  // Keywords to add and to remove; which of them the message has then is the caller's to work out. Errc::unsupported and
  // limit: the folder takes no (more) keywords.
  virtual Task<Status> set_keywords(state::Folder folder, std::vector<std::uint64_t> remote_keys, std::vector<std::string> add,
                                    std::vector<std::string> remove);

  // Errc::unsupported: there is no limit, or nobody tells.
  virtual Task<Result<Quota>> quota();

  // Stands by for news of `folder`, and of all others where the backend can. Errc::unsupported: ask instead.
  virtual Task<Result<std::shared_ptr<Watch>>> watch(state::Folder folder);
};

// What a provider module (modules/imap) implements, usually with chain::Authenticator beside it.
class ProviderFactory : public chain::Component {
 public:
  // `executor`: the user's. The identity's password is the provider's to keep while it lives.
  virtual std::unique_ptr<Provider> open(std::shared_ptr<const chain::Identity> identity, io::Executor executor) = 0;
  // Users come in whose identity has no password. Else nobody but their owner opens mailboxes.
  virtual bool opens_without_password() const { return false; }
};

}  // namespace mapigate::mailbox
