// ROP buffers ([MS-OXCROPS] 2.2.1): lists of remote operations, each known by a
// typed request and response.
//
// To add a ROP, define a structure like those in *_rops.h and name it in
// rop_list.inc; decoding, encoding, dumps, Lua and fuzzing follow from that.
//
//   struct RopOpenFolder {
//     struct Request  { …fields after RopId, LogonId and the handle index… };
//     struct Response { …fields after RopId, handle index and ReturnValue… };
//   };
//
// A response's fields are on the wire only when ReturnValue is ecNone, unless it
// declares `static constexpr bool on_error = true`; then its field list is visited
// always and looks at v's head through the context. A Request or Response without
// fields is `struct Request : NoFields {};`.
#pragma once

#include <span>

#include "mapi/errors.h"
#include "wire/describe.h"
#include "wire/fields.h"

namespace mapigate::wire {

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
  View raw;  // the bytes it was read from; emptied by whoever edits `body`

  template <class Rop>
  typename Rop::Request* as() const {
    return id == Rop::id ? static_cast<typename Rop::Request*>(body) : nullptr;
  }
};

struct RopResponse {
  RopId id{};
  std::uint8_t HandleIndex = 0;  // InputHandleIndex or OutputHandleIndex; 0 in the few that have none
  mapi::ErrorCode ReturnValue = mapi::ecNone;
  const RopCodec* codec = nullptr;
  void* body = nullptr;  // the typed Response; null after an error that has no fields
  View raw;

  template <class Rop>
  typename Rop::Response* as() const {
    return id == Rop::id ? static_cast<typename Rop::Response*>(body) : nullptr;
  }
};

// What a response cannot be decoded without.
struct ResponseContext {
  mapi::ErrorCode ReturnValue = mapi::ecNone;  // of the head just read
  const RopRequest* request = nullptr;         // the request it answers; null when unknown
  bool columns_known = false;
  Columns columns;  // of the table it comes from, as set by RopSetColumns
};

// Functions of one ROP, made from its field lists. `body` points to the typed structure.
struct RopCodec {
  RopId id;
  const char* name;
  const char* handle_name;  // of the third request byte
  void* (*read_request)(FieldReader&);
  void (*write_request)(FieldWriter&, const void* body);
  void (*describe_request)(FieldDescriber&, const void* body);
  void* (*build_request)(FieldBuilder&, Arena&);
  bool has_response;      // false: RopRelease
  bool response_has_head; // false: RopNotify, RopPending, RopBackoff, RopBufferTooSmall
  bool response_on_error;
  void* (*read_response)(FieldReader&, const ResponseContext&);
  void (*write_response)(FieldWriter&, const void* body, const ResponseContext&);
  void (*describe_response)(FieldDescriber&, const void* body, const ResponseContext&);
  void* (*build_response)(FieldBuilder&, Arena&, const ResponseContext&);
  // The handle table index that the ROP fills on success, if it does (OutputHandleIndex).
  std::optional<std::uint8_t> (*output_handle_index)(const RopRequest&);
  // A second handle that it uses (DestHandleIndex, ResponseHandleIndex …), if any.
  std::optional<std::uint8_t> (*second_handle_index)(const RopRequest&);
};

const RopCodec* find_rop(RopId id);               // null when unknown
const RopCodec* find_rop(std::string_view name);  // "RopOpenFolder"
std::span<const RopCodec> all_rops();

// The payload of a request buffer. Most ROPs carry no length: after one that is
// unknown or broken, the rest of the list is `opaque` and `problem` says why.
struct RopRequestBuffer {
  std::vector<RopRequest> rops;
  View opaque;
  std::string problem;
  std::vector<std::uint32_t> handles;  // ServerObjectHandleTable
};
struct RopResponseBuffer {
  std::vector<RopResponse> rops;
  View opaque;
  std::string problem;
  std::vector<std::uint32_t> handles;
};

// Tells the decoder of responses the columns of a table by the handle of the table.
class ColumnSource {
 public:
  virtual ~ColumnSource() = default;
  virtual std::optional<Columns> columns_of(std::uint32_t handle) const = 0;
};

// `payload` is the buffer after RPC_HEADER_EXT is taken off: RopSize, RopsList,
// ServerObjectHandleTable. An error only when those three cannot be told apart.
Result<RopRequestBuffer> decode_requests(View payload, Arena& arena);
// `requests` pairs responses with their requests, in order; may be null. `columns` may be null.
Result<RopResponseBuffer> decode_responses(View payload, Arena& arena, const RopRequestBuffer* requests,
                                           const ColumnSource* columns);

// Appends the payload; unedited ROPs (with `raw`) are copied as they came.
Status encode_requests(const RopRequestBuffer& buffer, Bytes& out);
Status encode_responses(const RopResponseBuffer& buffer, Bytes& out, const RopRequestBuffer* requests,
                        const ColumnSource* columns);

// One request with its head, e.g. for building a buffer by hand.
Status encode_request(const RopRequest& request, Bytes& out);
Status encode_response(const RopResponse& response, Bytes& out, const ResponseContext& context);

// Tells `sink` one structure: name, RopId, head and fields.
void describe(FieldSink& sink, const RopRequest& request);
void describe(FieldSink& sink, const RopResponse& response, const ResponseContext& context);

}  // namespace mapigate::wire
