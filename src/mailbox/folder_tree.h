// The folders of a mailbox: special folders that every mailbox has, and those that providers tell of.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mailbox/provider.h"

namespace mapigate::mailbox {

using mapi::GlobalCounter;
using state::Folder;
using state::FolderRole;

// What a special folder is when it comes into being. Its id is its role's number: below
// state::first_given_counter, so it is the same in every life of the mailbox.
struct SpecialFolder {
  FolderRole role;
  FolderRole parent;
  const char* name;
  const char* container_class;
  bool hidden;    // PidTagAttributeHidden
  bool always;    // made at the first logon; others only when a provider has one
};
std::span<const SpecialFolder> special_folders();
const SpecialFolder* special_folder(FolderRole role);
// Clients do not see these.
constexpr bool keeps_deleted(FolderRole role) { return role == FolderRole::recoverable || role == FolderRole::recoverable_local; }
constexpr GlobalCounter special_id(FolderRole role) { return static_cast<GlobalCounter>(role); }

// An immutable picture of the folders; a change makes a new one.
class FolderTree {
 public:
  FolderTree() = default;
  explicit FolderTree(std::vector<Folder> folders);

  const Folder* find(GlobalCounter id) const;
  const Folder* by_role(FolderRole role) const;
  const Folder* by_remote(std::string_view provider, std::string_view remote_id) const;
  // Direct children, by name; below `id` at any depth, each with its distance from `id` (1: direct).
  std::vector<const Folder*> children(GlobalCounter id) const;
  std::vector<std::pair<const Folder*, unsigned>> descendants(GlobalCounter id) const;
  bool has_visible_children(GlobalCounter id) const;
  bool hidden(const Folder& folder) const;
  const std::vector<Folder>& all() const { return folders_; }

 private:
  std::vector<Folder> folders_;  // by id
};

// What has to be stored so that the tree equals what one provider tells.
struct TreeChanges {
  std::vector<Folder> put;             // parents before children; id 0: new
  std::vector<std::string> new_parents;  // for each of `put`: remote id of a parent that is itself new, or empty
  std::vector<GlobalCounter> removed;  // children before parents
  std::vector<GlobalCounter> emptied;  // special folders whose backend folder is gone: they stay, without messages
  bool empty() const { return put.empty() && removed.empty() && emptied.empty(); }
};
// `remote` is the provider's complete list: a folder that is not in it has been deleted there. Never call it
// with a list that could not be had. `renamed`: new remote ids of folders that the list does not have under their old ones.
TreeChanges merge(const FolderTree& tree, const std::string& provider, std::vector<RemoteFolder> remote,
                  const std::map<std::string, GlobalCounter>& renamed = {});

// Folders of the provider that its list has no longer, and those of the list that the tree does not know.
struct Unmatched {
  std::vector<Folder> lost;
  std::vector<RemoteFolder> came;
};
Unmatched unmatched(const FolderTree& tree, const std::string& provider, const std::vector<RemoteFolder>& remote);
// What of it is sure to be so: special folders stay what they are, each folder goes once; and what is above a folder that
// was recognized and kept its name was renamed, too.
std::map<std::string, GlobalCounter> accept_renamed(const FolderTree& tree, const Unmatched& all,
                                                    const std::vector<std::pair<GlobalCounter, std::string>>& recognized);

}  // namespace mapigate::mailbox
