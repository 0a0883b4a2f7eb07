// Sets of global counters, as synchronisation state holds them ([MS-OXCFXICS]
// "GLOBSET Structure"): sorted ranges in memory, a small byte code on the wire.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "base/cursor.h"
#include "mapi/ids.h"

namespace mapigate::wire::fxics {

// Both ends belong to it; low <= high <= mapi::max_global_counter.
struct Range {
  mapi::GlobalCounter low = 0;
  mapi::GlobalCounter high = 0;
  bool operator==(const Range&) const = default;
};

// Costs, with n ranges: contains O(log n); insert at the end O(1), elsewhere amortised far below O(n);
// erase O(n); unite, subtract and intersect O(n + m). Reading merges what was inserted last, so even
// const use by several threads at once needs a lock.
class GlobSet {
 public:
  GlobSet() = default;
  GlobSet(std::initializer_list<Range> ranges);
  // In any order, may overlap; all within the limits of Range.
  explicit GlobSet(std::vector<Range> ranges);

  void insert(mapi::GlobalCounter value) { insert(value, value); }
  void insert(mapi::GlobalCounter low, mapi::GlobalCounter high);
  void erase(mapi::GlobalCounter low, mapi::GlobalCounter high);
  void unite(const GlobSet& other);
  void subtract(const GlobSet& other);
  void intersect(const GlobSet& other);
  void clear();

  bool contains(mapi::GlobalCounter value) const { return contains(value, value); }
  bool contains(mapi::GlobalCounter low, mapi::GlobalCounter high) const;  // the whole range
  bool contains(const GlobSet& other) const;
  bool empty() const { return ranges_.empty() && recent_.empty(); }
  std::uint64_t size() const;  // how many counters
  // Sorted; no two touch. Valid until the next change.
  std::span<const Range> ranges() const;
  bool operator==(const GlobSet& other) const;

  friend GlobSet difference(const GlobSet& a, const GlobSet& b);
  friend GlobSet intersection(const GlobSet& a, const GlobSet& b);

 private:
  void settle() const;

  // `recent_` is what insert() put at other places than the end: sorted and disjoint in itself, but not with ranges_.
  mutable std::vector<Range> ranges_;
  mutable std::vector<Range> recent_;
};

GlobSet united(const GlobSet& a, const GlobSet& b);
GlobSet difference(const GlobSet& a, const GlobSet& b);
GlobSet intersection(const GlobSet& a, const GlobSet& b);

// What reading a set may cost before it is refused.
inline constexpr std::size_t max_ranges_read = std::size_t{1} << 22;

// Hears what a set consists of while it is read, for dumps; of one that breaks off, all that stands before the break.
// Offsets are those of the cursor.
class SetTeller {
 public:
  virtual ~SetTeller() = default;
  virtual void replica(const char* name, std::size_t offset, std::string_view text) = 0;
  virtual void command(std::size_t offset, std::uint8_t command, const char* name) = 0;
  virtual void operand(const char* name, std::size_t offset, View bytes) = 0;
  virtual void adds(Range range) = 0;  // by the last command
  virtual void set(const GlobSet& whole) = 0;
};

// Reads commands up to and with End. `budget` is the number of ranges that may still be read; it is
// lowered by those of this set. `teller` may be null.
GlobSet read_globset(Cursor& cursor, std::size_t& budget, SetTeller* teller = nullptr);
// The shortest encoding there is, as long as no range is divided at a byte border.
void write_globset(const GlobSet& set, Bytes& out);

}  // namespace mapigate::wire::fxics
