// The module `smtp`: settings and the submitter of a user.
#include <stdexcept>

#include "client.h"

namespace mapigate::smtp {

namespace {

const Setting settings[] = {
    {.name = "host", .type = Setting::Type::text, .default_value = nullptr, .help = "Name or address of the submission server."},
    {.name = "port",
     .type = Setting::Type::number,
     .default_value = "0",
     .help = "Its port; 0: 465 with tls = implicit, else 587.",
     .minimum = 0,
     .maximum = 65535},
    {.name = "tls",
     .type = Setting::Type::choice,
     .default_value = "starttls",
     .help = "How the connection is secured. none is only for servers on this machine.",
     .choices = {"implicit", "starttls", "none"}},
    {.name = "allow_plain_text",
     .type = Setting::Type::boolean,
     .default_value = "false",
     .help = "Send passwords without TLS to a server that is not on this machine, too."},
    {.name = "verify",
     .type = Setting::Type::boolean,
     .default_value = "true",
     .help = "Check the server's certificate. Without it anyone in between can read along."},
    {.name = "ca_file",
     .type = Setting::Type::path,
     .default_value = "",
     .help = "PEM file with the authorities to trust; empty: those of the system."},
    {.name = "authenticate",
     .type = Setting::Type::boolean,
     .default_value = "true",
     .help = "Log in with the user's own name and password."},
    {.name = "user_name",
     .type = Setting::Type::text,
     .default_value = "%u",
     .help = "Login name: %u is the user's address, %n the part before its @, %d the part behind it."},
    {.name = "hello", .type = Setting::Type::text, .default_value = "", .help = "The name we give in EHLO; empty: that of the server."},
    {.name = "connect_timeout",
     .type = Setting::Type::duration,
     .default_value = "10s",
     .help = "The longest wait for the connection, and for the TLS handshake.",
     .minimum = 100,
     .maximum = 600'000},
    {.name = "command_timeout",
     .type = Setting::Type::duration,
     .default_value = "60s",
     .help = "The longest wait for the server's next answer.",
     .minimum = 100,
     .maximum = 3'600'000},
    {.name = "data_timeout",
     .type = Setting::Type::duration,
     .default_value = "10min",
     .help = "The longest wait for its answer to a whole message.",
     .minimum = 100,
     .maximum = 3'600'000},
};

bool on_this_machine(const std::string& host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

std::string user_name(std::string_view form, std::string_view address) {
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

std::shared_ptr<const Server> read_server(const chain::Environment& environment, const Settings& s) {
  auto server = std::make_shared<Server>();
  server->host = s.text("host");
  const auto& tls = s.text("tls");
  server->tls = tls == "implicit" ? Server::Tls::implicit : tls == "starttls" ? Server::Tls::starttls : Server::Tls::none;
  const auto port = s.number("port");
  server->port = static_cast<std::uint16_t>(port != 0 ? port : server->tls == Server::Tls::implicit ? 465 : 587);
  server->authenticate = s.boolean("authenticate");
  server->hello = s.text("hello").empty() ? environment.server_name : s.text("hello");
  if (server->hello.empty() || server->hello.find_first_of("\r\n ") != std::string::npos) throw std::runtime_error("hello: no host name");
  if (server->tls == Server::Tls::none) {
    if (server->authenticate && !on_this_machine(server->host) && !s.boolean("allow_plain_text"))
      throw std::runtime_error("tls = \"none\" would send passwords over the network to " + server->host +
                               "; use \"starttls\" or \"implicit\", or say allow_plain_text = true");
  } else {
    io::TlsClientOptions options;
    options.ca_file = s.text("ca_file");
    options.verify = !s.boolean("verify")      ? io::TlsClientOptions::Verify::off
                     : options.ca_file.empty() ? io::TlsClientOptions::Verify::system
                                               : io::TlsClientOptions::Verify::ca_file;
    auto context = io::TlsClientContext::create(options);
    if (!context) throw std::runtime_error(context.error().message);
    server->tls_context = *context;
  }
  server->connect_limit = s.duration("connect_timeout");
  server->command_limit = s.duration("command_timeout");
  server->data_limit = s.duration("data_timeout");
  return server;
}

class SmtpSubmitter final : public mailbox::Submitter {
 public:
  SmtpSubmitter(std::shared_ptr<const Server> server, Credentials credentials)
      : server_(std::move(server)), credentials_(std::move(credentials)) {}
  Task<Result<std::vector<mailbox::RecipientOutcome>>> submit(mailbox::Envelope envelope, convert::ByteSource message) override {
    return send(server_, credentials_, std::move(envelope), std::move(message));
  }

 private:
  std::shared_ptr<const Server> server_;
  Credentials credentials_;
};

class SmtpModule final : public mailbox::SubmitterFactory {
 public:
  SmtpModule(const chain::Environment& environment, const Settings& s)
      : server_(read_server(environment, s)), user_form_(s.text("user_name")) {}
  std::shared_ptr<mailbox::Submitter> open(std::shared_ptr<const chain::Identity> identity, io::Executor) override {
    return std::make_shared<SmtpSubmitter>(server_, Credentials{user_name(user_form_, identity->user), identity->password});
  }

 private:
  std::shared_ptr<const Server> server_;
  std::string user_form_;
};

std::unique_ptr<chain::Component> create(const chain::Environment& environment, const Settings& s) {
  return std::make_unique<SmtpModule>(environment, s);
}

constexpr chain::ModuleDescriptor descriptor{
    .type = "smtp",
    .summary = "sends messages over SMTP submission",
    .settings = settings,
    .on_error = chain::OnError::closed,
    .budget = std::chrono::milliseconds(0),
    .create = create,
};

}  // namespace
}  // namespace mapigate::smtp

MAPIGATE_MODULE(mapigate::smtp::descriptor)
