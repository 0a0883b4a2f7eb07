#include "mapping.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "client.h"
#include "mapi/properties.h"

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
    {"delegates", ""},
    {"full_access", ""},
    {"hidden", ""},
    {"capacity", ""},
    {"former_dns", ""},
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

// Active Directory with Exchange's attributes, and servers that imitate it.
const Pairs ad{
    {"id", "objectGUID"},
    {"account", "sAMAccountName"},
    {"aliases", "proxyAddresses"},
    {"former_dns", "legacyExchangeDN,proxyAddresses"},
    {"company", "company"},
    {"department", "department"},
    {"office", "physicalDeliveryOfficeName"},
    {"street", "streetAddress"},
    {"country", "co,c"},
    {"home_page", "wWWHomePage"},
    {"comment", "info,description"},
    {"photo", "thumbnailPhoto,jpegPhoto"},
    {"certificates", "userCertificate,userSMIMECertificate"},
    {"members", "member"},
    {"owners", "managedBy"},
    {"delegates", "publicDelegates"},
    {"full_access", "msExchDelegateListLink"},
    {"hidden", "msExchHideFromAddressLists"},
    {"capacity", "msExchResourceCapacity"},
    {"phonetic_name", "msDS-PhoneticDisplayName"},
    {"phonetic_given_name", "msDS-PhoneticFirstName"},
    {"phonetic_surname", "msDS-PhoneticLastName"},
    {"phonetic_company", "msDS-PhoneticCompanyName"},
    {"phonetic_department", "msDS-PhoneticDepartment"},
    {"extension1", "extensionAttribute1"},
    {"extension2", "extensionAttribute2"},
    {"extension3", "extensionAttribute3"},
    {"extension4", "extensionAttribute4"},
    {"extension5", "extensionAttribute5"},
    {"mail_tip", "msExchSenderHintTranslations"},
};
const Pairs ad_kinds{{"group", "group"},
                     {"contact", "contact"},
                     {"msExchRecipientTypeDetails:16", "room"},
                     {"msExchRecipientTypeDetails:32", "equipment"},
                     {"msExchResourceMetaData:ResourceType:Room", "room"},
                     {"msExchResourceMetaData:ResourceType:Equipment", "equipment"}};
// OBM's schema.
const Pairs obm{
    {"aliases", "mailAlias"},
    {"company", "o,company"},
    {"department", "service,ou"},
    {"office", "physicalDeliveryOfficeName,l"},
    {"hidden", "hiddenUser"},
    {"members", "member,memberUid,mailBox"},
};
const Pairs obm_kinds{{"obmGroup", "group"}, {"obmMailShare", "contact"}};

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7F; });
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
  } else if (preset == "ad") {
    put(ad);
    made.filter_ = "(&(mail=*)(|(objectClass=user)(objectClass=contact)(objectClass=group)))";
  } else if (preset == "obm") {
    put(obm);
    made.filter_ = "(|(objectClass=obmUser)(objectClass=obmGroup)(objectClass=obmMailShare)(objectClass=room))";
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
  for (const auto& [what, kind] : preset == "ad" ? ad_kinds : preset == "obm" ? obm_kinds : Pairs())
    made.kinds_.emplace_back(lower_ascii(what), *directory::entry_kind(kind));
  for (const auto& rule : kinds) {
    const auto at = rule.find('=');
    const auto kind = at == std::string::npos ? std::nullopt : directory::entry_kind(trim(std::string_view(rule).substr(at + 1)));
    if (!kind) return error(Errc::malformed, "kinds: \"{}\" is not OBJECTCLASS=KIND or ATTRIBUTE:VALUE=KIND", rule);
    made.kinds_.emplace_back(lower_ascii(trim(std::string_view(rule).substr(0, at))), *kind);
  }
  return made;
}

