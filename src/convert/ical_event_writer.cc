#include "convert/ical_event_writer.h"

#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "convert/ical_lines.h"
#include "convert/ical_recurrence.h"
#include "convert/ical_time_zone.h"
#include "wire/blobs/blob.h"
#include "wire/blobs/meeting_ids.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

constexpr std::int32_t olFree = 0, olBusy = 2;
constexpr std::string_view busy_words[] = {"FREE", "TENTATIVE", "BUSY", "OOF", "WORKINGELSEWHERE"};

std::int64_t of_its_day(std::int64_t local) { return (local % 86400 + 86400) % 86400; }
bool at_midnight(std::int64_t local) { return of_its_day(local) == 0; }

// Times that a calendar can tell.
bool in_range(FileTime time) {
  constexpr std::int64_t last = 79'870'665'600;  // the year 4501
  return time.ticks != 0 && to_unix(time) < last;
}

std::string_view busy_word(std::int64_t status) {
  return status >= 0 && status < static_cast<std::int64_t>(std::size(busy_words)) ? busy_words[static_cast<std::size_t>(status)] : busy_words[olBusy];
}

class Writer {
 public:
  Writer(const EventSource& source, CalendarMethod method) : source_(source), method_(method) {}
  std::optional<std::string> write();
  const std::vector<std::size_t>& told() const { return told_; }

 private:
  bool is(CalendarMethod method) const { return method_ == method; }
  bool by_attendee() const { return is(CalendarMethod::reply) || is(CalendarMethod::counter); }

  const Value* find(const NamedProperty& name) const {
    for (const auto& [id, its_name] : source_.names)
      if (its_name == PropertyName(name)) return source_.properties.find(PropertyTag(id, name.type));
    return nullptr;
  }
  FileTime time(const NamedProperty& name) const {
    const auto* value = find(name);
    const auto* out = value == nullptr ? nullptr : value->get<FileTime>();
    return out == nullptr ? FileTime{} : *out;
  }
  std::int64_t number(const NamedProperty& name, std::int64_t otherwise) const {
    const auto* value = find(name);
    return value == nullptr ? otherwise : number_of(*value);
  }
  std::string text(const NamedProperty& name) const {
    const auto* value = find(name);
    return value == nullptr ? std::string() : text_of(*value);
  }
  View binary(const NamedProperty& name) const {
    const auto* value = find(name);
    const auto* out = value == nullptr ? nullptr : value->get<View>();
    return out == nullptr ? View() : *out;
  }

  bool find_times();
  void find_zone();
  void find_series();
  void find_id();

  void put(std::string_view line) { out_ += ical_line(line); }
  void put_text(std::string_view name, std::string_view utf8) {
    if (!utf8.empty()) put(std::string(name) + ":" + ical_escape(utf8));
  }
  // A moment, in the event's time zone or as a day of it.
  void put_local(std::string_view name, std::int64_t local, bool as_day) {
    if (as_day) put(fmt::format("{};VALUE=DATE:{}", name, ical_clock(local, false)));
    else if (zone_) put(fmt::format("{};TZID={}:{}", name, ical_parameter(zone_->name), ical_clock(local, true)));
    else put(fmt::format("{}:{}Z", name, ical_clock(local, true)));
  }
  std::int64_t local(FileTime utc) const { return zone_ ? zone_->to_local(to_unix(utc)) : to_unix(utc); }
  std::int64_t utc(std::int64_t local) const { return zone_ ? zone_->to_utc(local) : local; }
  static std::string utc_text(FileTime time) { return ical_clock(to_unix(time), true) + "Z"; }

  void put_people(const std::vector<Attendee>& attendees);
  void put_body(std::string_view name, std::string_view text, std::string_view html);
  void put_judged();
  void put_person(std::string_view name, const Attendee& one);
  void put_rule();
  void put_instance();
  // What an event and the events that replace its instances have alike.
  void put_common(std::int64_t busy);
  void put_reminder(bool set, std::int64_t minutes);
  void put_exception(const SeriesException& one);
  const InstanceSource* instance_of(const SeriesException& one);

