#include "daemon/client_progress.h"

#include <fmt/format.h>

#include <cstdio>

#include "daemon/output.h"
#include "io/runtime.h"

namespace mapigate::daemon {

using namespace std::chrono_literals;

namespace {
constexpr auto redraw_on_terminal = 100ms;
constexpr auto line_elsewhere = 5s;
constexpr auto patience = 2s;  // shorter work shows nothing
}  // namespace

void ProgressLine::begin(std::string what, Unit unit) {
  end();
  what_ = std::move(what);
  unit_ = unit;
  done_ = total_ = 0;
  started_ = Clock::now();
  last_shown_ = started_;
  active_ = true;
}

void ProgressLine::update(std::uint64_t done, std::uint64_t total) {
  done_ = done;
  total_ = total;
  if (Clock::now() - last_shown_ >= (terminal_ ? Duration(redraw_on_terminal) : Duration(line_elsewhere))) show();
}

void ProgressLine::end() {
  if (shown_ && terminal_) std::fputs("\r\x1b[K", stderr);
  active_ = shown_ = false;
}

io::Task<> ProgressLine::heartbeat() {
  if (!enabled_) co_return;
  while (true) {
    co_await io::sleep_for(terminal_ ? Duration(1s) : Duration(line_elsewhere));
    if (active_ && Clock::now() - started_ >= patience) show();
  }
}

std::string ProgressLine::text(std::uint64_t seconds) const {
  auto out = escape_controls(what_);
  if (total_ != 0 && unit_ == Unit::bytes) out += fmt::format(": {} of {}", readable_size(done_), readable_size(total_));
  else if (total_ != 0) out += fmt::format(": {} of {} messages", done_, total_);
  out += fmt::format(", {} s", seconds);
  if (total_ == 0 && seconds >= 5) out += " (a server that sees a folder for the first time reads all of it)";
  return out;
}

void ProgressLine::show() {
  if (!enabled_ || !active_) return;
  const auto now = Clock::now();
  const auto line = text(static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now - started_).count()));
  fmt::print(stderr, "{}{}{}", terminal_ ? "\r\x1b[K" : "", terminal_ ? fit(line, std::min<std::size_t>(display_width(line), 110)) : line,
             terminal_ ? "" : "\n");
  std::fflush(stderr);
  shown_ = true;
  last_shown_ = now;
}

}  // namespace mapigate::daemon
