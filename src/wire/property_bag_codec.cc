#include "wire/property_bag_codec.h"

#include "wire/fields.h"

namespace mapigate::wire {

Bytes serialize(const mapi::PropertyBag& bag) {
  Bytes out;
  Output output(out);
  output.scalar(static_cast<std::uint32_t>(bag.size()));
  {
    FieldWriter writer(output, CountWidth::wide);
    for (const auto& value : bag) writer.tagged("PropertyValue", value);
  }
  return out;
}

Result<mapi::PropertyBag> parse_property_bag(View bytes) {
  Cursor cursor(bytes);
  Arena arena;
  FieldReader reader(cursor, arena, CountWidth::wide);
  cursor.set_field("count");
  const auto count = cursor.scalar<std::uint32_t>();
  std::span<const mapi::TaggedValue> values;
  reader.tagged_list("PropertyValue", values, count);
  if (cursor.ok() && cursor.left() != 0) cursor.fail("bytes are left over");
  if (!cursor.ok()) return cursor.error("property bag");
  mapi::PropertyBag out;
  for (const auto& value : values) out.set(value.tag, value.value);
  return out;
}

}  // namespace mapigate::wire
