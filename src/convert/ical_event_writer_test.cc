// Calendar objects as calendars, and back ([MS-OXCICAL] 2.1.3).
#include "convert/ical_event_writer.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "convert/ical_lines.h"
#include "convert/ical_meeting.h"
#include "convert/ical_recurrence.h"
#include "convert/ical_time_zone.h"
#include "convert/mime_message.h"
#include "convert/mime_writer.h"
#include "wire/blobs/meeting_ids.h"

namespace mapigate::convert {
namespace {

using namespace mapi;

constexpr std::string_view berlin =
    "BEGIN:VTIMEZONE\r\nTZID:W. Europe Standard Time\r\n"
    "BEGIN:STANDARD\r\nDTSTART:16010101T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nEND:STANDARD\r\n"
    "BEGIN:DAYLIGHT\r\nDTSTART:16010101T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nEND:DAYLIGHT\r\n"
    "END:VTIMEZONE\r\n";

Event event(std::string_view lines, std::string_view more = {}) {
  auto out = read_appointment("BEGIN:VCALENDAR\r\n" + std::string(berlin) + "BEGIN:VEVENT\r\nUID:abc@example.test\r\n" + std::string(lines) + "END:VEVENT\r\n" + std::string(more) + "END:VCALENDAR\r\n");
  EXPECT_TRUE(out);
  return out ? std::move(*out) : Event();
}
std::string written(const Event& event, CalendarMethod method = CalendarMethod::publish) {
  PropertyBag all;
  all.set_all(event.properties);
  all.set_all(event.named);
  auto out = write_calendar({all, event.names, event.organizer, event.attendees, event.properties.string(PidTagSubject), event.text}, method);
  EXPECT_TRUE(out);
  return out.value_or("");
}
bool has_line(std::string_view calendar, std::string_view line) { return calendar.find("\r\n" + std::string(line) + "\r\n") != calendar.npos; }
std::string value(const Event& event, const NamedProperty& name) {
  const auto* found = event.find(name);
  if (found == nullptr) return "none";
  if (const auto* bytes = found->get<View>()) return to_hex(*bytes);
  if (const auto* time = found->get<FileTime>()) return to_iso8601(*time);
  if (found->get<Utf16>() != nullptr) return text_of(*found);
  return std::to_string(number_of(*found));
}
constexpr NamedProperty compared[] = {
    PidLidAppointmentStartWhole, PidLidAppointmentEndWhole, PidLidAppointmentSubType, PidLidAppointmentRecur, PidLidTimeZoneStruct, PidLidTimeZoneDescription,
    PidLidAppointmentTimeZoneDefinitionRecur, PidLidAppointmentTimeZoneDefinitionStartDisplay, PidLidGlobalObjectId, PidLidCleanGlobalObjectId, PidLidLocation,
    PidLidBusyStatus, PidLidAppointmentSequence, PidLidRecurring, PidLidIsException, PidLidExceptionReplaceTime, PidLidReminderSet, PidLidReminderDelta, PidLidClipEnd};
void expect_same(const Event& a, const Event& b, const std::string& where) {
  for (const auto& name : compared) EXPECT_EQ(value(a, name), value(b, name)) << where << ": " << std::hex << name.lid;
}

TEST(IcalEventWriter, ThereAndBack) {
  constexpr std::string_view start = "DTSTART;TZID=W. Europe Standard Time:20240701T100000\r\nDURATION:PT90M\r\nSUMMARY:Größe\\, 1\r\nLOCATION:Zimmer\\;2\r\n";
  for (const auto* rule : {"", "RRULE:FREQ=DAILY;COUNT=9\r\n", "RRULE:FREQ=DAILY;INTERVAL=4;UNTIL=20250101T000000Z\r\n", "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;WKST=SU\r\n",
                           "RRULE:FREQ=MONTHLY;BYMONTHDAY=1;COUNT=3\r\n", "RRULE:FREQ=MONTHLY;BYMONTHDAY=-1\r\n", "RRULE:FREQ=MONTHLY;INTERVAL=3;BYDAY=1MO\r\n",
                           "RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1\r\n", "RRULE:FREQ=YEARLY\r\n", "RRULE:FREQ=YEARLY;INTERVAL=2;BYMONTH=7;BYDAY=-1FR\r\n",
                           "RRULE:FREQ=DAILY;COUNT=9\r\nEXDATE;TZID=W. Europe Standard Time:20240703T100000\r\n"}) {
    const auto before = event(std::string(start) + rule);
    const auto calendar = written(before);
    const auto after = read_appointment(calendar);
    ASSERT_TRUE(after) << calendar;
    expect_same(before, *after, calendar);
    EXPECT_EQ(after->properties.string(PidTagSubject), "Größe, 1");
  }
}

TEST(IcalEventWriter, Exceptions) {
  const auto before = event("DTSTART;TZID=W. Europe Standard Time:20241015T100000\r\nDURATION:PT1H\r\nSUMMARY:x\r\nRRULE:FREQ=WEEKLY;COUNT=6\r\n"
                            "EXDATE;TZID=W. Europe Standard Time:20241105T100000\r\n",
                            "BEGIN:VEVENT\r\nUID:abc@example.test\r\nRECURRENCE-ID;TZID=W. Europe Standard Time:20241029T100000\r\n"
                            "DTSTART;TZID=W. Europe Standard Time:20241030T120000\r\nDURATION:PT2H\r\nSUMMARY:y\r\nLOCATION:Saal\r\nTRANSP:TRANSPARENT\r\nEND:VEVENT\r\n");
  const auto calendar = written(before);
  EXPECT_TRUE(has_line(calendar, "EXDATE;TZID=W. Europe Standard Time:20241105T100000"));
  EXPECT_TRUE(has_line(calendar, "RECURRENCE-ID;TZID=W. Europe Standard Time:20241029T100000"));
  EXPECT_TRUE(has_line(calendar, "DTSTART;TZID=W. Europe Standard Time:20241030T120000"));
  EXPECT_FALSE(has_line(calendar, "EXDATE;TZID=W. Europe Standard Time:20241029T100000"));
  const auto after = read_appointment(calendar);
  ASSERT_TRUE(after);
  expect_same(before, *after, calendar);
  EXPECT_NE(value(*after, PidLidAppointmentRecur), "none");
}

// The end of a series is told in UTC, on the other side of a change of the clocks (RFC 5545 3.3.10).
TEST(IcalEventWriter, EndOfASeries) {
  const auto calendar = written(event("DTSTART;TZID=W. Europe Standard Time:20241001T100000\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY;UNTIL=20241112T090000Z\r\n"));
  EXPECT_NE(calendar.find("UNTIL=20241112T090000Z"), calendar.npos) << calendar;
  EXPECT_TRUE(has_line(calendar, "TZID:W. Europe Standard Time"));
  EXPECT_TRUE(has_line(calendar, "RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10"));
}

TEST(IcalEventWriter, DaysAndInstances) {
  const auto day = event("DTSTART;VALUE=DATE:20240701\r\nDTEND;VALUE=DATE:20240703\r\nRRULE:FREQ=YEARLY\r\n");
  const auto calendar = written(day);
  EXPECT_TRUE(has_line(calendar, "DTSTART;VALUE=DATE:20240701"));
  EXPECT_TRUE(has_line(calendar, "DTEND;VALUE=DATE:20240703"));
  EXPECT_TRUE(has_line(calendar, "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE"));
  expect_same(day, *read_appointment(calendar), calendar);
  const auto instance = event("RECURRENCE-ID;TZID=W. Europe Standard Time:20240715T100000\r\nDTSTART;TZID=W. Europe Standard Time:20240716T120000\r\nDURATION:PT1H\r\n");
  const auto one = written(instance);
  EXPECT_TRUE(has_line(one, "RECURRENCE-ID;TZID=W. Europe Standard Time:20240715T100000"));
  expect_same(instance, *read_appointment(one), one);
}

TEST(IcalEventWriter, Lines) {
  EXPECT_EQ(ical_line("A:b"), "A:b\r\n");
  EXPECT_EQ(ical_line("A:b\r\nB:c"), "A:b  B:c\r\n");
  const auto folded = ical_line("SUMMARY:" + std::string(66, 'x') + "äää");
  for (std::size_t at = 0; at < folded.size();) {
    const auto end = folded.find("\r\n", at);
    EXPECT_LE(end - at, 75u);
    EXPECT_EQ(utf8_prefix(std::string_view(folded).substr(at, end - at), end - at).size(), end - at);
    at = end + 2;
  }
  EXPECT_EQ(ical_escape("a,b;c\\d\r\ne"), "a\\,b\\;c\\\\d\\ne");
  EXPECT_EQ(ical_parameter("a\"b:c\r\n"), "\"ab:c\"");
}

// What a client submits: properties under ids of the store, and rows of recipients.
struct Mail {
  MessageData message;
  MimeWriteOptions options;
  Arena arena;

