// The web services of a mailbox, the client's side ([MS-OXWOOF], [MS-OXWAVLS]).
#pragma once

#include <memory>
#include <string>

#include "base/secret.h"
#include "io/http_client.h"
#include "wire/ews/availability.h"
#include "wire/ews/oof.h"

namespace mapigate::upstream {

using io::Task;

class EwsClient {
 public:
  EwsClient(std::shared_ptr<io::HttpClient> http, io::Url url, Secret authorization)
      : http_(std::move(http)), url_(std::move(url)), authorization_(std::move(authorization)) {}

  // Errors: denied where the server lets the user not in, or not do it; unsupported for its other refusals, which the
  // message names.
  Task<Result<wire::ews::UserOofSettings>> out_of_office(std::string address);
  Task<Status> set_out_of_office(std::string address, wire::ews::UserOofSettings settings);
  // Of one person; times are UTC, seconds since 1970.
  Task<Result<wire::ews::FreeBusyView>> free_busy(std::string address, std::int64_t start, std::int64_t end, int interval_minutes);

 private:
  // The response body; `operation` is for the SOAPAction.
  Task<Result<Bytes>> call(const char* operation, std::string envelope);

  std::shared_ptr<io::HttpClient> http_;
  io::Url url_;
  Secret authorization_;
};

}  // namespace mapigate::upstream
