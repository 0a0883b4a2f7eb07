// Field lists. Every wire structure names its fields once:
//
//   struct OpenModify {
//     std::uint8_t OutputHandleIndex = 0;
//     mapi::Id FolderId;
//     static void fields(auto& s, auto& v) {
//       v("OutputHandleIndex", s.OutputHandleIndex);
//       v("FolderId", s.FolderId);
//     }
//   };
//
// and is read (FieldReader), written (FieldWriter), described to a dump or to
// Lua (FieldDescriber) and built from Lua or a fuzzer (FieldBuilder) from that
// one list. A field that depends on an earlier one stands behind a plain `if`.
// A structure that cannot be told from its bytes alone takes what it needs as a
// third argument: fields(s, v, context).
//
// What a visitor offers:
//   v(name, x)                  scalar, enum, bool (one byte), Guid, Id, PropertyTag, byte array, structure
//   v.sz(name, text)            Utf16 or std::string_view up to its terminating zero
//   v.bytes(name, view, size)   exactly `size` bytes
//   v.rest(name, view)          all that is left
//   v.binary<Count>(name, view) a byte count of type Count, then the bytes
//   v.list(name, span, count)   `count` elements
//   v.counted<Count>(name, span) an element count of type Count, then the elements
//   v.value(name, value, type)  a property value of a type known from elsewhere
//   v.tagged(name, value)       a tag and its value
//   v.restriction(name, r)      a restriction tree (pointer, never null; see sized)
//   v.count<Count>(name, n)     a count that stands apart from its list; returns what list() is to be given:
//                               `v.list("Servers", s.Servers, n)`
//   v.sized<Size>(name, f)      a size in bytes, then what f(v) visits, which must fill it
//   v.more(present)             within sized(): whether anything follows; `present` is what the structure says
//   v.list_to_end(name, span)   within sized(): elements until it ends
//   v.list_in(name, span, count, context)  a list whose elements take a context
//   v.row(name, row, columns)   a PropertyRow; v.rows(...) `count` of them
//   v.check(condition, why)     a rule between fields; reading fails when it does not hold
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <limits>
#include <utility>

#include "base/cursor.h"
#include "mapi/restriction.h"
#include "mapi/value.h"
#include "wire/places.h"

namespace mapigate::wire {

// How wide byte counts of PtypBinary values are: 16 bits in ROP buffers, 32 bits
// in MAPI/HTTP address-book bodies and extended rules ([MS-OXCDATA] 2.11.1.1).
// `address_book` is `wide` with a HasValue byte before strings, binaries and
// multiple values, and before each string or binary of those ([MS-OXCMAPIHTTP]
// 2.2.1.1); a value whose HasValue is zero keeps its type and has no data. Such a byte
// stands before the tag of what a restriction compares with, too.
enum class CountWidth : std::uint8_t { narrow = 2, wide = 4, address_book = 5 };

// One row of a table ([MS-OXCDATA] 2.8). `values` has an entry per column. In a
// flagged row (Flag 1) a column without value has type PtypUnspecified, one with
// an error has type PtypErrorCode.
struct PropertyRow {
  std::uint8_t Flag = 0;
  std::span<const mapi::Value> values;
};
using Columns = std::span<const mapi::PropertyTag>;

template <class T>
concept ByteArray = requires { []<std::size_t N>(std::type_identity<std::array<std::uint8_t, N>>) {}(std::type_identity<std::remove_const_t<T>>{}); };

// What stands in memory as on the wire (both are little-endian): lists of it are read and written as one piece.
template <class T>
inline constexpr bool packed = (Scalar<T> && !std::is_same_v<T, bool>) || std::is_same_v<T, mapi::Guid> ||
                               std::is_same_v<T, mapi::Id> || std::is_same_v<T, mapi::PropertyTag> ||
                               std::is_same_v<T, FileTime>;
static_assert(sizeof(mapi::Guid) == 16 && sizeof(mapi::Id) == 8 && sizeof(mapi::PropertyTag) == 4 && sizeof(FileTime) == 8);
static_assert(std::endian::native == std::endian::little);

class FieldReader {
 public:
  FieldReader(Cursor& cursor, Arena& arena, CountWidth width = CountWidth::narrow)
      : cursor_(cursor), arena_(arena), width_(width) {}

