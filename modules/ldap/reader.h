// Keeps a directory as the LDAP server has it: follows the server where that tells changes (RFC 4533), else asks again and
// again. In a thread of its own, because libldap waits.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "client.h"
#include "directory/source.h"

namespace mapigate::ldap {

struct ReaderOptions {
  Server server;
  std::string module, list_name, saved_file;
  std::string settings;  // what a saved directory must have been read with
  std::chrono::milliseconds interval{60'000};
  bool follow = true;
};

class Reader final : private SyncSink {
 public:
  Reader(ReaderOptions options, Mapping mapping, std::unique_ptr<directory::IdTable> ids);
  ~Reader() override;  // waits for the thread, at most for one answer of the server
  void start();

  std::shared_ptr<const directory::Snapshot> snapshot() const { return current_.get(); }
  const Server& server() const { return options_.server; }
  const Mapping& mapping() const { return mapping_; }

 private:
  using Clock = std::chrono::steady_clock;
  void run();
  Status once();         // one round of asking or following
  Status poll(Client& client);
  void load_saved();
  Status publish(std::vector<directory::Entry> entries);
  Status apply();        // what following brought, into a new snapshot
  void save_soon(bool now);

  void put(std::string uuid, Record record) override;
  void present(std::string uuid) override;
  void remove(std::string uuid) override;
  void refreshed(bool complete) override;
  bool tick() override;

  const ReaderOptions options_;
  const Mapping mapping_;
  std::unique_ptr<directory::IdTable> ids_;
  directory::Current current_;

  // Of the thread.
  std::string change_number_, cookie_;
  bool may_follow_ = true, refreshing_ = false, away_ = false, ask_again_ = false;
  std::unordered_map<std::string, directory::Entry> changed_;
  std::unordered_set<std::string> removed_, mentioned_;
  Clock::time_point first_change_{}, last_change_{}, saved_at_{};
  bool unsaved_ = false;

  std::mutex mutex_;  // for stopping_
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace mapigate::ldap
