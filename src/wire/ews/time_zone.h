// Time zones as GetUserAvailability tells them ([MS-OXWAVLS] 2.2.4 "t:SerializableTimeZone").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pugi {
class xml_node;
}

namespace mapigate::wire::ews {

// When one of the two times of a zone begins, each year: in the local time that ends then.
struct SerializableTimeZoneTime {
  int Bias = 0;        // minutes beside the zone's
  int Time = 0;        // seconds of the day
  int DayOrder = 0;    // 1 to 4, 5 is the last of the month; with a Year the day of the month
  int Month = 0;       // 0: never
  int DayOfWeek = 0;   // 0 is Sunday
  int Year = 0;        // 0: every year
  bool operator==(const SerializableTimeZoneTime&) const = default;
};

struct SerializableTimeZone {
  int Bias = 0;  // minutes: UTC is local time plus this
  SerializableTimeZoneTime StandardTime, DaylightTime;
  bool operator==(const SerializableTimeZone&) const = default;

  bool has_daylight() const { return StandardTime.Month != 0 && DaylightTime.Month != 0; }
  bool is_daylight(std::int64_t utc) const;
  // Seconds since 1970; `local` counts as if its clock were UTC. A local time that occurs twice is the first of them.
  std::int64_t to_local(std::int64_t utc) const;
  std::int64_t to_utc(std::int64_t local) const;
};

Result<SerializableTimeZone> read_time_zone(const pugi::xml_node& node);
void write_time_zone(pugi::xml_node node, const SerializableTimeZone& zone);

// By the name of IANA ("Europe/Berlin") or of Windows ("W. Europe Standard Time"), with the rules of the year of
// `when`. Errc::not_found when nobody knows it.
Result<SerializableTimeZone> time_zone_named(std::string_view name, std::int64_t when);

std::string_view day_name(int day_of_week);  // "Sunday"
int day_number(std::string_view name);       // -1: none

}  // namespace mapigate::wire::ews
