// `mapigate check --dns`: which records a domain needs for Outlook to find this gateway, which names its
// certificate must hold, and whether that is so.
#pragma once

#include <string>
#include <vector>

#include "daemon/config.h"

namespace mapigate::daemon {

struct DnsCheck {
  std::string domain;
  bool ask = false;      // look into DNS too, not only say what has to be there
  std::string resolver;  // empty: the system's
};

struct DnsFinding {
  std::string name, type, wanted, why;
  std::string found;  // empty: nothing, or not asked
  enum class State { not_asked, good, wrong, optional } state = State::not_asked;
};

struct DnsReport {
  std::vector<DnsFinding> records, certificate;
  std::vector<std::string> problems;  // what stops clients; empty: all is well, as far as was asked
};

// An error when DNS could not be asked at all.
Result<DnsReport> check_dns(const Config& config, const DnsCheck& check);
std::string dns_report_text(const DnsReport& report);
std::string dns_report_json(const DnsReport& report, const std::string& domain);

}  // namespace mapigate::daemon
