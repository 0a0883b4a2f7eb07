// Against a real Dovecot, as it is and with its extensions hidden.
#include <algorithm>
#include <chrono>
#include <set>

#include "convert/text_beginning.h"
#include "io/test_certificates.h"
#include "mailbox_name.h"
#include "test_account.h"

namespace mapigate::imap {
namespace {

using mapigate::testing::Dovecot;
using mapigate::testing::PlainImap;
using state::FolderRole;

#define NEEDS_DOVECOT() \
  if (!Dovecot::installed()) GTEST_SKIP() << "no /usr/sbin/dovecot here: package dovecot-imapd"
#define ASSERT_OK(result)                                        \
  do {                                                           \
    const auto& outcome = (result);                              \
    ASSERT_TRUE(outcome.has_value()) << outcome.error().message; \
  } while (false)

const mailbox::RemoteFolder* find(const std::vector<mailbox::RemoteFolder>& folders,
                                  const std::string& name) {
  for (const auto& folder : folders)
    if (folder.name == name) return &folder;
  return nullptr;
}

// What the server is made to look like.
struct Kind {
  const char* name;
  const char* capability;
  std::vector<std::string> ignored = {};
};
const Kind kinds[] = {
    {"Qresync", ""},
    {"Condstore", "IMAP4rev1 SASL-IR LITERAL+ ENABLE CONDSTORE ESEARCH UIDPLUS NAMESPACE"},
    {"Plain", "IMAP4rev1"},
    {"SwitchedOff", "", {"CONDSTORE", "ENABLE", "ESEARCH", "MOVE", "UIDPLUS", "LIST-EXTENDED", "SPECIAL-USE", "LITERAL+", "SASL-IR"}},
};
class Refreshing : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    NEEDS_DOVECOT();
    Dovecot::Options options;
    options.capability = GetParam().capability;
    dovecot_ = std::make_unique<Dovecot>(options);
    client_ = std::make_unique<PlainImap>(dovecot_->port());
    auto settings = plain_settings(dovecot_->port());
    settings["batch"] = std::int64_t(7);
    settings["flag_interval"] = std::string("0s");
    settings["ignored_capabilities"] = GetParam().ignored;
    account_ = std::make_unique<TestAccount>(settings);
  }
  void append(int first, int last, const std::string& mailbox = "INBOX", const std::string& flags = "") {
    for (int i = first; i <= last; ++i)
      client_->append(mailbox, test_message(i), flags, "01-Feb-2024 10:00:00 +0100");
  }

  std::unique_ptr<Dovecot> dovecot_;
  std::unique_ptr<PlainImap> client_;
  std::unique_ptr<TestAccount> account_;
};
INSTANTIATE_TEST_SUITE_P(Server, Refreshing, ::testing::ValuesIn(kinds),
                         [](const auto& info) { return std::string(info.param.name); });

// A pooled connection does not know of what another stored since it selected the mailbox: commands over that would do
// nothing, and say OK (RFC 9051 6.4.9).
// From LIST where the server tells them there, else one by one.
TEST_P(Refreshing, FoldersHaveTheirCountsBeforeTheyAreOpened) {
  client_->command("CREATE News");
  append(1, 3);
  append(4, 5, "News", "\\Seen");
  append(6, 6, "News");
  const auto folders = account_->folders();
  ASSERT_OK(folders);
  for (const auto& [name, total, unread] : {std::tuple{"INBOX", 3u, 3u}, std::tuple{"News", 3u, 1u}}) {
    const auto* folder = find(*folders, name);
    ASSERT_NE(folder, nullptr) << name;
    EXPECT_EQ(folder->total, total) << name;
    EXPECT_EQ(folder->unread, unread) << name;
  }
}

TEST_P(Refreshing, WorksOnWhatCameSinceItSelected) {
  append(1, 1);
  const auto id = account_->add_folder("INBOX").id;
  ASSERT_OK(account_->refresh(id));
  ASSERT_OK(account_->content(id, 1));
  append(2, 2);
  ASSERT_OK(account_->content(id, 2));
  append(3, 3);
  ASSERT_OK(account_->set_flags(id, {3}, state::flag_flagged, 0));
  client_->command("SELECT INBOX");
  EXPECT_NE(client_->command("UID FETCH 3 FLAGS").find("\\Flagged"), std::string::npos);
}

