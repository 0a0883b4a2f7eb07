#include "wire/ews/xml.h"

#include <charconv>
#include <chrono>
#include <sstream>

#include "base/result.h"
#include "base/text.h"

namespace mapigate::wire::ews {

namespace {
std::string_view prefix_of(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  const auto colon = name.find(':');
  return colon == std::string_view::npos ? std::string_view() : name.substr(0, colon);
}

bool digits(std::string_view text, std::size_t at, std::size_t count, int& out) {
  if (at + count > text.size()) return false;
  const auto [end, problem] = std::from_chars(text.data() + at, text.data() + at + count, out);
  return problem == std::errc() && end == text.data() + at + count && text[at] != '-';
}
}  // namespace

std::string_view local_name(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  const auto colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

std::string_view namespace_of(const pugi::xml_node& node) {
  const auto prefix = prefix_of(node);
  const auto wanted = prefix.empty() ? std::string("xmlns") : "xmlns:" + std::string(prefix);
  for (auto at = node; at; at = at.parent())
    if (const auto found = at.attribute(wanted.c_str())) return found.value();
  return {};
}

pugi::xml_node child(const pugi::xml_node& parent, std::string_view name) {
  for (const auto& node : parent.children())
    if (local_name(node) == name) return node;
  return {};
}

std::string_view text(const pugi::xml_node& parent, std::string_view name) { return trim(child(parent, name).text().get()); }

std::optional<bool> boolean(std::string_view text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return {};
}

std::optional<int> integer(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  int out = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (problem != std::errc() || end != text.data() + text.size()) return {};
  return out;
}

std::string clean(std::string_view text) {
  std::string out(text);
  bool ascii = true;
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') c = ' ';
    ascii = ascii && byte < 0x80;
  }
  if (ascii) return out;
  const auto wide = to_utf16(out);
  out = to_utf8(Utf16{wide});
  // U+FFFE and U+FFFF are the only other ones that no document may hold.
  for (std::size_t at = out.find("\xEF\xBF"); at != std::string::npos; at = out.find("\xEF\xBF", at + 2))
    if (at + 2 < out.size() && static_cast<unsigned char>(out[at + 2]) >= 0xBE) out[at + 2] = '\xBD';
  return out;
}

pugi::xml_node add(pugi::xml_node parent, const char* name, std::string_view text) {
  auto node = parent.append_child(name);
  if (!text.empty()) node.text() = clean(text).c_str();
  return node;
}
pugi::xml_node add(pugi::xml_node parent, const char* name, bool value) {
  return add(parent, name, std::string_view(value ? "true" : "false"));
}
pugi::xml_node add(pugi::xml_node parent, const char* name, int value) {
  return add(parent, name, std::string_view(std::to_string(value)));
}

std::optional<DateTime> parse_date_time(std::string_view text) {
  text = trim(text);
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  const bool shaped = text.size() >= 19 && text[4] == '-' && text[7] == '-' && text[10] == 'T' && text[13] == ':' && text[16] == ':';
  if (!shaped || !digits(text, 0, 4, year) || !digits(text, 5, 2, month) || !digits(text, 8, 2, day) || !digits(text, 11, 2, hour) ||
      !digits(text, 14, 2, minute) || !digits(text, 17, 2, second))
    return {};
  using namespace std::chrono;
  const year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day))};
  const bool midnight = hour == 24 && minute == 0 && second == 0;
  if (!date.ok() || year < 1601 || minute > 59 || second > 59 || (hour > 23 && !midnight)) return {};
  auto rest = text.substr(19);
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    const auto end = std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (end == 0) return {};
    rest.remove_prefix(end);
  }
  DateTime out;
  out.seconds = sys_days(date).time_since_epoch().count() * std::int64_t{86400} + hour * 3600 + minute * 60 + second;
  if (rest.empty()) return out;
  out.zoned = true;
  if (rest == "Z") return out;
  int hours = 0, minutes = 0;
  if (rest.size() != 6 || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':' || !digits(rest, 1, 2, hours) ||
      !digits(rest, 4, 2, minutes) || hours > 14 || minutes > 59)
    return {};
  const auto offset = hours * 3600 + minutes * 60;
  out.seconds += rest[0] == '+' ? -offset : offset;
  return out;
}

std::string format_local(std::int64_t seconds) {
  using namespace std::chrono;
  const sys_seconds when{std::chrono::seconds(seconds)};
  const auto day = floor<days>(when);
  const year_month_day date{day};
  const hh_mm_ss clock{when - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string format_utc(std::int64_t seconds) { return format_local(seconds) + "Z"; }

std::string to_string(const pugi::xml_document& document) {
  std::ostringstream out;
  document.save(out, "", pugi::format_raw, pugi::encoding_utf8);
  auto written = std::move(out).str();
  // Readers turn a bare carriage return into a line feed; pugixml writes it bare.
  for (std::size_t at = written.find('\r'); at != std::string::npos; at = written.find('\r', at)) written.replace(at, 1, "&#13;");
  return written;
}

}  // namespace mapigate::wire::ews
