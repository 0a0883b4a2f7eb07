// The first byte chooses: requests or responses, of private or public logons,
// with or without known columns. What was read is written, read and written
// again: the second writing must be the same as the first.
#include <cstdlib>

#include "wire/dump.h"
#include "wire/rop/rops.h"

using namespace mapigate;
using namespace mapigate::wire;

namespace {

struct Logons : LogonSource {
  bool all_public = false;
  bool is_public(std::uint8_t) const override { return all_public; }
};

struct Tables : ColumnSource {
  static constexpr mapi::PropertyTag columns[] = {mapi::PropertyTag(0x0037001F), mapi::PropertyTag(0x00390040),
                                                  mapi::PropertyTag(0x0FFF0102), mapi::PropertyTag(0x00170000)};
  std::optional<Columns> columns_of(std::uint32_t) const override { return Columns(columns); }
};

void must(bool condition) {
  if (!condition) std::abort();
}

template <class Buffer>
void forget_raw(Buffer& buffer) {
  for (auto& rop : buffer.rops) rop.raw = {};
}

void requests(View payload, const Logons& logons) {
  Arena arena;
  auto read = decode_requests(payload, arena, &logons);
  if (!read) return;
  Bytes copy, once, twice;
  must(encode_requests(*read, copy).has_value() && equal(copy, payload));
  forget_raw(*read);
  must(encode_requests(*read, once).has_value());
  auto again = decode_requests(once, arena, &logons);
  must(again && again->rops.size() == read->rops.size());
  forget_raw(*again);
  must(encode_requests(*again, twice).has_value() && once == twice);
  must(!to_text(*read).empty() && !to_json(*read).empty());
}

// The first bytes are the size and the payload of the requests that are answered.
void responses(View input, const Logons& logons, const ColumnSource* columns) {
  if (input.empty()) return;
  Arena arena;
  const auto size = std::min<std::size_t>(input[0], input.size() - 1);
  auto asked = decode_requests(input.subspan(1, size), arena, &logons);
  const auto* requests = asked ? &*asked : nullptr;
  const auto payload = input.subspan(1 + size);
  auto read = decode_responses(payload, arena, requests, columns);
  if (!read) return;
  Bytes copy, once, twice;
  must(encode_responses(*read, copy, requests).has_value() && equal(copy, payload));
  forget_raw(*read);
  must(encode_responses(*read, once, requests).has_value());
  auto again = decode_responses(once, arena, requests, columns);
  must(again && again->rops.size() == read->rops.size());
  forget_raw(*again);
  must(encode_responses(*again, twice, requests).has_value() && once == twice);
  must(!to_text(*read, requests).empty() && !to_json(*read, requests).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const View rest(data + 1, size - 1);
  Logons logons;
  logons.all_public = (data[0] & 2U) != 0;
  const Tables tables;
  if ((data[0] & 1U) == 0) requests(rest, logons);
  else responses(rest, logons, (data[0] & 4U) != 0 ? &tables : nullptr);
  return 0;
}
