// One user's mailbox: its state store, its providers and its folder tree, shared by all sessions of
// the user. Lives on the user's executor; what blocks runs on workers, one call at a time.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <memory>
#include <set>

#include "io/runtime.h"
#include "io/sync.h"
#include "convert/message_data.h"
#include "mailbox/folder_tree.h"
#include "mailbox/message_list.h"
#include "mailbox/options.h"
#include "mailbox/store_identity.h"
#include "mailbox/stream_locks.h"
#include "mailbox/text_cache.h"

namespace mapigate::mailbox {

using io::Task;

// The store among the objects with properties of their own.
inline constexpr GlobalCounter store_object = GlobalCounter{1} << 51;

// A provider module by its instance name; it is the `provider` of the folders it serves.
struct NamedFactory {
  std::string name;
  ProviderFactory* factory = nullptr;
};

class Mailbox;
struct Parcel;
class Submitter;
class SubmitterFactory;
struct RowGroups;
struct Search;
struct SearchCriteria;

// What all mailboxes of an engine share, and own together.
class UserServices;

struct MailboxContext {
  io::Runtime& runtime;
  EngineOptions options;
  std::unique_ptr<state::StateStore> store;
  std::function<std::vector<NamedFactory>()> factories;  // works once all modules are made
  std::function<SubmitterFactory*()> submitter{};        // the same; none: nothing can be sent
  UserServices* services = nullptr;                      // null: no automatic replies, and nobody opens another's mailbox
  // The one that all use who use it. From any thread; it is to be used on its executor, and let go of there.
  std::function<std::shared_ptr<Mailbox>(const std::string& user)> mailbox_of{};
};

// Soft: where they can be recovered from ([MS-OXCFOLD] 2.2.1.11); hard: for good (2.2.1.12).
enum class Deletion : std::uint8_t { soft, hard };

// Something changed; told to everyone who listens, on the user's executor.
struct MailboxEvent {
  enum class Kind : std::uint8_t {
    new_mail,          // `message` came into `folder`
    message_created, message_changed, message_removed,
    message_moved, message_copied,  // from old_folder, old_message
    folder_created, folder_removed, folder_moved, folder_copied,  // `folder`; moved, copied: from old_folder, the parent of old_message
    contents_changed,  // of `folder`: tables over it look different now; comes once a change
    folder_changed,    // counts or properties
    hierarchy_changed, // folders came, went or were renamed
    search_complete,   // search folder `folder` shows all that there is
  } kind;
  GlobalCounter folder = 0, message = 0;
  std::uint32_t flags = 0;  // MessageFlag of the message
  GlobalCounter old_folder = 0, old_message = 0;
  std::string message_class{};  // new_mail: of the message
};
class Listener {
 public:
  virtual void on_event(const MailboxEvent& event) = 0;
  // Folders whose changes somebody waits for: kept fresh while a NotificationWait pends.
  virtual std::vector<GlobalCounter> watched() const = 0;

 protected:
  ~Listener() = default;
};

// The parsed content of a message with the row it belongs to.
using Content = std::shared_ptr<convert::MimeMessage>;

class Mailbox : public std::enable_shared_from_this<Mailbox> {
 public:
  Mailbox(std::shared_ptr<MailboxContext> context, std::shared_ptr<const chain::Identity> identity, io::Executor executor);
  ~Mailbox();

  // State open, special folders there, folder list known. Cheap when it is so already.
  // Errc::unavailable and the like when the folder list has never been had and cannot be had now.
  Task<Status> open();
  bool is_open() const { return state_ != nullptr; }
  // A password that changed since: providers that log in with the old one are dropped.
  void use_identity(std::shared_ptr<const chain::Identity> identity);
  // Somebody else works with it. Unless its owner is there, providers log in by themselves: the owner's password may not be
  // that any more, and nobody would come to tell the new one.
  void without_password();

  // Hold one while working with the mailbox: it is not closed meanwhile.
  std::shared_ptr<void> use();
  // Drops state, providers, caches and tree when nobody uses it; open() brings them back, ids and all.
  bool close_if_idle(Duration idle);

  std::shared_ptr<const StoreIdentity> identity() const { return store_; }
  std::shared_ptr<const FolderTree> tree() const { return tree_; }
  MailboxContext& context() const { return context_; }
  const io::Executor& executor() const { return executor_; }
  const std::shared_ptr<const chain::Identity>& login() const { return login_; }

