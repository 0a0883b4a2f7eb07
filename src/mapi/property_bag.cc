#include "mapi/property_bag.h"

namespace mapigate::mapi {

namespace {

constexpr std::uint32_t identity(PropertyTag tag) {
  if (tag.type() == PropertyType::PtypString8) return tag.with(PropertyType::PtypString).value;
  if (tag.type() == PropertyType::PtypMultipleString8)
    return tag.with(PropertyType::PtypMultipleString).value;
  return tag.value;
}

}  // namespace

void PropertyBag::put(PropertyTag tag, const Value& owned) {
  if (maybe_[place_of(tag)])
    for (auto& entry : values_) {
      if (identity(entry.tag) != identity(tag)) continue;
      entry = {tag, owned};
      return;
    }
  maybe_.set(place_of(tag));
  values_.push_back({tag, owned});
}

void PropertyBag::set(PropertyTag tag, const Value& value) { put(tag, copy(arena_, value)); }

void PropertyBag::set_string(PropertyTag tag, std::string_view utf8) {
  put(tag.with(PropertyType::PtypString), Value::string(arena_, utf8));
}

void PropertyBag::set_strings(PropertyTag tag, const std::vector<std::string>& utf8) {
  auto texts = arena_.make_span<Utf16>(utf8.size());
  for (std::size_t i = 0; i < utf8.size(); ++i) texts[i] = to_utf16(arena_, utf8[i]);
  put(tag.with(PropertyType::PtypMultipleString),
      Value{PropertyType::PtypMultipleString, std::span<const Utf16>(texts)});
}

void PropertyBag::set_all(const PropertyBag& other) {
  for (const auto& entry : other.values_) set(entry.tag, entry.value);
}

void PropertyBag::set_same(PropertyTag tag, PropertyTag as) {
  const auto value = *find(as);
  put(tag, value);
}

const Value* PropertyBag::find(PropertyTag tag) const {
  if (!maybe_[place_of(tag)]) return nullptr;
  const bool any_type = tag.type() == PropertyType::PtypUnspecified;
  for (const auto& entry : values_) {
    if (any_type ? entry.tag.id() == tag.id() : identity(entry.tag) == identity(tag)) return &entry.value;
  }
  return nullptr;
}

std::string PropertyBag::string(PropertyTag tag) const {
  const auto* value = find(tag);
  return value == nullptr ? std::string() : text_of(*value);
}

std::int64_t PropertyBag::number(PropertyTag tag) const {
  const auto* value = find(tag);
  return value == nullptr ? 0 : number_of(*value);
}

View PropertyBag::binary(PropertyTag tag) const {
  const auto* value = find(tag);
  const auto* bytes = value == nullptr ? nullptr : value->get<View>();
  return bytes == nullptr ? View() : *bytes;
}

FileTime PropertyBag::time(PropertyTag tag) const {
  const auto* value = find(tag);
  const auto* time = value == nullptr ? nullptr : value->get<FileTime>();
  return time == nullptr ? FileTime() : *time;
}

bool PropertyBag::remove(PropertyTag tag) {
  return std::erase_if(values_,
                       [&](const TaggedValue& entry) { return identity(entry.tag) == identity(tag); }) != 0;
}

void PropertyBag::clear() {
  values_.clear();
  maybe_.reset();
  arena_ = Arena();
}

PropertyBag PropertyBag::clone() const {
  PropertyBag out;
  out.set_all(*this);
  return out;
}

}  // namespace mapigate::mapi
