#include "convert/ical_lines.h"

#include <algorithm>
#include <chrono>

#include "base/text.h"

namespace mapigate::convert {

std::string ical_line(std::string_view utf8) {
  constexpr std::size_t width = 75;
  std::string clean(utf8), out;
  std::replace_if(clean.begin(), clean.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  std::string_view rest = clean;
  for (auto room = width; rest.size() > room; room = width - 1) {
    auto piece = utf8_prefix(rest, room);
    if (piece.empty()) piece = rest.substr(0, 1);
    out += piece;
    out += "\r\n ";
    rest.remove_prefix(piece.size());
  }
  out += rest;
  return out + "\r\n";
}

std::string ical_escape(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size() + utf8.size() / 16);
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const char c = utf8[i];
    if (c == '\r' && i + 1 < utf8.size() && utf8[i + 1] == '\n') continue;
    if (c == '\n' || c == '\r') out += "\\n";
    else if (c == ',' || c == ';' || c == '\\') (out += '\\') += c;
    else if (static_cast<unsigned char>(c) >= 0x20 || c == '\t') out += c == '\t' ? ' ' : c;
  }
  return out;
}

std::string ical_parameter(std::string_view utf8) {
  std::string out;
  for (const char c : utf8)
    if (c != '"' && static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) out += c;
  return out.find_first_of(":;,") == out.npos ? out : '"' + out + '"';
}

std::string ical_clock(std::int64_t seconds, bool with_time) {
  using namespace std::chrono;
  const auto when = sys_seconds(std::chrono::seconds(seconds));
  const auto day = floor<days>(when);
  const year_month_day date(day);
  auto out = fmt::format("{:04}{:02}{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  if (!with_time) return out;
  const auto of_day = (when - day).count();
  return out + fmt::format("T{:02}{:02}{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60);
}

std::string_view ical_weekday(unsigned day) {
  constexpr std::string_view days[] = {"SU", "MO", "TU", "WE", "TH", "FR", "SA"};
  return days[day % 7];
}

}  // namespace mapigate::convert
