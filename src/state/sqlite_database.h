// One SQLite connection with its prepared statements, for the sources of this folder.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace mapigate::state {

class Database;

// A prepared statement on loan: bound and stepped here, reset when this goes. The first error sticks and
// is what run(), row() and status() report.
class Query {
 public:
  Query(Database& database, sqlite3_stmt* statement);
  Query(const Query&) = delete;
  ~Query();

  // Binds the next parameter. Text and blobs must live until the statement is reset.
  Query& operator<<(std::uint64_t number);
  Query& operator<<(std::string_view text);
  Query& operator<<(View blob);
  Query& null();

  bool row();      // one step; false at the end or on an error
  Status run();    // to its end
  Status reset();  // ready for new parameters
  Status status() const;

  std::uint64_t number(int column) const;
  bool is_null(int column) const;
  std::string_view text(int column) const;  // valid until the next step
  View blob(int column) const;

 private:
  void check(int code);
  Database* database_;
  sqlite3_stmt* statement_;
  int parameter_ = 0;
  int failure_ = 0;
};

// Durability of one transaction. WAL commits survive the death of the process either way; with
// `full` also a power failure, for the price of a disk flush.
enum class Durability { normal, full };

class Database {
 public:
  // Creates a missing file with mode 0600; never follows a symbolic link.
  static Result<std::unique_ptr<Database>> open(const std::string& path);
  ~Database();
  Database(const Database&) = delete;

  // `sql` is a literal: statements are kept by its address.
  Query query(const char* sql);
  Status execute(const char* sql);
  Result<std::uint64_t> number(const char* sql);

  Error failure(int code) const;  // what SQLite says, with the file's name
  const std::string& path() const { return path_; }

 private:
  friend class Transaction;
  explicit Database(std::string path) : path_(std::move(path)) {}

  std::string path_;
  sqlite3* handle_ = nullptr;
  std::map<const char*, sqlite3_stmt*> statements_;
  Durability durability_ = Durability::full;
};

// Rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) {}
  Transaction(const Transaction&) = delete;
  ~Transaction();
  Status begin(Durability durability);  // takes the write lock at once
  Status commit();

 private:
  Database& database_;
  bool open_ = false;
};

// Brings a file to the present schema. Errors tell what is wrong with a file that is not ours, damaged,
// or from a later version.
Status prepare_schema(Database& database);

}  // namespace mapigate::state
