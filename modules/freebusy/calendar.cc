#include "calendar.h"

#include <libical/ical.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "base/text.h"
#include "convert/ical_support.h"

namespace mapigate::freebusy {

using wire::ews::BusyType;
using wire::ews::CalendarEvent;
using wire::ews::CalendarEventDetails;

namespace {

struct FreeComponent {
  void operator()(icalcomponent* component) const { icalcomponent_free(component); }
};
struct FreeIterator {
  void operator()(icalrecur_iterator* iterator) const { icalrecur_iterator_free(iterator); }
};

icalcomponent* first(icalcomponent* parent, icalcomponent_kind kind) { return icalcomponent_get_first_component(parent, kind); }
icalcomponent* next(icalcomponent* parent, icalcomponent_kind kind) { return icalcomponent_get_next_component(parent, kind); }
icalproperty* first(icalcomponent* of, icalproperty_kind kind) { return icalcomponent_get_first_property(of, kind); }
icalproperty* next(icalcomponent* of, icalproperty_kind kind) { return icalcomponent_get_next_property(of, kind); }

std::string value_of(icalcomponent* of, icalproperty_kind kind) {
  auto* property = first(of, kind);
  const char* text = property != nullptr ? icalproperty_get_value_as_string(property) : nullptr;
  return text != nullptr ? text : "";
}

class Reader {
 public:
  Reader(const Reading& how, std::vector<CalendarEvent>& out) : how_(how), out_(out) {
    zone_ = how.time_zone.empty() ? nullptr : icaltimezone_get_builtin_timezone(how.time_zone.c_str());
    if (zone_ == nullptr) zone_ = icaltimezone_get_utc_timezone();
  }

  Status read(icalcomponent* root) {
    if (icalcomponent_isa(root) == ICAL_VCALENDAR_COMPONENT) return calendar(root);
    bool any = false;
    for (auto* inner = first(root, ICAL_VCALENDAR_COMPONENT); inner != nullptr; inner = next(root, ICAL_VCALENDAR_COMPONENT)) {
      any = true;
      if (auto done = calendar(inner); !done) return done;
    }
    if (!any) return error(Errc::malformed, "no calendar");
    return {};
  }

 private:
  Status calendar(icalcomponent* root) {
    for (auto* one = first(root, ICAL_VFREEBUSY_COMPONENT); one != nullptr; one = next(root, ICAL_VFREEBUSY_COMPONENT))
      if (auto done = free_busy(one); !done) return done;
    overrides_.clear();
    std::vector<icalcomponent*> events;
    for (auto* one = first(root, ICAL_VEVENT_COMPONENT); one != nullptr; one = next(root, ICAL_VEVENT_COMPONENT)) {
      events.push_back(one);
      if (auto* instance = first(one, ICAL_RECURRENCEID_PROPERTY); instance != nullptr)
        overrides_[value_of(one, ICAL_UID_PROPERTY)].insert(seconds(icalproperty_get_datetime_with_component(instance, one)));
    }
    for (auto* one : events)
      if (auto done = event(one); !done) return done;
    return {};
  }

  // What a VFREEBUSY says nothing about is not free.
  Status uncovered(std::int64_t start, std::int64_t end) {
    CalendarEvent unknown;
    unknown.StartTime = start;
    unknown.EndTime = end;
    unknown.Type = BusyType::NoData;
    return add(std::move(unknown));
  }

  Status free_busy(icalcomponent* component) {
    const auto from = icalcomponent_get_dtstart(component), to = icalcomponent_get_dtend(component);
    if (!icaltime_is_null_time(from) && !icaltime_is_null_time(to)) {
      if (auto done = uncovered(how_.start, std::min(seconds(from), how_.end)); !done) return done;
      if (auto done = uncovered(std::max(seconds(to), how_.start), how_.end); !done) return done;
    }
    for (auto* property = first(component, ICAL_FREEBUSY_PROPERTY); property != nullptr; property = next(component, ICAL_FREEBUSY_PROPERTY)) {
      auto* parameter = icalproperty_get_first_parameter(property, ICAL_FBTYPE_PARAMETER);
      const auto kind = parameter != nullptr ? icalparameter_get_fbtype(parameter) : ICAL_FBTYPE_BUSY;
      if (kind == ICAL_FBTYPE_FREE) continue;
      const auto period = icalproperty_get_freebusy(property);
      CalendarEvent found;
      found.StartTime = seconds(period.start);
      found.EndTime = icaltime_is_null_time(period.end) ? found.StartTime + icaldurationtype_as_int(period.duration) : seconds(period.end);
      found.Type = kind == ICAL_FBTYPE_BUSYTENTATIVE     ? BusyType::Tentative
                   : kind == ICAL_FBTYPE_BUSYUNAVAILABLE ? BusyType::OOF
                                                         : BusyType::Busy;
      if (auto done = add(std::move(found)); !done) return done;
    }
    return {};
  }

