// The byte code of a GLOBSET ([MS-OXCFXICS] "GLOBSET Structure", "Encoding a
// GLOBSET", "Decoding a GLOBSET").
#include <algorithm>
#include <array>

#include "wire/fxics/globset.h"

namespace mapigate::wire::fxics {

namespace {

constexpr std::size_t counter_size = 6;
enum Command : std::uint8_t { End = 0x00, Bitmask = 0x42, Pop = 0x50, Range_ = 0x52 };
constexpr unsigned bits_of_bitmask = 8;

using Counter = std::array<std::uint8_t, counter_size>;

// Byte 0 is the most significant one.
std::uint8_t byte_at(mapi::GlobalCounter value, std::size_t index) {
  return static_cast<std::uint8_t>(value >> (8 * (counter_size - 1 - index)));
}

std::size_t common_bytes(mapi::GlobalCounter a, mapi::GlobalCounter b) {
  std::size_t count = 0;
  while (count < counter_size && byte_at(a, count) == byte_at(b, count)) ++count;
  return count;
}

// What the sizes of encodings are counted in; a million ranges stay far below 2^32.
using Cost = std::uint64_t;
// By the number of bytes on the stack when the part is to be encoded.
using Costs = std::array<Cost, counter_size>;

// Ranges that share leading bytes form a tree. For each group of two or more, either its common bytes are
// pushed and popped again, or its members are written with what already is on the stack; which is shorter
// depends on the depth of the stack. The first walk decides that, the second one writes; both meet the groups
// in the same order.
class Encoder {
 public:
  Encoder(std::span<const Range> ranges, Bytes& out) : ranges_(ranges), out_(out) {}

  void run() {
    if (!ranges_.empty()) {
      (void)costs(0, ranges_.size());
      next_ = 0;
      write(0, ranges_.size(), 0);
    }
    out_.push_back(End);
  }

 private:
  std::size_t shared(std::size_t first, std::size_t last) const {
    return common_bytes(ranges_[first].low, ranges_[last - 1].high);
  }
  // Where the members end that share one more byte with the range at `first`.
  std::size_t member_end(std::size_t first, std::size_t last, std::size_t depth) const {
    const auto byte = byte_at(ranges_[first].low, depth);
    if (byte_at(ranges_[first].high, depth) != byte) return first + 1;
    auto end = first + 1;
    while (end < last && byte_at(ranges_[end].low, depth) == byte && byte_at(ranges_[end].high, depth) == byte) ++end;
    return end;
  }
  static Cost range_cost(const Range& range, std::size_t stack) {
    if (range.low == range.high) return 1 + counter_size - stack;
    const auto common = common_bytes(range.low, range.high);
    const Cost direct = 1 + 2 * (counter_size - stack);
    return pays_to_push(common, stack) ? 3 + (common - stack) + 2 * (counter_size - common) : direct;
  }
  // Push and Pop cost two bytes and one for each that is pushed, and save two for each.
  static bool pays_to_push(std::size_t common, std::size_t stack) { return common >= stack + 2; }

  Costs costs(std::size_t first, std::size_t last) {
    Costs out{};
    if (last - first == 1) {
      for (std::size_t stack = 0; stack < counter_size; ++stack) out[stack] = range_cost(ranges_[first], stack);
      return out;
    }
    const auto depth = shared(first, last);
    const auto group = pushes_.size();
    pushes_.push_back(0);
    if (depth == counter_size - 1) {
      for (auto i = first; i < last; ++i)
        for (std::size_t stack = 0; stack < depth; ++stack) out[stack] += range_cost(ranges_[i], stack);
      out[depth] = low_bytes(first, last).front().cost;
    } else {
      for (auto at = first; at < last;) {
        const auto end = member_end(at, last, depth);
        const auto member = costs(at, end);
        for (std::size_t stack = 0; stack <= depth; ++stack) out[stack] += member[stack];
        at = end;
      }
    }
    for (std::size_t stack = 0; stack < depth; ++stack) {
      const Cost pushed = 2 + (depth - stack) + out[depth];
      if (pushed > out[stack]) continue;
      out[stack] = pushed;
      pushes_[group] = static_cast<std::uint8_t>(pushes_[group] | 1U << stack);
    }
    return out;
  }

