#include "upstreams.h"

#include <sys/stat.h>

#include <charconv>
#include <fstream>

#include "base/text.h"
#include "io/runtime.h"
#include "io/tls.h"
#include "upstream/address_book_client.h"
#include "upstream/autodiscover.h"
#include "upstream/mapi_http_session.h"
#include "upstream/pinned_http.h"
#include "upstream/rpc_dialer.h"

namespace mapigate::relay {

namespace {

Secret read_password(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  if (!in || !std::getline(in, line)) throw std::runtime_error("cannot read the password file " + file);
  const Secret out{trim(line)};
  explicit_bzero(line.data(), line.size());
  return out;
}

// Whether a ticket will do to log on, everywhere on the way.
bool takes_tickets(const Settings& settings) {
  const auto& auth = settings.text("auth");
  const bool kerberos = auth == "negotiate" || auth == "kerberos";
  return kerberos && (settings.text("transport") != "rpchttp" || settings.text("http_auth") == "negotiate");
}

}  // namespace

CredentialSource::CredentialSource(const Settings& settings)
    : kind_(Kind::pass_through), tickets_(settings.boolean("delegated_tickets") && takes_tickets(settings)) {
  const auto& kind = settings.text("credentials");
  if (kind == "fixed") {
    kind_ = Kind::fixed;
    fixed_ = {settings.text("user"), read_password(settings.text("password_file"))};
  } else if (kind == "mapped") {
    kind_ = Kind::mapped;
    const auto& path = settings.text("map_file");
    struct stat state {};
    std::ifstream in(path);
    if (!in || ::stat(path.c_str(), &state) != 0) throw std::runtime_error("cannot read the map_file " + path);
    if ((state.st_mode & 0077) != 0) log::warning("{}: others can read it, and there are passwords in it: chmod 600", path);
    std::string line;
    for (unsigned number = 1; std::getline(in, line); ++number) {
      const std::string text(trim(line));
      explicit_bzero(line.data(), line.size());
      if (text.empty() || text.front() == '#') continue;
      const auto first = text.find(':'), second = first == std::string::npos ? first : text.find(':', first + 1);
      if (second == std::string::npos) throw std::runtime_error(fmt::format("{}:{}: user@domain:upstream-user:password is wanted", path, number));
      map_[lower_ascii(text.substr(0, first))] = {text.substr(first + 1, second - first - 1), Secret(std::string_view(text).substr(second + 1))};
    }
  }
}

Result<CredentialSource::Found> CredentialSource::of(const chain::Identity& identity) const {
  if (tickets_ && identity.ticket != nullptr) return Found{identity.user, {}, identity.ticket};
  switch (kind_) {
    case Kind::fixed: return fixed_;
    case Kind::mapped:
      if (const auto found = map_.find(identity.user); found != map_.end()) return found->second;
      return error(Errc::denied, "{} is not in the map of credentials", identity.user);
    case Kind::pass_through: break;
  }
  if (identity.password.empty())
    return error(Errc::denied, "{} came without a password or a ticket that could be passed on: credentials = \"fixed\" or \"mapped\", or [auth] pass_to are for that", identity.user);
  return Found{identity.user, identity.password};
}

namespace {

std::shared_ptr<io::TlsClientContext> tls_for(const chain::Environment& environment, const Settings& settings) {
  io::TlsClientOptions options;
  const auto& verify = settings.text("verify");
  options.ca_file = settings.text("ca_file");
  if (verify == "off") options.verify = io::TlsClientOptions::Verify::off;
  else if (verify == "ca_file" || !options.ca_file.empty()) options.verify = io::TlsClientOptions::Verify::ca_file;
  auto context = io::TlsClientContext::create(options);
  if (!context) throw std::runtime_error(context.error().message);
  if (verify == "off") log::warning("module {}: the upstream's certificate is not checked", environment.name);
  return *context;
}

// Zero where the answer does not say how long it is.
std::uint64_t announced_length(const io::HttpFields& fields) {
  const auto text = trim(fields.get("Content-Length"));
  std::uint64_t out = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  return read.ec == std::errc() ? out : 0;
}

class PassedAnswer final : public chain::WebAnswer {
 public:
  PassedAnswer(std::unique_ptr<upstream::HttpAnswer> answer, Duration silence, std::size_t most)
      : answer_(std::move(answer)), silence_(silence), left_(most) {
    status = answer_->status;
    fields = std::move(answer_->fields);
  }

