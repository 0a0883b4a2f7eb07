// GetUserAvailability ([MS-OXWAVLS] 3.1.4.1) and GetServerTimeZones ([MS-OXWSGTZ]).
#include "wire/ews/suggestions.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "transport/ews/operation.h"

namespace mapigate::transport::ews {

namespace {

using namespace wire::ews;

constexpr std::size_t asked_at_once = 8;
constexpr std::size_t most_members = 20;  // of a group whose members are asked one by one
constexpr auto patience = std::chrono::seconds(60);  // after which nobody else is asked

struct Wanted {
  std::vector<std::string> addresses;  // one, or the members of a group
  bool group = false;
  std::string code, message;           // why not
};

std::string_view domain_of(std::string_view address) { return address.substr(std::min(address.rfind('@'), address.size() - 1) + 1); }

Wanted whom(const Call& call, const directory::Snapshot* book, const std::string& address) {
  Wanted out;
  const auto nobody = [&] {
    out.code = "ErrorMailRecipientNotFound";
    out.message = "Nobody here has the address " + address + ".";
    return out;
  };
  if (address.find('@') == std::string::npos) return nobody();
  const auto found = book ? book->find_address(address) : std::nullopt;
  if (!found) {
    // Whoever is not in the address book may still have a calendar here.
    if (domain_of(address) != domain_of(call.user())) return nobody();
    out.addresses.push_back(address);
    return out;
  }
  const auto& entry = book->object(*found).entry;
  if (entry.kind == directory::EntryKind::contact) return nobody();
  if (entry.kind != directory::EntryKind::group) {
    out.addresses.push_back(entry.address);
    return out;
  }
  out.group = true;
  for (const auto member : book->people_of(*found)) {
    const auto& one = book->object(member).entry;
    if (one.kind != directory::EntryKind::contact && !one.address.empty()) out.addresses.push_back(one.address);
  }
  if (out.addresses.size() > most_members) {
    out.addresses.clear();
    out.code = "ErrorFreeBusyDLLimitReached";
    out.message = fmt::format("The group has more than {} members.", most_members);
  }
  return out;
}

// What came of one mailbox of the request.
struct Answered {
  Wanted wanted;
  std::vector<CalendarEvent> events;
  std::optional<WorkingHours> hours;
  bool detailed = false;
  std::vector<Attendee::Member> members;  // of a group, for suggestions
};

// What is asked of every calendar.
struct Asking {
  std::int64_t start = 0, end = 0;
  std::optional<SuggestionsViewOptions> suggestions;
};

std::string_view trouble_code(const Error& error) {
  switch (error.code) {
    case Errc::denied: return "ErrorNoFreeBusyAccess";
    case Errc::not_found: return "ErrorMailRecipientNotFound";
    default: return "ErrorFreeBusyGenerationFailed";
  }
}

io::Task<> ask(mailbox::FreeBusySource* source, std::shared_ptr<const chain::Identity> asker, const Asking* asking,
               Clock::time_point until, Answered* out) {
  for (const auto& address : out->wanted.addresses) {
    if (Clock::now() > until) {
      out->wanted.code = "ErrorFreeBusyGenerationFailed";
      out->wanted.message = "The calendars take too long.";
      co_return;
    }
    auto known = co_await source->free_busy(asker, address, asking->start, asking->end);
    if (!known) {
      // Of a group, whoever is known counts.
      if (out->wanted.group) {
        out->members.push_back({false, {}});
        continue;
      }
      log::info("free/busy of {} for {}: {}", address, asker->user, known.error().message);
      out->wanted.code = trouble_code(known.error());
      out->wanted.message = "The calendar of " + address + " cannot be read.";
      co_return;
    }
    out->detailed = known->detailed && !out->wanted.group;
    if (const auto& window = asking->suggestions; out->wanted.group && window)
      out->members.push_back({true, merged_free_busy(known->events, window->StartTime, window->EndTime, suggestion_minutes)});
    if (!out->wanted.group) out->hours = std::move(known->hours);
    out->events.insert(out->events.end(), std::make_move_iterator(known->events.begin()), std::make_move_iterator(known->events.end()));
  }
}

FreeBusyView view_of(const AvailabilityRequest& request, Answered answered) {
  FreeBusyView out;
  out.Type = request.RequestedView;
  if (answered.wanted.group) out.Type = FreeBusyViewType::MergedOnly;
  else if (is_detailed(out.Type) && !answered.detailed)
    out.Type = out.Type == FreeBusyViewType::DetailedMerged ? FreeBusyViewType::FreeBusyMerged : FreeBusyViewType::FreeBusy;
  std::erase_if(answered.events, [&](const auto& one) { return one.EndTime <= request.StartTime || one.StartTime >= request.EndTime; });
  out.MergedFreeBusy = merged_free_busy(answered.events, request.StartTime, request.EndTime, request.MergedFreeBusyIntervalInMinutes);
  out.Events = std::move(answered.events);
  out.Hours = std::move(answered.hours);
  if (!out.Hours) {
    // Nobody said: the usual ones, in the zone of who asks.
    out.Hours = WorkingHours{request.TimeZone, {1, 2, 3, 4, 5}, 8 * 60, 17 * 60};
  }
  return out;
}

Attendee attendee_of(const Answered& answered, const MailboxData& mailbox, const SuggestionsViewOptions& window) {
  Attendee out;
  out.exclude_conflicts = mailbox.ExcludeConflicts;
  if (answered.wanted.code == "ErrorFreeBusyDLLimitReached") out.kind = Attendee::Kind::too_big_group;
  else if (!answered.wanted.code.empty()) out.kind = Attendee::Kind::unknown;
  else if (answered.wanted.group) out.kind = Attendee::Kind::group;
  out.times = merged_free_busy(answered.events, window.StartTime, window.EndTime, suggestion_minutes);
  out.members = answered.members;
  return out;
}

// By the working hours of the first who has some.
void write_suggestions_response(pugi::xml_node response, const std::optional<RequestProblem>& problem, const AvailabilityRequest& request,
                                const Asking& asking, std::span<const Answered> answers) {
  auto node = response.append_child("m:SuggestionsResponse");
  auto message = node.append_child("m:ResponseMessage");
  if (problem) return write_response_message(message, problem->code, problem->message);
  write_response_message(message, "NoError");
  std::vector<Attendee> attendees;
  for (std::size_t i = 0; i < answers.size(); ++i) attendees.push_back(attendee_of(answers[i], request.Mailboxes[i], *asking.suggestions));
  WorkingHours hours{request.TimeZone, {1, 2, 3, 4, 5}, 8 * 60, 17 * 60};
  for (const auto& one : answers) {
    if (!one.hours) continue;
    hours = *one.hours;
    break;
  }
  const auto days = suggest(*asking.suggestions, request.TimeZone, hours, attendees);
  write_suggestions(node.append_child("m:SuggestionDayResultArray"), days, *asking.suggestions, request.TimeZone, attendees);
}

// The windows together, where they are not too far apart.
std::optional<RequestProblem> read_asking(const pugi::xml_node& content, const AvailabilityRequest& request, Asking& out) {
  out.start = request.StartTime, out.end = request.EndTime;
  if (!request.wants_suggestions) return {};
  SuggestionsViewOptions window;
  if (auto problem = read_suggestions_options(child(content, "SuggestionsViewOptions"), request.TimeZone, window)) return problem;
  const auto start = std::min(out.start, window.StartTime), end = std::max(out.end, window.EndTime);
  if (end - start > most_days * std::int64_t{86400} + 3600)
    return RequestProblem{"ErrorTimeIntervalTooBig", fmt::format("Both windows together are longer than {} days.", most_days)};
  out.start = start, out.end = end;
  out.suggestions = window;
  return {};
}

io::Task<Status> get_availability(Call* call) {
  std::optional<SerializableTimeZone> zone;
  if (const auto id = call->request.time_zone_id(); !id.empty()) {
    auto named = time_zone_named(id, to_unix(now()));
    if (named) zone = *named;
  }
  AvailabilityRequest request;
  auto problem = read_availability(call->content(), zone, request);
  auto response = call->body.append_child("m:GetUserAvailabilityResponse");
  std::vector<Answered> answers(request.Mailboxes.size());
  auto* source = call->free_busy();
  Asking asking;
  std::optional<RequestProblem> suggestion_problem;
  if (!problem) {
    suggestion_problem = read_asking(call->content(), request, asking);
    const auto book = call->address_book();
    for (std::size_t i = 0; i < answers.size(); ++i) answers[i].wanted = whom(*call, book.get(), request.Mailboxes[i].Address);
    if (source != nullptr) {
      const auto until = Clock::now() + patience;
      const std::function<io::Task<>(std::size_t)> one = [&](std::size_t i) { return ask(source, call->identity, &asking, until, &answers[i]); };
      co_await for_each(answers.size(), asked_at_once, one);
    }
  } else if (answers.empty()) {
    answers.resize(1);
  }
  if (!problem && request.wants_suggestions && !suggestion_problem && source == nullptr)
    suggestion_problem = RequestProblem{"ErrorFreeBusyGenerationFailed", "This server knows no calendars."};
  if (problem || request.wants_free_busy) {
    auto list = response.append_child("m:FreeBusyResponseArray");
    for (const auto& answered : answers) {
      auto node = list.append_child("m:FreeBusyResponse");
      auto message = node.append_child("m:ResponseMessage");
      const auto& wanted = answered.wanted;
      if (problem) write_response_message(message, problem->code, problem->message);
      else if (!wanted.code.empty()) write_response_message(message, wanted.code, wanted.message);
      else if (source == nullptr) write_response_message(message, "ErrorFreeBusyGenerationFailed", "This server knows no calendars.");
      else write_response_message(message, "NoError");
      if (problem || !wanted.code.empty() || source == nullptr) {
        add(node.append_child("m:FreeBusyView"), "t:FreeBusyViewType", "None");
        continue;
      }
      write_free_busy_view(node.append_child("m:FreeBusyView"), view_of(request, answered), request.TimeZone);
    }
  }
  if (!problem && request.wants_suggestions) write_suggestions_response(response, suggestion_problem, request, asking, answers);
  co_return Status();
}

std::string minutes(int value) { return fmt::format("{}PT{}M", value < 0 ? "-" : "", std::abs(value)); }

void write_transition(pugi::xml_node group, const std::string& to, const SerializableTimeZoneTime& when) {
  auto node = group.append_child("t:RecurringDayTransition");
  add(node, "t:To", to).append_attribute("Kind") = "Period";
  add(node, "t:TimeOffset", fmt::format("PT{}S", when.Time));
  add(node, "t:Month", when.Month);
  add(node, "t:DayOfWeek", day_name(when.DayOfWeek));
  add(node, "t:Occurrence", when.DayOrder >= 5 ? -1 : when.DayOrder);
}

io::Task<Status> get_time_zones(Call* call) {
  auto message = call->body.append_child("m:GetServerTimeZonesResponse").append_child("m:ResponseMessages").append_child("m:GetServerTimeZonesResponseMessage");
  write_response_message(message, "NoError");
  auto list = message.append_child("m:TimeZoneDefinitions");
  const bool full = boolean(call->content().attribute("ReturnFullTimeZoneData").value()).value_or(true);
  std::vector<std::string> ids;
  for (const auto& node : child(call->content(), "Ids").children())
    if (local_name(node) == "Id" && ids.size() < 200) ids.emplace_back(trim(node.text().get()));
  if (!child(call->content(), "Ids")) ids.emplace_back("UTC");
  for (const auto& id : ids) {
    const auto zone = time_zone_named(id, to_unix(now()));
    if (!zone) continue;
    auto definition = list.append_child("t:TimeZoneDefinition");
    definition.append_attribute("Id") = clean(id).c_str();
    definition.append_attribute("Name") = clean(id).c_str();
    if (!full) continue;
    const auto standard = "trule:mapigate/" + id + "/Standard", daylight = "trule:mapigate/" + id + "/Daylight";
    auto periods = definition.append_child("t:Periods");
    const auto period = [&](const std::string& name, const char* kind, int bias) {
      auto node = periods.append_child("t:Period");
      node.append_attribute("Bias") = minutes(bias).c_str();
      node.append_attribute("Name") = kind;
      node.append_attribute("Id") = clean(name).c_str();
    };
    period(standard, "Standard", zone->Bias + zone->StandardTime.Bias);
    if (zone->has_daylight()) period(daylight, "Daylight", zone->Bias + zone->DaylightTime.Bias);
    auto group = definition.append_child("t:TransitionsGroups").append_child("t:TransitionsGroup");
    group.append_attribute("Id") = "0";
    if (zone->has_daylight()) {
      write_transition(group, daylight, zone->DaylightTime);
      write_transition(group, standard, zone->StandardTime);
    } else {
      add(group.append_child("t:Transition"), "t:To", standard).append_attribute("Kind") = "Period";
    }
    add(definition.append_child("t:Transitions").append_child("t:Transition"), "t:To", "0").append_attribute("Kind") = "Group";
  }
  co_return Status();
}

constexpr Operation operations[] = {{"GetUserAvailabilityRequest", get_availability}, {"GetServerTimeZones", get_time_zones}};

}  // namespace

std::span<const Operation> availability_operations() { return operations; }

}  // namespace mapigate::transport::ews
