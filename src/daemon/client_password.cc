#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>

#include "daemon/client.h"
#include "daemon/output.h"

namespace mapigate::daemon {

namespace {

// Echo and signal keys are off while the password is typed, so that an interrupt
// cannot leave the terminal mute.
Result<Secret> ask_terminal() {
  const int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0)
    return error(Errc::denied, "there is no password: set MAPIGATE_PASSWORD, or give --password-file FILE, or run this on a terminal");
  termios before{};
  if (tcgetattr(terminal, &before) != 0) {
    close(terminal);
    return error(Errc::denied, "the terminal cannot be asked for a password; set MAPIGATE_PASSWORD");
  }
  auto mute = before;
  mute.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG | ICANON);
  mute.c_cc[VMIN] = 1;
  mute.c_cc[VTIME] = 0;
  tcsetattr(terminal, TCSAFLUSH, &mute);
  (void)write_all(terminal, as_view("Password: "));
  std::string typed;
  bool aborted = false;
  for (char c = 0; read(terminal, &c, 1) == 1 && c != '\n' && c != '\r';) {
    if (c == 3 || c == 4) {  // Ctrl-C, Ctrl-D
      aborted = true;
      break;
    }
    if (c == 0x7F || c == '\b') {
      while (!typed.empty() && (static_cast<unsigned char>(typed.back()) & 0xC0) == 0x80) typed.pop_back();
      if (!typed.empty()) typed.pop_back();
    } else if (typed.size() < 1024) {
      typed.push_back(c);
    }
  }
  tcsetattr(terminal, TCSAFLUSH, &before);
  (void)write_all(terminal, as_view("\n"));
  close(terminal);
  const Secret out(typed);
  std::fill(typed.begin(), typed.end(), '\0');
  if (aborted || out.empty()) return error(Errc::cancelled, "no password was given");
  return out;
}

}  // namespace

Result<Secret> find_password(const std::string& password_file) {
  if (!password_file.empty()) {
    auto bytes = read_input(password_file, 4096);
    if (!bytes) return bytes.error();
    auto line = as_text(*bytes);
    line = line.substr(0, line.find_first_of("\r\n"));
    if (line.empty()) return error(Errc::denied, "{}: the first line, which is to be the password, is empty", password_file);
    return Secret(line);
  }
  if (const char* given = std::getenv("MAPIGATE_PASSWORD"); given != nullptr) {
    const Secret out{std::string_view(given)};
    unsetenv("MAPIGATE_PASSWORD");
    return out;
  }
  return ask_terminal();
}

}  // namespace mapigate::daemon
