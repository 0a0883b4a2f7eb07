// Every ROP: built at random, written, read and written again; cut short at each
// byte; and given lying counts. The examples of the specifications are in
// rop_examples_test.cc.
#include <gtest/gtest.h>

#include "mapi/properties.h"
#include "wire/rop/random_source.h"
#include "wire/rop/rops.h"
#include "wire/rop/trackers.h"

namespace mapigate::wire {
namespace {

struct PublicLogons : LogonSource {
  explicit PublicLogons(bool all) : all(all) {}
  bool is_public(std::uint8_t) const override { return all; }
  bool all;
};
struct OneColumnSet : ColumnSource {
  std::vector<mapi::PropertyTag> columns;
  std::optional<Columns> columns_of(std::uint32_t) const override { return Columns(columns); }
};

Bytes payload_of(View rops, std::size_t handles = 1) {
  Bytes out;
  Output output(out);
  output.scalar(static_cast<std::uint16_t>(rops.size() + 2));
  output.bytes(rops);
  for (std::size_t i = 0; i < handles; ++i) output.scalar(static_cast<std::uint32_t>(0x10 + i));
  return out;
}

// A random request of this kind, or nothing when chance broke its own rules.
std::optional<RopRequest> random_request(const RopCodec& codec, RandomSource& source, Arena& arena, bool public_logon) {
  FieldBuilder builder(source, arena);
  RopRequest out;
  out.id = codec.id;
  out.codec = &codec;
  out.LogonId = static_cast<std::uint8_t>(source.below(3));
  out.body = codec.build_request(builder, arena, {public_logon});
  if (source.failed()) return {};
  return out;
}

constexpr std::uint64_t seeds = 60;
constexpr std::uint64_t least_usable = 8;

TEST(Rop, IdsAndNamesAreUnique) {
  EXPECT_EQ(all_rops().size(), 132u);
  for (const auto& codec : all_rops()) {
    EXPECT_EQ(find_rop(codec.id), &codec) << codec.name;
    EXPECT_EQ(find_rop(std::string_view(codec.name)), &codec);
  }
  EXPECT_EQ(find_rop(static_cast<RopId>(0x00)), nullptr);
  EXPECT_EQ(find_rop("RopNoSuch"), nullptr);
}

TEST(Rop, EveryRequestSurvivesTheRoundTrip) {
  for (const auto& codec : all_rops()) {
    if (codec.read_request == nullptr) continue;
    std::uint64_t usable = 0;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      SCOPED_TRACE(fmt::format("{} seed {}", codec.name, seed));
      Arena arena;
      RandomSource source(seed << 8 | static_cast<std::uint8_t>(codec.id));
      const PublicLogons logons(seed % 2 != 0);
      const auto request = random_request(codec, source, arena, logons.all);
      if (!request) continue;
      ++usable;
      Bytes bytes;
      const auto written = encode_request(*request, bytes);
      ASSERT_TRUE(written) << written.error().message;
      const auto payload = payload_of(bytes);
      auto read = decode_requests(payload, arena, &logons);
      ASSERT_TRUE(read) << read.error().message;
      ASSERT_EQ(read->problem, "");
      ASSERT_EQ(read->rops.size(), 1u);
      EXPECT_EQ(read->rops[0].LogonId, request->LogonId);
      Bytes again;
      ASSERT_TRUE(encode_request(read->rops[0], again));
      EXPECT_EQ(to_hex(again, ' '), to_hex(bytes, ' '));
    }
    EXPECT_GE(usable, least_usable) << codec.name;
  }
}

// A row of columns without bytes of their own is one byte on the wire; its cells are not to fill the memory.
TEST(Rop, CellsAreBoundedByTheBytesThereAre) {
  Arena arena;
  std::vector<mapi::PropertyTag> columns(4000, mapi::PropertyTag(0x3001, mapi::PropertyType::PtypNull));
  RopRequestBuffer requests;
  RopQueryRows::Request query;
  requests.rops.push_back(make_request<RopQueryRows>(arena, 0, 0, query));
  OneColumnSet tables;
  tables.columns = columns;
  for (const unsigned rows : {1U, 2000U}) {
    Bytes response{0x15, 0, 0, 0, 0, 0, 0};
    Output(response).scalar(static_cast<std::uint16_t>(rows));
    response.resize(response.size() + rows);
    Arena values;
    const auto read = decode_responses(payload_of(response), values, &requests, &tables);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->problem.empty(), rows == 1) << read->problem;
    EXPECT_LT(values.used(), std::size_t{1} << 20);
  }
}

