#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>

#include "io/sync.h"
#include "io/test_run.h"

namespace mapigate::io {
namespace {

using namespace std::chrono_literals;

class RuntimeTest : public testing::Test {
 protected:
  RuntimeTest() : runtime_({.threads = 2, .workers = 2}) { runtime_.start(); }
  Runtime runtime_;
};

Task<std::pair<std::thread::id, std::thread::id>> where_blocking_runs(Runtime* runtime) {
  auto before = std::this_thread::get_id();
  auto get_id = [] { return std::this_thread::get_id(); };
  auto there = co_await run_blocking(*runtime, get_id);
  EXPECT_EQ(std::this_thread::get_id(), before);
  co_return std::pair(before, there);
}

TEST_F(RuntimeTest, BlockingWorkRunsElsewhereAndComesBack) {
  auto [here, there] = run_on_loop(runtime_, where_blocking_runs(&runtime_));
  EXPECT_NE(here, there);
}

Task<std::string> blocking_throw(Runtime* runtime) {
  auto fail = [] { throw std::runtime_error("from a worker"); };
  std::string caught;
  try {
    co_await run_blocking(*runtime, fail);
  } catch (const std::exception& e) {
    caught = e.what();
  }
  co_return caught;
}

TEST_F(RuntimeTest, WorkersExceptionsReachTheCaller) {
  EXPECT_EQ(run_on_loop(runtime_, blocking_throw(&runtime_)), "from a worker");
}

Task<std::thread::id> thread_id() { co_return std::this_thread::get_id(); }

Task<bool> hop(Runtime* runtime) {
  auto before = std::this_thread::get_id();
  auto first = co_await on(runtime->executor(0), thread_id());
  auto second = co_await on(runtime->executor(1), thread_id());
  co_return first != second && std::this_thread::get_id() == before;
}

TEST_F(RuntimeTest, OnRunsThereAndComesBack) { EXPECT_TRUE(run_on_loop(runtime_, hop(&runtime_))); }

Task<> throw_something() {
  throw std::runtime_error("expected in the log of this test");
  co_return;
}

TEST_F(RuntimeTest, AnEscapedExceptionEndsOnlyItsTask) {
  spawn(runtime_.executor(), throw_something());
  run_on_loop(runtime_, sleep_for(20ms));
}

Task<bool> wait_for(Event event, Duration limit) { co_return co_await event.wait_for(limit); }

TEST_F(RuntimeTest, EventWakesAcrossLoopsAndTimesOut) {
  Event event;
  auto started = Clock::now();
  EXPECT_FALSE(run_on_loop(runtime_, wait_for(event, 50ms)));
  EXPECT_GE(Clock::now() - started, 50ms);
  std::thread setter([event]() mutable {
    std::this_thread::sleep_for(30ms);
    event.set();
  });
  EXPECT_TRUE(run_on_loop(runtime_, wait_for(event, 20s)));
  setter.join();
  EXPECT_TRUE(run_on_loop(runtime_, wait_for(event, 0s)));
  event.reset();
  EXPECT_FALSE(run_on_loop(runtime_, wait_for(event, 0s)));
}

Task<> locked_add(Mutex mutex, int* value, int times, std::atomic<int>* ended, Event all) {
  for (int i = 0; i < times; ++i) {
    auto lock = co_await mutex.lock(20s);
    EXPECT_TRUE(lock.has_value());
    int seen = *value;
    if (i % 10 == 0) co_await sleep_for(1ms);
    *value = seen + 1;
  }
  if (ended->fetch_add(1) == 3) all.set();
}

TEST_F(RuntimeTest, MutexExcludesAcrossLoops) {
  Mutex mutex;
  Event all;
  int value = 0;
  std::atomic<int> ended{0};
  for (unsigned i = 0; i < 4; ++i) spawn(runtime_.executor(i), locked_add(mutex, &value, 100, &ended, all));
  EXPECT_TRUE(run_on_loop(runtime_, wait_for(all, 20s)));
  EXPECT_EQ(value, 400);
  EXPECT_FALSE(mutex.locked());
}

Task<Errc> lock_twice(Mutex mutex) {
  auto first = co_await mutex.lock(1s);
  auto second = co_await mutex.lock(50ms);
  co_return second ? Errc::internal : second.error().code;
}

TEST_F(RuntimeTest, MutexWaitEnds) {
  Mutex mutex;
  EXPECT_EQ(run_on_loop(runtime_, lock_twice(mutex)), Errc::timeout);
  EXPECT_FALSE(mutex.locked());
}

Task<Result<int>> slow_answer(Duration duration) {
  co_await sleep_for(duration);
  co_return 7;
}
Task<Result<int>> with_limit(Duration work, Duration limit) {
  Task<Result<int>> slow = slow_answer(work);
  auto answer = co_await with_deadline(limit, std::move(slow));
  co_return answer;
}

TEST_F(RuntimeTest, DeadlineCancelsOrPasses) {
  auto good = run_on_loop(runtime_, with_limit(10ms, 10s));
  ASSERT_TRUE(good);
  EXPECT_EQ(*good, 7);
  auto started = Clock::now();
  auto late = run_on_loop(runtime_, with_limit(20s, 50ms));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::timeout);
  EXPECT_LT(Clock::now() - started, 5s);
}

Task<Result<int>> failing_answer() {
  co_await sleep_for(1ms);
  throw std::runtime_error("it fell over");
}

TEST_F(RuntimeTest, WhatComesOfASpawnedTaskIsHandedOver) {
  const auto outcome = [this](Task<Result<int>> task, Duration limit) {
    auto told = std::make_shared<std::promise<Result<int>>>();
    auto future = told->get_future();
    spawn<int>(runtime_.executor(1), limit, std::move(task), [told](Result<int> result) { told->set_value(std::move(result)); });
    return future.get();
  };
  const auto good = outcome(slow_answer(10ms), 10s);
  ASSERT_TRUE(good);
  EXPECT_EQ(*good, 7);
  const auto started = Clock::now();
  const auto late = outcome(slow_answer(20s), 50ms);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::timeout);
  EXPECT_LT(Clock::now() - started, 5s);
  const auto failed = outcome(failing_answer(), 10s);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::internal);
  EXPECT_EQ(failed.error().message, "it fell over");
}

