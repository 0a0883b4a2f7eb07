// Events of calendars as properties: series, exceptions and time zones ([MS-OXCICAL] 2.1.3.2.2 and 2.1.3.1.1.19).
#include "convert/ical_event.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "convert/ical_recurrence.h"
#include "convert/ical_time_zone.h"
#include "wire/blobs/blob.h"

namespace mapigate::convert {
namespace {

using namespace mapi;
using wire::blobs::RecurrencePattern;

constexpr std::string_view berlin =
    "BEGIN:VTIMEZONE\r\nTZID:W. Europe Standard Time\r\n"
    "BEGIN:STANDARD\r\nDTSTART:16010101T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nEND:STANDARD\r\n"
    "BEGIN:DAYLIGHT\r\nDTSTART:16010101T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nEND:DAYLIGHT\r\n"
    "END:VTIMEZONE\r\n";

std::string calendar(std::string_view zones, std::initializer_list<std::string_view> events) {
  std::string out = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n" + std::string(zones);
  for (const auto event : events) out += "BEGIN:VEVENT\r\nUID:1\r\n" + std::string(event) + "END:VEVENT\r\n";
  return out + "END:VCALENDAR\r\n";
}
Event event(std::string_view zones, std::initializer_list<std::string_view> events) {
  auto out = read_appointment(calendar(zones, events));
  EXPECT_TRUE(out);
  return out ? std::move(*out) : Event();
}
View binary(const Event& event, const NamedProperty& name) {
  const auto* value = event.find(name);
  return value == nullptr ? View() : *value->get<View>();
}
std::string time(const Event& event, const NamedProperty& name) {
  const auto* value = event.find(name);
  return value == nullptr ? std::string() : to_iso8601(*value->get<FileTime>());
}
std::int64_t number(const Event& event, const NamedProperty& name) {
  const auto* value = event.find(name);
  return value == nullptr ? -1 : number_of(*value);
}
Series series(const Event& event) {
  auto out = read_series(binary(event, PidLidAppointmentRecur));
  EXPECT_TRUE(out);
  return out ? std::move(*out) : Series();
}
std::string date(std::uint32_t minutes) { return to_iso8601(from_unix(seconds_of(minutes))); }
Series of_rule(std::string_view rule, std::string_view start = "DTSTART;TZID=W. Europe Standard Time:20240701T100000\r\n") {
  return series(event(berlin, {std::string(start) + "RRULE:" + std::string(rule) + "\r\n"}));
}

TEST(IcalEvent, DailySeries) {
  const auto event = convert::event(berlin, {"DTSTART;TZID=W. Europe Standard Time:20240701T100000\r\nDTEND;TZID=W. Europe Standard Time:20240701T113000\r\n"
                                             "RRULE:FREQ=DAILY;INTERVAL=3;COUNT=4\r\n"});
  EXPECT_EQ(number(event, PidLidRecurring), 1);
  EXPECT_EQ(number(event, PidLidRecurrenceType), 1);
  EXPECT_EQ(time(event, PidLidAppointmentStartWhole), "2024-07-01T08:00:00Z");
  const auto found = series(event);
  EXPECT_EQ(found.pattern.RecurFrequency, RecurrencePattern::daily);
  EXPECT_EQ(found.pattern.PatternType, RecurrencePattern::Day);
  EXPECT_EQ(found.pattern.Period, 3 * 1440u);
  EXPECT_EQ(found.pattern.FirstDateTime, found.pattern.StartDate % (3 * 1440));
  EXPECT_EQ(found.pattern.EndType, RecurrencePattern::end_after_count);
  EXPECT_EQ(found.pattern.OccurrenceCount, 4u);
  EXPECT_EQ(date(found.pattern.StartDate), "2024-07-01T00:00:00Z");
  EXPECT_EQ(date(found.pattern.EndDate), "2024-07-10T00:00:00Z");
  EXPECT_EQ(found.start_offset, 600u);
  EXPECT_EQ(found.end_offset, 690u);
  EXPECT_EQ(time(event, PidLidClipStart), "2024-06-30T22:00:00Z");
  EXPECT_EQ(time(event, PidLidClipEnd), "2024-07-09T22:00:00Z");
}

TEST(IcalEvent, WeeklySeries) {
  const auto found = of_rule("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;UNTIL=20240801T075959Z;WKST=SU");
  EXPECT_EQ(found.pattern.RecurFrequency, RecurrencePattern::weekly);
  EXPECT_EQ(found.pattern.DayOfWeekBits, 0x0Au);
  EXPECT_EQ(found.pattern.Period, 2u);
  EXPECT_EQ(found.pattern.FirstDOW, 0u);
  EXPECT_EQ(found.pattern.EndType, RecurrencePattern::end_by_date);
  // The end is a second before what would be that day's instance.
  EXPECT_EQ(date(found.pattern.EndDate), "2024-07-31T00:00:00Z");
  EXPECT_EQ(found.pattern.OccurrenceCount, 6u);
  EXPECT_EQ(found.pattern.FirstDateTime % 1440, 0u);
  EXPECT_LT(found.pattern.FirstDateTime, 2 * 7 * 1440u);
  // Without an end: [MS-OXOCAL] 2.2.1.44.1.
  const auto endless = of_rule("FREQ=WEEKLY");
  EXPECT_EQ(endless.pattern.DayOfWeekBits, 0x02u);
  EXPECT_EQ(endless.pattern.EndType, RecurrencePattern::no_end);
  EXPECT_EQ(endless.pattern.EndDate, 0x5AE980DFu);
  EXPECT_EQ(endless.pattern.OccurrenceCount, 10u);
  EXPECT_EQ(of_rule("FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR").pattern.DayOfWeekBits, 0x3Eu);
}

TEST(IcalEvent, MonthlyAndYearlySeries) {
  const auto day = of_rule("FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=15;COUNT=3");
  EXPECT_EQ(day.pattern.PatternType, RecurrencePattern::Month);
  EXPECT_EQ(day.pattern.DayOfMonth, 15u);
  EXPECT_EQ(date(day.pattern.EndDate), "2024-11-15T00:00:00Z");
  EXPECT_EQ(day.pattern.FirstDateTime, 0u);
  EXPECT_EQ(of_rule("FREQ=MONTHLY;BYMONTHDAY=-1").pattern.DayOfMonth, 31u);
  const auto nth = of_rule("FREQ=MONTHLY;BYDAY=2TU;COUNT=2");
  EXPECT_EQ(nth.pattern.PatternType, RecurrencePattern::MonthNth);
  EXPECT_EQ(nth.pattern.DayOfWeekBits, 0x04u);
  EXPECT_EQ(nth.pattern.N, 2u);
  EXPECT_EQ(date(nth.pattern.EndDate), "2024-08-13T00:00:00Z");
  const auto working = of_rule("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=2");
  EXPECT_EQ(working.pattern.N, 5u);
  EXPECT_EQ(date(working.pattern.EndDate), "2024-08-30T00:00:00Z");
  const auto yearly = of_rule("FREQ=YEARLY;BYMONTHDAY=1;BYMONTH=7;COUNT=3");
  EXPECT_EQ(yearly.pattern.RecurFrequency, RecurrencePattern::yearly);
  EXPECT_EQ(yearly.pattern.Period, 12u);
  EXPECT_EQ(yearly.pattern.FirstDateTime, 181 * 1440u);
  EXPECT_EQ(date(yearly.pattern.EndDate), "2026-07-01T00:00:00Z");
  const auto other_years = of_rule("FREQ=YEARLY;INTERVAL=2;BYDAY=1MO;BYMONTH=7");
  EXPECT_EQ(other_years.pattern.RecurFrequency, RecurrencePattern::monthly);
  EXPECT_EQ(other_years.pattern.Period, 24u);
}

TEST(IcalEvent, SeriesThatNoPatternFits) {
  for (const auto* rule : {"FREQ=HOURLY", "FREQ=YEARLY;BYYEARDAY=100", "FREQ=YEARLY;BYMONTH=1,7", "FREQ=MONTHLY;BYMONTHDAY=1,15", "FREQ=MONTHLY;BYDAY=1MO,2TU",
                           "FREQ=DAILY;BYHOUR=8,12", "FREQ=MONTHLY;BYDAY=5MO", "FREQ=DAILY;UNTIL=20240601T000000Z", "FREQ=DAILY;COUNT=2000000", "FREQ=YEARLY;BYWEEKNO=20"}) {
    const auto none = event(berlin, {std::string("DTSTART;TZID=W. Europe Standard Time:20240701T100000\r\nRRULE:") + rule + "\r\n"});
    EXPECT_EQ(none.find(PidLidAppointmentRecur), nullptr) << rule;
    EXPECT_EQ(number(none, PidLidRecurring), 0) << rule;
    EXPECT_EQ(time(none, PidLidAppointmentStartWhole), "2024-07-01T08:00:00Z") << rule;
  }
}

TEST(IcalEvent, Exceptions) {
  const auto found = series(event(berlin, {"DTSTART;TZID=W. Europe Standard Time:20240701T100000\r\nDURATION:PT1H\r\nSUMMARY:Treffen\r\nLOCATION:A\r\n"
                                           "RRULE:FREQ=WEEKLY;COUNT=8\r\nEXDATE;TZID=W. Europe Standard Time:20240708T100000,20240715T100000\r\n"
                                           "EXDATE:20240722T080000Z\r\nEXDATE;VALUE=DATE:20240703\r\n",
                                           "RECURRENCE-ID:20240805T080000Z\r\nDTSTART;TZID=W. Europe Standard Time:20240806T120000\r\nDURATION:PT2H\r\n"
                                           "SUMMARY:Größer\r\nLOCATION:A\r\nTRANSP:TRANSPARENT\r\n",
                                           "RECURRENCE-ID;TZID=W. Europe Standard Time:20240812T100000\r\nDTSTART:20240812T080000Z\r\nSTATUS:CANCELLED\r\n",
                                           "RECURRENCE-ID;TZID=W. Europe Standard Time:20240814T100000\r\nDTSTART:20240814T080000Z\r\n"}));
  ASSERT_EQ(found.deleted.size(), 4u);
  EXPECT_EQ(date(found.deleted[0]), "2024-07-08T00:00:00Z");
  EXPECT_EQ(date(found.deleted[2]), "2024-07-22T00:00:00Z");
  EXPECT_EQ(date(found.deleted[3]), "2024-08-12T00:00:00Z");
  ASSERT_EQ(found.exceptions.size(), 1u);
  const auto& one = found.exceptions[0];
  EXPECT_EQ(date(one.original), "2024-08-05T10:00:00Z");
  EXPECT_EQ(date(one.start), "2024-08-06T12:00:00Z");
  EXPECT_EQ(date(one.end), "2024-08-06T14:00:00Z");
  EXPECT_EQ(one.subject, "Größer");
  EXPECT_FALSE(one.location);
  EXPECT_EQ(one.busy_status, 0u);
}

// In the blob the days of changed instances count among the deleted ones, too ([MS-OXOCAL] 2.2.1.44.1).
TEST(IcalEvent, ExceptionsInTheBlob) {
  Series series;
  series.pattern.PatternType = RecurrencePattern::Day, series.pattern.RecurFrequency = RecurrencePattern::daily;
  series.pattern.Period = 1440, series.pattern.StartDate = 222'000'480 - 222'000'480 % 1440;
  series.pattern.EndType = RecurrencePattern::end_after_count, series.pattern.OccurrenceCount = 5;
  ASSERT_TRUE(complete_pattern(series.pattern));
  const auto day = series.pattern.StartDate;
  series.deleted = {day + 2 * 1440};
  series.exceptions = {{.original = day + 1440 + 60, .start = day + 1440 + 90, .end = day + 1440 + 120, .subject = "日本", .location = {}, .busy_status = {}, .reminder_delta = {}, .reminder_set = {}, .all_day = {}},
                       {.original = day + 60, .start = day + 70, .end = day + 80, .subject = {}, .location = "x", .busy_status = {}, .reminder_delta = {}, .reminder_set = {}, .all_day = {}}};
  const auto bytes = write_series(series);
  Arena arena;
  const auto blob = wire::blobs::decode_blob<wire::blobs::AppointmentRecurrencePattern>(bytes, arena).value();
  EXPECT_EQ(blob.rest.size(), 0u);
  EXPECT_EQ(blob.value.RecurrencePattern.DeletedInstanceDates.size(), 3u);
  EXPECT_EQ(blob.value.RecurrencePattern.ModifiedInstanceDates.size(), 2u);
  EXPECT_EQ(blob.value.ExceptionInfo[0].OriginalStartDate, day + 60);
  EXPECT_EQ(blob.value.ExceptionInfo[1].SubjectLength, blob.value.ExceptionInfo[1].Subject.size() + 1);
  const auto again = read_series(bytes).value();
  EXPECT_EQ(again.deleted, series.deleted);
  ASSERT_EQ(again.exceptions.size(), 2u);
  EXPECT_EQ(again.exceptions[1].subject, "日本");
  EXPECT_EQ(again.exceptions[0].location, "x");
}

TEST(IcalEvent, TimeZones) {
  const auto found = event(berlin, {"DTSTART;TZID=W. Europe Standard Time:20240701T100000\r\nRRULE:FREQ=DAILY\r\n"});
  const auto zone = zone_of_struct(binary(found, PidLidTimeZoneStruct), "x");
  ASSERT_TRUE(zone);
  EXPECT_EQ(zone->rules.lBias, -60);
  EXPECT_EQ(zone->rules.lStandardBias, 0);
  EXPECT_EQ(zone->rules.lDaylightBias, -60);
  EXPECT_EQ(zone->rules.stStandardDate.wMonth, 10);
  EXPECT_EQ(zone->rules.stStandardDate.wDay, 5);
  EXPECT_EQ(zone->rules.stStandardDate.wHour, 3);
  EXPECT_EQ(zone->rules.stDaylightDate.wMonth, 3);
  EXPECT_EQ(text_of(*found.find(PidLidTimeZoneDescription)), "W. Europe Standard Time");
  Arena arena;
  for (const auto& name : {PidLidAppointmentTimeZoneDefinitionRecur, PidLidAppointmentTimeZoneDefinitionStartDisplay, PidLidAppointmentTimeZoneDefinitionEndDisplay}) {
    const auto definition = wire::blobs::decode_blob<wire::blobs::TimeZoneDefinition>(binary(found, name), arena).value().value;
    EXPECT_EQ(to_utf8(definition.KeyName), "W. Europe Standard Time");
    EXPECT_EQ(definition.cbHeader, 6 + 2 * 23);
    ASSERT_EQ(definition.TZRules.size(), 1u);
    EXPECT_EQ(definition.TZRules[0].wTZRuleFlags & 2, 2);
    EXPECT_EQ(definition.TZRules[0].lBias, -60);
  }
  // By a name alone, and one that Outlook does not know.
  const auto named = event("", {"DTSTART;TZID=America/New_York:20240701T100000\r\nRRULE:FREQ=DAILY\r\n"});
  EXPECT_EQ(time(named, PidLidAppointmentStartWhole), "2024-07-01T14:00:00Z");
  const auto eastern = zone_of_definition(binary(named, PidLidAppointmentTimeZoneDefinitionStartDisplay));
  ASSERT_TRUE(eastern);
  EXPECT_EQ(eastern->name, "Eastern Standard Time");
  EXPECT_EQ(eastern->rules.lBias, 300);
  // In UTC.
  const auto universal = event("", {"DTSTART:20240701T100000Z\r\nRRULE:FREQ=DAILY\r\n"});
  EXPECT_EQ(zone_of_struct(binary(universal, PidLidTimeZoneStruct), "")->rules.lBias, 0);
  EXPECT_EQ(universal.find(PidLidAppointmentTimeZoneDefinitionStartDisplay), nullptr);
}

// Of a zone with a history the rules of the event's year.
TEST(IcalEvent, TimeZonesWithAHistory) {
  const std::string zone = "BEGIN:VTIMEZONE\r\nTZID:Here\r\n"
                           "BEGIN:DAYLIGHT\r\nDTSTART:19870405T020000\r\nTZOFFSETFROM:-0500\r\nTZOFFSETTO:-0400\r\nRRULE:FREQ=YEARLY;BYMONTH=4;BYDAY=1SU;UNTIL=20060402T070000Z\r\nEND:DAYLIGHT\r\n"
                           "BEGIN:STANDARD\r\nDTSTART:19671029T020000\r\nTZOFFSETFROM:-0400\r\nTZOFFSETTO:-0500\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU;UNTIL=20061029T060000Z\r\nEND:STANDARD\r\n"
                           "BEGIN:DAYLIGHT\r\nDTSTART:20070311T020000\r\nTZOFFSETFROM:-0500\r\nTZOFFSETTO:-0400\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=8,9,10,11,12,13,14;BYDAY=SU\r\nEND:DAYLIGHT\r\n"
                           "BEGIN:STANDARD\r\nDTSTART:20071104T020000\r\nTZOFFSETFROM:-0400\r\nTZOFFSETTO:-0500\r\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";
  const auto rules = [&](std::string_view year) {
    const auto found = event(zone, {"DTSTART;TZID=Here:" + std::string(year) + "0701T100000\r\n"});
    return zone_of_definition(binary(found, PidLidAppointmentTimeZoneDefinitionStartDisplay)).value().rules;
  };
  EXPECT_EQ(rules("2024").stDaylightDate.wMonth, 3);
  EXPECT_EQ(rules("2024").stDaylightDate.wDay, 2);
  EXPECT_EQ(rules("2024").stStandardDate.wMonth, 11);
  EXPECT_EQ(rules("2000").stDaylightDate.wMonth, 4);
  EXPECT_EQ(rules("2000").stStandardDate.wDay, 5);
}

TEST(IcalEvent, DaysInTheOnlyTimeZone) {
  const auto found = event(berlin, {"DTSTART;VALUE=DATE:20240701\r\nDTEND;VALUE=DATE:20240702\r\nRRULE:FREQ=WEEKLY;COUNT=2\r\n"});
  EXPECT_EQ(number(found, PidLidAppointmentSubType), 1);
  EXPECT_EQ(time(found, PidLidAppointmentStartWhole), "2024-06-30T22:00:00Z");
  EXPECT_EQ(series(found).start_offset, 0u);
  EXPECT_EQ(series(found).end_offset, 1440u);
}

TEST(IcalEvent, DamagedBlobsAreNone) {
  EXPECT_FALSE(read_series({}));
  EXPECT_FALSE(zone_of_struct({}, ""));
  EXPECT_FALSE(zone_of_definition({}));
  CalendarZone odd = utc_zone();
  odd.rules.lBias = 100000;
  EXPECT_FALSE(zone_of_struct(time_zone_struct(odd), ""));
  // A period of nothing would never end.
  Series series;
  series.pattern.PatternType = RecurrencePattern::Day, series.pattern.Period = 0;
  EXPECT_FALSE(read_series(write_series(series)));
}

TEST(IcalEvent, ManyExceptionsAndAttendees) {
  std::string many = "DTSTART:20200101T100000Z\r\nRRULE:FREQ=DAILY\r\n";
  for (int i = 0; i < 5000; ++i) many += "ATTENDEE:mailto:a" + std::to_string(i) + "@example.test\r\nEXDATE:2021" + (i % 2 == 0 ? "0101" : "0102") + "T100000Z\r\n";
  const auto found = event("", {many});
  EXPECT_EQ(found.attendees.size(), max_attendees);
  EXPECT_LE(series(found).deleted.size(), max_exceptions);
}

}  // namespace
}  // namespace mapigate::convert
