// EMSMDB and AsyncEMSMDB ([MS-OXCRPC] 3.1.4, 3.3.4): their parameters become the bodies of MAPI/HTTP and back.
#include <algorithm>

#include "base/log.h"
#include "transport/gateway.h"
#include "transport/rpc/core.h"
#include "wire/mapihttp/bodies.h"
#include "wire/mapihttp/headers.h"
#include "wire/ndr/asyncemsmdb_ndr.h"
#include "wire/ndr/emsmdb_ndr.h"
#include "wire/rpc/header_ext.h"
#include "wire/rpc/version.h"

namespace mapigate::transport::rpc {

namespace {

namespace emsmdb = ndr::emsmdb;
namespace http = wire::mapihttp;
using chain::Operation;
using wire::CountWidth;

constexpr std::uint32_t ecRejected = 0x000007ee;  // [MS-OXCDATA] 2.4
constexpr std::uint32_t ecNotEncrypted = 0x00000970;        // [MS-OXCRPC] 3.1.4.1
constexpr std::uint32_t ecVersionMismatch = 0x80040110;     // the same
constexpr wire::rpc::Version oldest_client{11, 0, 0, 0};   // [MS-OXCRPC] 3.2.4.1.3.2
constexpr std::uint32_t no_link = 0xFFFFFFFF;               // ulIcxrLink
constexpr std::uint32_t notification_pending = 0x00000001;  // of pulFlagsOut
constexpr unsigned most_waits = 8;  // of one handle; those whose connection was lost are soon over
constexpr std::size_t header = wire::rpc::header_ext_size;
// Of ROP requests in one buffer ([MS-OXCRPC] 3.1.4.2, cbIn, product behaviour). Longer ones are either packed in good form or too long.
constexpr std::uint32_t largest_request = 0x8007;

std::int32_t result(std::uint32_t code) { return static_cast<std::int32_t>(code); }

// The chain's session is lost: an upstream has forgotten it.
bool session_lost(const Result<chain::Reply>& reply) {
  return reply && reply->response_code == static_cast<std::uint32_t>(http::ResponseCode::ContextNotFound);
}

// What a call that did not reach its body comes to: codes on which Outlook keeps what it has and tries again.
std::uint32_t failure(const Result<chain::Reply>& reply) {
  if (!reply) return reply.error().code == Errc::malformed ? std::uint32_t{mapi::ecRpcFormat} : std::uint32_t{mapi::to_error_code(reply.error())};
  switch (reply->trouble) {
    case chain::Reply::Trouble::unavailable: return mapi::ecRpcFailed;
    case chain::Reply::Trouble::denied: return mapi::ecLoginFailure;
    case chain::Reply::Trouble::none: break;
  }
  switch (static_cast<http::ResponseCode>(reply->response_code)) {
    case http::ResponseCode::Success: return mapi::ecNone;
    case http::ResponseCode::InvalidRequestBody:
    case http::ResponseCode::InvalidRequestType:
    case http::ResponseCode::TooLarge: return mapi::ecRpcFormat;
    case http::ResponseCode::NoPrivilege: return mapi::ecAccessDenied;
    default: return mapi::ecRpcFailed;
  }
}

// Fills in the body, or a result that says why there is none.
template <class Body>
bool read_body(const char* name, const Result<chain::Reply>& reply, Arena& arena, Body& body, std::int32_t& code) {
  if (const auto failed = failure(reply); failed != mapi::ecNone) {
    if (!reply) log::warning("{}: {}", name, reply.error().message);
    code = result(failed);
    return false;
  }
  auto read = wire::decode<Body>(name, reply->body, arena, CountWidth::narrow);
  if (!read) {
    log::warning("{}: {}", name, read.error().message);
    code = result(mapi::ecError);
    return false;
  }
  body = *read;
  code = result(body.StatusCode != 0 ? std::uint32_t{mapi::ecError} : std::uint32_t{body.ErrorCode});
  return body.StatusCode == 0;
}

template <class Body>
Bytes body_of(const char* name, const Body& body) {
  Bytes out;
  if (auto done = wire::encode(name, body, out, CountWidth::narrow); !done) log::error("{}", done.error().message);
  return out;
}

class Mailbox : public Service {
 public:
  Mailbox(Gateway& gateway, std::shared_ptr<Inbox> inbox, RpcProtection least) : gateway_(gateway), inbox_(std::move(inbox)), least_(least) {}
  const ndr::Interface& interface() const override { return emsmdb::interface; }
  bool tells_protection() const override { return true; }

