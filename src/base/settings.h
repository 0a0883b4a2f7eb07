// Settings. A setting is one row, and from that row come the parser, the
// reference in conf/, `mapigate check` and the man page.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace mapigate {

struct Setting {
  enum class Type {
    text,      // any string
    choice,    // one of `choices`
    path,      // a file or folder; relative ones count from the config file's folder
    url,       // http or https
    number,    // integer, minimum .. maximum
    boolean,
    duration,  // "250ms", "30s", "5min", "2h"; kept in milliseconds; range in milliseconds
    size,      // "64KiB", "10MiB", plain bytes; range in bytes
    list,      // of strings
  };
  const char* name;
  Type type;
  const char* default_value;  // as written in the file, lists comma-separated; null: required
  const char* help;           // one or two sentences, ends with a full stop
  const char* since = "0.1";
  std::int64_t minimum = 0;
  std::int64_t maximum = INT64_MAX;
  std::vector<const char*> choices = {};
  bool secret = false;        // never printed, never logged
};

// A value as the file has it, before it is checked.
using RawSetting = std::variant<std::string, std::int64_t, bool, std::vector<std::string>>;
using RawSection = std::map<std::string, RawSetting>;

// The checked values of one section. Asking for a name that is not in its rows,
// or by the wrong type, is a bug and throws.
class Settings {
 public:
  // `where` names the section in messages: "[modules.imap]". `folder` is where relative paths count from.
  static Result<Settings> check(std::string_view where, std::span<const Setting> rows, const RawSection& raw,
                                const std::string& folder = {});

  const std::string& text(std::string_view name) const;   // text, choice, path, url
  std::int64_t number(std::string_view name) const;       // number, size in bytes
  bool boolean(std::string_view name) const;
  std::chrono::milliseconds duration(std::string_view name) const;
  const std::vector<std::string>& list(std::string_view name) const;
  bool given(std::string_view name) const;                // written in the file, not a default

  // As `mapigate check` prints it; secrets as "(set)".
  struct Line {
    std::string name, value;
    bool from_file;
  };
  std::vector<Line> explain() const;

 private:
  struct Entry {
    const Setting* row;
    RawSetting value;
    bool given;
  };
  const Entry& entry(std::string_view name) const;
  std::map<std::string, Entry, std::less<>> entries_;
};

Result<std::int64_t> parse_duration_ms(std::string_view text);
Result<std::int64_t> parse_size(std::string_view text);

}  // namespace mapigate
