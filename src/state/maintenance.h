// What administrators do to SQLite files of the state store: copies while the daemon runs, looking for damage, saving what a
// damaged file still holds.
#pragma once

#include <string>
#include <vector>

#include "state/mailbox_state.h"

namespace mapigate::state {

// The mailboxes' files in a folder, by name.
Result<std::vector<std::string>> sqlite_files(const std::string& folder);

// A consistent copy; writers go on meanwhile. `target` must not exist.
Status back_up(const std::string& file, const std::string& target);

// What SQLite finds wrong with it, a line each; empty: nothing.
Result<std::vector<std::string>> find_damage(const std::string& file);

struct Repair {
  std::uint64_t folders = 0, messages = 0, properties = 0, contents = 0;  // saved
  bool identity = false;     // ids stay valid; without it clients take the mailbox for another one
  std::string damaged_file;  // where the old one is now
};
// Makes a new file of what can be read of this one and puts it in its place, with all folders of backends marked for
// reading anew. Nobody else may have the file open: Errc::unavailable then.
Result<Repair> repair_file(const std::string& file);

// Has folders of backends read anew when the mailbox is opened next; messages keep their ids. The count of folders.
Result<std::size_t> mark_for_reindex(MailboxState& state);
// Under this key: ids of folders, hexadecimal, with spaces between.
inline constexpr char reindex_key[] = "engine.reindex";

}  // namespace mapigate::state
