#include "upstream/rpc_dialer.h"

#include "wire/ndr/asyncemsmdb_ndr.h"
#include "wire/ndr/emsmdb_ndr.h"
#include "wire/ndr/epm_ndr.h"
#include "wire/ndr/nspi_ndr.h"
#include "wire/ndr/rfr_ndr.h"
#include "wire/ndr/tower.h"

namespace mapigate::upstream {

namespace ndr = wire::ndr;

namespace {

struct ServiceNames {
  std::vector<ndr::Interface> interfaces;
  const char* principal;  // [MS-OXCRPC], [MS-OXNSPI] and [MS-OXABREF] 3.2.3: of the service's Kerberos name
};
ServiceNames names_of(RpcService service) {
  switch (service) {
    case RpcService::mailbox: return {{ndr::emsmdb::interface}, "exchangeMDB"};
    case RpcService::waiting: return {{ndr::asyncemsmdb::interface}, "exchangeMDB"};
    case RpcService::address_book: return {{ndr::nspi::interface}, "exchangeAB"};
    case RpcService::referral: return {{ndr::rfr::interface}, "exchangeRFR"};
  }
  return {};
}

std::size_t place_of(RpcService service) { return service == RpcService::waiting ? 0 : static_cast<std::size_t>(service); }

template <class Method>
Task<Result<Bytes>> ask(RpcDialer* dialer, const char* name, typename Method::In in, Duration limit) {
  Bytes stub;
  if (auto done = ndr::encode(name, in, stub); !done) co_return done.error();
  auto connection = co_await dialer->open(RpcService::referral, 0);
  if (!connection) co_return connection.error();
  auto answer = co_await (*connection)->call(0, Method::opnum, std::move(stub), limit);
  if (!answer) co_return answer.error();
  if (answer->fault != 0) co_return error(Errc::unavailable, "{}: {}", name, fault_text(answer->fault));
  co_return std::move(answer->stub);
}

}  // namespace

Task<Result<std::uint16_t>> map_rpc_port(std::string host, std::uint16_t epm_port, ndr::Interface interface, Duration limit) {
  namespace epm = ndr::epm;
  auto channel = co_await connect_rpc_tcp(host, epm_port, limit);
  if (!channel) co_return std::move(channel.error()).within("endpoint mapper");
  RpcConnectionOptions options;
  options.interfaces = {epm::interface};
  options.limit = limit;
  auto connection = co_await RpcConnection::open(std::move(*channel), nullptr, std::move(options));
  if (!connection) co_return std::move(connection.error()).within("endpoint mapper");
  ndr::Tower wanted;
  wanted.interface = {interface.uuid, interface.major, interface.minor};
  const auto octets = ndr::write_tower(wanted);
  const epm::twr_t tower{static_cast<std::uint32_t>(octets.size()), std::span(octets)};
  const mapi::Guid nothing;
  epm::ept_map::In in;
  in.obj = &nothing;
  in.map_tower = &tower;
  in.max_towers = 4;
  Bytes stub;
  if (auto done = ndr::encode("ept_map", in, stub); !done) co_return done.error();
  auto answer = co_await (*connection)->call(0, epm::ept_map::opnum, std::move(stub), limit);
  if (!answer) co_return std::move(answer.error()).within("endpoint mapper");
  if (answer->fault != 0) co_return error(Errc::unavailable, "endpoint mapper: {}", fault_text(answer->fault));
  Arena arena;
  epm::ept_map::Out out;
  if (auto done = ndr::decode("ept_map", answer->stub, false, arena, out); !done) co_return done.error();
  for (const auto* one : out.towers) {
    if (one == nullptr) continue;
    const auto read = ndr::read_tower(one->tower_octet_string.span());
    if (read && read->transport == ndr::Floor::tcp && read->port != 0) co_return read->port;
  }
  co_return error(Errc::not_found, "the endpoint mapper of {} does not know {} over TCP", host, interface.name);
}

RpcDialer::RpcDialer(io::Runtime& runtime, RpcServer server, std::shared_ptr<RpcPorts> ports)
    : runtime_(runtime), server_(std::move(server)), ports_(std::move(ports)) {}

std::uint16_t RpcDialer::proxy_port(RpcService service) const {
  constexpr std::array<std::uint16_t, 3> usual{6001, 6004, 6002};  // [MS-OXCRPC] 2.1, of the proxy
  const auto index = place_of(service);
  return server_.ports[index] == 0 ? usual[index] : server_.ports[index];
}

Task<Result<RpcDialer::Place>> RpcDialer::open_by(std::shared_ptr<chain::PinnedConnection> client, RpcService service, std::uint32_t group) {
  const auto rpc = server_.pins->rpc_of(client);
  if (rpc == nullptr) co_return error(Errc::denied, "the client came by a connection on which it did not log on at {}", server_.proxy->url.authority());
  const auto port = proxy_port(service);
  const auto key = fmt::format("{} {}", port, server_.credentials.user);
  // One connection is there for all that the client does by this one of its own.
  const auto interface = names_of(service).interfaces.front();
  RpcConnectionOptions options;
  options.interfaces.push_back(interface);
  options.group = group != 0 ? group : server_.pins->group_of(key);
  options.max_reply = server_.max_reply;
  options.limit = std::max(server_.connect_limit, Duration(std::chrono::seconds(10)));
  const auto limit = server_.connect_limit;
  auto opened = co_await rpc->connection(*server_.proxy, port, std::move(options), limit, &runtime_);
  if (!opened) co_return std::move(opened.error()).within(server_.proxy->url.authority());
  Place out{std::move(*opened), 0};
  if (group != 0 && out.connection->group() != group) co_return error(Errc::conflict, "the client's connection is in another association group");
  auto context = co_await out.connection->context_of(interface, server_.connect_limit);
  if (!context) co_return std::move(context.error()).within(server_.proxy->url.authority());
  out.context = *context;
  server_.pins->remember(key, out.connection);
  co_return out;
}

Task<Result<std::unique_ptr<RpcChannel>>> RpcDialer::channel_to(RpcService service) {
  const auto index = place_of(service);
  auto port = server_.ports[index];
  if (server_.proxy != nullptr) {
    auto over_http = co_await connect_rpc_http(*server_.proxy, server_.credentials, proxy_port(service), server_.connect_limit, runtime_);
    co_return over_http;
  }
  const bool mapped = port == 0;
  if (mapped) {
    port = ports_->of[index];
    if (port == 0) {
      auto found = co_await map_rpc_port(server_.host, server_.epm_port, names_of(service).interfaces.front(), server_.connect_limit);
      if (!found) co_return found.error();
      port = *found;
      ports_->of[index] = port;
    }
  }
  auto channel = co_await connect_rpc_tcp(server_.host, port, server_.connect_limit);
  if (!channel && mapped) ports_->of[index] = 0;  // after a restart it may be another
  co_return channel;
}

Task<Result<std::unique_ptr<RpcConnection>>> RpcDialer::open(RpcService service, std::uint32_t group) {
  auto names = names_of(service);
  auto channel = co_await channel_to(service);
  if (!channel) co_return channel.error();
  std::unique_ptr<SecurityContext> security;
  RpcConnectionOptions options;
  options.interfaces = std::move(names.interfaces);
  options.group = group;
  options.max_reply = server_.max_reply;
  options.limit = std::max(server_.connect_limit, Duration(std::chrono::seconds(10)));
  if (server_.auth != AuthType::none && server_.level != AuthLevel::none) {
    SecurityTarget target{names.principal, server_.principal_host.empty() ? server_.host : server_.principal_host, true, {}, server_.level == AuthLevel::privacy};
    auto made = make_security_context(server_.auth, server_.credentials, std::move(target), runtime_);
    if (!made) co_return made.error();
    security = std::move(*made);
    options.type = server_.auth;
    options.level = server_.level;
  }
  auto connection = co_await RpcConnection::open(std::move(*channel), std::move(security), std::move(options));
  if (!connection) co_return std::move(connection.error()).within(server_.host);
  co_return connection;
}

Task<Status> check_rpc_credentials(RpcDialer& dialer) {
  auto connection = co_await dialer.open(RpcService::mailbox, 0);
  if (!connection) co_return connection.error();
  // The last leg of NTLM is not answered: only a call tells whether the server liked it.
  using Method = ndr::emsmdb::EcDummyRpc;
  auto answer = co_await (*connection)->call(0, Method::opnum, {}, dialer.server().connect_limit);
  if (!answer) co_return answer.error();
  if (answer->fault == fault_access_denied) co_return error(Errc::denied, "{} refuses the credentials", dialer.server().host);
  if (answer->fault != 0 && answer->fault != 0x1c010002) co_return error(Errc::unavailable, "EcDummyRpc: {}", fault_text(answer->fault));
  co_return Status();
}

Task<Result<std::string>> refer_to_address_book(RpcDialer& dialer, std::string user_dn) {
  using Method = ndr::rfr::RfrGetNewDSA;
  Method::In in;
  in.pUserDN = user_dn;
  in.ppszUnused.emplace();
  in.ppszServer.emplace();
  auto stub = co_await ask<Method>(&dialer, "RfrGetNewDSA", in, dialer.server().connect_limit);
  if (!stub) co_return stub.error();
  Arena arena;
  Method::Out out;
  if (auto done = ndr::decode("RfrGetNewDSA", *stub, false, arena, out); !done) co_return done.error();
  if (out.result != 0 || !out.ppszServer || !*out.ppszServer || (*out.ppszServer)->empty())
    co_return error(Errc::not_found, "RfrGetNewDSA: no address book server for {} ({:#x})", user_dn, static_cast<std::uint32_t>(out.result));
  co_return std::string(**out.ppszServer);
}

}  // namespace mapigate::upstream
