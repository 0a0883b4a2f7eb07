// The state store of one mailbox: what no backend can hold. Ids and change
// numbers, the index of folders and messages that the providers keep current, ids of
// named properties, read state of the store itself.
//
// All calls block (SQLite today): call them on a worker. One call at a time per
// object; the owner sees to that. Every call is one transaction unless it says
// otherwise: after a kill at any moment it has happened or it has not.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "mapi/ids.h"
#include "mapi/properties.h"
#include "mapi/property_bag.h"

namespace mapigate::state {

using mapi::GlobalCounter;

// What a folder is for; decides name, container class and special-folder ids.
// Stored as the number: append only.
enum class FolderRole : std::uint8_t {
  none = 0,
  root, deferred_action, spooler_queue, ipm_subtree, inbox, outbox, sent_items, deleted_items, common_views,
  schedule, finder, views, shortcuts,                    // the thirteen of RopLogon, in its order
  drafts, junk, archive, calendar, contacts, journal, notes, tasks,
  sync_issues, conflicts, local_failures, server_failures,
  reminders, free_busy_data,
  recoverable, recoverable_local,                        // what was deleted, until it is old: in the backend, and here
  search,                                                // any number of them: search folders
};

// Counters below this one are never given out: the engine may use them for folders with fixed ids.
inline constexpr GlobalCounter first_given_counter = 0x100;

struct Folder {
  GlobalCounter id = 0;
  GlobalCounter parent = 0;          // 0 for the root
  FolderRole role = FolderRole::none;
  std::string provider;              // instance that serves it; empty: the engine alone
  std::string remote_id;             // the provider's own name for it
  std::string name;                  // PidTagDisplayName, UTF-8
  std::string container_class;       // "IPF.Note"
  bool selectable = true;            // can hold messages
  GlobalCounter change_number = 0;
  FileTime created, modified;
  std::string cursor;                // the provider's synchronisation state (UIDVALIDITY and such), opaque here
  std::uint32_t total = 0;           // messages in the index
  std::uint32_t unread = 0;
  std::uint64_t size = 0;            // bytes, sum over the index
  std::uint32_t associated = 0;      // hidden (associated) messages
  bool indexed = false;              // a first complete indexing has taken place
};

// Associated messages are kept as those of a folder beside the real one: message_keys(), message_ids(), each_message()
// and apply() take it like any other; there is no row of it in folders().
inline constexpr GlobalCounter associated_bit = GlobalCounter{1} << 52;
constexpr GlobalCounter associated_of(GlobalCounter folder) { return folder | associated_bit; }
constexpr bool is_associated(GlobalCounter folder) { return (folder & associated_bit) != 0; }
// What a search folder shows: messages of other folders. message_ids(), message_keys(), each_message() and changes() take links_of() the
// folder like the contents of one.
inline constexpr GlobalCounter links_bit = GlobalCounter{1} << 53;
constexpr GlobalCounter links_of(GlobalCounter folder) { return folder | links_bit; }
constexpr bool is_links(GlobalCounter folder) { return (folder & links_bit) != 0; }
constexpr GlobalCounter folder_of(GlobalCounter folder) { return folder & ~(associated_bit | links_bit); }

// Keys of values (MailboxState::value) that belong to one folder and go with it.
std::string rules_key(GlobalCounter folder);
std::string permissions_key(GlobalCounter folder);
std::string search_key(GlobalCounter folder);

// Flags of a message that backends know, too.
enum MessageFlag : std::uint32_t {
  flag_seen = 1, flag_answered = 2, flag_flagged = 4, flag_deleted = 8, flag_draft = 16, flag_forwarded = 32,
  flag_junk = 64, flag_not_junk = 128, flag_mdn_sent = 256,
};

struct Message {
  GlobalCounter id = 0;
  GlobalCounter folder = 0;
  std::uint64_t remote_key = 0;      // IMAP UID; unique within the folder, below 2^63
  GlobalCounter change_number = 0;
  std::uint32_t flags = 0;           // MessageFlag
  FileTime received;                 // INTERNALDATE
  std::uint64_t size = 0;            // RFC 822 size in bytes
  std::string keywords;              // that the backend has besides the flags: sorted, a blank between two
  mapi::PropertyBag properties;      // subject, sender, times, importance …: the columns that views ask for
  // What extra_properties() says of it. Of an added message they are stored with it unless empty.
  mapi::PropertyBag extras;
  bool merge_extras = false;         // of an added message: they join those of a message that is there already
};

// The few numbers of a message that a refresh compares; 24 bytes each.
struct MessageKey {
  GlobalCounter id;
  std::uint64_t remote_key;
  std::uint32_t flags;
  std::uint32_t keywords = 0;  // keyword_hash()
};
std::uint32_t keyword_hash(std::string_view keywords);  // 0: of none

struct FlagChange {
  GlobalCounter id;
  std::uint32_t flags;
  std::optional<std::string> keywords{};
};

// The same message under a new key: its id, its change number and all else stay.
struct KeyChange {
  GlobalCounter id;
  std::uint64_t remote_key;
};

struct ExtrasChange {
  GlobalCounter id;
  mapi::PropertyBag extras;
};
// Content that lives here and not in a backend.
struct ContentChange {
  GlobalCounter id;
  Bytes content;
};

// What one refresh of a folder found, or what one write did. Applied as a whole, in the order removed, rekeyed, flags,
// added, extras, contents. What is not (any more) in the folder is passed over. An added message whose remote_key
// is there already replaces that one's content under its old id and counts as changed; so does one with the id of a
// message of this folder, which then gets the new remote_key. A new one without an id is what others moved, copied or put
// back if it has Message-ID, subject, sender, size and dates of one that is known or vanished: it gets a copy of the extras of that one.
struct FolderDelta {
  std::vector<Message> added;            // id, unless it was reserved before, and change_number are given out by apply()
  std::vector<ExtrasChange> extras;
  std::vector<ContentChange> contents;
  std::uint64_t journal_done = 0;        // the journal entry that this ends
  std::vector<FlagChange> flags;
  std::vector<GlobalCounter> removed;
  // `removed` went by somebody else's doing: what stands beside them is kept for a while, in case they come again elsewhere.
  bool vanished = false;
  std::vector<KeyChange> rekeyed;
  std::optional<std::string> cursor;     // stored with the rest
  bool complete = false;                 // the index now equals the backend: sets Folder::indexed
};
struct AppliedDelta {
  std::vector<GlobalCounter> added;      // ids, in the order of FolderDelta::added
  std::vector<GlobalCounter> changed;
};

// What happened in a folder since two change numbers, for synchronisation. A change of flag_seen alone leaves
// Message::change_number as it is and counts as a read state change.
struct FolderChanges {
  struct Changed {
    GlobalCounter id, change_number;
    FileTime received;
    std::uint64_t size;
  };
  struct Read {
    GlobalCounter id, number;  // of the change of its read state
    bool seen;
  };
  GlobalCounter latest = 0;            // nothing up to this number is missing
  std::vector<Changed> changed;        // new or changed messages, by change number
  std::vector<GlobalCounter> removed;  // left the folder; some of them may have done so shortly before
  std::vector<Read> read;
};

// What a search folder shows from now on. Applied in the order cleared, removed, added. A message that goes takes its links
// with it.
struct LinkChange {
  bool clear = false;
  std::vector<GlobalCounter> removed, added;       // ids of messages; those that are gone are passed over
  std::pair<std::string, std::string> value{};     // stored with the rest, as by set_value(), unless its key is empty
};

struct JournalEntry {
  std::uint64_t id = 0;
  std::string kind, head;
};

// Among a message's properties, where PidTagSentRepresentingName is that of the address book: the name the message came with, by which it
// is known again (sql_kept.cc). Clients do not see it.
inline constexpr mapi::PropertyTag said_sender{0x67FD, mapi::PropertyType::PtypString};

// And there, too: it has attachments, but none to show. Clients see PidLidSmartNoAttach ([MS-OXCMSG] 2.2.1.14).
inline constexpr mapi::PropertyTag no_files_shown{0x67FC, mapi::PropertyType::PtypBoolean};

// Order of a message list. `key` other than these is sorted by the caller. subject: mapi::collation_key_of()
// PidTagNormalizedSubject, else PidTagSubject; sender: of PidTagSentRepresentingName, else of
// PidTagSenderName. unread: read ones are lower.
enum class SortKey : std::uint8_t { id, received, size, subject, sender, unread };
struct Sort {
  SortKey key = SortKey::received;
  bool descending = true;
};

class MailboxState {
 public:
  virtual ~MailboxState() = default;