  Task<Result<View>> read() override {
    auto piece = co_await answer_->read(silence_);
    if (!piece) co_return piece;
    if (piece->size() > left_) co_return error(Errc::limit, "the upstream's web services answer with too much");
    left_ -= piece->size();
    co_return piece;
  }

 private:
  std::unique_ptr<upstream::HttpAnswer> answer_;
  Duration silence_;
  std::size_t left_;
};

upstream::PinOptions pin_options(const chain::Environment& environment, const Settings& settings) {
  upstream::PinOptions out;
  out.most = static_cast<std::size_t>(settings.number("pinned_connections"));
  out.logon_limit = settings.duration("logon_limit");
  out.ping_interval = settings.duration("ping_interval");
  out.label = "module=\"" + environment.name + "\"";
  return out;
}

std::shared_ptr<io::HttpClient> client_for(const chain::Environment& environment, const Settings& settings,
                                           std::shared_ptr<io::TlsClientContext> tls) {
  io::HttpClientOptions options;
  options.tls = std::move(tls);
  options.connections_per_origin = static_cast<std::size_t>(settings.number("connections"));
  options.connect_limit = settings.duration("connect_limit");
  auto client = io::HttpClient::create(environment.runtime, options);
  if (!client) throw std::runtime_error(client.error().message);
  return *client;
}

Status takes_the_users_own(const CredentialSource& credentials) {
  if (!credentials.passes_on()) return error(Errc::unsupported, "credentials have to be \"pass-through\"");
  return {};
}

class HttpUpstream final : public Upstream {
 public:
  HttpUpstream(const chain::Environment& environment, const Settings& settings)
      : runtime_(environment.runtime),
        credentials_(settings),
        auth_(http_auth(settings)),
        url_(settings.text("url")),
        limit_(settings.duration("call_limit")),
        silence_(settings.duration("silence_limit")),
        max_reply_(static_cast<std::size_t>(settings.number("max_reply"))),
        rewrite_(settings.boolean("rewrite")),
        web_(settings.boolean("web_services") && credentials_.personal()),
        max_web_reply_(static_cast<std::size_t>(settings.number("max_web_reply"))) {
    while (url_.ends_with('/')) url_.pop_back();
    client_ = client_for(environment, settings, tls_for(environment, settings));
    auto place = io::parse_url(url_ + "/mapi/emsmdb/");
    if (!place) throw std::runtime_error(place.error().message);
    auto pins = pin_options(environment, settings);
    pins.place = std::move(*place);
    pins_ = upstream::PinnedConnections::create(environment.runtime, client_, environment.metrics, std::move(pins));
  }

  Result<std::shared_ptr<upstream::Session>> open(const chain::Session& session, const chain::ClientInfo& client) override {
    upstream::SessionOptions options;
    std::shared_ptr<upstream::HttpIdentity> identity;  // none: each call comes by a pinned connection
    if (pinned(client.pinned) != nullptr) {
      options.pins = pins_;
    } else {
      auto found = identity_of(session.identity());
      if (!found) return found.error();
      identity = std::move(*found);
    }
    const auto endpoint = session.interface() == chain::Interface::emsmdb ? "/mapi/emsmdb/" : "/mapi/nspi/";
    auto place = io::parse_url(url_ + endpoint + "?MailboxId=" + percent_encode(session.identity().user));
    if (!place) return place.error();
    options.endpoint = std::move(*place);
    options.limit = limit_;
    options.silence = silence_;
    options.max_reply = max_reply_;
    return std::make_shared<upstream::MapiHttpSession>(std::move(identity), std::move(options));
  }

  // Its Autodiscover answers only those it knows. Whatever the credentials for calls are, here the user's own count.
  Task<Status> authenticate(chain::Identity identity) override {
    auto own = identity_of(CredentialSource::Found{identity.user, identity.password});
    auto found = co_await upstream::discover(std::move(own), identity.user, url_);
    if (found || found.error().code == Errc::not_found || found.error().code == Errc::unsupported) co_return Status{};
    co_return found.error();
  }

