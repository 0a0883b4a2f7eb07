// One client's virtual connection of RPC over HTTP, at an upstream that is reached likewise.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "io/sync.h"
#include "upstream/rpc_connection.h"
#include "upstream/rpc_http_channel.h"

namespace mapigate::upstream {

// One on which a client logged on.
class LoggedOnConnection {
 public:
  virtual ~LoggedOnConnection() = default;
  // It changes hands, and executors. Errc::unavailable: it has ended, or nothing is left of it.
  virtual Task<Result<std::unique_ptr<io::Stream>>> give(io::Executor to) = 0;
};

// Each channel of the client's logs on by a connection to the upstream of its own, and so brings what a virtual connection of
// ours there is made of: two for a start, and one more for each successor that its channels get. Those which are not
// needed yet end with the client's channel; when one is needed and none is there, the client is asked for another channel. From
// any thread.
class PinnedRpc final : public LoggedOnConnections, public std::enable_shared_from_this<PinnedRpc> {
 public:
  PinnedRpc() = default;
  ~PinnedRpc() override;
  // As PinnedConnection::lead() has it; nothing is carried before.
  void lead(std::function<bool()> ask);
  bool is_led() const;
  void add(std::weak_ptr<LoggedOnConnection> one);

  // The one DCE/RPC connection for all calls, made with the first of them, whose executor it then belongs to. Errc::denied: the
  // upstream refuses who logged on; unsupported: the client did not come by RPC over HTTP; unavailable: it has ended, and so have
  // the client's channels soon.
  Task<Result<std::shared_ptr<RpcConnection>>> connection(RpcProxy proxy, std::uint16_t port, RpcConnectionOptions options, Duration limit,
                                                          io::Runtime* runtime);
  Task<Result<std::unique_ptr<io::Stream>>> next(Duration limit) override;

  // Whether that connection has been made or tried; then it alone counts.
  bool is_begun() const;
  bool is_ended() const;
  void close();

 private:
  std::shared_ptr<LoggedOnConnection> take();
  bool ask_for_one();
  Status begin(std::shared_ptr<RpcConnection>* carried);  // none: it is to be made
  Result<std::shared_ptr<RpcConnection>> finish(Result<std::unique_ptr<RpcConnection>> made);

  mutable std::mutex mutex_;
  std::function<bool()> ask_;
  std::vector<std::weak_ptr<LoggedOnConnection>> unused_;
  std::shared_ptr<RpcConnection> carried_;
  bool begun_ = false, closed_ = false;
  io::Event more_;      // another may be among the unused
  io::Mutex opening_;
};

}  // namespace mapigate::upstream
