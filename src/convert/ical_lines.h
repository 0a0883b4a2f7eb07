// Lines of iCalendar (RFC 5545 3.1).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mapigate::convert {

// Folded at 75 bytes, never within a character, with CR LF. Line breaks and control characters in it become spaces.
std::string ical_line(std::string_view utf8);
// Of a value that is TEXT: commas, semicolons, backslashes and line breaks with their escapes.
std::string ical_escape(std::string_view utf8);
// Of a parameter: quoted where it needs to be, without what no parameter can hold.
std::string ical_parameter(std::string_view utf8);
// Seconds since 1970 as "20240701T100000", or the day alone.
std::string ical_clock(std::int64_t seconds, bool with_time);
std::string_view ical_weekday(unsigned day);  // "SU" for 0

}  // namespace mapigate::convert
