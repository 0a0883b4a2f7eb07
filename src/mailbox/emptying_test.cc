// Emptying a folder with folders in it.
#include "mailbox/test_support.h"

namespace mapigate::mailbox::testing {
namespace {

using namespace mapi;
using enum state::FolderRole;

class Emptying : public EngineTest {
 protected:
  static std::size_t folders_below(Client& client, FolderRole role) {
    EXPECT_EQ(client.open_folder(role), ecNone);
    const auto replies = client.execute(Ask<wire::RopGetHierarchyTable>{{9, 0}, 1});
    return replies.value() == ecNone ? replies.get<wire::RopGetHierarchyTable>().RowCount : 99;
  }
};

TEST_F(Emptying, TakesAllFoldersThatAreInIt) {  // [MS-OXCFOLD] 3.2.5.9
  auto client = connect();
  ASSERT_EQ(client->logon().value(), ecNone);
  ASSERT_EQ(client->open_folder(notes), ecNone);
  for (const auto* name : {"One", "Two", "Three", "Four"}) {
    Ask<wire::RopCreateFolder> make;
    make.handle = 1;
    make.body.OutputHandleIndex = 5;
    make.body.UseUnicodeStrings = true;
    make.body.DisplayName.unicode = to_utf16(client->arena, name);
    make.body.Comment.unicode = to_utf16(client->arena, "");
    ASSERT_EQ(client->execute(make).value(), ecNone) << name;
  }
  EXPECT_EQ(folders_below(*client, notes), 4u);
  const auto replies = client->execute(Ask<wire::RopEmptyFolder>{{}, 1});
  ASSERT_EQ(replies.value(), ecNone);
  EXPECT_FALSE(replies.get<wire::RopEmptyFolder>().PartialCompletion);
  EXPECT_EQ(folders_below(*client, notes), 0u);
}

}  // namespace
}  // namespace mapigate::mailbox::testing
