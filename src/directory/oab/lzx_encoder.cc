#include "directory/oab/lzx_encoder.h"

#include <algorithm>
#include <array>
#include <bit>

#include "directory/oab/huffman.h"

namespace mapigate::directory::oab {

namespace {

constexpr std::size_t chunk_size = 32768;      // uncompressed; matches do not leave it
constexpr std::size_t chunks_per_block = 4;    // that share their codes
constexpr std::size_t min_match = 2, max_plain_match = 257, max_match = max_plain_match + 32767;
constexpr std::size_t literals = 256, length_symbols = 249, pretree_symbols = 20;
constexpr unsigned block_verbatim = 1, block_aligned = 2;

// Slots for windows of 2^17 to 2^25 bytes.
constexpr std::size_t position_slots[] = {34, 36, 38, 42, 50, 66, 98, 162, 290};

// Where a distance, plus the two that make room for the repeated ones, stands: 17 bits at most are given behind a slot.
struct Place {
  unsigned slot, extra_bits, extra;
};
Place place_of(std::uint32_t formatted) {
  if (formatted < 4) return {formatted, 0, 0};
  if (formatted >= 1u << 18) return {34 + (formatted >> 17), 17, formatted & 0x1FFFF};
  const unsigned top = static_cast<unsigned>(std::bit_width(formatted)) - 1;
  const unsigned extra_bits = top - 1;
  return {2 * top + (formatted >> extra_bits & 1), extra_bits, formatted & ((1u << extra_bits) - 1)};
}

// Bits, the highest first, in 16-bit words with the lower byte first.
class BitWriter {
 public:
  void put(std::uint32_t value, unsigned count) {
    while (count > 0) {
      const unsigned now = std::min(count, 16 - filled_);
      word_ = static_cast<std::uint16_t>(word_ << now | (value >> (count - now) & ((1u << now) - 1)));
      filled_ += now;
      count -= now;
      if (filled_ == 16) flush();
    }
  }
  void put(const PrefixCode& code, std::size_t symbol) { put(code.codes[symbol], code.lengths[symbol]); }
  Bytes take() {
    if (filled_ != 0) put(0, 16 - filled_);
    return std::move(out_);
  }

 private:
  void flush() {
    out_.push_back(static_cast<std::uint8_t>(word_));
    out_.push_back(static_cast<std::uint8_t>(word_ >> 8));
    word_ = 0;
    filled_ = 0;
  }
  Bytes out_;
  std::uint16_t word_ = 0;
  unsigned filled_ = 0;
};

// A literal, or a match whose distance is `formatted` (0 to 2: one of the last three).
struct Token {
  std::uint32_t formatted = 0;
  std::uint16_t length = 0;  // 0: a literal
  std::uint8_t literal = 0;
};

// Finds matches by chains of positions with the same three bytes.
class Finder {
 public:
  explicit Finder(View all) : all_(all), head_(std::size_t{1} << hash_bits, none), previous_(all.size(), none) {}

  void add(std::size_t at) {
    if (at + 3 > all_.size()) return;
    auto& first = head_[hash(at)];
    previous_[at] = first;
    first = static_cast<std::uint32_t>(at);
  }
  struct Match {
    std::size_t length = 0, distance = 0;
  };
  Match longest(std::size_t at, std::size_t limit) const {
    Match best;
    if (limit < 3 || at + 3 > all_.size()) return best;
    unsigned patience = max_chain;
    for (auto candidate = head_[hash(at)]; candidate != none && patience-- > 0; candidate = previous_[candidate]) {
      const auto length = common(candidate, at, limit);
      if (length > best.length) best = {length, at - candidate};
      if (best.length >= good_enough || best.length == limit) break;
    }
    // Three bytes from far away cost more than they save.
    if (best.length < 3 || (best.length == 3 && best.distance > 1u << 14)) return {};
    return best;
  }
  std::size_t common(std::size_t a, std::size_t b, std::size_t limit) const {
    std::size_t length = 0;
    while (length < limit && all_[a + length] == all_[b + length]) ++length;
    return length;
  }

