#include "test_dovecot.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>

namespace mapigate::testing {

namespace fs = std::filesystem;

namespace {

int connect_to(std::uint16_t port) {
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  timeval limit{30, 0};
  ::setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  int on = 1;
  ::setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(made, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return made;
  ::close(made);
  return -1;
}

pid_t run(const std::vector<std::string>& arguments, const std::string& output) {
  std::vector<char*> raw;
  for (const auto& argument : arguments) raw.push_back(const_cast<char*>(argument.c_str()));
  raw.push_back(nullptr);
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::setsid();                          // a group of its own, to be stopped as a whole
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // a test that crashes leaves no server behind
  const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(out, 1);
  ::dup2(out, 2);
  ::execv(raw[0], raw.data());
  ::_exit(127);
}

}  // namespace

// Not one of those that the system gives to whoever asks for any: it would be somebody else's before the server listens, or
// restarts.
std::uint16_t free_port() {
  static std::mt19937 random{std::random_device()()};
  for (int i = 0; i < 10'000; ++i) {
    const auto port = std::uniform_int_distribution<std::uint16_t>(20'000, 31'999)(random);
    const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool free = ::bind(made, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(made);
    if (free) return port;
  }
  throw std::runtime_error("no free port");
}

bool Dovecot::installed() { return ::access("/usr/sbin/dovecot", X_OK) == 0; }

Dovecot::Dovecot() : Dovecot(Options()) {}

Dovecot::Dovecot(Options options) : options_(std::move(options)), port_(free_port()), tls_port_(free_port()) {
  char pattern[] = "/tmp/mapigate-dc-XXXXXX";
  if (::mkdtemp(pattern) == nullptr) throw std::runtime_error("no temporary folder");
  folder_ = pattern;
  ::chmod(folder_.c_str(), 0711);
  fs::create_directory(folder_ + "/home");
  if (::geteuid() == 0) {
    const auto* mail = ::getpwnam("mail");
    if (mail == nullptr || ::chown((folder_ + "/home").c_str(), mail->pw_uid, mail->pw_gid) != 0)
      throw std::runtime_error("no user mail");
  }
  std::ofstream(folder_ + "/users") << user << ":{PLAIN}" << password << "::::::\n";
  start();
}

Dovecot::~Dovecot() {
  kill();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Dovecot::write_config() {
  const bool root = ::geteuid() == 0;
  const std::string own = root ? "" : ::getpwuid(::geteuid())->pw_name;
  const std::string own_group = root ? "" : ::getgrgid(::getegid())->gr_name;
  auto who = [&](const char* as_root) { return root ? std::string(as_root) : own; };
  const auto group = root ? std::string("mail") : own_group;
  std::ofstream out(folder_ + "/dovecot.conf");
  out << "base_dir = " << folder_ << "/run\nstate_dir = " << folder_ << "/state\nlog_path = " << folder_
      << "/log\n"
      << "protocols = imap\nlisten = 127.0.0.1\n"
      << "default_internal_user = " << who("dovecot")
      << "\ndefault_internal_group = " << (root ? "dovecot" : own_group)
      << "\ndefault_login_user = " << who("dovenull") << "\nmail_uid = " << who("mail")
      << "\nmail_gid = " << group
      << "\nfirst_valid_uid = 1\nmail_location = mdbox:~/mail\nmail_fsync = never\n"
      << (options_.certificate.empty()
              ? "ssl = no\n"
              : fmt::format("ssl = yes\nssl_cert = <{}\nssl_key = <{}\n", options_.certificate, options_.key))
      << "disable_plaintext_auth = no\nauth_mechanisms = plain login\n"
      << "passdb {\ndriver = passwd-file\nargs = username_format=%u " << folder_ << "/users\n}\n"
      << "userdb {\ndriver = static\nargs = uid=" << who("mail") << " gid=" << group << " home=" << folder_
      << "/home/%n\n}\n"
      << "namespace inbox {\ninbox = yes\nseparator = /\n"
      << options_.mailboxes << "}\n"
      << "protocol imap {\nmail_max_userip_connections = 100\n"
      << (options_.capability.empty() ? "" : "imap_capability = " + options_.capability + "\n") << "}\n"
      << "service anvil {\nchroot =\n}\nservice imap-login {\nchroot =\ninet_listener imap {\nport = "
      << port_ << "\n}\ninet_listener imaps {\nport = " << (options_.certificate.empty() ? 0 : tls_port_)
      << "\nssl = yes\n}\n}\n"
      << options_.extra;
}

void Dovecot::start() {
  write_config();
  fs::remove(folder_ + "/run/master.pid");
  pid_ = run({"/usr/sbin/dovecot", "-F", "-c", folder_ + "/dovecot.conf"}, folder_ + "/output");
  for (int i = 0; i < 400; ++i) {
    const int link = connect_to(port_);
    if (link >= 0) {
      char greeting[5] = {};
      const bool greets = ::recv(link, greeting, 4, MSG_WAITALL) == 4 && std::string(greeting) == "* OK";
      ::close(link);
      if (greets) return;
    }
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) break;
    ::usleep(25'000);
  }
  std::ifstream output(folder_ + "/output");
  std::stringstream said;
  said << output.rdbuf();
  throw std::runtime_error("Dovecot does not start: " + said.str() + log());
}

void Dovecot::kill() {
  if (pid_ <= 0) return;
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}
void Dovecot::freeze() { ::kill(-pid_, SIGSTOP); }
void Dovecot::thaw() { ::kill(-pid_, SIGCONT); }

bool Dovecot::doveadm(const std::vector<std::string>& arguments) const {
  std::vector<std::string> all{"/usr/bin/doveadm", "-c", folder_ + "/dovecot.conf"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  int status = 0;
  const pid_t child = run(all, folder_ + "/output");
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string Dovecot::log() const {
  std::ifstream in(folder_ + "/log");
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

PlainImap::PlainImap(std::uint16_t port) : socket_(connect_to(port)) {
  if (socket_ < 0) throw std::runtime_error("no IMAP server");
  read_line();
  command(std::string("LOGIN ") + Dovecot::user + " \"s\\\"e\\\\cret\"");
}
PlainImap::~PlainImap() { ::close(socket_); }

std::string PlainImap::read_line() {
  for (;;) {
    const auto end = buffer_.find('\n');
    if (end != std::string::npos) {
      auto line = buffer_.substr(0, end + 1);
      buffer_.erase(0, end + 1);
      return line;
    }
    char chunk[65536];
    const auto got = ::recv(socket_, chunk, sizeof chunk, 0);
    if (got <= 0) throw std::runtime_error("the IMAP server closed the connection");
    buffer_.append(chunk, static_cast<std::size_t>(got));
  }
}

std::string PlainImap::command(const std::string& text) {
  const auto tag = "p" + std::to_string(++tag_);
  const auto line = tag + " " + text + "\r\n";
  for (std::size_t at = 0; at < line.size();) {
    const auto sent = ::send(socket_, line.data() + at, line.size() - at, MSG_NOSIGNAL);
    if (sent <= 0) throw std::runtime_error("the IMAP server closed the connection");
    at += static_cast<std::size_t>(sent);
  }
  std::string out;
  for (;;) {
    const auto reply = read_line();
    out += reply;
    if (!reply.starts_with(tag + " ")) continue;
    if (!reply.starts_with(tag + " OK")) throw std::runtime_error(text.substr(0, 60) + ": " + reply);
    return out;
  }
}

void PlainImap::append(const std::string& mailbox, const std::string& message, const std::string& flags,
                       const std::string& date) {
  command("APPEND \"" + mailbox + "\" (" + flags + ")" + (date.empty() ? "" : " \"" + date + "\"") + " {" +
          std::to_string(message.size()) + "+}\r\n" + message);
}

}  // namespace mapigate::testing
