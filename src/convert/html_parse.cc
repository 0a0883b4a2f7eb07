#include "convert/html_parse.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace mapigate::convert {

namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

struct NamedReference {
  std::string_view name;
  char32_t c;
};
// Sorted by name. The first half of Latin-1 and what mail editors write (HTML 4.01 section 24).
constexpr auto named_references = std::to_array<NamedReference>({
    {"AElig", 0xC6},    {"Aacute", 0xC1},  {"Acirc", 0xC2},    {"Agrave", 0xC0},   {"Alpha", 0x391},
    {"Aring", 0xC5},    {"Atilde", 0xC3},  {"Auml", 0xC4},     {"Beta", 0x392},    {"Ccedil", 0xC7},
    {"Dagger", 0x2021}, {"Delta", 0x394},  {"ETH", 0xD0},      {"Eacute", 0xC9},   {"Ecirc", 0xCA},
    {"Egrave", 0xC8},   {"Euml", 0xCB},    {"Gamma", 0x393},   {"Iacute", 0xCD},   {"Icirc", 0xCE},
    {"Igrave", 0xCC},   {"Iuml", 0xCF},    {"Ntilde", 0xD1},   {"OElig", 0x152},   {"Oacute", 0xD3},
    {"Ocirc", 0xD4},    {"Ograve", 0xD2},  {"Omega", 0x3A9},   {"Oslash", 0xD8},   {"Otilde", 0xD5},
    {"Ouml", 0xD6},     {"Prime", 0x2033}, {"Scaron", 0x160},  {"Sigma", 0x3A3},   {"THORN", 0xDE},
    {"Uacute", 0xDA},   {"Ucirc", 0xDB},   {"Ugrave", 0xD9},   {"Uuml", 0xDC},     {"Yacute", 0xDD},
    {"Yuml", 0x178},    {"Zcaron", 0x17D}, {"aacute", 0xE1},   {"acirc", 0xE2},    {"acute", 0xB4},
    {"aelig", 0xE6},    {"agrave", 0xE0},  {"alpha", 0x3B1},   {"amp", '&'},       {"apos", '\''},
    {"aring", 0xE5},    {"asymp", 0x2248}, {"atilde", 0xE3},   {"auml", 0xE4},     {"bdquo", 0x201E},
    {"beta", 0x3B2},    {"brvbar", 0xA6},  {"bull", 0x2022},   {"ccedil", 0xE7},   {"cedil", 0xB8},
    {"cent", 0xA2},     {"circ", 0x2C6},   {"copy", 0xA9},     {"curren", 0xA4},   {"dagger", 0x2020},
    {"darr", 0x2193},   {"deg", 0xB0},     {"delta", 0x3B4},   {"divide", 0xF7},   {"eacute", 0xE9},
    {"ecirc", 0xEA},    {"egrave", 0xE8},  {"emsp", 0x2003},   {"ensp", 0x2002},   {"eth", 0xF0},
    {"euml", 0xEB},     {"euro", 0x20AC},  {"fnof", 0x192},    {"frac12", 0xBD},   {"frac14", 0xBC},
    {"frac34", 0xBE},   {"ge", 0x2265},    {"gt", '>'},        {"harr", 0x2194},   {"hellip", 0x2026},
    {"iacute", 0xED},   {"icirc", 0xEE},   {"iexcl", 0xA1},    {"igrave", 0xEC},   {"infin", 0x221E},
    {"iquest", 0xBF},   {"iuml", 0xEF},    {"laquo", 0xAB},    {"larr", 0x2190},   {"ldquo", 0x201C},
    {"le", 0x2264},     {"lrm", 0x200E},   {"lsaquo", 0x2039}, {"lsquo", 0x2018},  {"lt", '<'},
    {"macr", 0xAF},     {"mdash", 0x2014}, {"micro", 0xB5},    {"middot", 0xB7},   {"minus", 0x2212},
    {"mu", 0x3BC},      {"nbsp", 0xA0},    {"ndash", 0x2013},  {"ne", 0x2260},     {"not", 0xAC},
    {"ntilde", 0xF1},   {"oacute", 0xF3},  {"ocirc", 0xF4},    {"oelig", 0x153},   {"ograve", 0xF2},
    {"omega", 0x3C9},   {"ordf", 0xAA},    {"ordm", 0xBA},     {"oslash", 0xF8},   {"otilde", 0xF5},
    {"ouml", 0xF6},     {"para", 0xB6},    {"permil", 0x2030}, {"pi", 0x3C0},      {"plusmn", 0xB1},
    {"pound", 0xA3},    {"prime", 0x2032}, {"quot", '"'},      {"raquo", 0xBB},    {"rarr", 0x2192},
    {"rdquo", 0x201D},  {"reg", 0xAE},     {"rlm", 0x200F},    {"rsaquo", 0x203A}, {"rsquo", 0x2019},
    {"sbquo", 0x201A},  {"scaron", 0x161}, {"sect", 0xA7},     {"shy", 0xAD},      {"sigma", 0x3C3},
    {"sup1", 0xB9},     {"sup2", 0xB2},    {"sup3", 0xB3},     {"szlig", 0xDF},    {"thinsp", 0x2009},
    {"thorn", 0xFE},    {"tilde", 0x2DC},  {"times", 0xD7},    {"trade", 0x2122},  {"uacute", 0xFA},
    {"uarr", 0x2191},   {"ucirc", 0xFB},   {"ugrave", 0xF9},   {"uml", 0xA8},      {"uuml", 0xFC},
    {"yacute", 0xFD},   {"yen", 0xA5},     {"yuml", 0xFF},     {"zcaron", 0x17E},  {"zwj", 0x200D},
    {"zwnj", 0x200C},
});

