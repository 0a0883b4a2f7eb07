// Writing over a backend that fails on demand: what a client is told, and what is there after an interruption.
#include "mailbox/test_support.h"

namespace mapigate::mailbox::testing {
namespace {

using namespace mapi;
using enum state::FolderRole;

class WritingTest : public InboxTest {
 protected:
  // As handle 3.
  ErrorCode create(const std::string& subject, bool associated = false) {
    Ask<wire::RopCreateMessage> make{{3, 0x0FFF, Id(own_replid, special_id(inbox)), associated}, 0};
    if (const auto code = client->execute(make).value(); code != ecNone) return code;
    return set(PidTagSubject, Value::string(client->arena, subject));
  }
  ErrorCode set(PropertyTag tag, Value value) {
    const TaggedValue values[] = {{tag, value}};
    Ask<wire::RopSetProperties> ask{{values}, 3};
    const auto answer = client->execute(ask);
    if (answer.value() != ecNone) return answer.value();
    const auto problems = answer.get<wire::RopSetProperties>().PropertyProblems;
    return problems.empty() ? ecNone : problems[0].ErrorCode;
  }
  Replies save(std::uint8_t flags = 0x02) { return client->execute(Ask<wire::RopSaveChangesMessage>{{3, flags}, 3}); }
  std::size_t stored() {
    std::lock_guard lock(backend.mutex);
    return backend.folders["INBOX"].messages.size();
  }
  std::vector<std::string> subjects() {
    settle(*client, inbox);
    client->open_folder(inbox);
    if (!client->contents()) return {"?"};
    client->columns({PidTagSubject});
    std::vector<std::string> out;
    for (const auto& row : client->rows()) out.push_back(row[0]);
    return out;
  }
};

TEST_F(WritingTest, ASavedMessageIsInTheBackendFirst) {
  open();
  ASSERT_EQ(create("new"), ecNone);
  EXPECT_EQ(client->properties({PidTagSubject, PidTagMessageFlags}, 3), (std::vector<std::string>{"new", "1033"}));  // read, unsent, once read
  backend.set_down("append");
  EXPECT_EQ(save().value(), ecNetwork);
  EXPECT_EQ(stored(), 0u);
  backend.set_down("append", false);
  const auto saved = save();
  ASSERT_EQ(saved.value(), ecNone);
  EXPECT_EQ(stored(), 1u);
  EXPECT_EQ(client->message_ids(inbox), std::vector{saved.get<wire::RopSaveChangesMessage>().MessageId});
  EXPECT_EQ(subjects(), std::vector<std::string>{"new"});
}

// [MS-OXCPERM] 2.2.7, [MS-OXCFOLD] PidTagAccess, [MS-OXCMSG] 2.2.3.1.1.
TEST_F(WritingTest, AFolderInWhichTheBackendGrantsLittleIsShownAsSuch) {
  backend.add("Projects", "shared");
  const auto grant = [&](std::optional<std::uint32_t> rights) {
    std::lock_guard lock(backend.mutex);
    backend.folders["Projects"].remote.rights = rights;
  };
  const auto seen = [&] { return client->properties({PidTagRights, PidTagAccess, PidTagAccessLevel}, 1); };
  const std::vector<std::string> owner{"2043", "63", "1"}, reader{"1025", "34", "0"};  // read, and hidden messages of one's own
  grant(0x401);
  open();
  GlobalCounter id = 0;
  const auto tree = tree_of(*client);
  for (const auto& folder : tree->all())
    if (folder.name == "Projects") id = folder.id;
  ASSERT_NE(id, 0u);
  const Id projects(own_replid, id);
  ASSERT_EQ(client->open_folder(projects), ecNone);
  EXPECT_EQ(seen(), reader);
  ASSERT_TRUE(client->contents());
  client->columns({PidTagAccess, PidTagAccessLevel, PidTagMid});
  const auto rows = client->rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0][0], "2");
  EXPECT_EQ(rows[0][1], "0");
  const Id message(std::stoull(rows[0][2]));
  const auto opened = [&](std::uint8_t mode) { return client->execute(Ask<wire::RopOpenMessage>{{3, 0x0FFF, projects, mode, message}, 0}).value(); };
  const auto made = [&](bool hidden) { return client->execute(Ask<wire::RopCreateMessage>{{3, 0x0FFF, projects, hidden}, 0}).value(); };
  EXPECT_EQ(opened(wire::RopOpenMessage::ReadWrite), ecAccessDenied);
  ASSERT_EQ(opened(wire::RopOpenMessage::BestAccess), ecNone);
  EXPECT_EQ(set(PidTagSubject, Value::string(client->arena, "changed")), ecAccessDenied);
  EXPECT_EQ(made(false), ecAccessDenied);
  EXPECT_EQ(made(true), ecNone);
  EXPECT_EQ(create("elsewhere"), ecNone);
  // Known from the last time while the backend cannot be asked.
  backend.set_down("folders");
  client.reset();
  make_engine();
  client = connect();
  ASSERT_EQ(client->logon().value(), ecNone);
  ASSERT_EQ(client->open_folder(projects), ecNone);
  EXPECT_EQ(seen(), reader);
  backend.set_down("folders", false);
  grant(std::nullopt);
  settle(*client, inbox);
  EXPECT_EQ(seen(), owner);
  EXPECT_EQ(opened(wire::RopOpenMessage::ReadWrite), ecNone);
}

