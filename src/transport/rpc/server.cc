// The thread of the RPC server: Samba's core, its loop, listeners, connections and association groups.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <cstring>
#include <future>
#include <list>
#include <thread>
#include <unordered_map>

#include "base/log.h"
#include "transport/gateway.h"
#include "transport/rpc/auth.h"
#include "transport/rpc/connection.h"
#include "wire/ndr/asyncemsmdb_ndr.h"
#include "wire/ndr/emsmdb_ndr.h"
#include "wire/ndr/epm_ndr.h"
#include "wire/ndr/nspi_ndr.h"
#include "wire/ndr/rfr_ndr.h"

namespace mapigate::transport {

namespace {

using rpc::Answer;
using rpc::Group;

// A call that Samba's core gave us; a child of its dcesrv_call_state.
struct PendingCall {
  struct RpcCore* core;
  std::uint64_t id;
  dcesrv_call_state* call;
  RpcConnection* connection;
  View stub;
  bool big_endian;
  bool dispatching, answered;
  Answer* answer;
};

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
  struct Listener {
    RpcCore* core;
    int descriptor;
    dcesrv_context::dcesrv_endpoint* endpoint;
  };
  std::list<Listener> listeners;
  std::list<std::unique_ptr<RpcConnection>> connections;
  std::unordered_map<std::uint64_t, PendingCall*> pending;
  std::unordered_map<std::uint32_t, dcesrv_assoc_group*> core_groups;
  std::unordered_map<std::uint32_t, std::shared_ptr<Group>> groups;
  std::uint64_t last_id = 0;
  bool stopping = false;

  Gauge& connection_count;
  Counter& call_count;
  Counter& fault_count;
  Counter& orphan_count;

  RpcCore(Gateway& g, RpcOptions o)
      : gateway(g),
        options(std::move(o)),
        connection_count(g.metrics().gauge("mapigate_rpc_connections", "DCE/RPC connections in being")),
        call_count(g.metrics().counter("mapigate_rpc_calls_total", "DCE/RPC calls")),
        fault_count(g.metrics().counter("mapigate_rpc_faults_total", "DCE/RPC calls that ended in a fault")),
        orphan_count(g.metrics().counter("mapigate_rpc_orphans_total", "DCE/RPC calls whose client went away meanwhile")) {}

  Status listen_on(std::uint16_t port, std::vector<rpc::Service*> served);
  Status set_up();
  void run(std::promise<Status> ready);
  void tear_down();

  void accept(Listener& listener);
  Status adopt(int descriptor, Listener& listener);
  void free_later(RpcConnection& connection);
  void forget(RpcConnection* connection);
  void sweep();

