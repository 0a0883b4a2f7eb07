#include "convert/mime_tnef_writer.h"

#include <algorithm>

#include "base/text.h"
#include "convert/mime_writer_parts.h"
#include "convert/tnef.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

constexpr std::size_t most_bytes = std::size_t{64} << 20;  // of attachments: the stream is made in memory
constexpr unsigned max_depth = 14;

template <std::size_t N>
bool in(const PropertyTag (&list)[N], PropertyTag tag) {
  return std::any_of(std::begin(list), std::end(list), [&](auto one) { return one.id() == tag.id(); });
}

// In the header, and here as well: what readers show that know the stream alone.
constexpr PropertyTag told_twice[] = {
    PidTagSubject, PidTagNormalizedSubject, PidTagSubjectPrefix, PidTagBody, PidTagHtml, PidTagRtfCompressed, PidTagNativeBody, PidTagRtfInSync,
    PidTagInternetCodepage, PidTagImportance, PidTagPriority, PidTagSensitivity, PidTagConversationIndex, PidTagConversationTopic,
    PidTagClientSubmitTime};
// Where the message stands, when it goes and who touched it is nobody else's business.
constexpr PropertyTag of_the_mailbox[] = {
    PidTagSearchKey, PidTagTnefCorrelationKey, PidTagTargetEntryId, PidTagCreatorName, PidTagCreatorEntryId, PidTagLastModifierName,
    PidTagLastModifierEntryId, PidTagDeferredSendTime, PidTagDeferredSendNumber, PidTagDeferredSendUnits, PidTagDeferredDeliveryTime,
    PidTagEntryId, PidTagRecordKey, PidTagInstanceKey, PidTagMappingSignature, PidTagObjectType, PidTagStoreEntryId, PidTagMessageFlags,
    PidTagOriginatorDeliveryReportRequested};

// Ranges that messages do not travel with ([MS-OXPROPS] 1.3.3).
bool travels(PropertyTag tag) {
  const auto id = tag.id();
  if (tag.named()) return true;
  return id < 0x0E00 || (id >= 0x1000 && id < 0x6000) || (id >= 0x6800 && id < 0x7B00);
}

using Names = std::map<std::uint16_t, PropertyName>;

bool is_told(const Names& names, PropertyTag tag) {
  const auto found = names.find(tag.id());
  if (found == names.end()) return true;  // its id means something here alone
  // Header fields are in the header; categories are the sender's own.
  return found->second.set == PS_INTERNET_HEADERS || found->second == PropertyName{PS_PUBLIC_STRINGS, std::nullopt, "Keywords"};
}

PropertyBag of_message(const MessageData& message, const Names& names, bool within) {
  PropertyBag out;
  for (const auto& [tag, value] : message.properties) {
    if (!travels(tag) || in(of_the_mailbox, tag) || (tag.named() && is_told(names, tag))) continue;
    if (!within && in_mime(tag) && !in(told_twice, tag)) continue;
    out.set(tag, value);
  }
  return out;
}

PropertyBag of_recipient(const PropertyBag& row) {
  PropertyBag out;
  for (const auto& [tag, value] : row)
    if (!tag.named() && tag.id() != PidTagRowid.id() && tag.id() != PidTagInstanceKey.id()) out.set(tag, value);
  return out;
}

