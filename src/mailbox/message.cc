// Message ROPs ([MS-OXCMSG] 3.2.5): opening, recipients, read state. Where that chapter says so, an object of another kind is
// ecNullObject, not ecNotSupported.
#include <algorithm>
#include <set>

#include "mailbox/message_edit.h"
#include "mailbox/across_rops.h"
#include "mailbox/property_writing.h"
#include "mailbox/receipts.h"
#include "mailbox/rop_call.h"

namespace mapigate::mailbox {

namespace {

// Messages are opened and made below a logon or any folder of its store ([MS-OXCMSG] 2.2.3.1, 2.2.3.2).
bool is_container(const std::shared_ptr<Object>& object) {
  return object && (object->kind == Object::Kind::logon || object->kind == Object::Kind::folder);
}

Task<ErrorCode> open_message(RopCall& call, const wire::RopOpenMessage::Request& request, wire::RopOpenMessage::Response& response) {
  if (!is_container(call.find())) co_return mapi::ecNullObject;
  const auto folder = RopCall::counter(request.FolderId), id = RopCall::counter(request.MessageId);
  const auto* shown_in = call.mailbox.tree()->find(folder);
  if (!shown_in || id == 0) co_return mapi::ecNotFound;
  const bool in_search_folder = shown_in->role == FolderRole::search;
  auto row = co_await call.mailbox.message(id);
  if (!row) co_return mapi::to_error_code(row.error());
  // What a search folder shows is in another one.
  const auto there = state::folder_of(row->folder);
  const bool deleted = (request.OpenModeFlags & wire::RopOpenMessage::OpenSoftDeleted) != 0 && call.mailbox.deleted_from(*row, folder);
  if (there != folder && !deleted && !in_search_folder) co_return mapi::ecNotFound;
  auto message = std::make_shared<MessageObject>();
  message->folder = there;
  message->id = id;
  message->associated = state::is_associated(row->folder);
  const auto mode = request.OpenModeFlags & wire::RopOpenMessage::BestAccess;
  const bool may_edit = call.mailbox.identity()->may_edit_in(row->folder);
  if (mode == wire::RopOpenMessage::ReadWrite && !may_edit) co_return mapi::ecAccessDenied;
  message->read_only = mode == wire::RopOpenMessage::ReadOnly || !may_edit;
  message->opened_key = row->remote_key;
  message->opened_change = row->change_number;
  if (request.CodePageId != 0x0FFF) message->code_page = request.CodePageId;
  auto stored = co_await call.mailbox.stored_data(id);
  if (!stored) co_return mapi::to_error_code(stored.error());
  message->data = *stored;
  const auto code = co_await summarize_message(call, message, response);
  if (code != mapi::ecNone) co_return code;
  co_return call.put(request.OutputHandleIndex, message);
}

Task<ErrorCode> create_message(RopCall& call, const wire::RopCreateMessage::Request& request, wire::RopCreateMessage::Response&) {
  if (!is_container(call.find())) co_return mapi::ecNullObject;
  const auto* folder = call.mailbox.tree()->find(RopCall::counter(request.FolderId));
  if (!folder) co_return mapi::ecNotFound;
  if ((!folder->selectable || folder->role == FolderRole::search) && !request.AssociatedFlag) co_return mapi::ecAccessDenied;
  if (!request.AssociatedFlag && !call.mailbox.identity()->may_create_in(folder->id)) co_return mapi::ecAccessDenied;
  auto message = std::make_shared<MessageObject>();
  message->folder = folder->id;
  message->associated = request.AssociatedFlag;
  message->saved = false;
  message->content_changed = true;
  message->data = std::make_shared<convert::MessageData>();
  initialize(message->data->properties, call.session.options().locale);
  if (request.CodePageId != 0x0FFF) message->code_page = request.CodePageId;
  // The id comes with the first save.
  co_return call.put(request.OutputHandleIndex, message);
}

Task<ErrorCode> reload_cached_information(RopCall& call, const wire::RopReloadCachedInformation::Request&,
                                          wire::RopReloadCachedInformation::Response& response) {
  auto message = call.object<MessageObject>();
  if (!message) co_return mapi::ecNullObject;
  co_return co_await summarize_message(call, message, response);
}

Task<ErrorCode> set_message_read_flag(RopCall& call, const wire::RopSetMessageReadFlag::Request& request,
                                      wire::RopSetMessageReadFlag::Response& response) {
  auto message = call.object<MessageObject>(request.InputHandleIndex);
  if (!message) co_return mapi::ecNullObject;
  if (message->parent || !message->saved) co_return mapi::ecNotSupported;
  response.ReadStatusChanged = false;  // told of public folders only
  const auto wish = read_wish(request.ReadFlags, call.session.is_guest());
  std::vector<GlobalCounter> one{message->id};
  co_await settle_receipts(&call.mailbox, message->folder, std::move(one), wish.receipts);
  if ((wish.set | wish.clear) == 0) co_return mapi::ecNone;
  std::vector<GlobalCounter> ids{message->id};
  auto done = co_await call.mailbox.set_flags(message->folder, std::move(ids), wish.set, wish.clear);
  co_return done ? mapi::ecNone : mapi::to_error_code(done.error());
}

Task<ErrorCode> save_changes_message(RopCall& call, const wire::RopSaveChangesMessage::Request& request,
                                     wire::RopSaveChangesMessage::Response& response) {
  auto message = call.object<MessageObject>(request.InputHandleIndex);
  response.InputHandleIndex = request.InputHandleIndex;
  if (!message) co_return call.why;
  if (message->parent) {
    // It becomes part of its attachment, and with that of the message around it.
    auto attachment = message->parent;
    if (!message->data) co_return mapi::ecNone;
    if (is_read_only(*message)) co_return mapi::ecError;
    auto ready = co_await edit_attachment(call.mailbox, attachment);
    if (!ready) co_return mapi::to_error_code(ready.error());
    // What is changed from now on waits for the next save.
    attachment->edit->embedded = std::make_shared<convert::MessageData>(message->data->clone());
    message->saved = true;
    co_return mapi::ecNone;
  }
  if (message->read_only || message->refused) co_return mapi::ecError;  // [MS-OXCMSG] 3.2.5.3
  if (message->associated && message->data &&
      message->data->properties.binary(mapi::PidTagExtendedRuleMessageCondition).size() > extended_rule_limit)
    co_return mapi::ecTooBig;
  // Row P9: of the flags only ForceSave counts; every handle stays usable.
  const bool force = (request.SaveFlags & wire::RopSaveChangesMessage::ForceSave) != 0;
  auto done = co_await save(call.mailbox, message, force, call.session.guest());
  if (!done) co_return mapi::to_error_code(done.error());
  response.MessageId = call.id(message->id);
  co_return mapi::ecNone;
}

// [MS-OXCMSG] 2.2.3.8: bits of PidTagMessageStatus, kept beside the message.
Task<ErrorCode> set_message_status(RopCall& call, const wire::RopSetMessageStatus::Request& request,
                                   wire::RopSetMessageStatus::Response& response) {
  auto folder = call.object<FolderObject>();
  if (!folder) co_return mapi::ecNullObject;
  auto row = co_await call.mailbox.message(RopCall::counter(request.MessageId));
  if (!row) co_return mapi::to_error_code(row.error());
  if (state::folder_of(row->folder) != folder->id) co_return mapi::ecNotFound;
  const auto old = static_cast<std::uint32_t>(row->extras.number(mapi::PidTagMessageStatus));
  response.MessageStatusFlags = old;
  const auto wanted = (old & ~request.MessageStatusMask) | (request.MessageStatusFlags & request.MessageStatusMask);
  if (wanted == old) co_return mapi::ecNone;
  const auto mask = request.MessageStatusMask, flags = request.MessageStatusFlags;
  auto edit = [mask, flags](const state::Message& current) {
    auto extras = current.extras.clone();
    const auto before = static_cast<std::uint32_t>(extras.number(mapi::PidTagMessageStatus));
    extras.set_integer(mapi::PidTagMessageStatus, static_cast<std::int32_t>((before & ~mask) | (flags & mask)));
    return extras;
  };
  auto done = co_await call.mailbox.save_extras(folder->id, row->id, edit, 0, 0);
  co_return done ? mapi::ecNone : mapi::to_error_code(done.error());
}

Task<ErrorCode> get_message_status(RopCall& call, const wire::RopGetMessageStatus::Request& request,
                                   wire::RopGetMessageStatus::Response& response) {
  auto folder = call.object<FolderObject>();
  if (!folder) co_return mapi::ecNullObject;
  auto row = co_await call.mailbox.message(RopCall::counter(request.MessageId));
  if (!row) co_return mapi::to_error_code(row.error());
  response.MessageStatusFlags = static_cast<std::uint32_t>(row->extras.number(mapi::PidTagMessageStatus));
  co_return state::folder_of(row->folder) == folder->id ? mapi::ecNone : mapi::ecNotFound;
}

// -- messages of a folder ([MS-OXCFOLD] 2.2.1.6, 2.2.1.11 and 2.2.1.12)

std::vector<GlobalCounter> counters(std::span<const mapi::Id> ids) {
  std::vector<GlobalCounter> out;
  for (const auto id : ids)
    if (const auto counter = RopCall::counter(id)) out.push_back(counter);
  return out;
}

// PartialCompletion: some of the messages have never been there. Those that somebody else took away a moment ago are none of
// them: Outlook shows its user an error where nothing is wrong (row P13).
Task<bool> some_missing(Mailbox* mailbox, GlobalCounter folder, std::span<const mapi::Id> ids, std::set<GlobalCounter> here) {
  const auto missing = [&] { return std::any_of(ids.begin(), ids.end(), [&](const auto id) { return !here.contains(RopCall::counter(id)); }); };
  if (!missing()) co_return false;
  auto read = [&here, folder](state::MailboxState& s) -> Status {
    for (const auto contents : {folder, state::associated_of(folder)}) {
      auto changes = s.changes(contents, 0, state::GlobalCounter(-1) >> 1);
      if (!changes) return changes.error();
      here.insert(changes->removed.begin(), changes->removed.end());
    }
    return {};
  };
  auto done = co_await mailbox->with_state(read);
  co_return !done || missing();
}

// `tell`: the senders of what was not read, as far as they want to know.
Task<ErrorCode> delete_in_folder(RopCall& call, std::span<const mapi::Id> ids, Deletion how, bool tell, bool* partial) {
  auto folder = call.object<FolderObject>();
  if (!folder) co_return call.why;
  auto places = co_await call.mailbox.by_folder(folder->id, counters(ids));
  if (!places) co_return mapi::to_error_code(places.error());
  std::set<GlobalCounter> found;
  for (const auto& [place, messages] : *places) {
    std::vector<state::Message> unread;
    if (tell && !call.session.is_guest()) {  // in whose name
      auto asked = messages;
      unread = co_await take_unread_receipts(&call.mailbox, place, std::move(asked));
    }
    auto here = messages;
    auto leaving = messages;
    co_await call.mailbox.take_back(place, std::move(leaving));
    auto done = co_await call.mailbox.delete_messages(place, std::move(here), how, &found);
    if (!done) co_return mapi::to_error_code(done.error());
    co_await send_unread_receipts(&call.mailbox, std::move(unread));
  }
  *partial = co_await some_missing(&call.mailbox, folder->id, ids, std::move(found));
  co_return mapi::ecNone;
}
Task<ErrorCode> delete_messages(RopCall& call, const wire::RopDeleteMessages::Request& request, wire::RopDeleteMessages::Response& response) {
  co_return co_await delete_in_folder(call, request.MessageIds, Deletion::soft, request.NotifyNonRead, &response.PartialCompletion);
}
Task<ErrorCode> hard_delete_messages(RopCall& call, const wire::RopHardDeleteMessages::Request& request,
                                     wire::RopHardDeleteMessages::Response& response) {
  co_return co_await delete_in_folder(call, request.MessageIds, Deletion::hard, request.NotifyNonRead, &response.PartialCompletion);
}

Task<ErrorCode> move_copy_messages(RopCall& call, const wire::RopMoveCopyMessages::Request& request,
                                   wire::RopMoveCopyMessages::Response& response) {
  auto from = call.object<FolderObject>();
  if (!from) co_return call.why;
  auto to = call.object<FolderObject>(request.DestHandleIndex);
  response.DestHandleIndex = request.DestHandleIndex;
  if (auto* other = call.other_with(request.DestHandleIndex))
    co_return co_await messages_to_other(call, from->id, {other, call.handles[request.DestHandleIndex]}, counters(request.MessageIds),
                                         request.WantCopy, &response.PartialCompletion);
  if (!to) co_return call.no_destination(request.DestHandleIndex);
  const auto* target = call.mailbox.tree()->find(to->id);
  if (target && target->role == FolderRole::search) co_return mapi::ecSearchFolder;
  auto places = co_await call.mailbox.by_folder(from->id, counters(request.MessageIds));
  if (!places) co_return mapi::to_error_code(places.error());
  std::set<GlobalCounter> found;
  for (const auto& [place, messages] : *places) {
    auto here = messages;
    auto leaving = messages;
    if (!request.WantCopy && place != to->id) co_await call.mailbox.take_back(place, std::move(leaving));
    auto done = co_await call.mailbox.move_messages(place, std::move(here), to->id, request.WantCopy, &found);
    if (!done) co_return mapi::to_error_code(done.error());
  }
  response.PartialCompletion = co_await some_missing(&call.mailbox, from->id, request.MessageIds, std::move(found));
  co_return mapi::ecNone;
}

}  // namespace

HandlerList message_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopOpenMessage, open_message>(),
      on<wire::RopCreateMessage, create_message>(),
      on<wire::RopReloadCachedInformation, reload_cached_information>(),
      on<wire::RopSetMessageReadFlag, set_message_read_flag>(),
      on<wire::RopSaveChangesMessage, save_changes_message>(),
      on<wire::RopSetMessageStatus, set_message_status>(),
      on<wire::RopGetMessageStatus, get_message_status>(),
      on<wire::RopDeleteMessages, delete_messages>(),
      on<wire::RopHardDeleteMessages, hard_delete_messages>(),
      on<wire::RopMoveCopyMessages, move_copy_messages>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
