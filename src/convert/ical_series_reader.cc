#include "convert/ical_series_reader.h"

#include <algorithm>
#include <chrono>

#include "base/text.h"

namespace mapigate::convert {

using wire::blobs::RecurrencePattern;

namespace {

std::string zone_id(icalproperty* property) {
  auto* parameter = property == nullptr ? nullptr : icalproperty_get_first_parameter(property, ICAL_TZID_PARAMETER);
  const char* id = parameter == nullptr ? nullptr : icalparameter_get_tzid(parameter);
  return id == nullptr ? std::string() : id;
}

icaltimetype time_in(icalproperty* property) {
  auto* value = icalproperty_get_value(property);
  if (value == nullptr) return icaltime_null_time();
  switch (icalvalue_isa(value)) {
    case ICAL_DATE_VALUE: return icalvalue_get_date(value);
    case ICAL_DATETIME_VALUE: return icalvalue_get_datetime(value);
    case ICAL_DATETIMEDATE_VALUE: return icalvalue_get_datetimedate(value);
    default: return icaltime_null_time();
  }
}

icaltimetype from_seconds(std::int64_t seconds) {
  using namespace std::chrono;
  const auto when = sys_seconds(std::chrono::seconds(seconds));
  const auto day = floor<days>(when);
  const year_month_day date(day);
  const auto of_day = static_cast<int>((when - day).count());
  auto out = icaltime_null_time();
  out.year = static_cast<int>(date.year()), out.month = static_cast<int>(static_cast<unsigned>(date.month()));
  out.day = static_cast<int>(static_cast<unsigned>(date.day()));
  out.hour = of_day / 3600, out.minute = of_day / 60 % 60, out.second = of_day % 60;
  return out;
}

bool in_range(icaltimetype when) {
  return !icaltime_is_null_time(when) && when.year >= 1601 && when.year <= 4500 && when.month >= 1 && when.month <= 12 && when.day >= 1 && when.day <= 31;
}

icalcomponent* time_zone_component(icalcomponent* calendar, const std::string& id, std::size_t& count) {
  constexpr std::size_t most = 500;
  icalcomponent* found = nullptr;
  count = 0;
  for (auto* one = icalcomponent_get_first_component(calendar, ICAL_VTIMEZONE_COMPONENT); one != nullptr && count < most;
       one = icalcomponent_get_next_component(calendar, ICAL_VTIMEZONE_COMPONENT), ++count)
    if (found == nullptr && (id.empty() || ical_text(one, ICAL_TZID_PROPERTY) == id)) found = one;
  return found;
}

}  // namespace

EventTimes::EventTimes(icalcomponent* calendar, icalcomponent* event) : calendar_(calendar), event_(event) {
  auto* start = icalcomponent_get_first_property(event, ICAL_DTSTART_PROPERTY);
  if (start == nullptr) return;
  zone_ = zone_of(start);
  if (auto* end = icalcomponent_get_first_property(event, ICAL_DTEND_PROPERTY)) end_zone_ = zone_of(end);
}

// By what the calendar says of it, else by what everybody knows.
std::optional<CalendarZone> EventTimes::zone_named(const std::string& id, icaltimetype when) const {
  std::size_t count = 0;
  if (auto* component = time_zone_component(calendar_, id, count))
    if (auto found = read_time_zone(component, when.year)) return found;
  return known_zone(id, ical_seconds(when));
}

// Times that name no zone are in the only one that the calendar has.
std::optional<CalendarZone> EventTimes::zone_of(icalproperty* property) const {
  const auto when = time_in(property);
  if (!in_range(when) || icaltime_is_utc(when)) return std::nullopt;
  if (const auto id = zone_id(property); !id.empty()) return zone_named(id, when);
  std::size_t count = 0;
  auto* component = time_zone_component(calendar_, {}, count);
  return count == 1 ? read_time_zone(component, when.year) : std::nullopt;
}

FileTime EventTimes::utc(icalproperty* property) const {
  if (property == nullptr) return {};
  const auto when = time_in(property);
  if (!in_range(when)) return {};
  if (icaltime_is_utc(when)) return from_unix(ical_seconds(when));
  const auto zone = zone_of(property);
  if (zone) return from_unix(zone->to_utc(ical_seconds(when)));
  return from_unix(ical_seconds(when));
}
FileTime EventTimes::utc(icalproperty_kind kind) const { return utc(icalcomponent_get_first_property(event_, kind)); }

std::optional<icaltimetype> EventTimes::local(icalproperty* property) const {
  if (property == nullptr) return std::nullopt;
  const auto when = time_in(property);
  if (!in_range(when)) return std::nullopt;
  const auto id = zone_id(property);
  if (when.is_date || !zone_ || (!icaltime_is_utc(when) && (id.empty() || id == zone_->name))) return when;
  const auto moment = utc(property);
  return moment.ticks == 0 ? std::nullopt : std::optional(from_seconds(zone_->to_local(to_unix(moment))));
}
std::optional<icaltimetype> EventTimes::local(icalproperty_kind kind) const { return local(icalcomponent_get_first_property(event_, kind)); }

std::uint32_t EventTimes::minutes(icalproperty* property) const {
  const auto when = local(property);
  return when ? series_minutes(ical_seconds(*when)) : 0;
}
std::uint32_t EventTimes::minutes(FileTime utc) const {
  if (utc.ticks == 0) return 0;
  const auto seconds = to_unix(utc);
  return series_minutes(zone_ ? zone_->to_local(seconds) : seconds);
}
std::optional<std::uint32_t> EventTimes::minutes_of(icaltimetype when) const {
  if (!in_range(when)) return std::nullopt;
  if (icaltime_is_utc(when) && !when.is_date) return minutes(from_unix(ical_seconds(when)));
  return series_minutes(ical_seconds(when));
}

EventTimes::Span EventTimes::span_of(icalcomponent* event) const {
  Span out;
  auto* from = icalcomponent_get_first_property(event, ICAL_DTSTART_PROPERTY);
  auto* to = icalcomponent_get_first_property(event, ICAL_DTEND_PROPERTY);
  out.start = utc(from);
  if (out.start.ticks == 0) return out;
  const auto start = time_in(from);
  out.end = utc(to);
  if (out.end.ticks == 0) {
    std::int64_t seconds = start.is_date ? 24 * 3600 : 0;
    if (auto* property = icalcomponent_get_first_property(event, ICAL_DURATION_PROPERTY)) seconds = icaldurationtype_as_int(icalproperty_get_duration(property));
    // Of days by the clock, whatever the time zone does in them.
    if (start.is_date && zone_) out.end = from_unix(zone_->to_utc(ical_seconds(start) + seconds));
    else out.end = from_unix(to_unix(out.start) + seconds);
  }
  out.end = std::max(out.end, out.start);
  const auto at_midnight = [](icalproperty* property) {
    const auto when = time_in(property);
    return !icaltime_is_utc(when) && zone_id(property).empty() && when.hour == 0 && when.minute == 0 && when.second == 0;
  };
  const bool floating_days = to != nullptr && at_midnight(from) && at_midnight(to) && out.end > out.start;
  out.all_day = start.is_date || floating_days || equal_ignoring_ascii_case(ical_x_text(event, "X-MICROSOFT-CDO-ALLDAYEVENT"), "TRUE") ||
                equal_ignoring_ascii_case(ical_x_text(event, "X-MICROSOFT-MSNCALENDAR-ALLDAYEVENT"), "TRUE");
  return out;
}

namespace {

// EXDATE, in all its lines.
std::vector<std::uint32_t> deleted_days(const EventTimes& times, const std::vector<std::uint32_t>& days) {
  std::vector<std::uint32_t> out;
  for (auto* one = icalcomponent_get_first_property(times.event(), ICAL_EXDATE_PROPERTY); one != nullptr && out.size() < max_exceptions;
       one = icalcomponent_get_next_property(times.event(), ICAL_EXDATE_PROPERTY)) {
    const auto minutes = times.minutes(one);
    const auto day = minutes - minutes % minutes_of_a_day;
    if (std::binary_search(days.begin(), days.end(), day)) out.push_back(day);
  }
  return out;
}

SeriesException exception_of(const EventTimes& times, icalcomponent* event, std::uint32_t original, const EventTimes::Span& span) {
  constexpr std::size_t longest = 1024;
  SeriesException out;
  out.original = original;
  out.start = times.minutes(span.start), out.end = std::max(times.minutes(span.end), out.start);
  const auto differs = [&](icalproperty_kind kind, std::optional<std::string>& to) {
    const auto text = ical_text(event, kind);
    if (icalcomponent_get_first_property(event, kind) != nullptr && text != ical_text(times.event(), kind)) to = utf8_prefix(text, longest);
  };
  differs(ICAL_SUMMARY_PROPERTY, out.subject);
  differs(ICAL_LOCATION_PROPERTY, out.location);
  if (span.all_day != times.span().all_day) out.all_day = span.all_day;
  const auto busy = ical_busy_status(event, false), usual = ical_busy_status(times.event(), false);
  if (busy != usual) out.busy_status = busy;
  const auto before = ical_reminder(event), usually = ical_reminder(times.event());
  if (before.has_value() != usually.has_value()) out.reminder_set = before.has_value();
  if (before && before != usually) out.reminder_delta = static_cast<std::uint32_t>(*before);
  return out;
}

// At once: libical has one place in a component for whoever goes through it.
std::vector<icalcomponent*> instances_of(icalcomponent* calendar, const std::string& uid) {
  std::vector<icalcomponent*> out;
  for (auto* one = icalcomponent_get_first_component(calendar, ICAL_VEVENT_COMPONENT); one != nullptr && out.size() < max_exceptions;
       one = icalcomponent_get_next_component(calendar, ICAL_VEVENT_COMPONENT))
    if (icalcomponent_get_first_property(one, ICAL_RECURRENCEID_PROPERTY) != nullptr && ical_text(one, ICAL_UID_PROPERTY) == uid) out.push_back(one);
  return out;
}

}  // namespace

std::optional<Series> read_event_series(const EventTimes& times) {
  constexpr std::size_t most_instances = 20'000;  // that are looked at for exceptions
  auto* property = icalcomponent_get_first_property(times.event(), ICAL_RRULE_PROPERTY);
  const auto start = times.local(ICAL_DTSTART_PROPERTY);
  const auto span = times.span();
  if (property == nullptr || !start || span.start.ticks == 0) return std::nullopt;
  if (icalcomponent_get_first_property(times.event(), ICAL_RECURRENCEID_PROPERTY) != nullptr) return std::nullopt;
  const auto rule = icalproperty_get_rrule(property);
  Series out;
  const auto first = series_minutes(ical_seconds(*start)), last = times.minutes(span.end);
  out.start_offset = first % minutes_of_a_day;
  out.end_offset = out.start_offset + (last > first ? last - first : 0);
  std::optional<std::uint32_t> until;
  if (!icaltime_is_null_time(rule.until)) {
    until = times.minutes_of(rule.until);
    if (!until) return std::nullopt;
    // The end is before that day's instance.
    if (!rule.until.is_date && *until >= minutes_of_a_day && *until % minutes_of_a_day < out.start_offset) *until -= minutes_of_a_day;
  }
  const auto pattern = read_rule(rule, *start, until);
  if (!pattern) return std::nullopt;
  out.pattern = *pattern;
  const auto days = series_days(out.pattern, most_instances);
  out.deleted = deleted_days(times, days);
  const auto uid = ical_text(times.event(), ICAL_UID_PROPERTY);
  for (auto* one : instances_of(times.calendar(), uid)) {
    auto* instance = icalcomponent_get_first_property(one, ICAL_RECURRENCEID_PROPERTY);
    auto original = times.minutes(instance);
    const auto day = original - original % minutes_of_a_day;
    if (!std::binary_search(days.begin(), days.end(), day)) continue;
    if (time_in(instance).is_date) original = day + out.start_offset;
    const auto its_span = times.span_of(one);
    if (equal_ignoring_ascii_case(ical_text(one, ICAL_STATUS_PROPERTY), "CANCELLED") || its_span.start.ticks == 0) out.deleted.push_back(day);
    else if (times.minutes(its_span.start) != 0) out.exceptions.push_back(exception_of(times, one, original, its_span));
  }
  return out;
}

std::int32_t ical_busy_status(icalcomponent* event, bool shown) {
  constexpr std::string_view words[] = {"free", "tentative", "busy", "oof", "workingelsewhere"};
  constexpr std::int32_t olFree = 0, olBusy = 2;
  const auto told = [&](std::string_view name) -> std::optional<std::int32_t> {
    const auto text = lower_ascii(ical_x_text(event, name));
    for (std::size_t i = 0; i < std::size(words); ++i)
      if (text == words[i]) return static_cast<std::int32_t>(i);
    return std::nullopt;
  };
  const auto intended = shown ? std::nullopt : told("X-MICROSOFT-CDO-INTENDEDSTATUS");
  const auto busy = intended ? intended : told("X-MICROSOFT-CDO-BUSYSTATUS");
  if (busy) return *busy;
  return equal_ignoring_ascii_case(ical_text(event, ICAL_TRANSP_PROPERTY), "TRANSPARENT") ? olFree : olBusy;
}

std::optional<std::int32_t> ical_reminder(icalcomponent* event) {
  constexpr int most = 60 * 24 * 365 * 2;
  auto* alarm = icalcomponent_get_first_component(event, ICAL_VALARM_COMPONENT);
  auto* property = alarm == nullptr ? nullptr : icalcomponent_get_first_property(alarm, ICAL_TRIGGER_PROPERTY);
  if (property == nullptr) return std::nullopt;
  const auto trigger = icalproperty_get_trigger(property);
  if (!icaltime_is_null_time(trigger.time)) return std::nullopt;
  const auto seconds = icaldurationtype_as_int(trigger.duration);
  if (seconds > 0 || seconds < -most * 60) return std::nullopt;
  return -(seconds / 60);
}

}  // namespace mapigate::convert
