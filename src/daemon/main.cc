// The command line of mapigate. Each subcommand is a function of its own; here
// stand only their options and help.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/version.h"
#include "daemon/check_dns.h"
#include "daemon/client.h"
#include "daemon/commands.h"
#include "daemon/dump.h"

namespace mapigate::daemon {

namespace {

constexpr int usage_error = 2;
using Encoding = DumpOptions::Encoding;
using Command = ClientOptions::Command;

struct Arguments {
  std::string config_file;
  bool check_json = false;
  DnsCheck dns;
  std::string reference_format = "toml";
  std::string module_dir = MAPIGATE_MODULE_DIR;
  ClientOptions client;
  DumpOptions dump;
  StateOptions state;
};

void add_daemon_commands(CLI::App& app, Arguments& to) {
  auto* serve = app.add_subcommand("serve", "Run the gateway until it gets SIGTERM or SIGINT; SIGHUP reads the config again");
  serve->add_option("-c,--config", to.config_file, "The config file (TOML)")->required()->type_name("FILE");
  auto* check = app.add_subcommand("check", "Say what a config means, or what is wrong with it");
  check->add_option("-c,--config", to.config_file, "The config file (TOML)")->required()->type_name("FILE");
  check->add_flag("--json", to.check_json, "One JSON document on standard output");
  auto* dns = check->add_option("--dns", to.dns.domain, "Say instead which DNS records this mail domain needs for Outlook to find the gateway, and which names the certificate must hold")->type_name("DOMAIN");
  check->add_flag("--ask", to.dns.ask, "With --dns: look whether the records are there; status 1 when clients would not get here")->needs(dns);
  check->add_option("--resolver", to.dns.resolver, "With --ask: the DNS server to ask, ADDRESS[:PORT]; default: the system's")->needs(dns)->type_name("SERVER");
  auto* reference = app.add_subcommand("reference", "Print every setting with its default");
  reference->add_option("--format", to.reference_format, "toml: a commented config; man: a section of the manual; coverage: what is decoded, as JSON")
      ->check(CLI::IsMember({"toml", "man", "coverage"}))->type_name("FORMAT")->capture_default_str();
  reference->add_option("--module-dir", to.module_dir, "Folder of the module libraries")->type_name("DIR")->capture_default_str();
}

CLI::App* client_part(CLI::App* client, const char* name, const char* help, Command command, ClientOptions& to) {
  auto* part = client->add_subcommand(name, help);
  part->fallthrough();
  part->callback([&to, command] { to.command = command; });
  return part;
}

void add_state_command(CLI::App& app, StateOptions& to) {
  auto* state = app.add_subcommand("state", "Look after the state store: ids, change numbers, and what no backend can hold");
  state->require_subcommand(1);
  const auto part = [&](const char* name, const char* help) {
    auto* made = state->add_subcommand(name, help);
    made->add_option("-c,--config", to.config_file, "The config file (TOML)")->required()->type_name("FILE");
    made->callback([&to, name] { to.what = name; });
    return made;
  };
  part("backup", "Copy it into a new folder, while the daemon runs")->add_option("folder", to.target, "Where to; is made")->required()->type_name("FOLDER");
  part("check", "Look for damage");
  part("repair", "Save what damaged files still hold; the daemon must not run")
      ->add_option("--user", to.user, "Only this user's")->type_name("ADDRESS");
  part("reindex", "Have a user's folders read anew from the backends when the mailbox is opened next; ids stay")
      ->add_option("--user", to.user, "Whose")->required()->type_name("ADDRESS");
}

void add_client_command(CLI::App& app, ClientOptions& to) {
  auto* client = app.add_subcommand("client", "Read and write a mailbox, or read the address book, as Outlook does: over MAPI/HTTP or DCE/RPC");
  client->require_subcommand(1);
  client->add_option("--user", to.user, "E-mail address to log on with")->required()->type_name("ADDRESS");
  client->add_option("--password-file", to.password_file, "File whose first line is the password; else $MAPIGATE_PASSWORD, else the terminal is asked")->type_name("FILE");
  client->add_option("--server", to.server, "Where Autodiscover is asked, https://HOST[:PORT]; default: the domain of the address")->type_name("URL");
  client->add_option("--resolver", to.resolver, "DNS server that is asked for the service record of Autodiscover, ADDRESS[:PORT]; default: the system's")->type_name("SERVER");
  client->add_option("--transport", to.transport, "mapihttp: MAPI over HTTP; rpctcp: DCE/RPC over TCP; rpchttp: DCE/RPC over HTTP")
      ->check(CLI::IsMember({"mapihttp", "rpctcp", "rpchttp"}))->type_name("NAME")->capture_default_str();
  client->add_option("--auth", to.auth, "basic, ntlm or negotiate over HTTP (default: basic); ntlm, negotiate, kerberos or none over DCE/RPC (default: ntlm)")
      ->check(CLI::IsMember({"basic", "ntlm", "kerberos", "negotiate", "none"}))->type_name("NAME");
  client->add_option("--protection", to.protection, "Of DCE/RPC calls: connect (none), packet and integrity (signed), privacy (encrypted)")
      ->check(CLI::IsMember({"connect", "packet", "integrity", "privacy"}))->type_name("LEVEL")->capture_default_str();
  client->add_option("--http-auth", to.http_auth, "How the proxy of rpchttp is logged on to")
      ->check(CLI::IsMember({"basic", "ntlm", "negotiate"}))->type_name("NAME")->capture_default_str();
  client->add_flag("--delegate", to.delegate, "Forward the Kerberos ticket, so that a relay can go on in the user's name");
  client->add_option("--rpc-proxy", to.rpc_proxy, "The proxy of rpchttp, https://HOST[:PORT]; default: what Autodiscover says")->type_name("URL");
  client->add_option("--rpc-server", to.rpc_server, "Host of DCE/RPC; without --server, Autodiscover is not asked")->type_name("HOST");
  client->add_option("--epm-port", to.epm_port, "Port of the endpoint mapper")->type_name("PORT")->capture_default_str();
  client->add_option("--rpc-port", to.rpc_port, "Port of the mailbox (EMSMDB); default: what the endpoint mapper says")->type_name("PORT");
  client->add_option("--nspi-port", to.nspi_port, "Port of the address book (NSPI); the same")->type_name("PORT");
  client->add_option("--rfr-port", to.rfr_port, "Port of the referral service (RFR); the same")->type_name("PORT");
  client->add_option("--user-dn", to.user_dn, "The mailbox's legacy DN, where neither Autodiscover nor the address book knows it")->type_name("DN");
  auto* ca_file = client->add_option("--ca-file", to.ca_file, "PEM file of the authority that signed the server's certificate; default: the system's")->type_name("FILE");
  client->add_flag("--insecure", to.insecure, "Check no certificate. For tests only")->excludes(ca_file);
  client->add_flag("--json", to.json, "One JSON document on standard output");
  client->add_flag("--trace", to.trace, "Show all ROPs, decoded, on standard error");
  client->add_flag("--quiet", to.quiet, "No progress and no remarks on standard error");
  client->add_flag("--progress", to.progress, "Progress also where standard error is no terminal");

  client_part(client, "folders", "The folders with their message counts", Command::folders, to);
  auto* ls = client_part(client, "ls", "The messages of a folder, newest first", Command::ls, to);
  ls->add_option("folder", to.folder, "Path (\"Inbox\", \"Projects/2024\") or id (\"1-2a\")")->required()->type_name("FOLDER");
  ls->add_option("--limit", to.limit, "At most so many")->type_name("N");
  auto* show = client_part(client, "show", "One message", Command::show, to);
  show->add_option("message", to.message, "As ls prints it (\"1-2a/1-3f\")")->required()->type_name("MESSAGE");
  show->add_option("--folder", to.folder, "Its folder, where MESSAGE is only the last part")->type_name("FOLDER");
  auto* html = show->add_flag("--html", to.html, "The HTML body; with --json beside the text");
  auto* rtf = show->add_flag("--rtf", to.rtf, "The RTF body, decompressed; with --json beside the text");
  auto* headers = show->add_flag("--headers", to.headers, "The headers with which it came by mail; with --json beside the text");
  html->excludes(rtf)->excludes(headers);
  rtf->excludes(headers);
  auto* attachments = client_part(client, "attachments", "List the attachments of a message, or save them", Command::attachments, to);
  attachments->add_option("message", to.message, "As ls prints it")->required()->type_name("MESSAGE");
  attachments->add_option("--folder", to.folder, "Its folder, where MESSAGE is only the last part")->type_name("FOLDER");
  attachments->add_option("--save", to.save, "Save them here, under names that are free; nothing is overwritten. Messages inside the message are listed only")->type_name("DIR");
  auto* search = client_part(client, "search", "Messages with a text in subject, sender or addressees", Command::search, to);
  search->add_option("folder", to.folder, "Path or id")->required()->type_name("FOLDER");
  search->add_option("text", to.text, "Any case")->required()->type_name("TEXT");
  search->add_option("--limit", to.limit, "At most so many")->type_name("N");
  auto* send = client_part(client, "send", "Send a message", Command::send, to);
  send->add_option("--to", to.to, "Address; may be given more than once")->required()->type_name("ADDRESS");
  send->add_option("--cc", to.cc, "Address of a copy")->type_name("ADDRESS");
  send->add_option("--bcc", to.bcc, "Address of a copy that nobody sees")->type_name("ADDRESS");
  send->add_option("--subject", to.subject, "Its subject")->type_name("TEXT");
  auto* text = send->add_option("--text", to.text, "Its text")->type_name("TEXT");
  send->add_option("--text-file", to.body_file, "File with its text; - is standard input")->type_name("FILE")->excludes(text);
  send->add_option("--attach", to.attach, "File to attach; may be given more than once")->type_name("FILE");
  auto* mkdir = client_part(client, "mkdir", "Make a folder", Command::mkdir, to);
  mkdir->add_option("folder", to.folder, "Its path (\"Projects/2024\")")->required()->type_name("FOLDER");
  auto* mv = client_part(client, "mv", "Move messages to another folder", Command::mv, to);
  mv->add_option("messages", to.messages, "As ls prints them")->required()->type_name("MESSAGE");
  mv->add_option("--to", to.target, "Path or id of the folder")->required()->type_name("FOLDER");
  mv->add_flag("--copy", to.copy, "Leave them where they are, too");
  auto* rm = client_part(client, "rm", "Delete messages; those of mail can be recovered for a while", Command::rm, to);
  rm->add_option("messages", to.messages, "As ls prints them")->required()->type_name("MESSAGE");
  auto* flag = client_part(client, "flag", "Mark messages", Command::flag, to);
  flag->add_option("mark", to.mark, "How")->required()->check(CLI::IsMember({"read", "unread", "flagged", "unflagged"}))->type_name("MARK");
  flag->add_option("messages", to.messages, "As ls prints them")->required()->type_name("MESSAGE");
  auto* watch = client_part(client, "watch", "Say what happens in the mailbox, as it happens, until Ctrl-C; with --json one object a line", Command::watch, to);
  watch->add_option("folder", to.folder, "Only in this one: path or id")->type_name("FOLDER");
  watch->add_option("--count", to.limit, "End after so many events")->type_name("N");
  auto* gal = client_part(client, "gal", "The address book: everybody, or one container of it", Command::gal, to);
  gal->add_option("--container", to.container, "Only this one, by name")->type_name("NAME");
  gal->add_flag("--containers", to.containers, "List the containers instead");
  gal->add_option("--limit", to.limit, "At most so many")->type_name("N");
  auto* resolve = client_part(client, "resolve", "Who the address book takes names for, as Outlook asks it", Command::resolve, to);
  resolve->add_option("names", to.names, "Parts of names, addresses, accounts")->required()->type_name("NAME");
  add_web_commands(client, to);
  auto* oab = client_part(client, "oab", "The offline address book: downloaded, unpacked, listed", Command::oab, to);
  oab->add_option("--save", to.save, "Keep manifest, download and unpacked file here")->type_name("DIR");
  client_part(client, "autodiscover", "Where Autodiscover says the mailbox is", Command::autodiscover, to);
  client->footer(
      "Examples:\n"
      "  mapigate client --user alice@example.org folders\n"
      "  mapigate client --user alice@example.org --server https://gateway:8443 --ca-file ca.pem ls Inbox --limit 20\n"
      "  mapigate client --user alice@example.org show 1-2a/1-3f --headers\n"
      "  mapigate client --user alice@example.org attachments 1-2a/1-3f --save attachments\n"
      "  mapigate client --user alice@example.org send --to bob@example.org --subject Hello --text 'See you.' --attach plan.pdf\n"
      "  mapigate client --user alice@example.org --json watch | jq -r 'select(.event == \"new_mail\").subject'\n"
      "  mapigate client --user alice@example.org oof set --state enabled --internal 'Back on Monday.'\n"
      "  mapigate client --user alice@example.org freebusy bob@example.org 2024-03-04 2024-03-09\n"
      "  mapigate client --user alice@example.org resolve bob staff@example.org\n"
      "  mapigate client --user alice@example.org --transport rpctcp --auth ntlm folders\n"
      "  mapigate client --user alice@example.org --json search Inbox invoice | jq -r '.[].subject'");
}

void add_dump_options(CLI::App* part, DumpOptions& to, DumpOptions::Kind kind) {
  auto* hex = part->add_flag_callback("--hex", [&to] { to.encoding = Encoding::hex; }, "The input is hex digits");
  part->add_flag_callback("--base64", [&to] { to.encoding = Encoding::base64; }, "The input is base64")->excludes(hex);
  part->add_flag("--json", to.json, "One JSON document on standard output");
  part->add_option("file", to.file, "The input; - is standard input")->type_name("FILE");
  if (kind != DumpOptions::Kind::body) part->callback([&to, kind] { to.kind = kind; });
  if (kind == DumpOptions::Kind::lz77) return;
  part->add_flag("--full", to.full, "Binary values whole, not their first 64 bytes");
  if (kind == DumpOptions::Kind::fasttransfer) return;
  auto* request = part->add_flag_callback("--request", [&to] { to.is_request = true; }, "The input is a request (default)");
  part->add_flag_callback("--reply", [&to] { to.is_request = false; }, "The input is a reply")->excludes(request);
  part->add_option("--with-request", to.paired_request, "The request that the reply answers: without it some replies stay bytes")->type_name("FILE");
  part->add_option("--columns", to.columns, "Columns of the table whose rows the reply holds, comma-separated: PidTagMid,PidTagSubject,0x0e070003")->delimiter(',')->type_name("PROPERTIES");
}

void add_dump_command(CLI::App& app, DumpOptions& to) {
  using wire::mapihttp::Endpoint;
  auto* dump = app.add_subcommand("dump", "Take captured protocol data apart; the default is a body of MAPI over HTTP");
  add_dump_options(dump, to, DumpOptions::Kind::body);
  static const std::map<std::string, Endpoint> endpoints{{"emsmdb", Endpoint::mailbox}, {"nspi", Endpoint::address_book}};
  static const std::map<std::string, DumpOptions::Kind> kinds{{"body", DumpOptions::Kind::body}, {"rops", DumpOptions::Kind::rops},
                                                              {"rpc-ext", DumpOptions::Kind::rpc_ext},
                                                              {"fasttransfer", DumpOptions::Kind::fasttransfer},
                                                              {"lz77", DumpOptions::Kind::lz77},
                                                              {"pcap", DumpOptions::Kind::pcap},
                                                              {"stub", DumpOptions::Kind::stub}};
  dump->add_option_function<std::string>("--kind", [&to](const std::string& name) {
    const auto capture = kinds.find(name);
    to.kind = capture == kinds.end() ? DumpOptions::Kind::object : capture->second;
    to.object = name;
  }, "What the input is: body, rops, rpc-ext, fasttransfer, lz77, pcap (captured plain DCE/RPC), stub (parameters of a call of DCE/RPC), or one of the kinds below")->type_name("KIND");
  dump->add_option("--method", to.method, "stub: the method it belongs to: EcDoConnectEx, EcDoRpcExt2, EcDoAsyncWaitEx, RfrGetNewDSA, NspiQueryRows, epm_Map …")->type_name("METHOD");
  constexpr const char* size_help = "lz77: bytes that come out (SizeActual); the stream does not say";
  dump->add_option("--size", to.size, size_help)->type_name("N")->check(CLI::Range(0, 1 << 24));
  dump->add_option_function<std::string>("--type", [&to](const std::string& name) { to.endpoint = endpoints.at(name); },
                                         "Endpoint: emsmdb (mailbox, default) or nspi (address book)")
      ->check(CLI::IsMember({"emsmdb", "nspi"}))->type_name("ENDPOINT");
  dump->add_option("--request-type", to.request_type, "X-RequestType of the request")->type_name("TYPE")->capture_default_str();
  auto* rops = dump->add_subcommand("rops", "A ROP buffer without RPC_HEADER_EXT");
  add_dump_options(rops, to, DumpOptions::Kind::rops);
  auto* rpc_ext = dump->add_subcommand("rpc-ext", "A chain of RPC_HEADER_EXT buffers");
  add_dump_options(rpc_ext, to, DumpOptions::Kind::rpc_ext);
  auto* lz77 = dump->add_subcommand("lz77", "A plain LZ77 stream");
  add_dump_options(lz77, to, DumpOptions::Kind::lz77);
  lz77->add_option("--size", to.size, size_help)->required()->type_name("N")->check(CLI::Range(0, 1 << 24));
  auto* fasttransfer = dump->add_subcommand("fasttransfer", "A FastTransfer stream: the transfer buffers of a download or upload, one behind the other");
  add_dump_options(fasttransfer, to, DumpOptions::Kind::fasttransfer);
  dump->footer(
      "Values of properties and files, for --kind:\n" + object_kinds() +
      "What cannot be understood is shown as hex behind what could, and named; the exit status is then 1.\n"
      "Examples:\n"
      "  mapigate dump --request body.bin\n"
      "  mapigate dump --reply --with-request request.bin reply.bin\n"
      "  mapigate dump --type nspi --reply --request-type QueryRows reply.bin\n"
      "  mapigate dump --kind recurrence --hex recurrence.txt\n"
      "  mapigate dump --kind msg --json meeting.msg\n"
      "  mapigate dump --kind pcap outlook.pcapng\n"
      "  mapigate dump --kind stub --method EcDoConnectEx --reply --json stub.bin\n"
      "  echo 0700... | mapigate dump rops --hex -");
}

int run(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("mapigate answers Outlook as Exchange does, over IMAP and other open servers or over a real Exchange.", "mapigate");
  app.set_version_flag("--version", "mapigate " MAPIGATE_VERSION);
  app.set_help_all_flag("--help-all", "Help of all subcommands");
  app.require_subcommand(1);
  app.failure_message([](const CLI::App* which, const CLI::Error& error) {
    const auto* told = which;
    while (!told->get_subcommands().empty()) told = told->get_subcommands().front();
    std::string name = told->get_name();
    for (const auto* above = told->get_parent(); above != nullptr; above = above->get_parent()) name = above->get_name() + " " + name;
    return fmt::format("{}: {}\n`{} --help` lists what there is.\n", name, error.what(), name);
  });
  add_daemon_commands(app, arguments);
  add_state_command(app, arguments.state);
  add_client_command(app, arguments.client);
  add_dump_command(app, arguments.dump);
  app.footer(
      "Examples:\n"
      "  mapigate check -c /etc/mapigate/mapigate.toml\n"
      "  mapigate check -c /etc/mapigate/mapigate.toml --dns example.org --ask\n"
      "  mapigate serve -c /etc/mapigate/mapigate.toml\n"
      "  mapigate client --user alice@example.org folders\n"
      "  mapigate dump --request body.bin\n"
      "  mapigate reference > mapigate.reference.toml\n"
      "`mapigate SUBCOMMAND --help` tells more. The exit status is 0 only on success, and 2 when the\n"
      "command line is wrong.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : usage_error;
  }
  if (app.got_subcommand("serve")) return serve_command(arguments.config_file);
  if (app.got_subcommand("check") && !arguments.dns.domain.empty())
    return check_dns_command(arguments.config_file, arguments.dns, arguments.check_json);
  if (app.got_subcommand("check")) return check_command(arguments.config_file, arguments.check_json);
  if (app.got_subcommand("reference") && arguments.reference_format == "coverage") return coverage_command();
  if (app.got_subcommand("reference")) return reference_command(arguments.reference_format, arguments.module_dir);
  if (app.got_subcommand("state")) return state_command(arguments.state);
  if (app.got_subcommand("client")) return client_command(arguments.client);
  return dump_command(arguments.dump);
}

}  // namespace

}  // namespace mapigate::daemon

int main(int argc, char** argv) {
  try {
    return mapigate::daemon::run(argc, argv);
  } catch (const std::exception& bug) {
    fmt::print(stderr, "mapigate: internal error: {}\n", bug.what());
    return 1;
  }
}
