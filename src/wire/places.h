// Where what was read stood in the bytes, by the address that it was read to. For dumps: they tell a structure
// whole, although its pieces may stand apart, and of a broken one only what was read.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace mapigate::wire {

class Places {
 public:
  // A structure and its first field have the same address.
  enum class Of : std::uint8_t { field, structure, discriminant };
  void set(Of of, const void* address, std::size_t offset) { offsets_[{address, of}] = offset; }
  std::optional<std::size_t> find(Of of, const void* address) const {
    const auto found = offsets_.find({address, of});
    return found == offsets_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::map<std::pair<const void*, Of>, std::size_t> offsets_;
};

}  // namespace mapigate::wire
