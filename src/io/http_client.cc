#include "io/http_client.h"

#include <boost/asio/dispatch.hpp>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "io/http_parser.h"
#include "io/loop_timers.h"
#include "io/sync.h"
#include "io/tls.h"

namespace mapigate::io {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

constexpr std::size_t read_size = 16 * 1024;
using Until = Clock::time_point;

// A connection with what belongs to the message on it.
struct Link {
  explicit Link(std::unique_ptr<Stream> s) : stream(std::move(s)), executor(stream->executor()) {}
  Link(const Link&) = delete;

  std::unique_ptr<Stream> stream;
  Executor executor;
  HttpInput in;
  HttpMessage message;
  std::optional<HttpParser<false>> parser;
  std::string head;
  Until idle_since;
  bool reused = false;
  bool heard = false;     // a byte of the answer has come
  bool reusable = false;  // after the whole answer
  bool delivered = false;  // what is in the message's body has been read
  bool amid = false;       // of one that is kept: a message has begun, and its answer has not ended

  // At the end of the stream Errc::unavailable, with `ended` set.
  Task<Status> receive(Until until, bool* ended) {
    for (;;) {
      bool would_block = false;
      auto received = receive_now(&would_block, ended);
      if (!would_block) co_return received;
      auto ready = co_await stream->wait_readable(until - Clock::now());
      if (!ready) co_return ready;
    }
  }

  // What is there already.
  Status receive_now(bool* would_block, bool* ended) {
    *ended = false;
    auto got = stream->try_read(in.room(read_size), *would_block);
    if (!got) return std::move(got).error();
    if (*got == 0) {
      *ended = true;
      return error(Errc::unavailable, "{} closed the connection", stream->peer().ip);
    }
    in.end += *got;
    heard = true;
    return {};
  }

  Status parse() {
    boost::system::error_code failed;
    in.consume(parser->put(asio::const_buffer(in.data(), in.size()), failed));
    if (!failed || failed == http::error::need_more) return {};
    if (failed == http::error::body_limit) return error(Errc::limit, "the answer is larger than {}", message.body_limit);
    if (failed == http::error::header_limit) return error(Errc::limit, "the answer's header fields are too large");
    return error(Errc::malformed, "the answer is no HTTP: {}", failed.message());
  }

  bool complete() const { return parser && parser->is_done(); }

  void finish_message() {
    reusable = parser->keep_alive() && !parser->need_eof() && in.size() == 0;
    parser.reset();
  }

  // To the end of the header fields, or further if more came with them.
  Task<Status> start(const HttpRequest* request, const RequestOptions* options, bool collect, Until until) {
    heard = reusable = delivered = false;
    head.clear();
    fmt::format_to(std::back_inserter(head), "{} {} HTTP/1.1\r\nHost: {}\r\n", request->method, request->url.target,
                   request->url.authority());
    head.append(request->headers.wire());
    // RFC 9110 section 8.6: methods that expect a body say so even if it is empty.
    bool expects = request->method == "POST" || request->method == "PUT" || request->method == "PATCH";
    if (expects || !request->body.empty()) {
      fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", request->body.size());
    }
    head.append("\r\n");
    auto sent = co_await stream->write(as_view(head), request->body, until - Clock::now());
    if (!sent && sent.error().code != Errc::unavailable) co_return sent;
    // A server may refuse before it has read everything, and close: its answer counts.
    if (!sent) until = std::min(until, Clock::now() + std::chrono::seconds(1));
    // The answer takes its time: looking for it at once would be in vain.
    auto ready = co_await stream->wait_readable(until - Clock::now());
    if (!ready && !sent) co_return sent;
    if (!ready) co_return ready;
    message.clear();
    message.body_limit = collect ? options->body_bytes : SIZE_MAX;
    do {
      parser.emplace(message, options->header_bytes);
      if (request->method == "HEAD") parser->skip(true);
      message.clear();
      auto read = co_await read_head(options->header_bytes, until);
      if (!read && !sent && !heard) co_return sent;
      if (!read) co_return read;
      // 1xx answers precede the real one.
    } while (message.status >= 100 && message.status < 200 && message.status != 101);
    if (!sent) stream->close();
    co_return Status();
  }

