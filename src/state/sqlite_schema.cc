#include <sys/stat.h>

#include "base/time.h"
#include "state/mailbox_state.h"
#include "state/sqlite_database.h"

namespace mapigate::state {

namespace {

constexpr std::uint64_t application_id = 0x6D706774;  // "mpgt", for file(1) and for us

// Each entry brings the file one version further. Entries are never changed once released.
constexpr const char* migrations[] = {
    // 1. Rowids are the ids; each index ends in the rowid, which settles ties and makes it covering.
    R"sql(
    CREATE TABLE mailbox (
      one INTEGER PRIMARY KEY CHECK (one = 1), mailbox_guid BLOB NOT NULL, replica_guid BLOB NOT NULL,
      next_counter INTEGER NOT NULL);
    CREATE TABLE folders (
      id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, role INTEGER NOT NULL, provider TEXT NOT NULL,
      remote_id BLOB NOT NULL, name TEXT NOT NULL, container_class TEXT NOT NULL, selectable INTEGER NOT NULL,
      change_number INTEGER NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL, cursor BLOB NOT NULL,
      total INTEGER NOT NULL, unread INTEGER NOT NULL, size INTEGER NOT NULL, indexed INTEGER NOT NULL);
    CREATE TABLE messages (
      id INTEGER PRIMARY KEY, folder INTEGER NOT NULL, remote_key INTEGER NOT NULL,
      change_number INTEGER NOT NULL, flags INTEGER NOT NULL, received INTEGER NOT NULL, size INTEGER NOT NULL,
      subject_key BLOB NOT NULL, sender_key BLOB NOT NULL, properties BLOB NOT NULL);
    CREATE INDEX messages_keys ON messages (folder, remote_key, flags);
    CREATE INDEX messages_received ON messages (folder, received);
    CREATE INDEX messages_size ON messages (folder, size);
    CREATE INDEX messages_subject ON messages (folder, subject_key);
    CREATE INDEX messages_sender ON messages (folder, sender_key);
    CREATE INDEX messages_unread ON messages (folder, (flags & 1 = 0));
    CREATE TABLE extra_properties (object INTEGER PRIMARY KEY, properties BLOB NOT NULL);
    CREATE TABLE named_properties (
      id INTEGER PRIMARY KEY, property_set BLOB NOT NULL, lid INTEGER NOT NULL, name TEXT NOT NULL);
    CREATE UNIQUE INDEX named_properties_name ON named_properties (property_set, lid, name);
    CREATE TABLE settings (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    )sql",
    // The change log of synchronisation. What leaves a folder is noted under the end of the block of counters in
    // use: above every change number that anybody has seen by then.
    R"sql(
    ALTER TABLE messages ADD COLUMN read_number INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX messages_changes ON messages (folder, change_number);
    CREATE INDEX messages_reads ON messages (folder, read_number) WHERE read_number != 0;
    CREATE TABLE removals (
      folder INTEGER NOT NULL, number INTEGER NOT NULL, message INTEGER NOT NULL,
      PRIMARY KEY (folder, number, message)) WITHOUT ROWID;
    CREATE TRIGGER message_removed AFTER DELETE ON messages BEGIN
      INSERT OR IGNORE INTO removals SELECT old.folder, next_counter, old.id FROM mailbox;
    END;
    CREATE TRIGGER message_moved AFTER UPDATE OF folder ON messages WHEN old.folder != new.folder BEGIN
      INSERT OR IGNORE INTO removals SELECT old.folder, next_counter, old.id FROM mailbox;
    END;
    CREATE TRIGGER folder_removed AFTER DELETE ON folders BEGIN
      DELETE FROM removals WHERE folder = old.id;
    END;
    )sql",
    // Messages that no backend holds, and the journal of what was begun.
    R"sql(
    ALTER TABLE folders ADD COLUMN associated INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE contents (id INTEGER PRIMARY KEY, content BLOB NOT NULL);
    CREATE TABLE journal (
      id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, head BLOB NOT NULL, payload BLOB NOT NULL);
    CREATE INDEX journal_kinds ON journal (kind);
    )sql",
    // Keywords of backends. The index answers what a refresh compares.
    R"sql(
    ALTER TABLE messages ADD COLUMN keywords TEXT NOT NULL DEFAULT '';
    DROP INDEX messages_keys;
    CREATE INDEX messages_keys ON messages (folder, remote_key, flags, keywords);
    )sql",
    // What search folders show.
    R"sql(
    CREATE TABLE links (folder INTEGER NOT NULL, message INTEGER NOT NULL, PRIMARY KEY (folder, message)) WITHOUT ROWID;
    CREATE INDEX links_message ON links (message, folder);
    CREATE TRIGGER message_unlinked AFTER DELETE ON messages BEGIN
      DELETE FROM links WHERE message = old.id;
    END;
    CREATE TRIGGER folder_unlinked AFTER DELETE ON folders BEGIN
      DELETE FROM links WHERE folder = old.id;
    END;
    )sql",
    // What stood beside messages that others moved or removed.
    R"sql(
    ALTER TABLE extra_properties ADD COLUMN content_key BLOB;
    CREATE INDEX extra_properties_content ON extra_properties (content_key) WHERE content_key IS NOT NULL;
    CREATE TABLE kept_properties (
      id INTEGER PRIMARY KEY, content_key BLOB NOT NULL, kept INTEGER NOT NULL, properties BLOB NOT NULL);
    CREATE INDEX kept_properties_content ON kept_properties (content_key);
    )sql",
    // Orders that few folders are ever shown in: their indexes are made when one is (sql_index.cc). Without them a message
    // enters the index in half the time.
    R"sql(
    DROP INDEX messages_size;
    DROP INDEX messages_subject;
    DROP INDEX messages_sender;
    DROP INDEX messages_unread;
    )sql",
};

