// The module `sieve`: automatic replies by a script of ours on a ManageSieve server.
#include <algorithm>
#include <stdexcept>

#include "base/text.h"
#include "client.h"
#include "mailbox/out_of_office.h"
#include "script.h"

namespace mapigate::sieve {

using wire::ews::OofState;
using wire::ews::UserOofSettings;

namespace {

const Setting settings[] = {
    {.name = "host", .type = Setting::Type::text, .default_value = nullptr, .help = "Name or address of the ManageSieve server."},
    {.name = "port",
     .type = Setting::Type::number,
     .default_value = "0",
     .help = "Its port; 0: 4190.",
     .minimum = 0,
     .maximum = 65535},
    io::server_rows::tls("starttls"),
    io::server_rows::allow_plain_text(),
    io::server_rows::verify(),
    io::server_rows::ca_file(),
    io::server_rows::user_name(),
    io::server_rows::master_user(
        "Who logs in for users that came without a password, and to look for others whether a user is away."),
    io::server_rows::master_password(),
    io::server_rows::connect_timeout(),
    io::server_rows::command_timeout(),
    {.name = "script",
     .type = Setting::Type::text,
     .default_value = "mapigate",
     .help = "Name of the script that is ours. Nobody else may use it."},
    {.name = "internal_domains",
     .type = Setting::Type::list,
     .default_value = "",
     .help = "Who writes from these domains gets the reply for colleagues; empty: the domain of the user."},
    {.name = "days",
     .type = Setting::Type::number,
     .default_value = "1",
     .help = "For so many days nobody gets the same reply again.",
     .minimum = 1,
     .maximum = 30},
};

struct Options {
  std::shared_ptr<const Server> server;
  std::string script;
  std::vector<std::string> internal_domains;
  unsigned days = 1;
};

class SieveReplies final : public mailbox::OutOfOffice {
 public:
  SieveReplies(std::shared_ptr<const Options> options, std::string user, Credentials credentials)
      : options_(std::move(options)), user_(std::move(user)), credentials_(std::move(credentials)) {}

  Task<Result<UserOofSettings>> get() override {
    auto client = co_await Client::open(options_->server, credentials_);
    if (!client) co_return client.error();
    auto found = co_await look(client->get());
    co_await (*client)->log_out();
    if (!found) co_return found.error();
    auto settings = found->remembered ? found->remembered->settings : UserOofSettings();
    if (!found->remembered) settings.Audience = wire::ews::ExternalAudience::All;
    if (found->active != options_->script) settings.State = OofState::Disabled;
    co_return settings;
  }

  Task<Status> set(UserOofSettings settings, std::vector<std::string> addresses) override {
    auto client = co_await Client::open(options_->server, credentials_);
    if (!client) co_return client.error();
    auto outcome = co_await change(client->get(), std::move(settings), std::move(addresses));
    co_await (*client)->log_out();
    co_return outcome;
  }

 private:
  // How it stands on the server.
  struct Found {
    std::string active;  // the active script's name
    std::vector<std::string> names;
    std::optional<Remembered> remembered;
    bool has(const std::string& name) const { return std::find(names.begin(), names.end(), name) != names.end(); }
  };

  Task<Result<Found>> look(Client* client) {
    auto scripts = co_await client->list();
    if (!scripts) co_return scripts.error();
    Found out;
    for (const auto& one : *scripts) {
      out.names.push_back(one.name);
      if (one.active) out.active = one.name;
    }
    if (!out.has(options_->script)) co_return out;
    auto text = co_await client->get(options_->script);
    if (!text) co_return text.error();
    out.remembered = read_script(*text);
    if (!out.remembered)
      co_return error(Errc::conflict, "the script \"{}\" on the server is not ours; rename it there, or give us another name", options_->script);
    co_return out;
  }

