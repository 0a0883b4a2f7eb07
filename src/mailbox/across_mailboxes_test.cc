// What goes from one mailbox of a session into another: messages, folders, properties and attachments, also when it is cut off.
#include "mailbox/shared_mailbox_fixture.h"

namespace mapigate::mailbox::testing {

namespace {

// As they are, with what stands beside them, though the same name has another id there.
TEST_F(SharedMailboxTest, MessagesGoFromOneMailboxToTheOther) {
  auto owner = connect(office, "owner's");
  owner->logon();
  auto client = connect(bob);
  client->logon();
  ASSERT_EQ(log_on_to(*client, office, 1, 4).value(), ecNone);
  const auto named = [](Client& whose, const char* name) {
    const std::vector<wire::PropertyName> list{wire::to_wire(whose.arena, {PS_PUBLIC_STRINGS, {}, name})};
    Ask<wire::RopGetPropertyIdsFromNames> ask{{wire::RopGetPropertyIdsFromNames::Create, list}, 0};
    return PropertyTag(whose.execute(ask).get<wire::RopGetPropertyIdsFromNames>().PropertyIds[0], PropertyType::PtypString);
  };
  named(*client, "Another");
  const auto there = named(*owner, "Project"), here = named(*client, "Project");
  ASSERT_NE(there.id(), here.id());
  // The first: bob's own one has the same Message-ID.
  const auto ids = owner->message_ids(inbox);
  std::size_t first = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ASSERT_EQ(owner->open_message(inbox, i).value(), ecNone);
    if (owner->properties({PidTagSubject}, 3).at(0) == "to the office") first = i;
  }
  ASSERT_EQ(owner->open_message(inbox, first).value(), ecNone);
  const TaggedValue values[] = {{there, Value::string(owner->arena, "Bridge")}};
  ASSERT_EQ(owner->execute(Ask<wire::RopSetProperties>{{values}, 3}).value(), ecNone);
  ASSERT_EQ(owner->execute(Ask<wire::RopSaveChangesMessage>{{3, 0x0A}, 3}).value(), ecNone);
  const std::vector<Id> one{ids.at(first)};
  // Known before anything comes: an append that was cut off is told from older messages by their ids.
  ASSERT_EQ(client->message_ids(inbox).size(), 1u);
  const auto raws = [this](const std::string& user) {
    auto& backend = backends.of(user);
    const std::lock_guard lock(backend.mutex);
    std::multiset<std::string> out;
    for (const auto& [uid, message] : backend.folders.at("INBOX").messages) out.insert(message.raw);
    return out;
  };
  const auto before = raws(office), own = raws(bob);

  const auto go = [&](bool copy) {
    EXPECT_EQ(send(*client, 0, open_inbox(0, 5)).value(), ecNone);
    EXPECT_EQ(send(*client, 1, open_inbox(4, 6)).value(), ecNone);
    return send(*client, 1, Ask<wire::RopMoveCopyMessages>{{5, one, false, copy}, 6}).value();
  };
  backends.of(bob).set_down("append");
  EXPECT_EQ(go(false), ecNetwork);
  EXPECT_EQ(raws(office), before);
  backends.of(bob).set_down("append", false);
  ASSERT_EQ(go(true), ecNone);
  EXPECT_EQ(raws(office), before);
  auto after = raws(bob);
  ASSERT_EQ(after.size(), own.size() + 1);
  for (const auto& raw : own) after.erase(after.find(raw));
  EXPECT_TRUE(before.contains(*after.begin()));
  ASSERT_EQ(go(false), ecNone);
  EXPECT_EQ(raws(bob).count(*after.begin()), 2u);
  EXPECT_EQ(raws(office).count(*after.begin()), 0u);
  EXPECT_EQ(count(*client, 0, 0), 3u);
  EXPECT_EQ(count(*client, 1, 4), 1u);
  EXPECT_EQ(owner->message_ids(inbox).size(), 1u);
  std::size_t bridges = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(client->open_message(inbox, i).value(), ecNone);
    bridges += client->properties({here}, 3).at(0) == "Bridge";
  }
  EXPECT_EQ(bridges, 2u);
  // Gone: passed over.
  EXPECT_EQ(go(false), ecNone);
  EXPECT_EQ(count(*client, 0, 0), 3u);
}

