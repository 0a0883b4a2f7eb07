#include "mailbox/mailbox.h"

#include <algorithm>

#include "base/cursor.h"
#include "convert/mime_supplement.h"
#include "mailbox/message_edit.h"
#include "mailbox/row_groups.h"
#include "mailbox/search.h"
#include "mailbox/user_services.h"
#include "mapi/legacy_dn.h"

namespace mapigate::mailbox {

namespace {
constexpr std::size_t max_foreign_replicas = 1000;
constexpr char replids_key[] = "engine.replids";
}  // namespace

Mailbox::Mailbox(std::shared_ptr<MailboxContext> context, std::shared_ptr<const chain::Identity> identity, io::Executor executor)
    : shared_context_(std::move(context)),
      context_(*shared_context_),
      login_(std::move(identity)),
      executor_(std::move(executor)),
      store_(std::make_shared<StoreIdentity>()),
      tree_(std::make_shared<FolderTree>()) {}
Mailbox::~Mailbox() { end_watch(); }

void Mailbox::use_identity(std::shared_ptr<const chain::Identity> identity) {
  // The same again counts, too, where providers went on without it.
  if (identity->password == login_->password && !without_password_) return;
  login_ = std::move(identity);
  without_password_ = false;
  submitter_.reset();
  outbox_wake_.set();
  end_watch();
  no_watch_before_ = {};
  providers_.clear();
}

void Mailbox::without_password() {
  if (owners_ > 0 || without_password_ || login_->password.empty()) return;
  without_password_ = true;
  end_watch();
  no_watch_before_ = {};
  providers_.clear();
}

std::shared_ptr<void> Mailbox::use() {
  ++*users_;
  auto self = shared_from_this();
  return std::shared_ptr<void>(nullptr, [self](void*) {
    --*self->users_;
    self->last_use_ = Clock::now();
  });
}

bool Mailbox::close_if_idle(Duration idle) {
  if (!state_) return true;
  if (*users_ > 0 || state_lock_.locked() || write_lock_.locked() || open_lock_.locked() || Clock::now() - last_use_ < idle) return false;
  state_.reset();
  end_watch();
  providers_.clear();
  lists_.clear();
  lists_.shrink_to_fit();
  contents_.clear();
  contents_.shrink_to_fit();
  attachments_.clear();
  attachments_order_.clear();
  attachments_cost_ = 0;
  texts_.clear();
  no_texts_before_ = {};
  activity_.clear();
  listing_ = {};
  foreign_replicas_.clear();
  for (const auto& [id, search] : searches_) search->stop = true;
  searches_.clear();
  folder_extras_.clear();
  category_tag_.reset();
  rekeyed_.clear();
  ended_.clear();
  journal_open_ = true;
  handing_over_.clear();
  folders_left_ = true;
  ask_handovers_after_ = {};
  tree_ = std::make_shared<FolderTree>();
  // Tables that outlive the closing must not take a new list for theirs: versions only grow.
  base_version_ = tree_version_ = ++next_version_;
  return true;
}

Task<Status> Mailbox::open() {
  auto lock = co_await open_lock_.lock(context_.options.backend_wait);
  if (!lock) co_return lock.error();
  if (state_) {
    name_owner();
    refresh_folders_soon();
    carry_on_soon();
    co_return Status{};
  }
  auto loaded = co_await load_state();
  if (!loaded) {
    state_.reset();
    co_return loaded;
  }
  auto listed = co_await list_folders();
  if (!listed) {
    state_.reset();
    co_return listed;
  }
  start_searches();
  start_outbox();  // what was submitted before a restart
  carry_on_soon();
  co_return Status{};
}

void Mailbox::name_owner() {
  if (context_.services == nullptr || store_->display_name != store_->user) return;
  auto name = context_.services->display_name(store_->user);
  if (name.empty() || name == store_->user) return;
  auto named = std::make_shared<StoreIdentity>(*store_);
  named->display_name = std::move(name);
  store_ = std::move(named);
}

Task<Status> Mailbox::load_state() {
  auto* store = context_.store.get();
  auto user = login_->user;
  auto open = [store, user]() { return store->open(user); };
  auto opened = co_await io::run_blocking(context_.runtime, open);
  if (!opened) co_return std::move(opened.error()).within("state of the mailbox");
  state_ = std::move(*opened);
  auto identity = std::make_shared<StoreIdentity>();
  auto* out = identity.get();
  auto guids = [out](state::MailboxState& s) -> Status {
    out->mailbox = s.mailbox_guid();
    out->replica = s.replica_guid();
    const mapi::PropertyName shown[] = {mapi::PidLidSmartNoAttach};
    auto ids = s.named_property_ids(shown, true);
    if (!ids) return ids.error();
    if (!ids->empty()) out->smart_no_attach = ids->front();
    return {};
  };
  auto known = co_await with_state(guids);
  if (!known) co_return known;
  const auto& options = context_.options;
  identity->user = user;
  identity->display_name = user;
  identity->dn = mapi::user_dn(user);
  identity->server_dn = mapi::server_dn(options.server_name);
  store_ = identity;
  name_owner();
  auto granted = co_await load_rights();
  if (!granted) co_return granted;
  auto replids = co_await load_replids();
  if (!replids) co_return replids;
  auto tree = co_await load_tree();
  if (!tree) co_return tree;
  auto made = co_await make_special_folders();
  if (!made) co_return made;
  auto searches = co_await load_searches();
  if (!searches) co_return searches;
  co_return co_await load_folder_extras();
}

Task<Status> Mailbox::load_tree() {
  auto read = [](state::MailboxState& s) { return s.folders(); };
  auto folders = co_await with_state(read);
  if (!folders) co_return std::move(folders.error()).within("folders");
  auto now = with_announced(std::move(*folders));
  // What another gateway of the same store wrote: views made before are out of date.
  for (const auto& folder : now) {
    const auto* before = tree_ ? tree_->find(folder.id) : nullptr;
    if (before && (before->total != folder.total || before->unread != folder.unread || before->size != folder.size))
      changed(folder.id);
  }
  tree_ = std::make_shared<FolderTree>(std::move(now));
  tree_version_ = ++next_version_;
  co_return Status{};
}

// Until a folder is indexed its counts are those the backend told.
std::vector<Folder> Mailbox::with_announced(std::vector<Folder> folders) const {
  for (auto& folder : folders) {
    const auto told = announced_.find({folder.provider, folder.remote_id});
    if (folder.indexed || told == announced_.end()) continue;
    folder.total = told->second.first;
    folder.unread = told->second.second;
  }
  return folders;
}

Task<Status> Mailbox::make_special_folders() {
  auto before = tree_;
  bool made = false;
  for (const auto& special : special_folders()) {
    if (!special.always || before->by_role(special.role)) continue;
    Folder folder;
    folder.id = special_id(special.role);
    folder.parent = special.role == FolderRole::root ? 0 : special_id(special.parent);
    folder.role = special.role;
    folder.name = special.name;
    folder.container_class = special.container_class;
    auto put = [&folder](state::MailboxState& s) { return s.put_folder(folder); };
    auto stored = co_await with_state(put);
    if (!stored) co_return std::move(stored.error()).within("special folders");
    made = true;
  }
  if (!made) co_return Status{};
  co_return co_await load_tree();
}

Result<Provider*> Mailbox::provider(const std::string& name) {
  if (const auto known = providers_.find(name); known != providers_.end()) return known->second.get();
  for (const auto& factory : context_.factories()) {
    if (factory.name != name) continue;
    auto identity = login_;
    if (without_password_) identity = std::make_shared<const chain::Identity>(chain::Identity{login_->user, {}});
    std::shared_ptr<Provider> made = factory.factory->open(std::move(identity), executor_);
    made->set_row_lookup([this](std::vector<GlobalCounter> ids) { return rows_of(std::move(ids)); });
    return (providers_[name] = std::move(made)).get();
  }
  // Not a missing folder but a gap in the configuration: its messages must not disappear for it.
  return error(Errc::unavailable, "no provider \"{}\" is configured", name);
}

Task<Result<std::vector<state::Message>>> Mailbox::rows_of(std::vector<GlobalCounter> ids) {
  auto read = [&ids](state::MailboxState& s) { return s.messages(ids); };
  co_return co_await with_state(read);
}

// -- messages

Task<Result<MessageList>> Mailbox::message_list(GlobalCounter folder, std::shared_ptr<const ListOrder> order) {
  const auto at_version = version(folder);
  for (auto at = lists_.begin(); at != lists_.end(); ++at) {
    if (at->folder != folder || at->version != at_version || at->key != order->key) continue;
    auto found = std::move(*at);
    lists_.erase(at);
    lists_.push_front(std::move(found));
    co_return lists_.front().list;
  }
  auto texts = co_await find_texts(folder, order->restriction);
  if (!texts) co_return texts.error();
  auto identity = store_;
  const auto limit = context_.options.max_rows;
  const auto* matches = &*texts;
  auto build = [identity, folder, order, limit, matches](state::MailboxState& s) {
    return build_list(s, identity, folder, *order, limit, matches);
  };
  auto built = co_await with_state(build);
  if (!built) co_return built;
  if (version(folder) == at_version) {
    std::erase_if(lists_, [&](const auto& l) { return l.folder == folder && l.version != at_version; });
    lists_.push_front({folder, at_version, order->key, *built});
    std::size_t total = 0;
    for (std::size_t i = 0; i < lists_.size(); ++i) {
      total += lists_[i].list->size() + 100;
      if (i > 0 && total > context_.options.list_cache) {
        lists_.resize(i);
        break;
      }
    }
  }
  co_return built;
}

Task<Result<std::shared_ptr<const RowGroups>>> Mailbox::row_groups(GlobalCounter folder, std::shared_ptr<const ListOrder> order) {
  auto texts = co_await find_texts(folder, order->restriction);
  if (!texts) co_return texts.error();
  auto identity = store_;
  const auto limit = context_.options.max_rows;
  const auto* matches = &*texts;
  auto build = [identity, folder, order, limit, matches](state::MailboxState& s) {
    return build_groups(s, identity, folder, *order, limit, matches);
  };
  co_return co_await with_state(build);
}

Task<Result<state::Message>> Mailbox::message(GlobalCounter id) {
  auto read = [id](state::MailboxState& s) { return s.message(id); };
  auto found = co_await with_state(read);
  if (!found) co_return found.error();
  if (!*found) co_return error(Errc::not_found, "no message {:x}", id);
  co_return std::move(**found);
}

Task<Result<Content>> Mailbox::content(state::Message message, bool keep_it) {
  const auto id = message.id;
  for (auto at = contents_.begin(); at != contents_.end(); ++at) {
    if (at->first != id) continue;
    auto found = *at;
    contents_.erase(at);
    contents_.push_front(found);
    co_return found.second;
  }
  const auto* row = tree_->find(state::folder_of(message.folder));
  if (!row) co_return error(Errc::not_found, "the folder is gone");
  Folder folder = *row;
  Result<convert::ByteSource> source = error(Errc::not_found, "the message is gone");
  convert::MimeOptions mime;
  mime.header.internal_date = message.received;
  if (is_local(folder) || state::is_associated(message.folder)) {
    // For whoever wants it as mail.
    auto data = co_await stored_data(id);
    if (!data) co_return data.error();
    auto held = *data;
    convert::MimeWriteOptions options;
    options.from.address = store_->user;
    auto* supplement = &mime.supplement;
    auto write = [held, &options, supplement]() -> Result<convert::ByteSource> {
      if (!held) return error(Errc::not_found, "the message is gone");
      auto written = convert::write_mime(*held, options);
      if (!written) return written;
      auto parsed = convert::MimeMessage::parse(*written);
      if (!parsed) return parsed.error();
      *supplement = std::make_shared<convert::Supplement>(convert::supplement_of(*held, **parsed, true));
      return written;
    };
    source = co_await io::run_blocking(context_.runtime, write);
  } else {
    auto read = [id](state::MailboxState& s) { return s.message(id); };
    auto stored = co_await with_state(read);
    if (!stored) co_return stored.error();
    if (*stored) mime.supplement = supplement_in((*stored)->extras);
    auto from = provider(folder.provider);
    if (!from) co_return from.error();
    auto keep = providers_[folder.provider];
    auto fetch = keep->content(folder, message.remote_key);
    source = co_await io::with_deadline(context_.options.backend_wait, std::move(fetch));
  }
  if (!source) co_return std::move(source.error()).within("content of a message");
  auto bytes = *source;
  auto parse = [&bytes, &mime]() { return convert::MimeMessage::parse(bytes, mime); };
  auto parsed = co_await io::run_blocking(context_.runtime, parse);
  if (!parsed || !keep_it) co_return parsed;
  contents_.emplace_front(id, *parsed);
  std::size_t total = 0;
  for (std::size_t i = 0; i < contents_.size(); ++i) {
    total += contents_[i].second->source().size() + 4096;
    if (i > 0 && total > context_.options.content_cache) {
      contents_.resize(i);
      break;
    }
  }
  co_return *parsed;
}

Task<Status> Mailbox::set_flags(GlobalCounter folder_id, std::vector<GlobalCounter> messages, std::uint32_t set,
                                std::uint32_t clear) {
  auto read = [&messages](state::MailboxState& s) { return s.messages(messages); };
  std::map<GlobalCounter, std::uint64_t> told;  // the keys by which the backend has heard of it
  for (int attempt = 0; attempt < 5; ++attempt) {
    auto lock = co_await write_lock();
    if (!lock) co_return lock.error();
    const auto* row = tree_->find(folder_id);
    if (!row) co_return error(Errc::not_found, "the folder is gone");
    const Folder folder = *row;
    auto found = co_await with_state(read);
    if (!found) co_return found.error();
    state::FolderDelta delta, hidden;
    std::map<GlobalCounter, std::uint64_t> untold;
    for (const auto& message : *found) {
      const auto flags = (message.flags | set) & ~clear;
      if (flags == message.flags || state::folder_of(message.folder) != folder_id) continue;
      if (state::is_associated(message.folder)) {
        hidden.flags.push_back({message.id, flags});
        continue;
      }
      // A message that was stored anew meanwhile has another key.
      const auto known = told.find(message.id);
      if (!is_local(folder) && (known == told.end() || known->second != message.remote_key)) untold[message.id] = message.remote_key;
      delta.flags.push_back({message.id, flags});
    }
    if (untold.empty()) {
      if (!hidden.flags.empty()) {
        auto applied = co_await apply_locked(state::associated_of(folder_id), std::move(hidden));
        if (!applied) co_return applied;
      }
      if (delta.flags.empty()) co_return Status{};
      co_return co_await apply_locked(folder_id, std::move(delta));
    }
    // Refreshes hold connections while they wait for the lock: whoever waits for a connection must not hold it.
    lock->unlock();
    std::vector<std::uint64_t> keys;
    for (const auto& [id, key] : untold) {
      keys.push_back(key);
      told[id] = key;
    }
    auto to = provider(folder.provider);
    if (!to) co_return to.error();
    auto keep = providers_[folder.provider];
    auto written = co_await keep->set_flags(folder, std::move(keys), set, clear);
    if (!written) co_return std::move(written.error()).within("flags");
  }
  co_return error(Errc::unavailable, "the messages are stored anew all the time");
}

// -- replicas

Task<Status> Mailbox::load_replids() {
  auto read = [](state::MailboxState& s) { return s.value(replids_key); };
  auto stored = co_await with_state(read);
  if (!stored) co_return stored.error();
  foreign_replicas_.clear();
  if (*stored) {
    Bytes bytes;
    if (from_hex(**stored, bytes)) {
      for (std::size_t at = 0; at + 18 <= bytes.size(); at += 18) {
        mapi::Guid guid;
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at) + 2, 16, guid.bytes.begin());
        foreign_replicas_[static_cast<std::uint16_t>(bytes[at] | bytes[at + 1] << 8)] = guid;
      }
    }
  }
  co_return Status{};
}

