// The table of all ROPs.
#include "wire/rop/rop.h"

#include <array>

#include "wire/rop/rop_codec.h"
#include "wire/rop/rops.h"

namespace mapigate::wire {

namespace {

constexpr RopCodec codecs[] = {
#define ROP(id, name) CodecOf<name>::make(#name),
#include "wire/rop/rop_list.inc"
#undef ROP
};

constexpr auto by_id = [] {
  std::array<const RopCodec*, 256> out{};
  for (const auto& codec : codecs) out[static_cast<std::uint8_t>(codec.id)] = &codec;
  return out;
}();

}  // namespace

const RopCodec* find_rop(RopId id) { return by_id[static_cast<std::uint8_t>(id)]; }

const RopCodec* find_rop(std::string_view name) {
  for (const auto& codec : codecs)
    if (codec.name == name) return &codec;
  return nullptr;
}

std::span<const RopCodec> all_rops() { return codecs; }

Result<PropertyRow> decode_notified_row(View TableRowData, Arena& arena, Columns columns) {
  Cursor cursor(TableRowData);
  FieldReader reader(cursor, arena);
  PropertyRow row;
  reader.row("TableRowData", row, columns);
  if (cursor.ok() && cursor.left() != 0) cursor.fail("bytes are left over");
  if (!cursor.ok()) return cursor.error("RopNotify");
  return row;
}

}  // namespace mapigate::wire
