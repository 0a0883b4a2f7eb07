// The client's side of MAPI over HTTP ([MS-OXCMAPIHTTP] 3.1): one session context
// at one endpoint of an upstream.
#pragma once

#include "upstream/http_identity.h"
#include "upstream/pinned_http.h"
#include "upstream/session.h"
#include "wire/mapihttp/cookies.h"
#include "wire/mapihttp/headers.h"

namespace mapigate::upstream {

struct SessionOptions {
  io::Url endpoint;                                  // …/mapi/emsmdb/… or …/mapi/nspi/…
  Duration limit = std::chrono::minutes(6);          // of one call
  Duration silence = std::chrono::seconds(75);       // longest time without a PENDING
  std::size_t max_reply = 2 << 20;                   // bytes of one reply body
  std::shared_ptr<PinnedConnections> pins;           // where the connections of calls without an identity are
};

// Cookies of this session never mix with those of another.
class MapiHttpSession final : public Session {
 public:
  // Without an identity each call has to come by a connection on which its client logged on (ClientInfo::pinned).
  MapiHttpSession(std::shared_ptr<HttpIdentity> identity, SessionOptions options);

  // Not found: there is no MAPI over HTTP at the endpoint.
  Task<Result<chain::Reply>> call(chain::Operation operation, View body, const chain::ClientInfo& client) override;
  std::string server_application() const override { return server_application_; }  // X-ServerApplication

 private:
  io::HttpHeaders headers_for(std::string_view request_type, const chain::ClientInfo& client);
  Result<chain::Reply> read(unsigned status, const io::HttpFields& fields, View body);

  std::shared_ptr<HttpIdentity> identity_;
  SessionOptions options_;
  wire::mapihttp::CookieJar cookies_;
  std::string server_application_;
  // In the place of what a client by another transport does not say.
  std::string own_info_, application_;
  unsigned requests_ = 0;
  bool adrift_ = false;  // the last Execute got no answer
};

}  // namespace mapigate::upstream
