#include "mailbox/folder_tree.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace mapigate::mailbox {

namespace {

using enum FolderRole;

// Names are those of an English Exchange: Outlook shows its own for most of them.
constexpr SpecialFolder specials[] = {
    {root, none, "Root", "", false, true},
    {deferred_action, root, "Deferred Action", "", true, true},
    {spooler_queue, root, "Spooler Queue", "", true, true},
    {ipm_subtree, root, "Top of Information Store", "", false, true},
    {inbox, ipm_subtree, "Inbox", "IPF.Note", false, true},
    {outbox, ipm_subtree, "Outbox", "IPF.Note", false, true},
    {sent_items, ipm_subtree, "Sent Items", "IPF.Note", false, true},
    {deleted_items, ipm_subtree, "Deleted Items", "IPF.Note", false, true},
    {common_views, root, "Common Views", "", true, true},
    {schedule, root, "Schedule", "", true, true},
    {finder, root, "Finder", "", true, true},
    {views, root, "Views", "", true, true},
    {shortcuts, root, "Shortcuts", "", true, true},
    {drafts, ipm_subtree, "Drafts", "IPF.Note", false, true},
    {junk, ipm_subtree, "Junk E-mail", "IPF.Note", false, true},
    {archive, ipm_subtree, "Archive", "IPF.Note", false, false},
    {calendar, ipm_subtree, "Calendar", "IPF.Appointment", false, true},
    {contacts, ipm_subtree, "Contacts", "IPF.Contact", false, true},
    {journal, ipm_subtree, "Journal", "IPF.Journal", false, true},
    {notes, ipm_subtree, "Notes", "IPF.StickyNote", false, true},
    {tasks, ipm_subtree, "Tasks", "IPF.Task", false, true},
    {sync_issues, ipm_subtree, "Sync Issues", "IPF.Note", true, true},
    {conflicts, sync_issues, "Conflicts", "IPF.Note", true, true},
    {local_failures, sync_issues, "Local Failures", "IPF.Note", true, true},
    {server_failures, sync_issues, "Server Failures", "IPF.Note", true, true},
    {reminders, root, "Reminders", "Outlook.Reminder", true, true},
    {free_busy_data, root, "Freebusy Data", "", true, true},
    {recoverable, root, "Recoverable Items", "IPF.Note", true, false},
    {recoverable_local, root, "Recoverable Items of the Gateway", "IPF.Note", true, false},
};

bool same(const Folder& a, const Folder& b) {
  return a.parent == b.parent && a.role == b.role && a.provider == b.provider && a.remote_id == b.remote_id &&
         a.name == b.name && a.container_class == b.container_class && a.selectable == b.selectable;
}

// Parents first. What hangs in a cycle or below nothing becomes a child of the subtree.
std::vector<RemoteFolder> in_tree_order(std::vector<RemoteFolder> remote) {
  std::map<std::string, std::size_t> index;
  for (std::size_t i = 0; i < remote.size(); ++i) index.emplace(remote[i].remote_id, i);
  std::vector<unsigned> depth(remote.size(), 0);
  for (std::size_t i = 0; i < remote.size(); ++i) {
    unsigned steps = 0;
    for (auto at = i; !remote[at].parent_remote_id.empty() && steps <= remote.size(); ++steps) {
      const auto parent = index.find(remote[at].parent_remote_id);
      if (parent == index.end()) break;
      at = parent->second;
    }
    const bool orphan = !remote[i].parent_remote_id.empty() && !index.contains(remote[i].parent_remote_id);
    if (orphan || steps > remote.size()) {
      remote[i].parent_remote_id.clear();
      steps = 0;
    }
    depth[i] = steps;
  }
  std::vector<std::size_t> order(remote.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  // Not stable_sort: libstdc++'s uses a function that clang calls deprecated.
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return std::pair(depth[a], a) < std::pair(depth[b], b); });
  std::vector<RemoteFolder> sorted;
  for (const auto i : order) sorted.push_back(std::move(remote[i]));
  return sorted;
}

// Roles that a backend's folder may take over.
bool can_be_remote(FolderRole role) {
  switch (role) {
    case inbox:
    case outbox:
    case sent_items:
    case deleted_items:
    case drafts:
    case junk:
    case archive:
    case calendar:
    case contacts:
    case journal:
    case notes:
    case tasks:
    case recoverable: return true;
    default: return false;
  }
}

}  // namespace

std::span<const SpecialFolder> special_folders() { return specials; }
const SpecialFolder* special_folder(FolderRole role) {
  for (const auto& special : specials)
    if (special.role == role) return &special;
  return nullptr;
}