  const EventSource& source_;
  CalendarMethod method_;
  std::string out_, uid_;
  std::vector<std::size_t> told_;
  FileTime start_, end_;
  bool days_ = false;  // told as dates
  std::optional<CalendarZone> zone_;
  std::optional<Series> series_;
  std::uint16_t year_ = 0;  // of the instance in the id; 0: none
  unsigned month_ = 0, day_ = 0;
};

bool Writer::find_times() {
  // Of a proposal what is proposed, 2.1.3.1.1.20.8 and .9.
  if (is(CalendarMethod::counter)) start_ = time(PidLidAppointmentProposedStartWhole), end_ = time(PidLidAppointmentProposedEndWhole);
  if (start_.ticks == 0) start_ = time(PidLidAppointmentStartWhole), end_ = time(PidLidAppointmentEndWhole);
  if (start_.ticks == 0) start_ = time(PidLidCommonStart), end_ = time(PidLidCommonEnd);
  if (start_.ticks == 0) start_ = source_.properties.time(PidTagStartDate), end_ = source_.properties.time(PidTagEndDate);
  if (!in_range(start_)) return false;
  if (!in_range(end_) || end_ < start_) end_ = start_;
  return true;
}

// 2.1.3.1.1.20.10.1: of a series what its times are counted in.
void Writer::find_zone() {
  const bool has_series = !binary(PidLidAppointmentRecur).empty();
  if (has_series) {
    zone_ = zone_of_definition(binary(PidLidAppointmentTimeZoneDefinitionRecur));
    const auto older = zone_of_struct(binary(PidLidTimeZoneStruct), text(PidLidTimeZoneDescription));
    // Where the two say different things the older one counts ([MS-OXOCAL] 2.2.1.41).
    if (older && zone_ && !(older->rules == zone_->rules)) zone_->rules = older->rules;
    if (!zone_) zone_ = older;
  }
  if (!zone_) zone_ = zone_of_definition(binary(PidLidAppointmentTimeZoneDefinitionStartDisplay));
  if (!zone_) zone_ = zone_of_struct(binary(PidLidTimeZoneStruct), text(PidLidTimeZoneDescription));
  if (zone_) std::erase(zone_->name, '"');  // no parameter can hold it
  if (zone_ && zone_->name.empty()) zone_->name = "Zone";
  const bool universal = zone_ && !zone_->has_daylight() && zone_->rules.lBias + zone_->rules.lStandardBias == 0;
  if (universal && zone_->name == "UTC") zone_.reset();
}

void Writer::find_series() {
  const auto value = binary(PidLidAppointmentRecur);
  if (value.empty() || by_attendee()) return;
  auto found = read_series(value);
  if (!found || rule_text(found->pattern).empty()) return;
  series_ = std::move(*found);
}

void Writer::find_id() {
  const auto id = binary(PidLidGlobalObjectId);
  Arena arena;
  if (const auto decoded = wire::blobs::decode_blob<wire::blobs::GlobalObjectId>(id, arena)) {
    const auto& value = decoded->value;
    if (value.year() >= 1601 && value.year() <= 4500 && value.M >= 1 && value.M <= 12 && value.D >= 1 && value.D <= 31) year_ = value.year(), month_ = value.M, day_ = value.D;
    if (auto uid = wire::blobs::uid_of(id)) uid_ = std::move(*uid);
  }
  if (uid_.empty())
    if (auto uid = wire::blobs::uid_of(binary(PidLidCleanGlobalObjectId))) uid_ = std::move(*uid);
}

void Writer::put_person(std::string_view name, const Attendee& one) {
  std::string line(name);
  const bool is_attendee = name == "ATTENDEE";
  if (is_attendee) {
    constexpr std::int32_t optional = 2, resource = 3;
    constexpr std::string_view answers[] = {"NEEDS-ACTION", "NEEDS-ACTION", "TENTATIVE", "ACCEPTED", "DECLINED"};
    if (one.type == resource) line += ";CUTYPE=RESOURCE";
    line += one.type == optional ? ";ROLE=OPT-PARTICIPANT" : one.type == resource ? ";ROLE=NON-PARTICIPANT" : ";ROLE=REQ-PARTICIPANT";
    const auto status = one.track_status >= 0 && one.track_status < 5 ? one.track_status : 0;
    line += fmt::format(";PARTSTAT={}", answers[status]);
    if (one.asked && !by_attendee()) line += ";RSVP=TRUE";
  }
  if (!one.name.empty()) line += ";CN=" + ical_parameter(one.name);
  put(line + ":mailto:" + one.address);
}

