// Property values, rows and restrictions of the address book: as NDR carries them ([MS-OXNSPI] 2.3) and as
// everything behind the transports has them. Results live in the arena or borrow from their source.
#pragma once

#include "mapi/restriction.h"
#include "wire/ndr/nspi_ndr.h"
#include "wire/nspi/all_bodies.h"

namespace mapigate::transport::rpc {

// What NDR has no room for (floating point, currency, 64-bit integers: row N4) becomes PtypErrorCode ecNotFound.
wire::ndr::nspi::PropertyValue_r to_ndr(Arena& arena, mapi::PropertyTag tag, const mapi::Value& value);
mapi::TaggedValue from_ndr(Arena& arena, const wire::ndr::nspi::PropertyValue_r& value);

const wire::ndr::nspi::PropertyRow_r* to_ndr(Arena& arena, std::span<const mapi::TaggedValue> values);
const wire::ndr::nspi::PropertyRowSet_r* to_ndr(Arena& arena, const wire::nspi::ColumnsAndRows& rows);
const wire::ndr::nspi::PropertyRowSet_r* to_ndr(Arena& arena, std::span<const wire::nspi::AddressBookPropertyValueList> rows);
const wire::ndr::nspi::PropertyTagArray_r* to_ndr(Arena& arena, std::span<const std::uint32_t> numbers);

// Errc::malformed for a kind of restriction that does not exist.
Result<mapi::Restriction> from_ndr(Arena& arena, const wire::ndr::nspi::Restriction_r& restriction);

wire::ndr::nspi::STAT to_ndr(const wire::nspi::STAT& stat);
wire::nspi::STAT from_ndr(const wire::ndr::nspi::STAT& stat);

}  // namespace mapigate::transport::rpc
