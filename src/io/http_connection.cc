#include "io/http_connection.h"

#include <boost/asio/dispatch.hpp>
#include <ctime>

#include "base/log.h"
#include "base/text.h"

namespace mapigate::io {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

constexpr std::size_t read_size = 16 * 1024;
// A busy client sends its next request at once; only a connection that stays
// idle is worth giving its buffers back and getting them again.
constexpr Duration short_wait = std::chrono::seconds(2);

unsigned status_for(const boost::system::error_code& failed, const HttpMessage& message) {
  if (failed == http::error::body_limit) return message.shared_exceeded ? 503 : 413;
  if (failed == http::error::header_limit) return 431;
  if (failed == http::error::bad_version) return 505;
  return 400;
}

}  // namespace

HttpConnection::HttpConnection(std::shared_ptr<HttpServer::Impl> server, std::unique_ptr<Stream> stream,
                               std::uint64_t id)
    : server_(std::move(server)), stream_(std::move(stream)), executor_(stream_->executor()), id_(id) {
  next_executor_ = executor_;
  request_.body_limit = limits().body_bytes;
  request_.shared = &server_->body_bytes;
  request_.shared_limit = limits().all_bodies_bytes;
  request_.streams = &server_->options.streams;
}

Task<> HttpConnection::run(std::shared_ptr<HttpConnection> self) {
  auto& server = *self->server_;
  if (server.options.tls) {
    auto secured = co_await self->stream_->accept_tls(server.options.tls, self->limits().handshake_limit);
    if (!secured) {
      server.tls_failures.add();
      log::debug("{}: {}", server.options.name, secured.error().message);
      self->end();
      co_return;
    }
  }
  spawn(self->executor_, serve(self));
}

Task<> HttpConnection::serve(std::shared_ptr<HttpConnection> self) {
  struct End {
    HttpConnection* connection;
    ~End() {
      if (connection) connection->end();
    }
  } end{self.get()};
  for (;;) {
    bool complete = co_await self->read_request();
    if (!complete) co_return;
    co_await self->answer();
    if (self->failed_ || !self->finished_) co_return;
    if (!self->keep_alive_) break;
    if (self->next_executor_ == self->executor_ || self->watching_) continue;
    if (!self->change_loop()) co_return;
    end.connection = nullptr;
    spawn(self->executor_, serve(self));
    co_return;
  }
  self->stream_->shutdown();
}

void HttpConnection::end() {
  request_.drop_body();
  stream_->close();
  server_->end(id_);
}

Executor HttpConnection::executor() const {
  std::lock_guard lock(executor_mutex_);
  return executor_;
}

bool HttpConnection::change_loop() {
  auto moved = stream_->move_to(next_executor_);
  if (!moved) {
    log::debug("{}: {}", server_->options.name, moved.error().message);
    return false;
  }
  std::lock_guard lock(executor_mutex_);
  executor_ = next_executor_;
  return true;
}

void HttpConnection::begin_drain() {
  if (idle_) {
    stream_->cancel();
  } else {
    keep_alive_ = false;
  }
}

void HttpConnection::force_close() {
  failed_ = true;
  mark_gone();
  stream_->close();
}

Task<bool> HttpConnection::wait_for_request() {
  auto wait = std::min(short_wait, limits().idle_limit);
  auto ready = co_await stream_->wait_readable(wait);
  if (!ready && ready.error().code == Errc::timeout && limits().idle_limit > wait) {
    in_.release();
    request_.fields.release();
    std::string().swap(out_);
    std::string().swap(request_.target);
    Bytes().swap(request_.body);
    ready = co_await stream_->wait_readable(limits().idle_limit - wait);
  }
  co_return ready.has_value();
}

// More bytes for the parser; Errc::unavailable at the end of the stream.
Task<Status> HttpConnection::receive(Clock::time_point until) {
  for (;;) {
    bool would_block = false;
    auto got = stream_->try_read(in_.room(read_size), would_block);
    if (got && *got == 0) co_return error(Errc::unavailable, "end of stream");
    if (got) {
      in_.end += *got;
      co_return Status();
    }
    if (!would_block) co_return std::move(got).error();
    auto ready = co_await stream_->wait_readable(until - Clock::now());
    if (!ready) co_return std::move(ready).error();
  }
}

