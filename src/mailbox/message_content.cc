#include "mailbox/message_content.h"

#include <algorithm>
#include <cstring>

#include "mapi/message_flags.h"

namespace mapigate::mailbox {

using namespace mapi;  // PidTag…

namespace {

// Larger attachments are read through streams only.
constexpr std::size_t max_inline_attachment = 32 * 1024;

PropertyName keywords_name() { return {PS_PUBLIC_STRINGS, {}, "Keywords"}; }

// What the index knows better than the content: ids, flags, what the user changed.
bool index_wins(PropertyTag tag) {
  for (const auto content : {PidTagMessageClass, PidTagHasAttachments, PidTagSubject, PidTagNormalizedSubject,
                             PidTagSubjectPrefix, PidTagDisplayTo, PidTagDisplayCc, PidTagDisplayBcc, PidTagImportance,
                             PidTagPriority, PidTagSensitivity, PidTagSearchKey, PidTagMessageLocaleId})
    if (content.id() == tag.id()) return false;
  return true;
}

}  // namespace

Task<Result<Content>> content_of(Mailbox& mailbox, std::shared_ptr<MessageObject> message) {
  if (auto kept = message->content.lock()) co_return kept;
  if (message->parent) {
    auto holder = message->parent;
    auto outer = co_await content_of(mailbox, holder->message);
    if (!outer) co_return outer;
    auto whole = *outer;
    const auto index = whole->attachment_numbered(holder->index);
    if (!index) co_return error(Errc::not_found, "the attachment is gone");
    const auto at = *index;
    auto open = [&whole, at]() { return whole->embedded(at); };
    auto inner = co_await io::run_blocking(mailbox.context().runtime, open);
    if (!inner) co_return inner.error();
    message->content = *inner;
    co_return *inner;
  }
  auto row = co_await mailbox.message(message->id);
  if (!row) co_return row.error();
  auto content = co_await mailbox.content(std::move(*row));
  if (content) message->content = *content;
  co_return content;
}

Task<Result<NamedIds>> named_ids(Mailbox& mailbox, Content content) {
  NamedIds out;
  const auto* mime = content.get();
  auto look_up = [mime, &out](state::MailboxState& s) -> Status {
    if (!mime->keywords().empty()) {
      const PropertyName name = keywords_name();
      auto ids = s.named_property_ids(std::span(&name, 1), true);
      if (!ids) return ids.error();
      if (ids->at(0) != 0) out[name] = ids->at(0);
    }
    // Only what every Outlook knows gets an id for a stranger's message: there are not enough for all names of the world.
    std::vector<PropertyName> common;
    for (const auto& [id, name] : mime->names())
      if (is_known(name)) common.push_back(name);
    if (!common.empty()) {
      auto ids = s.named_property_ids(common, true);
      if (!ids) return ids.error();
      for (std::size_t i = 0; i < common.size() && i < ids->size(); ++i)
        if ((*ids)[i] != 0) out[common[i]] = (*ids)[i];
    }
    std::vector<PropertyName> names;
    for (const auto& [id, name] : mime->names())
      if (!is_known(name)) names.push_back(name);
    for (const auto& header : mime->internet_headers()) names.push_back(header.first);
    if (names.empty()) return {};
    auto ids = s.named_property_ids(names, false);
    if (!ids) return ids.error();
    for (std::size_t i = 0; i < names.size() && i < ids->size(); ++i)
      if ((*ids)[i] != 0) out[names[i]] = (*ids)[i];
    return {};
  };
  auto done = co_await mailbox.with_state(look_up);
  if (!done) co_return done.error();
  co_return out;
}

Task<Result<PropertyBag>> named_values(Mailbox& mailbox, Content content) {
  auto names = co_await named_ids(mailbox, content);
  if (!names) co_return names.error();
  Arena arena;
  PropertyBag out;
  const ContentSource source(mailbox.identity(), std::nullopt, content, *names);
  for (const auto& [name, id] : *names) {
    // What follows from the attachments is not written down: they may change.
    if (name == PropertyName(PidLidSmartNoAttach)) continue;
    if (const auto value = source.get(PropertyTag(id, PropertyType::PtypUnspecified), arena)) out.set(PropertyTag(id, value->type), *value);
  }
  co_return out;
}

Task<Status> add_named_values(Mailbox& mailbox, Content content, convert::MessageData* data) {
  const auto& parts = content->attachments();
  for (std::size_t i = 0; i < parts.size() && i < data->attachments.size(); ++i) {
    if (parts[i].kind != convert::Attachment::Kind::embedded || !data->attachments[i].embedded) continue;
    auto open = [&content, i]() { return content->embedded(i); };
    auto inner = co_await io::run_blocking(mailbox.context().runtime, open);
    if (!inner) co_return inner.error();
    auto* held = data->attachments[i].embedded.get();
    auto added = co_await add_named_values(mailbox, *inner, held);
    if (!added) co_return added;
    held->take_as_original();
  }
  auto named = co_await named_values(mailbox, content);
  if (!named) co_return named.error();
  data->properties.set_all(*named);
  co_return Status{};
}

ContentSource::ContentSource(std::shared_ptr<const StoreIdentity> store, std::optional<state::Message> row, Content content,
                             NamedIds named)
    : content_(std::move(content)), named_(std::move(named)) {
  if (row) row_ = std::make_unique<MessageSource>(MessageView{std::move(store), std::move(*row)});
}

std::optional<Value> ContentSource::body(PropertyTag tag, Arena& arena) const {
  const auto is = [&](PropertyTag other) { return tag.id() == other.id(); };
  if (is(PidTagBody)) return Value::string(arena, content_->text());
  if (is(PidTagHtml)) {
    const auto html = content_->html();
    // The same id as PidTagBodyHtml, which is a string.
    if (tag.type() == PropertyType::PtypString || tag.type() == PropertyType::PtypString8)
      return Value::string(arena, from_code_page(as_text(html), content_->html_code_page()));
    return binary_value(arena, html);
  }
  if (is(PidTagRtfCompressed)) return binary_value(arena, content_->rtf_compressed());
  if (is(PidTagNativeBody)) {
    // Undefined where nobody wrote anything ([MS-OXCMSG] 2.2.1.58.2); only small messages are looked into for that.
    constexpr std::size_t small = 4096;
    auto native = content_->native_body();
    if (native == convert::NativeBody::text && content_->source().size() < small && content_->text().empty()) native = convert::NativeBody::none;
    return Value::integer32(static_cast<std::int32_t>(native));
  }
  // Row S9. Where RTF was made from HTML, the HTML is the better body ([MS-OXBBODY] 2.1.3); where it
  // was made from text it says so itself, and says it better than HTML would.
  if (is(PidTagRtfInSync)) return Value::boolean(content_->native_body() != convert::NativeBody::html);
  if (is(PidTagInternetCodepage)) return Value::integer32(static_cast<std::int32_t>(content_->html_code_page()));
  if (is(PidTagTransportMessageHeaders))
    return Value::string(arena, from_code_page(header_block(content_->source().view()), 65001));
  return std::nullopt;
}

std::optional<Value> ContentSource::named(PropertyTag tag, Arena& arena) const {
  for (const auto& [name, id] : named_) {
    if (id != tag.id()) continue;
    if (name == keywords_name()) {
      auto list = arena.make_span<Utf16>(content_->keywords().size());
      for (std::size_t i = 0; i < list.size(); ++i) list[i] = to_utf16(arena, content_->keywords()[i]);
      return Value{PropertyType::PtypMultipleString, std::span<const Utf16>(list)};
    }
    for (const auto& header : content_->internet_headers())
      if (header.first == name) return Value::string(arena, header.second);
    for (const auto& [own, its_name] : content_->names())
      if (its_name == name) return find_in(content_->named_properties(), PropertyTag(own, tag.type()));
  }
  return std::nullopt;
}

bool ContentSource::has_named() const {
  const auto any = [](const PropertyBag& bag) { return std::any_of(bag.begin(), bag.end(), [](const auto& one) { return one.tag.named(); }); };
  return !content_->keywords().empty() || !content_->internet_headers().empty() || !content_->names().empty() || any(content_->beside()) ||
         (row_ && any(row_->message().extras));
}

std::optional<Value> ContentSource::get(PropertyTag tag, Arena& arena) const {
  if (tag.id() == supplement_tag.id()) return std::nullopt;
  // What the user set counts more than what the message came with; flags are asked of the row below.
  if (row_ && tag.id() != PidTagMessageFlags.id() && tag.id() != PidTagFlagStatus.id())
    if (auto value = find_in(row_->message().extras, tag)) return value;
  const auto& beside = content_->beside();
  if (!row_ && tag.id() != PidTagMessageFlags.id())
    if (auto value = find_in(beside, tag)) return value;
  if (tag.named()) {
    if (auto value = find_in(beside, tag)) return value;
    return named(tag, arena);
  }
  if (tag.id() == PidTagHasAttachments.id()) return Value::boolean(!content_->attachments().empty());
  if (tag.id() == PidTagHasNamedProperties.id()) return Value::boolean(has_named());
  if (tag.id() == PidTagMessageFlags.id()) {
    auto flags = row_ ? message_flags(row_->message()) : mfRead | mfUnmodified | mfEverRead;
    if (!row_ && beside.contains(PidTagMessageFlags)) flags = static_cast<std::uint32_t>(beside.number(PidTagMessageFlags)) & ~mfHasAttach;
    if (!content_->attachments().empty()) flags |= mfHasAttach;
    return Value::integer32(static_cast<std::int32_t>(flags));
  }
  if (row_ && index_wins(tag))
    if (auto value = row_->get(tag, arena)) return value;
  if (auto value = find_in(beside, tag)) return value;
  if (auto value = body(tag, arena)) return value;
  if (auto value = find_in(content_->properties(), tag)) return value;
  if (row_) return row_->get(tag, arena);
  if (tag.id() == PidTagMessageClass.id()) return Value::string(arena, "IPM.Note");
  if (tag.id() == PidTagObjectType.id()) return Value::integer32(5);
  if (tag.id() == PidTagAccess.id()) return Value::integer32(2);
  if (tag.id() == PidTagAccessLevel.id()) return Value::integer32(1);
  if (tag.id() == PidTagMessageLocaleId.id() || tag.id() == PidTagLocaleId.id()) return Value::integer32(0x0409);
  if (tag.id() == PidTagMessageSize.id()) {
    const auto size = content_->source().size();
    if (tag.type() == PidTagMessageSizeExtended.type()) return Value::integer64(static_cast<std::int64_t>(size));
    return Value::integer32(static_cast<std::int32_t>(size));
  }
  return std::nullopt;
}

std::vector<PropertyTag> ContentSource::list() const {
  std::vector<PropertyTag> tags;
  const auto add = [&](PropertyTag tag) {
    if (std::none_of(tags.begin(), tags.end(), [&](auto t) { return t.id() == tag.id(); })) tags.push_back(tag);
  };
  if (row_)
    for (const auto tag : row_->list()) add(tag);
  for (const auto& value : content_->beside()) add(value.tag);
  for (const auto& value : content_->properties()) add(value.tag);
  for (const auto tag : {PidTagHasAttachments, PidTagMessageFlags, PidTagBody, PidTagHtml, PidTagRtfCompressed,
                         PidTagNativeBody, PidTagRtfInSync, PidTagInternetCodepage, PidTagTransportMessageHeaders})
    add(tag);
  for (const auto& [name, id] : named_) {
    auto type = name == keywords_name() ? PropertyType::PtypMultipleString : PropertyType::PtypString;
    for (const auto& [own, its_name] : content_->names())
      if (const auto* value = content_->named_properties().find(PropertyTag(own, PropertyType::PtypUnspecified)); value != nullptr && its_name == name)
        type = value->type;
    add(PropertyTag(id, type));
  }
  return tags;
}

Value attachment_key(std::uint32_t number, Arena& arena) {
  Bytes bytes(sizeof(number));
  std::memcpy(bytes.data(), &number, sizeof(number));
  return Value::binary(arena.copy(View(bytes)));
}

std::optional<Value> AttachmentSource::get(PropertyTag tag, Arena& arena) const {
  const auto& attachment = content_->attachments()[index_];
  if (tag.id() == PidTagAttachDataBinary.id()) {  // and PidTagAttachDataObject
    if (!with_data_) return std::nullopt;
    if (attachment.kind == convert::Attachment::Kind::embedded) return std::nullopt;
    const auto size = content_->attachment_size(index_);
    if (!size || *size > max_inline_attachment) return Value::error(ecMemory);
    const auto data = content_->attachment_data(index_);
    return data ? binary_value(arena, *data) : Value::error(to_error_code(data.error()));
  }
  if (auto value = find_in(attachment.properties, tag)) return value;
  if (tag.id() == PidTagAttachNumber.id()) return Value::integer32(static_cast<std::int32_t>(index_));
  if (tag.id() == PidTagRecordKey.id())
    return attachment_key(static_cast<std::uint32_t>(attachment.properties.number(PidTagAttachNumber)), arena);
  if (tag.id() == PidTagRenderingPosition.id()) return Value::integer32(-1);
  if (tag.id() == PidTagObjectType.id()) return Value::integer32(7);
  if (tag.id() == PidTagAccessLevel.id()) return Value::integer32(0);
  if (tag.id() == PidTagAttachMethod.id())
    return Value::integer32(attachment.kind == convert::Attachment::Kind::embedded ? convert::afEmbeddedMessage
                                                                                    : convert::afByValue);
  if (tag.id() == PidTagAttachSize.id()) {
    const auto size = content_->attachment_size(index_);
    return size ? std::optional(Value::integer32(static_cast<std::int32_t>(*size))) : std::nullopt;
  }
  return std::nullopt;
}

std::vector<PropertyTag> AttachmentSource::list() const {
  std::vector<PropertyTag> tags = BagSource(content_->attachments()[index_].properties).list();
  for (const auto tag : {PidTagAttachNumber, PidTagRenderingPosition, PidTagObjectType, PidTagAccessLevel, PidTagAttachMethod,
                         PidTagAttachSize, PidTagRecordKey})
    if (std::none_of(tags.begin(), tags.end(), [&](auto t) { return t.id() == tag.id(); })) tags.push_back(tag);
  if (with_data_ && content_->attachments()[index_].kind == convert::Attachment::Kind::data) tags.push_back(PidTagAttachDataBinary);
  return tags;
}

std::vector<PropertyTag> attachment_columns() {
  return {PidTagAttachNumber,      PidTagAttachMethod,    PidTagAttachSize,      PidTagRenderingPosition, PidTagDisplayName,
          PidTagAttachFilename,    PidTagAttachLongFilename, PidTagAttachMimeTag, PidTagAttachContentId,  PidTagAttachExtension,
          PidTagAttachFlags,       PidTagAttachmentHidden, PidTagObjectType,     PidTagAccessLevel,
          PidTagRecordKey,         PidTagCreationTime,    PidTagLastModificationTime, PidTagInstanceKey,   PidTagRowType};
}

std::string_view header_block(View message) {
  const auto text = as_text(message).substr(0, std::size_t{1} << 20);
  auto end = text.find("\r\n\r\n");
  const auto bare = text.find("\n\n");
  if (end == std::string_view::npos || (bare != std::string_view::npos && bare < end)) end = bare;
  return end == std::string_view::npos ? text : text.substr(0, end);
}

}  // namespace mapigate::mailbox
