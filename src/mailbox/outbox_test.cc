// What leaves a mailbox, over a way out that keeps what it is given.
#include <cstring>
#include <sqlite3.h>

#include <thread>

#include "mailbox/object_properties.h"
#include "mailbox/test_support.h"
#include "mailbox/user_services.h"

namespace mapigate::mailbox::testing {
namespace {

using namespace mapi;
using enum state::FolderRole;

class Post final : public SubmitterFactory {
 public:
  std::shared_ptr<Submitter> open(std::shared_ptr<const chain::Identity>, io::Executor) override { return std::make_shared<Way>(*this); }
  std::vector<std::string> sent() {
    std::lock_guard lock(mutex_);
    return sent_;
  }
  std::function<void()> after;  // something was sent
  void close(bool is) {
    std::lock_guard lock(mutex_);
    closed_ = is;
  }

 private:
  struct Way final : Submitter {
    explicit Way(Post& post) : post(post) {}
    Task<Result<std::vector<RecipientOutcome>>> submit(Envelope envelope, convert::ByteSource message) override {
      std::lock_guard lock(post.mutex_);
      if (post.closed_) co_return error(Errc::unavailable, "closed");
      post.sent_.emplace_back(as_text(message.view()));
      if (post.after) post.after();
      std::vector<RecipientOutcome> out;
      for (const auto& address : envelope.to) out.push_back({RecipientOutcome::Kind::accepted, address, {}, {}});
      co_return out;
    }
    Post& post;
  };
  std::mutex mutex_;
  std::vector<std::string> sent_;
  bool closed_ = false;
};

// A directory in which alice is a delegate of the boss.
class Delegation final : public UserServices {
 public:
  OutOfOfficeFactory* out_of_office() override { return nullptr; }
  FreeBusySource* free_busy() override { return nullptr; }
  std::vector<std::string> other_addresses(const std::string&) override { return {}; }
  Result<KnownPerson> author(const std::string& user, const std::string& author) override {
    if (!read) return error(Errc::unavailable, "not read yet");
    if (user == "alice@example.test" && (author == "boss@example.test" || author == "/o=Old/cn=boss"))
      return KnownPerson{"The Boss", "boss@example.test", {}};
    return error(Errc::denied, "not so");
  }
  std::atomic<bool> read = true;
};

class OutboxTest : public EngineTest {
 protected:
  OutboxTest() {
    submitter = &post;
    services = &delegation;
    make_engine();
    client = connect();
  }
  ~OutboxTest() override {
    client.reset();
    stop_all();
  }
  ErrorCode set(PropertyTag tag, std::string_view value, std::uint8_t handle) {
    const TaggedValue values[] = {{tag, Value::string(client->arena, value)}};
    return client->execute(Ask<wire::RopSetProperties>{{values}, handle}).value();
  }
  ErrorCode recipients(std::uint8_t handle, std::vector<std::pair<std::uint8_t, const char*>> list) {
    std::vector<wire::ModifyRecipientRow> rows(list.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      rows[i].RowId = static_cast<std::uint32_t>(i);
      rows[i].RecipientType = list[i].first;
      auto& row = rows[i].RecipientRow;
      row.RecipientFlags = wire::RecipientRow::U | wire::RecipientRow::D | wire::RecipientRow::S;
      row.RecipientFlags |= static_cast<std::uint16_t>(wire::RecipientRow::SMTP);
      row.RecipientFlags |= wire::RecipientRow::E;
      row.DisplayName.unicode = to_utf16(client->arena, list[i].second);
      row.EmailAddress.unicode = to_utf16(client->arena, list[i].second);
    }
    return client->execute(Ask<wire::RopModifyRecipients>{{{}, rows}, handle}).value();
  }
  ErrorCode save(std::uint8_t handle) { return client->execute(Ask<wire::RopSaveChangesMessage>{{handle, 0x02}, handle}).value(); }
  void create(const std::string& subject) {
    ASSERT_EQ(client->logon().value(), ecNone);
    ASSERT_EQ(client->open_folder(outbox), ecNone);
    Ask<wire::RopCreateMessage> make{{3, 0x0FFF, Id(own_replid, special_id(outbox)), false}, 0};
    ASSERT_EQ(client->execute(make).value(), ecNone);
    ASSERT_EQ(set(PidTagSubject, subject, 3), ecNone);
    ASSERT_EQ(set(PidTagBody, "text", 3), ecNone);
  }
  std::vector<std::string> filed() {
    std::lock_guard lock(backend.mutex);
    std::vector<std::string> out;
    for (const auto& [uid, message] : backend.folders["Sent"].messages) out.push_back(message.raw);
    return out;
  }
  // A message in the name of somebody is submitted.
  ErrorCode submit_as(const std::string& type, const std::string& address, const std::string& message_class = "IPM.Note") {
    create("in the name of " + address);
    EXPECT_EQ(recipients(3, {{1, "bob@example.test"}}), ecNone);
    EXPECT_EQ(set(PidTagMessageClass, message_class, 3), ecNone);
    EXPECT_EQ(set(PidTagSentRepresentingName, "Made Up", 3), ecNone);
    EXPECT_EQ(set(PidTagSentRepresentingAddressType, type, 3), ecNone);
    EXPECT_EQ(set(PidTagSentRepresentingEmailAddress, address, 3), ecNone);
    return client->execute(Ask<wire::RopSubmitMessage>{{}, 3}).value();
  }
  std::string only_sent() {
    EXPECT_TRUE(eventually([&] { return !post.sent().empty(); }));
    const auto all = post.sent();
    return all.size() == 1 ? all[0] : std::string();
  }
  Post post;
  Delegation delegation;
  std::unique_ptr<Client> client;
};

bool tells(const std::string& text, std::string_view what) { return text.find(what) != std::string::npos; }

TEST_F(OutboxTest, NoBccLeavesNotEvenOfMessagesWithin) {  // [MS-OXCMAIL] 2.1.3.1.1.2
  create("outer");
  ASSERT_EQ(recipients(3, {{1, "bob@example.test"}, {3, "hidden.outer@example.test"}}), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopCreateAttachment>{{4}, 3}).value(), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopOpenEmbeddedMessage>{{5, 0x0FFF, wire::RopOpenEmbeddedMessage::Create}, 4}).value(), ecNone);
  ASSERT_EQ(set(PidTagSubject, "inner", 5), ecNone);
  ASSERT_EQ(recipients(5, {{1, "carol@example.test"}, {3, "hidden.inner@example.test"}}), ecNone);
  ASSERT_EQ(save(5), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopSaveChangesAttachment>{{4, 0x02}, 3}).value(), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopSubmitMessage>{{}, 3}).value(), ecNone);
  ASSERT_TRUE(eventually([&] { return !filed().empty(); }));
  const auto sent = post.sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(tells(sent[0], "carol@example.test"));
  EXPECT_FALSE(tells(sent[0], "hidden.outer@example.test"));
  EXPECT_FALSE(tells(sent[0], "hidden.inner@example.test"));
  // The sender's own copy knows them.
  EXPECT_TRUE(tells(filed()[0], "hidden.outer@example.test"));
  EXPECT_TRUE(tells(filed()[0], "hidden.inner@example.test"));
}

