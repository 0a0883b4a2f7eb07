// The lexical level: real bytes, every type, cuts at every place, the writer's
// splits.
#include <gtest/gtest.h>

#include <set>

#include "wire/fxics/stream_writer.h"

namespace mapigate::wire::fxics {
namespace {

Bytes hex(std::string_view text) {
  Bytes out;
  EXPECT_TRUE(from_hex(text, out)) << text;
  return out;
}

// The start of a hierarchySync from an Exchange server, printed and explained in "How to parse the
// FastTransfer Stream" (Microsoft Open Specifications blog, 2015-09-16).
const char* const hierarchy_sync =
    "03 00 12 40 02 01 E1 65 00 00 00 00 02 01 E0 65 16 00 00 00 52 F6 85 EC 7D 43 2E 4A A9 60 34 50"
    "88 53 D9 0A 00 00 00 00 03 F5 40 00 08 30 00 D0 9E A8 81 85 D0 01 02 01 E2 65 16 00 00 00 52 F6"
    "85 EC 7D 43 2E 4A A9 60 34 50 88 53 D9 0A 00 00 00 00 20 7C 02 01 E3 65 17 00 00 00 16 52 F6 85"
    "EC 7D 43 2E 4A A9 60 34 50 88 53 D9 0A 00 00 00 00 20 7C 1F 00 01 30 0C 00 00 00 49 00 4E 00 42"
    "00 4F 00 58 00 00 00 14 00 49 67 01 00 00 00 00 00 03 F4 03 00 39 66 FB 03 00 00 40 00 07 30 80"
    "39 06 A8 81 85 D0 01 0B 00 F4 10 00 00";

// Says in a line each what it heard.
class Log final : public StreamSink {
 public:
  std::vector<std::string> lines;
  std::size_t largest_piece = 0;
  Status marker(Marker marker) override {
    lines.emplace_back(name_of(marker));
    return {};
  }
  Status property(const PropDef& definition, std::uint32_t count) override {
    auto line = fmt::format("{:08x}", definition.tag.value);
    if (definition.name) line += definition.name->lid ? fmt::format(" lid {:x}", *definition.name->lid) : " name " + definition.name->name;
    if (count != 1) line += fmt::format(" x{}", count);
    lines.push_back(line + ":");
    return {};
  }
  Status fixed(View bytes) override {
    lines.back() += " " + to_hex(bytes);
    return {};
  }
  Status begin_value(std::uint32_t size) override {
    lines.back() += fmt::format(" [{}]", size);
    return {};
  }
  Status piece(View bytes) override {
    EXPECT_FALSE(bytes.empty());
    largest_piece = std::max(largest_piece, bytes.size());
    lines.back() += to_hex(bytes);
    return {};
  }
  Status end_value() override {
    lines.back() += ";";
    return {};
  }
  Status end_property() override { return {}; }
};

Result<std::vector<std::string>> read(View bytes, std::size_t piece, StreamLimits limits = {}) {
  Log log;
  StreamReader reader(log, limits);
  for (std::size_t at = 0; at < bytes.size(); at += piece)
    if (const auto fed = reader.feed(bytes.subspan(at, std::min(piece, bytes.size() - at))); !fed) return fed.error();
  if (const auto finished = reader.finish(); !finished) return finished.error();
  EXPECT_LE(log.largest_piece, piece);
  EXPECT_EQ(reader.offset(), bytes.size());
  return log.lines;
}

TEST(FastTransferReader, RealHierarchySync) {
  const auto bytes = hex(hierarchy_sync);
  ASSERT_EQ(bytes.size(), 173u);
  const std::vector<std::string> expected = {
      "IncrSyncChg",
      "65e10102: [0];",                                                // PidTagParentSourceKey: below the root
      "65e00102: [22]52f685ec7d432e4aa96034508853d90a0000000003f5;",   // PidTagSourceKey
      "30080040: 00d09ea88185d001",                                    // PidTagLastModificationTime
      "65e20102: [22]52f685ec7d432e4aa96034508853d90a00000000207c;",   // PidTagChangeKey
      "65e30102: [23]1652f685ec7d432e4aa96034508853d90a00000000207c;", // PidTagPredecessorChangeList
      "3001001f: [12]49004e0042004f0058000000;",                       // PidTagDisplayName
      "67490014: 01000000000003f4",                                    // PidTagParentFolderId
      "66390003: fb030000",                                            // PidTagRights
      "30070040: 803906a88185d001",                                    // PidTagCreationTime
      "10f4000b: 0000",                                                // PidTagAttributeHidden: two bytes
  };
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    const auto lines = read(bytes, piece);
    ASSERT_TRUE(lines) << lines.error().message;
    EXPECT_EQ(*lines, expected) << piece;
  }
}

TEST(FastTransferReader, WhatIsReadIsRepeated) {
  const auto bytes = hex(hierarchy_sync);
  StreamWriter writer;
  Repeater repeater(writer);
  StreamReader reader(repeater);
  ASSERT_TRUE(reader.feed(bytes) && reader.finish());
  Bytes out;
  EXPECT_EQ(writer.take(100000, out), bytes.size());
  EXPECT_EQ(to_hex(out), to_hex(bytes));
}

TEST(FastTransferReader, NamesAndTypes) {
  const auto heard = [](std::string_view text) {
    const auto bytes = hex(text);
    const auto whole = read(bytes, bytes.size());
    if (!whole) return whole.error().message;
    EXPECT_EQ(*whole, *read(bytes, 1));
    std::string out;
    for (const auto& line : *whole) out += line + "|";
    return out;
  };
  constexpr const char* set = "0820060000000000C000000000000046";
  EXPECT_EQ(heard(fmt::format("0300 0180 {} 00 10850000 07000000", set)), "80010003 lid 8510: 07000000|");
  EXPECT_EQ(heard(fmt::format("1F00 0280 {} 01 4100 4200 0000 04000000 5800 0000", set)), "8002001f name AB: [4]58000000;|");
  EXPECT_EQ(heard(fmt::format("0300 0280 {} 01 0000 07000000", set)), "80020003 name : 07000000|");
  // 0x84E4 is code page 1252, 0x84B0 UTF-16.
  EXPECT_EQ(heard("E484 3700 03000000 E46200"), "003784e4: [3]e46200;|");
  EXPECT_EQ(heard("B084 3700 04000000 E400 0000"), "003784b0: [4]e4000000;|");
  EXPECT_EQ(heard("0310 1060 02000000 01000000 02000000"), "60101003 x2: 01000000 02000000|");
  EXPECT_EQ(heard("1F10 1060 02000000 02000000 0000 04000000 41000000"), "6010101f x2: [2]0000; [4]41000000;|");
  EXPECT_EQ(heard("0211 1060 00000000 03000C40"), "60101102 x0:|StartMessage|");
  // PtypInteger32 by its tag, a binary value in the stream.
  EXPECT_EQ(heard("0300 1740 03000000 AABBCC"), "40170003: [3]aabbcc;|");
  EXPECT_EQ(heard("0201 1740 03000000 AABBCC"), "40170102: [3]aabbcc;|");
  EXPECT_EQ(heard("0D00 0137 02000000 D0CF"), "3701000d: [2]d0cf;|");
  EXPECT_EQ(heard("0D00 0137 FFFFFFFF 03000E40"), "3701000d: [4294967295];|EndAttach|");
  EXPECT_EQ(heard("4800 1060 000102030405060708090A0B0C0D0E0F"), "60100048: 000102030405060708090a0b0c0d0e0f|");
  EXPECT_EQ(heard("FB00 1060 01000000 01"), "601000fb: [1]01;|");
  EXPECT_EQ(heard("0300 1640 0D00120E"), "40160003: 0d00120e|");
}

TEST(FastTransferReader, MalformedStreamsNameTheProperty) {
  const auto problem = [](std::string_view text, StreamLimits limits = {}) {
    const auto lines = read(hex(text), 3, limits);
    return lines ? std::string("accepted") : lines.error().message;
  };
  const auto expect = [&](std::string_view text, std::string_view why, StreamLimits limits = {}) {
    const auto message = problem(text, limits);
    EXPECT_NE(message.find(why), std::string::npos) << message;
  };
  expect("0300", "ends in a marker or property tag at offset 2");
  expect("1F00 0130 0400", "PidTagDisplayName 0x3001001f at offset 0: the stream ends in it");
  expect("03000C40 1F00 0130 04000000 4100", "at offset 4: the stream ends in it");
  expect("0900 3412", "0x12340009 at offset 0: its type cannot stand in a stream");
  expect("FD00 3412", "its type cannot stand in a stream");
  expect("0000 3412", "its type cannot stand in a stream");
  expect("0300 0180 0820060000000000C000000000000046 02", "its kind of name");
  StreamLimits limits;
  limits.value_size = 10;
  limits.value_count = 2;
  limits.name_size = 4;
  expect("0201 1060 0B000000", "is larger than allowed", limits);
  expect("0310 1060 03000000", "has too many values", limits);
  expect("1F00 0280 0820060000000000C000000000000046 01 4100 4200", "its name is too long", limits);
}

TEST(FastTransferReader, ReadsNothingBehindAnError) {
  Log log;
  StreamReader reader(log);
  EXPECT_FALSE(reader.feed(hex("0900 3412")));
  EXPECT_FALSE(reader.feed(hex("03000C40")));
  EXPECT_FALSE(reader.finish());
  EXPECT_TRUE(log.lines.empty());
}

TEST(FastTransferReader, ValuesAreThoseOfRops) {
  const auto decoded = [](std::uint32_t tag, std::string_view bytes) {
    static Bytes kept;
    kept = hex(bytes);
    PropDef definition{mapi::PropertyTag(tag), {}, *layout_of(mapi::PropertyTag(tag))};
    return *decode_value(definition, kept);
  };
  EXPECT_EQ(mapi::text_of(decoded(0x0037001F, "41004200 0000")), "AB");
  EXPECT_EQ(mapi::text_of(decoded(0x0037001F, "41004200")), "AB");  // its terminator is missing
  EXPECT_EQ(mapi::text_of(decoded(0x0037001E, "414200")), "AB");
  EXPECT_EQ(mapi::text_of(decoded(0x003784B0, "41000000")), "A");
  EXPECT_EQ(mapi::number_of(decoded(0x10F4000B, "0100")), 1);
  EXPECT_EQ(mapi::number_of(decoded(0x60101003, "07000000")), 7);
  EXPECT_EQ(decoded(0x40170003, "0102").get<View>()->size(), 2u);
}

// --- the writer

struct Sample {
  Arena arena;
  std::vector<mapi::TaggedValue> values;
  mapi::PropertyName number{mapi::PSETID_Common, 0x8510, {}};
  mapi::PropertyName text{mapi::PS_PUBLIC_STRINGS, {}, "Keywords"};

