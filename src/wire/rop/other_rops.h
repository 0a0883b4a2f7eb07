// Other ROPs ([MS-OXCROPS] 2.2.15).
#pragma once

#include "wire/rop/rop_common.h"

namespace mapigate::wire {

struct RopRelease : Rop<RopId::RopRelease> {
  static constexpr bool has_response = false;
};

// The last response of its list: the requests from the one that did not fit.
struct RopBufferTooSmall : ServerRop<RopId::RopBufferTooSmall> {
  struct Response {
    std::uint16_t SizeNeeded = 0;
    View RequestBuffers{};
    static void fields(auto& s, auto& v) {
      v("SizeNeeded", s.SizeNeeded);
      v.rest("RequestBuffers", s.RequestBuffers);
    }
  };
};

struct BackoffRop {
  static constexpr std::size_t minimum_size = 5;
  std::uint8_t RopIdBackoff = 0;
  std::uint32_t Duration = 0;  // milliseconds
  static void fields(auto& s, auto& v) {
    v("RopIdBackoff", s.RopIdBackoff);
    v("Duration", s.Duration);
  }
};

struct RopBackoff : ServerRop<RopId::RopBackoff> {
  struct Response {
    std::uint8_t LogonId = 0;
    std::uint32_t Duration = 0;  // milliseconds
    std::span<const BackoffRop> BackoffRopData{};
    View AdditionalData{};
    static void fields(auto& s, auto& v) {
      v("LogonId", s.LogonId);
      v("Duration", s.Duration);
      const auto n = v.template count<std::uint8_t>("BackoffRopCount", s.BackoffRopData.size());
      v.list("BackoffRopData", s.BackoffRopData, n);
      v.template binary<std::uint16_t>("AdditionalData", s.AdditionalData);
    }
  };
};

}  // namespace mapigate::wire
