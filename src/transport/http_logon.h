// NTLM and Negotiate at the HTTP level ([MS-NTHT], RFC 4559): logons of several messages that belong to a connection.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/time.h"
#include "chain/call.h"
#include "chain/delegated_ticket.h"
#include "chain/pinned_connection.h"
#include "io/task.h"

namespace mapigate::transport {

enum class AuthScheme : std::uint8_t { none, basic, ntlm, negotiate };

// Which schemes a 401 offers, and which are understood.
struct AuthSchemes {
  bool basic = true;
  bool ntlm = false;
  bool negotiate = false;
};

// The scheme that an Authorization field begins with, and what follows it.
AuthScheme scheme_of(std::string_view authorization);
std::string_view token_of(std::string_view authorization);
const char* to_string(AuthScheme scheme);

struct LogonStep {
  bool complete = false;
  Bytes token;       // for the client
  std::string user;  // once complete: canonical; empty for an anonymous one
  std::shared_ptr<chain::PinnedConnection> pinned = nullptr;  // once complete: where another server let the user in
  std::shared_ptr<const chain::DelegatedTicket> ticket = nullptr;  // once complete: that the client forwarded
};

// Belongs to one connection and is used by one task at a time.
class LogonExchange {
 public:
  virtual ~LogonExchange() = default;
  // Errc::denied, Errc::limit (too many guesses), Errc::unavailable (cannot say now).
  virtual io::Task<Result<LogonStep>> step(Bytes token) = 0;
};
// Begins one, for a client at that address. From any thread.
using LogonProvider = std::function<std::shared_ptr<LogonExchange>(AuthScheme scheme, std::string peer)>;

// What a connection keeps between its requests. Once logged on by NTLM or Negotiate, its later requests need no
// Authorization field; one that has a field begins anew. With Basic each request must have it, and the same one need not
// be taken apart and looked up again as long as the password counts as good.
struct ConnectionLogon {
  AuthScheme scheme = AuthScheme::none;
  std::shared_ptr<LogonExchange> exchange;  // while it goes on
  std::shared_ptr<const chain::Identity> identity;
  Secret authorization;     // of Basic
  Clock::time_point until;  // of Basic
};

}  // namespace mapigate::transport
