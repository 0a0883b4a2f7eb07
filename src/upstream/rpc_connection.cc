#include "upstream/rpc_connection.h"

#include <atomic>
#include <unordered_map>

#include <boost/asio/this_coro.hpp>

#include "io/runtime.h"
#include "io/sync.h"
#include "wire/ndr/tower.h"
#include "wire/rpc/pdu.h"

namespace mapigate::upstream {

using namespace wire::rpc;

namespace {

constexpr std::uint32_t fault_proto_error = 0x1c01000b;
constexpr std::uint16_t own_fragment = 5840;
constexpr std::uint32_t auth_context = 1;
constexpr std::size_t alignment = 16;             // of a protected body
constexpr Duration tick = std::chrono::minutes(5);  // of the wait for an answer while nothing is asked

std::string reject_reason(std::uint16_t reason) {  // [MS-RPCE] 2.2.2.5
  switch (reason) {
    case 0: return "no reason given";
    case 1: return "temporary congestion";
    case 2: return "local limit exceeded";
    case 4: return "protocol version not supported";
    case 8: return "authentication type not recognized";
    case 9: return "invalid checksum";
    default: return fmt::format("reason {}", reason);
  }
}

}  // namespace

std::string fault_text(std::uint32_t fault) {
  const char* name = "fault";
  switch (fault) {
    case fault_access_denied: name = "access denied"; break;
    case 0x000006f7: name = "bad stub data"; break;
    case 0x000006be: name = "call failed"; break;
    case 0x1c010002: name = "nca_op_rng_error"; break;
    case 0x1c010003: name = "nca_unk_if"; break;
    case 0x1c010014: name = "nca_server_too_busy"; break;
    case 0x1c00001a: name = "nca_s_fault_context_mismatch"; break;
    case fault_proto_error: name = "nca_proto_error"; break;
    default: break;
  }
  return fmt::format("{} ({:#010x})", name, fault);
}

struct RpcConnection::Impl {
  struct Pending {
    io::Event done;
    RpcAnswer answer;
    std::optional<Error> problem;
    bool alters = false;  // alter_context, whose answer is a fault or none
  };

  std::unique_ptr<RpcChannel> channel;
  std::unique_ptr<SecurityContext> security;
  RpcConnectionOptions options;
  io::Executor executor;
  io::Mutex sending, altering;
  std::unordered_map<std::uint32_t, std::shared_ptr<Pending>> pending;
  std::uint32_t last_call = 0;
  std::uint32_t group = 0;
  std::uint16_t fragment = own_fragment;  // bytes of one that we send
  bool header_signing = false;
  bool believed = false;  // the server has answered a call
  std::atomic<bool> open = true;

  bool is_protected() const { return options.level >= AuthLevel::packet; }
  bool seals() const { return options.level == AuthLevel::privacy; }

  SecTrailer trailer() const {
    SecTrailer out;
    out.auth_type = static_cast<std::uint8_t>(options.type);
    out.auth_level = static_cast<std::uint8_t>(options.level);
    out.auth_context_id = auth_context;
    return out;
  }

  void close(const Error& why) {
    if (!open) return;
    open = false;
    channel->close();
    for (auto& [id, one] : pending) {
      one->problem = why;
      one->done.set();
    }
    pending.clear();
  }

  // The bind and what follows it.

  // `first`: of the interfaces, those before are known to the server already.
  Status write_bind(PduType type, std::uint32_t id, View token, Bytes& out, std::size_t first = 0) const {
    Arena arena;
    const auto elements = arena.make_span<ContextElement>(options.interfaces.size() - first);
    const auto* ndr = arena.make<SyntaxIdentifier>(
        SyntaxIdentifier{wire::ndr::ndr_syntax.uuid, wire::ndr::ndr_syntax.major, wire::ndr::ndr_syntax.minor});
    for (std::size_t i = 0; i < elements.size(); ++i) {
      const auto& one = options.interfaces[first + i];
      elements[i].p_cont_id = static_cast<std::uint16_t>(first + i);
      elements[i].abstract_syntax = {one.uuid, one.major, one.minor};
      elements[i].transfer_syntaxes = std::span(ndr, 1);
    }
    BindBody body;
    body.max_xmit_frag = body.max_recv_frag = own_fragment;
    body.assoc_group_id = type == PduType::bind ? options.group : group;
    body.p_context_elem = elements;
    Bytes encoded;
    if (auto done = wire::encode("bind", body, encoded, wire::CountWidth::narrow); !done) return done;
    Pdu pdu;
    pdu.header.PTYPE = type;
    pdu.header.call_id = id;
    pdu.body = encoded;
    if (!token.empty()) {
      if (type == PduType::bind) pdu.header.pfc_flags |= PFC_SUPPORT_HEADER_SIGN;
      pdu.has_trailer = true;
      pdu.trailer = trailer();
      pdu.auth_value = token;
    }
    return write_pdu(pdu, out);
  }

