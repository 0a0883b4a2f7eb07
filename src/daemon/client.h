// `mapigate client`: a MAPI client for people and scripts, over upstream::MailboxClient.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "daemon/client_web.h"
#include "mapi/ids.h"

namespace mapigate::daemon {

struct ClientOptions {
  enum class Command : std::uint8_t {
    folders, ls, show, attachments, search, send, mkdir, mv, rm, flag, watch, autodiscover, gal, resolve, oab, oof, freebusy
  };
  Command command = Command::folders;

  std::string user;           // e-mail address
  std::string password_file;  // its first line; else $MAPIGATE_PASSWORD, else the terminal is asked
  std::string server;         // "https://host:port"; empty: found through the address's domain
  std::string resolver;       // the DNS server that is asked for service records; empty: the system's
  std::string transport = "mapihttp";  // or rpctcp, rpchttp
  std::string auth;           // empty: basic over HTTP, ntlm over DCE/RPC
  std::string protection = "privacy";  // of DCE/RPC: connect, integrity, privacy
  std::string http_auth = "basic";     // of rpchttp at the proxy: basic, ntlm, negotiate
  bool delegate = false;      // forwards the ticket
  std::string rpc_proxy;      // "https://host:port"; empty: what Autodiscover says
  std::string rpc_server;     // host of DCE/RPC; empty: what Autodiscover says
  std::uint16_t epm_port = 135, rpc_port = 0, nspi_port = 0, rfr_port = 0;  // 0: the endpoint mapper is asked
  std::string user_dn;        // empty: what Autodiscover or the address book says
  std::string ca_file;
  bool insecure = false;      // no certificate is checked
  bool json = false;
  bool trace = false;         // decoded ROPs on stderr
  bool quiet = false;         // no progress, no remarks
  bool progress = false;      // progress also where stderr is no terminal

  std::string folder;         // path or id
  std::string message;        // "FOLDERID/MESSAGEID", or "MESSAGEID" beside `folder`
  std::string text;           // what search looks for
  std::size_t limit = 0;      // messages, events of watch; 0 is all
  bool html = false, rtf = false, headers = false;
  std::string save;           // folder for attachments; empty: list only

  std::vector<std::string> to, cc, bcc;  // send: addresses
  std::string subject;
  std::string body_file;      // file with the text; empty: `text`; "-": standard input
  std::vector<std::string> attach;       // files
  std::vector<std::string> messages;     // mv, rm, flag: as `ls` prints them
  std::string target;         // mv: folder
  bool copy = false;
  std::string mark;           // flag: read, unread, flagged, unflagged
  std::string container;      // of the address book, by name; empty: everybody
  bool containers = false;    // list those instead
  std::vector<std::string> names;  // to resolve
  WebOptions web;
};

int client_command(const ClientOptions& options);

// "1-2a", as mapi::to_string(Id) writes it.
std::optional<mapi::Id> parse_id(std::string_view text);
// "1-2a/1-3f"
struct MessageName {
  mapi::Id folder, message;
};
std::optional<MessageName> parse_message_name(std::string_view text);
std::string to_string(const MessageName& name);

// From a file, the environment or the terminal, in this order; taken out of the environment.
Result<Secret> find_password(const std::string& password_file);

}  // namespace mapigate::daemon
