// Relay: hands every Call to an upstream server, over MAPI/HTTP as the bytes it came in, or over DCE/RPC, and its reply
// back. See README.md.

#include "base/text.h"
#include "chain/module.h"
#include "rewrite.h"
#include "upstreams.h"
#include "wire/mapihttp/headers.h"

namespace mapigate::relay {

namespace {

using chain::Call;
using chain::Operation;

const Setting rows[] = {
    {"transport", Setting::Type::choice, "mapihttp", "How the upstream is reached: MAPI over HTTP, or DCE/RPC over TCP or over HTTP.", "0.1", 0, 0, {"mapihttp", "rpctcp", "rpchttp"}},
    {"url", Setting::Type::url, "", "The upstream of mapihttp, or the proxy of rpchttp: scheme, host and port; the paths are those of the protocol."},
    {"server", Setting::Type::text, "", "The upstream of rpctcp, its host name or address; with rpchttp its name behind the proxy, when that is another."},
    {"epm_port", Setting::Type::number, "135", "Port of its endpoint mapper, which is asked for each port below that is 0.", "0.1", 1, 65535},
    {"emsmdb_port", Setting::Type::number, "0", "Port of its mailbox service.", "0.1", 0, 65535},
    {"nspi_port", Setting::Type::number, "0", "Port of its address book.", "0.1", 0, 65535},
    {"rfr_port", Setting::Type::number, "0", "Port of its referral service.", "0.1", 0, 65535},
    {"auth", Setting::Type::choice, "default", "How the upstream is logged on to: basic, ntlm or negotiate over HTTP (default: basic), ntlm, negotiate or kerberos over DCE/RPC (default: ntlm). Kerberos gets its tickets with the password.", "0.1", 0, 0, {"default", "basic", "ntlm", "negotiate", "kerberos"}},
    {"http_auth", Setting::Type::choice, "basic", "How the proxy of rpchttp is logged on to.", "0.1", 0, 0, {"basic", "ntlm", "negotiate"}},
    {"principal_host", Setting::Type::text, "", "The host in its Kerberos names (exchangeMDB/HOST), when that is not the server.", "0.1"},
    {"protection", Setting::Type::choice, "privacy", "Of rpctcp calls: signed and encrypted, signed, or nothing.", "0.1", 0, 0, {"privacy", "integrity", "connect"}},
    {"verify", Setting::Type::choice, "system", "Who vouches for the upstream's certificate: the system's store, ca_file, or (never in earnest) nobody.", "0.1", 0, 0, {"system", "ca_file", "off"}},
    {"ca_file", Setting::Type::path, "", "PEM file with the authorities for verify = \"ca_file\"; giving it implies that."},
    {"credentials", Setting::Type::choice, "pass-through", "The user's own name and password, the fixed ones below, or those of map_file.", "0.1", 0, 0, {"pass-through", "fixed", "mapped"}},
    {"delegated_tickets", Setting::Type::boolean, "true", "Logs on with the Kerberos ticket of a user who forwarded one, before all other credentials; where auth, and http_auth of rpchttp, are negotiate or kerberos.", "0.1"},
    {"user", Setting::Type::text, "", "User name for credentials = \"fixed\"."},
    {"password_file", Setting::Type::path, "", "File with the password for credentials = \"fixed\", one line."},
    {"map_file", Setting::Type::path, "", "File for credentials = \"mapped\", a line for each user: user@domain:upstream-user:password."},
    {"rewrite", Setting::Type::boolean, "true", "Puts this gateway's name where a reply names the upstream's servers, so that clients keep coming through here."},
    {"connections", Setting::Type::number, "256", "Most connections to the upstream of mapihttp at a time.", "0.1", 1, 100'000},
    {"pinned_connections", Setting::Type::number, "5000", "Most connections to the upstream of mapihttp or rpchttp that are a pair with a client's, for logons that [auth] pass_to passes on.", "0.1", 1, 100'000},
    {"logon_limit", Setting::Type::duration, "30s", "Time between two messages of a logon that is passed on, and for the upstream's answer to one.", "0.1", 500, 600'000},
    {"ping_interval", Setting::Type::duration, "60s", "How long such a connection is idle before it is kept awake; servers close silent ones.", "0.1", 1000, 3'600'000},
    {"connect_limit", Setting::Type::duration, "10s", "Time to connect.", "0.1", 100, 600'000},
    {"call_limit", Setting::Type::duration, "6min", "Time for one call; a NotificationWait takes about 5 minutes.", "0.1", 1000, 3'600'000},
    {"silence_limit", Setting::Type::duration, "75s", "Longest silence within an answer of mapihttp; an upstream announces its pending period, 15 to 30 s.", "0.1", 1000, 600'000},
    {"max_reply", Setting::Type::size, "2MiB", "Longest reply.", "0.1", 65536, 1 << 28},
    {"web_services", Setting::Type::boolean, "true", "Passes requests to /EWS/ and /OAB/ on to the upstream of mapihttp, where its Autodiscover announces them; not with credentials = \"fixed\".", "0.1"},
    {"max_web_reply", Setting::Type::size, "64MiB", "Longest answer of its web services, which pass piece by piece; a file of the offline address book is one.", "0.1", 65536, 1 << 30},
};

class Relay final : public chain::Module, public chain::Authenticator, public chain::MailboxLocator, public chain::WebServices, public chain::LogonRelay {
 public:
  Relay(const chain::Environment& environment, const Settings& settings)
      : upstream_(settings.text("transport") == "mapihttp" ? make_http_upstream(environment, settings) : make_rpc_upstream(environment, settings)),
        lost_(environment.metrics.counter("mapigate_relay_failures_total", "Calls without an answer from the upstream",
                                          "module=\"" + environment.name + "\"")) {
    if (settings.boolean("rewrite")) rewriter_ = std::make_unique<Rewriter>(environment.server_name, environment.external_url);
  }

  chain::Interests interests() const override {
    chain::Interests all;
    all.every_call = true;
    return all;
  }

  Task<chain::Verdict> on_call(Call& call, chain::Ahead&) override {
    auto reply = co_await relay(call);
    if (reply) {
      call.set_reply(std::move(*reply));
      if (rewriter_ && is_worth_a_look(call)) rewriter_->reply(call);
      co_return chain::Verdict::norelay;
    }
    const bool stopped = reply.error().code == Errc::cancelled && call.operation() == chain::Operation::NotificationWait;
    if (!stopped) {  // else its client has gone
      lost_.add();
      log::warning("{} for {}: {}", chain::to_string(call.operation()), call.session().identity().user, reply.error().message);
    }
    chain::Reply failure;
    failure.response_code = static_cast<std::uint32_t>(
        reply.error().code == Errc::denied ? wire::mapihttp::ResponseCode::NoPrivilege : wire::mapihttp::ResponseCode::UnknownFailure);
    if (reply.error().retryable()) failure.trouble = chain::Reply::Trouble::unavailable;
    else if (reply.error().code == Errc::denied) failure.trouble = chain::Reply::Trouble::denied;
    call.set_reply(std::move(failure));
    co_return chain::Verdict::norelay;
  }

  Task<Status> authenticate(chain::Identity identity) override { return upstream_->authenticate(std::move(identity)); }
  Task<Result<chain::MailboxInfo>> locate(chain::Identity identity) override { return upstream_->locate(std::move(identity)); }
  Task<Result<chain::WebPlaces>> web_places(chain::Identity identity) override { return upstream_->web_places(std::move(identity)); }
  Task<Result<std::unique_ptr<chain::WebAnswer>>> web_request(chain::Identity identity, chain::WebRequest request) override {
    return upstream_->web_request(std::move(identity), std::move(request));
  }
  Status can_pin() const override { return upstream_->can_pin(); }
  bool carries_mapi_http() const override { return upstream_->carries_mapi_http(); }
  Result<std::shared_ptr<chain::PinnedConnection>> pin(std::string scheme, std::function<void()> close_client) override {
    return upstream_->pin(std::move(scheme), std::move(close_client));
  }

 private:
  Task<Result<chain::Reply>> relay(Call& call) {
    if (rewriter_) rewriter_->request(call);
    const auto body = call.body();
    if (!body) co_return chain::Reply{static_cast<std::uint32_t>(wire::mapihttp::ResponseCode::InvalidRequestBody), {}};
    auto& kept = kept_for(call);
    if (kept.session == nullptr) {
      auto made = upstream_->open(call.session(), call.client());
      if (!made) co_return made.error();
      kept.session = std::move(*made);
    }
    const auto session = kept.session;
    auto reply = co_await session->call(call.operation(), *body, call.client());
    co_return reply;
  }

  // One upstream session for each session of a client, made with its first call.
  struct Kept {
    std::shared_ptr<upstream::Session> session;
    unsigned executes = 0;
  };
  Kept& kept_for(const Call& call) {
    auto& slot = call.session().slot(*this);
    if (!slot.has_value()) slot = Kept();
    return *std::any_cast<Kept>(&slot);
  }
  // A client that is redirected hears it when it logs on, with its first calls; later ones are not decoded for this.
  bool is_worth_a_look(const Call& call) { return call.operation() != Operation::Execute || kept_for(call).executes++ < 4; }

  std::unique_ptr<Upstream> upstream_;
  std::unique_ptr<Rewriter> rewriter_;  // null: nothing is rewritten
  Counter& lost_;
};

std::unique_ptr<chain::Component> create(const chain::Environment& environment, const Settings& settings) {
  return std::make_unique<Relay>(environment, settings);
}

const chain::ModuleDescriptor descriptor{"relay", "hands every call to an upstream over MAPI/HTTP or DCE/RPC", rows,
                                         chain::OnError::closed, std::chrono::milliseconds(0), create};

}  // namespace
}  // namespace mapigate::relay

MAPIGATE_MODULE(mapigate::relay::descriptor)
