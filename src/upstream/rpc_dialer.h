// Where the services of an upstream are over DCE/RPC, and how to log on there.
#pragma once

#include <atomic>
#include <memory>

#include "upstream/pinned_http.h"
#include "upstream/rpc_connection.h"
#include "upstream/rpc_http_channel.h"
#include "upstream/session.h"

namespace mapigate::upstream {

// [MS-OXCRPC], [MS-OXNSPI], [MS-OXABREF]
enum class RpcService : std::uint8_t { mailbox, address_book, referral, waiting };  // waiting: AsyncEMSMDB, at the mailbox's port

struct RpcServer {
  std::string host;
  std::uint16_t epm_port = 135;
  std::array<std::uint16_t, 3> ports{};  // of mailbox, address book, referral; 0: the endpoint mapper is asked, over HTTP the usual ones
  AuthType auth = AuthType::ntlm;
  AuthLevel level = AuthLevel::privacy;
  Credentials credentials;
  std::string principal_host;            // of the service's Kerberos name; empty: host
  std::shared_ptr<const RpcProxy> proxy; // DCE/RPC over HTTP through it; null: over TCP
  std::shared_ptr<PinnedConnections> pins; // of the proxy: each call goes by where its client logged on; null: the credentials count
  Duration connect_limit = std::chrono::seconds(10);
  Duration call_limit = std::chrono::minutes(6);
  std::size_t max_reply = 4u << 20;
};

// What the endpoint mapper said, shared by the sessions at one server; from any thread.
struct RpcPorts {
  std::array<std::atomic<std::uint16_t>, 3> of{};
};

// The port of an interface over TCP, by ept_map. Errc::not_found when nobody registered it.
Task<Result<std::uint16_t>> map_rpc_port(std::string host, std::uint16_t epm_port, wire::ndr::Interface interface, Duration limit);

class RpcDialer {
 public:
  // The runtime has to outlive this.
  RpcDialer(io::Runtime& runtime, RpcServer server, std::shared_ptr<RpcPorts> ports);

  // A bound connection. `group` as in RpcConnectionOptions.
  Task<Result<std::unique_ptr<RpcConnection>>> open(RpcService service, std::uint32_t group);
  const RpcServer& server() const { return server_; }

  // Whether clients log on themselves: open() is then of no use, and each call has the connection of its client's to go by.
  bool passes_on() const { return server_.pins != nullptr; }
  struct Place {
    std::shared_ptr<RpcConnection> connection;
    std::uint16_t context = 0;  // of the service
  };
  // Errc::conflict: it is in another association group than `group` (0: that does not matter).
  Task<Result<Place>> open_by(std::shared_ptr<chain::PinnedConnection> client, RpcService service, std::uint32_t group);

 private:
  io::Runtime& runtime_;
  RpcServer server_;
  std::uint16_t proxy_port(RpcService service) const;
  Task<Result<std::unique_ptr<RpcChannel>>> channel_to(RpcService service);

  std::shared_ptr<RpcPorts> ports_;
};

std::unique_ptr<Session> make_rpc_mailbox_session(std::unique_ptr<RpcDialer> dialer);
std::unique_ptr<Session> make_rpc_address_book_session(std::unique_ptr<RpcDialer> dialer);

// Logs on and makes a call that does nothing. Errc::denied: the server does not believe us.
Task<Status> check_rpc_credentials(RpcDialer& dialer);

// [MS-OXABREF] 3.1.4.1: the address book server for a user.
Task<Result<std::string>> refer_to_address_book(RpcDialer& dialer, std::string user_dn);

}  // namespace mapigate::upstream