TEST_F(RuntimeTest, ASpawnedTaskCanBeEndedBeforeItsTime) {
  auto told = std::make_shared<std::promise<Result<int>>>();
  auto future = told->get_future();
  const auto started = Clock::now();
  auto stop = spawn<int>(runtime_.executor(1), 20s, slow_answer(20s), [told](Result<int> result) { told->set_value(std::move(result)); });
  stop();
  stop();
  const auto ended = future.get();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, Errc::cancelled);
  EXPECT_LT(Clock::now() - started, 5s);
  stop();  // of what has ended
}

// However close the end of a task and the wish for it come to each other, it is told once.
TEST_F(RuntimeTest, TheEndOfATaskAndTheWishForItMayMeet) {
  constexpr unsigned rounds = 4000;
  std::atomic<unsigned> ended = 0;
  Event all;
  for (unsigned i = 0; i < rounds; ++i) {
    auto stop = spawn<int>(runtime_.executor(i), 20s, slow_answer(std::chrono::microseconds(i % 211)), [&, all](const Result<int>& result) mutable {
      if (!result) {
        EXPECT_EQ(result.error().code, Errc::cancelled);
      }
      if (++ended == rounds) all.set();
    });
    if (i % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(i % 97));
    stop();
  }
  EXPECT_TRUE(run_on_loop(runtime_, wait_for(all, 60s)));
  EXPECT_EQ(ended, rounds);
}

// However close a deadline and the end of the work come to each other, on whichever threads.
TEST_F(RuntimeTest, DeadlinesAndWorkersMayMeet) {
  auto round = [](Runtime& runtime, unsigned number) -> Task<Result<int>> {
    auto work = [number] {
      const auto until = Clock::now() + std::chrono::microseconds(number % 97);
      while (Clock::now() < until) {
      }
      if (number % 11 == 0) throw std::runtime_error("it fell over");
    };
    for (int i = 0; i < 3; ++i) co_await run_blocking(runtime, work);
    co_return 1;
  };
  constexpr unsigned rounds = 4000;
  std::atomic<unsigned> ended = 0, in_time = 0;
  Event all;
  for (unsigned i = 0; i < rounds; ++i)
    spawn<int>(runtime_.executor(i), std::chrono::microseconds(i % 211), round(runtime_, i), [&, all](Result<int> result) mutable {
      in_time += result.has_value();
      if (++ended == rounds) all.set();
    });
  EXPECT_TRUE(run_on_loop(runtime_, wait_for(all, 60s)));
  EXPECT_EQ(ended, rounds);
  auto raced = [&](unsigned number) -> Task<bool> {
    auto once = round(runtime_, 11 * number + 1);
    const auto outcome = co_await with_deadline(std::chrono::microseconds(number % 307), std::move(once));
    co_return outcome.has_value() || outcome.error().code == Errc::timeout;
  };
  for (unsigned i = 0; i < 1000; ++i) EXPECT_TRUE(run_on_loop(runtime_, raced(i)));
}

Task<Result<int>> there_and_back(Runtime* runtime, unsigned number) {
  for (unsigned i = 0; i < 3; ++i) {
    Executor other = runtime->executor(i);
    if (number % 3 == 0) co_await on(other, sleep_for(std::chrono::microseconds(number % 53)));
    else (void)co_await on(other, thread_id());
  }
  co_return 1;
}

