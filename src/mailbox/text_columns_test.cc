// What texts begin with, in rows of tables.
#include "mailbox/test_support.h"
#include "mailbox/text_cache.h"

namespace mapigate::mailbox::testing {
namespace {

using namespace mapi;  // PidTag…
using enum FolderRole;

using List = std::vector<std::string>;

class TextColumnTest : public InboxTest {
 protected:
  // The cells of one column from the first row on.
  List cells(PropertyTag tag) {
    client->columns({tag});
    Ask<wire::RopSeekRow> seek{{wire::BOOKMARK_BEGINNING, 0, false}, 2};
    client->execute(seek);
    List out;
    for (const auto& row : client->rows()) out.push_back(row[0]);
    return out;
  }
};

TEST_F(TextColumnTest, RowsSayWhatOpenedMessagesSay) {
  std::string counted;
  for (int i = 0; counted.size() < 2000; ++i) counted += fmt::format("größer {} ", i);
  backend.add("INBOX", "short", 0, "Hallo Größe.\r\n", "Content-Type: text/plain; charset=utf-8\r\n");
  backend.add("INBOX", "long", 0, counted, "Content-Type: text/plain; charset=utf-8\r\n");
  backend.add("INBOX", "html", 0, "<html><body><p>One &amp; <b>two</b></p></body></html>\r\n", "Content-Type: text/html\r\n");
  backend.add("INBOX", "nothing", 0, "");
  open();
  const auto rows = cells(PidTagBody);
  ASSERT_EQ(rows.size(), 4u);
  for (std::size_t n = 0; n < rows.size(); ++n) {
    ASSERT_EQ(client->open_message(inbox, n).value(), ecNone);
    const auto whole = client->read_stream(PidTagBody, 3);
    EXPECT_EQ(rows[n], to_utf8(Utf16{as_view(std::string_view(whole).substr(0, 2 * 255))})) << n;
  }
  EXPECT_EQ(rows[3], "Hallo Größe.\r\n");
  EXPECT_TRUE(rows[2].starts_with("größer 0 "));
  EXPECT_EQ(rows[1], "One & two\r\n");
  ASSERT_EQ(client->columns({PidTagBody.with(PropertyType::PtypString8)}).value(), ecNone);
  client->execute(Ask<wire::RopSeekRow>{{wire::BOOKMARK_BEGINNING, 0, false}, 2});
  Ask<wire::RopQueryRows> ask;
  ask.handle = 2;
  ask.body.RowCount = 4;
  const auto replies = client->execute(ask);
  const auto* text = replies.get<wire::RopQueryRows>().RowData[3].values[0].get<String8>();
  ASSERT_NE(text, nullptr);
  EXPECT_EQ(text->text, "Hallo Gr\xF6\xDF" "e.\r\n");
}

TEST_F(TextColumnTest, NobodyIsAskedTwice) {
  for (int i = 0; i < 5; ++i) backend.add("INBOX", fmt::format("m {}", i), 0, fmt::format("text {}\r\n", i));
  open();
  EXPECT_EQ(cells(PidTagSubject).size(), 5u);
  EXPECT_EQ(backend.count("content"), 0) << "no column asks for it";
  const List texts = {"text 4\r\n", "text 3\r\n", "text 2\r\n", "text 1\r\n", "text 0\r\n"};
  EXPECT_EQ(cells(PidTagBody), texts);
  EXPECT_EQ(backend.count("content"), 5);
  EXPECT_EQ(cells(PidTagBody), texts);
  auto other = connect();
  other->logon();
  other->open_folder(inbox);
  ASSERT_TRUE(other->contents());
  other->columns({PidTagBody});
  EXPECT_EQ(other->rows()[0], List{"text 4\r\n"});
  // What was read or flagged has the same text.
  {
    std::lock_guard lock(backend.mutex);
    backend.folders["INBOX"].messages[1].flags = state::flag_seen;
    ++backend.folders["INBOX"].change;
  }
  settle(*client, inbox);
  EXPECT_EQ(cells(PidTagBody), texts);
  EXPECT_EQ(backend.count("content"), 5);
  other.reset();
}

TEST_F(TextColumnTest, ABackendThatIsDownCostsTheTextAlone) {
  for (int i = 0; i < 3; ++i) backend.add("INBOX", fmt::format("m {}", i), 0, "There.\r\n");
  open();
  backend.set_down("content");
  EXPECT_EQ(cells(PidTagSubject), (List{"m 2", "m 1", "m 0"}));
  const auto without = cells(PidTagBody);
  ASSERT_EQ(without.size(), 3u);
  for (const auto& cell : without) EXPECT_TRUE(cell.starts_with("!ecNetwork")) << cell;
  backend.set_down("content", false);
  EXPECT_EQ(cells(PidTagBody), (List{"There.\r\n", "There.\r\n", "There.\r\n"})) << "what failed is not kept";
  {
    std::lock_guard lock(backend.mutex);
    backend.folders["INBOX"].messages.erase(2);
  }
  restart();
  backend.set_down("refresh");
  EXPECT_EQ(cells(PidTagBody), (List{"There.\r\n", "!ecNotFound (0x8004010f)", "There.\r\n"})) << "gone, and the index does not know yet";
}

TEST_F(TextColumnTest, NothingIsKeptWithoutRoom) {
  use([](EngineOptions& o) { o.text_cache = 0; });
  backend.add("INBOX", "one", 0, "text\r\n");
  open();
  EXPECT_EQ(cells(PidTagBody), List{"text\r\n"});
  EXPECT_EQ(cells(PidTagBody), List{"text\r\n"});
  EXPECT_EQ(backend.count("content"), 2);
}

TEST_F(TextColumnTest, FoundAndExpandedRowsHaveThem) {
  backend.add("INBOX", "one", 0, "first\r\n", "Importance: high\r\n");
  backend.add("INBOX", "two", 0, "second\r\n", "Importance: high\r\n");
  open();
  client->columns({PidTagBody, PidTagInstID});
  Restriction r;
  r.type = RestrictType::ContentRestriction;
  r.tag = PidTagSubject;
  r.value = {PidTagSubject, Value::string(client->arena, "one")};
  Ask<wire::RopFindRow> find;
  find.handle = 2;
  find.body.Origin = wire::BOOKMARK_BEGINNING;
  find.body.RestrictionData = &r;
  const auto found = client->execute(find);
  ASSERT_EQ(found.value(), ecNone);
  EXPECT_EQ(to_text(found.get<wire::RopFindRow>().RowData.values[0]), "first\r\n");
  EXPECT_EQ(backend.count("content"), 1) << "of the row that is shown";
  ASSERT_EQ(client->sort({{PidTagImportance, SortOrder::Descending}, {PidTagSubject, SortOrder::Ascending}}, 1), ecNone);
  const auto headers = client->rows();
  ASSERT_EQ(headers.size(), 1u);
  EXPECT_EQ(headers[0][0], "!ecNotFound (0x8004010f)") << "a category has no text";
  Ask<wire::RopExpandRow> expand{{10, std::stoull(headers[0][1])}, 2};
  const auto expanded = client->execute(expand);
  const auto rows = expanded.get<wire::RopExpandRow>().RowData;
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(to_text(rows[0].values[0]), "first\r\n");
  EXPECT_EQ(to_text(rows[1].values[0]), "second\r\n");
}

TEST_F(TextColumnTest, TheOrderOfRowsAsksNobody) {
  for (int i = 0; i < 3; ++i) backend.add("INBOX", fmt::format("m {}", i), 0, fmt::format("text {}\r\n", i));
  open();
  ASSERT_EQ(client->sort({{PidTagBody, SortOrder::Ascending}}), ecNone);
  EXPECT_EQ(cells(PidTagSubject).size(), 3u);
  EXPECT_EQ(backend.count("content"), 0);
}

TEST(TextCache, KeepsWhatWasUsedLast) {
  TextCache cache;
  constexpr std::size_t room = 3000;
  for (GlobalCounter id = 1; id <= 4; ++id) {
    cache.put(id, {7, std::string(500, 'x')}, room);
    EXPECT_NE(cache.find(1, 7), nullptr);
  }
  EXPECT_EQ(cache.find(1, 8), nullptr) << "another text";
  cache.put(5, {7, std::string(500, 'y')}, room);
  EXPECT_EQ(cache.find(2, 7), nullptr);
  EXPECT_NE(cache.find(1, 7), nullptr);
  EXPECT_NE(cache.find(5, 7), nullptr);
  cache.put(5, {8, "z"}, room);
  EXPECT_EQ(cache.find(5, 8)->text, "z");
  cache.clear();
  EXPECT_EQ(cache.find(5, 8), nullptr);
}

}  // namespace
}  // namespace mapigate::mailbox::testing
