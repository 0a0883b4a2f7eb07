#include "chain/web_services.h"

#include "base/text.h"

namespace mapigate::chain {

bool is_web_target(std::string_view target) {
  const auto path = lower_ascii(target.substr(0, target.find('?')));
  if (!path.starts_with("/ews/") && !path.starts_with("/oab/")) return false;
  // Servers that unescape or normalise a path would go elsewhere than it seems to say.
  return path.find("..") == std::string::npos && path.find_first_of("%\\;#") == std::string::npos && path.find("//") == std::string::npos;
}

}  // namespace mapigate::chain