// One random response with what is needed to read it.
struct Sample {
  Arena arena;
  RopRequestBuffer requests;
  OneColumnSet source;
  ResponseContext context;
  RopResponse response;
  Bytes bytes;
};

constexpr mapi::ErrorCode return_values[] = {mapi::ecNone, mapi::ecNone, mapi::ecNone, mapi::ecNone,
                                             mapi::ecDstNullObject, mapi::ecWrongServer, mapi::ecServerBusy,
                                             mapi::ecWarnWithErrors, mapi::ecNotFound};

bool make_sample(const RopCodec& codec, std::uint64_t seed, Sample& sample) {
  RandomSource random(seed << 8 | static_cast<std::uint8_t>(codec.id));
  sample.source.columns = random.columns();
  if (codec.response_has_head) {
    auto request = random_request(codec, random, sample.arena, false);
    if (!request) return false;
    sample.requests.rops.push_back(*request);
    sample.context.request = &sample.requests.rops[0];
    sample.context.ReturnValue = return_values[seed % std::size(return_values)];
  }
  sample.context.columns = sample.source.columns;
  auto& response = sample.response;
  response.id = codec.id;
  response.codec = &codec;
  response.ReturnValue = sample.context.ReturnValue;
  FieldBuilder builder(random, sample.arena);
  if (codec.response_has_body(response.ReturnValue))
    response.body = codec.build_response(builder, sample.arena, sample.context);
  if (random.failed()) return false;
  const auto written = encode_response(response, sample.bytes, sample.context);
  EXPECT_TRUE(written) << codec.name << ": " << written.error().message;
  return written.has_value();
}

TEST(Rop, EveryResponseSurvivesTheRoundTrip) {
  for (const auto& codec : all_rops()) {
    if (!codec.has_response) continue;
    std::uint64_t usable = 0;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      SCOPED_TRACE(fmt::format("{} seed {}", codec.name, seed));
      Sample sample;
      if (!make_sample(codec, seed, sample)) continue;
      ++usable;
      Arena arena;
      const auto payload = payload_of(sample.bytes);
      auto read = decode_responses(payload, arena, &sample.requests, &sample.source);
      ASSERT_TRUE(read) << read.error().message;
      ASSERT_EQ(read->problem, "");
      ASSERT_EQ(read->rops.size(), 1u);
      EXPECT_EQ(read->rops[0].ReturnValue, sample.response.ReturnValue);
      EXPECT_EQ(read->rops[0].request, codec.response_has_head ? 0 : -1);
      Bytes again;
      ASSERT_TRUE(encode_response(read->rops[0], again, context_of(read->rops[0], &sample.requests)));
      EXPECT_EQ(to_hex(again, ' '), to_hex(sample.bytes, ' '));
    }
    EXPECT_GE(usable, least_usable) << codec.name;
  }
}

// ROPs and opaque rest together are always the whole list.
template <class Buffer>
std::size_t covered(const Buffer& buffer) {
  auto size = buffer.opaque.size();
  for (const auto& rop : buffer.rops) size += rop.raw.size();
  return size;
}

TEST(Rop, TruncationLeavesTheRestOpaque) {
  for (const auto& codec : all_rops()) {
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
      SCOPED_TRACE(fmt::format("{} seed {}", codec.name, seed));
      if (codec.read_request != nullptr) {
        Arena arena;
        RandomSource source(seed << 8 | static_cast<std::uint8_t>(codec.id));
        Bytes bytes;
        if (const auto request = random_request(codec, source, arena, false); request && encode_request(*request, bytes)) {
          for (std::size_t size = 0; size < bytes.size(); ++size) {
            const auto payload = payload_of(View(bytes).first(size));
            const auto read = decode_requests(payload, arena);
            ASSERT_TRUE(read);
            EXPECT_TRUE(read->rops.empty()) << size << " of " << bytes.size();
            EXPECT_EQ(covered(*read), size);
            EXPECT_EQ(read->problem.empty(), size == 0);
          }
        }
      }
      Sample sample;
      if (!codec.has_response || !make_sample(codec, seed, sample)) continue;
      for (std::size_t size = 0; size < sample.bytes.size(); ++size) {
        const auto payload = payload_of(View(sample.bytes).first(size));
        const auto read = decode_responses(payload, sample.arena, &sample.requests, &sample.source);
        ASSERT_TRUE(read);
        EXPECT_EQ(covered(*read), size);
        // An error may end after ReturnValue; RopBufferTooSmall takes what there is.
        const bool whole = codec.id == RopId::RopBufferTooSmall || (size == 6 && sample.response.ReturnValue != mapi::ecNone);
        if (!whole) {
          EXPECT_EQ(read->problem.empty(), size == 0) << size << " of " << sample.bytes.size();
        }
      }
    }
  }
}

