#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "io/http_client.h"
#include "io/http_server.h"
#include "io/test_certificates.h"
#include "io/test_run.h"
#include "io/tls.h"

namespace mapigate::io {
namespace {

using namespace std::chrono_literals;

std::atomic<int> clients_gone{0}, handlers_waiting{0};
Event go_on;  // for "/two-parts"
Runtime* loops = nullptr;  // of the test that runs

Task<> handle(HttpExchange& exchange) {
  HttpHeaders headers;
  headers.add("Content-Type", "text/plain");
  if (exchange.path() == "/echo") {
    co_await exchange.respond(200, headers, exchange.body());
  } else if (exchange.path() == "/target") {
    std::string text(exchange.query());
    co_await exchange.respond(200, headers, text);
  } else if (exchange.path() == "/chunks") {
    exchange.begin_chunked(200, headers);
    exchange.queue(as_view("one "));
    co_await exchange.write_chunk(as_view("two "));
    co_await sleep_for(20ms);
    exchange.queue(as_view("three"));
    co_await exchange.finish();
  } else if (exchange.path() == "/two-parts") {
    exchange.begin_chunked(200, headers);
    exchange.queue(as_view("one "));
    co_await exchange.write_chunk(as_view("two "));
    co_await go_on.wait_for(20s);
    exchange.queue(as_view("three"));
    co_await exchange.finish();
  } else if (exchange.path() == "/wait") {
    auto closed = exchange.closed();
    bool gone = co_await closed.wait_for(20s);
    if (gone) clients_gone.fetch_add(1);
    if (!gone) co_await exchange.respond(200, headers, "waited");
  } else if (exchange.path() == "/short-wait") {
    auto closed = exchange.closed();
    handlers_waiting.fetch_add(1);
    co_await closed.wait_for(300ms);
    co_await exchange.respond(200, headers, "waited");
  } else if (exchange.path() == "/move") {
    // Answers with the thread it runs on and sends the connection's next request to the other loop.
    auto other = exchange.executor() == loops->executor(0) ? loops->executor(1) : loops->executor(0);
    exchange.serve_next_on(other);
    const auto thread = std::to_string(std::hash<std::thread::id>{}(std::this_thread::get_id()));
    co_await exchange.respond(200, headers, thread + "\n");
  } else if (exchange.path() == "/throw") {
    throw std::runtime_error("expected in the log of this test");
  } else if (exchange.path() == "/silent") {
    co_await sleep_for(3s);
  } else {
    co_await exchange.respond(404, headers, "nothing here");
  }
}

class HttpTest : public testing::Test {
 protected:
  HttpTest() : runtime_({.threads = 2, .workers = 1}) {
    runtime_.start();
    loops = &runtime_;
    TlsServerOptions server_tls;
    server_tls.certificate_file = certificates().path("server.pem");
    server_tls.key_file = certificates().path("server.key");
    server_tls_ = TlsServerContext::create(server_tls).value();
    client_tls_ = trusting("ca.pem");
  }
  ~HttpTest() override {
    for (auto& server : servers_) run_on_loop(runtime_, server->stop(0s));
  }

  static TestCertificates& certificates() {
    static TestCertificates made;
    return made;
  }
  static std::shared_ptr<TlsClientContext> trusting(const std::string& ca) {
    TlsClientOptions options;
    options.verify = TlsClientOptions::Verify::ca_file;
    options.ca_file = certificates().path(ca);
    return TlsClientContext::create(options).value();
  }

  HttpServer& listen(bool tls, HttpLimits limits = {}) {
    ListenOptions options;
    options.limits = limits;
    options.metrics = &metrics_;
    if (tls) options.tls = server_tls_;
    auto server = HttpServer::listen(runtime_, options, handle);
    servers_.push_back(std::move(server.value()));
    return *servers_.back();
  }

  Url url(const HttpServer& server, bool tls, const std::string& target) {
    return parse_url((tls ? "https://localhost:" : "http://localhost:") + std::to_string(server.port()) + target).value();
  }

