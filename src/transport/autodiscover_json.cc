// The JSON form of Autodiscover, in which newer clients ask before anything else where a protocol is
// served: /autodiscover/autodiscover.json?Email=…&Protocol=…, or /autodiscover/autodiscover.json/v1.0/ADDRESS?Protocol=….
// It needs no password and says the same for every address, so it tells nobody who has a mailbox here.
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "transport/autodiscover_profile.h"

namespace mapigate::transport {

io::Task<> handle_autodiscover_json(Gateway& gateway, io::HttpExchange& exchange) {
  const auto protocol = query_parameter(exchange.query(), "Protocol");
  auto address = query_parameter(exchange.query(), "Email");
  if (address.empty()) {
    const auto path = std::string(exchange.path());
    if (const auto slash = path.rfind('/'); slash != std::string::npos) address = percent_decode(path.substr(slash + 1));
  }
  const auto& options = gateway.options();
  nlohmann::ordered_json answer;
  unsigned status = 200;
  const auto refuse = [&](const char* code, const std::string& message) {
    status = 400;
    answer = {{"ErrorCode", code}, {"ErrorMessage", message}};
  };
  const auto base = external_base(options);
  if (exchange.method() != "GET" && exchange.method() != "HEAD") {
    status = 405;
    answer = {{"ErrorCode", "InvalidRequest"}, {"ErrorMessage", "Only GET is served here."}};
  } else if (address.find('@') == std::string::npos) {
    refuse("InvalidRequest", "Email is missing or no address.");
  } else if (protocol.empty()) {
    refuse("MandatoryParameterMissing", "A value is needed for the parameter Protocol.");
  } else if (equal_ignoring_ascii_case(protocol, "AutodiscoverV1")) {
    answer = {{"Protocol", "AutodiscoverV1"}, {"Url", base + "/autodiscover/autodiscover.xml"}};
  } else if (equal_ignoring_ascii_case(protocol, "Ews") && options.services.ews) {
    answer = {{"Protocol", "Ews"}, {"Url", base + "/EWS/Exchange.asmx"}};
  } else {
    refuse("ProtocolNotSupported", fmt::format("The protocol is not served here; these are: AutodiscoverV1{}.", options.services.ews ? ", Ews" : ""));
  }
  const io::HttpHeaders headers{{"Content-Type", "application/json; charset=utf-8"}, {"Cache-Control", "private"}};
  const auto text = answer.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  const auto sent = co_await exchange.respond(status, headers, text);
  (void)sent;  // the client has gone; nothing is lost
}

}  // namespace mapigate::transport
