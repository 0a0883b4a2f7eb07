// Which store there is, as the configuration says.
#pragma once

#include "state/postgres_store.h"

namespace mapigate::state {

struct StoreOptions {
  std::string folder;        // of the SQLite files
  PostgresOptions postgres;  // in their place, where its conninfo is not empty
  // Messages that left a folder which a mailbox remembers at least. A client that comes back after more of them costs one
  // full comparison.
  std::uint64_t keep_removals = 100'000;
};
Result<std::unique_ptr<StateStore>> open_store(const StoreOptions& options);

Result<std::unique_ptr<StateStore>> open_sqlite_store(const std::string& folder, std::uint64_t keep_removals);
// The file of a mailbox in the folder.
Result<std::string> sqlite_file(const std::string& folder, const std::string& user);

class Database;
// Forgets all but the last `keep` messages that left a folder.
Status prune_removals(Database& database, std::uint64_t keep);

}  // namespace mapigate::state
