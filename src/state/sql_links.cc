// What search folders show.
#include "state/sql_state.h"

namespace mapigate::state {

Result<Folder> SqlState::change_links(GlobalCounter folder, const LinkChange& change) {
  Transaction transaction(*database_);
  auto begun = transaction.begin(Durability::normal);
  if (!begun) return begun.error();
  if (change.clear) {
    auto done = (database_->query("DELETE FROM links WHERE folder = ?") << folder).run();
    if (!done) return done.error();
  }
  auto remove = database_->query("DELETE FROM links WHERE folder = ? AND message = ?");
  for (const auto message : change.removed) {
    auto done = (remove << folder << message).run();
    if (!done) return done.error();
    (void)remove.reset();
  }
  auto add = database_->query(
      "INSERT INTO links (folder, message) SELECT ?, id FROM messages WHERE id = ? ON CONFLICT DO NOTHING");
  for (const auto message : change.added) {
    auto done = (add << folder << message).run();
    if (!done) return done.error();
    (void)add.reset();
  }
  if (!change.value.first.empty()) {
    auto done = (database_->query("INSERT INTO settings (key, value) VALUES (?, ?) "
                                  "ON CONFLICT (key) DO UPDATE SET value = excluded.value")
                 << std::string_view(change.value.first) << as_view(change.value.second))
                    .run();
    if (!done) return done.error();
  }
  Folder counts;
  counts.id = folder;
  {
    auto count = database_->query(
        "SELECT count(*), CAST(coalesce(sum(CASE WHEN (m.flags & 1) = 0 THEN 1 ELSE 0 END), 0) AS BIGINT), "
        "CAST(coalesce(sum(m.size), 0) AS BIGINT) "
        "FROM links l JOIN messages m ON m.id = l.message WHERE l.folder = ?");
    count << folder;
    if (count.row()) {
      counts.total = static_cast<std::uint32_t>(count.number(0));
      counts.unread = static_cast<std::uint32_t>(count.number(1));
      counts.size = count.number(2);
    }
    auto status = count.reset();
    if (!status) return status.error();
  }
  auto update = database_->query("UPDATE folders SET total = ?, unread = ?, size = ? WHERE id = ? RETURNING id");
  update << static_cast<std::uint64_t>(counts.total) << static_cast<std::uint64_t>(counts.unread) << counts.size << folder;
  const bool found = update.row();
  auto status = update.reset();
  if (!status) return status.error();
  if (!found) return error(Errc::not_found, "no folder {}", folder);
  auto done = transaction.commit();
  if (!done) return done.error();
  return counts;
}

Result<std::vector<GlobalCounter>> SqlState::linked_folders(GlobalCounter folder) {
  std::vector<GlobalCounter> out;
  auto select = database_->query(
      "SELECT DISTINCT m.folder FROM links l JOIN messages m ON m.id = l.message WHERE l.folder = ?");
  select << folder_of(folder);
  while (select.row()) out.push_back(select.number(0));
  auto status = select.status();
  if (!status) return status.error();
  return out;
}

Result<FolderChanges> SqlState::link_changes(GlobalCounter folder, GlobalCounter seen, GlobalCounter read) {
  FolderChanges out;
  out.latest = latest_change();
  auto changed = database_->query(
      "SELECT m.id, m.change_number, m.received, m.size FROM links l JOIN messages m ON m.id = l.message "
      "WHERE l.folder = ? AND m.change_number > ? ORDER BY m.change_number");
  changed << folder_of(folder) << seen;
  while (changed.row())
    out.changed.push_back({changed.number(0), changed.number(1), FileTime{changed.number(2)}, changed.number(3)});
  auto status = changed.status();
  if (!status) return status.error();
  auto reads = database_->query(
      "SELECT m.id, m.read_number, m.flags FROM links l JOIN messages m ON m.id = l.message "
      "WHERE l.folder = ? AND m.read_number > ? AND m.read_number != 0");
  reads << folder_of(folder) << read;
  while (reads.row()) out.read.push_back({reads.number(0), reads.number(1), (reads.number(2) & flag_seen) != 0});
  status = reads.status();
  if (!status) return status.error();
  return out;
}

}  // namespace mapigate::state
