#include "client.h"

#include <algorithm>

#include "base/text.h"

namespace mapigate::sieve {

namespace {
std::string literal(std::string_view text) { return fmt::format("{{{}+}}\r\n{}", text.size(), text); }

// RFC 5804 1.3 and RFC 5530.
Errc meaning_of(const Completion& completion) {
  const auto code = lower_ascii(completion.code);
  if (code.starts_with("quota")) return Errc::limit;
  if (code.starts_with("nonexistent")) return Errc::not_found;
  if (code.starts_with("alreadyexists") || code.starts_with("active")) return Errc::conflict;
  return Errc::unavailable;
}
}  // namespace

Client::Client(std::shared_ptr<const Server> server, std::unique_ptr<io::Stream> stream)
    : server_(std::move(server)), stream_(std::move(stream)), reader_(server_->max_script + 4096), buffer_(16 * 1024) {}

Error Client::lost(Error why) const {
  const auto code = why.retryable() || why.code == Errc::cancelled ? why.code : Errc::unavailable;
  return error(code, "ManageSieve server {}: {}", server_->host, why.message);
}

Error Client::refused(const char* what, const Completion& completion) const {
  return error(meaning_of(completion), "ManageSieve server {}: {} is answered with {} {}", server_->host, what, completion.status, completion.text.substr(0, 500));
}

Task<Result<Line>> Client::read_line() {
  while (!reader_.complete()) {
    if (in_.empty()) {
      auto got = co_await stream_->read_some(buffer_, server_->command_limit);
      if (!got) co_return lost(got.error());
      if (*got == 0) co_return error(Errc::unavailable, "ManageSieve server {}: connection closed by the server", server_->host);
      in_ = View(buffer_).first(*got);
    }
    auto used = reader_.feed(in_);
    if (!used) co_return lost(used.error());
    in_ = in_.subspan(*used);
  }
  co_return reader_.take();
}

Task<Result<Client::Reply>> Client::reply() {
  Reply out;
  for (;;) {
    auto line = co_await read_line();
    if (!line) co_return line.error();
    if (auto completion = completion_of(*line)) {
      out.completion = std::move(*completion);
      if (out.completion.status == "BYE")
        co_return error(Errc::unavailable, "ManageSieve server {} says good-bye: {}", server_->host, out.completion.text.substr(0, 500));
      co_return out;
    }
    if (out.lines.size() >= most_lines) co_return lost(error(Errc::limit, "a reply of more than {} lines", most_lines));
    out.lines.push_back(std::move(*line));
  }
}

Task<Result<Client::Reply>> Client::command(std::string text) {
  text += "\r\n";
  auto written = co_await stream_->write(as_view(text), server_->command_limit);
  if (!written) co_return lost(written.error());
  auto answer = co_await reply();
  co_return answer;
}

Task<Status> Client::done(std::string text, const char* what) {
  auto answer = co_await command(std::move(text));
  if (!answer) co_return answer.error();
  if (!answer->completion.ok()) co_return refused(what, answer->completion);
  co_return Status();
}

Task<Status> Client::read_capabilities() {
  capabilities_ = Capabilities();
  auto said = co_await reply();
  if (!said) co_return said.error();
  if (!said->completion.ok()) co_return refused("the connection", said->completion);
  for (const auto& line : said->lines) capabilities_.understood(line);
  co_return Status();
}

Task<Status> Client::greet(Credentials credentials) {
  auto said = co_await read_capabilities();
  if (!said) co_return said;
  if (server_->tls == Server::Tls::starttls) {
    if (!capabilities_.starttls) co_return error(Errc::unavailable, "ManageSieve server {} offers no STARTTLS", server_->host);
    auto agreed = co_await done("STARTTLS", "STARTTLS");
    if (!agreed) co_return agreed;
    // Somebody spoke into the plain text (CVE-2011-0411 and its kin).
    if (!in_.empty()) co_return error(Errc::unavailable, "ManageSieve server {}: plain text follows the answer to STARTTLS", server_->host);
    auto secured = co_await stream_->start_tls(server_->tls_context, server_->host, server_->connect_limit);
    if (!secured) co_return lost(secured.error());
    said = co_await read_capabilities();
    if (!said) co_return said;
  }
  auto in = co_await log_in(std::move(credentials));
  co_return in;
}

Task<Status> Client::log_in(Credentials credentials) {
  const auto& mechanisms = capabilities_.sasl;
  if (std::find(mechanisms.begin(), mechanisms.end(), "PLAIN") == mechanisms.end())
    co_return error(Errc::unavailable, "ManageSieve server {} offers no login that we know on this connection", server_->host);
  // As whom, who, and the password of the latter.
  const auto authorize = credentials.master.empty() ? std::string() : credentials.user;
  const auto& authenticate = credentials.master.empty() ? credentials.user : credentials.master;
  const auto secret = to_base64(as_view(authorize + '\0' + authenticate + '\0' + credentials.password.reveal()));
  auto answer = co_await command("AUTHENTICATE \"PLAIN\" " + quoted(secret));
  if (!answer) co_return answer.error();
  if (answer->completion.ok()) co_return Status();
  if (lower_ascii(answer->completion.code).starts_with("trylater")) co_return refused("the login", answer->completion);
  co_return error(Errc::denied, "ManageSieve server {} refuses the login of {}: {}", server_->host, credentials.user,
                  answer->completion.text.substr(0, 500));
}

Task<Result<std::unique_ptr<Client>>> Client::open(std::shared_ptr<const Server> server, Credentials credentials) {
  io::ConnectOptions options;
  options.connect_limit = server->connect_limit;
  options.handshake_limit = server->connect_limit;
  if (server->tls == Server::Tls::implicit) options.tls = server->tls_context;
  auto stream = co_await io::connect(server->host, server->port, options);
  if (!stream) {
    const auto code = stream.error().retryable() ? stream.error().code : Errc::unavailable;
    co_return error(code, "ManageSieve server {}:{}: {}", server->host, server->port, stream.error().message);
  }
  std::unique_ptr<Client> client(new Client(server, std::move(*stream)));
  auto greeted = co_await client->greet(std::move(credentials));
  if (!greeted) co_return greeted.error();
  co_return client;
}

Task<Result<std::vector<Script>>> Client::list() {
  auto answer = co_await command("LISTSCRIPTS");
  if (!answer) co_return answer.error();
  if (!answer->completion.ok()) co_return refused("LISTSCRIPTS", answer->completion);
  std::vector<Script> out;
  for (const auto& line : answer->lines) {
    if (line.empty() || line[0].kind != Token::Kind::string) continue;
    const bool active = line.size() > 1 && line[1].kind == Token::Kind::word && equal_ignoring_ascii_case(line[1].text, "ACTIVE");
    out.push_back({line[0].text, active});
  }
  co_return out;
}

Task<Result<std::string>> Client::get(std::string name) {
  auto answer = co_await command("GETSCRIPT " + quoted(name));
  if (!answer) co_return answer.error();
  if (!answer->completion.ok()) co_return refused("GETSCRIPT", answer->completion);
  for (const auto& line : answer->lines)
    if (!line.empty() && line[0].kind == Token::Kind::string) co_return line[0].text;
  co_return std::string();
}

Task<Status> Client::put(std::string name, std::string script) {
  auto answer = co_await command("PUTSCRIPT " + quoted(name) + " " + literal(script));
  if (!answer) co_return answer.error();
  if (answer->completion.ok()) co_return Status();
  auto why = refused("PUTSCRIPT", answer->completion);
  // Without a code the server does not like what is in it.
  if (why.code == Errc::unavailable && answer->completion.code.empty()) why.code = Errc::conflict;
  co_return why;
}

Task<Status> Client::activate(std::string name) {
  auto outcome = co_await done("SETACTIVE " + quoted(name), "SETACTIVE");
  co_return outcome;
}

Task<> Client::log_out() {
  auto answer = co_await command("LOGOUT");
  (void)answer;
  stream_->close();
}

}  // namespace mapigate::sieve
