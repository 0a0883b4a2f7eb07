#include "convert/header_properties.h"

#include <openssl/evp.h>

#include <algorithm>

#include "base/text.h"
#include "convert/charset.h"
#include "convert/gmime_support.h"
#include "mapi/entry_id.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

constexpr std::string_view index_header_names[] = {"From",
                                                   "Sender",
                                                   "To",
                                                   "Cc",
                                                   "Bcc",
                                                   "Reply-To",
                                                   "Subject",
                                                   "Date",
                                                   "Message-ID",
                                                   "References",
                                                   "In-Reply-To",
                                                   "Importance",
                                                   "X-Priority",
                                                   "X-MSMail-Priority",
                                                   "Priority",
                                                   "Sensitivity",
                                                   "Thread-Index",
                                                   "Thread-Topic",
                                                   "Content-Type",
                                                   "Content-Class",
                                                   "Disposition-Notification-To",
                                                   "Return-Receipt-To",
                                                   "X-Auto-Response-Suppress",
                                                   "Expires",
                                                   "Expiry-Date",
                                                   "Reply-By"};

// Mapped from the whole message only, or transport and MIME structure.
constexpr std::string_view other_mapped[] = {"received",         "return-path",  "mime-version",
                                             "keywords",         "list-help",    "list-subscribe",
                                             "list-unsubscribe", "organization", "x-keywords",
                                             "dkim-signature",   "arc-seal",     "arc-message-signature",
                                             "x-message-flag",   "x-ms-tnef-correlator",
                                             "x-microsoft-classified", "x-microsoft-classification", "x-microsoft-classdesc",
                                             "x-microsoft-classid", "x-microsoft-classkeep",
                                             "x-ms-exchange-organization-autoforwarded"};

constexpr std::int32_t display_type_mail_user = 0, object_type_mail_user = 6;

std::string text_of_field(const std::vector<HeaderField>& fields, std::string_view name) {
  const auto* field = find_field(fields, name);
  return field == nullptr ? std::string() : decode_header_text(field->value);
}

