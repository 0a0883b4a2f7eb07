#include "wire/ews/time_zone.h"

#include <unicode/basictz.h>
#include <unicode/timezone.h>
#include <unicode/tzrule.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <memory>

#include "wire/ews/xml.h"

namespace mapigate::wire::ews {

using namespace std::chrono;

namespace {

constexpr std::array<std::string_view, 7> days{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

int year_of(std::int64_t seconds_since) {
  return static_cast<int>(year_month_day(floor<std::chrono::days>(sys_seconds(seconds(seconds_since)))).year());
}

// The local second at which it begins in that year.
std::int64_t begins(const SerializableTimeZoneTime& when, int in_year) {
  const year y(when.Year != 0 ? when.Year : in_year);
  const month m(static_cast<unsigned>(when.Month));
  sys_days day;
  if (when.Year != 0) {
    const year_month_day exact(y, m, std::chrono::day(static_cast<unsigned>(when.DayOrder)));
    day = exact.ok() ? sys_days(exact) : sys_days(y / m / last);
  } else if (when.DayOrder >= 5) {
    day = sys_days(y / m / weekday(static_cast<unsigned>(when.DayOfWeek))[last]);
  } else {
    day = sys_days(y / m / weekday(static_cast<unsigned>(when.DayOfWeek))[static_cast<unsigned>(when.DayOrder)]);
  }
  return day.time_since_epoch().count() * std::int64_t{86400} + when.Time;
}

Result<SerializableTimeZoneTime> read_time(const pugi::xml_node& node) {
  SerializableTimeZoneTime out;
  const auto bias = integer(text(node, "Bias")), order = integer(text(node, "DayOrder")), month_number = integer(text(node, "Month"));
  if (!bias || !order || !month_number) return error(Errc::malformed, "time zone");
  out.Bias = *bias;
  out.DayOrder = *order;
  out.Month = *month_number;
  int hour = 0, minute = 0, second = 0;
  if (std::sscanf(std::string(text(node, "Time")).c_str(), "%2d:%2d:%2d", &hour, &minute, &second) < 2)
    return error(Errc::malformed, "time zone: Time");
  out.Time = hour * 3600 + minute * 60 + second;
  out.DayOfWeek = std::max(0, day_number(text(node, "DayOfWeek")));
  if (const auto in = text(node, "Year"); !in.empty()) out.Year = integer(in).value_or(0);
  const bool sane = std::abs(out.Bias) <= 1440 && out.Month >= 0 && out.Month <= 12 && out.Time >= 0 && out.Time < 86400 &&
                    (out.Year == 0 || (out.Year >= 1601 && out.Year <= 9999)) &&
                    (out.Month == 0 || (out.DayOrder >= 1 && out.DayOrder <= (out.Year != 0 ? 31 : 5)));
  if (!sane) return error(Errc::malformed, "time zone");
  return out;
}

void write_time(pugi::xml_node node, const SerializableTimeZoneTime& value) {
  add(node, "t:Bias", value.Bias);
  add(node, "t:Time", fmt::format("{:02}:{:02}:{:02}", value.Time / 3600, value.Time / 60 % 60, value.Time % 60));
  add(node, "t:DayOrder", value.DayOrder);
  add(node, "t:Month", value.Month);
  add(node, "t:DayOfWeek", day_name(value.DayOfWeek));
  if (value.Year != 0) add(node, "t:Year", value.Year);
}

// What ICU knows of a transition in our form; DayOrder and DayOfWeek where it can be told so.
SerializableTimeZoneTime from_rule(const icu::AnnualTimeZoneRule& rule, int base_minutes, int previous_offset, int in_year) {
  SerializableTimeZoneTime out;
  out.Bias = base_minutes - (rule.getRawOffset() + rule.getDSTSavings()) / 60000;
  // The start as ICU computes it, in local time before the transition: rules come in forms that have no counterpart here.
  // Rules that ICU gives out begin with the next transition, which may be in the next year.
  UDate start = 0;
  if (!rule.getStartInYear(in_year, previous_offset, 0, start) && !rule.getStartInYear(in_year + 1, previous_offset, 0, start)) return {};
  const auto local = static_cast<std::int64_t>(start / 1000) + previous_offset / 1000;
  const auto day = floor<std::chrono::days>(sys_seconds(seconds(local)));
  const year_month_day date(day);
  const auto number = static_cast<unsigned>(date.day());
  const bool is_last = static_cast<unsigned>((date.year() / date.month() / last).day()) - number < 7;
  const auto* how = rule.getRule();
  const bool from_end = how->getDateRuleType() == icu::DateTimeRule::DOW ? how->getRuleWeekInMonth() < 0 : is_last && number > 28;
  out.Month = static_cast<int>(static_cast<unsigned>(date.month()));
  out.DayOrder = from_end || (is_last && number > 28) ? 5 : static_cast<int>((number - 1) / 7 + 1);
  out.DayOfWeek = static_cast<int>(weekday(day).c_encoding());
  out.Time = static_cast<int>(local - day.time_since_epoch().count() * std::int64_t{86400});
  return out;
}

}  // namespace

std::string_view day_name(int day_of_week) { return days[static_cast<std::size_t>(day_of_week) % 7]; }

int day_number(std::string_view name) {
  for (std::size_t i = 0; i < days.size(); ++i)
    if (name == days[i]) return static_cast<int>(i);
  return -1;
}

bool SerializableTimeZone::is_daylight(std::int64_t utc) const {
  if (!has_daylight()) return false;
  const auto standard = (Bias + StandardTime.Bias) * std::int64_t{60}, daylight = (Bias + DaylightTime.Bias) * std::int64_t{60};
  const auto in_year = year_of(utc - standard);
  const auto start = begins(DaylightTime, in_year) + standard, end = begins(StandardTime, in_year) + daylight;
  return start < end ? start <= utc && utc < end : !(end <= utc && utc < start);
}

std::int64_t SerializableTimeZone::to_local(std::int64_t utc) const {
  return utc - (Bias + (is_daylight(utc) ? DaylightTime.Bias : StandardTime.Bias)) * std::int64_t{60};
}

std::int64_t SerializableTimeZone::to_utc(std::int64_t local) const {
  const auto as_daylight = local + (Bias + DaylightTime.Bias) * std::int64_t{60};
  if (has_daylight() && is_daylight(as_daylight)) return as_daylight;
  return local + (Bias + StandardTime.Bias) * std::int64_t{60};
}

Result<SerializableTimeZone> read_time_zone(const pugi::xml_node& node) {
  SerializableTimeZone out;
  const auto bias = integer(text(node, "Bias"));
  if (!bias || std::abs(*bias) > 1440) return error(Errc::malformed, "time zone: Bias");
  out.Bias = *bias;
  auto standard = read_time(child(node, "StandardTime")), daylight = read_time(child(node, "DaylightTime"));
  if (!standard) return standard.error();
  if (!daylight) return daylight.error();
  out.StandardTime = *standard;
  out.DaylightTime = *daylight;
  return out;
}

void write_time_zone(pugi::xml_node node, const SerializableTimeZone& zone) {
  add(node, "t:Bias", zone.Bias);
  write_time(node.append_child("t:StandardTime"), zone.StandardTime);
  write_time(node.append_child("t:DaylightTime"), zone.DaylightTime);
}

Result<SerializableTimeZone> time_zone_named(std::string_view name, std::int64_t when) {
  const auto wanted = icu::UnicodeString::fromUTF8(icu::StringPiece(name.data(), static_cast<int>(name.size())));
  UErrorCode status = U_ZERO_ERROR;
  icu::UnicodeString id;
  icu::TimeZone::getIDForWindowsID(wanted, nullptr, id, status);
  std::unique_ptr<icu::TimeZone> zone(icu::TimeZone::createTimeZone(U_SUCCESS(status) && !id.isEmpty() ? id : wanted));
  icu::UnicodeString found;
  if (!zone || zone->getID(found) == icu::UnicodeString(UCAL_UNKNOWN_ZONE_ID)) return error(Errc::not_found, "no time zone \"{}\"", name);
  SerializableTimeZone out;
  status = U_ZERO_ERROR;
  int32_t raw = 0, savings = 0;
  zone->getOffset(static_cast<UDate>(when) * 1000, false, raw, savings, status);
  if (U_FAILURE(status)) return error(Errc::not_found, "no rules of the time zone \"{}\"", name);
  out.Bias = -raw / 60000;
  const auto* basic = dynamic_cast<const icu::BasicTimeZone*>(zone.get());
  if (basic == nullptr) return out;
  icu::InitialTimeZoneRule* initial = nullptr;
  icu::AnnualTimeZoneRule *standard = nullptr, *daylight = nullptr;
  basic->getSimpleRulesNear(static_cast<UDate>(when) * 1000, initial, standard, daylight, status);
  const std::unique_ptr<icu::InitialTimeZoneRule> keep_initial(initial);
  const std::unique_ptr<icu::AnnualTimeZoneRule> keep_standard(standard), keep_daylight(daylight);
  if (U_FAILURE(status) || standard == nullptr || daylight == nullptr) {
    out.Bias = -(raw + savings) / 60000;
    return out;
  }
  out.Bias = -standard->getRawOffset() / 60000;
  const auto in_year = year_of(when);
  out.StandardTime = from_rule(*standard, -out.Bias, daylight->getRawOffset() + daylight->getDSTSavings(), in_year);
  out.DaylightTime = from_rule(*daylight, -out.Bias, standard->getRawOffset() + standard->getDSTSavings(), in_year);
  return out;
}

}  // namespace mapigate::wire::ews
