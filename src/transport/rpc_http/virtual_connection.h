// A virtual connection ([MS-RPCH] 3.2.1.1): an IN and an OUT channel, each an HTTP request of its own and each replaced
// by a successor now and then, around one connection of the RPC server.
//
// Its channels may run on different loops: what they share is behind a mutex, and each sleeps on an event of its own.
// Here proxy and server of the specification are one, so that of its messages only those between client and proxy are left.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "io/sync.h"
#include "transport/rpc/rpc.h"
#include "transport/rpc_http/pipe.h"
#include "transport/rpc_http/rpc_http.h"
#include "wire/rpc/rts.h"

namespace mapigate::transport::rpc_http {

namespace rts = wire::rpc::rts;

struct OutChannel {
  OutChannel(const rts::RtsCookie& c, std::uint32_t w) : cookie(c), window(w), available(w) {}
  const rts::RtsCookie cookie;
  const std::uint32_t window;   // bytes of PDUs that the client takes before it acknowledges
  io::Event wake;               // something is to be sent, or it is over
  std::function<void()> abort;  // closes its connection, from any thread
  // Behind the connection's mutex.
  std::int64_t available;       // of the window
  std::uint32_t sent = 0;       // bytes of RPC PDUs, modulo 2^32 as on the wire
  std::uint64_t total = 0;      // bytes of all PDUs, against the channel's lifetime
  bool recycling = false;       // the client was asked for a successor
  bool finished = false;        // handed over, and told so
};

struct InChannel {
  explicit InChannel(const rts::RtsCookie& c) : cookie(c) {}
  const rts::RtsCookie cookie;
  io::Event wake;               // it has become the default one, or it is over
  std::function<void()> abort;  // closes its connection, from any thread
  // Behind the connection's mutex.
  std::uint32_t received = 0;   // bytes of RPC PDUs that were passed on
  std::uint32_t acknowledged = 0;
  bool finished = false;        // the successor has taken over
};

class VirtualConnection : public std::enable_shared_from_this<VirtualConnection> {
 public:
  VirtualConnection(RpcHttp& owner, const rts::RtsCookie& cookie, RpcPeer peer, std::uint16_t port);

  const rts::RtsCookie& cookie() const { return cookie_; }
  const RpcPeer& peer() const { return peer_; }
  std::uint16_t port() const { return port_; }
  const RpcHttpOptions& options() const { return owner_.options(); }

  // Setting up. Errc::conflict when there is such a channel already.
  Status add_out(std::shared_ptr<OutChannel> channel);
  // Opens the connection to the RPC server too; the channel's executor then carries what comes from there.
  Status add_in(std::shared_ptr<InChannel> channel, std::uint32_t keepalive, io::Executor executor);
  // A channel comes by that connection to another server; before it is added.
  void join(const chain::Identity& identity) const;
  // Asks the client for a successor of the OUT channel: its logon brings one more such connection. False: there is no client.
  bool want_channel();
  // Both channels are there. Until then, `since` counts against options().setup_limit.
  bool established() const;
  Clock::time_point since() const { return since_; }

  // Successors; Errc::not_found when the predecessor is not the channel in use.
  Status add_in_successor(std::shared_ptr<InChannel> channel, const rts::RtsCookie& predecessor);
  Status add_out_successor(std::shared_ptr<OutChannel> channel, const rts::RtsCookie& predecessor);

  // A PDU from the IN channel in use: passes RPC on, and does what RTS says. An error ends the connection.
  io::Task<Status> receive(std::shared_ptr<InChannel> channel, View pdu);
  // Whether it is the channel in use.
  bool is_default(const InChannel& channel) const;
  bool is_default(const OutChannel& channel) const;

  // What the OUT channel is to send now; `finished`: then nothing more, ever.
  struct Batch {
    Bytes bytes;
    bool finished = false;
    bool in_use = false;     // the channel is the default one: pings are its business
  };
  Batch take(OutChannel& channel);
  // How long after its last byte a channel sends a ping.
  Duration ping_interval() const;
  // Counts a ping against the lifetime.
  void count_ping(OutChannel& channel);

  // From any thread, once is enough.
  void end(std::string_view why);
  bool ended() const;

 private:
  static io::Task<> read_server(std::shared_ptr<VirtualConnection> self, std::shared_ptr<Pipe> pipe);
  Status on_rts(InChannel& channel, View bytes);
  void on_ack(const rts::Command& ack);
  void wake_out();        // the mutex is held
  void control(Bytes pdu);  // the mutex is held
  void establish();       // the mutex is held
  Bytes acknowledge(InChannel& channel);  // the mutex is held

  RpcHttp& owner_;
  const rts::RtsCookie cookie_;
  const RpcPeer peer_;
  const std::uint16_t port_;
  const Clock::time_point since_ = Clock::now();

  mutable std::mutex mutex_;
  std::shared_ptr<InChannel> in_, next_in_;
  std::shared_ptr<OutChannel> out_, next_out_;
  bool out_acknowledged_ = false;  // the client agreed to hand over to next_out_
  std::shared_ptr<Pipe> pipe_;
  std::list<Bytes> queue_;         // PDUs of the server's, under flow control
  std::size_t queued_ = 0;         // their bytes
  Bytes control_;                  // RTS PDUs, which are not
  std::uint32_t keepalive_ = 0;    // milliseconds, as the client wants it
  bool established_ = false;
  bool server_gone_ = false;       // ends once the queue is sent
  bool ended_ = false;
  io::Event room_;                 // the queue has some again
};

}  // namespace mapigate::transport::rpc_http
