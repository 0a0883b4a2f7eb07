// Time zones of calendars: VTIMEZONE and the properties in which Outlook keeps them ([MS-OXCICAL] 2.1.3.1.1.19, [MS-OXOCAL] 2.2.1.39
// to 2.2.1.43).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "wire/blobs/time_zone.h"

namespace mapigate::convert {

struct CalendarZone {
  std::string name;                        // the TZID
  wire::blobs::TimeZoneStruct rules;       // of one year: those that the event began with
  bool has_daylight() const { return rules.stStandardDate.wMonth != 0 && rules.stDaylightDate.wMonth != 0; }
  // Seconds since 1970; `local` counts as if its clock were UTC. A local time that occurs twice is the first of them.
  std::int64_t to_local(std::int64_t utc) const;
  std::int64_t to_utc(std::int64_t local) const;
};

CalendarZone utc_zone();
// By a name of IANA or of Windows, as it is at `when` (seconds since 1970).
std::optional<CalendarZone> known_zone(std::string_view name, std::int64_t when);

// PidLidTimeZoneStruct, and PidLidAppointmentTimeZoneDefinitionStartDisplay, …EndDisplay, …Recur (`of_series`).
Bytes time_zone_struct(const CalendarZone& zone);
Bytes time_zone_definition(const CalendarZone& zone, bool of_series);
// The other way; none when the value is damaged. Biases beyond a day are taken as damage.
std::optional<CalendarZone> zone_of_struct(View value, std::string name);
std::optional<CalendarZone> zone_of_definition(View value);

// The component, its lines ending in CR LF.
std::string write_time_zone(const CalendarZone& zone);

}  // namespace mapigate::convert
