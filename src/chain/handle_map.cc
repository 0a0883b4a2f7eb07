#include "chain/handle_map.h"

#include "wire/rop/rop.h"

namespace mapigate::chain {

std::optional<HandleMap::Target> HandleMap::find(std::uint32_t above) const {
  const auto found = by_above_.find(above);
  if (found == by_above_.end()) return std::nullopt;
  return found->second;
}

std::optional<std::uint32_t> HandleMap::above_of_below(std::uint32_t below) const {
  const auto found = by_below_.find(below);
  if (found == by_below_.end()) return std::nullopt;
  return found->second;
}

std::optional<std::uint32_t> HandleMap::add_owned(std::uint32_t own) {
  if (!can_add(1)) return std::nullopt;
  const auto above = fresh();
  by_above_[above] = {true, own};
  return above;
}

std::optional<std::uint32_t> HandleMap::add_below(std::uint32_t below) {
  if (const auto known = above_of_below(below)) return known;
  if (!can_add(1)) return std::nullopt;
  const auto above = fresh();
  by_above_[above] = {false, below};
  by_below_[below] = above;
  return above;
}

void HandleMap::release(std::uint32_t above) {
  const auto found = by_above_.find(above);
  if (found == by_above_.end()) return;
  if (!found->second.owned) by_below_.erase(found->second.number);
  by_above_.erase(found);
}

std::uint32_t HandleMap::fresh() {
  do {
    ++last_;
  } while (last_ == 0 || last_ == wire::no_handle || by_above_.contains(last_));
  return last_;
}

}  // namespace mapigate::chain
