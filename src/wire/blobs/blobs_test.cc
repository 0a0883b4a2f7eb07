#include <gtest/gtest.h>

#include "wire/blobs/blob.h"
#include "wire/blobs/folder_blobs.h"
#include "wire/blobs/forms.h"
#include "wire/blobs/meeting_ids.h"
#include "wire/blobs/recurrence.h"
#include "wire/blobs/rules.h"
#include "wire/blobs/search_folder.h"
#include "wire/blobs/security.h"
#include "wire/blobs/time_zone.h"
#include "wire/dump.h"

namespace mapigate::wire::blobs {
namespace {

Bytes bytes_of(std::string_view hex) {
  Bytes out;
  EXPECT_TRUE(from_hex(hex, out));
  return out;
}

template <class T>
T read(const Bytes& blob, Arena& arena) {
  const auto decoded = decode_blob<T>(arena.copy(View(blob)), arena);
  EXPECT_TRUE(decoded) << decoded.error().message;
  EXPECT_TRUE(decoded->rest.empty());
  const auto again = encode_blob(decoded->value);
  EXPECT_TRUE(again);
  EXPECT_EQ(to_hex(*again), to_hex(blob));
  return decoded->value;
}

// Minutes since 1601 of a time on a day of the 21st century.
std::uint32_t minutes(int year, int month, int day, int hour = 0, int minute = 0) {
  using namespace std::chrono;
  const auto days = sys_days{std::chrono::year(year) / month / day} - sys_days{std::chrono::year(1601) / 1 / 1};
  return static_cast<std::uint32_t>(days.count()) * 1440 + static_cast<std::uint32_t>(hour * 60 + minute);
}

// [MS-OXOCAL] 4.1.1.1 "Weekly Recurrence BLOB Without Exceptions".
TEST(Recurrence, Weekly) {
  Arena arena;
  const auto blob = bytes_of(
      "043004300B2001000000C0210000010000000000000032000000222000000C00000000000000000000000000"
      "00008020BC0C20ADBC0C0630000009300000580200007602000000000000000000000000");
  const auto pattern = read<AppointmentRecurrencePattern>(blob, arena);
  const auto& r = pattern.RecurrencePattern;
  EXPECT_EQ(r.RecurFrequency, RecurrencePattern::weekly);
  EXPECT_EQ(r.PatternType, RecurrencePattern::Week);
  EXPECT_EQ(r.FirstDateTime, 8640u);
  EXPECT_EQ(r.DayOfWeekBits, 0x32u);
  EXPECT_EQ(r.EndType, RecurrencePattern::end_after_count);
  EXPECT_EQ(r.OccurrenceCount, 12u);
  EXPECT_EQ(r.StartDate, minutes(2007, 3, 26));
  EXPECT_EQ(pattern.StartTimeOffset, 600u);
  EXPECT_EQ(pattern.EndTimeOffset, 630u);
}

// What Microsoft's own parser showed of Outlook 2013, in an answer to "AppointmentRecurrencePattern format and Outlook
// 2013/Exchange 2013" in the Open Specifications forum.
TEST(Recurrence, WeeklyOfOutlook2013) {
  Arena arena;
  const auto pattern = read<AppointmentRecurrencePattern>(
      bytes_of("04 30 04 30 0B 20 01 00 00 00 C0 21 00 00 01 00 00 00 00 00 00 00 08 00 00 00 23 20 00 00 0A 00"
               "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 28 F8 0C DF 80 E9 5A 06 30 00 00 09 30 00 00 58 02"
               "00 00 76 02 00 00 00 00 00 00 00 00 00 00 00 00"), arena);
  EXPECT_EQ(pattern.RecurrencePattern.RecurFrequency, RecurrencePattern::weekly);
  EXPECT_EQ(pattern.RecurrencePattern.DayOfWeekBits, 8u);  // Wednesday
  EXPECT_EQ(pattern.RecurrencePattern.EndType, RecurrencePattern::no_end);
  EXPECT_EQ(pattern.RecurrencePattern.StartDate, minutes(2014, 9, 17));
  EXPECT_EQ(pattern.StartTimeOffset, 600u);
  EXPECT_EQ(pattern.EndTimeOffset, 630u);
  EXPECT_TRUE(pattern.ExceptionInfo.empty());
}

// [MS-OXOCAL] 4.1.1.2 "Weekly Recurrence BLOB with Exceptions".
TEST(Recurrence, WeeklyWithExceptions) {
  Arena arena;
  const auto blob = bytes_of(
      "043004300B2001000000C0210000010000000000000032000000222000000C0000000000000001000000A096BC0C01000000A096BC0C"
      "8020BC0C20ADBC0C0630000009300000580200007602000001003499BC0C5299BC0CF898BC0C11002200210053696D706C6520526563"
      "757272656E6365207769746820657863657074696F6E730800070033342F34313431000000000400000000000000000000003499BC0C"
      "5299BC0CF898BC0C2100530069006D0070006C006500200052006500630075007200720065006E006300650020007700690074006800"
      "200065007800630065007000740069006F006E0073000700330034002F0034003100340031000000000000000000");
  ASSERT_EQ(blob.size(), 0x106u);
  const auto pattern = read<AppointmentRecurrencePattern>(blob, arena);
  ASSERT_EQ(pattern.ExceptionInfo.size(), 1u);
  const auto& info = pattern.ExceptionInfo[0];
  EXPECT_EQ(info.OverrideFlags, ExceptionInfo::ARO_SUBJECT | ExceptionInfo::ARO_LOCATION);
  EXPECT_EQ(info.Subject, "Simple Recurrence with exceptions");
  EXPECT_EQ(info.SubjectLength, info.Subject.size() + 1);
  EXPECT_EQ(info.Location, "34/4141");
  EXPECT_EQ(info.StartDateTime, minutes(2007, 4, 16, 11));
  EXPECT_EQ(info.EndDateTime, minutes(2007, 4, 16, 11, 30));
  EXPECT_EQ(info.OriginalStartDate, minutes(2007, 4, 16, 10));
  ASSERT_EQ(pattern.ExtendedException.size(), 1u);
  EXPECT_EQ(to_utf8(pattern.ExtendedException[0].WideCharSubject), "Simple Recurrence with exceptions");
  EXPECT_EQ(to_utf8(pattern.ExtendedException[0].WideCharLocation), "34/4141");
  EXPECT_EQ(pattern.RecurrencePattern.ModifiedInstanceDates[0], minutes(2007, 4, 16));
}

// [MS-OXOCAL] 4.1.1.3 "Daily Recurrence BLOB with Exceptions".
TEST(Recurrence, Daily) {
  Arena arena;
  const auto blob = bytes_of(
      "043004300A2000000000A0050000E010000000000000212000000A0000000000000002000000A0C1DC0C80D2DC0C00000000207EDC0C"
      "0016DD0C0630000009300000E0010000FE01000000000000000000000000");
  ASSERT_EQ(blob.size(), 0x54u);
  const auto pattern = read<AppointmentRecurrencePattern>(blob, arena);
  EXPECT_EQ(pattern.RecurrencePattern.Period, 3u * 1440);
  ASSERT_EQ(pattern.RecurrencePattern.DeletedInstanceDates.size(), 2u);
  EXPECT_EQ(pattern.RecurrencePattern.DeletedInstanceDates[0], minutes(2011, 4, 19));
  EXPECT_EQ(pattern.RecurrencePattern.DeletedInstanceDates[1], minutes(2011, 4, 22));
  EXPECT_EQ(pattern.RecurrencePattern.EndDate, minutes(2011, 5, 4));
}

// [MS-OXOCAL] 4.1.1.6 "Yearly Hebrew Lunar Recurrence BLOB with Exceptions".
TEST(Recurrence, YearlyHebrew) {
  Arena arena;
  const auto blob = bytes_of(
      "043004300D200200080080750A000C0000000000000003000000232000000A0000000000000001000000207EDC0C01000000207EDC0C"
      "6074C40CDF80E95A0630000009300000E0010000FE01000001000080DC0C1E80DC0C0080DC0C24023C00000001000000000000000400"
      "0000000000000000000000000000");
  ASSERT_EQ(blob.size(), 0x7Au);
  const auto pattern = read<AppointmentRecurrencePattern>(blob, arena);
  EXPECT_EQ(pattern.RecurrencePattern.CalendarType, RecurrencePattern::CAL_HEBREW);
  EXPECT_EQ(pattern.RecurrencePattern.DayOfMonth, 3u);
  EXPECT_EQ(pattern.RecurrencePattern.EndType, RecurrencePattern::no_end);
  ASSERT_EQ(pattern.ExceptionInfo.size(), 1u);
  EXPECT_EQ(pattern.ExceptionInfo[0].ReminderDelta, 60u);
  EXPECT_EQ(pattern.ExceptionInfo[0].BusyStatus, 1u);
  EXPECT_TRUE(pattern.ExceptionInfo[0].has(ExceptionInfo::ARO_EXCEPTIONAL_BODY));
  EXPECT_EQ(from_minutes(pattern.RecurrencePattern.EndDate), "never");
}

TEST(Recurrence, CountsAreCheckedBeforeMemoryIsTaken) {
  auto blob = bytes_of(
      "043004300B2001000000C0210000010000000000000032000000222000000C00000000000000FFFFFF7F00000000"
      "8020BC0C20ADBC0C0630000009300000580200007602000000000000000000000000");
  Arena arena;
  const auto decoded = decode_blob<AppointmentRecurrencePattern>(blob, arena);
  ASSERT_FALSE(decoded);
  EXPECT_NE(decoded.error().message.find("DeletedInstanceDates"), std::string::npos) << decoded.error().message;
}

TEST(TimeZone, DefinitionIsBuilt) {
  Arena arena;
  TimeZoneDefinition zone;
  zone.KeyName = to_utf16(arena, "Eastern Standard Time");
  zone.set_header();
  EXPECT_EQ(zone.cbHeader, 0x30);  // as Outlook writes it for this name
  TZRule rule;
  rule.wYear = 2007;
  rule.lBias = 300;
  rule.lDaylightBias = -60;
  rule.stStandardDate.wMonth = 11;
  zone.TZRules = std::span<const TZRule>(&rule, 1);
  const auto blob = encode_blob(zone);
  ASSERT_TRUE(blob);
  EXPECT_EQ(blob->size(), 8u + 42 + 2 + 66);
  const auto again = read<TimeZoneDefinition>(*blob, arena);
  EXPECT_EQ(to_utf8(again.KeyName), "Eastern Standard Time");
  EXPECT_EQ(again.TZRules[0].lDaylightBias, -60);
}

// [MS-OXOCAL] 4.1.4 "PidLidAppointmentTimeZoneDefinitionRecur BLOB".
TEST(TimeZone, DefinitionOfTheSpecification) {
  const auto blob = bytes_of(
      "0201300002001500500061006300690066006900630020005300740061006E0064006100720064002000540069006D0065000200"
      "02013E000000D6070000000000000000000000000000E001000000000000C4FFFFFF"
      "00000A00000005000200000000000000" "00000400000001000200000000000000"
      "02013E000200D7070000000000000000000000000000E001000000000000C4FFFFFF"
      "00000B00000001000200000000000000" "00000300000002000200000000000000");
  ASSERT_EQ(blob.size(), 0xB8u);
  Arena arena;
  const auto zone = read<TimeZoneDefinition>(blob, arena);
  EXPECT_EQ(zone.cbHeader, 0x30);
  EXPECT_EQ(to_utf8(zone.KeyName), "Pacific Standard Time");
  ASSERT_EQ(zone.TZRules.size(), 2u);
  EXPECT_EQ(zone.TZRules[0].wYear, 2006);
  EXPECT_EQ(zone.TZRules[0].wTZRuleFlags, 0);
  EXPECT_EQ(zone.TZRules[1].wTZRuleFlags, TZRule::TZRULE_FLAG_EFFECTIVE_TZREG);
  EXPECT_EQ(zone.TZRules[1].lBias, 480);
  EXPECT_EQ(zone.TZRules[1].lDaylightBias, -60);
  EXPECT_EQ(zone.TZRules[0].stStandardDate, (SystemTime{0, 10, 0, 5, 2, 0, 0, 0}));
  EXPECT_EQ(zone.TZRules[1].stDaylightDate, (SystemTime{0, 3, 0, 2, 2, 0, 0, 0}));
}

// [MS-OXOCAL] 4.1.2: an exception, moved from the 25th of March 2008.
TEST(GlobalObjectIds, ExceptionOfTheSpecification) {
  const auto bytes = bytes_of("040000008200E00074C5B7101A82E008 07D80319 5025D461E473C801 0000000000000000 10000000"
                              "2A5844B3A444F74A9C246C60886F116B");
  ASSERT_EQ(bytes.size(), 56u);
  Arena arena;
  const auto id = read<GlobalObjectId>(bytes, arena);
  EXPECT_EQ(id.ByteArrayID, GlobalObjectId::class_id);
  EXPECT_EQ(id.year(), 2008);
  EXPECT_EQ(id.M, 3);
  EXPECT_EQ(id.D, 25);
  EXPECT_EQ(to_iso8601(id.CreationTime).substr(0, 19), "2008-02-20T17:16:51");
  EXPECT_EQ(id.Data.size(), 16u);
  EXPECT_EQ(id.uid(), "");
  auto clean = bytes;
  std::fill_n(clean.begin() + 16, 4, std::uint8_t{0});
  EXPECT_EQ(to_hex(*clean_global_object_id(bytes)), to_hex(clean));
}

TEST(GlobalObjectIds, WrapsTheUidOfOthers) {
  const auto id = global_object_id_of("b5f3@example.org", 2024, 2, 29);
  Arena arena;
  const auto read_id = read<GlobalObjectId>(id, arena);
  EXPECT_EQ(read_id.uid(), "b5f3@example.org");
  EXPECT_EQ(read_id.year(), 2024);
  EXPECT_EQ(to_hex(View(id).subspan(40, 12)), "7643616c2d55696401000000");
  EXPECT_EQ(uid_of(id).value(), "b5f3@example.org");
  EXPECT_EQ(clean_global_object_id(id).value(), global_object_id_of("b5f3@example.org"));
}

TEST(GlobalObjectIds, UnwrapsItsOwnHexForm) {
  const std::string own =
      "040000008200E00074C5B7101A82E00800000000F0DB09F532E5CA01000000000000000010000000E73C73F73F1C3941BDD6450F640703F3";
  EXPECT_EQ(to_hex(global_object_id_of(own)), lower_ascii(own));
  EXPECT_EQ(uid_of(bytes_of(own)).value(), own);
  auto dated = bytes_of(own);
  dated[16] = 0x07, dated[17] = 0xDA, dated[18] = 4, dated[19] = 26;
  EXPECT_EQ(global_object_id_of(own, 2010, 4, 26), dated);
  EXPECT_EQ(uid_of(dated).value(), own);
  EXPECT_FALSE(uid_of(bytes_of("0400")));
}

// [MS-OXOMSG] 4.5. Count is that of the options here, as Outlook has it; 2.2.1.74 says that it includes the extras.
TEST(VerbStreams, VotingOptionsOfTheSpecification) {
  const auto option = [](const char* name, const char* id) {
    return std::string("04000000") + name + "08 49504D2E4E6F7465 00" + name + "00000000 00 00000000 01000000 02000000 02000000" +
           id + "FFFFFFFF";
  };
  const auto bytes = bytes_of("0201 03000000" + option("03 596573", "01000000") + option("02 4E6F", "02000000") +
                              option("05 4D61796265", "03000000") +
                              "0401 03 590065007300 03 590065007300 02 4E006F00 02 4E006F00"
                              "05 4D006100790062006500 05 4D006100790062006500");
  ASSERT_EQ(bytes.size(), 0xD1u);
  Arena arena;
  const auto stream = read<VerbStream>(bytes, arena);
  ASSERT_EQ(stream.VoteOptions.size(), 3u);
  EXPECT_EQ(stream.VoteOptions[0].DisplayName, "Yes");
  EXPECT_EQ(stream.VoteOptions[2].DisplayNameRepeat, "Maybe");
  EXPECT_EQ(stream.VoteOptions[1].MsgClsName, "IPM.Note");
  EXPECT_EQ(stream.VoteOptions[1].SendBehavior, 2u);
  EXPECT_EQ(stream.VoteOptions[2].ID, 3u);
  ASSERT_EQ(stream.Extras.size(), 3u);
  EXPECT_EQ(to_utf8(stream.Extras[2].DisplayName), "Maybe");
}

TEST(Rules, StandardActions) {
  Arena arena;
  // Move within the store: FolderInThisStore, a store entry id of one byte, a ServerEid.
  const auto move = bytes_of("01 0100 00 1500 01 0100000000001234 0000000000000000 00000000");
  const auto block = action_block({ActionBlock::OP_MOVE, 0, 0, move}, arena);
  ASSERT_TRUE(block) << block.error().message;
  EXPECT_EQ(block->Folder.FolderId.counter(), 0x1234u);
  EXPECT_EQ(block->Folder.FolderId.replid(), 1u);
  const auto again = rule_action(*block, arena);
  ASSERT_TRUE(again);
  EXPECT_EQ(to_hex(again->ActionData), to_hex(move));

  // Forward to one recipient with one property.
  const auto forward = bytes_of("0100 01 0100 1f000330 6100 6200 0000");
  const auto to = action_block({ActionBlock::OP_FORWARD, 0, 0, forward}, arena);
  ASSERT_TRUE(to) << to.error().message;
  EXPECT_EQ(mapi::text_of(to->RecipientBlocks[0].PropertyValues[0].value), "ab");
  EXPECT_FALSE(action_block({ActionBlock::OP_BOUNCE, 0, 0, View(forward).first(3)}, arena));
}

TEST(Security, SidAsText) {
  Arena arena;
  const auto sid = read<SID>(bytes_of("010500000000000515000000A065CF7E784B9B5FE77C8770E7871F00"), arena);
  EXPECT_EQ(to_string(sid), "S-1-5-21-2127521184-1604012920-1887927527-2066407");
}

TEST(Security, DescriptorPartsAreReadWhereverTheyStand) {
  Arena arena;
  // The list stands before the owner.
  const auto blob = bytes_of("01 00 0480 30000000 00000000 00000000 14000000 0200 1C00 0100 0000 00 02 1400 A9081200"
                             "01 01 000000000001 00000000 01 01 000000000005 12000000");
  const auto descriptor = read<SecurityDescriptor>(blob, arena);
  EXPECT_EQ(to_string(descriptor.Owner), "S-1-5-18");
  ASSERT_EQ(descriptor.Dacl.ACEs.size(), 1u);
  EXPECT_EQ(to_string(descriptor.Dacl.ACEs[0].SID), "S-1-1-0");
  auto outside = blob;
  outside[4] = 0x50;
  EXPECT_FALSE(decode_blob<SecurityDescriptor>(outside, arena));
}

// [MS-OXODLGT] 4.1.1: a PidTagIpmAppointmentEntryId.
TEST(EntryIds, FolderOfTheSpecification) {
  const auto bytes = bytes_of(
      "00000000 C3E178579652CE46A353B3E07F9B97BC 0100 8B8DB182AF2ED048934707ED5448840F 00174EA89C98 0000");
  Arena arena;
  const auto id = read<EntryId>(bytes, arena);
  EXPECT_EQ(id.kind, EntryId::Kind::folder);
  EXPECT_EQ(id.ObjectType, mapi::eitLTPrivateFolder);
  EXPECT_EQ(mapi::counter_from(id.Folder.GlobalCounter), 0x174EA89C98u);
  std::size_t rest = 1;
  const auto again = find_blob_kind("entry-id")->rewrite(bytes, rest);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, bytes);
  EXPECT_EQ(rest, 0u);
}

// [MS-OXOCFG] 4, the example of a conversation action: PidLidConversationActionMoveStoreEid, of a file of personal folders.
TEST(EntryIds, StoreOfAnotherProvider) {
  const auto path = to_utf16("C:\\Documents and Settings\\ajames\\Local Settings\\Application Data\\Microsoft\\Outlook\\Archived Mail.pst");
  const auto bytes = bytes_of("00000000 38A1BB1005E5101AA1BB08002B2A56C2 0000 6D737073742E646C6C00"
                              "00000000 4E495441F9BFB80100AA0037D96E0000 0000" + to_hex(path) + "0000");
  Arena arena;
  const auto id = read<EntryId>(bytes, arena);
  EXPECT_EQ(id.kind, EntryId::Kind::store);
  EXPECT_EQ(as_text(id.DLLFileName), std::string_view("mspst.dll\0", 10));
  EXPECT_EQ(id.WrappedFlags, 0u);
  EXPECT_EQ(id.WrappedProviderUID.bytes[0], 'N');
  EXPECT_EQ(id.WrappedProviderUID.bytes[13], 0x6E);
  EXPECT_EQ(id.Rest.size(), 2 + path.size() + 2);
  EXPECT_EQ(to_utf8(Utf16{id.Rest.subspan(2, path.size())}), to_utf8(Utf16{path}));
}

TEST(EntryIds, StoreOfExchange) {
  const auto bytes = bytes_of("00000000 38A1BB1005E5101AA1BB08002B2A56C2 0000 454D534D44422E444C4C00000000"
                              "00000000 1B55FA20AA6611CD9BC800AA002FC45A 0C000000 53525600 2F6F3D7800");
  Arena arena;
  const auto id = read<EntryId>(bytes, arena);
  EXPECT_EQ(id.DLLFileName.size(), 14u);
  EXPECT_EQ(id.WrappedStoreType, 0x0Cu);
  EXPECT_EQ(id.ServerShortname, "SRV");
  EXPECT_EQ(id.MailboxDN, "/o=x");
  EXPECT_TRUE(id.Rest.empty());
  const auto no_zero = bytes_of("00000000 38A1BB1005E5101AA1BB08002B2A56C2 0000 454D534D44422E444C4C");
  EXPECT_FALSE(decode_blob<EntryId>(no_zero, arena));
}

TEST(EntryIds, NestingIsBounded) {
  Bytes blob;
  for (int i = 0; i < 40; ++i) {
    const auto head = bytes_of("00000000 C091ADD3519DCF11A4A900AA0047FAA4 B5");
    blob.insert(blob.end(), head.begin(), head.end());
  }
  std::size_t rest = 0;
  EXPECT_FALSE(find_blob_kind("entry-id")->rewrite(blob, rest));
}

TEST(EntryIds, OneOffIsTheOneThatIsBuilt) {
  Arena arena;
  const auto built = mapi::one_off_entry_id("Ann", "ann@example.org");
  const auto id = read<EntryId>(built, arena);
  EXPECT_EQ(id.kind, EntryId::Kind::one_off);
  EXPECT_EQ(to_utf8(id.EmailAddress), "ann@example.org");
}

TEST(FreeBusy, MonthsAndEvents) {
  EXPECT_EQ(schedule_month(2024, 12), 32396);
  EXPECT_EQ(year_of_schedule_month(32396), 2024u);
  EXPECT_EQ(month_of_schedule_month(32396), 12u);
  Arena arena;
  const auto month = read<FreeBusyMonth>(bytes_of("3C005A00 B004D804"), arena);
  ASSERT_EQ(month.Events.size(), 2u);
  EXPECT_EQ(month.Events[1], (FreeBusyEvent{1200, 1240}));
}

TEST(Wlink, OrdinalsFitBetween) {
  Bytes before{0x7F}, after{0x80};
  for (int i = 0; i < 40; ++i) {
    const auto middle = ordinal_between(before, after);
    ASSERT_LT(before, middle);
    ASSERT_LT(middle, after);
    (i % 2 == 0 ? before : after) = middle;
  }
  EXPECT_LT(Bytes({0xFF}), ordinal_between(Bytes{0xFF}, {}));
}

TEST(Dump, TellsOffsetsAndStopsAtTheFailingField) {
  auto blob = bytes_of("2C01000000000000C4FFFFFF000000000B00");
  TextSink text;
  OffsetSink sink(text, false);
  const auto told = find_blob_kind("timezone-struct")->tell(blob, sink, sink.start());
  ASSERT_FALSE(told);
  EXPECT_NE(told.error().message.find("wDayOfWeek"), std::string::npos) << told.error().message;
  const auto out = text.take();
  EXPECT_NE(out.find("0000 lBias: 300"), std::string::npos) << out;
  EXPECT_NE(out.find("0010 wMonth: 11"), std::string::npos) << out;
}

TEST(Kinds, HaveDistinctNames) {
  for (std::size_t i = 1; i < blob_kinds().size(); ++i) EXPECT_LT(blob_kinds()[i - 1].name, blob_kinds()[i].name);
  EXPECT_EQ(find_blob_kind("nonsense"), nullptr);
}

}  // namespace
}  // namespace mapigate::wire::blobs
