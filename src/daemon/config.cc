#define TOML_EXCEPTIONS 0
#include "daemon/config.h"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/text.h"
#include "transport/autodiscover.h"

namespace mapigate::daemon {

namespace {

using Type = Setting::Type;

const Setting server_rows[] = {
    {"state_dir", Type::path, "/var/lib/mapigate", "Folder for what must survive a restart; made if missing."},
    {"module_dir", Type::path, MAPIGATE_MODULE_DIR, "Folder that holds the module libraries, mapigate-TYPE.so."},
    {"threads", Type::number, "0", "Event loops; 0 means one a processor.", "0.1", 0, 256},
    {"workers", Type::number, "4", "Threads for work that blocks: database, conversions.", "0.1", 1, 256},
    {"default_domain", Type::text, "", "Domain of users who log on without one."},
    {"log_level", Type::choice, "info", "How much is logged.", "0.1", 0, 0, {"debug", "info", "warning", "error"}},
    {"shutdown_grace", Type::duration, "10s", "How long requests in progress may take to end when the daemon stops.", "0.1", 0, 600'000},
};

const Setting https_rows[] = {
    {"listen", Type::list, "127.0.0.1:8443", "Addresses and ports of the HTTPS listener."},
    {"certificate", Type::path, nullptr, "PEM file with the server's certificate and the chain to its authority."},
    {"private_key", Type::path, nullptr, "PEM file with the certificate's key, readable by the daemon only."},
    {"tls_minimum", Type::choice, "1.2", "Oldest TLS version; 1.0 and 1.1 only for Outlook on Windows 7 and older.", "0.1", 0, 0, {"1.0", "1.1", "1.2", "1.3"}},
    {"external_host", Type::text, nullptr, "Host name under which clients reach this gateway; Autodiscover announces it."},
    {"external_port", Type::number, "443", "Port under which clients reach it.", "0.1", 1, 65535},
    {"max_connections", Type::number, "10000", "Connections at a time; more are closed at once.", "0.1", 1, 1'000'000},
    {"max_header", Type::size, "32KiB", "Longest request head.", "0.1", 1024, 1 << 20},
    {"max_body", Type::size, "1MiB", "Longest request body; Outlook sends at most about 262 KiB.", "0.1", 4096, 1 << 28},
    {"max_bodies", Type::size, "512MiB", "All request bodies in memory together.", "0.1", 1 << 20},
    {"header_limit", Type::duration, "30s", "Time from the first byte of a request to the end of its head.", "0.1", 100, 600'000},
    {"body_limit", Type::duration, "30s", "Time for a body, besides one second a KiB.", "0.1", 100, 600'000},
    {"idle_limit", Type::duration, "15min", "Time a connection may wait for its next request.", "0.1", 1000, 86'400'000},
    {"write_limit", Type::duration, "60s", "Time without progress while an answer is sent.", "0.1", 1000, 600'000},
    {"handshake_limit", Type::duration, "10s", "Time for the TLS handshake.", "0.1", 100, 600'000},
};

const Setting metrics_rows[] = {
    {"listen", Type::list, "", "Addresses and ports that answer /metrics and /healthz in plain HTTP; none by default. For trusted networks only."},
};

const Setting auth_rows[] = {
    {"schemes", Type::list, "basic", "What HTTPS requests may log on by, of basic, ntlm and negotiate. The latter two need accounts in [rpc] or a keytab, and a master_user at the mail server; or pass_to."},
    {"pass_to", Type::text, "", "Module of type relay (transport = \"mapihttp\" or \"rpchttp\", credentials = \"pass-through\") to whose upstream logons by NTLM and Negotiate are passed on, each on a connection of its own; empty: they are decided here."},
    {"keytab", Type::path, "", "Keys of this gateway's Kerberos services (HTTP/HOST, exchangeMDB/HOST, exchangeRFR/HOST, exchangeAB/HOST), for Negotiate and for DCE/RPC."},
    {"realm", Type::text, "", "Kerberos realm whose users are those of default_domain; the users of any other realm are taken for addresses in a domain of its name."},
    {"remember", Type::duration, "5min", "How long a good password is not asked for again at the backend.", "0.1", 0, 86'400'000},
    {"guesses", Type::number, "5", "Wrong passwords that one address may send for one user within the window.", "0.1", 1, 1'000'000},
    {"guesses_per_address", Type::number, "50", "The same for all users together.", "0.1", 1, 1'000'000},
    {"passed_per_address", Type::number, "200", "Logons of one address in progress at a time that pass_to passes on; each takes a connection to the upstream.", "0.1", 1, 1'000'000},
    {"window", Type::duration, "5min", "After this time wrong passwords are forgotten.", "0.1", 1000, 86'400'000},
};

const Setting sessions_rows[] = {
    {"expiration", Type::duration, "15min", "Idle time after which a session ends; clients are told.", "0.1", 1000, 86'400'000},
    {"grace", Type::duration, "1min", "Time by which sessions are kept longer than clients are told.", "0.1", 0, 86'400'000},
    {"max", Type::number, "50000", "Sessions at a time; more are refused.", "0.1", 1, 10'000'000},
    {"max_per_user", Type::number, "64", "Sessions of one user; one more ends the user's longest idle one.", "0.1", 1, 1'000'000},
    {"max_waits", Type::number, "16", "NotificationWaits of one session at a time; more are refused. Clients need one; those whose connections were cut last until that is noticed.", "0.1", 1, 10'000},
    {"pending_period", Type::duration, "30s", "Longest silence while a request is in progress; clients are told.", "0.1", 500, 300'000},
    {"execute_limit", Type::duration, "5min", "Time after which one Execute is given up.", "0.1", 1000, 3'600'000},
};

const Setting rpc_rows[] = {
    {"address", Type::text, "", "Address of the DCE/RPC listeners, for Outlook 2007 to 2013: \"0.0.0.0\" or \"::\" for all; empty: no DCE/RPC."},
    {"epm_port", Type::number, "135", "Port of the endpoint mapper; clients look for it at 135. 0: none.", "0.1", 0, 65535},
    {"emsmdb_port", Type::number, "6001", "Port of the mailbox interfaces. Interfaces with the same port share it.", "0.1", 1, 65535},
    {"nspi_port", Type::number, "6004", "Port of the address book; 0: none.", "0.1", 0, 65535},
    {"rfr_port", Type::number, "6002", "Port of the referral interface; 0: none.", "0.1", 0, 65535},
    {"accounts", Type::path, "", "File of accounts for NTLM, a line each: \"user@domain:\" and the NT hash in hex, or lines of smbpasswd(5)."},
    {"accounts_directory", Type::text, "", "Module that knows NT hashes (of type ldap, with nt_hash), for users who are not in accounts."},
    {"ntlm_helper", Type::list, "", "Program that asks a domain about users who are in neither: [\"/usr/bin/ntlm_auth\", \"--helper-protocol=ntlm-server-1\"] is winbind's."},
    {"nt_domain", Type::text, "MAPIGATE", "Windows name of our domain, which NTLM tells clients. ntlm_helper is asked for its users only."},
    {"protection", Type::choice, "connect", "What a client must at least ask for: a logon, signatures, encryption.", "0.1", 0, 0, {"connect", "integrity", "privacy"}},
    {"max_connections", Type::number, "10000", "Connections at a time; more are closed at once.", "0.1", 1, 1'000'000},
    {"max_calls", Type::number, "32", "Calls in progress on one connection.", "0.1", 1, 10'000},
    {"max_fragment", Type::number, "5840", "Longest fragment of a call, in bytes; clients may ask for less.", "0.1", 2048, 65528},
    {"max_request", Type::size, "4MiB", "Longest request in all its fragments.", "0.1", 1 << 19, 1 << 26},
    {"bind_limit", Type::duration, "30s", "Time for a new connection to say what it wants.", "0.1", 1000, 600'000},
    {"idle_limit", Type::duration, "30min", "Time a connection may be without a call.", "0.1", 1000, 86'400'000},
    {"http", Type::boolean, "false", "Whether DCE/RPC is served over HTTP too (Outlook Anywhere), at /rpc/rpcproxy.dll of the HTTPS listener; needs no address."},
    {"http_max_connections", Type::number, "10000", "Virtual connections over HTTP at a time, of two HTTP connections each; more are refused.", "0.1", 1, 1'000'000},
    {"http_lifetime", Type::size, "1GiB", "How much an OUT channel carries before the client is asked for another.", "0.1", 128 << 10, INT64_C(2) << 30},
    {"http_window", Type::size, "64KiB", "How much a client may send on an IN channel before it hears that it arrived.", "0.1", 8 << 10, 256 << 10},
    {"http_timeout", Type::duration, "2min", "Silence on an IN channel that clients are told to stay under; after twice of it the connection ends.", "0.1", 1000, 14'400'000},
    {"http_keepalive", Type::duration, "1min", "The gateway sends something on every OUT channel within this time; some proxies on the way close silent ones.", "0.1", 1000, 14'400'000},
    {"http_setup_limit", Type::duration, "30s", "Time for the second channel of a connection to come, and for a successor to take over.", "0.1", 1000, 600'000},
};

const Setting autodiscover_rows[] = {
    {"redirects", Type::list, "", "Users whose mailbox is elsewhere, as PATTERN=WHERE: \"*@old.test=@new.test\" asks again for the same name "
     "there, \"bob@x.test=https://mail.x.test/autodiscover/autodiscover.xml\" asks that server. The first that fits counts."},
    {"protocols", Type::list, "", "Which protocols are announced to whom, as PATTERN=KINDS: \"*@example.test=mapiHttp+EXCH\". Kinds are mapiHttp, "
     "EXPR, EXCH and WEB; users without a line are told all that is served and that their Outlook knows."},
    {"shared_mailboxes", Type::boolean, "true", "Tell users of mailboxes to which the directory gives them full access; their Outlook opens these beside "
     "the own one. Modules of type mailbox let them in by their own setting shared_mailboxes."},
    {"http_listen", Type::list, "", "Addresses and ports that answer in plain HTTP, only to send Autodiscover to the HTTPS listener: \":80\"."},
};

const Setting oab_rows[] = {
    {"enabled", Type::boolean, "true", "Make an offline address book of each directory, for Outlook in cached mode, and announce it."},
    {"check_interval", Type::duration, "15min", "How often it is looked whether the directory has changed; then there is a new version.", "0.1", 100, 86'400'000},
    {"patches", Type::number, "30", "How many versions behind a client may be and still download only what has changed.", "0.1", 0, 1000},
};

const Section all_sections[] = {
    {"server", "The daemon as a whole.", server_rows},
    {"https", "Where Outlook connects.", https_rows},
    {"rpc", "DCE/RPC over TCP and over HTTP.", rpc_rows},
    {"autodiscover", "What clients are told about where everything is.", autodiscover_rows},
    {"oab", "Offline address books.", oab_rows},
    {"metrics", "For monitoring.", metrics_rows},
    {"auth", "Passwords.", auth_rows},
    {"sessions", "Session contexts of MAPI over HTTP.", sessions_rows},
};

const Setting module_common[] = {
    {"type", Type::text, nullptr, "Which module library this is an instance of: mapigate-TYPE.so, or \"lua\"."},
};

const Setting chain_settings[] = {
    {"modules", Type::list, nullptr, "Instance names in the order in which requests pass them."},
    {"authenticator", Type::text, "", "Instance that checks passwords; by default the last one of the chain that can."},
};

const Setting route_settings[] = {
    {"user", Type::text, nullptr, "Address pattern, with * for any number of characters: \"*@example.test\"."},
    {"chain", Type::text, nullptr, "The chain of these users. The first route that fits counts."},
};

Result<RawSection> to_raw(const std::string& where, const toml::table& table) {
  RawSection out;
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    if (const auto* text = node.as_string()) out[name] = text->get();
    else if (const auto* number = node.as_integer()) out[name] = number->get();
    else if (const auto* boolean = node.as_boolean()) out[name] = boolean->get();
    else if (const auto* array = node.as_array()) {
      std::vector<std::string> items;
      for (const auto& item : *array) {
        if (!item.is_string()) return error(Errc::malformed, "{}: \"{}\" must be a list of strings", where, name);
        items.push_back(item.as_string()->get());
      }
      out[name] = std::move(items);
    } else {
      return error(Errc::malformed, "{}: \"{}\" has a type that no setting has", where, name);
    }
  }
  return out;
}

const toml::table* table_at(const toml::table& root, std::string_view name) {
  const auto* node = root.get(name);
  return node == nullptr ? nullptr : node->as_table();
}

}  // namespace

std::span<const Section> sections() { return all_sections; }
std::span<const Setting> module_rows() { return module_common; }
std::span<const Setting> chain_rows() { return chain_settings; }
std::span<const Setting> route_rows() { return route_settings; }

namespace {

Status read_modules(Config& config, const toml::table& root) {
  const auto* modules = table_at(root, "modules");
  if (modules == nullptr) return error(Errc::malformed, "{}: no [modules.NAME] section: nothing would answer", config.file);
  for (const auto& [key, node] : *modules) {
    const auto where = fmt::format("{}: [modules.{}]", config.file, key.str());
    if (!node.is_table()) return error(Errc::malformed, "{}: must be a section", where);
    auto raw = to_raw(where, *node.as_table());
    if (!raw) return raw.error();
    RawSection common;
    for (const auto& row : module_common)
      if (auto taken = raw->extract(row.name)) common.insert(std::move(taken));
    auto checked = Settings::check(where, module_common, common, config.folder);
    if (!checked) return checked.error();
    ModuleConfig module{std::string(key.str()), checked->text("type"), std::move(*checked), std::move(*raw)};
    config.modules.push_back(std::move(module));
  }
  return {};
}

bool has_module(const Config& config, std::string_view name) {
  for (const auto& module : config.modules)
    if (module.name == name) return true;
  return false;
}

Status unknown_module(const Config& config, const std::string& where, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& module : config.modules) names.push_back(module.name);
  const auto near = nearest(name, names);
  return error(Errc::malformed, "{}: there is no [modules.{}]{}", where, name, near.empty() ? "" : "; did you mean \"" + near + "\"?");
}

Status check_pass_to(const Config& config) {
  const auto& auth = config.section("auth");
  const auto& name = auth.text("pass_to");
  if (name.empty()) return {};
  const auto where = config.file + ": [auth]";
  if (!has_module(config, name)) return unknown_module(config, where, name);
  const auto& schemes = auth.list("schemes");
  const bool used = std::any_of(schemes.begin(), schemes.end(), [](const std::string& one) { return one != "basic"; });
  if (!used) return error(Errc::malformed, "{}: \"pass_to\" passes on ntlm and negotiate, and \"schemes\" has neither", where);
  return {};
}

Status read_chains(Config& config, const toml::table& root) {
  const auto* chains = table_at(root, "chains");
  if (chains == nullptr) return error(Errc::malformed, "{}: no [chains.NAME] section", config.file);
  for (const auto& [key, node] : *chains) {
    const auto where = fmt::format("{}: [chains.{}]", config.file, key.str());
    if (!node.is_table()) return error(Errc::malformed, "{}: must be a section", where);
    auto raw = to_raw(where, *node.as_table());
    if (!raw) return raw.error();
    auto checked = Settings::check(where, chain_settings, *raw, config.folder);
    if (!checked) return checked.error();
    for (const auto& name : checked->list("modules"))
      if (!has_module(config, name)) return unknown_module(config, where, name);
    if (const auto& name = checked->text("authenticator"); !name.empty() && !has_module(config, name))
      return unknown_module(config, where, name);
    config.chains.emplace(key.str(), std::move(*checked));
  }
  return {};
}

Status read_routes(Config& config, const toml::table& root) {
  const auto* node = root.get("routes");
  const auto* routes = node == nullptr ? nullptr : node->as_array();
  if (routes == nullptr || routes->empty()) return error(Errc::malformed, "{}: no [[routes]]: no user would reach a chain", config.file);
  for (const auto& one : *routes) {
    const auto where = fmt::format("{}: [[routes]] number {}", config.file, config.routes.size() + 1);
    if (!one.is_table()) return error(Errc::malformed, "{}: must be a section", where);
    auto raw = to_raw(where, *one.as_table());
    if (!raw) return raw.error();
    auto checked = Settings::check(where, route_settings, *raw, config.folder);
    if (!checked) return checked.error();
    if (!config.chains.contains(checked->text("chain")))
      return error(Errc::malformed, "{}: there is no [chains.{}]", where, checked->text("chain"));
    config.routes.push_back(std::move(*checked));
  }
  return {};
}

}  // namespace

Result<Config> read_config(const std::string& file) {
  Config config;
  config.file = file;
  std::error_code problem;
  const auto absolute = std::filesystem::absolute(file, problem);
  config.folder = absolute.parent_path().string();
  if (!std::filesystem::is_regular_file(absolute, problem))
    return error(Errc::not_found, "{}: no such file; write one after conf/mapigate.toml", file);
  const auto parsed = toml::parse_file(file);
  if (!parsed) {
    const auto& at = parsed.error().source().begin;
    return error(Errc::malformed, "{}:{}:{}: {}", file, at.line, at.column, parsed.error().description());
  }
  const auto& root = parsed.table();
  std::vector<std::string> known{"modules", "chains", "routes"};
  for (const auto& section : all_sections) known.emplace_back(section.name);
  for (const auto& [key, node] : root) {
    if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
    const auto near = nearest(key.str(), known);
    return error(Errc::malformed, "{}: unknown section [{}]{}", file, key.str(), near.empty() ? "" : "; did you mean [" + near + "]?");
  }
  for (const auto& section : all_sections) {
    const auto where = fmt::format("{}: [{}]", file, section.name);
    const auto* table = table_at(root, section.name);
    if (table == nullptr && root.contains(section.name)) return error(Errc::malformed, "{}: must be a section", where);
    auto raw = table == nullptr ? Result<RawSection>(RawSection()) : to_raw(where, *table);
    if (!raw) return raw.error();
    auto checked = Settings::check(where, section.rows, *raw, config.folder);
    if (!checked) return checked.error();
    config.fixed.emplace(section.name, std::move(*checked));
  }
  for (const auto& scheme : config.section("auth").list("schemes"))
    if (scheme != "basic" && scheme != "ntlm" && scheme != "negotiate")
      return error(Errc::malformed, "{}: [auth]: \"schemes\" knows basic, ntlm and negotiate, not \"{}\"", file, scheme);
  if (auto read = read_modules(config, root); !read) return read.error();
  if (auto checked = check_pass_to(config); !checked) return checked.error();
  if (auto read = read_chains(config, root); !read) return read.error();
  if (auto read = read_routes(config, root); !read) return read.error();
  return config;
}

Status check_rules(const Config& config) {
  for (const char* name : {"redirects", "protocols"})
    for (const auto& line : config.section("autodiscover").list(name)) {
      if (line.empty()) continue;
      if (const auto rule = transport::parse_address_rule(line); !rule)
        return error(Errc::malformed, "{}: [autodiscover]: {}: {}", config.file, name, rule.error().message);
    }
  return {};
}

Result<ListenAddress> parse_listen(const std::string& text) {
  const auto colon = text.rfind(':');
  unsigned port = 0;
  if (colon != std::string::npos) {
    const auto* end = text.data() + text.size();
    const auto [stop, problem] = std::from_chars(text.data() + colon + 1, end, port);
    if (problem == std::errc{} && stop == end && port <= 65535) {
      auto address = text.substr(0, colon);
      if (address.size() > 1 && address.front() == '[' && address.back() == ']') address = address.substr(1, address.size() - 2);
      if (address.empty()) address = "::";
      return ListenAddress{address, static_cast<std::uint16_t>(port)};
    }
  }
  return error(Errc::malformed, "\"{}\" is no address with a port, like \"127.0.0.1:8443\"", text);
}

}  // namespace mapigate::daemon
