#include "wire/fields.h"

namespace mapigate::wire {

using mapi::PropertyType;
using mapi::Restriction;
using mapi::RestrictType;
using mapi::Value;

namespace {

constexpr std::uint16_t number(PropertyType type) { return static_cast<std::uint16_t>(type); }

// In a column set a multi-value instance stands for one value of its array.
PropertyType row_type(mapi::PropertyTag column) {
  const auto type = column.type();
  return (number(type) & mapi::multivalue_instance_flag) != 0 ? mapi::element_type(type) : type;
}

bool has_value_byte(PropertyType type) {
  return type == PropertyType::PtypString || type == PropertyType::PtypString8 || type == PropertyType::PtypBinary ||
         mapi::is_multivalue(type);
}

enum : std::uint8_t { has_no_value = 0x00, has_value = 0xFF };
enum : std::uint8_t { flag_present = 0x00, flag_absent = 0x01, flag_error = 0x0A };

}  // namespace

void FieldReader::sz(const char* name, Utf16& text) {
  cursor_.set_field(name);
  text = {};
  const auto* start = cursor_.position();
  const auto units = cursor_.left() / 2;
  for (std::size_t i = 0; i < units; ++i) {
    if (start[2 * i] == 0 && start[2 * i + 1] == 0) {
      text.bytes = cursor_.bytes(2 * i);
      cursor_.skip(2);
      return;
    }
  }
  cursor_.fail("string without terminator");
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

namespace {
// Reads `count` elements with `read`, after checking that they can be there.
template <class T, class Read>
std::span<const T> read_elements(FieldReader& reader, std::size_t minimum, Read read) {
  auto& cursor = reader.cursor();
  const std::size_t count = cursor.scalar<std::uint32_t>();
  if (!cursor.can_hold(count, minimum)) return {};
  auto elements = reader.arena().make_span<T>(count);
  for (auto& element : elements) {
    element = read();
    if (!cursor.ok()) return {};
  }
  return elements;
}
}  // namespace

Value FieldReader::read_value(PropertyType type) {
  Value out{type, {}};
  const bool address_book = width_ == CountWidth::address_book;
  if (address_book && has_value_byte(type) && cursor_.scalar<std::uint8_t>() == has_no_value) return out;
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
  const auto guid = [this] {
    mapi::Guid guid;
    fixed(guid.bytes);
    return guid;
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
  const auto currency = [this] { return mapi::Currency{cursor_.scalar<std::int64_t>()}; };
  const auto time = [this] { return FileTime{cursor_.scalar<std::uint64_t>()}; };
  switch (type) {
    case PropertyType::PtypUnspecified:
      out.type = cursor_.scalar<PropertyType>();
      if (out.type == PropertyType::PtypUnspecified) return cursor_.fail("type is unspecified"), out;
      return read_value(out.type);
    case PropertyType::PtypNull:
    case PropertyType::PtypObject: break;
    case PropertyType::PtypInteger16: out.data = cursor_.scalar<std::int16_t>(); break;
    case PropertyType::PtypInteger32: out.data = cursor_.scalar<std::int32_t>(); break;
    case PropertyType::PtypFloating32: out.data = cursor_.scalar<float>(); break;
    case PropertyType::PtypFloatingTime:
    case PropertyType::PtypFloating64: out.data = cursor_.scalar<double>(); break;
    case PropertyType::PtypCurrency: out.data = currency(); break;
    case PropertyType::PtypErrorCode: out.data = mapi::ErrorValue{cursor_.scalar<std::uint32_t>()}; break;
    case PropertyType::PtypBoolean: out.data = cursor_.scalar<std::uint8_t>() != 0; break;
    case PropertyType::PtypInteger64: out.data = cursor_.scalar<std::int64_t>(); break;
    case PropertyType::PtypString8: out.data = string8(); break;
    case PropertyType::PtypString: out.data = utf16(); break;
    case PropertyType::PtypTime: out.data = time(); break;
    case PropertyType::PtypGuid: out.data = guid(); break;
    case PropertyType::PtypServerId: {
      const auto size = cursor_.scalar<std::uint16_t>();
      out.data = cursor_.bytes(size);
      break;
    }
    case PropertyType::PtypBinary: out.data = blob(); break;
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
        const auto length = count();
        if (length < 9) return cursor_.fail("action block is too short"), out;
        action.ActionType = cursor_.scalar<std::uint8_t>();
        action.ActionFlavor = cursor_.scalar<std::uint32_t>();
        action.ActionFlags = cursor_.scalar<std::uint32_t>();
        action.ActionData = cursor_.bytes(length - 9);
        if (!cursor_.ok()) return out;
      }
      out.data = static_cast<const mapi::RuleActions*>(arena_.make<mapi::RuleActions>(actions));
      break;
    }
    case PropertyType::PtypMultipleInteger16:
      out.data = read_elements<std::int16_t>(*this, 2, [this] { return cursor_.scalar<std::int16_t>(); });
      break;
    case PropertyType::PtypMultipleInteger32:
      out.data = read_elements<std::int32_t>(*this, 4, [this] { return cursor_.scalar<std::int32_t>(); });
      break;
    case PropertyType::PtypMultipleFloating32:
      out.data = read_elements<float>(*this, 4, [this] { return cursor_.scalar<float>(); });
      break;
    case PropertyType::PtypMultipleFloating64:
    case PropertyType::PtypMultipleFloatingTime:
      out.data = read_elements<double>(*this, 8, [this] { return cursor_.scalar<double>(); });
      break;
    case PropertyType::PtypMultipleCurrency: out.data = read_elements<mapi::Currency>(*this, 8, currency); break;
    case PropertyType::PtypMultipleInteger64:
      out.data = read_elements<std::int64_t>(*this, 8, [this] { return cursor_.scalar<std::int64_t>(); });
      break;
    case PropertyType::PtypMultipleString8: out.data = read_elements<mapi::String8>(*this, 1, element(string8)); break;
    case PropertyType::PtypMultipleString: out.data = read_elements<Utf16>(*this, address_book ? 1 : 2, element(utf16)); break;
    case PropertyType::PtypMultipleTime: out.data = read_elements<FileTime>(*this, 8, time); break;
    case PropertyType::PtypMultipleGuid: out.data = read_elements<mapi::Guid>(*this, 16, guid); break;
    case PropertyType::PtypMultipleBinary: out.data = read_elements<View>(*this, address_book ? 1 : 2, element(blob)); break;
    default: cursor_.fail("unknown property type"); break;
  }
  return out;
}

void FieldReader::value(const char* name, Value& value, PropertyType type) {
  cursor_.set_field(name);
  value = read_value(type);
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
  read_restriction(*root, 0);
  restriction = root;
}

void FieldReader::read_restriction(Restriction& out, unsigned depth) {
  if (depth >= mapi::max_restriction_depth) return cursor_.fail("restriction is nested too deeply");
  const auto children = [&](std::size_t count) {
    if (!cursor_.can_hold(count, 2)) return;
    auto nodes = arena_.make_span<Restriction>(count);
    for (auto& node : nodes) {
      read_restriction(node, depth + 1);
      if (!cursor_.ok()) return;
    }
    out.children = nodes;
  };
  const auto wide = width_ != CountWidth::narrow;
  out.type = cursor_.scalar<RestrictType>();
  switch (out.type) {
    case RestrictType::AndRestriction:
    case RestrictType::OrRestriction:
      children(wide ? cursor_.scalar<std::uint32_t>() : cursor_.scalar<std::uint16_t>());
      break;
    case RestrictType::NotRestriction: children(1); break;
    case RestrictType::ContentRestriction:
      out.FuzzyLevelLow = cursor_.scalar<std::uint16_t>();
      out.FuzzyLevelHigh = cursor_.scalar<std::uint16_t>();
      out.tag = mapi::PropertyTag(cursor_.scalar<std::uint32_t>());
      tagged("TaggedValue", out.value);
      break;
    case RestrictType::PropertyRestriction:
      out.relop = cursor_.scalar<mapi::RelationalOperator>();
      out.tag = mapi::PropertyTag(cursor_.scalar<std::uint32_t>());
      tagged("TaggedValue", out.value);
      break;
    case RestrictType::ComparePropertiesRestriction:
      out.relop = cursor_.scalar<mapi::RelationalOperator>();
      out.tag = mapi::PropertyTag(cursor_.scalar<std::uint32_t>());
      out.tag2 = mapi::PropertyTag(cursor_.scalar<std::uint32_t>());
      break;
    case RestrictType::BitMaskRestriction:
      out.bits_must_be_set = cursor_.scalar<std::uint8_t>() != 0;
      out.tag = mapi::PropertyTag(cursor_.scalar<std::uint32_t>());
      out.number = cursor_.scalar<std::uint32_t>();
      break;
    case RestrictType::SizeRestriction:
      out.relop = cursor_.scalar<mapi::RelationalOperator>();
      out.tag = mapi::PropertyTag(cursor_.scalar<std::uint32_t>());
      out.number = cursor_.scalar<std::uint32_t>();
      break;
    case RestrictType::ExistRestriction: out.tag = mapi::PropertyTag(cursor_.scalar<std::uint32_t>()); break;
    case RestrictType::SubObjectRestriction:
      out.number = cursor_.scalar<std::uint32_t>();
      children(1);
      break;
    case RestrictType::CommentRestriction:
      tagged_list("TaggedValues", out.values, cursor_.scalar<std::uint8_t>());
      if (cursor_.scalar<std::uint8_t>() != 0) children(1);
      break;
    case RestrictType::CountRestriction:
      out.number = cursor_.scalar<std::uint32_t>();
      children(1);
      break;
    default: cursor_.fail("unknown restriction type"); break;
  }
}

void FieldReader::row(const char* name, PropertyRow& row, Columns columns) {
  cursor_.set_field(name);
  row.Flag = cursor_.scalar<std::uint8_t>();
  if (row.Flag > 1) return cursor_.fail("row flag is neither standard nor flagged");
  if (!cursor_.ok()) return;
  auto values = arena_.make_span<Value>(columns.size());
  for (std::size_t i = 0; i < columns.size() && cursor_.ok(); ++i) {
    auto type = row_type(columns[i]);
    if (row.Flag == 0) {
      values[i] = read_value(type);
      continue;
    }
    // FlaggedPropertyValueWithType where the column leaves the type open.
    if (type == PropertyType::PtypUnspecified) type = cursor_.scalar<PropertyType>();
    switch (cursor_.scalar<std::uint8_t>()) {
      case flag_present:
        if (type == PropertyType::PtypUnspecified) cursor_.fail("type is unspecified");
        else values[i] = read_value(type);
        break;
      case flag_absent: break;
      case flag_error: values[i] = Value::error(cursor_.scalar<std::uint32_t>()); break;
      default: cursor_.fail("unknown value flag"); break;
    }
  }
  row.values = values;
}

void FieldReader::rows(const char* name, std::span<const PropertyRow>& rows, std::size_t count, Columns columns) {
  cursor_.set_field(name);
  rows = {};
  // A PtypNull column takes no byte in a standard row, so the second check bounds those.
  constexpr std::size_t max_cells = 1 << 20;
  std::size_t minimum = 1;
  for (const auto column : columns) minimum += column.type() != PropertyType::PtypNull && column.type() != PropertyType::PtypObject;
  if (!cursor_.can_hold(count, minimum)) return;
  if (count * columns.size() > max_cells) return cursor_.fail("too many cells");
  auto out = arena_.make_span<PropertyRow>(count);
  for (auto& one : out) {
    row(name, one, columns);
    if (!cursor_.ok()) return;
  }
  rows = out;
}

// --- writing

void FieldWriter::value(const char* name, const Value& value, PropertyType type) {
  if (type == PropertyType::PtypUnspecified) {
    output_.scalar(value.type);
    type = value.type;
  }
  check(value.type == type, name);
  if (!ok()) return;
  const auto presence = [&](std::uint8_t byte) {
    if (width_ == CountWidth::address_book) output_.scalar(byte);
  };
  if (width_ == CountWidth::address_book && has_value_byte(type)) {
    const bool present = !std::holds_alternative<std::monostate>(value.data);
    presence(present ? has_value : has_no_value);
    if (!present) return;
  }
  const auto wide = width_ != CountWidth::narrow;
  const auto blob = [&](View bytes) {
    if (wide) binary<std::uint32_t>(name, bytes);
    else binary<std::uint16_t>(name, bytes);
  };
  const auto one = [&]<class T>(const T& x) {
    if constexpr (std::is_same_v<T, std::monostate>) return;
    else if constexpr (std::is_same_v<T, mapi::Currency>) output_.scalar(x.ten_thousandths);
    else if constexpr (std::is_same_v<T, mapi::ErrorValue>) output_.scalar(x.code);
    else if constexpr (std::is_same_v<T, mapi::String8>) sz(name, x.text);
    else if constexpr (std::is_same_v<T, Utf16>) sz(name, x);
    else if constexpr (std::is_same_v<T, View>) blob(x);
    else (*this)(name, x);
  };
  std::visit(
      [&]<class T>(const T& x) {
        if constexpr (requires { typename T::element_type; } && !std::is_same_v<T, View>) {
          count<std::uint32_t>(name, x.size());
          for (const auto& element : x) {
            using Element = typename T::value_type;
            if constexpr (std::is_same_v<Element, mapi::String8> || std::is_same_v<Element, Utf16> ||
                          std::is_same_v<Element, View>)
              presence(has_value);
            one(element);
          }
        } else if constexpr (std::is_same_v<T, const Restriction*>) {
          restriction(name, x);
        } else if constexpr (std::is_same_v<T, const mapi::RuleActions*>) {
          check(x != nullptr, name);
          if (x == nullptr) return;
          const auto put = [&](std::size_t n) { wide ? count<std::uint32_t>(name, n) : count<std::uint16_t>(name, n); };
          put(x->actions.size());
          for (const auto& action : x->actions) {
            put(action.ActionData.size() + 9);
            output_.scalar(action.ActionType);
            output_.scalar(action.ActionFlavor);
            output_.scalar(action.ActionFlags);
            output_.bytes(action.ActionData);
          }
        } else if constexpr (std::is_same_v<T, View>) {
          if (type == PropertyType::PtypServerId) binary<std::uint16_t>(name, x);
          else blob(x);
        } else {
          one(x);
        }
      },
      value.data);
}

void FieldWriter::restriction(const char* name, const Restriction* restriction) {
  check(restriction != nullptr, name);
  if (restriction != nullptr) write_restriction(*restriction, 0);
}

void FieldWriter::write_restriction(const Restriction& r, unsigned depth) {
  check(depth < mapi::max_restriction_depth, "Restriction");
  if (!ok()) return;
  const auto children = [&] {
    for (const auto& child : r.children) write_restriction(child, depth + 1);
  };
  const auto only_child = [&] {
    check(r.children.size() == 1, "Restriction");
    children();
  };
  output_.scalar(r.type);
  switch (r.type) {
    case RestrictType::AndRestriction:
    case RestrictType::OrRestriction:
      if (width_ != CountWidth::narrow) count<std::uint32_t>("RestrictCount", r.children.size());
      else count<std::uint16_t>("RestrictCount", r.children.size());
      children();
      break;
    case RestrictType::NotRestriction: only_child(); break;
    case RestrictType::ContentRestriction:
      output_.scalar(r.FuzzyLevelLow);
      output_.scalar(r.FuzzyLevelHigh);
      output_.scalar(r.tag.value);
      tagged("TaggedValue", r.value);
      break;
    case RestrictType::PropertyRestriction:
      output_.scalar(r.relop);
      output_.scalar(r.tag.value);
      tagged("TaggedValue", r.value);
      break;
    case RestrictType::ComparePropertiesRestriction:
      output_.scalar(r.relop);
      output_.scalar(r.tag.value);
      output_.scalar(r.tag2.value);
      break;
    case RestrictType::BitMaskRestriction:
      output_.scalar<std::uint8_t>(r.bits_must_be_set ? 1 : 0);
      output_.scalar(r.tag.value);
      output_.scalar(r.number);
      break;
    case RestrictType::SizeRestriction:
      output_.scalar(r.relop);
      output_.scalar(r.tag.value);
      output_.scalar(r.number);
      break;
    case RestrictType::ExistRestriction: output_.scalar(r.tag.value); break;
    case RestrictType::SubObjectRestriction:
    case RestrictType::CountRestriction:
      output_.scalar(r.number);
      only_child();
      break;
    case RestrictType::CommentRestriction:
      count<std::uint8_t>("TaggedValuesCount", r.values.size());
      for (const auto& value : r.values) tagged("TaggedValues", value);
      check(r.children.size() <= 1, "Restriction");
      output_.scalar<std::uint8_t>(r.children.empty() ? 0 : 1);
      children();
      break;
  }
}

void FieldWriter::row(const char* name, const PropertyRow& row, Columns columns) {
  check(row.values.size() == columns.size(), name);
  check(row.Flag <= 1, name);
  if (!ok()) return;
  output_.scalar(row.Flag);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto type = row_type(columns[i]);
    const auto& cell = row.values[i];
    if (row.Flag == 0) {
      value(name, cell, type);
      continue;
    }
    const bool absent = cell.type == PropertyType::PtypUnspecified;
    const bool is_error = cell.type == PropertyType::PtypErrorCode && type != PropertyType::PtypErrorCode;
    if (type == PropertyType::PtypUnspecified) output_.scalar(cell.type);
    if (absent) {
      output_.scalar<std::uint8_t>(flag_absent);
    } else if (is_error) {
      output_.scalar<std::uint8_t>(flag_error);
      output_.scalar(cell.get<mapi::ErrorValue>()->code);
    } else {
      output_.scalar<std::uint8_t>(flag_present);
      value(name, cell, cell.type);
      check(type == PropertyType::PtypUnspecified || type == cell.type, name);
    }
  }
}

void FieldWriter::rows(const char* name, std::span<const PropertyRow> rows, std::size_t count, Columns columns) {
  check(rows.size() == count, name);
  for (const auto& one : rows) row(name, one, columns);
}

}  // namespace mapigate::wire
