// Logons by NTLM and Negotiate that another server decides: passed there and back on a pair of connections.
#pragma once

#include <memory>
#include <string>

#include "chain/pinned_connection.h"
#include "transport/http_logon.h"

namespace mapigate::transport {

class Gateway;

// One logon, which `pinned` carries. Whose it is the user's NTLM message says; of a ticket, which does not, `own` finds it out
// (null: nobody does). `unfinished` is held until the user is in, or the logon is given up.
std::shared_ptr<LogonExchange> pass_logon(Gateway& gateway, std::shared_ptr<chain::PinnedConnection> pinned,
                                          std::shared_ptr<LogonExchange> own, std::string peer, std::shared_ptr<void> unfinished);

}  // namespace mapigate::transport
