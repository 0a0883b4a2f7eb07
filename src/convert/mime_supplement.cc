#include "convert/mime_supplement.h"

#include <algorithm>

#include "base/cursor.h"
#include "wire/property_bag_codec.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

constexpr std::uint32_t format = 1;
constexpr unsigned max_depth = 20;

template <std::size_t N>
bool in(const PropertyTag (&list)[N], PropertyTag tag) {
  return std::any_of(std::begin(list), std::end(list), [&](auto one) { return one.id() == tag.id(); });
}

// The place of an attachment in its message and what is counted of its data.
constexpr PropertyTag of_the_store[] = {PidTagAttachNumber, PidTagAttachSize, PidTagAttachDataBinary,
                                        PidTagObjectType,   PidTagAccessLevel, PidTagRecordKey};
// Of messages: made by the store, or the body, which is written anew in a charset of its own.
constexpr PropertyTag of_the_mime[] = {
    PidTagBody, PidTagHtml, PidTagRtfCompressed, PidTagNativeBody, PidTagRtfInSync, PidTagInternetCodepage,
    PidTagMessageSize, PidTagMessageSizeExtended, PidTagHasAttachments, PidTagDisplayTo, PidTagDisplayCc, PidTagDisplayBcc,
    PidTagObjectType, PidTagAccess, PidTagAccessLevel, PidTagRecordKey, PidTagEntryId, PidTagHasNamedProperties, PidTagTransportMessageHeaders};

// FNV-1a.
void mix(std::uint64_t& key, std::string_view text) {
  for (const char c : text) key = (key ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  key = (key ^ 0xFF) * 0x100000001B3u;
}
std::uint64_t key_of(const std::vector<Recipient>& recipients) {
  std::uint64_t key = 0xCBF29CE484222325u;
  for (const auto& one : recipients) {
    mix(key, std::to_string(one.type));
    mix(key, one.display_name);
    mix(key, one.smtp_address);
  }
  return key;
}

bool holds_all(const std::vector<Recipient>& read, const std::vector<MessageData::Recipient>& written) {
  if (read.size() != written.size()) return false;
  for (std::size_t i = 0; i < read.size(); ++i) {
    if (written[i].row != i || written[i].type != read[i].type) return false;
    for (const auto& [tag, value] : written[i].properties)
      if (!has_value(read[i].properties, tag, value)) return false;
  }
  return true;
}

void add_properties(Supplement& out, const MessageData& message, const MimeMessage& mime) {
  for (const auto& [tag, value] : message.properties)
    if (!in(of_the_mime, tag) && !has_value(mime.properties(), tag, value)) out.properties.set(tag, value);
  // An RTF body that carries no HTML cannot be had back from the text that is made of it.
  const auto* rtf = message.properties.find(PidTagRtfCompressed);
  if (rtf != nullptr && !message.properties.contains(PidTagHtml)) {
    out.properties.set(PidTagRtfCompressed, *rtf);
    out.properties.set_integer(PidTagNativeBody, static_cast<std::int32_t>(NativeBody::rtf));
    out.properties.set_boolean(PidTagRtfInSync, true);
  }
}

// None, when the MIME has other attachments than the message.
std::vector<Supplement::Part> parts_of(const MessageData& message, const MimeMessage& mime) {
  std::vector<Supplement::Part> out;
  const auto& read = mime.attachments();
  if (read.size() != message.attachments.size()) return {};
  bool needed = false;
  for (std::size_t i = 0; i < read.size(); ++i) {
    const auto& written = message.attachments[i];
    if (written.part >= read.size()) return {};
    const auto& found = read[written.part];
    Supplement::Part part;
    part.number = written.number;
    part.position = written.part;
    part.size = found.properties.number(PidTagAttachSize);
    part.message = found.kind == Attachment::Kind::embedded;
    if (part.message != (written.embedded != nullptr)) return {};
    for (const auto& [tag, value] : written.properties)
      if (!in(of_the_store, tag) && !has_value(found.properties, tag, value)) part.properties.set(tag, value);
    if (part.message) {
      if (auto inner = mime.embedded(written.part)) {
        auto more = supplement_of(*written.embedded, **inner, true);
        if (!more.empty()) part.inner = std::make_shared<Supplement>(std::move(more));
      }
    }
    needed = needed || part.number != i || part.position != i || !part.properties.empty() || part.inner;
    out.push_back(std::move(part));
  }
  if (!needed) out.clear();
  return out;
}

// -- storage

void put_block(Output& out, View bytes) {
  out.scalar(static_cast<std::uint32_t>(bytes.size()));
  out.bytes(bytes);
}

void put(Output& out, const Supplement& supplement) {
  put_block(out, wire::serialize(supplement.properties));
  out.scalar(static_cast<std::uint8_t>((supplement.open_text ? 1 : 0) | (supplement.open_html ? 2 : 0)));
  out.scalar(supplement.recipients_key);
  out.scalar(static_cast<std::uint32_t>(supplement.recipients.size()));
  for (const auto& one : supplement.recipients) {
    out.scalar(one.row);
    out.scalar(one.type);
    put_block(out, wire::serialize(one.properties));
  }
  out.scalar(static_cast<std::uint32_t>(supplement.parts.size()));
  for (const auto& part : supplement.parts) {
    out.scalar(part.number);
    out.scalar(part.position);
    out.scalar(part.size);
    out.scalar(static_cast<std::uint8_t>(part.message));
    put_block(out, wire::serialize(part.properties));
    out.scalar(static_cast<std::uint8_t>(part.inner != nullptr));
    if (part.inner) put(out, *part.inner);
  }
}

Status take_bag(Cursor& in, PropertyBag& out) {
  auto bag = wire::parse_property_bag(in.bytes(in.scalar<std::uint32_t>()));
  if (!bag) return bag.error();
  out = std::move(*bag);
  return {};
}

Result<std::shared_ptr<const Supplement>> take(Cursor& in, unsigned depth) {
  if (depth > max_depth) return error(Errc::limit, "messages within messages");
  auto out = std::make_shared<Supplement>();
  if (auto done = take_bag(in, out->properties); !done) return done.error();
  const auto open = in.scalar<std::uint8_t>();
  out->open_text = (open & 1) != 0;
  out->open_html = (open & 2) != 0;
  out->recipients_key = in.scalar<std::uint64_t>();
  const auto recipients = in.scalar<std::uint32_t>();
  for (std::uint32_t i = 0; i < recipients && in.can_hold(1, 12); ++i) {
    MessageData::Recipient one;
    one.row = in.scalar<std::uint32_t>();
    one.type = in.scalar<std::int32_t>();
    if (auto done = take_bag(in, one.properties); !done) return done.error();
    out->recipients.push_back(std::move(one));
  }
  const auto parts = in.scalar<std::uint32_t>();
  for (std::uint32_t i = 0; i < parts && in.can_hold(1, 22); ++i) {
    Supplement::Part part;
    part.number = in.scalar<std::uint32_t>();
    part.position = in.scalar<std::uint32_t>();
    part.size = in.scalar<std::int64_t>();
    part.message = in.scalar<std::uint8_t>() != 0;
    if (auto done = take_bag(in, part.properties); !done) return done.error();
    if (in.scalar<std::uint8_t>() != 0) {
      auto inner = take(in, depth + 1);
      if (!inner) return inner;
      part.inner = std::move(*inner);
    }
    out->parts.push_back(std::move(part));
  }
  if (!in.ok() || out->recipients.size() != recipients || out->parts.size() != parts)
    return error(Errc::malformed, "what stands beside a message is cut off");
  return std::shared_ptr<const Supplement>(std::move(out));
}

void collect(const PropertyBag& bag, std::vector<std::uint16_t>& ids) {
  for (const auto& [tag, value] : bag)
    if (tag.named()) ids.push_back(tag.id());
}

}  // namespace