  void call(const Request& request, Reply reply) override {
    switch (request.opnum) {
      case emsmdb::EcDoConnectEx::opnum: return connect(request, std::move(reply));
      case emsmdb::EcDoRpcExt2::opnum: return execute(request, std::move(reply));
      case emsmdb::EcDoDisconnect::opnum: return disconnect(request, std::move(reply));
      case emsmdb::EcDoAsyncConnectEx::opnum: return connect_asynchronous(request, reply);
      case emsmdb::EcRRegisterPushNotification::opnum: return register_push(request, reply);
      case emsmdb::EcDummyRpc::opnum: return reply(encoded("EcDummyRpc", emsmdb::EcDummyRpc::Out()));
      default: return reply({fault_op_rng_error, {}});  // reserved
    }
  }

 private:
  std::unique_ptr<chain::Call> make_call(SessionContext& context, Operation operation, const Caller& caller, Bytes body) const {
    return std::make_unique<chain::Call>(*context.session, operation, client_of(caller), std::move(body));
  }

  wire::rpc::WireVersion server_version() const {
    const auto version = wire::rpc::parse_version(gateway_.options().server_application);
    return version ? wire::rpc::encode_version(*version) : wire::rpc::WireVersion();
  }

  void connect(const Request& request, Reply reply) {
    Arena arena;
    emsmdb::EcDoConnectEx::In in;
    if (!decoded<emsmdb::EcDoConnectEx>("EcDoConnectEx", request, arena, in, reply)) return;
    emsmdb::EcDoConnectEx::Out out;
    out.pulTimeStamp = in.pulTimeStamp;
    const auto room = in.pcbAuxOut;
    // Without a session there is no handle, and nothing else to be had. Clients ask again with encryption.
    if (request.caller.identity == nullptr && request.caller.level < static_cast<unsigned>(least_)) {
      out.result = result(ecNotEncrypted);
      return reply(encoded("EcDoConnectEx", out));
    }
    if (in.cbAuxIn > wire::rpc::max_aux || in.szUserDN.empty()) {
      if (in.cbAuxIn > wire::rpc::max_aux) return reply({fault_bad_stub_data, {}});
      out.result = result(mapi::ecAccessDenied);
      return reply(encoded("EcDoConnectEx", out));
    }
    if (in.cbAuxIn > 0 && in.cbAuxIn < header) {
      out.result = result(mapi::ecRpcFailed);
      return reply(encoded("EcDoConnectEx", out));
    }
    if (wire::rpc::normalize_version(in.rgwClientVersion) < oldest_client) {
      // What would do, and with whom it spoke, for the client to tell its user ([MS-OXCRPC] 3.1.4.1).
      out.result = result(ecVersionMismatch);
      out.rgwServerVersion = server_version();
      out.rgwBestVersion = wire::rpc::encode_version(oldest_client);
      return reply(encoded("EcDoConnectEx", out));
    }
    auto context = new_session(gateway_, request.caller, chain::Interface::emsmdb);
    if (context == nullptr) {
      log::warning("EcDoConnectEx: no route for {}", request.caller.user);
      out.result = result(mapi::ecLoginPerm);
      return reply(encoded("EcDoConnectEx", out));
    }
    http::Connect::Request body;
    body.UserDn = in.szUserDN;
    body.Flags = in.ulFlags;
    body.DefaultCodePage = in.ulCpid;
    body.LcidSort = in.ulLcidSort;
    body.LcidString = in.ulLcidString;
    body.AuxiliaryBuffer = in.rgbAuxIn.span();
    auto client = client_of(request.caller);
    client.application = "Outlook/" + to_string(wire::rpc::normalize_version(in.rgwClientVersion));
    auto call = std::make_unique<chain::Call>(*context->session, Operation::Connect, client, body_of("Connect", body));

    auto handle = std::make_shared<Handle>();
    handle->kind = Handle::Kind::mailbox;
    handle->user = request.caller.user;
    handle->level = request.caller.level;
    handle->session = context;
    handle->session_key = context->context;
    handle->turn = std::make_shared<io::Mutex>();
    const auto id = context->session->id();
    // A session linked to another has the time stamp of the first.
    const auto stamp = in.ulIcxrLink != no_link && in.pulTimeStamp != 0 ? in.pulTimeStamp : static_cast<std::uint32_t>(id);
    auto done = [this, handle, id, stamp, room, client, version = in.rgwClientVersion, group = std::weak_ptr<Group>(request.group),
                 reply = std::move(reply)](const Result<chain::Reply>& outcome) {
      reply(connected(outcome, handle, group.lock(), id, stamp, room, client, version));
    };
    run_call(gateway_, inbox_, std::move(context), std::move(call), nullptr, gateway_.options().execute_limit, true, std::move(done));
  }

