// [MS-OXRTFEX] "Encapsulation": the HTML source travels in \*\htmltag destinations, and what an RTF reader
// shows instead stands between \htmlrtf and \htmlrtf0.
#include <algorithm>

#include "base/text.h"
#include "convert/html_parse.h"
#include "convert/rtf.h"

namespace mapigate::convert {

namespace {

// Appends UTF-8 text as RTF. A line end becomes `line_end`.
void append_rtf(std::string& out, std::string_view utf8, std::string_view line_end) {
  const auto units = to_utf16(utf8);
  for (std::size_t i = 0; i + 1 < units.size(); i += 2) {
    const unsigned c = units[i] | units[i + 1] << 8;
    switch (c) {
      case '\\':
        out += "\\\\";
        break;
      case '{':
        out += "\\{";
        break;
      case '}':
        out += "\\}";
        break;
      case '\t':
        out += "\\tab ";
        break;
      case '\r':
        break;
      case '\n':
        out += line_end;
        break;
      case 0:
        break;
      default:
        if (c >= 0x20 && c < 0x7F) {
          out += static_cast<char>(c);
        } else if (c < 0x80) {
          static constexpr char digits[] = "0123456789abcdef";
          out += "\\'";
          out += digits[c >> 4];
          out += digits[c & 15];
        } else {
          out += "\\u" + std::to_string(static_cast<std::int16_t>(c)) + "?";
        }
    }
  }
}

void append_tag(std::string& out, unsigned parameter, std::string_view html) {
  out += "{\\*\\htmltag" + std::to_string(parameter) + " ";
  append_rtf(out, html, "\\par ");
  out += "}";
}
void append_rendering(std::string& out, std::string_view rtf) {
  out += "\\htmlrtf ";
  out += rtf;
  out += "\\htmlrtf0 ";
}

// HtmlTagParameter says where a tag stands and of what kind it is; readers ignore it.
unsigned tag_parameter(const HtmlToken& token) {
  const bool end = token.kind == HtmlToken::Kind::end_tag;
  if (token.name == "html") return end ? 27 : 19;
  if (token.name == "head") return end ? 41 : 34;
  if (token.name == "body") return end ? 58 : 50;
  if (token.name == "br") return 116;
  return end ? 72 : 64;
}

std::string_view rendering_of(const HtmlToken& token) {
  const bool end = token.kind == HtmlToken::Kind::end_tag;
  const auto& name = token.name;
  if (name == "b" || name == "strong") return end ? "\\b0" : "\\b";
  if (name == "i" || name == "em") return end ? "\\i0" : "\\i";
  if (name == "u") return end ? "\\ul0" : "\\ul";
  if (name == "br") return "\\line";
  if (end && (name == "p" || name == "div" || name == "tr" || name == "li" || name == "pre" ||
              (name.size() == 2 && name[0] == 'h' && name[1] >= '1' && name[1] <= '6')))
    return "\\par";
  if (end && (name == "td" || name == "th")) return "\\tab";
  return {};
}

// Text between tags: references are source that shows as a character.
void append_text(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const auto special = std::min(text.find_first_of("&\n"), text.size());
    append_rtf(out, text.substr(0, special), "");
    text.remove_prefix(special);
    if (text.empty()) break;
    if (text[0] == '\n') {
      append_tag(out, 84, "\n");
      append_rendering(out, " ");
      text.remove_prefix(1);
      continue;
    }
    const auto semicolon = text.substr(0, 12).find(';');
    const auto source = semicolon == text.npos ? text.substr(0, 1) : text.substr(0, semicolon + 1);
    const auto shown = unescape_html(source);
    if (shown == source) {
      append_rtf(out, "&", "");
      text.remove_prefix(1);
      continue;
    }
    append_tag(out, 84, source);
    std::string rendering;
    append_rtf(rendering, shown, "");
    append_rendering(out, rendering);
    text.remove_prefix(source.size());
  }
}

constexpr std::string_view font_table =
    "\\deff0\\uc1{\\fonttbl{\\f0\\fswiss\\fcharset0 Arial;}}\r\n{\\colortbl;}\r\n";

}  // namespace

std::string html_to_rtf(std::string_view html) {
  std::string out = "{\\rtf1\\ansi\\ansicpg1252\\fromhtml1 ";
  out += font_table;
  out += "\\f0\\fs20 ";
  HtmlTokenizer tokens(html);
  std::string hidden;  // the element whose text is source only
  for (auto token = tokens.next(); token.kind != HtmlToken::Kind::end; token = tokens.next()) {
    switch (token.kind) {
      case HtmlToken::Kind::text:
        if (hidden.empty())
          append_text(out, token.source);
        else
          append_tag(out, 241, token.source);
        break;
      case HtmlToken::Kind::start_tag:
      case HtmlToken::Kind::end_tag: {
        append_tag(out, tag_parameter(token), token.source);
        const bool start = token.kind == HtmlToken::Kind::start_tag;
        if (token.name == "head" || token.name == "style" || token.name == "script" ||
            token.name == "title") {
          if (start && hidden.empty() && !token.inside.ends_with('/'))
            hidden = token.name;
          else if (!start && hidden == token.name)
            hidden.clear();
        } else if (token.name == "body") {
          hidden.clear();
        }
        if (const auto rendering = rendering_of(token); hidden.empty() && !rendering.empty())
          append_rendering(out, rendering);
        break;
      }
      default:
        append_tag(out, 241, token.source);
    }
    if (out.size() - std::min(out.rfind('\n'), out.size()) > 200) out += "\r\n";
  }
  out += "}\r\n";
  return out;
}

std::string text_to_rtf(std::string_view text) {
  std::string out = "{\\rtf1\\ansi\\ansicpg1252\\fromtext ";
  out += font_table;
  out += "\\f0\\fs20 ";
  append_rtf(out, text, "\\par\r\n");
  out += "}\r\n";
  return out;
}

}  // namespace mapigate::convert