std::vector<Address> addresses_of(const std::vector<HeaderField>& fields, std::string_view name,
                                  std::size_t limit = 5000) {
  std::vector<Address> out;
  for (const auto& field : fields) {
    if (field.name.size() != name.size() || !equal_ignoring_ascii_case(field.name, name)) continue;
    if (out.size() >= limit) break;
    auto more = parse_addresses(field.value, limit - out.size());
    out.insert(out.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  return out;
}

// The properties that describe one person in one role.
struct Role {
  PropertyTag name, address_type, email_address, entry_id, search_key, smtp_address;
};
constexpr Role sender{PidTagSenderName,    PidTagSenderAddressType, PidTagSenderEmailAddress,
                      PidTagSenderEntryId, PidTagSenderSearchKey,   PidTagSenderSmtpAddress};
constexpr Role sent_representing{PidTagSentRepresentingName,         PidTagSentRepresentingAddressType,
                                 PidTagSentRepresentingEmailAddress, PidTagSentRepresentingEntryId,
                                 PidTagSentRepresentingSearchKey,    PidTagSentRepresentingSmtpAddress};
constexpr Role read_receipt{PidTagReadReceiptName,         PidTagReadReceiptAddressType,
                            PidTagReadReceiptEmailAddress, PidTagReadReceiptEntryId,
                            PidTagReadReceiptSearchKey,    PidTagReadReceiptSmtpAddress};

void add_role(PropertyBag& bag, const Role& role, const Address& address) {
  bag.set_string(role.name, address.display());
  bag.set_string(role.address_type, "SMTP");
  bag.set_string(role.email_address, address.address);
  bag.set_same(role.smtp_address, role.email_address);
  bag.set_binary(role.entry_id, one_off_entry_id(address.display(), address.address));
  bag.set_binary(role.search_key, search_key(address.address));
}

void add_same_role(PropertyBag& bag, const Role& role, const Role& as) {
  for (const auto tag : {&Role::name, &Role::address_type, &Role::email_address, &Role::smtp_address, &Role::entry_id, &Role::search_key})
    bag.set_same(role.*tag, as.*tag);
}

std::string join_names(const std::vector<Address>& addresses) {
  std::string out;
  for (const auto& address : addresses) {
    if (!out.empty()) out += "; ";
    out += address.display();
  }
  return out;
}

std::optional<std::int32_t> importance_word(std::string_view word) {
  if (word == "high" || word == "urgent") return 2;
  if (word == "normal" || word == "medium") return 1;
  if (word == "low" || word == "non-urgent" || word == "bulk") return 0;
  return std::nullopt;
}

void add_importance(PropertyBag& bag, const std::vector<HeaderField>& fields) {
  std::optional<std::int32_t> importance = importance_word(lower_ascii(text_of_field(fields, "Importance")));
  if (!importance) {
    const auto number = text_of_field(fields, "X-Priority");  // "1 (Highest)"
    if (!number.empty() && number[0] >= '1' && number[0] <= '5')
      importance = number[0] <= '2' ? 2 : number[0] == '3' ? 1 : 0;
  }
  if (!importance) importance = importance_word(lower_ascii(text_of_field(fields, "X-MSMail-Priority")));
  const auto priority = importance_word(lower_ascii(text_of_field(fields, "Priority")));
  if (!importance) importance = priority;
  bag.set_integer(PidTagImportance, importance.value_or(1));
  bag.set_integer(PidTagPriority, priority.value_or(importance.value_or(1)) - 1);
  const auto word = lower_ascii(text_of_field(fields, "Sensitivity"));
  bag.set_integer(PidTagSensitivity, word == "personal"               ? 1
                                     : word == "private"              ? 2
                                     : word == "company-confidential" ? 3
                                                                      : 0);
}

// The first message id in a References or In-Reply-To field, without its brackets.
std::string_view first_id(std::string_view text) {
  const auto begin = text.find('<');
  if (begin == text.npos) return trim(text);
  const auto end = text.find('>', begin);
  return end == text.npos ? text.substr(begin + 1) : text.substr(begin + 1, end - begin - 1);
}

// [MS-OXOMSG] "PidTagConversationIndex": a 22-byte header block. Without a Thread-Index field its GUID
// is derived from the message that began the thread, so that all replies come to the same one.
void add_conversation(PropertyBag& bag, const std::vector<HeaderField>& fields,
                      std::string_view normalized_subject, FileTime time) {
  const auto topic = text_of_field(fields, "Thread-Topic");
  bag.set_string(PidTagConversationTopic, topic.empty() ? normalized_subject : topic);
  Bytes index;
  if (const auto* field = find_field(fields, "Thread-Index")) {
    if (!from_base64(as_text(field->value), index) || index.size() < 22 || index.size() > 22 + 5 * 512)
      index.clear();
  }
  if (index.empty()) {
    auto root = std::string(first_id(text_of_field(fields, "References")));
    if (root.empty()) root = first_id(text_of_field(fields, "In-Reply-To"));
    if (root.empty()) root = first_id(text_of_field(fields, "Message-ID"));
    if (root.empty()) root = "subject:" + fold(normalized_subject);
    std::array<std::uint8_t, 32> digest{};
    static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);  // looked up once and not for each message
    EVP_Digest(root.data(), root.size(), digest.data(), nullptr, sha256, nullptr);
    index.push_back(0x01);
    for (int shift = 48; shift >= 16; shift -= 8)
      index.push_back(static_cast<std::uint8_t>(time.ticks >> shift));
    index.insert(index.end(), digest.begin(), digest.begin() + 16);
  }
  bag.set_binary(PidTagConversationIndex, index);
  bag.set_boolean(PidTagConversationIndexTracking, true);
  bag.set_binary(PidTagConversationId, View(index).subspan(6, 16));
}

// The time behind the last semicolon of the topmost Received field: when the last server got it.
std::optional<FileTime> received_time(const std::vector<HeaderField>& fields) {
  const auto* field = find_field(fields, "Received");
  if (field == nullptr) return std::nullopt;
  const auto text = as_text(field->value);
  const auto semicolon = text.rfind(';');
  return semicolon == text.npos ? std::nullopt : parse_date(as_view(text.substr(semicolon + 1)));
}

void add_times(PropertyBag& bag, const std::vector<HeaderField>& fields, const HeaderOptions& options) {
  const auto* date = find_field(fields, "Date");
  const auto submitted = date == nullptr ? std::nullopt : parse_date(date->value);
  auto delivered = options.internal_date;
  if (!delivered) delivered = received_time(fields);
  if (!delivered) delivered = submitted;
  if (submitted || delivered) bag.set_time(PidTagClientSubmitTime, submitted ? *submitted : *delivered);
  const auto time = [&](PropertyTag tag, std::string_view name) {
    const auto* field = find_field(fields, name);
    const auto when = field == nullptr ? std::nullopt : parse_date(field->value);
    if (when) bag.set_time(tag, *when);
  };
  time(PidTagExpiryTime, "Expires");
  time(PidTagExpiryTime, "Expiry-Date");
  time(PidTagReplyTime, "Reply-By");
  if (!delivered) return;
  bag.set_time(PidTagMessageDeliveryTime, *delivered);
  bag.set_time(PidTagCreationTime, *delivered);
  bag.set_time(PidTagLastModificationTime, *delivered);
}

// [MS-OXCMAIL] 2.2.3.2 "Message class", as far as the top-level Content-Type says it.
std::string_view class_of(View content_type) {
  const auto type = media_type(content_type);
  if (type == "multipart/signed") return "IPM.Note.SMIME.MultipartSigned";
  if (type == "application/pkcs7-mime" || type == "application/x-pkcs7-mime") return "IPM.Note.SMIME";
  if (type == "multipart/report") {
    const auto report = lower_ascii(parameter(content_type, "report-type"));
    if (report == "delivery-status") return "REPORT.IPM.Note.NDR";
    if (report == "disposition-notification") return "REPORT.IPM.Note.IPNRN";
  }
  return "IPM.Note";
}

void add_text(PropertyBag& bag, PropertyTag tag, const std::vector<HeaderField>& fields,
              std::string_view name) {
  if (auto text = text_of_field(fields, name); !text.empty()) bag.set_string(tag, text);
}

void add_reply_to(PropertyBag& bag, const std::vector<HeaderField>& fields) {
  const auto reply_to = addresses_of(fields, "Reply-To", 100);
  if (reply_to.empty()) return;
  std::vector<Bytes> ids;
  for (const auto& address : reply_to) ids.push_back(one_off_entry_id(address.display(), address.address));
  bag.set_binary(PidTagReplyRecipientEntries, flat_entry_list(ids));
  bag.set_string(PidTagReplyRecipientNames, join_names(reply_to));
}

void add_receipt_requests(PropertyBag& bag, const std::vector<HeaderField>& fields) {
  const auto to = addresses_of(fields, "Disposition-Notification-To", 1);
  bag.set_boolean(PidTagReadReceiptRequested, !to.empty());
  if (!to.empty()) {
    bag.set_boolean(PidTagNonReceiptNotificationRequested, true);
    add_role(bag, read_receipt, to[0]);
  }
  bag.set_boolean(PidTagOriginatorDeliveryReportRequested,
                  find_field(fields, "Return-Receipt-To") != nullptr);
}

// [MS-OXOMSG] "PidTagAutoResponseSuppress".
void add_auto_response(PropertyBag& bag, const std::vector<HeaderField>& fields) {
  const auto text = lower_ascii(text_of_field(fields, "X-Auto-Response-Suppress"));
  if (text.empty()) return;
  constexpr std::pair<std::string_view, std::int32_t> words[] = {
      {"ndr", 0x02}, {"dr", 0x01}, {"nrn", 0x08}, {"rn", 0x04}, {"oof", 0x10}, {"autoreply", 0x20}};
  std::int32_t bits = 0;
  std::size_t at = 0;
  while (at <= text.size()) {
    const auto comma = std::min(text.find(',', at), text.size());
    const auto word = trim(std::string_view(text).substr(at, comma - at));
    if (word == "all") {
      bits = -1;
      break;
    }
    for (const auto& [name, bit] : words)
      if (word == name) bits |= bit;
    at = comma + 1;
  }
  bag.set_integer(PidTagAutoResponseSuppress, bits);
}

}  // namespace

