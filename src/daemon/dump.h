// `mapigate dump`: takes captured protocol data apart, from files or standard input.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "mapi/value.h"
#include "wire/mapihttp/bodies.h"

namespace mapigate::daemon {

struct DumpOptions {
  enum class Kind : std::uint8_t {
    body,     // of a MAPI/HTTP request or reply; a reply may start with its PROCESSING … DONE lines
    rops,     // a ROP buffer without RPC_HEADER_EXT
    rpc_ext,  // a chain of RPC_HEADER_EXT buffers; their payloads as ROPs if they are, else as bytes
    lz77,     // one plain LZ77 stream
    fasttransfer,  // a FastTransfer stream, its transfer buffers one behind the other
    pcap,          // captured traffic of plain DCE/RPC, as pcap or pcapng
    stub,          // the parameters of a call of DCE/RPC as NDR, little-endian: `method`
    object,        // a blob of a property, a file, a set of ids …: `object`
  };
  enum class Encoding : std::uint8_t { raw, hex, base64 };

  Kind kind = Kind::body;
  wire::mapihttp::Endpoint endpoint = wire::mapihttp::Endpoint::mailbox;
  bool is_request = true;
  std::string request_type = "Execute";  // X-RequestType
  Encoding encoding = Encoding::raw;     // of the file and of `paired_request`
  std::string file = "-";
  std::string paired_request;            // file with the request that a reply answers; may be empty
  std::vector<std::string> columns;      // of the table whose rows a reply holds, by name or number
  std::size_t size = 0;                  // lz77: bytes that come out
  std::string object;                    // one of object_kinds()
  std::string method;                    // stub: its name in idl/, such as EcDoRpcExt2
  bool json = false;
  bool full = false;                     // binary values whole, not their first 64 bytes
};

// What was understood, and in `problem` why it ended early; empty when all was.
struct DumpResult {
  std::string text;
  std::string problem;
};
DumpResult dump(const DumpOptions& options, View input, View paired_request);

inline constexpr std::size_t max_input = std::size_t{64} << 20;

// The names that `object` may have, one a line with what they are.
std::string object_kinds();

// Exit status: 0 when all was understood.
int dump_command(const DumpOptions& options);

// "0000  48 65 6c 6c 6f  Hello", sixteen bytes a line.
std::string hex_lines(View bytes);

}  // namespace mapigate::daemon
