// Who a connection is: gensec's server side with our accounts behind it.
#pragma once

#include <unordered_map>

#include "chain/delegated_ticket.h"
#include "transport/rpc/accounts.h"
#include "transport/rpc/core.h"
#include "transport/rpc/ntlm_helper.h"
#include "transport/rpc/rpc.h"
#include "transport/rpc/samba.h"

namespace mapigate::transport {

class Gateway;

// Used by the server's thread only; outlives its connections.
class RpcAuthentication {
 public:
  RpcAuthentication(Gateway& gateway, const samba::PrivateFunctions& functions, const RpcOptions& options, loadparm_context* lp_ctx,
                    std::shared_ptr<rpc::Inbox> inbox);

  // For dcesrv_context_callbacks::auth.gensec_prepare.
  NTSTATUS prepare(TALLOC_CTX* memory, dcesrv_call_state* call, gensec_security** out);
  // An exchange at the HTTP level: SPNEGO, or NTLM alone.
  NTSTATUS begin(TALLOC_CTX* memory, tevent_context* events, const std::string& peer, bool spnego, gensec_security** out);
  // The token of a connection that has not authenticated.
  static auth_session_info* anonymous(TALLOC_CTX* memory);

  // What came of a logon by NTLM; with NT_STATUS_OK who it is (empty: nobody) and the session key.
  struct Outcome {
    NTSTATUS status;
    std::string user;
    SessionKey key{};
  };
  // Checks what a client sent. `done` is called in the server's thread: at once, or when a worker has asked elsewhere.
  void check(const samba::SuppliedUser& user, View challenge, const std::string& peer, std::function<void(Outcome)> done);
  // Whose ticket it is: "alice@EXAMPLE.TEST"; empty when nobody here is.
  std::string user_of(const std::string& principal) const;

  // The ticket that the client of a logon forwarded; null when it did not, or it is another user's.
  std::shared_ptr<const chain::DelegatedTicket> take_ticket(auth_session_info& info, const std::string& user, tevent_context* events) const;
  // The same for each call of a connection; taken once, and kept as long as what Samba knows of the logon.
  std::shared_ptr<const chain::DelegatedTicket> ticket_of(auth_session_info& info, const std::string& user, tevent_context* events);

 private:
  NTSTATUS make(TALLOC_CTX* memory, tevent_context* events, const std::string& peer, gensec_security** out);
  void take_keytab(const std::string& file, loadparm_context* lp_ctx);  // throws std::runtime_error

  // A response to a challenge, with names as the client sent them.
  struct Question {
    std::string user, account, domain;  // `user` is canonical
    std::array<std::uint8_t, 8> challenge{};
    Bytes response;
    std::string peer;
  };
  // What is asked on workers; they may still be at it when the server has stopped.
  struct Elsewhere {
    directory::NtHashes* directory;
    std::unique_ptr<NtlmHelpers> helpers;  // null: none
    std::string domain;                    // whose users they are asked about
    Result<SessionKey> ask(const Question& question) const;
  };
  static io::Task<> ask(std::shared_ptr<const Elsewhere> elsewhere, std::shared_ptr<const Question> question, io::Runtime* runtime,
                        std::shared_ptr<rpc::Inbox> inbox, std::function<void(Result<SessionKey>)> done);
  static Result<SessionKey> checked(const NtHash& hash, const Question& question);
  Outcome judged(const Question& question, const Result<SessionKey>& answer);

  Gateway& gateway_;
  const samba::PrivateFunctions& functions_;
  std::shared_ptr<rpc::Inbox> inbox_;
  bool accounts_given_;
  AccountFile accounts_;
  std::shared_ptr<const Elsewhere> elsewhere_;  // null: only the file counts
  GuessBrake brake_;
  std::string domain_;
  samba::GensecSettings* settings_;  // talloc's: gensec refers to it
  const gensec_security_ops* backends_[4] = {};
  std::string realm_;
  cli_credentials* credentials_ = nullptr;  // with the keytab; talloc's

  struct Kept;
  static int forget_ticket(Kept* kept);
  std::unordered_map<const auth_session_info*, std::shared_ptr<const chain::DelegatedTicket>> tickets_;
};

}  // namespace mapigate::transport
