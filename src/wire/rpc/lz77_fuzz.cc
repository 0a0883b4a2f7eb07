// The first two bytes are the announced size; the rest is decompressed as a stream,
// and compressed and decompressed again as plain text.
#include <cstdlib>

#include "wire/rpc/lz77.h"

using namespace mapigate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t announced = data[0] | data[1] << 8;
  const View input(data + 2, size - 2);
  Bytes plain;
  if (wire::rpc::lz77_decompress(input, announced, plain) && plain.size() != announced) std::abort();
  Bytes stream, back;
  wire::rpc::lz77_compress(input, stream);
  if (stream.size() > input.size() + input.size() / 8 + 4) std::abort();
  if (!wire::rpc::lz77_decompress(stream, input.size(), back) || !equal(back, input)) std::abort();
  return 0;
}