// [MS-OXCMSG] 2.2.3.8.
TEST_F(WritingTest, HiddenMessagesHaveAStatusToo) {
  open();
  ASSERT_EQ(create("hidden", true), ecNone);
  const auto saved = save();
  ASSERT_EQ(saved.value(), ecNone);
  const auto id = saved.get<wire::RopSaveChangesMessage>().MessageId;
  ASSERT_EQ(client->open_folder(inbox), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopSetMessageStatus>{{id, 0x1000, 0x1000}, 1}).value(), ecNone);
  const auto now = client->execute(Ask<wire::RopGetMessageStatus>{{id}, 1});
  ASSERT_EQ(now.value(), ecNone);
  EXPECT_EQ(now.get<wire::RopSetMessageStatus>().MessageStatusFlags, 0x1000u);
}

TEST_F(WritingTest, ALostAnswerIsFoundAgain) {
  open();
  ASSERT_EQ(create("once"), ecNone);
  ASSERT_EQ(set(PidTagComment, Value::string(client->arena, "beside")), ecNone);
  backend.set_down("append answer");
  EXPECT_EQ(save().value(), ecNetwork);
  EXPECT_EQ(stored(), 1u);
  backend.set_down("append answer", false);
  // The client tries again: what was stored then is replaced, not doubled.
  const auto saved = save();
  ASSERT_EQ(saved.value(), ecNone);
  const auto id = saved.get<wire::RopSaveChangesMessage>().MessageId;
  EXPECT_EQ(stored(), 1u);
  EXPECT_EQ(subjects(), std::vector<std::string>{"once"});
  // The same for an edit, over a restart and without another try.
  ASSERT_EQ(set(PidTagSubject, Value::string(client->arena, "twice")), ecNone);
  backend.set_down("append answer");
  EXPECT_EQ(save().value(), ecNetwork);
  EXPECT_EQ(stored(), 2u);
  backend.set_down("append answer", false);
  client.reset();
  make_engine();
  open();
  EXPECT_EQ(subjects(), std::vector<std::string>{"twice"});
  EXPECT_EQ(stored(), 1u);
  EXPECT_EQ(client->message_ids(inbox), std::vector{id});
  client->columns({PidTagComment});
  client->open_message(inbox);
  EXPECT_EQ(client->properties({PidTagComment}, 3), std::vector<std::string>{"beside"});
}

