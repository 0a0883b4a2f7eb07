// The SOAP form of Autodiscover ([MS-OXWSADISC]): settings by name, for web-service clients and newer Outlooks.
#include <pugixml.hpp>

#include <functional>
#include <map>
#include <sstream>

#include "base/log.h"
#include "base/text.h"
#include "transport/autodiscover_profile.h"

namespace mapigate::transport {

namespace {

constexpr const char* soap_1_1 = "http://schemas.xmlsoap.org/soap/envelope/";
constexpr const char* soap_1_2 = "http://www.w3.org/2003/05/soap-envelope";
constexpr const char* addressing = "http://www.w3.org/2005/08/addressing";
constexpr const char* service = "http://schemas.microsoft.com/exchange/2010/Autodiscover";
constexpr std::size_t request_limit = 256 * 1024, max_users = 90, max_settings = 200;

std::string_view local(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  const auto colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}
pugi::xml_node child(const pugi::xml_node& parent, std::string_view name) {
  for (const auto& node : parent.children())
    if (local(node) == name) return node;
  return {};
}
void text(pugi::xml_node parent, const char* name, const std::string& value) { parent.append_child(name).text() = value.c_str(); }

// A setting has a value, or this gateway has none to give.
using Value = std::optional<std::string>;
Value unless_empty(const std::string& value) { return value.empty() ? Value() : Value(value); }

const std::map<std::string_view, std::function<Value(const Profile&)>>& user_settings() {
  const auto ews = [](const Profile& p) { return unless_empty(p.ews_url); };
  const auto oab = [](const Profile& p) { return unless_empty(p.oab_url); };
  const auto none = [](const Profile&) { return Value(); };
  const auto server = [](const Profile& p) { return Value(p.server); };
  static const std::map<std::string_view, std::function<Value(const Profile&)>> all{
      {"UserDisplayName", [](const Profile& p) { return Value(p.display_name); }},
      {"UserDN", [](const Profile& p) { return Value(p.legacy_dn); }},
      {"UserDeploymentId", [](const Profile& p) { return Value(p.deployment_id); }},
      {"AutoDiscoverSMTPAddress", [](const Profile& p) { return Value(p.address); }},
      {"InternalMailboxServer", server},
      {"InternalRpcClientServer", server},
      {"InternalMailboxServerDN", [](const Profile& p) { return Value(p.server_dn); }},
      {"MailboxDN", [](const Profile& p) { return Value(p.mdb_dn); }},
      {"ActiveDirectoryServer", server},
      {"ExternalMailboxServer", [](const Profile& p) { return p.expr ? Value(p.server) : Value(); }},
      {"ExternalMailboxServerRequiresSSL", [](const Profile& p) { return p.expr ? Value("True") : Value(); }},
      {"ExternalMailboxServerAuthenticationMethods", [](const Profile& p) { return p.expr ? Value(p.rpc_http_auth) : Value(); }},
      {"ExternalServerExclusiveConnect", [](const Profile& p) { return p.expr ? Value("On") : Value(); }},
      {"InternalRpcHttpServer", [](const Profile& p) { return p.expr ? Value(p.server) : Value(); }},
      {"InternalRpcHttpConnectivityRequiresSsl", [](const Profile& p) { return p.expr ? Value("True") : Value(); }},
      {"InternalRpcHttpAuthenticationMethod", [](const Profile& p) { return p.expr ? Value(p.rpc_http_auth) : Value(); }},
      {"CertPrincipalName", [](const Profile& p) { return p.expr ? Value("msstd:" + p.server) : Value(); }},
      {"InternalEwsUrl", ews},
      {"ExternalEwsUrl", ews},
      {"InternalEmwsUrl", ews},
      {"ExternalEmwsUrl", ews},
      {"InternalOABUrl", oab},
      {"ExternalOABUrl", oab},
      {"CasVersion", [](const Profile&) { return Value(fmt::format("{}.{:02}.{:04}.{:03}", server_major, server_minor, server_build, server_revision)); }},
      {"MailboxVersion", [](const Profile&) { return Value(fmt::format("{}.{:02}.{:04}.{:03}", server_major, server_minor, server_build, server_revision)); }},
      {"EwsSupportedSchemas", [](const Profile& p) {
         return p.ews_url.empty() ? Value() : Value("Exchange2007, Exchange2007_SP1, Exchange2010, Exchange2010_SP1, Exchange2010_SP2, Exchange2013, Exchange2013_SP1");
       }},
      {"ExternalEwsVersion", [](const Profile& p) {
         return p.ews_url.empty() ? Value() : Value(fmt::format("{}.{:02}.{:04}.{:03}", server_major, server_minor, server_build, server_revision));
       }},
      {"MapiHttpEnabled", [](const Profile& p) { return Value(p.mapi_http ? "True" : "False"); }},
      {"ShowGalAsDefaultView", [](const Profile&) { return Value("True"); }},
      {"CrossOrganizationSharingEnabled", [](const Profile&) { return Value("False"); }},
      {"UserMSOnline", [](const Profile&) { return Value("False"); }},
      // Of services that are not here.
      {"PublicFolderServer", none}, {"PublicFolderInformation", none}, {"InternalUMUrl", none}, {"ExternalUMUrl", none},
      {"InternalEcpUrl", none}, {"ExternalEcpUrl", none}, {"InternalEcpVoicemailUrl", none}, {"ExternalEcpVoicemailUrl", none},
      {"EcpVoicemailUrlFragment", none}, {"InternalEcpEmailSubscriptionsUrl", none}, {"ExternalEcpEmailSubscriptionsUrl", none},
      {"EcpEmailSubscriptionsUrlFragment", none}, {"InternalEcpTextMessagingUrl", none}, {"ExternalEcpTextMessagingUrl", none},
      {"EcpTextMessagingUrlFragment", none}, {"InternalEcpDeliveryReportUrl", none}, {"ExternalEcpDeliveryReportUrl", none},
      {"EcpDeliveryReportUrlFragment", none}, {"InternalEcpRetentionPolicyTagsUrl", none}, {"ExternalEcpRetentionPolicyTagsUrl", none},
      {"EcpRetentionPolicyTagsUrlFragment", none}, {"InternalEcpPublishingUrl", none}, {"ExternalEcpPublishingUrl", none},
      {"EcpPublishingUrlFragment", none}, {"InternalEcpPhotoUrl", none}, {"ExternalEcpPhotoUrl", none}, {"EcpPhotoUrlFragment", none},
      {"InternalEcpConnectUrl", none}, {"ExternalEcpConnectUrl", none}, {"EcpConnectUrlFragment", none}, {"InternalEcpTeamMailboxUrl", none},
      {"ExternalEcpTeamMailboxUrl", none}, {"EcpTeamMailboxUrlFragment", none}, {"InternalEcpTeamMailboxCreatingUrl", none},
      {"ExternalEcpTeamMailboxCreatingUrl", none}, {"EcpTeamMailboxCreatingUrlFragment", none}, {"InternalPop3Connections", none},
      {"ExternalPop3Connections", none}, {"InternalImap4Connections", none}, {"ExternalImap4Connections", none},
      {"InternalSmtpConnections", none}, {"ExternalSmtpConnections", none}, {"InternalWebClientUrls", none}, {"ExternalWebClientUrls", none},
      {"InternalServerExclusiveConnect", none}, {"ExternalServerExclusiveConnect", none}, {"MobileMailboxPolicy", none},
      {"DocumentSharingLocations", none}, {"InternalPhotosUrl", none}, {"ExternalPhotosUrl", none}, {"GroupingInformation", none},
      {"InternalEcpTeamMailboxEditingUrl", none}, {"ExternalEcpTeamMailboxEditingUrl", none}, {"EcpTeamMailboxEditingUrlFragment", none},
      {"InternalEcpTeamMailboxHidingUrl", none}, {"ExternalEcpTeamMailboxHidingUrl", none}, {"EcpTeamMailboxHidingUrlFragment", none},
      {"InternalEcpExtensionInstallationUrl", none}, {"ExternalEcpExtensionInstallationUrl", none},
      {"EcpExtensionInstallationUrlFragment", none}, {"InternalMailboxServerAuthenticationMethods", none}, {"SPMySiteHostURL", none},
      {"SiteMailboxCreationURL", none}, {"ExchangeRpcUrl", none}, {"InteropExternalEwsUrl", none}, {"InteropExternalEwsVersion", none},
      {"RedirectUrl", none}, {"EwsPartnerUrl", none},
      {"MobileMailboxPolicyInterval", none}, {"AutoDiscoverAlternateMailboxes", none}, {"MailboxForestName", none},
  };
  return all;
}

// The envelope of an answer; returns its Body.
pugi::xml_node envelope(pugi::xml_document& document, const char* soap, const std::string& action) {
  auto declaration = document.append_child(pugi::node_declaration);
  declaration.append_attribute("version") = "1.0";
  declaration.append_attribute("encoding") = "utf-8";
  auto root = document.append_child("s:Envelope");
  root.append_attribute("xmlns:s") = soap;
  root.append_attribute("xmlns:a") = addressing;
  auto header = root.append_child("s:Header");
  auto said = header.append_child("a:Action");
  said.append_attribute("s:mustUnderstand") = "1";
  said.text() = action.c_str();
  auto version = header.append_child("h:ServerVersionInfo");
  version.append_attribute("xmlns:h") = service;
  version.append_attribute("xmlns:i") = "http://www.w3.org/2001/XMLSchema-instance";
  text(version, "h:MajorVersion", std::to_string(server_major));
  text(version, "h:MinorVersion", std::to_string(server_minor));
  text(version, "h:MajorBuildNumber", std::to_string(server_build));
  text(version, "h:MinorBuildNumber", std::to_string(server_revision));
  text(version, "h:Version", "Exchange2013_SP1");
  return root.append_child("s:Body");
}

std::string fault(const char* soap, const char* code, const std::string& reason) {
  pugi::xml_document document;
  auto body = envelope(document, soap, std::string(addressing) + "/soap/fault");
  auto node = body.append_child("s:Fault");
  if (std::string_view(soap) == soap_1_2) {
    auto outer = node.append_child("s:Code");
    text(outer, "s:Value", "s:Sender");
    text(outer.append_child("s:Subcode"), "s:Value", code);
    auto said = node.append_child("s:Reason").append_child("s:Text");
    said.append_attribute("xml:lang") = "en-US";
    said.text() = reason.c_str();
  } else {
    text(node, "faultcode", code);
    auto said = node.append_child("faultstring");
    said.append_attribute("xml:lang") = "en-US";
    said.text() = reason.c_str();
  }
  std::ostringstream out;
  document.save(out, "", pugi::format_raw, pugi::encoding_utf8);
  return out.str();
}

void outcome(pugi::xml_node parent, const char* code, const std::string& message) {
  text(parent, "ErrorCode", code);
  text(parent, "ErrorMessage", message);
}

void setting_error(pugi::xml_node errors, const char* kind, const char* code, const std::string& name) {
  auto one = errors.append_child(kind);
  outcome(one, code, std::string_view(code) == "InvalidSetting" ? "Setting '" + name + "' does not exist."
                                                                : "Setting '" + name + "' is not available.");
  text(one, "SettingName", name);
}

void write_settings(pugi::xml_node response, const Profile& profile, const std::vector<std::string>& names) {
  auto errors = response.append_child("UserSettingErrors");
  auto settings = response.append_child("UserSettings");
  for (const auto& name : names) {
    if (name == "AlternateMailboxes") {
      auto setting = settings.append_child("UserSetting");
      setting.append_attribute("i:type") = "AlternateMailboxCollectionSetting";
      text(setting, "Name", name);
      auto list = setting.append_child("AlternateMailboxes");
      for (const auto& other : profile.alternatives) {
        auto mailbox = list.append_child("AlternateMailbox");
        text(mailbox, "Type", "Delegate");
        text(mailbox, "DisplayName", other.display_name);
        text(mailbox, "LegacyDN", other.legacy_dn);
        text(mailbox, "Server", profile.server);
        text(mailbox, "SmtpAddress", other.address);
        text(mailbox, "OwnerSmtpAddress", other.owner);
      }
      continue;
    }
    const auto known = user_settings().find(name);
    if (known == user_settings().end()) {
      setting_error(errors, "UserSettingError", "InvalidSetting", name);
    } else if (const auto value = known->second(profile)) {
      auto setting = settings.append_child("UserSetting");
      setting.append_attribute("i:type") = "StringSetting";
      text(setting, "Name", name);
      text(setting, "Value", *value);
    } else {
      setting_error(errors, "UserSettingError", "SettingIsNotAvailable", name);
    }
  }
}

pugi::xml_node response_of(pugi::xml_node body, const std::string& operation) {
  auto message = body.append_child((operation + "ResponseMessage").c_str());
  message.append_attribute("xmlns") = service;
  auto response = message.append_child("Response");
  response.append_attribute("xmlns:i") = "http://www.w3.org/2001/XMLSchema-instance";
  return response;
}

std::vector<std::string> texts_of(const pugi::xml_node& list, std::size_t limit) {
  std::vector<std::string> out;
  for (const auto& node : list.children())
    if (node.type() == pugi::node_element && out.size() < limit) out.emplace_back(trim(node.text().get()));
  return out;
}

void write_domain(pugi::xml_node parent, const std::string& domain, const std::vector<std::string>& names, const GatewayOptions& options,
                  const std::string& own_domain) {
  auto one = parent.append_child("DomainResponse");
  if (!equal_ignoring_ascii_case(domain, own_domain)) {
    outcome(one, "InvalidDomain", "The domain is not served here.");
    one.append_child("DomainSettingErrors");
    one.append_child("DomainSettings");
    return;
  }
  outcome(one, "NoError", "");
  auto errors = one.append_child("DomainSettingErrors");
  auto settings = one.append_child("DomainSettings");
  for (const auto& name : names) {
    Value value;
    if (name == "ExternalEwsUrl" && options.services.ews) value = external_base(options) + "/EWS/Exchange.asmx";
    if (name == "ExternalEwsVersion" && options.services.ews)
      value = fmt::format("{}.{:02}.{:04}.{:03}", server_major, server_minor, server_build, server_revision);
    if (value) {
      auto setting = settings.append_child("DomainSetting");
      setting.append_attribute("i:type") = "DomainStringSetting";
      text(setting, "Name", name);
      text(setting, "Value", *value);
    } else {
      setting_error(errors, "DomainSettingError", name == "ExternalEwsUrl" || name == "ExternalEwsVersion" ? "SettingIsNotAvailable" : "InvalidSetting", name);
    }
  }
}

// The operation that a body asks for: its element without the ending that all have.
std::string operation_of(const pugi::xml_node& message) {
  const auto name = local(message);
  constexpr std::string_view ending = "RequestMessage";
  return name.ends_with(ending) ? std::string(name.substr(0, name.size() - ending.size())) : std::string();
}

io::Task<> answer_users(Gateway* gateway, std::shared_ptr<const chain::Identity> identity, pugi::xml_node request, pugi::xml_node response,
                        AskingClient client) {
  std::vector<std::string> users;
  for (const auto& user : child(request, "Users").children())
    if (local(user) == "User" && users.size() <= max_users) users.emplace_back(trim(child(user, "Mailbox").text().get()));
  const auto names = texts_of(child(request, "RequestedSettings"), max_settings);
  if (users.empty() || users.size() > max_users || names.empty()) {
    outcome(response, "InvalidRequest", users.size() > max_users ? "Too many users." : "The request names no user or no setting.");
    response.append_child("UserResponses");
    co_return;
  }
  outcome(response, "NoError", "");
  auto list = response.append_child("UserResponses");
  for (const auto& user : users) {
    auto one = list.append_child("UserResponse");
    const auto found = co_await find_profile(*gateway, identity, user, "", client);
    const auto* redirect = found ? std::get_if<Redirect>(&*found) : nullptr;
    if (redirect) outcome(one, redirect->to_url ? "RedirectUrl" : "RedirectAddress", "Ask there.");
    else if (found) outcome(one, "NoError", "No error.");
    else if (found.error().code == Errc::not_found) outcome(one, "InvalidUser", "Invalid user: '" + user + "'");
    else outcome(one, "ServerBusy", "The mail server cannot be reached; try again later.");
    auto target = one.append_child("RedirectTarget");
    if (redirect) target.text() = redirect->target.c_str();
    else target.append_attribute("i:nil") = "true";
    if (found && !redirect) {
      write_settings(one, std::get<Profile>(*found), names);
    } else {
      one.append_child("UserSettingErrors");
      one.append_child("UserSettings");
    }
  }
}

}  // namespace

io::Task<> handle_autodiscover_soap(Gateway& gateway, io::HttpExchange& exchange, std::shared_ptr<const chain::Identity> identity) {
  pugi::xml_document asked;
  const auto body = exchange.body();
  const bool parsed = exchange.method() == "POST" && body.size() <= request_limit && asked.load_buffer(body.data(), body.size());
  const auto root = child(asked, "Envelope");
  const char* soap = soap_1_1;
  for (const auto& attribute : root.attributes())
    if (std::string_view(attribute.value()) == soap_1_2) soap = soap_1_2;
  pugi::xml_node message;
  for (const auto& node : child(root, "Body").children())
    if (!message && node.type() == pugi::node_element) message = node;
  const auto operation = operation_of(message);
  const auto request = child(message, "Request");

  unsigned status = 200;
  std::string answer;
  if (!parsed || !message) {
    status = 500;
    answer = fault(soap, "s:Client", "The request is no SOAP message.");
  } else if (operation != "GetUserSettings" && operation != "GetDomainSettings" && operation != "GetFederationInformation" &&
             operation != "GetOrganizationRelationshipSettings") {
    status = 500;
    answer = fault(soap, "a:ActionNotSupported", "The operation " + std::string(local(message)) + " is not known here.");
  } else {
    pugi::xml_document document;
    auto response = response_of(envelope(document, soap, fmt::format("{}/Autodiscover/{}Response", service, operation)), operation);
    if (operation == "GetUserSettings") {
      AskingClient client;
      client.knows_mapi_http = true;  // whoever asks for settings by name says nothing of it
      co_await answer_users(&gateway, identity, request, response, client);
    } else if (operation == "GetDomainSettings") {
      outcome(response, "NoError", "");
      auto list = response.append_child("DomainResponses");
      const auto names = texts_of(child(request, "RequestedSettings"), max_settings);
      const auto own = identity->user.substr(identity->user.find('@') + 1);
      for (const auto& domain : texts_of(child(request, "Domains"), max_users)) write_domain(list, domain, names, gateway.options(), own);
    } else {
      outcome(response, "NotFederated", "This organization is not federated.");
    }
    std::ostringstream out;
    document.save(out, "", pugi::format_raw, pugi::encoding_utf8);
    answer = out.str();
  }
  const io::HttpHeaders headers{{"Content-Type", soap == soap_1_2 ? "application/soap+xml; charset=utf-8" : "text/xml; charset=utf-8"},
                                {"Cache-Control", "private"}};
  const auto sent = co_await exchange.respond(status, headers, answer);
  (void)sent;  // the client has gone; nothing is lost
}

}  // namespace mapigate::transport
