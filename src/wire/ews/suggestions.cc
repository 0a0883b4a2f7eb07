#include "wire/ews/suggestions.h"

#include <algorithm>

#include "base/text.h"

namespace mapigate::wire::ews {

namespace {

constexpr std::string_view quality_names[] = {"Excellent", "Good", "Fair", "Poor"};
constexpr std::int64_t day = 86400, slot = suggestion_minutes * 60;

RequestProblem wrong(std::string code, std::string message) { return {std::move(code), std::move(message)}; }

// What holds from `from` until `until`, in seconds since the window began.
BusyType busiest(std::string_view times, std::int64_t from, std::int64_t until) {
  auto out = BusyType::Free;
  for (auto i = from / slot; i * slot < until && i < static_cast<std::int64_t>(times.size()); ++i)
    out = busier(out, static_cast<BusyType>(times[static_cast<std::size_t>(i)] - '0'));
  return out;
}

bool is_known(const Attendee& attendee) { return attendee.kind == Attendee::Kind::individual || attendee.kind == Attendee::Kind::group; }

bool is_conflict(BusyType type) { return type == BusyType::Busy || type == BusyType::OOF || type == BusyType::Tentative; }

SuggestionQuality quality_of(const std::vector<BusyType>& conflicts, int good_threshold) {
  const auto count = static_cast<int>(std::count_if(conflicts.begin(), conflicts.end(), is_conflict));
  if (count == 0) return SuggestionQuality::Excellent;
  const int percent = 100 * count / static_cast<int>(conflicts.size());
  if (percent < good_threshold) return SuggestionQuality::Good;
  return percent < 50 ? SuggestionQuality::Fair : SuggestionQuality::Poor;
}

bool is_work_time(const WorkingHours& hours, std::int64_t utc, int minutes) {
  const auto local = hours.TimeZone.to_local(utc);
  const auto days = local / day - (local % day < 0 ? 1 : 0);
  const int week_day = static_cast<int>(((days + 4) % 7 + 7) % 7);  // 1970 began on a Thursday
  const int begin = static_cast<int>((local - days * day) / 60);
  return std::find(hours.DayOfWeek.begin(), hours.DayOfWeek.end(), week_day) != hours.DayOfWeek.end() && begin >= hours.StartTimeInMinutes &&
         begin + minutes <= hours.EndTimeInMinutes;
}

// The best of them, earlier ones first, then in the order of time.
void keep_best(std::vector<Suggestion>& list, int most) {
  const auto better = [](const Suggestion& a, const Suggestion& b) {
    return a.Quality != b.Quality ? a.Quality < b.Quality : a.MeetingTime < b.MeetingTime;
  };
  std::sort(list.begin(), list.end(), better);
  if (list.size() > static_cast<std::size_t>(most)) list.resize(static_cast<std::size_t>(most));
}

}  // namespace

std::string_view to_string(SuggestionQuality quality) { return quality_names[static_cast<std::size_t>(quality)]; }

std::optional<RequestProblem> read_suggestions_options(const pugi::xml_node& options, const SerializableTimeZone& zone, SuggestionsViewOptions& out) {
  struct Number {
    const char* name;
    int* to;
    int least, most;
  };
  for (const auto& number : {Number{"GoodThreshold", &out.GoodThreshold, 1, 49}, Number{"MaximumResultsByDay", &out.MaximumResultsByDay, 0, 48},
                             Number{"MaximumNonWorkHourResultsByDay", &out.MaximumNonWorkHourResultsByDay, 0, 48},
                             Number{"MeetingDurationInMinutes", &out.MeetingDurationInMinutes, 30, 1440}}) {
    const auto asked = text(options, number.name);
    if (asked.empty()) continue;
    const auto value = integer(asked);
    if (!value || *value < number.least || *value > number.most)
      return wrong("ErrorInvalidParameter", fmt::format("{} has to be from {} to {}.", number.name, number.least, number.most));
    *number.to = *value;
  }
  if (const auto asked = text(options, "MinimumSuggestionQuality"); !asked.empty()) {
    const auto at = std::find(std::begin(quality_names), std::end(quality_names), asked);
    if (at == std::end(quality_names)) return wrong("ErrorInvalidParameter", "There is no such quality.");
    out.MinimumSuggestionQuality = static_cast<SuggestionQuality>(at - std::begin(quality_names));
  }
  const auto window = child(options, "DetailedSuggestionsWindow");
  const auto time_of = [&](const char* name) -> std::optional<std::int64_t> {
    const auto parsed = parse_date_time(text(window, name));
    if (!parsed) return {};
    return parsed->zoned ? parsed->seconds : zone.to_utc(parsed->seconds);
  };
  const auto start = time_of("StartTime"), end = time_of("EndTime");
  if (!start || !end || *end <= *start) return wrong("ErrorInvalidTimeInterval", "The window of suggestions does not end after its start.");
  if (*end - *start > most_days * day + 3600) return wrong("ErrorTimeIntervalTooBig", fmt::format("The window of suggestions is longer than {} days.", most_days));
  out.StartTime = *start;
  out.EndTime = *end;
  return {};
}

std::vector<SuggestionDay> suggest(const SuggestionsViewOptions& options, const SerializableTimeZone& zone, const WorkingHours& hours,
                                   std::span<const Attendee> attendees) {
  std::vector<SuggestionDay> out;
  const auto first = zone.to_local(options.StartTime);
  const auto end = zone.to_local(options.EndTime);
  for (auto date = first - (first % day + day) % day; date < end; date += day) {
    SuggestionDay one;
    one.Date = zone.to_utc(date);
    std::vector<Suggestion> at_work, elsewhere;
    for (std::int64_t clock = 0; clock < day; clock += slot) {
      const auto time = zone.to_utc(date + clock), until = time + options.MeetingDurationInMinutes * std::int64_t{60};
      if (time < options.StartTime || until > options.EndTime) continue;
      Suggestion made;
      made.MeetingTime = time;
      made.IsWorkTime = is_work_time(hours, time, options.MeetingDurationInMinutes);
      auto& list = made.IsWorkTime ? at_work : elsewhere;
      if ((made.IsWorkTime ? options.MaximumResultsByDay : options.MaximumNonWorkHourResultsByDay) == 0) continue;
      bool excluded = false;
      for (const auto& attendee : attendees) {
        const auto busy = is_known(attendee) ? busiest(attendee.times, time - options.StartTime, until - options.StartTime) : BusyType::NoData;
        excluded = excluded || (attendee.exclude_conflicts && is_conflict(busy));
        made.conflicts.push_back(busy);
      }
      made.Quality = quality_of(made.conflicts, options.GoodThreshold);
      if (!excluded && made.Quality <= options.MinimumSuggestionQuality) list.push_back(std::move(made));
    }
    keep_best(at_work, options.MaximumResultsByDay);
    keep_best(elsewhere, options.MaximumNonWorkHourResultsByDay);
    one.suggestions = std::move(at_work);
    one.suggestions.insert(one.suggestions.end(), std::make_move_iterator(elsewhere.begin()), std::make_move_iterator(elsewhere.end()));
    for (const auto& made : one.suggestions) one.DayQuality = std::min(one.DayQuality, made.Quality);
    std::sort(one.suggestions.begin(), one.suggestions.end(), [](const auto& a, const auto& b) { return a.MeetingTime < b.MeetingTime; });
    out.push_back(std::move(one));
  }
  return out;
}

namespace {

void write_conflict(pugi::xml_node array, const Attendee& attendee, BusyType busy, std::int64_t from, std::int64_t until) {
  switch (attendee.kind) {
    case Attendee::Kind::unknown: array.append_child("t:UnknownAttendeeConflictData"); break;
    case Attendee::Kind::too_big_group: array.append_child("t:TooBigGroupAttendeeConflictData"); break;
    case Attendee::Kind::individual: add(array.append_child("t:IndividualAttendeeConflictData"), "t:BusyType", to_string(busy)); break;
    case Attendee::Kind::group: {
      int available = 0, conflicts = 0, unknown = 0;
      for (const auto& member : attendee.members) {
        if (!member.known) ++unknown;
        else if (is_conflict(busiest(member.times, from, until))) ++conflicts;
        else ++available;
      }
      auto node = array.append_child("t:GroupAttendeeConflictData");
      add(node, "t:NumberOfMembers", static_cast<int>(attendee.members.size()));
      add(node, "t:NumberOfMembersAvailable", available);
      add(node, "t:NumberOfMembersWithConflict", conflicts);
      add(node, "t:NumberOfMembersWithNoData", unknown);
      break;
    }
  }
}

}  // namespace

void write_suggestions(pugi::xml_node array, std::span<const SuggestionDay> days, const SuggestionsViewOptions& options,
                       const SerializableTimeZone& zone, std::span<const Attendee> attendees) {
  for (const auto& one : days) {
    auto result = array.append_child("t:SuggestionDayResult");
    add(result, "t:Date", format_local(zone.to_local(one.Date)));
    add(result, "t:DayQuality", to_string(one.DayQuality));
    auto list = result.append_child("t:SuggestionArray");
    for (const auto& made : one.suggestions) {
      auto node = list.append_child("t:Suggestion");
      add(node, "t:MeetingTime", format_local(zone.to_local(made.MeetingTime)));
      add(node, "t:IsWorkTime", made.IsWorkTime);
      add(node, "t:SuggestionQuality", to_string(made.Quality));
      auto conflicts = node.append_child("t:AttendeeConflictDataArray");
      const auto from = made.MeetingTime - options.StartTime, until = from + options.MeetingDurationInMinutes * std::int64_t{60};
      for (std::size_t i = 0; i < attendees.size() && i < made.conflicts.size(); ++i)
        write_conflict(conflicts, attendees[i], made.conflicts[i], from, until);
    }
  }
}

}  // namespace mapigate::wire::ews
