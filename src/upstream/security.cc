#include "upstream/security.h"

#include "upstream/kerberos.h"
#include "upstream/ntlm.h"

namespace mapigate::upstream {

Result<std::unique_ptr<SecurityContext>> make_security_context(AuthType type, Credentials credentials, SecurityTarget target,
                                                               io::Runtime& runtime) {
  switch (type) {
    case AuthType::ntlm: return make_ntlm_context(std::move(credentials), std::move(target));
    case AuthType::spnego: return make_kerberos_context(true, std::move(credentials), std::move(target), runtime);
    case AuthType::kerberos: return make_kerberos_context(false, std::move(credentials), std::move(target), runtime);
    case AuthType::none: break;
  }
  return error(Errc::unsupported, "no authentication is no security context");
}

}  // namespace mapigate::upstream
