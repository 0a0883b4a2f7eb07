// `mapigate client oab`: downloads the offline address book that Autodiscover names and unpacks it with libmspack.
#pragma once

#include <memory>
#include <string>

#include "upstream/http_identity.h"

namespace mapigate::daemon {

struct OabRequest {
  std::string url;   // OABUrl: a folder
  std::string save;  // folder for what was downloaded and unpacked; empty: nothing is kept
  bool json = false;
};

// What to print. Errc::not_found: there is none; malformed: what came is not what the manifest says.
io::Task<Result<std::string>> read_oab(std::shared_ptr<upstream::HttpIdentity> identity, OabRequest request);

}  // namespace mapigate::daemon