 private:
  static constexpr unsigned hash_bits = 16, max_chain = 48;
  static constexpr std::size_t good_enough = 128;
  static constexpr std::uint32_t none = 0xFFFFFFFF;
  std::size_t hash(std::size_t at) const {
    const std::uint32_t three = all_[at] | static_cast<std::uint32_t>(all_[at + 1]) << 8 | static_cast<std::uint32_t>(all_[at + 2]) << 16;
    return three * 2654435761u >> (32 - hash_bits);
  }
  View all_;
  std::vector<std::uint32_t> head_, previous_;
};

class Encoder {
 public:
  Encoder(View data, View reference) : start_(reference.size()), all_(join(reference, data)), finder_(all_) {
    for (std::size_t i = 0; i < start_; ++i) finder_.add(i);
    // The window as readers compute it.
    const auto needed = (start_ + chunk_size - 1) / chunk_size * chunk_size + data.size();
    std::size_t bits = 17;
    while (bits < 25 && (std::size_t{1} << bits) < needed) ++bits;
    main_lengths_.resize(literals + position_slots[bits - 17] * 8);
  }

  Bytes run() {
    Bytes out;
    for (std::size_t at = start_; at < all_.size();) {
      std::vector<std::vector<Token>> chunks;
      const auto block = at;
      for (std::size_t i = 0; i < chunks_per_block && at < all_.size(); ++i) {
        const auto end = std::min(at + chunk_size, all_.size());
        chunks.push_back(parse(at, end));
        at = end;
      }
      write_block(chunks, at - block, block == start_, out);
    }
    return out;
  }

 private:
  static Bytes join(View a, View b) {
    Bytes out(a.begin(), a.end());
    out.insert(out.end(), b.begin(), b.end());
    return out;
  }

  Finder::Match repeated(std::size_t at, std::size_t limit) const {
    Finder::Match best;
    for (const auto distance : recent_) {
      if (distance > at) continue;
      const auto length = finder_.common(at - distance, at, limit);
      if (length >= min_match && length > best.length) best = {length, distance};
    }
    return best;
  }

  std::vector<Token> parse(std::size_t at, std::size_t end) {
    std::vector<Token> out;
    while (at < end) {
      auto match = choose(at, end);
      // A longer match one byte later is worth a literal.
      if (match.length != 0 && match.length < 32 && at + 1 < end) {
        finder_.add(at);
        const auto later = choose(at + 1, end);
        if (later.length > match.length) {
          out.push_back({0, 0, all_[at]});
          ++at;
          match = later;
          finder_.add(at);
        }
      } else {
        finder_.add(at);
      }
      if (match.length == 0) {
        out.push_back({0, 0, all_[at]});
        ++at;
        continue;
      }
      out.push_back({remember(static_cast<std::uint32_t>(match.distance)), static_cast<std::uint16_t>(match.length), 0});
      for (std::size_t i = 1; i < match.length; ++i) finder_.add(at + i);
      at += match.length;
    }
    return out;
  }
  Finder::Match choose(std::size_t at, std::size_t end) const {
    const auto limit = std::min(end - at, max_match);
    const auto again = repeated(at, limit);
    const auto found = finder_.longest(at, limit);
    return again.length != 0 && again.length + 1 >= found.length ? again : found;
  }
  // The number that stands for a distance, and what is recent afterwards.
  std::uint32_t remember(std::uint32_t distance) {
    auto& [r0, r1, r2] = recent_;
    if (distance == r0) return 0;
    if (distance == r1) return std::swap(r0, r1), 1;
    if (distance == r2) return std::swap(r0, r2), 2;
    r2 = r1, r1 = r0, r0 = distance;
    return distance + 2;
  }

  static unsigned main_symbol(const Token& token, const Place& place) {
    return static_cast<unsigned>(literals) + (place.slot << 3) + std::min<unsigned>(token.length - 2u, 7u);
  }
  static std::size_t length_symbol(const Token& token) { return std::min<std::size_t>(token.length, max_plain_match) - 9; }

