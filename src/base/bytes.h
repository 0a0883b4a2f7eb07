// Views of raw bytes, and the arena that owns what decoding produces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace mapigate {

using Bytes = std::vector<std::uint8_t>;           // owns
using View = std::span<const std::uint8_t>;        // borrows

inline View as_view(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(View view) {
  return {reinterpret_cast<const char*>(view.data()), view.size()};
}
inline Bytes to_bytes(View view) { return {view.begin(), view.end()}; }
inline bool equal(View a, View b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// Bump allocator for decoded values. Everything handed out lives until the
// arena is cleared or destroyed; nothing is destroyed one by one, so only
// trivially destructible types may live here. A decoded structure is a set of
// views into (a) the bytes it was decoded from and (b) its arena: both must
// outlive it.
class Arena {
 public:
  explicit Arena(std::size_t first_chunk = 1024) : next_chunk_(first_chunk) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  Arena(Arena&&) = default;
  Arena& operator=(Arena&&) = default;

  void* allocate(std::size_t size, std::size_t align) {
    auto at = (reinterpret_cast<std::uintptr_t>(position_) + align - 1) & ~(align - 1);
    if (position_ == nullptr || at + size > reinterpret_cast<std::uintptr_t>(end_)) return grow(size, align);
    position_ = reinterpret_cast<std::uint8_t*>(at) + size;
    return reinterpret_cast<void*>(at);
  }

  template <class T, class... Args>
  T* make(Args&&... args) {
    static_assert(std::is_trivially_destructible_v<T>);
    return new (allocate(sizeof(T), alignof(T))) T{std::forward<Args>(args)...};
  }

  // `count` value-initialised elements. The caller has checked `count` against its input.
  template <class T>
  std::span<T> make_span(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    if (count == 0) return {};
    auto* first = static_cast<T*>(allocate(sizeof(T) * count, alignof(T)));
    for (std::size_t i = 0; i < count; ++i) new (first + i) T{};
    return {first, count};
  }

  template <class T>
  std::span<T> copy(std::span<const T> from) {
    auto to = make_span<T>(from.size());
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = from[i];
    return to;
  }
  View copy(View from) {
    if (from.empty()) return {};
    auto* to = static_cast<std::uint8_t*>(allocate(from.size(), 1));
    std::memcpy(to, from.data(), from.size());
    return {to, from.size()};
  }
  std::string_view copy(std::string_view from) { return as_text(copy(as_view(from))); }

  std::size_t used() const { return used_; }  // bytes reserved from the heap

  // Everything handed out ends. The largest piece of memory stays for what comes next.
  void clear();

 private:
  void* grow(std::size_t size, std::size_t align);

  std::vector<std::unique_ptr<std::uint8_t[]>> chunks_;
  std::uint8_t* position_ = nullptr;
  std::uint8_t* end_ = nullptr;
  std::size_t next_chunk_;
  std::size_t used_ = 0;
};

// "00 1f a3", for logs, dumps and tests.
std::string to_hex(View bytes, char separator = '\0');
// Accepts upper and lower case with spaces, tabs, line breaks, ':' and '-' between
// bytes; returns false on anything else.
bool from_hex(std::string_view text, Bytes& out);
std::string to_base64(View bytes);
bool from_base64(std::string_view text, Bytes& out);  // standard alphabet; white space is skipped

}  // namespace mapigate
