// Tables with categories and with rows of single values, and what clients are told of changes in tables.
#include "mailbox/test_support.h"

namespace mapigate::mailbox::testing {
namespace {

using namespace mapi;  // PidTag…
using enum FolderRole;
using List = std::vector<std::string>;
using Rows = std::vector<List>;

class CategoryTest : public EngineTest {
 protected:
  void open(std::vector<PropertyTag> columns) {
    client = connect();
    client->logon();
    ASSERT_EQ(client->open_folder(inbox), ecNone);
    ASSERT_TRUE(client->contents().has_value());
    ASSERT_EQ(client->columns(std::move(columns)).value(), ecNone);
  }
  Rows all_rows() {
    Ask<wire::RopSeekRow> seek{{wire::BOOKMARK_BEGINNING, 0, false}, 2};
    client->execute(seek);
    return client->rows();
  }
  std::unique_ptr<Client> client;
};

const std::vector<PropertyTag> shown = {PidTagRowType, PidTagDepth, PidTagSentRepresentingName, PidTagSubject, PidTagContentCount,
                                        PidTagContentUnreadCount};
const std::string absent = "!ecNotFound (0x8004010f)";

TEST_F(CategoryTest, HeadersCountAndExpand) {
  backend.add("INBOX", "one", state::flag_seen, "x\r\n", "Importance: high\r\n");
  backend.add("INBOX", "two");
  backend.add("INBOX", "three");
  backend.add("INBOX", "four", 0, "x\r\n", "Importance: high\r\n");
  open({PidTagRowType, PidTagDepth, PidTagImportance, PidTagSubject, PidTagContentCount, PidTagContentUnreadCount, PidTagInstID});
  ASSERT_EQ(client->sort({{PidTagImportance, SortOrder::Descending}, {PidTagSubject, SortOrder::Ascending}}, 1, 0), ecNone);
  auto rows = all_rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(List(rows[0].begin(), rows[0].end() - 1), (List{"4", "0", "2", absent, "2", "1"}));
  EXPECT_EQ(List(rows[1].begin(), rows[1].end() - 1), (List{"4", "0", "1", absent, "2", "2"}));

  Ask<wire::RopExpandRow> expand{{10, std::stoull(rows[1][6])}, 2};
  const auto expanded = client->execute(expand);
  ASSERT_EQ(expanded.value(), ecNone);
  const auto& response = expanded.get<wire::RopExpandRow>();
  EXPECT_EQ(response.ExpandedRowCount, 2u);
  ASSERT_EQ(response.RowData.size(), 2u);
  EXPECT_EQ(to_text(response.RowData[0].values[3]), "three");
  EXPECT_EQ(to_text(response.RowData[0].values[1]), "1");  // within one header
  EXPECT_EQ(client->execute(expand).value(), ecNotCollapsed);
  rows = all_rows();
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[1][0], "3");
  EXPECT_EQ(rows[3][3], "two");

  Ask<wire::RopGetCollapseState> get{{std::stoull(rows[3][6]), 0}, 2};
  const auto state = client->execute(get);
  ASSERT_EQ(state.value(), ecNone);
  const auto blob = to_bytes(state.get<wire::RopGetCollapseState>().CollapseState);
  Ask<wire::RopCollapseRow> collapse{{std::stoull(rows[1][6])}, 2};
  const auto collapsed = client->execute(collapse);
  ASSERT_EQ(collapsed.value(), ecNone);
  EXPECT_EQ(collapsed.get<wire::RopCollapseRow>().CollapsedRowCount, 2u);
  EXPECT_EQ(client->execute(collapse).value(), ecNotExpanded);
  EXPECT_EQ(all_rows().size(), 2u);
  EXPECT_EQ(client->execute(Ask<wire::RopCollapseRow>{{77}, 2}).value(), ecNotFound);

