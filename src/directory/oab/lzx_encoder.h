// LZX DELTA ([MS-PATCH] 2.2), the compression of offline address books: 32 KiB chunks of verbatim and aligned blocks over
// a window that may begin with data the reader already has.
#pragma once

#include "base/bytes.h"

namespace mapigate::directory::oab {

// The most that one stream may hold with its reference, so that every distance has a position slot.
inline constexpr std::size_t lzx_limit = std::size_t{1} << 25;

// Both together at most lzx_limit. The reader has to know `reference` and the size of `data`.
Bytes lzx_compress(View data, View reference = {});

}  // namespace mapigate::directory::oab
