// The module API: the one header a module includes. See docs/first-module.md and
// modules/example.
//
// A module is a shared object mapigate-TYPE.so that exports what
// MAPIGATE_MODULE() declares. An instance of it is made for each [modules.NAME] of
// the config that has its type; the instances of a chain see every Call of the
// users routed to the chain, requests in the order of the config, replies in
// reverse. Instances are shared by all sessions of all users: what belongs to a
// session goes into Session::slot(), what is shared between sessions needs its own
// lock, because sessions of different users run on different threads.
#pragma once

#include <boost/version.hpp>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/log.h"
#include "base/metrics.h"
#include "base/settings.h"
#include "base/version.h"
#include "chain/call.h"

namespace mapigate::io {
class Runtime;
}

namespace mapigate::chain {

enum class Verdict : std::uint8_t {
  relay,    // pass it on, possibly edited
  norelay,  // answered here: the reply (or response) is set; nothing further down runs
  refuse,   // a protocol-correct error to the client
};

// One ROP of an Execute as a module sees it.
struct RopExchange {
  wire::RopRequest& request;
  // In on_rop_reply what came back. In on_rop the head of a response, for norelay: set
  // ReturnValue and, made in call.arena(), the typed body.
  wire::RopResponse* response = nullptr;
  // The server object handle table of the buffer. To a module with handles of its own, the
  // numbers are those used below it, or, where `own` is set, its own.
  std::span<std::uint32_t> handles;
  std::span<std::uint8_t> own;             // empty without Interests::owns_handles
  mapi::ErrorCode refusal = mapi::ecAccessDenied;  // set it before returning refuse

  std::uint32_t handle_at(std::size_t index) const {  // no_handle when out of range
    return index < handles.size() ? handles[index] : wire::no_handle;
  }
  bool own_at(std::size_t index) const { return index < own.size() && own[index] != 0; }
  // Of the object it acts on; most ROPs name it in HandleIndex.
  std::size_t object_index() const;
  std::uint32_t handle() const { return handle_at(object_index()); }
  bool is_own() const { return own_at(object_index()); }
  // With norelay of a ROP that opens something: the handle the client gets. With `mine` it is
  // a number by which this module knows the object (anything but no_handle), else one from below.
  void set_output(std::uint32_t number, bool mine) {
    const auto index = request.codec->output_handle_index(request);
    if (!index || *index >= handles.size()) return;
    handles[*index] = number;
    if (*index < own.size()) own[*index] = mine ? 1 : 0;
  }
};

// A request for Ahead::execute. `arena` has to outlive it.
template <class Rop>
wire::RopRequest make_rop(Arena& arena, std::uint8_t logon_id, std::uint8_t handle_index, typename Rop::Request body = {}) {
  wire::RopRequest out;
  out.id = Rop::id;
  out.LogonId = logon_id;
  out.HandleIndex = handle_index;
  out.codec = wire::find_rop(Rop::id);
  out.body = arena.make<typename Rop::Request>(body);
  return out;
}

// What a module wants to see. Everything else passes it by.
struct Interests {
  bool every_call = false;                  // on_call and on_reply for every operation
  std::vector<Operation> calls;             // … or for these
  std::vector<wire::RopId> rops;            // on_rop for these requests
  std::vector<wire::RopId> rop_replies;     // on_rop_reply for these
  bool opaque = false;                      // on_opaque when a buffer holds what cannot be decoded
  // The ROPs in front of one it asked for are executed before on_rop, so that the module can
  // work ahead on the state they leave. Costs a round trip; the buffer is split.
  bool barrier = false;
  // It answers ROPs with handles of its own (norelay with an output handle), so that the
  // handles of the session have to be mapped.
  bool owns_handles = false;
};

// Lets a module send Calls of its own down the chain; they start below the module
// and the client sees nothing of them. Valid during the hook it was given to.
class Ahead {
 public:
  virtual ~Ahead() = default;
  virtual Task<Result<Reply>> call(Operation operation, Bytes body) = 0;
  // An Execute of these ROPs with this handle table. The responses live in `arena`.
  virtual Task<Result<wire::RopResponseBuffer>> execute(std::vector<wire::RopRequest> rops,
                                                        std::vector<std::uint32_t> handles, Arena& arena) = 0;
};

// What modules and other loadable parts have in common.
class Component {
 public:
  virtual ~Component() = default;
};

// Checks a user's password, e.g. by logging in where the mailbox is. Implemented
// beside another interface by modules that can.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // Ok; Errc::denied: wrong; Errc::unavailable or timeout: cannot say now.
  virtual Task<Status> authenticate(Identity identity) = 0;
};