  template <class T>
  void operator()(const char* name, T& x) {
    cursor_.set_field(name);
    if constexpr (std::is_same_v<T, bool>) x = cursor_.scalar<std::uint8_t>() != 0;
    else if constexpr (Scalar<T>) x = cursor_.scalar<T>();
    else if constexpr (std::is_same_v<T, mapi::Guid>) fixed(x.bytes);
    else if constexpr (std::is_same_v<T, mapi::Id>) x = mapi::Id(cursor_.scalar<std::uint64_t>());
    else if constexpr (std::is_same_v<T, mapi::PropertyTag>) x = mapi::PropertyTag(cursor_.scalar<std::uint32_t>());
    else if constexpr (std::is_same_v<T, FileTime>) x.ticks = cursor_.scalar<std::uint64_t>();
    else if constexpr (ByteArray<T>) fixed(x);
    else T::fields(x, *this);
  }
  void sz(const char* name, Utf16& text);
  void sz(const char* name, std::string_view& text);
  void bytes(const char* name, View& view, std::size_t size) {
    cursor_.set_field(name);
    view = cursor_.bytes(size);
  }
  void rest(const char* name, View& view) { bytes(name, view, cursor_.left()); }
  template <std::unsigned_integral Count>
  void binary(const char* name, View& view) {
    cursor_.set_field(name);
    const auto size = cursor_.scalar<Count>();
    view = cursor_.bytes(size);
  }
  template <class T>
  void list(const char* name, std::span<const T>& span, std::size_t count) {
    cursor_.set_field(name);
    span = {};
    if (!cursor_.can_hold(count, minimum_size<T>())) return;
    if constexpr (packed<T>) {
      span = packed_list<T>(cursor_.bytes(count * sizeof(T)));
    } else {
      auto elements = arena_.make_span<T>(count);
      for (auto& element : elements) {
        (*this)(name, element);
        if (!cursor_.ok()) return;
      }
      span = elements;
    }
  }
  template <std::unsigned_integral Count, class T>
  void counted(const char* name, std::span<const T>& span) {
    cursor_.set_field(name);
    list(name, span, cursor_.scalar<Count>());
  }
  template <class T, class Context>
  void list_in(const char* name, std::span<const T>& span, std::size_t count, const Context& context) {
    cursor_.set_field(name);
    span = {};
    if (!cursor_.can_hold(count, minimum_size<T>())) return;
    auto elements = arena_.make_span<T>(count);
    for (auto& element : elements) {
      T::fields(element, *this, context);
      if (!cursor_.ok()) return;
    }
    span = elements;
  }
  template <std::unsigned_integral Count>
  std::size_t count(const char* name, std::size_t) {
    cursor_.set_field(name);
    return cursor_.scalar<Count>();
  }
  template <std::unsigned_integral Size, class Visit>
  void sized(const char* name, Visit visit) {
    cursor_.set_field(name);
    const auto* end = cursor_.narrow(cursor_.scalar<Size>());
    visit(*this);
    if (cursor_.left() != 0) {
      cursor_.set_field(name);
      cursor_.fail("is larger than what it holds");
    }
    cursor_.widen(end);
  }
  bool more(bool) const { return cursor_.left() != 0; }
  template <class T>
  void list_to_end(const char* name, std::span<const T>& span) {
    // The first pass counts, so that the arena holds each element once.
    span = {};
    const auto start = cursor_;
    std::size_t count = 0;
    for (T element{}; cursor_.left() != 0; ++count) (*this)(name, element);
    if (!cursor_.ok()) return;
    cursor_ = start;
    list(name, span, count);
  }
  void value(const char* name, mapi::Value& value, mapi::PropertyType type);
  void tagged(const char* name, mapi::TaggedValue& value) {
    part(name, value.tag, [this] { return mapi::PropertyTag(cursor_.scalar<std::uint32_t>()); });
    const auto at = cursor_.offset();
    this->value(name, value.value, value.tag.type());
    note(&value.value, at);
  }
  void tagged_list(const char* name, std::span<const mapi::TaggedValue>& values, std::size_t count);
  void restriction(const char* name, const mapi::Restriction*& restriction);
  void row(const char* name, PropertyRow& row, Columns columns);
  void rows(const char* name, std::span<const PropertyRow>& rows, std::size_t count, Columns columns);
  void check(bool condition, const char* why) {
    if (!condition) cursor_.fail(why);
  }

  // Lets `visit` read fields with a reader of its own, whose position the optimiser can keep in a register.
  template <class Visit>
  void at_once(Visit visit) {
    Cursor cursor = cursor_;
    FieldReader reader(cursor, arena_, width_);
    visit(reader);
    cursor_ = cursor;
  }

  bool ok() const { return cursor_.ok(); }
  Cursor& cursor() { return cursor_; }
  Arena& arena() { return arena_; }
  CountWidth width() const { return width_; }

