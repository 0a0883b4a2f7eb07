#include "mailbox/categories.h"

#include "mailbox/test_support.h"

namespace mapigate::mailbox {

using namespace testing;

TEST(Categories, AreKeywordsThatCanBeReadBack) {
  for (const char* name : {"Red Category", "Ärger", "a=b", "under_score", "100%", "(x)", "[y]", "*", "日本", "$cash", "a\\b", "\"q\""}) {
    const auto word = keyword_of(name);
    ASSERT_FALSE(word.empty()) << name;
    EXPECT_EQ(word.find_first_of(" (){%*\"\\]\x7f"), word.npos) << word;
    EXPECT_EQ(category_of(word), name) << word;
  }
  EXPECT_EQ(keyword_of("Red Category"), "Red_Category");
  EXPECT_EQ(category_of("$MDNSent"), "");
  EXPECT_EQ(category_of("$label3"), "Personal");
  EXPECT_EQ(keyword_of("Personal"), "$label3");
  EXPECT_EQ(category_of("a=ZZ"), "a=ZZ");
  EXPECT_EQ(keyword_of(std::string(51, 'x')), "");
}

TEST(Categories, ChangeOnlyWhatChanged) {
  const auto change = keyword_change("$Other $label1 red", {"Red", "New One"});
  EXPECT_EQ(change.add, std::vector<std::string>{"New_One"});
  EXPECT_EQ(change.remove, std::vector<std::string>{"$label1"});
  EXPECT_EQ(change.result, "$Other New_One red");
  EXPECT_TRUE(keyword_change("a b", {"B", "A"}).empty());
  EXPECT_EQ(merge_categories({"kept", "Gone"}, "gone", "came"), (std::vector<std::string>{"kept", "came"}));
}

class WatchTest : public EngineTest {};

TEST_F(WatchTest, NewsOfTheBackendReachWhoeverWaits) {
  use([](EngineOptions& o) { o.refresh_interval = std::chrono::hours(1); });
  backend.tells = true;
  backend.add("INBOX", "one");
  auto client = connect();
  client->logon();
  ASSERT_EQ(client->open_folder(FolderRole::inbox), mapi::ecNone);
  ASSERT_TRUE(client->contents());
  wire::RopRegisterNotification::Request request;
  request.OutputHandleIndex = 5;
  request.NotificationTypes = wire::notification::NewMail;
  request.FolderId = client->session->mailbox().identity()->id(special_id(FolderRole::inbox));
  ASSERT_EQ(client->execute(Ask<wire::RopRegisterNotification>{request, 1}).value(), mapi::ecNone);
  while (client->wait(std::chrono::milliseconds(300))) client->send({});
  EXPECT_GE(backend.count("watch"), 1);
  const auto asked = backend.count("changed");
  backend.add("INBOX", "two");
  {
    std::lock_guard lock(backend.mutex);
    backend.news.folders.push_back({"INBOX"});
  }
  EXPECT_TRUE(client->wait(std::chrono::seconds(5)));
  EXPECT_EQ(backend.count("changed"), asked) << "news need no question";
  // While it is down it is tried again, and then stands anew.
  backend.set_down("watch");
  ASSERT_TRUE(eventually([&] { return backend.count("watch") >= 1; }));
  while (client->wait(std::chrono::milliseconds(100))) client->send({});
  backend.set_down("watch", false);
  backend.add("INBOX", "three");
  EXPECT_TRUE(client->wait(std::chrono::seconds(10)));
}

}  // namespace mapigate::mailbox
