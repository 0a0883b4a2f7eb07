// For the tests of this folder: a backend in memory that fails on demand.
#pragma once

#include <map>
#include <mutex>
#include <set>

#include "mailbox/engine.h"

namespace mapigate::mailbox::testing {

struct FakeMessage {
  std::string raw;
  std::uint32_t flags = 0;
  FileTime received;
  std::set<std::string> keywords{};
};
struct FakeFolder {
  RemoteFolder remote;
  std::map<std::uint64_t, FakeMessage> messages;
  std::uint64_t next = 1, change = 1;
};
struct FakeBackend {
  std::mutex mutex;
  std::map<std::string, FakeFolder> folders;
  std::set<std::string> down;   // "folders", "refresh", "part", "later part", "changed", "content", "set_flags"
  std::set<std::string> refused;  // of the same: for good
  std::set<std::string> left_out; // folders, by the next list
  std::map<std::string, int> calls;
  std::size_t part = 50;        // messages in one part of a refresh
  Duration slow{};              // a refresh takes so long
  std::string stuck;            // "remove" waits before it is done, "copy" after that, until it is cut off
  std::optional<Quota> quota;
  bool tells = false;           // news, by itself
  bool tells_keys = true;       // of messages that are copied (UIDPLUS)
  News news;                    // not told yet

  std::string add(const std::string& folder, const std::string& subject, std::uint32_t flags = 0, std::string body = "Hello.\r\n",
                  std::string extra = {});
  void set_down(const std::string& what, bool is = true);
  void refuse(const std::string& what, bool is = true);
  void add_folder(const std::string& id, FolderRole role = FolderRole::none, const std::string& parent = {});
  void rename(const std::string& from, const std::string& to);  // with what is below it
  int count(const std::string& what);
};
class FakeFactory final : public ProviderFactory {
 public:
  explicit FakeFactory(FakeBackend& backend) : backend_(backend) {}
  std::unique_ptr<Provider> open(std::shared_ptr<const chain::Identity>, io::Executor) override;

 private:
  FakeBackend& backend_;
};

}  // namespace mapigate::mailbox::testing
