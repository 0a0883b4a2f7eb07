#include "transport/ews/inbox_rules.h"

#include <gtest/gtest.h>

#include <sstream>

#include "mailbox/folder_tree.h"
#include "mapi/properties.h"
#include "mapi/restriction.h"
#include "wire/blobs/rules.h"

namespace mapigate::transport::ews {
namespace {

using namespace mapi;
using enum RestrictType;
using wire::blobs::ActionBlock;

class InboxRules : public testing::Test {
 protected:
  std::span<const Restriction> list(std::vector<Restriction> all) { return arena.copy(std::span<const Restriction>(all)); }
  Restriction group(RestrictType type, std::vector<Restriction> children) {
    Restriction out;
    out.type = type;
    out.children = list(std::move(children));
    return out;
  }
  Restriction contains(PropertyTag tag, Value value) {
    Restriction out;
    out.type = ContentRestriction;
    out.FuzzyLevelLow = FL_SUBSTRING;
    out.FuzzyLevelHigh = FL_IGNORECASE;
    out.tag = tag;
    out.value = {tag, value};
    return out;
  }
  Restriction compares(PropertyTag tag, Value value, RelationalOperator relop = RelationalOperator::Equal) {
    Restriction out;
    out.type = PropertyRestriction;
    out.relop = relop;
    out.tag = tag;
    out.value = {tag, value};
    return out;
  }
  Restriction of_recipients(Restriction child) {
    auto out = group(SubObjectRestriction, {child});
    out.number = PidTagMessageRecipients.value;
    return out;
  }
  Value text(const char* utf8) { return Value::string(arena, utf8); }
  static Value key(std::string_view bytes) { return Value::binary(as_view(bytes)); }

  PropertyBag rule(const Restriction& condition, std::vector<ActionBlock> blocks, std::int32_t state = 1) {
    std::vector<RuleAction> made;
    for (const auto& block : blocks) made.push_back(wire::blobs::rule_action(block, arena).value());
    RuleActions actions{made};
    PropertyBag out;
    out.set(PidTagRuleId, Value::integer64(0x0100000000000001));
    out.set_string(PidTagRuleName, "Mine");
    out.set_string(PidTagRuleProvider, "RuleOrganizer");
    out.set_integer(PidTagRuleState, state);
    out.set(PidTagRuleCondition, {PropertyType::PtypRestriction, &condition});
    out.set(PidTagRuleActions, {PropertyType::PtypRuleAction, static_cast<const RuleActions*>(&actions)});
    return out;
  }
  ActionBlock mark() {
    ActionBlock out;
    out.ActionType = ActionBlock::OP_MARK_AS_READ;
    return out;
  }
  ActionBlock move(GlobalCounter folder, std::uint8_t type = ActionBlock::OP_MOVE) {
    ActionBlock out;
    out.ActionType = type;
    out.Folder.FolderId = store.id(folder);
    return out;
  }
  static std::string shown(const pugi::xml_node& node) {
    std::ostringstream out;
    for (const auto& child : node.children()) child.print(out, "", pugi::format_raw);
    return out.str();
  }
  // What stands in a Rule from IsEnabled on.
  std::string written(const PropertyBag& of) {
    pugi::xml_document document;
    write_rule(document, of, 3, store, nullptr);
    const auto all = shown(document.child("t:Rule"));
    const std::string head = "<t:RuleId>AQAAAAAAAAE=</t:RuleId><t:DisplayName>Mine</t:DisplayName><t:Priority>3</t:Priority>";
    EXPECT_TRUE(all.starts_with(head)) << all;
    return all.substr(std::min(head.size(), all.size()));
  }
  std::string conditions(const Restriction& condition) {
    const auto all = written(rule(condition, {mark()}));
    const std::string head = "<t:IsEnabled>true</t:IsEnabled>", tail = "<t:Actions><t:MarkAsRead>true</t:MarkAsRead></t:Actions>";
    if (!all.starts_with(head) || !all.ends_with(tail) || all.size() < head.size() + tail.size()) return all;
    return all.substr(head.size(), all.size() - head.size() - tail.size());
  }
  const std::string unsupported = "<t:IsEnabled>true</t:IsEnabled><t:IsNotSupported>true</t:IsNotSupported>";

