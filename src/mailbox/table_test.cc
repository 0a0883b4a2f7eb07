// Contents tables: rows, order, restrictions, positions, truncation.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "mailbox/test_support.h"

namespace mapigate::mailbox::testing {
namespace {

using namespace mapi;  // PidTag…
using enum FolderRole;

class TableTest : public EngineTest {
 protected:
  // Subjects of the open table's rows.
  std::vector<std::string> subjects(std::uint16_t count = 1000) {
    std::vector<std::string> out;
    for (const auto& row : client->rows(count)) out.push_back(row[0]);
    return out;
  }
  void open(int messages) {
    for (int i = 0; i < messages; ++i) backend.add("INBOX", fmt::format("Subject {:04}", i), i % 2 ? std::uint32_t{state::flag_seen} : 0);
    client = connect();
    client->logon();
    ASSERT_EQ(client->open_folder(inbox), ecNone);
    const auto count = client->contents();
    ASSERT_TRUE(count.has_value()) << count.error().message;
    EXPECT_EQ(*count, static_cast<std::uint32_t>(messages));  // row S7
    ASSERT_EQ(client->columns({PidTagSubject}).value(), ecNone);
  }
  ErrorCode restrict(const Restriction* restriction) {
    Ask<wire::RopRestrict> ask;
    ask.handle = 2;
    ask.body.RestrictionData = restriction;
    return client->execute(ask).value();
  }
  std::vector<std::string> restricted(const Restriction& restriction) {
    const auto code = restrict(&restriction);
    if (code != ecNone) return {"!" + to_string(code)};
    return subjects();
  }
  wire::RopSeekRow::Response seek(std::uint8_t origin, std::int32_t n) {
    Ask<wire::RopSeekRow> ask;
    ask.handle = 2;
    ask.body.Origin = origin;
    ask.body.RowCount = n;
    ask.body.WantRowMovedCount = true;
    return client->execute(ask).get<wire::RopSeekRow>();
  }
  std::pair<std::uint32_t, std::uint32_t> position() {
    const auto& p = client->execute(Ask<wire::RopQueryPosition>{{}, 2}).get<wire::RopQueryPosition>();
    return {p.Numerator, p.Denominator};
  }
  std::unique_ptr<Client> client;
};

TEST_F(TableTest, NewestFirstAndTheEndIsSaid) {  // row P5
  open(5);
  Ask<wire::RopQueryRows> ask;
  ask.handle = 2;
  ask.body.RowCount = 3;
  auto replies = client->execute(ask);
  EXPECT_EQ(replies.get<wire::RopQueryRows>().Origin, wire::BOOKMARK_CURRENT);
  EXPECT_EQ(to_text(replies.get<wire::RopQueryRows>().RowData[0].values[0]), "Subject 0004");
  replies = client->execute(ask);
  EXPECT_EQ(replies.get<wire::RopQueryRows>().RowData.size(), 2u);
  EXPECT_EQ(replies.get<wire::RopQueryRows>().Origin, wire::BOOKMARK_END);
  replies = client->execute(ask);
  EXPECT_EQ(replies.value(), ecNone);
  EXPECT_EQ(replies.get<wire::RopQueryRows>().RowData.size(), 0u);
  EXPECT_EQ(replies.get<wire::RopQueryRows>().Origin, wire::BOOKMARK_END);
  // Back, without moving.
  ask.body.ForwardRead = false;
  ask.body.QueryRowsFlags = wire::RopQueryRows::NoAdvance;
  ask.body.RowCount = 2;
  replies = client->execute(ask);
  EXPECT_EQ(to_text(replies.get<wire::RopQueryRows>().RowData[0].values[0]), "Subject 0000");
  EXPECT_EQ(to_text(replies.get<wire::RopQueryRows>().RowData[1].values[0]), "Subject 0001");
  EXPECT_EQ(position(), (std::pair<std::uint32_t, std::uint32_t>{5, 5}));
  ask.body.RowCount = 50;
  replies = client->execute(ask);
  EXPECT_EQ(replies.get<wire::RopQueryRows>().Origin, wire::BOOKMARK_BEGINNING);
}

TEST_F(TableTest, RowsComeFromTheIndexAlone) {
  open(3);
  for (const char* what : {"folders", "refresh", "changed", "content", "set_flags"}) backend.set_down(what);
  client->columns({PidTagSubject, PidTagSenderName, PidTagSenderEmailAddress, PidTagMessageFlags, PidTagRead, PidTagMessageClass,
                   PidTagHasAttachments, PidTagDisplayTo, PidTagMessageDeliveryTime, PidTagEntryId, PidTagInstanceKey,
                   PidTagReplyTime, PidTagExpiryTime});
  const auto rows = client->rows();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0][1], "Bob Builder");
  EXPECT_EQ(rows[0][2], "bob@example.test");
  EXPECT_EQ(rows[0][4], "0");
  EXPECT_EQ(rows[1][4], "1");
  EXPECT_EQ(std::stoul(rows[1][3]) & 1, 1u);
  EXPECT_EQ(rows[0][5], "IPM.Note");
  EXPECT_NE(rows[0][7].find("Alice"), std::string::npos);
  EXPECT_EQ(rows[0][9].size(), 140u);
  for (std::size_t i = 11; i < 13; ++i) EXPECT_EQ(rows[0][i], "!ecNotFound (0x8004010f)");  // rows S8, P6
}

