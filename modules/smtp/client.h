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
};

// One message over one connection. Errc::denied: the login is refused; malformed: the message cannot be sent to this
// server at all; the rest may pass.
Task<Result<std::vector<mailbox::RecipientOutcome>>> send(std::shared_ptr<const Server> server, Credentials credentials,
                                                          mailbox::Envelope envelope, convert::ByteSource message);

}  // namespace mapigate::smtp
