#include "directory/oab/huffman.h"

#include <algorithm>
#include <queue>

namespace mapigate::directory::oab {

namespace {

// Huffman's lengths; the longest is returned.
unsigned lengths_of(std::span<const std::uint64_t> weights, std::vector<std::uint8_t>& lengths) {
  struct Node {
    std::uint64_t weight;
    std::size_t index;
    bool operator>(const Node& other) const { return weight != other.weight ? weight > other.weight : index > other.index; }
  };
  std::priority_queue<Node, std::vector<Node>, std::greater<>> open;
  std::vector<std::size_t> parent(weights.size(), 0);
  for (std::size_t i = 0; i < weights.size(); ++i)
    if (weights[i] != 0) open.push({weights[i], i});
  while (open.size() > 1) {
    const auto a = open.top();
    open.pop();
    const auto b = open.top();
    open.pop();
    const auto made = parent.size();
    parent.push_back(0);
    parent[a.index] = parent[b.index] = made;
    open.push({a.weight + b.weight, made});
  }
  const auto root = parent.size() - 1;
  unsigned longest = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    lengths[i] = 0;
    if (weights[i] == 0) continue;
    unsigned length = 0;
    for (auto at = i; at != root; at = parent[at]) ++length;
    longest = std::max(longest, length);
    lengths[i] = static_cast<std::uint8_t>(std::min(length, 255u));
  }
  return longest;
}

}  // namespace

PrefixCode make_prefix_code(std::span<const std::uint32_t> frequencies, unsigned limit) {
  PrefixCode out;
  out.lengths.resize(frequencies.size());
  out.codes.resize(frequencies.size());
  std::vector<std::uint64_t> weights(frequencies.begin(), frequencies.end());
  const auto used = std::count_if(weights.begin(), weights.end(), [](auto weight) { return weight != 0; });
  if (used == 0) return out;
  if (used == 1) weights[weights[0] != 0 ? 1 : 0] = 1;
  // Flatter weights make shorter codes; equal ones fit every limit that the alphabets have.
  while (lengths_of(weights, out.lengths) > limit)
    for (auto& weight : weights)
      if (weight != 0) weight = weight / 2 + 1;
  unsigned code = 0;
  for (unsigned length = 1; length <= limit; ++length, code <<= 1)
    for (std::size_t i = 0; i < out.lengths.size(); ++i)
      if (out.lengths[i] == length) out.codes[i] = static_cast<std::uint16_t>(code++);
  return out;
}

}  // namespace mapigate::directory::oab
