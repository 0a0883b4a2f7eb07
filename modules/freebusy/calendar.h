// Busy times out of iCalendar data (RFC 5545): VFREEBUSY as it stands, events with their recurrences.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/ews/availability.h"

namespace mapigate::freebusy {

struct Reading {
  std::int64_t start = 0, end = 0;  // seconds since 1970: what lies outside is left out
  std::string time_zone;            // of times that name none, by IANA's name; empty: UTC
  std::string owner;                // address of whose calendar it is: events that this attendee declined count for nothing
  bool details = false;             // subjects and places, too
  bool is_owner = false;            // also of private events
};

inline constexpr std::size_t largest_calendar = std::size_t{16} << 20;
inline constexpr std::size_t most_events = 10'000;         // that come out
inline constexpr std::size_t most_steps = 100'000;         // of all recurrences together

// Adds to `out`, in no order. Errc::malformed: no iCalendar; limit: too much of it. Safe on every thread.
Status read_calendar(std::string_view text, const Reading& how, std::vector<wire::ews::CalendarEvent>& out);

}  // namespace mapigate::freebusy
