// When an event is, in its time zone, and when it is again; includes libical.
#pragma once

#include <vector>

#include "convert/ical_support.h"

namespace mapigate::convert {

// Borrows the calendar and the event.
class EventTimes {
 public:
  EventTimes(icalcomponent* calendar, icalcomponent* event);

  struct Span {
    FileTime start, end;  // zero start: the event has none
    bool all_day = false;
  };
  Span span() const { return span_of(event_); }
  Span span_of(icalcomponent* event) const;
  // Null for events whose times are in UTC or mean no time zone.
  const CalendarZone* zone() const { return zone_ ? &*zone_ : nullptr; }
  const CalendarZone* end_zone() const { return end_zone_ ? &*end_zone_ : nullptr; }

  // Of the event's first property of that kind: what the clock in zone() shows; none when it is not there.
  std::optional<icaltimetype> local(icalproperty_kind kind) const;
  std::optional<icaltimetype> local(icalproperty* property) const;
  FileTime utc(icalproperty_kind kind) const;
  // The same as minutes of a series; zero for none.
  std::uint32_t minutes(icalproperty* property) const;
  std::uint32_t minutes(FileTime utc) const;
  std::optional<std::uint32_t> minutes_of(icaltimetype when) const;

  icalcomponent* calendar() const { return calendar_; }
  icalcomponent* event() const { return event_; }

 private:
  std::optional<CalendarZone> zone_named(const std::string& id, icaltimetype when) const;
  std::optional<CalendarZone> zone_of(icalproperty* property) const;
  FileTime utc(icalproperty* property) const;

  icalcomponent *calendar_, *event_;
  std::optional<CalendarZone> zone_, end_zone_;
};

struct EventSeries {
  Series series;
  std::vector<icalcomponent*> instances;  // the events of the exceptions, in their order; null for those that RDATE tells
};
// What RRULE, EXDATE, RDATE and the events that replace instances make of it; none when it is no series, or one that Outlook has
// no pattern for.
std::optional<EventSeries> read_event_series(const EventTimes& times);

// Whether an instance says something else than its series in DESCRIPTION or X-ALT-DESC.
bool has_own_body(icalcomponent* event, icalcomponent* series);

// PidLidBusyStatus that the event asks for, or with `shown` has now ([MS-OXCICAL] 2.1.3.1.1.20.23, .25, .31 and .36).
std::int32_t ical_busy_status(icalcomponent* event, bool shown);
// Minutes before the start, of the first alarm ([MS-OXCICAL] 2.1.3.1.1.20.62); none without one.
std::optional<std::int32_t> ical_reminder(icalcomponent* event, const EventTimes::Span& span);

}  // namespace mapigate::convert
