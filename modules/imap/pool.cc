#include "pool.h"

#include <algorithm>

#include "io/runtime.h"

namespace mapigate::imap {

Pool::Pool(std::shared_ptr<const Server> server, PoolOptions options, Credentials credentials,
           io::Executor executor)
    : server_(std::move(server)),
      options_(options),
      credentials_(std::move(credentials)),
      executor_(std::move(executor)) {}

Pool::Lease& Pool::Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  pool_ = std::move(other.pool_);
  connection_ = std::move(other.connection_);
  reused_ = other.reused_;
  return *this;
}

void Pool::Lease::give_back() {
  if (pool_ != nullptr) pool_->take_back(std::move(connection_));
  pool_.reset();
}

void Pool::take_back(std::unique_ptr<Connection> connection) {
  if (connection != nullptr && connection->is_quiet() && open_ <= options_.connections) {
    idle_.push_front({std::move(connection), Clock::now()});
    if (!reaping_) {
      reaping_ = true;
      io::spawn(executor_, close_when_idle(weak_from_this()));
    }
  } else {
    --open_;
  }
  freed_.notify_all();
}

Task<> Pool::close_when_idle(std::weak_ptr<Pool> weak) {
  for (;;) {
    Duration wait{};
    std::list<Idle> over;
    {
      auto pool = weak.lock();
      if (pool == nullptr) co_return;
      const auto now = Clock::now();
      while (!pool->idle_.empty() && pool->idle_.back().since + pool->options_.idle_limit <= now) {
        over.splice(over.end(), pool->idle_, std::prev(pool->idle_.end()));
        --pool->open_;
      }
      if (!pool->idle_.empty()) wait = pool->idle_.back().since + pool->options_.idle_limit - now;
      if (pool->idle_.empty() && over.empty()) {
        pool->reaping_ = false;
        co_return;
      }
      pool->freed_.notify_all();
    }
    for (auto& one : over) co_await one.connection->logout();
    if (over.empty()) co_await io::sleep_for(wait);
  }
}

Task<Result<Pool::Lease>> Pool::acquire(std::string mailbox, Purpose purpose) {
  auto self = shared_from_this();
  const auto most = options_.connections + (purpose == Purpose::writing ? 1 : 0);
  const auto deadline = Clock::now() + server_->command_limit;
  for (;;) {
    // Those that the server closed meanwhile.
    open_ -= static_cast<unsigned>(
        std::erase_if(idle_, [](const Idle& one) { return !one.connection->is_quiet(); }));
    auto found = std::find_if(idle_.begin(), idle_.end(),
                              [&](const Idle& one) { return one.connection->selected() == mailbox; });
    if (found == idle_.end()) found = idle_.begin();
    if (found != idle_.end()) {
      auto connection = std::move(found->connection);
      idle_.erase(found);
      co_return Lease(self, std::move(connection), true);
    }
    if (open_ < most) break;
    const auto left = deadline - Clock::now();
    if (left <= Duration::zero())
      co_return error(Errc::timeout, "all {} connections to IMAP server {} are busy", most,
                      server_->host);
    co_await freed_.wait_for(left);
  }
  if (Clock::now() < not_before_) co_return last_failure_;
  ++open_;
  auto opened = co_await Connection::open(server_, credentials_);
  if (!opened) {
    --open_;
    freed_.notify_all();
    last_failure_ = opened.error();
    const Duration first = std::chrono::milliseconds(250);
    backoff_ = backoff_ == Duration::zero() ? first : std::min(backoff_ * 2, options_.longest_backoff);
    backoff_ = std::min(backoff_, options_.longest_backoff);
    not_before_ = Clock::now() + backoff_;
    co_return opened.error();
  }
  backoff_ = Duration::zero();
  not_before_ = {};
  co_return Lease(self, std::move(*opened), false);
}

}  // namespace mapigate::imap
