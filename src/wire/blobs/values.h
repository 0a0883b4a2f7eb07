// Property values and restrictions in the widths of blobs. Besides the two forms of ROPs and extended
// rules (CountWidth), there are:
//   RestrictionForm::rule      conditions of rule messages: counts of 16 bits, values as in extended rules
//   RestrictionForm::stored    search folders: types, operators and counts of 32 bits, values in the form below
//   ValueForm::stored          strings (with their terminator) and binaries behind a size of 16 bits, as are the
//                              counts of multiple values; booleans of 16 bits
//   ValueForm::nickname        the remains of an SPropValue in memory, then what it pointed to; sizes of 32 bits
#pragma once

#include "wire/blobs/blob_fields.h"

namespace mapigate::wire::blobs {

enum class ValueForm : std::uint8_t { stored, nickname };
enum class RestrictionForm : std::uint8_t { rule, stored };

struct StoredValue {
  static constexpr std::size_t minimum_size = 4;
  mapi::TaggedValue value{};
  // Of the SPropValue: dwAlignPad, and the union, which holds small values and stale pointers.
  std::uint32_t alignment = 0;
  std::array<std::uint8_t, 8> remains{};
};
void read(FieldReader& reader, StoredValue& value, ValueForm form);
void write(FieldWriter& writer, const StoredValue& value, ValueForm form);
void tell(FieldTeller& teller, const char* name, StoredValue& value, ValueForm form);

template <class V>
void stored_values(V& v, const char* name, std::span<const StoredValue>& values, std::size_t count, ValueForm form) {
  static_assert(ReadingVisitor<V>);
  v.cursor().set_field(name);
  values = {};
  if (!v.cursor().can_hold(count, form == ValueForm::nickname ? 16 : StoredValue::minimum_size)) return;
  const auto made = v.arena().template make_span<StoredValue>(count);
  for (std::size_t i = 0; i < count && v.ok(); ++i) {
    if constexpr (TellingVisitor<V>) tell(v, name, made[i], form);
    else read(v, made[i], form);
  }
  values = made;
}
inline void stored_values(FieldWriter& v, const char* name, std::span<const StoredValue> values, std::size_t count,
                          ValueForm form) {
  v.check(values.size() == count, name);
  for (const auto& value : values) write(v, value, form);
}
inline void stored_values(FieldDescriber& v, const char* name, std::span<const StoredValue> values, std::size_t, ValueForm) {
  for (const auto& value : values) v.tagged(name, value.value);
}

void read_restriction(FieldReader& reader, const char* name, const mapi::Restriction*& restriction, RestrictionForm form);
void write_restriction(FieldWriter& writer, const mapi::Restriction& restriction, RestrictionForm form);

template <class V>
void restriction_in(V& v, const char* name, auto& restriction, RestrictionForm form) {
  if constexpr (std::is_same_v<V, FieldDescriber>) {
    v.restriction(name, restriction);
  } else if constexpr (TellingVisitor<V>) {
    v.mark();
    read_restriction(v.reader(), name, restriction, form);
    v.tell_restriction(name, restriction);
  } else if constexpr (ReadingVisitor<V>) {
    read_restriction(v, name, restriction, form);
  } else {
    write_restriction(v, *restriction, form);
  }
}

// A restriction by itself, as search folders hold it.
struct StoredRestriction {
  static constexpr const char* name = "Restriction";
  const mapi::Restriction* restriction = nullptr;
  static void fields(auto& s, auto& v) { restriction_in(v, "Restriction", s.restriction, RestrictionForm::stored); }
};
// As ROPs hold it.
struct RopRestriction {
  static constexpr const char* name = "Restriction";
  const mapi::Restriction* restriction = nullptr;
  static void fields(auto& s, auto& v) { v.restriction("Restriction", s.restriction); }
};

// Properties one behind the other, to the end.
struct PropertyList {
  static constexpr const char* name = "Properties";
  std::span<const StoredValue> values{};
  template <class V>
  static void fields(auto& s, V& v) {
    if constexpr (std::is_same_v<V, FieldReader>) {
      const auto start = v.cursor();
      std::size_t count = 0;
      for (StoredValue one; v.cursor().left() != 0; ++count) read(v, one, ValueForm::stored);
      if (!v.ok()) return;
      v.cursor() = start;
      stored_values(v, "Property", s.values, count, ValueForm::stored);
    } else if constexpr (TellingVisitor<V>) {
      for (StoredValue one; v.cursor().left() != 0;) tell(v, "Property", one, ValueForm::stored);
    } else {
      stored_values(v, "Property", s.values, s.values.size(), ValueForm::stored);
    }
  }
};

// Rows of recipients as Outlook keeps them in properties of its own.
struct RecipientStreamRow {
  static constexpr std::size_t minimum_size = 8;
  std::uint32_t ulReserved1 = 0;
  std::span<const StoredValue> Properties{};
  static void fields(auto& s, auto& v) {
    const auto n = v.template count<std::uint32_t>("cValues", s.Properties.size());
    v("ulReserved1", s.ulReserved1);
    stored_values(v, "Property", s.Properties, n, ValueForm::stored);
  }
};
struct RecipientRowStream {
  static constexpr const char* name = "RecipientRowStream";
  std::uint32_t cVersion = 1;
  std::span<const RecipientStreamRow> Rows{};
  static void fields(auto& s, auto& v) {
    v("cVersion", s.cVersion);
    counted_list<std::uint32_t>(v, "cRowCount", "Rows", s.Rows);
  }
};

// The nickname cache (autocomplete stream) of Outlook.
struct NicknameRow {
  static constexpr std::size_t minimum_size = 4;
  std::span<const StoredValue> Properties{};
  static void fields(auto& s, auto& v) {
    const auto n = v.template count<std::uint32_t>("cValues", s.Properties.size());
    stored_values(v, "Property", s.Properties, n, ValueForm::nickname);
  }
};
struct NicknameCache {
  static constexpr const char* name = "NicknameCache";
  std::array<std::uint8_t, 4> Metadata1{0x0D, 0xF0, 0xAD, 0xBA};
  std::uint32_t MajorVersion = 12;
  std::uint32_t MinorVersion = 0;
  std::span<const NicknameRow> Rows{};
  View ExtraInfo{};
  std::array<std::uint8_t, 8> Metadata2{};
  static void fields(auto& s, auto& v) {
    v("Metadata1", s.Metadata1);
    v("MajorVersion", s.MajorVersion);
    v("MinorVersion", s.MinorVersion);
    counted_list<std::uint32_t>(v, "RowCount", "Rows", s.Rows);
    counted_bytes<std::uint32_t>(v, "ExtraInfoSize", "ExtraInfo", s.ExtraInfo);
    v("Metadata2", s.Metadata2);
  }
};

}  // namespace mapigate::wire::blobs
