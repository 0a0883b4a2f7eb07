// Backends that fail, at every point; idle mailboxes; notifications.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <thread>

#include "mailbox/test_support.h"

namespace mapigate::mailbox::testing {
namespace {

using namespace mapi;  // PidTag…
using enum FolderRole;

class FaultTest : public EngineTest {
 protected:
  static bool retryable(ErrorCode code) { return code == ecNetwork || code == ecTimeout; }
};

TEST_F(FaultTest, DownBeforeTheFirstLogonIsNoEmptyMailbox) {
  backend.add("INBOX", "there");
  backend.set_down("folders");
  auto client = connect();
  EXPECT_TRUE(retryable(client->logon().value()));
  backend.set_down("folders", false);
  EXPECT_EQ(client->logon().value(), ecNone);
  EXPECT_EQ(client->message_ids(inbox).size(), 1u);
}

TEST_F(FaultTest, DownBeforeAFolderIsReadIsNoEmptyFolder) {
  for (int i = 0; i < 120; ++i) backend.add("INBOX", "m");
  auto client = connect();
  client->logon();
  // Opening a folder begins to read it in the background, so the fault comes first.
  backend.set_down("refresh");
  client->open_folder(inbox);
  EXPECT_FALSE(client->contents().has_value());
  // Breaks in the middle: part of it is in the index, and still no count is given.
  backend.set_down("later part");
  backend.set_down("refresh", false);
  EXPECT_FALSE(client->contents().has_value());
  const auto tree = tree_of(*client);
  const auto* row = tree->by_role(inbox);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->total, 50u);
  EXPECT_FALSE(row->indexed);
  backend.set_down("later part", false);
  ASSERT_TRUE(client->contents().has_value());
  EXPECT_EQ(*client->contents(), 120u);
}

TEST_F(FaultTest, DownLaterServesTheIndexAndDeletesNothing) {
  for (int i = 0; i < 3; ++i) backend.add("INBOX", "m");
  auto client = connect();
  client->logon();
  EXPECT_EQ(client->message_ids(inbox).size(), 3u);
  const auto folders = tree_of(*client)->all().size();
  for (const char* what : {"folders", "refresh", "changed", "content", "set_flags"}) backend.set_down(what);
  settle(*client, inbox);
  EXPECT_EQ(client->message_ids(inbox).size(), 3u);
  EXPECT_EQ(tree_of(*client)->all().size(), folders);
  // What needs the backend says so, in a way that makes Outlook come back.
  EXPECT_TRUE(retryable(client->open_message(inbox).value()));
  // Also after a restart.
  client.reset();
  make_engine();
  client = connect();
  ASSERT_EQ(client->logon().value(), ecNone);
  EXPECT_EQ(client->message_ids(inbox).size(), 3u);
  for (const char* what : {"folders", "refresh", "changed", "content", "set_flags"}) backend.set_down(what, false);
  EXPECT_EQ(client->open_message(inbox).value(), ecNone);
}

TEST_F(FaultTest, ASlowFirstReadingEndsInATimeoutAndGoesOn) {
  for (int i = 0; i < 10; ++i) backend.add("INBOX", "m");
  use([](EngineOptions& o) { o.first_index_wait = std::chrono::milliseconds(50); });
  backend.slow = std::chrono::milliseconds(400);
  auto client = connect();
  client->logon();
  client->open_folder(inbox);
  Ask<wire::RopGetContentsTable> ask{{2, 0}, 1};
  EXPECT_EQ(client->execute(ask).value(), ecTimeout);
  // With deferred errors the table is there at once, and the client is told when it has filled.
  ask.body.TableFlags = wire::RopGetContentsTable::DeferredErrors;
  EXPECT_EQ(client->execute(ask).get<wire::RopGetContentsTable>().RowCount, 0u);
  EXPECT_TRUE(client->wait(std::chrono::seconds(5)));
  const auto told = client->execute(Ask<wire::RopGetStoreState>{});
  ASSERT_GE(told.buffer.rops.size(), 2u);
  ASSERT_EQ(told.at(1).id, RopId::RopNotify);
  const auto& notify = *static_cast<const wire::RopNotify::Response*>(told.at(1).body);
  EXPECT_EQ(notify.NotificationHandle, client->handles[2]);
  EXPECT_TRUE(notify.NotificationData.is(wire::notification::TableModified));
  client->columns({PidTagSubject});
  EXPECT_EQ(client->rows().size(), 10u);
}

TEST_F(FaultTest, FoldersGoOnlyWhenTheBackendSaysSo) {
  backend.add("Projects/Bridge", "x");
  auto client = connect();
  client->logon();
  const auto names = [&] {
    std::set<std::string> out;
    const auto tree = tree_of(*client);
    for (const auto& folder : tree->all()) out.insert(folder.name);
    return out;
  };
  EXPECT_TRUE(names().contains("Bridge"));
  {
    std::lock_guard lock(backend.mutex);
    backend.folders.erase("Projects/Bridge");
    backend.folders.erase("Sent");
  }
  settle(*client, inbox);
  EXPECT_FALSE(names().contains("Bridge"));
  EXPECT_TRUE(names().contains("Sent Items"));  // special folders stay
  backend.add_folder("Projects/Bridge", none, "Projects");
  backend.add_folder("projects");  // differs in case only: both must be reachable
  settle(*client, inbox);
  EXPECT_TRUE(names().contains("Bridge"));
  EXPECT_TRUE(names().contains("projects (2)"));
}

TEST_F(FaultTest, AFolderThatOneListLeavesOutStays) {
  backend.add_folder("Projects");
  backend.add_folder("Projects/Bridge", none, "Projects");
  backend.add("Projects/Bridge", "there");
  auto client = connect();
  client->logon();
  const auto id_of = [&](const char* name) {
    const auto tree = tree_of(*client);
    const auto* folder = tree->by_remote("fake", name);
    return folder ? folder->id : 0;
  };
  settle(*client, inbox);
  const auto bridge = id_of("Projects/Bridge"), sent = id_of("Sent");
  ASSERT_NE(bridge, 0u);
  {
    std::lock_guard lock(backend.mutex);
    backend.left_out = {"Projects", "Projects/Bridge", "Sent"};
  }
  settle(*client, inbox);
  EXPECT_TRUE(backend.left_out.empty());
  EXPECT_EQ(id_of("Projects/Bridge"), bridge);
  EXPECT_EQ(id_of("Sent"), sent);
}

TEST_F(FaultTest, NewMailIsToldAtOnceAndInTheNextReply) {
  backend.add("INBOX", "old");
  auto client = connect();
  client->logon();
  client->message_ids(inbox);
  Ask<wire::RopRegisterNotification> ask;
  ask.body.OutputHandleIndex = 5;
  ask.body.NotificationTypes = wire::notification::NewMail | wire::notification::ObjectCreated;
  ask.body.WantWholeStore = true;
  ASSERT_EQ(client->execute(ask).value(), ecNone);
  EXPECT_FALSE(client->session->has_events());
  backend.add("INBOX", "new");
  EXPECT_TRUE(client->wait(std::chrono::seconds(5)));  // found while waiting
  EXPECT_TRUE(client->wait(std::chrono::seconds(0)));  // row M4: queued events answer at once
  ASSERT_TRUE(eventually([&] { return backend.count("changed") > 0; }));
  // Row P16: also after a buffer that only releases.
  const auto replies = client->execute(Ask<wire::RopRelease>{{}, 1});
  bool mail = false, table = false;
  for (const auto& rop : replies.buffer.rops) {
    if (rop.id != RopId::RopNotify) continue;
    const auto& notify = *static_cast<const wire::RopNotify::Response*>(rop.body);
    if (notify.NotificationData.is(wire::notification::NewMail)) {
      mail = true;
      EXPECT_EQ(notify.NotificationHandle, client->handles[5]);
      EXPECT_EQ(notify.NotificationData.FolderId, Id(own_replid, special_id(inbox)));
      EXPECT_EQ(notify.NotificationData.MessageId, client->message_ids(inbox)[0]);
    }
    if (notify.NotificationData.is(wire::notification::TableModified)) table = true;
  }
  EXPECT_TRUE(mail);
  (void)table;
  EXPECT_FALSE(client->session->has_events() && !client->wait(Duration::zero()));
}

TEST_F(FaultTest, MailThatAClientHasDeliveredIsToldToAll) {  // RopTransportNewMail
  backend.add("INBOX", "old", state::flag_seen);
  auto client = connect(), spooler = connect();
  client->logon();
  spooler->logon();
  const auto id = client->message_ids(inbox).at(0);
  Ask<wire::RopRegisterNotification> ask;
  ask.body.OutputHandleIndex = 5;
  ask.body.NotificationTypes = wire::notification::NewMail;
  ask.body.WantWholeStore = true;
  ASSERT_EQ(client->execute(ask).value(), ecNone);
  Ask<wire::RopTransportNewMail> elsewhere{{id, Id(own_replid, special_id(outbox)), "IPM.Note", 0}, 0};
  EXPECT_EQ(spooler->execute(elsewhere).value(), ecNone);  // it is not there: nothing to tell, as the count below shows
  Ask<wire::RopTransportNewMail> news{{id, Id(own_replid, special_id(inbox)), "IPM.Note", 0}, 0};
  ASSERT_EQ(spooler->execute(news).value(), ecNone);
  EXPECT_TRUE(client->session->has_events());
  const auto replies = client->execute(Ask<wire::RopGetStoreState>{});
  int told = 0;
  for (const auto& rop : replies.buffer.rops) {
    if (rop.id != RopId::RopNotify) continue;
    const auto& notify = *static_cast<const wire::RopNotify::Response*>(rop.body);
    if (!notify.NotificationData.is(wire::notification::NewMail)) continue;
    ++told;
    EXPECT_EQ(notify.NotificationData.MessageId, id);
  }
  EXPECT_EQ(told, 1);
  news.body.FolderId = Id(own_replid, 0x7FFFFF);
  EXPECT_EQ(spooler->execute(news).value(), ecNotFound);
}

TEST_F(FaultTest, EventsAreBoundedAndWhatDoesNotFitIsAnnounced) {
  use([](EngineOptions& o) { o.max_events = 10; });
  auto client = connect();
  client->logon();
  client->message_ids(inbox);
  Ask<wire::RopRegisterNotification> ask;
  ask.body.NotificationTypes = 0x0FF;
  ask.body.WantWholeStore = true;
  for (std::uint8_t i = 4; i < 9; ++i) {
    ask.body.OutputHandleIndex = i;
    client->execute(ask);
  }
  for (int round = 0; round < 5; ++round) {
    backend.add("INBOX", "flood");
    settle(*client, inbox);
  }
  client->max_rop_out = 250;
  std::size_t told = 0;
  bool pending = false;
  for (int i = 0; i < 20; ++i) {
    const auto replies = client->execute(Ask<wire::RopGetStoreState>{});
    for (const auto& rop : replies.buffer.rops) {
      told += rop.id == RopId::RopNotify;
      if (rop.id != RopId::RopPending) continue;
      pending = true;
      EXPECT_EQ(static_cast<const wire::RopPending::Response*>(rop.body)->SessionIndex, Client::index);
    }
    if (replies.buffer.rops.size() == 1) break;
  }
  EXPECT_TRUE(pending);
  EXPECT_LE(told, 10u);
  EXPECT_GT(told, 0u);
}

TEST_F(FaultTest, WaitingEndsWithoutEventsAndWithTheSession) {
  auto client = connect();
  client->logon();
  const auto start = Clock::now();
  EXPECT_FALSE(client->wait(std::chrono::milliseconds(60)));
  EXPECT_GE(Clock::now() - start, std::chrono::milliseconds(55));
}

TEST_F(FaultTest, IdleMailboxesCloseUnderTheirHandles) {
  for (int i = 0; i < 5; ++i) backend.add("INBOX", fmt::format("m{}", i));
  use([](EngineOptions& o) { o.idle_close = std::chrono::milliseconds(100); });
  auto client = connect();
  client->logon();
  ASSERT_EQ(client->open_message(inbox, 2).value(), ecNone);  // opens folder 1, table 2, message 3
  auto& mailbox = client->session->mailbox();
  ASSERT_TRUE(eventually([&] { return !mailbox.is_open(); }));
  // Every handle works on.
  EXPECT_EQ(to_text(client->property(PidTagSubject, 3)), "m2");
  ASSERT_TRUE(eventually([&] { return !mailbox.is_open(); }));
  Ask<wire::RopSeekRow> seek{{0, 0, false}, 2};
  EXPECT_EQ(client->execute(seek).value(), ecNone);
  EXPECT_EQ(client->rows().size(), 5u);
  EXPECT_EQ(to_text(client->property(PidTagDisplayName, 1)), "Inbox");
  // The backend is down when it should open again: retryable, and later all is as before.
  ASSERT_TRUE(eventually([&] { return !mailbox.is_open(); }));
  backend.set_down("content");
  Ask<wire::RopGetPropertiesSpecific> ask;
  ask.handle = 3;
  const PropertyTag tags[] = {PidTagSubject};
  ask.body.PropertyTags = tags;
  EXPECT_TRUE(retryable(client->execute(ask).value()));
  backend.set_down("content", false);
  EXPECT_EQ(to_text(client->property(PidTagSubject, 3)), "m2");
}

TEST_F(FaultTest, SessionsOfAUserShareOneMailbox) {
  backend.add("INBOX", "x");
  auto one = connect(), two = connect();
  one->logon();
  two->logon();
  EXPECT_EQ(engine->mailboxes(), 1u);
  one->message_ids(inbox);
  const auto refreshes = backend.count("refresh");
  two->message_ids(inbox);
  EXPECT_EQ(backend.count("refresh"), refreshes);
  auto other = connect("bob@example.test");
  other->logon();
  EXPECT_EQ(engine->mailboxes(), 2u);
}

}  // namespace
}  // namespace mapigate::mailbox::testing