TEST_P(Refreshing, FollowsTheMailbox) {
  append(1, 18);
  client_->append("INBOX", test_message(19), "\\Seen \\Flagged $Forwarded", "02-Mar-2024 23:30:00 -0230");
  const auto id = account_->add_folder("INBOX").id;
  ASSERT_OK(account_->refresh(id));
  EXPECT_EQ(account_->parts, (std::vector<std::size_t>{7, 7, 5, 0}));
  auto rows = account_->messages(id);
  ASSERT_EQ(rows.size(), 19u);
  EXPECT_LT(rows[18].id, rows[0].id) << "the newest come first";
  EXPECT_EQ(rows[0].flags, 0u);
  EXPECT_EQ(rows[18].flags, state::flag_seen | state::flag_flagged | state::flag_forwarded);
  EXPECT_EQ(to_iso8601(rows[18].received), "2024-03-03T02:00:00Z");
  EXPECT_EQ(rows[0].size, test_message(1).size());
  EXPECT_EQ(rows[4].properties.string(mapi::PidTagSubject), "Grüße 5");
  EXPECT_EQ(rows[4].properties.string(mapi::PidTagSentRepresentingName), "Sender 5");
  EXPECT_EQ(rows[4].properties.string(mapi::PidTagInternetMessageId), "<m5@example.test>");
  EXPECT_EQ(rows[4].properties.number(mapi::PidTagHasAttachments), 0);
  const auto folder = account_->folder(id);
  EXPECT_TRUE(folder.indexed);
  EXPECT_EQ(folder.total, 19u);
  EXPECT_EQ(folder.unread, 18u);

  // Nothing new: nothing to do.
  ASSERT_OK(account_->refresh(id));
  EXPECT_EQ(account_->parts, (std::vector<std::size_t>{0}));
  if (Cursor::parse(folder.cursor).highestmodseq != 0) {
    EXPECT_FALSE(account_->changed(id).value());
  }

  // Flags, new mail and expunge by another client.
  client_->command("SELECT INBOX");
  client_->command("STORE 2 +FLAGS (\\Answered $Junk)");
  client_->command("STORE 19 -FLAGS (\\Flagged)");
  client_->command("STORE 5,6,18 +FLAGS (\\Deleted)");
  client_->command("EXPUNGE");
  append(20, 29);
  EXPECT_TRUE(account_->changed(id).value());
  ASSERT_OK(account_->refresh(id));
  const auto before = std::move(rows);
  rows = account_->messages(id);
  ASSERT_EQ(rows.size(), 26u);
  EXPECT_EQ(rows[0].id, before[0].id);
  EXPECT_EQ(rows[0].change_number, before[0].change_number) << "what did not change keeps its change number";
  EXPECT_EQ(rows[1].flags, state::flag_answered | state::flag_junk);
  EXPECT_GT(rows[1].change_number, before[1].change_number);
  std::set<std::string> subjects;
  for (const auto& row : rows) subjects.insert(row.properties.string(mapi::PidTagSubject));
  EXPECT_EQ(subjects.count("Grüße 5") + subjects.count("Grüße 6") + subjects.count("Grüße 18"), 0u);
  EXPECT_EQ(subjects.count("Grüße 29"), 1u);
  EXPECT_EQ(account_->folder(id).total, 26u);
}

TEST_P(Refreshing, AFullIndexIsNotTrustedWhenTheNumbersDoNotAddUp) {
  append(1, 5);
  const auto id = account_->add_folder("INBOX").id;
  ASSERT_OK(account_->refresh(id));
  state::FolderDelta damage;  // a row that the server does not have, and one of its rows lost
  damage.removed = {account_->messages(id)[2].id};
  damage.added.resize(2);
  damage.added[0].remote_key = 900;
  damage.added[1].remote_key = 901;
  ASSERT_TRUE(account_->state().apply(id, std::move(damage)).has_value());
  append(6, 6);
  ASSERT_OK(account_->refresh(id));
  const auto rows = account_->messages(id);
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_EQ(rows[2].properties.string(mapi::PidTagInternetMessageId), "<m3@example.test>");
}

