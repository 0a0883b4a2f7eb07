// Calls: one protocol request with its reply, whatever transport it came by.
//
// The body of a Call is always in the form of [MS-OXCMAPIHTTP] 2.2.4 (emsmdb) and
// 2.2.5 (nspi): MAPI/HTTP transports hand theirs over as it came; DCE/RPC
// transports put their parameters into it. So what no module asks for passes
// from one side to the other as the same bytes.
#pragma once

#include <any>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "io/task.h"
#include "wire/rop/rop.h"

namespace mapigate::chain {

using io::Task;

enum class Interface : std::uint8_t { emsmdb, nspi };

// The request types of [MS-OXCMAPIHTTP] 2.2.3.3.1, which cover the methods of
// EMSMDB, AsyncEMSMDB and NSPI. PING belongs to the transport and makes no Call.
enum class Operation : std::uint8_t {
  Connect, Execute, Disconnect, NotificationWait,
  Bind, Unbind, CompareMIds, DNToMId, GetMatches, GetPropList, GetProps, GetSpecialTable, GetTemplateInfo,
  ModLinkAtt, ModProps, QueryColumns, QueryRows, ResolveNames, ResortRestriction, SeekEntries, UpdateStat,
  GetMailboxUrl, GetAddressBookUrl,
};
std::string_view to_string(Operation operation);
std::optional<Operation> operation_from_string(std::string_view request_type);
Interface interface_of(Operation operation);

class PinnedConnection;
class DelegatedTicket;

// Who calls. The password reaches the providers and upstreams of this user's
// sessions and nothing else; it is empty when the user came by other means.
struct Identity {
  std::string user;  // canonical e-mail address, lower case
  Secret password;
  // Where the user logged on at another server, by the connection of this request (pinned_connection.h). It belongs to a
  // connection: a Session's identity has none.
  std::shared_ptr<PinnedConnection> pinned = nullptr;
  // In the password's place, where the user came with a ticket and let us use it (delegated_ticket.h); else null.
  std::shared_ptr<const DelegatedTicket> ticket = nullptr;
};

// What a client says of itself; for logs and for passing on. Untrusted.
struct ClientInfo {
  std::string application;  // X-ClientApplication, e.g. "Outlook/16.0.14332.20011", or empty
  std::string info;         // X-ClientInfo: opaque, same for all requests of one client session
  std::string request_id;   // X-RequestId of this request
  std::string user_agent;
  std::string peer;         // IP address
  // That of the connection by which this call came; see Identity.
  std::shared_ptr<PinnedConnection> pinned = nullptr;
};

// The outcome the transport reports. `response_code` is 0 or a protocol error of
// [MS-OXCMAPIHTTP] 2.2.3.3.3 (then there is no body).
struct Reply {
  std::uint32_t response_code = 0;
  Bytes body;
  // With a response_code, where a transport has a better way to say it. Unavailable: what stands
  // behind cannot be reached and nothing was done; the same may be tried again later. Denied: the
  // user's credentials are not good any more.
  enum class Trouble : std::uint8_t { none, unavailable, denied } trouble = Trouble::none;
};

class Chain;
class Module;

// One session context: what Connect or Bind opened and Disconnect or Unbind ends.
// It belongs to the context, never to a connection ([MS-OXCRPC] 3.1.1). Everything
// of a session, and all sessions of one user, happen on `executor`.
class Session {
 public:
  Session(std::uint64_t id, Interface interface, std::shared_ptr<const Identity> identity, std::shared_ptr<Chain> chain,
          io::Executor executor);
  ~Session();
  Session(const Session&) = delete;

  std::uint64_t id() const { return id_; }
  Interface interface() const { return interface_; }
  const Identity& identity() const { return *identity_; }
  std::shared_ptr<const Identity> shared_identity() const { return identity_; }
  const io::Executor& executor() const { return executor_; }
  Chain& chain() const { return *chain_; }

  // What a module keeps per session, by module instance; the place stays the same for the
  // session's life and is destroyed with it.
  std::any& slot(const Module& module);
  // What the chain itself keeps: handle maps and column sets (session_state.h).
  struct State;
  State& state() { return *state_; }

