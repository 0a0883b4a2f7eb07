#include "connection.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "mailbox_name.h"

namespace mapigate::imap {

namespace {

constexpr std::size_t buffer_size = 32 * 1024;
constexpr std::size_t most_capabilities = 500;
// However lively a server is: no command goes on for longer.
constexpr auto longest_command = std::chrono::hours(2);

bool has_line_break(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != text.npos;
}
bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

Errc meaning_of(std::string_view code, Errc otherwise) {
  if (code == "AUTHENTICATIONFAILED" || code == "AUTHORIZATIONFAILED" || code == "EXPIRED" ||
      code == "NOPERM" || code == "PRIVACYREQUIRED" || code == "CONTACTADMIN")
    return Errc::denied;
  if (code == "UNAVAILABLE" || code == "INUSE" || code == "SERVERBUG" || code == "CORRUPTION")
    return Errc::unavailable;
  if (code == "NONEXISTENT" || code == "TRYCREATE") return Errc::not_found;
  if (code == "OVERQUOTA") return Errc::full;
  if (code == "LIMIT" || code == "TOOBIG") return Errc::limit;  // RFC 4469
  if (code == "CANNOT") return Errc::unsupported;
  if (code == "ALREADYEXISTS") return Errc::conflict;
  return otherwise;
}

Error Completion::error(std::string_view command) const {
  auto meaning = meaning_of(code, Errc::unavailable);
  if (code.empty() && status == "NO") {
    // Cyrus says these in words alone.
    const auto words = lower_ascii(text);
    if (words.find("quota") != words.npos) meaning = Errc::full;
    if (words.find("permission denied") != words.npos) meaning = Errc::denied;
  }
  return mapigate::error(meaning, "the IMAP server answers {} with {} {}{}{}",
                         command, status, code, code.empty() ? "" : ": ", text);
}

Connection::Connection(std::shared_ptr<const Server> server)
    : server_(std::move(server)), reader_(server_->limits) {}

void Connection::close() {
  if (stream_ != nullptr) stream_->close();
}

Error Connection::lost(Error why) {
  close();
  if (!bye_.empty())
    return error(Errc::unavailable, "the IMAP server {} said goodbye: {}", server_->host, bye_);
  // Garbage comes of broken lines and servers in trouble: no fault of the request, which may be tried again.
  if (why.code == Errc::malformed) why.code = Errc::unavailable;
  return std::move(why).within(fmt::format("IMAP server {}", server_->host));
}

Task<Result<std::unique_ptr<Connection>>> Connection::open(std::shared_ptr<const Server> server,
                                                           Credentials credentials) {
  io::ConnectOptions options;
  if (server->tls == Server::Tls::implicit) options.tls = server->tls_context;
  options.connect_limit = server->connect_limit;
  options.handshake_limit = server->connect_limit;
  auto stream = co_await io::connect(server->host, server->port, options);
  if (!stream) {
    auto code = stream.error().retryable() ? stream.error().code : Errc::unavailable;
    co_return error(code, "IMAP server {}:{}: {}", server->host, server->port, stream.error().message);
  }
  std::unique_ptr<Connection> connection(new Connection(server));
  connection->stream_ = std::move(*stream);
  auto greeted = co_await connection->greet();
  if (!greeted) co_return greeted.error();
  auto in = co_await connection->log_in(credentials);
  if (!in) co_return in.error();
  auto enabled = co_await connection->enable();
  if (!enabled) co_return enabled.error();
  connection->any_response_ = false;
  co_return std::move(connection);
}

Task<Status> Connection::greet() {
  ++under_way_;
  auto read = co_await read_response();
  --under_way_;
  if (!read) co_return read.error();
  if (response_.kind != Response::Kind::untagged || !(response_.name == "OK" || response_.name == "PREAUTH"))
    co_return lost(error(Errc::unavailable, "no IMAP greeting but {} {}", response_.name, response_.text));
  greeted_in_ = response_.name == "PREAUTH";
  note_status(response_);
  if (server_->tls != Server::Tls::starttls) co_return Status();

  if (greeted_in_) co_return lost(error(Errc::unavailable, "the server is logged in before STARTTLS"));
  auto done = co_await run_ok("STARTTLS", {});
  if (!done) co_return done.error();
  if (!in_.empty() || !reader_.empty())  // somebody spoke into the plain text (CVE-2011-0411 and its kin)
    co_return lost(error(Errc::unavailable, "plain text follows the answer to STARTTLS"));
  auto secured = co_await stream_->start_tls(server_->tls_context, server_->host, server_->connect_limit);
  if (!secured) co_return lost(error(Errc::unavailable, "{}", secured.error().message));
  capabilities_.clear();  // what was said in plain text does not count
  co_return Status();
}

Task<Status> Connection::log_in(Credentials credentials) {
  if (capabilities_.empty()) {
    auto read = co_await run_ok("CAPABILITY", {});
    if (!read) co_return read.error();
  }
  if (greeted_in_) co_return Status();
  if (has_line_break(credentials.user) || has_line_break(credentials.password.reveal()))
    co_return error(Errc::denied, "user name or password with a line break");
  if (!credentials.master.empty() && !has("AUTH=PLAIN"))
    co_return lost(error(Errc::unavailable, "a master user needs AUTH=PLAIN, which it does not offer"));
  if (!has("AUTH=PLAIN") && has("LOGINDISABLED"))
    co_return lost(error(Errc::unavailable, "it offers no login that we know on this connection"));

  auto dialogue = login_dialogue(credentials);
  capabilities_.clear();  // they change with the login
  auto done = co_await converse(std::move(dialogue));
  if (!done) co_return done.error();
  if (!done->ok) {
    close();
    auto code = done->status == "NO" ? meaning_of(done->code, Errc::denied) : Errc::unavailable;
    // Gmail and others count connections and say so only in words.
    if (lower_ascii(done->text).find("too many") != std::string::npos) code = Errc::unavailable;
    co_return error(code, "IMAP server {} refuses the login of {}: {}", server_->host, credentials.user,
                    done->text);
  }
  if (capabilities_.empty()) {
    auto read = co_await run_ok("CAPABILITY", {});
    if (!read) co_return read.error();
  }
  co_return Status();
}

// The command, and what follows when the server asks for it.
std::vector<std::string> Connection::login_dialogue(const Credentials& credentials) const {
  const auto& user = credentials.user;
  const auto& password = credentials.password.reveal();
  const auto& master = credentials.master;
  if (has("AUTH=PLAIN") && (has("SASL-IR") || has("LOGINDISABLED") || !master.empty())) {
    // As whom, who, and the password of the latter.
    const auto& authorize = master.empty() ? master : user;
    const auto& authenticate = master.empty() ? user : master;
    const auto secret = to_base64(as_view(authorize + '\0' + authenticate + '\0' + password));
    if (has("SASL-IR")) return {"AUTHENTICATE PLAIN " + secret};
    return {"AUTHENTICATE PLAIN", secret};
  }
  if (is_ascii(user) && is_ascii(password)) return {"LOGIN " + quote(user) + " " + quote(password)};
  return {fmt::format("LOGIN {{{}}}", user.size()), fmt::format("{} {{{}}}", user, password.size()),
          password};
}

// A command that the server lets us go on with part by part.
Task<Result<Completion>> Connection::converse(std::vector<std::string> parts) {
  auto tag = co_await send(parts.front());
  if (!tag) co_return tag.error();
  for (std::size_t i = 1; i < parts.size(); ++i) {
    do {
      auto read = co_await read_response();
      if (!read) co_return read.error();
      note_status(response_);
      if (response_.kind == Response::Kind::tagged) {
        --under_way_;
        Completion refused{response_.name == "OK", response_.name, response_.code,
                           std::string(response_.text), {}};
        co_return refused;
      }
    } while (response_.kind != Response::Kind::continuation);
    parts[i] += "\r\n";
    auto written = co_await write(parts[i]);
    if (!written) co_return written.error();
  }
  auto done = co_await finish(*tag, {});
  co_return done;
}

Task<Status> Connection::enable() {
  // All at once: none of the answers decides about the next command.
  std::vector<std::string> commands;
  if (has("ID")) commands.push_back("ID (\"name\" \"mapigate\")");
  const bool can_enable = has("ENABLE");
  utf8_ = can_enable &&
          has("UTF8=ONLY");  // elsewhere names stay in the form that does not change with the server
  if (utf8_) commands.push_back("ENABLE UTF8=ACCEPT");
  qresync_ = can_enable && has("QRESYNC");
  condstore_ = has("CONDSTORE") || qresync_;
  if (qresync_) commands.push_back("ENABLE QRESYNC");
  if (!qresync_ && condstore_ && can_enable) commands.push_back("ENABLE CONDSTORE");
  std::vector<std::string> tags;
  for (const auto& command : commands) {
    auto tag = co_await send(command);
    if (!tag) co_return tag.error();
    tags.push_back(*tag);
  }
  for (std::size_t i = 0; i < tags.size(); ++i) {
    auto done = co_await finish(tags[i], {});
    if (!done) co_return done.error();
    if (!done->ok && commands[i] == "ENABLE QRESYNC") qresync_ = false;
  }
  co_return Status();
}

bool Connection::has(std::string_view capability) const {
  return std::find(capabilities_.begin(), capabilities_.end(), capability) != capabilities_.end();
}

void Connection::set_capabilities(std::span<const Value> values) {
  capabilities_.clear();
  for (const auto& value : values) {
    if (!value.is_string() || capabilities_.size() >= most_capabilities) continue;
    std::string name(value.text);
    const auto& ignored = server_->ignored;
    if (std::find(ignored.begin(), ignored.end(), lower_ascii(name)) != ignored.end()) continue;
    for (char& c : name)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    capabilities_.push_back(std::move(name));
  }
}

void Connection::note_status(const Response& response) {
  if (response.name == "CAPABILITY") set_capabilities(response.values);
  if (response.code == "CAPABILITY") set_capabilities(response.code_values);
  if (response.name == "BYE" && response.kind == Response::Kind::untagged) bye_ = response.text;
}

Task<Status> Connection::write(std::string bytes) {
  if (!is_open()) co_return error(Errc::unavailable, "IMAP server {}: not connected", server_->host);
  auto written = co_await stream_->write(as_view(bytes), server_->command_limit);
  if (!written) co_return lost(written.error());
  co_return Status();
}

Task<Status> Connection::write_view(View bytes) {
  // In pieces: each has the whole limit.
  constexpr std::size_t piece = 256 * 1024;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    if (!is_open()) co_return error(Errc::unavailable, "IMAP server {}: not connected", server_->host);
    const auto part = bytes.subspan(at, std::min(piece, bytes.size() - at));
    auto written = co_await stream_->write(part, server_->command_limit);
    if (!written) co_return lost(written.error());
  }
  co_return Status();
}

Task<Result<Completion>> Connection::run_literal(std::string command, View literal, OnResponse on, bool ask_first) {
  constexpr std::size_t literal_minus = 4096;  // RFC 7888 5
  const bool at_once = !ask_first && (has("LITERAL+") || (has("LITERAL-") && literal.size() <= literal_minus));
  command += fmt::format(" {{{}{}}}", literal.size(), at_once ? "+" : "");
  auto tag = co_await send(std::move(command));
  if (!tag) co_return tag.error();
  while (!at_once) {
    auto read = co_await read_response();
    if (!read) co_return read.error();
    note_status(response_);
    if (response_.kind == Response::Kind::continuation) break;
    if (response_.kind != Response::Kind::tagged) continue;
    --under_way_;
    Completion refused{response_.name == "OK", response_.name, response_.code, std::string(response_.text), {}};
    co_return refused;
  }
  auto sent = co_await write_view(literal);
  if (!sent) co_return sent.error();
  std::string end = "\r\n";
  sent = co_await write(end);
  if (!sent) co_return sent.error();
  auto done = co_await finish(*tag, std::move(on));
  co_return done;
}

Task<Result<std::string>> Connection::send(std::string command) {
  auto tag = fmt::format("m{}", ++tags_);
  command = tag + " " + command + "\r\n";
  auto written = co_await write(command);
  if (!written) co_return written.error();
  ++under_way_;
  co_return tag;
}

// The next response into response_, which is valid until the next call.
Task<Status> Connection::read_response() {
  if (!is_open()) co_return error(Errc::unavailable, "IMAP server {}: not connected", server_->host);
  if (buffer_.empty()) buffer_.resize(buffer_size);
  reader_.clear();
  auto deadline = Clock::now() + server_->command_limit;
  std::size_t progress = 0;
  for (;;) {
    if (in_.empty()) {
      const auto left = deadline - Clock::now();
      if (left <= Duration::zero()) co_return lost(error(Errc::timeout, "no answer in time"));
      auto got = co_await stream_->read_some(buffer_, left);
      if (!got) co_return lost(got.error());
      if (*got == 0) co_return lost(error(Errc::unavailable, "connection closed by the server"));
      in_ = std::span(buffer_).first(*got);
      // A long literal may take its time as long as it flows: 16 KiB buy a second.
      progress += *got;
      if (progress >= 16 * 1024) {
        deadline = std::min(deadline + std::chrono::seconds(progress / (16 * 1024)),
                            Clock::now() + server_->command_limit);
        progress %= 16 * 1024;
      }
    }
    auto used = reader_.feed(in_);
    if (!used) co_return lost(used.error());
    in_ = in_.subspan(*used);
    if (reader_.complete()) break;
  }
  auto parsed = reader_.parse();
  if (!parsed) co_return lost(parsed.error());
  response_ = std::move(*parsed);
  any_response_ = true;
  co_return Status();
}

Task<Result<Completion>> Connection::finish(std::string tag, OnResponse on) {
  const auto end = Clock::now() + longest_command;
  for (;;) {
    auto read = co_await read_response();
    if (!read) co_return read.error();
    if (Clock::now() > end) co_return lost(error(Errc::timeout, "the answer does not end"));
    note_status(response_);
    if (response_.kind == Response::Kind::continuation) continue;
    if (response_.kind == Response::Kind::tagged) {
      if (response_.tag != tag)
        co_return lost(error(Errc::malformed, "an answer to a command that was not asked"));
      --under_way_;
      Completion done{response_.name == "OK", response_.name, response_.code, std::string(response_.text), {}};
      for (const auto& value : response_.code_values) done.code_values.emplace_back(value.text);
      reader_.clear();
      if (under_way_ == 0 && in_.empty()) Bytes().swap(buffer_), in_ = {};
      co_return done;
    }
    if (!on) continue;
    auto taken = on(response_);
    if (!taken) co_return lost(taken.error());
  }
}

Task<Result<Completion>> Connection::run(std::string command, OnResponse on) {
  auto tag = co_await send(std::move(command));
  if (!tag) co_return tag.error();
  auto done = co_await finish(*tag, std::move(on));
  co_return done;
}

Task<Status> Connection::run_ok(std::string command, OnResponse on) {
  const auto word = command.substr(0, command.find(' ', command.starts_with("UID ") ? 4 : 0));
  auto done = co_await run(std::move(command), std::move(on));
  if (!done) co_return done.error();
  if (!done->ok) co_return done->error(word);
  co_return Status();
}

Task<Result<Selected>> Connection::select(std::string mailbox) {
  if (has_line_break(mailbox)) co_return error(Errc::not_found, "a mailbox name with a line break");
  Selected found;
  found.mailbox = mailbox;
  const bool ask = condstore_ && !qresync_ && !has("ENABLE");
  selected_ = Selected();
  auto on = [&found, modseqs = condstore_](const Response& response) -> Status {
    if (response.name == "EXISTS" && response.number)
      found.exists = static_cast<std::uint32_t>(*response.number);
    std::uint64_t number = 0;
    if (!response.code_values.empty()) number = number_of(response.code_values[0]).value_or(0);
    if (response.code == "UIDVALIDITY") found.uidvalidity = static_cast<std::uint32_t>(number);
    if (response.code == "UIDNEXT") found.uidnext = static_cast<std::uint32_t>(number);
    if (response.code == "HIGHESTMODSEQ" && modseqs) found.highestmodseq = number;
    if (response.code == "PERMANENTFLAGS" && !response.code_values.empty()) {
      const auto list = response.code_values[0].list;
      found.keywords =
          std::any_of(list.begin(), list.end(), [](const Value& flag) { return flag.text == "\\*"; });
    }
    return {};
  };
  auto command = "SELECT " + quote(mailbox);
  if (ask) command += " (CONDSTORE)";
  auto done = co_await run(command, on);
  if (!done) co_return done.error();
  if (done->ok) {
    found.read_only = done->code == "READ-ONLY";
    selected_ = found;
    co_return found;
  }
  if (meaning_of(done->code, Errc::internal) != Errc::internal) co_return done->error("SELECT");
  // Without a code it may be gone or just not to be had now; only the first may be reported as such.
  bool listed = false;
  auto look = [&listed](const Response& response) -> Status {
    const auto entry = parse_list(response);
    listed |= entry && !entry->has("\\noselect") && !entry->has("\\nonexistent");
    return {};
  };
  command = "LIST \"\" " + quote(mailbox);
  auto asked = co_await run_ok(command, look);
  if (!asked) co_return asked.error();
  if (!listed) co_return error(Errc::not_found, "the IMAP server has no mailbox {}", mailbox);
  co_return done->error("SELECT");
}

Task<Status> Connection::unselect() {
  selected_ = Selected();
  auto done = co_await run_ok("UNSELECT", {});
  co_return done;
}

Task<Status> Connection::begin_idle() {
  auto tag = co_await send("IDLE");
  if (!tag) co_return tag.error();
  idle_tag_ = *tag;
  co_return Status();
}

Task<Status> Connection::idle(Duration limit, OnResponse on) {
  const auto end = Clock::now() + limit;
  bool told = false;
  for (;;) {
    if (in_.empty() && told && stream_->is_quiet()) break;
    if (in_.empty()) {
      const auto left = end - Clock::now();
      if (left <= Duration::zero()) break;
      Bytes().swap(buffer_);  // many stand by, few are told something
      auto ready = co_await stream_->wait_readable(left);
      if (!ready && ready.error().code == Errc::timeout) break;
      if (!ready) co_return lost(ready.error());
    }
    auto read = co_await read_response();
    if (!read) co_return read.error();
    note_status(response_);
    if (response_.kind == Response::Kind::tagged) co_return lost(error(Errc::unavailable, "IDLE ended: {}", response_.text));
    if (response_.kind == Response::Kind::continuation) continue;
    if (response_.name == "BYE") co_return lost(error(Errc::unavailable, "IDLE ended"));
    auto taken = on(response_);
    if (!taken) co_return lost(taken.error());
    told |= !response_.is_status();
  }
  co_return Status();
}

Task<Status> Connection::end_idle(OnResponse on) {
  std::string done = "DONE\r\n";
  auto written = co_await write(done);
  if (!written) co_return written.error();
  auto finished = co_await finish(idle_tag_, std::move(on));
  if (!finished) co_return finished.error();
  co_return Status();
}

Task<> Connection::logout() {
  if (is_open()) {
    auto done = co_await run("LOGOUT", {});
    (void)done;
  }
  close();
}

}  // namespace mapigate::imap
