// Meetings that come by mail ([MS-OXCICAL] 2.1.3).
#include "convert/ical_meeting.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "convert/mime_message.h"
#include "convert/tnef.h"
#include "wire/blobs/meeting_ids.h"

namespace mapigate::convert {
namespace {

using namespace mapi;

constexpr std::string_view zone =
    "BEGIN:VTIMEZONE\r\nTZID:W. Europe Standard Time\r\n"
    "BEGIN:STANDARD\r\nDTSTART:16010101T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nEND:STANDARD\r\n"
    "BEGIN:DAYLIGHT\r\nDTSTART:16010101T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nEND:DAYLIGHT\r\n"
    "END:VTIMEZONE\r\n";

std::string calendar(std::string_view method, std::string_view event, bool with_zone = false) {
  std::string out = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n";
  if (!method.empty()) out += "METHOD:" + std::string(method) + "\r\n";
  if (with_zone) out += zone;
  return out + "BEGIN:VEVENT\r\n" + std::string(event) + "END:VEVENT\r\nEND:VCALENDAR\r\n";
}

const Value* named(const Meeting& meeting, const NamedProperty& name) { return meeting.find(name); }
std::int64_t number(const Meeting& meeting, const NamedProperty& name) {
  const auto* value = named(meeting, name);
  return value == nullptr ? -1 : number_of(*value);
}
std::string time(const Meeting& meeting, const NamedProperty& name) {
  const auto* value = named(meeting, name);
  return value == nullptr ? std::string() : to_iso8601(*value->get<FileTime>());
}
std::string text(const Meeting& meeting, const NamedProperty& name) {
  const auto* value = named(meeting, name);
  return value == nullptr ? std::string() : text_of(*value);
}
View binary(const Meeting& meeting, const NamedProperty& name) {
  const auto* value = named(meeting, name);
  return value == nullptr ? View() : *value->get<View>();
}

TEST(Meeting, Request) {
  const auto meeting = read_meeting(
      calendar("REQUEST",
               "UID:abc@example.test\r\nDTSTAMP:20240601T120000Z\r\nSEQUENCE:3\r\nSUMMARY:Treffen\r\nLOCATION:Zimmer 1\\, Großer Saal\r\n"
               "DTSTART;TZID=W. Europe Standard Time:20240701T100000\r\nDTEND;TZID=\"W. Europe Standard Time\":20240701T113000\r\n"
               "ORGANIZER:mailto:a@example.test\r\nATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:b@example.test\r\n"
               "X-MICROSOFT-CDO-OWNERAPPTID:42\r\nX-MICROSOFT-CDO-INTENDEDSTATUS:OOF\r\n"
               "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nDESCRIPTION:x\r\nEND:VALARM\r\n",
               true),
      "");
  ASSERT_TRUE(meeting);
  EXPECT_EQ(meeting->message_class, "IPM.Schedule.Meeting.Request");
  EXPECT_EQ(time(*meeting, PidLidAppointmentStartWhole), "2024-07-01T08:00:00Z");
  EXPECT_EQ(time(*meeting, PidLidAppointmentEndWhole), "2024-07-01T09:30:00Z");
  EXPECT_EQ(time(*meeting, PidLidCommonStart), "2024-07-01T08:00:00Z");
  EXPECT_EQ(to_iso8601(meeting->properties.time(PidTagEndDate)), "2024-07-01T09:30:00Z");
  EXPECT_EQ(number(*meeting, PidLidAppointmentDuration), 90);
  EXPECT_EQ(number(*meeting, PidLidAppointmentSubType), 0);
  EXPECT_EQ(number(*meeting, PidLidAppointmentSequence), 3);
  EXPECT_EQ(text(*meeting, PidLidLocation), "Zimmer 1, Großer Saal");
  EXPECT_EQ(text(*meeting, PidLidWhere), "Zimmer 1, Großer Saal");
  EXPECT_EQ(time(*meeting, PidLidOwnerCriticalChange), "2024-06-01T12:00:00Z");
  EXPECT_EQ(named(*meeting, PidLidAttendeeCriticalChange), nullptr);
  EXPECT_EQ(number(*meeting, PidLidIntendedBusyStatus), 3);
  EXPECT_EQ(number(*meeting, PidLidBusyStatus), 1);
  EXPECT_EQ(number(*meeting, PidLidAppointmentStateFlags), 3);
  EXPECT_EQ(number(*meeting, PidLidResponseStatus), 5);
  EXPECT_EQ(number(*meeting, PidLidRecurring), 0);
  EXPECT_EQ(number(*meeting, PidLidIsRecurring), 0);
  EXPECT_EQ(number(*meeting, PidLidReminderSet), 1);
  EXPECT_EQ(number(*meeting, PidLidReminderDelta), 15);
  EXPECT_EQ(meeting->properties.number(PidTagOwnerAppointmentId), 42);
  EXPECT_EQ(meeting->properties.number(PidTagResponseRequested), 1);
  EXPECT_EQ(meeting->properties.number(PidTagIconIndex), 0x404);
  EXPECT_EQ(wire::blobs::uid_of(binary(*meeting, PidLidGlobalObjectId)).value(), "abc@example.test");
  EXPECT_EQ(to_hex(binary(*meeting, PidLidGlobalObjectId)), to_hex(binary(*meeting, PidLidCleanGlobalObjectId)));
}

TEST(Meeting, Answers) {
  const std::tuple<const char*, const char*, const char*, int> answers[] = {
      {"REPLY", "ACCEPTED", "IPM.Schedule.Meeting.Resp.Pos", 3}, {"REPLY", "DECLINED", "IPM.Schedule.Meeting.Resp.Neg", 4},
      {"REPLY", "TENTATIVE", "IPM.Schedule.Meeting.Resp.Tent", 2}};
  for (const auto& [method, partstat, message_class, response] : answers) {
    SCOPED_TRACE(partstat);
    // A word in the text is no answer, and lines may be folded anywhere.
    const auto meeting = read_meeting(calendar(method, "UID:1\r\nDTSTAMP:20240601T120000Z\r\nCOMMENT:partstat=declined\r\nDTSTART:20240701T080000Z\r\n"
                                                       "ATTENDEE;PART\r\n STAT=" + std::string(partstat) + ";CN=B:mailto:b@example.test\r\n"), "request");
    ASSERT_TRUE(meeting);
    EXPECT_EQ(meeting->message_class, message_class);
    EXPECT_EQ(number(*meeting, PidLidResponseStatus), response);
    EXPECT_EQ(time(*meeting, PidLidAttendeeCriticalChange), "2024-06-01T12:00:00Z");
    EXPECT_EQ(time(*meeting, PidLidAppointmentReplyTime), "2024-06-01T12:00:00Z");
    EXPECT_EQ(named(*meeting, PidLidOwnerCriticalChange), nullptr);
  }
  EXPECT_FALSE(read_meeting(calendar("REPLY", "UID:1\r\nATTENDEE;PARTSTAT=DELEGATED:mailto:b@x\r\n"), ""));
}

TEST(Meeting, CancellationsAndProposals) {
  const auto gone = read_meeting(calendar("CANCEL", "UID:1\r\nDTSTART:20240701T080000Z\r\nDURATION:PT30M\r\nSTATUS:CANCELLED\r\n"), "");
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->message_class, "IPM.Schedule.Meeting.Canceled");
  EXPECT_EQ(number(*gone, PidLidAppointmentStateFlags), 7);
  EXPECT_EQ(number(*gone, PidLidBusyStatus), 0);
  EXPECT_EQ(number(*gone, PidLidAppointmentDuration), 30);
  EXPECT_EQ(gone->properties.number(PidTagIconIndex), 0x408);
  const auto other = read_meeting(calendar("COUNTER", "UID:1\r\nDTSTART:20240702T080000Z\r\nDTEND:20240702T090000Z\r\n"
                                                      "X-MS-OLK-ORIGINALSTART:20240701T080000Z\r\nX-MS-OLK-ORIGINALEND:20240701T083000Z\r\n"), "");
  ASSERT_TRUE(other);
  EXPECT_EQ(other->message_class, "IPM.Schedule.Meeting.Resp.Tent");
  EXPECT_EQ(number(*other, PidLidAppointmentCounterProposal), 1);
  EXPECT_EQ(time(*other, PidLidAppointmentProposedStartWhole), "2024-07-02T08:00:00Z");
  EXPECT_EQ(time(*other, PidLidAppointmentProposedEndWhole), "2024-07-02T09:00:00Z");
  EXPECT_EQ(number(*other, PidLidAppointmentProposedDuration), 60);
  EXPECT_EQ(time(*other, PidLidAppointmentStartWhole), "2024-07-01T08:00:00Z");
  EXPECT_EQ(time(*other, PidLidAppointmentEndWhole), "2024-07-01T08:30:00Z");
}

TEST(Meeting, DaysAndInstances) {
  const auto day = read_meeting(calendar("", "UID:1\r\nDTSTART;VALUE=DATE:20240701\r\nTRANSP:TRANSPARENT\r\n"), "Request");
  ASSERT_TRUE(day);
  EXPECT_EQ(number(*day, PidLidAppointmentSubType), 1);
  EXPECT_EQ(number(*day, PidLidAppointmentDuration), 24 * 60);
  EXPECT_EQ(number(*day, PidLidBusyStatus), 0);
  EXPECT_EQ(number(*day, PidLidReminderSet), 0);
  EXPECT_EQ(day->properties.number(PidTagResponseRequested), 0);

  // Of another Outlook: its own id in hex, and the date of the instance in it.
  const auto id = to_hex(wire::blobs::global_object_id_of("inner"));
  const auto instance = read_meeting(calendar("REQUEST", "UID:" + id + "\r\nRECURRENCE-ID:20240715T080000Z\r\nDTSTART:20240716T080000Z\r\n"), "");
  ASSERT_TRUE(instance);
  EXPECT_EQ(to_hex(binary(*instance, PidLidCleanGlobalObjectId)), id);
  EXPECT_EQ(to_hex(binary(*instance, PidLidGlobalObjectId)).substr(32, 8), "07e8070f");
  EXPECT_EQ(number(*instance, PidLidIsException), 1);
  EXPECT_EQ(number(*instance, PidLidIsRecurring), 1);
  EXPECT_EQ(time(*instance, PidLidExceptionReplaceTime), "2024-07-15T08:00:00Z");

  // The series counts, not its exceptions.
  const auto series = read_meeting("BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID:20240715T080000Z\r\nDTSTART:20240716T080000Z\r\n"
                                   "END:VEVENT\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20240701T080000Z\r\nRRULE:FREQ=WEEKLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", "");
  ASSERT_TRUE(series);
  EXPECT_EQ(time(*series, PidLidAppointmentStartWhole), "2024-07-01T08:00:00Z");
  EXPECT_EQ(number(*series, PidLidIsRecurring), 1);
  EXPECT_EQ(number(*series, PidLidIsException), 0);
}

// [MS-OXCICAL] 2.1.3.1.1.20.2: what the calendar says of those who are invited, and whom the header does not name.
TEST(Meeting, Attendees) {
  const auto mail = "Subject: x\r\nTo: Bob <B@example.test>\r\nContent-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\n" +
                    calendar("REQUEST", "UID:1\r\nDTSTART:20240701T080000Z\r\nORGANIZER:mailto:o@example.test\r\n"
                                        "ATTENDEE;PARTSTAT=ACCEPTED:mailto:o@example.test\r\nATTENDEE;PARTSTAT=TENTATIVE;RSVP=TRUE:MAILTO:b@example.test\r\n"
                                        "ATTENDEE;ROLE=OPT-PARTICIPANT;CN=\"Carl, C.\":mailto:c@example.test\r\nATTENDEE;CUTYPE=ROOM:mailto:r@example.test\r\n"
                                        "ATTENDEE:urn:uuid:1\r\n");
  const auto mime = *MimeMessage::parse(ByteSource::from_string(mail));
  const auto& all = mime->recipients();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].display_name, "Bob");
  EXPECT_EQ(all[0].properties.number(PidTagRecipientTrackStatus), 2);
  EXPECT_EQ(all[1].type, recipient_cc);
  EXPECT_EQ(all[1].display_name, "Carl, C.");
  EXPECT_EQ(all[2].smtp_address, "r@example.test");
  EXPECT_EQ(all[2].type, recipient_bcc);
}

