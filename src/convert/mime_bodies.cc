#include "convert/mime_bodies.h"

#include <algorithm>

#include "base/text.h"
#include "convert/charset.h"
#include "convert/html_parse.h"
#include "convert/html_text.h"

namespace mapigate::convert {

namespace {

// The charset that an HTML document names itself, within its first bytes.
std::string meta_charset(View html) {
  HtmlTokenizer tokens(as_text(html.first(std::min<std::size_t>(html.size(), 2048))));
  for (auto token = tokens.next(); token.kind != HtmlToken::Kind::end; token = tokens.next()) {
    if (token.kind != HtmlToken::Kind::start_tag || token.name != "meta") continue;
    if (auto charset = html_attribute(token.inside, "charset"); !charset.empty()) return charset;
    const auto content = lower_ascii(html_attribute(token.inside, "content"));
    const auto at = content.find("charset=");
    if (at != content.npos) return std::string(trim(content.substr(at + 8)));
  }
  return {};
}

std::string charset_of(const Entity& entity, View decoded) {
  auto charset = entity.parameter("charset");
  if (entity.type == "text/html" && (charset.empty() || equal_ignoring_ascii_case(charset, "us-ascii"))) {
    if (auto named = meta_charset(decoded); !named.empty() && !is_ascii(decoded)) return named;
  }
  return charset;
}

std::string entity_text(const Entity& entity, std::size_t limit) {
  const auto bytes = decoded_body(entity, limit);
  return decode_charset(bytes, charset_of(entity, bytes));
}

// Every line end as CR LF; a final one where there is text.
std::string normalize_lines(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32 + 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') {
      out += "\r\n";
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
    } else if (text[i] == '\n') {
      out += "\r\n";
    } else {
      out += text[i];
    }
  }
  return out;
}

void append_line_break(std::string& text) {
  if (!text.empty() && !text.ends_with("\r\n")) text += "\r\n";
}

// Inserts a fragment behind what the document shows so far.
void append_to_document(std::string& document, std::string_view fragment) {
  const auto lower = lower_ascii(document);
  auto at = lower.rfind("</body");
  if (at == lower.npos) at = lower.rfind("</html");
  if (at == lower.npos) at = document.size();
  document.insert(at, fragment);
}

// What stands between the body tags of a document.
std::string_view body_of(std::string_view document) {
  const auto lower = lower_ascii(document);
  auto begin = lower.find("<body");
  begin = begin == lower.npos ? 0 : std::min(lower.find('>', begin), lower.size() - 1) + 1;
  auto end = lower.rfind("</body");
  if (end == lower.npos || end < begin) end = document.size();
  return document.substr(begin, end - begin);
}

}  // namespace

std::string body_text(const Content& content, std::size_t limit) {
  std::string out;
  for (const auto& segment : content.body) {
    append_line_break(out);
    // The sender's own rendering is taken even where HTML is the native body.
    if (segment.plain != nullptr)
      out += normalize_lines(entity_text(*segment.plain, limit));
    else
      out += html_to_text(entity_text(*segment.html, limit));
    if (out.size() >= limit) break;
  }
  return std::string(utf8_prefix(out, limit));
}

std::string body_html_utf8(const Content& content, std::size_t limit) {
  if (!content.has_html()) return text_to_html(body_text(content, limit));
  std::string out;
  for (const auto& segment : content.body) {
    const bool first = out.empty();
    if (segment.html != nullptr) {
      auto html = entity_text(*segment.html, limit);
      if (first)
        out = std::move(html);
      else
        append_to_document(out, "<br>\r\n" + std::string(body_of(html)));
    } else {
      const auto text = entity_text(*segment.plain, limit);
      if (first)
        out = text_to_html(text);
      else
        append_to_document(out,
                           "<br>\r\n<div class=\"PlainText\">" + text_to_html_fragment(text) + "</div>\r\n");
    }
    if (out.size() >= limit) break;
  }
  return out;
}

HtmlBody body_html(const Content& content, std::size_t limit) {
  HtmlBody out;
  if (content.body.size() == 1 && content.has_html()) {
    const auto& entity = *content.body[0].html;
    auto bytes = decoded_body(entity, limit);
    const auto page = code_page_of(charset_of(entity, bytes));
    const bool as_labelled = page == 65001 ? is_utf8(bytes) : page == 20127 ? is_ascii(bytes) : page != 0;
    if (as_labelled && std::find(bytes.begin(), bytes.end(), 0) == bytes.end()) {
      out.bytes = std::move(bytes);
      out.code_page = page;
      return out;
    }
  }
  out.bytes = to_bytes(as_view(body_html_utf8(content, limit)));
  return out;
}

}  // namespace mapigate::convert
