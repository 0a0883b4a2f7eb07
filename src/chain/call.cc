#include "chain/call.h"

#include <algorithm>
#include <array>

#include "base/log.h"
#include "chain/session_state.h"
#include "wire/mapihttp/bodies.h"
#include "wire/rpc/header_ext.h"

namespace mapigate::chain {

namespace rpc = wire::rpc;
using wire::CountWidth;
using wire::RopId;
using wire::mapihttp::Execute;

namespace {

struct OperationRow {
  std::string_view name;
  Interface interface;
  // What stands between ErrorCode and AuxiliaryBufferSize when ErrorCode is not zero: all flags
  // and counts zero ([MS-OXCMAPIHTTP] 2.2.4 and 2.2.5, each "Success Response Body").
  std::size_t zeros;
};

constexpr std::array<OperationRow, 23> operations{{
    {"Connect", Interface::emsmdb, 4 + 4 + 4 + 1 + 2},
    {"Execute", Interface::emsmdb, 4 + 4},
    {"Disconnect", Interface::emsmdb, 0},
    {"NotificationWait", Interface::emsmdb, 4},
    {"Bind", Interface::nspi, 16},
    {"Unbind", Interface::nspi, 0},
    {"CompareMIds", Interface::nspi, 4},
    {"DNToMId", Interface::nspi, 1},
    {"GetMatches", Interface::nspi, 1 + 1 + 1},
    {"GetPropList", Interface::nspi, 1},
    {"GetProps", Interface::nspi, 4 + 1},
    {"GetSpecialTable", Interface::nspi, 4 + 1 + 1},
    {"GetTemplateInfo", Interface::nspi, 4 + 1},
    {"ModLinkAtt", Interface::nspi, 0},
    {"ModProps", Interface::nspi, 0},
    {"QueryColumns", Interface::nspi, 1},
    {"QueryRows", Interface::nspi, 1 + 1},
    {"ResolveNames", Interface::nspi, 4 + 1 + 1},
    {"ResortRestriction", Interface::nspi, 1 + 1},
    {"SeekEntries", Interface::nspi, 1 + 1},
    {"UpdateStat", Interface::nspi, 1 + 1},
    {"GetMailboxUrl", Interface::nspi, 2},
    {"GetAddressBookUrl", Interface::nspi, 2},
}};

// A list of ROPs that came in several extended buffers leaves in as many. What was
// chained answers (or is) the last ROP, so the places are counted from the end.
using Breaks = std::vector<std::size_t>;

template <class Rop>
std::vector<std::vector<Rop>> split(const std::vector<Rop>& rops, const Breaks& breaks) {
  std::vector<std::vector<Rop>> out(1);
  for (std::size_t i = 0; i < rops.size(); ++i) {
    if (i != 0 && std::find(breaks.begin(), breaks.end(), rops.size() - i) != breaks.end()) out.emplace_back();
    out.back().push_back(rops[i]);
  }
  return out;
}

bool is_obfuscated(View extended_buffers) {
  if (extended_buffers.size() < rpc::header_ext_size) return false;
  const auto flags = static_cast<std::uint16_t>(extended_buffers[2] | extended_buffers[3] << 8);
  return (flags & rpc::XorMagic) != 0;
}

Status write_payloads(const std::vector<Bytes>& payloads, bool obfuscate, Bytes& out) {
  std::vector<View> views;
  for (const auto& payload : payloads) {
    // Beyond this not even a client that tolerates more than 32 KiB can be told the size.
    if (payload.size() > 0xFFFF) return error(Errc::limit, "the ROPs take {} bytes, more than a buffer holds", payload.size());
    views.emplace_back(payload);
  }
  return rpc::write_extended_buffers(views, {.compress = false, .obfuscate = obfuscate}, out);
}

}  // namespace

std::string_view to_string(Operation operation) { return operations[static_cast<std::size_t>(operation)].name; }

std::optional<Operation> operation_from_string(std::string_view request_type) {
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (operations[i].name == request_type) return static_cast<Operation>(i);
  }
  return std::nullopt;
}

Interface interface_of(Operation operation) { return operations[static_cast<std::size_t>(operation)].interface; }