std::vector<std::string> Mapping::attributes() const {
  std::vector<std::string> out{"objectclass", "entryuuid"};
  for (const auto& [ours, theirs] : sources_)
    for (const auto& name : theirs) out.push_back(name);
  for (const auto& [what, kind] : kinds_)
    if (const auto colon = what.find(':'); colon != std::string::npos) out.push_back(what.substr(0, colon));
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

std::string Mapping::attribute_of(std::string_view ours) const {
  const auto source = sources_.find(ours);
  return source == sources_.end() || source->second.empty() ? std::string() : source->second.front();
}

directory::Entry Mapping::entry(const Record& record) const {
  directory::Entry out;
  out.known_as = canonical_dn(record.dn);
  out.key = first(record, "id");
  // Active Directory's identifier is bytes.
  if (!out.key.empty() && !printable(out.key)) out.key = to_hex(as_view(out.key));
  if (out.key.empty()) out.key = record.dn;
  out.display_name = first(record, "name");
  out.account = first(record, "account");
  auto addresses = all(record, "address");
  if (addresses.empty() && !mail_domain_.empty() && !out.account.empty()) addresses.push_back(out.account + "@" + mail_domain_);
  if (!addresses.empty()) out.address = addresses.front();
  out.aliases.assign(addresses.empty() ? addresses.end() : addresses.begin() + 1, addresses.end());
  // Exchange writes the kind of an address before it: "SMTP:" for the primary one, "X500:" for a name of old.
  for (auto& alias : all(record, "aliases")) {
    const auto colon = alias.find(':');
    const auto kind = lower_ascii(std::string_view(alias).substr(0, colon == std::string::npos ? 0 : colon));
    if (kind == "smtp") alias.erase(0, 5);
    else if (!kind.empty()) continue;
    if (!equal_ignoring_ascii_case(alias, out.address)) out.aliases.push_back(std::move(alias));
  }
  for (auto& dn : all(record, "former_dns")) {
    if (lower_ascii(std::string_view(dn).substr(0, 5)) == "x500:") dn.erase(0, 5);
    if (dn.starts_with('/')) out.former_dns.push_back(std::move(dn));
  }
  const auto capacity = first(record, "capacity");
  std::from_chars(capacity.data(), capacity.data() + capacity.size(), out.capacity);
  // The last rule that fits counts: those of the config come after those of the schema.
  for (const auto& [what, kind] : kinds_) {
    const auto colon = what.find(':');
    const auto values = record.values.find(colon == std::string::npos ? "objectclass" : std::string_view(what).substr(0, colon));
    if (values == record.values.end()) continue;
    const auto wanted = colon == std::string::npos ? std::string_view(what) : std::string_view(what).substr(colon + 1);
    for (const auto& value : values->second)
      if (equal_ignoring_ascii_case(value, wanted)) out.kind = kind;
  }
  for (const auto& attribute : directory::text_attributes())
    if (auto value = first(record, attribute.name); !value.empty()) out.texts.emplace_back(attribute.tag, std::move(value));
  // Active Directory has one for each language, as "de:…", and one for all others.
  constexpr std::string_view for_all = "default:";
  for (const auto& value : all(record, "mail_tip")) {
    if (!value.starts_with(for_all)) continue;
    for (auto& [tag, text] : out.texts)
      if (tag.id() == mapi::PidTagAddressBookSenderHintTranslations.id()) text = value.substr(for_all.size());
  }
  // By their DNs, which may be written another way than in the entries themselves.
  out.manager = canonical_dn(first(record, "manager"));
  for (const auto& [name, list] : {std::pair("members", &out.members), std::pair("owners", &out.owners), std::pair("delegates", &out.delegates),
                                   std::pair("full_access", &out.full_access)})
    for (auto& value : all(record, name)) list->push_back(canonical_dn(std::move(value)));
  const auto hidden = lower_ascii(first(record, "hidden"));
  out.hidden = hidden == "true" || hidden == "1" || hidden == "yes";
  const auto photo = first(record, "photo");
  out.photo = to_bytes(as_view(photo));
  for (const auto& certificate : all(record, "certificates")) out.certificates.push_back(to_bytes(as_view(certificate)));
  return out;
}

}  // namespace mapigate::ldap
