#include "upstream/rpc_http_channel.h"

#include <openssl/rand.h>

#include "base/log.h"
#include "base/text.h"
#include "io/runtime.h"
#include "io/stream.h"
#include "io/sync.h"
#include "io/tls.h"
#include "wire/rpc/rts.h"

namespace mapigate::upstream {

namespace rts = wire::rpc::rts;

namespace {

constexpr Duration rest_limit = std::chrono::seconds(30);  // for the rest of a PDU that has begun, and for small writes
constexpr Duration slice = std::chrono::seconds(20);
constexpr std::uint32_t keepalive = 60'000;                // ms; the least that [MS-RPCH] 2.2.3.5.6 allows
constexpr Duration dead_after = std::chrono::milliseconds(3 * keepalive);
constexpr std::uint32_t conn_a1_size = 76, out_r_a3_size = 120;  // Content-Length of an OUT channel: what we write into it

Result<rts::RtsCookie> new_cookie() {
  rts::RtsCookie out;
  if (RAND_bytes(out.bytes.data(), static_cast<int>(out.bytes.size())) != 1) return error(Errc::internal, "no random numbers to be had");
  return out;
}

// One HTTP request on a connection of its own.
class Half {
 public:
  Half(std::unique_ptr<io::Stream> stream, std::string method, std::string target, std::string host)
      : stream_(std::move(stream)), reader_(*stream_), method_(std::move(method)), target_(std::move(target)), host_(std::move(host)) {}

  rts::RtsCookie cookie;

  Task<Status> send_head(std::uint32_t length, std::string authorization) {
    std::string head = fmt::format(
        "{} {} HTTP/1.1\r\nHost: {}\r\nAccept: application/rpc\r\nUser-Agent: MSRPC\r\nContent-Length: {}\r\nConnection: Keep-Alive\r\n"
        "Cache-Control: no-cache\r\nPragma: no-cache\r\n{}{}{}\r\n", method_, target_, host_, length,
        authorization.empty() ? "" : "Authorization: ", authorization, authorization.empty() ? "" : "\r\n");
    auto written = co_await stream_->write(as_view(head), rest_limit);
    std::fill(head.begin(), head.end(), '\0');
    co_return written;
  }

  // Status and fields of the response; its body, when there is one with a length that is no channel's, is read and dropped.
  Task<Result<unsigned>> read_head(io::HttpFields* fields) {
    auto first = co_await reader_.read_line(8192, rest_limit);
    if (!first) co_return first.error();
    if (first->size() < 12 || !first->starts_with("HTTP/1.")) co_return error(Errc::malformed, "the proxy's answer is no HTTP");
    const auto status = static_cast<unsigned>(std::atoi(std::string(first->substr(9, 3)).c_str()));
    for (unsigned count = 0; count < 100; ++count) {
      auto line = co_await reader_.read_line(16384, rest_limit);
      if (!line) co_return line.error();
      if (line->empty()) co_return status;
      const auto colon = line->find(':');
      if (colon == std::string_view::npos) co_return error(Errc::malformed, "the proxy's answer is no HTTP");
      fields->add(line->substr(0, colon), trim(line->substr(colon + 1)));
    }
    co_return error(Errc::malformed, "the proxy's answer has too many fields");
  }

  Task<Status> drop_body(const io::HttpFields& fields) {
    std::size_t left = static_cast<std::size_t>(std::atoi(std::string(fields.get("Content-Length")).c_str()));
    if (left > 65536 || fields.contains("Transfer-Encoding")) co_return error(Errc::malformed, "a challenge with a large body");
    while (left > 0) {
      auto piece = co_await reader_.read_chunk(left, rest_limit);
      if (!piece) co_return piece.error();
      if (piece->empty()) co_return error(Errc::unavailable, "the proxy closed the connection");
      left -= piece->size();
    }
    co_return Status();
  }

  Task<Status> write(Bytes bytes, Duration limit) {
    auto written = co_await stream_->write(bytes, limit);
    co_return written;
  }

