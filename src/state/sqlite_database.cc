#include "state/sqlite_database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/log.h"

namespace mapigate::state {

class SqliteDatabase::Prepared final : public Statement {
 public:
  Prepared(SqliteDatabase& database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}
  ~Prepared() override { sqlite3_finalize(statement_); }

  bool bind(int parameter, std::uint64_t number) override {
    return check(sqlite3_bind_int64(statement_, parameter, static_cast<sqlite3_int64>(number)));
  }
  bool bind(int parameter, std::string_view text) override {
    return check(sqlite3_bind_text64(statement_, parameter, text.empty() ? "" : text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8));
  }
  bool bind(int parameter, View blob) override {
    return check(sqlite3_bind_blob64(statement_, parameter, blob.empty() ? "" : static_cast<const void*>(blob.data()), blob.size(),
                                     SQLITE_STATIC));
  }
  bool bind_null(int parameter) override { return check(sqlite3_bind_null(statement_, parameter)); }
  Step step() override {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return Step::row;
    if (code == SQLITE_DONE) return Step::done;
    failure_ = code;
    return Step::failed;
  }
  void reset() override { sqlite3_reset(statement_); }
  void clear() override { sqlite3_clear_bindings(statement_); }
  Error failure() const override { return database_.failure(failure_); }

  std::uint64_t number(int column) const override {
    return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, column));
  }
  bool is_null(int column) const override { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  std::string_view text(int column) const override {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return text == nullptr ? std::string_view() : std::string_view(text, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
  }
  View blob(int column) const override {
    const auto* bytes = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
    return bytes == nullptr ? View() : View(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
  }

 private:
  bool check(int code) {
    if (code != SQLITE_OK) failure_ = code;
    return code == SQLITE_OK;
  }
  SqliteDatabase& database_;
  sqlite3_stmt* statement_;
  int failure_ = SQLITE_OK;
};

namespace {

// A file of ours must not be readable by others. It is never opened for that when it exists: closing a
// second descriptor would drop the locks that SQLite holds on it in this process.
Status prepare_file(const std::string& path) {
  const int created = ::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (created >= 0) {
    ::close(created);
    return {};
  }
  if (errno != EEXIST) return error(Errc::unavailable, "{}: cannot be made: {}", path, std::strerror(errno));
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0)
    return error(Errc::unavailable, "{}: {}", path, std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return error(Errc::internal, "{} is not a regular file", path);
  if ((info.st_mode & 0177) != 0 && ::chmod(path.c_str(), 0600) != 0)
    return error(Errc::unavailable, "{}: its mode cannot be made 0600: {}", path, std::strerror(errno));
  return {};
}

}  // namespace

Result<std::unique_ptr<SqliteDatabase>> SqliteDatabase::open(const std::string& path) {
  auto prepared = prepare_file(path);
  if (!prepared) return prepared.error();
  std::unique_ptr<SqliteDatabase> database(new SqliteDatabase(path));
  const int code =
      sqlite3_open_v2(path.c_str(), &database->handle_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) return database->failure(code);
  sqlite3_extended_result_codes(database->handle_, 1);
  sqlite3_busy_timeout(database->handle_, 10'000);
  // A mailbox that nobody looks at holds no more than this; the system's page cache does the rest.
  for (const char* sql : {"PRAGMA cache_size=-1024", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
                          "PRAGMA journal_size_limit=4194304", "PRAGMA trusted_schema=OFF"}) {
    auto done = database->execute(sql);
    if (!done) return done.error();
  }
  return database;
}

SqliteDatabase::SqliteDatabase(std::string path) : path_(std::move(path)) {}

SqliteDatabase::~SqliteDatabase() {
  statements_.clear();
  sqlite3_close(handle_);
}

Result<Statement*> SqliteDatabase::prepare(const char* sql) {
  auto& kept = statements_[sql];
  if (!kept) {
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) return failure(code);
    kept = std::make_unique<Prepared>(*this, statement);
  }
  return kept.get();
}

Status SqliteDatabase::execute(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failure(code);
  return {};
}

Error SqliteDatabase::failure(int code) const {
  const char* what = handle_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle_);
  switch (code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return error(
          Errc::internal,
          "the state file {} is damaged ({}); put back a copy, or move it away with its -wal and -shm "
          "files and have the mailbox indexed anew",
          path_, what);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
      return error(Errc::unavailable, "state file {}: {}", path_, what);
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
      return error(Errc::limit, "state file {}: {}", path_, what);
    default:
      return error(Errc::internal, "state file {}: {}", path_, what);
  }
}

Status SqliteDatabase::begin(Durability durability) {
  if (durability != durability_) {
    auto switched = execute(durability == Durability::full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    if (!switched) return switched;
    durability_ = durability;
  }
  return query("BEGIN IMMEDIATE").run();
}

// Rows go to random pages of several indexes: with the small cache each of them is written to the log and read back
// again and again, and each checkpoint writes what the next one writes anew.
void SqliteDatabase::expect_bulk(bool much) {
  (void)execute(much ? "PRAGMA cache_size=-16384; PRAGMA wal_autocheckpoint=16000" : "PRAGMA cache_size=-1024; PRAGMA wal_autocheckpoint=1000");
  if (!much) (void)execute("PRAGMA shrink_memory");
}

void SqliteDatabase::want_index(const char* sql) {
  if (!wanted_indexes_.insert(sql).second) return;
  if (auto made = execute(sql); !made) log::info("{}", made.error().message);
}

Status SqliteDatabase::commit() { return query("COMMIT").run(); }
void SqliteDatabase::roll_back() { (void)execute("ROLLBACK"); }

Status SqliteDatabase::copy_to(const std::string& path) {
  auto prepared = prepare_file(path);
  if (!prepared) return prepared;
  sqlite3* target = nullptr;
  int code = sqlite3_open_v2(path.c_str(), &target, SQLITE_OPEN_READWRITE, nullptr);
  if (code == SQLITE_OK) {
    // All at once: a copy in steps begins anew with each write in between.
    auto* backup = sqlite3_backup_init(target, "main", handle_, "main");
    if (backup != nullptr) {
      do {
        code = sqlite3_backup_step(backup, -1);
        if (code == SQLITE_BUSY || code == SQLITE_LOCKED) sqlite3_sleep(50);
      } while (code == SQLITE_BUSY || code == SQLITE_LOCKED);
      (void)sqlite3_backup_finish(backup);
    }
    code = sqlite3_errcode(target);
  }
  const std::string what = code == SQLITE_OK ? "" : sqlite3_errmsg(target);
  sqlite3_close(target);
  if (code != SQLITE_OK) return error(Errc::unavailable, "{}: {}", path, what);
  return {};
}

}  // namespace mapigate::state
