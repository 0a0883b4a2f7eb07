// Extended buffers: payloads behind RPC_HEADER_EXT ([MS-OXCRPC] 2.2.2.1 and
// 3.1.4.2.1 "Extended Buffer Handling"). ROP buffers and auxiliary buffers travel
// in them over DCE/RPC and over MAPI/HTTP alike.
#pragma once

#include <vector>

#include "wire/fields.h"

namespace mapigate::wire::rpc {

enum RpcHeaderFlags : std::uint16_t {
  Compressed = 0x0001,
  XorMagic = 0x0002,
  Last = 0x0004,
};

struct RPC_HEADER_EXT {
  std::uint16_t Version = 0;
  std::uint16_t Flags = 0;
  std::uint16_t Size = 0;        // of the payload as it stands behind this header
  std::uint16_t SizeActual = 0;  // of the payload once it is decompressed

  static void fields(auto& s, auto& v) {
    v("Version", s.Version);
    v("Flags", s.Flags);
    v("Size", s.Size);
    v("SizeActual", s.SizeActual);
  }
};
inline constexpr std::size_t header_ext_size = 8;

// pulFlags of EcDoRpcExt2, Flags of Execute: what the client asks of the reply.
enum ExecuteFlags : std::uint32_t {
  NoCompression = 0x00000001,
  NoXorMagic = 0x00000002,
  Chain = 0x00000004,
};

// "A single payload MUST NOT exceed 32 KB". Buffers that carry a large property
// are seen a little over that, hence the margin on what is read.
inline constexpr std::size_t max_payload = 0x8000;
inline constexpr std::size_t max_payload_read = 0xFFFF;
inline constexpr std::size_t max_chained_payloads = 96;
inline constexpr std::size_t max_rop_out = 0x40000;  // BIG_RANGE_ULONG
inline constexpr std::size_t max_aux = 0x1008;       // SMALL_RANGE_ULONG: header and payload

struct ReadLimits {
  std::size_t max_buffers = 1;
  std::size_t max_payload = rpc::max_payload_read;  // of one buffer, decompressed
  std::size_t max_total = rpc::max_payload_read;    // of all of them
};
inline constexpr ReadLimits auxiliary_limits{1, max_aux, max_aux};
// Clients chain only RopWriteStreamExtended and the RopFastTransferDestinationPutBuffer pair, and only
// when AUX_SERVER_CAPABILITIES invited them.
inline constexpr ReadLimits request_limits{max_chained_payloads, max_payload_read, max_rop_out};
inline constexpr ReadLimits response_limits{max_chained_payloads, max_payload_read, 2 * max_rop_out};

// Reads a chain up to the buffer flagged Last, which must end `bytes`. An empty
// `bytes` is an empty chain. Payloads borrow from `bytes`, or from `arena` where
// they had to be decompressed or unmasked. More than the limits is Errc::limit.
Result<std::vector<View>> read_extended_buffers(View bytes, Arena& arena, const ReadLimits& limits);

struct WriteOptions {
  bool compress = false;
  bool obfuscate = false;
};
// What the client allows. Obfuscation hides nothing on an encrypted connection, so we
// never start it; a payload that came obfuscated can be sent on so.
WriteOptions reply_options(std::uint32_t execute_flags);

// Smaller payloads are not compressed: it would not be worth either side's time.
inline constexpr std::size_t min_compressed_payload = 1025;

// Appends one buffer. A payload stays as it is when compression does not make it
// smaller; one that is compressed is not obfuscated as well.
// Precondition: payload.size() <= 0xFFFF (Errc::internal otherwise).
Status write_extended_buffer(View payload, bool last, const WriteOptions& options, Bytes& out);
// Appends a chain, Last set on its last buffer.
Status write_extended_buffers(std::span<const View> payloads, const WriteOptions& options, Bytes& out);

}  // namespace mapigate::wire::rpc