  Status write_auth3(std::uint32_t id, View token, Bytes& out) const {
    static constexpr std::array<std::uint8_t, 4> pad{};
    Pdu pdu;
    pdu.header.PTYPE = PduType::auth3;
    pdu.header.call_id = id;
    pdu.body = pad;
    pdu.has_trailer = true;
    pdu.trailer = trailer();
    pdu.auth_value = token;
    return write_pdu(pdu, out);
  }

  // Reads bind_ack or alter_context_resp; gives the server's token.
  Result<Bytes> read_bind_answer(View bytes, bool first) {
    const auto pdu = read_pdu(bytes);
    if (!pdu) return pdu.error();
    Arena arena;
    switch (pdu->header.PTYPE) {
      case PduType::bind_nak: {
        const auto nak = wire::decode<BindNakBody>("bind_nak", pdu->body, arena, wire::CountWidth::narrow);
        if (!nak) return nak.error();
        const auto reason = nak->provider_reject_reason;
        // A group that is gone has no reason of its own.
        const auto code = reason == 0 && options.group != 0 ? Errc::conflict : reason <= 2 ? Errc::unavailable : Errc::denied;
        return error(code, "the server refuses the connection: {}", reject_reason(reason));
      }
      case PduType::fault: {
        const auto fault = wire::decode<FaultBody>("fault", pdu->body, arena, wire::CountWidth::narrow);
        if (!fault) return fault.error();
        return error(fault->status == fault_access_denied ? Errc::denied : Errc::unavailable, "the server refuses the connection: {}",
                     fault_text(fault->status));
      }
      case PduType::bind_ack:
      case PduType::alter_context_resp: break;
      default: return error(Errc::malformed, "a PDU of type {} answers a bind", static_cast<unsigned>(pdu->header.PTYPE));
    }
    const auto ack = wire::decode<BindAckBody>("bind_ack", pdu->body, arena, wire::CountWidth::narrow);
    if (!ack) return ack.error();
    if (first) {
      if (ack->p_result_list.size() != options.interfaces.size()) return error(Errc::malformed, "bind_ack: not one result an interface");
      // Calls to one of the others, should it be missing, end in a fault.
      if (const auto& main = ack->p_result_list.front(); main.result != 0)
        return error(Errc::not_found, "the server does not serve {} there (reason {})", options.interfaces.front().name, main.reason);
      if (ack->max_recv_frag < 1432) return error(Errc::malformed, "bind_ack: max_recv_frag {}", ack->max_recv_frag);
      fragment = std::min(own_fragment, ack->max_recv_frag);
      group = ack->assoc_group_id;
      header_signing = (pdu->header.pfc_flags & PFC_SUPPORT_HEADER_SIGN) != 0;
    }
    return Bytes(pdu->auth_value.begin(), pdu->auth_value.end());
  }

  Task<Status> bind() {
    Bytes token;
    if (security != nullptr) {
      auto first = co_await security->step({});
      if (!first) co_return first.error();
      token = std::move(*first);
    }
    auto type = PduType::bind;
    const auto id = ++last_call;
    for (unsigned leg = 0; leg < 8; ++leg) {
      Bytes out;
      if (auto written = write_bind(type, id, token, out); !written) co_return written;
      auto sent = co_await channel->send(std::move(out), options.limit);
      if (!sent) co_return sent;
      auto received = co_await channel->receive(options.limit);
      if (!received) co_return received.error();
      auto answer = read_bind_answer(*received, type == PduType::bind);
      if (!answer) co_return answer.error();
      if (security == nullptr || security->established()) co_return Status();
      if (answer->empty()) co_return error(Errc::denied, "the server does not authenticate");
      auto next = co_await security->step(std::move(*answer));
      if (!next) co_return next.error();
      token = std::move(*next);
      if (security->established() && token.empty()) co_return Status();
      // SPNEGO's acceptor has the last word.
      if (security->established() && options.type != AuthType::spnego) {
        Bytes last;
        if (auto written = write_auth3(id, token, last); !written) co_return written;
        auto gone = co_await channel->send(std::move(last), options.limit);
        co_return gone;
      }
      type = PduType::alter_context;
    }
    co_return error(Errc::denied, "authentication does not come to an end");
  }

