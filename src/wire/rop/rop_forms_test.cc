// Every ROP in the forms that [MS-OXCROPS] 2.2.3 to 2.2.15 gives its request and its responses, byte by byte: the bytes
// are laid out by hand from the lists of fields there, each field with a value of its own.
#include "mapi/properties.h"
#include "wire/dump.h"
#include "wire/rop/test_examples.h"

namespace mapigate::wire {
namespace {

struct Form {
  std::string_view hex;
  std::string_view fields;
};

// The fields behind the head, in one line: "OutputHandleIndex: 3, FolderId: 1-1234". Counts of lists and hexadecimal
// forms of numbers are left out.
std::string fields_of(std::string_view dump, std::size_t head) {
  std::string out;
  std::size_t lines = 0;
  while (!dump.empty()) {
    const auto end = dump.find('\n');
    auto line = dump.substr(0, end);
    dump.remove_prefix(end + 1);
    line.remove_prefix(line.find_first_not_of(' '));
    if (line.ends_with(" of") || lines++ < head) continue;
    if (const auto hex = line.find(" (0x"); hex != line.npos) line = line.substr(0, hex);
    out.append(out.empty() ? "" : ", ").append(line);
  }
  return out;
}

// Behind RopId, LogonId and InputHandleIndex.
constexpr Form requests[] = {
    {"02010203010000000000123404", "OutputHandleIndex: 3, FolderId: 1-1234, OpenModeFlags: 4"},
    {"03010203e4040100000000001234030100000000005678",
     "OutputHandleIndex: 3, CodePageId: 1252, FolderId: 1-1234, OpenModeFlags: 3, MessageId: 1-5678"},
    {"0401020344", "OutputHandleIndex: 3, TableFlags: 68"},
    {"0501020302", "OutputHandleIndex: 3, TableFlags: 2"},
    {"06010203ff0f010000000000123401",
     "OutputHandleIndex: 3, CodePageId: 4095, FolderId: 1-1234, AssociatedFlag: true"},
    {"0701020010010002001f0037000300080e",
     "PropertySizeLimit: 4096, WantUnicode: 1, PropertyTagCount: 2, PropertyTags: PidTagSubject, PropertyTags:"
     " PidTagMessageSize"},
    {"08010200100100", "PropertySizeLimit: 4096, WantUnicode: 1"},
    {"0a01020c0001001f003700410062000000",
     "PropertyValueCount: 1, PropertyValues, PropertyTag: PidTagSubject, PropertyValue: \"Ab\""},
    {"7901020c0001001f003700410062000000",
     "PropertyValueCount: 1, PropertyValues, PropertyTag: PidTagSubject, PropertyValue: \"Ab\""},
    {"0b010201001f003700", "PropertyTagCount: 1, PropertyTags: PidTagSubject"},
    {"7a010201001f003700", "PropertyTagCount: 1, PropertyTags: PidTagSubject"},
    {"0c0102030a", "InputHandleIndex: 3, SaveFlags: 10"},
    {"0d010200000000", "Reserved: 0"},
    {"0f0102050000000000", "RowId: 5, Reserved: 0"},
    {"1001020000", "Reserved: 0"},
    {"1101020304", "InputHandleIndex: 3, ReadFlags: 4"},
    {"1201020101001f003700", "SetColumnsFlags: 1, PropertyTagCount: 1, PropertyTags: PidTagSubject"},
    {"130102010200010000001f003700044000060e01",
     "SortTableFlags: 1, SortOrderCount: 2, CategoryCount: 1, ExpandedCount: 0, SortOrders, PropertyTag:"
     " PidTagSubject, Order: 4, SortOrders, PropertyTag: PidTagMessageDeliveryTime, Order: 1"},
    {"140102010500081f003700",
     "RestrictFlags: 1, RestrictionData, RestrictType: ExistRestriction, PropTag: PidTagSubject"},
    {"140102000000", "RestrictFlags: 0"},
    {"15010201003200", "QueryRowsFlags: 1, ForwardRead: false, RowCount: 50"},
    {"18010202feffffff01", "Origin: 2, RowCount: 4294967294, WantRowMovedCount: true"},
    {"1901020300aabbccfeffffff01", "Bookmark: aa bb cc, RowCount: 4294967294, WantRowMovedCount: true"},
    {"1a01020100000004000000", "Numerator: 1, Denominator: 4"},
    {"1c0102030200010041004200",
     "OutputHandleIndex: 3, FolderType: 2, UseUnicodeStrings: false, OpenExisting: true, Reserved: 0, DisplayName:"
     " \"A\", Comment: \"B\""},
    {"1d0102150100000000001234", "DeleteFolderFlags: 21, FolderId: 1-1234"},
    {"1e0102010001000100000000001234",
     "WantAsynchronous: true, NotifyNonRead: false, MessageIdCount: 1, MessageIds: 1-1234"},
    {"910102010001000100000000001234",
     "WantAsynchronous: true, NotifyNonRead: false, MessageIdCount: 1, MessageIds: 1-1234"},
    {"1f01020100000000001234", "MessageId: 1-1234"},
    {"2001020100000000001234080000000c000000", "MessageId: 1-1234, MessageStatusFlags: 8, MessageStatusMask: 12"},
    {"2101020340", "OutputHandleIndex: 3, TableFlags: 64"},
    {"220102030107000000", "OutputHandleIndex: 3, OpenAttachmentFlags: 1, AttachmentID: 7"},
    {"23010203", "OutputHandleIndex: 3"},
    {"24010207000000", "AttachmentID: 7"},
    {"250102030a", "InputHandleIndex: 3, SaveFlags: 10"},
    {"260102010000000000123449504d00", "FolderId: 1-1234, MessageClass: \"IPM\""},
    {"27010249504d00", "MessageClass: \"IPM\""},
    {"2901020306010001000000000012340100000000005678",
     "OutputHandleIndex: 3, NotificationTypes: 262, WantWholeStore: false, FolderId: 1-1234, MessageId: 1-5678"},
    {"29010203020001", "OutputHandleIndex: 3, NotificationTypes: 2, WantWholeStore: true"},
    {"2901020302040001", "OutputHandleIndex: 3, NotificationTypes: 1026, Reserved: 0, WantWholeStore: true"},
    {"2b0102030201013702", "OutputHandleIndex: 3, PropertyTag: PidTagAttachDataBinary, OpenModeFlags: 2"},
    {"2c01020010", "ByteCount: 4096"},
    {"2c0102beba00000100", "ByteCount: 47806, MaximumByteCount: 65536"},
    {"2d01020200abcd", "Data: ab cd"},
    {"9001020200abcd", "Data: ab cd"},
    {"a301020200abcd", "Data: ab cd"},
    {"5401020200abcd", "TransferData: ab cd"},
    {"9d01020200abcd", "TransferData: ab cd"},
    {"2e010202f0ffffffffffffff", "Origin: 2, Offset: 18446744073709551600"},
    {"2f01020001000000000000", "StreamSize: 256"},
    {"3001020500081f003700010001000000000012342a000200",
     "RestrictionData, RestrictType: ExistRestriction, PropTag: PidTagSubject, FolderIdCount: 1, FolderIds: 1-1234,"
     " SearchFlags: 131114"},
    {"3001020000000001000000", "FolderIdCount: 0, FolderIds: none, SearchFlags: 1"},
    {"310102010001", "UseUnicode: true, IncludeRestriction: false, IncludeFolders: true"},
    {"32010202", "SubmitFlags: 2"},
    {"33010203010001000000000012340100",
     "DestHandleIndex: 3, MessageIdCount: 1, MessageIds: 1-1234, WantAsynchronous: true, WantCopy: false"},
    {"34010201000000000012340100000000005678", "FolderId: 1-1234, MessageId: 1-5678"},
    {"35010203010001000000000012344100",
     "DestHandleIndex: 3, WantAsynchronous: true, UseUnicode: false, FolderId: 1-1234, NewFolderName: \"A\""},
    {"3601020301010001000000000012344100",
     "DestHandleIndex: 3, WantAsynchronous: true, WantRecursive: true, UseUnicode: false, FolderId: 1-1234,"
     " NewFolderName: \"A\""},
    {"3901020301000201001f003700",
     "DestHandleIndex: 3, WantAsynchronous: true, WantSubObjects: false, CopyFlags: 2, ExcludedTagCount: 1,"
     " ExcludedTags: PidTagSubject"},
    {"3a0102030001000000000000", "DestHandleIndex: 3, ByteCount: 256"},
    {"3b010203", "OutputHandleIndex: 3"},
    {"3e01020302", "OutputHandleIndex: 3, TableFlags: 2"},
    {"3f01020340", "OutputHandleIndex: 3, TableFlags: 64"},
    {"40010202010002010003007366fb070000",
     "ModifyFlags: 2, ModifyCount: 1, PermissionsData, PermissionDataFlags: 2, PropertyValueCount: 1,"
     " PropertyValues, PropertyTag: PidTagMemberRights, PropertyValue: 2043"},
    {"410102010100010100030076660a000000",
     "ModifyRulesFlags: 1, RulesCount: 1, RulesData, RuleDataFlags: 1, PropertyValueCount: 1, PropertyValues,"
     " PropertyTag: PidTagRuleSequence, PropertyValue: 10"},
    {"4201020100000000001234", "FolderId: 1-1234"},
    {"4301020100000000001234", "ObjectId: 1-1234"},
    {"440102000102030405060708090a0b0c0d0e0f0000000012340000",
     "LongTermId, DatabaseGuid: \"03020100-0504-0706-0809-0a0b0c0d0e0f\", GlobalCounter: 00 00 00 00 12 34, Pad: 0"},
    {"4501020100000000001234", "FolderId: 1-1234"},
    {"46010203ff0f01", "OutputHandleIndex: 3, CodePageId: 4095, OpenModeFlags: 1"},
    {"480102010000000000123402", "MessageId: 1-1234, LockState: 2"},
    {"4b010203010001000000000012342009",
     "OutputHandleIndex: 3, MessageIdCount: 1, MessageIds: 1-1234, CopyFlags: 32, SendOptions: 9"},
    {"4c0102031001", "OutputHandleIndex: 3, CopyFlags: 16, SendOptions: 1"},
    {"4d01020301002000000901001f003700",
     "OutputHandleIndex: 3, Level: 1, CopyFlags: 8192, SendOptions: 9, PropertyTagCount: 1, PropertyTags:"
     " PidTagSubject"},
    {"4e01020010", "BufferSize: 4096"},
    {"4e0102bebaf87b", "BufferSize: 47806, MaximumBufferSize: 31736"},
    {"4f0102010500081f003700030200aabb",
     "FindRowFlags: 1, RestrictionData, RestrictType: ExistRestriction, PropTag: PidTagSubject, Origin: 3,"
     " Bookmark: aa bb"},
    {"50010201", "WantCancel: true"},
    {"5101020100000000001234010000000000567849504d0002000000",
     "MessageId: 1-1234, FolderId: 1-5678, MessageClass: \"IPM\", MessageFlags: 2"},
    {"530102030120", "OutputHandleIndex: 3, SourceOperation: 1, CopyFlags: 32"},
    {"550102020000800180", "PropertyIdCount: 2, PropertyIds: 32768, PropertyIds: 32769"},
    {"56010202020000000102030405060708090a0b0c0d0e0f508200000100010203 0405060708090a0b0c0d0e0f06410062000000",
     "Flags: 2, PropertyNameCount: 2, PropertyNames, Kind: 0, GUID: \"03020100-0504-0706-0809-0a0b0c0d0e0f\", LID:"
     " 33360, PropertyNames, Kind: 1, GUID: \"03020100-0504-0706-0809-0a0b0c0d0e0f\", Name: \"Ab\""},
    {"5701020100aa0200bbcc", "ServerEntryId: aa, ClientEntryId: bb cc"},
    {"5801020100", "WantAsynchronous: true, WantDeleteAssociated: false"},
    {"9201020100", "WantAsynchronous: true, WantDeleteAssociated: false"},
    {"59010232000807060504030201", "MaxRowCount: 50, CategoryId: 72623859790382856"},
    {"5a01020807060504030201", "CategoryId: 72623859790382856"},
    {"5b01021000000000000000200000000000000001000000", "RegionOffset: 16, RegionSize: 32, LockFlags: 1"},
    {"5c01021000000000000000200000000000000001000000", "RegionOffset: 16, RegionSize: 32, LockFlags: 1"},
    {"5f01020101000102030405060708090a0b0c0d0e0f",
     "QueryFlags: 1, HasGuid: true, PropertyGuid: \"03020100-0504-0706-0809-0a0b0c0d0e0f\""},
    {"5f01020200", "QueryFlags: 2, HasGuid: false"},
    {"600102000102030405060708090a0b0c0d0e0f", "DatabaseGuid: \"03020100-0504-0706-0809-0a0b0c0d0e0f\""},
    {"610102000102030405060708090a0b0c0d0e0f0000000012340000",
     "LongTermId, DatabaseGuid: \"03020100-0504-0706-0809-0a0b0c0d0e0f\", GlobalCounter: 00 00 00 00 12 34, Pad: 0"},
    {"630102000102030405060708090a0b0c0d0e0f000000001234000000000100000010",
     "FolderId, DatabaseGuid: \"03020100-0504-0706-0809-0a0b0c0d0e0f\", GlobalCounter: 00 00 00 00 12 34, Pad: 0,"
     " Reserved: 0, DataOffset: 256, MaxDataSize: 4096"},
    {"640102000102030405060708090a0b0c0d0e0f00000000123400000100000000 0200abcd000102030405060708090a0b0c0d0e0f",
     "FolderId, DatabaseGuid: \"03020100-0504-0706-0809-0a0b0c0d0e0f\", GlobalCounter: 00 00 00 00 12 34, Pad: 0,"
     " HasFinished: true, DataOffset: 0, Data: ab cd, ReplGuid: \"03020100-0504-0706-0809-0a0b0c0d0e0f\""},
    {"640102000102030405060708090a0b0c0d0e0f000000001234000000100000000200abcd",
     "FolderId, DatabaseGuid: \"03020100-0504-0706-0809-0a0b0c0d0e0f\", GlobalCounter: 00 00 00 00 12 34, Pad: 0,"
     " HasFinished: false, DataOffset: 16, Data: ab cd"},
    {"660102010401000100000000001234", "WantAsynchronous: true, ReadFlags: 4, MessageIdCount: 1, MessageIds: 1-1234"},
    {"67010203010201001f003700",
     "DestHandleIndex: 3, WantAsynchronous: true, CopyFlags: 2, PropertyTagCount: 1, PropertyTags: PidTagSubject"},
    {"6901020301100901001f003700",
     "OutputHandleIndex: 3, Level: 1, CopyFlags: 16, SendOptions: 9, PropertyTagCount: 1, PropertyTags:"
     " PidTagSubject"},
    {"6b0102080706050403020105000000", "RowId: 72623859790382856, RowInstanceNumber: 5"},
    {"6c01020200aabb", "CollapseState: aa bb"},
    {"6f0102534d54500001", "AddressType: \"SMTP\", WantWin32: 1"},
    {"70010203010b39000500081f0037000600000001001f003700",
     "OutputHandleIndex: 3, SynchronizationType: 1, SendOptions: 11, SynchronizationFlags: 57, RestrictionData,"
     " RestrictType: ExistRestriction, PropTag: PidTagSubject, SynchronizationExtraFlags: 6, PropertyTagCount: 1,"
     " PropertyTags: PidTagSubject"},
    {"720102035001001f003700410062000000",
     "OutputHandleIndex: 3, ImportFlag: 80, PropertyValueCount: 1, PropertyValues, PropertyTag: PidTagSubject,"
     " PropertyValue: \"Ab\""},
    {"73010201001f00370041006200000001000300073601000000",
     "HierarchyValueCount: 1, HierarchyValues, PropertyTag: PidTagSubject, PropertyValue: \"Ab\","
     " PropertyValueCount: 1, PropertyValues, PropertyTag: PidTagSearch, PropertyValue: 1"},
    {"74010202010002110000010000000200abcd",
     "ImportDeleteFlags: 2, PropertyValueCount: 1, PropertyValues, PropertyTag: 0x00001102, PropertyValue: ab cd"},
    {"7501020201966710000000", "StateProperty: 0x67960102, TransferBufferSize: 16"},
    {"76010202000000abcd", "StreamData: ab cd"},
    {"78010201000000aa01000000bb01000000cc01000000dd01000000ee",
     "SourceFolderId: aa, SourceMessageId: bb, PredecessorChangeList: cc, DestinationMessageId: dd, ChangeNumber:"
     " ee"},
    {"7e01020301", "OutputHandleIndex: 3, IsContentsCollector: true"},
    {"7f010200000100", "IdCount: 65536"},
    {"80010206000300aabbcc01", "MessageReadStates, MessageId: aa bb cc, MarkAsRead: true"},
    {"82010203", "OutputHandleIndex: 3"},
    {"8601020f0084031000", "Version: 0f 00 84 03 10 00"},
    {"8901020200aabb", "Bookmark: aa bb"},
    {"930102340001000000000102030405060708090a0b0c0d0e0f00000000123400"
     " 00000102030405060708090a0b0c0d0e0f0000000012340000",
     "LongTermIdRangeCount: 1, LongTermIdRanges, MinLongTermId, DatabaseGuid:"
     " \"03020100-0504-0706-0809-0a0b0c0d0e0f\", GlobalCounter: 00 00 00 00 12 34, Pad: 0, MaxLongTermId,"
     " DatabaseGuid: \"03020100-0504-0706-0809-0a0b0c0d0e0f\", GlobalCounter: 00 00 00 00 12 34, Pad: 0"},
    {"fe0102010c0400010000000005002f6f3d7800",
     "LogonFlags: 1, OpenFlags: 16778252, StoreState: 0, Essdn: 2f 6f 3d 78 00"},
};
// Those that have no more.
constexpr std::string_view bare_requests[] = {
    "010102", "090102", "160102", "170102", "1b0102", "370102", "380102", "470102", "490102", "4a0102", "520102",
    "5d0102", "5e0102", "680102", "6d0102", "770102", "7b0102", "810102",
};

// Behind RopId and handle index.
constexpr Form responses[] = {
    {"0d0200000000", "ReturnValue: ecNone"},
    {"0e0200000000", "ReturnValue: ecNone"},
    {"1a0200000000", "ReturnValue: ecNone"},
    {"220200000000", "ReturnValue: ecNone"},
    {"240200000000", "ReturnValue: ecNone"},
    {"250200000000", "ReturnValue: ecNone"},
    {"260200000000", "ReturnValue: ecNone"},
    {"300200000000", "ReturnValue: ecNone"},
    {"320200000000", "ReturnValue: ecNone"},
    {"340200000000", "ReturnValue: ecNone"},
    {"470200000000", "ReturnValue: ecNone"},
    {"480200000000", "ReturnValue: ecNone"},
    {"510200000000", "ReturnValue: ecNone"},
    {"530200000000", "ReturnValue: ecNone"},
    {"570200000000", "ReturnValue: ecNone"},
    {"5b0200000000", "ReturnValue: ecNone"},
    {"5c0200000000", "ReturnValue: ecNone"},
    {"5d0200000000", "ReturnValue: ecNone"},
    {"640200000000", "ReturnValue: ecNone"},
    {"700200000000", "ReturnValue: ecNone"},
    {"740200000000", "ReturnValue: ecNone"},
    {"750200000000", "ReturnValue: ecNone"},
    {"760200000000", "ReturnValue: ecNone"},
    {"770200000000", "ReturnValue: ecNone"},
    {"7e0200000000", "ReturnValue: ecNone"},
    {"800200000000", "ReturnValue: ecNone"},
    {"810200000000", "ReturnValue: ecNone"},
    {"820200000000", "ReturnValue: ecNone"},
    {"860200000000", "ReturnValue: ecNone"},
    {"890200000000", "ReturnValue: ecNone"},
    {"930200000000", "ReturnValue: ecNone"},
    {"210200000000", "ReturnValue: ecNone"},
    {"3e0200000000", "ReturnValue: ecNone"},
    {"3f0200000000", "ReturnValue: ecNone"},
    {"3b0200000000", "ReturnValue: ecNone"},
    {"2f0200000000", "ReturnValue: ecNone"},
    {"4b0200000000", "ReturnValue: ecNone"},
    {"4c0200000000", "ReturnValue: ecNone"},
    {"4d0200000000", "ReturnValue: ecNone"},
    {"690200000000", "ReturnValue: ecNone"},
    {"400200000000", "ReturnValue: ecNone"},
    {"410200000000", "ReturnValue: ecNone"},
    {"290200000000", "ReturnValue: ecNone"},
    {"02020f010480", "ReturnValue: ecNotFound"},
    {"03020f010480", "ReturnValue: ecNotFound"},
    {"07020f010480", "ReturnValue: ecNotFound"},
    {"1c020f010480", "ReturnValue: ecNotFound"},
    {"2b020f010480", "ReturnValue: ecNotFound"},
    {"0c020f010480", "ReturnValue: ecNotFound"},
    {"fe020f010480", "ReturnValue: ecNotFound"},
    {"15020f010480", "ReturnValue: ecNotFound"},
    {"4f020f010480", "ReturnValue: ecNotFound"},
    {"39020f010480", "ReturnValue: ecNotFound"},
    {"56020f010480", "ReturnValue: ecNotFound"},
    {"0202000000000100", "ReturnValue: ecNone, HasRules: true, IsGhosted: false"},
    {"02020000000000010100010073727600",
     "ReturnValue: ecNone, HasRules: false, IsGhosted: true, ServerCount: 1, CheapServerCount: 1, Servers, Text:"
     " \"srv\""},
    {"030200000000010004410062000000020001000300fe0f0101e40400000d0010024100000001000006000000",
     "ReturnValue: ecNone, HasNamedProperties: true, SubjectPrefix, StringType: 0, NormalizedSubject, StringType:"
     " 4, String: \"Ab\", RecipientCount: 2, ColumnCount: 1, RecipientColumns: PidTagObjectType, RowCount: 1,"
     " RecipientRows, RecipientType: 1, CodePageId: 1252, Reserved: 0, RecipientFlags: 528, DisplayName: \"A\","
     " RecipientColumnCount: 1, RecipientProperties, Flag: 0, Value, PropertyTag: PidTagObjectType, PropertyValue:"
     " 6"},
    {"100200000000010004410062000000020001000300fe0f0101e40400000d0010024100000001000006000000",
     "ReturnValue: ecNone, HasNamedProperties: true, SubjectPrefix, StringType: 0, NormalizedSubject, StringType:"
     " 4, String: \"Ab\", RecipientCount: 2, ColumnCount: 1, RecipientColumns: PidTagObjectType, RowCount: 1,"
     " RecipientRows, RecipientType: 1, CodePageId: 1252, Reserved: 0, RecipientFlags: 528, DisplayName: \"A\","
     " RecipientColumnCount: 1, RecipientProperties, Flag: 0, Value, PropertyTag: PidTagObjectType, PropertyValue:"
     " 6"},
    {"460200000000000100000000001234010004410062000000020001000300fe0f 0101e40400000d0010024100000001000006000000",
     "ReturnValue: ecNone, Reserved: 0, MessageId: 1-1234, HasNamedProperties: true, SubjectPrefix, StringType: 0,"
     " NormalizedSubject, StringType: 4, String: \"Ab\", RecipientCount: 2, ColumnCount: 1, RecipientColumns:"
     " PidTagObjectType, RowCount: 1, RecipientRows, RecipientType: 1, CodePageId: 1252, Reserved: 0,"
     " RecipientFlags: 528, DisplayName: \"A\", RecipientColumnCount: 1, RecipientProperties, Flag: 0, Value,"
     " PropertyTag: PidTagObjectType, PropertyValue: 6"},
    {"04020000000015000000", "ReturnValue: ecNone, RowCount: 21"},
    {"05020000000015000000", "ReturnValue: ecNone, RowCount: 21"},
    {"060200000000010100000000001234", "ReturnValue: ecNone, HasMessageId: true, MessageId: 1-1234"},
    {"06020000000000", "ReturnValue: ecNone, HasMessageId: false"},
    {"0702000000000041006200000007000000",
     "ReturnValue: ecNone, RowData, Flag: 0, Value, PropertyTag: PidTagSubject, PropertyValue: \"Ab\", Value,"
     " PropertyTag: PidTagMessageSize, PropertyValue: 7"},
    {"07020000000001004100620000000a0f010480",
     "ReturnValue: ecNone, RowData, Flag: 1, Value, PropertyTag: PidTagSubject, PropertyValue: \"Ab\", Value,"
     " PropertyTag: PidTagMessageSize, PropertyValue: ecNotFound"},
    {"08020000000001001f003700410062000000",
     "ReturnValue: ecNone, PropertyValueCount: 1, PropertyValues, PropertyTag: PidTagSubject, PropertyValue: \"Ab\""},
    {"09020000000001001f003700", "ReturnValue: ecNone, PropertyTagCount: 1, PropertyTags: PidTagSubject"},
    {"0a0200000000010002001f0037000f010480",
     "ReturnValue: ecNone, PropertyProblemCount: 1, PropertyProblems, Index: 2, PropertyTag: PidTagSubject,"
     " ErrorCode: ecNotFound"},
    {"790200000000010002001f0037000f010480",
     "ReturnValue: ecNone, PropertyProblemCount: 1, PropertyProblems, Index: 2, PropertyTag: PidTagSubject,"
     " ErrorCode: ecNotFound"},
    {"0b0200000000010002001f0037000f010480",
     "ReturnValue: ecNone, PropertyProblemCount: 1, PropertyProblems, Index: 2, PropertyTag: PidTagSubject,"
     " ErrorCode: ecNotFound"},
    {"7a0200000000010002001f0037000f010480",
     "ReturnValue: ecNone, PropertyProblemCount: 1, PropertyProblems, Index: 2, PropertyTag: PidTagSubject,"
     " ErrorCode: ecNotFound"},
    {"670200000000010002001f0037000f010480",
     "ReturnValue: ecNone, PropertyProblemCount: 1, PropertyProblems, Index: 2, PropertyTag: PidTagSubject,"
     " ErrorCode: ecNotFound"},
    {"390200000000010002001f0037000f010480",
     "ReturnValue: ecNone, PropertyProblemCount: 1, PropertyProblems, Index: 2, PropertyTag: PidTagSubject,"
     " ErrorCode: ecNotFound"},
    {"67020305000003000000", "ReturnValue: ecDstNullObject, DestHandleIndex: 3"},
    {"39020305000003000000", "ReturnValue: ecDstNullObject, DestHandleIndex: 3"},
    {"0c0200000000030100000000001234", "ReturnValue: ecNone, InputHandleIndex: 3, MessageId: 1-1234"},
    {"0f0200000000010500000001e40400000200aabb",
     "ReturnValue: ecNone, RowCount: 1, RecipientRows, RowId: 5, RecipientType: 1, CodePageId: 1252, Reserved: 0,"
     " RecipientRow: aa bb"},
    {"11020000000000", "ReturnValue: ecNone, ReadStatusChanged: false"},
    {"1102000000000104000102030405060708090a0b0c0d0e0f0001020304050607",
     "ReturnValue: ecNone, ReadStatusChanged: true, LogonId: 4, ClientData: 00 01 02 03 04 05 06 07 08 09 0a 0b 0c"
     " 0d 0e 0f 00 01 02 03 04 05 06 07"},
    {"1202000000000b", "ReturnValue: ecNone, TableStatus: 11"},
    {"1302000000000b", "ReturnValue: ecNone, TableStatus: 11"},
    {"1402000000000b", "ReturnValue: ecNone, TableStatus: 11"},
    {"1602000000000b", "ReturnValue: ecNone, TableStatus: 11"},
    {"3802000000000b", "ReturnValue: ecNone, TableStatus: 11"},
    {"1502000000000201000041006200000007000000",
     "ReturnValue: ecNone, Origin: 2, RowCount: 1, PropertyRow, Flag: 0, Value, PropertyTag: PidTagSubject,"
     " PropertyValue: \"Ab\", Value, PropertyTag: PidTagMessageSize, PropertyValue: 7"},
    {"150200000000020100010041006200000001",
     "ReturnValue: ecNone, Origin: 2, RowCount: 1, PropertyRow, Flag: 1, Value, PropertyTag: PidTagSubject,"
     " PropertyValue: \"Ab\", Value, PropertyTag: PidTagMessageSize"},
    {"1702000000000100000004000000", "ReturnValue: ecNone, Numerator: 1, Denominator: 4"},
    {"18020000000001feffffff", "ReturnValue: ecNone, HasSoughtLess: true, RowsSought: 4294967294"},
    {"1902000000000100feffffff",
     "ReturnValue: ecNone, RowNoLongerVisible: true, HasSoughtLess: false, RowsSought: 4294967294"},
    {"1b02000000000200aabb", "ReturnValue: ecNone, Bookmark: aa bb"},
    {"6c02000000000200aabb", "ReturnValue: ecNone, Bookmark: aa bb"},
    {"1c0200000000010000000000123400", "ReturnValue: ecNone, FolderId: 1-1234, IsExistingFolder: false"},
    {"1c02000000000100000000001234010100",
     "ReturnValue: ecNone, FolderId: 1-1234, IsExistingFolder: true, HasRules: true, IsGhosted: false"},
    {"1c020000000001000000000012340100010100010073727600",
     "ReturnValue: ecNone, FolderId: 1-1234, IsExistingFolder: true, HasRules: false, IsGhosted: true, ServerCount:"
     " 1, CheapServerCount: 1, Servers, Text: \"srv\""},
    {"1d020000000000", "ReturnValue: ecNone, PartialCompletion: false"},
    {"1d020f01048001", "ReturnValue: ecNotFound, PartialCompletion: true"},
    {"1e020000000000", "ReturnValue: ecNone, PartialCompletion: false"},
    {"1e020f01048001", "ReturnValue: ecNotFound, PartialCompletion: true"},
    {"91020000000000", "ReturnValue: ecNone, PartialCompletion: false"},
    {"91020f01048001", "ReturnValue: ecNotFound, PartialCompletion: true"},
    {"58020000000000", "ReturnValue: ecNone, PartialCompletion: false"},
    {"58020f01048001", "ReturnValue: ecNotFound, PartialCompletion: true"},
    {"92020000000000", "ReturnValue: ecNone, PartialCompletion: false"},
    {"92020f01048001", "ReturnValue: ecNotFound, PartialCompletion: true"},
    {"66020000000000", "ReturnValue: ecNone, PartialCompletion: false"},
    {"66020f01048001", "ReturnValue: ecNotFound, PartialCompletion: true"},
    {"20020000000008000000", "ReturnValue: ecNone, MessageStatusFlags: 8"},
    {"23020000000007000000", "ReturnValue: ecNone, AttachmentID: 7"},
    {"270200000000010000000000123449504d00", "ReturnValue: ecNone, FolderId: 1-1234, ExplicitMessageClass: \"IPM\""},
    {"2b020000000000010000", "ReturnValue: ecNone, StreamSize: 256"},
    {"5e020000000000010000", "ReturnValue: ecNone, StreamSize: 256"},
    {"2c02000000000200abcd", "ReturnValue: ecNone, Data: ab cd"},
    {"2c020f0104800000", "ReturnValue: ecNotFound, Data: empty"},
    {"2d02000000000200", "ReturnValue: ecNone, WrittenSize: 2"},
    {"2d020f0104800100", "ReturnValue: ecNotFound, WrittenSize: 1"},
    {"9002000000000200", "ReturnValue: ecNone, WrittenSize: 2"},
    {"90020f0104800100", "ReturnValue: ecNotFound, WrittenSize: 1"},
    {"a3020000000002000000", "ReturnValue: ecNone, WrittenSize: 2"},
    {"2e02000000000001000000000000", "ReturnValue: ecNone, NewPosition: 256"},
    {"3102000000000500081f00370001010001000000000012342a000200",
     "ReturnValue: ecNone, RestrictionData, RestrictType: ExistRestriction, PropTag: PidTagSubject, LogonId: 1,"
     " FolderIdCount: 1, FolderIds: 1-1234, SearchFlags: 131114"},
    {"33020000000000", "ReturnValue: ecNone, PartialCompletion: false"},
    {"33020f01048001", "ReturnValue: ecNotFound, PartialCompletion: true"},
    {"3302030500000300000001", "ReturnValue: ecDstNullObject, DestHandleIndex: 3, PartialCompletion: true"},
    {"35020000000000", "ReturnValue: ecNone, PartialCompletion: false"},
    {"35020f01048001", "ReturnValue: ecNotFound, PartialCompletion: true"},
    {"3502030500000300000001", "ReturnValue: ecDstNullObject, DestHandleIndex: 3, PartialCompletion: true"},
    {"36020000000000", "ReturnValue: ecNone, PartialCompletion: false"},
    {"36020f01048001", "ReturnValue: ecNotFound, PartialCompletion: true"},
    {"3602030500000300000001", "ReturnValue: ecDstNullObject, DestHandleIndex: 3, PartialCompletion: true"},
    {"37020000000001001f003700", "ReturnValue: ecNone, PropertyTagCount: 1, PropertyTags: PidTagSubject"},
    {"3a020000000001000000000000000200000000000000", "ReturnValue: ecNone, ReadByteCount: 1, WrittenByteCount: 2"},
    {"3a02030500000300000001000000000000000200000000000000",
     "ReturnValue: ecDstNullObject, DestHandleIndex: 3, ReadByteCount: 1, WrittenByteCount: 2"},
    {"4202000000000200010061006200",
     "ReturnValue: ecNone, OwningServersCount: 2, CheapServersCount: 1, OwningServers, Text: \"a\", OwningServers,"
     " Text: \"b\""},
    {"430200000000000102030405060708090a0b0c0d0e0f0000000012340000",
     "ReturnValue: ecNone, LongTermId, DatabaseGuid: \"03020100-0504-0706-0809-0a0b0c0d0e0f\", GlobalCounter: 00 00"
     " 00 00 12 34, Pad: 0"},
    {"4402000000000100000000001234", "ReturnValue: ecNone, ObjectId: 1-1234"},
    {"45020000000000", "ReturnValue: ecNone, IsGhosted: false"},
    {"450200000000010200010061006200",
     "ReturnValue: ecNone, IsGhosted: true, ServersCount: 2, CheapServersCount: 1, Servers, Text: \"a\", Servers,"
     " Text: \"b\""},
    {"49020000000002000800534d545000455800",
     "ReturnValue: ecNone, AddressTypeCount: 2, AddressTypes, Text: \"SMTP\", AddressTypes, Text: \"EX\""},
    {"4a0200000000010000",
     "ReturnValue: ecNone, NoPropertiesReturned: 1, PropertyValueCount: 0, PropertyValues: none"},
    {"4a02000000000001001f003700410062000000",
     "ReturnValue: ecNone, NoPropertiesReturned: 0, PropertyValueCount: 1, PropertyValues, PropertyTag:"
     " PidTagSubject, PropertyValue: \"Ab\""},
    {"4e0200000000010002000300000200abcd",
     "ReturnValue: ecNone, TransferStatus: 1, InProgressCount: 2, TotalStepCount: 3, Reserved: 0, TransferBuffer:"
     " ab cd"},
    {"4e0280040000000002000300000000e8030000",
     "ReturnValue: ecServerBusy, TransferStatus: 0, InProgressCount: 2, TotalStepCount: 3, Reserved: 0,"
     " TransferBuffer: empty, BackoffTime: 1000"},
    {"4f020000000000010041006200000007000000",
     "ReturnValue: ecNone, RowNoLongerVisible: false, HasRowData: true, RowData, Flag: 0, Value, PropertyTag:"
     " PidTagSubject, PropertyValue: \"Ab\", Value, PropertyTag: PidTagMessageSize, PropertyValue: 7"},
    {"4f02000000000100", "ReturnValue: ecNone, RowNoLongerVisible: true, HasRowData: false"},
    {"50020000000001050000000a000000", "ReturnValue: ecNone, LogonId: 1, CompletedTaskCount: 5, TotalTaskCount: 10"},
    {"52020000000002000700000009000000",
     "ReturnValue: ecNone, AttachmentIdCount: 2, AttachmentIdArray: 7, AttachmentIdArray: 9"},
    {"540200000000010002000300000400",
     "ReturnValue: ecNone, TransferStatus: 1, InProgressCount: 2, TotalStepCount: 3, Reserved: 0, BufferUsedSize: 4"},
    {"9d020000000001000200000003000000000400",
     "ReturnValue: ecNone, TransferStatus: 1, InProgressCount: 2, TotalStepCount: 3, Reserved: 0, BufferUsedSize: 4"},
    {"550200000000020000000102030405060708090a0b0c0d0e0f50820000ff",
     "ReturnValue: ecNone, PropertyNameCount: 2, PropertyNames, Kind: 0, GUID:"
     " \"03020100-0504-0706-0809-0a0b0c0d0e0f\", LID: 33360, PropertyNames, Kind: 255"},
    {"56020000000001000080", "ReturnValue: ecNone, PropertyIdCount: 1, PropertyIds: 32768"},
    {"56028003040001000000", "ReturnValue: ecWarnWithErrors, PropertyIdCount: 1, PropertyIds: 0"},
    {"5902000000000500000001000041006200000007000000",
     "ReturnValue: ecNone, ExpandedRowCount: 5, RowCount: 1, PropertyRow, Flag: 0, Value, PropertyTag:"
     " PidTagSubject, PropertyValue: \"Ab\", Value, PropertyTag: PidTagMessageSize, PropertyValue: 7"},
    {"5a020000000005000000", "ReturnValue: ecNone, CollapsedRowCount: 5"},
    {"5f02000000000100008000000102030405060708090a0b0c0d0e0f50820000",
     "ReturnValue: ecNone, IdCount: 1, PropertyIds: 32768, PropertyNames, Kind: 0, GUID:"
     " \"03020100-0504-0706-0809-0a0b0c0d0e0f\", LID: 33360"},
    {"6002000000000100000102030405060708090a0b0c0d0e0f0000000012340000",
     "ReturnValue: ecNone, LongTermIdCount: 1, LongTermIds, DatabaseGuid: \"03020100-0504-0706-0809-0a0b0c0d0e0f\","
     " GlobalCounter: 00 00 00 00 12 34, Pad: 0"},
    {"610200000000000102030405060708090a0b0c0d0e0f",
     "ReturnValue: ecNone, DatabaseGuid: \"03020100-0504-0706-0809-0a0b0c0d0e0f\""},
    {"630200000000010200abcd", "ReturnValue: ecNone, HasFinished: true, Data: ab cd"},
    {"6802000000000100000000010000000000123449504d0000803ed5deb19d01",
     "ReturnValue: ecNone, RowCount: 1, PropertyRow, Flag: 0, Value, PropertyTag: PidTagFolderId, PropertyValue:"
     " 3752061439553044481, Value, PropertyTag: PidTagMessageClass, PropertyValue: \"IPM\", Value, PropertyTag:"
     " PidTagLastModificationTime, PropertyValue: \"1970-01-01T00:00:00Z\""},
    {"6b02000000000200aabb", "ReturnValue: ecNone, CollapseState: aa bb"},
    {"6d02000000000100000000001234", "ReturnValue: ecNone, FolderId: 1-1234"},
    {"6f0200000000000100aa0100bb6100",
     "ReturnValue: ecNone, Reserved: 0, OptionalInfo: aa, HelpFile: bb, HelpFileName: \"a\""},
    {"6f02000000000000000000", "ReturnValue: ecNone, Reserved: 0, OptionalInfo: empty, HelpFile: empty"},
    {"7202000000000000000000000000", "ReturnValue: ecNone, MessageId: 0-0"},
    {"7302000000000000000000000000", "ReturnValue: ecNone, FolderId: 0-0"},
    {"7802000000000000000000000000", "ReturnValue: ecNone, MessageId: 0-0"},
    {"7b020000000000000001", "ReturnValue: ecNone, StoreState: 16777216"},
    {"7f0200000000000102030405060708090a0b0c0d0e0f000000001234",
     "ReturnValue: ecNone, ReplGuid: \"03020100-0504-0706-0809-0a0b0c0d0e0f\", GlobalCount: 00 00 00 00 12 34"},
    {"fe02000000000101000000000000010100000000000002010000000000000301"
     " 0000000000000401000000000000050100000000000006010000000000000701"
     " 000000000000080100000000000009010000000000000a010000000000000b01"
     " 0000000000000c010000000000000d07000102030405060708090a0b0c0d0e0f"
     " 0100000102030405060708090a0b0c0d0e0f1e2d0b03130bea07080706050403 020100000000",
     "ReturnValue: ecNone, LogonFlags: 1, FolderIds, Root: 1-1, DeferredAction: 1-2, SpoolerQueue: 1-3, IpmSubtree:"
     " 1-4, Inbox: 1-5, Outbox: 1-6, SentItems: 1-7, DeletedItems: 1-8, CommonViews: 1-9, Schedule: 1-a, Search:"
     " 1-b, Views: 1-c, Shortcuts: 1-d, ResponseFlags: 7, MailboxGuid: \"03020100-0504-0706-0809-0a0b0c0d0e0f\","
     " ReplId: 1, ReplGuid: \"03020100-0504-0706-0809-0a0b0c0d0e0f\", LogonTime, Seconds: 30, Minutes: 45, Hour:"
     " 11, DayOfWeek: 3, Day: 19, Month: 11, Year: 2026, GwartTime: 72623859790382856, StoreState: 0"},
    {"fe02000000000001000000000000010100000000000002010000000000000301"
     " 0000000000000401000000000000050100000000000006010000000000000701"
     " 000000000000080100000000000009010000000000000a010000000000000b01"
     " 0000000000000c010000000000000d0100000102030405060708090a0b0c0d0e 0f000102030405060708090a0b0c0d0e0f",
     "ReturnValue: ecNone, LogonFlags: 0, FolderIds, Root: 1-1, DeferredAction: 1-2, SpoolerQueue: 1-3, IpmSubtree:"
     " 1-4, Inbox: 1-5, Outbox: 1-6, SentItems: 1-7, DeletedItems: 1-8, CommonViews: 1-9, Schedule: 1-a, Search:"
     " 1-b, Views: 1-c, Shortcuts: 1-d, ReplId: 1, ReplGuid: \"03020100-0504-0706-0809-0a0b0c0d0e0f\", PerUserGuid:"
     " \"03020100-0504-0706-0809-0a0b0c0d0e0f\""},
    {"fe0278040000010473727600", "ReturnValue: ecWrongServer, LogonFlags: 1, ServerName: 73 72 76 00"},
    {"6e0500", "SessionIndex: 5"},
    {"f901e80300000115d00700000200abcd",
     "LogonId: 1, Duration: 1000, BackoffRopCount: 1, BackoffRopData, RopIdBackoff: 21, Duration: 2000,"
     " AdditionalData: ab cd"},
    {"ff0010020102", "SizeNeeded: 4096, RequestBuffers: 02 01 02"},
};

class Forms : public testing::Test {
 protected:
  struct Known : ColumnSource {
    std::vector<mapi::PropertyTag> columns{mapi::PidTagSubject, mapi::PidTagMessageSize};
    std::optional<Columns> columns_of(std::uint32_t) const override { return Columns(columns); }
  };
  // Whether `hex` is one request, written anew to the same bytes; its fields.
  std::string request(std::string_view hex, bool is_public = false) {
    struct Logons : LogonSource {
      bool all = false;
      bool is_public(std::uint8_t) const override { return all; }
    } logons;
    logons.all = is_public;
    const auto bytes = bytes_of(hex);
    const auto payload = payload_of(bytes);
    auto read = decode_requests(payload, arena_, &logons);
    if (!read || !read->problem.empty() || read->rops.size() != 1) return "is not one request";
    EXPECT_EQ(read->rops[0].LogonId, 1);
    EXPECT_EQ(read->rops[0].HandleIndex, 2);
    Bytes again;
    EXPECT_TRUE(encode_request(read->rops[0], again));
    EXPECT_EQ(to_hex(again), to_hex(bytes));
    TextSink sink;
    describe(sink, read->rops[0]);
    return fields_of(sink.take(), 4);
  }
  std::string response(std::string_view hex) {
    const auto bytes = bytes_of(hex);
    auto payload = payload_of(bytes);
    payload.resize(payload.size() + 16, 1);  // four handles
    // Whose tags are the columns of its response.
    const auto get = payload_of(bytes_of("0701020010 0100 0200 1f003700 0300080e"));
    const auto asked = decode_requests(get, arena_);
    Known known;
    auto read = decode_responses(payload, arena_, &*asked, &known);
    if (!read || !read->problem.empty() || read->rops.size() != 1) return "is not one response";
    const auto& rop = read->rops[0];
    EXPECT_EQ(rop.HandleIndex, rop.codec->response_has_head ? 2 : 0);
    const auto context = context_of(rop, &*asked);
    Bytes again;
    EXPECT_TRUE(encode_response(rop, again, context));
    EXPECT_EQ(to_hex(again), to_hex(bytes));
    TextSink sink;
    describe(sink, rop, context);
    return fields_of(sink.take(), rop.codec->response_has_head ? 3 : 2);
  }
  Arena arena_;
};

TEST_F(Forms, Requests) {
  for (const auto& form : requests) EXPECT_EQ(request(form.hex), form.fields) << form.hex;
  for (const auto hex : bare_requests) EXPECT_EQ(request(hex), "") << hex;
}

TEST_F(Forms, Responses) {
  for (const auto& form : responses) EXPECT_EQ(response(form.hex), form.fields) << form.hex;
}

// [MS-OXCROPS] 2.2.3.13.1 and 2.2.6.11.1: what depends on the kind of logon.
TEST_F(Forms, RequestsToPublicFolders) {
  EXPECT_EQ(request("64 0102 000102030405060708090a0b0c0d0e0f 000000001234 0000 01 00000000 0200 abcd", true),
            "FolderId, DatabaseGuid: \"03020100-0504-0706-0809-0a0b0c0d0e0f\", GlobalCounter: 00 00 00 00 12 34, Pad: 0, "
            "HasFinished: true, DataOffset: 0, Data: ab cd");
  EXPECT_EQ(request("11 0102 03 04 000102030405060708090a0b0c0d0e0f 0001020304050607", true),
            "InputHandleIndex: 3, ReadFlags: 4, ClientData: 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 00 01 02 03 04 05 06 07");
}

// No ROP is left out; requests and responses of recipients and notifications stand in rop_examples_test.cc.
TEST_F(Forms, AreThoseOfEveryRop) {
  std::array<bool, 256> asked{}, answered{};
  const auto see = [](auto& seen, std::string_view hex) {
    Bytes id;
    ASSERT_TRUE(from_hex(hex.substr(0, 2), id));
    seen[id[0]] = true;
  };
  for (const auto& form : requests) see(asked, form.hex);
  for (const auto hex : bare_requests) see(asked, hex);
  for (const auto& form : responses) see(answered, form.hex);
  for (const auto& codec : all_rops()) {
    const auto id = static_cast<std::uint8_t>(codec.id);
    const bool asks = codec.read_request != nullptr && codec.id != RopId::RopModifyRecipients;
    const bool answers = codec.has_response && codec.id != RopId::RopNotify && response_id(codec.id) == codec.id;
    EXPECT_TRUE(asked[id] || !asks) << codec.name;
    EXPECT_TRUE(answered[id] || !answers) << codec.name;
  }
}

}  // namespace
}  // namespace mapigate::wire