TEST_F(WritingTest, AnEditWhoseAnswerWasLostIsNoConflictWithItself) {
  open();
  ASSERT_EQ(create("first"), ecNone);
  ASSERT_EQ(save().value(), ecNone);
  const auto lose = [&](const char* subject, int times) {
    ASSERT_EQ(set(PidTagSubject, Value::string(client->arena, subject)), ecNone);
    backend.set_down("append answer");
    for (int i = 0; i < times; ++i) EXPECT_EQ(save().value(), ecNetwork);
    backend.set_down("append answer", false);
  };
  lose("second", 1);
  EXPECT_EQ(save().value(), ecNone);
  EXPECT_EQ(subjects(), std::vector<std::string>{"second"});
  lose("third", 2);
  EXPECT_EQ(save().value(), ecNone);
  EXPECT_EQ(subjects(), std::vector<std::string>{"third"});
  // The same when looking at the folder has ended it meanwhile.
  lose("fourth", 1);
  EXPECT_EQ(subjects(), std::vector<std::string>{"fourth"});
  EXPECT_EQ(save().value(), ecNone);
  EXPECT_EQ(stored(), 1u);
  // Somebody else's change is one.
  lose("fifth", 1);
  auto other = connect();
  ASSERT_EQ(other->logon().value(), ecNone);
  ASSERT_EQ(other->open_message(inbox).value(), ecNone);
  const TaggedValue values[] = {{PidTagSubject, Value::string(other->arena, "other")}};
  ASSERT_EQ(other->execute(Ask<wire::RopSetProperties>{{values}, 3}).value(), ecNone);
  settle(*other, inbox);
  const Ask<wire::RopSaveChangesMessage> forced{{3, 0x06}, 3};
  ASSERT_EQ(other->execute(forced).value(), ecNone);
  EXPECT_EQ(save().value(), ecObjectModified);
}

TEST_F(WritingTest, WhatStandsBesideAMessageNeedsNoRewrite) {
  backend.add("INBOX", "old");
  open();
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  ASSERT_EQ(set(PidTagComment, Value::string(client->arena, "note")), ecNone);
  ASSERT_EQ(set(PidTagFlagStatus, Value::integer32(1)), ecNone);
  ASSERT_EQ(save().value(), ecNone);
  EXPECT_EQ(backend.count("append"), 0);
  client.reset();
  make_engine();
  open();
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  EXPECT_EQ(client->properties({PidTagComment, PidTagFlagStatus, PidTagSubject}, 3), (std::vector<std::string>{"note", "1", "old"}));
  client->columns({PidTagComment, PidTagFlagStatus});
  client->message_ids(inbox);
  client->columns({PidTagComment, PidTagFlagStatus});
  Ask<wire::RopSeekRow> seek;
  seek.handle = 2;
  client->execute(seek);
  EXPECT_EQ(client->rows(), (std::vector<std::vector<std::string>>{{"note", "1"}}));
}

TEST_F(WritingTest, AFlagIsClearedAfterAnEdit) {
  backend.add("INBOX", "old");
  open();
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  ASSERT_EQ(set(PidTagFlagStatus, Value::integer32(1)), ecNone);  // complete: no flag of the backend says that
  ASSERT_EQ(save().value(), ecNone);
  ASSERT_EQ(set(PidTagSubject, Value::string(client->arena, "new")), ecNone);
  ASSERT_EQ(save().value(), ecNone);
  EXPECT_EQ(client->properties({PidTagFlagStatus}, 3), std::vector<std::string>{"1"});
  ASSERT_EQ(set(PidTagFlagStatus, Value::integer32(0)), ecNone);
  ASSERT_EQ(save().value(), ecNone);
  client.reset();
  make_engine();
  open();
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  EXPECT_TRUE(client->properties({PidTagFlagStatus}, 3)[0].starts_with("!ecNotFound"));
}

TEST_F(WritingTest, EditingKeepsIdAndOtherParts) {
  backend.add("INBOX", "old", 0, "Body text.\r\n");
  open();
  const auto before = client->message_ids(inbox);
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  ASSERT_EQ(set(PidTagSubject, Value::string(client->arena, "RE: new")), ecNone);
  ASSERT_EQ(save().value(), ecNone);
  EXPECT_EQ(stored(), 1u);
  EXPECT_EQ(client->message_ids(inbox), before);
  EXPECT_EQ(client->properties({PidTagSubject, PidTagSubjectPrefix, PidTagNormalizedSubject, PidTagSenderName}, 3),
            (std::vector<std::string>{"RE: new", "RE: ", "new", "Bob Builder"}));
  EXPECT_EQ(client->read_stream(PidTagBody.with(PropertyType::PtypString8), 3), "Body text.\r\n");
  EXPECT_EQ(subjects(), std::vector<std::string>{"RE: new"});
}

