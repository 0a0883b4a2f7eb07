#include "wire/property_bag_codec.h"

#include <algorithm>

#include "wire/fields.h"

namespace mapigate::wire {

namespace {

constexpr std::uint32_t same_as_earlier = 0x8000;  // in a tag
constexpr std::size_t least_shared = 8;            // bytes; a reference has two
constexpr std::size_t furthest = 0xFFFF;

// What may be said by a reference; empty for everything else.
View shareable(const mapi::TaggedValue& entry) {
  View bytes;
  if (entry.value.type != entry.tag.type()) return bytes;
  if (const auto* text = entry.value.get<Utf16>()) bytes = text->bytes;
  if (const auto* binary = entry.value.get<View>()) bytes = *binary;
  return bytes.size() < least_shared ? View() : bytes;
}

}  // namespace

Bytes serialize(const mapi::PropertyBag& bag) {
  Bytes out;
  Output output(out);
  {
    FieldWriter writer(output, CountWidth::wide);
    const auto values = bag.values();
    writer("count", static_cast<std::uint32_t>(values.size()));
    std::vector<std::pair<std::size_t, View>> earlier;
    earlier.reserve(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto bytes = shareable(values[i]);
      const auto same = [&](const auto& other) {
        return other.second.size() == bytes.size() && values[other.first].tag.type() == values[i].tag.type() &&
               i - other.first <= furthest && equal(other.second, bytes);
      };
      const auto found = bytes.empty() ? earlier.end() : std::find_if(earlier.begin(), earlier.end(), same);
      if (found != earlier.end()) {
        writer("PropertyTag", values[i].tag.value | same_as_earlier);
        writer("back", static_cast<std::uint16_t>(i - found->first));
        continue;
      }
      if (!bytes.empty()) earlier.emplace_back(i, bytes);
      writer.tagged("PropertyValue", values[i]);
    }
  }
  return out;
}

Result<mapi::PropertyBag> parse_property_bag(View bytes) {
  Cursor cursor(bytes);
  Arena arena;
  FieldReader reader(cursor, arena, CountWidth::wide);
  cursor.set_field("count");
  const auto count = cursor.scalar<std::uint32_t>();
  std::vector<mapi::PropertyTag> tags;
  mapi::PropertyBag out;
  if (cursor.can_hold(count, 4)) {
    tags.reserve(count);
    out.reserve(count);
  }
  for (std::uint32_t i = 0; i < count && cursor.ok(); ++i) {
    cursor.set_field("PropertyValue");
    const auto tag = cursor.scalar<std::uint32_t>();
    mapi::TaggedValue entry{mapi::PropertyTag(tag & ~same_as_earlier), {}};
    if ((tag & same_as_earlier) != 0) {
      const auto back = cursor.scalar<std::uint16_t>();
      const auto* same = back == 0 || back > tags.size() ? nullptr : out.find(tags[tags.size() - back]);
      if (same == nullptr || same->type != entry.tag.type())
        cursor.fail("it is the same as no property before it");
      else
        out.set_same(entry.tag, tags[tags.size() - back]);
    } else {
      reader.value("PropertyValue", entry.value, entry.tag.type());
      if (cursor.ok()) out.set(entry.tag, entry.value);
    }
    tags.push_back(entry.tag);
  }
  if (cursor.ok() && cursor.left() != 0) cursor.fail("bytes are left over");
  if (!cursor.ok()) return cursor.error("property bag");
  return out;
}

}  // namespace mapigate::wire
