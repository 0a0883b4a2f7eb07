// The log: one line an event, to stderr (the journal adds the rest). Never log
// a password, a cookie, an Authorization header or message content.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace mapigate::log {

enum class Level { debug, info, warning, error };

void set_level(Level level);
bool enabled(Level level);
// `text` is untrusted: control characters are escaped before it is written.
void write(Level level, std::string_view text);

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::info)) write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::warning)) write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::error)) write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace mapigate::log
