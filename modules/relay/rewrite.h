// Puts the gateway's name where a reply names the upstream's servers. Clients that take a server's name out of the
// address book or a redirection would otherwise go there and around the gateway.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "chain/call.h"

namespace mapigate::relay {

// What is rewritten: PidTagAddressBookNetworkAddress and the server in PidTagAddressBookHomeMessageDatabase, in all
// answers of the address book; the URLs of GetMailboxUrl and GetAddressBookUrl; the server of a redirected RopLogon. In
// requests the server's DN becomes the upstream's again, as it was last seen. Usable from any thread.
class Rewriter {
 public:
  // The host name under which clients know us, and the URL (without path).
  Rewriter(std::string server_name, std::string external_url);

  void request(chain::Call& call);
  // The call has its reply. Bodies that cannot be read stay as they are.
  void reply(chain::Call& call);

  // "/…/cn=Servers/cn=NAME/…" with another name; none when it has no server or this one already.
  std::optional<std::string> with_own_server(std::string_view dn);
  std::optional<std::string> with_upstream_server(std::string_view dn) const;
  // "ncacn_ip_tcp:NAME" with our name.
  std::optional<std::string> with_own_address(std::string_view address) const;
  // Scheme, host and port replaced.
  std::optional<std::string> with_own_url(std::string_view url) const;

 private:
  template <class Body>
  bool rewrite_rows(chain::Call& call);
  bool rewrite_value(Arena& arena, std::uint16_t id, mapi::Value& value);
  void redirect(chain::Call& call);

  std::string server_name_, external_url_;
  mutable std::mutex mutex_;
  std::string upstream_server_;  // as the DN spells it
};

}  // namespace mapigate::relay
