#include "convert/charset.h"

#include <unicode/ucnv.h>
#include <unicode/uloc.h>
#include <unicode/unistr.h>
#include <unicode/ustring.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <string>

#include "base/text.h"

namespace mapigate::convert {

namespace {

struct Known {
  std::string_view name;
  unsigned code_page;
};
// Names as they stand in mail; Windows' own names ("windows-1250", "cp850") are computed.
constexpr Known known_charsets[] = {
    {"utf-8", 65001},
    {"utf8", 65001},
    {"unicode-1-1-utf-8", 65001},
    {"us-ascii", 20127},
    {"ascii", 20127},
    {"ansi_x3.4-1968", 20127},
    {"iso-8859-1", 28591},
    {"latin1", 28591},
    {"iso8859-1", 28591},
    {"iso_8859-1", 28591},
    {"iso-latin-1", 28591},
    {"l1", 28591},
    {"iso-8859-2", 28592},
    {"iso-8859-3", 28593},
    {"iso-8859-4", 28594},
    {"iso-8859-5", 28595},
    {"iso-8859-6", 28596},
    {"iso-8859-7", 28597},
    {"iso-8859-8", 28598},
    {"iso-8859-8-i", 38598},
    {"iso-8859-9", 28599},
    {"iso-8859-13", 28603},
    {"iso-8859-15", 28605},
    {"koi8-r", 20866},
    {"koi8-u", 21866},
    {"shift_jis", 932},
    {"shift-jis", 932},
    {"x-sjis", 932},
    {"iso-2022-jp", 50220},
    {"euc-jp", 51932},
    {"iso-2022-kr", 50225},
    {"euc-kr", 51949},
    {"ks_c_5601-1987", 949},
    {"gb2312", 936},
    {"gb_2312-80", 936},
    {"x-gbk", 936},
    {"eucgb2312_cn", 936},  // what Python calls it in mail
    {"gbk", 936},
    {"gb18030", 54936},
    {"hz-gb-2312", 52936},
    {"big5", 950},
    {"tis-620", 874},
    {"macintosh", 10000},
};

// ICU counts in 32 bits, and an UTF-16 text may be three times its source.
constexpr std::size_t max_convert = std::numeric_limits<std::int32_t>::max() / 8;

std::string convert(View bytes, const std::string& name) {
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<UConverter, decltype(&ucnv_close)> converter(ucnv_open(name.c_str(), &status),
                                                                     &ucnv_close);
  if (U_FAILURE(status)) return guess_text(bytes);
  const icu::UnicodeString wide(reinterpret_cast<const char*>(bytes.data()),
                                static_cast<std::int32_t>(std::min(bytes.size(), max_convert)),
                                converter.get(), status);
  if (U_FAILURE(status)) return guess_text(bytes);
  std::string out;
  wide.toUTF8String(out);
  return out;
}

std::string clean(std::string text) {
  if (text.find('\0') != std::string::npos) std::erase(text, '\0');
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return text;
}

}  // namespace

unsigned code_page_of(std::string_view charset) {
  const auto name = lower_ascii(trim(charset));
  for (const auto& known : known_charsets)
    if (known.name == name) return known.code_page;
  for (const std::string_view prefix : {"windows-", "cp", "cp-", "x-cp", "ibm"}) {
    if (!name.starts_with(prefix)) continue;
    const auto digits = std::string_view(name).substr(prefix.size());
    if (digits.empty() || digits.size() > 5 || digits.find_first_not_of("0123456789") != digits.npos)
      continue;
    unsigned page = 0;
    for (const char digit : digits) page = page * 10 + static_cast<unsigned>(digit - '0');
    const bool windows = (page >= 1250 && page <= 1258) || page == 874 || page == 932 || page == 936 ||
                         page == 949 || page == 950 || page == 437 || page == 850 || page == 852 ||
                         page == 866 || page == 65001;
    return windows ? page : 0;
  }
  return 0;
}

bool is_ascii(View bytes) {
  return std::none_of(bytes.begin(), bytes.end(), [](std::uint8_t c) { return c >= 0x80; });
}

bool is_utf8(View bytes) {
  const auto* s = bytes.data();
  const auto length = static_cast<std::int64_t>(bytes.size());
  for (std::int64_t i = 0; i < length;) {
    if (s[i] < 0x80) {
      ++i;
      continue;
    }
    UChar32 c;
    U8_NEXT(s, i, length, c);
    if (c < 0) return false;
  }
  return true;
}

std::string guess_text(View bytes) {
  if (is_utf8(bytes)) return clean(std::string(as_text(bytes)));
  return clean(from_code_page(as_text(bytes.first(std::min(bytes.size(), max_convert))), 1252));
}

std::string decode_charset(View bytes, std::string_view charset) {
  const auto name = lower_ascii(trim(charset));
  const auto page = code_page_of(name);
  // UTF-8 that is not, and ASCII with high bytes, are labelled wrongly: look instead of believing.
  if (name.empty() || page == 65001 || page == 20127) return guess_text(bytes);
  if (page == 28591) return clean(convert(bytes, "windows-1252"));  // a superset, as browsers read it
  if (page == 38598) return clean(convert(bytes, "iso-8859-8"));    // logical order either way
  if (page == 936) return clean(convert(bytes, "gb18030"));         // a superset
  if (page == 51949) return clean(convert(bytes, "windows-949"));   // a superset
  if (page == 28599) return clean(convert(bytes, "windows-1254"));  // a superset
  return clean(convert(bytes, name));
}

Bytes encode_html(std::string_view utf8, unsigned code_page) {
  constexpr unsigned utf8_page = 65001, ascii_page = 20127;
  if (code_page == utf8_page || is_ascii(as_view(utf8))) return to_bytes(as_view(utf8));
  // Not every page has ASCII in it.
  const auto page = known_code_page(code_page) && to_code_page("<a>", code_page) == "<a>" ? code_page : ascii_page;
  std::string out;
  for (std::size_t at = 0; at < utf8.size();) {
    // Whole stretches of ASCII, then one character at a time.
    auto end = at;
    while (end < utf8.size() && static_cast<unsigned char>(utf8[end]) < 0x80) ++end;
    out += utf8.substr(at, end - at);
    at = end;
    while (end < utf8.size() && static_cast<unsigned char>(utf8[end]) >= 0x80) ++end;
    if (end == at) continue;
    const auto stretch = utf8.substr(at, end - at);
    at = end;
    auto encoded = to_code_page(stretch, page);
    if (from_code_page(encoded, page) == stretch) {
      out += encoded;
      continue;
    }
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(stretch.data());
    const auto length = static_cast<std::int32_t>(stretch.size());
    for (std::int32_t i = 0; i < length;) {
      UChar32 c;
      U8_NEXT_OR_FFFD(bytes, i, length, c);
      out += "&#" + std::to_string(c) + ";";
    }
  }
  return to_bytes(as_view(out));
}

std::int32_t locale_of_language(std::string_view tag) {
  constexpr std::size_t longest = 35;
  if (tag.size() > longest) return 0;
  std::array<char, 160> name{};
  UErrorCode status = U_ZERO_ERROR;
  std::int32_t used = 0;
  uloc_forLanguageTag(std::string(tag).c_str(), name.data(), static_cast<std::int32_t>(name.size()), &used, &status);
  if (U_FAILURE(status) || status == U_STRING_NOT_TERMINATED_WARNING || used != static_cast<std::int32_t>(tag.size())) return 0;
  return static_cast<std::int32_t>(uloc_getLCID(name.data()));
}

std::string language_of_locale(std::int32_t locale) {
  constexpr std::int32_t invariant = 0x7F;
  if (locale <= 0 || locale > 0xFFFFF || locale == invariant) return {};
  std::array<char, 160> name{}, base{}, tag{};
  UErrorCode status = U_ZERO_ERROR;
  uloc_getLocaleForLCID(static_cast<std::uint32_t>(locale), name.data(), static_cast<std::int32_t>(name.size()), &status);
  uloc_getBaseName(name.data(), base.data(), static_cast<std::int32_t>(base.size()), &status);
  uloc_toLanguageTag(base.data(), tag.data(), static_cast<std::int32_t>(tag.size()), true, &status);
  if (U_FAILURE(status) || status == U_STRING_NOT_TERMINATED_WARNING) return {};
  std::string out(tag.data());
  if (out == "und" || out == "root") return {};
  // "zh-TW" and the like, where the region tells the script.
  if ((out.starts_with("zh-Hant-") || out.starts_with("zh-Hans-"))) out.erase(2, 5);
  return out;
}

}  // namespace mapigate::convert
