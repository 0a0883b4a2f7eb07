#include "daemon/check_dns.h"

#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.h"
#include "daemon/dns_client.h"

namespace mapigate::daemon {

namespace {

using State = DnsFinding::State;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Certificate read_certificate(const std::string& file) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.c_str(), "r"), &std::fclose);
  return {in ? PEM_read_X509(in.get(), nullptr, nullptr, nullptr) : nullptr, &X509_free};
}

std::string names_of(X509* certificate) {
  std::vector<std::string> out;
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names); ++i) {
    const auto* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS)
      out.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                       static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
  }
  GENERAL_NAMES_free(names);
  return fmt::format("{}", fmt::join(out, ", "));
}

struct Checker {
  DnsReport report;
  std::optional<DnsClient> dns;
  Certificate certificate{nullptr, &X509_free};

  Result<std::vector<DnsRecord>> ask(const std::string& name, DnsType type) const {
    if (!dns) return std::vector<DnsRecord>();
    return dns->ask(name, type);
  }
  // All addresses of a host, through its aliases.
  Result<std::set<std::string>> addresses(const std::string& host) const {
    std::set<std::string> out;
    for (const auto type : {DnsType::A, DnsType::AAAA}) {
      auto found = ask(host, type);
      if (!found) return found.error();
      for (const auto& record : *found)
        if (record.type == type) out.insert(record.value);
    }
    return out;
  }
  void name_in_certificate(const std::string& name, const std::string& why, bool needed) {
    DnsFinding finding{name, "name", "in the certificate", why, certificate ? names_of(certificate.get()) : "", State::wrong};
    if (certificate && X509_check_host(certificate.get(), name.c_str(), name.size(), 0, nullptr) == 1) finding.state = State::good;
    else if (!needed) finding.state = State::optional;
    else report.problems.push_back(fmt::format("the certificate does not hold the name {}", name));
    report.certificate.push_back(std::move(finding));
  }
};

std::string state_text(State state) {
  switch (state) {
    case State::good: return "ok";
    case State::wrong: return "WRONG";
    case State::optional: return "not there, not needed";
    default: return "";
  }
}

}  // namespace