Task<bool> HttpConnection::read_request() {
  request_.clear();
  parser_.emplace(request_, limits().header_bytes);
  if (!more_headers_.empty()) more_headers_ = HttpHeaders();
  headers_checked_ = begun_ = finished_ = chunked_ = expects_continue_ = body_given_ = false;
  if (server_->draining.load(std::memory_order_relaxed)) co_return false;
  if (in_.size() == 0) {
    idle_ = true;
    bool ready = co_await wait_for_request();
    idle_ = false;
    if (!ready) co_return false;
  }
  idle_ = false;
  bool silent = true;  // nothing of a request has come
  auto started = Clock::now();
  auto until = started + limits().header_limit;
  for (;;) {
    // RFC 9112 section 2.2: empty lines before a request are ignored.
    while (silent && in_.size() > 0 && (*in_.data() == '\r' || *in_.data() == '\n')) in_.consume(1);
    if (in_.size() > 0) {
      silent = false;
      boost::system::error_code failed;
      in_.consume(parser_->put(asio::const_buffer(in_.data(), in_.size()), failed));
      // What the parser cannot take yet stays in the buffer, so that has a limit too.
      if (failed == http::error::need_more && in_.size() > limits().header_bytes) failed = http::error::header_limit;
      if (failed && failed != http::error::need_more) {
        co_await reject(status_for(failed, request_));
        co_return false;
      }
      if (parser_->is_header_done() && !headers_checked_) {
        bool acceptable = co_await accept_headers();
        if (!acceptable) co_return false;
        started = Clock::now();
      }
      if (parser_->is_done() || request_.streaming) co_return true;
    }
    if (headers_checked_) {
      auto earned = std::chrono::milliseconds(request_.body_received * 1000 /
                                              std::max<std::size_t>(1, limits().body_bytes_per_second));
      until = started + limits().body_grace + earned;
    }
    auto received = co_await receive(until);
    if (received) continue;
    if (received.error().code == Errc::timeout && !silent) co_await reject(408);
    co_return false;
  }
}

Task<bool> HttpConnection::accept_headers() {
  headers_checked_ = true;
  keep_alive_ = parser_->keep_alive() && !server_->draining.load(std::memory_order_relaxed);
  // RFC 9112 section 3.2: without exactly one Host an HTTP/1.1 request is bad.
  unsigned hosts = 0;
  for (std::size_t i = 0; i < request_.fields.size(); ++i) {
    if (equal_ignoring_ascii_case(request_.fields[i].name, "host")) ++hosts;
  }
  if (hosts > 1 || (hosts == 0 && request_.version >= 11)) {
    co_await reject(400);
    co_return false;
  }
  // The parser itself notices only when the first byte of the body is there.
  auto length = parser_->content_length();
  if (length && *length > limits().body_bytes && !request_.streaming) {
    co_await reject(413);
    co_return false;
  }
  if (!parser_->is_done() && request_.version >= 11 && request_.fields.contains("expect")) {
    if (!request_.fields.has_token("expect", "100-continue")) {
      co_await reject(417);
      co_return false;
    }
    if (request_.streaming) {
      expects_continue_ = true;
      co_return true;
    }
    out_.assign("HTTP/1.1 100 Continue\r\n\r\n");
    auto sent = co_await send({});
    if (!sent) co_return false;
  }
  co_return true;
}

Task<> HttpConnection::reject(unsigned status) {
  server_->rejected.add();
  keep_alive_ = false;
  request_.method.clear();
  HttpHeaders none;
  auto text = http_reason(status);
  auto sent = co_await respond(status, none, as_view(text));
  if (!sent) co_return;
  // Closing with unread bytes would reset the connection and may destroy the
  // answer on its way: read and drop for a while.
  stream_->shutdown();
  auto until = Clock::now() + std::chrono::seconds(2);
  for (std::size_t dropped = 0; dropped < 4 * 1024 * 1024;) {
    in_.consume(in_.size());
    auto received = co_await receive(until);
    if (!received) co_return;
    dropped += in_.size();
  }
}

