// Exchange Web Services: what classic Outlook asks of them (row A5). /EWS/Exchange.asmx takes SOAP envelopes; everything that is
// no operation here gets a SOAP fault, on which Outlook goes on quietly.
#pragma once

#include <memory>
#include <span>

#include "chain/call.h"
#include "io/http_server.h"

namespace mapigate::transport {

class Gateway;

// Whatever is below /EWS/.
io::Task<> handle_ews(Gateway& gateway, io::HttpExchange& exchange, std::shared_ptr<const chain::Identity> identity);

}  // namespace mapigate::transport
