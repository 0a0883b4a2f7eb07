// One accepted connection; for the server's sources only.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "io/http_parser.h"
#include "io/http_server.h"

namespace mapigate::io {

struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
  Impl(Runtime& runtime, ListenOptions options, HttpHandler handler);

  static Task<> accept_all(std::shared_ptr<Impl> self);
  void take(boost::asio::ip::tcp::socket socket);
  void end(std::uint64_t connection_id);  // once for each connection taken
  void for_each(void (HttpConnection::*action)());
  static void apply(std::shared_ptr<HttpConnection> connection, void (HttpConnection::*action)());
  void stop_accepting();

  Runtime& runtime;
  ListenOptions options;
  HttpHandler handler;
  Executor accept_executor;
  boost::asio::ip::tcp::acceptor acceptor;
  boost::asio::steady_timer pause;  // after running out of descriptors
  std::uint16_t port = 0;

  std::atomic<bool> draining{false};
  std::atomic<std::size_t> body_bytes{0};
  std::atomic<std::size_t> count{0};
  std::atomic<std::uint64_t> next_id{1};
  unsigned next_loop = 0;
  std::mutex mutex;
  std::unordered_map<std::uint64_t, std::weak_ptr<HttpConnection>> connections;
  Event empty;  // set when the last connection has ended while draining

  Metrics own_metrics;
  Gauge& open_connections;
  Counter& accepted;
  Counter& refused;
  Counter& tls_failures;
  Counter& requests;
  Counter& rejected;
  Latency& latency;

 private:
  Metrics& metrics() { return options.metrics ? *options.metrics : own_metrics; }
  std::string label() const { return "listener=\"" + options.name + "\""; }
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(std::shared_ptr<HttpServer::Impl> server, std::unique_ptr<Stream> stream, std::uint64_t id);

  static Task<> run(std::shared_ptr<HttpConnection> self);
  void begin_drain();  // closes when idle
  void force_close();
  Executor executor() const;  // from any thread; may change between requests

 private:
  friend class HttpExchange;

  static Task<> serve(std::shared_ptr<HttpConnection> self);
  bool change_loop();  // false: the connection is lost
  void end();
  Task<bool> read_request();
  Task<bool> wait_for_request();
  Task<Status> receive(Clock::time_point until);
  Task<bool> accept_headers();  // the checks between fields and body
  Task<> reject(unsigned status);
  Task<> answer();
  Task<> call_handler(HttpExchange& exchange);
  Task<> end_watch();
  static Task<> watch(std::shared_ptr<HttpConnection> self);
  void start_watch();
  void mark_gone();

  void put_head(unsigned status, const HttpHeaders& headers, std::optional<std::size_t> length);
  Task<Status> respond(unsigned status, const HttpHeaders& headers, View body);
  Task<Status> send(View second);
  void queue(View chunk);
  void queue_end();
  Task<Result<View>> read_body(Duration limit);
  Task<> drop_rest_of_body();
  const HttpLimits& limits() const { return server_->options.limits; }

  std::shared_ptr<HttpServer::Impl> server_;
  std::unique_ptr<Stream> stream_;
  mutable std::mutex executor_mutex_;  // for the others: on its own loop executor_ is read without
  Executor executor_;
  Executor next_executor_;  // where the next request is served
  std::uint64_t id_;
  HttpInput in_;
  HttpMessage request_;
  std::optional<HttpParser<true>> parser_;
  std::string out_;

  bool idle_ = true;         // no byte of a request is here
  bool headers_checked_ = false;
  std::atomic<bool> keep_alive_{true};  // cleared by a stop while a handler may work elsewhere
  bool answering_ = false;   // the handler runs
  bool begun_ = false;       // an answer has begun
  bool finished_ = false;    // and is complete
  bool chunked_ = false;
  bool failed_ = false;      // nothing can be sent any more
  bool gone_ = false;
  bool watching_ = false;
  bool closed_used_ = false;
  bool expects_continue_ = false;  // of a streamed body: nobody has asked for it yet
  bool body_given_ = false;        // what is in request_.body was handed out
  std::shared_ptr<void> attachment_;
  HttpHeaders more_headers_;       // of the next answer
  Event closed_;
  Event watch_ended_;
  std::function<void()> on_closed_;
};

}  // namespace mapigate::io
