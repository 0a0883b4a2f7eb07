#include "mailbox/message_edit.h"

#include <openssl/rand.h>

#include <algorithm>

#include "base/log.h"
#include "convert/mime_supplement.h"
#include "mapi/entry_id.h"
#include "mapi/legacy_dn.h"

namespace mapigate::mailbox {

using namespace mapi;

namespace {

constexpr std::int64_t followup_complete = 1, followup_flagged = 2;

constexpr PropertyTag computed[] = {
    PidTagMid, PidTagInstID, PidTagInstanceNum, PidTagFolderId, PidTagParentFolderId, PidTagEntryId,
    PidTagLongTermEntryIdFromTable, PidTagRecordKey, PidTagParentEntryId, PidTagInstanceKey, PidTagSourceKey,
    PidTagParentSourceKey, PidTagChangeKey, PidTagPredecessorChangeList, PidTagChangeNumber, PidTagStoreEntryId,
    PidTagStoreRecordKey, PidTagMappingSignature, PidTagObjectType, PidTagRowType, PidTagDepth, PidTagAccess,
    PidTagAccessLevel, PidTagAssociated, PidTagMessageSize, PidTagMessageSizeExtended, PidTagHasAttachments,
    PidTagHasNamedProperties, PidTagDisplayTo, PidTagDisplayCc, PidTagDisplayBcc, PidTagRead, supplement_tag, state::said_sender,
    state::no_files_shown};
// Told by the flags of the message, in the store and in the backend.
constexpr PropertyTag by_flags[] = {PidTagMessageFlags, PidTagFlagStatus, PidTagMessageStatus};
constexpr PropertyTag subjects[] = {PidTagSubject, PidTagSubjectPrefix, PidTagNormalizedSubject};
constexpr PropertyTag bodies[] = {PidTagBody, PidTagHtml, PidTagRtfCompressed};

template <std::size_t N>
bool in(const PropertyTag (&list)[N], PropertyTag tag) {
  return std::any_of(std::begin(list), std::end(list), [&](auto one) { return one.id() == tag.id(); });
}

bool is_embedded(const MessageObject& message) { return message.parent != nullptr; }

// Whether the message is, or will be, MIME in a backend.
bool in_backend(Mailbox& mailbox, const MessageObject& message) {
  if (is_embedded(message) || message.associated) return false;
  const auto* folder = mailbox.tree()->find(message.folder);
  return folder && !mailbox.is_local(*folder);
}

void set_subject(PropertyBag& bag, PropertyTag tag, const Value& value) {
  if (tag.id() == PidTagSubject.id()) {
    const auto text = text_of(value);
    const auto parts = convert::split_subject(text);
    bag.set_string(PidTagSubject, text);
    bag.set_string(PidTagSubjectPrefix, parts.prefix);
    bag.set_string(PidTagNormalizedSubject, parts.normalized);
    return;
  }
  // Some clients set the prefix alone first: the rest stays what it was.
  bag.set(tag, value);
  bag.set_string(PidTagSubject, bag.string(PidTagSubjectPrefix) + bag.string(PidTagNormalizedSubject));
}

// [MS-OXOFLAG] 2.2.1.1 and [MS-OXOMSG] 2.2.1.10: what of it the flags of backends can hold. True when there is nothing
// left to keep.
bool set_flag_property(MessageObject& message, PropertyTag tag, std::int64_t n) {
  const auto change = [&](std::uint32_t flag, bool on) {
    (on ? message.set_flags : message.clear_flags) |= flag;
    (on ? message.clear_flags : message.set_flags) &= ~flag;
  };
  if (tag.id() == PidTagFlagStatus.id()) {
    change(state::flag_flagged, n == followup_flagged);
    return n != followup_complete;
  }
  if (tag.id() == PidTagLastVerbExecuted.id()) {
    if (n == 102 || n == 103) change(state::flag_answered, true);
    if (n == 104) change(state::flag_forwarded, true);
  }
  return false;
}

bool flag_property(PropertyTag tag) { return tag.id() == PidTagFlagStatus.id() || tag.id() == PidTagLastVerbExecuted.id(); }

Task<Status> load_extras(Mailbox& mailbox, std::shared_ptr<MessageObject> message) {
  if (message->extras) co_return Status{};
  auto row = co_await mailbox.message(message->id);
  if (!row) co_return row.error();
  message->extras = std::move(row->extras);
  message->extras_before = message->extras->clone();
  co_return Status{};
}

}  // namespace

bool is_computed(PropertyTag tag) { return in(computed, tag); }

PropertyBag beside_mime(const PropertyBag& properties) {
  PropertyBag out;
  const auto compressed = properties.binary(PidTagRtfCompressed);
  // A name without an address: MIME would give back that of the mailbox's owner.
  const auto sender = convert::person(properties, {PidTagSenderName, PidTagSenderAddressType, PidTagSenderEmailAddress,
                                                   PidTagSenderEntryId, PidTagSenderSmtpAddress});
  const auto represented = convert::person(properties, {PidTagSentRepresentingName, PidTagSentRepresentingAddressType,
                                                        PidTagSentRepresentingEmailAddress, PidTagSentRepresentingEntryId,
                                                        PidTagSentRepresentingSmtpAddress});
  for (const auto& [tag, value] : properties) {
    if (is_computed(tag)) continue;
    if ((tag.id() == PidTagSenderName.id() && sender.address.empty()) ||
        (tag.id() == PidTagSentRepresentingName.id() && represented.address.empty())) {
      out.set(tag, value);
      continue;
    }
    if (tag.id() == PidTagMessageFlags.id() && (number_of(value) & mfResend) != 0) out.set_integer(tag, mfResend);
    const bool complete = tag.id() == PidTagFlagStatus.id() && number_of(value) == followup_complete;
    if (in(by_flags, tag) && !complete) continue;
    const bool class_of_mail = tag.id() == PidTagMessageClass.id() && equal_ignoring_ascii_case(text_of(value), "IPM.Note");
    // An RTF body that carries no HTML cannot be had back from the text that is made of it.
    const bool rtf_alone = tag.id() == PidTagRtfCompressed.id() && !properties.contains(PidTagHtml) && !compressed.empty();
    if (rtf_alone) {
      out.set(tag, value);
      out.set_integer(PidTagNativeBody, 2);
      out.set_boolean(PidTagRtfInSync, true);
      continue;
    }
    if (convert::in_mime(tag) || class_of_mail) continue;
    out.set(tag, value);
  }
  // A prefix that nobody would find in the subject again.
  const auto prefix = properties.string(PidTagSubjectPrefix), rest = properties.string(PidTagNormalizedSubject);
  if (!prefix.empty() && convert::split_subject(prefix + rest).prefix != prefix) {
    out.set_string(PidTagSubjectPrefix, prefix);
    out.set_string(PidTagNormalizedSubject, rest);
  }
  return out;
}

namespace {

// Told by the MIME in a way of its own, or by the store.
constexpr PropertyTag told_anew[] = {PidTagNativeBody, PidTagRtfInSync, PidTagInternetCodepage, PidTagMessageDeliveryTime};

// Whether nothing is lost when the header does not mention it.
bool is_usual(PropertyTag tag, const Value& value) {
  if (tag.id() == PidTagImportance.id()) return number_of(value) == 1;
  if (const auto* text = value.get<Utf16>()) return text->bytes.empty();
  if (const auto* bytes = value.get<View>()) return bytes->empty();
  return tag.type() != PropertyType::PtypTime && number_of(value) == 0;
}

// Of what the header has words for that which they do not tell exactly: times within a second, addresses and entry ids of the
// address book, what does not fit into a field.
void keep_inexact(const PropertyBag& written, const PropertyBag& read, PropertyBag& extras) {
  for (const auto& [tag, value] : written) {
    if (!convert::in_mime(tag) || is_computed(tag) || in(bodies, tag) || in(told_anew, tag) || extras.contains(tag)) continue;
    if (convert::has_value(read, tag, value) || (!read.contains(tag) && is_usual(tag, value))) continue;
    // Those that a transport wrote; those of what is stored here are made of it.
    if (tag.id() == PidTagTransportMessageHeaders.id() && text_of(value).find("Received:") == std::string::npos) continue;
    extras.set(tag, value);
  }
}

}  // namespace

Result<StoredForm> stored_form(convert::MessageData& message, const convert::MimeWriteOptions& options) {
  auto mime = convert::write_mime(message, options);
  if (!mime) return mime.error();
  auto parsed = convert::MimeMessage::parse(*mime);
  if (!parsed) return parsed.error();
  StoredForm out{std::move(*mime), beside_mime(message.properties)};
  keep_inexact(message.properties, (*parsed)->properties(), out.extras);
  const auto supplement = convert::supplement_of(message, **parsed, false);
  if (!supplement.empty()) {
    constexpr std::size_t most = std::size_t{16} << 20;  // it is read with every row of the message
    const auto bytes = convert::serialize(supplement);
    if (bytes.size() > most) return error(Errc::limit, "properties of recipients and attachments of {} bytes", bytes.size());
    out.extras.set_binary(supplement_tag, bytes);
  }
  return out;
}

std::shared_ptr<const convert::Supplement> supplement_in(const PropertyBag& extras) {
  const auto bytes = extras.binary(supplement_tag);
  if (bytes.empty()) return nullptr;
  auto parsed = convert::parse_supplement(bytes);
  if (!parsed) {
    log::warning("mailbox: {}", parsed.error().message);
    return nullptr;
  }
  return *parsed;
}

void add_extras(convert::MessageData& message, const PropertyBag& extras) {
  message.properties.set_all(extras);
  message.properties.remove(supplement_tag);
  // It is the body; the HTML was made of it, and which one counts is told by what is there.
  if (extras.contains(PidTagRtfCompressed))
    for (const auto tag : {PidTagHtml, PidTagNativeBody, PidTagRtfInSync}) message.properties.remove(tag);
}

Value normal_value(PropertyTag& tag, const Value& value, Arena& arena, unsigned code_page) {
  if (value.type == PropertyType::PtypString8) {
    tag = tag.with(PropertyType::PtypString);
    return Value::string(arena, text_of(value, code_page));
  }
  if (const auto* list = value.get<std::span<const String8>>()) {
    auto out = arena.make_span<Utf16>(list->size());
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = to_utf16(arena, from_code_page((*list)[i].text, code_page));
    tag = tag.with(PropertyType::PtypMultipleString);
    return {PropertyType::PtypMultipleString, std::span<const Utf16>(out)};
  }
  return value;
}

bool is_read_only(const Object& object) {
  if (object.kind == Object::Kind::attachment) {
    const auto& attachment = static_cast<const AttachmentObject&>(object);
    return attachment.read_only || is_read_only(*attachment.message);
  }
  if (object.kind != Object::Kind::message) return false;
  const auto& message = static_cast<const MessageObject&>(object);
  return message.read_only || (message.parent && is_read_only(*message.parent));
}

Task<Status> make_editable(Mailbox& mailbox, std::shared_ptr<MessageObject> message) {
  if (message->data) co_return Status{};
  auto content = co_await content_of(mailbox, message);
  if (!content) co_return content.error();
  auto held = *content;
  const auto limit = mailbox.context().options.max_stream_memory;
  auto convert = [held, limit]() { return convert::message_data(*held, limit); };
  auto made = co_await io::run_blocking(mailbox.context().runtime, convert);
  if (!made) co_return made.error();
  auto data = std::make_shared<convert::MessageData>(std::move(*made));
  auto named = co_await add_named_values(mailbox, held, data.get());
  if (!named) co_return named;
  if (!is_embedded(*message)) {
    auto loaded = co_await load_extras(mailbox, message);
    if (!loaded) co_return loaded;
    // The sender as the index has it (Mailbox::name_senders).
    auto row = co_await mailbox.message(message->id);
    if (!row) co_return row.error();
    if (row->properties.contains(state::said_sender))
      for (const auto tag : {PidTagSenderName, PidTagSenderEntryId, PidTagSentRepresentingName, PidTagSentRepresentingEntryId})
        if (const auto* value = row->properties.find(tag)) data->properties.set(tag, *value);
    add_extras(*data, *message->extras);
  }
  message->data = std::move(data);
  co_return Status{};
}

Task<ErrorCode> set_property(Mailbox& mailbox, std::shared_ptr<MessageObject> message, PropertyTag tag, Value value, unsigned code_page) {
  if (is_computed(tag)) co_return ecComputed;
  Arena arena;
  value = normal_value(tag, value, arena, code_page);
  if (tag.id() == PidTagHtml.id() && value.get<Utf16>()) {
    // PidTagBodyHtml, the same property as a string.
    value = Value::binary(arena.copy(as_view(to_utf8(*value.get<Utf16>()))));
    tag = PidTagHtml;
    auto page = co_await set_property(mailbox, message, PidTagInternetCodepage, Value::integer32(65001), code_page);
    if (page != ecNone) co_return page;
  }
  if (tag.id() == PidTagMessageFlags.id()) {
    // To be set until the first save only ([MS-OXCMSG] 2.2.1.6).
    if (message->saved || !message->data) co_return ecNone;
    message->data->properties.set(tag, value);
    co_return ecNone;
  }
  const bool backend = in_backend(mailbox, *message);
  if (flag_property(tag) && !is_embedded(*message)) {
    const bool all = set_flag_property(*message, tag, number_of(value));
    if (backend && all) {
      if (message->data) message->data->properties.remove(tag);
      if (!message->saved) co_return ecNone;
      auto loaded = co_await load_extras(mailbox, message);
      if (!loaded) co_return to_error_code(loaded.error());
      message->extras->remove(tag);
      co_return ecNone;
    }
  }
  if (!message->data && (is_embedded(*message) || convert::needs_rewrite(tag))) {
    auto made = co_await make_editable(mailbox, message);
    if (!made) co_return to_error_code(made.error());
  }
  if (!message->data) {
    auto loaded = co_await load_extras(mailbox, message);
    if (!loaded) co_return to_error_code(loaded.error());
    message->extras->set(tag, value);
    co_return ecNone;
  }
  if (!backend || !message->saved || convert::needs_rewrite(tag)) {
    message->content_changed = true;
  } else {
    auto loaded = co_await load_extras(mailbox, message);
    if (!loaded) co_return to_error_code(loaded.error());
    message->extras->set(tag, value);
  }
  auto& bag = message->data->properties;
  if (in(subjects, tag)) {
    set_subject(bag, tag, value);
    co_return ecNone;
  }
  if (in(bodies, tag) && !message->body_changed) {
    // The first form of the body that is written replaces all; further ones stand beside it.
    for (const auto body : bodies) bag.remove(body);
    message->body_changed = true;
  }
  bag.set(tag, value);
  co_return ecNone;
}

Task<ErrorCode> delete_property(Mailbox& mailbox, std::shared_ptr<MessageObject> message, PropertyTag tag) {
  if (is_computed(tag)) co_return ecComputed;
  const bool backend = in_backend(mailbox, *message);
  if (tag.id() == PidTagFlagStatus.id()) set_flag_property(*message, tag, 0);
  if (!message->data && (is_embedded(*message) || convert::needs_rewrite(tag))) {
    auto made = co_await make_editable(mailbox, message);
    if (!made) co_return to_error_code(made.error());
  }
  const auto any = tag.with(PropertyType::PtypUnspecified);
  if (message->data && (!backend || !message->saved || convert::needs_rewrite(tag))) {
    message->content_changed = true;
  } else {
    auto loaded = co_await load_extras(mailbox, message);
    if (!loaded) co_return to_error_code(loaded.error());
    while (const auto* value = message->extras->find(any))
      if (!message->extras->remove(tag.with(value->type))) break;
  }
  if (!message->data) co_return ecNone;
  auto& bag = message->data->properties;
  while (const auto* value = bag.find(any))
    if (!bag.remove(tag.with(value->type))) break;
  if (tag.id() == PidTagSubject.id()) {
    bag.remove(PidTagSubjectPrefix);
    bag.remove(PidTagNormalizedSubject);
  } else if (in(subjects, tag)) {
    bag.set_string(PidTagSubject, bag.string(PidTagSubjectPrefix) + bag.string(PidTagNormalizedSubject));
  }
  co_return ecNone;
}

std::uint32_t flags_of_new(const PropertyBag& properties) {
  // Nothing said: a draft that its writer has seen.
  if (!properties.contains(PidTagMessageFlags)) return state::flag_draft | state::flag_seen;
  const auto n = properties.number(PidTagMessageFlags);
  return ((n & mfUnsent) != 0 ? state::flag_draft : 0u) | ((n & mfRead) != 0 ? state::flag_seen : 0u);
}

void initialize(PropertyBag& bag, std::uint32_t locale) {
  if (!bag.contains(PidTagCreationTime)) bag.set_time(PidTagCreationTime, now());
  if (locale != usual_locale && !bag.contains(PidTagMessageLocaleId)) bag.set_integer(PidTagMessageLocaleId, static_cast<std::int32_t>(locale));
  if (bag.contains(PidTagSearchKey)) return;
  Bytes key(16);
  (void)RAND_bytes(key.data(), static_cast<int>(key.size()));
  bag.set_binary(PidTagSearchKey, key);
}

namespace {

void complete_new(PropertyBag& bag) {
  if (!bag.contains(PidTagMessageClass)) bag.set_string(PidTagMessageClass, "IPM.Note");
  if (!bag.contains(PidTagConversationTopic) && bag.contains(PidTagNormalizedSubject))
    bag.set_string(PidTagConversationTopic, bag.string(PidTagNormalizedSubject));
  initialize(bag);
}

}  // namespace

namespace {

// What was changed beside a message, into what stands there now: others may have changed other things since it was opened.
PropertyBag merged(const MessageObject& message, const PropertyBag& now) {
  if (!message.extras_before) return message.extras->clone();
  auto out = now.clone();
  for (const auto& [tag, value] : *message.extras_before)
    if (!message.extras->contains(tag)) out.remove(tag);
  for (const auto& [tag, value] : *message.extras)
    if (!convert::has_value(*message.extras_before, tag, value)) out.set(tag, value);
  return out;
}

}  // namespace

Task<Status> save(Mailbox& mailbox, std::shared_ptr<MessageObject> message, bool force, std::string guest) {
  const auto folder = message->folder;
  const auto owner = mailbox.identity();
  // [MS-OXCPRPT] 2.2.1.5. Without an entry id it is the owner's that is told.
  const auto sign = [&](PropertyBag& bag) {
    bag.set_string(PidTagLastModifierName, guest.empty() ? owner->display_name : guest);
    if (guest.empty()) bag.remove(PidTagLastModifierEntryId);
    else bag.set_binary(PidTagLastModifierEntryId, address_book_entry_id(user_dn(guest)));
  };
  if (!message->saved) {
    if (message->id == 0) {
      auto id = co_await mailbox.reserve_id();
      if (!id) co_return id.error();
      message->id = *id;
    }
    complete_new(message->data->properties);
    if (!message->data->properties.contains(PidTagLastModifierName)) sign(message->data->properties);
    if (!message->data->properties.contains(PidTagCreatorName)) {
      message->data->properties.set_string(PidTagCreatorName, guest.empty() ? owner->display_name : guest);
      if (!guest.empty()) message->data->properties.set_binary(PidTagCreatorEntryId, address_book_entry_id(user_dn(guest)));
    }
    const auto flags = (flags_of_new(message->data->properties) | message->set_flags) & ~message->clear_flags;
    auto saved = co_await mailbox.save_message(folder, message->associated, message->id, flags, message->data);
    if (!saved) co_return saved;
  } else {
    auto row = co_await mailbox.message(message->id);
    if (!row) co_return row.error();
    const bool local = message->associated || !in_backend(mailbox, *message);
    // What came of an attempt before this one is nobody else's change.
    const bool own = !local && message->cut_off && mailbox.ended_as(message->id, message->opened_key, row->remote_key);
    const bool changed_since = local ? row->change_number != message->opened_change : !own && row->remote_key != message->opened_key;
    const bool anything = message->content_changed || message->extras || (message->set_flags | message->clear_flags) != 0;
    if (changed_since && anything && !force) co_return error(Errc::conflict, "the message was changed by somebody else");
    if (message->content_changed) {
      sign(message->data->properties);
      const auto flags = (row->flags | message->set_flags) & ~message->clear_flags;
      std::optional<std::uint64_t> opened;
      if (!force) opened = local ? message->opened_change : message->opened_key;
      auto saved = co_await mailbox.save_message(folder, message->associated, message->id, flags, message->data, opened, message->cut_off);
      if (!saved && saved.error().code != Errc::conflict) message->cut_off = true;
      if (!saved) co_return saved;
    } else if (message->extras) {
      auto edit = [&message, &sign](const state::Message& current) {
        auto extras = merged(*message, current.extras);
        if (const auto* kept = current.extras.find(supplement_tag)) extras.set(supplement_tag, *kept);  // its MIME stays
        extras.set_time(PidTagLastModificationTime, now());
        sign(extras);
        return extras;
      };
      auto saved = co_await mailbox.save_extras(folder, message->id, edit, message->set_flags, message->clear_flags);
      if (!saved) co_return saved;
    } else if ((message->set_flags | message->clear_flags) != 0) {
      std::vector<GlobalCounter> ids{message->id};
      auto flagged = co_await mailbox.set_flags(folder, std::move(ids), message->set_flags, message->clear_flags);
      if (!flagged) co_return flagged;
    }
  }
  message->saved = true;
  message->content_changed = message->body_changed = message->cut_off = false;
  message->set_flags = message->clear_flags = 0;
  message->extras.reset();
  message->extras_before.reset();
  message->content.reset();
  auto row = co_await mailbox.message(message->id);
  if (!row) co_return row.error();
  message->opened_key = row->remote_key;
  message->opened_change = row->change_number;
  if (message->data)
    if (const auto* at = row->extras.find(PidTagLastModificationTime)) message->data->properties.set(PidTagLastModificationTime, *at);
  co_return Status{};
}

// -- properties

DataSource::DataSource(std::shared_ptr<const StoreIdentity> store, std::optional<state::Message> row,
                       std::shared_ptr<const convert::MessageData> data, GlobalCounter folder, bool associated, std::uint32_t flags)
    : store_(std::move(store)), row_(std::move(row)), data_(std::move(data)), folder_(folder), associated_(associated), flags_(flags) {}

std::optional<Value> DataSource::made(PropertyTag tag, Arena& arena) const {
  const auto is = [&](PropertyTag other) { return tag.id() == other.id(); };
  if (is(PidTagMessageFlags)) {
    std::int64_t flags = associated_ ? mfFAI : 0;
    if (flags_ & state::flag_seen) flags |= mfRead | mfEverRead;
    flags |= (flags_ & state::flag_draft) != 0 ? mfUnsent : mfUnmodified;
    if (!data_->attachments.empty()) flags |= mfHasAttach;
    if (row_ && (row_->extras.number(PidTagMessageFlags) & mfSubmitted) != 0) flags = (flags | mfSubmitted) & ~mfUnsent;
    flags |= data_->properties.number(PidTagMessageFlags) & mfResend;
    return Value::integer32(static_cast<std::int32_t>(flags));
  }
  if (is(PidTagRead)) return Value::boolean((flags_ & state::flag_seen) != 0);
  if (is(PidTagHasAttachments)) return Value::boolean(!data_->attachments.empty());
  if (is(PidTagAssociated)) return Value::boolean(associated_);
  if (is(PidTagHasNamedProperties))
    return Value::boolean(std::any_of(data_->properties.begin(), data_->properties.end(), [](const auto& one) { return one.tag.named(); }));
  if (is(PidTagFlagStatus) && (flags_ & state::flag_flagged)) return Value::integer32(2);
  const PropertyTag lists[] = {PidTagDisplayTo, PidTagDisplayCc, PidTagDisplayBcc};
  for (std::int32_t i = 0; i < 3; ++i) {
    if (!is(lists[i])) continue;
    std::string names;
    for (const auto& recipient : data_->recipients) {
      if ((recipient.type & 0x0F) != i + 1) continue;
      if (!names.empty()) names += "; ";
      names += convert::recipient_address(recipient.properties).display();
    }
    return Value::string(arena, names);
  }
  return std::nullopt;
}

std::optional<Value> DataSource::get(PropertyTag tag, Arena& arena) const {
  if (auto value = made(tag, arena)) return value;
  if (!is_computed(tag)) {
    if (auto value = find_in(data_->properties, tag)) return value;
    if (auto value = convert::body_of(data_->properties, tag, arena)) return value;
  }
  if (row_) {
    state::Message light;
    light.id = row_->id;
    light.folder = row_->folder;
    light.change_number = row_->change_number;
    light.flags = flags_;
    light.received = row_->received;
    light.size = row_->size;
    for (const auto also : {PidTagCreatorName, PidTagLastModifierName, PidTagLastModificationTime, PidTagMessageLocaleId})
      if (const auto* value = data_->properties.find(also)) light.extras.set(also, *value);
    const MessageSource source({store_, std::move(light)});
    return source.get(tag, arena);
  }
  const auto is = [&](PropertyTag other) { return tag.id() == other.id(); };
  if (is(PidTagObjectType)) return Value::integer32(5);
  if (is(PidTagAccess)) return Value::integer32(7);
  if (is(PidTagAccessLevel)) return Value::integer32(1);
  if (is(PidTagMessageClass)) return Value::string(arena, "IPM.Note");
  if (is(PidTagImportance)) return Value::integer32(1);
  if (is(PidTagSensitivity) || is(PidTagPriority) || is(PidTagMessageStatus) || is(PidTagMessageSize)) return Value::integer32(0);
  if (is(PidTagSubject) || is(PidTagNormalizedSubject) || is(PidTagSubjectPrefix)) return Value::string(Utf16{});
  // [MS-OXCMSG] 3.2.5.2: whoever makes it has changed it last, in the same moment.
  if (is(PidTagLastModificationTime))
    if (auto created = find_in(data_->properties, PidTagCreationTime)) return created;
  if (is(PidTagCreationTime) || is(PidTagLastModificationTime)) return Value::time(now());
  if (is(PidTagCreatorName) || is(PidTagLastModifierName)) return Value::string(arena, store_->display_name);
  if (is(PidTagCreatorEntryId) || is(PidTagLastModifierEntryId)) return Value::binary(arena.copy(View(store_->user_entry_id())));
  if (is(PidTagParentEntryId) && folder_ != 0) return Value::binary(arena.copy(View(store_->folder_entry_id(folder_))));
  if (is(PidTagLocaleId))
    if (auto set = find_in(data_->properties, PidTagMessageLocaleId)) return set;
  if (is(PidTagMessageLocaleId) || is(PidTagLocaleId)) return Value::integer32(usual_locale);
  if (is(PidTagTrustSender)) return Value::integer32(1);  // written here
  return std::nullopt;
}

std::vector<PropertyTag> DataSource::list() const {
  std::vector<PropertyTag> tags;
  const auto add = [&](PropertyTag tag) {
    if (std::none_of(tags.begin(), tags.end(), [&](auto t) { return t.id() == tag.id(); })) tags.push_back(tag);
  };
  for (const auto& [tag, value] : data_->properties) add(tag);
  Arena arena;
  for (const auto tag : message_columns())
    if (get(tag, arena)) add(tag);
  for (const auto tag : {PidTagNativeBody, PidTagBody, PidTagHtml, PidTagRtfCompressed, PidTagRtfInSync})
    if (convert::body_of(data_->properties, PidTagNativeBody, arena)) add(tag);
  return tags;
}

std::optional<Value> AttachmentDataSource::get(PropertyTag tag, Arena& arena) const {
  if (tag.id() == PidTagRecordKey.id()) return attachment_key(attachment_->number, arena);
  const auto is = [&](PropertyTag other) { return tag.id() == other.id(); };
  if (is(PidTagAttachDataBinary)) {
    if (!with_data_ || attachment_->embedded) return std::nullopt;
    return Value::binary(attachment_->data.view());
  }
  if (is(PidTagAttachNumber)) return Value::integer32(static_cast<std::int32_t>(attachment_->number));
  // With some for its properties; one that was just made has none ([MS-OXCMSG] 3.2.5.13).
  if (is(PidTagAttachSize))
    return Value::integer32(attachment_->data.size() == 0 && !attachment_->embedded ? 0 : static_cast<std::int32_t>(attachment_->data.size() + 256));
  if (is(PidTagObjectType)) return Value::integer32(7);
  if (is(PidTagAccessLevel)) return Value::integer32(0);
  if (auto value = find_in(attachment_->properties, tag)) return value;
  // Nothing yet of one that was just made ([MS-OXCMSG] 2.2.2.9).
  if (is(PidTagAttachMethod) && attachment_->data.size() == 0 && !attachment_->embedded) return Value::integer32(convert::afNone);
  if (is(PidTagAttachMethod)) return Value::integer32(attachment_->embedded ? convert::afEmbeddedMessage : convert::afByValue);
  if (is(PidTagRenderingPosition)) return Value::integer32(-1);
  if (is(PidTagDisplayName)) {
    auto name = attachment_->properties.string(PidTagAttachLongFilename);
    if (name.empty()) name = attachment_->properties.string(PidTagAttachFilename);
    if (!name.empty()) return Value::string(arena, name);
  }
  return std::nullopt;
}

std::vector<PropertyTag> AttachmentDataSource::list() const {
  std::vector<PropertyTag> tags{PidTagAttachNumber, PidTagAttachSize, PidTagObjectType, PidTagAccessLevel, PidTagRecordKey};
  for (const auto& [tag, value] : attachment_->properties)
    if (std::none_of(tags.begin(), tags.end(), [&](auto t) { return t.id() == tag.id(); })) tags.push_back(tag);
  for (const auto tag : {PidTagAttachMethod, PidTagRenderingPosition})
    if (!attachment_->properties.contains(tag)) tags.push_back(tag);
  if (with_data_ && !attachment_->embedded) tags.push_back(PidTagAttachDataBinary);
  return tags;
}

}  // namespace mapigate::mailbox
