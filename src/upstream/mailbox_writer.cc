#include "upstream/mailbox_writer.h"

#include "mapi/properties.h"

namespace mapigate::upstream {

using namespace wire;

namespace {

constexpr std::size_t stream_piece = 0x6000;

AnyString any(Arena& arena, const std::string& text) {
  AnyString out;
  out.unicode = to_utf16(arena, text);
  return out;
}

// One of ours, of a folder ([MS-OXCDATA] 2.11.1.4).
Bytes server_id(mapi::Id folder) {
  Bytes out(21, 0);
  out[0] = 1;
  std::memcpy(out.data() + 1, &folder.value, sizeof folder.value);
  return out;
}

}  // namespace

template <class Rop>
RopRequest MailboxWriter::rop(std::size_t handle_index, typename Rop::Request body) {
  RopRequest request;
  request.id = Rop::id;
  request.HandleIndex = static_cast<std::uint8_t>(handle_index);
  request.codec = find_rop(Rop::id);
  request.body = arena_.make<typename Rop::Request>(body);
  return request;
}

Task<Status> MailboxWriter::run(std::vector<RopRequest> rops, std::vector<std::uint32_t>* handles) {
  auto executed = co_await client_.execute(std::move(rops), handles);
  if (!executed) co_return executed.error();
  for (const auto& one : (*executed)->responses.rops)
    if (one.ReturnValue != mapi::ecNone) co_return error(one.ReturnValue == mapi::ecNotFound       ? Errc::not_found
                                                         : one.ReturnValue == mapi::ecAccessDenied ? Errc::denied
                                                                                                   : Errc::unsupported,
                                                         "{}: {}", one.codec->name, mapi::to_string(one.ReturnValue));
  if (!(*executed)->responses.problem.empty()) co_return error(Errc::malformed, "{}", (*executed)->responses.problem);
  co_return Status{};
}

Task<Result<mapi::Id>> MailboxWriter::create_folder(mapi::Id parent, std::string name) {
  arena_ = Arena();
  RopOpenFolder::Request open;
  open.OutputHandleIndex = 1;
  open.FolderId = parent;
  RopCreateFolder::Request create;
  create.OutputHandleIndex = 2;
  create.UseUnicodeStrings = true;
  create.DisplayName = any(arena_, name);
  std::vector<RopRequest> rops{rop<RopOpenFolder>(0, open), rop<RopCreateFolder>(1, create)};
  std::vector<std::uint32_t> handles{client_.logon(), no_handle, no_handle};
  auto executed = co_await client_.execute(std::move(rops), &handles);
  if (!executed) co_return executed.error();
  const auto& answers = (*executed)->responses.rops;
  if (answers.size() != 2) co_return error(Errc::malformed, "RopCreateFolder: no answer");
  for (const auto& one : answers)
    if (one.ReturnValue != mapi::ecNone) co_return error(one.ReturnValue == mapi::ecDuplicateName ? Errc::conflict : Errc::denied, "{}: {}", one.codec->name, mapi::to_string(one.ReturnValue));
  const auto id = answers[1].as<RopCreateFolder>()->FolderId;
  std::vector<RopRequest> release{rop<RopRelease>(1), rop<RopRelease>(2)};
  auto done = co_await run(std::move(release), &handles);
  (void)done;
  co_return id;
}

Task<Status> MailboxWriter::delete_folder(mapi::Id parent, mapi::Id folder) {
  arena_ = Arena();
  RopOpenFolder::Request open;
  open.OutputHandleIndex = 1;
  open.FolderId = parent;
  RopDeleteFolder::Request remove;
  remove.DeleteFolderFlags = RopDeleteFolder::DEL_MESSAGES | RopDeleteFolder::DEL_FOLDERS;
  remove.FolderId = folder;
  std::vector<RopRequest> rops{rop<RopOpenFolder>(0, open), rop<RopDeleteFolder>(1, remove), rop<RopRelease>(1)};
  std::vector<std::uint32_t> handles{client_.logon(), no_handle};
  co_return co_await run(std::move(rops), &handles);
}

Task<Status> MailboxWriter::move_messages(mapi::Id from, std::vector<mapi::Id> messages, mapi::Id to, bool copy) {
  arena_ = Arena();
  RopOpenFolder::Request source, target;
  source.OutputHandleIndex = 1;
  source.FolderId = from;
  target.OutputHandleIndex = 2;
  target.FolderId = to;
  RopMoveCopyMessages::Request move;
  move.DestHandleIndex = 2;
  move.MessageIds = arena_.copy(std::span<const mapi::Id>(messages));
  move.WantCopy = copy;
  std::vector<RopRequest> rops{rop<RopOpenFolder>(0, source), rop<RopOpenFolder>(0, target), rop<RopMoveCopyMessages>(1, move),
                               rop<RopRelease>(1), rop<RopRelease>(2)};
  std::vector<std::uint32_t> handles{client_.logon(), no_handle, no_handle};
  co_return co_await run(std::move(rops), &handles);
}

Task<Status> MailboxWriter::delete_messages(mapi::Id folder, std::vector<mapi::Id> messages) {
  arena_ = Arena();
  RopOpenFolder::Request open;
  open.OutputHandleIndex = 1;
  open.FolderId = folder;
  RopDeleteMessages::Request remove;
  remove.MessageIds = arena_.copy(std::span<const mapi::Id>(messages));
  std::vector<RopRequest> rops{rop<RopOpenFolder>(0, open), rop<RopDeleteMessages>(1, remove), rop<RopRelease>(1)};
  std::vector<std::uint32_t> handles{client_.logon(), no_handle};
  co_return co_await run(std::move(rops), &handles);
}

Task<Status> MailboxWriter::set_read(mapi::Id folder, std::vector<mapi::Id> messages, bool read) {
  constexpr std::uint8_t rfSuppressReceipt = 0x01, rfClearReadFlag = 0x04;
  arena_ = Arena();
  RopOpenFolder::Request open;
  open.OutputHandleIndex = 1;
  open.FolderId = folder;
  RopSetReadFlags::Request flags;
  flags.ReadFlags = read ? rfSuppressReceipt : rfClearReadFlag;
  flags.MessageIds = arena_.copy(std::span<const mapi::Id>(messages));
  std::vector<RopRequest> rops{rop<RopOpenFolder>(0, open), rop<RopSetReadFlags>(1, flags), rop<RopRelease>(1)};
  std::vector<std::uint32_t> handles{client_.logon(), no_handle};
  co_return co_await run(std::move(rops), &handles);
}

Task<Status> MailboxWriter::set_flag(mapi::Id folder, mapi::Id message, bool flagged) {
  arena_ = Arena();
  RopOpenMessage::Request open;
  open.OutputHandleIndex = 1;
  open.FolderId = folder;
  open.MessageId = message;
  open.OpenModeFlags = RopOpenMessage::ReadWrite;
  const mapi::TaggedValue values[] = {{mapi::PidTagFlagStatus, mapi::Value::integer32(flagged ? 2 : 0)}};
  RopSetProperties::Request set;
  set.PropertyValues = arena_.copy(std::span<const mapi::TaggedValue>(values));
  RopSaveChangesMessage::Request save;
  save.InputHandleIndex = 1;
  std::vector<RopRequest> rops{rop<RopOpenMessage>(0, open), rop<RopSetProperties>(1, set), rop<RopSaveChangesMessage>(1, save),
                               rop<RopRelease>(1)};
  std::vector<std::uint32_t> handles{client_.logon(), no_handle};
  co_return co_await run(std::move(rops), &handles);
}

Task<Status> MailboxWriter::send(OutgoingMessage message) {
  arena_ = Arena();
  RopCreateMessage::Request create;
  create.OutputHandleIndex = 1;
  create.FolderId = client_.outbox();
  const auto sent = server_id(client_.sent_items());
  std::vector<mapi::TaggedValue> values{
      {mapi::PidTagMessageClass, mapi::Value::string(arena_, "IPM.Note")},
      {mapi::PidTagSubject, mapi::Value::string(arena_, message.subject)},
      {mapi::PidTagSentMailSvrEID, {mapi::PropertyType::PtypServerId, View(sent)}}};
  RopSetProperties::Request set;
  set.PropertyValues = arena_.copy(std::span<const mapi::TaggedValue>(values));
  std::vector<ModifyRecipientRow> rows;
  for (const auto& recipient : message.recipients) {
    ModifyRecipientRow row;
    row.RowId = static_cast<std::uint32_t>(rows.size());
    row.RecipientType = recipient.type;
    row.RecipientRow.RecipientFlags = RecipientRow::U | RecipientRow::E | RecipientRow::D | RecipientRow::S;
    row.RecipientRow.RecipientFlags |= static_cast<std::uint16_t>(RecipientRow::SMTP);
    row.RecipientRow.EmailAddress = any(arena_, recipient.address);
    row.RecipientRow.DisplayName = any(arena_, recipient.name.empty() ? recipient.address : recipient.name);
    rows.push_back(row);
  }
  RopModifyRecipients::Request recipients;
  recipients.RecipientRows = arena_.copy(std::span<const ModifyRecipientRow>(rows));
  std::vector<RopRequest> rops{rop<RopCreateMessage>(0, create), rop<RopSetProperties>(1, set), rop<RopModifyRecipients>(1, recipients)};
  std::vector<std::uint32_t> handles{client_.logon(), no_handle, no_handle, no_handle};
  auto done = co_await run(std::move(rops), &handles);
  if (!done) co_return done;

  const auto write = [this, &handles](std::size_t object, mapi::PropertyTag tag, View bytes) -> Task<Status> {
    RopOpenStream::Request open;
    open.OutputHandleIndex = 3;
    open.PropertyTag = tag;
    open.OpenModeFlags = RopOpenStream::Create;
    std::vector<RopRequest> first{rop<RopOpenStream>(object, open)};
    auto opened = co_await run(std::move(first), &handles);
    for (std::size_t at = 0; opened && at < bytes.size(); at += stream_piece) {
      RopWriteStream::Request piece;
      piece.Data = bytes.subspan(at, std::min(stream_piece, bytes.size() - at));
      std::vector<RopRequest> next{rop<RopWriteStream>(3, piece)};
      opened = co_await run(std::move(next), &handles);
    }
    if (!opened) co_return opened;
    std::vector<RopRequest> last{rop<RopCommitStream>(3), rop<RopRelease>(3)};
    co_return co_await run(std::move(last), &handles);
  };
  const auto text = to_utf16(message.text);
  done = co_await write(1, mapi::PidTagBody, text);
  for (const auto& file : message.files) {
    if (!done) break;
    RopCreateAttachment::Request attach;
    attach.OutputHandleIndex = 2;
    std::vector<mapi::TaggedValue> about{{mapi::PidTagAttachMethod, mapi::Value::integer32(1)},
                                         {mapi::PidTagRenderingPosition, mapi::Value::integer32(-1)},
                                         {mapi::PidTagAttachLongFilename, mapi::Value::string(arena_, file.name)}};
    RopSetProperties::Request named;
    named.PropertyValues = arena_.copy(std::span<const mapi::TaggedValue>(about));
    std::vector<RopRequest> first{rop<RopCreateAttachment>(1, attach), rop<RopSetProperties>(2, named)};
    done = co_await run(std::move(first), &handles);
    if (done) done = co_await write(2, mapi::PidTagAttachDataBinary, file.data);
    RopSaveChangesAttachment::Request save;
    save.InputHandleIndex = 2;
    std::vector<RopRequest> last{rop<RopSaveChangesAttachment>(1, save), rop<RopRelease>(2)};
    if (done) done = co_await run(std::move(last), &handles);
  }
  if (!done) co_return done;
  RopSaveChangesMessage::Request save;
  save.InputHandleIndex = 1;
  std::vector<RopRequest> end{rop<RopSaveChangesMessage>(1, save), rop<RopSubmitMessage>(1), rop<RopRelease>(1)};
  co_return co_await run(std::move(end), &handles);
}

}  // namespace mapigate::upstream
