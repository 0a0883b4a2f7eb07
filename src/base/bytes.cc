#include "base/bytes.h"

#include <algorithm>
#include <array>

namespace mapigate {

void* Arena::grow(std::size_t size, std::size_t align) {
  const std::size_t chunk = std::max(next_chunk_, size + align);
  next_chunk_ = std::min<std::size_t>(chunk * 2, 1 << 20);
  chunks_.push_back(std::make_unique_for_overwrite<std::uint8_t[]>(chunk));
  used_ += chunk;
  position_ = chunks_.back().get();
  end_ = position_ + chunk;
  return allocate(size, align);
}

void Arena::clear() {
  if (chunks_.empty()) return;
  // Chunks grow, but for those made for one big piece: the last one is the largest or next to it.
  if (chunks_.size() > 1) {
    chunks_.front() = std::move(chunks_.back());
    chunks_.resize(1);
  }
  position_ = chunks_.front().get();
  used_ = static_cast<std::size_t>(end_ - position_);
}

std::string to_hex(View bytes, char separator) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * (separator != '\0' ? 3 : 2));
  for (auto byte : bytes) {
    if (separator != '\0' && !out.empty()) out.push_back(separator);
    out.push_back(digits[byte >> 4]);
    out.push_back(digits[byte & 15]);
  }
  return out;
}

bool from_hex(std::string_view text, Bytes& out) {
  out.clear();
  int high = -1;
  for (char c : text) {
    int digit = -1;
    if (c >= '0' && c <= '9') digit = c - '0';
    else if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
    else if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
    else if (std::string_view(" \t\r\n:-").find(c) != std::string_view::npos && high < 0) continue;
    if (digit < 0) return false;
    if (high < 0) {
      high = digit;
    } else {
      out.push_back(static_cast<std::uint8_t>(high << 4 | digit));
      high = -1;
    }
  }
  return high < 0;
}

namespace {
constexpr std::string_view base64_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int8_t, 256> base64_values = [] {
  std::array<std::int8_t, 256> table{};
  for (auto& entry : table) entry = -1;
  for (std::size_t i = 0; i < base64_alphabet.size(); ++i)
    table[static_cast<unsigned char>(base64_alphabet[i])] = static_cast<std::int8_t>(i);
  return table;
}();
}  // namespace

std::string to_base64(View bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = bytes[i] << 16;
    if (left > 1) group |= bytes[i + 1] << 8;
    if (left > 2) group |= bytes[i + 2];
    for (std::size_t j = 0; j < 4; ++j)
      out.push_back(j <= left ? base64_alphabet[group >> (18 - 6 * j) & 63] : '=');
  }
  return out;
}

bool from_base64(std::string_view text, Bytes& out) {
  out.clear();
  out.reserve(text.size() / 4 * 3 + 3);
  std::uint32_t group = 0;
  int bits = 0;
  bool padded = false;
  for (char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    if (c == '=') {
      padded = true;
      continue;
    }
    const int value = base64_values[static_cast<unsigned char>(c)];
    if (value < 0 || padded) return false;
    group = group << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<std::uint8_t>(group >> bits));
    }
  }
  return bits < 6;
}

}  // namespace mapigate
