// The syntactical level: what the grammar allows and what it does not, with the
// element that is named; the structures in values; the dump.
#include "wire/fxics/syntax.h"

#include <gtest/gtest.h>

#include <sstream>

#include "wire/dump.h"
#include "wire/fxics/dump.h"
#include "wire/fxics/idset.h"
#include "wire/fxics/stream_writer.h"
#include "wire/fxics/structures.h"

namespace mapigate::wire::fxics {
namespace {

// A stream from words: names of markers; p a property; num PidTagAttachNumber; del, warn, ghost, group, part,
// dn the meta-properties.
Bytes stream_of(const std::string& words) {
  StreamWriter writer;
  std::istringstream in(words);
  for (std::string word; in >> word;) {
    Status done;
    if (word == "p") done = writer.integer32(mapi::PropertyTag(0x60100003), 1);
    else if (word == "num") done = writer.integer32(mapi::PidTagAttachNumber, 0);
    else if (word == "del") done = writer.integer32(MetaTagFXDelProp, 0x0E12000D);
    else if (word == "warn") done = writer.integer32(MetaTagEcWarning, 0);
    else if (word == "ghost") done = writer.binary(MetaTagNewFXFolder, {});
    else if (word == "group") done = writer.integer32(MetaTagIncrSyncGroupId, 1);
    else if (word == "part") done = writer.integer32(MetaTagIncrementalSyncMessagePartial, 0);
    else if (word == "dn") done = writer.property(MetaTagDnPrefix, mapi::Value::string8("/o="));
    else {
      bool found = false;
#define X(name, value)             \
  if (word == #name) {             \
    writer.marker(Marker::name);   \
    found = true;                  \
  }
      MAPIGATE_FAST_TRANSFER_MARKERS(X)
#undef X
      EXPECT_TRUE(found) << word;
    }
    EXPECT_TRUE(done);
  }
  Bytes out;
  writer.take(1 << 20, out);
  return out;
}

// The elements as brackets, markers by name, properties as ".".
class Brackets final : public NoSink {
 public:
  std::string text;
  Status begin_element(Element element) override {
    text += std::string(name_of(element)) + "(";
    return {};
  }
  Status end_element(Element) override {
    text += ")";
    return {};
  }
  Status property(const PropDef&, std::uint32_t) override {
    text += ".";
    return {};
  }
};

std::string parsed(const std::string& words, Element root = Element::stream) {
  const auto bytes = stream_of(words);
  Brackets brackets;
  SyntaxReader reader(brackets, root);
  for (std::size_t at = 0; at < bytes.size(); at += 7)
    if (const auto fed = reader.feed(View(bytes).subspan(at, std::min<std::size_t>(7, bytes.size() - at))); !fed) return fed.error().message;
  const auto finished = reader.finish();
  return finished ? brackets.text : finished.error().message;
}

TEST(FastTransferSyntax, ContentsSync) {
  EXPECT_EQ(parsed("IncrSyncProgressMode p IncrSyncProgressPerMsg p p IncrSyncChg p p IncrSyncMessage p del StartRecip p EndToRecip "
                   "StartRecip EndToRecip del NewAttach num p StartEmbed p StartRecip p EndToRecip EndEmbed EndAttach "
                   "IncrSyncDel p IncrSyncRead p IncrSyncStateBegin p p IncrSyncStateEnd IncrSyncEnd", Element::contentsSync),
            "contentsSync(progressTotal(.)progressPerMessage(..)messageChangeFull(....recipient(.)recipient().attachment("
            "..embeddedMessage(.recipient(.))))deletions(.)readStateChanges(.)state(..))");
  EXPECT_EQ(parsed("IncrSyncStateBegin IncrSyncStateEnd IncrSyncEnd", Element::contentsSync), "contentsSync(state())");
  EXPECT_EQ(parsed("IncrSyncGroupInfo p group IncrSyncChgPartial p p part p part p del NewAttach num EndAttach "
                   "group IncrSyncChgPartial p part IncrSyncStateBegin IncrSyncStateEnd IncrSyncEnd", Element::contentsSync),
            "contentsSync(groupInfo(.).messageChangePartial(.......attachment(.)).messageChangePartial(..)state())");
}

TEST(FastTransferSyntax, HierarchySync) {
  EXPECT_EQ(parsed("IncrSyncChg p p IncrSyncChg p IncrSyncDel p IncrSyncStateBegin p IncrSyncStateEnd IncrSyncEnd", Element::hierarchySync),
            "hierarchySync(folderChange(..)folderChange(.)deletions(.)state(.))");
}

TEST(FastTransferSyntax, CopiedObjects) {
  EXPECT_EQ(parsed("p p StartRecip p EndToRecip NewAttach num p EndAttach", Element::messageContent), "messageContent(..recipient(.)attachment(..))");
  EXPECT_EQ(parsed("p StartEmbed p EndEmbed", Element::attachmentContent), "attachmentContent(.embeddedMessage(.))");
  EXPECT_EQ(parsed("warn StartMessage p EndMessage StartFAIMsg p EndMessage", Element::messageList), "messageList(.message(.)message(.))");
  EXPECT_EQ(parsed("", Element::messageList), "messageList()");
  EXPECT_EQ(parsed("p p del StartFAIMsg p EndMessage del StartMessage EndMessage del StartSubFld p EndFolder", Element::folderContent),
            "folderContent(...message(.).message().subFolder(.))");
  EXPECT_EQ(parsed("dn StartTopFld p StartMessage EndMessage StartSubFld p StartSubFld EndFolder EndFolder EndFolder", Element::topFolder),
            "topFolder(..message()subFolder(.subFolder()))");
  EXPECT_EQ(parsed("p ghost del StartSubFld EndFolder", Element::folderContent), "folderContent(...subFolder())");
  EXPECT_EQ(parsed("IncrSyncStateBegin p IncrSyncStateEnd", Element::state), "state(.)");
}

TEST(FastTransferSyntax, RootsAreRecognised) {
  const auto root = [](const std::string& words) {
    NoSink sink;
    SyntaxReader reader(sink);
    const auto fed = reader.feed(stream_of(words));
    if (!fed) return fed.error().message;
    const auto finished = reader.finish();
    return finished ? std::string(name_of(reader.root())) : finished.error().message;
  };
  EXPECT_EQ(root("IncrSyncChg p IncrSyncMessage IncrSyncStateBegin IncrSyncStateEnd IncrSyncEnd"), "contentsSync");
  EXPECT_EQ(root("IncrSyncChg p IncrSyncChg p IncrSyncStateBegin IncrSyncStateEnd IncrSyncEnd"), "hierarchySync");
  EXPECT_EQ(root("IncrSyncDel p IncrSyncRead p IncrSyncStateBegin IncrSyncStateEnd IncrSyncEnd"), "contentsSync");
  EXPECT_EQ(root("group IncrSyncChgPartial p IncrSyncStateBegin IncrSyncStateEnd IncrSyncEnd"), "contentsSync");
  EXPECT_EQ(root("IncrSyncStateBegin p IncrSyncStateEnd"), "state");
  EXPECT_EQ(root("IncrSyncStateBegin p IncrSyncStateEnd IncrSyncEnd"), "sync");  // either, without changes
  EXPECT_EQ(root("p p NewAttach num EndAttach"), "messageContent");
  EXPECT_EQ(root("p del del NewAttach num EndAttach"), "messageContent");
  EXPECT_EQ(root("p StartEmbed EndEmbed"), "attachmentContent");
  EXPECT_EQ(root("p del StartMessage EndMessage"), "folderContent");
  EXPECT_EQ(root("StartMessage EndMessage"), "messageList");
  EXPECT_EQ(root("warn StartMessage EndMessage"), "messageList");
  EXPECT_EQ(root("dn StartTopFld p EndFolder"), "topFolder");
  EXPECT_EQ(root("p p"), "stream");
}

TEST(FastTransferSyntax, ErrorInfoBreaksAMessageOff) {
  EXPECT_EQ(parsed("StartMessage p NewAttach num FXErrorInfo p StartMessage p EndMessage", Element::messageList),
            "messageList(message(.attachment(.))errorInfo(.)message(.))");
  EXPECT_EQ(parsed("IncrSyncChg p FXErrorInfo p IncrSyncChg p IncrSyncMessage IncrSyncStateBegin IncrSyncStateEnd IncrSyncEnd", Element::contentsSync),
            "contentsSync(messageChangeFull(.)errorInfo(.)messageChangeFull(.)state())");
}

TEST(FastTransferSyntax, WhatIsWrongNamesItsElement) {
  const auto expect = [](const std::string& words, Element root, std::string_view why) {
    const auto message = parsed(words, root);
    EXPECT_NE(message.find(why), std::string::npos) << words << ": " << message;
  };
  expect("IncrSyncChg p IncrSyncStateBegin", Element::contentsSync, "messageChangeFull at offset 12: IncrSyncStateBegin where a property or IncrSyncMessage");
  expect("IncrSyncChg p IncrSyncMessage", Element::hierarchySync, "hierarchySync at offset 12: IncrSyncMessage where");
  expect("IncrSyncRead", Element::hierarchySync, "hierarchySync at offset 0: IncrSyncRead where");
  expect("IncrSyncStateBegin IncrSyncStateEnd", Element::contentsSync, "contentsSync: the stream ends at offset 8 where IncrSyncEnd");
  expect("IncrSyncStateBegin p", Element::state, "state: the stream ends");
  expect("IncrSyncStateBegin IncrSyncEnd", Element::contentsSync, "state at offset 4: IncrSyncEnd where a property or IncrSyncStateEnd");
  expect("IncrSyncRead p IncrSyncDel p", Element::contentsSync, "contentsSync at offset 12: IncrSyncDel where IncrSyncStateBegin");
  expect("IncrSyncProgressPerMsg p IncrSyncDel", Element::contentsSync, "where a messageChange is expected");
  expect("IncrSyncGroupInfo p IncrSyncChg", Element::contentsSync, "where MetaTagIncrSyncGroupId or IncrSyncChgPartial");
  expect("IncrSyncChg p IncrSyncProgressMode", Element::contentsSync, "messageChangeFull");
  expect("p StartRecip p StartRecip", Element::messageContent, "recipient at offset 20: StartRecip where a property or EndToRecip");
  expect("NewAttach p", Element::messageContent, "attachment at offset 4: property 0x60100003 where PidTagAttachNumber");
  expect("NewAttach num StartEmbed EndEmbed p", Element::messageContent, "where EndAttach");
  expect("NewAttach num EndAttach StartRecip", Element::messageContent, "messageContent at offset 16: StartRecip");
  expect("StartMessage p EndEmbed", Element::messageList, "message at offset 12: EndEmbed");
  expect("StartMessage p", Element::messageList, "message: the stream ends");
  expect("p", Element::messageList, "messageList at offset 0");
  expect("StartSubFld EndFolder StartMessage", Element::folderContent, "folderContent at offset 8: StartMessage");
  expect("p ghost StartMessage", Element::folderContent, "folderContent");
  expect("StartTopFld p", Element::topFolder, "topFolder: the stream ends");
  expect("p", Element::topFolder, "where StartTopFld");
  expect("StartTopFld EndFolder p", Element::topFolder, "where the end of the stream is expected");
  expect("EndMessage", Element::stream, "EndMessage");
}

TEST(FastTransferSyntax, NestingIsLimited) {
  std::string words = "StartTopFld";
  for (std::size_t i = 0; i < max_element_depth; ++i) words += " StartSubFld";
  EXPECT_NE(parsed(words, Element::topFolder).find("nested too deeply"), std::string::npos);
}

TEST(FastTransferStructures, PropertyGroupInfoAndOthers) {
  Bytes bytes;
  // GroupId 5, one group of PidTagSubject, a numbered and a named property.
  ASSERT_TRUE(from_hex("05000000 00000000 01000000 03000000 1F003700"
                       "03000180 0820060000000000C000000000000046 00000000 10850000"
                       "1F000280 2903020000000000C000000000000046 01000000 04000000 41004200", bytes));
  Arena arena;
  const auto info = decode<PropertyGroupInfo>("PropertyGroupInfo", bytes, arena, CountWidth::narrow);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->GroupId, 5u);
  ASSERT_EQ(info->Groups.size(), 1u);
  const auto tags = info->Groups[0].PropertyTags;
  ASSERT_EQ(tags.size(), 3u);
  EXPECT_EQ(tags[1].Name.LID, 0x8510u);
  EXPECT_EQ(tags[2].Name.Name.size(), 4u);
  Bytes again;
  ASSERT_TRUE(encode("PropertyGroupInfo", *info, again, CountWidth::narrow));
  EXPECT_EQ(again, bytes);

