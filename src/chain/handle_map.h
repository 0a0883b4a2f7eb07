// Handles of sessions whose chain has a module with handles of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

namespace mapigate::chain {

// What one such module puts between the numbers used above it and those used
// below it. A number above is either owned by the module, which knows it under a
// number that the module chose, or stands for a handle of what is further down.
// Belongs to one session.
class HandleMap {
 public:
  // An Outlook with several mailboxes open holds some hundreds; a client that never releases meets ecMemory here.
  static constexpr std::size_t max_handles = 8192;

  struct Target {
    bool owned = false;
    std::uint32_t number = 0;  // the module's own, or the handle further down
  };
  std::optional<Target> find(std::uint32_t above) const;
  std::optional<std::uint32_t> above_of_below(std::uint32_t below) const;

  bool can_add(std::size_t count) const { return by_above_.size() + count <= max_handles; }
  // The number above; an already known handle from below keeps its number. Empty when full.
  std::optional<std::uint32_t> add_owned(std::uint32_t own);
  std::optional<std::uint32_t> add_below(std::uint32_t below);
  void release(std::uint32_t above);
  std::size_t size() const { return by_above_.size(); }

 private:
  std::uint32_t fresh();
  std::unordered_map<std::uint32_t, Target> by_above_;
  std::unordered_map<std::uint32_t, std::uint32_t> by_below_;
  std::uint32_t last_ = 0;
};

}  // namespace mapigate::chain