FolderTree::FolderTree(std::vector<Folder> folders) : folders_(std::move(folders)) {
  std::sort(folders_.begin(), folders_.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
}
const Folder* FolderTree::find(GlobalCounter id) const {
  const auto at = std::lower_bound(folders_.begin(), folders_.end(), id, [](const auto& f, auto x) { return f.id < x; });
  return at != folders_.end() && at->id == id ? &*at : nullptr;
}
const Folder* FolderTree::by_role(FolderRole role) const {
  for (const auto& folder : folders_)
    if (folder.role == role) return &folder;
  return nullptr;
}
const Folder* FolderTree::by_remote(std::string_view provider, std::string_view remote_id) const {
  for (const auto& folder : folders_)
    if (folder.provider == provider && folder.remote_id == remote_id) return &folder;
  return nullptr;
}
std::vector<const Folder*> FolderTree::children(GlobalCounter id) const {
  std::vector<const Folder*> out;
  for (const auto& folder : folders_)
    if (folder.parent == id && folder.id != id && !keeps_deleted(folder.role)) out.push_back(&folder);
  std::sort(out.begin(), out.end(), [](auto* a, auto* b) {
    const auto order = collate(a->name, b->name);
    return order != 0 ? order < 0 : a->id < b->id;
  });
  return out;
}
std::vector<std::pair<const Folder*, unsigned>> FolderTree::descendants(GlobalCounter id) const {
  std::vector<std::pair<const Folder*, unsigned>> out;
  std::set<GlobalCounter> seen{id};
  std::vector<std::pair<const Folder*, unsigned>> stack;
  const auto push = [&](GlobalCounter parent, unsigned depth) {
    auto below = children(parent);
    for (auto at = below.rbegin(); at != below.rend(); ++at)
      if (seen.insert((*at)->id).second) stack.emplace_back(*at, depth);
  };
  push(id, 1);
  while (!stack.empty()) {
    const auto [folder, depth] = stack.back();
    stack.pop_back();
    out.emplace_back(folder, depth);
    push(folder->id, depth + 1);
  }
  return out;
}
bool FolderTree::has_visible_children(GlobalCounter id) const {
  return std::any_of(folders_.begin(), folders_.end(),
                     [&](const auto& folder) { return folder.parent == id && folder.id != id && !keeps_deleted(folder.role); });
}
bool FolderTree::hidden(const Folder& folder) const {
  const auto* special = special_folder(folder.role);
  return special && special->hidden;
}

Unmatched unmatched(const FolderTree& tree, const std::string& provider, const std::vector<RemoteFolder>& remote) {
  Unmatched out;
  std::set<std::string> present;
  for (const auto& one : remote)
    if (present.insert(one.remote_id).second && !tree.by_remote(provider, one.remote_id)) out.came.push_back(one);
  for (const auto& folder : tree.all())
    if (folder.provider == provider && !present.contains(folder.remote_id)) out.lost.push_back(folder);
  return out;
}

std::map<std::string, GlobalCounter> accept_renamed(const FolderTree& tree, const Unmatched& all,
                                                    const std::vector<std::pair<GlobalCounter, std::string>>& recognized) {
  std::map<std::string, GlobalCounter> out;
  std::set<GlobalCounter> used;
  const auto came = [&](const std::string& remote_id) -> const RemoteFolder* {
    const auto at = std::find_if(all.came.begin(), all.came.end(), [&](const auto& one) { return one.remote_id == remote_id; });
    return at == all.came.end() ? nullptr : &*at;
  };
  const auto is_lost = [&](GlobalCounter id) {
    return std::any_of(all.lost.begin(), all.lost.end(), [&](const auto& one) { return one.id == id; });
  };
  const auto take = [&](GlobalCounter id, const RemoteFolder* to) {
    const auto* folder = tree.find(id);
    if (!folder || !to || !is_lost(id) || used.contains(id) || out.contains(to->remote_id)) return false;
    if (special_folder(folder->role) && folder->role != to->role) return false;
    used.insert(id);
    out[to->remote_id] = id;
    return true;
  };
  for (const auto& [id, remote_id] : recognized) {
    const auto* to = came(remote_id);
    bool took = take(id, to);
    for (const auto* folder = tree.find(id); took && folder && folder->name == to->name;) {
      folder = tree.find(folder->parent);
      to = came(to->parent_remote_id);
      took = folder && take(folder->id, to);
    }
  }
  return out;
}

TreeChanges merge(const FolderTree& tree, const std::string& provider, std::vector<RemoteFolder> remote,
                  const std::map<std::string, GlobalCounter>& renamed) {
  TreeChanges changes;
  remote = in_tree_order(std::move(remote));
  std::set<std::string> present;
  std::set<FolderRole> taken;
  std::map<std::string, GlobalCounter> ids;  // remote id to folder; 0 for new ones
  std::set<std::pair<GlobalCounter, std::string>> names;
  for (const auto& folder : tree.all())
    if (folder.provider != provider) names.emplace(folder.parent, fold(folder.name));
  for (const auto& folder : tree.all())
    if (folder.provider == provider && special_folder(folder.role)) names.emplace(folder.parent, fold(folder.name));

  for (auto& one : remote) {
    if (!present.insert(one.remote_id).second) continue;
    const auto* known = tree.by_remote(provider, one.remote_id);
    const auto was = renamed.find(one.remote_id);
    if (!known && was != renamed.end()) known = tree.find(was->second);
    auto role = can_be_remote(one.role) && taken.insert(one.role).second ? one.role : none;
    // A special folder belongs to the first provider that has one.
    if (role != none) {
      const auto* holder = tree.by_role(role);
      if (holder && !holder->provider.empty() && holder->provider != provider) role = none;
      // Another backend folder of ours held the role until now and still exists: it keeps it.
      if (holder && holder->provider == provider && holder->remote_id != one.remote_id &&
          std::any_of(remote.begin(), remote.end(), [&](const auto& r) { return r.remote_id == holder->remote_id; }))
        role = none;
    }
    Folder folder;
    if (known) folder = *known;
    else if (role != none && tree.by_role(role)) folder = *tree.by_role(role);
    const bool is_special = special_folder(folder.role) != nullptr;
    std::string new_parent;
    GlobalCounter parent = special_id(ipm_subtree);
    if (!one.parent_remote_id.empty()) {
      const auto at = ids.find(one.parent_remote_id);
      if (at != ids.end()) {
        parent = at->second;
        if (parent == 0) new_parent = one.parent_remote_id;
      }
    }
    folder.provider = provider;
    folder.remote_id = one.remote_id;
    folder.selectable = one.selectable;
    if (!is_special) {
      const auto* special = role != none ? special_folder(role) : nullptr;
      folder.role = role;
      folder.id = folder.id ? folder.id : special ? special_id(role) : 0;
      if (known && special) {
        // A plain folder of ours that the backend now calls special keeps its id and name.
        folder.role = tree.by_role(role) ? none : role;
        if (folder.role == none) special = nullptr;
      }
      folder.parent = special && !known ? special_id(special->parent) : parent;
      folder.name = special && !known ? special->name : one.name;
      folder.container_class = special && !known ? special->container_class : one.container_class;
      // Siblings differ in more than case ([MS-OXCFOLD] 2.2.1.2); two backends, or a backend that minds
      // case, do not promise that.
      const auto wanted = folder.name;
      for (unsigned n = 2; new_parent.empty() && !names.emplace(folder.parent, fold(folder.name)).second && n < 1000; ++n)
        folder.name = fmt::format("{} ({})", wanted, n);
    }
    ids[one.remote_id] = folder.id;
    const auto* before = folder.id ? tree.find(folder.id) : nullptr;
    if (before && was == renamed.end() && !before->remote_id.empty() && before->remote_id != folder.remote_id) changes.emptied.push_back(folder.id);
    if (!before || !same(*before, folder)) {
      changes.put.push_back(std::move(folder));
      changes.new_parents.push_back(new_parent);
    }
  }

  std::vector<std::pair<unsigned, GlobalCounter>> gone;
  auto all = tree.descendants(special_id(root));
  if (const auto* kept = tree.by_role(recoverable)) all.emplace_back(kept, 1);
  for (const auto& [folder, depth] : all) {
    if (folder->provider != provider || present.contains(folder->remote_id)) continue;
    if (std::any_of(changes.put.begin(), changes.put.end(), [&](const auto& put) { return put.id == folder->id; })) continue;
    if (special_folder(folder->role) && folder->id == special_id(folder->role)) {
      auto local = *folder;
      local.provider.clear();
      local.remote_id.clear();
      local.selectable = true;
      changes.emptied.push_back(folder->id);
      changes.put.push_back(std::move(local));
      changes.new_parents.emplace_back();
    } else {
      gone.emplace_back(depth, folder->id);
    }
  }
  std::sort(gone.rbegin(), gone.rend());
  for (const auto& [depth, id] : gone) changes.removed.push_back(id);
  return changes;
}

}  // namespace mapigate::mailbox
