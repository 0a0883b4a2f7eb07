// Requests for web services of users whose mailboxes are on another server: passed there and back as bytes.
#pragma once

#include <memory>

#include "chain/web_services.h"
#include "io/http_server.h"

namespace mapigate::transport {

class Gateway;

io::Task<> relay_web_request(Gateway& gateway, io::HttpExchange& exchange, std::shared_ptr<const chain::Identity> identity,
                             chain::WebServices* services);

}  // namespace mapigate::transport
