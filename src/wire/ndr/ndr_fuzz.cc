// The first two bytes choose the interface and the method, the third the direction and the byte order; the rest is a
// stub. What decodes is encoded, and that decodes and encodes to the same bytes.
#include <cstdlib>

#include "wire/ndr/asyncemsmdb_ndr.h"
#include "wire/ndr/emsmdb_ndr.h"
#include "wire/ndr/epm_ndr.h"
#include "wire/ndr/nspi_ndr.h"
#include "wire/ndr/rfr_ndr.h"
#include "wire/ndr/tower.h"

using namespace mapigate;
namespace ndr = wire::ndr;

namespace {

template <class T>
void check(View stub, bool big_endian) {
  Arena arena;
  T first{};
  if (!ndr::decode("stub", stub, big_endian, arena, first)) return;
  Bytes once, twice;
  if (!ndr::encode("stub", first, once)) std::abort();
  T second{};
  if (!ndr::decode("stub", once, false, arena, second)) std::abort();
  if (!ndr::encode("stub", second, twice) || once != twice) std::abort();
}

struct Visit {
  unsigned wanted;
  bool out, big_endian;
  View stub;
  template <class Method>
  void operator()() {
    if (Method::opnum != wanted) return;
    if (out) check<typename Method::Out>(stub, big_endian);
    else check<typename Method::In>(stub, big_endian);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  Visit visit{data[1], (data[2] & 1) != 0, (data[2] & 2) != 0, View(data + 3, size - 3)};
  switch (data[0] % 6) {
    case 0: ndr::emsmdb::for_each_method(visit); break;
    case 1: ndr::asyncemsmdb::for_each_method(visit); break;
    case 2: ndr::rfr::for_each_method(visit); break;
    case 3: ndr::nspi::for_each_method(visit); break;
    case 4: ndr::epm::for_each_method(visit); break;
    default:
      if (const auto tower = ndr::read_tower(visit.stub)) {
        const auto again = ndr::read_tower(ndr::write_tower(*tower));
        if (!again || again->port != tower->port || again->interface != tower->interface) std::abort();
      }
  }
  return 0;
}
