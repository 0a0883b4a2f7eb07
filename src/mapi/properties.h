// Every known property by its canonical name ([MS-OXPROPS] 2). The lists are
// properties.inc (tagged) and named_properties.inc (named).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mapi/value.h"

namespace mapigate::mapi {

// PidTagSubject, PidTagBody, …: tags with the type the specification gives them.
#define P(name, id, type) inline constexpr PropertyTag name{id, PropertyType::type};
#include "mapi/properties.inc"
#undef P

// Property sets ([MS-OXPROPS] 1.3.2).
constexpr Guid property_set(std::uint32_t first) {
  // {xxxxxxxx-0000-0000-C000-000000000046}
  return {{static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(first >> 8), static_cast<std::uint8_t>(first >> 16),
           static_cast<std::uint8_t>(first >> 24), 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46}};
}
inline constexpr Guid PS_MAPI = property_set(0x00020328);
inline constexpr Guid PS_PUBLIC_STRINGS = property_set(0x00020329);
inline constexpr Guid PS_INTERNET_HEADERS = property_set(0x00020386);
inline constexpr Guid PSETID_Appointment = property_set(0x00062002);
inline constexpr Guid PSETID_Task = property_set(0x00062003);
inline constexpr Guid PSETID_Address = property_set(0x00062004);
inline constexpr Guid PSETID_Common = property_set(0x00062008);
inline constexpr Guid PSETID_Log = property_set(0x0006200A);
inline constexpr Guid PSETID_Note = property_set(0x0006200E);
inline constexpr Guid PSETID_Report = property_set(0x00062013);
inline constexpr Guid PSETID_Remote = property_set(0x00062014);
inline constexpr Guid PSETID_Sharing = property_set(0x00062040);
inline constexpr Guid PSETID_PostRss = property_set(0x00062041);
// {6ED8DA90-450B-101B-98DA-00AA003F1305}
inline constexpr Guid PSETID_Meeting{{0x90, 0xDA, 0xD8, 0x6E, 0x0B, 0x45, 0x1B, 0x10, 0x98, 0xDA, 0x00, 0xAA, 0x00, 0x3F, 0x13, 0x05}};
// {11000E07-B51B-40D6-AF21-CAA85EDAB1D0}
inline constexpr Guid PSETID_CalendarAssistant{{0x07, 0x0E, 0x00, 0x11, 0x1B, 0xB5, 0xD6, 0x40, 0xAF, 0x21, 0xCA, 0xA8, 0x5E, 0xDA, 0xB1, 0xD0}};

// What a named property is called: a number (LID) or a string within a set
// ([MS-OXCDATA] 2.6.1). Its id, 0x8000 and up, is given out per mailbox.
struct PropertyName {
  Guid set;
  std::optional<std::uint32_t> lid;  // set: kind 0x00; empty: kind 0x01 and `name` counts
  std::string name;                  // UTF-8, compared as it stands
  bool operator==(const PropertyName&) const = default;
  auto operator<=>(const PropertyName&) const = default;
};

// PidLidFlagRequest, …: name and type of each known named property.
struct NamedProperty {
  Guid set;
  std::uint32_t lid;
  PropertyType type;
  operator PropertyName() const { return {set, lid, {}}; }
};
#define N(name, set, lid, type) inline constexpr NamedProperty name{set, lid, PropertyType::type};
#include "mapi/named_properties.inc"
#undef N
// Whether it is one of these.
bool is_known(const PropertyName& name);

// "PidTagSubject (0x0037001f)"; unknown tags as the number alone.
std::string to_string(PropertyTag tag);
// The canonical name of a tag's id, empty when unknown; the type is looked at only where one id has several names.
std::string_view name_of(PropertyTag tag);
// By canonical name ("PidTagSubject") or number ("0x0037001f").
std::optional<PropertyTag> tag_from_string(std::string_view text);
std::string_view name_of(PropertyType type);
// Whether the property with the tag's id is known, and never of the tag's type. Strings are of both string types.
bool is_of_other_type(PropertyTag tag);

}  // namespace mapigate::mapi
