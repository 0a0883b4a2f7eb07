// What knows the NT hashes of users, for NTLM: implemented beside directory::Source by modules that can.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace mapigate::directory {

using NtHash = std::array<std::uint8_t, 16>;  // MD4 of the password in UTF-16LE

class NtHashes {
 public:
  virtual ~NtHashes() = default;
  // Of "alice@example.test". Blocks, but not for ever: belongs on a worker. Errc::not_found: no such user, or one without a
  // hash; denied: the account is disabled or locked; unavailable, timeout: cannot say now.
  virtual Result<NtHash> nt_hash(const std::string& user) = 0;
};

}  // namespace mapigate::directory