  // Runs `work(state)` on a worker and gives its Result. `work` must own what it uses or use what lives on
  // while the caller waits.
  template <class F, class R = std::invoke_result_t<F&, state::MailboxState&>>
  Task<R> with_state(F work) {
    auto lock = co_await state_lock_.lock(std::chrono::seconds(60));
    if (!lock) co_return lock.error();
    auto state = state_;
    if (!state) co_return error(Errc::unavailable, "the mailbox is closed");
    auto call = [&work, &state]() -> R { return work(*state); };
    R out = co_await io::run_blocking(context_.runtime, call);
    co_return out;
  }

  // -- folders and their index (mailbox_listing.cc, mailbox_refresh.cc)

  // In the background, when older than the refresh interval.
  void refresh_folders_soon();
  void refresh_folder_soon(GlobalCounter folder);
  // Waits for the refresh that runs or starts one; ok when the backend was asked and answered.
  Task<Status> refresh_folder(GlobalCounter folder);
  Task<Status> refresh_folders();
  // A folder whose index may be served: at once when it has been complete before, else after
  // the first indexing, at most `limit`: Errc::timeout says that it goes on.
  Task<Status> wait_indexed(GlobalCounter folder, Duration limit);
  std::uint64_t version(GlobalCounter folder) const;  // changes with every change to the folder's index
  std::uint64_t tree_version() const { return tree_version_; }
  std::uint64_t newest_version() const { return next_version_; }  // changes with every change to any of them

  // -- messages

  Task<Result<MessageList>> message_list(GlobalCounter folder, std::shared_ptr<const ListOrder> order);
  // The same for an order with categories or rows of single values.
  Task<Result<std::shared_ptr<const RowGroups>>> row_groups(GlobalCounter folder, std::shared_ptr<const ListOrder> order);
  // Asks the backends for the texts in a restriction that the index does not hold (text_search.cc), and reads messages for
  // what it wants of attachments. Errc::unsupported where nobody looks for them, Errc::timeout when reading takes long: what was
  // read is known the next time. `restriction` must live while the caller waits.
  Task<Result<TextMatches>> find_texts(GlobalCounter folder, const mapi::Restriction* restriction,
                                       std::vector<GlobalCounter> among = {});  // these only; empty: all
  // Puts what their texts begin with into these rows, under PidTagBody; an error value where it cannot be had, or not within `limit`
  // (text_columns.cc). The rows must live while the caller waits.
  Task<> add_texts(std::vector<state::Message*> rows, Duration limit);
  Task<Result<state::Message>> message(GlobalCounter id);
  // `keep`: it is likely to be wanted again soon.
  Task<Result<Content>> content(state::Message message, bool keep = true);
  // What the first provider tells, asked no more often than for folders; nullopt when it tells nothing.
  Task<std::optional<Quota>> quota();
  // First the backend, then the index; nothing of it happened when it fails.
  Task<Status> set_flags(GlobalCounter folder, std::vector<GlobalCounter> messages, std::uint32_t set, std::uint32_t clear);

  // -- writing (mailbox_writing.cc, mailbox_moving.cc): first the backend, then the index. What a kill interrupts is ended or undone
  // from the journal before the folder is read again.

