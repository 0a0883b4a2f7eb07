// HTTP Basic authentication ([RFC 7617]) with a short memory of good passwords and
// a brake on guesses.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/metrics.h"
#include "base/time.h"
#include "chain/module.h"

namespace mapigate::transport {

using io::Task;

struct Credentials {
  std::string user;  // as typed; "DOMAIN\user" and plain "user" are possible
  Secret password;
};

// From "Basic dXNlcjpwYXNz"; none when it is another scheme, not base64, or without a colon.
std::optional<Credentials> parse_basic(std::string_view authorization);

struct AuthLimits {
  Duration remember = std::chrono::minutes(5);   // how long a good password is not asked for again
  std::size_t remembered = 100'000;              // entries
  unsigned guesses = 5;                          // failures that a peer has free for one user, and per window
  unsigned guesses_per_peer = 50;                // … and for all users together
  Duration window = std::chrono::minutes(5);     // after which failures are forgotten
  std::size_t tracked = 100'000;                 // (peer, user) pairs in the brake
  std::size_t passed_per_peer = 200;             // logons in progress that another server decides
};

// Thread-safe.
class Authentication {
 public:
  Authentication(AuthLimits limits, Metrics& metrics);

  // Until when the password counts as good, or Errc::denied (wrong), Errc::limit (too many guesses from there: nobody was
  // asked), Errc::unavailable or timeout (cannot say now). A good password that is remembered is never braked.
  Task<Result<Clock::time_point>> check(chain::Identity identity, std::string peer, chain::Authenticator* authenticator);

  // The brake alone, for logons whose proof somebody else looks at: to be asked before, and told the outcome.
  bool is_braked(const std::string& peer, const std::string& user);
  void note(const std::string& peer, const std::string& user, const Status& outcome);

  // A logon that another server decides begins; it goes on as long as what comes back is held, which may outlive this. Null: too
  // many of the peer's do.
  std::shared_ptr<void> begin_passed(const std::string& peer);

  std::size_t tracked() const;  // entries of the brake

 private:
  using Digest = std::array<std::uint8_t, 32>;
  struct Remembered {
    Digest salt;
    Digest hash;  // SHA-256(process key || salt || password); never leaves the process
    Clock::time_point until;
  };
  struct Failures {
    unsigned count = 0;
    Clock::time_point since;
  };
  Digest hash(const Digest& salt, const Secret& password) const;
  std::optional<Clock::time_point> remembered_until(const chain::Identity& identity);
  Clock::time_point remember(const chain::Identity& identity);
  bool braked(const std::string& key, unsigned allowance);
  void count_failure(const std::string& key);

  const AuthLimits limits_;
  Digest process_key_;  // never leaves the process: a dump of the table alone is worth nothing
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Remembered> remembered_;  // by user
  std::unordered_map<std::string, Failures> failures_;      // by peer + user, and by peer
  struct Passed {
    std::mutex mutex;
    std::unordered_map<std::string, std::size_t> by_peer;
  };
  const std::shared_ptr<Passed> passed_ = std::make_shared<Passed>();
  Counter& good_;
  Counter& wrong_;
  Counter& braked_;
  Counter& unknown_;
};

}  // namespace mapigate::transport
