#include <pugixml.hpp>

#include <sstream>

#include "base/log.h"
#include "base/text.h"
#include "mapi/legacy_dn.h"
#include "transport/gateway.h"

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
  const auto clock = to_iso8601(now());
  failure.append_attribute("Time") = clock.substr(11, 8).c_str();
  failure.append_attribute("Id") = std::to_string(std::hash<std::string>{}(server)).c_str();
  text(failure, "ErrorCode", std::to_string(code));
  text(failure, "Message", message);
  failure.append_child("DebugData");
  return to_xml(document);
}

std::string good_answer(const GatewayOptions& options, const chain::MailboxInfo& mailbox, bool mapi_http) {
  pugi::xml_document document;
  auto response = root_of(document, response_schema);
  auto user = response.append_child("User");
  text(user, "DisplayName", mailbox.display_name);
  text(user, "LegacyDN", mailbox.legacy_dn);
  text(user, "AutoDiscoverSMTPAddress", mailbox.address);
  text(user, "DeploymentId", "6d617069-6761-7465-8000-000000000001");
  auto account = response.append_child("Account");
  text(account, "AccountType", "email");
  text(account, "Action", "settings");
  text(account, "MicrosoftOnline", "False");

  auto exch = account.append_child("Protocol");
  text(exch, "Type", "EXCH");
  text(exch, "Server", options.server_name);
  text(exch, "ServerDN", mapi::server_dn(options.server_name));
  text(exch, "ServerVersion", "73C0834F");  // 15.0.847: 0x73C08000 | build, the form of [MS-OXDSCLI] 2.2.4.1.1.2.6.38
  text(exch, "MdbDN", mapi::mdb_dn(options.server_name));
  text(exch, "AuthPackage", "Basic");

  if (mapi_http) {
    auto protocol = account.append_child("Protocol");
    protocol.append_attribute("Type") = "mapiHttp";
    protocol.append_attribute("Version") = "1";
    const auto base = "https://" + options.server_name +
                      (options.external_port == 443 ? "" : ":" + std::to_string(options.external_port)) + "/mapi/";
    const auto place = [&](const char* name, const std::string& endpoint) {
      auto node = protocol.append_child(name);
      const auto url = base + endpoint + "/?MailboxId=" + percent_encode(mailbox.address);
      text(node, "InternalUrl", url);
      text(node, "ExternalUrl", url);
    };
    place("MailStore", "emsmdb");
    place("AddressBook", "nspi");
  }
  return to_xml(document);
}

}  // namespace

io::Task<> handle_autodiscover(Gateway& gateway, io::HttpExchange& exchange,
                               std::shared_ptr<const chain::Identity> identity) {
  io::HttpHeaders headers{{"Content-Type", "text/xml; charset=utf-8"}, {"Cache-Control", "private"}};
  const auto& options = gateway.options();
  std::string answer;
  const auto asked = exchange.method() == "POST" ? parse_request(exchange.body()) : std::nullopt;
  if (!asked || (asked->address.empty() && asked->legacy_dn.empty())) {
    answer = error_answer(600, "Invalid Request", options.server_name);
  } else if (!asked->schema.empty() && asked->schema != response_schema) {
    answer = error_answer(601, "Provider is not available", options.server_name);
  } else {
    const auto address = asked->address.empty() ? mapi::address_of_user_dn(asked->legacy_dn).value_or("") : asked->address;
    Result<chain::MailboxInfo> mailbox = error(Errc::not_found, "no such mailbox");
    // Rights on other people's mailboxes are not known here: each user sees the own one.
    if (address == identity->user) {
      const auto route = gateway.route(identity->user);
      if (route && route->locator != nullptr) {
        mailbox = co_await io::on(gateway.executor_of(identity->user), route->locator->locate(*identity));
      } else if (route) {
        mailbox = chain::MailboxInfo{identity->user, identity->user, mapi::user_dn(identity->user)};
      }
    }
    if (mailbox) {
      // Row A4. Without it the client does not know MAPI over HTTP.
      const bool mapi_http = !exchange.header("X-MapiHttpCapability").empty();
      answer = good_answer(options, *mailbox, mapi_http);
    } else if (mailbox.error().code == Errc::not_found) {
      answer = error_answer(500, "The e-mail address cannot be found.", options.server_name);
    } else {
      log::warning("autodiscover for {}: {}", identity->user, mailbox.error().message);
      answer = error_answer(603, "The mail server cannot be reached; try again later.", options.server_name);
    }
  }
  const auto sent = co_await exchange.respond(200, headers, answer);
  (void)sent;  // the client has gone; nothing is lost
}

}  // namespace mapigate::transport
