// The wiring: modules, chains and routes of a running daemon, made from the
// config. The only place that brings concrete parts together.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "chain/loader.h"
#include "daemon/config.h"
#include "io/runtime.h"
#include "transport/gateway.h"

namespace mapigate::daemon {

// A module of the config with its checked settings, not yet made.
struct PlannedModule {
  const chain::ModuleType* type;
  Settings settings;
};

// Finds the libraries and checks the settings of every module: what `serve` and `check` have in
// common. The result borrows from `loader`.
Result<std::map<std::string, PlannedModule>> plan_modules(const Config& config, chain::Loader& loader);
// Looks into `module_dir` and knows the built-in types.
std::unique_ptr<chain::Loader> make_loader(const std::string& module_dir);

class World {
 public:
  // Makes all components and chains. An error names the section that is at fault.
  static Result<std::unique_ptr<World>> build(const Config& config, io::Runtime& runtime, Metrics& metrics);

  // Thread-safe, also during reload().
  std::optional<transport::Route> route(std::string_view user) const;
  std::vector<directory::AddressBooks*> address_books() const;  // of all chains

  // Takes over chains and routes of a new config, and modules that it adds. Sessions in being keep the
  // chain they began with. Modules with changed settings keep the old ones until a restart; their
  // names are returned. On an error nothing changes.
  Result<std::vector<std::string>> reload(const Config& config);

  // A component by its name in the config, which lives as long as the world; null if there is none. From any thread.
  chain::Component* find(std::string_view name) const;

 private:
  struct Routing {
    std::map<std::string, transport::Route> by_chain;
    std::map<std::string, std::set<std::string, std::less<>>> members;  // modules of each chain
    std::unique_ptr<chain::Router> router;
  };
  World(io::Runtime& runtime, Metrics& metrics) : runtime_(runtime), metrics_(metrics) {}
  Status make_components(const Config& config);
  bool serves(std::string_view module, std::string_view user) const;
  Result<std::shared_ptr<const Routing>> make_routing(const Config& config) const;

  io::Runtime& runtime_;
  Metrics& metrics_;
  std::unique_ptr<chain::Loader> loader_;
  struct Made {
    std::unique_ptr<chain::Component> component;
    Settings settings;
    RawSection raw;
  };
  mutable std::mutex mutex_;  // for the next two
  std::map<std::string, Made, std::less<>> components_;
  std::shared_ptr<const Routing> routing_;
};

}  // namespace mapigate::daemon
