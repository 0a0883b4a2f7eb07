// Text: UTF-8 inside, UTF-16LE and code pages on the wire.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace mapigate {

// A UTF-16LE string on the wire, without its terminator; kept as bytes so that
// unpaired surrogates survive a round trip. `bytes.size()` is even.
struct Utf16 {
  View bytes;
  std::size_t size() const { return bytes.size() / 2; }  // code units
  bool empty() const { return bytes.empty(); }
  char16_t at(std::size_t i) const { return static_cast<char16_t>(bytes[2 * i] | bytes[2 * i + 1] << 8); }
};

std::string to_utf8(Utf16 text);                       // unpaired surrogates become U+FFFD
Utf16 to_utf16(Arena& arena, std::string_view utf8);   // broken UTF-8 becomes U+FFFD
Bytes to_utf16(std::string_view utf8);
Bytes upper_utf16(std::string_view utf8);  // the way Windows does for names: unit by unit

// Windows code page (1252, 65001, 932 …) to UTF-8 and back; an unknown page is
// treated as 1252. What the page cannot hold becomes '?'.
std::string from_code_page(std::string_view text, unsigned code_page);
std::string to_code_page(std::string_view utf8, unsigned code_page);
bool known_code_page(unsigned code_page);

// Case folding after Unicode (ICU), for comparisons that ignore case. With
// `loose`, diacritics and width are ignored as well (FL_LOOSE).
std::string fold(std::string_view utf8, bool loose = false);

// Order of two strings for sorting tables, case-insensitive, in the root
// collation of Unicode: negative, zero or positive.
int collate(std::string_view a, std::string_view b);
// A byte string that sorts with memcmp as collate() orders the text.
std::string collation_key(Utf16 text);

std::string lower_ascii(std::string_view text);
bool equal_ignoring_ascii_case(std::string_view a, std::string_view b);
std::string_view trim(std::string_view text);
// As text.find_first_of(set), which calls memchr for each character.
constexpr std::size_t first_of(std::string_view text, std::string_view set) {
  for (std::size_t i = 0; i < text.size(); ++i)
    for (const char c : set)
      if (text[i] == c) return i;
  return std::string_view::npos;
}
// For a part of a URL: all but letters, digits and -._~@ as %XX.
std::string percent_encode(std::string_view text);
// Of a path or a query: %XX, and + for a space.
std::string percent_decode(std::string_view text);
// The value of a parameter of a query ("a=1&b=2"), decoded; its name is compared without case. Empty when it is absent.
std::string query_parameter(std::string_view query, std::string_view name);
// The longest prefix of at most `limit` bytes that does not cut a code point.
std::string_view utf8_prefix(std::string_view utf8, std::size_t limit);

// The candidate nearest to `word` by edit distance, or empty when none is near;
// for error messages that propose a spelling.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace mapigate
