#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "convert/charset.h"
#include "convert/gmime_support.h"
#include "convert/headers.h"

namespace mapigate::convert {

GMimeParserOptions* parser_options() {
  static GMimeParserOptions* options = [] {
    g_mime_init();
    auto* made = g_mime_parser_options_new();
    static const char* charsets[] = {"utf-8", "windows-1252", nullptr};
    g_mime_parser_options_set_fallback_charsets(made, charsets);
    g_mime_parser_options_set_allow_addresses_without_domain(made, TRUE);
    g_mime_parser_options_set_address_compliance_mode(made, GMIME_RFC_COMPLIANCE_LOOSE);
    g_mime_parser_options_set_parameter_compliance_mode(made, GMIME_RFC_COMPLIANCE_LOOSE);
    g_mime_parser_options_set_rfc2047_compliance_mode(made, GMIME_RFC_COMPLIANCE_LOOSE);
    return made;
  }();
  return options;
}

std::vector<HeaderField> split_header(View block, std::size_t limit) {
  std::vector<HeaderField> out;
  const auto text = as_text(block.first(std::min(block.size(), limit)));
  std::size_t at = 0;
  bool continues = false;  // whether a folded line would belong to out.back()
  while (at < text.size()) {
    auto end = text.find('\n', at);
    if (end == text.npos) end = text.size();
    auto line = text.substr(at, end - at);
    at = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) break;
    if (line[0] == ' ' || line[0] == '\t') {
      if (continues) {
        auto& value = out.back().value;
        value = View(value.data(), as_view(line).data() + line.size());
      }
      continue;
    }
    const auto colon = line.find(':');
    continues = colon != line.npos && colon != 0;
    if (!continues) continue;
    auto name = line.substr(0, colon);
    while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) name.remove_suffix(1);
    continues = !name.empty() && first_of(name, " \t") == name.npos;
    if (continues) out.push_back({name, as_view(line.substr(colon + 1))});
  }
  return out;
}

const HeaderField* find_field(const std::vector<HeaderField>& fields, std::string_view name) {
  for (const auto& field : fields)
    if (field.name.size() == name.size() && equal_ignoring_ascii_case(field.name, name)) return &field;
  return nullptr;
}

namespace {

struct EncodedWord {
  std::string_view charset;
  std::string bytes;
  std::size_t end = 0;  // behind it, in the text it was found in
};

std::string decode_q(std::string_view text) {
  const auto hex = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_') {
      out += ' ';
    } else if (text[i] == '=' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) << 4 | hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string decode_b(std::string_view text) {
  std::string out;
  unsigned bits = 0;
  unsigned value = 0;
  for (const char c : text) {
    unsigned digit;
    if (c >= 'A' && c <= 'Z')
      digit = static_cast<unsigned>(c - 'A');
    else if (c >= 'a' && c <= 'z')
      digit = static_cast<unsigned>(c - 'a' + 26);
    else if (c >= '0' && c <= '9')
      digit = static_cast<unsigned>(c - '0' + 52);
    else if (c == '+' || c == '-')
      digit = 62;
    else if (c == '/' || c == '_')
      digit = 63;
    else if (c == '=') {
      bits = value = 0;
      continue;
    }  // words glued together behind their padding
    else
      continue;
    value = value << 6 | digit;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>(value >> bits & 0xFF);
    }
  }
  return out;
}

// The encoded word that starts at `at`, where "=?" stands. RFC 2047 section 2, with these broken forms
// accepted: spaces inside, a missing end at the end of the text, a language suffix (RFC 2231).
std::optional<EncodedWord> encoded_word(std::string_view text, std::size_t at) {
  const auto charset_end = text.find('?', at + 2);
  if (charset_end == text.npos || charset_end == at + 2 || charset_end - at > 64) return std::nullopt;
  if (charset_end + 2 >= text.size() || text[charset_end + 2] != '?') return std::nullopt;
  const char encoding = static_cast<char>(text[charset_end + 1] | 0x20);
  if (encoding != 'q' && encoding != 'b') return std::nullopt;
  EncodedWord word;
  word.charset = text.substr(at + 2, charset_end - at - 2);
  if (word.charset.find_first_of(" \t=") != word.charset.npos) return std::nullopt;
  word.charset = word.charset.substr(0, word.charset.find('*'));
  const auto start = charset_end + 3;
  auto end = text.find("?=", start);
  // In Q encoding "?=" can be a bare question mark before an escape: =?utf-8?q?what?=21?=
  while (encoding == 'q' && end != text.npos && end + 4 < text.size() &&
         std::isxdigit(static_cast<unsigned char>(text[end + 2])) != 0 &&
         std::isxdigit(static_cast<unsigned char>(text[end + 3])) != 0 &&
         text.find("?=", end + 2) != text.npos &&
         text.substr(end, text.find("?=", end + 2) - end).find_first_of(" \t") == text.npos)
    end = text.find("?=", end + 2);
  word.end = end == text.npos ? text.size() : end + 2;
  const auto content = text.substr(start, end == text.npos ? text.npos : end - start);
  word.bytes = encoding == 'q' ? decode_q(content) : decode_b(content);
  return word;
}