TEST_P(Refreshing, AnInterruptedIndexingGoesOn) {
  append(1, 20);
  const auto id = account_->add_folder("INBOX").id;
  state::FolderDelta part;  // as if the newest had been indexed before the end came
  part.added.resize(1);
  part.added[0].remote_key = 20;
  part.added[0].size = 1;
  ASSERT_TRUE(account_->state().apply(id, std::move(part)).has_value());
  ASSERT_OK(account_->refresh(id));
  EXPECT_EQ(account_->messages(id).size(), 20u);
  EXPECT_TRUE(account_->folder(id).indexed);
}

TEST_P(Refreshing, IdsSurviveANewUidvalidity) {
  client_->command("CREATE Work");
  append(1, 12, "Work");
  const auto id = account_->add_folder("Work").id;
  ASSERT_OK(account_->refresh(id));
  std::map<std::string, state::GlobalCounter> ids;
  for (const auto& row : account_->messages(id))
    ids[row.properties.string(mapi::PidTagInternetMessageId)] = row.id;
  ASSERT_EQ(ids.size(), 12u);

  // The mailbox comes back from a backup: other order, one is gone, one is new, one was read.
  client_->command("DELETE Work");
  ::sleep(1);  // UIDVALIDITY counts seconds
  client_->command("CREATE Work");
  for (int i = 12; i >= 2; --i)
    client_->append("Work", test_message(i), i == 4 ? "\\Seen" : "", "01-Feb-2024 10:00:00 +0100");
  append(99, 99, "Work");
  EXPECT_TRUE(account_->changed(id).value());
  const auto stale = account_->content(id, 1);
  ASSERT_FALSE(stale.has_value()) << "UID 1 means another message now";
  ASSERT_OK(account_->refresh(id));
  const auto rows = account_->messages(id);
  ASSERT_EQ(rows.size(), 12u);
  for (const auto& row : rows) {
    const auto message_id = row.properties.string(mapi::PidTagInternetMessageId);
    if (message_id == "<m99@example.test>")
      EXPECT_EQ(ids.count(message_id), 0u);
    else
      EXPECT_EQ(row.id, ids.at(message_id)) << message_id;
    EXPECT_EQ(row.flags, message_id == "<m4@example.test>" ? 1u : 0u);
    const auto content = account_->content(id, row.remote_key);
    ASSERT_OK(content);
    EXPECT_NE(as_text(content->view()).find(message_id), std::string::npos);
  }
  EXPECT_FALSE(account_->state().message(ids.at("<m1@example.test>")).value().has_value());
}

// Of a backup from before the newest messages, UIDVALIDITY and all: what came after it has UIDs that other messages had.
TEST_P(Refreshing, IdsSurviveABackupThatGivesUidsOutAnew) {
  append(1, 130);
  const auto id = account_->add_folder("INBOX").id;
  ASSERT_OK(account_->refresh(id));
  std::map<std::string, state::GlobalCounter> ids;
  state::FolderDelta before;  // the index from before: one message more stood at 20, and all behind it one UID further
  for (const auto& row : account_->messages(id)) {
    ids[row.properties.string(mapi::PidTagInternetMessageId)] = row.id;
    if (row.remote_key >= 20) before.rekeyed.push_back({row.id, row.remote_key + 1});
  }
  before.added.resize(1);
  before.added[0].remote_key = 20;
  before.added[0].size = 1;
  before.added[0].properties.set_string(mapi::PidTagInternetMessageId, "<lost@example.test>");
  auto cursor = Cursor::parse(account_->folder(id).cursor);
  cursor.uidnext = 200;
  before.cursor = cursor.to_string();
  const auto made = account_->state().apply(id, std::move(before));
  ASSERT_TRUE(made.has_value());
  client_->command("SELECT INBOX");
  client_->command("UID STORE 50 +FLAGS (\\Deleted)");
  client_->command("EXPUNGE");
  append(131, 131);
  EXPECT_TRUE(account_->changed(id).value());
  ASSERT_OK(account_->refresh(id));
  const auto rows = account_->messages(id);
  ASSERT_EQ(rows.size(), 130u);
  for (const auto& row : rows) {
    const auto message_id = row.properties.string(mapi::PidTagInternetMessageId);
    EXPECT_EQ(message_id, fmt::format("<m{}@example.test>", row.remote_key));
    if (row.remote_key == 131) {
      EXPECT_GT(row.id, made->added[0]);
    } else {
      EXPECT_EQ(row.id, ids.at(message_id)) << message_id;
    }
  }
  EXPECT_FALSE(account_->state().message(made->added[0]).value().has_value());
  EXPECT_FALSE(account_->state().message(ids.at("<m50@example.test>")).value().has_value());
  ASSERT_OK(account_->refresh(id));
  EXPECT_EQ(account_->parts, (std::vector<std::size_t>{0}));
}

