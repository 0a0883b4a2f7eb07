#include "transport/gateway.h"

#include <functional>

#include "base/log.h"
#include "base/text.h"
#include "transport/ews/ews.h"
#include "transport/oab.h"
#include "transport/rpc_http/rpc_http.h"
#include "transport/web_relay.h"

namespace mapigate::transport {

Gateway::Gateway(io::Runtime& runtime, Metrics& metrics, GatewayOptions options,
                 std::function<std::optional<Route>(std::string_view user)> route)
    : runtime_(runtime),
      metrics_(metrics),
      options_(std::move(options)),
      route_(std::move(route)),
      authentication_(options_.auth, metrics),
      sessions_(options_.sessions, metrics),
      oab_(options_.services.oab ? std::make_unique<OabService>(*this, options_.oab) : nullptr),
      requests_(metrics.counter("mapigate_http_requests_total", "HTTP requests")) {}
Gateway::~Gateway() = default;

io::Executor Gateway::executor_of(std::string_view user) { return runtime_.executor_of(user); }

std::string Gateway::canonical_user(std::string_view typed) const {
  if (const auto backslash = typed.rfind('\\'); backslash != std::string_view::npos) typed.remove_prefix(backslash + 1);
  auto user = lower_ascii(trim(typed));
  if (user.find('@') == std::string::npos) {
    if (options_.default_domain.empty()) return {};
    user += "@" + options_.default_domain;
  }
  return user;
}

io::Task<> answer_text(io::HttpExchange& exchange, unsigned status, io::HttpHeaders headers, std::string text) {
  headers.add("Content-Type", "text/plain; charset=utf-8");
  headers.add("Cache-Control", "no-store");
  const auto sent = co_await exchange.respond(status, headers, text);
  (void)sent;  // the client has gone; nothing is lost
}

io::Task<> Gateway::challenge(io::HttpExchange& exchange, std::string text) const {
  io::HttpHeaders headers;
  add_challenges(headers);
  co_await answer_text(exchange, 401, std::move(headers), std::move(text));
}

bool Gateway::passes_by_channels_only() const { return logon_relay_ != nullptr && !logon_relay_->carries_mapi_http(); }

io::Task<> Gateway::ask_for_password(io::HttpExchange& exchange) const {
  io::HttpHeaders headers;
  if (offered(AuthScheme::basic)) {
    add_basic(headers);
    co_await answer_text(exchange, 401, std::move(headers), "Log on with your e-mail address and password.\n");
  } else {
    co_await answer_text(exchange, 403, std::move(headers), "Come by RPC over HTTP.\n");
  }
}

io::Task<> Gateway::refuse_logon(io::HttpExchange& exchange, Errc why) const {
  io::HttpHeaders headers;
  switch (why) {
    case Errc::denied: co_await challenge(exchange, "The user name or password is wrong.\n"); break;
    case Errc::limit:
      headers.add("Retry-After", "60");
      co_await answer_text(exchange, 429, std::move(headers), "Too many wrong passwords; try again later.\n");
      break;
    default:
      // Not the user's fault: anything but 401, or Outlook asks for the password.
      headers.add("Retry-After", "10");
      co_await answer_text(exchange, 503, std::move(headers), "The mail server cannot be reached; try again later.\n");
      break;
  }
}

io::Task<std::shared_ptr<const chain::Identity>> Gateway::authenticate(io::HttpExchange& exchange) {
  std::shared_ptr<const chain::Identity> identity;
  const auto authorization = exchange.header("Authorization");
  const auto scheme = scheme_of(authorization);
  if (scheme != AuthScheme::basic && offered(scheme)) {
    identity = co_await log_on(exchange, scheme);
    co_return identity;
  }
  const auto logon = std::static_pointer_cast<ConnectionLogon>(exchange.attachment());
  const bool logged_on = logon != nullptr && logon->identity != nullptr;
  if (scheme == AuthScheme::basic && logged_on && logon->scheme == AuthScheme::basic && Clock::now() < logon->until &&
      logon->authorization == Secret(authorization)) {
    co_return logon->identity;
  }
  if (authorization.empty() && logged_on && logon->scheme != AuthScheme::basic) {
    identity = logon->identity;
    bool alive = true;
    if (identity->pinned != nullptr) alive = co_await identity->pinned->is_alive();
    if (alive) co_return identity;
    identity = nullptr;
  }
  exchange.attachment().reset();
  if (scheme == AuthScheme::basic && offered(scheme)) identity = co_await check_password(exchange);
  else co_await challenge(exchange, "Log on with your e-mail address and password.\n");
  co_return identity;
}

io::Task<std::shared_ptr<const chain::Identity>> Gateway::check_password(io::HttpExchange& exchange) {
  const std::shared_ptr<const chain::Identity> nobody;
  auto given = parse_basic(exchange.header("Authorization"));
  const auto user = given ? canonical_user(given->user) : std::string();
  // No password is nobody's: LDAP and IMAP servers take it for an anonymous logon, and past this point it
  // means that the transport itself knows the user.
  if (user.empty() || given->password.empty()) {
    co_await challenge(exchange, "Log on with your e-mail address and password.\n");
    co_return nobody;
  }
  auto identity = std::make_shared<chain::Identity>();
  identity->user = user;
  identity->password = given->password;
  const auto route = route_(user);
  chain::Authenticator* authenticator = route ? route->authenticator : nullptr;
  const auto checked = co_await authentication_.check(*identity, exchange.peer().ip, authenticator);
  if (!checked) {
    co_await refuse_logon(exchange, checked.error().code);
    co_return nobody;
  }
  auto logon = std::make_shared<ConnectionLogon>();
  logon->scheme = AuthScheme::basic;
  logon->identity = identity;
  logon->authorization = Secret(exchange.header("Authorization"));
  logon->until = *checked;
  exchange.attachment() = std::move(logon);
  co_return identity;
}

io::Task<> Gateway::handle(io::HttpExchange& exchange) {
  requests_.add();
  auto path = lower_ascii(exchange.path());
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  enum class Place { none, emsmdb, nspi, autodiscover, autodiscover_soap, ews, rpc, oab } place = Place::none;
  if (path == "/mapi/emsmdb") place = Place::emsmdb;
  else if (path == "/mapi/nspi") place = Place::nspi;
  else if (path == "/autodiscover/autodiscover.xml") place = Place::autodiscover;
  else if (path == "/autodiscover/autodiscover.svc" || path.starts_with("/autodiscover/autodiscover.svc/")) place = Place::autodiscover_soap;
  else if (path.starts_with("/oab/")) place = Place::oab;
  else if (path.starts_with("/ews/")) place = Place::ews;
  else if (rpc_http_ != nullptr && RpcHttp::is_channel(exchange.method(), exchange.target())) place = Place::rpc;
  if (path == "/autodiscover/autodiscover.json" || path.starts_with("/autodiscover/autodiscover.json/")) {
    co_await handle_autodiscover_json(*this, exchange);
    co_return;
  }
  if (place == Place::none) {
    co_await answer_text(exchange, 404, {}, "Nothing is here.\n");
    co_return;
  }
  // A channel's body does not end: without one there is no way past it to another request.
  constexpr std::uint64_t short_body = 4096;
  const auto length = exchange.content_length().value_or(0);
  if (place == Place::rpc && (length > short_body || (length > 0 && exchange.fields().contains("Expect")))) exchange.close_after();
  if ((place == Place::emsmdb || place == Place::nspi) && passes_by_channels_only() && scheme_of(exchange.header("Authorization")) != AuthScheme::basic) {
    co_await ask_for_password(exchange);
    co_return;
  }
  auto identity = co_await authenticate(exchange);
  if (identity == nullptr) co_return;
  switch (place) {
    case Place::emsmdb:
      // From the next request on without a change of threads between connection, session and backends.
      exchange.serve_next_on(executor_of(identity->user));
      co_await handle_mapi_http(*this, exchange, chain::Interface::emsmdb, identity);
      break;
    case Place::nspi: co_await handle_mapi_http(*this, exchange, chain::Interface::nspi, identity); break;
    case Place::autodiscover: co_await handle_autodiscover(*this, exchange, identity); break;
    case Place::ews: co_await handle_ews(*this, exchange, identity); break;
    case Place::rpc: co_await rpc_http_->handle(exchange, identity); break;
    case Place::autodiscover_soap: co_await handle_autodiscover_soap(*this, exchange, identity); break;
    case Place::oab: co_await handle_oab(exchange, identity); break;
    case Place::none: break;
  }
}

io::Task<> Gateway::handle_oab(io::HttpExchange& exchange, std::shared_ptr<const chain::Identity> identity) {
  const auto route = route_(identity->user);
  const bool own = oab_ && route && route->address_books && !route->address_books->directory_name().empty();
  if (!own && route && route->web) co_await relay_web_request(*this, exchange, identity, route->web);
  else if (oab_) co_await oab_->handle(exchange, identity);
  else co_await answer_text(exchange, 404, {}, "Nothing is here.\n");
}

io::Task<> Gateway::publish() {
  if (oab_) co_await oab_->keep_current();
}

io::Task<> Gateway::housekeeping() {
  for (;;) {
    co_await io::sleep_for(std::chrono::seconds(10));
    sessions_.sweep();
    if (rpc_http_ != nullptr) co_await rpc_http_->sweep();
  }
}

}  // namespace mapigate::transport
