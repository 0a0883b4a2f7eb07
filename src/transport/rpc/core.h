// What the parts of the RPC server share; no Samba in it. Everything here happens in the server's thread but
// for Inbox::post and what says so.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "transport/rpc/rpc.h"
#include "transport/sessions.h"
#include "wire/ndr/ndr.h"
#include "wire/ndr/tower.h"

namespace mapigate::transport::rpc {

namespace ndr = wire::ndr;

// [MS-RPCE] 2.2.1.1.11 and [C706] appendix E.
inline constexpr std::uint32_t fault_access_denied = 0x00000005;
inline constexpr std::uint32_t fault_bad_stub_data = 0x000006f7;
inline constexpr std::uint32_t fault_op_rng_error = 0x1c010002;
inline constexpr std::uint32_t fault_context_mismatch = 0x1c00001a;
inline constexpr std::uint32_t fault_server_too_busy = 0x1c010014;
inline constexpr std::uint32_t fault_call_failed = 0x000006be;

// What other threads ask of the server's.
class Inbox {
 public:
  Inbox();  // throws std::system_error
  ~Inbox();
  Inbox(const Inbox&) = delete;
  int descriptor() const { return descriptor_; }  // readable when something is there
  // From any thread. After close() nothing happens to it any more.
  void post(std::function<void()> what);
  void run_all();
  void close();

 private:
  int descriptor_;
  std::mutex mutex_;
  bool closed_ = false;
  std::vector<std::function<void()>> waiting_;
};

// Who calls, and what they protected the call with.
struct Caller {
  std::string user;  // canonical; empty: nobody
  unsigned level = 1;
  std::string peer;
  std::array<std::uint8_t, 4> local{};  // address that the client reached us by
  // Over HTTP: who logged on there. Whoever does not log on again inside is this user.
  std::shared_ptr<const chain::Identity> identity;
  // That came with a logon at the RPC level; null: none did.
  std::shared_ptr<const chain::DelegatedTicket> ticket;
};

// What a context handle stands for.
struct Handle {
  enum class Kind : std::uint8_t { mailbox, asynchronous, address_book, lookup };
  Kind kind{};
  std::string user;
  unsigned level = 1;
  std::weak_ptr<SessionContext> session;
  std::string session_key;           // for the log and for others of the same session
  std::shared_ptr<io::Mutex> turn;   // one call at a time, in the order they came
  std::size_t position = 0;          // of a lookup
  std::weak_ptr<void> waiting;       // of an asynchronous one: the call that waits, see Request::alive
  unsigned waits = 0;                // of an asynchronous one: calls in progress, those that are being ended among them
};

// An association group: the connections of one client process, and the context handles that outlive each of
// them but not all ([MS-RPCE] 3.3.1.5.6).
class Group {
 public:
  Group(std::uint32_t id, std::function<void(const Handle&)> run_down) : id_(id), run_down_(std::move(run_down)) {}
  ~Group();
  Group(const Group&) = delete;

  std::uint32_t id() const { return id_; }
  // Errc::limit when the group has too many.
  Result<ndr::ContextHandle> add(std::shared_ptr<Handle> handle);
  // Null when it is unknown, of another kind or user, or was made on a better protected connection.
  std::shared_ptr<Handle> find(const ndr::ContextHandle& wire, Handle::Kind kind, const Caller& caller) const;
  void remove(const ndr::ContextHandle& wire) { handles_.erase(wire.uuid); }
  // All handles of a session.
  void remove_session(const std::string& session_key);

 private:
  static constexpr std::size_t most = 1024;
  std::uint32_t id_;
  std::function<void(const Handle&)> run_down_;
  std::map<mapi::Guid, std::shared_ptr<Handle>> handles_;
};

// Held while a call has not been answered and its client is there.
struct CallLife {
  std::function<void()> over;  // called when it ends, if somebody has set it
  ~CallLife() {
    if (over) over();
  }
};

struct Request {
  std::uint16_t opnum = 0;
  View stub;  // valid during Service::call only
  bool big_endian = false;
  Caller caller;
  std::shared_ptr<Group> group;
  std::weak_ptr<CallLife> alive;
};

struct Answer {
  std::uint32_t fault = 0;
  Bytes stub;
};
using Reply = std::function<void(Answer)>;  // once, in the server's thread

template <class Out>
Answer encoded(const char* what, const Out& out) {
  Answer answer;
  if (auto done = ndr::encode(what, out, answer.stub); !done) {
    log::warning("{}", done.error().message);
    answer = {fault_call_failed, {}};
  }
  return answer;
}

// An interface's methods.
class Service {
 public:
  virtual ~Service() = default;
  virtual const ndr::Interface& interface() const = 0;
  virtual bool needs_logon() const { return true; }
  // Its methods tell callers with too little protection so; else they get a fault.
  virtual bool tells_protection() const { return false; }
  virtual void call(const Request& request, Reply reply) = 0;
};

// Decodes the parameters, or answers with the fault for a stub that cannot be read.
template <class Method>
bool decoded(const char* what, const Request& request, Arena& arena, typename Method::In& in, const Reply& reply) {
  const auto done = ndr::decode(what, request.stub, request.big_endian, arena, in);
  if (done) return true;
  log::debug("{} from {}: {}", what, request.caller.peer, done.error().message);
  reply({fault_bad_stub_data, {}});
  return false;
}

// Where an interface is served, for the endpoint mapper.
struct Endpoint {
  ndr::Interface interface;
  std::uint16_t port = 0;
  const char* annotation = "";
  ndr::Floor transport = ndr::Floor::tcp;
};

std::unique_ptr<Service> make_endpoint_mapper(std::vector<Endpoint> endpoints);
std::unique_ptr<Service> make_referral(Gateway& gateway);
std::unique_ptr<Service> make_mailbox_service(Gateway& gateway, std::shared_ptr<Inbox> inbox, RpcProtection least);
std::unique_ptr<Service> make_waiting_service(Gateway& gateway, std::shared_ptr<Inbox> inbox);
std::unique_ptr<Service> make_address_book_service(Gateway& gateway, std::shared_ptr<Inbox> inbox);

// Runs a call on the executor of its session, in its turn, and gives its outcome to `done` in the server's thread.
// `opening`: the session joins the table when the chain lets the client in. What it returns ends the call before its time,
// from any thread.
std::function<void()> run_call(Gateway& gateway, std::shared_ptr<Inbox> inbox, std::shared_ptr<SessionContext> context,
                               std::unique_ptr<chain::Call> call, std::shared_ptr<io::Mutex> turn, Duration limit, bool opening,
                               std::function<void(Result<chain::Reply>)> done);
// What a call of the caller's tells the chain.
chain::ClientInfo client_of(const Caller& caller);
// A session of the caller that is not in the table yet; null when nobody routes the user.
std::shared_ptr<SessionContext> new_session(Gateway& gateway, const Caller& caller, chain::Interface interface);

}  // namespace mapigate::transport::rpc
