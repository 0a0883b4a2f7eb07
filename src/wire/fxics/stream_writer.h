// Builds a FastTransfer stream and hands it out in buffers. A stream may be split
// between atoms (marker, propDef, fixed value, length) and within the bytes of a
// variable value, nowhere else ([MS-OXCFXICS] "Lexical structure"); take() keeps
// that. What was written and not taken yet is in memory: whoever writes stops
// when available() is enough for the next buffer.
#pragma once

#include <deque>

#include "wire/fxics/stream_reader.h"

namespace mapigate::wire::fxics {

class StreamWriter {
 public:
  void marker(Marker marker);
  // A whole property. Strings get their terminator, values of PtypMultiple… their count. Fails (nothing is
  // written) when the type cannot stand in a stream or `value` is not of it. `name` is needed for ids of
  // 0x8000 and above.
  Status property(mapi::PropertyTag tag, const mapi::Value& value, const mapi::PropertyName* name = nullptr);
  Status property(const mapi::TaggedValue& tagged, const mapi::PropertyName* name = nullptr) {
    return property(tagged.tag, tagged.value, name);
  }
  Status binary(mapi::PropertyTag tag, View bytes);  // also MetaTagIdsetGiven
  Status integer32(mapi::PropertyTag tag, std::int32_t number) { return property(tag, mapi::Value::integer32(number)); }
  // A string in a code page, without its terminator, as it stands in the store.
  Status code_page_string(std::uint16_t id, std::uint16_t code_page, std::string_view text, const mapi::PropertyName* name = nullptr);

  // A variable value in pieces, `size` bytes together, terminator included. Nothing else may be written
  // before all of it was.
  Status begin_value(mapi::PropertyTag tag, std::uint32_t size, const mapi::PropertyName* name = nullptr);
  Status piece(View bytes);
  std::uint32_t value_left() const { return value_left_; }

  // Says what a StreamReader heard; so a stream passes from one connection to another.
  Status repeat_property(const PropDef& definition, std::uint32_t count);
  void repeat_fixed(View little_endian);
  void repeat_length(std::uint32_t size);
  void repeat_piece(View bytes);

  std::size_t available() const { return pending_.size() - taken_; }  // bytes
  std::uint64_t written() const { return written_; }                   // bytes, those taken included
  // Appends as many bytes to `out` as fit into `room` without splitting an atom; returns how many. None,
  // although some are available, means that the next atom is larger than `room`.
  std::size_t take(std::size_t room, Bytes& out);

 private:
  void atom(View bytes);
  void divisible(View bytes);
  Status definition(mapi::PropertyTag tag, const mapi::PropertyName* name);
  void append(View bytes, bool divisible);

  struct Span {
    std::size_t size = 0;
    bool divisible = false;
  };
  Bytes pending_;
  std::size_t taken_ = 0;  // of pending_
  std::deque<Span> spans_;
  std::uint64_t written_ = 0;
  std::uint32_t value_left_ = 0;
};

// Passes on what it hears to a writer.
class Repeater final : public StreamSink {
 public:
  explicit Repeater(StreamWriter& writer) : writer_(writer) {}
  Status marker(Marker marker) override;
  Status property(const PropDef& definition, std::uint32_t count) override;
  Status fixed(View little_endian) override;
  Status begin_value(std::uint32_t size) override;
  Status piece(View bytes) override;
  Status end_value() override { return {}; }
  Status end_property() override { return {}; }

 private:
  StreamWriter& writer_;
};

}  // namespace mapigate::wire::fxics
