// DCE/RPC over HTTP, version 2, the client's side ([MS-RPCH] 3.2.2): one virtual connection over an IN and an OUT channel.
#pragma once

#include "io/http_message.h"
#include "upstream/http_identity.h"
#include "upstream/rpc_channel.h"

namespace mapigate::io {
class TlsClientContext;
}

namespace mapigate::upstream {

struct RpcProxy {
  io::Url url;                 // scheme, host and port count
  std::string server;          // the RPC server's name behind it; empty: the host of the URL
  HttpAuth auth = HttpAuth::basic;
  std::shared_ptr<io::TlsClientContext> tls;
  std::uint32_t window = 65536;        // bytes that the server may send before we take them
  std::uint32_t in_lifetime = 1u << 30;  // bytes of one IN channel; a successor takes over before
};

// `port` is that of the service, 6001 and so on. Flow control both ways; both channels are replaced when they come to
// their end, and no PDU is lost. Errc::denied: the proxy refuses the credentials. The runtime has to outlive it.
Task<Result<std::unique_ptr<RpcChannel>>> connect_rpc_http(RpcProxy proxy, Credentials credentials, std::uint16_t port, Duration limit,
                                                           io::Runtime& runtime);

}  // namespace mapigate::upstream
