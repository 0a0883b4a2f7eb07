// Finds a mailbox by its e-mail address, as Outlook does ([MS-OXDSCLI] 3.1.5).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/secret.h"
#include "upstream/http_identity.h"

namespace mapigate::upstream {

using io::Task;

struct DiscoveredMailbox {
  std::string display_name;
  std::string address;
  std::string legacy_dn;
  io::Url mail_store;     // MAPI/HTTP endpoints; no host: there is none
  io::Url address_book;
  bool mapi_http = false;
  std::string rpc_server;    // EXCH: the server of DCE/RPC over TCP, or its name behind the proxy; empty: none
  std::string rpc_proxy;     // EXPR: the host of DCE/RPC over HTTP, perhaps with a port; empty: none
  std::string rpc_proxy_auth;       // "Basic", "NTLM", "Negotiate"
  std::string rpc_proxy_principal;  // the name its certificate has to have: "msstd:mail.example.test"
  std::string source;     // the URL that answered
  std::string ews_url, oab_url;  // empty where the server announces none
  std::string server, server_dn, mdb_dn;
  std::vector<std::string> protocols;  // their types, in the order of the answer
  struct Shared {
    std::string display_name, address, legacy_dn, type;
  };
  std::vector<Shared> shared;  // AlternativeMailbox
  // The answer was to ask for another address, or somewhere else; then it holds nothing but this.
  std::string redirect_address, redirect_url;
};

// The URLs that are asked, in order: `server` alone when it is given ("https://host:port"), else
// https://DOMAIN and https://autodiscover.DOMAIN.
std::vector<std::string> autodiscover_urls(const std::string& address, const std::string& server);

// Where else a domain's Autodiscover may be: URLs, none, or why they must not be asked. Ways are tried one after the other, when
// none of the places before answers.
using MorePlaces = std::function<Task<Result<std::vector<std::string>>>(std::string domain)>;

// The last of Outlook's ways ([MS-OXDISCO] 3.1.5, row A1): where `url`, plain HTTP and asked without a password, leads to; nowhere
// when nobody answers there. Errc::unsupported: out of the domain. An answer without TLS may come from anybody, and the password
// goes to where it leads.
Task<Result<std::vector<std::string>>> places_by_http(std::shared_ptr<io::HttpClient> http, std::string url, std::string domain);

// Errc::denied: the credentials were refused; not_found: the server does not know the
// address; unavailable: nobody answered.
//
// So many redirections are followed (redirectAddr, redirectUrl, and those of HTTP), none of them twice and none to a URL without
// TLS: the credentials go to wherever one leads. Errc::unsupported: a
// document, which only who knows the password gets, had one more; unavailable: HTTP had.
Task<Result<DiscoveredMailbox>> discover(std::shared_ptr<HttpIdentity> identity, std::string address, std::string server,
                                         unsigned redirects = 0, std::vector<MorePlaces> more = {});

// What that server (not empty) says and no more: redirections are handed back, those of HTTP as a redirect_url without a source.
Task<Result<DiscoveredMailbox>> discover_once(std::shared_ptr<HttpIdentity> identity, std::string address, std::string server);

// Reads a response document; what discover() does with an HTTP 200 answer.
Result<DiscoveredMailbox> parse_autodiscover(View document);

}  // namespace mapigate::upstream
