// Cuts the body of a channel into PDUs.
#pragma once

#include "io/http_server.h"
#include "wire/rpc/rts.h"

namespace mapigate::transport {

class PduReader {
 public:
  explicit PduReader(io::HttpExchange& exchange) : exchange_(exchange) {}

  // One whole PDU, valid until the next call; empty at the end of the body. Errc::timeout when not even its beginning
  // came in time.
  io::Task<Result<View>> next(Duration limit);
  std::uint64_t received() const { return received_; }

 private:
  // The size of the PDU that begins the buffer; zero when its head is not complete.
  Result<std::size_t> size_of_first() const;

  io::HttpExchange& exchange_;
  Bytes buffer_;  // what is left of earlier pieces; empty while the channel is idle
  std::size_t taken_ = 0;  // of the buffer: PDUs that were given out
  std::uint64_t received_ = 0;
};

}  // namespace mapigate::transport
