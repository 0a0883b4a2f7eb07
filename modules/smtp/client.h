// Submission over SMTP (RFC 5321, 6409; STARTTLS 3207, AUTH 4954, SIZE 1870, PIPELINING 2920, DSN 3461, SMTPUTF8 6531).
#pragma once

#include "base/secret.h"
#include "io/server_settings.h"
#include "io/stream.h"
#include "io/tls.h"
#include "mailbox/submitter.h"
#include "reply.h"

namespace mapigate::smtp {

using io::Task;

struct Server : io::ServerAddress {
  std::string hello;                                  // our name
  bool authenticate = true;
  Duration data_limit = std::chrono::minutes(10);  // RFC 5321 4.5.3.2.6
};

struct Credentials {
  std::string user;
  Secret password;
  std::string master{};  // whose password it is, when that is not the user
};

class Connection;

// One user's way out. A connection stays for a moment after a message: they often come several at a time. Lives on one
// executor.
class Sender : public std::enable_shared_from_this<Sender> {
 public:
  Sender(std::shared_ptr<const Server> server, Credentials credentials, io::Executor executor);
  ~Sender();

  // Errc::denied: the login is refused; malformed: the message cannot be sent to this server at all; the rest may pass.
  Task<Result<std::vector<mailbox::RecipientOutcome>>> send(mailbox::Envelope envelope, convert::ByteSource message);

 private:
  Task<Result<std::unique_ptr<Connection>>> open();
  void keep(std::unique_ptr<Connection> connection);
  static Task<> close_when_idle(std::weak_ptr<Sender> weak);

  std::shared_ptr<const Server> server_;
  Credentials credentials_;
  io::Executor executor_;
  std::unique_ptr<Connection> idle_;
  Clock::time_point since_{};
  bool closing_ = false;
};

}  // namespace mapigate::smtp
