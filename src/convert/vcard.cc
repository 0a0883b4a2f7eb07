#include "convert/vcard.h"

#include <algorithm>
#include <ctime>

#include "base/text.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

constexpr unsigned max_depth = 20;
using Names = std::map<std::uint16_t, PropertyName>;

// RFC 2426 4: what would end a value, a part of it or the line.
std::string escape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\r' || c == '\n') {
      if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
      out += "\\n";
    } else if (c == '\\' || c == ';' || c == ',') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) >= 0x20 || c == '\t') {
      out += c;
    }
  }
  return out;
}

class Card {
 public:
  Card(const PropertyBag& bag, const Names& names) : bag_(bag), names_(names) {}

  void put(std::string_view name, std::string_view text) {
    if (!text.empty()) line(std::string(name) + ":" + escape(text));
  }
  void put(std::string_view name, PropertyTag tag) { put(name, bag_.string(tag)); }
  void put(std::string_view name, const NamedProperty& property) { put(name, text(property)); }
  // Parts between semicolons, if any of them says something.
  void put_parts(std::string_view name, std::initializer_list<std::string> parts) {
    std::string value;
    bool any = false;
    for (const auto& part : parts) {
      if (&part != parts.begin()) value += ';';
      value += escape(part);
      any = any || !part.empty();
    }
    if (any) line(std::string(name) + ":" + value);
  }
  std::string text(PropertyTag tag) const { return bag_.string(tag); }
  std::string text(const NamedProperty& property) const {
    for (const auto& [id, name] : names_)
      if (name == PropertyName(property)) return bag_.string(PropertyTag(id, PropertyType::PtypString));
    return {};
  }
  void line(std::string_view content) {
    constexpr std::size_t width = 75;
    for (bool first = true; !content.empty(); first = false) {
      const auto piece = utf8_prefix(content, first ? width : width - 1);
      out_ += (first ? "" : " ") + std::string(piece) + "\r\n";
      content.remove_prefix(std::max<std::size_t>(piece.size(), 1));
    }
  }
  std::string finish() && { return std::move(out_); }

 private:
  const PropertyBag& bag_;
  const Names& names_;
  std::string out_;
};

void put_people(Card& card, const PropertyBag& bag) {
  auto shown = bag.string(PidTagDisplayName);
  if (shown.empty()) shown = bag.string(PidTagNormalizedSubject);
  if (shown.empty()) shown = bag.string(PidTagSubject);
  // Both must be there (RFC 2426 3.1.1 and 3.1.2).
  card.line("FN:" + escape(shown));
  const auto surname = bag.string(PidTagSurname), given = bag.string(PidTagGivenName);
  card.line("N:" + escape(surname.empty() && given.empty() ? shown : surname) + ";" + escape(given) + ";" + escape(bag.string(PidTagMiddleName)) + ";" +
            escape(bag.string(PidTagDisplayNamePrefix)) + ";" + escape(bag.string(PidTagGeneration)));
  card.put("NICKNAME", PidTagNickname);
  if (const auto born = bag.time(PidTagBirthday); born.ticks != 0) {
    const std::time_t seconds = to_unix(born);
    std::tm tm{};
    gmtime_r(&seconds, &tm);
    card.line(fmt::format("BDAY;VALUE=DATE:{:04}-{:02}-{:02}", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday));
  }
  card.put("TITLE", PidTagTitle);
  card.put("ROLE", PidTagProfession);
  card.put_parts("ORG", {bag.string(PidTagCompanyName), bag.string(PidTagDepartmentName)});
  card.put("X-MS-MANAGER", PidTagManagerName);
  card.put("X-MS-ASSISTANT", PidTagAssistant);
  card.put("X-MS-SPOUSE", PidTagSpouseName);
}

