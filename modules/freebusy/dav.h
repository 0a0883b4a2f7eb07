// What is asked of a CalDAV server (RFC 4791), and what it answers (RFC 4918).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace mapigate::freebusy {

// Whose place in a URL %u, %n and %d are, and %s and %e the times, as 2024-02-29T12:00:00Z. Errc::not_found: the address has no
// place in a path.
Result<std::string> expand_url(std::string_view form, std::string_view address, std::int64_t start, std::int64_t end);
std::string utc_stamp(std::int64_t seconds);

extern const char propfind_calendars[];
std::string free_busy_query(std::int64_t start, std::int64_t end);
std::string calendar_query(std::int64_t start, std::int64_t end);

// Paths of the calendars in the answer to propfind_calendars, without those that do not count as busy.
Result<std::vector<std::string>> calendars_in(View multistatus, std::string_view own_authority);
// The calendar data in the answer to calendar_query.
Result<std::vector<std::string>> data_in(View multistatus);

}  // namespace mapigate::freebusy
