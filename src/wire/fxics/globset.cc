#include "wire/fxics/globset.h"

#include <algorithm>

namespace mapigate::wire::fxics {

namespace {

constexpr std::size_t max_recent = 4096;

bool before(const Range& a, const Range& b) { return a.low < b.low; }

// Puts `range`, which does not begin before the last one does, behind a sorted list.
void append(std::vector<Range>& out, const Range& range) {
  if (!out.empty() && range.low <= out.back().high + 1) out.back().high = std::max(out.back().high, range.high);
  else out.push_back(range);
}

void sort_and_join(std::vector<Range>& ranges) {
  if (!std::is_sorted(ranges.begin(), ranges.end(), before)) std::sort(ranges.begin(), ranges.end(), before);
  std::size_t kept = 0;
  for (const auto& range : ranges) {
    if (kept != 0 && range.low <= ranges[kept - 1].high + 1) ranges[kept - 1].high = std::max(ranges[kept - 1].high, range.high);
    else ranges[kept++] = range;
  }
  ranges.resize(kept);
}

std::vector<Range> merged(std::span<const Range> a, std::span<const Range> b) {
  std::vector<Range> out;
  out.reserve(a.size() + b.size());
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) append(out, b[j].low < a[i].low ? b[j++] : a[i++]);
  for (; i < a.size(); ++i) append(out, a[i]);
  for (; j < b.size(); ++j) append(out, b[j]);
  return out;
}

// The first range that ends at `value` or behind it.
std::vector<Range>::const_iterator first_reaching(const std::vector<Range>& ranges, mapi::GlobalCounter value) {
  return std::lower_bound(ranges.begin(), ranges.end(), value,
                          [](const Range& range, mapi::GlobalCounter v) { return range.high < v; });
}

void insert_into(std::vector<Range>& ranges, Range range) {
  auto first = ranges.begin() + (first_reaching(ranges, range.low == 0 ? 0 : range.low - 1) - ranges.cbegin());
  auto last = first;
  for (; last != ranges.end() && last->low <= range.high + 1; ++last) {
    range.low = std::min(range.low, last->low);
    range.high = std::max(range.high, last->high);
  }
  if (first == last) {
    ranges.insert(first, range);
  } else {
    *first = range;
    ranges.erase(first + 1, last);
  }
}

}  // namespace

GlobSet::GlobSet(std::initializer_list<Range> ranges) : GlobSet(std::vector<Range>(ranges)) {}

GlobSet::GlobSet(std::vector<Range> ranges) : ranges_(std::move(ranges)) { sort_and_join(ranges_); }

void GlobSet::settle() const {
  if (recent_.empty()) return;
  ranges_ = merged(ranges_, recent_);
  recent_.clear();
}

void GlobSet::insert(mapi::GlobalCounter low, mapi::GlobalCounter high) {
  if (ranges_.empty() || low >= ranges_.back().low) {
    append(ranges_, {low, high});
    return;
  }
  // A small set, or a range that is here already, needs no second list.
  const auto at = first_reaching(ranges_, low);
  if (at != ranges_.end() && at->low <= low && at->high >= high) return;
  if (recent_.empty() && ranges_.size() < max_recent) {
    insert_into(ranges_, {low, high});
    return;
  }
  insert_into(recent_, {low, high});
  if (recent_.size() >= max_recent) settle();
}

void GlobSet::erase(mapi::GlobalCounter low, mapi::GlobalCounter high) {
  settle();
  const auto first = ranges_.begin() + (first_reaching(ranges_, low) - ranges_.cbegin());
  auto last = first;
  while (last != ranges_.end() && last->low <= high) ++last;
  if (first == last) return;
  const Range front = *first;
  const Range back = *(last - 1);
  auto at = ranges_.erase(first, last);
  if (back.high > high) at = ranges_.insert(at, {high + 1, back.high});
  if (front.low < low) ranges_.insert(at, {front.low, low - 1});
}

void GlobSet::unite(const GlobSet& other) {
  settle();
  other.settle();
  if (other.ranges_.empty()) return;
  ranges_ = merged(ranges_, other.ranges_);
}

void GlobSet::subtract(const GlobSet& other) { *this = difference(*this, other); }
void GlobSet::intersect(const GlobSet& other) { *this = intersection(*this, other); }

void GlobSet::clear() {
  ranges_.clear();
  recent_.clear();
}

bool GlobSet::contains(mapi::GlobalCounter low, mapi::GlobalCounter high) const {
  settle();
  const auto at = first_reaching(ranges_, low);
  return at != ranges_.end() && at->low <= low && at->high >= high;
}

bool GlobSet::contains(const GlobSet& other) const {
  settle();
  std::size_t i = 0;
  for (const auto& range : other.ranges()) {
    while (i < ranges_.size() && ranges_[i].high < range.low) ++i;
    if (i == ranges_.size() || ranges_[i].low > range.low || ranges_[i].high < range.high) return false;
  }
  return true;
}

std::uint64_t GlobSet::size() const {
  std::uint64_t count = 0;
  for (const auto& range : ranges()) count += range.high - range.low + 1;
  return count;
}

std::span<const Range> GlobSet::ranges() const {
  settle();
  return ranges_;
}

bool GlobSet::operator==(const GlobSet& other) const {
  settle();
  other.settle();
  return ranges_ == other.ranges_;
}

GlobSet united(const GlobSet& a, const GlobSet& b) {
  GlobSet out = a;
  out.unite(b);
  return out;
}

GlobSet difference(const GlobSet& a, const GlobSet& b) {
  GlobSet result;
  auto& out = result.ranges_;
  const auto from = a.ranges();
  const auto without = b.ranges();
  out.reserve(from.size());
  std::size_t j = 0;
  for (auto range : from) {
    while (j < without.size() && without[j].high < range.low) ++j;
    bool left = true;
    for (; j < without.size() && without[j].low <= range.high; ++j) {
      if (without[j].low > range.low) out.push_back({range.low, without[j].low - 1});
      left = without[j].high < range.high;
      if (!left) break;
      range.low = without[j].high + 1;
    }
    if (left) out.push_back(range);
  }
  return result;
}

GlobSet intersection(const GlobSet& a, const GlobSet& b) {
  // What both hold of two ranges never touches what they hold of the next two.
  GlobSet result;
  auto& out = result.ranges_;
  const auto x = a.ranges();
  const auto y = b.ranges();
  for (std::size_t i = 0, j = 0; i < x.size() && j < y.size();) {
    const auto low = std::max(x[i].low, y[j].low);
    const auto high = std::min(x[i].high, y[j].high);
    if (low <= high) out.push_back({low, high});
    if (x[i].high < y[j].high) ++i;
    else ++j;
  }
  return result;
}

}  // namespace mapigate::wire::fxics
