// What the sessions over DCE/RPC have in common: the connection that may be lost while the context handle lives on.
#pragma once

#include "io/sync.h"
#include "upstream/rpc_dialer.h"
#include "wire/mapihttp/headers.h"

namespace mapigate::upstream {

class RpcSessionBase : public Session {
 public:
  std::string server_application() const override { return server_application_; }

 protected:
  RpcSessionBase(std::unique_ptr<RpcDialer> dialer, RpcService service) : dialer_(std::move(dialer)), service_(service) {}

  // One call on the session's own connection, which is opened anew within the association group when it was lost. In
  // the answer's place: Errc::conflict when the server does not know the context handle or the group any more.
  Task<Result<Bytes>> invoke(std::uint16_t opnum, Bytes stub);
  Task<Result<std::unique_ptr<RpcConnection>>> join(RpcService service);  // another connection in the group
  Duration call_limit() const { return dialer_->server().call_limit; }

  wire::ndr::ContextHandle handle_;
  std::string server_application_;

 private:
  Task<Status> connect();
  Task<Result<Bytes>> invoke_now(std::uint16_t opnum, Bytes stub);

  std::unique_ptr<RpcDialer> dialer_;
  RpcService service_;
  std::unique_ptr<RpcConnection> connection_;
  std::uint32_t group_ = 0;
  io::Mutex turn_;
};

// What a failed call is to the chain: a Reply for a session that is over, else the error.
Result<chain::Reply> failed_reply(Error problem);
inline chain::Reply protocol_error(wire::mapihttp::ResponseCode code) { return {static_cast<std::uint32_t>(code), {}}; }

}  // namespace mapigate::upstream
