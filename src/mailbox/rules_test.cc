// Rules of folders: kept as clients made them, through restarts.
#include "mailbox/test_support.h"
#include "mapi/restriction.h"

namespace mapigate::mailbox::testing {
namespace {

using namespace mapi;
using enum state::FolderRole;
using Row = std::vector<std::string>;
using wire::RuleData;

class RulesTest : public InboxTest {
 protected:
  TaggedValue text(PropertyTag tag, const std::string& value) { return {tag, Value::string(client->arena, value)}; }
  TaggedValue number(PropertyTag tag, std::int32_t value) { return {tag, Value::integer32(value)}; }
  TaggedValue condition(const std::string& subject) {
    auto* restriction = client->arena.make<Restriction>();
    restriction->type = RestrictType::ContentRestriction;
    restriction->FuzzyLevelLow = FL_SUBSTRING;
    restriction->tag = PidTagSubject;
    restriction->value = text(PidTagSubject, subject);
    return {PidTagRuleCondition, {PropertyType::PtypRestriction, static_cast<const Restriction*>(restriction)}};
  }
  TaggedValue actions(std::size_t size) {
    auto list = client->arena.make_span<RuleAction>(1);
    const Bytes data(size, 0x5A);
    list[0] = {0x05, 1, 2, client->arena.copy(View(data))};
    auto* all = client->arena.make<RuleActions>();
    all->actions = list;
    return {PidTagRuleActions, {PropertyType::PtypRuleAction, static_cast<const RuleActions*>(all)}};
  }
  RuleData change(std::uint8_t how, std::vector<TaggedValue> values) {
    return {how, client->arena.copy(std::span<const TaggedValue>(values))};
  }
  RuleData add(const std::string& name, std::int32_t sequence, std::size_t size = 10) {
    return change(RuleData::ROW_ADD, {text(PidTagRuleName, name), text(PidTagRuleProvider, "RuleOrganizer"),
                                      number(PidTagRuleSequence, sequence), condition(name), actions(size)});
  }
  ErrorCode modify(std::vector<RuleData> changes, std::uint8_t flags = 0, std::uint8_t handle = 1) {
    Ask<wire::RopModifyRules> ask{{flags, changes}, handle};
    return client->execute(ask).value();
  }
  std::vector<wire::PropertyRow> listed(std::vector<PropertyTag> columns) {
    Ask<wire::RopGetRulesTable> table{{4, 0x40}, 1};
    EXPECT_EQ(client->execute(table).value(), ecNone);
    EXPECT_EQ(client->columns(std::move(columns), 4).value(), ecNone);
    Ask<wire::RopQueryRows> ask{{0, true, 100}, 4};
    const auto replies = client->execute(ask);
    EXPECT_EQ(replies.value(), ecNone);
    const auto rows = replies.get<wire::RopQueryRows>().RowData;
    return {rows.begin(), rows.end()};
  }
  std::vector<Row> shown() {
    std::vector<Row> out;
    for (const auto& row : listed({PidTagRuleName, PidTagRuleSequence, PidTagRuleState}))
      out.push_back({to_text(row.values[0]), to_text(row.values[1]), to_text(row.values[2])});
    return out;
  }
  Value id_of(std::size_t row) { return listed({PidTagRuleId}).at(row).values[0]; }
  bool folder_has_rules() {
    Ask<wire::RopOpenFolder> ask{{5, Id(own_replid, special_id(inbox)), 0}, 0};
    const bool told = client->execute(ask).get<wire::RopOpenFolder>().HasRules;
    EXPECT_EQ(number_of(client->property(PidTagHasRules, 1)), told ? 1 : 0);
    EXPECT_EQ((number_of(client->property(PidTagFolderFlags, 1)) & 8) != 0, told);
    return told;
  }
};

TEST_F(RulesTest, RulesAreKeptAsTheyWereMade) {  // [MS-OXORULE] 3.2.5.2, 3.2.5.3
  open();
  EXPECT_EQ(shown(), std::vector<Row>{});
  EXPECT_FALSE(folder_has_rules());
  const Bytes blob(6000, 0x42);
  ASSERT_EQ(modify({add("second", 20), change(RuleData::ROW_ADD, {{PidTagRuleName.with(PropertyType::PtypString8), Value::string8("f\xFCr")},
                                                                  text(PidTagRuleProvider, "RuleOrganizer"), number(PidTagRuleSequence, 10),
                                                                  number(PidTagRuleState, 0x11), condition("first"), actions(5000),
                                                                  {PidTagRuleProviderData, Value::binary(blob)}})}),
            ecNone);
  for (int again = 0; again < 2; ++again) {
    const auto rows = listed({PidTagRuleId, PidTagRuleName, PidTagRuleState, PidTagRuleProvider, PidTagRuleProviderData, PidTagRuleCondition,
                              PidTagRuleActions, PidTagRuleLevel, PidTagRuleName.with(PropertyType::PtypString8)});
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_NE(number_of(rows[0].values[0]), 0);
    EXPECT_NE(number_of(rows[0].values[0]), number_of(rows[1].values[0]));
    EXPECT_EQ(to_text(rows[0].values[1]), "für");
    EXPECT_EQ(number_of(rows[0].values[2]), 0x11);
    EXPECT_EQ(to_text(rows[0].values[3]), "RuleOrganizer");
    ASSERT_NE(rows[0].values[4].get<View>(), nullptr);
    EXPECT_TRUE(equal(*rows[0].values[4].get<View>(), blob));  // whole, however long
    ASSERT_NE(rows[0].values[5].get<const Restriction*>(), nullptr);
    EXPECT_EQ(text_of((*rows[0].values[5].get<const Restriction*>())->value.value), "first");
    ASSERT_NE(rows[0].values[6].get<const RuleActions*>(), nullptr);
    const auto actions = (*rows[0].values[6].get<const RuleActions*>())->actions;
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].ActionType, 0x05);
    EXPECT_EQ(actions[0].ActionFlavor, 1u);
    EXPECT_EQ(actions[0].ActionFlags, 2u);
    EXPECT_EQ(actions[0].ActionData.size(), 5000u);
    EXPECT_EQ(number_of(rows[1].values[7]), 0);
    EXPECT_EQ(text_of(rows[0].values[8]), "für");
    EXPECT_EQ(to_text(rows[1].values[1]), "second");
    EXPECT_EQ(rows[1].values[4].type, PropertyType::PtypErrorCode);  // it came without
    EXPECT_TRUE(folder_has_rules());
    if (again == 0) restart();
  }
}