// What Autodiscover tells a client about a user's mailbox.
struct MailboxInfo {
  std::string display_name;
  std::string address;    // primary SMTP address
  std::string legacy_dn;  // what Connect and RopLogon will ask for
  // The mailbox is elsewhere, and clients are to ask for this address, or at this URL; then there is nothing above.
  std::string redirect_address = {}, redirect_url = {};
};

// Knows the mailboxes of its users. A chain whose modules do not say is taken to hold
// the mailbox of every user who may log on, named after the address.
class MailboxLocator {
 public:
  virtual ~MailboxLocator() = default;
  virtual Task<Result<MailboxInfo>> locate(Identity identity) = 0;  // Errc::not_found: no mailbox here
};

class Module : public Component {
 public:
  virtual Interests interests() const = 0;

  // Hooks run on the session's executor, one at a time within a session, but the
  // hooks of different sessions may interleave at every co_await.
  //
  // A request on its way down. norelay: call.set_reply() was called. refuse: the client gets
  // ecAccessDenied, or what error_reply() set.
  virtual Task<Verdict> on_call(Call& call, Ahead& ahead);
  virtual Task<> on_reply(Call& call, Ahead& ahead);
  // A ROP it asked for. After a change to its body, empty rop.request.raw and call call.mark_edited().
  virtual Task<Verdict> on_rop(Call& call, RopExchange& rop, Ahead& ahead);
  virtual Task<> on_rop_reply(Call& call, RopExchange& rop, Ahead& ahead);
  // The rest of a buffer that could not be decoded: only relay or refuse.
  virtual Task<Verdict> on_opaque(Call& call, View rest, Ahead& ahead);
  // The session ends (Disconnect, expiry, shutdown). Last call for it; must not throw.
  virtual Task<> on_session_end(Session& session);
};

// What happens when a hook throws or exceeds its budget: the setting on_error that
// every module has.
enum class OnError : std::uint8_t { closed, open };

// What a component gets at its creation. All of it outlives the component.
struct Environment {
  io::Runtime& runtime;
  Metrics& metrics;
  std::string name;         // of the instance: NAME of [modules.NAME]
  std::string state_dir;    // where lasting state may be kept
  std::string server_name;  // the host name under which clients know this gateway
  // Another component of the config by its instance name; null if there is none. Works
  // only after all are made: call it on first use, not in the constructor.
  std::function<Component*(std::string_view name)> find;
  std::string external_url = {};  // of this gateway as clients reach it, without path: "https://mail.example.test:8443"
  // Whether the chain that a user (address) is routed to has this instance among its modules. Empty: nobody knows of routes. Works
  // like `find`, from any thread.
  std::function<bool(std::string_view user)> serves = {};
};

// What a module library exports.
struct ModuleDescriptor {
  const char* type;      // as in the file name: mapigate-TYPE.so
  const char* summary;   // one line for `mapigate check`
  std::span<const Setting> settings;
  OnError on_error;                      // default of the setting on_error
  std::chrono::milliseconds budget;      // default of the setting budget; 0: its own waits all have an end
  // May throw std::exception: the start ends with its message.
  std::unique_ptr<Component> (*create)(const Environment& environment, const Settings& settings);
};

// Changes with every change to what modules can see; together with mapigate's version, the
// compiler and Boost it decides whether a module may be loaded.
#define MAPIGATE_MODULE_API "4"
#define MAPIGATE_STRINGIFY_(x) #x
#define MAPIGATE_STRINGIFY(x) MAPIGATE_STRINGIFY_(x)
#define MAPIGATE_MODULE_ABI                                                                       \
  "mapigate-module-" MAPIGATE_MODULE_API " mapigate-" MAPIGATE_VERSION " c++" MAPIGATE_STRINGIFY( \
      __cplusplus) " abi" MAPIGATE_STRINGIFY(__GXX_ABI_VERSION) " boost" MAPIGATE_STRINGIFY(BOOST_VERSION)

// Put once into the module's source, outside of any namespace:
//   MAPIGATE_MODULE(descriptor)
#define MAPIGATE_MODULE(descriptor)                                                                        \
  extern "C" {                                                                                             \
  __attribute__((visibility("default"))) extern const char mapigate_module_abi[];                          \
  const char mapigate_module_abi[] = MAPIGATE_MODULE_ABI;                                                  \
  __attribute__((visibility("default"))) const ::mapigate::chain::ModuleDescriptor* mapigate_module() {    \
    return &(descriptor);                                                                                  \
  }                                                                                                        \
  }

}  // namespace mapigate::chain
