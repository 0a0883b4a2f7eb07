// Reads RTS PDUs one after the other, as a channel does, writes each and reads it again.
#include <cstdlib>

#include "wire/rpc/rts.h"

using namespace mapigate;
using namespace mapigate::wire::rpc;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  View left(data, size);
  while (left.size() >= rts::pdu_head_size) {
    const auto head = rts::read_pdu_head(left);
    if (!head || head->frag_length > left.size()) return 0;
    const auto bytes = left.first(head->frag_length);
    left = left.subspan(head->frag_length);
    if (!head->is_rts()) continue;
    Arena arena;
    const auto pdu = rts::read(bytes, arena);
    if (!pdu) continue;
    Bytes again;
    if (!rts::write(*pdu, again) || !equal(again, bytes)) std::abort();
    if (const auto kind = rts::kind_of(*pdu)) (void)rts::name_of(*kind);
  }
  return 0;
}