  // Sends `pieces` with pauses between them on a plain connection and returns all
  // that comes back until the server closes or `limit` is over.
  static Task<std::string> raw_task(std::uint16_t port, std::vector<std::string> pieces, Duration pause, Duration limit) {
    auto stream = co_await connect("127.0.0.1", port, ConnectOptions());
    std::string answer;
    if (!stream) co_return "no connection";
    for (auto& piece : pieces) {
      auto sent = co_await (*stream)->write(as_view(piece), 5s);
      if (!sent) break;
      if (pause > 0s) co_await sleep_for(pause);
    }
    auto until = Clock::now() + limit;
    Bytes buffer(4096);
    for (;;) {
      auto got = co_await (*stream)->read_some(buffer, until - Clock::now());
      if (!got || *got == 0) break;
      answer.append(as_text(View(buffer).first(*got)));
    }
    co_return answer;
  }
  std::string raw(std::uint16_t port, std::vector<std::string> pieces, Duration pause = 0s, Duration limit = 20s) {
    return run_on_loop(runtime_, raw_task(port, std::move(pieces), pause, limit));
  }

  std::shared_ptr<HttpClient> client(std::shared_ptr<TlsClientContext> tls = nullptr, std::size_t most = 16) {
    HttpClientOptions options;
    options.tls = tls ? tls : client_tls_;
    options.connections_per_origin = most;
    return HttpClient::create(runtime_, options).value();
  }

  static Task<Result<HttpResponse>> fetch_task(std::shared_ptr<HttpClient> client, HttpRequest request,
                                               RequestOptions options) {
    auto response = co_await client->request(std::move(request), options);
    co_return response;
  }
  Result<HttpResponse> fetch(std::shared_ptr<HttpClient> client, HttpRequest request, RequestOptions options = {}) {
    return run_on_loop(runtime_, fetch_task(client, std::move(request), options));
  }

