// PostgreSQL: one database for the mailboxes of all gateways, a schema a mailbox, a few connections for all of them.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <unordered_map>

#include "state/database.h"
#include "state/postgres_store.h"

struct pg_conn;
struct pg_result;

namespace mapigate::state {

// One connection with the statements that were prepared on it.
class PostgresConnection {
 public:
  static Result<std::unique_ptr<PostgresConnection>> open(const std::string& conninfo);
  ~PostgresConnection();
  PostgresConnection(const PostgresConnection&) = delete;

  bool alive() const;
  Status run(const std::string& sql);  // any number of statements, no parameters
  Error failure(const pg_result* result) const;
  pg_conn* handle() const { return handle_; }

  std::set<std::string> prepared;

 private:
  explicit PostgresConnection(pg_conn* handle) : handle_(handle) {}
  pg_conn* handle_;
};

// Thread-safe. Waits, at most `wait`, while all connections are in use.
class PostgresPool {
 public:
  explicit PostgresPool(PostgresOptions options) : options_(std::move(options)) {}
  Result<std::unique_ptr<PostgresConnection>> take();
  void give_back(std::unique_ptr<PostgresConnection> connection);
  const PostgresOptions& options() const { return options_; }

 private:
  const PostgresOptions options_;
  std::mutex mutex_;
  std::condition_variable back_;
  std::deque<std::unique_ptr<PostgresConnection>> idle_;
  std::size_t out_ = 0;
};

// The database as one mailbox sees it. Holds a connection only while queries or transactions live.
class PostgresDatabase final : public Database {
 public:
  PostgresDatabase(std::shared_ptr<PostgresPool> pool, std::string schema);
  ~PostgresDatabase() override;

  Status execute(const char* sql) override;
  const std::string& name() const override { return schema_; }

 private:
  class Prepared;
  void enter() override { ++users_; }
  void leave() override;
  Result<Statement*> prepare(const char* sql) override;
  Status begin(Durability durability) override;
  Status commit() override;
  void roll_back() override;
  Result<PostgresConnection*> connection();

  std::shared_ptr<PostgresPool> pool_;
  std::string schema_;
  unsigned users_ = 0;
  std::unique_ptr<PostgresConnection> connection_;
  std::unordered_map<const char*, std::unique_ptr<Prepared>> statements_;
};

// Brings a mailbox's schema up to date; makes it when it is missing.
Status prepare_schema(PostgresPool& pool, const std::string& schema);

}  // namespace mapigate::state
