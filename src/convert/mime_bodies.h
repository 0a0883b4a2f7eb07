// The bodies of a message in every form, made on demand.
#pragma once

#include "convert/mime_content.h"

namespace mapigate::convert {

struct HtmlBody {
  Bytes bytes;
  unsigned code_page = 65001;
};

// Of the HTML, or of the text where there is none: what PidTagInternetCodepage says.
unsigned body_code_page(const Content& content, std::size_t limit);
std::string body_text(const Content& content, std::size_t limit);  // UTF-8, CR LF
HtmlBody body_html(const Content& content, std::size_t limit);     // as it came where that is possible
std::string body_html_utf8(const Content& content, std::size_t limit);

}  // namespace mapigate::convert
