// The transport's end of a pair of sockets: bytes to and from the RPC server.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "io/task.h"

namespace mapigate::transport {

// One task at a time writes, from any executor; one reads, on the executor given. Closes with the last reference.
class Pipe {
 public:
  // Owns the descriptor, which must be non-blocking.
  Pipe(io::Executor executor, int descriptor);
  ~Pipe();
  Pipe(const Pipe&) = delete;

  // All of it, or an error.
  io::Task<Status> write(View bytes, Duration limit);
  // Waits without a deadline: shut_down() ends it. Then at most `most` bytes are appended; none at the end.
  io::Task<Result<std::size_t>> read(Bytes& into, std::size_t most);
  // From any thread: both sides see the end.
  void shut_down();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mapigate::transport
