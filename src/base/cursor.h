// Bounded little-endian reading and writing of raw bytes. All MAPI structures
// are little-endian ([MS-OXCDATA] 1.3.2).
#pragma once

#include <concepts>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"

namespace mapigate {

template <class T>
concept Scalar = std::integral<T> || std::floating_point<T> || std::is_enum_v<T>;

// Reads from a view. The first failure sticks: later reads give zeros and move
// nothing, so a caller may read a whole structure and ask once at the end. After a
// failure nothing is left, which is all that a read has to check.
class Cursor {
 public:
  explicit Cursor(View bytes) : start_(bytes.data()), position_(start_), end_(start_ + bytes.size()) {}

  template <Scalar T>
  T scalar() {
    T value{};
    if (!need(sizeof(T))) return value;
    std::memcpy(&value, position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }
  View bytes(std::size_t count) {
    if (!need(count)) return {};
    View out{position_, count};
    position_ += count;
    return out;
  }
  View rest() { return bytes(left()); }
  void skip(std::size_t count) { (void)bytes(count); }

  // Checks that `count` elements of at least `minimum` bytes each can still
  // follow. To be called before anything is allocated for them.
  bool can_hold(std::size_t count, std::size_t minimum) {
    if (failed_) return false;
    if (minimum != 0 && count > left() / minimum) return fail("count exceeds what is left"), false;
    return true;
  }

  // Narrows what can be read to the next `count` bytes. Returns what widen() has to be given afterwards.
  const std::uint8_t* narrow(std::size_t count) {
    const auto* end = end_;
    if (need(count)) end_ = position_ + count;
    return end;
  }
  void widen(const std::uint8_t* end) {
    if (!failed_) end_ = end;
  }

  std::size_t left() const { return static_cast<std::size_t>(end_ - position_); }
  std::size_t offset() const { return static_cast<std::size_t>(position_ - start_); }
  const std::uint8_t* position() const { return position_; }

  bool ok() const { return !failed_; }
  void fail(const char* why) {
    if (failed_) return;
    failed_ = true;
    why_ = why;
    failed_field_ = field_;
    end_ = position_;
  }
  // Where it failed: the innermost field that was being read, and why.
  void set_field(const char* name) { field_ = name; }
  const char* field() const { return failed_ ? failed_field_ : field_; }
  Error error(std::string_view structure) const {
    return mapigate::error(Errc::malformed, "{}: {} at offset {}: {}", structure, field(), offset(), why_);
  }

 private:
  bool need(std::size_t count) {
    if (count <= static_cast<std::size_t>(end_ - position_)) [[likely]] return true;
    return fail("truncated"), false;
  }

  const std::uint8_t* start_;
  const std::uint8_t* position_;
  const std::uint8_t* end_;
  const char* field_ = "start";
  bool failed_ = false;
  const char* failed_field_ = "";
  const char* why_ = "";
};

// Appends to a byte vector owned by the caller.
class Output {
 public:
  explicit Output(Bytes& out) : out_(out) {}

  template <Scalar T>
  void scalar(T value) {
    const auto at = out_.size();
    out_.resize(at + sizeof(T));
    std::memcpy(out_.data() + at, &value, sizeof(T));
  }
  void bytes(View view) { out_.insert(out_.end(), view.begin(), view.end()); }
  std::size_t size() const { return out_.size(); }
  std::uint8_t* data() { return out_.data(); }
  View view() const { return out_; }
  // Overwrites a scalar written earlier: sizes that are known only afterwards.
  template <Scalar T>
  void patch(std::size_t at, T value) {
    std::memcpy(out_.data() + at, &value, sizeof(T));
  }
  void truncate(std::size_t size) { out_.resize(size); }
  void resize(std::size_t size) { out_.resize(size); }  // what is new is zero
  Bytes& target() { return out_; }

 private:
  Bytes& out_;
};

}  // namespace mapigate
