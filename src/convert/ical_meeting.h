// Meeting requests, responses and cancellations that come by mail, as meeting objects ([MS-OXCICAL] 2.1.3, [MS-OXOCAL] 2.2).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "mapi/properties.h"
#include "mapi/property_bag.h"

namespace mapigate::convert {

struct Meeting {
  std::string message_class;
  std::string text;                                   // DESCRIPTION, UTF-8
  mapi::PropertyBag properties;                       // PidTag…
  mapi::PropertyBag named;                            // PidLid…
  std::map<std::uint16_t, mapi::PropertyName> names;  // what their ids mean, here alone
};
// None when it is no calendar with an event, its method is not one of those that meetings are arranged with (iTIP, RFC 5546),
// or it is over max_meeting_bytes. `method`: of the Content-Type field, for calendars that name none.
inline constexpr std::size_t max_meeting_bytes = std::size_t{1} << 20;
std::optional<Meeting> read_meeting(std::string_view utf8, std::string_view method);

}  // namespace mapigate::convert
