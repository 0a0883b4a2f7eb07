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

  // By which of its connections the client makes the call that begins. The session's first steps take it up, before anything waits.
  void begin_call(const chain::ClientInfo& client) { way_ = client.pinned; }
  using Way = std::shared_ptr<chain::PinnedConnection>;
  Way way() { return dialer_->passes_on() ? way_.lock() : nullptr; }

  // One call on the session's own connection, which is opened anew within the association group when it was lost. In
  // the answer's place: Errc::conflict when the server does not know the context handle or the group any more.
  Task<Result<Bytes>> invoke(std::uint16_t opnum, Bytes stub);
  bool passes_on() const { return dialer_->passes_on(); }
  Task<Result<std::unique_ptr<RpcConnection>>> join(RpcService service);  // another connection in the group
  Task<Result<RpcDialer::Place>> join_by(Way way, RpcService service);    // that of the client, where it logged on itself
  Duration call_limit() const { return dialer_->server().call_limit; }

  wire::ndr::ContextHandle handle_;
  std::string server_application_;

 private:
  Task<Result<RpcDialer::Place>> connect(Way way);
  Task<Result<Bytes>> invoke_now(std::uint16_t opnum, Bytes stub, Way way);

  std::unique_ptr<RpcDialer> dialer_;
  RpcService service_;
  std::shared_ptr<RpcConnection> connection_;
  std::weak_ptr<chain::PinnedConnection> way_;
  std::uint32_t group_ = 0;
  io::Mutex turn_;
};

// What a failed call is to the chain: a Reply for a session that is over, else the error.
Result<chain::Reply> failed_reply(Error problem);
inline chain::Reply protocol_error(wire::mapihttp::ResponseCode code) { return {static_cast<std::uint32_t>(code), {}}; }

}  // namespace mapigate::upstream
