// Properties of stores ([MS-OXCSTOR] 2.2.2) and folders ([MS-OXCFOLD] 2.2.2, [MS-OXOSFLD] 2.2).
#include <algorithm>

#include "mailbox/object_properties.h"
#include "mapi/legacy_dn.h"

namespace mapigate::mailbox {

using namespace mapi;  // PidTag…

namespace {

using Cell = std::optional<Value>;
using enum FolderRole;

Cell text(Arena& arena, std::string_view utf8) { return Value::string(arena, utf8); }
Cell number(std::int64_t n) { return Value::integer32(static_cast<std::int32_t>(std::min<std::int64_t>(n, INT32_MAX))); }
Cell wide(std::uint64_t n) { return Value::integer64(static_cast<std::int64_t>(n)); }
Cell flag(bool b) { return Value::boolean(b); }
Cell bytes(Arena& arena, const Bytes& b) { return binary_value(arena, b); }
Cell none_of() { return std::nullopt; }

// STORE_ENTRYID_UNIQUE, SEARCH, MODIFY, CREATE, ATTACH, OLE, SUBMIT, NOTIFY, MV_PROPS, CATEGORIZE, RTF,
// RESTRICTION, SORTING, UNCOMPRESSED_RTF, HTML, UNICODE: what Exchange says. What is not offered is refused
// operation by operation.
constexpr std::int32_t store_support_mask = 0x00004000 | 0x00008000 | 0x00040000 | 0x00001FFF;

constexpr std::int32_t folder_access = 0x0000003F;  // [MS-OXCFOLD] "PidTagAccess": all six

Cell special_entry_id(const StoreIdentity& store, const FolderTree& tree, FolderRole role, Arena& arena) {
  const auto* folder = tree.by_role(role);
  if (!folder) return std::nullopt;
  return bytes(arena, store.folder_entry_id(folder->id));
}

// -- stores

using Stores = Getter<StoreView>;
template <FolderRole role>
Cell store_folder(const StoreView& v, Arena& arena) {
  return special_entry_id(*v.store, *v.tree, role, arena);
}
const Stores store_getters[] = {
    {PidTagEntryId, [](auto& v, Arena& a) { return bytes(a, v.store->store_entry_id()); }},
    {PidTagStoreEntryId, [](auto& v, Arena& a) { return bytes(a, v.store->store_entry_id()); }},
    {PidTagRecordKey, [](auto& v, Arena& a) { return Cell(binary_value(a, v.store->mailbox.bytes)); }},
    {PidTagStoreRecordKey, [](auto& v, Arena& a) { return Cell(binary_value(a, v.store->mailbox.bytes)); }},
    {PidTagMappingSignature, [](auto& v, Arena& a) { return Cell(binary_value(a, v.store->replica.bytes)); }},
    {PidTagSerializedReplidGuidMap, [](auto& v, Arena& a) { return bytes(a, v.replid_map); }},
    {PidTagObjectType, [](auto&, Arena&) { return number(1); }},
    {PidTagDisplayName, [](auto& v, Arena& a) { return text(a, v.store->display_name); }},
    {PidTagMailboxOwnerName, [](auto& v, Arena& a) { return text(a, v.store->display_name); }},
    {PidTagMailboxOwnerEntryId, [](auto& v, Arena& a) { return bytes(a, v.store->user_entry_id()); }},
    {PidTagUserEntryId, [](auto& v, Arena& a) {
       return bytes(a, v.guest.empty() ? v.store->user_entry_id() : address_book_entry_id(user_dn(v.guest)));
     }},
    {PidTagMaximumSubmitMessageSize, [](auto& v, Arena&) { return number(v.max_submit_kilobytes); }},
    {PidTagStoreSupportMask, [](auto&, Arena&) { return number(store_support_mask); }},
    {PidTagStoreState, [](auto& v, Arena&) { return number(store_state(v.has_searches)); }},
    {PidTagOutOfOfficeState, [](auto&, Arena&) { return flag(false); }},
    {PidTagLocaleId, [](auto& v, Arena&) { return number(v.locale); }},
    {PidTagSortLocaleId, [](auto& v, Arena&) { return number(v.locale); }},
    {PidTagCodePageId, [](auto& v, Arena&) { return number(v.code_page); }},
    // FOLDER_IPM_SUBTREE_VALID and the six that follow it ([MS-OXCSTOR] PidTagValidFolderMask).
    {PidTagValidFolderMask, [](auto&, Arena&) { return number(0xFF); }},
    {PidTagIpmSubtreeEntryId, store_folder<ipm_subtree>},
    {PidTagIpmOutboxEntryId, store_folder<outbox>},
    {PidTagIpmWastebasketEntryId, store_folder<deleted_items>},
    {PidTagIpmSentMailEntryId, store_folder<sent_items>},
    {PidTagViewsEntryId, store_folder<views>},
    {PidTagCommonViewsEntryId, store_folder<common_views>},
    {PidTagFinderEntryId, store_folder<finder>},
    {PidTagAccess, [](auto&, Arena&) { return number(folder_access); }},
    {PidTagAccessLevel, [](auto&, Arena&) { return number(1); }},
    {PidTagRights, [](auto&, Arena&) { return number(owner_rights); }},
    {PidTagExtendedRuleSizeLimit, [](auto&, Arena&) { return number(extended_rule_limit); }},
    {PidTagMessageSizeExtended,
     [](auto& v, Arena&) {
       std::uint64_t sum = 0;
       for (const auto& folder : v.tree->all()) sum += folder.role == search ? 0 : folder.size;
       return wide(sum);
     }},
    {PidTagMessageSize,
     [](auto& v, Arena&) {
       std::uint64_t sum = 0;
       for (const auto& folder : v.tree->all()) sum += folder.role == search ? 0 : folder.size;
       return number(static_cast<std::int64_t>(std::min<std::uint64_t>(sum, INT32_MAX)));
     }},
    {PidTagContentCount,
     [](auto& v, Arena&) {
       std::int64_t sum = 0;
       for (const auto& folder : v.tree->all()) sum += folder.role == search ? 0 : folder.total;
       return number(sum);
     }},
};

// -- folders

using Folders = Getter<FolderView>;

// The names of the special folders stand on root and inbox (row F2).
bool names_specials(const FolderView& v) { return v.folder->role == root || v.folder->role == inbox; }
template <FolderRole role>
Cell named_special(const FolderView& v, Arena& arena) {
  if (!names_specials(v)) return std::nullopt;
  return special_entry_id(*v.store, *v.tree, role, arena);
}
Cell entry_id_list(const FolderView& v, Arena& arena, std::initializer_list<FolderRole> roles) {
  if (!names_specials(v)) return std::nullopt;
  auto list = arena.make_span<View>(roles.size());
  std::size_t i = 0;
  for (const auto role : roles) {
    const auto* folder = role == none ? nullptr : v.tree->by_role(role);
    if (folder) list[i] = arena.copy(View(v.store->folder_entry_id(folder->id)));
    ++i;
  }
  return Value{PropertyType::PtypMultipleBinary, std::span<const View>(list)};
}
// FOLDER_ROOT, FOLDER_SEARCH, FOLDER_GENERIC.
std::int64_t folder_type(const Folder& folder) { return folder.role == root ? 0 : folder.role == search ? 2 : 1; }

// [MS-OXCFOLD] 2.2.2.2.1.5: IPM, SEARCH, NORMAL, RULES.
std::int64_t folder_flags(const FolderView& v) {
  constexpr unsigned most_levels = 100;
  std::int64_t flags = v.folder->role == search ? 2 : 4;
  if (v.extras && v.extras->number(PidTagHasRules) != 0) flags |= 8;
  const auto* at = v.folder;
  for (unsigned i = 0; i < most_levels && at != nullptr && at->role != ipm_subtree; ++i)
    at = at->parent == at->id ? nullptr : v.tree->find(at->parent);
  if (at != nullptr && at->role == ipm_subtree) flags |= 1;
  return flags;
}

std::string_view default_message_class(const Folder& folder) {
  if (folder.container_class == "IPF.Appointment") return "IPM.Appointment";
  if (folder.container_class == "IPF.Contact") return "IPM.Contact";
  if (folder.container_class == "IPF.Task") return "IPM.Task";
  if (folder.container_class == "IPF.Journal") return "IPM.Activity";
  if (folder.container_class == "IPF.StickyNote") return "IPM.StickyNote";
  return "IPM.Note";
}

const Folders folder_getters[] = {
    {PidTagFolderId, [](auto& v, Arena&) { return wide(v.store->id(v.folder->id).value); }},
    {PidTagParentFolderId, [](auto& v, Arena&) { return wide(v.store->id(v.folder->parent ? v.folder->parent : v.folder->id).value); }},
    {PidTagEntryId, [](auto& v, Arena& a) { return bytes(a, v.store->folder_entry_id(v.folder->id)); }},
    {PidTagParentEntryId,
     [](auto& v, Arena& a) { return bytes(a, v.store->folder_entry_id(v.folder->parent ? v.folder->parent : v.folder->id)); }},
    {PidTagLongTermEntryIdFromTable, [](auto& v, Arena& a) { return bytes(a, v.store->folder_entry_id(v.folder->id)); }},
    {PidTagRecordKey, [](auto& v, Arena& a) { return bytes(a, v.store->folder_entry_id(v.folder->id)); }},
    {PidTagInstanceKey, [](auto& v, Arena& a) { return bytes(a, v.store->source_key(v.folder->id)); }},
    {PidTagSourceKey, [](auto& v, Arena& a) { return bytes(a, v.store->source_key(v.folder->id)); }},
    {PidTagParentSourceKey,
     [](auto& v, Arena& a) { return bytes(a, v.folder->parent ? v.store->source_key(v.folder->parent) : Bytes()); }},
    {PidTagChangeKey, [](auto& v, Arena& a) { return bytes(a, v.store->source_key(v.folder->change_number)); }},
    {PidTagPredecessorChangeList,
     [](auto& v, Arena& a) { return bytes(a, v.store->predecessor_change_list(v.folder->change_number)); }},
    {PidTagChangeNumber, [](auto& v, Arena&) { return wide(v.store->id(v.folder->change_number).value); }},
    // Until the first folder came or went below it (Mailbox::count_hierarchy_change).
    {PidTagHierarchyChangeNumber, [](auto& v, Arena&) { return number(static_cast<std::int64_t>(v.folder->change_number & 0x7FFFFFFF)); }},
    {PidTagStoreEntryId, [](auto& v, Arena& a) { return bytes(a, v.store->store_entry_id()); }},
    {PidTagStoreRecordKey, [](auto& v, Arena& a) { return Cell(binary_value(a, v.store->mailbox.bytes)); }},
    {PidTagMappingSignature, [](auto& v, Arena& a) { return Cell(binary_value(a, v.store->replica.bytes)); }},
    {PidTagStoreSupportMask, [](auto&, Arena&) { return number(store_support_mask); }},
    {PidTagDisplayName, [](auto& v, Arena& a) { return text(a, v.folder->name); }},
    // Without one, the empty one that the client gave ([MS-OXCFOLD] 2.2.2.2.2.2).
    {PidTagComment, [](auto&, Arena&) { return Cell(Value::string(Utf16{})); }},
    {PidTagContainerClass, [](auto& v, Arena& a) { return v.folder->container_class.empty() ? none_of() : text(a, v.folder->container_class); }},
    {PidTagDefaultPostMessageClass, [](auto& v, Arena& a) { return text(a, default_message_class(*v.folder)); }},
    {PidTagFolderType, [](auto& v, Arena&) { return number(folder_type(*v.folder)); }},
    {PidTagFolderFlags, [](auto& v, Arena&) { return number(folder_flags(v)); }},
    {PidTagHierRev, [](auto& v, Arena&) { return Cell(Value::time(v.folder->modified)); }},
    {PidTagObjectType, [](auto&, Arena&) { return number(3); }},
    {PidTagDisplayType, [](auto&, Arena&) { return number(0x01000000); }},  // DT_FOLDER
    {PidTagContentCount, [](auto& v, Arena&) { return number(v.folder->total); }},
    {PidTagContentUnreadCount, [](auto& v, Arena&) { return number(v.folder->unread); }},
    {PidTagAssociatedContentCount, [](auto& v, Arena&) { return number(v.folder->associated); }},
    {PidTagDeletedCountTotal, [](auto&, Arena&) { return number(0); }},  // until one was (Mailbox::delete_messages)
    {PidTagMessageSize, [](auto& v, Arena&) { return number(static_cast<std::int64_t>(std::min<std::uint64_t>(v.folder->size, INT32_MAX))); }},
    {PidTagMessageSizeExtended, [](auto& v, Arena&) { return wide(v.folder->size); }},
    {PidTagSubfolders, [](auto& v, Arena&) { return flag(v.tree->has_visible_children(v.folder->id)); }},
    {PidTagDepth, [](auto& v, Arena&) { return number(v.depth); }},
    {PidTagRowType, [](auto&, Arena&) { return number(1); }},
    {PidTagAttributeHidden, [](auto& v, Arena&) { return flag(v.tree->hidden(*v.folder)); }},
    {PidTagAttributeSystem, [](auto&, Arena&) { return flag(false); }},
    {PidTagAttributeReadOnly, [](auto&, Arena&) { return flag(false); }},
    {PidTagCreatorSID, [](auto&, Arena&) { return Cell(Value::binary({})); }},
    {PidTagCreatorEntryId, [](auto& v, Arena& a) { return bytes(a, v.store->user_entry_id()); }},
    {PidTagRights, [](auto& v, Arena&) { return number(static_cast<std::int32_t>(v.store->rights_in(v.folder->id))); }},
    {PidTagAccess, [](auto& v, Arena&) { return number(v.store->folder_access(v.folder->id)); }},
    {PidTagAccessLevel, [](auto& v, Arena&) { return number(v.store->folder_level(v.folder->id)); }},
    {PidTagHasNamedProperties, [](auto&, Arena&) { return flag(false); }},
    {PidTagHasRules, [](auto&, Arena&) { return flag(false); }},  // until there are some (rules.cc)
    {PidTagCreationTime, [](auto& v, Arena&) { return Cell(Value::time(v.folder->created)); }},
    {PidTagLastModificationTime, [](auto& v, Arena&) { return Cell(Value::time(v.folder->modified)); }},
    {PidTagLocalCommitTime, [](auto& v, Arena&) { return Cell(Value::time(v.folder->modified)); }},
    {PidTagLocalCommitTimeMax, [](auto& v, Arena&) { return Cell(Value::time(v.folder->modified)); }},
    {PidTagIpmAppointmentEntryId, named_special<calendar>},
    {PidTagIpmContactEntryId, named_special<contacts>},
    {PidTagIpmJournalEntryId, named_special<journal>},
    {PidTagIpmNoteEntryId, named_special<notes>},
    {PidTagIpmTaskEntryId, named_special<tasks>},
    {PidTagIpmDraftsEntryId, named_special<drafts>},
    {PidTagRemindersOnlineEntryId, named_special<reminders>},
    {PidTagAdditionalRenEntryIds,
     [](auto& v, Arena& a) { return entry_id_list(v, a, {conflicts, sync_issues, local_failures, server_failures, junk}); }},
    // No folder of its list exists: only the sentinel ([MS-OXOSFLD] 2.2.4).
    {PidTagAdditionalRenEntryIdsEx, [](auto& v, Arena& a) { return names_specials(v) ? bytes(a, Bytes(4, 0)) : none_of(); }},
    // Row P7: nothing, the LocalFreebusy message (there is none), nothing, the Freebusy Data folder.
    {PidTagFreeBusyEntryIds, [](auto& v, Arena& a) { return entry_id_list(v, a, {none, none, none, free_busy_data}); }},
};

// Of two properties with one id (PidTagMessageSize and PidTagMessageSizeExtended) the one of this type.
template <class T, std::size_t N>
const T* getter_for(const T (&getters)[N], PropertyTag tag) {
  const T* found = nullptr;
  for (const auto& getter : getters) {
    if (getter.tag == tag) return &getter;
    if (!found && getter.tag.id() == tag.id()) found = &getter;
  }
  return found;
}

}  // namespace

Cell StoreSource::get(PropertyTag tag, Arena& arena) const {
  if (view_.extras)
    if (auto value = find_in(*view_.extras, tag)) return value;
  const auto* getter = getter_for(store_getters, tag);
  return getter ? getter->get(view_, arena) : std::nullopt;
}
std::vector<PropertyTag> StoreSource::list() const {
  std::vector<PropertyTag> tags;
  Arena arena;
  for (const auto& getter : store_getters)
    if (getter.get(view_, arena)) tags.push_back(getter.tag);
  if (!view_.extras) return tags;
  for (const auto& value : *view_.extras)
    if (std::none_of(tags.begin(), tags.end(), [&](auto tag) { return tag.id() == value.tag.id(); })) tags.push_back(value.tag);
  return tags;
}
Cell FolderSource::get(PropertyTag tag, Arena& arena) const {
  if (view_.extras)
    if (auto value = find_in(*view_.extras, tag)) return value;
  const auto* getter = getter_for(folder_getters, tag);
  return getter ? getter->get(view_, arena) : std::nullopt;
}
std::vector<PropertyTag> FolderSource::list() const {
  std::vector<PropertyTag> tags;
  Arena arena;
  for (const auto& getter : folder_getters)
    if (getter.get(view_, arena)) tags.push_back(getter.tag);
  if (!view_.extras) return tags;
  for (const auto& value : *view_.extras)
    if (std::none_of(tags.begin(), tags.end(), [&](auto tag) { return tag.id() == value.tag.id(); })) tags.push_back(value.tag);
  return tags;
}
std::vector<PropertyTag> folder_columns() {
  std::vector<PropertyTag> tags;
  for (const auto& getter : folder_getters) tags.push_back(getter.tag);
  return tags;
}

}  // namespace mapigate::mailbox
