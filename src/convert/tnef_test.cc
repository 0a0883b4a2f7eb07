#include <gtest/gtest.h>

#include "base/text.h"
#include "convert/mime_message.h"
#include "convert/msg.h"
#include "convert/rtf.h"
#include "convert/tnef.h"
#include "convert/tnef_attributes.h"

namespace mapigate::convert {
namespace {

using namespace mapi;

const PropertyName keywords{PS_PUBLIC_STRINGS, {}, "Keywords"};
const PropertyName busy_status{PSETID_Appointment, 0x8205, {}};

MessageObject sample() {
  MessageObject message;
  message.properties.set_string(PidTagMessageClass, "IPM.Note");
  message.properties.set_string(PidTagSubject, "Grüße");
  message.properties.set_integer(PidTagImportance, 2);
  message.properties.set_time(PidTagClientSubmitTime, from_unix(1709208000));
  message.properties.set_binary(PidTagRtfCompressed, compress_rtf("{\\rtf1 x}"));
  message.properties.set_strings(PropertyTag(message.id_of(keywords), PropertyType::PtypMultipleString), {"red", "odd"});
  message.properties.set_integer(PropertyTag(message.id_of(busy_status), PropertyType::PtypInteger32), 2);
  PropertyBag recipient;
  recipient.set_string(PidTagDisplayName, "Ann");
  recipient.set_integer(PidTagRecipientType, 1);
  message.recipients.push_back(std::move(recipient));

  auto& file = message.attachments.emplace_back();
  file.properties.set_string(PidTagAttachLongFilename, "a.txt");
  file.properties.set_integer(PidTagAttachMethod, 1);
  file.properties.set_binary(PidTagAttachDataBinary, as_view("hello"));
  auto& inner = message.attachments.emplace_back();
  inner.properties.set_integer(PidTagAttachMethod, 5);
  inner.embedded = std::make_unique<MessageObject>();
  inner.embedded->properties.set_string(PidTagSubject, "within");
  inner.embedded->properties.set_strings(PropertyTag(inner.embedded->id_of(keywords), PropertyType::PtypMultipleString), {"inner"});
  return message;
}

std::shared_ptr<MimeMessage> carrying(const MessageObject& message, std::string_view header = {}) {
  auto text = "Subject: outer\nFrom: b@x\nImportance: low\n" + std::string(header) +
              "Content-Type: multipart/mixed; boundary=m\n\n--m\n\nplain version\n--m\nContent-Type: application/ms-tnef; name=winmail.dat\n"
              "Content-Transfer-Encoding: base64\n\n" + to_base64(*write_tnef(message)) + "\n--m--\n";
  return *MimeMessage::parse(ByteSource::from_string(std::move(text)));
}

// [MS-OXCMAIL] 2.1.3.3, [MS-OXTNEF]: winmail.dat is the message, not a file in it.
TEST(Tnef, MakesTheMessageThatCarriesIt) {
  auto object = sample();
  object.properties.set_string(PidTagMessageClass, "IPM.Task");
  object.properties.set_string(PidTagReportText, "more");
  object.properties.set_binary(PidTagSearchKey, as_view("theirs"));
  const auto mime = carrying(object);
  const auto& bag = mime->properties();
  EXPECT_EQ(bag.string(PidTagSubject), "outer");
  EXPECT_EQ(bag.string(PidTagMessageClass), "IPM.Task");
  EXPECT_EQ(bag.string(PidTagReportText), "more");
  EXPECT_EQ(bag.number(PidTagImportance), 2);
  EXPECT_FALSE(bag.contains(PidTagSearchKey));
  EXPECT_EQ(mime->native_body(), NativeBody::rtf);
  EXPECT_EQ(*decompress_rtf(mime->rtf_compressed()), "{\\rtf1 x}");
  EXPECT_EQ(std::string(trim(mime->text())), "x");
  EXPECT_NE(as_text(mime->html()).find(">x"), std::string_view::npos);
  // Named ones keep their names.
  ASSERT_EQ(mime->names().size(), 1u);
  EXPECT_EQ(mime->names().begin()->second, busy_status);
  EXPECT_EQ(mime->named_properties().number(PropertyTag(mime->names().begin()->first, PropertyType::PtypInteger32)), 2);
  ASSERT_EQ(mime->attachments().size(), 2u);
  EXPECT_EQ(mime->attachments()[0].properties.string(PidTagAttachLongFilename), "a.txt");
  EXPECT_EQ(mime->attachments()[0].properties.string(PidTagAttachExtension), ".txt");
  EXPECT_EQ(as_text(*mime->attachment_data(0)), "hello");
  EXPECT_EQ(*mime->attachment_size(0), 5u);
  EXPECT_EQ(mime->attachments()[1].kind, Attachment::Kind::embedded);
  const auto inner = mime->embedded(1);
  ASSERT_TRUE(inner);
  EXPECT_EQ((*inner)->properties().string(PidTagSubject), "within");
  EXPECT_EQ(bag.number(PidTagHasAttachments), 1);
}

TEST(Tnef, FilesAreThereAndNowhereElse) {
  auto object = sample();
  auto& file = object.attachments[0].properties;
  file.set_integer(PidTagAttachMethod, 4);  // afByReferenceOnly
  file.set_string(PidTagAttachLongPathname, "\\\\far.example\\share\\a.txt");
  const auto mime = carrying(object);
  ASSERT_FALSE(mime->attachments().empty());
  const auto& bag = mime->attachments()[0].properties;
  EXPECT_EQ(bag.number(PidTagAttachMethod), 1);
  EXPECT_FALSE(bag.contains(PidTagAttachLongPathname));
}

TEST(Tnef, OfAnotherMessageIsAFile) {
  auto object = sample();
  object.properties.set_binary(PidTagTnefCorrelationKey, View(reinterpret_cast<const std::uint8_t*>("<key@x>"), 8));
  const auto files = [&](std::string_view header) { return carrying(object, header)->attachments().size(); };
  EXPECT_EQ(files("X-MS-TNEF-Correlator: <key@x>\n"), 2u);
  EXPECT_EQ(files("Message-ID: <key@x>\n"), 2u);
  const auto forwarded = carrying(object, "Message-ID: <other@x>\n");
  ASSERT_EQ(forwarded->attachments().size(), 1u);
  EXPECT_EQ(forwarded->attachments()[0].properties.string(PidTagAttachLongFilename), "winmail.dat");
  EXPECT_EQ(forwarded->text(), "plain version");
  // Broken in its middle: what can be read is shown, and the file stays.
  auto text = std::string(as_text(carrying(sample())->source().view()));
  const auto at = text.find("\n--m--");
  text.erase(at - 200, 196);
  const auto broken = *MimeMessage::parse(ByteSource::from_string(text));
  bool file = false;
  for (const auto& attachment : broken->attachments()) file = file || attachment.properties.string(PidTagAttachLongFilename) == "winmail.dat";
  EXPECT_TRUE(file);
}

TEST(Tnef, ComesBackAsItWas) {
  const auto bytes = write_tnef(sample(), 0x0AF1);
  ASSERT_TRUE(bytes) << bytes.error().message;
  const auto read = read_tnef(*bytes);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->problem, "");
  EXPECT_EQ(read->bad_checksums, 0u);
  const auto& message = read->message;
  EXPECT_EQ(message.string(PidTagSubject), "Grüße");
  EXPECT_EQ(message.properties.time(PidTagClientSubmitTime), from_unix(1709208000));
  EXPECT_EQ(*decompress_rtf(message.properties.binary(PidTagRtfCompressed)), "{\\rtf1 x}");
  const auto* words = message.find(keywords);
  ASSERT_NE(words, nullptr);
  ASSERT_EQ(words->get<std::span<const Utf16>>()->size(), 2u);
  EXPECT_EQ(to_utf8((*words->get<std::span<const Utf16>>())[1]), "odd");
  EXPECT_EQ(number_of(*message.find(busy_status)), 2);
  ASSERT_EQ(message.recipients.size(), 1u);
  EXPECT_EQ(message.recipients[0].string(PidTagDisplayName), "Ann");
  ASSERT_EQ(message.attachments.size(), 2u);
  EXPECT_EQ(message.attachments[0].name(1252), "a.txt");
  EXPECT_EQ(as_text(message.attachments[0].properties.binary(PidTagAttachDataBinary)), "hello");
  EXPECT_FALSE(message.attachments[0].embedded);
  ASSERT_TRUE(message.attachments[1].embedded);
  EXPECT_EQ(message.attachments[1].embedded->string(PidTagSubject), "within");
  ASSERT_NE(message.attachments[1].embedded->find(keywords), nullptr);
}

// The head of the sample in [MS-OXTNEF] 3.1 "Sample Message": version, code page, class, with their checksums.
TEST(Tnef, StartsAsTheSpecificationShows) {
  MessageObject message;
  message.properties.set_string(PidTagMessageClass, "IPM.Note");
  message.properties.set_integer(PidTagImportance, 1);
  message.properties.set_string(PidTagSubject, "Simple subject");
  const auto bytes = write_tnef(message, 1);
  ASSERT_TRUE(bytes);
  const std::string head =
      "789f3e22" "0100"
      "01" "06900800" "04000000" "00000100" "0100"
      "01" "07900600" "08000000" "e404000000000000" "e800"
      "01" "08800700" "18000000" "49504d2e4d6963726f736f6674204d61696c2e4e6f746500" "3108"
      "01" "0d800400" "02000000" "0200" "0200"
      "01" "04800100" "0f000000" "53696d706c65207375626a65637400" "7a05";
  EXPECT_EQ(to_hex(View(*bytes).first(head.size() / 2)), head);
}

TEST(Tnef, DatesOfOldAttributes) {
  // "Tuesday, 02/17/2004, 11:25:35" of the same sample.
  Bytes raw;
  ASSERT_TRUE(from_hex("d407 0200 1100 0b00 1900 2300 0200", raw));
  EXPECT_EQ(to_iso8601(tnef::from_dtr(raw)), "2004-02-17T11:25:35Z");
  EXPECT_EQ(tnef::to_dtr(tnef::from_dtr(raw)), raw);
  raw[2] = 13;
  EXPECT_EQ(tnef::from_dtr(raw).ticks, 0u);
}

TEST(Tnef, EveryTruncationIsTakenAsFarAsItGoes) {
  const auto bytes = write_tnef(sample());
  ASSERT_TRUE(bytes);
  for (std::size_t size = 0; size < bytes->size(); ++size) {
    const auto read = read_tnef(View(*bytes).first(size));
    if (size < 4) EXPECT_FALSE(read);
    else ASSERT_TRUE(read) << size << ": " << read.error().message;
  }
}

TEST(Tnef, LimitsAreKept) {
  const auto bytes = write_tnef(sample());
  ObjectLimits limits;
  limits.max_bytes = 100;
  EXPECT_EQ(read_tnef(*bytes, limits).error().code, Errc::limit);
  limits = {};
  limits.max_attachments = 1;
  EXPECT_EQ(read_tnef(*bytes, limits).error().code, Errc::limit);
  limits = {};
  limits.max_depth = 1;
  EXPECT_EQ(read_tnef(*bytes, limits).error().code, Errc::limit);
}

TEST(Msg, OthersAreRefused) {
  EXPECT_EQ(read_msg(as_view("From: me")).error().code, Errc::malformed);
  EXPECT_EQ(read_msg({}).error().code, Errc::malformed);
}

}  // namespace
}  // namespace mapigate::convert