Status check_size(SqliteDatabase& database) {
  auto pages = database.number("SELECT page_count FROM pragma_page_count");
  if (!pages) return pages.error();
  auto page_size = database.number("SELECT page_size FROM pragma_page_size");
  if (!page_size) return page_size.error();
  struct stat file {};
  struct stat log {};
  // Pages beyond the end of the file are right only while the log still has them.
  if (::stat(database.name().c_str(), &file) != 0 || ::stat((database.name() + "-wal").c_str(), &log) != 0 ||
      log.st_size != 0)
    return {};
  if (static_cast<std::uint64_t>(file.st_size) < *pages * *page_size)
    return error(
        Errc::internal,
        "the state file {} is damaged (cut off: {} bytes of {}); put back a copy, or move it away and have "
        "the mailbox indexed anew",
        database.name(), file.st_size, *pages * *page_size);
  return {};
}

Status migrate(SqliteDatabase& database, std::uint64_t from) {
  for (std::uint64_t version = from; version < std::size(migrations); ++version) {
    auto done = database.execute(migrations[version]);
    if (!done) return std::move(done).error().within(fmt::format("migration {}", version + 1));
    const auto time = to_iso8601(now());
    auto noted = (database.query("INSERT INTO migrations (version, applied) VALUES (?, ?)")
                  << version + 1 << std::string_view(time))
                     .run();
    if (!noted) return noted;
  }
  return {};
}

}  // namespace

Status prepare_schema(SqliteDatabase& database) {
  auto tables = database.number("SELECT count(*) FROM sqlite_schema");
  if (!tables) return tables.error();
  auto owner = database.number("SELECT application_id FROM pragma_application_id");
  if (!owner) return owner.error();
  if (*tables != 0 && *owner != application_id)
    return error(Errc::internal, "{} is an SQLite file of another program", database.name());
  auto size = check_size(database);
  if (!size) return size;

  std::uint64_t version = 0;
  if (*tables != 0) {
    auto found = database.number("SELECT max(version) FROM migrations");
    if (!found) return found.error();
    version = *found;
  }
  if (version > std::size(migrations))
    return error(Errc::internal,
                 "{} was written by a later version of mapigate (schema {}, this one knows {})",
                 database.name(), version, std::size(migrations));
  if (version == std::size(migrations)) return {};
  Transaction transaction(database);
  auto begun = transaction.begin(Durability::full);
  if (!begun) return begun;
  auto base = database.execute(
      "PRAGMA application_id=1836083060;"
      "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, applied TEXT NOT NULL)");
  if (!base) return base;
  auto raced = database.number("SELECT max(version) FROM migrations");
  if (!raced) return raced.error();
  auto migrated = migrate(database, *raced);
  if (!migrated) return migrated;
  return transaction.commit();
}

}  // namespace mapigate::state
