#include "daemon/world.h"

#include <algorithm>

#include "chain/lua_host.h"
#include "chain/web_services.h"
#include "directory/source.h"

namespace mapigate::daemon {

namespace {
std::string external_url(const Settings& https) {
  const auto port = https.number("external_port");
  return "https://" + https.text("external_host") + (port == 443 ? "" : ":" + std::to_string(port));
}
}  // namespace

std::unique_ptr<chain::Loader> make_loader(const std::string& module_dir) {
  auto loader = std::make_unique<chain::Loader>(std::vector<std::string>{module_dir});
  loader->add_built_in(chain::lua_module());
  return loader;
}

Result<std::map<std::string, PlannedModule>> plan_modules(const Config& config, chain::Loader& loader) {
  std::map<std::string, PlannedModule> plan;
  for (const auto& module : config.modules) {
    const auto where = fmt::format("{}: [modules.{}]", config.file, module.name);
    const auto type = loader.find(module.type);
    if (!type) return error(type.error().code, "{}: {}", where, type.error().message);
    auto settings = Settings::check(where, (*type)->settings, module.settings, config.folder);
    if (!settings) return settings.error();
    plan.emplace(module.name, PlannedModule{*type, std::move(*settings)});
  }
  return plan;
}

Result<std::unique_ptr<World>> World::build(const Config& config, io::Runtime& runtime, Metrics& metrics) {
  std::unique_ptr<World> world(new World(runtime, metrics));
  world->loader_ = make_loader(config.section("server").text("module_dir"));
  if (auto made = world->make_components(config); !made) return made.error();
  auto routing = world->make_routing(config);
  if (!routing) return routing.error();
  world->routing_ = std::move(*routing);
  return world;
}

chain::Component* World::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = components_.find(name);
  return found == components_.end() ? nullptr : found->second.component.get();
}

Status World::make_components(const Config& config) {
  auto plan = plan_modules(config, *loader_);
  if (!plan) return plan.error();
  for (const auto& module : config.modules) {
    {
      const std::lock_guard lock(mutex_);
      if (components_.contains(module.name)) continue;
    }
    auto& planned = plan->at(module.name);
    chain::Environment environment{
        .runtime = runtime_,
        .metrics = metrics_,
        .name = module.name,
        .state_dir = config.section("server").text("state_dir"),
        .server_name = config.section("https").text("external_host"),
        .find = [this](std::string_view name) { return find(name); },
        .external_url = external_url(config.section("https")),
        .serves = [this, name = module.name](std::string_view user) { return serves(name, user); },
    };
    try {
      auto component = planned.type->descriptor->create(environment, planned.settings);
      const std::lock_guard lock(mutex_);
      components_.emplace(module.name, Made{std::move(component), std::move(planned.settings), module.settings});
    } catch (const std::exception& problem) {
      return error(Errc::malformed, "{}: [modules.{}]: {}", config.file, module.name, problem.what());
    }
  }
  return {};
}

Result<std::shared_ptr<const World::Routing>> World::make_routing(const Config& config) const {
  auto routing = std::make_shared<Routing>();
  const std::lock_guard lock(mutex_);
  for (const auto& [name, settings] : config.chains) {
    const auto where = fmt::format("{}: [chains.{}]", config.file, name);
    std::vector<chain::Link> links;
    transport::Route route;
    for (const auto& member : settings.list("modules")) {
      const auto& made = components_.find(member)->second;
      auto* module = dynamic_cast<chain::Module*>(made.component.get());
      if (module == nullptr)
        return error(Errc::malformed, "{}: \"{}\" handles no calls; it belongs into the settings of a module that does", where, member);
      links.push_back(chain::make_link(*module, member, made.settings));
      if (auto* authenticator = dynamic_cast<chain::Authenticator*>(module)) route.authenticator = authenticator;
      if (auto* locator = dynamic_cast<chain::MailboxLocator*>(module)) route.locator = locator;
      if (auto* books = dynamic_cast<directory::AddressBooks*>(module)) route.address_books = books;
      if (auto* services = dynamic_cast<mailbox::UserServices*>(module)) route.services = services;
      if (auto* web = dynamic_cast<chain::WebServices*>(module)) route.web = web;
    }
    if (links.empty()) return error(Errc::malformed, "{}: the chain has no modules", where);
    if (const auto& chosen = settings.text("authenticator"); !chosen.empty()) {
      route.authenticator = dynamic_cast<chain::Authenticator*>(components_.find(chosen)->second.component.get());
      if (route.authenticator == nullptr) return error(Errc::malformed, "{}: \"{}\" cannot check passwords", where, chosen);
    }
    if (route.authenticator == nullptr)
      return error(Errc::malformed, "{}: no module of the chain can check passwords; name one with \"authenticator\"", where);
    route.chain = std::make_shared<chain::Chain>(name, std::move(links), metrics_);
    routing->by_chain.emplace(name, std::move(route));
    const auto& members = settings.list("modules");
    routing->members.emplace(name, std::set<std::string, std::less<>>(members.begin(), members.end()));
  }
  std::vector<chain::Route> routes;
  for (const auto& one : config.routes) routes.push_back({one.text("user"), routing->by_chain.at(one.text("chain")).chain});
  routing->router = std::make_unique<chain::Router>(std::move(routes));
  return std::shared_ptr<const Routing>(std::move(routing));
}

std::optional<transport::Route> World::route(std::string_view user) const {
  std::shared_ptr<const Routing> routing;
  {
    const std::lock_guard lock(mutex_);
    routing = routing_;
  }
  const auto chain = routing->router->find(user);
  if (chain == nullptr) return {};
  return routing->by_chain.at(chain->name());
}

bool World::serves(std::string_view module, std::string_view user) const {
  std::shared_ptr<const Routing> routing;
  {
    const std::lock_guard lock(mutex_);
    routing = routing_;
  }
  const auto chain = routing ? routing->router->find(user) : nullptr;
  return chain != nullptr && routing->members.at(chain->name()).contains(module);
}

std::vector<directory::AddressBooks*> World::address_books() const {
  const std::lock_guard lock(mutex_);
  std::vector<directory::AddressBooks*> out;
  for (const auto& [name, route] : routing_->by_chain)
    if (route.address_books && std::find(out.begin(), out.end(), route.address_books) == out.end()) out.push_back(route.address_books);
  return out;
}

Result<std::vector<std::string>> World::reload(const Config& config) {
  if (auto made = make_components(config); !made) return made.error();
  auto routing = make_routing(config);
  if (!routing) return routing.error();
  std::vector<std::string> changed;
  const std::lock_guard lock(mutex_);
  for (const auto& module : config.modules)
    if (components_.find(module.name)->second.raw != module.settings) changed.push_back(module.name);
  routing_ = std::move(*routing);
  return changed;
}

}  // namespace mapigate::daemon
