// ROP buffers ([MS-OXCROPS] 2.2.1): lists of remote operations, each known by a
// typed request and response.
//
// To add a ROP, define a structure like those in *_rops.h and name it in
// rop_list.inc; decoding, encoding, dumps, Lua and fuzzing follow from that.
//
//   struct RopOpenFolder : Rop<RopId::RopOpenFolder> {
//     struct Request  { …fields after RopId, LogonId and the handle index… };
//     struct Response { …fields after RopId, handle index and ReturnValue… };
//   };
//
// A Request or Response without fields is left out. A response's fields are on the
// wire only when ReturnValue is ecNone, unless it declares `static constexpr bool
// on_error = true`; then its field list is visited always and looks at ReturnValue
// through the context. (A peer that leaves the fields of an error out is understood too, if
// the list ends there or what follows is plainly the next response: the body is then null.) A field list that depends on more than
// its own bytes takes a ResponseContext as third argument; a request that depends on
// the kind of logon has a member `bool public_logon`, which is not on the wire.
#pragma once

#include <span>

#include "mapi/errors.h"
#include "wire/describe.h"
#include "wire/fields.h"

namespace mapigate::wire {

class FieldTeller;

// The ids are those of [MS-OXCROPS] 2.2.2 "RopIds".
enum class RopId : std::uint8_t {
#define ROP(id, name) name = id,
#include "wire/rop/rop_list.inc"
#undef ROP
};

struct NoFields {
  static void fields(auto&, auto&) {}
};

inline constexpr std::uint32_t no_handle = 0xFFFFFFFF;  // an empty entry of the server object handle table

struct RopCodec;

// One request of a buffer. `body` is the typed Request in the arena.
struct RopRequest {
  RopId id{};
  std::uint8_t LogonId = 0;
  // Named InputHandleIndex by most ROPs, OutputHandleIndex by RopLogon, SourceHandleIndex by copies.
  std::uint8_t HandleIndex = 0;
  const RopCodec* codec = nullptr;
  void* body = nullptr;
  View raw{};  // the bytes it was read from; emptied by whoever edits `body`

  template <class Rop>
  typename Rop::Request* as() const {
    return id == Rop::id ? static_cast<typename Rop::Request*>(body) : nullptr;
  }
};

// What a request cannot be decoded without.
struct RequestContext {
  bool public_logon = false;  // its LogonId stands for a public-folder logon
};

struct RopResponse {
  RopId id{};
  std::uint8_t HandleIndex = 0;  // InputHandleIndex or OutputHandleIndex; 0 in the few that have none
  mapi::ErrorCode ReturnValue = mapi::ecNone;
  const RopCodec* codec = nullptr;
  void* body = nullptr;  // the typed Response; null after an error that has no fields
  View raw{};              // as in RopRequest
  // Index of the request that it answers; -1 when that is unknown (notifications …).
  int request = -1;
  // Rows of a table only: its columns; empty when the rows need none.
  std::optional<Columns> columns{};

