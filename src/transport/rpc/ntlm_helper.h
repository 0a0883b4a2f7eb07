// Asks a domain whether a response to a challenge is right, through winbind's ntlm_auth or a program that speaks as it does
// with --helper-protocol=ntlm-server-1.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "transport/rpc/accounts.h"

namespace mapigate::transport {

// From any thread; check() blocks and belongs on a worker. A process answers one question at a time, so that there are
// as many as workers ask at once; they stay until this goes.
class NtlmHelpers {
 public:
  NtlmHelpers(std::vector<std::string> command, Duration limit);  // the program's path, then its arguments
  ~NtlmHelpers();
  NtlmHelpers(const NtlmHelpers&) = delete;

  // The session key. Names as the client sent them. Errc::denied: wrong, or of NTLM version 1; limit: the account is locked; unavailable, timeout:
  // the domain or the program cannot say.
  Result<SessionKey> check(std::string_view user, std::string_view domain, View challenge, View response);

 private:
  class Process;
  Result<std::unique_ptr<Process>> take();

  const std::vector<std::string> command_;
  const Duration limit_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Process>> idle_;
};

// What the program is asked, and what its answer up to the line "." says; for tests.
std::string ntlm_helper_question(std::string_view user, std::string_view domain, View challenge, View response);
Result<SessionKey> read_ntlm_helper_answer(std::string_view answer);

}  // namespace mapigate::transport
