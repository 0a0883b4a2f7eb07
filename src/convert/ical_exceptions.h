// Changed instances of a series as attachments of it ([MS-OXOCAL] 2.2.10, [MS-OXCICAL] 2.1.3.1.1.20.20); includes libical.
#pragma once

#include "convert/ical_event.h"
#include "convert/ical_series_reader.h"

namespace mapigate::convert {

struct EventExceptions {
  std::vector<EventException> all;
  bool attendees = false;  // some have attendees of their own: PidLidFExceptionalAttendees ([MS-OXOCAL] 2.2.2.3)
};
// Up to max_exception_bytes. What an instance says as its series does is left out of its message: there it is taken from the series.
EventExceptions ical_exceptions(const EventTimes& times, const EventSeries& series);

}  // namespace mapigate::convert
