// Tickets that users forwarded to us, as credentials for other servers.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "chain/delegated_ticket.h"

namespace mapigate::upstream {

struct TakenTicket {
  std::string principal;  // "alice@EXAMPLE.TEST"
  std::shared_ptr<const chain::DelegatedTicket> ticket;
};
// What is in the credential cache of this file, copied into memory. Blocks for a moment.
Result<TakenTicket> take_ticket(const std::string& file);

}  // namespace mapigate::upstream
