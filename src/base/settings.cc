#include "base/settings.h"

#include <charconv>
#include <stdexcept>

#include "base/text.h"

namespace mapigate {

namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

Result<std::int64_t> parse_with_unit(std::string_view text, std::span<const Unit> units, std::string_view example) {
  std::int64_t number = 0;
  const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{}) return error(Errc::malformed, "\"{}\" is no number with a unit, like {}", text, example);
  const auto unit = trim({stop, text.data() + text.size()});
  for (const auto& [name, factor] : units) {
    if (unit != name) continue;
    std::int64_t out = 0;
    if (__builtin_mul_overflow(number, factor, &out)) return error(Errc::malformed, "\"{}\" is too large", text);
    return out;
  }
  return error(Errc::malformed, "\"{}\" has no known unit; write it like {}", text, example);
}

Result<RawSetting> check_value(const Setting& row, const RawSetting& raw, const std::string& folder) {
  using Type = Setting::Type;
  const auto* text = std::get_if<std::string>(&raw);
  const auto* number = std::get_if<std::int64_t>(&raw);
  const auto in_range = [&](std::int64_t n, std::string_view shown) -> Result<RawSetting> {
    if (n < row.minimum || n > row.maximum)
      return error(Errc::malformed, "{} is out of range ({} to {})", shown, row.minimum, row.maximum);
    return RawSetting{n};
  };
  switch (row.type) {
    case Type::text:
      if (text == nullptr) return error(Errc::malformed, "must be a string");
      return raw;
    case Type::path:
      if (text == nullptr) return error(Errc::malformed, "must be a path");
      if (!text->empty() && text->front() != '/' && !folder.empty()) return RawSetting{folder + "/" + *text};
      return raw;
    case Type::url:
      if (text == nullptr || (!text->empty() && !text->starts_with("https://") && !text->starts_with("http://")))
        return error(Errc::malformed, "must be a URL that starts with https:// or http://");
      return raw;
    case Type::choice: {
      std::string all;
      for (const auto* choice : row.choices) {
        if (text != nullptr && *text == choice) return raw;
        all += (all.empty() ? "" : ", ") + std::string(choice);
      }
      return error(Errc::malformed, "must be one of: {}", all);
    }
    case Type::number:
      if (number == nullptr) return error(Errc::malformed, "must be a whole number");
      return in_range(*number, std::to_string(*number));
    case Type::boolean:
      if (!std::holds_alternative<bool>(raw)) return error(Errc::malformed, "must be true or false");
      return raw;
    case Type::duration:
    case Type::size: {
      if (row.type == Type::size && number != nullptr) return in_range(*number, std::to_string(*number));
      if (text == nullptr) return error(Errc::malformed, "must be a string with a unit, like \"{}\"", row.type == Type::size ? "64KiB" : "30s");
      const auto parsed = row.type == Type::size ? parse_size(*text) : parse_duration_ms(*text);
      if (!parsed) return parsed.error();
      return in_range(*parsed, *text);
    }
    case Type::list:
      if (text != nullptr) return RawSetting{std::vector<std::string>{*text}};
      if (!std::holds_alternative<std::vector<std::string>>(raw)) return error(Errc::malformed, "must be a list of strings");
      return raw;
  }
  return error(Errc::internal, "setting of unknown type");
}

RawSetting raw_default(const Setting& row) {
  using Type = Setting::Type;
  const std::string text = row.default_value;
  if (row.type == Type::boolean) return text == "true";
  if (row.type == Type::number) return static_cast<std::int64_t>(std::stoll(text));
  if (row.type != Type::list) return text;
  std::vector<std::string> items;
  for (std::size_t at = 0; at < text.size();) {
    const auto comma = std::min(text.find(',', at), text.size());
    items.emplace_back(trim(std::string_view(text).substr(at, comma - at)));
    at = comma + 1;
  }
  return items;
}

}  // namespace

Result<std::int64_t> parse_duration_ms(std::string_view text) {
  static constexpr Unit units[] = {{"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  return parse_with_unit(text, units, "\"30s\"");
}

Result<std::int64_t> parse_size(std::string_view text) {
  static constexpr Unit units[] = {{"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
  return parse_with_unit(text, units, "\"64KiB\"");
}

Result<Settings> Settings::check(std::string_view where, std::span<const Setting> rows, const RawSection& raw,
                                 const std::string& folder) {
  Settings out;
  std::vector<std::string> names;
  for (const auto& row : rows) names.emplace_back(row.name);
  for (const auto& [name, value] : raw) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    const auto near = nearest(name, names);
    return error(Errc::malformed, "{}: unknown setting \"{}\"{}", where, name,
                 near.empty() ? "" : "; did you mean \"" + near + "\"?");
  }
  for (const auto& row : rows) {
    const auto found = raw.find(row.name);
    if (found == raw.end() && row.default_value == nullptr)
      return error(Errc::malformed, "{}: the setting \"{}\" is missing: {}", where, row.name, row.help);
    auto value = check_value(row, found == raw.end() ? raw_default(row) : found->second, found == raw.end() ? "" : folder);
    if (!value) return error(Errc::malformed, "{}: \"{}\" {}", where, row.name, value.error().message);
    out.entries_.emplace(row.name, Entry{&row, std::move(*value), found != raw.end()});
  }
  return out;
}

const Settings::Entry& Settings::entry(std::string_view name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) throw std::logic_error("no such setting: " + std::string(name));
  return found->second;
}

const std::string& Settings::text(std::string_view name) const { return std::get<std::string>(entry(name).value); }
std::int64_t Settings::number(std::string_view name) const { return std::get<std::int64_t>(entry(name).value); }
bool Settings::boolean(std::string_view name) const { return std::get<bool>(entry(name).value); }
std::chrono::milliseconds Settings::duration(std::string_view name) const { return std::chrono::milliseconds(number(name)); }
const std::vector<std::string>& Settings::list(std::string_view name) const {
  return std::get<std::vector<std::string>>(entry(name).value);
}
bool Settings::given(std::string_view name) const { return entry(name).given; }

std::vector<Settings::Line> Settings::explain() const {
  std::vector<Line> lines;
  for (const auto& [name, entry] : entries_) {
    std::string value;
    if (const auto* text = std::get_if<std::string>(&entry.value)) value = *text;
    else if (const auto* number = std::get_if<std::int64_t>(&entry.value))
      value = std::to_string(*number) + (entry.row->type == Setting::Type::duration ? "ms" : "");
    else if (const auto* boolean = std::get_if<bool>(&entry.value)) value = *boolean ? "true" : "false";
    else
      for (const auto& item : std::get<std::vector<std::string>>(entry.value)) value += (value.empty() ? "" : ", ") + item;
    if (entry.row->secret) value = value.empty() ? "(not set)" : "(set)";
    lines.push_back({name, value, entry.given});
  }
  return lines;
}

}  // namespace mapigate