  // Stable for the life of the mailbox ([MS-OXCSTOR] 2.2.1.1): mailbox and replica GUID.
  virtual mapi::Guid mailbox_guid() const = 0;
  virtual mapi::Guid replica_guid() const = 0;
  // Gives out `count` consecutive counters that nobody else gets; returns the first.
  // RopGetLocalReplicaIds asks for 65,536 at once.
  virtual Result<GlobalCounter> reserve_ids(std::uint32_t count) = 0;

  virtual Result<std::vector<Folder>> folders() = 0;
  // Inserts (id 0: gives one out) or updates; sets a new change number and time. Returns the row as stored.
  // An update leaves what apply() keeps as it is: total, unread, size, cursor and indexed.
  virtual Result<Folder> put_folder(Folder folder) = 0;
  // With its messages and the values that belong to it; not with folders below it. `vanished` as in FolderDelta.
  virtual Status remove_folder(GlobalCounter id, bool vanished = false) = 0;

  virtual Result<std::vector<MessageKey>> message_keys(GlobalCounter folder) = 0;  // by remote_key, ascending
  virtual Result<std::uint64_t> newest_key(GlobalCounter folder) = 0;  // the highest remote_key; 0: no messages
  virtual Result<AppliedDelta> apply(GlobalCounter folder, FolderDelta delta) = 0;
  // Ids of a folder's messages in order; ties by id, in the same direction.
  virtual Result<std::vector<GlobalCounter>> message_ids(GlobalCounter folder, Sort sort) = 0;
  virtual Result<std::optional<Message>> message(GlobalCounter id) = 0;
  // In the order of `ids`; those that are gone are left out.
  virtual Result<std::vector<Message>> messages(std::span<const GlobalCounter> ids) = 0;
  // Calls `each` for every message of the folder, in no order, until it returns false. `each` may keep the message;
  // it must not call this object.
  virtual Status each_message(GlobalCounter folder, const std::function<bool(Message&)>& each) = 0;

