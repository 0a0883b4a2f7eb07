#include "mapi/properties.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>

namespace mapigate::mapi {

namespace {

struct Known {
  std::string_view name;
  PropertyTag tag;
};
// In the order of the list: by id.
constexpr Known known[] = {
#define P(name, id, type) {#name, PropertyTag{id, PropertyType::type}},
#include "mapi/properties.inc"
#undef P
};

struct KnownType {
  std::string_view name;
  PropertyType type;
};
constexpr KnownType known_types[] = {
#define T(name) {#name, PropertyType::name}
    T(PtypUnspecified), T(PtypNull), T(PtypInteger16), T(PtypInteger32), T(PtypFloating32), T(PtypFloating64),
    T(PtypCurrency), T(PtypFloatingTime), T(PtypErrorCode), T(PtypBoolean), T(PtypObject), T(PtypInteger64),
    T(PtypString8), T(PtypString), T(PtypTime), T(PtypGuid), T(PtypServerId), T(PtypRestriction), T(PtypRuleAction),
    T(PtypBinary), T(PtypMultipleInteger16), T(PtypMultipleInteger32), T(PtypMultipleFloating32),
    T(PtypMultipleFloating64), T(PtypMultipleCurrency), T(PtypMultipleFloatingTime), T(PtypMultipleInteger64),
    T(PtypMultipleString8), T(PtypMultipleString), T(PtypMultipleTime), T(PtypMultipleGuid), T(PtypMultipleBinary),
#undef T
};

}  // namespace

std::string_view name_of(PropertyTag tag) {
  const auto* first = std::lower_bound(std::begin(known), std::end(known), tag.id(),
                                       [](const Known& k, std::uint16_t id) { return k.tag.id() < id; });
  std::string_view name;
  for (const auto* k = first; k != std::end(known) && k->tag.id() == tag.id(); ++k) {
    if (k->tag == tag) return k->name;
    if (name.empty()) name = k->name;
  }
  return name;
}

bool is_of_other_type(PropertyTag tag) {
  const auto usual = [](PropertyType type) {
    switch (type) {
      case PropertyType::PtypString8: return PropertyType::PtypString;
      case PropertyType::PtypMultipleString8: return PropertyType::PtypMultipleString;
      case PropertyType::PtypObject:
      case PropertyType::PtypServerId: return PropertyType::PtypBinary;
      default: return type;
    }
  };
  const auto* one = std::lower_bound(std::begin(known), std::end(known), tag.id(),
                                     [](const Known& k, std::uint16_t id) { return k.tag.id() < id; });
  bool is_known = false;
  for (; one != std::end(known) && one->tag.id() == tag.id(); ++one) {
    is_known = true;
    if (usual(one->tag.type()) == usual(tag.type())) return false;
  }
  return is_known;
}

std::string_view name_of(PropertyType type) {
  for (const auto& k : known_types)
    if (k.type == type) return k.name;
  return {};
}

std::string to_string(PropertyTag tag) {
  const auto name = name_of(tag);
  return name.empty() ? fmt::format("0x{:08x}", tag.value) : fmt::format("{} (0x{:08x})", name, tag.value);
}

std::optional<PropertyTag> tag_from_string(std::string_view text) {
  static const auto by_name = [] {
    std::unordered_map<std::string_view, PropertyTag> map;
    for (const auto& k : known) map.emplace(k.name, k.tag);
    return map;
  }();
  if (const auto found = by_name.find(text); found != by_name.end()) return found->second;
  if (!text.starts_with("0x")) return {};
  std::uint32_t value = 0;
  const auto* end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data() + 2, end, value, 16);
  if (problem != std::errc{} || stop != end) return {};
  return PropertyTag(value);
}

bool is_known(const PropertyName& name) {
  static constexpr std::pair<Guid, std::uint32_t> all[] = {
#define N(name, set, lid, type) {set, lid},
#include "mapi/named_properties.inc"
#undef N
  };
  return name.lid && std::any_of(std::begin(all), std::end(all), [&](const auto& one) { return one.second == *name.lid && one.first == name.set; });
}

}  // namespace mapigate::mapi
