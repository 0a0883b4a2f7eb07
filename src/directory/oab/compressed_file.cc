#include "directory/oab/compressed_file.h"

#include <algorithm>

#include "base/cursor.h"
#include "directory/oab/lzx_encoder.h"

namespace mapigate::directory::oab {

namespace {

constexpr std::uint32_t version_high = 3, version_full = 1, version_patch = 2, compressed = 1;
// Of source and of target in one block of a patch: both fit the window with room to spare.
constexpr std::size_t patch_part = 96 * 1024;

std::size_t start_of(const DetailsFile& file, std::size_t record) {
  return record < file.starts.size() ? file.starts[record] : file.bytes.size();
}

}  // namespace

Bytes compress_file(View file) {
  Bytes out;
  Output head(out);
  for (const auto number : {version_high, version_full, static_cast<std::uint32_t>(block_size), static_cast<std::uint32_t>(file.size())})
    head.scalar(number);
  for (std::size_t at = 0; at < file.size(); at += block_size) {
    const auto part = file.subspan(at, std::min(block_size, file.size() - at));
    const auto data = lzx_compress(part);
    Output block(out);
    for (const auto number : {compressed, static_cast<std::uint32_t>(data.size()), static_cast<std::uint32_t>(part.size()), checksum(part)})
      block.scalar(number);
    block.bytes(data);
  }
  return out;
}

Bytes make_patch(const DetailsFile& from, const DetailsFile& to) {
  Bytes out;
  Output head(out);
  const View source(from.bytes), target(to.bytes);
  for (const auto number : {version_high, version_patch, static_cast<std::uint32_t>(block_size), static_cast<std::uint32_t>(source.size()),
                            static_cast<std::uint32_t>(target.size()), checksum(source.subspan(header_size)),
                            checksum(target.subspan(header_size))})
    head.scalar(number);
  std::size_t a = 0, b = 0;                            // records that are done
  std::size_t source_start = 0, target_start = 0;      // of this block
  const auto flush = [&](std::size_t source_end, std::size_t target_end) {
    const auto before = source.subspan(source_start, source_end - source_start), after = target.subspan(target_start, target_end - target_start);
    const auto data = lzx_compress(after, before);
    Output block(out);
    for (const auto number : {static_cast<std::uint32_t>(data.size()), static_cast<std::uint32_t>(after.size()),
                              static_cast<std::uint32_t>(before.size()), checksum(after)})
      block.scalar(number);
    block.bytes(data);
    source_start = source_end, target_start = target_end;
  };
  // Both sides advance by ids, so that each block holds the same entries before and after.
  while (a < from.ids.size() || b < to.ids.size()) {
    const auto id = std::min(a < from.ids.size() ? from.ids[a] : 0xFFFFFFFF, b < to.ids.size() ? to.ids[b] : 0xFFFFFFFF);
    const auto next_a = a + (a < from.ids.size() && from.ids[a] == id ? 1u : 0u);
    const auto next_b = b + (b < to.ids.size() && to.ids[b] == id ? 1u : 0u);
    const bool full = start_of(from, next_a) - source_start > patch_part || start_of(to, next_b) - target_start > patch_part;
    // What only went away rides along with what comes next, unless it is too much.
    const bool says_something = start_of(to, b) != target_start;
    if ((full && says_something) || start_of(from, next_a) - source_start > 2 * patch_part) flush(start_of(from, a), start_of(to, b));
    a = next_a, b = next_b;
  }
  if (target_start != target.size()) flush(source.size(), target.size());
  return out;
}

}  // namespace mapigate::directory::oab
