#include "wire/rpc/lz77.h"

#include <algorithm>
#include <array>
#include <bit>

namespace mapigate::wire::rpc {
namespace {

// Match lengths are stored as length - 3: three bits beside the distance, then a
// nibble (two matches share a byte), then a byte, then 16 bits, then 32 bits.
// Each step is used when the one before it holds its largest value.
constexpr std::size_t min_match = 3;
constexpr std::size_t in_token = 7;
constexpr std::size_t in_nibble = 15;
constexpr std::size_t in_byte = 255;

std::uint32_t load32(const std::uint8_t* from) {
  std::uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
std::uint16_t load16(const std::uint8_t* from) {
  std::uint16_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Source and destination overlap when the distance is shorter than the match. May
// write up to 15 bytes past the match, which the caller has checked to be there.
void copy_match(std::uint8_t* to, std::size_t distance, std::size_t length) {
  const auto* from = to - distance;
  auto* const end = to + length;
  if (distance >= 16) {
    do {
      std::memcpy(to, from, 16);
      to += 16;
      from += 16;
    } while (to < end);
  } else if (distance == 1) {
    std::memset(to, *from, length);
  } else {
    // Each copy doubles the repeated pattern until it fills eight bytes.
    while (to < end && static_cast<std::size_t>(to - from) < 8) {
      const auto step = static_cast<std::size_t>(to - from);
      std::memcpy(to, from, step);
      to += step;
    }
    while (to < end) {
      std::memcpy(to, from, 8);
      to += 8;
      from += 8;
    }
  }
}

class Decoder {
 public:
  Decoder(View in, std::uint8_t* out, std::size_t size)
      : position_(in.data()), end_(in.data() + in.size()), start_(out), to_(out), out_end_(out + size) {}

  // Null on success, else what is wrong.
  const char* run() {
    while (to_ != out_end_) {
      if (left() < 4) return "flags are missing";
      auto flags = load32(position_);
      position_ += 4;
      for (unsigned bits = 32; bits != 0 && to_ != out_end_;) {
        if (const auto run = std::min<std::size_t>(static_cast<unsigned>(std::countl_zero(flags)), bits); run != 0) {
          if (const auto* problem = literals(std::min<std::size_t>(run, room()))) return problem;
          bits -= static_cast<unsigned>(run);
          flags = run == 32 ? 0 : flags << run;
          continue;
        }
        flags <<= 1;
        --bits;
        if (const auto* problem = match()) return problem;
      }
    }
    // A compressor that had just begun a group of flags leaves it behind.
    if (left() != 0 && left() != 4) return "plain text is longer than announced";
    return nullptr;
  }

 private:
  std::size_t left() const { return static_cast<std::size_t>(end_ - position_); }
  std::size_t room() const { return static_cast<std::size_t>(out_end_ - to_); }

  const char* literals(std::size_t count) {
    if (left() < count) return "stream ends early";
    if (left() >= 32 && room() >= 32) std::memcpy(to_, position_, 32);  // fixed size: one or two moves
    else std::memcpy(to_, position_, count);
    to_ += count;
    position_ += count;
    return nullptr;
  }

  const char* match() {
    if (left() < 2) return "stream ends early";
    const auto token = load16(position_);
    position_ += 2;
    const std::size_t distance = (token >> 3) + 1U;
    std::size_t length = token & 7U;
    if (length == in_token) {
      if (const auto* problem = long_length(length)) return problem;
    }
    length += min_match;
    if (distance > static_cast<std::size_t>(to_ - start_)) return "match starts before the plain text";
    if (length > room()) return "plain text is longer than announced";
    if (room() - length >= 16) {
      copy_match(to_, distance, length);
    } else {
      for (std::size_t i = 0; i < length; ++i) to_[i] = to_[static_cast<std::ptrdiff_t>(i) - static_cast<std::ptrdiff_t>(distance)];
    }
    to_ += length;
    return nullptr;
  }

  const char* long_length(std::size_t& length) {
    std::size_t nibble;
    if (half_used_ == nullptr) {
      if (left() < 1) return "stream ends early";
      half_used_ = position_;
      nibble = *position_++ & 15U;
    } else {
      nibble = *half_used_ >> 4;
      half_used_ = nullptr;
    }
    length = in_token + nibble;
    if (nibble != in_nibble) return nullptr;
    if (left() < 1) return "stream ends early";
    const std::size_t byte = *position_++;
    length = in_token + in_nibble + byte;
    if (byte != in_byte) return nullptr;
    if (left() < 2) return "stream ends early";
    length = load16(position_);
    position_ += 2;
    if (length == 0) {
      if (left() < 4) return "stream ends early";
      length = load32(position_);
      position_ += 4;
    }
    return length < in_token + in_nibble ? "match length contradicts itself" : nullptr;
  }

  const std::uint8_t* position_;
  const std::uint8_t* end_;
  const std::uint8_t* half_used_ = nullptr;  // a length byte whose upper nibble is still free
  std::uint8_t* start_;
  std::uint8_t* to_;
  std::uint8_t* out_end_;
};

class Encoder {
 public:
  explicit Encoder(Bytes& out, std::size_t expected) : out_(out) {
    out_.reserve(out_.size() + expected + expected / 8 + 8);
    begin_group();
  }

  void literal(std::uint8_t byte) {
    out_.push_back(byte);
    flag(0);
  }
  void match(std::size_t distance, std::size_t length) {
    length -= min_match;
    put<std::uint16_t>((distance - 1) << 3 | std::min(length, in_token));
    if (length >= in_token) long_length(length);
    flag(1);
  }
  // The unused flags are ones: a decoder sees a match, and then the end.
  void finish() { store_flags(bits_ == 0 ? 0xFFFFFFFF : flags_ << (32 - bits_) | (0xFFFFFFFF >> bits_)); }

 private:
  template <class T>
  void put(std::size_t value) {
    const auto narrow = static_cast<T>(value);
    const auto at = out_.size();
    out_.resize(at + sizeof(T));
    std::memcpy(out_.data() + at, &narrow, sizeof(T));
  }
  void begin_group() {
    flags_at_ = out_.size();
    put<std::uint32_t>(0);
    flags_ = 0;
    bits_ = 0;
  }
  void store_flags(std::uint32_t flags) { std::memcpy(out_.data() + flags_at_, &flags, sizeof flags); }
  void flag(unsigned bit) {
    flags_ = flags_ << 1 | bit;
    if (++bits_ != 32) return;
    store_flags(flags_);
    begin_group();
  }
  void long_length(std::size_t length) {
    const auto above_token = length - in_token;
    const auto nibble = std::min(above_token, in_nibble);
    if (half_used_ == 0) {
      half_used_ = out_.size();
      put<std::uint8_t>(nibble);
    } else {
      out_[half_used_] = static_cast<std::uint8_t>(out_[half_used_] | nibble << 4);
      half_used_ = 0;
    }
    if (nibble != in_nibble) return;
    const auto above_nibble = above_token - in_nibble;
    put<std::uint8_t>(std::min(above_nibble, in_byte));
    if (above_nibble < in_byte) return;
    if (length <= 0xFFFF) return put<std::uint16_t>(length);
    put<std::uint16_t>(0);
    put<std::uint32_t>(length);
  }

  Bytes& out_;
  std::size_t flags_at_ = 0;
  std::size_t half_used_ = 0;  // as in the decoder; 0 never holds a length byte
  std::uint32_t flags_ = 0;
  unsigned bits_ = 0;
};

std::size_t match_length(const std::uint8_t* a, const std::uint8_t* b, const std::uint8_t* end) {
  const auto* const start = b;
  while (end - b >= 8) {
    std::uint64_t x, y;
    std::memcpy(&x, a, 8);
    std::memcpy(&y, b, 8);
    if (x != y) return static_cast<std::size_t>(b - start) + static_cast<unsigned>(std::countr_zero(x ^ y)) / 8;
    a += 8;
    b += 8;
  }
  while (b != end && *a == *b) ++a, ++b;
  return static_cast<std::size_t>(b - start);
}

// Positions by the hash of their first three bytes: the newest in `newest_`, older
// ones behind it in `older_`. Positions are stored plus one; zero is none.
class Matcher {
 public:
  explicit Matcher(View plain) : plain_(plain) {}

  struct Match {
    std::size_t distance = 0;
    std::size_t length = 0;
  };
  Match find_and_insert(std::size_t at) {
    auto candidate = insert(at);
    const auto* const here = plain_.data() + at;
    const auto* const end = plain_.data() + plain_.size();
    Match best;
    for (unsigned tries = 0; candidate != 0 && tries != max_tries; ++tries) {
      const auto from = candidate - 1U;
      if (at - from > max_lz77_distance) break;
      const auto* const there = plain_.data() + from;
      if (best.length == 0 || (here + best.length < end && here[best.length] == there[best.length])) {
        const auto length = match_length(there, here, end);
        if (length > best.length) best = {at - from, length};
        if (length >= good_match) break;
      }
      candidate = older_[from & window_mask];
    }
    return best;
  }
  // Returns the newest earlier position with the same hash, plus one.
  std::uint32_t insert(std::size_t at) {
    const auto* p = plain_.data() + at;
    const std::uint32_t three = p[0] | p[1] << 8 | p[2] << 16;
    auto& head = newest_[(three * 0x9E3779B1U) >> (32 - hash_bits)];
    const auto previous = head;
    older_[at & window_mask] = previous;
    head = static_cast<std::uint32_t>(at) + 1;
    return previous;
  }

 private:
  static constexpr unsigned hash_bits = 12;
  static constexpr std::size_t window_mask = max_lz77_distance - 1;
  static constexpr unsigned max_tries = 4;
  static constexpr std::size_t good_match = 32;

  View plain_;
  std::array<std::uint32_t, 1 << hash_bits> newest_{};
  std::array<std::uint32_t, max_lz77_distance> older_{};
};

}  // namespace

Status lz77_decompress(View compressed, std::size_t size, Bytes& out) {
  const auto before = out.size();
  out.resize(before + size);
  Decoder decoder(compressed, out.data() + before, size);
  if (const auto* problem = decoder.run()) {
    out.resize(before);
    return error(Errc::malformed, "LZ77: {}", problem);
  }
  return {};
}

void lz77_compress(View plain, Bytes& out) {
  Encoder encoder(out, plain.size());
  Matcher matcher(plain);
  const auto last_start = plain.size() < min_match ? 0 : plain.size() - min_match + 1;
  std::size_t at = 0;
  std::size_t misses = 0;
  while (at < last_start) {
    const auto [distance, length] = matcher.find_and_insert(at);
    if (length < min_match) {
      // Where nothing repeats, look less and less often.
      const auto step = std::min(1 + (misses++ >> 6), plain.size() - at);
      for (std::size_t i = 0; i < step; ++i) encoder.literal(plain[at + i]);
      at += step;
      continue;
    }
    misses = 0;
    encoder.match(distance, length);
    const auto after = at + length;
    const auto inserts_end = std::min({after, last_start, at + 16});
    for (++at; at < inserts_end; ++at) matcher.insert(at);
    at = after;
  }
  for (; at < plain.size(); ++at) encoder.literal(plain[at]);
  encoder.finish();
}

}  // namespace mapigate::wire::rpc
