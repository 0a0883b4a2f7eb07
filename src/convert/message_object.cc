#include "convert/message_object.h"

#include "convert/rtf.h"
#include "wire/describe.h"

namespace mapigate::convert {

using namespace mapi;

std::uint16_t MessageObject::id_of(const PropertyName& name) {
  for (const auto& [id, known] : names)
    if (known == name) return id;
  const std::uint32_t next = names.empty() ? 0x8000 : names.rbegin()->first + 1u;
  if (next < 0xFFFF) {
    names.emplace(static_cast<std::uint16_t>(next), name);
    return static_cast<std::uint16_t>(next);
  }
  for (std::uint32_t id = 0x8000; id < 0xFFFF; ++id)
    if (names.emplace(static_cast<std::uint16_t>(id), name).second) return static_cast<std::uint16_t>(id);
  return 0;
}

const Value* MessageObject::find(const PropertyName& name) const {
  for (const auto& [id, known] : names)
    if (known == name) return properties.find(PropertyTag(id, PropertyType::PtypUnspecified));
  return nullptr;
}

namespace {
std::string string_in(const PropertyBag& bag, PropertyTag tag, unsigned code_page) {
  const auto* value = bag.find(tag.with(PropertyType::PtypUnspecified));
  return value == nullptr ? std::string() : text_of(*value, code_page);
}

void describe_bag(wire::FieldSink& sink, wire::FieldDescriber& describer, const MessageObject& message, const PropertyBag& bag) {
  for (const auto& [tag, value] : bag) {
    std::string name(name_of(tag));
    if (const auto known = message.names.find(tag.id()); tag.named() && known != message.names.end()) {
      name = known->second.lid ? fmt::format("{}:0x{:04x}", to_string(known->second.set), *known->second.lid)
                               : fmt::format("{}:{}", to_string(known->second.set), known->second.name);
    }
    sink.begin("Property");
    sink.symbol("PropertyTag", tag.value, 4, to_string(tag));
    if (tag.named()) sink.text("PropertyName", name);
    describer.value("PropertyValue", value, tag.type());
    sink.end();
  }
}
}  // namespace

std::string MessageObject::string(PropertyTag tag) const { return string_in(properties, tag, code_page); }

std::string MessageObject::Attachment::name(unsigned code_page) const {
  auto name = string_in(properties, PidTagAttachLongFilename, code_page);
  return name.empty() ? string_in(properties, PidTagAttachFilename, code_page) : name;
}

std::string html_of(const MessageObject& message) {
  if (const auto html = message.properties.binary(PidTagHtml); !html.empty()) return std::string(as_text(html));
  if (const auto* text = message.properties.find(PropertyTag(PidTagHtml.id(), PropertyType::PtypUnspecified)))
    if (auto html = text_of(*text, message.code_page); !html.empty()) return html;
  const auto rtf = decompress_rtf(message.properties.binary(PidTagRtfCompressed));
  if (!rtf) return {};
  auto html = rtf_to_html(*rtf);
  return html ? std::move(*html) : std::string();
}

void describe(wire::FieldSink& sink, const MessageObject& message) {
  wire::FieldDescriber describer(sink, message.code_page);
  sink.begin("message");
  describe_bag(sink, describer, message, message.properties);
  sink.begin_list("recipients", message.recipients.size());
  for (const auto& recipient : message.recipients) {
    sink.begin("recipient");
    describe_bag(sink, describer, message, recipient);
    sink.end();
  }
  sink.end_list();
  sink.begin_list("attachments", message.attachments.size());
  for (const auto& attachment : message.attachments) {
    sink.begin("attachment");
    describe_bag(sink, describer, message, attachment.properties);
    if (attachment.embedded) describe(sink, *attachment.embedded);
    sink.end();
  }
  sink.end_list();
  sink.end();
}

}  // namespace mapigate::convert
