// Messages that leave in a winmail.dat, read back as what they were.
#include "convert/mime_tnef_writer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "convert/header_properties.h"
#include "convert/mime_message.h"
#include "convert/rtf.h"
#include "convert/tnef.h"

namespace mapigate::convert {
namespace {

using namespace mapi;

const PropertyTag busy(0x8001, PropertyType::PtypInteger32), words(0x8002, PropertyType::PtypMultipleString), unnamed(0x8003, PropertyType::PtypInteger32),
    use_tnef(0x8004, PropertyType::PtypBoolean), field(0x8005, PropertyType::PtypString);
const std::map<std::uint16_t, PropertyName> names{{0x8001, PropertyName{PSETID_Appointment, 0x8205, {}}},
                                                  {0x8002, PropertyName{PS_PUBLIC_STRINGS, std::nullopt, "Keywords"}},
                                                  {0x8004, PropertyName(PidLidUseTnef)},
                                                  {0x8005, PropertyName{PS_INTERNET_HEADERS, std::nullopt, "X-Mine"}}};

void add(MessageData& message, std::int32_t type, const char* address) {
  MessageData::Recipient recipient;
  recipient.type = type;
  recipient.row = static_cast<std::uint32_t>(message.recipients.size());
  recipient.properties = make_recipient(type, {"", address}, recipient.row).properties;
  message.recipients.push_back(std::move(recipient));
}

MessageData::Attachment& attach(MessageData& message) {
  auto& out = message.attachments.emplace_back();
  out.number = message.next_attachment++;
  return out;
}

MessageData sample() {
  MessageData message;
  auto& bag = message.properties;
  bag.set_string(PidTagMessageClass, "IPM.Task");
  bag.set_string(PidTagSubject, "Grüße");
  bag.set_string(PidTagSenderName, "Jürgen");
  bag.set_string(PidTagSenderEmailAddress, "j@example.test");
  bag.set_string(PidTagSenderAddressType, "SMTP");
  bag.set_binary(PidTagRtfCompressed, compress_rtf("{\\rtf1\\ansi\\b Fat}"));
  bag.set_string(PidTagReportText, "more");
  bag.set_string(PidTagLastModifierName, "somebody");
  bag.set_integer(busy, 2);
  bag.set_strings(words, {"private"});
  bag.set_integer(unnamed, 7);
  bag.set_string(field, "in the header");
  add(message, recipient_to, "to@example.test");
  add(message, recipient_bcc, "hidden@example.test");
  auto& file = attach(message);
  file.properties.set_string(PidTagAttachLongFilename, "Übersicht.txt");
  file.properties.set_string(PidTagAttachMimeTag, "text/plain");
  file.data = ByteSource::from_string("inhalt");
  auto& inner = attach(message);
  inner.embedded = std::make_shared<MessageData>();
  inner.embedded->properties.set_string(PidTagSubject, "within");
  inner.embedded->properties.set_string(PidTagBody, "inner text");
  inner.embedded->properties.set_string(PidTagSenderName, "Inner Sender");
  inner.embedded->properties.set_string(PidTagSenderEmailAddress, "inner@example.test");
  inner.embedded->properties.set_string(PidTagSenderAddressType, "SMTP");
  add(*inner.embedded, recipient_to, "inner-to@example.test");
  return message;
}

MimeWriteOptions rich() {
  MimeWriteOptions options;
  options.tnef = true;
  options.names = names;
  return options;
}

TEST(TnefWriter, TheMessageComesBackWhole) {
  auto message = sample();
  const auto bytes = write_mime(message, rich());
  ASSERT_TRUE(bytes);
  const auto text = std::string(as_text(bytes->view()));
  const auto id = message.properties.string(PidTagInternetMessageId);
  EXPECT_NE(text.find("\r\nX-MS-TNEF-Correlator: " + id + "\r\n"), text.npos);
  EXPECT_NE(text.find("\r\nX-Mine: in the header\r\n"), text.npos);
  EXPECT_EQ(text.find("inhalt"), text.npos);
  const auto mime = *MimeMessage::parse(*bytes);
  const auto& bag = mime->properties();
  EXPECT_EQ(bag.string(PidTagMessageClass), "IPM.Task");
  EXPECT_EQ(bag.string(PidTagSubject), "Grüße");
  EXPECT_EQ(bag.string(PidTagSenderName), "Jürgen");
  EXPECT_EQ(bag.string(PidTagReportText), "more");
  EXPECT_EQ(mime->native_body(), NativeBody::rtf);
  EXPECT_EQ(*decompress_rtf(mime->rtf_compressed()), "{\\rtf1\\ansi\\b Fat}");
  ASSERT_EQ(mime->names().size(), 1u);
  EXPECT_EQ(mime->names().begin()->second, names.at(0x8001));
  EXPECT_EQ(mime->named_properties().number(PropertyTag(mime->names().begin()->first, PropertyType::PtypInteger32)), 2);
  ASSERT_EQ(mime->attachments().size(), 2u);
  EXPECT_EQ(mime->attachments()[0].properties.string(PidTagAttachLongFilename), "Übersicht.txt");
  EXPECT_EQ(mime->attachments()[0].properties.string(PidTagAttachMimeTag), "text/plain");
  EXPECT_EQ(as_text(*mime->attachment_data(0)), "inhalt");
  const auto inner = mime->embedded(1);
  ASSERT_TRUE(inner);
  EXPECT_EQ((*inner)->properties().string(PidTagSubject), "within");
  EXPECT_EQ((*inner)->properties().string(PidTagSenderName), "Inner Sender");
  EXPECT_EQ((*inner)->text(), "inner text\r\n");
  ASSERT_EQ((*inner)->recipients().size(), 1u);
  EXPECT_EQ((*inner)->recipients()[0].smtp_address, "inner-to@example.test");
}

TEST(TnefWriter, TellsNothingThatIsNobodyElsesBusiness) {
  auto message = sample();
  const auto stream = tnef_of(message, rich(), "<1@x>");
  ASSERT_TRUE(stream);
  const auto read = read_tnef(*stream);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->problem, "");
  EXPECT_EQ(read->bad_checksums, 0u);
  const auto& object = read->message;
  EXPECT_TRUE(object.recipients.empty());
  for (const auto tag : {PidTagLastModifierName, PidTagSenderName, PidTagDisplayBcc}) EXPECT_FALSE(object.properties.contains(tag)) << tag.value;
  EXPECT_EQ(object.find(names.at(0x8002)), nullptr);
  EXPECT_EQ(object.find(names.at(0x8005)), nullptr);
  EXPECT_NE(object.find(names.at(0x8001)), nullptr);
  EXPECT_EQ(as_text(object.properties.binary(PidTagTnefCorrelationKey)), std::string_view("<1@x>\0", 6));
  const auto address = to_utf16("hidden@");
  EXPECT_EQ(std::search(stream->begin(), stream->end(), address.begin(), address.end()), stream->end());
}

TEST(TnefWriter, MessagesWithinTellOfBccInTheStoreAlone) {
  auto message = sample();
  add(*message.attachments[1].embedded, recipient_bcc, "secret@example.test");
  const auto recipients_within = [&](bool bcc) {
    auto options = rich();
    options.bcc = bcc;
    const auto stream = tnef_of(message, options, "<1@x>");
    return stream ? read_tnef(*stream)->message.attachments.at(1).embedded->recipients.size() : 0;
  };
  EXPECT_EQ(recipients_within(true), 2u);
  EXPECT_EQ(recipients_within(false), 1u);
}

TEST(TnefWriter, WhoseWishCounts) {
  auto message = sample();
  const auto leaves = [&](TnefPolicy policy) { return leaves_as_tnef(message, names, policy); };
  EXPECT_FALSE(leaves(TnefPolicy::never));
  EXPECT_TRUE(leaves(TnefPolicy::always));
  EXPECT_FALSE(leaves(TnefPolicy::asked));  // Internet addresses take no rich text
  message.recipients[0].properties.set_boolean(PidTagSendRichInfo, true);
  EXPECT_FALSE(leaves(TnefPolicy::asked));  // nor does one of them
  message.recipients[1].properties.set_boolean(PidTagSendRichInfo, true);
  EXPECT_TRUE(leaves(TnefPolicy::asked));
  message.recipients[1].properties.set_integer(PidTagSendInternetEncoding, 0x00060000);
  EXPECT_FALSE(leaves(TnefPolicy::asked));
  message.recipients[1].properties.remove(PidTagSendInternetEncoding);
  message.properties.set_integer(PidTagInternetMailOverrideFormat, 0x00160000);
  EXPECT_FALSE(leaves(TnefPolicy::asked));
  message.properties.set_boolean(use_tnef, true);
  EXPECT_TRUE(leaves(TnefPolicy::asked));
  EXPECT_FALSE(leaves(TnefPolicy::never));
  message.properties.remove(PidTagInternetMailOverrideFormat);
  message.properties.set_boolean(use_tnef, false);
  EXPECT_FALSE(leaves(TnefPolicy::asked));
  message.properties.set_boolean(use_tnef, true);
  message.properties.set_string(PidTagMessageClass, "REPORT.IPM.Note.NDR");
  EXPECT_FALSE(leaves(TnefPolicy::asked));
  EXPECT_FALSE(leaves(TnefPolicy::always));
  message.properties.set_string(PidTagMessageClass, "IPM.Note.SMIME");
  message.attachments.pop_back();
  EXPECT_FALSE(leaves(TnefPolicy::always));
}

TEST(TnefWriter, WhatIsTooDeepLeavesAsMime) {
  MessageData message = sample();
  for (int i = 0; i < 16; ++i) {
    MessageData outer;
    outer.properties.set_string(PidTagSubject, "outer");
    outer.properties.set_string(PidTagBody, "text");
    attach(outer).embedded = std::make_shared<MessageData>(std::move(message));
    message = std::move(outer);
  }
  EXPECT_EQ(tnef_of(message, rich(), "<1@x>").error().code, Errc::limit);
  const auto bytes = write_mime(message, rich());
  ASSERT_TRUE(bytes);
  EXPECT_EQ(as_text(bytes->view()).find("ms-tnef"), std::string_view::npos);
  std::vector<std::uint16_t> ids;
  collect_named(message, ids);
  EXPECT_EQ(ids, (std::vector<std::uint16_t>{0x8001, 0x8002, 0x8003, 0x8005}));
}

}  // namespace
}  // namespace mapigate::convert
