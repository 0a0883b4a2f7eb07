#include "convert/headers.h"

#include <gtest/gtest.h>

#include <ctime>

#include "convert/charset.h"
#include "convert/header_properties.h"
#include "mapi/entry_id.h"

namespace mapigate::convert {
namespace {

using namespace mapi;

std::string text(std::string_view raw) { return decode_header_text(as_view(raw)); }

TEST(HeaderText, DecodesEncodedWords) {
  EXPECT_EQ(text("=?ISO-8859-1?Q?Patrik_F=E4ltstr=F6m?="), "Patrik Fältström");
  EXPECT_EQ(text("=?utf-8?B?w4TDlsOc?="), "ÄÖÜ");
  EXPECT_EQ(text("=?UTF-8*de?Q?Gr=C3=BC=C3=9Fe?="), "Grüße");
  EXPECT_EQ(text("plain =?us-ascii?q?and?= more"), "plain and more");
  EXPECT_EQ(text("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?="), "日本");
  EXPECT_EQ(text("=?windows-1251?Q?=CF=F0=E8=E2=E5=F2?="), "Привет");
}

TEST(HeaderText, DropsTheGapBetweenWordsOnly) {
  EXPECT_EQ(text("=?utf-8?q?a?= =?utf-8?q?b?="), "ab");
  EXPECT_EQ(text("=?utf-8?q?a?=\r\n =?iso-8859-1?q?=E4?="), "aä");
  EXPECT_EQ(text("=?utf-8?q?a?= b =?utf-8?q?c?="), "a b c");
  EXPECT_EQ(text("=?utf-8?q?a_?= =?utf-8?q?b?="), "a b");
}

TEST(HeaderText, JoinsCharactersSplitBetweenWords) {
  EXPECT_EQ(text("=?utf-8?B?w4Q=?= =?utf-8?B?w5bD?= =?utf-8?Q?=9C?="), "ÄÖÜ");
  EXPECT_EQ(text("=?UTF-8?Q?=E2=82?=\r\n =?utf-8?Q?=AC?="), "€");
}

TEST(HeaderText, TakesBrokenWordsAsFarAsTheyGo) {
  EXPECT_EQ(text("=?utf-8?q?with spaces inside?="), "with spaces inside");
  EXPECT_EQ(text("=?utf-8?q?no_end"), "no end");
  EXPECT_EQ(text("=?utf-8?x?unknown?="), "=?utf-8?x?unknown?=");
  EXPECT_EQ(text("=?"), "=?");
  EXPECT_EQ(text("=?utf-8?q?=ZZ=4?="), "=ZZ=4");
  EXPECT_EQ(text("=?no-such-charset?q?=C3=A4?="), "ä");
  EXPECT_EQ(text("a=?utf-8?q?b?=c"), "abc");
}

TEST(HeaderText, GuessesRawEightBit) {
  EXPECT_EQ(text("Gr\xC3\xBC\xC3\x9F"
                 "e"),
            "Grüße");
  EXPECT_EQ(text("Gr\xFC\xDF"
                 "e \x80"),
            "Grüße €");
  EXPECT_EQ(text(std::string_view("a\0b\tc\r\n d", 10)), "ab c d");
}

TEST(Charset, KnowsCodePages) {
  EXPECT_EQ(code_page_of("UTF-8"), 65001u);
  EXPECT_EQ(code_page_of(" Windows-1252 "), 1252u);
  EXPECT_EQ(code_page_of("cp1251"), 1251u);
  EXPECT_EQ(code_page_of("shift_jis"), 932u);
  EXPECT_EQ(code_page_of("x-unknown"), 0u);
  EXPECT_EQ(code_page_of("windows-99999"), 0u);
  EXPECT_EQ(decode_charset(as_view("\xE4"), "iso-8859-1"), "ä");
  EXPECT_EQ(decode_charset(as_view("\xE4"), "utf-8"), "ä");
  EXPECT_EQ(decode_charset(as_view("\xC3\xA4"), "us-ascii"), "ä");
  EXPECT_EQ(decode_charset(as_view("\xEF\xBB\xBFx"), ""), "x");
}

// Supersets, as their names are used in mail.
TEST(Charset, ReadsWhatIsSentUnderTheNamesOfSmallerOnes) {
  EXPECT_EQ(decode_charset(as_view("\x8C\x63"), "euc-kr"), "똠");
  EXPECT_EQ(decode_charset(as_view("\x80"), "iso-8859-9"), "€");
  EXPECT_EQ(decode_charset(as_view("\x93x\x94"), "ISO_8859-1"), "“x”");
  EXPECT_EQ(decode_charset(as_view("\xC4\xE3"), "GB_2312-80"), "你");
  EXPECT_EQ(decode_charset(as_view("Gr+APw-+AN8-e"), "unicode-1-1-utf-7"), "Grüße");
}

// [MS-LCID] 2.2.
TEST(Charset, LanguagesHaveNumbers) {
  const std::pair<const char*, std::int32_t> known[] = {{"en-US", 0x0409}, {"de-AT", 0x0C07}, {"de", 0x0007},    {"zh-CN", 0x0804},
                                                         {"zh-TW", 0x0404}, {"pt-BR", 0x0416}, {"nb-NO", 0x0414}, {"sr-Latn-RS", 0x241A}};
  for (const auto& [tag, locale] : known) {
    EXPECT_EQ(locale_of_language(tag), locale) << tag;
    EXPECT_EQ(language_of_locale(locale), tag);
  }
  for (const auto* tag : {"", "x-none", "klingon!", "de_DE\r\n", "a-very-long-tag-that-is-no-language-of-any-country"}) EXPECT_EQ(locale_of_language(tag), 0) << tag;
  for (const std::int32_t locale : {0, -1, 0x7F, 0x0800, 0x7FFFFFFF}) EXPECT_EQ(language_of_locale(locale), "") << locale;
}

TEST(Header, SplitsFields) {
  const auto fields =
      split_header(as_view("Subject: one\r\n two\nX-Empty:\nbroken line\n more\nTo : x\n\nBody: no\n"));
  ASSERT_EQ(fields.size(), 3u);
  EXPECT_EQ(fields[0].name, "Subject");
  EXPECT_EQ(as_text(fields[0].value), " one\r\n two");
  EXPECT_EQ(as_text(fields[1].value), "");
  EXPECT_EQ(fields[2].name, "To");
  EXPECT_EQ(find_field(fields, "SUBJECT"), &fields[0]);
  EXPECT_EQ(find_field(fields, "Body"), nullptr);
  EXPECT_EQ(split_header(as_view("A: 1\nB: 2\n"), 5).size(), 1u);
}

std::vector<std::pair<std::string, std::string>> addresses(std::string_view raw) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& entry : parse_addresses(as_view(raw))) out.emplace_back(entry.name, entry.address);
  return out;
}