// The C1 range of numeric references means windows-1252 in every browser.
constexpr char32_t c1_as_1252[32] = {0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021,
                                     0x2C6,  0x2030, 0x160,  0x2039, 0x152,  0x8D,   0x17D,  0x8F,
                                     0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                     0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};

// The character of the reference that starts at text[at] ('&') and the position behind it; 0 when it is none.
char32_t reference(std::string_view text, std::size_t at, std::size_t& behind) {
  auto end = at + 1;
  if (end < text.size() && text[end] == '#') {
    ++end;
    const bool hex = end < text.size() && (text[end] | 0x20) == 'x';
    if (hex) ++end;
    std::uint32_t value = 0;
    const auto digits = end;
    for (; end < text.size() && end - digits < 8; ++end) {
      const char c = text[end];
      const char lower = static_cast<char>(c | 0x20);
      if (c >= '0' && c <= '9')
        value = value * (hex ? 16 : 10) + static_cast<unsigned>(c - '0');
      else if (hex && lower >= 'a' && lower <= 'f')
        value = value * 16 + static_cast<unsigned>(lower - 'a' + 10);
      else
        break;
      value = std::min<std::uint32_t>(value, 0x110000);
    }
    if (end == digits) return 0;
    behind = end < text.size() && text[end] == ';' ? end + 1 : end;
    if (value >= 0x80 && value < 0xA0) return c1_as_1252[value - 0x80];
    return value == 0 ? 0xFFFD : value;
  }
  while (end < text.size() && end - at < 12 &&
         (is_letter(text[end]) || (text[end] >= '0' && text[end] <= '9')))
    ++end;
  const auto name = text.substr(at + 1, end - at - 1);
  const auto found =
      std::lower_bound(named_references.begin(), named_references.end(), name,
                       [](const NamedReference& entry, std::string_view key) { return entry.name < key; });
  if (found == named_references.end() || found->name != name) return 0;
  const bool closed = end < text.size() && text[end] == ';';
  if (!closed && found->c > 0xFF) return 0;  // only the oldest names may stand without the semicolon
  behind = closed ? end + 1 : end;
  return found->c;
}

}  // namespace

void append_utf8(std::string& out, char32_t c) {
  if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) c = 0xFFFD;
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

std::string unescape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    std::size_t behind = 0;
    const auto c = text[i] == '&' ? reference(text, i, behind) : 0;
    if (c != 0) {
      append_utf8(out, c);
      i = behind;
    } else {
      out += text[i++];
    }
  }
  return out;
}

