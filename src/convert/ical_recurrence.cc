#include "convert/ical_recurrence.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "base/text.h"
#include "base/time.h"
#include "convert/ical_lines.h"
#include "convert/ical_support.h"
#include "wire/blobs/blob.h"

namespace mapigate::convert {

using wire::blobs::AppointmentRecurrencePattern;
using wire::blobs::ExceptionInfo;
using wire::blobs::ExtendedException;
using wire::blobs::RecurrencePattern;

namespace {

using namespace std::chrono;

constexpr sys_days first_day{year(1601) / January / 1};
// What stands for a series without an end: 4500-08-31 23:59; days beyond it are none.
constexpr std::uint32_t never = 0x5AE980DF, last_day = never / minutes_of_a_day;

year_month_day date_of(std::uint32_t day) { return {first_day + days(day)}; }
std::uint32_t day_of(sys_days when) { return static_cast<std::uint32_t>((when - first_day).count()); }
unsigned weekday_of(std::uint32_t day) { return weekday(first_day + days(day)).c_encoding(); }
std::uint32_t month_of(std::uint32_t day) {
  const auto date = date_of(day);
  return static_cast<std::uint32_t>(static_cast<int>(date.year()) - 1601) * 12 + static_cast<unsigned>(date.month()) - 1;
}
year_month in_month(std::uint32_t months) { return year(1601 + static_cast<int>(months / 12)) / month(months % 12 + 1); }
std::uint32_t days_in(year_month when) { return static_cast<unsigned>((when / last).day()); }
std::uint32_t week_start(std::uint32_t day, std::uint32_t first_weekday) { return day - std::min(day, (weekday_of(day) + 7 - first_weekday) % 7); }

bool is_monthly(const RecurrencePattern& pattern) {
  return pattern.PatternType == RecurrencePattern::Month || pattern.PatternType == RecurrencePattern::MonthEnd || pattern.PatternType == RecurrencePattern::MonthNth;
}

// Whether all in it can be counted with.
bool is_sound(const RecurrencePattern& pattern) {
  constexpr std::uint32_t most_period = 9999, all_days = 0x7F;
  const bool daily = pattern.PatternType == RecurrencePattern::Day;
  if (pattern.Period == 0 || (daily && pattern.Period % minutes_of_a_day != 0)) return false;
  if (pattern.Period / (daily ? minutes_of_a_day : 1) > most_period) return false;
  if (pattern.FirstDOW > 6 || pattern.StartDate / minutes_of_a_day > last_day) return false;
  switch (pattern.PatternType) {
    case RecurrencePattern::Day: return true;
    case RecurrencePattern::Week: return (pattern.DayOfWeekBits & all_days) != 0;
    case RecurrencePattern::Month:
    case RecurrencePattern::MonthEnd: return pattern.DayOfMonth >= 1 && pattern.DayOfMonth <= 31;
    case RecurrencePattern::MonthNth: return (pattern.DayOfWeekBits & all_days) != 0 && pattern.N >= 1 && pattern.N <= 5;
    default: return false;
  }
}

// The day of the month that the pattern means.
std::uint32_t day_in_month(const RecurrencePattern& pattern, std::uint32_t months) {
  const auto when = in_month(months);
  const auto count = days_in(when), first = day_of(sys_days(when / 1));
  if (pattern.PatternType == RecurrencePattern::MonthEnd) return first + count - 1;
  if (pattern.PatternType == RecurrencePattern::Month) return first + std::min(pattern.DayOfMonth, count) - 1;
  constexpr std::uint32_t the_last = 5;
  std::uint32_t seen = 0, found = first;
  for (std::uint32_t day = first; day < first + count && (seen < pattern.N || pattern.N == the_last); ++day)
    if ((pattern.DayOfWeekBits >> weekday_of(day) & 1) != 0) ++seen, found = day;
  return found;
}

// `take` returns whether it wants more.
template <class Take>
void each_day(const RecurrencePattern& pattern, Take take) {
  if (!is_sound(pattern)) return;
  const auto start = pattern.StartDate / minutes_of_a_day;
  if (pattern.PatternType == RecurrencePattern::Day) {
    for (auto day = start; day <= last_day; day += pattern.Period / minutes_of_a_day)
      if (!take(day)) return;
  } else if (pattern.PatternType == RecurrencePattern::Week) {
    for (auto week = week_start(start, pattern.FirstDOW); week <= last_day; week += 7 * pattern.Period)
      for (auto day = week; day < week + 7; ++day)
        if (day >= start && (pattern.DayOfWeekBits >> weekday_of(day) & 1) != 0 && !take(day)) return;
  } else {
    const auto end = month_of(last_day);
    for (auto months = month_of(start); months < end; months += pattern.Period)
      if (const auto day = day_in_month(pattern, months); day >= start && !take(day)) return;
  }
}

std::string_view ansi_text(Arena& arena, std::string_view utf8) { return as_text(arena.copy(as_view(to_code_page(utf8, 1252)))); }

ExceptionInfo info_of(const SeriesException& one, Arena& arena) {
  ExceptionInfo out;
  out.StartDateTime = one.start, out.EndDateTime = one.end, out.OriginalStartDate = one.original;
  if (one.subject) {
    out.OverrideFlags |= ExceptionInfo::ARO_SUBJECT;
    out.Subject = ansi_text(arena, *one.subject);
    out.SubjectLength = static_cast<std::uint16_t>(out.Subject.size() + 1);
  }
  if (one.location) {
    out.OverrideFlags |= ExceptionInfo::ARO_LOCATION;
    out.Location = ansi_text(arena, *one.location);
    out.LocationLength = static_cast<std::uint16_t>(out.Location.size() + 1);
  }
  const auto put = [&](std::uint16_t flag, std::uint32_t& to, const auto& from) {
    if (!from) return;
    out.OverrideFlags |= flag;
    to = static_cast<std::uint32_t>(*from);
  };
  put(ExceptionInfo::ARO_REMINDERDELTA, out.ReminderDelta, one.reminder_delta);
  put(ExceptionInfo::ARO_REMINDER, out.ReminderSet, one.reminder_set);
  put(ExceptionInfo::ARO_BUSYSTATUS, out.BusyStatus, one.busy_status);
  put(ExceptionInfo::ARO_SUBTYPE, out.SubType, one.all_day);
  if (one.body) out.OverrideFlags |= ExceptionInfo::ARO_EXCEPTIONAL_BODY;
  return out;
}
ExtendedException extended_of(const SeriesException& one, Arena& arena) {
  ExtendedException out;
  out.StartDateTime = one.start, out.EndDateTime = one.end, out.OriginalStartDate = one.original;
  if (one.subject) out.WideCharSubject = to_utf16(arena, *one.subject);
  if (one.location) out.WideCharLocation = to_utf16(arena, *one.location);
  return out;
}

std::uint32_t midnight(std::uint32_t minutes) { return minutes - minutes % minutes_of_a_day; }

std::string days_text(std::uint32_t bits) {
  std::string out;
  for (unsigned day = 0; day < 7; ++day)
    if ((bits >> day & 1) != 0) out += (out.empty() ? "" : ",") + std::string(ical_weekday(day));
  return out;
}

}  // namespace

std::uint32_t series_minutes(std::int64_t local_seconds) {
  const auto minutes = (local_seconds + unix_epoch_in_seconds) / 60;
  return minutes < 0 || minutes > never ? 0 : static_cast<std::uint32_t>(minutes);
}
std::int64_t seconds_of(std::uint32_t minutes) { return static_cast<std::int64_t>(minutes) * 60 - unix_epoch_in_seconds; }

std::vector<std::uint32_t> series_days(const RecurrencePattern& pattern, std::size_t most) {
  std::vector<std::uint32_t> out;
  const auto limit = pattern.EndType == RecurrencePattern::end_after_count ? std::min<std::size_t>(most, pattern.OccurrenceCount) : most;
  const bool by_date = pattern.EndType == RecurrencePattern::end_by_date;
  if (limit == 0) return out;
  each_day(pattern, [&](std::uint32_t day) {
    if (by_date && day > pattern.EndDate / minutes_of_a_day) return false;
    out.push_back(day * minutes_of_a_day);
    return out.size() < limit;
  });
  return out;
}

std::vector<std::uint32_t> days_in_short_months(const std::vector<std::uint32_t>& days, unsigned needed) {
  std::vector<std::uint32_t> out;
  for (const auto minutes : days) {
    const auto date = date_of(minutes / minutes_of_a_day);
    if (days_in(date.year() / date.month()) < needed) out.push_back(minutes);
  }
  return out;
}

bool complete_pattern(RecurrencePattern& pattern) {
  constexpr std::uint32_t usual_count = 10;  // of a series without an end
  if (!is_sound(pattern)) return false;
  const auto start = pattern.StartDate / minutes_of_a_day;
  if (pattern.PatternType == RecurrencePattern::Day) {
    pattern.FirstDateTime = pattern.StartDate % pattern.Period;
  } else if (pattern.PatternType == RecurrencePattern::Week) {
    pattern.FirstDateTime = week_start(start, pattern.FirstDOW) % (pattern.Period * 7) * minutes_of_a_day;
  } else {
    pattern.FirstDateTime = day_of(sys_days(in_month(month_of(start) % pattern.Period) / 1)) * minutes_of_a_day;
  }
  if (pattern.EndType == RecurrencePattern::no_end) {
    pattern.OccurrenceCount = usual_count;
    pattern.EndDate = never;
    return true;
  }
  if (pattern.EndType == RecurrencePattern::end_after_count) {
    if (pattern.OccurrenceCount == 0 || pattern.OccurrenceCount > max_instances) return false;
    const auto instances = series_days(pattern, pattern.OccurrenceCount);
    if (instances.size() != pattern.OccurrenceCount) return false;
    pattern.EndDate = instances.back();
    return true;
  }
  const auto instances = series_days(pattern, max_instances + 1);
  if (instances.empty() || instances.size() > max_instances) return false;
  pattern.OccurrenceCount = static_cast<std::uint32_t>(instances.size());
  return true;
}

Bytes write_series(const Series& series) {
  Arena arena;
  // Of several exceptions to one instance the last counts.
  std::map<std::uint32_t, const SeriesException*> by_day;
  for (const auto& one : series.exceptions)
    if (by_day.size() < max_exceptions || by_day.contains(midnight(one.original))) by_day[midnight(one.original)] = &one;
  std::vector<const SeriesException*> changed;
  std::vector<std::uint32_t> deleted, modified;
  for (const auto day : series.deleted)
    if (deleted.size() < max_exceptions) deleted.push_back(midnight(day));
  for (const auto& [day, one] : by_day) {
    changed.push_back(one);
    deleted.push_back(day);
    modified.push_back(midnight(one->start));
  }
  std::sort(deleted.begin(), deleted.end());
  deleted.erase(std::unique(deleted.begin(), deleted.end()), deleted.end());
  std::sort(modified.begin(), modified.end());
  std::sort(changed.begin(), changed.end(), [](const auto* a, const auto* b) { return std::pair(a->start, a->original) < std::pair(b->start, b->original); });
  std::vector<ExceptionInfo> infos;
  std::vector<ExtendedException> extended;
  for (const auto* one : changed) {
    infos.push_back(info_of(*one, arena));
    extended.push_back(extended_of(*one, arena));
  }
  AppointmentRecurrencePattern out;
  out.RecurrencePattern = series.pattern;
  out.RecurrencePattern.DeletedInstanceDates = deleted;
  out.RecurrencePattern.ModifiedInstanceDates = modified;
  out.StartTimeOffset = series.start_offset, out.EndTimeOffset = series.end_offset;
  out.ExceptionInfo = infos;
  out.ExtendedException = extended;
  return wire::blobs::encode_blob(out).value();
}

Result<Series> read_series(View value) {
  Arena arena;
  const auto decoded = wire::blobs::decode_blob<AppointmentRecurrencePattern>(value, arena);
  if (!decoded) return decoded.error();
  const auto& blob = decoded->value;
  Series out;
  out.pattern = blob.RecurrencePattern;
  out.pattern.DeletedInstanceDates = out.pattern.ModifiedInstanceDates = {};
  if (out.pattern.EndType == RecurrencePattern::never_end) out.pattern.EndType = RecurrencePattern::no_end;
  if (is_monthly(out.pattern) || out.pattern.PatternType <= RecurrencePattern::Week)
    if (!is_sound(out.pattern)) return error(Errc::malformed, "a series that has no instances");
  if (blob.StartTimeOffset >= minutes_of_a_day || blob.EndTimeOffset < blob.StartTimeOffset) return error(Errc::malformed, "times of a series");
  out.start_offset = blob.StartTimeOffset, out.end_offset = blob.EndTimeOffset;
  std::vector<std::uint32_t> changed;
  for (std::size_t i = 0; i < blob.ExceptionInfo.size() && i < max_exceptions; ++i) {
    const auto& info = blob.ExceptionInfo[i];
    const auto& wide = blob.ExtendedException[i];
    auto& one = out.exceptions.emplace_back();
    one.original = info.OriginalStartDate, one.start = info.StartDateTime, one.end = std::max(info.StartDateTime, info.EndDateTime);
    if (info.has(ExceptionInfo::ARO_SUBJECT)) one.subject = to_utf8(wide.WideCharSubject);
    if (info.has(ExceptionInfo::ARO_LOCATION)) one.location = to_utf8(wide.WideCharLocation);
    if (info.has(ExceptionInfo::ARO_BUSYSTATUS)) one.busy_status = info.BusyStatus;
    if (info.has(ExceptionInfo::ARO_REMINDERDELTA)) one.reminder_delta = info.ReminderDelta;
    if (info.has(ExceptionInfo::ARO_REMINDER)) one.reminder_set = info.ReminderSet != 0;
    if (info.has(ExceptionInfo::ARO_SUBTYPE)) one.all_day = info.SubType != 0;
    one.body = info.has(ExceptionInfo::ARO_EXCEPTIONAL_BODY);
    changed.push_back(midnight(one.original));
  }
  std::sort(changed.begin(), changed.end());
  for (const auto day : blob.RecurrencePattern.DeletedInstanceDates)
    if (out.deleted.size() < max_exceptions && !std::binary_search(changed.begin(), changed.end(), midnight(day))) out.deleted.push_back(midnight(day));
  return out;
}

std::string rule_text(const RecurrencePattern& pattern) {
  constexpr std::uint32_t last_of_month = 31;
  if (!is_sound(pattern)) return {};
  if (pattern.PatternType == RecurrencePattern::Day) return fmt::format("FREQ=DAILY;INTERVAL={}", pattern.Period / minutes_of_a_day);
  if (pattern.PatternType == RecurrencePattern::Week)
    return fmt::format("FREQ=WEEKLY;INTERVAL={};BYDAY={};WKST={}", pattern.Period, days_text(pattern.DayOfWeekBits), ical_weekday(pattern.FirstDOW));
  std::string out = fmt::format("FREQ=MONTHLY;INTERVAL={}", pattern.Period), in;
  std::uint32_t last_day_of_all = last_of_month;
  if (pattern.Period % 12 == 0) {
    constexpr std::uint32_t february = 2, leap_day = 29;
    const auto month = month_of(pattern.StartDate / minutes_of_a_day) % 12 + 1;
    out = fmt::format("FREQ=YEARLY;INTERVAL={}", pattern.Period / 12);
    in = fmt::format(";BYMONTH={}", month);
    // The 28th where there is no 29th: in iCalendar the last day.
    if (month == february) last_day_of_all = leap_day;
  }
  if (pattern.PatternType == RecurrencePattern::MonthNth) {
    const auto position = pattern.N == 5 ? -1 : static_cast<int>(pattern.N);
    return out + fmt::format(";BYDAY={}{};BYSETPOS={}", days_text(pattern.DayOfWeekBits), in, position);
  }
  const bool at_end = pattern.PatternType == RecurrencePattern::MonthEnd || pattern.DayOfMonth >= last_day_of_all;
  return out + fmt::format(";BYMONTHDAY={}{}", at_end ? -1 : static_cast<int>(pattern.DayOfMonth), in);
}

std::int32_t recurrence_type(const RecurrencePattern& pattern) {
  enum : std::int32_t { rectypeDaily = 1, rectypeWeekly, rectypeMonthly, rectypeYearly };
  switch (pattern.RecurFrequency) {
    case RecurrencePattern::daily: return rectypeDaily;
    case RecurrencePattern::weekly: return rectypeWeekly;
    case RecurrencePattern::yearly: return rectypeYearly;
    default: return rectypeMonthly;
  }
}

}  // namespace mapigate::convert
