#include "transport/autodiscover_profile.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "chain/loader.h"
#include "chain/web_services.h"
#include "directory/delegates.h"
#include "directory/source.h"
#include "mapi/ids.h"
#include "mapi/legacy_dn.h"

namespace mapigate::transport {

namespace {

// 128 bits of a text, for identifiers that have to stay the same over restarts.
std::string guid_of(std::string_view text) {
  std::uint64_t hash[2] = {14695981039346656037u, 1099511628211u};
  for (const char c : text) {
    hash[0] = (hash[0] ^ static_cast<unsigned char>(c)) * 1099511628211u;
    hash[1] = (hash[1] + hash[0]) * 6364136223846793005u;
  }
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", hash[0] >> 32, hash[0] >> 16 & 0xFFFF, hash[0] & 0xFFFF, hash[1] >> 48,
                     hash[1] & 0xFFFFFFFFFFFF);
}

const AddressRule* rule_for(const std::vector<AddressRule>& rules, std::string_view address) {
  for (const auto& rule : rules)
    if (chain::user_matches(rule.pattern, address)) return &rule;
  return nullptr;
}

std::optional<Redirect> redirect_of(const AutodiscoverOptions& options, const std::string& address) {
  const auto* rule = rule_for(options.redirects, address);
  if (!rule) return {};
  if (rule->value.starts_with("https://")) return Redirect{true, rule->value};
  const auto target = rule->value.starts_with('@') ? address.substr(0, address.find('@')) + rule->value : rule->value;
  if (equal_ignoring_ascii_case(target, address)) return {};  // would go round for ever
  return Redirect{false, target};
}

using directory::Snapshot;

std::vector<AlternativeMailbox> alternatives_of(const Snapshot& book, directory::Index user) {
  std::vector<AlternativeMailbox> out;
  for (const auto mailbox : directory::mailboxes_open_to(book, user)) {
    const auto entry = book.entry(mailbox);
    out.push_back({entry.display_name, entry.address, mapi::user_dn(entry.address), entry.address});
  }
  return out;
}

void choose_protocols(Profile& profile, const GatewayOptions& options, const AskingClient& client) {
  const auto& services = options.services;
  const auto* rule = rule_for(options.autodiscover.protocols, profile.address);
  const auto allowed = [&](std::string_view name) {
    if (!rule) return true;
    const auto list = "+" + lower_ascii(rule->value) + "+";
    return list.find("+" + lower_ascii(name) + "+") != std::string::npos;
  };
  profile.mapi_http = services.mapi_http && client.knows_mapi_http && allowed("mapiHttp");
  profile.expr = services.rpc_http && allowed("EXPR");
  profile.rpc_http_auth = services.rpc_http_auth;
  profile.exch = allowed("EXCH");
  profile.web = services.ews && allowed("WEB");
}

}  // namespace

Result<AddressRule> parse_address_rule(const std::string& text) {
  const auto at = text.find('=');
  AddressRule out;
  if (at != std::string::npos) {
    out.pattern = lower_ascii(trim(std::string_view(text).substr(0, at)));
    out.value = trim(std::string_view(text).substr(at + 1));
  }
  if (out.pattern.empty() || out.value.empty()) return error(Errc::malformed, "\"{}\" is not PATTERN=VALUE", text);
  return out;
}

std::string external_base(const GatewayOptions& options) {
  return "https://" + options.server_name + (options.external_port == 443 ? "" : ":" + std::to_string(options.external_port));
}

std::string oab_guid(std::string_view server_name, std::string_view directory) {
  return guid_of(fmt::format("oab {} {}", server_name, directory));
}

std::string Profile::mapi_url(std::string_view endpoint) const {
  return fmt::format("{}/mapi/{}/?MailboxId={}", base_url, endpoint, percent_encode(address));
}

io::Task<Result<Answer>> find_profile(Gateway& gateway, std::shared_ptr<const chain::Identity> identity, std::string address,
                                      std::string legacy_dn, AskingClient client) {
  const auto& options = gateway.options();
  address = lower_ascii(trim(address));
  if (address.starts_with("smtp:")) address.erase(0, 5);
  if (address.empty()) address = lower_ascii(mapi::address_of_user_dn(legacy_dn).value_or(""));
  if (auto redirect = redirect_of(options.autodiscover, address)) co_return Answer(std::move(*redirect));
  const auto route = gateway.route(identity->user);
  if (!route) co_return error(Errc::not_found, "no chain for {}", identity->user);
  const auto book = route->address_books ? route->address_books->address_book(identity->user) : nullptr;
  const auto self = book ? book->find_address(identity->user) : std::nullopt;
  auto found = book && !address.empty() ? book->find_address(address) : std::nullopt;
  if (!found && book && !legacy_dn.empty()) found = book->find_dn(legacy_dn);

  Profile out;
  if (address == identity->user || (found && self && *found == *self)) {
    Result<chain::MailboxInfo> info = chain::MailboxInfo{identity->user, identity->user, mapi::user_dn(identity->user)};
    if (route->locator != nullptr) info = co_await io::on(gateway.executor_of(identity->user), route->locator->locate(*identity));
    if (!info) co_return info.error();
    if (!info->redirect_url.empty()) co_return Answer(Redirect{true, info->redirect_url});
    if (equal_ignoring_ascii_case(info->redirect_address, address)) co_return error(Errc::unavailable, "{} is to be asked for in the place of itself", address);
    if (!info->redirect_address.empty()) co_return Answer(Redirect{false, info->redirect_address});
    out.display_name = info->display_name;
    out.address = info->address;
    out.legacy_dn = info->legacy_dn;
    if (self && options.autodiscover.shared_mailboxes) out.alternatives = alternatives_of(*book, *self);
  } else if (found && self && directory::may_act_for(*book, book->object(*found), *self)) {
    const auto entry = book->entry(*found);
    out.display_name = entry.display_name;
    out.address = entry.address;
    out.legacy_dn = mapi::user_dn(entry.address);
  } else {
    co_return error(Errc::not_found, "{} is no mailbox of {}", address, identity->user);
  }
  out.deployment_id = guid_of("deployment " + options.server_name);
  out.server = options.server_name;
  out.server_dn = mapi::server_dn(options.server_name);
  out.mdb_dn = mapi::mdb_dn(options.server_name);
  out.base_url = external_base(options);
  choose_protocols(out, options, client);
  const bool web = options.services.ews && (route->services != nullptr || route->address_books != nullptr);
  if (web) out.ews_url = out.base_url + "/EWS/Exchange.asmx";
  const auto directory = route->address_books ? route->address_books->directory_name() : std::string();
  if (options.services.oab && !directory.empty())
    out.oab_url = fmt::format("{}/OAB/{}/", out.base_url, oab_guid(options.server_name, directory));
  if (route->web && (out.ews_url.empty() || out.oab_url.empty())) {
    // What another server announces is announced here, where it is passed on to that server.
    auto places = co_await io::on(gateway.executor_of(identity->user), route->web->web_places(*identity));
    if (!places && places.error().retryable()) co_return places.error();
    if (!places) places = chain::WebPlaces();
    if (out.ews_url.empty() && options.services.ews && !places->ews.empty()) out.ews_url = out.base_url + places->ews;
    if (out.oab_url.empty() && !places->oab.empty()) out.oab_url = out.base_url + places->oab;
  }
  out.web = out.web && !out.ews_url.empty();
  co_return Answer(std::move(out));
}

}  // namespace mapigate::transport