  NTSTATUS find_group(dcesrv_call_state* call);
  NTSTATUS dispatch(PendingCall& pending_call);
  void answer(std::uint64_t id, Answer answer);
};

RpcCore& core_of(dcesrv_call_state* call) { return *static_cast<RpcCore*>(call->conn->dce_ctx->callbacks->assoc_group.private_data); }
rpc::Service& service_of(dcesrv_call_state* call) {
  return *static_cast<rpc::Service*>(const_cast<void*>(call->context->iface->private_data));
}

// The table of an interface. C++ exceptions must not reach Samba's frames.

int forget_call(PendingCall* call) {
  call->core->pending.erase(call->id);
  if (call->connection->calls > 0) --call->connection->calls;
  delete call->answer;
  return 0;
}

NTSTATUS fault(dcesrv_call_state* call, std::uint32_t code) {
  call->fault_code = code;
  return NT_STATUS_NET_WRITE_FAULT;
}

// At the level CONNECT nothing is signed; but when the client offered signatures all the same (impacket does), Samba
// makes room for one and then refuses to send the reply. For its time the connection looks unauthenticated.
void unsigned_reply(dcesrv_call_state* call, RpcConnection& connection) {
  auto* auth = call->auth_state;
  if (auth->auth_level != DCERPC_AUTH_LEVEL_CONNECT || connection.unsigned_auth != nullptr) return;
  connection.unsigned_auth = auth;
  connection.set_aside = auth->gensec_security;
  auth->auth_level = DCERPC_AUTH_LEVEL_NONE;
  auth->gensec_security = nullptr;
}
void end_unsigned_reply(RpcConnection& connection) {
  auto* auth = connection.unsigned_auth;
  if (auth == nullptr) return;
  auth->auth_level = DCERPC_AUTH_LEVEL_CONNECT;
  auth->gensec_security = connection.set_aside;
  connection.unsigned_auth = nullptr;
}
// The last thing that Samba does with a reply.
void on_output(dcesrv_connection* connection) {
  end_unsigned_reply(*static_cast<RpcConnection*>(connection->transport.private_data));
  dcesrv_sock_report_output_data(connection);
}

NTSTATUS on_bind(dcesrv_connection_context* context, const dcesrv_interface* interface) {
  const auto& core = *static_cast<RpcCore*>(context->conn->dce_ctx->callbacks->assoc_group.private_data);
  const auto& service = *static_cast<const rpc::Service*>(interface->private_data);
  context->allow_connect = true;
  if (service.needs_logon()) context->min_auth_level = static_cast<dcerpc_AuthLevel>(core.options.protection);
  return NT_STATUS_OK;
}

void on_unbind(dcesrv_connection_context*, const dcesrv_interface*) {}

NTSTATUS on_pull(dcesrv_call_state* call, TALLOC_CTX* memory, struct ndr_pull* pull, void** out) {
  auto& core = core_of(call);
  if (call->pkt.u.request.opnum >= service_of(call).interface().methods) return fault(call, DCERPC_FAULT_OP_RNG_ERROR);
  auto* mine = talloc_zero(memory, PendingCall);
  if (mine == nullptr) return NT_STATUS_NO_MEMORY;
  mine->core = &core;
  mine->id = ++core.last_id;
  mine->call = call;
  mine->connection = static_cast<RpcConnection*>(call->conn->transport.private_data);
  end_unsigned_reply(*mine->connection);
  mine->stub = View(pull->data, pull->data_size);
  mine->big_endian = (pull->flags & LIBNDR_FLAG_BIGENDIAN) != 0;
  ++mine->connection->calls;
  talloc_set_destructor(mine, forget_call);
  pull->offset = pull->data_size;
  *out = mine;
  return NT_STATUS_OK;
}

NTSTATUS on_dispatch(dcesrv_call_state* call, TALLOC_CTX*, void* r) {
  try {
    return core_of(call).dispatch(*static_cast<PendingCall*>(r));
  } catch (const std::exception& problem) {
    log::error("{}: {}", call->context->iface->name, problem.what());
    return fault(call, rpc::fault_call_failed);
  }
}

NTSTATUS on_reply(dcesrv_call_state* call, TALLOC_CTX*, void* r) {
  const auto* mine = static_cast<PendingCall*>(r);
  if (mine->answer == nullptr) return fault(call, rpc::fault_call_failed);
  if (mine->answer->fault != 0) return fault(call, mine->answer->fault);
  unsigned_reply(call, *mine->connection);
  return NT_STATUS_OK;
}

NTSTATUS on_push(dcesrv_call_state* call, TALLOC_CTX*, struct ndr_push* push, const void* r) {
  const auto& stub = static_cast<const PendingCall*>(r)->answer->stub;
  if (ndr_push_bytes(push, stub.data(), static_cast<std::uint32_t>(stub.size())) != NDR_ERR_SUCCESS) return fault(call, rpc::fault_call_failed);
  return NT_STATUS_OK;
}

dcesrv_interface table_of(rpc::Service& service) {
  const auto& interface = service.interface();
  dcesrv_interface out{};
  out.name = interface.name;
  const auto& b = interface.uuid.bytes;
  auto& uuid = out.syntax_id.uuid;
  uuid.time_low = static_cast<std::uint32_t>(b[0] | b[1] << 8 | b[2] << 16 | static_cast<std::uint32_t>(b[3]) << 24);
  uuid.time_mid = static_cast<std::uint16_t>(b[4] | b[5] << 8);
  uuid.time_hi_and_version = static_cast<std::uint16_t>(b[6] | b[7] << 8);
  std::memcpy(uuid.clock_seq, &b[8], 2);
  std::memcpy(uuid.node, &b[10], 6);
  out.syntax_id.if_version = static_cast<std::uint32_t>(interface.minor) << 16 | interface.major;
  out.bind = on_bind;
  out.unbind = on_unbind;
  out.ndr_pull = on_pull;
  out.dispatch = on_dispatch;
  out.reply = on_reply;
  out.ndr_push = on_push;
  out.private_data = &service;
  return out;
}

}  // namespace

