#include <gtest/gtest.h>

#include "wire/ews/availability.h"
#include "wire/ews/oof.h"
#include "wire/ews/soap.h"
#include "wire/ews/suggestions.h"

namespace mapigate::wire::ews {
namespace {

std::unique_ptr<Envelope> parsed(std::string_view text) {
  auto out = Envelope::parse(as_view(text));
  if (!out) throw std::runtime_error(out.error().message);
  return std::move(*out);
}

std::string enveloped(const std::string& content) {
  return "<?xml version=\"1.0\" encoding=\"utf-8\"?><q:Envelope xmlns:q=\"http://schemas.xmlsoap.org/soap/envelope/\"><q:Body>" + content +
         "</q:Body></q:Envelope>";
}

constexpr char request_start[] = "<GetUserOofSettingsRequest xmlns=\"http://schemas.microsoft.com/exchange/services/2006/messages\">";

TEST(Soap, ReadsWhatClientsSend) {
  const auto envelope = parsed(enveloped(std::string(request_start) +
                                         "<Mailbox xmlns=\"http://schemas.microsoft.com/exchange/services/2006/types\">"
                                         "<Address>Alice@Example.test</Address></Mailbox></GetUserOofSettingsRequest>"));
  EXPECT_EQ(envelope->operation(), "GetUserOofSettingsRequest");
  EXPECT_TRUE(envelope->in_messages_namespace());
  EXPECT_EQ(mailbox_of(envelope->content()), "alice@example.test");
  EXPECT_FALSE(failure_of(*envelope));
}

TEST(Soap, RefusesWhatIsNoEnvelope) {
  for (const std::string text : {
           "", "hello", "<a/>", "<Envelope><Body><x/></Body></Envelope>", "<q:Envelope/>",
           "<!DOCTYPE x [<!ENTITY a \"b\">]><Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body><x>&a;</x></Body></Envelope>",
           "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body><x/><y/></Body></Envelope>",
           "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body></Body></Envelope>",
           "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body><x></Body></Envelope>"}) {
    const auto result = Envelope::parse(as_view(text));
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().code, Errc::malformed) << text;
  }
}

TEST(Soap, BoundsDepthNodesAndSize) {
  const auto nested = [](int depth) {
    std::string open, close;
    for (int i = 0; i < depth; ++i) open += "<x>", close += "</x>";
    return enveloped(open + close);
  };
  EXPECT_TRUE(Envelope::parse(as_view(nested(50))));
  EXPECT_EQ(Envelope::parse(as_view(nested(80))).error().code, Errc::limit);
  EXPECT_EQ(Envelope::parse(as_view(nested(100'000))).error().code, Errc::limit);
  std::string many;
  for (std::size_t i = 0; i < max_nodes; ++i) many += "<x/>";
  EXPECT_EQ(Envelope::parse(as_view(enveloped("<y>" + many + "</y>"))).error().code, Errc::limit);
  EXPECT_EQ(Envelope::parse(as_view(enveloped("<y>" + std::string(max_envelope, 'a') + "</y>"))).error().code, Errc::limit);
}

// The fault of [MS-OXWUMS] 2.2.2.1.
TEST(Soap, FaultHasTheFormThatClientsKnow) {
  const auto text = fault("ErrorInvalidRequest", "The request is invalid.");
  EXPECT_NE(text.find("<faultcode xmlns:a=\"http://schemas.microsoft.com/exchange/services/2006/types\">a:ErrorInvalidRequest</faultcode>"),
            std::string::npos);
  EXPECT_NE(text.find("<e:ResponseCode xmlns:e=\"http://schemas.microsoft.com/exchange/services/2006/errors\">ErrorInvalidRequest</e:ResponseCode>"),
            std::string::npos);
  const auto failure = failure_of(*parsed(text));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, "ErrorInvalidRequest");
  EXPECT_EQ(failure->message, "The request is invalid.");
}

TEST(Soap, ResponseMessagesTellTheirClass) {
  auto writer = EnvelopeWriter::response();
  auto response = writer.body().append_child("m:GetRoomsResponse");
  write_response_message(response, "ErrorAccessDenied", "No.");
  const auto failure = failure_of(*parsed(writer.to_string()));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, "ErrorAccessDenied");
  EXPECT_NE(writer.to_string().find("MajorVersion=\"15\""), std::string::npos);
}

TEST(Xml, TextsSurvive) {
  auto writer = EnvelopeWriter::request();
  const std::string odd = "  <b>&amp;\r\n\t\"quoted\" ]]> \xC3\xBC \xF0\x9F\x98\x80  ";
  add(writer.body().append_child("m:X"), "t:Message", odd);
  EXPECT_EQ(child(parsed(writer.to_string())->content(), "Message").text().get(), odd);
  EXPECT_EQ(clean("a\x01z\x1F"), "a z ");
  EXPECT_EQ(clean("\xFF"), "\xEF\xBF\xBD");
  EXPECT_EQ(clean("\xEF\xBF\xBE"), "\xEF\xBF\xBD");
}

TEST(Xml, DateTimes) {
  EXPECT_EQ(parse_date_time("1970-01-01T00:00:00Z")->seconds, 0);
  EXPECT_EQ(parse_date_time("2024-02-29T12:00:00.123+02:00")->seconds, 1709200800);
  EXPECT_TRUE(parse_date_time("2024-02-29T12:00:00-02:00")->zoned);
  EXPECT_FALSE(parse_date_time("2024-02-29T12:00:00")->zoned);
  EXPECT_EQ(format_utc(1709208000), "2024-02-29T12:00:00Z");
  for (const char* text : {"", "2024-02-30T12:00:00", "2024-02-29", "2024-02-29T25:00:00", "2024-02-29T12:00:00X", "2024-02-29T12:00:00.",
                           "0000-01-01T00:00:00", "2024-02-29T-1:00:00", "99999-01-01T00:00:00"})
    EXPECT_FALSE(parse_date_time(text)) << text;
}

SerializableTimeZone pacific() {  // as in the example of [MS-OXWAVLS] 4.2
  SerializableTimeZone zone;
  zone.Bias = 480;
  zone.StandardTime = {0, 7200, 1, 11, 0, 0};
  zone.DaylightTime = {-60, 7200, 2, 3, 0, 0};
  return zone;
}

TEST(TimeZone, FollowsItsRules) {
  const auto zone = pacific();
  const auto utc = [](const char* text) { return parse_date_time(text)->seconds; };
  // Daylight saving time began on 9 March 2008 at 2:00 PST and ended on 2 November 2008 at 2:00 PDT.
  EXPECT_EQ(format_local(zone.to_local(utc("2008-03-09T09:59:59Z"))), "2008-03-09T01:59:59");
  EXPECT_EQ(format_local(zone.to_local(utc("2008-03-09T10:00:00Z"))), "2008-03-09T03:00:00");
  EXPECT_EQ(format_local(zone.to_local(utc("2008-11-02T08:59:59Z"))), "2008-11-02T01:59:59");
  EXPECT_EQ(format_local(zone.to_local(utc("2008-11-02T09:00:00Z"))), "2008-11-02T01:00:00");
  EXPECT_EQ(zone.to_utc(utc("2008-01-21T11:30:00Z")), utc("2008-01-21T19:30:00Z"));
  EXPECT_EQ(zone.to_utc(utc("2008-07-21T11:30:00Z")), utc("2008-07-21T18:30:00Z"));
}

TEST(TimeZone, SouthernSummerSpansTheYear) {
  SerializableTimeZone zone;  // Sydney
  zone.Bias = -600;
  zone.StandardTime = {0, 10800, 1, 4, 0, 0};
  zone.DaylightTime = {-60, 7200, 1, 10, 0, 0};
  EXPECT_TRUE(zone.is_daylight(parse_date_time("2024-01-01T00:00:00Z")->seconds));
  EXPECT_FALSE(zone.is_daylight(parse_date_time("2024-07-01T00:00:00Z")->seconds));
  EXPECT_TRUE(zone.is_daylight(parse_date_time("2024-12-31T20:00:00Z")->seconds));
}

TEST(TimeZone, NamesLeadToTheSameRules) {
  const auto when = parse_date_time("2024-06-01T00:00:00Z")->seconds;
  const auto berlin = time_zone_named("Europe/Berlin", when), windows = time_zone_named("W. Europe Standard Time", when);
  ASSERT_TRUE(berlin);
  ASSERT_TRUE(windows);
  EXPECT_EQ(*berlin, *windows);
  EXPECT_EQ(berlin->Bias, -60);
  EXPECT_EQ(berlin->DaylightTime, (SerializableTimeZoneTime{-60, 7200, 5, 3, 0, 0}));
  EXPECT_EQ(berlin->StandardTime, (SerializableTimeZoneTime{0, 10800, 5, 10, 0, 0}));
  EXPECT_EQ(time_zone_named("America/Los_Angeles", when).value(), pacific());
  EXPECT_EQ(time_zone_named("Asia/Tokyo", when)->Bias, -540);
  EXPECT_FALSE(time_zone_named("Asia/Tokyo", when)->has_daylight());
  EXPECT_EQ(time_zone_named("UTC", when)->Bias, 0);
  EXPECT_FALSE(time_zone_named("Nowhere/Town", when));
  // The same all through the year.
  for (int day = 0; day < 365; day += 13) {
    const auto then = when + day * std::int64_t{86400};
    EXPECT_EQ(time_zone_named("Europe/Berlin", then).value(), *berlin) << day;
    EXPECT_EQ(time_zone_named("America/Los_Angeles", then).value(), pacific()) << day;
    EXPECT_TRUE(time_zone_named("Australia/Sydney", then)->has_daylight()) << day;
  }
}

constexpr char availability[] =
    "<m:GetUserAvailabilityRequest xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\" "
    "xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\">"
    "<t:TimeZone><t:Bias>480</t:Bias><t:StandardTime><t:Bias>0</t:Bias><t:Time>02:00:00</t:Time><t:DayOrder>1</t:DayOrder>"
    "<t:Month>11</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:StandardTime><t:DaylightTime><t:Bias>-60</t:Bias><t:Time>02:00:00</t:Time>"
    "<t:DayOrder>2</t:DayOrder><t:Month>3</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:DaylightTime></t:TimeZone>"
    "<m:MailboxDataArray><t:MailboxData><t:Email><t:Address>User1@contoso.test</t:Address></t:Email><t:AttendeeType>Organizer</t:AttendeeType>"
    "</t:MailboxData></m:MailboxDataArray><t:FreeBusyViewOptions><t:TimeWindow><t:StartTime>2008-01-21T00:00:00</t:StartTime>"
    "<t:EndTime>2008-01-22T00:00:00</t:EndTime></t:TimeWindow><t:MergedFreeBusyIntervalInMinutes>60</t:MergedFreeBusyIntervalInMinutes>"
    "<t:RequestedView>DetailedMerged</t:RequestedView></t:FreeBusyViewOptions></m:GetUserAvailabilityRequest>";

TEST(Availability, ReadsTheRequest) {
  AvailabilityRequest request;
  const auto envelope = parsed(enveloped(availability));
  EXPECT_FALSE(read_availability(envelope->content(), {}, request));
  EXPECT_EQ(request.TimeZone, pacific());
  ASSERT_EQ(request.Mailboxes.size(), 1u);
  EXPECT_EQ(request.Mailboxes[0].Address, "user1@contoso.test");
  EXPECT_EQ(format_utc(request.StartTime), "2008-01-21T08:00:00Z");
  EXPECT_EQ(request.RequestedView, FreeBusyViewType::DetailedMerged);
  EXPECT_EQ(request.MergedFreeBusyIntervalInMinutes, 60);
}

TEST(Availability, NamesWhatIsWrong) {
  const auto code = [](const std::string& from, const std::string& to) {
    std::string text = availability;
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
    AvailabilityRequest request;
    const auto problem = read_availability(parsed(enveloped(text))->content(), {}, request);
    return problem ? problem->code : std::string();
  };
  EXPECT_EQ(code("2008-01-22T00:00:00", "2008-01-20T00:00:00"), "ErrorInvalidTimeInterval");
  EXPECT_EQ(code("2008-01-22T00:00:00", "2008-04-20T00:00:00"), "ErrorTimeIntervalTooBig");
  EXPECT_EQ(code(">60<", ">4<"), "ErrorInvalidMergedFreeBusyInterval");
  EXPECT_EQ(code("DetailedMerged", "Everything"), "ErrorInvalidFreeBusyViewType");
  EXPECT_EQ(code("<t:Month>11</t:Month>", "<t:Month>13</t:Month>"), "ErrorInvalidTimeZone");
  EXPECT_EQ(code("t:MailboxData>", "t:Other>"), "ErrorMailboxDataArrayEmpty");
}

TEST(Availability, MergesTheBusiest) {
  const std::vector<CalendarEvent> events{{0, 3600, BusyType::Tentative, {}},     {1800, 5400, BusyType::Busy, {}},
                                          {9000, 10800, BusyType::OOF, {}},       {-100, 10, BusyType::WorkingElsewhere, {}},
                                          {12600, 99999, BusyType::Tentative, {}}};
  EXPECT_EQ(merged_free_busy(events, 0, 14400, 30), "12200301");
  EXPECT_EQ(merged_free_busy(events, 0, 14400, 60), "2231");
  EXPECT_EQ(merged_free_busy({}, 0, 3601, 60), "00");
  const std::vector<CalendarEvent> unknown{{0, 7200, BusyType::NoData, {}}, {3600, 5400, BusyType::WorkingElsewhere, {}}};
  EXPECT_EQ(merged_free_busy(unknown, 0, 10800, 60), "540");
}

// [MS-OXWAVLS] 2.2.4: quality by how many have a conflict, work time apart from the rest, a day for each of the window.
TEST(Availability, SuggestsTimes) {
  constexpr std::int64_t monday = 1711929600, hour = 3600;  // 1 April 2024, UTC
  SuggestionsViewOptions options;
  options.StartTime = monday;
  options.EndTime = monday + 2 * 86400;
  options.MaximumResultsByDay = 48;
  const WorkingHours hours{{}, {1}, 9 * 60, 12 * 60};  // Mondays alone
  const auto busy = [&](std::int64_t from, std::int64_t until, BusyType type = BusyType::Busy) {
    const CalendarEvent event{monday + from * hour, monday + until * hour, type, {}};
    return merged_free_busy({&event, 1}, options.StartTime, options.EndTime, suggestion_minutes);
  };
  std::vector<Attendee> attendees(4);
  attendees[0].times = busy(9, 10);
  attendees[1].times = busy(9, 10, BusyType::OOF);
  attendees[2].times = busy(11, 12, BusyType::Tentative);
  attendees[3].kind = Attendee::Kind::unknown;
  auto days = suggest(options, {}, hours, attendees);
  ASSERT_EQ(days.size(), 2u);
  EXPECT_TRUE(days[1].suggestions.empty());
  EXPECT_EQ(days[1].DayQuality, SuggestionQuality::Poor);
  EXPECT_EQ(days[0].DayQuality, SuggestionQuality::Excellent);
  // 9:00 and 9:30 meet two of four, 10:30 and 11:00 one: with a threshold of 25 percent that is no longer good, but fair.
  std::vector<std::pair<std::int64_t, SuggestionQuality>> found;
  for (const auto& one : days[0].suggestions) found.emplace_back((one.MeetingTime - monday) / 60, one.Quality);
  using enum SuggestionQuality;
  EXPECT_EQ(found, (std::vector<std::pair<std::int64_t, SuggestionQuality>>{{600, Excellent}, {630, Fair}, {660, Fair}}));
  options.GoodThreshold = 26;
  options.MaximumResultsByDay = 2;  // the best, and the earliest of the next best
  options.MaximumNonWorkHourResultsByDay = 1;
  days = suggest(options, {}, hours, attendees);
  ASSERT_EQ(days[0].suggestions.size(), 3u);
  EXPECT_FALSE(days[0].suggestions[0].IsWorkTime);
  EXPECT_EQ(days[0].suggestions[1].MeetingTime, monday + 10 * hour);
  EXPECT_EQ(days[0].suggestions[2].Quality, Good);
  EXPECT_EQ(days[0].suggestions[2].conflicts, (std::vector<BusyType>{BusyType::Free, BusyType::Free, BusyType::Tentative, BusyType::NoData}));
  attendees[2].exclude_conflicts = true;
  days = suggest(options, {}, hours, attendees);
  EXPECT_EQ(days[0].suggestions.size(), 2u);
  ASSERT_EQ(days[1].suggestions.size(), 1u);
  EXPECT_FALSE(days[1].suggestions[0].IsWorkTime);
}

TEST(Availability, ViewsComeBack) {
  FreeBusyView view;
  view.Type = FreeBusyViewType::DetailedMerged;
  view.MergedFreeBusy = "0120";
  view.Events = {{1201894200, 1201897800, BusyType::Busy, CalendarEventDetails{"1", "Talk & more", "Room", true, false, false, true, false}}};
  view.Hours = WorkingHours{pacific(), {1, 2, 3}, 480, 1020};
  auto writer = EnvelopeWriter::response();
  write_free_busy_view(writer.body().append_child("m:FreeBusyView"), view, pacific());
  EXPECT_NE(writer.to_string().find("<t:DayOfWeek>Monday Tuesday Wednesday</t:DayOfWeek>"), std::string::npos);
  const auto read = read_free_busy_view(parsed(writer.to_string())->content(), pacific());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->Events, view.Events);
  EXPECT_EQ(read->MergedFreeBusy, "0120");
  EXPECT_EQ(read->Hours->TimeZone, pacific());
  EXPECT_EQ(read->Hours->DayOfWeek, view.Hours->DayOfWeek);
}

TEST(Oof, SettingsComeBackAsTheyWere) {
  UserOofSettings settings;
  settings.State = OofState::Scheduled;
  settings.Audience = ExternalAudience::Known;
  settings.StartTime = 1709208000;
  settings.EndTime = 1709298000;
  settings.InternalReply = {"<html><body>Away &amp; <b>gone</b>\r\n</body></html>", "en-US"};
  settings.ExternalReply = {" ", ""};
  auto writer = EnvelopeWriter::request();
  write_oof_settings(writer.body().append_child("m:X").append_child("t:UserOofSettings"), settings);
  const auto read = read_oof_settings(child(parsed(writer.to_string())->content(), "UserOofSettings"));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, settings);
}

TEST(Oof, SettingsWithoutSenseAreRefused) {
  const auto reads = [](const std::string& inner) {
    return read_oof_settings(child(parsed(enveloped("<x><UserOofSettings>" + inner + "</UserOofSettings></x>"))->content(), "UserOofSettings"))
        .has_value();
  };
  EXPECT_TRUE(reads("<OofState>Disabled</OofState><ExternalAudience>None</ExternalAudience>"));
  EXPECT_FALSE(reads("<OofState>Maybe</OofState><ExternalAudience>None</ExternalAudience>"));
  EXPECT_FALSE(reads("<OofState>Disabled</OofState>"));
  EXPECT_FALSE(reads("<OofState>Scheduled</OofState><ExternalAudience>All</ExternalAudience>"));
  EXPECT_FALSE(reads("<OofState>Scheduled</OofState><ExternalAudience>All</ExternalAudience><Duration><StartTime>2024-03-01T00:00:00"
                     "</StartTime><EndTime>2024-02-01T00:00:00</EndTime></Duration>"));
}

}  // namespace
}  // namespace mapigate::wire::ews
