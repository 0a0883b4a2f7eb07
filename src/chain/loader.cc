#include "chain/loader.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/text.h"

namespace mapigate::chain {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view prefix = "mapigate-";
constexpr std::string_view suffix = ".so";

std::string file_name(const std::string& type) { return fmt::format("{}{}{}", prefix, type, suffix); }

// The type, if the path is that of a module.
std::optional<std::string> type_of(const fs::path& path) {
  const auto name = path.filename().string();
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return {};
  return name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
}

std::string last_dl_error() {
  const char* text = dlerror();
  return text == nullptr ? "unknown error" : text;
}

bool is_type_name(const std::string& type) {
  const auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; };
  return !type.empty() && std::all_of(type.begin(), type.end(), good);
}

}  // namespace

Link make_link(Module& module, std::string name, const Settings& settings) {
  Link link;
  link.module = &module;
  link.name = std::move(name);
  link.on_error = settings.text("on_error") == "open" ? OnError::open : OnError::closed;
  link.budget = settings.duration("budget");
  return link;
}

void Loader::add_built_in(const ModuleDescriptor& descriptor) { keep(descriptor, {}); }

const ModuleType* Loader::keep(const ModuleDescriptor& descriptor, std::string file) {
  auto type = std::make_unique<ModuleType>();
  type->descriptor = &descriptor;
  type->file = std::move(file);
  type->default_budget = fmt::format("{}ms", descriptor.budget.count());
  type->settings.assign(descriptor.settings.begin(), descriptor.settings.end());
  type->settings.push_back({.name = "on_error",
                            .type = Setting::Type::choice,
                            .default_value = descriptor.on_error == OnError::open ? "open" : "closed",
                            .help = "What becomes of a call when this module fails or exceeds its budget: open passes "
                                    "it on unseen (counted and logged), closed refuses it.",
                            .choices = {"closed", "open"}});
  type->settings.push_back({.name = "budget",
                            .type = Setting::Type::duration,
                            .default_value = type->default_budget.c_str(),
                            .help = "Longest time for one verdict; 0ms: the module limits its waits itself.",
                            .minimum = 0,
                            .maximum = 3'600'000});
  auto& place = types_[descriptor.type];
  place = std::move(type);
  return place.get();
}

Result<const ModuleType*> Loader::find(const std::string& type) {
  if (const auto known = types_.find(type); known != types_.end()) return known->second.get();
  if (!is_type_name(type)) return error(Errc::malformed, "\"{}\" is no type of module: lower-case letters, digits, - and _", type);
  for (const auto& folder : folders_) {
    for (const auto& path : {fs::path(folder) / file_name(type), fs::path(folder) / type / file_name(type)}) {
      std::error_code failed;
      if (fs::exists(path, failed)) return load(type, path.string());
    }
  }
  const auto types = available();
  const auto near = nearest(type, types);
  return error(Errc::not_found, "no module type \"{}\"{}; looked for {} in {}; there is: {}", type,
               near.empty() ? "" : fmt::format(" (\"{}\"?)", near), file_name(type),
               folders_.empty() ? "no folder" : fmt::format("{}", fmt::join(folders_, ", ")),
               types.empty() ? "none" : fmt::format("{}", fmt::join(types, ", ")));
}

Result<const ModuleType*> Loader::load(const std::string& type, const std::string& file) {
  // Handles are kept open on purpose.
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return error(Errc::unsupported, "cannot load {}: {}", file, last_dl_error());
  const auto* abi = static_cast<const char*>(dlsym(library, "mapigate_module_abi"));
  if (abi == nullptr) return error(Errc::unsupported, "{} is no mapigate module: it has no mapigate_module_abi", file);
  if (std::string_view(abi) != MAPIGATE_MODULE_ABI)
    return error(Errc::conflict, "{} was built for \"{}\", this is \"{}\"; build it again", file, abi, MAPIGATE_MODULE_ABI);
  using Entry = const ModuleDescriptor* (*)();
  const auto entry = reinterpret_cast<Entry>(dlsym(library, "mapigate_module"));
  if (entry == nullptr) return error(Errc::unsupported, "{} is no mapigate module: it has no mapigate_module()", file);
  const auto* descriptor = entry();
  if (descriptor == nullptr || descriptor->type == nullptr || type != descriptor->type)
    return error(Errc::conflict, "{} holds the module type \"{}\"", file,
                 descriptor == nullptr || descriptor->type == nullptr ? "" : descriptor->type);
  return keep(*descriptor, file);
}

std::vector<std::string> Loader::available() const {
  std::set<std::string> found;
  for (const auto& [name, type] : types_) found.insert(name);
  for (const auto& folder : folders_) {
    std::error_code failed;
    for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
      if (const auto type = type_of(at->path())) found.insert(*type);
      const auto inner = at->path().filename().string();
      std::error_code missing;
      if (fs::exists(at->path() / file_name(inner), missing)) found.insert(inner);
    }
  }
  return {found.begin(), found.end()};
}

bool user_matches(std::string_view pattern, std::string_view user) {
  std::size_t p = 0;
  std::size_t u = 0;
  std::size_t star = std::string_view::npos;  // the last * seen, and where what it stands for begins
  std::size_t from = 0;
  while (u < user.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = u;
    } else if (p < pattern.size() && pattern[p] == user[u]) {
      ++p;
      ++u;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      u = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Router::Router(std::vector<Route> routes) : routes_(std::move(routes)) {
  for (auto& route : routes_) route.users = lower_ascii(route.users);
}

std::shared_ptr<Chain> Router::find(std::string_view user) const {
  const auto name = lower_ascii(user);
  for (const auto& route : routes_) {
    if (user_matches(route.users, name)) return route.chain;
  }
  return nullptr;
}

}  // namespace mapigate::chain
