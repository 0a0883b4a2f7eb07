// Attachment ROPs ([MS-OXCMSG] 3.2.5.12 to 3.2.5.18).
#include <algorithm>

#include "mailbox/message_edit.h"
#include "mailbox/property_writing.h"

namespace mapigate::mailbox {

namespace {

Task<ErrorCode> get_attachment_table(RopCall& call, const wire::RopGetAttachmentTable::Request& request,
                                     wire::RopGetAttachmentTable::Response&) {
  auto message = call.object<MessageObject>();
  if (!message) co_return mapi::ecNullObject;
  auto table = std::make_shared<TableObject>();
  table->source = TableObject::Source::attachments;
  table->rows = std::make_unique<AttachmentRows>(message);
  co_return co_await open_table(call, request.OutputHandleIndex, std::move(table), nullptr);
}

Task<ErrorCode> get_valid_attachments(RopCall& call, const wire::RopGetValidAttachments::Request&,
                                      wire::RopGetValidAttachments::Response& response) {
  auto message = call.object<MessageObject>();
  if (!message) co_return call.why;
  if (message->data) {
    auto numbers = call.arena.make_span<std::uint32_t>(message->data->attachments.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = message->data->attachments[i].number;
    response.AttachmentIdArray = numbers;
    co_return mapi::ecNone;
  }
  auto content = co_await content_of(call.mailbox, message);
  if (!content) co_return mapi::to_error_code(content.error());
  auto numbers = call.arena.make_span<std::uint32_t>((*content)->attachments().size());
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = static_cast<std::uint32_t>((*content)->attachments()[i].properties.number(mapi::PidTagAttachNumber));
  response.AttachmentIdArray = numbers;
  co_return mapi::ecNone;
}

Task<ErrorCode> open_attachment(RopCall& call, const wire::RopOpenAttachment::Request& request, wire::RopOpenAttachment::Response&) {
  auto message = call.object<MessageObject>();
  if (!message) co_return mapi::ecNullObject;
  if (message->data) {
    if (!message->data->attachment(request.AttachmentID)) co_return mapi::ecNotFound;
  } else {
    auto content = co_await content_of(call.mailbox, message);
    if (!content) co_return mapi::to_error_code(content.error());
    if (!(*content)->attachment_numbered(request.AttachmentID)) co_return mapi::ecNotFound;
  }
  auto attachment = std::make_shared<AttachmentObject>();
  attachment->message = message;
  attachment->index = request.AttachmentID;
  // [MS-OXCMSG] 2.2.3.12.1. Of a message that was opened to be read no attachment is written either, however it is opened itself.
  attachment->read_only = (request.OpenAttachmentFlags & wire::RopOpenAttachment::ReadWrite) == 0;
  co_return call.put(request.OutputHandleIndex, attachment);
}

Task<ErrorCode> create_attachment(RopCall& call, const wire::RopCreateAttachment::Request& request,
                                  wire::RopCreateAttachment::Response& response) {
  constexpr std::size_t most_attachments = 2000;
  auto message = call.object<MessageObject>();
  if (!message) co_return mapi::ecNullObject;
  if (is_read_only(*message)) co_return mapi::ecAccessDenied;
  auto made = co_await make_editable(call.mailbox, message);
  if (!made) co_return mapi::to_error_code(made.error());
  if (message->data->attachments.size() >= most_attachments) co_return mapi::ecMaxAttachmentExceeded;
  auto attachment = std::make_shared<AttachmentObject>();
  attachment->message = message;
  attachment->index = message->data->next_attachment++;
  attachment->edit = std::make_shared<convert::MessageData::Attachment>();
  attachment->edit->number = static_cast<std::uint32_t>(attachment->index);
  const auto made_at = now();
  attachment->edit->properties.set_time(mapi::PidTagCreationTime, made_at);
  attachment->edit->properties.set_time(mapi::PidTagLastModificationTime, made_at);
  response.AttachmentID = attachment->edit->number;
  co_return call.put(request.OutputHandleIndex, attachment);
}

// Into the message, which has to be saved itself for it to last.
Task<ErrorCode> save_changes_attachment(RopCall& call, const wire::RopSaveChangesAttachment::Request& request,
                                        wire::RopSaveChangesAttachment::Response&) {
  auto attachment = call.object<AttachmentObject>(request.InputHandleIndex);
  if (!attachment) co_return call.why;
  using Flags = wire::RopSaveChangesMessage;
  if ((request.SaveFlags & (Flags::KeepOpenReadOnly | Flags::KeepOpenReadWrite)) == (Flags::KeepOpenReadOnly | Flags::KeepOpenReadWrite))
    co_return mapi::ecNotSupported;  // not both ([MS-OXCMSG] 3.2.5.15)
  if (attachment->refused) co_return mapi::ecError;
  if (!attachment->edit) co_return mapi::ecNone;
  auto& data = *attachment->message->data;
  if (auto* known = data.attachment(attachment->edit->number)) *known = attachment->edit->clone();
  else data.attachments.push_back(attachment->edit->clone());
  attachment->message->content_changed = true;
  co_return mapi::ecNone;
}

Task<ErrorCode> delete_attachment(RopCall& call, const wire::RopDeleteAttachment::Request& request,
                                  wire::RopDeleteAttachment::Response&) {
  auto message = call.object<MessageObject>();
  if (!message) co_return mapi::ecNullObject;
  if (is_read_only(*message)) co_return mapi::ecAccessDenied;
  auto made = co_await make_editable(call.mailbox, message);
  if (!made) co_return mapi::to_error_code(made.error());
  const auto gone = std::erase_if(message->data->attachments, [&](const auto& a) { return a.number == request.AttachmentID; });
  if (gone == 0) co_return mapi::ecNotFound;
  message->content_changed = true;
  co_return mapi::ecNone;
}

Task<ErrorCode> open_embedded_message(RopCall& call, const wire::RopOpenEmbeddedMessage::Request& request,
                                      wire::RopOpenEmbeddedMessage::Response& response) {
  auto attachment = call.object<AttachmentObject>();
  if (!attachment) co_return mapi::ecNullObject;
  if (request.CodePageId != 0x0FFF && !known_code_page(request.CodePageId)) co_return mapi::ecUnknownCodePage;
  const bool create = (request.OpenModeFlags & wire::RopOpenEmbeddedMessage::Create) != 0;
  auto message = std::make_shared<MessageObject>();
  message->parent = attachment;
  if (request.CodePageId != 0x0FFF) message->code_page = request.CodePageId;
  if (create) {
    if (is_read_only(*attachment)) co_return mapi::ecAccessDenied;
    auto ready = co_await edit_attachment(call.mailbox, attachment);
    if (!ready) co_return mapi::to_error_code(ready.error());
  }
  const auto* held = attachment->edit.get();
  if (!held && attachment->message->data) held = attachment->message->data->attachment(static_cast<std::uint32_t>(attachment->index));
  if (held) {
    if (held->embedded) message->data = std::make_shared<convert::MessageData>(held->embedded->clone());
    if (!message->data && !create) co_return mapi::ecNotFound;
    if (!message->data) {
      message->data = std::make_shared<convert::MessageData>();
      initialize(message->data->properties, call.session.options().locale);
      message->saved = false;
      attachment->edit->properties.set_integer(mapi::PidTagAttachMethod, convert::afEmbeddedMessage);
    }
  } else {
    auto outer = co_await content_of(call.mailbox, attachment->message);
    if (!outer) co_return mapi::to_error_code(outer.error());
    const auto at = (*outer)->attachment_numbered(attachment->index);
    if (!at || (*outer)->attachments()[*at].kind != convert::Attachment::Kind::embedded) co_return mapi::ecNotFound;
  }
  const auto code = co_await summarize_message(call, message, response);
  if (code != mapi::ecNone) co_return code;
  co_return call.put(request.OutputHandleIndex, message);
}

}  // namespace

HandlerList attachment_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopGetAttachmentTable, get_attachment_table>(),
      on<wire::RopGetValidAttachments, get_valid_attachments>(),
      on<wire::RopOpenAttachment, open_attachment>(),
      on<wire::RopCreateAttachment, create_attachment>(),
      on<wire::RopSaveChangesAttachment, save_changes_attachment>(),
      on<wire::RopDeleteAttachment, delete_attachment>(),
      on<wire::RopOpenEmbeddedMessage, open_embedded_message>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
