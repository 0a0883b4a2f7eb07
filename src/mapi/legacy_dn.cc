#include "mapi/legacy_dn.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace mapigate::mapi {

namespace {
constexpr std::string_view group = "/o=mapigate/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)";
constexpr std::string_view recipients = "/cn=Recipients/cn=";
}  // namespace

std::string user_dn(std::string_view address) {
  return std::string(group) + std::string(recipients) + lower_ascii(address);
}

std::optional<std::string> address_of_user_dn(std::string_view dn) {
  const auto prefix = lower_ascii(std::string(group) + std::string(recipients));
  const auto lower = lower_ascii(dn);
  if (!lower.starts_with(prefix) || lower.size() == prefix.size()) return {};
  return lower.substr(prefix.size());
}

std::string server_dn(std::string_view server_name) {
  return std::string(group) + "/cn=Configuration/cn=Servers/cn=" + std::string(server_name);
}

std::string mdb_dn(std::string_view server_name) { return server_dn(server_name) + "/cn=Microsoft Private MDB"; }

std::optional<std::string> server_of_dn(std::string_view dn) {
  const auto prefix = lower_ascii(server_dn(""));
  const auto lower = lower_ascii(dn);
  if (!lower.starts_with(prefix)) return {};
  auto name = lower.substr(prefix.size());
  name.resize(std::min(name.find('/'), name.size()));
  if (name.empty() || name.size() > 253 || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") != std::string::npos) return {};
  return name;
}

std::string address_template_dn(std::string_view address_type, std::uint32_t locale) {
  return fmt::format("{}/cn=Addressing/cn=Address-Templates/cn={:x}/cn={}", group, locale, address_type);
}

}  // namespace mapigate::mapi
