// Compressed RTF ([MS-OXRTFCP]) and HTML or text carried inside RTF ([MS-OXRTFEX]).
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace mapigate::convert {

// The value of PidTagRtfCompressed. compress_rtf() writes the compressed form (LZFu), or with
// `stored` the uncompressed one (MELA).
Bytes compress_rtf(std::string_view rtf, bool stored = false);
// Both forms. Errc::malformed on a bad header, checksum or reference; Errc::limit when more than
// `limit` bytes would come out.
// `partial`, if given, gets what came out before an error that an offset is named for, or in spite of a wrong checksum.
Result<std::string> decompress_rtf(View compressed, std::size_t limit = std::size_t{64} << 20, std::string* partial = nullptr);

// RTF that carries `html` (UTF-8) so that it can be had back, with `\fromhtml1`.
std::string html_to_rtf(std::string_view html);
// RTF with the text, `\fromtext`.
std::string text_to_rtf(std::string_view text);

enum class RtfContent { rtf, text, html };
// What an RTF document says it was made from.
RtfContent rtf_content(std::string_view rtf);
// The HTML that was encapsulated; Errc::not_found when the document carries none. UTF-8.
Result<std::string> rtf_to_html(std::string_view rtf);
// A document that looks like the RTF: paragraphs, bold, italic, underlined, struck, size and colour of characters, links.
// For documents that were RTF in the first place. UTF-8.
std::string rtf_to_markup(std::string_view rtf);
// The visible text of any RTF document, UTF-8 with CR LF.
std::string rtf_to_text(std::string_view rtf);

}  // namespace mapigate::convert
