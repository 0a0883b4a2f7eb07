// Part of every test program: a test that does not end in time is named, with the stacks of all threads, and the program ends
// by SIGABRT. Otherwise whoever runs it would stop it at last, and nobody knew where it stood.
//
// $MAPIGATE_TEST_LIMIT is the time of one test in seconds; 0: no limit, for debuggers.
#include <execinfo.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

// Of AddressSanitizer and ThreadSanitizer, where the program has one: with files and lines.
extern "C" void __sanitizer_print_stack_trace() __attribute__((weak));

namespace mapigate {
namespace {

constexpr unsigned default_seconds = 600;  // the longest test takes half of it under sanitizers on a busy core
constexpr unsigned seconds_for_stacks = 60;

char running[256];  // what the alarm tells
std::atomic<bool> told{false};

// Only what signal handlers may use from here on.

void say(std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

long own_thread() { return ::syscall(SYS_gettid); }

void tell_stack(int) {
  char number[24];
  const auto end = std::to_chars(number, number + sizeof number, own_thread()).ptr;
  say("-- thread ");
  say(std::string_view(number, static_cast<std::size_t>(end - number)));
  say("\n");
  if (__sanitizer_print_stack_trace != nullptr) {
    __sanitizer_print_stack_trace();
  } else {
    void* frames[64];
    ::backtrace_symbols_fd(frames, ::backtrace(frames, 64), STDERR_FILENO);
  }
  told = true;
}

// A thread that holds back signals is passed over after a while.
void ask_for_stack(long thread) {
  told = false;
  if (::syscall(SYS_tgkill, ::getpid(), thread, SIGRTMIN + 5) != 0) return;
  for (int i = 0; i < 500 && !told; ++i) {
    const timespec pause{0, 10'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

void ask_all() {
  // readdir() takes memory, and the lock of that may be what a thread waits for.
  const int folder = ::open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  alignas(8) char entries[4096];
  for (;;) {
    const long got = ::syscall(SYS_getdents64, folder, entries, sizeof entries);
    if (got <= 0) break;
    for (long at = 0; at < got;) {
      unsigned short length = 0;  // struct linux_dirent64: inode, offset, length, type, name
      std::memcpy(&length, entries + at + 16, sizeof length);
      const std::string_view name = entries + at + 19;
      long thread = 0;
      const bool is_number = std::from_chars(name.data(), name.data() + name.size(), thread).ec == std::errc();
      if (is_number && thread != own_thread()) ask_for_stack(thread);
      at += length;
    }
  }
}

void on_alarm(int) {
  // Telling must end, too.
  ::signal(SIGALRM, SIG_DFL);
  ::alarm(seconds_for_stacks);
  say("\nToo long without an end: ");
  say(running);
  say("\n");
  tell_stack(0);
  ask_all();
  ::abort();
}

class TestLimit final : public testing::EmptyTestEventListener {
 public:
  explicit TestLimit(unsigned seconds) : seconds_(seconds) {}

 private:
  void OnTestProgramStart(const testing::UnitTest&) override {
    void* first[1];
    ::backtrace(first, 1);  // loads what it needs
    struct sigaction action {};
    action.sa_flags = SA_RESTART | SA_NODEFER;
    action.sa_handler = on_alarm;
    ::sigaction(SIGALRM, &action, nullptr);
    action.sa_handler = tell_stack;
    ::sigaction(SIGRTMIN + 5, &action, nullptr);
    begin("the start of the program");
  }
  void OnTestStart(const testing::TestInfo& test) override { begin(name_of(test)); }
  // What tears fixtures down has the same time again, and the end of the program as well.
  void OnTestEnd(const testing::TestInfo& test) override { begin("what follows " + name_of(test)); }

  static std::string name_of(const testing::TestInfo& test) { return std::string(test.test_suite_name()) + "." + test.name(); }
  void begin(const std::string& what) {
    ::alarm(0);
    running[what.copy(running, sizeof running - 1)] = '\0';
    ::alarm(seconds_);
  }

  const unsigned seconds_;
};

unsigned seconds_of_environment() {
  const char* text = std::getenv("MAPIGATE_TEST_LIMIT");
  unsigned seconds = default_seconds;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), seconds);
  return seconds;
}

[[maybe_unused]] const bool installed = [] {
  if (const auto seconds = seconds_of_environment(); seconds > 0)
    testing::UnitTest::GetInstance()->listeners().Append(new TestLimit(seconds));
  return true;
}();

}  // namespace
}  // namespace mapigate
