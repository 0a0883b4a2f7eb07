// Calls of connection-oriented DCE/RPC over TCP ([C706] chapter 12, [MS-RPCE] 2.2.2) out of captured traffic: pcap and
// pcapng files with IPv4 or IPv6 in Ethernet, Linux cooked, loopback or bare frames. For dumps: whatever
// cannot be put together is passed over and counted.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "mapi/ids.h"

namespace mapigate::wire::rpc {

// One direction of a TCP connection. `bytes` ends before the first byte that was not captured.
struct CapturedStream {
  std::string from, to;  // "192.0.2.1:49152", "[2001:db8::1]:135"
  Bytes bytes;
  std::size_t missing = 0;  // bytes behind a gap
};
// In the order of their first packets. Errc::malformed when the file is neither pcap nor pcapng, or its link type is unknown.
Result<std::vector<CapturedStream>> read_capture(View file);

struct CapturedCall {
  std::uint32_t call_id = 0;
  mapi::Guid interface;      // of the presentation context; zero when its bind was not captured
  std::uint16_t opnum = 0;
  bool request_big_endian = false, response_big_endian = false;
  bool sealed = false;       // encrypted: the stubs are what stood on the wire
  Bytes request, response;   // stubs
  bool has_response = false;
  std::uint32_t fault = 0;   // status of a fault PDU
};
struct CapturedConnection {
  std::string client, server;
  std::vector<CapturedCall> calls;  // in the order of their requests
  std::string problem;              // why the rest of a direction was not understood; empty when all was
};
// Pairs the directions; connections that are not DCE/RPC are left out.
std::vector<CapturedConnection> rpc_connections(std::span<const CapturedStream> streams);

}  // namespace mapigate::wire::rpc
