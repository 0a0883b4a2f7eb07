// What clients are told about where everything is: Autodiscover as POX ([MS-OXDSCLI]), SOAP ([MS-OXWSADISC]) and JSON.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "chain/call.h"
#include "io/http_server.h"

namespace mapigate::transport {

class Gateway;
struct GatewayOptions;

// What this gateway serves. Autodiscover announces nothing else (row A3): whoever adds a service sets its flag.
struct Services {
  bool mapi_http = true;
  bool rpc_http = false;  // /rpc/rpcproxy.dll
  bool ews = false;       // /EWS/Exchange.asmx
  bool oab = false;       // /OAB/
  std::string rpc_http_auth = "Basic";  // AuthPackage of RPC over HTTP: Basic, Ntlm or Negotiate
};

// "PATTERN=VALUE" of the config; the first pattern that fits an address counts.
struct AddressRule {
  std::string pattern;  // with * for any number of characters
  std::string value;
};

Result<AddressRule> parse_address_rule(const std::string& text);

struct AutodiscoverOptions {
  // Where Autodiscover for other addresses is: an https URL, or an address or "@domain" to ask for instead.
  std::vector<AddressRule> redirects;
  // Which kinds of protocol these users are told, with + between them; users without rule are told all.
  std::vector<AddressRule> protocols;
  // Whether users are told of mailboxes to which they have full access, so that their Outlook opens them by itself.
  bool shared_mailboxes = true;
};

// /autodiscover/autodiscover.xml
io::Task<> handle_autodiscover(Gateway& gateway, io::HttpExchange& exchange, std::shared_ptr<const chain::Identity> identity);
// /autodiscover/autodiscover.svc
io::Task<> handle_autodiscover_soap(Gateway& gateway, io::HttpExchange& exchange, std::shared_ptr<const chain::Identity> identity);
// /autodiscover/autodiscover.json, which only says where the others are. Without password.
io::Task<> handle_autodiscover_json(Gateway& gateway, io::HttpExchange& exchange);
// Plain HTTP: sends whoever asks to the HTTPS listener, the last of the ways in which Outlook looks (row A1).
io::Task<> handle_autodiscover_redirect(const GatewayOptions& options, io::HttpExchange& exchange);

}  // namespace mapigate::transport