// Servers that are well show that to single sessions.
TEST_P(Refreshing, NumbersThatWentBackAreNoProof) {
  append(1, 12);
  const auto id = account_->add_folder("INBOX").id;
  ASSERT_OK(account_->refresh(id));
  const auto before = account_->messages(id);
  auto cursor = Cursor::parse(account_->folder(id).cursor);
  cursor.uidnext += 50;
  if (cursor.highestmodseq != 0) cursor.highestmodseq += 1000;
  state::FolderDelta ahead;
  ahead.cursor = cursor.to_string();
  ASSERT_TRUE(account_->state().apply(id, std::move(ahead)).has_value());
  client_->command("SELECT INBOX");
  client_->command("STORE 3 +FLAGS (\\Flagged)");
  ASSERT_OK(account_->content(id, 12));
  ASSERT_OK(account_->refresh(id));
  EXPECT_EQ(account_->parts, (std::vector<std::size_t>{0, 0})) << "the flag, and the end";
  const auto rows = account_->messages(id);
  ASSERT_EQ(rows.size(), before.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i].id, before[i].id);
    EXPECT_EQ(rows[i].remote_key, before[i].remote_key);
    EXPECT_EQ(rows[i].flags, i == 2 ? state::flag_flagged : 0u);
    if (i != 2) {
      EXPECT_EQ(rows[i].change_number, before[i].change_number);
    }
  }
  EXPECT_LT(Cursor::parse(account_->folder(id).cursor).uidnext, cursor.uidnext) << "the next time it is no suspicion any more";
}

TEST_P(Refreshing, ARenamedMailboxIsRecognized) {
  for (const char* name : {"Work", "Empty"}) client_->command(std::string("CREATE ") + name);
  append(1, 12, "Work");
  const auto work = account_->add_folder("Work").id, empty = account_->add_folder("Empty").id;
  ASSERT_OK(account_->refresh(work));
  ASSERT_OK(account_->refresh(empty));
  // Neighbours: one with other messages under the same UIDs, one with nothing.
  client_->command("RENAME Work Done");
  client_->command("RENAME Empty Void");
  ::sleep(1);  // UIDVALIDITY counts seconds
  client_->command("CREATE Other");
  append(101, 112, "Other");
  client_->command("CREATE Nothing");
  EXPECT_EQ(account_->recognize(work, {"Other", "Nothing", "Void", "Done"}), "Done");
  EXPECT_EQ(account_->recognize(empty, {"Other", "Nothing", "Void", "Done"}), "Void");
  EXPECT_EQ(account_->recognize(work, {"Other", "Nothing", "Void"}), "");
  EXPECT_EQ(account_->recognize(work, {"Never"}), "") << "a mailbox that cannot be opened is nobody";
  // Back from a backup under a third name: new UIDs, most of the messages.
  client_->command("CREATE Restored");
  for (int i = 12; i >= 4; --i) client_->append("Restored", test_message(i), "", "01-Feb-2024 10:00:00 +0100");
  EXPECT_EQ(account_->recognize(work, {"Other", "Restored"}), "Restored");
}

TEST_P(Refreshing, FlagsReachTheServer) {
  append(1, 4, "INBOX", "\\Flagged");
  const auto id = account_->add_folder("INBOX").id;
  ASSERT_OK(account_->refresh(id));
  ASSERT_OK(account_->set_flags(id, {3, 1}, state::flag_seen | state::flag_forwarded | state::flag_mdn_sent,
                                state::flag_flagged));
  client_->command("SELECT INBOX");
  const auto flags = client_->command("UID FETCH 1:4 (FLAGS)");
  std::size_t changed = 0;
  for (std::size_t at = 0; (at = flags.find("* ", at)) != std::string::npos; ++at) {
    const auto line = flags.substr(at, flags.find('\n', at) - at);
    const bool ours = line.find("UID 1 ") != std::string::npos || line.find("UID 3 ") != std::string::npos;
    if (line.find("FLAGS (") == std::string::npos) continue;
    EXPECT_EQ(line.find("\\Seen") != std::string::npos, ours) << line;
    EXPECT_EQ(line.find("$Forwarded") != std::string::npos, ours) << line;
    EXPECT_EQ(line.find("$MDNSent") != std::string::npos, ours) << line;
    EXPECT_EQ(line.find("\\Flagged") != std::string::npos, !ours) << line;
    ++changed;
  }
  EXPECT_EQ(changed, 4u);
  ASSERT_OK(account_->refresh(id));
  EXPECT_EQ(account_->messages(id)[0].flags, state::flag_seen | state::flag_forwarded | state::flag_mdn_sent);
}