  // Calls.

  Status write_request(std::uint32_t id, std::uint16_t context, std::uint16_t opnum, View stub, Bytes& out) {
    const std::size_t signature = is_protected() ? security->signature_size(seals()) : 0;
    std::size_t room = fragment - call_header_size;
    if (is_protected()) {
      if (signature == 0) return error(Errc::internal, "no signature to be had");
      room = (room - sec_trailer_size - signature) / alignment * alignment;
    }
    std::size_t at = 0;
    do {
      const auto part = stub.subspan(at, std::min(room, stub.size() - at));
      PduHeader header;
      header.PTYPE = PduType::request;
      header.call_id = id;
      header.pfc_flags = static_cast<std::uint8_t>((at == 0 ? PFC_FIRST_FRAG : 0) | (at + part.size() == stub.size() ? PFC_LAST_FRAG : 0));
      const std::size_t padding = is_protected() ? (alignment - part.size() % alignment) % alignment : 0;
      std::size_t size = call_header_size + part.size();
      if (is_protected()) size += padding + sec_trailer_size + signature;
      header.frag_length = static_cast<std::uint16_t>(size);
      header.auth_length = static_cast<std::uint16_t>(signature);
      RequestBody body;
      body.alloc_hint = static_cast<std::uint32_t>(stub.size() - at);
      body.p_cont_id = context;
      body.opnum = opnum;
      body.stub = part;
      const auto start = out.size();
      if (auto done = wire::encode("request", header, out, wire::CountWidth::narrow); !done) return done;
      if (auto done = wire::encode("request", body, out, wire::CountWidth::narrow); !done) return done;
      at += part.size();
      if (!is_protected()) continue;
      out.insert(out.end(), padding, 0);
      auto own = trailer();
      own.auth_pad_length = static_cast<std::uint8_t>(padding);
      if (auto done = wire::encode("sec_trailer", own, out, wire::CountWidth::narrow); !done) return done;
      const auto all = std::span(out).subspan(start);
      auto before = View(all.first(call_header_size)), after = View(all.last(sec_trailer_size));
      if (!header_signing) before = after = View();
      const auto made = security->protect(seals(), before, all.subspan(call_header_size, part.size() + padding), after);
      if (!made) return made.error();
      if (made->size() != signature) return error(Errc::internal, "a signature of {} bytes instead of {}", made->size(), signature);
      out.insert(out.end(), made->begin(), made->end());
    } while (at < stub.size());
    return {};
  }

  // Checks and decrypts in place.
  Status open_protected(Bytes& bytes, const Pdu& pdu) {
    if (!is_protected()) return {};
    if (!pdu.has_trailer || pdu.trailer.auth_type != static_cast<std::uint8_t>(options.type) ||
        pdu.trailer.auth_level != static_cast<std::uint8_t>(options.level))
      return error(Errc::malformed, "an answer without protection");
    const auto signature = pdu.header.auth_length;
    const auto end = bytes.size() - signature - sec_trailer_size;
    if (end < call_header_size) return error(Errc::malformed, "an answer that is cut off");
    const auto all = std::span(bytes);
    auto before = View(all.first(call_header_size)), after = View(all.subspan(end, sec_trailer_size));
    if (!header_signing) before = after = View();
    return security->unprotect(seals(), before, all.subspan(call_header_size, end - call_header_size), after, View(all.last(signature)));
  }

