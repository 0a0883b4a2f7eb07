// Any bytes as what stands beside a message: what is read is written as it was.
#include <cstdlib>

#include "convert/mime_supplement.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mapigate;
  const auto read = convert::parse_supplement(View(data, size));
  if (!read) return 0;
  const auto written = convert::serialize(**read);
  const auto again = convert::parse_supplement(written);
  if (!again || convert::serialize(**again) != written) std::abort();
  static const auto mime = *convert::MimeMessage::parse(convert::ByteSource::from_string(
      "From: a@example.test\r\nTo: b@example.test\r\nContent-Type: application/pdf\r\n\r\nx"));
  (void)convert::belongs_to(**read, mime->recipients());
  (void)convert::belongs_to(**read, mime->attachments());
  std::vector<std::uint16_t> ids;
  convert::collect_named(**read, ids);
  return 0;
}
