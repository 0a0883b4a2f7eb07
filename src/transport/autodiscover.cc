#include <pugixml.hpp>

#include <charconv>
#include <sstream>

#include "base/log.h"
#include "base/text.h"
#include "transport/autodiscover_profile.h"

// The plain-old-XML form of Autodiscover ([MS-OXDSCLI] 2.2.3 and 2.2.4). A logical
// error is HTTP 200 with an Error element (row A2); only what is served is announced
// (row A3).

namespace mapigate::transport {

namespace {

constexpr std::string_view response_schema = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
constexpr std::string_view error_schema = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
constexpr std::size_t request_limit = 64 * 1024;  // Outlook sends less than 1 KiB

struct AskedFor {
  std::string address;
  std::string legacy_dn;
  std::string schema;
};

std::optional<AskedFor> parse_request(View body) {
  pugi::xml_document document;
  // The default options resolve no external entities and know no DTD.
  if (body.size() > request_limit || !document.load_buffer(body.data(), body.size())) return {};
  const auto local = [](const pugi::xml_node& node) {
    const std::string_view name = node.name();
    const auto colon = name.find(':');
    return colon == std::string_view::npos ? name : name.substr(colon + 1);
  };
  const auto child = [&](const pugi::xml_node& parent, std::string_view name) {
    for (const auto& node : parent.children())
      if (equal_ignoring_ascii_case(local(node), name)) return node;
    return pugi::xml_node();
  };
  const auto request = child(child(document, "Autodiscover"), "Request");
  if (!request) return {};
  AskedFor out;
  out.address = lower_ascii(trim(child(request, "EMailAddress").text().get()));
  out.legacy_dn = trim(child(request, "LegacyDN").text().get());
  out.schema = trim(child(request, "AcceptableResponseSchema").text().get());
  return out;
}

std::string to_xml(const pugi::xml_document& document) {
  std::ostringstream out;
  document.save(out, "  ", pugi::format_default, pugi::encoding_utf8);
  return out.str();
}

pugi::xml_node root_of(pugi::xml_document& document, std::string_view schema) {
  auto declaration = document.append_child(pugi::node_declaration);
  declaration.append_attribute("version") = "1.0";
  declaration.append_attribute("encoding") = "utf-8";
  auto root = document.append_child("Autodiscover");
  root.append_attribute("xmlns") = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
  auto response = root.append_child("Response");
  if (schema != error_schema) response.append_attribute("xmlns") = std::string(schema).c_str();
  return response;
}

void text(pugi::xml_node parent, const char* name, const std::string& value) {
  parent.append_child(name).text() = value.c_str();
}

// 600 invalid request, 601 unknown schema, 500 unknown address, 603 cannot say now.
std::string error_answer(int code, const std::string& message, const std::string& server) {
  pugi::xml_document document;
  auto failure = root_of(document, error_schema).append_child("Error");
  const auto clock = now();
  failure.append_attribute("Time") =
      fmt::format("{}.{:07}", to_iso8601(FileTime{clock.ticks - clock.ticks % 10'000'000}).substr(11, 8), clock.ticks % 10'000'000).c_str();
  failure.append_attribute("Id") = static_cast<unsigned>(std::hash<std::string>{}(server));
  text(failure, "ErrorCode", std::to_string(code));
  text(failure, "Message", message);
  failure.append_child("DebugData");
  return to_xml(document);
}

// The services that have no protocol of their own: the same in all.
void web_services(pugi::xml_node protocol, const Profile& profile) {
  if (!profile.oab_url.empty()) text(protocol, "OABUrl", profile.oab_url);
  if (profile.ews_url.empty()) return;
  for (const char* name : {"ASUrl", "EwsUrl", "EmwsUrl", "OOFUrl"}) text(protocol, name, profile.ews_url);
}

void exch_protocol(pugi::xml_node account, const Profile& profile, const GatewayOptions& options) {
  auto protocol = account.append_child("Protocol");
  text(protocol, "Type", "EXCH");
  text(protocol, "Server", profile.server);
  text(protocol, "ServerDN", profile.server_dn);
  text(protocol, "ServerVersion", "73C0834F");  // 15.0.847: 0x73C08000 | build, the form of [MS-OXDSCLI] 2.2.4.1.1.2.6.38
  text(protocol, "MdbDN", profile.mdb_dn);
  text(protocol, "AuthPackage", options.services.rpc_http ? options.services.rpc_http_auth : "Basic");
  web_services(protocol, profile);
}

// RPC over HTTP: EXPR for Outlook up to 2010, EXHTTP for later ones.
void rpc_http_protocol(pugi::xml_node account, const char* type, const Profile& profile, const GatewayOptions& options) {
  auto protocol = account.append_child("Protocol");
  text(protocol, "Type", type);
  text(protocol, "Server", profile.server);
  text(protocol, "SSL", "On");
  text(protocol, "AuthPackage", options.services.rpc_http_auth);
  text(protocol, "CertPrincipalName", "msstd:" + profile.server);
  if (options.external_port != 443) text(protocol, "Port", std::to_string(options.external_port));
  text(protocol, "ServerExclusiveConnect", "On");
  web_services(protocol, profile);
}

void web_protocol(pugi::xml_node account, const Profile& profile) {
  auto protocol = account.append_child("Protocol");
  text(protocol, "Type", "WEB");
  for (const char* side : {"Internal", "External"}) {
    auto inner = protocol.append_child(side).append_child("Protocol");
    text(inner, "Type", side[0] == 'I' ? "EXCH" : "EXPR");
    text(inner, "ASUrl", profile.ews_url);
  }
}

void mapi_http_protocol(pugi::xml_node account, const Profile& profile) {
  auto protocol = account.append_child("Protocol");
  protocol.append_attribute("Type") = "mapiHttp";
  protocol.append_attribute("Version") = "1";
  const auto place = [&](const char* name, std::string_view endpoint) {
    auto node = protocol.append_child(name);
    text(node, "InternalUrl", profile.mapi_url(endpoint));
    text(node, "ExternalUrl", profile.mapi_url(endpoint));
  };
  place("MailStore", "emsmdb");
  place("AddressBook", "nspi");
}

std::string good_answer(const GatewayOptions& options, const Profile& profile) {
  pugi::xml_document document;
  auto response = root_of(document, response_schema);
  auto user = response.append_child("User");
  text(user, "DisplayName", profile.display_name);
  text(user, "LegacyDN", profile.legacy_dn);
  text(user, "AutoDiscoverSMTPAddress", profile.address);
  text(user, "DeploymentId", profile.deployment_id);

  auto account = response.append_child("Account");
  text(account, "AccountType", "email");
  text(account, "Action", "settings");
  text(account, "MicrosoftOnline", "False");
  if (profile.exch) exch_protocol(account, profile, options);
  if (profile.expr) {
    rpc_http_protocol(account, "EXPR", profile, options);
    rpc_http_protocol(account, "EXHTTP", profile, options);
  }
  if (profile.mapi_http) mapi_http_protocol(account, profile);
  if (profile.web) web_protocol(account, profile);
  for (const auto& other : profile.alternatives) {
    auto mailbox = account.append_child("AlternativeMailbox");
    text(mailbox, "Type", "Delegate");
    text(mailbox, "DisplayName", other.display_name);
    // By its address a client asks for the rest; LegacyDN and Server stand only where there is none ([MS-OXDSCLI] 2.2.4.1.1.2.5).
    text(mailbox, "SmtpAddress", other.address);
    text(mailbox, "OwnerSmtpAddress", other.owner);
  }
  return to_xml(document);
}

std::string redirect_answer(const Redirect& redirect) {
  pugi::xml_document document;
  auto account = root_of(document, response_schema).append_child("Account");
  text(account, "AccountType", "email");
  text(account, "Action", redirect.to_url ? "redirectUrl" : "redirectAddr");
  text(account, redirect.to_url ? "RedirectUrl" : "RedirectAddr", redirect.target);
  return to_xml(document);
}

}  // namespace

io::Task<> handle_autodiscover(Gateway& gateway, io::HttpExchange& exchange, std::shared_ptr<const chain::Identity> identity) {
  io::HttpHeaders headers{{"Content-Type", "text/xml; charset=utf-8"}, {"Cache-Control", "private"}};
  const auto& options = gateway.options();
  std::string answer;
  const auto asked = exchange.method() == "POST" ? parse_request(exchange.body()) : std::nullopt;
  if (!asked || (asked->address.empty() && asked->legacy_dn.empty())) {
    answer = error_answer(600, "Invalid Request", options.server_name);
  } else if (!asked->schema.empty() && asked->schema != response_schema) {
    answer = error_answer(601, "Provider is not available", options.server_name);
  } else {
    AskingClient client;
    const auto capability = trim(exchange.header("X-MapiHttpCapability"));
    // Only versions up to the client's may be announced ([MS-OXDSCLI] 2.2.4.1.1.2.6): ours is 1.
    unsigned version = 0;
    std::from_chars(capability.data(), capability.data() + capability.size(), version);
    client.knows_mapi_http = version >= 1;
    const auto found = co_await find_profile(gateway, identity, asked->address, asked->legacy_dn, client);
    if (found) {
      const auto* redirect = std::get_if<Redirect>(&*found);
      answer = redirect ? redirect_answer(*redirect) : good_answer(options, std::get<Profile>(*found));
    } else if (found.error().code == Errc::not_found) {
      answer = error_answer(500, "The e-mail address cannot be found.", options.server_name);
    } else {
      log::warning("autodiscover for {}: {}", identity->user, found.error().message);
      answer = error_answer(603, "The mail server cannot be reached; try again later.", options.server_name);
    }
  }
  const auto sent = co_await exchange.respond(200, headers, answer);
  (void)sent;  // the client has gone; nothing is lost
}

io::Task<> handle_autodiscover_redirect(const GatewayOptions& options, io::HttpExchange& exchange) {
  const bool known = equal_ignoring_ascii_case(exchange.path(), "/autodiscover/autodiscover.xml");
  io::HttpHeaders headers{{"Content-Type", "text/plain; charset=utf-8"}};
  if (known) headers.add("Location", external_base(options) + "/autodiscover/autodiscover.xml");
  const std::string body = known ? "Autodiscover is served with TLS.\n" : "Nothing is here.\n";
  const auto sent = co_await exchange.respond(known ? 302 : 404, headers, body);
  (void)sent;  // the client has gone
}

}  // namespace mapigate::transport
