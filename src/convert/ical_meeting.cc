#include "convert/ical_meeting.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "convert/ical_support.h"
#include "wire/blobs/meeting_ids.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

// [MS-OXCICAL] 2.1.3.1.1.1; the answers of replies by PARTSTAT, 2.1.3.1.1.20.2.
struct Kind {
  std::string_view method, answer, message_class;
  std::int32_t icon, response;  // [MS-OXOCAL] 2.2.1.49 "PidTagIconIndex", 2.2.1.11 "PidLidResponseStatus"
};
constexpr std::int32_t respTentative = 2, respAccepted = 3, respDeclined = 4, respNotResponded = 5;
constexpr Kind kinds[] = {{"request", "", "IPM.Schedule.Meeting.Request", 0x404, respNotResponded},
                          {"reply", "accepted", "IPM.Schedule.Meeting.Resp.Pos", 0x405, respAccepted},
                          {"reply", "declined", "IPM.Schedule.Meeting.Resp.Neg", 0x406, respDeclined},
                          {"reply", "tentative", "IPM.Schedule.Meeting.Resp.Tent", 0x407, respTentative},
                          {"counter", "", "IPM.Schedule.Meeting.Resp.Tent", 0x407, respTentative},
                          {"cancel", "", "IPM.Schedule.Meeting.Canceled", 0x408, respNotResponded}};

// [MS-OXOCAL] 2.2.1.10 "PidLidAppointmentStateFlags", 2.2.1.2 "PidLidBusyStatus", 2.2.6.5 "PidLidMeetingType".
constexpr std::int32_t asfMeeting = 1, asfReceived = 2, asfCanceled = 4, olFree = 0, olTentative = 1, olBusy = 2, olOutOfOffice = 3,
                       olWorkingElsewhere = 4, mtgRequest = 1;

