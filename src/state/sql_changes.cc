#include "state/sql_state.h"

namespace mapigate::state {

Result<FolderChanges> SqlState::changes(GlobalCounter folder, GlobalCounter seen, GlobalCounter read) {
  if (is_links(folder)) return link_changes(folder, seen, read);
  FolderChanges out;
  out.latest = latest_change();
  auto changed = database_->query(
      "SELECT id, change_number, received, size FROM messages INDEXED BY messages_changes "
      "WHERE folder = ? AND change_number > ? ORDER BY change_number");
  changed << folder << seen;
  while (changed.row())
    out.changed.push_back({changed.number(0), changed.number(1), FileTime{changed.number(2)}, changed.number(3)});
  auto status = changed.status();
  if (!status) return status.error();

  auto removed = database_->query("SELECT DISTINCT message FROM removals WHERE folder = ? AND number > ?");
  removed << folder << seen;
  while (removed.row()) out.removed.push_back(removed.number(0));
  status = removed.status();
  if (!status) return status.error();

  auto reads = database_->query(
      "SELECT id, read_number, flags FROM messages INDEXED BY messages_reads "
      "WHERE folder = ? AND read_number > ? AND read_number != 0");
  reads << folder << read;
  while (reads.row()) out.read.push_back({reads.number(0), reads.number(1), (reads.number(2) & flag_seen) != 0});
  status = reads.status();
  if (!status) return status.error();
  return out;
}

}  // namespace mapigate::state