  Task<Status> read_head(std::size_t most, Until until) {
    while (!parser->is_header_done()) {
      if (in.size() > 0) {
        auto parsed = parse();
        if (!parsed) co_return parsed;
        if (parser->is_header_done()) break;
        if (in.size() > most) co_return error(Errc::limit, "the answer's header fields are too large");
      }
      bool would_block = false, ended = false;
      auto received = receive_now(&would_block, &ended);
      if (would_block) received = co_await receive(until, &ended);
      if (!received) co_return received;
    }
    co_return Status();
  }

  Task<Status> read_more(Until until) {
    bool ended = false;
    auto received = co_await receive(until, &ended);
    if (received) co_return parse();
    if (!ended) co_return received;
    boost::system::error_code failed;
    parser->put_eof(failed);
    if (failed) co_return error(Errc::unavailable, "the answer ends too early");
    co_return Status();
  }

  Task<Status> read_all(Duration inter_byte, Until until) {
    while (!parser->is_done()) {
      auto next = std::min(until, deadline_after(inter_byte));
      auto more = co_await read_more(next);
      if (!more) co_return more;
    }
    finish_message();
    co_return Status();
  }

  // Of a body that is not collected; empty at its end.
  Task<Result<View>> next_piece(Duration inter_byte) {
    auto until = deadline_after(inter_byte);
    while (parser) {
      if (delivered) message.body.clear();
      delivered = !message.body.empty();
      if (delivered) co_return View(message.body);
      if (complete()) {
        finish_message();
        break;
      }
      auto more = co_await read_more(until);
      if (!more) co_return std::move(more).error();
    }
    co_return View();
  }

  HttpResponse take_response() {
    HttpResponse response;
    response.status = message.status;
    response.fields = std::move(message.fields);
    response.body = std::move(message.body);
    message.fields.clear();
    message.body.clear();
    return response;
  }
};

using LinkPtr = std::unique_ptr<Link>;

struct Origin {
  std::vector<LinkPtr> idle;  // the longest idle first
  std::size_t open = 0;       // idle and in use
  Event released;
};

// A connection belongs to its executor and has to die there.
void discard(LinkPtr link) {
  if (!link) return;
  auto executor = link->executor;
  asio::dispatch(executor, [link = std::move(link)]() mutable {
    link->stream->shutdown();
    link.reset();
  });
}

}  // namespace

struct HttpClient::Impl : std::enable_shared_from_this<HttpClient::Impl> {
  Impl(HttpClientOptions o)
      : options(std::move(o)),
        opened(metrics().counter("mapigate_http_client_connections_total", "Connections opened by the HTTP client")),
        repeated(metrics().counter("mapigate_http_client_repeated_total", "Requests repeated on a new connection")) {}
  ~Impl() {
    for (auto& [key, origin] : origins) {
      for (auto& link : origin->idle) discard(std::move(link));
    }
  }

  Metrics& metrics() { return options.metrics ? *options.metrics : own_metrics; }

  std::shared_ptr<Origin> origin_of(const Url& url) {
    std::string key = (url.tls ? "s" : "p") + url.host + ':' + std::to_string(url.port);
    std::lock_guard lock(mutex);
    auto& origin = origins[key];
    if (!origin) origin = std::make_shared<Origin>();
    return origin;
  }

  void give_back(Origin& origin, LinkPtr link) {
    bool keep = link && link->reusable && link->stream->is_open();
    {
      std::lock_guard lock(mutex);
      if (keep) {
        link->idle_since = Clock::now();
        origin.idle.push_back(std::move(link));
      } else {
        --origin.open;
      }
    }
    origin.released.set();
    discard(std::move(link));
  }

