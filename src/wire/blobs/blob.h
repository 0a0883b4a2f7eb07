// All kinds of blob by name: to decode, encode and dump them without knowing the structure.
#pragma once

#include "wire/blobs/blob_fields.h"

namespace mapigate::wire::blobs {

// Bigger ones are refused: nothing that Outlook keeps in such a property comes near.
inline constexpr std::size_t max_blob = std::size_t{4} << 20;

// What a structure's counts and sizes inside of property values are like.
template <class T>
constexpr CountWidth width_of() {
  if constexpr (requires { T::width; }) return T::width;
  else return CountWidth::narrow;
}

// A blob and the bytes behind it that it does not count: writers leave some, and readers pass over them.
template <class T>
struct Decoded {
  T value{};
  View rest;
};

// The result borrows from `bytes` and `arena`.
template <class T>
Result<Decoded<T>> decode_blob(View bytes, Arena& arena) {
  if (bytes.size() > max_blob) return error(Errc::limit, "{}: larger than {} bytes", T::name, max_blob);
  Cursor cursor(bytes);
  FieldReader reader(cursor, arena, width_of<T>());
  Decoded<T> out;
  T::fields(out.value, reader);
  if (!cursor.ok()) return cursor.error(T::name);
  out.rest = cursor.rest();
  return out;
}
template <class T>
Result<Bytes> encode_blob(const T& value, View rest = {}) {
  Bytes out;
  Output output(out);
  FieldWriter writer(output, width_of<T>());
  T::fields(value, writer);
  if (!writer.ok()) return error(Errc::internal, "{}: {} does not fit", T::name, writer.problem());
  output.bytes(rest);
  return out;
}

struct BlobKind {
  std::string_view name;   // "recurrence"
  std::string_view holds;  // the properties whose values have it
  // Reads and writes again, with what was left over, whose size goes to `rest`.
  Result<Bytes> (*rewrite)(View bytes, std::size_t& rest);
  // Tells each field as soon as it is read. On an error the fields up to the failing one were told. Bytes
  // that are left over are told as "rest" and are no error. `start` is set to the offset of each field.
  Status (*tell)(View bytes, FieldSink& sink, std::size_t* start);
  // Makes one of what `source` gives. Null for structures that are only read and written.
  Result<Bytes> (*build)(FieldSource& source) = nullptr;
};

std::span<const BlobKind> blob_kinds();
const BlobKind* find_blob_kind(std::string_view name);  // null when there is none

// Hands on to another sink with the offset of each field: in front of its name ("0012 Flags"), or, with
// `as_structure`, as {"offset": 18, "value": …} for tools.
class OffsetSink final : public FieldSink {
 public:
  OffsetSink(FieldSink& to, bool as_structure) : to_(to), as_structure_(as_structure) {}
  std::size_t* start() { return &start_; }

  void begin(const char* name) override { to_.begin(name); }
  void end() override { to_.end(); }
  void begin_list(const char* name, std::size_t count) override { to_.begin_list(name, count); }
  void end_list() override { to_.end_list(); }
  void number(const char* name, std::uint64_t value, unsigned bytes) override;
  void boolean(const char* name, bool value) override;
  void real(const char* name, double value) override;
  void text(const char* name, std::string_view utf8) override;
  void bytes(const char* name, View value) override;
  void symbol(const char* name, std::uint64_t value, unsigned bytes, std::string_view symbol) override;

 private:
  void placed(const char* name, auto tell);
  FieldSink& to_;
  bool as_structure_;
  std::size_t start_ = 0;
};

}  // namespace mapigate::wire::blobs
