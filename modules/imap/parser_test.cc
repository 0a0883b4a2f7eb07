#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "data.h"
#include "mailbox_name.h"
#include "state/mailbox_state.h"

namespace mapigate::imap {
namespace {

namespace fs = std::filesystem;

// Feeds everything; the error, if one comes. `each` sees every complete response.
Status feed_all(ResponseReader& reader, std::string_view text, std::size_t piece,
                const std::function<Status(const Response&)>& each) {
  auto left = as_view(text);
  while (!left.empty()) {
    auto used = reader.feed(left.first(std::min(piece, left.size())));
    if (!used) return used.error();
    left = left.subspan(*used);
    if (!reader.complete()) continue;
    auto response = reader.parse();
    if (!response) return response.error();
    auto seen = each(*response);
    if (!seen) return seen;
    reader.clear();
  }
  return {};
}

// The one response in `text`, looked at while it lives.
void with(std::string_view text, const std::function<void(const Response&)>& look, Limits limits = {}) {
  for (const std::size_t piece : {std::size_t(1), std::size_t(7), text.size()}) {
    ResponseReader reader(limits);
    int count = 0;
    const auto status = feed_all(reader, text, piece, [&](const Response& response) -> Status {
      ++count;
      look(response);
      return {};
    });
    ASSERT_TRUE(status.has_value()) << status.error().message << " in " << text;
    EXPECT_EQ(count, 1) << text;
    EXPECT_TRUE(reader.empty());
  }
}

std::optional<FetchData> fetch_of(const Response& response) {
  auto parsed = parse_fetch(response);
  return parsed ? std::move(*parsed) : std::nullopt;
}

Errc failure(std::string_view text, Limits limits = {}) {
  ResponseReader reader(limits);
  const auto status = feed_all(reader, text, 1000, [](const Response&) -> Status { return {}; });
  return status ? Errc::internal : status.error().code;
}

TEST(Parser, StatusResponses) {
  with("a1 OK [READ-WRITE] SELECT completed {5}\r\n", [](const Response& response) {
    EXPECT_EQ(response.kind, Response::Kind::tagged);
    EXPECT_EQ(response.tag, "a1");
    EXPECT_EQ(response.code, "READ-WRITE");
    EXPECT_EQ(response.text, "SELECT completed {5}");
  });
  with("* ok [UIDVALIDITY 3857529045] UIDs valid\r\n", [](const Response& response) {
    EXPECT_EQ(response.name, "OK");
    EXPECT_EQ(number_of(response.code_values[0]), 3857529045u);
  });
  with("* OK [PERMANENTFLAGS (\\Answered \\Seen $Odd] \\*)] Limited\r\n", [](const Response& response) {
    EXPECT_EQ(response.code, "PERMANENTFLAGS");
    ASSERT_EQ(response.code_values.size(), 1u);
    EXPECT_EQ(response.code_values[0].list.size(), 4u);
    EXPECT_EQ(response.code_values[0].list[3].text, "\\*");
  });
  with("* NO [what is this\r\n", [](const Response& response) {
    EXPECT_EQ(response.code, "");
    EXPECT_EQ(response.text, "[what is this");
  });
  with("+ idling {3}\n", [](const Response& response) {
    EXPECT_EQ(response.kind, Response::Kind::continuation);
    EXPECT_EQ(response.text, "idling {3}");
  });
  with("+\r\n", [](const Response& response) { EXPECT_EQ(response.kind, Response::Kind::continuation); });
}

TEST(Parser, FetchWithEveryKindOfValue) {
  with(
      "* 12 FETCH (FLAGS (\\Seen $Forwarded Junk x[y) UID 4827313 INTERNALDATE \" 6-Feb-2024 09:00:00 "
      "+0130\" "
      "RFC822.SIZE 44827 MODSEQ (917162500) ENVELOPE (\"a \\\"b\\\\\" NIL ((NIL NIL \"u\" {6}\r\nh\r\n(\"x)) "
      "NIL) "
      "BODY[HEADER.FIELDS (SUBJECT \"FROM\")] {17+}\r\nSubject: {9}\r\n\r\n) X {0}\r\n ())\r\n",
      [](const Response& response) {
        EXPECT_EQ(response.number, 12u);
        const auto fetch = fetch_of(response);
        ASSERT_TRUE(fetch.has_value());
        EXPECT_EQ(fetch->uid, 4827313u);
        EXPECT_EQ(fetch->flags, state::flag_seen | state::flag_forwarded | state::flag_junk);
        EXPECT_EQ(to_iso8601(*fetch->internal_date), "2024-02-06T07:30:00Z");
        EXPECT_EQ(fetch->size, 44827u);
        EXPECT_EQ(fetch->modseq, 917162500u);
        ASSERT_NE(fetch->body, nullptr);
        EXPECT_EQ(as_text(fetch->body->bytes()), "Subject: {9}\r\n\r\n)");
        const auto& envelope = response.values[0].list[11];
        EXPECT_EQ(envelope.list[0].text, "a \"b\\");
        EXPECT_EQ(envelope.list[1].kind, Value::Kind::nil);
        EXPECT_EQ(envelope.list[2].list[0].list[3].text, "h\r\n(\"x");
      });
}

TEST(Parser, ABracketInAKeywordIsACharacter) {
  with("* 3 FETCH (FLAGS (\\Seen [x y[) UID 5 body[HEADER.FIELDS (A B)]<0> \"\" BODY[TEXT {2}\r\nno)\r\n", [](const Response& response) {
    const auto fetch = fetch_of(response);
    ASSERT_TRUE(fetch.has_value());
    EXPECT_EQ(fetch->uid, 5u);
    EXPECT_EQ(fetch->keywords, "[x y[");
    const auto& items = response.values[0].list;
    ASSERT_EQ(items.size(), 8u);
    EXPECT_EQ(items[4].text, "body[HEADER.FIELDS (A B)]<0>");
    EXPECT_EQ(items[6].text, "BODY[TEXT");
    EXPECT_EQ(items[7].text, "no");
  });
}

// What is put into a line somewhere says so, or leaves what the line says as it was.
TEST(Parser, LinesWithOtherBytesInThemAreNotHalfUnderstood) {
  const std::string line = "* 12 FETCH (UID 5 FLAGS (\\Seen \\Flagged work) MODSEQ (17))\r\n";
  for (const std::string_view junk : {"\x01", "\x7F", "\xFF", "\xC3", "a\x80z", "\r", "\n"}) {
    for (std::size_t at = 0; at < line.size() - 2; ++at) {
      const auto text = line.substr(0, at) + std::string(junk) + line.substr(at);
      ResponseReader reader{Limits()};
      bool whole = false, same = false;
      const auto status = feed_all(reader, text, 1000, [&](const Response& response) -> Status {
        whole = true;
        const auto parsed = parse_fetch(response);
        if (!parsed) return parsed.error();
        const auto& fetch = *parsed;
        same = fetch && fetch->uid == 5 && fetch->flags == (state::flag_seen | state::flag_flagged) && fetch->keywords == "work";
        return {};
      });
      EXPECT_TRUE(!status || (whole && same)) << at << ": " << text;
    }
  }
}

TEST(Parser, LargeLiteralsAreSpooled) {
  Limits limits;
  limits.inline_literal = 10;
  const std::string big(5000, 'x');
  with(
      "* 1 FETCH (BODY[] ~{5000}\r\n" + big + " UID 7)\r\n",
      [&](const Response& response) {
        const auto fetch = fetch_of(response);
        ASSERT_TRUE(fetch && fetch->body != nullptr);
        EXPECT_EQ(fetch->uid, 7u);
        EXPECT_EQ(fetch->body->kind, Value::Kind::spooled);
        EXPECT_EQ(as_text(fetch->body->bytes()), big);
      },
      limits);
}

TEST(Parser, HostileInputEndsCleanly) {
  Limits limits;
  limits.response = 10'000;
  limits.literal = 100'000;
  limits.inline_literal = 1000;
  limits.literals = 3;
  EXPECT_EQ(failure("* OK " + std::string(20'000, 'x'), limits), Errc::limit) << "an endless line";
  EXPECT_EQ(failure("* 1 FETCH (BODY[] {100001}\r\n", limits), Errc::limit);
  EXPECT_EQ(failure("* 1 FETCH (BODY[] {99999999999999999999999999}\r\n", limits), Errc::limit);
  std::string many = "* 1 FETCH (";
  for (int i = 0; i < 4; ++i) many += "X {2000}\r\n" + std::string(2000, 'x') + " ";
  EXPECT_EQ(failure(many, limits), Errc::limit);
  std::string small = "* 1 FETCH (";
  for (int i = 0; i < 20; ++i) small += "X {900}\r\n" + std::string(900, 'x') + " ";
  EXPECT_EQ(failure(small, limits), Errc::limit) << "many small literals";
  EXPECT_EQ(failure("* LIST " + std::string(5000, '(') + "\r\n", limits), Errc::malformed);
  for (const char* text :
       {"\r\n", "*\r\n", "* \r\n", "* 1\r\n", "* 99999999999999999999999 EXISTS\r\n", "a FETCH\r\n",
        "* LIST (\r\n", "* LIST )\r\n", "* LIST \"x\r\n", "* LIST \"x\\\r\n", "* LIST (() \"/\" \"a\"\r\n"})
    EXPECT_EQ(failure(text), Errc::malformed) << text;
}

TEST(Parser, Lists) {
  with("* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent \\\\ Items\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n",
       [](const Response& response) {
         const auto entry = parse_list(response);
         ASSERT_TRUE(entry.has_value());
         EXPECT_TRUE(entry->has("\\sent"));
         EXPECT_EQ(entry->separator, '/');
         EXPECT_EQ(entry->name, "Sent \\ Items");
       });
  with("* LIST () NIL nil\r\n", [](const Response& response) {
    EXPECT_EQ(parse_list(response)->name, "NIL");
    EXPECT_EQ(parse_list(response)->separator, '\0');
  });
  with("* LIST (\\Noselect) \"\\\\\" [Gmail]/&BB8-x\r\n", [](const Response& response) {
    EXPECT_EQ(parse_list(response)->name, "[Gmail]/&BB8-x");
    EXPECT_EQ(parse_list(response)->separator, '\\');
  });
  with("* STATUS \"a b\" (MESSAGES 3 UIDNEXT 44292 HIGHESTMODSEQ 7011231777)\r\n",
       [](const Response& response) {
         const auto status = parse_status(response);
         EXPECT_EQ(status->name, "a b");
         EXPECT_EQ(status->messages, 3u);
         EXPECT_EQ(status->highestmodseq, 7011231777u);
         EXPECT_FALSE(status->unseen.has_value());
       });
  with("* QUOTA \"User quota\" (MESSAGE 1 5 STORAGE 10 512)\r\n", [](const Response& response) {
    const auto quota = parse_quota(response);
    ASSERT_TRUE(quota.has_value());
    EXPECT_EQ(quota->used, 10u * 1024);
    EXPECT_EQ(quota->limit, 512u * 1024);
  });
  for (const auto* none : {"* QUOTA x (MESSAGE 1 5)\r\n", "* QUOTA x\r\n", "* QUOTA x ()\r\n", "* QUOTA x (STORAGE 1)\r\n",
                           "* QUOTA x (STORAGE a b)\r\n", "* QUOTAROOT INBOX x\r\n"})
    with(none, [](const Response& response) { EXPECT_FALSE(parse_quota(response).has_value()); });
  with("* QUOTA x (STORAGE 1 18446744073709551615)\r\n",
       [](const Response& response) { EXPECT_EQ(parse_quota(response)->limit, UINT64_MAX / 1024 * 1024); });
  with("* NAMESPACE ((\"INBOX.\" \".\")) NIL ((\"#shared/\" \"/\")(\"x\" NIL))\r\n",
       [](const Response& response) {
         const auto found = parse_namespaces(response);
         ASSERT_TRUE(found.has_value());
         EXPECT_EQ(found->personal.at(0).prefix, "INBOX.");
         EXPECT_EQ(found->others.size(), 0u);
         EXPECT_EQ(found->shared.at(1).separator, '\0');
       });
}

TEST(Parser, SetsOfUids) {
  with("* VANISHED (EARLIER) 41,43:116,118\r\n", [](const Response& response) {
    EXPECT_EQ(expand(*parse_vanished(response), 100).value().size(), 76u);
    EXPECT_FALSE(expand(*parse_vanished(response), 10).has_value());
  });
  with("* ESEARCH (TAG \"m5\") UID ALL 1:3,9 MODSEQ 5\r\n", [](const Response& response) {
    EXPECT_EQ(expand(*parse_search(response), 100).value(), (std::vector<std::uint32_t>{1, 2, 3, 9}));
  });
  with("* ESEARCH (TAG \"m5\") UID\r\n",
       [](const Response& response) { EXPECT_TRUE(parse_search(response)->empty()); });
  with("* SEARCH 5 2 3 (MODSEQ 917)\r\n", [](const Response& response) {
    EXPECT_EQ(expand(*parse_search(response), 100).value(), (std::vector<std::uint32_t>{2, 3, 5}));
  });
  EXPECT_EQ(make_uid_set(std::vector<std::uint32_t>{1, 2, 3, 7, 9, 10}), "1:3,7,9:10");
  EXPECT_FALSE(parse_uid_set("1,,2").has_value());
  EXPECT_FALSE(parse_uid_set("1:x").has_value());
  EXPECT_FALSE(parse_uid_set("4294967296").has_value());
  EXPECT_FALSE(expand(*parse_uid_set("1:4294967295"), 1000).has_value()) << "a lie costs no memory";
}

BodySummary body_of(const std::string& structure) {
  BodySummary out;
  with("* 1 FETCH (BODYSTRUCTURE " + structure + ")\r\n", [&](const Response& response) {
    const auto fetch = fetch_of(response);
    ASSERT_TRUE(fetch && fetch->body_structure != nullptr);
    out = summarize_body(*fetch->body_structure);
  });
  return out;
}

TEST(Parser, BodyStructures) {
  const std::string text =
      "(\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 5 1 NIL NIL NIL NIL)";
  const std::string pdf =
      "(\"application\" \"pdf\" (\"name\" \"a.pdf\") NIL NIL \"base64\" 500 NIL (\"attachment\" "
      "(\"filename\" \"a.pdf\")) NIL NIL)";
  const std::string image =
      "(\"image\" \"png\" NIL \"<1@x>\" NIL \"base64\" 500 NIL (\"inline\" NIL) NIL NIL)";
  EXPECT_FALSE(body_of(text).has_attachments);
  EXPECT_EQ(body_of(text).content_type, "text/plain");
  EXPECT_TRUE(body_of("(" + text + pdf + " \"mixed\" (\"boundary\" \"x\") NIL NIL)").has_attachments);
  EXPECT_EQ(body_of("(" + text + pdf + " \"MIXED\")").content_type, "multipart/mixed");
  EXPECT_FALSE(body_of("(" + text + text + " \"alternative\")").has_attachments);
  const auto picture = body_of("(" + text + image + " \"related\")");
  EXPECT_TRUE(picture.has_attachments);
  EXPECT_FALSE(picture.shows_files) << "a picture within the text";
  EXPECT_TRUE(body_of("(" + text + image + " \"mixed\")").shows_files);
  EXPECT_TRUE(body_of(pdf).shows_files) << "nothing but an attachment";
  std::string nested = text;
  for (int i = 0; i < 30; ++i) nested = "(" + nested + " \"mixed\")";
  EXPECT_FALSE(body_of(nested).deep);
  for (int i = 0; i < 30; ++i) nested = "(" + nested + " \"mixed\")";
  EXPECT_TRUE(body_of(nested).deep);
  const auto meeting = body_of(
      "(" + text + "(\"TEXT\" \"CALENDAR\" (\"METHOD\" \"request\") NIL NIL \"7BIT\" 5 1) \"alternative\")");
  EXPECT_EQ(meeting.calendar_method, "REQUEST");
  EXPECT_TRUE(meeting.has_attachments && meeting.has_calendar);
  EXPECT_FALSE(meeting.shows_files);
  const std::string signature = "(\"application\" \"pkcs7-signature\" (\"name\" \"smime.p7s\") NIL NIL \"base64\" 500 NIL (\"attachment\" NIL))";
  EXPECT_TRUE(body_of("(" + text + signature + " \"signed\")").has_attachments) << "the signed message as a whole";
  EXPECT_FALSE(body_of("(" + text + signature + " \"signed\")").shows_files);
  EXPECT_TRUE(body_of("((" + text + pdf + " \"mixed\")" + signature + " \"signed\")").shows_files);
  const std::string status = "(\"message\" \"delivery-status\" NIL NIL NIL \"7bit\" 90)";
  EXPECT_FALSE(body_of("(" + text + status + " \"report\")").has_attachments) << "it is what the report object says";
  EXPECT_TRUE(body_of("(" + text + status + " \"mixed\")").has_attachments);
  EXPECT_TRUE(
      body_of("(" + text +
              "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 9 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) " +
              text + " 3) \"mixed\")")
          .has_attachments);
  EXPECT_FALSE(body_of("()").has_attachments);
  EXPECT_FALSE(body_of("((NIL NIL) 5)").has_attachments);
}

TEST(Parser, Dates) {
  EXPECT_EQ(to_iso8601(*parse_internal_date("17-Jul-1996 02:44:25 -0700")), "1996-07-17T09:44:25Z");
  EXPECT_EQ(to_iso8601(*parse_internal_date("7-Jul-1996 02:44:25 +0000")), "1996-07-07T02:44:25Z");
  for (const char* text :
       {"", "99-Jul-1996 02:44:25 +0000", "17-Xxx-1996 02:44:25 +0000", "31-Feb-2024 00:00:00 +0000",
        "17-Jul-1996 25:44:25 +0000", "aaaaaaaaaaaaaaaaaaaaaaaaaa"})
    EXPECT_FALSE(parse_internal_date(text).has_value()) << text;
}

TEST(MailboxNames, BothWays) {
  const std::pair<const char*, const char*> rows[] = {
      {"INBOX", "INBOX"},
      {"Entw&APw-rfe", "Entwürfe"},
      {"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"},
      {"A&-B", "A&B"},
      {"&2D3eAA-", "😀"},
      {"&BB8EPgRHBEIEMA-", "Почта"}};
  for (const auto& [wire, name] : rows) {
    EXPECT_EQ(decode_mailbox_name(wire), name);
    EXPECT_EQ(encode_mailbox_name(name), wire);
  }
  EXPECT_EQ(decode_mailbox_name("A & B"), "A & B") << "unencoded, as some servers have it";
  EXPECT_EQ(decode_mailbox_name("Entw\xC3\xBCrfe"), "Entwürfe");
  EXPECT_EQ(decode_mailbox_name("Entw\xFCrfe"), "Entw\xEF\xBF\xBDrfe");
  EXPECT_EQ(decode_mailbox_name("&!!-x&"), "&!!-x&");
  EXPECT_EQ(decode_mailbox_name("Täg & lich", true), "Täg & lich");
  EXPECT_EQ(encode_mailbox_name("Täg & lich", true), "Täg & lich");
  EXPECT_EQ(quote("a\"b\\c"), "\"a\\\"b\\\\c\"");
}

TEST(MailboxNames, AreHeldByLookAlikesThatCanBeToldApart) {
  const std::string mark = "\xE2\x81\xA0";
  EXPECT_EQ(held_name("A/B", '/', Replace::necessary), "A∕" + mark + "B");
  EXPECT_EQ(held_name("A/B", '.', Replace::necessary), "A/B");
  EXPECT_EQ(held_name("v1.2", '.', Replace::necessary), "v1․" + mark + "2");
  EXPECT_EQ(held_name("v1.2", '/', Replace::separators), "v1․" + mark + "2");
  EXPECT_EQ(held_name("100% *", '/', Replace::necessary), "100％" + mark + " ＊" + mark);
  EXPECT_EQ(held_name("a\tb", '/', Replace::necessary), "a␉" + mark + "b");
  EXPECT_EQ(held_name(" a b ", '/', Replace::necessary), "\u00A0" + mark + "a b\u00A0" + mark);
  EXPECT_EQ(held_name("..", '/', Replace::necessary), "․" + mark + "․" + mark);
  EXPECT_EQ(held_name("what? (old)", '/', Replace::all), "what？" + mark + " （" + mark + "old）" + mark);
  EXPECT_EQ(shown_name("A∕B ／ 100％"), "A∕B ／ 100％") << "they stand for themselves";
  // Nothing is lost, and no two names are held as one, whatever is in them.
  const std::vector<std::string> letters{"/", ".", "∕", "․", "／", "．", mark, "a", "\n", "␊", " ", "\u00A0", "%", "ü", "😀", "\x7F"};
  for (const auto what : {Replace::necessary, Replace::separators, Replace::all})
    for (const char separator : {'/', '.', '\0'}) {
      std::map<std::string, std::string> held_as;
      for (std::size_t i = 0; i < letters.size() * letters.size() * letters.size(); ++i) {
        std::string name;
        for (auto rest = i + 1; rest > 0; rest /= letters.size()) name += letters[rest % letters.size()];
        const auto held = held_name(name, separator, what);
        if (separator != '\0') {
          ASSERT_EQ(held.find(separator), held.npos) << name;
        }
        ASSERT_EQ(held.find_first_of("%*\n\x7F"), held.npos) << name;
        ASSERT_EQ(shown_name(held), name);
        const auto [at, first] = held_as.emplace(held, name);
        ASSERT_TRUE(first || at->second == name) << name << " and " << at->second;
        ASSERT_EQ(decode_mailbox_name(encode_mailbox_name(held)), held);
      }
    }
}

// Replies that real servers gave: Gmail, Dovecot, Exchange, Domino, Courier, Cyrus, Yahoo and others.
TEST(Corpus, RepliesOfRealServersAreUnderstood) {
  const char* set = std::getenv("MAPIGATE_CORPORA");
  const auto corpora =
      set != nullptr ? fs::path(set) : fs::path(__FILE__).parent_path() / "../../../shared/corpora";
  const auto folder = corpora / "mailkit-imap-smtp/Imap/Resources";
  if (!fs::is_directory(folder)) GTEST_SKIP() << "no corpus mailkit-imap-smtp: set MAPIGATE_CORPORA";
  std::size_t files = 0, responses = 0, fetches = 0, lists = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".txt") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    // A piece from the middle of an answer, and one whose literal was counted with bare line feeds.
    if (entry.path().filename() == "issue115.txt" ||
        entry.path().filename() == "headers.1+unsolicited-info.txt")
      continue;
    // The others are kept with bare line feeds, too, but literals count the line ends as they were sent.
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) text.insert(at, "\r");
    ++files;
    ResponseReader reader;
    std::size_t here = 0;
    const auto status = feed_all(reader, text, 1024, [&](const Response& response) -> Status {
      ++here;
      ++responses;
      if (response.name == "FETCH") {
        EXPECT_TRUE(fetch_of(response).has_value()) << entry.path();
        ++fetches;
      }
      if (response.name == "LIST" && response.values.size() >= 3) {
        EXPECT_TRUE(parse_list(response).has_value()) << entry.path();
        ++lists;
      }
      if (response.name == "STATUS") {
        EXPECT_TRUE(parse_status(response).has_value()) << entry.path();
      }
      if (response.name == "SEARCH") {
        EXPECT_TRUE(parse_search(response).has_value()) << entry.path();
      }
      if (response.name == "VANISHED") {
        EXPECT_TRUE(parse_vanished(response).has_value()) << entry.path();
      }
      if (response.name == "NAMESPACE") {
        EXPECT_TRUE(parse_namespaces(response).has_value()) << entry.path();
      }
      return {};
    });
    EXPECT_TRUE(status.has_value()) << entry.path() << ": " << (status ? "" : status.error().message);
    EXPECT_GT(here, 0u) << entry.path();
  }
  EXPECT_GT(files, 50u);
  EXPECT_GT(fetches, 100u);
  EXPECT_GT(lists, 50u);
  RecordProperty("responses", static_cast<int>(responses));
}

}  // namespace
}  // namespace mapigate::imap