Task<> HttpConnection::answer() {
  auto started = Clock::now();
  server_->requests.add();
  answering_ = true;
  HttpExchange exchange(*this);
  co_await call_handler(exchange);
  answering_ = false;
  if (!begun_ && !gone_ && !failed_) {
    HttpHeaders none;
    co_await respond(500, none, {});
  }
  if (closed_used_) co_await end_watch();
  if (request_.streaming) co_await drop_rest_of_body();
  if (!finished_ || gone_) keep_alive_ = false;
  server_->latency.record(Clock::now() - started);
}

Task<> HttpConnection::call_handler(HttpExchange& exchange) {
  try {
    co_await server_->handler(exchange);
  } catch (const std::exception& e) {
    log::error("{}: handling {} {} failed: {}", server_->options.name, request_.method, request_.target, e.what());
  }
}

void HttpConnection::mark_gone() {
  if (gone_) return;
  gone_ = true;
  closed_.set();
  if (auto callback = std::exchange(on_closed_, nullptr)) callback();
}

void HttpConnection::start_watch() {
  if (watching_ || gone_ || !answering_) return;
  watching_ = true;
  watch_ended_.reset();
  spawn(executor_, watch(shared_from_this()));
}

// While the handler works, a readable connection means the next request (kept for
// later) or the client's end.
Task<> HttpConnection::watch(std::shared_ptr<HttpConnection> self) {
  // Whoever is silent for long waits without buffers; a channel is from the beginning.
  bool silent = self->request_.streaming;
  while (self->answering_ && self->in_.size() < self->limits().pipelined_bytes) {
    if (silent) self->in_.release();
    const Duration limit = silent ? Duration::max() : short_wait;
    auto ready = co_await self->stream_->wait_readable(limit);
    if (!ready && ready.error().code == Errc::timeout) {
      silent = true;
      continue;
    }
    if (ready) ready = co_await self->receive(Clock::time_point::max());
    if (ready) continue;
    if (self->answering_) self->mark_gone();
    break;
  }
  self->watching_ = false;
  self->watch_ended_.set();
}

Task<> HttpConnection::end_watch() {
  closed_used_ = false;
  on_closed_ = nullptr;
  if (watching_) {
    stream_->cancel();
    co_await watch_ended_.wait_for(std::chrono::seconds(5));
  }
  if (!gone_) closed_ = Event();
}

// The next request begins behind this one's body, so a short rest is read and dropped; a long one ends the connection.
Task<> HttpConnection::drop_rest_of_body() {
  constexpr std::size_t short_rest = 4096;
  for (std::size_t dropped = 0; keep_alive_ && finished_ && !gone_ && !parser_->is_done();) {
    if (expects_continue_ || dropped > short_rest || parser_->content_length_remaining().value_or(0) > short_rest) {
      keep_alive_ = false;
      co_return;
    }
    auto piece = co_await read_body(std::chrono::seconds(2));
    if (!piece) keep_alive_ = false;
    else dropped += piece->size();
  }
}

