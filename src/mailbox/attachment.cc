// Attachment ROPs ([MS-OXCMSG] 3.2.5.12 to 3.2.5.18).
#include "mailbox/message_content.h"
#include "mailbox/rop_call.h"

namespace mapigate::mailbox {

namespace {

Task<ErrorCode> get_attachment_table(RopCall& call, const wire::RopGetAttachmentTable::Request& request,
                                     wire::RopGetAttachmentTable::Response&) {
  auto message = call.object<MessageObject>();
  if (!message) co_return call.why;
  auto table = std::make_shared<TableObject>();
  table->source = TableObject::Source::attachments;
  table->rows = std::make_unique<AttachmentRows>(message);
  co_return co_await open_table(call, request.OutputHandleIndex, std::move(table), nullptr);
}

Task<ErrorCode> get_valid_attachments(RopCall& call, const wire::RopGetValidAttachments::Request&,
                                      wire::RopGetValidAttachments::Response& response) {
  auto message = call.object<MessageObject>();
  if (!message) co_return call.why;
  auto content = co_await content_of(call.mailbox, message);
  if (!content) co_return mapi::to_error_code(content.error());
  auto numbers = call.arena.make_span<std::uint32_t>((*content)->attachments().size());
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::uint32_t>(i);
  response.AttachmentIdArray = numbers;
  co_return mapi::ecNone;
}

Task<ErrorCode> open_attachment(RopCall& call, const wire::RopOpenAttachment::Request& request, wire::RopOpenAttachment::Response&) {
  auto message = call.object<MessageObject>();
  if (!message) co_return call.why;
  auto content = co_await content_of(call.mailbox, message);
  if (!content) co_return mapi::to_error_code(content.error());
  if (request.AttachmentID >= (*content)->attachments().size()) co_return mapi::ecNotFound;
  auto attachment = std::make_shared<AttachmentObject>();
  attachment->message = message;
  attachment->index = request.AttachmentID;
  co_return call.put(request.OutputHandleIndex, attachment);
}

Task<ErrorCode> open_embedded_message(RopCall& call, const wire::RopOpenEmbeddedMessage::Request& request,
                                      wire::RopOpenEmbeddedMessage::Response& response) {
  auto attachment = call.object<AttachmentObject>();
  if (!attachment) co_return call.why;
  if (request.OpenModeFlags & wire::RopOpenEmbeddedMessage::Create) co_return mapi::ecNotSupported;
  auto outer = co_await content_of(call.mailbox, attachment->message);
  if (!outer) co_return mapi::to_error_code(outer.error());
  if ((*outer)->attachments()[attachment->index].kind != convert::Attachment::Kind::embedded) co_return mapi::ecNotFound;
  auto message = std::make_shared<MessageObject>();
  message->parent = attachment;
  if (request.CodePageId != 0x0FFF) message->code_page = request.CodePageId;
  auto content = co_await content_of(call.mailbox, message);
  if (!content) co_return mapi::to_error_code(content.error());
  auto held = *content;
  const ContentSource source(call.mailbox.identity(), std::nullopt, held, {});
  const auto code_page = message->code_page ? message->code_page : call.session.options().code_page;
  summarize(call, *held, source, code_page, call.budget, response);
  co_return call.put(request.OutputHandleIndex, message);
}

}  // namespace

HandlerList attachment_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopGetAttachmentTable, get_attachment_table>(),
      on<wire::RopGetValidAttachments, get_valid_attachments>(),
      on<wire::RopOpenAttachment, open_attachment>(),
      on<wire::RopOpenEmbeddedMessage, open_embedded_message>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
