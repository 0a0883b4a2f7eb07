#include "transport/rpc/ntlm_helper.h"

#include <gtest/gtest.h>

namespace mapigate::transport {
namespace {

const Bytes challenge{1, 2, 3, 4, 5, 6, 7, 8};
const Bytes response(44, 0xab);

NtlmHelpers shell(const char* script, Duration limit = std::chrono::seconds(20)) { return NtlmHelpers({"/bin/sh", "-c", script}, limit); }

TEST(NtlmHelper, question) {
  EXPECT_EQ(ntlm_helper_question("al\nice", "", challenge, Bytes{0xab}),
            "Username:: YWwKaWNl\nLANMAN-Challenge: 0102030405060708\nNT-Response: ab\nRequest-User-Session-Key: Yes\n.\n");
  EXPECT_NE(ntlm_helper_question("alice", "EXAMPLE", challenge, {}).find("NT-Domain:: RVhBTVBMRQ==\n"), std::string::npos);
}

TEST(NtlmHelper, answers) {
  const auto good = read_ntlm_helper_answer("Authenticated: Yes\nUser-Session-Key: 000102030405060708090A0B0C0D0E0F\n.\n");
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(to_hex(*good), "000102030405060708090a0b0c0d0e0f");
  const auto code = [](const char* text) { return read_ntlm_helper_answer(text).error().code; };
  EXPECT_EQ(code("Authenticated: No\nAuthentication-Error: The user name or password is incorrect.\n.\n"), Errc::denied);
  EXPECT_EQ(code("Authenticated: No\nAuthentication-Error: No logon servers are currently available to service the logon request.\n.\n"),
            Errc::unavailable);
  EXPECT_EQ(code("Authenticated: No\nAuthentication-Error: The referenced account is currently locked out.\n.\n"), Errc::limit);
  EXPECT_EQ(code("Authenticated: Yes\n.\n"), Errc::unavailable) << "without a key nothing can be signed";
  EXPECT_EQ(code("User-Session-Key: 000102030405060708090A0B0C0D0E0F\n.\n"), Errc::denied);
}

TEST(NtlmHelper, one_process_for_many_questions) {
  auto helpers = shell(
      "n=0; while read line; do [ \"$line\" = . ] || continue; n=$((n+1)); "
      "printf 'Authenticated: Yes\\nUser-Session-Key: 0000000000000000000000000000000%d\\n.\\n' $n; done");
  for (int i = 1; i <= 3; ++i) {
    const auto key = helpers.check("alice", "", challenge, response);
    ASSERT_TRUE(key.has_value()) << key.error().message;
    EXPECT_EQ(key->back(), i);
  }
}

TEST(NtlmHelper, one_that_ended_is_started_again) {
  auto helpers = shell(
      "while read line; do [ \"$line\" = . ] || continue; "
      "printf 'Authenticated: Yes\\nUser-Session-Key: 00000000000000000000000000000001\\n.\\n'; exit; done");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(helpers.check("alice", "", challenge, response).has_value());
}

TEST(NtlmHelper, one_that_does_not_start_or_answer) {
  auto silent = shell("sleep 60", std::chrono::milliseconds(200));
  EXPECT_EQ(silent.check("alice", "", challenge, response).error().code, Errc::timeout);
  auto ending = shell("exit 1");
  EXPECT_EQ(ending.check("alice", "", challenge, response).error().code, Errc::unavailable);
  auto endless = shell("yes");
  EXPECT_EQ(endless.check("alice", "", challenge, response).error().code, Errc::malformed);
  NtlmHelpers absent({"/nonexistent"}, std::chrono::seconds(20));
  EXPECT_EQ(absent.check("alice", "", challenge, response).error().code, Errc::unavailable);
}

}  // namespace
}  // namespace mapigate::transport
