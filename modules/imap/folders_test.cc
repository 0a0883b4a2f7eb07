// The folder tree from what servers of other kinds say.
#include <gtest/gtest.h>

#include <functional>

#include "provider.h"

namespace mapigate::imap {
namespace {

using mailbox::RemoteFolder;
using state::FolderRole;

std::vector<RemoteFolder> arrange(const std::string& lines, bool utf8 = false) {
  Listing listing;
  listing.utf8 = utf8;
  ResponseReader reader;
  auto left = as_view(lines);
  while (!left.empty()) {
    auto used = reader.feed(left);
    EXPECT_TRUE(used.has_value());
    left = left.subspan(used.value());
    auto response = reader.parse();
    EXPECT_TRUE(response.has_value()) << response.error().message;
    if (auto entry = parse_list(*response)) listing.entries.push_back(*entry);
    if (auto status = parse_status(*response)) listing.statuses.push_back(*status);
    if (auto namespaces = parse_namespaces(*response)) listing.namespaces = namespaces;
    if (auto rights = parse_my_rights(*response)) listing.rights.insert(*rights);
    reader.clear();
  }
  return arrange_folders(listing);
}

const RemoteFolder& by_id(const std::vector<RemoteFolder>& folders, const std::string& id) {
  for (const auto& folder : folders)
    if (folder.remote_id == id) return folder;
  ADD_FAILURE() << "no folder " << id;
  static const RemoteFolder none;
  return none;
}

TEST(FolderTree, CourierKeepsEverythingBelowInbox) {
  for (const std::string names : {"* NAMESPACE ((\"INBOX.\" \".\")) NIL ((\"shared.\" \".\"))\r\n", ""}) {
    const auto folders = arrange(names +
                                 "* LIST (\\Unmarked \\HasChildren) \".\" \"INBOX\"\r\n"
                                 "* LIST (\\HasNoChildren) \".\" \"INBOX.Sent\"\r\n"
                                 "* LIST (\\HasChildren) \".\" \"INBOX.Work\"\r\n"
                                 "* LIST (\\HasNoChildren) \".\" \"INBOX.Work.Entw&APw-rfe\"\r\n"
                                 "* LIST (\\HasNoChildren) \".\" \"INBOX.Trash\"\r\n");
    ASSERT_EQ(folders.size(), 5u);
    EXPECT_EQ(by_id(folders, "INBOX").role, FolderRole::inbox);
    EXPECT_EQ(by_id(folders, "INBOX.Sent").parent_remote_id, "") << "beside the inbox, not below";
    EXPECT_EQ(by_id(folders, "INBOX.Sent").name, "Sent");
    EXPECT_EQ(by_id(folders, "INBOX.Sent").role, FolderRole::sent_items);
    EXPECT_EQ(by_id(folders, "INBOX.Work.Entw&APw-rfe").name, "Entwürfe");
    EXPECT_EQ(by_id(folders, "INBOX.Work.Entw&APw-rfe").parent_remote_id, "INBOX.Work");
    EXPECT_EQ(by_id(folders, "INBOX.Work.Entw&APw-rfe").role, FolderRole::none) << "only near the top";
    EXPECT_EQ(by_id(folders, "INBOX.Trash").role, FolderRole::deleted_items);
  }
}

TEST(FolderTree, CyrusWritesSpecialUseInLowerCase) {
  const auto folders = arrange(
      "* NAMESPACE ((\"\" \"/\")) ((\"Other Users/\" \"/\")) ((\"Shared Folders/\" \"/\"))\r\n"
      "* LIST (\\HasNoChildren) \"/\" Inbox\r\n"
      "* LIST (\\HasNoChildren \\sent) \"/\" Verschickt\r\n"
      "* LIST (\\HasNoChildren) \"/\" Sent\r\n"
      "* LIST (\\HasNoChildren) \"/\" \"Other Users/bob/Plans\"\r\n"
      "* STATUS inbox (MESSAGES 7 UNSEEN 2)\r\n");
  EXPECT_EQ(by_id(folders, "INBOX").total, 7u);
  EXPECT_EQ(by_id(folders, "INBOX").unread, 2u);
  EXPECT_EQ(by_id(folders, "Verschickt").role, FolderRole::sent_items);
  EXPECT_EQ(by_id(folders, "Sent").role, FolderRole::none);
  EXPECT_FALSE(by_id(folders, "Other Users").selectable) << "made up: the server did not list it";
  EXPECT_EQ(by_id(folders, "Other Users/bob/Plans").parent_remote_id, "Other Users/bob");
}

// [MS-OXCPERM] 2.2.7, RFC 4314 2.1.
TEST(FolderTree, WhatOthersShareHasNoRolesAndTheRightsThatAreGranted) {
  const auto folders = arrange(
      "* NAMESPACE ((\"\" \"/\")) ((\"Users/\" \"/\")) ((\"#public/\" \"/\"))\r\n"
      "* LIST () \"/\" INBOX\r\n"
      "* LIST (\\Sent) \"/\" Users/bob/Sent\r\n"
      "* LIST () \"/\" #public\r\n"
      "* LIST (\\Trash) \"/\" #public/Trash\r\n"
      "* LIST () \"/\" #public/News\r\n"
      "* LIST (\\Sent) \"/\" Outgoing\r\n"
      "* MYRIGHTS Users/bob/Sent lrswipkxte\r\n"
      "* MYRIGHTS \"#public/News\" lrs\r\n"
      "* MYRIGHTS Outgoing lr\r\n");
  EXPECT_EQ(by_id(folders, "Users/bob/Sent").role, FolderRole::none);
  EXPECT_EQ(by_id(folders, "#public/Trash").role, FolderRole::none);
  EXPECT_EQ(by_id(folders, "Outgoing").role, FolderRole::sent_items) << "the user's own";
  EXPECT_EQ(by_id(folders, "#public").name, "public");
  EXPECT_EQ(by_id(folders, "Users/bob/Sent").rights, 0x7FBu);
  EXPECT_EQ(by_id(folders, "#public/News").rights, 0x401u) << "read, and visible";
  EXPECT_FALSE(by_id(folders, "Outgoing").rights.has_value());
}

// Cyrus without its alternative namespace: shared mailboxes have no prefix at all.
TEST(FolderTree, SharedMailboxesWithoutAPrefixHaveAFolderOfTheirOwn) {
  const auto folders = arrange(
      "* NAMESPACE ((\"INBOX.\" \".\")) ((\"user.\" \".\")) ((\"\" \".\"))\r\n"
      "* LIST () \".\" INBOX\r\n"
      "* LIST () \".\" INBOX.Work\r\n"
      "* LIST () \".\" Trash\r\n"
      "* LIST () \".\" Trash.old\r\n"
      "* LIST () \".\" user.bob\r\n");
  const auto& top = by_id(folders, shared_top);
  EXPECT_EQ(top.name, "Shared Folders");
  EXPECT_FALSE(top.selectable);
  EXPECT_EQ(by_id(folders, "Trash").parent_remote_id, shared_top);
  EXPECT_EQ(by_id(folders, "Trash").role, FolderRole::none);
  EXPECT_EQ(by_id(folders, "Trash.old").parent_remote_id, "Trash");
  EXPECT_EQ(by_id(folders, "user.bob").parent_remote_id, "user");
  EXPECT_EQ(by_id(folders, "INBOX.Work").parent_remote_id, "");
}

TEST(FolderTree, GuessesRolesInSeveralLanguages) {
  const auto folders = arrange(
      "* LIST () \"\\\\\" \"Gesendete Elemente\"\r\n"
      "* LIST () \"\\\\\" \"ENTW&ANw-RFE\"\r\n"
      "* LIST () \"\\\\\" Corbeille\r\n"
      "* LIST () \"\\\\\" Spam\r\n"
      "* LIST () \"\\\\\" Archives\r\n"
      "* LIST () \"\\\\\" \"Work\\\\Trash\"\r\n");
  EXPECT_EQ(by_id(folders, "Gesendete Elemente").role, FolderRole::sent_items);
  EXPECT_EQ(by_id(folders, "ENTW&ANw-RFE").role, FolderRole::drafts);
  EXPECT_EQ(by_id(folders, "Corbeille").role, FolderRole::deleted_items);
  EXPECT_EQ(by_id(folders, "Spam").role, FolderRole::junk);
  EXPECT_EQ(by_id(folders, "Archives").role, FolderRole::archive);
  EXPECT_EQ(by_id(folders, "Work\\Trash").role, FolderRole::none);
  EXPECT_EQ(by_id(folders, "Work\\Trash").parent_remote_id, "Work");
}

TEST(FolderTree, LookAlikesWithTheirMarkShowWhatTheyStandFor) {
  const auto folders = arrange(
      "* LIST () \"/\" \"A&IhUgYA-B\"\r\n"
      "* LIST () \"/\" \"A&IhUgYA-B/v1&ICQgYA-2\"\r\n"
      "* LIST () \"/\" \"A&IhU-B\"\r\n"
      "* LIST () \"/\" \"v1.2\"\r\n"
      "* LIST () \"/\" \"&,ykgYA-nbox\"\r\n");
  EXPECT_EQ(by_id(folders, "A&IhUgYA-B").name, "A/B");
  EXPECT_EQ(by_id(folders, "A&IhUgYA-B/v1&ICQgYA-2").name, "v1.2");
  EXPECT_EQ(by_id(folders, "A&IhUgYA-B/v1&ICQgYA-2").parent_remote_id, "A&IhUgYA-B");
  EXPECT_EQ(by_id(folders, "A&IhU-B").name, "A∕B") << "what others named so stays so";
  EXPECT_EQ(by_id(folders, "v1.2").name, "v1.2");
  EXPECT_EQ(by_id(folders, "&,ykgYA-nbox").name, "Inbox");
}

TEST(FolderTree, ShellsWithoutContentAreLeftOut) {
  const auto folders = arrange(
      "* LIST (\\Noselect \\HasChildren) \"/\" Kept\r\n"
      "* LIST () \"/\" Kept/Child\r\n"
      "* LIST (\\NonExistent) \"/\" Gone\r\n"
      "* LIST (\\Noselect) \"/\" Empty/Shell\r\n"
      "* LIST () NIL Flat.Name/x\r\n");
  EXPECT_EQ(folders.size(), 4u);
  EXPECT_FALSE(by_id(folders, "Kept").selectable);
  EXPECT_EQ(by_id(folders, "Flat.Name/x").name, "Flat.Name/x");
  EXPECT_EQ(arrange("").size(), 1u) << "the inbox always exists";
}

TEST(Cursors, ComeBackAsTheyWere) {
  const Cursor cursor{4'000'000'000, 77, 917'162'500'000, 12};
  const auto again = Cursor::parse(cursor.to_string());
  EXPECT_EQ(again.uidvalidity, cursor.uidvalidity);
  EXPECT_EQ(again.uidnext, cursor.uidnext);
  EXPECT_EQ(again.highestmodseq, cursor.highestmodseq);
  EXPECT_EQ(again.exists, cursor.exists);
  for (const char* text : {"", "1 2", "2 1 1 1 1", "garbage"})
    EXPECT_EQ(Cursor::parse(text).uidvalidity, 0u) << text;
}

}  // namespace
}  // namespace mapigate::imap
