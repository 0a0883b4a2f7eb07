// The front of the gateway: HTTPS requests in, Calls to the user's chain. Knows the
// paths, authenticates, and hands on to the protocol behind the path.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "chain/chain.h"
#include "chain/module.h"
#include "io/http_server.h"
#include "io/runtime.h"
#include "mailbox/user_services.h"
#include "transport/auth.h"
#include "transport/autodiscover.h"
#include "transport/http_logon.h"
#include "transport/sessions.h"

namespace mapigate::directory {
class AddressBooks;
}
namespace mapigate::chain {
class WebServices;
}

namespace mapigate::transport {

// What routing says about a user.
struct Route {
  std::shared_ptr<chain::Chain> chain;
  chain::Authenticator* authenticator = nullptr;  // null: nobody gets in
  chain::MailboxLocator* locator = nullptr;       // null: every user has a mailbox named after the address
  directory::AddressBooks* address_books = nullptr;  // null: the chain has none that can be looked into
  mailbox::UserServices* services = nullptr;      // null: no automatic replies, no free/busy information
  chain::WebServices* web = nullptr;              // null: there is no other server whose web services are passed on
};

// Offline address books; none without a folder.
struct OabOptions {
  std::string folder;  // where their files are
  Duration check_interval = std::chrono::minutes(15);
  std::size_t patches = 30;
  std::function<std::vector<directory::AddressBooks*>()> address_books;  // of all chains
};

class OabService;

struct GatewayOptions {
  std::string server_name = "localhost";     // host name that clients use
  std::uint16_t external_port = 443;         // port that clients use
  std::string nt_domain;                     // of the users whose logons another server decides, besides default_domain
  std::string default_domain;                // appended to user names without '@'; empty: they are refused
  std::string server_application = "Exchange/15.00.0847.032";  // X-ServerApplication (row L1)
  Duration pending_period = std::chrono::seconds(30);   // X-PendingPeriod
  Duration execute_limit = std::chrono::minutes(5);     // after that an Execute is given up
  Duration wait_limit = std::chrono::minutes(6);        // the same for NotificationWait, above what engines take
  std::size_t request_body_limit = 1 << 20;  // MAPI/HTTP bodies; 268,288 bytes is what Outlook sends at most
  AuthSchemes schemes;
  Services services;
  AutodiscoverOptions autodiscover;
  OabOptions oab;
  AuthLimits auth;
  SessionLimits sessions;
};

class RpcHttp;

class Gateway {
 public:
  // `route` may be called from any thread at any time and must stay callable.
  Gateway(io::Runtime& runtime, Metrics& metrics, GatewayOptions options,
          std::function<std::optional<Route>(std::string_view user)> route);
  ~Gateway();

  // The handler of the HTTPS listener.
  io::Task<> handle(io::HttpExchange& exchange);

  // Ends idle sessions until the runtime stops; to be spawned once.
  io::Task<> housekeeping();
  // Keeps the offline address books current; to be spawned once.
  io::Task<> publish();
  void end_all_sessions() { sessions_.end_all(); }

  // DCE/RPC over HTTP, served from then on; outlives the listeners.
  void serve_rpc_http(RpcHttp* rpc_http) { rpc_http_ = rpc_http; }

  // Who does NTLM and Negotiate; before the listeners.
  void log_on_by(LogonProvider logons) { logons_ = std::move(logons); }

  // Who passes them to a server that decides instead; outlives this. Before the listeners.
  void pass_logons_to(chain::LogonRelay* relay) { logon_relay_ = relay; }

  io::Runtime& runtime() { return runtime_; }
  Authentication& authentication() { return authentication_; }
  Metrics& metrics() { return metrics_; }
  const GatewayOptions& options() const { return options_; }
  SessionTable& sessions() { return sessions_; }
  std::optional<Route> route(std::string_view user) const { return route_(user); }
  // Where all sessions of this user run.
  io::Executor executor_of(std::string_view user);

  // "ALICE", "EXAMPLE\\alice" and "alice@example.test" as the canonical address; empty when there is
  // no domain to be had.
  std::string canonical_user(std::string_view typed) const;

  // The WWW-Authenticate fields of a 401.
  void add_challenges(io::HttpHeaders& headers) const;

 private:
  // Who the request comes from, or none after an answer (401, 429 → Retry-After, 503) was given.
  io::Task<std::shared_ptr<const chain::Identity>> authenticate(io::HttpExchange& exchange);

  io::Task<> handle_oab(io::HttpExchange& exchange, std::shared_ptr<const chain::Identity> identity);
  bool offered(AuthScheme scheme) const;
  // Whether another server decides about those who come by NTLM or Negotiate, and can be asked by channels of RPC over HTTP alone:
  // MAPI over HTTP is then for those with a password.
  bool passes_by_channels_only() const;
  void add_basic(io::HttpHeaders& headers) const;
  io::Task<> ask_for_password(io::HttpExchange& exchange) const;
  Result<std::shared_ptr<LogonExchange>> begin_logon(io::HttpExchange& exchange, AuthScheme scheme);
  io::Task<std::shared_ptr<const chain::Identity>> log_on(io::HttpExchange& exchange, AuthScheme scheme);
  io::Task<std::shared_ptr<const chain::Identity>> check_password(io::HttpExchange& exchange);
  io::Task<> challenge(io::HttpExchange& exchange, std::string text) const;
  // The answer to somebody who was not let in: 401, 429 or 503 with Retry-After.
  io::Task<> refuse_logon(io::HttpExchange& exchange, Errc why) const;

  io::Runtime& runtime_;
  Metrics& metrics_;
  const GatewayOptions options_;
  std::function<std::optional<Route>(std::string_view)> route_;
  Authentication authentication_;
  SessionTable sessions_;
  std::unique_ptr<OabService> oab_;
  Counter& requests_;
  RpcHttp* rpc_http_ = nullptr;
  LogonProvider logons_;
  chain::LogonRelay* logon_relay_ = nullptr;
};

// A short text for whoever reads a trace.
io::Task<> answer_text(io::HttpExchange& exchange, unsigned status, io::HttpHeaders headers, std::string text);

// The endpoints /mapi/emsmdb and /mapi/nspi ([MS-OXCMAPIHTTP]).
io::Task<> handle_mapi_http(Gateway& gateway, io::HttpExchange& exchange, chain::Interface interface,
                            std::shared_ptr<const chain::Identity> identity);

}  // namespace mapigate::transport
