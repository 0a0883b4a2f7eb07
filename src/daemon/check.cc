#include <unistd.h>

#include <nlohmann/json.hpp>

#include "daemon/check_dns.h"
#include "daemon/commands.h"
#include "daemon/config.h"
#include "daemon/world.h"
#include "io/tls.h"

// `mapigate check`: what a config means, and what is wrong with it.

namespace mapigate::daemon {

namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Settings& settings) {
  Json out = Json::object();
  for (const auto& line : settings.explain())
    out[line.name] = {{"value", line.value}, {"from", line.from_file ? "file" : "default"}};
  return out;
}

void print(const std::string& title, const Settings& settings) {
  fmt::print("{}\n", title);
  for (const auto& line : settings.explain())
    fmt::print("  {:<22} {}{}\n", line.name, line.value, line.from_file ? "" : "   (default)");
}

// What only shows when files and the machine are looked at.
std::vector<std::string> problems_of(const Config& config) {
  std::vector<std::string> problems;
  const auto& https = config.section("https");
  io::TlsServerOptions tls;
  tls.certificate_file = https.text("certificate");
  tls.key_file = https.text("private_key");
  if (auto context = io::TlsServerContext::create(tls); !context)
    problems.push_back(fmt::format("{}: [https]: {}", config.file, context.error().message));
  constexpr std::pair<const char*, const char*> listeners[] = {{"https", "listen"}, {"metrics", "listen"}, {"autodiscover", "http_listen"}};
  for (const auto& [section, name] : listeners) {
    for (const auto& place : config.section(section).list(name)) {
      if (place.empty()) continue;
      if (auto parsed = parse_listen(place); !parsed)
        problems.push_back(fmt::format("{}: [{}]: {}: {}", config.file, section, name, parsed.error().message));
    }
  }
  if (const auto rules = check_rules(config); !rules) problems.push_back(rules.error().message);
  const auto& state_dir = config.section("server").text("state_dir");
  if (access(state_dir.c_str(), F_OK) == 0 && access(state_dir.c_str(), W_OK | X_OK) != 0)
    problems.push_back(fmt::format("{}: [server]: state_dir {} is not writable by this user", config.file, state_dir));
  return problems;
}

int fail(const std::vector<std::string>& problems, bool json) {
  if (json) fmt::print("{}\n", Json{{"ok", false}, {"problems", problems}}.dump(2));
  for (const auto& problem : problems) fmt::print(stderr, "mapigate: {}\n", problem);
  return 1;
}

}  // namespace

int check_dns_command(const std::string& config_file, const DnsCheck& check, bool json) {
  const auto config = read_config(config_file);
  if (!config) return fail({config.error().message}, json);
  const auto report = check_dns(*config, check);
  if (!report) return fail({report.error().message}, json);
  fmt::print("{}", json ? dns_report_json(*report, check.domain) : dns_report_text(*report));
  for (const auto& problem : report->problems) fmt::print(stderr, "mapigate: {}\n", problem);
  return report->problems.empty() ? 0 : 1;
}

int check_command(const std::string& config_file, bool json) {
  const auto config = read_config(config_file);
  if (!config) return fail({config.error().message}, json);
  const auto loader = make_loader(config->section("server").text("module_dir"));
  const auto plan = plan_modules(*config, *loader);
  if (!plan) return fail({plan.error().message}, json);
  if (const auto problems = problems_of(*config); !problems.empty()) return fail(problems, json);

  Json out{{"ok", true}, {"file", config->file}};
  for (const auto& section : sections()) {
    if (json) out[section.name] = to_json(config->section(section.name));
    else print(fmt::format("[{}] {}", section.name, section.help), config->section(section.name));
  }
  for (const auto& module : config->modules) {
    const auto& planned = plan->at(module.name);
    const auto* descriptor = planned.type->descriptor;
    const auto& file = planned.type->file;
    if (json) {
      out["modules"][module.name] = {{"type", module.type}, {"summary", descriptor->summary}, {"file", file},
                                     {"settings", to_json(planned.settings)}};
    } else {
      print(fmt::format("[modules.{}] {}: {} ({})", module.name, module.type, descriptor->summary, file.empty() ? "built in" : file),
            planned.settings);
    }
  }
  for (const auto& [name, settings] : config->chains) {
    const auto& members = settings.list("modules");
    if (json) out["chains"][name] = members;
    else fmt::print("[chains.{}] a request passes: {}\n", name, fmt::join(members, " -> "));
  }
  for (const auto& route : config->routes) {
    if (json) out["routes"].push_back({{"user", route.text("user")}, {"chain", route.text("chain")}});
    else fmt::print("[[routes]] users {} get the chain {}\n", route.text("user"), route.text("chain"));
  }
  const auto& https = config->section("https");
  if (json) fmt::print("{}\n", out.dump(2));
  else
    fmt::print("Outlook finds this gateway at https://{}:{}/ ; everything is in order.\n", https.text("external_host"),
               https.number("external_port"));
  return 0;
}

}  // namespace mapigate::daemon