// Three clients, two mailboxes, four loops.
// Folders without a backend hold no MIME: what only that told has to come along.
TEST_F(SharedMailboxTest, HeaderFieldsComeAlongIntoFoldersOfTheGateway) {
  backends.of(office).add("INBOX", "with a field", 0, "Hello.\r\n", "X-Ticket: 4711\r\n");
  auto client = connect(bob);
  client->logon();
  ASSERT_EQ(log_on_to(*client, office, 1, 4).value(), ecNone);
  // Both mailboxes have been asked for the field before: strangers' fields get no id else.
  named_string(*client, 1, 4, {"x-ticket"}, PS_INTERNET_HEADERS);
  const auto here = named_string(*client, 0, 0, {"x-ticket"}, PS_INTERNET_HEADERS);
  auto owner = connect(office, "owner's");
  owner->logon();
  const auto ids = owner->message_ids(inbox);
  Ask<wire::RopOpenFolder> open_notes;
  open_notes.body.FolderId = Id(own_replid, special_id(notes));
  open_notes.body.OutputHandleIndex = 5;
  ASSERT_EQ(send(*client, 0, open_notes).value(), ecNone);
  ASSERT_EQ(send(*client, 1, open_inbox(4, 6)).value(), ecNone);
  ASSERT_EQ(send(*client, 1, Ask<wire::RopMoveCopyMessages>{{5, ids, false, true}, 6}).value(), ecNone);
  std::size_t tickets = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ASSERT_EQ(client->open_message(notes, i).value(), ecNone);
    tickets += client->properties({here}, 3).at(0) == "4711";
  }
  EXPECT_EQ(tickets, 1u);
}

// [MS-OXCPRPT] 2.2.10 and 2.2.11; the ids of named properties are others in each mailbox.
TEST_F(SharedMailboxTest, PropertiesAreCopiedIntoAMessageOfAnotherMailbox) {
  auto client = connect(bob);
  client->logon();
  ASSERT_EQ(log_on_to(*client, office, 1, 4).value(), ecNone);
  const auto there = named_string(*client, 1, 4, {"Other", "Place"});
  const auto here = named_string(*client, 0, 0, {"First", "Second", "Third", "Place"});
  ASSERT_NE(there.id(), here.id());
  ASSERT_EQ(send(*client, 1, Ask<wire::RopCreateMessage>{{5, 0x0FFF, Id(own_replid, special_id(inbox)), false}, 4}).value(), ecNone);
  const TaggedValue values[] = {{there, Value::string(client->arena, "Bridge")},
                                {PidTagSubject, Value::string(client->arena, "of the office")},
                                {PidTagComment, Value::string(client->arena, "kept")}};
  ASSERT_EQ(send(*client, 1, Ask<wire::RopSetProperties>{{values}, 5}).value(), ecNone);
  const auto make = [&] { return client->execute(Ask<wire::RopCreateMessage>{{3, 0x0FFF, Id(own_replid, special_id(inbox)), false}, 0}).value(); };
  ASSERT_EQ(make(), ecNone);
  Ask<wire::RopCopyTo> copy_to;
  copy_to.handle = 5;
  copy_to.body.DestHandleIndex = 3;
  copy_to.body.WantSubObjects = true;
  const PropertyTag excluded[] = {PidTagComment};
  copy_to.body.ExcludedTags = excluded;
  ASSERT_EQ(send(*client, 1, copy_to).value(), ecNone);
  auto got = client->properties({here, PidTagSubject, PidTagComment}, 3);
  EXPECT_EQ(got[0], "Bridge");
  EXPECT_EQ(got[1], "of the office");
  EXPECT_TRUE(got[2].starts_with("!ecNotFound")) << got[2];
  // Named ones alone, moved; what is not there is told with its own tag.
  ASSERT_EQ(make(), ecNone);
  Ask<wire::RopCopyProperties> some;
  some.handle = 5;
  some.body.DestHandleIndex = 3;
  some.body.CopyFlags = 0x01;
  const PropertyTag wanted[] = {PidTagReplyTime, there};
  some.body.PropertyTags = wanted;
  const auto copied = send(*client, 1, some);
  ASSERT_EQ(copied.value(), ecNone);
  const auto problems = copied.get<wire::RopCopyProperties>().PropertyProblems;
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].Index, 0u);
  EXPECT_EQ(problems[0].PropertyTag.id(), PidTagReplyTime.id());
  EXPECT_EQ(problems[0].ErrorCode, ecNotFound);
  got = client->properties({here, PidTagSubject}, 3);
  EXPECT_EQ(got[0], "Bridge");
  Ask<wire::RopGetPropertiesSpecific> left;
  left.handle = 5;
  const PropertyTag moved[] = {there};
  left.body.PropertyTags = moved;
  const auto answer = send(*client, 1, left);
  ASSERT_EQ(answer.value(), ecNone);
  EXPECT_TRUE(to_text(answer.get<wire::RopGetPropertiesSpecific>().RowData.values[0]).find("Bridge") == std::string::npos);
}

