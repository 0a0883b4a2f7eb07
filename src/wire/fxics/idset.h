// Sets of folder ids, message ids and change numbers ([MS-OXCFXICS] "IDSET and
// CNSET Structures"): a GLOBSET for each replica. On the wire the replica is a
// REPLGUID in what is kept over sessions (the four properties of a
// synchronisation state), a REPLID in what is not (deletions, read states).
#pragma once

#include <map>

#include "wire/fxics/globset.h"

namespace mapigate::wire::fxics {

inline constexpr std::size_t max_replicas_read = 4096;

// Replica is std::uint16_t (REPLID) or mapi::Guid (REPLGUID, by the order of its bytes).
template <class Replica>
class IdSet {
 public:
  // Creates the set of a replica that is not here yet; empty ones are not written.
  GlobSet& of(const Replica& replica) { return sets_[replica]; }
  const GlobSet* find(const Replica& replica) const {
    const auto at = sets_.find(replica);
    return at == sets_.end() ? nullptr : &at->second;
  }
  void insert(const Replica& replica, mapi::GlobalCounter value) { of(replica).insert(value); }
  bool contains(const Replica& replica, mapi::GlobalCounter value) const {
    const auto* set = find(replica);
    return set != nullptr && set->contains(value);
  }
  void unite(const IdSet& other) {
    for (const auto& [replica, set] : other.sets_) of(replica).unite(set);
  }
  void subtract(const IdSet& other) {
    for (auto& [replica, set] : sets_)
      if (const auto* without = other.find(replica)) set.subtract(*without);
  }
  void intersect(const IdSet& other) {
    for (auto& [replica, set] : sets_) {
      const auto* with = other.find(replica);
      if (with == nullptr) set.clear();
      else set.intersect(*with);
    }
  }
  bool empty() const {
    for (const auto& [replica, set] : sets_)
      if (!set.empty()) return false;
    return true;
  }
  std::uint64_t size() const {
    std::uint64_t count = 0;
    for (const auto& [replica, set] : sets_) count += set.size();
    return count;
  }
  void clear() { sets_.clear(); }
  auto begin() const { return sets_.begin(); }  // pairs of replica and set, in the order of the wire
  auto end() const { return sets_.end(); }
  bool operator==(const IdSet& other) const;

 private:
  std::map<Replica, GlobSet> sets_;
};

using ReplIdSet = IdSet<std::uint16_t>;
using ReplGuidSet = IdSet<mapi::Guid>;

// The whole of `bytes` is one set; none at all is the empty set. A replica may come twice.
template <class Replica>
Result<IdSet<Replica>> read_idset(View bytes);
// The same of what `cursor` has left; `teller` may be null.
template <class Replica>
Result<IdSet<Replica>> read_idset(Cursor& cursor, SetTeller* teller);
template <class Replica>
Bytes write_idset(const IdSet<Replica>& set);

extern template class IdSet<std::uint16_t>;
extern template class IdSet<mapi::Guid>;

}  // namespace mapigate::wire::fxics
