// Two users and the mailboxes between them, for the tests of what is done in another's mailbox.
#pragma once

#include "mailbox/test_support.h"
#include "mailbox/user_services.h"

namespace mapigate::mailbox::testing {

using namespace mapi;
using enum FolderRole;

inline const std::string alice = "alice@example.test", bob = "bob@example.test", office = "office@example.test";

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
  static Replies log_on_to(Client& client, const std::string& owner, std::uint8_t logon, std::uint8_t handle,
                           std::uint32_t flags = 0x01000000) {  // USE_PER_MDB_REPLID_MAPPING
    Ask<wire::RopLogon> ask{{}, handle};
    ask.body.LogonFlags = wire::RopLogon::Private;
    ask.body.OpenFlags = flags;
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
  // The tags of strings with these names, made where they are none yet; that of the last.
  static PropertyTag named_string(Client& client, std::uint8_t logon, std::uint8_t handle, std::initializer_list<const char*> names,
                                  const Guid& set = PS_PUBLIC_STRINGS) {
    PropertyTag last;
    for (const auto* name : names) {
      const std::vector<wire::PropertyName> list{wire::to_wire(client.arena, {set, {}, name})};
      const auto reply = send(client, logon, Ask<wire::RopGetPropertyIdsFromNames>{{wire::RopGetPropertyIdsFromNames::Create, list}, handle});
      last = PropertyTag(reply.get<wire::RopGetPropertyIdsFromNames>().PropertyIds[0], PropertyType::PtypString);
    }
    return last;
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

}  // namespace mapigate::mailbox::testing