  // A kept connection of this executor that still stands, or null.
  LinkPtr reuse(Origin& origin, const Executor& here) {
    while (auto link = take_idle(origin, here)) {
      link->reused = true;
      const auto idle = Clock::now() - link->idle_since;
      // One that was in use just now is not worth a system call: a request that meets its end is repeated anyway.
      constexpr auto just_now = std::chrono::milliseconds(50);
      if (idle < options.idle_limit && (idle < just_now || link->stream->is_quiet())) return link;
      link->reusable = false;
      give_back(origin, std::move(link));
    }
    return nullptr;
  }

  LinkPtr take_idle(Origin& origin, const Executor& here) {
    std::lock_guard lock(mutex);
    for (auto i = origin.idle.size(); i-- > 0;) {
      if (origin.idle[i]->executor != here) continue;
      auto link = std::move(origin.idle[i]);
      origin.idle.erase(origin.idle.begin() + static_cast<std::ptrdiff_t>(i));
      return link;
    }
    return nullptr;
  }

  // Room for one more connection, if need be instead of the longest idle one.
  bool reserve(Origin& origin, LinkPtr* evicted) {
    std::lock_guard lock(mutex);
    if (origin.open < options.connections_per_origin) {
      ++origin.open;
      return true;
    }
    if (origin.idle.empty()) {
      origin.released.reset();
      return false;
    }
    *evicted = std::move(origin.idle.front());
    origin.idle.erase(origin.idle.begin());
    return true;
  }

  Task<Result<LinkPtr>> open_link(Url url, Until until) {
    ConnectOptions connect_options;
    if (url.tls) connect_options.tls = options.tls;
    auto left = until - Clock::now();
    connect_options.connect_limit = std::min(options.connect_limit, left);
    connect_options.handshake_limit = std::min(options.handshake_limit, left);
    auto stream = co_await connect(url.host, url.port, connect_options);
    if (!stream) co_return std::move(stream).error();
    opened.add();
    opened_count.fetch_add(1);
    co_return std::make_unique<Link>(std::move(*stream));
  }

  Task<Result<LinkPtr>> acquire(std::shared_ptr<Origin> origin, const Url* url, bool fresh, Until until) {
    Executor here = co_await asio::this_coro::executor;
    for (;;) {
      if (auto link = fresh ? nullptr : reuse(*origin, here)) co_return std::move(link);
      LinkPtr evicted;
      const bool may_open = reserve(*origin, &evicted);
      discard(std::move(evicted));
      if (may_open) {
        // Given back also when this task is cancelled meanwhile.
        struct Place {
          Impl* client;
          Origin* origin;
          ~Place() {
            if (origin != nullptr) client->give_back(*origin, nullptr);
          }
        } place{this, origin.get()};
        auto made = co_await open_link(*url, until);
        if (made) place.origin = nullptr;
        co_return made;
      }
      bool free = co_await origin->released.wait_for(until - Clock::now());
      if (!free) co_return error(Errc::timeout, "no connection to {} became free in time", url->host);
    }
  }

  static Task<> reap(std::weak_ptr<Impl> weak) {
    for (;;) {
      co_await sleep_for(std::chrono::seconds(5));
      auto self = weak.lock();
      if (!self) co_return;
      self->drop_expired();
    }
  }

  void drop_expired() {
    std::vector<LinkPtr> expired;
    auto oldest = Clock::now() - options.idle_limit;
    {
      std::lock_guard lock(mutex);
      for (auto at = origins.begin(); at != origins.end();) {
        Origin& origin = *at->second;
        while (!origin.idle.empty() && origin.idle.front()->idle_since < oldest) {
          expired.push_back(std::move(origin.idle.front()));
          origin.idle.erase(origin.idle.begin());
          --origin.open;
        }
        bool unused = origin.open == 0 && at->second.use_count() == 1;
        at = unused ? origins.erase(at) : std::next(at);
      }
    }
    for (auto& link : expired) discard(std::move(link));
  }

