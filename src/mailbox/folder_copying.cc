// RopCopyTo and RopCopyProperties of folders ([MS-OXCPRPT] 3.2.5.7 and 3.2.5.8): properties, messages and folders into a folder of the
// same mailbox, or of another one of the session. All of it lasts at once.
#include <algorithm>
#include <set>

#include "base/text.h"
#include "mailbox/copying.h"
#include "mailbox/property_writing.h"

namespace mapigate::mailbox {

namespace {

using mapi::PropertyTag;
using mapi::TaggedValue;

bool is_below(const FolderTree& tree, GlobalCounter id, GlobalCounter above) {
  for (unsigned depth = 0; depth < 100 && id != 0; ++depth) {
    if (id == above) return true;
    const auto* folder = tree.find(id);
    if (!folder) return false;
    id = folder->parent;
  }
  return false;
}

// Whether two folders directly below them could not stand beside each other.
bool share_a_name(const FolderTree& tree, GlobalCounter a, GlobalCounter b) {
  std::set<std::string> names;
  for (const auto* child : tree.children(a)) names.insert(fold(child->name));
  const auto others = tree.children(b);
  return std::any_of(others.begin(), others.end(), [&](const auto* child) { return names.contains(fold(child->name)); });
}

FolderParts parts_of(const Selection& selection) {
  return {selection.wants_object(mapi::PidTagContainerContents), selection.wants_object(mapi::PidTagFolderAssociatedContents),
          selection.wants_object(mapi::PidTagContainerHierarchy)};
}

// What is asked for of the properties that were set on the folder, and of its name and class.
Task<Result<std::vector<TaggedValue>>> take_properties(RopCall& call, std::shared_ptr<FolderObject> from, Selection selection, Problems* problems) {
  auto whole = co_await properties_of(call, from, false, false);
  if (!whole) co_return whole.error();
  auto held = *whole;
  auto* arena = &call.arena;
  const auto is_there = [held, arena](PropertyTag tag) {
    for (const auto objects : {mapi::PidTagContainerHierarchy, mapi::PidTagContainerContents, mapi::PidTagFolderAssociatedContents})
      if (tag.id() == objects.id()) return true;
    return held->get(tag.with(mapi::PropertyType::PtypUnspecified), *arena).has_value();
  };
  selection.report_missing(is_there, problems);
  const auto* source = call.mailbox.tree()->find(from->id);
  if (!source) co_return error(Errc::not_found, "the folder is gone");
  std::vector<TaggedValue> values;
  if (const auto extras = call.mailbox.folder_extras(from->id))
    for (const auto& [tag, value] : *extras)
      if (selection.wants(tag)) values.push_back({tag, mapi::copy(*arena, value)});
  if (selection.wants(mapi::PidTagContainerClass) && !source->container_class.empty())
    values.push_back({mapi::PidTagContainerClass, mapi::Value::string(*arena, source->container_class)});
  // A copy of everything leaves the other folder its name.
  if (!selection.all_but && selection.named(mapi::PidTagDisplayName))
    values.push_back({mapi::PidTagDisplayName, mapi::Value::string(*arena, source->name)});
  co_return values;
}

// `values` under the tags of the mailbox of `to`, whose call this is; `asked`: those of the source, one for each.
Task<ErrorCode> put_properties(RopCall& call, std::shared_ptr<FolderObject> to, std::vector<TaggedValue> values, std::vector<PropertyTag> asked,
                               Selection selection, Problems* problems) {
  if (!selection.overwrites()) {
    const auto extras = call.mailbox.folder_extras(to->id);
    // Every folder has a name and a class, if an empty one.
    const auto has = [&extras](PropertyTag tag) {
      return tag.id() == mapi::PidTagDisplayName.id() || tag.id() == mapi::PidTagContainerClass.id() || (extras && extras->contains(tag));
    };
    std::size_t kept = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (has(values[i].tag)) continue;
      values[kept] = values[i];
      asked[kept++] = asked[i];
    }
    values.resize(kept);
    asked.resize(kept);
  }
  if (values.empty()) co_return mapi::ecNone;
  Problems found;
  const auto code = co_await set_on_container(call, to, values, found);
  if (code != mapi::ecNone) co_return code;
  for (const auto& problem : found)
    if (!selection.all_but || problem.ErrorCode != mapi::ecComputed)
      problems->push_back({selection.place(asked[problem.Index], problem.Index), asked[problem.Index], problem.ErrorCode});
  co_return mapi::ecNone;
}

// -- within a mailbox

Task<Status> copy_messages(Mailbox* mailbox, GlobalCounter from, GlobalCounter contents, GlobalCounter to) {
  auto indexed = co_await mailbox->wait_indexed(from, mailbox->context().options.first_index_wait);
  if (!indexed) co_return indexed;
  auto read = [contents](state::MailboxState& s) { return s.message_keys(contents); };
  auto keys = co_await mailbox->with_state(read);
  if (!keys) co_return keys.error();
  std::vector<GlobalCounter> ids;
  for (const auto& key : *keys) ids.push_back(key.id);
  if (ids.empty()) co_return Status{};
  co_return co_await mailbox->move_messages(from, std::move(ids), to, true);
}

// -- into another mailbox

// What names the folders of its own mailbox (row F2) means nothing in another one, whose own would be lost.
bool names_folders(PropertyTag tag) {
  for (const auto one : {mapi::PidTagIpmAppointmentEntryId, mapi::PidTagIpmContactEntryId, mapi::PidTagIpmJournalEntryId,
                         mapi::PidTagIpmNoteEntryId, mapi::PidTagIpmTaskEntryId, mapi::PidTagIpmDraftsEntryId,
                         mapi::PidTagRemindersOnlineEntryId, mapi::PidTagAdditionalRenEntryIds, mapi::PidTagAdditionalRenEntryIdsEx,
                         mapi::PidTagFreeBusyEntryIds})
    if (tag.id() == one.id()) return true;
  return false;
}

// On the executor of that mailbox, while the call whose request it is waits.
Task<ErrorCode> put_properties_across(OtherHandle to, const wire::RopRequest* request, std::vector<TaggedValue> values,
                                      std::map<std::uint16_t, mapi::PropertyName> names, Selection selection, Problems* problems) {
  Destination there;
  const auto opened = co_await there.open(to, Object::Kind::folder, std::move(names));
  if (opened != mapi::ecNone) co_return opened;
  std::vector<PropertyTag> asked;
  std::vector<TaggedValue> ours;
  for (const auto& one : values) {
    const auto tag = there.map().ours(one.tag);
    if (tag.id() == 0) continue;  // nobody knows its name
    ours.push_back({tag, one.value});
    asked.push_back(one.tag);
  }
  Arena arena;
  std::vector<std::uint32_t> handles;
  RopCall call{*to.session, *there.mailbox(), arena, *request, handles};
  co_return co_await put_properties(call, there.object<FolderObject>(), std::move(ours), std::move(asked), selection, problems);
}

}  // namespace

