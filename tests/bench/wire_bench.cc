// The codecs against memcpy, zlib and std::merge on one core. Prints a JSON object a line:
// what, ours, theirs (nanoseconds of processor time for one round), peer, or a note; tests/bench/wire.py makes ratios of them.
#include <time.h>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <random>

#include "mapi/properties.h"
#include "wire/fxics/globset.h"
#include "wire/mapihttp/bodies.h"
#include "wire/rop/rops.h"
#include "wire/rpc/header_ext.h"
#include "wire/rpc/lz77.h"

namespace mapigate::wire {
namespace {

volatile std::size_t kept = 0;  // what is computed must not be optimised away

// Nanoseconds that this thread has had a processor.
double processor_time() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e9 * static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec);
}

// Nanoseconds of one call: the best of several runs, since other work on the machine only adds.
template <class Work>
double time_of(Work work) {
  work();
  std::size_t rounds = 1;
  double best = 1e18;
  for (int run = 0; run < 9;) {
    const auto start = processor_time();
    for (std::size_t i = 0; i < rounds; ++i) work();
    const auto spent = processor_time() - start;
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

// What the two sides of a conversation know of it.
struct Execute {
  Arena arena;
  Bytes requests, responses;
  std::size_t values = 0;  // property values in the responses
};

// Outlook, online, shows a folder and reads its way through it; then a flag is set on the last message.
// Fifty ROPs in one Execute, and what a server answers to them.
constexpr const char* mix =
    "OpenFolder, GetContentsTable, SetColumns (14), SortTable, QueryRows (50 rows), Release; six times OpenMessage (3 "
    "recipients), GetPropertiesSpecific (22), OpenStream, GetStreamSize, ReadStream (1.5 KiB), Release, Release; SetProperties, "
    "SaveChangesMessage";

mapi::Value sample_value(Arena& arena, mapi::PropertyTag tag, std::uint64_t i) {
  using namespace mapi;
  switch (tag.type()) {
    case PropertyType::PtypInteger32: return Value::integer32(static_cast<std::int32_t>(i * 77));
    case PropertyType::PtypInteger64: return Value::integer64(static_cast<std::int64_t>(i << 16 | 1));
    case PropertyType::PtypBoolean: return Value::boolean(i % 3 == 0);
    case PropertyType::PtypTime: return Value::time({0x01DA000000000000 + (i << 30)});
    case PropertyType::PtypString: return Value::string(arena, fmt::format("Minutes of the {}th meeting", i));
    case PropertyType::PtypBinary: return Value::binary(arena.copy(View(Bytes(46, static_cast<std::uint8_t>(i)))));
    default: std::abort();
  }
}

PropertyRow sample_row(Arena& arena, Columns columns, std::uint64_t i, bool some_missing) {
  auto values = arena.make_span<mapi::Value>(columns.size());
  for (std::size_t c = 0; c < columns.size(); ++c) values[c] = sample_value(arena, columns[c], i + c);
  if (some_missing) values[columns.size() - 1] = mapi::Value::error(static_cast<std::uint32_t>(mapi::ecNotFound));
  return {static_cast<std::uint8_t>(some_missing ? 1 : 0), values};
}

void typical_execute(Execute& out) {
  using namespace mapi;
  static constexpr PropertyTag columns[] = {PidTagFolderId, PidTagMid, PidTagInstID, PidTagInstanceNum, PidTagSubject,
    PidTagSenderName, PidTagMessageDeliveryTime, PidTagMessageFlags, PidTagMessageSize, PidTagHasAttachments,
    PidTagMessageClass, PidTagImportance, PidTagIconIndex, PidTagLastModificationTime};
  static constexpr PropertyTag asked[] = {PidTagSubject, PidTagMessageClass, PidTagMessageFlags, PidTagMessageSize,
    PidTagSenderName, PidTagSenderEmailAddress, PidTagSenderEntryId, PidTagSentRepresentingName,
    PidTagSentRepresentingEntryId, PidTagMessageDeliveryTime, PidTagClientSubmitTime, PidTagCreationTime,
    PidTagLastModificationTime, PidTagSearchKey, PidTagChangeKey, PidTagConversationIndex, PidTagConversationTopic,
    PidTagDisplayTo, PidTagDisplayCc, PidTagHasAttachments, PidTagImportance, PidTagInternetMessageId};
  static constexpr PropertyTag recipient_columns[] = {PidTagObjectType, PidTagDisplayType, PidTagSmtpAddress};
  static constexpr SortOrder orders[] = {{PidTagMessageDeliveryTime, SortOrder::Descending}};
  auto& arena = out.arena;
  RopRequestBuffer requests;
  RopResponseBuffer responses;
  const auto add = [&](RopRequest request, std::optional<RopResponse> response) {
    requests.rops.push_back(request);
    if (!response) return;
    response->request = static_cast<int>(requests.rops.size()) - 1;
    if (request.id == RopId::RopQueryRows) response->columns = Columns(columns);
    responses.rops.push_back(*response);
  };
  const Id folder(1, 0x100);
  const auto text = mail_like(6 * 1536);
  add(make_request<RopOpenFolder>(arena, 0, 0, {.OutputHandleIndex = 1, .FolderId = folder}),
      make_response<RopOpenFolder>(arena, 1, {}));
  add(make_request<RopGetContentsTable>(arena, 0, 1, {.OutputHandleIndex = 2}),
      make_response<RopGetContentsTable>(arena, 2, {.RowCount = 1234}));
  add(make_request<RopSetColumns>(arena, 0, 2, {.PropertyTags = columns}), make_response<RopSetColumns>(arena, 2, {}));
  add(make_request<RopSortTable>(arena, 0, 2, {.SortOrders = orders}), make_response<RopSortTable>(arena, 2, {}));
  auto rows = arena.make_span<PropertyRow>(50);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = sample_row(arena, columns, i, i % 5 == 0);
  out.values += rows.size() * std::size(columns);
  add(make_request<RopQueryRows>(arena, 0, 2, {.RowCount = 50}),
      make_response<RopQueryRows>(arena, 2, {.RowData = rows}));
  add(make_request<RopRelease>(arena, 0, 2, {}), {});
  for (std::uint64_t i = 0; i < 6; ++i) {
    auto recipients = arena.make_span<OpenRecipientRow>(3);
    for (auto& one : recipients) {
      one.RecipientType = 1;
      one.RecipientRow.RecipientFlags = RecipientRow::E | RecipientRow::D | RecipientRow::U | RecipientRow::S | std::uint16_t{RecipientRow::SMTP};
      one.RecipientRow.EmailAddress.unicode = to_utf16(arena, "someone@example.com");
      one.RecipientRow.DisplayName.unicode = to_utf16(arena, "Someone Else");
      one.RecipientRow.RecipientColumnCount = std::size(recipient_columns);
      one.RecipientRow.RecipientProperties = sample_row(arena, recipient_columns, i, false);
    }
    add(make_request<RopOpenMessage>(arena, 0, 0, {.OutputHandleIndex = 3, .FolderId = folder, .MessageId = Id(1, 0x10000 + i)}),
        make_response<RopOpenMessage>(arena, 3, {.SubjectPrefix = TypedString::of(to_utf16(arena, "RE: ")),
          .NormalizedSubject = TypedString::of(to_utf16(arena, "Minutes of the meeting")), .RecipientCount = 3,
          .RecipientColumns = recipient_columns, .RecipientRows = recipients}));
    add(make_request<RopGetPropertiesSpecific>(arena, 0, 3, {.PropertyTags = asked}),
        make_response<RopGetPropertiesSpecific>(arena, 3, {.RowData = sample_row(arena, asked, i, true)}));
    out.values += std::size(asked) + 3 * std::size(recipient_columns);
    add(make_request<RopOpenStream>(arena, 0, 3, {.OutputHandleIndex = 4, .PropertyTag = PidTagHtml}),
        make_response<RopOpenStream>(arena, 4, {.StreamSize = 1536}));
    add(make_request<RopGetStreamSize>(arena, 0, 4, {}), make_response<RopGetStreamSize>(arena, 4, {.StreamSize = 1536}));
    add(make_request<RopReadStream>(arena, 0, 4, {.ByteCount = 4096}),
        make_response<RopReadStream>(arena, 4, {.Data = arena.copy(View(text).subspan(i * 1536, 1536))}));
    add(make_request<RopRelease>(arena, 0, 4, {}), {});
    add(make_request<RopRelease>(arena, 0, 3, {}), {});
  }
  auto values = arena.make_span<TaggedValue>(3);
  values[0] = {PidTagFlagStatus, Value::integer32(2)};
  values[1] = {PidTagFollowupIcon, Value::integer32(6)};
  values[2] = {PidTagSubject, sample_value(arena, PidTagSubject, 1)};
  add(make_request<RopSetProperties>(arena, 0, 3, {.PropertyValues = values}), make_response<RopSetProperties>(arena, 3, {}));
  add(make_request<RopSaveChangesMessage>(arena, 0, 3, {.InputHandleIndex = 3}),
      make_response<RopSaveChangesMessage>(arena, 3, {.InputHandleIndex = 3, .MessageId = Id(1, 0x10005)}));
  requests.handles = responses.handles = {1, 2, 3, 4, 5};
  if (requests.rops.size() != 50) std::abort();
  if (!encode_requests(requests, out.requests) || !encode_responses(responses, out.responses, &requests)) std::abort();
}

double time_of_copy(View bytes) {
  Bytes copy(bytes.size());
  return time_of([&] {
    std::memcpy(copy.data(), bytes.data(), bytes.size());
    asm volatile("" : : "r"(copy.data()) : "memory");
  });
}

void bench_rops() {
  Execute execute;
  typical_execute(execute);
  const auto& [arena, payload, answer, value_count] = execute;
  Bytes wrapped;
  if (!rpc::write_extended_buffer(payload, true, {}, wrapped)) std::abort();
  Bytes body;
  const mapihttp::Execute::Request request{.RopBuffer = wrapped, .MaxRopOut = 0x10008, .AuxiliaryBuffer = {}};
  if (!encode("Execute", request, body, CountWidth::wide)) std::abort();
  Bytes out;
  Arena scratch(64 * 1024);
  Bytes reply_body, reply_out;
  Bytes wrapped_reply;
  if (!rpc::write_extended_buffer(answer, true, {}, wrapped_reply)) std::abort();
  const mapihttp::Execute::Response response{.StatusCode = 0, .ErrorCode = mapi::ecNone, .Flags = 0, .RopBuffer = wrapped_reply, .AuxiliaryBuffer = {}};
  if (!encode("Execute", response, reply_body, CountWidth::wide)) std::abort();
  const double opaque = time_of([&] {
    const auto asked = decode<mapihttp::Execute::Request>("Execute", body, scratch, CountWidth::wide);
    out.clear();
    if (!asked || !encode("Execute", *asked, out, CountWidth::wide)) std::abort();
    const auto said = decode<mapihttp::Execute::Response>("Execute", reply_body, scratch, CountWidth::wide);
    reply_out.clear();
    if (!said || !encode("Execute", *said, reply_out, CountWidth::wide)) std::abort();
    kept = out.size() + reply_out.size();
  });
  if (out != body || reply_out != reply_body) std::abort();
  Arena values(64 * 1024);
  Bytes again, answer_again;
  // Raw bytes are forgotten, as if each ROP had been edited.
  const auto pass_requests = [&] {
    auto read = decode_requests(payload, values);
    if (!read || !read->problem.empty()) std::abort();
    for (auto& rop : read->rops) rop.raw = {};
    again.clear();
    if (!encode_requests(*read, again)) std::abort();
    kept = again.size();
    return read;
  };
  const double asking = time_of([&] {
    values.clear();
    (void)pass_requests();
  });
  const double both = time_of([&] {
    values.clear();
    const auto requests = pass_requests();
    auto read = decode_responses(answer, values, &*requests, nullptr);
    if (!read || !read->problem.empty()) std::abort();
    for (auto& rop : read->rops) rop.raw = {};
    answer_again.clear();
    if (!encode_responses(*read, answer_again, &*requests)) std::abort();
    kept = answer_again.size();
  });
  if (again != payload || answer_again != answer) std::abort();
  Bytes all = payload;
  all.insert(all.end(), answer.begin(), answer.end());
  std::printf("{\"note\": \"Execute: %s. %zu bytes of requests, %zu of replies with %zu values\"}\n", mix, payload.size(),
              answer.size(), value_count);
  const double copied = time_of_copy(payload);
  report("Execute of 50 ROPs and reply, opaque", opaque, time_of_copy(all), "memcpy");
  report("Execute of 50 ROPs and reply, every field", both, time_of_copy(all), "memcpy");
  report("its requests alone, every field", asking, copied, "memcpy");
}

void bench_compression(const char* what, View plain) {
  Bytes ours;
  const double compress = time_of([&] {
    ours.clear();
    rpc::lz77_compress(plain, ours);
  });
  Bytes theirs(compressBound(plain.size()));
  uLongf length = 0;
  const double deflate_one = time_of([&] {
    length = theirs.size();
    if (compress2(theirs.data(), &length, plain.data(), plain.size(), 1) != Z_OK) std::abort();
  });
  Bytes back;
  const double decompress = time_of([&] {
    back.clear();
    if (!rpc::lz77_decompress(ours, plain.size(), back)) std::abort();
  });
  if (!equal(back, plain)) std::abort();
  Bytes inflated(plain.size());
  const double inflate_one = time_of([&] {
    uLongf got = inflated.size();
    if (uncompress(inflated.data(), &got, theirs.data(), length) != Z_OK) std::abort();
  });
  const auto name = fmt::format("LZ77, {} of {} bytes", what, plain.size());
  report((name + ": compress").c_str(), compress, deflate_one, "zlib -1");
  report((name + ": decompress").c_str(), decompress, inflate_one, "zlib");
  report((name + ": compressed bytes").c_str(), static_cast<double>(ours.size()), static_cast<double>(length), "zlib -1");
}

void bench_compression() {
  Execute execute;
  typical_execute(execute);
  bench_compression("the reply", execute.responses);
  bench_compression("random words", mail_like(0x8000));
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
