#include "wire/mapihttp/preamble.h"

#include <gtest/gtest.h>

#include "wire/mapihttp/cookies.h"

namespace mapigate::wire::mapihttp {
namespace {

// The shape of the response in [MS-OXCMAPIHTTP] 4.2 "Issue ROPs Using an Execute Request Type".
const std::string response =
    "PROCESSING\r\nPENDING\r\nPENDING\r\nDONE\r\nX-ResponseCode: 0\r\nX-ElapsedTime: 25\r\n"
    "X-StartTime: Wed, 29 Jan 2014 13:33:31 GMT\r\n\r\n\x01\x02payload\r\nDONE\r\n";

TEST(Preamble, WriterMatchesRowM3) {
  std::string out(processing_tag);
  out += pending_tag;
  out += pending_tag;
  out += done_tag(ResponseCode::Success, 25, "Wed, 29 Jan 2014 13:33:31 GMT");
  out += "\x01\x02payload\r\nDONE\r\n";
  EXPECT_EQ(out, response);
  EXPECT_EQ(done_tag(ResponseCode::Success, 1, "b\r\nX-Injected: c"),
            "DONE\r\nX-ResponseCode: 0\r\nX-ElapsedTime: 1\r\nX-StartTime: b\r\n\r\n");
}

TEST(Preamble, ReadsItCutAnywhere) {
  for (std::size_t step = 1; step <= response.size(); ++step) {
    PreambleParser parser;
    for (std::size_t at = 0; at < response.size(); at += step)
      ASSERT_TRUE(parser.feed(as_view(std::string_view(response).substr(at, step))));
    ASSERT_TRUE(parser.finish());
    EXPECT_TRUE(parser.processing_seen());
    EXPECT_EQ(parser.pending_count(), 2u);
    ASSERT_EQ(parser.headers().size(), 3u);
    EXPECT_EQ(parser.response_code(), ResponseCode::Success);
    ASSERT_NE(parser.header("x-elapsedtime"), nullptr);
    EXPECT_EQ(*parser.header("x-elapsedtime"), "25");
    EXPECT_EQ(as_text(parser.payload()), "\x01\x02payload\r\nDONE\r\n");
  }
}

TEST(Preamble, EveryTruncationBeforeThePayloadIsNoticed) {
  const auto payload_at = response.find("\r\n\r\n") + 4;
  for (std::size_t size = 0; size <= response.size(); ++size) {
    PreambleParser parser;
    ASSERT_TRUE(parser.feed(as_view(std::string_view(response).substr(0, size))));
    EXPECT_EQ(parser.finish().has_value(), size >= payload_at) << size;
    EXPECT_EQ(parser.done(), size >= payload_at) << size;
  }
}

Status all(std::string_view text, const PreambleLimits& limits = {}) {
  PreambleParser parser(limits);
  if (auto status = parser.feed(as_view(text)); !status) {
    EXPECT_FALSE(parser.feed(as_view("DONE\r\n\r\n")));  // an error stays
    EXPECT_FALSE(parser.finish());
    return status;
  }
  return parser.finish();
}

TEST(Preamble, RefusesWhatIsNone) {
  EXPECT_TRUE(all("DONE\r\n\r\n"));
  EXPECT_TRUE(all("PENDING\r\nDONE\r\nX-A:\r\n\r\nx"));
  for (const auto* bad : {"PROCESSING\nDONE\r\n\r\n", "HELLO\r\n", "PROCESSING\r\nPROCESSING\r\n", "PENDING\r\nPROCESSING\r\n",
                          "DONE\r\nno colon\r\n\r\n", "DONE\r\n: no name\r\n\r\n", "\r\n", "done\r\n\r\n", "<html>\r\n"}) {
    const auto status = all(bad);
    ASSERT_FALSE(status) << bad;
    EXPECT_EQ(status.error().code, Errc::malformed) << bad;
  }
}

TEST(Preamble, IsBounded) {
  const auto over = [](const std::string& text, const PreambleLimits& limits) {
    const auto status = all(text, limits);
    return !status && status.error().code == Errc::limit;
  };
  PreambleLimits limits;
  limits.max_line = 20, limits.max_headers = 2, limits.max_pending = 2, limits.max_payload = 3;
  EXPECT_TRUE(over(std::string(21, 'A'), limits));
  EXPECT_TRUE(over("PENDING\r\nPENDING\r\nPENDING\r\n", limits));
  EXPECT_TRUE(over("DONE\r\na:1\r\nb:1\r\nc:1\r\n\r\n", limits));
  EXPECT_TRUE(over("DONE\r\n\r\n1234", limits));
  EXPECT_TRUE(all("PENDING\r\nPENDING\r\nDONE\r\na:1\r\nb:1\r\n\r\n123", limits));
}

TEST(Headers, ResponseCodes) {
  EXPECT_EQ(to_string(ResponseCode::ContextNotFound), "Context Not Found");
  EXPECT_EQ(static_cast<int>(ResponseCode::MissingCookie), 13);
  EXPECT_EQ(to_string(ResponseCode{99}), "unknown");
  EXPECT_EQ(response_code_from("10"), ResponseCode::ContextNotFound);
  for (const auto* bad : {"", "x", "1x", "-1", " 1", "99999999999"}) EXPECT_FALSE(response_code_from(bad)) << bad;
}

TEST(Cookies, RequestHeader) {
  const auto cookies = parse_cookie_header(" MapiContext=abc=; MapiSequence=\"1-x\" ;junk; =v; e=");
  ASSERT_EQ(cookies.size(), 3u);
  EXPECT_EQ(cookies[0].name, "MapiContext");
  EXPECT_EQ(cookies[0].value, "abc=");
  EXPECT_EQ(cookies[1].value, "1-x");
  EXPECT_EQ(cookies[2].value, "");
  EXPECT_EQ(format_cookie_header(cookies), "MapiContext=abc=; MapiSequence=1-x; e=");
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "a=b;";
  EXPECT_EQ(parse_cookie_header(many).size(), 64u);
}

TEST(Cookies, SetCookie) {
  const auto set = parse_set_cookie("MapiContext=abc; path=/mapi/; Secure; HttpOnly; SameSite=None");
  ASSERT_TRUE(set);
  EXPECT_EQ(set->path, "/mapi/");
  EXPECT_TRUE(set->secure && set->http_only && !set->expired);
  EXPECT_EQ(*format_set_cookie(*set), "MapiContext=abc; Path=/mapi/; Secure; HttpOnly");
  EXPECT_FALSE(parse_set_cookie("novalue; Path=/"));
  EXPECT_TRUE(parse_set_cookie("a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT")->expired);
  EXPECT_FALSE(parse_set_cookie("a=b; Expires=Wed, 01 Jan 2070 00:00:00 GMT")->expired);
  EXPECT_TRUE(parse_set_cookie("a=b; Expires=Wed, 01 Jan 2070 00:00:00 GMT; Max-Age=0")->expired);
  EXPECT_FALSE(parse_set_cookie("a=b; Max-Age=10")->expired);
  EXPECT_FALSE(format_set_cookie({{"a b", "c"}, "/", false, false, false}));
  EXPECT_FALSE(format_set_cookie({{"a", "c\r\nX: y"}, "/", false, false, false}));
}

TEST(Cookies, JarReplacesAndForgets) {
  CookieJar jar;
  jar.receive("MapiContext=1; Path=/");
  jar.receive("MapiSequence=1");
  jar.receive("MapiSequence=2; HttpOnly");
  jar.receive("big=" + std::string(9000, 'x'));
  EXPECT_EQ(jar.header(), "MapiContext=1; MapiSequence=2");
  jar.receive("MapiContext=; Max-Age=0");
  EXPECT_EQ(jar.header(), "MapiSequence=2");
  ASSERT_NE(jar.find("MapiSequence"), nullptr);
  EXPECT_EQ(jar.find("MapiContext"), nullptr);
  for (int i = 0; i < 200; ++i) jar.receive("c" + std::to_string(i) + "=1");
  EXPECT_EQ(parse_cookie_header(jar.header()).size(), CookieJar::max_cookies);
}

}  // namespace
}  // namespace mapigate::wire::mapihttp
