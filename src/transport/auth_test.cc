#include "transport/auth.h"

#include <gtest/gtest.h>

#include "io/runtime.h"
#include "transport/http_logon.h"

namespace mapigate::transport {
namespace {

// Knows one password; counts how often it was asked.
class OnePassword : public chain::Authenticator {
 public:
  io::Task<Status> authenticate(chain::Identity identity) override {
    ++asked;
    if (down) co_return error(Errc::unavailable, "the backend is down");
    if (identity.password.reveal() != "secret") co_return error(Errc::denied, "wrong");
    co_return Status{};
  }
  int asked = 0;
  bool down = false;
};

class AuthTest : public ::testing::Test {
 protected:


  Errc check(Authentication& auth, const std::string& user, const std::string& password, const std::string& peer = "192.0.2.1") {
    std::optional<Result<Clock::time_point>> out;
    auto task = [](Authentication* a, chain::Identity identity, std::string from, OnePassword* backend, std::optional<Result<Clock::time_point>>* result,
                   io::Runtime* loop) -> io::Task<> {
      auto checked = co_await a->check(std::move(identity), std::move(from), backend);
      result->emplace(std::move(checked));
      loop->stop();
    };
    io::Runtime loop(io::RuntimeOptions{1, 1});
    io::spawn(loop.executor(), task(&auth, chain::Identity{user, Secret(password)}, peer, &backend, &out, &loop));
    loop.run();
    EXPECT_TRUE(out.has_value());
    return *out ? good : out->error().code;
  }

  static constexpr Errc good = static_cast<Errc>(100);

