// Mailboxes of others within a session: who gets in, whose is whose, and that all who use a mailbox use the same one.
#include <thread>

#include "mailbox/receipts.h"
#include "mailbox/test_support.h"
#include "mailbox/user_services.h"

namespace mapigate::mailbox::testing {

namespace {

using namespace mapi;
using enum FolderRole;
namespace note = wire::notification;

const std::string alice = "alice@example.test", bob = "bob@example.test", office = "office@example.test";

class SharedMailboxTest : public EngineTest, public UserServices {
 protected:
  // A backend for each user, and who logged in to it how.
  class Backends final : public ProviderFactory {
   public:
    std::unique_ptr<Provider> open(std::shared_ptr<const chain::Identity> identity, io::Executor executor) override {
      const std::lock_guard lock(mutex);
      logins.push_back({identity->user, identity->password.reveal()});
      return FakeFactory(of(identity->user)).open(identity, std::move(executor));
    }
    bool opens_without_password() const override { return true; }
    FakeBackend& of(const std::string& user) {
      const std::lock_guard lock(map_mutex_);
      auto& slot = backends_[user];
      if (!slot) {
        slot = std::make_unique<FakeBackend>();
        slot->add_folder("INBOX", FolderRole::inbox);
      }
      return *slot;
    }
    std::vector<std::pair<std::string, std::string>> told() {
      const std::lock_guard lock(mutex);
      return logins;
    }
    std::mutex mutex;
    std::vector<std::pair<std::string, std::string>> logins;

   private:
    std::mutex map_mutex_;
    std::map<std::string, std::unique_ptr<FakeBackend>> backends_;
  };

  SharedMailboxTest() : EngineTest(4) {  // mailboxes of different users on different loops
    provider = &backends;
    services = this;
    make_engine();
    backends.of(bob).add("INBOX", "to bob");
    backends.of(office).add("INBOX", "to the office");
    backends.of(office).add("INBOX", "to the office again");
  }
  ~SharedMailboxTest() override { stop_all(); }

  OutOfOfficeFactory* out_of_office() override { return nullptr; }
  FreeBusySource* free_busy() override { return nullptr; }
  std::vector<std::string> other_addresses(const std::string&) override { return {}; }
  bool may_open(const std::string& user, const std::string& owner) override { return allowed && user == bob && owner == office; }

  template <class... Rops>
  static Replies send(Client& client, std::uint8_t logon, const Ask<Rops>&... asks) {
    std::vector<wire::RopRequest> rops;
    (rops.push_back(client.request(asks)), ...);
    for (auto& rop : rops) rop.LogonId = logon;
    return client.send(std::move(rops));
  }
  static Replies log_on_to(Client& client, const std::string& owner, std::uint8_t logon, std::uint8_t handle) {
    Ask<wire::RopLogon> ask{{}, handle};
    ask.body.LogonFlags = wire::RopLogon::Private;
    const auto dn = user_dn(owner) + '\0';
    ask.body.Essdn = client.arena.copy(as_view(dn));
    return send(client, logon, ask);
  }
  static Ask<wire::RopOpenFolder> open_inbox(std::uint8_t from, std::uint8_t to) {
    Ask<wire::RopOpenFolder> ask;
    ask.handle = from;
    ask.body.FolderId = Id(own_replid, special_id(inbox));
    ask.body.OutputHandleIndex = to;
    return ask;
  }
  // The count of messages of the inbox behind a logon, by handles 6 and 7.
  static std::uint32_t count(Client& client, std::uint8_t logon, std::uint8_t handle) {
    EXPECT_EQ(send(client, logon, open_inbox(handle, 6)).value(), ecNone);
    Ask<wire::RopGetContentsTable> ask;
    ask.handle = 6;
    ask.body.OutputHandleIndex = 7;
    return send(client, logon, ask).get<wire::RopGetContentsTable>().RowCount;
  }
  static Ask<wire::RopGetStoreState> touch(std::uint8_t handle) { return {{}, handle}; }

  Backends backends;
  std::atomic<bool> allowed = true;
};

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
  // Folders go over by RopCopyFolder and RopMoveFolder.
  ASSERT_EQ(send(*client, 0, open_inbox(0, 5)).value(), ecNone);
  ASSERT_EQ(send(*client, 1, open_inbox(4, 6)).value(), ecNone);
  Ask<wire::RopCopyTo> copy_to;
  copy_to.handle = 6;
  copy_to.body.DestHandleIndex = 5;
  EXPECT_EQ(send(*client, 1, copy_to).value(), ecNotSupported);
  copy_to.body.DestHandleIndex = 11;  // none at all
  EXPECT_EQ(send(*client, 1, copy_to).value(), ecDstNullObject);
}

// Three clients, two mailboxes, four loops.
// Folders without a backend hold no MIME: what only that told has to come along.
TEST_F(SharedMailboxTest, HeaderFieldsComeAlongIntoFoldersOfTheGateway) {
  backends.of(office).add("INBOX", "with a field", 0, "Hello.\r\n", "X-Ticket: 4711\r\n");
  auto client = connect(bob);
  client->logon();
  ASSERT_EQ(log_on_to(*client, office, 1, 4).value(), ecNone);
  // Both mailboxes have been asked for the field before: strangers' fields get no id else.
  const auto field = [&](std::uint8_t logon, std::uint8_t handle) {
    const std::vector<wire::PropertyName> list{wire::to_wire(client->arena, {PS_INTERNET_HEADERS, {}, "x-ticket"})};
    const auto reply = send(*client, logon, Ask<wire::RopGetPropertyIdsFromNames>{{wire::RopGetPropertyIdsFromNames::Create, list}, handle});
    return PropertyTag(reply.get<wire::RopGetPropertyIdsFromNames>().PropertyIds[0], PropertyType::PtypString);
  };
  field(1, 4);
  const auto here = field(0, 0);
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
  const auto named = [&](std::uint8_t logon, std::uint8_t handle, std::initializer_list<const char*> names) {
    PropertyTag last;
    for (const auto* name : names) {
      const std::vector<wire::PropertyName> list{wire::to_wire(client->arena, {PS_PUBLIC_STRINGS, {}, name})};
      const auto reply = send(*client, logon, Ask<wire::RopGetPropertyIdsFromNames>{{wire::RopGetPropertyIdsFromNames::Create, list}, handle});
      last = PropertyTag(reply.get<wire::RopGetPropertyIdsFromNames>().PropertyIds[0], PropertyType::PtypString);
    }
    return last;
  };
  const auto there = named(1, 4, {"Other", "Place"});
  const auto here = named(0, 0, {"First", "Second", "Third", "Place"});
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
  const auto named = [&](std::uint8_t logon, std::uint8_t handle, std::initializer_list<const char*> names) {
    PropertyTag last;
    for (const auto* name : names) {
      const std::vector<wire::PropertyName> list{wire::to_wire(client->arena, {PS_PUBLIC_STRINGS, {}, name})};
      const auto reply = send(*client, logon, Ask<wire::RopGetPropertyIdsFromNames>{{wire::RopGetPropertyIdsFromNames::Create, list}, handle});
      last = PropertyTag(reply.get<wire::RopGetPropertyIdsFromNames>().PropertyIds[0], PropertyType::PtypString);
    }
    return last;
  };
  const auto there = named(1, 4, {"Other", "Place"});
  const auto here = named(0, 0, {"First", "Second", "Third", "Place"});
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
  // Into an object of another kind it does not go.
  copy_to.body.DestHandleIndex = 3;
  EXPECT_EQ(send(*client, 1, copy_to).value(), ecNotSupported);
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
