// Connections to an HTTP server on which clients of ours logged on themselves, each a pair with one of theirs to us.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "chain/pinned_connection.h"
#include "io/http_client.h"
#include "upstream/http_identity.h"

namespace mapigate::upstream {

struct PinOptions {
  io::Url place;                                        // the MAPI/HTTP endpoint that logons are tried at, by PING
  std::size_t most = 5000;                              // pairs at a time
  Duration logon_limit = std::chrono::seconds(30);      // between two messages of a logon, and for an answer to one
  Duration ping_interval = std::chrono::seconds(60);    // an idle one is kept awake: servers close silent ones after some two minutes
  std::string label;                                    // of the metrics
};

// Those of one upstream. Usable from every executor.
class PinnedConnections : public std::enable_shared_from_this<PinnedConnections> {
 public:
  static std::shared_ptr<PinnedConnections> create(io::Runtime& runtime, std::shared_ptr<io::HttpClient> client, Metrics& metrics,
                                                   PinOptions options);
  // See chain::LogonRelay.
  Result<std::shared_ptr<chain::PinnedConnection>> pin(std::string scheme, std::function<void()> close_client);
  // For requests in the client's name; null when it is none of these.
  std::shared_ptr<HttpIdentity> identity_of(const std::shared_ptr<chain::PinnedConnection>& pinned);

  PinnedConnections(io::Runtime& runtime, std::shared_ptr<io::HttpClient> client, Metrics& metrics, PinOptions options);

 private:
  friend class PinnedHttp;
  io::Runtime& runtime_;
  const std::shared_ptr<io::HttpClient> client_;
  const PinOptions options_;
  std::atomic<std::size_t> count_{0};
  Gauge& gauge_;
};

}  // namespace mapigate::upstream
