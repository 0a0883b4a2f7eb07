#include "convert/tnef_attributes.h"

#include <array>
#include <chrono>
#include <utility>

#include "base/cursor.h"

namespace mapigate::convert::tnef {

std::string_view name_of(std::uint32_t attribute) {
  switch (attribute) {
#define A(name) \
  case name: return #name;
    A(attOwner) A(attSentFor) A(attDelegate) A(attDateStart) A(attDateEnd) A(attAidOwner) A(attRequestRes) A(attFrom)
    A(attSubject) A(attDateSent) A(attDateRecd) A(attMessageStatus) A(attMessageClass) A(attMessageID) A(attParentID)
    A(attConversationID) A(attBody) A(attPriority) A(attAttachData) A(attAttachTitle) A(attAttachMetaFile)
    A(attAttachCreateDate) A(attAttachModifyDate) A(attDateModified) A(attAttachTransportFilename) A(attAttachRenddata)
    A(attMsgProps) A(attRecipTable) A(attAttachment) A(attTnefVersion) A(attOemCodepage) A(attOriginalMessageClass)
#undef A
    default: return {};
  }
}

namespace {
constexpr std::pair<std::string_view, std::string_view> classes[] = {
    {"IPM.Microsoft Mail.Note", "IPM.Note"},
    {"IPM.Microsoft Mail.Read Receipt", "Report.IPM.Note.IPNRN"},
    {"IPM.Microsoft Mail.Non-Delivery", "Report.IPM.Note.NDR"},
    {"IPM.Microsoft Schedule.MtgRespP", "IPM.Schedule.Meeting.Resp.Pos"},
    {"IPM.Microsoft Schedule.MtgRespN", "IPM.Schedule.Meeting.Resp.Neg"},
    {"IPM.Microsoft Schedule.MtgRespA", "IPM.Schedule.Meeting.Resp.Tent"},
    {"IPM.Microsoft Schedule.MtgReq", "IPM.Schedule.Meeting.Request"},
    {"IPM.Microsoft Schedule.MtgCncl", "IPM.Schedule.Meeting.Canceled"},
};
}  // namespace

std::string_view to_mapi_class(std::string_view microsoft_mail_class) {
  for (const auto& [theirs, ours] : classes)
    if (theirs == microsoft_mail_class) return ours;
  return microsoft_mail_class;
}

std::string_view from_mapi_class(std::string_view message_class) {
  for (const auto& [theirs, ours] : classes)
    if (ours == message_class) return theirs;
  return message_class;
}

FileTime from_dtr(View fourteen_bytes) {
  using namespace std::chrono;
  Cursor cursor(fourteen_bytes);
  std::array<std::uint16_t, 7> word{};
  for (auto& w : word) w = cursor.scalar<std::uint16_t>();
  const auto date = year(word[0]) / word[1] / word[2];
  if (!cursor.ok() || !date.ok() || word[0] < 1601 || word[3] > 23 || word[4] > 59 || word[5] > 59) return {};
  const auto days = sys_days(date).time_since_epoch().count();
  return from_unix(std::int64_t{days} * 86400 + word[3] * 3600 + word[4] * 60 + word[5]);
}

Bytes to_dtr(FileTime time) {
  using namespace std::chrono;
  const auto seconds = to_unix(time);
  const auto day = floor<days>(sys_seconds(std::chrono::seconds(seconds)));
  const year_month_day date(day);
  const auto within = seconds - std::int64_t{day.time_since_epoch().count()} * 86400;
  Bytes out;
  Output output(out);
  for (const auto word : {static_cast<std::int64_t>(static_cast<int>(date.year())), static_cast<std::int64_t>(static_cast<unsigned>(date.month())),
                          static_cast<std::int64_t>(static_cast<unsigned>(date.day())), within / 3600, within / 60 % 60, within % 60,
                          static_cast<std::int64_t>(weekday(day).c_encoding())})
    output.scalar(static_cast<std::uint16_t>(word));
  return out;
}

}  // namespace mapigate::convert::tnef
