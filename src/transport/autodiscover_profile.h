// What Autodiscover knows of a mailbox, before it is written as POX or SOAP.
#pragma once

#include <optional>
#include <variant>

#include "transport/gateway.h"

namespace mapigate::transport {

struct AlternativeMailbox {
  std::string display_name, address, legacy_dn, owner;
};

struct Profile {
  std::string display_name, address, legacy_dn;
  std::string deployment_id;  // a GUID, the same for all users of this gateway
  bool mapi_http = false, exch = true, expr = false, web = false;
  std::string server, server_dn, mdb_dn;
  std::string rpc_http_auth;  // AuthPackage of EXPR
  std::string base_url;       // "https://mail.example.test:8443"
  std::string ews_url, oab_url;  // empty: not served
  std::vector<AlternativeMailbox> alternatives;

  std::string mapi_url(std::string_view endpoint) const;
};

// Ask for another address, or somewhere else.
struct Redirect {
  bool to_url = false;
  std::string target;
};

// What a client says of itself.
struct AskingClient {
  bool knows_mapi_http = false;  // row A4
};

using Answer = std::variant<Profile, Redirect>;

// The mailbox of `address` (or, where that is empty, of `legacy_dn`) as `identity` may see it. Errc::not_found: there is
// none, or none of this user's business, which looks the same; unavailable: cannot be said now.
io::Task<Result<Answer>> find_profile(Gateway& gateway, std::shared_ptr<const chain::Identity> identity, std::string address,
                                      std::string legacy_dn, AskingClient client);

// The server's version as the documents want it: 15.0.847, row L1.
inline constexpr unsigned server_major = 15, server_minor = 0, server_build = 847, server_revision = 32;
std::string external_base(const GatewayOptions& options);
// The identifier of the offline address book that this directory makes.
std::string oab_guid(std::string_view server_name, std::string_view directory);

}  // namespace mapigate::transport
