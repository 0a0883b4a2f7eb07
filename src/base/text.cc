#include "base/text.h"

#include <unicode/coll.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/ucnv.h>
#include <unicode/unistr.h>
#include <unicode/utf16.h>

#include <algorithm>
#include <memory>
#include <string>

namespace mapigate {

std::string to_utf8(Utf16 text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    UChar32 c = text.at(i);
    if (U16_IS_SURROGATE(c)) {
      if (U16_IS_LEAD(c) && i + 1 < text.size() && U16_IS_TRAIL(text.at(i + 1))) {
        c = U16_GET_SUPPLEMENTARY(c, text.at(i + 1));
        ++i;
      } else {
        c = 0xFFFD;
      }
    }
    char buffer[U8_MAX_LENGTH];
    int length = 0;
    U8_APPEND_UNSAFE(buffer, length, c);
    out.append(buffer, static_cast<std::size_t>(length));
  }
  return out;
}

namespace {
// Calls `emit` with each UTF-16 code unit of `utf8`.
template <class Emit>
void each_utf16_unit(std::string_view utf8, Emit emit) {
  const auto* s = reinterpret_cast<const std::uint8_t*>(utf8.data());
  const auto length = static_cast<std::int32_t>(utf8.size());
  for (std::int32_t i = 0; i < length;) {
    UChar32 c;
    U8_NEXT_OR_FFFD(s, i, length, c);
    if (c > 0xFFFF) {
      emit(static_cast<char16_t>(U16_LEAD(c)));
      emit(static_cast<char16_t>(U16_TRAIL(c)));
    } else {
      emit(static_cast<char16_t>(c));
    }
  }
}
}  // namespace

Utf16 to_utf16(Arena& arena, std::string_view utf8) {
  // One UTF-8 byte never needs more than one UTF-16 unit.
  if (utf8.empty()) return {};
  auto* out = static_cast<std::uint8_t*>(arena.allocate(utf8.size() * 2, 1));
  std::size_t size = 0;
  each_utf16_unit(utf8, [&](char16_t unit) {
    out[size++] = static_cast<std::uint8_t>(unit);
    out[size++] = static_cast<std::uint8_t>(unit >> 8);
  });
  return {{out, size}};
}

Bytes to_utf16(std::string_view utf8) {
  Bytes out;
  out.reserve(utf8.size() * 2);
  each_utf16_unit(utf8, [&](char16_t unit) {
    out.push_back(static_cast<std::uint8_t>(unit));
    out.push_back(static_cast<std::uint8_t>(unit >> 8));
  });
  return out;
}

Bytes upper_utf16(std::string_view utf8) {
  Bytes out = to_utf16(utf8);
  for (std::size_t i = 0; i + 1 < out.size(); i += 2) {
    const auto unit = static_cast<UChar32>(out[i] | out[i + 1] << 8);
    const auto upper = u_toupper(unit);
    if (upper > 0xffff) continue;
    out[i] = static_cast<std::uint8_t>(upper);
    out[i + 1] = static_cast<std::uint8_t>(upper >> 8);
  }
  return out;
}

namespace {
using Converter = std::unique_ptr<UConverter, decltype(&ucnv_close)>;

// Null: there is no such page.
UConverter* try_open_converter(unsigned code_page) {
  UErrorCode status = U_ZERO_ERROR;
  std::string name = "windows-" + std::to_string(code_page);
  switch (code_page) {
    case 65001: name = "UTF-8"; break;
    case 20127: name = "US-ASCII"; break;
    case 20866: name = "KOI8-R"; break;
    case 21866: name = "KOI8-U"; break;
    case 50220: case 50221: case 50222: name = "ISO-2022-JP"; break;
    case 51932: name = "EUC-JP"; break;
    case 51949: name = "EUC-KR"; break;
    case 54936: name = "GB18030"; break;
    default:
      if (code_page > 28590 && code_page < 28606) name = "ISO-8859-" + std::to_string(code_page - 28590);
  }
  UConverter* converter = ucnv_open(name.c_str(), &status);
  if (U_FAILURE(status)) {
    status = U_ZERO_ERROR;
    converter = ucnv_open(("cp" + std::to_string(code_page)).c_str(), &status);
  }
  return U_FAILURE(status) ? nullptr : converter;
}

Converter open_converter(unsigned code_page) {
  UErrorCode status = U_ZERO_ERROR;
  auto* converter = try_open_converter(code_page);
  if (converter == nullptr) converter = ucnv_open("windows-1252", &status);
  return {converter, &ucnv_close};
}
}  // namespace

bool known_code_page(unsigned code_page) {
  constexpr unsigned utf16 = 1200;
  if (code_page == utf16) return true;
  const Converter converter(try_open_converter(code_page), &ucnv_close);
  return converter != nullptr;
}

std::string from_code_page(std::string_view text, unsigned code_page) {
  auto converter = open_converter(code_page);
  UErrorCode status = U_ZERO_ERROR;
  icu::UnicodeString wide(text.data(), static_cast<std::int32_t>(text.size()), converter.get(), status);
  std::string out;
  return wide.toUTF8String(out);
}

