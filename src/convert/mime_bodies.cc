#include "convert/mime_bodies.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "convert/charset.h"
#include "convert/html_parse.h"
#include "convert/html_text.h"

namespace mapigate::convert {

namespace {

constexpr unsigned utf8_page = 65001, ascii_page = 20127;

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

// RFC 3676: a line that ends in a space goes on in the next one of its quote depth; with DelSp that space is none.
std::string unflow(std::string_view text, bool delete_space) {
  std::string out;
  out.reserve(text.size());
  std::optional<std::size_t> going_on;  // the quote depth
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    auto line = text.substr(at, end - at);
    at = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    std::size_t depth = 0;
    while (depth < line.size() && line[depth] == '>') ++depth;
    line.remove_prefix(depth);
    if (line.starts_with(' ')) line.remove_prefix(1);
    const bool signature = line == "-- ";
    if (going_on && (*going_on != depth || signature)) {
      out += "\r\n";
      going_on.reset();
    }
    if (!going_on) {
      out.append(depth, '>');
      if (depth > 0 && !line.empty()) out += ' ';
    }
    const bool flowed = line.ends_with(' ') && !signature;
    if (flowed && delete_space) line.remove_suffix(1);
    out += line;
    if (flowed && at < text.size()) {
      going_on = depth;
      continue;
    }
    going_on.reset();
    if (end < text.size()) out += "\r\n";
  }
  return out;
}

// Half a character of UTF-8 at the end would make it look like text in another charset.
void drop_torn_character(Bytes& bytes) {
  std::size_t behind = 0;  // bytes that follow the first one of the last character
  while (behind < 3 && behind < bytes.size() && (bytes[bytes.size() - 1 - behind] & 0xC0) == 0x80) ++behind;
  if (behind == bytes.size()) return;
  const auto first = bytes[bytes.size() - 1 - behind];
  const std::size_t wanted = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
  if (wanted > behind) bytes.resize(bytes.size() - 1 - behind);
}

// `goes_on`: the rest of it is not there.
std::string entity_text(const Entity& entity, std::size_t limit, bool goes_on = false) {
  auto bytes = decoded_body(entity, limit);
  if (goes_on) drop_torn_character(bytes);
  auto text = decode_charset(bytes, charset_of(entity, bytes));
  // Half a tag would be shown as if it were whole.
  if (const auto tag = text.rfind('<'); goes_on && entity.type != "text/plain" && tag != text.npos && text.find('>', tag) == text.npos)
    text.resize(tag);
  if (entity.type == "text/enriched") return "<html><body>\r\n" + enriched_to_html(text) + "\r\n</body></html>\r\n";
  if (entity.type != "text/plain" || !equal_ignoring_ascii_case(entity.parameter("format"), "flowed")) return text;
  return unflow(text, equal_ignoring_ascii_case(entity.parameter("delsp"), "yes"));
}

// The code page of the part's own charset, if its bytes are in it; 0 otherwise.
unsigned labelled_page(const Entity& entity, View decoded) {
  const auto charset = charset_of(entity, decoded);
  if (charset.empty() && entity.type != "text/html") return is_ascii(decoded) ? ascii_page : 0;
  const auto page = code_page_of(charset);
  if (page == utf8_page) return is_utf8(decoded) ? page : 0;
  if (page == ascii_page) return is_ascii(decoded) ? page : 0;
  return page;
}

// The only part of a body that is nothing but text.
const Entity* only_text(const Content& content) {
  return content.body.size() == 1 && content.body[0].html == nullptr ? content.body[0].plain : nullptr;
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
  if (content.body.empty()) out = content.stand_in.empty() && content.has_html() ? html_to_text(content.stand_in_html) : normalize_lines(content.stand_in);
  for (const auto& segment : content.body) {
    append_line_break(out);
    // The sender's own rendering is taken even where HTML is the native body.
    if (segment.plain != nullptr)
      out += normalize_lines(entity_text(*segment.plain, limit, segment.plain == content.unfinished));
    else
      out += html_to_text(entity_text(*segment.html, limit, segment.html == content.unfinished));
    if (out.size() >= limit) break;
  }
  return std::string(utf8_prefix(out, limit));
}

std::string body_html_utf8(const Content& content, std::size_t limit) {
  if (!content.has_html()) return text_to_html(body_text(content, limit));
  if (content.body.empty()) return std::string(utf8_prefix(content.stand_in_html, limit));
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
  if (content.body.size() == 1 && content.has_html() && content.body[0].html->type == "text/html") {
    const auto& entity = *content.body[0].html;
    auto bytes = decoded_body(entity, limit);
    const auto page = labelled_page(entity, bytes);
    if (page != 0 && std::find(bytes.begin(), bytes.end(), 0) == bytes.end()) {
      out.bytes = std::move(bytes);
      out.code_page = page;
      return out;
    }
  }
  if (content.has_html()) {
    out.bytes = to_bytes(as_view(body_html_utf8(content, limit)));
    return out;
  }
  out.code_page = body_code_page(content, limit);
  const auto charset = out.code_page == utf8_page    ? std::string("utf-8")
                       : out.code_page == ascii_page ? std::string("us-ascii")
                                                     : lower_ascii(trim(only_text(content)->parameter("charset")));
  out.bytes = encode_html(text_to_html(body_text(content, limit), charset), out.code_page);
  return out;
}

unsigned body_code_page(const Content& content, std::size_t limit) {
  if (content.has_html()) return body_html(content, limit).code_page;
  const auto* entity = only_text(content);
  const auto page = entity == nullptr ? 0 : labelled_page(*entity, decoded_body(*entity, limit));
  return page == 0 ? utf8_page : page;
}

}  // namespace mapigate::convert