  // A DATE is the midnight at which it begins.
  std::int64_t seconds(icaltimetype when) const {
    if (icaltime_is_null_time(when)) return 0;
    const auto* zone = icaltime_is_utc(when) ? icaltimezone_get_utc_timezone() : when.zone != nullptr && !when.is_date ? when.zone : zone_;
    when.is_date = 0;
    return icaltime_as_timet_with_zone(when, const_cast<icaltimezone*>(zone));
  }

  BusyType type_of(icalcomponent* component) const {
    auto type = BusyType::Busy;
    if (lower_ascii(value_of(component, ICAL_TRANSP_PROPERTY)) == "transparent") type = BusyType::Free;
    const auto status = lower_ascii(value_of(component, ICAL_STATUS_PROPERTY));
    if (status == "cancelled") return BusyType::Free;
    if (status == "tentative") type = BusyType::Tentative;
    for (auto* property = first(component, ICAL_X_PROPERTY); property != nullptr; property = next(component, ICAL_X_PROPERTY)) {
      const char* name = icalproperty_get_x_name(property);
      if (name == nullptr || !equal_ignoring_ascii_case(name, "X-MICROSOFT-CDO-BUSYSTATUS")) continue;
      const char* text = icalproperty_get_value_as_string(property);
      const auto value = lower_ascii(text != nullptr ? text : "");
      if (value == "free") type = BusyType::Free;
      if (value == "tentative") type = BusyType::Tentative;
      if (value == "busy") type = BusyType::Busy;
      if (value == "oof") type = BusyType::OOF;
      if (value == "workingelsewhere") type = BusyType::WorkingElsewhere;
    }
    for (auto* property = first(component, ICAL_ATTENDEE_PROPERTY); property != nullptr; property = next(component, ICAL_ATTENDEE_PROPERTY)) {
      const char* attendee = icalproperty_get_attendee(property);
      if (attendee == nullptr || lower_ascii(attendee) != "mailto:" + how_.owner) continue;
      auto* parameter = icalproperty_get_first_parameter(property, ICAL_PARTSTAT_PARAMETER);
      const auto answer = parameter != nullptr ? icalparameter_get_partstat(parameter) : ICAL_PARTSTAT_NEEDSACTION;
      if (answer == ICAL_PARTSTAT_DECLINED) return BusyType::Free;
      if (type == BusyType::Busy && (answer == ICAL_PARTSTAT_TENTATIVE || answer == ICAL_PARTSTAT_NEEDSACTION)) type = BusyType::Tentative;
    }
    return type;
  }

  CalendarEventDetails details_of(icalcomponent* component) const {
    CalendarEventDetails out;
    const auto privacy = lower_ascii(value_of(component, ICAL_CLASS_PROPERTY));
    out.IsPrivate = privacy == "private" || privacy == "confidential";
    out.IsMeeting = first(component, ICAL_ATTENDEE_PROPERTY) != nullptr;
    out.IsException = first(component, ICAL_RECURRENCEID_PROPERTY) != nullptr;
    out.IsRecurring = out.IsException || first(component, ICAL_RRULE_PROPERTY) != nullptr || first(component, ICAL_RDATE_PROPERTY) != nullptr;
    out.IsReminderSet = first(component, ICAL_VALARM_COMPONENT) != nullptr;
    if (out.IsPrivate && !how_.is_owner) return out;
    const char* summary = icalcomponent_get_summary(component);
    const char* location = icalcomponent_get_location(component);
    if (summary != nullptr) out.Subject = summary;
    if (location != nullptr) out.Location = location;
    return out;
  }

