// The configuration file: TOML, checked against rows of settings.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/settings.h"

namespace mapigate::daemon {

// The fixed sections, in the order of the reference.
struct Section {
  const char* name;
  const char* help;
  std::span<const Setting> rows;
};
std::span<const Section> sections();

// What every [modules.NAME] has besides the settings of its type.
std::span<const Setting> module_rows();
std::span<const Setting> chain_rows();
std::span<const Setting> route_rows();

struct ModuleConfig {
  std::string name;
  std::string type;
  Settings common;      // module_rows()
  RawSection settings;  // of its type and of all modules; checked once the module is loaded
};

struct Config {
  std::string file;
  std::string folder;                      // relative paths count from here
  std::map<std::string, Settings> fixed;   // by Section::name
  std::vector<ModuleConfig> modules;       // in the order of the names
  std::map<std::string, Settings> chains;  // chain_rows()
  std::vector<Settings> routes;            // route_rows(), in the order of the file

  const Settings& section(std::string_view name) const { return fixed.at(std::string(name)); }
};

// Reads and checks all but the modules' own settings. An error names file, place and mend.
Result<Config> read_config(const std::string& file);

// Whether the settings that are rules of their own can be read.
Status check_rules(const Config& config);

// "127.0.0.1:8443" or "[::1]:8443" or ":8443" (all addresses).
struct ListenAddress {
  std::string address;
  std::uint16_t port;
};
Result<ListenAddress> parse_listen(const std::string& text);

}  // namespace mapigate::daemon