Supplement supplement_of(const MessageData& message, const MimeMessage& mime, bool with_properties) {
  Supplement out;
  if (with_properties) add_properties(out, message, mime);
  if (!holds_all(mime.recipients(), message.recipients)) {
    out.recipients_key = key_of(mime.recipients());
    for (const auto& one : message.recipients) out.recipients.push_back(one.clone());
  }
  out.parts = parts_of(message, mime);
  if (message.properties.contains(PidTagBody)) out.open_text = mime.text() == message.properties.string(PidTagBody) + "\r\n";
  if (const auto html = message.properties.binary(PidTagHtml); !html.empty())
    out.open_html = as_text(mime.html()) == std::string(as_text(html)) + "\r\n";
  return out;
}

Bytes serialize(const Supplement& supplement) {
  Bytes bytes;
  Output out(bytes);
  out.scalar(format);
  put(out, supplement);
  return bytes;
}

Result<std::shared_ptr<const Supplement>> parse_supplement(View bytes) {
  Cursor in(bytes);
  if (in.scalar<std::uint32_t>() != format) return error(Errc::malformed, "what stands beside a message has an unknown format");
  auto out = take(in, 0);
  if (out && in.left() != 0) return error(Errc::malformed, "bytes behind what stands beside a message");
  return out;
}

bool belongs_to(const Supplement& supplement, const std::vector<Recipient>& recipients) {
  return !supplement.recipients.empty() && supplement.recipients_key == key_of(recipients);
}

bool belongs_to(const Supplement& supplement, const std::vector<Attachment>& attachments) {
  const auto& parts = supplement.parts;
  if (parts.empty() || parts.size() != attachments.size()) return false;
  std::vector<bool> taken(parts.size());
  std::vector<std::uint32_t> numbers;
  for (const auto& part : parts) {
    if (part.position >= parts.size() || taken[part.position]) return false;
    taken[part.position] = true;
    numbers.push_back(part.number);
    const auto& there = attachments[part.position];
    if (part.message != (there.kind == Attachment::Kind::embedded) || part.size != there.properties.number(PidTagAttachSize)) return false;
  }
  std::sort(numbers.begin(), numbers.end());
  return std::adjacent_find(numbers.begin(), numbers.end()) == numbers.end();
}

bool has_value(const PropertyBag& bag, PropertyTag tag, const Value& value) {
  const auto* there = bag.find(tag);
  if (there == nullptr) return false;
  PropertyBag one, two;
  one.set(tag, value);
  two.set(tag, *there);
  return wire::serialize(one) == wire::serialize(two);
}

void collect_named(const Supplement& supplement, std::vector<std::uint16_t>& ids) {
  collect(supplement.properties, ids);
  for (const auto& one : supplement.recipients) collect(one.properties, ids);
  for (const auto& part : supplement.parts) {
    collect(part.properties, ids);
    if (part.inner) collect_named(*part.inner, ids);
  }
}

}  // namespace mapigate::convert
