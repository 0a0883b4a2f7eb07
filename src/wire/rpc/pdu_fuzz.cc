// Reads a PDU and its body, writes both, reads again.
#include <cstdlib>

#include "wire/rpc/pdu.h"

using namespace mapigate;
using namespace mapigate::wire;
using namespace mapigate::wire::rpc;

namespace {

template <class Body>
void round_trip(View bytes) {
  Arena arena;
  const auto body = decode<Body>("body", bytes, arena, CountWidth::narrow);
  if (!body) return;
  Bytes out;
  if (!encode("body", *body, out, CountWidth::narrow) || !equal(out, bytes)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const View bytes(data, size);
  const auto pdu = read_pdu(bytes);
  if (!pdu) return 0;
  round_trip<BindBody>(pdu->body);
  round_trip<BindAckBody>(pdu->body);
  round_trip<BindNakBody>(pdu->body);
  round_trip<RequestBody>(pdu->body);
  round_trip<ResponseBody>(pdu->body);
  round_trip<FaultBody>(pdu->body);
  Bytes out;
  const auto written = write_pdu(*pdu, out);
  if (!written) return 0;
  const auto again = read_pdu(out);
  if (!again || !equal(again->body, pdu->body) || !equal(again->auth_value, pdu->auth_value)) std::abort();
  return 0;
}
