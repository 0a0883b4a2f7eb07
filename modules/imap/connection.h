// One logged-in connection to an IMAP server.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/secret.h"
#include "data.h"
#include "io/server_settings.h"
#include "io/stream.h"
#include "io/tls.h"

namespace mapigate::imap {

using io::Task;

struct Server : io::ServerAddress {
  Limits limits;
  std::vector<std::string> ignored;  // capabilities that count for nothing, announced or not; lower case
};

struct Credentials {
  std::string user;      // as the server wants it
  Secret password;
  std::string master{};  // whose password it is, when that is not the user (RFC 4616: authentication identity)
};

// What SELECT told.
struct Selected {
  std::string mailbox;
  std::uint32_t exists = 0;
  std::uint32_t uidvalidity = 0;    // 0: unknown
  std::uint32_t uidnext = 0;        // 0: unknown
  std::uint64_t highestmodseq = 0;  // 0: the mailbox keeps none
  bool keywords = true;             // new keywords may be set
  bool read_only = false;
};

// How a command ended. `ok` false is NO or BAD of a connection that goes on.
struct Completion {
  bool ok = false;
  std::string status;  // OK, NO, BAD
  std::string code;
  std::string text;
  std::vector<std::string> code_values;  // of COPYUID and APPENDUID: their words
  Error error(std::string_view command) const;  // of one that is not ok
};

// Sees the untagged responses of a command. An error ends the connection.
using OnResponse = std::function<Status(const Response&)>;

// Used on its executor, by one task at a time. Any error but those of Completion means that the
// connection is lost: is_open() is false from then on.
class Connection {
 public:
  // Connects, secures, logs in, enables. Errc::denied: the server does not let the user in.
  static Task<Result<std::unique_ptr<Connection>>> open(std::shared_ptr<const Server> server,
                                                        Credentials credentials);

  bool has(std::string_view capability) const;  // upper case
  bool condstore() const { return condstore_; }
  bool qresync() const { return qresync_; }
  bool utf8() const { return utf8_; }
  bool is_open() const { return stream_ != nullptr && stream_->is_open(); }
  bool is_quiet() const { return is_open() && in_.empty() && stream_->is_quiet(); }
  bool any_response() const { return any_response_; }  // since open()

  // Sends a command without waiting for its end, so that several can be under way; finish()
  // them in the same order. Untagged responses to a later one may come while an earlier one is
  // finished. Each response has the command limit from the one before it.
  Task<Result<std::string>> send(std::string command);  // its tag
  Task<Result<Completion>> finish(std::string tag, OnResponse on);
  Task<Result<Completion>> run(std::string command, OnResponse on);
  Task<Status> run_ok(std::string command, OnResponse on);  // NO and BAD are errors
  // A command that ends in a literal. The bytes must live until it ends. With `ask_first` they leave only after the server
  // has said that it takes them.
  Task<Result<Completion>> run_literal(std::string command, View literal, OnResponse on, bool ask_first);

  // Errc::not_found when the mailbox does not exist; the connection stays good then.
  Task<Result<Selected>> select(std::string mailbox);
  Task<Status> unselect();
  const std::string& selected() const { return selected_.mailbox; }
  const Selected& selection() const { return selected_; }
  // The next who needs the mailbox selects it.
  void forget_selection() { selected_ = Selected(); }

  // RFC 2177. Between the first and the last only idle() may be called: `on` sees what the server says, as it comes; it
  // returns after something was said, or when `limit` is over.
  Task<Status> begin_idle();
  Task<Status> idle(Duration limit, OnResponse on);
  Task<Status> end_idle(OnResponse on);

  Task<> logout();
  void close();

 private:
  explicit Connection(std::shared_ptr<const Server> server);
  Task<Status> greet();
  Task<Status> log_in(Credentials credentials);
  Task<Status> enable();
  Task<Result<Completion>> converse(std::vector<std::string> parts);
  std::vector<std::string> login_dialogue(const Credentials& credentials) const;
  Task<Status> read_response();
  Task<Status> write(std::string bytes);
  Task<Status> write_view(View bytes);
  void note_status(const Response& response);
  void set_capabilities(std::span<const Value> values);
  Error lost(Error why);

  std::shared_ptr<const Server> server_;
  std::unique_ptr<io::Stream> stream_;
  ResponseReader reader_;
  Bytes buffer_;                // allocated while a command is under way
  std::span<std::uint8_t> in_;  // what of it is not yet read
  Response response_;
  std::vector<std::string> capabilities_;
  bool greeted_in_ = false;  // PREAUTH
  bool condstore_ = false, qresync_ = false, utf8_ = false;
  bool any_response_ = false;
  std::string bye_;
  std::uint64_t tags_ = 0;
  unsigned under_way_ = 0;
  std::string idle_tag_;
  Selected selected_;
};

// Which error a NO or BAD stands for (RFC 5530).
Errc meaning_of(std::string_view code, Errc otherwise);

}  // namespace mapigate::imap