// [MS-OXCPRPT] 2.2.10: an attachment, with its data and its named properties.
TEST_F(SharedMailboxTest, AnAttachmentIsCopiedIntoAMessageOfAnotherMailbox) {
  auto client = connect(bob);
  client->logon();
  ASSERT_EQ(log_on_to(*client, office, 1, 4).value(), ecNone);
  const auto there = named_string(*client, 1, 4, {"Other", "Place"});
  const auto here = named_string(*client, 0, 0, {"First", "Second", "Third", "Place"});
  ASSERT_NE(there.id(), here.id());
  // Handles 5 and 6: a message of the office and its attachment; 3 and 7: those of bob.
  const auto attach = [&](std::uint8_t logon, std::uint8_t mailbox, std::uint8_t message, std::uint8_t attachment) {
    ASSERT_EQ(send(*client, logon, Ask<wire::RopCreateMessage>{{message, 0x0FFF, Id(own_replid, special_id(inbox)), false}, mailbox}).value(), ecNone);
    ASSERT_EQ(send(*client, logon, Ask<wire::RopCreateAttachment>{{attachment}, message}).value(), ecNone);
  };
  attach(1, 4, 5, 6);
  attach(0, 0, 3, 7);
  const TaggedValue values[] = {{there, Value::string(client->arena, "Bridge")},
                                {PidTagAttachLongFilename, Value::string(client->arena, "plan.txt")},
                                {PidTagAttachDataBinary, Value::binary(as_view(std::string_view("the plan")))}};
  ASSERT_EQ(send(*client, 1, Ask<wire::RopSetProperties>{{values}, 6}).value(), ecNone);
  Ask<wire::RopCopyTo> copy_to;
  copy_to.handle = 6;
  copy_to.body.DestHandleIndex = 7;
  copy_to.body.WantSubObjects = true;
  ASSERT_EQ(send(*client, 1, copy_to).value(), ecNone);
  const auto got = client->properties({here, PidTagAttachLongFilename, PidTagAttachDataBinary}, 7);
  EXPECT_EQ(got[0], "Bridge");
  EXPECT_EQ(got[1], "plan.txt");
  EXPECT_EQ(got[2], to_text(Value::binary(as_view(std::string_view("the plan")))));
  // Moved, it leaves neither behind.
  copy_to.body.CopyFlags = 0x01;
  ASSERT_EQ(send(*client, 1, copy_to).value(), ecNone);
  EXPECT_EQ(client->properties({here}, 7)[0], "Bridge");
  Ask<wire::RopGetPropertiesSpecific> left;
  left.handle = 6;
  const PropertyTag moved[] = {there, PidTagAttachLongFilename};
  left.body.PropertyTags = moved;
  const auto answer = send(*client, 1, left);
  ASSERT_EQ(answer.value(), ecNone);
  for (const auto& value : answer.get<wire::RopGetPropertiesSpecific>().RowData.values)
    EXPECT_TRUE(to_text(value) != "Bridge" && to_text(value) != "plan.txt");
  // Into an object of another kind it does not go.
  copy_to.body.DestHandleIndex = 3;
  EXPECT_EQ(send(*client, 1, copy_to).value(), ecNotSupported);
}