std::optional<std::int32_t> number_in(std::string_view text) {
  std::int32_t out = 0;
  const auto [rest, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (failed != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  return out;
}

std::optional<std::int32_t> busy_status(std::string_view text) {
  constexpr std::pair<std::string_view, std::int32_t> words[] = {
      {"free", olFree}, {"tentative", olTentative}, {"busy", olBusy}, {"oof", olOutOfOffice}, {"workingelsewhere", olWorkingElsewhere}};
  for (const auto& [word, status] : words)
    if (equal_ignoring_ascii_case(text, word)) return status;
  return std::nullopt;
}

class Reader {
 public:
  Reader(icalcomponent* event, const Kind& kind, Meeting& out) : event_(event), kind_(kind), out_(out) {}

  void read() {
    out_.message_class = kind_.message_class;
    out_.text = ical_text(event_, ICAL_DESCRIPTION_PROPERTY);  // 2.1.3.1.1.20.11
    out_.properties.set_integer(PidTagIconIndex, kind_.icon);
    times();
    id();
    what();
    state();
    attendees();
    reminder();
  }

 private:
  bool is(std::string_view method) const { return kind_.method == method; }

  void set(const NamedProperty& name, const Value& value) {
    const auto id = static_cast<std::uint16_t>(0x8000 + out_.names.size());
    out_.names.emplace(id, name);
    out_.named.set(PropertyTag(id, name.type), value);
  }
  void set_time(const NamedProperty& name, FileTime time) {
    if (time.ticks != 0) set(name, Value::time(time));
  }
  void set_text(const NamedProperty& name, std::string_view text) {
    constexpr std::size_t most = 32768;
    if (!text.empty()) set(name, Value::string(arena_, utf8_prefix(text, most)));
  }

  // 2.1.3.1.1.20.8 "DTSTART", .10 "DTEND", .9 "DURATION".
  void times() {
    const auto from = ical_datetime(event_, ICAL_DTSTART_PROPERTY);
    const auto start = ical_file_time(from);
    if (start.ticks == 0) return;
    auto end = ical_file_time(ical_datetime(event_, ICAL_DTEND_PROPERTY));
    if (end.ticks == 0) {
      std::int64_t seconds = from.is_date ? 24 * 3600 : 0;
      if (auto* property = icalcomponent_get_first_property(event_, ICAL_DURATION_PROPERTY))
        seconds = icaldurationtype_as_int(icalproperty_get_duration(property));
      end = from_unix(to_unix(start) + seconds);
    }
    end = std::max(end, start);
    const auto minutes = static_cast<std::int32_t>(std::min<std::int64_t>((to_unix(end) - to_unix(start)) / 60, 0x7FFFFFFF));
    const bool all_day = from.is_date || equal_ignoring_ascii_case(ical_x_text(event_, "X-MICROSOFT-CDO-ALLDAYEVENT"), "TRUE");
    if (is("counter")) {
      set(PidLidAppointmentCounterProposal, Value::boolean(true));
      set_time(PidLidAppointmentProposedStartWhole, start);
      set_time(PidLidAppointmentProposedEndWhole, end);
      set(PidLidAppointmentProposedDuration, Value::integer32(minutes));
      whole(original("X-MS-OLK-ORIGINALSTART"), original("X-MS-OLK-ORIGINALEND"));
    } else {
      whole(start, end);
      set(PidLidAppointmentDuration, Value::integer32(minutes));
    }
    set(PidLidAppointmentSubType, Value::boolean(all_day));
  }
  void whole(FileTime start, FileTime end) {
    if (start.ticks == 0 || end.ticks == 0) return;
    for (const auto& name : {PidLidAppointmentStartWhole, PidLidCommonStart}) set_time(name, start);
    for (const auto& name : {PidLidAppointmentEndWhole, PidLidCommonEnd}) set_time(name, end);
    out_.properties.set_time(PidTagStartDate, start);
    out_.properties.set_time(PidTagEndDate, end);
  }
  FileTime original(std::string_view name) const {
    const auto text = ical_x_text(event_, name);
    return text.empty() ? FileTime{} : ical_file_time(icaltime_from_string(text.c_str()));
  }

  // 2.1.3.1.1.20.26 "UID", .20 "RECURRENCE-ID", .23 "SEQUENCE".
  void id() {
    constexpr std::size_t longest_uid = 2048;
    const auto instance = ical_datetime(event_, ICAL_RECURRENCEID_PROPERTY);
    const bool is_instance = !icaltime_is_null_time(instance) && instance.year >= 1601 && instance.year <= 4500;
    const auto uid = ical_text(event_, ICAL_UID_PROPERTY);
    if (!uid.empty() && uid.size() <= longest_uid) {
      const auto global = is_instance ? wire::blobs::global_object_id_of(uid, static_cast<std::uint16_t>(instance.year),
                                                                         static_cast<std::uint8_t>(instance.month), static_cast<std::uint8_t>(instance.day))
                                      : wire::blobs::global_object_id_of(uid);
      set(PidLidGlobalObjectId, Value::binary(arena_.copy(View(global))));
      if (const auto clean = wire::blobs::clean_global_object_id(global)) set(PidLidCleanGlobalObjectId, Value::binary(arena_.copy(View(*clean))));
    }
    const bool is_series = icalcomponent_get_first_property(event_, ICAL_RRULE_PROPERTY) != nullptr;
    set(PidLidIsException, Value::boolean(is_instance));
    set(PidLidIsRecurring, Value::boolean(is_instance || is_series));
    // Row C1: always there. A series without its pattern would be one that nobody can show.
    set(PidLidRecurring, Value::boolean(false));
    if (is_instance) set_time(PidLidExceptionReplaceTime, ical_file_time(instance));
    auto sequence = number_in(ical_text(event_, ICAL_SEQUENCE_PROPERTY));
    if (!sequence) sequence = number_in(ical_x_text(event_, "X-MICROSOFT-CDO-APPT-SEQUENCE"));
    set(PidLidAppointmentSequence, Value::integer32(std::max(sequence.value_or(0), 0)));
    if (const auto owner = number_in(ical_x_text(event_, "X-MICROSOFT-CDO-OWNERAPPTID"))) out_.properties.set_integer(PidTagOwnerAppointmentId, *owner);
  }

  // .13 "LOCATION", .7 "DTSTAMP".
  void what() {
    const auto location = ical_text(event_, ICAL_LOCATION_PROPERTY);
    set_text(PidLidLocation, location);
    set_text(PidLidWhere, location);
    const auto stamp = ical_file_time(ical_datetime(event_, ICAL_DTSTAMP_PROPERTY));
    const bool by_owner = is("request") || is("cancel");
    set_time(by_owner ? PidLidOwnerCriticalChange : PidLidAttendeeCriticalChange, stamp);
    if (!by_owner) set_time(PidLidAppointmentReplyTime, stamp);
  }

  // 2.1.3.1.1.20.25 "TRANSP", .31 "X-MICROSOFT-CDO-BUSYSTATUS", .36 "X-MICROSOFT-CDO-INTENDEDSTATUS".
  void state() {
    auto intended = busy_status(ical_x_text(event_, "X-MICROSOFT-CDO-INTENDEDSTATUS"));
    if (!intended) intended = busy_status(ical_x_text(event_, "X-MICROSOFT-CDO-BUSYSTATUS"));
    if (!intended) intended = equal_ignoring_ascii_case(ical_text(event_, ICAL_TRANSP_PROPERTY), "TRANSPARENT") ? olFree : olBusy;
    if (is("request")) {
      set(PidLidIntendedBusyStatus, Value::integer32(*intended));
      set(PidLidBusyStatus, Value::integer32(*intended == olFree ? olFree : olTentative));  // until it is accepted
      set(PidLidMeetingType, Value::integer32(mtgRequest));
    } else {
      set(PidLidBusyStatus, Value::integer32(is("cancel") ? olFree : *intended));
    }
    set(PidLidAppointmentStateFlags, Value::integer32(asfMeeting | asfReceived | (is("cancel") ? asfCanceled : 0)));
    set(PidLidResponseStatus, Value::integer32(kind_.response));
  }

  // 2.1.3.1.1.20.2 "ATTENDEE".
  void attendees() {
    if (!is("request")) return;
    bool wanted = false;
    for (auto* one = icalcomponent_get_first_property(event_, ICAL_ATTENDEE_PROPERTY); one != nullptr && !wanted;
         one = icalcomponent_get_next_property(event_, ICAL_ATTENDEE_PROPERTY)) {
      auto* parameter = icalproperty_get_first_parameter(one, ICAL_RSVP_PARAMETER);
      wanted = parameter != nullptr && icalparameter_get_rsvp(parameter) == ICAL_RSVP_TRUE;
    }
    out_.properties.set_boolean(PidTagResponseRequested, wanted);
    out_.properties.set_boolean(PidTagReplyRequested, wanted);
    const auto refused = lower_ascii(ical_x_text(event_, "X-MICROSOFT-DISALLOW-COUNTER"));
    set(PidLidAppointmentNotAllowPropose, Value::boolean(refused == "true"));
  }

  // 2.1.3.1.1.20.62 "VALARM": only those that come before the start.
  void reminder() {
    if (!is("request")) return;
    auto* alarm = icalcomponent_get_first_component(event_, ICAL_VALARM_COMPONENT);
    auto* property = alarm == nullptr ? nullptr : icalcomponent_get_first_property(alarm, ICAL_TRIGGER_PROPERTY);
    const auto trigger = property == nullptr ? icaltriggertype_from_int(0) : icalproperty_get_trigger(property);
    const bool before = property != nullptr && icaltime_is_null_time(trigger.time);
    const auto seconds = before ? icaldurationtype_as_int(trigger.duration) : 0;
    set(PidLidReminderSet, Value::boolean(before && seconds <= 0));
    if (before && seconds <= 0) set(PidLidReminderDelta, Value::integer32(-(seconds / 60)));
  }

  icalcomponent* event_;
  const Kind& kind_;
  Meeting& out_;
  Arena arena_;
};

// The series before its exceptions.
icalcomponent* event_of(icalcomponent* calendar) {
  icalcomponent* first = icalcomponent_get_first_component(calendar, ICAL_VEVENT_COMPONENT);
  for (auto* one = first; one != nullptr; one = icalcomponent_get_next_component(calendar, ICAL_VEVENT_COMPONENT))
    if (icalcomponent_get_first_property(one, ICAL_RECURRENCEID_PROPERTY) == nullptr) return one;
  return first;
}

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
  if (utf8.size() > max_meeting_bytes) return std::nullopt;
  const std::lock_guard lock(ical_mutex());
  const auto parsed = parse_ical(utf8);
  auto* event = parsed.calendar == nullptr ? nullptr : event_of(parsed.calendar);
  if (event == nullptr) return std::nullopt;
  auto its_method = lower_ascii(trim(ical_text(parsed.calendar, ICAL_METHOD_PROPERTY)));
  if (its_method.empty()) its_method = lower_ascii(method);
  const auto answer = its_method == "reply" ? answer_of(event) : std::string();
  for (const auto& kind : kinds) {
    if (kind.method != its_method || kind.answer != answer) continue;
    Meeting out;
    Reader(event, kind, out).read();
    return out;
  }
  return std::nullopt;
}

}  // namespace mapigate::convert