  Task<Result<chain::MailboxInfo>> locate(chain::Identity identity) override {
    auto who = identity_of(identity);
    if (!who) co_return who.error();
    auto found = co_await upstream::discover_once(std::move(*who), identity.user, url_);
    if (!found) co_return found.error();
    if (!found->redirect_address.empty() || !found->redirect_url.empty()) {
      if (auto allowed = may_lead_on(*found); !allowed) co_return allowed.error();
      chain::MailboxInfo out;
      out.redirect_address = found->redirect_address;
      if (out.redirect_address.empty()) out.redirect_url = found->redirect_url;
      co_return out;
    }
    co_return chain::MailboxInfo{found->display_name, found->address, found->legacy_dn};
  }

  Task<Result<chain::WebPlaces>> web_places(chain::Identity identity) override {
    chain::WebPlaces out;
    if (!web_) co_return out;
    auto who = identity_of(identity);
    if (!who) co_return out;  // somebody who came without a password is told of nothing that would fail
    auto found = co_await upstream::discover(std::move(*who), identity.user, url_);
    if (!found) co_return found.error();
    // Its hosts have several names; requests go to the one that the config gives.
    const auto place = [](const std::string& text) {
      const auto url = io::parse_url(text);
      return url && chain::is_web_target(url->target) ? url->target : std::string();
    };
    out.ews = place(found->ews_url);
    out.oab = place(found->oab_url);
    co_return out;
  }

  Task<Result<std::unique_ptr<chain::WebAnswer>>> web_request(chain::Identity identity, chain::WebRequest request) override {
    if (!web_) co_return error(Errc::unsupported, "web services are not passed on");
    const auto own = identity_of(identity);
    if (!own) co_return own.error();
    auto url = io::parse_url(url_ + request.target);
    if (!url) co_return url.error();
    io::HttpRequest passed;
    passed.method = std::move(request.method);
    passed.url = std::move(*url);
    passed.headers = std::move(request.headers);
    passed.body = request.body;
    io::RequestOptions limits;
    limits.limit = limit_;
    limits.inter_byte = silence_;
    const bool has_body = passed.method != "HEAD";
    auto begun = co_await (*own)->open(std::move(passed), limits);
    if (!begun) co_return begun.error();
    if ((*begun)->status == 401) co_return error(Errc::denied, "the upstream's web services refuse {}", identity.user);
    if (has_body && announced_length((*begun)->fields) > max_web_reply_)
      co_return error(Errc::limit, "the upstream's web services answer with more than {} bytes", max_web_reply_);
    std::unique_ptr<chain::WebAnswer> answer = std::make_unique<PassedAnswer>(std::move(*begun), silence_, max_web_reply_);
    co_return answer;
  }

  Status can_pin() const override { return takes_the_users_own(credentials_); }
  bool carries_mapi_http() const override { return true; }
  Result<std::shared_ptr<chain::PinnedConnection>> pin(std::string scheme, std::function<void()> close_client) override {
    return pins_->pin(std::move(scheme), std::move(close_client));
  }

 private:
  // An address leads back here where this gateway answers for its domain; a URL leads around it.
  Status may_lead_on(const upstream::DiscoveredMailbox& found) const {
    if (!found.redirect_address.empty()) return {};
    if (rewrite_) return error(Errc::unsupported, "the upstream's Autodiscover leads to {}, around this gateway; give the users of that server a route of their own", found.redirect_url);
    if (!lower_ascii(found.redirect_url).starts_with("https://"))
      return error(Errc::unsupported, "the upstream's Autodiscover leads to {}, where a password would be seen by others", found.redirect_url);
    return {};
  }

  // Where the client logged on itself, that counts.
  std::shared_ptr<upstream::HttpIdentity> pinned(const std::shared_ptr<chain::PinnedConnection>& connection) const {
    return credentials_.passes_on() ? pins_->identity_of(connection) : nullptr;
  }
  Result<std::shared_ptr<upstream::HttpIdentity>> identity_of(const chain::Identity& who) const {
    if (auto own = pinned(who.pinned)) return own;
    const auto found = credentials_.of(who);
    if (!found) return found.error();
    return identity_of(*found);
  }
  std::shared_ptr<upstream::HttpIdentity> identity_of(const CredentialSource::Found& found) const {
    return upstream::make_http_identity(auth_, client_, {found.user, found.password, found.ticket}, runtime_);
  }

