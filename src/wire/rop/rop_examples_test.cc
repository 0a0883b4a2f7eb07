// ROPs whose bytes others have published: the examples in section 4 of the
// [MS-OXC…] specifications, and requests of Outlook from the corpora.
#include "mapi/properties.h"
#include "wire/dump.h"
#include "wire/rop/test_examples.h"
#include "wire/rpc/header_ext.h"
#include "wire/test_corpora.h"

namespace mapigate::wire {
namespace {

// [MS-OXCTABL] 4.1.1
TEST_F(Examples, GetContentsTable) {
  const auto* body = request<RopGetContentsTable>("05 00 00 01 00");
  ASSERT_NE(body, nullptr);
  EXPECT_EQ(body->OutputHandleIndex, 1);
  EXPECT_EQ(body->TableFlags, 0);
}

// [MS-OXCFOLD] 4.7.2
TEST_F(Examples, GetHierarchyTableResponse) {
  const auto* body = response<RopGetHierarchyTable>("04 02 00 00 00 00 15 00 00 00");
  ASSERT_NE(body, nullptr);
  EXPECT_EQ(response_.HandleIndex, 2);
  EXPECT_EQ(body->RowCount, 21u);
}

// [MS-OXCTABL] 4.2.1
TEST_F(Examples, SetColumns) {
  const auto* body = request<RopSetColumns>(
      "12 00 01 00 06 00 14 00 48 67 14 00 4a 67 14 00 4d 67 03 00 4e 67 1f 00 37 00 40 00 06 0e");
  ASSERT_NE(body, nullptr);
  EXPECT_EQ(rop_.HandleIndex, 1);
  ASSERT_EQ(body->PropertyTags.size(), 6u);
  EXPECT_EQ(body->PropertyTags[4], mapi::PidTagSubject);
  EXPECT_EQ(body->PropertyTags[5], mapi::PidTagMessageDeliveryTime);
  // [MS-OXORULE] 4.2.2
  const auto* answer = response<RopSetColumns>("12 01 00 00 00 00 00");
  ASSERT_NE(answer, nullptr);
  EXPECT_EQ(answer->TableStatus, 0);
}

// [MS-OXCTABL] 4.3
TEST_F(Examples, SortTable) {
  const auto* body = request<RopSortTable>("13 00 00 00 02 00 01 00 01 00 1f 30 08 80 00 40 00 06 0e 01");
  ASSERT_NE(body, nullptr);
  EXPECT_EQ(body->CategoryCount, 1);
  EXPECT_EQ(body->ExpandedCount, 1);
  ASSERT_EQ(body->SortOrders.size(), 2u);
  EXPECT_EQ(body->SortOrders[0].tag.value, 0x8008301Fu);
  EXPECT_EQ(body->SortOrders[1].Order, mapi::SortOrder::Descending);
  ASSERT_NE(response<RopSortTable>("13 01 00 00 00 00 00"), nullptr);
}

// [MS-OXCTABL] 4: newest first without categories; a category is expanded.
TEST_F(Examples, SortWithoutCategoriesAndExpand) {
  const auto* sort = request<RopSortTable>("13 00 01 00 01 00 00 00 00 00 40 00 06 0e 01");
  ASSERT_NE(sort, nullptr);
  EXPECT_EQ(sort->CategoryCount, 0);
  ASSERT_EQ(sort->SortOrders.size(), 1u);
  EXPECT_EQ(sort->SortOrders[0].tag, mapi::PidTagMessageDeliveryTime);
  const auto* expand = request<RopExpandRow>("59 00 01 00 00 01 00 00 00 00 f1 88 bd");
  ASSERT_NE(expand, nullptr);
  EXPECT_EQ(expand->MaxRowCount, 0);
  EXPECT_EQ(expand->CategoryId, 0xBD88F10000000001u);
}

// [MS-OXCTABL] 4.5.3.2: the head of a category. The page announces nine rows and breaks off in the first, so RowCount is 1
// here; it does not show the columns either: these are those that it names or that fit the values, and three that the row
// does not have.
TEST_F(Examples, CategoryRow) {
  const mapi::PropertyTag columns[] = {mapi::PidTagFolderId, mapi::PidTagMid,     mapi::PidTagInstID,
                                       mapi::PidTagInstanceNum, mapi::PidTagRowType, mapi::PidTagDepth,
                                       mapi::PidTagSubject, mapi::PidTagMessageDeliveryTime, mapi::PidTagMessageClass};
  const auto* body = response<RopQueryRows>(
      "15 00 00 00 00 00 02 01 00 01 00 01 00 00 00 00 f1 1f 32 0a 0f 01 04 80 00 01 00 00 00 00 f1 88 bd 00 00 00 00 00"
      "00 03 00 00 00 00 00 00 00 00 0a 0f 01 04 80 0a 0f 01 04 80 0a 0f 01 04 80", columns);
  ASSERT_NE(body, nullptr);
  EXPECT_EQ(body->Origin, BOOKMARK_END);
  ASSERT_EQ(body->RowData.size(), 1u);
  const auto& row = body->RowData[0];
  EXPECT_EQ(row.Flag, 1);
  EXPECT_EQ(static_cast<std::uint64_t>(mapi::number_of(row.values[0])), 0x321FF10000000001u);
  EXPECT_EQ(row.values[1].get<mapi::ErrorValue>()->code, mapi::ecNotFound);
  EXPECT_EQ(static_cast<std::uint64_t>(mapi::number_of(row.values[2])), 0xBD88F10000000001u);
  EXPECT_EQ(mapi::number_of(row.values[4]), 3);  // TBL_EXPANDED_CATEGORY
  for (std::size_t i = 6; i < 9; ++i) EXPECT_NE(row.values[i].get<mapi::ErrorValue>(), nullptr) << i;
}

// [MS-OXCTABL] 4.5.3.1
TEST_F(Examples, QueryRows) {
  const auto* body = request<RopQueryRows>("15 00 00 00 01 32 00");
  ASSERT_NE(body, nullptr);
  EXPECT_TRUE(body->ForwardRead);
  EXPECT_EQ(body->RowCount, 50);
}

// [MS-OXORULE] 4.2: a rules table opened, given columns and read in one buffer.
TEST_F(Examples, RulesTable) {
  auto asked = payload_of(bytes_of("3f 00 00 01 40"
                                   "12 00 01 00 03 00 14 00 74 66 02 01 84 66 1f 00 82 66"
                                   "15 00 01 00 01 32 00"));
  for (const auto byte : bytes_of("23 02 00 00 ff ff ff ff")) asked.push_back(byte);
  const auto requests = decode_requests(asked, arena_);
  ASSERT_TRUE(requests);
  ASSERT_EQ(requests->problem, "");
  ASSERT_EQ(requests->rops.size(), 3u);
  EXPECT_EQ(requests->rops[0].as<RopGetRulesTable>()->TableFlags, RopGetRulesTable::UseUnicode);
  EXPECT_EQ(requests->handles, (std::vector<std::uint32_t>{0x223, no_handle}));

  const auto answered = payload_of(bytes_of(
      "3f 01 00 00 00 00"
      "12 01 00 00 00 00 00"
      "15 01 00 00 00 00 02 01 00 00 01 00 00 00 01 3f f8 56 10 00 01 00 00 00 01 00 00 00 55 55 55 55"
      "d1 44 e3 40 50 00 72 00 6f 00 6a 00 65 00 63 00 74 00 20 00 58 00 00 00"));
  auto responses = decode_responses(answered, arena_, &*requests, nullptr);
  ASSERT_TRUE(responses);
  ASSERT_EQ(responses->problem, "");
  ASSERT_EQ(responses->rops.size(), 3u);
  const auto* rows = responses->rops[2].as<RopQueryRows>();
  EXPECT_EQ(rows->Origin, BOOKMARK_END);
  ASSERT_EQ(rows->RowData.size(), 1u);
  EXPECT_EQ(mapi::number_of(rows->RowData[0].values[0]), 0x56F83F0100000001);
  EXPECT_EQ(rows->RowData[0].values[1].get<View>()->size(), 16u);
  EXPECT_EQ(mapi::text_of(rows->RowData[0].values[2]), "Project X");
  for (auto& rop : responses->rops) rop.raw = {};
  Bytes again;
  ASSERT_TRUE(encode_responses(*responses, again, &*requests));
  EXPECT_EQ(to_hex(again), to_hex(answered));
}

// [MS-OXCPRPT] 4.2
TEST_F(Examples, SetProperties) {
  const auto* body = request<RopSetProperties>(
      "0A 00 00 24 00 02 00 1F 00 3D 00 00 00 1F 00 1D 0E 48 00 65 00 6C 00 6C 00 6F 00 20 00 57 00 6F 00"
      "72 00 6C 00 64 00 00 00");
  ASSERT_NE(body, nullptr);
  ASSERT_EQ(body->PropertyValues.size(), 2u);
  EXPECT_EQ(body->PropertyValues[0].tag, mapi::PidTagSubjectPrefix);
  EXPECT_EQ(mapi::text_of(body->PropertyValues[0].value), "");
  EXPECT_EQ(mapi::text_of(body->PropertyValues[1].value), "Hello World");
  const auto* answer = response<RopSetProperties>("0A 00 00 00 00 00 00 00");
  ASSERT_NE(answer, nullptr);
  EXPECT_TRUE(answer->PropertyProblems.empty());
}

// [MS-OXCPRPT] 4.3.1
TEST_F(Examples, GetPropertiesSpecific) {
  const auto* body = request<RopGetPropertiesSpecific>("07 00 00 00 00 01 00 03 00 0B 00 3E 86 03 00 3F 86 02 01 E2 65");
  ASSERT_NE(body, nullptr);
  EXPECT_EQ(body->WantUnicode, 1);
  ASSERT_EQ(body->PropertyTags.size(), 3u);
  EXPECT_EQ(body->PropertyTags[2], mapi::PidTagChangeKey);
  // An answer in which the second property is missing.
  const auto asked = rop_;
  const auto* answer = response<RopGetPropertiesSpecific>(
      "07 00 00 00 00 00 01 00 01 0A 0F 01 04 80 00 02 00 AB CD", {}, &asked);
  ASSERT_NE(answer, nullptr);
  ASSERT_EQ(answer->RowData.values.size(), 3u);
  EXPECT_EQ(mapi::number_of(answer->RowData.values[0]), 1);
  EXPECT_EQ(answer->RowData.values[1].get<mapi::ErrorValue>()->code, mapi::ecNotFound);
  EXPECT_EQ(to_hex(*answer->RowData.values[2].get<View>()), "abcd");
}

// [MS-OXCPRPT] 4.1.2
TEST_F(Examples, GetPropertyIdsFromNames) {
  const auto* body = response<RopGetPropertyIdsFromNames>("56 00 00 00 00 00 02 00 3E 86 3F 86");
  ASSERT_NE(body, nullptr);
  ASSERT_EQ(body->PropertyIds.size(), 2u);
  EXPECT_EQ(body->PropertyIds[1], 0x863F);
  // With ecWarnWithErrors the ids come too; with an error they do not.
  body = response<RopGetPropertyIdsFromNames>("56 00 80 03 04 00 01 00 00 00");
  ASSERT_NE(body, nullptr);
  EXPECT_EQ(body->PropertyIds.size(), 1u);
  EXPECT_EQ(response<RopGetPropertyIdsFromNames>("56 00 0F 01 04 80"), nullptr);
  EXPECT_EQ(response_.ReturnValue, mapi::ecNotFound);
}

// [MS-OXCFOLD] 4.2.1, 4.3.1, 4.4.1, 4.5.1, 4.6.1
TEST_F(Examples, Folders) {
  const auto* gone = request<RopDeleteFolder>("1D 00 01 05 01 00 00 00 0E 8E DF 36");
  ASSERT_NE(gone, nullptr);
  EXPECT_EQ(gone->DeleteFolderFlags, RopDeleteFolder::DEL_MESSAGES | RopDeleteFolder::DEL_FOLDERS);
  EXPECT_EQ(gone->FolderId.counter(), 0x00000E8EDF36u);
  EXPECT_EQ(gone->FolderId.replid(), 1);

  const auto* messages = request<RopDeleteMessages>(
      "1E 00 00 00 01 02 00 01 00 00 00 0E 8E F1 48 01 00 00 00 0E 8E C3 02");
  ASSERT_NE(messages, nullptr);
  EXPECT_TRUE(messages->NotifyNonRead);
  ASSERT_EQ(messages->MessageIds.size(), 2u);
  EXPECT_EQ(messages->MessageIds[1].counter(), 0x00000E8EC302u);

  const auto* moved = request<RopMoveCopyMessages>("33 00 00 01 01 00 01 00 00 00 0E 8E EC 5D 00 00");
  ASSERT_NE(moved, nullptr);
  EXPECT_EQ(moved->DestHandleIndex, 1);
  EXPECT_FALSE(moved->WantCopy);

  const auto* folder = request<RopMoveFolder>(
      "35 00 01 02 01 01 01 00 00 00 0E 8E DF 36 46 00 6F 00 6C 00 64 00 65 00 72 00 31 00 00 00");
  ASSERT_NE(folder, nullptr);
  EXPECT_TRUE(folder->WantAsynchronous);
  EXPECT_EQ(to_utf8(folder->NewFolderName), "Folder1");

  const auto* copied = request<RopCopyFolder>(
      "36 00 00 01 01 01 01 01 00 00 00 0E 8E DF 36 46 00 6F 00 6C 00 64 00 65 00 72 00 31 00 00 00");
  ASSERT_NE(copied, nullptr);
  EXPECT_TRUE(copied->WantRecursive);
  EXPECT_EQ(to_utf8(copied->NewFolderName), "Folder1");
}

// [MS-OXOMSG] 4.1 and 4.3
TEST_F(Examples, SubmitAndAbort) {
  const auto* submit = request<RopSubmitMessage>("32 00 02 00");
  ASSERT_NE(submit, nullptr);
  EXPECT_EQ(rop_.HandleIndex, 2);
  EXPECT_NE(response<RopSubmitMessage>("32 02 00 00 00 00"), nullptr);
  const auto* abort = request<RopAbortSubmit>("34 00 00 01 00 00 03 b4 79 ca 47 01 00 00 03 b7 e6 5f a7");
  ASSERT_NE(abort, nullptr);
  EXPECT_EQ(abort->FolderId.counter(), 0x0003b479ca47u);
  EXPECT_EQ(abort->MessageId.counter(), 0x0003b7e65fa7u);
  EXPECT_NE(response<RopAbortSubmit>("34 00 00 00 00 00"), nullptr);
}

// Forms that follow from the field lists of [MS-OXCROPS], by hand.
TEST_F(Examples, NullDestination) {
  const auto* body = response<RopMoveCopyMessages>("33 00 03 05 00 00 01 00 00 00 01");
  ASSERT_NE(body, nullptr);
  EXPECT_EQ(body->DestHandleIndex, 1u);
  EXPECT_TRUE(body->PartialCompletion);
  const auto* stream = response<RopCopyToStream>(
      "3a 00 03 05 00 00 02 00 00 00 03 00 00 00 00 00 00 00 04 00 00 00 00 00 00 00");
  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(stream->WrittenByteCount, 4u);
}

TEST_F(Examples, LogonElsewhere) {
  const auto* body = response<RopLogon>("fe 00 78 04 00 00 01 04 73 72 76 00");
  ASSERT_NE(body, nullptr);
  EXPECT_EQ(as_text(body->ServerName), std::string_view("srv\0", 4));
}

TEST_F(Examples, LogonToPublicFolders) {
  std::string hex = "fe 00 00 00 00 00 00";
  for (int i = 1; i <= 13; ++i) hex += fmt::format(" 01 00 00 00 00 00 00 {:02x}", i);
  hex += " 01 00 000102030405060708090a0b0c0d0e0f 00000000000000000000000000000000";
  const auto* body = response<RopLogon>(hex);
  ASSERT_NE(body, nullptr);
  EXPECT_EQ(body->FolderIds[12].counter(), 13u);
  EXPECT_EQ(body->ReplGuid.bytes[15], 0x0f);
}

// [MS-OXCPRPT] 4.4.1.1.
TEST_F(Examples, OpenStream) {
  const auto* open = request<RopOpenStream>("2B 01 00 01 02 01 9A 0E 01");
  ASSERT_NE(open, nullptr);
  EXPECT_EQ(rop_.LogonId, 1);
  EXPECT_EQ(open->OutputHandleIndex, 1);
  EXPECT_EQ(open->PropertyTag, mapi::PidTagExtendedRuleMessageCondition);
  EXPECT_EQ(open->OpenModeFlags, RopOpenStream::ReadWrite);
}

// [MS-OXCSTOR] 4: how a property with its value stands in a buffer.
TEST_F(Examples, TaggedPropertyValue) {
  const auto bytes = bytes_of("03 00 76 66 0a 00 00 00");
  Cursor cursor(bytes);
  FieldReader reader(cursor, arena_);
  mapi::TaggedValue value;
  reader.tagged("PropertyValue", value);
  EXPECT_TRUE(cursor.ok() && cursor.left() == 0);
  EXPECT_EQ(value.tag.value, 0x66760003u);
  ASSERT_NE(value.value.get<std::int32_t>(), nullptr);
  EXPECT_EQ(*value.value.get<std::int32_t>(), 10);
  Bytes again;
  Output output(again);
  FieldWriter writer(output);
  writer.tagged("PropertyValue", value);
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ(again, bytes);
}

TEST_F(Examples, StreamsSizeTheirLimits) {
  EXPECT_EQ(request<RopReadStream>("2c 00 00 be ba 00 00 01 00")->wanted(), 0x10000u);
  EXPECT_EQ(request<RopReadStream>("2c 00 00 00 10")->wanted(), 0x1000u);
  EXPECT_EQ(request<RopFastTransferSourceGetBuffer>("4e 00 00 be ba f8 7b")->wanted(), 0x7bf8u);
  const auto* busy = response<RopFastTransferSourceGetBuffer>("4e 00 80 04 00 00 01 00 00 00 01 00 00 00 00 e8 03 00 00");
  ASSERT_NE(busy, nullptr);
  EXPECT_EQ(busy->BackoffTime, 1000u);
}

// A peer that ends an error with its ReturnValue.
TEST_F(Examples, ErrorsMayLackTheirFields) {
  EXPECT_EQ(response<RopReadStream>("2c 00 0f 01 04 80 00 00")->Data.size(), 0u);
  const auto bytes = payload_of(bytes_of("2c 00 0f 01 04 80"));
  const auto read = decode_responses(bytes, arena_, nullptr, nullptr);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->rops.size(), 1u);
  EXPECT_EQ(read->rops[0].body, nullptr);
}

// One recipient of type X500DN with display name and one column, then a deletion.
TEST_F(Examples, Recipients) {
  const auto* body = request<RopModifyRecipients>(
      "0e 00 00 01 00 03 00 00 39 02 00"
      "00 00 00 00 01 18 00 11 02 00 00 2f 6f 3d 78 00 42 00 6f 00 62 00 00 00 01 00 00 06 00 00 00"
      "01 00 00 00 01 00 00");
  ASSERT_NE(body, nullptr);
  ASSERT_EQ(body->RecipientRows.size(), 2u);
  const auto& row = body->RecipientRows[0].RecipientRow;
  EXPECT_EQ(row.type(), RecipientRow::X500DN);
  EXPECT_EQ(row.X500Dn, "/o=x");
  EXPECT_EQ(to_utf8(row.DisplayName), "Bob");
  ASSERT_EQ(row.RecipientProperties.values.size(), 1u);
  EXPECT_EQ(mapi::number_of(row.RecipientProperties.values[0]), 6);
  EXPECT_FALSE(body->RecipientRows[1].has_row);
}

TEST_F(Examples, Notifications) {
  // A new message, with its class in the code page.
  const auto* mail = response<RopNotify>(
      "2a 11 00 00 00 00 02 80 01 00 00 00 00 00 00 0d 01 00 00 00 00 00 01 02 00 00 00 00 00 49 50 4d 00");
  ASSERT_NE(mail, nullptr);
  EXPECT_EQ(mail->NotificationHandle, 0x11u);
  EXPECT_TRUE(mail->NotificationData.is(notification::NewMail));
  EXPECT_EQ(mail->NotificationData.MessageId.counter(), 0x102u);
  EXPECT_EQ(mail->NotificationData.MessageClass.string8, "IPM");
  // A folder changed, with its counts; all properties.
  const auto* counts = response<RopNotify>(
      "2a 12 00 00 00 00 10 30 01 00 00 00 00 00 00 0d ff ff 05 00 00 00 02 00 00 00");
  ASSERT_NE(counts, nullptr);
  EXPECT_EQ(counts->NotificationData.TotalMessageCount, 5u);
  EXPECT_EQ(counts->NotificationData.UnreadMessageCount, 2u);
  // A row added at the top of a contents table.
  const auto* row = response<RopNotify>(
      "2a 13 00 00 00 00 00 81 03 00 01 00 00 00 00 00 00 0d 01 00 00 00 00 00 01 02 00 00 00 00"
      "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 05 00 00 07 00 00 00");
  ASSERT_NE(row, nullptr);
  const mapi::PropertyTag columns[] = {mapi::PidTagMessageSize};
  const auto values = decode_notified_row(row->NotificationData.TableRowData, arena_, columns);
  ASSERT_TRUE(values);
  EXPECT_EQ(mapi::number_of(values->values[0]), 7);
}

TEST_F(Examples, DumpsSayWhatIsThere) {
  auto payload = payload_of(bytes_of("02 00 00 01 01 00 00 00 00 00 00 0d 00 99 01"));
  for (const auto byte : {1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF}) payload.push_back(static_cast<std::uint8_t>(byte));
  const auto text = dump_requests(payload, DumpForm::text);
  EXPECT_EQ(text,
            "RopOpenFolder\n"
            "  RopId: 2\n"
            "  LogonId: 0\n"
            "  InputHandleIndex: 0\n"
            "  OutputHandleIndex: 1\n"
            "  FolderId: " + mapi::to_string(mapi::Id(1, 0x0d)) + "\n"
            "  OpenModeFlags: 0\n"
            "opaque: 99 01\n"
            "problem: \"RopId 0x99 is unknown\"\n"
            "ServerObjectHandleTable: 2 of\n"
            "  Handle: 1\n"
            "  Handle: none\n");
  const auto json = dump_requests(payload, DumpForm::json);
  EXPECT_NE(json.find("\"OutputHandleIndex\": 1"), std::string::npos) << json;
  EXPECT_NE(json.find("\"opaque\": \"9901\""), std::string::npos) << json;
  EXPECT_NE(dump_requests(Bytes{1}, DumpForm::json).find("RopSize 0"), std::string::npos);
}

// Every ROP of a payload must parse and be written anew to the same bytes.
void expect_same_again(View payload, const std::string& what) {
  Arena arena;
  auto read = decode_requests(payload, arena);
  ASSERT_TRUE(read) << what << ": " << read.error().message;
  EXPECT_EQ(read->problem, "") << what;
  EXPECT_FALSE(read->rops.empty()) << what;
  for (auto& rop : read->rops) rop.raw = {};
  Bytes again;
  ASSERT_TRUE(encode_requests(*read, again));
  EXPECT_EQ(to_hex(again, ' '), to_hex(payload, ' ')) << what;
}

TEST(RopCorpora, RequestsOfOutlook2016) {
  const auto corpora = test::corpora();
  if (!corpora) GTEST_SKIP() << "no corpora (set MAPIGATE_CORPORA)";
  std::size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*corpora / "lpe-outlook16" / "mapihttp-execute-body")) {
    const auto body = test::read_file(entry.path());
    const auto name = entry.path().filename().string();
    Cursor cursor(body);
    cursor.skip(4);  // Flags
    const auto buffer = cursor.bytes(cursor.scalar<std::uint32_t>());
    Arena arena;
    const auto payloads = rpc::read_extended_buffers(buffer, arena, rpc::request_limits);
    ASSERT_TRUE(payloads) << name << ": " << payloads.error().message;
    for (const auto payload : *payloads) expect_same_again(payload, name);
    ++seen;
  }
  EXPECT_GE(seen, 9u);
}

