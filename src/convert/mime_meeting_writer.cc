#include "convert/mime_meeting_writer.h"

#include "base/text.h"
#include "convert/ical_event_writer.h"
#include "convert/ical_meeting.h"
#include "convert/mime_writer_parts.h"

namespace mapigate::convert {

using namespace mapi;

namespace {

constexpr std::int32_t respNone = 0, respTentative = 2, respAccepted = 3, respDeclined = 4;

struct Kind {
  std::string_view class_start;
  CalendarMethod method;
  std::int32_t answer;
};
// [MS-OXCICAL] 2.1.3.1.1.1; of each class those, too, that begin so.
constexpr Kind kinds[] = {{"ipm.schedule.meeting.request", CalendarMethod::request, respNone},
                          {"ipm.schedule.meeting.canceled", CalendarMethod::cancel, respNone},
                          {"ipm.schedule.meeting.resp.pos", CalendarMethod::reply, respAccepted},
                          {"ipm.schedule.meeting.resp.neg", CalendarMethod::reply, respDeclined},
                          {"ipm.schedule.meeting.resp.tent", CalendarMethod::reply, respTentative}};

const Kind* kind_of(const PropertyBag& bag) {
  const auto name = lower_ascii(bag.string(PidTagMessageClass));
  for (const auto& one : kinds)
    if (name == one.class_start || name.starts_with(std::string(one.class_start) + ".")) return &one;
  return nullptr;
}

bool is_proposal(const MessageData& message, const MimeWriteOptions& options) {
  for (const auto& [id, name] : options.names)
    if (name == PropertyName(PidLidAppointmentCounterProposal)) return message.properties.number(PropertyTag(id, PropertyType::PtypBoolean)) != 0;
  return false;
}

Attendee attendee_of(const Address& who, std::int32_t type) {
  Attendee out;
  out.address = one_word(who.address);
  out.name = words(who.name);
  if (out.name == out.address) out.name.clear();
  out.type = type;
  return out;
}

// Without those of whom the others are not told.
std::vector<Attendee> invited(const MessageData& message, const MimeWriteOptions& options, bool asked) {
  constexpr std::int64_t recipOrganizer = 2;
  const auto most_type = options.bcc ? recipient_bcc : recipient_cc;
  std::vector<Attendee> out;
  for (const auto& one : message.recipients) {
    const auto type = one.type & 0x0F;
    if (out.size() >= max_attendees || (one.properties.number(PidTagRecipientFlags) & recipOrganizer) != 0 || type < recipient_to || type > most_type) continue;
    out.push_back(attendee_of(recipient_address(one.properties), type));
    out.back().asked = asked;
    out.back().track_status = static_cast<std::int32_t>(one.properties.number(PidTagRecipientTrackStatus));
  }
  return out;
}

}  // namespace

std::optional<MeetingPart> meeting_part(const MessageData& message, const MimeWriteOptions& options, const std::string& text) {
  const auto& bag = message.properties;
  const auto* kind = kind_of(bag);
  if (kind == nullptr) return std::nullopt;
  auto method = kind->method;
  EventSource source{bag, options.names, {}, {}, subject_of(bag), text};
  // Whom the message comes from, were it sent by a delegate: the calendar knows nobody else.
  const auto from = attendee_of(represented_of(bag, options), 1);
  if (method == CalendarMethod::reply) {
    if (is_proposal(message, options)) method = CalendarMethod::counter;
    source.attendees = {from};
    source.attendees[0].track_status = kind->answer;
    const auto to = invited(message, options, false);
    if (!to.empty()) source.organizer = to[0];
  } else {
    source.organizer = from;
    source.attendees = invited(message, options, method == CalendarMethod::request && bag.number(PidTagResponseRequested) != 0);
  }
  if (source.organizer.address.empty()) return std::nullopt;
  auto calendar = write_calendar(source, method);
  // Nobody could read what is larger.
  if (!calendar || calendar->size() > max_calendar_bytes) return std::nullopt;
  return MeetingPart{std::string(name_of(method)), std::move(*calendar)};
}

}  // namespace mapigate::convert
