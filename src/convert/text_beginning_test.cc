#include "convert/text_beginning.h"

#include <gtest/gtest.h>

#include "convert/mime_message.h"

namespace mapigate::convert {
namespace {

std::string repeated(std::string_view text, int times) {
  std::string out;
  while (times-- > 0) out += text;
  return out;
}
std::string multipart(const std::string& kind, const std::vector<std::string>& parts) {
  std::string out = "MIME-Version: 1.0\r\nContent-Type: multipart/" + kind + "; boundary=" + kind + "\r\n\r\nThis has parts.\r\n";
  for (const auto& part : parts) out += "--" + kind + "\r\n" + part + "\r\n";
  return out + "--" + kind + "--\r\n";
}
const std::string file = "Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + repeated("JVBERi0xLjQK\r\n", 60);
const std::string plain = "Content-Type: text/plain; charset=utf-8\r\n\r\nHällo Bob,\r\n" + repeated("überall Größe in Zeilen; ", 10) + "\r\n";
const std::string html = "Content-Type: text/html; charset=utf-8\r\n\r\n<html><head><style>p { color: red }</style></head><body><p>Hällo <b>Bob</b></p>" +
                         repeated("<p class=\"a\">Größe &amp; <a href=\"https://example.test/ä\">mehr</a> < 5</p>\r\n", 10) + "</body></html>\r\n";

TextBeginning of(const std::string& bytes, bool whole, std::size_t characters) {
  return text_beginning(ByteSource::from_string(bytes), whole, characters);
}

// However much of it there is: what is certain is what the whole message begins with.
void check_all_beginnings(const std::string& message, std::size_t certain_at_most) {
  constexpr std::size_t characters = 30;
  const auto parsed = MimeMessage::parse(ByteSource::from_string(message));
  ASSERT_TRUE(parsed);
  const auto text = (*parsed)->text();
  std::size_t certain_from = message.size();
  for (std::size_t size = message.size(); size-- > 0;) {
    const auto found = of(message.substr(0, size), false, characters);
    if (!found.certain) continue;
    certain_from = size;
    EXPECT_TRUE(text.starts_with(found.text)) << size << ": " << found.text;
    EXPECT_EQ(found.text.find("\xEF\xBF\xBD"), std::string::npos) << size;
    const auto wanted = text.size() > 60 ? first_characters(text, characters) : found.text;
    EXPECT_EQ(found.text, wanted) << size;
  }
  EXPECT_LE(certain_from, certain_at_most);
  EXPECT_EQ(of(message, true, characters).text, first_characters(text, characters));
  EXPECT_TRUE(of(message, true, characters).certain);
}

TEST(TextBeginning, OfAnyPartOfAMessage) {
  check_all_beginnings("Subject: x\r\n" + plain, 250);
  check_all_beginnings("Subject: x\r\n" + html, 900);
  check_all_beginnings(multipart("alternative", {plain, html}), 400);
  check_all_beginnings(multipart("mixed", {plain, file}), 400);
  check_all_beginnings(multipart("mixed", {multipart("alternative", {plain, html}), file}), 500);
  check_all_beginnings(multipart("related", {html, file}), 1000);
  check_all_beginnings(multipart("mixed", {file, plain}), 1500);
  check_all_beginnings(multipart("signed", {plain, "Content-Type: application/pgp-signature\r\n\r\nx\r\n"}), 400);
}

TEST(TextBeginning, OfEncodedText) {
  // "Größe " in base64, whose groups of characters end within characters of the text, and in quoted-printable.
  const std::string head = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: ";
  check_all_beginnings(head + "base64\r\n\r\n" + repeated("R3LDtsOfZSBHcsO2w59lIEdyw7bDn2Ug\r\n", 12), 500);
  check_all_beginnings(head + "quoted-printable\r\n\r\n" + repeated("Gr=C3=B6=C3=9Fe =\r\n", 40), 600);
}

TEST(TextBeginning, AShortTextBeforeFilesIsCertain) {
  const auto message = multipart("mixed", {"Content-Type: text/plain\r\n\r\nSee there.\r\n", file});
  const auto found = of(message.substr(0, 400), false, 300);
  EXPECT_TRUE(found.certain);
  EXPECT_EQ(found.text, "See there.\r\n");
  // What stands behind files may be the text; nothing is certain until it is there.
  const auto behind = multipart("mixed", {file, "Content-Type: text/plain\r\n\r\nSee there.\r\n"});
  EXPECT_FALSE(of(behind.substr(0, 400), false, 300).certain);
}

TEST(TextBeginning, OfMessagesWithoutText) {
  const std::string data = repeated("MIAGCSqGSIb3DQEHA6CA\r\n", 40);
  const auto encrypted = "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\n\r\n" + data;
  for (const auto& message : {encrypted, file}) {
    const auto found = of(message.substr(0, 300), false, 300);
    EXPECT_TRUE(found.certain);
    EXPECT_EQ(found.text, "");
  }
  EXPECT_FALSE(of("Content-Type: text/plain\r\nX-Long: and so", false, 300).certain) << "the header goes on";
  const auto tnef = multipart("mixed", {plain, "Content-Type: application/ms-tnef; name=winmail.dat\r\n\r\n" + data});
  EXPECT_FALSE(of(tnef.substr(0, 700), false, 30).certain) << "the text may be in the TNEF";
}

}  // namespace
}  // namespace mapigate::convert
