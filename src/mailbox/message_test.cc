// Opened messages: content, recipients, attachments, streams, flags, named properties.
#include "mailbox/test_support.h"

namespace mapigate::mailbox::testing {
namespace {

using namespace mapi;  // PidTag…
using enum FolderRole;

constexpr std::string_view missing = "!ecNotFound (0x8004010f)";

class MessageTest : public EngineTest {
 protected:
  void open(std::size_t n = 0) {
    client = connect();
    client->logon();
    opened = client->open_message(inbox, n);
    ASSERT_EQ(opened.value(), ecNone);
  }
  static std::string with_attachments() {
    std::string big;
    for (int i = 0; i < 4000; ++i) big += "0123456789abcdefghijklmnopqrstuvwxyz line of the attachment\r\n";
    return "preamble\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>Hallo <b>Welt</b></p></body></html>\r\n"
           "--b\r\nContent-Type: application/octet-stream; name=big.bin\r\nContent-Disposition: attachment; filename=big.bin\r\n\r\n" + big +
           "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: eve@example.test\r\nTo: mallory@example.test\r\nSubject: RE: Inner\r\n\r\nInner body\r\n"
           "\r\n--b--\r\n";
  }
  std::unique_ptr<Client> client;
  Replies opened;
};

TEST_F(MessageTest, OpeningTellsSubjectAndRecipients) {
  backend.add("INBOX", "RE: Plans");
  open();
  const auto& summary = opened.get<wire::RopOpenMessage>();
  EXPECT_EQ(summary.SubjectPrefix.String8, "RE: ");
  EXPECT_EQ(summary.NormalizedSubject.String8, "Plans");
  ASSERT_EQ(summary.RecipientCount, 3);
  ASSERT_EQ(summary.RecipientRows.size(), 3u);
  EXPECT_EQ(summary.RecipientRows[0].RecipientType, 1);
  EXPECT_EQ(summary.RecipientRows[2].RecipientType, 2);
  const auto& alice = summary.RecipientRows[0].RecipientRow;
  EXPECT_EQ(wire::to_utf8(alice.DisplayName), "Alice");
  EXPECT_EQ(wire::to_utf8(alice.EmailAddress), "alice@example.test");
  EXPECT_EQ(alice.type(), wire::RecipientRow::SMTP);
  for (const auto& row : summary.RecipientRows) {  // row S4: an entry id, never empty
    bool has_entry_id = false;
    for (std::size_t i = 0; i < summary.RecipientColumns.size(); ++i)
      if (summary.RecipientColumns[i] == PidTagEntryId)
        has_entry_id = row.RecipientRow.RecipientProperties.values[i].get<View>() && !row.RecipientRow.RecipientProperties.values[i].get<View>()->empty();
    EXPECT_TRUE(has_entry_id);
  }
  Ask<wire::RopReadRecipients> read{{1, 0}, 3};
  const auto rest = client->execute(read).get<wire::RopReadRecipients>().RecipientRows;
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest[0].RowId, 1u);
  const auto row = wire::decode_recipient_row(rest[1].RecipientRow, client->arena, summary.RecipientColumns);
  ASSERT_TRUE(row.has_value()) << row.error().message;
  EXPECT_EQ(wire::to_utf8(row->EmailAddress), "dave@example.test");
  read.body.RowId = 3;
  EXPECT_EQ(client->execute(read).value(), ecNotFound);
  EXPECT_EQ(client->execute(Ask<wire::RopReloadCachedInformation>{{}, 3}).get<wire::RopReloadCachedInformation>().RecipientCount, 3);
}

TEST_F(MessageTest, ManyRecipientsComeInParts) {
  std::string cc = "Bcc: ";
  for (int i = 0; i < 600; ++i) cc += fmt::format("person{}@example.test,\r\n ", i);
  cc += "last@example.test\r\n";
  backend.add("INBOX", "crowd", 0, "x", cc);
  open();
  const auto& summary = opened.get<wire::RopOpenMessage>();
  EXPECT_EQ(summary.RecipientCount, 604);
  std::size_t have = summary.RecipientRows.size();
  EXPECT_LT(have, 256u);
  while (have < 604) {
    Ask<wire::RopReadRecipients> read{{static_cast<std::uint32_t>(have), 0}, 3};
    const auto replies = client->execute(read);
    ASSERT_EQ(replies.value(), ecNone);
    const auto more = replies.get<wire::RopReadRecipients>().RecipientRows;
    ASSERT_FALSE(more.empty());
    EXPECT_EQ(more[0].RowId, have);
    have += more.size();
  }
  EXPECT_EQ(have, 604u);
}

TEST_F(MessageTest, BodiesInEveryForm) {
  backend.add("INBOX", "plain", 0, "Plain text.\r\n");
  backend.add("INBOX", "html", 0, "<html><body>Rich</body></html>\r\n", "Content-Type: text/html; charset=utf-8\r\n");
  open(0);
  EXPECT_EQ(to_text(client->property(PidTagNativeBody, 3)), "3");
  EXPECT_EQ(to_text(client->property(PidTagRtfInSync, 3)), "0");  // row S9: there, so that HTML is shown
  const auto html = client->property(PidTagHtml, 3);
  ASSERT_EQ(html.type, PropertyType::PtypBinary);
  EXPECT_NE(as_text(*html.get<View>()).find("Rich"), std::string::npos);
  EXPECT_NE(to_text(client->property(PidTagBodyHtml, 3)).find("Rich"), std::string::npos);
  EXPECT_NE(to_text(client->property(PidTagBody, 3)).find("Rich"), std::string::npos);
  EXPECT_FALSE(to_text(client->property(PidTagRtfCompressed, 3)).starts_with("!"));
  const auto second = client->open_message(inbox, 1);
  ASSERT_EQ(second.value(), ecNone);
  EXPECT_EQ(to_text(client->property(PidTagNativeBody, 3)), "1");
  EXPECT_EQ(to_text(client->property(PidTagRtfInSync, 3)), "1");
  EXPECT_EQ(trim(to_text(client->property(PidTagBody, 3))), "Plain text.");
  EXPECT_NE(to_text(client->property(PidTagTransportMessageHeaders, 3)).find("Message-ID: <INBOX.1@example.test>"), std::string::npos);
}

TEST_F(MessageTest, LargeValuesAreForStreams) {
  const std::string big(100'000, 'x');
  backend.add("INBOX", "large", 0, big + "\r\n");
  open();
  // Row P4: the reply succeeds, the cell says why not.
  const auto values = client->properties({PidTagSubject, PidTagBody}, 3);
  EXPECT_EQ(values[0], "large");
  EXPECT_EQ(values[1], "!ecMemory (0x8007000e)");
  // PropertySizeLimit changes nothing ([MS-OXCPRPT] 3.2.5.1).
  EXPECT_EQ(client->properties({PidTagSubject, PidTagMessageClass}, 3, 12), (std::vector<std::string>{"large", "IPM.Note"}));
  const auto unicode = client->read_stream(PidTagBody, 3);
  EXPECT_GE(unicode.size(), 2 * big.size());
  EXPECT_EQ(to_utf8(Utf16{as_view(unicode)}).substr(0, 10), "xxxxxxxxxx");
  const auto narrow = client->read_stream(PidTagBody.with(PropertyType::PtypString8), 3, 0x7000);
  EXPECT_EQ(narrow.substr(0, big.size()), big);
  EXPECT_EQ(client->read_stream(PidTagReplyTime.with(PropertyType::PtypBinary), 3), "!ecNotFound (0x8004010f)");
  Ask<wire::RopGetPropertiesAll> all{{0, 1}, 3};
  const auto everything = client->execute(all).get<wire::RopGetPropertiesAll>().PropertyValues;
  EXPECT_GT(everything.size(), 40u);
  bool body = false;
  for (const auto& value : everything) {
    if (value.tag.id() == PidTagBody.id()) body = value.value.type == PropertyType::PtypErrorCode && value.tag.type() == PropertyType::PtypErrorCode;
    if (is_multivalue(value.value.type)) { EXPECT_NE(to_text(value.value), "") << to_string(value.tag); }  // row S3
  }
  EXPECT_TRUE(body);
  const auto list = client->execute(Ask<wire::RopGetPropertiesList>{{}, 3}).get<wire::RopGetPropertiesList>().PropertyTags;
  EXPECT_NE(std::find(list.begin(), list.end(), PidTagBody), list.end());
}

TEST_F(MessageTest, ValuesThatFitIntoAnotherReplyComeBackAsRequests) {  // [MS-OXCROPS] 2.2.15.1
  backend.add("INBOX", "twice", 0, std::string(10'000, 'x') + "\r\n");
  open();
  const PropertyTag tags[] = {PidTagBody};
  Ask<wire::RopGetPropertiesSpecific> ask;
  ask.handle = 3;
  ask.body.WantUnicode = 1;
  ask.body.PropertyTags = tags;
  const auto replies = client->execute(ask, ask);
  ASSERT_EQ(replies.buffer.rops.size(), 2u);
  EXPECT_EQ(replies.value(0), ecNone);
  EXPECT_EQ(replies.buffer.rops[1].id, wire::RopId::RopBufferTooSmall);
}

TEST_F(MessageTest, StreamsSeekAndEnd) {
  backend.add("INBOX", "s", 0, "0123456789");
  open();
  Ask<wire::RopOpenStream> open_stream{{4, PidTagBody.with(PropertyType::PtypString8), 0}, 3};
  const auto size = client->execute(open_stream).get<wire::RopOpenStream>().StreamSize;
  EXPECT_GE(size, 10u);
  Ask<wire::RopSeekStream> seek{{wire::RopSeekStream::FromStart, 4}, 4};
  EXPECT_EQ(client->execute(seek).get<wire::RopSeekStream>().NewPosition, 4u);
  Ask<wire::RopReadStream> read{{3, 0}, 4};
  EXPECT_EQ(as_text(client->execute(read).get<wire::RopReadStream>().Data), "456");
  seek.body = {wire::RopSeekStream::FromCurrent, -2};
  client->execute(seek);
  EXPECT_EQ(as_text(client->execute(read).get<wire::RopReadStream>().Data), "567");
  Ask<wire::RopCloneStream> clone{{5}, 4};
  EXPECT_EQ(client->execute(clone).value(), ecNone);
  read.handle = 5;
  EXPECT_EQ(as_text(client->execute(read).get<wire::RopReadStream>().Data).substr(0, 2), "89");
  seek.body = {wire::RopSeekStream::FromEnd, 100};  // beyond the end is a position, with nothing there
  EXPECT_EQ(client->execute(seek).get<wire::RopSeekStream>().NewPosition, size + 100u);
  read.handle = 4;
  EXPECT_TRUE(client->execute(read).get<wire::RopReadStream>().Data.empty());
  seek.body = {wire::RopSeekStream::FromStart, -1};
  EXPECT_EQ(client->execute(seek).value(), static_cast<ErrorCode>(0x80030019));
  seek.body = {wire::RopSeekStream::FromCurrent, INT64_MAX};
  EXPECT_EQ(client->execute(seek).value(), static_cast<ErrorCode>(0x80030019));
  seek.body = {9, 0};
  EXPECT_EQ(client->execute(seek).value(), static_cast<ErrorCode>(0x80030057));
  EXPECT_EQ(client->execute(Ask<wire::RopGetStreamSize>{{}, 4}).get<wire::RopGetStreamSize>().StreamSize, size);
  EXPECT_EQ(client->execute(Ask<wire::RopCommitStream>{{}, 4}).value(), ecNone);
  Ask<wire::RopWriteStream> write{{as_view("x")}, 4};
  EXPECT_EQ(client->execute(write).value(), static_cast<ErrorCode>(0x80030005));  // it was opened for reading
  Ask<wire::RopReadStream> most{{wire::size_follows, 0x80000001}, 4};
  EXPECT_EQ(client->execute(most).code, ecRpcFormat);  // [MS-OXCROPS] 2.2.9.2.1
}

TEST_F(MessageTest, AttachmentsAndMessagesWithin) {
  backend.add("INBOX", "attached", 0, with_attachments(), "Content-Type: multipart/mixed; boundary=b\r\n");
  open();
  EXPECT_EQ(to_text(client->property(PidTagHasAttachments, 3)), "1");
  Ask<wire::RopGetAttachmentTable> table{{2, 0}, 3};
  ASSERT_EQ(client->execute(table).value(), ecNone);
  client->columns({PidTagAttachNumber, PidTagAttachMethod, PidTagAttachLongFilename, PidTagAttachSize, PidTagAttachDataBinary});
  const auto rows = client->rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0][1], "1");
  EXPECT_EQ(rows[0][2], "big.bin");
  EXPECT_GT(std::stoul(rows[0][3]), 200'000u);
  EXPECT_EQ(rows[0][4], missing);
  EXPECT_EQ(rows[1][1], "5");
  EXPECT_EQ(client->execute(Ask<wire::RopGetValidAttachments>{{}, 3}).get<wire::RopGetValidAttachments>().AttachmentIdArray.size(), 2u);
  Ask<wire::RopOpenAttachment> open_it{{4, 0, 0}, 3};
  ASSERT_EQ(client->execute(open_it).value(), ecNone);
  EXPECT_EQ(to_text(client->property(PidTagAttachDataBinary, 4)), "!ecMemory (0x8007000e)");
  const auto data = client->read_stream(PidTagAttachDataBinary, 4, 0x7000);
  EXPECT_GT(data.size(), 200'000u);
  EXPECT_EQ(data.substr(0, 10), "0123456789");
  open_it.body = {5, 0, 1};
  ASSERT_EQ(client->execute(open_it).value(), ecNone);
  Ask<wire::RopOpenEmbeddedMessage> inner{{6, 0x0FFF, 0}, 5};
  const auto embedded = client->execute(inner);
  ASSERT_EQ(embedded.value(), ecNone);
  EXPECT_EQ(embedded.get<wire::RopOpenEmbeddedMessage>().NormalizedSubject.String8, "Inner");
  EXPECT_EQ(embedded.get<wire::RopOpenEmbeddedMessage>().RecipientCount, 1);
  EXPECT_NE(to_text(client->property(PidTagBody, 6)).find("Inner body"), std::string::npos);
  inner.handle = 4;  // no message in it
  EXPECT_EQ(client->execute(inner).value(), ecNotFound);
  open_it.body = {7, 0, 2};
  EXPECT_EQ(client->execute(open_it).value(), ecNotFound);
  // Row L7: the attachment lives on without its message.
  client->execute(Ask<wire::RopRelease>{{}, 3});
  EXPECT_EQ(to_text(client->property(PidTagAttachLongFilename, 4)), "big.bin");
}

TEST_F(MessageTest, ReadStateIsInTheBackendBeforeTheAnswer) {
  backend.add("INBOX", "a");
  backend.add("INBOX", "b");
  open(0);
  Ask<wire::RopSetMessageReadFlag> mark{{false, 3, 0x0A, {}}, 4};  // row P17
  mark.handle = 3;
  ASSERT_EQ(client->execute(mark).value(), ecNone);
  EXPECT_EQ(backend.folders["INBOX"].messages[2].flags, state::flag_seen);
  EXPECT_EQ(to_text(client->property(PidTagRead, 3)), "1");
  ASSERT_EQ(client->open_folder(inbox), ecNone);
  EXPECT_EQ(to_text(client->property(PidTagContentUnreadCount, 1)), "1");
  mark.body.ReadFlags = 0x04;
  ASSERT_EQ(client->execute(mark).value(), ecNone);
  EXPECT_EQ(backend.folders["INBOX"].messages[2].flags, 0u);
  // A backend that says no: so do we, and nothing has changed.
  backend.set_down("set_flags");
  mark.body.ReadFlags = 0;
  EXPECT_EQ(client->execute(mark).value(), ecNetwork);
  EXPECT_EQ(to_text(client->property(PidTagRead, 3)), "0");
  backend.set_down("set_flags", false);
  // The whole folder, and some of it.
  Ask<wire::RopSetReadFlags> all{{false, 0, {}}, 1};
  ASSERT_EQ(client->execute(all).value(), ecNone);
  EXPECT_EQ(backend.folders["INBOX"].messages[1].flags & state::flag_seen, 1u);
  EXPECT_EQ(backend.folders["INBOX"].messages[2].flags & state::flag_seen, 1u);
  EXPECT_EQ(to_text(client->property(PidTagContentUnreadCount, 1)), "0");
}

TEST_F(MessageTest, FollowUpFlagsGoBothWays) {
  backend.add("INBOX", "flag me");
  open();
  EXPECT_EQ(to_text(client->property(PidTagFlagStatus, 3)), missing);
  const TaggedValue values[] = {{PidTagFlagStatus, Value::integer32(2)}, {PidTagRead, Value::boolean(true)}};
  Ask<wire::RopSetProperties> set{{values}, 3};
  const auto answer = client->execute(set);
  ASSERT_EQ(answer.value(), ecNone);
  const auto problems = answer.get<wire::RopSetProperties>().PropertyProblems;
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].Index, 1);
  EXPECT_EQ(problems[0].ErrorCode, ecComputed);
  EXPECT_EQ(backend.folders["INBOX"].messages[1].flags, 0u);  // not before it is saved
  Ask<wire::RopSaveChangesMessage> save{{3, 0x0A}, 3};        // row P9
  const auto saved = client->execute(save);
  ASSERT_EQ(saved.value(), ecNone);
  EXPECT_EQ(backend.folders["INBOX"].messages[1].flags, state::flag_flagged);
  EXPECT_EQ(client->properties({PidTagFlagStatus, PidTagFollowupIcon}, 3), (std::vector<std::string>{"2", "6"}));
  {
    std::lock_guard lock(backend.mutex);
    backend.folders["INBOX"].messages[1].flags = state::flag_answered;
    ++backend.folders["INBOX"].change;
  }
  settle(*client, inbox);
  EXPECT_EQ(client->properties({PidTagFlagStatus, PidTagIconIndex, PidTagLastVerbExecuted}, 3),
            (std::vector<std::string>{std::string(missing), "261", "102"}));
}

TEST_F(MessageTest, NamedPropertiesKeepTheirIds) {
  backend.add("INBOX", "named", 0, "x", "Keywords: red, blue\r\nX-Ticket: 4711\r\n");
  open();
  Arena names_arena;  // outlives the clients that ask
  wire::PropertyName names[3];
  names[0] = wire::to_wire(names_arena, {PS_PUBLIC_STRINGS, {}, "Keywords"});
  names[1] = wire::to_wire(names_arena, {PS_INTERNET_HEADERS, {}, "x-ticket"});
  names[2] = wire::to_wire(names_arena, PropertyName(PidLidFlagRequest));
  Ask<wire::RopGetPropertyIdsFromNames> ask{{wire::RopGetPropertyIdsFromNames::Create, names}, 0};
  const auto answer = client->execute(ask);
  ASSERT_EQ(answer.value(), ecNone);
  const std::vector<std::uint16_t> ids(answer.get<wire::RopGetPropertyIdsFromNames>().PropertyIds.begin(),
                                       answer.get<wire::RopGetPropertyIdsFromNames>().PropertyIds.end());
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_GE(ids[0], 0x8001);
  EXPECT_EQ(client->properties({PropertyTag(ids[0], PropertyType::PtypMultipleString), PropertyTag(ids[1], PropertyType::PtypString),
                                PropertyTag(ids[2], PropertyType::PtypString)}, 3),
            (std::vector<std::string>{"red,blue,", "4711", std::string(missing)}));
  Ask<wire::RopGetNamesFromPropertyIds> back{{ids}, 0};
  const auto named = client->execute(back).get<wire::RopGetNamesFromPropertyIds>().PropertyNames;
  EXPECT_EQ(wire::from_wire(named[2]), PropertyName(PidLidFlagRequest));
  // [MS-OXCPRPT] 3.2.5.10: header fields have no case, and all ids are asked of the store.
  names[1] = wire::to_wire(names_arena, {PS_INTERNET_HEADERS, {}, "X-Ticket"});
  EXPECT_EQ(client->execute(ask).get<wire::RopGetPropertyIdsFromNames>().PropertyIds[1], ids[1]);
  Ask<wire::RopGetPropertyIdsFromNames> all;
  EXPECT_GE(client->execute(all).get<wire::RopGetPropertyIdsFromNames>().PropertyIds.size(), 3u);
  all.handle = 3;
  EXPECT_EQ(client->execute(all).get<wire::RopGetPropertyIdsFromNames>().PropertyIds.size(), 0u);
  ask.body.Flags = 0;
  names[2] = wire::to_wire(names_arena, {PS_PUBLIC_STRINGS, {}, "never heard of"});
  const auto partly = client->execute(ask);
  EXPECT_EQ(partly.value(), ecWarnWithErrors);
  EXPECT_EQ(partly.get<wire::RopGetPropertyIdsFromNames>().PropertyIds[2], 0);
  client.reset();
  make_engine();
  open();
  EXPECT_EQ(client->execute(ask).get<wire::RopGetPropertyIdsFromNames>().PropertyIds[0], ids[0]);
  Ask<wire::RopQueryNamedProperties> query{{0, true, PS_PUBLIC_STRINGS}, 0};
  EXPECT_EQ(client->execute(query).get<wire::RopQueryNamedProperties>().PropertyIds.size(), 1u);
}

TEST_F(MessageTest, OpeningWhatIsNotThere) {
  backend.add("INBOX", "here");
  open();
  Ask<wire::RopOpenMessage> ask{{4, 0x0FFF, Id(own_replid, special_id(inbox)), 0, Id(own_replid, 0x7777777)}, 0};
  EXPECT_EQ(client->execute(ask).value(), ecNotFound);
  ask.body.FolderId = Id(own_replid, special_id(sent_items));
  ask.body.MessageId = client->message_ids(inbox)[0];  // is in another folder
  EXPECT_EQ(client->execute(ask).value(), ecNotFound);
  // Gone in the backend while the index still has it.
  ask.body.FolderId = Id(own_replid, special_id(inbox));
  use([](EngineOptions& o) { o.refresh_interval = std::chrono::hours(1); });
  client = connect();
  client->logon();
  ask.body.MessageId = client->message_ids(inbox)[0];
  {
    std::lock_guard lock(backend.mutex);
    backend.folders["INBOX"].messages.clear();
  }
  EXPECT_EQ(client->execute(ask).value(), ecNotFound);
}

}  // namespace
}  // namespace mapigate::mailbox::testing
