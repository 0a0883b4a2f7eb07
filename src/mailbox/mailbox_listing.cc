// How the folder list is kept current: it is asked for in the background, one question at a time, and what comes of it is
// told to listeners.
//
// A provider that fails changes nothing here: folders go only when the provider says, in an answer that is complete, that
// they are gone.
#include <algorithm>
#include <set>
#include <sstream>

#include "base/log.h"
#include "mailbox/mailbox.h"

namespace mapigate::mailbox {

namespace {
// Folders that went at once and are looked for among those that came, and messages by which each is recognized.
constexpr std::size_t max_compared_folders = 100, sampled_messages = 20;
constexpr unsigned most_slow_recognitions = 5;  // then the folders that came are new ones

// Under this key the state store knows that a provider's folders were listed, and with which counts: a line
// "total unread remote_id" a folder.
std::string listed_key(const std::string& provider) { return "engine.listed." + provider; }
constexpr char rights_key[] = "engine.rights";  // lines of a folder's id and what is granted there
}  // namespace

Task<Status> Mailbox::list_folders() {
  for (const auto& named : context_.factories()) {
    auto read = [&named](state::MailboxState& s) { return s.value(listed_key(named.name)); };
    auto known = co_await with_state(read);
    if (!known) co_return known.error();
    if (*known) {
      read_announced(named.name, **known);
      auto loaded = co_await load_tree();
      if (!loaded) co_return loaded;
      continue;
    }
    // Never seen: without its list the mailbox would look emptier than it is.
    auto made = provider(named.name);
    if (!made) co_return made.error();
    auto listed = co_await list_provider(named.name, *made);
    if (!listed) co_return listed;
  }
  refresh_folders_soon();
  co_return Status{};
}

Task<Status> Mailbox::list_provider(std::string name, Provider* provider) {
  auto keep = providers_[name];
  (void)provider;
  Result<std::vector<RemoteFolder>> remote = error(Errc::unavailable, "the folders change all the time");
  std::map<std::string, GlobalCounter> renamed;
  io::Mutex::Lock held;
  for (int i = 0; i < 5 && !held; ++i) {
    const auto before = tree_writes_;
    remote = co_await ask_for_folders(name, keep);
    if (!remote) co_return std::move(remote.error()).within(fmt::format("folder list of \"{}\"", name));
    auto found = co_await find_renamed(name, keep, &*remote);
    if (!found) co_return std::move(found.error()).within(fmt::format("folder list of \"{}\"", name));
    renamed = std::move(*found);
    auto lock = co_await write_lock();
    if (!lock) co_return lock.error();
    // A list from before the user made or moved a folder says nothing true of that.
    if (tree_writes_ == before) held = std::move(*lock);
  }
  if (!held) co_return error(Errc::unavailable, "the folders of \"{}\" change all the time", name);
  const auto before_counts = announced_;
  for (auto& one : *remote)
    if (one.parent_remote_id.empty() && one.name == context_.options.recoverable_folder) one.role = FolderRole::recoverable;
  for (const auto& one : *remote)
    if (one.total) announced_[{name, one.remote_id}] = {*one.total, one.unread.value_or(0)};
  std::map<std::string, std::uint32_t> rights;
  for (const auto& one : *remote)
    if (one.rights && *one.rights != owner_rights) rights[one.remote_id] = *one.rights;
  auto changes = merge(*tree_, name, std::move(*remote), renamed);
  if (changes.empty()) {
    auto loaded = co_await load_tree();
    if (!loaded) co_return loaded;
    const auto keep_tree = tree_;
    for (const auto& folder : keep_tree->all()) {
      const auto now_told = announced_.find({folder.provider, folder.remote_id});
      const auto was = before_counts.find({folder.provider, folder.remote_id});
      if (folder.indexed || now_told == announced_.end() || was == before_counts.end() || was->second == now_told->second) continue;
      tell({MailboxEvent::Kind::folder_changed, folder.id});
      tell({MailboxEvent::Kind::hierarchy_changed, folder.id});
    }
  } else {
    auto stored = co_await store_changes(name, std::move(changes));
    if (!stored) co_return stored;
  }
  auto noted = co_await take_rights(name, std::move(rights));
  if (!noted) co_return noted;
  auto key = listed_key(name);
  std::string counts = "\n";
  for (const auto& [folder, told] : announced_)
    if (folder.first == name && folder.second.find('\n') == std::string::npos)
      counts += fmt::format("{} {} {}\n", told.first, told.second, folder.second);
  auto mark = [&key, &counts](state::MailboxState& s) { return s.set_value(key, counts); };
  co_return co_await with_state(mark);
}

// A folder takes with it what only we hold. So it is gone when two lists in a row leave it out, and not where a line of one was lost.
Task<Result<std::vector<RemoteFolder>>> Mailbox::ask_for_folders(std::string name, std::shared_ptr<Provider> from) {
  std::set<GlobalCounter> missing;
  for (bool again = false;; again = true) {
    auto ask = from->folders();
    auto listed = co_await io::with_deadline(context_.options.backend_wait, std::move(ask));
    if (!listed) co_return listed;
    const auto lost = unmatched(*tree_, name, *listed).lost;
    const bool as_before = std::all_of(lost.begin(), lost.end(), [&](const auto& folder) { return missing.contains(folder.id); });
    if (as_before) co_return listed;
    if (again) co_return error(Errc::unavailable, "two lists in a row leave out different folders");
    for (const auto& folder : lost) missing.insert(folder.id);
  }
}

// What the backend grants in its folders, by remote id; in those that are not named it grants all.
Task<Status> Mailbox::take_rights(std::string name, std::map<std::string, std::uint32_t> granted) {
  auto rights = store_->rights;
  std::vector<GlobalCounter> other;
  for (const auto& folder : tree_->all()) {
    if (folder.provider != name) continue;
    const auto told = granted.find(folder.remote_id);
    const auto now = told == granted.end() ? owner_rights : told->second;
    if (now == store_->rights_in(folder.id)) continue;
    other.push_back(folder.id);
    if (now == owner_rights) rights.erase(folder.id);
    else rights[folder.id] = now;
  }
  const auto tree = tree_;
  std::erase_if(rights, [&tree](const auto& one) { return tree->find(one.first) == nullptr; });
  if (rights == store_->rights) co_return Status{};
  std::string text;
  for (const auto& [id, granted_there] : rights) text += fmt::format("{} {}\n", id, granted_there);
  auto write = [&text](state::MailboxState& s) { return s.set_value(rights_key, text); };
  auto written = co_await with_state(write);
  if (!written) co_return written;
  auto identity = std::make_shared<StoreIdentity>(*store_);
  identity->rights = std::move(rights);
  store_ = std::move(identity);
  for (const auto id : other) {
    changed(id);  // of its messages, too
    tell({MailboxEvent::Kind::folder_changed, id});
    tell({MailboxEvent::Kind::hierarchy_changed, id});
  }
  co_return Status{};
}

Task<Status> Mailbox::load_rights() {
  auto read = [](state::MailboxState& s) { return s.value(rights_key); };
  auto text = co_await with_state(read);
  if (!text) co_return text.error();
  auto identity = std::make_shared<StoreIdentity>(*store_);
  std::istringstream in(text->value_or(std::string()));
  GlobalCounter id = 0;
  for (std::uint32_t granted = 0; in >> id >> granted;) identity->rights[id] = granted;
  store_ = std::move(identity);
  co_return Status{};
}

// What other clients rename comes as one folder less and one more. It is the same one: its id, and what stands beside it
// and its messages, stay.
Task<Result<std::map<std::string, GlobalCounter>>> Mailbox::find_renamed(std::string name, std::shared_ptr<Provider> from,
                                                                         const std::vector<RemoteFolder>* remote) {
  using Renamed = std::map<std::string, GlobalCounter>;
  const auto tree = tree_;
  auto all = unmatched(*tree, name, *remote);
  if (all.lost.empty() || all.came.empty()) co_return Renamed();
  if (all.lost.size() > max_compared_folders) all.lost.resize(max_compared_folders);
  std::vector<LostFolder> lost;
  for (const auto& folder : all.lost) lost.push_back({folder, {}});
  auto sample = [&lost](state::MailboxState& s) -> Status {
    for (auto& one : lost) {
      auto ids = s.message_ids(one.folder.id, {state::SortKey::received, true});
      if (!ids) return ids.error();
      if (ids->size() > sampled_messages) ids->resize(sampled_messages);
      auto rows = s.messages(*ids);
      if (!rows) return rows.error();
      one.sample = std::move(*rows);
    }
    return {};
  };
  auto sampled = co_await with_state(sample);
  if (!sampled) co_return sampled.error();
  auto came = all.came;
  auto ask = from->recognize(std::move(lost), std::move(came));
  auto recognized = co_await io::with_deadline(context_.options.backend_wait, std::move(ask));
  // Not knowing is no reason to forget them. But where it takes too long every time, nobody would see a new folder ever again.
  const bool too_long = !recognized && recognized.error().code == Errc::timeout && ++slow_recognitions_ >= most_slow_recognitions;
  if (!recognized && recognized.error().retryable() && !too_long) co_return recognized.error();
  slow_recognitions_ = 0;
  if (!recognized) {
    log::info("mailbox: folders of {} are not recognized: {}", name, recognized.error().message);
    co_return Renamed();
  }
  auto out = accept_renamed(*tree, all, *recognized);
  for (const auto& [remote_id, id] : out) log::info("mailbox: folder {:x} of {} is called {} now", id, name, remote_id);
  co_return out;
}

void Mailbox::read_announced(const std::string& provider, const std::string& lines) {
  std::istringstream in(lines);
  std::uint32_t total = 0, unread = 0;
  std::string remote_id;
  for (in >> std::ws; in >> total >> unread && in.get() == ' ' && std::getline(in, remote_id); in >> std::ws)
    announced_[{provider, remote_id}] = {total, unread};
}

Task<Status> Mailbox::store_changes(std::string provider, TreeChanges changes) {
  auto* all = &changes;
  std::vector<MailboxEvent> events;
  const auto tree = tree_;
  auto write = [all, &provider, &events, tree](state::MailboxState& s) -> Status {
    using Kind = MailboxEvent::Kind;
    std::map<std::string, GlobalCounter> made;
    for (const auto id : all->emptied) {
      auto keys = s.message_keys(id);
      if (!keys) return keys.error();
      state::FolderDelta delta;
      for (const auto& key : *keys) delta.removed.push_back(key.id);
      delta.vanished = true;
      delta.cursor = "";
      if (auto applied = s.apply(id, std::move(delta)); !applied) return applied.error();
    }
    for (std::size_t i = 0; i < all->put.size(); ++i) {
      auto& folder = all->put[i];
      if (!all->new_parents[i].empty()) folder.parent = made[all->new_parents[i]];
      if (folder.parent == 0 && folder.role != FolderRole::root) folder.parent = special_id(FolderRole::ipm_subtree);
      auto stored = s.put_folder(folder);
      if (!stored) return stored.error();
      made[stored->remote_id] = stored->id;
      const auto* was = tree->find(stored->id);
      if (!was) events.push_back({Kind::folder_created, stored->id, 0, 0, stored->parent});
      else if (was->parent != stored->parent) events.push_back({Kind::folder_moved, stored->id, 0, 0, was->parent, stored->id});
      else events.push_back({Kind::folder_changed, stored->id});
    }
    for (const auto id : all->removed) {
      auto removed = s.remove_folder(id, true);
      if (!removed) log::warning("mailbox: folder {:x} of {} stays: {}", id, provider, removed.error().message);
      else if (const auto* was = tree->find(id)) events.push_back({Kind::folder_removed, id, 0, 0, was->parent});
    }
    return {};
  };
  auto written = co_await with_state(write);
  if (!written) co_return std::move(written.error()).within("folders");
  auto loaded = co_await load_tree();
  if (!loaded) co_return loaded;
  for (const auto id : changes.removed) {
    forget_folder(id);
  }
  for (const auto id : changes.emptied) changed(id);
  for (const auto& event : events) tell(event);
  tell({MailboxEvent::Kind::hierarchy_changed});
  co_return Status{};
}

void Mailbox::refresh_folders_soon() {
  if (!state_ || listing_.running || Clock::now() - listing_.tried < context_.options.refresh_interval) return;
  listing_.running = true;
  listing_.finished.reset();
  io::spawn(executor_, run_list_refresh(shared_from_this()));
}

void Mailbox::list_again() {
  if (listing_.running) listing_.again = true;
  listing_.tried = {};
  refresh_folders_soon();
}

Task<Status> Mailbox::refresh_folders() {
  listing_.tried = {};
  refresh_folders_soon();
  if (!listing_.running) co_return error(Errc::unavailable, "the mailbox is closed");
  auto event = listing_.finished;
  const bool done = co_await event.wait_for(context_.options.backend_wait);
  if (!done) co_return error(Errc::timeout, "folder list");
  co_return listing_.last;
}

Task<> Mailbox::run_list_refresh(std::shared_ptr<Mailbox> self) {
  auto using_it = use();
  Status outcome;
  for (const auto& named : context_.factories()) {
    auto made = provider(named.name);
    if (!made) {
      outcome = made.error();
      continue;
    }
    auto listed = co_await list_provider(named.name, *made);
    if (!listed) outcome = listed;
  }
  listing_.last = outcome;
  listing_.tried = Clock::now();
  if (!outcome) log::info("mailbox: {}", outcome.error().message);
  listing_.running = false;
  listing_.finished.set();
  if (state_ && std::exchange(listing_.again, false)) list_again();
  if (state_ && outcome) {
    auto purged = co_await purge_old();
    if (!purged) log::info("mailbox: deleted messages: {}", purged.error().message);
  }
  (void)self;
}

}  // namespace mapigate::mailbox
