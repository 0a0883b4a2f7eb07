// How a structure becomes a BlobKind; for the sources that list kinds.
#pragma once

#include "wire/blobs/blob.h"

namespace mapigate::wire::blobs {

template <class T>
Result<Bytes> rewrite_as(View bytes, std::size_t& rest) {
  Arena arena;
  const auto decoded = decode_blob<T>(bytes, arena);
  if (!decoded) return decoded.error();
  rest = decoded->rest.size();
  return encode_blob(decoded->value, decoded->rest);
}

template <class T>
Status tell_as(View bytes, FieldSink& sink, std::size_t* start) {
  if (bytes.size() > max_blob) return error(Errc::limit, "{}: larger than {} bytes", T::name, max_blob);
  Arena arena;
  Cursor cursor(bytes);
  FieldReader reader(cursor, arena, width_of<T>());
  FieldTeller teller(reader, sink, start);
  T value{};
  teller(T::name, value);
  if (!cursor.ok()) return cursor.error(T::name);
  View rest;
  if (cursor.left() != 0) teller.rest("rest", rest);
  return {};
}

template <class T>
Result<Bytes> build_as(FieldSource& source) {
  Arena arena;
  FieldBuilder builder(source, arena);
  T value{};
  T::fields(value, builder);
  return encode_blob(value);
}

template <class T>
constexpr BlobKind kind(std::string_view name, std::string_view holds) {
  return {name, holds, rewrite_as<T>, tell_as<T>};
}
// Of structures whose field lists FieldBuilder can visit.
template <class T>
constexpr BlobKind buildable_kind(std::string_view name, std::string_view holds) {
  return {name, holds, rewrite_as<T>, tell_as<T>, build_as<T>};
}

std::span<const BlobKind> calendar_kinds();
std::span<const BlobKind> entry_id_kinds();
std::span<const BlobKind> rule_kinds();
std::span<const BlobKind> folder_kinds();

}  // namespace mapigate::wire::blobs