  Metrics metrics_;  // connections count in it until the loops are gone
  Runtime runtime_;
  std::shared_ptr<TlsServerContext> server_tls_;
  std::shared_ptr<TlsClientContext> client_tls_;
  std::vector<std::unique_ptr<HttpServer>> servers_;
};

template <class Condition>
bool eventually(Condition condition) {
  for (const auto end = Clock::now() + 20s; Clock::now() < end; std::this_thread::sleep_for(2ms))
    if (condition()) return true;
  return condition();
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++n;
  return n;
}

// The bodies of the answers to the same request, asked one after another on one loop.
Task<std::vector<std::string>> ask_repeatedly(std::shared_ptr<HttpClient> client, HttpRequest request, int times) {
  std::vector<std::string> bodies;
  for (int i = 0; i < times; ++i) {
    auto response = co_await client->request(request, RequestOptions());
    bodies.emplace_back(response ? std::string(as_text(response->body)) : response.error().message);
  }
  co_return bodies;
}

TEST_F(HttpTest, ConnectionsMoveToTheLoopThatTheirHandlerNames) {
  auto c = client();
  HttpRequest request;
  request.url = url(listen(true), true, "/move");
  const auto threads = run_on_loop(runtime_, ask_repeatedly(c, request, 6));
  EXPECT_EQ(c->opened_connections(), 1u);
  EXPECT_NE(threads[0], threads[1]);
  for (std::size_t i = 2; i < threads.size(); ++i) EXPECT_EQ(threads[i], threads[i - 2]) << i;
  // All requests in one packet: those read ahead move along.
  const std::string get = "GET /move HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string last = "GET /move HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const auto answers = raw(listen(false).port(), {get + get + last});
  EXPECT_EQ(count(answers, "HTTP/1.1 200 OK\r\n"), 3u) << answers;
}

TEST_F(HttpTest, EchoesOverTlsAndKeepsTheConnection) {
  auto& server = listen(true);
  auto c = client();
  for (std::size_t size : {0u, 1u, 200u, 16384u, 100000u, 3000000u}) {
    Bytes body(size);
    for (std::size_t i = 0; i < size; ++i) body[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
    HttpRequest request;
    request.method = "POST";
    request.url = url(server, true, "/echo");
    request.body = body;
    // Two loops take turns in the tests, and connections stay on theirs.
    for (int i = 0; i < 4; ++i) {
      auto answer = fetch(c, request);
      ASSERT_TRUE(answer) << answer.error().message;
      EXPECT_EQ(answer->status, 200u);
      EXPECT_TRUE(equal(answer->body, body)) << size;
      EXPECT_EQ(answer->header("content-TYPE"), "text/plain");
    }
  }
  EXPECT_LE(c->opened_connections(), 2u);
  EXPECT_EQ(c->idle_connections(), c->opened_connections());
}

TEST_F(HttpTest, PipelinedRequestsAreAnsweredInOrder) {
  auto& server = listen(false);
  std::string all;
  for (int i = 0; i < 20; ++i) all += "GET /target?n" + std::to_string(i) + "e HTTP/1.1\r\nHost: x\r\n\r\n";
  all += "GET /target?last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  auto answer = raw(server.port(), {all});
  EXPECT_EQ(count(answer, "HTTP/1.1 200 OK\r\n"), 21u);
  std::size_t at = 0;
  for (int i = 0; i < 20; ++i) {
    at = answer.find("n" + std::to_string(i) + "e", at);
    ASSERT_NE(at, answer.npos) << i;
  }
  EXPECT_NE(answer.find("last", at), answer.npos);
}

TEST_F(HttpTest, PipelinedBehindAWatchedRequestIsKept) {
  auto& server = listen(false);
  auto answer = raw(server.port(), {"GET /short-wait HTTP/1.1\r\nHost: x\r\n\r\n",
                                    "GET /target?second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"}, 50ms);
  EXPECT_EQ(count(answer, "200 OK"), 2u) << answer;
  EXPECT_TRUE(answer.ends_with("second")) << answer;
}

TEST_F(HttpTest, ChunkedBothWays) {
  auto& server = listen(false);
  auto answer = raw(server.port(), {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhe",
                                    "llo\r\n6\r\n worl", "d\r\n0\r\nX-Trailer: no\r\n\r\n"}, 20ms);
  EXPECT_TRUE(answer.ends_with("Content-Length: 11\r\nConnection: close\r\n\r\nhello world")) << answer;
  auto chunks = raw(server.port(), {"GET /chunks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"});
  EXPECT_TRUE(chunks.ends_with("\r\n\r\n4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n0\r\n\r\n")) << chunks;
  auto old = raw(server.port(), {"GET /chunks HTTP/1.0\r\n\r\n"});
  EXPECT_TRUE(old.ends_with("\r\n\r\none two three")) << old;
  HttpRequest request;
  request.url = url(server, false, "/chunks");
  auto got = fetch(client(), request);
  ASSERT_TRUE(got);
  EXPECT_EQ(as_text(got->body), "one two three");
}

TEST_F(HttpTest, HeadAndErrorsOfHandlers) {
  auto& server = listen(false);
  auto answer = raw(server.port(), {"HEAD /target?abc HTTP/1.1\r\nHost: x\r\n\r\nGET /throw HTTP/1.1\r\nHost: x\r\n"
                                    "Connection: close\r\n\r\n"});
  EXPECT_NE(answer.find("Content-Length: 3\r\n\r\nHTTP/1.1 500 "), answer.npos) << answer;
}

// The body goes out when something has come back.
Task<std::string> send_when_asked(std::uint16_t port, std::string head, std::string body) {
  auto stream = co_await connect("127.0.0.1", port, ConnectOptions());
  if (!stream) co_return "no connection";
  co_await (*stream)->write(as_view(head), 10s);
  std::string answer;
  Bytes buffer(4096);
  for (bool asked = false;; asked = true) {
    auto got = co_await (*stream)->read_some(buffer, 10s);
    if (!got || *got == 0) break;
    answer.append(as_text(View(buffer).first(*got)));
    if (!asked) co_await (*stream)->write(as_view(body), 10s);
  }
  co_return answer;
}

TEST_F(HttpTest, ExpectContinue) {
  auto& server = listen(false);
  const std::string head = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
  const auto answer = run_on_loop(runtime_, send_when_asked(server.port(), head, "ok"));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")) << answer;
}

TEST_F(HttpTest, BadInputIsRefusedAndClosed) {
  HttpLimits limits;
  limits.header_bytes = 4096;
  limits.body_bytes = 1000;
  auto& server = listen(false, limits);
  auto starts = [&](const std::string& request, const std::string& with) {
    auto started = Clock::now();
    auto answer = raw(server.port(), {request});
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + with)) << request.substr(0, 60) << " -> " << answer;
    EXPECT_NE(answer.find("Connection: close\r\n"), answer.npos);
    EXPECT_LT(Clock::now() - started, 15s);
  };
  starts(std::string(64, '\x16') + "\x01\r\n\r\n", "400");
  starts("GET / HTTP/1.1\r\n\r\n", "400");
  starts("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400");
  starts("GET / HTTP/3.7\r\nHost: a\r\n\r\n", "505");
  starts("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400");
  starts("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400");
  starts("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", "400");
  starts("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", "413");
  starts("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFF\r\n" + std::string(4095, 'x') +
             "\r\n0\r\n\r\n", "413");
  starts("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(5000, 'y') + "\r\n\r\n", "431");
  starts("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(50000, 'y'), "431");
  EXPECT_NE(metrics_.to_prometheus().find("mapigate_http_rejected_total{listener=\"http\"} 11"), std::string::npos)
      << metrics_.to_prometheus();
  // And it still serves.
  auto answer = raw(server.port(), {"\r\nGET /target?fine HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"});
  EXPECT_TRUE(answer.ends_with("fine"));
}

TEST_F(HttpTest, SlowSendersMeetTheirTimeouts) {
  HttpLimits limits;
  limits.header_limit = 300ms;
  limits.body_grace = 300ms;
  limits.body_bytes_per_second = 1000000;
  limits.idle_limit = 1500ms;
  auto& server = listen(false, limits);
  auto header = raw(server.port(), {"GET / HT", "T", "P", "/", "1", ".", "1", "\r\n"}, 100ms);
  EXPECT_TRUE(header.starts_with("HTTP/1.1 408 ")) << header;
  auto body = raw(server.port(), {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc", "d", "e", "f", "g", "h"}, 100ms);
  EXPECT_TRUE(body.starts_with("HTTP/1.1 408 ")) << body;
  auto started = Clock::now();
  EXPECT_EQ(raw(server.port(), {}), "");
  EXPECT_LT(Clock::now() - started, 15s);
}

TEST_F(HttpTest, AllBodiesTogetherAreBounded) {
  HttpLimits limits;
  limits.all_bodies_bytes = 10000;
  auto& server = listen(false, limits);
  std::string head = "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 20000\r\n\r\n";
  auto answer = raw(server.port(), {head + std::string(20000, 'b')});
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
  std::string small = "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 9000\r\n\r\n";
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(raw(server.port(), {small + std::string(9000, 'b')}).starts_with("HTTP/1.1 200 "));
  }
}

TEST_F(HttpTest, ConnectionsOverTheLimitAreClosed) {
  HttpLimits limits;
  limits.connections = 0;
  auto& server = listen(false, limits);
  EXPECT_EQ(raw(server.port(), {}), "");
  EXPECT_NE(metrics_.to_prometheus().find("connections_refused_total{listener=\"http\"} 1"), std::string::npos);
}

Task<> leave_during(std::uint16_t port, std::shared_ptr<TlsClientContext> tls) {
  ConnectOptions options;
  options.tls = tls;
  options.tls_host = "localhost";
  auto stream = co_await connect("127.0.0.1", port, options);
  EXPECT_TRUE(stream.has_value());
  if (!stream) co_return;
  std::string request = "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n";
  co_await (*stream)->write(as_view(request), 10s);
  co_await sleep_for(50ms);
  (*stream)->shutdown();
}

TEST_F(HttpTest, HandlerLearnsThatTheClientWentAway) {
  for (bool tls : {false, true}) {
    auto& server = listen(tls);
    int before = clients_gone.load();
    auto started = Clock::now();
    run_on_loop(runtime_, leave_during(server.port(), tls ? client_tls_ : nullptr));
    EXPECT_TRUE(eventually([&] { return clients_gone.load() > before; })) << tls;
    EXPECT_TRUE(eventually([&] { return server.connections() == 0; })) << tls;
    EXPECT_EQ(clients_gone.load(), before + 1) << tls;
    EXPECT_LT(Clock::now() - started, 15s) << "the handler's own end";
  }
}

TEST_F(HttpTest, VerificationFails) {
  auto& server = listen(true);
  HttpRequest request;
  request.url = url(server, true, "/target?x");
  // Not our CA: the system's store does not know it.
  auto unknown = fetch(client(TlsClientContext::create({}).value()), request);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Errc::denied) << unknown.error().message;
  // The right CA, the wrong name: 127.0.0.2 is not in the certificate, 127.0.0.1 is.
  auto c = client();
  request.url.host = "127.0.0.1";
  EXPECT_TRUE(fetch(c, request));
  ConnectOptions options;
  options.tls = client_tls_;
  options.tls_host = "wrong.example";
  auto wrong = run_on_loop(runtime_, connect("127.0.0.1", server.port(), options));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Errc::denied) << wrong.error().message;
  options.tls_host = "127.0.0.9";
  EXPECT_FALSE(run_on_loop(runtime_, connect("127.0.0.1", server.port(), options)));
  TlsClientOptions off;
  off.verify = TlsClientOptions::Verify::off;
  EXPECT_TRUE(fetch(client(TlsClientContext::create(off).value()), request));
}

TEST_F(HttpTest, NoTlsOnATlsPortAndReverse) {
  auto& secure = listen(true);
  auto answer = raw(secure.port(), {"GET / HTTP/1.1\r\nHost: x\r\n\r\n"});
  EXPECT_EQ(answer.find("200"), answer.npos);
  auto& plain = listen(false);
  HttpRequest request;
  request.url = url(plain, true, "/");
  auto got = fetch(client(), request);
  ASSERT_FALSE(got);
  EXPECT_NE(metrics_.to_prometheus().find("tls_failures_total{listener=\"http\"} 1"), std::string::npos);
}

Task<bool> resumed(std::uint16_t port, std::shared_ptr<TlsClientContext> tls, std::string* subject_hash) {
  ConnectOptions options;
  options.tls = tls;
  options.tls_host = "localhost";
  auto stream = co_await connect("127.0.0.1", port, options);
  if (!stream) {
    ADD_FAILURE() << stream.error().message;
    co_return false;
  }
  // A round trip, so that the server's ticket arrives.
  std::string request = "GET /target?x HTTP/1.1\r\nHost: x\r\n\r\n";
  Bytes buffer(4096);
  co_await (*stream)->write(as_view(request), 10s);
  co_await (*stream)->read_some(buffer, 10s);
  if (subject_hash) *subject_hash = to_hex((*stream)->tls_server_end_point());
  (*stream)->shutdown();
  co_return (*stream)->tls_resumed();
}

TEST_F(HttpTest, SessionsResumeAlsoAfterAReload) {
  auto& server = listen(true);
  std::string first, second;
  EXPECT_FALSE(run_on_loop(runtime_, resumed(server.port(), client_tls_, &first)));
  EXPECT_TRUE(run_on_loop(runtime_, resumed(server.port(), client_tls_, nullptr)));
  certificates().issue("server", "DNS:localhost,DNS:mail.example,IP:127.0.0.1");
  ASSERT_TRUE(server_tls_->reload());
  EXPECT_TRUE(run_on_loop(runtime_, resumed(server.port(), client_tls_, nullptr)));
  auto another = trusting("ca.pem");
  EXPECT_FALSE(run_on_loop(runtime_, resumed(server.port(), another, &second)));
  EXPECT_EQ(first.size(), 64u);
  EXPECT_NE(first, second);
  TlsServerOptions missing;
  missing.certificate_file = certificates().path("server.pem");
  missing.key_file = certificates().path("other.key");
  EXPECT_FALSE(TlsServerContext::create(missing));
}

TEST_F(HttpTest, AStaleKeptConnectionIsReplaced) {
  HttpLimits limits;
  limits.idle_limit = 1s;
  auto& server = listen(true, limits);
  auto c = client();
  HttpRequest request;
  request.method = "POST";
  request.url = url(server, true, "/echo");
  for (int i = 0; i < 4; ++i) {
    auto answer = fetch(c, request);
    ASSERT_TRUE(answer) << answer.error().message;
    ASSERT_TRUE(eventually([&] { return server.connections() == 0; }));
  }
  EXPECT_EQ(c->opened_connections(), 4u);
}

// Twice to the end of the answer, then another request amid one.
Task<std::string> leave_an_answer(std::shared_ptr<HttpClient> client, HttpRequest request) {
  RequestOptions options;
  auto place = request.url;
  auto made = co_await client->dedicate(std::move(place));
  if (!made) co_return made.error().message;
  auto& connection = **made;
  std::string out;
  for (int i = 0; i < 3; ++i) {
    auto asked = request;
    auto head = co_await connection.open(std::move(asked), options);
    if (!head) co_return head.error().message;
    while (i < 2) {
      auto piece = co_await connection.read(5s);
      if (!piece) co_return piece.error().message;
      if (piece->empty()) break;
      out += as_text(*piece);
    }
  }
  auto another = co_await connection.request(std::move(request), options);
  if (!another && another.error().code == Errc::unavailable && !connection.is_open()) out += " closed";
  co_return out;
}

TEST_F(HttpTest, NothingIsAskedAmidAnAnswer) {
  auto& server = listen(true);
  HttpRequest request;
  request.method = "GET";
  request.url = url(server, true, "/target?whole");
  EXPECT_EQ(run_on_loop(runtime_, leave_an_answer(client(), request)), "wholewhole closed");
}

// A peer that answers the first request on each connection and closes, silently, when it reads the second.
void close_on_second(int listener, std::atomic<int>* requests, int connections) {
  for (int i = 0; i < connections; ++i) {
    int fd = ::accept(listener, nullptr, nullptr);
    char buffer[4096];
    for (int request = 0; request < 2; ++request) {
      if (::recv(fd, buffer, sizeof buffer, 0) <= 0) break;
      requests->fetch_add(1);
      std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
      if (request == 0) ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
    }
    ::close(fd);
  }
}

Task<int> fetch_twice(std::shared_ptr<HttpClient> client, HttpRequest request) {
  int good = 0;
  for (int i = 0; i < 2; ++i) {
    auto answer = co_await client->request(request, RequestOptions());
    if (answer) ++good;
  }
  co_return good;
}

TEST_F(HttpTest, ARequestIsRepeatedOnceOnAFreshConnectionOnly) {
  int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::listen(listener, 5);
  socklen_t size = sizeof address;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  std::atomic<int> requests{0};
  std::thread peer(close_on_second, listener, &requests, 2);
  auto c = client();
  HttpRequest request;
  request.url = parse_url("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port))).value();
  EXPECT_EQ(run_on_loop(runtime_, fetch_twice(c, request)), 2);
  EXPECT_EQ(requests.load(), 3);
  EXPECT_EQ(c->opened_connections(), 2u);
  c.reset();
  peer.join();
  ::close(listener);
}

TEST_F(HttpTest, ClientLimits) {
  auto& server = listen(false);
  HttpRequest request;
  request.url = url(server, false, "/silent");
  RequestOptions options;
  options.limit = 200ms;
  auto late = fetch(client(), request, options);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::timeout);
  Bytes body(1000);
  request.method = "POST";
  request.url = url(server, false, "/echo");
  request.body = body;
  options = {};
  options.body_bytes = 999;
  auto large = fetch(client(), request, options);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, Errc::limit);
}

Task<std::string> stream_chunks(std::shared_ptr<HttpClient> client, HttpRequest request) {
  auto download = co_await client->open(std::move(request), RequestOptions());
  if (!download) co_return download.error().message;
  std::string all;
  for (;;) {
    auto piece = co_await download->read(10s);
    if (!piece) co_return piece.error().message;
    if (piece->empty()) break;
    all.append(as_text(*piece)).append("|");
    go_on.set();
  }
  co_return all;
}

TEST_F(HttpTest, DownloadsArriveAsTheyAreSent) {
  auto& server = listen(true);
  auto c = client();
  HttpRequest request;
  request.url = url(server, true, "/two-parts");
  go_on.reset();
  EXPECT_EQ(run_on_loop(runtime_, stream_chunks(c, request)), "one two |three|");
  EXPECT_EQ(c->idle_connections(), 1u);
}

TEST_F(HttpTest, PoolLimitMakesRequestsWait) {
  auto& server = listen(false);
  auto c = client(nullptr, 2);
  HttpRequest request;
  request.url = url(server, false, "/short-wait");
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      auto answer = fetch(c, request);
      if (answer && as_text(answer->body) == "waited") good.fetch_add(1);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good.load(), 6);
  EXPECT_LE(c->idle_connections(), 2u);
}

