#include <algorithm>
#include <charconv>

#include "base/log.h"
#include "base/text.h"
#include "transport/gateway.h"
#include "wire/mapihttp/cookies.h"
#include "wire/mapihttp/headers.h"
#include "wire/mapihttp/preamble.h"

// MAPI over HTTP, the server's side ([MS-OXCMAPIHTTP] 3.2). Bodies pass to the chain
// as they came.

namespace mapigate::transport {

namespace {

using chain::Interface;
using chain::Operation;
using wire::mapihttp::ResponseCode;

constexpr std::string_view context_cookie = "MapiContext";
constexpr std::string_view sequence_cookie = "MapiSequence";

// What every answer repeats or says ([MS-OXCMAPIHTTP] 2.2.3.3).
struct Request {
  std::string type;
  std::string id;
  std::string client_info;
  std::string context;   // cookies, empty when absent
  std::string sequence;
  const char* endpoint = "";
  std::chrono::system_clock::time_point start = std::chrono::system_clock::now();
  Clock::time_point clock = Clock::now();
};

Request read_request(const io::HttpExchange& exchange, Interface interface) {
  Request request;
  request.type = exchange.header("X-RequestType");
  request.id = exchange.header("X-RequestId");
  request.client_info = exchange.header("X-ClientInfo");
  request.endpoint = interface == Interface::emsmdb ? "/mapi/emsmdb" : "/mapi/nspi";
  // A client may send one Cookie field each.
  const auto& fields = exchange.fields();
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (!equal_ignoring_ascii_case(fields[i].name, "Cookie")) continue;
    for (auto& cookie : wire::mapihttp::parse_cookie_header(fields[i].value)) {
      if (cookie.name == context_cookie) request.context = std::move(cookie.value);
      else if (cookie.name == sequence_cookie) request.sequence = std::move(cookie.value);
    }
  }
  return request;
}

std::string milliseconds(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

std::string cookie(std::string_view name, std::string_view value, const char* path) {
  return fmt::format("{}={}; Path={}; Secure; HttpOnly", name, value, path);
}

// Every answer of a session names its cookies, even if the session ends with it ([MS-OXCMAPIHTTP] 3.2.5.2, 3.2.5.4):
// a client may keep those of the last answer alone. What NotificationWait named as the sequence might be an old one when its
// answer overtakes, or is overtaken by, that of an Execute: it names one of its own, which is good for one Execute at any time.
enum class Cookies { none, context, ticket, all };
constexpr std::size_t most_tickets = 64;
void add_cookies(io::HttpHeaders& headers, const Request& request, SessionContext& context, Cookies which) {
  if (which == Cookies::none) return;
  headers.add("Set-Cookie", cookie(context_cookie, context.context, request.endpoint));
  if (which == Cookies::context) return;
  const std::lock_guard lock(context.mutex);
  if (which == Cookies::ticket) {
    if (context.tickets.size() == most_tickets) context.tickets.pop_front();
    context.tickets.push_back(random_token());
  }
  headers.add("Set-Cookie", cookie(sequence_cookie, which == Cookies::ticket ? context.tickets.back() : context.sequence, request.endpoint));
}

// A refusal is a text for people, and its type says so ([MS-OXCMAPIHTTP] 2.2.3.2.2).
io::HttpHeaders headers_of(Gateway& gateway, const Request& request, ResponseCode code) {
  io::HttpHeaders headers;
  headers.add("Content-Type", code == ResponseCode::Success ? "application/mapi-http" : "text/html");
  headers.add("Cache-Control", "private");
  headers.add("X-ServerApplication", gateway.options().server_application);
  headers.add("X-ResponseCode", std::to_string(static_cast<unsigned>(code)));
  if (!request.type.empty()) headers.add("X-RequestType", request.type);
  if (!request.id.empty()) headers.add("X-RequestId", request.id);
  if (!request.client_info.empty()) headers.add("X-ClientInfo", request.client_info);
  headers.add("X-PendingPeriod", milliseconds(gateway.options().pending_period));
  headers.add("X-ExpirationInfo", milliseconds(gateway.sessions().limits().expiration));
  return headers;
}

std::string html_of(std::string_view text) {
  std::string out = "<html><body>";
  for (const char c : text) {
    if (c == '<') out += "&lt;";
    else if (c == '&') out += "&amp;";
    else out += c;
  }
  return out + "</body></html>\r\n";
}

// A protocol error is HTTP 200 with its code, and a text for whoever reads a trace.
io::Task<> refuse_with(io::HttpHeaders headers, io::HttpExchange& exchange, const Request& request, ResponseCode code,
                       std::string why) {
  log::debug("{} {} from {} refused with X-ResponseCode {}: {}", request.endpoint, request.type, exchange.peer().ip,
             static_cast<unsigned>(code), why);
  const auto sent = co_await exchange.respond(200, headers, html_of(why));
  (void)sent;  // the client has gone; nothing is lost
}
io::Task<> refuse(Gateway& gateway, io::HttpExchange& exchange, const Request& request, ResponseCode code,
                  std::string why) {
  auto headers = headers_of(gateway, request, code);
  co_await refuse_with(std::move(headers), exchange, request, code, std::move(why));
}

// A call in progress: shared by the task that runs it on the session's executor and the
// one that keeps the client waiting.
struct Pending {
  std::shared_ptr<SessionContext> context;
  std::unique_ptr<chain::Call> call;
  std::optional<Result<chain::Reply>> result;
  io::Event done;
  std::function<void()> stop;  // ends it before its time, from any thread: the result is then Errc::cancelled
};

void finish(Pending& pending, Result<chain::Reply> result) {
  if (!result && result.error().code == Errc::internal)
    log::error("{} for {}: {}", chain::to_string(pending.call->operation()), pending.call->session().identity().user,
               result.error().message);
  pending.result.emplace(std::move(result));
  --pending.context->requests;
  pending.context->touch();
  // Before the client hears of it: its next Execute may come at once, by another connection.
  if (pending.call->operation() == Operation::Execute) {
    const std::lock_guard lock(pending.context->mutex);
    pending.context->executing = false;
  }
  pending.done.set();
}

std::string done_of(const Request& request, ResponseCode code) {
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - request.clock).count();
  return wire::mapihttp::done_tag(code, static_cast<std::uint64_t>(elapsed),
                                  io::http_date(std::chrono::system_clock::to_time_t(request.start)));
}

// How long an answer may take before its PROCESSING leaves by itself, far less than any pending
// period. Most calls are done sooner and go out in one piece.
constexpr auto processing_grace = std::chrono::milliseconds(100);

using Trouble = chain::Reply::Trouble;
Trouble trouble_of(const Result<chain::Reply>& result) {
  if (result) return result->trouble;
  return result.error().retryable() ? Trouble::unavailable : result.error().code == Errc::denied ? Trouble::denied : Trouble::none;
}

// HTTP's own ways: "later", with which Outlook keeps what it has and tries the same request
// again, and "who are you?".
io::Task<bool> answer_trouble(Gateway& gateway, io::HttpExchange& exchange, Trouble trouble) {
  io::HttpHeaders headers{{"Content-Type", "text/plain"}, {"Cache-Control", "no-store"}};
  if (trouble == Trouble::unavailable) headers.add("Retry-After", "10");
  else gateway.add_challenges(headers);
  const std::string_view text = trouble == Trouble::unavailable ? "The mail server cannot be reached; try again later.\n"
                                                                : "The user name or password is wrong.\n";
  const auto sent = co_await exchange.respond(trouble == Trouble::unavailable ? 503 : 401, headers, text);
  co_return sent.has_value();
}

void restore_sequence(SessionContext& context, const Request& request) {
  const std::lock_guard lock(context.mutex);
  context.sequence = request.sequence;
}

void log_failure(const Request& request, const Pending& pending) {
  if (!*pending.result)
    log::warning("{} for {}: {}", request.type, pending.context->session->identity().user, pending.result->error().message);
}

ResponseCode code_of(const Result<chain::Reply>& result) {
  if (result) return static_cast<ResponseCode>(result->response_code);
  // Outlook takes UnknownFailure as a reason to try again, keeping what it has.
  return result.error().code == Errc::malformed ? ResponseCode::InvalidRequestBody : ResponseCode::UnknownFailure;
}

// Sends PROCESSING, PENDING … while the call runs, and DONE with its outcome (rows M3, M4). False: the
// client has gone.
io::Task<bool> answer(Gateway& gateway, io::HttpExchange& exchange, const Request& request,
                      Cookies cookies, std::shared_ptr<Pending> pending, bool at_once) {
  const auto period = gateway.options().pending_period;
  bool done = false;
  if (!at_once) done = co_await pending->done.wait_for(processing_grace);
  if (const auto trouble = done ? trouble_of(*pending->result) : Trouble::none; trouble != Trouble::none) {
    // Nothing was done, and the client keeps its old cookie: it may send the same again.
    if (pending->call->operation() == Operation::Execute) restore_sequence(*pending->context, request);
    const auto sent = co_await answer_trouble(gateway, exchange, trouble);
    co_return sent;
  }
  // What fails before anything was said fails in the headers; later the additional ones have to tell.
  const auto early = done ? code_of(*pending->result) : ResponseCode::Success;
  auto headers = headers_of(gateway, request, early);
  add_cookies(headers, request, *pending->context, cookies);
  if (early != ResponseCode::Success) {
    log_failure(request, *pending);
    // The chain's session is lost (an upstream has forgotten it), and the client hears so: ours is over too.
    if (early == ResponseCode::ContextNotFound) gateway.sessions().end(pending->context);
    co_await refuse_with(std::move(headers), exchange, request, early, "the request failed");
    co_return true;
  }
  exchange.begin_chunked(200, headers);
  exchange.queue(as_view(wire::mapihttp::processing_tag));
  while (!done) {
    const auto sent = co_await exchange.flush();
    if (!sent) co_return false;
    // Well inside the period, so that it holds on slow lines too.
    done = co_await pending->done.wait_for(period / 2);
    if (!done) exchange.queue(as_view(wire::mapihttp::pending_tag));
  }
  auto& result = *pending->result;
  const bool stopped = at_once && !result && result.error().code == Errc::cancelled;  // a wait, whose client has gone
  if (stopped) co_return false;
  log_failure(request, *pending);
  const auto code = code_of(result);
  Bytes body;
  if (code == ResponseCode::Success) body = std::move(result->body);
  exchange.queue(as_view(done_of(request, code)));
  exchange.queue(body);
  if (code == ResponseCode::ContextNotFound) gateway.sessions().end(pending->context);
  const auto sent = co_await exchange.finish();
  co_return sent.has_value();
}

std::shared_ptr<Pending> start(Gateway& gateway, std::shared_ptr<SessionContext> context, Operation operation,
                               chain::ClientInfo client, Bytes body, Duration limit) {
  (void)gateway;
  auto pending = std::make_shared<Pending>();
  pending->context = context;
  pending->call = std::make_unique<chain::Call>(*context->session, operation, std::move(client), std::move(body));
  ++context->requests;
  context->touch();
  pending->stop = io::spawn<chain::Reply>(context->session->executor(), limit, context->session->chain().run(*pending->call),
                                          [pending](Result<chain::Reply> result) { finish(*pending, std::move(result)); });
  return pending;
}

// Did the chain let the client in? A failure body has no ErrorCode; every operation's success
// body begins with StatusCode and ErrorCode.
bool opened(const Result<chain::Reply>& result) {
  if (!result || result->response_code != 0) return false;
  Cursor cursor(result->body);
  const auto status = cursor.scalar<std::uint32_t>();
  const auto code = cursor.scalar<std::uint32_t>();
  return cursor.ok() && status == 0 && code == mapi::ecNone;
}

io::Task<> open_session(Gateway& gateway, io::HttpExchange& exchange, const Request& request, Operation operation,
                        chain::ClientInfo client, std::shared_ptr<const chain::Identity> identity) {
  const auto route = gateway.route(identity->user);
  if (!route) {
    co_await refuse(gateway, exchange, request, ResponseCode::NoPrivilege, "no route for " + identity->user);
    co_return;
  }
  auto context = std::make_shared<SessionContext>();
  context->context = random_token();
  context->sequence = random_token();
  context->session = std::make_unique<chain::Session>(gateway.sessions().next_id(), chain::interface_of(operation), identity,
                                                      route->chain, gateway.executor_of(identity->user));
  auto pending = start(gateway, context, operation, std::move(client), to_bytes(exchange.body()), gateway.options().execute_limit);
  // The cookies are headers, so the outcome has to be known first; a logon may take a while on a slow
  // backend, and without cookies no keep-alive is to be had ([MS-OXCMAPIHTTP] 3.2.5.1).
  const auto done = co_await pending->done.wait_for(gateway.options().execute_limit + std::chrono::seconds(5));
  if (!done) {
    co_await refuse(gateway, exchange, request, ResponseCode::UnknownFailure, "no answer in time");
    co_return;
  }
  const auto good = opened(*pending->result);
  if (good) {
    // Who connects anew has done with the session whose cookies still come along (3.2.5.6).
    if (!request.context.empty()) {
      const auto previous = gateway.sessions().find(request.context, identity->user, chain::interface_of(operation));
      if (previous != nullptr) gateway.sessions().end(previous);
    }
    if (const auto added = gateway.sessions().add(context); !added) {
      log::warning("{} for {}: {}", request.type, identity->user, added.error().message);
      co_await refuse(gateway, exchange, request, ResponseCode::UnknownFailure, added.error().message);
      co_return;
    }
    log::info("{} {} opens session {} from {} with {}", identity->user, request.type, context->session->id(),
              exchange.peer().ip, pending->call->client().application);
  }
  const auto sent = co_await answer(gateway, exchange, request, good ? Cookies::all : Cookies::none, pending, false);
  (void)sent;  // a client that has gone will connect anew; the session expires
}

// The session of a request that needs one, or null after a refusal.
io::Task<std::shared_ptr<SessionContext>> session_of(Gateway& gateway, io::HttpExchange& exchange, const Request& request,
                                                     Interface interface, const std::string& user) {
  std::shared_ptr<SessionContext> context;
  if (request.context.empty()) {
    co_await refuse(gateway, exchange, request, ResponseCode::MissingCookie, "the session context cookie is missing");
    co_return context;
  }
  if (!is_token(request.context)) {
    co_await refuse(gateway, exchange, request, ResponseCode::InvalidContextCookie, "the session context cookie is none of ours");
    co_return context;
  }
  context = gateway.sessions().find(request.context, user, interface);
  if (context == nullptr)
    co_await refuse(gateway, exchange, request, ResponseCode::ContextNotFound, "there is no such session");
  co_return context;
}

bool is_executing(SessionContext& context) {
  const std::lock_guard lock(context.mutex);
  return context.executing;
}

io::Task<> ping(Gateway& gateway, io::HttpExchange& exchange, const Request& request, Interface interface,
                const std::string& user) {
  auto headers = headers_of(gateway, request, ResponseCode::Success);
  // Keeps a session from expiring; without a cookie it only shows that somebody is here.
  if (!request.context.empty()) {
    const auto context = co_await session_of(gateway, exchange, request, interface, user);
    if (context == nullptr) co_return;
    context->touch();
    add_cookies(headers, request, *context, is_executing(*context) ? Cookies::context : Cookies::all);
  }
  const auto body = std::string(wire::mapihttp::processing_tag) + done_of(request, ResponseCode::Success);
  const auto sent = co_await exchange.respond(200, headers, body);
  (void)sent;
}

// Execute in its turn: the sequence cookie must be the one given out last (row M2), or a ticket, and only
// one may be in progress.
enum class Turn { now, wrong, busy };
Turn take_turn(SessionContext& context, const std::string& sequence) {
  const std::lock_guard lock(context.mutex);
  const auto ticket = std::find(context.tickets.begin(), context.tickets.end(), sequence);
  if (sequence != context.sequence && ticket == context.tickets.end()) return Turn::wrong;
  if (context.executing) return Turn::busy;
  if (ticket != context.tickets.end()) context.tickets.erase(ticket);
  context.executing = true;
  context.sequence = random_token();
  return Turn::now;
}

io::Task<> execute(Gateway& gateway, io::HttpExchange& exchange, const Request& request, chain::ClientInfo client,
                   std::shared_ptr<SessionContext> context, Operation operation) {
  if (request.sequence.empty()) {
    co_await refuse(gateway, exchange, request, ResponseCode::MissingCookie, "the sequence cookie is missing");
    co_return;
  }
  const auto turn = take_turn(*context, request.sequence);
  if (turn != Turn::now) {
    co_await refuse(gateway, exchange, request, ResponseCode::InvalidSequence,
                    turn == Turn::busy ? "another request of the session is in progress" : "the sequence cookie is not the last one given out");
    co_return;
  }
  auto pending = start(gateway, context, operation, std::move(client), to_bytes(exchange.body()), gateway.options().execute_limit);
  const auto sent = co_await answer(gateway, exchange, request, Cookies::all, pending, false);
  (void)sent;  // a client that has gone: the call goes on, and the next one waits for its turn
}

// One more NotificationWait of the session.
class WaitCount {
 public:
  explicit WaitCount(SessionContext& context) : context_(context) { ++context_.waits; }
  WaitCount(const WaitCount&) = delete;
  ~WaitCount() { --context_.waits; }

