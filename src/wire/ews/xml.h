// Reading and writing the XML of the web services: local names, text that XML can carry, times.
#pragma once

#include <pugixml.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mapigate::wire::ews {

// The name without its prefix.
std::string_view local_name(const pugi::xml_node& node);
// The namespace that the node's prefix stands for; empty when it stands for none.
std::string_view namespace_of(const pugi::xml_node& node);
// The first child with this local name; an empty node when there is none.
pugi::xml_node child(const pugi::xml_node& parent, std::string_view name);
std::string_view text(const pugi::xml_node& parent, std::string_view name);  // trimmed; empty when it is missing
std::optional<bool> boolean(std::string_view text);                         // xs:boolean
std::optional<int> integer(std::string_view text);                          // xs:int

// What XML 1.0 can carry of a text: control characters become spaces, broken UTF-8 becomes U+FFFD.
std::string clean(std::string_view text);
pugi::xml_node add(pugi::xml_node parent, const char* name, std::string_view text);
pugi::xml_node add(pugi::xml_node parent, const char* name, bool value);
pugi::xml_node add(pugi::xml_node parent, const char* name, int value);
inline pugi::xml_node add(pugi::xml_node parent, const char* name, const char* text) { return add(parent, name, std::string_view(text)); }

// xs:dateTime as seconds since 1970, from year 1601 to 9999; a fraction is dropped. `zoned`: the text says its zone
// (Z or an offset), and the seconds are UTC; else they are whatever the text's clock means.
struct DateTime {
  std::int64_t seconds = 0;
  bool zoned = false;
};
std::optional<DateTime> parse_date_time(std::string_view text);
std::string format_local(std::int64_t seconds);  // "2024-02-29T12:00:00"
std::string format_utc(std::int64_t seconds);    // "2024-02-29T12:00:00Z"

std::string to_string(const pugi::xml_document& document);

}  // namespace mapigate::wire::ews
