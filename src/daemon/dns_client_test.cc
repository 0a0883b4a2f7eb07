#include "daemon/dns_client.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace mapigate::daemon {
namespace {

// An answer with a CNAME and, through compression, the address behind it.
const std::uint8_t answer[] = {
    0x12, 0x34, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0,                                        // head
    1, 'a', 4, 't', 'e', 's', 't', 0, 0, 1, 0, 1,                                          // question a.test A
    0xC0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, 'B', 0xC0, 14,                             // a.test CNAME B.test
    0xC0, 36, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7,                                 // b.test A 192.0.2.7
};

TEST(DnsClient, ReadsNamesThroughPointers) {
  const auto read = parse_dns_answer(0x1234, answer);
  ASSERT_TRUE(read.has_value()) << read.error().message;
  ASSERT_EQ(read->size(), 2u);
  EXPECT_EQ((*read)[0].value, "b.test");
  EXPECT_EQ((*read)[1].name, "b.test");
  EXPECT_EQ((*read)[1].value, "192.0.2.7");
}

TEST(DnsClient, RefusesWhatIsCutOffOrGoesRound) {
  for (std::size_t size = 0; size < sizeof answer; ++size) EXPECT_FALSE(parse_dns_answer(0x1234, View(answer).first(size))) << size;
  EXPECT_FALSE(parse_dns_answer(0x4321, answer));  // an answer to somebody else
  auto round = Bytes(answer, answer + sizeof answer);
  round[25] = 24;  // the name of the first record points at itself
  EXPECT_FALSE(parse_dns_answer(0x1234, round));
}

TEST(DnsClient, ServiceRecordsBecomePlaces) {
  const auto record = [](std::uint16_t priority, std::uint16_t weight, std::uint16_t port, std::string host) {
    DnsRecord out;
    out.type = DnsType::SRV;
    out.priority = priority, out.weight = weight, out.port = port;
    out.value = std::move(host);
    return out;
  };
  const auto places = autodiscover_places({record(1, 0, 443, "later.example.test"), record(0, 1, 443, "light.example.test"),
                                           record(0, 9, 8443, "example.test"), record(9, 0, 443, "elsewhere.test")},
                                          "Example.Test");
  ASSERT_TRUE(places.has_value());
  EXPECT_EQ(*places, (std::vector<std::string>{"https://example.test:8443/autodiscover/autodiscover.xml",
                                               "https://light.example.test/autodiscover/autodiscover.xml",
                                               "https://later.example.test/autodiscover/autodiscover.xml"}));
  EXPECT_TRUE(autodiscover_places({}, "example.test")->empty());
  // Passwords go nowhere only because DNS says so.
  for (const auto* host : {"elsewhere.test", "notexample.test"}) {
    const auto refused = autodiscover_places({record(0, 0, 443, host)}, "example.test");
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, Errc::unsupported);
    EXPECT_NE(refused.error().message.find(fmt::format("--server https://{}", host)), std::string::npos);
  }
}

TEST(DnsClient, WritesQuestions) {
  const auto query = make_dns_query(0x0102, "_autodiscover._tcp.example.test", DnsType::SRV);
  ASSERT_TRUE(query.has_value());
  EXPECT_EQ(query->size(), 12 + 1 + 13 + 1 + 4 + 1 + 7 + 1 + 4 + 1 + 4u);
  EXPECT_EQ((*query)[12], 13);
  EXPECT_EQ(query->at(query->size() - 3), 33);
  EXPECT_FALSE(make_dns_query(1, "a..b", DnsType::A));
  EXPECT_FALSE(make_dns_query(1, std::string(64, 'x') + ".test", DnsType::A));
  EXPECT_FALSE(make_dns_query(1, "", DnsType::A));
}

TEST(DnsClient, ServersWithPorts) {
  EXPECT_TRUE(DnsClient::create("127.0.0.1:5353"));
  EXPECT_TRUE(DnsClient::create("[::1]:5353"));
  EXPECT_TRUE(DnsClient::create("::1"));
  EXPECT_FALSE(DnsClient::create("127.0.0.1:x"));
}

}  // namespace
}  // namespace mapigate::daemon
