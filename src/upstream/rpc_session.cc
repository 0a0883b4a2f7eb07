#include "upstream/rpc_session.h"

#include "wire/mapihttp/bodies.h"
#include "wire/ndr/asyncemsmdb_ndr.h"
#include "wire/ndr/emsmdb_ndr.h"
#include "wire/rpc/header_ext.h"
#include "wire/rpc/version.h"

namespace mapigate::upstream {

namespace ndr = wire::ndr;
namespace http = wire::mapihttp;
namespace emsmdb = ndr::emsmdb;
using chain::Operation;
using chain::Reply;
using wire::CountWidth;

Task<Result<RpcDialer::Place>> RpcSessionBase::connect(Way way) {
  if (passes_on()) {
    auto place = co_await join_by(std::move(way), service_);
    if (place) group_ = place->connection->group();
    co_return place;
  }
  if (connection_ != nullptr && connection_->is_open()) co_return RpcDialer::Place{connection_, 0};
  connection_.reset();
  auto opened = co_await dialer_->open(service_, handle_.empty() ? 0 : group_);
  if (!opened) co_return opened.error();
  connection_ = std::move(*opened);
  group_ = connection_->group();
  co_return RpcDialer::Place{connection_, 0};
}

Task<Result<RpcDialer::Place>> RpcSessionBase::join_by(Way way, RpcService service) {
  auto place = co_await dialer_->open_by(std::move(way), service, handle_.empty() ? 0 : group_);
  co_return place;
}

Task<Result<std::unique_ptr<RpcConnection>>> RpcSessionBase::join(RpcService service) {
  auto opened = co_await dialer_->open(service, group_);
  co_return opened;
}

Task<Result<Bytes>> RpcSessionBase::invoke_now(std::uint16_t opnum, Bytes stub, Way way) {
  auto place = co_await connect(std::move(way));
  if (!place) co_return place.error();
  auto answer = co_await place->connection->call(place->context, opnum, std::move(stub), call_limit());
  if (!answer) co_return answer.error();
  if (answer->fault == 0) co_return std::move(answer->stub);
  const auto text = fault_text(answer->fault);
  if (answer->fault == fault_context_mismatch) co_return error(Errc::conflict, "{}", text);
  if (answer->fault == fault_access_denied) co_return error(Errc::denied, "the server refuses the call: {}", text);
  if (answer->fault == 0x000006f7) co_return error(Errc::malformed, "the server cannot read the call: {}", text);
  co_return error(Errc::unavailable, "{}", text);
}

Task<Result<Bytes>> RpcSessionBase::invoke(std::uint16_t opnum, Bytes stub) {
  auto own = way();
  auto lock = co_await turn_.lock(call_limit());
  if (!lock) co_return lock.error();
  auto answer = co_await invoke_now(opnum, std::move(stub), std::move(own));
  co_return answer;
}

Result<Reply> failed_reply(Error problem) {
  if (problem.code == Errc::conflict) return protocol_error(http::ResponseCode::ContextNotFound);
  return problem;
}

namespace {

template <class Body>
Result<Reply> reply_with(const char* name, const Body& body) {
  Reply out;
  if (auto done = wire::encode(name, body, out.body, CountWidth::narrow); !done) return done.error();
  return out;
}

template <class Out>
Result<std::uint32_t> read_out(const char* name, const Result<Bytes>& stub, Arena& arena, Out& out) {
  if (!stub) return stub.error();
  if (auto done = ndr::decode(name, *stub, false, arena, out); !done) return done.error();
  return static_cast<std::uint32_t>(out.result);
}

class RpcMailboxSession final : public RpcSessionBase {
 public:
  explicit RpcMailboxSession(std::unique_ptr<RpcDialer> dialer) : RpcSessionBase(std::move(dialer), RpcService::mailbox) {}

  Task<Result<Reply>> call(Operation operation, View body, const chain::ClientInfo& client) override {
    begin_call(client);
    switch (operation) {
      case Operation::Connect: return connect_mailbox(body, client);
      case Operation::Execute: return execute(body);
      case Operation::Disconnect: return disconnect();
      case Operation::NotificationWait: return wait();
      default: return refuse();
    }
  }

 private:
  static Task<Result<Reply>> refuse() { co_return protocol_error(http::ResponseCode::InvalidRequestType); }