// [MS-OXCPRPT] 3.2.5.7 and 3.2.5.8, of folders.
class CopyOfFolderTest : public SharedMailboxTest {
 protected:
  void SetUp() override {
    auto& source = backends.of(office);
    source.add_folder("Cases");
    source.add_folder("Cases/Old", FolderRole::none, "Cases");
    source.add("Cases", "a case");
    source.add("Cases", "another case");
    source.add("Cases/Old", "an old case");
    backends.of(bob).add_folder("Target");
    auto owner = connect(office, "owner's");
    owner->logon();
    settle(*owner, inbox);
    cases = folder_named(*owner, "Cases");
    client = connect(bob);
    client->logon();
    settle(*client, inbox);
    ASSERT_EQ(log_on_to(*client, office, 1, 4).value(), ecNone);
    ASSERT_EQ(open_it(1, 4, cases, 5), ecNone);
    ASSERT_EQ(open_it(0, 0, folder_named(*client, "Target"), 6), ecNone);
    EXPECT_EQ(listed(0x00), 0u);
    copy_to.handle = 5;
    copy_to.body.DestHandleIndex = 6;
    copy_to.body.WantSubObjects = true;
  }
  static GlobalCounter folder_named(Client& whose, std::string_view name) {
    const auto tree = tree_of(whose);
    for (const auto& folder : tree->all())
      if (folder.name == name) return folder.id;
    return 0;
  }
  ErrorCode open_it(std::uint8_t logon, std::uint8_t from, GlobalCounter folder, std::uint8_t to) {
    Ask<wire::RopOpenFolder> ask;
    ask.handle = from;
    ask.body.FolderId = Id(own_replid, folder);
    ask.body.OutputHandleIndex = to;
    return send(*client, logon, ask).value();
  }
  // Rows of the target's table.
  std::uint32_t listed(std::uint8_t flags) {
    Ask<wire::RopGetContentsTable> ask;
    ask.handle = 6;
    ask.body.OutputHandleIndex = 7;
    ask.body.TableFlags = flags;
    return send(*client, 0, ask).get<wire::RopGetContentsTable>().RowCount;
  }
  std::size_t stored(const std::string& folder) {
    auto& backend = backends.of(bob);
    const std::lock_guard lock(backend.mutex);
    return backend.folders.contains(folder) ? backend.folders.at(folder).messages.size() : 99;
  }
  std::unique_ptr<Client> client;
  GlobalCounter cases = 0;
  Ask<wire::RopCopyTo> copy_to;
};

TEST_F(CopyOfFolderTest, AllOfAFolderGoesIntoOneOfAnotherMailbox) {
  const auto there = named_string(*client, 1, 4, {"Other", "Place"});
  const auto here = named_string(*client, 0, 0, {"First", "Second", "Third", "Place"});
  ASSERT_NE(there.id(), here.id());
  const TaggedValue values[] = {{there, Value::string(client->arena, "Bridge")},
                                {PidTagComment, Value::string(client->arena, "of the office")},
                                {PidTagRemindersOnlineEntryId, Value::binary(as_view("the office's"))}};
  ASSERT_EQ(send(*client, 1, Ask<wire::RopSetProperties>{{values}, 5}).value(), ecNone);
  ASSERT_EQ(send(*client, 1, Ask<wire::RopCreateMessage>{{8, 0x0FFF, Id(own_replid, cases), true}, 4}).value(), ecNone);
  ASSERT_EQ(send(*client, 1, Ask<wire::RopSaveChangesMessage>{{8, 0x0A}, 8}).value(), ecNone);
  const auto copied = send(*client, 1, copy_to);
  ASSERT_EQ(copied.value(), ecNone);
  EXPECT_TRUE(copied.get<wire::RopCopyTo>().PropertyProblems.empty());
  const auto got = client->properties({here, PidTagComment, PidTagDisplayName, PidTagRemindersOnlineEntryId}, 6);
  EXPECT_EQ(got[0], "Bridge");
  EXPECT_EQ(got[1], "of the office");
  EXPECT_EQ(got[2], "Target");
  EXPECT_TRUE(got[3].starts_with("!ecNotFound")) << "it names a folder of the other mailbox: " << got[3];
  EXPECT_EQ(stored("Target"), 2u);
  EXPECT_EQ(listed(wire::RopGetContentsTable::Associated), 1u);
  EXPECT_EQ(stored("Target/Old"), 1u);
  // There is such a folder now: nothing goes.
  EXPECT_EQ(send(*client, 1, copy_to).value(), ecDuplicateName);
  EXPECT_EQ(stored("Target"), 2u);
}

