// Requests whose body is no message but a channel.
#include <gtest/gtest.h>

#include <cstddef>
#include <thread>

#if defined(__SANITIZE_ADDRESS__)
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();  // g++ comes without the header of that
#else
#include <malloc.h>
#endif

#include "io/http_server.h"
#include "io/test_run.h"

namespace mapigate::io {
namespace {

using namespace std::chrono_literals;

// Answers each piece of the body at once, then how much there was; "/refuse" does not read it.
Task<> handle(HttpExchange& exchange) {
  if (exchange.path() == "/refuse") {
    const HttpHeaders none;
    co_await exchange.respond(401, none, "no");
    co_return;
  }
  if (exchange.path() == "/closing") {
    exchange.closer()();
    co_await sleep_for(50ms);
    const HttpHeaders none;
    co_await exchange.respond(200, none, "whole");
    co_return;
  }
  if (exchange.method() != "CHANNEL") {
    auto& count = exchange.attachment();
    if (count == nullptr) count = std::make_shared<int>(0);
    const auto text = std::to_string(++*std::static_pointer_cast<int>(count));
    exchange.add_response_header("X-More", "yes");
    const HttpHeaders none;
    co_await exchange.respond(200, none, text);
    co_return;
  }
  HttpHeaders headers;
  headers.add("Content-Type", "application/rpc");
  if (exchange.path() == "/watched") {
    auto closed = exchange.closed();
    exchange.begin_stream(200, "Success", headers, 1 << 30);
    exchange.queue(as_view(std::string(48 * 1024, 'x')));
    co_await exchange.flush();
    co_await closed.wait_for(20s);
    co_return;
  }
  exchange.begin_stream(200, "Success", headers, 1 << 30);
  co_await exchange.flush();
  for (;;) {
    const auto piece = co_await exchange.read_body(20s);
    if (!piece || piece->empty()) break;
    exchange.queue(as_view(std::string("<") + std::string(as_text(*piece)) + ">"));
    co_await exchange.flush();
  }
  if (exchange.path() == "/abort") {
    exchange.aborter()();
    co_await sleep_for(200ms);
  }
}

// Sends the pieces, each when what is expected of those before it has come, or after a pause where nothing is; what came back
// until the server closed.
Task<std::string> talk(std::uint16_t port, std::vector<std::string> pieces, std::vector<std::string> expected) {
  auto stream = co_await connect("127.0.0.1", port, ConnectOptions());
  std::string answer;
  if (!stream) co_return "no connection";
  std::array<std::uint8_t, 4096> buffer;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    auto sent = co_await (*stream)->write(as_view(pieces[i]), 20s);
    if (!sent) break;
    if (i >= expected.size()) co_await sleep_for(50ms);
    while (i < expected.size() && answer.find(expected[i]) == std::string::npos) {
      auto got = co_await (*stream)->read_some(buffer, 20s);
      if (!got || *got == 0) break;
      answer.append(reinterpret_cast<const char*>(buffer.data()), *got);
    }
  }
  (*stream)->shutdown();
  for (;;) {
    auto got = co_await (*stream)->read_some(buffer, 20s);
    if (!got || *got == 0) break;
    answer.append(reinterpret_cast<const char*>(buffer.data()), *got);
  }
  co_return answer;
}

class HttpChannel : public testing::Test {
 protected:
  HttpChannel() : runtime_({.threads = 2, .workers = 1}) {
    runtime_.start();
    ListenOptions options;
    options.limits.body_bytes = 100;
    options.streams = [](std::string_view method, std::string_view target) { return method == "CHANNEL" || target.starts_with("/refuse"); };
    server_ = std::move(HttpServer::listen(runtime_, options, handle).value());
  }
  ~HttpChannel() override { run_on_loop(runtime_, server_->stop(0s)); }

  std::string answer(std::vector<std::string> pieces, std::vector<std::string> expected = {}) {
    return run_on_loop(runtime_, talk(server_->port(), std::move(pieces), std::move(expected)));
  }

