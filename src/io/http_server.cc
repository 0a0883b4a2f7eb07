#include "io/http_server.h"

#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.h"
#include "io/http_connection.h"
#include "io/stream_impl.h"

namespace mapigate::io {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

HttpServer::Impl::Impl(Runtime& r, ListenOptions o, HttpHandler h)
    : runtime(r),
      options(std::move(o)),
      handler(std::move(h)),
      accept_executor(r.executor()),
      acceptor(accept_executor),
      pause(accept_executor),
      open_connections(metrics().gauge("mapigate_http_connections", "Open HTTP connections", label())),
      accepted(metrics().counter("mapigate_http_connections_total", "Accepted HTTP connections", label())),
      refused(metrics().counter("mapigate_http_connections_refused_total", "Connections over the limit", label())),
      tls_failures(metrics().counter("mapigate_http_tls_failures_total", "Failed TLS handshakes", label())),
      requests(metrics().counter("mapigate_http_requests_total", "Complete HTTP requests", label())),
      rejected(metrics().counter("mapigate_http_rejected_total", "Requests refused as bad, slow or too large", label())),
      latency(metrics().latency("mapigate_http_request_seconds", "From a complete request to its answer", label())) {}

Task<> HttpServer::Impl::accept_all(std::shared_ptr<Impl> self) {
  while (self->acceptor.is_open()) {
    // Each connection begins on the next loop; its handler may move it to its session's.
    tcp::socket socket(self->runtime.executor(self->next_loop++));
    boost::system::error_code failed;
    co_await self->acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, failed));
    if (!failed) {
      self->take(std::move(socket));
      continue;
    }
    if (failed == asio::error::operation_aborted) co_return;
    if (failed == asio::error::connection_aborted) continue;
    log::warning("{}: accepting: {}", self->options.name, failed.message());
    // Most likely out of descriptors: some will come free.
    self->pause.expires_after(std::chrono::milliseconds(100));
    co_await self->pause.async_wait(asio::redirect_error(asio::use_awaitable, failed));
  }
}

void HttpServer::Impl::take(tcp::socket socket) {
  if (draining.load() || count.load() >= options.limits.connections) {
    refused.add();
    return;
  }
  auto executor = socket.get_executor();
  auto stream = std::make_unique<Stream>(std::make_unique<Stream::Impl>(std::move(socket)));
  auto id = next_id.fetch_add(1);
  auto connection = std::make_shared<HttpConnection>(shared_from_this(), std::move(stream), id);
  accepted.add();
  open_connections.add(1);
  count.fetch_add(1);
  {
    std::lock_guard lock(mutex);
    connections.emplace(id, connection);
  }
  spawn(executor, HttpConnection::run(std::move(connection)));
}

void HttpServer::Impl::end(std::uint64_t connection_id) {
  open_connections.add(-1);
  {
    std::lock_guard lock(mutex);
    connections.erase(connection_id);
  }
  if (count.fetch_sub(1) == 1 && draining.load()) empty.set();
}

void HttpServer::Impl::for_each(void (HttpConnection::*action)()) {
  std::vector<std::shared_ptr<HttpConnection>> all;
  {
    std::lock_guard lock(mutex);
    for (auto& [id, weak] : connections) {
      if (auto connection = weak.lock()) all.push_back(std::move(connection));
    }
  }
  for (auto& connection : all) apply(std::move(connection), action);
}

// Again where the connection has moved to another loop meanwhile.
void HttpServer::Impl::apply(std::shared_ptr<HttpConnection> connection, void (HttpConnection::*action)()) {
  auto executor = connection->executor();
  asio::post(executor, [connection = std::move(connection), action, executor]() mutable {
    if (connection->executor() == executor) {
      ((*connection).*action)();
    } else {
      apply(std::move(connection), action);
    }
  });
}

void HttpServer::Impl::stop_accepting() {
  draining.store(true);
  asio::post(accept_executor, [self = shared_from_this()] {
    boost::system::error_code ignored;
    self->acceptor.close(ignored);
    self->pause.cancel();
  });
}

Result<std::unique_ptr<HttpServer>> HttpServer::listen(Runtime& runtime, ListenOptions options, HttpHandler handler) {
  auto where = options.address + " port " + std::to_string(options.port);
  boost::system::error_code failed;
  auto address = asio::ip::make_address(options.address, failed);
  if (failed) return error(Errc::malformed, "'{}' is no IP address to listen on", options.address);
  auto impl = std::make_shared<Impl>(runtime, std::move(options), std::move(handler));
  auto& acceptor = impl->acceptor;
  tcp::endpoint endpoint(address, impl->options.port);
  acceptor.open(endpoint.protocol(), failed);
  if (!failed) acceptor.set_option(tcp::acceptor::reuse_address(true), failed);
  if (!failed && address.is_v6() && address.is_unspecified()) {
    acceptor.set_option(asio::ip::v6_only(false), failed);
  }
  if (!failed) acceptor.bind(endpoint, failed);
  if (!failed) acceptor.listen(asio::socket_base::max_listen_connections, failed);
  if (failed) return error(Errc::unavailable, "listening on {}: {}", where, failed.message());
  impl->port = acceptor.local_endpoint().port();
  spawn(impl->accept_executor, Impl::accept_all(impl));
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::~HttpServer() {
  impl_->stop_accepting();
  impl_->for_each(&HttpConnection::force_close);
}

std::uint16_t HttpServer::port() const { return impl_->port; }
std::size_t HttpServer::connections() const { return impl_->count.load(); }

Task<> HttpServer::stop(Duration grace) {
  auto impl = impl_;
  impl->stop_accepting();
  if (impl->count.load() == 0) impl->empty.set();
  impl->for_each(&HttpConnection::begin_drain);
  bool drained = co_await impl->empty.wait_for(grace);
  if (drained) co_return;
  impl->for_each(&HttpConnection::force_close);
  co_await impl->empty.wait_for(std::chrono::seconds(5));
}

}  // namespace mapigate::io
