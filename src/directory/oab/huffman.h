// Prefix codes of limited length, as LZX wants them: canonical, complete, the shorter code first.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mapigate::directory::oab {

struct PrefixCode {
  std::vector<std::uint8_t> lengths;  // of each symbol in bits; 0: it has none
  std::vector<std::uint16_t> codes;
};

// A complete code over what occurs, none longer than `limit`. Where only one symbol occurs a second one gets a code
// too, because readers refuse codes that are not complete; where none occurs, none has a code.
PrefixCode make_prefix_code(std::span<const std::uint32_t> frequencies, unsigned limit);

}  // namespace mapigate::directory::oab
