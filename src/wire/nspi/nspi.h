// Structures and numbers of the address book ([MS-OXNSPI] 2.2), whatever carries them: NDR over
// DCE/RPC, or the bodies of MAPI/HTTP ([MS-OXCMAPIHTTP] 2.2.1), whose field lists these are. For
// those, encode and decode with CountWidth::address_book, which gives property values their
// HasValue bytes; entry ids, which are blobs, with CountWidth::narrow.
#pragma once

#include "mapi/errors.h"
#include "wire/fields.h"

namespace mapigate::wire::nspi {

// A Minimal Entry ID ([MS-OXNSPI] 2.2.9.1) is a number that names an object for one session.
enum class MinimalEntryID : std::uint32_t {
  MID_BEGINNING_OF_TABLE = 0x00000000,
  MID_CURRENT = 0x00000001,
  MID_END_OF_TABLE = 0x00000002,
  MID_UNRESOLVED = 0x00000000,  // results of ResolveNames
  MID_AMBIGUOUS = 0x00000001,
  MID_RESOLVED = 0x00000002,
  first_object = 0x00000010,  // smaller ones are reserved
};

// [MS-OXNSPI] 2.2.1.8 "Table Sort Orders".
enum class SortType : std::uint32_t {
  SortTypeDisplayName = 0x00000000,
  SortTypePhoneticDisplayName = 0x00000003,
  SortTypeDisplayName_RO = 0x000003E8,
  SortTypeDisplayName_W = 0x000003E9,
};

// [MS-OXNSPI] 2.2.1.4 "Default Language Code Identifier" and 2.2.1.5 "Required Code Pages".
inline constexpr std::uint32_t NSPI_DEFAULT_LOCALE = 0x00000409;
inline constexpr std::uint32_t CP_TELETEX = 0x00004F25;
inline constexpr std::uint32_t CP_WINUNICODE = 0x000004B0;

// [MS-OXNSPI] 2.2.1.2 "Permitted Error Code Values"; those without a name in mapi/errors.h.
inline constexpr mapi::ErrorCode UnbindSuccess{0x00000001};
inline constexpr mapi::ErrorCode UnbindFailure{0x00000002};
inline constexpr mapi::ErrorCode OutOfResources{0x8004010E};
inline constexpr mapi::ErrorCode InvalidCodepage{0x8004011E};
inline constexpr mapi::ErrorCode InvalidLocale{0x8004011F};

// Flags of the operations: [MS-OXNSPI] 2.2.1.11 to 2.2.1.15, and NspiBind.
inline constexpr std::uint32_t fAnonymousLogin = 0x00000020;               // Bind
inline constexpr std::uint32_t fSkipObjects = 0x00000001;                  // GetPropList, GetProps, QueryRows
inline constexpr std::uint32_t fEphID = 0x00000002;                        // GetProps, QueryRows
inline constexpr std::uint32_t NspiAddressCreationTemplates = 0x00000002;  // GetSpecialTable
inline constexpr std::uint32_t NspiUnicodeStrings = 0x00000004;            // GetSpecialTable
inline constexpr std::uint32_t NspiUnicodeProptypes = 0x80000000;          // QueryColumns
inline constexpr std::uint32_t fDelete = 0x00000001;                       // ModLinkAtt
inline constexpr std::uint32_t TI_TEMPLATE = 0x00000001, TI_SCRIPT = 0x00000004, TI_EMT = 0x00000010;  // GetTemplateInfo
inline constexpr std::uint32_t TI_HELPFILE_NAME = 0x00000020, TI_HELPFILE_CONTENTS = 0x00000040;

// [MS-OXNSPI] 2.2.8: where in which container a client stands.
struct STAT {
  nspi::SortType SortType = nspi::SortType::SortTypeDisplayName;
  std::uint32_t ContainerID = 0;
  MinimalEntryID CurrentRec{};
  std::int32_t Delta = 0;
  std::uint32_t NumPos = 0;
  std::uint32_t TotalRecs = 0;
  std::uint32_t CodePage = 0;
  std::uint32_t TemplateLocale = 0;
  std::uint32_t SortLocale = 0;
  static constexpr std::size_t minimum_size = 36;
  static void fields(auto& s, auto& v) {
    v("SortType", s.SortType);
    v("ContainerID", s.ContainerID);
    v("CurrentRec", s.CurrentRec);
    v("Delta", s.Delta);
    v("NumPos", s.NumPos);
    v("TotalRecs", s.TotalRecs);
    v("CodePage", s.CodePage);
    v("TemplateLocale", s.TemplateLocale);
    v("SortLocale", s.SortLocale);
  }
};

// GUID_NSPI, ProviderUID of every Permanent Entry ID ([MS-OXNSPI] 2.2.1.10).
inline constexpr mapi::Guid GUID_NSPI{{0xDC, 0xA7, 0x40, 0xC8, 0xC0, 0x42, 0x10, 0x1A, 0xB4, 0xB9, 0x08, 0x00, 0x2B, 0x2F,
                                       0xE1, 0x82}};

// [MS-OXNSPI] 2.2.1.3 "Display Type Values".
enum class DisplayType : std::uint32_t {
  DT_MAILUSER = 0x00000000,
  DT_DISTLIST = 0x00000001,
  DT_FORUM = 0x00000002,
  DT_AGENT = 0x00000003,
  DT_ORGANIZATION = 0x00000004,
  DT_PRIVATE_DISTLIST = 0x00000005,
  DT_REMOTE_MAILUSER = 0x00000006,
  DT_CONTAINER = 0x00000100,
  DT_TEMPLATE = 0x00000101,
  DT_ADDRESS_TEMPLATE = 0x00000102,
  DT_SEARCH = 0x00000200,
};

// [MS-OXNSPI] 2.2.9.3; a value of PidTagEntryId.
struct PermanentEntryID {
  std::uint8_t IDType = 0x00;
  std::uint8_t R1 = 0, R2 = 0, R3 = 0;
  mapi::Guid ProviderUID = GUID_NSPI;
  std::uint32_t R4 = 1;
  DisplayType DisplayTypeString = DisplayType::DT_MAILUSER;
  std::string_view DistinguishedName;
  static void fields(auto& s, auto& v) {
    v("IDType", s.IDType);
    v("R1", s.R1), v("R2", s.R2), v("R3", s.R3);
    v("ProviderUID", s.ProviderUID);
    v("R4", s.R4);
    v("DisplayTypeString", s.DisplayTypeString);
    v.sz("DistinguishedName", s.DistinguishedName);
  }
};

// [MS-OXNSPI] 2.2.9.2: the same for one session; ProviderUID is the ServerGuid of Bind.
struct EphemeralEntryID {
  std::uint8_t IDType = 0x87;
  std::uint8_t R1 = 0, R2 = 0, R3 = 0;
  mapi::Guid ProviderUID;
  std::uint32_t R4 = 1;
  nspi::DisplayType DisplayType = nspi::DisplayType::DT_MAILUSER;
  MinimalEntryID MId{};
  static void fields(auto& s, auto& v) {
    v("IDType", s.IDType);
    v("R1", s.R1), v("R2", s.R2), v("R3", s.R3);
    v("ProviderUID", s.ProviderUID);
    v("R4", s.R4);
    v("DisplayType", s.DisplayType);
    v("MId", s.MId);
  }
};

// Properties with their values: PropertyRow_r ([MS-OXNSPI] 2.2.2.12), AddressBookPropertyValueList
// ([MS-OXCMAPIHTTP] 2.2.1.3).
struct AddressBookPropertyValueList {
  std::span<const mapi::TaggedValue> PropertyValues;
  static constexpr std::size_t minimum_size = 4;
  static void fields(auto& s, auto& v) {
    auto PropertyValueCount = static_cast<std::uint32_t>(s.PropertyValues.size());
    v("PropertyValueCount", PropertyValueCount);
    v.tagged_list("PropertyValues", s.PropertyValues, PropertyValueCount);
  }
};

// PropertyTagArray_r ([MS-OXNSPI] 2.2.2.2), LargePropertyTagArray ([MS-OXCMAPIHTTP] 2.2.1.8).
struct LargePropertyTagArray {
  std::span<const mapi::PropertyTag> PropertyTags;
  static constexpr std::size_t minimum_size = 4;
  static void fields(auto& s, auto& v) { v.template counted<std::uint32_t>("PropertyTags", s.PropertyTags); }
};

// PropertyRowSet_r ([MS-OXNSPI] 2.2.2.13) whose rows all have the same columns; in MAPI/HTTP Columns,
// RowCount and RowData (each an AddressBookPropertyRow, [MS-OXCMAPIHTTP] 2.2.1.7).
struct ColumnsAndRows {
  LargePropertyTagArray Columns;
  std::span<const PropertyRow> RowData;
  static void fields(auto& s, auto& v) {
    v("Columns", s.Columns);
    auto RowCount = static_cast<std::uint32_t>(s.RowData.size());
    v("RowCount", RowCount);
    v.rows("RowData", s.RowData, RowCount, s.Columns.PropertyTags);
  }
};

// PropertyName_r ([MS-OXNSPI] 2.2.2.5).
struct PropertyName {
  mapi::Guid PropertyNameGuid;
  std::uint32_t PropertyNameId = 0;
  static void fields(auto& s, auto& v) {
    v("PropertyNameGuid", s.PropertyNameGuid);
    v("PropertyNameId", s.PropertyNameId);
  }
};

// An element of StringArray_r and of WStringArray_r ([MS-OXNSPI] 2.2.2.6 and 2.2.2.7).
struct DnString {
  std::string_view Name;
  static void fields(auto& s, auto& v) { v.sz("Name", s.Name); }
};
struct UnicodeString {
  Utf16 Name;
  static constexpr std::size_t minimum_size = 2;
  static void fields(auto& s, auto& v) { v.sz("Name", s.Name); }
};

// An element of BinaryArray_r ([MS-OXNSPI] 2.2.2.8): here always one of the entry ids above.
struct EntryId {
  View Value;
  static constexpr std::size_t minimum_size = 4;
  static void fields(auto& s, auto& v) { v.template binary<std::uint32_t>("EntryId", s.Value); }
};

}  // namespace mapigate::wire::nspi
