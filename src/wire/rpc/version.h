// Product versions ([MS-OXCRPC] 3.1.4.1.3 "Version Checking"): four numbers, packed
// into three 16-bit words on the wire.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mapigate::wire::rpc {

using WireVersion = std::array<std::uint16_t, 3>;  // rgwClientVersion, rgwServerVersion

struct Version {
  std::uint16_t product_major = 0;
  std::uint16_t product_minor = 0;
  std::uint16_t build_major = 0;
  std::uint16_t build_minor = 0;
  auto operator<=>(const Version&) const = default;
};

// The form with the high bit, which every client since Outlook 2007 reads. Precondition:
// product_major and product_minor < 256, build_major < 0x8000.
WireVersion encode_version(const Version& version);
// Both forms: with the high bit of the second word, and the older one without a minor number.
Version normalize_version(const WireVersion& wire);
// ServerVersion of Autodiscover's EXCH and EXPR protocols: one 32-bit number, in hex.
std::string autodiscover_version(const Version& version);

// "15.20.1234.5" or "Outlook/16.0.4229.1003"; up to three numbers may be missing at the end.
std::optional<Version> parse_version(std::string_view text);
std::string to_string(const Version& version);

}  // namespace mapigate::wire::rpc
