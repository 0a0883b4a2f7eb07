// Coarse deadlines for one event loop: a wheel of intrusive nodes, so that moving
// a deadline (every read and write does) costs a store and no system call.
#pragma once

#include <array>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/time.h"
#include "io/task.h"

namespace mapigate::io {

// Duration::max() is for ever.
inline Clock::time_point deadline_after(Duration limit) {
  auto now = Clock::now();
  return limit > Clock::time_point::max() - now ? Clock::time_point::max() : now + limit;
}

struct TimerNode {
  TimerNode* previous = nullptr;
  TimerNode* next = nullptr;
  Clock::time_point deadline = Clock::time_point::max();
  std::uint64_t slot_time = 0;  // the tick at which it is looked at; 0 = not in the wheel
  void (*fire)(TimerNode*) = nullptr;
};

// Used on its loop only. A node fires at or up to two ticks after its deadline, once;
// it must be removed before it dies.
class LoopTimers : public boost::asio::execution_context::service {
 public:
  static inline boost::asio::execution_context::id id;
  static constexpr std::chrono::milliseconds tick{50};

  explicit LoopTimers(boost::asio::execution_context& context);
  static LoopTimers& of(const Executor& executor);

  void set(TimerNode& node, Clock::time_point deadline) {
    node.deadline = deadline;
    if (deadline == Clock::time_point::max()) return;  // left where it is; looked at once more
    auto due = tick_of(deadline);
    if (node.slot_time == 0 || due < node.slot_time) place(node, due);
  }
  void remove(TimerNode& node);

 private:
  static constexpr std::size_t slots = 512;

  void shutdown() override { timer_.reset(); }
  std::uint64_t tick_of(Clock::time_point time) const { return static_cast<std::uint64_t>((time - start_) / tick) + 2; }
  void place(TimerNode& node, std::uint64_t due);
  void arm();
  void turn();

  std::array<TimerNode, slots> wheel_;  // list heads
  std::uint64_t now_ = 1;               // the tick last worked off
  std::uint64_t armed_ = 0;
  std::size_t count_ = 0;
  Clock::time_point start_;
  std::unique_ptr<boost::asio::steady_timer> timer_;
};

}  // namespace mapigate::io
