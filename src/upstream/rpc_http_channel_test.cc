// A proxy of which each word is known, by plain HTTP. What `mapigate client` does with whole ones is in tests/rpc.
#include "upstream/rpc_http_channel.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "io/stream.h"
#include "io/test_run.h"
#include "wire/rpc/rts.h"

namespace mapigate::upstream {
namespace {

namespace rts = wire::rpc::rts;
using namespace std::chrono_literals;

constexpr std::uint32_t pdu_size = 4096;

Bytes request_pdu() {
  Bytes out(pdu_size);
  out[0] = 5, out[3] = 3, out[4] = 0x10;
  out[8] = pdu_size & 0xff, out[9] = pdu_size >> 8;
  return out;
}

// One channel of a client's, at the proxy. Waits end after 10 seconds, with what is there.
class Accepted {
 public:
  explicit Accepted(int listener) : descriptor_(::accept(listener, nullptr, nullptr)) {
    const timeval limit{10, 0};
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    while (!head.ends_with("\r\n\r\n")) {
      char c = 0;
      if (::recv(descriptor_, &c, 1, 0) != 1) break;
      head.push_back(c);
    }
  }
  ~Accepted() { ::close(descriptor_); }
  Accepted(const Accepted&) = delete;

  std::string head;  // of the request

  Bytes receive() {
    Bytes out = take(rts::pdu_head_size);
    if (out.size() == rts::pdu_head_size) {
      const auto rest = take((out[8] | out[9] << 8) - rts::pdu_head_size);
      out.insert(out.end(), rest.begin(), rest.end());
    }
    return out;
  }
  // The kind of the RTS PDU that comes next, and the last of its cookies.
  std::optional<rts::Kind> receive_rts(rts::RtsCookie* cookie = nullptr) {
    const auto bytes = receive();
    Arena arena;
    const auto pdu = rts::read(bytes, arena);
    if (!pdu) return {};
    if (cookie != nullptr)
      for (const auto& one : pdu->Commands)
        if (one.Type == rts::CommandType::Cookie) *cookie = one.Cookie;
    return rts::kind_of(*pdu);
  }
  void send(View bytes) { EXPECT_EQ(::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size())); }
  // How much more comes within that time.
  std::size_t more(std::chrono::milliseconds within) {
    const timeval limit{0, static_cast<suseconds_t>(within.count()) * 1000};
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char piece[16384];
    const auto got = ::recv(descriptor_, piece, sizeof piece, 0);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
  }

 private:
  Bytes take(std::size_t size) {
    Bytes out(size);
    const auto got = ::recv(descriptor_, out.data(), size, MSG_WAITALL);
    out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return out;
  }
  int descriptor_;
};

class RpcHttpChannelTest : public ::testing::Test {
 protected:
  RpcHttpChannelTest() : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_, any, size), 0);
    EXPECT_EQ(::listen(listener_, 8), 0);
    EXPECT_EQ(::getsockname(listener_, any, &size), 0);
    const timeval limit{10, 0};
    setsockopt(listener_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    proxy_.url = *io::parse_url("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
    proxy_.in_lifetime = 4 * pdu_size;
    runtime_.start();
  }
  ~RpcHttpChannelTest() override { ::close(listener_); }

  // Both channels of a virtual connection, with a window of 64 KiB.
  struct Pair {
    std::unique_ptr<Accepted> in, out;
  };
  Pair accept_both() {
    Pair both;
    both.out = std::make_unique<Accepted>(listener_);
    EXPECT_EQ(both.out->receive_rts(), rts::Kind::conn_a1);
    both.out->send(as_view(std::string_view("HTTP/1.1 200 Success\r\nContent-Type: application/rpc\r\nContent-Length: 1073741824\r\n\r\n")));
    both.out->send(rts::write(rts::Kind::conn_a3, {rts::connection_timeout(120000)}));
    both.in = std::make_unique<Accepted>(listener_);
    EXPECT_EQ(both.in->receive_rts(), rts::Kind::conn_b1);
    both.out->send(rts::write(rts::Kind::conn_c, {rts::version(), rts::receive_window_size(65536), rts::connection_timeout(120000)}));
    return both;
  }

  io::Runtime runtime_;
  int listener_;
  RpcProxy proxy_;
};

Task<Status> send_some(RpcChannel* channel, unsigned count, Duration limit) {
  for (unsigned i = 0; i < count; ++i) {
    auto sent = co_await channel->send(request_pdu(), limit);
    if (!sent) co_return sent;
  }
  co_return Status();
}

Task<> talk_through_a_small_window(RpcProxy proxy, io::Runtime* runtime) {
  Credentials credentials{"alice", Secret("secret")};
  auto channel = co_await connect_rpc_http(std::move(proxy), std::move(credentials), 6001, 10s, *runtime);
  if (!channel) {
    ADD_FAILURE() << channel.error().message;
    co_return;
  }
  auto* one = channel->get();
  auto sent = co_await send_some(one, 3, 10s);  // then the channel nears its end, and its successor is asked for
  EXPECT_TRUE(sent.has_value());
  auto answer = co_await one->receive(10s);     // on the way there the successor takes over
  EXPECT_TRUE(answer.has_value());
  sent = co_await send_some(one, 2, 10s);
  EXPECT_TRUE(sent.has_value());
  sent = co_await send_some(one, 1, 300ms);
  EXPECT_TRUE(!sent && sent.error().code == Errc::timeout) << "more than the window";
  answer = co_await one->receive(10s);
  EXPECT_TRUE(answer.has_value());
  sent = co_await send_some(one, 1, 10s);
  EXPECT_TRUE(sent.has_value()) << (sent ? "" : sent.error().message);
  one->close();
}

