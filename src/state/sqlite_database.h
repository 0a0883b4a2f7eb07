// One SQLite file.
#pragma once

#include <map>
#include <set>

#include "state/database.h"

struct sqlite3;

namespace mapigate::state {

class SqliteDatabase final : public Database {
 public:
  // Creates a missing file with mode 0600; never follows a symbolic link.
  static Result<std::unique_ptr<SqliteDatabase>> open(const std::string& path);
  ~SqliteDatabase() override;

  Status execute(const char* sql) override;
  const std::string& name() const override { return path_; }
  void expect_bulk(bool much) override;
  void want_index(const char* sql) override;
  Error failure(int code) const;  // what SQLite says, with the file's name
  // A copy that holds what the file holds at one moment, while others go on writing to it.
  Status copy_to(const std::string& path);

 private:
  class Prepared;
  explicit SqliteDatabase(std::string path);
  Result<Statement*> prepare(const char* sql) override;
  Status begin(Durability durability) override;  // takes the write lock at once
  Status commit() override;
  void roll_back() override;

  std::string path_;
  sqlite3* handle_ = nullptr;
  std::map<const char*, std::unique_ptr<Prepared>> statements_;
  std::set<const char*> wanted_indexes_;
  Durability durability_ = Durability::full;
};

// Brings a file to the present schema. Errors tell what is wrong with a file that is not ours, damaged,
// or from a later version.
Status prepare_schema(SqliteDatabase& database);

}  // namespace mapigate::state
