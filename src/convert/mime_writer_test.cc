#include "convert/mime_attachments.h"
#include "convert/mime_supplement.h"
#include "convert/mime_writer.h"

#include <gtest/gtest.h>

#include "convert/rtf.h"
#include "mapi/entry_id.h"
#include "mapi/legacy_dn.h"

namespace mapigate::convert {
namespace {

using namespace mapi;

MessageData sample() {
  MessageData message;
  auto& bag = message.properties;
  bag.set_string(PidTagSubject, "Grüße: ein Betreff, der länger ist als eine Zeile, damit sie gefaltet werden muss – 日本");
  bag.set_string(PidTagSenderName, "Müller, Jürgen");
  bag.set_string(PidTagSenderAddressType, "SMTP");
  bag.set_string(PidTagSenderEmailAddress, "j@example.test");
  bag.set_time(PidTagClientSubmitTime, from_unix(1'700'000'000));
  bag.set_integer(PidTagImportance, 2);
  bag.set_integer(PidTagSensitivity, 2);
  const std::pair<int, const char*> people[] = {{1, "a@example.test"}, {2, "b@example.test"}, {3, "c@example.test"}};
  for (const auto& [type, address] : people) {
    MessageData::Recipient recipient;
    recipient.type = type;
    recipient.properties.set_string(PidTagDisplayName, std::string("Name \"of\" ") + address);
    recipient.properties.set_binary(PidTagEntryId, one_off_entry_id("x", address));
    message.recipients.push_back(std::move(recipient));
  }
  return message;
}

std::shared_ptr<MimeMessage> written(MessageData& message, const MimeWriteOptions& options = {}) {
  auto bytes = write_mime(message, options);
  EXPECT_TRUE(bytes);
  const auto text = std::string(as_text(bytes->view()));
  std::size_t line = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    EXPECT_LT(static_cast<unsigned char>(text[i]), 0x80);
    EXPECT_TRUE(text[i] != '\n' || (i > 0 && text[i - 1] == '\r'));
    line = text[i] == '\n' ? 0 : line + 1;
    EXPECT_LE(line, 998u);
  }
  return *MimeMessage::parse(*bytes);
}

void add_file(MessageData& message, const char* name, std::string data, const char* content_id = nullptr) {
  MessageData::Attachment attachment;
  attachment.number = message.next_attachment++;
  attachment.properties.set_string(PidTagAttachLongFilename, name);
  attachment.properties.set_string(PidTagAttachMimeTag, content_id ? "image/png" : "");
  if (content_id) attachment.properties.set_string(PidTagAttachContentId, content_id);
  attachment.data = ByteSource::from_string(std::move(data));
  message.attachments.push_back(std::move(attachment));
}

TEST(MimeWriter, TextAndHeader) {
  auto message = sample();
  message.properties.set_string(PidTagBody, "Zeile 1\r\nFrom here\nZeile ü " + std::string(2000, 'x') + "\r\n trailing \r\n");
  const auto mime = written(message);
  const auto& bag = mime->properties();
  EXPECT_EQ(bag.string(PidTagSubject), message.properties.string(PidTagSubject));
  EXPECT_EQ(bag.string(PidTagSenderName), "Müller, Jürgen");
  EXPECT_EQ(bag.string(PidTagSentRepresentingSmtpAddress), "j@example.test");
  EXPECT_EQ(bag.time(PidTagClientSubmitTime), from_unix(1'700'000'000));
  EXPECT_EQ(bag.number(PidTagImportance), 2);
  EXPECT_EQ(bag.number(PidTagSensitivity), 2);
  EXPECT_EQ(bag.string(PidTagInternetMessageId), message.properties.string(PidTagInternetMessageId));
  EXPECT_EQ(mime->native_body(), NativeBody::text);
  EXPECT_EQ(mime->text(), "Zeile 1\r\nFrom here\r\nZeile ü " + std::string(2000, 'x') + "\r\n trailing \r\n");
  ASSERT_EQ(mime->recipients().size(), 3u);
  EXPECT_EQ(mime->recipients()[0].display_name, "Name \"of\" a@example.test");
  EXPECT_EQ(mime->recipients()[2].smtp_address, "c@example.test");
  EXPECT_EQ(mime->recipients()[2].type, recipient_bcc);
  MimeWriteOptions leaving;
  leaving.bcc = false;
  EXPECT_EQ(written(message, leaving)->recipients().size(), 2u);
}

// [MS-OXCMAIL] 2.1.3.1.4, 2.1.3.1.5, 2.1.3.2.20, 2.1.3.2.25, 2.1.3.2.28, and back.
TEST(MimeWriter, WishesOfTheSender) {
  auto message = sample();
  auto& bag = message.properties;
  const PropertyTag request(0x8005, PropertyType::PtypString);
  MimeWriteOptions options;
  options.names[request.id()] = PidLidFlagRequest;
  bag.set_string(request, "Bitte prüfen");
  bag.set_time(PidTagReplyTime, from_unix(1'700'100'000));
  bag.set_time(PidTagExpiryTime, from_unix(1'700'200'000));
  bag.set_integer(PidTagAutoResponseSuppress, 0x12);
  bag.set_boolean(PidTagReadReceiptRequested, true);
  bag.set_boolean(PidTagOriginatorDeliveryReportRequested, true);
  bag.set_string(PidTagReadReceiptSmtpAddress, "secretary@example.test");
  bag.set_string(PidTagListUnsubscribe, "<mailto:off@example.test>");
  const auto mime = written(message, options);
  const auto text = std::string(as_text(mime->source().view()));
  EXPECT_NE(text.find("\r\nX-Auto-Response-Suppress: NDR, OOF\r\n"), text.npos);
  EXPECT_NE(text.find("\r\nReturn-Receipt-To: secretary@example.test\r\n"), text.npos);
  const auto& back = mime->properties();
  EXPECT_EQ(back.time(PidTagReplyTime), from_unix(1'700'100'000));
  EXPECT_EQ(back.time(PidTagExpiryTime), from_unix(1'700'200'000));
  EXPECT_EQ(back.number(PidTagAutoResponseSuppress), 0x12);
  EXPECT_EQ(back.string(PidTagReadReceiptSmtpAddress), "secretary@example.test");
  EXPECT_EQ(back.number(PidTagOriginatorDeliveryReportRequested), 1);
  EXPECT_EQ(back.string(PidTagListUnsubscribe), "<mailto:off@example.test>");
  ASSERT_EQ(mime->names().size(), 1u);
  EXPECT_EQ(mime->names().begin()->second, PropertyName(PidLidFlagRequest));
  EXPECT_EQ(mime->named_properties().string(PropertyTag(mime->names().begin()->first, PropertyType::PtypString)), "Bitte prüfen");
  // Without them there is nothing of it.
  auto plain = sample();
  plain.properties.set_time(PidTagReplyTime, from_unix(1'700'100'000));
  const auto none = std::string(as_text(written(plain)->source().view()));
  for (const auto name : {"Reply-By", "Expiry-Date", "X-Message-Flag", "Receipt", "Notification", "Suppress"})
    EXPECT_EQ(none.find(name), none.npos) << name;
  plain.properties.set_integer(PidTagAutoResponseSuppress, -1);
  EXPECT_EQ(written(plain)->properties().number(PidTagAutoResponseSuppress), -1);
}

// [MS-OXCMAIL] 2.1.3.2.16, 2.1.3.2.17, 2.1.3.2.21 and what precedes them, and back.
TEST(MimeWriter, LanguageAndClassificationLeave) {
  auto message = sample();
  auto& bag = message.properties;
  MimeWriteOptions options;
  const PropertyTag classified(0x8010, PropertyType::PtypBoolean), keep(0x8011, PropertyType::PtypBoolean), name(0x8012, PropertyType::PtypString);
  const PropertyTag reserved(0x8013, PropertyType::PtypString), own(0x8014, PropertyType::PtypString);
  options.names[classified.id()] = PidLidClassified;
  options.names[keep.id()] = PidLidClassificationKeep;
  options.names[name.id()] = PidLidClassification;
  options.names[reserved.id()] = PropertyName{PS_INTERNET_HEADERS, std::nullopt, "X-MS-Exchange-Organization-AuthAs"};
  options.names[own.id()] = PropertyName{PS_INTERNET_HEADERS, std::nullopt, "X-Own"};
  bag.set_integer(PidTagMessageLocaleId, 0x0404);
  bag.set_boolean(PidTagAutoForwarded, true);
  bag.set_boolean(classified, true);
  bag.set_boolean(keep, true);
  bag.set_string(name, "Geschäftlich");
  bag.set_string(reserved, "Internal");
  bag.set_string(own, "1");
  bag.set_integer(PidTagImportance, 1);
  bag.set_integer(PidTagPriority, -1);
  const auto mime = written(message, options);
  const auto text = std::string(as_text(mime->source().view()));
  EXPECT_NE(text.find("\r\nContent-Language: zh-TW\r\n"), text.npos);
  EXPECT_NE(text.find("\r\nX-Microsoft-Classified: true\r\nX-Microsoft-ClassKeep: true\r\n"), text.npos);
  EXPECT_NE(text.find("\r\nX-Own: 1\r\n"), text.npos);
  EXPECT_EQ(text.find("AuthAs"), text.npos);
  const auto& back = mime->properties();
  EXPECT_EQ(back.number(PidTagMessageLocaleId), 0x0404);
  EXPECT_EQ(back.number(PidTagAutoForwarded), 1);
  EXPECT_EQ(back.number(PidTagImportance), 1);
  EXPECT_EQ(back.number(PidTagPriority), -1);
  EXPECT_EQ(mime->names().size(), 3u);
  bag.set_boolean(classified, false);
  bag.set_boolean(PidTagAutoForwarded, false);
  bag.set_integer(PidTagMessageLocaleId, 0x7F);
  const auto none = std::string(as_text(written(message, options)->source().view()));
  for (const auto field : {"X-Microsoft", "AutoForwarded", "Content-Language"}) EXPECT_EQ(none.find(field), none.npos) << field;
}

// [MS-OXCMAIL] 2.1.3.4.6, [MS-OXVCARD] 2.1.3.
TEST(MimeWriter, ContactsLeaveAsVcards) {
  auto message = sample();
  message.properties.set_string(PidTagBody, "see there");
  MessageData::Attachment attachment;
  attachment.embedded = std::make_shared<MessageData>();
  auto& bag = attachment.embedded->properties;
  const PropertyTag email(0x8020, PropertyType::PtypString), other(0x8021, PropertyType::PtypString), city(0x8022, PropertyType::PtypString);
  MimeWriteOptions options;
  options.names[email.id()] = PidLidEmail1EmailAddress;
  options.names[other.id()] = PidLidEmail2EmailAddress;
  options.names[city.id()] = PidLidWorkAddressCity;
  bag.set_string(PidTagMessageClass, "IPM.Contact.Own");
  bag.set_string(PidTagSubject, "Jürgen Müller");
  bag.set_string(PidTagDisplayName, "Jürgen Müller");
  bag.set_string(PidTagSurname, "Müller; \\");
  bag.set_string(PidTagGivenName, "Jürgen");
  bag.set_string(PidTagMobileTelephoneNumber, "+1\r\nEND:VCARD");
  bag.set_string(PidTagBody, "first\r\nsecond " + std::string(200, 'x') + "\r\n");
  bag.set_time(PidTagBirthday, from_unix(86400));
  bag.set_string(email, "j@example.test");
  bag.set_string(other, "/o=org/cn=j");
  bag.set_string(city, "Köln");
  message.attachments.push_back(std::move(attachment));
  // The sender's own copy stays a contact.
  EXPECT_TRUE(written(message, options)->embedded(0));
  options.bcc = false;
  const auto mime = written(message, options);
  ASSERT_EQ(mime->attachments().size(), 1u);
  const auto& part = mime->attachments()[0].properties;
  EXPECT_EQ(part.string(PidTagAttachMimeTag), "text/directory");
  EXPECT_EQ(part.string(PidTagAttachLongFilename), "Jürgen Müller.vcf");
  const auto card = std::string(as_text(*mime->attachment_data(0)));
  EXPECT_TRUE(card.starts_with("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Jürgen Müller\r\nN:Müller\\; \\\\;Jürgen;;;\r\nBDAY;VALUE=DATE:1970-01-02\r\n")) << card;
  EXPECT_NE(card.find("\r\nADR;TYPE=WORK:;;;Köln;;;\r\n"), card.npos);
  EXPECT_NE(card.find("\r\nTEL;TYPE=CELL:+1\\nEND:VCARD\r\n"), card.npos);
  EXPECT_NE(card.find("\r\nEMAIL;TYPE=INTERNET:j@example.test\r\n"), card.npos);
  EXPECT_NE(card.find("\r\nNOTE:first\\nsecond xxx"), card.npos);
  EXPECT_EQ(card.find("/o=org"), card.npos);
  EXPECT_TRUE(card.ends_with("\r\nCLASS:PUBLIC\r\nEND:VCARD\r\n"));
  for (std::size_t at = 0; at < card.size();) {
    const auto end = card.find("\r\n", at);
    EXPECT_LE(end - at, 75u);
    at = end + 2;
  }
}

// [MS-OXCDATA] 2.2.5.2: somebody of the address book.
TEST(MimeWriter, RepliesGoToPeopleOfTheAddressBook) {
  Bytes id(28);
  constexpr std::uint8_t provider[] = {0xDC, 0xA7, 0x40, 0xC8, 0xC0, 0x42, 0x10, 0x1A, 0xB4, 0xB9, 0x08, 0x00, 0x2B, 0x2F, 0xE1, 0x82};
  std::copy(std::begin(provider), std::end(provider), id.begin() + 4);
  id[20] = 1;
  for (const char c : user_dn("boss@example.test")) id.push_back(static_cast<std::uint8_t>(c));
  id.push_back(0);
  auto message = sample();
  const std::vector<Bytes> ids{id, one_off_entry_id("Out", "out@example.test")};
  message.properties.set_binary(PidTagReplyRecipientEntries, flat_entry_list(ids));
  message.properties.set_string(PidTagReplyRecipientNames, "The Boss; Out");
  const auto text = std::string(as_text(written(message)->source().view()));
  EXPECT_NE(text.find("\r\nReply-To: The Boss <boss@example.test>, Out <out@example.test>\r\n"), text.npos);
}

TEST(MimeWriter, HtmlWithPictureFilesAndMessage) {
  auto message = sample();
  const std::string html = "<html><body>Größe <img src=\"cid:pic@1\"></body></html>";
  message.properties.set_binary(PidTagHtml, as_view(html));
  message.properties.set_integer(PidTagInternetCodepage, 65001);
  std::string all;
  for (int i = 0; i < 100'000; ++i) all += static_cast<char>(i * 7);
  add_file(message, "bild.png", "PNG", "pic@1");
  add_file(message, "Übersicht \"neu\".dat", all);
  add_file(message, "empty.txt", "");
  MessageData::Attachment inner;
  inner.number = message.next_attachment++;
  inner.embedded = std::make_shared<MessageData>(sample());
  inner.embedded->properties.set_string(PidTagBody, "innen\r\n");
  message.attachments.push_back(std::move(inner));
  const auto mime = written(message);
  EXPECT_EQ(mime->native_body(), NativeBody::html);
  EXPECT_NE(as_text(mime->html()).find("Größe"), std::string_view::npos);
  EXPECT_NE(mime->text().find("Größe"), std::string::npos);
  ASSERT_EQ(mime->attachments().size(), 4u);
  EXPECT_EQ(as_text(*mime->attachment_data(0)), "PNG");
  EXPECT_EQ(mime->attachments()[0].properties.string(PidTagAttachContentId), "pic@1");
  EXPECT_EQ(mime->attachments()[0].properties.number(PidTagAttachmentHidden), 1);
  EXPECT_EQ(as_text(*mime->attachment_data(1)), all);
  EXPECT_EQ(mime->attachments()[1].properties.string(PidTagAttachLongFilename), "Übersicht _neu_.dat");
  EXPECT_EQ(mime->attachment_data(2)->size(), 0u);
  ASSERT_TRUE(mime->embedded(3));
  EXPECT_EQ((*mime->embedded(3))->text(), "innen\r\n");
  // And back into data, stored and taken out again.
  const auto data = message_data(*mime, 1000);
  ASSERT_TRUE(data);
  const auto stored = serialize(*data);
  const auto again = parse_message_data(stored);
  ASSERT_TRUE(again);
  EXPECT_EQ(as_text(again->attachments[1].data.view()), all);
  EXPECT_EQ(again->attachments[3].embedded->properties.string(PidTagSubject), message.properties.string(PidTagSubject));
  EXPECT_EQ(again->recipients.size(), 3u);
  EXPECT_FALSE(parse_message_data(View(stored).first(stored.size() - 1)));
}

// Outlook seldom says what a file is; readers that go by the type would show none of them.
TEST(MimeWriter, FilesHaveTheTypeThatTheirNameTells) {
  auto message = sample();
  message.properties.set_string(PidTagBody, "text");
  const std::pair<const char*, const char*> files[] = {
      {"Report.PDF", "application/pdf"}, {"a.b.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
      {"notes.txt", "text/plain"},       {"strange.xyz", "application/octet-stream"},
      {"noname", "application/octet-stream"}};
  for (const auto& [name, type] : files) add_file(message, name, "gr\xC3\xBC\xC3\x9F");
  add_file(message, "mac.pdf", "x");
  message.attachments.back().properties.set_string(PidTagAttachMimeTag, "application/AppleFile");
  add_file(message, "given.pdf", "x");
  message.attachments.back().properties.set_string(PidTagAttachMimeTag, "image/x-own");
  message.attachments.back().properties.set_string(PidTagAttachContentLocation, "http://example.test/a");
  const auto mime = written(message);
  ASSERT_EQ(mime->attachments().size(), std::size(files) + 2);
  EXPECT_EQ(mime->attachments()[std::size(files)].properties.string(PidTagAttachMimeTag), "application/octet-stream");
  for (std::size_t i = 0; i < std::size(files); ++i)
    EXPECT_EQ(mime->attachments()[i].properties.string(PidTagAttachMimeTag), files[i].second);
  EXPECT_EQ(mime->attachments()[2].properties.string(PidTagTextAttachmentCharset), "utf-8");
  EXPECT_EQ(mime->attachments().back().properties.string(PidTagAttachMimeTag), "image/x-own");
  EXPECT_EQ(mime->attachments().back().properties.string(PidTagAttachContentLocation), "http://example.test/a");
}

// [MS-OXCMAIL] 2.1.3.3.5, 2.1.3.4.1.2 and 2.1.3.4.2, and back.
TEST(MimeWriter, OnlyWhatTheHtmlRefersToIsWithinIt) {
  auto message = sample();
  message.properties.set_binary(PidTagHtml, as_view("<img src=\"http://example.test/a.png\"><img src=\"cid:b%40x\">"));
  message.properties.set_integer(PidTagInternetCodepage, 65001);
  add_file(message, "a.png", "A");
  message.attachments.back().properties.set_string(PidTagAttachContentLocation, "http://example.test/a.png");
  message.attachments.back().properties.set_string(PidTagAttachContentBase, "http://example.test/");
  add_file(message, "b.png", "B", "b@x");
  add_file(message, "unseen.png", "C", "c@x");
  message.attachments.back().properties.set_integer(PidTagAttachFlags, 4);
  message.attachments.back().properties.set_string(PidTagDisplayName, "Übersicht");
  message.attachments.back().properties.set_string(PidTagAttachPayloadClass, "class\r\nX-Evil: 1");
  message.attachments.back().properties.set_string(PidTagAttachPayloadProviderGuidString, "4A1B");
  const auto mime = written(message);
  ASSERT_EQ(mime->attachments().size(), 3u);
  const auto& first = mime->attachments()[0].properties;
  EXPECT_EQ(first.number(PidTagAttachFlags), 4);
  EXPECT_EQ(first.string(PidTagAttachContentBase), "http://example.test/");
  EXPECT_EQ(mime->attachments()[1].properties.number(PidTagAttachFlags), 4);
  const auto& third = mime->attachments()[2].properties;
  EXPECT_EQ(third.number(PidTagAttachFlags), 0);
  EXPECT_EQ(third.number(PidTagAttachmentHidden), 0);
  EXPECT_EQ(third.string(PidTagDisplayName), "Übersicht");
  EXPECT_EQ(third.string(PidTagAttachLongFilename), "unseen.png");
  EXPECT_EQ(third.string(PidTagAttachPayloadClass), "class  X-Evil: 1");
  EXPECT_EQ(third.string(PidTagAttachPayloadProviderGuidString), "4A1B");
}

// RFC 2183 2.4 and 2.5.
TEST(MimeWriter, FilesKeepTheirTimes) {
  auto message = sample();
  message.properties.set_string(PidTagBody, "text");
  add_file(message, "a.dat", "x");
  message.attachments.back().properties.set_time(PidTagCreationTime, from_unix(1'600'000'000));
  message.attachments.back().properties.set_time(PidTagLastModificationTime, from_unix(1'650'000'000));
  add_file(message, "b.dat", "y");
  const auto mime = written(message);
  ASSERT_EQ(mime->attachments().size(), 2u);
  EXPECT_EQ(mime->attachments()[0].properties.time(PidTagCreationTime), from_unix(1'600'000'000));
  EXPECT_EQ(mime->attachments()[0].properties.time(PidTagLastModificationTime), from_unix(1'650'000'000));
  EXPECT_EQ(mime->attachments()[1].properties.time(PidTagCreationTime), mime->properties().time(PidTagMessageDeliveryTime));
  EXPECT_EQ(std::string(as_text(mime->source().view())).find("creation-date=\"\""), std::string::npos);
  const auto odd = *MimeMessage::parse(ByteSource::from_string(
      "Date: Tue, 14 Nov 2023 22:13:20 +0000\nContent-Disposition: attachment; filename=a; creation-date=\"soon\"\nContent-Type: image/png\n\nx"));
  EXPECT_EQ(odd->attachments().at(0).properties.time(PidTagCreationTime), from_unix(1'700'000'000));
}

TEST(MimeWriter, KeepsWhatPartsDoNotTellInTheStoreAlone) {
  auto message = sample();
  message.properties.set_string(PidTagBody, "text");
  MessageData::Attachment attachment;
  attachment.number = message.next_attachment++;
  attachment.properties.set_string(PidTagAttachLongFilename, "a.dat");
  attachment.properties.set_boolean(PidTagAttachmentHidden, true);
  const PropertyTag own(0x04D2, PropertyType::PtypBinary);
  const std::string large(3000, 'x');
  attachment.properties.set_binary(own, as_view(large));
  attachment.data = ByteSource::from_string("data");
  message.attachments.push_back(std::move(attachment));
  MimeWriteOptions options;
  options.attachment_properties = true;
  const auto stored = written(message, options);
  ASSERT_EQ(stored->attachments().size(), 1u);
  const auto& bag = stored->attachments()[0].properties;
  EXPECT_EQ(as_text(bag.binary(own)), large);
  EXPECT_EQ(bag.number(PidTagAttachmentHidden), 1);
  EXPECT_EQ(bag.string(PidTagAttachLongFilename), "a.dat");
  EXPECT_EQ(as_text(*stored->attachment_data(0)), "data");
  EXPECT_FALSE(written(message)->attachments()[0].properties.contains(own));
}

TEST(MimeWriter, RtfBodies) {
  auto message = sample();
  const auto rtf = compress_rtf(html_to_rtf("<html><body><b>fett</b></body></html>"));
  message.properties.set_binary(PidTagRtfCompressed, rtf);
  const auto mime = written(message);
  EXPECT_EQ(mime->native_body(), NativeBody::html);
  EXPECT_NE(as_text(mime->html()).find("<b>fett</b>"), std::string_view::npos);
  auto plain = sample();
  plain.properties.set_binary(PidTagRtfCompressed, compress_rtf("{\\rtf1\\ansi nur {\\b Text}\\par}"));
  EXPECT_NE(written(plain)->text().find("nur Text"), std::string::npos);
  EXPECT_NE(as_text(written(plain)->html()).find("nur <b>Text</b>"), std::string_view::npos);
}

// [MS-OXBBODY] 2.1.3, [MS-OXCMSG] "PidTagInternetCodepage": HTML is in the page that PidTagInternetCodepage names.
TEST(MessageBodies, MadeHtmlIsInTheCodePageOfTheMessage) {
  Arena arena;
  const auto html = [&](const PropertyBag& bag) {
    const auto value = body_of(bag, PidTagHtml, arena);
    return value && value->get<View>() ? std::string(as_text(*value->get<View>())) : std::string();
  };
  mapi::PropertyBag bag;
  bag.set_binary(PidTagRtfCompressed, compress_rtf(html_to_rtf("<p>Größe 日</p>")));
  EXPECT_NE(html(bag).find("<p>Gr&#246;&#223;e &#26085;</p>"), std::string::npos);
  bag.set_integer(PidTagInternetCodepage, 1252);
  EXPECT_NE(html(bag).find("<p>Gr\xF6\xDF" "e &#26085;</p>"), std::string::npos);
  bag.set_integer(PidTagInternetCodepage, 65001);
  EXPECT_NE(html(bag).find("<p>Größe 日</p>"), std::string::npos);
  mapi::PropertyBag plain;
  plain.set_string(PidTagBody, "Größe");
  plain.set_integer(PidTagInternetCodepage, 1252);
  EXPECT_NE(html(plain).find("Gr&#246;&#223;e"), std::string::npos);
}

// A message within one that is edited stays what it was, until it is edited itself.
TEST(MimeWriter, MessagesWithinKeepTheirBytes) {
  const std::string inner =
      "X-Own: 1\r\nSubject: within\r\nDKIM-Signature: v=1; b=abc\r\nBcc: hidden@x\r\nContent-Type: text/plain; format=flowed\r\n\r\nline  \r\n";
  const auto outer = *MimeMessage::parse(ByteSource::from_string(
      "Subject: outer\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\ntext\r\n--m\r\nContent-Type: message/rfc822\r\n\r\n" + inner +
      "\r\n--m--\r\n"));
  auto data = message_data(*outer, 1000);
  ASSERT_TRUE(data);
  data->properties.set_string(PidTagSubject, "edited");
  const auto edited = written(*data);
  EXPECT_EQ(edited->properties().string(PidTagSubject), "edited");
  ASSERT_EQ(edited->attachments().size(), 1u);
  EXPECT_EQ(as_text(*edited->attachment_data(0)), inner);
  MimeWriteOptions leaving;
  leaving.bcc = false;
  EXPECT_EQ(as_text(written(*data, leaving)->source().view()).find("hidden@x"), std::string_view::npos);
  data->attachments[0].embedded->properties.set_string(PidTagSubject, "edited, too");
  const auto both = written(*data);
  ASSERT_TRUE(both->embedded(0));
  EXPECT_EQ((*both->embedded(0))->properties().string(PidTagSubject), "edited, too");
}

// What the store wrote for itself into a message within does not leave with its bytes.
TEST(MimeWriter, MessagesWithinLeaveWithoutWhatIsTheStores) {
  MessageData message;
  MessageData::Attachment within;
  within.embedded = std::make_shared<MessageData>(sample());
  add_file(*within.embedded, "a.txt", "first");
  within.embedded->attachments[0].properties.set_string(PidTagAttachLongPathname, "C:\\Private\\a.txt");
  message.attachments.push_back(std::move(within));
  MimeWriteOptions into_store;
  into_store.attachment_properties = true;
  const auto stored = written(message, into_store);
  EXPECT_NE(as_text(stored->source().view()).find(kept_properties_field), std::string_view::npos);
  auto data = message_data(*stored, 1000);
  ASSERT_TRUE(data);
  EXPECT_EQ(as_text(written(*data)->source().view()).find(kept_properties_field), std::string_view::npos);
  EXPECT_NE(as_text(written(*data, into_store)->source().view()).find(kept_properties_field), std::string_view::npos);
}

// [MS-OXOSMIME] 2.1: what the client signed leaves as multipart/signed, every byte of it.
TEST(MimeWriter, ClearSignedMessagesLeaveAsTheyWereSigned) {
  const std::string parts =
      "\r\n--s\r\nContent-Type: text/plain\r\n\r\nsigned  \r\n--s\r\nContent-Type: application/pkcs7-signature; "
      "name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\nMIIB\r\n--s--\r\n";
  const std::string type =
      "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n\tmicalg=sha-256; boundary=s\r\n";
  auto message = sample();
  message.properties.set_string(PidTagMessageClass, "IPM.Note.SMIME.MultipartSigned");
  message.properties.set_string(PidTagBody, "signed");
  add_file(message, "smime.p7m", "MIME-Version: 1.0\r\n" + type + "\r\n" + parts);
  message.attachments[0].properties.set_string(PidTagAttachMimeTag, "multipart/signed");
  const auto mime = written(message);
  const auto text = std::string(as_text(mime->source().view()));
  EXPECT_EQ(mime->properties().string(PidTagMessageClass), "IPM.Note.SMIME.MultipartSigned");
  EXPECT_NE(text.find("\r\n" + type + "\r\n" + parts), text.npos);
  EXPECT_EQ(text.find("MIME-Version", text.find("MIME-Version") + 1), text.npos);
  EXPECT_EQ(mime->text(), "signed  ");
  ASSERT_EQ(mime->attachments().size(), 1u);
  EXPECT_EQ(as_text(*mime->attachment_data(0)), "MIME-Version: 1.0\r\n" + type + "\r\n" + parts);
  // What merely claims to be signed stays readable.
  auto other = sample();
  other.properties.set_string(PidTagMessageClass, "IPM.Note.SMIME.MultipartSigned");
  other.properties.set_string(PidTagBody, "plain");
  add_file(other, "a.dat", "no MIME");
  EXPECT_EQ(written(other)->text(), "plain\r\n");
}

TEST(MimeWriter, EncryptedMessagesLeaveAsCms) {
  const std::string cms("\x30\x80\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x03\xA0\x80", 15);
  auto message = sample();
  message.properties.set_string(PidTagMessageClass, "IPM.Note.SMIME");
  add_file(message, "smime.p7m", cms);
  const auto mime = written(message);
  const auto text = std::string(as_text(mime->source().view()));
  EXPECT_NE(text.find("\r\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data;"), text.npos);
  EXPECT_EQ(mime->properties().string(PidTagMessageClass), "IPM.Note.SMIME");
  ASSERT_EQ(mime->attachments().size(), 1u);
  EXPECT_EQ(as_text(*mime->attachment_data(0)), cms);
}

TEST(MimeWriter, NothingOfTheUserBecomesAField) {
  auto message = sample();
  message.properties.set_string(PidTagSubject, "a\r\nBcc: evil@example.test");
  message.properties.set_string(PidTagInternetMessageId, "<x@y>\r\nX-Evil: 1");
  message.properties.set_string(PidTagSenderEmailAddress, "j@example.test>\r\nX-Evil: 2");
  message.properties.set_string(PidTagInReplyToId, "<z>\r\nX-Evil: 3");
  const auto mime = written(message);
  for (const auto& [name, value] : mime->internet_headers()) EXPECT_NE(name.name, "x-evil") << value;
  EXPECT_EQ(mime->recipients().size(), 3u);
}

TEST(MimeWriter, NonDeliveryReports) {
  NonDelivery report;
  report.to = {"", "a@example.test"};
  report.host = "mail.example.test";
  report.subject = "Grüße";
  report.recipients = {{"x@example.test", "5.1.1", "550 no such user ü"}};
  report.header = as_view("Subject: x\r\n");
  const auto mime = *MimeMessage::parse(ByteSource::from_string(write_non_delivery(report)));
  EXPECT_EQ(mime->properties().string(PidTagMessageClass), "REPORT.IPM.Note.NDR");
  EXPECT_EQ(mime->properties().string(PidTagSubject), "Undeliverable: Grüße");
  EXPECT_NE(mime->text().find("no such user ü"), std::string::npos);
}

TEST(MimeSupplement, GivesBackWhatMimeHasNoWordsFor) {
  auto message = sample();
  message.recipients[0].row = 4;
  message.recipients[2].properties.remove(PidTagEntryId);  // nobody knows the address
  add_file(message, "a.txt", "first");
  add_file(message, "b.png", "PNG", "pic@1");
  message.properties.set_binary(PidTagHtml, as_view("<html><img src=\"cid:pic@1\"></html>"));
  message.attachments[0].properties.set_integer(PidTagAttachMethod, 7);
  const auto bytes = write_mime(message, {});
  ASSERT_TRUE(bytes);
  const auto plain = *MimeMessage::parse(*bytes);
  const auto supplement = supplement_of(message, *plain, false);
  EXPECT_TRUE(supplement.properties.empty());
  const auto stored = serialize(supplement);
  MimeOptions options;
  options.supplement = *parse_supplement(stored);
  const auto whole = *MimeMessage::parse(*bytes, options);
  ASSERT_EQ(whole->recipients().size(), 3u);
  EXPECT_TRUE(whole->recipients_kept());
  EXPECT_EQ(whole->recipients()[0].row, 4u);
  EXPECT_EQ(whole->recipients()[2].display_name, "Name \"of\" c@example.test");
  ASSERT_EQ(whole->attachments().size(), 2u);
  EXPECT_EQ(whole->attachments()[0].properties.string(PidTagAttachLongFilename), "a.txt");
  EXPECT_EQ(whole->attachments()[0].properties.number(PidTagAttachMethod), 7);
  EXPECT_EQ(plain->attachments()[0].properties.string(PidTagAttachLongFilename), "b.png");
  EXPECT_EQ(as_text(*whole->attachment_data(0)), "first");

  // Nothing that is cut off or damaged is taken for it, and another message has nothing of it.
  for (std::size_t n = 0; n < stored.size(); ++n) EXPECT_FALSE(parse_supplement(View(stored).first(n)));
  auto other = sample();
  add_file(other, "c.txt", "of another size");
  const auto mime = write_mime(other, {});
  ASSERT_TRUE(mime);
  const auto apart = *MimeMessage::parse(*mime, options);
  EXPECT_FALSE(apart->recipients_kept());
  ASSERT_EQ(apart->attachments().size(), 1u);
  EXPECT_EQ(apart->attachments()[0].properties.string(PidTagAttachLongFilename), "c.txt");
}

// Those of a message within keep their places when its bytes are written as they came.
TEST(MimeSupplement, KnowsTheAttachmentsOfMessagesThatKeepTheirBytes) {
  MessageData message;
  message.properties.set_string(PidTagSubject, "outer");
  MessageData::Attachment within;
  within.embedded = std::make_shared<MessageData>(sample());
  add_file(*within.embedded, "a.txt", "first");
  add_file(*within.embedded, "b.png", "PNG", "pic@1");
  within.embedded->properties.set_binary(PidTagHtml, as_view("<html><img src=\"cid:pic@1\"></html>"));
  within.embedded->attachments[0].properties.set_integer(PidTagAttachMethod, 7);
  message.attachments.push_back(std::move(within));
  for (int round = 0; round < 3; ++round) {
    const auto bytes = write_mime(message, {});
    ASSERT_TRUE(bytes);
    const auto plain = *MimeMessage::parse(*bytes);
    MimeOptions options;
    options.supplement = *parse_supplement(serialize(supplement_of(message, *plain, false)));
    const auto whole = *MimeMessage::parse(*bytes, options);
    const auto inner = whole->embedded(0);
    ASSERT_TRUE(inner);
    ASSERT_EQ((*inner)->attachments().size(), 2u);
    EXPECT_EQ((*inner)->attachments()[0].properties.string(PidTagAttachLongFilename), "a.txt");
    EXPECT_EQ((*inner)->attachments()[0].properties.number(PidTagAttachMethod), 7);
    EXPECT_EQ(as_text(*(*inner)->attachment_data(0)), "first");
    auto again = message_data(*whole, 1000);
    ASSERT_TRUE(again);
    message = std::move(*again);
    message.properties.set_string(PidTagSubject, "edited");
  }
}

}  // namespace
}  // namespace mapigate::convert
