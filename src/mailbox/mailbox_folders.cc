// What users do to folders: in the backend first, then in the state store.
#include <algorithm>

#include "base/text.h"
#include "mailbox/mailbox.h"
#include "mailbox/search.h"

namespace mapigate::mailbox {

namespace {

// Whether a folder made below this one belongs to a backend. Beside the mail folders those of the other kinds, and what
// stands above the subtree that users see, live in the state store.
bool holds_mail(const Folder& folder) { return folder.role == FolderRole::ipm_subtree || !folder.provider.empty(); }

bool same_name(const FolderTree& tree, GlobalCounter parent, std::string_view name, GlobalCounter except) {
  const auto wanted = fold(name);
  const auto siblings = tree.children(parent);
  return std::any_of(siblings.begin(), siblings.end(), [&](auto* one) { return one->id != except && fold(one->name) == wanted; });
}

}  // namespace

Result<bool> holds_folder(state::MailboxState& s, GlobalCounter folder) {
  auto all = s.folders();
  if (!all) return all.error();
  return std::any_of(all->begin(), all->end(), [folder](const auto& one) { return one.id == folder; });
}

Task<Status> Mailbox::load_folder_extras() {
  std::vector<GlobalCounter> ids{store_object};
  for (const auto& folder : tree_->all()) ids.push_back(folder.id);
  auto* out = &folder_extras_;
  auto read = [&ids, out](state::MailboxState& s) -> Status {
    out->clear();
    for (const auto id : ids) {
      auto bag = s.extra_properties(id);
      if (!bag) return bag.error();
      if (!bag->empty()) (*out)[id] = std::make_shared<const mapi::PropertyBag>(std::move(*bag));
    }
    return {};
  };
  co_return co_await with_state(read);
}

std::shared_ptr<const mapi::PropertyBag> Mailbox::folder_extras(GlobalCounter folder) const {
  const auto found = folder_extras_.find(folder);
  return found == folder_extras_.end() ? nullptr : found->second;
}

Task<Status> Mailbox::set_folder_extras(GlobalCounter folder, mapi::PropertyBag extras) {
  auto held = std::make_shared<const mapi::PropertyBag>(std::move(extras));
  auto write = [folder, held](state::MailboxState& s) { return s.set_extra_properties(folder, *held); };
  auto written = co_await with_state(write);
  if (!written) co_return written;
  folder_extras_[folder] = held;
  if (folder == store_object) co_return Status{};
  const auto* row = tree_->find(folder);
  if (!row) co_return Status{};
  co_return co_await put_folder(*row);  // a new change number
}

// [MS-OXCFOLD] 2.2.2.2.1.9: PidTagHierarchyChangeNumber grows whenever a folder comes or goes. It stands beside the folder, so
// that nobody takes the folder itself for changed.
Task<Status> Mailbox::count_hierarchy_change(GlobalCounter folder) {
  const auto* row = tree_->find(folder);
  if (!row) co_return Status{};
  const auto first = static_cast<std::int64_t>(row->change_number & 0x7FFFFFFF);
  co_return co_await add_to_count(folder, mapi::PidTagHierarchyChangeNumber, 1, first);
}

Task<Status> Mailbox::add_to_count(GlobalCounter folder, mapi::PropertyTag tag, std::size_t more, std::int64_t first) {
  if (!tree_->find(folder)) co_return Status{};
  const auto before = folder_extras(folder);
  auto extras = before ? before->clone() : mapi::PropertyBag();
  const auto count = (extras.contains(tag) ? extras.number(tag) : first) + static_cast<std::int64_t>(more);
  extras.set_integer(tag, static_cast<std::int32_t>(std::min<std::int64_t>(count, INT32_MAX)));
  auto held = std::make_shared<const mapi::PropertyBag>(std::move(extras));
  auto write = [folder, held](state::MailboxState& s) { return s.set_extra_properties(folder, *held); };
  auto written = co_await with_state(write);
  if (!written) co_return written;
  folder_extras_[folder] = held;
  co_return Status{};
}

Task<Status> Mailbox::put_folder(Folder folder) {
  const auto id = folder.id;
  auto write = [&folder](state::MailboxState& s) { return s.put_folder(folder); };
  auto stored = co_await with_state(write);
  if (!stored) co_return stored.error();
  auto loaded = co_await load_tree();
  if (!loaded) co_return loaded;
  tell({MailboxEvent::Kind::folder_changed, id});
  tell({MailboxEvent::Kind::hierarchy_changed, id});
  co_return Status{};
}

Task<Result<GlobalCounter>> Mailbox::create_folder(GlobalCounter parent_id, std::string name, std::string container_class,
                                                    FolderRole role) {
  const auto* found = tree_->find(parent_id);
  if (!found) co_return error(Errc::not_found, "the folder above is gone");
  Folder parent = *found;
  if (name.empty()) co_return error(Errc::malformed, "a folder without a name");
  auto lock = co_await write_lock();
  if (!lock) co_return lock.error();
  if (same_name(*tree_, parent_id, name, 0)) co_return error(Errc::conflict, "the name is taken");
  Folder folder;
  folder.parent = parent_id;
  folder.name = name;
  folder.container_class = container_class;
  folder.role = role;
  if (parent.role == FolderRole::search) co_return error(Errc::unsupported, "a search folder holds no folders");
  if (holds_mail(parent) && role != FolderRole::search) {
    folder.provider = parent.provider;
    if (folder.provider.empty()) {
      const auto factories = context_.factories();
      if (!factories.empty()) folder.provider = factories.front().name;
    }
  }
  if (!folder.provider.empty()) {
    auto to = co_await provider_of(folder);
    if (!to) co_return to.error();
    auto keep = *to;
    ++tree_writes_;
    auto made = co_await keep->create_folder(parent.remote_id, name);
    ++tree_writes_;
    if (!made) co_return std::move(made.error()).within("making a folder");
    folder.remote_id = made->remote_id;
    // The backend's list may have come first.
    if (const auto* known = tree_->by_remote(folder.provider, folder.remote_id)) co_return known->id;
  }
  auto write = [&folder](state::MailboxState& s) { return s.put_folder(folder); };
  auto stored = co_await with_state(write);
  if (!stored) co_return stored.error();
  auto loaded = co_await load_tree();
  if (!loaded) co_return loaded.error();
  tell({MailboxEvent::Kind::folder_created, stored->id, 0, 0, parent_id});
  tell({MailboxEvent::Kind::hierarchy_changed, stored->id});
  auto counted = co_await count_hierarchy_change(parent_id);
  if (!counted) co_return counted.error();
  co_return stored->id;
}

Task<Status> Mailbox::delete_folder(GlobalCounter id) {
  const auto* found = tree_->find(id);
  if (!found) co_return Status{};
  Folder folder = *found;
  if (special_folder(folder.role)) co_return error(Errc::denied, "{} cannot be deleted", folder.name);
  auto lock = co_await write_lock();
  if (!lock) co_return lock.error();
  if (!is_local(folder)) {
    auto from = co_await provider_of(folder);
    if (!from) co_return from.error();
    auto keep = *from;
    ++tree_writes_;
    auto gone = co_await keep->delete_folder(folder.remote_id);
    ++tree_writes_;
    if (!gone && gone.error().code != Errc::not_found) co_return std::move(gone.error()).within("deleting a folder");
  }
  auto remove = [id](state::MailboxState& s) { return s.remove_folder(id); };
  auto removed = co_await with_state(remove);
  if (!removed && removed.error().code != Errc::not_found) co_return removed;
  auto loaded = co_await load_tree();
  if (!loaded) co_return loaded;
  forget_folder(id);
  announced_.erase({folder.provider, folder.remote_id});
  if (const auto search = searches_.find(id); search != searches_.end()) {
    search->second->stop = true;
    searches_.erase(search);
  }
  tell({MailboxEvent::Kind::folder_removed, id, 0, 0, folder.parent});
  tell({MailboxEvent::Kind::hierarchy_changed, id});
  co_return co_await count_hierarchy_change(folder.parent);
}

Task<Status> Mailbox::move_folder(GlobalCounter id, GlobalCounter parent_id, std::string name) {
  const auto* found = tree_->find(id);
  const auto* above = tree_->find(parent_id);
  if (!found || !above) co_return error(Errc::not_found, "the folder is gone");
  Folder folder = *found, parent = *above;
  if (folder.parent == parent_id && folder.name == name) co_return Status{};
  if (special_folder(folder.role)) co_return error(Errc::denied, "{} cannot be moved or renamed", folder.name);
  auto lock = co_await write_lock();
  if (!lock) co_return lock.error();
  if (same_name(*tree_, parent_id, name, id)) co_return error(Errc::conflict, "the name is taken");
  std::vector<Folder> changed_rows;
  if (!is_local(folder)) {
    const bool same_backend = parent.role == FolderRole::ipm_subtree || parent.provider == folder.provider;
    if (!same_backend) co_return error(Errc::unsupported, "the folder cannot go to another backend");
    auto keep = co_await provider_of(folder);
    if (!keep) co_return keep.error();
    auto to = *keep;
    ++tree_writes_;
    auto moved = co_await to->move_folder(folder.remote_id, parent.remote_id, name);
    ++tree_writes_;
    if (!moved) co_return std::move(moved.error()).within("moving a folder");
    for (const auto& [old_id, new_id] : *moved) {
      const auto* row = tree_->by_remote(folder.provider, old_id);
      if (!row) continue;
      changed_rows.push_back(*row);
      changed_rows.back().remote_id = new_id;
    }
  } else if (parent.role == FolderRole::search) {
    co_return error(Errc::unsupported, "a search folder holds no folders");
  } else if (holds_mail(parent) && parent.role != FolderRole::ipm_subtree && folder.role != FolderRole::search) {
    co_return error(Errc::unsupported, "the folder cannot go to a backend");
  }
  if (std::none_of(changed_rows.begin(), changed_rows.end(), [&](const auto& row) { return row.id == id; }))
    changed_rows.push_back(folder);
  for (auto& row : changed_rows) {
    if (row.id == id) {
      row.parent = parent_id;
      row.name = name;
    }
    auto write = [&row](state::MailboxState& s) { return s.put_folder(row); };
    auto stored = co_await with_state(write);
    if (!stored) co_return stored.error();
  }
  auto loaded = co_await load_tree();
  if (!loaded) co_return loaded;
  if (folder.parent != parent_id) tell({MailboxEvent::Kind::folder_moved, id, 0, 0, folder.parent, id});
  else tell({MailboxEvent::Kind::folder_changed, id});
  tell({MailboxEvent::Kind::hierarchy_changed, id});
  if (folder.parent == parent_id) co_return Status{};
  auto counted = co_await count_hierarchy_change(folder.parent);
  if (!counted) co_return counted;
  co_return co_await count_hierarchy_change(parent_id);
}

}  // namespace mapigate::mailbox
