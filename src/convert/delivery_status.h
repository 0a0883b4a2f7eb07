// Enhanced status codes (RFC 3463) and the codes by which non-delivery reports tell the same ([MS-OXOMSG] 2.2.2.30 to 2.2.2.32).
#pragma once

#include <cstdint>

namespace mapigate::convert {

// PidTagNonDeliveryReportDiagCode and PidTagNonDeliveryReportReasonCode.
struct NonDeliveryCodes {
  std::int32_t diagnostic = -1, reason = 0;
  bool operator==(const NonDeliveryCodes&) const = default;
};

// [MS-OXCMAIL] 2.2.3.7.1.3. Numbers below 0 and above 9 count as 0.
NonDeliveryCodes codes_of_status(std::int32_t subject, std::int32_t detail);
// [MS-OXCMAIL] 2.1.3.6.1.2, as PidTagNonDeliveryReportStatusCode has it: 511 for "5.1.1".
std::int32_t status_of_codes(const NonDeliveryCodes& codes);

}  // namespace mapigate::convert
