// GLOBSET and IDSET: the examples of [MS-OXCFXICS], set operations against a
// std::set, encodings against a plain encoder, hostile bytes.
#include "wire/fxics/idset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace mapigate::wire::fxics {
namespace {

Bytes hex(std::string_view text) {
  Bytes out;
  EXPECT_TRUE(from_hex(text, out)) << text;
  return out;
}

Result<GlobSet> read(std::string_view text) {
  const auto bytes = hex(text);
  Cursor cursor(bytes);
  std::size_t budget = max_ranges_read;
  auto set = read_globset(cursor, budget);
  if (cursor.ok() && cursor.left() != 0) cursor.fail("bytes are left over");
  if (!cursor.ok()) return cursor.error("GLOBSET");
  return set;
}

Bytes written(const GlobSet& set) {
  Bytes out;
  write_globset(set, out);
  return out;
}

std::string text(const GlobSet& set) {
  std::string out;
  for (const auto& range : set.ranges()) out += fmt::format("{:x}-{:x} ", range.low, range.high);
  return out;
}

TEST(Globset, BitmaskOfTheSpecification) {
  // "Bitmask Command": low-order bytes 01-03, 05, 07-09 are StartingValue 01 and Bitmask EB.
  const auto set = read("05 00 00 00 00 00 42 01 EB 50 00");
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(text(*set), "1-3 5-5 7-9 ");
  EXPECT_EQ(to_hex(written(*set)), "05000000000042" "01eb5000");
}

TEST(Idset, ExampleOfTheSpecification) {
  // "Serialization of an IDSET Structure Example": REPLID 1 with 5, 6 and 0x10, REPLID 2 with 9.
  ReplIdSet set;
  for (const auto value : {0x5, 0x6, 0x10}) set.insert(1, static_cast<mapi::GlobalCounter>(value));
  set.insert(2, 9);
  const auto bytes = write_idset(set);
  const auto again = read_idset<std::uint16_t>(bytes);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, set);
  // The same, as a Range, a Push of the last byte and a Push of all six.
  const auto other = read_idset<std::uint16_t>(hex("0100 05 0000000000 52 05 06 01 10 50 00 0200 06 000000000009 00"));
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_EQ(*other, set);
  EXPECT_EQ(to_hex(bytes), "0100050000000000520506011050000200" "0600000000000900");
}

TEST(Idset, ReplguidsAscendByTheirBytes) {
  const auto a = *mapi::guid_from_string("ff000000-0000-0000-0000-000000000000");  // bytes 00 00 00 ff
  const auto b = *mapi::guid_from_string("00000001-0000-0000-0000-000000000000");  // bytes 01 00 00 00
  ReplGuidSet set;
  set.insert(b, 2);
  set.insert(a, 1);
  set.of(mapi::Guid{}).clear();  // an empty one is not written
  const auto bytes = write_idset(set);
  EXPECT_EQ(to_hex(bytes), "000000ff000000000000000000000000" "0600000000000100"
                           "01000000000000000000000000000000" "0600000000000200");
  EXPECT_EQ(*read_idset<mapi::Guid>(bytes), set);
  EXPECT_TRUE(read_idset<mapi::Guid>({})->empty());
  EXPECT_TRUE(write_idset(ReplGuidSet{}).empty());
}

TEST(Globset, AnyValidEncodingIsRead) {
  // Nested pushes, a singleton by a push that completes six bytes, ranges at every depth, out of order, overlapping.
  const auto set = read("02 AA BB 04 01 02 03 04 01 CC 52 10 11 12 20 21 22 50 50 00");
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(text(*set), "aabb01020304-aabb01020304 aabbcc101112-aabbcc202122 ");
  const auto overlapping = read("06 000000000020 52 000000000001 000000000010 52 000000000008 00000000001F 00");
  ASSERT_TRUE(overlapping);
  EXPECT_EQ(text(*overlapping), "1-20 ");
  EXPECT_EQ(text(*read("00")), "");
  EXPECT_EQ(text(*read("52 000000000000 FFFFFFFFFFFF 00")), "0-ffffffffffff ");
}