// [MS-RPCH] 2.2.4.13: the inbound proxy that the successor comes to has a window of its own.
TEST_F(RpcHttpChannelTest, SuccessorsWindowCounts) {
  std::thread server([this] {
    const auto both = accept_both();
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(both.in->receive().size(), pdu_size);
    Accepted successor(listener_);
    rts::RtsCookie cookie;
    EXPECT_EQ(successor.receive_rts(&cookie), rts::Kind::in_r_a1);
    both.out->send(rts::write(rts::Kind::in_r1_a4, {rts::destination(rts::FDClient), rts::version(), rts::receive_window_size(2 * pdu_size),
                                                    rts::connection_timeout(120000)}));
    both.out->send(request_pdu());
    EXPECT_EQ(both.in->receive_rts(), rts::Kind::in_r_a5);
    for (unsigned i = 0; i < 2; ++i) EXPECT_EQ(successor.receive().size(), pdu_size);
    EXPECT_EQ(successor.more(600ms), 0u);
    both.out->send(rts::write(rts::Kind::flow_control_ack_with_destination,
                              {rts::destination(rts::FDClient), rts::flow_control_ack(2 * pdu_size, 2 * pdu_size, cookie)}));
    both.out->send(request_pdu());
    EXPECT_GT(successor.more(900ms), 0u);
  });
  io::run_on_loop(runtime_, talk_through_a_small_window(proxy_, &runtime_));
  server.join();
}

Task<> expect_refusal(RpcProxy proxy, io::Runtime* runtime) {
  Credentials credentials{"alice", Secret("secret")};
  auto channel = co_await connect_rpc_http(std::move(proxy), std::move(credentials), 6001, 10s, *runtime);
  if (!channel) {
    ADD_FAILURE() << channel.error().message;
    co_return;
  }
  auto sent = co_await send_some(channel->get(), 3, 10s);
  EXPECT_TRUE(sent.has_value());
  auto answer = co_await (*channel)->receive(10s);
  EXPECT_TRUE(!answer && answer.error().code == Errc::malformed);
  (*channel)->close();
}

TEST_F(RpcHttpChannelTest, WindowBelowTheLeastIsRefused) {
  std::thread server([this] {
    const auto both = accept_both();
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(both.in->receive().size(), pdu_size);
    Accepted successor(listener_);
    EXPECT_EQ(successor.receive_rts(), rts::Kind::in_r_a1);
    both.out->send(rts::write(rts::Kind::in_r1_a4, {rts::destination(rts::FDClient), rts::version(), rts::receive_window_size(4096),
                                                    rts::connection_timeout(120000)}));
    both.in->receive();  // nothing: the client has gone
  });
  io::run_on_loop(runtime_, expect_refusal(proxy_, &runtime_));
  server.join();
}

// Connections that somebody else has logged on by: here, nobody has to. As many as there are.
class Given final : public LoggedOnConnections {
 public:
  Given(io::Url url, unsigned count) : url_(std::move(url)), left_(count) {}
  Task<Result<std::unique_ptr<io::Stream>>> next(Duration limit) override {
    if (left_ == 0) co_return error(Errc::unavailable, "no more");
    --left_;
    io::ConnectOptions options;
    options.connect_limit = limit;
    auto stream = co_await io::connect(url_.host, url_.port, options);
    co_return stream;
  }

 private:
  const io::Url url_;
  unsigned left_;
};

TEST_F(RpcHttpChannelTest, ConnectionsOfOthersTakeNoCredentials) {
  const auto given = std::make_shared<Given>(proxy_.url, 3);
  proxy_.logged_on = given;
  std::thread server([this] {
    const auto both = accept_both();
    for (const auto* one : {both.in.get(), both.out.get()}) {
      EXPECT_EQ(one->head.find("Authorization"), std::string::npos);
      EXPECT_TRUE(one->head.ends_with("Pragma: no-cache\r\n\r\n")) << one->head;
    }
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(both.in->receive().size(), pdu_size);
    Accepted successor(listener_);
    EXPECT_EQ(successor.receive_rts(), rts::Kind::in_r_a1);
    EXPECT_EQ(successor.head.find("Authorization"), std::string::npos);
    both.out->send(rts::write(rts::Kind::in_r1_a4, {rts::destination(rts::FDClient), rts::version(), rts::receive_window_size(4096),
                                                    rts::connection_timeout(120000)}));
    both.in->receive();  // nothing: the client does not take such a window, and has gone
  });
  io::run_on_loop(runtime_, expect_refusal(proxy_, &runtime_));
  server.join();
}

Task<> expect_no_connection(RpcProxy proxy, io::Runtime* runtime) {
  auto channel = co_await connect_rpc_http(std::move(proxy), Credentials(), 6001, 10s, *runtime);
  EXPECT_TRUE(!channel && channel.error().code == Errc::unavailable);
}

TEST_F(RpcHttpChannelTest, NothingIsOpenedWhereNobodyLoggedOn) {
  proxy_.logged_on = std::make_shared<Given>(proxy_.url, 0);  // and gone
  io::run_on_loop(runtime_, expect_no_connection(proxy_, &runtime_));
  const auto none = std::make_shared<Given>(proxy_.url, 0);
  proxy_.logged_on = none;
  io::run_on_loop(runtime_, expect_no_connection(proxy_, &runtime_));
}

}  // namespace
}  // namespace mapigate::upstream
