#include "directory/snapshot.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "mapi/legacy_dn.h"
#include "mapi/properties.h"

namespace mapigate::directory {

namespace {

constexpr std::size_t max_orders = 16;  // locales that have an order of their own

std::string folded(std::string_view text) { return fold(trim(text), true); }

// [MS-OXOABK] 2.2.1.1: "/guid=" and 32 hexadecimal digits; any that stay the same will do.
std::string container_dn(std::uint32_t id) { return fmt::format("/guid=6D617069676174658000000000{:06X}", id & 0xFFFFFF); }

DisplayType display_type_of(EntryKind kind) {
  switch (kind) {
    case EntryKind::group: return DisplayType::DT_DISTLIST;
    case EntryKind::contact: return DisplayType::DT_REMOTE_MAILUSER;
    default: return DisplayType::DT_MAILUSER;
  }
}

std::string path_key(const std::vector<std::string>& path) {
  std::string key = "container:";
  for (const auto& part : path) key += "/" + part;
  return key;
}

}  // namespace

std::string_view Object::text(mapi::PropertyTag tag) const {
  for (const auto& [known, value] : entry.texts)
    if (known.id() == tag.id()) return value;
  return {};
}

Result<std::shared_ptr<const Snapshot>> Snapshot::build(std::vector<Entry> entries, IdTable& ids, const std::string& gal_name) {
  std::shared_ptr<Snapshot> made(new Snapshot());
  std::unordered_map<std::string, Index> by_name;  // what entries refer to each other by
  made->objects_.reserve(entries.size());
  for (auto& entry : entries) {
    entry.address = lower_ascii(trim(entry.address));
    const auto index = static_cast<Index>(made->objects_.size());
    if (entry.key.empty() || entry.display_name.empty() || !by_name.emplace(lower_ascii(entry.key), index).second) {
      made->left_out_.push_back(std::move(entry));
      continue;
    }
    auto& object = made->objects_.emplace_back();
    object.entry = std::move(entry);
    object.display_type = display_type_of(object.entry.kind);
    object.dn = mapi::user_dn(object.entry.address.empty() ? object.entry.key : object.entry.address);
  }
  for (Index i = 0; i < made->objects_.size(); ++i) {
    const auto& object = made->objects_[i];
    const auto& entry = object.entry;
    for (const auto* name : {&entry.address, &entry.known_as})
      if (!name->empty()) by_name.emplace(lower_ascii(*name), i);
    if (!entry.address.empty()) made->by_address_.emplace(entry.address, i);
    made->by_dn_.emplace(lower_ascii(object.dn), i);
  }
  // What an object once was called never hides what another is called now.
  for (Index i = 0; i < made->objects_.size(); ++i) {
    for (const auto& alias : made->objects_[i].entry.aliases) {
      by_name.emplace(lower_ascii(alias), i);
      made->by_address_.emplace(lower_ascii(trim(alias)), i);
    }
    if (const auto& account = made->objects_[i].entry.account; !account.empty()) by_name.emplace(lower_ascii(account), i);
    for (const auto& dn : made->objects_[i].entry.former_dns) made->by_dn_.emplace(lower_ascii(dn), i);
  }
  made->link(by_name);
  made->containers_.emplace_back().name = gal_name;
  made->containers_.back().dn = "/";
  made->make_containers();
  made->index_names();

  std::vector<std::string> keys;
  keys.reserve(made->objects_.size() + made->containers_.size());
  for (const auto& object : made->objects_) keys.push_back("entry:" + lower_ascii(object.entry.key));
  for (std::size_t i = 1; i < made->containers_.size(); ++i) keys.push_back(made->containers_[i].dn);  // their keys until now
  const auto assigned = ids.assign(keys);
  if (!assigned) return assigned.error();
  for (Index i = 0; i < made->objects_.size(); ++i) {
    made->objects_[i].id = MinimalEntryID{(*assigned)[i]};
    made->by_id_.emplace((*assigned)[i], i);
  }
  std::uint32_t version = 2166136261u;
  for (std::size_t i = 1; i < made->containers_.size(); ++i) {
    auto& container = made->containers_[i];
    const auto id = (*assigned)[made->objects_.size() + i - 1];
    container.id = MinimalEntryID{id};
    container.dn = container_dn(id);
    version = (version ^ id) * 16777619u;
  }
  made->hierarchy_version_ = version | 1;  // zero is "none yet"
  return std::shared_ptr<const Snapshot>(std::move(made));
}

void Snapshot::link(const std::unordered_map<std::string, Index>& by_name) {
  const auto named = [&](const std::string& name) -> std::optional<Index> {
    const auto at = by_name.find(lower_ascii(trim(name)));
    return at == by_name.end() ? std::nullopt : std::optional(at->second);
  };
  for (Index i = 0; i < objects_.size(); ++i) {
    auto& object = objects_[i];
    for (const auto& name : object.entry.members) {
      const auto member = named(name);
      if (!member || std::find(object.members.begin(), object.members.end(), *member) != object.members.end()) continue;
      object.members.push_back(*member);
      objects_[*member].member_of.push_back(i);
    }
    for (const auto& name : object.entry.owners)
      if (const auto owner = named(name)) {
        object.owners.push_back(*owner);
        objects_[*owner].owned.push_back(i);
      }
    for (const auto& name : object.entry.delegates)
      if (const auto delegate = named(name); delegate && *delegate != i) {
        object.delegates.push_back(*delegate);
        objects_[*delegate].delegate_of.push_back(i);
      }
    object.manager = named(object.entry.manager);
    if (object.manager) objects_[*object.manager].reports.push_back(i);
  }
}

Container& Snapshot::container_of(const std::vector<std::string>& path) {
  const auto key = path_key(path);
  const auto known = std::find_if(containers_.begin(), containers_.end(), [&](const auto& c) { return c.dn == key; });
  if (known != containers_.end()) return *known;
  Container made;
  made.dn = key;
  made.name = path.back();
  made.depth = static_cast<std::uint32_t>(path.size() - 1);
  if (path.size() > 1) {
    auto& parent = container_of({path.begin(), path.end() - 1});
    parent.has_children = true;
    made.parent = static_cast<std::size_t>(&parent - containers_.data());
  }
  return containers_.emplace_back(std::move(made));
}

void Snapshot::make_containers() {
  std::map<std::vector<std::string>, Indexes> by_path;  // its order puts parents before children
  constexpr std::pair<EntryKind, const char*> lists[] = {{EntryKind::person, "All Users"},
                                                         {EntryKind::group, "All Groups"},
                                                         {EntryKind::room, "All Rooms"},
                                                         {EntryKind::equipment, "All Equipment"},
                                                         {EntryKind::contact, "All Contacts"}};
  for (const auto& [kind, name] : lists) {
    Indexes rows;
    for (Index i = 0; i < objects_.size(); ++i)
      if (objects_[i].entry.kind == kind && !objects_[i].entry.hidden) rows.push_back(i);
    if (!rows.empty()) container_of({name}).objects = std::move(rows);
  }
  for (Index i = 0; i < objects_.size(); ++i) {
    if (objects_[i].entry.hidden) continue;
    containers_.front().objects.push_back(i);
    if (const auto& path = objects_[i].entry.container; !path.empty() && path.size() <= 8) by_path[path].push_back(i);
  }
  for (auto& [path, rows] : by_path) {
    auto& container = container_of(path);
    container.objects.insert(container.objects.end(), rows.begin(), rows.end());
  }
}

std::vector<std::string> Snapshot::words_of(const Object& object) const {
  std::vector<std::string> out;
  const auto add = [&](std::string_view text) {
    const auto plain = folded(text);
    std::size_t start = 0;
    for (std::size_t i = 0; i <= plain.size(); ++i) {
      const bool between = i == plain.size() || std::string_view(" \t,;()\"<>/").find(plain[i]) != std::string_view::npos;
      if (!between) continue;
      if (i > start) out.push_back(plain.substr(start, i - start));
      start = i + 1;
    }
  };
  add(object.entry.display_name);
  add(object.text(mapi::PidTagGivenName));
  add(object.text(mapi::PidTagSurname));
  add(object.text(mapi::PidTagAddressBookPhoneticDisplayName));
  add(object.text(mapi::PidTagOfficeLocation));
  add(object.entry.account);
  add(object.entry.address);
  for (const auto& alias : object.entry.aliases) add(alias);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void Snapshot::index_names() {
  for (Index i = 0; i < objects_.size(); ++i) {
    const auto& object = objects_[i];
    if (object.entry.hidden) continue;
    by_name_.emplace(folded(object.entry.display_name), i);
    if (!object.entry.account.empty()) by_name_.emplace(folded(object.entry.account), i);
    for (auto& word : words_of(object)) words_.emplace_back(std::move(word), i);
  }
  std::sort(words_.begin(), words_.end());
}

std::optional<Index> Snapshot::find(MinimalEntryID id) const {
  const auto at = by_id_.find(static_cast<std::uint32_t>(id));
  return at == by_id_.end() ? std::nullopt : std::optional(at->second);
}
std::optional<Index> Snapshot::find_dn(std::string_view dn) const {
  const auto at = by_dn_.find(lower_ascii(dn));
  return at == by_dn_.end() ? std::nullopt : std::optional(at->second);
}
std::optional<Index> Snapshot::find_address(std::string_view smtp) const {
  const auto at = by_address_.find(lower_ascii(trim(smtp)));
  return at == by_address_.end() ? std::nullopt : std::optional(at->second);
}
const Container* Snapshot::find_container(MinimalEntryID id) const {
  const auto at = std::find_if(containers_.begin(), containers_.end(), [&](const auto& c) { return c.id == id; });
  return at == containers_.end() ? nullptr : &*at;
}
const Container* Snapshot::find_container_dn(std::string_view dn) const {
  const auto at = std::find_if(containers_.begin(), containers_.end(),
                               [&](const auto& c) { return equal_ignoring_ascii_case(c.dn, dn); });
  return at == containers_.end() ? nullptr : &*at;
}

const Snapshot::Order& Snapshot::order(std::uint32_t locale, bool phonetic) const {
  auto known = std::find_if(orders_.begin(), orders_.end(), [&](const auto& o) { return o->locale == locale; });
  if (known == orders_.end() && orders_.size() >= max_orders) known = orders_.begin();
  if (known == orders_.end()) {
    auto made = std::make_unique<Order>();
    made->locale = locale;
    made->collation = std::make_shared<Collation>(locale);
    known = orders_.insert(known, std::move(made));
  }
  auto& rank = (*known)->rank[phonetic ? 1 : 0];
  if (rank.size() == objects_.size()) return **known;
  std::vector<std::pair<std::string, Index>> keys;
  keys.reserve(objects_.size());
  for (Index i = 0; i < objects_.size(); ++i) {
    const auto phonetic_name = phonetic ? objects_[i].text(mapi::PidTagAddressBookPhoneticDisplayName) : std::string_view();
    keys.emplace_back((*known)->collation->key(phonetic_name.empty() ? objects_[i].entry.display_name : phonetic_name), i);
  }
  std::sort(keys.begin(), keys.end(), [&](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : objects_[a.second].id < objects_[b.second].id;
  });
  rank.resize(objects_.size());
  for (Index place = 0; place < keys.size(); ++place) rank[keys[place].second] = place;
  return **known;
}

std::shared_ptr<const Collation> Snapshot::collation(std::uint32_t locale) const {
  const std::lock_guard lock(mutex_);
  return order(locale, false).collation;
}

void Snapshot::sort(Indexes& objects, SortType sort, std::uint32_t locale) const {
  const bool phonetic = sort == SortType::SortTypePhoneticDisplayName;
  const std::lock_guard lock(mutex_);
  const auto& rank = order(locale, phonetic).rank[phonetic ? 1 : 0];
  std::sort(objects.begin(), objects.end(), [&](Index a, Index b) { return rank[a] < rank[b]; });
}

std::optional<std::size_t> Snapshot::place(const Indexes& table, Index object, SortType sort, std::uint32_t locale) const {
  const bool phonetic = sort == SortType::SortTypePhoneticDisplayName;
  const std::lock_guard lock(mutex_);
  const auto& rank = order(locale, phonetic).rank[phonetic ? 1 : 0];
  const auto at = std::lower_bound(table.begin(), table.end(), object, [&](Index a, Index b) { return rank[a] < rank[b]; });
  if (at == table.end() || *at != object) return {};
  return static_cast<std::size_t>(at - table.begin());
}

std::shared_ptr<const Indexes> Snapshot::table(const Container& container, SortType sort, std::uint32_t locale) const {
  const bool phonetic = sort == SortType::SortTypePhoneticDisplayName;
  {
    const std::lock_guard lock(mutex_);
    const auto& wanted = order(locale, phonetic);
    for (const auto& table : tables_)
      if (table.container == &container && table.order == &wanted && table.phonetic == phonetic) return table.rows;
  }
  auto rows = std::make_shared<Indexes>(container.objects);
  this->sort(*rows, sort, locale);
  const std::lock_guard lock(mutex_);
  tables_.push_back({&container, &order(locale, phonetic), phonetic, rows});
  return rows;
}

Indexes Snapshot::resolve(std::string_view name) const {
  auto text = std::string(trim(name));
  if (lower_ascii(text.substr(0, 5)) == "smtp:") text.erase(0, 5);
  const bool in_full = text.starts_with('=');
  if (in_full) text.erase(0, 1);
  if (text.empty()) return {};
  if (const auto found = find_address(text)) return {*found};
  if (const auto found = find_dn(text)) return {*found};
  const auto plain = folded(text);
  Indexes out;
  const auto [first, last] = by_name_.equal_range(plain);
  for (auto at = first; at != last; ++at) out.push_back(at->second);
  if (!out.empty() || in_full) {
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }
  std::vector<std::string> wanted;
  for (std::size_t start = 0; start < plain.size();) {
    const auto end = std::min(plain.find_first_of(" \t,;()\"<>/", start), plain.size());
    if (end > start) wanted.push_back(plain.substr(start, end - start));
    start = end + 1;
  }
  if (wanted.empty() || wanted.size() > 16) return {};
  // The longest word is the one that fewest have; who has it must have the others too.
  std::sort(wanted.begin(), wanted.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  const auto& longest = wanted.front();
  for (auto at = std::lower_bound(words_.begin(), words_.end(), std::pair<std::string, Index>(longest, 0));
       at != words_.end() && at->first.starts_with(longest); ++at)
    out.push_back(at->second);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  if (wanted.size() == 1) return out;
  std::erase_if(out, [&](Index candidate) {
    const auto words = words_of(objects_[candidate]);
    return !std::all_of(wanted.begin() + 1, wanted.end(), [&](const auto& word) {
      return std::any_of(words.begin(), words.end(), [&](const auto& own) { return own.starts_with(word); });
    });
  });
  return out;
}

}  // namespace mapigate::directory
