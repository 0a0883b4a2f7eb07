// Recurrence patterns of tasks and appointments ([MS-OXOCAL] 2.2.1.44 "PidLidAppointmentRecur").
// Dates and times are minutes since 1601-01-01 in the time zone of the appointment.
#pragma once

#include "wire/blobs/blob_fields.h"

namespace mapigate::wire::blobs {

// 2.2.1.44.1: the value of PidLidTaskRecurrence, and the first part of PidLidAppointmentRecur.
struct RecurrencePattern {
  static constexpr const char* name = "RecurrencePattern";
  enum : std::uint16_t { daily = 0x200A, weekly = 0x200B, monthly = 0x200C, yearly = 0x200D };
  enum : std::uint16_t {
    Day = 0x0000, Week = 0x0001, Month = 0x0002, MonthNth = 0x0003, MonthEnd = 0x0004,
    HjMonth = 0x000A, HjMonthNth = 0x000B, HjMonthEnd = 0x000C,
  };
  enum : std::uint32_t { end_by_date = 0x2021, end_after_count = 0x2022, no_end = 0x2023, never_end = 0xFFFFFFFF };
  // CalendarType; those of lunar calendars go with the Hj patterns or with yearly ones.
  enum : std::uint16_t {
    CAL_DEFAULT = 0x0000, CAL_GREGORIAN = 0x0001, CAL_GREGORIAN_US = 0x0002, CAL_JAPAN = 0x0003, CAL_TAIWAN = 0x0004,
    CAL_KOREA = 0x0005, CAL_HIJRI = 0x0006, CAL_THAI = 0x0007, CAL_HEBREW = 0x0008, CAL_GREGORIAN_ME_FRENCH = 0x0009,
    CAL_GREGORIAN_ARABIC = 0x000A, CAL_GREGORIAN_XLIT_ENGLISH = 0x000B, CAL_GREGORIAN_XLIT_FRENCH = 0x000C,
    CAL_LUNAR_JAPANESE = 0x000E, CAL_CHINESE_LUNAR = 0x000F, CAL_SAKA = 0x0010, CAL_LUNAR_ETO_CHN = 0x0011,
    CAL_LUNAR_ETO_KOR = 0x0012, CAL_LUNAR_ROKUYOU = 0x0013, CAL_LUNAR_KOREAN = 0x0014, CAL_UMALQURA = 0x0017,
  };
  std::uint16_t ReaderVersion = 0x3004;
  std::uint16_t WriterVersion = 0x3004;
  std::uint16_t RecurFrequency = weekly;
  std::uint16_t PatternType = Week;
  std::uint16_t CalendarType = CAL_DEFAULT;
  std::uint32_t FirstDateTime = 0;
  std::uint32_t Period = 1;  // days in minutes; weeks, months (yearly: 12)
  std::uint32_t SlidingFlag = 0;
  std::uint32_t DayOfWeekBits = 0;  // Week, MonthNth, HjMonthNth: bit 0 is Sunday
  std::uint32_t DayOfMonth = 0;     // Month, MonthEnd, HjMonth, HjMonthEnd
  std::uint32_t N = 0;              // MonthNth, HjMonthNth: 1 to 4, 5 is the last
  std::uint32_t EndType = no_end;
  std::uint32_t OccurrenceCount = 10;
  std::uint32_t FirstDOW = 0;
  std::span<const std::uint32_t> DeletedInstanceDates{};
  std::span<const std::uint32_t> ModifiedInstanceDates{};
  std::uint32_t StartDate = 0;
  std::uint32_t EndDate = 0;

