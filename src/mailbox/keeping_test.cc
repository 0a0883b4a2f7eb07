// What a client saved on a message and MIME has no words for: recipients, attachments and embedded messages come back as they
// were, over restarts, moves and edits, and not into what another client made of the message.
#include <algorithm>

#include "convert/rtf.h"
#include "mailbox/object_properties.h"
#include "mailbox/test_support.h"
#include "mapi/entry_id.h"

namespace mapigate::mailbox::testing {
namespace {

using namespace mapi;
using enum state::FolderRole;
using wire::RecipientRow;

class KeepingTest : public InboxTest {
 protected:
  void create(std::uint8_t handle = 3) {
    Ask<wire::RopCreateMessage> make{{handle, 0x0FFF, Id(own_replid, special_id(inbox)), false}, 0};
    ASSERT_EQ(client->execute(make).value(), ecNone);
    set(PidTagSubject, text("kept"), handle);
  }
  Value text(std::string_view utf8) { return Value::string(client->arena, utf8); }
  void set(PropertyTag tag, Value value, std::uint8_t handle) {
    const TaggedValue values[] = {{tag, value}};
    const auto answer = client->execute(Ask<wire::RopSetProperties>{{values}, handle});
    ASSERT_EQ(answer.value(), ecNone);
    EXPECT_TRUE(answer.get<wire::RopSetProperties>().PropertyProblems.empty()) << fmt::format("{:08x}", tag.value);
  }
  PropertyTag named(const char* name, PropertyType type) {
    const std::vector<wire::PropertyName> list{wire::to_wire(client->arena, {PS_PUBLIC_STRINGS, {}, name})};
    Ask<wire::RopGetPropertyIdsFromNames> ask{{wire::RopGetPropertyIdsFromNames::Create, list}, 0};
    return {client->execute(ask).get<wire::RopGetPropertyIdsFromNames>().PropertyIds[0], type};
  }
  ErrorCode save(std::uint8_t handle = 3) {
    return client->execute(Ask<wire::RopSaveChangesMessage>{{handle, 0x02}, handle}).value();
  }
  ErrorCode save_attachment(std::uint8_t handle, std::uint8_t message = 3) {
    return client->execute(Ask<wire::RopSaveChangesAttachment>{{handle, 0x02}, message}).value();
  }

