// Runs this program once more with a test that does not end.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

namespace mapigate {
namespace {

constexpr const char* wanted = "MAPIGATE_TEST_HANGS";

class Hanging : public testing::Test {
 public:
  void TestBody() override {
    std::thread other([] { std::this_thread::sleep_for(std::chrono::hours(1)); });
    other.join();
  }
};
// Only in the other program.
[[maybe_unused]] const bool registered = [] {
  if (std::getenv(wanted) != nullptr)
    testing::RegisterTest("Hanging", "DoesNotEnd", nullptr, nullptr, __FILE__, __LINE__, []() -> testing::Test* { return new Hanging; });
  return true;
}();

TEST(TestLimit, SaysWhichTestHangsAndWhere) {
  if (std::getenv(wanted) != nullptr) GTEST_SKIP() << "this is the other program";
  const auto command = std::string("ulimit -c 0; exec env -u GTEST_OUTPUT ") + wanted + "=1 MAPIGATE_TEST_LIMIT=1 '" +
                       std::filesystem::read_symlink("/proc/self/exe").string() + "' --gtest_filter='Hanging.*' 2>&1";
  auto* program = ::popen(command.c_str(), "r");
  ASSERT_NE(program, nullptr);
  std::string said;
  for (char piece[4096]; const auto got = std::fread(piece, 1, sizeof piece, program);) said.append(piece, got);
  const int status = ::pclose(program);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status << "\n" << said;
  EXPECT_NE(said.find("Too long without an end: Hanging.DoesNotEnd\n"), std::string::npos) << said;
  std::size_t threads = 0;
  for (auto at = said.find("-- thread "); at != said.npos; at = said.find("-- thread ", at + 1)) ++threads;
  EXPECT_GE(threads, 2u) << said;
}

}  // namespace
}  // namespace mapigate
