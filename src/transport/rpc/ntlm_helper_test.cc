#include "transport/rpc/ntlm_helper.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace mapigate::transport {
namespace {

const Bytes challenge{1, 2, 3, 4, 5, 6, 7, 8};
const Bytes response(44, 0xab);

NtlmHelpers shell(const char* script, Duration limit = std::chrono::seconds(20)) { return NtlmHelpers({"/bin/sh", "-c", script}, limit); }

TEST(NtlmHelper, question) {
  EXPECT_EQ(ntlm_helper_question("al\nice", "", challenge, Bytes{0xab}),
            "Username:: YWwKaWNl\nNT-Domain:: \nLANMAN-Challenge: 0102030405060708\nNT-Response: ab\nRequest-User-Session-Key: Yes\n.\n");
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
  // As Samba's table has it.
  EXPECT_EQ(code("Authenticated: No\nAuthentication-Error: The user account has been automatically locked because too many invalid logon "
                 "attempts or password change attempts have been requested.\n.\n"),
            Errc::limit);
  for (const auto* away :
       {"A domain controller for this domain was not found.", "The remote system is not reachable by the transport.", "The RPC server is unavailable.",
        "An attempt was made to logon, but the NetLogon service was not started.", "WBC_ERR_WINBIND_NOT_AVAILABLE",
        "{Device Timeout} The specified I/O operation on %hs was not completed before the time-out period expired.",
        "The logon request failed because the trust relationship between this workstation and the primary domain failed.",
        "Configuration information could not be read from the domain controller, either because the machine is unavailable or access has been denied."})
    EXPECT_EQ(code(("Authenticated: No\nAuthentication-Error: " + std::string(away) + "\n.\n").c_str()), Errc::unavailable) << away;
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

// ntlm_auth ends what it refuses twice.
TEST(NtlmHelper, second_end_of_a_refusal) {
  auto helpers = shell(
      "n=0; while read line; do [ \"$line\" = . ] || continue; n=$((n+1)); "
      "if [ $n = 1 ]; then printf 'Authenticated: No\\nAuthentication-Error: wrong\\n.\\n'; sleep 0.1; printf '.\\n'; "
      "else printf 'Authenticated: Yes\\nUser-Session-Key: 0000000000000000000000000000000%d\\n.\\n' $n; fi; done");
  EXPECT_EQ(helpers.check("alice", "", challenge, response).error().code, Errc::denied);
  for (int i = 2; i <= 3; ++i) {
    const auto key = helpers.check("bob", "", challenge, response);
    ASSERT_TRUE(key.has_value()) << key.error().message;
    EXPECT_EQ(key->back(), i);
  }
}

// After an error there may come more: ntlm_auth complains about a short response when it reads it, and again at the question's end.
TEST(NtlmHelper, answers_stay_with_their_questions) {
  auto helpers = shell(
      "while read name value; do "
      "[ \"$name\" = Username:: ] && who=$value; [ \"$name\" = . ] || continue; "
      "if [ $who = bWFsbG9yeQ== ]; then printf 'Error: not understood\\n.\\n'; sleep 0.1; printf 'Authenticated: Yes\\nUser-Session-Key: "
      "000000000000000000000000000000ff\\n.\\n'; "
      "else printf 'Authenticated: No\\nAuthentication-Error: wrong\\n.\\n'; fi; done");
  EXPECT_EQ(helpers.check("mallory", "", challenge, response).error().code, Errc::denied);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(helpers.check("alice", "", challenge, response).error().code, Errc::denied) << "that was the answer to mallory";
  EXPECT_EQ(helpers.check("alice", "", challenge, Bytes(24, 0xab)).error().code, Errc::denied);
  NtlmHelpers absent({"/nonexistent"}, std::chrono::seconds(20));
  EXPECT_EQ(absent.check("alice", "", challenge, Bytes(24, 0xab)).error().code, Errc::denied) << "version 1 is not even asked about";
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
