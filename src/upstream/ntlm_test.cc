#include "upstream/ntlm.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace mapigate::upstream::ntlm {
namespace {

Bytes hex(std::string_view text) {
  Bytes out;
  EXPECT_TRUE(from_hex(text, out)) << text;
  return out;
}

// [MS-NLMP] 4.2.4 "NTLMv2 Authentication": the values that 4.2.1 says.
TEST(UpstreamNtlm, response_of_the_specification) {
  const auto key = response_key(Secret("Password"), "User", "Domain");
  ASSERT_TRUE(key.has_value()) << key.error().message;
  EXPECT_EQ(to_hex(*key), "0c868a403bfd7a93a3001ef22ef02e3f");
  const auto info = hex("02000c0044006f006d00610069006e0001000c00530065007200760065007200" "00000000");
  const auto response = respond(*key, hex("0123456789abcdef"), hex("aaaaaaaaaaaaaaaa"), 0, info);
  EXPECT_EQ(to_hex(View(response.nt).first(16)), "68cd0ab851e51c96aabc927bebef6a1c");
  EXPECT_EQ(to_hex(View(response.nt).subspan(16)),
            "01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000"
            "02000c0044006f006d00610069006e0001000c005300650072007600650072000000000000000000");
  EXPECT_EQ(to_hex(response.session_key), "8de40ccadbc14a82f15cb0ad0de95ca3");
}

// 4.2.4.4 "GSS_WrapEx": the random session key is sixteen times 0x55.
TEST(UpstreamNtlm, sealing_of_the_specification) {
  Key exported;
  exported.fill(0x55);
  Direction client;
  ASSERT_TRUE(client.start(exported, true).has_value());
  const auto plain = hex("50006c00610069006e007400650078007400");
  auto body = plain;
  const auto signature = client.sign(plain, body, true);
  ASSERT_TRUE(signature.has_value());
  EXPECT_EQ(to_hex(body), "54e50165bf1936dc996020c1811b0f06fb5f");
  EXPECT_EQ(to_hex(*signature), "010000007fb38ec5c55d497600000000");
  // The far side, whose keys for this direction are the same.
  Direction server;
  ASSERT_TRUE(server.start(exported, true).has_value());
  ASSERT_TRUE(server.decrypt(body).has_value());
  EXPECT_EQ(body, plain);
  EXPECT_EQ(*server.signature(body), *signature);
  // The next one has another number, and the other direction other keys.
  EXPECT_NE(*client.sign(plain, {}, false), *signature);
  Direction other;
  ASSERT_TRUE(other.start(exported, false).has_value());
  EXPECT_NE(*other.sign(plain, {}, false), *signature);
}

TEST(UpstreamNtlm, upper_case_of_names) {
  const auto lower = response_key(Secret("Päss"), "jürgen", "Domain"), upper = response_key(Secret("Päss"), "JÜRGEN", "Domain");
  EXPECT_EQ(*lower, *upper);
  EXPECT_NE(*lower, *response_key(Secret("Päss"), "jürgen", "DOMAIN"));
}

}  // namespace
}  // namespace mapigate::upstream::ntlm
