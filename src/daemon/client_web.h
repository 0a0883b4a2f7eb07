// `mapigate client oof` and `freebusy`: the web services that Outlook asks beside MAPI.
#pragma once

#include <memory>
#include <string>

#include "upstream/autodiscover.h"

namespace CLI {
class App;
}

namespace mapigate::daemon {

struct ClientOptions;

struct WebOptions {
  std::string action = "get";  // oof: get or set
  // Empty: stays as it is.
  std::string state, audience, start, end;
  std::string internal_text, external_text;
  bool has_internal = false, has_external = false;
  std::string address, from, to;  // freebusy
  int interval = 30;              // minutes
};

void add_web_commands(CLI::App* client, ClientOptions& to);
// What is to be printed.
io::Task<Result<std::string>> web_command(std::shared_ptr<upstream::HttpIdentity> identity, upstream::DiscoveredMailbox mailbox,
                                          const ClientOptions* options);

}  // namespace mapigate::daemon
