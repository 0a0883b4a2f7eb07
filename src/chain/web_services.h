// Web services beside MAPI (/EWS/ and /OAB/) that are another server's, and how their requests get there.
#pragma once

#include <memory>
#include <string>

#include "chain/call.h"
#include "io/http_client.h"

namespace mapigate::chain {

// Where the other server announces its services, as paths below /EWS/ and /OAB/; empty: it has none that are passed on.
struct WebPlaces {
  std::string ews, oab;
};

// Path and query are within /EWS/ or /OAB/ and cannot lead out of them.
struct WebRequest {
  std::string method, target;
  io::HttpHeaders headers;  // what the client sent, without what concerns its connection and its logon
  View body;                // borrowed until the answer has begun
};

// True when a target names something below /EWS/ or /OAB/ that any server will look for there: no dot segments, no escapes.
bool is_web_target(std::string_view target);

// The other server's answer, whose body passes piece by piece. Belongs to the executor of who asked for it.
class WebAnswer {
 public:
  virtual ~WebAnswer() = default;
  // The next piece, valid until the next call; empty at the end. Errc::limit: it is too long.
  virtual io::Task<Result<View>> read() = 0;

  unsigned status = 0;
  io::HttpFields fields;
};

// Implemented by modules whose mailboxes are on another server.
class WebServices {
 public:
  virtual ~WebServices() = default;
  virtual io::Task<Result<WebPlaces>> web_places(Identity identity) = 0;
  // The other server's answer whatever its status, but for 401. Errc::denied: it does not let this user in; unsupported: nothing is
  // passed on for this user; limit: the answer is too long. From any executor.
  virtual io::Task<Result<std::unique_ptr<WebAnswer>>> web_request(Identity identity, WebRequest request) = 0;
};

}  // namespace mapigate::chain
