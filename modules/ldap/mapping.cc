#include "mapping.h"

#include <algorithm>

#include "base/text.h"

namespace mapigate::ldap {

namespace {

using Pairs = std::vector<std::pair<const char*, const char*>>;

// RFC 2798 (inetOrgPerson), RFC 4519, and what mail servers commonly add.
const Pairs inetorgperson{
    {"id", "entryUUID"},
    {"name", "displayName,cn"},
    {"address", "mail"},
    {"aliases", "mailAlternateAddress,mailLocalAddress"},
    {"account", "uid"},
    {"given_name", "givenName"},
    {"surname", "sn"},
    {"initials", "initials"},
    {"title", "title"},
    {"company", "o"},
    {"department", "departmentNumber,ou"},
    {"office", "physicalDeliveryOfficeName,roomNumber"},
    {"assistant", ""},
    {"phone", "telephoneNumber"},
    {"home_phone", "homePhone"},
    {"mobile", "mobile"},
    {"pager", "pager"},
    {"fax", "facsimileTelephoneNumber"},
    {"street", "street"},
    {"city", "l"},
    {"state", "st"},
    {"postal_code", "postalCode"},
    {"country", "c"},
    {"home_page", "labeledURI"},
    {"comment", "description"},
    {"photo", "jpegPhoto,thumbnailPhoto"},
    {"certificates", "userCertificate"},
    {"manager", "manager"},
    {"members", "member,uniqueMember,memberUid"},
    {"owners", "owner"},
    {"hidden", ""},
};
const Pairs posix{{"name", "gecos,cn"}, {"given_name", ""}, {"surname", ""}};
const Pairs samba{{"name", "displayName,cn"}};

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t start = 0; start <= text.size();) {
    const auto end = std::min(text.find(',', start), text.size());
    if (const auto part = trim(text.substr(start, end - start)); !part.empty()) out.push_back(lower_ascii(part));
    start = end + 1;
  }
  return out;
}

// "userCertificate;binary" is the same attribute.
std::string_view without_options(std::string_view name) { return name.substr(0, name.find(';')); }

}  // namespace

Result<Mapping> Mapping::create(std::string_view preset, const std::vector<std::string>& overrides, const std::vector<std::string>& kinds,
                                std::string mail_domain) {
  Mapping made;
  made.mail_domain_ = std::move(mail_domain);
  const auto put = [&](const Pairs& pairs) {
    for (const auto& [ours, theirs] : pairs) made.sources_[ours] = split(theirs);
  };
  put(inetorgperson);
  if (preset == "posix") {
    put(posix);
    made.filter_ = "(|(objectClass=posixAccount)(objectClass=posixGroup))";
  } else if (preset == "samba") {
    put(samba);
    made.filter_ = "(|(objectClass=sambaSamAccount)(objectClass=sambaGroupMapping))";
  } else {
    made.filter_ = "(|(objectClass=inetOrgPerson)(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=room))";
  }
  for (const auto& attribute : directory::text_attributes()) made.sources_.try_emplace(std::string(attribute.name));
  for (const auto& override : overrides) {
    const auto at = override.find('=');
    const auto ours = std::string(trim(std::string_view(override).substr(0, at)));
    const auto known = made.sources_.find(ours);
    if (at == std::string::npos || known == made.sources_.end()) {
      std::vector<std::string> names;
      for (const auto& [name, theirs] : made.sources_) names.push_back(name);
      const auto near = nearest(ours, names);
      return error(Errc::malformed, "attributes: \"{}\" is not OURS=LDAP{}", override, near.empty() ? "" : "; did you mean " + near + "?");
    }
    known->second = split(std::string_view(override).substr(at + 1));
  }
  for (const auto& rule : kinds) {
    const auto at = rule.find('=');
    const auto kind = at == std::string::npos ? std::nullopt : directory::entry_kind(trim(std::string_view(rule).substr(at + 1)));
    if (!kind) return error(Errc::malformed, "kinds: \"{}\" is not OBJECTCLASS=KIND", rule);
    made.kinds_[lower_ascii(trim(std::string_view(rule).substr(0, at)))] = *kind;
  }
  return made;
}

std::vector<std::string> Mapping::attributes() const {
  std::vector<std::string> out{"objectclass", "entryuuid"};
  for (const auto& [ours, theirs] : sources_)
    for (const auto& name : theirs) out.push_back(name);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<std::string> Mapping::all(const Record& record, std::string_view name) const {
  const auto source = sources_.find(name);
  if (source == sources_.end()) return {};
  std::vector<std::string> out;
  for (const auto& attribute : source->second)
    for (const auto& [known, values] : record.values)
      if (without_options(known) == attribute) out.insert(out.end(), values.begin(), values.end());
  return out;
}

std::string Mapping::first(const Record& record, std::string_view name) const {
  for (auto& value : all(record, name))
    if (!trim(value).empty()) return value;
  return {};
}

directory::Entry Mapping::entry(const Record& record) const {
  directory::Entry out;
  out.known_as = record.dn;
  out.key = first(record, "id");
  if (out.key.empty()) out.key = record.dn;
  out.display_name = first(record, "name");
  out.account = first(record, "account");
  auto addresses = all(record, "address");
  if (addresses.empty() && !mail_domain_.empty() && !out.account.empty()) addresses.push_back(out.account + "@" + mail_domain_);
  if (!addresses.empty()) out.address = addresses.front();
  out.aliases.assign(addresses.empty() ? addresses.end() : addresses.begin() + 1, addresses.end());
  for (auto& alias : all(record, "aliases")) out.aliases.push_back(std::move(alias));
  if (const auto classes = record.values.find("objectclass"); classes != record.values.end())
    for (const auto& name : classes->second)
      if (const auto kind = kinds_.find(lower_ascii(name)); kind != kinds_.end()) out.kind = kind->second;
  for (const auto& attribute : directory::text_attributes())
    if (auto value = first(record, attribute.name); !value.empty()) out.texts.emplace_back(attribute.tag, std::move(value));
  out.manager = first(record, "manager");
  out.members = all(record, "members");
  out.owners = all(record, "owners");
  const auto hidden = lower_ascii(first(record, "hidden"));
  out.hidden = hidden == "true" || hidden == "1" || hidden == "yes";
  const auto photo = first(record, "photo");
  out.photo = to_bytes(as_view(photo));
  for (const auto& certificate : all(record, "certificates")) out.certificates.push_back(to_bytes(as_view(certificate)));
  return out;
}

}  // namespace mapigate::ldap
