// A set of properties that owns its values.
#pragma once

#include <bitset>
#include <string>
#include <string_view>
#include <vector>

#include "mapi/value.h"

namespace mapigate::mapi {

// Keeps the order in which properties were first set. Two tags name the same property when their
// identifiers and types are equal; PtypString and PtypString8 count as one type, and so do their
// multiple forms. What a replaced or removed value occupied is freed with the bag. Movable; views taken
// from it stay valid over a move and until the bag is destroyed.
class PropertyBag {
 public:
  PropertyBag() = default;
  PropertyBag(PropertyBag&&) = default;
  PropertyBag& operator=(PropertyBag&&) = default;

  void set(PropertyTag tag, const Value& value);  // copies everything `value` points to
  void set_string(PropertyTag tag, std::string_view utf8);
  void set_strings(PropertyTag tag, const std::vector<std::string>& utf8);
  void set_binary(PropertyTag tag, View bytes) { set(tag, Value::binary(bytes)); }
  void set_integer(PropertyTag tag, std::int32_t n) { set(tag, Value::integer32(n)); }
  void set_boolean(PropertyTag tag, bool b) { set(tag, Value::boolean(b)); }
  void set_time(PropertyTag tag, FileTime t) { set(tag, Value::time(t)); }
  void set_all(const PropertyBag& other);
  // The value that `as` has, which must be here, under `tag` as well, without a second copy of it. Both of one type.
  void set_same(PropertyTag tag, PropertyTag as);

  // Null when it is not here. A tag of type PtypUnspecified finds any type.
  const Value* find(PropertyTag tag) const;
  bool contains(PropertyTag tag) const { return find(tag) != nullptr; }
  std::string string(PropertyTag tag) const;   // UTF-8; empty when absent or no string
  std::int64_t number(PropertyTag tag) const;  // as number_of(); 0 when absent
  View binary(PropertyTag tag) const;          // empty when absent or not PtypBinary
  FileTime time(PropertyTag tag) const;        // zero when absent or not PtypTime
  void reserve(std::size_t count) { values_.reserve(count); }
  bool remove(PropertyTag tag);                // false when it was not here
  void clear();

  PropertyBag clone() const;

  std::size_t size() const { return values_.size(); }
  bool empty() const { return values_.empty(); }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }
  std::span<const TaggedValue> values() const { return values_; }

 private:
  void put(PropertyTag tag, const Value& owned);
  static std::size_t place_of(PropertyTag tag) { return (tag.id() ^ tag.id() >> 8) % 256; }

  Arena arena_;
  std::vector<TaggedValue> values_;
  std::bitset<256> maybe_;  // by place_of(): where nothing is set, nothing has to be looked for
};

}  // namespace mapigate::mapi
