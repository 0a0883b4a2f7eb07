// What Outlook asks of the server itself: GetServiceConfiguration ([MS-OXWCONFIG]), GetMailTips ([MS-OXWSMTGS]), GetInboxRules
// ([MS-OXWSRULES]).
#include <algorithm>
#include <climits>

#include "base/log.h"
#include "base/text.h"
#include "mapi/properties.h"
#include "transport/ews/inbox_rules.h"
#include "transport/ews/operation.h"

namespace mapigate::transport::ews {

namespace {

using namespace wire::ews;
using directory::EntryKind;

constexpr int most_recipients = 50;
constexpr std::size_t most_domains = 500;
constexpr int large_audience = 25, largest_audience = 1000;
constexpr std::uint64_t usual_largest_message = 35 << 20;  // bytes, where nobody says
constexpr std::size_t asked_at_once = 8;
constexpr auto patience = std::chrono::seconds(5);

int largest_message(const Call& call) {
  const auto most = call.route.services ? call.route.services->max_submit_size() : 0;
  return static_cast<int>(std::min<std::uint64_t>(most == 0 ? usual_largest_message : most, INT_MAX));
}

std::string own_domain(const Call& call) {
  const auto at = call.user().rfind('@');
  return at == std::string::npos ? std::string() : call.user().substr(at + 1);
}

// Those of everybody in the address book; of too many only the own.
std::vector<std::string> internal_domains(const Call& call, const directory::Snapshot* book) {
  auto out = book && book->domains().size() <= most_domains ? book->domains() : std::vector<std::string>();
  const auto own = lower_ascii(own_domain(call));
  if (!own.empty() && std::find(out.begin(), out.end(), own) == out.end()) out.push_back(own);
  return out;
}

void write_domains(pugi::xml_node parent, const Call& call) {
  auto list = parent.append_child("t:InternalDomains");
  const auto book = call.address_book();
  for (const auto& name : internal_domains(call, book.get())) {
    auto domain = list.append_child("t:Domain");
    domain.append_attribute("Name") = clean(name).c_str();
    domain.append_attribute("IncludeSubdomains") = false;
  }
}

void write_configuration(pugi::xml_node message, std::string_view name, const Call& call) {
  write_response_message(message, "NoError");
  if (name == "MailTips") {
    auto node = message.append_child("m:MailTipsConfiguration");
    add(node, "t:MailTipsEnabled", true);
    add(node, "t:MaxRecipientsPerGetMailTipsRequest", most_recipients);
    add(node, "t:MaxMessageSize", largest_message(call));
    add(node, "t:LargeAudienceThreshold", large_audience);
    add(node, "t:ShowExternalRecipientCount", false);
    write_domains(node, call);
    add(node, "t:PolicyTipsEnabled", false);
    add(node, "t:LargeAudienceCap", largest_audience);
  } else if (name == "UnifiedMessagingConfiguration") {
    auto node = message.append_child("m:UnifiedMessagingConfiguration");
    add(node, "t:UmEnabled", false);
    add(node, "t:PlayOnPhoneDialString", "");
    add(node, "t:PlayOnPhoneEnabled", false);
  } else if (name == "ProtectionRules") {
    auto node = message.append_child("m:ProtectionRulesConfiguration");
    node.append_attribute("RefreshInterval") = 24;  // hours
    node.append_child("t:Rules");
    write_domains(node, call);
  } else {
    message.append_child("m:PolicyNudgeRulesConfiguration").append_child("t:PolicyNudgeRules");
  }
}

io::Task<Status> get_service_configuration(Call* call) {
  auto response = call->body.append_child("m:GetServiceConfigurationResponse");
  write_response_message(response, "NoError");
  auto list = response.append_child("m:ResponseMessages");
  std::size_t asked = 0;
  for (const auto& node : child(call->content(), "RequestedConfiguration").children()) {
    if (local_name(node) != "ConfigurationName" || ++asked > 16) continue;
    const auto name = trim(node.text().get());
    auto message = list.append_child("m:ServiceConfigurationResponseMessageType");
    constexpr std::string_view known[] = {"MailTips", "UnifiedMessagingConfiguration", "ProtectionRules", "PolicyNudges"};
    if (std::find(std::begin(known), std::end(known), name) != std::end(known)) write_configuration(message, name, *call);
    else write_response_message(message, "ErrorInvalidArgument", "There is no such configuration.");
  }
  if (asked == 0) co_return error(Errc::malformed, "RequestedConfiguration");
  co_return Status();
}

struct Recipient {
  std::string address;
  std::optional<directory::Index> known;
  // What is sent in reply to a message that is sent now; none where nothing is, or nobody can tell.
  std::optional<UserOofSettings> away;
  bool pending = false;
  bool outside = false;  // of the organization
};

io::Task<> look_whether_away(Call* call, mailbox::OutOfOfficeFactory* factory, Recipient* recipient) {
  auto identity = std::make_shared<chain::Identity>();
  identity->user = recipient->address;
  auto replies = factory->open(std::move(identity), call->gateway.executor_of(call->user()));
  auto task = replies->get();
  auto settings = co_await io::with_deadline(patience, std::move(task));
  if (settings && is_away(*settings, to_unix(now()))) recipient->away = std::move(*settings);
  if (!settings && settings.error().retryable()) recipient->pending = true;
}

io::Task<> nothing() { co_return; }

bool wants(std::string_view asked, std::string_view tip) {
  if (asked.empty()) return true;
  for (std::size_t at = 0; at < asked.size();) {
    const auto end = std::min(asked.find(' ', at), asked.size());
    const auto word = asked.substr(at, end - at);
    if (word == "All" || word == tip) return true;
    at = end + 1;
  }
  return false;
}

void write_tips(pugi::xml_node tips, const directory::Snapshot* book, const Recipient& recipient, std::string_view asked, int largest) {
  auto address = tips.append_child("t:RecipientAddress");
  const auto object = book && recipient.known ? std::optional(book->object(*recipient.known)) : std::nullopt;
  add(address, "t:Name", object ? object->entry.display_name : recipient.address);
  if (!recipient.address.empty()) add(address, "t:EmailAddress", recipient.address);
  add(address, "t:RoutingType", "SMTP");
  add(tips, "t:PendingMailTips", recipient.pending ? "OutOfOfficeMessage" : "");
  if (wants(asked, "OutOfOfficeMessage") && !recipient.pending) {
    auto away = tips.append_child("t:OutOfOffice");
    auto body = away.append_child("t:ReplyBody");
    add(body, "t:Message", recipient.away ? recipient.away->InternalReply.Message : std::string());
    if (recipient.away && recipient.away->State == OofState::Scheduled) {
      auto duration = away.append_child("t:Duration");
      add(duration, "t:StartTime", format_utc(recipient.away->StartTime));
      add(duration, "t:EndTime", format_utc(recipient.away->EndTime));
    }
  }
  if (wants(asked, "MailboxFullStatus")) add(tips, "t:MailboxFull", false);
  if (wants(asked, "CustomMailTip"))
    add(tips, "t:CustomMailTip", object ? std::string(object->text(mapi::PidTagAddressBookSenderHintTranslations)) : std::string());
  if (object && object->entry.kind == EntryKind::group) {
    const auto audience = book->audience(*recipient.known);
    if (wants(asked, "TotalMemberCount")) add(tips, "t:TotalMemberCount", static_cast<int>(audience.people));
    if (wants(asked, "ExternalMemberCount")) add(tips, "t:ExternalMemberCount", static_cast<int>(audience.outside));
  } else {
    if (wants(asked, "TotalMemberCount")) add(tips, "t:TotalMemberCount", 1);
    if (wants(asked, "ExternalMemberCount")) add(tips, "t:ExternalMemberCount", recipient.outside ? 1 : 0);
  }
  if (wants(asked, "MaxMessageSize")) add(tips, "t:MaxMessageSize", largest);
  if (wants(asked, "DeliveryRestriction")) add(tips, "t:DeliveryRestricted", false);
  if (wants(asked, "ModerationStatus")) add(tips, "t:IsModerated", false);
  if (wants(asked, "InvalidRecipient")) add(tips, "t:InvalidRecipient", recipient.address.find('@') == std::string::npos);
}

io::Task<Status> get_mail_tips(Call* call) {
  const auto book = call->address_book();
  const auto domains = internal_domains(*call, book.get());
  std::vector<Recipient> recipients;
  for (const auto& node : child(call->content(), "Recipients").children()) {
    if (local_name(node) != "Mailbox") continue;
    if (recipients.size() >= static_cast<std::size_t>(most_recipients)) co_return error(Errc::limit, "more than {} recipients", most_recipients);
    Recipient one;
    one.address = lower_ascii(text(node, "EmailAddress"));
    // Outlook names people of the address book by their distinguished name.
    if (book && text(node, "RoutingType") == "EX") one.known = book->find_dn(text(node, "EmailAddress"));
    else if (book) one.known = book->find_address(one.address);
    if (one.known && !book->object(*one.known).entry.address.empty()) one.address = book->object(*one.known).entry.address;
    // Who is in the address book is what it says; of others the domain tells.
    const auto domain = one.address.substr(std::min(one.address.rfind('@'), one.address.size() - 1) + 1);
    if (one.known) one.outside = book->kind(*one.known) == EntryKind::contact;
    else one.outside = !domain.empty() && std::find(domains.begin(), domains.end(), domain) == domains.end();
    recipients.push_back(std::move(one));
  }
  if (recipients.empty()) co_return error(Errc::malformed, "Recipients");
  const auto asked = text(call->content(), "MailTipsRequested");
  auto* factory = call->out_of_office();
  if (factory != nullptr && factory->reads_for_others() && wants(asked, "OutOfOfficeMessage")) {
    const std::function<io::Task<>(std::size_t)> one = [&](std::size_t i) {
      auto& recipient = recipients[i];
      const bool person = recipient.known && book->kind(*recipient.known) == EntryKind::person;
      return person ? look_whether_away(call, factory, &recipient) : nothing();
    };
    co_await for_each(recipients.size(), asked_at_once, one);
  }
  auto response = call->body.append_child("m:GetMailTipsResponse");
  write_response_message(response, "NoError");
  auto list = response.append_child("m:ResponseMessages");
  for (const auto& recipient : recipients) {
    auto message = list.append_child("m:MailTipsResponseMessageType");
    write_response_message(message, "NoError");
    write_tips(message.append_child("m:MailTips"), book.get(), recipient, asked, largest_message(*call));
  }
  co_return Status();
}

io::Task<Status> get_inbox_rules(Call* call) {
  auto response = call->body.append_child("m:GetInboxRulesResponse");
  if (!call->is_own(lower_ascii(text(call->content(), "MailboxSmtpAddress")))) {
    write_response_message(response, "ErrorAccessDenied", "These rules are somebody else's.");
    co_return Status();
  }
  mailbox::InboxRules known;
  if (auto* services = call->route.services) {
    auto asked = co_await services->inbox_rules(call->identity, call->gateway.executor_of(call->user()));
    if (!asked) {
      log::warning("rules of {}: {}", call->user(), asked.error().message);
      write_response_message(response, code_of(asked.error()), "The rules cannot be read now.");
      co_return Status();
    }
    known = std::move(*asked);
  }
  write_response_message(response, "NoError");
  add(response, "m:OutlookRuleBlobExists", known.outlook_keeps_its_own);
  auto list = response.append_child("m:InboxRules");
  const auto book = call->address_book();
  int priority = 0;
  for (const auto& rule : known.rules)
    if (is_users_rule(rule)) write_rule(list, rule, ++priority, *known.store, book.get());
  co_return Status();
}

constexpr Operation operations[] = {{"GetServiceConfiguration", get_service_configuration},
                                    {"GetMailTips", get_mail_tips},
                                    {"GetInboxRules", get_inbox_rules}};

}  // namespace

std::span<const Operation> service_operations() { return operations; }

}  // namespace mapigate::transport::ews