  template <class Rop>
  typename Rop::Response* as() const {
    return id == Rop::id ? static_cast<typename Rop::Response*>(body) : nullptr;
  }
};

// What a response cannot be decoded without.
struct ResponseContext {
  mapi::ErrorCode ReturnValue = mapi::ecNone;  // of the head just read
  const RopRequest* request = nullptr;         // the request it answers; null when unknown
  std::optional<Columns> columns{};              // of the table it comes from, as set by RopSetColumns
};

// Functions of one ROP, made from its field lists. `body` points to the typed structure.
struct RopCodec {
  RopId id;
  const char* name;
  const char* handle_name;  // of the third request byte
  // Null for what a server sends on its own: RopNotify, RopPending, RopBackoff, RopBufferTooSmall.
  void* (*read_request)(FieldReader&, const RequestContext&);
  void (*write_request)(FieldWriter&, const void* body);
  void (*describe_request)(FieldDescriber&, const void* body);
  void* (*build_request)(FieldBuilder&, Arena&, const RequestContext&);
  bool has_response;      // false: RopRelease
  bool response_has_head; // false: RopNotify, RopPending, RopBackoff, RopBufferTooSmall
  // Whether fields follow this ReturnValue.
  bool (*response_has_body)(mapi::ErrorCode);
  void* (*read_response)(FieldReader&, const ResponseContext&);
  void (*write_response)(FieldWriter&, const void* body, const ResponseContext&);
  void (*describe_response)(FieldDescriber&, const void* body, const ResponseContext&);
  void* (*build_response)(FieldBuilder&, Arena&, const ResponseContext&);
  void* (*make_response_body)(Arena&);  // an empty Response
  // The handle table index that the ROP fills on success, if it does (OutputHandleIndex).
  std::optional<std::uint8_t> (*output_handle_index)(const RopRequest&);
  // A second handle that it uses (DestHandleIndex, ResponseHandleIndex …), if any.
  std::optional<std::uint8_t> (*second_handle_index)(const RopRequest&);
  // Tell each field as soon as it is read.
  void (*tell_request)(FieldTeller&, const RequestContext&);
  void (*tell_response)(FieldTeller&, const ResponseContext&);
};

// The RopId of a response to this request: RopGetMessageStatus is answered as RopSetMessageStatus is ([MS-OXCROPS] 2.2.6.9.2).
constexpr RopId response_id(RopId request) { return request == RopId::RopGetMessageStatus ? RopId::RopSetMessageStatus : request; }

const RopCodec* find_rop(RopId id);               // null when unknown
const RopCodec* find_rop(std::string_view name);  // "RopOpenFolder"
std::span<const RopCodec> all_rops();

// To make one by hand: make_request<RopOpenFolder>(arena, 0, 0, {.OutputHandleIndex = 1, .FolderId = id}).
template <class Rop>
RopRequest make_request(Arena& arena, std::uint8_t LogonId, std::uint8_t HandleIndex, const typename Rop::Request& body) {
  return {Rop::id, LogonId, HandleIndex, find_rop(Rop::id), arena.make<typename Rop::Request>(body), {}};
}
template <class Rop>
RopResponse make_response(Arena& arena, std::uint8_t HandleIndex, const typename Rop::Response& body) {
  RopResponse out;
  out.id = Rop::id;
  out.HandleIndex = HandleIndex;
  out.codec = find_rop(Rop::id);
  out.body = arena.make<typename Rop::Response>(body);
  return out;
}
// A response with this ReturnValue and no fields, or with zero in those that errors carry.
RopResponse make_response(Arena& arena, const RopRequest& request, mapi::ErrorCode ReturnValue);

// The payload of a request buffer. Most ROPs carry no length: after one that is
// unknown or broken, the rest of the list is `opaque` and `problem` says why.
struct RopRequestBuffer {
  std::vector<RopRequest> rops;
  View opaque{};
  std::string problem;
  std::vector<std::uint32_t> handles;  // ServerObjectHandleTable
  // What `opaque` begins with, if its ROP is known: without `body`.
  std::optional<RopRequest> broken{};
};
struct RopResponseBuffer {
  std::vector<RopResponse> rops;
  View opaque{};
  std::string problem;
  std::vector<std::uint32_t> handles;
  std::optional<RopResponse> broken{};  // as in RopRequestBuffer
};

// Which logons of a session are to public folders: the two requests with fields of their own there
// cannot be told from those of a mailbox.
class LogonSource {
 public:
  virtual ~LogonSource() = default;
  virtual bool is_public(std::uint8_t LogonId) const = 0;
};

// Tells the decoder of responses the columns of a table by the handle of the table.
class ColumnSource {
 public:
  virtual ~ColumnSource() = default;
  virtual std::optional<Columns> columns_of(std::uint32_t handle) const = 0;
};

// `payload` is the buffer after RPC_HEADER_EXT is taken off: RopSize, RopsList,
// ServerObjectHandleTable. An error only when those three cannot be told apart.
Result<RopRequestBuffer> decode_requests(View payload, Arena& arena, const LogonSource* logons = nullptr);
// `requests` pairs responses with their requests, in order; may be null. `columns` may be null:
// then only the tables whose columns are set in the same buffer are known.
Result<RopResponseBuffer> decode_responses(View payload, Arena& arena, const RopRequestBuffer* requests,
                                           const ColumnSource* columns);

// Appends the payload; unedited ROPs (with `raw`) are copied as they came.
Status encode_requests(const RopRequestBuffer& buffer, Bytes& out);
// `requests` are those that RopResponse::request counts in; may be null when no response needs its request.
Status encode_responses(const RopResponseBuffer& buffer, Bytes& out, const RopRequestBuffer* requests);

// One request with its head, e.g. for building a buffer by hand.
Status encode_request(const RopRequest& request, Bytes& out);
Status encode_response(const RopResponse& response, Bytes& out, const ResponseContext& context);

// The context to encode or describe `response` with.
ResponseContext context_of(const RopResponse& response, const RopRequestBuffer* requests);

// Tells `sink` one structure: name, RopId, head and fields.
void describe(FieldSink& sink, const RopRequest& request);
void describe(FieldSink& sink, const RopResponse& response, const ResponseContext& context);

// Tell the ROPs of `payload`, which the buffer was decoded from, and of the broken one the fields up to that which
// fails. `start` is set to the offset in `payload` of each field. False: a ROP that was decoded cannot be told.
bool tell_rops(FieldSink& sink, std::size_t* start, View payload, const RopRequestBuffer& buffer,
               const LogonSource* logons = nullptr);
bool tell_rops(FieldSink& sink, std::size_t* start, View payload, const RopResponseBuffer& buffer,
               const RopRequestBuffer* requests);

}  // namespace mapigate::wire
