// Progress of long work on standard error: one line that is written over on a
// terminal, a line a few seconds apart elsewhere.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"
#include "io/task.h"

namespace mapigate::daemon {

class ProgressLine {
 public:
  enum class Unit : std::uint8_t { things, bytes };

  // Shows nothing unless `enabled`. `terminal`: standard error is one.
  ProgressLine(bool enabled, bool terminal) : enabled_(enabled), terminal_(terminal) {}
  ~ProgressLine() { end(); }

  void begin(std::string what, Unit unit);
  void update(std::uint64_t done, std::uint64_t total);
  void end();  // clears the line

  // Shows that time passes while a server says nothing (a first look into a large folder). Runs until
  // its executor is gone; the line must outlive it.
  io::Task<> heartbeat();

  // "reading Inbox: 400 of 2400 messages, 12 s"
  std::string text(std::uint64_t seconds) const;

 private:
  void show();

  bool enabled_, terminal_;
  bool active_ = false, shown_ = false;
  std::string what_;
  Unit unit_ = Unit::things;
  std::uint64_t done_ = 0, total_ = 0;
  Clock::time_point started_, last_shown_;
};

}  // namespace mapigate::daemon