TEST_F(RulesTest, RulesAreChangedAndRemovedById) {
  open();
  ASSERT_EQ(modify({add("one", 1), add("two", 2)}), ecNone);
  const auto one = id_of(0), two = id_of(1);
  ASSERT_EQ(modify({change(RuleData::ROW_MODIFY, {{PidTagRuleId, one}, number(PidTagRuleState, 1), number(PidTagRuleSequence, 3)})}), ecNone);
  EXPECT_EQ(shown(), (std::vector<Row>{{"two", "2", "0"}, {"one", "3", "1"}}));
  EXPECT_EQ(number_of(id_of(1)), number_of(one));
  // All of a request, or nothing.
  EXPECT_EQ(modify({change(RuleData::ROW_REMOVE, {{PidTagRuleId, two}}), change(RuleData::ROW_REMOVE, {{PidTagRuleId, Value::integer64(4711)}})}),
            ecNotFound);
  EXPECT_EQ(shown().size(), 2u);
  ASSERT_EQ(modify({change(RuleData::ROW_REMOVE, {{PidTagRuleId, two}})}), ecNone);
  EXPECT_EQ(shown(), (std::vector<Row>{{"one", "3", "1"}}));
  ASSERT_EQ(modify({add("new", 7)}, wire::RopModifyRules::ReplaceRules), ecNone);
  EXPECT_EQ(shown(), (std::vector<Row>{{"new", "7", "0"}}));
  EXPECT_NE(number_of(id_of(0)), number_of(one));
  ASSERT_EQ(modify({}, wire::RopModifyRules::ReplaceRules), ecNone);
  EXPECT_EQ(shown(), std::vector<Row>{});
  EXPECT_FALSE(folder_has_rules());
}