Task<Result<std::uint16_t>> Mailbox::replid_of(mapi::Guid replica) {
  if (replica == store_->replica) co_return own_replid;
  for (const auto& [replid, guid] : foreign_replicas_)
    if (guid == replica) co_return replid;
  if (foreign_replicas_.size() >= max_foreign_replicas) co_return error(Errc::limit, "too many foreign replicas");
  const auto next = foreign_replicas_.empty() ? first_foreign_replid
                                              : static_cast<std::uint16_t>(foreign_replicas_.rbegin()->first + 1);
  foreign_replicas_[next] = replica;
  Bytes bytes;
  Output out(bytes);
  for (const auto& [replid, guid] : foreign_replicas_) {
    out.scalar(replid);
    out.bytes(guid.bytes);
  }
  auto text = to_hex(bytes);
  auto write = [&text](state::MailboxState& s) { return s.set_value(replids_key, text); };
  auto written = co_await with_state(write);
  if (!written) {
    foreign_replicas_.erase(next);
    co_return written.error();
  }
  co_return next;
}

Task<Result<mapi::Guid>> Mailbox::replica_of(std::uint16_t replid) {
  if (replid == own_replid) co_return store_->replica;
  const auto found = foreign_replicas_.find(replid);
  if (found == foreign_replicas_.end()) co_return error(Errc::not_found, "no replica {}", replid);
  co_return found->second;
}

Bytes Mailbox::replid_map() const {
  Bytes bytes;
  Output out(bytes);
  out.scalar(own_replid);
  out.bytes(store_->replica.bytes);
  for (const auto& [replid, guid] : foreign_replicas_) {
    out.scalar(replid);
    out.bytes(guid.bytes);
  }
  return bytes;
}

}  // namespace mapigate::mailbox
