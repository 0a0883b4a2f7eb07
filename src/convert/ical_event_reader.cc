#include "convert/ical_event_reader.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "convert/ical_exceptions.h"
#include "convert/ical_series_reader.h"
#include "wire/blobs/meeting_ids.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

// [MS-OXOCAL] 2.2.1.10 "PidLidAppointmentStateFlags", 2.2.1.2 "PidLidBusyStatus", 2.2.6.5 "PidLidMeetingType".
constexpr std::int32_t asfMeeting = 1, asfReceived = 2, asfCanceled = 4, olFree = 0, olTentative = 1, mtgRequest = 1;
constexpr std::string_view of_instance = "instance";  // in place of a method: a changed instance of a series

std::optional<std::int32_t> number_in(std::string_view text) {
  std::int32_t out = 0;
  const auto [rest, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (failed != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  return out;
}

std::string parameter_text(icalproperty* property, const char* name) {
  const char* text = icalproperty_get_parameter_as_string(property, name);
  return text == nullptr ? std::string() : text;
}

class Reader {
 public:
  Reader(icalcomponent* calendar, icalcomponent* event, const EventKind& kind, Event& out)
      : event_(event), kind_(kind), out_(out), times_(calendar, event) {}

  void read() {
    out_.message_class = kind_.message_class;
    out_.text = ical_text(event_, ICAL_DESCRIPTION_PROPERTY);  // 2.1.3.1.1.20.11
    if (out_.text.empty()) out_.text = ical_text(event_, ICAL_COMMENT_PROPERTY);
    out_.html = ical_html(event_);
    out_.properties.set_integer(PidTagIconIndex, kind_.icon);
    times();
    const bool has_pattern = series();
    id(has_pattern);
    what();
    state();
    attendees();
    reminder();
  }

 private:
  bool is(std::string_view method) const { return kind_.method == method; }
  bool is_instance() const { return is(of_instance); }

  void set(const NamedProperty& name, const Value& value) {
    const auto id = static_cast<std::uint16_t>(0x8000 + out_.names.size());
    out_.names.emplace(id, name);
    out_.named.set(PropertyTag(id, name.type), value);
  }
  void set_time(const NamedProperty& name, FileTime time) {
    if (time.ticks != 0) set(name, Value::time(time));
  }
  void set_text(const NamedProperty& name, std::string_view text) {
    if (!text.empty()) set(name, Value::string(arena_, utf8_prefix(text, max_calendar_text)));
  }
  void set_texts(const NamedProperty& name, const std::vector<std::string>& texts) {
    if (texts.empty()) return;
    const auto id = static_cast<std::uint16_t>(0x8000 + out_.names.size());
    out_.names.emplace(id, name);
    out_.named.set_strings(PropertyTag(id, name.type), texts);
  }
  void set_bytes(const NamedProperty& name, const Bytes& bytes) { set(name, Value::binary(arena_.copy(View(bytes)))); }

  // 2.1.3.1.1.20.8 "DTEND", .9 "DTSTART", .10 "DURATION"; of time zones 2.1.3.1.1.19.
  void times() {
    const auto span = times_.span();
    if (span.start.ticks == 0) return;
    const auto minutes = static_cast<std::int32_t>(std::min<std::int64_t>((to_unix(span.end) - to_unix(span.start)) / 60, 0x7FFFFFFF));
    if (is("counter")) {
      set(PidLidAppointmentCounterProposal, Value::boolean(true));
      set_time(PidLidAppointmentProposedStartWhole, span.start);
      set_time(PidLidAppointmentProposedEndWhole, span.end);
      set(PidLidAppointmentProposedDuration, Value::integer32(minutes));
      const auto start = original("X-MS-OLK-ORIGINALSTART"), end = original("X-MS-OLK-ORIGINALEND");
      if (start.ticks != 0 && end.ticks != 0) whole(start, end);
      else whole(span.start, span.end);
    } else {
      whole(span.start, span.end);
      set(PidLidAppointmentDuration, Value::integer32(minutes));
    }
    set(PidLidAppointmentSubType, Value::boolean(span.all_day));
    if (const auto* zone = times_.zone()) {
      set_bytes(PidLidAppointmentTimeZoneDefinitionStartDisplay, time_zone_definition(*zone, false));
      const auto* end_zone = times_.end_zone();
      set_bytes(PidLidAppointmentTimeZoneDefinitionEndDisplay, time_zone_definition(end_zone == nullptr ? *zone : *end_zone, false));
    }
  }
  void whole(FileTime start, FileTime end) {
    for (const auto& name : {PidLidAppointmentStartWhole, PidLidCommonStart}) set_time(name, start);
    for (const auto& name : {PidLidAppointmentEndWhole, PidLidCommonEnd}) set_time(name, end);
    out_.properties.set_time(PidTagStartDate, start);
    out_.properties.set_time(PidTagEndDate, end);
  }
  FileTime original(std::string_view name) const {
    const auto text = ical_x_text(event_, name);
    return text.empty() ? FileTime{} : ical_file_time(icaltime_from_string(text.c_str()));
  }

  // 2.1.3.2.2: a series that fits into a pattern.
  bool series() {
    const auto read = read_event_series(times_);
    if (!read) return false;
    const auto* found = &read->series;
    const auto zone = times_.zone() == nullptr ? utc_zone() : *times_.zone();
    set_bytes(PidLidAppointmentRecur, write_series(*found));
    set(PidLidRecurrenceType, Value::integer32(recurrence_type(found->pattern)));
    set_bytes(PidLidTimeZoneStruct, time_zone_struct(zone));
    set_text(PidLidTimeZoneDescription, zone.name);
    set_bytes(PidLidAppointmentTimeZoneDefinitionRecur, time_zone_definition(zone, true));
    const auto day = [&](std::uint32_t minutes) { return from_unix(zone.to_utc(seconds_of(minutes))); };
    set_time(PidLidClipStart, day(found->pattern.StartDate));
    const bool endless = found->pattern.EndType == wire::blobs::RecurrencePattern::no_end;
    set_time(PidLidClipEnd, endless ? from_unix(seconds_of(found->pattern.EndDate)) : day(found->pattern.EndDate));
    auto exceptions = ical_exceptions(times_, *read);
    out_.exceptions = std::move(exceptions.all);
    if (exceptions.attendees) set(PidLidFExceptionalAttendees, Value::boolean(true));
    return true;
  }

  // 2.1.3.1.1.20.26 "UID", .20 "RECURRENCE-ID", .23 "SEQUENCE".
  void id(bool has_pattern) {
    const auto instance = times_.local(ICAL_RECURRENCEID_PROPERTY);
    const auto uid = ical_text(event_, ICAL_UID_PROPERTY);
    if (!uid.empty() && uid.size() <= max_uid) {
      const auto global = instance ? wire::blobs::global_object_id_of(uid, static_cast<std::uint16_t>(instance->year),
                                                                      static_cast<std::uint8_t>(instance->month), static_cast<std::uint8_t>(instance->day))
                                   : wire::blobs::global_object_id_of(uid);
      set_bytes(PidLidGlobalObjectId, global);
      if (const auto clean = wire::blobs::clean_global_object_id(global)) set_bytes(PidLidCleanGlobalObjectId, *clean);
    }
    const bool is_series = icalcomponent_get_first_property(event_, ICAL_RRULE_PROPERTY) != nullptr;
    set(PidLidIsException, Value::boolean(instance.has_value()));
    set(PidLidIsRecurring, Value::boolean(instance || is_series));
    // Row C1: always there. A series without its pattern would be one that nobody can show.
    set(PidLidRecurring, Value::boolean(has_pattern));
    if (instance) {
      set_time(PidLidExceptionReplaceTime, times_.utc(ICAL_RECURRENCEID_PROPERTY));
      if (!instance->is_date) set(PidLidStartRecurrenceTime, Value::integer32(instance->hour << 12 | instance->minute << 6 | instance->second));
    }
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
    if (const auto subject = ical_text(event_, ICAL_SUMMARY_PROPERTY); !subject.empty() && (is("") || is_instance()))
      out_.properties.set_string(PidTagSubject, utf8_prefix(subject, max_calendar_text));
    if (is_instance()) set(PidLidFExceptionalBody, Value::boolean(!out_.text.empty() || !out_.html.empty()));
    else judged();
    const auto stamp = ical_file_time(ical_datetime(event_, ICAL_DTSTAMP_PROPERTY));
    const bool by_attendee = is("reply") || is("counter");
    set_time(by_attendee ? PidLidAttendeeCriticalChange : PidLidOwnerCriticalChange, stamp);
    if (by_attendee) set_time(PidLidAppointmentReplyTime, stamp);
  }

  // .4 "CLASS", .17 "PRIORITY", .32 and .43 "X-MICROSOFT-…-IMPORTANCE", .6 "CONTACT", .21 "RESOURCES"; of an instance as of its series.
  void judged() {
    constexpr std::pair<std::string_view, std::int32_t> classes[] = {{"PUBLIC", 0}, {"PERSONAL", 1}, {"X-PERSONAL", 1}, {"PRIVATE", 2}, {"CONFIDENTIAL", 3}};
    constexpr std::int32_t is_private = 2, low = 0, normal = 1, high = 2, middle = 5;
    const auto word = ical_text(event_, ICAL_CLASS_PROPERTY);
    for (const auto& [name, sensitivity] : classes) {
      if (!equal_ignoring_ascii_case(word, name)) continue;
      out_.properties.set_integer(PidTagSensitivity, sensitivity);
      if (sensitivity == is_private) set(PidLidPrivate, Value::boolean(true));
    }
    auto importance = number_in(ical_x_text(event_, "X-MICROSOFT-CDO-IMPORTANCE"));
    if (!importance) importance = number_in(ical_x_text(event_, "X-MICROSOFT-MSNCALENDAR-IMPORTANCE"));
    if (const auto priority = number_in(ical_text(event_, ICAL_PRIORITY_PROPERTY)); !importance && priority && *priority > 0)
      importance = *priority < middle ? high : *priority == middle ? normal : low;
    if (importance && *importance >= low && *importance <= high) out_.properties.set_integer(PidTagImportance, *importance);
    set_texts(PidLidContacts, texts_of(ICAL_CONTACT_PROPERTY));
    std::string resources;
    for (const auto& list : texts_of(ICAL_RESOURCES_PROPERTY))
      for (std::size_t at = 0; at < list.size();) {
        const auto end = std::min(list.find(',', at), list.size());
        const std::string one(trim(std::string_view(list).substr(at, end - at)));
        resources += (resources.empty() || one.empty() ? "" : "; ") + one;
        at = end + 1;
      }
    set_text(PidLidNonSendableBcc, resources);
  }
  std::vector<std::string> texts_of(icalproperty_kind kind) const {
    std::vector<std::string> out;
    for (auto* one = icalcomponent_get_first_property(event_, kind); one != nullptr && out.size() < max_listed;
         one = icalcomponent_get_next_property(event_, kind)) {
      const auto text = ical_x_text(one);
      if (!text.empty()) out.emplace_back(utf8_prefix(text, max_person_text));
    }
    return out;
  }

  // .23 "STATUS", 2.1.3.1.1.20.25 "TRANSP", .31 "X-MICROSOFT-CDO-BUSYSTATUS", .36 "X-MICROSOFT-CDO-INTENDEDSTATUS".
  void state() {
    const auto status = ical_busy_status(event_, is(""));
    if (is("request")) {
      set(PidLidIntendedBusyStatus, Value::integer32(status));
      set(PidLidBusyStatus, Value::integer32(status == olFree ? olFree : olTentative));  // until it is accepted
      set(PidLidMeetingType, Value::integer32(mtgRequest));
    } else {
      set(PidLidBusyStatus, Value::integer32(is("cancel") ? olFree : status));
    }
    if (is_instance()) return;  // the rest is as in the series
    if (is("")) {
      const bool meeting = icalcomponent_get_first_property(event_, ICAL_ATTENDEE_PROPERTY) != nullptr;
      set(PidLidAppointmentStateFlags, Value::integer32(meeting ? asfMeeting : 0));
    } else {
      set(PidLidAppointmentStateFlags, Value::integer32(asfMeeting | asfReceived | (is("cancel") ? asfCanceled : 0)));
    }
    set(PidLidResponseStatus, Value::integer32(kind_.response));
  }

  // 2.1.3.1.1.20.2 "ATTENDEE", .16 "ORGANIZER".
  void attendees() {
    if (auto* by = icalcomponent_get_first_property(event_, ICAL_ORGANIZER_PROPERTY)) out_.organizer = ical_person(by, icalproperty_get_organizer(by));
    bool wanted = false;
    for (auto* one = icalcomponent_get_first_property(event_, ICAL_ATTENDEE_PROPERTY); one != nullptr && out_.attendees.size() < max_attendees;
         one = icalcomponent_get_next_property(event_, ICAL_ATTENDEE_PROPERTY)) {
      auto person = ical_person(one, icalproperty_get_attendee(one));
      fill(person, one);
      wanted = wanted || person.asked;
      if (!person.address.empty() && !equal_ignoring_ascii_case(person.address, out_.organizer.address)) out_.attendees.push_back(std::move(person));
    }
    if (!is("request")) return;
    out_.properties.set_boolean(PidTagResponseRequested, wanted);
    out_.properties.set_boolean(PidTagReplyRequested, wanted);
    const auto refused = lower_ascii(ical_x_text(event_, "X-MICROSOFT-DISALLOW-COUNTER"));
    set(PidLidAppointmentNotAllowPropose, Value::boolean(refused == "true"));
  }
  static void fill(Attendee& person, icalproperty* property) {
    constexpr std::int32_t required = 1, optional = 2, resource = 3;
    const auto role = parameter_text(property, "ROLE"), kind = parameter_text(property, "CUTYPE"), answer = parameter_text(property, "PARTSTAT");
    person.type = required;
    if (equal_ignoring_ascii_case(role, "OPT-PARTICIPANT")) person.type = optional;
    if (equal_ignoring_ascii_case(role, "NON-PARTICIPANT") || equal_ignoring_ascii_case(kind, "RESOURCE") || equal_ignoring_ascii_case(kind, "ROOM"))
      person.type = resource;
    constexpr std::pair<std::string_view, std::int32_t> answers[] = {{"TENTATIVE", 2}, {"ACCEPTED", 3}, {"DECLINED", 4}};
    for (const auto& [word, status] : answers)
      if (equal_ignoring_ascii_case(answer, word)) person.track_status = status;
    person.asked = equal_ignoring_ascii_case(parameter_text(property, "RSVP"), "TRUE");
  }

  // 2.1.3.1.1.20.62 "VALARM". When it is due counts in calendars; a request in the inbox calls nobody.
  void reminder() {
    if (!is("request") && !is("") && !is_instance()) return;
    const auto span = times_.span();
    const auto minutes = ical_reminder(event_, span);
    set(PidLidReminderSet, Value::boolean(minutes.has_value()));
    if (!minutes) return;
    set(PidLidReminderDelta, Value::integer32(*minutes));
    set_time(PidLidReminderTime, span.start);
    if (is("") && span.start.ticks != 0) set_time(PidLidReminderSignalTime, from_unix(to_unix(span.start) - std::int64_t{*minutes} * 60));
  }

  icalcomponent* event_;
  const EventKind& kind_;
  Event& out_;
  EventTimes times_;
  Arena arena_;
};

std::optional<Event> read_as(std::string_view utf8, const EventKind& kind) {
  const std::lock_guard lock(ical_mutex());
  const auto parsed = parse_ical(utf8);
  auto* event = parsed.calendar == nullptr ? nullptr : event_of(parsed.calendar);
  if (event == nullptr) return std::nullopt;
  return read_event(parsed.calendar, event, kind);
}

}  // namespace

Attendee ical_person(icalproperty* property, const char* uri) {
  constexpr std::string_view mailto = "mailto:";
  Attendee out;
  auto address = trim(std::string_view(uri == nullptr ? "" : uri));
  if (address.size() >= mailto.size() && equal_ignoring_ascii_case(address.substr(0, mailto.size()), mailto)) address.remove_prefix(mailto.size());
  if (address.find('@') == address.npos || address.find_first_of("\r\n<> ") != address.npos || address.size() > max_person_text) return out;
  out.address = address;
  if (auto* parameter = icalproperty_get_first_parameter(property, ICAL_CN_PARAMETER))
    if (const char* name = icalparameter_get_cn(parameter)) out.name = utf8_prefix(trim(name), max_person_text);
  return out;
}

const Value* Event::find(const NamedProperty& name) const {
  for (const auto& [id, its_name] : names)
    if (its_name == PropertyName(name)) return named.find(PropertyTag(id, name.type));
  return nullptr;
}

icalcomponent* event_of(icalcomponent* calendar) {
  icalcomponent* first = icalcomponent_get_first_component(calendar, ICAL_VEVENT_COMPONENT);
  for (auto* one = first; one != nullptr; one = icalcomponent_get_next_component(calendar, ICAL_VEVENT_COMPONENT))
    if (icalcomponent_get_first_property(one, ICAL_RECURRENCEID_PROPERTY) == nullptr) return one;
  return first;
}

Event read_event(icalcomponent* calendar, icalcomponent* event, const EventKind& kind) {
  Event out;
  Reader(calendar, event, kind, out).read();
  return out;
}

std::optional<Event> read_appointment(std::string_view utf8) {
  constexpr std::int32_t icon = 0x400, respNone = 0;
  constexpr EventKind kind{"", "", "IPM.Appointment", icon, respNone};
  return utf8.size() > max_calendar_bytes ? std::nullopt : read_as(utf8, kind);
}

std::optional<Event> read_exception(std::string_view utf8) {
  constexpr std::int32_t icon = 0x400, respNone = 0;
  constexpr EventKind kind{of_instance, "", exception_class, icon, respNone};
  return utf8.size() > max_exception_bytes ? std::nullopt : read_as(utf8, kind);
}

}  // namespace mapigate::convert