namespace {

NTSTATUS RpcCore::dispatch(PendingCall& mine) {
  auto* call = mine.call;
  auto& service = service_of(call);
  auto& connection = *mine.connection;
  call_count.add();
  connection.last_call = Clock::now();
  if (connection.calls > options.calls) return fault(call, rpc::fault_server_too_busy);
  rpc::Request request;
  request.opnum = call->pkt.u.request.opnum;
  request.stub = mine.stub;
  request.big_endian = mine.big_endian;
  request.caller = connection.caller();
  request.caller.level = static_cast<unsigned>(call->auth_state->auth_level);
  const auto* session = dcesrv_call_session_info(call);
  if (session != nullptr && session->info != nullptr && session->info->authenticated != 0) request.caller.user = session->info->account_name;
  if (service.needs_logon() && request.caller.user.empty()) return fault(call, rpc::fault_access_denied);
  const auto group = call->conn->assoc_group == nullptr ? groups.end() : groups.find(call->conn->assoc_group->id);
  if (group == groups.end()) return fault(call, rpc::fault_call_failed);
  request.group = group->second;

  mine.dispatching = true;
  pending.emplace(mine.id, &mine);
  service.call(request, [this, id = mine.id](Answer given) { answer(id, std::move(given)); });
  mine.dispatching = false;
  if (mine.answered) return mine.answer->fault != 0 ? fault(call, mine.answer->fault) : NT_STATUS_OK;
  if ((call->state_flags & DCESRV_CALL_STATE_FLAG_MAY_ASYNC) == 0) {
    pending.erase(mine.id);
    return fault(call, rpc::fault_call_failed);
  }
  call->state_flags |= DCESRV_CALL_STATE_FLAG_ASYNC;
  return NT_STATUS_OK;
}

void RpcCore::answer(std::uint64_t id, Answer given) {
  const auto found = pending.find(id);
  if (found == pending.end()) return;  // its client has gone
  auto* mine = found->second;
  pending.erase(found);
  if (given.fault != 0) fault_count.add();
  mine->answer = new Answer(std::move(given));
  mine->answered = true;
  if (mine->dispatching) return;
  auto* connection = mine->call->conn;
  dcesrv_reply(mine->call);  // frees the call, sooner or later
  end_unsigned_reply(*static_cast<RpcConnection*>(connection->transport.private_data));
  if (connection->terminate != nullptr) dcesrv_cleanup_broken_connections(core);
}

// Association groups: Samba's structure, owned by the connections that are in it, and ours beside it.

int forget_group(dcesrv_assoc_group* group) {
  auto* core = static_cast<RpcCore*>(group->dce_ctx->callbacks->assoc_group.private_data);
  core->core_groups.erase(group->id);
  core->groups.erase(group->id);
  return 0;
}

NTSTATUS RpcCore::find_group(dcesrv_call_state* call) {
  auto* connection = call->conn;
  if (const auto wanted = call->pkt.u.bind.assoc_group_id; wanted != 0) {
    const auto found = core_groups.find(wanted);
    if (found == core_groups.end()) return NT_STATUS_UNSUCCESSFUL;
    connection->assoc_group = talloc_reference(connection, found->second);
    return connection->assoc_group == nullptr ? NT_STATUS_NO_MEMORY : NT_STATUS_OK;
  }
  auto* group = talloc_zero(connection, dcesrv_assoc_group);
  if (group == nullptr) return NT_STATUS_NO_MEMORY;
  std::uint32_t id = 0;
  do {
    if (RAND_bytes(reinterpret_cast<unsigned char*>(&id), sizeof id) != 1) return NT_STATUS_INTERNAL_ERROR;
  } while (id == 0 || core_groups.contains(id));
  group->id = id;
  group->transport = NCACN_IP_TCP;
  group->dce_ctx = core;
  core_groups.emplace(id, group);
  groups.emplace(id, std::make_shared<Group>(id, [this](const rpc::Handle& handle) {
    // The client's last connection is gone: what it held is over.
    if (handle.kind != rpc::Handle::Kind::asynchronous && handle.kind != rpc::Handle::Kind::lookup)
      if (const auto session = handle.session.lock()) gateway.sessions().end(session);
  }));
  talloc_set_destructor(group, forget_group);
  connection->assoc_group = group;
  return NT_STATUS_OK;
}

// Connections.

void terminate(dcesrv_connection* connection, const char* reason) {
  auto& mine = *static_cast<RpcConnection*>(connection->transport.private_data);
  log::debug("DCE/RPC connection from {} ends: {}", mine.caller().peer, reason);
  static_cast<RpcCore*>(connection->dce_ctx->callbacks->assoc_group.private_data)->free_later(mine);
}

// Samba's core still looks at the connection when it asks for its end.
void RpcCore::free_later(RpcConnection& connection) {
  if (connection.ending) return;
  connection.ending = true;
  auto* immediate = tevent_create_immediate(connection.core);
  if (immediate == nullptr) return;
  struct Later {
    RpcCore* core;
    RpcConnection* connection;
  };
  auto* later = talloc_zero(immediate, Later);
  *later = {this, &connection};
  tevent_schedule_immediate(
      immediate, events,
      [](tevent_context*, tevent_immediate*, void* data) {
        const auto what = *static_cast<Later*>(data);
        what.core->forget(what.connection);
      },
      later);
}

void RpcCore::forget(RpcConnection* connection) {
  talloc_free(connection->core);
  connections.remove_if([&](const auto& one) { return one.get() == connection; });
  connection_count.set(static_cast<std::int64_t>(connections.size()));
}

std::string address_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.ss_family == AF_INET) inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
  else if (address.ss_family == AF_INET6) inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text, sizeof text);
  return text;
}