  // From now on `places`, which may be null, gets the offsets of what has no visit of its own: the parts of
  // restrictions, tagged values, rows and rule actions.
  void note_in(Places* places) { places_ = places; }
  void note(const void* address, std::size_t offset, Places::Of of = Places::Of::field) {
    if (places_ != nullptr && cursor_.ok()) [[unlikely]] places_->set(of, address, offset);
  }
  // Reads such a part.
  template <class T>
  void part(const char* name, T& x, auto read) {
    cursor_.set_field(name);
    const auto at = cursor_.offset();
    x = read();
    note(&x, at);
  }
  // Of the restrictions of a list that breaks off in `broken` those that dumps show: the ones before it, and it as far
  // as it was read.
  std::size_t shown(std::span<const mapi::Restriction> nodes, const mapi::Restriction& broken) const {
    const bool begun = !broken.children.empty() || (places_ != nullptr && places_->find(Places::Of::field, &broken.type));
    return static_cast<std::size_t>(&broken - nodes.data()) + (begun ? 1 : 0);
  }

 private:
  template <class T>
  void part(const char* name, T& x) {
    part(name, x, [this] { return cursor_.scalar<T>(); });
  }
  template <class T>
  static constexpr std::size_t minimum_size() {
    if constexpr (packed<T>) return sizeof(T);
    else if constexpr (requires { T::minimum_size; }) return T::minimum_size;
    else return 1;
  }
  template <std::size_t N>
  void fixed(std::array<std::uint8_t, N>& out) {
    const auto view = cursor_.bytes(N);
    if (view.size() == N) std::memcpy(out.data(), view.data(), N);
  }
  // Elements are copied: on the wire they need not be aligned.
  template <class T>
  std::span<const T> packed_list(View bytes) {
    if (bytes.empty()) return {};
    auto* first = static_cast<T*>(arena_.allocate(bytes.size(), alignof(T)));
    std::memcpy(static_cast<void*>(first), bytes.data(), bytes.size());
    return {first, bytes.size() / sizeof(T)};
  }
  template <class T, class Read>
  std::span<const T> elements(std::size_t minimum, Read read);
  void read_restriction(mapi::Restriction& out);
  void read_restriction_node(mapi::Restriction& out);
  void read_compared(mapi::TaggedValue& value);
  // `out` is a fresh value.
  void read_value(mapi::PropertyType type, mapi::Value& out);
  void read_row(PropertyRow& row, Columns columns);
  void read_rare_value(mapi::PropertyType type, mapi::Value& out);

  Cursor& cursor_;
  Arena& arena_;
  CountWidth width_;
  unsigned depth_ = 0;         // of restrictions, those in the values of restrictions included
  std::size_t promised_ = 0;  // restrictions that were counted and have not been read yet
  Places* places_ = nullptr;
};

// Writing fails (ok() is false) when something does not fit its count field or
// contradicts its structure; what was written so far is then to be thrown away.
// Fields go into room that the writer has made behind what the Output holds: the Output
// has its true size only once ok() or output() was asked, or the writer is gone.
class FieldWriter {
 public:
  explicit FieldWriter(Output& output, CountWidth width = CountWidth::narrow) : output_(output), width_(width) {}
  FieldWriter(const FieldWriter&) = delete;
  FieldWriter& operator=(const FieldWriter&) = delete;
  ~FieldWriter() { settle(); }

  // Lets `visit` write fields with a writer of its own, whose position the optimiser can keep in a register.
  template <class Visit>
  void at_once(Visit visit) {
    FieldWriter writer(output_, width_);
    writer.position_ = position_;
    writer.end_ = end_;
    writer.problem_ = problem_;
    visit(writer);
    position_ = std::exchange(writer.position_, nullptr);
    end_ = writer.end_;
    problem_ = writer.problem_;
  }

