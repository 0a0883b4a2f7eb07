// Waiting for each other: an event and a mutex for coroutines. Both may be used
// from any executor of the Runtime; each waiter wakes on its own.
#pragma once

#include <memory>

#include "base/result.h"
#include "base/time.h"
#include "io/task.h"

namespace mapigate::io {

// Stays set until reset(). Copies share one state.
class Event {
 public:
  Event();
  void set();         // wakes everyone who waits, and everyone who will
  void notify_all();  // wakes only those who wait now
  void reset();
  bool is_set() const;
  Task<bool> wait_for(Duration duration);  // false: the time was over (or the task cancelled)

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// First come, first served. Copies share one state.
class Mutex {
  struct State;

 public:
  class Lock {
   public:
    Lock() = default;
    Lock(Lock&& other) noexcept = default;
    Lock& operator=(Lock&& other) noexcept;
    ~Lock() { unlock(); }
    void unlock();
    explicit operator bool() const { return state_ != nullptr; }

   private:
    friend class Mutex;
    explicit Lock(std::shared_ptr<State> state) : state_(std::move(state)) {}
    std::shared_ptr<State> state_;
  };

  Mutex();
  Task<Result<Lock>> lock(Duration limit);  // Errc::timeout, or Errc::cancelled
  bool locked() const;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace mapigate::io
