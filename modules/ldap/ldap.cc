// The module of type `ldap`: an address book out of LDAP, and a password check by binding. See README.md.
#include <algorithm>
#include <stdexcept>

#include "base/text.h"
#include "directory/nt_hashes.h"
#include "io/runtime.h"
#include "reader.h"

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
     .choices = {"inetorgperson", "posix", "samba", "ad", "obm"}},
    {.name = "filter", .type = text, .default_value = "", .help = "LDAP filter instead of the one of the schema."},
    {.name = "attributes", .type = list, .default_value = "", .help = "Other attributes than those of the schema, as OURS=LDAP, or "
     "OURS=FIRST,SECOND in an element of its own, or OURS= for none."},
    {.name = "kinds", .type = list,
     .default_value = "groupOfNames=group,groupOfUniqueNames=group,posixGroup=group,sambaGroupMapping=group,room=room,device=equipment",
     .help = "Which object class makes an entry what, as OBJECTCLASS=KIND, or which value of an attribute, as ATTRIBUTE:VALUE=KIND."},
    {.name = "mail_domain", .type = text, .default_value = "", .help = "Accounts without address get ACCOUNT@ this domain."},
    {.name = "list_name", .type = text, .default_value = "Global Address List", .help = "What clients call the list of everybody."},
    {.name = "refresh_interval", .type = duration, .default_value = "1min",
     .help = "How often servers that do not tell changes are asked for them, and how soon one that is away is tried again. "
     "Servers without contextCSN are read as a whole each time.",
     .minimum = 200, .maximum = 86'400'000},
    {.name = "follow", .type = boolean, .default_value = "true",
     .help = "Let servers that can (RFC 4533, OpenLDAP's overlay syncprov) tell changes as they happen."},
    {.name = "writable", .type = list, .default_value = "", .help = "What clients may change, in our names: of one's own entry e.g. phone, "
     "certificates, delegates; members of groups that one owns. bind_dn needs the right to write it."},
    {.name = "nt_hash", .type = text, .default_value = "sambaNTPassword",
     .help = "Attribute with the hash that NTLM needs, for [rpc] accounts_directory. bind_dn needs the right to read it, and the connection TLS."},
    {.name = "timeout", .type = duration, .default_value = "30s", .help = "How long one answer of the server may take.",
     .minimum = 100, .maximum = 600'000},
    {.name = "page_size", .type = number, .default_value = "500", .help = "Entries asked for at once.", .minimum = 1, .maximum = 10'000},
    {.name = "max_entries", .type = number, .default_value = "200000", .help = "A directory with more is not taken over.",
     .minimum = 1, .maximum = 5'000'000},
};

// sambaAcctFlags is "[UX         ]": D disabled, L locked.
Result<directory::NtHash> nt_hash_of(const std::vector<Record>& records, const std::string& dn, const std::string& attribute) {
  const auto value_of = [](const Record& record, std::string_view name) {
    const auto found = record.values.find(lower_ascii(name));
    return found == record.values.end() || found->second.empty() ? std::string() : found->second.front();
  };
  const auto record = std::find_if(records.begin(), records.end(), [&](const Record& one) { return canonical_dn(one.dn) == dn; });
  const auto text = record == records.end() ? std::string() : value_of(*record, attribute);
  if (text.empty()) return error(Errc::not_found, "{} has no {}", dn, attribute);
  if (value_of(*record, "sambaAcctFlags").find_first_of("DL") != std::string::npos) return error(Errc::denied, "{} is disabled or locked", dn);
  Bytes raw;
  directory::NtHash out{};
  if (!from_hex(lower_ascii(trim(text)), raw) || raw.size() != out.size()) return error(Errc::not_found, "{}: {} is no NT hash", dn, attribute);
  std::copy(raw.begin(), raw.end(), out.begin());
  return out;
}

class LdapModule final : public directory::Source, public directory::NtHashes, public chain::Authenticator {
 public:
  LdapModule(const chain::Environment& environment, const Settings& s) : runtime_(environment.runtime), writable_(s.list("writable")), nt_hash_(s.text("nt_hash")) {
    auto mapping = Mapping::create(s.text("schema"), s.list("attributes"), s.list("kinds"), s.text("mail_domain"));
    if (!mapping) throw std::runtime_error(mapping.error().message);
    for (const auto& name : writable_)
      if (!name.empty() && mapping->attribute_of(name).empty())
        throw std::runtime_error(fmt::format("writable: \"{}\" is no attribute that comes from LDAP", name));
    ReaderOptions options;
    auto& server = options.server;
    server.url = s.text("url");
    server.starttls = s.boolean("starttls");
    server.verify = s.boolean("verify");
    server.ca_file = s.text("ca_file");
    server.bind_dn = s.text("bind_dn");
    server.password = Secret(s.text("password"));
    server.base = s.text("base");
    server.filter = s.text("filter").empty() ? mapping->filter() : s.text("filter");
    server.timeout = s.duration("timeout");
    server.page_size = static_cast<int>(s.number("page_size"));
    server.max_entries = static_cast<std::size_t>(s.number("max_entries"));
    options.module = environment.name;
    options.list_name = s.text("list_name");
    options.saved_file = environment.state_dir + "/" + environment.name + ".saved";
    options.interval = s.duration("refresh_interval");
    options.follow = s.boolean("follow");
    options.settings = fmt::format("{}|{}|{}|{}|{}|{}|{}", server.url, server.base, server.filter, s.text("schema"),
                                   fmt::join(s.list("attributes"), ";"), fmt::join(s.list("kinds"), ";"), s.text("mail_domain"));
    auto ids = directory::IdTable::open(environment.state_dir + "/" + environment.name + ".ids");
    if (!ids) throw std::runtime_error(ids.error().message);
    reader_ = std::make_shared<Reader>(std::move(options), std::move(*mapping), std::move(*ids));
    reader_->start();
  }

  std::shared_ptr<const directory::Snapshot> snapshot() override { return reader_->snapshot(); }

  Status change(const directory::Entry& entry, const std::vector<directory::Change>& changes) override {
    std::vector<Modification> wanted;
    for (const auto& change : changes) {
      if (std::find(writable_.begin(), writable_.end(), change.attribute) == writable_.end())
        return error(Errc::denied, "\"{}\" may not be changed", change.attribute);
      using From = directory::Change::How;
      using To = Modification::How;
      wanted.push_back({change.how == From::add ? To::add : change.how == From::remove ? To::remove : To::replace,
                        reader_->mapping().attribute_of(change.attribute), change.values});
    }
    auto client = Client::connect(reader_->server());
    if (!client) return client.error();
    return (*client)->modify(entry.known_as, wanted);
  }

  Result<directory::NtHash> nt_hash(const std::string& user) override {
    const auto snapshot = reader_->snapshot();
    if (!snapshot) return error(Errc::unavailable, "the directory was not read yet");
    const auto found = snapshot->find_address(user);
    if (!found) return error(Errc::not_found, "{} is not in the directory", user);
    // Not kept: it is as good as a password, and changes with it.
    auto server = reader_->server();
    server.base = snapshot->object(*found).entry.known_as;
    server.filter = "(objectClass=*)";
    auto client = Client::connect(server);
    if (!client) return client.error();
    const auto records = (*client)->read({nt_hash_, "sambaAcctFlags"});
    if (!records) return records.error();
    return nt_hash_of(*records, server.base, nt_hash_);
  }

  io::Task<Status> authenticate(chain::Identity identity) override {
    const auto snapshot = reader_->snapshot();
    if (!snapshot) co_return error(Errc::unavailable, "the directory was not read yet");
    const auto found = snapshot->find_address(identity.user);
    if (!found) co_return error(Errc::denied, "{} is not in the directory", identity.user);
    const auto dn = snapshot->object(*found).entry.known_as;
    auto reader = reader_;
    auto work = [reader, dn, identity] { return check_password(reader->server(), dn, identity.password); };
    auto outcome = co_await io::run_blocking(runtime_, work);
    co_return outcome;
  }

 private:
  io::Runtime& runtime_;
  const std::vector<std::string> writable_;
  const std::string nt_hash_;
  std::shared_ptr<Reader> reader_;
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
