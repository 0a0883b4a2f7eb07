// Contents of messages that no backend holds, and the journal.
#include "state/sql_state.h"

namespace mapigate::state {

namespace {

Result<std::optional<Bytes>> blob_of(Query& select) {
  const bool found = select.row();
  auto status = select.status();
  if (!status) return status.error();
  std::optional<Bytes> out;
  if (found) out = to_bytes(select.blob(0));
  return out;
}

}  // namespace

Result<std::optional<Bytes>> SqlState::content(GlobalCounter message) {
  auto select = database_->query("SELECT content FROM contents WHERE id = ?");
  select << message;
  return blob_of(select);
}

Result<std::uint64_t> SqlState::add_journal(const std::string& kind, const std::string& head, View payload) {
  Transaction transaction(*database_);
  auto begun = transaction.begin(Durability::full);
  if (!begun) return begun.error();
  auto insert = database_->query("INSERT INTO journal (kind, head, payload) VALUES (?, ?, ?) RETURNING id");
  insert << std::string_view(kind) << as_view(head) << payload;
  const auto id = insert.row() ? insert.number(0) : 0;
  auto status = insert.reset();
  if (!status) return status.error();
  status = transaction.commit();
  if (!status) return status.error();
  return id;
}

Result<std::vector<JournalEntry>> SqlState::journal(const std::string& kind) {
  std::vector<JournalEntry> out;
  auto select = database_->query("SELECT id, kind, head FROM journal WHERE kind = ? ORDER BY id");
  select << std::string_view(kind);
  while (select.row())
    out.push_back({select.number(0), std::string(select.text(1)), std::string(as_text(select.blob(2)))});
  auto status = select.status();
  if (!status) return status.error();
  return out;
}

Result<std::optional<Bytes>> SqlState::journal_payload(std::uint64_t id) {
  auto select = database_->query("SELECT payload FROM journal WHERE id = ?");
  select << id;
  return blob_of(select);
}

Status SqlState::update_journal(std::uint64_t id, const std::string& head) {
  Transaction transaction(*database_);
  auto begun = transaction.begin(Durability::full);
  if (!begun) return begun;
  auto done = (database_->query("UPDATE journal SET head = ? WHERE id = ?") << as_view(head) << id).run();
  if (!done) return done;
  return transaction.commit();
}

Status SqlState::remove_journal(std::uint64_t id) {
  Transaction transaction(*database_);
  auto begun = transaction.begin(Durability::full);
  if (!begun) return begun;
  auto done = (database_->query("DELETE FROM journal WHERE id = ?") << id).run();
  if (!done) return done;
  return transaction.commit();
}

}  // namespace mapigate::state