TEST(Header, ParsesAddresses) {
  using List = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(addresses("a@example.com"), (List{{"", "a@example.com"}}));
  EXPECT_EQ(addresses("\"Doe, Jane\" <jane@example.com>, Bob <bob@example.org>"),
            (List{{"Doe, Jane", "jane@example.com"}, {"Bob", "bob@example.org"}}));
  EXPECT_EQ(addresses("=?utf-8?q?J=C3=BCrgen?= <j@example.com>"), (List{{"Jürgen", "j@example.com"}}));
  EXPECT_EQ(addresses("Team: a@example.com, b@example.com;, c@example.com"),
            (List{{"", "a@example.com"}, {"", "b@example.com"}, {"", "c@example.com"}}));
  EXPECT_EQ(addresses("undisclosed-recipients:;"), List{});
  EXPECT_EQ(addresses("  \r\n "), List{});
  EXPECT_EQ(addresses("J\xFCrgen <j@example.com>"), (List{{"Jürgen", "j@example.com"}}));
  EXPECT_EQ(addresses("'quoted@example.com' <quoted@example.com>"),
            (List{{"quoted@example.com", "quoted@example.com"}}));
}

// What is read without the library reads as the library does; it gets whatever is folded.
TEST(Header, PlainAddressesReadAsTheLibraryReadsThem) {
  for (const std::string text :
       {"a@b.example", " a@b.example ", "<a@b.example>", "Jane Doe <jane.doe+x@mail.b.example>", "\"Doe, Jane\" <j-d@b.example>,  c_d@b.example ,E F<e@f.example>",
        "\"J. Doe (Sales); =) \"<a@b.example>", "a@b", "Jane  Doe <a@b.example>", "J. Doe <a@b.example>", "a@b.example (Jane)", "a@b.example, ", ", a@b.example",
        "a.@b.example", ".a@b.example", "a@b@c", "a@", "@b", "Jane", "Jane <>", "<a@b.example", "a@b.example>", "\"\" <a@b.example>", "\" J \" <a@b.example>",
        "\"'J'\" <a@b.example>", "'J' <a@b.example>", "\"J\" a@b.example", "a@[127.0.0.1]", "\"a b\"@c.example", "a@xn--bcher-kva.example",
        "\"=?utf-8?q?J=C3=BC?=\" <a@b.example>", "x: a@b.example;", "a b@c.example", "a@b.example c@d.example", "a@b..example", "<@c.example:a@b.example>", "a@b.example;c@d.example",
        "=?utf-8?q?J=C3=BCrgen?= <j@b.example>", "=?utf-8?q?J=C3=BCrgen?= =?utf-8?b?TcO8w59pZw==?= <j@b.example>, =?iso-8859-1?Q?=C9lodie_Cr=E8vec?= <e@b.example>",
        "=?utf-8?q?J=C3=BCrgen?=  Doe <j@b.example>", "=?utf-8?q?a b?= <j@b.example>", "=?utf-8?x?abc?= <j@b.example>", "=?nowhere?q?abc?= <j@b.example>", "=?utf-8?b?not-base64!?= <j@b.example>",
        "=?utf-8?q?'J'?= <j@b.example>", "=?utf-8?q?" "?= <j@b.example>", "=?utf-8?q?=20_?= <j@b.example>", "=?utf-8?q?a?==?utf-8?q?b?= <j@b.example>", "=?utf-8?q?a=0D=0Ab=00c?= <j@b.example>",
        "=?utf-8?q?=E2=82?= =?utf-8?q?=AC?= <j@b.example>", "=?utf-8?q?D=2C_J=2E_=3Cx=40y=3E?= <j@b.example>"})
    EXPECT_EQ(addresses(text), addresses("\r\n " + text)) << text;
}