TEST(Globset, ShortestEncodings) {
  const auto expect = [](std::initializer_list<Range> ranges, std::string_view encoding) {
    const auto bytes = written(GlobSet(ranges));
    EXPECT_EQ(to_hex(bytes), to_hex(hex(encoding)));
    EXPECT_EQ(text(*read(to_hex(bytes))), text(GlobSet(ranges)));
  };
  expect({}, "00");
  expect({{7, 7}}, "06 000000000007 00");
  expect({{1, 0x1F345}}, "03 000000 52 000001 01F345 50 00");
  // One common byte is not worth its Push and Pop.
  expect({{1, 0x0100000000}}, "52 000000000001 000100000000 00");
  expect({{0x10, 0x15}, {0x17, 0x18}}, "05 0000000000 42 10 DF 50 00");
  // A range that a bitmask cannot hold to its end.
  expect({{0, 0}, {2, 2}, {6, 11}, {13, 13}, {15, 15}}, "05 0000000000 42 00 E2 42 09 2B 50 00");
  expect({{1, 200}}, "05 0000000000 52 01 C8 50 00");
  expect({{0x10000000000, 0x10000000000}, {0x20000000000, 0x20000000000}}, "06 010000000000 06 020000000000 00");
  // Groups in groups.
  expect({{0x0101, 0x0101}, {0x0103, 0x0103}, {0x0201, 0x0201}, {0x0203, 0x0203}},
         "04 00000000 01 01 42 01 02 50 01 02 42 01 02 50 50 00");
}

TEST(Globset, MalformedEncodingsAreRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "truncated"},
      {"06 0000", "CommonBytes"},
      {"07", "not known"},
      {"43 00", "not known"},
      {"FF", "not known"},
      {"50 00", "Pop of an empty"},
      {"05 0000000000 00", "End while bytes are left"},
      {"04 00000000 42 01 01 50 00", "Bitmask without five bytes"},
      {"05 0000000000 02 0000", "more than six"},
      {"05 0000000000 42 FC 10 50 00", "beyond the low-order byte"},
      {"52 000000000002 000000000001 00", "less than LowValue"},
      {"52 000000000002 0000", "HighValue"},
  };
  for (const auto& [bytes, why] : cases) {
    const auto set = read(bytes);
    ASSERT_FALSE(set) << bytes;
    EXPECT_NE(set.error().message.find(why), std::string::npos) << bytes << ": " << set.error().message;
  }
}

TEST(Idset, RangesAndReplicasAreLimited) {
  Bytes many(2, 1);
  for (int i = 0; i < 100; ++i) {
    const auto one = hex("06 000000000001 06 000000000003");
    many.insert(many.end(), one.begin(), one.end());
  }
  many.push_back(0);
  Cursor cursor(View(many).subspan(2));
  std::size_t budget = 50;
  read_globset(cursor, budget);
  EXPECT_FALSE(cursor.ok());

  Bytes replicas;
  for (std::size_t i = 0; i <= max_replicas_read; ++i)
    for (const auto byte : {i & 0xFF, i >> 8, std::size_t{0}}) replicas.push_back(static_cast<std::uint8_t>(byte));
  const auto refused = read_idset<std::uint16_t>(replicas);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("too many replicas"), std::string::npos);
}

// A set as single values, to compare with.
using Values = std::set<mapi::GlobalCounter>;

Values values_of(const GlobSet& set) {
  Values out;
  mapi::GlobalCounter last = 0;
  bool first = true;
  for (const auto& range : set.ranges()) {
    EXPECT_LE(range.low, range.high);
    EXPECT_TRUE(first || range.low > last + 1) << "ranges touch";
    first = false;
    last = range.high;
    for (auto v = range.low; v <= range.high; ++v) out.insert(v);
  }
  return out;
}

