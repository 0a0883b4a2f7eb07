#include "mailbox/session.h"

#include <algorithm>

#include "base/log.h"
#include "mailbox/property_writing.h"
#include "wire/rpc/header_ext.h"

namespace mapigate::mailbox {

namespace rpc = wire::rpc;
using mapi::ErrorCode;
using wire::RopId;

namespace {

constexpr std::size_t rop_size_field = 2;
constexpr std::size_t too_small_head = 3;   // RopId, SizeNeeded
constexpr std::size_t response_head = 6;    // RopId, handle index, ReturnValue
constexpr std::size_t pending_size = 3;
constexpr std::uint32_t most_to_read = 0x80000000;
// [MS-OXCRPC] 3.1.4.2.1.2: another payload is packed only while this much room is left.
constexpr std::size_t chain_room_rows = 0x8008, chain_room_stream = 0x2008;

// The fields of a response nobody filled: for errors whose responses have some. Every field list reads
// from zeros.
void* zero_response(const wire::RopRequest& request, ErrorCode code, Arena& arena) {
  static constexpr std::uint8_t zeros[64] = {};
  Cursor cursor(zeros);
  wire::FieldReader reader(cursor, arena);
  wire::ResponseContext context;
  context.ReturnValue = code;
  context.request = &request;
  return request.codec->read_response(reader, context);
}

// The index of the handle that a ROP works on; RopLogon has none.
std::optional<std::uint8_t> input_index(const wire::RopRequest& request) {
  const std::string_view name = request.codec->handle_name;
  if (name == wire::output_handle) return {};
  return name == wire::response_handle ? request.codec->second_handle_index(request) : request.HandleIndex;
}

bool counts_as_message(const Object& object) {
  return object.kind == Object::Kind::message || object.kind == Object::Kind::attachment || object.kind == Object::Kind::stream ||
         object.kind == Object::Kind::download;
}

}  // namespace

// One response on its way into the buffer.
struct Session::Answer {
  explicit Answer(Arena& a) : arena(a) {}
  Arena& arena;
  std::vector<std::uint32_t> handles;
  Bytes bytes;                      // the encoded response; empty for RopRelease
  std::vector<std::uint32_t> made;
  std::uint32_t left = 0;
  bool first = true;
  bool too_small = false;
};

Session::Session(std::shared_ptr<Mailbox> mailbox, SessionOptions options)
    : mailbox_(std::move(mailbox)), options_(options) {
  mailbox_->listen(this);
}
Session::~Session() { mailbox_->unlisten(this); }

// -- handles

std::shared_ptr<Object> Session::find(std::uint32_t handle) const {
  const auto found = objects_.find(handle);
  return found == objects_.end() ? nullptr : found->second;
}

Result<std::uint32_t> Session::add(std::shared_ptr<Object> object) {
  const auto& limits = mailbox_->context().options;
  const bool table = object->kind == Object::Kind::table;
  const bool message = counts_as_message(*object);
  if (objects_.size() >= limits.max_objects || (table && tables_ >= limits.max_tables) ||
      (message && messages_ >= limits.max_messages))
    return error(Errc::limit, "too many open objects in the session");
  tables_ += table;
  messages_ += message;
  while (next_handle_ == 0 || next_handle_ == wire::no_handle || objects_.contains(next_handle_)) ++next_handle_;
  const auto handle = next_handle_++;
  objects_.emplace(handle, std::move(object));
  return handle;
}

void Session::release(std::uint32_t handle) {
  const auto found = objects_.find(handle);
  if (found == objects_.end()) return;
  if (found->second->kind == Object::Kind::table) --tables_;
  if (counts_as_message(*found->second)) --messages_;
  objects_.erase(found);
  std::erase_if(events_, [&](const auto& event) { return event.handle == handle; });
}

void Session::release_logon(std::uint8_t logon_id) {
  std::vector<std::uint32_t> handles;
  for (const auto& [handle, object] : objects_)
    if (object->logon_id == logon_id) handles.push_back(handle);
  for (const auto handle : handles) release(handle);
}

bool Session::take_zeros(std::uint64_t count, std::uint64_t most) {
  if (count > most || zeros_ > most - count) return false;
  zeros_ += count;
  return true;
}

void Session::note_writing(const std::shared_ptr<StreamObject>& stream) {
  std::erase_if(writing_, [](const auto& one) { return one.expired(); });
  writing_.push_back(stream);
}

// What was written to a stream is the value of its property for all other ROPs ([MS-OXCPRPT] 3.2.5.13). An error: of an object
// that this call would save, something cannot be kept.
Task<ErrorCode> Session::settle_streams(RopCall& call) {
  std::shared_ptr<Object> saved;
  if (const auto* message = call.request.as<wire::RopSaveChangesMessage>()) saved = call.find(message->InputHandleIndex);
  else if (const auto* attachment = call.request.as<wire::RopSaveChangesAttachment>()) saved = call.find(attachment->InputHandleIndex);
  else if (const auto object = call.find(); object && object->kind == Object::Kind::stream) co_return mapi::ecNone;
  std::erase_if(writing_, [](const auto& one) { return one.expired(); });
  const auto streams = writing_;
  auto outcome = mapi::ecNone;
  for (const auto& one : streams) {
    auto stream = one.lock();
    if (!stream || !stream->written->dirty) continue;
    // Its size was announced, and it is still being written.
    constexpr std::uint64_t much = 1 << 20;
    const auto& written = *stream->written;
    if (!(saved && stream->target == saved) && written.size > written.bytes.size() + much) continue;
    const auto code = co_await commit(call, stream);
    if (code == mapi::ecNone) continue;
    if (code == mapi::ecComputed) stream->written->dirty = false;  // as RopSetProperties: a problem, and no obstacle
    else if (saved && stream->target == saved) outcome = code;
    log::debug("mailbox: a stream cannot be committed: {}", mapi::to_string(code));
  }
  co_return outcome;
}

std::shared_ptr<Object> RopCall::find(std::uint8_t index) const {
  return index < handles.size() ? session.find(handles[index]) : nullptr;
}

ErrorCode RopCall::put(std::uint8_t index, std::shared_ptr<Object> object) {
  object->logon_id = request.LogonId;
  const auto handle = session.add(std::move(object));
  if (!handle) return mapi::ecMemory;
  if (index >= handles.size()) handles.resize(std::size_t{index} + 1, wire::no_handle);
  handles[index] = *handle;
  made.push_back(*handle);
  return mapi::ecNone;
}

// -- the loop

Task<ExecuteResult> Session::execute(const wire::RopRequestBuffer& requests, std::uint32_t flags, std::size_t max_rop_out,
                                     Arena& arena) {
  auto turn = co_await turn_.lock(std::chrono::minutes(5));
  if (!turn) co_return ExecuteResult{mapi::ecTimeout, {}};
  auto using_it = mailbox_->use();
  co_return co_await run(requests, flags, max_rop_out, arena);
}

Task<ErrorCode> Session::answer(const wire::RopRequest& request, Answer& answer, std::size_t budget, bool packed) {
  RopCall call{*this, *mailbox_, answer.arena, request, answer.handles, budget, packed, answer.first};
  ErrorCode code = mapi::ecNotSupported;
  if (request.id == RopId::RopRelease) {
    if (request.HandleIndex < answer.handles.size()) {
      auto object = find(answer.handles[request.HandleIndex]);
      // What was written and not committed counts when the stream ends ([MS-OXCPRPT] 3.2.5.13).
      if (object && object->kind == Object::Kind::stream && mailbox_->is_open()) {
        const auto committed = co_await commit(call, std::static_pointer_cast<StreamObject>(object));
        (void)committed;
      }
      release(answer.handles[request.HandleIndex]);
      answer.handles[request.HandleIndex] = wire::no_handle;
    }
    co_return mapi::ecNone;
  }
  const auto input = input_index(request);
  const auto object = input ? call.find(*input) : nullptr;
  // [MS-OXCROPS] 3.2.5.1: objects are looked up among those of the logon that the request names; row L6 is the exception.
  const bool elsewhere = object && object->logon_id != request.LogonId && request.id != RopId::RopIdFromLongTermId;
  if (input && !object) code = mapi::ecNullObject;
  else if (elsewhere) code = mapi::ecAccessDenied;
  else if (const auto handle = find_handler(request.id)) {
    auto open = co_await mailbox_->open();
    if (open) {
      code = mapi::ecNone;
      if (!writing_.empty()) code = co_await settle_streams(call);
      if (code == mapi::ecNone) code = co_await handle(call);
    } else {
      log::info("mailbox of {}: {}", mailbox_->identity()->user, open.error().message);
      code = mapi::to_error_code(open.error());
    }
  }
  wire::RopResponse response;
  response.id = wire::response_id(request.id);
  response.codec = wire::find_rop(response.id);
  response.HandleIndex = request.HandleIndex;
  if (const auto output = request.codec->output_handle_index(request)) response.HandleIndex = *output;
  response.ReturnValue = code;
  if (request.codec->response_has_body(code)) {
    response.body = call.response ? call.response : zero_response(request, code, answer.arena);
  }
  wire::ResponseContext context;
  context.ReturnValue = code;
  context.request = &request;
  context.columns = call.columns;
  const auto encoded = wire::encode_response(response, answer.bytes, context);
  if (!encoded) {
    log::error("mailbox: {}", encoded.error().message);
    answer.bytes.clear();
    response.ReturnValue = code = mapi::ecError;
    if (request.codec->response_has_body(code)) response.body = zero_response(request, code, answer.arena);
    context.ReturnValue = code;
    if (!wire::encode_response(response, answer.bytes, context)) answer.bytes.clear();
  }
  answer.made = std::move(call.made);
  answer.left = code == mapi::ecNone ? call.left : 0;
  answer.too_small = call.too_small;
  co_return code;
}

Task<ExecuteResult> Session::run(const wire::RopRequestBuffer& requests, std::uint32_t flags, std::size_t max_rop_out,
                                 Arena& arena) {
  // A list that cannot be told apart fails as a whole ([MS-OXCROPS] 3.2.5.1); so does one with a reserved RopId.
  if (!requests.opaque.empty()) {
    log::info("mailbox: Execute refused: {}", requests.problem);
    co_return ExecuteResult{mapi::ecRpcFormat, {}};
  }
  // [MS-OXCROPS] 2.2.9.2.1: so much to read at once fails the call.
  for (const auto& request : requests.rops)
    if (const auto* read = request.as<wire::RopReadStream>(); read && read->wanted() > most_to_read)
      co_return ExecuteResult{mapi::ecRpcFormat, {}};
  const auto room = std::min<std::size_t>(max_rop_out, rpc::header_ext_size + rpc::max_payload);
  // The requests as bytes, for RopBufferTooSmall; one that a module edited has none of its own.
  std::vector<View> raws;
  std::size_t remaining = 0;  // bytes of the requests not yet answered
  for (const auto& request : requests.rops) {
    Bytes encoded;
    if (request.raw.empty() && !wire::encode_request(request, encoded)) co_return ExecuteResult{mapi::ecRpcFormat, {}};
    raws.push_back(request.raw.empty() ? arena.copy(View(encoded)) : request.raw);
    remaining += raws.back().size();
  }
  Answer answer(arena);
  answer.handles = requests.handles;
  const auto overhead = [&] { return rpc::header_ext_size + rop_size_field + answer.handles.size() * 4; };
  // What is not answered must at least fit into a RopBufferTooSmall.
  if (room < overhead() + too_small_head + remaining) co_return ExecuteResult{mapi::ecBufferTooSmall, {}};

  Bytes rops;
  const bool packed = (flags & rpc::Chain) != 0;
  bool cut = false;
  for (std::size_t i = 0; i < requests.rops.size(); ++i) {
    const auto& request = requests.rops[i];
    const auto after = remaining - raws[i].size();
    const auto fallback = after == 0 ? 0 : too_small_head + after;
    const auto used = overhead() + rops.size() + fallback;
    const auto budget = room > used + response_head ? room - used - response_head : 0;
    const bool last = i + 1 == requests.rops.size();
    answer.bytes.clear();
    answer.made.clear();
    answer.left = 0;
    answer.too_small = false;
    answer.first = rops.empty();
    const auto handles_before = answer.handles;
    co_await this->answer(request, answer, budget, packed && last);
    const bool fits = !answer.too_small && overhead() + rops.size() + answer.bytes.size() + fallback <= room;
    if (!fits) {
      for (const auto handle : answer.made) release(handle);
      answer.handles = handles_before;
      wire::RopBufferTooSmall::Response small;
      // All the room there is would do; more is not allowed in one payload.
      small.SizeNeeded = 0x8000;
      Bytes rest;
      for (auto j = i; j < raws.size(); ++j) rest.insert(rest.end(), raws[j].begin(), raws[j].end());
      small.RequestBuffers = rest;
      wire::RopResponse response;
      response.id = RopId::RopBufferTooSmall;
      response.codec = wire::find_rop(RopId::RopBufferTooSmall);
      response.body = &small;
      if (auto status = wire::encode_response(response, rops, {}); !status) co_return ExecuteResult{mapi::ecBufferTooSmall, {}};
      cut = true;
      break;
    }
    rops.insert(rops.end(), answer.bytes.begin(), answer.bytes.end());
    remaining = after;
  }
  co_await tell_tables();
  // Row P16: also after a buffer that only releases. Before RopBufferTooSmall nothing may follow.
  if (!cut && answer.left == 0) append_events(rops, room > overhead() ? room - overhead() : 0, arena);

  ExecuteResult result;
  const auto finish = [&](const Bytes& list) {
    Bytes payload;
    Output out(payload);
    out.scalar(static_cast<std::uint16_t>(list.size() + rop_size_field));
    out.bytes(list);
    for (const auto handle : answer.handles) out.scalar(handle);
    return payload;
  };
  result.payloads.push_back(finish(rops));
  if (!cut && packed && answer.left > 0) {
    const auto used = rpc::header_ext_size + result.payloads[0].size();
    const auto& request = requests.rops.back();
    (void)co_await chain_more(request, answer, max_rop_out, used, result.payloads);
  }
  co_return result;
}

// Further payloads for the last ROP, as if the client had sent it again ([MS-OXCRPC] 3.1.4.2.1.2.1).
Task<Status> Session::chain_more(const wire::RopRequest& request, Answer& last, std::size_t max_rop_out, std::size_t used,
                                 std::vector<Bytes>& payloads) {
  const auto room_needed = request.id == RopId::RopQueryRows ? chain_room_rows : chain_room_stream;
  while (last.left > 0 && payloads.size() < rpc::max_chained_payloads && used + room_needed <= max_rop_out) {
    auto again = request;
    wire::RopQueryRows::Request rows;
    if (const auto* query = request.as<wire::RopQueryRows>()) {
      rows = *query;
      rows.RowCount = static_cast<std::uint16_t>(last.left);
      again.body = &rows;
    }
    wire::RopReadStream::Request stream;
    if (request.as<wire::RopReadStream>()) {
      stream.ByteCount = wire::size_follows;
      stream.MaximumByteCount = last.left;
      again.body = &stream;
    }
    const auto overhead = rpc::header_ext_size + rop_size_field + last.handles.size() * 4;
    const auto room = std::min<std::size_t>(max_rop_out - used, rpc::header_ext_size + rpc::max_payload);
    last.bytes.clear();
    last.left = 0;
    last.first = true;
    const auto budget = room > overhead + response_head ? room - overhead - response_head : 0;
    const auto code = co_await answer(again, last, budget, true);
    if (code != mapi::ecNone || last.too_small || overhead + last.bytes.size() > room) break;
    Bytes payload;
    Output out(payload);
    out.scalar(static_cast<std::uint16_t>(last.bytes.size() + rop_size_field));
    out.bytes(last.bytes);
    for (const auto handle : last.handles) out.scalar(handle);
    used += rpc::header_ext_size + payload.size();
    payloads.push_back(std::move(payload));
  }
  co_return Status{};
}

// -- events

void Session::append_events(Bytes& rops, std::size_t limit, Arena& arena) {
  (void)arena;
  while (!events_.empty()) {
    const auto& event = events_.front();
    wire::RopNotify::Response body;
    body.NotificationHandle = event.handle;
    body.LogonId = event.logon_id;
    body.NotificationData = event.data;
    wire::RopResponse response;
    response.id = RopId::RopNotify;
    response.codec = wire::find_rop(RopId::RopNotify);
    response.body = &body;
    Bytes bytes;
    if (wire::encode_response(response, bytes, {})) {
      if (rops.size() + bytes.size() + pending_size > limit) break;
      rops.insert(rops.end(), bytes.begin(), bytes.end());
    }
    events_.pop_front();
  }
  if (events_.empty()) {
    wake_.reset();
    return;
  }
  wire::RopPending::Response body;
  wire::RopResponse response;
  response.id = RopId::RopPending;
  response.codec = wire::find_rop(RopId::RopPending);
  response.body = &body;
  Bytes bytes;
  if (wire::encode_response(response, bytes, {}) && rops.size() + bytes.size() <= limit)
    rops.insert(rops.end(), bytes.begin(), bytes.end());
}

Task<bool> Session::wait_for_event(Duration limit) {
  const auto end = Clock::now() + limit;
  while (!has_events()) {
    const auto now = Clock::now();
    if (now >= end || closed_) co_return false;
    // Waiting alone keeps a mailbox neither open nor fresh: only what somebody watches does.
    if (mailbox_->is_open() && !watched().empty()) mailbox_->refresh_watched();
    wake_.reset();  // events that were released with their objects have left it set
    auto event = wake_;
    const auto slice = std::min<Duration>(end - now, mailbox_->context().options.refresh_interval / 2);
    co_await event.wait_for(std::max<Duration>(slice, std::chrono::milliseconds(10)));
  }
  co_return true;
}

void Session::close() {
  closed_ = true;
  wake_.set();
}

void Session::queue(std::uint32_t handle, const Object& object, const wire::NotificationData& data,
                    std::shared_ptr<const Bytes> row) {
  if (events_.size() >= mailbox_->context().options.max_events) {
    // Row S11: never silence. Single events give way; what says "look again" stays, and rows become that.
    const auto single = std::find_if(events_.begin(), events_.end(), [](const auto& e) {
      return !e.data.is(wire::notification::TableModified) || e.data.TableEventType != wire::NotificationData::TableChanged;
    });
    if (single == events_.end()) return;
    const bool is_row = single->data.is(wire::notification::TableModified);
    const auto whose = single->handle;
    if (!is_row) events_.erase(single);
    if (is_row) std::erase_if(events_, [&](const auto& e) { return e.handle == whose; });
    if (auto table = find(whose); is_row && table) look_again(whose, static_cast<TableObject&>(*table));
    if (is_row && whose == handle) return;
  }
  events_.push_back({handle, object.logon_id, data, std::move(row)});
  wake_.set();
}

}  // namespace mapigate::mailbox