TEST(Rop, LyingCountsDoNotAllocate) {
  std::size_t worst = 0;
  for (const auto& codec : all_rops()) {
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      Sample sample;
      Bytes request;
      Arena scratch;
      RandomSource source(seed << 8 | static_cast<std::uint8_t>(codec.id));
      if (codec.read_request != nullptr)
        if (const auto made = random_request(codec, source, scratch, false)) (void)encode_request(*made, request);
      const bool response = codec.has_response && make_sample(codec, seed, sample);
      // Every pair of bytes in turn becomes the largest count there is.
      for (std::size_t at = 3; at + 1 < request.size(); ++at) {
        auto lie = request;
        lie[at] = lie[at + 1] = 0xFF;
        Arena arena(256);
        const auto payload = payload_of(lie);
        ASSERT_TRUE(decode_requests(payload, arena));
        worst = std::max(worst, arena.used() / payload.size());
      }
      for (std::size_t at = 1; response && at + 1 < sample.bytes.size(); ++at) {
        auto lie = sample.bytes;
        lie[at] = lie[at + 1] = 0xFF;
        Arena arena(256);
        const auto payload = payload_of(lie);
        ASSERT_TRUE(decode_responses(payload, arena, &sample.requests, &sample.source));
        worst = std::max(worst, arena.used() / payload.size());
      }
    }
  }
  EXPECT_LT(worst, 400u);  // bytes of arena for each byte of input
}

// A RopRestrict with these bytes as its restriction.
RopRequestBuffer restricted(View restriction, Arena& arena) {
  Bytes rop{0x14, 0, 0, 0, static_cast<std::uint8_t>(restriction.size()), static_cast<std::uint8_t>(restriction.size() >> 8)};
  rop.insert(rop.end(), restriction.begin(), restriction.end());
  const auto bytes = payload_of(rop);
  auto read = decode_requests(arena.copy(View(bytes)), arena);
  EXPECT_TRUE(read);
  return read ? std::move(*read) : RopRequestBuffer{};
}

// The stack has an end: a restriction may be the value in a restriction as well as its child.
TEST(Restrictions, NestingIsBoundedThroughValuesToo) {
  const auto nested = [](std::size_t levels) {
    Bytes out;
    for (std::size_t i = 0; i < levels; ++i) {
      for (const int byte : {0x0A, 1, 0xFD, 0x00, 0x34, 0x12}) out.push_back(static_cast<std::uint8_t>(byte));  // a comment with one value
    }
    for (const int byte : {0x08, 0x1F, 0x00, 0x37, 0x00}) out.push_back(static_cast<std::uint8_t>(byte));
    out.insert(out.end(), levels, 0);  // no child
    return out;
  };
  Arena arena;
  const auto deep = restricted(nested(9000), arena);
  EXPECT_TRUE(deep.rops.empty());
  EXPECT_NE(deep.problem.find("nested too deeply"), std::string::npos) << deep.problem;
  const auto fine = restricted(nested(mapi::max_restriction_depth - 1), arena);
  ASSERT_EQ(fine.rops.size(), 1u) << fine.problem;
  Bytes again;
  ASSERT_TRUE(encode_request(fine.rops[0], again));
  EXPECT_TRUE(std::equal(again.begin(), again.end(), fine.rops[0].raw.begin(), fine.rops[0].raw.end()));
}

// Each of these counts could be true by itself; together they are not.
TEST(Restrictions, CountsOfAllLevelsMustFitTogether) {
  Bytes bytes;
  for (int i = 0; i < 60; ++i) {
    for (const int byte : {0x00, 0x40, 0x4B}) bytes.push_back(static_cast<std::uint8_t>(byte));  // 19264 children
  }
  bytes.resize(60000);
  Arena arena;
  const auto read = restricted(bytes, arena);
  EXPECT_NE(read.problem.find("count exceeds what is left"), std::string::npos) << read.problem;
  EXPECT_LT(arena.used(), 10'000'000u);
  // As many as there is room for: none of the inner ones has children.
  Bytes flat{0x00, 0x10, 0x27};
  flat.resize(3 + 10000 * 3);
  const auto most = restricted(flat, arena);
  EXPECT_EQ(most.problem, "");
}

