// Logon, store and folder ROPs, and the loop that answers a buffer.
#include "mailbox/test_support.h"

namespace mapigate::mailbox::testing {
namespace {

using namespace mapi;  // PidTag…
using enum FolderRole;

class LogonTest : public EngineTest {};

TEST_F(LogonTest, PrivateLogonNamesTheThirteenFoldersInOrder) {
  auto client = connect();
  const auto replies = client->logon();
  ASSERT_EQ(replies.value(), ecNone);
  const auto& logon = replies.get<wire::RopLogon>();
  EXPECT_EQ(logon.LogonFlags, 0x01);  // row P2: 0x09 asked, 0x01 answered
  EXPECT_EQ(logon.ResponseFlags & 0x03, 0x03);
  // Row L3: each id opens the folder it should be.
  const char* names[] = {"Root", "Deferred Action", "Spooler Queue", "Top of Information Store", "Inbox", "Outbox", "Sent Items",
                         "Deleted Items", "Common Views", "Schedule", "Finder", "Views", "Shortcuts"};
  for (std::size_t i = 0; i < 13; ++i) {
    ASSERT_EQ(client->open_folder(logon.FolderIds[i]), ecNone) << i;
    EXPECT_EQ(client->properties({PidTagDisplayName}, 1)[0], names[i]);
  }
}

TEST_F(LogonTest, ReplidsAgreeEverywhere) {  // rows L2, L4
  auto client = connect();
  const auto replies = client->logon();
  const auto& logon = replies.get<wire::RopLogon>();
  EXPECT_EQ(to_text(client->property(PidTagMappingSignature, 0)), to_hex(logon.ReplGuid.bytes));
  const auto map = client->property(PidTagSerializedReplidGuidMap, 0);
  ASSERT_NE(map.get<View>(), nullptr);
  ASSERT_GE(map.get<View>()->size(), 18u);
  EXPECT_EQ((*map.get<View>())[0] | (*map.get<View>())[1] << 8, logon.ReplId);
  EXPECT_TRUE(equal(map.get<View>()->subspan(2, 16), logon.ReplGuid.bytes));
  EXPECT_EQ(to_text(client->property(PidTagRecordKey, 0)), to_hex(logon.MailboxGuid.bytes));
  // PidTagSourceKey: database GUID and counter; a long-term id: the same and two zero bytes.
  const auto inbox = logon.FolderIds[wire::LogonFolderIds::Inbox];
  EXPECT_EQ(inbox.replid(), logon.ReplId);
  ASSERT_EQ(client->open_folder(inbox), ecNone);
  const auto source_key = client->property(PidTagSourceKey, 1);
  ASSERT_EQ(source_key.get<View>()->size(), 22u);
  EXPECT_TRUE(equal(source_key.get<View>()->first(16), logon.ReplGuid.bytes));
  EXPECT_EQ(counter_from(source_key.get<View>()->subspan(16)), inbox.counter());
  Ask<wire::RopLongTermIdFromId> ask;
  ask.body.ObjectId = inbox;
  const auto long_term = client->execute(ask).get<wire::RopLongTermIdFromId>().LongTermId;
  EXPECT_EQ(long_term.DatabaseGuid, logon.ReplGuid);
  EXPECT_EQ(counter_from(long_term.GlobalCounter), inbox.counter());
  Ask<wire::RopIdFromLongTermId> back;
  back.body.LongTermId = long_term;
  EXPECT_EQ(client->execute(back).get<wire::RopIdFromLongTermId>().ObjectId, inbox);
}

TEST_F(LogonTest, LongTermIdsOfOtherStoresAreAccepted) {  // row L6
  Ask<wire::RopIdFromLongTermId> ask;
  ask.body.LongTermId.DatabaseGuid.bytes.fill(0x77);
  ask.body.LongTermId.GlobalCounter = counter_bytes(4711);
  Id id;
  {
    auto client = connect();
    client->logon();
    const auto replies = client->execute(ask);
    ASSERT_EQ(replies.value(), ecNone);
    id = replies.get<wire::RopIdFromLongTermId>().ObjectId;
    EXPECT_NE(id.replid(), own_replid);
    EXPECT_EQ(id.counter(), 4711u);
  }
  make_engine();  // remembered
  auto client = connect();
  client->logon();
  Ask<wire::RopLongTermIdFromId> back;
  back.body.ObjectId = id;
  EXPECT_EQ(client->execute(back).get<wire::RopLongTermIdFromId>().LongTermId.DatabaseGuid.bytes, ask.body.LongTermId.DatabaseGuid.bytes);
  back.body.ObjectId = Id(4242, 1);
  EXPECT_EQ(client->execute(back).value(), ecNotFound);
}

TEST_F(LogonTest, ReplicasAreSoManyAtMost) {  // [MS-OXCSTOR] 3.2.5.9
  constexpr auto ecParameterOverflow = static_cast<ErrorCode>(0x00000450);
  auto client = connect();
  client->logon();
  Ask<wire::RopIdFromLongTermId> ask;
  ask.body.LongTermId.GlobalCounter = counter_bytes(1);
  auto& guid = ask.body.LongTermId.DatabaseGuid.bytes;
  auto code = ecNone;
  int replicas = 0;
  for (; code == ecNone && replicas < 5000; ++replicas) {
    guid[0] = static_cast<std::uint8_t>(replicas);
    guid[1] = static_cast<std::uint8_t>(0x80 + replicas / 256);
    code = client->execute(ask).value();
  }
  EXPECT_EQ(code, ecParameterOverflow);
  EXPECT_GT(replicas, 500);
  guid[0] = 0;  // one of those that are known
  guid[1] = 0x80;
  EXPECT_EQ(client->execute(ask).value(), ecNone);
}

TEST_F(LogonTest, LocalReplicaIdsAreNeverCappedAndNeverGivenTwice) {  // row L5
  auto client = connect();
  client->logon();
  Ask<wire::RopGetLocalReplicaIds> ask;
  ask.body.IdCount = 65'536;
  const auto first = counter_from(client->execute(ask).get<wire::RopGetLocalReplicaIds>().GlobalCount);
  const auto second = counter_from(client->execute(ask).get<wire::RopGetLocalReplicaIds>().GlobalCount);
  EXPECT_GE(second > first ? second - first : first - second, 65'536u);
}

TEST_F(LogonTest, WrongPlacesAndPeople) {
  use([](EngineOptions& o) { o.elsewhere["moved@example.test"] = "/o=Other/cn=Servers/cn=EX9"; });
  auto client = connect();
  const auto try_dn = [&](const std::string& dn, std::uint8_t flags = 1, std::uint32_t open = 0) {
    Ask<wire::RopLogon> ask;
    ask.body.LogonFlags = flags;
    ask.body.OpenFlags = open;
    const auto name = dn + '\0';
    ask.body.Essdn = client->arena.copy(as_view(name));
    return client->execute(ask);
  };
  const auto moved = try_dn(user_dn("moved@example.test"));  // row L8
  ASSERT_EQ(moved.value(), ecWrongServer);
  EXPECT_EQ(as_text(moved.get<wire::RopLogon>().ServerName), std::string("/o=Other/cn=Servers/cn=EX9") + '\0');
  EXPECT_EQ(try_dn(user_dn("bob@example.test")).value(), ecLoginPerm);
  EXPECT_EQ(try_dn("/o=Nowhere/cn=alice").value(), ecUnknownUser);
  EXPECT_EQ(try_dn("", 0, 2).value(), ecLoginFailure);  // public folders
  EXPECT_EQ(try_dn(user_dn("ALICE@example.test")).value(), ecNone);
}

TEST_F(LogonTest, WhoKeepsComingToTheWrongServerIsToWait) {  // [MS-OXCSTOR] 3.2.5.1.1
  use([](EngineOptions& o) { o.elsewhere["moved@example.test"] = "/o=Other/cn=Servers/cn=EX9"; });
  auto client = connect();
  const auto try_user = [](Client& one, const std::string& user) {
    Ask<wire::RopLogon> ask;
    ask.body.LogonFlags = 1;
    const auto name = user_dn(user) + '\0';
    ask.body.Essdn = one.arena.copy(as_view(name));
    return one.execute(ask).value();
  };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(try_user(*client, "moved@example.test"), ecWrongServer) << i;
  EXPECT_EQ(try_user(*client, "moved@example.test"), static_cast<ErrorCode>(0x47F));  // ecServerPaused
  // That is one client, and one mailbox.
  EXPECT_EQ(try_user(*client, "alice@example.test"), ecNone);
  auto other = connect();
  EXPECT_EQ(try_user(*other, "moved@example.test"), ecWrongServer);
}

TEST_F(LogonTest, ReceiveFolders) {  // row F1
  auto client = connect();
  const auto logon = client->logon().get<wire::RopLogon>();
  const auto inbox = logon.FolderIds[wire::LogonFolderIds::Inbox], root_id = logon.FolderIds[wire::LogonFolderIds::Root];
  const std::tuple<std::string_view, Id, std::string_view> cases[] = {
      {"", inbox, ""}, {"IPM", inbox, "IPM"}, {"IPM.Note", inbox, "IPM"}, {"report.ipm.note.ndr", inbox, "REPORT.IPM"},
      {"IPC", root_id, "IPC"}, {"IPC.Microsoft", root_id, "IPC"}, {"IPMX", inbox, ""}, {"Other", inbox, ""}};
  for (const auto& [name, folder_id, explicit_class] : cases) {
    Ask<wire::RopGetReceiveFolder> ask;
    ask.body.MessageClass = name;
    const auto replies = client->execute(ask);
    ASSERT_EQ(replies.value(), ecNone) << name;
    EXPECT_EQ(replies.get<wire::RopGetReceiveFolder>().FolderId, folder_id) << name;
    EXPECT_EQ(replies.get<wire::RopGetReceiveFolder>().ExplicitMessageClass, explicit_class) << name;
  }
  Ask<wire::RopGetReceiveFolder> bad;
  bad.body.MessageClass = "IPM..Note";
  EXPECT_EQ(client->execute(bad).value(), ecInvalidParam);
  EXPECT_EQ(client->execute(Ask<wire::RopGetReceiveFolderTable>()).get<wire::RopGetReceiveFolderTable>().Rows.size(), 4u);
  const auto types = client->execute(Ask<wire::RopGetAddressTypes>()).get<wire::RopGetAddressTypes>().AddressTypes;  // row T1
  ASSERT_EQ(types.size(), 2u);
  EXPECT_EQ(types[0].Text, "EX");
  EXPECT_EQ(types[1].Text, "SMTP");
}

TEST_F(LogonTest, RootAndInboxNameTheSpecialFolders) {  // row F2
  auto client = connect();
  client->logon();
  for (const auto role : {root, inbox}) {
    ASSERT_EQ(client->open_folder(role), ecNone);
    for (const auto& [tag, special] : {std::pair{PidTagIpmAppointmentEntryId, calendar}, {PidTagIpmContactEntryId, contacts},
                                       {PidTagIpmJournalEntryId, journal}, {PidTagIpmNoteEntryId, notes},
                                       {PidTagIpmTaskEntryId, tasks}, {PidTagIpmDraftsEntryId, drafts}}) {
      const auto value = client->property(tag, 1);
      ASSERT_NE(value.get<View>(), nullptr) << to_string(tag);
      const auto id = parse_folder_entry_id(*value.get<View>());
      ASSERT_TRUE(id.has_value());
      EXPECT_EQ(counter_from(id->GlobalCounter), special_id(special));
    }
    const auto list = client->property(PidTagAdditionalRenEntryIds, 1);
    ASSERT_NE(list.get<std::span<const View>>(), nullptr);
    const auto entries = *list.get<std::span<const View>>();
    ASSERT_EQ(entries.size(), 5u);
    EXPECT_EQ(counter_from(parse_folder_entry_id(entries[4])->GlobalCounter), special_id(junk));
    const auto busy = client->property(PidTagFreeBusyEntryIds, 1);  // row P7
    ASSERT_EQ(busy.get<std::span<const View>>()->size(), 4u);
    EXPECT_EQ(counter_from(parse_folder_entry_id((*busy.get<std::span<const View>>())[3])->GlobalCounter), special_id(free_busy_data));
    EXPECT_EQ(to_text(client->property(PidTagAdditionalRenEntryIdsEx, 1)), "00000000");
  }
  ASSERT_EQ(client->open_folder(drafts), ecNone);
  EXPECT_EQ(to_text(client->property(PidTagIpmDraftsEntryId, 1)), "!ecNotFound (0x8004010f)");
}

TEST_F(LogonTest, HierarchyRowsCarryWhatOutlookAsksFor) {  // row F4
  auto client = connect();
  client->logon();
  ASSERT_EQ(client->open_folder(ipm_subtree), ecNone);
  Ask<wire::RopGetHierarchyTable> ask;
  ask.handle = 1;
  ask.body.OutputHandleIndex = 2;
  const auto direct = client->execute(ask).get<wire::RopGetHierarchyTable>().RowCount;
  client->columns({PidTagDisplayName, PidTagDepth});
  auto rows = client->rows();
  EXPECT_EQ(rows.size(), direct);
  const auto has = [&](std::string_view name) { return std::any_of(rows.begin(), rows.end(), [&](const auto& row) { return row[0] == name; }); };
  EXPECT_TRUE(has("Inbox"));
  EXPECT_TRUE(has("Projects"));
  EXPECT_FALSE(has("Bridge"));
  EXPECT_FALSE(has("Sent"));  // the backend's "Sent" is the special folder Sent Items
  ask.body.TableFlags = wire::RopGetHierarchyTable::Depth;
  const auto deep = client->execute(ask).get<wire::RopGetHierarchyTable>().RowCount;
  EXPECT_GT(deep, direct);
  client->columns({PidTagDisplayName, PidTagDepth, PidTagAttributeHidden, PidTagAttributeSystem, PidTagAttributeReadOnly,
                   PidTagCreatorSID, PidTagFolderId, PidTagSubfolders, PidTagContainerClass});
  rows = client->rows();
  EXPECT_EQ(rows.size(), deep);
  bool bridge = false;
  for (const auto& row : rows) {
    for (std::size_t i = 2; i < 6; ++i) EXPECT_FALSE(row[i].starts_with("!")) << row[0] << " column " << i;
    EXPECT_EQ(row[5], "");
    if (row[0] == "Sync Issues") { EXPECT_EQ(row[2], "1"); }
    if (row[0] == "Calendar") { EXPECT_EQ(row[8], "IPF.Appointment"); }
    if (row[0] != "Bridge") continue;
    bridge = true;
    EXPECT_EQ(row[1], "1");
  }
  EXPECT_TRUE(bridge);
}

TEST_F(LogonTest, WhatIsNotThereIsNotFound) {  // row F6
  auto client = connect();
  client->logon();
  EXPECT_EQ(client->open_folder(Id(own_replid, 0xABCDEF)), ecNotFound);
  EXPECT_EQ(client->open_folder(Id(99, special_id(inbox))), ecNotFound);
}

TEST_F(LogonTest, AChildOutlivesItsParent) {  // row L7
  backend.add("INBOX", "one");
  auto client = connect();
  client->logon();
  ASSERT_EQ(client->open_folder(inbox), ecNone);
  ASSERT_TRUE(client->contents().has_value());
  client->execute(Ask<wire::RopRelease>{{}, 1}, Ask<wire::RopRelease>{{}, 0});
  EXPECT_EQ(client->handles[0], wire::no_handle);
  EXPECT_EQ(client->columns({PidTagSubject}).value(), ecNone);
  EXPECT_EQ(client->rows().size(), 1u);
}

TEST_F(LogonTest, ALogonIdTakenAgainReleasesWhatWasOpenUnderIt) {
  auto client = connect();
  client->logon();
  ASSERT_EQ(client->open_folder(inbox), ecNone);
  const auto before = client->session->objects();
  client->logon();
  EXPECT_EQ(client->session->objects(), before - 1);
}

TEST_F(LogonTest, BadHandles) {
  auto client = connect();
  client->logon();
  EXPECT_EQ(client->execute(Ask<wire::RopGetStoreState>{{}, 7}).value(), ecNullObject);    // empty
  EXPECT_EQ(client->execute(Ask<wire::RopGetStoreState>{{}, 200}).value(), ecNullObject);  // beyond the table
  ASSERT_EQ(client->open_folder(inbox), ecNone);
  EXPECT_EQ(client->execute(Ask<wire::RopGetStoreState>{{}, 1}).value(), ecNotSupported);  // another kind
  EXPECT_EQ(client->columns({PidTagSubject}, 1).value(), ecNotSupported);
  client->handles[5] = 0x12345678;  // never given out
  EXPECT_EQ(client->execute(Ask<wire::RopGetStoreState>{{}, 5}).value(), ecNullObject);
  // A double release does nothing, and the buffer goes on.
  const auto replies = client->execute(Ask<wire::RopRelease>{{}, 5}, Ask<wire::RopRelease>{{}, 5}, Ask<wire::RopGetStoreState>{});
  ASSERT_EQ(replies.buffer.rops.size(), 1u);
  EXPECT_EQ(replies.value(), ecNone);
}

TEST_F(LogonTest, HandlesBelongToTheLogonThatMadeThem) {  // [MS-OXCROPS] 3.2.5.1
  auto client = connect();
  client->logon();
  ASSERT_EQ(client->open_folder(inbox), ecNone);
  Ask<wire::RopLogon> again{{}, 4};
  again.body.LogonFlags = 1;
  const auto dn = user_dn(client->user) + '\0';
  again.body.Essdn = client->arena.copy(as_view(dn));
  const auto send_as = [&](std::uint8_t logon, const auto& ask) {
    auto request = client->request(ask);
    request.LogonId = logon;
    return client->send({request}).value();
  };
  ASSERT_EQ(send_as(7, again), ecNone);
  Ask<wire::RopGetStoreState> first, second{{}, 4}, gone{{}, 9};
  EXPECT_EQ(send_as(0, first), ecNone);
  EXPECT_EQ(send_as(7, second), ecNone);
  EXPECT_EQ(send_as(7, first), ecAccessDenied);
  EXPECT_EQ(send_as(0, second), ecAccessDenied);
  EXPECT_EQ(send_as(3, first), ecAccessDenied);  // nobody logged on so
  EXPECT_EQ(send_as(7, gone), ecNullObject);
  Ask<wire::RopGetPropertiesList> list{{}, 1};
  EXPECT_EQ(send_as(0, list), ecNone);
  EXPECT_EQ(send_as(7, list), ecAccessDenied);
  Ask<wire::RopIdFromLongTermId> id{{}, 4};  // row L6
  id.body.LongTermId.DatabaseGuid.bytes.fill(0x77);
  EXPECT_EQ(send_as(0, id), ecNone);
}

TEST_F(LogonTest, WhatAnObjectOfAnotherKindIsCalled) {
  auto client = connect();
  client->logon();
  ASSERT_EQ(client->open_folder(inbox), ecNone);
  ASSERT_TRUE(client->contents().has_value());
  // [MS-OXCMSG] 3.2.5 has a code of its own.
  Ask<wire::RopOpenMessage> open{{}, 2};
  Ask<wire::RopCreateMessage> create{{5, 0x0FFF, Id(own_replid, special_id(inbox)), false}, 2};
  EXPECT_EQ(client->execute(open).value(), ecNullObject);
  EXPECT_EQ(client->execute(create).value(), ecNullObject);
  EXPECT_EQ(client->execute(Ask<wire::RopReadRecipients>{{}, 1}).value(), ecNullObject);
  EXPECT_EQ(client->execute(Ask<wire::RopGetAttachmentTable>{{}, 1}).value(), ecNullObject);
  EXPECT_EQ(client->execute(Ask<wire::RopReloadCachedInformation>{{}, 0}).value(), ecNullObject);
  EXPECT_EQ(client->execute(Ask<wire::RopSetReadFlags>{{}, 0}).value(), ecNullObject);
  EXPECT_EQ(client->execute(Ask<wire::RopGetMessageStatus>{{}, 2}).value(), ecNullObject);
  // [MS-OXCPRPT] 2.2.9, 2.2.12, 2.2.13.
  EXPECT_EQ(client->execute(Ask<wire::RopGetPropertyIdsFromNames>{{}, 2}).value(), ecNotSupported);
  EXPECT_EQ(client->execute(Ask<wire::RopGetNamesFromPropertyIds>{{}, 2}).value(), ecNotSupported);
  EXPECT_EQ(client->execute(Ask<wire::RopQueryNamedProperties>{{}, 2}).value(), ecNotSupported);
  EXPECT_EQ(client->execute(Ask<wire::RopQueryNamedProperties>{{}, 0}).value(), ecNone);
  // Nothing goes on behind an answer.
  EXPECT_EQ(client->execute(Ask<wire::RopProgress>{{}, 1}).value(), ecNotSupported);
  EXPECT_EQ(client->execute(Ask<wire::RopProgress>{{}, 9}).value(), ecNullObject);
  // ROPs that nobody answers look at their handle first.
  EXPECT_EQ(client->execute(Ask<wire::RopFastTransferDestinationConfigure>{{}, 9}).value(), ecNullObject);
}

TEST_F(LogonTest, SizesComeInBothWidths) {  // one id, two properties
  backend.add("INBOX", "x");
  auto client = connect();
  client->logon();
  ASSERT_EQ(client->open_folder(inbox), ecNone);
  ASSERT_TRUE(client->contents().has_value());
  for (const std::uint8_t handle : {0, 1}) {
    const auto sizes = client->properties({PidTagMessageSize, PidTagMessageSizeExtended}, handle);
    EXPECT_EQ(sizes[0], sizes[1]);
    EXPECT_GT(std::stoll(sizes[0]), 0);
  }
}

TEST_F(LogonTest, LimitsOfTheBackendAreThoseOfTheStore) {  // [MS-OXCSTOR] 2.2.2.1.1.3, 2.2.2.1.1.4
  use([](EngineOptions& o) { o.refresh_interval = std::chrono::seconds(30); });  // nothing is asked twice
  const PropertyTag warn(0x3FF50003);
  const std::vector tags{warn, PidTagProhibitSendQuota, PidTagProhibitReceiveQuota, PidTagMessageSizeExtended};
  {
    auto client = connect();
    client->logon();
    const auto none = client->properties(tags, 0);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(none[i].starts_with("!ecNotFound")) << none[i];
    EXPECT_EQ(none[3], "0");
  }
  backend.quota = Quota{3 * 1024 * 1024 + 7, std::uint64_t{5} << 30};
  make_engine();
  {
    auto client = connect();
    client->logon();
    EXPECT_EQ(client->properties(tags, 0), (std::vector<std::string>{"5242880", "5242880", "5242880", "3145735"}));
    EXPECT_EQ(client->properties({PidTagMessageSize}, 0)[0], "3145735");
    EXPECT_EQ(backend.count("quota"), 2);  // one for each engine
    const auto all = client->execute(Ask<wire::RopGetPropertiesList>{});
    const auto listed = all.get<wire::RopGetPropertiesList>().PropertyTags;
    EXPECT_EQ(std::count(listed.begin(), listed.end(), PidTagProhibitSendQuota), 1);
    const TaggedValue values[] = {{PidTagProhibitSendQuota, Value::integer32(1)}, {warn, Value::integer32(1)}};
    const auto set = client->execute(Ask<wire::RopSetProperties>{{values}, 0});
    EXPECT_EQ(set.get<wire::RopSetProperties>().PropertyProblems.size(), 2u);
  }
  backend.quota = Quota{0, std::uint64_t{1} << 62};  // more than a property can say
  make_engine();
  {
    auto client = connect();
    client->logon();
    EXPECT_EQ(client->properties(tags, 0)[1], "2147483647");
  }
  backend.set_down("quota");
  make_engine();
  auto client = connect();
  client->logon();
  EXPECT_TRUE(client->properties(tags, 0)[1].starts_with("!ecNotFound"));
}

TEST_F(LogonTest, ObjectsAreBounded) {
  use([](EngineOptions& o) { o.max_objects = 5, o.max_tables = 2; });
  auto client = connect();
  client->logon();
  for (std::uint8_t i = 1; i <= 4; ++i) ASSERT_EQ(client->open_folder(inbox, i), ecNone);
  EXPECT_EQ(client->open_folder(inbox, 5), ecMemory);
  client->execute(Ask<wire::RopRelease>{{}, 4});
  EXPECT_EQ(client->open_folder(inbox, 5), ecNone);
}

TEST_F(LogonTest, KnownRopsWithoutHandlerSayNotSupportedInTheirOwnForm) {
  auto client = connect();
  client->logon();
  client->open_folder(inbox);
  Ask<wire::RopUpdateDeferredActionMessages> deferred;
  deferred.handle = 1;
  Ask<wire::RopFastTransferDestinationPutBuffer> put;  // its error has all fields of a success
  put.handle = 1;
  Ask<wire::RopSynchronizationImportDeletes> lock;
  lock.handle = 1;
  const auto replies = client->execute(deferred, put, lock, Ask<wire::RopGetStoreState>{});
  ASSERT_EQ(replies.buffer.rops.size(), 4u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(replies.value(i), ecNotSupported) << i;
  EXPECT_EQ(replies.value(3), ecNone);
}

TEST_F(LogonTest, ABufferThatCannotBeParsedFailsAsAWhole) {  // [MS-OXCROPS] 3.2.5.1
  auto client = connect();
  client->logon();
  // RopGetStoreState, then a reserved RopId.
  const Bytes payload{9, 0, 0x7B, 0, 0, 0x3C, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF};
  const auto replies = client->send_payload(payload);
  EXPECT_EQ(replies.code, ecRpcFormat);
  EXPECT_TRUE(replies.buffer.rops.empty());
}

TEST_F(LogonTest, WhatDoesNotFitComesBackAsRequests) {
  auto client = connect();
  client->logon();
  client->max_rop_out = 400;
  std::vector<wire::RopRequest> asks;
  for (int i = 0; i < 20; ++i) asks.push_back(client->request(Ask<wire::RopGetAddressTypes>{}));
  auto replies = client->send(asks);
  ASSERT_EQ(replies.code, ecNone);
  int answered = 0;
  for (const auto& rop : replies.buffer.rops) answered += rop.id == RopId::RopGetAddressTypes;
  ASSERT_EQ(replies.buffer.rops.back().id, RopId::RopBufferTooSmall);
  EXPECT_GT(answered, 0);
  EXPECT_LT(answered, 20);
  // Every request is either answered or given back, none is lost.
  const auto& rest = *static_cast<const wire::RopBufferTooSmall::Response*>(replies.buffer.rops.back().body);
  EXPECT_EQ(rest.RequestBuffers.size() + static_cast<std::size_t>(answered) * 3, 20u * 3);
  // A handle that the client never got to know is not kept.
  client->max_rop_out = 100;
  const auto before = client->session->objects();
  Ask<wire::RopOpenFolder> open;
  open.body.FolderId = Id(own_replid, special_id(inbox));
  open.body.OutputHandleIndex = 9;
  std::vector<wire::RopRequest> opens(4, client->request(open));
  replies = client->send(opens);
  int opened = 0;
  for (const auto& rop : replies.buffer.rops) opened += rop.id == RopId::RopOpenFolder && rop.ReturnValue == ecNone;
  EXPECT_EQ(client->session->objects(), before + static_cast<std::size_t>(opened));
  client->max_rop_out = 20;
  EXPECT_EQ(client->execute(Ask<wire::RopGetStoreState>{}).code, ecBufferTooSmall);
}

TEST_F(LogonTest, WhatCanNeverFitFailsTheCall) {  // [MS-OXCROPS] 3.2.4.3
  auto client = connect();
  client->logon();
  // So many requests that all the room is taken by those that would have to come back.
  const auto count = (0x8000 - 2 - 3 - 4 * client->handles.size()) / 3;
  std::vector<wire::RopRequest> asks(count, client->request(Ask<wire::RopGetAddressTypes>{}));
  EXPECT_EQ(client->send(asks).code, ecBufferTooSmall);
  asks.erase(asks.end() - 10, asks.end());  // with room for one more, the others come back
  const auto replies = client->send(asks);
  ASSERT_EQ(replies.code, ecNone);
  EXPECT_EQ(replies.buffer.rops.back().id, RopId::RopBufferTooSmall);
}

TEST_F(LogonTest, IdsSurviveTheProcess) {
  backend.add("INBOX", "kept");
  backend.add("Projects/Bridge", "deep");
  std::string mailbox_guid, bridge;
  std::vector<Id> ids;
  const auto look = [&](Client& client) {
    mailbox_guid = to_hex(client.logon().get<wire::RopLogon>().MailboxGuid.bytes);
    ids = client.message_ids(inbox);
    client.open_folder(ipm_subtree);
    Ask<wire::RopGetHierarchyTable> ask;
    ask.handle = 1;
    ask.body.OutputHandleIndex = 2;
    ask.body.TableFlags = wire::RopGetHierarchyTable::Depth;
    client.execute(ask);
    client.columns({PidTagDisplayName, PidTagFolderId});
    for (const auto& row : client.rows())
      if (row[0] == "Bridge") bridge = row[1];
  };
  auto client = connect();
  look(*client);
  const auto guid = mailbox_guid, folder_id = bridge;
  const auto messages = ids;
  ASSERT_FALSE(bridge.empty());
  client.reset();
  make_engine();
  client = connect();
  look(*client);
  EXPECT_EQ(mailbox_guid, guid);
  EXPECT_EQ(bridge, folder_id);
  EXPECT_EQ(ids, messages);
}

TEST_F(LogonTest, StoreProperties) {
  auto client = connect();
  client->logon();
  const auto values = client->properties({PidTagMailboxOwnerName, PidTagMaximumSubmitMessageSize, PidTagLocaleId, PidTagCodePageId,
                                          PidTagMailboxOwnerEntryId, PidTagUserEntryId, PidTagIpmSubtreeEntryId, PidTagStoreSupportMask,
                                          PidTagDisplayName, PidTagBody}, 0);
  EXPECT_EQ(values[0], "alice@example.test");
  EXPECT_EQ(values[1], std::to_string(35 * 1024));
  EXPECT_EQ(values[2], "1033");
  EXPECT_EQ(values[3], "1252");
  EXPECT_EQ(values[4], values[5]);
  EXPECT_NE(values[4].find(to_hex(as_view(user_dn("alice@example.test")))), std::string::npos);
  EXPECT_FALSE(values[6].starts_with("!"));
  EXPECT_EQ(values[9], "!ecNotFound (0x8004010f)");
}

}  // namespace
}  // namespace mapigate::mailbox::testing
