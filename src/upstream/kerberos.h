// Kerberos, bare or in SPNEGO, by MIT's GSS-API.
#pragma once

#include "upstream/security.h"

namespace mapigate::upstream {

std::unique_ptr<SecurityContext> make_kerberos_context(bool spnego, Credentials credentials, SecurityTarget target, io::Runtime& runtime);

}  // namespace mapigate::upstream