TEST_P(Refreshing, ContentComesWhole) {
  append(1, 1);
  std::string body;
  while (body.size() < (20u << 20)) body += fmt::format("line {} of a long message, {{12}}\r\n", body.size());
  client_->append("INBOX", test_message(2, body));
  const auto id = account_->add_folder("INBOX").id;
  ASSERT_OK(account_->refresh(id));
  const auto small = account_->content(id, 1);
  ASSERT_OK(small);
  EXPECT_EQ(as_text(small->view()), test_message(1));
  const auto large = account_->content(id, 2);
  ASSERT_OK(large);
  EXPECT_TRUE(as_text(large->view()) == test_message(2, body)) << large->size();
  const auto gone = account_->content(id, 77);
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().code, Errc::not_found);
}

TEST_P(Refreshing, BeginningsAreThoseOfWholeMessages) {
  const std::string head = "From: a@example.test\r\nSubject: x\r\nMIME-Version: 1.0\r\n";
  std::string paragraphs, file;
  while (paragraphs.size() < 60'000) paragraphs += fmt::format("<p>Größe {}</p>\r\n", paragraphs.size());
  while (file.size() < 100'000) file += "JVBERi0xLjQKJVBERi0xLjQKJVBERi0xLjQK\r\n";
  const auto mixed = [&](const std::string& one, const std::string& other) {
    return head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + one + "\r\n--b\r\n" + other + "\r\n--b--\r\n";
  };
  const std::string text = "Content-Type: text/plain; charset=utf-8\r\n\r\nSee what is in größer.pdf.\r\n";
  const std::string pdf = "Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n";
  const std::vector<std::string> messages = {
      test_message(1),
      test_message(2, "Grüße " + std::string(50'000, 'x')),
      head + "Content-Type: text/html; charset=utf-8\r\n\r\n<html><body>" + paragraphs + "</body></html>\r\n",
      mixed(text, pdf + file + file + file),
      mixed(pdf + file, text),
      head + "X-Long: " + std::string(30'000, 'y') + "\r\n\r\nbehind it\r\n",
      head + "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\n" + file,
      head + "\r\n"};
  for (const auto& message : messages) client_->append("INBOX", message);
  client_->append("INBOX", mixed(pdf + file + file + file, text));
  const auto id = account_->add_folder("INBOX").id;
  ASSERT_OK(account_->refresh(id));
  constexpr std::size_t characters = 300;
  const auto found = account_->beginnings(id, {9, 1, 2, 3, 4, 5, 6, 7, 8, 77, 1}, characters);
  ASSERT_OK(found);
  ASSERT_EQ(found->size(), 9u) << "one is not there";
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto& one = found->at(i);
    EXPECT_EQ(one.remote_key, i + 1);
    const auto whole = convert::MimeMessage::parse(convert::ByteSource::from_string(messages[i]));
    ASSERT_OK(whole);
    EXPECT_EQ(one.text, convert::first_characters((*whole)->text(), characters)) << i;
  }
  EXPECT_EQ(found->at(8).text, std::nullopt) << "behind so much of a file nobody looks for it";
  client_->command("SELECT INBOX");
  EXPECT_EQ(client_->command("UID SEARCH SEEN").find("SEARCH 1"), std::string::npos) << "looking at it is not reading it";
}

TEST_P(Refreshing, AMissingMailboxIsNotFound) {
  const auto id = account_->add_folder("Nowhere").id;
  for (const auto& status : {account_->refresh(id), account_->set_flags(id, {1}, 1, 0)}) {
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code, Errc::not_found) << status.error().message;
  }
  ASSERT_OK(account_->folders());
}

TEST(Folders, ComeWithRolesNamesAndCounts) {
  NEEDS_DOVECOT();
  Dovecot::Options options;
  options.mailboxes =
      "mailbox Gesendet {\nauto = create\nspecial_use = \\Sent\n}\nmailbox Trash {\nauto = "
      "create\nspecial_use = "
      "\\Trash\n}\n";
  Dovecot dovecot(options);
  PlainImap client(dovecot.port());
  for (const auto& name :
       {std::string("Sent"), encode_mailbox_name("Пошта/Täglich & mehr"), std::string("INBOX/Below"),
        std::string("Junk E-mail"), std::string("Deep/Er/Est")})
    client.command("CREATE \"" + name + "\"");
  client.append("INBOX", test_message(1));
  TestAccount account(plain_settings(dovecot.port()));
  const auto folders = account.folders();
  ASSERT_OK(folders);
  const auto* inbox = find(*folders, "INBOX");
  ASSERT_NE(inbox, nullptr);
  EXPECT_EQ(inbox->role, FolderRole::inbox);
  EXPECT_EQ(inbox->total, 1u);
  EXPECT_EQ(inbox->unread, 1u);
  EXPECT_EQ(find(*folders, "Gesendet")->role, FolderRole::sent_items);
  EXPECT_EQ(find(*folders, "Sent")->role, FolderRole::none) << "the server says which one it is";
  EXPECT_EQ(find(*folders, "Trash")->role, FolderRole::deleted_items);
  EXPECT_EQ(find(*folders, "Junk E-mail")->role, FolderRole::junk);
  EXPECT_EQ(find(*folders, "Below")->parent_remote_id, "INBOX");
  const auto* daily = find(*folders, "Täglich & mehr");
  ASSERT_NE(daily, nullptr);
  EXPECT_EQ(find(*folders, "Пошта")->remote_id, daily->parent_remote_id);
  EXPECT_EQ(find(*folders, "Est")->parent_remote_id, "Deep/Er");
  std::set<std::string> before{""};
  for (const auto& folder : *folders) {
    EXPECT_EQ(before.count(folder.parent_remote_id), 1u) << folder.remote_id << " stands before its parent";
    before.insert(folder.remote_id);
  }
  const auto id = account.add_folder(daily->remote_id).id;
  client.append(daily->remote_id, test_message(3));
  ASSERT_OK(account.refresh(id));
  EXPECT_EQ(account.messages(id).size(), 1u);
}

// By separators and ways of storing that mind different characters.
TEST(Folders, KeepNamesThatTheServerCannotHold) {
  NEEDS_DOVECOT();
  for (const auto& [separator, location] : {std::pair{'/', "mdbox:~/mail"}, std::pair{'.', "mdbox:~/mail"}, std::pair{'/', "maildir:~/mail"}}) {
    Dovecot::Options options;
    options.mailboxes = fmt::format("separator = {}\n", separator);
    options.extra = fmt::format("mail_location = {}\n", location);
    Dovecot dovecot(options);
    TestAccount account(plain_settings(dovecot.port()));
    const auto above = account.create_folder("", "Projekte 1.5 / Übung");
    ASSERT_OK(above);
    std::map<std::string, std::string> typed{{above->remote_id, above->name}};
    for (const std::string name : {"A/B", "A∕B", "A\u2060/B", "A//B", "/", "v1.2", "v1․2", "..", "100%", "a * b", "tab\there", " blanks ", "~me", "#1", "A\\B",
                                   "A & B: \"what?\" (old)", "INBOX/", ".hidden"})
      for (const auto& parent : {std::string(), above->remote_id}) {
        const auto made = account.create_folder(parent, name);
        ASSERT_TRUE(made.has_value()) << name << ": " << made.error().message;
        EXPECT_TRUE(typed.emplace(made->remote_id, name).second) << name;
        EXPECT_EQ(account.create_folder(parent, name).error().code, Errc::conflict) << name;
      }
    const auto to_be_moved = account.create_folder("", "old/name");
    ASSERT_OK(to_be_moved);
    const auto moved = account.move_folder(to_be_moved->remote_id, above->remote_id, "new/name 2.0");
    ASSERT_OK(moved);
    typed[*moved] = "new/name 2.0";
    // One that other programs can name so keeps that name while it only moves.
    PlainImap(dovecot.port()).command("CREATE \"50%\"");
    const auto kept = account.move_folder("50%", above->remote_id, "50%");
    ASSERT_OK(kept);
    EXPECT_TRUE(kept->ends_with(separator + std::string("50%"))) << *kept;
    typed[*kept] = "50%";
    const auto folders = account.folders();
    ASSERT_OK(folders);
    for (const auto& folder : *folders) {
      if (folder.remote_id == "INBOX") continue;
      ASSERT_TRUE(typed.contains(folder.remote_id)) << folder.remote_id;
      EXPECT_EQ(folder.name, typed.at(folder.remote_id));
      typed.erase(folder.remote_id);
    }
    EXPECT_TRUE(typed.empty()) << typed.begin()->second << " is not there";
  }
}

TEST(Login, IsCheckedByTheServer) {
  NEEDS_DOVECOT();
  Dovecot dovecot;
  TestAccount account(plain_settings(dovecot.port()));
  ASSERT_OK(account.authenticate(Dovecot::password));
  EXPECT_EQ(account.authenticate("wrong").error().code, Errc::denied);
  EXPECT_EQ(account.authenticate("").error().code, Errc::denied);
  EXPECT_EQ(account.authenticate("line\r\nbreak").error().code, Errc::denied);
  EXPECT_EQ(account.authenticate("pass wörd").error().code, Errc::denied);
  dovecot.kill();
  EXPECT_TRUE(account.authenticate(Dovecot::password).error().retryable());
}

TEST(Login, WorksWithoutAuthenticatePlain) {
  NEEDS_DOVECOT();
  Dovecot::Options options;
  options.capability = "IMAP4rev1";  // LOGIN, and no literal without leave
  Dovecot dovecot(options);
  TestAccount account(plain_settings(dovecot.port()));
  ASSERT_OK(account.authenticate(Dovecot::password));
  EXPECT_EQ(account.authenticate("wrong").error().code, Errc::denied);
  EXPECT_EQ(account.authenticate("p\xC3\xA4ss").error().code, Errc::denied) << "by a literal";
}

TEST(Tls, IsVerified) {
  NEEDS_DOVECOT();
  io::TestCertificates certificates;
  Dovecot::Options options;
  options.certificate = certificates.path("server.pem");
  options.key = certificates.path("server.key");
  Dovecot dovecot(options);
  for (const bool implicit : {true, false}) {
    auto settings = plain_settings(implicit ? dovecot.tls_port() : dovecot.port());
    settings["tls"] = std::string(implicit ? "implicit" : "starttls");
    settings["ca_file"] = certificates.path("ca.pem");
    TestAccount good(settings);
    ASSERT_OK(good.folders());
    settings.erase("ca_file");
    TestAccount unknown_authority(settings);
    const auto refused = unknown_authority.folders();
    ASSERT_FALSE(refused.has_value());
    EXPECT_TRUE(refused.error().retryable()) << refused.error().message;
  }
  auto settings = plain_settings(dovecot.tls_port());
  settings["host"] = std::string("imap.example.test");
  EXPECT_THROW(TestAccount{settings}, std::runtime_error) << "no passwords in the clear over the network";
}

// Prints how the first indexing compares with a client that only fetches the same and throws it away. No limit on the
// ratio: it depends on what else the machine does.
TEST(Speed, FirstIndexing) {
  NEEDS_DOVECOT();
  Dovecot dovecot;
  PlainImap client(dovecot.port());
  constexpr int count = 3000;
  for (int i = 1; i <= count; ++i) client.append("INBOX", test_message(i));
  std::string items = "(UID FLAGS INTERNALDATE RFC822.SIZE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (";
  for (const auto name : convert::index_headers()) items += std::string(name) + " ";
  items.back() = ')';
  items += "])";
  client.command("SELECT INBOX");
  client.command("UID FETCH 1:* " + items);  // fills the server's caches for both
  TestAccount account(plain_settings(dovecot.port()));
  const auto id = account.add_folder("INBOX").id;
  auto start = std::chrono::steady_clock::now();
  client.command("UID FETCH 1:* " + items);
  const double bare = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  start = std::chrono::steady_clock::now();
  ASSERT_OK(account.refresh(id));
  const double ours = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_EQ(account.messages(id).size(), std::size_t(count));
  fmt::print("{} messages: bare fetch {:.3f} s, indexed in {:.3f} s ({:.0f}/s, {:.2f} of the bare speed)\n",
             count, bare, ours, count / ours, bare / ours);
  RecordProperty("messages_per_second", static_cast<int>(count / ours));
}

}  // namespace
}  // namespace mapigate::imap
