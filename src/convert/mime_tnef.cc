#include "convert/mime_tnef.h"

#include <algorithm>

#include "base/text.h"
#include "convert/charset.h"
#include "convert/mime_attachments.h"
#include "convert/mime_writer.h"
#include "convert/rtf.h"
#include "convert/tnef.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

constexpr PropertyTag bodies[] = {PidTagBody, PidTagHtml, PidTagRtfCompressed, PidTagInternetCodepage};

bool is_tnef(const Entity& entity) {
  return entity.type == "application/ms-tnef" || entity.type == "application/vnd.ms-tnef" ||
         (entity.type == "application/octet-stream" && equal_ignoring_ascii_case(entity.filename, "winmail.dat"));
}

const Entity* tnef_part(const Entity& root) {
  if (is_tnef(root)) return &root;
  if (root.type != "multipart/mixed") return nullptr;
  for (const auto& child : root.children)
    if (is_tnef(child)) return &child;
  return nullptr;
}

// [MS-OXCMAIL] 2.1.3.2.26. A key that no field answers to came with another message.
bool belongs(const Entity& root, View key) {
  if (key.empty()) return true;
  auto wanted = as_text(key);
  while (wanted.ends_with('\0')) wanted.remove_suffix(1);
  wanted = trim(wanted);
  for (const auto name : {"X-MS-TNEF-Correlator", "Message-ID"})
    if (const auto* field = find_field(root.fields, name); field != nullptr && decode_header_text(field->value) == wanted) return true;
  return false;
}

// Strings in Unicode, in one type whatever the sender chose.
PropertyBag unicode(const PropertyBag& bag, unsigned code_page) {
  PropertyBag out;
  for (const auto& [tag, value] : bag) {
    if (value.get<String8>() != nullptr) {
      out.set_string(tag.with(PropertyType::PtypString), text_of(value, code_page));
    } else if (const auto* list = value.get<std::span<const String8>>()) {
      std::vector<std::string> texts;
      for (const auto& one : *list) texts.push_back(from_code_page(one.text, code_page));
      out.set_strings(tag.with(PropertyType::PtypMultipleString), texts);
    } else {
      out.set(tag, value);
    }
  }
  return out;
}

// Ranges that messages do not travel with ([MS-OXPROPS] 1.3.3), and what would be another message's.
bool travels(PropertyTag tag) {
  const auto id = tag.id();
  if (tag.named()) return true;
  if ((id >= 0x0E00 && id < 0x1000) || (id >= 0x6000 && id < 0x6800) || id >= 0x7B00) return false;
  for (const auto other : {PidTagSearchKey, PidTagTnefCorrelationKey, PidTagMessageDeliveryTime, PidTagTransportMessageHeaders})
    if (id == other.id()) return false;
  return std::none_of(std::begin(bodies), std::end(bodies), [&](auto body) { return body.id() == id; });
}

void take_body(const PropertyBag& from, unsigned code_page, PropertyBag& to) {
  for (const auto tag : bodies)
    if (const auto* value = from.find(tag)) to.set(tag, *value);
  if (to.contains(PidTagRtfCompressed) && !decompress_rtf(to.binary(PidTagRtfCompressed))) to.remove(PidTagRtfCompressed);
  // PidTagBodyHtml, the same property as a string.
  if (const auto html = from.string(PidTagHtml.with(PropertyType::PtypString)); !html.empty() && !to.contains(PidTagHtml)) {
    to.set_binary(PidTagHtml, as_view(html));
    to.set_integer(PidTagInternetCodepage, 65001);
  }
  if (!to.contains(PidTagInternetCodepage)) {
    const bool utf8 = !to.contains(PidTagHtml) || is_utf8(to.binary(PidTagHtml));
    to.set_integer(PidTagInternetCodepage, utf8 ? 65001 : static_cast<std::int32_t>(code_page));
  }
}

MessageData data_of(const MessageObject& object) {
  MessageData out;
  out.properties = unicode(object.properties, object.code_page);
  for (const auto& row : object.recipients) {
    MessageData::Recipient recipient;
    recipient.row = static_cast<std::uint32_t>(out.recipients.size());
    recipient.properties = unicode(row, object.code_page);
    recipient.type = static_cast<std::int32_t>(recipient.properties.number(PidTagRecipientType));
    out.recipients.push_back(std::move(recipient));
  }
  for (const auto& one : object.attachments) {
    MessageData::Attachment attachment;
    attachment.number = out.next_attachment++;
    attachment.properties = unicode(one.properties, object.code_page);
    attachment.properties.remove(PidTagAttachDataBinary);
    if (one.embedded) attachment.embedded = std::make_shared<MessageData>(data_of(*one.embedded));
    else attachment.data = ByteSource::from_bytes(to_bytes(one.properties.binary(PidTagAttachDataBinary)));
    out.attachments.push_back(std::move(attachment));
  }
  return out;
}

