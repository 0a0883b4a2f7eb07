// The header of messages that are written, and what of a message it carries.
#include <openssl/rand.h>

#include <algorithm>
#include <ctime>

#include "base/text.h"
#include "convert/charset.h"
#include "convert/mime_writer_parts.h"
#include "mapi/entry_id.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

constexpr std::size_t line_width = 76, encoded_bytes = 45;

// What add_header_properties() and MimeMessage read back.
constexpr PropertyTag carried[] = {
    PidTagSubject, PidTagNormalizedSubject, PidTagSubjectPrefix, PidTagBody, PidTagHtml, PidTagRtfCompressed,
    PidTagNativeBody, PidTagRtfInSync, PidTagInternetCodepage, PidTagImportance, PidTagPriority, PidTagSensitivity,
    PidTagSenderName, PidTagSenderAddressType, PidTagSenderEmailAddress, PidTagSenderEntryId, PidTagSenderSearchKey,
    PidTagSenderSmtpAddress, PidTagSentRepresentingName, PidTagSentRepresentingAddressType,
    PidTagSentRepresentingEmailAddress, PidTagSentRepresentingEntryId, PidTagSentRepresentingSearchKey,
    PidTagSentRepresentingSmtpAddress, PidTagClientSubmitTime, PidTagMessageDeliveryTime, PidTagReplyRecipientEntries,
    PidTagReplyRecipientNames, PidTagReadReceiptRequested, PidTagNonReceiptNotificationRequested,
    PidTagReadReceiptName, PidTagReadReceiptAddressType, PidTagReadReceiptEmailAddress, PidTagReadReceiptEntryId,
    PidTagReadReceiptSearchKey, PidTagReadReceiptSmtpAddress, PidTagInternetMessageId, PidTagInternetReferences,
    PidTagInReplyToId, PidTagConversationIndex, PidTagConversationTopic, PidTagConversationId,
    PidTagConversationIndexTracking, PidTagTransportMessageHeaders, PidTagDisplayTo, PidTagDisplayCc, PidTagDisplayBcc};

constexpr PropertyTag rewriting[] = {
    PidTagSubject, PidTagNormalizedSubject, PidTagSubjectPrefix, PidTagBody, PidTagHtml, PidTagRtfCompressed,
    PidTagImportance, PidTagSensitivity, PidTagReplyRecipientEntries, PidTagSentRepresentingName,
    PidTagSentRepresentingEmailAddress, PidTagSentRepresentingEntryId, PidTagSentRepresentingAddressType};

template <std::size_t N>
bool holds(const PropertyTag (&list)[N], PropertyTag tag) {
  return std::any_of(std::begin(list), std::end(list), [&](auto one) { return one.id() == tag.id(); });
}

std::string random_hex(std::size_t bytes) {
  Bytes random(bytes);
  (void)RAND_bytes(random.data(), static_cast<int>(random.size()));
  return to_hex(random);
}