  Status take(Bytes bytes) {
    const auto pdu = read_pdu(bytes);
    if (!pdu) return pdu.error();
    if (pdu->header.PTYPE == PduType::alter_context_resp && security == nullptr) return take_altered(*pdu);
    if (pdu->header.PTYPE != PduType::response && pdu->header.PTYPE != PduType::fault) {
      if (pdu->header.PTYPE == PduType::shutdown) return error(Errc::unavailable, "the server shuts down");
      return error(Errc::malformed, "a PDU of type {} that nobody asked for", static_cast<unsigned>(pdu->header.PTYPE));
    }
    const bool is_fault = pdu->header.PTYPE == PduType::fault;
    Arena arena;
    if (is_fault) {
      // Not all servers sign these. A forged one can do no more than a cut connection.
      if (pdu->has_trailer && is_protected()) (void)open_protected(bytes, *pdu);
    } else if (auto opened = open_protected(bytes, *pdu); !opened) {
      return opened;
    }
    const auto found = pending.find(pdu->header.call_id);
    if (found == pending.end()) return {};  // its caller has gone
    auto one = found->second;
    if (is_fault) {
      const auto fault = wire::decode<FaultBody>("fault", pdu->body, arena, wire::CountWidth::narrow);
      if (!fault) return fault.error();
      one->answer.fault = fault->status == 0 ? 0x000006be : fault->status;
      // The last leg of NTLM has no answer: Samba says only so that it did not like it.
      if (security != nullptr && !believed && fault->status == fault_proto_error) one->answer.fault = fault_access_denied;
      finish(found);
      return {};
    }
    const auto response = wire::decode<ResponseBody>("response", pdu->body, arena, wire::CountWidth::narrow);
    if (!response) return response.error();
    believed = true;
    if (one->alters) return error(Errc::malformed, "a response answers an alter_context");
    auto& stub = one->answer.stub;
    if (stub.size() + response->stub.size() > options.max_reply) return error(Errc::limit, "an answer of more than {} bytes", options.max_reply);
    stub.insert(stub.end(), response->stub.begin(), response->stub.end());
    if ((pdu->header.pfc_flags & PFC_LAST_FRAG) != 0) finish(found);
    return {};
  }
  Status take_altered(const Pdu& pdu) {
    const auto found = pending.find(pdu.header.call_id);
    if (found == pending.end()) return {};
    Arena arena;
    const auto ack = wire::decode<BindAckBody>("alter_context_resp", pdu.body, arena, wire::CountWidth::narrow);
    if (!ack) return ack.error();
    if (!found->second->alters || ack->p_result_list.size() != 1) return error(Errc::malformed, "alter_context_resp: not what was asked for");
    if (ack->p_result_list.front().result != 0) found->second->answer.fault = 0x1c010003;
    finish(found);
    return {};
  }
  void finish(std::unordered_map<std::uint32_t, std::shared_ptr<Pending>>::iterator at) {
    auto one = std::move(at->second);
    pending.erase(at);
    one->done.set();
  }

  static Task<> read_answers(std::shared_ptr<Impl> self) {
    while (self->open) {
      auto received = co_await self->channel->receive(tick);
      if (!self->open) break;
      if (!received) {
        if (received.error().code == Errc::timeout) continue;
        auto why = received.error();
        if (why.code == Errc::cancelled) why.code = Errc::unavailable;
        self->close(why);
        break;
      }
      if (auto taken = self->take(std::move(*received)); !taken) self->close(taken.error());
    }
  }

  static Task<Result<RpcAnswer>> call(std::shared_ptr<Impl> self, std::uint16_t context, std::uint16_t opnum, Bytes stub, Duration limit) {
    const auto until = Clock::now() + limit;
    auto lock = co_await self->sending.lock(limit);
    if (!lock) co_return lock.error();
    if (!self->open) co_return error(Errc::unavailable, "the connection is closed");
    const auto id = ++self->last_call;
    Bytes out;
    if (auto written = self->write_request(id, context, opnum, stub, out); !written) {
      if (self->is_protected()) self->close(written.error());  // sequence numbers may have moved
      co_return written.error();
    }
    auto asked = ask(self, id, std::move(out), false, until, std::move(*lock));
    auto answer = co_await std::move(asked);
    co_return answer;
  }