  Answer connected(const Result<chain::Reply>& outcome, const std::shared_ptr<Handle>& handle, const std::shared_ptr<Group>& group,
                   std::uint64_t id, std::uint32_t stamp, std::uint32_t room, const chain::ClientInfo& client,
                   const wire::rpc::WireVersion& version) {
    Arena arena;
    emsmdb::EcDoConnectEx::Out out;
    http::Connect::Response body;
    std::string name;
    if (read_body("Connect", outcome, arena, body, out.result) && out.result == 0) {
      auto session = handle->session.lock();
      const auto added = group == nullptr ? Result<ndr::ContextHandle>(error(Errc::cancelled, "the client has gone")) : group->add(handle);
      if (!added) {
        log::warning("EcDoConnectEx for {}: {}", handle->user, added.error().message);
        if (session != nullptr) gateway_.sessions().end(session);
        out.result = result(mapi::ecServerBusy);
        return encoded("EcDoConnectEx", out);
      }
      log::info("{} EcDoConnectEx opens session {} from {} with {}", handle->user, id, client.peer, client.application);
      out.pcxh = *added;
      out.pcmsPollsMax = body.PollsMax;
      out.pcRetry = body.RetryCount;
      out.pcmsRetryDelay = body.RetryDelay;
      out.picxr = static_cast<std::uint16_t>(id);  // RopPending names it as well
      // Narrow strings here, UTF-16 over HTTP.
      name = to_utf8(body.DisplayName);
      out.szDNPrefix = body.DnPrefix;
      out.szDisplayName = name;
      out.rgwServerVersion = server_version();
      out.rgwBestVersion = version;
      out.pulTimeStamp = stamp;
      if (body.AuxiliaryBuffer.size() <= room) out.rgbAuxOut = body.AuxiliaryBuffer;
      out.pcbAuxOut = static_cast<std::uint32_t>(out.rgbAuxOut.size());
    }
    return encoded("EcDoConnectEx", out);
  }

  void execute(const Request& request, Reply reply) {
    Arena arena;
    emsmdb::EcDoRpcExt2::In in;
    if (!decoded<emsmdb::EcDoRpcExt2>("EcDoRpcExt2", request, arena, in, reply)) return;
    // [MS-OXCRPC] 3.1.4.2: what each length may be.
    if (in.cbIn > wire::rpc::max_rop_out || in.cbAuxIn > wire::rpc::max_aux) return reply({fault_bad_stub_data, {}});
    const auto handle = request.group->find(in.pcxh, Handle::Kind::mailbox, request.caller);
    if (handle == nullptr) return reply({fault_context_mismatch, {}});
    const auto context = handle->session.lock();
    if (context == nullptr || context->ended) {
      request.group->remove_session(handle->session_key);
      return reply(session_destroyed());
    }
    emsmdb::EcDoRpcExt2::Out out;
    if (in.cbIn < header || in.pcbOut < header || (in.cbAuxIn > 0 && in.cbAuxIn < header)) {
      out.pcxh = in.pcxh;
      out.result = result(mapi::ecRpcFailed);
      return reply(encoded("EcDoRpcExt2", out));
    }
    http::Execute::Request body;
    body.Flags = in.pulFlags;
    body.RopBuffer = in.rgbIn.span();
    body.MaxRopOut = in.pcbOut;
    body.AuxiliaryBuffer = in.rgbAuxIn.span();
    auto call = make_call(*context, Operation::Execute, request.caller, body_of("Execute", body));
    auto done = [this, cxh = in.pcxh, sent = in.cbIn, room = in.pcbOut, aux_room = in.pcbAuxOut, start = Clock::now(), handle,
                 group = std::weak_ptr<Group>(request.group), reply = std::move(reply)](const Result<chain::Reply>& outcome) {
      if (session_lost(outcome)) {
        if (const auto owner = group.lock()) owner->remove_session(handle->session_key);
        if (const auto session = handle->session.lock()) gateway_.sessions().end(session);
        return reply(session_destroyed());
      }
      reply(executed(outcome, cxh, sent, room, aux_room, start));
    };
    run_call(gateway_, inbox_, context, std::move(call), handle->turn, gateway_.options().execute_limit, false, std::move(done));
  }