  // A row as Outlook sends it; without an address it is not resolved.
  wire::ModifyRecipientRow row(std::uint32_t id, std::uint8_t type, const char* name, const char* address,
                               std::vector<Value> cells) {
    wire::ModifyRecipientRow out;
    out.RowId = id;
    out.RecipientType = type;
    auto& r = out.RecipientRow;
    r.RecipientFlags = RecipientRow::U | RecipientRow::D | RecipientRow::S;
    r.DisplayName.unicode = to_utf16(client->arena, name);
    if (*address != '\0') {
      r.RecipientFlags |= static_cast<std::uint16_t>(RecipientRow::SMTP);
      r.RecipientFlags |= RecipientRow::E;
      r.EmailAddress.unicode = to_utf16(client->arena, address);
    }
    r.RecipientColumnCount = static_cast<std::uint16_t>(cells.size());
    r.RecipientProperties.values = client->arena.copy(std::span<const Value>(cells));
    return out;
  }
  void recipients(std::uint8_t handle = 3) {
    const PropertyTag columns[] = {PidTagRecipientFlags, PidTagRecipientTrackStatus, PidTagSendRichInfo, PidTagEntryId};
    const auto cells = [&](std::int32_t flags, std::int32_t status, bool rich, const char* entry) {
      return std::vector<Value>{Value::integer32(flags), Value::integer32(status), Value::boolean(rich), Value::binary(as_view(entry))};
    };
    const wire::ModifyRecipientRow rows[] = {
        row(2, 2, "Carol Copy", "carol@example.test", cells(1, 3, true, "entry of carol")),
        row(5, 1, "Nobody Resolved", "", cells(0, 0, false, "entry of nobody")),
        row(9, 0x81, "Bob Builder", "bob@example.test", cells(3, 5, true, "entry of bob"))};
    ASSERT_EQ(client->execute(Ask<wire::RopModifyRecipients>{{columns, rows}, handle}).value(), ecNone);
  }
  // "row type name address flags status rich entry" of each.
  std::vector<std::string> listed(std::uint8_t handle = 3) {
    const auto summary = client->execute(Ask<wire::RopReloadCachedInformation>{{}, handle});
    if (summary.value() != ecNone) return {"?"};
    const auto columns = summary.get<wire::RopReloadCachedInformation>().RecipientColumns;
    std::vector<std::string> out;
    const auto read = client->execute(Ask<wire::RopReadRecipients>{{0, 0}, handle});
    if (read.value() != ecNone) return out;
    for (const auto& one : read.get<wire::RopReadRecipients>().RecipientRows) {
      const auto decoded = wire::decode_recipient_row(one.RecipientRow, client->arena, columns);
      if (!decoded) return {decoded.error().message};
      auto line = fmt::format("{} {:#x} {} <{}>", one.RowId, one.RecipientType, wire::to_utf8(decoded->DisplayName),
                              wire::to_utf8(decoded->EmailAddress));
      for (const auto tag : {PidTagRecipientFlags, PidTagRecipientTrackStatus, PidTagSendRichInfo, PidTagEntryId})
        for (std::size_t i = 0; i < columns.size(); ++i) {
          if (columns[i].id() != tag.id()) continue;
          const auto& cell = decoded->RecipientProperties.values[i];
          const auto* bytes = cell.get<View>();
          line += " " + (bytes ? std::string(as_text(*bytes)) : to_text(cell));
        }
      out.push_back(line);
    }
    return out;
  }
  const std::vector<std::string> as_sent{"2 0x2 Carol Copy <carol@example.test> 1 3 1 entry of carol",
                                         "5 0x1 Nobody Resolved <> 0 0 0 entry of nobody",
                                         "9 0x81 Bob Builder <bob@example.test> 3 5 1 entry of bob"};
};

TEST_F(KeepingTest, RecipientsComeBackAsTheyWereWritten) {
  open();
  create();
  recipients();
  ASSERT_EQ(listed(), as_sent);
  ASSERT_EQ(save(), ecNone);
  restart();
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  EXPECT_EQ(listed(), as_sent);
  // The table shows whom the header has no address for, too.
  ASSERT_TRUE(client->contents());
  client->columns({PidTagDisplayTo, PidTagDisplayCc});
  EXPECT_EQ(client->rows(), (std::vector<std::vector<std::string>>{{"Nobody Resolved; Bob Builder", "Carol Copy"}}));
  EXPECT_EQ(client->properties({PidTagDisplayTo}, 3), (std::vector<std::string>{"Nobody Resolved; Bob Builder"}));
  // An edit of something else, of what stands beside, and of the MIME.
  set(PidTagComment, text("beside"), 3);
  ASSERT_EQ(save(), ecNone);
  set(PidTagSubject, text("edited"), 3);
  ASSERT_EQ(save(), ecNone);
  set(PidTagComment, text("beside again"), 3);
  ASSERT_EQ(save(), ecNone);
  restart();
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  EXPECT_EQ(listed(), as_sent);
  EXPECT_EQ(client->properties({PidTagSubject, PidTagComment}, 3), (std::vector<std::string>{"edited", "beside again"}));
  // What keeps them is nobody's property.
  const auto all = client->execute(Ask<wire::RopGetPropertiesList>{{}, 3});
  for (const auto tag : all.get<wire::RopGetPropertiesList>().PropertyTags) EXPECT_NE(tag.id(), supplement_tag.id());
  EXPECT_EQ(to_text(client->property(supplement_tag, 3)).substr(0, 11), "!ecNotFound");
}

TEST_F(KeepingTest, RecipientsGoWithTheMessageWhereItGoes) {
  backend.add_folder("Projects");
  open();
  create();
  recipients();
  ASSERT_EQ(save(), ecNone);
  settle(*client, inbox);
  const auto ids = client->message_ids(inbox);
  ASSERT_EQ(ids.size(), 1u);
  const auto tree = tree_of(*client);
  const auto* projects = tree->by_remote("fake", "Projects");
  ASSERT_NE(projects, nullptr);
  const Id to(own_replid, projects->id);
  ASSERT_EQ(client->open_folder(inbox), ecNone);
  ASSERT_EQ(client->open_folder(to, 5), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopMoveCopyMessages>{{5, ids, false, false}, 1}).value(), ecNone);
  restart();
  ASSERT_EQ(client->open_folder(to), ecNone);
  ASSERT_TRUE(client->contents());
  client->columns({PidTagMid});
  const auto mid = Id(static_cast<std::uint64_t>(std::stoll(client->rows().at(0).at(0))));
  ASSERT_EQ(client->execute(Ask<wire::RopOpenMessage>{{3, 0x0FFF, to, 0, mid}, 0}).value(), ecNone);
  EXPECT_EQ(listed(), as_sent);
}

TEST_F(KeepingTest, WhatAnotherClientWroteHasItsOwnRecipients) {
  open();
  create();
  recipients();
  ASSERT_EQ(save(), ecNone);
  {
    // As IMAP clients edit: a new message with the same Message-ID, and the old one removed.
    std::lock_guard lock(backend.mutex);
    auto& folder = backend.folders["INBOX"];
    auto changed = folder.messages.begin()->second;
    const auto at = changed.raw.find("carol@example.test");
    ASSERT_NE(at, std::string::npos);
    changed.raw.replace(at, 5, "erika");
    folder.messages.clear();
    folder.messages[folder.next++] = changed;
    ++folder.change;
  }
  restart();
  settle(*client, inbox);
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  const auto now = listed();
  ASSERT_EQ(now.size(), 2u);
  EXPECT_NE(now[0].find("bob@example.test"), std::string::npos);
  EXPECT_NE(now[1].find("erika@example.test"), std::string::npos);
  EXPECT_EQ(now[1].find("entry of"), std::string::npos);
}

TEST_F(KeepingTest, AttachmentsKeepNumbersOrderAndProperties) {
  open();
  create();
  const auto tag = named("colour", PropertyType::PtypString);
  for (std::uint8_t i = 0; i < 3; ++i) {
    const auto handle = static_cast<std::uint8_t>(4 + i);
    ASSERT_EQ(client->execute(Ask<wire::RopCreateAttachment>{{handle}, 3}).value(), ecNone);
    set(PidTagAttachLongFilename, text(fmt::format("file{}: a.png", i)), handle);
    set(PidTagAttachDataBinary, Value::binary(as_view(fmt::format("data {}", i))), handle);
    set(tag, text(fmt::format("colour {}", i)), handle);
    set(PidTagAttachMethod, Value::integer32(i == 1 ? 7 : 1), handle);
    set(PidTagLastModificationTime, Value::time(from_unix(1'000'000'000 + i)), handle);
    if (i == 2) set(PidTagAttachContentId, text("pic@1"), handle);
    ASSERT_EQ(save_attachment(handle), ecNone);
  }
  // The picture of the body stands before the others in MIME.
  set(PidTagHtml, Value::binary(as_view("<html><img src=\"cid:pic@1\"></html>")), 3);
  ASSERT_EQ(client->execute(Ask<wire::RopDeleteAttachment>{{0}, 3}).value(), ecNone);
  ASSERT_EQ(save(), ecNone);
  const std::vector<std::string> one{"1", "7", "file1: a.png", "colour 1"}, two{"2", "1", "file2: a.png", "colour 2"};
  // Keys of rows, and TBL_LEAF_ROW.
  const std::vector<std::string> first{"01000000", "1", "1"}, second{"02000000", "1", "2"};
  const auto check = [&] {
    ASSERT_EQ(client->open_message(inbox).value(), ecNone);
    const auto valid = client->execute(Ask<wire::RopGetValidAttachments>{{}, 3});
    const auto numbers = valid.get<wire::RopGetValidAttachments>().AttachmentIdArray;
    EXPECT_EQ(std::vector<std::uint32_t>(numbers.begin(), numbers.end()), (std::vector<std::uint32_t>{1, 2}));
    ASSERT_EQ(client->execute(Ask<wire::RopGetAttachmentTable>{{8, 0}, 3}).value(), ecNone);
    client->columns({PidTagAttachNumber, PidTagAttachMethod, PidTagAttachLongFilename, tag}, 8);
    EXPECT_EQ(client->rows(1000, 8), (std::vector<std::vector<std::string>>{one, two}));
    client->columns({PidTagInstanceKey, PidTagRowType, PidTagAttachNumber}, 8);
    client->execute(Ask<wire::RopSeekRow>{{wire::BOOKMARK_BEGINNING, 0, false}, 8});
    EXPECT_EQ(client->rows(1000, 8), (std::vector<std::vector<std::string>>{first, second}));
    const auto columns = client->execute(Ask<wire::RopQueryColumnsAll>{{}, 8});
    const auto all = columns.get<wire::RopQueryColumnsAll>().PropertyTags;
    EXPECT_NE(std::find(all.begin(), all.end(), PidTagInstanceKey), all.end());
    EXPECT_EQ(client->execute(Ask<wire::RopOpenAttachment>{{4, 0, 0}, 3}).value(), ecNotFound);
    for (std::uint32_t i = 1; i < 3; ++i) {
      ASSERT_EQ(client->execute(Ask<wire::RopOpenAttachment>{{4, 0, i}, 3}).value(), ecNone);
      EXPECT_EQ(client->read_stream(PidTagAttachDataBinary, 4), fmt::format("data {}", i));
      EXPECT_EQ(client->properties({PidTagAttachNumber, PidTagAttachMethod, PidTagAttachLongFilename, tag}, 4), i == 1 ? one : two);
      EXPECT_EQ(client->property(PidTagLastModificationTime, 4).get<FileTime>()->ticks, from_unix(1'000'000'000 + i).ticks);
    }
  };
  restart();
  check();
  set(PidTagSubject, text("edited"), 3);
  ASSERT_EQ(save(), ecNone);
  restart();
  check();
}

TEST_F(KeepingTest, WhatIsMovedIsInTheSourceNoMore) {  // [MS-OXCPRPT] 2.2.10.1 and 2.2.11.1
  open();
  create(3);
  set(PidTagComment, text("beside"), 3);
  recipients(3);
  ASSERT_EQ(client->execute(Ask<wire::RopCreateAttachment>{{4}, 3}).value(), ecNone);
  set(PidTagAttachLongFilename, text("a.txt"), 4);
  set(PidTagAttachDataBinary, Value::binary(as_view("data")), 4);
  ASSERT_EQ(save_attachment(4), ecNone);
  ASSERT_EQ(save(3), ecNone);
  create(5);
  const auto attachments = [&](std::uint8_t message) {
    return client->execute(Ask<wire::RopGetValidAttachments>{{}, message}).get<wire::RopGetValidAttachments>().AttachmentIdArray.size();
  };
  Ask<wire::RopCopyProperties> some;
  some.handle = 3;
  some.body.DestHandleIndex = 5;
  some.body.CopyFlags = 0x01;
  const PropertyTag wanted[] = {PidTagMessageRecipients, PidTagComment};
  some.body.PropertyTags = wanted;
  ASSERT_EQ(client->execute(some).value(), ecNone);
  EXPECT_EQ(listed(5), as_sent);
  EXPECT_EQ(listed(3), std::vector<std::string>());
  EXPECT_EQ(attachments(3), 1u);
  EXPECT_NE(client->properties({PidTagComment}, 3)[0], "beside");
  ASSERT_EQ(save(3), ecNone);
  EXPECT_EQ(listed(3), std::vector<std::string>());
  Ask<wire::RopCopyTo> all;
  all.handle = 3;
  all.body.DestHandleIndex = 5;
  all.body.CopyFlags = 0x01;
  const PropertyTag excluded[] = {PidTagMessageRecipients};
  all.body.ExcludedTags = excluded;
  ASSERT_EQ(client->execute(all).value(), ecNone);
  EXPECT_EQ(attachments(3), 1u) << "subobjects were not asked for";
  all.body.WantSubObjects = true;
  ASSERT_EQ(client->execute(all).value(), ecNone);
  EXPECT_EQ(attachments(3), 0u);
  EXPECT_EQ(attachments(5), 1u);
  EXPECT_EQ(listed(5), as_sent);
  // Of an attachment its properties and its data.
  ASSERT_EQ(client->execute(Ask<wire::RopOpenAttachment>{{4, wire::RopOpenAttachment::ReadWrite, 0}, 5}).value(), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopCreateAttachment>{{6}, 3}).value(), ecNone);
  all.handle = 4;
  all.body.DestHandleIndex = 6;
  all.body.ExcludedTags = {};
  ASSERT_EQ(client->execute(all).value(), ecNone);
  EXPECT_EQ(client->properties({PidTagAttachLongFilename}, 6)[0], "a.txt");
  EXPECT_EQ(client->read_stream(PidTagAttachDataBinary, 6), "data");
  EXPECT_NE(client->properties({PidTagAttachLongFilename}, 4)[0], "a.txt");
  EXPECT_NE(client->read_stream(PidTagAttachDataBinary, 4), "data");
}

TEST_F(KeepingTest, EmbeddedMessagesKeepWhatTheyAre) {
  open();
  create();
  const auto tag = named("room", PropertyType::PtypString);
  ASSERT_EQ(client->execute(Ask<wire::RopCreateAttachment>{{4}, 3}).value(), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopOpenEmbeddedMessage>{{5, 0x0FFF, wire::RopOpenEmbeddedMessage::Create}, 4}).value(), ecNone);
  set(PidTagSubject, text("Meeting"), 5);
  set(PidTagMessageClass, text("IPM.Appointment"), 5);
  set(PidTagBody, text("Agenda"), 5);
  set(PidTagOwnerAppointmentId, Value::integer32(4711), 5);
  set(tag, text("Blue room"), 5);
  recipients(5);
  ASSERT_EQ(save(5), ecNone);
  ASSERT_EQ(save_attachment(4), ecNone);
  ASSERT_EQ(save(), ecNone);
  for (int round = 0; round < 2; ++round) {
    restart();
    ASSERT_EQ(client->open_message(inbox).value(), ecNone);
    ASSERT_EQ(client->execute(Ask<wire::RopOpenAttachment>{{4, 0, 0}, 3}).value(), ecNone);
    ASSERT_EQ(client->execute(Ask<wire::RopOpenEmbeddedMessage>{{5, 0x0FFF, 0}, 4}).value(), ecNone);
    EXPECT_EQ(client->properties({PidTagSubject, PidTagMessageClass, PidTagOwnerAppointmentId, tag, PidTagBody}, 5),
              (std::vector<std::string>{"Meeting", "IPM.Appointment", "4711", "Blue room", "Agenda"}));
    EXPECT_EQ(listed(5), as_sent);
    set(PidTagSubject, text("edited"), 3);
    ASSERT_EQ(save(), ecNone);
  }
}

TEST_F(KeepingTest, EmbeddedMessagesAreEditedInTheirPlace) {
  open();
  create();
  ASSERT_EQ(client->execute(Ask<wire::RopCreateAttachment>{{4}, 3}).value(), ecNone);
  const auto embedded = [&](std::uint8_t mode, std::uint8_t handle = 5) {
    return client->execute(Ask<wire::RopOpenEmbeddedMessage>{{handle, 0x0FFF, mode}, 4}).value();
  };
  ASSERT_EQ(embedded(wire::RopOpenEmbeddedMessage::Create), ecNone);
  set(PidTagSubject, text("first"), 5);
  ASSERT_EQ(save(5), ecNone);
  ASSERT_EQ(save_attachment(4), ecNone);
  ASSERT_EQ(save(), ecNone);
  restart();
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopOpenAttachment>{{4, wire::RopOpenAttachment::ReadWrite, 0}, 3}).value(), ecNone);
  ASSERT_EQ(embedded(wire::RopOpenEmbeddedMessage::ReadWrite), ecNone);
  set(PidTagComment, text("one"), 5);
  set(PidTagSubject, text("second"), 5);
  ASSERT_EQ(save(5), ecNone);
  // Not saved: nobody else sees it, and it is gone with its handle.
  set(PidTagSubject, text("third"), 5);
  ASSERT_EQ(embedded(wire::RopOpenEmbeddedMessage::ReadWrite, 6), ecNone);
  EXPECT_EQ(client->properties({PidTagSubject}, 6), (std::vector<std::string>{"second"}));
  set(PidTagSubject, text("fourth"), 6);
  ASSERT_EQ(save_attachment(4), ecNone);
  ASSERT_EQ(save(), ecNone);
  restart();
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopOpenAttachment>{{4, 0, 0}, 3}).value(), ecNone);
  ASSERT_EQ(embedded(wire::RopOpenEmbeddedMessage::ReadOnly), ecNone);
  EXPECT_EQ(client->properties({PidTagSubject, PidTagComment}, 5), (std::vector<std::string>{"second", "one"}));
}

