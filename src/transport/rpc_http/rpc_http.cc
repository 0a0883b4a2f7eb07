#include "transport/rpc_http/rpc_http.h"

#include "base/log.h"
#include "base/text.h"
#include "transport/gateway.h"
#include "transport/rpc_http/virtual_connection.h"

namespace mapigate::transport {

namespace {
std::string key_of(const wire::rpc::rts::RtsCookie& cookie) { return {reinterpret_cast<const char*>(cookie.bytes.data()), cookie.bytes.size()}; }
}  // namespace

RpcHttp::RpcHttp(Gateway& gateway, RpcServer& server, RpcHttpOptions options)
    : server_(server),
      options_(options),
      count_(gateway.metrics().gauge("mapigate_rpc_http_connections", "Virtual connections of RPC over HTTP")),
      in_recycled_(gateway.metrics().counter("mapigate_rpc_http_recycled_total", "Channels that a successor replaced", "channel=\"in\"")),
      out_recycled_(gateway.metrics().counter("mapigate_rpc_http_recycled_total", "Channels that a successor replaced", "channel=\"out\"")) {}

RpcHttp::~RpcHttp() { end_all(); }

bool RpcHttp::is_channel(std::string_view method, std::string_view target) {
  return (method == "RPC_IN_DATA" || method == "RPC_OUT_DATA") && lower_ascii(target.substr(0, target.find('?'))) == "/rpc/rpcproxy.dll";
}

Result<std::shared_ptr<rpc_http::VirtualConnection>> RpcHttp::find(const wire::rpc::rts::RtsCookie& cookie, const RpcPeer& peer,
                                                                   std::uint16_t port, bool make) {
  const std::lock_guard lock(mutex_);
  auto& entry = connections_[key_of(cookie)];
  if (entry != nullptr) {
    if (entry->peer().identity->user != peer.identity->user || entry->port() != port)
      return error(Errc::denied, "the virtual connection belongs to another user or port");
    return entry;
  }
  if (!make || connections_.size() > options_.connections) {
    connections_.erase(key_of(cookie));
    if (!make) return error(Errc::not_found, "there is no such virtual connection");
    return error(Errc::limit, "{} virtual connections are open: the limit", options_.connections);
  }
  entry = std::make_shared<rpc_http::VirtualConnection>(*this, cookie, peer, port);
  if (peer.identity->pinned != nullptr) {
    peer.identity->pinned->lead([weak = std::weak_ptr(entry)] {
      const auto one = weak.lock();
      return one != nullptr && one->want_channel();
    });
  }
  count_.set(static_cast<std::int64_t>(connections_.size()));
  return entry;
}

void RpcHttp::forget(const wire::rpc::rts::RtsCookie& cookie) {
  const std::lock_guard lock(mutex_);
  connections_.erase(key_of(cookie));
  count_.set(static_cast<std::int64_t>(connections_.size()));
}

void RpcHttp::end_all() {
  std::vector<std::shared_ptr<rpc_http::VirtualConnection>> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, one] : connections_) all.push_back(one);
  }
  for (const auto& one : all) one->end("the gateway stops");
}

io::Task<> RpcHttp::sweep() {
  std::vector<std::shared_ptr<rpc_http::VirtualConnection>> late, pinned;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, one] : connections_) {
      if (one->peer().identity->pinned != nullptr) pinned.push_back(one);
      if (!one->established() && Clock::now() - one->since() > options_.setup_limit) late.push_back(one);
    }
  }
  for (const auto& one : late) one->end("the other channel did not come");
  // Its channels change their connections; so it is asked about here.
  for (const auto& one : pinned) {
    const bool alive = co_await one->peer().identity->pinned->is_alive();
    if (!alive) one->end("the upstream has closed the user's connection");
  }
}

}  // namespace mapigate::transport
