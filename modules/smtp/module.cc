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
    io::server_rows::tls("starttls"),
    io::server_rows::allow_plain_text(),
    io::server_rows::verify(),
    io::server_rows::ca_file(),
    {.name = "authenticate",
     .type = Setting::Type::boolean,
     .default_value = "true",
     .help = "Log in with the user's own name and password."},
    io::server_rows::user_name(),
    io::server_rows::master_user(
        "Who logs in for users without a password at hand (NTLM, or after a restart), by AUTH PLAIN with their name as authorization identity."),
    io::server_rows::master_password(),
    {.name = "hello",
     .type = Setting::Type::text,
     .default_value = "",
     .help = "The name we give in EHLO; empty: that of the server."},
    io::server_rows::connect_timeout(),
    io::server_rows::command_timeout(),
    {.name = "data_timeout",
     .type = Setting::Type::duration,
     .default_value = "10min",
     .help = "The longest wait for its answer to a whole message.",
     .minimum = 100,
     .maximum = 3'600'000},
};

std::shared_ptr<const Server> read_server(const chain::Environment& environment, const Settings& s) {
  const bool authenticate = s.boolean("authenticate");
  auto server = std::make_shared<Server>();
  static_cast<io::ServerAddress&>(*server) = io::read_server_address(s, 465, 587, authenticate);
  server->authenticate = authenticate;
  server->hello = s.text("hello").empty() ? environment.server_name : s.text("hello");
  if (server->hello.empty() || server->hello.find_first_of("\r\n ") != std::string::npos) throw std::runtime_error("hello: no host name");
  server->data_limit = s.duration("data_timeout");
  return server;
}

class SmtpSubmitter final : public mailbox::Submitter {
 public:
  explicit SmtpSubmitter(std::shared_ptr<Sender> sender) : sender_(std::move(sender)) {}
  Task<Result<std::vector<mailbox::RecipientOutcome>>> submit(mailbox::Envelope envelope, convert::ByteSource message) override {
    return sender_->send(std::move(envelope), std::move(message));
  }

 private:
  std::shared_ptr<Sender> sender_;
};

class SmtpModule final : public mailbox::SubmitterFactory {
 public:
  SmtpModule(const chain::Environment& environment, const Settings& s)
      : server_(read_server(environment, s)),
        user_form_(s.text("user_name")),
        master_user_(s.text("master_user")),
        master_password_(s.text("master_password")) {}
  std::shared_ptr<mailbox::Submitter> open(std::shared_ptr<const chain::Identity> identity, io::Executor executor) override {
    Credentials credentials{io::login_name(user_form_, identity->user), identity->password};
    if (identity->password.empty() && !master_user_.empty()) {
      credentials.master = master_user_;
      credentials.password = master_password_;
    }
    return std::make_shared<SmtpSubmitter>(std::make_shared<Sender>(server_, std::move(credentials), std::move(executor)));
  }

 private:
  std::shared_ptr<const Server> server_;
  std::string user_form_, master_user_;
  Secret master_password_;
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
