// FastTransfer streams for people and tools: every marker and property with its
// offset, in the elements they belong to; sets of ids, keys and the structures
// that the protocol puts into values are taken apart.
#pragma once

#include "wire/describe.h"
#include "wire/fxics/idset.h"
#include "wire/fxics/syntax.h"

namespace mapigate::wire::fxics {

// Tells a whole stream. On an error what stood before it has been told, and what follows is told as `rest`. Values go
// to `values`, and `start`, if given, is set to the offset of each of them, and of each field within, before it is told.
Status describe_stream(FieldSink& sink, FieldSink& values, std::size_t* start, View stream, Element root = Element::stream);
inline Status describe_stream(FieldSink& sink, View stream, Element root = Element::stream) {
  return describe_stream(sink, sink, nullptr, stream, root);
}

// Tells a set of ids, which is what `cursor` has left: each replica with the commands of its GLOBSET as they are read
// and the ranges that come out. Replica is std::uint16_t or mapi::Guid. `start` as above.
template <class Replica>
Status tell_idset(FieldSink& sink, std::size_t* start, const char* name, Cursor& cursor);

extern template Status tell_idset<std::uint16_t>(FieldSink&, std::size_t*, const char*, Cursor&);
extern template Status tell_idset<mapi::Guid>(FieldSink&, std::size_t*, const char*, Cursor&);

}  // namespace mapigate::wire::fxics