  // A whole PDU, after the head of the response. Errc::timeout: none began.
  Task<Result<Bytes>> receive(Duration limit) {
    if (!answered_) {
      io::HttpFields fields;
      auto status = co_await read_head(&fields);
      if (!status) co_return status.error();
      if (*status == 401 || *status == 403) co_return error(Errc::denied, "{} refuses the credentials (HTTP {})", host_, *status);
      if (*status != 200) co_return error(Errc::unavailable, "{} answers HTTP {}", host_, *status);
      answered_ = true;
    }
    if (reader_.buffered() == 0 && stream_->pending() == 0) {
      auto ready = co_await stream_->wait_readable(limit);
      if (!ready) co_return ready.error();
    }
    Bytes pdu(rts::pdu_head_size);
    auto read = co_await reader_.read_exactly(pdu, rest_limit);
    if (read) {
      const auto head = rts::read_pdu_head(pdu);
      if (!head) co_return head.error();
      pdu.resize(head->frag_length);
      read = co_await reader_.read_exactly(std::span(pdu).subspan(rts::pdu_head_size), rest_limit);
    }
    if (!read && read.error().code == Errc::timeout) co_return error(Errc::unavailable, "half a PDU, then silence");
    if (!read) co_return read.error();
    co_return pdu;
  }

  void close() { stream_->close(); }
  void shutdown() { stream_->shutdown(); }
  Bytes certificate_hash() const { return stream_->tls_server_end_point(); }

 private:
  std::unique_ptr<io::Stream> stream_;
  io::BufferedReader reader_;
  std::string method_, target_, host_;
  bool answered_ = false;
};

class HttpRpcChannel final : public RpcChannel {
 public:
  HttpRpcChannel(RpcProxy proxy, Credentials credentials, std::uint16_t port, io::Runtime& runtime)
      : proxy_(std::move(proxy)), credentials_(std::move(credentials)), runtime_(runtime) {
    target_ = rpc_proxy_target(proxy_.url, proxy_.server, port);
  }

  // [MS-RPCH] 3.2.1.5.3: CONN/A and CONN/B out, CONN/A3 and CONN/C2 back.
  Task<Status> connect(Duration limit) {
    auto one = new_cookie(), two = new_cookie();
    if (!one || !two) co_return error(Errc::internal, "no random numbers to be had");
    cookie_ = *one;
    auto out = co_await open("RPC_OUT_DATA", conn_a1_size, limit);
    if (!out) co_return std::move(out.error()).within("OUT channel");
    out_ = std::move(*out);
    auto done = co_await out_->write(
        make_conn_a1(), limit);
    if (!done) co_return done;
    auto in = co_await open("RPC_IN_DATA", proxy_.in_lifetime, limit);
    if (!in) co_return std::move(in.error()).within("IN channel");
    in_ = std::move(*in);
    done = co_await write_in(make_conn_b1(*two));
    if (!done) co_return done;
    bool established = false;
    for (unsigned i = 0; i < 8 && !established; ++i) {
      auto pdu = co_await out_->receive(limit);
      if (!pdu) co_return pdu.error();
      Arena arena;
      const auto read = rts::read(*pdu, arena);
      if (!read) co_return read.error();
      const auto kind = rts::kind_of(*read);
      if (kind != rts::Kind::conn_c) continue;  // CONN/A3, pings
      window_of_server_ = may_send_ = read->find(rts::CommandType::ReceiveWindowSize)->Value;
      established = true;
    }
    if (!established) co_return error(Errc::malformed, "the proxy does not finish the virtual connection");
    co_return check_window(window_of_server_);
  }

  Task<Status> send(Bytes pdus, Duration limit) override {
    const auto until = Clock::now() + limit;
    for (std::size_t at = 0; at < pdus.size();) {
      const auto head = rts::read_pdu_head(View(pdus).subspan(at));
      if (!head || head->frag_length > pdus.size() - at) co_return error(Errc::internal, "no PDU");
      const std::uint32_t size = head->frag_length;
      if (may_send_ < size) {
        room_.reset();
        const bool woken = co_await room_.wait_for(until - Clock::now());
        if (closed_) co_return error(Errc::unavailable, "the connection is closed");
        if (!woken && may_send_ < size) co_return error(Errc::timeout, "the server takes nothing any more");
        continue;
      }
      auto lock = co_await writing_.lock(rest_limit);
      if (!lock) co_return lock.error();
      if (may_send_ < size) continue;  // another channel meanwhile
      may_send_ -= size;
      sent_ += size;
      const auto first = pdus.begin() + static_cast<std::ptrdiff_t>(at);
      Bytes one(first, first + size);
      auto written = co_await write_in_locked(std::move(one));
      lock->unlock();
      if (!written) co_return written;
      at += size;
      if (next_in_ == nullptr && in_bytes_ > proxy_.in_lifetime / 4 * 3) {
        auto begun = co_await begin_in_successor(limit);
        if (!begun) co_return begun;
      }
    }
    co_return Status();
  }