  ProgressInformation progress;
  progress.NormalMessageCount = 3;
  progress.NormalMessageTotalSize = 0x1122334455;
  Bytes out;
  ASSERT_TRUE(encode("ProgressInformation", progress, out, CountWidth::narrow));
  EXPECT_EQ(to_hex(out), "00000000" "00000000" "0000000000000000" "03000000" "00000000" "5544332211000000");
}

TEST(FastTransferStructures, PredecessorChangeLists) {
  Bytes bytes;
  ASSERT_TRUE(from_hex("16 52F685EC7D432E4AA960345088 53D90A 00000000207C", bytes));
  const auto list = read_predecessor_change_list(bytes);
  ASSERT_TRUE(list) << list.error().message;
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(mapi::to_string(list->front().NamespaceGuid), "ec85f652-437d-4a2e-a960-34508853d90a");
  EXPECT_EQ(to_hex(list->front().LocalId), "00000000207c");
  EXPECT_EQ(write_predecessor_change_list(*list), bytes);
  bytes.pop_back();
  EXPECT_FALSE(read_predecessor_change_list(bytes));
  EXPECT_FALSE(read_predecessor_change_list(Bytes{3, 1, 2, 3}));
}

std::string told(View bytes, Status& status) {
  TextSink sink;
  status = describe_stream(sink, bytes);
  return sink.take();
}

TEST(FastTransferDump, ShowsElementsOffsetsAndSets) {
  ReplGuidSet seen;
  seen.of(mapi::PS_MAPI).insert(1, 0x200);
  ReplIdSet deleted;
  deleted.insert(1, 0x10);
  StreamWriter writer;
  writer.marker(Marker::IncrSyncChg);
  Arena arena;
  ASSERT_TRUE(writer.property(mapi::PidTagDisplayName, mapi::Value::string(arena, "Inbox")));
  writer.marker(Marker::IncrSyncDel);
  ASSERT_TRUE(writer.binary(MetaTagIdsetDeleted, write_idset(deleted)));
  writer.marker(Marker::IncrSyncStateBegin);
  ASSERT_TRUE(writer.binary(MetaTagIdsetGiven, write_idset(seen)));
  writer.marker(Marker::IncrSyncStateEnd);
  writer.marker(Marker::IncrSyncEnd);
  Bytes bytes;
  writer.take(1 << 20, bytes);
  Status status;
  const auto text = told(bytes, status);
  EXPECT_TRUE(status) << status.error().message;
  for (const auto* part : {"element: \"hierarchySync\"", "element: \"folderChange\"", "offset: 4", "PidTagDisplayName", "\"Inbox\"",
                           "MetaTagIdsetDeleted", "REPLID: \"0x0001\"", "GLOBSET: \"0x10\"", "MetaTagIdsetGiven",
                           "00020328-0000-0000-c000-000000000046", "0x1-0x200", "IncrSyncEnd"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;

  const auto broken = told(View(bytes).first(bytes.size() - 6), status);
  ASSERT_FALSE(status);
  EXPECT_NE(broken.find("\"Inbox\""), std::string::npos);
  EXPECT_NE(broken.find("rest: "), std::string::npos);
}

}  // namespace
}  // namespace mapigate::wire::fxics