 private:
  std::uint64_t id_;
  Interface interface_;
  std::shared_ptr<const Identity> identity_;
  std::shared_ptr<Chain> chain_;
  io::Executor executor_;
  std::vector<std::pair<const Module*, std::unique_ptr<std::any>>> slots_;
  std::unique_ptr<State> state_;
};

// The parameters of an Execute in decoded form. Views point into the Call.
struct DecodedExecute {
  std::uint32_t Flags = 0;
  std::uint32_t MaxRopOut = 0;
  View AuxiliaryBuffer;
  wire::RopRequestBuffer requests;
  bool edited = false;
};

class Call {
 public:
  Call(Session& session, Operation operation, ClientInfo client, Bytes body);
  ~Call();
  Call(const Call&) = delete;

  Session& session() const { return *session_; }
  Operation operation() const { return operation_; }
  const ClientInfo& client() const { return client_; }

  // The request body. After edits of execute() it is encoded anew on the next use. Valid until
  // the next edit or set_body().
  Result<View> body();
  void set_body(Bytes body);

  // Execute only: the decoded request, made on first use and kept. Whoever changes it
  // empties `raw` of the changed ROP and calls mark_edited(). An error is kept as well.
  Result<DecodedExecute*> execute();
  void mark_edited();

  // The reply, once there is one.
  bool has_reply() const { return reply_.has_value(); }
  const Reply& reply() const { return *reply_; }
  Reply& reply() { return *reply_; }
  // Encodes edits; a reply that cannot be encoded becomes an error_reply: ecBufferTooSmall or ecError.
  Reply take_reply();
  void set_reply(Reply reply);
  // Execute only: the decoded reply, like execute(). The ROPs of chained buffers stand in one
  // list, in order; `handles` is the table of the first. Errc::not_found when the reply
  // carries no ROPs because the whole call failed.
  Result<wire::RopResponseBuffer*> responses();
  void mark_reply_edited();
  // Execute only: answers with these ROPs. They are encoded when somebody needs the bytes.
  void set_responses(wire::RopResponseBuffer responses) { set_responses(std::move(responses), nullptr); }
  // After edits of responses() it is encoded anew, like body().
  Result<View> reply_body();

  // At which level of handle numbers this call is: how many modules with handles of their own
  // (Interests::owns_handles) are above it.
  unsigned level() const { return level_; }

  // Where decoded structures of this call live; whatever a module puts into requests() or
  // responses() has to be made in it.
  Arena& arena() { return arena_; }

 private:
  friend class Chain;
  friend class RopLevel;
  friend class AheadOf;
  struct Decoded;

  // Makes `execute` the request; it is encoded on first use.
  void adopt_execute(DecodedExecute execute);
  // An Execute for some of this one's ROPs (`unsplit`: for all), kept as long as this one. What
  // it holds may borrow from this one.
  Call& add_part(DecodedExecute execute, unsigned level, bool unsplit);
  // The same with the auxiliary buffer and the chaining of `like` (may be null).
  void set_responses(wire::RopResponseBuffer responses, const Call* like);
  // The decoded reply of an Execute, living in another arena.
  Result<wire::RopResponseBuffer> copy_responses(Arena& arena);
  // Remembers what later calls cannot be decoded without: columns of tables, kinds of logons.
  void note_state();
  Status decode_request();
  Status decode_reply();
  Status encode_request();
  Status encode_reply();
  void drop_reply();

  Session* session_;
  Operation operation_;
  ClientInfo client_;
  unsigned level_ = 0;
  Bytes body_;
  std::optional<Reply> reply_;
  Arena arena_;
  std::unique_ptr<Decoded> decoded_;
};

// A reply that tells `code` in the way of the operation: ErrorCode in the body of
// Connect, Execute and so on ([MS-OXCMAPIHTTP] 2.2.4).
Reply error_reply(Operation operation, mapi::ErrorCode code);

}  // namespace mapigate::chain
