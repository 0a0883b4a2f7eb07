// ROP buffers: RopSize, RopsList, ServerObjectHandleTable ([MS-OXCROPS] 2.2.1).
#include "wire/rop/rop.h"

#include <algorithm>

#include "wire/rop/table_rops.h"

namespace mapigate::wire {

namespace {

struct Parts {
  View list;
  std::vector<std::uint32_t> handles;
};

Result<Parts> split(std::string_view what, View payload) {
  Cursor cursor(payload);
  const std::size_t size = cursor.scalar<std::uint16_t>();
  if (size < 2 || size > payload.size())
    return error(Errc::malformed, "{}: RopSize {} in a payload of {} bytes", what, size, payload.size());
  Parts parts{payload.subspan(2, size - 2), {}};
  const auto table = payload.subspan(size);
  if (table.size() % 4 != 0)
    return error(Errc::malformed, "{}: a handle table of {} bytes", what, table.size());
  parts.handles.resize(table.size() / 4);
  if (!table.empty()) std::memcpy(parts.handles.data(), table.data(), table.size());
  return parts;
}

// Room that spares most buffers a second allocation.
std::size_t expected_rops(View list) { return std::min<std::size_t>(1 + list.size() / 8, 64); }

std::string unknown_rop(std::uint8_t id) { return fmt::format("RopId 0x{:02x} is unknown", id); }

bool has_rows(RopId id) { return id == RopId::RopQueryRows || id == RopId::RopFindRow || id == RopId::RopExpandRow; }

// Finds the request that a response answers. Responses come in the order of their requests.
class Pairing {
 public:
  explicit Pairing(const RopRequestBuffer* requests) : requests_(requests) {}

  int match(RopId id) {
    if (requests_ == nullptr) return -1;
    const auto& rops = requests_->rops;
    while (next_ < rops.size() && !rops[next_].codec->has_response) ++next_;
    for (auto i = next_; i < rops.size(); ++i) {
      // An operation that goes on is answered by RopProgress; RopProgress, once it has ended, by its response.
      const bool progress = i == next_ && (id == RopId::RopProgress || rops[i].id == RopId::RopProgress);
      if (rops[i].id != id && response_id(rops[i].id) != id && !progress) continue;
      next_ = i + 1;
      return static_cast<int>(i);
    }
    return -1;
  }

  // Whether `rest`, what stands behind a response, is what can stand there: nothing, what a server sends on its own, or
  // the response to a request to come.
  bool may_follow(View rest) const {
    if (rest.empty()) return true;
    const auto* codec = find_rop(static_cast<RopId>(rest[0]));
    if (codec == nullptr || !codec->has_response) return false;
    if (!codec->response_has_head) return true;
    constexpr std::size_t head = 6;
    if (rest.size() < head || requests_ == nullptr) return rest.size() >= head;
    const auto& rops = requests_->rops;
    for (auto i = next_; i < rops.size(); ++i) {
      const auto& request = rops[i];
      const bool of_it = response_id(request.id) == codec->id || codec->id == RopId::RopProgress || request.id == RopId::RopProgress;
      if (of_it && (rest[1] == request.HandleIndex || request.codec->output_handle_index(request) == rest[1])) return true;
    }
    return false;
  }

 private:
  const RopRequestBuffer* requests_;
  std::size_t next_ = 0;
};

// The columns that this buffer itself sets, before those that a ColumnSource remembers.
class BufferColumns {
 public:
  BufferColumns(const std::vector<std::uint32_t>& handles, const ColumnSource* source)
      : handles_(handles), source_(source) {}

  std::optional<Columns> of(std::uint8_t index) const {
    for (auto i = set_.rbegin(); i != set_.rend(); ++i)
      if (i->first == index) return i->second;
    if (source_ == nullptr || index >= handles_.size() || handles_[index] == no_handle) return {};
    return source_->columns_of(handles_[index]);
  }

  void watch(const RopResponse& response, const RopRequest& request) {
    if (response.ReturnValue != mapi::ecNone || response.id != request.id) return;
    if (const auto* columns = request.as<RopSetColumns>()) set_.emplace_back(response.HandleIndex, columns->PropertyTags);
    if (request.id == RopId::RopResetTable) set_.emplace_back(response.HandleIndex, std::nullopt);
    if (const auto opened = request.codec->output_handle_index(request)) set_.emplace_back(*opened, std::nullopt);
  }

