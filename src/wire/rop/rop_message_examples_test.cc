// The examples of [MS-OXCROPS], [MS-OXCFOLD], [MS-OXCMSG], [MS-OXCPERM] and [MS-OXOMSG], section 4; those of tables and
// properties stand in rop_examples_test.cc.
#include "mapi/properties.h"
#include "wire/rop/test_examples.h"

namespace mapigate::wire {
namespace {

using MessageExamples = Examples;

// Whole request buffers: read, then written anew to the same bytes.
RopRequestBuffer buffer_of(std::string_view hex, Arena& arena) {
  const auto bytes = bytes_of(hex);
  auto read = decode_requests(arena.copy(View(bytes)), arena);
  EXPECT_TRUE(read) << hex;
  if (!read) return {};
  EXPECT_EQ(read->problem, "");
  auto anew = *read;
  for (auto& rop : anew.rops) rop.raw = {};
  Bytes again;
  EXPECT_TRUE(encode_requests(anew, again));
  EXPECT_EQ(to_hex(again), to_hex(bytes));
  return std::move(*read);
}

// [MS-OXCROPS] 4.1 to 4.4.
TEST_F(MessageExamples, Buffers) {
  const auto empty = buffer_of("02 00", arena_);
  EXPECT_TRUE(empty.rops.empty() && empty.handles.empty());

  const auto single = buffer_of("09 00 15 01 01 02 01 ff 0f 6d 00 00 00 56 00 00 00", arena_);
  ASSERT_EQ(single.rops.size(), 1u);
  EXPECT_EQ(single.rops[0].LogonId, 1);
  const auto* rows = single.rops[0].as<RopQueryRows>();
  ASSERT_NE(rows, nullptr);
  EXPECT_EQ(rows->QueryRowsFlags, RopQueryRows::EnablePackedBuffers);
  EXPECT_EQ(rows->RowCount, 0x0FFF);
  EXPECT_EQ(single.handles, (std::vector<std::uint32_t>{0x6D, 0x56}));

  const auto two = buffer_of("14 00 02 00 00 01 01 00 59 65 73 73 69 72 00 04 00 01 02 04 6e 00 00 00 ff ff ff ff ff ff ff ff",
                             arena_);
  ASSERT_EQ(two.rops.size(), 2u);
  const auto* folder = two.rops[0].as<RopOpenFolder>();
  ASSERT_NE(folder, nullptr);
  EXPECT_EQ(folder->FolderId.counter(), 0x596573736972u);
  const auto* hierarchy = two.rops[1].as<RopGetHierarchyTable>();
  ASSERT_NE(hierarchy, nullptr);
  EXPECT_EQ(two.rops[1].HandleIndex, folder->OutputHandleIndex);
  EXPECT_EQ(hierarchy->TableFlags, RopGetHierarchyTable::Depth);
  EXPECT_EQ(two.handles, (std::vector<std::uint32_t>{0x6E, no_handle, no_handle}));

  const auto released = buffer_of("08 00 01 00 00 01 00 01 6f 00 00 00 6e 00 00 00", arena_);
  ASSERT_EQ(released.rops.size(), 2u);
  EXPECT_EQ(released.rops[1].id, RopId::RopRelease);
  EXPECT_EQ(released.rops[1].HandleIndex, 1);
}

// [MS-OXCFOLD] 4.1 and 4.7.1.
TEST_F(MessageExamples, CreateFolder) {
  const auto* folder = request<RopCreateFolder>(
      "1c 00 00 01 01 01 00 00 46 00 6f 00 6c 00 64 00 65 00 72 00 31 00 00 00 00 00");
  ASSERT_NE(folder, nullptr);
  EXPECT_EQ(folder->FolderType, RopCreateFolder::Generic);
  EXPECT_FALSE(folder->OpenExisting);
  EXPECT_EQ(to_utf8(folder->DisplayName), "Folder1");
  EXPECT_EQ(to_utf8(folder->Comment), "");
  const auto* made = response<RopCreateFolder>("1c 01 00 00 00 00 01 00 00 00 0e 91 52 12 00");
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(made->FolderId.counter(), 0x00000E915212u);
  EXPECT_FALSE(made->IsExistingFolder);
  const auto* hierarchy = request<RopGetHierarchyTable>("04 00 01 02 00");
  ASSERT_NE(hierarchy, nullptr);
  EXPECT_EQ(hierarchy->OutputHandleIndex, 2);
}

// [MS-OXCFOLD] 4.2.2, 4.5.2 and 4.6.2.
TEST_F(MessageExamples, FoldersAreDeletedMovedAndCopied) {
  const auto* gone = response<RopDeleteFolder>("1d 01 00 00 00 00 00");
  ASSERT_NE(gone, nullptr);
  EXPECT_FALSE(gone->PartialCompletion);
  EXPECT_NE(response<RopMoveFolder>("35 01 00 00 00 00 00"), nullptr);
  EXPECT_NE(response<RopCopyFolder>("36 00 00 00 00 00 00"), nullptr);
}

// [MS-OXCFOLD] 4.8 and 4.9: what is no appointment, contact, list, activity, note or task, and is important.
TEST_F(MessageExamples, SearchCriteria) {
  const auto class_is_not = [](std::string_view name, const char* level) {
    return std::string("02 03 ") + level + " 00 01 00 1f 00 1a 00 1f 00 1a 00 " + to_hex(to_utf16(name)) + "0000";
  };
  const auto* set = request<RopSetSearchCriteria>(
      "30 00 01 29 01 00 02 00 00 07 00" + class_is_not("IPM.Appointment", "02") + class_is_not("IPM.Contact", "02") +
      class_is_not("IPM.DistList", "02") + class_is_not("IPM.Activity", "02") + class_is_not("IPM.StickyNote", "02") +
      class_is_not("IPM.Task", "00") + class_is_not("IPM.Task.", "02") +
      "00 01 00 04 04 03 00 17 00 03 00 17 00 02 00 00 00 01 00 01 00 00 00 00 00 14 88 2a 00 02 00");
  ASSERT_NE(set, nullptr);
  ASSERT_NE(set->RestrictionData, nullptr);
  const auto& all = *set->RestrictionData;
  ASSERT_EQ(all.type, mapi::RestrictType::AndRestriction);
  ASSERT_EQ(all.children.size(), 2u);
  ASSERT_EQ(all.children[0].children.size(), 7u);
  const auto& no_task = all.children[0].children[5];
  ASSERT_EQ(no_task.type, mapi::RestrictType::NotRestriction);
  EXPECT_EQ(no_task.children[0].FuzzyLevelLow, mapi::FL_FULLSTRING);
  EXPECT_EQ(no_task.children[0].FuzzyLevelHigh, mapi::FL_IGNORECASE);
  EXPECT_EQ(mapi::text_of(no_task.children[0].value.value), "IPM.Task");
  EXPECT_EQ(all.children[0].children[6].children[0].FuzzyLevelLow, mapi::FL_PREFIX);
  const auto& important = all.children[1].children[0];
  EXPECT_EQ(important.relop, mapi::RelationalOperator::Equal);
  EXPECT_EQ(important.tag, mapi::PidTagImportance);
  EXPECT_EQ(mapi::number_of(important.value.value), 2);
  ASSERT_EQ(set->FolderIds.size(), 1u);
  EXPECT_EQ(set->FolderIds[0].counter(), 0x1488u);
  EXPECT_EQ(set->SearchFlags, 0x0002002Au);
  response<RopSetSearchCriteria>("30 01 00 00 00 00");
  EXPECT_EQ(response_.HandleIndex, 1);
  EXPECT_EQ(response_.ReturnValue, mapi::ecNone);

  const auto* got = request<RopGetSearchCriteria>("31 00 00 01 01 00");
  ASSERT_NE(got, nullptr);
  EXPECT_TRUE(got->UseUnicode && got->IncludeRestriction && !got->IncludeFolders);
}

// [MS-OXCMSG] 4, without the recipients. SaveFlags 0x0A has, beside KeepOpenReadWrite, a bit that [MS-OXCMSG] 2.2.3.3.1 does not know.
TEST_F(MessageExamples, MessagesAndAttachments) {
  const auto* message = request<RopCreateMessage>("06 00 00 01 ff 0f 01 00 00 00 00 f0 79 93 00");
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(message->CodePageId, 0x0FFF);
  EXPECT_EQ(message->FolderId.counter(), 0x00F07993u);
  EXPECT_FALSE(message->AssociatedFlag);
  const auto* attachments = request<RopGetAttachmentTable>("21 00 00 01 00");
  ASSERT_NE(attachments, nullptr);
  EXPECT_EQ(attachments->OutputHandleIndex, 1);
  const auto* saved = request<RopSaveChangesMessage>("0c 00 00 01 0a");
  ASSERT_NE(saved, nullptr);
  EXPECT_EQ(rop_.HandleIndex, 0);
  EXPECT_EQ(saved->InputHandleIndex, 1);
  EXPECT_EQ(saved->SaveFlags, RopSaveChangesMessage::KeepOpenReadWrite | 0x08);
  const auto* attachment = request<RopCreateAttachment>("23 00 00 03");
  ASSERT_NE(attachment, nullptr);
  EXPECT_EQ(attachment->OutputHandleIndex, 3);
  const auto* kept = request<RopSaveChangesAttachment>("25 00 02 01 0a");
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(rop_.HandleIndex, 2);
  EXPECT_EQ(kept->InputHandleIndex, 1);
}

// [MS-OXCMSG] 4: a recipient of the address book.
TEST_F(MessageExamples, ModifyRecipients) {
  const auto* body = request<RopModifyRecipients>(
      "0e00080c000300fe0f030000391f00ff391f00fe390300713a030005391f00f65f0300fd5f0300ff5f0300de5f0300df5f0201f75f"
      "01000000000001270151065a005573657232007500730065007200320000007500730065007200320000000c00"
      "00060000000000000075007300650072003200000075007300650072003200400073007a0066006b0075006b002d0064006f006d002e00"
      "6500780074006500730074002e006d006900630072006f0073006f00660074002e0063006f006d000000"
      "0000000000000040750073006500720032000000010000000000000000000000000000007c00"
      "00000000dca740c8c042101ab4b908002b2fe18201000000000000002f6f3d4669727374204f7267616e697a6174696f6e2f6f753d4578"
      "6368616e67652041646d696e6973747261746976652047726f7570202846594449424f484632335350444c54292f636e3d526563697069"
      "656e74732f636e3d757365723200");
  ASSERT_NE(body, nullptr);
  ASSERT_EQ(body->RecipientColumns.size(), 12u);
  ASSERT_EQ(body->RecipientRows.size(), 1u);
  EXPECT_EQ(body->RecipientRows[0].RecipientType, 1);
  const auto& row = body->RecipientRows[0].RecipientRow;
  EXPECT_EQ(row.type(), RecipientRow::X500DN);
  EXPECT_EQ(row.RecipientFlags, 0x0651);
  EXPECT_TRUE(row.has(RecipientRow::D) && row.has(RecipientRow::S) && row.has(RecipientRow::U) && row.has(RecipientRow::I));
  EXPECT_EQ(row.AddressPrefixUsed, 0x5A);
  EXPECT_EQ(row.X500Dn, "User2");
  EXPECT_EQ(to_utf8(row.DisplayName), "user2");
  EXPECT_EQ(to_utf8(row.SimpleDisplayName), "user2");
  ASSERT_EQ(row.RecipientProperties.values.size(), 12u);
  EXPECT_EQ(body->RecipientColumns[3], mapi::PidTagSmtpAddress);
  EXPECT_EQ(mapi::text_of(row.RecipientProperties.values[3]), "user2@szfkuk-dom.extest.microsoft.com");
  EXPECT_EQ(mapi::number_of(row.RecipientProperties.values[5]), 0x40000000);
  EXPECT_EQ(body->RecipientColumns[11], mapi::PidTagRecipientEntryId);
  EXPECT_EQ(row.RecipientProperties.values[11].get<View>()->size(), 0x7Cu);
}

// [MS-OXCPERM] 4.1: the property that servers no longer have, then the table.
TEST_F(MessageExamples, Permissions) {
  const auto* open = request<RopOpenStream>("2b 00 01 02 1f 00 6a 0e 00");
  ASSERT_NE(open, nullptr);
  EXPECT_EQ(open->PropertyTag, mapi::PidTagSecurityDescriptorAsXml);
  EXPECT_EQ(open->OpenModeFlags, RopOpenStream::ReadOnly);
  EXPECT_EQ(response<RopOpenStream>("2b 02 02 01 04 80"), nullptr);
  EXPECT_EQ(response_.HandleIndex, 2);
  EXPECT_EQ(response_.ReturnValue, mapi::ecNotSupported);
  const auto* table = request<RopGetPermissionsTable>("3e 00 00 01 02");
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->TableFlags, RopGetPermissionsTable::IncludeFreeBusy);
}

// [MS-OXOMSG] 4.6.1.2 and 4.6.6.2: nothing but the head.
TEST_F(MessageExamples, Spooler) {
  response<RopSetSpooler>("47 00 00 00 00 00");
  EXPECT_EQ(response_.id, RopId::RopSetSpooler);
  EXPECT_EQ(response_.ReturnValue, mapi::ecNone);
  response<RopSpoolerLockMessage>("48 00 00 00 00 00");
  EXPECT_EQ(response_.id, RopId::RopSpoolerLockMessage);
}

}  // namespace
}  // namespace mapigate::wire
