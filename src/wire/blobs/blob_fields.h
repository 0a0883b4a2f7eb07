// What the field lists of blobs share. Blobs are the binary property values that Outlook writes for
// itself. They are visited by FieldReader, FieldWriter, FieldDescriber and FieldTeller, those that scripts can make
// (buildable_kind) by FieldBuilder too.
#pragma once

#include "wire/read_and_tell.h"

namespace mapigate::wire::blobs {

template <class V>
concept TellingVisitor = std::is_same_v<V, FieldTeller>;
template <class V>
concept BuildingVisitor = std::is_same_v<V, FieldBuilder>;
template <class V>
concept ReadingVisitor = std::is_same_v<V, FieldReader> || TellingVisitor<V>;

// Tells a dump what `make()` says; nothing for the other visitors.
template <class V>
void remark(V& v, const char* name, auto make) {
  if constexpr (TellingVisitor<V>)
    if (v.ok()) v.remark(name, make());
}

// `units` UTF-16 code units, or for string_view bytes, without terminator.
template <class V, class Text>
void text(V& v, const char* name, Text& s, std::size_t units) {
  constexpr bool wide = std::is_same_v<std::remove_const_t<Text>, Utf16>;
  const auto size = wide ? 2 * units : units;
  if constexpr (std::is_same_v<V, FieldDescriber> || BuildingVisitor<V>) {
    v.sz(name, s);
  } else if constexpr (TellingVisitor<V>) {
    v.mark();
    text(v.reader(), name, s, units);
    if (v.ok()) v.describer().sz(name, s);
  } else if constexpr (wide) {
    v.bytes(name, s.bytes, size);
  } else if constexpr (ReadingVisitor<V>) {
    View raw;
    v.bytes(name, raw, size);
    s = as_text(raw);
  } else {
    v.bytes(name, as_view(s), size);
  }
}
// A count of units, then the text.
template <std::unsigned_integral Count>
void counted_text(auto& v, const char* count_name, const char* name, auto& s) {
  const auto n = v.template count<Count>(count_name, s.size());
  text(v, name, s, n);
}
template <std::unsigned_integral Count>
void counted_bytes(auto& v, const char* count_name, const char* name, auto& view) {
  const auto n = v.template count<Count>(count_name, view.size());
  v.bytes(name, view, n);
}
template <std::unsigned_integral Count>
void counted_list(auto& v, const char* count_name, const char* name, auto& span) {
  const auto n = v.template count<Count>(count_name, span.size());
  v.list(name, span, n);
}

// For structures without counts: whether at least `size` bytes are left when reading, else what `there` says.
template <class V>
bool follows(V& v, auto& there, std::size_t size) {
  if constexpr (ReadingVisitor<V>) {
    auto& cursor = v.cursor();
    there = cursor.ok() && cursor.left() >= size;
  }
  return there;
}
template <class V>
std::size_t bytes_left(V& v, std::size_t otherwise) {
  if constexpr (ReadingVisitor<V>) return v.cursor().left();
  return otherwise;
}

// A structure within itself, kept in the arena.
template <class V>
void nested(V& v, const char* name, auto& structure, unsigned depth) {
  if constexpr (ReadingVisitor<V>) {
    auto* made = v.arena().template make<std::remove_cvref_t<decltype(*structure)>>();
    made->depth = depth;
    v(name, *made);
    structure = made;
  } else if (structure != nullptr) {
    v(name, *structure);
  }
}

// The names of those bits that are set, and the rest as a number.
struct BitName {
  std::uint32_t bit;
  const char* name;
};
std::string names_of_bits(std::uint32_t value, std::span<const BitName> names);
// Minutes since 1601 as date and time; 0x5AE980DF and what lies behind it stands for "never".
std::string from_minutes(std::uint32_t minutes);

void date(auto& v, const char* name, auto& minutes) {
  v(name, minutes);
  remark(v, "date", [&] { return from_minutes(minutes); });
}

}  // namespace mapigate::wire::blobs
