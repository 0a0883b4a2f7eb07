// A details file of an offline address book, its sum made right so that what stands behind it is looked at.
#include <algorithm>
#include <cstring>

#include "directory/oab/details_file.h"

using namespace mapigate;
namespace oab = directory::oab;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes file(data, data + size);
  (void)oab::split_details(file, std::vector<std::uint32_t>(size % 7));
  if (size >= oab::header_size) {
    const auto version = oab::details_version, sum = oab::checksum(View(file).subspan(oab::header_size));
    std::memcpy(file.data(), &version, sizeof version);
    std::memcpy(file.data() + 4, &sum, sizeof sum);
  }
  (void)oab::read_details(file);
  return 0;
}
