// An HTTP/1.1 server, plain or TLS.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "io/http_message.h"
#include "io/runtime.h"
#include "io/stream.h"
#include "io/sync.h"
#include "io/task.h"

namespace mapigate::io {

class HttpConnection;

// One request and its answer. Lives until the handler's task ends. May be used
// from another executor too (by one task at a time).
class HttpExchange {
 public:
  explicit HttpExchange(HttpConnection& connection) : connection_(&connection) {}
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  std::string_view method() const;
  std::string_view target() const;  // as sent
  std::string_view path() const;    // before '?', not decoded
  std::string_view query() const;   // after '?'
  std::string_view header(std::string_view name) const;  // empty when there is none
  const HttpFields& fields() const;
  View body() const;
  const PeerAddress& peer() const;
  const Stream& stream() const;  // for what TLS negotiated
  std::uint64_t connection_id() const;
  Executor executor() const;

  // Answers once. `body` must live until the task ends, the headers need not.
  // Errc::conflict when an answer has begun already.
  Task<Status> respond(unsigned status, const HttpHeaders& headers, View body);
  Task<Status> respond(unsigned status, const HttpHeaders& headers, std::string_view body) {
    return respond(status, headers, as_view(body));
  }

  // Or piece by piece: begin_chunked() and queue() only collect, flush() sends; what
  // is collected together leaves in one write. A limit is set by the write timeout.
  void begin_chunked(unsigned status, const HttpHeaders& headers);
  void queue(View chunk);
  Task<Status> flush();
  Task<Status> write_chunk(View chunk);  // queue and flush
  Task<Status> finish();                 // the end mark, and flush

  bool answered() const;  // an answer has begun

  // For requests that ListenOptions::streams names: body() is empty, and what comes is had here. The next piece of
  // the body, empty at its end; valid until the next call. `100 Continue` leaves with the first call.
  Task<Result<View>> read_body(Duration limit);
  // The request's fields are not needed any more: what a channel keeps for hours is better small. Views of them end.
  void drop_fields();
  // The body's length as announced; none when it comes in chunks or there is no body.
  std::optional<std::uint64_t> content_length() const;
  // Begins an answer of a length that may never be reached: queue() and flush() send its bytes as they are, and
  // without finish() the connection ends with the handler.
  void begin_stream(unsigned status, std::string_view reason, const HttpHeaders& headers, std::uint64_t length);

  // A field that the answer gets besides those it is given; before the answer begins.
  void add_response_header(std::string_view name, std::string_view value);

  // Closes the connection, on its executor: to be called from any thread at any time, also when it has ended. For
  // handlers that end the connection with themselves.
  std::function<void()> aborter();
  // The same, but an answer in progress goes out first.
  std::function<void()> closer();

  // What a protocol keeps with the connection from request to request; gone with it.
  std::shared_ptr<void>& attachment();

  // Set when the client has gone away (or the server stops) before the answer was
  // complete. From the first call on, the connection is watched.
  Event closed();
  // Called at that moment on executor(), or at once when it is past. At most one; gone after the answer.
  void on_closed(std::function<void()> callback);

  // The connection's later requests are read and handled on that loop.
  void serve_next_on(Executor executor);
  void close_after();  // no further request on this connection

 private:
  HttpConnection* connection_;
};

using HttpHandler = std::function<Task<>(HttpExchange&)>;

struct HttpLimits {
  std::size_t header_bytes = 32 * 1024;          // request line and fields; then 431
  std::size_t body_bytes = 64 * 1024 * 1024;     // one body; then 413
  std::size_t all_bodies_bytes = 512 * 1024 * 1024;  // bodies in flight of all connections; then 503
  std::size_t connections = 10000;               // then closed at once, counted
  Duration handshake_limit = std::chrono::seconds(10);
  Duration header_limit = std::chrono::seconds(30);  // from the first byte to the end of the fields; then 408
  Duration body_grace = std::chrono::seconds(30);    // for a body, plus its size over the rate below; then 408
  std::size_t body_bytes_per_second = 1024;
  Duration idle_limit = std::chrono::minutes(5);     // between requests, and before the first
  Duration write_limit = std::chrono::seconds(60);   // without progress of one write
  std::size_t pipelined_bytes = 64 * 1024;       // read ahead while an answer is pending and watched
};

struct ListenOptions {
  std::string address = "127.0.0.1";  // or ::1, 0.0.0.0, :: (both families)
  std::uint16_t port = 0;             // 0 = any free one
  std::shared_ptr<TlsServerContext> tls;  // none = plain
  HttpLimits limits;
  Metrics* metrics = nullptr;
  std::string name = "http";  // the label in metrics and logs
  // Which requests have a body that is no message but a channel: their handlers run as soon as the fields are here.
  std::function<bool(std::string_view method, std::string_view target)> streams;
};

class HttpServer {
 public:
  // Listens and accepts from now on.
  static Result<std::unique_ptr<HttpServer>> listen(Runtime& runtime, ListenOptions options, HttpHandler handler);
  ~HttpServer();  // stops without grace
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;
  std::size_t connections() const;
  // No new connections; idle ones are closed, the others after their answer, at
  // last when `grace` is over.
  Task<> stop(Duration grace);

  struct Impl;

 private:
  explicit HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

}  // namespace mapigate::io
