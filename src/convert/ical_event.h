// Events of calendars and the properties of calendar objects ([MS-OXCICAL] 2.1.3.1.1.20, [MS-OXOCAL] 2.2): what meetings that come
// and go by mail and calendars have in common.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapi/properties.h"
#include "mapi/property_bag.h"

namespace mapigate::convert {

// More than these are left out.
inline constexpr std::size_t max_attendees = 2000;

// Whoever is invited, has answered or is a room.
struct Attendee {
  std::string name, address;      // UTF-8, SMTP
  std::int32_t type = 1;          // PidTagRecipientType: 1 required, 2 optional, 3 a room or other resource
  std::int32_t track_status = 0;  // PidTagRecipientTrackStatus: 0 none, 2 tentative, 3 accepted, 4 declined
  bool asked = false;             // RSVP
};

struct Event {
  std::string message_class;
  std::string text;                                   // UTF-8
  mapi::PropertyBag properties;                       // PidTag…
  mapi::PropertyBag named;                            // PidLid…
  std::map<std::uint16_t, mapi::PropertyName> names;  // what their ids mean, here alone
  Attendee organizer;                                 // without an address when the event names none
  std::vector<Attendee> attendees;
  const mapi::Value* find(const mapi::NamedProperty& name) const;  // null when it is not there
};

// The first event, or series with its exceptions, of a calendar; none when there is none or it is over max_calendar_bytes.
// As an appointment (IPM.Appointment), whatever METHOD the calendar has.
inline constexpr std::size_t max_calendar_bytes = std::size_t{1} << 20;
std::optional<Event> read_appointment(std::string_view utf8);

}  // namespace mapigate::convert
