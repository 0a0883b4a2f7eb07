// One user's mailbox: its state store, its providers and its folder tree, shared by all sessions of
// the user. Lives on the user's executor; what blocks runs on workers, one call at a time.
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "io/runtime.h"
#include "io/sync.h"
#include "mailbox/folder_tree.h"
#include "mailbox/message_list.h"
#include "mailbox/options.h"
#include "mailbox/store_identity.h"

namespace mapigate::mailbox {

using io::Task;

// A provider module by its instance name; it is the `provider` of the folders it serves.
struct NamedFactory {
  std::string name;
  ProviderFactory* factory = nullptr;
};

// What all mailboxes of an engine share, and own together.
struct MailboxContext {
  io::Runtime& runtime;
  EngineOptions options;
  std::unique_ptr<state::StateStore> store;
  std::function<std::vector<NamedFactory>()> factories;  // works once all modules are made
};

// Something changed; told to everyone who listens, on the user's executor.
struct MailboxEvent {
  enum class Kind : std::uint8_t {
    new_mail,          // `message` came into `folder`
    message_created, message_changed, message_removed,
    contents_changed,  // of `folder`: tables over it look different now; comes once a change
    folder_changed,    // counts or properties
    hierarchy_changed, // folders came, went or were renamed
  } kind;
  GlobalCounter folder = 0, message = 0;
  std::uint32_t flags = 0;  // MessageFlag of the message
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

  // Hold one while working with the mailbox: it is not closed meanwhile.
  std::shared_ptr<void> use();
  Clock::time_point last_use() const { return last_use_; }
  // Drops state, providers, caches and tree when nobody uses it; open() brings them back, ids and all.
  bool close_if_idle(Duration idle);

  std::shared_ptr<const StoreIdentity> identity() const { return store_; }
  std::shared_ptr<const FolderTree> tree() const { return tree_; }
  MailboxContext& context() const { return context_; }
  const io::Executor& executor() const { return executor_; }

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

  // -- folders and their index (mailbox_refresh.cc)

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

  // -- messages

  Task<Result<MessageList>> message_list(GlobalCounter folder, std::shared_ptr<const ListOrder> order);
  Task<Result<state::Message>> message(GlobalCounter id);
  Task<Result<Content>> content(state::Message message);
  // First the backend, then the index; nothing of it happened when it fails.
  Task<Status> set_flags(GlobalCounter folder, std::vector<GlobalCounter> messages, std::uint32_t set, std::uint32_t clear);

  // -- listeners; they remove themselves before they end

  void listen(Listener* listener) { listeners_.push_back(listener); }
  void unlisten(Listener* listener) { std::erase(listeners_, listener); }
  // Refreshes what listeners watch and is older than the interval.
  void refresh_watched();

  // -- replica GUIDs of other stores (row L6)

  Task<Result<std::uint16_t>> replid_of(mapi::Guid replica);
  Task<Result<mapi::Guid>> replica_of(std::uint16_t replid);
  // Pairs of (replid, GUID), ours first.
  Bytes replid_map() const;

 private:
  struct FolderActivity {
    bool running = false;
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

  Task<Status> load_state();
  Task<Status> make_special_folders();
  Task<Status> load_tree();
  Task<Status> list_folders();
  Task<Status> list_provider(std::string name, Provider* provider);
  Task<Status> store_changes(std::string provider, TreeChanges changes);
  Task<> run_folder_refresh(std::shared_ptr<Mailbox> self, GlobalCounter folder);
  Task<> run_list_refresh(std::shared_ptr<Mailbox> self);
  Task<Status> index_folder(GlobalCounter folder);
  Task<Status> apply(GlobalCounter folder, state::FolderDelta delta);
  Task<Status> load_replids();
  void start_folder_refresh(GlobalCounter folder, FolderActivity& activity);
  void changed(GlobalCounter folder);
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
  io::Mutex open_lock_, state_lock_;
  FolderActivity listing_;
  std::map<GlobalCounter, FolderActivity> activity_;
  std::deque<CachedList> lists_;  // most recently used first
  std::deque<std::pair<GlobalCounter, Content>> contents_;
  std::vector<Listener*> listeners_;
  std::map<std::uint16_t, mapi::Guid> foreign_replicas_;
  std::shared_ptr<int> users_ = std::make_shared<int>(0);
  Clock::time_point last_use_ = Clock::now();
};

}  // namespace mapigate::mailbox
