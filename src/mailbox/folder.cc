// Folder ROPs and the tables opened on folders ([MS-OXCFOLD] 3.2.5).
#include "mailbox/receipts.h"
#include "mailbox/recoverable.h"
#include "mailbox/rop_call.h"
#include "mailbox/whole_mailbox.h"

namespace mapigate::mailbox {

namespace {

Task<ErrorCode> open_folder(RopCall& call, const wire::RopOpenFolder::Request& request, wire::RopOpenFolder::Response& response) {
  if (const auto input = call.find(); !input) co_return mapi::ecNullObject;
  else if (input->kind != Object::Kind::logon && input->kind != Object::Kind::folder) co_return mapi::ecNotSupported;
  const auto id = RopCall::counter(request.FolderId);
  // Row F6: what is not to be seen is not there. Folders are never soft-deleted, so OpenSoftDeleted asks for nothing more.
  const auto* folder = call.mailbox.tree()->find(id);
  if (!folder || keeps_deleted(folder->role)) co_return mapi::ecNotFound;
  call.mailbox.refresh_folder_soon(id);
  response.HasRules = has_rules(call.mailbox, id);
  co_return call.put(request.OutputHandleIndex, std::make_shared<FolderObject>(id));
}

Task<ErrorCode> get_hierarchy_table(RopCall& call, const wire::RopGetHierarchyTable::Request& request,
                                    wire::RopGetHierarchyTable::Response& response) {
  using Rop = wire::RopGetHierarchyTable;
  auto folder = call.object<FolderObject>();
  if (!folder) co_return call.why;
  constexpr std::uint8_t known = Rop::Depth | Rop::DeferredErrors | Rop::NoNotifications | Rop::SoftDeletes | Rop::UseUnicode |
                                 Rop::SuppressesNotifications;
  if (request.TableFlags & ~known) co_return mapi::ecNotSupported;  // [MS-OXCFOLD] 3.2.5.13
  call.mailbox.refresh_folders_soon();
  auto table = std::make_shared<TableObject>();
  table->source = TableObject::Source::hierarchy;
  table->folder = folder->id;
  table->notify = !(request.TableFlags & Rop::NoNotifications);
  table->quiet = (request.TableFlags & Rop::SuppressesNotifications) != 0;
  if (request.TableFlags & Rop::SoftDeletes) table->rows = std::make_unique<FixedRows>(std::vector<mapi::PropertyBag>(), folder_columns());
  else table->rows = std::make_unique<HierarchyRows>(folder->id, (request.TableFlags & Rop::Depth) != 0);
  co_return co_await open_table(call, request.OutputHandleIndex, std::move(table), &response.RowCount);
}

Task<ErrorCode> get_contents_table(RopCall& call, const wire::RopGetContentsTable::Request& request,
                                   wire::RopGetContentsTable::Response& response) {
  using Rop = wire::RopGetContentsTable;
  auto folder = call.object<FolderObject>();
  if (!folder) co_return call.why;
  constexpr std::uint8_t known = Rop::Associated | Rop::DeferredErrors | Rop::NoNotifications | Rop::SoftDeletes | Rop::UseUnicode |
                                 Rop::ConversationMembers;
  if (request.TableFlags & ~known) co_return mapi::ecInvalidParam;  // [MS-OXCFOLD] 3.2.5.14
  auto table = std::make_shared<TableObject>();
  table->source = TableObject::Source::contents;
  table->folder = folder->id;
  // On the root it asks for messages of all folders, and on others for nothing more.
  if ((request.TableFlags & Rop::ConversationMembers) && folder->id == special_id(FolderRole::root)) {
    if (request.TableFlags & (Rop::Associated | Rop::SoftDeletes)) co_return mapi::ecNotSupported;
    table->notify = false;
    table->rows = std::make_unique<WholeMailboxRows>();
    co_return co_await open_table(call, request.OutputHandleIndex, std::move(table), &response.RowCount);
  }
  table->notify = !(request.TableFlags & Rop::NoNotifications);
  if ((request.TableFlags & Rop::Associated) && !(request.TableFlags & Rop::SoftDeletes)) {
    table->folder = state::associated_of(folder->id);
    table->rows = std::make_unique<ContentsRows>(table->folder);
    co_return co_await open_table(call, request.OutputHandleIndex, std::move(table), &response.RowCount);
  }
  if (request.TableFlags & Rop::SoftDeletes) {
    table->notify = false;
    if (request.TableFlags & Rop::Associated) table->rows = std::make_unique<FixedRows>(std::vector<mapi::PropertyBag>(), message_columns());
    else table->rows = std::make_unique<SoftDeletedRows>(folder->id);
    call.mailbox.refresh_folder_soon(special_id(FolderRole::recoverable));
    co_return co_await open_table(call, request.OutputHandleIndex, std::move(table), &response.RowCount);
  }
  // Row S7: the count is exact, so a folder never seen is indexed first. With DeferredErrors the client
  // takes a table that still fills, and is told by TableModified.
  const bool deferred = (request.TableFlags & Rop::DeferredErrors) != 0;
  table->fills = deferred;
  const auto limit = deferred ? Duration::zero() : call.mailbox.context().options.first_index_wait;
  auto indexed = co_await call.mailbox.wait_indexed(folder->id, limit);
  if (!indexed && !(deferred && indexed.error().code == Errc::timeout)) co_return mapi::to_error_code(indexed.error());
  const auto* row = call.mailbox.tree()->find(folder->id);
  if (row) table->folder = call.mailbox.contents_of(*row);
  table->rows = std::make_unique<ContentsRows>(table->folder);
  co_return co_await open_table(call, request.OutputHandleIndex, std::move(table), &response.RowCount);
}

// -- read flags ([MS-OXCMSG] 2.2.3.10)

Task<ErrorCode> set_read_flags(RopCall& call, const wire::RopSetReadFlags::Request& request, wire::RopSetReadFlags::Response& response) {
  auto folder = call.object<FolderObject>();
  if (!folder) co_return mapi::ecNullObject;  // [MS-OXCMSG] 3.2.5.10
  const auto wish = read_wish(request.ReadFlags, call.session.is_guest());
  const bool clear = wish.clear != 0, only_receipts = (wish.set | wish.clear) == 0;
  std::vector<GlobalCounter> ids;
  for (const auto id : request.MessageIds)
    if (const auto counter = RopCall::counter(id)) ids.push_back(counter);
  if (request.MessageIds.empty() && !only_receipts) {
    // All of the folder.
    auto indexed = co_await call.mailbox.wait_indexed(folder->id, call.mailbox.context().options.first_index_wait);
    if (!indexed) co_return mapi::to_error_code(indexed.error());
    const auto* row = call.mailbox.tree()->find(folder->id);
    const auto of = row ? call.mailbox.contents_of(*row) : folder->id;
    auto read = [of](state::MailboxState& s) { return s.message_keys(of); };
    auto keys = co_await call.mailbox.with_state(read);
    if (!keys) co_return mapi::to_error_code(keys.error());
    for (const auto& key : *keys)
      if (((key.flags & state::flag_seen) != 0) == clear) ids.push_back(key.id);
  }
  auto places = co_await call.mailbox.by_folder(folder->id, std::move(ids));
  if (!places) co_return mapi::to_error_code(places.error());
  bool any = false;
  for (const auto& [place, messages] : *places) {
    for (std::size_t at = 0; at < messages.size(); at += 1000) {
      std::vector<GlobalCounter> part(messages.begin() + static_cast<std::ptrdiff_t>(at),
                                      messages.begin() + static_cast<std::ptrdiff_t>(std::min(messages.size(), at + 1000)));
      auto asked = part;
      co_await settle_receipts(&call.mailbox, place, std::move(asked), wish.receipts);
      if (only_receipts) continue;
      auto done = co_await call.mailbox.set_flags(place, std::move(part), wish.set, wish.clear);
      if (!done) {
        response.PartialCompletion = any;
        co_return mapi::to_error_code(done.error());
      }
      any = true;
    }
  }
  // Ids that cannot be of messages here ([MS-OXCMSG] 3.2.5.10).
  std::size_t found = 0;
  for (const auto& [place, messages] : *places) found += messages.size();
  response.PartialCompletion = !request.MessageIds.empty() && found < request.MessageIds.size();
  co_return mapi::ecNone;
}

}  // namespace

HandlerList folder_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopOpenFolder, open_folder>(),
      on<wire::RopGetHierarchyTable, get_hierarchy_table>(),
      on<wire::RopGetContentsTable, get_contents_table>(),
      on<wire::RopSetReadFlags, set_read_flags>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
