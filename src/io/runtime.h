// Event loops, the worker pool for what blocks, and the small helpers around tasks.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/result.h"
#include "base/time.h"
#include "io/task.h"

namespace mapigate::io {

struct RuntimeOptions {
  unsigned threads = 0;  // event loops; 0 = one a core
  unsigned workers = 4;  // threads for blocking work
};

// One event loop a thread: each loop is a strand by itself, and a connection is on
// one loop at a time, so that reads and writes need neither locks nor hops. Destroys all unfinished tasks with itself; whatever runs on it must be
// destroyed before, and references to it must not outlive it.
class Runtime {
 public:
  explicit Runtime(RuntimeOptions options = {});
  ~Runtime();  // stops and joins
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  unsigned threads() const;
  Executor executor();           // the first loop
  Executor executor(unsigned i); // loop i modulo threads()
  Executor executor_of(std::string_view user);  // always the same one: what belongs to a user runs there, one at a time
  // A loop for one session (the next in turn): everything on it runs one at a
  // time, in order. It shares its thread with other sessions: whatever takes more
  // than some milliseconds belongs on the workers.
  Executor make_strand();

  void run();    // this thread is the first loop; returns after stop()
  void start();  // the same on threads of its own; returns at once
  void stop();   // from any thread or task, also twice; does not wait
  void join();   // waits for the threads of start()

  // Calls `callback` on the first loop at each such signal (SIGINT, SIGTERM, SIGHUP ...).
  void on_signal(int signal, std::function<void()> callback);

  // Runs `work` on a worker and comes back to the caller's executor. What `work`
  // throws is thrown to the caller. Work cannot be cancelled once it has begun.
  Task<> run_worker(std::function<void()> work);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Runs the task on its own. What it throws is logged and ends only the task.
void spawn(Executor executor, Task<> task);
void post(Executor executor, std::function<void()> function);
Task<> sleep_for(Duration duration);

// The exception's text, for a log; "cancelled" for none.
std::string what_escaped(std::exception_ptr escaped);

namespace detail {
Task<> run_on(Executor executor, Task<> task);
Task<bool> run_until(Duration limit, Task<> task);
// `ended` gets why the task was cut short (Errc::timeout, or Errc::cancelled by what this returns), and what escaped.
std::function<void()> spawn_until(Executor executor, Duration limit, Task<> task,
                                  std::function<void(std::optional<Errc>, std::exception_ptr)> ended);

template <class T>
Task<> store(Task<T> task, std::optional<T>* out) {
  T value = co_await std::move(task);
  out->emplace(std::move(value));
}
}  // namespace detail

// Runs a task on another executor and comes back to the caller's own.
inline Task<> on(Executor executor, Task<> task) { return detail::run_on(std::move(executor), std::move(task)); }
template <class T>
Task<T> on(Executor executor, Task<T> task) {
  std::optional<T> out;
  Task<> stored = detail::store<T>(std::move(task), &out);
  co_await detail::run_on(std::move(executor), std::move(stored));
  co_return std::move(*out);
}

// Cancels what the task awaits when the time is over, waits for it to end, and
// answers Errc::timeout. The task sees Errc::cancelled from what it awaited.
template <class T>
Task<Result<T>> with_deadline(Duration limit, Task<Result<T>> task) {
  std::optional<Result<T>> out;
  Task<> stored = detail::store<Result<T>>(std::move(task), &out);
  bool finished = co_await detail::run_until(limit, std::move(stored));
  if (!finished || !out) co_return error(Errc::timeout, "no answer in time");
  co_return std::move(*out);
}

// Runs the task on its own, with_deadline, and hands what came of it to `done` on `executor`; what it threw is Errc::internal.
// For what somebody else waits for: the limit is kept by the loop's wheel, to some tens of milliseconds. What it returns
// ends the task before its time, from any thread, and then Errc::cancelled is handed over; nothing once the task has ended.
template <class T>
std::function<void()> spawn(Executor executor, Duration limit, Task<Result<T>> task, std::function<void(Result<T>)> done) {
  auto out = std::make_shared<std::optional<Result<T>>>();
  Task<> stored = detail::store<Result<T>>(std::move(task), out.get());
  auto ended = [out, done = std::move(done)](std::optional<Errc> cut, std::exception_ptr escaped) {
    if (cut) done(error(*cut, "{}", *cut == Errc::timeout ? "no answer in time" : "nobody waits for it any more"));
    else if (out->has_value()) done(std::move(**out));
    else done(error(Errc::internal, "{}", what_escaped(escaped)));
  };
  return detail::spawn_until(std::move(executor), limit, std::move(stored), std::move(ended));
}

// `function` runs on a worker; its result or exception reaches the caller on the caller's executor.
template <class F>
Task<std::invoke_result_t<F&>> run_blocking(Runtime& runtime, F function) {
  using R = std::invoke_result_t<F&>;
  if constexpr (std::is_void_v<R>) {
    std::function<void()> work = [&function] { function(); };
    co_await runtime.run_worker(std::move(work));
  } else {
    std::optional<R> out;
    std::function<void()> work = [&function, &out] { out.emplace(function()); };
    co_await runtime.run_worker(std::move(work));
    co_return std::move(*out);
  }
}

}  // namespace mapigate::io
