#include "mapi/ids.h"

#include <fmt/format.h>

namespace mapigate::mapi {

namespace {
// Where in the packet form each byte of the text form stands.
constexpr std::array<std::uint8_t, 16> text_order{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
}  // namespace

std::string to_string(const Guid& guid) {
  std::string out;
  for (std::size_t i = 0; i < text_order.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out.push_back('-');
    out += fmt::format("{:02x}", guid.bytes[text_order[i]]);
  }
  return out;
}

std::optional<Guid> guid_from_string(std::string_view text) {
  if (text.size() == 38 && text.front() == '{' && text.back() == '}') text = text.substr(1, 36);
  if (text.size() != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') return {};
  Bytes raw;
  if (!from_hex(text, raw) || raw.size() != 16) return {};
  Guid guid;
  for (std::size_t i = 0; i < text_order.size(); ++i) guid.bytes[text_order[i]] = raw[i];
  return guid;
}

namespace {
std::uint64_t reverse_six_bytes(std::uint64_t x) { return __builtin_bswap64(x) >> 16; }
}  // namespace

Id::Id(std::uint16_t replid, GlobalCounter counter) : value(reverse_six_bytes(counter) << 16 | replid) {}

GlobalCounter Id::counter() const { return reverse_six_bytes(value >> 16); }

std::string to_string(Id id) { return fmt::format("{:x}-{:x}", id.replid(), id.counter()); }

std::array<std::uint8_t, 6> counter_bytes(GlobalCounter counter) {
  std::array<std::uint8_t, 6> out;
  for (std::size_t i = 0; i < 6; ++i) out[i] = static_cast<std::uint8_t>(counter >> (40 - 8 * i));
  return out;
}

GlobalCounter counter_from(View six_bytes) {
  GlobalCounter counter = 0;
  for (auto byte : six_bytes) counter = counter << 8 | byte;
  return counter;
}

}  // namespace mapigate::mapi
