// The state store in PostgreSQL: for several gateways that serve the same users.
#pragma once

#include "state/mailbox_state.h"

namespace mapigate::state {

struct PostgresOptions {
  std::string conninfo;            // as libpq takes it: "host=db user=mapigate dbname=mapigate", or a URI
  std::size_t connections = 8;     // most at once
  std::string prefix = "mapigate"; // of schemas and of the table of mailboxes
  std::uint64_t keep_removals = 100'000;
};

// Errors say what the server said; its password is never in them.
Result<std::unique_ptr<StateStore>> open_postgres_store(const PostgresOptions& options);

}  // namespace mapigate::state
