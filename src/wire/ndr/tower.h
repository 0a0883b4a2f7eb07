// Towers ([C706] appendix L "Protocol Tower Encoding"): how the endpoint mapper
// writes down where an interface is served.
#pragma once

#include <array>

#include "base/result.h"
#include "mapi/ids.h"

namespace mapigate::wire::ndr {

// Identifiers of [C706] appendix I.
enum class Floor : std::uint8_t {
  ncacn = 0x0b,     // connection-oriented RPC
  tcp = 0x07,
  ip = 0x09,
  uuid = 0x0d,
  named_pipe = 0x0f,
  http = 0x1f,
};

struct SyntaxId {
  mapi::Guid uuid;
  std::uint16_t major = 0;
  std::uint16_t minor = 0;
  auto operator<=>(const SyntaxId&) const = default;
};

// 8a885d04-1ceb-11c9-9fe8-08002b104860, version 2.
inline constexpr SyntaxId ndr_syntax{
    {{0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60}}, 2, 0};

// The five floors of ncacn_ip_tcp and ncacn_http.
struct Tower {
  SyntaxId interface;
  SyntaxId transfer = ndr_syntax;
  Floor protocol = Floor::ncacn;
  Floor transport = Floor::tcp;
  std::uint16_t port = 0;
  std::array<std::uint8_t, 4> address{};
};

// Errc::malformed when it cannot be read, Errc::unsupported when it has other floors (named pipes, UDP).
Result<Tower> read_tower(View octets);
Bytes write_tower(const Tower& tower);

}  // namespace mapigate::wire::ndr
