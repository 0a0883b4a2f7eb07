// Messages that leave with everything in a winmail.dat ([MS-OXTNEF], [MS-OXCMAIL] 2.1.3.2.26).
#pragma once

#include "convert/mime_writer.h"

namespace mapigate::convert {

enum class TnefPolicy : std::uint8_t {
  never,
  asked,   // where the message says so, or all its recipients take rich text
  always,
};
// `names`: of the named properties in the message. Signed and encrypted messages and reports never do.
bool leaves_as_tnef(const MessageData& message, const std::map<std::uint16_t, mapi::PropertyName>& names, TnefPolicy policy);

// The stream that goes with a message of that id. Errc::limit: the message is too large or too deep for that.
Result<Bytes> tnef_of(const MessageData& message, const MimeWriteOptions& options, std::string_view message_id);

// The ids of all named properties in a message, its recipients, attachments and the messages within it.
void collect_named(const MessageData& message, std::vector<std::uint16_t>& ids);

}  // namespace mapigate::convert