 private:
  SessionContext& context_;
};

// Waits beside Execute and needs no sequence.
io::Task<> notification_wait(Gateway& gateway, io::HttpExchange& exchange, const Request& request, chain::ClientInfo client,
                             std::shared_ptr<SessionContext> context, chain::PinnedConnection* pinned) {
  const WaitCount counted(*context);
  if (context->waits > gateway.options().sessions.waits) {
    co_await refuse(gateway, exchange, request, ResponseCode::InvalidSequence, "too many NotificationWaits of the session are in progress");
    co_return;
  }
  auto pending = start(gateway, context, Operation::NotificationWait, std::move(client), to_bytes(exchange.body()), gateway.options().wait_limit);
  // Nobody hears of what a wait would tell when its client has gone. It is ended, and with it those further up; the
  // session's events stay where they are, for the next Execute.
  exchange.on_closed(pending->stop);
  const auto sent = co_await answer(gateway, exchange, request, Cookies::ticket, pending, true);
  // An upstream by DCE/RPC would hold the other half of the pair for minutes.
  if (!sent && pinned != nullptr) pinned->close();
}

io::Task<> disconnect(Gateway& gateway, io::HttpExchange& exchange, const Request& request, chain::ClientInfo client,
                      std::shared_ptr<SessionContext> context, Operation operation) {
  auto pending = start(gateway, context, operation, std::move(client), to_bytes(exchange.body()), gateway.options().execute_limit);
  const auto sent = co_await answer(gateway, exchange, request, Cookies::all, pending, false);
  (void)sent;
  gateway.sessions().end(context);
}

}  // namespace