HtmlToken HtmlTokenizer::take(HtmlToken::Kind kind, std::size_t end) {
  HtmlToken token;
  token.kind = kind;
  token.source = html_.substr(at_, end - at_);
  at_ = end;
  return token;
}

HtmlToken HtmlTokenizer::next() {
  using Kind = HtmlToken::Kind;
  if (at_ >= html_.size()) return {};
  if (!raw_until_.empty()) {
    auto end = html_.find("</", at_);
    while (end != html_.npos &&
           !equal_ignoring_ascii_case(html_.substr(end + 2, raw_until_.size()), raw_until_))
      end = html_.find("</", end + 2);
    raw_until_.clear();
    if (end == html_.npos) end = html_.size();
    if (end > at_) return take(Kind::text, end);
  }
  if (html_[at_] != '<') return take(Kind::text, std::min(html_.find('<', at_), html_.size()));
  const char second = at_ + 1 < html_.size() ? html_[at_ + 1] : '\0';
  if (html_.substr(at_, 4) == "<!--") {
    const auto end = html_.find("-->", at_ + 4);
    return take(Kind::other, end == html_.npos ? html_.size() : end + 3);
  }
  if (second == '!' || second == '?') {
    const auto end = html_.find('>', at_);
    return take(Kind::other, end == html_.npos ? html_.size() : end + 1);
  }
  const bool closing = second == '/';
  auto name_start = at_ + (closing ? 2 : 1);
  if (name_start >= html_.size() || !is_letter(html_[name_start]))
    return take(Kind::text, std::min(html_.find('<', at_ + 1), html_.size()));
  auto name_end = name_start;
  while (name_end < html_.size() && !is_space(html_[name_end]) && html_[name_end] != '>' &&
         html_[name_end] != '/')
    ++name_end;
  // A '>' within a quoted attribute value does not end the tag.
  auto end = name_end;
  char quote = '\0';
  for (; end < html_.size(); ++end) {
    const char c = html_[end];
    if (quote != '\0') {
      if (c == quote) quote = '\0';
    } else if (c == '>') {
      break;
    } else if ((c == '"' || c == '\'') && html_[end - 1] == '=') {
      quote = c;
    }
  }
  if (end >= html_.size()) end = std::min(html_.find('>', name_end), html_.size());  // an unclosed quote
  const auto inside = html_.substr(name_end, end - name_end);
  auto name = lower_ascii(html_.substr(name_start, name_end - name_start));
  auto token = take(closing ? Kind::end_tag : Kind::start_tag, std::min(end + 1, html_.size()));
  token.name = std::move(name);
  token.inside = inside;
  if (!closing &&
      (token.name == "script" || token.name == "style" || token.name == "title" || token.name == "xmp"))
    raw_until_ = token.name;
  return token;
}

std::string html_attribute(std::string_view inside, std::string_view name) {
  std::size_t i = 0;
  while (i < inside.size()) {
    while (i < inside.size() && (is_space(inside[i]) || inside[i] == '/')) ++i;
    const auto start = i;
    while (i < inside.size() && !is_space(inside[i]) && inside[i] != '=' && inside[i] != '/') ++i;
    const auto key = inside.substr(start, i - start);
    while (i < inside.size() && is_space(inside[i])) ++i;
    std::string_view value;
    if (i < inside.size() && inside[i] == '=') {
      ++i;
      while (i < inside.size() && is_space(inside[i])) ++i;
      if (i < inside.size() && (inside[i] == '"' || inside[i] == '\'')) {
        const auto close = std::min(inside.find(inside[i], i + 1), inside.size());
        value = inside.substr(i + 1, close - i - 1);
        i = std::min(close + 1, inside.size());
      } else {
        const auto first = i;
        while (i < inside.size() && !is_space(inside[i])) ++i;
        value = inside.substr(first, i - first);
      }
    }
    if (!key.empty() && equal_ignoring_ascii_case(key, name)) return unescape_html(value);
    if (key.empty() && value.empty() && i == start) ++i;
  }
  return {};
}

}  // namespace mapigate::convert