  void write_block(const std::vector<std::vector<Token>>& chunks, std::size_t size, bool first, Bytes& out) {
    std::vector<std::uint32_t> main_counts(main_lengths_.size()), length_counts(length_symbols), aligned_counts(8);
    std::uint64_t with_aligned = 0;
    for (const auto& chunk : chunks)
      for (const auto& token : chunk) {
        if (token.length == 0) {
          ++main_counts[token.literal];
          continue;
        }
        const auto place = place_of(token.formatted);
        ++main_counts[main_symbol(token, place)];
        if (token.length >= 9) ++length_counts[length_symbol(token)];
        if (place.extra_bits >= 3) ++aligned_counts[place.extra & 7], ++with_aligned;
      }
    const auto main_code = make_prefix_code(main_counts, 16);
    const auto length_code = make_prefix_code(length_counts, 16);
    const auto aligned_code = make_prefix_code(aligned_counts, 7);
    std::uint64_t aligned_cost = 24;
    for (std::size_t i = 0; i < 8; ++i) aligned_cost += std::uint64_t{aligned_counts[i]} * aligned_code.lengths[i];
    const bool aligned = with_aligned != 0 && aligned_cost < 3 * with_aligned;

    for (std::size_t i = 0; i < chunks.size(); ++i) {
      BitWriter bits;
      if (i == 0) {
        if (first) bits.put(0, 1);  // no translation of x86 calls
        bits.put(aligned ? block_aligned : block_verbatim, 3);
        bits.put(static_cast<std::uint32_t>(size), 24);
        if (aligned)
          for (const auto length : aligned_code.lengths) bits.put(length, 3);
        write_lengths(bits, main_lengths_, main_code.lengths, 0, literals);
        write_lengths(bits, main_lengths_, main_code.lengths, literals, main_lengths_.size());
        write_lengths(bits, length_lengths_, length_code.lengths, 0, length_symbols);
        main_lengths_ = main_code.lengths;
        length_lengths_ = length_code.lengths;
      }
      for (const auto& token : chunks[i]) write_token(bits, token, main_code, length_code, aligned ? &aligned_code : nullptr);
      const auto chunk = bits.take();
      out.push_back(static_cast<std::uint8_t>(chunk.size()));
      out.push_back(static_cast<std::uint8_t>(chunk.size() >> 8));
      out.insert(out.end(), chunk.begin(), chunk.end());
    }
  }

  static void write_token(BitWriter& bits, const Token& token, const PrefixCode& main_code, const PrefixCode& length_code,
                          const PrefixCode* aligned) {
    if (token.length == 0) return bits.put(main_code, token.literal);
    const auto place = place_of(token.formatted);
    bits.put(main_code, main_symbol(token, place));
    if (token.length >= 9) bits.put(length_code, length_symbol(token));
    if (aligned != nullptr && place.extra_bits >= 3) {
      bits.put(place.extra >> 3, place.extra_bits - 3);
      bits.put(*aligned, place.extra & 7);
    } else {
      bits.put(place.extra, place.extra_bits);
    }
    if (token.length < max_plain_match) return;
    const auto more = static_cast<std::uint32_t>(token.length - max_plain_match);
    if (more < 0x100) bits.put(0, 1), bits.put(more, 8);
    else if (more < 0x500) bits.put(0b10, 2), bits.put(more - 0x100, 10);
    else if (more < 0x1500) bits.put(0b110, 3), bits.put(more - 0x500, 12);
    else bits.put(0b111, 3), bits.put(more, 15);
  }

  // Code lengths as differences to those of the block before, with runs, in a code of their own.
  static void write_lengths(BitWriter& bits, const std::vector<std::uint8_t>& before, const std::vector<std::uint8_t>& now,
                            std::size_t first, std::size_t last) {
    struct Item {
      std::uint8_t symbol, extra_bits, extra, delta;
    };
    const auto delta = [&](std::size_t i) { return static_cast<std::uint8_t>((17 + before[i] - now[i]) % 17); };
    std::vector<Item> items;
    std::vector<std::uint32_t> counts(pretree_symbols);
    for (std::size_t i = first; i < last;) {
      std::size_t run = 1;
      while (i + run < last && now[i + run] == now[i]) ++run;
      if (now[i] == 0 && run >= 20) {
        run = std::min<std::size_t>(run, 51);
        items.push_back({18, 5, static_cast<std::uint8_t>(run - 20), 0});
      } else if (now[i] == 0 && run >= 4) {
        items.push_back({17, 4, static_cast<std::uint8_t>(run - 4), 0});
      } else if (run >= 4) {
        run = std::min<std::size_t>(run, 5);
        items.push_back({19, 1, static_cast<std::uint8_t>(run - 4), delta(i)});
        ++counts[delta(i)];
      } else {
        run = 1;
        items.push_back({delta(i), 0, 0, 0});
      }
      ++counts[items.back().symbol];
      i += run;
    }
    const auto code = make_prefix_code(counts, 15);
    for (const auto length : code.lengths) bits.put(length, 4);
    for (const auto& item : items) {
      bits.put(code, item.symbol);
      bits.put(item.extra, item.extra_bits);
      if (item.symbol == 19) bits.put(code, item.delta);
    }
  }

  const std::size_t start_;
  const Bytes all_;
  Finder finder_;
  std::array<std::uint32_t, 3> recent_{1, 1, 1};
  std::vector<std::uint8_t> main_lengths_, length_lengths_ = std::vector<std::uint8_t>(length_symbols);
};

}  // namespace

Bytes lzx_compress(View data, View reference) { return Encoder(data, reference).run(); }

}  // namespace mapigate::directory::oab
