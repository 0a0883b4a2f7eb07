// How the index of each folder is kept current: the folder is asked about in the background, one question at a time, and
// what comes of it is told to listeners.
//
// A provider that fails changes nothing here: messages go only when the provider says, in an answer that is complete, that
// they are gone.
#include <algorithm>
#include <array>
#include <set>

#include "base/log.h"
#include "mailbox/mailbox.h"
#include "mailbox/user_services.h"
#include "state/maintenance.h"

namespace mapigate::mailbox {

namespace {
// Beyond, a change is told as "look again" and not message by message.
constexpr std::size_t max_told_messages = 20;

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