TEST_F(WritingTest, HiddenMessagesNeedNoBackend) {
  open();
  backend.set_down("append");
  ASSERT_EQ(create("view", true), ecNone);
  const auto saved = save();
  ASSERT_EQ(saved.value(), ecNone);
  const auto id = saved.get<wire::RopSaveChangesMessage>().MessageId.value;
  EXPECT_EQ(stored(), 0u);
  client.reset();
  make_engine();
  open();
  EXPECT_EQ(*client->contents(), 0u);
  EXPECT_EQ(*client->contents(wire::RopGetContentsTable::Associated), 1u);
  client->columns({PidTagSubject, PidTagMid, PidTagAssociated});
  EXPECT_EQ(client->rows(),
            (std::vector<std::vector<std::string>>{{"view", std::to_string(id), "1"}}));
}

TEST_F(WritingTest, StreamsWriteWhatIsTooLargeForAReply) {
  open();
  ASSERT_EQ(create("streams"), ecNone);
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += static_cast<char>('a' + i % 26);
  Ask<wire::RopOpenStream> open_stream{{4, PidTagBody.with(PropertyType::PtypString8), wire::RopOpenStream::Create}, 3};
  ASSERT_EQ(client->execute(open_stream).value(), ecNone);
  for (std::size_t at = 0; at < text.size(); at += 7000) {
    const auto piece = text.substr(at, 7000);
    Ask<wire::RopWriteStream> write{{as_view(piece)}, 4};
    EXPECT_EQ(client->execute(write).get<wire::RopWriteStream>().WrittenSize, piece.size());
  }
  client->execute(Ask<wire::RopRelease>{{}, 4});  // commits
  ASSERT_EQ(save().value(), ecNone);
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  EXPECT_EQ(client->read_stream(PidTagBody.with(PropertyType::PtypString8), 3), text);
}

TEST_F(WritingTest, WhatWasOpenedToBeReadIsNotWritten) {  // [MS-OXCMSG] 2.2.3.1.1
  open();
  ASSERT_EQ(create("read"), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopCreateAttachment>{{4}, 3}).value(), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopSaveChangesAttachment>{{4, 0x02}, 4}).value(), ecNone);
  const auto saved = save();
  ASSERT_EQ(saved.value(), ecNone);
  Ask<wire::RopOpenMessage> open_it{{3, 0x0FFF, Id(own_replid, special_id(inbox)), wire::RopOpenMessage::ReadOnly,
                                     saved.get<wire::RopSaveChangesMessage>().MessageId}, 0};
  ASSERT_EQ(client->execute(open_it).value(), ecNone);
  EXPECT_EQ(client->execute(Ask<wire::RopModifyRecipients>{{}, 3}).value(), ecAccessDenied);
  EXPECT_EQ(client->execute(Ask<wire::RopRemoveAllRecipients>{{}, 3}).value(), ecAccessDenied);
  EXPECT_EQ(client->execute(Ask<wire::RopCreateAttachment>{{5}, 3}).value(), ecAccessDenied);
  EXPECT_EQ(client->execute(Ask<wire::RopDeleteAttachment>{{0}, 3}).value(), ecAccessDenied);
  ASSERT_EQ(client->execute(Ask<wire::RopOpenAttachment>{{4, 0, 0}, 3}).value(), ecNone);
  const TaggedValue values[] = {{PidTagAttachLongFilename, Value::string(client->arena, "other")}};
  EXPECT_EQ(client->execute(Ask<wire::RopSetProperties>{{values}, 4}).value(), ecAccessDenied);
  Ask<wire::RopOpenStream> stream{{5, PidTagAttachDataBinary, wire::RopOpenStream::ReadWrite}, 4};
  EXPECT_EQ(client->execute(stream).value(), ecAccessDenied);
  stream.body.OpenModeFlags = wire::RopOpenStream::ReadOnly;
  EXPECT_EQ(client->execute(stream).value(), ecNone);
  Ask<wire::RopCopyTo> copy;
  copy.body.DestHandleIndex = 3;
  copy.handle = 6;
  Ask<wire::RopCreateMessage> make{{6, 0x0FFF, Id(own_replid, special_id(inbox)), false}, 0};
  ASSERT_EQ(client->execute(make).value(), ecNone);
  EXPECT_EQ(client->execute(copy).value(), ecAccessDenied);
  // Opened to be written it is.
  open_it.body.OpenModeFlags = wire::RopOpenMessage::ReadWrite;
  ASSERT_EQ(client->execute(open_it).value(), ecNone);
  EXPECT_EQ(client->execute(Ask<wire::RopDeleteAttachment>{{0}, 3}).value(), ecNone);
}

