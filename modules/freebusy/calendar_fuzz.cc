// A calendar as a server may send it, and the answers it may stand in.
#include <cstdlib>

#include "calendar.h"
#include "dav.h"

using namespace mapigate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const View bytes(data, size);
  freebusy::Reading reading{1709208000, 1709208000 + 7 * 86400, "Europe/Berlin", "alice@example.test", true, false};
  std::vector<wire::ews::CalendarEvent> events;
  (void)freebusy::read_calendar(as_text(bytes), reading, events);
  for (const auto& event : events)
    if (event.EndTime <= event.StartTime || event.EndTime <= reading.start || event.StartTime >= reading.end) std::abort();
  (void)freebusy::calendars_in(bytes, "localhost");
  (void)freebusy::data_in(bytes);
  return 0;
}
