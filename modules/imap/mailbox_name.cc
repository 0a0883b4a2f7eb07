#include "mailbox_name.h"

#include <map>
#include <optional>

#include "base/bytes.h"
#include "base/text.h"

namespace mapigate::imap {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

// What stands between & and -; false when it is no UTF-16 in that alphabet.
bool decode_shifted(std::string_view shifted, std::string& out) {
  Bytes units;  // UTF-16LE, for to_utf8()
  unsigned bits = 0, count = 0;
  std::uint8_t high = 0;
  bool have_high = false;
  for (const char c : shifted) {
    const auto at = alphabet.find(c);
    if (at == std::string_view::npos) return false;
    bits = bits << 6 | static_cast<unsigned>(at);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    const auto byte = static_cast<std::uint8_t>(bits >> count);
    bits &= (1u << count) - 1;
    if (have_high) {
      units.push_back(byte);
      units.push_back(high);
    }
    high = byte;
    have_high = !have_high;
  }
  if (have_high || bits != 0 || units.empty()) return false;
  out += to_utf8(Utf16{units});
  return true;
}

void encode_shifted(std::string_view utf8, std::string& out) {
  const auto units = to_utf16(utf8);
  out += '&';
  unsigned bits = 0, count = 0;
  for (std::size_t i = 0; i < units.size(); ++i) {
    bits = (bits << 8 | units[i ^ 1]) & 0xFFFFFF;
    for (count += 8; count >= 6;) {
      count -= 6;
      out += alphabet[bits >> count & 0x3F];
    }
  }
  if (count > 0) out += alphabet[bits << (6 - count) & 0x3F];
  out += '-';
}

// U+2060, WORD JOINER: nobody types it, no program shows it, and it stays what it is in all normal forms of Unicode.
constexpr std::string_view mark = "\xE2\x81\xA0";

std::string look_alike(char c) {
  const auto code = static_cast<unsigned char>(c);
  if (c == '/') return "\xE2\x88\x95";   // U+2215, DIVISION SLASH
  if (c == '.') return "\xE2\x80\xA4";   // U+2024, ONE DOT LEADER
  if (c == ' ') return "\xC2\xA0";       // U+00A0, NO-BREAK SPACE
  if (code == 0x7F) return "\xE2\x90\xA1";
  if (code < 0x20) return {'\xE2', '\x90', static_cast<char>(0x80 + code)};  // U+2400 and those behind it
  const auto fullwidth = 0xFF00u + code - 0x20;
  return {'\xEF', static_cast<char>(0x80 | (fullwidth >> 6 & 0x3F)), static_cast<char>(0x80 | (fullwidth & 0x3F))};
}

// The character that the text begins with a look-alike of.
std::optional<char> meant_at(std::string_view text) {
  if (text.empty() || static_cast<unsigned char>(text[0]) < 0x80) return std::nullopt;
  static const auto all = [] {
    std::map<std::string, char, std::less<>> out;
    for (int c = 0; c < 0x80; ++c) out.emplace(look_alike(static_cast<char>(c)), static_cast<char>(c));
    return out;
  }();
  for (const std::size_t size : {std::size_t(2), std::size_t(3)})
    if (const auto found = all.find(text.substr(0, size)); found != all.end()) return found->second;
  return std::nullopt;
}

// How many marks stand there.
std::size_t marks_at(std::string_view text) {
  std::size_t count = 0;
  for (; text.starts_with(mark); text.remove_prefix(mark.size())) ++count;
  return count;
}

void add_marks(std::string& out, std::size_t count) {
  for (; count > 0; --count) out += mark;
}

bool is_replaced(std::string_view name, std::size_t at, char separator, Replace what) {
  const char c = name[at];
  const auto code = static_cast<unsigned char>(c);
  if (code >= 0x80) return false;
  if (code < 0x20 || code == 0x7F || c == '%' || c == '*' || (separator != '\0' && c == separator)) return true;
  if (c == ' ') return at == 0 || at + 1 == name.size();
  if (what == Replace::separators) return c == '/' || c == '.' || c == '\\';
  const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
  if (what == Replace::all) return !plain;
  return c == '.' && name.find_first_not_of('.') == name.npos;
}

std::string valid_utf8(std::string_view text) { return to_utf8(Utf16{to_utf16(text)}); }

}  // namespace

std::string decode_mailbox_name(std::string_view wire, bool utf8) {
  if (utf8) return valid_utf8(wire);
  std::string out;
  for (std::size_t i = 0; i < wire.size(); ++i) {
    const auto end = wire[i] == '&' ? wire.find('-', i) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += wire[i];
    } else if (end == i + 1) {
      out += '&';
      i = end;
    } else if (decode_shifted(wire.substr(i + 1, end - i - 1), out)) {
      i = end;
    } else {
      out += '&';
    }
  }
  return valid_utf8(out);
}

std::string encode_mailbox_name(std::string_view name, bool utf8) {
  if (utf8) return std::string(name);
  std::string out;
  for (std::size_t i = 0; i < name.size();) {
    const auto c = static_cast<unsigned char>(name[i]);
    if (c >= 0x20 && c < 0x7F) {
      out += name[i++];
      if (c == '&') out += '-';
      continue;
    }
    const auto start = i;
    while (i < name.size() &&
           (static_cast<unsigned char>(name[i]) < 0x20 || static_cast<unsigned char>(name[i]) >= 0x7F))
      ++i;
    encode_shifted(name.substr(start, i - start), out);
  }
  return out;
}

std::string replaced(char c) { return look_alike(c) + std::string(mark); }

// Behind a look-alike an odd number of marks says that it stands for another character, an even one that it is itself. Half of
// them, rounded down, are part of the name.
std::string held_name(std::string_view name, char separator, Replace what) {
  std::string out;
  for (std::size_t at = 0; at < name.size();) {
    const auto itself = meant_at(name.substr(at));
    if (!itself && !is_replaced(name, at, separator, what)) {
      out += name[at++];
      continue;
    }
    const auto look = look_alike(itself ? *itself : name[at]);
    at += itself ? look.size() : 1;
    const auto marks = marks_at(name.substr(at));
    at += marks * mark.size();
    out += look;
    add_marks(out, 2 * marks + (itself ? 0 : 1));
  }
  return out;
}

std::string shown_name(std::string_view held) {
  std::string out;
  for (std::size_t at = 0; at < held.size();) {
    const auto meant = meant_at(held.substr(at));
    if (!meant) {
      out += held[at++];
      continue;
    }
    const auto look = look_alike(*meant);
    at += look.size();
    const auto marks = marks_at(held.substr(at));
    at += marks * mark.size();
    if (marks % 2 == 1) out += *meant;
    else out += look;
    add_marks(out, marks / 2);
  }
  return out;
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace mapigate::imap
