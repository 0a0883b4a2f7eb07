// The client's side of NTLM version 2 ([MS-NLMP]), with extended session security and 128-bit keys only: version 1 and
// weaker keys are refused. Tried against Samba, impacket and the examples of the specification.
#pragma once

#include <array>

#include "upstream/security.h"

namespace mapigate::upstream {

namespace ntlm {

using Key = std::array<std::uint8_t, 16>;

// [MS-NLMP] 3.3.2 NTOWFv2. The name is put into upper case, the domain is not.
Result<Key> response_key(const Secret& password, std::string_view user, std::string_view domain);

struct Response {
  Bytes nt;         // NtChallengeResponse: the proof, then what it proves
  Key session_key;  // SessionBaseKey, which NTLMv2 uses as it is
};
// [MS-NLMP] 3.3.2: `time` in 100-nanosecond steps since 1601, `target_info` with its terminator.
Response respond(const Key& key, View server_challenge, View client_challenge, std::uint64_t time, View target_info);

// One direction of a session: [MS-NLMP] 3.4.4.2, with the key exchanged and 128 bits.
class Direction {
 public:
  Direction();
  ~Direction();
  Direction(Direction&&) noexcept;
  // `to_server` chooses the constants of [MS-NLMP] 3.4.5.2 and 3.4.5.3.
  Status start(const Key& exported_session_key, bool to_server);
  // The signature over `message`; with `seal` also what `body` becomes, which must be a part of what is signed.
  Result<std::array<std::uint8_t, 16>> sign(View message, std::span<std::uint8_t> body, bool seal);
  Status decrypt(std::span<std::uint8_t> body);
  // Over the message after decrypt().
  Result<std::array<std::uint8_t, 16>> signature(View message);

 private:
  struct Cipher;
  std::unique_ptr<Cipher> cipher_;
  Key signing_key_{};
  std::uint32_t sequence_ = 0;
};

}  // namespace ntlm

std::unique_ptr<SecurityContext> make_ntlm_context(Credentials credentials, SecurityTarget target);

}  // namespace mapigate::upstream
