#include "directory/snapshot.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "directory/delegates.h"
#include "directory/snapshot_file.h"
#include "mapi/legacy_dn.h"
#include "mapi/properties.h"

namespace mapigate::directory {
namespace {

// What a file gives back is the snapshot that went in; a damaged one, or one whose ids are others', gives nothing.
TEST(Snapshot, ComesBackOutOfItsFileOrNotAtAll) {
  const auto folder = std::filesystem::temp_directory_path() / ("mapigate-snapshot-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  const auto file = (folder / "snapshot").string();
  auto table = IdTable::open((folder / "ids").string());
  ASSERT_TRUE(table);
  Entry room;
  room.key = "0d2bb2a4-9b1c-4d5e-8f00-0123456789ab";
  room.kind = EntryKind::room;
  room.display_name = "Ärchive";
  room.address = "archive@example.test";
  room.account = "archive";
  room.aliases = {"old@example.test"};
  room.former_dns = {"/o=old/cn=archive"};
  room.source_id = room.key;
  room.known_as = "cn=a\\,b,ou=rooms,dc=x";
  room.texts = {{mapi::PidTagTitle, "t"}, {mapi::PidTagNickname, "not one of ours"}};
  room.manager = "boss@example.test";
  room.full_access = {"group", "room"};
  room.delegates = {"boss"};
  room.container = {"One", "Two"};
  room.photo = {1, 2, 3};
  room.certificates = {{1, 2}, {3}};
  room.capacity = 300;
  Entry boss;
  boss.key = "boss";
  boss.display_name = "Boss";
  boss.address = "boss@example.test";
  boss.hidden = true;
  Entry group;
  group.key = "group";
  group.kind = EntryKind::group;
  group.display_name = "Group";
  group.members = {"cn=a\\,b,ou=rooms,dc=x", "boss", "nobody", "others"};
  Entry others;
  others.key = "others";
  others.kind = EntryKind::group;
  others.display_name = "Others";
  others.address = "others@lists.test";
  others.members = {"group", "far", "boss"};
  Entry far;
  far.key = "far";
  far.kind = EntryKind::contact;
  far.display_name = "Far Away";
  far.address = "far@elsewhere.test";
  Entry nameless;
  nameless.key = "nameless";
  nameless.known_as = "cn=n,dc=y";
  const auto made = Snapshot::build({room, boss, group, nameless, others, far}, **table);
  ASSERT_TRUE(made);
  ASSERT_TRUE(SnapshotFile::save(file, **made, {"cookie", "settings"}));
  const auto loaded = SnapshotFile::load(file, **table, "All of us");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->notes, (SnapshotFile::Notes{"cookie", "settings"}));
  for (const auto& book : {*made, loaded->snapshot}) {
    ASSERT_EQ(book->size(), 5u);
    EXPECT_EQ(book->domains(), (std::vector<std::string>{"example.test", "lists.test"}));
    const auto found = book->resolve("arch");
    ASSERT_EQ(found.size(), 1u);
    const auto object = book->object(found[0]);
    EXPECT_EQ(object.entry.key, room.key);
    EXPECT_EQ(object.entry.kind, EntryKind::room);
    EXPECT_EQ(object.entry.display_name, room.display_name);
    EXPECT_EQ(object.entry.account, room.account);
    EXPECT_EQ(object.entry.aliases, room.aliases);
    EXPECT_EQ(object.entry.former_dns, room.former_dns);
    EXPECT_EQ(object.entry.source_id, room.source_id);
    EXPECT_EQ(object.entry.known_as, room.known_as);
    EXPECT_EQ(object.entry.texts, room.texts);
    EXPECT_EQ(object.entry.container, room.container);
    EXPECT_EQ(object.entry.photo, room.photo);
    EXPECT_EQ(object.entry.certificates, room.certificates);
    EXPECT_EQ(object.entry.capacity, 300u);
    EXPECT_FALSE(object.entry.hidden);
    ASSERT_TRUE(object.manager);
    EXPECT_TRUE(book->entry(*object.manager).hidden);
    EXPECT_EQ(object.entry.full_access, room.full_access);
    ASSERT_EQ(object.full_access.size(), 1u);
    EXPECT_EQ(book->entry(object.full_access[0]).key, "group");
    EXPECT_EQ(book->object(object.full_access[0]).full_access_to, Indexes{found[0]});
    EXPECT_EQ(object.delegates.size(), 1u);
    EXPECT_EQ(object.member_of.size(), 1u);
    EXPECT_EQ(book->find_address("OLD@example.test"), found[0]);
    EXPECT_EQ(book->find_dn("/O=old/cn=ARCHIVE"), found[0]);
    EXPECT_EQ(book->find_dn(object.dn), found[0]);
    EXPECT_EQ(book->find(object.id), found[0]);
    const auto lists = book->object(*book->find_dn(mapi::user_dn("group"))).members;
    EXPECT_EQ(lists.size(), 3u);
    // Groups within groups, even round in circles, count by who is in them.
    const auto audience = book->audience(*book->find_dn(mapi::user_dn("group")));
    EXPECT_EQ(audience.people, 3u);
    EXPECT_EQ(audience.outside, 1u);
    ASSERT_EQ(book->left_out().size(), 1u);
    EXPECT_EQ(book->left_out()[0].known_as, "cn=n,dc=y");
    EXPECT_EQ(book->containers().size(), (*made)->containers().size());
  }
  EXPECT_EQ(loaded->snapshot->containers().front().name, "All of us");
  EXPECT_EQ(loaded->snapshot->hierarchy_version(), (*made)->hierarchy_version());
  auto other = IdTable::open((folder / "other").string());
  ASSERT_TRUE(other);
  EXPECT_EQ(SnapshotFile::load(file, **other).error().code, Errc::malformed);
  {
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(40);
    bytes.put('!');
  }
  EXPECT_EQ(SnapshotFile::load(file, **table).error().code, Errc::malformed);
  std::filesystem::resize_file(file, 9);
  EXPECT_EQ(SnapshotFile::load(file, **table).error().code, Errc::malformed);
  std::filesystem::remove_all(folder);
  EXPECT_EQ(SnapshotFile::load(file, **table).error().code, Errc::not_found);
}

// Ids do not depend on what is known from before, and those of entries that are new come out of the table.
TEST(Snapshot, TakesIdsOverFromTheSnapshotBefore) {
  const auto folder = std::filesystem::temp_directory_path() / ("mapigate-ids-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  auto table = IdTable::open((folder / "ids").string());
  ASSERT_TRUE(table);
  const auto entry = [](const char* key) {
    Entry out;
    out.key = out.display_name = key;
    return out;
  };
  const auto first = Snapshot::build({entry("a"), entry("b")}, **table);
  ASSERT_TRUE(first);
  const auto second = Snapshot::build({entry("c"), entry("B")}, **table, "List", first->get());
  ASSERT_TRUE(second);
  EXPECT_EQ((*second)->id(1), (*first)->id(1));
  EXPECT_FALSE((*first)->find((*second)->id(0)));
  const auto third = Snapshot::build({entry("a"), entry("c")}, **table, "List", second->get());
  ASSERT_TRUE(third);
  EXPECT_EQ((*third)->id(0), (*first)->id(0));
  EXPECT_EQ((*third)->id(1), (*second)->id(0));
  std::filesystem::remove_all(folder);
}

TEST(Delegates, OpenTheMailboxesThatGiveThemOrTheirGroupsFullAccess) {
  const auto folder = std::filesystem::temp_directory_path() / ("mapigate-delegates-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  auto table = IdTable::open((folder / "ids").string());
  ASSERT_TRUE(table);
  const auto entry = [](const std::string& name, EntryKind kind, std::vector<std::string> full_access, std::vector<std::string> members = {}) {
    Entry out;
    out.key = out.display_name = name;
    out.kind = kind;
    out.address = name + "@example.test";
    out.full_access = std::move(full_access);
    out.members = std::move(members);
    return out;
  };
  auto office = entry("office", EntryKind::person, {"desk"});
  office.aliases = {"info@example.test"};
  auto boss = entry("boss", EntryKind::person, {});
  boss.delegates = {"alice"};  // who sends on behalf
  auto list = entry("list", EntryKind::group, {}), far = entry("far", EntryKind::contact, {"alice"});
  list.delegates = {"desk"};
  far.delegates = {"alice"};
  const auto made = Snapshot::build({entry("alice", EntryKind::person, {}), boss, entry("bob", EntryKind::person, {"alice"}),
                                     entry("carol", EntryKind::person, {}), office, entry("room", EntryKind::room, {"carol"}),
                                     // Groups that hold each other.
                                     entry("desk", EntryKind::group, {"carol"}, {"team"}), entry("team", EntryKind::group, {}, {"desk", "carol"}),
                                     list, far},
                                    **table);
  ASSERT_TRUE(made);
  const auto may = [&](const std::string& user, const std::string& owner) {
    return may_open(**made, user + "@example.test", owner + "@example.test");
  };
  EXPECT_TRUE(may("alice", "bob"));
  EXPECT_FALSE(may("alice", "boss"));
  EXPECT_TRUE(may_act_for(**made, (*made)->object(*(*made)->find_address("boss@example.test")), *(*made)->find_address("alice@example.test")));
  EXPECT_FALSE(may("bob", "alice"));  // not the other way round
  const auto sends = [&](const std::string& user, const std::string& author) {
    return may_send_for(**made, *(*made)->find_address(author + "@example.test"), *(*made)->find_address(user + "@example.test"));
  };
  EXPECT_TRUE(sends("alice", "alice"));
  EXPECT_TRUE(sends("alice", "boss"));
  EXPECT_FALSE(sends("boss", "alice"));
  EXPECT_FALSE(sends("carol", "boss"));
  EXPECT_FALSE(sends("alice", "bob"));  // full access is to the mailbox
  EXPECT_TRUE(sends("carol", "list"));  // by a group that is among the delegates of another
  EXPECT_FALSE(sends("alice", "list"));
  EXPECT_FALSE(sends("alice", "far"));  // a contact writes from elsewhere
  EXPECT_TRUE(may("carol", "office"));
  EXPECT_TRUE(may("carol", "room"));
  EXPECT_FALSE(may("alice", "office"));
  EXPECT_FALSE(may("carol", "info"));  // there would be two of it
  EXPECT_FALSE(may("carol", "desk"));  // groups have none
  EXPECT_FALSE(may("alice", "far"));   // nor have contacts
  EXPECT_FALSE(may("alice", "alice"));
  EXPECT_FALSE(may("alice", "nobody"));
  EXPECT_FALSE(may("nobody", "bob"));
  const auto opens = [&](const std::string& user) {
    std::vector<std::string> out;
    for (const auto one : mailboxes_open_to(**made, *(*made)->find_address(user + "@example.test"))) out.push_back((*made)->entry(one).display_name);
    std::sort(out.begin(), out.end());
    return out;
  };
  EXPECT_EQ(opens("carol"), (std::vector<std::string>{"office", "room"}));
  EXPECT_EQ(opens("alice"), std::vector<std::string>{"bob"});
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace mapigate::directory
