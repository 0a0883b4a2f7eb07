// Reports that leave, and what reading them gives back ([MS-OXCMAIL] 2.1.3.6 and 2.2.3.7).
#include <gtest/gtest.h>

#include "convert/delivery_status.h"
#include "convert/header_properties.h"
#include "convert/mime_writer.h"
#include "convert/read_receipt.h"

namespace mapigate::convert {
namespace {

using namespace mapi;

MessageData report_of(std::string_view message_class) {
  MessageData message;
  auto& bag = message.properties;
  bag.set_string(PidTagMessageClass, message_class);
  bag.set_string(PidTagSubject, "Read: Grüße");
  bag.set_string(PidTagSenderName, "Jürgen");
  bag.set_string(PidTagSenderAddressType, "SMTP");
  bag.set_string(PidTagSenderEmailAddress, "j@example.test");
  bag.set_string(PidTagOriginalSubject, "Grüße");
  bag.set_string(PidTagOriginalMessageId, "<orig@x>");
  bag.set_time(PidTagClientSubmitTime, from_unix(1'700'000'000));
  return message;
}

void add(MessageData& message, const char* name, const char* address) {
  MessageData::Recipient recipient;
  recipient.row = static_cast<std::uint32_t>(message.recipients.size());
  recipient.properties = make_recipient(recipient_to, {name, address}, recipient.row).properties;
  message.recipients.push_back(std::move(recipient));
}

std::string text_of(MessageData& message, const MimeWriteOptions& options = {}) {
  const auto bytes = write_mime(message, options);
  EXPECT_TRUE(bytes);
  return std::string(as_text(bytes->view()));
}
std::shared_ptr<MimeMessage> read(const std::string& text) { return *MimeMessage::parse(ByteSource::from_string(text)); }

TEST(MimeReports, ReadReceiptsOfClients) {
  auto message = report_of("REPORT.IPM.Note.IPNRN");
  message.properties.set_binary(PidTagParentKey, Bytes{1, 2, 3});
  add(message, "Alice", "alice@example.test");
  const auto text = text_of(message);
  EXPECT_NE(text.find("Content-Type: multipart/report; report-type=disposition-notification;"), text.npos);
  EXPECT_NE(text.find("\r\nFinal-Recipient: rfc822;j@example.test\r\n"), text.npos);
  EXPECT_NE(text.find("\r\nDisposition: manual-action/MDN-sent-automatically; displayed\r\n"), text.npos);
  EXPECT_NE(text.find("\r\nX-MSExch-Correlation-Key: AQID\r\n"), text.npos);
  EXPECT_NE(text.find("\r\nAuto-Submitted: auto-replied\r\n"), text.npos);
  EXPECT_NE(text.find("\r\nIn-Reply-To: <orig@x>\r\n"), text.npos);
  const auto mime = read(text);
  const auto& bag = mime->properties();
  EXPECT_EQ(bag.string(PidTagMessageClass), "REPORT.IPM.Note.IPNRN");
  EXPECT_EQ(bag.string(PidTagSubject), "Read: Grüße");
  EXPECT_EQ(bag.string(PidTagOriginalMessageId), "<orig@x>");
  EXPECT_EQ(bag.string(PidTagReportDisposition), "displayed");
  EXPECT_EQ(bag.string(PidTagReportDispositionMode), "manual-action/MDN-sent-automatically");
  EXPECT_EQ(bag.string(PidTagOriginalDisplayTo), "Jürgen");
  EXPECT_EQ(bag.time(PidTagReceiptTime), from_unix(1'700'000'000));
  EXPECT_EQ(to_hex(bag.binary(PidTagParentKey)), "010203");
  EXPECT_NE(mime->text().find("was read on Tue, 14 Nov 2023"), std::string::npos);
  EXPECT_TRUE(mime->attachments().empty());  // the machine's part is none
  ASSERT_EQ(mime->recipients().size(), 1u);
  EXPECT_EQ(mime->recipients()[0].smtp_address, "alice@example.test");
}

TEST(MimeReports, DeletedUnread) {
  auto message = report_of("Report.IPM.Note.Custom.IPNNRN");
  add(message, "Alice", "alice@example.test");
  message.properties.set_string(PidTagBody, "Nobody read it.");
  const auto text = text_of(message);
  EXPECT_NE(text.find("; deleted\r\n"), text.npos);
  const auto mime = read(text);
  EXPECT_EQ(mime->properties().string(PidTagMessageClass), "REPORT.IPM.Note.IPNNRN");
  EXPECT_EQ(mime->properties().string(PidTagReportDisposition), "deleted");
  EXPECT_EQ(mime->text(), "Nobody read it.\r\n");
  const auto denied = read("Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nno\n--b\n"
                           "Content-Type: message/disposition-notification\n\nDisposition: manual-action/mdn-sent-manually;denied/error\n--b--\n");
  EXPECT_EQ(denied->properties().string(PidTagMessageClass), "REPORT.IPM.Note.IPNNRN");
  EXPECT_EQ(denied->properties().string(PidTagReportDispositionMode), "manual-action/MDN-sent-manually");
}

TEST(MimeReports, DeliveryReportsOfEachKind) {
  const std::tuple<const char*, const char*, const char*> kinds[] = {{"REPORT.IPM.Note.DR", "delivered", "2.0.0"},
                                                                     {"REPORT.IPM.Note.Expanded.DR", "expanded", "2.0.0"},
                                                                     {"REPORT.IPM.Note.Relayed.DR", "relayed", "2.0.0"},
                                                                     {"REPORT.IPM.Note.Delayed.DR", "delayed", "4.0.0"},
                                                                     {"REPORT.IPM.Note.NDR", "failed", "5.0.0"}};
  for (const auto& [name, action, status] : kinds) {
    SCOPED_TRACE(name);
    auto message = report_of(name);
    add(message, "Bob", "bob@example.test");
    const auto text = text_of(message);
    EXPECT_NE(text.find(fmt::format("\r\nAction: {}\r\nStatus: {}\r\n", action, status)), text.npos);
    const auto mime = read(text);
    EXPECT_EQ(mime->properties().string(PidTagMessageClass), name);
    ASSERT_EQ(mime->recipients().size(), 1u);
    const auto& bob = mime->recipients()[0].properties;
    EXPECT_EQ(bob.string(PidTagSmtpAddress), "bob@example.test");
    EXPECT_EQ(bob.string(PidTagDisplayName), "Bob");
    EXPECT_EQ(bob.time(PidTagReportTime), from_unix(1'700'000'000));
    EXPECT_EQ(bob.contains(PidTagDeliverTime), std::string_view(action) != "failed");
  }
}

TEST(MimeReports, NonDeliveryReportsTellWhyAndReturnTheMessage) {
  auto message = report_of("REPORT.IPM.Note.NDR");
  message.properties.set_string(PidTagReportingMessageTransferAgent, "mta.example");
  add(message, "Gone Away", "gone@x");
  add(message, "Sender", "sender@x");
  auto& gone = message.recipients[0].properties;
  gone.set_integer(PidTagNonDeliveryReportDiagCode, 35);
  gone.set_integer(PidTagNonDeliveryReportReasonCode, 1);
  gone.set_string(PidTagRemoteMessageTransferAgent, "far.example");
  gone.set_string(PidTagSupplementaryInfo, "<far.example #5.1.1 smtp; 550 kein Empfänger>\r\nX-Evil: 1");
  MessageData::Attachment returned;
  returned.embedded = std::make_shared<MessageData>();
  returned.embedded->properties.set_string(PidTagSubject, "Grüße");
  returned.embedded->properties.set_string(PidTagInternetMessageId, "<returned@x>");
  message.attachments.push_back(std::move(returned));
  ASSERT_EQ(addressees(message).size(), 1u);  // of the two only one is not what it is about
  EXPECT_EQ(recipient_address(addressees(message)[0]->properties).address, "sender@x");
  const auto text = text_of(message);
  EXPECT_NE(text.find("\r\nReporting-MTA: dns; mta.example\r\n\r\nFinal-Recipient: rfc822;gone@x\r\nAction: failed\r\nStatus: 5.1.1\r\n"), text.npos);
  EXPECT_EQ(text.find("\r\nX-Evil"), text.npos);
  EXPECT_EQ(text.find("rfc822;sender@x"), text.npos);
  const auto mime = read(text);
  const auto& bag = mime->properties();
  EXPECT_EQ(bag.string(PidTagMessageClass), "REPORT.IPM.Note.NDR");
  EXPECT_EQ(bag.string(PidTagReportingMessageTransferAgent), "mta.example");
  EXPECT_EQ(bag.string(PidTagOriginalSubject), "Grüße");
  EXPECT_EQ(bag.string(PidTagOriginalMessageId), "<returned@x>");
  EXPECT_EQ(bag.string(PidTagDisplayTo), "Sender");
  ASSERT_EQ(mime->recipients().size(), 1u);
  const auto& back = mime->recipients()[0].properties;
  EXPECT_EQ(back.string(PidTagDisplayName), "Gone Away");
  EXPECT_EQ(back.number(PidTagNonDeliveryReportStatusCode), 511);
  EXPECT_EQ(back.number(PidTagNonDeliveryReportDiagCode), 35);
  EXPECT_EQ(back.number(PidTagNonDeliveryReportReasonCode), 1);
  EXPECT_EQ(back.string(PidTagRemoteMessageTransferAgent), "far.example");
  EXPECT_TRUE(back.string(PidTagSupplementaryInfo).starts_with("<far.example #5.1.1 smtp; 550 kein Empfänger> "));
  ASSERT_EQ(mime->attachments().size(), 1u);
  EXPECT_EQ(mime->attachments()[0].kind, Attachment::Kind::embedded);
}

TEST(MimeReports, InTheStoreTheyGainNoText) {
  auto message = report_of("REPORT.IPM.Note.NDR");
  add(message, "Bob", "bob@example.test");
  MimeWriteOptions store;
  store.attachment_properties = true;
  EXPECT_EQ(read(text_of(message, store))->text(), "");
  EXPECT_NE(read(text_of(message))->text().find("could not be delivered to\r\n\r\n  Bob\r\n"), std::string::npos);
  EXPECT_TRUE(is_report(message.properties));
  message.properties.set_string(PidTagMessageClass, "IPM.Note.NDR");
  EXPECT_FALSE(is_report(message.properties));
  EXPECT_EQ(read(text_of(message))->properties().string(PidTagMessageClass), "IPM.Note");
}

// [MS-OXCMAIL] 2.2.3.7.1.3 and 2.1.3.6.1.2.
TEST(MimeReports, StatusCodes) {
  struct Row {
    int subject, detail;
    NonDeliveryCodes codes;
  };
  const Row rows[] = {{1, 1, {35, 1}}, {1, 2, {48, 0}}, {1, 3, {32, 0}}, {1, 4, {1, 0}},  {1, 6, {40, 0}}, {1, 5, {0, 0}},   {2, 1, {38, 0}},
                      {2, 2, {13, 0}}, {2, 3, {13, 0}}, {2, 4, {30, 0}}, {2, 0, {38, 0}}, {3, 2, {-1, 0}}, {3, 3, {18, 0}},  {3, 4, {13, 0}},
                      {4, 3, {-1, 6}}, {4, 4, {-1, 0}}, {4, 6, {3, 0}},  {4, 7, {5, 0}},  {4, 1, {2, 0}},  {5, 3, {16, 0}},  {5, 0, {17, 0}},
                      {6, 2, {9, 0}},  {6, 5, {-1, 2}}, {6, 0, {15, 0}}, {7, 1, {29, 0}}, {7, 0, {46, 0}}, {0, 0, {-1, 0}},  {8, 1, {-1, 0}},
                      {1, 12, {0, 0}}, {12, 1, {-1, 0}}, {-1, -1, {-1, 0}}};
  for (const auto& row : rows) EXPECT_EQ(codes_of_status(row.subject, row.detail), row.codes) << row.subject << '.' << row.detail;
  EXPECT_EQ(status_of_codes({35, 1}), 511);
  EXPECT_EQ(status_of_codes({-1, 6}), 443);
  EXPECT_EQ(status_of_codes({-1, 99}), 540);
  EXPECT_EQ(status_of_codes({49, 0}), 500);
  EXPECT_EQ(status_of_codes({-2, 0}), 500);
  // What a reader tells for a status, a writer makes a status of that tells the same.
  for (int subject = 1; subject < 8; ++subject)
    for (int detail = 0; detail < 10; ++detail) {
      const auto codes = codes_of_status(subject, detail);
      if (codes == NonDeliveryCodes{} || codes == NonDeliveryCodes{46, 0}) continue;
      const auto status = status_of_codes(codes);
      EXPECT_EQ(codes_of_status(status / 10 % 10, status % 10).diagnostic, codes.diagnostic) << subject << '.' << detail;
    }
}

TEST(MimeReports, TheMoreExactStatusIsKept) {
  auto message = report_of("REPORT.IPM.Note.NDR");
  add(message, "Bob", "bob@example.test");
  auto& bob = message.recipients[0].properties;
  bob.set_integer(PidTagNonDeliveryReportStatusCode, 422);
  bob.set_integer(PidTagNonDeliveryReportDiagCode, 13);
  EXPECT_NE(text_of(message).find("\r\nStatus: 4.2.2\r\n"), std::string::npos);
  bob.set_integer(PidTagNonDeliveryReportDiagCode, 16);
  EXPECT_NE(text_of(message).find("\r\nStatus: 5.5.3\r\n"), std::string::npos);
}

TEST(MimeReports, ReceiptsOfTheServer) {
  ReadReceipt receipt;
  receipt.reader = {"Bob", "bob@example.test"};
  receipt.to = {"Alice", "alice@example.test"};
  receipt.host = "example.test";
  receipt.subject = "Grüße";
  receipt.message_id = "<1@x>";
  receipt.when = from_unix(1'700'000'000);
  const auto written = write_read_receipt(receipt);
  ASSERT_TRUE(written);
  const std::string text(as_text(written->view()));
  EXPECT_NE(text.find("Original-Message-ID: <1@x>\r\n"), text.npos);
  const auto mime = read(text);
  EXPECT_EQ(mime->properties().string(PidTagMessageClass), "REPORT.IPM.Note.IPNRN");
  EXPECT_EQ(mime->properties().string(PidTagSubject), "Read: Grüße");
  EXPECT_NE(mime->text().find("14 Nov 2023"), std::string::npos);
  receipt.was_read = false;
  receipt.message_id = "<1@x>\r\nX-Evil: 1";
  const auto unread = write_read_receipt(receipt);
  ASSERT_TRUE(unread);
  EXPECT_EQ(as_text(unread->view()).find("X-Evil"), std::string_view::npos);
  const auto back = read(std::string(as_text(unread->view())));
  EXPECT_EQ(back->properties().string(PidTagMessageClass), "REPORT.IPM.Note.IPNNRN");
  EXPECT_EQ(back->properties().string(PidTagSubject), "Not read: Grüße");
}

}  // namespace
}  // namespace mapigate::convert