std::span<const std::string_view> index_headers() { return index_header_names; }

bool is_mapped_header(std::string_view lower_name) {
  if (lower_name.starts_with("content-")) return lower_name != "content-class";  // PidNameContentClass is a named header
  for (const auto name : index_header_names)
    if (equal_ignoring_ascii_case(name, lower_name)) return true;
  return std::find(std::begin(other_mapped), std::end(other_mapped), lower_name) != std::end(other_mapped);
}

std::string class_of_content_class(std::string_view value) {
  constexpr std::pair<std::string_view, std::string_view> classes[] = {
      {"fax", "IPM.Note.Microsoft.Fax"},
      {"fax-ca", "IPM.Note.Microsoft.Fax.CA"},
      {"missedcall", "IPM.Note.Microsoft.Missed.Voice"},
      {"voice-uc", "IPM.Note.Microsoft.Conversation.Voice"},
      {"voice-ca", "IPM.Note.Microsoft.Voicemail.UM.CA"},
      {"voice", "IPM.Note.Microsoft.Voicemail.UM"}};
  constexpr std::pair<std::string_view, std::string_view> families[] = {
      {"urn:content-class:custom.", "IPM.Note.Custom."}, {"infopathform.", "IPM.InfoPathForm."}};
  constexpr std::size_t longest = 128;
  const auto lower = lower_ascii(trim(value));
  for (const auto& [name, its_class] : classes)
    if (lower == name) return std::string(its_class);
  for (const auto& [prefix, its_class] : families) {
    if (!lower.starts_with(prefix)) continue;
    const auto rest = trim(value).substr(prefix.size());
    const bool plain = std::all_of(rest.begin(), rest.end(), [](char c) { return c > 0x20 && c < 0x7F; });
    if (plain && !rest.empty() && rest.size() <= longest) return std::string(its_class) + std::string(rest);
  }
  return {};
}