Task<Result<View>> HttpConnection::read_body(Duration limit) {
  if (std::exchange(expects_continue_, false)) {
    out_.assign("HTTP/1.1 100 Continue\r\n\r\n");
    auto sent = co_await send({});
    if (!sent) co_return std::move(sent).error();
  }
  const auto until = limit > Clock::time_point::max() - Clock::now() ? Clock::time_point::max() : Clock::now() + limit;
  for (;;) {
    if (!request_.body.empty() && !std::exchange(body_given_, true)) co_return View(request_.body);
    request_.body.clear();
    body_given_ = false;
    if (parser_->is_done()) co_return View();
    if (in_.size() == 0) {
      // A channel is idle most of the time and holds no buffers then.
      if (stream_->pending() == 0) {
        Bytes().swap(request_.body);
        in_.release();
        auto ready = co_await stream_->wait_readable(until - Clock::now());
        if (!ready) co_return std::move(ready).error();
      }
      auto received = co_await receive(until);
      if (!received) co_return std::move(received).error();
    }
    boost::system::error_code failed;
    in_.consume(parser_->put(asio::const_buffer(in_.data(), in_.size()), failed));
    if (failed == http::error::need_more && request_.body.empty()) {
      // A chunk's head is not complete.
      auto received = co_await receive(until);
      if (!received) co_return std::move(received).error();
    } else if (failed && failed != http::error::need_more) {
      co_return error(Errc::malformed, "{}", failed.message());
    }
  }
}

void HttpConnection::put_head(unsigned status, const HttpHeaders& headers, std::optional<std::size_t> length) {
  begun_ = true;
  fmt::format_to(std::back_inserter(out_), "HTTP/1.1 {} {}\r\n", status, http_reason(status));
  out_.append("Date: ").append(http_date(std::time(nullptr))).append("\r\n");
  out_.append(headers.wire());
  out_.append(more_headers_.wire());
  if (length && status != 204 && status != 304) {
    fmt::format_to(std::back_inserter(out_), "Content-Length: {}\r\n", *length);
  } else if (chunked_) {
    out_.append("Transfer-Encoding: chunked\r\n");
  }
  if (!keep_alive_) {
    out_.append("Connection: close\r\n");
  } else if (request_.version < 11) {
    out_.append("Connection: keep-alive\r\n");
  }
  out_.append("\r\n");
}

Task<Status> HttpConnection::send(View second) {
  Executor here = co_await asio::this_coro::executor;
  if (here != executor_) {
    Task<Status> there = send(second);
    auto sent = co_await on(executor_, std::move(there));
    co_return sent;
  }
  if (failed_) co_return error(Errc::cancelled, "the client has gone away");
  // Each piece has the whole limit: a slow client that makes progress is fine.
  constexpr std::size_t piece = 256 * 1024;
  View first = as_view(out_);
  Status sent;
  do {
    auto now = second.first(std::min(piece, second.size()));
    second = second.subspan(now.size());
    sent = co_await stream_->write(first, now, limits().write_limit);
    first = {};
  } while (sent && !second.empty());
  if (request_.streaming) std::string().swap(out_);
  else out_.clear();
  if (!sent) {
    failed_ = true;
    keep_alive_ = false;
    mark_gone();
  }
  co_return sent;
}

Task<Status> HttpConnection::respond(unsigned status, const HttpHeaders& headers, View body) {
  if (begun_) {
    return [](HttpConnection*) -> Task<Status> { co_return error(Errc::conflict, "answered already"); }(this);
  }
  put_head(status, headers, body.size());
  finished_ = true;
  if (request_.method == "HEAD" || status == 204 || status == 304) body = {};
  return send(body);
}

void HttpConnection::queue(View chunk) {
  // An empty chunk would be the end mark.
  if (chunk.empty() || request_.method == "HEAD" || finished_) return;
  if (chunked_) fmt::format_to(std::back_inserter(out_), "{:x}\r\n", chunk.size());
  out_.append(as_text(chunk));
  if (chunked_) out_.append("\r\n");
}

void HttpConnection::queue_end() {
  if (finished_) return;
  finished_ = true;
  if (chunked_ && request_.method != "HEAD") out_.append("0\r\n\r\n");
}

std::string_view HttpExchange::method() const { return connection_->request_.method; }
std::string_view HttpExchange::target() const { return connection_->request_.target; }
std::string_view HttpExchange::path() const { return target().substr(0, target().find('?')); }
std::string_view HttpExchange::query() const {
  auto question = target().find('?');
  return question == std::string_view::npos ? std::string_view() : target().substr(question + 1);
}
std::string_view HttpExchange::header(std::string_view name) const { return connection_->request_.fields.get(name); }
const HttpFields& HttpExchange::fields() const { return connection_->request_.fields; }
View HttpExchange::body() const { return connection_->request_.body; }
const PeerAddress& HttpExchange::peer() const { return connection_->stream_->peer(); }
const Stream& HttpExchange::stream() const { return *connection_->stream_; }
std::uint64_t HttpExchange::connection_id() const { return connection_->id_; }
Executor HttpExchange::executor() const { return connection_->executor_; }
bool HttpExchange::answered() const { return connection_->begun_; }

