// Any bytes as a message: everything that can be had from it is had.
#include <cstdlib>

#include "convert/mime_message.h"
#include "convert/rtf.h"
#include "convert/text_beginning.h"

namespace {

void take(const mapigate::convert::MimeMessage& message, unsigned depth) {
  const auto text = message.text();
  if (text.find('\0') != text.npos) std::abort();
  (void)message.html();
  if (!mapigate::convert::decompress_rtf(message.rtf_compressed())) std::abort();
  for (std::size_t i = 0; i < message.attachments().size() && i < 50; ++i) {
    const auto data = message.attachment_data(i);
    if (!data || data->size() != *message.attachment_size(i)) std::abort();
    if (auto inner = message.embedded(i); inner && depth < 4) take(**inner, depth + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mapigate;
  const View bytes(data, size);
  (void)convert::header_properties(bytes);
  const auto source = convert::ByteSource::from_bytes(to_bytes(bytes));
  const auto message = convert::MimeMessage::parse(source);
  if (!message) std::abort();
  take(**message, 0);
  constexpr std::size_t characters = 300;
  if (!(*message)->text().starts_with(convert::text_beginning(source, true, characters).text)) std::abort();
  (void)convert::text_beginning(source, false, characters);
  return 0;
}
