// Who a connection is: gensec's server side with our accounts behind it.
#pragma once

#include "transport/rpc/accounts.h"
#include "transport/rpc/rpc.h"
#include "transport/rpc/samba.h"

namespace mapigate::transport {

class Gateway;

// Used by the server's thread only; outlives its connections.
class RpcAuthentication {
 public:
  RpcAuthentication(Gateway& gateway, const samba::PrivateFunctions& functions, const RpcOptions& options, loadparm_context* lp_ctx);

  // For dcesrv_context_callbacks::auth.gensec_prepare.
  NTSTATUS prepare(TALLOC_CTX* memory, dcesrv_call_state* call, gensec_security** out);
  // An exchange at the HTTP level: SPNEGO, or NTLM alone.
  NTSTATUS begin(TALLOC_CTX* memory, tevent_context* events, const std::string& peer, bool spnego, gensec_security** out);
  // The token of a connection that has not authenticated.
  static auth_session_info* anonymous(TALLOC_CTX* memory);

  // Checks what a client sent. On success the canonical name and the session key are filled in.
  NTSTATUS check(const samba::SuppliedUser& user, View challenge, const std::string& peer, std::string& canonical,
                 std::array<std::uint8_t, 16>& key);
  // Whose ticket it is: "alice@EXAMPLE.TEST"; empty when nobody here is.
  std::string user_of(const std::string& principal) const;

 private:
  NTSTATUS make(TALLOC_CTX* memory, tevent_context* events, const std::string& peer, gensec_security** out);
  void take_keytab(const std::string& file, loadparm_context* lp_ctx);  // throws std::runtime_error

  Gateway& gateway_;
  const samba::PrivateFunctions& functions_;
  bool accounts_given_;
  AccountFile accounts_;
  GuessBrake brake_;
  samba::GensecSettings* settings_;  // talloc's: gensec refers to it
  const gensec_security_ops* backends_[4] = {};
  std::string realm_;
  cli_credentials* credentials_ = nullptr;  // with the keytab; talloc's
};

}  // namespace mapigate::transport
