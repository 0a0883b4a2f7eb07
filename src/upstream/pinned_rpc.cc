#include "upstream/pinned_rpc.h"

#include <boost/asio/this_coro.hpp>

#include "io/runtime.h"
#include "io/stream.h"

namespace mapigate::upstream {

PinnedRpc::~PinnedRpc() {
  // Its streams have to go where they belong.
  if (carried_ != nullptr) carried_->close();
}

void PinnedRpc::lead(std::function<bool()> ask) {
  const std::lock_guard lock(mutex_);
  ask_ = std::move(ask);
}

bool PinnedRpc::is_led() const {
  const std::lock_guard lock(mutex_);
  return ask_ != nullptr;
}

void PinnedRpc::add(std::weak_ptr<LoggedOnConnection> one) {
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(unused_, [](const auto& old) { return old.expired(); });
    unused_.push_back(std::move(one));
  }
  more_.set();
}

std::shared_ptr<LoggedOnConnection> PinnedRpc::take() {
  const std::lock_guard lock(mutex_);
  while (!unused_.empty()) {
    auto one = unused_.back().lock();
    unused_.pop_back();
    if (one != nullptr) return one;
  }
  return nullptr;
}

bool PinnedRpc::ask_for_one() {
  std::function<bool()> ask;
  {
    const std::lock_guard lock(mutex_);
    if (!closed_) ask = ask_;
  }
  return ask && ask();
}

Task<Result<std::unique_ptr<io::Stream>>> PinnedRpc::next(Duration limit) {
  const io::Executor here = co_await boost::asio::this_coro::executor;
  const auto until = Clock::now() + limit;
  for (;;) {
    more_.reset();
    auto one = take();
    if (one != nullptr) {
      auto stream = co_await one->give(here);
      if (stream) co_return std::move(*stream);
      continue;
    }
    if (!ask_for_one()) co_return error(Errc::unavailable, "the client has gone");
    const auto left = until - Clock::now();
    if (left <= Duration::zero()) co_return error(Errc::unavailable, "the client opens no channel to log on by");
    // It may have been asked while its channel was being replaced anyway.
    co_await more_.wait_for(std::min<Duration>(left, std::chrono::seconds(1)));
  }
}

Status PinnedRpc::begin(std::shared_ptr<RpcConnection>* carried) {
  const std::lock_guard lock(mutex_);
  if (ask_ == nullptr)
    return error(Errc::unsupported, "the client logged on by one connection, and RPC over HTTP to the upstream takes two: it has to come by RPC over HTTP too");
  if (closed_ || (carried_ != nullptr && !carried_->is_open())) return error(Errc::unavailable, "the client's connection to the upstream has ended");
  begun_ = true;
  *carried = carried_;
  return {};
}

Result<std::shared_ptr<RpcConnection>> PinnedRpc::finish(Result<std::unique_ptr<RpcConnection>> made) {
  const std::lock_guard lock(mutex_);
  if (!made) {
    closed_ = true;
    return made.error();
  }
  carried_ = std::move(*made);
  if (closed_) {
    carried_->close();
    return error(Errc::unavailable, "the client has gone");
  }
  return carried_;
}

Task<Result<std::shared_ptr<RpcConnection>>> PinnedRpc::connection(RpcProxy proxy, std::uint16_t port, RpcConnectionOptions options,
                                                                   Duration limit, io::Runtime* runtime) {
  auto lock = co_await opening_.lock(limit);
  if (!lock) co_return lock.error();
  std::shared_ptr<RpcConnection> carried;
  if (auto begun = begin(&carried); !begun) co_return begun.error();
  if (carried != nullptr) co_return carried;
  proxy.logged_on = weak_from_this();
  auto channel = co_await connect_rpc_http(std::move(proxy), Credentials(), port, limit, *runtime);
  if (!channel) co_return finish(channel.error());
  auto opened = co_await RpcConnection::open(std::move(*channel), nullptr, std::move(options));
  co_return finish(std::move(opened));
}

bool PinnedRpc::is_begun() const {
  const std::lock_guard lock(mutex_);
  return begun_;
}

bool PinnedRpc::is_ended() const {
  const std::lock_guard lock(mutex_);
  return closed_ || (carried_ != nullptr && !carried_->is_open());
}

void PinnedRpc::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  if (carried_ != nullptr) carried_->close();
  more_.set();
}

}  // namespace mapigate::upstream