  Task<Status> change(Client* client, UserOofSettings settings, std::vector<std::string> addresses) {
    auto found = co_await look(client);
    if (!found) co_return found.error();
    const bool ours = found->active == options_->script;
    Plan plan;
    plan.remembered.settings = std::move(settings);
    auto& previous = plan.remembered.previous;
    previous = ours && found->remembered ? found->remembered->previous : found->active;
    if (!found->has(previous) || previous == options_->script) previous.clear();
    const auto& can = client->capabilities();
    plan.can_include = can.has("include");
    plan.can_envelope = can.has("envelope");
    plan.days = options_->days;
    plan.internal_domains = options_->internal_domains;
    if (plan.internal_domains.empty()) plan.internal_domains.push_back(user_.substr(std::min(user_.rfind('@'), user_.size() - 1) + 1));
    addresses.push_back(user_);
    std::sort(addresses.begin(), addresses.end());
    addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
    plan.addresses = std::move(addresses);
    const bool on = plan.remembered.settings.State != OofState::Disabled;
    auto possible = check(can, plan.remembered.settings.State);
    if (on && !possible) co_return possible;
    if (on && !previous.empty()) {
      auto text = co_await client->get(previous);
      if (!text) co_return text.error();
      // A second vacation command within one run stops a script with an error (RFC 5230 4.7).
      if (calls(*text, "vacation"))
        co_return error(Errc::conflict, "the script \"{}\" of {} sends automatic replies of its own; switch them off there first", previous, user_);
      if (!plan.can_include) plan.previous_text = std::move(*text);
    }
    const auto script = make_script(plan);
    if (script.size() > options_->server->max_script) co_return error(Errc::limit, "a script of {} bytes", script.size());
    // Gives back first, so that nothing is answered any more even if the rest fails.
    if (!on && ours) {
      auto given_back = co_await client->activate(previous);
      if (!given_back) co_return given_back;
    }
    auto stored = co_await client->put(options_->script, script);
    if (!stored) co_return stored;
    if (!on || ours) co_return Status();
    auto activated = co_await client->activate(options_->script);
    co_return activated;
  }

  static Status check(const Capabilities& can, OofState state) {
    if (!can.has("vacation")) return error(Errc::unsupported, "the server's Sieve knows no vacation");
    if (state == OofState::Scheduled && (!can.has("date") || !can.has("relational")))
      return error(Errc::unsupported, "the server's Sieve knows no dates");
    return {};
  }

  std::shared_ptr<const Options> options_;
  std::string user_;
  Credentials credentials_;
};

class SieveModule final : public mailbox::OutOfOfficeFactory {
 public:
  explicit SieveModule(const Settings& s)
      : user_form_(s.text("user_name")), master_user_(s.text("master_user")), master_password_(s.text("master_password")) {
    auto server = std::make_shared<Server>();
    static_cast<io::ServerAddress&>(*server) = io::read_server_address(s, 4190, 4190, true);
    auto options = std::make_shared<Options>();
    options->server = std::move(server);
    options->script = s.text("script");
    if (!is_script_name(options->script)) throw std::runtime_error("script: not a name that a script can have");
    for (const auto& domain : s.list("internal_domains"))
      if (!trim(domain).empty()) options->internal_domains.push_back(lower_ascii(trim(domain)));
    options->days = static_cast<unsigned>(s.number("days"));
    options_ = std::move(options);
  }

  std::shared_ptr<mailbox::OutOfOffice> open(std::shared_ptr<const chain::Identity> identity, io::Executor) override {
    Credentials credentials{io::login_name(user_form_, identity->user), identity->password, {}};
    if (identity->password.empty() && !master_user_.empty()) {
      credentials.master = master_user_;
      credentials.password = master_password_;
    }
    return std::make_shared<SieveReplies>(options_, identity->user, std::move(credentials));
  }
  bool reads_for_others() const override { return !master_user_.empty(); }

 private:
  std::shared_ptr<const Options> options_;
  std::string user_form_, master_user_;
  Secret master_password_;
};

std::unique_ptr<chain::Component> create(const chain::Environment&, const Settings& s) { return std::make_unique<SieveModule>(s); }

constexpr chain::ModuleDescriptor descriptor{
    .type = "sieve",
    .summary = "automatic replies by a script on a ManageSieve server",
    .settings = settings,
    .on_error = chain::OnError::closed,
    .budget = std::chrono::milliseconds(0),
    .create = create,
};

}  // namespace
}  // namespace mapigate::sieve

MAPIGATE_MODULE(mapigate::sieve::descriptor)