TEST_F(TableTest, StringTypesFollowTheColumns) {
  backend.add("INBOX", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=");
  client = connect();
  client->logon();
  client->open_folder(inbox);
  ASSERT_TRUE(client->contents().has_value());
  client->columns({PidTagSubject, PidTagSubject.with(PropertyType::PtypString8), PidTagSubject.with(PropertyType::PtypInteger32)});
  Ask<wire::RopQueryRows> ask;
  ask.handle = 2;
  ask.body.RowCount = 1;
  const auto replies = client->execute(ask);
  const auto row = replies.get<wire::RopQueryRows>().RowData[0].values;
  EXPECT_EQ(to_text(row[0]), "Grüße");
  ASSERT_NE(row[1].get<String8>(), nullptr);
  EXPECT_EQ(row[1].get<String8>()->text, "Gr\xFC\xDF" "e");
  EXPECT_EQ(to_text(row[2]), "!ecNotFound (0x8004010f)");
}

TEST_F(TableTest, SortsByAnyColumn) {
  backend.add("INBOX", "banana");
  backend.add("INBOX", "Apple", state::flag_flagged);
  backend.add("INBOX", "cherry", state::flag_flagged);
  client = connect();
  client->logon();
  client->open_folder(inbox);
  ASSERT_TRUE(client->contents().has_value());
  client->columns({PidTagSubject});
  using List = std::vector<std::string>;
  EXPECT_EQ(client->sort({{PidTagNormalizedSubject, SortOrder::Ascending}}), ecNone);
  EXPECT_EQ(subjects(), (List{"Apple", "banana", "cherry"}));
  EXPECT_EQ(client->sort({{PidTagMessageDeliveryTime, SortOrder::Ascending}}), ecNone);
  EXPECT_EQ(subjects(), (List{"banana", "Apple", "cherry"}));
  // Two keys, one of them missing in a row.
  EXPECT_EQ(client->sort({{PidTagFlagStatus, SortOrder::Descending}, {PidTagSubject, SortOrder::Descending}}), ecNone);
  EXPECT_EQ(subjects(), (List{"cherry", "Apple", "banana"}));
  EXPECT_EQ(client->sort({{PidTagFlagStatus, 9}}), ecInvalidParam);
  // A refused sort changes nothing.
  seek(wire::BOOKMARK_BEGINNING, 0);
  EXPECT_EQ(subjects(), (List{"cherry", "Apple", "banana"}));
}

TEST_F(TableTest, RestrictionsOfEveryKind) {
  backend.add("INBOX", "RE: Bridge plans", state::flag_seen | state::flag_answered);
  backend.add("INBOX", "bridge photos", state::flag_flagged, "x", "Content-Type: multipart/mixed; boundary=b\r\n");
  backend.add("INBOX", "Lunch", 0, "Body\r\n", "Importance: high\r\n");
  client = connect();
  client->logon();
  client->open_folder(inbox);
  ASSERT_TRUE(client->contents().has_value());
  client->columns({PidTagSubject});
  auto& arena = client->arena;
  using List = std::vector<std::string>;
  const auto text = [&](PropertyTag tag, std::string_view pattern, std::uint16_t low, std::uint16_t high) {
    Restriction r;
    r.type = RestrictType::ContentRestriction;
    r.tag = tag;
    r.value = {tag, Value::string(arena, pattern)};
    r.FuzzyLevelLow = low;
    r.FuzzyLevelHigh = high;
    return r;
  };
  const auto property = [&](PropertyTag tag, RelationalOperator op, Value value) {
    Restriction r;
    r.type = RestrictType::PropertyRestriction;
    r.tag = tag;
    r.relop = op;
    r.value = {tag, value};
    return r;
  };
  const auto group = [&](RestrictType type, std::vector<Restriction> children) {
    Restriction r;
    r.type = type;
    r.children = arena.copy(std::span<const Restriction>(children));
    return r;
  };
  // Content: full string, substring, prefix; with and without case.
  EXPECT_EQ(restricted(text(PidTagSubject, "bridge", FL_SUBSTRING, 0)), (List{"bridge photos"}));
  EXPECT_EQ(restricted(text(PidTagSubject, "bridge", FL_SUBSTRING, FL_IGNORECASE)), (List{"bridge photos", "RE: Bridge plans"}));
  EXPECT_EQ(restricted(text(PidTagSubject, "bri", FL_PREFIX, FL_LOOSE)), (List{"bridge photos"}));
  EXPECT_EQ(restricted(text(PidTagSubject, "LUNCH", FL_FULLSTRING, FL_IGNORECASE)), (List{"Lunch"}));
  EXPECT_EQ(restricted(text(PidTagSubject, "Lun", FL_FULLSTRING, 0)), List{});
  // Property, with every operator.
  using enum RelationalOperator;
  EXPECT_EQ(restricted(property(PidTagImportance, Equal, Value::integer32(2))), (List{"Lunch"}));
  EXPECT_EQ(restricted(property(PidTagImportance, LessThan, Value::integer32(2))), (List{"bridge photos", "RE: Bridge plans"}));
  EXPECT_EQ(restricted(property(PidTagImportance, GreaterThanOrEqual, Value::integer32(2))), (List{"Lunch"}));
  EXPECT_EQ(restricted(property(PidTagRead, NotEqual, Value::boolean(true))), (List{"Lunch", "bridge photos"}));
  EXPECT_EQ(restricted(property(PidTagHasAttachments, Equal, Value::boolean(true))), (List{"bridge photos"}));
  EXPECT_EQ(restricted(property(PidTagSubject, RegularExpression, Value::string(arena, "x"))), (List{"!" + to_string(ecTooComplex)}));
  // And, Or, Not.
  const auto unread = property(PidTagRead, Equal, Value::boolean(false));
  const auto bridge = text(PidTagSubject, "bridge", FL_SUBSTRING, FL_IGNORECASE);
  EXPECT_EQ(restricted(group(RestrictType::AndRestriction, {unread, bridge})), (List{"bridge photos"}));
  EXPECT_EQ(restricted(group(RestrictType::OrRestriction, {unread, bridge})), (List{"Lunch", "bridge photos", "RE: Bridge plans"}));
  EXPECT_EQ(restricted(group(RestrictType::NotRestriction, {bridge})), (List{"Lunch"}));
  EXPECT_EQ(restricted(group(RestrictType::CommentRestriction, {bridge})), (List{"bridge photos", "RE: Bridge plans"}));
  // Exist, BitMask, Size, CompareProperties, Count.
  Restriction r;
  r.type = RestrictType::ExistRestriction;
  r.tag = PidTagFlagStatus;
  EXPECT_EQ(restricted(r), (List{"bridge photos"}));
  r = {};
  r.type = RestrictType::BitMaskRestriction;
  r.tag = PidTagMessageFlags;
  r.number = 1;
  r.bits_must_be_set = true;
  EXPECT_EQ(restricted(r), (List{"RE: Bridge plans"}));
  r.bits_must_be_set = false;
  EXPECT_EQ(restricted(r), (List{"Lunch", "bridge photos"}));
  r = {};
  r.type = RestrictType::SizeRestriction;
  r.tag = PidTagSubject;
  r.relop = LessThanOrEqual;
  r.number = 12;  // "Lunch" and its terminator in UTF-16
  EXPECT_EQ(restricted(r), (List{"Lunch"}));
  r = {};
  r.type = RestrictType::ComparePropertiesRestriction;
  r.tag = PidTagSubject;
  r.tag2 = PidTagNormalizedSubject;
  r.relop = NotEqual;
  EXPECT_EQ(restricted(r), (List{"RE: Bridge plans"}));
  r = group(RestrictType::CountRestriction, {bridge});
  r.number = 1;
  EXPECT_EQ(restricted(r).size(), 1u);
  // SubObject: recipients by name.
  r = group(RestrictType::SubObjectRestriction, {text(PidTagDisplayName, "dave", FL_PREFIX, FL_IGNORECASE)});
  r.number = PidTagMessageRecipients.value;
  EXPECT_EQ(restricted(r).size(), 3u);
  r = group(RestrictType::SubObjectRestriction, {text(PidTagDisplayName, "zoe", FL_PREFIX, FL_IGNORECASE)});
  r.number = PidTagMessageRecipients.value;
  EXPECT_EQ(restricted(r), List{});
  r.number = PidTagMessageFlags.value;
  EXPECT_EQ(restricted(r), (List{"!" + to_string(ecTooComplex)}));
  // What looks into bodies is asked of the backend.
  EXPECT_EQ(restricted(text(PidTagBody, "BODY", FL_SUBSTRING, FL_IGNORECASE)), (List{"Lunch"}));
  EXPECT_EQ(backend.count("search"), 1);
  EXPECT_EQ(restricted(group(RestrictType::OrRestriction, {text(PidTagBody, "hello", FL_SUBSTRING, FL_IGNORECASE), bridge})),
            (List{"bridge photos", "RE: Bridge plans"}));
  EXPECT_EQ(restricted(property(PidTagBody, Equal, Value::string(arena, "x"))), (List{"!" + to_string(ecTooComplex)}));
  EXPECT_EQ(restrict(nullptr), ecNone);
  EXPECT_EQ(subjects().size(), 3u);
}

TEST_F(TableTest, SeekingAndBookmarks) {
  open(10);
  auto sought = seek(wire::BOOKMARK_BEGINNING, 4);
  EXPECT_EQ(sought.RowsSought, 4);
  EXPECT_FALSE(sought.HasSoughtLess);
  EXPECT_EQ(position().first, 4u);
  sought = seek(wire::BOOKMARK_CURRENT, -10);
  EXPECT_TRUE(sought.HasSoughtLess);
  EXPECT_EQ(sought.RowsSought, -4);
  sought = seek(wire::BOOKMARK_END, -3);
  EXPECT_EQ(position().first, 7u);
  sought = seek(wire::BOOKMARK_CURRENT, INT32_MAX);
  EXPECT_EQ(position().first, 10u);
  Ask<wire::RopSeekRowFractional> half{{1, 2}, 2};
  EXPECT_EQ(client->execute(half).value(), ecNone);
  EXPECT_EQ(position().first, 5u);
  half.body.Denominator = 0;
  EXPECT_EQ(client->execute(half).value(), ecInvalidParam);

  const auto created = client->execute(Ask<wire::RopCreateBookmark>{{}, 2});
  const auto bookmark = created.get<wire::RopCreateBookmark>().Bookmark;
  const auto there = subjects(1)[0];
  seek(wire::BOOKMARK_BEGINNING, 0);
  Ask<wire::RopSeekRowBookmark> to{{bookmark, 0, true}, 2};
  EXPECT_EQ(client->execute(to).value(), ecNone);
  EXPECT_EQ(subjects(1)[0], there);
  // New mail moves the row; the bookmark goes with it.
  backend.add("INBOX", "Subject 9999");
  settle(*client, inbox);
  const auto moved = client->execute(to);
  EXPECT_FALSE(moved.get<wire::RopSeekRowBookmark>().RowNoLongerVisible);
  EXPECT_EQ(position(), (std::pair<std::uint32_t, std::uint32_t>{6, 11}));
  EXPECT_EQ(subjects(1)[0], there);
  // The row goes: the client is told.
  backend.folders["INBOX"].messages.erase(5);
  ++backend.folders["INBOX"].change;
  settle(*client, inbox);
  EXPECT_TRUE(client->execute(to).get<wire::RopSeekRowBookmark>().RowNoLongerVisible);
  Ask<wire::RopFreeBookmark> release{{bookmark}, 2};
  EXPECT_EQ(client->execute(release).value(), ecNone);
  EXPECT_EQ(client->execute(release).value(), ecInvalidBookmark);
  EXPECT_EQ(client->execute(to).value(), ecInvalidBookmark);
  // A table that was reset has none, and numbers them anew like one that was just opened.
  const Bytes first(bookmark.begin(), bookmark.end());
  ASSERT_EQ(client->execute(Ask<wire::RopResetTable>{{}, 2}).value(), ecNone);
  client->columns({PidTagSubject});
  to.body.Bookmark = first;
  EXPECT_EQ(client->execute(to).value(), ecInvalidBookmark);
  const auto anew = client->execute(Ask<wire::RopCreateBookmark>{{}, 2});
  EXPECT_EQ(to_hex(anew.get<wire::RopCreateBookmark>().Bookmark), to_hex(first));
  EXPECT_EQ(client->execute(to).value(), ecNone);
}

TEST_F(TableTest, FindsRowsInBothDirections) {
  open(300);
  Restriction r;
  r.type = RestrictType::ContentRestriction;
  r.tag = PidTagSubject;
  r.FuzzyLevelLow = FL_SUBSTRING;
  r.value = {PidTagSubject, Value::string(client->arena, "02")};
  Ask<wire::RopFindRow> find;
  find.handle = 2;
  find.body.RestrictionData = &r;
  const auto hit = client->execute(find);
  ASSERT_EQ(hit.value(), ecNone);
  EXPECT_TRUE(hit.get<wire::RopFindRow>().HasRowData);
  EXPECT_EQ(to_text(hit.get<wire::RopFindRow>().RowData.values[0]), "Subject 0299");
  find.body.Origin = wire::BOOKMARK_END;
  find.body.FindRowFlags = wire::RopFindRow::Backward;
  EXPECT_EQ(to_text(client->execute(find).get<wire::RopFindRow>().RowData.values[0]), "Subject 0002");
  EXPECT_EQ(position().first, 297u);
  EXPECT_EQ(subjects(1)[0], "Subject 0002");
  r.value = {PidTagSubject, Value::string(client->arena, "nowhere")};
  EXPECT_EQ(client->execute(find).value(), ecNotFound);
}

TEST_F(TableTest, ColumnsThatFailLeaveNone) {  // [MS-OXCTABL] 3.2.5.2
  open(2);
  Ask<wire::RopQueryRows> query{{wire::RopQueryRows::NoAdvance, true, 5}, 2};
  for (const auto type : {PropertyType::PtypUnspecified, PropertyType::PtypErrorCode, static_cast<PropertyType>(0x0057)}) {
    ASSERT_EQ(client->columns({PidTagSubject}).value(), ecNone);
    ASSERT_EQ(client->execute(query).value(), ecNone);
    EXPECT_EQ(client->columns({PidTagSubject.with(type)}).value(), ecInvalidParam);
    EXPECT_EQ(client->execute(query).value(), ecNullObject);
  }
}

TEST_F(TableTest, SomeOperationsAreForSomeTablesOnly) {  // [MS-OXCTABL] 3.2.5.4 to 3.2.5.16
  open(1);
  Ask<wire::RopGetPermissionsTable> permissions{{4, 0}, 1};
  ASSERT_EQ(client->execute(permissions).value(), ecNone);
  EXPECT_EQ(client->execute(Ask<wire::RopRestrict>{{}, 4}).value(), ecNotSupported);
  EXPECT_EQ(client->execute(Ask<wire::RopFindRow>{{}, 4}).value(), ecNotSupported);
  EXPECT_EQ(client->execute(Ask<wire::RopSeekRowBookmark>{{}, 4}).value(), ecNotSupported);
  EXPECT_EQ(client->execute(Ask<wire::RopAbort>{{}, 4}).value(), ecNotSupported);
  EXPECT_EQ(client->execute(Ask<wire::RopResetTable>{{}, 4}).value(), ecNotSupported);
}

TEST_F(TableTest, OperationsBeforeColumnsAndOnOtherTables) {
  open(2);
  const auto reset = client->execute(Ask<wire::RopResetTable>{{}, 2});
  EXPECT_EQ(reset.value(), ecNone);
  Ask<wire::RopQueryRows> query{{0, true, 5}, 2};
  EXPECT_EQ(client->execute(query).value(), ecNullObject);
  EXPECT_EQ(client->columns({}).value(), ecInvalidParam);
  EXPECT_EQ(client->execute(Ask<wire::RopGetStatus>{{}, 2}).value(), ecNone);
  EXPECT_EQ(client->execute(Ask<wire::RopAbort>{{}, 2}).value(), static_cast<ErrorCode>(0x80040114));
  EXPECT_GT(client->execute(Ask<wire::RopQueryColumnsAll>{{}, 2}).get<wire::RopQueryColumnsAll>().PropertyTags.size(), 40u);
  EXPECT_EQ(client->execute(Ask<wire::RopExpandRow>{{10, 1}, 2}).value(), ecNullObject);
  EXPECT_EQ(client->execute(Ask<wire::RopCollapseRow>{{1}, 2}).value(), ecNullObject);
  client->columns({PidTagSubject});
  EXPECT_EQ(client->execute(Ask<wire::RopExpandRow>{{10, 1}, 2}).value(), ecNotFound);
  EXPECT_EQ(client->execute(Ask<wire::RopCollapseRow>{{1}, 2}).value(), ecNotFound);
  const auto associated = client->contents(wire::RopGetContentsTable::Associated);  // row P3
  ASSERT_TRUE(associated.has_value());
  EXPECT_EQ(*associated, 0u);
  Ask<wire::RopGetRulesTable> rules{{4, 0}, 1};
  EXPECT_EQ(client->execute(rules).value(), ecNone);
  Ask<wire::RopGetPermissionsTable> permissions{{4, 0}, 1};
  EXPECT_EQ(client->execute(permissions).value(), ecNone);
  client->columns({PidTagMemberName, PidTagMemberRights}, 4);
  EXPECT_EQ(client->rows(10, 4), (std::vector<std::vector<std::string>>{{"", "0"}, {"Anonymous", "0"}}));
}

TEST_F(TableTest, RowsAreCutToWhatFits) {
  open(400);
  client->columns({PidTagSubject, PidTagEntryId, PidTagSenderName, PidTagSentRepresentingEntryId});
  Ask<wire::RopQueryRows> ask{{0, true, 400}, 2};
  client->max_rop_out = 2000;
  auto replies = client->execute(ask);
  const auto some = replies.get<wire::RopQueryRows>().RowData.size();
  EXPECT_GT(some, 2u);
  EXPECT_LT(some, 20u);
  EXPECT_EQ(position().first, some);
  client->max_rop_out = 0x40000;
  seek(wire::BOOKMARK_BEGINNING, 0);
  replies = client->execute(ask);  // one payload holds 32 KiB, whatever MaxRopOut says
  const auto one_payload = replies.get<wire::RopQueryRows>().RowData.size();
  EXPECT_LT(one_payload, 400u);
  EXPECT_TRUE(replies.chained.empty());
  // Row S6: chained only when asked for, in the ROP and in the call.
  client->flags = wire::rpc::Chain;
  seek(wire::BOOKMARK_BEGINNING, 0);
  EXPECT_TRUE(client->execute(ask).chained.empty());
  seek(wire::BOOKMARK_BEGINNING, 0);
  ask.body.QueryRowsFlags = wire::RopQueryRows::EnablePackedBuffers;
  replies = client->execute(ask);
  ASSERT_FALSE(replies.chained.empty());
  auto total = replies.get<wire::RopQueryRows>().RowData.size();
  for (const auto& buffer : replies.chained) {
    ASSERT_EQ(buffer.rops.size(), 1u);
    total += buffer.rops[0].as<wire::RopQueryRows>()->RowData.size();
  }
  EXPECT_EQ(total, 400u);
  EXPECT_EQ(replies.chained.back().rops[0].as<wire::RopQueryRows>()->Origin, wire::BOOKMARK_END);
  // A whole table in small pieces: nothing lost, nothing twice.
  client->flags = 0;
  client->max_rop_out = 3000;
  client->columns({PidTagSubject, PidTagEntryId});
  seek(wire::BOOKMARK_BEGINNING, 0);
  const auto all = subjects();
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), 400u);
  EXPECT_EQ(all.size(), 400u);
}

