// The stream of a ManageSieve server in pieces whose size the input decides, and a script that somebody else wrote.
#include <algorithm>
#include <cstdlib>

#include "reply.h"
#include "script.h"

using namespace mapigate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sieve::LineReader reader(4096);
  sieve::Capabilities capabilities;
  View left(data, size);
  const std::size_t piece = size == 0 ? 1 : 1 + data[0] % 61;
  while (!left.empty()) {
    auto used = reader.feed(left.first(std::min(piece, left.size())));
    if (!used) break;
    if (*used == 0) std::abort();
    left = left.subspan(*used);
    if (!reader.complete()) continue;
    const auto line = reader.take();
    (void)sieve::completion_of(line);
    (void)capabilities.understood(line);
  }
  const auto script = as_text(View(data, size));
  if (sieve::end_of_requires(script) > script.size()) std::abort();
  (void)sieve::calls(script, "vacation");
  if (auto remembered = sieve::read_script(script)) {
    sieve::Plan plan;
    plan.remembered = std::move(*remembered);
    const auto again = sieve::read_script(sieve::make_script(plan));
    if (!again || again->settings != plan.remembered.settings || again->previous != plan.remembered.previous) std::abort();
  }
  return 0;
}