  Task<Result<std::unique_ptr<HttpDownload::Impl>>> start(const HttpRequest* request, const RequestOptions* options,
                                                          bool collect, Until until);

  HttpClientOptions options;
  Metrics own_metrics;
  Counter& opened;
  Counter& repeated;
  std::atomic<std::uint64_t> opened_count{0};
  mutable std::mutex mutex;
  std::map<std::string, std::shared_ptr<Origin>> origins;
};

struct HttpDownload::Impl {
  std::shared_ptr<HttpClient::Impl> client;
  std::shared_ptr<Origin> origin;
  LinkPtr link;
  HttpFields fields;
  unsigned status = 0;

  ~Impl() { release(); }
  void release() {
    if (link) client->give_back(*origin, std::move(link));
  }
};

Task<Result<std::unique_ptr<HttpDownload::Impl>>> HttpClient::Impl::start(const HttpRequest* request,
                                                                           const RequestOptions* request_options,
                                                                           bool collect, Until until) {
  auto download = std::make_unique<HttpDownload::Impl>();
  download->client = shared_from_this();
  download->origin = origin_of(request->url);
  Executor here = co_await asio::this_coro::executor;
  for (bool fresh = false;; fresh = true) {
    if (!fresh) download->link = reuse(*download->origin, here);
    if (!download->link) {
      auto link = co_await acquire(download->origin, &request->url, fresh, until);
      if (!link) co_return std::move(link).error();
      download->link = std::move(*link);
    }
    auto started = co_await download->link->start(request, request_options, collect, until);
    if (started) break;
    bool stale = download->link->reused && !download->link->heard && started.error().code == Errc::unavailable;
    download->link->reusable = false;
    download->release();
    if (!stale || fresh) co_return std::move(started).error().within(request->url.host);
    repeated.add();
  }
  co_return std::move(download);
}