  static upstream::HttpAuth http_auth(const Settings& settings) {
    const auto& auth = settings.text("auth");
    return auth == "ntlm" ? upstream::HttpAuth::ntlm : auth == "negotiate" || auth == "kerberos" ? upstream::HttpAuth::negotiate : upstream::HttpAuth::basic;
  }

  io::Runtime& runtime_;
  CredentialSource credentials_;
  upstream::HttpAuth auth_;
  std::string url_;  // "https://host:port"
  Duration limit_, silence_;
  std::size_t max_reply_;
  bool rewrite_;
  bool web_;
  std::size_t max_web_reply_;
  std::shared_ptr<io::HttpClient> client_;
  std::shared_ptr<upstream::PinnedConnections> pins_;
};

class RpcUpstream final : public Upstream {
 public:
  RpcUpstream(const chain::Environment& environment, const Settings& settings)
      : runtime_(environment.runtime), credentials_(settings), ports_(std::make_shared<upstream::RpcPorts>()) {
    const auto port = [&](const char* name) { return static_cast<std::uint16_t>(settings.number(name)); };
    server_.host = settings.text("server");
    if (settings.text("transport") == "rpchttp") {
      auto url = io::parse_url(settings.text("url"));
      if (!url) throw std::runtime_error("transport = \"rpchttp\" wants the url of the proxy");
      auto proxy = std::make_shared<upstream::RpcProxy>();
      proxy->server = server_.host;
      proxy->url = std::move(*url);
      proxy->tls = tls_for(environment, settings);
      const auto& way = settings.text("http_auth");
      proxy->auth = way == "ntlm" ? upstream::HttpAuth::ntlm : way == "negotiate" ? upstream::HttpAuth::negotiate : upstream::HttpAuth::basic;
      if (server_.host.empty()) server_.host = proxy->url.host;
      // Its connections are made with whoever logs on by them; a logon is tried where the mailboxes are.
      auto pins = pin_options(environment, settings);
      pins.rpc = true;
      pins.place = proxy->url;
      const auto mailboxes = static_cast<std::uint16_t>(settings.number("emsmdb_port"));
      pins.place.target = upstream::rpc_proxy_target(proxy->url, proxy->server, mailboxes == 0 ? 6001 : mailboxes);
      pins_ = upstream::PinnedConnections::create(environment.runtime, client_for(environment, settings, proxy->tls), environment.metrics, std::move(pins));
      proxy_url_ = (proxy->url.tls ? "https://" : "http://") + proxy->url.authority();
      server_.proxy = std::move(proxy);
    }
    if (server_.host.empty()) throw std::runtime_error("transport = \"rpctcp\" wants a server");
    server_.epm_port = port("epm_port");
    server_.ports = {port("emsmdb_port"), port("nspi_port"), port("rfr_port")};
    server_.principal_host = settings.text("principal_host");
    const auto& auth = settings.text("auth");
    server_.auth = auth == "kerberos" ? upstream::AuthType::kerberos : auth == "negotiate" ? upstream::AuthType::spnego : upstream::AuthType::ntlm;
    const auto& level = settings.text("protection");
    server_.level = level == "connect"     ? upstream::AuthLevel::connect
                    : level == "integrity" ? upstream::AuthLevel::integrity
                                           : upstream::AuthLevel::privacy;
    if (level == "connect") log::warning("module {}: calls to the upstream are neither signed nor encrypted", environment.name);
    server_.connect_limit = settings.duration("connect_limit");
    server_.call_limit = settings.duration("call_limit");
    server_.max_reply = static_cast<std::size_t>(settings.number("max_reply"));
  }

  Result<std::shared_ptr<upstream::Session>> open(const chain::Session& session, const chain::ClientInfo& client) override {
    auto dialer = pinned(client.pinned) != nullptr ? passing_dialer(session.identity()) : dialer_for(session.identity());
    if (!dialer) return dialer.error();
    std::shared_ptr<upstream::Session> made = session.interface() == chain::Interface::emsmdb
                                                  ? upstream::make_rpc_mailbox_session(std::move(*dialer))
                                                  : upstream::make_rpc_address_book_session(std::move(*dialer));
    return made;
  }

  Task<Status> authenticate(chain::Identity identity) override {
    auto server = server_;
    server.credentials = {identity.user, identity.password};  // the user's own, whatever those for calls are
    upstream::RpcDialer dialer(runtime_, std::move(server), ports_);
    auto checked = co_await upstream::check_rpc_credentials(dialer);
    co_return checked;
  }