std::string media_type(View content_type) {
  const auto text = as_text(content_type);
  auto type = lower_ascii(trim(text.substr(0, std::min(text.find(';'), text.size()))));
  std::erase_if(
      type, [](char c) { return c == '\r' || c == '\n' || c == ' ' || c == '\t' || c == '\0' || c == '"'; });
  return type;
}

std::string parameter(View content_type, std::string_view name) {
  std::string text(as_text(content_type));
  std::replace(text.begin(), text.end(), '\0', ' ');
  const auto semicolon = text.find(';');
  if (semicolon == text.npos) return {};
  text.erase(0, semicolon + 1);
  auto* list = g_mime_param_list_parse(parser_options(), text.c_str());
  if (list == nullptr) return {};
  const GObjectPtr<GMimeParamList> owner(list);
  auto* found = g_mime_param_list_get_parameter(list, std::string(name).c_str());
  const char* value = found == nullptr ? nullptr : g_mime_param_get_value(found);
  return value == nullptr ? std::string() : decode_header_text(as_view(value));
}

void add_header_properties(PropertyBag& bag, const std::vector<HeaderField>& fields,
                           const HeaderOptions& options) {
  const auto* content_type = find_field(fields, "Content-Type");
  auto message_class = std::string(content_type == nullptr ? "IPM.Note" : class_of(content_type->value));
  if (const auto asked = class_of_content_class(text_of_field(fields, "Content-Class")); !asked.empty() && message_class == "IPM.Note")
    message_class = asked;
  bag.set_string(PidTagMessageClass, message_class);
  const auto subject = text_of_field(fields, "Subject");
  const auto parts = split_subject(subject);
  bag.set_string(PidTagSubject, subject);
  bag.set_string(PidTagSubjectPrefix, parts.prefix);
  bag.set_string(PidTagNormalizedSubject, parts.normalized);
  add_times(bag, fields, options);

  const auto from = addresses_of(fields, "From", 1);
  const auto by = addresses_of(fields, "Sender", 1);
  if (!from.empty() || !by.empty()) {
    add_role(bag, sender, by.empty() ? from[0] : by[0]);
    if (from.empty() || by.empty()) add_same_role(bag, sent_representing, sender);
    else add_role(bag, sent_representing, from[0]);
  }
  bag.set_string(PidTagDisplayTo, join_names(addresses_of(fields, "To")));
  bag.set_string(PidTagDisplayCc, join_names(addresses_of(fields, "Cc")));
  bag.set_string(PidTagDisplayBcc, join_names(addresses_of(fields, "Bcc")));
  add_reply_to(bag, fields);
  add_importance(bag, fields);
  add_text(bag, PidTagInternetMessageId, fields, "Message-ID");
  add_text(bag, PidTagInternetReferences, fields, "References");
  add_text(bag, PidTagInReplyToId, fields, "In-Reply-To");
  add_conversation(bag, fields, parts.normalized, bag.time(PidTagClientSubmitTime));
  add_receipt_requests(bag, fields);
  add_auto_response(bag, fields);
}

