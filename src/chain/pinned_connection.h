// Logons that clients make at another server through us, and the connections there that belong to theirs here.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "io/task.h"

namespace mapigate::chain {

// A connection to another server that makes a pair with one client's connection to us. NTLM and Negotiate prove who is at the end
// of a connection ([MS-NTHT] 1.3, RFC 4559): so the client's messages go there and the answers come back on this one pair, and
// afterwards what the client asks is asked on it, in its name. It ends with the last who holds it: the client's connection, and
// calls in progress. From any executor.
class PinnedConnection {
 public:
  virtual ~PinnedConnection() = default;

  struct Step {
    bool complete = false;  // the other server lets the client in
    Bytes token;            // for the client
  };
  // The client's next message. Errc::denied: the other server refuses it; limit: it brakes guesses; unavailable: it cannot be asked.
  virtual io::Task<Result<Step>> step(Bytes token) = 0;
  // Whether it is there, and the other server has not forgotten who is at its end.
  virtual io::Task<bool> is_alive() = 0;
  // Of RPC over HTTP, where this is the connection of a virtual connection's first channel, by which its calls come. `ask` gets its
  // client to open one channel more, soon: false when that cannot be.
  virtual void lead(std::function<bool()> ask) { (void)ask; }
  // … and `other` is the connection of another channel of the same; it does not live longer for this.
  virtual void join(std::shared_ptr<PinnedConnection> other) { (void)other; }
  // Ends it with whatever is in progress: nobody waits for that any more.
  virtual void close() = 0;
};

// Implemented by modules in whose upstream clients can log on themselves.
class LogonRelay {
 public:
  virtual ~LogonRelay() = default;
  // Errc::unsupported: not with these settings.
  virtual Status can_pin() const = 0;
  // Whether those who log on so may come by MAPI over HTTP; by RPC over HTTP they may always.
  virtual bool carries_mapi_http() const = 0;
  // Begins a logon by `scheme`, "NTLM" or "Negotiate". `close_client` ends the client's connection, but not amid an answer: called
  // from any thread when the other one has ended, or the logon took too long. Errc::unavailable: there are too many.
  virtual Result<std::shared_ptr<PinnedConnection>> pin(std::string scheme, std::function<void()> close_client) = 0;
};

}  // namespace mapigate::chain
