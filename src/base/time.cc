#include "base/time.h"

#include <fmt/chrono.h>

namespace mapigate {

namespace {
constexpr std::uint64_t ticks_per_second = 10'000'000;
}

FileTime from_unix(std::int64_t seconds, std::uint32_t nanoseconds) {
  const std::int64_t since_1601 = seconds + unix_epoch_in_seconds;
  if (since_1601 < 0) return {};
  return {static_cast<std::uint64_t>(since_1601) * ticks_per_second + nanoseconds / 100};
}

std::int64_t to_unix(FileTime time) {
  return static_cast<std::int64_t>(time.ticks / ticks_per_second) - unix_epoch_in_seconds;
}

FileTime now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
  return from_unix(nanoseconds / 1'000'000'000, static_cast<std::uint32_t>(nanoseconds % 1'000'000'000));
}

std::string to_iso8601(FileTime time) {
  // std::chrono covers every FILETIME; gmtime() would not beyond year 2^31.
  using namespace std::chrono;
  const auto seconds_since = sys_seconds{seconds{to_unix(time)}};
  const auto day = floor<days>(seconds_since);
  const year_month_day date{day};
  const hh_mm_ss clock{seconds_since - day};
  auto out = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                         static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                         clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  if (const auto fraction = time.ticks % ticks_per_second; fraction != 0) out += fmt::format(".{:07}", fraction);
  return out + "Z";
}

}  // namespace mapigate