  Runtime runtime_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpChannel, PiecesArriveAsTheyAreSent) {
  const auto got = answer({"CHANNEL / HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\none", "two", "three"}, {"<one>", "<two>"});
  EXPECT_TRUE(got.starts_with("HTTP/1.1 200 Success\r\n")) << got;
  EXPECT_NE(got.find("Content-Length: 1073741824\r\n\r\n<one><two><three>"), std::string::npos) << got;
}

TEST_F(HttpChannel, AStreamSaysWhenTheConnectionEndsWithIt) {
  const std::string field = "Connection: close\r\n";
  const auto last = answer({"CHANNEL / HTTP/1.1\r\nHost: x\r\n" + field + "Content-Length: 3\r\n\r\nabc"});
  EXPECT_NE(last.find(field), std::string::npos) << last;
  const auto other = answer({"CHANNEL / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"});
  EXPECT_EQ(other.find(field), std::string::npos) << other;
}

TEST_F(HttpChannel, TheEndOfTheBodyIsTold) {
  const auto got = answer({"CHANNEL / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n", "abc", "def"}, {"Success", "<abc>"});
  EXPECT_TRUE(got.ends_with("<abc><def>")) << got;
}

TEST_F(HttpChannel, ChunksWork) {
  const auto got = answer({"CHANNEL / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "2\r", "\nde\r\n0\r\n\r\n"}, {"<abc>"});
  EXPECT_TRUE(got.ends_with("<abc><de>")) << got;
}

TEST_F(HttpChannel, ContinueIsSaidWhenTheBodyIsWanted) {
  const auto got = answer({"CHANNEL / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", "abc"}, {"100 Continue"});
  EXPECT_NE(got.find("HTTP/1.1 100 Continue\r\n\r\n"), std::string::npos) << got;
  const auto refused = answer({"POST /refuse HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"});
  EXPECT_EQ(refused.find("100 Continue"), std::string::npos) << refused;
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 401 ")) << refused;
}

// A short body that nobody read is read over, a long one ends the connection.
TEST_F(HttpChannel, WhatIsLeftOfTheBody) {
  const std::string next = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const auto after_short = answer({"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" + next});
  EXPECT_NE(after_short.find("HTTP/1.1 200 OK"), std::string::npos) << after_short;
  const auto after_long = answer({"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc", next});
  EXPECT_EQ(after_long.find("HTTP/1.1 200 OK"), std::string::npos) << after_long;
}

TEST_F(HttpChannel, OtherRequestsKeepTheirLimit) {
  EXPECT_TRUE(answer({"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"}).starts_with("HTTP/1.1 413 "));
}

TEST_F(HttpChannel, AttachmentsBelongToTheConnection) {
  const std::string request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n", last = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  for (int i = 0; i < 2; ++i) {
    const auto got = answer({request, last});
    EXPECT_NE(got.find("\r\n\r\n1HTTP/1.1 200 OK"), std::string::npos) << got;
    EXPECT_TRUE(got.ends_with("\r\n\r\n2")) << got;
    EXPECT_NE(got.find("X-More: yes\r\n"), std::string::npos) << got;
  }
}

TEST_F(HttpChannel, AConnectionThatIsClosedFromOutsideEndsItsAnswer) {
  const auto got = answer({"GET /closing HTTP/1.1\r\nHost: x\r\n\r\n"});
  EXPECT_NE(got.find("Connection: close\r\n"), std::string::npos) << got;
  EXPECT_TRUE(got.ends_with("\r\n\r\nwhole")) << got;
}

TEST_F(HttpChannel, AHandlerCanBeEndedFromOutside) {
  const auto started = Clock::now();
  answer({"CHANNEL /abort HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na"});
  EXPECT_LT(Clock::now() - started, 15s);
}

std::size_t bytes_in_use() {
#if defined(__SANITIZE_ADDRESS__)
  return __sanitizer_get_current_allocated_bytes();
#else
  return mallinfo2().uordblks;
#endif
}

// Opens channels that have sent a long answer and are silent then.
Task<> open_watched(std::uint16_t port, std::size_t count, std::vector<std::unique_ptr<Stream>>* streams) {
  const std::string request = "CHANNEL /watched HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
  std::vector<std::uint8_t> buffer(16 * 1024);
  while (streams->size() < count) {
    auto stream = co_await connect("127.0.0.1", port, ConnectOptions());
    if (!stream) co_return;
    auto sent = co_await (*stream)->write(as_view(request), 5s);
    if (!sent) co_return;
    for (std::size_t all = 0; all < 48 * 1024;) {
      auto got = co_await (*stream)->read_some(buffer, 5s);
      if (!got || *got == 0) co_return;
      all += *got;
    }
    streams->push_back(std::move(*stream));
  }
}
Task<> close_all(std::vector<std::unique_ptr<Stream>>* streams) {
  streams->clear();
  co_return;
}

// Neither what was read nor what was sent keeps its buffer: those alone would be 64 KiB here.
TEST_F(HttpChannel, ASilentChannelHoldsNoBuffers) {
  Runtime clients({.threads = 1, .workers = 1});
  clients.start();
  std::vector<std::unique_ptr<Stream>> streams;
  run_on_loop(clients, open_watched(server_->port(), 4, &streams));
  ASSERT_EQ(streams.size(), 4u);
  const auto before = bytes_in_use();
  constexpr std::size_t more = 32;
  run_on_loop(clients, open_watched(server_->port(), 4 + more, &streams));
  ASSERT_EQ(streams.size(), 4 + more);
  std::this_thread::sleep_for(200ms);
  const auto each = (bytes_in_use() - before) / more;
  EXPECT_LT(each, 16u * 1024);
  run_on_loop(clients, close_all(&streams));
}

}  // namespace
}  // namespace mapigate::io
