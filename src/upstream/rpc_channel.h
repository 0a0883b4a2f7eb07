// What carries the PDUs of one DCE/RPC connection: TCP, or a virtual connection over HTTP.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "io/task.h"

namespace mapigate::upstream {

using io::Task;

// Belongs to one executor. One send and one receive may wait at the same time.
class RpcChannel {
 public:
  virtual ~RpcChannel() = default;
  // Whole PDUs, one after the other.
  virtual Task<Status> send(Bytes pdus, Duration limit) = 0;
  // The next PDU, not looked at but for its length. Errc::timeout: none began to arrive in time, and the channel is as
  // good as before; after any other error it is not.
  virtual Task<Result<Bytes>> receive(Duration limit) = 0;
  virtual void close() = 0;  // what waits ends
};

Task<Result<std::unique_ptr<RpcChannel>>> connect_rpc_tcp(std::string host, std::uint16_t port, Duration limit);

}  // namespace mapigate::upstream