TEST(Header, ParsesDates) {
  EXPECT_EQ(to_unix(*parse_date(as_view("Mon, 26 Jun 2023 10:20:30 +0200"))), 1687767630);
  EXPECT_EQ(to_unix(*parse_date(as_view(" 26 Jun 23 08:20:30 GMT (comment)"))), 1687767630);
  EXPECT_EQ(to_unix(*parse_date(as_view("Mon, 26 Jun 2023\r\n 04:20:30 EDT"))), 1687767630);
  EXPECT_FALSE(parse_date(as_view("yesterday")));
  EXPECT_FALSE(parse_date(as_view("")));
}

TEST(Header, SplitsSubjects) {
  EXPECT_EQ(split_subject("RE: plan").prefix, "RE: ");
  EXPECT_EQ(split_subject("RE: plan").normalized, "plan");
  EXPECT_EQ(split_subject("Antw: plan").prefix, "");
  EXPECT_EQ(split_subject("A1: plan").prefix, "");
  EXPECT_EQ(split_subject("RE:plan").prefix, "");
  EXPECT_EQ(split_subject(": plan").prefix, "");
  EXPECT_EQ(split_subject("回复: x").prefix, "回复: ");
  EXPECT_EQ(split_subject("").normalized, "");
}

constexpr std::string_view sample =
    "Received: from a by b; Mon, 26 Jun 2023 10:00:05 +0000\r\n"
    "Received: from z by a; Mon, 26 Jun 2023 10:00:02 +0000\r\n"
    "From: \"Smith, Anna\" <anna@example.com>\r\n"
    "Sender: assistant@example.com\r\n"
    "To: Bob <bob@example.org>, carol@example.org\r\n"
    "To: dave@example.org\r\n"
    "Cc: =?utf-8?q?Zo=C3=AB?= <zoe@example.org>\r\n"
    "Reply-To: list@example.com\r\n"
    "Subject: AW: =?iso-8859-1?q?Pr=FCfung?=\r\n"
    "Date: Mon, 26 Jun 2023 10:00:00 +0000\r\n"
    "Message-ID: <two@example.com>\r\n"
    "References: <one@example.com> <onehalf@example.com>\r\n"
    "In-Reply-To: <onehalf@example.com>\r\n"
    "X-Priority: 1 (Highest)\r\n"
    "Sensitivity: Company-Confidential\r\n"
    "Disposition-Notification-To: anna@example.com\r\n"
    "X-Auto-Response-Suppress: DR, OOF\r\n"
    "\r\n";

