// Senders whom the directory knows: the same in tables and in opened messages, [MS-OXCMAIL] 2.2.3.1.1.
#include "mailbox/test_support.h"
#include "mailbox/user_services.h"

namespace mapigate::mailbox::testing {
namespace {

using namespace mapi;
using enum FolderRole;

class SendersTest : public EngineTest, public UserServices {
 protected:
  SendersTest() {
    services = this;
    make_engine();
  }
  ~SendersTest() override {
    client.reset();
    stop_all();
  }
  OutOfOfficeFactory* out_of_office() override { return nullptr; }
  FreeBusySource* free_busy() override { return nullptr; }
  std::vector<std::string> other_addresses(const std::string&) override { return {}; }
  std::optional<KnownPerson> who_has(const std::string& user, const std::string& address) override {
    if (user != "alice@example.test" || !read) return std::nullopt;
    if (address == "bob@example.test") return KnownPerson{"Bob Brown", address, bob};
    if (address == "office@example.test") return KnownPerson{"The Office", address, office};
    return std::nullopt;
  }
  void arrive(const std::string& from, const std::string& more = {}) {
    std::lock_guard lock(backend.mutex);
    auto& target = backend.folders.at("INBOX");
    const auto uid = target.next++;
    target.messages[uid] = {fmt::format("From: {}\r\n{}To: alice@example.test\r\nSubject: from {}\r\nMessage-ID: <{}@example.test>\r\n\r\nHello.\r\n",
                                        from, more, uid, uid),
                            0, from_unix(1'700'000'000 + static_cast<std::int64_t>(uid) * 60)};
    ++target.change;
  }
  // Subject, sender and represented of each, sorted by what the table shows.
  std::vector<std::vector<std::string>> listed() {
    EXPECT_EQ(client->open_folder(inbox), ecNone);
    EXPECT_TRUE(client->contents());
    client->columns({PidTagSubject, PidTagSenderName, PidTagSentRepresentingName, PidTagSenderEmailAddress, PidTagSentRepresentingEmailAddress});
    const SortOrder by[] = {{PidTagSentRepresentingName, SortOrder::Ascending}};
    EXPECT_EQ(client->execute(Ask<wire::RopSortTable>{{0, 0, 0, by}, 2}).value(), ecNone);
    return client->rows();
  }
  Bytes entry_id(PropertyTag tag) {
    const auto value = client->property(tag, 3);
    return value.get<View>() ? to_bytes(*value.get<View>()) : Bytes();
  }
  ErrorCode set(PropertyTag tag, const std::string& value) {
    const TaggedValue values[] = {{tag, Value::string(client->arena, value)}};
    return client->execute(Ask<wire::RopSetProperties>{{values}, 3}).value();
  }
  ErrorCode save() { return client->execute(Ask<wire::RopSaveChangesMessage>{{3, 0x02}, 3}).value(); }

  const Bytes bob = Bytes(30, 0xB0), office = Bytes(30, 0x0F);
  std::atomic<bool> read = true;
  std::unique_ptr<Client> client;
};

TEST_F(SendersTest, AreCalledAsTheDirectoryCallsThem) {
  arrive("Aaron Alias <bob@example.test>");
  arrive("bob@example.test");
  arrive("Bert Elsewhere <bert@far.test>");
  arrive("office@example.test", "Sender: <bob@example.test>\r\n");
  client = connect();
  client->logon();
  using Rows = std::vector<std::vector<std::string>>;
  const std::string b = "bob@example.test", o = "office@example.test", far = "bert@far.test", known = "Bob Brown";
  auto rows = listed();
  // In the order of the names that are shown. Addresses are those of the header.
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0], (Rows::value_type{"from 3", "Bert Elsewhere", "Bert Elsewhere", far, far}));
  std::sort(rows.begin() + 1, rows.begin() + 3);
  EXPECT_EQ(rows[1], (Rows::value_type{"from 1", known, known, b, b}));
  EXPECT_EQ(rows[2], (Rows::value_type{"from 2", known, known, b, b}));
  EXPECT_EQ(rows[3], (Rows::value_type{"from 4", known, "The Office", b, o}));

