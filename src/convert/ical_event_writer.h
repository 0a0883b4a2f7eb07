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

// What the attachment of a changed instance says of it ([MS-OXOCAL] 2.2.10).
struct InstanceSource {
  FileTime replaced;                // when it would have been; zero: nobody knows
  FileTime local_start;             // PidTagExceptionStartTime: what the clock shows, as if it were UTC
  std::string text, html;           // UTF-8; empty: as in the series
  std::vector<Attendee> attendees;  // empty: those of the series
};

// Borrowed for the call.
struct EventSource {
  const mapi::PropertyBag& properties;
  const std::map<std::uint16_t, mapi::PropertyName>& names;  // of the named properties in it
  Attendee organizer;               // without an address: not told
  std::vector<Attendee> attendees;  // of a reply or a proposal: who makes it, with the answer
  std::string subject, text;        // UTF-8
  std::string html{};               // UTF-8
  std::vector<InstanceSource> instances{};
};

// A VCALENDAR with the event or the series and its exceptions, and the time zone that it needs; lines end in CR LF. None when the
// object has no start, or for others than CalendarMethod::publish no PidLidGlobalObjectId. A series whose pattern iCalendar has no words for is told as its first instance.
// `told`: which of `source.instances` are in it, in the order of their events.
std::optional<std::string> write_calendar(const EventSource& source, CalendarMethod method, std::vector<std::size_t>* told = nullptr);

}  // namespace mapigate::convert
