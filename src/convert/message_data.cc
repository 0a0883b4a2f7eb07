#include "convert/message_data.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/cursor.h"
#include "base/text.h"
#include "convert/charset.h"
#include "convert/html_text.h"
#include "convert/rtf.h"
#include "mapi/entry_id.h"
#include "mapi/legacy_dn.h"
#include "wire/property_bag_codec.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

constexpr std::uint32_t format = 1;
constexpr unsigned max_depth = 20;
constexpr unsigned utf8_code_page = 65001;
constexpr std::size_t max_original = std::size_t{16} << 20;

bool is_internet(std::string_view address_type) { return address_type.empty() || equal_ignoring_ascii_case(address_type, "SMTP"); }

}  // namespace

MessageData MessageData::clone() const {
  MessageData out;
  out.properties = properties.clone();
  for (const auto& one : recipients) out.recipients.push_back(one.clone());
  for (const auto& one : attachments) out.attachments.push_back(one.clone());
  out.next_attachment = next_attachment;
  out.original = original;
  out.digest = digest;
  return out;
}

MessageData::Attachment* MessageData::attachment(std::uint32_t number) {
  const auto found = std::find_if(attachments.begin(), attachments.end(), [&](auto& a) { return a.number == number; });
  return found == attachments.end() ? nullptr : &*found;
}
const MessageData::Attachment* MessageData::attachment(std::uint32_t number) const {
  const auto found = std::find_if(attachments.begin(), attachments.end(), [&](auto& a) { return a.number == number; });
  return found == attachments.end() ? nullptr : &*found;
}

namespace {
Bytes digest_of(const MessageData& message) {
  const auto bytes = serialize(message);
  Bytes out(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), out.data(), &size, EVP_sha256(), nullptr);
  out.resize(size);
  return out;
}
}  // namespace

void MessageData::take_as_original() {
  if (original.size() != 0) digest = digest_of(*this);
}

bool MessageData::is_original() const { return original.size() != 0 && !digest.empty() && digest == digest_of(*this); }

Result<MessageData> message_data(const MimeMessage& mime, std::size_t memory_limit) {
  MessageData out;
  out.properties = mime.properties().clone();
  if (mime.native_body() == NativeBody::html) {
    const auto html = mime.html();
    out.properties.set_binary(PidTagHtml, html);
    out.properties.set_integer(PidTagInternetCodepage, static_cast<std::int32_t>(mime.html_code_page()));
  } else if (mime.native_body() == NativeBody::rtf) {
    out.properties.set_binary(PidTagRtfCompressed, mime.rtf_compressed());
  }
  // Also beside HTML: it is the writer's own.
  if (mime.native_body() != NativeBody::rtf) out.properties.set_string(PidTagBody, mime.text());
  out.properties.set_all(mime.beside());
  // It is the body; the HTML was made of it.
  if (mime.beside().contains(PidTagRtfCompressed)) out.properties.remove(PidTagHtml);
  for (const auto tag : {PidTagNativeBody, PidTagRtfInSync, PidTagMessageSize, PidTagMessageSizeExtended, PidTagHasAttachments})
    out.properties.remove(tag);
  for (const auto& recipient : mime.recipients()) out.recipients.push_back({recipient.row, recipient.type, recipient.properties.clone()});
  for (std::size_t i = 0; i < mime.attachments().size(); ++i) {
    MessageData::Attachment attachment;
    attachment.properties = mime.attachments()[i].properties.clone();
    attachment.number = static_cast<std::uint32_t>(attachment.properties.number(PidTagAttachNumber));
    attachment.part = mime.attachments()[i].part;
    out.next_attachment = std::max(out.next_attachment, attachment.number + 1);
    if (mime.attachments()[i].kind == Attachment::Kind::embedded) {
      auto inner = mime.embedded(i);
      if (!inner) return inner.error();
      auto data = message_data(**inner, memory_limit);
      if (!data) return data;
      attachment.embedded = std::make_shared<MessageData>(std::move(*data));
      // Larger ones cost too much memory to compare.
      if ((*inner)->source().size() <= max_original) {
        attachment.embedded->original = (*inner)->source();
        attachment.embedded->digest = digest_of(*attachment.embedded);
      }
    } else {
      Spool spool(memory_limit);
      auto read = mime.read_attachment(i, [&](View piece) { return spool.append(piece); });
      if (!read) return read.error();
      auto bytes = std::move(spool).finish();
      if (!bytes) return bytes.error();
      attachment.data = std::move(*bytes);
    }
    out.attachments.push_back(std::move(attachment));
  }
  return out;
}

