// The inside of Stream, for its own sources only.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "io/loop_timers.h"
#include "io/stream.h"

struct ssl_st;

namespace mapigate::io {

struct Stream::Impl {
  enum class Want { nothing, read, write };
  struct Direction {
    Clock::time_point deadline = Clock::time_point::max();
    bool timed_out = false;
    bool cancelled = false;
    bool waiting = false;
  };
  struct Timer : TimerNode {
    Impl* owner = nullptr;
  };

  explicit Impl(boost::asio::ip::tcp::socket connected);
  ~Impl();

  static void on_timer(TimerNode* node);
  void set_timer();
  void close();
  void cancel();

  // What waits for readiness of the socket; `until` is absolute.
  Task<Status> wait(Want what, Clock::time_point until);
  Task<Status> handshake(Clock::time_point until);
  Task<Status> write_all(View bytes, bool more, Clock::time_point until);

  // Both set `want` when they would block, and then return 0.
  Result<std::size_t> read_now(std::span<std::uint8_t> into, Want& want);
  Result<std::size_t> write_now(View bytes, bool more, Want& want);
  Error tls_error(int code, const char* what);
  void adopt(ssl_st* session, bool server);

  boost::asio::ip::tcp::socket socket;
  Executor executor;
  LoopTimers* timers;  // the executor's
  Timer timer;
  Direction reading;
  Direction writing;
  ssl_st* ssl = nullptr;
  PeerAddress peer;
  bool established = false;   // the TLS handshake is complete
  bool broken = false;        // TLS failed fatally: no goodbye
  bool more_follows = false;  // the next send need not leave at once
  bool drained = false;       // the last read got less than it asked for: waiting first saves a call
  bool starved = false;       // the last read wanted more: what is read ahead is no whole record
  int last_errno = 0;         // of the socket, seen by TLS's reads and writes
};

}  // namespace mapigate::io
