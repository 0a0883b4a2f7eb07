#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "state/sqlite_database.h"
#include "state/state_suite.h"

namespace mapigate::state {

namespace fs = std::filesystem;

INSTANTIATE_TEST_SUITE_P(Sqlite, StateSuite,
                         testing::Values(StateBackend{"sqlite", [](const std::string& folder) {
                                                        return open_sqlite_store(folder + "/state");
                                                      }}));

namespace {

class SqliteFiles : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/mapigate-sqlite-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    folder_ = std::string(pattern) + "/a/b";
    auto store = open_sqlite_store(folder_);
    ASSERT_TRUE(store.has_value()) << store.error().message;
    store_ = std::move(*store);
  }
  void TearDown() override { fs::remove_all(fs::path(folder_).parent_path().parent_path()); }
  static mode_t mode(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }
  std::string file(const std::string& user) { return folder_ + "/" + user + ".sqlite"; }
  // The message of the error that opening gives; empty if it opens.
  std::string failure(const std::string& user) {
    auto state = store_->open(user);
    if (state) return {};
    EXPECT_EQ(state.error().code, Errc::internal);
    return state.error().message;
  }

  std::string folder_;
  std::unique_ptr<StateStore> store_;
};

TEST_F(SqliteFiles, AreForTheirOwnerOnly) {
  const auto old = ::umask(0);
  auto state = store_->open("alice@example.test");
  ASSERT_TRUE(state.has_value()) << state.error().message;
  ASSERT_TRUE((*state)->set_value("a", "b").has_value());
  ::umask(old);
  EXPECT_EQ(mode(folder_), 0700u);
  EXPECT_EQ(mode(file("alice@example.test")), 0600u);
  EXPECT_EQ(mode(file("alice@example.test") + "-wal"), 0600u);
  state->reset();
  ::chmod(file("alice@example.test").c_str(), 0644);
  ASSERT_TRUE(store_->open("alice@example.test").has_value());
  EXPECT_EQ(mode(file("alice@example.test")), 0600u);
}

TEST_F(SqliteFiles, NamesCannotLeaveTheFolder) {
  const std::string users[] = {"../../etc/passwd",
                               "..",
                               ".",
                               "/etc/passwd",
                               std::string("a\0b", 3),
                               "A@x",
                               "a@x",
                               "%41@x",
                               "a/b",
                               "\xC3\xA9",
                               std::string(400, 'x'),
                               std::string(400, 'x') + "y",
                               std::string(399, 'x') + "%"};
  for (const auto& user : users) {
    auto state = store_->open(user);
    ASSERT_TRUE(state.has_value()) << state.error().message;
  }
  std::size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(folder_).parent_path().parent_path()))
    count += entry.path().extension() == ".sqlite" && entry.path().parent_path() == folder_;
  EXPECT_EQ(count, std::size(users));
  EXPECT_TRUE(fs::exists(folder_ + "/%2E%2E.sqlite") || fs::exists(folder_ + "/%2E..sqlite"));
  EXPECT_FALSE(store_->open("").has_value());
}

TEST_F(SqliteFiles, SymbolicLinksAreNotFollowed) {
  const auto target = folder_ + "/target";
  fs::create_symlink(target, file("alice@example.test"));
  EXPECT_NE(failure("alice@example.test").find("not a regular file"), std::string::npos);
  EXPECT_FALSE(fs::exists(target));
}

TEST_F(SqliteFiles, DamageIsSaidClearly) {
  {
    auto state = store_->open("a@x");
    ASSERT_TRUE(state.has_value());
    auto folder = (*state)->put_folder({});
    ASSERT_TRUE(folder.has_value());
    FolderDelta delta;
    for (int i = 1; i < 500; ++i) delta.added.push_back(sample_message(i));
    ASSERT_TRUE((*state)->apply(folder->id, std::move(delta)).has_value());
  }
  const auto size = fs::file_size(file("a@x"));
  fs::copy_file(file("a@x"), file("b@x"));
  fs::copy_file(file("a@x"), file("c@x"));
  fs::resize_file(file("b@x"), size / 2);
  EXPECT_NE(failure("b@x").find("damaged"), std::string::npos);
  {
    std::fstream out(file("c@x"), std::ios::in | std::ios::out | std::ios::binary);
    out << std::string(4096, 'x');
  }
  EXPECT_NE(failure("c@x").find("damaged"), std::string::npos);
  EXPECT_NE(failure("c@x").find(file("c@x")), std::string::npos) << "the message names the file";
  EXPECT_EQ(failure("a@x"), "");
}

TEST_F(SqliteFiles, OrdersGetTheirIndexWhenATableIsFirstSortedSo) {
  auto state = store_->open("a@x");
  ASSERT_TRUE(state.has_value());
  auto folder = (*state)->put_folder({});
  ASSERT_TRUE(folder.has_value());
  FolderDelta delta;
  for (int i = 1; i < 50; ++i) delta.added.push_back(sample_message(i));
  ASSERT_TRUE((*state)->apply(folder->id, std::move(delta)).has_value());
  auto other = SqliteDatabase::open(file("a@x"));
  ASSERT_TRUE(other.has_value());
  const auto indexes = [&] {
    return (*other)->number("SELECT count(*) FROM sqlite_schema WHERE name IN ('messages_subject', 'messages_sender', 'messages_size', 'messages_unread')");
  };
  ASSERT_EQ(indexes().value(), 0u);
  ASSERT_EQ((*state)->message_ids(folder->id, {SortKey::received, true})->size(), 49u);
  EXPECT_EQ(indexes().value(), 0u);
  unsigned made = 0;
  for (const auto key : {SortKey::subject, SortKey::sender, SortKey::size, SortKey::unread}) {
    ASSERT_EQ((*state)->message_ids(folder->id, {key, true})->size(), 49u);
    EXPECT_EQ(indexes().value(), ++made);
  }
}

TEST_F(SqliteFiles, OtherProgramsAndLaterVersionsAreRefused) {
  {
    auto database = SqliteDatabase::open(file("a@x"));
    ASSERT_TRUE(database.has_value());
    ASSERT_TRUE((*database)->execute("CREATE TABLE t (x)").has_value());
  }
  EXPECT_NE(failure("a@x").find("another program"), std::string::npos);
  ASSERT_TRUE(store_->open("b@x").has_value());
  {
    auto database = SqliteDatabase::open(file("b@x"));
    ASSERT_TRUE(database.has_value());
    ASSERT_TRUE((*database)->execute("INSERT INTO migrations VALUES (999, 'x')").has_value());
  }
  EXPECT_NE(failure("b@x").find("later version"), std::string::npos);
}

TEST_F(SqliteFiles, AFolderThatEverybodyMayWriteToIsRefused) {
  ::chmod(folder_.c_str(), 0777);
  auto store = open_sqlite_store(folder_);
  ASSERT_FALSE(store.has_value());
  EXPECT_EQ(store.error().code, Errc::denied);
}

}  // namespace
}  // namespace mapigate::state