TEST_F(HttpTest, StopLetsAnswersFinish) {
  auto& server = listen(false);
  std::string answer;
  const int before = handlers_waiting.load();
  std::thread asking([&] { answer = raw(server.port(), {"GET /short-wait HTTP/1.1\r\nHost: x\r\n\r\n"}); });
  EXPECT_TRUE(eventually([&] { return handlers_waiting.load() > before; }));
  auto started = Clock::now();
  run_on_loop(runtime_, server.stop(20s));
  EXPECT_LT(Clock::now() - started, 15s);
  EXPECT_EQ(server.connections(), 0u);
  asking.join();
  EXPECT_NE(answer.find("waited"), answer.npos) << answer;
  EXPECT_FALSE(run_on_loop(runtime_, connect("127.0.0.1", server.port(), ConnectOptions())));
}

Task<Errc> silent_read(std::uint16_t port) {
  auto stream = co_await connect("127.0.0.1", port, ConnectOptions());
  Bytes buffer(10);
  auto got = co_await (*stream)->read_some(buffer, 150ms);
  co_return got ? Errc::internal : got.error().code;
}

TEST_F(HttpTest, StreamReadsEndAtTheirDeadline) {
  auto& server = listen(false);
  auto started = Clock::now();
  EXPECT_EQ(run_on_loop(runtime_, silent_read(server.port())), Errc::timeout);
  EXPECT_GE(Clock::now() - started, 150ms);
  EXPECT_LT(Clock::now() - started, 15s);
}

