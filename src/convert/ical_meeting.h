// Meeting requests, responses and cancellations that come by mail, as meeting objects ([MS-OXCICAL] 2.1.3, [MS-OXOCAL] 2.2).
#pragma once

#include "convert/ical_event.h"

namespace mapigate::convert {

using Meeting = Event;

// None when it is no calendar with an event, its method is not one of those that meetings are arranged with (iTIP, RFC 5546),
// or it is over max_calendar_bytes. `method`: of the Content-Type field, for calendars that name none. What is published
// (PUBLISH) comes as the file that it is.
std::optional<Meeting> read_meeting(std::string_view utf8, std::string_view method);

}  // namespace mapigate::convert
