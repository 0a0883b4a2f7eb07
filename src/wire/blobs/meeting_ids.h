// Identifiers of meetings and conversations.
#pragma once

#include "wire/blobs/blob_fields.h"
#include "wire/blobs/entry_ids.h"

namespace mapigate::wire::blobs {

// [MS-OXOCAL] 2.2.1.27 "PidLidGlobalObjectId"; 2.2.1.28: the clean one has no date of an instance.
struct GlobalObjectId {
  static constexpr const char* name = "GlobalObjectId";
  static constexpr std::array<std::uint8_t, 16> class_id{0x04, 0x00, 0x00, 0x00, 0x82, 0x00, 0xE0, 0x00,
                                                         0x74, 0xC5, 0xB7, 0x10, 0x1A, 0x82, 0xE0, 0x08};
  std::array<std::uint8_t, 16> ByteArrayID = class_id;
  std::uint8_t YH = 0, YL = 0;  // the year, most significant byte first; the instance's date in its time zone
  std::uint8_t M = 0;
  std::uint8_t D = 0;
  FileTime CreationTime{};
  std::uint64_t X = 0;
  View Data{};

  std::uint16_t year() const { return static_cast<std::uint16_t>(YH << 8 | YL); }
  static void fields(auto& s, auto& v) {
    v("ByteArrayID", s.ByteArrayID);
    v("YH", s.YH), v("YL", s.YL), v("M", s.M), v("D", s.D);
    v("CreationTime", s.CreationTime);
    v("X", s.X);
    counted_bytes<std::uint32_t>(v, "Size", "Data", s.Data);
    remark(v, "UID", [&] { return std::string(s.uid()); });
  }
  // The UID of an iCalendar object that Data holds behind "vCal-Uid" ([MS-OXCICAL] "UID"); else empty.
  std::string_view uid() const;
};
// The id of a meeting whose iCalendar UID is `uid`: that text wrapped, or, when it is the hex form of
// another Outlook's id, that id itself. `clean` leaves the instance's date out.
Bytes global_object_id_of(std::string_view uid, std::uint16_t year = 0, std::uint8_t month = 0, std::uint8_t day = 0);
// The other way: the wrapped text, else the whole clean id in hex.
Result<std::string> uid_of(View global_object_id);
// PidLidCleanGlobalObjectId from PidLidGlobalObjectId; malformed when it is none.
Result<Bytes> clean_global_object_id(View global_object_id);

// [MS-OXOMSG] 2.2.1.3 "PidTagConversationIndex".
struct ResponseLevel {
  static constexpr std::size_t minimum_size = 5;
  // Most significant bit first: DeltaCode (1), TimeDelta (31); then Random (4), ResponseLevel (4).
  std::array<std::uint8_t, 4> Delta{};
  std::uint8_t RandomAndLevel = 0;
  std::uint32_t delta() const { return static_cast<std::uint32_t>(Delta[0]) << 24 | Delta[1] << 16 | Delta[2] << 8 | Delta[3]; }
  static void fields(auto& s, auto& v) {
    v("Delta", s.Delta);
    v("RandomAndLevel", s.RandomAndLevel);
    remark(v, "TimeDelta", [&] { return std::to_string(s.delta() & 0x7FFFFFFF); });
  }
};
struct ConversationIndex {
  static constexpr const char* name = "ConversationIndex";
  std::array<std::uint8_t, 6> Header{};  // reserved byte 1 and the top of a FILETIME, most significant byte first
  mapi::Guid GUID{};
  std::span<const blobs::ResponseLevel> ResponseLevel{};
  FileTime time() const;
  static void fields(auto& s, auto& v) {
    v("Header", s.Header);
    remark(v, "FILETIME", [&] { return to_iso8601(s.time()); });
    v("GUID", s.GUID);
    v.list_to_end("ResponseLevel", s.ResponseLevel);
  }
};

// [MS-OXOMSG] 2.2.2.22 "PidTagReportTag".
struct ReportTag {
  static constexpr const char* name = "ReportTag";
  std::array<std::uint8_t, 9> Cookie{'P', 'C', 'D', 'F', 'E', 'B', '0', '9', 0};
  std::uint32_t Version = 0x00020001;
  EntryIdField StoreEntryId{};
  EntryIdField FolderEntryId{};
  EntryIdField MessageEntryId{};
  EntryIdField SearchFolderEntryId{};
  View MessageSearchKey{};
  std::string_view ANSIText{};  // with its terminator
  static void fields(auto& s, auto& v) {
    v("Cookie", s.Cookie);
    v("Version", s.Version);
    sized_entry_id<std::uint32_t>(v, "StoreEntryIdSize", "StoreEntryId", s.StoreEntryId);
    sized_entry_id<std::uint32_t>(v, "FolderEntryIdSize", "FolderEntryId", s.FolderEntryId);
    sized_entry_id<std::uint32_t>(v, "MessageEntryIdSize", "MessageEntryId", s.MessageEntryId);
    sized_entry_id<std::uint32_t>(v, "SearchFolderEntryIdSize", "SearchFolderEntryId", s.SearchFolderEntryId);
    counted_bytes<std::uint32_t>(v, "MessageSearchKeySize", "MessageSearchKey", s.MessageSearchKey);
    counted_text<std::uint32_t>(v, "ANSITextSize", "ANSIText", s.ANSIText);
  }
};

}  // namespace mapigate::wire::blobs
