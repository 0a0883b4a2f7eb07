// Setting and deleting properties ([MS-OXCPRPT] 2.2.5 to 2.2.8). What is set on messages and attachments takes effect when
// they are saved; on folders and the store at once.
#include <algorithm>

#include "mailbox/message_edit.h"
#include "mailbox/property_writing.h"

namespace mapigate::mailbox {

namespace {

using mapi::PropertyTag;
using mapi::TaggedValue;
using Problems = std::vector<wire::PropertyProblem>;

// Read-only properties that may be set, so that saving fails ([MS-OXCMSG] 3.2.5.3).
bool makes_saving_fail(PropertyTag tag) {
  for (const auto one : {mapi::PidTagHasAttachments, mapi::PidTagMessageSize, mapi::PidTagAccess, mapi::PidTagAccessLevel,
                         mapi::PidTagObjectType, mapi::PidTagRecordKey, mapi::PidTagMessageStatus})
    if (tag.id() == one.id()) return true;
  return false;
}

// Above there are ids that mean something else for each class of messages ([MS-OXPROPS] 1.3.3).
constexpr std::uint16_t first_id_of_classes = 0x4000;

bool has_wrong_type(PropertyTag tag) { return tag.id() < first_id_of_classes && mapi::is_of_other_type(tag); }

// What the store says of an attachment.
bool is_computed_of_attachment(PropertyTag tag) {
  for (const auto one : {mapi::PidTagAttachNumber, mapi::PidTagAttachSize, mapi::PidTagObjectType, mapi::PidTagAccessLevel, mapi::PidTagRecordKey})
    if (tag.id() == one.id()) return true;
  return false;
}

ErrorCode set_on_attachment(AttachmentObject& attachment, PropertyTag tag, const mapi::Value& value, std::size_t memory_limit,
                            unsigned code_page) {
  if (is_computed_of_attachment(tag)) return mapi::ecComputed;
  if (tag.id() == mapi::PidTagAttachDataBinary.id()) {
    const auto* bytes = value.get<View>();
    if (!bytes) return mapi::ecUnexpectedType;
    convert::Spool spool(memory_limit);
    if (auto done = spool.append(*bytes); !done) return mapi::to_error_code(done.error());
    auto held = std::move(spool).finish();
    if (!held) return mapi::to_error_code(held.error());
    attachment.edit->data = std::move(*held);
    return mapi::ecNone;
  }
  Arena arena;
  const auto normal = normal_value(tag, value, arena, code_page);
  attachment.edit->properties.set(tag, normal);
  return mapi::ecNone;
}

Task<ErrorCode> set_values(RopCall& call, std::span<const TaggedValue> values, std::span<const wire::PropertyProblem>* problems) {
  auto object = call.find();
  if (!object) co_return mapi::ecNullObject;
  if (is_read_only(*object)) co_return mapi::ecAccessDenied;
  const auto code_page = call.session.options().code_page;
  Problems found;
  if (object->kind == Object::Kind::folder || object->kind == Object::Kind::logon) {
    const auto code = co_await set_on_container(call, object, values, found);
    if (code != mapi::ecNone) co_return code;
  } else if (object->kind != Object::Kind::message && object->kind != Object::Kind::attachment) {
    co_return mapi::ecNotSupported;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto tag = values[i].tag;
    const auto value = values[i].value;
    auto code = mapi::ecNone;
    const bool is_item = object->kind == Object::Kind::message || object->kind == Object::Kind::attachment;
    if (is_item && has_wrong_type(tag)) {
      code = mapi::ecUnexpectedType;
    } else if (object->kind == Object::Kind::message) {
      auto message = std::static_pointer_cast<MessageObject>(object);
      if (message->saved && !message->parent && (makes_saving_fail(tag) || tag.id() == mapi::PidTagChangeKey.id())) {
        message->refused = message->refused || makes_saving_fail(tag);
        continue;
      }
      // It has ROPs of its own ([MS-OXCMSG] 2.2.1.8).
      if (tag.id() == mapi::PidTagMessageStatus.id()) code = mapi::ecComputed;
      else code = co_await set_property(call.mailbox, message, tag, value, message->code_page ? message->code_page : code_page);
    } else if (object->kind == Object::Kind::attachment) {
      auto attachment = std::static_pointer_cast<AttachmentObject>(object);
      auto ready = co_await edit_attachment(call.mailbox, attachment);
      if (!ready) co_return mapi::to_error_code(ready.error());
      if (tag.id() == mapi::PidTagAttachSize.id()) {
        attachment->refused = true;
        continue;
      }
      code = set_on_attachment(*attachment, tag, value, call.mailbox.context().options.max_stream_memory, code_page);
    }
    if (code == mapi::ecNetwork || code == mapi::ecTimeout) co_return code;
    if (code != mapi::ecNone) found.push_back({static_cast<std::uint16_t>(i), tag, code});
  }
  *problems = call.arena.copy(std::span<const wire::PropertyProblem>(found));
  co_return mapi::ecNone;
}

Task<ErrorCode> delete_values(RopCall& call, std::span<const PropertyTag> tags, std::span<const wire::PropertyProblem>* problems) {
  auto object = call.find();
  if (!object) co_return mapi::ecNullObject;
  if (is_read_only(*object)) co_return mapi::ecAccessDenied;
  Problems found;
  if (object->kind == Object::Kind::folder || object->kind == Object::Kind::logon) {
    const auto code = co_await delete_on_container(call, object, tags, found);
    if (code != mapi::ecNone) co_return code;
  } else if (object->kind != Object::Kind::message && object->kind != Object::Kind::attachment) {
    co_return mapi::ecNotSupported;
  }
  for (std::size_t i = 0; i < tags.size(); ++i) {
    auto code = mapi::ecNone;
    if (object->kind == Object::Kind::message && tags[i].id() == mapi::PidTagMessageStatus.id()) {
      code = mapi::ecComputed;
    } else if (object->kind == Object::Kind::attachment && is_computed_of_attachment(tags[i])) {
      code = mapi::ecComputed;
    } else if (object->kind == Object::Kind::message) {
      code = co_await delete_property(call.mailbox, std::static_pointer_cast<MessageObject>(object), tags[i]);
    } else if (object->kind == Object::Kind::attachment) {
      auto attachment = std::static_pointer_cast<AttachmentObject>(object);
      auto ready = co_await edit_attachment(call.mailbox, attachment);
      if (!ready) co_return mapi::to_error_code(ready.error());
      if (tags[i].id() == mapi::PidTagAttachDataBinary.id()) attachment->edit->data = {};
      auto& bag = attachment->edit->properties;
      while (const auto* value = bag.find(tags[i].with(mapi::PropertyType::PtypUnspecified)))
        if (!bag.remove(tags[i].with(value->type))) break;
    }
    if (code != mapi::ecNone) found.push_back({static_cast<std::uint16_t>(i), tags[i], code});
  }
  *problems = call.arena.copy(std::span<const wire::PropertyProblem>(found));
  co_return mapi::ecNone;
}

Task<ErrorCode> set_properties(RopCall& call, const wire::RopSetProperties::Request& request, wire::RopSetProperties::Response& response) {
  co_return co_await set_values(call, request.PropertyValues, &response.PropertyProblems);
}
Task<ErrorCode> set_properties_no_replicate(RopCall& call, const wire::RopSetPropertiesNoReplicate::Request& request,
                                            wire::RopSetPropertiesNoReplicate::Response& response) {
  co_return co_await set_values(call, request.PropertyValues, &response.PropertyProblems);
}
Task<ErrorCode> delete_properties(RopCall& call, const wire::RopDeleteProperties::Request& request,
                                  wire::RopDeleteProperties::Response& response) {
  co_return co_await delete_values(call, request.PropertyTags, &response.PropertyProblems);
}
Task<ErrorCode> delete_properties_no_replicate(RopCall& call, const wire::RopDeletePropertiesNoReplicate::Request& request,
                                               wire::RopDeletePropertiesNoReplicate::Response& response) {
  co_return co_await delete_values(call, request.PropertyTags, &response.PropertyProblems);
}

}  // namespace

Task<Status> edit_attachment(Mailbox& mailbox, std::shared_ptr<AttachmentObject> attachment) {
  if (attachment->edit) co_return Status{};
  auto made = co_await make_editable(mailbox, attachment->message);
  if (!made) co_return made;
  const auto* held = attachment->message->data->attachment(static_cast<std::uint32_t>(attachment->index));
  if (!held) co_return error(Errc::not_found, "the attachment is gone");
  attachment->edit = std::make_shared<convert::MessageData::Attachment>(held->clone());
  co_return Status{};
}

HandlerList property_writing_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopSetProperties, set_properties>(),
      on<wire::RopSetPropertiesNoReplicate, set_properties_no_replicate>(),
      on<wire::RopDeleteProperties, delete_properties>(),
      on<wire::RopDeletePropertiesNoReplicate, delete_properties_no_replicate>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