Result<DnsReport> check_dns(const Config& config, const DnsCheck& check) {
  const auto& https = config.section("https");
  const auto host = lower_ascii(https.text("external_host"));
  const auto port = https.number("external_port");
  const auto domain = lower_ascii(check.domain);
  const auto alias = "autodiscover." + domain;
  Checker it;
  if (check.ask) {
    auto dns = DnsClient::create(check.resolver);
    if (!dns) return dns.error();
    it.dns = std::move(*dns);
  }
  it.certificate = read_certificate(https.text("certificate"));

  // The host itself.
  const auto own = it.addresses(host);
  if (!own) return own.error();
  DnsFinding address{host, "A or AAAA", "the public address of this gateway", "clients connect here", fmt::format("{}", fmt::join(*own, ", ")),
                     State::not_asked};
  if (check.ask) address.state = own->empty() ? State::wrong : State::good;
  if (check.ask && own->empty()) it.report.problems.push_back(fmt::format("{} has no address", host));
  it.report.records.push_back(address);

  // autodiscover.DOMAIN, which clients ask at port 443 only; or the SRV record.
  const auto names = it.ask(alias, DnsType::CNAME);
  const auto leads = it.addresses(alias);
  const auto service = it.ask("_autodiscover._tcp." + domain, DnsType::SRV);
  if (!names || !leads || !service) return !names ? names.error() : !leads ? leads.error() : service.error();
  DnsFinding by_name{alias, "CNAME", host, "Outlook looks here first (port 443)", {}, State::not_asked};
  bool name_is_good = alias == host;
  for (const auto& record : *names) {
    by_name.found = record.value;
    name_is_good = name_is_good || record.value == host;
  }
  if (by_name.found.empty() && !leads->empty()) {
    by_name.found = fmt::format("{}", fmt::join(*leads, ", "));
    name_is_good = name_is_good || std::any_of(leads->begin(), leads->end(), [&](const auto& one) { return own->contains(one); });
  }
  DnsFinding by_service{"_autodiscover._tcp." + domain, "SRV", fmt::format("0 0 {} {}", port, host),
                        "instead of the name above; Outlook asks its user once whether that is right", {}, State::not_asked};
  bool service_is_good = false;
  for (const auto& record : *service) {
    if (record.type != DnsType::SRV) continue;
    by_service.found = fmt::format("{} {} {} {}", record.priority, record.weight, record.port, record.value);
    service_is_good = service_is_good || (record.value == host && record.port == port);
  }
  const bool name_works = name_is_good && port == 443;
  if (check.ask) {
    by_name.state = name_works ? State::good : by_name.found.empty() || service_is_good ? State::optional : State::wrong;
    by_service.state = service_is_good ? State::good : by_service.found.empty() ? State::optional : State::wrong;
    if (!name_works && !service_is_good) {
      if (by_name.state == State::optional) by_name.state = State::wrong;
      it.report.problems.push_back(port == 443 ? fmt::format("neither {} nor _autodiscover._tcp.{} leads to {}", alias, domain, host)
                                               : fmt::format("at port {} only the record _autodiscover._tcp.{} leads to this gateway", port, domain));
    }
    if (by_service.state == State::wrong)
      it.report.problems.push_back(fmt::format("_autodiscover._tcp.{} leads to {}", domain, by_service.found));
  }
  it.report.records.push_back(by_name);
  it.report.records.push_back(by_service);

  const auto mail = it.ask(domain, DnsType::MX);
  if (!mail) return mail.error();
  DnsFinding exchanger{domain, "MX", "the mail server of the domain", "mail from outside; not for Outlook", {}, State::not_asked};
  for (const auto& record : *mail)
    if (record.type == DnsType::MX) exchanger.found += fmt::format("{}{} {}", exchanger.found.empty() ? "" : ", ", record.priority, record.value);
  if (check.ask) exchanger.state = exchanger.found.empty() ? State::optional : State::good;
  it.report.records.push_back(exchanger);

  if (!it.certificate) it.report.problems.push_back(fmt::format("{} holds no certificate", https.text("certificate")));
  it.name_in_certificate(host, "clients connect to it", true);
  // With the SRV record alone nobody connects under the other name.
  it.name_in_certificate(alias, "where the CNAME is used, clients connect under this name",
                         alias != host && port == 443 && !(check.ask && !name_works && service_is_good));
  return std::move(it.report);
}

std::string dns_report_text(const DnsReport& report) {
  std::string out = "DNS:\n";
  const auto add = [&](const DnsFinding& finding) {
    out += fmt::format("  {} {}: {}   ({})\n", finding.name, finding.type, finding.wanted, finding.why);
    if (finding.state != State::not_asked)
      out += fmt::format("    {}{}{}\n", state_text(finding.state), finding.found.empty() ? "" : ": ", finding.found);
  };
  for (const auto& finding : report.records) add(finding);
  out += "Certificate:\n";
  for (const auto& finding : report.certificate) add(finding);
  return out;
}

std::string dns_report_json(const DnsReport& report, const std::string& domain) {
  using Json = nlohmann::ordered_json;
  Json out{{"ok", report.problems.empty()}, {"domain", domain}, {"problems", report.problems}};
  const auto put = [&](const char* key, const std::vector<DnsFinding>& findings) {
    auto list = Json::array();
    for (const auto& one : findings)
      list.push_back({{"name", one.name}, {"type", one.type}, {"wanted", one.wanted}, {"found", one.found},
                      {"state", one.state == State::not_asked ? "not asked" : one.state == State::good    ? "good"
                                                                          : one.state == State::wrong ? "wrong"
                                                                                                      : "optional"}});
    out[key] = std::move(list);
  };
  put("records", report.records);
  put("certificate", report.certificate);
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace mapigate::daemon
