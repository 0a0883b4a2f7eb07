// What `./bench rpc` runs: the load, and the peer of the comparison.
//   rpc_bench echo PORT                                  a bare echo server on Samba's core, until it is killed
//   rpc_bench calls PORT USER LEVEL OUTSTANDING SECONDS  calls that do nothing, on one connection: EcDummyRpc, or with
//                                                        the level "none" ept_lookup_handle_free of nothing
//   rpc_bench executes PORT USER LEVEL SECONDS DN           small Executes of a session, one after the other
//   rpc_bench hold PORT USER LEVEL COUNT                 connections that do nothing, until a line arrives
// The password is "secret". Prints one JSON object.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <thread>

#include "io/runtime.h"
#include "transport/rpc/accounts.h"
#include "transport/rpc/samba.h"
#include "upstream/mailbox_client.h"
#include "upstream/rpc_dialer.h"
#include "wire/ndr/emsmdb_ndr.h"
#include "wire/ndr/epm_ndr.h"

namespace mapigate {
namespace {

constexpr const char* password = "secret";
constexpr transport::NtHash password_hash{0x87, 0x8d, 0x80, 0x14, 0x60, 0x6c, 0xda, 0x29,
                                          0x67, 0x7a, 0x44, 0xef, 0xa1, 0x35, 0x3f, 0xc7};

// The peer: as little as Samba's server core lets one write, with the interfaces of the mailbox and the endpoint mapper,
// whose every method answers with zeros.
namespace echo {

using namespace transport::samba;

PrivateFunctions functions{};
GensecSettings* settings = nullptr;
auth_session_info* anonymous = nullptr;

struct Check {
  std::array<std::uint8_t, 16> key;
  bool good;
};

auth_session_info* session_for(TALLOC_CTX* memory, const char* user, bool authenticated) {
  auto* info = talloc_zero(memory, auth_session_info);
  info->security_token = talloc_zero(info, security_token);
  info->info = talloc_zero(info, auth_user_info);
  info->security_token->sids = talloc_zero_array(info->security_token, dom_sid, 2);
  info->security_token->num_sids = 2;
  for (unsigned i = 0; i < 2; ++i) {
    auto& sid = info->security_token->sids[i];
    sid.sid_rev_num = 1, sid.num_auths = 1, sid.id_auth[5] = 5, sid.sub_auths[0] = 7;
  }
  info->info->account_name = talloc_strdup(info->info, user);
  info->info->domain_name = talloc_strdup(info->info, "");
  info->info->authenticated = authenticated ? 1 : 0;
  return info;
}

NTSTATUS prepare(TALLOC_CTX* memory, dcesrv_call_state* call, gensec_security** out, void*) {
  auto* context = talloc_zero(memory, AuthContext);
  context->event_ctx = call->event_ctx;
  context->lp_ctx = settings->lp_ctx;
  context->get_challenge = [](AuthContext*, std::uint8_t challenge[8]) {
    std::memset(challenge, 7, 8);
    return NT_STATUS_OK;
  };
  context->set_challenge = [](AuthContext*, const std::uint8_t[8], const char*) { return NT_STATUS_OK; };
  context->check_password_send = [](TALLOC_CTX* owner, tevent_context* events, AuthContext*, const SuppliedUser* user) {
    Check* check = nullptr;
    auto* request = tevent_req_create(owner, &check, Check);
    const Bytes challenge(8, 7);
    const auto key = transport::check_ntlmv2(password_hash, user->client.account, user->client.domain == nullptr ? "" : user->client.domain,
                                             challenge, View(user->response.nt.data, user->response.nt.length));
    check->good = key.has_value();
    if (key) check->key = *key;
    tevent_req_done(request);
    return tevent_req_post(request, events);
  };
  context->check_password_recv = [](tevent_req* request, TALLOC_CTX* owner, std::uint8_t* authoritative, void** info, DATA_BLOB* nt_key,
                                    DATA_BLOB* lm_key) {
    const auto* check = tevent_req_data(request, Check);
    *authoritative = 1;
    *lm_key = DATA_BLOB{nullptr, 0};
    if (!check->good) return NT_STATUS_LOGON_FAILURE;
    *info = talloc_zero_size(owner, 1);
    nt_key->data = static_cast<std::uint8_t*>(talloc_memdup(owner, check->key.data(), check->key.size()));
    nt_key->length = check->key.size();
    return NT_STATUS_OK;
  };
  context->session_info = [](AuthContext*, TALLOC_CTX* owner, void*, const char*, std::uint32_t, auth_session_info** info) {
    *info = session_for(owner, "bench", true);
    return NT_STATUS_OK;
  };
  return functions.gensec_server_start(memory, settings, context, out);
}

NTSTATUS find_group(dcesrv_call_state* call, void*) {
  auto* group = talloc_zero(call->conn, dcesrv_assoc_group);
  group->id = 1;
  group->transport = NCACN_IP_TCP;
  group->dce_ctx = call->conn->dce_ctx;
  call->conn->assoc_group = group;
  return NT_STATUS_OK;
}

dcesrv_interface interface_of(const wire::ndr::Interface& from) {
  dcesrv_interface out{};
  const auto& b = from.uuid.bytes;
  out.name = "echo";
  std::memcpy(&out.syntax_id.uuid.time_low, &b[0], 4);
  std::memcpy(&out.syntax_id.uuid.time_mid, &b[4], 2);
  std::memcpy(&out.syntax_id.uuid.time_hi_and_version, &b[6], 2);
  std::memcpy(out.syntax_id.uuid.clock_seq, &b[8], 2);
  std::memcpy(out.syntax_id.uuid.node, &b[10], 6);
  out.syntax_id.if_version = static_cast<std::uint32_t>(from.minor) << 16 | from.major;
  out.bind = [](dcesrv_connection_context* context, const dcesrv_interface*) {
    context->allow_connect = true;
    return NT_STATUS_OK;
  };
  out.unbind = [](dcesrv_connection_context*, const dcesrv_interface*) {};
  out.ndr_pull = [](dcesrv_call_state*, TALLOC_CTX* memory, struct ndr_pull* pull, void** r) {
    pull->offset = pull->data_size;
    *r = talloc_zero_size(memory, 1);
    return NT_STATUS_OK;
  };
  out.dispatch = [](dcesrv_call_state*, TALLOC_CTX*, void*) { return NT_STATUS_OK; };
  out.reply = [](dcesrv_call_state*, TALLOC_CTX*, void*) { return NT_STATUS_OK; };
  out.ndr_push = [](dcesrv_call_state*, TALLOC_CTX*, struct ndr_push* push, const void*) {
    const std::uint8_t zeros[24] = {};
    ndr_push_bytes(push, zeros, sizeof zeros);
    return NT_STATUS_OK;
  };
  return out;
}

struct Server {
  dcesrv_context* core;
  tevent_context* events;
  int listener;
};

void accept_one(tevent_context*, tevent_fd*, std::uint16_t, void* data) {
  auto& server = *static_cast<Server*>(data);
  const int descriptor = accept4(server.listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor < 0) return;
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  dcesrv_connection* connection = nullptr;
  if (!NT_STATUS_IS_OK(dcesrv_endpoint_connect(server.core, server.core, reinterpret_cast<const ::dcesrv_endpoint*>(server.core->endpoint_list),
                                               anonymous, server.events, DCESRV_CALL_STATE_FLAG_MAY_ASYNC, &connection)))
    return;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  tsocket_address *remote = nullptr, *local = nullptr;
  functions.tsocket_address_bsd_from_sockaddr(connection, reinterpret_cast<sockaddr*>(&address), sizeof address, &remote, "bench");
  functions.tsocket_address_bsd_from_sockaddr(connection, reinterpret_cast<sockaddr*>(&address), sizeof address, &local, "bench");
  functions.tstream_bsd_existing_socket(connection, descriptor, &connection->stream, "bench");
  connection->send_queue = tevent_queue_create(connection, "bench");
  connection->remote_address = remote;
  connection->local_address = local;
  connection->transport.report_output_data = dcesrv_sock_report_output_data;
  connection->transport.terminate_connection = [](dcesrv_connection* ended, const char*) {
    auto* later = tevent_create_immediate(ended);
    tevent_schedule_immediate(later, ended->event_ctx, [](tevent_context*, tevent_immediate* self, void*) { talloc_free(talloc_parent(self)); }, nullptr);
  };
  (void)dcesrv_connection_loop_start(connection);
}

int serve(std::uint16_t port) {
  auto loaded = load_private_functions();
  if (!loaded) return std::fprintf(stderr, "%s\n", loaded.error().message.c_str()), 1;
  functions = *loaded;
  auto* memory = talloc_named_const(nullptr, 0, "bench");
  auto* lp_ctx = loadparm_init(memory);
  lpcfg_set_cmdline(lp_ctx, "server role", "standalone server");
  lpcfg_set_cmdline(lp_ctx, "log level", "0");
  functions.gensec_init();
  static const gensec_security_ops* backends[3] = {functions.gensec_security_by_oid(nullptr, "1.3.6.1.5.5.2"),
                                                   functions.gensec_security_by_oid(nullptr, "1.3.6.1.4.1.311.2.2.10"), nullptr};
  settings = talloc_zero(lp_ctx, GensecSettings);
  settings->lp_ctx = lp_ctx;
  settings->backends = backends;
  settings->server_dns_name = settings->server_netbios_name = settings->server_netbios_domain = "BENCH";
  settings->server_dns_domain = "bench";
  anonymous = session_for(memory, "ANONYMOUS LOGON", false);
  static dcesrv_context_callbacks callbacks{};
  callbacks.auth.gensec_prepare = prepare;
  callbacks.auth.become_root = [] {};
  callbacks.auth.unbecome_root = [] {};
  callbacks.assoc_group.find = find_group;
  Server server{};
  server.events = tevent_context_init(memory);
  if (!NT_STATUS_IS_OK(dcesrv_init_context(memory, lp_ctx, &callbacks, &server.core))) return 1;
  static dcesrv_interface interfaces[] = {interface_of(wire::ndr::emsmdb::interface), interface_of(wire::ndr::epm::interface)};
  for (auto& one : interfaces)
    if (!NT_STATUS_IS_OK(dcesrv_interface_register(server.core, "ncacn_ip_tcp:[9]", nullptr, &one, nullptr))) return 1;
  server.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(server.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(server.listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(server.listener, 128) != 0) return perror("listen"), 1;
  tevent_add_fd(server.events, memory, server.listener, TEVENT_FD_READ, accept_one, &server);
  std::puts("ready");
  std::fflush(stdout);
  while (tevent_loop_once(server.events) == 0) {
  }
  return 0;
}

}  // namespace echo

// The load.

upstream::RpcServer server_at(const char* port, const char* user, std::string_view level) {
  upstream::RpcServer server;
  server.host = "127.0.0.1";
  server.ports.fill(static_cast<std::uint16_t>(std::atoi(port)));
  server.credentials = {user, Secret(password)};
  if (level == "none") server.auth = upstream::AuthType::none;
  server.level = level == "privacy" ? upstream::AuthLevel::privacy : upstream::AuthLevel::connect;
  return server;
}

struct Load {
  std::uint64_t calls = 0;
  std::string problem;
  Clock::time_point until;
};

struct NoOp {
  std::uint16_t opnum;
  Bytes stub;
};

io::Task<> call_on(upstream::RpcConnection* connection, NoOp what, Load* load) {
  while (load->problem.empty() && Clock::now() < load->until) {
    auto answer = co_await connection->call(0, what.opnum, what.stub, std::chrono::seconds(10));
    if (!answer) load->problem = answer.error().message;
    else if (answer->fault != 0) load->problem = upstream::fault_text(answer->fault);
    else ++load->calls;
  }
}

io::Task<Result<std::unique_ptr<upstream::RpcConnection>>> open_one(io::Runtime* runtime, upstream::RpcServer server) {
  if (server.auth != upstream::AuthType::none) {
    upstream::RpcDialer dialer(*runtime, std::move(server), std::make_shared<upstream::RpcPorts>());
    auto opened = co_await dialer.open(upstream::RpcService::mailbox, 0);
    co_return opened;
  }
  auto channel = co_await upstream::connect_rpc_tcp(server.host, server.ports[0], server.connect_limit);
  if (!channel) co_return channel.error();
  upstream::RpcConnectionOptions options;
  options.interfaces = {wire::ndr::epm::interface};
  auto opened = co_await upstream::RpcConnection::open(std::move(*channel), nullptr, std::move(options));
  co_return opened;
}

io::Task<> all_calls(io::Runtime* runtime, upstream::RpcServer server, unsigned outstanding, Duration length, Load* load) {
  NoOp what{wire::ndr::emsmdb::EcDummyRpc::opnum, {}};
  if (server.auth == upstream::AuthType::none) what = {wire::ndr::epm::ept_lookup_handle_free::opnum, Bytes(20)};
  auto connection = co_await open_one(runtime, std::move(server));
  if (!connection) {
    load->problem = connection.error().message;
    runtime->stop();
    co_return;
  }
  load->until = Clock::now() + length;
  for (unsigned i = 1; i < outstanding; ++i) {
    auto one = call_on(connection->get(), what, load);
    io::spawn(runtime->executor(), std::move(one));
  }
  co_await call_on(connection->get(), what, load);
  co_await io::sleep_for(std::chrono::milliseconds(200));  // the others end
  runtime->stop();
}

io::Task<> all_executes(io::Runtime* runtime, upstream::RpcServer server, std::string dn, Duration length, Load* load) {
  auto dialer = std::make_unique<upstream::RpcDialer>(*runtime, std::move(server), std::make_shared<upstream::RpcPorts>());
  upstream::DiscoveredMailbox mailbox;
  mailbox.legacy_dn = dn;
  upstream::MailboxClient client(upstream::make_rpc_mailbox_session(std::move(dialer)), mailbox);
  auto done = co_await client.log_on();
  load->until = Clock::now() + length;
  Arena arena;
  while (done && Clock::now() < load->until) {
    std::vector<wire::RopRequest> rops{wire::make_request<wire::RopGetReceiveFolder>(arena, 0, 0, {})};
    std::vector<std::uint32_t> handles{client.logon()};
    auto executed = co_await client.execute(std::move(rops), &handles);
    if (!executed) done = executed.error();
    else ++load->calls;
    arena = Arena();
  }
  if (!done) load->problem = done.error().message;
  runtime->stop();
}

io::Task<> all_held(io::Runtime* runtime, upstream::RpcServer server, unsigned count, Load* load) {
  std::vector<std::unique_ptr<upstream::RpcConnection>> held;
  while (held.size() < count) {
    auto connection = co_await open_one(runtime, server);
    if (!connection) {
      load->problem = connection.error().message;
      break;
    }
    held.push_back(std::move(*connection));
  }
  std::puts("ready");
  std::fflush(stdout);
  // Nothing else happens here meanwhile.
  (void)std::getchar();
  load->calls = held.size();
  runtime->stop();
}

int run(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  io::RuntimeOptions small;
  small.threads = 1;
  small.workers = 1;
  io::Runtime runtime(small);
  Load load;
  double seconds = 0;
  if (what == "calls" && argc == 7) {
    seconds = std::atof(argv[6]);
    io::spawn(runtime.executor(), all_calls(&runtime, server_at(argv[2], argv[3], argv[4]), static_cast<unsigned>(std::atoi(argv[5])),
                                            std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)), &load));
  } else if (what == "executes" && argc == 7) {
    seconds = std::atof(argv[5]);
    io::spawn(runtime.executor(), all_executes(&runtime, server_at(argv[2], argv[3], argv[4]), argv[6],
                                               std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)), &load));
  } else if (what == "hold" && argc == 6) {
    io::spawn(runtime.executor(), all_held(&runtime, server_at(argv[2], argv[3], argv[4]), static_cast<unsigned>(std::atoi(argv[5])), &load));
  } else {
    std::fputs("see the head of rpc_bench.cc\n", stderr);
    return 2;
  }
  runtime.run();
  if (!load.problem.empty()) return std::fprintf(stderr, "%s\n", load.problem.c_str()), 1;
  std::printf("{\"calls\": %llu, \"seconds\": %.3f}\n", static_cast<unsigned long long>(load.calls), seconds);
  return 0;
}

}  // namespace
}  // namespace mapigate

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "echo")
    return mapigate::echo::serve(static_cast<std::uint16_t>(std::atoi(argv[2])));
  return mapigate::run(argc, argv);
}
