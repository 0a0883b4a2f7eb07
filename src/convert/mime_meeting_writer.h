// Meeting requests, responses and cancellations as text/calendar parts of the mails they leave in ([MS-OXCICAL] 2.1.3, RFC 6047).
#pragma once

#include <optional>

#include "convert/mime_writer_parts.h"

namespace mapigate::convert {

struct MeetingPart {
  std::string method;    // "REQUEST"
  std::string calendar;  // UTF-8, lines end in CR LF
  std::vector<std::size_t> instances;  // the attachments that are in it, in the order in which they are read again
};
// None for other messages, and for meetings that have no time or nobody who holds them.
std::optional<MeetingPart> meeting_part(const MessageData& message, const MimeWriteOptions& options, const TextBodies& bodies);

}  // namespace mapigate::convert