void Writer::put_people(const std::vector<Attendee>& attendees) {
  if (!source_.organizer.address.empty()) put_person("ORGANIZER", source_.organizer);
  for (std::size_t i = 0; i < attendees.size() && i < max_attendees; ++i)
    if (!attendees[i].address.empty()) put_person("ATTENDEE", attendees[i]);
}

// Of many long ones the last are left out rather than all of the calendar.
void Writer::put_body(std::string_view name, std::string_view text, std::string_view html) {
  constexpr std::size_t room = max_calendar_bytes / 2;
  if (out_.size() < room) put_text(name, utf8_prefix(text, max_written_text));
  if (!html.empty() && html.size() <= max_written_text && out_.size() < room && !by_attendee()) put("X-ALT-DESC;FMTTYPE=text/html:" + ical_escape(html));
}

// .6 "CONTACT" and .21 "RESOURCES".
void Writer::put_judged() {
  const auto* value = find(PidLidContacts);
  const auto* contacts = value == nullptr ? nullptr : value->get<std::span<const Utf16>>();
  for (std::size_t i = 0; contacts != nullptr && i < contacts->size() && i < max_listed; ++i) put_text("CONTACT", to_utf8((*contacts)[i]));
  const auto resources = text(PidLidNonSendableBcc);
  std::string list;
  for (std::size_t at = 0; at < resources.size();) {
    const auto end = std::min(resources.find(';', at), resources.size());
    if (const auto name = trim(std::string_view(resources).substr(at, end - at)); !name.empty()) list += (list.empty() ? "" : ",") + ical_escape(name);
    at = end + 1;
  }
  if (!list.empty()) put("RESOURCES:" + list);
}

void Writer::put_rule() {
  auto rule = "RRULE:" + rule_text(series_->pattern);
  const auto& pattern = series_->pattern;
  using wire::blobs::RecurrencePattern;
  // Who leaves out short months would count on behind the end.
  const bool may_miss = pattern.PatternType == RecurrencePattern::Month && pattern.DayOfMonth < 31;
  const bool all_count = !may_miss || days_in_short_months(series_days(pattern, pattern.OccurrenceCount), pattern.DayOfMonth).empty();
  const bool by_count = pattern.EndType == RecurrencePattern::end_after_count && all_count;
  if (by_count) rule += fmt::format(";COUNT={}", pattern.OccurrenceCount);
  if (!by_count && pattern.EndType != RecurrencePattern::no_end) {
    const auto last = seconds_of(pattern.EndDate - pattern.EndDate % minutes_of_a_day + series_->start_offset);
    rule += days_ ? fmt::format(";UNTIL={}", ical_clock(last, false)) : fmt::format(";UNTIL={}Z", ical_clock(utc(last), true));
  }
  put(rule);
  for (const auto day : series_->deleted) put_local("EXDATE", seconds_of(day + series_->start_offset), days_);
}

// 2.1.3.1.1.20.20 "RECURRENCE-ID": by the date in the id and the time of day that the instance had.
void Writer::put_instance() {
  using namespace std::chrono;
  if (year_ == 0 || series_) return;
  const auto date = sys_days(year(year_) / month(month_) / day(day_)).time_since_epoch().count() * std::int64_t{86400};
  auto of_day = of_its_day(local(start_));
  if (const auto replaced = time(PidLidExceptionReplaceTime); in_range(replaced)) {
    of_day = of_its_day(local(replaced));
  } else if (const auto packed = number(PidLidStartRecurrenceTime, -1); packed >= 0 && packed >> 12 < 24) {
    of_day = (packed >> 12) * 3600 + std::min<std::int64_t>(packed >> 6 & 63, 59) * 60 + std::min<std::int64_t>(packed & 63, 59);
  }
  put_local("RECURRENCE-ID", date + of_day, days_);
}

