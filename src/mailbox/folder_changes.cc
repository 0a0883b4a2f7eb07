// Making, deleting, moving and emptying folders ([MS-OXCFOLD] 3.2.5), and properties of folders and the store.
#include <algorithm>

#include "base/text.h"
#include "mailbox/across_rops.h"
#include "mailbox/message_edit.h"
#include "mailbox/property_writing.h"
#include "mailbox/search.h"
#include "mailbox/store_out_of_office.h"

namespace mapigate::mailbox {

namespace {

using mapi::PropertyTag;

constexpr unsigned max_depth = 100;

// What the store makes of a folder, or keeps elsewhere.
constexpr PropertyTag computed_of_folder[] = {
    mapi::PidTagFolderId, mapi::PidTagParentFolderId, mapi::PidTagEntryId, mapi::PidTagParentEntryId,
    mapi::PidTagLongTermEntryIdFromTable, mapi::PidTagRecordKey, mapi::PidTagInstanceKey, mapi::PidTagSourceKey,
    mapi::PidTagParentSourceKey, mapi::PidTagChangeKey, mapi::PidTagPredecessorChangeList, mapi::PidTagChangeNumber,
    mapi::PidTagHierarchyChangeNumber, mapi::PidTagStoreEntryId, mapi::PidTagStoreRecordKey, mapi::PidTagMappingSignature,
    mapi::PidTagFolderType, mapi::PidTagObjectType, mapi::PidTagContentCount, mapi::PidTagContentUnreadCount,
    mapi::PidTagAssociatedContentCount, mapi::PidTagDeletedCountTotal, mapi::PidTagMessageSize,
    mapi::PidTagMessageSizeExtended, mapi::PidTagSubfolders, mapi::PidTagDepth, mapi::PidTagRowType, mapi::PidTagRights,
    mapi::PidTagAccess, mapi::PidTagAccessLevel, mapi::PidTagHasNamedProperties, mapi::PidTagCreationTime,
    mapi::PidTagLastModificationTime, mapi::PidTagLocalCommitTime, mapi::PidTagLocalCommitTimeMax, mapi::PidTagFolderFlags,
    mapi::PidTagHierRev, mapi::PidTagHasRules};

// [MS-OXCSTOR] 2.2.2.1.1, what is not among those of folders.
constexpr PropertyTag computed_of_store[] = {
    mapi::PidTagExtendedRuleSizeLimit, mapi::PidTagMaximumSubmitMessageSize, mapi::PidTagProhibitReceiveQuota,
    mapi::PidTagProhibitSendQuota, mapi::PidTagStoreState, mapi::PidTagMailboxOwnerEntryId, mapi::PidTagMailboxOwnerName,
    mapi::PidTagUserEntryId, mapi::PidTagLocaleId, PidTagStorageQuotaLimit};

bool is_computed_of_store(PropertyTag tag) {
  return std::any_of(std::begin(computed_of_store), std::end(computed_of_store), [&](auto one) { return one.id() == tag.id(); });
}
bool is_computed_of_folder(PropertyTag tag) {
  return std::any_of(std::begin(computed_of_folder), std::end(computed_of_folder), [&](auto one) { return one.id() == tag.id(); });
}

ErrorCode folder_error(const Error& error) {
  if (error.code == Errc::conflict) return mapi::ecDuplicateName;
  if (error.code == Errc::malformed) return mapi::ecInvalidParam;
  return mapi::to_error_code(error);
}

std::string trimmed(const wire::AnyString& text, unsigned code_page) { return std::string(trim(wire::to_utf8(text, code_page))); }

Task<ErrorCode> create_folder(RopCall& call, const wire::RopCreateFolder::Request& request, wire::RopCreateFolder::Response& response) {
  auto parent = call.object<FolderObject>();
  if (!parent) co_return call.why;
  if (request.FolderType != wire::RopCreateFolder::Generic && request.FolderType != wire::RopCreateFolder::Search)
    co_return mapi::ecInvalidParam;
  const auto code_page = call.session.options().code_page;
  auto name = trimmed(request.DisplayName, code_page);
  if (name.empty()) co_return mapi::ecInvalidParam;
  const auto wanted = fold(name);
  for (const auto* child : call.mailbox.tree()->children(parent->id)) {
    if (fold(child->name) != wanted) continue;
    if (!request.OpenExisting) co_return mapi::ecDuplicateName;
    // IsExistingFolder tells of public folders only ([MS-OXCFOLD] 2.2.1.2.2).
    response.FolderId = call.id(child->id);
    co_return call.put(request.OutputHandleIndex, std::make_shared<FolderObject>(child->id));
  }
  const auto* above = call.mailbox.tree()->find(parent->id);
  if (!above) co_return mapi::ecNotFound;
  const auto container_class = above->role == FolderRole::ipm_subtree || above->container_class.empty() ? "IPF.Note" : above->container_class;
  const auto role = request.FolderType == wire::RopCreateFolder::Search ? FolderRole::search : FolderRole::none;
  auto made = co_await call.mailbox.create_folder(parent->id, name, container_class, role);
  if (!made) co_return folder_error(made.error());
  const auto comment = trimmed(request.Comment, code_page);
  if (!comment.empty()) {
    mapi::PropertyBag extras;
    extras.set_string(mapi::PidTagComment, comment);
    auto kept = co_await call.mailbox.set_folder_extras(*made, std::move(extras));
    if (!kept) co_return mapi::to_error_code(kept.error());
  }
  response.FolderId = call.id(*made);
  co_return call.put(request.OutputHandleIndex, std::make_shared<FolderObject>(*made));
}

Task<Status> delete_contents(Mailbox* mailbox, GlobalCounter folder, bool associated, Deletion how) {
  const auto* row = mailbox->tree()->find(folder);
  if (!row) co_return Status{};
  if (row->selectable && !mailbox->is_local(*row)) {
    // All that is there now, not what the index saw last.
    auto fresh = co_await mailbox->refresh_folder(folder);
    if (!fresh) co_return fresh;
  }
  std::vector<GlobalCounter> ids;
  for (const auto of : {folder, state::associated_of(folder)}) {
    if (state::is_associated(of) && !associated) continue;
    auto read = [of](state::MailboxState& s) { return s.message_keys(of); };
    auto keys = co_await mailbox->with_state(read);
    if (!keys) co_return keys.error();
    for (const auto& key : *keys) ids.push_back(key.id);
  }
  if (ids.empty()) co_return Status{};
  auto leaving = ids;
  co_await mailbox->take_back(folder, std::move(leaving));
  co_return co_await mailbox->delete_messages(folder, std::move(ids), how);
}

// The folder and what is below it, that first. Messages can be recovered unless hard, folders cannot.
Task<Status> delete_tree(Mailbox* mailbox, GlobalCounter folder, Deletion how) {
  auto below = mailbox->tree()->descendants(folder);
  std::vector<std::pair<unsigned, GlobalCounter>> order{{0, folder}};
  for (const auto& [row, depth] : below) order.emplace_back(depth, row->id);
  std::sort(order.rbegin(), order.rend());
  for (const auto& [depth, id] : order) {
    if (how == Deletion::soft) {
      auto kept = co_await delete_contents(mailbox, id, false, how);
      if (!kept) co_return kept;
    }
    auto gone = co_await mailbox->delete_folder(id);
    if (!gone) co_return gone;
  }
  co_return Status{};
}

Task<ErrorCode> delete_folder(RopCall& call, const wire::RopDeleteFolder::Request& request, wire::RopDeleteFolder::Response& response) {
  using Rop = wire::RopDeleteFolder;
  auto parent = call.object<FolderObject>();
  if (!parent) co_return call.why;
  constexpr std::uint8_t known = Rop::DEL_MESSAGES | Rop::DEL_FOLDERS | Rop::DELETE_HARD_DELETE;
  if (request.DeleteFolderFlags & ~known) co_return mapi::ecInvalidParam;
  const auto id = RopCall::counter(request.FolderId);
  if (id == special_id(FolderRole::root)) co_return mapi::ecNotSupported;  // [MS-OXCFOLD] 3.2.5.3
  const auto tree = call.mailbox.tree();
  const auto* folder = tree->find(id);
  if (!folder || folder->parent != parent->id) co_return mapi::ecNotFound;
  if (special_folder(folder->role)) co_return mapi::ecAccessDenied;
  const bool has_folders = !tree->children(id).empty();
  if (!(request.DeleteFolderFlags & Rop::DEL_MESSAGES) && folder->selectable) {
    auto indexed = co_await call.mailbox.wait_indexed(id, call.mailbox.context().options.first_index_wait);
    if (!indexed) co_return mapi::to_error_code(indexed.error());
  }
  folder = call.mailbox.tree()->find(id);
  const bool has_messages = folder && folder->total > 0 && folder->role != FolderRole::search;
  if ((has_folders && !(request.DeleteFolderFlags & Rop::DEL_FOLDERS)) ||
      (has_messages && !(request.DeleteFolderFlags & Rop::DEL_MESSAGES))) {
    response.PartialCompletion = true;
    co_return mapi::ecNone;
  }
  auto done = co_await delete_tree(&call.mailbox, id, (request.DeleteFolderFlags & Rop::DELETE_HARD_DELETE) ? Deletion::hard : Deletion::soft);
  if (done) co_return mapi::ecNone;
  response.PartialCompletion = true;
  co_return folder_error(done.error());
}

Task<ErrorCode> empty(RopCall& call, bool associated, Deletion how, bool* partial) {
  auto folder = call.object<FolderObject>();
  if (!folder) co_return call.why;
  // All of the mailbox is below it ([MS-OXCFOLD] 3.2.5.9).
  if (folder->id == special_id(FolderRole::root)) co_return mapi::ecNotSupported;
  const auto* row = call.mailbox.tree()->find(folder->id);
  if (!row) co_return mapi::ecNotFound;
  if (row->role == FolderRole::search) co_return mapi::ecNotSupported;  // its messages are those of other folders
  auto done = co_await delete_contents(&call.mailbox, folder->id, associated, how);
  if (!done) co_return mapi::to_error_code(done.error());
  // With each that goes the tree is another one.
  std::vector<GlobalCounter> below;
  for (const auto* child : call.mailbox.tree()->children(folder->id))
    if (!special_folder(child->role)) below.push_back(child->id);
  for (const auto id : below) {
    done = co_await delete_tree(&call.mailbox, id, how);
    if (!done) *partial = true;
  }
  co_return mapi::ecNone;
}
Task<ErrorCode> empty_folder(RopCall& call, const wire::RopEmptyFolder::Request& request, wire::RopEmptyFolder::Response& response) {
  co_return co_await empty(call, request.WantDeleteAssociated, Deletion::soft, &response.PartialCompletion);
}
Task<ErrorCode> hard_delete_all(RopCall& call, const wire::RopHardDeleteMessagesAndSubfolders::Request& request,
                                wire::RopHardDeleteMessagesAndSubfolders::Response& response) {
  co_return co_await empty(call, request.WantDeleteAssociated, Deletion::hard, &response.PartialCompletion);
}

bool is_below(const FolderTree& tree, GlobalCounter id, GlobalCounter above) {
  for (unsigned i = 0; i < max_depth && id != 0; ++i) {
    if (id == above) return true;
    const auto* folder = tree.find(id);
    if (!folder) return false;
    id = folder->parent;
  }
  return false;
}

Task<ErrorCode> move_folder(RopCall& call, const wire::RopMoveFolder::Request& request, wire::RopMoveFolder::Response& response) {
  auto from = call.object<FolderObject>();
  if (!from) co_return call.why;
  auto to = call.object<FolderObject>(request.DestHandleIndex);
  response.DestHandleIndex = request.DestHandleIndex;
  auto* other = call.other_with(request.DestHandleIndex);
  if (!to && !other) co_return call.no_destination(request.DestHandleIndex);
  const auto id = RopCall::counter(request.FolderId);
  const auto tree = call.mailbox.tree();
  const auto* folder = tree->find(id);
  if (!folder || folder->parent != from->id) co_return mapi::ecNotFound;
  auto name = trimmed(request.NewFolderName, call.session.options().code_page);
  if (name.empty()) name = folder->name;
  if (other)
    co_return co_await folder_to_other(call, id, {other, call.handles[request.DestHandleIndex]}, std::move(name), true, true,
                                       &response.PartialCompletion);
  if (is_below(*tree, to->id, id)) co_return mapi::ecFolderCycle;
  auto done = co_await call.mailbox.move_folder(id, to->id, name);
  co_return done ? mapi::ecNone : folder_error(done.error());
}

Task<Result<GlobalCounter>> copy_one(Mailbox* mailbox, GlobalCounter id, GlobalCounter to, std::string name, bool recursive, unsigned depth) {
  if (depth > max_depth) co_return error(Errc::limit, "folders within folders");
  const auto* row = mailbox->tree()->find(id);
  if (!row) co_return error(Errc::not_found, "the folder is gone");
  const Folder source = *row;
  std::vector<GlobalCounter> below;
  for (const auto* child : mailbox->tree()->children(id)) below.push_back(child->id);
  const bool searches = source.role == FolderRole::search;
  const auto role = searches ? FolderRole::search : FolderRole::none;
  auto made = co_await mailbox->create_folder(to, name, source.container_class, role);
  if (!made) co_return made;
  // What it shows is in other folders: the copy looks for the same.
  if (const auto search = mailbox->search(id); searches && search) {
    auto criteria = search->criteria;
    auto set = co_await mailbox->set_search(*made, std::move(criteria), true);
    if (!set) co_return set.error();
  }
  if (auto extras = mailbox->folder_extras(id)) {
    auto copies = extras->clone();
    // Rules stay behind, and so does what was counted.
    for (const auto tag : {mapi::PidTagHasRules, mapi::PidTagDeletedCountTotal, mapi::PidTagHierarchyChangeNumber}) copies.remove(tag);
    auto kept = co_await mailbox->set_folder_extras(*made, std::move(copies));
    if (!kept) co_return kept.error();
  }
  if (source.selectable && !searches) {
    auto indexed = co_await mailbox->wait_indexed(id, mailbox->context().options.first_index_wait);
    if (!indexed) co_return indexed.error();
    std::vector<GlobalCounter> ids;
    for (const auto of : {id, state::associated_of(id)}) {
      auto read = [of](state::MailboxState& s) { return s.message_keys(of); };
      auto keys = co_await mailbox->with_state(read);
      if (!keys) co_return keys.error();
      for (const auto& key : *keys) ids.push_back(key.id);
    }
    auto copied = co_await mailbox->move_messages(id, std::move(ids), *made, true);
    if (!copied) co_return copied.error();
  }
  for (const auto child : below) {
    if (!recursive) break;
    const auto* inner = mailbox->tree()->find(child);
    if (!inner) continue;
    const auto inner_name = inner->name;
    auto copied = co_await copy_one(mailbox, child, *made, inner_name, true, depth + 1);
    if (!copied) co_return copied;
  }
  co_return made;
}

Task<ErrorCode> copy_folder(RopCall& call, const wire::RopCopyFolder::Request& request, wire::RopCopyFolder::Response& response) {
  auto from = call.object<FolderObject>();
  if (!from) co_return call.why;
  auto to = call.object<FolderObject>(request.DestHandleIndex);
  response.DestHandleIndex = request.DestHandleIndex;
  auto* other = call.other_with(request.DestHandleIndex);
  if (!to && !other) co_return call.no_destination(request.DestHandleIndex);
  const auto id = RopCall::counter(request.FolderId);
  const auto tree = call.mailbox.tree();
  const auto* folder = tree->find(id);
  if (!folder || folder->parent != from->id) co_return mapi::ecNotFound;
  auto name = trimmed(request.NewFolderName, call.session.options().code_page);
  if (name.empty()) name = folder->name;
  if (other)
    co_return co_await folder_to_other(call, id, {other, call.handles[request.DestHandleIndex]}, std::move(name), request.WantRecursive, false,
                                       &response.PartialCompletion);
  if (request.WantRecursive && is_below(*tree, to->id, id)) co_return mapi::ecFolderCycle;
  auto done = co_await copy_one(&call.mailbox, id, to->id, name, request.WantRecursive, 0);
  if (!done) co_return folder_error(done.error());
  call.mailbox.tell_copied_folder(*done, id, from->id);
  co_return mapi::ecNone;
}

GlobalCounter container_id(const Object& object) {
  return object.kind == Object::Kind::folder ? static_cast<const FolderObject&>(object).id : store_object;
}

// Row P8: a client writes the entries it knows; those behind them stay.
mapi::Value keep_the_rest(const mapi::Value& wanted, const mapi::Value& present, Arena& arena) {
  const auto* list = wanted.get<std::span<const View>>();
  const auto* old = present.get<std::span<const View>>();
  if (!list || !old || list->size() >= old->size()) return wanted;
  auto out = arena.make_span<View>(old->size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = i < list->size() ? (*list)[i] : (*old)[i];
  return {mapi::PropertyType::PtypMultipleBinary, std::span<const View>(out)};
}

}  // namespace

Task<ErrorCode> set_on_container(RopCall& call, std::shared_ptr<Object> object, std::span<const mapi::TaggedValue> values,
                                 std::vector<wire::PropertyProblem>& problems) {
  const auto id = container_id(*object);
  const auto* folder = call.mailbox.tree()->find(id);
  if (id != store_object && !folder) co_return mapi::ecNotFound;
  auto before = call.mailbox.folder_extras(id);
  auto extras = before ? before->clone() : mapi::PropertyBag();
  bool any = false;
  std::optional<std::string> name, container_class;
  Arena arena;
  auto source = co_await properties_of(call, object, false, false);
  if (!source) co_return mapi::to_error_code(source.error());
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto tag = values[i].tag;
    auto value = normal_value(tag, values[i].value, arena, call.session.options().code_page);
    if (id != store_object && tag.id() == mapi::PidTagDisplayName.id()) {
      name = std::string(trim(mapi::text_of(value)));
    } else if (id != store_object && tag.id() == mapi::PidTagContainerClass.id()) {
      container_class = mapi::text_of(value);
    } else if (id == store_object && tag.id() == mapi::PidTagOutOfOfficeState.id()) {
      const auto* away = value.get<bool>();
      auto code = mapi::ecUnexpectedType;
      if (away != nullptr) code = co_await set_out_of_office(&call.mailbox, call.session.is_guest(), *away);
      if (code != mapi::ecNone) {
        problems.push_back({static_cast<std::uint16_t>(i), values[i].tag, code});
        continue;
      }
      extras.set(tag, value);  // for logons while a Sieve server is away
      any = true;
    } else if (is_computed_of_folder(tag) || (id == store_object && is_computed_of_store(tag))) {
      problems.push_back({static_cast<std::uint16_t>(i), values[i].tag, mapi::ecComputed});
    } else {
      if (tag.id() == mapi::PidTagAdditionalRenEntryIds.id())
        if (auto present = (*source)->get(tag, arena)) value = keep_the_rest(value, *present, arena);
      extras.set(tag, value);
      any = true;
    }
  }
  folder = call.mailbox.tree()->find(id);  // the tree may be another one by now
  if (name && folder && *name != folder->name) {
    auto renamed = co_await call.mailbox.move_folder(id, folder->parent, *name);
    if (!renamed) co_return folder_error(renamed.error());
  }
  folder = call.mailbox.tree()->find(id);
  if (container_class && folder && *container_class != folder->container_class) {
    auto row = *folder;
    row.container_class = *container_class;
    auto put = co_await call.mailbox.put_folder(std::move(row));
    if (!put) co_return mapi::to_error_code(put.error());
  }
  if (!any) co_return mapi::ecNone;
  auto kept = co_await call.mailbox.set_folder_extras(id, std::move(extras));
  co_return kept ? mapi::ecNone : mapi::to_error_code(kept.error());
}

Task<ErrorCode> delete_on_container(RopCall& call, std::shared_ptr<Object> object, std::span<const PropertyTag> tags,
                                    std::vector<wire::PropertyProblem>& problems) {
  const auto id = container_id(*object);
  auto before = call.mailbox.folder_extras(id);
  auto extras = before ? before->clone() : mapi::PropertyBag();
  bool any = false;
  for (std::size_t i = 0; i < tags.size(); ++i) {
    if (is_computed_of_folder(tags[i]) || tags[i].id() == mapi::PidTagDisplayName.id() ||
        (id == store_object && is_computed_of_store(tags[i]))) {
      problems.push_back({static_cast<std::uint16_t>(i), tags[i], mapi::ecComputed});
      continue;
    }
    while (const auto* value = extras.find(tags[i].with(mapi::PropertyType::PtypUnspecified))) {
      any = true;
      if (!extras.remove(tags[i].with(value->type))) break;
    }
  }
  if (!any) co_return mapi::ecNone;
  auto kept = co_await call.mailbox.set_folder_extras(id, std::move(extras));
  co_return kept ? mapi::ecNone : mapi::to_error_code(kept.error());
}

Task<Result<GlobalCounter>> copy_folder_tree(Mailbox* mailbox, GlobalCounter id, GlobalCounter to, std::string name) {
  co_return co_await copy_one(mailbox, id, to, std::move(name), true, 0);
}

HandlerList folder_change_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopCreateFolder, create_folder>(),
      on<wire::RopDeleteFolder, delete_folder>(),
      on<wire::RopEmptyFolder, empty_folder>(),
      on<wire::RopHardDeleteMessagesAndSubfolders, hard_delete_all>(),
      on<wire::RopMoveFolder, move_folder>(),
      on<wire::RopCopyFolder, copy_folder>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
