// One session context at an upstream, whatever leads there: MAPI over HTTP, DCE/RPC over TCP or over HTTP.
#pragma once

#include <memory>
#include <string>

#include "chain/call.h"

namespace mapigate::upstream {

using io::Task;

// Belongs to one executor; an Execute must end before the next begins, NotificationWait may run beside.
class Session {
 public:
  virtual ~Session() = default;

  // Sends `body`, which has the form of MAPI over HTTP, and gives the reply in that form. `client` is passed on where the
  // transport has a place for it. Both have to live until the task ends. Errc::denied: credentials refused; unavailable
  // or timeout: no answer to be had, the call may or may not have been done; malformed: the answer breaks the protocol. A
  // protocol error is a Reply with its code, a session that the upstream does not know any more one with ContextNotFound.
  virtual Task<Result<chain::Reply>> call(chain::Operation operation, View body, const chain::ClientInfo& client) = 0;

  // What the upstream says it is ("Exchange/15.20.1234.5"), once there was a reply; may be empty.
  virtual std::string server_application() const = 0;
};

}  // namespace mapigate::upstream
