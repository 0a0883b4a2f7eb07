// A forgiving HTML tokenizer and character references, for the converters of this folder.
#pragma once

#include <string>
#include <string_view>

namespace mapigate::convert {

struct HtmlToken {
  enum class Kind { text, start_tag, end_tag, other, end };
  Kind kind = Kind::end;
  std::string_view source;  // as it stands in the document
  std::string name;         // of a tag: lower case
  std::string_view inside;  // of a tag: what follows its name
};

// Tokens in order; together their sources are the document. Inside script, style and the like everything up
// to the matching end tag is one text.
class HtmlTokenizer {
 public:
  explicit HtmlTokenizer(std::string_view html) : html_(html) {}
  HtmlToken next();

 private:
  HtmlToken take(HtmlToken::Kind kind, std::size_t end);

  std::string_view html_;
  std::size_t at_ = 0;
  std::string raw_until_;  // the element whose content is raw text now
};

// The value of an attribute, references resolved; empty when it is not there.
std::string html_attribute(std::string_view inside, std::string_view name);
// Resolves &amp;, &#8212;, &#x2014; and the common named references; others stay as they are.
std::string unescape_html(std::string_view text);
void append_utf8(std::string& out, char32_t c);  // surrogates and beyond U+10FFFF become U+FFFD

}  // namespace mapigate::convert