bool plain(std::string_view text) {
  return text.find("=?") == text.npos &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

// Folded where there is a space, as RFC 5322 2.2.3 wishes.
std::string fold_line(std::string_view text, std::size_t used) {
  std::string out;
  std::size_t column = used;
  for (std::size_t at = 0; at < text.size();) {
    const auto space = text.find(' ', at + 1);
    const auto end = std::min(space, text.size());
    if (column + (end - at) > line_width && text[at] == ' ' && text[std::min(at + 1, text.size() - 1)] != ' ') {
      out += "\r\n";
      column = 0;
    }
    out += text.substr(at, end - at);
    column += end - at;
    at = end;
  }
  return out;
}

bool is_atom_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-/=?^_`{|}~ ").find(c) != std::string_view::npos;
}

constexpr PersonTags sender_tags{PidTagSenderName, PidTagSenderAddressType, PidTagSenderEmailAddress, PidTagSenderEntryId,
                                 PidTagSenderSmtpAddress};
constexpr PersonTags representing_tags{PidTagSentRepresentingName, PidTagSentRepresentingAddressType,
                                       PidTagSentRepresentingEmailAddress, PidTagSentRepresentingEntryId,
                                       PidTagSentRepresentingSmtpAddress};

constexpr PersonTags receipt_tags{PidTagReadReceiptName, PidTagReadReceiptAddressType, PidTagReadReceiptEmailAddress,
                                  PidTagReadReceiptEntryId, PidTagReadReceiptSmtpAddress};

void put_field(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out += fmt::format("{}: {}\r\n", name, fold_line(value, name.size() + 2));
}

void put_addresses(std::string& out, std::string_view name, const std::vector<Address>& addresses) {
  if (addresses.empty()) return;
  out += fmt::format("{}: ", name);
  std::size_t used = name.size() + 2;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const auto one = encode_address(addresses[i], 1);
    if (i > 0) {
      out += used + one.size() > line_width ? ",\r\n " : ", ";
      if (used + one.size() > line_width) used = 1;
    }
    out += one;
    used += one.size() + 2;
  }
  out += "\r\n";
}

std::vector<Address> recipients_of(const MessageData& message, std::int32_t type) {
  std::vector<Address> out;
  for (const auto* recipient : addressees(message))
    if ((recipient->type & 0x0F) == type) out.push_back(recipient_address(recipient->properties));
  return out;
}

std::vector<Address> reply_to(const PropertyBag& bag) {
  std::vector<Address> out;
  auto ids = parse_flat_entry_list(bag.binary(PidTagReplyRecipientEntries));
  if (!ids) return out;
  // Those of the address book are told by their name alone, which stands in PidTagReplyRecipientNames in the same place.
  std::vector<std::string> names;
  const auto all = bag.string(PidTagReplyRecipientNames);
  for (std::size_t at = 0; at <= all.size();) {
    const auto end = std::min(all.find(';', at), all.size());
    names.emplace_back(trim(std::string_view(all).substr(at, end - at)));
    at = end + 1;
  }
  for (std::size_t i = 0; i < ids->size(); ++i) {
    const auto& id = (*ids)[i];
    if (auto one = parse_one_off_entry_id(id)) {
      out.push_back({one->DisplayName, one->EmailAddress});
    } else if (auto ours = address_of_entry_id(id); !ours.empty()) {
      auto name = names.size() == ids->size() ? names[i] : std::string();
      if (name == ours) name.clear();
      out.push_back({std::move(name), std::move(ours)});
    }
  }
  return out;
}

void put_importance(std::string& out, const PropertyBag& bag) {
  const auto* importance = bag.find(PidTagImportance);
  const auto level = importance == nullptr ? 1 : number_of(*importance);
  if (level == 2) out += "Importance: high\r\nX-Priority: 1\r\n";
  if (level == 0) out += "Importance: low\r\nX-Priority: 5\r\n";
  // Readers take the one for the other where it stands alone.
  const auto priority = bag.number(PidTagPriority);
  if (level == 1 && priority == 1) out += "Importance: normal\r\nPriority: urgent\r\n";
  if (level == 1 && priority == -1) out += "Importance: normal\r\nPriority: non-urgent\r\n";
  constexpr const char* sensitivities[] = {"", "Personal", "Private", "Company-Confidential"};
  const auto sensitivity = bag.number(PidTagSensitivity);
  if (sensitivity > 0 && sensitivity < 4) put_field(out, "Sensitivity", sensitivities[sensitivity]);
}

bool is_field_name(std::string_view name) {
  return !name.empty() && name.size() < 200 &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7F && c != ':'; });
}

// [MS-OXCMAIL] 2.1.3.2.20.
std::string auto_response_words(std::int64_t bits) {
  if (bits == 0) return "None";
  if (bits == -1) return "All";
  constexpr std::string_view words[] = {"DR", "NDR", "RN", "NRN", "OOF", "AutoReply"};
  std::string out;
  for (std::size_t i = 0; i < std::size(words); ++i) {
    if ((bits >> i & 1) == 0) continue;
    if (!out.empty()) out += ", ";
    out += words[i];
  }
  return out;
}

// [MS-OXCMAIL] 2.1.3.1.4 and 2.1.3.1.5: who asked for receipts gets them, else the sender.
void put_receipt_requests(std::string& out, const PropertyBag& bag, const Address& by) {
  auto to = person(bag, receipt_tags);
  if (to.address.empty()) to = by;
  if (bag.number(PidTagOriginatorDeliveryReportRequested) != 0) put_addresses(out, "Return-Receipt-To", {to});
  if (bag.number(PidTagReadReceiptRequested) != 0) put_addresses(out, "Disposition-Notification-To", {to});
}

// What readers are to do with the message, and until when ([MS-OXCMAIL] 2.1.3.2.25 and what follows).
void put_wishes(std::string& out, const PropertyBag& bag, const MimeWriteOptions& options) {
  const auto put_time = [&](std::string_view name, PropertyTag tag) {
    if (const auto time = bag.time(tag); time.ticks != 0) put_field(out, name, format_date(time));
  };
  put_time("Expiry-Date", PidTagExpiryTime);
  std::string request;
  for (const auto& [id, name] : options.names)
    if (name == PropertyName(PidLidFlagRequest)) request = words(bag.string(PropertyTag(id, PropertyType::PtypString)));
  if (!request.empty()) {
    put_text(out, "X-Message-Flag", request);
    put_time("Reply-By", PidTagReplyTime);
  }
  if (const auto* value = bag.find(PidTagAutoResponseSuppress)) put_field(out, "X-Auto-Response-Suppress", auto_response_words(number_of(*value)));
  put_text(out, "List-Help", words(bag.string(PidTagListHelp)));
  put_text(out, "List-Subscribe", words(bag.string(PidTagListSubscribe)));
  put_text(out, "List-Unsubscribe", words(bag.string(PidTagListUnsubscribe)));
}

// [MS-OXCMAIL] 2.1.3.2.16, 2.1.3.2.17 and 2.1.3.2.21.
void put_kind(std::string& out, const PropertyBag& bag, const MimeWriteOptions& options) {
  put_field(out, "Content-Language", language_of_locale(static_cast<std::int32_t>(bag.number(PidTagMessageLocaleId))));
  if (bag.number(PidTagAutoForwarded) != 0) out += "X-MS-Exchange-Organization-AutoForwarded: true\r\n";
  const auto value = [&](const PropertyName& wanted) -> const Value* {
    for (const auto& [id, name] : options.names)
      if (name == wanted)
        if (const auto* found = bag.find(PropertyTag(id, PropertyType::PtypUnspecified))) return found;
    return nullptr;
  };
  const auto is_true = [&](const PropertyName& name) {
    const auto* found = value(name);
    return found != nullptr && number_of(*found) != 0;
  };
  const auto text = [&](std::string_view field, const PropertyName& name) {
    if (const auto* found = value(name)) put_text(out, field, words(text_of(*found)));
  };
  if (!is_true(PidLidClassified)) return;
  out += "X-Microsoft-Classified: true\r\n";
  if (is_true(PidLidClassificationKeep)) out += "X-Microsoft-ClassKeep: true\r\n";
  text("X-Microsoft-Classification", PidLidClassification);
  text("X-Microsoft-ClassDesc", PidLidClassificationDescription);
  text("X-Microsoft-ClassID", PidLidClassificationGuid);
}

// [MS-OXCMAIL] 2.1.3.2 "Arbitrary headers": servers alone write these, and believe them.
bool is_reserved(std::string_view lower_name) {
  for (const std::string_view prefix : {"x-microsoft-exchange-organization", "x-microsoft-exchange-forest", "x-ms-exchange-organization-",
                                        "x-ms-exchange-forest-"})
    if (lower_name.starts_with(prefix)) return true;
  return false;
}

// Only fields that no property of its own stands for.
void put_internet_headers(std::string& out, const PropertyBag& bag, const MimeWriteOptions& options) {
  for (const auto& [tag, value] : bag) {
    const auto name = options.names.find(tag.id());
    if (name == options.names.end() || name->second.set != PS_INTERNET_HEADERS || name->second.lid) continue;
    const auto lower = lower_ascii(name->second.name);
    if (!options.attachment_properties && is_reserved(lower)) continue;
    if (is_field_name(lower) && !is_mapped_header(lower)) put_text(out, name->second.name, text_of(value));
  }
}

}  // namespace

// The id as one word: a line break in it would begin a field of its own.
std::string one_word(std::string_view text) {
  std::string out(trim(text));
  std::erase_if(out, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7F; });
  return out;
}
std::string words(std::string text) {
  std::replace_if(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return std::string(trim(text));
}

void put_text(std::string& out, std::string_view name, std::string_view utf8) {
  if (!utf8.empty()) out += fmt::format("{}: {}\r\n", name, encode_header(utf8, name.size() + 2));
}

Address sender_of(const PropertyBag& bag, const MimeWriteOptions& options) {
  auto out = person(bag, sender_tags);
  if (out.address.empty()) out = person(bag, representing_tags);
  return out.address.empty() ? options.from : out;
}

Address represented_of(const PropertyBag& bag, const MimeWriteOptions& options) {
  auto out = person(bag, representing_tags);
  return out.address.empty() ? sender_of(bag, options) : out;
}

bool in_mime(PropertyTag tag) { return holds(carried, tag); }
bool needs_rewrite(PropertyTag tag) { return holds(rewriting, tag); }

std::string make_message_id(std::string_view host) { return fmt::format("<{}@{}>", random_hex(16), host); }
std::string make_boundary() { return "=_" + random_hex(12); }

std::string encode_header(std::string_view utf8, std::size_t used) {
  if (plain(utf8)) return fold_line(utf8, used);
  std::string out;
  for (std::size_t at = 0; at < utf8.size();) {
    auto room = encoded_bytes;
    if (at == 0 && used < line_width) room = std::max<std::size_t>(12, std::min(room, (line_width - used) * 3 / 4 > 18 ? (line_width - used) * 3 / 4 - 12 : 12));
    auto piece = utf8_prefix(utf8.substr(at), room);
    if (piece.empty()) piece = utf8.substr(at, 1);
    std::string clean(piece);
    std::replace_if(clean.begin(), clean.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; }, ' ');
    if (at > 0) out += "\r\n ";
    out += "=?utf-8?B?" + to_base64(as_view(clean)) + "?=";
    at += piece.size();
  }
  return out;
}

std::string encode_address(const Address& address, std::size_t used) {
  const auto mailbox = one_word(address.address);
  if (address.name.empty()) return mailbox.empty() ? "undisclosed-recipients:;" : mailbox;
  std::string name;
  if (!plain(address.name)) {
    name = encode_header(address.name, used);
  } else if (std::all_of(address.name.begin(), address.name.end(), is_atom_char)) {
    name = address.name;
  } else {
    name = "\"";
    for (const char c : address.name) {
      if (c == '"' || c == '\\') name += '\\';
      name += c;
    }
    name += '"';
  }
  return mailbox.empty() ? name + ":;" : name + " <" + mailbox + ">";
}

std::string format_date(FileTime time) {
  const std::time_t seconds = to_unix(time);
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} +0000", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
                     tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

std::string subject_of(const PropertyBag& bag) {
  if (bag.contains(PidTagSubject)) return bag.string(PidTagSubject);
  return bag.string(PidTagSubjectPrefix) + bag.string(PidTagNormalizedSubject);
}

std::string write_header(MessageData& message, const MimeWriteOptions& options) {
  auto& bag = message.properties;
  std::string out;
  auto from = person(bag, representing_tags);
  auto by = person(bag, sender_tags);
  if (from.address.empty()) from = by;
  if (from.address.empty()) from = options.from;
  if (by.address.empty()) by = from;
  put_addresses(out, "From", {from});
  if (by.address != from.address) put_addresses(out, "Sender", {by});
  put_addresses(out, "To", recipients_of(message, recipient_to));
  put_addresses(out, "Cc", recipients_of(message, recipient_cc));
  if (options.bcc) put_addresses(out, "Bcc", recipients_of(message, recipient_bcc));
  put_addresses(out, "Reply-To", reply_to(bag));
  put_text(out, "Subject", words(subject_of(bag)));
  const auto submitted = bag.time(PidTagClientSubmitTime);
  put_field(out, "Date", format_date(submitted.ticks != 0 ? submitted : now()));
  auto id = one_word(bag.string(PidTagInternetMessageId));
  if (id.empty()) id = make_message_id(options.host);
  bag.set_string(PidTagInternetMessageId, id);
  put_field(out, "Message-ID", id);
  const bool report = is_report(bag);
  // A report answers the message that it is about.
  const auto answered = [&](PropertyTag tag) {
    auto given = words(bag.string(tag));
    return given.empty() && report ? one_word(bag.string(PidTagOriginalMessageId)) : given;
  };
  put_field(out, "In-Reply-To", answered(PidTagInReplyToId));
  put_field(out, "References", answered(PidTagInternetReferences));
  put_importance(out, bag);
  // Row T2: an empty one would blank the subject.
  put_text(out, "Thread-Topic", words(bag.string(PidTagConversationTopic)));
  if (const auto index = bag.binary(PidTagConversationIndex); !index.empty() && index.size() < 500)
    put_field(out, "Thread-Index", to_base64(index));
  put_receipt_requests(out, bag, by);
  put_wishes(out, bag, options);
  put_kind(out, bag, options);
  put_internet_headers(out, bag, options);
  if (report && lower_ascii(out).find("\nauto-submitted:") == out.npos) out += "Auto-Submitted: auto-replied\r\n";  // RFC 3834 5
  return out + "MIME-Version: 1.0\r\n";
}

}  // namespace mapigate::convert
