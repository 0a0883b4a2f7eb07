// Read and non-read receipts (RFC 8098, message disposition notifications).
#pragma once

#include <string>

#include "base/time.h"
#include "convert/byte_source.h"
#include "convert/headers.h"

namespace mapigate::convert {

struct ReadReceipt {
  Address reader, to;               // who read it, and who wanted to know
  std::string host;                 // for the Message-ID
  std::string subject, message_id;  // of the message that was read
  FileTime when;
  bool was_read = true;             // false: deleted without that
};
// An Internet message.
Result<ByteSource> write_read_receipt(const ReadReceipt& receipt);

}  // namespace mapigate::convert
