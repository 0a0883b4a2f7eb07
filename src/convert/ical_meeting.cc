#include "convert/ical_meeting.h"

#include "base/text.h"
#include "convert/ical_event_reader.h"

namespace mapigate::convert {

namespace {

// [MS-OXCICAL] 2.1.3.1.1.1; the answers of replies by PARTSTAT, 2.1.3.1.1.20.2.
constexpr std::int32_t respTentative = 2, respAccepted = 3, respDeclined = 4, respNotResponded = 5;
constexpr EventKind kinds[] = {{"request", "", "IPM.Schedule.Meeting.Request", 0x404, respNotResponded},
                               {"reply", "accepted", "IPM.Schedule.Meeting.Resp.Pos", 0x405, respAccepted},
                               {"reply", "declined", "IPM.Schedule.Meeting.Resp.Neg", 0x406, respDeclined},
                               {"reply", "tentative", "IPM.Schedule.Meeting.Resp.Tent", 0x407, respTentative},
                               {"counter", "", "IPM.Schedule.Meeting.Resp.Tent", 0x407, respTentative},
                               {"cancel", "", "IPM.Schedule.Meeting.Canceled", 0x408, respNotResponded}};

// Of the one who replies.
std::string answer_of(icalcomponent* event) {
  for (auto* one = icalcomponent_get_first_property(event, ICAL_ATTENDEE_PROPERTY); one != nullptr;
       one = icalcomponent_get_next_property(event, ICAL_ATTENDEE_PROPERTY)) {
    auto* parameter = icalproperty_get_first_parameter(one, ICAL_PARTSTAT_PARAMETER);
    switch (parameter == nullptr ? ICAL_PARTSTAT_NONE : icalparameter_get_partstat(parameter)) {
      case ICAL_PARTSTAT_ACCEPTED: return "accepted";
      case ICAL_PARTSTAT_DECLINED: return "declined";
      case ICAL_PARTSTAT_TENTATIVE: return "tentative";
      default: break;
    }
  }
  return {};
}

}  // namespace

std::optional<Meeting> read_meeting(std::string_view utf8, std::string_view method) {
  if (utf8.size() > max_calendar_bytes) return std::nullopt;
  const std::lock_guard lock(ical_mutex());
  const auto parsed = parse_ical(utf8);
  auto* event = parsed.calendar == nullptr ? nullptr : event_of(parsed.calendar);
  if (event == nullptr) return std::nullopt;
  auto its_method = lower_ascii(trim(ical_text(parsed.calendar, ICAL_METHOD_PROPERTY)));
  if (its_method.empty()) its_method = lower_ascii(method);
  const auto answer = its_method == "reply" ? answer_of(event) : std::string();
  for (const auto& kind : kinds)
    if (kind.method == its_method && kind.answer == answer) return read_event(parsed.calendar, event, kind);
  return std::nullopt;
}

}  // namespace mapigate::convert