TEST(RopBuffer, RopSizeAndHandleTableAreChecked) {
  Arena arena;
  EXPECT_FALSE(decode_requests({}, arena));
  for (const auto* hex : {"00", "0100", "0300", "ffff0000", "020001", "02000102 03"}) {
    Bytes bytes;
    ASSERT_TRUE(from_hex(hex, bytes));
    const auto read = decode_requests(bytes, arena);
    ASSERT_FALSE(read) << hex;
    EXPECT_EQ(read.error().code, Errc::malformed);
    EXPECT_FALSE(decode_responses(bytes, arena, nullptr, nullptr)) << hex;
  }
  Bytes empty;
  ASSERT_TRUE(from_hex("0200 ffffffff 07000000", empty));
  const auto read = decode_requests(empty, arena);
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->rops.empty());
  EXPECT_EQ(read->handles, (std::vector<std::uint32_t>{no_handle, 7}));
}

TEST(RopBuffer, AnUnknownRopMakesTheRestOpaque) {
  Bytes list;
  ASSERT_TRUE(from_hex("010000 000000 010000", list));
  Arena arena;
  const auto payload = payload_of(list);
  auto read = decode_requests(payload, arena);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->rops.size(), 1u);
  EXPECT_EQ(read->rops[0].id, RopId::RopRelease);
  EXPECT_EQ(to_hex(read->opaque), "000000010000");
  EXPECT_EQ(read->problem, "RopId 0x00 is unknown");
  Bytes again;
  ASSERT_TRUE(encode_requests(*read, again));
  EXPECT_EQ(again, payload);
}

TEST(RopBuffer, TooManyBytesForRopSizeAreRefused) {
  Arena arena;
  RopRequestBuffer buffer;
  const Bytes data(40000);
  for (int i = 0; i < 2; ++i) buffer.rops.push_back(make_request<RopWriteStream>(arena, 0, 0, {data}));
  Bytes out{1, 2, 3};
  const auto status = encode_requests(buffer, out);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::limit);
  EXPECT_EQ(out.size(), 3u);
}

// A contents table opened, given columns and read in one buffer.
struct TableExchange {
  Arena arena;
  RopRequestBuffer requests;
  RopResponseBuffer responses;
  Bytes payload;
  std::vector<mapi::PropertyTag> tags{mapi::PidTagSubject, mapi::PidTagMessageSize};

  TableExchange() {
    requests.handles = {5, no_handle};
    RopGetContentsTable::Request open;
    open.OutputHandleIndex = 1;
    requests.rops.push_back(make_request<RopGetContentsTable>(arena, 0, 0, open));
    requests.rops.push_back(make_request<RopSetColumns>(arena, 0, 1, {0, tags}));
    requests.rops.push_back(make_request<RopRelease>(arena, 0, 0, {}));
    requests.rops.push_back(make_request<RopQueryRows>(arena, 0, 1, {0, true, 10}));
    responses.handles = {5, 9};
    responses.rops.push_back(make_response<RopGetContentsTable>(arena, 1, {1}));
    responses.rops.push_back(make_response<RopSetColumns>(arena, 1, {}));
    responses.rops.push_back(rows());
    EXPECT_TRUE(encode_responses(responses, payload, &requests));
  }
  RopResponse rows() {
    auto values = arena.make_span<mapi::Value>(2);
    values[0] = mapi::Value::string(arena, "Hello");
    values[1] = mapi::Value::integer32(1234);
    auto row = arena.make_span<PropertyRow>(1);
    row[0].values = values;
    auto out = make_response<RopQueryRows>(arena, 1, {BOOKMARK_END, row});
    out.columns = tags;
    return out;
  }
};

TEST(RopBuffer, RowsUseTheColumnsSetInTheSameBuffer) {
  TableExchange exchange;
  const auto read = decode_responses(exchange.payload, exchange.arena, &exchange.requests, nullptr);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->problem, "");
  ASSERT_EQ(read->rops.size(), 3u);
  EXPECT_EQ(read->rops[2].request, 3);  // RopRelease has no response
  const auto* rows = read->rops[2].as<RopQueryRows>();
  ASSERT_NE(rows, nullptr);
  ASSERT_EQ(rows->RowData.size(), 1u);
  EXPECT_EQ(mapi::text_of(rows->RowData[0].values[0]), "Hello");
  EXPECT_EQ(mapi::number_of(rows->RowData[0].values[1]), 1234);
}