std::string decode_words(std::string_view text) {
  std::string out;
  std::string_view charset;  // of the bytes collected in `pending`
  std::string pending;       // adjacent words of one charset: characters may be split between them
  const auto flush = [&] {
    if (!pending.empty()) out += decode_charset(as_view(pending), charset);
    pending.clear();
  };
  bool after_word = false;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto found = text.find("=?", at);
    const auto word = found == text.npos ? std::nullopt : encoded_word(text, found);
    const auto plain_end = word ? found : found == text.npos ? text.size() : found + 2;
    const auto plain = text.substr(at, plain_end - at);
    const bool gap = plain.find_first_not_of(" \t") == plain.npos;
    if (!(word && after_word && gap) && !plain.empty()) {
      flush();
      out += is_ascii(as_view(plain)) ? std::string(plain) : guess_text(as_view(plain));
    }
    if (!word) {
      after_word = false;
      at = plain_end;
      continue;
    }
    if (!equal_ignoring_ascii_case(charset, word->charset)) flush();
    charset = word->charset;
    pending += word->bytes;
    after_word = true;
    at = word->end;
  }
  flush();
  return out;
}

}  // namespace

std::string decode_header_text(View raw) {
  // Unfolding takes out line breaks and leaves the white space behind them.
  std::string text;
  text.reserve(raw.size());
  bool plain = true;
  for (const auto c : raw) plain = plain && c >= 0x20 && c < 0x7F;
  if (plain) {
    text = as_text(raw);
  } else {
    plain = true;
    for (const auto c : raw) {
      if (c == '\r' || c == '\n' || c == 0) continue;
      if (c >= 0x80) plain = false;
      text += static_cast<char>(c);
    }
  }
  if (text.find("=?") != text.npos)
    text = decode_words(text);
  else if (!plain)
    text = guess_text(as_view(text));
  for (auto& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  return std::string(trim(text));
}

namespace {

std::string clean(const char* text) {
  return text == nullptr ? std::string() : decode_header_text(as_view(text));
}

void collect(InternetAddressList* list, std::size_t limit, unsigned depth, std::vector<Address>& out) {
  const int count = internet_address_list_length(list);
  for (int i = 0; i < count && out.size() < limit; ++i) {
    auto* address = internet_address_list_get_address(list, i);
    if (INTERNET_ADDRESS_IS_GROUP(address)) {
      if (depth < 4)
        collect(internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address)), limit, depth + 1, out);
      continue;
    }
    Address entry{clean(internet_address_get_name(address)),
                  clean(internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address)))};
    if (entry.name.size() >= 2 && entry.name.front() == '\'' && entry.name.back() == '\'')
      entry.name = entry.name.substr(1, entry.name.size() - 2);  // as Outlook quotes bare addresses
    if (!entry.name.empty() || !entry.address.empty()) out.push_back(std::move(entry));
  }
}

}  // namespace

namespace {

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '+'; }

// user@example.com at the beginning of `text`, taken off it; empty for all that needs thought.
std::string_view take_plain_address(std::string_view& text) {
  std::size_t end = 0, at_signs = 0;
  bool after_word = false;
  for (; end < text.size(); ++end) {
    const char c = text[end];
    if (is_word(c)) {
      after_word = true;
      continue;
    }
    if ((c != '.' && c != '@') || !after_word) break;
    at_signs += c == '@';
    after_word = false;
  }
  const auto address = text.substr(0, end);
  if (!after_word || at_signs != 1 || address.find("xn--") != address.npos) return {};
  text.remove_prefix(end);
  return address;
}

