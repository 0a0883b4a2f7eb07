// What `mapigate client` prints: tables for people, JSON for scripts. All text from
// the server is escaped in the former; the latter is escaped by its own rules.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/client.h"
#include "upstream/mailbox_client.h"

namespace mapigate::daemon {

struct ShownMessage {
  MessageName name;
  upstream::MessageDetail detail;
  std::string text;
  std::optional<std::string> html, rtf, headers;
};

struct SavedAttachment {
  upstream::AttachmentInfo info;
  std::string path;  // empty: not saved
};

std::string folders_text(const std::vector<upstream::FolderInfo>& folders);
std::string folders_json(const std::vector<upstream::FolderInfo>& folders);
std::string messages_text(mapi::Id folder, const std::vector<upstream::MessageInfo>& messages);
std::string messages_json(mapi::Id folder, const std::vector<upstream::MessageInfo>& messages);
std::string message_text(const ShownMessage& message);
std::string message_json(const ShownMessage& message);
std::string attachments_text(const std::vector<SavedAttachment>& attachments);
std::string attachments_json(const std::vector<SavedAttachment>& attachments);
std::string mailbox_text(const upstream::DiscoveredMailbox& mailbox);
std::string mailbox_json(const upstream::DiscoveredMailbox& mailbox);

}  // namespace mapigate::daemon
