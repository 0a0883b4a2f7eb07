#include "directory/snapshot.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <unordered_map>
#include <unordered_set>

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

std::string dn_of(const Entry& entry) { return mapi::user_dn(entry.address.empty() ? entry.key : entry.address); }

std::uint32_t hash_of(std::string_view text) {
  std::uint32_t hash = 2166136261u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
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

Object Snapshot::object(Index index) const {
  Object out;
  out.entry = entry(index);
  out.id = id(index);
  out.dn = dn_of(out.entry);
  out.display_type = display_type_of(out.entry.kind);
  out.members = linked(members, index);
  out.member_of = linked(member_of, index);
  out.owners = linked(owners, index);
  out.owned = linked(owned, index);
  out.reports = linked(reports, index);
  out.delegates = linked(delegates, index);
  out.delegate_of = linked(delegate_of, index);
  out.full_access = linked(full_access, index);
  out.full_access_to = linked(full_access_to, index);
  if (const auto found = linked(manager, index); !found.empty()) out.manager = found.front();
  return out;
}

Indexes Snapshot::linked(Relation relation, Index from) const {
  const auto& all = links_[relation];
  Indexes out;
  for (auto at = std::lower_bound(all.begin(), all.end(), Link{from, 0}, [](const Link& a, const Link& b) { return a.from < b.from; });
       at != all.end() && at->from == from; ++at)
    out.push_back(at->to);
  return out;
}

Indexes Snapshot::people_of(Index group) const {
  Indexes out, left{group};
  std::unordered_set<Index> seen{group};
  while (!left.empty()) {
    const auto next = left.back();
    left.pop_back();
    for (const auto member : linked(members, next))
      if (seen.insert(member).second) (kind(member) == EntryKind::group ? left : out).push_back(member);
  }
  std::sort(out.begin(), out.end());
  return out;
}

Snapshot::Audience Snapshot::audience(Index group) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = audiences_.find(group); known != audiences_.end()) return known->second;
  }
  const auto people = people_of(group);
  Audience out;
  out.people = static_cast<std::uint32_t>(people.size());
  out.outside = static_cast<std::uint32_t>(std::count_if(people.begin(), people.end(), [&](Index i) { return kind(i) == EntryKind::contact; }));
  const std::lock_guard lock(mutex_);
  return audiences_.emplace(group, out).first->second;
}

namespace {
std::vector<std::string> domains_of(const std::vector<Entry>& entries) {
  std::set<std::string, std::less<>> out;
  for (const auto& entry : entries) {
    const auto at = entry.kind == EntryKind::contact ? std::string::npos : entry.address.rfind('@');
    if (at == std::string::npos) continue;
    const auto domain = std::string_view(entry.address).substr(at + 1);
    if (!domain.empty() && !out.contains(domain)) out.emplace(domain);
  }
  return {out.begin(), out.end()};
}
}  // namespace

Result<std::shared_ptr<const Snapshot>> Snapshot::build(std::vector<Entry> entries, IdTable& ids, const std::string& gal_name,
                                                        const Snapshot* before) {
  std::shared_ptr<Snapshot> made(new Snapshot());
  std::unordered_set<std::string> keys;
  std::vector<Entry> taken;
  taken.reserve(entries.size());
  for (auto& entry : entries) {
    entry.address = lower_ascii(trim(entry.address));
    const bool usable = !entry.key.empty() && !entry.display_name.empty() && keys.insert(lower_ascii(entry.key)).second;
    (usable ? taken : made->left_out_).push_back(std::move(entry));
  }
  entries = {};
  keys = {};
  for (const auto& entry : taken) {
    put_record(made->records_, entry, made->shared_);
    if (made->records_.size() > std::numeric_limits<std::uint32_t>::max()) return error(Errc::limit, "the directory is larger than 4 GiB");
    made->record_at_.push_back(static_cast<std::uint32_t>(made->records_.size()));
    made->kinds_.push_back(static_cast<std::uint8_t>(entry.kind));
  }
  made->records_.shrink_to_fit();
  made->record_at_.shrink_to_fit();
  made->kinds_.shrink_to_fit();
  made->link(taken);
  made->containers_.emplace_back().name = gal_name;
  made->containers_.back().dn = "/";
  made->make_containers(taken);
  made->index_names(taken);
  made->domains_ = domains_of(taken);
  taken = {};
  if (const auto done = made->take_ids(ids, before); !done) return done.error();
  return std::shared_ptr<const Snapshot>(std::move(made));
}