// [MS-OXODLGT] "Submitting On Behalf Of Delegator".
TEST_F(OutboxTest, OnlyDelegatesSendInTheNameOfOthers) {
  EXPECT_EQ(submit_as("SMTP", "mallory@example.test"), ecAccessDenied);
  EXPECT_EQ(submit_as("EX", "/o=Old/cn=somebody"), ecAccessDenied);
  delegation.read = false;
  EXPECT_NE(submit_as("SMTP", "boss@example.test"), ecNone);
  delegation.read = true;
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_TRUE(post.sent().empty());
  EXPECT_TRUE(filed().empty());
  ASSERT_EQ(submit_as("SMTP", "boss@example.test"), ecNone);
  const auto sent = only_sent();
  EXPECT_TRUE(tells(sent, "From: The Boss <boss@example.test>\r\n")) << sent;
  EXPECT_TRUE(tells(sent, "Sender: alice@example.test\r\n")) << sent;
}

TEST_F(OutboxTest, WhomADelegateRepresentsMayBeADistinguishedName) {
  ASSERT_EQ(submit_as("EX", "/o=Old/cn=boss"), ecNone);
  EXPECT_TRUE(tells(only_sent(), "From: The Boss <boss@example.test>\r\n"));
}

TEST_F(OutboxTest, MeetingsArePassedOnInTheNameOfWhoCalledThem) {
  ASSERT_EQ(submit_as("SMTP", "mallory@example.test", "IPM.Schedule.Meeting.Request"), ecNone);
  const auto sent = only_sent();
  EXPECT_TRUE(tells(sent, "mallory@example.test")) << sent;
  EXPECT_TRUE(tells(sent, "Sender: alice@example.test\r\n")) << sent;
}

