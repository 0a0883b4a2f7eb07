// Any bytes as compressed RTF, as RTF and as something to compress.
#include <cstdlib>

#include "convert/html_text.h"
#include "convert/rtf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mapigate;
  const View bytes(data, size);
  if (const auto rtf = convert::decompress_rtf(bytes, 1 << 20)) (void)convert::rtf_to_text(*rtf);
  const auto text = as_text(bytes);
  const auto back = convert::decompress_rtf(convert::compress_rtf(text));
  if (!back || *back != text) std::abort();
  (void)convert::rtf_to_text(text);
  (void)convert::rtf_to_html(text);
  (void)convert::rtf_to_markup(text);
  (void)convert::html_to_text(text);
  if (!convert::rtf_to_html(convert::html_to_rtf(text))) std::abort();
  return 0;
}
