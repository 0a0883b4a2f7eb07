// For the sources that find events in calendars; includes libical.
#pragma once

#include "convert/ical_event.h"
#include "convert/ical_support.h"

namespace mapigate::convert {

// What stands in the calendar's METHOD, and of replies the answer.
struct EventKind {
  std::string_view method, answer, message_class;
  std::int32_t icon, response;  // [MS-OXOCAL] 2.2.1.49 "PidTagIconIndex", 2.2.1.11 "PidLidResponseStatus"
};

// 2.1.3.1.1.20.2 "ATTENDEE" and .16 "ORGANIZER": an address of mail; without one for what has another URI.
Attendee ical_person(icalproperty* property, const char* uri);
// The series before its exceptions; null when there is no event.
icalcomponent* event_of(icalcomponent* calendar);
Event read_event(icalcomponent* calendar, icalcomponent* event, const EventKind& kind);

}  // namespace mapigate::convert