// -- bodies

namespace {

enum class Native { none, text, html, rtf };

// The RTF body, decompressed; empty when there is none that can be read.
std::string rtf_of(const PropertyBag& bag) {
  const auto compressed = bag.binary(PidTagRtfCompressed);
  if (compressed.empty()) return {};
  auto rtf = decompress_rtf(compressed);
  return rtf ? std::move(*rtf) : std::string();
}

Native native_of(const PropertyBag& bag) {
  if (bag.find(PidTagHtml) != nullptr && !bag.binary(PidTagHtml).empty()) return Native::html;
  if (!bag.binary(PidTagRtfCompressed).empty()) return Native::rtf;
  return bag.contains(PidTagBody) ? Native::text : Native::none;
}

std::string html_utf8(const PropertyBag& bag) {
  const auto html = bag.binary(PidTagHtml);
  const auto page = static_cast<unsigned>(bag.number(PidTagInternetCodepage));
  if (page == 0) return is_utf8(html) ? std::string(as_text(html)) : from_code_page(as_text(html), 1252);
  return page == utf8_code_page ? std::string(as_text(html)) : from_code_page(as_text(html), page);
}

}  // namespace

std::optional<Value> body_of(const PropertyBag& bag, PropertyTag tag, Arena& arena) {
  const auto native = native_of(bag);
  if (native == Native::none) return std::nullopt;
  const auto is = [&](PropertyTag other) { return tag.id() == other.id(); };
  if (is(PidTagNativeBody)) return Value::integer32(native == Native::text ? 1 : native == Native::rtf ? 2 : 3);
  if (is(PidTagRtfInSync)) return Value::boolean(native != Native::html);
  if (!is(PidTagBody) && !is(PidTagHtml) && !is(PidTagRtfCompressed)) return std::nullopt;
  const auto own = is(PidTagHtml) ? PidTagHtml : is(PidTagBody) ? PidTagBody : PidTagRtfCompressed;
  if (const auto* value = bag.find(own)) return *value;
  const auto rtf = native == Native::rtf ? rtf_of(bag) : std::string();
  std::string html;
  bool has_html = native == Native::html;
  if (has_html) html = html_utf8(bag);
  if (native == Native::rtf) {
    if (auto inside = rtf_to_html(rtf)) {
      html = std::move(*inside);
      has_html = true;
    }
  }
  const bool own_rtf = native == Native::rtf && !has_html && rtf_content(rtf) == RtfContent::rtf;
  const auto text = [&] {
    if (native == Native::html) return html_to_text(html);
    return native == Native::rtf ? rtf_to_text(rtf) : bag.string(PidTagBody);
  };
  if (is(PidTagBody)) return Value::string(arena, text());
  if (is(PidTagHtml)) {
    // In the page that PidTagInternetCodepage promises, whoever set it; one made of text names UTF-8 in its head.
    const auto page = static_cast<unsigned>(bag.number(PidTagInternetCodepage));
    const auto encoded = has_html ? encode_html(html, page)
                                  : encode_html(own_rtf ? rtf_to_markup(rtf) : text_to_html(text()), page == utf8_code_page ? page : 0);
    return Value::binary(arena.copy(View(encoded)));
  }
  const auto made = compress_rtf(has_html ? html_to_rtf(html) : text_to_rtf(text()));
  return Value::binary(arena.copy(View(made)));
}

// -- storage

