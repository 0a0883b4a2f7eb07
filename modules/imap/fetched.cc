#include "fetched.h"

#include "convert/headers.h"
#include "convert/mime_message.h"

namespace mapigate::imap {

namespace {

// Class and icon ([MS-OXOCAL] 2.2.1.49 "PidTagIconIndex") of meeting messages.
struct MeetingKind {
  std::string_view method, message_class;
  std::int32_t icon;
};
constexpr MeetingKind meeting_kinds[] = {{"REQUEST", "IPM.Schedule.Meeting.Request", 0x404},
                                         {"COUNTER", "IPM.Schedule.Meeting.Resp.Tent", 0x407},
                                         {"CANCEL", "IPM.Schedule.Meeting.Canceled", 0x408}};

const MeetingKind* kind_of(const BodySummary& body) {
  for (const auto& kind : meeting_kinds)
    if (body.has_calendar && body.calendar_method == kind.method) return &kind;
  return nullptr;
}

void add_body_properties(const Fetched& one, mapi::PropertyBag& properties) {
  const auto& body = one.body;
  const bool has_attachments = one.has_attachments.value_or(body.has_attachments);
  properties.set_boolean(mapi::PidTagHasAttachments, has_attachments);
  if (has_attachments && !one.shows_files.value_or(body.shows_files)) properties.set_boolean(state::no_files_shown, true);
  const auto by_header = properties.string(mapi::PidTagMessageClass);
  properties.set_all(one.told);
  // Else what counts stands behind what was read, or nothing was.
  if (one.all_told || (!one.told.empty() && one.told.string(mapi::PidTagMessageClass) != "IPM.Note")) return;
  properties.set_string(mapi::PidTagMessageClass, by_header);
  if (body.encrypted) properties.set_string(mapi::PidTagMessageClass, "IPM.Note.SMIME");
  // A fax without a picture and a voice message without a voice are notes ([MS-OXCMAIL] 2.2.3.2.15).
  const bool fax = by_header.starts_with("IPM.Note.Microsoft.Fax");
  const bool voice = by_header.starts_with("IPM.Note.Microsoft.Voicemail") || by_header.starts_with("IPM.Note.Microsoft.Conversation");
  if ((fax && !body.has_tiff) || (voice && !body.has_audio)) properties.set_string(mapi::PidTagMessageClass, "IPM.Note");
  // Meeting messages carry their kind in a part that the header block does not show ([MS-OXCMAIL] 2.2.3.4).
  const auto* kind = kind_of(body);
  if (kind == nullptr || body.encrypted || by_header.starts_with("IPM.Note.SMIME")) return;
  properties.set_string(mapi::PidTagMessageClass, kind->message_class);
  properties.set_integer(mapi::PidTagIconIndex, kind->icon);
}

}  // namespace

bool has_to_be_read(const Fetched& one) {
  return one.body.content_type == "multipart/report" || one.body.has_calendar || one.body.has_tnef || one.body.deep;
}

void read_content(const Bytes& bytes, Fetched* one) {
  convert::MimeOptions options;
  if (one->received.ticks != 0) options.header.internal_date = one->received;
  auto parsed = convert::MimeMessage::parse(convert::ByteSource::from_bytes(bytes), options);
  if (!parsed) return;
  convert::add_content_properties(**parsed, one->told);
  one->all_told = one->size <= bytes.size();
  if (!one->all_told) return;
  one->has_attachments = !(*parsed)->attachments().empty();
  one->shows_files = (*parsed)->shows_files();
}

std::vector<state::Message> convert_all(const std::vector<Fetched>& batch) {
  std::vector<state::Message> out;
  out.reserve(batch.size());
  for (const auto& one : batch) {
    state::Message message;
    message.remote_key = one.uid;
    message.flags = one.flags;
    message.keywords = one.keywords;
    message.received = one.received;
    message.size = one.size;
    convert::HeaderOptions options;
    if (one.received.ticks != 0) options.internal_date = one.received;
    message.properties = convert::header_properties(one.header, options);
    add_body_properties(one, message.properties);
    out.push_back(std::move(message));
  }
  return out;
}

std::string header_items() {
  std::string out = "(UID FLAGS INTERNALDATE RFC822.SIZE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (";
  bool first = true;
  for (const auto name : convert::index_headers()) {
    if (!first) out += ' ';
    first = false;
    out += name;
  }
  return out + ")])";
}

}  // namespace mapigate::imap