void put_addresses(Card& card) {
  card.put_parts("ADR;TYPE=WORK", {card.text(PidLidWorkAddressPostOfficeBox), "", card.text(PidLidWorkAddressStreet), card.text(PidLidWorkAddressCity),
                                   card.text(PidLidWorkAddressState), card.text(PidLidWorkAddressPostalCode), card.text(PidLidWorkAddressCountry)});
  card.put_parts("ADR;TYPE=HOME", {card.text(PidTagHomeAddressPostOfficeBox), "", card.text(PidTagHomeAddressStreet), card.text(PidTagHomeAddressCity),
                                   card.text(PidTagHomeAddressStateOrProvince), card.text(PidTagHomeAddressPostalCode), card.text(PidTagHomeAddressCountry)});
  card.put_parts("ADR;TYPE=POSTAL",
                 {card.text(PidTagOtherAddressPostOfficeBox), "", card.text(PidTagOtherAddressStreet), card.text(PidTagOtherAddressCity),
                  card.text(PidTagOtherAddressStateOrProvince), card.text(PidTagOtherAddressPostalCode), card.text(PidTagOtherAddressCountry)});
}

void put_ways_to_reach(Card& card) {
  const std::pair<std::string_view, PropertyTag> numbers[] = {
      {"TEL;TYPE=PREF", PidTagPrimaryTelephoneNumber},      {"TEL;TYPE=WORK", PidTagBusinessTelephoneNumber},
      {"TEL;TYPE=WORK", PidTagBusiness2TelephoneNumber},    {"TEL;TYPE=HOME", PidTagHomeTelephoneNumber},
      {"TEL;TYPE=HOME", PidTagHome2TelephoneNumber},        {"TEL;TYPE=CELL", PidTagMobileTelephoneNumber},
      {"TEL;TYPE=PAGER", PidTagPagerTelephoneNumber},       {"TEL;TYPE=CAR", PidTagCarTelephoneNumber},
      {"TEL;TYPE=ISDN", PidTagIsdnNumber},                  {"TEL;TYPE=FAX,WORK", PidTagBusinessFaxNumber},
      {"TEL;TYPE=FAX,HOME", PidTagHomeFaxNumber},           {"TEL;TYPE=VOICE", PidTagOtherTelephoneNumber},
      {"X-MS-TEL;TYPE=ASSISTANT", PidTagAssistantTelephoneNumber}, {"X-MS-TEL;TYPE=COMPANY", PidTagCompanyMainTelephoneNumber}};
  for (const auto& [name, tag] : numbers) card.put(name, tag);
  // Of the address book Outlook keeps a distinguished name here, which tells a stranger nothing.
  for (const auto* property : {&PidLidEmail1EmailAddress, &PidLidEmail2EmailAddress, &PidLidEmail3EmailAddress})
    if (const auto address = card.text(*property); address.find('@') != address.npos) card.put("EMAIL;TYPE=INTERNET", address);
  card.put("URL;TYPE=WORK", PidTagBusinessHomePage);
  card.put("URL;TYPE=HOME", PidTagPersonalHomePage);
  card.put("X-MS-IMADDRESS", PidLidInstantMessagingAddress);
}

bool holds_contact(const MessageData& message, unsigned depth) {
  return std::any_of(message.attachments.begin(), message.attachments.end(), [&](const auto& one) {
    return one.embedded && (is_contact(*one.embedded) || (depth < max_depth && holds_contact(*one.embedded, depth + 1)));
  });
}

}  // namespace

bool is_contact(const MessageData& message) {
  const auto name = lower_ascii(message.properties.string(PidTagMessageClass));
  return name == "ipm.contact" || name.starts_with("ipm.contact.");
}

bool has_contacts(const MessageData& message) { return holds_contact(message, 0); }

std::string write_vcard(const MessageData& contact, const Names& names) {
  const auto& bag = contact.properties;
  Card card(bag, names);
  card.line("BEGIN:VCARD");
  card.line("VERSION:3.0");
  put_people(card, bag);
  put_addresses(card);
  put_ways_to_reach(card);
  Arena arena;
  if (const auto note = body_of(bag, PidTagBody, arena)) card.put("NOTE", trim(text_of(*note)));
  const auto sensitivity = bag.number(PidTagSensitivity);
  card.put("CLASS", sensitivity == 0 ? "PUBLIC" : sensitivity == 3 ? "CONFIDENTIAL" : "PRIVATE");
  card.line("END:VCARD");
  return std::move(card).finish();
}

}  // namespace mapigate::convert
