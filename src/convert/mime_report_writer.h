// Report objects as multipart/report (RFC 6522, [MS-OXCMAIL] 2.1.3.6).
#pragma once

#include <optional>

#include "convert/mime_writer.h"

namespace mapigate::convert {

struct ReportPart {
  std::string type;    // "delivery-status" or "disposition-notification"
  std::string fields;  // the body of message/<type>
  std::string text;    // UTF-8; says the same to people, for reports that have no text of their own
};
// None for messages that are no reports.
std::optional<ReportPart> report_part(const MessageData& message, const MimeWriteOptions& options);

}  // namespace mapigate::convert
