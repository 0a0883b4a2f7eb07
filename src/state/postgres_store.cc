#include "state/postgres_store.h"

#include <postgresql/libpq-fe.h>

#include "state/postgres_database.h"
#include "state/sql_state.h"
#include "state/stores.h"

namespace mapigate::state {

namespace {

// Each entry brings a mailbox's schema one version further. Entries are never changed once released.
constexpr const char* migrations[] = {
    R"sql(
    CREATE TABLE mailbox (
      one BIGINT PRIMARY KEY CHECK (one = 1), mailbox_guid BYTEA NOT NULL, replica_guid BYTEA NOT NULL,
      next_counter BIGINT NOT NULL);
    CREATE TABLE folders (
      id BIGINT PRIMARY KEY, parent BIGINT NOT NULL, role BIGINT NOT NULL, provider TEXT NOT NULL,
      remote_id BYTEA NOT NULL, name TEXT NOT NULL, container_class TEXT NOT NULL, selectable BIGINT NOT NULL,
      change_number BIGINT NOT NULL, created BIGINT NOT NULL, modified BIGINT NOT NULL, cursor BYTEA NOT NULL,
      total BIGINT NOT NULL, unread BIGINT NOT NULL, size BIGINT NOT NULL, indexed BIGINT NOT NULL,
      associated BIGINT NOT NULL DEFAULT 0);
    CREATE TABLE messages (
      id BIGINT PRIMARY KEY, folder BIGINT NOT NULL, remote_key BIGINT NOT NULL,
      change_number BIGINT NOT NULL, flags BIGINT NOT NULL, received BIGINT NOT NULL, size BIGINT NOT NULL,
      subject_key BYTEA NOT NULL, sender_key BYTEA NOT NULL, properties BYTEA NOT NULL,
      read_number BIGINT NOT NULL DEFAULT 0, keywords TEXT NOT NULL DEFAULT '');
    CREATE INDEX messages_keys ON messages (folder, remote_key);
    CREATE INDEX messages_received ON messages (folder, received, id);
    CREATE INDEX messages_size ON messages (folder, size, id);
    CREATE INDEX messages_subject ON messages (folder, subject_key, id);
    CREATE INDEX messages_sender ON messages (folder, sender_key, id);
    CREATE INDEX messages_unread ON messages (folder, ((flags & 1) = 0), id);
    CREATE INDEX messages_changes ON messages (folder, change_number);
    CREATE INDEX messages_reads ON messages (folder, read_number) WHERE read_number != 0;
    CREATE TABLE extra_properties (object BIGINT PRIMARY KEY, properties BYTEA NOT NULL);
    CREATE TABLE named_properties (
      id BIGINT PRIMARY KEY, property_set BYTEA NOT NULL, lid BIGINT NOT NULL, name TEXT NOT NULL);
    CREATE UNIQUE INDEX named_properties_name ON named_properties (property_set, lid, name);
    CREATE TABLE settings (key TEXT PRIMARY KEY, value BYTEA NOT NULL);
    CREATE TABLE removals (
      folder BIGINT NOT NULL, number BIGINT NOT NULL, message BIGINT NOT NULL, PRIMARY KEY (folder, number, message));
    CREATE TABLE contents (id BIGINT PRIMARY KEY, content BYTEA NOT NULL);
    CREATE TABLE journal (
      id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind TEXT NOT NULL, head BYTEA NOT NULL, payload BYTEA NOT NULL);
    CREATE INDEX journal_kinds ON journal (kind);
    CREATE TABLE links (folder BIGINT NOT NULL, message BIGINT NOT NULL, PRIMARY KEY (folder, message));
    CREATE INDEX links_message ON links (message, folder);
    CREATE FUNCTION message_removed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO removals SELECT OLD.folder, next_counter, OLD.id FROM mailbox ON CONFLICT DO NOTHING;
      DELETE FROM links WHERE message = OLD.id;
      RETURN NULL;
    END $$;
    CREATE TRIGGER message_removed AFTER DELETE ON messages FOR EACH ROW EXECUTE FUNCTION message_removed();
    CREATE FUNCTION message_moved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO removals SELECT OLD.folder, next_counter, OLD.id FROM mailbox ON CONFLICT DO NOTHING;
      RETURN NULL;
    END $$;
    CREATE TRIGGER message_moved AFTER UPDATE OF folder ON messages FOR EACH ROW
      WHEN (OLD.folder != NEW.folder) EXECUTE FUNCTION message_moved();
    CREATE FUNCTION folder_removed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      DELETE FROM removals WHERE folder = OLD.id;
      DELETE FROM links WHERE folder = OLD.id;
      RETURN NULL;
    END $$;
    CREATE TRIGGER folder_removed AFTER DELETE ON folders FOR EACH ROW EXECUTE FUNCTION folder_removed();
    )sql",
    // What stood beside messages that others moved or removed.
    R"sql(
    ALTER TABLE extra_properties ADD COLUMN content_key BYTEA;
    CREATE INDEX extra_properties_content ON extra_properties (content_key) WHERE content_key IS NOT NULL;
    CREATE TABLE kept_properties (
      id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, content_key BYTEA NOT NULL, kept BIGINT NOT NULL,
      properties BYTEA NOT NULL);
    CREATE INDEX kept_properties_content ON kept_properties (content_key);
    )sql",
};

