// A PropertyBag as one blob, for storage: a 32-bit count, then tag and value pairs as in a
// TaggedPropertyValue ([MS-OXCDATA] 2.11.4) with 32-bit counts of binaries. Much of what is known of a message is said by several
// properties: a string or binary that an earlier property of its type has is a tag with the bit 0x8000, which no type has, and
// 16 bits that count back to that property (1: the one before).
#pragma once

#include "base/result.h"
#include "mapi/property_bag.h"

namespace mapigate::wire {

Bytes serialize(const mapi::PropertyBag& bag);
Result<mapi::PropertyBag> parse_property_bag(View bytes);  // leftover bytes are an error

}  // namespace mapigate::wire