  // Messages of this folder live in the state store alone.
  bool is_local(const Folder& folder) const { return folder.provider.empty(); }
  Task<Result<GlobalCounter>> reserve_id();
  // The data of a message that lives in the state store; null of others.
  Task<Result<std::shared_ptr<convert::MessageData>>> stored_data(GlobalCounter message);
  // Stores `data` as message `id` (reserved before) of the folder, in place of what it was. `opened`: the remote key, in folders of
  // the engine and of hidden messages the change number, that it must still have; Errc::conflict when it has another. `again`: an
  // attempt before this one failed, and may have been ended since.
  Task<Status> save_message(GlobalCounter folder, bool associated, GlobalCounter id, std::uint32_t flags,
                            std::shared_ptr<convert::MessageData> data, std::optional<std::uint64_t> opened = {}, bool again = false);
  // Whether edits that were cut off, and ended from the journal, gave the message this key in place of that one.
  bool ended_as(GlobalCounter message, std::uint64_t before, std::uint64_t now) const;
  // What stands beside a message, with its flags: `edit` makes it of the message as it is while nobody else writes.
  using ExtrasEdit = std::function<mapi::PropertyBag(const state::Message&)>;
  Task<Status> save_extras(GlobalCounter folder, GlobalCounter id, ExtrasEdit edit, std::uint32_t set, std::uint32_t clear);
  // For good, or to where they can be recovered from. Messages that are gone, or in other folders, are passed over; of those
  // that were deleted from this folder, hard deletion is the end. `here`: those that were found, also for the next.
  Task<Status> delete_messages(GlobalCounter folder, std::vector<GlobalCounter> ids, Deletion how = Deletion::soft,
                               std::set<GlobalCounter>* here = nullptr);
  // Messages deleted from `from` are found, too: moving them out is how they are recovered.
  Task<Status> move_messages(GlobalCounter from, std::vector<GlobalCounter> ids, GlobalCounter to, bool copy,
                             std::set<GlobalCounter>* here = nullptr);
  // A message for another mailbox, and one from there (mailbox_across.cc). Errc::not_found: it is not in this folder any more.
  Task<Result<std::shared_ptr<Parcel>>> pack(GlobalCounter folder, GlobalCounter id);
  Task<Status> unpack(GlobalCounter folder, std::shared_ptr<Parcel> parcel);
  Task<Status> settle_journal();  // ends what was begun before; what depends on other mailboxes may stay open
  // A message on its way there is noted here until it is in one place only (handover.cc). `change`: its change number when it was
  // packed; `there`: the id that it gets. Whoever notes it ends that, or leaves it to the next who finishes the journal.
  Task<Result<std::uint64_t>> note_handover(GlobalCounter folder, GlobalCounter id, GlobalCounter change, std::string to_user, GlobalCounter there);
  // A folder that moves there as a new child `name` of `parent`.
  struct FolderHandover {
    GlobalCounter folder = 0, parent = 0;
    std::string user, name;
  };
  Task<Result<std::uint64_t>> note_folder_handover(FolderHandover what);
  // Those that nobody works on, by entry; they are the caller's now.
  Task<Result<std::vector<std::pair<std::uint64_t, FolderHandover>>>> take_folder_handovers();
  Task<Status> end_handover(std::uint64_t entry);
  void leave_handover(std::uint64_t entry);
  void wait_with_handovers();  // for a while: the other mailbox, or its backend, is not to be had
  enum class Arrival : std::uint8_t { no, yes, open };
  Task<Result<Arrival>> arrival(GlobalCounter id);  // here, of one that another mailbox has noted
  // The same of named properties alone: all that occur in a message, also of its recipients; and our ids of those of another mailbox.
  Task<Result<std::map<std::uint16_t, mapi::PropertyName>>> all_names_in(const convert::MessageData* message);
  Task<Result<std::map<std::uint16_t, std::uint16_t>>> own_ids(std::map<std::uint16_t, mapi::PropertyName> from);
  // Stores a finished Internet message, e.g. a report, under the index of `folder`.
  Task<Result<GlobalCounter>> deliver(GlobalCounter folder, convert::ByteSource mime, std::uint32_t flags, mapi::PropertyBag extras);
  // Keys of the named properties in a message and in those embedded in it.
  Task<Result<std::map<std::uint16_t, mapi::PropertyName>>> names_in(const convert::MessageData& message);
  Task<Result<std::map<std::uint16_t, mapi::PropertyName>>> names_of(std::vector<std::uint16_t> ids);

  // -- deleted messages (recoverable.cc)

  // Those that were deleted from this folder and can be recovered, as rows of it.
  Task<Result<std::vector<state::Message>>> recoverable_messages(GlobalCounter folder);
  std::uint64_t recoverable_version() const;
  bool deleted_from(const state::Message& message, GlobalCounter folder) const;

  // -- folders (mailbox_folders.cc)