  Metrics metrics;
  OnePassword backend;
};

TEST_F(AuthTest, LogonsThatOthersDecideAreCountedByPeer) {
  AuthLimits limits;
  limits.passed_per_peer = 2;
  Authentication auth(limits, metrics);
  auto one = auth.begin_passed("192.0.2.1"), two = auth.begin_passed("192.0.2.1");
  EXPECT_NE(one, nullptr);
  EXPECT_NE(two, nullptr);
  EXPECT_EQ(auth.begin_passed("192.0.2.1"), nullptr);
  EXPECT_NE(auth.begin_passed("192.0.2.2"), nullptr);
  one.reset();
  auto again = auth.begin_passed("192.0.2.1");
  EXPECT_NE(again, nullptr);
  EXPECT_EQ(auth.begin_passed("192.0.2.1"), nullptr);
  auto stopping = std::make_unique<Authentication>(limits, metrics);
  const auto left = stopping->begin_passed("192.0.2.1");  // ends after what counted it
  stopping.reset();
  EXPECT_NE(left, nullptr);
}

TEST_F(AuthTest, TheBrakeAloneForProofsThatOthersLookAt) {
  AuthLimits limits;
  limits.guesses = 2;
  Authentication auth(limits, metrics);
  const std::string alice = "alice@example.test", peer = "192.0.2.1";
  auth.note(peer, alice, error(Errc::denied, "wrong"));
  auth.note(peer, alice, error(Errc::unavailable, "the server is down"));
  auth.note(peer, alice, Status{});
  EXPECT_FALSE(auth.is_braked(peer, alice));
  auth.note(peer, alice, error(Errc::denied, "wrong"));
  EXPECT_TRUE(auth.is_braked(peer, alice));
  EXPECT_FALSE(auth.is_braked(peer, "bob@example.test"));
  EXPECT_FALSE(auth.is_braked("192.0.2.2", alice));
  // The same guesses as those of passwords.
  EXPECT_EQ(check(auth, alice, "secret", peer), Errc::limit);
}

TEST_F(AuthTest, RemembersAGoodPasswordAndOnlyThat) {
  Authentication auth({}, metrics);
  EXPECT_EQ(check(auth, "alice@example.test", "secret"), good);
  EXPECT_EQ(check(auth, "alice@example.test", "secret"), good);
  EXPECT_EQ(backend.asked, 1);
  EXPECT_EQ(check(auth, "alice@example.test", "secreT"), Errc::denied);
  EXPECT_EQ(backend.asked, 2);
  EXPECT_EQ(check(auth, "bob@example.test", "secret"), good);
  EXPECT_EQ(backend.asked, 3);
}

TEST_F(AuthTest, ForgetsAGoodPasswordInTime) {
  AuthLimits limits;
  limits.remember = std::chrono::milliseconds(0);
  Authentication auth(limits, metrics);
  EXPECT_EQ(check(auth, "alice@example.test", "secret"), good);
  EXPECT_EQ(check(auth, "alice@example.test", "secret"), good);
  EXPECT_EQ(backend.asked, 2);
}

TEST_F(AuthTest, BrakesGuessesFromOnePlaceWithoutLockingTheUserOut) {
  AuthLimits limits;
  limits.guesses = 3;
  Authentication auth(limits, metrics);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(check(auth, "alice@example.test", "guess"), Errc::denied);
  EXPECT_EQ(check(auth, "alice@example.test", "guess"), Errc::limit);
  EXPECT_EQ(check(auth, "alice@example.test", "secret"), Errc::limit) << "the guesser learns nothing more";
  EXPECT_EQ(backend.asked, 3);
  EXPECT_EQ(check(auth, "alice@example.test", "secret", "192.0.2.2"), good) << "the user elsewhere gets in";
  EXPECT_EQ(check(auth, "alice@example.test", "secret"), good) << "a remembered password is never braked";
}

TEST_F(AuthTest, BrakesOneWhoTriesManyUsers) {
  AuthLimits limits;
  limits.guesses_per_peer = 4;
  Authentication auth(limits, metrics);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(check(auth, "user" + std::to_string(i) + "@example.test", "guess"), Errc::denied);
  EXPECT_EQ(check(auth, "alice@example.test", "secret"), Errc::limit);
}

TEST_F(AuthTest, ABackendThatIsDownIsNoWrongPassword) {
  AuthLimits limits;
  limits.guesses = 1;
  Authentication auth(limits, metrics);
  backend.down = true;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(check(auth, "alice@example.test", "secret"), Errc::unavailable);
  backend.down = false;
  EXPECT_EQ(check(auth, "alice@example.test", "secret"), good);
}

TEST_F(AuthTest, TheTablesStayBounded) {
  AuthLimits limits;
  limits.tracked = 10;
  limits.guesses_per_peer = 1000;
  Authentication auth(limits, metrics);
  for (int i = 0; i < 50; ++i) (void)check(auth, "u@example.test", "guess", "192.0.2." + std::to_string(i));
  EXPECT_LE(auth.tracked(), 11u);
}

TEST(ParseBasic, TakesWhatIsBasicAndNothingElse) {
  const auto good = parse_basic("Basic YWxpY2VAZXhhbXBsZS50ZXN0OnNlY3JldDp4");
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(good->user, "alice@example.test");
  EXPECT_EQ(good->password.reveal(), "secret:x");
  EXPECT_TRUE(parse_basic("basic YTpi").has_value()) << "the scheme has no case";
  EXPECT_TRUE(parse_basic("Basic YTo=").has_value()) << "an empty password is well formed; the gateway refuses it";
  for (const auto* bad : {"", "Basic", "Basic ", "Bearer YTpi", "Basic !!!", "Basic YWI=", "Basic OmI=", "Basic YQpiOmM="})
    EXPECT_FALSE(parse_basic(bad).has_value()) << bad;
}

TEST(HttpLogon, SchemesAndTokens) {
  EXPECT_EQ(scheme_of("NTLM TlRMTVNTUAAB"), AuthScheme::ntlm);
  EXPECT_EQ(scheme_of("negotiate  YII="), AuthScheme::negotiate);
  EXPECT_EQ(scheme_of("BASIC eA=="), AuthScheme::basic);
  EXPECT_EQ(scheme_of("Bearer x"), AuthScheme::none);
  EXPECT_EQ(scheme_of(""), AuthScheme::none);
  EXPECT_EQ(scheme_of("NTLMx y"), AuthScheme::none);
  EXPECT_EQ(token_of("negotiate  YII= "), "YII=");
  EXPECT_EQ(token_of("NTLM"), "");
}

}  // namespace
}  // namespace mapigate::transport
