// Servers that die, hang, lie and stop in the middle: the call ends with an error that says "later", and the
// next one works once the server does.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "test_account.h"

namespace mapigate::imap {
namespace {

using mapigate::testing::Dovecot;
using mapigate::testing::PlainImap;

#define NEEDS_DOVECOT() \
  if (!Dovecot::installed()) GTEST_SKIP() << "no /usr/sbin/dovecot here: package dovecot-imapd"

RawSection hasty_settings(std::uint16_t port) {
  auto settings = plain_settings(port);
  settings["command_timeout"] = std::string("3s");
  settings["connect_timeout"] = std::string("3s");
  return settings;
}

double seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

TEST(Faults, ADeadServerIsUnavailableUntilItReturns) {
  NEEDS_DOVECOT();
  Dovecot dovecot;
  PlainImap(dovecot.port()).append("INBOX", test_message(1));
  TestAccount account(hasty_settings(dovecot.port()));
  const auto id = account.add_folder("INBOX").id;
  ASSERT_TRUE(account.refresh(id).has_value());
  dovecot.kill();
  for (int i = 0; i < 3; ++i) {
    const auto status = account.refresh(id);
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code, Errc::unavailable) << status.error().message;
  }
  EXPECT_TRUE(account.folders().error().retryable());
  EXPECT_TRUE(account.content(id, 1).error().retryable());
  EXPECT_TRUE(account.beginnings(id, {1}, 100).error().retryable());
  EXPECT_TRUE(account.changed(id).error().retryable());
  EXPECT_TRUE(account.set_flags(id, {1}, 1, 0).error().retryable());
  EXPECT_EQ(account.messages(id).size(), 1u) << "the index stays";
  dovecot.start();
  EXPECT_TRUE(account.content(id, 1).has_value());
  EXPECT_TRUE(account.refresh(id).has_value());
  EXPECT_EQ(account.messages(id).size(), 1u);
}

TEST(Faults, ConnectionsThatDiedWhileIdleAreReplaced) {
  NEEDS_DOVECOT();
  Dovecot dovecot;
  PlainImap(dovecot.port()).append("INBOX", test_message(1));
  TestAccount account(hasty_settings(dovecot.port()));
  const auto id = account.add_folder("INBOX").id;
  ASSERT_TRUE(account.refresh(id).has_value());
  dovecot.kill();
  dovecot.start();
  const auto content = account.content(id, 1);
  ASSERT_TRUE(content.has_value()) << content.error().message;
}

TEST(Faults, AFrozenServerTimesOut) {
  NEEDS_DOVECOT();
  Dovecot dovecot;
  PlainImap(dovecot.port()).append("INBOX", test_message(1));
  TestAccount account(hasty_settings(dovecot.port()));
  const auto id = account.add_folder("INBOX").id;
  ASSERT_TRUE(account.refresh(id).has_value());
  dovecot.freeze();
  Status status;
  const double taken = seconds([&] { status = account.refresh(id); });
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Errc::timeout) << status.error().message;
  EXPECT_LT(taken, 30);
  EXPECT_TRUE(account.authenticate(Dovecot::password).error().retryable());
  dovecot.thaw();
  EXPECT_TRUE(account.refresh(id).has_value());
}

TEST(Faults, BackoffAnswersAtOnce) {
  auto settings = hasty_settings(mapigate::testing::free_port());
  settings["backoff"] = std::string("30s");
  TestAccount account(settings);
  EXPECT_TRUE(account.folders().error().retryable());
  EXPECT_LT(seconds([&] { EXPECT_TRUE(account.folders().error().retryable()); }), 15) << "it waited for the end of the pause";
}