// Their ids mean something in the TNEF only.
void drop_named(PropertyBag& bag) {
  std::vector<PropertyTag> named;
  for (const auto& [tag, value] : bag)
    if (tag.named()) named.push_back(tag);
  for (const auto tag : named) bag.remove(tag);
}

void take_attachment(const MessageObject::Attachment& one, unsigned code_page, TnefContent& out) {
  const auto number = out.attachments.size();
  Attachment attachment;
  auto& bag = attachment.properties;
  bag = unicode(one.properties, code_page);
  bag.remove(PidTagAttachDataBinary);
  drop_named(bag);
  ByteSource data;
  auto name = safe_file_name(one.name(code_page));
  if (one.embedded) {
    auto message = data_of(*one.embedded);
    MimeWriteOptions options;
    options.names = one.embedded->names;
    options.attachment_properties = true;
    auto written = write_mime(message, options);
    if (!written) return;  // messages within messages beyond any measure
    data = std::move(*written);
    attachment.kind = Attachment::Kind::embedded;
    const auto subject = message.properties.string(PidTagSubject);
    if (!subject.empty()) bag.set_string(PidTagDisplayName, subject);
    if (name.empty()) name = safe_file_name(subject + ".eml");
    bag.set_integer(PidTagAttachMethod, afEmbeddedMessage);
    bag.set_string(PidTagAttachMimeTag, "message/rfc822");
  } else {
    data = ByteSource::from_bytes(to_bytes(one.properties.binary(PidTagAttachDataBinary)));
    // By reference the reader's computer would fetch it from where a stranger says; a message that cannot be read is a file.
    constexpr std::int32_t afOle = 6;
    if (bag.number(PidTagAttachMethod) != afOle) bag.set_integer(PidTagAttachMethod, afByValue);
    for (const auto tag : {PidTagAttachPathname, PidTagAttachLongPathname}) bag.remove(tag);
  }
  if (name.empty()) name = fmt::format("ATT{:05}.dat", number + 1);
  const auto dot = name.rfind('.');
  bag.set_integer(PidTagAttachNumber, static_cast<std::int32_t>(number));
  bag.set_string(PidTagAttachLongFilename, name);
  bag.set_string(PidTagAttachFilename, short_file_name(name));
  bag.set_string(PidTagAttachExtension, dot == name.npos ? std::string_view() : std::string_view(name).substr(dot));
  bag.set_integer(PidTagAttachSize, static_cast<std::int32_t>(std::min<std::size_t>(data.size(), 0x7FFFFFFF)));
  if (bag.string(PidTagDisplayName).empty()) bag.set_string(PidTagDisplayName, name);
  if (!bag.contains(PidTagRenderingPosition)) bag.set_integer(PidTagRenderingPosition, -1);
  if (!bag.contains(PidTagAttachFlags)) bag.set_integer(PidTagAttachFlags, 0);
  if (!bag.contains(PidTagAttachmentHidden)) bag.set_boolean(PidTagAttachmentHidden, (bag.number(PidTagAttachFlags) & 4) != 0);
  out.attachments.push_back(std::move(attachment));
  out.data.push_back(std::move(data));
}

}  // namespace

bool TnefContent::has_body() const {
  return !body.string(PidTagBody).empty() || !body.binary(PidTagHtml).empty() || !body.binary(PidTagRtfCompressed).empty();
}

std::unique_ptr<TnefContent> take_tnef(const Entity& root, std::size_t max_size) {
  const auto* part = tnef_part(root);
  if (part == nullptr || part->body.size() / 4 * 3 > max_size) return nullptr;
  const auto bytes = decoded_body(*part, max_size);
  ObjectLimits limits;
  limits.max_bytes = max_size;
  auto read = read_tnef(bytes, limits);
  if (!read) return nullptr;
  auto& message = read->message;
  if (!belongs(root, message.properties.binary(PidTagTnefCorrelationKey))) return nullptr;
  auto out = std::make_unique<TnefContent>();
  out->part = part;
  out->damaged = !read->problem.empty();
  const auto all = unicode(message.properties, message.code_page);
  for (const auto& [tag, value] : all)
    if (travels(tag)) out->properties.set(tag, value);
  take_body(all, message.code_page, out->body);
  out->names = std::move(message.names);
  for (const auto& attachment : message.attachments) take_attachment(attachment, message.code_page, *out);
  return out;
}

}  // namespace mapigate::convert
