// Mailboxes of others within a session: who gets in, whose is whose, and that all who use a mailbox use the same one.
#include <thread>

#include "mailbox/receipts.h"
#include "mailbox/shared_mailbox_fixture.h"

namespace mapigate::mailbox::testing {

namespace {

namespace note = wire::notification;

// Handle 0: bob's own, under logon 0; handle 4: the office's, under logon 1.
TEST_F(SharedMailboxTest, OneSessionHasTwoMailboxes) {
  auto client = connect(bob);
  const auto own = client->logon().get<wire::RopLogon>();
  const auto replies = log_on_to(*client, office, 1, 4);
  ASSERT_EQ(replies.value(), ecNone);
  const auto other = replies.get<wire::RopLogon>();
  EXPECT_NE(other.MailboxGuid, own.MailboxGuid);
  EXPECT_NE(other.ReplGuid, own.ReplGuid);
  EXPECT_EQ(own.ResponseFlags & 0x06, 0x06);
  EXPECT_EQ(other.ResponseFlags & 0x06, 0x02);  // owner's rights, but not to send
  EXPECT_EQ(count(*client, 0, 0), 1u);
  EXPECT_EQ(count(*client, 1, 4), 2u);
  EXPECT_EQ(engine->mailboxes(), 2u);
  // Both in one buffer, each by its own handles.
  auto first = client->request(open_inbox(0, 8)), second = client->request(open_inbox(4, 9));
  second.LogonId = 1;
  auto third = client->request(Ask<wire::RopGetContentsTable>{{10, 0}, 8}), fourth = client->request(Ask<wire::RopGetContentsTable>{{11, 0}, 9});
  fourth.LogonId = 1;
  const auto both = client->send({first, second, third, fourth});
  EXPECT_EQ(both.get<wire::RopGetContentsTable>(2).RowCount, 1u);
  EXPECT_EQ(both.get<wire::RopGetContentsTable>(3).RowCount, 2u);
  // [MS-OXCROPS] 3.2.5.1: not by those of the other.
  EXPECT_EQ(send(*client, 0, touch(4)).value(), ecAccessDenied);
  EXPECT_EQ(send(*client, 1, touch(0)).value(), ecAccessDenied);
  // The provider has no password of the office's, and not bob's.
  for (const auto& [user, password] : backends.told()) EXPECT_EQ(password, user == bob ? "secret" : "") << user;
  // The last handle takes the mailbox with it.
  Ask<wire::RopRelease> release;
  for (const std::uint8_t handle : {4, 6, 7, 9, 11}) {
    release.handle = handle;
    send(*client, 1, release);
  }
  EXPECT_TRUE(eventually([&] { return engine->mailboxes() == 1; }));
  EXPECT_EQ(count(*client, 0, 0), 1u);
}

TEST_F(SharedMailboxTest, TheStoreTellsOwnerFromUser) {  // [MS-OXCSTOR] 2.2.2.1
  auto client = connect(bob);
  client->logon();
  ASSERT_EQ(log_on_to(*client, office, 1, 4).value(), ecNone);
  const PropertyTag tags[] = {PidTagMailboxOwnerEntryId, PidTagUserEntryId};
  Ask<wire::RopGetPropertiesSpecific> ask;
  ask.handle = 4;
  ask.body.PropertyTags = tags;
  const auto answer = send(*client, 1, ask);
  ASSERT_EQ(answer.value(), ecNone);
  const auto values = answer.get<wire::RopGetPropertiesSpecific>().RowData.values;
  EXPECT_NE(to_text(values[0]).find(to_hex(as_view(user_dn(office)))), std::string::npos);
  EXPECT_NE(to_text(values[1]).find(to_hex(as_view(user_dn(bob)))), std::string::npos);
}

TEST_F(SharedMailboxTest, AnotherMailboxIsForClientsThatTellIdsApart) {  // [MS-OXCSTOR] 3.2.5.1.1, USE_PER_MDB_REPLID_MAPPING
  auto client = connect(bob);
  // The first logon of a session, and those to the same mailbox, need no flag.
  ASSERT_EQ(log_on_to(*client, office, 1, 4, 0).value(), ecNone);
  EXPECT_EQ(log_on_to(*client, office, 2, 5, 0).value(), ecNone);
  EXPECT_EQ(log_on_to(*client, bob, 0, 0, 0).value(), ecInvalidParam);
  EXPECT_EQ(client->handles[0], wire::no_handle);
  EXPECT_EQ(log_on_to(*client, bob, 0, 0).value(), ecNone);
  EXPECT_EQ(log_on_to(*client, alice, 3, 6, 0).value(), ecInvalidParam);
  EXPECT_EQ(log_on_to(*client, alice, 3, 6).value(), ecLoginPerm);
}

TEST_F(SharedMailboxTest, WhoMayNotIsToldNothing) {
  auto client = connect(alice);
  client->logon();
  EXPECT_EQ(log_on_to(*client, office, 1, 4).value(), ecLoginPerm);
  EXPECT_EQ(log_on_to(*client, "nobody@example.test", 1, 4).value(), ecLoginPerm);
  EXPECT_EQ(client->handles[4], wire::no_handle);
  EXPECT_EQ(engine->mailboxes(), 1u);
  EXPECT_EQ(backends.told().size(), 1u);
  EXPECT_EQ(backends.of(office).count("folders"), 0);
}

TEST_F(SharedMailboxTest, ARightThatIsTakenAwayEndsAtTheNextRequest) {
  auto client = connect(bob);
  client->logon();
  ASSERT_EQ(log_on_to(*client, office, 1, 4).value(), ecNone);
  ASSERT_EQ(send(*client, 1, touch(4)).value(), ecNone);
  allowed = false;
  EXPECT_EQ(send(*client, 1, touch(4)).value(), ecNullObject);
  EXPECT_EQ(log_on_to(*client, office, 1, 4).value(), ecLoginPerm);
  EXPECT_TRUE(eventually([&] { return engine->mailboxes() == 1; }));
  EXPECT_EQ(send(*client, 0, touch(0)).value(), ecNone);
}

TEST_F(SharedMailboxTest, OwnerAndDelegateUseTheSameMailbox) {
  auto client = connect(bob);
  client->logon();
  ASSERT_EQ(log_on_to(*client, office, 1, 4).value(), ecNone);
  ASSERT_EQ(count(*client, 1, 4), 2u);
  auto owner = connect(office, "changed");
  owner->logon();
  EXPECT_EQ(engine->mailboxes(), 2u);
  const auto ids = owner->message_ids(inbox);
  ASSERT_EQ(ids.size(), 2u);
  // The delegate deletes, the owner hears of it without anybody asking the backend.
  Ask<wire::RopRegisterNotification> listen;
  listen.body.OutputHandleIndex = 5;
  listen.body.NotificationTypes = note::ObjectDeleted | note::ObjectMoved;
  listen.body.WantWholeStore = true;
  ASSERT_EQ(owner->execute(listen).value(), ecNone);
  ASSERT_EQ(send(*client, 1, open_inbox(4, 6)).value(), ecNone);
  Ask<wire::RopDeleteMessages> remove;
  remove.handle = 6;
  const Id one[] = {ids[0]};
  remove.body.MessageIds = one;
  ASSERT_EQ(send(*client, 1, remove).value(), ecNone);
  EXPECT_TRUE(owner->wait(std::chrono::seconds(5)));
  EXPECT_EQ(owner->message_ids(inbox), std::vector<Id>{ids[1]});
}

TEST_F(SharedMailboxTest, NewsOfBothMailboxesComeToTheSession) {
  auto client = connect(bob);
  client->logon();
  ASSERT_EQ(log_on_to(*client, office, 1, 4).value(), ecNone);
  count(*client, 0, 0);
  count(*client, 1, 4);
  Ask<wire::RopRegisterNotification> listen;
  listen.body.NotificationTypes = note::NewMail;
  listen.body.WantWholeStore = true;
  listen.body.OutputHandleIndex = 8;
  ASSERT_EQ(send(*client, 0, listen).value(), ecNone);
  listen.handle = 4;
  listen.body.OutputHandleIndex = 9;
  ASSERT_EQ(send(*client, 1, listen).value(), ecNone);
  EXPECT_FALSE(client->wait(std::chrono::milliseconds(100)));
  const auto told = [&] {
    std::vector<std::pair<std::uint32_t, std::uint8_t>> out;
    for (const auto& rop : client->execute(Ask<wire::RopRelease>{{}, 11}).buffer.rops)
      if (const auto* notify = rop.id == RopId::RopNotify ? rop.as<wire::RopNotify>() : nullptr)
        out.emplace_back(notify->NotificationHandle, notify->LogonId);
    return out;
  };
  backends.of(office).add("INBOX", "news");
  ASSERT_TRUE(client->wait(std::chrono::seconds(10)));
  EXPECT_EQ(told(), (std::vector<std::pair<std::uint32_t, std::uint8_t>>{{client->handles[9], 1}}));
  backends.of(bob).add("INBOX", "news");
  ASSERT_TRUE(client->wait(std::chrono::seconds(10)));
  EXPECT_EQ(told(), (std::vector<std::pair<std::uint32_t, std::uint8_t>>{{client->handles[8], 0}}));
}

TEST_F(SharedMailboxTest, ALogonIdMovesFromOneMailboxToTheOther) {
  auto client = connect(bob);
  client->logon();
  ASSERT_EQ(log_on_to(*client, office, 1, 4).value(), ecNone);
  ASSERT_EQ(log_on_to(*client, bob, 1, 5).value(), ecNone);
  EXPECT_EQ(send(*client, 1, touch(4)).value(), ecNullObject);
  EXPECT_EQ(send(*client, 1, touch(5)).value(), ecNone);
  EXPECT_TRUE(eventually([&] { return engine->mailboxes() == 1; }));
}

TEST_F(SharedMailboxTest, NothingIsSentFromAnothersMailbox) {
  auto client = connect(bob);
  client->logon();
  ASSERT_EQ(log_on_to(*client, office, 1, 4).value(), ecNone);
  Ask<wire::RopCreateMessage> make{{6, 0x0FFF, Id(own_replid, special_id(outbox)), false}, 4};
  ASSERT_EQ(send(*client, 1, make).value(), ecNone);
  EXPECT_EQ(send(*client, 1, Ask<wire::RopSubmitMessage>{{}, 6}).value(), ecAccessDenied);
}

TEST_F(SharedMailboxTest, MessagesTellWhoWroteThem) {  // [MS-OXCPRPT] 2.2.1.5
  auto client = connect(bob), owner = connect(office);
  client->logon();
  owner->logon();
  ASSERT_EQ(log_on_to(*client, office, 1, 4).value(), ecNone);
  Ask<wire::RopCreateMessage> make{{6, 0x0FFF, Id(own_replid, special_id(inbox)), false}, 4};
  ASSERT_EQ(send(*client, 1, make).value(), ecNone);
  const auto set_subject = [](Client& whose, std::uint8_t logon, std::uint8_t handle, const char* subject) {
    const TaggedValue values[] = {{PidTagSubject, Value::string(whose.arena, subject)}};
    EXPECT_EQ(send(whose, logon, Ask<wire::RopSetProperties>{{values}, handle}).value(), ecNone);
    EXPECT_EQ(send(whose, logon, Ask<wire::RopSaveChangesMessage>{{handle, 0x0A}, handle}).value(), ecNone);
  };
  set_subject(*client, 1, 6, "by the delegate");
  const auto open_it = [&](const std::string& subject) {
    const auto count = owner->message_ids(inbox).size();
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(owner->open_message(inbox, i).value(), ecNone);
      if (owner->properties({PidTagSubject}, 3).at(0) == subject) return true;
    }
    return false;
  };
  ASSERT_TRUE(open_it("by the delegate"));
  EXPECT_EQ(owner->properties({PidTagLastModifierName, PidTagCreatorName}, 3), (std::vector<std::string>{bob, bob}));
  set_subject(*owner, 0, 3, "by the owner");
  ASSERT_TRUE(open_it("by the owner"));
  EXPECT_EQ(owner->properties({PidTagLastModifierName, PidTagCreatorName}, 3), (std::vector<std::string>{office, bob}));
}

// Once its owner has gone, providers do not go on with a password that may not be the owner's any more.
TEST_F(SharedMailboxTest, TheOwnersPasswordGoesWithTheOwner) {
  auto owner = connect(office, "owner's");
  owner->logon();
  auto client = connect(bob);
  client->logon();
  ASSERT_EQ(log_on_to(*client, office, 1, 4).value(), ecNone);
  EXPECT_EQ(backends.told().front(), (std::pair<std::string, std::string>{office, "owner's"}));
  const auto logins = backends.told().size();
  EXPECT_EQ(count(*client, 1, 4), 2u);
  EXPECT_EQ(backends.told().size(), logins);  // while both are there they share what there is
  owner.reset();
  backends.of(office).add("INBOX", "after that");
  EXPECT_TRUE(eventually([&] { return count(*client, 1, 4) == 3; }));
  EXPECT_EQ(backends.told().back(), (std::pair<std::string, std::string>{office, ""}));
  // And comes back with the owner.
  owner = connect(office, "owner's");
  owner->logon();
  backends.of(office).add("INBOX", "and after that");
  EXPECT_TRUE(eventually([&] { return count(*client, 1, 4) == 4; }));
  EXPECT_EQ(backends.told().back(), (std::pair<std::string, std::string>{office, "owner's"}));
}

// Receipts go out in the owner's name, to whom the message says: a guest could write to anybody that way.
TEST(Guests, SendNoReceipts) {
  for (const std::uint8_t flags : {std::uint8_t{0}, std::uint8_t{rfGenerateReceiptOnly}}) {
    EXPECT_NE(read_wish(flags, false).receipts, Receipts::leave);
    EXPECT_EQ(read_wish(flags, true).receipts, Receipts::leave);
    EXPECT_EQ(read_wish(flags, true).set, read_wish(flags, false).set);
  }
  EXPECT_EQ(read_wish(rfSuppressReceipt, true).receipts, Receipts::refuse);
}

TEST_F(SharedMailboxTest, ManyAtOnce) {
  const auto work = [this](const std::string& user, bool guest) {
    auto client = connect(user);
    client->logon();
    for (int i = 0; i < 40; ++i) {
      if (guest) {
        ASSERT_EQ(log_on_to(*client, office, 1, 4).value(), ecNone);
        EXPECT_EQ(count(*client, 1, 4), 2u);
      }
      count(*client, 0, 0);
      client->wait(Duration::zero());
    }
  };
  std::vector<std::thread> threads;
  threads.emplace_back(work, bob, true);
  threads.emplace_back(work, bob, true);
  threads.emplace_back(work, office, false);
  for (auto& one : threads) one.join();
  EXPECT_TRUE(eventually([&] { return engine->mailboxes() == 0; }));
}

}  // namespace
}  // namespace mapigate::mailbox::testing
