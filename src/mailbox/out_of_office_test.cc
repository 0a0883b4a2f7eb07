// Whether an owner is away, as logons tell it.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "mailbox/remembered_out_of_office.h"
#include "mailbox/test_support.h"
#include "mailbox/user_services.h"

namespace mapigate::mailbox::testing {

namespace asio = boost::asio;

namespace {

using wire::ews::OofState;
using wire::ews::UserOofSettings;

// Keeps replies in memory; answers nobody while it is stuck.
class Keeper final : public OutOfOfficeFactory {
 public:
  std::shared_ptr<OutOfOffice> open(std::shared_ptr<const chain::Identity> who, io::Executor) override {
    const std::lock_guard lock(mutex);
    logins.push_back(who->password.reveal());
    return std::make_shared<Replies>(*this);
  }
  bool reads_for_others() const override { return for_others; }

  std::mutex mutex;
  UserOofSettings settings;
  std::vector<std::string> logins;  // passwords
  std::atomic<int> asked = 0;
  std::atomic<bool> stuck = false, for_others = true;

 private:
  class Replies final : public OutOfOffice {
   public:
    explicit Replies(Keeper& keeper) : keeper_(keeper) {}
    Task<Result<UserOofSettings>> get() override {
      ++keeper_.asked;
      if (keeper_.stuck) co_await io::sleep_for(std::chrono::hours(1));
      const std::lock_guard lock(keeper_.mutex);
      co_return keeper_.settings;
    }
    Task<Status> set(UserOofSettings settings, std::vector<std::string>) override {
      const std::lock_guard lock(keeper_.mutex);
      keeper_.settings = std::move(settings);
      co_return Status();
    }

   private:
    Keeper& keeper_;
  };
};

class OutOfOfficeTest : public EngineTest, public UserServices {
 protected:
  OutOfOfficeTest() {
    services = this;
    make_engine();
  }
  ~OutOfOfficeTest() override { stop_all(); }

  OutOfOfficeFactory* out_of_office() override { return &remembered; }
  FreeBusySource* free_busy() override { return nullptr; }
  std::vector<std::string> other_addresses(const std::string&) override { return {}; }
  bool may_open(const std::string&, const std::string& owner) override { return owner == "alice@example.test"; }
  std::string display_name(const std::string& user) override { return names.contains(user) ? names[user] : user; }

  bool away(const std::string& user = "alice@example.test", std::string_view password = "secret") {
    auto client = connect(user, password);
    const auto replies = client->logon();
    return (replies.get<wire::RopLogon>().ResponseFlags & 0x10) != 0;
  }
  // As the web services do.
  void set(UserOofSettings settings) {
    auto identity = std::make_shared<chain::Identity>();
    identity->user = "alice@example.test";
    const auto replies = remembered.open(identity, runtime->executor(0));
    const auto done = asio::co_spawn(runtime->executor(0), replies->set(std::move(settings), {}), asio::use_future).get();
    ASSERT_TRUE(done.has_value());
  }

  Keeper keeper;
  RememberedOutOfOffice remembered{keeper};
  std::map<std::string, std::string> names;  // in the directory
};

TEST_F(OutOfOfficeTest, LogonsFollowTheRepliesAndAskOnce) {
  EXPECT_FALSE(away());
  EXPECT_FALSE(away());
  EXPECT_EQ(keeper.asked, 1);  // row M6
  UserOofSettings settings;
  settings.State = OofState::Enabled;
  set(settings);
  EXPECT_TRUE(away());
  settings.State = OofState::Scheduled;
  settings.EndTime = to_unix(now()) - 60;
  settings.StartTime = settings.EndTime - 3600;
  set(settings);
  EXPECT_FALSE(away());
  settings.EndTime += 3600;
  set(settings);
  EXPECT_TRUE(away());
  EXPECT_EQ(keeper.asked, 1);
  EXPECT_TRUE(remembered.last_heard("alice@example.test")->settings->InternalReply.Message.empty());
}

TEST_F(OutOfOfficeTest, AGuestDoesNotActWithThePasswordOfTheOwner) {
  auto owner = connect("alice@example.test", "of alice");
  owner->logon();
  auto guest = connect("bob@example.test", "of bob");
  guest->logon();
  {
    const std::lock_guard lock(keeper.mutex);
    EXPECT_EQ(keeper.logins, (std::vector<std::string>{"of alice", "of bob"}));
    keeper.logins.clear();
  }
  Ask<wire::RopLogon> logon{{}, 4};
  logon.body.LogonFlags = wire::RopLogon::Private;
  logon.body.OpenFlags = 0x01000000;  // USE_PER_MDB_REPLID_MAPPING
  const auto dn = mapi::user_dn("alice@example.test") + '\0';
  logon.body.Essdn = guest->arena.copy(as_view(dn));
  ASSERT_EQ(guest->execute(logon).value(), mapi::ecNone);
  guest->properties({mapi::PidTagOutOfOfficeState}, 4);
  const mapi::TaggedValue is_away[] = {{mapi::PidTagOutOfOfficeState, mapi::Value::boolean(true)}};
  guest->execute(Ask<wire::RopSetProperties>{{is_away}, 4});
  const std::lock_guard lock(keeper.mutex);
  ASSERT_FALSE(keeper.logins.empty());
  for (const auto& password : keeper.logins) EXPECT_EQ(password, "");
}

TEST_F(OutOfOfficeTest, RepliesSetElsewhereAreFoundByAsking) {
  keeper.settings.State = OofState::Enabled;
  EXPECT_TRUE(away());
}

TEST_F(OutOfOfficeTest, NobodyIsAskedInVain) {
  keeper.settings.State = OofState::Enabled;
  keeper.for_others = false;
  EXPECT_FALSE(away("alice@example.test", ""));  // logged on by other means
  EXPECT_EQ(keeper.asked, 0);
}

TEST_F(OutOfOfficeTest, AServerThatHangsHoldsUpOneLogonForALittle) {
  keeper.stuck = true;
  const auto begun = Clock::now();
  EXPECT_FALSE(away("bob@example.test"));
  EXPECT_FALSE(away("bob@example.test"));
  EXPECT_EQ(keeper.asked, 1);
  EXPECT_LT(Clock::now() - begun, std::chrono::minutes(2));
  ASSERT_TRUE(remembered.last_heard("bob@example.test").has_value());
  EXPECT_FALSE(remembered.last_heard("bob@example.test")->settings.has_value());
}

// A directory that is read later is no reason to go without a name.
TEST_F(OutOfOfficeTest, TheOwnerIsCalledAsTheDirectorySays) {
  auto client = connect();
  ASSERT_EQ(client->logon().value(), mapi::ecNone);
  EXPECT_EQ(to_text(client->property(mapi::PidTagMailboxOwnerName, 0)), "alice@example.test");
  names["alice@example.test"] = "Alice Adams";
  EXPECT_EQ(to_text(client->property(mapi::PidTagMailboxOwnerName, 0)), "Alice Adams");
}

}  // namespace
}  // namespace mapigate::mailbox::testing
