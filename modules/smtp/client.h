// Submission over SMTP (RFC 5321, 6409; STARTTLS 3207, AUTH 4954, SIZE 1870, PIPELINING 2920, DSN 3461, SMTPUTF8 6531).
#pragma once

#include "base/secret.h"
#include "io/stream.h"
#include "io/tls.h"
#include "mailbox/submitter.h"
#include "reply.h"

namespace mapigate::smtp {

using io::Task;

struct Server {
  enum class Tls : std::uint8_t { implicit, starttls, none };
  std::string host;
  std::uint16_t port = 587;
  Tls tls = Tls::starttls;
  std::shared_ptr<io::TlsClientContext> tls_context;  // unless Tls::none
  std::string hello;                                  // our name
  bool authenticate = true;
  Duration connect_limit = std::chrono::seconds(10);
  Duration command_limit = std::chrono::seconds(60);
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