void Writer::put_common(std::int64_t busy) {
  constexpr std::string_view classes[] = {"PUBLIC", "X-PERSONAL", "PRIVATE", "CONFIDENTIAL"};
  const auto& bag = source_.properties;
  if (const auto sensitivity = bag.number(PidTagSensitivity); sensitivity >= 0 && sensitivity < 4) put(fmt::format("CLASS:{}", classes[static_cast<std::size_t>(sensitivity)]));
  const auto importance = bag.contains(PidTagImportance) ? bag.number(PidTagImportance) : 1;
  put(importance == 2 ? "PRIORITY:1" : importance == 0 ? "PRIORITY:9" : "PRIORITY:5");
  auto stamp = time(by_attendee() ? PidLidAttendeeCriticalChange : PidLidOwnerCriticalChange);
  if (!in_range(stamp)) stamp = bag.time(PidTagClientSubmitTime);
  put("DTSTAMP:" + utc_text(in_range(stamp) ? stamp : now()));
  put(busy == olFree ? "TRANSP:TRANSPARENT" : "TRANSP:OPAQUE");
  if (!by_attendee()) put(is(CalendarMethod::cancel) ? "STATUS:CANCELLED" : "STATUS:CONFIRMED");
  const auto sequence = std::max<std::int64_t>(number(PidLidAppointmentSequence, 0), 0);
  put(fmt::format("SEQUENCE:{}", sequence));
  put(fmt::format("X-MICROSOFT-CDO-APPT-SEQUENCE:{}", sequence));
  if (bag.contains(PidTagOwnerAppointmentId)) put(fmt::format("X-MICROSOFT-CDO-OWNERAPPTID:{}", bag.number(PidTagOwnerAppointmentId)));
  put(fmt::format("X-MICROSOFT-CDO-BUSYSTATUS:{}", busy_word(busy)));
  if (find(PidLidIntendedBusyStatus) != nullptr) put(fmt::format("X-MICROSOFT-CDO-INTENDEDSTATUS:{}", busy_word(number(PidLidIntendedBusyStatus, olBusy))));
  put(fmt::format("X-MICROSOFT-CDO-IMPORTANCE:{}", importance));
  put(number(PidLidAppointmentNotAllowPropose, 0) != 0 ? "X-MICROSOFT-DISALLOW-COUNTER:TRUE" : "X-MICROSOFT-DISALLOW-COUNTER:FALSE");
}

void Writer::put_reminder(bool set, std::int64_t minutes) {
  constexpr std::int64_t usual = 15, most = 60 * 24 * 365;
  if (!set || by_attendee() || is(CalendarMethod::cancel)) return;
  if (minutes < 0 || minutes > most) minutes = usual;
  out_ += fmt::format("BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:REMINDER\r\nTRIGGER;RELATED=START:-PT{}M\r\nEND:VALARM\r\n", minutes);
}

// By the instance that it replaces, else by when it is now; null when there is none.
const InstanceSource* Writer::instance_of(const SeriesException& one) {
  for (const bool by_original : {true, false})
    for (std::size_t i = 0; i < source_.instances.size(); ++i) {
      const auto& found = source_.instances[i];
      const bool same = by_original ? found.replaced.ticks != 0 && series_minutes(local(found.replaced)) == one.original
                                    : found.replaced.ticks == 0 && found.local_start.ticks != 0 && series_minutes(to_unix(found.local_start)) == one.start;
      if (!same || std::find(told_.begin(), told_.end(), i) != told_.end()) continue;
      told_.push_back(i);
      return &found;
    }
  return nullptr;
}

