// The start and the end of the RPC server's thread.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <system_error>

#include "base/log.h"
#include "transport/gateway.h"
#include "transport/rpc/server_core.h"

namespace mapigate::transport {

namespace {

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

}  // namespace

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
  lpcfg_set_cmdline(settings, "workgroup", options.nt_domain.c_str());
  lpcfg_set_cmdline(settings, "log level", "0");
  if (!NT_STATUS_IS_OK(functions.gensec_init())) return error(Errc::internal, "Samba's gensec does not start");
  authentication = std::make_unique<RpcAuthentication>(gateway, functions, options, settings, inbox);
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
  serve(rpc::make_mailbox_service(gateway, inbox, options.protection), options.emsmdb_port, "Microsoft Exchange Information Store");
  serve(rpc::make_waiting_service(gateway, inbox), options.emsmdb_port, "Microsoft Exchange Asynchronous EMSMDB");
  serve(rpc::make_address_book_service(gateway, inbox), options.nspi_port, "Microsoft Exchange NSPI");
  serve(rpc::make_referral(gateway), options.rfr_port, "Microsoft Exchange RFR");
  if (options.epm_port != 0) {
    services.push_back(rpc::make_endpoint_mapper(endpoints));
    ports[options.epm_port].push_back(services.back().get());
  }
  if (!options.address.empty())
    for (auto& [port, served] : ports)
      if (auto listening = listen_on(port, served); !listening) return listening;
  if (auto served = serve_http(); !served) return served;
  auto* watch = tevent_add_fd(
      events, memory, inbox->descriptor(), TEVENT_FD_READ,
      [](tevent_context*, tevent_fd*, std::uint16_t, void* data) { static_cast<RpcCore*>(data)->inbox->run_all(); }, this);
  if (watch == nullptr) return error(Errc::internal, "no memory");
  schedule_sweep(*this);
  return {};
}

// Clients name the ports of [MS-OXCRPC] and [MS-OXABREF], whatever those over TCP are; Exchange answers for all
// interfaces at each.
Status RpcCore::serve_http() {
  std::vector<rpc::Service*> all;
  std::vector<rpc::Endpoint> endpoints;
  for (const auto& service : services)
    if (service->needs_logon()) {
      all.push_back(service.get());
      endpoints.push_back({service->interface(), 6001, "", wire::ndr::Floor::http});
    }
  for (const std::uint16_t port : {6001, 6002, 6004}) {
    const auto endpoint = serve_at(fmt::format("ncacn_http:[{}]", port), all);
    if (!endpoint) return endpoint.error();
    http_endpoints.emplace(port, *endpoint);
  }
  services.push_back(rpc::make_endpoint_mapper(endpoints));
  const auto mapper = serve_at("ncacn_http:[593]", {services.back().get()});
  if (!mapper) return mapper.error();
  http_endpoints.emplace(593, *mapper);
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
  while (!logons.empty()) logon_end(logons.begin()->first);
  while (!connections.empty()) forget(connections.front().get());
  talloc_free(memory);
  if (functions.debug_set_callback != nullptr) functions.debug_set_callback(nullptr, nullptr);
}

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

Result<int> RpcServer::connect(std::uint16_t port, RpcPeer peer) {
  const auto found = impl_->http_endpoints.find(port);
  if (found == impl_->http_endpoints.end()) return error(Errc::not_found, "nothing is served at port {}", port);
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
    return error(Errc::unavailable, "a pair of sockets: {}", std::generic_category().message(errno));
  RpcCore::Ends ends;
  auto& four = reinterpret_cast<sockaddr_in&>(ends.far);
  auto& six = reinterpret_cast<sockaddr_in6&>(ends.far);
  if (inet_pton(AF_INET6, peer.address.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6, ends.far_size = sizeof six;
  } else {
    four.sin_family = AF_INET, ends.far_size = sizeof four;
    inet_pton(AF_INET, peer.address.c_str(), &four.sin_addr);
  }
  auto& near = reinterpret_cast<sockaddr_in&>(ends.near);
  near.sin_family = AF_INET, ends.near_size = sizeof near;
  near.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ends.identity = std::move(peer.identity);
  // The far end has an owner even when the server stops meanwhile and drops what was posted.
  auto far = std::shared_ptr<int>(new int(pair[1]), [](int* descriptor) {
    if (*descriptor >= 0) ::close(*descriptor);
    delete descriptor;
  });
  impl_->inbox->post([core = impl_.get(), far, endpoint = found->second, ends = std::move(ends)] {
    if (auto adopted = core->adopt(std::exchange(*far, -1), endpoint, ends); !adopted) log::warning("DCE/RPC: {}", adopted.error().message);
  });
  return pair[0];
}

std::shared_ptr<LogonExchange> RpcServer::begin_logon(AuthScheme scheme, std::string peer) {
  return impl_->begin_logon(scheme, std::move(peer));
}

RpcServer::~RpcServer() { stop(); }

void RpcServer::stop() {
  if (impl_ == nullptr || !impl_->thread.joinable()) return;
  impl_->inbox->post([core = impl_.get()] { core->stopping = true; });
  impl_->thread.join();
}

}  // namespace mapigate::transport
