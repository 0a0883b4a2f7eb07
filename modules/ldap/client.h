// Reads a directory over LDAP. Blocking: belongs on a worker. Every call has a deadline.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "mapping.h"

namespace mapigate::ldap {

struct Server {
  std::string url;  // "ldap://a ldaps://b": the next is tried where one does not answer
  bool starttls = false;
  bool verify = true;
  std::string ca_file;  // empty: the system's
  std::string bind_dn;  // empty: anonymous
  Secret password;
  std::string base;
  std::string filter;
  std::chrono::milliseconds timeout{30'000};
  int page_size = 500;
  std::size_t max_entries = 200'000;
};

// Errc::unavailable or timeout: the server is away; denied: it does not let us in.
class Client {
 public:
  static Result<std::unique_ptr<Client>> connect(const Server& server);
  ~Client();
  Client(const Client&) = delete;

  // All entries that the filter finds, page by page.
  Result<std::vector<Record>> read(const std::vector<std::string>& attributes);
  // What changes with every change below the base (contextCSN); empty where the server does not tell.
  Result<std::string> change_number();

 private:
  explicit Client(const Server& server);
  Error failure(int code, std::string_view doing) const;

  const Server& server_;
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

// Whether this password opens this entry.
Status check_password(const Server& server, const std::string& dn, const Secret& password);

}  // namespace mapigate::ldap
