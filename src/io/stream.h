// A connection: plain TCP, or TLS on it, from the start or later (STARTTLS).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "io/task.h"

namespace mapigate::io {

class TlsClientContext;
class TlsServerContext;

struct PeerAddress {
  std::string ip;  // without brackets; IPv4-mapped addresses appear as IPv4
  std::uint16_t port = 0;
};

// Belongs to one executor and must be used and destroyed there. At most one read
// and one write may wait at the same time. Deadlines are coarse: they end up to
// 0.1 s late. Nothing read or written is buffered here beyond TLS's own records.
class Stream {
 public:
  struct Impl;
  explicit Stream(std::unique_ptr<Impl> impl);
  ~Stream();  // closes
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // At least one byte, or 0 at the end of the stream.
  Task<Result<std::size_t>> read_some(std::span<std::uint8_t> into, Duration limit);
  // All of it. The bytes must live until the task ends. After an error the stream is unusable.
  Task<Status> write(View bytes, Duration limit);
  Task<Status> write(View first, View second, Duration limit);  // as if one; one packet where possible
  Task<Status> wait_readable(Duration limit);

  // Without waiting: the number of bytes, 0 at the end of the stream, or Errc::unavailable
  // with would_block set.
  Result<std::size_t> try_read(std::span<std::uint8_t> into, bool& would_block);

  Task<Status> start_tls(std::shared_ptr<TlsClientContext> context, std::string host, Duration limit);
  Task<Status> accept_tls(std::shared_ptr<TlsServerContext> context, Duration limit);

  // Gives the stream to another executor, while nothing waits on it: the last call on the old one.
  // After an error it is closed.
  Status move_to(Executor executor);

  // Says goodbye (TLS close_notify, TCP FIN) without waiting for the peer's.
  void shutdown();
  void close();   // at once; what waits ends with Errc::cancelled
  void cancel();  // ends what waits with Errc::cancelled; the stream stays usable
  bool is_open() const;
  // Nothing has arrived and the peer has not closed: for a connection taken from a pool.
  bool is_quiet() const;

  bool is_tls() const;
  std::string tls_version() const;  // "TLSv1.3", empty without TLS
  bool tls_resumed() const;
  // RFC 5929 tls-server-end-point: the hash of the server's certificate (empty without TLS).
  Bytes tls_server_end_point() const;
  std::size_t pending() const;  // decrypted bytes that a read would give without waiting

  const PeerAddress& peer() const;
  PeerAddress local() const;
  Executor executor() const;

 private:
  std::unique_ptr<Impl> impl_;
};

struct ConnectOptions {
  std::shared_ptr<TlsClientContext> tls;  // none = plain
  std::string tls_host;                   // the name to verify, if not the host
  Duration connect_limit = std::chrono::seconds(10);    // resolving and connecting
  Duration handshake_limit = std::chrono::seconds(10);
};

// On the caller's executor. All addresses of the name are tried in turn.
Task<Result<std::unique_ptr<Stream>>> connect(std::string host, std::uint16_t port, ConnectOptions options);

// Reads with a memory: lines and counted pieces. Limits are the caller's
// protection against a peer that never ends a line.
class BufferedReader {
 public:
  explicit BufferedReader(Stream& stream, std::size_t chunk = 16 * 1024);

  // Without its line end (CRLF or LF). Errc::limit when it is longer than `most`,
  // Errc::unavailable at the end of the stream. Valid until the next call.
  Task<Result<std::string_view>> read_line(std::size_t most, Duration limit);
  Task<Status> read_exactly(std::span<std::uint8_t> into, Duration limit);
  // Whatever is there, at most `most` bytes; empty at the end. Valid until the next call.
  Task<Result<View>> read_chunk(std::size_t most, Duration limit);
  // Bytes already here. Not empty after STARTTLS's answer means somebody injected plain text.
  std::size_t buffered() const { return end_ - begin_; }

 private:
  Task<Status> fill(Duration limit);

  Stream* stream_;
  Bytes buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t chunk_;
};

}  // namespace mapigate::io