TEST(RopBuffer, RowsOfUnknownColumnsAreOpaque) {
  TableExchange exchange;
  const auto read = decode_responses(exchange.payload, exchange.arena, nullptr, nullptr);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->rops.size(), 2u);
  EXPECT_NE(read->problem.find("columns of the table are unknown"), std::string::npos) << read->problem;
  EXPECT_EQ(read->opaque.size(), exchange.payload.size() - 2 - 8 - 10 - 7);
}

TEST(ColumnTracker, RemembersUntilReleaseOrReset) {
  TableExchange exchange;
  auto read = decode_responses(exchange.payload, exchange.arena, &exchange.requests, nullptr);
  ASSERT_TRUE(read);
  ColumnTracker tracker;
  tracker.watch(exchange.requests, *read);
  const auto columns = tracker.columns_of(9);
  ASSERT_TRUE(columns);
  EXPECT_TRUE(std::equal(columns->begin(), columns->end(), exchange.tags.begin(), exchange.tags.end()));
  EXPECT_FALSE(tracker.columns_of(5));

  // A later buffer: rows only.
  RopRequestBuffer later;
  later.handles = {9};
  later.rops.push_back(make_request<RopQueryRows>(exchange.arena, 0, 0, {}));
  RopResponseBuffer answer;
  answer.handles = {9};
  auto rows = exchange.rows();
  rows.HandleIndex = 0;
  answer.rops.push_back(rows);
  Bytes payload;
  ASSERT_TRUE(encode_responses(answer, payload, &later));
  const auto decoded = decode_responses(payload, exchange.arena, &later, &tracker);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->problem, "");

  RopRequestBuffer release;
  release.handles = {9};
  release.rops.push_back(make_request<RopRelease>(exchange.arena, 0, 0, {}));
  tracker.watch(release, {});
  EXPECT_FALSE(tracker.columns_of(9));
}

TEST(ColumnTracker, IsBounded) {
  ColumnTracker tracker(3);
  Arena arena;
  const mapi::PropertyTag tag = mapi::PidTagSubject;
  for (std::uint32_t handle = 1; handle <= 10; ++handle) {
    RopRequestBuffer requests;
    requests.handles = {handle};
    requests.rops.push_back(make_request<RopSetColumns>(arena, 0, 0, {0, {&tag, 1}}));
    RopResponseBuffer responses;
    responses.handles = {handle};
    responses.rops.push_back(make_response<RopSetColumns>(arena, 0, {}));
    responses.rops[0].request = 0;
    tracker.watch(requests, responses);
  }
  EXPECT_EQ(tracker.size(), 3u);
  EXPECT_FALSE(tracker.columns_of(7));
  EXPECT_TRUE(tracker.columns_of(8));
}

TEST(LogonTracker, TellsPublicLogons) {
  Arena arena;
  RopRequestBuffer requests;
  requests.rops.push_back(make_request<RopLogon>(arena, 1, 0, {}));
  requests.rops.push_back(make_request<RopLogon>(arena, 2, 1, {}));
  RopResponseBuffer responses;
  RopLogon::Response store;
  store.LogonFlags = 0;
  responses.rops.push_back(make_response<RopLogon>(arena, 0, store));
  store.LogonFlags = RopLogon::Private;
  responses.rops.push_back(make_response<RopLogon>(arena, 1, store));
  for (int i = 0; i < 2; ++i) responses.rops[static_cast<std::size_t>(i)].request = i;
  LogonTracker tracker;
  tracker.watch(requests, responses);
  EXPECT_TRUE(tracker.is_public(1));
  EXPECT_FALSE(tracker.is_public(2));
}