std::string to_code_page(std::string_view utf8, unsigned code_page) {
  if (code_page == 65001) return std::string(utf8);
  auto converter = open_converter(code_page);
  UErrorCode status = U_ZERO_ERROR;
  ucnv_setSubstChars(converter.get(), "?", 1, &status);
  status = U_ZERO_ERROR;
  const auto wide = icu::UnicodeString::fromUTF8({utf8.data(), static_cast<std::int32_t>(utf8.size())});
  std::string out(static_cast<std::size_t>(wide.length()) * 4 + 8, '\0');
  const auto size = wide.extract(out.data(), static_cast<std::int32_t>(out.size()), converter.get(), status);
  out.resize(U_SUCCESS(status) ? static_cast<std::size_t>(size) : 0);
  return out;
}

std::string fold(std::string_view utf8, bool loose) {
  if (std::all_of(utf8.begin(), utf8.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) return lower_ascii(utf8);
  auto wide = icu::UnicodeString::fromUTF8({utf8.data(), static_cast<std::int32_t>(utf8.size())});
  if (loose) {
    UErrorCode status = U_ZERO_ERROR;
    if (const auto* nfkd = icu::Normalizer2::getNFKDInstance(status); U_SUCCESS(status)) {
      const auto decomposed = nfkd->normalize(wide, status);
      icu::UnicodeString bare;
      for (std::int32_t i = 0; i < decomposed.length(); i = decomposed.moveIndex32(i, 1))
        if (u_charType(decomposed.char32At(i)) != U_NON_SPACING_MARK) bare.append(decomposed.char32At(i));
      wide = bare;
    }
  }
  std::string out;
  return wide.foldCase().toUTF8String(out);
}

namespace {
const icu::Collator& collator() {
  // Made once and only read afterwards; comparison and key generation are const and thread-safe.
  static const std::unique_ptr<icu::Collator> instance = [] {
    UErrorCode status = U_ZERO_ERROR;
    std::unique_ptr<icu::Collator> made(icu::Collator::createInstance(icu::Locale::getRoot(), status));
    made->setStrength(icu::Collator::SECONDARY);
    return made;
  }();
  return *instance;
}
}  // namespace

int collate(std::string_view a, std::string_view b) {
  UErrorCode status = U_ZERO_ERROR;
  return collator().compareUTF8({a.data(), static_cast<std::int32_t>(a.size())},
                                {b.data(), static_cast<std::int32_t>(b.size())}, status);
}

std::string collation_key(Utf16 text) {
  std::u16string units(text.size(), u'\0');
  for (std::size_t i = 0; i < units.size(); ++i) units[i] = text.at(i);
  const icu::UnicodeString wide(false, units.data(), static_cast<std::int32_t>(units.size()));
  std::string key(256, '\0');
  auto size = collator().getSortKey(wide, reinterpret_cast<std::uint8_t*>(key.data()), static_cast<std::int32_t>(key.size()));
  if (static_cast<std::size_t>(size) > key.size()) {
    key.resize(static_cast<std::size_t>(size));
    size = collator().getSortKey(wide, reinterpret_cast<std::uint8_t*>(key.data()), size);
  }
  key.resize(static_cast<std::size_t>(std::max(size, 1)) - 1);  // without the terminating zero
  return key;
}

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool equal_ignoring_ascii_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto difference = static_cast<unsigned char>(a[i] ^ b[i]);
    if (difference == 0) continue;
    const auto letter = static_cast<unsigned char>(a[i] | 0x20);
    if (difference != 0x20 || letter < 'a' || letter > 'z') return false;
  }
  return true;
}

std::string_view trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    Bytes byte;
    if (text[i] == '%' && i + 2 < text.size() && from_hex(text.substr(i + 1, 2), byte) && byte.size() == 1) {
      out.push_back(static_cast<char>(byte[0]));
      i += 2;
    } else {
      out.push_back(text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

std::string query_parameter(std::string_view query, std::string_view name) {
  for (std::size_t start = 0; start <= query.size();) {
    const auto end = std::min(query.find('&', start), query.size());
    const auto part = query.substr(start, end - start);
    const auto sign = std::min(part.find('='), part.size());
    if (equal_ignoring_ascii_case(part.substr(0, sign), name)) return percent_decode(part.substr(std::min(sign + 1, part.size())));
    start = end + 1;
  }
  return {};
}

std::string percent_encode(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~@").find(c) != std::string_view::npos;
    if (plain) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(digits[byte >> 4]);
      out.push_back(digits[byte & 15]);
    }
  }
  return out;
}

std::string_view utf8_prefix(std::string_view utf8, std::size_t limit) {
  if (utf8.size() <= limit) return utf8;
  while (limit > 0 && (static_cast<unsigned char>(utf8[limit]) & 0xC0) == 0x80) --limit;
  return utf8.substr(0, limit);
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 2);
  for (const auto& candidate : candidates) {
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 0; i < word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i + 1;
      for (std::size_t j = 0; j < candidate.size(); ++j) {
        const auto above = row[j + 1];
        row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (word[i] == candidate[j] ? 0 : 1)});
        diagonal = above;
      }
    }
    if (row.back() < best_distance || (row.back() == best_distance && best.empty())) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace mapigate
