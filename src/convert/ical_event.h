// Events of calendars and the properties of calendar objects ([MS-OXCICAL] 2.1.3.1.1.20, [MS-OXOCAL] 2.2): what meetings that come
// and go by mail and calendars have in common.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "convert/ical_limits.h"
#include "mapi/properties.h"
#include "mapi/property_bag.h"

namespace mapigate::convert {

// Whoever is invited, has answered or is a room.
struct Attendee {
  std::string name, address;      // UTF-8, SMTP
  std::int32_t type = 1;          // PidTagRecipientType: 1 required, 2 optional, 3 a room or other resource
  std::int32_t track_status = 0;  // PidTagRecipientTrackStatus: 0 none, 2 tentative, 3 accepted, 4 declined
  bool asked = false;             // RSVP
};

// A changed instance of a series: an attachment of it ([MS-OXOCAL] 2.2.10, [MS-OXCICAL] 2.1.3.1.1.20.20).
struct EventException {
  mapi::PropertyBag attachment;  // without its number and size
  std::string message;           // the message in it, as MIME that MimeOptions::exception reads
};

struct Event {
  std::string message_class;
  std::string text, html;                             // UTF-8
  mapi::PropertyBag properties;                       // PidTag…
  mapi::PropertyBag named;                            // PidLid…
  std::map<std::uint16_t, mapi::PropertyName> names;  // what their ids mean, here alone
  Attendee organizer;                                 // without an address when the event names none
  std::vector<Attendee> attendees;
  std::vector<EventException> exceptions;             // of a series, those that are told by events of their own
  const mapi::Value* find(const mapi::NamedProperty& name) const;  // null when it is not there
};

// The first event, or series with its exceptions, of a calendar; none when there is none or it is over max_calendar_bytes.
// As an appointment (IPM.Appointment), whatever METHOD the calendar has.
std::optional<Event> read_appointment(std::string_view utf8);
// The message in the attachment of a changed instance, of a calendar that EventException::message holds.
inline constexpr std::string_view exception_class = "IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}";
std::optional<Event> read_exception(std::string_view utf8);

}  // namespace mapigate::convert
