#include "upstream/autodiscover.h"

#include <pugixml.hpp>

#include <algorithm>
#include <set>
#include <sstream>

#include "base/text.h"

namespace mapigate::upstream {

namespace {

constexpr const char* request_schema = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006";
constexpr const char* response_schema = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
constexpr const char* path = "/autodiscover/autodiscover.xml";

std::string request_for(const std::string& address) {
  pugi::xml_document document;
  auto root = document.append_child("Autodiscover");
  root.append_attribute("xmlns") = request_schema;
  auto request = root.append_child("Request");
  request.append_child("EMailAddress").text() = address.c_str();
  request.append_child("AcceptableResponseSchema").text() = response_schema;
  std::ostringstream out;
  document.save(out, "", pugi::format_raw, pugi::encoding_utf8);
  return out.str();
}

}  // namespace

std::vector<std::string> autodiscover_urls(const std::string& address, const std::string& server) {
  if (!server.empty()) {
    const bool has_path = server.find('/', server.find("://") + 3) != std::string::npos;
    return {has_path ? server : server + path};
  }
  const auto domain = address.substr(address.find('@') + 1);
  return {"https://" + domain + path, "https://autodiscover." + domain + path};
}

Result<DiscoveredMailbox> parse_autodiscover(View document_bytes) {
  pugi::xml_document document;
  if (!document.load_buffer(document_bytes.data(), document_bytes.size()))
    return error(Errc::malformed, "the autodiscover answer is no XML");
  const auto response = document.child("Autodiscover").child("Response");
  if (const auto failure = response.child("Error"))
    return error(Errc::not_found, "autodiscover error {}: {}", failure.child("ErrorCode").text().get(),
                 failure.child("Message").text().get());
  DiscoveredMailbox out;
  const auto user = response.child("User");
  out.display_name = user.child("DisplayName").text().get();
  out.address = user.child("AutoDiscoverSMTPAddress").text().get();
  out.legacy_dn = user.child("LegacyDN").text().get();
  const auto account = response.child("Account");
  const std::string_view action = account.child("Action").text().get();
  if (action == "redirectAddr") out.redirect_address = trim(account.child("RedirectAddr").text().get());
  if (action == "redirectUrl") out.redirect_url = trim(account.child("RedirectUrl").text().get());
  if (action == "redirectAddr" || action == "redirectUrl") {
    if (out.redirect_address.empty() && out.redirect_url.empty())
      return error(Errc::malformed, "the autodiscover answer redirects to nowhere");
    return out;
  }
  if (out.legacy_dn.empty()) return error(Errc::malformed, "the autodiscover answer has no LegacyDN");
  for (const auto& protocol : account.children("Protocol")) {
    const auto* type = protocol.attribute("Type").empty() ? protocol.child("Type").text().get() : protocol.attribute("Type").value();
    out.protocols.emplace_back(type);
    const std::string server = protocol.child("Server").text().get();
    if (out.protocols.back() == "EXCH" && out.rpc_server.empty()) out.rpc_server = server;
    if (out.protocols.back() == "EXPR" && out.rpc_proxy.empty()) {
      out.rpc_proxy = server;
      out.rpc_proxy_auth = protocol.child("AuthPackage").text().get();
      out.rpc_proxy_principal = protocol.child("CertPrincipalName").text().get();
    }
    const auto keep = [&](const char* name, std::string& to) {
      if (to.empty()) to = protocol.child(name).text().get();
    };
    keep("EwsUrl", out.ews_url);
    keep("OABUrl", out.oab_url);
    keep("Server", out.server);
    keep("ServerDN", out.server_dn);
    keep("MdbDN", out.mdb_dn);
  }
  for (const auto& one : account.children("AlternativeMailbox"))
    out.shared.push_back({one.child("DisplayName").text().get(), one.child("SmtpAddress").text().get(),
                          one.child("LegacyDN").text().get(), one.child("Type").text().get()});
  for (const auto& protocol : account.children("Protocol")) {
    if (std::string_view(protocol.attribute("Type").value()) != "mapiHttp") continue;
    const auto url = [&](const char* name) -> Result<io::Url> {
      const auto place = protocol.child(name);
      std::string text = place.child("ExternalUrl").text().get();
      if (text.empty()) text = place.child("InternalUrl").text().get();
      return io::parse_url(text);
    };
    auto store = url("MailStore");
    if (!store) return std::move(store.error()).within("autodiscover, MailStore");
    out.mail_store = std::move(*store);
    out.mapi_http = true;
    if (auto book = url("AddressBook")) out.address_book = std::move(*book);
    break;
  }
  return out;
}

namespace {

bool is_redirection(unsigned status) { return status == 301 || status == 302 || status == 307 || status == 308; }

// What one URL answers. A redirection of HTTP comes as redirect_url. Errc::denied ends the search, others go on with the next.
Task<Result<DiscoveredMailbox>> ask(std::shared_ptr<HttpIdentity> identity, std::string address, std::string text) {
  auto url = io::parse_url(text);
  if (!url) co_return std::move(url.error()).within(text);
  const auto body = request_for(address);
  io::HttpRequest request;
  request.method = "POST";
  request.url = std::move(*url);
  request.headers.add("Content-Type", "text/xml; charset=utf-8");
  request.headers.add("X-MapiHttpCapability", "1");
  request.headers.add("User-Agent", "mapigate");
  request.body = as_view(body);
  io::RequestOptions limits;
  limits.limit = std::chrono::seconds(30);
  limits.body_bytes = 1 << 20;
  auto response = co_await identity->request(std::move(request), limits);
  if (!response) {
    Error problem = response.error();
    if (problem.code == Errc::denied) problem.code = Errc::unavailable;  // its certificate, not our password
    co_return std::move(problem).within(text);
  }
  const auto status = response->status;
  if (is_redirection(status)) {
    DiscoveredMailbox out;
    out.redirect_url = response->header("Location");
    if (out.redirect_url.empty()) co_return error(Errc::unavailable, "{}: HTTP {} to nowhere", text, status);
    co_return out;
  }
  if (status == 401) co_return error(Errc::denied, "{}: the user name or password is wrong", text);
  if (status != 200) co_return error(status == 429 ? Errc::limit : Errc::unavailable, "{}: HTTP {}", text, status);
  auto found = parse_autodiscover(response->body);
  if (!found) co_return std::move(found.error()).within(text);
  found->source = text;
  if (found->address.empty()) found->address = address;
  co_return found;
}

bool is_final(const Result<DiscoveredMailbox>& outcome) {
  return outcome || outcome.error().code == Errc::denied || outcome.error().code == Errc::not_found;
}

}  // namespace

Task<Result<std::vector<std::string>>> places_by_http(std::shared_ptr<io::HttpClient> http, std::string url, std::string domain) {
  auto parsed = io::parse_url(url);
  if (!parsed) co_return parsed.error();
  io::HttpRequest request;
  request.url = std::move(*parsed);
  request.headers.add("User-Agent", "mapigate");
  io::RequestOptions limits;
  limits.limit = std::chrono::seconds(10);
  limits.body_bytes = 1 << 20;
  auto response = co_await http->request(std::move(request), limits);
  // What the other places answered says more than that nobody is here.
  if (!response || !is_redirection(response->status)) co_return std::vector<std::string>();
  const std::string location(response->header("Location"));
  const auto place = io::parse_url(location);
  if (!place || !place->tls) co_return error(Errc::unsupported, "{} leads to \"{}\", where a password would be seen by others", url, location);
  const auto host = lower_ascii(place->host), own = lower_ascii(domain);
  if (host != own && !host.ends_with("." + own))
    co_return error(Errc::unsupported, "{} leads to {}, which is another domain; if that is right, say --server {}", url, place->host, location);
  co_return std::vector<std::string>{location};
}

Task<Result<DiscoveredMailbox>> discover_once(std::shared_ptr<HttpIdentity> identity, std::string address, std::string server) {
  const auto places = autodiscover_urls(address, server);
  auto answer = co_await ask(std::move(identity), std::move(address), places.front());
  co_return answer;
}

Task<Result<DiscoveredMailbox>> discover(std::shared_ptr<HttpIdentity> identity, std::string address, std::string server,
                                         unsigned redirects, std::vector<MorePlaces> more) {
  std::set<std::pair<std::string, std::string>> asked;  // address and URL
  for (;;) {
    Result<DiscoveredMailbox> outcome = error(Errc::not_found, "\"{}\" is no e-mail address", address);
    std::string asking;
    auto places = autodiscover_urls(address, server);
    std::size_t ways = server.empty() ? 0 : more.size();  // that were gone
    for (std::size_t i = 0;; ++i) {
      while (i >= places.size() && ways < more.size()) {
        auto others = co_await more[ways++](address.substr(address.find('@') + 1));
        if (!others) co_return others.error();
        // They often lead to a place that was guessed already.
        for (auto& one : *others)
          if (std::find(places.begin(), places.end(), one) == places.end()) places.push_back(std::move(one));
      }
      if (i >= places.size()) break;
      const auto text = places[i];
      asking = text;
      if (!asked.emplace(lower_ascii(address), text).second) co_return error(Errc::unsupported, "autodiscover goes round in circles at {}", text);
      auto answer = co_await ask(identity, address, text);
      outcome = std::move(answer);
      if (is_final(outcome)) break;
    }
    if (!outcome || (outcome->redirect_address.empty() && outcome->redirect_url.empty())) co_return outcome;
    const auto& to = outcome->redirect_url.empty() ? outcome->redirect_address : outcome->redirect_url;
    // Who answers with a document has checked the password; a redirection of HTTP says nothing about it.
    const auto code = outcome->source.empty() ? Errc::unavailable : Errc::unsupported;
    if (redirects == 0) co_return error(code, "{}: autodiscover redirects to {}", asking, to);
    --redirects;
    if (!outcome->redirect_address.empty()) {
      address = outcome->redirect_address;
    } else {
      if (!lower_ascii(to).starts_with("https://"))
        co_return error(Errc::unsupported, "{}: autodiscover redirects to {}, where a password would be seen by others", asking, to);
      server = to;
    }
  }
}

}  // namespace mapigate::upstream