TEST_F(CopyOfFolderTest, WhatIsExcludedOrNotAskedForStays) {
  const PropertyTag objects[] = {PidTagContainerContents, PidTagContainerHierarchy};
  copy_to.body.ExcludedTags = objects;
  EXPECT_EQ(send(*client, 1, copy_to).value(), ecNone);
  copy_to.body.ExcludedTags = {};
  copy_to.body.WantSubObjects = false;
  EXPECT_EQ(send(*client, 1, copy_to).value(), ecNone);
  EXPECT_EQ(stored("Target"), 0u);
  EXPECT_EQ(stored("Target/Old"), 99u);
  const TaggedValue values[] = {{PidTagComment, Value::string(client->arena, "of the office")}};
  ASSERT_EQ(send(*client, 1, Ask<wire::RopSetProperties>{{values}, 5}).value(), ecNone);
  Ask<wire::RopCopyProperties> some;
  some.handle = 5;
  some.body.DestHandleIndex = 6;
  const PropertyTag wanted[] = {PidTagReplyTime, PidTagContainerContents};
  some.body.PropertyTags = wanted;
  const auto copied = send(*client, 1, some);
  ASSERT_EQ(copied.value(), ecNone);
  const auto problems = copied.get<wire::RopCopyProperties>().PropertyProblems;
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].PropertyTag, PidTagReplyTime);
  EXPECT_EQ(stored("Target"), 2u);
  EXPECT_EQ(stored("Target/Old"), 99u);
  EXPECT_NE(client->properties({PidTagComment}, 6)[0], "of the office");
  // Folders are not moved so; nor do they go into what is none.
  some.body.CopyFlags = 0x01;
  EXPECT_EQ(send(*client, 1, some).value(), ecNotSupported);
  some.body.CopyFlags = 0;
  some.body.DestHandleIndex = 0;
  EXPECT_EQ(send(*client, 1, some).value(), ecNotSupported);
  some.body.DestHandleIndex = 11;
  EXPECT_EQ(send(*client, 1, some).value(), ecDstNullObject);
  EXPECT_EQ(stored("Target"), 2u);
}

TEST_F(CopyOfFolderTest, ACopyThatFailedGoesOnWhereItStopped) {
  auto& target = backends.of(bob);
  struct Step {
    const char* down;
    std::size_t messages;
    bool folder;
  };
  for (const auto& step : {Step{"append answer", 1, false}, Step{"append", 1, false}, Step{"create_folder", 2, false}}) {
    SCOPED_TRACE(step.down);
    target.set_down(step.down);
    EXPECT_EQ(send(*client, 1, copy_to).value(), ecNetwork);
    target.set_down(step.down, false);
    EXPECT_EQ(stored("Target"), step.messages);
    EXPECT_EQ(stored("Target/Old") != 99, step.folder);
  }
  // In the folder below.
  target.set_down("append");
  EXPECT_EQ(send(*client, 1, copy_to).value(), ecNetwork);
  target.set_down("append", false);
  EXPECT_EQ(stored("Target/Old"), 0u);
  EXPECT_EQ(send(*client, 1, copy_to).value(), ecNone);
  EXPECT_EQ(stored("Target"), 2u);
  EXPECT_EQ(stored("Target/Old"), 1u);
  EXPECT_EQ(listed(0x00), 2u);
}

