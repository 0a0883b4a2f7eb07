// A PropertyBag as one blob, for storage: a 32-bit count, then tag and value pairs as in a
// TaggedPropertyValue ([MS-OXCDATA] 2.11.4) with 32-bit counts of binaries.
#pragma once

#include "base/result.h"
#include "mapi/property_bag.h"

namespace mapigate::wire {

Bytes serialize(const mapi::PropertyBag& bag);
Result<mapi::PropertyBag> parse_property_bag(View bytes);  // leftover bytes are an error

}  // namespace mapigate::wire
