#include "wire/rpc/version.h"

#include <fmt/format.h>

#include <charconv>

namespace mapigate::wire::rpc {

constexpr std::uint16_t four_number_form = 0x8000;

WireVersion encode_version(const Version& version) {
  return {static_cast<std::uint16_t>((version.product_major & 0xFF) << 8 | (version.product_minor & 0xFF)),
          static_cast<std::uint16_t>(version.build_major | four_number_form), version.build_minor};
}

Version normalize_version(const WireVersion& wire) {
  if ((wire[1] & four_number_form) == 0) return {wire[0], 0, wire[1], wire[2]};
  return {static_cast<std::uint16_t>(wire[0] >> 8), static_cast<std::uint16_t>(wire[0] & 0xFF),
          static_cast<std::uint16_t>(wire[1] & ~four_number_form), wire[2]};
}

// From the high end: 4 bits of form (7), 6 of major, 6 of minor, one that is set, 15 of build.
std::string autodiscover_version(const Version& version) {
  const std::uint32_t number = 7U << 28 | (version.product_major & 0x3FU) << 22 | (version.product_minor & 0x3FU) << 16 |
                               1U << 15 | (version.build_major & 0x7FFFU);
  return fmt::format("{:08X}", number);
}

std::optional<Version> parse_version(std::string_view text) {
  if (const auto slash = text.find('/'); slash != text.npos) text.remove_prefix(slash + 1);
  Version out;
  std::uint16_t* const numbers[] = {&out.product_major, &out.product_minor, &out.build_major, &out.build_minor};
  const auto* position = text.data();
  const auto* const end = text.data() + text.size();
  for (std::size_t i = 0; i < std::size(numbers); ++i) {
    const auto [after, failure] = std::from_chars(position, end, *numbers[i]);
    if (failure != std::errc{}) return std::nullopt;
    if (after == end) return out;
    if (*after != '.' || i + 1 == std::size(numbers)) return std::nullopt;
    position = after + 1;
  }
  return std::nullopt;
}

std::string to_string(const Version& version) {
  return fmt::format("{}.{}.{}.{}", version.product_major, version.product_minor, version.build_major, version.build_minor);
}

}  // namespace mapigate::wire::rpc