Status Snapshot::take_ids(IdTable& ids, const Snapshot* before) {
  const auto count = record_at_.size() - 1;
  ids_.assign(count, 0);
  if (before) {
    std::unordered_map<std::string, std::uint32_t> known;
    known.reserve(before->size());
    for (Index i = 0; i < before->size(); ++i) known.emplace(lower_ascii(key_of_record(before->record(i))), before->ids_[i]);
    for (Index i = 0; i < count; ++i)
      if (const auto at = known.find(lower_ascii(key_of_record(record(i)))); at != known.end()) ids_[i] = at->second;
  }
  std::vector<std::string> keys;
  for (Index i = 0; i < count; ++i)
    if (ids_[i] == 0) keys.push_back("entry:" + lower_ascii(key_of_record(record(i))));
  for (std::size_t i = 1; i < containers_.size(); ++i) keys.push_back(containers_[i].dn);  // their keys until now
  const auto assigned = ids.assign(keys);
  if (!assigned) return assigned.error();
  auto next = assigned->begin();
  for (auto& id : ids_)
    if (id == 0) id = *next++;
  by_id_.resize(count);
  std::iota(by_id_.begin(), by_id_.end(), Index{0});
  std::sort(by_id_.begin(), by_id_.end(), [&](Index a, Index b) { return ids_[a] < ids_[b]; });
  std::uint32_t version = 2166136261u;
  for (std::size_t i = 1; i < containers_.size(); ++i) {
    auto& container = containers_[i];
    const auto id = *next++;
    container.id = MinimalEntryID{id};
    container.dn = container_dn(id);
    version = (version ^ id) * 16777619u;
  }
  hierarchy_version_ = version | 1;  // zero is "none yet"
  return {};
}

