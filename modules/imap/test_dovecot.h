// A real Dovecot in a private folder for C++ tests, and a plain blocking IMAP client to
// play the user's other mail program.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace mapigate::testing {

// A TCP port of 127.0.0.1 that was free a moment ago.
std::uint16_t free_port();

class Dovecot {
 public:
  struct Options {
    std::string capability;        // replaces what it announces ("IMAP4rev1 UIDPLUS")
    std::string certificate, key;  // PEM files, for TLS on both ports
    std::string mailboxes;         // lines for the namespace
    std::string extra;
  };
  // False where no Dovecot is installed: the test has to skip, visibly.
  static bool installed();

  Dovecot();
  explicit Dovecot(Options options);  // starts; throws if it does not come up
  ~Dovecot();
  Dovecot(const Dovecot&) = delete;

  std::uint16_t port() const { return port_; }
  std::uint16_t tls_port() const { return tls_port_; }
  static constexpr const char* user = "alice@example.test";
  static constexpr const char* password = "s\"e\\cret";

  void start();
  void kill();    // SIGKILL to all of it
  void freeze();  // connections stay open, nothing answers
  void thaw();
  // "doveadm mailbox update --uid-validity": numbers a mailbox anew in name only
  bool doveadm(const std::vector<std::string>& arguments) const;
  std::string log() const;

 private:
  void write_config();
  std::string folder_;
  Options options_;
  std::uint16_t port_ = 0, tls_port_ = 0;
  pid_t pid_ = -1;
};

// Throws std::runtime_error on anything but OK.
class PlainImap {
 public:
  explicit PlainImap(std::uint16_t port);
  ~PlainImap();
  PlainImap(const PlainImap&) = delete;
  std::string command(const std::string& text);  // the untagged lines and the tagged one
  void append(const std::string& mailbox, const std::string& message, const std::string& flags = "",
              const std::string& date = "");

 private:
  std::string read_line();
  int socket_ = -1;
  std::string buffer_;
  unsigned tag_ = 0;
};

}  // namespace mapigate::testing
