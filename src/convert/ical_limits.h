// How much of a calendar is read and written. Beyond a limit conversion degrades, it does not fail: what is over max_calendar_bytes
// stays a file, of everything else the rest is left out. They have no settings, as those of MIME have none (MimeOptions): no
// calendar that people make comes near them, and who sends others must not decide how much work they cost.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mapigate::convert {

inline constexpr std::size_t max_calendar_bytes = std::size_t{1} << 20;
inline constexpr std::size_t max_attendees = 2000;
// Changed instances of a series, and deleted ones.
inline constexpr std::size_t max_exceptions = 2000;
// Of all changed instances of a series together, with the time zones that each is in: those beyond have no message of their own.
inline constexpr std::size_t max_exception_bytes = std::size_t{4} << 20;
inline constexpr std::size_t max_time_zones = 500;
inline constexpr std::size_t max_observances = 1000;  // of a kind in one time zone

// Of a series with an end; one with more is read as a single event.
inline constexpr std::size_t max_instances = 100'000;  // daily for 270 years
// Of a series without an end, where exceptions are looked for.
inline constexpr std::size_t max_instances_searched = 20'000;

// Bytes in UTF-8.
inline constexpr std::size_t max_calendar_text = 32768;          // of a property that is no body
inline constexpr std::size_t max_written_text = std::size_t{128} << 10;  // of a body
inline constexpr std::size_t max_exception_text = 1024;          // subject or location in PidLidAppointmentRecur
inline constexpr std::size_t max_person_text = 1024;             // name or address
inline constexpr std::size_t max_uid = 2048;
inline constexpr std::size_t max_zone_name = 200;
inline constexpr std::size_t max_listed = 100;                   // contacts or resources

inline constexpr std::int64_t max_reminder_minutes = 60 * 24 * 365 * 2;

}  // namespace mapigate::convert
