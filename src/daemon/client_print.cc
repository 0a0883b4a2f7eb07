#include "daemon/client_print.h"

#include <nlohmann/json.hpp>

#include "daemon/output.h"
#include "mapi/properties.h"

namespace mapigate::daemon {

using Json = nlohmann::ordered_json;
using upstream::AttachmentInfo;
using upstream::FolderInfo;
using upstream::MessageInfo;
using upstream::RecipientInfo;

namespace {

constexpr std::uint8_t to_type = 1, cc_type = 2, bcc_type = 3;  // RecipientType

std::string dumped(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

Json time_json(FileTime time) { return time.ticks == 0 ? Json() : Json(to_iso8601(time)); }

std::string time_text(FileTime time) {
  if (time.ticks == 0) return "-";
  auto text = to_iso8601(time).substr(0, 16);
  text[10] = ' ';
  return text;
}

Json person_json(const std::string& name, const std::string& address) { return {{"name", name}, {"address", address}}; }

std::string person_text(const std::string& name, const std::string& address) {
  if (name.empty() || name == address) return escape_controls(address);
  return escape_controls(name) + (address.empty() ? "" : " <" + escape_controls(address) + ">");
}

RecipientInfo sender_of(const mapi::PropertyBag& properties) {
  RecipientInfo out;
  out.name = properties.string(mapi::PidTagSentRepresentingName);
  out.address = properties.string(mapi::PidTagSentRepresentingEmailAddress);
  if (out.name.empty() && out.address.empty()) {
    out.name = properties.string(mapi::PidTagSenderName);
    out.address = properties.string(mapi::PidTagSenderEmailAddress);
  }
  return out;
}

// The low bits say what it is; a submit flag (0x10) may be set beside them.
bool is_type(const RecipientInfo& recipient, std::uint8_t type) { return (recipient.type & 0x0F) == type; }

Json recipients_json(const std::vector<RecipientInfo>& recipients, std::uint8_t type) {
  auto out = Json::array();
  for (const auto& one : recipients)
    if (is_type(one, type)) out.push_back(person_json(one.name, one.address));
  return out;
}

std::string recipients_text(const std::vector<RecipientInfo>& recipients, std::uint8_t type) {
  std::string out;
  for (const auto& one : recipients)
    if (is_type(one, type)) out += (out.empty() ? "" : ", ") + person_text(one.name, one.address);
  return out;
}

const char* native_body_name(std::int64_t value) {
  switch (value) {  // [MS-OXCMSG] 2.2.1.58.2
    case 1: return "text";
    case 2: return "rtf";
    case 3: return "html";
    default: return "undefined";
  }
}

Json attachment_json(const AttachmentInfo& one) {
  return {{"number", one.number}, {"name", one.name}, {"mime_type", one.mime_type}, {"size", one.size},
          {"content_id", one.content_id}, {"embedded", one.embedded}};
}

bool is_read(const mapi::PropertyBag& properties) { return (properties.number(mapi::PidTagMessageFlags) & 1) != 0; }
bool is_flagged(const mapi::PropertyBag& properties) { return properties.number(mapi::PidTagFlagStatus) == 2; }

}  // namespace

std::string folders_text(const std::vector<FolderInfo>& folders) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& one : folders) {
    const auto depth = one.depth == 0 ? 0 : std::min(one.depth - 1, 20U);
    rows.push_back({std::string(2 * depth, ' ') + escape_controls(one.name), std::to_string(one.total),
                    std::to_string(one.unread), mapi::to_string(one.id), escape_controls(one.container_class)});
  }
  return table({{"FOLDER"}, {"MESSAGES", 12, true}, {"UNREAD", 12, true}, {"ID"}, {"CLASS"}}, rows);
}

std::string folders_json(const std::vector<FolderInfo>& folders) {
  auto out = Json::array();
  for (const auto& one : folders)
    out.push_back({{"id", mapi::to_string(one.id)}, {"path", one.path}, {"name", one.name}, {"class", one.container_class},
                   {"total", one.total}, {"unread", one.unread}, {"depth", one.depth}});
  return dumped(out);
}

std::string messages_text(mapi::Id folder, const std::vector<MessageInfo>& messages) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& one : messages) {
    const auto marks = std::string(one.read ? " " : "N") + (one.flagged ? "!" : " ") + (one.has_attachments ? "@" : " ");
    rows.push_back({marks, time_text(one.received), readable_size(one.size), escape_controls(one.from),
                    escape_controls(one.subject), to_string(MessageName{folder, one.id})});
  }
  return table({{"N!@"}, {"RECEIVED (UTC)"}, {"SIZE", 12, true}, {"FROM", 24}, {"SUBJECT", 48}, {"MESSAGE", 80}}, rows);
}

std::string messages_json(mapi::Id folder, const std::vector<MessageInfo>& messages) {
  auto out = Json::array();
  for (const auto& one : messages)
    out.push_back({{"id", to_string(MessageName{folder, one.id})}, {"subject", one.subject}, {"from", one.from},
                   {"received", time_json(one.received)}, {"size", one.size}, {"read", one.read}, {"flagged", one.flagged},
                   {"has_attachments", one.has_attachments}});
  return dumped(out);
}

