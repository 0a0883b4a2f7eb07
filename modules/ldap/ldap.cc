// The module of type `ldap`: an address book out of LDAP, and a password check by binding. See README.md.
#include <stdexcept>

#include "base/text.h"
#include "client.h"
#include "directory/source.h"
#include "io/runtime.h"
#include "saved.h"

namespace mapigate::ldap {

namespace {

using enum Setting::Type;
const Setting settings[] = {
    {"url", text, nullptr, "ldap:// or ldaps:// URL, or several with a space between: the next is tried where one does not answer.", "0.1"},
    {.name = "starttls", .type = boolean, .default_value = "false", .help = "Encrypt a connection that began in the clear."},
    {.name = "verify", .type = boolean, .default_value = "true", .help = "Check the server's certificate."},
    {.name = "ca_file", .type = path, .default_value = "", .help = "Authorities it may come from; empty: the system's."},
    {.name = "bind_dn", .type = text, .default_value = "", .help = "Entry that reads the directory; empty: nobody."},
    {.name = "password", .type = text, .default_value = "", .help = "Its password.", .secret = true},
    {.name = "base", .type = text, .default_value = nullptr, .help = "Entry below which everything is read."},
    {.name = "schema", .type = choice, .default_value = "inetorgperson", .help = "Whose attributes and object classes are meant.",
     .choices = {"inetorgperson", "posix", "samba"}},
    {.name = "filter", .type = text, .default_value = "", .help = "LDAP filter instead of the one of the schema."},
    {.name = "attributes", .type = list, .default_value = "", .help = "Other attributes than those of the schema, as OURS=LDAP, or "
     "OURS=FIRST,SECOND in an element of its own, or OURS= for none."},
    {.name = "kinds", .type = list,
     .default_value = "groupOfNames=group,groupOfUniqueNames=group,posixGroup=group,sambaGroupMapping=group,room=room,device=equipment",
     .help = "Which object class makes an entry what, as OBJECTCLASS=KIND."},
    {.name = "mail_domain", .type = text, .default_value = "", .help = "Accounts without address get ACCOUNT@ this domain."},
    {.name = "list_name", .type = text, .default_value = "Global Address List", .help = "What clients call the list of everybody."},
    {.name = "refresh_interval", .type = duration, .default_value = "1min",
     .help = "How often it is asked whether something has changed. Servers without contextCSN are read as a whole each time.",
     .minimum = 200, .maximum = 86'400'000},
    {.name = "timeout", .type = duration, .default_value = "30s", .help = "How long one answer of the server may take.",
     .minimum = 100, .maximum = 600'000},
    {.name = "page_size", .type = number, .default_value = "500", .help = "Entries asked for at once.", .minimum = 1, .maximum = 10'000},
    {.name = "max_entries", .type = number, .default_value = "200000", .help = "A directory with more is not taken over.",
     .minimum = 1, .maximum = 5'000'000},
};

// What the task that refreshes shares with the module, whichever ends first. Used by one worker at a time,
// `current` by all.
struct Shared {
  explicit Shared(Mapping mapping) : mapping(std::move(mapping)) {}
  Server server;
  Mapping mapping;
  std::string module, list_name, saved_file;
  std::unique_ptr<directory::IdTable> ids;
  directory::Current current;
  std::string change_number;

  Status take(std::vector<directory::Entry> entries) {
    const auto count = entries.size();
    auto made = directory::Snapshot::build(std::move(entries), *ids, list_name);
    if (!made) return made.error();
    if (const auto left_out = count - (*made)->objects().size(); left_out != 0)
      log::warning("{}: {} entries have no name or the id of another and are left out", module, left_out);
    current.set(std::move(*made));
    return {};
  }

  // True when something was new.
  Result<bool> read() {
    auto client = Client::connect(server);
    if (!client) return client.error();
    const auto number = (*client)->change_number();
    if (!number) return number.error();
    if (!number->empty() && *number == change_number && current.get()) return false;
    auto records = (*client)->read(mapping.attributes());
    if (!records) return records.error();
    std::vector<directory::Entry> entries;
    entries.reserve(records->size());
    for (const auto& record : *records) entries.push_back(mapping.entry(record));
    if (const auto saved = save(saved_file, entries); !saved) log::warning("{}: {}", module, saved.error().message);
    if (const auto taken = take(std::move(entries)); !taken) return taken.error();
    change_number = *number;
    return true;
  }
};

io::Task<> refresh(std::shared_ptr<Shared> shared, io::Runtime* runtime, Duration interval) {
  bool away = false;
  for (;;) {
    auto work = [shared] { return shared->read(); };
    auto read = co_await io::run_blocking(*runtime, work);
    if (!read && !away)
      log::warning("{}: {}; {}", shared->module, read.error().message,
                   shared->current.get() ? "what was read before is served on" : "there is no address book until it answers");
    else if (read && (away || *read))
      log::info("{}: {} entries", shared->module, shared->current.get()->objects().size());
    away = !read;
    co_await io::sleep_for(interval);
  }
}

class LdapModule final : public directory::Source, public chain::Authenticator {
 public:
  LdapModule(const chain::Environment& environment, const Settings& s) : runtime_(environment.runtime) {
    auto mapping = Mapping::create(s.text("schema"), s.list("attributes"), s.list("kinds"), s.text("mail_domain"));
    if (!mapping) throw std::runtime_error(mapping.error().message);
    shared_ = std::make_shared<Shared>(std::move(*mapping));
    auto& server = shared_->server;
    server.url = s.text("url");
    server.starttls = s.boolean("starttls");
    server.verify = s.boolean("verify");
    server.ca_file = s.text("ca_file");
    server.bind_dn = s.text("bind_dn");
    server.password = Secret(s.text("password"));
    server.base = s.text("base");
    server.filter = s.text("filter").empty() ? shared_->mapping.filter() : s.text("filter");
    server.timeout = s.duration("timeout");
    server.page_size = static_cast<int>(s.number("page_size"));
    server.max_entries = static_cast<std::size_t>(s.number("max_entries"));
    shared_->module = environment.name;
    shared_->list_name = s.text("list_name");
    shared_->saved_file = environment.state_dir + "/" + environment.name + ".saved";
    auto ids = directory::IdTable::open(environment.state_dir + "/" + environment.name + ".ids");
    if (!ids) throw std::runtime_error(ids.error().message);
    shared_->ids = std::move(*ids);
    if (auto saved = load(shared_->saved_file)) {
      if (const auto taken = shared_->take(std::move(*saved)); !taken) log::warning("{}: {}", environment.name, taken.error().message);
    } else if (saved.error().code != Errc::not_found) {
      log::warning("{}: {}", environment.name, saved.error().message);
    }
    io::spawn(environment.runtime.executor(), refresh(shared_, &environment.runtime, s.duration("refresh_interval")));
  }

  std::shared_ptr<const directory::Snapshot> snapshot() override { return shared_->current.get(); }

  io::Task<Status> authenticate(chain::Identity identity) override {
    const auto snapshot = shared_->current.get();
    if (!snapshot) co_return error(Errc::unavailable, "the directory was not read yet");
    const auto found = snapshot->find_address(identity.user);
    if (!found) co_return error(Errc::denied, "{} is not in the directory", identity.user);
    const auto dn = snapshot->object(*found).entry.known_as;
    auto shared = shared_;
    auto work = [shared, dn, identity] { return check_password(shared->server, dn, identity.password); };
    auto outcome = co_await io::run_blocking(runtime_, work);
    co_return outcome;
  }

 private:
  io::Runtime& runtime_;
  std::shared_ptr<Shared> shared_;
};

std::unique_ptr<chain::Component> create(const chain::Environment& environment, const Settings& s) {
  return std::make_unique<LdapModule>(environment, s);
}

const chain::ModuleDescriptor descriptor{
    .type = "ldap",
    .summary = "an address book and a password check from LDAP",
    .settings = settings,
    .on_error = chain::OnError::closed,
    .budget = std::chrono::milliseconds(0),
    .create = create,
};

}  // namespace
}  // namespace mapigate::ldap

MAPIGATE_MODULE(mapigate::ldap::descriptor)
