// The first byte chooses: a stream in pieces of that size, a set of ids, or a structure that stands in values. A
// stream that is read is written again from what was heard and must be the same
// bytes however it is cut; a set or structure that is read is written and read again.
#include <cstdlib>

#include "wire/dump.h"
#include "wire/fxics/dump.h"
#include "wire/fxics/stream_writer.h"
#include "wire/fxics/structures.h"

using namespace mapigate;
using namespace mapigate::wire;

namespace {

void must(bool condition) {
  if (!condition) std::abort();
}

template <class Replica>
void sets(View bytes) {
  const auto read = fxics::read_idset<Replica>(bytes);
  if (!read) return;
  const auto written = fxics::write_idset(*read);
  const auto again = fxics::read_idset<Replica>(written);
  must(again && *again == *read);
  must(fxics::write_idset(*again) == written);
  fxics::IdSet<Replica> none = *read;
  none.subtract(*again);
  must(none.empty());
}

void streams(View bytes, std::size_t piece) {
  fxics::StreamWriter writer;
  fxics::Repeater repeater(writer);
  fxics::StreamReader reader(repeater);
  bool whole = true;
  for (std::size_t at = 0; at < bytes.size() && whole; at += piece)
    whole = reader.feed(bytes.subspan(at, std::min(piece, bytes.size() - at))).has_value();
  whole = whole && reader.finish().has_value();
  Bytes out;
  for (std::size_t room = 1; writer.available() != 0; room += 1 + room / 2) (void)writer.take(room, out);
  // A name with broken UTF-16 is repaired on its way, without another length.
  must(!whole || out.size() == bytes.size());
  TextSink text;
  JsonSink json;
  const bool told = fxics::describe_stream(text, bytes).has_value();
  must(!told || whole);
  must(fxics::describe_stream(json, bytes).has_value() == told);
  must(!json.take().empty() && (bytes.empty() || !text.take().empty()));
}

template <class T>
void structure(View bytes) {
  Arena arena;
  const auto read = decode<T>("structure", bytes, arena, CountWidth::narrow);
  if (!read) return;
  Bytes written;
  must(encode("structure", *read, written, CountWidth::narrow).has_value() && equal(written, bytes));
}

void structures(View bytes) {
  structure<fxics::ProgressInformation>(bytes);
  structure<fxics::PropertyGroupInfo>(bytes);
  structure<fxics::FolderReplicaInfo>(bytes);
  structure<fxics::ExtendedErrorInfo>(bytes);
  if (const auto list = fxics::read_predecessor_change_list(bytes))
    must(equal(fxics::write_predecessor_change_list(*list), bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const View rest(data + 1, size - 1);
  if (data[0] == 0xFD) structures(rest);
  else if (data[0] == 0xFE) sets<std::uint16_t>(rest);
  else if (data[0] == 0xFF) sets<mapi::Guid>(rest);
  else streams(rest, std::size_t{data[0]} + 1);
  return 0;
}
