#include "convert/mime_meeting_writer.h"

#include <algorithm>

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

// Zero and empty values where it is not there.
PropertyTag tag_of(const NamedProperty& wanted, const MimeWriteOptions& options) {
  for (const auto& [id, name] : options.names)
    if (name == PropertyName(wanted)) return PropertyTag(id, wanted.type);
  return PropertyTag(0, wanted.type);
}
bool is_proposal(const MessageData& message, const MimeWriteOptions& options) {
  return message.properties.number(tag_of(PidLidAppointmentCounterProposal, options)) != 0;
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
std::vector<Attendee> invited(const MessageData& message, bool bcc, bool asked) {
  constexpr std::int64_t recipOrganizer = 0x02, recipExceptionalDeleted = 0x20;  // [MS-OXOCAL] 2.2.4.10.1
  const auto most_type = bcc ? recipient_bcc : recipient_cc;
  std::vector<Attendee> out;
  for (const auto& one : message.recipients) {
    const auto type = one.type & 0x0F;
    if (out.size() >= max_attendees || (one.properties.number(PidTagRecipientFlags) & (recipOrganizer | recipExceptionalDeleted)) != 0 || type < recipient_to || type > most_type) continue;
    out.push_back(attendee_of(recipient_address(one.properties), type));
    out.back().asked = asked;
    out.back().track_status = static_cast<std::int32_t>(one.properties.number(PidTagRecipientTrackStatus));
  }
  return out;
}

// The attachments that are changed instances of the series ([MS-OXOCAL] 2.2.10); `places`: where they stand in the message.
std::vector<InstanceSource> instances_in(const MessageData& message, const MimeWriteOptions& options, std::vector<std::size_t>& places) {
  constexpr std::int64_t afException = 2;
  // A message without such recipients leaves as it is kept.
  const bool bcc = options.bcc && std::any_of(message.recipients.begin(), message.recipients.end(), [](const auto& one) { return (one.type & 0x0F) == recipient_bcc; });
  std::vector<InstanceSource> out;
  for (std::size_t i = 0; i < message.attachments.size() && out.size() < max_exceptions; ++i) {
    const auto& one = message.attachments[i];
    if (!one.embedded || (one.properties.number(PidTagAttachmentFlags) & afException) == 0) continue;
    const auto& inner = *one.embedded;
    InstanceSource instance;
    instance.replaced = inner.properties.time(tag_of(PidLidExceptionReplaceTime, options));
    if (instance.replaced.ticks == 0) instance.replaced = one.properties.time(PidTagExceptionReplaceTime);
    instance.local_start = one.properties.time(PidTagExceptionStartTime);
    // Else it is the series' ([MS-OXOCAL] 2.2.10.2.6).
    if (inner.properties.number(tag_of(PidLidFExceptionalBody, options)) != 0) {
      auto bodies = bodies_of(inner.properties);
      instance.text = std::move(bodies.text), instance.html = std::move(bodies.html);
    }
    instance.attendees = invited(inner, bcc, message.properties.number(PidTagResponseRequested) != 0);
    out.push_back(std::move(instance));
    places.push_back(i);
  }
  return out;
}

}  // namespace

std::optional<MeetingPart> meeting_part(const MessageData& message, const MimeWriteOptions& options, const TextBodies& bodies) {
  const auto& bag = message.properties;
  const auto* kind = kind_of(bag);
  if (kind == nullptr) return std::nullopt;
  auto method = kind->method;
  EventSource source{bag, options.names, {}, {}, subject_of(bag), bodies.text, bodies.html, {}};
  std::vector<std::size_t> places, told;
  // Whom the message comes from, were it sent by a delegate: the calendar knows nobody else.
  const auto from = attendee_of(represented_of(bag, options), 1);
  if (method == CalendarMethod::reply) {
    if (is_proposal(message, options)) method = CalendarMethod::counter;
    source.attendees = {from};
    source.attendees[0].track_status = kind->answer;
    const auto to = invited(message, options.bcc, false);
    if (!to.empty()) source.organizer = to[0];
  } else {
    source.organizer = from;
    source.attendees = invited(message, options.bcc, method == CalendarMethod::request && bag.number(PidTagResponseRequested) != 0);
    source.instances = instances_in(message, options, places);
  }
  if (source.organizer.address.empty()) return std::nullopt;
  auto calendar = write_calendar(source, method, &told);
  // Nobody could read what is larger.
  if (!calendar || calendar->size() > max_calendar_bytes) return std::nullopt;
  for (auto& one : told) one = places[one];
  return MeetingPart{std::string(name_of(method)), std::move(*calendar), std::move(told)};
}

}  // namespace mapigate::convert
