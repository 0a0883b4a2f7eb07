// Asks a DNS server (RFC 1035) over UDP: what `mapigate check --dns` and the client's Autodiscover need, and no more. Blocking, with
// a deadline.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace mapigate::daemon {

enum class DnsType : std::uint16_t { A = 1, CNAME = 5, MX = 15, AAAA = 28, SRV = 33 };

struct DnsRecord {
  std::string name;    // lower case, without the last dot
  DnsType type{};
  std::string value;   // an address, or the host that CNAME, MX and SRV name
  std::uint16_t priority = 0, weight = 0, port = 0;  // of MX and SRV
};

class DnsClient {
 public:
  // "ADDRESS", "ADDRESS:PORT" or "[ADDRESS]:PORT"; empty: the first nameserver of /etc/resolv.conf.
  static Result<DnsClient> create(const std::string& server);

  // The records of the answer, those that a CNAME leads to among them. None when there are none or the name does
  // not exist; Errc::unavailable or timeout when the server does not say.
  Result<std::vector<DnsRecord>> ask(const std::string& name, DnsType type) const;
  const std::string& server() const { return server_; }

 private:
  std::string server_, address_;
  std::uint16_t port_ = 53;
};

// Where the records of _autodiscover._tcp.DOMAIN say that Autodiscover is ([MS-OXDISCO] 3.1.5, RFC 2782), the best first; not more
// than a few. A host outside the domain, to which whoever answers for DNS could send passwords, is Errc::unsupported.
Result<std::vector<std::string>> autodiscover_places(std::vector<DnsRecord> records, const std::string& domain);

// The two ways of a message, apart for tests.
Result<Bytes> make_dns_query(std::uint16_t id, const std::string& name, DnsType type);
Result<std::vector<DnsRecord>> parse_dns_answer(std::uint16_t id, View message);

}  // namespace mapigate::daemon