Reply error_reply(Operation operation, mapi::ErrorCode code) {
  Reply reply;
  Output out(reply.body);
  out.scalar(std::uint32_t{0});  // StatusCode: the request itself was processed
  out.scalar(static_cast<std::uint32_t>(code));
  reply.body.resize(reply.body.size() + operations[static_cast<std::size_t>(operation)].zeros);
  out.scalar(std::uint32_t{0});  // AuxiliaryBufferSize
  return reply;
}

namespace {

// An Execute reply in decoded form.
struct ExecuteReply {
  wire::RopResponseBuffer responses;
  Breaks breaks;
  View auxiliary;
  std::uint32_t flags = 0;
  bool obfuscated = false;
};

}  // namespace

struct Call::Decoded {
  bool request_tried = false;
  std::optional<Error> request_error;
  DecodedExecute request;
  Breaks request_breaks;
  bool request_obfuscated = false;

  bool reply_tried = false;
  std::optional<Error> reply_error;
  ExecuteReply reply;
  bool reply_edited = false;

  // Decoded structures borrow from these: bodies that were replaced, and parts of this call.
  std::vector<Bytes> kept;
  std::vector<std::unique_ptr<Call>> parts;
};

Call::Call(Session& session, Operation operation, ClientInfo client, Bytes body)
    : session_(&session),
      operation_(operation),
      client_(std::move(client)),
      body_(std::move(body)),
      decoded_(std::make_unique<Decoded>()) {}

Call::~Call() = default;

// --- The request ---

Status Call::decode_request() {
  if (operation_ != Operation::Execute) return error(Errc::unsupported, "{} carries no ROPs", to_string(operation_));
  auto& d = *decoded_;
  const auto body = wire::decode<Execute::Request>("Execute request", body_, arena_, CountWidth::narrow);
  if (!body) return body.error();
  d.request.Flags = body->Flags;
  d.request.MaxRopOut = body->MaxRopOut;
  d.request.AuxiliaryBuffer = body->AuxiliaryBuffer;
  d.request_obfuscated = is_obfuscated(body->RopBuffer);
  auto payloads = rpc::read_extended_buffers(body->RopBuffer, arena_, rpc::request_limits);
  if (!payloads) return std::move(payloads).error().within("Execute request");
  bool first = true;
  std::vector<std::size_t> starts;
  for (const auto payload : *payloads) {
    auto one = wire::decode_requests(payload, arena_, &session_->state().logons);
    if (!one) return std::move(one).error().within("Execute request");
    if (first) {
      d.request.requests = std::move(*one);
    } else {
      if (!d.request.requests.opaque.empty()) return error(Errc::malformed, "unknown ROPs in a chain of buffers");
      starts.push_back(d.request.requests.rops.size());
      auto& rops = d.request.requests.rops;
      rops.insert(rops.end(), one->rops.begin(), one->rops.end());
      d.request.requests.opaque = one->opaque;
      d.request.requests.problem = std::move(one->problem);
    }
    first = false;
  }
  for (const auto start : starts) d.request_breaks.push_back(d.request.requests.rops.size() - start);
  return {};
}

Result<DecodedExecute*> Call::execute() {
  auto& d = *decoded_;
  if (!d.request_tried) {
    d.request_tried = true;
    if (auto done = decode_request(); !done) d.request_error = done.error();
  }
  if (d.request_error) return *d.request_error;
  return &d.request;
}

void Call::mark_edited() { decoded_->request.edited = true; }

Status Call::encode_request() {
  auto& d = *decoded_;
  std::vector<Bytes> payloads;
  const auto groups = split(d.request.requests.rops, d.request_breaks);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    wire::RopRequestBuffer buffer;
    buffer.rops = groups[i];
    buffer.handles = d.request.requests.handles;
    if (i + 1 == groups.size()) buffer.opaque = d.request.requests.opaque;
    if (auto done = wire::encode_requests(buffer, payloads.emplace_back()); !done) return done;
  }
  Bytes rop_buffer;
  if (auto done = write_payloads(payloads, d.request_obfuscated, rop_buffer); !done) return done;
  const Execute::Request request{d.request.Flags, rop_buffer, d.request.MaxRopOut, d.request.AuxiliaryBuffer};
  Bytes body;
  if (auto done = wire::encode("Execute request", request, body, CountWidth::narrow); !done) return done;
  d.kept.push_back(std::move(body_));
  body_ = std::move(body);
  d.request.edited = false;
  return {};
}