  Ask<wire::RopSetCollapseState> set{{blob}, 2};
  const auto restored = client->execute(set);
  ASSERT_EQ(restored.value(), ecNone);
  // The cursor and the bookmark are at the row of the state.
  EXPECT_EQ(client->rows(1)[0][3], "two");
  Ask<wire::RopSeekRowBookmark> to{{restored.get<wire::RopSetCollapseState>().Bookmark, -1, true}, 2};
  EXPECT_EQ(client->execute(to).value(), ecNone);
  EXPECT_EQ(client->rows(1)[0][3], "three");
  EXPECT_EQ(all_rows().size(), 4u);
  // Another order has other categories.
  ASSERT_EQ(client->sort({{PidTagSubject, SortOrder::Ascending}}, 1, 1), ecNone);
  EXPECT_EQ(client->execute(set).value(), ecInvalidParam);
}

TEST_F(CategoryTest, CategoriesNestAndSortByTheirGreatest) {
  // Conversations, the one with the newest message first.
  for (const auto* subject : {"a", "b", "RE: a", "c"}) backend.add("INBOX", subject);
  open({PidTagRowType, PidTagDepth, PidTagSubject, PidTagNormalizedSubject, PidTagContentCount});
  ASSERT_EQ(client->sort({{PidTagNormalizedSubject, SortOrder::Descending},
                  {PidTagMessageDeliveryTime, SortOrder::MaximumCategory},
                  {PidTagMessageDeliveryTime, SortOrder::Ascending}},
                 1, 1),
            ecNone);
  List order;
  for (const auto& row : all_rows()) order.push_back(row[0] == "3" ? "[" + row[3] + " " + row[4] + "]" : row[2]);
  EXPECT_EQ(order, (List{"[c 1]", "c", "[a 2]", "a", "RE: a", "[b 1]", "b"}));
  // Two levels; only the outer one starts expanded.
  ASSERT_EQ(client->sort({{PidTagRead, SortOrder::Ascending}, {PidTagNormalizedSubject, SortOrder::Ascending}}, 2, 1), ecNone);
  order.clear();
  for (const auto& row : all_rows()) order.push_back(row[0] + row[1] + " " + row[4]);
  EXPECT_EQ(order, (List{"30 4", "41 2", "41 1", "41 1"}));
  // What makes no sense.
  EXPECT_EQ(client->sort({{PidTagMessageDeliveryTime, SortOrder::MaximumCategory}}, 0, 0), ecInvalidParam);
  EXPECT_EQ(client->sort({{PidTagSubject, SortOrder::Ascending}}, 2, 0), ecInvalidParam);
  EXPECT_EQ(client->sort({{PidTagSubject, SortOrder::Ascending}}, 1, 2), ecInvalidParam);
  EXPECT_EQ(client->sort({{PidTagSubject, SortOrder::Ascending}, {PidTagRead, 0}, {PidTagSubject, SortOrder::MaximumCategory}}, 1, 0), ecInvalidParam);
  EXPECT_EQ(client->sort({{PropertyTag(0x8005, PropertyType::PtypMultipleString), 0}}, 1, 0), ecNotSupported);
}

TEST_F(CategoryTest, SingleValuesHaveRowsOfTheirOwn) {
  backend.add("INBOX", "plain");
  backend.add("INBOX", "both");
  open({PidTagSubject});
  // Two categories on one message, beside it.
  std::vector<wire::PropertyName> list{wire::to_wire(client->arena, {PS_PUBLIC_STRINGS, {}, "Keywords"})};
  Ask<wire::RopGetPropertyIdsFromNames> names{{wire::RopGetPropertyIdsFromNames::Create, list}, 0};
  const auto id = client->execute(names).get<wire::RopGetPropertyIdsFromNames>().PropertyIds[0];
  const PropertyTag tag(id, PropertyType::PtypMultipleString);
  const auto instance = tag.with(static_cast<PropertyType>(0x301F));
  ASSERT_EQ(client->open_message(inbox, 0).value(), ecNone);
  Ask<wire::RopSetProperties> set;
  set.handle = 3;
  std::vector<Utf16> texts{to_utf16(client->arena, "Red"), to_utf16(client->arena, "Blue")};
  std::vector<TaggedValue> values{{tag, Value{PropertyType::PtypMultipleString, std::span<const Utf16>(texts)}}};
  set.body.PropertyValues = client->arena.copy(std::span<const TaggedValue>(values));
  ASSERT_EQ(client->execute(set).value(), ecNone);
  Ask<wire::RopSaveChangesMessage> save;
  save.body.InputHandleIndex = 3;
  save.body.SaveFlags = 0x0A;
  ASSERT_EQ(client->execute(save).value(), ecNone);

  ASSERT_EQ(client->open_folder(inbox), ecNone);
  ASSERT_TRUE(client->contents().has_value());
  ASSERT_EQ(client->columns({PidTagSubject, instance, PidTagInstanceNum, PidTagInstID, PidTagRowType}).value(), ecNone);
  ASSERT_EQ(client->sort({{instance, SortOrder::Ascending}}, 1, 1), ecNone);
  List order;
  std::set<std::string> ids;
  for (const auto& row : all_rows()) {
    order.push_back(row[4] == "3" ? "[" + row[1] + "]" : row[0] + " " + row[1] + " " + row[2]);
    if (row[4] == "1" && row[0] == "both") ids.insert(row[3]);
  }
  EXPECT_EQ(order, (List{"[" + absent + "]", "plain " + absent + " 0", "[Blue]", "both Blue 1", "[Red]", "both Red 0"}));
  EXPECT_EQ(ids.size(), 1u);
  // Without a sort order the column alone multiplies; without it a message is one row again.
  ASSERT_EQ(client->sort({}, 0, 0), ecNone);
  EXPECT_EQ(all_rows().size(), 3u);
  ASSERT_EQ(client->columns({PidTagSubject}).value(), ecNone);
  EXPECT_EQ(all_rows().size(), 2u);
}

class TableEventTest : public CategoryTest {
 protected:
  // What one Execute brings of table events: "added 3 after 2", "changed".
  List events() {
    List out;
    if (!client->session->has_events()) client->wait(std::chrono::seconds(5));
    const auto replies = client->execute(Ask<wire::RopGetStatus>{{}, 2});
    for (const auto& response : replies.buffer.rops) {
      if (response.id != RopId::RopNotify) continue;
      const auto& data = response.as<wire::RopNotify>()->NotificationData;
      if (!data.is(wire::notification::TableModified)) continue;
      const auto kind = data.TableEventType;
      if (kind == wire::NotificationData::TableChanged) out.push_back("changed");
      if (kind == wire::NotificationData::TableRowDeleted) out.push_back("deleted");
      if (kind != wire::NotificationData::TableRowAdded && kind != wire::NotificationData::TableRowModified) continue;
      auto row = wire::decode_notified_row(data.TableRowData, client->arena, *client->columns_of(response.as<wire::RopNotify>()->NotificationHandle));
      EXPECT_TRUE(row.has_value());
      out.push_back((kind == wire::NotificationData::TableRowAdded ? "added " : "modified ") + (row ? to_text(row->values[0]) : "?") +
                    (data.InsertAfterTableRowID.value == 0 ? " first" : ""));
      EXPECT_EQ(data.TableRowFolderID, Id(own_replid, special_id(inbox)));
    }
    return out;
  }
};

TEST_F(TableEventTest, RowsAreToldOneByOne) {
  for (const auto* subject : {"one", "two", "three"}) backend.add("INBOX", subject);
  open({PidTagSubject});
  EXPECT_EQ(all_rows().size(), 3u);
  backend.add("INBOX", "four");
  settle(*client, inbox);
  EXPECT_EQ(events(), List{"added four first"});
  {
    std::lock_guard lock(backend.mutex);
    auto& folder = backend.folders["INBOX"];
    folder.messages[1].flags = state::flag_seen;
    folder.messages.erase(2);
    ++folder.change;
  }
  settle(*client, inbox);
  EXPECT_EQ(events(), (List{"deleted", "modified one"}));
  // The table that told of them is the one that is read.
  Rows rows = all_rows();
  EXPECT_EQ(rows, (Rows{{"four"}, {"three"}, {"one"}}));
  // A restriction hides what does not meet it.
  Restriction r;
  r.type = RestrictType::ExistRestriction;
  r.tag = PidTagFlagStatus;
  Ask<wire::RopRestrict> restrict;
  restrict.handle = 2;
  restrict.body.RestrictionData = &r;
  ASSERT_EQ(client->execute(restrict).value(), ecNone);
  EXPECT_EQ(all_rows().size(), 0u);
  backend.add("INBOX", "five");
  backend.add("INBOX", "six", state::flag_flagged);
  settle(*client, inbox);
  EXPECT_EQ(events(), List{"added six first"});
}

TEST_F(TableEventTest, RowsThatAreToldHaveTheirTexts) {
  backend.add("INBOX", "one", 0, "first\r\n");
  open({PidTagBody});
  EXPECT_EQ(all_rows(), (Rows{{"first\r\n"}}));
  backend.add("INBOX", "two", 0, "second\r\n");
  settle(*client, inbox);
  EXPECT_EQ(events(), List{"added second\r\n first"});
}

TEST_F(TableEventTest, NothingIsToldOfATableThatNobodyLooksAt) {  // [MS-OXCNOTIF] 3.1.4.3
  backend.add("INBOX", "one");
  open({PidTagSubject});
  backend.add("INBOX", "two");
  settle(*client, inbox);
  EXPECT_FALSE(client->session->has_events());
  ASSERT_EQ(client->execute(Ask<wire::RopQueryColumnsAll>{{}, 2}).value(), ecNone);
  backend.add("INBOX", "three");
  settle(*client, inbox);
  EXPECT_EQ(events(), List{"added three first"});
  ASSERT_EQ(client->execute(Ask<wire::RopResetTable>{{}, 2}).value(), ecNone);
  ASSERT_EQ(client->columns({PidTagSubject}).value(), ecNone);
  backend.add("INBOX", "four");
  settle(*client, inbox);
  EXPECT_FALSE(client->session->has_events());
  EXPECT_EQ(all_rows().size(), 4u);
  backend.add("INBOX", "five");
  settle(*client, inbox);
  EXPECT_EQ(events(), List{"added five first"});
}

TEST_F(TableEventTest, ChangesThatLeaveNothingAreOne) {
  backend.add("INBOX", "one");
  open({PidTagSubject});
  EXPECT_EQ(all_rows().size(), 1u);
  for (int i = 0; i < 25; ++i) {
    backend.add("INBOX", "in between");
    settle(*client, inbox);
    {
      std::lock_guard lock(backend.mutex);
      auto& folder = backend.folders["INBOX"];
      folder.messages.erase(std::prev(folder.messages.end()));
      ++folder.change;
    }
    settle(*client, inbox);
  }
  EXPECT_EQ(events(), List{"changed"});
}

TEST_F(TableEventTest, ManyChangesAreOneAndToldOnce) {
  for (int i = 0; i < 5; ++i) backend.add("INBOX", fmt::format("m{}", i));
  open({PidTagSubject});
  EXPECT_EQ(all_rows().size(), 5u);
  for (int i = 0; i < 60; ++i) backend.add("INBOX", fmt::format("n{}", i));
  settle(*client, inbox);
  EXPECT_EQ(events(), List{"changed"});
  backend.add("INBOX", "last");
  settle(*client, inbox);
  EXPECT_FALSE(client->session->has_events());  // it was told to look again
  EXPECT_EQ(all_rows().size(), 66u);
  backend.add("INBOX", "more");
  settle(*client, inbox);
  EXPECT_EQ(events(), List{"added more first"});
}

TEST_F(TableEventTest, TablesThatWantNoneGetNone) {
  backend.add("INBOX", "one");
  client = connect();
  client->logon();
  ASSERT_EQ(client->open_folder(inbox), ecNone);
  ASSERT_TRUE(client->contents(wire::RopGetContentsTable::NoNotifications).has_value());
  client->columns({PidTagSubject});
  EXPECT_EQ(all_rows().size(), 1u);
  backend.add("INBOX", "two");
  settle(*client, inbox);
  EXPECT_FALSE(client->session->has_events());
  EXPECT_EQ(all_rows().size(), 2u);
}

TEST_F(TableEventTest, ReadingOnWhileRowsComeAndGo) {
  for (int i = 0; i < 20; ++i) backend.add("INBOX", fmt::format("{:02}", i));
  open({PidTagSubject});
  List seen;
  for (const auto& row : client->rows(5)) seen.push_back(row[0]);
  EXPECT_EQ(seen, (List{"19", "18", "17", "16", "15"}));
  {
    // Rows before the cursor, at it and behind it go; others come in front.
    std::lock_guard lock(backend.mutex);
    auto& folder = backend.folders["INBOX"];
    for (const std::uint64_t uid : {19, 17, 15, 14, 3}) folder.messages.erase(uid);
    ++folder.change;
  }
  backend.add("INBOX", "20");
  settle(*client, inbox);
  List rest;
  for (const auto& row : client->rows()) rest.push_back(row[0]);
  EXPECT_EQ(rest, (List{"12", "11", "10", "09", "08", "07", "06", "05", "04", "03", "01", "00"}));
}

}  // namespace
}  // namespace mapigate::mailbox::testing
