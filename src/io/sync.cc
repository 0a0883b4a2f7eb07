#include "io/sync.h"

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <mutex>

#include "io/loop_timers.h"

namespace mapigate::io {

namespace asio = boost::asio;

namespace {

// One waiting task. `woken` is guarded by the mutex of what it waits for; the timer
// belongs to the task's executor. Asio's timer costs system calls whenever the earliest
// deadline changes, so it keeps short waits only; long ones stand in the loop's wheel.
struct Waiter : TimerNode {
  explicit Waiter(const Executor& e) : executor(e), timer(e), wheel(LoopTimers::of(e)) {
    fire = [](TimerNode* node) { static_cast<Waiter*>(node)->timer.cancel(); };
  }
  ~Waiter() { over(); }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  // On the task's executor, before it waits.
  void set(Duration limit) {
    constexpr Duration exact = LoopTimers::tick;
    const auto until = deadline_after(limit);
    timer.expires_at(limit <= exact ? until : Clock::time_point::max());
    if (limit > exact) wheel.set(*this, until);
  }

  // On the task's executor, once it goes on: who wakes it may be the last to let go of this,
  // on another thread.
  void over() { wheel.remove(*this); }

  Executor executor;
  asio::steady_timer timer;
  LoopTimers& wheel;
  bool woken = false;
};
using WaiterPtr = std::shared_ptr<Waiter>;

void wake(const WaiterPtr& waiter) {
  waiter->woken = true;
  asio::post(waiter->executor, [waiter] { waiter->timer.cancel(); });
}

}  // namespace

struct Event::State {
  mutable std::mutex mutex;
  bool set = false;
  std::list<WaiterPtr> waiters;
};

Event::Event() : state_(std::make_shared<State>()) {}

void Event::set() {
  std::lock_guard lock(state_->mutex);
  state_->set = true;
  for (auto& waiter : state_->waiters) wake(waiter);
  state_->waiters.clear();
}

void Event::notify_all() {
  std::lock_guard lock(state_->mutex);
  for (auto& waiter : state_->waiters) wake(waiter);
  state_->waiters.clear();
}

void Event::reset() {
  std::lock_guard lock(state_->mutex);
  state_->set = false;
}

bool Event::is_set() const {
  std::lock_guard lock(state_->mutex);
  return state_->set;
}

Task<bool> Event::wait_for(Duration duration) {
  // Also when the task is destroyed while it waits, with its runtime: the event may outlive that, and is not to wake it.
  struct Place {
    std::shared_ptr<State> state;
    WaiterPtr waiter;
    ~Place() {
      std::lock_guard lock(state->mutex);
      if (!waiter->woken) state->waiters.remove(waiter);
    }
  };
  auto state = state_;
  Executor here = co_await asio::this_coro::executor;
  auto waiter = std::make_shared<Waiter>(here);
  waiter->set(duration);
  {
    std::lock_guard lock(state->mutex);
    if (state->set) co_return true;
    state->waiters.push_back(waiter);
  }
  const Place place{state, waiter};
  boost::system::error_code ignored;
  co_await waiter->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  waiter->over();
  bool woken = false;
  {
    std::lock_guard lock(state->mutex);
    woken = waiter->woken;
  }
  co_return woken;
}

struct Mutex::State {
  mutable std::mutex mutex;
  bool taken = false;
  std::list<WaiterPtr> waiters;

  void release() {
    std::lock_guard lock(mutex);
    if (waiters.empty()) {
      taken = false;
      return;
    }
    wake(waiters.front());  // who wakes owns it already
    waiters.pop_front();
  }
};

Mutex::Mutex() : state_(std::make_shared<State>()) {}

bool Mutex::locked() const {
  std::lock_guard lock(state_->mutex);
  return state_->taken;
}

void Mutex::Lock::unlock() {
  if (!state_) return;
  auto state = std::move(state_);
  state->release();
}

Mutex::Lock& Mutex::Lock::operator=(Lock&& other) noexcept {
  if (this != &other) {
    unlock();
    state_ = std::move(other.state_);
  }
  return *this;
}

Task<Result<Mutex::Lock>> Mutex::lock(Duration limit) {
  // As with events; a lock that came meanwhile is given on.
  struct Place {
    std::shared_ptr<State> state;
    WaiterPtr waiter;
    ~Place() {
      if (waiter == nullptr) return;
      {
        std::lock_guard guard(state->mutex);
        if (!waiter->woken) {
          state->waiters.remove(waiter);
          return;
        }
      }
      state->release();
    }
    bool take() {
      std::lock_guard guard(state->mutex);
      if (!waiter->woken) return false;
      waiter = nullptr;
      return true;
    }
  };
  auto state = state_;
  Executor here = co_await asio::this_coro::executor;
  auto waiter = std::make_shared<Waiter>(here);
  waiter->set(limit);
  {
    std::lock_guard guard(state->mutex);
    if (!state->taken) {
      state->taken = true;
      co_return Lock(state);
    }
    state->waiters.push_back(waiter);
  }
  Place place{state, waiter};
  boost::system::error_code failed;
  bool throwing = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await waiter->timer.async_wait(asio::redirect_error(asio::use_awaitable, failed));
  waiter->over();
  co_await asio::this_coro::throw_if_cancelled(throwing);
  if (place.take()) co_return Lock(state);
  if (failed) co_return error(Errc::cancelled, "waiting for a lock was cancelled");
  co_return error(Errc::timeout, "a lock was not free in time");
}

}  // namespace mapigate::io
