#include "wire/ndr/nspi_values.h"

#include <gtest/gtest.h>

#include "mapi/errors.h"

namespace mapigate::wire::ndr {
namespace {

using mapi::PropertyType;

// Through NDR's bytes and back.
std::vector<mapi::TaggedValue> over_the_wire(Arena& arena, std::span<const mapi::TaggedValue> values) {
  nspi::NspiGetProps::Out out;
  out.ppRows = to_ndr(arena, values);
  Bytes stub;
  EXPECT_TRUE(encode("NspiGetProps", out, stub).has_value());
  const auto kept = arena.copy(View(stub));
  nspi::NspiGetProps::Out back;
  EXPECT_TRUE(decode("NspiGetProps", kept, false, arena, back).has_value());
  std::vector<mapi::TaggedValue> read;
  for (const auto& one : back.ppRows->lpProps) read.push_back(from_ndr(arena, one));
  return read;
}

TEST(NdrNspiValues, all_types) {
  Arena arena;
  const std::int16_t shorts[] = {1, -2};
  const std::int32_t longs[] = {3, -4, 5};
  const View binaries[] = {as_view("ab"), View()};
  const mapi::String8 narrows[] = {{"x"}, {"yy"}};
  const Utf16 wides[] = {to_utf16(arena, "ä"), to_utf16(arena, "")};
  const FileTime times[] = {FileTime{0x01d0123456789abc}};
  const mapi::Guid guids[] = {{{1, 2, 3}}};
  const auto value = [](std::uint16_t id, PropertyType type, mapi::Value::Data data) {
    return mapi::TaggedValue{mapi::PropertyTag(id, type), {type, std::move(data)}};
  };
  const mapi::TaggedValue values[] = {
      value(0x3001, PropertyType::PtypString, to_utf16(arena, "Ann Övre")),
      value(0x39fe, PropertyType::PtypString8, mapi::String8{"ann@example.test"}),
      value(0x0ffe, PropertyType::PtypInteger32, std::int32_t{-6}),
      value(0x0fff, PropertyType::PtypInteger16, std::int16_t{-7}),
      value(0x3a40, PropertyType::PtypBoolean, true),
      value(0x0fff, PropertyType::PtypBinary, as_view("entry")),
      value(0x3007, PropertyType::PtypTime, times[0]),
      value(0x8c6d, PropertyType::PtypGuid, guids[0]),
      value(0x3002, PropertyType::PtypErrorCode, mapi::ErrorValue{0x8004010f}),
      value(0x8001, PropertyType::PtypMultipleInteger16, std::span(shorts)),
      value(0x8002, PropertyType::PtypMultipleInteger32, std::span(longs)),
      value(0x8003, PropertyType::PtypMultipleBinary, std::span(binaries)),
      value(0x8004, PropertyType::PtypMultipleString8, std::span(narrows)),
      value(0x8005, PropertyType::PtypMultipleString, std::span(wides)),
      value(0x8006, PropertyType::PtypMultipleTime, std::span(times)),
      value(0x8007, PropertyType::PtypMultipleGuid, std::span(guids)),
  };
  const auto back = over_the_wire(arena, values);
  ASSERT_EQ(back.size(), std::size(values));
  for (std::size_t i = 0; i < back.size(); ++i) {
    EXPECT_EQ(back[i].tag, values[i].tag) << i;
    EXPECT_EQ(back[i].value.data.index(), values[i].value.data.index()) << i;
  }
  EXPECT_EQ(mapi::text_of(back[0].value), "Ann Övre");
  EXPECT_EQ(mapi::text_of(back[1].value), "ann@example.test");
  EXPECT_EQ(mapi::number_of(back[2].value), -6);
  EXPECT_EQ(mapi::number_of(back[3].value), -7);
  EXPECT_TRUE(equal(*back[5].value.get<View>(), as_view("entry")));
  EXPECT_EQ(back[6].value.get<FileTime>()->ticks, times[0].ticks);
  EXPECT_EQ(*back[7].value.get<mapi::Guid>(), guids[0]);
  EXPECT_EQ((*back[10].value.get<std::span<const std::int32_t>>())[2], 5);
  EXPECT_EQ((*back[12].value.get<std::span<const mapi::String8>>())[1].text, "yy");
  EXPECT_EQ(to_utf8((*back[13].value.get<std::span<const Utf16>>())[0]), "ä");
}

// Row N4: these have no place in NDR.
TEST(NdrNspiValues, what_must_not_be_sent) {
  Arena arena;
  const mapi::TaggedValue values[] = {{mapi::PropertyTag(0x8001, PropertyType::PtypFloating64), {PropertyType::PtypFloating64, 1.5}},
                                      {mapi::PropertyTag(0x8002, PropertyType::PtypInteger64), mapi::Value::integer64(5)}};
  for (const auto& one : over_the_wire(arena, values)) {
    EXPECT_EQ(one.tag.type(), PropertyType::PtypErrorCode);
    EXPECT_EQ(one.value.get<mapi::ErrorValue>()->code, mapi::ecNotFound);
  }
}

TEST(NdrNspiValues, restriction) {
  Arena arena;
  nspi::PropertyValue_r name;
  name.ulPropTag = 0x3001001e;
  name.Value.arm.emplace<nspi::PROP_VAL_UNION::lpszA_arm>("ann");
  nspi::Restriction_r parts[2];
  parts[0].rt = 3;
  parts[0].res.arm.emplace<nspi::RestrictionUnion_r::resContent_arm>(nspi::ContentRestriction_r{0x00010002, 0x3001001e, &name});
  parts[1].rt = 8;
  parts[1].res.arm.emplace<nspi::RestrictionUnion_r::resExist_arm>(nspi::ExistRestriction_r{0, 0x39fe001f, 0});
  nspi::Restriction_r all;
  all.rt = 0;
  all.res.arm.emplace<nspi::RestrictionUnion_r::resAnd_arm>(nspi::AndRestriction_r{2, std::span(parts)});
  const auto read = from_ndr(arena, all);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->type, mapi::RestrictType::AndRestriction);
  ASSERT_EQ(read->children.size(), 2u);
  EXPECT_EQ(read->children[0].FuzzyLevelLow, mapi::FL_PREFIX);
  EXPECT_EQ(read->children[0].FuzzyLevelHigh, mapi::FL_IGNORECASE);
  EXPECT_EQ(mapi::text_of(read->children[0].value.value), "ann");
  EXPECT_EQ(read->children[1].tag.value, 0x39fe001fu);
  // And back.
  const auto again = to_ndr(arena, *read);
  ASSERT_TRUE(again.has_value());
  const auto once_more = from_ndr(arena, **again);
  ASSERT_TRUE(once_more.has_value());
  EXPECT_EQ(once_more->children.size(), 2u);
  EXPECT_EQ(once_more->children[0].FuzzyLevelLow, mapi::FL_PREFIX);
  EXPECT_EQ(mapi::text_of(once_more->children[0].value.value), "ann");
  EXPECT_EQ(once_more->children[1].tag.value, 0x39fe001fu);
  mapi::Restriction count;
  count.type = mapi::RestrictType::CountRestriction;
  EXPECT_FALSE(to_ndr(arena, count).has_value());
  parts[0].res.arm.emplace<nspi::RestrictionUnion_r::resContent_arm>();
  EXPECT_FALSE(from_ndr(arena, all).has_value());
}

// A cell without value is an error of its own type in NDR, and a flag in the rows of MAPI/HTTP.
TEST(NdrNspiValues, rows) {
  Arena arena;
  const mapi::PropertyTag name(0x3001, PropertyType::PtypString), title(0x3a17, PropertyType::PtypString);
  const auto cell = [&](mapi::PropertyTag tag, const char* text) {
    return text == nullptr ? to_ndr(arena, tag, mapi::Value::error(mapi::ecNotFound)) : to_ndr(arena, tag, mapi::Value::string(arena, text));
  };
  const nspi::PropertyValue_r first[] = {cell(name, "Ann"), cell(title, "Chief")}, second[] = {cell(name, "Ben"), cell(title, nullptr)};
  const nspi::PropertyRow_r rows[] = {{0, 2, std::span(first)}, {0, 2, std::span(second)}};
  const nspi::PropertyRowSet_r set{2, std::span(rows)};
  const mapi::PropertyTag asked[] = {name, title};
  const auto read = from_ndr(arena, set, asked);
  ASSERT_EQ(read.RowData.size(), 2u);
  EXPECT_EQ(read.RowData[0].Flag, 0);
  EXPECT_EQ(read.RowData[1].Flag, 1);
  EXPECT_EQ(mapi::text_of(read.RowData[0].values[1]), "Chief");
  EXPECT_EQ(read.RowData[1].values[1].type, PropertyType::PtypErrorCode);
  const auto back = to_ndr(arena, read);
  ASSERT_EQ(back->cRows, 2u);
  EXPECT_EQ(back->aRow[1].lpProps[1].ulPropTag, 0x3a17000au);
  EXPECT_EQ(back->aRow[0].lpProps[0].ulPropTag, name.value);
  // Nobody asked for columns: they are those of the rows.
  const auto own = from_ndr(arena, set, {});
  ASSERT_EQ(own.Columns.PropertyTags.size(), 2u);
  EXPECT_EQ(own.Columns.PropertyTags[0], name);
}

}  // namespace
}  // namespace mapigate::wire::ndr
