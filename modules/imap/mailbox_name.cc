#include "mailbox_name.h"

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

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace mapigate::imap