  Task<Result<GlobalCounter>> create_folder(GlobalCounter parent, std::string name, std::string container_class,
                                            FolderRole role = FolderRole::none);  // or search
  Task<Status> delete_folder(GlobalCounter folder);  // empty of folders
  Task<Status> move_folder(GlobalCounter folder, GlobalCounter parent, std::string name);
  Task<Status> put_folder(Folder folder);            // class
  // What was set on a folder, or on the store (store_object), and has no other place; null: nothing.
  std::shared_ptr<const mapi::PropertyBag> folder_extras(GlobalCounter folder) const;
  Task<Status> set_folder_extras(GlobalCounter folder, mapi::PropertyBag extras);
  Task<Status> count_hierarchy_change(GlobalCounter folder);  // one more folder below it, or one less
  // What the store counts beside a folder: `more` to what it is, or to `first`.
  Task<Status> add_to_count(GlobalCounter folder, mapi::PropertyTag tag, std::size_t more, std::int64_t first);

  // -- search folders (search.cc); they are folders of role search, made by create_folder

  // What it looks for; null: it has no criteria yet, or is none.
  std::shared_ptr<const Search> search(GlobalCounter folder) const;
  bool has_searches() const;  // that were not stopped
  // Starts looking. The same criteria again change nothing unless `restart`. Errc::conflict: it would search its own findings.
  Task<Status> set_search(GlobalCounter folder, SearchCriteria criteria, bool restart);
  Task<Status> stop_search(GlobalCounter folder);
  // The contents of a folder as tables list them.
  GlobalCounter contents_of(const Folder& folder) const {
    return folder.role == FolderRole::search ? state::links_of(folder.id) : folder.id;
  }
  // Messages by the folder they are in: those that a search folder shows are in others.
  Task<Result<std::map<GlobalCounter, std::vector<GlobalCounter>>>> by_folder(GlobalCounter folder, std::vector<GlobalCounter> ids);

  // -- sending (outbox.cc)

  struct Submission {
    convert::ByteSource mime;                // with its Bcc field
    convert::ByteSource leaving;             // what is sent where it differs in more than that field; empty: `mime` without it
    std::vector<std::string> recipients;
    std::string subject;
    GlobalCounter folder = 0, message = 0;   // the source, removed when it is sent
    GlobalCounter copy_to = 0;               // the folder of the copy; 0: none
    mapi::PropertyBag extras;                // of the copy
    FileTime not_before;
    bool wants_delivery_report = false;
    bool is_report = false;                  // leaves with an empty sender; nobody is told when it fails
    bool spooled = false;                    // its client files or deletes the source by itself, whenever it likes
  };
  bool can_submit() const;
  // What was submitted is not submitted once more: the client may not have heard of it. Before the first attempt it is
  // submitted as it is now.
  Task<Status> submit(Submission submission);
  // On its way: it was tried to send it, and nobody knows how far that got.
  enum class Abort : std::uint8_t { stopped, not_there, on_its_way };
  Task<Result<Abort>> abort_submit(GlobalCounter folder, GlobalCounter message);
  // The same for those of the messages that wait for their time: they are about to be deleted, or put elsewhere.
  Task<> take_back(GlobalCounter folder, std::vector<GlobalCounter> messages);
  // The message says no more that it was submitted.
  Task<Status> unmark_submitted(GlobalCounter folder, GlobalCounter message);

  StreamLocks& stream_locks() { return stream_locks_; }
  io::Mutex& receipts_lock() { return receipts_lock_; }  // held while somebody finds out which are still to be sent

  // -- listeners; they remove themselves before they end

  void listen(Listener* listener, bool owner) {
    listeners_.push_back(listener);
    owners_ += owner;
  }
  void unlisten(Listener* listener, bool owner) {
    std::erase(listeners_, listener);
    owners_ -= owner;
  }
  // A client has delivered this message by itself.
  void tell_new_mail(const state::Message& message);
  // Folder `made` is a copy of `folder`, which is below `parent`.
  void tell_copied_folder(GlobalCounter made, GlobalCounter folder, GlobalCounter parent) {
    tell({MailboxEvent::Kind::folder_copied, made, 0, 0, parent, folder});
  }
  // Stands by for news of the backend (mailbox_watch.cc); what that does not see is refreshed when listeners watch it and
  // it is older than the interval.
  void refresh_watched();

  // -- replica GUIDs of other stores (row L6)

  Task<Result<std::uint16_t>> replid_of(mapi::Guid replica);
  Task<Result<mapi::Guid>> replica_of(std::uint16_t replid);
  // Pairs of (replid, GUID), ours first.
  Bytes replid_map() const;

