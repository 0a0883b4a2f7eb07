#include "client.h"

#include <algorithm>

#include "base/text.h"
#include "io/runtime.h"

namespace mapigate::smtp {

namespace {

using mailbox::Envelope;
using mailbox::RecipientOutcome;
using Outcomes = std::vector<RecipientOutcome>;

constexpr std::size_t longest_line = 4096;
constexpr std::size_t piece = 64 * 1024;
constexpr auto idle_limit = std::chrono::seconds(10);

bool ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}
// What may stand within angle brackets without beginning a command of its own.
bool harmless(std::string_view address) {
  return address.size() <= 320 && std::none_of(address.begin(), address.end(), [](char c) {
           return static_cast<unsigned char>(c) <= 0x20 || c == '<' || c == '>' || c == 0x7F;
         });
}

// xtext of RFC 3461 4.
std::string xtext(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c > 0x20 && c < 0x7F && c != '+' && c != '=') out += c;
    else out += fmt::format("+{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace

class Connection {
 public:
  Connection(std::shared_ptr<const Server> server, std::unique_ptr<io::Stream> stream)
      : server_(std::move(server)), stream_(std::move(stream)), reader_(std::make_unique<io::BufferedReader>(*stream_)) {}

  bool has(std::string_view extension) const {
    return std::any_of(extensions_.begin(), extensions_.end(), [&](const auto& line) {
      return line == extension || (line.starts_with(extension) && line[extension.size()] == ' ');
    });
  }
  std::string parameters(std::string_view extension) const {
    for (const auto& line : extensions_)
      if (line.starts_with(extension) && line.size() > extension.size() && line[extension.size()] == ' ')
        return line.substr(extension.size() + 1);
    return {};
  }

  Task<Status> open(Credentials credentials) {
    auto greeting = co_await reply(server_->command_limit);
    if (!greeting) co_return greeting.error();
    if (!greeting->ok()) co_return refused("the greeting", *greeting);
    auto greeted = co_await hello();
    if (!greeted) co_return greeted;
    if (server_->tls == Server::Tls::starttls) {
      auto secured = co_await start_tls();
      if (!secured) co_return secured;
    }
    if (!server_->authenticate) co_return Status();
    auto in = co_await log_in(credentials);
    co_return in;
  }

  Task<Result<Outcomes>> send(Envelope envelope, convert::ByteSource message) {
    const bool utf8 = !ascii(envelope.from) || std::any_of(envelope.to.begin(), envelope.to.end(), [](const auto& a) { return !ascii(a); });
    if (utf8 && !has("SMTPUTF8")) co_return error(Errc::malformed, "the server {} does not take addresses that are not ASCII", server_->host);
    const auto limit = parameters("SIZE");
    std::size_t most = 0;
    if (!limit.empty() && limit.size() < 18 && std::all_of(limit.begin(), limit.end(), [](char c) { return c >= '0' && c <= '9'; }))
      most = std::stoull(limit);
    if (most != 0 && message.size() > most)
      co_return error(Errc::malformed, "the message of {} bytes is larger than the {} that the server {} takes", message.size(), most, server_->host);
    std::vector<std::string> commands;
    auto from = fmt::format("MAIL FROM:<{}>", envelope.from);
    if (has("SIZE")) from += fmt::format(" SIZE={}", message.size());
    if (utf8) from += " SMTPUTF8";
    const bool dsn = has("DSN");
    if (dsn) from += " RET=HDRS ENVID=" + xtext(envelope.id);
    commands.push_back(std::move(from));
    for (const auto& address : envelope.to) {
      auto to = fmt::format("RCPT TO:<{}>", address);
      if (dsn) to += envelope.wants_delivery_report ? " NOTIFY=SUCCESS,FAILURE,DELAY" : " NOTIFY=FAILURE,DELAY";
      commands.push_back(std::move(to));
    }
    auto replies = co_await run(std::move(commands));
    if (!replies) co_return replies.error();
    Outcomes out;
    const auto& sender = replies->front();
    for (std::size_t i = 0; i < envelope.to.size(); ++i) {
      const auto& said = sender.ok() && i + 1 < replies->size() ? (*replies)[i + 1] : sender;
      out.push_back({said.ok() ? RecipientOutcome::Kind::accepted : said.later() ? RecipientOutcome::Kind::later : RecipientOutcome::Kind::refused,
                     envelope.to[i], said.status(), said.text()});
    }
    const bool any = std::any_of(out.begin(), out.end(), [](const auto& one) { return one.kind == RecipientOutcome::Kind::accepted; });
    if (!any) {
      auto reset = co_await command("RSET");
      if (!reset || !reset->ok()) close();
      co_return out;
    }
    begun_data_ = true;
    auto said = co_await data(message);
    if (!said) co_return said.error();
    if (!said->ok())
      for (auto& one : out)
        if (one.kind == RecipientOutcome::Kind::accepted)
          one = {said->later() ? RecipientOutcome::Kind::later : RecipientOutcome::Kind::refused, one.address, said->status(), said->text()};
    begun_data_ = false;
    if (said->code == 421) close();
    co_return out;
  }
  bool usable() const { return stream_->is_quiet() && reader_->buffered() == 0; }
  bool begun_data() const { return begun_data_; }  // whatever failed: the server may have the message
  void close() { stream_->close(); }
  Task<> quit() {
    auto said = co_await command("QUIT");
    (void)said;
    stream_->close();
  }

 private:
  Error refused(std::string_view what, const Reply& reply) const {
    return error(Errc::unavailable, "SMTP server {}: {} is answered with {}", server_->host, what, reply.text());
  }
  Error lost(Error why) const { return error(why.retryable() ? why.code : Errc::unavailable, "SMTP server {}: {}", server_->host, why.message); }

  Task<Result<Reply>> reply(Duration limit) {
    Reply out;
    for (;;) {
      auto line = co_await reader_->read_line(longest_line, limit);
      if (!line) co_return lost(line.error());
      const auto last = add_line(out, *line);
      if (!last) co_return error(Errc::unavailable, "SMTP server {}: no reply but \"{}\"", server_->host, line->substr(0, 100));
      if (*last) co_return out;
    }
  }
  Task<Status> write(std::string text) {
    auto written = co_await stream_->write(as_view(text), server_->command_limit);
    if (!written) co_return lost(written.error());
    co_return Status();
  }
  Task<Result<Reply>> command(std::string text) {
    text += "\r\n";
    auto written = co_await write(std::move(text));
    if (!written) co_return written.error();
    auto said = co_await reply(server_->command_limit);
    co_return said;
  }

  // At once where the server allows it, else one by one; after a refused MAIL the rest is not asked.
  Task<Result<std::vector<Reply>>> run(std::vector<std::string> commands) {
    std::vector<Reply> out;
    if (has("PIPELINING")) {
      // In groups: a server that answers while it is still being written to must not block both.
      constexpr std::size_t group = 50;
      for (std::size_t at = 0; at < commands.size(); at += group) {
        const auto end = std::min(commands.size(), at + group);
        std::string all;
        for (auto i = at; i < end; ++i) all += commands[i] + "\r\n";
        auto written = co_await write(std::move(all));
        if (!written) co_return written.error();
        for (auto i = at; i < end; ++i) {
          auto said = co_await reply(server_->command_limit);
          if (!said) co_return said.error();
          out.push_back(std::move(*said));
        }
      }
      co_return out;
    }
    for (const auto& text : commands) {
      auto said = co_await command(text);
      if (!said) co_return said.error();
      out.push_back(std::move(*said));
      if (!out.front().ok()) break;
    }
    co_return out;
  }

  Task<Status> hello() {
    extensions_.clear();
    auto said = co_await command("EHLO " + server_->hello);
    if (!said) co_return said.error();
    if (!said->ok()) {
      said = co_await command("HELO " + server_->hello);
      if (!said) co_return said.error();
      if (!said->ok()) co_return refused("HELO", *said);
      co_return Status();
    }
    for (std::size_t i = 1; i < said->lines.size(); ++i) {
      auto line = std::string(trim(said->lines[i]));
      const auto space = std::min(line.find(' '), line.size());
      for (std::size_t c = 0; c < space; ++c)
        if (line[c] >= 'a' && line[c] <= 'z') line[c] = static_cast<char>(line[c] - 32);
      if (line.starts_with("AUTH="))  // as it was before RFC 2554
        line[4] = ' ';
      extensions_.push_back(std::move(line));
    }
    co_return Status();
  }

  Task<Status> start_tls() {
    if (!has("STARTTLS")) co_return error(Errc::unavailable, "SMTP server {} offers no STARTTLS", server_->host);
    auto said = co_await command("STARTTLS");
    if (!said) co_return said.error();
    if (!said->ok()) co_return refused("STARTTLS", *said);
    // Somebody spoke into the plain text (CVE-2011-0411 and its kin).
    if (reader_->buffered() != 0) co_return error(Errc::unavailable, "SMTP server {}: plain text follows the answer to STARTTLS", server_->host);
    auto secured = co_await stream_->start_tls(server_->tls_context, server_->host, server_->connect_limit);
    if (!secured) co_return lost(secured.error());
    reader_ = std::make_unique<io::BufferedReader>(*stream_);
    auto greeted = co_await hello();
    co_return greeted;
  }

  Task<Status> log_in(Credentials credentials) {
    const auto mechanisms = " " + parameters("AUTH") + " ";
    const auto& user = credentials.user;
    const auto& password = credentials.password.reveal();
    const auto& master = credentials.master;
    Result<Reply> said = error(Errc::unavailable, "SMTP server {} offers no login that we know on this connection", server_->host);
    if (mechanisms.find(" PLAIN ") != mechanisms.npos) {
      // As whom, who, and the password of the latter (RFC 4616).
      const auto secret = to_base64(as_view((master.empty() ? master : user) + '\0' + (master.empty() ? user : master) + '\0' + password));
      said = co_await command("AUTH PLAIN " + secret);
    } else if (mechanisms.find(" LOGIN ") != mechanisms.npos && master.empty()) {
      said = co_await command("AUTH LOGIN");
      if (said && said->code == 334) said = co_await command(to_base64(as_view(user)));
      if (said && said->code == 334) said = co_await command(to_base64(as_view(password)));
    }
    if (!said) co_return said.error();
    if (said->ok()) co_return Status();
    if (said->later()) co_return refused("the login", *said);
    co_return error(Errc::denied, "SMTP server {} refuses the login of {}: {}", server_->host, user, said->text());
  }

  Task<Result<Reply>> data(convert::ByteSource message) {
    auto said = co_await command("DATA");
    if (!said) co_return said;
    if (said->code != 354) co_return said;
    // Cut at line ends, so that every piece can be stuffed by itself.
    const auto text = as_text(message.view());
    for (std::size_t at = 0; at < text.size();) {
      auto end = std::min(text.size(), at + piece);
      if (end < text.size()) {
        const auto line_end = text.rfind('\n', end - 1);
        if (line_end != text.npos && line_end >= at) end = line_end + 1;
      }
      const auto stuffed = dot_stuffed(text.substr(at, end - at));
      auto written = co_await stream_->write(as_view(stuffed), server_->command_limit);
      if (!written) co_return lost(written.error());
      at = end;
    }
    auto ended = co_await write(".\r\n");
    if (!ended) co_return ended.error();
    auto done = co_await reply(server_->data_limit);
    co_return done;
  }

  std::shared_ptr<const Server> server_;
  std::unique_ptr<io::Stream> stream_;
  std::unique_ptr<io::BufferedReader> reader_;
  std::vector<std::string> extensions_;  // keyword in upper case, then its parameters
  bool begun_data_ = false;
};

Sender::Sender(std::shared_ptr<const Server> server, Credentials credentials, io::Executor executor)
    : server_(std::move(server)), credentials_(std::move(credentials)), executor_(std::move(executor)) {}
Sender::~Sender() = default;

Task<Result<std::unique_ptr<Connection>>> Sender::open() {
  io::ConnectOptions options;
  if (server_->tls == Server::Tls::implicit) options.tls = server_->tls_context;
  options.connect_limit = server_->connect_limit;
  options.handshake_limit = server_->connect_limit;
  auto stream = co_await io::connect(server_->host, server_->port, options);
  if (!stream) {
    auto code = stream.error().retryable() ? stream.error().code : Errc::unavailable;
    co_return error(code, "SMTP server {}:{}: {}", server_->host, server_->port, stream.error().message);
  }
  auto connection = std::make_unique<Connection>(server_, std::move(*stream));
  auto opened = co_await connection->open(credentials_);
  if (!opened) co_return opened.error();
  co_return std::move(connection);
}

Task<Result<Outcomes>> Sender::send(Envelope envelope, convert::ByteSource message) {
  auto self = shared_from_this();
  for (const auto& address : envelope.to)
    if (!harmless(address) || address.empty()) co_return error(Errc::malformed, "\"{}\" is no address", address);
  if (!harmless(envelope.from)) co_return error(Errc::malformed, "\"{}\" is no address", envelope.from);
  if (envelope.to.empty()) co_return Outcomes();
  if (server_->authenticate && credentials_.password.empty()) co_return error(Errc::denied, "no password for SMTP server {}", server_->host);
  if (idle_ && idle_->usable()) {
    auto connection = std::move(idle_);
    auto out = co_await connection->send(envelope, message);
    if (out) keep(std::move(connection));
    // It may have gone while it lay idle. Once the message is on its way, only the caller may decide to try again.
    if (out || connection->begun_data() || out.error().code == Errc::malformed) co_return out;
  }
  idle_.reset();
  auto opened = co_await open();
  if (!opened) co_return opened.error();
  auto connection = std::move(*opened);
  auto out = co_await connection->send(std::move(envelope), message);
  if (out || out.error().code == Errc::malformed) keep(std::move(connection));
  co_return out;
}

void Sender::keep(std::unique_ptr<Connection> connection) {
  if (!connection->usable()) return;
  idle_ = std::move(connection);
  since_ = Clock::now();
  if (closing_) return;
  closing_ = true;
  io::spawn(executor_, close_when_idle(weak_from_this()));
}

Task<> Sender::close_when_idle(std::weak_ptr<Sender> weak) {
  for (;;) {
    co_await io::sleep_for(idle_limit / 2);
    auto self = weak.lock();
    if (!self) co_return;
    if (self->idle_ && Clock::now() - self->since_ < idle_limit) continue;
    auto old = std::move(self->idle_);
    self->closing_ = false;
    self.reset();
    if (old) co_await old->quit();
    co_return;
  }
}

}  // namespace mapigate::smtp
