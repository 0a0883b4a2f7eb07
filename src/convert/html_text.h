// HTML to plain text and back ([MS-OXBBODY] asks for each form of a body when one is there).
#pragma once

#include <string>
#include <string_view>

namespace mapigate::convert {

// UTF-8 in and out. Scripts, styles, comments and the head are dropped; paragraphs, lists, tables and
// links stay recognisable; lines end in CR LF. Never fails: broken markup is read as browsers do, roughly.
std::string html_to_text(std::string_view html);
// A complete document, with links made clickable and spaces kept; `charset` is what its head says.
std::string text_to_html(std::string_view text, std::string_view charset = "utf-8");
// The part of text_to_html() that goes into a body element.
std::string text_to_html_fragment(std::string_view text);
// &, <, > and quotes as entities.
std::string escape_html(std::string_view text);

// text/enriched (RFC 1896) as a fragment of HTML; fonts, colours and languages are left out.
std::string enriched_to_html(std::string_view text);

}  // namespace mapigate::convert