TEST(RopBuffer, ProgressStandsForItsOperation) {
  Arena arena;
  RopRequestBuffer requests;
  requests.rops.push_back(make_request<RopEmptyFolder>(arena, 0, 0, {true, false}));
  requests.rops.push_back(make_request<RopProgress>(arena, 0, 0, {}));
  requests.rops.push_back(make_request<RopGetStoreState>(arena, 0, 0, {}));
  RopResponseBuffer responses;
  responses.rops.push_back(make_response<RopProgress>(arena, 0, {0, 1, 2}));
  responses.rops.push_back(make_response<RopEmptyFolder>(arena, 0, {}));
  responses.rops.push_back(make_response<RopGetStoreState>(arena, 0, {}));
  Bytes payload;
  ASSERT_TRUE(encode_responses(responses, payload, &requests));
  const auto read = decode_responses(payload, arena, &requests, nullptr);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->problem, "");
  ASSERT_EQ(read->rops.size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(read->rops[static_cast<std::size_t>(i)].request, i);
}

// [MS-OXCROPS] 2.2.6.10.2, 2.2.9.2.2 and others have their fields in errors too; not all servers send them.
TEST(RopBuffer, ErrorsWithoutFieldsDoNotHideWhatFollows) {
  Arena arena;
  RopRequestBuffer requests;
  requests.rops.push_back(make_request<RopSetReadFlags>(arena, 0, 1, {}));
  requests.rops.push_back(make_request<RopReadStream>(arena, 0, 2, {}));
  requests.rops.push_back(make_request<RopDeleteMessages>(arena, 0, 1, {}));
  RopOpenFolder::Request open;
  open.OutputHandleIndex = 3;
  requests.rops.push_back(make_request<RopOpenFolder>(arena, 0, 0, open));
  const auto check = [&](const Bytes& list, bool with_fields) {
    const auto payload = payload_of(list);
    const auto read = decode_responses(payload, arena, &requests, nullptr);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->problem, "");
    ASSERT_EQ(read->rops.size(), 4u);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(read->rops[static_cast<std::size_t>(i)].request, i);
    EXPECT_EQ(read->rops[0].as<RopSetReadFlags>() != nullptr, with_fields);
    EXPECT_EQ(read->rops[1].as<RopReadStream>() != nullptr, with_fields);
    EXPECT_EQ(read->rops[2].as<RopDeleteMessages>() != nullptr, with_fields);
    ASSERT_NE(read->rops[3].as<RopOpenFolder>(), nullptr);
    EXPECT_TRUE(read->rops[3].as<RopOpenFolder>()->HasRules);
    auto anew = *read;
    for (auto& rop : anew.rops) rop.raw = {};
    Bytes again;
    ASSERT_TRUE(encode_responses(anew, again, &requests));
    EXPECT_EQ(to_hex(again, ' '), to_hex(payload, ' '));
  };
  const Bytes opened{0x02, 3, 0, 0, 0, 0, 1, 0};
  Bytes bare{0x66, 1, 0x0F, 0x01, 0x04, 0x80, 0x2C, 2, 0x0F, 0x01, 0x04, 0x80, 0x1E, 1, 0x0F, 0x01, 0x04, 0x80};
  bare.insert(bare.end(), opened.begin(), opened.end());
  check(bare, false);
  Bytes whole{0x66, 1, 0x0F, 0x01, 0x04, 0x80, 1, 0x2C, 2, 0x0F, 0x01, 0x04, 0x80, 0, 0, 0x1E, 1, 0x0F, 0x01, 0x04, 0x80, 0};
  whole.insert(whole.end(), opened.begin(), opened.end());
  check(whole, true);
}

TEST(Rop, HandleIndexesAreFound) {
  Arena arena;
  RopOpenFolder::Request open;
  open.OutputHandleIndex = 4;
  const auto folder = make_request<RopOpenFolder>(arena, 0, 2, open);
  EXPECT_EQ(folder.codec->output_handle_index(folder), 4);
  EXPECT_FALSE(folder.codec->second_handle_index(folder));
  EXPECT_STREQ(folder.codec->handle_name, "InputHandleIndex");
  const auto logon = make_request<RopLogon>(arena, 0, 3, {});
  EXPECT_EQ(logon.codec->output_handle_index(logon), 3);
  RopMoveCopyMessages::Request move;
  move.DestHandleIndex = 6;
  const auto copy = make_request<RopMoveCopyMessages>(arena, 0, 1, move);
  EXPECT_EQ(copy.codec->second_handle_index(copy), 6);
  RopSaveChangesMessage::Request save;
  save.InputHandleIndex = 7;
  const auto saved = make_request<RopSaveChangesMessage>(arena, 0, 1, save);
  EXPECT_EQ(saved.codec->second_handle_index(saved), 7);
  EXPECT_FALSE(saved.codec->output_handle_index(saved));
}

}  // namespace
}  // namespace mapigate::wire
