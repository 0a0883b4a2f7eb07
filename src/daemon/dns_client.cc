#include "daemon/dns_client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <random>
#include <tuple>

#include "base/text.h"

namespace mapigate::daemon {

namespace {

constexpr int tries = 2, patience_milliseconds = 3000;
constexpr std::uint16_t internet = 1;
constexpr unsigned name_error = 3;  // RCODE: no such name, which is an answer too

// Big-endian reading that stops at the end.
class Reader {
 public:
  explicit Reader(View message) : message_(message) {}
  bool ok() const { return ok_; }
  std::size_t at() const { return at_; }
  void go(std::size_t place) { at_ = place; }

  std::uint16_t u16() {
    if (at_ + 2 > message_.size()) return ok_ = false, std::uint16_t{0};
    const auto out = static_cast<std::uint16_t>(message_[at_] << 8 | message_[at_ + 1]);
    at_ += 2;
    return out;
  }
  View bytes(std::size_t count) {
    if (at_ + count > message_.size()) return ok_ = false, View();
    const auto out = message_.subspan(at_, count);
    at_ += count;
    return out;
  }
  // A name, with pointers to earlier ones (RFC 1035 4.1.4); these only lead backwards, so that none goes round.
  std::string name() {
    std::string out;
    auto place = at_;
    auto limit = place;
    bool jumped = false;
    for (;;) {
      if (place >= message_.size() || out.size() > 255) return ok_ = false, std::string();
      const std::size_t length = message_[place];
      if ((length & 0xC0) == 0xC0) {
        if (place + 1 >= message_.size()) return ok_ = false, std::string();
        const std::size_t target = (length & 0x3F) << 8 | message_[place + 1];
        if (!jumped) at_ = place + 2;
        if (target >= limit) return ok_ = false, std::string();
        jumped = true;
        limit = place = target;
        continue;
      }
      if (length > 63 || place + 1 + length > message_.size()) return ok_ = false, std::string();
      if (length == 0) break;
      if (!out.empty()) out += '.';
      out += lower_ascii(as_text(message_.subspan(place + 1, length)));
      place += length + 1;
    }
    if (!jumped) at_ = place + 1;
    return out;
  }

