// Copies of running stores, damaged files, and what is forgotten.
#include "state/maintenance.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "state/state_suite.h"
#include "state/stores.h"

namespace mapigate::state {
namespace {

namespace fs = std::filesystem;

class Maintenance : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/mapigate-maintenance-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    folder_ = pattern;
    open(100'000);
    Folder folder;
    folder.parent = 1;
    folder.name = "Mail";
    folder.provider = "imap";
    mail_ = state_->put_folder(folder).value().id;
  }
  void TearDown() override {
    state_.reset();
    fs::remove_all(folder_);
  }
  void open(std::uint64_t keep) {
    state_.reset();
    StoreOptions options;
    options.folder = folder_;
    options.keep_removals = keep;
    store_ = open_store(options).value();
    state_ = store_->open("a@x").value();
    file_ = sqlite_file(folder_, "a@x").value();
  }
  void add(std::uint64_t first, std::uint64_t last) {
    FolderDelta delta;
    for (auto key = first; key <= last; ++key) delta.added.push_back(sample_message(key));
    ASSERT_TRUE(state_->apply(mail_, std::move(delta)).has_value());
  }
  std::vector<MessageKey> keys() { return state_->message_keys(mail_).value(); }

  std::string folder_, file_;
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<MailboxState> state_;
  GlobalCounter mail_ = 0;
};

TEST_F(Maintenance, ACopyIsMadeWhileTheStoreIsInUse) {
  add(1, 500);
  const auto copy = folder_ + "/copy.sqlite";
  const auto done = back_up(file_, copy);
  ASSERT_TRUE(done.has_value()) << done.error().message;
  add(501, 600);
  EXPECT_FALSE(back_up(file_, copy).has_value()) << "never over another one";
  const auto other = folder_ + "/other";
  fs::create_directory(other);
  fs::permissions(other, fs::perms::owner_all);
  fs::copy_file(copy, other + "/a@x.sqlite");
  auto restored = open_sqlite_store(other).value()->open("a@x").value();
  EXPECT_EQ(restored->mailbox_guid(), state_->mailbox_guid());
  EXPECT_EQ(restored->message_keys(mail_).value().size(), 500u);
  EXPECT_EQ(keys().size(), 600u);
  EXPECT_TRUE(find_damage(copy).value().empty());
}

TEST_F(Maintenance, ADamagedFileKeepsItsIdsAndWhatCanBeRead) {
  add(1, 2000);
  const auto before = keys();
  ASSERT_TRUE(state_->set_value("a", "b").has_value());
  mapi::PropertyBag bag;
  bag.set_string(mapi::PidTagComment, "mine");
  ASSERT_TRUE(state_->set_extra_properties(before[0].id, bag).has_value());
  const auto guid = state_->mailbox_guid();
  const auto latest = state_->latest_change();
  EXPECT_FALSE(repair_file(file_).has_value()) << "it is in use";
  state_.reset();
  // Some pages in the middle are overwritten.
  {
    std::fstream out(file_, std::ios::in | std::ios::out | std::ios::binary);
    const auto pages = fs::file_size(file_) / 4096;
    for (auto page = pages / 3; page < pages / 3 + 8; ++page) {
      out.seekp(static_cast<std::streamoff>(page * 4096));
      out << std::string(4096, '\x5a');
    }
  }
  EXPECT_FALSE(find_damage(file_).value().empty());
  const auto repaired = repair_file(file_);
  ASSERT_TRUE(repaired.has_value()) << repaired.error().message;
  EXPECT_TRUE(repaired->identity);
  EXPECT_GT(repaired->messages, 0u);
  EXPECT_TRUE(fs::exists(repaired->damaged_file));
  EXPECT_TRUE(find_damage(file_).value().empty());
  open(100'000);
  EXPECT_EQ(state_->mailbox_guid(), guid);
  EXPECT_EQ(state_->value("a").value(), "b");
  std::map<std::uint64_t, GlobalCounter> ids;
  for (const auto& key : before) ids[key.remote_key] = key.id;
  const auto after = keys();
  EXPECT_EQ(after.size(), repaired->messages);
  for (const auto& key : after) EXPECT_EQ(ids.at(key.remote_key), key.id);
  const auto folders = state_->folders().value();
  ASSERT_EQ(folders.size(), 1u);
  EXPECT_EQ(folders[0].total, after.size());
  // No number is given out twice, and the engine reads the folder anew.
  EXPECT_GT(state_->reserve_ids(1).value(), latest);
  EXPECT_EQ(state_->value(reindex_key).value(), fmt::format("{:x} ", mail_));
}

TEST_F(Maintenance, OldRemovalsAreForgotten) {
  add(1, 100);
  for (const auto& key : keys()) {
    FolderDelta delta;
    if (key.remote_key > 90) break;
    delta.removed.push_back(key.id);
    ASSERT_TRUE(state_->apply(mail_, std::move(delta)).has_value());
    if (key.remote_key % 30 == 0) open(100'000);  // a new block of numbers
  }
  EXPECT_EQ(state_->changes(mail_, 0, 0).value().removed.size(), 90u);
  open(20);
  EXPECT_LE(state_->changes(mail_, 0, 0).value().removed.size(), 60u);
  EXPECT_GE(state_->changes(mail_, 0, 0).value().removed.size(), 20u);
  EXPECT_EQ(keys().size(), 10u);
}

}  // namespace
}  // namespace mapigate::state
