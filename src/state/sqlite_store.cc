// One file a mailbox.
#include <openssl/evp.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "state/sql_state.h"
#include "state/sqlite_database.h"
#include "state/stores.h"

namespace mapigate::state {

namespace {

constexpr std::size_t longest_name = 150;  // leaves room for the suffixes below 255

// The user's name where it is harmless in a file name, %XX for the rest; a long one is cut and told
// apart by its hash. No two users share a name.
Result<std::string> file_name(const std::string& user) {
  std::string name;
  for (const char c : user) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '@' || c == '-' || c == '_' ||
                       c == '+' || c == '=' || (c == '.' && !name.empty());
    if (plain)
      name += c;
    else
      name += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  if (name.size() <= longest_name) return name + ".sqlite";
  std::uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(user.data(), user.size(), digest, &size, EVP_sha256(), nullptr) != 1)
    return error(Errc::internal, "no SHA-256");
  name.resize(longest_name);
  return name + "~" + to_hex({digest, size}) + ".sqlite";
}

class SqliteStore : public StateStore {
 public:
  SqliteStore(std::string folder, std::uint64_t keep_removals) : folder_(std::move(folder)), keep_removals_(keep_removals) {}

  Result<std::unique_ptr<MailboxState>> open(const std::string& user) override {
    if (user.empty()) return error(Errc::internal, "no user named");
    auto file = sqlite_file(folder_, user);
    if (!file) return file.error();
    auto database = SqliteDatabase::open(*file);
    if (!database) return database.error();
    auto prepared = prepare_schema(**database);
    if (!prepared) return prepared.error();
    auto pruned = prune_removals(**database, keep_removals_);
    if (!pruned) return pruned.error();
    auto state = std::make_unique<SqlState>(std::move(*database));
    auto loaded = state->load();
    if (!loaded) return loaded.error();
    return std::unique_ptr<MailboxState>(std::move(state));
  }

 private:
  std::string folder_;
  std::uint64_t keep_removals_;
};

}  // namespace

Result<std::string> sqlite_file(const std::string& folder, const std::string& user) {
  auto name = file_name(user);
  if (!name) return name;
  return folder + "/" + *name;
}

Status prune_removals(Database& database, std::uint64_t keep) {
  // Numbers grow: the oldest of those that stay tells which go.
  auto oldest = database.query("SELECT number FROM removals ORDER BY number DESC LIMIT 1 OFFSET ?");
  oldest << keep;
  const bool more = oldest.row();
  const auto number = more ? oldest.number(0) : 0;
  auto status = oldest.reset();
  if (!status || !more) return status;
  Transaction transaction(database);
  status = transaction.begin(Durability::normal);
  if (!status) return status;
  status = (database.query("DELETE FROM removals WHERE number < ?") << number).run();
  if (!status) return status;
  return transaction.commit();
}

Result<std::unique_ptr<StateStore>> open_store(const StoreOptions& options) {
  if (!options.postgres.conninfo.empty()) return open_postgres_store(options.postgres);
  return open_sqlite_store(options.folder, options.keep_removals);
}

Result<std::unique_ptr<StateStore>> open_sqlite_store(const std::string& folder) {
  return open_sqlite_store(folder, StoreOptions().keep_removals);
}

Result<std::unique_ptr<StateStore>> open_sqlite_store(const std::string& folder, std::uint64_t keep_removals) {
  std::error_code failure;
  const auto parent = std::filesystem::path(folder).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, failure);
  if (failure) return error(Errc::unavailable, "{}: cannot be made: {}", parent.string(), failure.message());
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return error(Errc::unavailable, "{}: cannot be made: {}", folder, std::strerror(errno));
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0)
    return error(Errc::unavailable, "{}: {}", folder, std::strerror(errno));
  if (!S_ISDIR(info.st_mode)) return error(Errc::internal, "{} is not a folder", folder);
  if ((info.st_mode & S_IWOTH) != 0)
    return error(Errc::denied, "{}: everybody may write there; make it mode 0700", folder);
  return std::unique_ptr<StateStore>(std::make_unique<SqliteStore>(folder, keep_removals));
}

}  // namespace mapigate::state
