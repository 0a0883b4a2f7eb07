// Free/busy information ([MS-OXWAVLS] 2.2.4, 3.1.4).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "wire/ews/time_zone.h"

namespace mapigate::wire::ews {

// The digits of MergedFreeBusy.
enum class BusyType : std::uint8_t { Free, Tentative, Busy, OOF, WorkingElsewhere, NoData };
std::string_view to_string(BusyType type);
std::optional<BusyType> busy_type(std::string_view text);
// Which of two counts where both hold: OOF, Busy, Tentative, WorkingElsewhere, NoData, Free.
BusyType busier(BusyType a, BusyType b);

struct CalendarEventDetails {
  std::string ID, Subject, Location;
  bool IsMeeting = false, IsRecurring = false, IsException = false, IsReminderSet = false, IsPrivate = false;
  bool operator==(const CalendarEventDetails&) const = default;
};

struct CalendarEvent {
  std::int64_t StartTime = 0, EndTime = 0;  // UTC, seconds since 1970
  BusyType Type = BusyType::Busy;
  std::optional<CalendarEventDetails> Details;
  bool operator==(const CalendarEvent&) const = default;
};

struct WorkingHours {
  SerializableTimeZone TimeZone;
  std::vector<int> DayOfWeek;  // 0 is Sunday
  int StartTimeInMinutes = 0, EndTimeInMinutes = 0;
};

// FreeBusyViewType; what a response may hold grows with it.
enum class FreeBusyViewType : std::uint8_t { None, MergedOnly, FreeBusy, FreeBusyMerged, Detailed, DetailedMerged };
std::string_view to_string(FreeBusyViewType view);
std::optional<FreeBusyViewType> view_type(std::string_view text);
inline bool is_merged(FreeBusyViewType view) {
  return view == FreeBusyViewType::MergedOnly || view == FreeBusyViewType::FreeBusyMerged || view == FreeBusyViewType::DetailedMerged;
}
inline bool has_events(FreeBusyViewType view) { return view >= FreeBusyViewType::FreeBusy; }
inline bool is_detailed(FreeBusyViewType view) { return view >= FreeBusyViewType::Detailed; }

struct MailboxData {
  std::string Address;
  std::string AttendeeType = "Required";
  bool ExcludeConflicts = false;
};

struct AvailabilityRequest {
  SerializableTimeZone TimeZone;
  std::vector<MailboxData> Mailboxes;
  std::int64_t StartTime = 0, EndTime = 0;  // UTC
  int MergedFreeBusyIntervalInMinutes = 30;
  FreeBusyViewType RequestedView = FreeBusyViewType::FreeBusy;
  bool wants_free_busy = true;   // FreeBusyViewOptions is there
  bool wants_suggestions = false;
};

inline constexpr std::size_t most_mailboxes = 100;
inline constexpr int most_days = 62;

// A request that is wrong as a whole: its response code.
struct RequestProblem {
  std::string code, message;
};
// `zone`: of the header TimeZoneContext, for a request that says none.
std::optional<RequestProblem> read_availability(const pugi::xml_node& request, const std::optional<SerializableTimeZone>& zone,
                                                AvailabilityRequest& out);
void write_availability_request(pugi::xml_node request, const AvailabilityRequest& value);

// A digit for each interval of the time window, the busiest within it.
std::string merged_free_busy(std::span<const CalendarEvent> events, std::int64_t start, std::int64_t end, int interval_minutes);

struct FreeBusyView {
  FreeBusyViewType Type = FreeBusyViewType::None;
  std::string MergedFreeBusy;
  std::vector<CalendarEvent> Events;
  std::optional<WorkingHours> Hours;
};
// Times are written in `zone`.
void write_free_busy_view(pugi::xml_node view, const FreeBusyView& value, const SerializableTimeZone& zone);
Result<FreeBusyView> read_free_busy_view(const pugi::xml_node& view, const SerializableTimeZone& zone);

}  // namespace mapigate::wire::ews