  void write(std::size_t first, std::size_t last, std::size_t stack) {
    if (last - first == 1) return write_range(ranges_[first], stack);
    const auto depth = shared(first, last);
    const auto push = (pushes_[next_++] >> stack & 1U) != 0;
    if (push) push_bytes(ranges_[first].low, stack, depth);
    const auto now = push ? depth : stack;
    if (depth == counter_size - 1) {
      if (now == depth) write_low_bytes(first, last);
      else
        for (auto i = first; i < last; ++i) write_range(ranges_[i], now);
    } else {
      for (auto at = first; at < last;) {
        const auto end = member_end(at, last, depth);
        write(at, end, now);
        at = end;
      }
    }
    if (push) out_.push_back(Pop);
  }

  void write_range(const Range& range, std::size_t stack) {
    // A Push that completes six bytes is a counter by itself and needs no Pop.
    if (range.low == range.high) return push_bytes(range.low, stack, counter_size);
    const auto common = common_bytes(range.low, range.high);
    const bool push = pays_to_push(common, stack);
    if (push) push_bytes(range.low, stack, common);
    const auto from = push ? common : stack;
    out_.push_back(Range_);
    for (auto i = from; i < counter_size; ++i) out_.push_back(byte_at(range.low, i));
    for (auto i = from; i < counter_size; ++i) out_.push_back(byte_at(range.high, i));
    if (push) out_.push_back(Pop);
  }
  void push_bytes(mapi::GlobalCounter value, std::size_t from, std::size_t to) {
    out_.push_back(static_cast<std::uint8_t>(to - from));
    for (auto i = from; i < to; ++i) out_.push_back(byte_at(value, i));
  }

  // With five bytes on the stack: the best commands from the lowest byte that is not covered yet, which is
  // the start of a range or lies in it. A command may as well start there, so each step has three choices.
  // What is said for a byte outside of the set is that of the next one in it.
  struct Step {
    Cost cost = 0;
    std::uint8_t command = 0;  // 1 is a Push of one byte
  };
  static constexpr unsigned byte_values = 256;
  std::array<Step, byte_values + 1> low_bytes(std::size_t first, std::size_t last) const {
    // next[b]: the lowest byte >= b that belongs to the set; ends[b]: where its range ends.
    std::array<std::uint16_t, byte_values + bits_of_bitmask + 2> next{};
    next.fill(byte_values);
    std::array<std::uint16_t, byte_values> ends{};
    for (auto i = first; i < last; ++i) {
      for (unsigned b = byte_at(ranges_[i].low, 5); b <= byte_at(ranges_[i].high, 5); ++b) {
        next[b] = static_cast<std::uint16_t>(b);
        ends[b] = byte_at(ranges_[i].high, 5);
      }
    }
    for (unsigned b = byte_values; b-- > 0;)
      if (next[b] != b) next[b] = next[b + 1];
    std::array<Step, byte_values + 1> best{};
    for (unsigned b = byte_values; b-- > 0;) {
      if (next[b] != b) {
        best[b] = best[next[b]];
        continue;
      }
      best[b] = {best[next[b + 1]].cost + 2, 1};
      const auto range = best[next[ends[b] + 1U]].cost + 3;
      if (ends[b] != b && range <= best[b].cost) best[b] = {range, Range_};
      const auto mask = best[next[b + bits_of_bitmask + 1]].cost + 3;
      if (mask < best[b].cost) best[b] = {mask, Bitmask};
    }
    return best;
  }
  void write_low_bytes(std::size_t first, std::size_t last) {
    const auto best = low_bytes(first, last);
    auto range = first;
    unsigned byte = byte_at(ranges_[range].low, 5);
    const auto forward = [&](unsigned covered) {
      while (range < last && byte_at(ranges_[range].high, 5) <= covered) ++range;
      if (range < last) byte = std::max<unsigned>(byte_at(ranges_[range].low, 5), covered + 1);
    };
    while (range < last) {
      const auto command = best[byte].command;
      const auto end = byte_at(ranges_[range].high, 5);
      if (command == Range_) {
        for (const auto b : {unsigned{Range_}, byte, unsigned{end}}) out_.push_back(static_cast<std::uint8_t>(b));
        forward(end);
      } else if (command == Bitmask) {
        unsigned mask = 0;
        for (auto i = range; i < last && byte_at(ranges_[i].low, 5) <= byte + bits_of_bitmask; ++i)
          for (auto b = std::max<unsigned>(byte_at(ranges_[i].low, 5), byte + 1);
               b <= byte_at(ranges_[i].high, 5) && b <= byte + bits_of_bitmask; ++b)
            mask |= 1U << (b - byte - 1);
        for (const auto b : {unsigned{Bitmask}, byte, mask}) out_.push_back(static_cast<std::uint8_t>(b));
        forward(byte + bits_of_bitmask);
      } else {
        out_.push_back(1);
        out_.push_back(static_cast<std::uint8_t>(byte));
        forward(byte);
      }
    }
  }

