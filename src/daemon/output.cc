#include "daemon/output.h"

#include <fcntl.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "base/text.h"

namespace mapigate::daemon {

namespace {

// The next code point, negative for broken UTF-8; moves `at` behind it.
UChar32 next(std::string_view text, std::size_t& at) {
  auto i = static_cast<std::int32_t>(at);
  UChar32 c = 0;
  U8_NEXT(text.data(), i, static_cast<std::int32_t>(text.size()), c);
  at = static_cast<std::size_t>(i);
  return c;
}

// Characters that change how the rest of a line is shown.
bool is_hidden(UChar32 c) {
  if (c == 0x2028 || c == 0x2029 || c == 0xFEFF) return true;
  return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0x200E || c == 0x200F || c == 0x061C;
}

std::size_t width_of(UChar32 c) {
  switch (u_charType(c)) {
    case U_NON_SPACING_MARK:
    case U_ENCLOSING_MARK:
    case U_FORMAT_CHAR: return 0;
    default: break;
  }
  const auto width = u_getIntPropertyValue(c, UCHAR_EAST_ASIAN_WIDTH);
  return width == U_EA_WIDE || width == U_EA_FULLWIDTH ? 2 : 1;
}

std::string failure(int code) { return std::error_code(code, std::generic_category()).message(); }

}  // namespace

std::string escape_controls(std::string_view utf8, bool lines) {
  std::string out;
  for (std::size_t at = 0; at < utf8.size();) {
    const auto start = at;
    const auto c = next(utf8, at);
    if (c < 0) {
      for (auto i = start; i < at; ++i) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(utf8[i]));
    } else if (lines && (c == '\n' || c == '\t')) {
      out.push_back(static_cast<char>(c));
    } else if (lines && c == '\r' && at < utf8.size() && utf8[at] == '\n') {
      continue;
    } else if (c < 0x20 || (c >= 0x7F && c < 0xA0)) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else if (is_hidden(c)) {
      out += fmt::format("\\u{{{:x}}}", static_cast<unsigned>(c));
    } else {
      out.append(utf8.substr(start, at - start));
    }
  }
  return out;
}

std::size_t display_width(std::string_view utf8) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < utf8.size();) {
    const auto c = next(utf8, at);
    width += c < 0 ? 1 : width_of(c);
  }
  return width;
}

std::string fit(std::string_view utf8, std::size_t width, bool right) {
  const auto own = display_width(utf8);
  if (own <= width) {
    const std::string space(width - own, ' ');
    return right ? space + std::string(utf8) : std::string(utf8) + space;
  }
  if (width == 0) return {};
  std::size_t end = 0, used = 0;
  for (std::size_t at = 0; at < utf8.size(); end = at) {
    const auto c = next(utf8, at);
    const auto one = c < 0 ? 1 : width_of(c);
    if (used + one > width - 1) break;
    used += one;
  }
  return std::string(utf8.substr(0, end)) + "…" + std::string(width - 1 - used, ' ');
}

std::string table(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    auto width = display_width(columns[i].title);
    for (const auto& row : rows) width = std::max(width, std::min(columns[i].widest, display_width(row[i])));
    widths.push_back(width);
  }
  std::string out;
  const auto line = [&](auto cell) {
    std::string text;
    for (std::size_t i = 0; i < columns.size(); ++i)
      text += (i == 0 ? "" : "  ") + fit(cell(i), widths[i], columns[i].right);
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + '\n';
  };
  line([&](std::size_t i) { return std::string_view(columns[i].title); });
  for (const auto& row : rows) line([&](std::size_t i) { return std::string_view(row[i]); });
  return out;
}

std::string readable_size(std::uint64_t bytes) {
  static constexpr std::array<const char*, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1023.95 && unit + 1 < units.size(); ++unit) value /= 1024;
  return value < 10 ? fmt::format("{:.1f} {}", value, units[unit]) : fmt::format("{:.0f} {}", value, units[unit]);
}

std::string safe_file_name(std::string_view untrusted) {
  std::string out;
  for (std::size_t at = 0; at < untrusted.size();) {
    const auto start = at;
    const auto c = next(untrusted, at);
    const bool forbidden = c < 0x20 || (c >= 0x7F && c < 0xA0) || is_hidden(c) ||
                           (c < 0x80 && std::string_view("/\\:*?\"<>|").find(static_cast<char>(c)) != std::string_view::npos);
    if (forbidden) out.push_back('_');
    else out.append(untrusted.substr(start, at - start));
  }
  if (out.size() > 200) {  // the extension is what tells people and programs what it is
    const auto dot = out.rfind('.');
    const auto extension = dot != std::string::npos && out.size() - dot <= 16 ? out.substr(dot) : std::string();
    out = std::string(utf8_prefix(out, 200 - extension.size())) + extension;
  }
  while (!out.empty() && (out.back() == ' ' || out.back() == '.')) out.pop_back();
  const auto first = out.find_first_not_of(" .");
  out.erase(0, first == std::string::npos ? out.size() : first);
  if (out.empty()) return "attachment";
  const auto stem = lower_ascii(out.substr(0, out.find('.')));
  for (const auto* reserved : {"con", "prn", "aux", "nul"})
    if (stem == reserved) return "_" + out;
  if (stem.size() == 4 && (stem.starts_with("com") || stem.starts_with("lpt")) && stem[3] >= '0' && stem[3] <= '9')
    return "_" + out;
  return out;
}

Result<NewFile> create_new_file(const std::string& folder, std::string_view untrusted_name) {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) return error(Errc::denied, "{} cannot be made: {}", folder, code.message());
  const int directory = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return error(Errc::denied, "{} cannot be opened: {}", folder, failure(errno));
  const auto name = safe_file_name(untrusted_name);
  auto dot = name.rfind('.');
  if (dot == std::string::npos || dot == 0) dot = name.size();
  Result<NewFile> out = error(Errc::conflict, "{}: no free name for \"{}\"", folder, name);
  for (int n = 1; n < 10'000; ++n) {
    const auto candidate = n == 1 ? name : fmt::format("{} ({}){}", name.substr(0, dot), n, name.substr(dot));
    const int descriptor = openat(directory, candidate.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (descriptor < 0 && errno == EEXIST) continue;
    if (descriptor < 0) out = error(Errc::denied, "{}/{} cannot be made: {}", folder, candidate, failure(errno));
    else out = NewFile{descriptor, (std::filesystem::path(folder) / candidate).string()};
    break;
  }
  close(directory);
  return out;
}

Status write_all(int descriptor, View bytes) {
  while (!bytes.empty()) {
    const auto written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return error(Errc::limit, "cannot be written: {}", failure(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<Bytes> read_input(const std::string& file, std::size_t limit) {
  const bool standard = file.empty() || file == "-";
  const int descriptor = standard ? STDIN_FILENO : open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return error(Errc::not_found, "{}: {}", file, failure(errno));
  const std::string_view name = standard ? "standard input" : std::string_view(file);
  Result<Bytes> out = Bytes();
  std::array<std::uint8_t, 65536> chunk;
  while (out) {
    const auto got = read(descriptor, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) out = error(Errc::unavailable, "{}: {}", name, failure(errno));
    if (got <= 0) break;
    if (out->size() + static_cast<std::size_t>(got) > limit) out = error(Errc::limit, "{} has more than {}", name, readable_size(limit));
    else out->insert(out->end(), chunk.begin(), chunk.begin() + got);
  }
  if (!standard) close(descriptor);
  return out;
}

bool print_out(std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

}  // namespace mapigate::daemon
