// Auxiliary buffers ([MS-OXCRPC] 2.2.2.2 "AUX_HEADER Structure"): blocks with which
// client and server tell each other what they are and how they fare. Nothing in
// them is needed to answer a call.
#pragma once

#include <variant>
#include <vector>

#include "wire/rpc/aux_blocks.h"

namespace mapigate::wire {
class FieldSink;
}

namespace mapigate::wire::rpc {

enum class AuxVersion : std::uint8_t { AUX_VERSION_1 = 1, AUX_VERSION_2 = 2 };

// [MS-OXCRPC] 2.2.2.2. BG: the client works ahead in the background; FG: a user waits.
enum class AuxType : std::uint8_t {
  AUX_TYPE_PERF_REQUESTID = 0x01,
  AUX_TYPE_PERF_CLIENTINFO = 0x02,
  AUX_TYPE_PERF_SERVERINFO = 0x03,
  AUX_TYPE_PERF_SESSIONINFO = 0x04,
  AUX_TYPE_PERF_DEFMDB_SUCCESS = 0x05,
  AUX_TYPE_PERF_DEFGC_SUCCESS = 0x06,
  AUX_TYPE_PERF_MDB_SUCCESS = 0x07,
  AUX_TYPE_PERF_GC_SUCCESS = 0x08,
  AUX_TYPE_PERF_FAILURE = 0x09,
  AUX_TYPE_CLIENT_CONTROL = 0x0A,
  AUX_TYPE_PERF_PROCESSINFO = 0x0B,
  AUX_TYPE_PERF_BG_DEFMDB_SUCCESS = 0x0C,
  AUX_TYPE_PERF_BG_DEFGC_SUCCESS = 0x0D,
  AUX_TYPE_PERF_BG_MDB_SUCCESS = 0x0E,
  AUX_TYPE_PERF_BG_GC_SUCCESS = 0x0F,
  AUX_TYPE_PERF_BG_FAILURE = 0x10,
  AUX_TYPE_PERF_FG_DEFMDB_SUCCESS = 0x11,
  AUX_TYPE_PERF_FG_DEFGC_SUCCESS = 0x12,
  AUX_TYPE_PERF_FG_MDB_SUCCESS = 0x13,
  AUX_TYPE_PERF_FG_GC_SUCCESS = 0x14,
  AUX_TYPE_PERF_FG_FAILURE = 0x15,
  AUX_TYPE_OSVERSIONINFO = 0x16,
  AUX_TYPE_EXORGINFO = 0x17,
  AUX_TYPE_PERF_ACCOUNTINFO = 0x18,
  AUX_TYPE_SERVER_CAPABILITIES = 0x46,
  AUX_TYPE_ENDPOINT_CAPABILITIES = 0x48,
  AUX_CLIENT_CONNECTION_INFO = 0x4A,
  AUX_SERVER_SESSION_INFO = 0x4B,
  AUX_PROTOCOL_DEVICE_IDENTIFICATION = 0x4E,
};
std::string_view to_string(AuxType type);  // "AUX_TYPE_EXORGINFO"; "unknown"

// A block of a type or version we do not know, or whose bytes do not fit its type.
struct UnknownAuxBlock {
  View Payload;
  static void fields(auto& s, auto& v) { v.rest("Payload", s.Payload); }
};

struct AuxBlock {
  AuxVersion Version = AuxVersion::AUX_VERSION_1;
  AuxType Type{};
  std::variant<UnknownAuxBlock, AUX_PERF_REQUESTID, AUX_PERF_SESSIONINFO, AUX_PERF_SESSIONINFO_V2,
               AUX_PERF_CLIENTINFO, AUX_PERF_SERVERINFO, AUX_PERF_PROCESSINFO, AUX_PERF_DEFMDB_SUCCESS,
               AUX_PERF_DEFGC_SUCCESS, AUX_PERF_MDB_SUCCESS, AUX_PERF_MDB_SUCCESS_V2, AUX_PERF_GC_SUCCESS,
               AUX_PERF_GC_SUCCESS_V2, AUX_PERF_FAILURE, AUX_PERF_FAILURE_V2, AUX_CLIENT_CONTROL, AUX_OSVERSIONINFO,
               AUX_EXORGINFO, AUX_PERF_ACCOUNTINFO, AUX_SERVER_CAPABILITIES, AUX_ENDPOINT_CAPABILITIES,
               rpc::AUX_CLIENT_CONNECTION_INFO, rpc::AUX_SERVER_SESSION_INFO, rpc::AUX_PROTOCOL_DEVICE_IDENTIFICATION>
      body;
  // Bytes behind the structure within the block's Size, which a reader skips.
  View padding;

  template <class T>
  const T* get() const {
    return std::get_if<T>(&body);
  }
};

inline constexpr std::size_t aux_header_size = 4;

// Reads the payload of an auxiliary buffer (RPC_HEADER_EXT taken off). An error
// only when a Size contradicts the bytes there are. Blocks borrow from both arguments.
Result<std::vector<AuxBlock>> read_aux(View payload, Arena& arena);
Status write_aux(std::span<const AuxBlock> blocks, Bytes& out);
// Tells each field as soon as it is read. What breaks off is told up to the field that the error names, and what
// follows in its block as `rest`; the blocks behind a body that does not fit its block are told, too. `start`, if given,
// is set to the offset of each field before it is told.
Status tell_aux(FieldSink& sink, std::size_t* start, View payload);

// What a server says of itself on Connect: AUX_EXORGINFO, AUX_CLIENT_CONTROL and
// AUX_ENDPOINT_CAPABILITIES, each with a block's head.
std::vector<AuxBlock> server_aux_blocks(std::uint32_t OrgFlags, std::uint32_t EnableFlags, std::uint32_t ExpiryTime,
                                        std::uint32_t EndpointCapabilityFlags);

// A string of a block with offsets; they count from the block's AUX_HEADER.
// `fixed_size` is where `data` starts. Empty when the offset is zero or points outside.
Utf16 aux_string(View data, std::size_t fixed_size, std::uint16_t offset);

}  // namespace mapigate::wire::rpc
