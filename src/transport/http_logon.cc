#include "transport/http_logon.h"

#include "base/log.h"
#include "base/text.h"
#include "transport/gateway.h"
#include "transport/passed_logon.h"

namespace mapigate::transport {

AuthScheme scheme_of(std::string_view authorization) {
  const auto name = authorization.substr(0, authorization.find(' '));
  if (equal_ignoring_ascii_case(name, "Basic")) return AuthScheme::basic;
  if (equal_ignoring_ascii_case(name, "NTLM")) return AuthScheme::ntlm;
  if (equal_ignoring_ascii_case(name, "Negotiate")) return AuthScheme::negotiate;
  return AuthScheme::none;
}

std::string_view token_of(std::string_view authorization) {
  const auto space = authorization.find(' ');
  return space == std::string_view::npos ? std::string_view() : trim(authorization.substr(space + 1));
}

const char* to_string(AuthScheme scheme) {
  switch (scheme) {
    case AuthScheme::basic: return "Basic";
    case AuthScheme::ntlm: return "NTLM";
    case AuthScheme::negotiate: return "Negotiate";
    case AuthScheme::none: break;
  }
  return "";
}

namespace {

// NTLM's first message: a client that begins again while the old exchange waits for its answer.
bool begins_ntlm(View token) {
  constexpr std::string_view head("NTLMSSP\0\1\0\0\0", 12);
  return token.size() >= head.size() && as_text(token.first(head.size())) == head;
}

}  // namespace

bool Gateway::offered(AuthScheme scheme) const {
  switch (scheme) {
    case AuthScheme::basic: return options_.schemes.basic;
    case AuthScheme::ntlm: return options_.schemes.ntlm && (logons_ || logon_relay_ != nullptr);
    case AuthScheme::negotiate: return options_.schemes.negotiate && (logons_ || logon_relay_ != nullptr);
    case AuthScheme::none: break;
  }
  return false;
}

void Gateway::add_challenges(io::HttpHeaders& headers) const {
  // Clients take the first that they know.
  if (offered(AuthScheme::negotiate)) headers.add("WWW-Authenticate", "Negotiate");
  if (offered(AuthScheme::ntlm)) headers.add("WWW-Authenticate", "NTLM");
  if (offered(AuthScheme::basic)) add_basic(headers);
}

void Gateway::add_basic(io::HttpHeaders& headers) const {
  headers.add("WWW-Authenticate", "Basic realm=\"" + options_.server_name + "\", charset=\"UTF-8\"");
}

Result<std::shared_ptr<LogonExchange>> Gateway::begin_logon(io::HttpExchange& exchange, AuthScheme scheme) {
  const auto& peer = exchange.peer().ip;
  auto own = logons_ ? logons_(scheme, peer) : nullptr;
  if (logon_relay_ == nullptr) return own;
  // Each takes a connection to the upstream, of which there are so many for all.
  auto unfinished = authentication_.begin_passed(peer);
  if (!unfinished) return error(Errc::unavailable, "{} logons from there are in progress: the limit", options_.auth.passed_per_peer);
  auto pinned = logon_relay_->pin(to_string(scheme), exchange.closer());
  if (!pinned) return pinned.error();
  return pass_logon(*this, std::move(*pinned), std::move(own), peer, std::move(unfinished));
}

io::Task<std::shared_ptr<const chain::Identity>> Gateway::log_on(io::HttpExchange& exchange, AuthScheme scheme) {
  const std::shared_ptr<const chain::Identity> nobody;
  Bytes token;
  constexpr std::size_t longest = 64 * 1024;
  const auto text = token_of(exchange.header("Authorization"));
  if (text.empty() || text.size() > longest || !from_base64(text, token)) {
    exchange.attachment().reset();
    co_await challenge(exchange, "Log on.\n");
    co_return nobody;
  }
  auto logon = std::static_pointer_cast<ConnectionLogon>(exchange.attachment());
  if (logon == nullptr || logon->exchange == nullptr || logon->scheme != scheme || begins_ntlm(token)) {
    // The one before no longer counts among those in progress.
    logon.reset();
    exchange.attachment().reset();
    auto begun = begin_logon(exchange, scheme);
    if (!begun) {
      log::warning("logon from {}: {}", exchange.peer().ip, begun.error().message);
      co_await refuse_logon(exchange, begun.error().code);
      co_return nobody;
    }
    logon = std::make_shared<ConnectionLogon>();
    logon->scheme = scheme;
    logon->exchange = std::move(*begun);
    exchange.attachment() = logon;
  }
  auto step = co_await logon->exchange->step(std::move(token));
  if (step && !step->complete) {
    const auto offer = fmt::format("{} {}", to_string(scheme), to_base64(step->token));
    const io::HttpHeaders headers{{"WWW-Authenticate", offer}};
    co_await answer_text(exchange, 401, headers, "Go on.\n");
    co_return nobody;
  }
  logon->exchange = nullptr;
  if (!step || step->user.empty()) {
    exchange.attachment().reset();
    co_await refuse_logon(exchange, step ? Errc::denied : step.error().code);
    co_return nobody;
  }
  if (!step->token.empty()) exchange.add_response_header("WWW-Authenticate", fmt::format("{} {}", to_string(scheme), to_base64(step->token)));
  auto identity = std::make_shared<chain::Identity>();
  identity->user = step->user;
  identity->pinned = step->pinned;
  identity->ticket = step->ticket;
  logon->identity = identity;
  log::debug("{} logs on from {} by {}", identity->user, exchange.peer().ip, to_string(scheme));
  co_return identity;
}

}  // namespace mapigate::transport
