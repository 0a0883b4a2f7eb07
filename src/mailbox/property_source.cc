#include "mailbox/property_source.h"

#include <algorithm>
#include <bit>

namespace mapigate::mailbox {

using mapi::PropertyTag;
using mapi::PropertyType;
using mapi::Value;

namespace {

Value missing() { return Value::error(mapi::ecNotFound); }

bool has_no_elements(const Value& value) {
  return std::visit(
      [](const auto& data) {
        using T = std::decay_t<decltype(data)>;
        if constexpr (std::is_same_v<T, View>) return false;
        else if constexpr (requires { data.data(); data.empty(); }) return data.empty();
        else return false;
      },
      value.data);
}

bool is_instance(PropertyType type) { return (static_cast<std::uint16_t>(type) & mapi::multivalue_instance_flag) != 0; }

// Integers of every width, booleans and times in one order.
std::optional<std::int64_t> ordinal(const Value& value) {
  switch (value.type) {
    case PropertyType::PtypInteger16:
    case PropertyType::PtypInteger32:
    case PropertyType::PtypInteger64:
    case PropertyType::PtypBoolean:
    case PropertyType::PtypTime: return mapi::number_of(value);
    case PropertyType::PtypCurrency: return value.get<mapi::Currency>() ? value.get<mapi::Currency>()->ten_thousandths : 0;
    default: return std::nullopt;
  }
}
std::optional<double> real(const Value& value) {
  if (const auto* d = value.get<double>()) return *d;
  if (const auto* f = value.get<float>()) return static_cast<double>(*f);
  return std::nullopt;
}
bool is_text(const Value& value) {
  return value.type == PropertyType::PtypString || value.type == PropertyType::PtypString8;
}
template <class T>
int sign(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

}  // namespace

std::optional<Value> find_in(const mapi::PropertyBag& bag, PropertyTag tag) {
  const auto* value = bag.find(tag);
  if (!value) value = bag.find(tag.with(PropertyType::PtypUnspecified));
  return value ? std::optional(*value) : std::nullopt;
}
std::optional<Value> BagSource::get(PropertyTag tag, Arena&) const { return find_in(bag_, tag); }
std::vector<PropertyTag> BagSource::list() const {
  std::vector<PropertyTag> tags;
  for (const auto& value : bag_) tags.push_back(value.tag);
  return tags;
}

Value convert(const Value& given, PropertyTag asked, Arena& arena, const CellOptions& options) {
  auto value = given;
  // One value of several: rows that are not made of it show the first.
  if (is_instance(asked.type()) && mapi::is_multivalue(value.type)) {
    const auto all = elements(value);
    if (all.empty()) return missing();
    value = all[0];
  }
  if (value.type == PropertyType::PtypErrorCode && asked.type() != PropertyType::PtypErrorCode) return value;
  if (mapi::is_multivalue(value.type) && has_no_elements(value)) return missing();
  auto type = is_instance(asked.type()) ? mapi::element_type(asked.type()) : asked.type();
  if (type == PropertyType::PtypUnspecified && !options.unicode && value.type == PropertyType::PtypString)
    type = PropertyType::PtypString8;
  Value out = value;
  if (const auto* text = value.get<Utf16>(); text && text->size() > options.max_text) {
    auto units = options.max_text;
    if (units > 0 && (text->at(units - 1) & 0xFC00) == 0xD800) --units;  // not half of a pair
    out = Value::string(Utf16{text->bytes.first(2 * units)});
  }
  if (const auto* bytes = value.get<View>(); bytes && value.type == PropertyType::PtypBinary && bytes->size() > options.max_binary)
    out = Value::binary(bytes->first(options.max_binary));
  if (type != PropertyType::PtypUnspecified && type != value.type) {
    if (type == PropertyType::PtypString8 && value.type == PropertyType::PtypString)
      out = Value::string8(arena.copy(std::string_view(to_code_page(mapi::text_of(out), options.code_page))));
    else if (type == PropertyType::PtypString && value.type == PropertyType::PtypString8)
      out = Value::string(arena, mapi::text_of(value, options.code_page));
    else if (type == PropertyType::PtypMultipleString8 && value.get<std::span<const Utf16>>()) {
      const auto from = *value.get<std::span<const Utf16>>();
      auto to = arena.make_span<mapi::String8>(from.size());
      for (std::size_t i = 0; i < from.size(); ++i)
        to[i].text = arena.copy(std::string_view(to_code_page(to_utf8(from[i]), options.code_page)));
      out = {type, std::span<const mapi::String8>(to)};
    } else {
      return missing();
    }
  }
  if (options.max_value != SIZE_MAX && wire_size(out) > options.max_value) return Value::error(mapi::ecMemory);
  return out;
}

Value cell(const PropertySource& source, PropertyTag asked, Arena& arena, const CellOptions& options) {
  const auto value = source.get(asked, arena);
  return value ? convert(*value, asked, arena, options) : missing();
}

wire::PropertyRow make_row(const PropertySource& source, wire::Columns columns, Arena& arena,
                           const CellOptions& options) {
  auto values = arena.make_span<Value>(columns.size());
  bool flagged = false;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    values[i] = mapi::copy(arena, cell(source, columns[i], arena, options));
    if (values[i].type == PropertyType::PtypErrorCode && columns[i].type() != PropertyType::PtypErrorCode) flagged = true;
  }
  return {static_cast<std::uint8_t>(flagged ? 1 : 0), values};
}

std::size_t wire_size(const wire::PropertyRow& row, wire::Columns columns) {
  Bytes scratch;
  Output output(scratch);
  wire::FieldWriter writer(output);
  writer.row("row", row, columns);
  return writer.ok() ? scratch.size() : SIZE_MAX;
}

std::size_t wire_size(const Value& value) {
  if (const auto* text = value.get<Utf16>()) return text->bytes.size() + 2;
  if (const auto* text = value.get<mapi::String8>()) return text->text.size() + 1;
  if (const auto* bytes = value.get<View>()) return bytes->size() + 2;
  Bytes scratch;
  Output output(scratch);
  wire::FieldWriter writer(output);
  writer.value("value", value, value.type);
  return writer.ok() ? scratch.size() : SIZE_MAX;
}

// Each element of a multiple value as a value of its own, for restrictions that any element may meet.
std::vector<Value> elements(const Value& value) {
  if (!mapi::is_multivalue(value.type)) return {value};
  const auto type = mapi::element_type(value.type);
  std::vector<Value> out;
  std::visit(
      [&](const auto& data) {
        using T = std::decay_t<decltype(data)>;
        if constexpr (requires { data[0]; data.size(); } && !std::is_same_v<T, View> && !std::is_same_v<T, Utf16>) {
          for (const auto& element : data) out.push_back(Value{type, element});
        }
      },
      value.data);
  return out;
}

std::optional<int> compare(const Value& a, const Value& b) {
  if (const auto x = ordinal(a), y = ordinal(b); x && y) return sign(*x, *y);
  if (const auto x = real(a), y = real(b); x && y) return sign(*x, *y);
  if (is_text(a) && is_text(b)) return collate(mapi::text_of(a), mapi::text_of(b));
  if (const auto *x = a.get<View>(), *y = b.get<View>(); x && y)
    return std::lexicographical_compare(x->begin(), x->end(), y->begin(), y->end())   ? -1
           : std::lexicographical_compare(y->begin(), y->end(), x->begin(), x->end()) ? 1
                                                                                        : 0;
  if (const auto *x = a.get<mapi::Guid>(), *y = b.get<mapi::Guid>(); x && y) return sign(*x, *y);
  return std::nullopt;
}

std::string sort_key(const Value& value) {
  std::uint64_t bits = 0;
  if (const auto n = ordinal(value)) bits = static_cast<std::uint64_t>(*n) ^ (std::uint64_t{1} << 63);
  else if (const auto d = real(value)) {
    bits = std::bit_cast<std::uint64_t>(*d);
    bits = bits >> 63 ? ~bits : bits | std::uint64_t{1} << 63;
  } else if (is_text(value)) {
    return mapi::collation_key_of(value);
  } else if (const auto* bytes = value.get<View>()) {
    return std::string(as_text(*bytes));
  } else if (const auto* guid = value.get<mapi::Guid>()) {
    return std::string(as_text(guid->bytes));
  } else {
    return {};
  }
  std::string key(8, '\0');
  for (int i = 0; i < 8; ++i) key[static_cast<std::size_t>(i)] = static_cast<char>(bits >> (56 - 8 * i));
  return key;
}

}  // namespace mapigate::mailbox
