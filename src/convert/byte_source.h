// The bytes of a message, in memory or in an unlinked temporary file, so that a
// large message costs page cache and not heap.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/result.h"

namespace mapigate::convert {

// Cheap to copy; the bytes live as long as any copy or slice does.
class ByteSource {
 public:
  ByteSource() = default;
  static ByteSource from_bytes(Bytes bytes);
  static ByteSource from_string(std::string text);
  // Maps `size` bytes of a regular file that nobody truncates meanwhile. `fd` stays the caller's
  // and may be closed at once.
  static Result<ByteSource> from_file(int fd, std::size_t size);

  View view() const { return view_; }
  std::size_t size() const { return view_.size(); }
  // A part of the same bytes; `part` must lie within view().
  ByteSource slice(View part) const { return {owner_, part}; }

 private:
  ByteSource(std::shared_ptr<const void> owner, View view) : owner_(std::move(owner)), view_(view) {}

  std::shared_ptr<const void> owner_;
  View view_;
};

// Collects a message while it arrives: in memory up to `memory_limit` bytes, from then on in an
// unlinked file in `directory`.
class Spool {
 public:
  explicit Spool(std::size_t memory_limit = std::size_t{1} << 20, std::string directory = "/tmp");
  ~Spool();
  Spool(Spool&& other) noexcept;
  Spool& operator=(Spool&&) = delete;

  Status append(View bytes);  // Errc::unavailable when the disk is full
  std::size_t size() const { return size_; }
  Result<ByteSource> finish() &&;

 private:
  Status write_out(View bytes);

  std::size_t memory_limit_;
  std::string directory_;
  Bytes memory_;
  std::size_t size_ = 0;
  int fd_ = -1;
};

}  // namespace mapigate::convert