  Task<Result<Reply>> connect_mailbox(View body, const chain::ClientInfo& client) {
    Arena arena;
    const auto request = wire::decode<http::Connect::Request>("Connect", body, arena, CountWidth::narrow);
    if (!request) co_return protocol_error(http::ResponseCode::InvalidRequestBody);
    emsmdb::EcDoConnectEx::In in;
    in.szUserDN = request->UserDn;
    in.ulFlags = request->Flags;
    in.ulCpid = request->DefaultCodePage;
    in.ulLcidString = request->LcidString;
    in.ulLcidSort = request->LcidSort;
    in.ulIcxrLink = 0xffffffff;  // [MS-OXCRPC] 3.1.4.1: no session to link with
    in.usFCanConvertCodePages = 1;
    const auto version = wire::rpc::parse_version(client.application);
    in.rgwClientVersion = wire::rpc::encode_version(version && version->product_major < 256 && version->product_minor < 256 &&
                                                            version->build_major < 0x8000 && version->product_major >= 11
                                                        ? *version
                                                        : wire::rpc::Version{15, 0, 4420, 1017});
    in.rgbAuxIn = request->AuxiliaryBuffer;
    in.cbAuxIn = static_cast<std::uint32_t>(request->AuxiliaryBuffer.size());
    in.pcbAuxOut = aux_room;
    Bytes stub;
    if (auto done = ndr::encode("EcDoConnectEx", in, stub); !done) co_return done.error();
    auto answer = co_await invoke(emsmdb::EcDoConnectEx::opnum, std::move(stub));
    emsmdb::EcDoConnectEx::Out out;
    const auto code = read_out("EcDoConnectEx", answer, arena, out);
    if (!code) co_return failed_reply(code.error());
    http::Connect::Response response;
    response.ErrorCode = static_cast<mapi::ErrorCode>(*code);
    if (*code == 0) {
      handle_ = out.pcxh;
      waiting_ = {};
      server_application_ = "Exchange/" + to_string(wire::rpc::normalize_version(out.rgwServerVersion));
      response.PollsMax = out.pcmsPollsMax;
      response.RetryCount = out.pcRetry;
      response.RetryDelay = out.pcmsRetryDelay;
      response.DnPrefix = out.szDNPrefix.value_or(std::string_view());
      response.DisplayName = to_utf16(arena, out.szDisplayName.value_or(std::string_view()));
      response.AuxiliaryBuffer = out.rgbAuxOut.span();
    }
    co_return reply_with("Connect", response);
  }

  Task<Result<Reply>> execute(View body) {
    Arena arena;
    const auto request = wire::decode<http::Execute::Request>("Execute", body, arena, CountWidth::narrow);
    if (!request) co_return protocol_error(http::ResponseCode::InvalidRequestBody);
    if (handle_.empty()) co_return protocol_error(http::ResponseCode::ContextNotFound);
    emsmdb::EcDoRpcExt2::In in;
    in.pcxh = handle_;
    in.pulFlags = request->Flags;
    in.rgbIn = request->RopBuffer;
    in.cbIn = static_cast<std::uint32_t>(request->RopBuffer.size());
    in.pcbOut = std::min(request->MaxRopOut, most_rop_out);
    in.rgbAuxIn = request->AuxiliaryBuffer;
    in.cbAuxIn = static_cast<std::uint32_t>(request->AuxiliaryBuffer.size());
    in.pcbAuxOut = aux_room;
    Bytes stub;
    if (auto done = ndr::encode("EcDoRpcExt2", in, stub); !done) co_return done.error();
    auto answer = co_await invoke(emsmdb::EcDoRpcExt2::opnum, std::move(stub));
    emsmdb::EcDoRpcExt2::Out out;
    const auto code = read_out("EcDoRpcExt2", answer, arena, out);
    if (!code) co_return failed_reply(code.error());
    if (out.pcxh.empty()) {
      // The server has ended the session ([MS-OXCRPC] 3.2.4.2).
      handle_ = {};
      co_return protocol_error(http::ResponseCode::ContextNotFound);
    }
    http::Execute::Response response;
    response.ErrorCode = static_cast<mapi::ErrorCode>(*code);
    response.RopBuffer = out.rgbOut.span();
    response.AuxiliaryBuffer = out.rgbAuxOut.span();
    co_return reply_with("Execute", response);
  }

