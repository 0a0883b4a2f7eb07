#include "wire/property_bag_codec.h"

#include <gtest/gtest.h>

#include "base/cursor.h"
#include "mapi/entry_id.h"
#include "mapi/properties.h"

namespace mapigate {
namespace {

using namespace mapi;

TEST(PropertyBag, FindsStringsUnderEitherType) {
  PropertyBag bag;
  bag.set_string(PidTagSubject, "ä");
  bag.set_integer(PidTagMessageSize, 5);
  bag.set(PidTagMessageSizeExtended, Value::integer64(6));
  EXPECT_EQ(bag.string(PidTagSubject.with(PropertyType::PtypString8)), "ä");
  EXPECT_EQ(bag.number(PidTagMessageSize), 5);
  EXPECT_EQ(bag.number(PidTagMessageSizeExtended), 6);
  EXPECT_TRUE(bag.contains(PidTagSubject.with(PropertyType::PtypUnspecified)));
  EXPECT_FALSE(bag.contains(PidTagSubject.with(PropertyType::PtypBinary)));
  bag.set(PidTagSubject.with(PropertyType::PtypString8), Value::string8("x"));
  EXPECT_EQ(bag.size(), 3u);
  EXPECT_EQ(bag.begin()->tag.type(), PropertyType::PtypString8);
  EXPECT_TRUE(bag.remove(PidTagSubject));
  EXPECT_FALSE(bag.remove(PidTagSubject));
  EXPECT_EQ(bag.size(), 2u);
}

TEST(PropertyBag, OwnsItsValuesAndSurvivesAMove) {
  PropertyBag bag;
  {
    std::string gone = "temporary";
    bag.set_binary(PidTagEntryId, as_view(gone));
    gone.assign(gone.size(), 'x');
  }
  bag.set_strings(PropertyTag(0x8001, PropertyType::PtypMultipleString), {"a", "b"});
  const PropertyBag moved = std::move(bag);
  EXPECT_EQ(as_text(moved.binary(PidTagEntryId)), "temporary");
  EXPECT_EQ(moved.clone().size(), 2u);
}

TEST(PropertyBagCodec, SaysOnceWhatSeveralPropertiesHave) {
  PropertyBag bag;
  bag.set_string(PidTagSenderSmtpAddress, "somebody@example.test");
  bag.set_integer(PidTagImportance, 1);
  const auto one = wire::serialize(bag).size();
  bag.set_same(PidTagSenderEmailAddress, PidTagSenderSmtpAddress);
  bag.set_string(PidTagSentRepresentingSmtpAddress, "somebody@example.test");
  bag.set_string(PidTagSubject, "somebody@example.tesT");
  bag.set_binary(PidTagEntryId, as_view(std::string_view("12345678")));
  bag.set_binary(PidTagRecordKey, as_view(std::string_view("12345678")));
  bag.set_binary(PidTagSearchKey, as_view(std::string_view("1234")));
  const auto bytes = wire::serialize(bag);
  EXPECT_EQ(bytes.size(), one + 2 * (4 + 2) + (4 + 44) + (4 + 4 + 8) + (4 + 2) + (4 + 4 + 4));
  auto back = wire::parse_property_bag(bytes);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->size(), bag.size());
  for (const auto& [tag, value] : bag) {
    EXPECT_EQ(text_of(*back->find(tag)), text_of(value));
    EXPECT_EQ(to_hex(back->binary(tag)), to_hex(bag.binary(tag)));
    EXPECT_EQ(back->number(tag), number_of(value));
  }
  EXPECT_EQ(wire::serialize(*back), bytes);
  // What became of one says nothing about the others.
  back->set_string(PidTagSenderSmtpAddress, "else");
  EXPECT_EQ(back->string(PidTagSenderEmailAddress), "somebody@example.test");
  EXPECT_EQ(back->clone().string(PidTagSentRepresentingSmtpAddress), "somebody@example.test");
}

TEST(PropertyBagCodec, ReferencesGoToWhatIsThere) {
  const auto blob = [](std::uint16_t back, PropertyType type) {
    Bytes out;
    Output output(out);
    output.scalar<std::uint32_t>(2);
    output.scalar(PidTagEntryId.value);
    output.scalar<std::uint32_t>(1);
    output.scalar<std::uint8_t>(7);
    output.scalar(PidTagSearchKey.with(type).value | 0x8000);
    output.scalar(back);
    return out;
  };
  auto good = wire::parse_property_bag(blob(1, PropertyType::PtypBinary));
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(good->binary(PidTagSearchKey).size(), 1u);
  EXPECT_FALSE(wire::parse_property_bag(blob(0, PropertyType::PtypBinary)));
  EXPECT_FALSE(wire::parse_property_bag(blob(2, PropertyType::PtypBinary)));
  EXPECT_FALSE(wire::parse_property_bag(blob(0xFFFF, PropertyType::PtypBinary)));
  EXPECT_FALSE(wire::parse_property_bag(blob(1, PropertyType::PtypString)));
}

TEST(PropertyBagCodec, RoundTrips) {
  PropertyBag bag;
  bag.set_string(PidTagSubject, "Grüße 😀");
  bag.set_binary(PidTagEntryId, Bytes(70000, 7));
  bag.set_boolean(PidTagHasAttachments, true);
  bag.set_time(PidTagCreationTime, from_unix(1700000000));
  bag.set_strings(PropertyTag(0x8001, PropertyType::PtypMultipleString), {"a", ""});
  const auto bytes = wire::serialize(bag);
  auto back = wire::parse_property_bag(bytes);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(wire::serialize(*back), bytes);
  EXPECT_EQ(back->string(PidTagSubject), "Grüße 😀");
  EXPECT_EQ(back->binary(PidTagEntryId).size(), 70000u);
  for (std::size_t cut = 0; cut < 60; ++cut) EXPECT_FALSE(wire::parse_property_bag(View(bytes).first(cut)));
  auto longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(wire::parse_property_bag(longer));
}

TEST(EntryId, OneOff) {
  const auto bytes = one_off_entry_id("A", "b@c");
  EXPECT_EQ(to_hex(bytes),
            "00000000812b1fa4bea310199d6e00dd010f540200000190"
            "41000000"
            "53004d00540050000000"
            "6200400063000000");
  EXPECT_EQ(*parse_one_off_entry_id(bytes), (OneOff{"A", "SMTP", "b@c"}));
  for (std::size_t cut = 0; cut < bytes.size(); ++cut)
    EXPECT_FALSE(parse_one_off_entry_id(View(bytes).first(cut)));
  Bytes narrow = to_bytes(View(bytes).first(22));
  for (const auto byte : as_view(std::string_view("\x01\x10J\xE4\0SMTP\0j@x\0", 14))) narrow.push_back(byte);
  EXPECT_EQ(*parse_one_off_entry_id(narrow), (OneOff{"Jä", "SMTP", "j@x"}));
}

TEST(EntryId, FoldersAndMessages) {
  FolderEntryId folder;
  folder.ProviderUID.bytes.fill(1);
  folder.DatabaseGuid.bytes.fill(2);
  folder.GlobalCounter = counter_bytes(0x123456);
  const auto bytes = encode(folder);
  ASSERT_EQ(bytes.size(), 46u);
  EXPECT_EQ(*parse_folder_entry_id(bytes), folder);
  EXPECT_FALSE(parse_folder_entry_id(View(bytes).first(45)));
  MessageEntryId message;
  message.FolderGlobalCounter = counter_bytes(1);
  message.MessageGlobalCounter = counter_bytes(2);
  EXPECT_EQ(encode(message).size(), 70u);
  EXPECT_EQ(*parse_message_entry_id(encode(message)), message);
  EXPECT_FALSE(parse_message_entry_id(bytes));
}

TEST(EntryId, FlatEntryListPadsToFour) {
  const std::vector<Bytes> ids{{1, 2, 3}, {4, 5, 6, 7}, {}};
  const auto bytes = flat_entry_list(ids);
  EXPECT_EQ(to_hex(bytes),
            "03000000"
            "14000000"
            "03000000"
            "01020300"
            "04000000"
            "04050607"
            "00000000");
  EXPECT_EQ(*parse_flat_entry_list(bytes), ids);
  EXPECT_FALSE(parse_flat_entry_list(View(bytes).first(10)));
}

}  // namespace
}  // namespace mapigate