TEST_F(KeepingTest, NamedPropertiesOfEmbeddedMessagesOutliveAnEdit) {
  backend.add("INBOX", "outer", 0,
              "--b\r\nContent-Type: text/plain\r\n\r\nHello.\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
              "From: Carol <carol@example.test>\r\nTo: Alice <alice@example.test>\r\nSubject: inner\r\nMessage-ID: <inner@example.test>\r\n"
              "X-Message-Flag: Call back\r\nKeywords: red, blue\r\nMIME-Version: 1.0\r\n\r\nInside.\r\n--b--\r\n",
              "Content-Type: multipart/mixed; boundary=b\r\n");
  open();
  const auto keywords = named("Keywords", PropertyType::PtypMultipleString);
  Arena arena;
  const std::vector<wire::PropertyName> names{wire::to_wire(arena, PropertyName(PidLidFlagRequest))};
  Ask<wire::RopGetPropertyIdsFromNames> ask{{wire::RopGetPropertyIdsFromNames::Create, names}, 0};
  const PropertyTag request{client->execute(ask).get<wire::RopGetPropertyIdsFromNames>().PropertyIds[0], PropertyType::PtypString};
  const auto open_embedded = [&](std::uint8_t mode) {
    ASSERT_EQ(client->execute(Ask<wire::RopOpenEmbeddedMessage>{{5, 0x0FFF, mode}, 4}).value(), ecNone);
  };
  const auto open_attachment = [&] {
    ASSERT_EQ(client->open_message(inbox).value(), ecNone);
    ASSERT_EQ(client->execute(Ask<wire::RopOpenAttachment>{{4, wire::RopOpenAttachment::BestAccess, 0}, 3}).value(), ecNone);
  };
  open_attachment();
  set(PidTagDisplayName, text("renamed"), 4);  // the message around it is being edited now
  open_embedded(wire::RopOpenEmbeddedMessage::ReadWrite);
  EXPECT_EQ(client->properties({keywords, request}, 5), (std::vector<std::string>{"red,blue,", "Call back"}));
  set(PidTagSubject, text("edited"), 5);
  ASSERT_EQ(save(5), ecNone);
  ASSERT_EQ(save_attachment(4), ecNone);
  ASSERT_EQ(save(), ecNone);
  restart();
  open_attachment();
  open_embedded(wire::RopOpenEmbeddedMessage::ReadOnly);
  EXPECT_EQ(client->properties({PidTagSubject, keywords, request}, 5), (std::vector<std::string>{"edited", "red,blue,", "Call back"}));
  // An embedded message that nobody touches stays the same bytes.
  restart();
  backend.add("INBOX", "other", 0,
              "--b\r\nContent-Type: text/plain\r\n\r\nHello.\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
              "Keywords:   red\r\nX-Odd:  kept   as it is\r\nSubject: inner\r\n\r\nInside.\r\n--b--\r\n",
              "Content-Type: multipart/mixed; boundary=b\r\n");
  settle(*client, inbox);
  open_attachment();
  set(PidTagDisplayName, text("renamed"), 4);
  ASSERT_EQ(save_attachment(4), ecNone);
  ASSERT_EQ(save(), ecNone);
  std::lock_guard lock(backend.mutex);
  EXPECT_NE(backend.folders["INBOX"].messages.rbegin()->second.raw.find("Keywords:   red\r\nX-Odd:  kept   as it is\r\n"), std::string::npos);
}