  std::span<const Range> ranges_;
  Bytes& out_;
  std::vector<std::uint8_t> pushes_;  // a group each: bit n is set when it pushes with n bytes on the stack
  std::size_t next_ = 0;
};

}  // namespace

void write_globset(const GlobSet& set, Bytes& out) { Encoder(set.ranges(), out).run(); }

static const char* name_of(std::uint8_t command) {
  if (command == End) return "End";
  if (command <= counter_size) return "Push";
  return command == Pop ? "Pop" : command == Bitmask ? "Bitmask" : command == Range_ ? "Range" : "unknown";
}

GlobSet read_globset(Cursor& cursor, std::size_t& budget, SetTeller* teller) {
  std::vector<Range> ranges;
  std::array<std::uint8_t, counter_size> stack{};
  std::array<std::uint8_t, counter_size> pushed{};  // sizes of the pushes that are on the stack
  std::size_t depth = 0, pushes = 0;

  const auto low_bytes = [&](View tail) {
    Counter counter = stack;
    std::copy(tail.begin(), tail.end(), counter.begin() + static_cast<std::ptrdiff_t>(depth));
    return mapi::counter_from(counter);
  };
  const auto operand = [&](const char* name, std::size_t size) {
    cursor.set_field(name);
    const auto at = cursor.offset();
    const auto bytes = cursor.bytes(size);
    if (teller != nullptr && cursor.ok()) teller->operand(name, at, bytes);
    return bytes;
  };
  const auto add = [&](mapi::GlobalCounter low, mapi::GlobalCounter high) {
    if (teller != nullptr) teller->adds({low, high});
    if (!ranges.empty() && low >= ranges.back().low && low <= ranges.back().high + 1) {
      ranges.back().high = std::max(ranges.back().high, high);
      return;
    }
    if (budget == 0) return cursor.fail("has too many ranges");
    --budget;
    ranges.push_back({low, high});
  };

  while (cursor.ok()) {
    cursor.set_field("Command");
    const auto at = cursor.offset();
    const auto command = cursor.scalar<std::uint8_t>();
    if (!cursor.ok()) break;
    if (teller != nullptr) teller->command(at, command, name_of(command));
    if (command == End) {
      if (depth != 0) cursor.fail("End while bytes are left on the common byte stack");
      break;
    }
    if (command <= counter_size) {
      if (command > counter_size - depth) {
        cursor.fail("pushes more than six bytes");
        break;
      }
      const auto bytes = operand("CommonBytes", command);
      if (!cursor.ok()) break;
      if (depth + command == counter_size) {
        const auto value = low_bytes(bytes);
        add(value, value);
      } else {
        std::copy(bytes.begin(), bytes.end(), stack.begin() + static_cast<std::ptrdiff_t>(depth));
        depth += command;
        pushed[pushes++] = command;
      }
    } else if (command == Pop) {
      if (pushes == 0) {
        cursor.fail("Pop of an empty common byte stack");
        break;
      }
      depth -= pushed[--pushes];
    } else if (command == Bitmask) {
      if (depth != counter_size - 1) {
        cursor.fail("Bitmask without five bytes on the common byte stack");
        break;
      }
      const auto tail = operand("StartingValue", 1);
      const auto masks = operand("Bitmask", 1);
      if (!cursor.ok()) break;
      const auto start = tail.front(), mask = masks.front();
      const auto first = low_bytes(tail);
      add(first, first);
      for (unsigned bit = 0; bit < bits_of_bitmask && cursor.ok(); ++bit) {
        if ((mask >> bit & 1U) == 0) continue;
        if (start + bit + 1 > 0xFF) cursor.fail("reaches beyond the low-order byte");
        else add(first + bit + 1, first + bit + 1);
      }
    } else if (command == Range_) {
      const auto low = operand("LowValue", counter_size - depth);
      const auto high = operand("HighValue", counter_size - depth);
      if (!cursor.ok()) break;
      const auto from = low_bytes(low), to = low_bytes(high);
      if (from > to) {
        cursor.fail("is less than LowValue");
        break;
      }
      add(from, to);
    } else {
      cursor.fail("is not known");
    }
  }
  if (!cursor.ok()) return {};
  return GlobSet(std::move(ranges));
}

}  // namespace mapigate::wire::fxics
