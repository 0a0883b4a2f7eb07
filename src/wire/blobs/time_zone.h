// Time zones of appointments ([MS-OXOCAL] 2.2.1.39 to 2.2.1.43).
#pragma once

#include "wire/blobs/blob_fields.h"

namespace mapigate::wire::blobs {

// [MS-DTYP] 2.3.13 "SYSTEMTIME", as a rule: with wYear 0, wDay says which wDayOfWeek of wMonth (5: the last).
struct SystemTime {
  std::uint16_t wYear = 0;
  std::uint16_t wMonth = 0;  // 0: no change of this kind
  std::uint16_t wDayOfWeek = 0;
  std::uint16_t wDay = 0;
  std::uint16_t wHour = 0;
  std::uint16_t wMinute = 0;
  std::uint16_t wSecond = 0;
  std::uint16_t wMilliseconds = 0;
  bool operator==(const SystemTime&) const = default;
  static void fields(auto& s, auto& v) {
    v("wYear", s.wYear), v("wMonth", s.wMonth), v("wDayOfWeek", s.wDayOfWeek), v("wDay", s.wDay);
    v("wHour", s.wHour), v("wMinute", s.wMinute), v("wSecond", s.wSecond), v("wMilliseconds", s.wMilliseconds);
  }
};

// 2.2.1.39 "PidLidTimeZoneStruct". Biases are minutes that are added to local time to get UTC.
struct TimeZoneStruct {
  static constexpr const char* name = "PidLidTimeZoneStruct";
  std::int32_t lBias = 0;
  std::int32_t lStandardBias = 0;
  std::int32_t lDaylightBias = 0;
  std::uint16_t wStandardYear = 0;
  SystemTime stStandardDate{};
  std::uint16_t wDaylightYear = 0;
  SystemTime stDaylightDate{};
  bool operator==(const TimeZoneStruct&) const = default;
  static void fields(auto& s, auto& v) {
    v("lBias", s.lBias);
    v("lStandardBias", s.lStandardBias);
    v("lDaylightBias", s.lDaylightBias);
    v("wStandardYear", s.wStandardYear);
    v("stStandardDate", s.stStandardDate);
    v("wDaylightYear", s.wDaylightYear);
    v("stDaylightDate", s.stDaylightDate);
  }
};

// 2.2.1.41.1 "TZRule".
struct TZRule {
  static constexpr std::size_t minimum_size = 66;
  enum : std::uint16_t { TZRULE_FLAG_RECUR_CURRENT_TZREG = 0x0001, TZRULE_FLAG_EFFECTIVE_TZREG = 0x0002 };
  std::uint8_t bMajorVersion = 0x02;
  std::uint8_t bMinorVersion = 0x01;
  std::uint16_t wReserved = 0x003E;
  std::uint16_t wTZRuleFlags = 0;
  std::uint16_t wYear = 0;
  std::array<std::uint8_t, 14> X{};
  std::int32_t lBias = 0;
  std::int32_t lStandardBias = 0;
  std::int32_t lDaylightBias = 0;
  SystemTime stStandardDate{};
  SystemTime stDaylightDate{};
  static void fields(auto& s, auto& v) {
    v("bMajorVersion", s.bMajorVersion);
    v("bMinorVersion", s.bMinorVersion);
    v("wReserved", s.wReserved);
    v("wTZRuleFlags", s.wTZRuleFlags);
    v("wYear", s.wYear);
    v("X", s.X);
    v("lBias", s.lBias);
    v("lStandardBias", s.lStandardBias);
    v("lDaylightBias", s.lDaylightBias);
    v("stStandardDate", s.stStandardDate);
    v("stDaylightDate", s.stDaylightDate);
  }
};

// 2.2.1.41 "PidLidAppointmentTimeZoneDefinitionRecur", and …StartDisplay and …EndDisplay.
struct TimeZoneDefinition {
  static constexpr const char* name = "TimeZoneDefinition";
  enum : std::uint16_t { TZDEFINITION_FLAG_VALID_KEYNAME = 0x0002 };
  std::uint8_t bMajorVersion = 0x02;
  std::uint8_t bMinorVersion = 0x01;
  std::uint16_t cbHeader = 0;  // bytes from wReserved to cRules: set_header()
  std::uint16_t wReserved = TZDEFINITION_FLAG_VALID_KEYNAME;
  Utf16 KeyName{};  // of Windows: "W. Europe Standard Time"
  std::span<const TZRule> TZRules{};
  void set_header() { cbHeader = static_cast<std::uint16_t>(6 + KeyName.bytes.size()); }
  static void fields(auto& s, auto& v) {
    v("bMajorVersion", s.bMajorVersion);
    v("bMinorVersion", s.bMinorVersion);
    v("cbHeader", s.cbHeader);
    v("wReserved", s.wReserved);
    counted_text<std::uint16_t>(v, "cchKeyName", "KeyName", s.KeyName);
    counted_list<std::uint16_t>(v, "cRules", "TZRules", s.TZRules);
  }
};

}  // namespace mapigate::wire::blobs
