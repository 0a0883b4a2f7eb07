#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "base/log.h"
#include "daemon/commands.h"
#include "daemon/config.h"
#include "daemon/world.h"
#include "io/http_server.h"
#include "io/runtime.h"
#include "io/tls.h"
#include "transport/gateway.h"
#include "transport/rpc/rpc.h"
#include "transport/rpc_http/rpc_http.h"

namespace mapigate::daemon {

namespace {

log::Level log_level(const Config& config) {
  const auto& name = config.section("server").text("log_level");
  if (name == "debug") return log::Level::debug;
  if (name == "warning") return log::Level::warning;
  if (name == "error") return log::Level::error;
  return log::Level::info;
}

io::TlsVersion tls_version(const std::string& name) {
  if (name == "1.0") return io::TlsVersion::tls1_0;
  if (name == "1.1") return io::TlsVersion::tls1_1;
  if (name == "1.3") return io::TlsVersion::tls1_3;
  return io::TlsVersion::tls1_2;
}

std::vector<transport::AddressRule> address_rules(const std::vector<std::string>& lines) {
  std::vector<transport::AddressRule> out;
  for (const auto& line : lines)
    if (auto rule = transport::parse_address_rule(line)) out.push_back(std::move(*rule));  // check_rules() has told of others
  return out;
}

transport::GatewayOptions gateway_options(const Config& config) {
  const auto& https = config.section("https");
  const auto& sessions = config.section("sessions");
  const auto& auth = config.section("auth");
  transport::GatewayOptions out;
  out.server_name = https.text("external_host");
  out.external_port = static_cast<std::uint16_t>(https.number("external_port"));
  out.default_domain = config.section("server").text("default_domain");
  out.nt_domain = config.section("rpc").text("nt_domain");
  out.autodiscover.redirects = address_rules(config.section("autodiscover").list("redirects"));
  out.autodiscover.protocols = address_rules(config.section("autodiscover").list("protocols"));
  out.autodiscover.shared_mailboxes = config.section("autodiscover").boolean("shared_mailboxes");
  const auto& oab = config.section("oab");
  out.services.oab = oab.boolean("enabled");
  out.oab.folder = config.section("server").text("state_dir") + "/oab";
  out.oab.check_interval = oab.duration("check_interval");
  out.oab.patches = static_cast<std::size_t>(oab.number("patches"));
  out.pending_period = sessions.duration("pending_period");
  out.execute_limit = sessions.duration("execute_limit");
  out.services.ews = true;
  out.request_body_limit = static_cast<std::size_t>(https.number("max_body"));
  out.sessions.expiration = sessions.duration("expiration");
  out.sessions.grace = sessions.duration("grace");
  out.sessions.sessions = static_cast<std::size_t>(sessions.number("max"));
  out.sessions.sessions_per_user = static_cast<std::size_t>(sessions.number("max_per_user"));
  out.sessions.waits = static_cast<int>(sessions.number("max_waits"));
  for (const auto& scheme : auth.list("schemes")) {
    if (scheme == "ntlm") out.schemes.ntlm = true;
    else if (scheme == "negotiate") out.schemes.negotiate = true;
  }
  const auto& schemes = auth.list("schemes");
  out.schemes.basic = std::find(schemes.begin(), schemes.end(), "basic") != schemes.end();
  out.services.rpc_http = config.section("rpc").boolean("http");
  out.services.rpc_http_auth = out.schemes.negotiate ? "Negotiate" : out.schemes.ntlm ? "Ntlm" : "Basic";
  out.auth.remember = auth.duration("remember");
  out.auth.guesses = static_cast<unsigned>(auth.number("guesses"));
  out.auth.guesses_per_peer = static_cast<unsigned>(auth.number("guesses_per_address"));
  out.auth.passed_per_peer = static_cast<std::size_t>(auth.number("passed_per_address"));
  out.auth.window = auth.duration("window");
  return out;
}

transport::RpcProtection rpc_protection(const std::string& name) {
  if (name == "integrity") return transport::RpcProtection::integrity;
  if (name == "privacy") return transport::RpcProtection::privacy;
  return transport::RpcProtection::connect;
}

transport::RpcOptions rpc_options(const Settings& rpc) {
  const auto port = [&](const char* name) { return static_cast<std::uint16_t>(rpc.number(name)); };
  transport::RpcOptions out;
  out.address = rpc.text("address");
  out.epm_port = port("epm_port");
  out.emsmdb_port = port("emsmdb_port");
  out.nspi_port = port("nspi_port");
  out.rfr_port = port("rfr_port");
  out.accounts = rpc.text("accounts");
  for (const auto& word : rpc.list("ntlm_helper"))
    if (!word.empty()) out.ntlm_helper.push_back(word);
  out.nt_domain = rpc.text("nt_domain");
  out.protection = rpc_protection(rpc.text("protection"));
  out.connections = static_cast<std::size_t>(rpc.number("max_connections"));
  out.calls = static_cast<std::size_t>(rpc.number("max_calls"));
  out.fragment = static_cast<std::uint16_t>(rpc.number("max_fragment"));
  out.request = static_cast<std::size_t>(rpc.number("max_request"));
  out.bind_limit = rpc.duration("bind_limit");
  out.idle = rpc.duration("idle_limit");
  return out;
}

transport::RpcHttpOptions rpc_http_options(const Settings& rpc) {
  transport::RpcHttpOptions out;
  out.connections = static_cast<std::size_t>(rpc.number("http_max_connections"));
  out.lifetime = static_cast<std::uint32_t>(rpc.number("http_lifetime"));
  out.window = static_cast<std::uint32_t>(rpc.number("http_window"));
  out.timeout = rpc.duration("http_timeout");
  out.keepalive = rpc.duration("http_keepalive");
  out.setup_limit = rpc.duration("http_setup_limit");
  return out;
}

io::HttpLimits http_limits(const Settings& https) {
  io::HttpLimits limits;
  limits.header_bytes = static_cast<std::size_t>(https.number("max_header"));
  limits.body_bytes = static_cast<std::size_t>(https.number("max_body"));
  limits.all_bodies_bytes = static_cast<std::size_t>(https.number("max_bodies"));
  limits.connections = static_cast<std::size_t>(https.number("max_connections"));
  limits.handshake_limit = https.duration("handshake_limit");
  limits.header_limit = https.duration("header_limit");
  limits.body_grace = https.duration("body_limit");
  limits.idle_limit = https.duration("idle_limit");
  limits.write_limit = https.duration("write_limit");
  return limits;
}

// Tells systemd (Type=notify) how it stands; nothing where there is none.
void notify_service_manager(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  if (path == nullptr || std::string_view(path).size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::string_view(path).copy(address.sun_path, sizeof address.sun_path - 1);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::string_view(path).size());
  (void)sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), length);
  close(fd);
}

