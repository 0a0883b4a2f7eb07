#include "wire/blobs/blob_kind.h"
#include "wire/blobs/meeting_ids.h"
#include "wire/blobs/recurrence.h"
#include "wire/blobs/time_zone.h"

namespace mapigate::wire::blobs {

namespace {
constexpr std::string_view vcal_uid{"vCal-Uid\x01\0\0\0", 12};
}

std::span<const BlobKind> calendar_kinds() {
  static constexpr BlobKind kinds[] = {
      buildable_kind<AppointmentRecurrencePattern>("recurrence", "PidLidAppointmentRecur"),
      buildable_kind<RecurrencePattern>("task-recurrence", "PidLidTaskRecurrence"),
      buildable_kind<TimeZoneStruct>("timezone-struct", "PidLidTimeZoneStruct"),
      buildable_kind<TimeZoneDefinition>("timezone", "PidLidAppointmentTimeZoneDefinitionRecur, …StartDisplay, …EndDisplay"),
      buildable_kind<GlobalObjectId>("global-object-id", "PidLidGlobalObjectId, PidLidCleanGlobalObjectId"),
      buildable_kind<ConversationIndex>("conversation-index", "PidTagConversationIndex"),
      kind<ReportTag>("report-tag", "PidTagReportTag"),
  };
  return kinds;
}

std::string_view GlobalObjectId::uid() const {
  const auto data = as_text(Data);
  if (!data.starts_with(vcal_uid)) return {};
  const auto text = data.substr(vcal_uid.size());
  return text.substr(0, text.find('\0'));
}

Bytes global_object_id_of(std::string_view uid, std::uint16_t year, std::uint8_t month, std::uint8_t day) {
  Arena arena;
  GlobalObjectId id;
  Bytes raw;
  Bytes wrapped;
  if (uid.size() >= 2 * (GlobalObjectId::class_id.size() + 24) && from_hex(uid, raw) &&
      equal(View(raw).first(16), GlobalObjectId::class_id)) {
    if (const auto decoded = decode_blob<GlobalObjectId>(raw, arena)) id = decoded->value;
    else raw.clear();
  } else {
    raw.clear();
  }
  if (raw.empty()) {
    Output output(wrapped);
    output.bytes(as_view(vcal_uid));
    output.bytes(as_view(uid));
    output.scalar<std::uint8_t>(0);
    id.Data = wrapped;
  }
  id.YH = static_cast<std::uint8_t>(year >> 8), id.YL = static_cast<std::uint8_t>(year);
  id.M = month, id.D = day;
  return encode_blob(id).value();
}

Result<std::string> uid_of(View global_object_id) {
  Arena arena;
  const auto decoded = decode_blob<GlobalObjectId>(global_object_id, arena);
  if (!decoded) return decoded.error();
  if (const auto uid = decoded->value.uid(); !uid.empty()) return std::string(uid);
  const auto clean = clean_global_object_id(global_object_id);
  if (!clean) return clean.error();
  auto hex = to_hex(*clean);
  for (auto& c : hex)
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
  return hex;
}

Result<Bytes> clean_global_object_id(View global_object_id) {
  Arena arena;
  auto decoded = decode_blob<GlobalObjectId>(global_object_id, arena);
  if (!decoded) return decoded.error();
  decoded->value.YH = decoded->value.YL = decoded->value.M = decoded->value.D = 0;
  return encode_blob(decoded->value, decoded->rest);
}

FileTime ConversationIndex::time() const {
  std::uint64_t ticks = 0;
  for (const auto byte : Header) ticks = ticks << 8 | byte;
  // The reserved byte stands where a FILETIME of our age has its highest one that is not zero.
  return {ticks << 16};
}

}  // namespace mapigate::wire::blobs
