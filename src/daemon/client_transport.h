// How `mapigate client` finds a mailbox, and the sessions to it over the transport that was chosen.
#pragma once

#include "daemon/client.h"
#include "upstream/autodiscover.h"
#include "upstream/session.h"

namespace mapigate::upstream {
class RpcDialer;
struct RpcPorts;
}  // namespace mapigate::upstream
namespace mapigate::io {
class HttpClient;
class TlsClientContext;
class Runtime;
}  // namespace mapigate::io

namespace mapigate::daemon {

class ClientTransport {
 public:
  // All have to outlive it.
  ClientTransport(const ClientOptions& options, io::Runtime& runtime, std::shared_ptr<io::HttpClient> http,
                  std::shared_ptr<io::TlsClientContext> tls, Secret password);

  // By Autodiscover, at last where the service record of the domain or plain HTTP leads; with --rpc-server by the address book there, as Outlook does without Autodiscover.
  io::Task<Result<upstream::DiscoveredMailbox>> find();
  io::Task<Result<std::unique_ptr<upstream::Session>>> mailbox_session(upstream::DiscoveredMailbox mailbox);
  io::Task<Result<std::unique_ptr<upstream::Session>>> address_book_session(upstream::DiscoveredMailbox mailbox);
  // Of the web services and of downloads. Never null.
  std::shared_ptr<upstream::HttpIdentity> http_identity() const;

 private:
  std::unique_ptr<upstream::Session> http_session(const io::Url& endpoint) const;
  Result<std::unique_ptr<upstream::RpcDialer>> dialer(const upstream::DiscoveredMailbox& mailbox, const std::string& host);
  io::Task<Result<upstream::DiscoveredMailbox>> find_in_address_book();
  io::Task<Result<std::vector<std::string>>> places_by_dns(std::string domain);

  const ClientOptions& options_;
  io::Runtime& runtime_;
  std::shared_ptr<io::HttpClient> http_;
  std::shared_ptr<io::TlsClientContext> tls_;
  Secret password_;
  std::shared_ptr<upstream::RpcPorts> ports_;
};

}  // namespace mapigate::daemon