Task<Status> HttpExchange::respond(unsigned status, const HttpHeaders& headers, View body) {
  return connection_->respond(status, headers, body);
}

void HttpExchange::begin_chunked(unsigned status, const HttpHeaders& headers) {
  auto& c = *connection_;
  if (c.begun_) return;
  c.chunked_ = c.request_.version >= 11;
  // HTTP/1.0 has no chunks: the end of the connection is the end of the body.
  if (!c.chunked_) c.keep_alive_ = false;
  c.put_head(status, headers, {});
}

void HttpExchange::queue(View chunk) { connection_->queue(chunk); }
Task<Status> HttpExchange::flush() { return connection_->send({}); }
Task<Status> HttpExchange::write_chunk(View chunk) {
  connection_->queue(chunk);
  return connection_->send({});
}
Task<Status> HttpExchange::finish() {
  connection_->queue_end();
  return connection_->send({});
}

Task<Result<View>> HttpExchange::read_body(Duration limit) { return connection_->read_body(limit); }
void HttpExchange::drop_fields() { connection_->request_.fields.release(); }
std::optional<std::uint64_t> HttpExchange::content_length() const {
  const auto length = connection_->parser_->content_length();
  return length ? std::optional<std::uint64_t>(*length) : std::nullopt;
}
void HttpExchange::begin_stream(unsigned status, std::string_view reason, const HttpHeaders& headers, std::uint64_t length) {
  auto& c = *connection_;
  if (c.begun_) return;
  c.begun_ = true;
  fmt::format_to(std::back_inserter(c.out_), "HTTP/1.1 {} {}\r\n", status, reason);
  c.out_.append("Date: ").append(http_date(std::time(nullptr))).append("\r\n");
  c.out_.append(headers.wire());
  c.out_.append(c.more_headers_.wire());
  if (!c.keep_alive_) c.out_.append("Connection: close\r\n");
  fmt::format_to(std::back_inserter(c.out_), "Content-Length: {}\r\n\r\n", length);
}
void HttpExchange::add_response_header(std::string_view name, std::string_view value) { connection_->more_headers_.add(name, value); }
std::function<void()> HttpExchange::aborter() {
  return [weak = connection_->weak_from_this()] {
    if (auto connection = weak.lock()) HttpServer::Impl::apply(std::move(connection), &HttpConnection::force_close);
  };
}
std::function<void()> HttpExchange::closer() {
  return [weak = connection_->weak_from_this()] {
    if (auto connection = weak.lock()) HttpServer::Impl::apply(std::move(connection), &HttpConnection::begin_drain);
  };
}
std::shared_ptr<void>& HttpExchange::attachment() { return connection_->attachment_; }

Event HttpExchange::closed() {
  auto& c = *connection_;
  c.closed_used_ = true;
  asio::dispatch(c.executor_, [self = c.shared_from_this()] { self->start_watch(); });
  return c.closed_;
}

void HttpExchange::on_closed(std::function<void()> callback) {
  auto& c = *connection_;
  c.closed_used_ = true;
  asio::dispatch(c.executor_, [self = c.shared_from_this(), callback = std::move(callback)]() mutable {
    if (self->gone_) {
      callback();
      return;
    }
    if (!self->answering_) return;
    self->on_closed_ = std::move(callback);
    self->start_watch();
  });
}

void HttpExchange::serve_next_on(Executor executor) { connection_->next_executor_ = std::move(executor); }
void HttpExchange::close_after() { connection_->keep_alive_ = false; }

}  // namespace mapigate::io