void Writer::put_exception(const SeriesException& one) {
  const auto* own = instance_of(one);
  const bool as_days = one.all_day.value_or(days_) && one.start % minutes_of_a_day == 0 && one.end % minutes_of_a_day == 0;
  out_ += "BEGIN:VEVENT\r\n";
  put_people(own == nullptr || own->attendees.empty() ? source_.attendees : own->attendees);
  // Who reads the event alone sees no body of the series, as long as there is room.
  if (own != nullptr && (!own->text.empty() || !own->html.empty())) put_body("DESCRIPTION", own->text, own->html);
  else if (out_.size() < max_calendar_bytes / 4) put_body("DESCRIPTION", source_.text, {});
  put_text("SUMMARY", one.subject.value_or(source_.subject));
  put_text("LOCATION", one.location.value_or(text(PidLidLocation)));
  put_text("UID", uid_);
  put_local("RECURRENCE-ID", seconds_of(one.original), days_);
  put_local("DTSTART", seconds_of(one.start), as_days);
  put_local("DTEND", seconds_of(one.end), as_days);
  put_common(one.busy_status ? std::int64_t{*one.busy_status} : number(PidLidBusyStatus, olBusy));
  put(as_days ? "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE" : "X-MICROSOFT-CDO-ALLDAYEVENT:FALSE");
  put("X-MICROSOFT-CDO-INSTTYPE:3");
  put_reminder(one.reminder_set.value_or(number(PidLidReminderSet, 0) != 0), one.reminder_delta ? std::int64_t{*one.reminder_delta} : number(PidLidReminderDelta, 0));
  out_ += "END:VEVENT\r\n";
}

std::optional<std::string> Writer::write() {
  if (!find_times()) return std::nullopt;
  find_zone();
  find_series();
  find_id();
  // Nobody could tell which meeting it is about (RFC 5546 3.2).
  if (uid_.empty() && !is(CalendarMethod::publish)) return std::nullopt;
  const bool all_day = number(PidLidAppointmentSubType, 0) != 0;
  days_ = all_day && at_midnight(local(start_)) && at_midnight(local(end_)) && end_ > start_;
  out_ = "BEGIN:VCALENDAR\r\nMETHOD:" + std::string(name_of(method_)) + "\r\nPRODID:-//mapigate//mapigate//EN\r\nVERSION:2.0\r\n";
  if (zone_) out_ += write_time_zone(*zone_);
  out_ += "BEGIN:VEVENT\r\n";
  put_people(source_.attendees);
  put_body(by_attendee() ? "COMMENT" : "DESCRIPTION", source_.text, source_.html);
  if (series_) put_rule();
  put_text("SUMMARY", source_.subject);
  put_local("DTSTART", local(start_), days_);
  put_local("DTEND", local(end_), days_);
  put_text("UID", uid_);
  put_instance();
  put_common(number(PidLidBusyStatus, olBusy));
  put_text("LOCATION", text(PidLidLocation));
  put_judged();
  put(all_day ? "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE" : "X-MICROSOFT-CDO-ALLDAYEVENT:FALSE");
  put(fmt::format("X-MICROSOFT-CDO-INSTTYPE:{}", series_ ? 1 : year_ != 0 ? 3 : 0));
  if (is(CalendarMethod::counter)) {
    const auto start = time(PidLidAppointmentStartWhole), end = time(PidLidAppointmentEndWhole);
    if (in_range(start)) put("X-MS-OLK-ORIGINALSTART:" + utc_text(start));
    if (in_range(end)) put("X-MS-OLK-ORIGINALEND:" + utc_text(end));
  }
  put_reminder(number(PidLidReminderSet, 0) != 0, number(PidLidReminderDelta, 0));
  out_ += "END:VEVENT\r\n";
  // Of a cancellation the whole series goes.
  if (series_ && !is(CalendarMethod::cancel))
    for (const auto& one : series_->exceptions) put_exception(one);
  return out_ + "END:VCALENDAR\r\n";
}

}  // namespace

std::string_view name_of(CalendarMethod method) {
  constexpr std::string_view names[] = {"PUBLISH", "REQUEST", "REPLY", "COUNTER", "CANCEL"};
  return names[static_cast<std::size_t>(method)];
}

std::optional<std::string> write_calendar(const EventSource& source, CalendarMethod method, std::vector<std::size_t>* told) {
  Writer writer(source, method);
  auto out = writer.write();
  if (told != nullptr) *told = writer.told();
  return out;
}

}  // namespace mapigate::convert
