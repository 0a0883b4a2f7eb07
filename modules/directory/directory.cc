// The module of type `directory`: an address book out of a file that is read again when it changes. See README.md.
#include <filesystem>
#include <stdexcept>

#include "directory/source.h"
#include "io/runtime.h"
#include "people_file.h"

namespace mapigate::directory {

namespace {

using enum Setting::Type;
const Setting settings[] = {
    {"file", path, nullptr, "TOML file with the entries.", "0.1"},
    {"list_name", text, "Global Address List", "What clients call the list of everybody.", "0.1"},
    {"check_interval", duration, "10s", "How often it is looked whether the file has changed.", "0.1", 100, 86'400'000},
};

// What the task that watches the file shares with the module, whichever ends first.
struct Shared {
  std::string file, list_name, module;
  std::unique_ptr<IdTable> ids;
  Current current;
  std::filesystem::file_time_type read_at{};

  std::filesystem::file_time_type changed_at() const {
    std::error_code failed;
    const auto when = std::filesystem::last_write_time(file, failed);
    return failed ? std::filesystem::file_time_type{} : when;
  }
  Status read() {
    const auto when = changed_at();
    auto entries = read_people_file(file);
    if (!entries) return entries.error();
    const auto count = entries->size();
    auto made = Snapshot::build(std::move(*entries), *ids, list_name);
    if (!made) return made.error();
    if (const auto left_out = count - (*made)->size(); left_out != 0)
      log::warning("{}: {}: {} entries have the id or address of another and are left out", module, file, left_out);
    current.set(std::move(*made));
    read_at = when;
    return {};
  }
};

io::Task<> watch(std::shared_ptr<Shared> shared, io::Runtime* runtime, Duration interval) {
  for (;;) {
    co_await io::sleep_for(interval);
    const auto when = shared->changed_at();
    if (when == std::filesystem::file_time_type{} || when == shared->read_at) continue;
    auto work = [shared] { return shared->read(); };
    auto read = co_await io::run_blocking(*runtime, work);
    if (read) {
      log::info("{}: {} has changed: {} entries", shared->module, shared->file, shared->current.get()->size());
    } else {
      log::warning("{}: the address book stays as it was: {}", shared->module, read.error().message);
      shared->read_at = when;  // until it changes again
    }
  }
}

class FileDirectory final : public Source {
 public:
  FileDirectory(const chain::Environment& environment, const Settings& s) : shared_(std::make_shared<Shared>()) {
    shared_->file = s.text("file");
    shared_->list_name = s.text("list_name");
    shared_->module = environment.name;
    auto ids = IdTable::open(environment.state_dir + "/" + environment.name + ".ids");
    if (!ids) throw std::runtime_error(ids.error().message);
    shared_->ids = std::move(*ids);
    if (const auto read = shared_->read(); !read) throw std::runtime_error(read.error().message);
    io::spawn(environment.runtime.executor(), watch(shared_, &environment.runtime, s.duration("check_interval")));
  }

  std::shared_ptr<const Snapshot> snapshot() override { return shared_->current.get(); }

 private:
  std::shared_ptr<Shared> shared_;
};

std::unique_ptr<chain::Component> create(const chain::Environment& environment, const Settings& s) {
  return std::make_unique<FileDirectory>(environment, s);
}

const chain::ModuleDescriptor descriptor{
    .type = "directory",
    .summary = "an address book out of a file",
    .settings = settings,
    .on_error = chain::OnError::closed,
    .budget = std::chrono::milliseconds(0),
    .create = create,
};

}  // namespace
}  // namespace mapigate::directory

MAPIGATE_MODULE(mapigate::directory::descriptor)