  static void fields(auto& s, auto& v) {
    v("ReaderVersion", s.ReaderVersion);
    v("WriterVersion", s.WriterVersion);
    v("RecurFrequency", s.RecurFrequency);
    v("PatternType", s.PatternType);
    v("CalendarType", s.CalendarType);
    v("FirstDateTime", s.FirstDateTime);
    v("Period", s.Period);
    v("SlidingFlag", s.SlidingFlag);
    switch (s.PatternType) {
      case Day: break;
      case Week: v("WeekRecurrencePattern", s.DayOfWeekBits); break;
      case Month: case MonthEnd: case HjMonth: case HjMonthEnd: v("MonthRecurrencePattern", s.DayOfMonth); break;
      case MonthNth: case HjMonthNth:
        v("DayOfWeekRecurrencePattern", s.DayOfWeekBits);
        v("N", s.N);
        break;
      default: v.check(false, "unknown PatternType");
    }
    v("EndType", s.EndType);
    v("OccurrenceCount", s.OccurrenceCount);
    v("FirstDOW", s.FirstDOW);
    counted_list<std::uint32_t>(v, "DeletedInstanceCount", "DeletedInstanceDates", s.DeletedInstanceDates);
    counted_list<std::uint32_t>(v, "ModifiedInstanceCount", "ModifiedInstanceDates", s.ModifiedInstanceDates);
    date(v, "StartDate", s.StartDate);
    date(v, "EndDate", s.EndDate);
  }
};

// 2.2.1.44.2.
struct ExceptionInfo {
  static constexpr std::size_t minimum_size = 14;
  enum : std::uint16_t {
    ARO_SUBJECT = 0x0001, ARO_MEETINGTYPE = 0x0002, ARO_REMINDERDELTA = 0x0004, ARO_REMINDER = 0x0008,
    ARO_LOCATION = 0x0010, ARO_BUSYSTATUS = 0x0020, ARO_ATTACHMENT = 0x0040, ARO_SUBTYPE = 0x0080,
    ARO_APPTCOLOR = 0x0100, ARO_EXCEPTIONAL_BODY = 0x0200,
  };
  std::uint32_t StartDateTime = 0;
  std::uint32_t EndDateTime = 0;
  std::uint32_t OriginalStartDate = 0;
  std::uint16_t OverrideFlags = 0;
  std::uint16_t SubjectLength = 0;  // one more than what follows has
  std::string_view Subject{};
  std::uint32_t MeetingType = 0;
  std::uint32_t ReminderDelta = 0;
  std::uint32_t ReminderSet = 0;
  std::uint16_t LocationLength = 0;  // one more than what follows has
  std::string_view Location{};
  std::uint32_t BusyStatus = 0;
  std::uint32_t Attachment = 0;
  std::uint32_t SubType = 0;
  std::uint32_t AppointmentColor = 0;
  bool has(std::uint16_t flag) const { return (OverrideFlags & flag) != 0; }
  static void fields(auto& s, auto& v) {
    date(v, "StartDateTime", s.StartDateTime);
    date(v, "EndDateTime", s.EndDateTime);
    date(v, "OriginalStartDate", s.OriginalStartDate);
    v("OverrideFlags", s.OverrideFlags);
    if (s.has(ARO_SUBJECT)) {
      v("SubjectLength", s.SubjectLength);
      counted_text<std::uint16_t>(v, "SubjectLength2", "Subject", s.Subject);
    }
    if (s.has(ARO_MEETINGTYPE)) v("MeetingType", s.MeetingType);
    if (s.has(ARO_REMINDERDELTA)) v("ReminderDelta", s.ReminderDelta);
    if (s.has(ARO_REMINDER)) v("ReminderSet", s.ReminderSet);
    if (s.has(ARO_LOCATION)) {
      v("LocationLength", s.LocationLength);
      counted_text<std::uint16_t>(v, "LocationLength2", "Location", s.Location);
    }
    if (s.has(ARO_BUSYSTATUS)) v("BusyStatus", s.BusyStatus);
    if (s.has(ARO_ATTACHMENT)) v("Attachment", s.Attachment);
    if (s.has(ARO_SUBTYPE)) v("SubType", s.SubType);
    if (s.has(ARO_APPTCOLOR)) v("AppointmentColor", s.AppointmentColor);
  }
};

// 2.2.1.44.4; which fields it has follows from the writer's version and the ExceptionInfo at the same place.
struct ExtendedException {
  static constexpr std::size_t minimum_size = 4;
  std::uint32_t ChangeHighlightSize = 4;
  std::uint32_t ChangeHighlightValue = 0;
  View ChangeHighlightReserved{};
  View ReservedBlockEE1{};
  std::uint32_t StartDateTime = 0;
  std::uint32_t EndDateTime = 0;
  std::uint32_t OriginalStartDate = 0;
  Utf16 WideCharSubject{};
  Utf16 WideCharLocation{};
  View ReservedBlockEE2{};
  static void fields(auto& s, auto& v, std::uint32_t writer_version, const ExceptionInfo& info) {
    if (writer_version >= 0x3009) {
      v("ChangeHighlightSize", s.ChangeHighlightSize);
      if (s.ChangeHighlightSize >= 4) {
        v("ChangeHighlightValue", s.ChangeHighlightValue);
        v.bytes("Reserved", s.ChangeHighlightReserved, s.ChangeHighlightSize - 4);
      } else {
        v.bytes("Reserved", s.ChangeHighlightReserved, s.ChangeHighlightSize);
      }
    }
    counted_bytes<std::uint32_t>(v, "ReservedBlockEE1Size", "ReservedBlockEE1", s.ReservedBlockEE1);
    const bool subject = info.has(ExceptionInfo::ARO_SUBJECT), location = info.has(ExceptionInfo::ARO_LOCATION);
    if (!subject && !location) return;
    date(v, "StartDateTime", s.StartDateTime);
    date(v, "EndDateTime", s.EndDateTime);
    date(v, "OriginalStartDate", s.OriginalStartDate);
    if (subject) counted_text<std::uint16_t>(v, "WideCharSubjectLength", "WideCharSubject", s.WideCharSubject);
    if (location) counted_text<std::uint16_t>(v, "WideCharLocationLength", "WideCharLocation", s.WideCharLocation);
    counted_bytes<std::uint32_t>(v, "ReservedBlockEE2Size", "ReservedBlockEE2", s.ReservedBlockEE2);
  }
};

// 2.2.1.44.5.
struct AppointmentRecurrencePattern {
  static constexpr const char* name = "AppointmentRecurrencePattern";
  blobs::RecurrencePattern RecurrencePattern{};
  std::uint32_t ReaderVersion2 = 0x3006;
  std::uint32_t WriterVersion2 = 0x3009;
  std::uint32_t StartTimeOffset = 0;
  std::uint32_t EndTimeOffset = 0;
  std::span<const blobs::ExceptionInfo> ExceptionInfo{};
  View ReservedBlock1{};
  std::span<const blobs::ExtendedException> ExtendedException{};  // as many as ExceptionInfo
  View ReservedBlock2{};
  static void fields(auto& s, auto& v);
};

// Each element depends on the ExceptionInfo at its place.
template <class V>
void extended_exceptions(auto& s, V& v) {
  const auto count = s.ExceptionInfo.size();
  if constexpr (ReadingVisitor<V>) {
    v.cursor().set_field("ExtendedException");
    if (!v.cursor().can_hold(count, ExtendedException::minimum_size)) return;
    const auto made = v.arena().template make_span<ExtendedException>(count);
    for (std::size_t i = 0; i < count && v.ok(); ++i) {
      auto one = [&](auto& to, auto& visitor) { ExtendedException::fields(to, visitor, s.WriterVersion2, s.ExceptionInfo[i]); };
      if constexpr (TellingVisitor<V>) v.within("ExtendedException", [&] { one(made[i], v); });
      else one(made[i], v);
    }
    s.ExtendedException = made;
  } else if constexpr (BuildingVisitor<V>) {
    // Under the names that a dump tells them with.
    const auto made = v.arena().template make_span<ExtendedException>(count);
    for (std::size_t i = 0; i < count; ++i) {
      v.source().begin(i == 0 ? "ExtendedException" : fmt::format("ExtendedException_{}", i + 1).c_str());
      ExtendedException::fields(made[i], v, s.WriterVersion2, s.ExceptionInfo[i]);
      v.source().end();
    }
    s.ExtendedException = made;
  } else {
    v.check(s.ExtendedException.size() == count, "ExtendedException");
    for (std::size_t i = 0; i < std::min(count, s.ExtendedException.size()); ++i)
      ExtendedException::fields(s.ExtendedException[i], v, s.WriterVersion2, s.ExceptionInfo[i]);
  }
}

void AppointmentRecurrencePattern::fields(auto& s, auto& v) {
  v("RecurrencePattern", s.RecurrencePattern);
  v("ReaderVersion2", s.ReaderVersion2);
  v("WriterVersion2", s.WriterVersion2);
  v("StartTimeOffset", s.StartTimeOffset);
  v("EndTimeOffset", s.EndTimeOffset);
  counted_list<std::uint16_t>(v, "ExceptionCount", "ExceptionInfo", s.ExceptionInfo);
  counted_bytes<std::uint32_t>(v, "ReservedBlock1Size", "ReservedBlock1", s.ReservedBlock1);
  extended_exceptions(s, v);
  counted_bytes<std::uint32_t>(v, "ReservedBlock2Size", "ReservedBlock2", s.ReservedBlock2);
}

}  // namespace mapigate::wire::blobs