TEST(Globset, OperationsAgreeWithSetsOfValues) {
  std::mt19937 random(7);
  const auto number = [&](unsigned limit) { return static_cast<mapi::GlobalCounter>(random() % limit); };
  for (int round = 0; round < 200; ++round) {
    GlobSet a, b;
    Values x, y;
    const unsigned spread = 20 + round * 3;
    for (int i = 0; i < 40; ++i) {
      auto& set = i % 2 == 0 ? a : b;
      auto& values = i % 2 == 0 ? x : y;
      const auto low = number(spread);
      const auto high = low + number(6);
      if (number(5) == 0) {
        set.erase(low, high);
        for (auto v = low; v <= high; ++v) values.erase(v);
      } else {
        set.insert(low, high);
        for (auto v = low; v <= high; ++v) values.insert(v);
      }
    }
    ASSERT_EQ(values_of(a), x);
    ASSERT_EQ(values_of(b), y);
    EXPECT_EQ(a.size(), x.size());
    Values expected;
    std::set_union(x.begin(), x.end(), y.begin(), y.end(), std::inserter(expected, expected.end()));
    EXPECT_EQ(values_of(united(a, b)), expected);
    expected.clear();
    std::set_difference(x.begin(), x.end(), y.begin(), y.end(), std::inserter(expected, expected.end()));
    EXPECT_EQ(values_of(difference(a, b)), expected);
    expected.clear();
    std::set_intersection(x.begin(), x.end(), y.begin(), y.end(), std::inserter(expected, expected.end()));
    EXPECT_EQ(values_of(intersection(a, b)), expected);
    for (unsigned v = 0; v < spread + 8; ++v) EXPECT_EQ(a.contains(v), x.contains(v));
    EXPECT_TRUE(united(a, b).contains(b));
    EXPECT_EQ(a.contains(b), std::includes(x.begin(), x.end(), y.begin(), y.end()));
  }
}

TEST(Globset, ManyValuesInAnyOrder) {
  std::vector<mapi::GlobalCounter> order;
  for (mapi::GlobalCounter v = 1; v <= 30000; ++v) order.push_back(v * 2);
  std::shuffle(order.begin(), order.end(), std::mt19937(3));
  GlobSet set;
  for (const auto v : order) set.insert(v);
  EXPECT_EQ(set.ranges().size(), 30000u);
  EXPECT_TRUE(set.contains(4000) && !set.contains(4001));
  for (const auto v : order) set.insert(v + 1);
  EXPECT_EQ(set.ranges().size(), 1u);
  EXPECT_EQ(set.size(), 60000u);
}

// How long a plain encoder makes it: pushes whatever all members of a group share, one command a range.
std::size_t plain_size(const std::vector<Range>& ranges, std::size_t first, std::size_t last, unsigned depth) {
  const auto top = [](mapi::GlobalCounter v, unsigned bytes) { return v >> (8 * (6 - bytes)); };
  std::size_t size = 0;
  for (auto i = first; i < last;) {
    auto end = i + 1;
    if (depth < 5 && top(ranges[i].low, depth + 1) == top(ranges[i].high, depth + 1)) {
      while (end < last && top(ranges[end].high, depth + 1) == top(ranges[i].low, depth + 1)) ++end;
    }
    if (end - i > 1) size += 3 + plain_size(ranges, i, end, depth + 1);
    else size += ranges[i].low == ranges[i].high ? 1 + 6 - depth : 1 + 2 * (6 - depth);
    i = end;
  }
  return size;
}

TEST(Globset, RandomSetsSurviveAndAreShort) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 400; ++round) {
    GlobSet set;
    const auto bits = 4 + random() % 44;
    const auto count = random() % 200;
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto low = random() & ((std::uint64_t{1} << bits) - 1);
      const auto high = std::min(low + (random() % 3 == 0 ? random() % 300 : 0), mapi::max_global_counter);
      set.insert(low, high);
    }
    const auto bytes = written(set);
    Cursor cursor(bytes);
    std::size_t budget = max_ranges_read;
    const auto again = read_globset(cursor, budget);
    ASSERT_TRUE(cursor.ok() && cursor.left() == 0) << cursor.error("GLOBSET").message;
    ASSERT_EQ(text(again), text(set));
    const std::vector<Range> ranges(set.ranges().begin(), set.ranges().end());
    EXPECT_LE(bytes.size(), 1 + plain_size(ranges, 0, ranges.size(), 0));
    // Cut short anywhere it is refused.
    for (std::size_t cut = 0; cut < bytes.size(); cut += 1 + bytes.size() / 50) {
      Cursor part(View(bytes).first(cut));
      read_globset(part, budget);
      EXPECT_FALSE(part.ok());
    }
  }
}

}  // namespace
}  // namespace mapigate::wire::fxics
