// The web services of a mailbox, the client's side ([MS-OXWOOF], [MS-OXWAVLS]).
#pragma once

#include <memory>
#include <string>

#include "upstream/http_identity.h"
#include "wire/ews/availability.h"
#include "wire/ews/oof.h"

namespace mapigate::upstream {

using io::Task;

class EwsClient {
 public:
  EwsClient(std::shared_ptr<HttpIdentity> identity, io::Url url) : identity_(std::move(identity)), url_(std::move(url)) {}

  // Errors: denied where the server lets the user not in, or not do it; unsupported for its other refusals, which the
  // message names.
  Task<Result<wire::ews::UserOofSettings>> out_of_office(std::string address);
  Task<Status> set_out_of_office(std::string address, wire::ews::UserOofSettings settings);
  // Of one person; times are UTC, seconds since 1970.
  Task<Result<wire::ews::FreeBusyView>> free_busy(std::string address, std::int64_t start, std::int64_t end, int interval_minutes);

 private:
  // The response body; `operation` is for the SOAPAction.
  Task<Result<Bytes>> call(const char* operation, std::string envelope);

  std::shared_ptr<HttpIdentity> identity_;
  io::Url url_;
};

}  // namespace mapigate::upstream
