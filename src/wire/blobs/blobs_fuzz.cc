// The first byte chooses the kind. What was read is written, read and written again: the second writing
// must be the same as the first. Telling must succeed exactly where reading does.
#include <cstdlib>

#include "wire/blobs/blob.h"
#include "wire/dump.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mapigate;
  using namespace mapigate::wire;
  if (size == 0) return 0;
  const auto kinds = blobs::blob_kinds();
  const auto& kind = kinds[data[0] % kinds.size()];
  const View blob(data + 1, size - 1);
  std::size_t rest = 0;
  const auto once = kind.rewrite(blob, rest);
  TextSink text;
  blobs::OffsetSink sink(text, false);
  const auto told = kind.tell(blob, sink, sink.start());
  if (told.has_value() != once.has_value()) std::abort();
  if (!once) return 0;
  const auto twice = kind.rewrite(*once, rest);
  if (!twice || *twice != *once) std::abort();
  return 0;
}
