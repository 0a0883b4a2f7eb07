// Accounts for NTLM: NT hashes from a file, and the check of a response to a challenge.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "directory/nt_hashes.h"

namespace mapigate::transport {

using directory::NtHash;
using SessionKey = std::array<std::uint8_t, 16>;

// One account a line: "alice@example.test:878D8014606CDA29677A44EFA1353FC7", or a line of smbpasswd(5), as
// `pdbedit -Lw` writes them ("alice:1000:LMHASH:NTHASH:[U  ]:LCT-…:"). Empty lines and lines that begin with # do not
// count. Names are compared without case, as the gateway knows its users (canonical_user).
class AccountFile {
 public:
  // The file is read again when it has changed.
  AccountFile(std::string path, std::function<std::string(std::string_view)> canonical);

  // Errc::not_found, or Errc::unavailable when the file cannot be read.
  Result<NtHash> find(const std::string& user);
  Status reload();

 private:
  std::string path_;
  std::function<std::string(std::string_view)> canonical_;
  std::unordered_map<std::string, NtHash> accounts_;
  std::optional<std::pair<std::int64_t, std::int64_t>> stamp_;  // of the file that was read
};

// The session key when `response` is an NTLMv2 response to `challenge` by somebody who knows the hash
// ([MS-NLMP] 3.3.2). Names as the client sent them. NTLM version 1 is refused: its keys can be guessed.
std::optional<SessionKey> check_ntlmv2(const NtHash& hash, std::string_view user, std::string_view domain, View challenge, View response);

// A brake on guesses, for one thread; see AuthLimits.
class GuessBrake {
 public:
  GuessBrake(unsigned guesses, Duration window) : guesses_(guesses), window_(window) {}
  bool braked(const std::string& key);
  void count(const std::string& key);

 private:
  struct Entry {
    unsigned count = 0;
    Clock::time_point since;
  };
  static constexpr std::size_t most = 100'000;
  unsigned guesses_;
  Duration window_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace mapigate::transport
