// Details files as whoever has downloaded one reads them.
#include <array>

#include "base/cursor.h"
#include "base/text.h"
#include "directory/oab/details_file.h"

namespace mapigate::directory::oab {

using mapi::PropertyTag;
using mapi::PropertyType;

std::uint32_t checksum(View bytes) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> out{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      auto sum = i;
      for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ ((sum & 1) != 0 ? 0xEDB88320u : 0);
      out[i] = sum;
    }
    return out;
  }();
  std::uint32_t sum = 0xFFFFFFFF;
  for (const auto byte : bytes) sum = table[(sum ^ byte) & 0xFF] ^ sum >> 8;
  return sum;
}

Result<DetailsFile> split_details(Bytes bytes, std::vector<std::uint32_t> ids) {
  DetailsFile out;
  out.bytes = std::move(bytes);
  Cursor in(out.bytes);
  in.skip(header_size);
  for (std::size_t i = 0; i < ids.size() + 2 && in.ok(); ++i) {
    const auto start = in.offset();
    const auto size = in.scalar<std::uint32_t>();
    if (size < 4) in.fail("a record without size");
    in.skip(size < 4 ? 0 : size - 4);
    if (i >= 2) out.starts.push_back(start);
  }
  if (in.ok() && in.left() != 0) in.fail("bytes are left over");
  if (!in.ok()) return in.error("details");
  out.ids = std::move(ids);
  return out;
}

namespace {

std::uint32_t get_number(Cursor& in) {
  const auto first = in.scalar<std::uint8_t>();
  if (first < 0x80) return first;
  const unsigned count = first & 0x7F;
  if (count == 0 || count > 4) return in.fail("a number of no bytes or too many"), 0;
  std::uint32_t out = 0;
  for (unsigned i = 0; i < count; ++i) out |= static_cast<std::uint32_t>(in.scalar<std::uint8_t>()) << 8 * i;
  return out;
}

std::string get_text(Cursor& in) {
  std::string out;
  while (in.ok()) {
    const auto byte = in.scalar<std::uint8_t>();
    if (byte == 0) break;
    out.push_back(static_cast<char>(byte));
  }
  return out;
}

std::string get_one(Cursor& in, PropertyType type) {
  switch (type) {
    case PropertyType::PtypInteger32: return std::to_string(static_cast<std::int32_t>(get_number(in)));
    case PropertyType::PtypBoolean: return in.scalar<std::uint8_t>() != 0 ? "true" : "false";
    case PropertyType::PtypString8:
    case PropertyType::PtypString: return get_text(in);
    case PropertyType::PtypBinary: return to_hex(in.bytes(get_number(in)));
    default: return in.fail("a type that has no form here"), std::string();
  }
}

DetailsRecord get_record(Cursor& in, const std::vector<PropertyTag>& tags) {
  DetailsRecord out;
  const auto size = in.scalar<std::uint32_t>();
  const auto bits = (tags.size() + 7) / 8;
  if (size < 4 + bits) return in.fail("a record that is too short"), out;
  const auto* end = in.narrow(size - 4);
  const auto presence = in.bytes(bits);
  for (std::size_t i = 0; i < tags.size() && in.ok(); ++i) {
    if ((presence[i / 8] & 0x80 >> i % 8) == 0) continue;
    const auto type = tags[i].type();
    std::string value;
    if (mapi::is_multivalue(type)) {
      const auto count = get_number(in);
      if (!in.can_hold(count, 1)) break;
      for (std::uint32_t k = 0; k < count && in.ok(); ++k) value += (k == 0 ? "" : "\n") + get_one(in, mapi::element_type(type));
    } else {
      value = get_one(in, type);
    }
    out.emplace(tags[i].value, std::move(value));
  }
  if (in.ok() && in.left() != 0) in.fail("bytes are left over in a record");
  in.widen(end);
  return out;
}

std::vector<PropertyTag> get_table(Cursor& in) {
  std::vector<PropertyTag> out;
  const auto count = in.scalar<std::uint32_t>();
  if (!in.can_hold(count, 8)) return out;
  for (std::uint32_t i = 0; i < count; ++i) {
    out.emplace_back(in.scalar<std::uint32_t>());
    in.skip(4);
  }
  return out;
}

}  // namespace

Result<DetailsContent> read_details(View bytes) {
  Cursor in(bytes);
  const auto version = in.scalar<std::uint32_t>(), sum = in.scalar<std::uint32_t>(), count = in.scalar<std::uint32_t>();
  if (!in.ok() || version != details_version) return error(Errc::malformed, "no details file of version 4");
  if (checksum(bytes.subspan(header_size)) != sum) return error(Errc::malformed, "the details file is damaged");
  const auto metadata = in.scalar<std::uint32_t>();
  const auto* end = in.narrow(metadata < 4 ? 0 : metadata - 4);
  const auto of_header = get_table(in), of_records = get_table(in);
  in.widen(end);
  DetailsContent out;
  out.header = get_record(in, of_header);
  if (!in.can_hold(count, 4)) return in.error("details");
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) out.records.push_back(get_record(in, of_records));
  if (in.ok() && in.left() != 0) in.fail("bytes are left over");
  if (!in.ok()) return in.error("details");
  return out;
}

}  // namespace mapigate::directory::oab