io::Task<> handle_mapi_http(Gateway& gateway, io::HttpExchange& exchange, Interface interface,
                            std::shared_ptr<const chain::Identity> identity) {
  const auto request = read_request(exchange, interface);
  if (exchange.method() != "POST") {
    co_await refuse(gateway, exchange, request, ResponseCode::InvalidVerb, "only POST is served here");
    co_return;
  }
  if (request.type.empty() || request.id.empty() || request.client_info.empty()) {
    co_await refuse(gateway, exchange, request, ResponseCode::MissingHeader,
                    request.type.empty() ? "X-RequestType is missing" : request.id.empty() ? "X-RequestId is missing" : "X-ClientInfo is missing");
    co_return;
  }
  if (exchange.body().size() > gateway.options().request_body_limit) {
    co_await refuse(gateway, exchange, request, ResponseCode::TooLarge, "the body is over the limit");
    co_return;
  }
  if (request.type == "PING") {
    co_await ping(gateway, exchange, request, interface, identity->user);
    co_return;
  }
  const auto operation = chain::operation_from_string(request.type);
  if (!operation || chain::interface_of(*operation) != interface) {
    co_await refuse(gateway, exchange, request, ResponseCode::InvalidRequestType, "unknown X-RequestType");
    co_return;
  }
  const auto content_type = lower_ascii(exchange.header("Content-Type"));
  if (!content_type.starts_with("application/mapi-http") && !content_type.starts_with("application/octet-stream")) {
    co_await refuse(gateway, exchange, request, ResponseCode::InvalidHeader, "Content-Type is not application/mapi-http");
    co_return;
  }
  // Row M5: the version comes in X-ClientApplication, else in the User-Agent, else not at all.
  chain::ClientInfo client;
  client.application = exchange.header("X-ClientApplication");
  client.user_agent = exchange.header("User-Agent");
  if (client.application.empty()) client.application = client.user_agent;
  client.info = request.client_info;
  client.request_id = request.id;
  client.peer = exchange.peer().ip;
  client.pinned = identity->pinned;

  if (*operation == Operation::Connect || *operation == Operation::Bind) {
    co_await open_session(gateway, exchange, request, *operation, std::move(client), identity);
    co_return;
  }
  auto context = co_await session_of(gateway, exchange, request, interface, identity->user);
  if (context == nullptr) co_return;
  switch (*operation) {
    case Operation::Disconnect:
    case Operation::Unbind:
      co_await disconnect(gateway, exchange, request, std::move(client), context, *operation);
      break;
    case Operation::Execute:
      co_await execute(gateway, exchange, request, std::move(client), context, *operation);
      break;
    case Operation::NotificationWait:
      co_await notification_wait(gateway, exchange, request, std::move(client), context, identity->pinned.get());
      break;
    default: {  // NSPI has no sequence to keep
      auto pending = start(gateway, context, *operation, std::move(client), to_bytes(exchange.body()), gateway.options().execute_limit);
      const auto sent = co_await answer(gateway, exchange, request, Cookies::all, pending, false);
      (void)sent;  // the client has gone; the call goes on
      break;
    }
  }
}

}  // namespace mapigate::transport
