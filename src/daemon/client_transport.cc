#include "daemon/client_transport.h"

#include "daemon/dns_client.h"
#include "io/runtime.h"
#include "upstream/address_book_client.h"
#include "upstream/mapi_http_session.h"
#include "upstream/rpc_dialer.h"

namespace mapigate::daemon {

using upstream::DiscoveredMailbox;
constexpr unsigned most_redirects = 10;  // [MS-OXDISCO] 3.1.5: some limit has to end them

using SessionResult = Result<std::unique_ptr<upstream::Session>>;

ClientTransport::ClientTransport(const ClientOptions& options, io::Runtime& runtime, std::shared_ptr<io::HttpClient> http,
                                 std::shared_ptr<io::TlsClientContext> tls, Secret password)
    : options_(options), runtime_(runtime), http_(std::move(http)), tls_(std::move(tls)), password_(std::move(password)),
      ports_(std::make_shared<upstream::RpcPorts>()) {}

io::Task<Result<DiscoveredMailbox>> ClientTransport::find() {
  if (!options_.rpc_server.empty() && options_.server.empty()) {
    auto found = co_await find_in_address_book();
    co_return found;
  }
  std::vector<upstream::MorePlaces> more;
  more.emplace_back([this](std::string domain) { return places_by_dns(std::move(domain)); });
  more.emplace_back([this](std::string domain) {
    auto url = "http://autodiscover." + domain + "/autodiscover/autodiscover.xml";
    return upstream::places_by_http(http_, std::move(url), std::move(domain));
  });
  auto found = co_await upstream::discover(http_identity(), options_.user, options_.server, most_redirects, std::move(more));
  if (found && !options_.rpc_server.empty()) found->rpc_server = options_.rpc_server;
  co_return found;
}

io::Task<Result<std::vector<std::string>>> ClientTransport::places_by_dns(std::string domain) {
  const auto ask = [domain, resolver = options_.resolver]() -> Result<std::vector<DnsRecord>> {
    auto dns = DnsClient::create(resolver);
    if (!dns) return dns.error();
    return dns->ask("_autodiscover._tcp." + domain, DnsType::SRV);
  };
  auto records = co_await io::run_blocking(runtime_, ask);
  // What the other places answered says more than that DNS does not.
  if (!records) co_return std::vector<std::string>();
  co_return autodiscover_places(std::move(*records), domain);
}

io::Task<Result<DiscoveredMailbox>> ClientTransport::find_in_address_book() {
  DiscoveredMailbox out;
  out.address = options_.user;
  out.display_name = options_.user;
  out.rpc_server = options_.rpc_server;
  out.legacy_dn = options_.user_dn;
  out.source = "the command line";
  if (!out.legacy_dn.empty()) co_return out;
  auto session = co_await address_book_session(out);
  if (!session) co_return session.error();
  upstream::AddressBookClient book(std::move(*session));
  auto done = co_await book.bind();
  if (!done) co_return std::move(done.error()).within("bind");
  auto dn = co_await book.legacy_dn(options_.user);
  auto gone = co_await book.unbind();
  (void)gone;
  if (!dn) co_return dn.error();
  out.legacy_dn = std::move(*dn);
  out.source = "the address book of " + options_.rpc_server;
  co_return out;
}

// Autodiscover and MAPI over HTTP know Basic, NTLM and Negotiate; to find a mailbox for DCE/RPC, Basic does where there is a
// password.
std::shared_ptr<upstream::HttpIdentity> ClientTransport::http_identity() const {
  auto how = upstream::HttpAuth::basic;
  if (options_.transport == "mapihttp" && options_.auth == "ntlm") how = upstream::HttpAuth::ntlm;
  const bool tickets = options_.auth == "negotiate" || options_.auth == "kerberos";
  if (tickets && (options_.transport == "mapihttp" || password_.empty())) how = upstream::HttpAuth::negotiate;
  return upstream::make_http_identity(how, http_, {options_.user, password_, nullptr, options_.delegate}, runtime_);
}

std::unique_ptr<upstream::Session> ClientTransport::http_session(const io::Url& endpoint) const {
  upstream::SessionOptions options;
  options.endpoint = endpoint;
  return std::make_unique<upstream::MapiHttpSession>(http_identity(), std::move(options));
}

Result<std::unique_ptr<upstream::RpcDialer>> ClientTransport::dialer(const DiscoveredMailbox& mailbox, const std::string& host) {
  std::shared_ptr<upstream::RpcProxy> proxy;
  if (options_.transport == "rpchttp") {
    auto place = options_.rpc_proxy;
    if (place.empty() && !mailbox.rpc_proxy.empty()) place = "https://" + mailbox.rpc_proxy;
    if (place.empty())
      return error(Errc::not_found, "autodiscover offers no DCE/RPC over HTTP; --rpc-proxy URL says where it is");
    auto url = io::parse_url(place);
    if (!url) return url.error();
    proxy = std::make_shared<upstream::RpcProxy>();
    proxy->url = std::move(*url);
    proxy->server = host;
    proxy->tls = tls_;
    proxy->auth = options_.http_auth == "ntlm"        ? upstream::HttpAuth::ntlm
                  : options_.http_auth == "negotiate" ? upstream::HttpAuth::negotiate
                                                      : upstream::HttpAuth::basic;
  }
  if (proxy == nullptr && host.empty()) return error(Errc::not_found, "autodiscover offers no DCE/RPC over TCP; --rpc-server HOST says where it is");
  upstream::RpcServer server;
  server.host = host.empty() ? proxy->url.host : host;
  server.proxy = proxy;
  server.epm_port = options_.epm_port;
  server.ports = {options_.rpc_port, options_.nspi_port, options_.rfr_port};
  server.auth = upstream::AuthType::ntlm;
  if (options_.auth == "kerberos") server.auth = upstream::AuthType::kerberos;
  else if (options_.auth == "negotiate") server.auth = upstream::AuthType::spnego;
  else if (options_.auth == "none") server.auth = upstream::AuthType::none;
  server.level = upstream::AuthLevel::privacy;
  if (options_.protection == "packet") server.level = upstream::AuthLevel::packet;
  else if (options_.protection == "integrity") server.level = upstream::AuthLevel::integrity;
  else if (options_.protection == "connect") server.level = upstream::AuthLevel::connect;
  server.credentials = {options_.user, password_, nullptr, options_.delegate};
  return std::make_unique<upstream::RpcDialer>(runtime_, std::move(server), ports_);
}

io::Task<SessionResult> ClientTransport::mailbox_session(DiscoveredMailbox mailbox) {
  if (options_.transport == "mapihttp") {
    if (!mailbox.mapi_http) co_return error(Errc::not_found, "autodiscover offers no MAPI over HTTP; try --transport rpctcp");
    co_return http_session(mailbox.mail_store);
  }
  auto made = dialer(mailbox, mailbox.rpc_server);
  if (!made) co_return made.error();
  co_return upstream::make_rpc_mailbox_session(std::move(*made));
}

io::Task<SessionResult> ClientTransport::address_book_session(DiscoveredMailbox mailbox) {
  if (options_.transport == "mapihttp") {
    if (!mailbox.mapi_http) co_return error(Errc::not_found, "autodiscover offers no MAPI over HTTP; try --transport rpctcp");
    co_return http_session(mailbox.address_book);
  }
  auto made = dialer(mailbox, mailbox.rpc_server);
  if (!made) co_return made.error();
  // As Outlook does: the referral service says which server's address book is to be used.
  if (!mailbox.legacy_dn.empty() && options_.rpc_server.empty()) {
    auto referred = co_await upstream::refer_to_address_book(**made, mailbox.legacy_dn);
    if (!referred) co_return referred.error();
    made = dialer(mailbox, *referred);
    if (!made) co_return made.error();
  }
  co_return upstream::make_rpc_address_book_session(std::move(*made));
}

}  // namespace mapigate::daemon
