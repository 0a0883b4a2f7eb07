// How the index is kept current: the folder list and each folder are asked about in the
// background, one question at a time each, and what comes of it is told to listeners.
//
// A provider that fails changes nothing here: folders and messages go only when the
// provider says, in an answer that is complete, that they are gone.
#include <algorithm>
#include <array>
#include <set>
#include <sstream>

#include "base/log.h"
#include "mailbox/mailbox.h"
#include "mailbox/user_services.h"
#include "state/maintenance.h"

namespace mapigate::mailbox {

namespace {
// Beyond, a change is told as "look again" and not message by message.
constexpr std::size_t max_told_messages = 20;
// Folders that went at once and are looked for among those that came, and messages by which each is recognized.
constexpr std::size_t max_compared_folders = 100, sampled_messages = 20;
constexpr unsigned most_slow_recognitions = 5;  // then the folders that came are new ones

// What was delivered ([MS-OXCNOTIF] 2.2.1.1), not what somebody filed: scripts of the server deliver into any folder, other
// clients move there what is older.
bool is_new_mail(const Folder& folder, const state::Message& message) {
  constexpr std::int64_t recent = 600;  // seconds
  if (message.flags & (state::flag_seen | state::flag_draft)) return false;
  if (folder.role == FolderRole::inbox) return true;
  return folder.role == FolderRole::none && !folder.provider.empty() && to_unix(message.received) + recent >= to_unix(now());
}
MailboxEvent new_mail(GlobalCounter folder, GlobalCounter id, const state::Message& message) {
  MailboxEvent event{MailboxEvent::Kind::new_mail, folder, id, message.flags};
  event.message_class = message.properties.string(mapi::PidTagMessageClass);
  return event;
}

// Under this key the state store knows that a provider's folders were listed, and with which counts: a line
// "total unread remote_id" a folder.
std::string listed_key(const std::string& provider) { return "engine.listed." + provider; }
constexpr char rights_key[] = "engine.rights";  // lines of a folder's id and what is granted there

// Folders that an administrator wants read anew (state/maintenance.h).
Result<bool> is_marked(state::MailboxState& s, GlobalCounter folder) {
  auto marks = s.value(state::reindex_key);
  if (!marks) return marks.error();
  return *marks && (" " + **marks).find(fmt::format(" {:x} ", folder)) != std::string::npos;
}
Status remove_mark(state::MailboxState& s, GlobalCounter folder) {
  auto marks = s.value(state::reindex_key);
  if (!marks) return marks.error();
  auto rest = " " + marks->value_or("");
  const auto mark = fmt::format(" {:x} ", folder);
  if (const auto at = rest.find(mark); at != std::string::npos) rest.erase(at, mark.size() - 1);
  return s.set_value(state::reindex_key, rest.substr(1));
}
}  // namespace

// -- the folder list

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
    auto ask = keep->folders();
    remote = co_await io::with_deadline(context_.options.backend_wait, std::move(ask));
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

// -- one folder

std::uint64_t Mailbox::version(GlobalCounter folder) const {
  const auto found = activity_.find(folder);
  return found == activity_.end() ? base_version_ : std::max(base_version_, found->second.version);
}

void Mailbox::forget_folder(GlobalCounter folder) {
  folder_extras_.erase(folder);
  const auto found = activity_.find(folder);
  if (found == activity_.end()) return;
  found->second.finished.set();  // whoever waits for it learns that it is gone
  activity_.erase(found);
}

void Mailbox::changed(GlobalCounter folder) { activity_[folder].version = ++next_version_; }

void Mailbox::tell(const MailboxEvent& event) {
  if (const auto* folder = tree_->find(event.folder); folder && keeps_deleted(folder->role)) return;
  if (event.kind == MailboxEvent::Kind::contents_changed) searches_look_again(event.folder, false);
  if (event.kind == MailboxEvent::Kind::hierarchy_changed) searches_look_again(0, true);
  const auto listeners = listeners_;
  for (auto* listener : listeners) listener->on_event(event);
}

void Mailbox::start_folder_refresh(GlobalCounter folder, FolderActivity& activity) {
  activity.running = true;
  activity.finished.reset();
  io::spawn(executor_, run_folder_refresh(shared_from_this(), folder));
}

void Mailbox::refresh_folder_soon(GlobalCounter folder) {
  const auto* row = state_ ? tree_->find(folder) : nullptr;
  if (!row || row->provider.empty() || !row->selectable) return;
  auto& activity = activity_[folder];
  if (activity.running || Clock::now() - activity.tried < context_.options.refresh_interval) return;
  start_folder_refresh(folder, activity);
}

Task<Status> Mailbox::refresh_folder(GlobalCounter folder) {
  const auto* row = state_ ? tree_->find(folder) : nullptr;
  if (!row) co_return error(Errc::not_found, "the folder is gone");
  if (row->provider.empty() || !row->selectable) co_return Status{};
  auto& activity = activity_[folder];
  if (!activity.running) start_folder_refresh(folder, activity);
  auto event = activity.finished;
  const bool done = co_await event.wait_for(context_.options.backend_wait);
  if (!done) co_return error(Errc::timeout, "the folder is being read");
  const auto after = activity_.find(folder);
  if (after == activity_.end()) co_return error(Errc::not_found, "the folder is gone");
  co_return after->second.last;
}

Task<Status> Mailbox::wait_indexed(GlobalCounter folder, Duration limit) {
  const auto* row = tree_->find(folder);
  if (!row) co_return error(Errc::not_found, "the folder is gone");
  if (row->provider.empty() || !row->selectable) co_return Status{};
  if (row->indexed) {
    refresh_folder_soon(folder);
    co_return Status{};
  }
  auto& activity = activity_[folder];
  if (!activity.running) start_folder_refresh(folder, activity);
  if (limit <= Duration::zero()) co_return error(Errc::timeout, "the folder is being read");
  auto event = activity.finished;
  const bool done = co_await event.wait_for(limit);
  if (!done) co_return error(Errc::timeout, "the folder is being read for the first time");
  row = tree_->find(folder);
  if (!row) co_return error(Errc::not_found, "the folder is gone");
  if (row->indexed) co_return Status{};
  const auto after = activity_.find(folder);
  if (after != activity_.end() && !after->second.last) co_return after->second.last;
  co_return error(Errc::unavailable, "the folder could not be read");
}

Task<> Mailbox::run_folder_refresh(std::shared_ptr<Mailbox> self, GlobalCounter folder) {
  auto using_it = use();
  Status outcome = co_await index_folder(folder);
  auto& activity = activity_[folder];
  activity.last = outcome;
  activity.tried = Clock::now();
  if (!outcome) log::info("mailbox: folder {:x}: {}", folder, outcome.error().message);
  activity.running = false;
  activity.finished.set();
  if (state_ && std::exchange(activity.again, false)) news_of(folder);
  (void)self;
}

Task<Status> Mailbox::index_folder(GlobalCounter id) {
  const auto* row = tree_->find(id);
  if (!row) co_return error(Errc::not_found, "the folder is gone");
  Folder folder = *row;
  auto from = provider(folder.provider);
  if (!from) co_return from.error();
  auto keep = providers_[folder.provider];
  if (journal_open_) {
    auto lock = co_await write_lock();
    if (!lock) co_return lock.error();
    auto finished = co_await finish_journal();
    if (!finished) co_return finished;
  }
  auto marked = [id](state::MailboxState& s) { return is_marked(s, id); };
  auto anew = co_await with_state(marked);
  if (!anew) co_return anew.error();
  const bool sure = std::exchange(activity_[id].sure, false);
  if (folder.indexed && !sure && !*anew) {
    auto question = keep->changed(folder);
    auto answer = co_await io::with_deadline(context_.options.backend_wait, std::move(question));
    if (!answer) co_return answer.error();
    if (!*answer) co_return Status{};
  }
  auto read = [id](state::MailboxState& s) { return s.message_keys(id); };
  auto keys = co_await with_state(read);
  if (!keys) co_return keys.error();
  auto known = std::move(*keys);
  // Not a coroutine itself: what it captures lives in this frame.
  const auto since = writes_;
  DeltaSink sink = [this, id, since](state::FolderDelta delta) { return apply_refresh(id, std::move(delta), since); };
  Progress progress = [](std::uint64_t, std::uint64_t) {};
  if (!*anew) co_return co_await keep->refresh(folder, std::move(known), sink, progress);
  // As if nothing of it were known: what comes again takes the place of what it was, under its id; what does not is gone.
  std::set<std::uint64_t> seen;
  DeltaSink noting = [&seen, &sink](state::FolderDelta delta) {
    for (const auto& message : delta.added) seen.insert(message.remote_key);
    return sink(std::move(delta));
  };
  folder.cursor.clear();
  std::vector<state::MessageKey> none;
  auto read_all = co_await keep->refresh(folder, std::move(none), noting, progress);
  if (!read_all) co_return read_all;
  state::FolderDelta gone;
  for (const auto& key : known)
    if (!seen.contains(key.remote_key)) gone.removed.push_back(key.id);
  auto applied = co_await apply_refresh(id, std::move(gone), since);
  if (!applied) co_return applied;
  log::info("mailbox: folder {} was read anew", folder.name);
  auto unmark = [id](state::MailboxState& s) { return remove_mark(s, id); };
  co_return co_await with_state(unmark);
}

Task<Status> Mailbox::apply(GlobalCounter id, state::FolderDelta delta) {
  auto lock = co_await write_lock();
  if (!lock) co_return lock.error();
  co_return co_await apply_locked(id, std::move(delta));
}

// [MS-OXCMAIL] 2.2.3.1.1: the display name and the entry id of a sender are those of the address book where it has the address. The address
// stays as it came: it is what rules, searches and other programs compare. The index tells the same to tables and to opened messages.
void Mailbox::name_senders(state::FolderDelta* delta) const {
  using namespace mapi;
  if (context_.services == nullptr) return;
  std::map<std::string, std::optional<KnownPerson>> known;
  const auto person = [&](const std::string& address) -> const std::optional<KnownPerson>& {
    const auto [at, is_new] = known.try_emplace(address);
    if (is_new && !address.empty()) at->second = context_.services->who_has(store_->user, address);
    return at->second;
  };
  for (auto& message : delta->added) {
    auto& bag = message.properties;
    if (const auto& found = person(bag.string(PidTagSentRepresentingSmtpAddress))) {
      bag.set_string(state::said_sender, bag.string(PidTagSentRepresentingName));
      bag.set_string(PidTagSentRepresentingName, found->name);
      bag.set_binary(PidTagSentRepresentingEntryId, found->entry_id);
    }
    if (const auto& found = person(bag.string(PidTagSenderSmtpAddress))) {
      bag.set_string(PidTagSenderName, found->name);
      bag.set_binary(PidTagSenderEntryId, found->entry_id);
    }
  }
}

Task<Status> Mailbox::apply_refresh(GlobalCounter id, state::FolderDelta delta, std::uint64_t since) {
  auto lock = co_await write_lock();
  if (!lock) co_return lock.error();
  // Among what came may be what a write that failed meanwhile had stored; that has an id already.
  if (journal_open_ && !delta.added.empty()) co_return error(Errc::unavailable, "what was begun has to be finished first");
  // Messages that got a new key meanwhile: that the old one is gone says nothing about them.
  const auto newer = [&](GlobalCounter message) {
    const auto found = rekeyed_.find(message);
    return found != rekeyed_.end() && found->second > since;
  };
  std::erase_if(delta.removed, newer);
  delta.vanished = true;
  std::erase_if(delta.flags, [&](const auto& change) { return newer(change.id); });
  name_senders(&delta);
  auto taken = co_await take_keywords(&delta);
  if (!taken) co_return taken;
  co_return co_await apply_locked(id, std::move(delta));
}

Task<Status> Mailbox::apply_locked(GlobalCounter contents, state::FolderDelta delta, bool tell_messages) {
  const auto id = state::folder_of(contents);
  const auto* row = tree_->find(id);
  if (!row) co_return error(Errc::not_found, "the folder is gone");
  const bool was_indexed = row->indexed;
  const std::array<std::uint64_t, 3> before{row->total, row->unread, row->size};
  const bool nothing = delta.added.empty() && delta.flags.empty() && delta.removed.empty() && delta.rekeyed.empty() &&
                       delta.extras.empty();
  const bool first = delta.complete && !was_indexed;
  // The bags of added messages go into the store; events need only their flags.
  state::FolderDelta told;
  told.flags = delta.flags;
  told.removed = delta.removed;
  for (const auto& change : delta.extras)
    if (std::none_of(told.flags.begin(), told.flags.end(), [&](const auto& f) { return f.id == change.id; }))
      told.rekeyed.push_back({change.id, 0});
  const bool told_one_by_one = was_indexed || row->provider.empty() || state::is_associated(contents);
  for (const auto& message : delta.added) {
    if (!told_one_by_one) break;  // a folder on its way into the index
    state::Message light;
    light.flags = message.flags;
    light.received = message.received;
    light.properties.set_string(mapi::PidTagMessageClass, message.properties.string(mapi::PidTagMessageClass));
    told.added.push_back(std::move(light));
  }
  auto write = [contents, &delta](state::MailboxState& s) { return s.apply(contents, std::move(delta)); };
  auto applied = co_await with_state(write);
  if (!applied) co_return std::move(applied.error()).within("index");
  auto loaded = co_await load_tree();
  if (!loaded) co_return loaded;
  if (nothing && !first) {
    // Another gateway of the same store may have been quicker.
    const auto* now = tree_->find(id);
    if (!now || before == std::array<std::uint64_t, 3>{now->total, now->unread, now->size}) co_return Status{};
    tell_messages = false;
  }
  std::erase_if(contents_, [&](const auto& c) {
    return std::find(told.removed.begin(), told.removed.end(), c.first) != told.removed.end() ||
           std::find(applied->added.begin(), applied->added.end(), c.first) != applied->added.end();
  });
  if (state::is_associated(contents)) {
    changed(contents);
    tell({MailboxEvent::Kind::contents_changed, contents});
  }
  changed(id);
  const auto* folder = tree_->find(id);
  if (!tell_messages) {
    tell({MailboxEvent::Kind::contents_changed, id});
    tell({MailboxEvent::Kind::folder_changed, id});
  } else if (folder) {
    tell_deltas(*folder, told_one_by_one, told, *applied);
  }
  co_return Status{};
}

void Mailbox::tell_new_mail(const state::Message& message) {
  tell(new_mail(state::folder_of(message.folder), message.id, message));
}

void Mailbox::tell_deltas(const Folder& folder, bool was_indexed, const state::FolderDelta& delta,
                          const state::AppliedDelta& applied) {
  using Kind = MailboxEvent::Kind;
  const auto keep = tree_;  // `folder` lives in it
  const auto id = folder.id;
  if (was_indexed && delta.added.size() + delta.flags.size() + delta.removed.size() <= max_told_messages) {
    for (std::size_t i = 0; i < applied.added.size() && i < delta.added.size(); ++i) {
      const auto flags = delta.added[i].flags;
      if (std::find(applied.changed.begin(), applied.changed.end(), applied.added[i]) != applied.changed.end()) {
        tell({Kind::message_changed, id, applied.added[i], flags});
        continue;
      }
      tell({Kind::message_created, id, applied.added[i], flags});
      if (is_new_mail(folder, delta.added[i])) tell(new_mail(id, applied.added[i], delta.added[i]));
    }
    for (const auto& change : delta.rekeyed) tell({Kind::message_changed, id, change.id});
    for (const auto& change : delta.flags) tell({Kind::message_changed, id, change.id, change.flags});
    for (const auto gone : delta.removed) tell({Kind::message_removed, id, gone});
  } else if (was_indexed && !delta.added.empty() && folder.role == FolderRole::inbox && !applied.added.empty()) {
    tell(new_mail(id, applied.added.back(), delta.added.back()));
  }
  tell({Kind::contents_changed, id});
  tell({Kind::folder_changed, id});
}

}  // namespace mapigate::mailbox