void RpcCore::accept(Listener& listener) {
  for (int i = 0; i < 16; ++i) {
    const int descriptor = ::accept4(listener.descriptor, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) return;
    dcesrv_cleanup_broken_connections(core);
    if (connections.size() >= options.connections) {
      log::warning("DCE/RPC: {} connections are open: the limit", connections.size());
      ::close(descriptor);
      continue;
    }
    if (auto adopted = adopt(descriptor, listener); !adopted) log::warning("DCE/RPC: {}", adopted.error().message);
  }
}

Status RpcCore::adopt(int descriptor, Listener& listener) {
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  sockaddr_storage far{}, near{};
  socklen_t far_size = sizeof far, near_size = sizeof near;
  getpeername(descriptor, reinterpret_cast<sockaddr*>(&far), &far_size);
  getsockname(descriptor, reinterpret_cast<sockaddr*>(&near), &near_size);
  std::array<std::uint8_t, 4> local{};
  if (near.ss_family == AF_INET) std::memcpy(local.data(), &reinterpret_cast<sockaddr_in&>(near).sin_addr, 4);
  dcesrv_connection* connection = nullptr;
  const auto status = dcesrv_endpoint_connect(core, memory, reinterpret_cast<const ::dcesrv_endpoint*>(listener.endpoint), anonymous, events,
                                              DCESRV_CALL_STATE_FLAG_MAY_ASYNC, &connection);
  if (!NT_STATUS_IS_OK(status)) {
    ::close(descriptor);
    return error(Errc::internal, "a connection cannot be made");
  }
  tsocket_address *remote = nullptr, *here = nullptr;
  connection->send_queue = tevent_queue_create(connection, "rpc");
  const bool made = connection->send_queue != nullptr &&
                    functions.tsocket_address_bsd_from_sockaddr(connection, reinterpret_cast<sockaddr*>(&far), far_size, &remote, "rpc") == 0 &&
                    functions.tsocket_address_bsd_from_sockaddr(connection, reinterpret_cast<sockaddr*>(&near), near_size, &here, "rpc") == 0 &&
                    functions.tstream_bsd_existing_socket(connection, descriptor, &connection->stream, "rpc") == 0;
  if (!made) {
    ::close(descriptor);
    talloc_free(connection);
    return error(Errc::internal, "a connection cannot be made");
  }
  connection->remote_address = remote;
  connection->local_address = here;
  connection->max_recv_frag = connection->max_xmit_frag = options.fragment;
  connection->max_total_request_size = options.request;
  auto& mine = *connections.emplace_back(std::make_unique<RpcConnection>(address_text(far), local));
  mine.core = connection;
  connection->transport.private_data = &mine;
  connection->transport.report_output_data = on_output;
  connection->transport.terminate_connection = terminate;
  connection_count.set(static_cast<std::int64_t>(connections.size()));
  if (!NT_STATUS_IS_OK(dcesrv_connection_loop_start(connection))) free_later(mine);
  return {};
}

