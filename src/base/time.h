// Times. On the wire: FILETIME, 100-nanosecond steps since 1601-01-01 UTC
// ([MS-DTYP] 2.3.3). Inside: the same number, so that nothing is rounded.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace mapigate {

struct FileTime {
  std::uint64_t ticks = 0;  // 100 ns since 1601-01-01T00:00:00Z
  auto operator<=>(const FileTime&) const = default;
};

inline constexpr std::int64_t unix_epoch_in_seconds = 11644473600;  // 1970 seen from 1601

// Before 1601 becomes zero.
FileTime from_unix(std::int64_t seconds, std::uint32_t nanoseconds = 0);
std::int64_t to_unix(FileTime time);  // seconds, rounded down
FileTime now();
std::string to_iso8601(FileTime time);  // 2024-02-29T12:00:00Z, fraction only if there is one

using Clock = std::chrono::steady_clock;
using Duration = Clock::duration;

}  // namespace mapigate