  // A zero handle tells the client to connect anew ([MS-OXCRPC] 3.1.4.2, 3.2.4.2).
  static Answer session_destroyed() {
    emsmdb::EcDoRpcExt2::Out out;
    out.result = result(mapi::ecRpcFailed);
    return encoded("EcDoRpcExt2", out);
  }

  static Answer executed(const Result<chain::Reply>& outcome, const ndr::ContextHandle& cxh, std::uint32_t sent, std::uint32_t room,
                         std::uint32_t aux_room, Clock::time_point start) {
    Arena arena;
    emsmdb::EcDoRpcExt2::Out out;
    out.pcxh = cxh;
    http::Execute::Response body;
    if (read_body("Execute", outcome, arena, body, out.result)) {
      if (body.RopBuffer.size() <= room) out.rgbOut = body.RopBuffer;
      else out.result = result(mapi::ecBufferTooSmall);
      if (body.AuxiliaryBuffer.size() <= aux_room) out.rgbAuxOut = body.AuxiliaryBuffer;
    } else if (sent > largest_request && out.result == result(mapi::ecRpcFormat)) {
      out.result = result(mapi::ecRpcFailed);
    }
    out.pcbOut = static_cast<std::uint32_t>(out.rgbOut.size());
    out.pcbAuxOut = static_cast<std::uint32_t>(out.rgbAuxOut.size());
    out.pulTransTime = static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count());
    return encoded("EcDoRpcExt2", out);
  }

  void disconnect(const Request& request, Reply reply) {
    Arena arena;
    emsmdb::EcDoDisconnect::In in;
    if (!decoded<emsmdb::EcDoDisconnect>("EcDoDisconnect", request, arena, in, reply)) return;
    const auto handle = request.group->find(in.pcxh, Handle::Kind::mailbox, request.caller);
    if (handle == nullptr) return reply({fault_context_mismatch, {}});
    const auto context = handle->session.lock();
    request.group->remove_session(handle->session_key);
    if (context == nullptr || context->ended) return reply(encoded("EcDoDisconnect", emsmdb::EcDoDisconnect::Out()));
    auto call = make_call(*context, Operation::Disconnect, request.caller, body_of("Disconnect", http::Disconnect::Request()));
    auto done = [this, weak = handle->session, reply = std::move(reply)](const Result<chain::Reply>& outcome) {
      if (const auto session = weak.lock()) gateway_.sessions().end(session);
      Arena space;
      emsmdb::EcDoDisconnect::Out out;
      http::Disconnect::Response body;
      if (!session_lost(outcome)) read_body("Disconnect", outcome, space, body, out.result);
      reply(encoded("EcDoDisconnect", out));
    };
    run_call(gateway_, inbox_, context, std::move(call), handle->turn, gateway_.options().execute_limit, false, std::move(done));
  }

  void connect_asynchronous(const Request& request, const Reply& reply) {
    Arena arena;
    emsmdb::EcDoAsyncConnectEx::In in;
    if (!decoded<emsmdb::EcDoAsyncConnectEx>("EcDoAsyncConnectEx", request, arena, in, reply)) return;
    const auto owner = request.group->find(in.cxh, Handle::Kind::mailbox, request.caller);
    if (owner == nullptr) return reply({fault_context_mismatch, {}});
    auto handle = std::make_shared<Handle>(*owner);
    handle->kind = Handle::Kind::asynchronous;
    emsmdb::EcDoAsyncConnectEx::Out out;
    if (const auto added = request.group->add(std::move(handle))) out.pacxh = *added;
    else out.result = result(mapi::ecServerBusy);
    reply(encoded("EcDoAsyncConnectEx", out));
  }

