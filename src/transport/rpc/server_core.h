// The RPC server's thread: Samba's core, its loop, listeners, connections and association groups. For the sources of
// the server only; everything is of the thread but for what says otherwise.
#pragma once

#include <future>
#include <list>
#include <map>
#include <thread>
#include <unordered_map>

#include "transport/gateway.h"
#include "transport/rpc/auth.h"
#include "transport/rpc/connection.h"

namespace mapigate::transport {

// A call that Samba's core gave us; a child of its dcesrv_call_state.
struct PendingCall {
  struct RpcCore* core;
  std::uint64_t id;
  dcesrv_call_state* call;
  RpcConnection* connection;
  View stub;
  bool big_endian;
  bool dispatching, answered;
  rpc::Answer* answer;
  std::shared_ptr<rpc::CallLife>* alive;  // of Request::alive
};

struct HttpLogon;

struct RpcCore {
  Gateway& gateway;
  RpcOptions options;
  std::shared_ptr<rpc::Inbox> inbox = std::make_shared<rpc::Inbox>();
  std::thread thread;
  samba::PrivateFunctions functions{};

  // Of the thread only.
  TALLOC_CTX* memory = nullptr;
  tevent_context* events = nullptr;
  dcesrv_context* core = nullptr;
  dcesrv_context_callbacks callbacks{};
  auth_session_info* anonymous = nullptr;
  std::unique_ptr<RpcAuthentication> authentication;
  std::vector<std::unique_ptr<rpc::Service>> services;
  std::list<dcesrv_interface> interfaces;
  using Endpoint = dcesrv_context::dcesrv_endpoint;
  struct Listener {
    RpcCore* core;
    int descriptor;
    Endpoint* endpoint;
  };
  std::map<std::uint16_t, Endpoint*> http_endpoints;  // by port; not changed after the start
  std::list<Listener> listeners;
  std::list<std::unique_ptr<RpcConnection>> connections;
  std::unordered_map<std::uint64_t, PendingCall*> pending;
  std::unordered_map<std::uint32_t, dcesrv_assoc_group*> core_groups;
  std::unordered_map<std::uint32_t, std::shared_ptr<rpc::Group>> groups;
  std::map<std::uint64_t, std::unique_ptr<HttpLogon>> logons;  // at the HTTP level, not complete yet
  std::uint64_t last_id = 0;
  std::atomic<std::uint64_t> last_logon{0};
  bool stopping = false;

  Gauge& connection_count;
  Counter& call_count;
  Counter& fault_count;
  Counter& orphan_count;

  RpcCore(Gateway& g, RpcOptions o);
  ~RpcCore();

  // Where a connection comes from and to which address of ours.
  struct Ends {
    sockaddr_storage far{}, near{};
    socklen_t far_size = sizeof far, near_size = sizeof near;
    std::shared_ptr<const chain::Identity> identity;  // whom HTTP let in; null over TCP
  };

  Result<Endpoint*> serve_at(const std::string& place, const std::vector<rpc::Service*>& served);

  Status listen_on(std::uint16_t port, const std::vector<rpc::Service*>& served);
  Status set_up();
  Status serve_http();
  void run(std::promise<Status> ready);
  void tear_down();

  void accept(Listener& listener);
  Status adopt(int descriptor, Endpoint* endpoint, const Ends& ends);
  void free_later(RpcConnection& connection);
  void forget(RpcConnection* connection);
  void sweep();

  // One message of a logon; the first one makes it. `done` is called in this thread.
  void logon_step(std::uint64_t id, bool spnego, const std::string& peer, Bytes token, std::function<void(Result<LogonStep>)> done);
  void logon_end(std::uint64_t id);
  std::shared_ptr<LogonExchange> begin_logon(AuthScheme scheme, std::string peer);  // from any thread

  NTSTATUS find_group(dcesrv_call_state* call);
  NTSTATUS dispatch(PendingCall& pending_call);
  void answer(std::uint64_t id, rpc::Answer answer);
};

// The table of an interface that Samba's core calls; refers to the service.
dcesrv_interface table_of(rpc::Service& service);
// The last thing that Samba does with a reply; for dcesrv_connection::transport.
void on_output(dcesrv_connection* connection);

}  // namespace mapigate::transport