  explicit Mail(std::string_view message_class) {
    message.properties.set_string(PidTagMessageClass, message_class);
    message.properties.set_string(PidTagSubject, "Treffen");
    message.properties.set_string(PidTagBody, "Bitte kommen");
    message.properties.set_string(PidTagSentRepresentingName, "Alice A.");
    message.properties.set_string(PidTagSentRepresentingSmtpAddress, "alice@example.test");
    message.properties.set_string(PidTagSentRepresentingAddressType, "SMTP");
    message.properties.set_string(PidTagSentRepresentingEmailAddress, "alice@example.test");
    set(PidLidAppointmentStartWhole, Value::time(from_unix(1719820800)));
    set(PidLidAppointmentEndWhole, Value::time(from_unix(1719824400)));
    set(PidLidAppointmentSequence, Value::integer32(3));
    set(PidLidGlobalObjectId, Value::binary(arena.copy(View(wire::blobs::global_object_id_of("meeting@example.test")))));
    set(PidLidAppointmentTimeZoneDefinitionStartDisplay, Value::binary(arena.copy(View(time_zone_definition(*known_zone("W. Europe Standard Time", 1719820800), false)))));
  }
  void set(const NamedProperty& name, const Value& value) {
    std::uint16_t id = 0x8100;
    for (const auto& [known, its_name] : options.names) {
      if (its_name == PropertyName(name)) break;
      id = static_cast<std::uint16_t>(known + 1);
    }
    options.names.emplace(id, name);
    message.properties.set(PropertyTag(id, name.type), value);
  }
  void add(std::string_view address, std::string_view name, std::int32_t type = recipient_to) {
    auto& one = message.recipients.emplace_back();
    one.row = static_cast<std::uint32_t>(message.recipients.size() - 1), one.type = type;
    one.properties.set_string(PidTagSmtpAddress, address);
    one.properties.set_string(PidTagAddressType, "SMTP");
    one.properties.set_string(PidTagEmailAddress, address);
    one.properties.set_string(PidTagDisplayName, name);
  }
  std::string write() { return std::string(as_text(write_mime(message, options).value().view())); }
};
std::string unfolded(std::string text) {
  for (auto at = text.find("\r\n "); at != text.npos; at = text.find("\r\n ", at)) text.erase(at, 3);
  return text;
}

TEST(IcalEventWriter, RequestThatLeaves) {
  Mail mail("IPM.Schedule.Meeting.Request");
  mail.message.properties.set_boolean(PidTagResponseRequested, true);
  mail.set(PidLidIntendedBusyStatus, Value::integer32(3));
  mail.add("alice@example.test", "Alice A.");
  mail.message.recipients[0].properties.set_integer(PidTagRecipientFlags, 3);
  mail.add("bob@example.test", "Bob, B.");
  mail.add("carl@example.test", "Carl", recipient_cc);
  mail.add("room@example.test", "Room", recipient_bcc);
  EXPECT_TRUE(has_line(unfolded(mail.write()), "ATTENDEE;CUTYPE=RESOURCE;ROLE=NON-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN=Room:mailto:room@example.test"));
  mail.options.bcc = false;  // what the others get
  const auto text = mail.write();
  EXPECT_EQ(text.find("room@"), text.npos);
  EXPECT_NE(text.find("Content-Type: multipart/alternative;"), text.npos);
  EXPECT_NE(text.find("Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\n"), text.npos);
  const auto lines = unfolded(text);
  EXPECT_TRUE(has_line(lines, "METHOD:REQUEST"));
  EXPECT_TRUE(has_line(lines, "ORGANIZER;CN=Alice A.:mailto:alice@example.test"));
  EXPECT_TRUE(has_line(lines, "ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN=\"Bob, B.\":mailto:bob@example.test"));
  EXPECT_TRUE(has_line(lines, "ATTENDEE;ROLE=OPT-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN=Carl:mailto:carl@example.test"));
  EXPECT_EQ(lines.find("ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN=Alice"), lines.npos);
  EXPECT_TRUE(has_line(lines, "UID:meeting@example.test"));
  EXPECT_TRUE(has_line(lines, "SEQUENCE:3"));
  EXPECT_TRUE(has_line(lines, "DTSTART;TZID=W. Europe Standard Time:20240701T100000"));
  EXPECT_TRUE(has_line(lines, "X-MICROSOFT-CDO-INTENDEDSTATUS:OOF"));
  // And as whoever gets it reads it.
  const auto mime = *MimeMessage::parse(ByteSource::from_string(text));
  EXPECT_EQ(mime->properties().string(PidTagMessageClass), "IPM.Schedule.Meeting.Request");
  EXPECT_EQ(mime->text(), "Bitte kommen\r\n");
  EXPECT_TRUE(mime->attachments().empty());
  FileTime start;
  for (const auto& [id, name] : mime->names())
    if (name == PropertyName(PidLidAppointmentStartWhole)) start = mime->named_properties().time(PropertyTag(id, PropertyType::PtypTime));
  EXPECT_EQ(to_unix(start), 1719820800);
}

// RFC 5546 3.2.3: of all attendees the one who answers.
TEST(IcalEventWriter, AnswersThatLeave) {
  const std::tuple<const char*, const char*> answers[] = {{"Pos", "ACCEPTED"}, {"Neg", "DECLINED"}, {"Tent", "TENTATIVE"}};
  for (const auto& [end, partstat] : answers) {
    Mail mail("IPM.Schedule.Meeting.Resp." + std::string(end));
    mail.add("olga@example.test", "Olga");
    const auto lines = unfolded(mail.write());
    EXPECT_NE(lines.find("; method=REPLY\r\n"), lines.npos);
    EXPECT_TRUE(has_line(lines, "ORGANIZER;CN=Olga:mailto:olga@example.test"));
    EXPECT_TRUE(has_line(lines, "ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=" + std::string(partstat) + ";CN=Alice A.:mailto:alice@example.test"));
    EXPECT_EQ(lines.find("ATTENDEE"), lines.rfind("ATTENDEE"));
    const auto mime = *MimeMessage::parse(ByteSource::from_string(mail.write()));
    EXPECT_EQ(mime->properties().string(PidTagMessageClass), "IPM.Schedule.Meeting.Resp." + std::string(end));
  }
  Mail proposal("IPM.Schedule.Meeting.Resp.Tent");
  proposal.add("olga@example.test", "Olga");
  proposal.set(PidLidAppointmentCounterProposal, Value::boolean(true));
  proposal.set(PidLidAppointmentProposedStartWhole, Value::time(from_unix(1719910800)));
  proposal.set(PidLidAppointmentProposedEndWhole, Value::time(from_unix(1719914400)));
  const auto lines = unfolded(proposal.write());
  EXPECT_TRUE(has_line(lines, "METHOD:COUNTER"));
  EXPECT_TRUE(has_line(lines, "DTSTART;TZID=W. Europe Standard Time:20240702T110000"));
  EXPECT_TRUE(has_line(lines, "X-MS-OLK-ORIGINALSTART:20240701T080000Z"));
}

TEST(IcalEventWriter, CancellationsAndOthers) {
  Mail gone("IPM.Schedule.Meeting.Canceled");
  gone.add("bob@example.test", "Bob");
  const auto lines = unfolded(gone.write());
  EXPECT_TRUE(has_line(lines, "METHOD:CANCEL"));
  EXPECT_TRUE(has_line(lines, "STATUS:CANCELLED"));
  Mail note("IPM.Note");
  EXPECT_EQ(note.write().find("text/calendar"), std::string::npos);
  // Without a time it is a mail like others.
  Mail never("IPM.Schedule.Meeting.Request");
  never.set(PidLidAppointmentStartWhole, Value::time({}));
  EXPECT_EQ(never.write().find("text/calendar"), std::string::npos);
  Mail nameless("IPM.Schedule.Meeting.Request");
  nameless.set(PidLidGlobalObjectId, Value::binary({}));
  EXPECT_EQ(nameless.write().find("text/calendar"), std::string::npos);
  // A series that is damaged leaves as what its first instance is.
  Mail damaged("IPM.Schedule.Meeting.Request");
  damaged.set(PidLidAppointmentRecur, Value::binary(as_view("nonsense")));
  EXPECT_TRUE(has_line(damaged.write(), "METHOD:REQUEST"));
}

}  // namespace
}  // namespace mapigate::convert
