#include "mapi/errors.h"

namespace mapigate::mapi {

std::string to_string(ErrorCode code) {
  // Some codes have two names; the first of the list wins.
#define MAPIGATE_NAME(name, number) \
  if (code == number) return fmt::format("{} (0x{:08x})", #name, static_cast<std::uint32_t>(number));
  MAPIGATE_ERROR_CODES(MAPIGATE_NAME)
#undef MAPIGATE_NAME
  return fmt::format("0x{:08x}", static_cast<std::uint32_t>(code));
}

ErrorCode to_error_code(const Error& error) {
  switch (error.code) {
    case Errc::malformed: return ecRpcFormat;
    case Errc::limit: return ecTooBig;
    case Errc::unsupported: return ecNotSupported;
    case Errc::denied: return ecAccessDenied;
    case Errc::not_found: return ecNotFound;
    case Errc::conflict: return ecObjectModified;
    case Errc::unavailable: return ecNetwork;
    case Errc::timeout: return ecTimeout;
    case Errc::cancelled: return ecError;
    case Errc::internal: return ecError;
    case Errc::full: return ecQuotaExceeded;
  }
  return ecError;
}

}  // namespace mapigate::mapi
