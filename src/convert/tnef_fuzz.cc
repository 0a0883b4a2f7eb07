// Any bytes as TNEF, and as .msg. What was read as TNEF is written and read again: nothing may be missing then.
#include <cstdlib>

#include "convert/msg.h"
#include "convert/tnef.h"
#include "wire/dump.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mapigate;
  const View bytes(data, size);
  convert::ObjectLimits limits;
  limits.max_bytes = std::size_t{1} << 22;
  if (const auto msg = convert::read_msg(bytes, limits)) {
    wire::JsonSink sink;
    convert::describe(sink, msg->message);
  }
  const auto read = convert::read_tnef(bytes, limits);
  if (!read) return 0;
  wire::TextSink sink;
  convert::describe(sink, read->message);
  const auto written = convert::write_tnef(read->message);
  if (!written) return 0;
  const auto again = convert::read_tnef(*written);
  if (!again || !again->problem.empty() || again->bad_checksums != 0) std::abort();
  if (again->message.attachments.size() != read->message.attachments.size()) std::abort();
  if (again->message.recipients.size() != read->message.recipients.size()) std::abort();
  return 0;
}
