// The files that clients download ([MS-OXOAB] 2.10 and 2.11): a whole file or the way from one version to the next, in
// blocks that are compressed each for itself.
#pragma once

#include "directory/oab/details_file.h"

namespace mapigate::directory::oab {

inline constexpr std::size_t block_size = 256 * 1024;  // ulBlockMax

Bytes compress_file(View file);
// Takes who has `from` to `to`.
Bytes make_patch(const DetailsFile& from, const DetailsFile& to);

}  // namespace mapigate::directory::oab
