#include "wire/ews/availability.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "wire/ews/xml.h"

namespace mapigate::wire::ews {

namespace {

constexpr std::array<std::string_view, 6> busy_names{"Free", "Tentative", "Busy", "OOF", "WorkingElsewhere", "NoData"};
constexpr std::array<std::string_view, 6> view_names{"None", "MergedOnly", "FreeBusy", "FreeBusyMerged", "Detailed", "DetailedMerged"};
constexpr std::size_t most_events = 10'000;

template <class Enum, std::size_t n>
std::optional<Enum> find_name(const std::array<std::string_view, n>& names, std::string_view text) {
  const auto at = std::find(names.begin(), names.end(), text);
  if (at == names.end()) return {};
  return static_cast<Enum>(at - names.begin());
}

int weight(BusyType type) {
  switch (type) {
    case BusyType::OOF: return 5;
    case BusyType::Busy: return 4;
    case BusyType::Tentative: return 3;
    case BusyType::WorkingElsewhere: return 2;
    case BusyType::NoData: return 1;
    default: return 0;
  }
}

std::optional<std::int64_t> time_of(std::string_view text, const SerializableTimeZone& zone) {
  const auto parsed = parse_date_time(text);
  if (!parsed) return {};
  return parsed->zoned ? parsed->seconds : zone.to_utc(parsed->seconds);
}

RequestProblem wrong(std::string code, std::string message) { return {std::move(code), std::move(message)}; }

}  // namespace

std::string_view to_string(BusyType type) { return busy_names[static_cast<std::size_t>(type)]; }
std::optional<BusyType> busy_type(std::string_view text) { return find_name<BusyType>(busy_names, text); }
BusyType busier(BusyType a, BusyType b) { return weight(a) >= weight(b) ? a : b; }
std::string_view to_string(FreeBusyViewType view) { return view_names[static_cast<std::size_t>(view)]; }
std::optional<FreeBusyViewType> view_type(std::string_view text) { return find_name<FreeBusyViewType>(view_names, text); }

std::optional<RequestProblem> read_availability(const pugi::xml_node& request, const std::optional<SerializableTimeZone>& zone,
                                                AvailabilityRequest& out) {
  if (const auto node = child(request, "TimeZone")) {
    auto read = read_time_zone(node);
    if (!read) return wrong("ErrorInvalidTimeZone", "The time zone is not valid.");
    out.TimeZone = *read;
  } else if (zone) {
    out.TimeZone = *zone;
  }
  for (const auto& node : child(request, "MailboxDataArray").children()) {
    if (local_name(node) != "MailboxData") continue;
    if (out.Mailboxes.size() >= most_mailboxes)
      return wrong("ErrorMailboxDataArrayTooBig", fmt::format("At most {} mailboxes can be asked for at once.", most_mailboxes));
    MailboxData mailbox;
    mailbox.Address = lower_ascii(text(child(node, "Email"), "Address"));
    if (const auto type = text(node, "AttendeeType"); !type.empty()) mailbox.AttendeeType = type;
    mailbox.ExcludeConflicts = boolean(text(node, "ExcludeConflicts")).value_or(false);
    out.Mailboxes.push_back(std::move(mailbox));
  }
  if (out.Mailboxes.empty()) return wrong("ErrorMailboxDataArrayEmpty", "No mailbox is asked for.");
  const auto suggestions = child(request, "SuggestionsViewOptions");
  out.wants_suggestions = static_cast<bool>(suggestions);
  const auto options = child(request, "FreeBusyViewOptions");
  out.wants_free_busy = static_cast<bool>(options);
  if (!options && !suggestions) return wrong("ErrorMissingArgument", "Neither free/busy information nor suggestions are asked for.");
  const auto window = options ? child(options, "TimeWindow") : child(suggestions, "DetailedSuggestionsWindow");
  const auto start = time_of(text(window, "StartTime"), out.TimeZone), end = time_of(text(window, "EndTime"), out.TimeZone);
  if (!start || !end || *end <= *start) return wrong("ErrorInvalidTimeInterval", "The time window does not end after its start.");
  if (*end - *start > most_days * std::int64_t{86400} + 3600)  // an hour for the end of daylight saving time
    return wrong("ErrorTimeIntervalTooBig", fmt::format("The time window is longer than {} days.", most_days));
  out.StartTime = *start;
  out.EndTime = *end;
  if (const auto asked = text(options, "RequestedView"); !asked.empty()) {
    // A list: Outlook may name several, of which the last says most.
    const auto view = view_type(asked.substr(asked.rfind(' ') + 1));
    if (!view || *view == FreeBusyViewType::None) return wrong("ErrorInvalidFreeBusyViewType", "There is no such view.");
    out.RequestedView = *view;
  }
  if (const auto asked = text(options, "MergedFreeBusyIntervalInMinutes"); !asked.empty()) {
    const auto minutes = integer(asked);
    const bool good = minutes && *minutes >= 5 && *minutes <= 1440 && (*end - *start) >= *minutes * 60;
    if (good) out.MergedFreeBusyIntervalInMinutes = *minutes;
    else if (is_merged(out.RequestedView))
      return wrong("ErrorInvalidMergedFreeBusyInterval", "The interval must be from 5 to 1440 minutes and within the time window.");
  }
  return {};
}

void write_availability_request(pugi::xml_node request, const AvailabilityRequest& value) {
  write_time_zone(request.append_child("t:TimeZone"), value.TimeZone);
  auto mailboxes = request.append_child("m:MailboxDataArray");
  for (const auto& mailbox : value.Mailboxes) {
    auto node = mailboxes.append_child("t:MailboxData");
    add(node.append_child("t:Email"), "t:Address", mailbox.Address);
    add(node, "t:AttendeeType", mailbox.AttendeeType);
    add(node, "t:ExcludeConflicts", mailbox.ExcludeConflicts);
  }
  auto options = request.append_child("t:FreeBusyViewOptions");
  auto window = options.append_child("t:TimeWindow");
  add(window, "t:StartTime", format_local(value.TimeZone.to_local(value.StartTime)));
  add(window, "t:EndTime", format_local(value.TimeZone.to_local(value.EndTime)));
  add(options, "t:MergedFreeBusyIntervalInMinutes", value.MergedFreeBusyIntervalInMinutes);
  add(options, "t:RequestedView", to_string(value.RequestedView));
}

std::string merged_free_busy(std::span<const CalendarEvent> events, std::int64_t start, std::int64_t end, int interval_minutes) {
  const std::int64_t step = interval_minutes * std::int64_t{60};
  if (step <= 0 || end <= start) return {};
  const auto count = (end - start + step - 1) / step;
  std::vector<BusyType> slots(static_cast<std::size_t>(count), BusyType::Free);
  for (const auto& event : events) {
    if (event.EndTime <= start || event.StartTime >= end || event.EndTime <= event.StartTime) continue;
    const auto first = std::max<std::int64_t>(0, (event.StartTime - start) / step);
    const auto last = std::min(count, (std::min(event.EndTime, end) - start + step - 1) / step);
    for (auto i = first; i < last; ++i) {
      auto& slot = slots[static_cast<std::size_t>(i)];
      slot = busier(slot, event.Type);
    }
  }
  std::string out;
  for (const auto slot : slots) out += static_cast<char>('0' + static_cast<int>(slot));
  return out;
}

void write_free_busy_view(pugi::xml_node view, const FreeBusyView& value, const SerializableTimeZone& zone) {
  add(view, "t:FreeBusyViewType", to_string(value.Type));
  if (is_merged(value.Type)) add(view, "t:MergedFreeBusy", value.MergedFreeBusy);
  if (has_events(value.Type) && !value.Events.empty()) {
    auto list = view.append_child("t:CalendarEventArray");
    for (const auto& event : value.Events) {
      auto node = list.append_child("t:CalendarEvent");
      add(node, "t:StartTime", format_local(zone.to_local(event.StartTime)));
      add(node, "t:EndTime", format_local(zone.to_local(event.EndTime)));
      add(node, "t:BusyType", to_string(event.Type));
      if (!is_detailed(value.Type) || !event.Details) continue;
      auto details = node.append_child("t:CalendarEventDetails");
      const auto& from = *event.Details;
      if (!from.ID.empty()) add(details, "t:ID", from.ID);
      if (!from.Subject.empty()) add(details, "t:Subject", from.Subject);
      if (!from.Location.empty()) add(details, "t:Location", from.Location);
      add(details, "t:IsMeeting", from.IsMeeting);
      add(details, "t:IsRecurring", from.IsRecurring);
      add(details, "t:IsException", from.IsException);
      add(details, "t:IsReminderSet", from.IsReminderSet);
      add(details, "t:IsPrivate", from.IsPrivate);
    }
  }
  if (!value.Hours || !has_events(value.Type)) return;
  auto hours = view.append_child("t:WorkingHours");
  write_time_zone(hours.append_child("t:TimeZone"), value.Hours->TimeZone);
  auto period = hours.append_child("t:WorkingPeriodArray").append_child("t:WorkingPeriod");
  std::string days;
  for (const int day : value.Hours->DayOfWeek) {
    if (!days.empty()) days += ' ';
    days += day_name(day);
  }
  add(period, "t:DayOfWeek", days);
  add(period, "t:StartTimeInMinutes", value.Hours->StartTimeInMinutes);
  add(period, "t:EndTimeInMinutes", value.Hours->EndTimeInMinutes);
}

Result<FreeBusyView> read_free_busy_view(const pugi::xml_node& view, const SerializableTimeZone& zone) {
  FreeBusyView out;
  const auto type = view_type(text(view, "FreeBusyViewType"));
  if (!type) return error(Errc::malformed, "FreeBusyViewType");
  out.Type = *type;
  out.MergedFreeBusy = text(view, "MergedFreeBusy");
  for (const auto& node : child(view, "CalendarEventArray").children()) {
    if (local_name(node) != "CalendarEvent") continue;
    if (out.Events.size() >= most_events) return error(Errc::limit, "more than {} events", most_events);
    const auto start = time_of(text(node, "StartTime"), zone), end = time_of(text(node, "EndTime"), zone);
    const auto busy = busy_type(text(node, "BusyType"));
    if (!start || !end || !busy) return error(Errc::malformed, "CalendarEvent");
    CalendarEvent event{*start, *end, *busy, {}};
    if (const auto details = child(node, "CalendarEventDetails")) {
      const auto flag = [&](std::string_view name) { return boolean(text(details, name)).value_or(false); };
      event.Details = CalendarEventDetails{std::string(text(details, "ID")), child(details, "Subject").text().get(),
                                           child(details, "Location").text().get(), flag("IsMeeting"), flag("IsRecurring"),
                                           flag("IsException"), flag("IsReminderSet"), flag("IsPrivate")};
    }
    out.Events.push_back(std::move(event));
  }
  if (const auto hours = child(view, "WorkingHours")) {
    auto working_zone = read_time_zone(child(hours, "TimeZone"));
    if (!working_zone) return working_zone.error();
    WorkingHours value;
    value.TimeZone = *working_zone;
    const auto period = child(child(hours, "WorkingPeriodArray"), "WorkingPeriod");
    const auto names = std::string(text(period, "DayOfWeek"));
    for (std::size_t at = 0; at < names.size();) {
      const auto end = std::min(names.find(' ', at), names.size());
      if (const auto day = day_number(std::string_view(names).substr(at, end - at)); day >= 0) value.DayOfWeek.push_back(day);
      at = end + 1;
    }
    value.StartTimeInMinutes = integer(text(period, "StartTimeInMinutes")).value_or(0);
    value.EndTimeInMinutes = integer(text(period, "EndTimeInMinutes")).value_or(0);
    out.Hours = std::move(value);
  }
  return out;
}

}  // namespace mapigate::wire::ews