TEST(HeaderProperties, MapsTheSample) {
  const auto bag = header_properties(as_view(sample));
  EXPECT_EQ(bag.string(PidTagMessageClass), "IPM.Note");
  EXPECT_EQ(bag.string(PidTagSubject), "AW: Prüfung");
  EXPECT_EQ(bag.string(PidTagSubjectPrefix), "AW: ");
  EXPECT_EQ(bag.string(PidTagNormalizedSubject), "Prüfung");
  EXPECT_EQ(bag.string(PidTagConversationTopic), "Prüfung");
  EXPECT_EQ(to_iso8601(bag.time(PidTagClientSubmitTime)), "2023-06-26T10:00:00Z");
  EXPECT_EQ(to_iso8601(bag.time(PidTagMessageDeliveryTime)), "2023-06-26T10:00:05Z");
  EXPECT_EQ(bag.string(PidTagSenderName), "assistant@example.com");
  EXPECT_EQ(bag.string(PidTagSentRepresentingName), "Smith, Anna");
  EXPECT_EQ(bag.string(PidTagSentRepresentingEmailAddress), "anna@example.com");
  EXPECT_EQ(bag.string(PidTagSentRepresentingAddressType), "SMTP");
  EXPECT_EQ(as_text(bag.binary(PidTagSentRepresentingSearchKey)),
            std::string_view("SMTP:ANNA@EXAMPLE.COM\0", 22));
  const auto entry_id = parse_one_off_entry_id(bag.binary(PidTagSentRepresentingEntryId));
  ASSERT_TRUE(entry_id);
  EXPECT_EQ(*entry_id, (OneOff{"Smith, Anna", "SMTP", "anna@example.com"}));
  EXPECT_EQ(bag.string(PidTagDisplayTo), "Bob; carol@example.org; dave@example.org");
  EXPECT_EQ(bag.string(PidTagDisplayCc), "Zoë");
  EXPECT_TRUE(bag.contains(PidTagDisplayBcc));
  EXPECT_EQ(bag.string(PidTagReplyRecipientNames), "list@example.com");
  const auto reply = parse_flat_entry_list(bag.binary(PidTagReplyRecipientEntries));
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->size(), 1u);
  EXPECT_EQ(parse_one_off_entry_id(reply->front())->EmailAddress, "list@example.com");
  EXPECT_EQ(bag.number(PidTagImportance), 2);
  EXPECT_EQ(bag.number(PidTagPriority), 1);
  EXPECT_EQ(bag.number(PidTagSensitivity), 3);
  EXPECT_EQ(bag.string(PidTagInternetMessageId), "<two@example.com>");
  EXPECT_EQ(bag.string(PidTagInternetReferences), "<one@example.com> <onehalf@example.com>");
  EXPECT_EQ(bag.string(PidTagInReplyToId), "<onehalf@example.com>");
  EXPECT_EQ(bag.number(PidTagReadReceiptRequested), 1);
  EXPECT_EQ(bag.string(PidTagReadReceiptEmailAddress), "anna@example.com");
  EXPECT_EQ(bag.number(PidTagOriginatorDeliveryReportRequested), 0);
  EXPECT_EQ(bag.number(PidTagAutoResponseSuppress), 0x11);
}

TEST(HeaderProperties, PrefersTheGivenInternalDate) {
  HeaderOptions options;
  options.internal_date = from_unix(1700000000);
  EXPECT_EQ(header_properties(as_view(sample), options).time(PidTagMessageDeliveryTime),
            from_unix(1700000000));
}

