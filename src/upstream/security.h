// How a client proves who it is, and protects what it sends: the mechanisms of GSS-API's kind, whose tokens travel in
// DCE/RPC binds or in HTTP fields.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "chain/delegated_ticket.h"
#include "io/task.h"

namespace mapigate::io {
class Runtime;
}

namespace mapigate::upstream {

using io::Task;

// [MS-RPCE] 2.2.1.1.7 "Authentication Service (or Security Provider)".
enum class AuthType : std::uint8_t { none = 0, spnego = 9, ntlm = 10, kerberos = 16 };
// [MS-RPCE] 2.2.1.1.8 "Authentication Levels".
enum class AuthLevel : std::uint8_t { none = 1, connect = 2, packet = 4, integrity = 5, privacy = 6 };

struct Credentials {
  std::string user;    // "alice@example.test", or "DOMAIN\\alice"
  Secret password;     // Kerberos without one takes the ticket, and without that the ticket cache of the process
  std::shared_ptr<const chain::DelegatedTicket> ticket = nullptr;
  bool delegate = false;  // lets the server go on in the user's name: it gets a forwarded ticket
};

// One authentication with one server. Belongs to one executor.
class SecurityContext {
 public:
  virtual ~SecurityContext() = default;

  // What to send next; `from_server` is empty at first. Errc::denied: the server or the KDC does not believe us, or we
  // the server; unavailable: no KDC answers.
  virtual Task<Result<Bytes>> step(Bytes from_server) = 0;
  // Nothing more is awaited from the server; what the last step gave may still have to be sent.
  virtual bool established() const = 0;

  // Once established: signs `before`, `body` and `after`, and with `seal` encrypts `body` in place, whose size has to
  // be a multiple of 16. The signature has signature_size() bytes.
  virtual std::size_t signature_size(bool seal) = 0;
  virtual Result<Bytes> protect(bool seal, View before, std::span<std::uint8_t> body, View after) = 0;
  // The other way. Errc::malformed when the signature is wrong.
  virtual Status unprotect(bool seal, View before, std::span<std::uint8_t> body, View after, View signature) = 0;
};

// For a server that its administrator knows as `service`/`host` ("exchangeMDB", "HTTP"). `rpc`: tokens go into a DCE/RPC
// bind ([MS-RPCE] 3.3.1.5.2), and `seal` whether calls will be encrypted. `channel` is the hash of the server's certificate (RFC 5929 tls-server-end-point), or empty.
struct SecurityTarget {
  std::string service, host;
  bool rpc = true;
  Bytes channel;
  bool seal = false;
};
// With AuthType::spnego, Kerberos is what it offers. Kerberos asks its KDC on workers of the runtime, which
// outlives the context. Errc::unsupported for AuthType::none.
Result<std::unique_ptr<SecurityContext>> make_security_context(AuthType type, Credentials credentials, SecurityTarget target,
                                                               io::Runtime& runtime);

}  // namespace mapigate::upstream
