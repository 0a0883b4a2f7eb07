// Reads a chain of extended buffers, writes it in every form, reads it again; the
// payloads are tried as auxiliary buffers as well.
#include <cstdlib>

#include "wire/rpc/aux.h"
#include "wire/rpc/header_ext.h"

using namespace mapigate;
using namespace mapigate::wire::rpc;

namespace {

void aux_round_trip(View payload) {
  Arena arena;
  const auto blocks = read_aux(payload, arena);
  if (!blocks) return;
  Bytes out;
  if (!write_aux(*blocks, out) || !equal(out, payload)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  aux_round_trip({data, size});
  Arena arena;
  const auto payloads = read_extended_buffers({data, size}, arena, response_limits);
  if (!payloads || payloads->empty()) return 0;
  for (const bool compress : {false, true}) {
    for (const bool obfuscate : {false, true}) {
      Bytes out;
      if (!write_extended_buffers(*payloads, {compress, obfuscate}, out)) std::abort();
      Arena second;
      const auto again = read_extended_buffers(out, second, response_limits);
      if (!again || again->size() != payloads->size()) std::abort();
      for (std::size_t i = 0; i < again->size(); ++i)
        if (!equal((*again)[i], (*payloads)[i])) std::abort();
    }
  }
  for (const auto& payload : *payloads) aux_round_trip(payload);
  return 0;
}
