// libical for the sources that convert calendars; no header that others include may include this one.
#pragma once

#include <libical/ical.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "convert/ical_recurrence.h"
#include "convert/ical_time_zone.h"

namespace mapigate::convert {

// libical shares its time zones among all threads: held for as long as anything of it is used.
std::mutex& ical_mutex();

struct FreeIcal {
  void operator()(icalcomponent* component) const { icalcomponent_free(component); }
};
using IcalComponent = std::unique_ptr<icalcomponent, FreeIcal>;
// The first VCALENDAR in the text; null when there is none. Its parent, if any, is freed with the result.
struct IcalCalendar {
  IcalComponent root;
  icalcomponent* calendar = nullptr;
};
IcalCalendar parse_ical(std::string_view utf8);

// Of the first property of that kind; empty when it is not there. Texts come without their escapes.
std::string ical_text(icalcomponent* of, icalproperty_kind kind);
// Of the first property "X-…" of that name, ignoring case.
std::string ical_x_text(icalcomponent* of, std::string_view name);
std::string ical_x_text(icalproperty* property);

// X-ALT-DESC of type text/html (2.1.3.1.1.20.27); empty when there is none.
std::string ical_html(icalcomponent* of);

// In the time zone that the property names; a null time when it is not there.
icaltimetype ical_datetime(icalcomponent* of, icalproperty_kind kind);
// Zero for null times and for years that FILETIME or a calendar does not have. What names no time zone counts as UTC, and a
// date is the midnight at which it begins.
FileTime ical_file_time(icaltimetype when);

// What its fields say, in seconds since 1970 as if they were in UTC; below every time for null times and years outside of 1601 to 4500.
std::int64_t ical_seconds(icaltimetype when);
// The rules that a VTIMEZONE has for the year; none when it is damaged.
std::optional<CalendarZone> read_time_zone(icalcomponent* component, int year);
struct ReadRule {
  wire::blobs::RecurrencePattern pattern;
  std::vector<std::uint32_t> skipped;  // days of the pattern, at midnight, on which the rule has no instance
};
// The pattern of a rule whose first instance is at `start`, in the time zone of the series, and whose last
// day is `until`. None for rules that Outlook has no pattern for. `skips`: a month that is too short for its day has no
// instance (RFC 5545 3.3.10); else it is on the last day, as Outlook counts. A series without an end counts so in any case.
std::optional<ReadRule> read_rule(const icalrecurrencetype& rule, const icaltimetype& start, std::optional<std::uint32_t> until, bool skips);

}  // namespace mapigate::convert
