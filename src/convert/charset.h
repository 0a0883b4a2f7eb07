// Charset names of the Internet, and text whose charset is wrong, unknown or missing.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace mapigate::convert {

// The Windows code page of a charset (any case), as PidTagInternetCodepage has it; 0 when there is none.
unsigned code_page_of(std::string_view charset);
bool is_ascii(View bytes);
bool is_utf8(View bytes);
// To UTF-8. An empty or unknown charset, and us-ascii with 8-bit bytes in it, is guessed: UTF-8 if that is
// what it looks like, else windows-1252. NUL bytes are dropped.
std::string decode_charset(View bytes, std::string_view charset);
// A document in a code page (0: unknown, then in ASCII); what the page does not have as character references.
Bytes encode_html(std::string_view utf8, unsigned code_page);
// Code page 1252 or 65001 or 1200, whichever guessing says.
std::string guess_text(View bytes);

// Windows' number of a language, by its tag as in RFC 5646, and back ([MS-LCID] 2.2); 0 and "" when there is none.
std::int32_t locale_of_language(std::string_view tag);
std::string language_of_locale(std::int32_t locale);

}  // namespace mapigate::convert
