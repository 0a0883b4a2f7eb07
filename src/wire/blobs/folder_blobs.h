// What folders, free/busy messages and items keep in smaller blobs.
#pragma once

#include "wire/blobs/blob_fields.h"
#include "wire/blobs/meeting_ids.h"

namespace mapigate::wire::blobs {

// [MS-OXOCFG] 2.2.7.1 "PidTagExtendedFolderFlags".
struct ExtendedFlag {
  static constexpr std::size_t minimum_size = 2;
  enum : std::uint8_t { ExtendedFlags = 1, SearchFolderId = 2, SearchFolderTag = 3, ToDoFolderVersion = 5 };
  std::uint8_t Id = 0;
  View Data{};
  static void fields(auto& s, auto& v) {
    v("Id", s.Id);
    counted_bytes<std::uint8_t>(v, "Cb", "Data", s.Data);
  }
};
struct ExtendedFolderFlags {
  static constexpr const char* name = "ExtendedFolderFlags";
  std::span<const ExtendedFlag> Flags{};
  static void fields(auto& s, auto& v) { v.list_to_end("Flag", s.Flags); }
};

// [MS-OXODLGT] and [MS-OXOPFFB]: PidTagScheduleInfoFreeBusy…, one value a month: minutes since its first in UTC.
struct FreeBusyEvent {
  static constexpr std::size_t minimum_size = 4;
  std::uint16_t Start = 0;
  std::uint16_t End = 0;
  bool operator==(const FreeBusyEvent&) const = default;
  static void fields(auto& s, auto& v) {
    v("Start", s.Start);
    v("End", s.End);
  }
};
struct FreeBusyMonth {
  static constexpr const char* name = "FreeBusyMonth";
  std::span<const FreeBusyEvent> Events{};
  static void fields(auto& s, auto& v) { v.list_to_end("Event", s.Events); }
};
// The number that PidTagScheduleInfoMonths… hold for the month of each such value: year * 16 + month.
constexpr std::int32_t schedule_month(unsigned year, unsigned month) { return static_cast<std::int32_t>(year * 16 + month); }
constexpr unsigned year_of_schedule_month(std::int32_t n) { return static_cast<unsigned>(n) >> 4; }
constexpr unsigned month_of_schedule_month(std::int32_t n) { return static_cast<unsigned>(n) & 0xF; }

// Meetings that were deleted from a calendar: kept by Outlook with the free/busy data, so that they do not come back.
struct TombstoneRecord {
  static constexpr std::size_t minimum_size = 14;
  std::uint32_t StartTime = 0;
  std::uint32_t EndTime = 0;
  View GlobalObjectId{};
  std::string_view Username{};
  static void fields(auto& s, auto& v) {
    date(v, "StartTime", s.StartTime);
    date(v, "EndTime", s.EndTime);
    counted_bytes<std::uint32_t>(v, "GlobalObjectIdSize", "GlobalObjectId", s.GlobalObjectId);
    counted_text<std::uint16_t>(v, "UsernameSize", "szUsername", s.Username);
  }
};
struct Tombstone {
  static constexpr const char* name = "Tombstone";
  std::uint32_t Identifier = 0xBEDEAFCD;
  std::uint32_t HeaderSize = 20;
  std::uint32_t Version = 3;
  std::uint32_t RecordsCount = 0;  // not to be relied on: the records fill the blob
  std::uint32_t RecordsSize = 0;
  std::span<const TombstoneRecord> Records{};
  static void fields(auto& s, auto& v) {
    v("Identifier", s.Identifier);
    v("HeaderSize", s.HeaderSize);
    v("Version", s.Version);
    v.check(s.Identifier == 0xBEDEAFCD && s.HeaderSize == 20, "no tombstone");
    v("RecordsCount", s.RecordsCount);
    v("RecordsSize", s.RecordsSize);
    v.list_to_end("Record", s.Records);
  }
};

// [MS-OXOFLAG] "PidTagSwappedToDoData": flags that wait for a message to be sent.
struct SwappedToDoData {
  static constexpr const char* name = "SwappedToDoData";
  std::uint32_t ulVersion = 1;
  std::uint32_t dwFlags = 0;  // which of the fields behind are set
  std::uint32_t dwToDoItem = 0;
  Utf16 wszFlagTo{};  // 256 units with what stands behind its terminator
  std::uint32_t rtmStartDate = 0;
  std::uint32_t rtmDueDate = 0;
  std::uint32_t rtmReminder = 0;
  std::uint32_t fReminderSet = 0;
  static void fields(auto& s, auto& v) {
    v("ulVersion", s.ulVersion);
    v("dwFlags", s.dwFlags);
    v("dwToDoItem", s.dwToDoItem);
    v.bytes("wszFlagTo", s.wszFlagTo.bytes, 512);
    date(v, "rtmStartDate", s.rtmStartDate);
    date(v, "rtmDueDate", s.rtmDueDate);
    date(v, "rtmReminder", s.rtmReminder);
    v("fReminderSet", s.fReminderSet);
  }
};

// PidTagFolderWebViewInfo: home pages of folders.
struct WebView {
  static constexpr std::size_t minimum_size = 44;
  std::uint32_t dwVersion = 2;
  std::uint32_t dwType = 1;  // a URL
  std::uint32_t dwFlags = 0;
  std::array<std::uint8_t, 28> dwUnused{};
  View Data{};
  static void fields(auto& s, auto& v) {
    v("dwVersion", s.dwVersion);
    v("dwType", s.dwType);
    v("dwFlags", s.dwFlags);
    v("dwUnused", s.dwUnused);
    counted_bytes<std::uint32_t>(v, "cbData", "lpData", s.Data);
    remark(v, "wzURL", [&] { return to_utf8(Utf16{s.Data.first(s.Data.size() / 2 * 2)}); });
  }
};
struct WebViewPersistStream {
  static constexpr const char* name = "WebViewPersistStream";
  std::span<const WebView> WebViews{};
  static void fields(auto& s, auto& v) { v.list_to_end("WebView", s.WebViews); }
};

// A GUID as PtypBinary: PidTagReplyTemplateId ([MS-OXORULE]) and, of navigation shortcuts ([MS-OXOCFG] 2.2.9),
// PidTagWlinkGroupHeaderID, PidTagWlinkGroupClsid, PidTagWlinkFolderType and PidTagWlinkClientID.
struct GuidBlob {
  static constexpr const char* name = "Guid";
  mapi::Guid guid{};
  static constexpr mapi::Guid folder(std::uint32_t first) {
    return {{static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(first >> 8), 0x06, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46}};
  }
  std::string_view meaning() const;  // "mail folder" …: of PidTagWlinkFolderType; empty when it is none of these
  static void fields(auto& s, auto& v) {
    v("Guid", s.guid);
    remark(v, "meaning", [&] { return std::string(s.meaning()); });
  }
};
// PidTagWlinkOrdinal: compared byte by byte, the shorter first; between() finds one between two others.
struct WlinkOrdinal {
  static constexpr const char* name = "WlinkOrdinal";
  View ordinal{};
  static void fields(auto& s, auto& v) { v.rest("Ordinal", s.ordinal); }
};
Bytes ordinal_between(View before, View after);  // `after` empty: behind all others

}  // namespace mapigate::wire::blobs