 private:
  View message_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

std::string address_of(int family, View bytes) {
  if (bytes.empty()) return {};  // cut off
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(family, bytes.data(), text, sizeof text);
  return text;
}

}  // namespace

Result<Bytes> make_dns_query(std::uint16_t id, const std::string& name, DnsType type) {
  Bytes out;
  const auto u16 = [&](unsigned value) {
    out.push_back(static_cast<std::uint8_t>(value >> 8));
    out.push_back(static_cast<std::uint8_t>(value));
  };
  u16(id), u16(0x0100), u16(1), u16(0), u16(0), u16(0);  // one question; recursion desired
  for (std::size_t start = 0; start < name.size();) {
    const auto end = std::min(name.find('.', start), name.size());
    if (end == start || end - start > 63) return error(Errc::malformed, "\"{}\" is no domain name", name);
    out.push_back(static_cast<std::uint8_t>(end - start));
    out.insert(out.end(), name.begin() + static_cast<std::ptrdiff_t>(start), name.begin() + static_cast<std::ptrdiff_t>(end));
    start = end + 1;
  }
  out.push_back(0);
  if (out.size() > 12 + 255 || name.empty()) return error(Errc::malformed, "\"{}\" is no domain name", name);
  u16(static_cast<unsigned>(type)), u16(internet);
  return out;
}

Result<std::vector<DnsRecord>> parse_dns_answer(std::uint16_t id, View message) {
  Reader in(message);
  const auto got = in.u16(), flags = in.u16(), questions = in.u16(), answers = in.u16();
  (void)in.bytes(4);
  if (!in.ok() || got != id || (flags & 0x8000) == 0) return error(Errc::malformed, "no answer to this question");
  if (const unsigned code = flags & 0xF; code != 0 && code != name_error) return error(Errc::unavailable, "the DNS server says error {}", code);
  for (unsigned i = 0; i < questions && in.ok(); ++i) (void)in.name(), (void)in.bytes(4);
  std::vector<DnsRecord> out;
  for (unsigned i = 0; i < answers && in.ok(); ++i) {
    DnsRecord record;
    record.name = in.name();
    record.type = static_cast<DnsType>(in.u16());
    (void)in.bytes(6);  // class, time to live
    const std::size_t length = in.u16();
    const auto start = in.at();
    switch (record.type) {
      case DnsType::A:
        if (length == 4) record.value = address_of(AF_INET, in.bytes(4));
        break;
      case DnsType::AAAA:
        if (length == 16) record.value = address_of(AF_INET6, in.bytes(16));
        break;
      case DnsType::CNAME: record.value = in.name(); break;
      case DnsType::MX:
        record.priority = in.u16();
        record.value = in.name();
        break;
      case DnsType::SRV:
        record.priority = in.u16(), record.weight = in.u16(), record.port = in.u16();
        record.value = in.name();
        break;
    }
    in.go(start);
    (void)in.bytes(length);
    if (in.ok() && !record.value.empty()) out.push_back(std::move(record));
  }
  if (!in.ok()) return error(Errc::malformed, "the DNS answer is cut off");
  return out;
}

Result<std::vector<std::string>> autodiscover_places(std::vector<DnsRecord> records, const std::string& domain) {
  constexpr std::size_t most = 4;
  const auto own = lower_ascii(domain);
  std::erase_if(records, [](const auto& one) { return one.type != DnsType::SRV || one.port == 0; });
  std::sort(records.begin(), records.end(), [](const auto& a, const auto& b) {
    return std::tuple(a.priority, -int{a.weight}, a.value) < std::tuple(b.priority, -int{b.weight}, b.value);
  });
  std::vector<std::string> out;
  for (const auto& one : records) {
    const auto place = fmt::format("https://{}{}", one.value, one.port == 443 ? "" : fmt::format(":{}", one.port));
    if (one.value != own && !one.value.ends_with("." + own)) {
      if (!out.empty()) continue;
      return error(Errc::unsupported, "DNS says that {} is served by {}, which is another domain; if that is right, say --server {}", own, one.value,
                   place);
    }
    if (out.size() < most) out.push_back(place + "/autodiscover/autodiscover.xml");
  }
  return out;
}

Result<DnsClient> DnsClient::create(const std::string& server) {
  DnsClient out;
  out.server_ = server;
  if (server.empty()) {
    std::ifstream file("/etc/resolv.conf");
    for (std::string line; out.server_.empty() && std::getline(file, line);)
      if (line.starts_with("nameserver ")) out.server_ = std::string(trim(line.substr(11)));
    if (out.server_.empty()) return error(Errc::not_found, "/etc/resolv.conf names no nameserver; name one with --resolver");
  }
  out.address_ = out.server_;
  std::string port;
  if (out.address_.starts_with('[')) {
    const auto end = out.address_.find(']');
    if (end == std::string::npos) return error(Errc::malformed, "\"{}\" is no address", out.server_);
    if (end + 1 < out.address_.size()) port = out.address_.substr(end + 2);
    out.address_ = out.address_.substr(1, end - 1);
  } else if (const auto colon = out.address_.find(':'); colon != std::string::npos && colon == out.address_.rfind(':')) {
    port = out.address_.substr(colon + 1);
    out.address_.resize(colon);
  }
  if (!port.empty()) {
    const auto read = std::from_chars(port.data(), port.data() + port.size(), out.port_);
    if (read.ec != std::errc() || read.ptr != port.data() + port.size() || out.port_ == 0)
      return error(Errc::malformed, "\"{}\": the port is none", out.server_);
  }
  return out;
}

Result<std::vector<DnsRecord>> DnsClient::ask(const std::string& name, DnsType type) const {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  if (::getaddrinfo(address_.c_str(), std::to_string(port_).c_str(), &hints, &found) != 0)
    return error(Errc::malformed, "\"{}\" is no address of a DNS server", server_);
  const auto id = static_cast<std::uint16_t>(std::random_device()());
  const auto query = make_dns_query(id, name, type);
  const int made = ::socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool connected = made >= 0 && ::connect(made, found->ai_addr, found->ai_addrlen) == 0;
  ::freeaddrinfo(found);
  const auto close_after = [&](Result<std::vector<DnsRecord>> outcome) {
    if (made >= 0) ::close(made);
    return outcome;
  };
  if (!query) return close_after(query.error());
  if (!connected) return close_after(error(Errc::unavailable, "DNS server {} cannot be reached", server_));
  for (int attempt = 0; attempt < tries; ++attempt) {
    if (::send(made, query->data(), query->size(), 0) < 0) break;
    pollfd wait{made, POLLIN, 0};
    if (::poll(&wait, 1, patience_milliseconds) <= 0) continue;
    Bytes answer(4096);
    const auto size = ::recv(made, answer.data(), answer.size(), 0);
    if (size < 0) break;
    return close_after(parse_dns_answer(id, View(answer).first(static_cast<std::size_t>(size))));
  }
  return close_after(error(Errc::timeout, "DNS server {} does not answer", server_));
}

}  // namespace mapigate::daemon
