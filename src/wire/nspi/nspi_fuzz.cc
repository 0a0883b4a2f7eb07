// The first byte chooses a request type and, by its lowest bit, request or response; the rest is
// read, written, read again and written again: both writings must be the same.
#include <cstdlib>

#include "wire/nspi/all_bodies.h"

using namespace mapigate;
using namespace mapigate::wire;

namespace {

template <class T>
void round_trip(View bytes) {
  Arena arena;
  const auto first = decode<T>("Body", bytes, arena, CountWidth::address_book);
  if (!first) return;
  Bytes once, twice;
  if (!encode("Body", *first, once, CountWidth::address_book)) std::abort();
  const auto second = decode<T>("Body", once, arena, CountWidth::address_book);
  if (!second) std::abort();
  if (!encode("Body", *second, twice, CountWidth::address_book) || once != twice) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const View rest(data + 1, size - 1);
  const bool response = (data[0] & 1) != 0;
  static const int types = [] {
    int count = 0;
    nspi::any_request_type([&]<class T>() { return ++count, false; });
    return count;
  }();
  int left = (data[0] >> 1) % types;
  nspi::any_request_type([&]<class T>() {
    if (left-- != 0) return false;
    response ? round_trip<typename T::Response>(rest) : round_trip<typename T::Request>(rest);
    return true;
  });
  return 0;
}
