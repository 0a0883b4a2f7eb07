#include "upstream/autodiscover.h"

#include <gtest/gtest.h>

#include "io/http_server.h"
#include "io/test_run.h"

namespace mapigate::upstream {
namespace {

using namespace std::chrono_literals;

// /redirect?LOCATION leads there; /page is one.
io::Task<> handle(io::HttpExchange& exchange) {
  EXPECT_EQ(exchange.method(), "GET");
  EXPECT_EQ(exchange.header("Authorization"), "");
  io::HttpHeaders headers;
  if (exchange.path() == "/redirect") headers.add("Location", std::string(exchange.query()));
  const auto sent = co_await exchange.respond(exchange.path() == "/redirect" ? 302 : 200, headers, "");
  (void)sent;
}

class AutodiscoverTest : public testing::Test {
 protected:
  AutodiscoverTest() : runtime_({.threads = 1, .workers = 1}) {
    runtime_.start();
    auto server = io::HttpServer::listen(runtime_, {}, handle);
    EXPECT_TRUE(server);
    server_ = std::move(*server);
    http_ = io::HttpClient::create(runtime_).value();
  }
  ~AutodiscoverTest() override { stop(); }
  void stop() {
    if (server_) io::run_on_loop(runtime_, server_->stop(0s));
    server_.reset();
  }

  Result<std::vector<std::string>> led_by(const std::string& target) {
    return io::run_on_loop(runtime_, places_by_http(http_, fmt::format("http://127.0.0.1:{}{}", server_->port(), target), "Example.test"));
  }

  io::Runtime runtime_;
  std::unique_ptr<io::HttpServer> server_;
  std::shared_ptr<io::HttpClient> http_;
};

// Row A1, the last step.
TEST_F(AutodiscoverTest, PlainHttpLeadsWithinTheDomainAndToTls) {
  const std::string good = "https://MAIL.example.test:8443/autodiscover/autodiscover.xml";
  EXPECT_EQ(led_by("/redirect?" + good).value(), std::vector<std::string>{good});
  EXPECT_EQ(led_by("/redirect?https://example.test/a").value(), std::vector<std::string>{"https://example.test/a"});
  EXPECT_TRUE(led_by("/page").value().empty());
  for (const char* bad : {"https://far.test/a", "https://badexample.test/a", "https://example.test.far.test/a", "http://mail.example.test/a", "/a", ""}) {
    const auto led = led_by(std::string("/redirect?") + bad);
    ASSERT_FALSE(led) << bad;
    EXPECT_EQ(led.error().code, Errc::unsupported) << bad;
  }
}

TEST_F(AutodiscoverTest, NobodyAtPlainHttpIsNoError) {
  const auto port = server_->port();
  stop();
  EXPECT_TRUE(io::run_on_loop(runtime_, places_by_http(http_, fmt::format("http://127.0.0.1:{}/", port), "example.test")).value().empty());
}

}  // namespace
}  // namespace mapigate::upstream