TEST_F(RulesTest, WhatIsNoRule) {
  use([](EngineOptions& o) { o.max_rules_bytes = 3000; });
  open();
  EXPECT_EQ(modify({add("x", 1)}, 0x02), ecInvalidParam);
  EXPECT_EQ(modify({change(RuleData::ROW_MODIFY, {{PidTagRuleId, Value::integer64(1)}})}, wire::RopModifyRules::ReplaceRules), ecInvalidParam);
  EXPECT_EQ(modify({change(RuleData::ROW_ADD, {text(PidTagRuleProvider, "P"), actions(1)})}), ecInvalidParam);
  EXPECT_EQ(modify({change(RuleData::ROW_ADD, {condition("c"), actions(1)})}), ecInvalidParam);
  EXPECT_EQ(modify({change(0x08, {})}), ecInvalidParam);
  EXPECT_EQ(modify({change(RuleData::ROW_REMOVE, {})}), ecInvalidParam);
  EXPECT_EQ(modify({change(RuleData::ROW_ADD, {text(PidTagRuleProvider, "P"), condition("c"), actions(1),
                                               {PidTagRuleSequence.with(PropertyType::PtypInteger16), Value::integer16(1)}})}),
            ecInvalidParam);
  EXPECT_EQ(modify({add("x", 1)}, 0, 0), ecNotSupported);  // a logon
  EXPECT_EQ(modify({add("x", 1)}, 0, 9), ecNullObject);
  ASSERT_EQ(modify({add("fits", 1, 1000)}), ecNone);
  EXPECT_EQ(modify({add("too many", 2, 2500)}), ecMemory);
  EXPECT_EQ(shown().size(), 1u);
  Ask<wire::RopGetRulesTable> table{{4, 0x01}, 1};
  EXPECT_EQ(client->execute(table).value(), ecNotSupported);
}

TEST_F(RulesTest, DeferredActionsFollowTheirMessage) {  // [MS-OXORULE] 2.2.3
  open();
  const Bytes server(21, 0x11), other(21, 0x22), mine(70, 0x33);
  std::vector<Id> made;
  for (const auto& about : {server, other}) {
    Ask<wire::RopCreateMessage> make{{3, 0x0FFF, Id(own_replid, special_id(deferred_action)), false}, 0};
    ASSERT_EQ(client->execute(make).value(), ecNone);
    const TaggedValue values[] = {{PidTagDeferredActionMessageOriginalEntryId, {PropertyType::PtypServerId, View(about)}}};
    Ask<wire::RopSetProperties> set{{values}, 3};
    ASSERT_EQ(client->execute(set).value(), ecNone);
    const auto saved = client->execute(Ask<wire::RopSaveChangesMessage>{{3, 0x02}, 3});
    ASSERT_EQ(saved.value(), ecNone);
    made.push_back(saved.get<wire::RopSaveChangesMessage>().MessageId);
  }
  Ask<wire::RopUpdateDeferredActionMessages> update{{View(server), View(mine)}, 0};
  ASSERT_EQ(client->execute(update).value(), ecNone);
  for (std::size_t i = 0; i < made.size(); ++i) {
    Ask<wire::RopOpenMessage> ask;
    ask.body.OutputHandleIndex = 6;
    ask.body.FolderId = Id(own_replid, special_id(deferred_action));
    ask.body.MessageId = made[i];
    ASSERT_EQ(client->execute(ask).value(), ecNone);
    const auto entry = client->property(PidTagDamOriginalEntryId, 6);
    EXPECT_EQ(entry.get<View>() != nullptr, i == 0);
    if (i == 0) {
      EXPECT_TRUE(equal(*entry.get<View>(), mine));
    }
    EXPECT_EQ(number_of(client->property(PidTagDamBackPatched, 6)), i == 0 ? 1 : 0);
  }
}

TEST_F(RulesTest, ConditionsOfExtendedRulesAreBounded) {  // [MS-OXORULE] 3.2.4.1
  open();
  const auto limit = static_cast<std::uint64_t>(number_of(client->property(PidTagExtendedRuleSizeLimit, 0)));
  ASSERT_GT(limit, 0u);
  Ask<wire::RopCreateMessage> make{{3, 0x0FFF, Id(own_replid, special_id(inbox)), true}, 0};
  ASSERT_EQ(client->execute(make).value(), ecNone);
  Ask<wire::RopOpenStream> stream{{4, PidTagExtendedRuleMessageCondition, wire::RopOpenStream::Create}, 3};
  ASSERT_EQ(client->execute(stream).value(), ecNone);
  const Ask<wire::RopSaveChangesMessage> save{{3, 0x02}, 3};
  ASSERT_EQ(client->execute(Ask<wire::RopSetStreamSize>{{limit + 1}, 4}).value(), ecNone);
  EXPECT_EQ(client->execute(save).value(), ecTooBig);
  ASSERT_EQ(client->execute(Ask<wire::RopSetStreamSize>{{limit}, 4}).value(), ecNone);
  EXPECT_EQ(client->execute(save).value(), ecNone);
}

}  // namespace
}  // namespace mapigate::mailbox::testing