Result<View> Call::body() {
  if (decoded_->request.edited) {
    if (auto done = encode_request(); !done) return std::move(done).error().within("Execute request");
  }
  return View(body_);
}

void Call::set_body(Bytes body) {
  auto& d = *decoded_;
  d.kept.push_back(std::move(body_));
  body_ = std::move(body);
  d.request_tried = false;
  d.request_error.reset();
  d.request = {};
  d.request_breaks.clear();
}

void Call::adopt_execute(DecodedExecute execute) {
  auto& d = *decoded_;
  d.request = std::move(execute);
  d.request.edited = true;
  d.request_tried = true;
}

Call& Call::add_part(DecodedExecute execute, unsigned level, bool unsplit) {
  auto part = std::make_unique<Call>(*session_, Operation::Execute, client_, Bytes());
  part->level_ = level;
  part->adopt_execute(std::move(execute));
  if (unsplit) part->decoded_->request_breaks = decoded_->request_breaks;
  part->decoded_->request_obfuscated = decoded_->request_obfuscated;
  return *decoded_->parts.emplace_back(std::move(part));
}

// --- The reply ---

void Call::drop_reply() {
  auto& d = *decoded_;
  if (reply_) d.kept.push_back(std::move(reply_->body));
  reply_.reset();
  d.reply_tried = false;
  d.reply_error.reset();
  d.reply = {};
  d.reply_edited = false;
}

void Call::set_reply(Reply reply) {
  drop_reply();
  reply_ = std::move(reply);
}

void Call::set_responses(wire::RopResponseBuffer responses, const Call* like) {
  set_reply({});
  auto& d = *decoded_;
  if (like != nullptr) {
    d.reply.auxiliary = like->decoded_->reply.auxiliary;
    d.reply.flags = like->decoded_->reply.flags;
    d.reply.obfuscated = like->decoded_->reply.obfuscated;
    d.reply.breaks = like->decoded_->reply.breaks;
  }
  d.reply_tried = true;
  d.reply.responses = std::move(responses);
  d.reply_edited = true;
}

namespace {

// What chained reply buffers answer: the last ROP goes on in each of them.
wire::RopRequestBuffer last_of(const wire::RopRequestBuffer& requests) {
  wire::RopRequestBuffer out;
  if (!requests.rops.empty()) out.rops.push_back(requests.rops.back());
  out.handles = requests.handles;
  return out;
}

// `requests` may be null. The result borrows from `bytes` and `arena`.
Result<ExecuteReply> decode_execute_reply(View bytes, Arena& arena, const wire::RopRequestBuffer* requests,
                                          const wire::ColumnSource& columns) {
  const auto body = wire::decode<Execute::Response>("Execute reply", bytes, arena, CountWidth::narrow);
  if (!body) return body.error();
  if (body->StatusCode != 0) return error(Errc::not_found, "the Execute failed with StatusCode {:#x}", body->StatusCode);
  if (body->ErrorCode != mapi::ecNone)
    return error(Errc::not_found, "the Execute failed with {}", mapi::to_string(body->ErrorCode));
  ExecuteReply out;
  out.flags = body->Flags;
  out.auxiliary = body->AuxiliaryBuffer;
  out.obfuscated = is_obfuscated(body->RopBuffer);
  const auto payloads = rpc::read_extended_buffers(body->RopBuffer, arena, rpc::response_limits);
  if (!payloads) return Error(payloads.error()).within("Execute reply");

  const auto last = requests != nullptr ? last_of(*requests) : wire::RopRequestBuffer{};
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < payloads->size(); ++i) {
    const auto payload = (*payloads)[i];
    const auto* answered = i != 0 && requests != nullptr ? &last : requests;
    auto one = wire::decode_responses(payload, arena, answered, &columns);
    if (!one) return Error(one.error()).within("Execute reply");
    // What the tracker gave holds until it learns something new; the decoded rows live longer.
    for (auto& rop : one->rops) {
      if (rop.columns) rop.columns = arena.copy(*rop.columns);
    }
    if (i == 0) {
      out.responses = std::move(*one);
      continue;
    }
    auto& rops = out.responses.rops;
    if (!out.responses.opaque.empty()) return error(Errc::malformed, "undecodable responses in a chain of buffers");
    starts.push_back(rops.size());
    for (auto& rop : one->rops) {
      if (rop.request == 0) rop.request = static_cast<int>(requests->rops.size()) - 1;
      rops.push_back(rop);
    }
    out.responses.opaque = one->opaque;
    out.responses.problem = std::move(one->problem);
  }
  for (const auto start : starts) out.breaks.push_back(out.responses.rops.size() - start);
  return out;
}

}  // namespace