  // The address book says what DN the mailbox is asked for by; there is no other way without Autodiscover.
  Task<Result<chain::MailboxInfo>> locate(chain::Identity identity) override {
    // That would take two connections, and who logs on himself has one: it will do for Autodiscover.
    if (auto own = pinned(identity.pinned)) {
      auto found = co_await upstream::discover_once(std::move(own), identity.user, proxy_url_);
      if (!found) co_return found.error();
      if (!found->redirect_address.empty() || !found->redirect_url.empty())
        co_return error(Errc::unsupported, "the upstream's Autodiscover leads elsewhere; give the users of that server a route of their own");
      co_return chain::MailboxInfo{found->display_name, found->address, found->legacy_dn};
    }
    auto dialer = dialer_for(identity);
    if (!dialer) co_return dialer.error();
    upstream::AddressBookClient book(upstream::make_rpc_address_book_session(std::move(*dialer)));
    auto bound = co_await book.bind();
    if (!bound) co_return bound.error();
    auto dn = co_await book.legacy_dn(identity.user);
    auto gone = co_await book.unbind();
    (void)gone;  // its answer is here
    if (!dn) co_return dn.error();
    co_return chain::MailboxInfo{identity.user, identity.user, std::move(*dn)};
  }

  Status can_pin() const override {
    if (pins_ == nullptr) return Upstream::can_pin();
    return takes_the_users_own(credentials_);
  }
  Result<std::shared_ptr<chain::PinnedConnection>> pin(std::string scheme, std::function<void()> close_client) override {
    if (auto possible = can_pin(); !possible) return possible.error();
    return pins_->pin(std::move(scheme), std::move(close_client));
  }

 private:
  // Where the client logged on itself, that counts.
  std::shared_ptr<upstream::HttpIdentity> pinned(const std::shared_ptr<chain::PinnedConnection>& connection) const {
    return pins_ != nullptr && credentials_.passes_on() ? pins_->identity_of(connection) : nullptr;
  }
  Result<std::unique_ptr<upstream::RpcDialer>> passing_dialer(const chain::Identity& identity) const {
    auto server = server_;
    server.pins = pins_;
    server.credentials.user = identity.user;
    return std::make_unique<upstream::RpcDialer>(runtime_, std::move(server), ports_);
  }
  Result<std::unique_ptr<upstream::RpcDialer>> dialer_for(const chain::Identity& identity) const {
    const auto found = credentials_.of(identity);
    if (!found) return found.error();
    auto server = server_;
    server.credentials = {found->user, found->password, found->ticket};
    return std::make_unique<upstream::RpcDialer>(runtime_, std::move(server), ports_);
  }

  io::Runtime& runtime_;
  CredentialSource credentials_;
  upstream::RpcServer server_;  // without credentials
  std::shared_ptr<upstream::PinnedConnections> pins_;  // of rpchttp
  std::string proxy_url_;                              // "https://host:port"
  std::shared_ptr<upstream::RpcPorts> ports_;
};

}  // namespace

Task<Result<chain::WebPlaces>> Upstream::web_places(chain::Identity) { co_return chain::WebPlaces(); }
Task<Result<std::unique_ptr<chain::WebAnswer>>> Upstream::web_request(chain::Identity, chain::WebRequest) {
  co_return error(Errc::unsupported, "web services are not passed on over DCE/RPC");
}

Status Upstream::can_pin() const { return error(Errc::unsupported, "the transport has to be \"mapihttp\" or \"rpchttp\""); }
Result<std::shared_ptr<chain::PinnedConnection>> Upstream::pin(std::string, std::function<void()>) { return can_pin().error(); }

std::unique_ptr<Upstream> make_http_upstream(const chain::Environment& environment, const Settings& settings) {
  const auto& url = settings.text("url");
  if (url.empty()) throw std::runtime_error("transport = \"mapihttp\" wants a url");
  if (auto parsed = io::parse_url(url); !parsed) throw std::runtime_error(parsed.error().message);
  return std::make_unique<HttpUpstream>(environment, settings);
}

std::unique_ptr<Upstream> make_rpc_upstream(const chain::Environment& environment, const Settings& settings) {
  return std::make_unique<RpcUpstream>(environment, settings);
}

}  // namespace mapigate::relay
