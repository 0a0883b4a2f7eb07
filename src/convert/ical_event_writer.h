// Calendar objects and meeting mails as calendars ([MS-OXCICAL] 2.1.3): the other way of ical_event.h.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "convert/ical_event.h"

namespace mapigate::convert {

enum class CalendarMethod { publish, request, reply, counter, cancel };
std::string_view name_of(CalendarMethod method);  // "REQUEST"

// Borrowed for the call.
struct EventSource {
  const mapi::PropertyBag& properties;
  const std::map<std::uint16_t, mapi::PropertyName>& names;  // of the named properties in it
  Attendee organizer;               // without an address: not told
  std::vector<Attendee> attendees;  // of a reply or a proposal: who makes it, with the answer
  std::string subject, text;        // UTF-8
};

// A VCALENDAR with the event or the series and its exceptions, and the time zone that it needs; lines end in CR LF. None when the
// object has no start, or for others than CalendarMethod::publish no PidLidGlobalObjectId. A series whose pattern iCalendar has no words for is told as its first instance.
std::optional<std::string> write_calendar(const EventSource& source, CalendarMethod method);

}  // namespace mapigate::convert
