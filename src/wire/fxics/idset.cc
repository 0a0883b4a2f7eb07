#include "wire/fxics/idset.h"

#include "wire/fields.h"

namespace mapigate::wire::fxics {

template <class Replica>
bool IdSet<Replica>::operator==(const IdSet& other) const {
  const auto covers = [](const IdSet& a, const IdSet& b) {
    for (const auto& [replica, set] : a.sets_) {
      if (set.empty()) continue;
      const auto* theirs = b.find(replica);
      if (theirs == nullptr || !(set == *theirs)) return false;
    }
    return true;
  };
  return covers(*this, other) && covers(other, *this);
}

template <class Replica>
Result<IdSet<Replica>> read_idset(View bytes) {
  Cursor cursor(bytes);
  return read_idset<Replica>(cursor, nullptr);
}

static std::string text_of(std::uint16_t replid) { return fmt::format("0x{:04x}", replid); }
static std::string text_of(const mapi::Guid& guid) { return mapi::to_string(guid); }

template <class Replica>
Result<IdSet<Replica>> read_idset(Cursor& cursor, SetTeller* teller) {
  constexpr const char* name = std::is_same_v<Replica, mapi::Guid> ? "REPLGUID" : "REPLID";
  Arena arena;
  FieldReader reader(cursor, arena);
  IdSet<Replica> out;
  std::size_t budget = max_ranges_read;
  std::size_t replicas = 0;
  while (cursor.ok() && cursor.left() != 0) {
    Replica replica{};
    const auto at = cursor.offset();
    reader(name, replica);
    if (++replicas > max_replicas_read) cursor.fail("has too many replicas");
    if (teller != nullptr && cursor.ok()) teller->replica(name, at, text_of(replica));
    const auto set = read_globset(cursor, budget, teller);
    if (!cursor.ok()) break;
    if (teller != nullptr) teller->set(set);
    out.of(replica).unite(set);
  }
  if (!cursor.ok()) return cursor.error("IDSET");
  return out;
}

template <class Replica>
Bytes write_idset(const IdSet<Replica>& set) {
  Bytes out;
  Output output(out);
  for (const auto& [replica, counters] : set) {
    if (counters.empty()) continue;
    FieldWriter{output}("replica", replica);
    write_globset(counters, out);
  }
  return out;
}

template class IdSet<std::uint16_t>;
template class IdSet<mapi::Guid>;
template Result<ReplIdSet> read_idset(View);
template Result<ReplGuidSet> read_idset(View);
template Result<ReplIdSet> read_idset(Cursor&, SetTeller*);
template Result<ReplGuidSet> read_idset(Cursor&, SetTeller*);
template Bytes write_idset(const ReplIdSet&);
template Bytes write_idset(const ReplGuidSet&);

}  // namespace mapigate::wire::fxics
