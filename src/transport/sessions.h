// The session contexts that clients hold by cookie ([MS-OXCMAPIHTTP] 3.2.1).
#pragma once

#include <atomic>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/metrics.h"
#include "base/time.h"
#include "chain/call.h"
#include "io/sync.h"

namespace mapigate::io {
class Runtime;
}

namespace mapigate::transport {

struct SessionLimits {
  Duration expiration = std::chrono::minutes(15);  // X-ExpirationInfo: idle time after which the client must not count on it
  Duration grace = std::chrono::minutes(1);        // row M6: kept that much longer
  std::size_t sessions = 50'000;                   // all together; then new ones are refused
  std::size_t sessions_per_user = 64;              // then the user's longest idle one ends
  int waits = 16;                                  // NotificationWaits of a session in progress
};

// One session context and what its transport needs to know of it. Shared by the
// requests in progress; the chain's Session ends when the context is dropped and the last
// request is done.
struct SessionContext {
  std::string context;   // value of the context cookie
  std::unique_ptr<chain::Session> session;
  std::mutex mutex;      // for the next three
  std::string sequence;  // value of the sequence cookie that the next Execute must carry
  std::deque<std::string> tickets;  // others that it may carry: each is good once
  bool executing = false;
  std::atomic<Clock::rep> last_used{0};
  std::atomic<int> requests{0};  // in progress; a session with one does not expire
  std::atomic<int> waits{0};     // NotificationWaits among them
  std::atomic<bool> ended{false};

  void touch() { last_used = Clock::now().time_since_epoch().count(); }
  Clock::time_point used() const { return Clock::time_point(Duration(last_used.load())); }
};

// Thread-safe.
class SessionTable {
 public:
  SessionTable(SessionLimits limits, Metrics& metrics);

  const SessionLimits& limits() const { return limits_; }
  std::uint64_t next_id() { return ++last_id_; }

  // Errc::limit when there are too many. May end the user's longest idle session.
  Status add(std::shared_ptr<SessionContext> context);
  // Null when unknown, expired, of another user, or of another endpoint.
  std::shared_ptr<SessionContext> find(std::string_view cookie, std::string_view user, chain::Interface interface);
  // Takes it out and lets the chain clean up on the session's executor.
  void end(const std::shared_ptr<SessionContext>& context);
  // Ends what has been idle too long; to be called every half minute.
  void sweep();
  void end_all();
  std::size_t size() const;

 private:
  using List = std::list<std::shared_ptr<SessionContext>>;
  const SessionLimits limits_;
  std::atomic<std::uint64_t> last_id_{0};
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<SessionContext>> by_context_;
  std::unordered_map<std::string, std::vector<std::weak_ptr<SessionContext>>> by_user_;
  Gauge& count_;
  Counter& expired_;
};

// 128 random bits, URL-safe: for cookies.
std::string random_token();
// Could `text` have come from random_token()?
bool is_token(std::string_view text);

}  // namespace mapigate::transport