  Sample() {
    using mapi::Value;
    const auto add = [&](std::uint32_t tag, Value value) { values.push_back({mapi::PropertyTag(tag), value}); };
    add(0x60100002, Value::integer16(-2));
    add(0x00170003, Value::integer32(1));
    add(0x60110014, Value::integer64(-1));
    add(0x0E1F000B, Value::boolean(true));
    add(0x60120004, {mapi::PropertyType::PtypFloating32, 1.5F});
    add(0x60130005, {mapi::PropertyType::PtypFloating64, 2.5});
    add(0x60140006, {mapi::PropertyType::PtypCurrency, mapi::Currency{12345}});
    add(0x60150007, {mapi::PropertyType::PtypFloatingTime, 40000.0});
    add(0x00390040, Value::time({132000000000000000}));
    add(0x60160048, Value::guid(mapi::PS_MAPI));
    add(0x6017000A, Value::error(0x8004010F));
    add(0x0037001F, Value::string(arena, "Übersicht"));
    add(0x0070001E, Value::string8("plain"));
    add(0x10090102, Value::binary(arena.copy(View(Bytes(3000, 0x5A)))));
    add(0x80010003, Value::integer32(7));
    const Utf16 words[] = {to_utf16(arena, "Red"), to_utf16(arena, "")};
    add(0x8002101F, {mapi::PropertyType::PtypMultipleString, arena.copy(std::span<const Utf16>(words))});
    const std::int32_t numbers[] = {1, 2, 3};
    add(0x60181003, {mapi::PropertyType::PtypMultipleInteger32, arena.copy(std::span<const std::int32_t>(numbers))});
    add(0x40170003, Value::binary(arena.copy(View(Bytes(20, 1)))));
  }
  void write(StreamWriter& writer) const {
    writer.marker(Marker::StartMessage);
    for (const auto& value : values) {
      const auto* name = !value.tag.named() ? nullptr : value.tag.id() == 0x8001 ? &number : &text;
      const auto written = writer.property(value, name);
      EXPECT_TRUE(written) << written.error().message;
    }
    writer.marker(Marker::EndMessage);
  }
};

TEST(FastTransferWriter, BuffersSplitOnlyWhereTheSpecificationAllows) {
  const Sample sample;
  StreamWriter whole_writer;
  sample.write(whole_writer);
  Bytes whole;
  whole_writer.take(1 << 20, whole);
  // Within values any place is allowed, elsewhere only the borders of atoms: found by feeding byte by byte.
  const auto expected = *read(whole, whole.size());
  class Places final : public StreamSink {
   public:
    std::set<std::uint64_t> allowed{0};
    const StreamReader* reader = nullptr;
    std::uint64_t value_at = 0;
    Status at() {
      allowed.insert(reader->offset());
      return {};
    }
    Status marker(Marker) override { return at(); }
    Status property(const PropDef& definition, std::uint32_t) override {
      // The count of a multiple value is an atom of its own, told only behind it.
      if (definition.layout.form == Layout::Form::multiple_fixed || definition.layout.form == Layout::Form::multiple_variable)
        allowed.insert(reader->offset() - 4);
      return at();
    }
    Status fixed(View) override { return at(); }
    Status begin_value(std::uint32_t) override {
      value_at = reader->offset();
      return at();
    }
    Status piece(View bytes) override {
      for (std::size_t i = 0; i <= bytes.size(); ++i) allowed.insert(value_at + i);
      value_at += bytes.size();
      return {};
    }
    Status end_value() override { return {}; }
    Status end_property() override { return {}; }
  } places;
  StreamReader reader(places);
  places.reader = &reader;
  ASSERT_TRUE(reader.feed(whole) && reader.finish());

  for (std::size_t room = 48; room < 700; ++room) {
    StreamWriter writer;
    sample.write(writer);
    EXPECT_EQ(writer.written(), whole.size());
    Bytes out;
    while (writer.available() != 0) {
      const auto taken = writer.take(room, out);
      ASSERT_GT(taken, 0u);
      ASSERT_LE(taken, room);
      EXPECT_TRUE(places.allowed.contains(out.size())) << room << ": split at " << out.size();
      // A long value fills the buffer to its last byte.
      EXPECT_TRUE(out.size() <= 1500 || out.size() >= 2500 || taken == room);
    }
    ASSERT_EQ(out, whole);
  }
  EXPECT_EQ(expected.front(), "StartMessage");
  EXPECT_EQ(expected.back(), "EndMessage");
  EXPECT_EQ(expected.size(), sample.values.size() + 2);
}

TEST(FastTransferWriter, AnAtomLargerThanTheBufferStays) {
  StreamWriter writer;
  const mapi::PropertyName name{mapi::PS_PUBLIC_STRINGS, {}, std::string(100, 'n')};
  ASSERT_TRUE(writer.property(mapi::PropertyTag(0x80010003), mapi::Value::integer32(1), &name));
  Bytes out;
  EXPECT_EQ(writer.take(100, out), 0u);
  EXPECT_EQ(writer.take(4 + 17 + 202, out), 4u + 17 + 202);
  EXPECT_EQ(writer.available(), 4u);
}

TEST(FastTransferWriter, BigValuesComeInPieces) {
  StreamWriter writer;
  constexpr std::uint32_t size = 300000;
  ASSERT_TRUE(writer.begin_value(mapi::PidTagHtml, size));
  Bytes out;
  std::size_t most = 0;
  Bytes chunk(5000, 'x');
  while (writer.value_left() != 0) {
    ASSERT_TRUE(writer.piece(chunk));
    most = std::max(most, writer.available());
    while (writer.available() >= 4096) writer.take(4096, out);
  }
  EXPECT_LT(most, 10000u);
  EXPECT_FALSE(writer.piece(chunk));
  ASSERT_TRUE(writer.integer32(mapi::PropertyTag(0x00170003), 1));
  writer.take(1 << 20, out);
  EXPECT_EQ(out.size(), 8 + size + 8);
  EXPECT_TRUE(read(out, 999));
}

TEST(FastTransferWriter, RefusesWhatTheStreamCannotHold) {
  StreamWriter writer;
  EXPECT_FALSE(writer.integer32(mapi::PropertyTag(0x80010003), 1)) << "a named property without a name";
  EXPECT_FALSE(writer.integer32(mapi::PropertyTag(0x0037001F), 1));
  EXPECT_FALSE(writer.property(mapi::PropertyTag(0x67480014), mapi::Value::integer32(1)));
  EXPECT_FALSE(writer.property(mapi::PropertyTag(0x001700FD), mapi::Value::integer32(1)));
  EXPECT_FALSE(writer.integer32(mapi::PropertyTag(static_cast<std::uint32_t>(Marker::StartMessage)), 1));
  EXPECT_EQ(writer.written(), 0u);
  ASSERT_TRUE(writer.begin_value(mapi::PidTagHtml, 2));
  EXPECT_FALSE(writer.integer32(mapi::PropertyTag(0x00170003), 1)) << "within a value";
}

TEST(FastTransferWriter, CodePageStrings) {
  StreamWriter writer;
  ASSERT_TRUE(writer.code_page_string(0x0037, 1252, "\xE4"));
  ASSERT_TRUE(writer.code_page_string(0x0037, 1200, std::string_view("A\0", 2)));
  Bytes out;
  writer.take(1000, out);
  EXPECT_EQ(to_hex(out), "e484370002000000e400" "b0843700" "04000000" "41000000");
}

}  // namespace
}  // namespace mapigate::wire::fxics
