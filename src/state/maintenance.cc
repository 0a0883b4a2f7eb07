#include "state/maintenance.h"

#include <sqlite3.h>

#include <algorithm>
#include <filesystem>

#include "base/time.h"
#include "state/sql_state.h"
#include "state/sqlite_database.h"

namespace mapigate::state {

namespace fs = std::filesystem;

namespace {

struct CloseDatabase {
  void operator()(sqlite3* handle) const { sqlite3_close(handle); }
};
struct FinishStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Handle = std::unique_ptr<sqlite3, CloseDatabase>;
using StatementHandle = std::unique_ptr<sqlite3_stmt, FinishStatement>;

Result<Handle> open_raw(const std::string& file, int flags) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &handle, flags, nullptr);
  Handle out(handle);
  if (code != SQLITE_OK) return error(Errc::unavailable, "{}: {}", file, sqlite3_errstr(code));
  sqlite3_busy_timeout(handle, 5000);
  return out;
}
StatementHandle prepare(sqlite3* handle, const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(handle, sql.c_str(), -1, &statement, nullptr);
  return StatementHandle(statement);
}

// What a repair takes over, with the columns that order a table where it has no rowid.
struct Table {
  const char* name;
  bool rowids;
};
constexpr Table tables[] = {{"mailbox", true}, {"folders", true}, {"messages", true}, {"extra_properties", true},
                            {"named_properties", true}, {"settings", false}, {"contents", true}, {"journal", true},
                            {"links", false}, {"kept_properties", true}};

std::vector<std::string> columns_of(sqlite3* handle, const std::string& table) {
  std::vector<std::string> out;
  const auto info = prepare(handle, "PRAGMA table_info(" + table + ")");
  while (info && sqlite3_step(info.get()) == SQLITE_ROW)
    out.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(info.get(), 1)));
  return out;
}

// Copies rows until the file ends or cannot be read any further; from both ends, since damage is often one page.
std::uint64_t save_table(sqlite3* from, sqlite3* to, const Table& table) {
  auto columns = columns_of(from, table.name);
  const auto known = columns_of(to, table.name);
  std::erase_if(columns, [&](const auto& column) { return std::find(known.begin(), known.end(), column) == known.end(); });
  if (columns.empty()) return 0;
  std::string list, marks;
  for (const auto& column : columns) {
    list += (list.empty() ? "" : ", ") + column;
    marks += marks.empty() ? "?" : ", ?";
  }
  const auto insert = prepare(to, fmt::format("INSERT OR IGNORE INTO {} ({}) VALUES ({})", table.name, list, marks));
  std::uint64_t saved = 0;
  for (const char* order : {" ORDER BY rowid", " ORDER BY rowid DESC"}) {
    const auto select = prepare(from, fmt::format("SELECT {} FROM {}{}", list, table.name, table.rowids ? order : ""));
    if (!select || !insert) break;
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(select.get())) == SQLITE_ROW) {
      for (int i = 0; i < static_cast<int>(columns.size()); ++i) sqlite3_bind_value(insert.get(), i + 1, sqlite3_column_value(select.get(), i));
      if (sqlite3_step(insert.get()) == SQLITE_DONE) saved += static_cast<std::uint64_t>(sqlite3_changes(to));
      sqlite3_reset(insert.get());
    }
    if (code == SQLITE_DONE || !table.rowids) break;
  }
  return saved;
}

constexpr const char* put_right[] = {
    // Properties and contents of messages that could not be saved, and messages of folders that could not.
    "DELETE FROM messages WHERE (folder & ~0x10000000000000) NOT IN (SELECT id FROM folders)",
    "DELETE FROM links WHERE folder NOT IN (SELECT id FROM folders) OR message NOT IN (SELECT id FROM messages)",
    "DELETE FROM contents WHERE id NOT IN (SELECT id FROM messages)",
    "DELETE FROM removals",
    // Some numbers may have been given out that no row tells of any more.
    "UPDATE mailbox SET next_counter = 65536 + max(next_counter, (SELECT coalesce(max(max(id, change_number, read_number)), 0) FROM messages), "
    "(SELECT coalesce(max(max(id, change_number)), 0) FROM folders))",
    "UPDATE folders SET total = (SELECT count(*) FROM messages m WHERE m.folder = folders.id), "
    "unread = (SELECT count(*) FROM messages m WHERE m.folder = folders.id AND m.flags & 1 = 0), "
    "size = (SELECT coalesce(sum(m.size), 0) FROM messages m WHERE m.folder = folders.id), "
    "associated = (SELECT count(*) FROM messages m WHERE m.folder = folders.id | 0x10000000000000)",
};

}  // namespace

Result<std::vector<std::string>> sqlite_files(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(folder, failure))
    if (entry.path().extension() == ".sqlite" && entry.is_regular_file()) out.push_back(entry.path().string());
  if (failure) return error(Errc::unavailable, "{}: {}", folder, failure.message());
  std::sort(out.begin(), out.end());
  return out;
}