// The properties that are not looked at do not name another.
TEST_F(OutboxTest, WhoRepresentsHimselfDoesSoInEveryProperty) {
  create("own");
  ASSERT_EQ(recipients(3, {{1, "bob@example.test"}}), ecNone);
  ASSERT_EQ(set(PidTagSentRepresentingSmtpAddress, "alice@example.test", 3), ecNone);
  ASSERT_EQ(set(PidTagSentRepresentingEmailAddress, "boss@example.test", 3), ecNone);
  ASSERT_EQ(set(PidTagSenderSmtpAddress, "alice@example.test", 3), ecNone);
  ASSERT_EQ(set(PidTagSenderEmailAddress, "boss@example.test", 3), ecNone);
  const auto reply = client->execute(Ask<wire::RopTransportSend>{{}, 3});
  ASSERT_EQ(reply.value(), ecNone);
  std::size_t seen = 0;
  for (const auto& [tag, value] : reply.get<wire::RopTransportSend>().PropertyValues) {
    if (tag.id() != PidTagSentRepresentingEmailAddress.id() && tag.id() != PidTagSenderEmailAddress.id()) continue;
    EXPECT_EQ(text_of(value), "alice@example.test");
    ++seen;
  }
  EXPECT_EQ(seen, 2u);
  EXPECT_FALSE(tells(only_sent(), "boss@example.test"));
}

// Who sends to himself may have got it before the copy is kept, with fields of its way and the same Message-ID.
TEST_F(OutboxTest, TheCopyIsKeptBesideWhatCameToItsSender) {
  backend.add("INBOX", "it came");
  create("it went");
  Bytes folder_of_copy(21);
  folder_of_copy[0] = 1;
  const Id id(own_replid, special_id(inbox));
  std::memcpy(folder_of_copy.data() + 1, &id.value, sizeof id.value);
  const TaggedValue values[] = {{PidTagSentMailSvrEID, {PropertyType::PtypServerId, View(folder_of_copy)}},
                                {PidTagInternetMessageId, Value::string(client->arena, "<INBOX.1@example.test>")}};
  ASSERT_EQ(client->execute(Ask<wire::RopSetProperties>{{values}, 3}).value(), ecNone);
  ASSERT_EQ(recipients(3, {{1, "bob@example.test"}}), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopSubmitMessage>{{}, 3}).value(), ecNone);
  const auto in_inbox = [this] {
    std::lock_guard lock(backend.mutex);
    std::size_t copies = 0;
    for (const auto& [uid, message] : backend.folders["INBOX"].messages) copies += message.raw.find("Message-ID: <INBOX.1@example.test>") != std::string::npos;
    return copies;
  };
  EXPECT_TRUE(eventually([&] { return in_inbox() == 2; }, std::chrono::seconds(20)));
  EXPECT_EQ(post.sent().size(), 1u);
}

TEST_F(OutboxTest, SubmittedTwiceItIsSentOnce) {
  post.close(true);
  create("once");
  ASSERT_EQ(recipients(3, {{1, "bob@example.test"}}), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopSubmitMessage>{{}, 3}).value(), ecNone);
  // The answer was lost: the client asks again.
  EXPECT_EQ(client->execute(Ask<wire::RopSubmitMessage>{{}, 3}).value(), ecNone);
  post.close(false);
  ASSERT_TRUE(eventually([&] { return !filed().empty(); }, std::chrono::seconds(20)));
  // A second one would be due as soon.
  std::this_thread::sleep_for(std::chrono::seconds(3));
  EXPECT_EQ(post.sent().size(), 1u);
  EXPECT_EQ(filed().size(), 1u);
}

TEST_F(OutboxTest, WhatCannotBeNotedIsNotSentAgain) {
  // From when it is sent on nothing can be written to the state store, for a while.
  create("once");
  std::string file;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".sqlite") file = entry.path();
  ASSERT_FALSE(file.empty());
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &other), SQLITE_OK);
  sqlite3_busy_timeout(other, 5000);
  std::atomic<bool> held{false};
  post.after = [&] {
    if (held.exchange(true)) return;
    EXPECT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  };
  ASSERT_EQ(recipients(3, {{1, "bob@example.test"}}), ecNone);
  (void)client->execute(Ask<wire::RopSubmitMessage>{{}, 3});
  ASSERT_TRUE(eventually([&] { return held.load(); }));
  // Longer than a writer waits, and until it is tried again.
  std::this_thread::sleep_for(std::chrono::seconds(17));
  EXPECT_EQ(post.sent().size(), 1u);
  EXPECT_EQ(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  ASSERT_TRUE(eventually([&] { return !filed().empty(); }, std::chrono::seconds(40)));
  EXPECT_EQ(post.sent().size(), 1u);
  EXPECT_EQ(filed().size(), 1u);
}

}  // namespace
}  // namespace mapigate::mailbox::testing