TEST(Meeting, OthersAreNone) {
  EXPECT_FALSE(read_meeting("", "REQUEST"));
  EXPECT_FALSE(read_meeting("no calendar", "REQUEST"));
  EXPECT_FALSE(read_meeting("BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VTODO\r\nUID:1\r\nEND:VTODO\r\nEND:VCALENDAR\r\n", ""));
  EXPECT_FALSE(read_meeting(calendar("PUBLISH", "UID:1\r\nDTSTART:20240701T080000Z\r\n"), "REQUEST"));
  EXPECT_FALSE(read_meeting(calendar("", "UID:1\r\nDTSTART:20240701T080000Z\r\n"), ""));
  EXPECT_FALSE(read_meeting(calendar("REQUEST", "UID:1\r\nDESCRIPTION:" + std::string(max_calendar_bytes, 'x') + "\r\n"), ""));
  // What makes no sense is left out.
  const auto odd = read_meeting(calendar("REQUEST", "UID:" + std::string(5000, 'x') + "\r\nDTSTART:yesterday\r\nSEQUENCE:-7\r\n"), "");
  ASSERT_TRUE(odd);
  EXPECT_EQ(named(*odd, PidLidAppointmentStartWhole), nullptr);
  EXPECT_EQ(named(*odd, PidLidGlobalObjectId), nullptr);
  EXPECT_EQ(number(*odd, PidLidAppointmentSequence), 0);
  const auto backwards = read_meeting(calendar("REQUEST", "UID:1\r\nDTSTART:20240701T080000Z\r\nDTEND:20240601T080000Z\r\n"), "");
  ASSERT_TRUE(backwards);
  EXPECT_EQ(time(*backwards, PidLidAppointmentEndWhole), "2024-07-01T08:00:00Z");
}