namespace {

void put_block(Output& out, View bytes) {
  out.scalar(static_cast<std::uint32_t>(bytes.size()));
  out.bytes(bytes);
}
View take_block(Cursor& in) { return in.bytes(in.scalar<std::uint32_t>()); }

void put(Output& out, const MessageData& message) {
  put_block(out, wire::serialize(message.properties));
  out.scalar(message.next_attachment);
  out.scalar(static_cast<std::uint32_t>(message.recipients.size()));
  for (const auto& recipient : message.recipients) {
    out.scalar(recipient.row);
    out.scalar(recipient.type);
    put_block(out, wire::serialize(recipient.properties));
  }
  out.scalar(static_cast<std::uint32_t>(message.attachments.size()));
  for (const auto& attachment : message.attachments) {
    out.scalar(attachment.number);
    put_block(out, wire::serialize(attachment.properties));
    put_block(out, attachment.data.view());
    out.scalar(static_cast<std::uint8_t>(attachment.embedded != nullptr));
    if (attachment.embedded) put(out, *attachment.embedded);
  }
}

Result<PropertyBag> take_bag(Cursor& in) { return wire::parse_property_bag(take_block(in)); }

Result<MessageData> take(Cursor& in, unsigned depth) {
  if (depth > max_depth) return error(Errc::limit, "messages within messages");
  MessageData out;
  auto bag = take_bag(in);
  if (!bag) return bag.error();
  out.properties = std::move(*bag);
  out.next_attachment = in.scalar<std::uint32_t>();
  const auto recipients = in.scalar<std::uint32_t>();
  for (std::uint32_t i = 0; i < recipients && in.can_hold(1, 12); ++i) {
    MessageData::Recipient recipient;
    recipient.row = in.scalar<std::uint32_t>();
    recipient.type = in.scalar<std::int32_t>();
    auto properties = take_bag(in);
    if (!properties) return properties.error();
    recipient.properties = std::move(*properties);
    out.recipients.push_back(std::move(recipient));
  }
  const auto attachments = in.scalar<std::uint32_t>();
  for (std::uint32_t i = 0; i < attachments && in.ok(); ++i) {
    MessageData::Attachment attachment;
    attachment.number = in.scalar<std::uint32_t>();
    auto properties = take_bag(in);
    if (!properties) return properties.error();
    attachment.properties = std::move(*properties);
    attachment.data = ByteSource::from_bytes(to_bytes(take_block(in)));
    if (in.scalar<std::uint8_t>() != 0) {
      auto inner = take(in, depth + 1);
      if (!inner) return inner;
      attachment.embedded = std::make_shared<MessageData>(std::move(*inner));
    }
    out.attachments.push_back(std::move(attachment));
  }
  if (!in.ok() || out.recipients.size() != recipients || out.attachments.size() != attachments)
    return error(Errc::malformed, "a stored message that is cut off");
  return out;
}

}  // namespace

Bytes serialize(const MessageData& message) {
  Bytes bytes;
  Output out(bytes);
  out.scalar(format);
  put(out, message);
  return bytes;
}

Result<MessageData> parse_message_data(View bytes) {
  Cursor in(bytes);
  if (in.scalar<std::uint32_t>() != format) return error(Errc::malformed, "a stored message of an unknown format");
  auto out = take(in, 0);
  if (out && in.left() != 0) return error(Errc::malformed, "bytes behind a stored message");
  return out;
}

// -- people

std::string address_of_entry_id(View entry_id) {
  // Flags, ProviderUID, Version and Type; then the X500 DN with its final zero.
  constexpr std::array<std::uint8_t, 16> provider{0xDC, 0xA7, 0x40, 0xC8, 0xC0, 0x42, 0x10, 0x1A, 0xB4, 0xB9, 0x08, 0x00, 0x2B, 0x2F, 0xE1, 0x82};
  constexpr std::size_t flags_size = 4, head = 28;
  if (entry_id.size() <= head || !equal(entry_id.subspan(flags_size, provider.size()), provider)) return {};
  const auto dn = as_text(entry_id.subspan(head));
  return address_of_user_dn(dn.substr(0, dn.find('\0'))).value_or(std::string());
}

