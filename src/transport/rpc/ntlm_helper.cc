#include "transport/rpc/ntlm_helper.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>

#include "base/log.h"
#include "base/text.h"

extern char** environ;

namespace mapigate::transport {

namespace {
constexpr std::size_t longest_answer = 16 * 1024;
constexpr std::string_view end_of_answer = "\n.\n";
constexpr std::size_t shortest_response = 16 + 28;  // of NTLM version 2; with less than 24 ntlm_auth answers twice

// Whether the program has looked at the question. What says "Error" may be followed by further answers to the same one.
bool settled(std::string_view answer) {
  return answer.starts_with("Authenticated: ") || answer.find("\nAuthenticated: ") != std::string_view::npos;
}
}  // namespace

class NtlmHelpers::Process {
 public:
  Process(pid_t pid, int descriptor) : pid_(pid), descriptor_(descriptor) {}
  ~Process() {
    ::close(descriptor_);
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  Process(const Process&) = delete;

  static Result<std::unique_ptr<Process>> start(const std::vector<std::string>& command) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return failed("socketpair", errno);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    // Signals that the daemon takes elsewhere are the program's own again.
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::vector<char*> arguments;
    for (const auto& one : command) arguments.push_back(const_cast<char*>(one.c_str()));
    arguments.push_back(nullptr);
    pid_t pid = 0;
    const int problem = ::posix_spawn(&pid, command.front().c_str(), &actions, &attributes, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    ::close(ends[1]);
    if (problem == 0) return std::make_unique<Process>(pid, ends[0]);
    ::close(ends[0]);
    return failed(command.front(), problem);
  }

  Result<std::string> ask(std::string_view question, Duration limit) {
    const auto until = Clock::now() + limit;
    while (!question.empty()) {
      const auto sent = ::send(descriptor_, question.data(), question.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) question.remove_prefix(static_cast<std::size_t>(sent));
      else if (sent < 0 && errno != EAGAIN && errno != EINTR) return failed("its question", errno);
      else if (auto ready = wait(POLLOUT, until); !ready) return ready.error();
    }
    std::string answer;
    while (!answer.ends_with(end_of_answer)) {
      if (auto ready = wait(POLLIN, until); !ready) return ready.error();
      char buffer[1024];
      const auto got = ::recv(descriptor_, buffer, sizeof buffer, MSG_DONTWAIT);
      if (got == 0) return error(Errc::unavailable, "it has ended");
      if (got < 0 && errno != EAGAIN && errno != EINTR) return failed("its answer", errno);
      if (got > 0) answer.append(buffer, static_cast<std::size_t>(got));
      if (answer.size() > longest_answer) return error(Errc::malformed, "an answer without an end");
    }
    return answer;
  }

 private:
  static Error failed(std::string_view what, int problem) {
    return error(Errc::unavailable, "{}: {}", what, std::generic_category().message(problem));
  }
  Status wait(short events, Clock::time_point until) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd one{descriptor_, events, 0};
    if (left <= 0 || ::poll(&one, 1, static_cast<int>(left)) == 0) return error(Errc::timeout, "no answer in time");
    return {};
  }

  pid_t pid_;
  int descriptor_;
};

NtlmHelpers::NtlmHelpers(std::vector<std::string> command, Duration limit) : command_(std::move(command)), limit_(limit) {}
NtlmHelpers::~NtlmHelpers() = default;

Result<std::unique_ptr<NtlmHelpers::Process>> NtlmHelpers::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto out = std::move(idle_.back());
      idle_.pop_back();
      return out;
    }
  }
  return Process::start(command_);
}

Result<SessionKey> NtlmHelpers::check(std::string_view user, std::string_view domain, View challenge, View response) {
  if (challenge.size() != 8 || response.size() < shortest_response) return error(Errc::denied, "a response of {} bytes", response.size());
  const auto question = ntlm_helper_question(user, domain, challenge, response);
  for (bool again = true;; again = false) {
    auto process = take();
    if (!process) return std::move(process.error()).within("ntlm_helper");
    auto answer = (*process)->ask(question, limit_);
    if (answer) {
      // Another one's question must never meet what is left of this one's answer.
      if (settled(*answer)) {
        const std::lock_guard lock(mutex_);
        idle_.push_back(std::move(*process));
      }
      return read_ntlm_helper_answer(*answer);
    }
    // One that was idle may have ended meanwhile.
    if (answer.error().code != Errc::unavailable || !again) return std::move(answer.error()).within("ntlm_helper");
    const std::lock_guard lock(mutex_);
    idle_.clear();
  }
}

std::string ntlm_helper_question(std::string_view user, std::string_view domain, View challenge, View response) {
  // The domain even if it is empty: the response is made with it, while ntlm_auth would take its own.
  std::string out = "Username:: " + to_base64(as_view(user)) + "\nNT-Domain:: " + to_base64(as_view(domain)) + "\n";
  return out + "LANMAN-Challenge: " + to_hex(challenge) + "\nNT-Response: " + to_hex(response) + "\nRequest-User-Session-Key: Yes\n.\n";
}

Result<SessionKey> read_ntlm_helper_answer(std::string_view answer) {
  bool good = false;
  std::optional<SessionKey> key;
  std::string problem = "no reason given";
  while (!answer.empty()) {
    const auto end = std::min(answer.find('\n'), answer.size());
    const auto line = answer.substr(0, end);
    answer.remove_prefix(std::min(end + 1, answer.size()));
    const auto colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    const auto name = line.substr(0, colon), value = trim(line.substr(colon + 2));
    if (name == "Authenticated") good = value == "Yes";
    else if (name == "Authentication-Error" || name == "Error") problem = value;
    else if (Bytes raw; name == "User-Session-Key" && from_hex(lower_ascii(value), raw) && raw.size() == 16) {
      key.emplace();
      std::copy(raw.begin(), raw.end(), key->begin());
    }
  }
  if (good && key) return *key;
  if (good) return error(Errc::unavailable, "ntlm_helper: no session key");
  // It has words only; these are of Samba's tables for NT_STATUS_NO_LOGON_SERVERS and its like, and of a locked account.
  const auto text = lower_ascii(problem);
  for (const auto* away : {"logon server", "winbind", "trust relationship", "domain controller", "netlogon", "network", "not reachable", "rpc server",
                           "pipe", "timed out", "time-out", "timeout", "connection"})
    if (text.find(away) != std::string::npos) return error(Errc::unavailable, "ntlm_helper: {}", problem);
  if (text.find(" locked") != std::string::npos) return error(Errc::limit, "ntlm_helper: {}", problem);
  return error(Errc::denied, "ntlm_helper: {}", problem);
}

}  // namespace mapigate::transport