TEST_F(RuntimeTest, DeadlinesAndOtherLoopsMayMeet) {
  constexpr unsigned rounds = 4000;
  std::atomic<unsigned> ended = 0;
  Event all;
  for (unsigned i = 0; i < rounds; ++i)
    spawn<int>(runtime_.executor(i), std::chrono::microseconds(i % 211), there_and_back(&runtime_, i), [&, all](const Result<int>&) mutable {
      if (++ended == rounds) all.set();
    });
  EXPECT_TRUE(run_on_loop(runtime_, wait_for(all, 60s)));
  EXPECT_EQ(ended, rounds);
  for (unsigned i = 0; i < 2000; ++i) {
    auto raced = with_deadline(std::chrono::microseconds(i % 97), there_and_back(&runtime_, i));
    const auto outcome = run_on_loop(runtime_, std::move(raced));
    EXPECT_TRUE(outcome.has_value() || outcome.error().code == Errc::timeout);
  }
}

TEST_F(RuntimeTest, SignalsReachTheirCallback) {
  Event got;
  runtime_.on_signal(SIGHUP, [got]() mutable { got.set(); });
  run_on_loop(runtime_, sleep_for(50ms));
  ::kill(::getpid(), SIGHUP);
  EXPECT_TRUE(run_on_loop(runtime_, wait_for(got, 10s)));
}

TEST(RuntimeEnd, UnfinishedTasksAreDestroyed) {
  auto alive = std::make_shared<int>(1);
  std::weak_ptr<int> weak = alive;
  {
    Runtime runtime({.threads = 2, .workers = 1});
    runtime.start();
    auto sleeper = [](std::shared_ptr<int>) -> Task<> { co_await sleep_for(1h); };
    spawn(runtime.executor(0), on(runtime.executor(1), sleeper(std::move(alive))));
    run_on_loop(runtime, sleep_for(20ms));
    EXPECT_FALSE(weak.expired());
  }
  EXPECT_TRUE(weak.expired());
}

// Each time it is let go of, it goes on to the other loop.
struct Wandering {
  std::vector<Executor> loops;
  int left;
  std::shared_ptr<std::atomic<int>> ends;
  Wandering(std::vector<Executor> l, int n, std::shared_ptr<std::atomic<int>> e) : loops(std::move(l)), left(n), ends(std::move(e)) {}
  ~Wandering() {
    ends->fetch_add(1);
    if (left == 0) return;
    const auto next = loops[static_cast<std::size_t>(left) % loops.size()];
    post(next, [held = std::make_shared<Wandering>(loops, left - 1, ends)] { (void)held; });
  }
};

TEST(RuntimeEnd, WhatGoesToAnotherLoopInTheEndFindsIt) {
  auto ends = std::make_shared<std::atomic<int>>(0);
  {
    Runtime runtime({.threads = 2, .workers = 1});
    auto held = std::make_shared<Wandering>(std::vector{runtime.executor(0), runtime.executor(1)}, 6, ends);
    auto sleeper = [](std::shared_ptr<Wandering>) -> Task<> { co_await sleep_for(1h); };
    spawn(runtime.executor(1), sleeper(std::move(held)));
    runtime.start();
    run_on_loop(runtime, sleep_for(20ms));
  }
  EXPECT_EQ(ends->load(), 7);
}

Task<> wait_long(Event event) { co_await event.wait_for(1h); }
Task<> lock_late(Mutex mutex) {
  auto lock = co_await mutex.lock(1h);
  (void)lock;
}
Task<Result<Mutex::Lock>> lock_now(Mutex mutex) {
  auto lock = co_await mutex.lock(1s);
  co_return std::move(lock);
}

// Events and locks of what lives on are not to wake tasks that have gone with their runtime.
TEST(RuntimeEnd, WhoWaitedHasLeftWhatOutlivesTheRuntime) {
  Event event;
  Mutex mutex, passed_on;
  std::optional<Result<Mutex::Lock>> lock, given;
  {
    Runtime runtime({.threads = 1, .workers = 1});
    runtime.start();
    lock.emplace(run_on_loop(runtime, lock_now(mutex)));
    given.emplace(run_on_loop(runtime, lock_now(passed_on)));
    spawn(runtime.executor(), wait_long(event));
    spawn(runtime.executor(), lock_late(mutex));
    spawn(runtime.executor(), lock_late(passed_on));
    run_on_loop(runtime, sleep_for(20ms));
    runtime.stop();
    runtime.join();
    given.reset();  // to one who will not run any more
  }
  event.set();
  ASSERT_TRUE(lock->has_value());
  lock.reset();
  EXPECT_FALSE(mutex.locked());
  EXPECT_FALSE(passed_on.locked());
}

}  // namespace
}  // namespace mapigate::io
