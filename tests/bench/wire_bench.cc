// The codecs against memcpy, zlib and std::merge on one core. Prints a JSON object a line:
// what, ours, theirs (nanoseconds for one round), peer; tests/bench/wire.py makes ratios of them.
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <random>

#include "base/time.h"
#include "mapi/properties.h"
#include "wire/fxics/globset.h"
#include "wire/mapihttp/bodies.h"
#include "wire/rop/rops.h"
#include "wire/rpc/header_ext.h"
#include "wire/rpc/lz77.h"

namespace mapigate::wire {
namespace {

volatile std::size_t kept = 0;  // what is computed must not be optimised away

// Nanoseconds of one call: the best of several runs, since other work on the machine only adds.
template <class Work>
double time_of(Work work) {
  work();
  std::size_t rounds = 1;
  double best = 1e18;
  for (int run = 0; run < 9;) {
    const auto start = Clock::now();
    for (std::size_t i = 0; i < rounds; ++i) work();
    const auto spent = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    if (spent < 30e6) {
      rounds *= spent < 1e6 ? 16 : 2;
      continue;
    }
    best = std::min(best, spent / static_cast<double>(rounds));
    ++run;
  }
  return best;
}

void report(const char* what, double ours, double theirs, const char* peer) {
  std::printf("{\"what\": \"%s\", \"ours\": %.1f, \"theirs\": %.1f, \"peer\": \"%s\"}\n", what, ours, theirs, peer);
}

// What Outlook sends when a user reads his way through a folder: fifty ROPs in one Execute.
Bytes typical_execute(Arena& arena) {
  using namespace mapi;
  static constexpr PropertyTag columns[] = {PidTagFolderId, PidTagMid, PidTagSubject, PidTagSenderName,
    PidTagMessageDeliveryTime, PidTagMessageFlags, PidTagMessageSize, PidTagHasAttachments, PidTagMessageClass};
  static constexpr SortOrder orders[] = {{PidTagMessageDeliveryTime, SortOrder::Descending}};
  RopRequestBuffer buffer;
  const auto add = [&](RopRequest request) { buffer.rops.push_back(request); };
  for (std::uint64_t i = 0; buffer.rops.size() < 50; ++i) {
    const Id folder(1, 0x100 + i), message(1, 0x10000 + i);
    add(make_request<RopOpenFolder>(arena, 0, 0, {.OutputHandleIndex = 1, .FolderId = folder}));
    add(make_request<RopGetContentsTable>(arena, 0, 1, {.OutputHandleIndex = 2}));
    add(make_request<RopSetColumns>(arena, 0, 2, {.PropertyTags = columns}));
    add(make_request<RopSortTable>(arena, 0, 2, {.SortOrders = orders}));
    add(make_request<RopQueryRows>(arena, 0, 2, {.RowCount = 50}));
    add(make_request<RopOpenMessage>(arena, 0, 0, {.OutputHandleIndex = 3, .FolderId = folder, .MessageId = message}));
    add(make_request<RopGetPropertiesSpecific>(arena, 0, 3, {.PropertyTags = columns}));
    add(make_request<RopOpenStream>(arena, 0, 3, {.OutputHandleIndex = 4, .PropertyTag = PidTagHtml}));
    add(make_request<RopReadStream>(arena, 0, 4, {.ByteCount = 4096}));
    add(make_request<RopRelease>(arena, 0, 4, {}));
  }
  buffer.handles = {1, no_handle, no_handle, no_handle, no_handle};
  Bytes payload;
  if (!encode_requests(buffer, payload)) std::abort();
  return payload;
}

void bench_rops() {
  Arena arena;
  const auto payload = typical_execute(arena);
  Bytes wrapped;
  if (!rpc::write_extended_buffer(payload, true, {}, wrapped)) std::abort();
  Bytes body;
  const mapihttp::Execute::Request request{.RopBuffer = wrapped, .MaxRopOut = 0x10008, .AuxiliaryBuffer = {}};
  if (!encode("Execute", request, body, CountWidth::wide)) std::abort();
  Bytes copy(body.size());
  const double copied = time_of([&] {
    std::memcpy(copy.data(), body.data(), body.size());
    asm volatile("" : : "r"(copy.data()) : "memory");
  });
  Bytes out;
  Arena scratch(64 * 1024);
  const double opaque = time_of([&] {
    const auto read = decode<mapihttp::Execute::Request>("Execute", body, scratch, CountWidth::wide);
    out.clear();
    if (!read || !encode("Execute", *read, out, CountWidth::wide)) std::abort();
    kept = out.size();
  });
  if (out != body) std::abort();
  Bytes again;
  const double typed = time_of([&] {
    Arena values(16 * 1024);
    auto read = decode_requests(payload, values);
    if (!read || !read->problem.empty()) std::abort();
    for (auto& rop : read->rops) rop.raw = {};  // as if each had been edited
    again.clear();
    if (!encode_requests(*read, again)) std::abort();
    kept = again.size();
  });
  if (again != payload) std::abort();
  report("Execute of 50 ROPs, opaque", opaque, copied, "memcpy");
  report("Execute of 50 ROPs, every field", typed, copied, "memcpy");
}

// Text with the repetition of mail: words by a Zipf-like choice, in headers and markup.
Bytes mail_like(std::size_t size) {
  std::mt19937 random(7);
  std::vector<std::string> words;
  for (int i = 0; i < 2000; ++i) {
    std::string word;
    for (unsigned n = 2 + random() % 8; n > 0; --n) word += static_cast<char>('a' + random() % 26);
    words.push_back(word);
  }
  std::string text;
  while (text.size() < size) {
    const double u = std::uniform_real_distribution<double>(0, 1)(random);
    text += words[static_cast<std::size_t>(static_cast<double>(words.size() - 1) * u * u * u)];
    text += random() % 12 == 0 ? "</p>\r\n<p class=\"MsoNormal\">" : " ";
  }
  text.resize(size);
  return to_bytes(as_view(text));
}

void bench_compression() {
  constexpr std::size_t size = 0x8000;
  const auto plain = mail_like(size);
  Bytes ours;
  const double compress = time_of([&] {
    ours.clear();
    rpc::lz77_compress(plain, ours);
  });
  Bytes theirs(compressBound(size));
  uLongf length = 0;
  const double deflate_one = time_of([&] {
    length = theirs.size();
    if (compress2(theirs.data(), &length, plain.data(), size, 1) != Z_OK) std::abort();
  });
  Bytes back;
  const double decompress = time_of([&] {
    back.clear();
    if (!rpc::lz77_decompress(ours, size, back)) std::abort();
  });
  if (back != plain) std::abort();
  Bytes inflated(size);
  const double inflate_one = time_of([&] {
    uLongf got = size;
    if (uncompress(inflated.data(), &got, theirs.data(), length) != Z_OK) std::abort();
  });
  report("LZ77, 32 KiB: compress", compress, deflate_one, "zlib -1");
  report("LZ77, 32 KiB: decompress", decompress, inflate_one, "zlib");
  report("LZ77, 32 KiB: compressed bytes", static_cast<double>(ours.size()), static_cast<double>(length), "zlib -1");
}

void bench_sets() {
  std::mt19937_64 random(3);
  const auto make = [&] {
    std::vector<fxics::Range> ranges;
    mapi::GlobalCounter at = 1;
    for (int i = 0; i < 100'000; ++i) {
      at += 2 + random() % 50;
      const auto low = at;
      at += random() % 30;
      ranges.push_back({low, at});
    }
    return ranges;
  };
  const auto a = make(), b = make();
  const fxics::GlobSet set_a(a), set_b(b);
  const auto before = [](const fxics::Range& x, const fxics::Range& y) { return x.low < y.low; };
  const double merged = time_of([&] {
    std::vector<fxics::Range> out(a.size() + b.size());
    std::merge(a.begin(), a.end(), b.begin(), b.end(), out.begin(), before);
    kept = out.size();
  });
  const double unite = time_of([&] { kept = united(set_a, set_b).ranges().size(); });
  const double subtract = time_of([&] { kept = difference(set_a, set_b).ranges().size(); });
  report("IDSET union, 100,000 ranges each", unite, merged, "std::merge");
  report("IDSET difference, 100,000 ranges each", subtract, merged, "std::merge");
}

}  // namespace
}  // namespace mapigate::wire

int main() {
  mapigate::wire::bench_rops();
  mapigate::wire::bench_compression();
  mapigate::wire::bench_sets();
}