 private:
  struct FolderActivity {
    bool running = false;
    bool again = false, sure = false;  // news came meanwhile; there are some, so nobody has to ask
    Clock::time_point tried{};  // when a refresh last ended, well or not: a backend that is down is not hurried
    io::Event finished;
    Status last{};
    std::uint64_t version = 0;
  };
  struct CachedList {
    GlobalCounter folder;
    std::uint64_t version;
    std::string key;
    MessageList list;
  };

  // What a restriction may ask of the attachments of a message, without their data.
  using Attachments = std::shared_ptr<const std::vector<mapi::PropertyBag>>;
  struct KnownAttachments {
    GlobalCounter folder;
    std::uint64_t remote_key;
    std::size_t cost;
    Attachments attachments;
  };
  Task<Result<TextMatches>> find_bodies(GlobalCounter folder, const mapi::Restriction* restriction, std::vector<GlobalCounter> among);
  Task<Result<std::vector<state::Message>>> undecided(GlobalCounter folder, const mapi::Restriction* restriction, const TextMatches* texts,
                                                      std::vector<GlobalCounter> among);
  Task<Status> read_attachments(std::vector<state::Message> messages, const mapi::Restriction* restriction, TextMatches* texts,
                                Clock::time_point until);
  Task<Result<Attachments>> attachments_of(state::Message message);
  Task<> add_stored_texts(std::vector<state::Message*> rows);
  Task<Status> add_remote_texts(Folder folder, std::vector<state::Message*> rows, Duration limit);
  Task<Result<std::vector<GlobalCounter>>> find_text(GlobalCounter folder, TextQuery query, std::vector<GlobalCounter> among);
  Task<Status> load_searches();
  void start_searches();
  void start_search(std::shared_ptr<Search> search);
  void searches_look_again(GlobalCounter folder, bool hierarchy);
  std::vector<GlobalCounter> scope_of(const Search& search) const;
  bool searches_itself(GlobalCounter folder, const SearchCriteria& criteria) const;
  bool follows_searches(const Search& search) const;
  Task<> run_search(std::shared_ptr<Mailbox> self, std::shared_ptr<Search> search);
  Task<Status> search_once(std::shared_ptr<Search> search);
  Task<Status> search_folder(std::shared_ptr<Search> search, GlobalCounter folder);
  Task<Status> search_left_folders(std::shared_ptr<Search> search, std::vector<GlobalCounter> scope);
  Task<Status> search_changes(std::shared_ptr<Search> search);
  Task<Status> search_followed(std::shared_ptr<Search> search, GlobalCounter since);
  Task<Status> look_at(std::shared_ptr<Search> search, GlobalCounter folder, std::vector<GlobalCounter> ids, state::LinkChange* change);
  Task<Status> apply_links(std::shared_ptr<Search> search, state::LinkChange change);
  Task<Status> load_state();
  void name_owner();  // as the directory does, once it is there
  Task<Status> make_special_folders();
  Task<Status> load_tree();
  Task<Status> list_folders();
  Task<Status> list_provider(std::string name, Provider* provider);
  Task<Result<std::vector<RemoteFolder>>> ask_for_folders(std::string name, std::shared_ptr<Provider> from);
  Task<Result<std::map<std::string, GlobalCounter>>> find_renamed(std::string name, std::shared_ptr<Provider> from,
                                                                  const std::vector<RemoteFolder>* remote);
  Task<Status> take_rights(std::string name, std::map<std::string, std::uint32_t> granted);
  Task<Status> load_rights();
  Task<Status> store_changes(std::string provider, TreeChanges changes);
  Task<> run_folder_refresh(std::shared_ptr<Mailbox> self, GlobalCounter folder);
  Task<> run_list_refresh(std::shared_ptr<Mailbox> self);
  Task<Status> index_folder(GlobalCounter folder);
  // One after the other with what is being written; of a refresh that began at `since` what was written later counts more.
  Task<Status> apply(GlobalCounter folder, state::FolderDelta delta);
  Task<Status> apply_refresh(GlobalCounter folder, state::FolderDelta delta, std::uint64_t since);
  Task<Status> apply_locked(GlobalCounter folder, state::FolderDelta delta, bool tell_messages = true);
  Task<Result<io::Mutex::Lock>> write_lock();
  Task<Result<std::shared_ptr<Provider>>> provider_of(const Folder& folder);
  Task<Status> append_locked(Folder folder, GlobalCounter id, std::uint64_t old_key, std::uint32_t flags, FileTime received,
                             std::string message_id, convert::ByteSource mime, mapi::PropertyBag extras);
  Task<Status> store_appended(Folder folder, GlobalCounter id, std::uint64_t key, std::uint32_t flags, FileTime received,
                              convert::ByteSource mime, mapi::PropertyBag extras, std::uint64_t journal);
  Task<Status> save_locally(GlobalCounter folder, GlobalCounter id, std::uint32_t flags, std::shared_ptr<convert::MessageData> data);
  // Deleted messages move to the first, those of the state store to the second (recoverable.cc).
  Task<Result<Folder>> recoverable_of(Folder folder);
  Task<Status> keep_deleted(Folder folder, std::vector<state::Message> rows);
  Task<Status> purge_old();
  Task<Status> remove_rows(Folder folder, const std::vector<state::Message>& rows);
  void mark_deleted(mapi::PropertyBag& properties, GlobalCounter from) const;
  Task<Status> move_within(Folder from, Folder to, std::vector<state::Message> rows, bool copy);
  Task<Status> move_across(GlobalCounter from, Folder to, std::vector<state::Message> rows, bool copy);
  // Categories of messages are keywords of backends (categories.cc).
  Task<Result<mapi::PropertyTag>> category_tag();
  Task<Status> take_keywords(state::FolderDelta* delta);
  void name_senders(state::FolderDelta* delta) const;
  Task<Result<std::optional<state::FlagChange>>> put_keywords(GlobalCounter folder, GlobalCounter id, const mapi::PropertyBag* extras);
  Task<Status> renew_keywords(Folder folder, GlobalCounter id, std::string before);
  // News of the backend (mailbox_watch.cc).
  void watch_soon();
  static Task<> run_watch(std::weak_ptr<Mailbox> weak, std::uint64_t life);
  Task<Result<std::shared_ptr<Watch>>> open_watch();
  void take_news(const News& news);
  void news_of(GlobalCounter folder);
  bool sees(GlobalCounter folder) const;
  void end_watch();
  void start_outbox();
  Task<> run_outbox(std::shared_ptr<Mailbox> self);
  Task<Result<std::int64_t>> send_due();
  Task<Result<std::int64_t>> send_one(state::JournalEntry stored, Bytes payload);
  Task<Status> file_sent(GlobalCounter folder, GlobalCounter message, GlobalCounter copy_to, convert::ByteSource mime,
                         mapi::PropertyBag extras);
  // Unless it is there already. `source`, which is not it, may have the same Message-ID; so may others, where only the content tells:
  // `exact`.
  Task<Status> deliver_once(GlobalCounter folder, convert::ByteSource mime, std::uint32_t flags, mapi::PropertyBag extras,
                            GlobalCounter source = 0, bool exact = false);
  Result<std::shared_ptr<Submitter>> submitter_of();
  Task<Status> load_folder_extras();
  struct Begun {
    Folder folder;
    std::shared_ptr<Provider> provider;
    std::optional<Bytes> payload;
  };
  struct Arrived {
    std::uint64_t key = 0;
    convert::ByteSource mime;
  };
  Task<Result<std::optional<Begun>>> begun(GlobalCounter folder, std::uint64_t entry);
  Task<Result<std::optional<Arrived>>> find_arrived(const Begun* to, std::vector<std::uint64_t> keys, std::function<bool(View)> is_it);
  // Where the backend has put a message of whose new key it says nothing: one that `known`, the keys of before, has not. 0: not found.
  Task<Result<std::uint64_t>> find_moved(const Begun* to, std::string message_id, std::uint64_t size, const std::set<std::uint64_t>* known);
  Task<Status> finish_journal();
  Task<Status> finish_append(state::JournalEntry entry);
  Task<Status> finish_move(state::JournalEntry entry);
  Task<Status> finish_across(state::JournalEntry entry);
  Task<Result<bool>> finish_handover(state::JournalEntry entry);
  void carry_on_soon();
  Task<Status> remove_moved(GlobalCounter from, std::uint64_t key);
  Task<Status> load_replids();
  void start_folder_refresh(GlobalCounter folder, FolderActivity& activity);
  void list_again();
  std::vector<Folder> with_announced(std::vector<Folder> folders) const;
  void changed(GlobalCounter folder);
  void forget_folder(GlobalCounter folder);
  void tell(const MailboxEvent& event);
  void tell_deltas(const Folder& folder, bool was_indexed, const state::FolderDelta& delta,
                   const state::AppliedDelta& applied);
  Result<Provider*> provider(const std::string& name);
  void read_announced(const std::string& provider, const std::string& lines);
  Task<Result<std::vector<state::Message>>> rows_of(std::vector<GlobalCounter> ids);

