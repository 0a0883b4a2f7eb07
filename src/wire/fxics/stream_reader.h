// The lexical level of FastTransfer streams ([MS-OXCFXICS] "Lexical structure"):
// bytes in pieces of any size become markers, properties and values. Nothing is
// kept but the atom that a piece ended in; large values pass through in pieces.
#pragma once

#include "base/result.h"
#include "mapi/properties.h"
#include "wire/fxics/markers.h"

namespace mapigate::wire::fxics {

// propDef: what a value belongs to.
struct PropDef {
  mapi::PropertyTag tag;                   // the type may be a code page type
  std::optional<mapi::PropertyName> name;  // set when tag.named()
  Layout layout;
};

// Hears what is in a stream, in order. Whatever fails ends the reading with that error.
//   marker
//   property, then value_count() times a value:
//     fixed, or begin_value, any number of piece (none for an empty value), end_value
//   end_property
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  virtual Status marker(Marker marker) = 0;
  // `count` is the number of values: 1 unless the property is a multiple one.
  virtual Status property(const PropDef& definition, std::uint32_t count) = 0;
  virtual Status fixed(View little_endian) = 0;
  virtual Status begin_value(std::uint32_t size) = 0;
  virtual Status piece(View bytes) = 0;
  virtual Status end_value() = 0;
  virtual Status end_property() = 0;
};

struct StreamLimits {
  std::uint32_t value_size = std::uint32_t{1} << 31;   // of one value; pieces of it take no memory
  std::uint32_t value_count = std::uint32_t{1} << 20;  // of one property
  std::uint32_t name_size = 1024;                      // bytes of a property's name, its terminator included
};

// The length that says of a PtypObject that no data follows.
inline constexpr std::uint32_t no_object_data = 0xFFFFFFFF;

class StreamReader {
 public:
  explicit StreamReader(StreamSink& sink, StreamLimits limits = {}) : sink_(sink), limits_(limits) {}
  // `bytes` need to live only for this call. After an error nothing more is read.
  Status feed(View bytes);
  // To be called behind the last byte: fails within an atom or a value.
  Status finish();
  std::uint64_t offset() const { return offset_; }             // bytes understood so far
  std::uint64_t element_offset() const { return element_; }    // where the marker or property began that was told last

 private:
  enum class State : std::uint8_t { tag, name_start, lid, name, count, fixed, length, value };

  // Makes `size` bytes available in `atom_`; false when more have to be fed.
  bool gather(View& bytes, std::size_t size);
  Status step(View& bytes, bool& more);
  Status on_tag();
  Status begin_property();
  Status next_value();
  Status end_of_value();
  Error wrong(std::string_view why) const;

  StreamSink& sink_;
  StreamLimits limits_;
  State state_ = State::tag;
  Bytes atom_;
  PropDef definition_;
  std::uint32_t values_left_ = 0;
  std::uint32_t bytes_left_ = 0;
  std::uint64_t offset_ = 0;
  std::uint64_t element_ = 0;
  bool failed_ = false;
};

// A value as a property of a ROP would have it; `bytes` is one value (of a multiple one: one element).
// Strings lose their terminator; a missing one is forgiven. The result borrows from `bytes`.
Result<mapi::Value> decode_value(const PropDef& definition, View bytes);

}  // namespace mapigate::wire::fxics