PropertyBag header_properties(View header_block, const HeaderOptions& options) {
  PropertyBag bag;
  bag.reserve(48);  // what most messages have, with what an index adds
  add_header_properties(bag, split_header(header_block), options);
  return bag;
}

Recipient make_recipient(std::int32_t type, const Address& address, std::size_t order) {
  Recipient recipient;
  recipient.type = type;
  recipient.row = static_cast<std::uint32_t>(order);
  recipient.display_name = address.display();
  recipient.smtp_address = address.address;
  const auto entry_id = one_off_entry_id(recipient.display_name, address.address);
  auto& bag = recipient.properties;
  bag.set_integer(PidTagRecipientType, type);
  bag.set_integer(PidTagObjectType, object_type_mail_user);
  bag.set_integer(PidTagDisplayType, display_type_mail_user);
  bag.set_string(PidTagDisplayName, recipient.display_name);
  bag.set_string(PidTagRecipientDisplayName, recipient.display_name);
  bag.set_string(PidTagTransmittableDisplayName, recipient.display_name);
  bag.set_string(PidTagAddressType, "SMTP");
  bag.set_string(PidTagEmailAddress, address.address);
  bag.set_string(PidTagSmtpAddress, address.address);
  bag.set_binary(PidTagEntryId, entry_id);
  bag.set_binary(PidTagRecipientEntryId, entry_id);
  bag.set_binary(PidTagSearchKey, search_key(address.address));
  bag.set_boolean(PidTagSendRichInfo, false);
  bag.set_boolean(PidTagResponsibility, true);
  bag.set_integer(PidTagRecipientFlags, 1);
  bag.set_integer(PidTagRecipientOrder, static_cast<std::int32_t>(order));
  return recipient;
}

std::vector<Recipient> header_recipients(const std::vector<HeaderField>& fields) {
  std::vector<Recipient> out;
  constexpr std::size_t limit = 5000;
  const std::pair<std::string_view, std::int32_t> kinds[] = {
      {"To", recipient_to}, {"Cc", recipient_cc}, {"Bcc", recipient_bcc}};
  for (const auto& [name, type] : kinds) {
    for (const auto& address : addresses_of(fields, name, limit - out.size())) out.push_back(make_recipient(type, address, out.size()));
    if (out.size() >= limit) break;
  }
  return out;
}

}  // namespace mapigate::convert
