// A connection of the RPC server, as Samba's core sees it.
#pragma once

#include "transport/rpc/core.h"
#include "transport/rpc/samba.h"

namespace mapigate::transport {

// Owned by the server's list; `core` is freed with it.
class RpcConnection {
 public:
  RpcConnection(std::string peer, std::array<std::uint8_t, 4> local, std::shared_ptr<const chain::Identity> identity) {
    caller_.peer = std::move(peer);
    caller_.local = local;
    caller_.identity = std::move(identity);
  }
  RpcConnection(const RpcConnection&) = delete;
  // The address of the far side and of ours, and whom HTTP let in; `user` and `level` belong to a call.
  const rpc::Caller& caller() const { return caller_; }

  dcesrv_connection* core = nullptr;
  std::size_t calls = 0;  // in progress
  Clock::time_point since = Clock::now();
  Clock::time_point last_call = since;
  bool ending = false;
  // While a reply at the level CONNECT is made; see unsigned_reply() in server.cc.
  dcesrv_auth* unsigned_auth = nullptr;
  gensec_security* set_aside = nullptr;

 private:
  rpc::Caller caller_;
};

}  // namespace mapigate::transport
