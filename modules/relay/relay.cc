// Relay: hands every Call to an upstream server over MAPI/HTTP, as the bytes it
// came in, and its reply back the same way. See README.md.

#include <fstream>
#include <map>
#include <mutex>

#include "base/text.h"
#include "chain/module.h"
#include "io/runtime.h"
#include "io/tls.h"
#include "upstream/autodiscover.h"
#include "upstream/mapi_http_session.h"

namespace mapigate::relay {

namespace {

using chain::Call;
using chain::Operation;
using io::Task;

const Setting rows[] = {
    {"url", Setting::Type::url, nullptr, "The upstream: scheme, host and port; the paths are those of the protocol."},
    {"verify", Setting::Type::choice, "system", "Who vouches for the upstream's certificate: the system's store, ca_file, or (never in earnest) nobody.", "0.1", 0, 0, {"system", "ca_file", "off"}},
    {"ca_file", Setting::Type::path, "", "PEM file with the authorities for verify = \"ca_file\"; giving it implies that."},
    {"credentials", Setting::Type::choice, "pass-through", "The user's own name and password, or the fixed ones below.", "0.1", 0, 0, {"pass-through", "fixed"}},
    {"user", Setting::Type::text, "", "User name for credentials = \"fixed\"."},
    {"password_file", Setting::Type::path, "", "File with the password for credentials = \"fixed\", one line."},
    {"connections", Setting::Type::number, "256", "Most connections to the upstream at a time.", "0.1", 1, 100'000},
    {"connect_limit", Setting::Type::duration, "10s", "Time to connect.", "0.1", 100, 600'000},
    {"call_limit", Setting::Type::duration, "6min", "Time for one call; a NotificationWait takes about 5 minutes.", "0.1", 1000, 3'600'000},
    {"silence_limit", Setting::Type::duration, "75s", "Longest silence within an answer; an upstream announces its pending period, 15 to 30 s.", "0.1", 1000, 600'000},
    {"max_reply", Setting::Type::size, "2MiB", "Longest reply.", "0.1", 65536, 1 << 28},
};

Secret read_password(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  if (!in || !std::getline(in, line)) throw std::runtime_error("cannot read the password file " + file);
  const Secret out{trim(line)};
  explicit_bzero(line.data(), line.size());
  return out;
}

class Relay final : public chain::Module, public chain::Authenticator, public chain::MailboxLocator {
 public:
  Relay(const chain::Environment& environment, const Settings& settings)
      : upstream_(settings.text("url")),
        fixed_(settings.text("credentials") == "fixed"),
        limit_(settings.duration("call_limit")),
        silence_(settings.duration("silence_limit")),
        max_reply_(static_cast<std::size_t>(settings.number("max_reply"))),
        lost_(environment.metrics.counter("mapigate_relay_failures_total", "Calls without an answer from the upstream",
                                          "module=\"" + environment.name + "\"")) {
    while (upstream_.ends_with('/')) upstream_.pop_back();
    if (auto url = io::parse_url(upstream_); !url) throw std::runtime_error(url.error().message);
    if (fixed_) authorization_ = upstream::basic_authorization(settings.text("user"), read_password(settings.text("password_file")));
    io::TlsClientOptions tls;
    const auto& verify = settings.text("verify");
    tls.ca_file = settings.text("ca_file");
    if (verify == "off") tls.verify = io::TlsClientOptions::Verify::off;
    else if (verify == "ca_file" || !tls.ca_file.empty()) tls.verify = io::TlsClientOptions::Verify::ca_file;
    auto context = io::TlsClientContext::create(tls);
    if (!context) throw std::runtime_error(context.error().message);
    io::HttpClientOptions options;
    options.tls = *context;
    options.connections_per_origin = static_cast<std::size_t>(settings.number("connections"));
    options.connect_limit = settings.duration("connect_limit");
    auto client = io::HttpClient::create(environment.runtime, options);
    if (!client) throw std::runtime_error(client.error().message);
    client_ = *client;
    if (verify == "off") log::warning("module {}: the upstream's certificate is not checked", environment.name);
  }

  chain::Interests interests() const override {
    chain::Interests all;
    all.every_call = true;
    return all;
  }

  Task<chain::Verdict> on_call(Call& call, chain::Ahead&) override {
    auto upstream = session_for(call);
    auto body = call.body();
    if (!body) {
      call.set_reply({static_cast<std::uint32_t>(wire::mapihttp::ResponseCode::InvalidRequestBody), {}});
      co_return chain::Verdict::norelay;
    }
    auto reply = co_await upstream->call(call.operation(), *body, call.client());
    if (reply) {
      call.set_reply(std::move(*reply));
      co_return chain::Verdict::norelay;
    }
    lost_.add();
    log::warning("{} for {}: {}", chain::to_string(call.operation()), call.session().identity().user, reply.error().message);
    chain::Reply failure;
    failure.response_code = static_cast<std::uint32_t>(
        reply.error().code == Errc::denied ? wire::mapihttp::ResponseCode::NoPrivilege : wire::mapihttp::ResponseCode::UnknownFailure);
    if (reply.error().retryable()) failure.trouble = chain::Reply::Trouble::unavailable;
    else if (reply.error().code == Errc::denied) failure.trouble = chain::Reply::Trouble::denied;
    call.set_reply(std::move(failure));
    co_return chain::Verdict::norelay;
  }

  // The upstream decides: its Autodiscover answers only those it knows.
  Task<Status> authenticate(chain::Identity identity) override {
    auto found = co_await discover(identity);
    if (found || found.error().code == Errc::not_found || found.error().code == Errc::unsupported) co_return Status{};
    co_return found.error();
  }

  Task<Result<chain::MailboxInfo>> locate(chain::Identity identity) override {
    auto found = co_await discover(identity);
    if (!found) co_return found.error();
    co_return chain::MailboxInfo{found->display_name, found->address, found->legacy_dn};
  }

 private:
  Secret authorization_for(const chain::Identity& identity) const {
    return fixed_ ? authorization_ : upstream::basic_authorization(identity.user, identity.password);
  }

  Task<Result<upstream::DiscoveredMailbox>> discover(chain::Identity identity) {
    auto authorization = authorization_for(identity);
    auto found = co_await upstream::discover(client_, identity.user, authorization, upstream_);
    co_return found;
  }

  // One upstream session for each session of a client, made with its first call.
  std::shared_ptr<upstream::MapiHttpSession> session_for(const Call& call) {
    auto& slot = call.session().slot(*this);
    if (auto* existing = std::any_cast<std::shared_ptr<upstream::MapiHttpSession>>(&slot)) return *existing;
    upstream::SessionOptions options;
    const auto endpoint = call.session().interface() == chain::Interface::emsmdb ? "/mapi/emsmdb/" : "/mapi/nspi/";
    options.endpoint = *io::parse_url(upstream_ + endpoint + "?MailboxId=" + percent_encode(call.session().identity().user));
    options.authorization = authorization_for(call.session().identity());
    options.limit = limit_;
    options.silence = silence_;
    options.max_reply = max_reply_;
    auto made = std::make_shared<upstream::MapiHttpSession>(client_, std::move(options));
    slot = made;
    return made;
  }

  std::string upstream_;  // "https://host:port"
  bool fixed_;
  Secret authorization_;  // with fixed credentials
  Duration limit_;
  Duration silence_;
  std::size_t max_reply_;
  std::shared_ptr<io::HttpClient> client_;
  Counter& lost_;
};

std::unique_ptr<chain::Component> create(const chain::Environment& environment, const Settings& settings) {
  return std::make_unique<Relay>(environment, settings);
}

const chain::ModuleDescriptor descriptor{"relay", "hands every call to an upstream over MAPI/HTTP", rows,
                                         chain::OnError::closed, std::chrono::milliseconds(0), create};

}  // namespace
}  // namespace mapigate::relay

MAPIGATE_MODULE(mapigate::relay::descriptor)
