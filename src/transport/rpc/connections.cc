// Connections of the RPC server: where they come from, when they end.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "transport/rpc/server_core.h"

namespace mapigate::transport {

namespace {

void terminate(dcesrv_connection* connection, const char* reason) {
  auto& mine = *static_cast<RpcConnection*>(connection->transport.private_data);
  log::debug("DCE/RPC connection from {} ends: {}", mine.caller().peer, reason);
  static_cast<RpcCore*>(connection->dce_ctx->callbacks->assoc_group.private_data)->free_later(mine);
}

}  // namespace

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

namespace {

std::string address_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.ss_family == AF_INET) inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
  else if (address.ss_family == AF_INET6) inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text, sizeof text);
  return text;
}

}  // namespace

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
    const int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    Ends ends;
    getpeername(descriptor, reinterpret_cast<sockaddr*>(&ends.far), &ends.far_size);
    getsockname(descriptor, reinterpret_cast<sockaddr*>(&ends.near), &ends.near_size);
    if (auto adopted = adopt(descriptor, listener.endpoint, ends); !adopted) log::warning("DCE/RPC: {}", adopted.error().message);
  }
}

Status RpcCore::adopt(int descriptor, Endpoint* endpoint, const Ends& ends) {
  std::array<std::uint8_t, 4> local{};
  if (ends.near.ss_family == AF_INET) std::memcpy(local.data(), &reinterpret_cast<const sockaddr_in&>(ends.near).sin_addr, 4);
  dcesrv_connection* connection = nullptr;
  const auto status = dcesrv_endpoint_connect(core, memory, reinterpret_cast<const ::dcesrv_endpoint*>(endpoint), anonymous, events,
                                              DCESRV_CALL_STATE_FLAG_MAY_ASYNC, &connection);
  if (!NT_STATUS_IS_OK(status)) {
    ::close(descriptor);
    return error(Errc::internal, "a connection cannot be made");
  }
  tsocket_address *remote = nullptr, *here = nullptr;
  connection->send_queue = tevent_queue_create(connection, "rpc");
  const bool made = connection->send_queue != nullptr &&
                    functions.tsocket_address_bsd_from_sockaddr(connection, reinterpret_cast<const sockaddr*>(&ends.far), ends.far_size, &remote, "rpc") == 0 &&
                    functions.tsocket_address_bsd_from_sockaddr(connection, reinterpret_cast<const sockaddr*>(&ends.near), ends.near_size, &here, "rpc") == 0 &&
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
  auto& mine = *connections.emplace_back(std::make_unique<RpcConnection>(address_text(ends.far), local, ends.identity));
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

Result<RpcCore::Endpoint*> RpcCore::serve_at(const std::string& place, const std::vector<rpc::Service*>& served) {
  std::vector<Endpoint*> known;
  for (auto* one = core->endpoint_list; one != nullptr; one = one->next) known.push_back(one);
  for (auto* service : served) {
    interfaces.push_back(table_of(*service));
    if (!NT_STATUS_IS_OK(dcesrv_interface_register(core, place.c_str(), nullptr, &interfaces.back(), nullptr)))
      return error(Errc::internal, "Samba does not take the interface {} at {}", interfaces.back().name, place);
  }
  for (auto* one = core->endpoint_list; one != nullptr; one = one->next)
    if (std::find(known.begin(), known.end(), one) == known.end()) return one;
  return error(Errc::internal, "Samba lost the endpoint {}", place);
}

Status RpcCore::listen_on(std::uint16_t port, const std::vector<rpc::Service*>& served) {
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
  const auto endpoint = serve_at(fmt::format("ncacn_ip_tcp:[{}]", port), served);
  if (!endpoint) {
    ::close(descriptor);
    return endpoint.error();
  }
  auto& listener = listeners.emplace_back(Listener{this, descriptor, *endpoint});
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

}  // namespace mapigate::transport
