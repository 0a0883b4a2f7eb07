// A record of a snapshot: whatever bytes give, written again it gives the same.
#include <cstdlib>

#include "directory/record.h"

using namespace mapigate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  directory::Shared shared;
  const auto entry = directory::read_record(View(data, size), shared);
  Bytes once, twice;
  directory::put_record(once, entry, shared);
  directory::put_record(twice, directory::read_record(once, shared), shared);
  if (once != twice) std::abort();
  if (directory::key_of_record(once) != entry.key) std::abort();
  return 0;
}