// Answers commands from a script: for each "word" that the line contains, what to say; {T} is the tag.
// An empty answer is silence; one that ends in "{CLOSE}" closes after it.
class FakeServer {
 public:
  using Script = std::vector<std::pair<std::string, std::string>>;
  explicit FakeServer(Script script,
                      std::string greeting = "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello\r\n")
      : script_(std::move(script)), greeting_(std::move(greeting)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 8) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("no listener");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeServer() {
    ending_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    ::shutdown(peer_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  std::uint16_t port() const { return port_; }
  // How often commands had this in them.
  int heard(const std::string& word) {
    const std::lock_guard lock(mutex_);
    int count = 0;
    for (std::size_t at = 0; (at = heard_.find(word, at)) != std::string::npos; at += word.size()) ++count;
    return count;
  }
  // From now on, to commands with this in them.
  void answer(std::string word, std::string text) {
    const std::lock_guard lock(mutex_);
    script_.emplace_back(std::move(word), std::move(text));
  }

 private:
  void serve() {
    while (!ending_) {
      const int peer = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (peer < 0) return;
      peer_ = peer;
      if (say(greeting_, "")) converse();
      peer_ = -1;
      ::close(peer);
    }
  }
  bool say(std::string text, const std::string& tag) {
    for (std::size_t at; (at = text.find("{T}")) != std::string::npos;) text.replace(at, 3, tag);
    const bool close = text.ends_with("{CLOSE}");
    if (close) text.resize(text.size() - 7);
    for (std::size_t at = 0; at < text.size();) {
      const auto sent = ::send(peer_, text.data() + at, text.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) return false;
      at += static_cast<std::size_t>(sent);
    }
    return !close;
  }
  void converse() {
    std::string buffer;
    char chunk[4096];
    for (;;) {
      const auto got = ::recv(peer_, chunk, sizeof chunk, 0);
      if (got <= 0) return;
      buffer.append(chunk, static_cast<std::size_t>(got));
      for (std::size_t end; (end = buffer.find('\n')) != std::string::npos; buffer.erase(0, end + 1)) {
        const auto line = buffer.substr(0, end);
        const auto tag = line.substr(0, line.find(' '));
        std::string answer = "{T} OK done\r\n";
        {
          const std::lock_guard lock(mutex_);
          heard_ += line + "\n";
          for (const auto& [word, text] : script_)
            if (line.find(word) != std::string::npos) answer = text;
        }
        if (!say(answer, tag)) return;
      }
    }
  }

  Script script_;
  std::string greeting_;
  int listener_ = -1;
  std::atomic<int> peer_{-1};
  std::atomic<bool> ending_{false};
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::string heard_;
  std::thread thread_;
};

const char* const select_answer =
    "* 1 EXISTS\r\n* OK [UIDVALIDITY 5] x\r\n* OK [UIDNEXT 8] x\r\n* OK [PERMANENTFLAGS (\\Seen)] x\r\n{T} "
    "OK done\r\n";

Error content_error(const std::string& fetch_answer, const std::string& select = select_answer) {
  FakeServer server(FakeServer::Script{{"SELECT", select}, {"UID FETCH", fetch_answer}});
  auto settings = hasty_settings(server.port());
  settings["max_message_size"] = std::string("1MiB");
  TestAccount account(settings);
  const auto id = account.add_folder("INBOX").id;
  Result<convert::ByteSource> content = convert::ByteSource();
  EXPECT_LT(seconds([&] { content = account.content(id, 7); }), 30);
  EXPECT_FALSE(content.has_value()) << fetch_answer.substr(0, 80);
  return content ? Error() : content.error();
}

TEST(Faults, LiesAndCutsEndTheConnectionAndNothingElse) {
  const std::string start = "* 1 FETCH (UID 7 BODY[] ";
  EXPECT_EQ(content_error(start + "{1000}\r\nshort{CLOSE}").code, Errc::unavailable) << "cut in mid-literal";
  EXPECT_EQ(content_error(start + "{900000}\r\n" + std::string(200'000, 'x') + "{CLOSE}").code,
            Errc::unavailable)
      << "cut in a spooled literal";
  EXPECT_EQ(content_error(start + "{1000}\r\nshort").code, Errc::timeout) << "a literal that stops";
  EXPECT_EQ(content_error(start + "{5000000}\r\n").code, Errc::limit) << "more than may be";
  EXPECT_EQ(content_error(start + "{3}\r\nlonger)\r\n{T} OK done\r\n").code, Errc::unavailable);
  EXPECT_EQ(content_error(std::string(20u << 20, 'x')).code, Errc::limit) << "an endless line";
  EXPECT_EQ(content_error("zzz OK done\r\n").code, Errc::unavailable) << "somebody else's tag";
  EXPECT_EQ(content_error("").code, Errc::timeout) << "silence";
  EXPECT_EQ(content_error("* BYE going down\r\n{CLOSE}").code, Errc::unavailable);
  EXPECT_EQ(content_error("{T} NO [UNAVAILABLE] later\r\n").code, Errc::unavailable);
  EXPECT_EQ(content_error("{T} OK done\r\n").code, Errc::not_found);
  EXPECT_EQ(content_error("* 1 FETCH (UID 7 BODY[] NIL)\r\n{T} OK done\r\n").code, Errc::not_found);
  EXPECT_EQ(content_error("x", "{T} NO [INUSE] locked\r\n").code, Errc::unavailable);
  EXPECT_EQ(content_error("x", "{T} NO no such mailbox\r\n").code, Errc::not_found)
      << "LIST does not know it either";
}

TEST(Faults, AMailboxThatCannotBeOpenedButIsListedIsNotGone) {
  FakeServer server(FakeServer::Script{{"SELECT", "{T} NO internal error\r\n"},
                                       {"LIST", "* LIST () \"/\" INBOX\r\n{T} OK done\r\n"}});
  TestAccount account(hasty_settings(server.port()));
  const auto status = account.refresh(account.add_folder("INBOX").id);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Errc::unavailable) << status.error().message;
}

// What a broken line leaves out is asked for again: the changes after it are told by later numbers.
TEST(Faults, ChangesOfNobodyAreLookedForAmongAll) {
  const auto selected = [](int modseq) {
    return fmt::format("* 1 EXISTS\r\n* OK [UIDVALIDITY 5] x\r\n* OK [UIDNEXT 8] x\r\n* OK [HIGHESTMODSEQ {}] x\r\n{{T}} OK done\r\n", modseq);
  };
  const std::string header = "Subject: one\r\n\r\n";
  FakeServer server(FakeServer::Script{{"CAPABILITY", "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN CONDSTORE\r\n{T} OK done\r\n"},
                                       {"SELECT", selected(10)},
                                       {"UID SEARCH", "* SEARCH 7\r\n{T} OK done\r\n"},
                                       {"BODYSTRUCTURE", fmt::format("* 1 FETCH (UID 7 FLAGS () RFC822.SIZE 100 BODY[HEADER.FIELDS (Subject)] {{{}}}\r\n{})\r\n{{T}} OK done\r\n",
                                                                     header.size(), header)},
                                       {"UID FETCH 1:* (FLAGS)", "* 1 FETCH (UID 7 FLAGS (\\Seen))\r\n{T} OK done\r\n"}});
  TestAccount account(hasty_settings(server.port()));
  const auto id = account.add_folder("INBOX").id;
  ASSERT_TRUE(account.refresh(id).has_value());
  ASSERT_EQ(account.messages(id).size(), 1u);
  EXPECT_EQ(account.messages(id)[0].flags, 0u);
  int modseq = 10, all = 0;
  for (const char* answer : {"* 1 FETCH (FLAGS (\\Seen) MODSEQ (12))\r\n", "* 1 FETCH (UID 7 FLA!GS (\\Seen) MODSEQ (12))\r\n", "* 1 FETXCH (UID 7 FLAGS (\\Seen))\r\n"}) {
    server.answer("SELECT", selected(++modseq));
    server.answer("CHANGEDSINCE", answer + std::string("{T} OK done\r\n"));
    ASSERT_TRUE(account.refresh(id).has_value()) << answer;
    EXPECT_EQ(server.heard("UID FETCH 1:* (FLAGS)"), ++all) << answer;
    EXPECT_EQ(account.messages(id)[0].flags, std::uint32_t{state::flag_seen});
  }
  server.answer("SELECT", selected(++modseq));
  server.answer("CHANGEDSINCE", "* 1 FETCH (UID 7 FLAGS (\\Se\xFF" "en) MODSEQ (14))\r\n{T} OK done\r\n");
  const auto broken = account.refresh(id);
  ASSERT_FALSE(broken.has_value());
  EXPECT_EQ(broken.error().code, Errc::unavailable) << broken.error().message;
  server.answer("SELECT", selected(++modseq));
  server.answer("CHANGEDSINCE", "* 1 FETCH (UID 7 FLAGS () MODSEQ (14))\r\n{T} OK done\r\n");
  ASSERT_TRUE(account.refresh(id).has_value());
  EXPECT_EQ(server.heard("UID FETCH 1:* (FLAGS)"), all) << "what changed was told";
  EXPECT_EQ(account.messages(id)[0].flags, 0u);
}

TEST(Faults, AMailboxThatDoesNotSayItsNumberingIsTriedAgain) {
  const std::string numbered = "* 1 EXISTS\r\n* OK [UIDVALIDITY 5] x\r\n* OK [UIDNEXT 8] x\r\n{T} OK done\r\n";
  const std::string header = "Subject: one\r\n\r\n";
  FakeServer server(FakeServer::Script{{"SELECT", numbered},
                                       {"UID SEARCH", "* SEARCH 7\r\n{T} OK done\r\n"},
                                       {"UID FETCH", fmt::format("* 1 FETCH (UID 7 FLAGS () BODY[HEADER.FIELDS (Subject)] {{{}}}\r\n{})\r\n{{T}} OK done\r\n",
                                                                 header.size(), header)}});
  TestAccount account(hasty_settings(server.port()));
  const auto id = account.add_folder("INBOX").id;
  ASSERT_TRUE(account.refresh(id).has_value());
  const auto before = account.messages(id).at(0).id;
  for (const char* other : {"* 1 EXISTS\r\n* OK [UIDVAL!IDITY 5] x\r\n* OK [UIDNEXT 8] x\r\n{T} OK done\r\n", "* 1 EXISTS\r\n* OK [UIDNEXT 8] x\r\n{T} OK done\r\n"}) {
    server.answer("SELECT", other);
    const auto refreshed = account.refresh(id);
    ASSERT_FALSE(refreshed.has_value()) << other;
    EXPECT_EQ(refreshed.error().code, Errc::unavailable);
    EXPECT_EQ(account.set_flags(id, {7}, state::flag_seen, 0).error().code, Errc::unavailable) << other;
    server.answer("SELECT", numbered);
    EXPECT_TRUE(account.set_flags(id, {7}, state::flag_seen, 0).has_value());
    EXPECT_TRUE(account.refresh(id).has_value());
    EXPECT_EQ(account.messages(id).at(0).id, before);
  }
}

// Cyrus refuses every FETCH in a mailbox that was renamed after it was selected.
TEST(Faults, AMailboxInWhichNothingCanBeReadIsSelectedAnew) {
  FakeServer server(FakeServer::Script{{"SELECT", select_answer}, {"UID FETCH", "{T} NO Mailbox does not exist\r\n"}});
  TestAccount account(hasty_settings(server.port()));
  const auto id = account.add_folder("INBOX").id;
  EXPECT_FALSE(account.content(id, 1).has_value());
  EXPECT_EQ(server.heard("SELECT"), 1);
  EXPECT_FALSE(account.content(id, 1).has_value());
  EXPECT_EQ(server.heard("SELECT"), 3) << "what was selected before, and once more";
}

TEST(Beginnings, OfManyMessagesComeInOneStep) {
  std::string answer;
  std::vector<std::uint64_t> keys;
  for (int i = 1; i <= 50; ++i) {
    auto message = test_message(i, fmt::format("Text {}.\r\n", i) + std::string(40'000, 'x') + "\r\n");
    message.resize(24 * 1024);
    answer += fmt::format("* {0} FETCH (UID {0} BODY[]<0> {{{1}}}\r\n{2})\r\n", i, message.size(), message);
    keys.push_back(static_cast<std::uint64_t>(i));
  }
  FakeServer server(FakeServer::Script{{"SELECT", "* 50 EXISTS\r\n* OK [UIDVALIDITY 5] x\r\n* OK [UIDNEXT 51] x\r\n{T} OK done\r\n"},
                                       {"UID FETCH", answer + "{T} OK done\r\n"}});
  TestAccount account(hasty_settings(server.port()));
  const auto found = account.beginnings(account.add_folder("INBOX").id, keys, 20);
  ASSERT_TRUE(found.has_value()) << found.error().message;
  ASSERT_EQ(found->size(), keys.size());
  EXPECT_EQ(found->at(6).remote_key, 7u);
  EXPECT_EQ(found->at(6).text, "Text 7.\r\n" + std::string(11, 'x'));
  EXPECT_EQ(server.heard("FETCH"), 1);
  EXPECT_EQ(server.heard("UID FETCH 1:50 (UID BODY.PEEK[]<0."), 1);
}

TEST(Faults, AMailboxInWhichNothingCanBeWrittenIsSelectedAnew) {
  const std::string refused = "{T} NO Mailbox does not exist\r\n";
  FakeServer server(FakeServer::Script{{"SELECT", select_answer}, {"UID STORE", refused}, {"UID COPY", refused}, {"UID SEARCH", refused}});
  TestAccount account(hasty_settings(server.port()));
  const auto id = account.add_folder("INBOX").id;
  const auto other = account.add_folder("Other").id;
  const auto selected = [&server] { return server.heard("SELECT"); };
  EXPECT_FALSE(account.set_flags(id, {1}, state::flag_seen, 0).has_value());
  EXPECT_EQ(selected(), 1) << "the connection was new";
  EXPECT_FALSE(account.set_flags(id, {1}, state::flag_seen, 0).has_value());
  EXPECT_EQ(selected(), 3) << "what was selected before, and once more";
  EXPECT_EQ(server.heard("UID STORE"), 3);
  for (const bool move : {false, true}) {
    const auto before = selected();
    EXPECT_FALSE(account.copy(id, {1}, other, move).has_value());
    EXPECT_GE(selected(), before + 2);
  }
}

TEST(Faults, LoginAnswersAreToldApart) {
  const std::pair<const char*, Errc> rows[] = {
      {"{T} NO [AUTHENTICATIONFAILED] wrong\r\n", Errc::denied},
      {"{T} NO wrong\r\n", Errc::denied},
      {"{T} NO [UNAVAILABLE] later\r\n", Errc::unavailable},
      {"{T} NO [ALERT] Too many simultaneous connections. (Failure)\r\n", Errc::unavailable},
      {"{T} BAD what\r\n", Errc::unavailable},
      {"* BYE go away\r\n{CLOSE}", Errc::unavailable},
      {"{CLOSE}", Errc::unavailable},
  };
  for (const auto& [answer, code] : rows) {
    FakeServer server(FakeServer::Script{{"AUTHENTICATE", answer}});
    TestAccount account(hasty_settings(server.port()));
    const auto status = account.authenticate("x");
    ASSERT_FALSE(status.has_value()) << answer;
    EXPECT_EQ(status.error().code, code) << answer << status.error().message;
  }
  for (const char* greeting : {"* BYE full\r\n", "HTTP/1.1 400 Bad Request\r\n", "* OK no end", ""}) {
    FakeServer server(FakeServer::Script{}, greeting);
    TestAccount account(hasty_settings(server.port()));
    const auto status = account.authenticate("x");
    ASSERT_FALSE(status.has_value()) << greeting;
    EXPECT_TRUE(status.error().retryable()) << greeting << status.error().message;
  }
}

TEST(Capabilities, CountForNothingWhereTheConfigSaysSo) {
  struct Row {
    std::vector<std::string> ignored;
    bool qresync, condstore;
  };
  for (const auto& row : {Row{{}, true, false}, Row{{"Qresync"}, false, true}, Row{{"CONDSTORE"}, false, false}, Row{{"enable", "condstore"}, false, false}}) {
    FakeServer server(FakeServer::Script{
        {"CAPABILITY", "* CAPABILITY IMAP4rev1 ENABLE CONDSTORE QRESYNC\r\n{T} OK done\r\n"},
        {"SELECT", "* 0 EXISTS\r\n* OK [UIDVALIDITY 5] x\r\n* OK [UIDNEXT 8] x\r\n* OK [HIGHESTMODSEQ 77] x\r\n{T} OK done\r\n"}});
    auto settings = hasty_settings(server.port());
    settings["ignored_capabilities"] = row.ignored;
    TestAccount account(settings);
    const auto id = account.add_folder("INBOX").id;
    const auto status = account.refresh(id);
    ASSERT_TRUE(status.has_value()) << status.error().message;
    EXPECT_EQ(server.heard("ENABLE QRESYNC"), row.qresync ? 1 : 0);
    EXPECT_EQ(server.heard("ENABLE CONDSTORE"), row.condstore ? 1 : 0);
    const bool modseqs = row.qresync || row.condstore;
    EXPECT_EQ(Cursor::parse(account.folder(id).cursor).highestmodseq, modseqs ? 77u : 0u) << "a number that means nothing without it";
  }
}

// A server must not be able to make a client delete what it has: numbers that do not fit are looked into.
TEST(Faults, AnEmptyAnswerToTheComparisonIsAnError) {
  NEEDS_DOVECOT();
  Dovecot dovecot;
  PlainImap client(dovecot.port());
  for (int i = 1; i <= 3; ++i) client.append("INBOX", test_message(i));
  TestAccount account(plain_settings(dovecot.port()));
  const auto id = account.add_folder("INBOX").id;
  ASSERT_TRUE(account.refresh(id).has_value());
  const auto cursor = Cursor::parse(account.folder(id).cursor);

  FakeServer liar(FakeServer::Script{
      {"SELECT",
       fmt::format("* 3 EXISTS\r\n* OK [UIDVALIDITY {}] x\r\n* OK [UIDNEXT {}] x\r\n{{T}} OK done\r\n",
                   cursor.uidvalidity, cursor.uidnext)}});
  TestAccount victim(hasty_settings(liar.port()));
  const auto there = victim.add_folder("INBOX").id;
  state::FolderDelta delta;
  delta.added.resize(3);
  for (std::uint64_t i = 0; i < 3; ++i) delta.added[i].remote_key = i + 1;
  delta.cursor = Cursor{cursor.uidvalidity, cursor.uidnext, 0, 3}.to_string();
  ASSERT_TRUE(victim.state().apply(there, std::move(delta)).has_value());
  const auto status = victim.refresh(there);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Errc::unavailable) << status.error().message;
  EXPECT_EQ(victim.messages(there).size(), 3u);
}

TEST(Refusals, OfANameAreNoneOfTheFolder) {
  const std::pair<std::string, std::string> separator{"LIST \"\" \"\"", "* LIST () \"/\" \"\"\r\n{T} OK done\r\n"};
  for (const char* refusal : {"{T} NO [CANNOT] Invalid name\r\n", "{T} NO Invalid mailbox name\r\n", "{T} BAD Invalid mailbox name\r\n"}) {
    FakeServer server(FakeServer::Script{separator, {"CREATE \"Work (old)", refusal}});
    TestAccount account(hasty_settings(server.port()));
    const auto made = account.create_folder("", "Work (old)");
    ASSERT_TRUE(made.has_value()) << made.error().message;
    EXPECT_EQ(made->remote_id, "Work &,wggYA-old&,wkgYA-");
    EXPECT_EQ(made->name, "Work (old)");
    EXPECT_EQ(server.heard("CREATE"), 2);
  }
  for (const auto& [refusal, code] : {std::pair{"{T} NO [NOPERM] no\r\n", Errc::denied}, std::pair{"{T} NO [ALREADYEXISTS] no\r\n", Errc::conflict}}) {
    FakeServer server(FakeServer::Script{separator, {"CREATE \"Work (old)", refusal}});
    TestAccount account(hasty_settings(server.port()));
    EXPECT_EQ(account.create_folder("", "Work (old)").error().code, code);
    EXPECT_EQ(server.heard("CREATE"), 1);
  }
}

TEST(Refusals, ASizeIsNoQuota) {  // RFC 5530, RFC 4469
  const auto meaning = [](const char* code, const char* text) { return Completion{false, "NO", code, text, {}}.error("APPEND").code; };
  EXPECT_EQ(meaning("OVERQUOTA", "full"), Errc::full);
  EXPECT_EQ(meaning("", "Over quota"), Errc::full);
  EXPECT_EQ(meaning("LIMIT", "one too many"), Errc::limit);
  EXPECT_EQ(meaning("TOOBIG", "too big"), Errc::limit);
}

}  // namespace
}  // namespace mapigate::imap
