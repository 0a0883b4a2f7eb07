#include "reader.h"

#include <malloc.h>

#include <algorithm>

#include "base/log.h"
#include "directory/snapshot_file.h"

namespace mapigate::ldap {

namespace {
// A change is shown when nothing more has come for a while, but not much later than it came.
constexpr std::chrono::milliseconds quiet{150}, longest_wait{700};
// A directory that follows the server is saved now and then: what is missing is asked for after a start.
constexpr std::chrono::seconds save_interval{60};
constexpr std::chrono::milliseconds retry_interval{5000};  // of a connection that ended
}  // namespace

Reader::Reader(ReaderOptions options, Mapping mapping, std::unique_ptr<directory::IdTable> ids)
    : options_(std::move(options)), mapping_(std::move(mapping)), ids_(std::move(ids)), may_follow_(options_.follow) {
  load_saved();
}

Reader::~Reader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Reader::start() {
  thread_ = std::thread([this] { run(); });
}

void Reader::load_saved() {
  auto saved = directory::SnapshotFile::load(options_.saved_file, *ids_, options_.list_name);
  if (!saved) {
    if (saved.error().code != Errc::not_found) log::warning("{}: {}", options_.module, saved.error().message);
    return;
  }
  // Up to where the server's changes are in it, and what it was read with: another configuration reads all anew.
  if (saved->notes.size() == 2 && saved->notes[1] == options_.settings) cookie_ = saved->notes[0];
  current_.set(std::move(saved->snapshot));
}

Status Reader::publish(std::vector<directory::Entry> entries) {
  const auto before = current_.get();
  auto made = directory::Snapshot::build(std::move(entries), *ids_, options_.list_name, before.get());
  if (!made) return made.error();
  if (const auto left_out = (*made)->left_out().size(); left_out != 0)
    log::warning("{}: {} entries have no name or the id of another and are left out", options_.module, left_out);
  current_.set(std::move(*made));
  ::malloc_trim(0);  // entries as they are read take many times what is kept of them
  return {};
}

void Reader::run() {
  for (;;) {
    const auto done = once();
    if (!done && !away_)
      log::warning("{}: {}; {}", options_.module, done.error().message,
                   current_.get() ? "what was read before is served on" : "there is no address book until it answers");
    away_ = !done;
    auto pause = options_.interval;
    if (ask_again_) pause = std::chrono::milliseconds(0);
    else if (may_follow_) pause = std::min(pause, retry_interval);
    ask_again_ = false;
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, pause, [this] { return stopping_; })) break;
  }
  save_soon(true);
}

Status Reader::once() {
  auto client = Client::connect(options_.server);
  if (!client) return client.error();
  if (!may_follow_ || !(*client)->can_follow()) return poll(**client);
  refreshing_ = true;
  changed_.clear(), removed_.clear(), mentioned_.clear();
  auto followed = (*client)->follow(mapping_.attributes(), cookie_, *this);
  if (followed) return {};
  if (followed.error().code == Errc::conflict) {
    cookie_.clear();  // the next round, at once, reads all
    ask_again_ = true;
    return {};
  }
  if (refreshing_ && (followed.error().code == Errc::limit || followed.error().code == Errc::denied)) {
    log::info("{}: {}; the directory is read in pages instead", options_.module, followed.error().message);
    may_follow_ = false;
    auto again = Client::connect(options_.server);
    return again ? poll(**again) : Status(again.error());
  }
  // What came before the connection broke counts; the cookie says where to go on.
  if (!refreshing_) (void)apply();
  else cookie_.clear();
  return followed;
}

Status Reader::poll(Client& client) {
  const auto number = client.change_number();
  if (!number) return number.error();
  if (!number->empty() && *number == change_number_ && current_.get()) return {};
  auto records = client.read(mapping_.attributes());
  if (!records) return records.error();
  std::vector<directory::Entry> entries;
  entries.reserve(records->size());
  for (const auto& record : *records) entries.push_back(mapping_.entry(record));
  const bool first = !current_.get() || away_;
  if (const auto taken = publish(std::move(entries)); !taken) return taken;
  if (first || *number != change_number_) log::info("{}: {} entries", options_.module, current_.get()->size());
  change_number_ = *number;
  cookie_.clear();
  unsaved_ = true;
  save_soon(true);
  return {};
}