// Passwords live in this process: no core dump, no debugger of the same user.
void protect_secrets() {
  prctl(PR_SET_DUMPABLE, 0);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

// As many descriptors as the system lets us have: each client holds several connections.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

class Daemon {
 public:
  explicit Daemon(Config config)
      : config_(std::move(config)),
        runtime_(io::RuntimeOptions{static_cast<unsigned>(config_.section("server").number("threads")),
                                    static_cast<unsigned>(config_.section("server").number("workers"))}) {}

  // Servers and sessions go before the components they use; those before the loops.
  ~Daemon() {
    servers_.clear();
    rpc_http_.reset();
    rpc_.reset();
  }

  Status start() {
    if (auto problem = check_rules(config_); !problem) return problem;
    std::error_code problem;
    const auto& state_dir = config_.section("server").text("state_dir");
    std::filesystem::create_directories(state_dir, problem);
    if (problem) return error(Errc::denied, "{}: cannot make the folder {}: {}", config_.file, state_dir, problem.message());
    chmod(state_dir.c_str(), 0700);
    auto world = World::build(config_, runtime_, metrics_);
    if (!world) return world.error();
    world_ = std::move(*world);
    auto options = gateway_options(config_);
    options.oab.address_books = [this] { return world_->address_books(); };
    if (const auto* relay = logon_relay(); relay != nullptr && !relay->carries_mapi_http()) options.services.mapi_http = false;
    gateway_ = std::make_unique<transport::Gateway>(runtime_, metrics_, std::move(options),
                                                    [this](std::string_view user) { return world_->route(user); });
    if (auto passing = pass_logons(); !passing) return passing;
    if (auto listening = listen_http(); !listening) return listening;
    if (auto listening = listen_rpc(); !listening) return listening;
    if (auto listening = listen_https(); !listening) return listening;
    // Only now: it asks what the two have made.
    io::spawn(runtime_.executor(), gateway_->housekeeping());
    io::spawn(runtime_.executor(), gateway_->publish());
    return listen_metrics();
  }

  int run() {
    runtime_.on_signal(SIGINT, [this] { begin_stop(); });
    runtime_.on_signal(SIGTERM, [this] { begin_stop(); });
    runtime_.on_signal(SIGHUP, [this] { reload(); });
    std::puts("ready");
    std::fflush(stdout);
    notify_service_manager("READY=1");
    runtime_.run();
    log::info("stopped");
    return 0;
  }

 private:
  Status listen_https() {
    const auto& https = config_.section("https");
    io::TlsServerOptions tls;
    tls.certificate_file = https.text("certificate");
    tls.key_file = https.text("private_key");
    tls.minimum = tls_version(https.text("tls_minimum"));
    auto context = io::TlsServerContext::create(tls);
    if (!context) return error(Errc::malformed, "{}: [https]: {}", config_.file, context.error().message);
    tls_ = *context;
    return listen(https.list("listen"), tls_, "https", [this](io::HttpExchange& exchange) { return gateway_->handle(exchange); });
  }

  Status listen_rpc() {
    const auto& rpc = config_.section("rpc");
    auto options = rpc_options(rpc);
    options.keytab = config_.section("auth").text("keytab");
    options.realm = config_.section("auth").text("realm");
    if (const auto& name = rpc.text("accounts_directory"); !name.empty()) {
      options.directory = dynamic_cast<directory::NtHashes*>(world_->find(name));
      if (options.directory == nullptr) return error(Errc::malformed, "{}: [rpc]: accounts_directory: no module \"{}\" knows NT hashes", config_.file, name);
    }
    const bool http = rpc.boolean("http");
    const auto& schemes = gateway_->options().schemes;
    if (options.address.empty() && !http && !schemes.ntlm && !schemes.negotiate) return {};
    auto server = transport::RpcServer::start(*gateway_, options);
    if (!server) return error(server.error().code, "{}: [rpc]: {}", config_.file, server.error().message);
    rpc_ = std::move(*server);
    gateway_->log_on_by([this](transport::AuthScheme scheme, std::string peer) { return rpc_->begin_logon(scheme, std::move(peer)); });
    if (http) {
      rpc_http_ = std::make_unique<transport::RpcHttp>(*gateway_, *rpc_, rpc_http_options(rpc));
      gateway_->serve_rpc_http(rpc_http_.get());
    }
    return {};
  }

  // Null: there is none, or it cannot.
  chain::LogonRelay* logon_relay() {
    const auto& name = config_.section("auth").text("pass_to");
    return name.empty() ? nullptr : dynamic_cast<chain::LogonRelay*>(world_->find(name));
  }

  Status pass_logons() {
    const auto& name = config_.section("auth").text("pass_to");
    if (name.empty()) return {};
    auto* relay = logon_relay();
    const auto possible = relay == nullptr ? Status(error(Errc::unsupported, "it is no relay")) : relay->can_pin();
    if (!possible) return error(Errc::malformed, "{}: [auth]: \"pass_to\": no logons can be passed to \"{}\": {}", config_.file, name, possible.error().message);
    if (!relay->carries_mapi_http() && !config_.section("rpc").boolean("http"))
      return error(Errc::malformed, "{}: [auth]: \"pass_to\": to the upstream of \"{}\" clients log on by RPC over HTTP: [rpc] http = true is wanted", config_.file, name);
    gateway_->pass_logons_to(relay);
    return {};
  }

  Status listen_http() {
    const auto& places = config_.section("autodiscover").list("http_listen");
    return listen(places, nullptr, "autodiscover", [this](io::HttpExchange& exchange) {
      return transport::handle_autodiscover_redirect(gateway_->options(), exchange);
    });
  }

  Status listen_metrics() {
    return listen(config_.section("metrics").list("listen"), nullptr, "metrics",
                  [this](io::HttpExchange& exchange) { return answer_metrics(exchange); });
  }

  Status listen(const std::vector<std::string>& places, std::shared_ptr<io::TlsServerContext> tls, const std::string& name,
                io::HttpHandler handler) {
    for (const auto& place : places) {
      if (place.empty()) continue;
      const auto parsed = parse_listen(place);
      if (!parsed) return error(Errc::malformed, "{}: [{}]: listen: {}", config_.file, name, parsed.error().message);
      io::ListenOptions options;
      options.address = parsed->address;
      options.port = parsed->port;
      options.tls = tls;
      options.limits = http_limits(config_.section("https"));
      options.metrics = &metrics_;
      options.name = name;
      if (rpc_http_ && tls) options.streams = transport::RpcHttp::is_channel;
      auto server = io::HttpServer::listen(runtime_, options, handler);
      if (!server) return error(Errc::unavailable, "{}: [{}]: cannot listen on {}: {}", config_.file, name, place, server.error().message);
      log::info("{} listens on {}", name, place);
      servers_.push_back(std::move(*server));
    }
    return {};
  }

  io::Task<> answer_metrics(io::HttpExchange& exchange) {
    const io::HttpHeaders headers{{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}};
    std::string text = "ok\n";
    unsigned status = 200;
    if (exchange.path() == "/metrics") text = metrics_.to_prometheus();
    else if (exchange.path() != "/healthz") status = 404, text = "Try /metrics or /healthz.\n";
    else if (stopping_) status = 503, text = "stopping\n";
    const auto sent = co_await exchange.respond(status, headers, text);
    (void)sent;  // the asker has gone
  }

  void begin_stop() {
    if (stopping_.exchange(true)) return;
    log::info("stopping: requests in progress may end");
    notify_service_manager("STOPPING=1");
    io::spawn(runtime_.executor(), stop());
  }

  io::Task<> stop() {
    const Duration grace = config_.section("server").duration("shutdown_grace");
    if (rpc_http_) rpc_http_->end_all();
    for (auto& server : servers_) co_await server->stop(grace);
    if (rpc_) rpc_->stop();
    gateway_->end_all_sessions();
    // Modules say good-bye to their backends.
    co_await io::sleep_for(std::chrono::milliseconds(200));
    runtime_.stop();
  }

  void reload() {
    notify_service_manager("RELOADING=1");
    auto config = read_config(config_.file);
    if (!config) {
      log::error("reload: {}; the old configuration stays", config.error().message);
    } else if (auto changed = world_->reload(*config); !changed) {
      log::error("reload: {}; the old configuration stays", changed.error().message);
    } else {
      for (const auto& name : *changed) log::warning("reload: the new settings of [modules.{}] take effect with a restart", name);
      log::set_level(log_level(*config));
      if (auto read = tls_->reload(); !read) log::error("reload: {}; the old certificate stays", read.error().message);
      log::info("reloaded {}", config_.file);
    }
    notify_service_manager("READY=1");
  }

  Config config_;
  Metrics metrics_;
  io::Runtime runtime_;
  std::shared_ptr<io::TlsServerContext> tls_;
  std::unique_ptr<World> world_;
  std::unique_ptr<transport::Gateway> gateway_;
  std::vector<std::unique_ptr<io::HttpServer>> servers_;
  std::unique_ptr<transport::RpcServer> rpc_;
  std::unique_ptr<transport::RpcHttp> rpc_http_;
  std::atomic<bool> stopping_{false};
};

}  // namespace

int serve_command(const std::string& config_file) {
  protect_secrets();
  raise_descriptor_limit();
  umask(0077);
  auto config = read_config(config_file);
  if (!config) {
    fmt::print(stderr, "mapigate: {}\n", config.error().message);
    return 1;
  }
  log::set_level(log_level(*config));
  Daemon daemon(std::move(*config));
  if (auto started = daemon.start(); !started) {
    fmt::print(stderr, "mapigate: {}\n", started.error().message);
    return 1;
  }
  return daemon.run();
}

}  // namespace mapigate::daemon
