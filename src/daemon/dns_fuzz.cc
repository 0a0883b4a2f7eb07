// What a DNS server, or somebody in its place, answers.
#include "daemon/dns_client.h"

using namespace mapigate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  // The id is what a stranger does not know; here it is always right.
  (void)daemon::parse_dns_answer(static_cast<std::uint16_t>(data[0] << 8 | data[1]), View(data, size));
  return 0;
}
