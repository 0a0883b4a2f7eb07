// Structures of the address book ([MS-OXNSPI] 2.2 and 2.3) as MAPI/HTTP carries
// them ([MS-OXCMAPIHTTP] 2.2.1). Encode and decode with CountWidth::address_book,
// which gives property values their HasValue bytes.
#pragma once

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

inline constexpr std::uint32_t CP_TELETEX = 0x00004F25;
inline constexpr std::uint32_t CP_WINUNICODE = 0x000004B0;

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

// [MS-OXCMAPIHTTP] 2.2.1.3.
struct AddressBookPropertyValueList {
  std::span<const mapi::TaggedValue> PropertyValues;
  static constexpr std::size_t minimum_size = 4;
  static void fields(auto& s, auto& v) {
    auto PropertyValueCount = static_cast<std::uint32_t>(s.PropertyValues.size());
    v("PropertyValueCount", PropertyValueCount);
    v.tagged_list("PropertyValues", s.PropertyValues, PropertyValueCount);
  }
};

// [MS-OXCMAPIHTTP] 2.2.1.8.
struct LargePropertyTagArray {
  std::span<const mapi::PropertyTag> PropertyTags;
  static constexpr std::size_t minimum_size = 4;
  static void fields(auto& s, auto& v) { v.template counted<std::uint32_t>("PropertyTags", s.PropertyTags); }
};

// Rows with the columns they were made for: Columns, RowCount, RowData (each an
// AddressBookPropertyRow, [MS-OXCMAPIHTTP] 2.2.1.7).
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

}  // namespace mapigate::wire::nspi
