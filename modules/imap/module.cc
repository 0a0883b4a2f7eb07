// The module `imap`: settings, provider factory, password check.
#include <algorithm>
#include <stdexcept>

#include "base/text.h"
#include "chain/module.h"
#include "provider.h"

namespace mapigate::imap {

namespace {

const Setting settings[] = {
    {.name = "host",
     .type = Setting::Type::text,
     .default_value = nullptr,
     .help = "Name or address of the IMAP server."},
    {.name = "port",
     .type = Setting::Type::number,
     .default_value = "0",
     .help = "Its port; 0: 993 with tls = implicit, else 143.",
     .minimum = 0,
     .maximum = 65535},
    io::server_rows::tls("implicit"),
    io::server_rows::allow_plain_text(),
    io::server_rows::verify(),
    io::server_rows::ca_file(),
    io::server_rows::user_name(),
    io::server_rows::master_user(
        "Who logs in for users that came without a password (NTLM), and to mailboxes that a delegate opens, by SASL PLAIN with the owner's "
        "name as authorization identity."),
    io::server_rows::master_password(),
    io::server_rows::connect_timeout(),
    io::server_rows::command_timeout(),
    {.name = "connections",
     .type = Setting::Type::number,
     .default_value = "2",
     .help = "The most connections for one user; one more while something is written.",
     .minimum = 1,
     .maximum = 20},
    {.name = "idle_timeout",
     .type = Setting::Type::duration,
     .default_value = "60s",
     .help = "An unused connection is closed after this time.",
     .minimum = 0,
     .maximum = 1'740'000},
    {.name = "backoff",
     .type = Setting::Type::duration,
     .default_value = "30s",
     .help = "The longest pause between attempts to reach a server that is down.",
     .minimum = 0,
     .maximum = 3'600'000},
    {.name = "spool_threshold",
     .type = Setting::Type::size,
     .default_value = "1MiB",
     .help = "Larger messages are kept in a temporary file instead of memory.",
     .minimum = 65536,
     .maximum = std::int64_t{1} << 30},
    {.name = "spool_folder",
     .type = Setting::Type::path,
     .default_value = "/tmp",
     .help = "Where such files are made; they have no name there."},
    {.name = "max_message_size",
     .type = Setting::Type::size,
     .default_value = "256MiB",
     .help = "Larger messages cannot be opened.",
     .minimum = 65536,
     .maximum = std::int64_t{4} << 30},
    {.name = "batch",
     .type = Setting::Type::number,
     .default_value = "1000",
     .help = "Messages indexed at once.",
     .minimum = 1,
     .maximum = 5000},
    {.name = "flag_interval",
     .type = Setting::Type::duration,
     .default_value = "2min",
     .help = "How often all flags of a folder are compared when the server lacks CONDSTORE.",
     .minimum = 0,
     .maximum = 86'400'000},
    {.name = "shared_folders",
     .type = Setting::Type::choice,
     .default_value = "all",
     .help = "Which mailboxes of other users and which shared ones (RFC 2342) a user sees besides the own ones, below a folder that is "
             "named as their namespace.",
     .choices = {"all", "subscribed", "none"}},
    {.name = "ignored_capabilities",
     .type = Setting::Type::list,
     .default_value = "",
     .help = "Capabilities that are not used though the server announces them, for servers that err there, e.g. CONDSTORE, QRESYNC, "
             "MOVE, UIDPLUS or NOTIFY. Without CONDSTORE there is no QRESYNC."},
};

Options read_options(const Settings& settings) {
  auto server = std::make_shared<Server>();
  static_cast<io::ServerAddress&>(*server) = io::read_server_address(settings, 993, 143, true);
  server->limits.literal = static_cast<std::uint64_t>(settings.number("max_message_size"));
  server->limits.spool_memory = static_cast<std::size_t>(settings.number("spool_threshold"));
  server->limits.spool_directory = settings.text("spool_folder");
  for (const auto& name : settings.list("ignored_capabilities")) server->ignored.push_back(lower_ascii(name));
  // QRESYNC is CONDSTORE and more (RFC 7162, 3.2).
  if (std::find(server->ignored.begin(), server->ignored.end(), "condstore") != server->ignored.end()) server->ignored.push_back("qresync");
  Options options;
  options.server = std::move(server);
  options.pool.connections = static_cast<unsigned>(settings.number("connections"));
  options.pool.idle_limit = settings.duration("idle_timeout");
  options.pool.longest_backoff = settings.duration("backoff");
  options.user_form = settings.text("user_name");
  options.batch = static_cast<std::size_t>(settings.number("batch"));
  options.flag_interval = settings.duration("flag_interval");
  const auto& shared = settings.text("shared_folders");
  options.shared_folders = shared == "none" ? SharedFolders::none : shared == "subscribed" ? SharedFolders::subscribed : SharedFolders::all;
  return options;
}

class ImapModule : public mailbox::ProviderFactory, public chain::Authenticator {
 public:
  ImapModule(const chain::Environment& environment, const Settings& settings)
      : runtime_(environment.runtime),
        options_(read_options(settings)),
        master_user_(settings.text("master_user")),
        master_password_(settings.text("master_password")) {}

  std::unique_ptr<mailbox::Provider> open(std::shared_ptr<const chain::Identity> identity,
                                          io::Executor executor) override {
    Credentials credentials{io::login_name(options_.user_form, identity->user), identity->password};
    // The transport knows who it is, and has no password to show for it.
    if (identity->password.empty() && !master_user_.empty()) {
      credentials.master = master_user_;
      credentials.password = master_password_;
    }
    return std::make_unique<ImapProvider>(options_, runtime_, std::move(credentials), std::move(executor));
  }

  bool opens_without_password() const override { return !master_user_.empty(); }

  io::Task<Status> authenticate(chain::Identity identity) override {
    // Many servers take an empty password for an anonymous login; none of our users has one.
    if (identity.password.empty()) co_return error(Errc::denied, "no password");
    Credentials credentials{io::login_name(options_.user_form, identity.user), identity.password};
    auto connection = co_await Connection::open(options_.server, credentials);
    if (!connection) {
      if (connection.error().code == Errc::denied || connection.error().retryable())
        co_return connection.error();
      co_return error(Errc::unavailable, "{}", connection.error().message);
    }
    co_await (*connection)->logout();
    co_return Status();
  }

 private:
  io::Runtime& runtime_;
  Options options_;
  std::string master_user_;
  Secret master_password_;
};

std::unique_ptr<chain::Component> create(const chain::Environment& environment, const Settings& settings) {
  return std::make_unique<ImapModule>(environment, settings);
}

constexpr chain::ModuleDescriptor descriptor{
    .type = "imap",
    .summary = "mail folders and password check from an IMAP server",
    .settings = settings,
    .on_error = chain::OnError::closed,
    .budget = std::chrono::milliseconds(0),
    .create = create,
};

}  // namespace
}  // namespace mapigate::imap

MAPIGATE_MODULE(mapigate::imap::descriptor)
