// How search folders are filled and kept current. One task a search folder looks through the folders of its scope, one
// after the other, and then through what changed in them; every step leaves the state store consistent, so a search
// goes on after a restart where it was.
#include "mailbox/search.h"

#include <algorithm>

#include "base/cursor.h"
#include "base/log.h"
#include "mailbox/mailbox.h"
#include "mailbox/object_properties.h"

namespace mapigate::mailbox {

namespace {

constexpr std::uint8_t form = 1;
constexpr std::size_t links_at_once = 500, reads_at_once = 25;
constexpr std::size_t max_scope = 10'000;

// So many messages are looked at before their findings are shown; fewer where they have to be read for it.
std::size_t looks_at_once(const SearchCriteria& criteria) {
  return attachment_leaves(criteria.restriction->restriction).empty() ? links_at_once : reads_at_once;
}
std::vector<std::vector<GlobalCounter>> in_parts(const std::vector<GlobalCounter>& ids, std::size_t most) {
  std::vector<std::vector<GlobalCounter>> parts;
  for (std::size_t at = 0; at < ids.size(); at += most)
    parts.emplace_back(ids.begin() + static_cast<std::ptrdiff_t>(at), ids.begin() + static_cast<std::ptrdiff_t>(std::min(ids.size(), at + most)));
  return parts;
}

void write_ids(Output& out, const auto& ids) {
  out.scalar(static_cast<std::uint32_t>(ids.size()));
  for (const auto id : ids) out.scalar(id);
}
bool read_ids(Cursor& in, auto take) {
  const auto count = in.scalar<std::uint32_t>();
  if (!in.ok() || count > in.left() / sizeof(GlobalCounter)) return false;
  for (std::uint32_t i = 0; i < count; ++i) take(in.scalar<GlobalCounter>());
  return in.ok();
}

}  // namespace

bool SearchCriteria::same(const SearchCriteria& other) const {
  return restriction->key == other.restriction->key && std::is_permutation(scope.begin(), scope.end(), other.scope.begin(), other.scope.end()) &&
         recursive == other.recursive && once == other.once && indexed == other.indexed;
}

std::string Search::save() const {
  Bytes bytes;
  Output out(bytes);
  out.scalar(form);
  out.scalar(static_cast<std::uint8_t>(state));
  out.scalar(static_cast<std::uint8_t>(criteria.recursive | criteria.once << 1 | criteria.indexed << 2 | partial << 3));
  out.scalar(seen);
  write_ids(out, criteria.scope);
  write_ids(out, covered);
  wire::FieldWriter writer(out, wire::CountWidth::wide);
  writer.restriction("restriction", criteria.restriction->restriction);
  return std::string(as_text(bytes));
}

Result<std::shared_ptr<Search>> Search::load(GlobalCounter folder, const std::string& text) {
  auto search = std::make_shared<Search>();
  search->folder = folder;
  Cursor in(as_view(text));
  const auto version = in.scalar<std::uint8_t>();
  const auto state = in.scalar<std::uint8_t>();
  const auto flags = in.scalar<std::uint8_t>();
  search->seen = in.scalar<GlobalCounter>();
  bool ok = in.ok() && version == form && state <= static_cast<std::uint8_t>(State::stopped);
  ok = ok && read_ids(in, [&](auto id) { search->criteria.scope.push_back(id); });
  ok = ok && read_ids(in, [&](auto id) { search->covered.insert(id); });
  Arena arena;
  const mapi::Restriction* restriction = nullptr;
  if (ok) {
    wire::FieldReader reader(in, arena, wire::CountWidth::wide);
    reader.restriction("restriction", restriction);
    ok = in.ok() && restriction != nullptr;
  }
  if (!ok) return error(Errc::malformed, "the criteria of search folder {:x} cannot be read", folder);
  search->state = static_cast<State>(state);
  search->criteria.recursive = (flags & 1) != 0;
  search->criteria.once = (flags & 2) != 0;
  search->criteria.indexed = (flags & 4) != 0;
  search->partial = (flags & 8) != 0;
  search->criteria.restriction = ListOrder::make({}, restriction);
  return search;
}

// -- in the mailbox

bool Mailbox::has_searches() const {
  return std::any_of(searches_.begin(), searches_.end(), [](const auto& one) { return one.second->state != Search::State::stopped; });
}

std::shared_ptr<const Search> Mailbox::search(GlobalCounter folder) const {
  const auto found = searches_.find(folder);
  return found == searches_.end() ? nullptr : found->second;
}

Task<Status> Mailbox::load_searches() {
  searches_.clear();
  std::vector<GlobalCounter> ids;
  for (const auto& folder : tree_->all())
    if (folder.role == FolderRole::search) ids.push_back(folder.id);
  if (ids.empty()) co_return Status{};
  auto* out = &searches_;
  auto read = [&ids, out](state::MailboxState& s) -> Status {
    for (const auto id : ids) {
      auto value = s.value(state::search_key(id));
      if (!value) return value.error();
      if (!*value || (*value)->empty()) continue;  // no criteria yet
      auto search = Search::load(id, **value);
      if (search) (*out)[id] = std::move(*search);
      else log::warning("mailbox: {}", search.error().message);
    }
    return {};
  };
  co_return co_await with_state(read);
}

void Mailbox::start_searches() {
  for (const auto& [id, search] : searches_) {
    if (search->state == Search::State::stopped || (search->state == Search::State::complete && search->criteria.once)) continue;
    search->dirty = true;
    start_search(search);
  }
}

void Mailbox::start_search(std::shared_ptr<Search> search) {
  if (search->working) return;
  search->working = true;
  io::spawn(executor_, run_search(shared_from_this(), std::move(search)));
}

Task<Status> Mailbox::set_search(GlobalCounter folder, SearchCriteria criteria, bool restart) {
  // One at a time: two that search each other must not both be found to be fine.
  auto lock = co_await criteria_lock_.lock(std::chrono::seconds(60));
  if (!lock) co_return lock.error();
  if (searches_itself(folder, criteria)) co_return error(Errc::conflict, "search folder {:x} would search its own findings", folder);
  // Row S12: the same again does not begin anew what runs or keeps itself current.
  const auto known = searches_.find(folder);
  if (known != searches_.end() && known->second && known->second->criteria.same(criteria) && !restart) co_return Status{};
  auto search = std::make_shared<Search>();
  search->folder = folder;
  search->criteria = std::move(criteria);
  search->restart = true;
  auto text = search->save();
  const auto key = state::search_key(folder);
  auto write = [&key, &text](state::MailboxState& s) { return s.set_value(key, text); };
  auto written = co_await with_state(write);
  if (!written) co_return written;
  auto& slot = searches_[folder];
  if (slot) slot->stop = true;  // whoever works on it ends; a new one begins
  slot = search;
  start_search(search);
  co_return Status{};
}

Task<Status> Mailbox::stop_search(GlobalCounter folder) {
  const auto found = searches_.find(folder);
  if (found == searches_.end()) co_return Status{};
  // What is complete and dynamic stays so ([MS-OXCFOLD] 3.2.5.4).
  found->second->unwanted = found->second->state == Search::State::complete;
  if (found->second->state != Search::State::running) co_return Status{};
  found->second->stop = true;
  found->second->state = Search::State::stopped;
  searches_look_again(state::links_of(folder), false);  // whoever waits for all of its findings has them
  auto text = found->second->save();
  const auto key = state::search_key(folder);
  auto write = [&key, &text](state::MailboxState& s) { return s.set_value(key, text); };
  co_return co_await with_state(write);
}

void Mailbox::searches_look_again(GlobalCounter folder, bool hierarchy) {
  for (const auto& [id, search] : searches_) {
    if (search->state == Search::State::stopped) continue;
    // A static one only waits for the search folders that it searches.
    if (search->criteria.once && (search->state == Search::State::complete || !search->followed.contains(folder))) continue;
    // What could not be read may be there now.
    const bool concerned = hierarchy ? search->criteria.recursive || follows_searches(*search)
                                     : search->covered.contains(folder) || search->followed.contains(folder);
    if (!concerned && !search->partial) continue;
    search->dirty = true;
    start_search(search);
  }
}

Task<Result<std::map<GlobalCounter, std::vector<GlobalCounter>>>> Mailbox::by_folder(GlobalCounter folder,
                                                                                   std::vector<GlobalCounter> ids) {
  using Places = std::map<GlobalCounter, std::vector<GlobalCounter>>;
  const auto* row = tree_->find(folder);
  if (!row || row->role != FolderRole::search) {
    Places here;
    here[folder] = std::move(ids);
    co_return here;
  }
  auto read = [&ids](state::MailboxState& s) -> Result<Places> {
    auto messages = s.messages(ids);
    if (!messages) return messages.error();
    Places places;
    for (const auto& message : *messages) places[state::folder_of(message.folder)].push_back(message.id);
    return places;
  };
  co_return co_await with_state(read);
}

std::vector<GlobalCounter> Mailbox::scope_of(const Search& search) const {
  std::set<GlobalCounter> out;
  const auto take = [&](const Folder& folder) {
    if (folder.role != FolderRole::search && !keeps_deleted(folder.role) && folder.selectable && out.size() < max_scope) out.insert(folder.id);
  };
  for (const auto id : search.criteria.scope) {
    const auto* folder = tree_->find(id);
    if (!folder) continue;
    take(*folder);
    if (!search.criteria.recursive) continue;
    for (const auto& [below, depth] : tree_->descendants(id)) take(*below);
  }
  return {out.begin(), out.end()};
}

// A search folder cannot be in its own scope ([MS-OXCFOLD] 3.1.4.4), nor among what those search that are in its scope.
bool Mailbox::searches_itself(GlobalCounter folder, const SearchCriteria& criteria) const {
  std::set<GlobalCounter> seen;
  auto left = criteria.scope;
  while (!left.empty()) {
    const auto next = left.back();
    left.pop_back();
    if (next == folder) return true;
    if (!seen.insert(next).second) continue;
    if (const auto of = search(next)) left.insert(left.end(), of->criteria.scope.begin(), of->criteria.scope.end());
  }
  return false;
}

// Other search folders are in the scope, or were: nobody knows what those have been that are gone.
bool Mailbox::follows_searches(const Search& search) const {
  return std::any_of(search.criteria.scope.begin(), search.criteria.scope.end(), [this](auto id) {
    const auto* folder = tree_->find(id);
    return !folder || folder->role == FolderRole::search;
  });
}

// Stores what changed in a search folder and tells of it.
Task<Status> Mailbox::apply_links(std::shared_ptr<Search> search, state::LinkChange change) {
  const auto folder = search->folder;
  const auto* row = tree_->find(folder);
  if (!row) co_return error(Errc::not_found, "the search folder is gone");
  const auto total = row->total, unread = row->unread;
  const bool any = change.clear || !change.added.empty() || !change.removed.empty();
  change.value = {state::search_key(folder), search->save()};
  const auto most = counted(search->criteria.restriction->restriction).most;
  auto write = [folder, most, &change](state::MailboxState& s) -> Result<state::Folder> {
    if (most != SIZE_MAX && !change.added.empty()) {
      auto shown = s.message_keys(state::links_of(folder));
      if (!shown) return shown.error();
      std::unordered_set<GlobalCounter> links;
      if (!change.clear)
        for (const auto& key : *shown) links.insert(key.id);
      for (const auto id : change.removed) links.erase(id);
      std::erase_if(change.added, [&](auto id) { return !links.contains(id) && (links.size() >= most || !links.insert(id).second); });
    }
    return s.change_links(folder, change);
  };
  auto counts = co_await with_state(write);
  if (!counts) co_return counts.error();
  if (counts->total == total && counts->unread == unread && !any) co_return Status{};
  auto loaded = co_await load_tree();
  if (!loaded) co_return loaded;
  changed(state::links_of(folder));
  tell({MailboxEvent::Kind::contents_changed, state::links_of(folder)});
  tell({MailboxEvent::Kind::folder_changed, folder});
  co_return Status{};
}

Task<> Mailbox::run_search(std::shared_ptr<Mailbox> self, std::shared_ptr<Search> search) {
  auto using_it = use();
  Status outcome;
  while (state_ && !search->stop) {
    search->dirty = false;
    outcome = co_await search_once(search);
    if (!outcome || !search->dirty || (search->criteria.once && search->state == Search::State::complete)) break;
  }
  search->working = false;
  if (!outcome) log::info("mailbox: search folder {:x}: {}", search->folder, outcome.error().message);
  (void)self;
}

Task<Status> Mailbox::search_once(std::shared_ptr<Search> search) {
  if (search->restart) {
    search->restart = false;
    search->covered.clear();
    search->partial = false;
    search->state = Search::State::running;
    auto latest = [](state::MailboxState& s) -> Result<GlobalCounter> { return s.latest_change(); };
    auto now = co_await with_state(latest);
    if (!now) co_return now.error();
    search->seen = *now;
    state::LinkChange change;
    change.clear = true;
    auto cleared = co_await apply_links(search, std::move(change));
    if (!cleared) co_return cleared;
  }
  const auto scope = scope_of(*search);
  search->followed.clear();
  for (const auto id : search->criteria.scope)
    if (const auto* folder = tree_->find(id); folder && folder->role == FolderRole::search) search->followed.insert(state::links_of(id));
  const auto since = search->seen;
  auto left = co_await search_left_folders(search, scope);
  if (!left) co_return left;
  auto followed = co_await search_changes(search);
  if (!followed) {
    search->partial = true;  // and it is tried again when something changes
    co_return followed;
  }
  bool partial = false;
  for (const auto folder : scope) {
    if (search->covered.contains(folder)) continue;
    if (search->stop || !state_) co_return Status{};
    auto looked = co_await search_folder(search, folder);
    if (looked) continue;
    // The rest is shown; this one is tried again when something changes.
    log::info("mailbox: searching folder {:x}: {}", folder, looked.error().message);
    partial = true;
  }
  if (search->stop || !state_) co_return Status{};
  auto linked = co_await search_followed(search, since);
  if (!linked) {
    log::info("mailbox: searching what search folder {:x} follows: {}", search->folder, linked.error().message);
    search->linked.reset();
    partial = true;
  }
  if (search->stop || !state_) co_return Status{};
  bool filling = false;
  for (const auto contents : search->followed) {
    const auto of = this->search(state::folder_of(contents));
    filling = filling || (of && of->state == Search::State::running);
    partial = partial || (of && of->partial);
  }
  // It has all when they have all.
  if (filling && search->state == Search::State::running) co_return Status{};
  const bool first = search->state == Search::State::running;
  const bool news = first || partial != search->partial;
  search->partial = partial;
  search->state = Search::State::complete;
  if (news) {
    state::LinkChange nothing;
    auto saved = co_await apply_links(search, std::move(nothing));
    if (!saved) co_return saved;
  }
  if (news) searches_look_again(state::links_of(search->folder), false);
  if (first) tell({MailboxEvent::Kind::search_complete, search->folder});
  co_return Status{};
}

// All of a folder, in parts, so that a table shows the first results while the rest is looked for.
Task<Status> Mailbox::search_folder(std::shared_ptr<Search> search, GlobalCounter folder) {
  auto indexed = co_await wait_indexed(folder, context_.options.first_index_wait);
  if (!indexed) co_return indexed;
  // What came since somebody last looked is searched too. Of a backend that is down the index knows what was there.
  auto fresh = co_await refresh_folder(folder);
  if (!fresh) log::info("mailbox: searching folder {:x} as it was: {}", folder, fresh.error().message);
  auto restriction = search->criteria.restriction;
  std::vector<GlobalCounter> everything, all;
  auto texts = co_await find_bodies(folder, restriction->restriction, std::move(everything));
  if (!texts) co_return texts.error();
  auto open = co_await undecided(folder, restriction->restriction, &*texts, std::move(all));
  if (!open) co_return open.error();
  auto store = store_;
  const auto* matches = &*texts;
  using Ids = std::vector<GlobalCounter>;
  auto look = [folder, store, restriction, matches](state::MailboxState& s) -> Result<Ids> {
    Ids out;
    auto done = each_match(s, store, folder, restriction->restriction, matches, [&](const MessageSource& source) {
      out.push_back(source.message().id);
      return true;
    });
    if (!done) return done.error();
    return out;
  };
  auto found = co_await with_state(look);
  if (!found) co_return found.error();
  auto parts = in_parts(*found, links_at_once);
  for (auto& part : parts) {
    if (search->stop) co_return Status{};
    state::LinkChange change;
    change.added = std::move(part);
    auto applied = co_await apply_links(search, std::move(change));
    if (!applied) co_return applied;
  }
  // Then those that must be read for it, which takes longer.
  std::vector<GlobalCounter> unread;
  for (const auto& message : *open) unread.push_back(message.id);
  parts = in_parts(unread, reads_at_once);
  for (auto& part : parts) {
    if (search->stop || !state_) co_return Status{};
    state::LinkChange change;
    auto looked = co_await look_at(search, folder, std::move(part), &change);
    if (!looked) co_return looked;
    auto applied = co_await apply_links(search, std::move(change));
    if (!applied) co_return applied;
  }
  search->covered.insert(folder);
  co_return Status{};
}

// Folders that are no longer of the scope, or gone.
Task<Status> Mailbox::search_left_folders(std::shared_ptr<Search> search, std::vector<GlobalCounter> scope) {
  std::set<GlobalCounter> gone;
  for (const auto folder : search->covered)
    if (!std::binary_search(scope.begin(), scope.end(), folder)) gone.insert(folder);
  if (gone.empty()) co_return Status{};
  const auto links = state::links_of(search->folder);
  state::LinkChange change;
  auto* removed = &change.removed;
  auto look = [links, &gone, removed](state::MailboxState& s) {
    return s.each_message(links, [&](state::Message& message) {
      if (gone.contains(message.folder)) removed->push_back(message.id);
      return true;
    });
  };
  auto looked = co_await with_state(look);
  if (!looked) co_return looked;
  for (const auto folder : gone) search->covered.erase(folder);
  search->linked.reset();  // what followed search folders show of them, they show still
  co_return co_await apply_links(search, std::move(change));
}

// What changed in the folders that were looked through.
Task<Status> Mailbox::search_changes(std::shared_ptr<Search> search) {
  const auto since = search->seen;
  const auto covered = search->covered;
  GlobalCounter latest = since;
  std::map<GlobalCounter, std::vector<GlobalCounter>> changed_in;
  auto list = [&covered, since, &latest, &changed_in](state::MailboxState& s) -> Status {
    latest = s.latest_change();
    for (const auto folder : covered) {
      auto changes = s.changes(folder, since, since);
      if (!changes) return changes.error();
      auto& ids = changed_in[folder];
      for (const auto& one : changes->changed) ids.push_back(one.id);
      for (const auto& one : changes->read) ids.push_back(one.id);
    }
    return {};
  };
  auto listed = co_await with_state(list);
  if (!listed) co_return listed;
  state::LinkChange change;
  for (const auto& [folder, ids] : changed_in) {
    auto parts = in_parts(ids, looks_at_once(search->criteria));
    for (auto& part : parts) {
      auto looked = co_await look_at(search, folder, std::move(part), &change);
      if (!looked) co_return looked;
    }
  }
  search->seen = latest;
  // Also without changes here: messages may have gone, and their links with them.
  co_return co_await apply_links(search, std::move(change));
}

// Which of these messages of a folder are findings, and which are not.
Task<Status> Mailbox::look_at(std::shared_ptr<Search> search, GlobalCounter folder, std::vector<GlobalCounter> ids, state::LinkChange* change) {
  auto restriction = search->criteria.restriction;
  auto asked = ids;
  auto texts = co_await find_texts(folder, restriction->restriction, std::move(asked));
  if (!texts) co_return texts.error();
  auto store = store_;
  const auto* matches = &*texts;
  auto look = [folder, store, restriction, matches, &ids, change](state::MailboxState& s) -> Status {
    auto messages = s.messages(ids);
    if (!messages) return messages.error();
    DisplayRecipients recipients;
    Matcher matcher(counted(restriction->restriction).restriction, &recipients);
    matcher.use(matches);
    for (auto& message : *messages) {
      const auto id = message.id;
      const bool here = message.folder == folder;
      const bool fits = here && matcher.matches(MessageSource(MessageView{store, std::move(message)}));
      (fits ? change->added : change->removed).push_back(id);
    }
    return {};
  };
  co_return co_await with_state(look);
}

// What other search folders show that are in the scope: what came there, what changed, and what left them.
Task<Status> Mailbox::search_followed(std::shared_ptr<Search> search, GlobalCounter since) {
  if (!follows_searches(*search)) co_return Status{};
  const auto links = state::links_of(search->folder);
  const auto* followed = &search->followed;
  const auto* covered = &search->covered;
  const auto* known = search->linked ? &*search->linked : nullptr;
  std::unordered_set<GlobalCounter> now;
  std::set<GlobalCounter> news;
  state::LinkChange left;
  auto list = [links, followed, covered, known, since, &now, &news, &left](state::MailboxState& s) -> Status {
    for (const auto contents : *followed) {
      auto keys = s.message_keys(contents);
      if (!keys) return keys.error();
      for (const auto& key : *keys) {
        now.insert(key.id);
        if (!known || !known->contains(key.id)) news.insert(key.id);
      }
      auto changes = s.changes(contents, since, since);
      if (!changes) return changes.error();
      for (const auto& one : changes->changed) news.insert(one.id);
      for (const auto& one : changes->read) news.insert(one.id);
    }
    if (known && std::all_of(known->begin(), known->end(), [&now](auto id) { return now.contains(id); })) return {};
    return s.each_message(links, [&](state::Message& message) {
      if (!covered->contains(message.folder) && !now.contains(message.id)) left.removed.push_back(message.id);
      return true;
    });
  };
  auto listed = co_await with_state(list);
  if (!listed) co_return listed;
  // Also with nothing in it: messages that went took their links with them.
  auto applied = co_await apply_links(search, std::move(left));
  if (!applied) co_return applied;
  std::vector<GlobalCounter> asked(news.begin(), news.end());
  auto places = co_await by_folder(search->folder, std::move(asked));
  if (!places) co_return places.error();
  for (const auto& [folder, ids] : *places) {
    auto parts = in_parts(ids, looks_at_once(search->criteria));
    for (auto& part : parts) {
      if (search->stop || !state_) co_return Status{};
      state::LinkChange change;
      auto looked = co_await look_at(search, folder, std::move(part), &change);
      if (!looked) co_return looked;
      applied = co_await apply_links(search, std::move(change));
      if (!applied) co_return applied;
    }
  }
  search->linked = std::move(now);
  co_return Status{};
}

}  // namespace mapigate::mailbox
