#include "wire/rpc/header_ext.h"

#include "wire/rpc/lz77.h"

namespace mapigate::wire::rpc {
namespace {

constexpr std::uint8_t xor_magic = 0xA5;
constexpr std::uint16_t known_flags = Compressed | XorMagic | Last;

Result<View> payload_of(const RPC_HEADER_EXT& header, View stored, Arena& arena) {
  if ((header.Flags & XorMagic) != 0) {
    auto plain = arena.make_span<std::uint8_t>(stored.size());
    for (std::size_t i = 0; i < stored.size(); ++i) plain[i] = stored[i] ^ xor_magic;
    stored = plain;
  }
  if ((header.Flags & Compressed) == 0) return stored;
  Bytes plain;
  if (const auto status = lz77_decompress(stored, header.SizeActual, plain); !status) return status.error();
  return arena.copy(View(plain));
}

}  // namespace

Result<std::vector<View>> read_extended_buffers(View bytes, Arena& arena, const ReadLimits& limits) {
  std::vector<View> payloads;
  Cursor cursor(bytes);
  FieldReader reader(cursor, arena);
  std::size_t total = 0;
  bool last = bytes.empty();
  while (!last) {
    if (payloads.size() == limits.max_buffers)
      return error(Errc::limit, "RPC_HEADER_EXT: more than {} chained buffers", limits.max_buffers);
    RPC_HEADER_EXT header;
    View stored;
    reader("RPC_HEADER_EXT", header);
    reader.check(header.Version == 0, "unknown version");
    reader.check((header.Flags & ~known_flags) == 0, "unknown flags");
    reader.check((header.Flags & Compressed) != 0 || header.Size == header.SizeActual, "sizes contradict each other");
    reader.bytes("Payload", stored, header.Size);
    if (!reader.ok()) return cursor.error("RPC_HEADER_EXT");
    total += header.SizeActual;
    if (header.SizeActual > limits.max_payload || total > limits.max_total)
      return error(Errc::limit, "RPC_HEADER_EXT: payload of {} bytes is over the limit", total);
    const auto payload = payload_of(header, stored, arena);
    if (!payload) return Error(payload.error()).within("RPC_HEADER_EXT");
    payloads.push_back(*payload);
    last = (header.Flags & Last) != 0;
  }
  if (cursor.left() != 0) {
    cursor.set_field("end");
    cursor.fail("bytes follow the last buffer");
    return cursor.error("RPC_HEADER_EXT");
  }
  return payloads;
}

WriteOptions reply_options(std::uint32_t execute_flags) { return {(execute_flags & NoCompression) == 0, false}; }

Status write_extended_buffer(View payload, bool last, const WriteOptions& options, Bytes& out) {
  if (payload.size() > 0xFFFF) return error(Errc::internal, "RPC_HEADER_EXT: payload of {} bytes", payload.size());
  const auto start = out.size();
  RPC_HEADER_EXT header;
  header.Flags = last ? Last : 0;
  header.Size = header.SizeActual = static_cast<std::uint16_t>(payload.size());
  out.resize(start + header_ext_size);
  if (options.compress && payload.size() >= min_compressed_payload) {
    lz77_compress(payload, out);
    if (const auto size = out.size() - start - header_ext_size; size < payload.size()) {
      header.Flags |= Compressed;
      header.Size = static_cast<std::uint16_t>(size);
    } else {
      out.resize(start + header_ext_size);
    }
  }
  if ((header.Flags & Compressed) == 0) {
    out.insert(out.end(), payload.begin(), payload.end());
    if (options.obfuscate && !payload.empty()) {
      header.Flags |= XorMagic;
      for (auto i = start + header_ext_size; i < out.size(); ++i) out[i] ^= xor_magic;
    }
  }
  Bytes head;
  if (auto status = encode("RPC_HEADER_EXT", header, head, CountWidth::narrow); !status) return status;
  std::memcpy(out.data() + start, head.data(), header_ext_size);
  return {};
}

Status write_extended_buffers(std::span<const View> payloads, const WriteOptions& options, Bytes& out) {
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    if (auto status = write_extended_buffer(payloads[i], i + 1 == payloads.size(), options, out); !status) return status;
  }
  return {};
}

}  // namespace mapigate::wire::rpc
