#include "wire/fields.h"

#include <algorithm>

#include "wire/field_values.h"

namespace mapigate::wire {

using mapi::PropertyType;
using mapi::Restriction;
using mapi::RestrictType;
using mapi::Value;

// The first 16-bit unit of zero, or `units`. Four units at a time: the lowest unit that is zero is the
// lowest that borrows.
[[gnu::always_inline]] static inline std::size_t units_before_zero(const std::uint8_t* start, std::size_t units) {
  std::size_t i = 0;
  for (; i + 4 <= units; i += 4) {
    std::uint64_t four;
    std::memcpy(&four, start + 2 * i, sizeof four);
    const auto zeros = (four - 0x0001000100010001U) & ~four & 0x8000800080008000U;
    if (zeros != 0) return i + static_cast<std::size_t>(std::countr_zero(zeros)) / 16;
  }
  while (i < units && (start[2 * i] | start[2 * i + 1]) != 0) ++i;
  return i;
}

[[gnu::always_inline]] static inline void read_utf16(Cursor& cursor, Utf16& text) {
  const auto all = cursor.left() / 2;
  const auto units = units_before_zero(cursor.position(), all);
  if (units == all) return cursor.fail("string without terminator");
  text.bytes = cursor.bytes(2 * units);
  cursor.skip(2);
}

void FieldReader::sz(const char* name, Utf16& text) {
  cursor_.set_field(name);
  text = {};
  read_utf16(cursor_, text);
}

void FieldReader::sz(const char* name, std::string_view& text) {
  cursor_.set_field(name);
  text = {};
  const auto* start = cursor_.position();
  const auto* end = cursor_.left() == 0 ? nullptr : static_cast<const std::uint8_t*>(std::memchr(start, 0, cursor_.left()));
  if (end == nullptr) return cursor_.fail("string without terminator");
  text = as_text(cursor_.bytes(static_cast<std::size_t>(end - start)));
  cursor_.skip(1);
}

// Reads `count` elements with `read`, after checking that they can be there.
template <class T, class Read>
std::span<const T> FieldReader::elements(std::size_t minimum, Read read) {
  const std::size_t count = cursor_.scalar<std::uint32_t>();
  if (!cursor_.can_hold(count, minimum)) return {};
  if constexpr (packed<T> || std::is_same_v<T, mapi::Currency>) {
    return packed_list<T>(cursor_.bytes(count * sizeof(T)));
  } else {
    auto out = arena_.make_span<T>(count);
    for (auto& element : out) {
      element = read();
      if (!cursor_.ok()) return {};
    }
    return out;
  }
}

// The types of which messages and tables are full; each value goes straight to its place. False: another type,
// and nothing was read.
[[gnu::always_inline]] static inline bool read_common_value(Cursor& cursor, CountWidth width, PropertyType type, Value& out) {
  switch (type) {
    case PropertyType::PtypInteger16: out.data.emplace<std::int16_t>(cursor.scalar<std::int16_t>()); return true;
    case PropertyType::PtypInteger32: out.data.emplace<std::int32_t>(cursor.scalar<std::int32_t>()); return true;
    case PropertyType::PtypInteger64: out.data.emplace<std::int64_t>(cursor.scalar<std::int64_t>()); return true;
    case PropertyType::PtypBoolean: out.data.emplace<bool>(cursor.scalar<std::uint8_t>() != 0); return true;
    case PropertyType::PtypTime: out.data.emplace<FileTime>(FileTime{cursor.scalar<std::uint64_t>()}); return true;
    case PropertyType::PtypErrorCode:
      out.data.emplace<mapi::ErrorValue>(mapi::ErrorValue{cursor.scalar<std::uint32_t>()});
      return true;
    case PropertyType::PtypString: read_utf16(cursor, out.data.emplace<Utf16>()); return true;
    case PropertyType::PtypBinary: {
      const std::size_t size = width == CountWidth::narrow ? cursor.scalar<std::uint16_t>() : cursor.scalar<std::uint32_t>();
      out.data.emplace<View>(cursor.bytes(size));
      return true;
    }
    default: return false;
  }
}

void FieldReader::read_value(PropertyType type, Value& out) {
  out.type = type;
  if (width_ == CountWidth::address_book && has_value_byte(type) && cursor_.scalar<std::uint8_t>() == has_no_value) return;
  if (!read_common_value(cursor_, width_, type, out)) read_rare_value(type, out);
}

void FieldReader::read_rare_value(PropertyType type, Value& out) {
  const bool address_book = width_ == CountWidth::address_book;
  const auto utf16 = [this] {
    Utf16 text;
    sz(cursor_.field(), text);
    return text;
  };
  const auto string8 = [this] {
    std::string_view text;
    sz(cursor_.field(), text);
    return mapi::String8{text};
  };
  const auto blob = [this] {
    const std::size_t size = width_ == CountWidth::narrow ? cursor_.scalar<std::uint16_t>() : cursor_.scalar<std::uint32_t>();
    return cursor_.bytes(size);
  };
  // An element without value reads as an empty one.
  const auto element = [&](const auto& read) {
    return [this, address_book, &read]() -> decltype(read()) {
      if (address_book && cursor_.scalar<std::uint8_t>() == has_no_value) return {};
      return read();
    };
  };
  const auto none = [] {};
  switch (type) {
    case PropertyType::PtypUnspecified:
      type = cursor_.scalar<PropertyType>();
      out.type = type;
      if (type == PropertyType::PtypUnspecified) return cursor_.fail("type is unspecified");
      return read_value(type, out);
    case PropertyType::PtypNull:
    case PropertyType::PtypObject: break;
    case PropertyType::PtypFloating32: out.data = cursor_.scalar<float>(); break;
    case PropertyType::PtypFloatingTime:
    case PropertyType::PtypFloating64: out.data = cursor_.scalar<double>(); break;
    case PropertyType::PtypCurrency: out.data = mapi::Currency{cursor_.scalar<std::int64_t>()}; break;
    case PropertyType::PtypString8: out.data = string8(); break;
    case PropertyType::PtypGuid: fixed(out.data.emplace<mapi::Guid>().bytes); break;
    case PropertyType::PtypServerId: {
      const auto size = cursor_.scalar<std::uint16_t>();
      out.data = cursor_.bytes(size);
      break;
    }
    case PropertyType::PtypRestriction: {
      const Restriction* restriction = nullptr;
      this->restriction(cursor_.field(), restriction);
      out.data = restriction;
      break;
    }
    case PropertyType::PtypRuleAction: {
      // [MS-OXORULE] 2.2.5: blocks with their own lengths; counts are as wide as those of binaries.
      const auto wide = width_ != CountWidth::narrow;
      const auto count = [&]() -> std::size_t { return wide ? cursor_.scalar<std::uint32_t>() : cursor_.scalar<std::uint16_t>(); };
      const auto blocks = count();
      if (!cursor_.can_hold(blocks, wide ? 13 : 11)) break;
      auto actions = arena_.make_span<mapi::RuleAction>(blocks);
      for (auto& action : actions) {
        cursor_.set_field("ActionLength");
        const auto length = count();
        if (length < 9) return cursor_.fail("action block is too short");
        part("ActionType", action.ActionType);
        part("ActionFlavor", action.ActionFlavor);
        part("ActionFlags", action.ActionFlags);
        part("ActionData", action.ActionData, [&] { return cursor_.bytes(length - 9); });
        if (!cursor_.ok()) return;
      }
      out.data = static_cast<const mapi::RuleActions*>(arena_.make<mapi::RuleActions>(actions));
      break;
    }
    case PropertyType::PtypMultipleInteger16: out.data = elements<std::int16_t>(2, none); break;
    case PropertyType::PtypMultipleInteger32: out.data = elements<std::int32_t>(4, none); break;
    case PropertyType::PtypMultipleFloating32: out.data = elements<float>(4, none); break;
    case PropertyType::PtypMultipleFloating64:
    case PropertyType::PtypMultipleFloatingTime: out.data = elements<double>(8, none); break;
    case PropertyType::PtypMultipleCurrency: out.data = elements<mapi::Currency>(8, none); break;
    case PropertyType::PtypMultipleInteger64: out.data = elements<std::int64_t>(8, none); break;
    case PropertyType::PtypMultipleString8: out.data = elements<mapi::String8>(1, element(string8)); break;
    case PropertyType::PtypMultipleString: out.data = elements<Utf16>(address_book ? 1 : 2, element(utf16)); break;
    case PropertyType::PtypMultipleTime: out.data = elements<FileTime>(8, none); break;
    case PropertyType::PtypMultipleGuid: out.data = elements<mapi::Guid>(16, none); break;
    case PropertyType::PtypMultipleBinary: out.data = elements<View>(address_book ? 1 : 2, element(blob)); break;
    default: cursor_.fail("unknown property type"); break;
  }
}

void FieldReader::value(const char* name, Value& value, PropertyType type) {
  cursor_.set_field(name);
  value.data = {};
  read_value(type, value);
}

void FieldReader::tagged_list(const char* name, std::span<const mapi::TaggedValue>& values, std::size_t count) {
  cursor_.set_field(name);
  values = {};
  if (!cursor_.can_hold(count, 4)) return;
  auto elements = arena_.make_span<mapi::TaggedValue>(count);
  for (auto& element : elements) {
    tagged(name, element);
    if (!cursor_.ok()) return;
  }
  values = elements;
}

void FieldReader::restriction(const char* name, const Restriction*& restriction) {
  cursor_.set_field(name);
  auto* root = arena_.make<Restriction>();
  read_restriction(*root);
  restriction = root;
}

void FieldReader::read_restriction(Restriction& out) {
  if (depth_ >= mapi::max_restriction_depth) return cursor_.fail("restriction is nested too deeply");
  ++depth_;
  read_restriction_node(out);
  --depth_;
}

// The filters of address book requests have the pointers of NSPI in them ([MS-OXNSPI] 2.2.3.4 "ContentRestriction_r",
// "PropertyRestriction_r"): whether there is a value is said before its tag. [MS-OXCMAPIHTTP] does not tell; servers and
// clients have it so. No tag begins with this byte, so that one who leaves it out is understood, too.
void FieldReader::read_compared(mapi::TaggedValue& value) {
  cursor_.set_field("TaggedValue");
  if (width_ == CountWidth::address_book && cursor_.left() != 0) {
    const auto next = *cursor_.position();
    if (next == has_no_value) return cursor_.fail("is missing");
    if (next == has_value) cursor_.skip(1);
  }
  tagged("TaggedValue", value);
}

void FieldReader::read_restriction_node(Restriction& out) {
  // What is left has to hold all restrictions that were promised, on this level and on those above it: else each level
  // could take memory for as many as its count may say.
  const auto children = [&](std::size_t count) {
    constexpr std::size_t shortest = 3;
    if (!cursor_.can_hold(promised_ + count, shortest)) return;
    promised_ += count;
    auto nodes = arena_.make_span<Restriction>(count);
    for (auto& node : nodes) {
      --promised_;
      read_restriction(node);
      if (cursor_.ok()) continue;
      out.children = nodes.first(shown(nodes, node));
      return;
    }
    out.children = nodes;
  };
  const auto wide = width_ != CountWidth::narrow;
  const auto tag = [&](const char* name, mapi::PropertyTag& x) {
    part(name, x, [this] { return mapi::PropertyTag(cursor_.scalar<std::uint32_t>()); });
  };
  note(&out, cursor_.offset(), Places::Of::structure);
  part("RestrictType", out.type);
  switch (out.type) {
    case RestrictType::AndRestriction:
    case RestrictType::OrRestriction:
      cursor_.set_field("RestrictCount");
      children(wide ? cursor_.scalar<std::uint32_t>() : cursor_.scalar<std::uint16_t>());
      break;
    case RestrictType::NotRestriction: children(1); break;
    case RestrictType::ContentRestriction:
      part("FuzzyLevelLow", out.FuzzyLevelLow);
      part("FuzzyLevelHigh", out.FuzzyLevelHigh);
      tag("PropTag", out.tag);
      read_compared(out.value);
      break;
    case RestrictType::PropertyRestriction:
      part("RelOp", out.relop);
      tag("PropTag", out.tag);
      read_compared(out.value);
      break;
    case RestrictType::ComparePropertiesRestriction:
      part("RelOp", out.relop);
      tag("PropTag", out.tag);
      tag("PropTag2", out.tag2);
      break;
    case RestrictType::BitMaskRestriction:
      part("BitmapRelOp", out.bits_must_be_set, [this] { return cursor_.scalar<std::uint8_t>() != 0; });
      tag("PropTag", out.tag);
      part("Mask", out.number);
      break;
    case RestrictType::SizeRestriction:
      part("RelOp", out.relop);
      tag("PropTag", out.tag);
      part("Size", out.number);
      break;
    case RestrictType::ExistRestriction: tag("PropTag", out.tag); break;
    case RestrictType::SubObjectRestriction:
      part("Subobject", out.number);
      children(1);
      break;
    case RestrictType::CommentRestriction:
      tagged_list("TaggedValues", out.values, cursor_.scalar<std::uint8_t>());
      if (cursor_.scalar<std::uint8_t>() != 0) children(1);
      break;
    case RestrictType::CountRestriction:
      part("Count", out.number);
      children(1);
      break;
    default: cursor_.fail("unknown restriction type"); break;
  }
}

void FieldReader::row(const char* name, PropertyRow& row, Columns columns) {
  cursor_.set_field(name);
  read_row(row, columns);
}

void FieldReader::read_row(PropertyRow& row, Columns columns) {
  const auto start = cursor_.offset();
  row.Flag = cursor_.scalar<std::uint8_t>();
  note(&row.Flag, start);
  if (row.Flag > 1) return cursor_.fail("row flag is neither standard nor flagged");
  if (!cursor_.ok() || columns.empty()) return;
  auto* values = static_cast<Value*>(arena_.allocate(columns.size() * sizeof(Value), alignof(Value)));
  // A copy that nobody else sees: its position stays in a register. The reader's own stands where the copy does
  // whenever others read.
  Cursor cursor = cursor_;
  std::size_t done = 0;
  for (; done < columns.size() && cursor.ok(); ++done) {
    auto& out = *new (values + done) Value{};
    if (places_ != nullptr) [[unlikely]] places_->set(Places::Of::field, &out, cursor.offset());
    auto type = row_type(columns[done]);
    if (row.Flag != 0) {
      // FlaggedPropertyValueWithType where the column leaves the type open.
      if (type == PropertyType::PtypUnspecified) type = cursor.scalar<PropertyType>();
      const auto flag = cursor.scalar<std::uint8_t>();
      if (flag == flag_absent) continue;
      if (flag == flag_error) {
        type = PropertyType::PtypErrorCode;
      } else if (flag != flag_present) {
        cursor.fail("unknown value flag");
        continue;
      } else if (type == PropertyType::PtypUnspecified) {
        cursor.fail("type is unspecified");
        continue;
      }
    }
    out.type = type;
    // An error has its code only, of four bytes also where other values have a byte before them.
    if (width_ != CountWidth::address_book && read_common_value(cursor, width_, type, out)) continue;
    cursor_ = cursor;
    read_value(type, out);
    cursor = cursor_;
  }
  cursor_ = cursor;
  // Of a row that breaks off the values before: dumps show them.
  row.values = {values, cursor_.ok() || done == 0 ? done : done - 1};
}

void FieldReader::rows(const char* name, std::span<const PropertyRow>& rows, std::size_t count, Columns columns) {
  cursor_.set_field(name);
  rows = {};
  // A PtypNull column takes no byte in a standard row, so the second check bounds those: a value takes
  // much more memory than its byte on the wire.
  const auto max_cells = std::min<std::size_t>(1 << 18, 4096 + 16 * cursor_.left());
  std::size_t minimum = 1;
  for (const auto column : columns) minimum += column.type() != PropertyType::PtypNull && column.type() != PropertyType::PtypObject;
  if (!cursor_.can_hold(count, minimum)) return;
  if (count * columns.size() > max_cells) return cursor_.fail("too many cells");
  auto out = arena_.make_span<PropertyRow>(count);
  for (auto& one : out) {
    read_row(one, columns);
    if (!cursor_.ok()) return;
  }
  rows = out;
}

}  // namespace mapigate::wire