  Task<Result<Bytes>> receive(Duration limit) override {
    const auto until = Clock::now() + limit;
    for (;;) {
      auto pdu = co_await out_->receive(std::min(slice, std::max(until - Clock::now(), Duration(std::chrono::milliseconds(1)))));
      if (closed_) co_return error(Errc::cancelled, "the connection is closed");
      if (!pdu && pdu.error().code == Errc::timeout) {
        auto alive = co_await keep_alive();
        if (!alive) co_return alive.error();
        if (Clock::now() >= until) co_return pdu.error();
        continue;
      }
      if (!pdu) co_return pdu.error();
      last_read_ = Clock::now();
      if ((*pdu)[2] != 20) {
        received_ += static_cast<std::uint32_t>(pdu->size());
        unacknowledged_ += static_cast<std::uint32_t>(pdu->size());
        if (unacknowledged_ >= proxy_.window / 2) {
          auto told = co_await acknowledge();
          if (!told) co_return told.error();
        }
        co_return pdu;
      }
      auto handled = co_await take_rts(std::move(*pdu));
      if (!handled) co_return handled.error();
    }
  }

  void close() override {
    closed_ = true;
    for (auto* one : {in_.get(), out_.get(), next_in_.get(), next_out_.get(), old_in_.get(), old_out_.get()})
      if (one != nullptr) one->close();
    room_.set();
  }

 private:
  Task<Result<std::unique_ptr<Half>>> open_logged_on(std::string method, std::uint32_t length, Duration limit) {
    const auto connections = proxy_.logged_on->lock();
    if (connections == nullptr) co_return error(Errc::unavailable, "the client has gone");
    auto stream = co_await connections->next(limit);
    if (!stream) co_return stream.error();
    auto half = std::make_unique<Half>(std::move(*stream), std::move(method), target_, proxy_.url.authority());
    auto own = new_cookie();
    if (!own) co_return own.error();
    half->cookie = *own;
    auto sent = co_await half->send_head(length, {});
    if (!sent) co_return sent.error();
    co_return half;
  }

  Task<Result<std::unique_ptr<Half>>> open(std::string method, std::uint32_t length, Duration limit) {
    if (proxy_.logged_on) co_return co_await open_logged_on(std::move(method), length, limit);
    io::ConnectOptions options;
    if (proxy_.url.tls) options.tls = proxy_.tls;
    options.connect_limit = options.handshake_limit = limit;
    auto stream = co_await io::connect(proxy_.url.host, proxy_.url.port, options);
    if (!stream) {
      Error problem = stream.error();
      if (problem.code == Errc::denied) problem.code = Errc::unavailable;  // its certificate, not our password
      co_return problem;
    }
    auto half = std::make_unique<Half>(std::move(*stream), std::move(method), target_, proxy_.url.authority());
    auto own = new_cookie();
    if (!own) co_return own.error();
    half->cookie = *own;
    if (proxy_.auth == HttpAuth::basic) {
      auto sent = co_await half->send_head(length, basic_authorization(credentials_.user, credentials_.password).reveal());
      if (!sent) co_return sent.error();
      co_return half;
    }
    HttpHandshake handshake(proxy_.auth, credentials_, proxy_.url.host, half->certificate_hash(), runtime_);
    auto field = co_await handshake.next(nullptr);
    if (!field) co_return field.error();
    if (handshake.only_challenge()) {
      auto sent = co_await half->send_head(0, *field);
      if (!sent) co_return sent.error();
      io::HttpFields fields;
      auto status = co_await half->read_head(&fields);
      if (!status) co_return status.error();
      if (*status != 401) co_return error(Errc::denied, "{} answers HTTP {} to NTLM", proxy_.url.authority(), *status);
      auto dropped = co_await half->drop_body(fields);
      if (!dropped) co_return dropped.error();
      field = co_await handshake.next(&fields);
      if (!field) co_return field.error();
    }
    auto sent = co_await half->send_head(length, *field);
    if (!sent) co_return sent.error();
    co_return half;
  }