// Each second: what Samba's core does not tell. A client that has left while its call is pending is only marked
// as broken, and nobody would free it before the call ends; its calls are answered now, into nothing.
void RpcCore::sweep() {
  std::vector<std::uint64_t> orphans;
  for (const auto& [id, call] : pending)
    if (call->call->conn->terminate != nullptr) orphans.push_back(id);
  orphan_count.add(orphans.size());
  for (const auto id : orphans) answer(id, {rpc::fault_call_failed, {}});
  dcesrv_cleanup_broken_connections(core);
  const auto now = Clock::now();
  std::vector<RpcConnection*> idle;
  for (const auto& one : connections) {
    const bool fresh = one->core->assoc_group == nullptr;
    if (!one->ending && one->calls == 0 && now - one->last_call > (fresh ? options.bind_limit : options.idle)) idle.push_back(one.get());
  }
  for (auto* one : idle) dcesrv_terminate_connection(one->core, "idle");
}

Status RpcCore::listen_on(std::uint16_t port, std::vector<rpc::Service*> served) {
  sockaddr_storage address{};
  socklen_t size = 0;
  auto& four = reinterpret_cast<sockaddr_in&>(address);
  auto& six = reinterpret_cast<sockaddr_in6&>(address);
  if (inet_pton(AF_INET, options.address.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET, four.sin_port = htons(port), size = sizeof four;
  } else if (inet_pton(AF_INET6, options.address.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6, six.sin6_port = htons(port), size = sizeof six;
  } else {
    return error(Errc::malformed, "\"{}\" is no IP address", options.address);
  }
  const int descriptor = ::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (descriptor < 0 || ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(descriptor, 1024) != 0) {
    const auto why = std::generic_category().message(errno);
    if (descriptor >= 0) ::close(descriptor);
    return error(Errc::unavailable, "cannot listen on {} port {}: {}", options.address, port, why);
  }
  const auto name = fmt::format("ncacn_ip_tcp:[{}]", port);
  dcesrv_context::dcesrv_endpoint* endpoint = nullptr;
  for (auto* service : served) {
    interfaces.push_back(table_of(*service));
    if (!NT_STATUS_IS_OK(dcesrv_interface_register(core, name.c_str(), nullptr, &interfaces.back(), nullptr))) {
      ::close(descriptor);
      return error(Errc::internal, "Samba does not take the interface {}", interfaces.back().name);
    }
  }
  // Samba adds new endpoints at either end; the name finds ours.
  for (auto* one = core->endpoint_list; one != nullptr; one = one->next)
    for (auto* entry = one->interface_list; entry != nullptr; entry = entry->next)
      if (entry->iface->private_data == served.front()) endpoint = one;
  if (endpoint == nullptr) {
    ::close(descriptor);
    return error(Errc::internal, "Samba lost the endpoint {}", name);
  }
  auto& listener = listeners.emplace_back(Listener{this, descriptor, endpoint});
  auto* watch = tevent_add_fd(
      events, memory, descriptor, TEVENT_FD_READ,
      [](tevent_context*, tevent_fd*, std::uint16_t, void* data) {
        auto& one = *static_cast<Listener*>(data);
        one.core->accept(one);
      },
      &listener);
  if (watch == nullptr) return error(Errc::internal, "no memory");
  log::info("DCE/RPC listens on {} port {}", options.address, port);
  return {};
}

void on_debug(void*, int level, const char* text) {
  std::string_view line(text);
  while (!line.empty() && line.back() == '\n') line.remove_suffix(1);
  if (level <= 0) log::warning("Samba: {}", line);
  else log::debug("Samba: {}", line);
}

void schedule_sweep(RpcCore& core) {
  tevent_add_timer(
      core.events, core.memory, tevent_timeval_current_ofs(1, 0),
      [](tevent_context*, tevent_timer* timer, timeval, void* data) {
        auto& self = *static_cast<RpcCore*>(data);
        talloc_free(timer);
        self.sweep();
        schedule_sweep(self);
      },
      &core);
}

Status RpcCore::set_up() {
  auto loaded = samba::load_private_functions();
  if (!loaded) return loaded.error();
  functions = *loaded;
  functions.debug_set_callback(nullptr, on_debug);
  memory = talloc_named_const(nullptr, 0, "mapigate rpc");
  events = tevent_context_init(memory);
  auto* settings = loadparm_init(memory);
  if (memory == nullptr || events == nullptr || settings == nullptr) return error(Errc::internal, "no memory");
  // Samba's own configuration is somebody else's.
  lpcfg_set_cmdline(settings, "server role", "standalone server");
  lpcfg_set_cmdline(settings, "netbios name", "MAPIGATE");
  lpcfg_set_cmdline(settings, "workgroup", "MAPIGATE");
  lpcfg_set_cmdline(settings, "log level", "0");
  if (!NT_STATUS_IS_OK(functions.gensec_init())) return error(Errc::internal, "Samba's gensec does not start");
  authentication = std::make_unique<RpcAuthentication>(gateway, functions, options.accounts, settings);
  anonymous = RpcAuthentication::anonymous(memory);
  callbacks.auth.gensec_prepare = [](TALLOC_CTX* owner, dcesrv_call_state* call, gensec_security** out, void* data) {
    return static_cast<RpcAuthentication*>(data)->prepare(owner, call, out);
  };
  callbacks.auth.private_data = authentication.get();
  callbacks.auth.become_root = [] {};
  callbacks.auth.unbecome_root = [] {};
  callbacks.assoc_group.find = [](dcesrv_call_state* call, void* data) { return static_cast<RpcCore*>(data)->find_group(call); };
  callbacks.assoc_group.private_data = this;
  if (!NT_STATUS_IS_OK(dcesrv_init_context(memory, settings, &callbacks, &core))) return error(Errc::internal, "Samba's server core does not start");

  std::vector<rpc::Endpoint> endpoints;
  std::map<std::uint16_t, std::vector<rpc::Service*>> ports;
  const auto serve = [&](std::unique_ptr<rpc::Service> service, std::uint16_t port, const char* annotation) {
    if (port == 0) return;
    endpoints.push_back({service->interface(), port, annotation});
    ports[port].push_back(service.get());
    services.push_back(std::move(service));
  };
  serve(rpc::make_mailbox_service(gateway, inbox), options.emsmdb_port, "Microsoft Exchange Information Store");
  serve(rpc::make_waiting_service(gateway, inbox), options.emsmdb_port, "Microsoft Exchange Asynchronous EMSMDB");
  serve(rpc::make_address_book_service(gateway, inbox), options.nspi_port, "Microsoft Exchange NSPI");
  serve(rpc::make_referral(gateway), options.rfr_port, "Microsoft Exchange RFR");
  if (options.epm_port != 0) {
    services.push_back(rpc::make_endpoint_mapper(endpoints));
    ports[options.epm_port].push_back(services.back().get());
  }
  for (auto& [port, served] : ports)
    if (auto listening = listen_on(port, served); !listening) return listening;
  auto* watch = tevent_add_fd(
      events, memory, inbox->descriptor(), TEVENT_FD_READ,
      [](tevent_context*, tevent_fd*, std::uint16_t, void* data) { static_cast<RpcCore*>(data)->inbox->run_all(); }, this);
  if (watch == nullptr) return error(Errc::internal, "no memory");
  schedule_sweep(*this);
  return {};
}

void RpcCore::run(std::promise<Status> ready) {
  Status up;
  try {
    up = set_up();
  } catch (const std::exception& problem) {
    up = error(Errc::internal, "{}", problem.what());
  }
  const bool good = up.has_value();
  ready.set_value(std::move(up));
  while (good && !stopping && tevent_loop_once(events) == 0) {
  }
  tear_down();
}

void RpcCore::tear_down() {
  inbox->close();
  for (const auto& one : listeners) ::close(one.descriptor);
  listeners.clear();
  while (!connections.empty()) forget(connections.front().get());
  talloc_free(memory);
  if (functions.debug_set_callback != nullptr) functions.debug_set_callback(nullptr, nullptr);
}

}  // namespace

struct RpcServer::Impl : RpcCore {
  using RpcCore::RpcCore;
};

RpcServer::RpcServer() = default;

Result<std::unique_ptr<RpcServer>> RpcServer::start(Gateway& gateway, RpcOptions options) {
  std::unique_ptr<RpcServer> server(new RpcServer);
  server->impl_ = std::make_unique<Impl>(gateway, std::move(options));
  std::promise<Status> ready;
  auto outcome = ready.get_future();
  server->impl_->thread = std::thread([core = server->impl_.get(), promise = std::move(ready)]() mutable { core->run(std::move(promise)); });
  if (auto up = outcome.get(); !up) return up.error();
  return server;
}

RpcServer::~RpcServer() {
  if (impl_ == nullptr || !impl_->thread.joinable()) return;
  impl_->inbox->post([core = impl_.get()] { core->stopping = true; });
  impl_->thread.join();
}

}  // namespace mapigate::transport