  ASSERT_EQ(client->open_message(inbox, 0).value(), ecNone);  // the last that came
  EXPECT_EQ(client->properties({PidTagSenderName, PidTagSentRepresentingName, PidTagSenderAddressType}, 3),
            (std::vector<std::string>{known, "The Office", "SMTP"}));
  EXPECT_EQ(entry_id(PidTagSenderEntryId), bob);
  EXPECT_EQ(entry_id(PidTagSentRepresentingEntryId), office);
  ASSERT_EQ(client->open_message(inbox, 1).value(), ecNone);
  EXPECT_EQ(client->properties({PidTagSenderName}, 3), std::vector<std::string>{"Bert Elsewhere"});
  EXPECT_TRUE(parse_one_off_entry_id(entry_id(PidTagSenderEntryId)));
  // What the message came with is nobody's business.
  ASSERT_EQ(client->open_message(inbox, 3).value(), ecNone);
  EXPECT_EQ(client->properties({state::said_sender}, 3)[0].substr(0, 10), "!ecNotFoun");
  for (const auto& listed : client->execute(Ask<wire::RopGetPropertiesList>{{}, 3}).get<wire::RopGetPropertiesList>().PropertyTags)
    EXPECT_NE(listed.id(), state::said_sender.id());
}

TEST_F(SendersTest, StayTheSameWhenAMessageIsEdited) {
  arrive("Aaron Alias <bob@example.test>");
  client = connect();
  client->logon();
  EXPECT_EQ(listed().size(), 1u);
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  ASSERT_EQ(set(PidTagSubject, "edited"), ecNone);
  EXPECT_EQ(client->properties({PidTagSubject, PidTagSenderName}, 3), (std::vector<std::string>{"edited", "Bob Brown"}));
  EXPECT_EQ(entry_id(PidTagSenderEntryId), bob);
  ASSERT_EQ(save(), ecNone);
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  EXPECT_EQ(client->properties({PidTagSubject, PidTagSenderName}, 3), (std::vector<std::string>{"edited", "Bob Brown"}));
  EXPECT_EQ(entry_id(PidTagSenderEntryId), bob);
  EXPECT_EQ(listed()[0][2], "Bob Brown");
}

TEST_F(SendersTest, NobodyWaitsForTheDirectory) {
  read = false;
  arrive("bob@example.test");
  client = connect();
  client->logon();
  EXPECT_EQ(listed()[0][1], "bob@example.test");
  read = true;
  arrive("bob@example.test");
  settle(*client, inbox);
  const auto rows = listed();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_NE(rows[0][1], rows[1][1]);
}

// What stands beside a message follows it, whether its sender was named when it was stored or not.
TEST_F(SendersTest, KeepWhatStandsBesideTheirMessages) {
  read = false;
  arrive("Aaron Alias <bob@example.test>");
  client = connect();
  client->logon();
  EXPECT_EQ(listed()[0][1], "Aaron Alias");
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  ASSERT_EQ(set(PidTagComment, "beside"), ecNone);
  ASSERT_EQ(save(), ecNone);
  read = true;
  FakeMessage away;  // another client moves it away and back
  {
    std::lock_guard lock(backend.mutex);
    auto& target = backend.folders.at("INBOX");
    away = target.messages.begin()->second;
    target.messages.clear();
    ++target.change;
  }
  settle(*client, inbox);
  EXPECT_TRUE(listed().empty());
  {
    std::lock_guard lock(backend.mutex);
    auto& target = backend.folders.at("INBOX");
    target.messages[target.next++] = away;
    ++target.change;
  }
  settle(*client, inbox);
  EXPECT_EQ(listed()[0][1], "Bob Brown");
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  EXPECT_EQ(client->properties({PidTagComment}, 3), std::vector<std::string>{"beside"});
}

}  // namespace
}  // namespace mapigate::mailbox::testing
