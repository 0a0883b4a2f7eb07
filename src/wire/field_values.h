// What reading and writing of fields share: how values stand in rows and in bodies of the address book
// ([MS-OXCDATA] 2.8, 2.11). For fields.cc and field_writer.cc.
#pragma once

#include "wire/fields.h"

namespace mapigate::wire {

// In a column set a multi-value instance stands for one value of its array.
inline mapi::PropertyType row_type(mapi::PropertyTag column) {
  const auto type = column.type();
  return (static_cast<std::uint16_t>(type) & mapi::multivalue_instance_flag) != 0 ? mapi::element_type(type) : type;
}

// In bodies of the address book a byte before values of these types says whether there is one.
inline bool has_value_byte(mapi::PropertyType type) {
  using mapi::PropertyType;
  return type == PropertyType::PtypString || type == PropertyType::PtypString8 || type == PropertyType::PtypBinary ||
         mapi::is_multivalue(type);
}

enum : std::uint8_t { has_no_value = 0x00, has_value = 0xFF };
enum : std::uint8_t { flag_present = 0x00, flag_absent = 0x01, flag_error = 0x0A };

}  // namespace mapigate::wire
