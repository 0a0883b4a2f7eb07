// Identifiers of stores, folders and messages ([MS-OXCDATA] 2.2, [MS-OXCSTOR] 3.2.5).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace mapigate::mapi {

// Sixteen bytes as they stand on the wire ([MS-DTYP] 2.3.4.2, packet form).
struct Guid {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const Guid&) const = default;
};
std::string to_string(const Guid& guid);  // xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx, lower case
std::optional<Guid> guid_from_string(std::string_view text);

// A number that a store hands out once: 1 .. 2^48-1; 0 is none.
using GlobalCounter = std::uint64_t;
inline constexpr GlobalCounter max_global_counter = (std::uint64_t{1} << 48) - 1;

// Folder ID, message ID or change number ([MS-OXCDATA] 2.2.1): REPLID in the low 16
// bits, and above it the counter with its most significant byte first.
struct Id {
  std::uint64_t value = 0;
  Id() = default;
  explicit constexpr Id(std::uint64_t wire) : value(wire) {}
  Id(std::uint16_t replid, GlobalCounter counter);
  std::uint16_t replid() const { return static_cast<std::uint16_t>(value); }
  GlobalCounter counter() const;
  explicit operator bool() const { return value != 0; }
  auto operator<=>(const Id&) const = default;
};
std::string to_string(Id id);  // "replid-counter" in hex, as administrators' tools print it

// The counter as the six bytes that go on the wire.
std::array<std::uint8_t, 6> counter_bytes(GlobalCounter counter);
GlobalCounter counter_from(View six_bytes);  // precondition: size 6

// [MS-OXCDATA] 2.2.1.3.1: GUID, counter, two zero bytes.
struct LongTermId {
  Guid DatabaseGuid;
  std::array<std::uint8_t, 6> GlobalCounter{};
  std::uint16_t Pad = 0;
  static void fields(auto& s, auto& v) {
    v("DatabaseGuid", s.DatabaseGuid);
    v("GlobalCounter", s.GlobalCounter);
    v("Pad", s.Pad);
  }
};

}  // namespace mapigate::mapi
