// ManageSieve (RFC 5804), the client's side.
#pragma once

#include "base/secret.h"
#include "io/server_settings.h"
#include "io/stream.h"
#include "io/tls.h"
#include "io/task.h"
#include "reply.h"

namespace mapigate::sieve {

using io::Task;

struct Server : io::ServerAddress {
  std::size_t max_script = 256 * 1024;
};

struct Credentials {
  std::string user;
  Secret password;
  std::string master;  // who logs in for the user; empty: the user
};

struct Script {
  std::string name;
  bool active = false;
};

// One connection, used by one task at a time.
class Client {
 public:
  // Connects, secures, logs in. Errc::denied: the server does not let the user in.
  static Task<Result<std::unique_ptr<Client>>> open(std::shared_ptr<const Server> server, Credentials credentials);

  const Capabilities& capabilities() const { return capabilities_; }
  Task<Result<std::vector<Script>>> list();
  Task<Result<std::string>> get(std::string name);  // Errc::not_found
  // Errc::limit: over the server's quota; conflict: the server does not take it for a script.
  Task<Status> put(std::string name, std::string script);
  Task<Status> activate(std::string name);  // empty: none
  Task<> log_out();

 private:
  explicit Client(std::shared_ptr<const Server> server, std::unique_ptr<io::Stream> stream);
  Task<Status> greet(Credentials credentials);
  Task<Status> log_in(Credentials credentials);
  Task<Result<Line>> read_line();
  // The data in front of the completion.
  struct Reply {
    std::vector<Line> lines;
    Completion completion;
  };
  Task<Result<Reply>> reply();
  Task<Result<Reply>> command(std::string text);
  Task<Status> done(std::string text, const char* what);
  Task<Status> read_capabilities();
  Error lost(Error why) const;
  Error refused(const char* what, const Completion& completion) const;

  std::shared_ptr<const Server> server_;
  std::unique_ptr<io::Stream> stream_;
  LineReader reader_;
  Bytes buffer_;
  View in_;  // what of it is not yet read
  Capabilities capabilities_;
};

}  // namespace mapigate::sieve
