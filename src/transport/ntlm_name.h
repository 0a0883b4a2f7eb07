// Who somebody says to be in the last message of an NTLM logon that another server checks.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace mapigate::transport {

// As an NTLM client gives it.
struct NtlmName {
  std::string user, domain;
};
// The name in an AUTHENTICATE_MESSAGE ([MS-NLMP] 2.2.1.3) that stands alone or as the responseToken of a NegTokenResp ([RFC 4178]
// 4.2.2); none: the token is another. Errc::malformed: it is one, or might be taken for one, and cannot be read in one way only.
Result<std::optional<NtlmName>> ntlm_name(View token);

// Whether a server's CHALLENGE_MESSAGE ([MS-NLMP] 2.2.1.2), alone or as a responseToken, settles on names in Unicode: what the
// client says of its own later message does not count with every server. None: the token is no challenge.
Result<std::optional<bool>> challenges_in_unicode(View token);

}  // namespace mapigate::transport
