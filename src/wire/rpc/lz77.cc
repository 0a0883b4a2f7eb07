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

std::uint64_t load64(const std::uint8_t* from) {
  std::uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
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

// How much larger than the plain text a stream can be: a bit for each byte, and flags that are begun.
constexpr std::size_t bound_of(std::size_t plain) { return plain + plain / 8 + 8; }

// Writes without looking for room: that is there (bound_of, and max_copy behind it).
class Encoder {
 public:
  static constexpr std::size_t max_copy = 32;  // what literals() may write over its end

  explicit Encoder(std::uint8_t* to) : to_(to) { begin_group(); }

  // `readable` bytes stand at `from`.
  void literals(const std::uint8_t* from, std::size_t count, std::size_t readable) {
    while (count != 0) {
      const auto now = std::min<std::size_t>(count, free_flags_);
      std::memcpy(to_, from, readable >= max_copy ? max_copy : now);  // fixed size: one or two moves
      to_ += now;
      from += now;
      count -= now;
      readable -= now;
      flags(0, static_cast<unsigned>(now));
    }
  }
  void match(std::size_t distance, std::size_t length) {
    length -= min_match;
    put(static_cast<std::uint16_t>((distance - 1) << 3 | std::min(length, in_token)));
    if (length >= in_token) long_length(length);
    flags(1, 1);
  }
  // The unused flags are ones: a decoder sees a match, and then the end.
  const std::uint8_t* finish() {
    flags(~std::uint64_t{0}, free_flags_, false);
    return to_;
  }

 private:
  template <class T>
  void put(T value) {
    std::memcpy(to_, &value, sizeof(T));
    to_ += sizeof(T);
  }
  void begin_group() {
    flags_at_ = to_;
    put(std::uint32_t{0});
    flags_ = 0;
    free_flags_ = 32;
  }
  void flags(std::uint64_t bits, unsigned count, bool go_on = true) {
    flags_ = flags_ << count | (bits & ((std::uint64_t{1} << count) - 1));
    free_flags_ -= count;
    if (free_flags_ != 0) return;
    const auto whole = static_cast<std::uint32_t>(flags_);
    std::memcpy(flags_at_, &whole, sizeof whole);
    if (go_on) begin_group();
  }
  void long_length(std::size_t length) {
    const auto above_token = length - in_token;
    const auto nibble = static_cast<std::uint8_t>(std::min(above_token, in_nibble));
    if (half_used_ == nullptr) {
      half_used_ = to_;
      put(nibble);
    } else {
      *half_used_ = static_cast<std::uint8_t>(*half_used_ | nibble << 4);
      half_used_ = nullptr;
    }
    if (nibble != in_nibble) return;
    const auto above_nibble = above_token - in_nibble;
    put(static_cast<std::uint8_t>(std::min(above_nibble, in_byte)));
    if (above_nibble < in_byte) return;
    if (length <= 0xFFFF) return put(static_cast<std::uint16_t>(length));
    put(std::uint16_t{0});
    put(static_cast<std::uint32_t>(length));
  }

  std::uint8_t* to_;
  std::uint8_t* flags_at_ = nullptr;
  std::uint8_t* half_used_ = nullptr;  // as in the decoder
  std::uint64_t flags_ = 0;            // of the group so far, the newest lowest
  unsigned free_flags_ = 0;
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

// The newest position for each hash of three bytes. One probe a position: older candidates would double the time, and
// most of what they find is found by wider() as well. What decides the time is how often the processor guesses a branch
// wrongly, so the usual cases do without: a candidate that is too far is replaced by one that differs at once.
class Matcher {
 public:
  // Positions within this many bytes of the end are not looked at.
  static constexpr std::size_t lookahead = 8;
  static constexpr std::size_t max_seen = 8;  // a longer match is found as one of this length

  // A position that is beyond the window from any before it; later on it is one as good as others, for bytes are compared.
  explicit Matcher(View plain) : start_(plain.data()), end_(plain.data() + plain.size()) { newest_.fill(0x8000); }

  struct Match {
    std::size_t distance = 0;
    std::size_t length = 0;  // under min_match: none
  };
  // Eight bytes are readable at `here`.
  Match find_and_insert(const std::uint8_t* here) {
    auto& newest = newest_[hash(here)];
    const auto candidate = at_distance(here, newest, max_lz77_distance);
    newest = position(here);
    const auto differing = (load64(here) ^ load64(here - candidate.distance)) | candidate.none;
    return {candidate.distance, static_cast<unsigned>(std::countr_zero(differing)) / 8};
  }
  // The match as long as it is.
  Match extended(const std::uint8_t* here, Match match) const {
    if (match.length == max_seen) match.length += match_length(here - match.distance + max_seen, here + max_seen, end_);
    return match;
  }
  // A match at `here` that goes on after the end of this one, if what is newest for the last two bytes and the next
  // is such: a phrase came often, but only once before with these bytes behind it.
  Match wider(const std::uint8_t* here, Match match) const {
    const auto* const tail = here + match.length - 2;
    const auto reach = std::min(max_lz77_distance, static_cast<std::size_t>(here - start_));
    const auto candidate = at_distance(tail, newest_[hash(tail)], reach);
    // The byte before is compared too: it spares most of the comparisons that fail.
    if (((load32(tail - 1) ^ load32(tail - 1 - candidate.distance)) | candidate.none) != 0) return match;
    const auto length = match_length(here - candidate.distance, here, end_);
    return length > match.length ? Match{candidate.distance, length} : match;
  }
  // Positions from the second byte of a match on, all of a short one, the first and the last of a longer one: always
  // the same number of stores, since a loop as long as the match would end unforeseen.
  void insert_match(const std::uint8_t* from, const std::uint8_t* end) {
    for (unsigned i = 1; i <= 4; ++i) insert(std::min(from + i, end - 1));
    insert(end - 2);
    insert(end - 1);
  }

 private:
  static constexpr unsigned hash_bits = 14;
  static std::uint32_t hash(const std::uint8_t* at) { return ((load32(at) << 8) * 0x9E3779B1U) >> (32 - hash_bits); }
  // Kept modulo 2^16.
  std::uint16_t position(const std::uint8_t* at) const { return static_cast<std::uint16_t>(at - start_); }
  void insert(const std::uint8_t* at) { newest_[hash(at)] = position(at); }

  struct Candidate {
    std::size_t distance;  // 0 if there is none
    std::uint32_t none;    // 1 if there is none
  };
  Candidate at_distance(const std::uint8_t* here, std::uint16_t newest, std::size_t reach) const {
    const std::size_t distance = static_cast<std::uint16_t>(position(here) - newest);
    const std::uint32_t none = distance - 1 >= reach;
    return {distance & (std::size_t{none} - 1), none};
  }

  const std::uint8_t* start_;
  const std::uint8_t* end_;
  std::array<std::uint16_t, 1 << hash_bits> newest_;
};

// Returns the end of the stream.
const std::uint8_t* compress(View plain, std::uint8_t* to) {
  constexpr std::size_t good_match = 5;  // long enough not to look for a better one a byte later
  constexpr unsigned patience = 6;       // 2^6 positions without a match, and every other is passed over
  Encoder encoder(to);
  const auto* const end = plain.data() + plain.size();
  const auto* literals = plain.data();
  if (plain.size() > Matcher::lookahead) {
    Matcher matcher(plain);
    const auto* const last = end - Matcher::lookahead;
    std::size_t tries = std::size_t{1} << patience;
    for (const auto* at = literals; at < last;) {
      auto match = matcher.find_and_insert(at);
      if (match.length < min_match) {
        at += std::min<std::size_t>(tries++ >> patience, static_cast<std::size_t>(last - at));
        continue;
      }
      tries = std::size_t{1} << patience;
      if (match.length < good_match) {
        const auto next = matcher.find_and_insert(at + 1);
        const bool later = next.length > match.length;
        match.length = later ? next.length : match.length;
        match.distance = later ? next.distance : match.distance;
        at += later;
      }
      match = matcher.extended(at, match);
      if (at + match.length < last) match = matcher.wider(at, match);
      // What was passed over may belong to the match.
      while (at > literals && at - match.distance > plain.data() && at[-1] == *(at - match.distance - 1)) --at, ++match.length;
      encoder.literals(literals, static_cast<std::size_t>(at - literals), static_cast<std::size_t>(end - literals));
      encoder.match(match.distance, match.length);
      literals = at + match.length;
      if (literals < last) matcher.insert_match(at, literals);
      at = literals;
    }
  }
  encoder.literals(literals, static_cast<std::size_t>(end - literals), static_cast<std::size_t>(end - literals));
  return encoder.finish();
}

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
  const auto before = out.size();
  out.resize(before + bound_of(plain.size()) + Encoder::max_copy);
  const auto* end = compress(plain, out.data() + before);
  out.resize(static_cast<std::size_t>(end - out.data()));
}

}  // namespace mapigate::wire::rpc
