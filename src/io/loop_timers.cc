#include "io/loop_timers.h"

#include <boost/asio/query.hpp>

namespace mapigate::io {

namespace asio = boost::asio;

LoopTimers::LoopTimers(asio::execution_context& context)
    : asio::execution_context::service(context),
      start_(Clock::now()),
      timer_(std::make_unique<asio::steady_timer>(static_cast<asio::io_context&>(context))) {
  for (auto& head : wheel_) head.previous = head.next = &head;
}

LoopTimers& LoopTimers::of(const Executor& executor) {
  return asio::use_service<LoopTimers>(asio::query(executor, asio::execution::context));
}

void LoopTimers::remove(TimerNode& node) {
  if (node.slot_time == 0) return;
  node.previous->next = node.next;
  node.next->previous = node.previous;
  node.slot_time = 0;
  --count_;
}

void LoopTimers::place(TimerNode& node, std::uint64_t due) {
  remove(node);
  if (count_ == 0) now_ = std::max(now_, static_cast<std::uint64_t>((Clock::now() - start_) / tick));
  if (due <= now_) due = now_ + 1;
  // Further away than the wheel reaches: looked at halfway and placed again.
  if (due - now_ >= slots) due = now_ + slots - 1;
  TimerNode& head = wheel_[due % slots];
  node.slot_time = due;
  node.previous = head.previous;
  node.next = &head;
  head.previous->next = &node;
  head.previous = &node;
  ++count_;
  if (armed_ == 0 || due < armed_) arm();
}

void LoopTimers::arm() {
  armed_ = 0;
  if (count_ == 0 || !timer_) return;
  auto at = now_ + 1;
  while (wheel_[at % slots].next == &wheel_[at % slots]) ++at;
  armed_ = at;
  timer_->expires_at(start_ + tick * static_cast<std::int64_t>(at));
  timer_->async_wait([this](boost::system::error_code failed) {
    if (!failed) turn();
  });
}

void LoopTimers::turn() {
  auto now = Clock::now();
  auto until = static_cast<std::uint64_t>((now - start_) / tick);
  while (now_ < until && count_ > 0) {
    ++now_;
    TimerNode& head = wheel_[now_ % slots];
    // Nodes placed again land in other slots, since now_ has moved on.
    while (head.next != &head) {
      TimerNode& node = *head.next;
      remove(node);
      if (node.deadline == Clock::time_point::max()) continue;
      if (node.deadline <= now) {
        node.deadline = Clock::time_point::max();
        node.fire(&node);
      } else {
        place(node, tick_of(node.deadline));
      }
    }
  }
  if (count_ == 0) now_ = std::max(now_, until);
  arm();
}

}  // namespace mapigate::io
