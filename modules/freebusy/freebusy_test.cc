#include <gtest/gtest.h>

#include <algorithm>

#include "calendar.h"
#include "dav.h"
#include "wire/ews/xml.h"

namespace mapigate::freebusy {
namespace {

using wire::ews::BusyType;
using wire::ews::CalendarEvent;

std::int64_t utc(const char* text) { return wire::ews::parse_date_time(text)->seconds; }

std::vector<std::string> busy(const std::string& inner, Reading how = {}) {
  if (how.end == 0) {
    how.start = utc("2024-03-25T00:00:00Z");
    how.end = utc("2024-04-08T00:00:00Z");
  }
  std::vector<CalendarEvent> events;
  const auto done = read_calendar("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n" + inner + "END:VCALENDAR\r\n", how, events);
  if (!done) throw std::runtime_error(done.error().message);
  std::sort(events.begin(), events.end(), [](const auto& a, const auto& b) { return a.StartTime < b.StartTime; });
  std::vector<std::string> out;
  for (const auto& one : events) {
    const auto start = wire::ews::format_local(one.StartTime), end = wire::ews::format_local(one.EndTime);
    out.push_back(start.substr(5, 11) + "/" + end.substr(5, 11) + " " + std::string(to_string(one.Type)));
    if (one.Details) out.back() += " " + one.Details->Subject + (one.Details->IsPrivate ? "!" : "");
  }
  return out;
}

std::string event(const std::string& lines) { return "BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20240101T000000Z\r\n" + lines + "END:VEVENT\r\n"; }

using Strings = std::vector<std::string>;

TEST(Calendar, ReadsFreeBusy) {
  EXPECT_EQ(busy("BEGIN:VFREEBUSY\r\nUID:1\r\nFREEBUSY:20240326T090000Z/20240326T100000Z,20240327T090000Z/PT30M\r\n"
                 "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20240328T090000Z/PT1H\r\nFREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20240329T090000Z/PT1H\r\n"
                 "FREEBUSY;FBTYPE=FREE:20240330T090000Z/PT1H\r\nFREEBUSY:20230101T090000Z/PT1H\r\nEND:VFREEBUSY\r\n"),
            (Strings{"03-26T09:00/03-26T10:00 Busy", "03-27T09:00/03-27T09:30 Busy", "03-28T09:00/03-28T10:00 Tentative",
                     "03-29T09:00/03-29T10:00 OOF"}));
}

TEST(Calendar, WhatIsNotCoveredIsUnknown) {
  const auto published = [](const char* start, const char* end) {
    return busy("BEGIN:VFREEBUSY\r\nUID:1\r\nDTSTART:" + std::string(start) + "\r\nDTEND:" + end +
                "\r\nFREEBUSY:20240402T090000Z/20240402T100000Z\r\nEND:VFREEBUSY\r\n");
  };
  EXPECT_EQ(published("20240325T000000Z", "20240408T000000Z"), Strings{"04-02T09:00/04-02T10:00 Busy"});
  EXPECT_EQ(published("20240401T000000Z", "20240403T000000Z"),
            (Strings{"03-25T00:00/04-01T00:00 NoData", "04-02T09:00/04-02T10:00 Busy", "04-03T00:00/04-08T00:00 NoData"}));
  EXPECT_EQ(published("20250101T000000Z", "20250201T000000Z")[0], "03-25T00:00/04-08T00:00 NoData");
}

TEST(Calendar, ReadsEvents) {
  EXPECT_EQ(busy(event("DTSTART:20240326T090000Z\r\nDTEND:20240326T100000Z\r\n")), Strings{"03-26T09:00/03-26T10:00 Busy"});
  EXPECT_EQ(busy(event("DTSTART:20240326T090000Z\r\nDURATION:PT15M\r\nSTATUS:TENTATIVE\r\n")), Strings{"03-26T09:00/03-26T09:15 Tentative"});
  EXPECT_EQ(busy(event("DTSTART:20240326T090000Z\r\nDTEND:20240326T100000Z\r\nX-MICROSOFT-CDO-BUSYSTATUS:OOF\r\n")), Strings{"03-26T09:00/03-26T10:00 OOF"});
  EXPECT_EQ(busy(event("DTSTART:20240326T090000Z\r\nDTEND:20240326T100000Z\r\nTRANSP:TRANSPARENT\r\n")), Strings{});
  EXPECT_EQ(busy(event("DTSTART:20240326T090000Z\r\nDTEND:20240326T100000Z\r\nSTATUS:CANCELLED\r\n")), Strings{});
  EXPECT_EQ(busy(event("DTSTART:20240326T090000Z\r\nDTEND:20240326T090000Z\r\n")), Strings{});
  EXPECT_EQ(busy(event("DTSTART:20250326T090000Z\r\nDTEND:20250326T100000Z\r\n")), Strings{});
}

TEST(Calendar, FollowsRecurrencesThroughTheChangeOfTheClock) {
  // Daylight saving time begins in Berlin on 31 March 2024.
  EXPECT_EQ(busy(event("DTSTART;TZID=Europe/Berlin:20230102T090000\r\nDTEND;TZID=Europe/Berlin:20230102T100000\r\nRRULE:FREQ=WEEKLY;BYDAY=TU\r\n"
                       "EXDATE;TZID=Europe/Berlin:20240402T090000\r\nRDATE;TZID=Europe/Berlin:20240405T120000\r\n")),
            (Strings{"03-26T08:00/03-26T09:00 Busy", "04-05T10:00/04-05T11:00 Busy"}));
  Reading berlin{utc("2024-03-30T00:00:00Z"), utc("2024-04-02T00:00:00Z"), "Europe/Berlin", "", false, false};
  EXPECT_EQ(busy(event("DTSTART;VALUE=DATE:20240101\r\nDTEND;VALUE=DATE:20240102\r\nRRULE:FREQ=DAILY\r\n"), berlin),
            (Strings{"03-29T23:00/03-30T23:00 Busy", "03-30T23:00/03-31T22:00 Busy", "03-31T22:00/04-01T22:00 Busy", "04-01T22:00/04-02T22:00 Busy"}));
  EXPECT_EQ(busy(event("DTSTART;VALUE=DATE:20240331\r\n"), berlin), Strings{"03-30T23:00/03-31T22:00 Busy"});
  EXPECT_EQ(busy(event("DTSTART:20240331T090000\r\nDURATION:PT1H\r\n"), berlin), Strings{"03-31T07:00/03-31T08:00 Busy"});
}

TEST(Calendar, ExceptionsReplaceTheirInstance) {
  EXPECT_EQ(busy(event("DTSTART:20240325T090000Z\r\nDTEND:20240325T100000Z\r\nRRULE:FREQ=DAILY;COUNT=3\r\n") +
                 event("RECURRENCE-ID:20240326T090000Z\r\nDTSTART:20240326T150000Z\r\nDTEND:20240326T160000Z\r\n") +
                 event("RECURRENCE-ID:20240327T090000Z\r\nDTSTART:20240327T090000Z\r\nDTEND:20240327T100000Z\r\nSTATUS:CANCELLED\r\n")),
            (Strings{"03-25T09:00/03-25T10:00 Busy", "03-26T15:00/03-26T16:00 Busy"}));
}

TEST(Calendar, WhatTheOwnerAnsweredCounts) {
  Reading how{utc("2024-03-25T00:00:00Z"), utc("2024-04-08T00:00:00Z"), "", "alice@example.test", false, false};
  const auto with = [&](const char* answer) {
    return busy(event("DTSTART:20240326T090000Z\r\nDTEND:20240326T100000Z\r\nATTENDEE;PARTSTAT=" + std::string(answer) + ":MAILTO:Alice@example.test\r\n"), how);
  };
  EXPECT_EQ(with("ACCEPTED"), Strings{"03-26T09:00/03-26T10:00 Busy"});
  EXPECT_EQ(with("NEEDS-ACTION"), Strings{"03-26T09:00/03-26T10:00 Tentative"});
  EXPECT_EQ(with("DECLINED"), Strings{});
}

TEST(Calendar, PrivateEventsKeepTheirSubject) {
  Reading how{utc("2024-03-25T00:00:00Z"), utc("2024-04-08T00:00:00Z"), "", "", true, false};
  const auto secret = event("DTSTART:20240326T090000Z\r\nDTEND:20240326T100000Z\r\nSUMMARY:Doctor\\, again\r\nCLASS:PRIVATE\r\n");
  EXPECT_EQ(busy(secret, how), Strings{"03-26T09:00/03-26T10:00 Busy !"});
  how.is_owner = true;
  EXPECT_EQ(busy(secret, how), Strings{"03-26T09:00/03-26T10:00 Busy Doctor, again!"});
}

TEST(Calendar, HostileCalendarsAreBounded) {
  EXPECT_THROW(busy(event("DTSTART:20240325T000000Z\r\nDURATION:PT1S\r\nRRULE:FREQ=SECONDLY\r\n")), std::runtime_error);
  EXPECT_EQ(busy(event("DTSTART:20240325T090000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\r\n")).size() <= 1, true);
  EXPECT_EQ(busy(event("DTSTART:nonsense\r\n")), Strings{});
  std::vector<CalendarEvent> events;
  EXPECT_FALSE(read_calendar("", {}, events));
  EXPECT_FALSE(read_calendar("hello", {}, events));
}

TEST(Dav, UrlsHoldNothingButTheAddress) {
  EXPECT_EQ(expand_url("https://x/%d/%n/%u/", "al/ice@example.test", 0, 0).value(), "https://x/example.test/al%2Fice/al%2Fice@example.test/");
  EXPECT_EQ(expand_url("http://x/%n?s=%s&e=%e%%", "a@b", 0, 1709208000).value(), "http://x/a?s=1970-01-01T00:00:00Z&e=2024-02-29T12:00:00Z%");
  for (const char* address : {"", "a", "@b", "a@", "..@b", "a@.."}) EXPECT_FALSE(expand_url("http://x/%u", address, 0, 0)) << address;
}

TEST(Dav, FindsCalendars) {
  const std::string answer =
      "<d:multistatus xmlns:d=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\">"
      "<d:response><d:href>/a/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
      "<d:response><d:href>/a/work/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/><c:calendar/></d:resourcetype></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
      "<d:response><d:href>http://other.test/a/x/</d:href><d:propstat><d:prop><d:resourcetype><c:calendar/></d:resourcetype></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
      "<d:response><d:href>/a/birthdays/</d:href><d:propstat><d:prop><d:resourcetype><c:calendar/></d:resourcetype><c:schedule-calendar-transp><c:transparent/></c:schedule-calendar-transp></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
      "</d:multistatus>";
  EXPECT_EQ(calendars_in(as_view(answer), "localhost").value(), Strings{"/a/work/"});
  EXPECT_FALSE(calendars_in(as_view("<a/>"), "localhost"));
  EXPECT_FALSE(data_in(as_view("nothing")));
}

}  // namespace
}  // namespace mapigate::freebusy
