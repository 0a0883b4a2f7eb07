// What a module is told about the server that it logs on to for its users: the rows of its settings, and how they
// are read. A protocol's own settings stay in its module.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/settings.h"
#include "base/time.h"

namespace mapigate::io {

class TlsClientContext;

struct ServerAddress {
  enum class Tls : std::uint8_t { implicit, starttls, none };
  std::string host;
  std::uint16_t port = 0;
  Tls tls = Tls::implicit;
  std::shared_ptr<TlsClientContext> tls_context;  // unless Tls::none
  Duration connect_limit = std::chrono::seconds(10);
  Duration command_limit = std::chrono::seconds(60);
};

namespace server_rows {
Setting tls(const char* default_value);
Setting allow_plain_text();
Setting verify();
Setting ca_file();
Setting user_name();
Setting master_user(const char* help);
Setting master_password();
Setting connect_timeout();
Setting command_timeout();
}  // namespace server_rows

// From the settings "host", "port" and those of server_rows; port 0 means the usual one. Throws std::runtime_error
// (start-up) for a CA file that cannot be read, and for `passwords` that would cross a network in clear.
ServerAddress read_server_address(const Settings& settings, std::uint16_t implicit_port, std::uint16_t plain_port,
                                  bool passwords);

// `form` with %u, %n and %d replaced by the user's address, the part before its last @ and the part behind it; %% is %.
std::string login_name(std::string_view form, std::string_view address);

}  // namespace mapigate::io
