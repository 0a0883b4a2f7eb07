// The little of SQL databases that the sources of this folder need: one connection, prepared statements, transactions. SQL
// is written so that SQLite and PostgreSQL understand it; numbers are 64 bits wide.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace mapigate::state {

// What a prepared statement has to do. Used through Query.
class Statement {
 public:
  virtual ~Statement() = default;
  enum class Step : std::uint8_t { row, done, failed };
  // Parameters count from 1. Text and blobs live until reset(). False: failed.
  virtual bool bind(int parameter, std::uint64_t number) = 0;
  virtual bool bind(int parameter, std::string_view text) = 0;
  virtual bool bind(int parameter, View blob) = 0;
  virtual bool bind_null(int parameter) = 0;
  virtual Step step() = 0;
  virtual void reset() = 0;
  virtual void clear() = 0;  // lets go of the parameters
  virtual Error failure() const = 0;  // of what failed last

  virtual std::uint64_t number(int column) const = 0;
  virtual bool is_null(int column) const = 0;
  virtual std::string_view text(int column) const = 0;
  virtual View blob(int column) const = 0;
};

class Database;

// A prepared statement on loan: bound and stepped here, reset when this goes. The first error sticks and
// is what run(), row() and status() report.
class Query {
 public:
  Query(Database& database, const char* sql);
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

  std::uint64_t number(int column) const { return statement_->number(column); }
  bool is_null(int column) const { return statement_->is_null(column); }
  std::string_view text(int column) const { return statement_->text(column); }  // valid until the next step
  View blob(int column) const { return statement_->blob(column); }

 private:
  void check(bool ok);
  Database* database_;
  Statement* statement_ = nullptr;
  int parameter_ = 0;
  std::optional<Error> failure_;
};

// Durability of one transaction. Commits survive the death of the process either way; with
// `full` also a power failure, for the price of a disk flush.
enum class Durability { normal, full };

class Database {
 public:
  virtual ~Database() = default;
  Database() = default;
  Database(const Database&) = delete;

  // `sql` is a literal: statements are kept by its address.
  Query query(const char* sql) { return {*this, sql}; }
  virtual Status execute(const char* sql) = 0;
  Result<std::uint64_t> number(const char* sql);  // of the first row; 0 without one
  virtual const std::string& name() const = 0;    // for messages
  // Much will be written, or it is over: memory is worth it meanwhile.
  virtual void expect_bulk(bool) {}
  // A query comes that an index makes fast; `sql` (a literal) creates it if there is none. What cannot be made is done without.
  virtual void want_index(const char* /*sql*/) {}

 protected:
  friend class Query;
  friend class Transaction;
  // Around the life of each query and transaction: what is held for them may go with the last.
  virtual void enter() {}
  virtual void leave() {}
  virtual Result<Statement*> prepare(const char* sql) = 0;
  virtual Status begin(Durability durability) = 0;  // nobody else writes to this mailbox until it ends
  virtual Status commit() = 0;
  virtual void roll_back() = 0;
};

// Rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) { database_.enter(); }
  Transaction(const Transaction&) = delete;
  ~Transaction();
  Status begin(Durability durability);
  Status commit();

 private:
  Database& database_;
  bool open_ = false;
};

}  // namespace mapigate::state