// A name of words with one space between them, or of RFC 2047 words alone; nullopt for all that needs thought.
std::optional<std::string> plain_name(std::string_view text) {
  constexpr std::string_view special = "()<>@,:;\"\\[]";
  bool encoded = text.starts_with("=?") && text.find_first_of(special) == text.npos;
  for (auto rest = text; encoded && !rest.empty();) {
    const auto end = std::min(rest.find(' '), rest.size());
    const auto word = rest.substr(0, end);
    encoded = word.size() > 6 && word.starts_with("=?") && word.ends_with("?=") && std::count(word.begin(), word.end(), '?') == 4;
    encoded = encoded && std::all_of(word.begin(), word.end(), [](char c) { return c > 0x20 && c < 0x7F; });
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (encoded) return decode_header_text(as_view(text));
  char before = ' ';
  for (const char c : text) {
    if (!is_word(c) && (c != ' ' || before == ' ')) return std::nullopt;
    before = c;
  }
  return std::string(text);
}

// The lists that nearly all fields hold, and that have one reading only: `Some Name <a@b.c>, "Name, Some" <a@b.c>, a@b.c`.
// The library makes half a dozen objects of each address, which was a fifth of what a message costs on its way into the index.
bool parse_plain_addresses(std::string_view text, std::size_t limit, std::vector<Address>& out) {
  const auto skip_spaces = [&text] { text.remove_prefix(std::min(text.find_first_not_of(' '), text.size())); };
  const auto taken = [&text](char c) {
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
  };
  while (out.size() < limit) {
    skip_spaces();
    Address one;
    bool bracket = taken('<');
    if (!bracket && taken('"')) {
      const auto end = text.find('"');
      const auto name = text.substr(0, end);
      if (end == text.npos || name.empty() || first_of(name, "\\=<>'") != name.npos || name != trim(name)) return false;
      if (!std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c < 0x7F; })) return false;
      one.name = name;
      text.remove_prefix(end + 1);
      skip_spaces();
      bracket = taken('<');
      if (!bracket) return false;
    } else if (!bracket) {
      const auto end = first_of(text, "<@");
      if (end != text.npos && text[end] == '<') {
        auto name = plain_name(trim(text.substr(0, end)));
        if (!name) return false;
        one.name = std::move(*name);
        text.remove_prefix(end + 1);
        bracket = true;
      }
    }
    const auto address = take_plain_address(text);
    if (address.empty() || (bracket && !taken('>'))) return false;
    one.address = address;
    out.push_back(std::move(one));
    skip_spaces();
    if (text.empty()) return true;
    if (!taken(',')) return false;
  }
  return true;
}

}  // namespace

std::vector<Address> parse_addresses(View raw, std::size_t limit) {
  std::vector<Address> out;
  if (parse_plain_addresses(as_text(raw), limit, out)) return out;
  out.clear();
  std::string text(as_text(raw));
  std::replace(text.begin(), text.end(), '\0', ' ');
  if (trim(text).empty()) return out;
  const GObjectPtr<InternetAddressList> list(internet_address_list_parse(parser_options(), text.c_str()));
  if (list != nullptr) collect(list.get(), limit, 0, out);
  if (!out.empty() || limit == 0) return out;
  // Not an address list at all: keep what a reader would recognise.
  auto decoded = decode_header_text(raw);
  if (decoded.find(':') != decoded.npos && decoded.ends_with(';')) return out;  // an empty group
  const auto at_sign = decoded.find('@');
  if (at_sign == decoded.npos) {
    if (!decoded.empty()) out.push_back({decoded, {}});
    return out;
  }
  constexpr std::string_view stops = " \t<>,;\"()";
  const auto begin = decoded.find_last_of(stops, at_sign);
  const auto first = begin == decoded.npos ? 0 : begin + 1;
  const auto end = decoded.find_first_of(stops, at_sign);
  out.push_back({{}, decoded.substr(first, end == decoded.npos ? end : end - first)});
  return out;
}

std::optional<FileTime> parse_date(View raw) {
  std::string text(as_text(raw.first(std::min<std::size_t>(raw.size(), 200))));
  for (auto& c : text)
    if (c == '\r' || c == '\n' || c == '\0') c = ' ';
  parser_options();
  GDateTime* date = g_mime_utils_header_decode_date(text.c_str());
  if (date == nullptr) return std::nullopt;
  const auto seconds = g_date_time_to_unix(date);
  g_date_time_unref(date);
  const auto time = from_unix(seconds);
  return time.ticks == 0 ? std::nullopt : std::optional(time);
}

SubjectParts split_subject(std::string_view subject) {
  // Up to three characters that are no digits, a colon, a space ([MS-OXCMSG] "PidTagSubjectPrefix").
  std::size_t i = 0;
  unsigned letters = 0;
  while (i < subject.size() && letters < 4) {
    const auto c = static_cast<unsigned char>(subject[i]);
    if (c == ':') {
      if (letters == 0 || i + 1 >= subject.size() || subject[i + 1] != ' ') break;
      return {subject.substr(0, i + 2), subject.substr(i + 2)};
    }
    if (c <= 0x20 || (c >= '0' && c <= '9')) break;
    ++letters;
    ++i;
    while (i < subject.size() && (static_cast<unsigned char>(subject[i]) & 0xC0) == 0x80) ++i;
  }
  return {{}, subject};
}

}  // namespace mapigate::convert