TEST(Meeting, OnTheMessageThatBringsIt) {
  const std::string mail = "Subject: Treffen\r\nFrom: a@x\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
                           "Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
                           to_base64(as_view(calendar("REQUEST", "UID:1\r\nDTSTART:20240701T080000Z\r\nLOCATION:Büro\r\n"))) + "\r\n--b--\r\n";
  const auto mime = *MimeMessage::parse(ByteSource::from_string(mail));
  EXPECT_EQ(mime->properties().string(PidTagMessageClass), "IPM.Schedule.Meeting.Request");
  EXPECT_EQ(mime->properties().number(PidTagIconIndex), 0x404);
  bool found = false;
  for (const auto& [id, name] : mime->names())
    if (name == PropertyName(PidLidLocation)) found = mime->named_properties().string(PropertyTag(id, PropertyType::PtypString)) == "Büro";
  EXPECT_TRUE(found);
  EXPECT_EQ(mime->text(), "text");
  EXPECT_EQ(as_text(mime->source().view()), mail);
}

// A calendar alone: its description is the body.
TEST(Meeting, WithoutATextOfItsOwn) {
  const auto mail = "Subject: Treffen\r\nContent-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\n" +
                    calendar("REQUEST", "UID:1\r\nDTSTART:20240701T080000Z\r\nDESCRIPTION:Zeile 1\\nGrüße\\, <b>\r\n");
  const auto mime = *MimeMessage::parse(ByteSource::from_string(mail));
  EXPECT_EQ(mime->properties().string(PidTagMessageClass), "IPM.Schedule.Meeting.Request");
  EXPECT_EQ(mime->text(), "Zeile 1\r\nGrüße, <b>");
  EXPECT_EQ(mime->native_body(), NativeBody::text);
  EXPECT_NE(as_text(mime->html()).find("Grüße, &lt;b&gt;"), std::string_view::npos);
  EXPECT_EQ(mime->html_code_page(), 65001u);
}

}  // namespace
}  // namespace mapigate::convert