  static Task<Result<std::uint16_t>> context_of(std::shared_ptr<Impl> self, wire::ndr::Interface interface, Duration limit) {
    auto turn = co_await self->altering.lock(limit);
    if (!turn) co_return turn.error();
    auto& known = self->options.interfaces;
    const auto place = known.size();
    for (std::size_t i = 0; i < place; ++i)
      if (known[i].uuid == interface.uuid) co_return static_cast<std::uint16_t>(i);
    if (self->security != nullptr) co_return error(Errc::unsupported, "{} was not bound", interface.name);
    auto lock = co_await self->sending.lock(limit);
    if (!lock) co_return lock.error();
    if (!self->open) co_return error(Errc::unavailable, "the connection is closed");
    const auto id = ++self->last_call;
    known.push_back(interface);
    Bytes out;
    if (auto written = self->write_bind(PduType::alter_context, id, {}, out, place); !written) {
      known.pop_back();
      co_return written.error();
    }
    auto asked = ask(self, id, std::move(out), true, Clock::now() + limit, std::move(*lock));
    auto answer = co_await std::move(asked);
    if (answer && answer->fault == 0) co_return static_cast<std::uint16_t>(place);
    known.pop_back();
    if (!answer) co_return answer.error();
    co_return error(Errc::not_found, "the server does not serve {} there: {}", interface.name, fault_text(answer->fault));
  }

  // Sends one PDU or more, and waits for what answers; `lock` is of `sending`.
  static Task<Result<RpcAnswer>> ask(std::shared_ptr<Impl> self, std::uint32_t id, Bytes out, bool alters, Clock::time_point until,
                                     io::Mutex::Lock lock) {
    const auto limit = until - Clock::now();
    auto one = std::make_shared<Pending>();
    one->alters = alters;
    self->pending.emplace(id, one);
    auto sent = co_await self->channel->send(std::move(out), limit);
    lock.unlock();
    if (!sent) {
      auto why = sent.error();
      if (why.code == Errc::cancelled || why.code == Errc::timeout) why.code = Errc::unavailable;
      self->close(why);  // half a PDU may have left
      co_return why;
    }
    const bool answered = co_await one->done.wait_for(std::max(until - Clock::now(), Duration(std::chrono::milliseconds(1))));
    if (!answered) {
      self->pending.erase(id);
      if (Clock::now() < until) co_return error(Errc::cancelled, "nobody waits for the answer any more");
      co_return error(Errc::timeout, "the server did not answer in time");
    }
    if (one->problem) co_return *one->problem;
    co_return std::move(one->answer);
  }
};

RpcConnection::RpcConnection(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

RpcConnection::~RpcConnection() {
  if (!impl_->open) return;
  io::post(impl_->executor, [impl = impl_] { impl->close(error(Errc::cancelled, "the connection is closed")); });
}

Task<Result<std::unique_ptr<RpcConnection>>> RpcConnection::open(std::unique_ptr<RpcChannel> channel,
                                                                 std::unique_ptr<SecurityContext> security, RpcConnectionOptions options) {
  auto impl = std::make_shared<Impl>();
  impl->channel = std::move(channel);
  impl->security = std::move(security);
  impl->options = std::move(options);
  impl->executor = co_await boost::asio::this_coro::executor;
  auto bound = co_await impl->bind();
  if (!bound) {
    impl->close(bound.error());
    co_return bound.error();
  }
  auto reading = Impl::read_answers(impl);
  io::spawn(impl->executor, std::move(reading));
  co_return std::unique_ptr<RpcConnection>(new RpcConnection(std::move(impl)));
}

Task<Result<RpcAnswer>> RpcConnection::call(std::uint16_t context, std::uint16_t opnum, Bytes stub, Duration limit) {
  auto answer = Impl::call(impl_, context, opnum, std::move(stub), limit);
  return answer;
}

std::uint32_t RpcConnection::group() const { return impl_->group; }
Task<Result<std::uint16_t>> RpcConnection::context_of(wire::ndr::Interface interface, Duration limit) {
  auto context = Impl::context_of(impl_, interface, limit);
  return context;
}
bool RpcConnection::is_open() const { return impl_->open; }
void RpcConnection::close() {
  io::post(impl_->executor, [impl = impl_] { impl->close(error(Errc::unavailable, "the connection is closed")); });
}

}  // namespace mapigate::upstream
