// DCE/RPC over HTTP, version 2, the client's side ([MS-RPCH] 3.2.2): one virtual connection over an IN and an OUT channel.
#pragma once

#include <optional>

#include "io/http_message.h"
#include "upstream/http_identity.h"
#include "upstream/rpc_channel.h"

namespace mapigate::io {
class Stream;
class TlsClientContext;
}

namespace mapigate::upstream {

// Connections on which somebody else logged on at the proxy.
class LoggedOnConnections {
 public:
  virtual ~LoggedOnConnections() = default;
  // One that nothing has used, for the executor of who asks. Errc::unavailable: there is none, and none comes.
  virtual Task<Result<std::unique_ptr<io::Stream>>> next(Duration limit) = 0;
};

struct RpcProxy {
  io::Url url;                 // scheme, host and port count
  std::string server;          // the RPC server's name behind it; empty: the host of the URL
  HttpAuth auth = HttpAuth::basic;
  std::shared_ptr<io::TlsClientContext> tls;
  std::uint32_t window = 65536;        // bytes that the server may send before we take them
  std::uint32_t in_lifetime = 1u << 30;  // bytes of one IN channel; a successor takes over before
  std::optional<std::weak_ptr<LoggedOnConnections>> logged_on = {};  // for all channels; the credentials then do not count
};

// Path and query of the requests to such a service; `server` as above.
std::string rpc_proxy_target(const io::Url& url, const std::string& server, std::uint16_t port);

// `port` is that of the service, 6001 and so on. Flow control both ways; both channels are replaced when they come to
// their end, and no PDU is lost. Errc::denied: the proxy refuses the credentials. The runtime has to outlive it.
Task<Result<std::unique_ptr<RpcChannel>>> connect_rpc_http(RpcProxy proxy, Credentials credentials, std::uint16_t port, Duration limit,
                                                           io::Runtime& runtime);

}  // namespace mapigate::upstream
