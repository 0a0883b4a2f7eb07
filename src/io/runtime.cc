#include "io/runtime.h"

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <thread>
#include <vector>

#include "base/log.h"
#include "io/loop_timers.h"

namespace mapigate::io {

namespace asio = boost::asio;

namespace {

void log_escaped(std::exception_ptr escaped) {
  if (!escaped) return;
  try {
    std::rethrow_exception(escaped);
  } catch (const boost::system::system_error& e) {
    if (e.code() == asio::error::operation_aborted) return;
  } catch (...) {
  }
  log::error("a task ended with an exception: {}", what_escaped(escaped));
}

// shutdown() destroys what is queued and suspended and leaves the object usable as
// a target for what other loops still post to it.
struct Context : asio::io_context {
  Context() : asio::io_context(1) {}
  void empty() { shutdown(); }
};

// What goes with a task may post to other loops, also to one that was emptied before, and what is let go of there again.
constexpr int rounds_of_emptying = 8;

struct Loop {
  Context context;
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};

  void run() {
    for (;;) {
      try {
        context.run();
        return;
      } catch (const std::exception& e) {
        log::error("an event handler threw: {}", e.what());
      }
    }
  }
};

Task<> wait_for_signal(std::shared_ptr<asio::signal_set> signals, std::function<void()> callback) {
  for (;;) {
    boost::system::error_code failed;
    co_await signals->async_wait(asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return;
    callback();
  }
}

}  // namespace

struct Runtime::Impl {
  std::vector<std::unique_ptr<Loop>> loops;
  std::vector<std::thread> threads;
  std::unique_ptr<asio::thread_pool> workers;
  std::atomic<unsigned> next{0};
};

Runtime::Runtime(RuntimeOptions options) : impl_(std::make_unique<Impl>()) {
  // A peer that has gone is an error code for the writer, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  if (options.threads == 0) options.threads = std::max(1u, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < options.threads; ++i) impl_->loops.push_back(std::make_unique<Loop>());
  impl_->workers = std::make_unique<asio::thread_pool>(std::max(1u, options.workers));
}

Runtime::~Runtime() {
  stop();
  join();
  // Workers hold references into waiting coroutines: they end before the loops go.
  impl_->workers->stop();
  impl_->workers->join();
  // One loop's tasks may wait for things on another: all are emptied before any goes away.
  for (auto& loop : impl_->loops) loop->work.reset();
  const auto empty_all = [this] {
    for (int round = 0; round < rounds_of_emptying; ++round)
      for (auto& loop : impl_->loops) loop->context.empty();
  };
  empty_all();
  impl_->workers.reset();  // with the tasks that wait for work which never began
  empty_all();
  impl_->loops.clear();
}

unsigned Runtime::threads() const { return static_cast<unsigned>(impl_->loops.size()); }
Executor Runtime::executor() { return impl_->loops[0]->context.get_executor(); }
Executor Runtime::executor(unsigned i) { return impl_->loops[i % impl_->loops.size()]->context.get_executor(); }
Executor Runtime::executor_of(std::string_view user) { return executor(static_cast<unsigned>(std::hash<std::string_view>{}(user))); }
Executor Runtime::make_strand() { return executor(impl_->next.fetch_add(1, std::memory_order_relaxed)); }

void Runtime::run() {
  for (std::size_t i = 1; i < impl_->loops.size(); ++i) {
    impl_->threads.emplace_back([loop = impl_->loops[i].get()] { loop->run(); });
  }
  impl_->loops[0]->run();
  join();
}

void Runtime::start() {
  for (auto& loop : impl_->loops) impl_->threads.emplace_back([l = loop.get()] { l->run(); });
}

void Runtime::stop() {
  for (auto& loop : impl_->loops) loop->context.stop();
}

void Runtime::join() {
  for (auto& thread : impl_->threads) {
    if (thread.joinable()) thread.join();
  }
  impl_->threads.clear();
}

void Runtime::on_signal(int signal, std::function<void()> callback) {
  auto signals = std::make_shared<asio::signal_set>(impl_->loops[0]->context, signal);
  spawn(executor(), wait_for_signal(std::move(signals), std::move(callback)));
}

Task<> Runtime::run_worker(std::function<void()> work) {
  // Not a coroutine on the workers: cancelling that would reach it from another thread while it ends.
  auto start = [workers = impl_->workers.get()](auto handler, std::function<void()> job) {
    auto executor = asio::get_associated_executor(handler);
    asio::post(*workers, [handler = std::move(handler), executor = std::move(executor), job = std::move(job)]() mutable {
      std::exception_ptr escaped;
      try {
        job();
      } catch (...) {
        escaped = std::current_exception();
      }
      job = nullptr;
      asio::post(executor, [handler = std::move(handler), escaped]() mutable { std::move(handler)(escaped); });
    });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr)>(std::move(start), asio::use_awaitable, std::move(work));
}

void spawn(Executor executor, Task<> task) { asio::co_spawn(std::move(executor), std::move(task), log_escaped); }

void post(Executor executor, std::function<void()> function) { asio::post(std::move(executor), std::move(function)); }

Task<> sleep_for(Duration duration) {
  Executor here = co_await asio::this_coro::executor;
  asio::steady_timer timer(here, duration);
  co_await timer.async_wait(asio::use_awaitable);
}

std::string what_escaped(std::exception_ptr escaped) {
  try {
    if (escaped) std::rethrow_exception(escaped);
    return "cancelled";
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "unknown exception";
  }
}

namespace detail {

namespace {
// A task on another loop. Used there only, once it is under way.
struct Hop {
  asio::cancellation_signal cancel;
  bool ended = false;
};
}  // namespace

Task<> run_on(Executor executor, Task<> task) {
  Executor here = co_await asio::this_coro::executor;
  if (here == executor) {
    co_await std::move(task);
    co_return;
  }
  // Not co_spawn with use_awaitable: cancelled here while it ends there, that would touch what has gone.
  auto start = [](auto handler, Executor there, Task<> job) {
    auto hop = std::make_shared<Hop>();
    auto back = asio::get_associated_executor(handler);
    if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected())
      slot.assign([hop, there](asio::cancellation_type type) {
        asio::post(there, [hop, type] {
          if (!hop->ended) hop->cancel.emit(type);
        });
      });
    auto ended = [hop, back = std::move(back), handler = std::move(handler)](std::exception_ptr escaped) mutable {
      hop->ended = true;
      asio::post(back, [handler = std::move(handler), escaped]() mutable { std::move(handler)(escaped); });
    };
    const auto slot = hop->cancel.slot();
    asio::co_spawn(std::move(there), std::move(job), asio::bind_cancellation_slot(slot, std::move(ended)));
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr)>(std::move(start), asio::use_awaitable, std::move(executor),
                                                                                         std::move(task));
}

namespace {
struct Race {
  explicit Race(const Executor& executor) : timer(executor) {}
  asio::steady_timer timer;
  asio::cancellation_signal cancel;
  std::exception_ptr escaped;
  bool ended = false;
};
}  // namespace

Task<bool> run_until(Duration limit, Task<> task) {
  Executor here = co_await asio::this_coro::executor;
  auto race = std::make_shared<Race>(here);
  race->timer.expires_after(limit);
  auto ended = [race](std::exception_ptr escaped) {
    race->escaped = escaped;
    race->ended = true;
    race->timer.cancel();
  };
  asio::co_spawn(here, std::move(task), asio::bind_cancellation_slot(race->cancel.slot(), ended));
  boost::system::error_code failed;
  bool throwing = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await race->timer.async_wait(asio::redirect_error(asio::use_awaitable, failed));
  bool in_time = race->ended;
  if (!in_time) {
    race->cancel.emit(asio::cancellation_type::terminal);
    // The task refers to its caller's frame: it has to end before we do.
    while (!race->ended) {
      race->timer.expires_at(Clock::time_point::max());
      co_await race->timer.async_wait(asio::redirect_error(asio::use_awaitable, failed));
    }
  }
  co_await asio::this_coro::throw_if_cancelled(throwing);
  if (in_time && race->escaped) std::rethrow_exception(race->escaped);
  co_return in_time;
}

namespace {
// Used on its loop only; the completion of its task lets go of it last.
struct Limited : TimerNode, std::enable_shared_from_this<Limited> {
  explicit Limited(const Executor& executor) : wheel(LoopTimers::of(executor)) {
    fire = [](TimerNode* node) { static_cast<Limited*>(node)->shared_from_this()->end(Errc::timeout); };
  }
  ~Limited() { wheel.remove(*this); }