Task<std::string> lines(std::uint16_t port) {
  auto stream = co_await connect("127.0.0.1", port, ConnectOptions());
  std::string request = "GET /target?abcdefgh HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  co_await (*stream)->write(as_view(request), 10s);
  BufferedReader reader(**stream, 16);
  std::string all;
  for (;;) {
    auto line = co_await reader.read_line(200, 10s);
    if (!line) co_return line.error().message;
    if (line->empty()) break;
    all.append(*line).append("|");
  }
  std::array<std::uint8_t, 4> four;
  auto exact = co_await reader.read_exactly(four, 10s);
  if (!exact) co_return exact.error().message;
  all.append(as_text(four));
  auto rest = co_await reader.read_line(1, 10s);
  co_return all + (rest ? "?" : std::string(to_string(rest.error().code)));
}

TEST_F(HttpTest, BufferedReaderReadsLinesAndPieces) {
  auto& server = listen(false);
  auto all = run_on_loop(runtime_, lines(server.port()));
  EXPECT_TRUE(all.starts_with("HTTP/1.1 200 OK|Date: ")) << all;
  EXPECT_NE(all.find("|abcd"), all.npos) << all;
  EXPECT_NE(all.find(to_string(Errc::limit)), all.npos) << all;
}

TEST(HttpMessageTest, HeadersCannotBeInjected) {
  HttpHeaders headers;
  headers.add("X-A", "one\r\nSet-Cookie: two").add("Bad name", "x").add("", "y");
  EXPECT_EQ(headers.wire(), "X-A: one  Set-Cookie: two\r\n");
  // Each byte at each place of a long value, but for the tab, whose place is allowed.
  for (std::size_t at = 0; at < 20; ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string value(20, '~'), expected = value;
      value[at] = static_cast<char>(byte);
      expected[at] = (byte < 0x20 && byte != '\t') || byte == 0x7f ? ' ' : value[at];
      HttpHeaders one;
      one.add("A", value);
      EXPECT_EQ(one.wire(), "A: " + expected + "\r\n") << byte << " at " << at;
    }
  }
}

TEST(HttpMessageTest, Urls) {
  auto url = parse_url("HTTPS://mail.example:8443/a/b?c=d#e");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "mail.example");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->target, "/a/b?c=d");
  EXPECT_EQ(url->to_string(), "https://mail.example:8443/a/b?c=d");
  EXPECT_EQ(parse_url("http://[::1]?x")->to_string(), "http://[::1]/?x");
  for (auto bad : {"", "ftp://x/", "https://", "https://a b/", "https://u:p@h/", "https://h:0/", "https://h:99999/",
                   "https://h:1x/", "https://[::1/", "http://x/\r\nEvil: 1"}) {
    EXPECT_FALSE(parse_url(bad)) << bad;
  }
}

}  // namespace
}  // namespace mapigate::io
