// Message ROPs ([MS-OXCMSG] 3.2.5): opening, recipients, read state.
#include <algorithm>

#include "mailbox/message_content.h"
#include "mailbox/rop_call.h"

namespace mapigate::mailbox {

namespace {

using mapi::PropertyTag;
using wire::RecipientRow;

// What recipient rows carry behind their fixed part (row S4: entry id and search key are never missing).
constexpr PropertyTag recipient_columns[] = {
    mapi::PidTagObjectType,           mapi::PidTagDisplayType,      mapi::PidTagSmtpAddress,
    mapi::PidTagRecipientDisplayName, mapi::PidTagRecipientEntryId, mapi::PidTagEntryId,
    mapi::PidTagSearchKey,            mapi::PidTagRecipientFlags,   mapi::PidTagRecipientOrder,
    mapi::PidTagSendRichInfo};

constexpr std::uint16_t unicode_code_page = 1200;
constexpr std::size_t recipient_head = 7;  // type, code page, reserved, size
constexpr std::size_t max_recipients_in_summary = 255;

RecipientRow recipient_row(const convert::Recipient& recipient, Arena& arena) {
  RecipientRow row;
  row.RecipientFlags = RecipientRow::U | RecipientRow::D | RecipientRow::S;
  row.DisplayName.unicode = to_utf16(arena, recipient.display_name.empty() ? recipient.smtp_address : recipient.display_name);
  if (!recipient.smtp_address.empty()) {
    row.RecipientFlags |= static_cast<std::uint16_t>(RecipientRow::SMTP);
    row.RecipientFlags |= RecipientRow::E;
    row.EmailAddress.unicode = to_utf16(arena, recipient.smtp_address);
  }
  row.RecipientColumnCount = std::size(recipient_columns);
  row.RecipientProperties = make_row(BagSource(recipient.properties), recipient_columns, arena, {});
  return row;
}

std::size_t row_size(const RecipientRow& row) {
  Bytes bytes;
  return wire::encode_recipient_row(row, bytes, recipient_columns) ? bytes.size() : SIZE_MAX;
}

Task<ErrorCode> open_message(RopCall& call, const wire::RopOpenMessage::Request& request, wire::RopOpenMessage::Response& response) {
  if (!call.find()) co_return mapi::ecNullObject;
  if (request.OpenModeFlags & wire::RopOpenMessage::OpenSoftDeleted) co_return mapi::ecNotFound;
  const auto folder = RopCall::counter(request.FolderId), id = RopCall::counter(request.MessageId);
  if (!call.mailbox.tree()->find(folder) || id == 0) co_return mapi::ecNotFound;
  auto row = co_await call.mailbox.message(id);
  if (!row) co_return mapi::to_error_code(row.error());
  if (row->folder != folder) co_return mapi::ecNotFound;
  auto message = std::make_shared<MessageObject>();
  message->folder = folder;
  message->id = id;
  if (request.CodePageId != 0x0FFF) message->code_page = request.CodePageId;
  auto content = co_await content_of(call.mailbox, message);
  if (!content) co_return mapi::to_error_code(content.error());
  auto held = *content;
  const auto source = MessageSource({call.mailbox.identity(), std::move(*row)});
  const auto code_page = message->code_page ? message->code_page : call.session.options().code_page;
  summarize(call, *held, source, code_page, call.budget, response);
  co_return call.put(request.OutputHandleIndex, message);
}

Task<ErrorCode> reload_cached_information(RopCall& call, const wire::RopReloadCachedInformation::Request&,
                                          wire::RopReloadCachedInformation::Response& response) {
  auto message = call.object<MessageObject>();
  if (!message) co_return call.why;
  auto content = co_await content_of(call.mailbox, message);
  if (!content) co_return mapi::to_error_code(content.error());
  auto source = co_await properties_of(call, message, false, false);
  if (!source) co_return mapi::to_error_code(source.error());
  const auto code_page = message->code_page ? message->code_page : call.session.options().code_page;
  auto held = *content;
  summarize(call, *held, **source, code_page, call.budget, response);
  co_return mapi::ecNone;
}

Task<ErrorCode> read_recipients(RopCall& call, const wire::RopReadRecipients::Request& request,
                                wire::RopReadRecipients::Response& response) {
  auto message = call.object<MessageObject>();
  if (!message) co_return call.why;
  auto content = co_await content_of(call.mailbox, message);
  if (!content) co_return mapi::to_error_code(content.error());
  const auto& recipients = (*content)->recipients();
  std::vector<wire::ReadRecipientRow> rows;
  std::size_t used = 1;
  for (std::size_t i = request.RowId; i < recipients.size() && rows.size() < 255; ++i) {
    wire::ReadRecipientRow out;
    out.RowId = static_cast<std::uint32_t>(i);
    out.RecipientType = static_cast<std::uint8_t>(recipients[i].type);
    out.CodePageId = unicode_code_page;
    Bytes bytes;
    if (!wire::encode_recipient_row(recipient_row(recipients[i], call.arena), bytes, recipient_columns)) continue;
    if (used + bytes.size() + recipient_head + 4 > call.budget) {
      if (rows.empty()) {
        call.too_small = call.budget < 0x7000;
        co_return mapi::ecBufferTooSmall;
      }
      break;
    }
    used += bytes.size() + recipient_head + 4;
    out.RecipientRow = call.arena.copy(View(bytes));
    rows.push_back(out);
  }
  if (rows.empty()) co_return mapi::ecNotFound;
  response.RecipientRows = call.arena.copy(std::span<const wire::ReadRecipientRow>(rows));
  co_return mapi::ecNone;
}

enum : std::uint8_t { rfClearReadFlag = 0x04, rfGenerateReceiptOnly = 0x10 };

Task<ErrorCode> set_message_read_flag(RopCall& call, const wire::RopSetMessageReadFlag::Request& request,
                                      wire::RopSetMessageReadFlag::Response& response) {
  auto message = call.object<MessageObject>(request.InputHandleIndex);
  if (!message) co_return call.why;
  if (message->parent) co_return mapi::ecNotSupported;
  response.ReadStatusChanged = false;  // told of public folders only
  if (request.ReadFlags & rfGenerateReceiptOnly) co_return mapi::ecNone;
  const bool clear = (request.ReadFlags & rfClearReadFlag) != 0;
  const std::uint32_t seen = state::flag_seen;
  std::vector<GlobalCounter> ids{message->id};
  auto done = co_await call.mailbox.set_flags(message->folder, std::move(ids), clear ? 0 : seen, clear ? seen : 0);
  co_return done ? mapi::ecNone : mapi::to_error_code(done.error());
}

// What can be written is what the backend can keep: the follow-up flag.
Task<ErrorCode> save_changes_message(RopCall& call, const wire::RopSaveChangesMessage::Request& request,
                                     wire::RopSaveChangesMessage::Response& response) {
  auto message = call.object<MessageObject>(request.InputHandleIndex);
  response.InputHandleIndex = request.InputHandleIndex;
  if (!message) co_return call.why;
  if (message->parent) co_return mapi::ecNotSupported;
  if (message->set_flags | message->clear_flags) {
    std::vector<GlobalCounter> ids{message->id};
    auto done = co_await call.mailbox.set_flags(message->folder, std::move(ids), message->set_flags, message->clear_flags);
    if (!done) co_return mapi::to_error_code(done.error());
    message->set_flags = message->clear_flags = 0;
  }
  response.MessageId = call.id(message->id);
  co_return mapi::ecNone;
}

}  // namespace

void summarize(RopCall& call, const convert::MimeMessage& content, const PropertySource& properties, unsigned code_page,
               std::size_t room, wire::MessageSummary& out) {
  (void)code_page;
  auto& arena = call.arena;
  const auto text = [&](PropertyTag tag) {
    // Into the arena: the response is encoded after its sources are gone.
    const auto value = properties.get(tag, arena);
    return value && value->get<Utf16>() ? Utf16{arena.copy(value->get<Utf16>()->bytes)} : Utf16{};
  };
  out.HasNamedProperties = !content.keywords().empty() || !content.internet_headers().empty();
  out.SubjectPrefix = wire::TypedString::of(text(mapi::PidTagSubjectPrefix));
  out.NormalizedSubject = wire::TypedString::of(text(mapi::PidTagNormalizedSubject));
  const auto& recipients = content.recipients();
  out.RecipientCount = static_cast<std::uint16_t>(std::min<std::size_t>(recipients.size(), UINT16_MAX));
  out.RecipientColumns = recipient_columns;
  std::size_t used = 32 + out.SubjectPrefix.Unicode.bytes.size() + out.NormalizedSubject.Unicode.bytes.size() +
                     4 * std::size(recipient_columns);
  std::vector<wire::OpenRecipientRow> rows;
  for (const auto& recipient : recipients) {
    if (rows.size() >= max_recipients_in_summary) break;
    wire::OpenRecipientRow row;
    row.RecipientType = static_cast<std::uint8_t>(recipient.type);
    row.CodePageId = unicode_code_page;
    row.RecipientRow = recipient_row(recipient, arena);
    const auto size = row_size(row.RecipientRow);
    // The client asks for the rest with RopReadRecipients.
    if (size == SIZE_MAX || used + size + recipient_head > room) break;
    used += size + recipient_head;
    rows.push_back(row);
  }
  out.RecipientRows = arena.copy(std::span<const wire::OpenRecipientRow>(rows));
}

HandlerList message_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopOpenMessage, open_message>(),
      on<wire::RopReloadCachedInformation, reload_cached_information>(),
      on<wire::RopReadRecipients, read_recipients>(),
      on<wire::RopSetMessageReadFlag, set_message_read_flag>(),
      on<wire::RopSaveChangesMessage, save_changes_message>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