TEST_F(WritingTest, AnAttachmentThatWasOpenedToBeReadIsNotWritten) {  // [MS-OXCMSG] 2.2.3.12.1
  open();
  ASSERT_EQ(create("read"), ecNone);
  const TaggedValue values[] = {{PidTagAttachLongFilename, Value::string(client->arena, "a.txt")},
                                {PidTagAttachDataBinary, Value::binary(as_view("data"))}};
  const PropertyTag tags[] = {PidTagAttachLongFilename};
  ASSERT_EQ(client->execute(Ask<wire::RopCreateAttachment>{{4}, 3}).value(), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopSetProperties>{{values}, 4}).value(), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopSaveChangesAttachment>{{4, 0x02}, 4}).value(), ecNone);
  ASSERT_EQ(save().value(), ecNone);
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  for (const auto flags : {wire::RopOpenAttachment::ReadOnly, wire::RopOpenAttachment::ReadWrite, wire::RopOpenAttachment::BestAccess}) {
    const auto expected = flags == wire::RopOpenAttachment::ReadOnly ? ecAccessDenied : ecNone;
    ASSERT_EQ(client->execute(Ask<wire::RopOpenAttachment>{{4, flags, 0}, 3}).value(), ecNone);
    EXPECT_EQ(client->properties({PidTagAttachLongFilename}, 4)[0], "a.txt");
    EXPECT_EQ(client->execute(Ask<wire::RopOpenStream>{{5, PidTagAttachDataBinary, wire::RopOpenStream::Create}, 4}).value(), expected);
    EXPECT_EQ(client->execute(Ask<wire::RopOpenEmbeddedMessage>{{5, 0x0FFF, wire::RopOpenEmbeddedMessage::Create}, 4}).value(), expected);
    EXPECT_EQ(client->execute(Ask<wire::RopDeleteProperties>{{tags}, 4}).value(), expected);
    EXPECT_EQ(client->execute(Ask<wire::RopSetProperties>{{values}, 4}).value(), expected);
    Ask<wire::RopCopyTo> copy;
    copy.handle = 6;
    copy.body.DestHandleIndex = 4;
    ASSERT_EQ(client->execute(Ask<wire::RopCreateAttachment>{{6}, 3}).value(), ecNone);
    EXPECT_EQ(client->execute(copy).value(), expected);
  }
}

TEST_F(WritingTest, WhatWasWrittenToAStreamCountsWithoutCommit) {  // [MS-OXCPRPT] 3.2.5.13, 3.2.5.18 and 3.2.5.24
  open();
  ASSERT_EQ(create("streams"), ecNone);
  const PropertyTag tag(0x04D2, PropertyType::PtypBinary);
  Ask<wire::RopOpenStream> open_stream{{4, tag, wire::RopOpenStream::Create}, 3};
  ASSERT_EQ(client->execute(open_stream).value(), ecNone);
  Ask<wire::RopWriteStream> write{{as_view("one")}, 4};
  ASSERT_EQ(client->execute(write).value(), ecNone);
  EXPECT_EQ(client->read_stream(tag, 3), "one");
  // A clone has the same bytes.
  Ask<wire::RopCloneStream> clone{{5}, 4};
  ASSERT_EQ(client->execute(clone).value(), ecNone);
  write.body.Data = as_view("two");
  write.handle = 5;
  ASSERT_EQ(client->execute(write).value(), ecNone);
  EXPECT_EQ(client->execute(Ask<wire::RopGetStreamSize>{{}, 4}).get<wire::RopGetStreamSize>().StreamSize, 6u);
  ASSERT_EQ(save().value(), ecNone);
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  EXPECT_EQ(client->read_stream(tag, 3), "onetwo");
  // Beyond the end there are zeros.
  Ask<wire::RopSeekStream> seek{{wire::RopSeekStream::FromEnd, 2}, 5};
  EXPECT_EQ(client->execute(seek).get<wire::RopSeekStream>().NewPosition, 8u);
  EXPECT_EQ(client->execute(Ask<wire::RopGetStreamSize>{{}, 4}).get<wire::RopGetStreamSize>().StreamSize, 8u);
}

