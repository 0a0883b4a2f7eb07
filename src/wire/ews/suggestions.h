// Times at which a meeting could be, as GetUserAvailability proposes them ([MS-OXWAVLS] 2.2.4, "t:SuggestionsViewOptionsType" and
// "t:SuggestionDayResult").
#pragma once

#include "wire/ews/availability.h"
#include "wire/ews/xml.h"

namespace mapigate::wire::ews {

enum class SuggestionQuality : std::uint8_t { Excellent, Good, Fair, Poor };
std::string_view to_string(SuggestionQuality quality);

struct SuggestionsViewOptions {
  int GoodThreshold = 25;                  // percent of attendees with a conflict, below which a time is still good
  int MaximumResultsByDay = 10;
  int MaximumNonWorkHourResultsByDay = 0;
  int MeetingDurationInMinutes = 60;
  SuggestionQuality MinimumSuggestionQuality = SuggestionQuality::Fair;
  std::int64_t StartTime = 0, EndTime = 0;  // DetailedSuggestionsWindow, UTC
};
// The SuggestionsViewOptions of a request. Times without a zone are in `zone`.
std::optional<RequestProblem> read_suggestions_options(const pugi::xml_node& options, const SerializableTimeZone& zone, SuggestionsViewOptions& out);

inline constexpr int suggestion_minutes = 30;  // from one time that is looked at to the next

// What is known of an attendee. Times are those of merged_free_busy() over the window, in steps of suggestion_minutes.
struct Attendee {
  enum class Kind : std::uint8_t { individual, group, unknown, too_big_group } kind = Kind::individual;
  bool exclude_conflicts = false;  // no time is proposed at which this one is busy
  std::string times;               // of a group, of all members together
  struct Member {
    bool known = true;
    std::string times;
  };
  std::vector<Member> members;     // of a group
};

struct Suggestion {
  std::int64_t MeetingTime = 0;  // UTC
  bool IsWorkTime = true;
  SuggestionQuality Quality = SuggestionQuality::Excellent;
  std::vector<BusyType> conflicts;  // of each attendee; of a group the busiest
};
struct SuggestionDay {
  std::int64_t Date = 0;  // UTC of its begin in the zone
  SuggestionQuality DayQuality = SuggestionQuality::Poor;  // of its best
  std::vector<Suggestion> suggestions;                     // in the order of time
};
// A day for each of the window, though nothing be proposed for it. `hours`: outside of which is no work time.
std::vector<SuggestionDay> suggest(const SuggestionsViewOptions& options, const SerializableTimeZone& zone, const WorkingHours& hours,
                                   std::span<const Attendee> attendees);
void write_suggestions(pugi::xml_node array, std::span<const SuggestionDay> days, const SuggestionsViewOptions& options,
                       const SerializableTimeZone& zone, std::span<const Attendee> attendees);

}  // namespace mapigate::wire::ews
