#include "convert/ical_exceptions.h"

#include <algorithm>

#include "base/text.h"
#include "convert/ical_event_reader.h"
#include "convert/ical_lines.h"
#include "convert/mime_message.h"
#include "convert/mime_writer_parts.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

void remove_all(icalcomponent* from, icalproperty_kind kind) {
  while (auto* one = icalcomponent_get_first_property(from, kind)) {
    icalcomponent_remove_property(from, one);
    icalproperty_free(one);
  }
}

// Its lines for the attendees, whatever their order.
std::vector<std::string> attendees_of(icalcomponent* event) {
  std::vector<std::string> out;
  for (auto* one = icalcomponent_get_first_property(event, ICAL_ATTENDEE_PROPERTY); one != nullptr && out.size() < max_attendees;
       one = icalcomponent_get_next_property(event, ICAL_ATTENDEE_PROPERTY))
    out.emplace_back(icalproperty_as_ical_string(one));
  std::sort(out.begin(), out.end());
  return out;
}

class Maker {
 public:
  Maker(const EventTimes& times, const EventSeries& series) : times_(times), series_(series), attendees_(attendees_of(times.event())) {
    std::size_t count = 0;
    for (auto* one = icalcomponent_get_first_component(times.calendar(), ICAL_VTIMEZONE_COMPONENT); one != nullptr && count < max_time_zones;
         one = icalcomponent_get_next_component(times.calendar(), ICAL_VTIMEZONE_COMPONENT), ++count)
      zones_.emplace_back(ical_text(one, ICAL_TZID_PROPERTY), one);
  }

  EventExceptions make() {
    EventExceptions out;
    std::size_t total = 0;
    for (std::size_t i = 0; i < series_.instances.size(); ++i) {
      if (series_.instances[i] == nullptr) continue;
      auto one = make(series_.instances[i], series_.series.exceptions[i], out.attendees);
      total += one.message.size();
      if (total > max_exception_bytes) break;
      out.all.push_back(std::move(one));
    }
    return out;
  }

 private:
  EventException make(icalcomponent* instance, const SeriesException& one, bool& attendees) const {
    const IcalComponent copy(icalcomponent_new_clone(instance));
    if (!has_own_body(instance, times_.event())) {
      remove_all(copy.get(), ICAL_DESCRIPTION_PROPERTY);
      remove_all(copy.get(), ICAL_COMMENT_PROPERTY);
      drop_html(copy.get());
    }
    const auto own = attendees_of(instance);
    if (own == attendees_) remove_all(copy.get(), ICAL_ATTENDEE_PROPERTY);
    else if (!own.empty()) attendees = true;
    put_id(copy.get(), one);
    EventException out;
    auto subject = ical_text(instance, ICAL_SUMMARY_PROPERTY);
    if (subject.empty()) subject = ical_text(times_.event(), ICAL_SUMMARY_PROPERTY);
    subject = utf8_prefix(subject, max_calendar_text);
    out.message = mime(copy.get(), subject);
    fill(out.attachment, one, subject);
    return out;
  }

  static void drop_html(icalcomponent* from) {
    std::vector<icalproperty*> found;
    for (auto* one = icalcomponent_get_first_property(from, ICAL_X_PROPERTY); one != nullptr; one = icalcomponent_get_next_property(from, ICAL_X_PROPERTY))
      if (const char* name = icalproperty_get_x_name(one); name != nullptr && equal_ignoring_ascii_case(name, "X-ALT-DESC")) found.push_back(one);
    for (auto* one : found) {
      icalcomponent_remove_property(from, one);
      icalproperty_free(one);
    }
  }

  // In the time zone of the series, by which its day counts.
  void put_id(icalcomponent* copy, const SeriesException& one) const {
    const auto when = seconds_of(one.original);
    std::string line = "RECURRENCE-ID";
    if (times_.span().all_day && one.original % minutes_of_a_day == 0) line += ";VALUE=DATE:" + ical_clock(when, false);
    else if (const auto* zone = times_.zone()) line += ";TZID=" + ical_parameter(zone->name) + ":" + ical_clock(when, true);
    else line += ":" + ical_clock(when, true) + "Z";
    auto* property = icalproperty_new_from_string(line.c_str());
    if (property == nullptr) return;
    remove_all(copy, ICAL_RECURRENCEID_PROPERTY);
    icalcomponent_add_property(copy, property);
  }

  // With the time zones that it names, and the only one that the calendar has.
  std::string mime(icalcomponent* event, const std::string& subject) const {
    const std::string lines = icalcomponent_as_ical_string(event);
    std::string calendar = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//mapigate//mapigate//EN\r\n";
    std::string unfolded = lines;
    for (auto at = unfolded.find("\r\n "); at != unfolded.npos; at = unfolded.find("\r\n ", at)) unfolded.erase(at, 3);
    for (const auto& [id, zone] : zones_)
      if (zones_.size() == 1 || unfolded.find(";TZID=" + ical_parameter(id) + ":") != unfolded.npos || unfolded.find(";TZID=" + id + ":") != unfolded.npos)
        calendar += icalcomponent_as_ical_string(zone);
    calendar += lines + "END:VCALENDAR\r\n";
    std::string out;
    if (auto* by = icalcomponent_get_first_property(event, ICAL_ORGANIZER_PROPERTY))
      if (const auto organizer = ical_person(by, icalproperty_get_organizer(by)); !organizer.address.empty())
        out += "From: " + encode_address({organizer.name, organizer.address}, 6) + "\r\n";
    put_text(out, "Subject", words(subject));
    out += "MIME-Version: 1.0\r\nContent-Type: text/calendar; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    constexpr std::size_t columns = 57;
    for (std::size_t at = 0; at < calendar.size(); at += columns) out += to_base64(as_view(std::string_view(calendar).substr(at, columns))) + "\r\n";
    return out;
  }

  void fill(PropertyBag& bag, const SeriesException& one, const std::string& subject) const {
    constexpr std::int32_t afException = 2;  // [MS-OXOCAL] 2.2.10.1.2 "PidTagAttachmentFlags"
    bag.set_integer(PidTagAttachMethod, afEmbeddedMessage);
    bag.set_integer(PidTagRenderingPosition, -1);
    bag.set_string(PidTagDisplayName, subject);
    bag.set_binary(PidTagAttachEncoding, {});
    bag.set_integer(PidTagAttachFlags, 0);
    bag.set_integer(PidTagAttachmentFlags, afException);
    bag.set_integer(PidTagAttachmentLinkId, 0);
    bag.set_boolean(PidTagAttachmentHidden, true);
    bag.set_boolean(PidTagAttachmentContactPhoto, false);
    // What the clock shows in the time zone of the series; the last in UTC.
    bag.set_time(PidTagExceptionStartTime, from_unix(seconds_of(one.start)));
    bag.set_time(PidTagExceptionEndTime, from_unix(seconds_of(one.end)));
    const auto original = seconds_of(one.original);
    bag.set_time(PidTagExceptionReplaceTime, from_unix(times_.zone() == nullptr ? original : times_.zone()->to_utc(original)));
  }

  const EventTimes& times_;
  const EventSeries& series_;
  std::vector<std::string> attendees_;
  std::vector<std::pair<std::string, icalcomponent*>> zones_;
};

}  // namespace

EventExceptions ical_exceptions(const EventTimes& times, const EventSeries& series) { return Maker(times, series).make(); }

}  // namespace mapigate::convert