TEST_F(WritingTest, SizesThatNobodyFillsCostNoMemory) {
  use([](EngineOptions& o) { o.max_submit_kilobytes = 1024; });  // a value may have two megabytes
  open();
  ASSERT_EQ(create("large"), ecNone);
  constexpr std::uint64_t most = 2 << 20;
  const PropertyTag tag(0x04D2, PropertyType::PtypBinary);
  // Written to the size that was announced, whatever it is, costs nothing of that.
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(client->execute(Ask<wire::RopOpenStream>{{4, tag, wire::RopOpenStream::Create}, 3}).value(), ecNone);
    ASSERT_EQ(client->execute(Ask<wire::RopSetStreamSize>{{most}, 4}).value(), ecNone);
    EXPECT_EQ(client->execute(Ask<wire::RopGetStreamSize>{{}, 4}).get<wire::RopGetStreamSize>().StreamSize, most);
    const std::string piece(30'000, 'x');
    for (std::size_t at = 0; at < most; at += piece.size()) {
      Ask<wire::RopWriteStream> write{{as_view(piece).first(std::min<std::size_t>(piece.size(), most - at)), }, 4};
      ASSERT_EQ(client->execute(write).value(), ecNone);
    }
    ASSERT_EQ(client->execute(Ask<wire::RopCommitStream>{{}, 4}).value(), ecNone);
  }
  // What nobody writes is zeros, and a session gets so many of them.
  int given = 0;
  for (std::uint8_t handle = 4; handle < 9; ++handle) {
    ASSERT_EQ(client->execute(Ask<wire::RopOpenStream>{{handle, tag, wire::RopOpenStream::Create}, 3}).value(), ecNone);
    Ask<wire::RopSeekStream> seek{{wire::RopSeekStream::FromStart, static_cast<std::int64_t>(most / 2 - 1)}, handle};
    ASSERT_EQ(client->execute(seek).value(), ecNone);
    const auto code = client->execute(Ask<wire::RopWriteStream>{{as_view("y")}, handle}).value();
    given += code == ecNone;
    EXPECT_TRUE(code == ecNone || code == ecTooBig);
    if (handle > 4) continue;
    seek.body.Offset = static_cast<std::int64_t>(most / 2 - 3);
    ASSERT_EQ(client->execute(seek).value(), ecNone);
    const auto read = client->execute(Ask<wire::RopReadStream>{{10}, handle});
    EXPECT_EQ(as_text(read.get<wire::RopReadStream>().Data), std::string_view("\0\0y", 3));
  }
  EXPECT_EQ(given, 2);
  // Nor do copies make more of them.
  ASSERT_EQ(client->execute(Ask<wire::RopSeekStream>{{wire::RopSeekStream::FromStart, 0}, 8}).value(), ecNone);
  EXPECT_EQ(client->execute(Ask<wire::RopCopyToStream>{{4, 1000}, 8}).value(), ecTooBig);
}

TEST_F(WritingTest, NothingIsSavedWithoutWhatItsStreamHolds) {
  use([](EngineOptions& o) { o.idle_close = std::chrono::milliseconds(100); });
  open();
  ASSERT_EQ(create("streams"), ecNone);
  ASSERT_EQ(set(PidTagBody, Value::string(client->arena, "before")), ecNone);
  ASSERT_EQ(save().value(), ecNone);
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  Ask<wire::RopOpenStream> open_stream{{4, PidTagBody, wire::RopOpenStream::Create}, 3};
  ASSERT_EQ(client->execute(open_stream).value(), ecNone);
  const std::u16string text = u"after";
  Ask<wire::RopWriteStream> write{{View(reinterpret_cast<const std::uint8_t*>(text.data()), text.size() * 2)}, 4};
  ASSERT_EQ(client->execute(write).value(), ecNone);
  ASSERT_TRUE(eventually([&] { return !client->session->mailbox().is_open(); }));
  backend.set_down("content");  // what the message holds beside its body, forgotten since it was opened
  EXPECT_EQ(save().value(), ecNetwork);
  backend.set_down("content", false);
  ASSERT_EQ(save().value(), ecNone);
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  EXPECT_EQ(client->properties({PidTagBody}, 3), (std::vector<std::string>{"after"}));
}

