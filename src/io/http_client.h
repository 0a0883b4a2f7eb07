// An HTTP/1.1 client that keeps connections. Redirects and cookies are the caller's.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "io/http_message.h"
#include "io/runtime.h"
#include "io/stream.h"
#include "io/task.h"

namespace mapigate::io {

struct HttpRequest {
  std::string method = "GET";
  Url url;
  HttpHeaders headers;  // Host, Content-Length are added
  View body;            // borrowed until the task ends
};

struct HttpResponse {
  unsigned status = 0;
  HttpFields fields;
  Bytes body;

  std::string_view header(std::string_view name) const { return fields.get(name); }
};

struct RequestOptions {
  Duration limit = std::chrono::seconds(60);       // the whole request, without reading a streamed body
  Duration inter_byte = std::chrono::seconds(60);  // silence while a body is read
  std::size_t body_bytes = 64 * 1024 * 1024;
  std::size_t header_bytes = 64 * 1024;
};

struct HttpClientOptions {
  std::shared_ptr<TlsClientContext> tls;  // none = verify with the system's store
  std::size_t connections_per_origin = 256;
  Duration idle_limit = std::chrono::seconds(30);
  Duration connect_limit = std::chrono::seconds(10);
  Duration handshake_limit = std::chrono::seconds(10);
  Metrics* metrics = nullptr;
};

class HttpClientConnection;

// An answer whose body is still to be read. Hands its connection back to the
// pool when the body has been read to its end, else closes it.
class HttpDownload {
 public:
  struct Impl;
  explicit HttpDownload(std::unique_ptr<Impl> impl);
  HttpDownload(HttpDownload&&) noexcept;
  HttpDownload& operator=(HttpDownload&&) noexcept;
  ~HttpDownload();

  unsigned status() const;
  const HttpFields& fields() const;
  HttpFields take_fields();
  // The next piece, valid until the next call; empty at the end of the body.
  Task<Result<View>> read(Duration inter_byte);

 private:
  std::unique_ptr<Impl> impl_;
};

// Usable from every executor of the runtime; connections stay on the executor
// they were opened on. A request is repeated once, on a new connection, only when a
// kept connection turned out dead before the first byte of an answer.
class HttpClient {
 public:
  struct Impl;
  static Result<std::shared_ptr<HttpClient>> create(Runtime& runtime, HttpClientOptions options = {});
  explicit HttpClient(std::shared_ptr<Impl> impl);
  ~HttpClient();

  Task<Result<HttpResponse>> request(HttpRequest request, RequestOptions options = {});
  // Returns when the header fields are there: for long polls and large bodies.
  Task<Result<HttpDownload>> open(HttpRequest request, RequestOptions options = {});

  // A connection of one's own, for servers that bind state (NTLM) to it.
  Task<Result<std::unique_ptr<HttpClientConnection>>> dedicate(Url origin);

  std::size_t idle_connections() const;
  std::uint64_t opened_connections() const;

 private:
  std::shared_ptr<Impl> impl_;
};

// Outside the pool; never reconnects by itself. One request at a time.
class HttpClientConnection {
 public:
  struct Impl;
  explicit HttpClientConnection(std::unique_ptr<Impl> impl);
  ~HttpClientConnection();
  Task<Result<HttpResponse>> request(HttpRequest request, RequestOptions options = {});
  // Returns when the header fields are there, without a body: read() brings that, and has to reach its end before another request.
  Task<Result<HttpResponse>> open(HttpRequest request, RequestOptions options = {});
  // As HttpDownload::read().
  Task<Result<View>> read(Duration inter_byte);
  bool is_open() const;
  void close();  // at once; a request in progress ends with an error
  const Stream& stream() const;
  // The connection for another protocol than this, between two requests; the object is of no use afterwards.
  std::unique_ptr<Stream> take_stream();

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace mapigate::io