// [MS-OXCFOLD] 2.2.1.7 and 2.2.1.8.
TEST_F(SharedMailboxTest, FoldersGoOverIntoAnotherMailbox) {
  auto& source = backends.of(office);
  source.add_folder("Cases");
  source.add_folder("Cases/Old", FolderRole::none, "Cases");
  source.add("Cases", "a case");
  source.add("Cases/Old", "an old case");
  auto owner = connect(office, "owner's");
  owner->logon();
  settle(*owner, inbox);
  GlobalCounter cases = 0;
  const auto tree = tree_of(*owner);
  for (const auto& folder : tree->all())
    if (folder.name == "Cases") cases = folder.id;
  ASSERT_NE(cases, 0u);
  auto client = connect(bob);
  client->logon();
  ASSERT_EQ(log_on_to(*client, office, 1, 4).value(), ecNone);
  const auto open_top = [&](std::uint8_t logon, std::uint8_t from, std::uint8_t to) {
    Ask<wire::RopOpenFolder> ask;
    ask.handle = from;
    ask.body.FolderId = Id(own_replid, special_id(ipm_subtree));
    ask.body.OutputHandleIndex = to;
    return send(*client, logon, ask).value();
  };
  ASSERT_EQ(open_top(1, 4, 5), ecNone);
  ASSERT_EQ(open_top(0, 0, 6), ecNone);
  const auto name = [](const char* text) { return wire::AnyString{{}, text}; };
  const auto subjects = [this](const std::string& user, const std::string& folder) {
    auto& backend = backends.of(user);
    const std::lock_guard lock(backend.mutex);
    return backend.folders.contains(folder) ? backend.folders.at(folder).messages.size() : 99;
  };
  Ask<wire::RopCopyFolder> copy;
  copy.handle = 5;
  copy.body.DestHandleIndex = 6;
  copy.body.WantRecursive = true;
  copy.body.FolderId = Id(own_replid, cases);
  copy.body.NewFolderName = name("Copied");
  ASSERT_EQ(send(*client, 1, copy).value(), ecNone);
  EXPECT_EQ(subjects(bob, "Copied"), 1u);
  EXPECT_EQ(subjects(bob, "Copied/Old"), 1u);
  EXPECT_EQ(subjects(office, "Cases/Old"), 1u);
  EXPECT_EQ(send(*client, 1, copy).value(), ecDuplicateName);
  Ask<wire::RopMoveFolder> move;
  move.handle = 5;
  move.body.DestHandleIndex = 6;
  move.body.FolderId = Id(own_replid, cases);
  move.body.NewFolderName = name("Moved");
  const auto moved = send(*client, 1, move);
  ASSERT_EQ(moved.value(), ecNone);
  EXPECT_FALSE(moved.get<wire::RopMoveFolder>().PartialCompletion);
  EXPECT_EQ(subjects(bob, "Moved"), 1u);
  EXPECT_EQ(subjects(bob, "Moved/Old"), 1u);
  EXPECT_EQ(subjects(office, "Cases"), 99u);
  EXPECT_EQ(subjects(office, "Cases/Old"), 99u);
  // Special ones stay where they are.
  move.body.FolderId = Id(own_replid, special_id(inbox));
  EXPECT_EQ(send(*client, 1, move).value(), ecAccessDenied);
}