std::string message_text(const ShownMessage& message) {
  if (message.headers) return escape_controls(*message.headers, true);
  if (message.html) return escape_controls(*message.html, true);
  if (message.rtf) return escape_controls(*message.rtf, true);
  const auto& properties = message.detail.properties;
  const auto from = sender_of(properties);
  std::string out;
  const auto line = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) out += fmt::format("{:<12}{}\n", fmt::format("{}:", name), value);
  };
  line("Message", to_string(message.name));
  line("From", person_text(from.name, from.address));
  line("To", recipients_text(message.detail.recipients, to_type));
  line("Cc", recipients_text(message.detail.recipients, cc_type));
  line("Bcc", recipients_text(message.detail.recipients, bcc_type));
  line("Subject", escape_controls(properties.string(mapi::PidTagSubject)));
  line("Received", time_text(properties.time(mapi::PidTagMessageDeliveryTime)) + " UTC");
  line("Class", escape_controls(properties.string(mapi::PidTagMessageClass)));
  line("Size", readable_size(static_cast<std::uint64_t>(properties.number(mapi::PidTagMessageSize))));
  line("State", std::string(is_read(properties) ? "read" : "unread") + (is_flagged(properties) ? ", flagged" : ""));
  for (const auto& one : message.detail.attachments)
    line("Attachment", fmt::format("{}  {}  {}", escape_controls(one.name), readable_size(one.size), escape_controls(one.mime_type)));
  out += "\n" + escape_controls(message.text, true);
  if (out.back() != '\n') out += '\n';
  return out;
}

std::string message_json(const ShownMessage& message) {
  const auto& properties = message.detail.properties;
  const auto& recipients = message.detail.recipients;
  const auto from = sender_of(properties);
  Json out;
  out["id"] = to_string(message.name);
  out["subject"] = properties.string(mapi::PidTagSubject);
  out["from"] = person_json(from.name, from.address);
  out["to"] = recipients_json(recipients, to_type);
  out["cc"] = recipients_json(recipients, cc_type);
  out["bcc"] = recipients_json(recipients, bcc_type);
  out["received"] = time_json(properties.time(mapi::PidTagMessageDeliveryTime));
  out["sent"] = time_json(properties.time(mapi::PidTagClientSubmitTime));
  out["class"] = properties.string(mapi::PidTagMessageClass);
  out["message_id"] = properties.string(mapi::PidTagInternetMessageId);
  out["size"] = properties.number(mapi::PidTagMessageSize);
  out["read"] = is_read(properties);
  out["flagged"] = is_flagged(properties);
  out["body"] = {{"text", message.text}};
  if (message.html) out["body"]["html"] = *message.html;
  if (message.rtf) out["body"]["rtf"] = *message.rtf;
  out["native_body"] = native_body_name(properties.number(mapi::PidTagNativeBody));
  if (message.headers) out["headers"] = *message.headers;
  out["attachments"] = Json::array();
  for (const auto& one : message.detail.attachments) out["attachments"].push_back(attachment_json(one));
  return dumped(out);
}

std::string attachments_text(const std::vector<SavedAttachment>& attachments) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& one : attachments)
    rows.push_back({std::to_string(one.info.number), escape_controls(one.info.name), readable_size(one.info.size),
                    one.info.embedded ? "(message)" : escape_controls(one.info.mime_type), escape_controls(one.path)});
  return table({{"NO", 12, true}, {"NAME", 48}, {"SIZE", 12, true}, {"TYPE", 40}, {"SAVED AS", 4096}}, rows);
}

std::string attachments_json(const std::vector<SavedAttachment>& attachments) {
  auto out = Json::array();
  for (const auto& one : attachments) {
    auto entry = attachment_json(one.info);
    if (!one.path.empty()) entry["path"] = one.path;
    out.push_back(std::move(entry));
  }
  return dumped(out);
}

std::string mailbox_text(const upstream::DiscoveredMailbox& mailbox) {
  std::string out;
  const auto line = [&](std::string_view name, const std::string& value) {
    out += fmt::format("{:<14}{}\n", name, escape_controls(value));
  };
  line("Name", mailbox.display_name);
  line("Address", mailbox.address);
  line("Legacy DN", mailbox.legacy_dn);
  line("Mail store", mailbox.mail_store.to_string());
  line("Address book", mailbox.address_book.to_string());
  if (!mailbox.ews_url.empty()) line("Web services", mailbox.ews_url);
  if (!mailbox.oab_url.empty()) line("Offline book", mailbox.oab_url);
  line("Protocols", fmt::format("{}", fmt::join(mailbox.protocols, ", ")));
  for (const auto& one : mailbox.shared) line("Shared", one.display_name + " <" + one.address + ">");
  line("Said by", mailbox.source);
  return out;
}

std::string mailbox_json(const upstream::DiscoveredMailbox& mailbox) {
  auto shared = nlohmann::ordered_json::array();
  for (const auto& one : mailbox.shared)
    shared.push_back({{"display_name", one.display_name}, {"address", one.address}, {"legacy_dn", one.legacy_dn}, {"type", one.type}});
  return dumped({{"display_name", mailbox.display_name}, {"address", mailbox.address}, {"legacy_dn", mailbox.legacy_dn},
                 {"mail_store", mailbox.mail_store.to_string()}, {"address_book", mailbox.address_book.to_string()},
                 {"ews_url", mailbox.ews_url}, {"oab_url", mailbox.oab_url}, {"server", mailbox.server},
                 {"protocols", mailbox.protocols}, {"shared", shared}, {"source", mailbox.source}});
}

}  // namespace mapigate::daemon
