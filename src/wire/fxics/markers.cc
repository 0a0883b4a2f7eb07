#include "wire/fxics/markers.h"

#include "mapi/properties.h"

namespace mapigate::wire::fxics {

bool is_marker(std::uint32_t value) {
  switch (value) {
#define X(name, number) case number:
    MAPIGATE_FAST_TRANSFER_MARKERS(X)
#undef X
    return true;
    default: return false;
  }
}

std::string_view name_of(Marker marker) {
  switch (marker) {
#define X(name, number) \
  case Marker::name: return #name;
    MAPIGATE_FAST_TRANSFER_MARKERS(X)
#undef X
  }
  return {};
}

std::string_view meta_name_of(mapi::PropertyTag tag) {
#define X(name) \
  if (tag.id() == name.id()) return #name;
  X(MetaTagFXDelProp)
  X(MetaTagEcWarning)
  X(MetaTagNewFXFolder)
  X(MetaTagIncrSyncGroupId)
  X(MetaTagIncrementalSyncMessagePartial)
  X(MetaTagDnPrefix)
  X(MetaTagIdsetGiven)
  X(MetaTagCnsetSeen)
  X(MetaTagCnsetSeenFAI)
  X(MetaTagCnsetRead)
  X(MetaTagIdsetDeleted)
  X(MetaTagIdsetNoLongerInScope)
  X(MetaTagIdsetExpired)
  X(MetaTagIdsetRead)
  X(MetaTagIdsetUnread)
#undef X
  return mapi::name_of(tag);
}

std::optional<Layout> layout_of(mapi::PropertyTag tag) {
  using mapi::PropertyType;
  using Form = Layout::Form;
  if (tag == MetaTagIdsetGiven) return Layout{Form::variable, 0, 0};
  const auto type = static_cast<std::uint16_t>(tag.type());
  if ((type & 0x8000U) != 0) {
    // No code page has a number from 0x1000 to 0x1FFF: there the bit is the one of multiple values.
    const auto page = static_cast<std::uint16_t>(type & 0x7FFFU);
    if (page >> 12 == 1) return Layout{Form::multiple_variable, 0, static_cast<std::uint16_t>(page & 0x0FFFU)};
    return Layout{Form::variable, 0, page};
  }
  const bool multiple = (type & mapi::multivalue_flag) != 0;
  const auto fixed = [multiple](std::uint32_t size) {
    return Layout{multiple ? Form::multiple_fixed : Form::fixed, size, 0};
  };
  switch (static_cast<PropertyType>(type & ~mapi::multivalue_flag)) {
    case PropertyType::PtypInteger16: return fixed(2);
    case PropertyType::PtypInteger32:
    case PropertyType::PtypFloating32: return fixed(4);
    case PropertyType::PtypFloating64:
    case PropertyType::PtypCurrency:
    case PropertyType::PtypFloatingTime:
    case PropertyType::PtypInteger64:
    case PropertyType::PtypTime: return fixed(8);
    case PropertyType::PtypGuid: return fixed(16);
    case PropertyType::PtypString8:
    case PropertyType::PtypString:
    case PropertyType::PtypBinary: return Layout{multiple ? Form::multiple_variable : Form::variable, 0, 0};
    default: break;
  }
  switch (tag.type()) {
    case PropertyType::PtypNull: return fixed(0);
    case PropertyType::PtypBoolean: return fixed(2);  // not the one byte of ROP buffers
    case PropertyType::PtypErrorCode: return fixed(4);
    case PropertyType::PtypServerId:
    case PropertyType::PtypObject: return Layout{Form::variable, 0, 0};
    default: return {};
  }
}

}  // namespace mapigate::wire::fxics