// Cut off at each of its steps, over a restart or another try of the client.
TEST_F(SharedMailboxTest, AMessageThatWasOnItsWayIsInOneMailboxInTheEnd) {
  const auto raws = [this](const std::string& user) {
    auto& backend = backends.of(user);
    const std::lock_guard lock(backend.mutex);
    std::multiset<std::string> out;
    for (const auto& [uid, message] : backend.folders.at("INBOX").messages) out.insert(message.raw);
    return out;
  };
  const auto all = [&raws] {
    auto out = raws(bob);
    out.merge(raws(office));
    return out;
  };
  const auto go = [](Client& client, const std::vector<Id>& ids) {
    EXPECT_EQ(send(client, 0, open_inbox(0, 5)).value(), ecNone);
    EXPECT_EQ(send(client, 1, open_inbox(4, 6)).value(), ecNone);
    return send(client, 1, Ask<wire::RopMoveCopyMessages>{{5, ids, false, false}, 6}).value();
  };
  struct Point {
    std::string where, what;
    bool restart;
    bool arrives;
  };
  for (const auto& point : {Point{office, "remove", true, true}, Point{office, "remove", false, true}, Point{bob, "append answer", true, true},
                            Point{bob, "append", true, false}}) {
    SCOPED_TRACE(point.what);
    backends.of(office).add("INBOX", "carried");
    auto owner = connect(office, "owner's");
    owner->logon();
    settle(*owner, inbox);
    auto client = connect(bob);
    client->logon();
    settle(*client, inbox);
    ASSERT_EQ(log_on_to(*client, office, 1, 4).value(), ecNone);
    const auto ids = owner->message_ids(inbox);
    ASSERT_FALSE(ids.empty());
    const std::vector<Id> one{ids.front()};
    const auto before = all();
    const auto there = raws(bob).size();
    backends.of(point.where).set_down(point.what);
    EXPECT_NE(go(*client, one), ecNone);
    backends.of(point.where).set_down(point.what, false);
    EXPECT_EQ(all().size(), before.size() + point.arrives) << "it is in both";
    if (point.restart) {
      client.reset();
      owner.reset();
      make_engine();
      client = connect(bob);
      client->logon();
      settle(*client, inbox);
      owner = connect(office, "owner's");
      owner->logon();
      settle(*owner, inbox);
    } else {
      EXPECT_EQ(go(*client, one), ecNone);
    }
    EXPECT_EQ(all(), before);
    EXPECT_EQ(raws(bob).size(), there + point.arrives);
    EXPECT_EQ(owner->message_ids(inbox).size(), raws(office).size());
    client.reset();
    owner.reset();
  }
}

// A restart in the middle: what is left goes over by itself, into the folder that was made already.
TEST_F(SharedMailboxTest, AFolderThatWasOnItsWayGoesOnAfterARestart) {
  auto& source = backends.of(office);
  source.add_folder("Cases");
  source.add_folder("Cases/Old", FolderRole::none, "Cases");
  source.add("Cases", "a case");
  source.add("Cases", "another case");
  source.add("Cases/Old", "an old case");
  {
    auto owner = connect(office, "owner's");
    owner->logon();
    settle(*owner, inbox);
    GlobalCounter cases = 0;
    const auto tree = tree_of(*owner);
    for (const auto& folder : tree->all())
      if (folder.name == "Cases") cases = folder.id;
    ASSERT_NE(cases, 0u);
    auto client = connect(bob);
    client->logon();
    // What a kill leaves after the folder was made and before its first message went: the note, and the folder.
    client.reset();
    owner.reset();
    engine.reset();
    auto store = state::open_sqlite_store(folder.string());
    ASSERT_TRUE(store.has_value());
    auto state = (*store)->open(office);
    ASSERT_TRUE(state.has_value());
    const auto head = fmt::format("{} {} {} Moved here", cases, special_id(ipm_subtree), bob);
    ASSERT_TRUE((*state)->add_journal("folder handover", head, View()).has_value());
  }
  backends.of(bob).add_folder("Moved here");
  make_engine();
  auto owner = connect(office, "owner's");
  owner->logon();
  const auto count_in = [this](const std::string& user, const std::string& folder) {
    auto& backend = backends.of(user);
    const std::lock_guard lock(backend.mutex);
    return backend.folders.contains(folder) ? backend.folders.at(folder).messages.size() : 99;
  };
  EXPECT_TRUE(eventually([&] { return count_in(office, "Cases") == 99; }));
  EXPECT_EQ(count_in(bob, "Moved here"), 2u);
  EXPECT_EQ(count_in(bob, "Moved here/Old"), 1u);
  EXPECT_EQ(count_in(office, "Cases/Old"), 99u);
  EXPECT_EQ(count_in(bob, "Moved"), 99u);
}

}  // namespace
}  // namespace mapigate::mailbox::testing
