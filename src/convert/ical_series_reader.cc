#include "convert/ical_series_reader.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>

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
    case ICAL_DATETIMEPERIOD_VALUE: return icalvalue_get_datetimeperiod(value).time;  // null for a period
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
  icalcomponent* found = nullptr;
  count = 0;
  for (auto* one = icalcomponent_get_first_component(calendar, ICAL_VTIMEZONE_COMPONENT); one != nullptr && count < max_time_zones;
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
  // .28 and .41: of clocks that show midnight; in UTC it may be the midnight of wherever the sender is.
  const auto may_be_days = [](icalproperty* property) {
    const auto when = property == nullptr ? icaltime_null_time() : time_in(property);
    return icaltime_is_null_time(when) || icaltime_is_utc(when) || (when.hour == 0 && when.minute == 0 && when.second == 0);
  };
  const bool called_days = equal_ignoring_ascii_case(ical_x_text(event, "X-MICROSOFT-CDO-ALLDAYEVENT"), "TRUE") ||
                           equal_ignoring_ascii_case(ical_x_text(event, "X-MICROSOFT-MSNCALENDAR-ALLDAYEVENT"), "TRUE");
  out.all_day = start.is_date || floating_days || (called_days && may_be_days(from) && may_be_days(to));
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

// 2.1.3.1.1.20.18: an instance that is gone on one day (EXDATE) and there on another (RDATE), with no other between the two, is one
// that was moved. Those for which none is gone are left out: no pattern has them.
std::vector<SeriesException> moved_instances(const EventTimes& times, const Series& series, const std::vector<std::uint32_t>& days) {
  std::vector<SeriesException> out;
  std::vector<std::uint32_t> gone = series.deleted;
  std::sort(gone.begin(), gone.end());
  const auto length = series.end_offset - series.start_offset;
  for (auto* one = icalcomponent_get_first_property(times.event(), ICAL_RDATE_PROPERTY); one != nullptr && out.size() < max_exceptions;
       one = icalcomponent_get_next_property(times.event(), ICAL_RDATE_PROPERTY)) {
    auto start = times.minutes(one);
    if (start == 0) continue;
    if (time_in(one).is_date) start += series.start_offset;
    const auto day = start - start % minutes_of_a_day;
    const auto after = std::lower_bound(days.begin(), days.end(), day);
    std::vector<std::uint32_t> neighbours;
    if (after != days.end()) neighbours.push_back(*after);
    if (after != days.begin()) neighbours.push_back(*std::prev(after));
    for (const auto original : neighbours) {
      const auto found = std::lower_bound(gone.begin(), gone.end(), original);
      if (found == gone.end() || *found != original) continue;
      gone.erase(found);
      SeriesException moved;
      moved.original = original + series.start_offset, moved.start = start, moved.end = start + length;
      out.push_back(std::move(moved));
      break;
    }
  }
  return out;
}

SeriesException exception_of(const EventTimes& times, icalcomponent* event, std::uint32_t original, const EventTimes::Span& span) {
  SeriesException out;
  out.original = original;
  out.start = times.minutes(span.start), out.end = std::max(times.minutes(span.end), out.start);
  const auto differs = [&](icalproperty_kind kind, std::optional<std::string>& to) {
    const auto text = ical_text(event, kind);
    if (icalcomponent_get_first_property(event, kind) != nullptr && text != ical_text(times.event(), kind)) to = utf8_prefix(text, max_exception_text);
  };
  differs(ICAL_SUMMARY_PROPERTY, out.subject);
  differs(ICAL_LOCATION_PROPERTY, out.location);
  if (span.all_day != times.span().all_day) out.all_day = span.all_day;
  const auto busy = ical_busy_status(event, false), usual = ical_busy_status(times.event(), false);
  if (busy != usual) out.busy_status = busy;
  const auto before = ical_reminder(event, span), usually = ical_reminder(times.event(), times.span());
  if (before.has_value() != usually.has_value()) out.reminder_set = before.has_value();
  if (before && before != usually) out.reminder_delta = static_cast<std::uint32_t>(*before);
  out.body = has_own_body(event, times.event());
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

// Whose programs take the last day of a month where it is too short, and mean that by a rule.
bool counts_as_outlook(icalcomponent* calendar) {
  const auto maker = lower_ascii(ical_text(calendar, ICAL_PRODID_PROPERTY));
  return maker.find("microsoft") != maker.npos || maker.find("mapigate") != maker.npos;
}

}  // namespace

bool has_own_body(icalcomponent* event, icalcomponent* series) {
  const auto text = ical_text(event, ICAL_DESCRIPTION_PROPERTY), html = ical_html(event);
  return (!text.empty() && text != ical_text(series, ICAL_DESCRIPTION_PROPERTY)) || (!html.empty() && html != ical_html(series));
}

std::optional<EventSeries> read_event_series(const EventTimes& times) {
  auto* property = icalcomponent_get_first_property(times.event(), ICAL_RRULE_PROPERTY);
  const auto start = times.local(ICAL_DTSTART_PROPERTY);
  const auto span = times.span();
  if (property == nullptr || !start || span.start.ticks == 0) return std::nullopt;
  if (icalcomponent_get_first_property(times.event(), ICAL_RECURRENCEID_PROPERTY) != nullptr) return std::nullopt;
  const auto rule = icalproperty_get_rrule(property);
  EventSeries found;
  auto& out = found.series;
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
  auto read = read_rule(rule, *start, until, !counts_as_outlook(times.calendar()));
  if (!read) return std::nullopt;
  out.pattern = read->pattern;
  const auto days = series_days(out.pattern, max_instances_searched);
  out.deleted = deleted_days(times, days);
  const auto moved = moved_instances(times, out, days);
  // Of several events of one instance the last counts.
  std::map<std::uint32_t, std::pair<SeriesException, icalcomponent*>> changed;
  for (const auto& one : moved) changed[one.original - one.original % minutes_of_a_day] = {one, nullptr};
  out.deleted.insert(out.deleted.end(), read->skipped.begin(), read->skipped.end());
  const auto uid = ical_text(times.event(), ICAL_UID_PROPERTY);
  for (auto* one : instances_of(times.calendar(), uid)) {
    auto* instance = icalcomponent_get_first_property(one, ICAL_RECURRENCEID_PROPERTY);
    auto original = times.minutes(instance);
    const auto day = original - original % minutes_of_a_day;
    if (!std::binary_search(days.begin(), days.end(), day)) continue;
    if (time_in(instance).is_date) original = day + out.start_offset;
    const auto its_span = times.span_of(one);
    if (equal_ignoring_ascii_case(ical_text(one, ICAL_STATUS_PROPERTY), "CANCELLED") || its_span.start.ticks == 0) out.deleted.push_back(day);
    else if (times.minutes(its_span.start) != 0) changed[day] = {exception_of(times, one, original, its_span), one};
  }
  for (auto& [day, one] : changed) {
    out.exceptions.push_back(std::move(one.first));
    found.instances.push_back(one.second);
  }
  return found;
}

std::int32_t ical_busy_status(icalcomponent* event, bool shown) {
  constexpr std::string_view words[] = {"free", "tentative", "busy", "oof", "workingelsewhere"};
  constexpr std::int32_t olFree = 0, olTentative = 1, olBusy = 2;
  const auto told = [&](std::string_view name) -> std::optional<std::int32_t> {
    for (const auto* from : {"X-MICROSOFT-CDO-", "X-MICROSOFT-MSNCALENDAR-"}) {
      const auto text = lower_ascii(ical_x_text(event, from + std::string(name)));
      for (std::size_t i = 0; i < std::size(words); ++i)
        if (text == words[i]) return static_cast<std::int32_t>(i);
    }
    return std::nullopt;
  };
  const auto intended = shown ? std::nullopt : told("INTENDEDSTATUS");
  const auto busy = intended ? intended : told("BUSYSTATUS");
  if (busy) return *busy;
  if (const auto transparent = ical_text(event, ICAL_TRANSP_PROPERTY); !transparent.empty())
    return equal_ignoring_ascii_case(transparent, "TRANSPARENT") ? olFree : olBusy;
  return equal_ignoring_ascii_case(ical_text(event, ICAL_STATUS_PROPERTY), "TENTATIVE") ? olTentative : olBusy;
}

std::optional<std::int32_t> ical_reminder(icalcomponent* event, const EventTimes::Span& span) {
  constexpr std::int32_t usual = 15, usual_for_days = 18 * 60;
  auto* alarm = icalcomponent_get_first_component(event, ICAL_VALARM_COMPONENT);
  if (alarm == nullptr) return std::nullopt;
  const auto otherwise = span.all_day ? usual_for_days : usual;
  auto* property = icalcomponent_get_first_property(alarm, ICAL_TRIGGER_PROPERTY);
  if (property == nullptr) return otherwise;
  const auto trigger = icalproperty_get_trigger(property);
  std::int64_t seconds = 0;
  if (!icaltime_is_null_time(trigger.time)) {
    const auto when = ical_file_time(trigger.time);
    if (when.ticks == 0 || span.start.ticks == 0 || when > span.start) return otherwise;
    seconds = to_unix(span.start) - to_unix(when);
  } else {
    auto* related = icalproperty_get_first_parameter(property, ICAL_RELATED_PARAMETER);
    const bool at_end = related != nullptr && icalparameter_get_related(related) == ICAL_RELATED_END;
    if (at_end || icaldurationtype_is_bad_duration(trigger.duration)) return otherwise;
    seconds = std::abs(std::int64_t{icaldurationtype_as_int(trigger.duration)});
  }
  return seconds / 60 > max_reminder_minutes ? otherwise : static_cast<std::int32_t>(seconds / 60);
}

}  // namespace mapigate::convert
