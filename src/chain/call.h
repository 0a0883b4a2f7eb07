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

// Who calls. The password reaches the providers and upstreams of this user's
// sessions and nothing else; it is empty when the user came by other means.
struct Identity {
  std::string user;  // canonical e-mail address, lower case
  Secret password;
};

// What a client says of itself; for logs and for passing on. Untrusted.
struct ClientInfo {
  std::string application;  // X-ClientApplication, e.g. "Outlook/16.0.14332.20011", or empty
  std::string info;         // X-ClientInfo: opaque, same for all requests of one client session
  std::string request_id;   // X-RequestId of this request
  std::string user_agent;
  std::string peer;         // IP address
};

// The outcome the transport reports. `response_code` is 0 or a protocol error of
// [MS-OXCMAPIHTTP] 2.2.3.3.3 (then there is no body).
struct Reply {
  std::uint32_t response_code = 0;
  Bytes body;
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

  // What a module keeps per session, by module instance; destroyed with the session.
  std::any& slot(const Module& module);
  // What the chain itself keeps: handle map and column sets of mixed sessions.
  struct State;
  State& state() { return *state_; }

 private:
  std::uint64_t id_;
  Interface interface_;
  std::shared_ptr<const Identity> identity_;
  std::shared_ptr<Chain> chain_;
  io::Executor executor_;
  std::vector<std::pair<const Module*, std::any>> slots_;
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

  // The request body. After edits to requests() it is encoded anew on the next use.
  Result<View> body();
  void set_body(Bytes body);

  // Execute only: the decoded request, made on first use and kept. Whoever changes it
  // empties `raw` of the changed ROP and calls mark_edited().
  Result<DecodedExecute*> execute();
  void mark_edited();

  // The reply, once there is one.
  bool has_reply() const { return reply_.has_value(); }
  const Reply& reply() const { return *reply_; }
  Reply& reply() { return *reply_; }
  Reply take_reply();
  void set_reply(Reply reply);
  // Execute only: the decoded reply, like execute().
  Result<wire::RopResponseBuffer*> responses();
  void mark_reply_edited();
  Result<View> reply_body();

  // Where decoded structures of this call live; whatever a module puts into requests() or
  // responses() has to be made in it.
  Arena& arena() { return arena_; }

 private:
  friend class Chain;
  struct Decoded;
  Session* session_;
  Operation operation_;
  ClientInfo client_;
  Bytes body_;
  std::optional<Reply> reply_;
  Arena arena_;
  std::unique_ptr<Decoded> decoded_;
};

// A reply that tells `code` in the way of the operation: ErrorCode in the body of
// Connect, Execute and so on ([MS-OXCMAPIHTTP] 2.2.4).
Reply error_reply(Operation operation, mapi::ErrorCode code);

}  // namespace mapigate::chain