  // The PDUs that we send. (g++ 12 takes no lists of this kind within coroutines.)
  Bytes make_conn_a1() const {
    return rts::write(rts::Kind::conn_a1, {rts::version(), rts::cookie(cookie_), rts::cookie(out_->cookie), rts::receive_window_size(proxy_.window)});
  }
  Bytes make_conn_b1(const rts::RtsCookie& group) const {
    return rts::write(rts::Kind::conn_b1, {rts::version(), rts::cookie(cookie_), rts::cookie(in_->cookie), rts::channel_lifetime(proxy_.in_lifetime), rts::client_keepalive(keepalive), rts::association_group_id(group)});
  }
  Bytes make_flow_control_ack_with_destination() const {
    return rts::write(rts::Kind::flow_control_ack_with_destination, {rts::destination(rts::FDOutProxy), rts::flow_control_ack(received_, proxy_.window, out_->cookie)});
  }
  Bytes make_ping() const {
    return rts::write(rts::Kind::ping, {});
  }
  Bytes make_out_r_a7() const {
    return rts::write(rts::Kind::out_r_a7, {rts::destination(rts::FDServer), rts::cookie(next_out_->cookie), rts::version()});
  }
  Bytes make_out_r2_c1() const {
    return rts::write(rts::Kind::out_r2_c1, {rts::empty()});
  }
  Bytes make_out_r1_a11() const {
    return rts::write(rts::Kind::out_r1_a11, {rts::ance()});
  }
  Bytes make_out_r_a3() const {
    return rts::write(rts::Kind::out_r_a3, {rts::version(), rts::cookie(cookie_), rts::cookie(out_->cookie), rts::cookie(next_out_->cookie), rts::receive_window_size(proxy_.window)});
  }
  Bytes make_in_r_a1() const {
    return rts::write(rts::Kind::in_r_a1, {rts::version(), rts::cookie(cookie_), rts::cookie(in_->cookie), rts::cookie(next_in_->cookie)});
  }
  Bytes make_in_r_a5() const {
    return rts::write(rts::Kind::in_r_a5, {rts::cookie(next_in_->cookie)});
  }

  // 2.2.3.5.1.
  static Status check_window(std::uint32_t window) {
    if (window < 8192) return error(Errc::malformed, "the proxy's window of {} bytes is too small", window);
    return {};
  }

  // Everything on the IN channel goes through here, one after the other.
  Task<Status> write_in(Bytes bytes) {
    auto lock = co_await writing_.lock(rest_limit);
    if (!lock) co_return lock.error();
    auto written = co_await write_in_locked(std::move(bytes));
    co_return written;
  }
  Task<Status> write_in_locked(Bytes bytes) {
    in_bytes_ += bytes.size();
    last_write_ = Clock::now();
    auto written = co_await in_->write(std::move(bytes), rest_limit);
    if (!written && written.error().code == Errc::timeout) co_return error(Errc::unavailable, "the proxy takes nothing any more");
    co_return written;
  }

  // 3.2.1.4.1.1 and 3.2.1.1.5.1.
  Task<Status> acknowledge() {
    unacknowledged_ = 0;
    auto told = co_await write_in(make_flow_control_ack_with_destination());
    co_return told;
  }

  Task<Status> keep_alive() {
    const auto now = Clock::now();
    if (now - last_read_ > dead_after) co_return error(Errc::unavailable, "the proxy says nothing any more");
    if (now - last_write_ < std::chrono::milliseconds(keepalive)) co_return Status();
    auto told = co_await write_in(make_ping());
    co_return told;
  }