Address person(const PropertyBag& bag, const PersonTags& tags) {
  Address out;
  out.name = bag.string(tags.name);
  out.address = bag.string(tags.smtp_address);
  const auto type = bag.string(tags.address_type);
  const auto email = bag.string(tags.email_address);
  if (out.address.empty() && is_internet(type) && email.find('@') != email.npos)
    out.address = email;
  if (out.address.empty()) {
    if (auto one_off = parse_one_off_entry_id(bag.binary(tags.entry_id)); one_off && is_internet(one_off->AddressType)) {
      out.address = one_off->EmailAddress;
      if (out.name.empty()) out.name = one_off->DisplayName;
    }
  }
  if (out.address.empty())
    if (auto ours = address_of_user_dn(email)) out.address = *ours;
  if (out.address.empty()) out.address = address_of_entry_id(bag.binary(tags.entry_id));
  if (out.name == out.address) out.name.clear();
  return out;
}

Address recipient_address(const PropertyBag& recipient) {
  const bool own_name = !recipient.string(PidTagRecipientDisplayName).empty();
  auto out = person(recipient, {own_name ? PidTagRecipientDisplayName : PidTagDisplayName, PidTagAddressType,
                                PidTagEmailAddress, PidTagEntryId, PidTagSmtpAddress});
  if (out.address.empty())
    if (auto one_off = parse_one_off_entry_id(recipient.binary(PidTagRecipientEntryId)); one_off && is_internet(one_off->AddressType))
      out.address = one_off->EmailAddress;
  if (out.name == out.address) out.name.clear();
  return out;
}

namespace {
constexpr std::uint8_t row_gets_it_again = 0x10, row_has_it = 0x80;
}

std::int32_t recipient_type_of(std::uint8_t row_type) {
  std::uint32_t out = row_type & ~(row_gets_it_again | row_has_it);
  if (row_type & row_gets_it_again) out |= recipient_gets_it_again;
  if (row_type & row_has_it) out |= recipient_has_it;
  return static_cast<std::int32_t>(out);
}

std::uint8_t row_type_of(std::int32_t recipient_type) {
  const auto type = static_cast<std::uint32_t>(recipient_type);
  auto out = static_cast<std::uint8_t>(type & 0xFF);
  if (type & recipient_gets_it_again) out |= row_gets_it_again;
  if (type & recipient_has_it) out |= row_has_it;
  return out;
}

Recipient complete_recipient(const MessageData::Recipient& recipient) {
  Recipient out;
  out.type = recipient.type;
  out.row = recipient.row;
  auto address = recipient_address(recipient.properties);
  out.display_name = address.display();
  out.smtp_address = address.address;
  auto& bag = out.properties;
  bag = recipient.properties.clone();
  const auto unless = [&](PropertyTag tag, const Value& value) {
    if (!bag.contains(tag)) bag.set(tag, value);
  };
  Arena arena;
  unless(PidTagObjectType, Value::integer32(6));
  unless(PidTagDisplayType, Value::integer32(0));
  unless(PidTagDisplayName, Value::string(arena, out.display_name));
  unless(PidTagRecipientDisplayName, Value::string(arena, out.display_name));
  unless(PidTagAddressType, Value::string(arena, "SMTP"));
  unless(PidTagEmailAddress, Value::string(arena, out.smtp_address));
  // Whom nobody has an Internet address of is addressed as the client said.
  const auto type = bag.string(PidTagAddressType), email = bag.string(PidTagEmailAddress);
  const bool elsewhere = out.smtp_address.empty() && !email.empty() && !is_internet(type);
  if (!elsewhere) unless(PidTagSmtpAddress, Value::string(arena, out.smtp_address));
  auto entry_id = elsewhere ? to_bytes(bag.binary(PidTagRecipientEntryId)) : one_off_entry_id(out.display_name, out.smtp_address);
  if (entry_id.empty()) entry_id = type == "EX" ? address_book_entry_id(email) : one_off_entry_id(out.display_name, email, type);
  unless(PidTagEntryId, Value::binary(entry_id));
  unless(PidTagRecipientEntryId, Value::binary(bag.binary(PidTagEntryId)));
  unless(PidTagSearchKey, Value::binary(arena.copy(View(elsewhere ? search_key(email, type) : search_key(out.smtp_address)))));
  unless(PidTagSendRichInfo, Value::boolean(false));
  unless(PidTagRecipientFlags, Value::integer32(1));
  unless(PidTagRecipientOrder, Value::integer32(static_cast<std::int32_t>(recipient.row)));
  bag.set_integer(PidTagRecipientType, recipient.type);
  return out;
}

}  // namespace mapigate::convert