HttpClient::HttpClient(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpClient::~HttpClient() = default;

Result<std::shared_ptr<HttpClient>> HttpClient::create(Runtime& runtime, HttpClientOptions options) {
  if (!options.tls) {
    auto context = TlsClientContext::create({});
    if (!context) return context.error();
    options.tls = *context;
  }
  auto impl = std::make_shared<Impl>(std::move(options));
  spawn(runtime.executor(), Impl::reap(impl));
  return std::make_shared<HttpClient>(std::move(impl));
}

Task<Result<HttpResponse>> HttpClient::request(HttpRequest request, RequestOptions options) {
  auto impl = impl_;
  auto until = deadline_after(options.limit);
  auto download = co_await impl->start(&request, &options, true, until);
  if (!download) co_return std::move(download).error();
  Link& link = *(*download)->link;
  if (link.complete()) {
    link.finish_message();
  } else {
    auto all = co_await link.read_all(options.inter_byte, until);
    if (!all) co_return std::move(all).error().within(request.url.host);
  }
  auto response = link.take_response();
  (*download)->release();
  co_return std::move(response);
}

Task<Result<HttpDownload>> HttpClient::open(HttpRequest request, RequestOptions options) {
  auto impl = impl_;
  auto until = deadline_after(options.limit);
  auto started = co_await impl->start(&request, &options, false, until);
  if (!started) co_return std::move(started).error();
  auto& download = **started;
  download.status = download.link->message.status;
  download.fields = std::move(download.link->message.fields);
  download.link->message.fields.clear();
  co_return HttpDownload(std::move(*started));
}

std::size_t HttpClient::idle_connections() const {
  std::lock_guard lock(impl_->mutex);
  std::size_t sum = 0;
  for (const auto& [key, origin] : impl_->origins) sum += origin->idle.size();
  return sum;
}

std::uint64_t HttpClient::opened_connections() const { return impl_->opened_count.load(); }

HttpDownload::HttpDownload(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpDownload::HttpDownload(HttpDownload&&) noexcept = default;
HttpDownload& HttpDownload::operator=(HttpDownload&&) noexcept = default;
HttpDownload::~HttpDownload() = default;
unsigned HttpDownload::status() const { return impl_->status; }
const HttpFields& HttpDownload::fields() const { return impl_->fields; }
HttpFields HttpDownload::take_fields() { return std::move(impl_->fields); }

Task<Result<View>> HttpDownload::read(Duration inter_byte) {
  auto& d = *impl_;
  if (!d.link) co_return View();
  auto piece = co_await d.link->next_piece(inter_byte);
  if (piece && piece->empty()) d.release();
  co_return piece;
}

struct HttpClientConnection::Impl {
  LinkPtr link;
  ~Impl() { discard(std::move(link)); }
  // Before each request.
  Status begin() {
    if (!link->stream->is_open()) return error(Errc::unavailable, "the connection is closed");
    if (!std::exchange(link->amid, true)) return {};
    // Who sent the last request was cancelled: what comes next is the rest of its answer.
    link->stream->close();
    return error(Errc::unavailable, "an answer was left on the connection");
  }
};

HttpClientConnection::HttpClientConnection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpClientConnection::~HttpClientConnection() = default;
bool HttpClientConnection::is_open() const { return impl_->link->stream->is_open(); }
void HttpClientConnection::close() { impl_->link->stream->close(); }
const Stream& HttpClientConnection::stream() const { return *impl_->link->stream; }
std::unique_ptr<Stream> HttpClientConnection::take_stream() {
  auto stream = std::move(impl_->link->stream);
  impl_->link.reset();
  return stream;
}

Task<Result<std::unique_ptr<HttpClientConnection>>> HttpClient::dedicate(Url origin) {
  auto impl = impl_;
  auto limit = impl->options.connect_limit + impl->options.handshake_limit;
  auto link = co_await impl->open_link(std::move(origin), Clock::now() + limit);
  if (!link) co_return std::move(link).error();
  auto connection = std::make_unique<HttpClientConnection::Impl>();
  connection->link = std::move(*link);
  co_return std::make_unique<HttpClientConnection>(std::move(connection));
}

Task<Result<HttpResponse>> HttpClientConnection::request(HttpRequest request, RequestOptions options) {
  Link& link = *impl_->link;
  if (auto ready = impl_->begin(); !ready) co_return std::move(ready).error().within(request.url.host);
  auto until = deadline_after(options.limit);
  auto done = co_await link.start(&request, &options, true, until);
  if (done) done = co_await link.read_all(options.inter_byte, until);
  if (!done) {
    link.stream->close();
    co_return std::move(done).error().within(request.url.host);
  }
  link.amid = false;
  if (!link.reusable) link.stream->close();
  co_return link.take_response();
}

Task<Result<HttpResponse>> HttpClientConnection::open(HttpRequest request, RequestOptions options) {
  Link& link = *impl_->link;
  if (auto ready = impl_->begin(); !ready) co_return std::move(ready).error().within(request.url.host);
  auto until = deadline_after(options.limit);
  auto done = co_await link.start(&request, &options, false, until);
  if (!done) {
    link.stream->close();
    co_return std::move(done).error().within(request.url.host);
  }
  HttpResponse head;
  head.status = link.message.status;
  head.fields = std::move(link.message.fields);
  link.message.fields.clear();
  co_return head;
}

Task<Result<View>> HttpClientConnection::read(Duration inter_byte) {
  Link& link = *impl_->link;
  auto piece = co_await link.next_piece(inter_byte);
  if (!piece || (piece->empty() && !link.reusable)) link.stream->close();
  if (piece && piece->empty()) link.amid = false;
  co_return piece;
}

}  // namespace mapigate::io
