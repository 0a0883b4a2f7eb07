// Files and values that converters read, for `mapigate dump`: told to a sink with the offset of each field, what is
// broken up to the field that is.
#pragma once

#include <string>

#include "base/bytes.h"

namespace mapigate::wire {
class FieldSink;
}

namespace mapigate::daemon {

// `as_structure`: as of wire::blobs::OffsetSink. They return what is wrong first; empty when all was understood.
std::string dump_msg(wire::FieldSink& sink, bool as_structure, View input);
std::string dump_tnef(wire::FieldSink& sink, bool as_structure, View input);
std::string dump_rtf(wire::FieldSink& sink, bool as_structure, View input);

}  // namespace mapigate::daemon