TEST_F(KeepingTest, BodiesEndAsTheyWereWritten) {
  open();
  for (const std::string end : {"", "\r\n", "\r\n\r\n"}) {
    create();
    const auto plain = "Writer's own text" + end, html = "<html><body>Marked <b>up</b></body></html>" + end;
    set(PidTagHtml, Value::binary(as_view(html)), 3);
    set(PidTagInternetCodepage, Value::integer32(65001), 3);
    set(PidTagBody, text(plain), 3);
    ASSERT_EQ(save(), ecNone);
    for (const std::string subject : {"kept", "edited"}) {
      restart();
      ASSERT_EQ(client->open_message(inbox).value(), ecNone);
      EXPECT_EQ(client->properties({PidTagSubject, PidTagBody}, 3), (std::vector<std::string>{subject, plain}));
      EXPECT_EQ(client->read_stream(PidTagHtml, 3), html);
      set(PidTagSubject, text("edited"), 3);
      ASSERT_EQ(save(), ecNone);
    }
    const auto ids = client->message_ids(inbox);
    ASSERT_EQ(client->execute(Ask<wire::RopDeleteMessages>{{false, false, ids}, 1}).value(), ecNone);
  }
}

TEST_F(KeepingTest, WhatAHeaderTellsIsToldExactly) {
  open();
  create();
  const auto entry_id = Bytes(40, 0x17);
  const FileTime submitted{from_unix(1'600'000'000).ticks + 1'234'567};
  set(PidTagClientSubmitTime, Value::time(submitted), 3);
  set(PidTagSenderName, text("Carol Carter"), 3);
  set(PidTagSenderAddressType, text("EX"), 3);
  set(PidTagSenderEmailAddress, text("/o=Old Org/cn=carol"), 3);
  set(PidTagSenderEntryId, Value::binary(entry_id), 3);
  set(PidTagSenderSmtpAddress, text("carol@example.test"), 3);
  set(PidTagReplyRecipientEntries, Value::binary(entry_id), 3);
  set(PidTagReplyRecipientNames, text("The Team"), 3);
  set(PidTagConversationIndex, Value::binary(Bytes(600, 1)), 3);
  set(PidTagTransportMessageHeaders, text("Received: from far.example\r\nX-Old: yes\r\n"), 3);
  ASSERT_EQ(save(), ecNone);
  const auto check = [&] {
    ASSERT_EQ(client->open_message(inbox).value(), ecNone);
    EXPECT_EQ(client->property(PidTagClientSubmitTime, 3).get<FileTime>()->ticks, submitted.ticks);
    EXPECT_EQ(client->properties({PidTagSenderName, PidTagSenderAddressType, PidTagSenderEmailAddress, PidTagSenderSmtpAddress,
                                  PidTagReplyRecipientNames, PidTagTransportMessageHeaders}, 3),
              (std::vector<std::string>{"Carol Carter", "EX", "/o=Old Org/cn=carol", "carol@example.test", "The Team",
                                        "Received: from far.example\r\nX-Old: yes\r\n"}));
    EXPECT_EQ(to_bytes(*client->property(PidTagSenderEntryId, 3).get<View>()), entry_id);
    EXPECT_EQ(to_bytes(*client->property(PidTagReplyRecipientEntries, 3).get<View>()), entry_id);
    EXPECT_EQ(client->property(PidTagConversationIndex, 3).get<View>()->size(), 600u);
  };
  restart();
  check();
  set(PidTagSubject, text("edited"), 3);
  ASSERT_EQ(save(), ecNone);
  restart();
  check();
  // Nor does it go with what is set after an edit, by the same handle.
  set(PidTagSubject, text("edited again"), 3);
  ASSERT_EQ(save(), ecNone);
  set(PidTagComment, text("beside"), 3);
  set(PidTagReadReceiptRequested, Value::boolean(true), 3);
  ASSERT_EQ(save(), ecNone);
  restart();
  check();
  EXPECT_EQ(client->properties({PidTagComment, PidTagReadReceiptRequested}, 3), (std::vector<std::string>{"beside", "1"}));
  set(PidTagSubject, text("edited"), 3);
  ASSERT_EQ(save(), ecNone);
  restart();
  // What is set later counts, not what was kept.
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  set(PidTagSenderName, text("Caroline Carter"), 3);
  ASSERT_EQ(save(), ecNone);
  restart();
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  EXPECT_EQ(client->properties({PidTagSenderName, PidTagSubject}, 3), (std::vector<std::string>{"Caroline Carter", "edited"}));
}

TEST_F(KeepingTest, AMessageToBeSentAgainSaysToWhom) {
  open();
  create();
  set(PidTagMessageFlags, Value::integer32(0x88), 3);
  const PropertyTag columns[] = {PidTagRecipientType};
  const wire::ModifyRecipientRow rows[] = {
      row(0, 0x81, "A", "a@example.test", {Value::integer32(static_cast<std::int32_t>(0x80000001))}),
      row(1, 0x02, "B", "b@example.test", {Value::integer32(0x10000002)}), row(2, 0x13, "C", "c@example.test", {Value::integer32(3)})};
  ASSERT_EQ(client->execute(Ask<wire::RopModifyRecipients>{{columns, rows}, 3}).value(), ecNone);
  ASSERT_EQ(save(), ecNone);
  restart();
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  EXPECT_EQ(number_of(client->property(PidTagMessageFlags, 3)) & 0x88, 0x88);
  std::vector<int> types;
  const auto read = client->execute(Ask<wire::RopReadRecipients>{{0, 0}, 3});
  for (const auto& one : read.get<wire::RopReadRecipients>().RecipientRows) types.push_back(one.RecipientType);
  EXPECT_EQ(types, (std::vector<int>{0x81, 0x12, 0x13}));
  set(PidTagBody, text("again"), 3);
  ASSERT_EQ(save(), ecNone);
  EXPECT_EQ(number_of(client->property(PidTagMessageFlags, 3)) & 0x88, 0x88);
}

TEST_F(KeepingTest, AnRtfBodyOutlivesAnEditOfTheSubject) {
  open();
  create();
  const auto rtf = convert::compress_rtf("{\\rtf1\\ansi\\fromhtml1{\\*\\htmltag <b>}\\b Fat{\\*\\htmltag </b>}}");
  set(PidTagRtfCompressed, Value::binary(rtf), 3);
  ASSERT_EQ(save(), ecNone);
  restart();
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  set(PidTagSubject, text("edited"), 3);
  ASSERT_EQ(save(), ecNone);
  restart();
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  const auto kept = client->read_stream(PidTagRtfCompressed, 3);
  EXPECT_EQ(kept, std::string(as_text(rtf)));
}

TEST_F(KeepingTest, AnRtfBodyGoesWithTheMessageThroughFoldersOfTheEngine) {
  open();
  create();
  const auto rtf = convert::compress_rtf("{\\rtf1\\ansi\\b Fat\\b0  and thin}");
  set(PidTagRtfCompressed, Value::binary(rtf), 3);
  ASSERT_EQ(save(), ecNone);
  settle(*client, inbox);
  const auto move = [&](state::FolderRole from, state::FolderRole to) {
    ASSERT_EQ(client->open_folder(from), ecNone);
    ASSERT_EQ(client->open_folder(to, 5), ecNone);
    const auto ids = client->message_ids(from);
    ASSERT_EQ(ids.size(), 1u);
    ASSERT_EQ(client->execute(Ask<wire::RopMoveCopyMessages>{{5, ids, false, false}, 1}).value(), ecNone);
    ASSERT_EQ(client->open_message(to).value(), ecNone);
    EXPECT_EQ(client->properties({PidTagNativeBody}, 3), std::vector<std::string>{"2"});
    EXPECT_EQ(client->read_stream(PidTagRtfCompressed, 3), std::string(as_text(rtf)));
  };
  move(inbox, notes);
  move(notes, inbox);
}

}  // namespace
}  // namespace mapigate::mailbox::testing
