// Plain LZ77 ([MS-XCA] 2.3 and 2.4; [MS-OXCRPC] 3.1.4.1.1.2 calls the same format
// DIRECT2). A stream does not say how long its plain text is; whoever carries it does.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace mapigate::wire::rpc {

inline constexpr std::size_t max_lz77_distance = 8192;

// Appends exactly `size` bytes to `out`. A stream that holds fewer or more is
// malformed, and then `out` is as it was. `size` is the caller's limit: check it first.
Status lz77_decompress(View compressed, std::size_t size, Bytes& out);

// Appends the stream to `out`. Input that does not repeat itself grows by four bytes
// for every 32, and four more: the caller compares sizes.
void lz77_compress(View plain, Bytes& out);

}  // namespace mapigate::wire::rpc