Status back_up(const std::string& file, const std::string& target) {
  if (fs::exists(target)) return error(Errc::conflict, "{} is there already", target);
  auto database = SqliteDatabase::open(file);
  if (!database) return database.error();
  return (*database)->copy_to(target);
}

Result<std::vector<std::string>> find_damage(const std::string& file) {
  std::vector<std::string> out;
  auto handle = open_raw(file, SQLITE_OPEN_READONLY);
  if (!handle) return handle.error();
  const auto check = prepare(handle->get(), "PRAGMA integrity_check(20)");
  int code = check ? SQLITE_ROW : sqlite3_errcode(handle->get());
  while (check && (code = sqlite3_step(check.get())) == SQLITE_ROW) {
    const std::string line(reinterpret_cast<const char*>(sqlite3_column_text(check.get(), 0)));
    if (line != "ok") out.push_back(line);
  }
  if (code == SQLITE_BUSY || code == SQLITE_CANTOPEN) return error(Errc::unavailable, "{}: {}", file, sqlite3_errstr(code));
  if (code != SQLITE_DONE) out.emplace_back(sqlite3_errstr(code));
  // A file that was cut off may pass: SQLite looks at what it knows of.
  std::error_code ignored;
  if (out.empty() && fs::file_size(file, ignored) == 0) out.emplace_back("the file is empty");
  return out;
}

Result<Repair> repair_file(const std::string& file) {
  Repair done;
  const auto stamp = to_iso8601(now()).substr(0, 19);
  const auto fresh = file + ".repair";
  done.damaged_file = file + ".damaged-" + stamp;
  for (const char* end : {"", "-wal", "-shm"}) fs::remove(fresh + end);
  {
    auto from = open_raw(file, SQLITE_OPEN_READWRITE);
    if (!from) return from.error();
    sqlite3_busy_timeout(from->get(), 500);
    // Only for one that nobody else has open; also brings in what stands in its log.
    sqlite3_exec(from->get(), "PRAGMA locking_mode=EXCLUSIVE", nullptr, nullptr, nullptr);
    const int code = sqlite3_exec(from->get(), "BEGIN EXCLUSIVE; COMMIT", nullptr, nullptr, nullptr);
    if (code == SQLITE_BUSY) return error(Errc::unavailable, "{} is in use: stop the daemon first", file);
    auto made = SqliteDatabase::open(fresh);
    if (!made) return made.error();
    auto prepared = prepare_schema(**made);
    if (!prepared) return prepared.error();
    made->reset();
    auto to = open_raw(fresh, SQLITE_OPEN_READWRITE);
    if (!to) return to.error();
    sqlite3_exec(to->get(), "BEGIN", nullptr, nullptr, nullptr);
    for (const auto& table : tables) {
      const auto saved = save_table(from->get(), to->get(), table);
      const std::string_view name = table.name;
      if (name == "mailbox") done.identity = saved > 0;
      if (name == "folders") done.folders = saved;
      if (name == "messages") done.messages = saved;
      if (name == "extra_properties") done.properties = saved;
      if (name == "contents") done.contents = saved;
    }
    for (const char* sql : put_right) sqlite3_exec(to->get(), sql, nullptr, nullptr, nullptr);
    if (sqlite3_exec(to->get(), "COMMIT", nullptr, nullptr, nullptr) != SQLITE_OK)
      return error(Errc::unavailable, "{}: {}", fresh, sqlite3_errmsg(to->get()));
  }
  {
    auto database = SqliteDatabase::open(fresh);
    if (!database) return database.error();
    SqlState state(std::move(*database));
    auto loaded = state.load();
    if (!loaded) return loaded.error();
    auto marked = mark_for_reindex(state);
    if (!marked) return marked.error();
  }
  std::error_code failure;
  fs::rename(file, done.damaged_file, failure);
  for (const char* end : {"-wal", "-shm"})
    if (!failure && fs::exists(file + end)) fs::rename(file + end, done.damaged_file + end, failure);
  if (!failure) fs::rename(fresh, file, failure);
  if (failure) return error(Errc::unavailable, "{}: {}", file, failure.message());
  for (const char* end : {"-wal", "-shm"}) fs::remove(fresh + end, failure);
  return done;
}

Result<std::size_t> mark_for_reindex(MailboxState& state) {
  auto folders = state.folders();
  if (!folders) return folders.error();
  std::string ids;
  std::size_t count = 0;
  for (const auto& folder : *folders) {
    if (folder.provider.empty() || !folder.selectable) continue;
    ids += fmt::format("{:x} ", folder.id);
    ++count;
  }
  auto written = state.set_value(reindex_key, ids);
  if (!written) return written.error();
  return count;
}

}  // namespace mapigate::state
