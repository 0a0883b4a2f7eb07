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

// Takes what a server tells while it is followed (RFC 4533). `uuid`: the 16 bytes of an entryUUID.
class SyncSink {
 public:
  virtual ~SyncSink() = default;
  virtual void put(std::string uuid, Record record) = 0;  // new or changed
  virtual void present(std::string uuid) = 0;             // as it was
  virtual void remove(std::string uuid) = 0;
  // All is known up to now. `complete`: what was neither put nor present since follow() began is gone.
  virtual void refreshed(bool complete) = 0;
  virtual bool tick() = 0;  // at least every 200 ms; false ends
};

// One change of an attribute: its new values, or those to add or to take away.
struct Modification {
  enum class How { replace, add, remove } how = How::replace;
  std::string attribute;
  std::vector<std::string> values;
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

  // Whether the server offers follow().
  bool can_follow();
  // Reads what has changed since `cookie` (all when it is empty), then what changes, until the connection ends or the sink
  // does. `cookie` is kept current. Errc::conflict: the server has forgotten the cookie; limit: it does not let us.
  Status follow(const std::vector<std::string>& attributes, std::string& cookie, SyncSink& sink);

  Status modify(const std::string& dn, const std::vector<Modification>& changes);

 private:
  explicit Client(const Server& server);
  Error failure(int code, std::string_view doing) const;

  const Server& server_;
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

// Whether this password opens this entry.
Status check_password(const Server& server, const std::string& dn, const Secret& password);

// Of all ways to write a distinguished name one (RFC 4514: a\, b and a\2C b are the same); what is none stays as it is.
std::string canonical_dn(std::string text);

}  // namespace mapigate::ldap
