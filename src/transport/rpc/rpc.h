// DCE/RPC over TCP ([MS-OXCRPC], [MS-RPCE]): Outlook 2007 to 2013 inside a network. Samba's server core runs in one
// thread of its own with a tevent loop; a call crosses to the executor of its user's sessions and comes back as bytes,
// and is there the same chain::Call as over MAPI/HTTP.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "chain/call.h"
#include "directory/nt_hashes.h"
#include "transport/http_logon.h"

namespace mapigate::transport {

class Gateway;

// What a client must at least ask for ([MS-RPCE] 2.2.1.1.8 "Authentication Levels").
enum class RpcProtection : std::uint8_t { none = 1, connect = 2, integrity = 5, privacy = 6 };

struct RpcOptions {
  std::string address;               // of all listeners: "127.0.0.1", "::"
  std::uint16_t epm_port = 135;      // endpoint mapper; 0: none
  std::uint16_t emsmdb_port = 6001;  // interfaces with the same port share a listener
  std::uint16_t nspi_port = 6004;
  std::uint16_t rfr_port = 6002;
  // Who can log on by NTLM. The first that knows a user counts; without any of the three it is nobody.
  std::string accounts;                     // file of NT hashes; empty: none
  directory::NtHashes* directory = nullptr; // outlives the server; null: none
  std::vector<std::string> ntlm_helper;     // program and arguments, see ntlm_helper.h; empty: none
  std::string nt_domain = "MAPIGATE";       // ours, and the one whose users the helper is asked about
  std::string keytab;                // of our service principals; empty: no Kerberos
  std::string realm;                 // whose users are those of the default domain
  RpcProtection protection = RpcProtection::connect;
  std::size_t connections = 10'000;
  std::size_t calls = 32;                   // in progress on one connection
  std::uint16_t fragment = 5840;            // bytes; clients may ask for less
  std::size_t request = 4u << 20;           // bytes of one request in all its fragments
  Duration idle = std::chrono::minutes(30);  // without a call
  Duration bind_limit = std::chrono::seconds(30);  // for a new connection to authenticate
};

// Who opens a connection that does not come over TCP.
struct RpcPeer {
  std::string address;  // of the client
  std::shared_ptr<const chain::Identity> identity;
};

class RpcServer {
 public:
  // Listens, where options.address says so, and starts the thread. Errc::unsupported: another version of Samba is installed.
  static Result<std::unique_ptr<RpcServer>> start(Gateway& gateway, RpcOptions options);
  ~RpcServer();  // stops
  // Ends all connections and the thread; calls in progress go on, and nobody hears their answers.
  void stop();

  // A connection to the interfaces at one of the ports 593, 6001, 6002 and 6004 of RPC over HTTP: the client's end of a
  // pair of sockets, the caller's to close. From any thread. Errc::not_found: nothing is served at that port.
  Result<int> connect(std::uint16_t port, RpcPeer peer);
  // A logon by NTLM or Negotiate at the HTTP level, for Gateway::log_on_by(). From any thread; what it gives must not
  // outlive the server.
  std::shared_ptr<LogonExchange> begin_logon(AuthScheme scheme, std::string peer);

 private:
  RpcServer();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mapigate::transport
