// Finds and loads modules, and knows which chain a user's sessions get.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "chain/chain.h"

namespace mapigate::chain {

// A type of module, ready to make instances of.
struct ModuleType {
  const ModuleDescriptor* descriptor = nullptr;
  std::string file;               // empty: built in
  std::vector<Setting> settings;  // the descriptor's and those that every module has: on_error, budget
  std::string default_budget;     // owns the text in `settings`
};

// A link for an instance made with `settings`, which were checked against ModuleType::settings.
Link make_link(Module& module, std::string name, const Settings& settings);

// Modules are never unloaded: their code may be on the stack of a task until the process ends.
class Loader {
 public:
  // Where mapigate-TYPE.so or TYPE/mapigate-TYPE.so is looked for, in this order.
  explicit Loader(std::vector<std::string> folders) : folders_(std::move(folders)) {}

  void add_built_in(const ModuleDescriptor& descriptor);
  // Errc::not_found names the folders and the types in them; Errc::conflict: the library was
  // built against something else. The result lives as long as the loader.
  Result<const ModuleType*> find(const std::string& type);
  std::vector<std::string> available() const;

 private:
  Result<const ModuleType*> load(const std::string& type, const std::string& file);
  const ModuleType* keep(const ModuleDescriptor& descriptor, std::string file);

  std::vector<std::string> folders_;
  std::map<std::string, std::unique_ptr<ModuleType>> types_;
};

// `pattern` in lower case, where * stands for any number of any characters; "*@example.test".
bool user_matches(std::string_view pattern, std::string_view user);

struct Route {
  std::string users;  // pattern
  std::shared_ptr<Chain> chain;
};

class Router {
 public:
  explicit Router(std::vector<Route> routes);
  // The first match counts; null when none matches.
  std::shared_ptr<Chain> find(std::string_view user) const;

 private:
  std::vector<Route> routes_;
};

}  // namespace mapigate::chain
