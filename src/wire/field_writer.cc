// Writing of fields; reading them is in fields.cc.
#include <algorithm>

#include "wire/field_values.h"

namespace mapigate::wire {

using mapi::PropertyType;
using mapi::Restriction;
using mapi::RestrictType;
using mapi::Value;

void FieldWriter::make_room(std::size_t size) {
  const auto used = this->size();
  // What is written over is cleared in vain; the allocations behind grow by themselves.
  output_.truncate(used);
  output_.resize(used + std::max<std::size_t>({size, used / 4, 256}));
  position_ = output_.data() + used;
  end_ = output_.data() + output_.size();
}

// The types of which messages and tables are full. False: another type, or too little room, and nothing was written.
[[gnu::always_inline]] static inline bool write_common_value(std::uint8_t*& position, const std::uint8_t* end,
                                                             CountWidth width, const Value& value) {
  const auto room = static_cast<std::size_t>(end - position);
  const auto put = [&](const auto& x) {
    std::memcpy(position, &x, sizeof x);
    position += sizeof x;
    return true;
  };
  const auto put_bytes = [&](View bytes) {
    if (!bytes.empty()) std::memcpy(position, bytes.data(), bytes.size());
    position += bytes.size();
  };
  if (room < 8) return false;
  switch (value.type) {
    case PropertyType::PtypInteger16:
      if (const auto* x = value.get<std::int16_t>()) return put(*x);
      return false;
    case PropertyType::PtypInteger32:
      if (const auto* x = value.get<std::int32_t>()) return put(*x);
      return false;
    case PropertyType::PtypInteger64:
      if (const auto* x = value.get<std::int64_t>()) return put(*x);
      return false;
    case PropertyType::PtypBoolean:
      if (const auto* x = value.get<bool>()) return put(static_cast<std::uint8_t>(*x ? 1 : 0));
      return false;
    case PropertyType::PtypTime:
      if (const auto* x = value.get<FileTime>()) return put(x->ticks);
      return false;
    case PropertyType::PtypString: {
      const auto* x = value.get<Utf16>();
      if (x == nullptr || room < x->bytes.size() + 2) return false;
      put_bytes(x->bytes);
      return put(std::uint16_t{0});
    }
    case PropertyType::PtypBinary: {
      const auto* x = value.get<View>();
      if (x == nullptr || room < x->size() + 4) return false;
      if (width != CountWidth::narrow) put(static_cast<std::uint32_t>(x->size()));
      else if (x->size() <= 0xFFFF) put(static_cast<std::uint16_t>(x->size()));
      else return false;
      put_bytes(*x);
      return true;
    }
    default: return false;
  }
}

void FieldWriter::append(View view) {
  settle();
  output_.bytes(view);
}

void FieldWriter::value(const char* name, const Value& value, PropertyType type) {
  if (type == PropertyType::PtypUnspecified) {
    put(value.type);
    type = value.type;
  }
  if (value.type != type) return check(false, name);
  if (width_ == CountWidth::address_book && has_value_byte(type)) {
    const bool present = !std::holds_alternative<std::monostate>(value.data);
    put<std::uint8_t>(present ? has_value : has_no_value);
    if (!present) return;
  }
  auto* position = position_;
  if (!write_common_value(position, end_, width_, value)) return write_rare_value(name, value, type);
  position_ = position;
}

// A value of another type than the alternative it holds is written as what it holds.
void FieldWriter::write_rare_value(const char* name, const Value& value, PropertyType type) {
  const auto wide = width_ != CountWidth::narrow;
  const auto blob = [&](View bytes) {
    if (wide) binary<std::uint32_t>(name, bytes);
    else binary<std::uint16_t>(name, bytes);
  };
  const auto one = [&]<class T>(const T& x) {
    if constexpr (std::is_same_v<T, std::monostate>) return;
    else if constexpr (std::is_same_v<T, mapi::Currency>) put(x.ten_thousandths);
    else if constexpr (std::is_same_v<T, mapi::ErrorValue>) put(x.code);
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
                          std::is_same_v<Element, View>) {
              if (width_ == CountWidth::address_book) put<std::uint8_t>(has_value);
            }
            one(element);
          }
        } else if constexpr (std::is_same_v<T, const Restriction*>) {
          restriction(name, x);
        } else if constexpr (std::is_same_v<T, const mapi::RuleActions*>) {
          check(x != nullptr, name);
          if (x == nullptr) return;
          const auto put_count = [&](std::size_t n) { wide ? count<std::uint32_t>(name, n) : count<std::uint16_t>(name, n); };
          put_count(x->actions.size());
          for (const auto& action : x->actions) {
            put_count(action.ActionData.size() + 9);
            put(action.ActionType);
            put(action.ActionFlavor);
            put(action.ActionFlags);
            put_bytes(action.ActionData);
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
  if (restriction != nullptr) write_restriction(*restriction);
}

void FieldWriter::write_restriction(const Restriction& r) {
  check(depth_ < mapi::max_restriction_depth, "Restriction");
  if (problem_ != nullptr) return;
  ++depth_;
  write_restriction_node(r);
  --depth_;
}

void FieldWriter::write_compared(const mapi::TaggedValue& value) {
  if (width_ == CountWidth::address_book) put<std::uint8_t>(has_value);
  tagged("TaggedValue", value);
}

void FieldWriter::write_restriction_node(const Restriction& r) {
  const auto children = [&] {
    for (const auto& child : r.children) write_restriction(child);
  };
  const auto only_child = [&] {
    check(r.children.size() == 1, "Restriction");
    children();
  };
  put(r.type);
  switch (r.type) {
    case RestrictType::AndRestriction:
    case RestrictType::OrRestriction:
      if (width_ != CountWidth::narrow) count<std::uint32_t>("RestrictCount", r.children.size());
      else count<std::uint16_t>("RestrictCount", r.children.size());
      children();
      break;
    case RestrictType::NotRestriction: only_child(); break;
    case RestrictType::ContentRestriction:
      put(r.FuzzyLevelLow);
      put(r.FuzzyLevelHigh);
      put(r.tag.value);
      write_compared(r.value);
      break;
    case RestrictType::PropertyRestriction:
      put(r.relop);
      put(r.tag.value);
      write_compared(r.value);
      break;
    case RestrictType::ComparePropertiesRestriction:
      put(r.relop);
      put(r.tag.value);
      put(r.tag2.value);
      break;
    case RestrictType::BitMaskRestriction:
      put<std::uint8_t>(r.bits_must_be_set ? 1 : 0);
      put(r.tag.value);
      put(r.number);
      break;
    case RestrictType::SizeRestriction:
      put(r.relop);
      put(r.tag.value);
      put(r.number);
      break;
    case RestrictType::ExistRestriction: put(r.tag.value); break;
    case RestrictType::SubObjectRestriction:
    case RestrictType::CountRestriction:
      put(r.number);
      only_child();
      break;
    case RestrictType::CommentRestriction:
      count<std::uint8_t>("TaggedValuesCount", r.values.size());
      for (const auto& value : r.values) tagged("TaggedValues", value);
      check(r.children.size() <= 1, "Restriction");
      put<std::uint8_t>(r.children.empty() ? 0 : 1);
      children();
      break;
  }
}

void FieldWriter::standard_row(const char* name, std::span<const Value> values, Columns columns) {
  auto* position = position_;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto type = row_type(columns[i]);
    if (width_ != CountWidth::address_book && values[i].type == type && write_common_value(position, end_, width_, values[i])) continue;
    position_ = position;
    value(name, values[i], type);
    position = position_;
  }
  position_ = position;
}

void FieldWriter::row(const char* name, const PropertyRow& row, Columns columns) {
  check(row.values.size() == columns.size(), name);
  check(row.Flag <= 1, name);
  if (problem_ != nullptr) return;
  put(row.Flag);
  if (row.Flag == 0) return standard_row(name, row.values, columns);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto type = row_type(columns[i]);
    const auto& cell = row.values[i];
    const bool absent = cell.type == PropertyType::PtypUnspecified;
    const bool is_error = cell.type == PropertyType::PtypErrorCode && type != PropertyType::PtypErrorCode;
    if (type == PropertyType::PtypUnspecified) put(cell.type);
    if (absent) {
      put<std::uint8_t>(flag_absent);
    } else if (is_error) {
      put<std::uint8_t>(flag_error);
      value(name, cell, PropertyType::PtypErrorCode);
    } else {
      put<std::uint8_t>(flag_present);
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
