// Runs one task of a test to its end.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <optional>

#include "io/runtime.h"

namespace mapigate::io {

template <class T>
Task<> run_into(Task<T> task, std::optional<T>* out, std::shared_ptr<std::promise<void>> done) {
  try {
    out->emplace(co_await std::move(task));
  } catch (const std::exception& e) {
    ADD_FAILURE() << "the task threw: " << e.what();
  }
  done->set_value();
}

inline Task<int> and_nothing(Task<> task) {
  co_await std::move(task);
  co_return 0;
}

template <class T>
T run_on_loop(Runtime& runtime, Task<T> task) {
  std::optional<T> out;
  auto done = std::make_shared<std::promise<void>>();
  auto ended = done->get_future();
  spawn(runtime.make_strand(), run_into<T>(std::move(task), &out, done));
  if (ended.wait_for(std::chrono::seconds(30)) != std::future_status::ready) {
    std::fprintf(stderr, "a test's task did not end within 30 s\n");
    std::abort();  // the task refers to this frame
  }
  if (!out) throw std::runtime_error("the task gave nothing");
  return std::move(*out);
}
inline void run_on_loop(Runtime& runtime, Task<> task) { run_on_loop<int>(runtime, and_nothing(std::move(task))); }

}  // namespace mapigate::io
