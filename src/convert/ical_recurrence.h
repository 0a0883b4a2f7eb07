// Recurrences of calendars and PidLidAppointmentRecur ([MS-OXCICAL] 2.1.3.2.2, [MS-OXOCAL] 2.2.1.44). Dates and times are minutes
// since 1601-01-01 in the time zone of the series.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "convert/ical_limits.h"
#include "wire/blobs/recurrence.h"

namespace mapigate::convert {

// An instance that is not as the others; what is absent is as in the series.
struct SeriesException {
  std::uint32_t original = 0, start = 0, end = 0;
  std::optional<std::string> subject, location;  // UTF-8
  std::optional<std::uint32_t> busy_status, reminder_delta;
  std::optional<bool> reminder_set, all_day;
  bool body = false;  // its message has one of its own
};

struct Series {
  wire::blobs::RecurrencePattern pattern;   // without its lists
  std::uint32_t start_offset = 0, end_offset = 0;  // minutes since midnight
  std::vector<std::uint32_t> deleted;       // days of instances that are gone, at midnight
  std::vector<SeriesException> exceptions;
};

// The start of the days on which `pattern` has instances, in their order: all, or the first `most`. None for calendars other than
// the Gregorian one.
std::vector<std::uint32_t> series_days(const wire::blobs::RecurrencePattern& pattern, std::size_t most);
// Those of `days` that are in months of fewer than `needed` days.
std::vector<std::uint32_t> days_in_short_months(const std::vector<std::uint32_t>& days, unsigned needed);
// Sets FirstDateTime, OccurrenceCount and EndDate by what else the pattern says: of EndType end_after_count the count, of
// end_by_date the date. False when it has no instance, or more than anybody can list.
bool complete_pattern(wire::blobs::RecurrencePattern& pattern);

// The value of the property; the exceptions in the order of their times.
Bytes write_series(const Series& series);
// Malformed when it is damaged or has a period or end that no series has.
Result<Series> read_series(View value);

// "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", without its end; empty for patterns that iCalendar has no words for. As [MS-OXCICAL] 2.1.3.2.2.3
// writes them: of the 29th and 30th of a month others than Outlook leave out the months that are too short.
std::string rule_text(const wire::blobs::RecurrencePattern& pattern);
// PidLidRecurrenceType ([MS-OXOCAL] 2.2.1.45).
std::int32_t recurrence_type(const wire::blobs::RecurrencePattern& pattern);

inline constexpr std::uint32_t minutes_of_a_day = 24 * 60;
// Local seconds since 1970 as such minutes and back; zero for what lies outside of 1601 to 4500.
std::uint32_t series_minutes(std::int64_t local_seconds);
std::int64_t seconds_of(std::uint32_t series_minutes);

}  // namespace mapigate::convert
