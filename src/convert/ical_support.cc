#include "convert/ical_support.h"

#include <chrono>
#include <limits>

#include "base/text.h"

namespace mapigate::convert {

std::mutex& ical_mutex() {
  static std::mutex one_at_a_time;
  return one_at_a_time;
}

IcalCalendar parse_ical(std::string_view utf8) {
  icalerror_set_errors_are_fatal(0);
  IcalCalendar out;
  out.root.reset(icalparser_parse_string(std::string(utf8).c_str()));
  if (!out.root) return out;
  out.calendar = icalcomponent_isa(out.root.get()) == ICAL_VCALENDAR_COMPONENT
                     ? out.root.get()
                     : icalcomponent_get_first_component(out.root.get(), ICAL_VCALENDAR_COMPONENT);
  return out;
}

namespace {

std::string text_of(icalproperty* property) {
  auto* value = property == nullptr ? nullptr : icalproperty_get_value(property);
  if (value == nullptr) return {};
  const char* text = nullptr;
  switch (icalvalue_isa(value)) {
    case ICAL_TEXT_VALUE: text = icalvalue_get_text(value); break;
    case ICAL_X_VALUE: text = icalvalue_get_x(value); break;
    default: text = icalvalue_as_ical_string(value); break;
  }
  return text == nullptr ? std::string() : text;
}

}  // namespace

std::string ical_text(icalcomponent* of, icalproperty_kind kind) { return text_of(icalcomponent_get_first_property(of, kind)); }

std::string ical_x_text(icalproperty* property) { return std::string(trim(text_of(property))); }

std::string ical_x_text(icalcomponent* of, std::string_view name) {
  for (auto* property = icalcomponent_get_first_property(of, ICAL_X_PROPERTY); property != nullptr;
       property = icalcomponent_get_next_property(of, ICAL_X_PROPERTY)) {
    const char* its_name = icalproperty_get_x_name(property);
    if (its_name != nullptr && equal_ignoring_ascii_case(its_name, name)) return ical_x_text(property);
  }
  return {};
}

std::string ical_html(icalcomponent* of) {
  for (auto* property = icalcomponent_get_first_property(of, ICAL_X_PROPERTY); property != nullptr;
       property = icalcomponent_get_next_property(of, ICAL_X_PROPERTY)) {
    const char* name = icalproperty_get_x_name(property);
    if (name == nullptr || !equal_ignoring_ascii_case(name, "X-ALT-DESC")) continue;
    auto* type = icalproperty_get_first_parameter(property, ICAL_FMTTYPE_PARAMETER);
    const char* word = type == nullptr ? nullptr : icalparameter_get_fmttype(type);
    if (word != nullptr && equal_ignoring_ascii_case(word, "text/html")) return text_of(property);
  }
  return {};
}

icaltimetype ical_datetime(icalcomponent* of, icalproperty_kind kind) {
  auto* property = icalcomponent_get_first_property(of, kind);
  return property == nullptr ? icaltime_null_time() : icalproperty_get_datetime_with_component(property, of);
}

std::int64_t ical_seconds(icaltimetype when) {
  using namespace std::chrono;
  if (icaltime_is_null_time(when) || when.year < 1601 || when.year > 4500) return std::numeric_limits<std::int64_t>::min() / 2;
  const year_month_day date{year(when.year), month(static_cast<unsigned>(when.month)), day(static_cast<unsigned>(when.day))};
  const auto days = sys_days(date).time_since_epoch().count();
  const int of_day = when.is_date ? 0 : when.hour * 3600 + when.minute * 60 + when.second;
  return static_cast<std::int64_t>(days) * 86400 + of_day;
}

FileTime ical_file_time(icaltimetype when) {
  if (icaltime_is_null_time(when) || when.year < 1601 || when.year > 4500) return {};
  const auto* utc = icaltimezone_get_utc_timezone();
  const auto* zone = icaltime_is_utc(when) || when.is_date || when.zone == nullptr ? utc : when.zone;
  when.is_date = 0;
  return from_unix(icaltime_as_timet_with_zone(when, const_cast<icaltimezone*>(zone)));
}

}  // namespace mapigate::convert
