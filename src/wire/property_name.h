// PropertyName on the wire ([MS-OXCDATA] 2.6.1).
#pragma once

#include "mapi/properties.h"
#include "wire/fields.h"

namespace mapigate::wire {

struct PropertyName {
  static constexpr std::size_t minimum_size = 1;
  enum : std::uint8_t { lid = 0x00, name = 0x01, none = 0xFF };
  std::uint8_t Kind = none;
  mapi::Guid GUID{};
  std::uint32_t LID = 0;
  Utf16 Name{};  // NameSize counts its terminator
  static void fields(auto& s, auto& v) {
    v("Kind", s.Kind);
    if (s.Kind == none) return;
    v.check(s.Kind == lid || s.Kind == name, "neither LID nor Name");
    v("GUID", s.GUID);
    if (s.Kind == lid) v("LID", s.LID);
    if (s.Kind == name) v.template sized<std::uint8_t>("NameSize", [&](auto& v) { v.sz("Name", s.Name); });
  }
};

inline PropertyName to_wire(Arena& arena, const mapi::PropertyName& from) {
  PropertyName out{from.lid ? PropertyName::lid : PropertyName::name, from.set, from.lid.value_or(0), {}};
  if (!from.lid) out.Name = to_utf16(arena, from.name);
  return out;
}
// Empty for Kind 0xFF: no name is associated.
inline std::optional<mapi::PropertyName> from_wire(const PropertyName& from) {
  if (from.Kind == PropertyName::lid) return mapi::PropertyName{from.GUID, from.LID, {}};
  if (from.Kind == PropertyName::name) return mapi::PropertyName{from.GUID, {}, to_utf8(from.Name)};
  return {};
}

}  // namespace mapigate::wire
