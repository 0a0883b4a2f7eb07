#include "directory/id_table.h"

#include <algorithm>

#include "state/sqlite_database.h"
#include "wire/nspi/nspi.h"

namespace mapigate::directory {

IdTable::IdTable(std::unique_ptr<state::Database> database) : database_(std::move(database)) {}
IdTable::~IdTable() = default;

Result<std::unique_ptr<IdTable>> IdTable::open(const std::string& file) {
  auto database = state::SqliteDatabase::open(file);
  if (!database) return database.error();
  const auto made = (*database)->execute(
      "CREATE TABLE IF NOT EXISTS ids (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE) STRICT");
  if (!made) return made.error();
  return std::unique_ptr<IdTable>(new IdTable(std::move(*database)));
}

Result<std::uint32_t> IdTable::last() {
  auto rows = database_->query("SELECT coalesce(max(id), 0) FROM ids");
  auto out = static_cast<std::uint32_t>(wire::nspi::MinimalEntryID::first_object) - 1;
  if (rows.row()) out = std::max(out, static_cast<std::uint32_t>(rows.number(0)));
  if (const auto read = rows.status(); !read) return read.error();
  return out;
}

// The ids of those of these keys that have one. Few are looked up one by one, for many the whole table is read.
Result<std::unordered_map<std::string, std::uint32_t>> IdTable::known(const std::vector<std::string>& keys) {
  constexpr std::size_t few = 1000;
  std::unordered_map<std::string, std::uint32_t> out;
  if (keys.size() <= few) {
    for (const auto& key : keys) {
      auto rows = database_->query("SELECT id FROM ids WHERE key = ?");
      rows << std::string_view(key);
      if (rows.row()) out.emplace(key, static_cast<std::uint32_t>(rows.number(0)));
      if (const auto read = rows.status(); !read) return read.error();
    }
    return out;
  }
  auto rows = database_->query("SELECT id, key FROM ids");
  while (rows.row()) out.emplace(rows.text(1), static_cast<std::uint32_t>(rows.number(0)));
  if (const auto read = rows.status(); !read) return read.error();
  return out;
}

Result<std::vector<std::uint32_t>> IdTable::assign(const std::vector<std::string>& keys) {
  auto found = known(keys);
  if (!found) return found.error();
  auto& known = *found;
  const auto given = this->last();
  if (!given) return given.error();
  auto last = *given;
  std::vector<std::uint32_t> out;
  out.reserve(keys.size());
  state::Transaction transaction(*database_);
  bool writing = false;
  for (const auto& key : keys) {
    auto [at, is_new] = known.try_emplace(key, 0);
    if (is_new) {
      if (last >= 0x7FFFFFFF) return error(Errc::limit, "no minimal ids are left");
      if (!writing) {
        if (const auto begun = transaction.begin(state::Durability::full); !begun) return begun.error();
        writing = true;
      }
      at->second = ++last;
      auto insert = database_->query("INSERT INTO ids (id, key) VALUES (?, ?)");
      insert << static_cast<std::uint64_t>(at->second) << std::string_view(key);
      if (const auto done = insert.run(); !done) return done.error();
    }
    out.push_back(at->second);
  }
  if (writing) {
    if (const auto done = transaction.commit(); !done) return done.error();
  }
  return out;
}

}  // namespace mapigate::directory