  Arena arena;
  mailbox::StoreIdentity store;
};

TEST_F(InboxRules, ConditionsStandInTheOrderOfTheSchema) {
  const auto all = group(AndRestriction, {compares(PidTagMessageSize, Value::integer32(20480), RelationalOperator::GreaterThan),
                                          compares(PidTagMessageSize, Value::integer32(40960), RelationalOperator::LessThan),
                                          group(OrRestriction, {contains(PidTagSubject, text("one")), contains(PidTagSubject, text("t<o"))}),
                                          compares(PidTagImportance, Value::integer32(2)), compares(PidTagMessageToMe, Value::boolean(true)),
                                          contains(PidTagBody, text("body"))});
  EXPECT_EQ(conditions(all),
            "<t:Conditions><t:ContainsBodyStrings><t:String>body</t:String></t:ContainsBodyStrings><t:ContainsSubjectStrings>"
            "<t:String>one</t:String><t:String>t&lt;o</t:String></t:ContainsSubjectStrings><t:Importance>High</t:Importance>"
            "<t:SentToMe>true</t:SentToMe><t:WithinSizeRange><t:MinimumSize>20</t:MinimumSize><t:MaximumSize>40</t:MaximumSize>"
            "</t:WithinSizeRange></t:Conditions>");
}

TEST_F(InboxRules, EveryMessageIsNoCondition) {
  Restriction exist;
  exist.type = ExistRestriction;
  exist.tag = PidTagMessageClass;
  EXPECT_EQ(conditions(exist), "");
}

TEST_F(InboxRules, PeopleStandInSearchKeys) {
  const auto from = compares(PidTagSenderSearchKey, key(std::string_view("SMTP:BOB@X.TEST\0", 16)));
  EXPECT_EQ(conditions(group(CommentRestriction, {from})),
            "<t:Conditions><t:FromAddresses><t:Address><t:Name>bob@x.test</t:Name><t:EmailAddress>bob@x.test</t:EmailAddress>"
            "<t:RoutingType>SMTP</t:RoutingType></t:Address></t:FromAddresses></t:Conditions>");
  const auto to = compares(PidTagSearchKey, key("EX:/O=X/CN=EVE"));
  EXPECT_EQ(conditions(of_recipients(to)),
            "<t:Conditions><t:SentToAddresses><t:Address><t:Name>/O=X/CN=EVE</t:Name><t:EmailAddress>/O=X/CN=EVE</t:EmailAddress>"
            "<t:RoutingType>EX</t:RoutingType></t:Address></t:SentToAddresses></t:Conditions>");
  EXPECT_EQ(conditions(of_recipients(group(OrRestriction, {contains(PidTagSearchKey, key("LIST")), contains(PidTagSearchKey, key("ALL"))}))),
            "<t:Conditions><t:ContainsRecipientStrings><t:String>LIST</t:String><t:String>ALL</t:String></t:ContainsRecipientStrings></t:Conditions>");
}

TEST_F(InboxRules, NotIsAnException) {
  const auto either = group(OrRestriction, {contains(PidTagSubject, text("a")), contains(PidTagBody, text("a"))});
  EXPECT_EQ(conditions(group(AndRestriction, {either, group(NotRestriction, {compares(PidTagMessageCcMe, Value::boolean(true))})})),
            "<t:Conditions><t:ContainsSubjectOrBodyStrings><t:String>a</t:String></t:ContainsSubjectOrBodyStrings></t:Conditions>"
            "<t:Exceptions><t:SentCcMe>true</t:SentCcMe></t:Exceptions>");
  const auto only_me = group(AndRestriction, {compares(PidTagMessageToMe, Value::boolean(true)),
                                              group(NotRestriction, {contains(PidTagDisplayTo, text(";"))}), compares(PidTagDisplayCc, text(""))});
  EXPECT_EQ(conditions(only_me), "<t:Conditions><t:SentOnlyToMe>true</t:SentOnlyToMe></t:Conditions>");
}

TEST_F(InboxRules, WhatHasNoNameIsNotSupported) {
  const auto subject = contains(PidTagSubject, text("a"));
  EXPECT_EQ(conditions(group(AndRestriction, {subject, contains(PidTagSubject, text("b"))})), unsupported);  // both
  EXPECT_EQ(conditions(group(OrRestriction, {subject, contains(PidTagBody, text("b"))})), unsupported);
  EXPECT_EQ(conditions(group(OrRestriction, {compares(PidTagImportance, Value::integer32(0)), compares(PidTagImportance, Value::integer32(2))})), unsupported);
  EXPECT_EQ(conditions(group(NotRestriction, {contains(PidTagDisplayTo, text(";"))})), unsupported);
  EXPECT_EQ(conditions(compares(PidTagImportance, Value::integer32(7))), unsupported);
  EXPECT_EQ(conditions(compares(PidTagFlagStatus, Value::integer32(2))), unsupported);
}

TEST_F(InboxRules, Actions) {
  const auto subject = contains(PidTagSubject, text("a"));
  const auto actions = [&](std::vector<ActionBlock> blocks, std::int32_t state = 0) {
    const auto all = written(rule(subject, std::move(blocks), state));
    const auto at = all.find("<t:Actions>");
    return at == std::string::npos ? all : all.substr(at);
  };
  ActionBlock forward;
  forward.ActionType = ActionBlock::OP_FORWARD;
  forward.ActionFlavor = 3;
  const TaggedValue bob[] = {{PidTagDisplayName, text("Bob")}, {PidTagEmailAddress, text("/o=x/cn=bob")}, {PidTagAddressType, text("EX")},
                             {PidTagSmtpAddress, text("bob@x.test")}};
  const wire::blobs::RecipientBlock block{1, bob};
  forward.RecipientBlocks = {&block, 1};
  constexpr auto folder = GlobalCounter{0x1234};
  EXPECT_EQ(actions({mark(), move(folder), forward}, 0x10),
            "<t:Actions><t:MarkAsRead>true</t:MarkAsRead><t:MoveToFolder><t:FolderId Id=\"" + to_base64(store.folder_entry_id(folder)) +
                "\"/></t:MoveToFolder><t:RedirectToRecipients><t:Address><t:Name>Bob</t:Name><t:EmailAddress>bob@x.test</t:EmailAddress>"
                "<t:RoutingType>SMTP</t:RoutingType></t:Address></t:RedirectToRecipients><t:StopProcessingRules>true</t:StopProcessingRules></t:Actions>");
  EXPECT_EQ(actions({move(mailbox::special_id(state::FolderRole::deleted_items))}), "<t:Actions><t:Delete>true</t:Delete></t:Actions>");
  ActionBlock deferred;
  deferred.ActionType = ActionBlock::OP_DEFER_ACTION;
  const std::string off = "<t:IsEnabled>false</t:IsEnabled><t:IsNotSupported>true</t:IsNotSupported>";
  EXPECT_EQ(actions({deferred, mark()}), off);                                   // Outlook itself does it
  EXPECT_EQ(actions({mark(), mark()}), off);
  EXPECT_EQ(actions({deferred}, 0x42), off + "<t:IsInError>true</t:IsInError>");
}

TEST_F(InboxRules, ThoseOfOthersAreNotTheUsers) {
  PropertyBag other;
  EXPECT_FALSE(is_users_rule(other));
  other.set_string(PidTagRuleProvider, "MSFT:TDX OOF Rules");
  EXPECT_FALSE(is_users_rule(other));
  other.set_string(PidTagRuleProvider, "RuleOrganizer2");
  EXPECT_TRUE(is_users_rule(other));
}

}  // namespace
}  // namespace mapigate::transport::ews
