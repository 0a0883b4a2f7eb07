// DCE/RPC over HTTP, version 2 ([MS-RPCH]): what Outlook calls Outlook Anywhere. /rpc/rpcproxy.dll?SERVER:PORT with the
// methods RPC_IN_DATA and RPC_OUT_DATA.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/metrics.h"
#include "base/time.h"
#include "io/http_server.h"
#include "transport/rpc/rpc.h"
#include "wire/rpc/rts.h"

namespace mapigate::transport {

class Gateway;

namespace rpc_http {
class VirtualConnection;
}

struct RpcHttpOptions {
  std::size_t connections = 10'000;      // virtual ones; more are refused
  std::uint32_t lifetime = 1u << 30;     // bytes of an OUT channel before a successor is asked for
  std::uint32_t window = 65'536;         // receive window of IN channels, bytes
  Duration timeout = std::chrono::minutes(2);     // silence on an IN channel that clients are told to stay under
  Duration keepalive = std::chrono::minutes(1);   // longest silence on an OUT channel, whatever the client wants
  Duration setup_limit = std::chrono::seconds(30);  // for the second channel to come, and for successors
};

class RpcHttp {
 public:
  // Both must outlive this.
  RpcHttp(Gateway& gateway, RpcServer& server, RpcHttpOptions options);
  ~RpcHttp();

  // Whether a request is one of a channel, for io::ListenOptions.
  static bool is_channel(std::string_view method, std::string_view target);
  // One channel from its beginning to its end.
  io::Task<> handle(io::HttpExchange& exchange, std::shared_ptr<const chain::Identity> identity);
  // Ends all virtual connections.
  void end_all();
  // Ends those whose second channel did not come in time, and those whose user's connection to another server has ended; to be
  // called now and then.
  io::Task<> sweep();

  const RpcHttpOptions& options() const { return options_; }
  RpcServer& server() { return server_; }

  // For channels. `make`: when there is none yet. Errc::denied: it is another user's, or goes elsewhere; Errc::limit.
  Result<std::shared_ptr<rpc_http::VirtualConnection>> find(const wire::rpc::rts::RtsCookie& cookie, const RpcPeer& peer,
                                                            std::uint16_t port, bool make);
  void forget(const wire::rpc::rts::RtsCookie& cookie);
  Counter& in_recycled() { return in_recycled_; }
  Counter& out_recycled() { return out_recycled_; }

 private:
  RpcServer& server_;
  const RpcHttpOptions options_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<rpc_http::VirtualConnection>> connections_;  // by cookie
  Gauge& count_;
  Counter& in_recycled_;
  Counter& out_recycled_;
};

}  // namespace mapigate::transport
