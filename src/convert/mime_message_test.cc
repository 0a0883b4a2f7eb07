#include "convert/mime_message.h"

#include <gtest/gtest.h>

#include <thread>

#include "convert/rtf.h"

namespace mapigate::convert {
namespace {

using namespace mapi;

std::string crlf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}
std::shared_ptr<MimeMessage> parse(std::string text, const MimeOptions& options = {}) {
  auto message = MimeMessage::parse(ByteSource::from_string(std::move(text)), options);
  EXPECT_TRUE(message);
  return *message;
}
std::string html_of(const MimeMessage& message) {
  return from_code_page(as_text(message.html()), message.html_code_page());
}
std::string name_of(const Attachment& attachment) {
  return attachment.properties.string(PidTagAttachLongFilename);
}
std::string class_of(const MimeMessage& message) { return message.properties().string(PidTagMessageClass); }
std::string data_of(const MimeMessage& message, std::size_t i) {
  const auto data = message.attachment_data(i);
  EXPECT_TRUE(data);
  EXPECT_EQ(*message.attachment_size(i), data->size());
  return std::string(as_text(*data));
}

TEST(MimeMessage, PlainText) {
  const auto message = parse(
      "Subject: hi\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: "
      "quoted-printable\n"
      "X-Mailer: Test 1\nKeywords: red, blue\nList-Help: <mailto:h@x>\n\nGr=FC=DFe <b>\nline=\n two\n");
  EXPECT_EQ(message->native_body(), NativeBody::text);
  EXPECT_EQ(message->text(), "Grüße <b>\r\nline two\r\n");
  EXPECT_NE(html_of(*message).find("Grüße &lt;b&gt;<br>"), std::string::npos);
  // The page of the body's charset; HTML that is made is in it and says so.
  EXPECT_EQ(message->properties().number(PidTagInternetCodepage), 28591);
  EXPECT_NE(as_text(message->html()).find("charset=iso-8859-1"), std::string_view::npos);
  EXPECT_NE(as_text(message->html()).find("Gr\xFC\xDF" "e"), std::string_view::npos);
  EXPECT_EQ(parse("\nascii")->properties().number(PidTagInternetCodepage), 20127);
  EXPECT_EQ(parse("\n\xC3\xA4")->properties().number(PidTagInternetCodepage), 65001);
  EXPECT_EQ(html_of(*parse("Content-Type: text/plain; charset=us-ascii\n\n\xE4")).find("\xC3\xA4") != std::string::npos, true);
  EXPECT_EQ(rtf_to_text(*decompress_rtf(message->rtf_compressed())), message->text());
  EXPECT_TRUE(message->attachments().empty());
  EXPECT_EQ(message->properties().number(PidTagHasAttachments), 0);
  EXPECT_EQ(message->properties().number(PidTagNativeBody), 1);
  EXPECT_TRUE(message->properties().contains(PidTagRtfInSync));  // row S9
  EXPECT_EQ(message->properties().number(PidTagMessageSize),
            static_cast<std::int64_t>(message->source().size()));
  EXPECT_EQ(message->properties().string(PidTagListHelp), "<mailto:h@x>");
  EXPECT_EQ(message->keywords(), (std::vector<std::string>{"red", "blue"}));
  ASSERT_EQ(message->internet_headers().size(), 1u);
  EXPECT_EQ(message->internet_headers()[0].first,
            (PropertyName{PS_INTERNET_HEADERS, std::nullopt, "x-mailer"}));
  EXPECT_EQ(message->internet_headers()[0].second, "Test 1");
  EXPECT_TRUE(
      message->properties().string(PidTagTransportMessageHeaders).starts_with("Subject: hi\nContent-Type"));
}

// [MS-OXCMAIL] 2.2.3.2.15, [MS-OXOUM].
TEST(MimeMessage, ContentClassNamesTheClass) {
  const auto voice = parse(
      "Content-Class: voice-ca\nX-CallingTelephoneNumber: +49 1\nX-VoiceMessageDuration: 17\nX-AttachmentOrder: a.wav\n"
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: audio/wav; name=a.wav\n\nRIFF\n--b--\n");
  EXPECT_EQ(class_of(*voice), "IPM.Note.Microsoft.Voicemail.UM.CA");
  EXPECT_EQ(voice->properties().string(PidTagSenderTelephoneNumber), "+49 1");
  EXPECT_EQ(voice->properties().number(PidTagVoiceMessageDuration), 17);
  EXPECT_EQ(voice->properties().string(PidTagVoiceMessageAttachmentOrder), "a.wav");
  ASSERT_FALSE(voice->internet_headers().empty());
  EXPECT_EQ(voice->internet_headers()[0].first.name, "content-class");
  EXPECT_EQ(class_of(*parse("Content-Class: voice-ca\n\nno voice")), "IPM.Note");
  EXPECT_EQ(class_of(*parse("Content-Class: MissedCall\n\n")), "IPM.Note.Microsoft.Missed.Voice");
  EXPECT_EQ(class_of(*parse("Content-Class: urn:content-class:custom.Order\n\n")), "IPM.Note.Custom.Order");
  EXPECT_EQ(class_of(*parse("Content-Class: urn:content-class:custom.a b\n\n")), "IPM.Note");
  EXPECT_EQ(class_of(*parse("Content-Class: urn:content-classes:message\nX-VoiceMessageDuration: 1x\n\n")), "IPM.Note");
  EXPECT_EQ(header_properties(as_view(std::string_view("Content-Class: fax\n"))).string(PidTagMessageClass), "IPM.Note.Microsoft.Fax");
  EXPECT_EQ(header_properties(as_view(std::string_view("Content-Class: fax\nContent-Type: multipart/signed\n"))).string(PidTagMessageClass),
            "IPM.Note.SMIME.MultipartSigned");
}

// RFC 3676.
TEST(MimeMessage, FlowedTextIsJoined) {
  const auto text = [](std::string_view parameters, std::string_view body) {
    return parse("Content-Type: text/plain; format=flowed" + std::string(parameters) + "\n\n" + std::string(body))->text();
  };
  EXPECT_EQ(text("", "a long \nparagraph \nends.\nnext\n"), "a long paragraph ends.\r\nnext\r\n");
  EXPECT_EQ(text("; delsp=yes", "日 \n本\n"), "日本\r\n");
  EXPECT_EQ(text("", ">> deep \n>> er\n> less \nnone\n"), ">> deep er\r\n> less \r\nnone\r\n");
  EXPECT_EQ(text("", " From me\n  indented\n"), "From me\r\n indented\r\n");
  EXPECT_EQ(text("", "text \n-- \nname\n"), "text \r\n-- \r\nname\r\n");
  EXPECT_EQ(text("", "\nopen "), "\r\nopen ");
  EXPECT_EQ(parse("Content-Type: text/plain; format=fixed\n\na \nb\n")->text(), "a \r\nb\r\n");
}

TEST(MimeMessage, HtmlOnlyKeepsItsBytes) {
  const auto message = parse("Content-Type: text/html; charset=windows-1251\n\n<p>\xCF\xF0\xE8</p>");
  EXPECT_EQ(message->native_body(), NativeBody::html);
  EXPECT_EQ(message->html_code_page(), 1251u);
  EXPECT_EQ(as_text(message->html()), "<p>\xCF\xF0\xE8</p>");
  EXPECT_EQ(message->properties().number(PidTagInternetCodepage), 1251);
  EXPECT_EQ(message->text(), "При\r\n");
  EXPECT_EQ(*rtf_to_html(*decompress_rtf(message->rtf_compressed())), "<p>При</p>");
  EXPECT_EQ(message->properties().number(PidTagRtfInSync), 0);
  const auto lying = parse("Content-Type: text/html; charset=utf-8\n\n<p>\xE4</p>");
  EXPECT_EQ(lying->html_code_page(), 65001u);
  EXPECT_EQ(as_text(lying->html()), "<p>ä</p>");
  const auto meta = parse("Content-Type: text/html\n\n<meta charset=\"koi8-r\"><p>\xF0</p>");
  EXPECT_EQ(meta->html_code_page(), 20866u);
}

constexpr std::string_view rich =
    "Subject: rich\n"
    "MIME-Version: 1.0\n"
    "Content-Type: multipart/mixed; boundary=\"M\"\n"
    "\n"
    "preamble\n"
    "--M\n"
    "Content-Type: multipart/related; boundary=\"R\"; type=\"multipart/alternative\"\n"
    "\n"
    "--R\n"
    "Content-Type: multipart/alternative; boundary=A\n"
    "\n"
    "--A\n"
    "Content-Type: text/plain\n"
    "\n"
    "plain part\n"
    "--A\n"
    "Content-Type: text/html; charset=utf-8\n"
    "\n"
    "<p>html part <img src=\"cid:pic@x\"></p>\n"
    "--A--\n"
    "\n"
    "--R\n"
    "Content-Type: image/png\n"
    "Content-ID: <pic@x>\n"
    "Content-Transfer-Encoding: base64\n"
    "Content-Disposition: inline; filename=\"pic.png\"\n"
    "\n"
    "iVBORw0KGgo=\n"
    "--R--\n"
    "--M\n"
    "Content-Type: application/pdf; name=\"ignored.pdf\"\n"
    "Content-Disposition: attachment;\n"
    " filename*0*=utf-8''Gesch%C3%A4fts;\n"
    " filename*1*=bericht%202023;\n"
    " filename*2=.pdf\n"
    "Content-Transfer-Encoding: base64\n"
    "\n"
    "JVBERi0x\n"
    "LjQ=\n"
    "--M\n"
    "Content-Type: message/rfc822\n"
    "\n"
    "Subject: =?utf-8?q?inner_=C3=A4?=\n"
    "From: in@example.com\n"
    "\n"
    "inner text\n"
    "--M--\n"
    "epilogue\n";

TEST(MimeMessage, SortsBodiesAndAttachments) {
  for (const auto& source : {std::string(rich), crlf(rich)}) {
    const auto message = parse(source);
    EXPECT_EQ(class_of(*message), "IPM.Note");
    EXPECT_EQ(message->text(), "plain part");
    EXPECT_EQ(as_text(message->html()), "<p>html part <img src=\"cid:pic@x\"></p>");
    ASSERT_EQ(message->attachments().size(), 3u);
    const auto& picture = message->attachments()[0].properties;
    EXPECT_EQ(picture.string(PidTagAttachLongFilename), "pic.png");
    EXPECT_EQ(picture.string(PidTagAttachExtension), ".png");
    EXPECT_EQ(picture.string(PidTagAttachMimeTag), "image/png");
    EXPECT_EQ(picture.string(PidTagAttachContentId), "pic@x");
    EXPECT_EQ(picture.number(PidTagAttachFlags), 4);
    EXPECT_EQ(picture.number(PidTagAttachmentHidden), 1);
    EXPECT_EQ(picture.number(PidTagRenderingPosition), -1);
    EXPECT_EQ(picture.number(PidTagAttachSize), 8);
    EXPECT_EQ(data_of(*message, 0), "\x89PNG\r\n\x1A\n");
    const auto& report = message->attachments()[1].properties;
    EXPECT_EQ(report.string(PidTagAttachLongFilename), "Geschäftsbericht 2023.pdf");
    EXPECT_EQ(report.string(PidTagAttachFilename).substr(7), "1.pdf");
    EXPECT_EQ(report.number(PidTagAttachmentHidden), 0);
    EXPECT_EQ(report.number(PidTagAttachMethod), afByValue);
    EXPECT_EQ(report.number(PidTagAttachNumber), 1);
    EXPECT_EQ(data_of(*message, 1), "%PDF-1.4");
    const auto& inner = message->attachments()[2];
    EXPECT_EQ(inner.kind, Attachment::Kind::embedded);
    EXPECT_EQ(inner.properties.number(PidTagAttachMethod), afEmbeddedMessage);
    EXPECT_EQ(inner.properties.string(PidTagDisplayName), "inner ä");
    const auto embedded = message->embedded(2);
    ASSERT_TRUE(embedded);
    EXPECT_EQ((*embedded)->properties().string(PidTagSubject), "inner ä");
    EXPECT_EQ((*embedded)->text(), "inner text");
    EXPECT_EQ(message->properties().number(PidTagHasAttachments), 1);
    EXPECT_EQ(message->embedded(0).error().code, Errc::not_found);
    EXPECT_EQ(message->attachment_data(3).error().code, Errc::not_found);
  }
}

// [MS-OXCMSG] 2.2.1.2 and 2.2.1.14.
TEST(MimeMessage, OnlyHiddenPicturesAreNoFilesToShow) {
  const auto says_so = [](const MimeMessage& message) {
    for (const auto& [id, name] : message.names())
      if (name == PropertyName(PidLidSmartNoAttach)) return message.named_properties().number(PropertyTag(id, PropertyType::PtypBoolean)) == 1;
    return false;
  };
  const auto message = parse(
      "Content-Type: multipart/related; boundary=r\n\n--r\nContent-Type: text/html\n\n<img src='cid:1'>\n"
      "--r\nContent-Type: image/gif\nContent-ID: <1>\n\nGIF\n--r--\n");
  ASSERT_EQ(message->attachments().size(), 1u);
  EXPECT_EQ(name_of(message->attachments()[0]), "ATT00001.gif");
  EXPECT_EQ(message->properties().number(PidTagHasAttachments), 1);
  EXPECT_TRUE(says_so(*message));
  const auto file = parse("Content-Type: multipart/mixed; boundary=r\n\n--r\n\ntext\n--r\nContent-Type: image/gif\n\nGIF\n--r--\n");
  EXPECT_EQ(file->properties().number(PidTagHasAttachments), 1);
  EXPECT_FALSE(says_so(*file));
  EXPECT_FALSE(says_so(*parse("\ntext")));
}

// [MS-OXCMAIL] 2.2.3.4, RFC 1740.
TEST(MimeMessage, AFileOfAMacintoshIsOne) {
  const auto message = parse(
      "Content-Type: multipart/mixed; boundary=m\n\n--m\n\ntext\n--m\nContent-Type: multipart/appledouble; boundary=a\n\n"
      "--a\nContent-Type: application/applefile; name=a.txt\n\nfork\n--a\nContent-Type: text/plain; name=a.txt\n\nfile\n--a--\n--m--\n");
  EXPECT_EQ(message->text(), "text");
  ASSERT_EQ(message->attachments().size(), 2u);
  EXPECT_EQ(message->attachments()[0].properties.number(PidTagAttachmentHidden), 1);
  EXPECT_EQ(message->attachments()[1].properties.number(PidTagAttachmentHidden), 0);
  EXPECT_EQ(data_of(*message, 1), "file");
}

TEST(MimeMessage, JoinsBodyStretches) {
  const auto plain = parse(
      "Content-Type: multipart/mixed; boundary=m\n\n--m\n\none\n--m\nContent-Type: "
      "text/plain\n\nfooter\n--m--\n");
  EXPECT_EQ(plain->text(), "one\r\nfooter");
  EXPECT_TRUE(plain->attachments().empty());
  const auto mixed = parse(
      "Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: text/html\n\n<body>one</body>\n"
      "--m\nContent-Type: text/plain\n\n<two>\n--m--\n");
  EXPECT_EQ(as_text(mixed->html()), "<body>one<br>\r\n<div class=\"PlainText\">&lt;two&gt;</div>\r\n</body>");
  EXPECT_EQ(mixed->text(), "one\r\n<two>");
}

TEST(MimeMessage, SignedKeepsEveryByte) {
  const std::string body =
      "--s\r\nContent-Type: text/plain\r\n\r\nsigned  \r\n--s\r\nContent-Type: application/pkcs7-signature; "
      "name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\nMIIB\r\n--s--\r\n";
  const std::string type =
      "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n\tboundary=s\r\n";
  const auto message = parse("Subject: s\r\n" + type + "\r\n" + body);
  EXPECT_EQ(class_of(*message), "IPM.Note.SMIME.MultipartSigned");
  ASSERT_EQ(message->attachments().size(), 1u);
  EXPECT_EQ(name_of(message->attachments()[0]), "smime.p7m");
  EXPECT_EQ(message->attachments()[0].properties.string(PidTagAttachMimeTag), "multipart/signed");
  EXPECT_EQ(data_of(*message, 0), type + "\r\n" + body);
  EXPECT_EQ(message->text(), "signed  ");
}

TEST(MimeMessage, EncryptedIsOneAttachment) {
  const auto message = parse(
      "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\n"
      "Content-Transfer-Encoding: base64\n\nMIIBAQID\n");
  EXPECT_EQ(class_of(*message), "IPM.Note.SMIME");
  ASSERT_EQ(message->attachments().size(), 1u);
  EXPECT_EQ(data_of(*message, 0), std::string("\x30\x82\x01\x01\x02\x03", 6));
  EXPECT_EQ(message->text(), "");
}

TEST(MimeMessage, Reports) {
  const auto report = [](std::string_view type, std::string_view part, std::string_view body) {
    return class_of(*parse("Content-Type: multipart/report; report-type=" + std::string(type) +
                           "; boundary=b\n\n--b\n\nfailed\n--b\nContent-Type: " + std::string(part) + "\n\n" +
                           std::string(body) + "\n--b--\n"));
  };
  EXPECT_EQ(report("delivery-status", "message/delivery-status", "Reporting-MTA: dns; x\n\nAction: failed"),
            "REPORT.IPM.Note.NDR");
  EXPECT_EQ(report("delivery-status", "message/delivery-status", "\nAction: Delivered"),
            "REPORT.IPM.Note.DR");
  EXPECT_EQ(report("delivery-status", "message/delivery-status", "\nAction: delayed"),
            "REPORT.IPM.Note.Delayed.DR");
  EXPECT_EQ(report("disposition-notification", "message/disposition-notification",
                   "Disposition: manual-action/MDN-sent-manually; displayed"),
            "REPORT.IPM.Note.IPNRN");
  EXPECT_EQ(report("disposition-notification", "message/disposition-notification",
                   "Disposition: automatic-action/MDN-sent-automatically; deleted"),
            "REPORT.IPM.Note.IPNNRN");
}

// [MS-OXCMAIL] 2.2.3.7.1: Outlook shows an NDR by its recipients and properties.
TEST(MimeMessage, DeliveryReportsTellOfWhomTheyAre) {
  const auto report = parse(
      "To: sender@x\nDate: Mon, 26 Jun 2023 10:00:00 +0000\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
      "--b\n\nsorry\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mta.example\nArrival-Date: x\n\n"
      "Final-Recipient: rfc822; fine@x\nAction: delivered\nStatus: 2.0.0\n\n"
      "Final-Recipient: rfc822; gone@x\nAction: failed\nStatus: 5.1.1 (bad)\nRemote-MTA: dns; far.example\n"
      "Diagnostic-Code: smtp; 550 no\n such user\nX-Display-Name: Gone Away\n\n"
      "Original-Recipient: rfc822;<odd@x>\nAction: Failed\nStatus: 5.12.0\nX-Supplementary-Info: <given>\n"
      "--b\nContent-Type: text/rfc822-headers\n\nSubject: =?utf-8?q?=C3=A4?=\nMessage-ID: <orig@x>\nDate: Sun, 25 Jun 2023 10:00:00 +0000\n--b--\n");
  const auto& bag = report->properties();
  EXPECT_EQ(bag.string(PidTagMessageClass), "REPORT.IPM.Note.NDR");
  EXPECT_EQ(bag.string(PidTagReportingMessageTransferAgent), "mta.example");
  EXPECT_EQ(bag.string(PidTagOriginalSubject), "ä");
  EXPECT_EQ(bag.string(PidTagOriginalMessageId), "<orig@x>");
  EXPECT_EQ(bag.time(PidTagOriginalSubmitTime), from_unix(1687687200));
  EXPECT_EQ(bag.time(PidTagReportTime), from_unix(1687773600));
  EXPECT_EQ(bag.string(PidTagDisplayTo), "sender@x");
  ASSERT_EQ(report->recipients().size(), 2u);
  const auto& gone = report->recipients()[0].properties;
  EXPECT_EQ(gone.string(PidTagDisplayName), "Gone Away");
  EXPECT_EQ(gone.string(PidTagSmtpAddress), "gone@x");
  EXPECT_EQ(gone.string(PidTagRemoteMessageTransferAgent), "far.example");
  EXPECT_EQ(gone.string(PidTagSupplementaryInfo), "<far.example #5.1.1 smtp; 550 no such user>");
  EXPECT_EQ(gone.number(PidTagNonDeliveryReportStatusCode), 511);
  EXPECT_EQ(gone.number(PidTagNonDeliveryReportDiagCode), 35);
  const auto& odd = report->recipients()[1].properties;
  EXPECT_EQ(odd.string(PidTagSmtpAddress), "odd@x");
  EXPECT_EQ(odd.string(PidTagSupplementaryInfo), "<given>");
  EXPECT_EQ(odd.number(PidTagNonDeliveryReportStatusCode), 500);
  EXPECT_EQ(odd.number(PidTagNonDeliveryReportDiagCode), -1);
  ASSERT_EQ(report->attachments().size(), 1u);  // the header that came back; what was read of it is none
  EXPECT_EQ(report->attachments()[0].properties.string(PidTagAttachMimeTag), "text/rfc822-headers");
}

TEST(MimeMessage, ReadReceiptsTellOfWhichMessage) {
  const auto receipt = parse(
      "To: sender@x\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nread\n--b\n"
      "Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822;r@x\nOriginal-Message-ID: <orig@x>\n"
      "Disposition: manual-action/MDN-sent-manually; displayed\nX-MSExch-Correlation-Key: AQID\n--b--\n");
  EXPECT_EQ(class_of(*receipt), "REPORT.IPM.Note.IPNRN");
  EXPECT_EQ(receipt->properties().string(PidTagOriginalMessageId), "<orig@x>");
  EXPECT_EQ(to_hex(receipt->properties().binary(PidTagParentKey)), "010203");
  ASSERT_EQ(receipt->recipients().size(), 1u);
  EXPECT_EQ(receipt->recipients()[0].smtp_address, "sender@x");
}

TEST(MimeMessage, Meetings) {
  const auto meeting = [](std::string_view parameters, std::string_view body) {
    return parse(
        "Content-Type: multipart/alternative; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: text/calendar" +
        std::string(parameters) + "\n\nBEGIN:VCALENDAR\n" + std::string(body) + "END:VCALENDAR\n--b--\n");
  };
  const std::string event = "BEGIN:VEVENT\nUID:1\nATTENDEE;PARTSTAT=DECLINED:mailto:a@x\nEND:VEVENT\n";
  const auto request = meeting("; method=REQUEST", event);
  EXPECT_EQ(class_of(*request), "IPM.Schedule.Meeting.Request");
  EXPECT_TRUE(request->attachments().empty());  // it is the message
  const auto published = meeting("; method=publish", event);
  ASSERT_EQ(published->attachments().size(), 1u);
  EXPECT_EQ(name_of(published->attachments()[0]), "ATT00001.ics");
  EXPECT_EQ(class_of(*meeting("", "METHOD:CANCEL\n" + event)), "IPM.Schedule.Meeting.Canceled");
  EXPECT_EQ(class_of(*meeting("; method=reply", event)), "IPM.Schedule.Meeting.Resp.Neg");
  EXPECT_EQ(class_of(*meeting("; method=publish", event)), "IPM.Note");
  EXPECT_EQ(class_of(*meeting("; method=REQUEST", "")), "IPM.Note");  // to nothing
  EXPECT_EQ(class_of(*meeting("", "")), "IPM.Note");
}

TEST(MimeMessage, BrokenStructures) {
  EXPECT_EQ(parse("")->text(), "");
  EXPECT_EQ(parse("\n")->text(), "");
  EXPECT_EQ(parse("Subject: only header")->properties().string(PidTagSubject), "only header");
  EXPECT_EQ(parse("Subject: x\nbody without empty line\n")->text(), "body without empty line\r\n");
  EXPECT_EQ(parse("From me@x Mon Jun 26\nSubject: mbox\n\nb")->properties().string(PidTagSubject), "mbox");
  EXPECT_EQ(parse("Content-Type: multipart/mixed\n\n--guess\nContent-Type: text/plain\n\nfound\n--guess--\n")
                ->text(),
            "found");
  EXPECT_EQ(parse("Content-Type: multipart/mixed; boundary=x\n\nno delimiter\n")->text(), "no delimiter\r\n");
  EXPECT_EQ(parse("Content-Type: multipart/mixed; boundary=x\n\n--x\n\nnever closed")->text(),
            "never closed");
  EXPECT_EQ(parse("Content-Type: ;;;\n\na\rb\n\0c")->text(), "a\r\nb\r\n");
  EXPECT_EQ(parse("Content-Type: text/plain; charset=nonsense\n\n\xC3\xA4")->text(), "ä");
  EXPECT_EQ(parse("Content-Type: text/plain; charset=utf-16le\nContent-Transfer-Encoding: base64\n\nZAAiIGUA")
                ->text(),
            "d•e");
  EXPECT_EQ(parse("Content-Transfer-Encoding: base64\n\n!!aGVs\n bG8\n")->text(), "hello");
  EXPECT_EQ(parse("Content-Transfer-Encoding: x-uuencode\n\nbegin 644 f\n#86)C\n`\nend\n")->text(), "abc");
  EXPECT_EQ(class_of(*parse("Content-Type: multipart/signed; boundary=x\n\nnothing")), "IPM.Note");
}

// [MS-OXCMAIL] 2.2.3.3.2: as programs write that send mail.
TEST(MimeMessage, TheFirstTextIsTheBodyEvenWithAName) {
  const std::string head = "Content-Type: multipart/mixed; boundary=m\n\n--m\n";
  const std::string html = "Content-Type: text/html; name=\"body.html\"\nContent-Disposition: inline\n\n<p>body\n--m\n";
  const std::string file = "Content-Type: text/plain; name=\"log.txt\"\nContent-Disposition: inline\n\nlog\n--m--\n";
  const auto message = parse(head + html + file);
  EXPECT_NE(html_of(*message).find("<p>body"), std::string::npos);
  EXPECT_EQ(html_of(*message).find("log"), std::string::npos);
  ASSERT_EQ(message->attachments().size(), 1u);
  EXPECT_EQ(name_of(message->attachments()[0]), "log.txt");
  // Not behind a file, and not what says that it is one.
  EXPECT_EQ(parse(head + "Content-Type: image/png\n\nx\n--m\n" + file)->attachments().size(), 2u);
  EXPECT_EQ(parse(head + "Content-Disposition: attachment; filename=a.txt\n\nx\n--m--\n")->attachments().size(), 1u);
}

// [MS-OXCMAIL] 2.2.3.3.2, RFC 1896.
TEST(MimeMessage, EnrichedTextIsABody) {
  const auto message = parse(
      "Content-Type: text/enriched; charset=iso-8859-1\n\n<bold>Gr\xFC\xDF" "e</bold>, one\nline <<b> & <x-own>more</x-own>\n\n"
      "<color><param>red</param>next</color>\n<nofill>a\n b</nofill> <cut");
  EXPECT_EQ(message->native_body(), NativeBody::html);
  const auto html = html_of(*message);
  EXPECT_NE(html.find("<b>Grüße</b>, one line &lt;b&gt; &amp; more<br>\r\nnext <pre>a\n b</pre> &lt;cut"), html.npos) << html;
  EXPECT_EQ(message->text().find("<bold>"), std::string::npos);
  EXPECT_TRUE(message->attachments().empty());
  const std::string parts = "\n--a\n\nplain\n--a\nContent-Type: text/enriched\n\n<italic>rich</italic>\n";
  const auto two = parse("Content-Type: multipart/alternative; boundary=a\n" + parts + "--a--\n");
  EXPECT_EQ(two->text(), "plain");
  EXPECT_NE(html_of(*two).find("<i>rich</i>"), std::string::npos);
  const auto three = parse("Content-Type: multipart/alternative; boundary=a\n" + parts + "--a\nContent-Type: text/html\n\n<p>best\n--a--\n");
  EXPECT_NE(html_of(*three).find("<p>best"), std::string::npos);
  EXPECT_EQ(html_of(*three).find("rich"), std::string::npos);
}

// [MS-OXCMAIL] 2.2.3.2 "Categories" and "List Server Properties".
TEST(MimeMessage, KeywordsAndListsInSeveralFields) {
  const auto message = parse("Keywords: red, blue\nX-Keywords: own\nKeywords: green, red\nX-List-Help: <mailto:h@x>\nX-List-Unsubscribe: <mailto:x@x>\n"
                             "List-Unsubscribe: <mailto:u@x>\n\ntext");
  EXPECT_EQ(message->keywords(), (std::vector<std::string>{"red", "blue", "green"}));
  EXPECT_EQ(message->properties().string(PidTagListHelp), "<mailto:h@x>");
  EXPECT_EQ(message->properties().string(PidTagListUnsubscribe), "<mailto:u@x>");
  EXPECT_EQ(parse("X-Keywords: own\n\ntext")->keywords(), std::vector<std::string>{"own"});
}

const Value* named(const MimeMessage& message, const PropertyName& name) {
  for (const auto& [id, its_name] : message.names())
    if (its_name == name) return message.named_properties().find(PropertyTag(id, PropertyType::PtypUnspecified));
  return nullptr;
}

// [MS-OXCMAIL] 2.2.3.2.11, 2.2.3.2.21 and 2.2.3.2.22.
TEST(MimeMessage, LanguageAndClassificationOfTheSender) {
  const auto message = parse(
      "Content-Language: de-CH, en\nX-Accept-Language: de\nX-Microsoft-Classified: true\nX-Microsoft-Classification: =?utf-8?q?Gesch=C3=A4ft?=\n"
      "X-Microsoft-ClassID: 8e1f\nX-Microsoft-ClassKeep: true\nX-MS-Exchange-Organization-AutoForwarded: true\n\nx");
  EXPECT_EQ(message->properties().number(PidTagMessageLocaleId), 0x0807);
  EXPECT_EQ(message->properties().number(PidTagAutoForwarded), 1);
  ASSERT_NE(named(*message, PidLidClassified), nullptr);
  EXPECT_EQ(number_of(*named(*message, PidLidClassified)), 1);
  EXPECT_EQ(number_of(*named(*message, PidLidClassificationKeep)), 1);
  EXPECT_EQ(text_of(*named(*message, PidLidClassification)), "Geschäft");
  EXPECT_EQ(text_of(*named(*message, PidLidClassificationGuid)), "8e1f");
  EXPECT_EQ(named(*message, PidLidClassificationDescription), nullptr);
  ASSERT_EQ(message->internet_headers().size(), 2u);  // and the field that it came in
  EXPECT_EQ(message->internet_headers()[0].first.name, "accept-language");
  EXPECT_EQ(message->internet_headers()[0].second, "de");
  const auto other = parse("Content-Language: x-none\nX-Microsoft-Classified: no\nX-Microsoft-Classification: secret\n\nx");
  EXPECT_FALSE(other->properties().contains(PidTagMessageLocaleId));
  EXPECT_FALSE(other->properties().contains(PidTagAutoForwarded));
  EXPECT_TRUE(other->names().empty());
}

// [MS-OXOSMIME] 2.1.
TEST(MimeMessage, SecuredMessagesKeepTheirContentType) {
  const auto message = parse("Content-Type: application/pkcs7-mime; smime-type=enveloped-data;\n name=smime.p7m\n\nx");
  ASSERT_EQ(message->internet_headers().size(), 1u);
  EXPECT_EQ(message->internet_headers()[0].first.name, "content-type");
  EXPECT_EQ(message->internet_headers()[0].second, "application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m");
}

// [MS-OXCMAIL] 2.2.3.4.1.1 and 2.2.3.2.26.
TEST(MimeMessage, DescriptionsNameAttachments) {
  const auto message = parse(
      "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\nContent-Location: http://x/page\n"
      "Content-ID: <body@x>\n\n<p>text\n--b\nContent-Type: application/pdf; name=a.pdf\nContent-Description: =?utf-8?q?Das_B=C3=BCchlein?=\n\nx\n"
      "--b\nContent-Type: application/x-own\nContent-Description: Plan: B.dat\n\ny\n--b\nContent-Type: message/rfc822\n"
      "Content-Description: forwarded\n\nSubject: inner\n\nz\n--b--\n");
  EXPECT_EQ(message->properties().string(PidTagBodyContentLocation), "http://x/page");
  EXPECT_EQ(message->properties().string(PidTagBodyContentId), "body@x");
  ASSERT_EQ(message->attachments().size(), 3u);
  EXPECT_EQ(name_of(message->attachments()[0]), "a.pdf");
  EXPECT_EQ(message->attachments()[0].properties.string(PidTagDisplayName), "Das Büchlein");
  EXPECT_EQ(name_of(message->attachments()[1]), "Plan_ B.dat");
  EXPECT_EQ(message->attachments()[1].properties.string(PidTagDisplayName), "Plan: B.dat");
  EXPECT_EQ(message->attachments()[2].properties.string(PidTagDisplayName), "inner");
}

// [MS-OXCMAIL] 2.2.3.9.1 and 3.1.5.
TEST(MimeMessage, FilesInTextsWithoutMime) {
  const std::string files = "begin 664 Flag.png\r\n#86)C\r\n`\r\nend\r\nbetween\r\nbegin 0644 a b.xyz\r\n#9&5F\r\n \r\nend\r\n";
  const auto message = parse("Subject: x\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\xFC\xDF" "e\r\n" + files);
  EXPECT_EQ(message->text(), "Grüße\r\nbetween\r\n");
  EXPECT_EQ(message->native_body(), NativeBody::text);
  ASSERT_EQ(message->attachments().size(), 2u);
  EXPECT_EQ(name_of(message->attachments()[0]), "Flag.png");
  EXPECT_EQ(message->attachments()[0].properties.string(PidTagAttachMimeTag), "image/png");
  EXPECT_EQ(data_of(*message, 0), "abc");
  EXPECT_EQ(name_of(message->attachments()[1]), "a b.xyz");
  EXPECT_EQ(data_of(*message, 1), "def");
  EXPECT_EQ(parse("\n" + files)->attachments().size(), 2u);
  // MIME would have said so; and what is cut off, damaged or merely talked about is text.
  const auto whole = parse("MIME-Version: 1.0\nContent-Type: text/plain\n\n" + files);
  EXPECT_TRUE(whole->attachments().empty());
  EXPECT_EQ(whole->text(), files);
  for (const std::string text : {"begin 664 a\r\n#86)C\r\n`\r\n", "begin 664 a\r\n#86)\r\n`\r\nend\r\n", "begin 664 \r\n`\r\nend\r\n",
                                 "begin at 644\r\nend\r\n", "> begin 664 a\r\n> `\r\n> end\r\n", "begin 664 a\r\n#86)C\r\nend\r\n"}) {
    EXPECT_TRUE(parse("\n" + text)->attachments().empty()) << text;
    EXPECT_EQ(parse("\n" + text)->text(), text);
  }
  // A part's own name counts first, then the one in its data.
  const auto part = parse("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: application/x-own\n"
                          "Content-Transfer-Encoding: x-uue\n\nbegin 600 inside.dat\n#86)C\n`\nend\n--b--\n");
  ASSERT_EQ(part->attachments().size(), 1u);
  EXPECT_EQ(name_of(part->attachments()[0]), "inside.dat");
  EXPECT_EQ(data_of(*part, 0), "abc");
}

TEST(MimeMessage, LimitsDegrade) {
  std::string many = "Content-Type: multipart/mixed; boundary=b\n\n";
  for (int i = 0; i < 10000; ++i) many += "--b\nContent-Type: image/png\n\nx\n";
  const auto parts = parse(many);
  EXPECT_EQ(parts->attachments().size(), 2000u);
  EXPECT_GT(*parts->attachment_size(1999), 8000u * 30);

  std::string deep;
  for (int i = 0; i < 3000; ++i)
    deep += "Content-Type: multipart/mixed; boundary=b" + std::to_string(i) + "\n\n--b" + std::to_string(i) +
            "\n";
  deep += "\nbottom";
  EXPECT_EQ(parse(deep)->attachments().size(), 1u);

  std::string nested = "\ninnermost";
  for (int i = 0; i < 100; ++i) nested = "Content-Type: message/rfc822\n\n" + nested;
  auto message = parse(nested);
  unsigned levels = 0;
  while (message->attachments().size() == 1 && message->attachments()[0].kind == Attachment::Kind::embedded) {
    message = *message->embedded(0);
    ++levels;
  }
  EXPECT_EQ(levels, 16u);

  const auto wide = parse("Subject: a\nX-Long: " + std::string(3 << 20, 'x') + "\nTo: late@x\n\nbody");
  EXPECT_EQ(wide->text(), "body");
  EXPECT_TRUE(wide->recipients().empty());

  MimeOptions options;
  options.max_size = 10;
  EXPECT_EQ(MimeMessage::parse(ByteSource::from_string("01234567890"), options).error().code, Errc::limit);
  options = {};
  options.max_body_bytes = 4;
  EXPECT_EQ(parse("\nabcdefgh", options)->text(), "abcd");
}

TEST(MimeMessage, SafeFileNames) {
  const auto name = [](std::string_view given) {
    return name_of(parse("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: "
                         "application/x\nContent-Disposition: attachment; filename=" +
                         std::string(given) + "\n\nx\n--b--\n")
                       ->attachments()
                       .at(0));
  };
  EXPECT_EQ(name("\"../../etc/passwd\""), "passwd");
  EXPECT_EQ(name("\"a:b?.txt\""), "a_b_.txt");
  EXPECT_EQ(name("\"=?utf-8?q?=C3=A4.txt?=\""), "ä.txt");
  EXPECT_EQ(name("\"..\""), "ATT00001.dat");
  EXPECT_EQ(name("plain name.txt").substr(0, 5), "plain");
}

TEST(Spool, KeepsLargeMessagesInAFile) {
  Spool spool(1000);
  const std::string line = "X: 0123456789\r\n";
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(spool.append(as_view(line)));
  ASSERT_TRUE(spool.append(as_view("\r\nbody")));
  const auto source = std::move(spool).finish();
  ASSERT_TRUE(source);
  EXPECT_EQ(source->size(), 15006u);
  const auto message = MimeMessage::parse(*source);
  ASSERT_TRUE(message);
  EXPECT_EQ((*message)->text(), "body");
  Spool nowhere(0, "/nonexistent");
  EXPECT_EQ(nowhere.append(as_view("x")).error().code, Errc::unavailable);
}

TEST(MimeMessage, SeveralThreadsAtOnce) {
  const auto shared = parse(std::string(rich));
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        const auto own = MimeMessage::parse(ByteSource::from_string(std::string(rich)));
        if (own && (*own)->text() == shared->text() && shared->attachment_data(1)->size() == 8) ++good;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 80);
}

}  // namespace
}  // namespace mapigate::convert