  Status event(icalcomponent* component) {
    CalendarEvent pattern;
    pattern.Type = type_of(component);
    if (pattern.Type == BusyType::Free) return {};
    const auto start = icalcomponent_get_dtstart(component);
    if (icaltime_is_null_time(start) || !icaltime_is_valid_time(start)) return {};
    const auto end = icalcomponent_get_dtend(component);
    const auto begins = seconds(start);
    auto length = seconds(end) - begins;
    // Whole days stay whole where the clock is changed.
    int days = 0;
    if (start.is_date) days = length > 0 ? static_cast<int>((length + 43200) / 86400) : 1;
    else if (length <= 0) return {};
    if (how_.details) pattern.Details = details_of(component);
    const auto place = [&](icaltimetype at) {
      auto one = pattern;
      one.StartTime = seconds(at);
      if (days != 0) {
        icaltime_adjust(&at, days, 0, 0, 0);
        one.EndTime = seconds(at);
      } else {
        one.EndTime = one.StartTime + length;
      }
      return add(std::move(one));
    };
    if (first(component, ICAL_RECURRENCEID_PROPERTY) != nullptr) return place(start);

    const auto known = overrides_.find(value_of(component, ICAL_UID_PROPERTY));
    std::set<std::int64_t> excluded = known == overrides_.end() ? std::set<std::int64_t>() : known->second;
    std::set<std::int64_t> excluded_days;
    for (auto* property = first(component, ICAL_EXDATE_PROPERTY); property != nullptr; property = next(component, ICAL_EXDATE_PROPERTY)) {
      const auto when = icalproperty_get_datetime_with_component(property, component);
      if (when.is_date && !start.is_date) excluded_days.insert(when.year * 10'000 + when.month * 100 + when.day);
      else excluded.insert(seconds(when));
    }
    const auto taken = [&](const icaltimetype& at) {
      return excluded_days.contains(at.year * 10'000 + at.month * 100 + at.day) || !excluded.insert(seconds(at)).second;
    };
    bool recurs = false;
    for (auto* property = first(component, ICAL_RRULE_PROPERTY); property != nullptr; property = next(component, ICAL_RRULE_PROPERTY)) {
      recurs = true;
      auto done = recur(icalproperty_get_rrule(property), start, days != 0 ? days * std::int64_t{86400} : length, taken, place);
      if (!done) return done;
    }
    for (auto* property = first(component, ICAL_RDATE_PROPERTY); property != nullptr; property = next(component, ICAL_RDATE_PROPERTY)) {
      recurs = true;
      if (++steps_ > most_steps) return too_much();
      auto when = icalproperty_get_datetime_with_component(property, component);
      if (icaltime_is_null_time(when)) when = icalproperty_get_rdate(property).period.start;
      if (icaltime_is_null_time(when) || taken(when)) continue;
      if (auto done = place(when); !done) return done;
    }
    if (!recurs || !taken(start)) return recurs ? rest_of_set(start, place, component) : place(start);
    return {};
  }

  // A start that no rule gives belongs to the set where there are only dates.
  template <class Place>
  Status rest_of_set(const icaltimetype& start, const Place& place, icalcomponent* component) {
    if (first(component, ICAL_RRULE_PROPERTY) != nullptr) return {};
    return place(start);
  }

  template <class Taken, class Place>
  Status recur(icalrecurrencetype rule, const icaltimetype& start, std::int64_t length, const Taken& taken, const Place& place) {
    const std::unique_ptr<icalrecur_iterator, FreeIterator> iterator(icalrecur_iterator_new(rule, start));
    if (!iterator) return {};  // a rule that means nothing
    // Rules that count have to be followed from their beginning.
    const auto from = how_.start - length - 86400;
    if (rule.count == 0 && seconds(start) < from) {
      auto skip = icaltime_from_timet_with_zone(static_cast<time_t>(from), 0, start.zone != nullptr ? const_cast<icaltimezone*>(start.zone) : zone_);
      skip.is_date = start.is_date;
      icalrecur_iterator_set_start(iterator.get(), skip);
    }
    for (;;) {
      auto at = icalrecur_iterator_next(iterator.get());
      if (icaltime_is_null_time(at)) return {};
      if (++steps_ > most_steps) return too_much();
      at.zone = start.zone;
      at.is_date = start.is_date;
      if (seconds(at) >= how_.end) return {};
      if (seconds(at) + length + 86400 < how_.start || taken(at)) continue;
      if (auto done = place(at); !done) return done;
    }
  }

  static Error too_much() { return error(Errc::limit, "recurrences with more than {} steps", most_steps); }

  Status add(CalendarEvent event) {
    if (event.EndTime <= event.StartTime || event.EndTime <= how_.start || event.StartTime >= how_.end) return {};
    if (out_.size() >= most_events) return error(Errc::limit, "more than {} events", most_events);
    out_.push_back(std::move(event));
    return {};
  }

  const Reading& how_;
  std::vector<CalendarEvent>& out_;
  icaltimezone* zone_;
  std::map<std::string, std::set<std::int64_t>> overrides_;
  std::size_t steps_ = 0;
};

}  // namespace

Status read_calendar(std::string_view text, const Reading& how, std::vector<CalendarEvent>& out) {
  if (text.size() > largest_calendar) return error(Errc::limit, "a calendar of {} bytes", text.size());
  const std::lock_guard lock(convert::ical_mutex());
  icalerror_set_errors_are_fatal(0);
  const std::unique_ptr<icalcomponent, FreeComponent> root(icalparser_parse_string(std::string(text).c_str()));
  if (!root) return error(Errc::malformed, "no calendar");
  return Reader(how, out).read(root.get());
}

}  // namespace mapigate::freebusy