Status Call::decode_reply() {
  if (!reply_) return error(Errc::internal, "the call has no reply yet");
  if (operation_ != Operation::Execute) return error(Errc::unsupported, "{} carries no ROPs", to_string(operation_));
  if (reply_->response_code != 0) return error(Errc::not_found, "the reply is a protocol error");
  const auto request = execute();
  auto decoded = decode_execute_reply(reply_->body, arena_, request ? &(*request)->requests : nullptr,
                                      session_->state().columns[level_]);
  if (!decoded) return decoded.error();
  decoded_->reply = std::move(*decoded);
  return {};
}

Result<wire::RopResponseBuffer> Call::copy_responses(Arena& arena) {
  const auto body = reply_body();
  if (!body) return body.error();
  if (reply_->response_code != 0) return error(Errc::not_found, "the reply is a protocol error");
  const auto request = execute();
  auto decoded = decode_execute_reply(arena.copy(*body), arena, request ? &(*request)->requests : nullptr,
                                      session_->state().columns[level_]);
  if (!decoded) return decoded.error();
  return std::move(decoded->responses);
}

Result<wire::RopResponseBuffer*> Call::responses() {
  auto& d = *decoded_;
  if (!d.reply_tried) {
    d.reply_tried = true;
    if (auto done = decode_reply(); !done) d.reply_error = done.error();
  }
  if (d.reply_error) return *d.reply_error;
  return &d.reply.responses;
}

void Call::mark_reply_edited() { decoded_->reply_edited = true; }

Status Call::encode_reply() {
  auto& d = *decoded_;
  const auto request = execute();
  const auto* requests = request ? &(*request)->requests : nullptr;
  std::vector<Bytes> payloads;
  const auto groups = split(d.reply.responses.rops, d.reply.breaks);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    wire::RopResponseBuffer buffer;
    buffer.rops = groups[i];
    buffer.handles = d.reply.responses.handles;
    if (i + 1 == groups.size()) buffer.opaque = d.reply.responses.opaque;
    if (auto done = wire::encode_responses(buffer, payloads.emplace_back(), requests); !done) return done;
  }
  Bytes rop_buffer;
  if (auto done = write_payloads(payloads, d.reply.obfuscated, rop_buffer); !done) return done;
  const Execute::Response response{0, mapi::ecNone, d.reply.flags, rop_buffer, d.reply.auxiliary};
  Bytes body;
  if (auto done = wire::encode("Execute reply", response, body, CountWidth::narrow); !done) return done;
  d.kept.push_back(std::move(reply_->body));
  reply_->body = std::move(body);
  d.reply_edited = false;
  return {};
}

Result<View> Call::reply_body() {
  if (!reply_) return error(Errc::internal, "the call has no reply yet");
  if (decoded_->reply_edited) {
    if (auto done = encode_reply(); !done) return std::move(done).error().within("Execute reply");
  }
  return View(reply_->body);
}

Reply Call::take_reply() {
  const auto body = reply_body();
  if (!body) {
    log::warning("{}: {}", to_string(operation_), body.error().message);
    set_reply(error_reply(operation_, body.error().code == Errc::limit ? mapi::ecBufferTooSmall : mapi::ecError));
  }
  Reply out = std::move(*reply_);
  reply_.reset();
  drop_reply();
  return out;
}

void Call::note_state() {
  const auto request = execute();
  if (!request) return;
  const auto& requests = (*request)->requests;
  auto& state = session_->state();
  bool needs_reply = false;
  for (const auto& rop : requests.rops) {
    if (rop.id == RopId::RopSetColumns || rop.id == RopId::RopResetTable || rop.id == RopId::RopLogon) needs_reply = true;
    if (rop.id == RopId::RopRelease && rop.HandleIndex < requests.handles.size())
      state.columns[level_].forget(requests.handles[rop.HandleIndex]);
  }
  if (!needs_reply) return;
  const auto reply = responses();
  if (!reply) return;
  state.columns[level_].watch(requests, **reply);
  state.logons.watch(requests, **reply);
}

}  // namespace mapigate::chain
