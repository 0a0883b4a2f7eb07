// Connections to an HTTP server on which clients of ours logged on themselves, each a pair with one of theirs to us.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/metrics.h"
#include "chain/pinned_connection.h"
#include "io/http_client.h"
#include "upstream/http_identity.h"
#include "upstream/pinned_rpc.h"

namespace mapigate::upstream {

struct PinOptions {
  io::Url place;                                        // the MAPI/HTTP endpoint that logons are tried at, by PING
  bool rpc = false;                                     // it is an RPC proxy instead: by ECHO ([MS-RPCH] 2.1.2.1.5)
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
  // For calls over DCE/RPC in the client's name; likewise.
  std::shared_ptr<PinnedRpc> rpc_of(const std::shared_ptr<chain::PinnedConnection>& pinned);

  // The association group of a connection that somebody has there now, 0 for none: what he opens further joins it, so that all his
  // sessions can be used from each. `key` says who, and where to.
  std::uint32_t group_of(const std::string& key);
  void remember(const std::string& key, const std::shared_ptr<RpcConnection>& connection);  // unless there is one already

  PinnedConnections(io::Runtime& runtime, std::shared_ptr<io::HttpClient> client, Metrics& metrics, PinOptions options);

 private:
  friend class PinnedHttp;
  io::Runtime& runtime_;
  const std::shared_ptr<io::HttpClient> client_;
  const PinOptions options_;
  std::atomic<std::size_t> count_{0};
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<RpcConnection>> carried_;
  Gauge& gauge_;
};

}  // namespace mapigate::upstream