  Task<Status> take_rts(Bytes bytes) {
    Arena arena;
    const auto pdu = rts::read(bytes, arena);
    if (!pdu) co_return pdu.error();
    const auto kind = rts::kind_of(*pdu);
    if (!kind) co_return error(Errc::malformed, "an RTS PDU with flags {:#x} that nobody knows", pdu->Flags);
    const auto* to = pdu->find(rts::CommandType::Destination);
    const bool for_us = to == nullptr || to->Value == rts::FDClient;
    switch (*kind) {
      case rts::Kind::flow_control_ack_with_destination:
      case rts::Kind::flow_control_ack: {
        const auto* ack = pdu->find(rts::CommandType::FlowControlAck);
        if (ack->Cookie != in_->cookie) break;  // of a channel that is over
        const std::uint32_t on_the_way = sent_ - ack->BytesReceived;
        may_send_ = ack->AvailableWindow > on_the_way ? ack->AvailableWindow - on_the_way : 0;
        room_.set();
        break;
      }
      case rts::Kind::out_r_a2: {
        if (!for_us || next_out_ != nullptr) break;
        auto begun = co_await begin_out_successor();
        co_return begun;
      }
      case rts::Kind::out_r1_a6:
      case rts::Kind::out_r2_a6: {
        if (!for_us || next_out_ == nullptr) break;
        auto told = co_await write_in(make_out_r_a7());
        co_return told;
      }
      case rts::Kind::out_r2_b3: {
        // The old channel has ended; the new one is told to begin.
        if (next_out_ == nullptr) break;
        auto told = co_await next_out_->write(make_out_r2_c1(), rest_limit);
        switch_out();
        co_return told;
      }
      case rts::Kind::out_r1_a11: {
        // This one is A10, which looks the same: another proxy takes over, and begins when it hears of it (3.2.2.5.8).
        if (next_out_ == nullptr) break;
        auto told = co_await next_out_->write(make_out_r1_a11(), rest_limit);
        switch_out();
        co_return told;
      }
      case rts::Kind::in_r1_a4:
      case rts::Kind::in_r2_a4: {
        if (!for_us || next_in_ == nullptr) break;
        // Another proxy says what it takes; where it is the same one, nothing has changed (2.2.4.13 and 2.2.4.21).
        if (const auto* window = pdu->find(rts::CommandType::ReceiveWindowSize)) {
          if (auto checked = check_window(window->Value); !checked) co_return checked;
          window_of_server_ = window->Value;
        }
        auto told = co_await switch_in();
        co_return told;
      }
      default: break;  // pings, and what concerns the proxies
    }
    co_return Status();
  }

  // [MS-RPCH] 3.2.2.4.3: OUT channel recycling.
  Task<Status> begin_out_successor() {
    auto made = co_await open("RPC_OUT_DATA", out_r_a3_size, rest_limit);
    if (!made) co_return std::move(made.error()).within("OUT channel");
    next_out_ = std::move(*made);
    auto told = co_await next_out_->write(make_out_r_a3(),
                                          rest_limit);
    co_return told;
  }
  void switch_out() {
    old_out_ = std::move(out_);  // what waits on it still looks at it
    old_out_->close();
    out_ = std::move(next_out_);
    received_ = unacknowledged_ = 0;
  }

  // IN channel recycling: begun while the old one still has room.
  Task<Status> begin_in_successor(Duration limit) {
    auto made = co_await open("RPC_IN_DATA", proxy_.in_lifetime, limit);
    if (!made) co_return std::move(made.error()).within("IN channel");
    next_in_ = std::move(*made);
    auto told = co_await next_in_->write(
        make_in_r_a1(), rest_limit);
    co_return told;
  }
  Task<Status> switch_in() {
    auto lock = co_await writing_.lock(rest_limit);
    if (!lock) co_return lock.error();
    auto told = co_await write_in_locked(make_in_r_a5());
    old_in_ = std::move(in_);
    old_in_->shutdown();  // what was written still has to arrive
    in_ = std::move(next_in_);
    in_bytes_ = 0;
    sent_ = 0;
    may_send_ = window_of_server_;
    room_.set();
    co_return told;
  }

  RpcProxy proxy_;
  Credentials credentials_;
  io::Runtime& runtime_;
  std::string target_;
  rts::RtsCookie cookie_;
  std::unique_ptr<Half> in_, out_, next_in_, next_out_, old_in_, old_out_;
  std::uint32_t received_ = 0, unacknowledged_ = 0;  // on the OUT channel
  std::uint32_t sent_ = 0, may_send_ = 0, window_of_server_ = 0;  // on the IN channel
  std::uint64_t in_bytes_ = 0;                       // all that the IN channel has carried
  io::Event room_;
  io::Mutex writing_;
  Clock::time_point last_read_ = Clock::now(), last_write_ = last_read_;
  bool closed_ = false;
};

}  // namespace

std::string rpc_proxy_target(const io::Url& url, const std::string& server, std::uint16_t port) {
  return fmt::format("/rpc/rpcproxy.dll?{}:{}", server.empty() ? url.host : server, port);
}

Task<Result<std::unique_ptr<RpcChannel>>> connect_rpc_http(RpcProxy proxy, Credentials credentials, std::uint16_t port, Duration limit,
                                                           io::Runtime& runtime) {
  const auto where = proxy.url.authority();
  auto channel = std::make_unique<HttpRpcChannel>(std::move(proxy), std::move(credentials), port, runtime);
  auto connected = co_await channel->connect(limit);
  if (!connected) {
    channel->close();
    co_return std::move(connected.error()).within(where);
  }
  co_return std::unique_ptr<RpcChannel>(std::move(channel));
}

}  // namespace mapigate::upstream
