#include "state/postgres_database.h"

#include <endian.h>
#include <postgresql/libpq-fe.h>

#include <chrono>
#include <cstring>

namespace mapigate::state {

namespace {

// Object ids of types, the same in every PostgreSQL.
constexpr Oid oid_bytea = 17, oid_int8 = 20, oid_text = 25;
constexpr auto take_wait = std::chrono::seconds(30);

// "?" becomes "$1", "$2" …; what only SQLite understands goes. Literals of ours contain no question marks.
std::string translated(std::string_view sql) {
  constexpr std::string_view indexed = " INDEXED BY ";
  std::string out;
  int parameter = 0;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    if (sql.substr(i).starts_with(indexed)) {
      i += indexed.size();
      while (i < sql.size() && sql[i] != ' ') ++i;
      if (i < sql.size()) out += ' ';
      continue;
    }
    if (sql[i] == '?') out += fmt::format("${}", ++parameter);
    else out += sql[i];
  }
  return out;
}

struct FreeResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultHandle = std::unique_ptr<PGresult, FreeResult>;

bool succeeded(const PGresult* result) {
  const auto status = PQresultStatus(result);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

std::string one_line(std::string text) {
  for (auto& c : text)
    if (c == '\n') c = ' ';
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace

Result<std::unique_ptr<PostgresConnection>> PostgresConnection::open(const std::string& conninfo) {
  std::unique_ptr<PostgresConnection> out(new PostgresConnection(PQconnectdb(conninfo.c_str())));
  if (PQstatus(out->handle_) != CONNECTION_OK)
    return error(Errc::unavailable, "PostgreSQL: {}", one_line(PQerrorMessage(out->handle_)));
  PQsetNoticeProcessor(out->handle_, [](void*, const char*) {}, nullptr);
  return out;
}
PostgresConnection::~PostgresConnection() { PQfinish(handle_); }
bool PostgresConnection::alive() const { return PQstatus(handle_) == CONNECTION_OK; }

Status PostgresConnection::run(const std::string& sql) {
  const ResultHandle result(PQexec(handle_, sql.c_str()));
  if (!succeeded(result.get())) return failure(result.get());
  return {};
}

Error PostgresConnection::failure(const PGresult* result) const {
  const char* state = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const auto what = one_line(result == nullptr ? PQerrorMessage(handle_) : PQresultErrorMessage(result));
  const std::string_view kind = state == nullptr ? std::string_view("08") : std::string_view(state).substr(0, 2);
  // Connection, resources, operator intervention, rolled back for another's sake.
  if (kind == "08" || kind == "53" || kind == "57" || kind == "40" || kind == "55") return error(Errc::unavailable, "PostgreSQL: {}", what);
  if (kind == "54") return error(Errc::limit, "PostgreSQL: {}", what);
  if (kind == "28" || kind == "42") return error(Errc::internal, "PostgreSQL refuses: {}", what);
  return error(Errc::internal, "PostgreSQL: {}", what);
}

// -- the pool

Result<std::unique_ptr<PostgresConnection>> PostgresPool::take() {
  {
    std::unique_lock lock(mutex_);
    if (!back_.wait_for(lock, take_wait, [this] { return !idle_.empty() || out_ < options_.connections; }))
      return error(Errc::timeout, "PostgreSQL: all {} connections are in use", options_.connections);
    ++out_;
    if (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
  }
  auto made = PostgresConnection::open(options_.conninfo);
  if (!made) give_back(nullptr);
  return made;
}

void PostgresPool::give_back(std::unique_ptr<PostgresConnection> connection) {
  {
    const std::lock_guard lock(mutex_);
    --out_;
    if (connection && connection->alive() && PQtransactionStatus(connection->handle()) == PQTRANS_IDLE)
      idle_.push_back(std::move(connection));
  }
  back_.notify_one();
}

// -- statements

class PostgresDatabase::Prepared final : public Statement {
 public:
  Prepared(PostgresDatabase& database, const char* sql)
      : database_(database), sql_(translated(sql)), name_(fmt::format("s{:x}", reinterpret_cast<std::uintptr_t>(sql))) {}

  bool bind(int parameter, std::uint64_t number) override {
    auto& value = at(parameter, oid_int8);
    value.number = htobe64(number);
    value.data = nullptr;
    value.size = sizeof(value.number);
    return true;
  }
  bool bind(int parameter, std::string_view text) override {
    auto& value = at(parameter, oid_text);
    value.data = text.empty() ? "" : text.data();
    value.size = static_cast<int>(text.size());
    return true;
  }
  bool bind(int parameter, View blob) override {
    auto& value = at(parameter, oid_bytea);
    value.data = blob.empty() ? "" : reinterpret_cast<const char*>(blob.data());
    value.size = static_cast<int>(blob.size());
    return true;
  }
  bool bind_null(int parameter) override {
    at(parameter, 0).null = true;
    return true;
  }
  // The first step runs it and fetches all; the others go through the rows.
  Step step() override {
    if (!result_) {
      auto status = run();
      if (!status) {
        failure_ = status.error();
        return Step::failed;
      }
      row_ = -1;
    }
    return ++row_ < PQntuples(result_.get()) ? Step::row : Step::done;
  }
  void reset() override { result_.reset(); }
  void clear() override { parameters_.clear(); }
  Error failure() const override { return *failure_; }

  std::uint64_t number(int column) const override {
    if (is_null(column)) return 0;
    const auto* bytes = PQgetvalue(result_.get(), row_, column);
    switch (PQgetlength(result_.get(), row_, column)) {
      case 8: {
        std::uint64_t n = 0;
        std::memcpy(&n, bytes, sizeof(n));
        return be64toh(n);
      }
      case 4: {
        std::uint32_t n = 0;
        std::memcpy(&n, bytes, sizeof(n));
        return static_cast<std::uint64_t>(static_cast<std::int32_t>(be32toh(n)));
      }
      default: return 0;
    }
  }
  bool is_null(int column) const override { return PQgetisnull(result_.get(), row_, column) != 0; }
  std::string_view text(int column) const override {
    return {PQgetvalue(result_.get(), row_, column), static_cast<std::size_t>(PQgetlength(result_.get(), row_, column))};
  }
  View blob(int column) const override { return as_view(text(column)); }

 private:
  struct Parameter {
    Oid type = 0;
    std::uint64_t number = 0;
    const char* data = nullptr;  // null: the number
    int size = 0;
    bool null = false;
  };
  Parameter& at(int parameter, Oid type) {
    const auto index = static_cast<std::size_t>(parameter - 1);
    if (parameters_.size() <= index) parameters_.resize(index + 1);
    parameters_[index] = {};
    parameters_[index].type = type;
    return parameters_[index];
  }
  Status run() {
    auto connection = database_.connection();
    if (!connection) return connection.error();
    auto* handle = (*connection)->handle();
    std::vector<Oid> types;
    std::vector<const char*> values;
    std::vector<int> sizes, formats;
    for (const auto& parameter : parameters_) {
      types.push_back(parameter.type);
      values.push_back(parameter.null                   ? nullptr
                       : parameter.data != nullptr      ? parameter.data
                                                        : reinterpret_cast<const char*>(&parameter.number));
      sizes.push_back(parameter.size);
      formats.push_back(1);
    }
    const auto count = static_cast<int>(parameters_.size());
    if (!(*connection)->prepared.contains(name_)) {
      const ResultHandle made(PQprepare(handle, name_.c_str(), sql_.c_str(), count, types.data()));
      if (!succeeded(made.get())) return (*connection)->failure(made.get());
      (*connection)->prepared.insert(name_);
    }
    result_.reset(PQexecPrepared(handle, name_.c_str(), count, values.data(), sizes.data(), formats.data(), 1));
    if (succeeded(result_.get())) return {};
    auto failed = (*connection)->failure(result_.get());
    result_.reset();
    return failed;
  }

  PostgresDatabase& database_;
  const std::string sql_, name_;
  std::vector<Parameter> parameters_;
  ResultHandle result_;
  int row_ = -1;
  std::optional<Error> failure_;
};

// -- the database of a mailbox

PostgresDatabase::PostgresDatabase(std::shared_ptr<PostgresPool> pool, std::string schema)
    : pool_(std::move(pool)), schema_(std::move(schema)) {}
PostgresDatabase::~PostgresDatabase() {
  statements_.clear();
  if (connection_) pool_->give_back(std::move(connection_));
}

void PostgresDatabase::leave() {
  if (--users_ == 0 && connection_) pool_->give_back(std::move(connection_));
}

Result<PostgresConnection*> PostgresDatabase::connection() {
  if (connection_) return connection_.get();
  // A connection that died while nobody used it shows itself here, where a new one is no loss.
  for (int attempt = 0;; ++attempt) {
    auto taken = pool_->take();
    if (!taken) return taken.error();
    auto status = (*taken)->run(fmt::format("SET search_path TO \"{}\"", schema_));
    if (status) {
      connection_ = std::move(*taken);
      return connection_.get();
    }
    taken->reset();
    pool_->give_back(nullptr);
    if (attempt >= static_cast<int>(pool_->options().connections)) return status.error();
  }
}

Result<Statement*> PostgresDatabase::prepare(const char* sql) {
  auto& kept = statements_[sql];
  if (!kept) kept = std::make_unique<Prepared>(*this, sql);
  return kept.get();
}

Status PostgresDatabase::execute(const char* sql) {
  enter();
  auto found = connection();
  auto status = found ? (*found)->run(sql) : Status(found.error());
  leave();
  return status;
}

Status PostgresDatabase::begin(Durability durability) {
  auto found = connection();
  if (!found) return found.error();
  // One writer a mailbox: change numbers become visible in their order.
  const auto* sql = durability == Durability::full ? "BEGIN; SELECT next_counter FROM mailbox FOR UPDATE"
                                                   : "BEGIN; SET LOCAL synchronous_commit TO off; SELECT next_counter FROM mailbox FOR UPDATE";
  auto begun = (*found)->run(sql);
  if (!begun) roll_back();
  return begun;
}
Status PostgresDatabase::commit() {
  auto found = connection();
  if (!found) return found.error();
  return (*found)->run("COMMIT");
}
void PostgresDatabase::roll_back() {
  if (connection_) (void)connection_->run("ROLLBACK");
}

}  // namespace mapigate::state
