// Which rules of calendars fit into a pattern of Outlook ([MS-OXCICAL] 2.1.3.2.2 "Recurrence Templates").
#include <algorithm>

#include "base/text.h"
#include "convert/ical_support.h"

namespace mapigate::convert {

using wire::blobs::RecurrencePattern;

namespace {

constexpr short none = ICAL_RECURRENCE_ARRAY_MAX;
constexpr unsigned shortest_month = 28;

template <std::size_t N>
std::size_t count_of(const short (&list)[N]) {
  return static_cast<std::size_t>(std::find(std::begin(list), std::end(list), none) - std::begin(list));
}
// Absent, or what the start says already.
template <std::size_t N>
bool is_only(const short (&list)[N], int value) {
  return count_of(list) == 0 || (count_of(list) == 1 && list[0] == value);
}

struct Days {
  std::uint32_t bits = 0;
  int position = 0;  // that all of them have; 0: every one
  bool same = true;
};
Days days_in(const icalrecurrencetype& rule) {
  Days out;
  for (std::size_t i = 0; i < count_of(rule.by_day); ++i) {
    const auto day = icalrecurrencetype_day_day_of_week(rule.by_day[i]);
    const auto position = icalrecurrencetype_day_position(rule.by_day[i]);
    if (day == ICAL_NO_WEEKDAY) return {0, 0, false};
    if (i > 0 && position != out.position) out.same = false;
    out.position = position;
    out.bits |= 1U << (day - ICAL_SUNDAY_WEEKDAY);
  }
  return out;
}

// "The fourteenth", and "the last of the 28th, 29th and 30th that a month has". `needed`: the days that a month has to have.
bool fill_days(RecurrencePattern& out, const icalrecurrencetype& rule, int start_day, unsigned& needed) {
  constexpr int last_of_month = 31;
  const auto positions = count_of(rule.by_set_pos);
  std::vector<int> listed(std::begin(rule.by_month_day), std::begin(rule.by_month_day) + count_of(rule.by_month_day));
  if (listed.empty()) listed.push_back(start_day);
  std::sort(listed.begin(), listed.end());
  const bool the_last = positions == 1 && rule.by_set_pos[0] == -1, the_first = positions == 1 && rule.by_set_pos[0] == 1;
  if (positions != 0 && !the_last && !the_first) return false;
  out.PatternType = RecurrencePattern::Month;
  if (listed == std::vector<int>{-1}) {
    out.DayOfMonth = last_of_month;
    return true;
  }
  // Without a gap: what is missing at the end of a month is what it is too short for.
  for (std::size_t i = 1; i < listed.size(); ++i)
    if (listed[i] != listed[i - 1] + 1) return false;
  if (listed.front() < 1 || listed.back() > last_of_month || (listed.size() > 1 && !the_last)) return false;
  out.DayOfMonth = static_cast<std::uint32_t>(listed.back());
  needed = static_cast<unsigned>(listed.front());
  return true;
}

// "The second Tuesday" and "the last working day".
bool fill_monthly(RecurrencePattern& out, const icalrecurrencetype& rule, const Days& days, int start_day, unsigned& needed) {
  constexpr std::uint32_t last = 5;
  if (days.bits != 0) {
    auto position = days.position;
    if (position == 0 && count_of(rule.by_set_pos) == 1) position = rule.by_set_pos[0];
    else if (count_of(rule.by_set_pos) != 0 && rule.by_set_pos[0] != 1) return false;
    const bool several = (days.bits & (days.bits - 1)) != 0;
    if (!days.same || (several && days.position != 0) || count_of(rule.by_month_day) != 0 || position == 0 || position < -1 || position > 4) return false;
    out.PatternType = RecurrencePattern::MonthNth;
    out.DayOfWeekBits = days.bits;
    out.N = position == -1 ? last : static_cast<std::uint32_t>(position);
    return true;
  }
  return fill_days(out, rule, start_day, needed);
}

bool fill(RecurrencePattern& out, const icalrecurrencetype& rule, const icaltimetype& start, unsigned& needed) {
  const auto days = days_in(rule);
  const auto interval = static_cast<std::uint32_t>(rule.interval);
  const bool has_days = days.bits != 0, has_month_days = count_of(rule.by_month_day) != 0, has_months = count_of(rule.by_month) != 0;
  if (!days.same) return false;
  switch (rule.freq) {
    case ICAL_DAILY_RECURRENCE:
      if (has_month_days || has_months || count_of(rule.by_set_pos) != 0) return false;
      if (has_days) {
        if (interval != 1 || days.position != 0) return false;
        out.RecurFrequency = RecurrencePattern::weekly, out.PatternType = RecurrencePattern::Week;
        out.DayOfWeekBits = days.bits, out.Period = 1;
        return true;
      }
      out.RecurFrequency = RecurrencePattern::daily, out.PatternType = RecurrencePattern::Day;
      out.Period = interval * minutes_of_a_day;
      return true;
    case ICAL_WEEKLY_RECURRENCE:
      if (has_month_days || has_months || count_of(rule.by_set_pos) != 0 || days.position != 0) return false;
      out.RecurFrequency = RecurrencePattern::weekly, out.PatternType = RecurrencePattern::Week;
      out.DayOfWeekBits = has_days ? days.bits : 1U << (icaltime_day_of_week(start) - ICAL_SUNDAY_WEEKDAY);
      out.Period = interval;
      return true;
    case ICAL_MONTHLY_RECURRENCE:
      out.RecurFrequency = RecurrencePattern::monthly, out.Period = interval;
      return !has_months && fill_monthly(out, rule, days, start.day, needed);
    case ICAL_YEARLY_RECURRENCE:
      // 2.1.3.2.2.5: only those of every year are told as yearly.
      out.RecurFrequency = interval == 1 ? RecurrencePattern::yearly : RecurrencePattern::monthly;
      out.Period = 12 * interval;
      if (!is_only(rule.by_month, start.month) || (has_days && !has_months)) return false;
      return fill_monthly(out, rule, days, start.day, needed);
    default: return false;
  }
}

// The pattern goes on where the rule has nothing: so many instances more, and these are gone.
bool skip_short_months(ReadRule& out, unsigned needed) {
  auto& pattern = out.pattern;
  if (pattern.EndType == RecurrencePattern::no_end) return true;
  const bool by_count = pattern.EndType == RecurrencePattern::end_after_count;
  auto endless = pattern;
  if (by_count) endless.EndType = RecurrencePattern::no_end;
  const auto days = series_days(endless, max_instances);
  const auto short_ones = days_in_short_months(days, needed);
  if (!by_count) {
    out.skipped = short_ones;
    return true;
  }
  auto next = short_ones.begin();
  std::uint32_t wanted = pattern.OccurrenceCount, counted = 0;
  for (const auto day : days) {
    ++counted;
    if (next != short_ones.end() && *next == day) ++next;
    else if (--wanted == 0) break;
  }
  pattern.OccurrenceCount = counted;
  out.skipped.assign(short_ones.begin(), next);
  return wanted == 0;
}

}  // namespace

std::optional<ReadRule> read_rule(const icalrecurrencetype& rule, const icaltimetype& start, std::optional<std::uint32_t> until, bool skips) {
  unsigned needed = 0;
  if (rule.interval < 1 || count_of(rule.by_year_day) != 0 || count_of(rule.by_week_no) != 0) return std::nullopt;
  if (!is_only(rule.by_hour, start.hour) || !is_only(rule.by_minute, start.minute) || !is_only(rule.by_second, start.second)) return std::nullopt;
  if (rule.rscale != nullptr && !equal_ignoring_ascii_case(rule.rscale, "GREGORIAN")) return std::nullopt;
  ReadRule found;
  auto& out = found.pattern;
  if (!fill(out, rule, start, needed)) return std::nullopt;
  out.FirstDOW = rule.week_start == ICAL_NO_WEEKDAY ? 1 : static_cast<std::uint32_t>(rule.week_start - ICAL_SUNDAY_WEEKDAY);
  out.StartDate = series_minutes(ical_seconds(start));
  if (out.StartDate == 0) return std::nullopt;
  out.StartDate -= out.StartDate % minutes_of_a_day;
  if (rule.count > 0) {
    out.EndType = RecurrencePattern::end_after_count;
    out.OccurrenceCount = static_cast<std::uint32_t>(rule.count);
  } else if (until) {
    out.EndType = RecurrencePattern::end_by_date;
    out.EndDate = *until - *until % minutes_of_a_day;
  } else {
    out.EndType = RecurrencePattern::no_end;
  }
  if (skips && needed > shortest_month && out.OccurrenceCount <= max_instances && !skip_short_months(found, needed)) return std::nullopt;
  return complete_pattern(out) ? std::optional(std::move(found)) : std::nullopt;
}

}  // namespace mapigate::convert
