#include "convert/ical_time_zone.h"

#include <unicode/timezone.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "base/text.h"
#include "convert/ical_limits.h"
#include "convert/ical_lines.h"
#include "convert/ical_support.h"
#include "wire/blobs/blob.h"
#include "wire/ews/time_zone.h"

namespace mapigate::convert {

using wire::blobs::SystemTime;
using wire::blobs::TimeZoneDefinition;
using wire::blobs::TimeZoneStruct;
using wire::blobs::TZRule;

namespace {

constexpr std::int32_t most_minutes = 24 * 60;

wire::ews::SerializableTimeZoneTime change_of(const SystemTime& when, std::int32_t bias) {
  wire::ews::SerializableTimeZoneTime out;
  out.Bias = bias;
  out.Time = when.wHour * 3600 + when.wMinute * 60 + when.wSecond;
  out.DayOrder = when.wDay, out.Month = when.wMonth, out.DayOfWeek = when.wDayOfWeek, out.Year = when.wYear;
  return out;
}
wire::ews::SerializableTimeZone clock_of(const TimeZoneStruct& rules) {
  return {rules.lBias, change_of(rules.stStandardDate, rules.lStandardBias), change_of(rules.stDaylightDate, rules.lDaylightBias)};
}

SystemTime from_change(const wire::ews::SerializableTimeZoneTime& from) {
  SystemTime out;
  out.wMonth = static_cast<std::uint16_t>(from.Month), out.wDay = static_cast<std::uint16_t>(from.DayOrder);
  out.wDayOfWeek = static_cast<std::uint16_t>(from.DayOfWeek);
  out.wHour = static_cast<std::uint16_t>(from.Time / 3600), out.wMinute = static_cast<std::uint16_t>(from.Time / 60 % 60);
  out.wSecond = static_cast<std::uint16_t>(from.Time % 60);
  return out;
}

bool is_sound(const SystemTime& when) {
  if (when.wMonth == 0) return true;
  const unsigned most_day = when.wYear == 0 ? 5 : 31;
  return when.wMonth <= 12 && when.wDay >= 1 && when.wDay <= most_day && when.wDayOfWeek <= 6 && when.wHour < 24 && when.wMinute < 60 &&
         when.wSecond < 60 && (when.wYear == 0 || (when.wYear >= 1601 && when.wYear <= 4500));
}
bool is_sound(const TimeZoneStruct& rules) {
  for (const auto minutes : {rules.lBias, rules.lStandardBias, rules.lDaylightBias})
    if (minutes < -most_minutes || minutes > most_minutes) return false;
  return is_sound(rules.stStandardDate) && is_sound(rules.stDaylightDate);
}

// The name that Windows has for the zone: Outlook shows no others.
std::string windows_name(const std::string& name) {
  UErrorCode status = U_ZERO_ERROR;
  icu::UnicodeString found;
  icu::TimeZone::getWindowsID(icu::UnicodeString::fromUTF8(name), found, status);
  if (U_FAILURE(status) || found.isEmpty()) return name;
  std::string out;
  found.toUTF8String(out);
  return out;
}

// One STANDARD or DAYLIGHT component.
struct Observance {
  icaltimetype start = icaltime_null_time();
  std::int32_t minutes = 0;  // from UTC
  bool repeats = false;
  icalrecurrencetype rule{};
};

std::optional<Observance> observance_in(icalcomponent* component) {
  Observance out;
  auto* offset = icalcomponent_get_first_property(component, ICAL_TZOFFSETTO_PROPERTY);
  auto* start = icalcomponent_get_first_property(component, ICAL_DTSTART_PROPERTY);
  if (offset == nullptr || start == nullptr) return std::nullopt;
  out.minutes = icalproperty_get_tzoffsetto(offset) / 60;
  if (std::abs(out.minutes) > most_minutes) return std::nullopt;
  out.start = icalproperty_get_dtstart(start);
  if (auto* rule = icalcomponent_get_first_property(component, ICAL_RRULE_PROPERTY)) {
    out.rule = icalproperty_get_rrule(rule);
    out.repeats = out.rule.freq == ICAL_YEARLY_RECURRENCE;
  }
  return out;
}

// The one that holds in the year: that which began last and has not ended.
std::optional<Observance> observance_of(icalcomponent* zone, icalcomponent_kind kind, int year) {
  std::optional<Observance> best;
  std::size_t seen = 0;
  for (auto* one = icalcomponent_get_first_component(zone, kind); one != nullptr && seen < max_observances;
       one = icalcomponent_get_next_component(zone, kind), ++seen) {
    const auto found = observance_in(one);
    if (!found || found->start.year > year) continue;
    if (found->repeats && !icaltime_is_null_time(found->rule.until) && found->rule.until.year < year) continue;
    if (!best || icaltime_compare(found->start, best->start) > 0) best = found;
  }
  return best;
}

// 2.1.3.1.1.19.2.1 and .2: which day of the week of which month; none where the rule says something else.
std::optional<SystemTime> change_at(const Observance& one) {
  const auto& rule = one.rule;
  constexpr auto none = ICAL_RECURRENCE_ARRAY_MAX;
  if (!one.repeats || rule.interval > 1 || rule.by_day[0] == none || rule.by_day[1] != none) return std::nullopt;
  const auto weekday = icalrecurrencetype_day_day_of_week(rule.by_day[0]);
  auto order = icalrecurrencetype_day_position(rule.by_day[0]);
  // "The Sunday that is one of these days."
  if (order == 0 && rule.by_month_day[0] != none) {
    const int first = *std::min_element(rule.by_month_day, std::find(std::begin(rule.by_month_day), std::end(rule.by_month_day), none));
    order = first < 0 || first > 22 ? -1 : (first - 1) / 7 + 1;
  } else if (order == 0 && rule.by_set_pos[0] != none) {
    order = rule.by_set_pos[0];
  }
  const int month = rule.by_month[0] == none ? one.start.month : icalrecurrencetype_month_month(rule.by_month[0]);
  if (weekday == ICAL_NO_WEEKDAY || month < 1 || month > 12 || order == 0 || order > 5 || order < -1) return std::nullopt;
  SystemTime out;
  out.wMonth = static_cast<std::uint16_t>(month);
  out.wDayOfWeek = static_cast<std::uint16_t>(weekday - ICAL_SUNDAY_WEEKDAY);
  out.wDay = static_cast<std::uint16_t>(order == -1 ? 5 : order);
  out.wHour = static_cast<std::uint16_t>(std::clamp(one.start.hour, 0, 23));
  out.wMinute = static_cast<std::uint16_t>(std::clamp(one.start.minute, 0, 59));
  out.wSecond = static_cast<std::uint16_t>(std::clamp(one.start.second, 0, 59));
  return out;
}

std::string offset_text(std::int32_t bias) {
  const auto minutes = -bias;
  return fmt::format("{}{:02}{:02}", minutes < 0 ? '-' : '+', std::abs(minutes) / 60, std::abs(minutes) % 60);
}

std::string observance_text(std::string_view kind, const SystemTime& when, std::int32_t from, std::int32_t to) {
  const auto clock = fmt::format("T{:02}{:02}{:02}", when.wHour, when.wMinute, when.wSecond);
  std::string out = fmt::format("BEGIN:{}\r\n", kind);
  if (when.wMonth == 0) out += "DTSTART:16010101T000000\r\n";
  else if (when.wYear != 0) out += fmt::format("DTSTART:{:04}{:02}{:02}{}\r\n", when.wYear, when.wMonth, when.wDay, clock);
  else out += "DTSTART:16010101" + clock + "\r\n";
  out += fmt::format("TZOFFSETFROM:{}\r\nTZOFFSETTO:{}\r\n", offset_text(from), offset_text(to));
  if (when.wMonth != 0 && when.wYear == 0)
    out += fmt::format("RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY={}{};BYMONTH={}\r\n", when.wDay == 5 ? -1 : when.wDay, ical_weekday(when.wDayOfWeek), when.wMonth);
  return out + fmt::format("END:{}\r\n", kind);
}

}  // namespace

std::int64_t CalendarZone::to_local(std::int64_t utc) const { return clock_of(rules).to_local(utc); }
std::int64_t CalendarZone::to_utc(std::int64_t local) const { return clock_of(rules).to_utc(local); }

CalendarZone utc_zone() { return {"UTC", {}}; }

std::optional<CalendarZone> known_zone(std::string_view name, std::int64_t when) {
  if (name.empty() || name.size() > max_zone_name) return std::nullopt;
  const auto found = wire::ews::time_zone_named(name, when);
  if (!found) return std::nullopt;
  CalendarZone out{std::string(name), {}};
  out.rules.lBias = found->Bias;
  if (found->has_daylight()) {
    out.rules.lStandardBias = found->StandardTime.Bias, out.rules.lDaylightBias = found->DaylightTime.Bias;
    out.rules.stStandardDate = from_change(found->StandardTime), out.rules.stDaylightDate = from_change(found->DaylightTime);
  }
  return is_sound(out.rules) ? std::optional(out) : std::nullopt;
}

std::optional<CalendarZone> read_time_zone(icalcomponent* component, int year) {
  CalendarZone out{std::string(utf8_prefix(ical_text(component, ICAL_TZID_PROPERTY), max_zone_name)), {}};
  auto standard = observance_of(component, ICAL_XSTANDARD_COMPONENT, year);
  auto daylight = observance_of(component, ICAL_XDAYLIGHT_COMPONENT, year);
  if (!standard) standard = std::exchange(daylight, std::nullopt);
  if (!standard || out.name.empty()) return std::nullopt;
  out.rules.lBias = -standard->minutes;
  if (!daylight) return out;
  const auto back = change_at(*standard), forth = change_at(*daylight);
  if (!back || !forth) {
    // Without a rule for both the one that began last is all there is.
    if (!daylight->repeats && icaltime_compare(daylight->start, standard->start) > 0) out.rules.lBias = -daylight->minutes;
    return out;
  }
  out.rules.lDaylightBias = -daylight->minutes - out.rules.lBias;
  out.rules.stStandardDate = *back, out.rules.stDaylightDate = *forth;
  return out;
}

Bytes time_zone_struct(const CalendarZone& zone) {
  auto rules = zone.rules;
  rules.wStandardYear = rules.stStandardDate.wYear, rules.wDaylightYear = rules.stDaylightDate.wYear;
  return wire::blobs::encode_blob(rules).value();
}

Bytes time_zone_definition(const CalendarZone& zone, bool of_series) {
  constexpr std::uint16_t from_the_beginning = 1601;
  Arena arena;
  TZRule rule;
  rule.wTZRuleFlags = TZRule::TZRULE_FLAG_EFFECTIVE_TZREG;
  if (of_series) rule.wTZRuleFlags |= TZRule::TZRULE_FLAG_RECUR_CURRENT_TZREG;
  rule.wYear = from_the_beginning;
  rule.lBias = zone.rules.lBias, rule.lStandardBias = zone.rules.lStandardBias, rule.lDaylightBias = zone.rules.lDaylightBias;
  rule.stStandardDate = zone.rules.stStandardDate, rule.stDaylightDate = zone.rules.stDaylightDate;
  TimeZoneDefinition out;
  out.KeyName = to_utf16(arena, windows_name(zone.name));
  out.TZRules = {&rule, 1};
  out.set_header();
  return wire::blobs::encode_blob(out).value();
}

std::optional<CalendarZone> zone_of_struct(View value, std::string name) {
  Arena arena;
  const auto decoded = wire::blobs::decode_blob<TimeZoneStruct>(value, arena);
  if (!decoded || !is_sound(decoded->value)) return std::nullopt;
  return CalendarZone{std::move(name), decoded->value};
}

std::optional<CalendarZone> zone_of_definition(View value) {
  Arena arena;
  const auto decoded = wire::blobs::decode_blob<TimeZoneDefinition>(value, arena);
  if (!decoded || decoded->value.TZRules.empty()) return std::nullopt;
  const auto rules = decoded->value.TZRules;
  const auto effective = std::find_if(rules.begin(), rules.end(), [](const auto& one) { return (one.wTZRuleFlags & TZRule::TZRULE_FLAG_EFFECTIVE_TZREG) != 0; });
  const auto& rule = effective == rules.end() ? rules.back() : *effective;
  CalendarZone out{to_utf8(decoded->value.KeyName), {}};
  out.rules.lBias = rule.lBias, out.rules.lStandardBias = rule.lStandardBias, out.rules.lDaylightBias = rule.lDaylightBias;
  out.rules.stStandardDate = rule.stStandardDate, out.rules.stDaylightDate = rule.stDaylightDate;
  return is_sound(out.rules) ? std::optional(out) : std::nullopt;
}

std::string write_time_zone(const CalendarZone& zone) {
  const auto& rules = zone.rules;
  const auto standard = rules.lBias + rules.lStandardBias;
  std::string out = "BEGIN:VTIMEZONE\r\n" + ical_line("TZID:" + ical_escape(zone.name));
  if (zone.has_daylight()) {
    const auto daylight = rules.lBias + rules.lDaylightBias;
    out += observance_text("STANDARD", rules.stStandardDate, daylight, standard);
    out += observance_text("DAYLIGHT", rules.stDaylightDate, standard, daylight);
  } else {
    out += observance_text("STANDARD", {}, standard, standard);
  }
  return out + "END:VTIMEZONE\r\n";
}

}  // namespace mapigate::convert