bool make(const MessageData& message, const MimeWriteOptions& options, unsigned depth, MessageObject& out) {
  if (depth > max_depth) return false;
  out.names = options.names;
  out.properties = of_message(message, options.names, depth > 0);
  if (depth > 0) {
    // Of the outer one they stand in the header, as far as everybody may see them.
    for (const auto& recipient : message.recipients) {
      if ((recipient.type & 0x0F) == recipient_bcc && !options.bcc) continue;
      auto row = of_recipient(recipient.properties);
      row.set_integer(PidTagRecipientType, recipient.type & 0x0F);
      out.recipients.push_back(std::move(row));
    }
  }
  for (const auto& attachment : message.attachments) {
    auto& made = out.attachments.emplace_back();
    for (const auto& [tag, value] : attachment.properties)
      if ((travels(tag) || tag.id() == PidTagAttachSize.id()) && !tag.named() && tag.id() != PidTagRecordKey.id()) made.properties.set(tag, value);
    if (attachment.embedded) {
      made.properties.set_integer(PidTagAttachMethod, afEmbeddedMessage);
      made.embedded = std::make_unique<MessageObject>();
      if (!make(*attachment.embedded, options, depth + 1, *made.embedded)) return false;
      continue;
    }
    if (!made.properties.contains(PidTagAttachMethod)) made.properties.set_integer(PidTagAttachMethod, afByValue);
    made.properties.set_binary(PidTagAttachDataBinary, attachment.data.view());
  }
  return true;
}

std::size_t bytes_in(const MessageData& message, unsigned depth) {
  std::size_t out = 0;
  for (const auto& one : message.attachments) {
    out += one.data.size();
    if (one.embedded && depth < max_depth) out += bytes_in(*one.embedded, depth + 1);
  }
  return out;
}

// Of the message by the name; null when it has none.
const Value* named(const MessageData& message, const Names& names, const PropertyName& name) {
  for (const auto& [id, its_name] : names)
    if (its_name == name)
      if (const auto* value = message.properties.find(PropertyTag(id, PropertyType::PtypUnspecified))) return value;
  return nullptr;
}

// [MS-OXOMSG] and [MS-OXOABK] 2.2.3.21: a form of Internet mail is wanted, whatever that is.
bool wants_internet_format(std::int64_t encoding) {
  constexpr std::int64_t encoding_preference = 0x00020000;
  return (encoding & encoding_preference) != 0;
}

bool asks_for_tnef(const MessageData& message, const Names& names) {
  if (const auto* use = named(message, names, PidLidUseTnef)) return number_of(*use) != 0;
  if (wants_internet_format(message.properties.number(PidTagInternetMailOverrideFormat))) return false;
  const auto takes_it = [](const MessageData::Recipient* one) {
    const auto& bag = one->properties;
    return bag.number(PidTagSendRichInfo) != 0 && !wants_internet_format(bag.number(PidTagSendInternetEncoding));
  };
  const auto everybody = addressees(message);
  return !everybody.empty() && std::all_of(everybody.begin(), everybody.end(), takes_it);
}

void collect(const PropertyBag& bag, std::vector<std::uint16_t>& ids) {
  for (const auto& [tag, value] : bag)
    if (tag.named()) ids.push_back(tag.id());
}

}  // namespace

bool leaves_as_tnef(const MessageData& message, const Names& names, TnefPolicy policy) {
  if (policy == TnefPolicy::never || is_report(message.properties) || is_secured(message)) return false;
  return policy == TnefPolicy::always || asks_for_tnef(message, names);
}

Result<Bytes> tnef_of(const MessageData& message, const MimeWriteOptions& options, std::string_view message_id) {
  if (bytes_in(message, 0) > most_bytes) return error(Errc::limit, "attachments of more than {} bytes", most_bytes);
  MessageObject object;
  if (!make(message, options, 0, object)) return error(Errc::limit, "messages within messages");
  // By which readers tell the stream from that of a message that was forwarded.
  std::string key(message_id);
  key += '\0';
  object.properties.set_binary(PidTagTnefCorrelationKey, as_view(key));
  return write_tnef(object);
}

void collect_named(const MessageData& message, std::vector<std::uint16_t>& ids) {
  collect(message.properties, ids);
  for (const auto& one : message.recipients) collect(one.properties, ids);
  for (const auto& one : message.attachments) {
    collect(one.properties, ids);
    if (one.embedded) collect_named(*one.embedded, ids);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

}  // namespace mapigate::convert
