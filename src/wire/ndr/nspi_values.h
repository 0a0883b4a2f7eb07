// Property values, rows and restrictions of the address book: as NDR carries them ([MS-OXNSPI] 2.3) and as
// everything behind the transports has them. Results live in the arena or borrow from their source.
#pragma once

#include "mapi/restriction.h"
#include "wire/ndr/nspi_ndr.h"
#include "wire/nspi/all_bodies.h"

namespace mapigate::wire::ndr {

// What NDR has no room for (floating point, currency, 64-bit integers: row N4) becomes PtypErrorCode ecNotFound.
nspi::PropertyValue_r to_ndr(Arena& arena, mapi::PropertyTag tag, const mapi::Value& value);
mapi::TaggedValue from_ndr(Arena& arena, const nspi::PropertyValue_r& value);

const nspi::PropertyRow_r* to_ndr(Arena& arena, std::span<const mapi::TaggedValue> values);
const nspi::PropertyRowSet_r* to_ndr(Arena& arena, const wire::nspi::ColumnsAndRows& rows);
const nspi::PropertyRowSet_r* to_ndr(Arena& arena, std::span<const wire::nspi::AddressBookPropertyValueList> rows);
const nspi::PropertyTagArray_r* to_ndr(Arena& arena, std::span<const std::uint32_t> numbers);

// Errc::malformed for a kind of restriction that does not exist.
Result<mapi::Restriction> from_ndr(Arena& arena, const nspi::Restriction_r& restriction);

// Errc::unsupported for one that NSPI does not have (comment, count).
Result<const nspi::Restriction_r*> to_ndr(Arena& arena, const mapi::Restriction& restriction);

// `asked` are the columns of the request; without, they are those of the first row. A cell of another type than its
// column's makes the type of the column PtypUnspecified.
wire::nspi::ColumnsAndRows from_ndr(Arena& arena, const nspi::PropertyRowSet_r& rows, std::span<const mapi::PropertyTag> asked);
std::span<const mapi::TaggedValue> from_ndr(Arena& arena, const nspi::PropertyRow_r& row);

nspi::STAT to_ndr(const wire::nspi::STAT& stat);
wire::nspi::STAT from_ndr(const nspi::STAT& stat);

}  // namespace mapigate::wire::ndr