  std::shared_ptr<MailboxContext> shared_context_;
  MailboxContext& context_;
  std::shared_ptr<const chain::Identity> login_;
  io::Executor executor_;
  std::shared_ptr<state::MailboxState> state_;
  std::shared_ptr<const StoreIdentity> store_;
  std::shared_ptr<const FolderTree> tree_;
  std::uint64_t tree_version_ = 1;
  std::uint64_t next_version_ = 1;
  std::uint64_t base_version_ = 1;  // of folders that did not change since the mailbox was opened
  std::map<std::string, std::shared_ptr<Provider>> providers_;
  // By provider and remote id: total and unread of the last folder list.
  std::map<std::pair<std::string, std::string>, std::pair<std::uint32_t, std::uint32_t>> announced_;
  std::shared_ptr<Submitter> submitter_;
  io::Mutex outbox_lock_, receipts_lock_;
  io::Event outbox_wake_;
  bool outbox_running_ = false;
  std::map<std::uint64_t, std::string> unnoted_;         // by journal entry: how far sending got, where that could not be stored
  io::Mutex open_lock_, state_lock_, write_lock_, criteria_lock_;
  std::uint64_t writes_ = 0;                             // counts messages that got a new key
  std::map<GlobalCounter, std::uint64_t> rekeyed_;       // … and when each of them got it
  std::uint64_t tree_writes_ = 0;                        // a folder list that was asked for before is stale
  unsigned slow_recognitions_ = 0;                       // that took too long, one after the other
  bool journal_open_ = true;                             // there may be something to finish
  std::set<std::uint64_t> handing_over_;                 // entries of the journal that somebody works on
  bool folders_left_ = true;                             // there may be folders that were cut off on their way
  Clock::time_point ask_handovers_after_{};
  std::map<GlobalCounter, std::pair<std::uint64_t, std::uint64_t>> ended_;  // edits that were cut off: keys before and after
  std::map<GlobalCounter, std::shared_ptr<const mapi::PropertyBag>> folder_extras_;
  std::map<GlobalCounter, std::shared_ptr<Search>> searches_;
  FolderActivity listing_;
  std::shared_ptr<Watch> watch_;                         // null while there is none
  std::uint64_t watch_life_ = 0;                         // of the task that keeps it; an older one ends
  bool watching_ = false;
  Clock::time_point no_watch_before_{};
  Clock::time_point tidied_{};
  std::optional<mapi::PropertyTag> category_tag_;
  std::optional<Quota> quota_;
  Clock::time_point ask_quota_after_{};
  StreamLocks stream_locks_;
  std::map<GlobalCounter, FolderActivity> activity_;
  std::deque<CachedList> lists_;  // most recently used first
  std::deque<std::pair<GlobalCounter, Content>> contents_;
  std::map<GlobalCounter, KnownAttachments> attachments_;  // by message
  std::deque<GlobalCounter> attachments_order_;            // of those, the oldest first
  std::size_t attachments_cost_ = 0;
  TextCache texts_;
  Clock::time_point no_texts_before_{};
  std::vector<Listener*> listeners_;
  int owners_ = 0;                // of them that are the owner's
  bool without_password_ = false;
  std::map<std::uint16_t, mapi::Guid> foreign_replicas_;
  std::shared_ptr<int> users_ = std::make_shared<int>(0);
  Clock::time_point last_use_ = Clock::now();
};

// For what is written beside a folder, within the same call of the state store.
Result<bool> holds_folder(state::MailboxState& s, GlobalCounter folder);

}  // namespace mapigate::mailbox