TEST_F(TableTest, TheCursorStaysAtItsRow) {
  open(5);
  EXPECT_EQ(subjects(2), (std::vector<std::string>{"Subject 0004", "Subject 0003"}));
  backend.add("INBOX", "Subject 0005");
  settle(*client, inbox);
  EXPECT_EQ(subjects(), (std::vector<std::string>{"Subject 0002", "Subject 0001", "Subject 0000"}));
  EXPECT_EQ(position(), (std::pair<std::uint32_t, std::uint32_t>{6, 6}));
}

TEST_F(TableTest, TablesShareTheirLists) {
  // Opening a large folder again takes the list that is there.
  for (int i = 0; i < 100; ++i) backend.add("INBOX", fmt::format("m {}", i));
  client = connect();
  client->logon();
  client->open_folder(inbox);
  ASSERT_EQ(client->contents().value(), 100u);
  auto& mailbox = client->session->mailbox();
  const auto list = [&] {
    auto reading = mailbox.message_list(special_id(inbox), ListOrder::make({}, nullptr));
    return boost::asio::co_spawn(mailbox.executor(), std::move(reading), boost::asio::use_future).get();
  };
  const auto first = list();
  ASSERT_TRUE(first);
  ASSERT_EQ(client->contents().value(), 100u);
  client->columns({PidTagSubject});
  EXPECT_EQ(client->rows(50).size(), 50u);
  EXPECT_EQ(list().value(), first.value());
  backend.add("INBOX", "one more");
  settle(*client, inbox);
  const auto then = list();
  EXPECT_EQ(then.value()->size(), 101u);
  EXPECT_EQ(list().value(), then.value());
}

}  // namespace
}  // namespace mapigate::mailbox::testing