TEST_F(WritingTest, StreamsOfFoldersAreWritten) {
  open();
  const PropertyTag tag(0x3FE3, PropertyType::PtypBinary);
  Ask<wire::RopOpenStream> open_stream{{4, tag, wire::RopOpenStream::Create}, 1};
  ASSERT_EQ(client->execute(open_stream).value(), ecNone);
  Ask<wire::RopWriteStream> write{{as_view("rules")}, 4};
  ASSERT_EQ(client->execute(write).value(), ecNone);
  ASSERT_EQ(client->execute(Ask<wire::RopCommitStream>{{}, 4}).value(), ecNone);
  client->execute(Ask<wire::RopRelease>{{}, 4});
  EXPECT_EQ(client->read_stream(tag, 1), "rules");
}

TEST_F(WritingTest, MessagesTellWhoChangedThemLast) {  // [MS-OXCPRPT] 2.2.1.5 and 2.2.1.8
  open();
  ASSERT_EQ(create("mine"), ecNone);
  Ask<wire::RopCreateAttachment> attach{{4}, 3};
  ASSERT_EQ(client->execute(attach).value(), ecNone);
  EXPECT_EQ(to_text(client->property(PidTagRecordKey, 4)), "00000000");
  ASSERT_EQ(client->execute(Ask<wire::RopSaveChangesAttachment>{{4, 0x02}, 4}).value(), ecNone);
  ASSERT_EQ(save().value(), ecNone);
  const auto name = client->properties({PidTagDisplayName}, 0);
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  EXPECT_EQ(client->properties({PidTagLastModifierName}, 3), name);
  Ask<wire::RopOpenAttachment> open_attachment{{4, 0, 0}, 3};
  ASSERT_EQ(client->execute(open_attachment).value(), ecNone);
  EXPECT_EQ(to_text(client->property(PidTagRecordKey, 4)), "00000000");
}

TEST_F(WritingTest, NamedPropertiesGoAlongIntoFoldersOfTheEngine) {
  backend.add("INBOX", "flagged", 0, "Hello.\r\n", "X-Message-Flag: Call back\r\nKeywords: red, blue\r\n");
  open();
  Arena names_arena;
  wire::PropertyName names[2];
  names[0] = wire::to_wire(names_arena, PropertyName(PidLidFlagRequest));
  names[1] = wire::to_wire(names_arena, {PS_PUBLIC_STRINGS, {}, "Keywords"});
  Ask<wire::RopGetPropertyIdsFromNames> ask{{wire::RopGetPropertyIdsFromNames::Create, names}, 0};
  const auto answer = client->execute(ask);
  ASSERT_EQ(answer.value(), ecNone);
  const auto ids = answer.get<wire::RopGetPropertyIdsFromNames>().PropertyIds;
  ASSERT_EQ(ids.size(), 2u);
  const std::vector<PropertyTag> tags{PropertyTag(ids[0], PropertyType::PtypString), PropertyTag(ids[1], PropertyType::PtypMultipleString)};
  const std::vector<std::string> values{"Call back", "red,blue,"};
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  EXPECT_EQ(client->properties(tags, 3), values);
  ASSERT_EQ(client->open_folder(notes, 5), ecNone);
  const auto messages = client->message_ids(inbox);
  ASSERT_EQ(messages.size(), 1u);
  Ask<wire::RopMoveCopyMessages> move{{5, messages, false, false}, 1};
  ASSERT_EQ(client->execute(move).value(), ecNone);
  EXPECT_EQ(stored(), 0u);
  ASSERT_EQ(client->open_message(notes).value(), ecNone);
  EXPECT_EQ(client->properties(tags, 3), values);
}

TEST_F(WritingTest, ASenderWithoutAddressKeepsTheName) {
  open();
  ASSERT_EQ(create("from nobody"), ecNone);
  ASSERT_EQ(set(PidTagSenderName, Value::string(client->arena, "Somebody Else")), ecNone);
  ASSERT_EQ(save().value(), ecNone);
  ASSERT_TRUE(client->contents());
  client->columns({PidTagSubject, PidTagSenderName});
  EXPECT_EQ(client->rows(), (std::vector<std::vector<std::string>>{{"from nobody", "Somebody Else"}}));
  ASSERT_EQ(client->open_message(inbox).value(), ecNone);
  EXPECT_EQ(client->properties({PidTagSenderName}, 3), (std::vector<std::string>{"Somebody Else"}));
}

}  // namespace
}  // namespace mapigate::mailbox::testing