  template <class T>
  void operator()(const char* name, const T& x) {
    if constexpr (std::is_same_v<T, bool>) put<std::uint8_t>(x ? 1 : 0);
    else if constexpr (packed<T>) put(x);
    else if constexpr (ByteArray<T>) put_bytes(x);
    else T::fields(x, *this);
    (void)name;
  }
  void sz(const char*, Utf16 text) {
    put_bytes(text.bytes);
    put<std::uint16_t>(0);
  }
  void sz(const char*, std::string_view text) {
    put_bytes(as_view(text));
    put<std::uint8_t>(0);
  }
  void bytes(const char* name, View view, std::size_t size) {
    check(view.size() == size, name);
    put_bytes(view);
  }
  void rest(const char*, View view) { put_bytes(view); }
  template <std::unsigned_integral Count>
  void binary(const char* name, View view) {
    count<Count>(name, view.size());
    put_bytes(view);
  }
  template <class T>
  void list(const char* name, std::span<const T> span, std::size_t count) {
    check(span.size() == count, name);
    if constexpr (packed<T>) put_bytes({reinterpret_cast<const std::uint8_t*>(span.data()), span.size_bytes()});
    else
      for (const auto& element : span) (*this)(name, element);
  }
  template <std::unsigned_integral Count, class T>
  void counted(const char* name, std::span<const T> span) {
    count<Count>(name, span.size());
    list(name, span, span.size());
  }
  template <class T, class Context>
  void list_in(const char* name, std::span<const T> span, std::size_t count, const Context& context) {
    check(span.size() == count, name);
    for (const auto& element : span) T::fields(element, *this, context);
  }
  template <std::unsigned_integral Count>
  std::size_t count(const char* name, std::size_t n) {
    check(n <= std::numeric_limits<Count>::max(), name);
    put(static_cast<Count>(n));
    return n;
  }
  template <std::unsigned_integral Size, class Visit>
  void sized(const char* name, Visit visit) {
    const auto at = size();
    put(Size{});
    visit(*this);
    const auto used = size() - at - sizeof(Size);
    check(used <= std::numeric_limits<Size>::max(), name);
    output_.patch(at, static_cast<Size>(used));
  }
  bool more(bool present) const { return present; }
  template <class T>
  void list_to_end(const char* name, std::span<const T> span) {
    list(name, span, span.size());
  }
  void value(const char* name, const mapi::Value& value, mapi::PropertyType type);
  void tagged(const char* name, const mapi::TaggedValue& value) {
    put(value.tag);
    this->value(name, value.value, value.tag.type());
  }
  void tagged_list(const char* name, std::span<const mapi::TaggedValue> values, std::size_t count) {
    check(values.size() == count, name);
    for (const auto& value : values) tagged(name, value);
  }
  void restriction(const char* name, const mapi::Restriction* restriction);
  void row(const char* name, const PropertyRow& row, Columns columns);
  void rows(const char* name, std::span<const PropertyRow> rows, std::size_t count, Columns columns);
  void check(bool condition, const char* why) {
    if (!condition && problem_ == nullptr) problem_ = why;
  }

  bool ok() {
    settle();
    return problem_ == nullptr;
  }
  const char* problem() const { return problem_; }  // the field that does not fit, or null
  // To append behind what was written; for visitors that write what no field list can say.
  Output& output() {
    settle();
    return output_;
  }
  std::size_t size() const { return position_ == nullptr ? output_.size() : static_cast<std::size_t>(position_ - output_.data()); }
  CountWidth width() const { return width_; }

 private:
  template <class T>
  void put(T value) {
    if (static_cast<std::size_t>(end_ - position_) < sizeof(T)) [[unlikely]] make_room(sizeof(T));
    std::memcpy(position_, &value, sizeof(T));
    position_ += sizeof(T);
  }
  void put_bytes(View view) {
    if (view.empty()) return;
    if (static_cast<std::size_t>(end_ - position_) < view.size()) [[unlikely]] {
      if (view.size() >= 256) return append(view);
      make_room(view.size());
    }
    std::memcpy(position_, view.data(), view.size());
    position_ += view.size();
  }
  void make_room(std::size_t size);
  void append(View view);
  void settle() {
    if (position_ == nullptr) return;
    output_.truncate(size());
    position_ = end_ = nullptr;
  }
  void write_restriction(const mapi::Restriction& restriction);
  void write_restriction_node(const mapi::Restriction& restriction);
  void write_compared(const mapi::TaggedValue& value);
  void standard_row(const char* name, std::span<const mapi::Value> values, Columns columns);
  void write_rare_value(const char* name, const mapi::Value& value, mapi::PropertyType type);

  Output& output_;
  std::uint8_t* position_ = nullptr;  // within the Output's bytes; null when those have their true size
  std::uint8_t* end_ = nullptr;
  CountWidth width_;
  unsigned depth_ = 0;  // as in the reader
  const char* problem_ = nullptr;
};

// Reads one structure that must fill `bytes` exactly: leftover bytes are an error.
// The result borrows from `bytes` and `arena`.
template <class T, class... Context>
Result<T> decode(std::string_view name, View bytes, Arena& arena, CountWidth width, const Context&... context) {
  Cursor cursor(bytes);
  FieldReader reader(cursor, arena, width);
  T out{};
  T::fields(out, reader, context...);
  if (cursor.ok() && cursor.left() != 0) {
    cursor.set_field("end");
    cursor.fail("bytes are left over");
  }
  if (!cursor.ok()) return cursor.error(name);
  return out;
}

template <class T, class... Context>
Status encode(std::string_view name, const T& structure, Bytes& out, CountWidth width, const Context&... context) {
  Output output(out);
  FieldWriter writer(output, width);
  T::fields(structure, writer, context...);
  if (!writer.ok()) return error(Errc::internal, "{}: {} does not fit", name, writer.problem());
  return {};
}

}  // namespace mapigate::wire