TEST(HeaderProperties, GivesAThreadOneConversation) {
  const auto first =
      header_properties(as_view("Message-ID: <root@x>\nSubject: a\nDate: Mon, 26 Jun 2023 10:00:00 +0000\n"));
  const auto reply =
      header_properties(as_view("Message-ID: <r1@x>\nIn-Reply-To: <root@x>\nSubject: Re: a\n"));
  const auto later =
      header_properties(as_view("Message-ID: <r2@x>\nReferences: <root@x> <r1@x>\nSubject: Re: a\n"));
  const auto other = header_properties(as_view("Message-ID: <other@x>\nSubject: a\n"));
  const auto id = to_hex(first.binary(PidTagConversationId));
  EXPECT_EQ(id.size(), 32u);
  EXPECT_EQ(to_hex(reply.binary(PidTagConversationId)), id);
  EXPECT_EQ(to_hex(later.binary(PidTagConversationId)), id);
  EXPECT_NE(to_hex(other.binary(PidTagConversationId)), id);
  EXPECT_EQ(first.binary(PidTagConversationIndex).size(), 22u);
  EXPECT_EQ(first.binary(PidTagConversationIndex)[0], 1);
}

TEST(HeaderProperties, TakesThreadIndexAndTopic) {
  const auto bag = header_properties(as_view(
      "Subject: Re: shown\nThread-Topic: topic\nThread-Index: AQHZqBc3Z0m0w0mCfkyX1i2WgQJ3fa+dEXAB\n"));
  EXPECT_EQ(bag.string(PidTagConversationTopic), "topic");
  EXPECT_EQ(to_base64(bag.binary(PidTagConversationIndex)), "AQHZqBc3Z0m0w0mCfkyX1i2WgQJ3fa+dEXAB");
  // Row T2: an empty topic must not blank the subject.
  EXPECT_EQ(header_properties(as_view("Subject: x\nThread-Topic:\n")).string(PidTagConversationTopic), "x");
  EXPECT_EQ(header_properties(as_view("Thread-Index: AQ==\n")).binary(PidTagConversationIndex).size(), 22u);
}

TEST(HeaderProperties, SeesTheClassInTheContentType) {
  const auto of = [](std::string_view header) {
    return header_properties(as_view(header)).string(PidTagMessageClass);
  };
  EXPECT_EQ(of("Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"\n"),
            "IPM.Note.SMIME.MultipartSigned");
  EXPECT_EQ(of("Content-Type: application/x-pkcs7-mime\n"), "IPM.Note.SMIME");
  EXPECT_EQ(of("Content-Type: multipart/report;\n report-type=delivery-status\n"), "REPORT.IPM.Note.NDR");
  EXPECT_EQ(of("Content-Type: multipart/report; report-type=\"disposition-notification\"\n"),
            "REPORT.IPM.Note.IPNRN");
  EXPECT_EQ(of(""), "IPM.Note");
}

TEST(HeaderProperties, AsksForAllItLooksAt) {
  // Only the listed fields, as a FETCH of them gives: nothing but the delivery time may be missing.
  std::string some;
  for (const auto& field : split_header(as_view(sample))) {
    for (const auto name : index_headers()) {
      if (find_field({field}, name) == nullptr) continue;
      some += std::string(field.name) + ":" + std::string(as_text(field.value)) + "\r\n";
    }
  }
  HeaderOptions options;
  options.internal_date = from_unix(1700000000);
  const auto whole = header_properties(as_view(sample), options);
  const auto part = header_properties(as_view(some), options);
  ASSERT_EQ(whole.size(), part.size());
  for (const auto& entry : whole) {
    ASSERT_TRUE(part.contains(entry.tag)) << to_string(entry.tag);
    EXPECT_EQ(text_of(entry.value), text_of(*part.find(entry.tag))) << to_string(entry.tag);
  }
}

TEST(HeaderProperties, Recipients) {
  const auto list = header_recipients(split_header(as_view(sample)));
  ASSERT_EQ(list.size(), 4u);
  EXPECT_EQ(list[0].display_name, "Bob");
  EXPECT_EQ(list[0].type, recipient_to);
  EXPECT_EQ(list[3].display_name, "Zoë");
  EXPECT_EQ(list[3].type, recipient_cc);
  // Row S4.
  for (const auto& recipient : list) {
    EXPECT_EQ(recipient.properties.string(PidTagAddressType), "SMTP");
    EXPECT_EQ(recipient.properties.string(PidTagEmailAddress), recipient.smtp_address);
    EXPECT_FALSE(recipient.properties.binary(PidTagEntryId).empty());
    EXPECT_FALSE(recipient.properties.string(PidTagDisplayName).empty());
  }
}

}  // namespace
}  // namespace mapigate::convert
