#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "daemon/commands.h"
#include "daemon/config.h"
#include "daemon/world.h"
#include "state/maintenance.h"
#include "state/stores.h"

// `mapigate state`: copies of the state store, looking for damage, repair, and having indexes made anew.

namespace mapigate::daemon {

namespace fs = std::filesystem;

namespace {

int fail(std::string_view what) {
  fmt::print(stderr, "mapigate state: {}\n", what);
  return 1;
}

// Where the mailboxes of a config are. They share one place: state_dir, or the PostgreSQL that a mailbox module names.
Result<state::StoreOptions> store_of(const Config& config) {
  state::StoreOptions options;
  options.folder = config.section("server").text("state_dir");
  const auto loader = make_loader(config.section("server").text("module_dir"));
  const auto plan = plan_modules(config, *loader);
  if (!plan) return plan.error();
  for (const auto& module : config.modules) {
    if (module.type != "mailbox") continue;
    const auto& settings = plan->at(module.name).settings;
    options.postgres.conninfo = settings.text("database");
    options.postgres.connections = static_cast<std::size_t>(settings.number("database_connections"));
  }
  return options;
}

int back_up(const state::StoreOptions& options, const std::string& target) {
  if (!options.postgres.conninfo.empty())
    return fail("the mailboxes are in PostgreSQL; its own tool makes the copy: pg_dump --schema='mapigate_*' --table='mapigate_*' ...");
  if (::mkdir(target.c_str(), 0700) != 0) return fail(fmt::format("{}: cannot be made: {}", target, std::strerror(errno)));
  const auto files = state::sqlite_files(options.folder);
  if (!files) return fail(files.error().message);
  std::size_t copied = 0;
  for (const auto& file : *files) {
    const auto done = state::back_up(file, target + "/" + fs::path(file).filename().string());
    if (!done) return fail(done.error().message);
    ++copied;
  }
  // The databases of the address books.
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(options.folder, failure)) {
    if (!entry.is_regular_file() || (entry.path().extension() != ".ids" && entry.path().extension() != ".addressbook")) continue;
    const auto done = state::back_up(entry.path().string(), target + "/" + entry.path().filename().string());
    if (!done) return fail(done.error().message);
    ++copied;
  }
  if (failure) return fail(failure.message());
  fmt::print("{} files copied to {}\n", copied, target);
  return 0;
}

int check_files(const state::StoreOptions& options) {
  const auto files = state::sqlite_files(options.folder);
  if (!files) return fail(files.error().message);
  std::size_t damaged = 0;
  for (const auto& file : *files) {
    const auto found = state::find_damage(file);
    if (!found) return fail(found.error().message);
    for (const auto& line : *found) fmt::print("{}: {}\n", file, line);
    damaged += !found->empty();
  }
  fmt::print("{} files, {} damaged\n", files->size(), damaged);
  return damaged == 0 ? 0 : 1;
}

int repair_files(const state::StoreOptions& options, const std::string& user) {
  std::vector<std::string> files;
  if (!user.empty()) {
    const auto file = state::sqlite_file(options.folder, user);
    if (!file) return fail(file.error().message);
    files.push_back(*file);
  } else {
    const auto all = state::sqlite_files(options.folder);
    if (!all) return fail(all.error().message);
    files = *all;
  }
  std::size_t repaired = 0;
  for (const auto& file : files) {
    const auto damage = state::find_damage(file);
    if (!damage) return fail(damage.error().message);
    if (damage->empty()) continue;
    const auto done = state::repair_file(file);
    if (!done) return fail(done.error().message);
    fmt::print("{}: {} folders, {} messages, {} sets of properties and {} stored messages saved; the damaged file is {}\n", file,
               done->folders, done->messages, done->properties, done->contents, done->damaged_file);
    if (!done->identity) fmt::print("{}: the mailbox's identity is lost: clients have to load it anew\n", file);
    ++repaired;
  }
  fmt::print("{} files, {} repaired; their folders are read anew when their users log on\n", files.size(), repaired);
  return 0;
}

int reindex(const state::StoreOptions& options, const std::string& user) {
  auto store = state::open_store(options);
  if (!store) return fail(store.error().message);
  auto mailbox = (*store)->open(user);
  if (!mailbox) return fail(mailbox.error().message);
  const auto marked = state::mark_for_reindex(**mailbox);
  if (!marked) return fail(marked.error().message);
  fmt::print("{}: {} folders will be read anew when the mailbox is opened next\n", user, *marked);
  return 0;
}

}  // namespace

int state_command(const StateOptions& options) {
  const auto config = read_config(options.config_file);
  if (!config) return fail(config.error().message);
  const auto store = store_of(*config);
  if (!store) return fail(store.error().message);
  const bool files = store->postgres.conninfo.empty();
  if (options.what == "backup") return back_up(*store, options.target);
  if (options.what == "reindex") return reindex(*store, options.user);
  if (!files) return fail("the mailboxes are in PostgreSQL, which looks after its files itself");
  if (options.what == "check") return check_files(*store);
  return repair_files(*store, options.user);
}

}  // namespace mapigate::daemon