// Uploads of cached mode: lists of ROPs without the buffer around them.
TEST(RopCorpora, UploadsOfOutlook2016) {
  const auto corpora = test::corpora();
  if (!corpora) GTEST_SKIP() << "no corpora (set MAPIGATE_CORPORA)";
  std::size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*corpora / "lpe-outlook16" / "mapi-bytes")) {
    const auto name = entry.path().filename().string();
    if (name.find("sync_import") == name.npos) continue;
    expect_same_again(payload_of(test::read_file(entry.path())), name);
    ++seen;
  }
  EXPECT_GE(seen, 3u);
}

// An EcDoRpcExt2 stub: context handle, pulFlags, then rgbIn.
TEST(RopCorpora, RequestOfOutlook2007) {
  const auto corpora = test::corpora();
  if (!corpora) GTEST_SKIP() << "no corpora (set MAPIGATE_CORPORA)";
  const auto stub = test::read_file(*corpora / "openchange-lzxpress" / "002_Outlook_2007_in_Tables_operations_comp.dat");
  ASSERT_GT(stub.size(), 0x1Cu + 0x152u);
  Arena arena;
  const auto payloads = rpc::read_extended_buffers(View(stub).subspan(0x1C, 0x152), arena, rpc::request_limits);
  ASSERT_TRUE(payloads) << payloads.error().message;
  for (const auto payload : *payloads) expect_same_again(payload, "Outlook 2007");
}

}  // namespace
}  // namespace mapigate::wire
