// What knows when people are busy.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "chain/module.h"
#include "wire/ews/availability.h"

namespace mapigate::mailbox {

using io::Task;

struct FreeBusy {
  // In order of their start, cut at nothing: one may begin before the time that was asked for. Details only where the
  // asker may see them.
  std::vector<wire::ews::CalendarEvent> events;
  bool detailed = false;  // details are there for all events that have some
  std::optional<wire::ews::WorkingHours> hours;
};

// What a module that brings free/busy information (modules/freebusy) implements. Usable from every executor.
class FreeBusySource : public chain::Component {
 public:
  // Of the person with this address, from `start` to `end` (seconds since 1970), as `asker` may know it. Errc::not_found: the
  // backend knows no such person; denied: the asker may not know.
  virtual Task<Result<FreeBusy>> free_busy(std::shared_ptr<const chain::Identity> asker, std::string address, std::int64_t start,
                                           std::int64_t end) = 0;
};

}  // namespace mapigate::mailbox
