// Property types, tags and values ([MS-OXCDATA] 2.9 and 2.11).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include "base/bytes.h"
#include "base/text.h"
#include "base/time.h"
#include "mapi/ids.h"

namespace mapigate::mapi {

// [MS-OXCDATA] 2.11.1 "Property Data Types".
enum class PropertyType : std::uint16_t {
  PtypUnspecified = 0x0000,
  PtypNull = 0x0001,
  PtypInteger16 = 0x0002,
  PtypInteger32 = 0x0003,
  PtypFloating32 = 0x0004,
  PtypFloating64 = 0x0005,
  PtypCurrency = 0x0006,
  PtypFloatingTime = 0x0007,
  PtypErrorCode = 0x000A,
  PtypBoolean = 0x000B,
  PtypObject = 0x000D,
  PtypInteger64 = 0x0014,
  PtypString8 = 0x001E,
  PtypString = 0x001F,
  PtypTime = 0x0040,
  PtypGuid = 0x0048,
  PtypServerId = 0x00FB,
  PtypRestriction = 0x00FD,
  PtypRuleAction = 0x00FE,
  PtypBinary = 0x0102,
  PtypMultipleInteger16 = 0x1002,
  PtypMultipleInteger32 = 0x1003,
  PtypMultipleFloating32 = 0x1004,
  PtypMultipleFloating64 = 0x1005,
  PtypMultipleCurrency = 0x1006,
  PtypMultipleFloatingTime = 0x1007,
  PtypMultipleInteger64 = 0x1014,
  PtypMultipleString8 = 0x101E,
  PtypMultipleString = 0x101F,
  PtypMultipleTime = 0x1040,
  PtypMultipleGuid = 0x1048,
  PtypMultipleBinary = 0x1102,
};

inline constexpr std::uint16_t multivalue_flag = 0x1000;          // MV_FLAG
inline constexpr std::uint16_t multivalue_instance_flag = 0x2000;  // MVI_FLAG: one table row a value

constexpr bool is_multivalue(PropertyType type) { return (static_cast<std::uint16_t>(type) & multivalue_flag) != 0; }
// The type of one element; a single-valued type is its own element type. Clears MVI_FLAG too.
constexpr PropertyType element_type(PropertyType type) {
  return static_cast<PropertyType>(static_cast<std::uint16_t>(type) & ~(multivalue_flag | multivalue_instance_flag));
}

// Four bytes on the wire: type in the low half, identifier in the high half.
struct PropertyTag {
  std::uint32_t value = 0;
  constexpr PropertyTag() = default;
  constexpr explicit PropertyTag(std::uint32_t wire) : value(wire) {}
  constexpr PropertyTag(std::uint16_t id, PropertyType type)
      : value(static_cast<std::uint32_t>(id) << 16 | static_cast<std::uint16_t>(type)) {}
  constexpr std::uint16_t id() const { return static_cast<std::uint16_t>(value >> 16); }
  constexpr PropertyType type() const { return static_cast<PropertyType>(value & 0xFFFF); }
  constexpr PropertyTag with(PropertyType type) const { return {id(), type}; }
  constexpr bool named() const { return id() >= 0x8000; }
  constexpr auto operator<=>(const PropertyTag&) const = default;
};

struct Restriction;
struct RuleActions;

struct String8 {  // in a code page that the context knows; without its terminator
  std::string_view text;
};
struct ErrorValue {  // PtypErrorCode: why a property is not here
  std::uint32_t code = 0;
};
struct Currency {
  std::int64_t ten_thousandths = 0;
};

// One value: a view. What it points to is owned by the buffer or the arena it
// was made in. `type` decides which alternative is set:
//   PtypNull, PtypUnspecified, PtypObject    monostate (PtypObject: bytes of its placeholder, if any)
//   PtypBinary, PtypServerId                 View
//   PtypFloatingTime                         double (days since 1899-12-30)
//   PtypMultiple…                            span of the element's alternative
struct Value {
  using Data = std::variant<std::monostate, bool, std::int16_t, std::int32_t, std::int64_t, float, double, Currency,
                            FileTime, Guid, ErrorValue, String8, Utf16, View, std::span<const std::int16_t>,
                            std::span<const std::int32_t>, std::span<const std::int64_t>, std::span<const float>,
                            std::span<const double>, std::span<const Currency>, std::span<const FileTime>,
                            std::span<const Guid>, std::span<const String8>, std::span<const Utf16>,
                            std::span<const View>, const Restriction*, const RuleActions*>;
  PropertyType type = PropertyType::PtypUnspecified;
  Data data;

  static Value integer16(std::int16_t n) { return {PropertyType::PtypInteger16, n}; }
  static Value integer32(std::int32_t n) { return {PropertyType::PtypInteger32, n}; }
  static Value integer64(std::int64_t n) { return {PropertyType::PtypInteger64, n}; }
  static Value boolean(bool b) { return {PropertyType::PtypBoolean, b}; }
  static Value time(FileTime t) { return {PropertyType::PtypTime, t}; }
  static Value guid(const Guid& g) { return {PropertyType::PtypGuid, g}; }
  static Value binary(View bytes) { return {PropertyType::PtypBinary, bytes}; }
  static Value error(std::uint32_t code) { return {PropertyType::PtypErrorCode, ErrorValue{code}}; }
  static Value string(Utf16 text) { return {PropertyType::PtypString, text}; }
  static Value string8(std::string_view text) { return {PropertyType::PtypString8, String8{text}}; }
  static Value string(Arena& arena, std::string_view utf8) { return string(to_utf16(arena, utf8)); }

  template <class T>
  const T* get() const {
    return std::get_if<T>(&data);
  }
};

struct TaggedValue {
  PropertyTag tag;
  Value value;
};

// Copies everything `value` points to into `arena`.
Value copy(Arena& arena, const Value& value);
// PtypString and PtypString8 as UTF-8, empty for every other type; String8 in code page 1252
// unless told otherwise.
std::string text_of(const Value& value, unsigned code_page = 1252);
// What sorts tables by a text: the collation_key() of the first 255 characters of PtypString or PtypString8; empty for an empty one
// and for every other type.
std::string collation_key_of(const Value& value);
// An integer of any width, boolean as 0 or 1, time as ticks; 0 for every other type.
std::int64_t number_of(const Value& value);

}  // namespace mapigate::mapi
