#include "reply.h"

#include <algorithm>

namespace mapigate::smtp {

namespace {
bool digit(char c) { return c >= '0' && c <= '9'; }
}  // namespace

std::string Reply::text() const {
  std::string out = std::to_string(code);
  for (const auto& line : lines) {
    out += ' ';
    out += line;
  }
  return out.substr(0, 1000);
}

std::string Reply::status() const {
  for (const auto& line : lines) {
    const auto word = std::string_view(line).substr(0, line.find(' '));
    const auto dots = std::count(word.begin(), word.end(), '.');
    const bool shaped = dots == 2 && word.size() >= 5 && word.size() <= 9 && word[1] == '.' &&
                        std::all_of(word.begin(), word.end(), [](char c) { return digit(c) || c == '.'; });
    if (shaped && word[0] - '0' == code / 100) return std::string(word);
  }
  return std::to_string(code / 100) + ".0.0";
}

std::optional<bool> add_line(Reply& reply, std::string_view line) {
  constexpr std::size_t most_lines = 200;
  if (line.size() < 3 || !digit(line[0]) || !digit(line[1]) || !digit(line[2])) return std::nullopt;
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  if (code < 200 || code > 599 || reply.lines.size() >= most_lines) return std::nullopt;
  if (reply.code != 0 && code != reply.code) return std::nullopt;
  const char separator = line.size() > 3 ? line[3] : ' ';
  if (separator != ' ' && separator != '-') return std::nullopt;
  reply.code = code;
  reply.lines.emplace_back(line.size() > 4 ? line.substr(4) : std::string_view());
  return separator == ' ';
}

std::string dot_stuffed(std::string_view message) {
  std::string out;
  out.reserve(message.size() + message.size() / 64 + 2);
  bool at_start = true;
  for (std::size_t i = 0; i < message.size(); ++i) {
    const char c = message[i];
    if (at_start && c == '.') out += '.';
    at_start = false;
    if (c == '\r' && i + 1 < message.size() && message[i + 1] == '\n') continue;
    if (c == '\n' || c == '\r') {
      out += "\r\n";
      at_start = true;
    } else {
      out += c;
    }
  }
  if (!at_start) out += "\r\n";
  return out;
}

}  // namespace mapigate::smtp
