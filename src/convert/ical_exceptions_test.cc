// Changed instances of series with bodies and attendees of their own, and days that not every month has ([MS-OXOCAL] 2.2.10,
// [MS-OXCICAL] 2.1.3.1.1.20.20 and 2.1.3.2.2.3).
#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "convert/ical_event_writer.h"
#include "convert/ical_meeting.h"
#include "convert/ical_recurrence.h"
#include "convert/mime_message.h"
#include "convert/mime_writer.h"

namespace mapigate::convert {
namespace {

using namespace mapi;
using wire::blobs::RecurrencePattern;

constexpr std::string_view outlook = "-//Microsoft Corporation//Outlook 16.0 MIMEDIR//EN", others = "-//Example//EN";
constexpr std::string_view berlin =
    "BEGIN:VTIMEZONE\r\nTZID:W. Europe Standard Time\r\n"
    "BEGIN:STANDARD\r\nDTSTART:16010101T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nEND:STANDARD\r\n"
    "BEGIN:DAYLIGHT\r\nDTSTART:16010101T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nEND:DAYLIGHT\r\n"
    "END:VTIMEZONE\r\n";

std::string calendar(std::string_view maker, std::string_view lines, std::string_view more = {}) {
  return "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nVERSION:2.0\r\nPRODID:" + std::string(maker) + "\r\n" + std::string(more) + "BEGIN:VEVENT\r\nUID:1\r\n" +
         std::string(lines) + "END:VEVENT\r\nEND:VCALENDAR\r\n";
}
Event event(std::string_view maker, std::string_view lines, std::string_view more = {}) {
  auto out = read_appointment(calendar(maker, lines, more));
  EXPECT_TRUE(out);
  return out ? std::move(*out) : Event();
}
Series series(const Event& event) {
  const auto* value = event.find(PidLidAppointmentRecur);
  EXPECT_NE(value, nullptr);
  auto out = read_series(value == nullptr ? View() : *value->get<View>());
  EXPECT_TRUE(out);
  return out ? std::move(*out) : Series();
}
std::string date(std::uint32_t minutes) { return to_iso8601(from_unix(seconds_of(minutes))).substr(0, 10); }
std::vector<std::string> deleted(const Series& series) {
  std::vector<std::string> out;
  for (const auto day : series.deleted) out.push_back(date(day));
  return out;
}
// The days that are left.
std::vector<std::string> instances(const Series& series) {
  std::vector<std::string> out;
  for (const auto day : series_days(series.pattern, 12))
    if (std::find(series.deleted.begin(), series.deleted.end(), day) == series.deleted.end()) out.push_back(date(day));
  return out;
}
std::string written(const Event& event) {
  PropertyBag all;
  all.set_all(event.properties);
  all.set_all(event.named);
  return write_calendar({all, event.names, event.organizer, event.attendees, event.properties.string(PidTagSubject), event.text}, CalendarMethod::publish).value_or("");
}
std::int64_t number(const Event& event, const NamedProperty& name) {
  const auto* value = event.find(name);
  return value == nullptr ? -1 : number_of(*value);
}
using Days = std::vector<std::string>;

TEST(IcalShortMonths, HaveNoInstanceForOthersThanOutlook) {
  const auto counted = series(event(others, "DTSTART:20240131T100000Z\r\nRRULE:FREQ=MONTHLY;COUNT=5\r\n"));
  EXPECT_EQ(counted.pattern.DayOfMonth, 31u);
  EXPECT_EQ(counted.pattern.OccurrenceCount, 8u);
  EXPECT_EQ(deleted(counted), (Days{"2024-02-29", "2024-04-30", "2024-06-30"}));
  EXPECT_EQ(instances(counted), (Days{"2024-01-31", "2024-03-31", "2024-05-31", "2024-07-31", "2024-08-31"}));
  const auto ended = series(event(others, "DTSTART:20240131T100000Z\r\nRRULE:FREQ=MONTHLY;BYMONTHDAY=31;UNTIL=20240501T000000Z\r\n"));
  EXPECT_EQ(instances(ended), (Days{"2024-01-31", "2024-03-31"}));
  const auto leap = series(event(others, "DTSTART;VALUE=DATE:20240229\r\nRRULE:FREQ=YEARLY;COUNT=2\r\n"));
  EXPECT_EQ(instances(leap), (Days{"2024-02-29", "2028-02-29"}));
  // No list would be long enough: [MS-OXCICAL] 2.1.3.2.2.3.
  EXPECT_EQ(deleted(series(event(others, "DTSTART:20240131T100000Z\r\nRRULE:FREQ=MONTHLY\r\n"))), Days{});
}

TEST(IcalShortMonths, EndOnTheirLastDayForOutlook) {
  const auto found = series(event(outlook, "DTSTART:20240131T100000Z\r\nRRULE:FREQ=MONTHLY;BYMONTHDAY=31;COUNT=3\r\n"));
  EXPECT_EQ(instances(found), (Days{"2024-01-31", "2024-02-29", "2024-03-31"}));
  // What others write for that.
  for (const auto& [days, day] : {std::pair("28,29,30,31", 31u), std::pair("30,29,28", 30u), std::pair("28,29", 29u), std::pair("-1", 31u)}) {
    const auto same = series(event(others, "DTSTART:20230128T100000Z\r\nRRULE:FREQ=MONTHLY;COUNT=3;BYMONTHDAY=" + std::string(days) + ";BYSETPOS=-1\r\n"));
    EXPECT_EQ(same.pattern.DayOfMonth, day) << days;
    EXPECT_EQ(same.pattern.OccurrenceCount, 3u) << days;
    EXPECT_EQ(deleted(same), Days{}) << days;
  }
  const auto from_29 = series(event(others, "DTSTART:20230131T100000Z\r\nRRULE:FREQ=MONTHLY;COUNT=3;BYMONTHDAY=29,30,31;BYSETPOS=-1\r\n"));
  EXPECT_EQ(instances(from_29), (Days{"2023-01-31", "2023-03-31", "2023-04-30"}));
  for (const auto* none : {"BYMONTHDAY=28,29", "BYMONTHDAY=28,30;BYSETPOS=-1", "BYMONTHDAY=-2", "BYMONTHDAY=1,2,3;BYSETPOS=2"})
    EXPECT_EQ(event(others, "DTSTART:20230128T100000Z\r\nRRULE:FREQ=MONTHLY;" + std::string(none) + "\r\n").find(PidLidAppointmentRecur), nullptr) << none;
}

TEST(IcalShortMonths, Written) {
  const auto rule = [](std::string_view lines, std::string_view maker = outlook) {
    const auto text = written(event(maker, lines));
    const auto at = text.find("\r\nRRULE:", text.find("BEGIN:VEVENT"));
    return at == text.npos ? text : text.substr(at + 8, text.find("\r\n", at + 2) - at - 8);
  };
  EXPECT_EQ(rule("DTSTART:20240131T100000Z\r\nRRULE:FREQ=MONTHLY;COUNT=3\r\n"), "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=-1;COUNT=3");
  // Who counts February out would end a month later.
  EXPECT_EQ(rule("DTSTART:20240130T100000Z\r\nRRULE:FREQ=MONTHLY;COUNT=3\r\n"), "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=30;UNTIL=20240330T100000Z");
  EXPECT_EQ(rule("DTSTART:20240330T100000Z\r\nRRULE:FREQ=MONTHLY;COUNT=3\r\n"), "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=30;COUNT=3");
  EXPECT_EQ(rule("DTSTART:20240229T100000Z\r\nRRULE:FREQ=YEARLY\r\n"), "FREQ=YEARLY;INTERVAL=1;BYMONTHDAY=-1;BYMONTH=2");
  // There and back the instances stay the same.
  for (const auto* lines : {"DTSTART:20240131T100000Z\r\nRRULE:FREQ=MONTHLY;COUNT=5\r\n", "DTSTART:20240130T100000Z\r\nRRULE:FREQ=MONTHLY;COUNT=5\r\n",
                            "DTSTART:20240229T100000Z\r\nRRULE:FREQ=YEARLY;COUNT=2\r\n"})
    for (const auto maker : {outlook, others}) {
      const auto before = event(maker, lines);
      const auto after = read_appointment(written(before));
      ASSERT_TRUE(after);
      EXPECT_EQ(instances(series(before)), instances(series(*after))) << maker << lines;
    }
}

// 2.1.3.1.1.20.18: on another day than the rule says.
TEST(IcalExceptions, MovedByDatesAlone) {
  const auto found = series(event(others, "DTSTART:20240701T100000Z\r\nDTEND:20240701T110000Z\r\nRRULE:FREQ=WEEKLY;COUNT=4\r\n"
                                          "EXDATE:20240708T100000Z,20240722T100000Z\r\nRDATE:20240710T120000Z,20240702T100000Z\r\nRDATE;VALUE=PERIOD:20240723T100000Z/PT1H\r\n"));
  ASSERT_EQ(found.exceptions.size(), 1u);
  EXPECT_EQ(to_iso8601(from_unix(seconds_of(found.exceptions[0].original))), "2024-07-08T10:00:00Z");
  EXPECT_EQ(to_iso8601(from_unix(seconds_of(found.exceptions[0].start))), "2024-07-10T12:00:00Z");
  EXPECT_EQ(to_iso8601(from_unix(seconds_of(found.exceptions[0].end))), "2024-07-10T13:00:00Z");
  EXPECT_EQ(deleted(found), Days{"2024-07-22"});
}

const std::string series_mail =
    "Subject: Treffen\r\nFrom: Olga <o@example.test>\r\nTo: b@example.test\r\nContent-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\n"
    "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nVERSION:2.0\r\nPRODID:x\r\n" + std::string(berlin) +
    "BEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Treffen\r\nDESCRIPTION:wie immer\r\nORGANIZER;CN=Olga:mailto:o@example.test\r\nATTENDEE;RSVP=TRUE:mailto:b@example.test\r\n"
    "DTSTART;TZID=W. Europe Standard Time:20240701T000000\r\nDTEND;TZID=W. Europe Standard Time:20240701T010000\r\nRRULE:FREQ=WEEKLY;COUNT=4\r\nEND:VEVENT\r\n"
    "BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID:20240707T220000Z\r\nSUMMARY:Größer\r\nDESCRIPTION:diesmal mit Carl\r\nORGANIZER;CN=Olga:mailto:o@example.test\r\n"
    "ATTENDEE;RSVP=TRUE:mailto:b@example.test\r\nATTENDEE;CN=\"Carl, C.\":mailto:c@example.test\r\n"
    "DTSTART;TZID=W. Europe Standard Time:20240708T120000\r\nDTEND;TZID=W. Europe Standard Time:20240708T130000\r\nEND:VEVENT\r\n"
    "BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID;TZID=W. Europe Standard Time:20240715T000000\r\nDESCRIPTION:wie immer\r\nORGANIZER;CN=Olga:mailto:o@example.test\r\n"
    "ATTENDEE;RSVP=TRUE:mailto:b@example.test\r\n"
    "DTSTART;TZID=W. Europe Standard Time:20240716T120000\r\nDTEND;TZID=W. Europe Standard Time:20240716T130000\r\nEND:VEVENT\r\n"
    "END:VCALENDAR\r\n";

const Value* named(const MimeMessage& message, const NamedProperty& name) {
  for (const auto& [id, its_name] : message.names())
    if (its_name == PropertyName(name)) return message.named_properties().find(PropertyTag(id, name.type));
  return nullptr;
}
std::int64_t number(const MimeMessage& message, const NamedProperty& name) {
  const auto* value = named(message, name);
  return value == nullptr ? -1 : number_of(*value);
}
void expect_changed(const MimeMessage& mime) {
  EXPECT_EQ(mime.properties().string(PidTagMessageClass), "IPM.Schedule.Meeting.Request");
  EXPECT_FALSE(mime.shows_files());
  EXPECT_EQ(number(mime, PidLidFExceptionalAttendees), 1);
  ASSERT_EQ(mime.attachments().size(), 2u);
  const auto& bag = mime.attachments()[0].properties;
  EXPECT_EQ(mime.attachments()[0].kind, Attachment::Kind::embedded);
  EXPECT_EQ(bag.number(PidTagAttachMethod), 5);
  EXPECT_EQ(bag.number(PidTagAttachmentHidden), 1);
  EXPECT_EQ(bag.number(PidTagAttachmentFlags), 2);
  EXPECT_EQ(bag.number(PidTagRenderingPosition), -1);
  EXPECT_EQ(bag.string(PidTagDisplayName), "Größer");
  EXPECT_EQ(to_iso8601(bag.time(PidTagExceptionStartTime)), "2024-07-08T12:00:00Z");
  EXPECT_EQ(to_iso8601(bag.time(PidTagExceptionEndTime)), "2024-07-08T13:00:00Z");
  EXPECT_EQ(to_iso8601(bag.time(PidTagExceptionReplaceTime)), "2024-07-07T22:00:00Z");
  const auto first = *mime.embedded(0), second = *mime.embedded(1);
  EXPECT_EQ(first->properties().string(PidTagMessageClass), "IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}");
  EXPECT_EQ(first->properties().string(PidTagSubject), "Größer");
  EXPECT_TRUE(first->text().starts_with("diesmal mit Carl")) << first->text();
  EXPECT_EQ(number(*first, PidLidFExceptionalBody), 1);
  EXPECT_EQ(number(*first, PidLidIsException), 1);
  EXPECT_EQ(to_iso8601(*named(*first, PidLidExceptionReplaceTime)->get<FileTime>()), "2024-07-07T22:00:00Z");
  EXPECT_EQ(to_iso8601(*named(*first, PidLidAppointmentStartWhole)->get<FileTime>()), "2024-07-08T10:00:00Z");
  // By the day in the time zone of the series.
  EXPECT_EQ(to_hex(*named(*first, PidLidGlobalObjectId)->get<View>()).substr(32, 8), "07e80708");
  ASSERT_EQ(first->recipients().size(), 2u);
  EXPECT_EQ(first->recipients()[1].smtp_address, "c@example.test");
  EXPECT_EQ(first->recipients()[1].display_name, "Carl, C.");
  // As in the series.
  EXPECT_EQ(second->text(), "");
  EXPECT_EQ(number(*second, PidLidFExceptionalBody), 0);
  EXPECT_TRUE(second->recipients().empty());
  EXPECT_EQ(second->properties().string(PidTagSubject), "Treffen");
  const auto blob = read_series(*named(mime, PidLidAppointmentRecur)->get<View>()).value();
  ASSERT_EQ(blob.exceptions.size(), 2u);
  EXPECT_TRUE(blob.exceptions[0].body);
  EXPECT_FALSE(blob.exceptions[1].body);
}

TEST(IcalExceptions, AreAttachmentsOfTheirSeries) { expect_changed(**MimeMessage::parse(ByteSource::from_string(series_mail))); }

// As the store does it: all names of a message and of those within it under its own ids.
void take_named(const MimeMessage& mime, MessageData& data, MimeWriteOptions& options) {
  for (const auto& [tag, value] : mime.named_properties()) {
    const auto& name = mime.names().at(tag.id());
    auto id = static_cast<std::uint16_t>(0x8100 + options.names.size());
    for (const auto& [known, its_name] : options.names)
      if (its_name == name) id = known;
    options.names.emplace(id, name);
    data.properties.set(PropertyTag(id, tag.type()), value);
  }
}

TEST(IcalExceptions, ThereAndBack) {
  const auto before = *MimeMessage::parse(ByteSource::from_string(series_mail));
  auto data = *message_data(*before, 1 << 20);
  MimeWriteOptions options;
  take_named(*before, data, options);
  for (std::size_t i = 0; i < data.attachments.size(); ++i) take_named(**before->embedded(i), *data.attachments[i].embedded, options);
  const auto text = std::string(as_text(write_mime(data, options).value().view()));
  EXPECT_EQ(text.find("message/rfc822"), text.npos);
  EXPECT_EQ(data.attachments[0].part, 0u);
  EXPECT_EQ(data.attachments[1].part, 1u);
  const auto after = *MimeMessage::parse(ByteSource::from_string(text));
  expect_changed(*after);
  // Who does not come to this one is not told of it.
  for (auto& one : data.attachments[0].embedded->recipients)
    if (one.properties.string(PidTagSmtpAddress) == "b@example.test") one.properties.set_integer(PidTagRecipientFlags, 0x20);
  const auto without = *MimeMessage::parse(ByteSource::from_string(std::string(as_text(write_mime(data, options).value().view()))));
  const auto first = *without->embedded(0);
  ASSERT_EQ(first->recipients().size(), 1u);
  EXPECT_EQ(first->recipients()[0].smtp_address, "c@example.test");
}

TEST(IcalExceptions, NotMoreThanTheirLimit) {
  std::string mail = "Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VTIMEZONE\r\nTZID:Here\r\nX-LONG:" +
                     std::string(400'000, 'x') + "\r\nBEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
                     "BEGIN:VEVENT\r\nUID:1\r\nDTSTART;TZID=Here:20240701T100000\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\n";
  for (int i = 2; i < 30; ++i) {
    const auto day = std::string(i < 10 ? "0" : "") + std::to_string(i);
    mail += "BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID;TZID=Here:202407" + day + "T100000\r\nDTSTART;TZID=Here:202407" + day + "T110000\r\nEND:VEVENT\r\n";
  }
  const auto mime = *MimeMessage::parse(ByteSource::from_string(mail + "END:VCALENDAR\r\n"));
  std::size_t total = 0;
  for (std::size_t i = 0; i < mime->attachments().size(); ++i) total += mime->attachment_size(i).value();
  EXPECT_GT(total, 0u);
  EXPECT_LE(total, max_exception_bytes);
  EXPECT_EQ(read_series(*named(*mime, PidLidAppointmentRecur)->get<View>()).value().exceptions.size(), 28u);
}

// 2.1.3.1.1.20.4, .6, .17, .21, .32 and .43.
TEST(IcalProperties, ThatJudge) {
  constexpr std::string_view start = "DTSTART:20240701T100000Z\r\n";
  const std::tuple<const char*, int, int> classes[] = {{"PUBLIC", 0, -1}, {"X-PERSONAL", 1, -1}, {"PRIVATE", 2, 1}, {"CONFIDENTIAL", 3, -1}};
  for (const auto& [word, sensitivity, is_private] : classes) {
    const auto found = event(others, std::string(start) + "CLASS:" + word + "\r\n");
    EXPECT_EQ(found.properties.number(PidTagSensitivity), sensitivity) << word;
    EXPECT_EQ(number(found, PidLidPrivate), is_private) << word;
    EXPECT_NE(written(found).find("\r\nCLASS:" + std::string(word) + "\r\n"), std::string::npos) << word;
  }
  for (const auto& [line, importance] : {std::pair("PRIORITY:1", 2), std::pair("PRIORITY:4", 2), std::pair("PRIORITY:5", 1), std::pair("PRIORITY:9", 0),
                                         std::pair("PRIORITY:9\r\nX-MICROSOFT-CDO-IMPORTANCE:2", 2), std::pair("X-MICROSOFT-MSNCALENDAR-IMPORTANCE:0", 0)})
    EXPECT_EQ(event(others, std::string(start) + line + "\r\n").properties.find(PidTagImportance)->get<std::int32_t>()[0], importance) << line;
  EXPECT_FALSE(event(others, std::string(start) + "PRIORITY:0\r\n").properties.contains(PidTagImportance));
  const auto found = event(others, std::string(start) + "CONTACT:Anna\\, 123\r\nCONTACT:Bert\r\nRESOURCES:Beamer,Tafel\r\n");
  EXPECT_EQ(text_of(*found.find(PidLidNonSendableBcc)), "Beamer; Tafel");
  const auto text = written(found);
  EXPECT_NE(text.find("\r\nCONTACT:Anna\\, 123\r\nCONTACT:Bert\r\nRESOURCES:Beamer,Tafel\r\n"), text.npos) << text;
  // The header counts where it says something.
  const auto mail = [&](std::string_view header) {
    return MimeMessage::parse(ByteSource::from_string(std::string(header) + "Content-Type: text/calendar; method=REQUEST\r\n\r\n" +
                                                      calendar(others, std::string(start) + "CLASS:CONFIDENTIAL\r\nPRIORITY:1\r\n"))).value();
  };
  EXPECT_EQ(mail("Subject: x\r\n")->properties().number(PidTagSensitivity), 3);
  EXPECT_EQ(mail("Subject: x\r\n")->properties().number(PidTagImportance), 2);
  EXPECT_EQ(mail("Sensitivity: Private\r\nImportance: low\r\n")->properties().number(PidTagSensitivity), 2);
  EXPECT_EQ(mail("Sensitivity: Private\r\nImportance: low\r\n")->properties().number(PidTagImportance), 0);
}

// 2.1.3.1.1.20.23, .25, .28, .31 and .42.
TEST(IcalProperties, OfTimes) {
  const auto busy = [](std::string_view lines) { return number(event(others, "DTSTART:20240701T100000Z\r\n" + std::string(lines)), PidLidBusyStatus); };
  EXPECT_EQ(busy("STATUS:TENTATIVE\r\n"), 1);
  EXPECT_EQ(busy("STATUS:TENTATIVE\r\nTRANSP:OPAQUE\r\n"), 2);
  EXPECT_EQ(busy("X-MICROSOFT-MSNCALENDAR-BUSYSTATUS:OOF\r\n"), 3);
  EXPECT_EQ(busy("TRANSP:TRANSPARENT\r\nX-MICROSOFT-CDO-BUSYSTATUS:BUSY\r\n"), 2);
  const auto all_day = [](std::string_view start) {
    return number(event(others, std::string(start) + "\r\nX-MICROSOFT-CDO-ALLDAYEVENT:TRUE\r\n", berlin), PidLidAppointmentSubType);
  };
  EXPECT_EQ(all_day("DTSTART;TZID=W. Europe Standard Time:20240701T000000"), 1);
  EXPECT_EQ(all_day("DTSTART:20240630T220000Z"), 1);
  EXPECT_EQ(all_day("DTSTART;TZID=W. Europe Standard Time:20240701T100000"), 0);
}

// 2.1.3.1.1.20.62.
TEST(IcalProperties, OfReminders) {
  const auto delta = [](std::string_view trigger, std::string_view start = "DTSTART:20240701T100000Z\r\nDTEND:20240701T110000Z\r\n") {
    const auto found = event(others, std::string(start) + "BEGIN:VALARM\r\nACTION:DISPLAY\r\n" + std::string(trigger) + "END:VALARM\r\n");
    EXPECT_EQ(number(found, PidLidReminderSet), 1) << trigger;
    return number(found, PidLidReminderDelta);
  };
  EXPECT_EQ(delta("TRIGGER:-PT30M\r\n"), 30);
  EXPECT_EQ(delta("TRIGGER;RELATED=START:-P1D\r\n"), 24 * 60);
  EXPECT_EQ(delta("TRIGGER:PT30M\r\n"), 30);  // its absolute value
  EXPECT_EQ(delta("TRIGGER;VALUE=DATE-TIME:20240701T090000Z\r\n"), 60);
  EXPECT_EQ(delta("TRIGGER;RELATED=END:-PT5M\r\n"), 15);
  EXPECT_EQ(delta(""), 15);
  EXPECT_EQ(delta("", "DTSTART;VALUE=DATE:20240701\r\n"), 1080);
  const auto found = event(others, "DTSTART:20240701T100000Z\r\nBEGIN:VALARM\r\nTRIGGER:-PT30M\r\nEND:VALARM\r\n");
  EXPECT_EQ(to_iso8601(*found.find(PidLidReminderTime)->get<FileTime>()), "2024-07-01T10:00:00Z");
  EXPECT_EQ(to_iso8601(*found.find(PidLidReminderSignalTime)->get<FileTime>()), "2024-07-01T09:30:00Z");
}

// 2.1.3.1.1.20.27.
TEST(IcalProperties, HtmlOfAMailThatHasNone) {
  const auto mime = *MimeMessage::parse(ByteSource::from_string("Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\n" +
      calendar(others, "DTSTART:20240701T100000Z\r\nDESCRIPTION:Text\r\nX-ALT-DESC;FMTTYPE=text/html:<html><body><b>Grüße\\, alle</b></body></html>\r\n")));
  EXPECT_EQ(mime->native_body(), NativeBody::html);
  EXPECT_NE(as_text(mime->html()).find("<b>Grüße, alle</b>"), std::string_view::npos);
  EXPECT_EQ(mime->text(), "Text");
  // Others than HTML are nobody's.
  const auto plain = *MimeMessage::parse(ByteSource::from_string("Content-Type: text/calendar; method=REQUEST\r\n\r\n" +
      calendar(others, "DTSTART:20240701T100000Z\r\nX-ALT-DESC:<b>x</b>\r\n")));
  EXPECT_EQ(plain->native_body(), NativeBody::text);
}

// Mail that publishes is no appointment: Outlook imports it from files alone ([MS-STANOICAL] 2.2.99).
TEST(IcalProperties, PublishedByMail) {
  const auto mime = *MimeMessage::parse(ByteSource::from_string(
      "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nText\r\n--b\r\nContent-Type: text/calendar; method=PUBLISH\r\n\r\n"
      "BEGIN:VCALENDAR\r\nMETHOD:PUBLISH\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20240701T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n--b--\r\n"));
  EXPECT_EQ(mime->properties().string(PidTagMessageClass), "IPM.Note");
  ASSERT_EQ(mime->attachments().size(), 1u);
  EXPECT_EQ(mime->attachments()[0].properties.string(PidTagAttachMimeTag), "text/calendar");
  EXPECT_EQ(mime->attachments()[0].properties.number(PidTagAttachmentHidden), 0);
}

}  // namespace
}  // namespace mapigate::convert
