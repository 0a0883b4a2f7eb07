#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <vector>

#include "io/runtime.h"
#include "io/stream.h"
#include "io/stream_impl.h"
#include "io/sync.h"

namespace mapigate::io {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

namespace {

// getaddrinfo() cannot be interrupted: when the wait is over it is left alone, and
// its answer is dropped with this.
struct Lookup {
  explicit Lookup(const Executor& executor) : resolver(executor) {}
  tcp::resolver resolver;
  Event done;
  boost::system::error_code failed;
  std::vector<asio::ip::address> addresses;
};

Task<Result<std::vector<asio::ip::address>>> resolve(std::string host, Duration limit) {
  boost::system::error_code no_literal;
  auto literal = asio::ip::make_address(host, no_literal);
  if (!no_literal) co_return std::vector<asio::ip::address>{literal};
  Executor here = co_await asio::this_coro::executor;
  auto lookup = std::make_shared<Lookup>(here);
  lookup->resolver.async_resolve(host, "", tcp::resolver::numeric_service,
                                 [lookup](boost::system::error_code failed, tcp::resolver::results_type found) {
                                   lookup->failed = failed;
                                   for (const auto& entry : found) {
                                     lookup->addresses.push_back(entry.endpoint().address());
                                   }
                                   lookup->done.set();
                                 });
  bool done = co_await lookup->done.wait_for(limit);
  if (!done) co_return error(Errc::timeout, "the name {} was not resolved in time", host);
  if (lookup->failed) co_return error(Errc::unavailable, "the name {}: {}", host, lookup->failed.message());
  if (lookup->addresses.empty()) co_return error(Errc::unavailable, "the name {} has no address", host);
  co_return std::move(lookup->addresses);
}

struct Attempt : TimerNode {
  explicit Attempt(const Executor& executor) : socket(executor), timers(LoopTimers::of(executor)) {
    fire = [](TimerNode* node) {
      auto& self = *static_cast<Attempt*>(node);
      boost::system::error_code ignored;
      self.timed_out = true;
      self.socket.close(ignored);
    };
  }
  ~Attempt() { timers.remove(*this); }

  tcp::socket socket;
  LoopTimers& timers;
  bool timed_out = false;
};

Task<Result<tcp::socket>> connect_to(tcp::endpoint endpoint, Clock::time_point until) {
  Executor here = co_await asio::this_coro::executor;
  Attempt attempt(here);
  attempt.timers.set(attempt, until);
  boost::system::error_code failed;
  co_await attempt.socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, failed));
  if (attempt.timed_out) co_return error(Errc::timeout, "{} did not answer in time", endpoint.address().to_string());
  if (failed == asio::error::operation_aborted) co_return error(Errc::cancelled, "connecting was cancelled");
  if (failed) {
    co_return error(Errc::unavailable, "{} port {}: {}", endpoint.address().to_string(), endpoint.port(),
                    failed.message());
  }
  co_return std::move(attempt.socket);
}

}  // namespace

Task<Result<std::unique_ptr<Stream>>> connect(std::string host, std::uint16_t port, ConnectOptions options) {
  auto until = deadline_after(options.connect_limit);
  auto addresses = co_await resolve(host, options.connect_limit);
  if (!addresses) co_return std::move(addresses).error();
  Error last = error(Errc::unavailable, "{} has no address", host);
  for (std::size_t i = 0; i < addresses->size(); ++i) {
    auto now = Clock::now();
    if (now >= until) break;
    // Each address gets its share of what is left, so that a silent one does not starve the others.
    auto share = (until - now) / static_cast<int>(addresses->size() - i);
    tcp::endpoint endpoint((*addresses)[i], port);
    auto connected = co_await connect_to(endpoint, now + share);
    if (!connected) {
      last = std::move(connected).error();
      if (last.code == Errc::cancelled) co_return std::move(last);
      continue;
    }
    auto stream = std::make_unique<Stream>(std::make_unique<Stream::Impl>(std::move(*connected)));
    if (options.tls) {
      auto name = options.tls_host.empty() ? host : options.tls_host;
      auto secured = co_await stream->start_tls(options.tls, name, options.handshake_limit);
      if (!secured) co_return std::move(secured).error().within(host);
    }
    co_return std::move(stream);
  }
  co_return std::move(last).within(host);
}

BufferedReader::BufferedReader(Stream& stream, std::size_t chunk) : stream_(&stream), chunk_(chunk) {}

Task<Status> BufferedReader::fill(Duration limit) {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < chunk_ / 2) buffer_.resize(end_ + chunk_);
  auto got = co_await stream_->read_some(std::span(buffer_).subspan(end_), limit);
  if (!got) co_return std::move(got).error();
  if (*got == 0) co_return error(Errc::unavailable, "{} closed the connection", stream_->peer().ip);
  end_ += *got;
  co_return Status();
}

Task<Result<std::string_view>> BufferedReader::read_line(std::size_t most, Duration limit) {
  auto until = deadline_after(limit);
  std::size_t searched = 0;
  for (;;) {
    View here(buffer_.data() + begin_, end_ - begin_);
    auto text = as_text(here);
    auto found = text.find('\n', searched);
    if (found != text.npos) {
      auto line = text.substr(0, found);
      begin_ += found + 1;
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.size() > most) co_return error(Errc::limit, "a line is longer than {} bytes", most);
      co_return line;
    }
    if (text.size() > most + 1) co_return error(Errc::limit, "a line is longer than {} bytes", most);
    searched = text.size();
    auto filled = co_await fill(until - Clock::now());
    if (!filled) co_return std::move(filled).error();
  }
}

Task<Status> BufferedReader::read_exactly(std::span<std::uint8_t> into, Duration limit) {
  auto until = deadline_after(limit);
  auto have = std::min(into.size(), end_ - begin_);
  if (have > 0) std::memcpy(into.data(), buffer_.data() + begin_, have);
  begin_ += have;
  into = into.subspan(have);
  while (!into.empty()) {
    auto got = co_await stream_->read_some(into, until - Clock::now());
    if (!got) co_return std::move(got).error();
    if (*got == 0) co_return error(Errc::unavailable, "{} closed the connection", stream_->peer().ip);
    into = into.subspan(*got);
  }
  co_return Status();
}

Task<Result<View>> BufferedReader::read_chunk(std::size_t most, Duration limit) {
  if (begin_ == end_) {
    if (buffer_.size() < chunk_) buffer_.resize(chunk_);
    begin_ = end_ = 0;
    auto got = co_await stream_->read_some(buffer_, limit);
    if (!got) co_return std::move(got).error();
    end_ = *got;
  }
  View chunk(buffer_.data() + begin_, std::min(most, end_ - begin_));
  begin_ += chunk.size();
  co_return chunk;
}

}  // namespace mapigate::io