  // Outlook asks once and then polls or waits by EcDoAsyncWaitEx ([MS-OXCRPC] 3.1.4.5).
  static void register_push(const Request& request, const Reply& reply) {
    Arena arena;
    emsmdb::EcRRegisterPushNotification::In in;
    if (!decoded<emsmdb::EcRRegisterPushNotification>("EcRRegisterPushNotification", request, arena, in, reply)) return;
    if (request.group->find(in.pcxh, Handle::Kind::mailbox, request.caller) == nullptr) return reply({fault_context_mismatch, {}});
    emsmdb::EcRRegisterPushNotification::Out out;
    out.pcxh = in.pcxh;
    out.result = result(mapi::ecNotSupported);
    reply(encoded("EcRRegisterPushNotification", out));
  }

  Gateway& gateway_;
  std::shared_ptr<Inbox> inbox_;
  RpcProtection least_;
};

class Waiting : public Service {
 public:
  Waiting(Gateway& gateway, std::shared_ptr<Inbox> inbox) : gateway_(gateway), inbox_(std::move(inbox)) {}
  const ndr::Interface& interface() const override { return ndr::asyncemsmdb::interface; }

  void call(const Request& request, Reply reply) override {
    using Wait = ndr::asyncemsmdb::EcDoAsyncWaitEx;
    Arena arena;
    Wait::In in;
    if (!decoded<Wait>("EcDoAsyncWaitEx", request, arena, in, reply)) return;
    const auto handle = request.group->find(in.acxh, Handle::Kind::asynchronous, request.caller);
    if (handle == nullptr) return reply({fault_context_mismatch, {}});
    Wait::Out out;
    const auto context = handle->session.lock();
    if (!handle->waiting.expired() || handle->waits >= most_waits) {
      out.result = result(ecRejected);
      return reply(encoded("EcDoAsyncWaitEx", out));
    }
    if (context == nullptr || context->ended) return reply(session_over());
    handle->waiting = request.alive;
    auto call = std::make_unique<chain::Call>(*context->session, Operation::NotificationWait, client_of(request.caller),
                                              body_of("NotificationWait", http::NotificationWait::Request()));
    auto done = [handle, reply = std::move(reply)](const Result<chain::Reply>& outcome) {
      --handle->waits;
      if (session_lost(outcome)) return reply(session_over());
      Arena space;
      Wait::Out answer;
      http::NotificationWait::Response body;
      if (read_body("NotificationWait", outcome, space, body, answer.result))
        answer.pulFlagsOut = (body.EventPending & http::NotificationWait::event_pending) != 0 ? notification_pending : 0;
      reply(encoded("EcDoAsyncWaitEx", answer));
    };
    ++handle->waits;
    auto stop = run_call(gateway_, inbox_, context, std::move(call), nullptr, gateway_.options().wait_limit, false, std::move(done));
    // Nobody hears of what a wait would tell when its client has gone; the session's events stay where they are.
    if (const auto alive = request.alive.lock()) alive->over = std::move(stop);
  }

 private:
  // A handle of a session that is over completes as if there were news ([MS-OXCRPC] 3.3.4.1): the client's next EcDoRpcExt2
  // tells it, while after an error it would never wait again ([MS-OXCNOTIF] 3.2.5.5.1).
  static Answer session_over() {
    ndr::asyncemsmdb::EcDoAsyncWaitEx::Out out;
    out.pulFlagsOut = notification_pending;
    return encoded("EcDoAsyncWaitEx", out);
  }

  Gateway& gateway_;
  std::shared_ptr<Inbox> inbox_;
};

}  // namespace

std::unique_ptr<Service> make_mailbox_service(Gateway& gateway, std::shared_ptr<Inbox> inbox, RpcProtection least) {
  return std::make_unique<Mailbox>(gateway, std::move(inbox), least);
}
std::unique_ptr<Service> make_waiting_service(Gateway& gateway, std::shared_ptr<Inbox> inbox) {
  return std::make_unique<Waiting>(gateway, std::move(inbox));
}

}  // namespace mapigate::transport::rpc