// The first column of the first row as a number; 0 without one.
Result<std::int64_t> number(PostgresConnection& connection, const std::string& sql) {
  auto* result = PQexec(connection.handle(), sql.c_str());
  if (PQresultStatus(result) != PGRES_TUPLES_OK) {
    auto failed = connection.failure(result);
    PQclear(result);
    return failed;
  }
  const std::int64_t out = PQntuples(result) > 0 ? std::atoll(PQgetvalue(result, 0, 0)) : 0;
  PQclear(result);
  return out;
}

bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= 30 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
}

class PostgresStore final : public StateStore {
 public:
  explicit PostgresStore(std::shared_ptr<PostgresPool> pool) : pool_(std::move(pool)) {}

  // The table that gives each user the number of his schema.
  Status prepare() {
    auto connection = pool_->take();
    if (!connection) return connection.error();
    const auto& prefix = pool_->options().prefix;
    auto status = (*connection)->run(fmt::format(
        "BEGIN; SELECT pg_advisory_xact_lock(hashtext('{0}')); CREATE TABLE IF NOT EXISTS public.{0}_mailboxes "
        "(id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mailbox BYTEA NOT NULL UNIQUE); COMMIT",
        prefix));
    if (!status) (void)(*connection)->run("ROLLBACK");
    pool_->give_back(std::move(*connection));
    return status;
  }

  Result<std::unique_ptr<MailboxState>> open(const std::string& user) override {
    if (user.empty()) return error(Errc::internal, "no user named");
    auto connection = pool_->take();
    if (!connection) return connection.error();
    const auto& prefix = pool_->options().prefix;
    const auto name = fmt::format("'\\x{}'::bytea", to_hex(as_view(user)));
    auto made = (*connection)->run(fmt::format("INSERT INTO public.{}_mailboxes (mailbox) VALUES ({}) ON CONFLICT DO NOTHING", prefix, name));
    Result<std::int64_t> id = made ? number(**connection, fmt::format("SELECT id FROM public.{}_mailboxes WHERE mailbox = {}", prefix, name))
                                   : Result<std::int64_t>(made.error());
    pool_->give_back(std::move(*connection));
    if (!id) return id.error();
    const auto schema = fmt::format("{}_{}", prefix, *id);
    auto prepared = prepare_schema(*pool_, schema);
    if (!prepared) return std::move(prepared.error()).within(schema);
    auto database = std::make_unique<PostgresDatabase>(pool_, schema);
    auto pruned = prune_removals(*database, pool_->options().keep_removals);
    if (!pruned) return pruned.error();
    auto state = std::make_unique<SqlState>(std::move(database), true);
    auto loaded = state->load();
    if (!loaded) return loaded.error();
    return std::unique_ptr<MailboxState>(std::move(state));
  }

 private:
  std::shared_ptr<PostgresPool> pool_;
};

}  // namespace

Status prepare_schema(PostgresPool& pool, const std::string& schema) {
  auto taken = pool.take();
  if (!taken) return taken.error();
  auto& connection = **taken;
  const auto migrate = [&]() -> Status {
    auto status = connection.run(fmt::format(
        "BEGIN; SELECT pg_advisory_xact_lock(hashtext('{0}')); CREATE SCHEMA IF NOT EXISTS \"{0}\"; SET LOCAL search_path TO \"{0}\"; "
        "CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY, applied TIMESTAMPTZ NOT NULL DEFAULT now())",
        schema));
    if (!status) return status;
    auto version = number(connection, "SELECT coalesce(max(version), 0) FROM migrations");
    if (!version) return version.error();
    constexpr auto newest = static_cast<std::int64_t>(std::size(migrations));
    if (*version > newest)
      return error(Errc::internal, "was written by a later version of mapigate (schema {}, this one knows {})", *version, newest);
    for (auto next = *version; next < newest; ++next) {
      status = connection.run(fmt::format("{}; INSERT INTO migrations (version) VALUES ({})", migrations[next], next + 1));
      if (!status) return std::move(status.error()).within(fmt::format("migration {}", next + 1));
    }
    return connection.run("COMMIT");
  };
  auto done = migrate();
  if (!done) (void)connection.run("ROLLBACK");
  pool.give_back(std::move(*taken));
  return done;
}

Result<std::unique_ptr<StateStore>> open_postgres_store(const PostgresOptions& options) {
  if (!is_name(options.prefix)) return error(Errc::internal, "\"{}\" is no prefix for schemas: a-z, 0-9 and _, at most 30", options.prefix);
  auto store = std::make_unique<PostgresStore>(std::make_shared<PostgresPool>(options));
  auto prepared = store->prepare();
  if (!prepared) return prepared.error();
  return std::unique_ptr<StateStore>(std::move(store));
}

}  // namespace mapigate::state
