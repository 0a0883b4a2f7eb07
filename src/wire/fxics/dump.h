// FastTransfer streams for people and tools: every marker and property with its
// offset, in the elements they belong to; sets of ids, keys and the structures
// that the protocol puts into values are taken apart.
#pragma once

#include "wire/describe.h"
#include "wire/fxics/idset.h"
#include "wire/fxics/syntax.h"

namespace mapigate::wire::fxics {

// Tells a whole stream. On an error what stood before it has been told, and what follows is told as `rest`.
Status describe_stream(FieldSink& sink, View stream, Element root = Element::stream);

// Tells a set of ids as one line a replica: "1 (0x0001)" or a GUID, then its ranges.
void describe_idset(FieldSink& sink, const char* name, const ReplIdSet& set);
void describe_idset(FieldSink& sink, const char* name, const ReplGuidSet& set);

}  // namespace mapigate::wire::fxics
