#include "transport/web_relay.h"

#include <algorithm>
#include <charconv>

#include "base/log.h"
#include "base/text.h"
#include "transport/autodiscover_profile.h"
#include "transport/gateway.h"
#include "wire/ews/soap.h"

namespace mapigate::transport {

namespace {

// Fields of one connection (RFC 9110 7.6.1), or made anew by whoever sends.
bool is_of_the_connection(const io::HttpFields& fields, std::string_view name) {
  constexpr std::string_view all[] = {"connection",       "keep-alive", "te",   "trailer",        "transfer-encoding", "upgrade",
                                      "proxy-connection", "expect",     "host", "content-length", "authorization",     "proxy-authorization",
                                      "www-authenticate", "proxy-authenticate", "persistent-auth"};
  const auto is_named = [&](std::string_view one) { return equal_ignoring_ascii_case(one, name); };
  return std::any_of(std::begin(all), std::end(all), is_named) || fields.has_token("Connection", name);
}

// The place of a redirection as clients reach it: here, or nowhere.
std::string own_place(std::string_view location, const std::string& base) {
  const auto scheme = location.find("://");
  if (scheme == std::string_view::npos) return std::string(location);
  const auto path = location.substr(std::min(location.find('/', scheme + 3), location.size()));
  return chain::is_web_target(path) ? base + std::string(path) : std::string();
}

// `base`: of this gateway, for what goes to a client; empty for what goes to the server.
io::HttpHeaders passed_on(const io::HttpFields& fields, const std::string& base = {}) {
  io::HttpHeaders out;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto& [name, value] = fields[i];
    if (is_of_the_connection(fields, name)) continue;
    if (base.empty() || !equal_ignoring_ascii_case(name, "Location")) out.add(name, value);
    else if (const auto place = own_place(value, base); !place.empty()) out.add(name, place);
  }
  return out;
}

// What Outlook goes on with quietly (row A5): a SOAP fault to whoever sent an envelope, and never a 401, which would ask for a
// password that is right.
io::Task<> answer_failure(io::HttpExchange& exchange, const Error& problem) {
  unsigned status = 500;
  std::string code = "ErrorInternalServerTransientError", text = "The mail server cannot answer now. Try again later.";
  io::HttpHeaders headers;
  if (problem.code == Errc::denied) {
    status = 403, code = "ErrorAccessDenied", text = "The mail server does not let this user in.";
  } else if (problem.code == Errc::unsupported) {
    status = 404, code = "ErrorInvalidRequest", text = "Nothing is here.";
  } else if (problem.code == Errc::limit) {
    status = 502, code = "ErrorResponseSchemaValidation", text = "The mail server's answer is too long.";
  } else if (problem.retryable()) {
    status = 503;
    headers.add("Retry-After", "10");
  }
  std::string body = text + "\n";
  if (exchange.method() == "POST") {
    if (status != 503) status = 500;
    body = wire::ews::fault(code, text);
    headers.add("Content-Type", "text/xml; charset=utf-8");
  } else {
    headers.add("Content-Type", "text/plain; charset=utf-8");
  }
  headers.add("Cache-Control", "no-store");
  const auto sent = co_await exchange.respond(status, headers, body);
  (void)sent;  // the client has gone
}

// An answer that says how long it is, and is not longer than this, goes out in one piece. Others go on as they come: they may be
// notifications of an open stream.
constexpr std::size_t short_answer = 256 * 1024;

std::optional<std::uint64_t> announced_length(const chain::WebAnswer& answer) {
  const auto text = trim(answer.fields.get("Content-Length"));
  std::uint64_t out = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size()) return {};
  return out;
}

// Passes the body on as it comes, so that no more than a little of it is held. What breaks off on the other side breaks off here: an
// answer that looked complete would be worse.
io::Task<> pass_on(io::HttpExchange& exchange, const std::string& user, chain::WebAnswer* answer, const std::string& base) {
  const auto headers = passed_on(answer->fields, base);
  Bytes first;
  bool ended = false;
  const auto length = announced_length(*answer);
  while (!ended && first.size() < (length ? short_answer : 1)) {
    auto piece = co_await answer->read();
    if (!piece) {
      log::warning("web services of {}: {}", user, piece.error().message);
      co_await answer_failure(exchange, piece.error());
      co_return;
    }
    ended = piece->empty();
    first.insert(first.end(), piece->begin(), piece->end());
  }
  // What downloads in the background wants to know the length, of a HEAD too; where nobody says, zero would be wrong.
  const bool only_head = exchange.method() == "HEAD" && answer->status != 204 && answer->status != 304;
  if (ended && !only_head) {
    const auto sent = co_await exchange.respond(answer->status, headers, View(first));
    (void)sent;  // the client has gone
    co_return;
  }
  if (length) exchange.begin_stream(answer->status, io::http_reason(answer->status), headers, *length);
  else exchange.begin_chunked(answer->status, headers);
  auto sent = co_await exchange.write_chunk(View(first));
  first = Bytes();
  while (sent && !ended) {
    auto piece = co_await answer->read();
    if (!piece) {
      log::warning("web services of {}: {}", user, piece.error().message);
      exchange.aborter()();
      co_return;
    }
    if (piece->empty()) break;
    sent = co_await exchange.write_chunk(*piece);
  }
  if (sent) sent = co_await exchange.finish();
  (void)sent;  // the client has gone
}

}  // namespace

io::Task<> relay_web_request(Gateway& gateway, io::HttpExchange& exchange, std::shared_ptr<const chain::Identity> identity,
                             chain::WebServices* services) {
  Result<std::unique_ptr<chain::WebAnswer>> answer = error(Errc::unsupported, "{} is not passed on", exchange.path());
  if (chain::is_web_target(exchange.target())) {
    chain::WebRequest request;
    request.method = exchange.method();
    request.target = exchange.target();
    request.headers = passed_on(exchange.fields());
    request.body = exchange.body();
    auto task = services->web_request(*identity, std::move(request));
    answer = co_await std::move(task);
  }
  if (!answer) {
    log::warning("web services of {}: {}", identity->user, answer.error().message);
    co_await answer_failure(exchange, answer.error());
    co_return;
  }
  co_await pass_on(exchange, identity->user, answer->get(), external_base(gateway.options()));
}

}  // namespace mapigate::transport
