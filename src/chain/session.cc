#include <algorithm>

#include "chain/session_state.h"

namespace mapigate::chain {

Session::Session(std::uint64_t id, Interface interface, std::shared_ptr<const Identity> identity,
                 std::shared_ptr<Chain> chain, io::Executor executor)
    : id_(id),
      interface_(interface),
      identity_(std::move(identity)),
      chain_(std::move(chain)),
      executor_(std::move(executor)),
      state_(std::make_unique<State>()) {}

Session::~Session() = default;

std::any& Session::slot(const Module& module) {
  for (const auto& [owner, value] : slots_) {
    if (owner == &module) return *value;
  }
  return *slots_.emplace_back(&module, std::make_unique<std::any>()).second;
}

void TableColumns::set(unsigned level, std::uint32_t table, wire::Columns columns) {
  if (columns.size() > max_columns) return forget(level, table);
  if (tables_.size() >= max_tables && !tables_.contains({level, table})) {
    const auto by_age = [](const auto& a, const auto& b) { return a.second.age < b.second.age; };
    tables_.erase(std::min_element(tables_.begin(), tables_.end(), by_age));
  }
  tables_[{level, table}] = {{columns.begin(), columns.end()}, next_age_++};
}

void TableColumns::forget(unsigned level, std::uint32_t table) { tables_.erase({level, table}); }

std::optional<wire::Columns> TableColumns::find(unsigned level, std::uint32_t table) const {
  const auto found = tables_.find({level, table});
  if (found == tables_.end()) return std::nullopt;
  return wire::Columns(found->second.columns);
}

}  // namespace mapigate::chain