void Snapshot::link(const std::vector<Entry>& entries) {
  const auto names = [](const Entry& entry) {
    return !entry.members.empty() || !entry.owners.empty() || !entry.delegates.empty() || !entry.full_access.empty() ||
           !entry.manager.empty();
  };
  if (std::none_of(entries.begin(), entries.end(), names)) return;
  // What entries refer to each other by: keys count before addresses and the source's own names, and those before what an entry
  // once was called or its account.
  std::unordered_map<std::string, Index> by_name;
  const auto know = [&](std::string_view name, Index i) {
    if (!name.empty()) by_name.emplace(lower_ascii(name), i);
  };
  for (Index i = 0; i < entries.size(); ++i) know(entries[i].key, i);
  for (Index i = 0; i < entries.size(); ++i) know(entries[i].address, i), know(entries[i].known_as, i);
  for (Index i = 0; i < entries.size(); ++i) {
    for (const auto& alias : entries[i].aliases) know(alias, i);
    know(entries[i].account, i);
  }
  const auto named = [&](const std::string& name) -> std::optional<Index> {
    const auto at = by_name.find(lower_ascii(trim(name)));
    return at == by_name.end() ? std::nullopt : std::optional(at->second);
  };
  const auto add = [&](Relation forth, Relation back, Index from, Index to) {
    links_[forth].push_back({from, to});
    links_[back].push_back({to, from});
  };
  for (Index i = 0; i < entries.size(); ++i) {
    std::unordered_set<Index> seen;
    for (const auto& name : entries[i].members)
      if (const auto member = named(name); member && seen.insert(*member).second) add(members, member_of, i, *member);
    for (const auto& name : entries[i].owners)
      if (const auto owner = named(name)) add(owners, owned, i, *owner);
    for (const auto& name : entries[i].delegates)
      if (const auto delegate = named(name); delegate && *delegate != i) add(delegates, delegate_of, i, *delegate);
    for (const auto& name : entries[i].full_access)
      if (const auto user = named(name); user && *user != i) add(full_access, full_access_to, i, *user);
    if (const auto found = named(entries[i].manager)) add(manager, reports, i, *found);
  }
  for (const auto back : {member_of, owned, delegate_of, full_access_to, reports}) std::sort(links_[back].begin(), links_[back].end());
  for (auto& list : links_) list.shrink_to_fit();
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

void Snapshot::make_containers(const std::vector<Entry>& entries) {
  std::map<std::vector<std::string>, Indexes> by_path;  // its order puts parents before children
  constexpr std::pair<EntryKind, const char*> lists[] = {{EntryKind::person, "All Users"},
                                                         {EntryKind::group, "All Groups"},
                                                         {EntryKind::room, "All Rooms"},
                                                         {EntryKind::equipment, "All Equipment"},
                                                         {EntryKind::contact, "All Contacts"}};
  for (const auto& [kind, name] : lists) {
    Indexes rows;
    for (Index i = 0; i < entries.size(); ++i)
      if (entries[i].kind == kind && !entries[i].hidden) rows.push_back(i);
    if (!rows.empty()) container_of({name}).objects = std::move(rows);
  }
  for (Index i = 0; i < entries.size(); ++i) {
    if (entries[i].hidden) continue;
    containers_.front().objects.push_back(i);
    if (const auto& path = entries[i].container; !path.empty() && path.size() <= 8) by_path[path].push_back(i);
  }
  for (auto& [path, rows] : by_path) {
    auto& container = container_of(path);
    container.objects.insert(container.objects.end(), rows.begin(), rows.end());
  }
  for (auto& container : containers_) container.objects.shrink_to_fit();
}

namespace {

std::vector<std::string> words_of(const Entry& entry) {
  std::vector<std::string> out;
  const auto add = [&](std::string_view text) {
    const auto plain = folded(text);
    for (const auto word : split_words(plain)) out.emplace_back(word);
  };
  add(entry.display_name);
  for (const auto& [tag, value] : entry.texts)
    for (const auto looked_at : {mapi::PidTagGivenName, mapi::PidTagSurname, mapi::PidTagAddressBookPhoneticDisplayName, mapi::PidTagOfficeLocation})
      if (tag.id() == looked_at.id()) add(value);
  add(entry.account);
  add(entry.address);
  for (const auto& alias : entry.aliases) add(alias);
  return out;
}

}  // namespace

void Snapshot::index_names(const std::vector<Entry>& entries) {
  WordIndex::Builder words;
  for (Index i = 0; i < entries.size(); ++i) {
    const auto& entry = entries[i];
    by_address_.push_back({hash_of(entry.address.empty() ? lower_ascii(entry.key) : entry.address), i});
    for (const auto& alias : entry.aliases) by_address_.push_back({hash_of(lower_ascii(trim(alias))), i});
    for (const auto& dn : entry.former_dns) by_former_dn_.push_back({hash_of(lower_ascii(dn)), i});
    if (entry.hidden) continue;
    by_name_.push_back({hash_of(folded(entry.display_name)), i});
    if (!entry.account.empty()) by_name_.push_back({hash_of(folded(entry.account)), i});
    words.add(i, words_of(entry));
  }
  words_ = words.build();
  for (auto* keys : {&by_address_, &by_former_dn_, &by_name_}) {
    std::sort(keys->begin(), keys->end());
    keys->shrink_to_fit();
  }
}

std::optional<Index> Snapshot::find(MinimalEntryID id) const {
  const auto wanted = static_cast<std::uint32_t>(id);
  const auto at = std::lower_bound(by_id_.begin(), by_id_.end(), wanted, [&](Index i, std::uint32_t value) { return ids_[i] < value; });
  return at == by_id_.end() || ids_[*at] != wanted ? std::nullopt : std::optional(*at);
}

namespace {

// The first of those with this hash that `is` what is looked for.
template <class Key>
std::optional<Index> find_key(const std::vector<Key>& keys, std::string_view text, const auto& is) {
  const auto hash = hash_of(text);
  for (auto at = std::lower_bound(keys.begin(), keys.end(), Key{hash, 0}); at != keys.end() && at->hash == hash; ++at)
    if (is(at->object)) return at->object;
  return {};
}

}  // namespace

// What an object is called now counts before what another was called once.
std::optional<Index> Snapshot::find_dn(std::string_view dn) const {
  const auto wanted = lower_ascii(dn);
  if (const auto name = mapi::address_of_user_dn(wanted)) {
    const auto found = find_key(by_address_, *name, [&](Index i) {
      const auto one = entry(i);
      return one.address.empty() ? lower_ascii(one.key) == *name : one.address == *name;
    });
    if (found) return found;
  }
  return find_key(by_former_dn_, wanted, [&](Index i) {
    const auto one = entry(i);
    return std::any_of(one.former_dns.begin(), one.former_dns.end(), [&](const auto& former) { return lower_ascii(former) == wanted; });
  });
}

std::optional<Index> Snapshot::find_address(std::string_view smtp) const {
  const auto wanted = lower_ascii(trim(smtp));
  if (wanted.empty()) return {};
  if (const auto found = find_key(by_address_, wanted, [&](Index i) { return entry(i).address == wanted; })) return found;
  return find_key(by_address_, wanted, [&](Index i) {
    const auto one = entry(i);
    return std::any_of(one.aliases.begin(), one.aliases.end(), [&](const auto& alias) { return lower_ascii(trim(alias)) == wanted; });
  });
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
  if (rank.size() == size()) return **known;
  std::vector<std::pair<std::string, Index>> keys;
  keys.reserve(size());
  for (Index i = 0; i < size(); ++i) {
    Object one;
    one.entry = entry(i);
    const auto phonetic_name = phonetic ? one.text(mapi::PidTagAddressBookPhoneticDisplayName) : std::string_view();
    keys.emplace_back((*known)->collation->key(phonetic_name.empty() ? one.entry.display_name : phonetic_name), i);
  }
  std::sort(keys.begin(), keys.end(), [&](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : ids_[a.second] < ids_[b.second];
  });
  rank.resize(size());
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
  const auto hash = hash_of(plain);
  for (auto at = std::lower_bound(by_name_.begin(), by_name_.end(), Key{hash, 0}); at != by_name_.end() && at->hash == hash; ++at) {
    const auto one = entry(at->object);
    if (folded(one.display_name) == plain || folded(one.account) == plain) out.push_back(at->object);
  }
  if (!out.empty() || in_full) {
    out.erase(std::unique(out.begin(), out.end()), out.end());  // they stand in order
    return out;
  }
  auto wanted = split_words(plain);
  if (wanted.empty() || wanted.size() > 16) return {};
  // The longest word is the one that fewest have; who has it must have the others too.
  std::sort(wanted.begin(), wanted.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  out = words_.find(wanted.front());
  if (wanted.size() == 1) return out;
  std::erase_if(out, [&](Index candidate) {
    const auto words = words_of(entry(candidate));
    return !std::all_of(wanted.begin() + 1, wanted.end(), [&](const auto& word) {
      return std::any_of(words.begin(), words.end(), [&](const auto& own) { return own.starts_with(word); });
    });
  });
  return out;
}

}  // namespace mapigate::directory
