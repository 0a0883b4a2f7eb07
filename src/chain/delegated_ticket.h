// What a user who came with a Kerberos ticket lets us do elsewhere.
#pragma once

#include <string>

namespace mapigate::chain {

// A ticket-granting ticket that the user's client forwarded when it logged on (GSS_C_DELEG_FLAG of RFC 2743), so that we log on at
// another server in the user's name. It is forgotten with the last who holds it. From any thread.
class DelegatedTicket {
 public:
  virtual ~DelegatedTicket() = default;
  // The credential cache of MIT's library that it is in; no file.
  virtual const std::string& cache() const = 0;
};

}  // namespace mapigate::chain
