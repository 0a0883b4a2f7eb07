// The client's side of MAPI over HTTP ([MS-OXCMAPIHTTP] 3.1): one session context
// at one endpoint of an upstream.
#pragma once

#include <memory>
#include <string>

#include "base/secret.h"
#include "chain/call.h"
#include "io/http_client.h"
#include "wire/mapihttp/cookies.h"
#include "wire/mapihttp/headers.h"

namespace mapigate::upstream {

using io::Task;

// "Basic …" for an Authorization field.
Secret basic_authorization(std::string_view user, const Secret& password);

struct SessionOptions {
  io::Url endpoint;                                  // …/mapi/emsmdb/… or …/mapi/nspi/…
  Secret authorization;                              // value of the Authorization field
  Duration limit = std::chrono::minutes(6);          // of one call
  Duration silence = std::chrono::seconds(75);       // longest time without a PENDING
  std::size_t max_reply = 2 << 20;                   // bytes of one reply body
};

// Cookies of this session never mix with those of another. Belongs to one
// executor; an Execute must end before the next begins, NotificationWait may run beside.
class MapiHttpSession {
 public:
  MapiHttpSession(std::shared_ptr<io::HttpClient> client, SessionOptions options);

  // Sends `body` as it is and gives the reply's payload as it came. `client` is
  // passed on in the X- headers. Errc::denied: credentials refused (HTTP 401);
  // unavailable or timeout: no answer to be had, the call may or may not have been done;
  // malformed: the answer is no MAPI/HTTP. A protocol error is a Reply with its code.
  Task<Result<chain::Reply>> call(chain::Operation operation, View body, const chain::ClientInfo& client);

  // The upstream's X-ServerApplication, once there was a reply.
  const std::string& server_application() const { return server_application_; }

 private:
  io::HttpHeaders headers_for(std::string_view request_type, const chain::ClientInfo& client) const;
  Result<chain::Reply> read(unsigned status, const io::HttpFields& fields, View body);

  std::shared_ptr<io::HttpClient> client_;
  SessionOptions options_;
  wire::mapihttp::CookieJar cookies_;
  std::string server_application_;
};

}  // namespace mapigate::upstream
