// Meeting requests, responses and cancellations as text/calendar parts of the mails they leave in ([MS-OXCICAL] 2.1.3, RFC 6047).
#pragma once

#include <optional>

#include "convert/mime_writer.h"

namespace mapigate::convert {

struct MeetingPart {
  std::string method;    // "REQUEST"
  std::string calendar;  // UTF-8, lines end in CR LF
};
// None for other messages, and for meetings that have no time or nobody who holds them. `text`: the body, UTF-8.
std::optional<MeetingPart> meeting_part(const MessageData& message, const MimeWriteOptions& options, const std::string& text);

}  // namespace mapigate::convert
