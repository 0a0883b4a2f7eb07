// The state suite over a private PostgreSQL server on a socket of its own. Its programs refuse to run as root: then they run
// as "games". Without them the tests say so and are skipped.
#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "state/postgres_store.h"
#include "state/state_suite.h"

namespace mapigate::state {

namespace {

namespace fs = std::filesystem;

class Server {
 public:
  Server() {
    for (const auto& folder : fs::exists("/usr/lib/postgresql") ? fs::directory_iterator("/usr/lib/postgresql") : fs::directory_iterator())
      if (fs::exists(folder.path() / "bin/initdb")) programs_ = folder.path() / "bin";
    char pattern[] = "/tmp/mapigate-pg-XXXXXX";
    if (programs_.empty() || ::mkdtemp(pattern) == nullptr) return;
    folder_ = pattern;
    if (::geteuid() == 0) {
      const auto* user = ::getpwnam("games");
      if (user == nullptr || ::chown(folder_.c_str(), user->pw_uid, user->pw_gid) != 0) return;
    }
    const auto data = (folder_ / "data").string();
    if (!run({programs_ / "initdb", "-D", data, "-U", "gw", "-A", "trust", "--no-sync"})) return;
    running_ = run({programs_ / "pg_ctl", "-w", "-D", data, "-l", folder_ / "log", "-o",
                    "-c listen_addresses='' -c fsync=off -c unix_socket_directories=" + folder_.string(), "start"});
  }
  ~Server() {
    if (running_) run({programs_ / "pg_ctl", "-m", "immediate", "-D", folder_ / "data", "stop"});
    if (!folder_.empty()) fs::remove_all(folder_);
  }
  bool running() const { return running_; }
  std::string conninfo() const { return "host=" + folder_.string() + " user=gw dbname=postgres"; }
  bool restart() {
    return run({programs_ / "pg_ctl", "-w", "-m", "immediate", "-D", folder_ / "data", "-l", folder_ / "log", "restart"});
  }

 private:
  bool run(std::vector<std::string> words) const {
    const auto child = ::fork();
    if (child == 0) {
      const auto* user = ::geteuid() == 0 ? ::getpwnam("games") : nullptr;
      if (user != nullptr && (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0)) ::_exit(126);
      if (::chdir("/") != 0 || std::freopen((folder_ / "out").c_str(), "a", stdout) == nullptr ||
          ::dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
        ::_exit(126);
      ::unsetenv("LD_PRELOAD");
      std::vector<char*> argv;
      for (auto& word : words) argv.push_back(word.data());
      argv.push_back(nullptr);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    int status = 0;
    return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  fs::path programs_, folder_;
  bool running_ = false;
};

Server& server() {
  static Server one;
  return one;
}

std::string prefix_of(const std::string& folder) {
  std::string out = "t";
  for (const char c : folder.substr(folder.rfind('-') + 1)) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

Result<std::unique_ptr<StateStore>> open_in(const std::string& folder) {
  if (!server().running()) return error(Errc::unavailable, "no PostgreSQL server could be started (package postgresql)");
  return open_postgres_store({server().conninfo(), 4, prefix_of(folder)});
}

bool installed() { return server().running(); }

}  // namespace

INSTANTIATE_TEST_SUITE_P(Postgres, StateSuite, testing::Values(StateBackend{"postgres", open_in, installed}));

namespace {

TEST(Postgres, NumbersOfTwoGatewaysBecomeVisibleInTheirOrder) {
  if (!installed()) GTEST_SKIP() << "no PostgreSQL server could be started";
  const PostgresOptions options{server().conninfo(), 4, "two"};
  auto a = open_postgres_store(options).value()->open("alice@example.test").value();
  auto b = open_postgres_store(options).value()->open("alice@example.test").value();
  EXPECT_EQ(a->mailbox_guid(), b->mailbox_guid());
  Folder folder;
  folder.parent = 1;
  folder.name = "F";
  const auto id = a->put_folder(folder).value().id;
  GlobalCounter last = 0;
  for (std::uint64_t key = 1; key < 10; ++key) {
    auto& state = key % 2 ? *a : *b;
    FolderDelta delta;
    delta.added.push_back(sample_message(key));
    ASSERT_TRUE(state.apply(id, std::move(delta)).has_value());
    // The other one sees it, with nothing missing below.
    auto& other = key % 2 ? *b : *a;
    const auto changes = other.changes(id, last, last).value();
    ASSERT_EQ(changes.changed.size(), 1u);
    EXPECT_GT(changes.changed[0].change_number, last);
    last = changes.latest;
  }
}

TEST(Postgres, AServerThatComesBackIsFoundAgain) {
  if (!installed()) GTEST_SKIP() << "no PostgreSQL server could be started";
  auto state = open_postgres_store({server().conninfo(), 2, "again"}).value()->open("alice@example.test").value();
  ASSERT_TRUE(state->set_value("a", "b").has_value());
  ASSERT_TRUE(server().restart());
  EXPECT_EQ(state->value("a").value(), "b");
}

TEST(Postgres, WhatCannotBeReachedIsSaid) {
  auto store = open_postgres_store({"host=/nonexistent user=gw dbname=x connect_timeout=2", 2, "x"});
  ASSERT_FALSE(store.has_value());
  EXPECT_EQ(store.error().code, Errc::unavailable);
  EXPECT_FALSE(open_postgres_store({"", 2, "Robert'); DROP"}).has_value());
}

}  // namespace
}  // namespace mapigate::state