Task<ErrorCode> copy_folder_into(RopCall& call, std::shared_ptr<FolderObject> from, std::shared_ptr<FolderObject> to, Selection selection,
                                 Problems* problems) {
  auto& mailbox = call.mailbox;
  const auto tree = mailbox.tree();
  if (!tree->find(from->id) || !tree->find(to->id)) co_return mapi::ecNotFound;
  const auto parts = parts_of(selection);
  if (parts.folders && is_below(*tree, to->id, from->id)) co_return mapi::ecFolderCycle;
  if (parts.folders && share_a_name(*tree, from->id, to->id)) co_return mapi::ecDuplicateName;
  auto values = co_await take_properties(call, from, selection, problems);
  if (!values) co_return mapi::to_error_code(values.error());
  std::vector<PropertyTag> asked;
  for (const auto& one : *values) asked.push_back(one.tag);
  const auto code = co_await put_properties(call, to, std::move(*values), std::move(asked), selection, problems);
  if (code != mapi::ecNone) co_return code;
  if (parts.messages) {
    auto done = co_await copy_messages(&mailbox, from->id, from->id, to->id);
    if (!done) co_return mapi::to_error_code(done.error());
  }
  if (parts.associated) {
    auto done = co_await copy_messages(&mailbox, from->id, state::associated_of(from->id), to->id);
    if (!done) co_return mapi::to_error_code(done.error());
  }
  if (!parts.folders) co_return mapi::ecNone;
  std::vector<GlobalCounter> below;
  for (const auto* child : mailbox.tree()->children(from->id)) below.push_back(child->id);
  for (const auto id : below) {
    const auto* child = mailbox.tree()->find(id);
    if (!child) continue;
    const auto name = child->name;
    auto copied = co_await copy_folder_tree(&mailbox, id, to->id, name);
    if (!copied) co_return copied.error().code == Errc::conflict ? mapi::ecDuplicateName : mapi::to_error_code(copied.error());
  }
  co_return mapi::ecNone;
}

Task<ErrorCode> copy_folder_across(RopCall& call, std::shared_ptr<FolderObject> from, OtherHandle to, Selection selection, Problems* problems) {
  auto taken = co_await take_properties(call, from, selection, problems);
  if (!taken) co_return mapi::to_error_code(taken.error());
  std::vector<TaggedValue> values;
  std::vector<std::uint16_t> named;
  for (const auto& one : *taken) {
    if (names_folders(one.tag)) {
      if (!selection.all_but) problems->push_back({selection.place(one.tag, 0), one.tag, mapi::ecComputed});
      continue;
    }
    if (one.tag.named()) named.push_back(one.tag.id());
    values.push_back(one);
  }
  auto names = co_await call.mailbox.names_of(std::move(named));
  if (!names) co_return mapi::to_error_code(names.error());
  auto putting = put_properties_across(to, &call.request, std::move(values), std::move(*names), selection, problems);
  const auto code = co_await io::on(to.session->mailbox().executor(), std::move(putting));
  if (code != mapi::ecNone) co_return code;
  co_return co_await contents_to_other(call, from, to, parts_of(selection));
}

}  // namespace mapigate::mailbox