  Task<Result<Reply>> disconnect() {
    http::Disconnect::Response response;
    if (handle_.empty()) co_return reply_with("Disconnect", response);
    emsmdb::EcDoDisconnect::In in;
    in.pcxh = handle_;
    Bytes stub;
    if (auto done = ndr::encode("EcDoDisconnect", in, stub); !done) co_return done.error();
    auto answer = co_await invoke(emsmdb::EcDoDisconnect::opnum, std::move(stub));
    handle_ = {};
    listener_.reset();
    Arena arena;
    emsmdb::EcDoDisconnect::Out out;
    const auto code = read_out("EcDoDisconnect", answer, arena, out);
    if (!code && code.error().code != Errc::conflict) co_return code.error();
    response.ErrorCode = static_cast<mapi::ErrorCode>(code ? *code : 0);
    co_return reply_with("Disconnect", response);
  }

  // The call that waits goes over a connection of its own in the same group: on one without concurrent multiplexing
  // others would have to wait for it ([MS-OXCRPC] 3.3.4.1).
  Task<Result<Reply>> wait() {
    if (handle_.empty()) co_return protocol_error(http::ResponseCode::ContextNotFound);
    auto own = way();
    if (waiting_.empty()) {
      auto made = co_await make_waiting_handle();
      if (!made) co_return failed_reply(made.error());
    }
    RpcDialer::Place place{listener_, 0};  // a Disconnect may come meanwhile
    if (passes_on()) {
      auto joined = co_await join_by(std::move(own), RpcService::waiting);
      if (!joined) co_return failed_reply(joined.error());
      place = std::move(*joined);
    } else if (listener_ == nullptr || !listener_->is_open()) {
      auto joined = co_await join(RpcService::waiting);
      if (!joined) co_return failed_reply(joined.error());
      listener_ = std::move(*joined);
      place.connection = listener_;
    }
    using Wait = ndr::asyncemsmdb::EcDoAsyncWaitEx;
    Wait::In in;
    in.acxh = waiting_;
    Bytes stub;
    if (auto done = ndr::encode("EcDoAsyncWaitEx", in, stub); !done) co_return done.error();
    auto answer = co_await place.connection->call(place.context, Wait::opnum, std::move(stub), call_limit());
    if (!answer) {
      // The server may see only later that nobody waits there any more, and refuses another call by this handle until then.
      waiting_ = {};
      if (place.connection == listener_) listener_.reset();
      co_return answer.error();
    }
    if (answer->fault == fault_context_mismatch) {
      waiting_ = {};
      co_return protocol_error(http::ResponseCode::ContextNotFound);
    }
    if (answer->fault != 0) co_return error(Errc::unavailable, "EcDoAsyncWaitEx: {}", fault_text(answer->fault));
    Arena arena;
    Wait::Out out;
    if (auto done = ndr::decode("EcDoAsyncWaitEx", answer->stub, false, arena, out); !done) co_return done.error();
    http::NotificationWait::Response response;
    response.ErrorCode = static_cast<mapi::ErrorCode>(out.result);
    response.EventPending = (out.pulFlagsOut & 0x00000001) != 0 ? http::NotificationWait::event_pending : 0;
    co_return reply_with("NotificationWait", response);
  }

  Task<Status> make_waiting_handle() {
    emsmdb::EcDoAsyncConnectEx::In in;
    in.cxh = handle_;
    Bytes stub;
    if (auto done = ndr::encode("EcDoAsyncConnectEx", in, stub); !done) co_return done;
    auto answer = co_await invoke(emsmdb::EcDoAsyncConnectEx::opnum, std::move(stub));
    Arena arena;
    emsmdb::EcDoAsyncConnectEx::Out out;
    const auto code = read_out("EcDoAsyncConnectEx", answer, arena, out);
    if (!code) co_return code.error();
    if (*code != 0) co_return error(Errc::unsupported, "EcDoAsyncConnectEx: {}", mapi::to_string(static_cast<mapi::ErrorCode>(*code)));
    waiting_ = out.pacxh;
    co_return Status();
  }

  static constexpr std::uint32_t aux_room = 0x1008, most_rop_out = 0x40000;  // [MS-OXCRPC] 6
  ndr::ContextHandle waiting_;
  std::shared_ptr<RpcConnection> listener_;
};

}  // namespace

std::unique_ptr<Session> make_rpc_mailbox_session(std::unique_ptr<RpcDialer> dialer) {
  return std::make_unique<RpcMailboxSession>(std::move(dialer));
}

}  // namespace mapigate::upstream
