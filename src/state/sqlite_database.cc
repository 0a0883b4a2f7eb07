#include "state/sqlite_database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace mapigate::state {

Query::Query(Database& database, sqlite3_stmt* statement)
    : database_(&database),
      statement_(statement),
      failure_(statement == nullptr ? SQLITE_ERROR : SQLITE_OK) {}

Query::~Query() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void Query::check(int code) {
  if (failure_ == SQLITE_OK && code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE)
    failure_ = code;
}

Query& Query::operator<<(std::uint64_t number) {
  check(sqlite3_bind_int64(statement_, ++parameter_, static_cast<sqlite3_int64>(number)));
  return *this;
}

Query& Query::operator<<(std::string_view text) {
  check(sqlite3_bind_text64(statement_, ++parameter_, text.empty() ? "" : text.data(), text.size(),
                            SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

Query& Query::operator<<(View blob) {
  check(sqlite3_bind_blob64(statement_, ++parameter_,
                            blob.empty() ? "" : static_cast<const void*>(blob.data()), blob.size(),
                            SQLITE_STATIC));
  return *this;
}

Query& Query::null() {
  check(sqlite3_bind_null(statement_, ++parameter_));
  return *this;
}

bool Query::row() {
  if (failure_ != SQLITE_OK) return false;
  const int code = sqlite3_step(statement_);
  check(code);
  return code == SQLITE_ROW;
}

Status Query::run() {
  while (row()) {
  }
  return status();
}

Status Query::reset() {
  auto result = status();
  parameter_ = 0;
  if (statement_ != nullptr) sqlite3_reset(statement_);
  return result;
}

Status Query::status() const {
  if (failure_ == SQLITE_OK) return {};
  return database_->failure(failure_);
}

std::uint64_t Query::number(int column) const {
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, column));
}
bool Query::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
std::string_view Query::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return text == nullptr ? std::string_view()
                         : std::string_view(text, sqlite3_column_bytes(statement_, column));
}
View Query::blob(int column) const {
  const auto* bytes = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
  return bytes == nullptr ? View() : View(bytes, sqlite3_column_bytes(statement_, column));
}

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

Result<std::unique_ptr<Database>> Database::open(const std::string& path) {
  auto prepared = prepare_file(path);
  if (!prepared) return prepared.error();
  std::unique_ptr<Database> database(new Database(path));
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

Database::~Database() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

Query Database::query(const char* sql) {
  auto& statement = statements_[sql];
  if (statement == nullptr)
    sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  return {*this, statement};
}

Status Database::execute(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failure(code);
  return {};
}

Result<std::uint64_t> Database::number(const char* sql) {
  auto select = query(sql);
  const bool found = select.row();
  auto status = select.status();
  if (!status) return status.error();
  return found ? select.number(0) : 0;
}

Error Database::failure(int code) const {
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

Transaction::~Transaction() {
  if (open_) (void)database_.execute("ROLLBACK");
}

Status Transaction::begin(Durability durability) {
  if (durability != database_.durability_) {
    auto switched = database_.execute(durability == Durability::full ? "PRAGMA synchronous=FULL"
                                                                     : "PRAGMA synchronous=NORMAL");
    if (!switched) return switched;
    database_.durability_ = durability;
  }
  auto begun = database_.query("BEGIN IMMEDIATE").run();
  open_ = begun.has_value();
  return begun;
}

Status Transaction::commit() {
  auto done = database_.query("COMMIT").run();
  if (done) open_ = false;
  return done;
}

}  // namespace mapigate::state
