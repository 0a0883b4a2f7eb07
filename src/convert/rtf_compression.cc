// [MS-OXRTFCP]: a byte-oriented LZ77 over a 4096-byte ring that starts out with common RTF words.
#include <algorithm>
#include <array>

#include "base/cursor.h"
#include "convert/rtf.h"

namespace mapigate::convert {

namespace {

// [MS-OXRTFCP] 2.1.2.1 "Dictionary".
constexpr std::string_view initial_dictionary =
    "{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript "
    "\\fdecor "
    "MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    "\\pard\\plain\\f0"
    "\\fs20\\b\\i\\u\\tab\\tx";
static_assert(initial_dictionary.size() == 207);

constexpr std::uint32_t type_compressed = 0x75465A4C, type_uncompressed = 0x414C454D;
constexpr std::size_t ring = 4096, longest = 17, header_size = 16;

constexpr auto crc_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value & 1) != 0 ? value >> 1 ^ 0xEDB88320 : value >> 1;
    table[i] = value;
  }
  return table;
}();

std::uint32_t crc(View bytes) {
  std::uint32_t value = 0;
  for (const auto byte : bytes) value = crc_table[(value ^ byte) & 0xFF] ^ value >> 8;
  return value;
}

// Finds earlier occurrences by their first two bytes. Positions count through dictionary and input.
class Matcher {
 public:
  explicit Matcher(std::string_view text) : text_(text), previous_(text.size(), none) { heads_.fill(none); }

  void add_until(std::size_t end) {
    for (; added_ < end; ++added_) {
      if (added_ + 1 >= text_.size()) continue;
      auto& head = heads_[key(added_)];
      previous_[added_] = head;
      head = static_cast<std::uint32_t>(added_);
    }
  }
  // The longest match for what stands at `at`; length 0 or 1 means none worth writing.
  std::pair<std::size_t, std::size_t> find(std::size_t at) const {
    std::size_t best = 0;
    std::size_t best_at = 0;
    if (at + 1 >= text_.size()) return {0, 0};
    unsigned tries = 256;
    for (auto candidate = heads_[key(at)]; candidate != none && at - candidate < ring && tries != 0;
         candidate = previous_[candidate], --tries) {
      std::size_t length = 0;
      while (length < longest && at + length < text_.size() &&
             text_[candidate + length] == text_[at + length])
        ++length;
      if (length < best || length == 0) continue;
      best = length;  // of equals the oldest, as the examples of the specification have it
      best_at = candidate;
      if (best == longest) break;
    }
    return {best_at, best};
  }

 private:
  static constexpr std::uint32_t none = 0xFFFFFFFF;
  std::size_t key(std::size_t at) const {
    return static_cast<std::uint8_t>(text_[at]) << 8 | static_cast<std::uint8_t>(text_[at + 1]);
  }

  std::string_view text_;
  std::vector<std::uint32_t> previous_;
  std::array<std::uint32_t, 65536> heads_;
  std::size_t added_ = 0;
};

Bytes compress_content(std::string_view rtf) {
  std::string text(initial_dictionary);
  text += rtf;
  const auto matcher = std::make_unique<Matcher>(text);
  Bytes out;
  out.reserve(rtf.size() / 2 + 16);
  std::size_t control_at = 0;
  unsigned tokens = 8;  // in the current run: a control byte leads eight of them
  const auto start_token = [&](bool reference) {
    if (tokens == 8) {
      control_at = out.size();
      out.push_back(0);
      tokens = 0;
    }
    if (reference) out[control_at] = static_cast<std::uint8_t>(out[control_at] | 1U << tokens);
    ++tokens;
  };
  const auto put_reference = [&](std::size_t offset, std::size_t length_code) {
    start_token(true);
    out.push_back(static_cast<std::uint8_t>(offset >> 4));
    out.push_back(static_cast<std::uint8_t>((offset & 0xF) << 4 | length_code));
  };
  std::size_t at = initial_dictionary.size();
  while (at < text.size()) {
    matcher->add_until(at);
    const auto [from, length] = matcher->find(at);
    if (length >= 2) {
      put_reference(from % ring, length - 2);
      at += length;
    } else {
      start_token(false);
      out.push_back(static_cast<std::uint8_t>(text[at]));
      ++at;
    }
  }
  put_reference(at % ring, 0);  // a reference to the write position ends the stream
  return out;
}

