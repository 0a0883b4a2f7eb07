#include "wire/describe.h"

#include "mapi/errors.h"
#include "mapi/properties.h"
#include "wire/field_values.h"

namespace mapigate::wire {

using mapi::Restriction;
using mapi::RestrictType;

void FieldDescriber::number(const char* name, std::uint64_t value, unsigned bytes) {
  if (bytes == 4 && (std::string_view(name) == "ReturnValue" || std::string_view(name) == "ErrorCode"))
    return sink_.symbol(name, value & 0xFFFFFFFF, bytes, mapi::to_string(static_cast<mapi::ErrorCode>(value)));
  sink_.number(name, bytes == 8 ? value : value & ((std::uint64_t{1} << (8 * bytes)) - 1), bytes);
}

void FieldDescriber::tag(const char* name, mapi::PropertyTag tag) {
  sink_.symbol(name, tag.value, 4, mapi::to_string(tag));
}

void FieldDescriber::value(const char* name, const mapi::Value& value, mapi::PropertyType) {
  const auto one = [&]<class T>(const T& x) {
    if constexpr (std::is_same_v<T, std::monostate>) sink_.text(name, "");
    else if constexpr (std::is_same_v<T, mapi::Currency>) sink_.number(name, static_cast<std::uint64_t>(x.ten_thousandths), 8);
    else if constexpr (std::is_same_v<T, mapi::ErrorValue>)
      sink_.symbol(name, x.code, 4, mapi::to_string(static_cast<mapi::ErrorCode>(x.code)));
    else if constexpr (std::is_same_v<T, mapi::String8>) sz(name, x.text);
    else if constexpr (std::is_same_v<T, Utf16>) sz(name, x);
    else if constexpr (std::is_same_v<T, View>) sink_.bytes(name, x);
    else (*this)(name, x);
  };
  std::visit(
      [&]<class T>(const T& x) {
        if constexpr (std::is_same_v<T, const Restriction*>) {
          restriction(name, x);
        } else if constexpr (std::is_same_v<T, const mapi::RuleActions*>) {
          sink_.begin_list(name, x == nullptr ? 0 : x->actions.size());
          for (const auto& action : x == nullptr ? std::span<const mapi::RuleAction>{} : x->actions) {
            sink_.begin("ActionBlock");
            at(&action.ActionType);
            sink_.number("ActionType", action.ActionType, 1);
            at(&action.ActionFlavor);
            sink_.number("ActionFlavor", action.ActionFlavor, 4);
            at(&action.ActionFlags);
            sink_.number("ActionFlags", action.ActionFlags, 4);
            at(&action.ActionData);
            sink_.bytes("ActionData", action.ActionData);
            sink_.end();
          }
          sink_.end_list();
        } else if constexpr (requires { typename T::element_type; } && !std::is_same_v<T, View>) {
          sink_.begin_list(name, x.size());
          for (const auto& element : x) one(element);
          sink_.end_list();
        } else {
          one(x);
        }
      },
      value.data);
}

void FieldDescriber::tagged(const char* name, const mapi::TaggedValue& value) {
  sink_.begin(name);
  const bool noted = at(&value.tag);
  tag("PropertyTag", value.tag);
  if (!noted || at(&value.value)) this->value("PropertyValue", value.value, value.tag.type());
  sink_.end();
}

void FieldDescriber::tagged_list(const char* name, std::span<const mapi::TaggedValue> values, std::size_t) {
  sink_.begin_list(name, values.size());
  for (const auto& value : values) tagged(name, value);
  sink_.end_list();
}

void FieldDescriber::restriction(const char* name, const Restriction* restriction) {
  if (restriction == nullptr) return;
  static constexpr const char* names[] = {"AndRestriction", "OrRestriction", "NotRestriction", "ContentRestriction",
                                          "PropertyRestriction", "ComparePropertiesRestriction", "BitMaskRestriction",
                                          "SizeRestriction", "ExistRestriction", "SubObjectRestriction",
                                          "CommentRestriction", "CountRestriction"};
  const auto& r = *restriction;
  const auto type = static_cast<std::size_t>(r.type);
  // Without notes all of it was read.
  const bool noted = places_ != nullptr && places_->find(Places::Of::structure, restriction);
  const auto there = [&](const auto& field) { return at(&field) || !noted; };
  if (!there(r.type)) return;
  sink_.begin(name);
  sink_.symbol("RestrictType", type, 1, type < std::size(names) ? names[type] : "unknown");
  switch (r.type) {
    case RestrictType::ContentRestriction:
      if (there(r.FuzzyLevelLow)) sink_.number("FuzzyLevelLow", r.FuzzyLevelLow, 2);
      if (there(r.FuzzyLevelHigh)) sink_.number("FuzzyLevelHigh", r.FuzzyLevelHigh, 2);
      if (there(r.tag)) tag("PropertyTag", r.tag);
      if (there(r.value.tag)) tagged("TaggedValue", r.value);
      break;
    case RestrictType::PropertyRestriction:
      if (there(r.relop)) sink_.number("RelOp", static_cast<std::uint8_t>(r.relop), 1);
      if (there(r.tag)) tag("PropertyTag", r.tag);
      if (there(r.value.tag)) tagged("TaggedValue", r.value);
      break;
    case RestrictType::ComparePropertiesRestriction:
      if (there(r.relop)) sink_.number("RelOp", static_cast<std::uint8_t>(r.relop), 1);
      if (there(r.tag)) tag("PropTag1", r.tag);
      if (there(r.tag2)) tag("PropTag2", r.tag2);
      break;
    case RestrictType::BitMaskRestriction:
      if (there(r.bits_must_be_set)) sink_.number("BitmapRelOp", r.bits_must_be_set ? 1 : 0, 1);
      if (there(r.tag)) tag("PropTag", r.tag);
      if (there(r.number)) sink_.number("Mask", r.number, 4);
      break;
    case RestrictType::SizeRestriction:
      if (there(r.relop)) sink_.number("RelOp", static_cast<std::uint8_t>(r.relop), 1);
      if (there(r.tag)) tag("PropTag", r.tag);
      if (there(r.number)) sink_.number("Size", r.number, 4);
      break;
    case RestrictType::ExistRestriction:
      if (there(r.tag)) tag("PropTag", r.tag);
      break;
    case RestrictType::SubObjectRestriction:
      if (there(r.number)) tag("Subobject", mapi::PropertyTag(r.number));
      break;
    case RestrictType::CountRestriction:
      if (there(r.number)) sink_.number("Count", r.number, 4);
      break;
    case RestrictType::CommentRestriction: tagged_list("TaggedValues", r.values, r.values.size()); break;
    default: break;
  }
  if (!r.children.empty()) {
    sink_.begin_list("Restrictions", r.children.size());
    for (const auto& child : r.children) this->restriction("Restriction", &child);
    sink_.end_list();
  }
  sink_.end();
}

void FieldDescriber::row(const char* name, const PropertyRow& row, Columns columns) {
  sink_.begin(name);
  at(&row.Flag);
  sink_.number("Flag", row.Flag, 1);
  sink_.begin_list("Values", row.values.size());
  for (std::size_t i = 0; i < row.values.size(); ++i) {
    sink_.begin("Value");
    at(&row.values[i]);
    if (i < columns.size()) tag("PropertyTag", columns[i]);
    const bool absent = row.Flag != 0 && row.values[i].type == mapi::PropertyType::PtypUnspecified;
    if (!absent) value("PropertyValue", row.values[i], row.values[i].type);
    sink_.end();
  }
  sink_.end_list();
  sink_.end();
}

void FieldDescriber::rows(const char* name, std::span<const PropertyRow> rows, std::size_t, Columns columns) {
  sink_.begin_list(name, rows.size());
  for (const auto& one : rows) row("PropertyRow", one, columns);
  sink_.end_list();
}

void FieldBuilder::tagged(const char* name, mapi::TaggedValue& value) {
  source_.begin(name);
  (*this)("PropertyTag", value.tag);
  this->value("PropertyValue", value.value, value.tag.type());
  source_.end();
}

void FieldBuilder::tagged_list(const char* name, std::span<const mapi::TaggedValue>& values, std::size_t) {
  auto out = arena_.make_span<mapi::TaggedValue>(source_.begin_list(name));
  for (auto& value : out) tagged(name, value);
  source_.end_list();
  values = out;
}

void FieldBuilder::row(const char* name, PropertyRow& row, Columns columns) {
  source_.begin(name);
  (*this)("Flag", row.Flag);
  source_.expect(columns.size());
  auto values = arena_.make_span<mapi::Value>(source_.begin_list("Values"));
  check(values.size() == columns.size(), "a row has a value per column");
  for (std::size_t i = 0; i < values.size(); ++i) {
    source_.begin("Value");
    const auto type = i < columns.size() ? row_type(columns[i]) : mapi::PropertyType::PtypUnspecified;
    const bool absent = row.Flag != 0 && !source_.has("PropertyValue");
    if (!absent) values[i] = source_.value("PropertyValue", type, arena_);
    source_.end();
  }
  source_.end_list();
  source_.end();
  row.values = values;
}

void FieldBuilder::rows(const char* name, std::span<const PropertyRow>& rows, std::size_t, Columns columns) {
  auto out = arena_.make_span<PropertyRow>(source_.begin_list(name));
  for (auto& one : out) row("PropertyRow", one, columns);
  source_.end_list();
  rows = out;
}

}  // namespace mapigate::wire
