// The fixed vocabulary of FastTransfer streams ([MS-OXCFXICS] "Markers",
// "Meta-Properties", "ICS State Properties").
#pragma once

#include <optional>
#include <string_view>

#include "mapi/value.h"

namespace mapigate::wire::fxics {

// X(name, value). Markers look like property tags and never have a value.
#define MAPIGATE_FAST_TRANSFER_MARKERS(X) \
  X(StartTopFld, 0x40090003)              \
  X(EndFolder, 0x400B0003)                \
  X(StartSubFld, 0x400A0003)              \
  X(StartMessage, 0x400C0003)             \
  X(EndMessage, 0x400D0003)               \
  X(StartFAIMsg, 0x40100003)              \
  X(StartEmbed, 0x40010003)               \
  X(EndEmbed, 0x40020003)                 \
  X(StartRecip, 0x40030003)               \
  X(EndToRecip, 0x40040003)               \
  X(NewAttach, 0x40000003)                \
  X(EndAttach, 0x400E0003)                \
  X(IncrSyncChg, 0x40120003)              \
  X(IncrSyncChgPartial, 0x407D0003)       \
  X(IncrSyncDel, 0x40130003)              \
  X(IncrSyncEnd, 0x40140003)              \
  X(IncrSyncRead, 0x402F0003)             \
  X(IncrSyncStateBegin, 0x403A0003)       \
  X(IncrSyncStateEnd, 0x403B0003)         \
  X(IncrSyncProgressMode, 0x4074000B)     \
  X(IncrSyncProgressPerMsg, 0x4075000B)   \
  X(IncrSyncMessage, 0x40150003)          \
  X(IncrSyncGroupInfo, 0x407B0102)        \
  X(FXErrorInfo, 0x40180003)

enum class Marker : std::uint32_t {
#define X(name, value) name = value,
  MAPIGATE_FAST_TRANSFER_MARKERS(X)
#undef X
};

bool is_marker(std::uint32_t value);
std::string_view name_of(Marker marker);  // empty when unknown

inline constexpr mapi::PropertyTag MetaTagFXDelProp{0x40160003};
inline constexpr mapi::PropertyTag MetaTagEcWarning{0x400F0003};
inline constexpr mapi::PropertyTag MetaTagNewFXFolder{0x40110102};
inline constexpr mapi::PropertyTag MetaTagIncrSyncGroupId{0x407C0003};
inline constexpr mapi::PropertyTag MetaTagIncrementalSyncMessagePartial{0x407A0003};
inline constexpr mapi::PropertyTag MetaTagDnPrefix{0x4008001E};

// Its type says PtypInteger32, its value is one of PtypBinary; it is also met with the honest type.
inline constexpr mapi::PropertyTag MetaTagIdsetGiven{0x40170003};
inline constexpr mapi::PropertyTag MetaTagCnsetSeen{0x67960102};
inline constexpr mapi::PropertyTag MetaTagCnsetSeenFAI{0x67DA0102};
inline constexpr mapi::PropertyTag MetaTagCnsetRead{0x67D20102};

inline constexpr mapi::PropertyTag MetaTagIdsetDeleted{0x67E50102};
inline constexpr mapi::PropertyTag MetaTagIdsetNoLongerInScope{0x40210102};
inline constexpr mapi::PropertyTag MetaTagIdsetExpired{0x67930102};
inline constexpr mapi::PropertyTag MetaTagIdsetRead{0x402D0102};
inline constexpr mapi::PropertyTag MetaTagIdsetUnread{0x402E0102};

// The structures of progressTotal, groupInfo and errorInfo come as a binary value with id 0.
inline constexpr mapi::PropertyTag structure_tag{0x00000102};
// progressPerMessage: the size of the message that follows, and whether it is an FAI message.
inline constexpr mapi::PropertyTag message_size_tag{0x00000003};
inline constexpr mapi::PropertyTag is_associated_tag{0x0000000B};

// Name of a meta-property, a property of a synchronisation state or a property of [MS-OXPROPS]; empty when unknown.
std::string_view meta_name_of(mapi::PropertyTag tag);

// How a value stands in the stream ([MS-OXCFXICS] "fixedPropType, varPropType, mvPropType Property Types").
struct Layout {
  enum class Form : std::uint8_t { fixed, variable, multiple_fixed, multiple_variable };
  Form form = Form::fixed;
  std::uint32_t size = 0;       // of one fixed value
  std::uint16_t code_page = 0;  // of "Code Page Property Types", else 0
};
// Nothing for types that cannot stand in a stream. MetaTagIdsetGiven is variable, whatever it says.
std::optional<Layout> layout_of(mapi::PropertyTag tag);

// The type of a string in a code page (0x8000 with the number of the page; 1200 is UTF-16).
constexpr mapi::PropertyType code_page_type(std::uint16_t code_page) {
  return static_cast<mapi::PropertyType>(0x8000U | code_page);
}

}  // namespace mapigate::wire::fxics