  // Sets the folder's total, unread and size, too; a change without anything in it counts them anew. Gives the counts
  // as they are then.
  virtual Result<Folder> change_links(GlobalCounter folder, const LinkChange& change) = 0;
  // Folders of the messages that a search folder shows.
  virtual Result<std::vector<GlobalCounter>> linked_folders(GlobalCounter folder) = 0;

  // Costs what changed, not what is there. Of links it tells no removals.
  virtual Result<FolderChanges> changes(GlobalCounter folder, GlobalCounter seen, GlobalCounter read) = 0;
  // No change number above this one has been given out.
  virtual GlobalCounter latest_change() const = 0;

  // Properties that the user set and that have no place in the backend, of a folder or message. They go
  // with it.
  virtual Result<mapi::PropertyBag> extra_properties(GlobalCounter object) = 0;
  virtual Status set_extra_properties(GlobalCounter object, const mapi::PropertyBag& properties) = 0;

  // What ContentChange stored; nullopt for messages of backends.
  virtual Result<std::optional<Bytes>> content(GlobalCounter message) = 0;

  // What was begun and has to be ended, also after a kill: an entry is on the disk when add_journal() returns. Ids grow.
  // `head` is short and comes with the list; `payload` may be large.
  virtual Result<std::uint64_t> add_journal(const std::string& kind, const std::string& head, View payload) = 0;
  virtual Result<std::vector<JournalEntry>> journal(const std::string& kind) = 0;
  virtual Result<std::optional<Bytes>> journal_payload(std::uint64_t id) = 0;
  virtual Status update_journal(std::uint64_t id, const std::string& head) = 0;
  virtual Status remove_journal(std::uint64_t id) = 0;

  // Ids of named properties, 0x8001 and up; 0 where `create` is false and the name is unknown or
  // where all ids are used up.
  virtual Result<std::vector<std::uint16_t>> named_property_ids(std::span<const mapi::PropertyName> names, bool create) = 0;
  virtual Result<std::vector<std::optional<mapi::PropertyName>>> named_properties(std::span<const std::uint16_t> ids) = 0;
  virtual Result<std::vector<std::pair<std::uint16_t, mapi::PropertyName>>> all_named_properties() = 0;

  // Small settings by key, for providers and the engine.
  virtual Result<std::optional<std::string>> value(const std::string& key) = 0;
  virtual Status set_value(const std::string& key, const std::string& value) = 0;
};

class StateStore {
 public:
  virtual ~StateStore() = default;
  // The mailbox of `user` (canonical e-mail address), made on first use.
  virtual Result<std::unique_ptr<MailboxState>> open(const std::string& user) = 0;
};

// One SQLite file a mailbox in `folder` (made if missing, mode 0700): mailboxes do not wait for each
// other's writes, and a damaged file costs one mailbox its index, not everyone.
Result<std::unique_ptr<StateStore>> open_sqlite_store(const std::string& folder);

}  // namespace mapigate::state
