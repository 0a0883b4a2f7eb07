// Structures in all the forms that the specifications give them, byte by byte: rule actions and restrictions of standard
// and of extended rules, ids, and examples of section 4 of the documents of calendars and of configuration.
#include <gtest/gtest.h>

#include "wire/blobs/blob.h"
#include "wire/blobs/entry_lists.h"
#include "wire/blobs/folder_blobs.h"
#include "wire/blobs/rules.h"

namespace mapigate::wire::blobs {
namespace {

Bytes bytes_of(std::string_view hex) {
  Bytes out;
  EXPECT_TRUE(from_hex(hex, out)) << hex;
  return out;
}

// Reads all of `blob`, and writes it anew to the same bytes.
template <class T>
T read(const Bytes& blob, Arena& arena) {
  const auto decoded = decode_blob<T>(arena.copy(View(blob)), arena);
  EXPECT_TRUE(decoded) << decoded.error().message;
  if (!decoded) return {};
  EXPECT_TRUE(decoded->rest.empty());
  const auto again = encode_blob(decoded->value);
  EXPECT_TRUE(again);
  EXPECT_EQ(to_hex(*again), to_hex(blob));
  return decoded->value;
}

constexpr std::string_view folder_eid = "00000000 1a447390aa6611cd9bc800aa002fc45a 0300 000102030405060708090a0b0c0d0e0f 000000001234 0000";
constexpr std::string_view message_eid =
    "00000000 000102030405060708090a0b0c0d0e0f 0700 000102030405060708090a0b0c0d0e0f 000000001234 0000"
    "000102030405060708090a0b0c0d0e0f 000000005678 0000";
constexpr std::string_view guid = "101112131415161718191a1b1c1d1e1f";

// `size` bytes of `hex` behind their size, little-endian in `width` bytes.
std::string sized(std::string_view hex, std::size_t width) {
  std::string out;
  auto n = bytes_of(hex).size();
  for (std::size_t i = 0; i < width; ++i, n >>= 8) out += fmt::format("{:02x}", n & 0xFF);
  return out + std::string(hex);
}
std::string action(std::uint8_t type, std::string_view data, std::size_t width) {
  return sized(fmt::format("{:02x} 04000000 05000000 {}", type, data), width);
}

// [MS-OXORULE] 2.2.5.1.2: the data of each action in a standard rule.
TEST(RuleForms, StandardActions) {
  const std::string template_ids = "0100000000001234 0100000000005678 ";
  const std::string to = "0100 01 0200 1f000330 41000000 0201ff0f 0200 abcd";
  const auto blob = bytes_of("0b00" + action(ActionBlock::OP_MOVE, "01 0100 00 1500 01 0100000000001234 0000000000000000 00000000", 2) +
                             action(ActionBlock::OP_COPY, "00 0200 abcd " + sized(folder_eid, 2), 2) +
                             action(ActionBlock::OP_REPLY, template_ids + std::string(guid), 2) +
                             action(ActionBlock::OP_OOF_REPLY, template_ids + std::string(guid), 2) +
                             action(ActionBlock::OP_DEFER_ACTION, "abcdef", 2) + action(ActionBlock::OP_BOUNCE, "1f000000", 2) +
                             action(ActionBlock::OP_FORWARD, to, 2) + action(ActionBlock::OP_DELEGATE, to, 2) +
                             action(ActionBlock::OP_TAG, "03001700 02000000", 2) + action(ActionBlock::OP_DELETE, "", 2) +
                             action(ActionBlock::OP_MARK_AS_READ, "", 2));
  Arena arena;
  const auto blocks = read<RuleActions>(blob, arena).ActionBlock;
  ASSERT_EQ(blocks.size(), 11u);
  for (const auto& block : blocks) {
    EXPECT_EQ(block.ActionFlavor, 4u);
    EXPECT_EQ(block.ActionFlags, 5u);
  }
  EXPECT_EQ(blocks[0].Folder.FolderId.counter(), 0x1234u);
  EXPECT_EQ(blocks[1].FolderEID.kind, EntryId::Kind::folder);
  EXPECT_EQ(to_hex(blocks[1].StoreEID), "abcd");
  EXPECT_EQ(blocks[2].ReplyTemplateMID.counter(), 0x5678u);
  EXPECT_EQ(blocks[3].ReplyTemplateGUID.bytes[0], 0x10);
  EXPECT_EQ(to_hex(blocks[4].ActionData), "abcdef");
  EXPECT_EQ(blocks[5].BounceCode, 0x1Fu);
  ASSERT_EQ(blocks[6].RecipientBlocks.size(), 1u);
  ASSERT_EQ(blocks[7].RecipientBlocks[0].PropertyValues.size(), 2u);
  EXPECT_EQ(to_hex(*blocks[7].RecipientBlocks[0].PropertyValues[1].value.get<View>()), "abcd");
  EXPECT_EQ(blocks[8].TaggedPropertyValue.tag.value, 0x00170003u);
  // What a row of the rules table has of them comes apart and together in the same way.
  for (const auto& block : blocks) {
    const auto raw = rule_action(block, arena);
    ASSERT_TRUE(raw);
    const auto again = action_block(*raw, arena);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->ActionType, block.ActionType);
  }
}

// The same in an extended rule: wider counts, entry ids throughout, and no FolderInThisStore.
TEST(RuleForms, ExtendedActions) {
  const std::string to = "01000000 01 02000000 1f000330 41000000 0201ff0f 02000000 abcd";
  const auto blob = bytes_of("0100 0080 15000000 00" + std::string(guid) + "50820000 01000000 0b000000" +
                             action(ActionBlock::OP_MOVE, "02000000 abcd " + sized(folder_eid, 4), 4) +
                             action(ActionBlock::OP_COPY, "00000000 " + sized(folder_eid, 4), 4) +
                             action(ActionBlock::OP_REPLY, sized(message_eid, 4) + std::string(guid), 4) +
                             action(ActionBlock::OP_OOF_REPLY, sized(message_eid, 4) + std::string(guid), 4) +
                             action(ActionBlock::OP_DEFER_ACTION, "abcdef", 4) + action(ActionBlock::OP_BOUNCE, "1f000000", 4) +
                             action(ActionBlock::OP_FORWARD, to, 4) + action(ActionBlock::OP_DELEGATE, to, 4) +
                             action(ActionBlock::OP_TAG, "02010080 02000000 abcd", 4) + action(ActionBlock::OP_DELETE, "", 4) +
                             action(ActionBlock::OP_MARK_AS_READ, "", 4));
  Arena arena;
  const auto rule = read<ExtendedRuleActions>(blob, arena);
  ASSERT_EQ(rule.NamedPropertyInformation.NamedProperty.size(), 1u);
  EXPECT_EQ(rule.NamedPropertyInformation.PropId[0], 0x8000);
  EXPECT_EQ(rule.NamedPropertyInformation.NamedProperty[0].LID, 0x8250u);
  EXPECT_EQ(rule.RuleVersion, 1u);
  ASSERT_EQ(rule.ActionBlock.size(), 11u);
  EXPECT_EQ(rule.ActionBlock[0].FolderEID.kind, EntryId::Kind::folder);
  EXPECT_EQ(mapi::counter_from(rule.ActionBlock[0].FolderEID.Folder.GlobalCounter), 0x1234u);
  EXPECT_EQ(rule.ActionBlock[2].ReplyTemplateMessageEID.kind, EntryId::Kind::message);
  EXPECT_EQ(rule.ActionBlock[3].ReplyTemplateGUID.bytes[15], 0x1F);
  EXPECT_EQ(to_hex(*rule.ActionBlock[6].RecipientBlocks[0].PropertyValues[1].value.get<View>()), "abcd");
  EXPECT_EQ(to_hex(*rule.ActionBlock[8].TaggedPropertyValue.value.get<View>()), "abcd");
}

// [MS-OXCDATA] 2.12: one of each kind; `count` is as wide as counts are, `size` as sizes of binaries.
std::string restrictions(std::string_view twelve, std::string_view one, std::string_view size) {
  const std::string exist = "08 1f003700 ";
  return "00" + std::string(twelve) + "01" + std::string(one) + exist +        // And, Or
         "02" + exist +                                                       // Not
         "03 0100 0400 1f003700 1f003700 41000000" +                          // Content
         "04 64 0201ff0f 0201ff0f" + std::string(size) + "abcd" +             // Property
         "05 05 1f003700 1f001d0e" +                                          // CompareProperties
         "06 01 0300070e 08000000" + "06 00 0300070e 01000000" +              // BitMask
         "07 02 0300080e 00100000" + exist + "09 0d00120e" + exist +          // Size, Exist, SubObject
         "0a 02 03000100 07000000 0201ff65" + std::string(size) + "abcd 01" + exist +  // Comment with and without one within
         "0a 00 00" + "0b 05000000" + exist;                                  // Count
}
void expect_all_kinds(const mapi::Restriction* all) {
  using enum mapi::RestrictType;
  ASSERT_NE(all, nullptr);
  constexpr mapi::RestrictType kinds[] = {OrRestriction,   NotRestriction,  ContentRestriction,   PropertyRestriction,
                                          ComparePropertiesRestriction, BitMaskRestriction, BitMaskRestriction, SizeRestriction,
                                          ExistRestriction, SubObjectRestriction, CommentRestriction, CommentRestriction, CountRestriction};
  ASSERT_EQ(all->children.size(), std::size(kinds));
  for (std::size_t i = 0; i < std::size(kinds); ++i) EXPECT_EQ(all->children[i].type, kinds[i]) << i;
  EXPECT_EQ(all->children[2].FuzzyLevelHigh, mapi::FL_LOOSE);
  EXPECT_EQ(all->children[3].relop, mapi::RelationalOperator::MemberOfDistributionList);
  EXPECT_TRUE(all->children[5].bits_must_be_set);
  EXPECT_FALSE(all->children[6].bits_must_be_set);
  EXPECT_EQ(all->children[9].number, 0x0E12000Du);
  ASSERT_EQ(all->children[10].values.size(), 2u);
  EXPECT_EQ(to_hex(*all->children[10].values[1].value.get<View>()), "abcd");
  EXPECT_EQ(all->children[10].children.size(), 1u);
  EXPECT_TRUE(all->children[11].children.empty());
  EXPECT_EQ(all->children[12].number, 5u);
}

TEST(RestrictionForms, CountsOfRopsAndOfExtendedRules) {
  Arena arena;
  expect_all_kinds(read<RopRestriction>(bytes_of(restrictions("0d00", "0100", "0200")), arena).restriction);
  expect_all_kinds(read<ExtendedRuleCondition>(bytes_of("0000" + restrictions("0d000000", "01000000", "02000000")), arena).restriction);
}

// [MS-OXCDATA] 2.11.1.4 and 2.2.4.
TEST(Ids, ServerIdsAndNewsgroupFolders) {
  Arena arena;
  const auto ours = read<ServerId>(bytes_of("01 0100000000001234 0100000000005678 02000000"), arena);
  EXPECT_EQ(ours.FolderId.counter(), 0x1234u);
  EXPECT_EQ(ours.MessageId.counter(), 0x5678u);
  EXPECT_EQ(ours.Instance, 2u);
  EXPECT_EQ(to_hex(read<ServerId>(bytes_of("00 abcdef"), arena).ClientData), "abcdef");
  EXPECT_FALSE(decode_blob<ServerId>(bytes_of("01 0100000000001234"), arena));
  EXPECT_NE(find_blob_kind("server-id"), nullptr);
  auto newsgroup = bytes_of(folder_eid);
  newsgroup[20] = 0x0C;
  const auto id = read<EntryId>(newsgroup, arena);
  EXPECT_EQ(id.kind, EntryId::Kind::folder);
  EXPECT_EQ(mapi::counter_from(id.Folder.GlobalCounter), 0x1234u);
}

// [MS-OXOPFFB] 4.4: noon to 1 P.M. and, in 4.4.2, to 2 P.M. of February 2, Pacific time.
TEST(Examples, FreeBusy) {
  Arena arena;
  const auto one = read<FreeBusyMonth>(bytes_of("50 0a 8c 0a"), arena);
  ASSERT_EQ(one.Events.size(), 1u);
  EXPECT_EQ(one.Events[0], (FreeBusyEvent{24 * 60 + 20 * 60, 24 * 60 + 21 * 60}));
  const auto merged = read<FreeBusyMonth>(bytes_of("50 0a c8 0a"), arena);
  EXPECT_EQ(merged.Events[0].End, 24 * 60 + 22 * 60);
}

// [MS-OXOCFG] 4.4.2 "Navigation Shortcut": PidTagWlinkFolderType and PidTagWlinkGroupClsid.
TEST(Examples, NavigationShortcut) {
  Arena arena;
  EXPECT_EQ(read<GuidBlob>(bytes_of("0278060000000000C000000000000046"), arena).meaning(), "calendar folder");
  EXPECT_EQ(read<GuidBlob>(bytes_of("5BA943D8DAAA462CA63E9136F65C8681"), arena).meaning(), "");
  EXPECT_EQ(to_hex(read<WlinkOrdinal>(bytes_of("80"), arena).ordinal), "80");
}

}  // namespace
}  // namespace mapigate::wire::blobs