 private:
  const std::vector<std::uint32_t>& handles_;
  const ColumnSource* source_;
  std::vector<std::pair<std::uint8_t, std::optional<Columns>>> set_;
};

View left_of(const Cursor& cursor) { return {cursor.position(), cursor.left()}; }

bool read_response(RopResponse& response, Cursor& cursor, Arena& arena, const RopRequest* request,
                   const BufferColumns& known, const Pairing& pairing) {
  const auto& codec = *response.codec;
  ResponseContext context;
  context.request = request;
  if (codec.response_has_head) {
    cursor.set_field("HandleIndex");
    response.HandleIndex = cursor.scalar<std::uint8_t>();
    cursor.set_field("ReturnValue");
    response.ReturnValue = cursor.scalar<mapi::ErrorCode>();
    context.ReturnValue = response.ReturnValue;
  }
  if (!cursor.ok()) return false;
  if (!codec.response_has_body(response.ReturnValue)) return true;
  if (response.ReturnValue != mapi::ecNone && cursor.left() == 0) return true;
  if (has_rows(response.id)) {
    if (const auto columns = known.of(response.HandleIndex)) response.columns = Columns(arena.copy(*columns));
    context.columns = response.columns;
  }
  const auto bare = cursor;
  FieldReader reader(cursor, arena);
  response.body = codec.read_response(reader, context);
  // Some servers send errors without the fields that [MS-OXCROPS] gives them: then what seemed to be those is the next
  // response, and only without them one begins where they end.
  if (response.ReturnValue == mapi::ecNone || (cursor.ok() && pairing.may_follow(left_of(cursor)))) return cursor.ok();
  if (!pairing.may_follow(left_of(bare))) return cursor.ok();
  cursor = bare;
  response.body = nullptr;
  return true;
}

// The name of a field that does not fit goes to the writer.
void put_request(FieldWriter& writer, const RopRequest& request) {
  writer("RopId", request.id);
  writer("LogonId", request.LogonId);
  writer("HandleIndex", request.HandleIndex);
  request.codec->write_request(writer, request.body);
}

void put_response(FieldWriter& writer, const RopResponse& response, const ResponseContext& context) {
  const auto& codec = *response.codec;
  writer("RopId", response.id);
  if (codec.response_has_head) {
    writer("HandleIndex", response.HandleIndex);
    writer("ReturnValue", response.ReturnValue);
  }
  if (codec.response_has_body(response.ReturnValue)) codec.write_response(writer, response.body, context);
}

Status no_such(RopId id, const char* what) {
  return error(Errc::internal, "RopId 0x{:02x} {}", static_cast<unsigned>(id), what);
}
Status does_not_fit(const RopCodec& codec, const FieldWriter& writer) {
  return error(Errc::internal, "{}: {} does not fit", codec.name, writer.problem());
}

bool is_request(const RopRequest& rop) { return rop.codec != nullptr && rop.codec->read_request != nullptr; }
bool is_response(const RopResponse& rop) { return rop.codec != nullptr && rop.codec->has_response; }

// RopSize, the ROPs, each put by `put(writer, rop)` unless it is as it came, and the handle table.
template <class Buffer, class Valid, class Put>
Status encode_buffer(std::string_view what, Bytes& out, const Buffer& buffer, Valid valid, Put put) {
  Output output(out);
  const auto start = output.size();
  const auto fail = [&](Status status) {
    output.truncate(start);
    return status;
  };
  {
    FieldWriter writer(output);
    writer("RopSize", std::uint16_t{0});
    for (const auto& rop : buffer.rops) {
      if (!rop.raw.empty()) writer.rest("raw", rop.raw);
      else if (!valid(rop)) return writer.ok(), fail(no_such(rop.id, "cannot be sent"));
      else put(writer, rop);
      if (writer.problem() != nullptr) return writer.ok(), fail(does_not_fit(*rop.codec, writer));
    }
    writer.rest("opaque", buffer.opaque);
    const auto size = writer.size() - start;
    if (size > 0xFFFF) return writer.ok(), fail(error(Errc::limit, "{}: {} bytes of ROPs", what, size));
    output.patch(start, static_cast<std::uint16_t>(size));
    writer.list("ServerObjectHandleTable", std::span<const std::uint32_t>(buffer.handles), buffer.handles.size());
  }
  return {};
}

}  // namespace

Result<RopRequestBuffer> decode_requests(View payload, Arena& arena, const LogonSource* logons) {
  auto parts = split("ROP requests", payload);
  if (!parts) return parts.error();
  RopRequestBuffer out;
  out.handles = std::move(parts->handles);
  auto list = parts->list;
  out.rops.reserve(expected_rops(list));
  while (!list.empty()) {
    RopRequest rop;
    Cursor cursor(list);
    rop.id = cursor.scalar<RopId>();
    rop.codec = find_rop(rop.id);
    if (rop.codec == nullptr || rop.codec->read_request == nullptr) {
      out.problem = rop.codec == nullptr ? unknown_rop(list[0]) : fmt::format("{} is no request", rop.codec->name);
      break;
    }
    cursor.set_field("LogonId");
    rop.LogonId = cursor.scalar<std::uint8_t>();
    cursor.set_field(rop.codec->handle_name);
    rop.HandleIndex = cursor.scalar<std::uint8_t>();
    if (cursor.ok()) {
      FieldReader reader(cursor, arena);
      rop.body = rop.codec->read_request(reader, {logons != nullptr && logons->is_public(rop.LogonId)});
    }
    if (!cursor.ok()) {
      out.problem = cursor.error(rop.codec->name).message;
      rop.body = nullptr;
      out.broken = rop;
      break;
    }
    rop.raw = list.first(cursor.offset());
    list = list.subspan(cursor.offset());
    out.rops.push_back(rop);
  }
  out.opaque = list;
  return out;
}

Result<RopResponseBuffer> decode_responses(View payload, Arena& arena, const RopRequestBuffer* requests,
                                           const ColumnSource* columns) {
  auto parts = split("ROP responses", payload);
  if (!parts) return parts.error();
  RopResponseBuffer out;
  out.handles = std::move(parts->handles);
  Pairing pairing(requests);
  BufferColumns known(out.handles, columns);
  auto list = parts->list;
  out.rops.reserve(expected_rops(list));
  while (!list.empty()) {
    RopResponse rop;
    Cursor cursor(list);
    rop.id = cursor.scalar<RopId>();
    rop.codec = find_rop(rop.id);
    if (rop.codec == nullptr || !rop.codec->has_response) {
      out.problem = rop.codec == nullptr ? unknown_rop(list[0]) : fmt::format("{} has no response", rop.codec->name);
      break;
    }
    rop.request = rop.codec->response_has_head ? pairing.match(rop.id) : -1;
    const auto* request = rop.request < 0 ? nullptr : &requests->rops[static_cast<std::size_t>(rop.request)];
    if (!read_response(rop, cursor, arena, request, known, pairing)) {
      out.problem = cursor.error(rop.codec->name).message;
      rop.body = nullptr;
      out.broken = rop;
      break;
    }
    if (request != nullptr) known.watch(rop, *request);
    rop.raw = list.first(cursor.offset());
    list = list.subspan(cursor.offset());
    out.rops.push_back(rop);
  }
  out.opaque = list;
  return out;
}

ResponseContext context_of(const RopResponse& response, const RopRequestBuffer* requests) {
  ResponseContext context;
  context.ReturnValue = response.ReturnValue;
  context.columns = response.columns;
  const auto index = static_cast<std::size_t>(response.request);
  if (requests != nullptr && response.request >= 0 && index < requests->rops.size())
    context.request = &requests->rops[index];
  return context;
}

Status encode_request(const RopRequest& request, Bytes& out) {
  if (!is_request(request)) return no_such(request.id, "is no request");
  Output output(out);
  FieldWriter writer(output);
  put_request(writer, request);
  return writer.ok() ? Status() : does_not_fit(*request.codec, writer);
}

Status encode_response(const RopResponse& response, Bytes& out, const ResponseContext& context) {
  if (!is_response(response)) return no_such(response.id, "has no response");
  Output output(out);
  FieldWriter writer(output);
  auto own = context;
  own.ReturnValue = response.ReturnValue;
  put_response(writer, response, own);
  return writer.ok() ? Status() : does_not_fit(*response.codec, writer);
}

Status encode_requests(const RopRequestBuffer& buffer, Bytes& out) {
  return encode_buffer("ROP requests", out, buffer, is_request, put_request);
}

Status encode_responses(const RopResponseBuffer& buffer, Bytes& out, const RopRequestBuffer* requests) {
  return encode_buffer("ROP responses", out, buffer, is_response, [&](FieldWriter& writer, const RopResponse& rop) {
    put_response(writer, rop, context_of(rop, requests));
  });
}

RopResponse make_response(Arena& arena, const RopRequest& request, mapi::ErrorCode ReturnValue) {
  RopResponse out;
  out.id = response_id(request.id);
  out.HandleIndex = request.HandleIndex;
  out.ReturnValue = ReturnValue;
  out.codec = find_rop(out.id);
  if (out.codec->response_has_body(ReturnValue)) out.body = out.codec->make_response_body(arena);
  return out;
}

void describe(FieldSink& sink, const RopRequest& request) {
  FieldDescriber describer(sink);
  sink.begin(request.codec->name);
  sink.number("RopId", static_cast<std::uint8_t>(request.id), 1);
  sink.number("LogonId", request.LogonId, 1);
  sink.number(request.codec->handle_name, request.HandleIndex, 1);
  request.codec->describe_request(describer, request.body);
  sink.end();
}

void describe(FieldSink& sink, const RopResponse& response, const ResponseContext& context) {
  FieldDescriber describer(sink);
  sink.begin(response.codec->name);
  sink.number("RopId", static_cast<std::uint8_t>(response.id), 1);
  if (response.codec->response_has_head) {
    sink.number("HandleIndex", response.HandleIndex, 1);
    describer("ReturnValue", static_cast<std::uint32_t>(response.ReturnValue));
  }
  response.codec->describe_response(describer, response.body, context);
  sink.end();
}

}  // namespace mapigate::wire
