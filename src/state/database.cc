#include "state/database.h"

namespace mapigate::state {

Query::Query(Database& database, const char* sql) : database_(&database) {
  database_->enter();
  auto prepared = database_->prepare(sql);
  if (prepared) statement_ = *prepared;
  else failure_ = prepared.error();
}

Query::~Query() {
  if (statement_ != nullptr) {
    statement_->reset();
    statement_->clear();
  }
  database_->leave();
}

void Query::check(bool ok) {
  if (!ok && !failure_) failure_ = statement_->failure();
}

Query& Query::operator<<(std::uint64_t number) {
  if (!failure_) check(statement_->bind(++parameter_, number));
  return *this;
}
Query& Query::operator<<(std::string_view text) {
  if (!failure_) check(statement_->bind(++parameter_, text));
  return *this;
}
Query& Query::operator<<(View blob) {
  if (!failure_) check(statement_->bind(++parameter_, blob));
  return *this;
}
Query& Query::null() {
  if (!failure_) check(statement_->bind_null(++parameter_));
  return *this;
}

bool Query::row() {
  if (failure_) return false;
  const auto step = statement_->step();
  check(step != Statement::Step::failed);
  return step == Statement::Step::row;
}

Status Query::run() {
  while (row()) {
  }
  return status();
}

Status Query::reset() {
  auto result = status();
  parameter_ = 0;
  if (statement_ != nullptr) statement_->reset();
  return result;
}

Status Query::status() const {
  if (failure_) return *failure_;
  return {};
}

Result<std::uint64_t> Database::number(const char* sql) {
  auto select = query(sql);
  const bool found = select.row();
  const auto out = found ? select.number(0) : 0;
  auto status = select.status();
  if (!status) return status.error();
  return out;
}

Transaction::~Transaction() {
  if (open_) database_.roll_back();
  database_.leave();
}

Status Transaction::begin(Durability durability) {
  auto begun = database_.begin(durability);
  open_ = begun.has_value();
  return begun;
}

Status Transaction::commit() {
  auto done = database_.commit();
  if (done) open_ = false;
  return done;
}

}  // namespace mapigate::state