// `out` has on an error what came before it.
Status decompress_content(View in, std::size_t raw_size, std::string& out) {
  std::array<char, ring> dictionary{};
  std::copy(initial_dictionary.begin(), initial_dictionary.end(), dictionary.begin());
  std::size_t write = initial_dictionary.size();
  out.reserve(std::min(raw_size, in.size() * 9 + 1));
  const auto emit = [&](char c) {
    out += c;
    dictionary[write] = c;
    write = (write + 1) % ring;
  };
  std::size_t at = 0;
  const auto broken = [&](std::string_view field, std::string_view why) {
    return error(Errc::malformed, "compressed RTF: {} at offset {}: {}", field, header_size + at, why);
  };
  while (at < in.size()) {
    const unsigned control = in[at++];
    for (unsigned token = 0; token < 8; ++token) {
      if ((control >> token & 1) == 0) {
        // Some writers leave the end marker out.
        if (at >= in.size()) return out.size() == raw_size ? Status() : Status(broken("literal", "truncated"));
        emit(static_cast<char>(in[at++]));
      } else {
        if (at + 2 > in.size()) return broken("dictionary reference", "truncated");
        const auto word = static_cast<unsigned>(in[at] << 8 | in[at + 1]);
        at += 2;
        std::size_t from = word >> 4;
        if (from == write) {
          if (out.size() < raw_size) {
            at -= 2;
            return broken("dictionary reference", "shorter than RAWSIZE says");
          }
          out.resize(raw_size);
          return {};
        }
        for (unsigned length = (word & 0xF) + 2; length != 0; --length) {
          emit(dictionary[from]);
          from = (from + 1) % ring;
        }
      }
      if (out.size() > raw_size + longest)
        return broken("run", "longer than RAWSIZE says");
    }
  }
  if (out.size() < raw_size) return broken("run", "truncated");
  out.resize(raw_size);
  return {};
}

}  // namespace

Bytes compress_rtf(std::string_view rtf, bool stored) {
  const auto content = stored ? to_bytes(as_view(rtf)) : compress_content(rtf);
  Bytes out;
  out.reserve(content.size() + 16);
  Output output(out);
  output.scalar(static_cast<std::uint32_t>(content.size() + 12));
  output.scalar(static_cast<std::uint32_t>(rtf.size()));
  output.scalar(stored ? type_uncompressed : type_compressed);
  output.scalar(stored ? std::uint32_t{0} : crc(content));
  output.bytes(content);
  return out;
}

Result<std::string> decompress_rtf(View compressed, std::size_t limit, std::string* partial) {
  Cursor cursor(compressed);
  cursor.set_field("header");
  const std::size_t compressed_size = cursor.scalar<std::uint32_t>();
  const std::size_t raw_size = cursor.scalar<std::uint32_t>();
  const auto type = cursor.scalar<std::uint32_t>();
  const auto checksum = cursor.scalar<std::uint32_t>();
  if (!cursor.ok()) return cursor.error("compressed RTF");
  if (raw_size > limit)
    return error(Errc::limit, "compressed RTF: {} bytes are more than {}", raw_size, limit);
  if (compressed_size < 12 || compressed_size - 12 > cursor.left()) {
    if (partial != nullptr && type == type_compressed) (void)decompress_content(cursor.rest(), raw_size, *partial);
    return error(Errc::malformed, "compressed RTF: COMPSIZE {} does not fit {} bytes", compressed_size,
                 compressed.size());
  }
  const auto content = cursor.bytes(compressed_size - 12);
  if (type == type_uncompressed) {
    if (raw_size > content.size())
      return error(Errc::malformed, "compressed RTF: RAWSIZE exceeds the content");
    return std::string(as_text(content.first(raw_size)));
  }
  if (type != type_compressed) return error(Errc::malformed, "compressed RTF: unknown COMPTYPE {:#x}", type);
  std::string out;
  const auto computed = crc(content);
  if (computed == checksum || partial != nullptr) {
    const auto done = decompress_content(content, raw_size, out);
    if (!done && partial != nullptr) *partial = out;
    if (!done) return done.error();
  }
  if (computed == checksum) return out;
  if (partial != nullptr) *partial = out;
  return error(Errc::malformed, "compressed RTF: CRC is 0x{:08x}, that of the content 0x{:08x}", checksum, computed);
}

}  // namespace mapigate::convert
