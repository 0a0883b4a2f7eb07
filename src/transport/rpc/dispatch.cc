// Calls: from Samba's core to the services and back, and the association groups that they belong to.
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "transport/gateway.h"
#include "transport/rpc/server_core.h"

namespace mapigate::transport {

namespace {

using rpc::Answer;
using rpc::Group;

RpcCore& core_of(dcesrv_call_state* call) { return *static_cast<RpcCore*>(call->conn->dce_ctx->callbacks->assoc_group.private_data); }
rpc::Service& service_of(dcesrv_call_state* call) {
  return *static_cast<rpc::Service*>(const_cast<void*>(call->context->iface->private_data));
}

// The table of an interface. C++ exceptions must not reach Samba's frames.

int forget_call(PendingCall* call) {
  call->core->pending.erase(call->id);
  if (call->connection->calls > 0) --call->connection->calls;
  delete call->answer;
  delete call->alive;
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
}  // namespace

void on_output(dcesrv_connection* connection) {
  end_unsigned_reply(*static_cast<RpcConnection*>(connection->transport.private_data));
  dcesrv_sock_report_output_data(connection);
}

namespace {

NTSTATUS on_bind(dcesrv_connection_context* context, const dcesrv_interface* interface) {
  const auto& core = *static_cast<RpcCore*>(context->conn->dce_ctx->callbacks->assoc_group.private_data);
  const auto& service = *static_cast<const rpc::Service*>(interface->private_data);
  context->allow_connect = true;
  const auto& caller = static_cast<const RpcConnection*>(context->conn->transport.private_data)->caller();
  // Over HTTP there is TLS around it, and somebody has logged on.
  if (service.needs_logon() && caller.identity == nullptr) {
    const auto least = service.tells_protection() ? std::min(core.options.protection, RpcProtection::connect) : core.options.protection;
    context->min_auth_level = static_cast<dcerpc_AuthLevel>(least);
  }
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

}  // namespace

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
  auto* session = dcesrv_call_session_info(call);
  if (session != nullptr && session->info != nullptr && session->info->authenticated != 0) {
    request.caller.user = session->info->account_name;
    request.caller.ticket = authentication->ticket_of(*session, request.caller.user, events);
  } else if (request.caller.identity != nullptr) {
    request.caller.user = request.caller.identity->user;
  }
  if (service.needs_logon() && request.caller.user.empty()) return fault(call, rpc::fault_access_denied);
  const auto group = call->conn->assoc_group == nullptr ? groups.end() : groups.find(call->conn->assoc_group->id);
  if (group == groups.end()) return fault(call, rpc::fault_call_failed);
  request.group = group->second;
  mine.alive = new std::shared_ptr(std::make_shared<rpc::CallLife>());
  request.alive = *mine.alive;

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
  delete std::exchange(mine->alive, nullptr);
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
  const auto transport = dcerpc_binding_get_transport(reinterpret_cast<const RpcCore::Endpoint*>(connection->endpoint)->ep_description);
  if (const auto wanted = call->pkt.u.bind.assoc_group_id; wanted != 0) {
    const auto found = core_groups.find(wanted);
    if (found == core_groups.end() || found->second->transport != transport) return NT_STATUS_UNSUCCESSFUL;
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
  group->transport = transport;
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

}  // namespace mapigate::transport
