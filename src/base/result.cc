#include "base/result.h"

#include <stdexcept>

namespace mapigate {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::malformed: return "malformed";
    case Errc::limit: return "limit";
    case Errc::unsupported: return "unsupported";
    case Errc::denied: return "denied";
    case Errc::not_found: return "not found";
    case Errc::conflict: return "conflict";
    case Errc::unavailable: return "unavailable";
    case Errc::timeout: return "timeout";
    case Errc::cancelled: return "cancelled";
    case Errc::internal: return "internal";
    case Errc::full: return "full";
  }
  return "unknown";
}

void throw_exception_from_error(const Error& error, const boost::source_location& where) {
  throw std::runtime_error(fmt::format("{} ({}:{})", error.message, where.file_name(), where.line()));
}

}  // namespace mapigate