void Reader::put(std::string uuid, Record record) {
  auto entry = mapping_.entry(record);
  entry.source_id = uuid;
  if (changed_.size() >= options_.server.max_entries && !changed_.contains(uuid)) return;
  removed_.erase(uuid);
  if (refreshing_) mentioned_.insert(uuid);
  changed_[std::move(uuid)] = std::move(entry);
  last_change_ = Clock::now();
  if (first_change_ == Clock::time_point{}) first_change_ = last_change_;
}

void Reader::present(std::string uuid) {
  if (refreshing_) mentioned_.insert(std::move(uuid));
}

void Reader::remove(std::string uuid) {
  changed_.erase(uuid);
  removed_.insert(std::move(uuid));
  last_change_ = Clock::now();
  if (first_change_ == Clock::time_point{}) first_change_ = last_change_;
}

void Reader::refreshed(bool complete) {
  if (!refreshing_) return;
  if (const auto now = current_.get(); now && complete) {
    const auto check = [&](const directory::Entry& entry) {
      if (!mentioned_.contains(entry.source_id)) removed_.insert(entry.source_id);
    };
    for (directory::Index i = 0; i < now->size(); ++i) check(now->entry(i));
    for (const auto& entry : now->left_out()) check(entry);
  }
  const bool first = !current_.get() || away_;
  refreshing_ = false;
  mentioned_.clear();
  if (const auto done = apply(); !done) {
    log::warning("{}: {}", options_.module, done.error().message);
  } else if (first) {
    log::info("{}: {} entries; changes are followed", options_.module, current_.get()->size());
  }
  away_ = false;
}

bool Reader::tick() {
  if (!refreshing_ && first_change_ != Clock::time_point{}) {
    const auto now = Clock::now();
    if (now - last_change_ >= quiet || now - first_change_ >= longest_wait)
      if (const auto done = apply(); !done) log::warning("{}: {}", options_.module, done.error().message);
  }
  save_soon(false);
  const std::lock_guard lock(mutex_);
  return !stopping_;
}

Status Reader::apply() {
  first_change_ = {};
  const auto before = current_.get();
  if (before && changed_.empty() && removed_.empty()) return {};
  std::vector<directory::Entry> entries;
  entries.reserve((before ? before->size() : 0) + changed_.size());
  // Entries of a directory that was read in pages have no source_id: a complete refresh replaces them.
  const auto keep = [&](directory::Entry entry) {
    if (!entry.source_id.empty() && !removed_.contains(entry.source_id) && !changed_.contains(entry.source_id))
      entries.push_back(std::move(entry));
  };
  if (before) {
    for (directory::Index i = 0; i < before->size(); ++i) keep(before->entry(i));
    for (const auto& entry : before->left_out()) keep(entry);
  }
  for (auto& [uuid, entry] : changed_) entries.push_back(std::move(entry));
  changed_.clear();
  removed_.clear();
  unsaved_ = true;
  return publish(std::move(entries));
}

void Reader::save_soon(bool now) {
  if (!unsaved_ || (!now && saved_at_ != Clock::time_point{} && Clock::now() - saved_at_ < save_interval)) return;
  const auto snapshot = current_.get();
  if (!snapshot) return;
  // The cookie may be ahead of the entries only by what has no effect yet: changes that wait are not in it.
  const bool waiting = !changed_.empty() || !removed_.empty() || refreshing_;
  if (waiting && !now) return;
  if (const auto saved = directory::SnapshotFile::save(options_.saved_file, *snapshot, {waiting ? std::string() : cookie_, options_.settings}); !saved)
    log::warning("{}: {}", options_.module, saved.error().message);
  unsaved_ = false;
  saved_at_ = Clock::now();
}

}  // namespace mapigate::ldap
