// The first byte chooses: requests or responses, of private or public logons,
// with or without known columns. What was read is written, read and written
// again: the second writing must be the same as the first. Or one ROP, chosen by
// the second byte, is made up from the rest as a request with its response, so that
// each field list is visited however unlikely its bytes are.
#include <cstdlib>

#include "wire/dump.h"
#include "wire/rop/random_source.h"
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
  TextSink told;
  std::size_t start = 0;
  auto fresh = decode_requests(payload, arena, &logons);
  must(fresh && tell_rops(told, &start, payload, *fresh, &logons));
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
  TextSink told;
  std::size_t start = 0;
  auto fresh = decode_responses(payload, arena, requests, columns);
  must(fresh && tell_rops(told, &start, payload, *fresh, requests));
}

Bytes payload_of(View rops) {
  Bytes out;
  Output output(out);
  output.scalar(static_cast<std::uint16_t>(rops.size() + 2));
  output.bytes(rops);
  output.scalar<std::uint32_t>(0x10);  // a handle, by which columns are known
  return out;
}

struct OneColumnSet : ColumnSource {
  std::vector<mapi::PropertyTag> columns;
  std::optional<Columns> columns_of(std::uint32_t) const override { return Columns(columns); }
};

constexpr mapi::ErrorCode return_values[] = {mapi::ecNone, mapi::ecNone, mapi::ecNone, mapi::ecDstNullObject,
                                             mapi::ecWrongServer, mapi::ecServerBusy, mapi::ecWarnWithErrors,
                                             mapi::ecNotFound};

void made_up(View input, const Logons& logons) {
  const auto& codec = all_rops()[input[0] % all_rops().size()];
  std::uint64_t seed = 0;
  std::memcpy(&seed, input.data() + 1, std::min<std::size_t>(sizeof seed, input.size() - 1));
  RandomSource random(seed);
  Arena arena;
  FieldBuilder builder(random, arena);
  OneColumnSet tables;
  tables.columns = random.columns();
  RopRequestBuffer asked;
  ResponseContext context;
  context.columns = tables.columns;
  if (codec.read_request != nullptr) {
    RopRequest request;
    request.id = codec.id;
    request.codec = &codec;
    request.body = codec.build_request(builder, arena, {logons.all_public});
    Bytes bytes;
    if (random.failed() || !encode_request(request, bytes)) return;  // chance broke the structure's own rules
    asked.rops.push_back(request);
    const auto payload = payload_of(bytes);
    const auto read = decode_requests(payload, arena, &logons);
    Bytes again;
    must(read && read->problem.empty() && read->rops.size() == 1);
    must(encode_request(read->rops[0], again).has_value() && again == bytes);
    must(!to_text(*read).empty());
    context.request = &asked.rops[0];
    context.ReturnValue = return_values[random.below(std::size(return_values))];
  }
  if (!codec.has_response) return;
  RopResponse response;
  response.id = codec.id;
  response.codec = &codec;
  response.ReturnValue = context.ReturnValue;
  if (codec.response_has_body(response.ReturnValue)) response.body = codec.build_response(builder, arena, context);
  Bytes bytes;
  if (random.failed() || !encode_response(response, bytes, context)) return;
  const auto payload = payload_of(bytes);
  const auto read = decode_responses(payload, arena, asked.rops.empty() ? nullptr : &asked, &tables);
  must(read && read->problem.empty() && read->rops.size() == 1);
  Bytes again;
  must(encode_response(read->rops[0], again, context_of(read->rops[0], &asked)).has_value() && again == bytes);
  must(!to_text(*read, &asked).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const View rest(data + 1, size - 1);
  Logons logons;
  logons.all_public = (data[0] & 2U) != 0;
  const Tables tables;
  if ((data[0] & 8U) != 0 && !rest.empty()) made_up(rest, logons);
  else if ((data[0] & 1U) == 0) requests(rest, logons);
  else responses(rest, logons, (data[0] & 4U) != 0 ? &tables : nullptr);
  return 0;
}