  void end(Errc why) {
    if (ended || cut) return;
    cut = why;
    cancel.emit(asio::cancellation_type::terminal);
  }

  LoopTimers& wheel;
  asio::cancellation_signal cancel;
  std::optional<Errc> cut;
  bool ended = false;
};
}  // namespace

std::function<void()> spawn_until(Executor executor, Duration limit, Task<> task,
                                  std::function<void(std::optional<Errc>, std::exception_ptr)> ended) {
  auto limited = std::make_shared<Limited>(executor);
  asio::dispatch(executor, [limited, limit] {
    if (!limited->ended) limited->wheel.set(*limited, deadline_after(limit));
  });
  auto completed = [limited, ended = std::move(ended)](std::exception_ptr escaped) {
    limited->ended = true;
    limited->wheel.remove(*limited);
    ended(limited->cut, escaped);
  };
  auto stop = [executor, weak = std::weak_ptr(limited)] {
    asio::post(executor, [weak] {
      if (const auto running = weak.lock()) running->end(Errc::cancelled);
    });
  };
  const auto slot = limited->cancel.slot();
  asio::co_spawn(std::move(executor), std::move(task), asio::bind_cancellation_slot(slot, std::move(completed)));
  return stop;
}

}  // namespace detail

}  // namespace mapigate::io
