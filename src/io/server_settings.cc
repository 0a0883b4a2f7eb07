#include "io/server_settings.h"

#include <stdexcept>

#include "io/tls.h"

namespace mapigate::io {

namespace server_rows {

Setting tls(const char* default_value) {
  return {.name = "tls",
          .type = Setting::Type::choice,
          .default_value = default_value,
          .help = "How the connection is secured. none is only for servers on this machine.",
          .choices = {"implicit", "starttls", "none"}};
}
Setting allow_plain_text() {
  return {.name = "allow_plain_text",
          .type = Setting::Type::boolean,
          .default_value = "false",
          .help = "Send passwords without TLS to a server that is not on this machine, too."};
}
Setting verify() {
  return {.name = "verify",
          .type = Setting::Type::boolean,
          .default_value = "true",
          .help = "Check the server's certificate. Without it anyone in between can read along."};
}
Setting ca_file() {
  return {.name = "ca_file",
          .type = Setting::Type::path,
          .default_value = "",
          .help = "PEM file with the authorities to trust; empty: those of the system."};
}
Setting user_name() {
  return {.name = "user_name",
          .type = Setting::Type::text,
          .default_value = "%u",
          .help = "Login name: %u is the user's address, %n the part before its @, %d the part behind it."};
}
Setting master_user(const char* help) {
  return {.name = "master_user", .type = Setting::Type::text, .default_value = "", .help = help};
}
Setting master_password() {
  return {.name = "master_password",
          .type = Setting::Type::text,
          .default_value = "",
          .help = "The master user's password.",
          .secret = true};
}
Setting connect_timeout() {
  return {.name = "connect_timeout",
          .type = Setting::Type::duration,
          .default_value = "10s",
          .help = "The longest wait for the connection, and for the TLS handshake.",
          .minimum = 100,
          .maximum = 600'000};
}
Setting command_timeout() {
  return {.name = "command_timeout",
          .type = Setting::Type::duration,
          .default_value = "60s",
          .help = "The longest wait for the server's next answer.",
          .minimum = 100,
          .maximum = 3'600'000};
}

}  // namespace server_rows

ServerAddress read_server_address(const Settings& settings, std::uint16_t implicit_port, std::uint16_t plain_port,
                                  bool passwords) {
  ServerAddress out;
  out.host = settings.text("host");
  const auto& tls = settings.text("tls");
  out.tls = tls == "implicit"   ? ServerAddress::Tls::implicit
            : tls == "starttls" ? ServerAddress::Tls::starttls
                                : ServerAddress::Tls::none;
  const auto port = settings.number("port");
  const auto usual = out.tls == ServerAddress::Tls::implicit ? implicit_port : plain_port;
  out.port = port != 0 ? static_cast<std::uint16_t>(port) : usual;
  out.connect_limit = settings.duration("connect_timeout");
  out.command_limit = settings.duration("command_timeout");
  if (out.tls == ServerAddress::Tls::none) {
    const bool here = out.host == "localhost" || out.host == "::1" || out.host.starts_with("127.");
    if (passwords && !here && !settings.boolean("allow_plain_text"))
      throw std::runtime_error("tls = \"none\" would send passwords over the network to " + out.host +
                               "; use \"starttls\" or \"implicit\", or say allow_plain_text = true");
    return out;
  }
  TlsClientOptions options;
  options.ca_file = settings.text("ca_file");
  options.verify = !settings.boolean("verify") ? TlsClientOptions::Verify::off
                   : options.ca_file.empty()   ? TlsClientOptions::Verify::system
                                               : TlsClientOptions::Verify::ca_file;
  auto context = TlsClientContext::create(options);
  if (!context) throw std::runtime_error(context.error().message);
  out.tls_context = *context;
  return out;
}

std::string login_name(std::string_view form, std::string_view address) {
  const auto at = std::min(address.rfind('@'), address.size());
  std::string out;
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (form[i] != '%' || i + 1 == form.size()) {
      out += form[i];
      continue;
    }
    const char what = form[++i];
    if (what == 'u') out += address;
    else if (what == 'n') out += address.substr(0, at);
    else if (what == 'd') out += at < address.size() ? address.substr(at + 1) : std::string_view();
    else out += what;
  }
  return out;
}

}  // namespace mapigate::io
