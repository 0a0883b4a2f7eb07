#include "wire/fxics/stream_writer.h"

#include <algorithm>

#include "base/cursor.h"

namespace mapigate::wire::fxics {

namespace {

// The bytes of one value as they stand in the stream; false when `data` is not of the element type.
struct ValueBytes {
  Bytes& out;

  template <class T>
  bool scalar(T value) {
    Output(out).scalar(value);
    return true;
  }
  bool operator()(std::monostate) { return true; }
  bool operator()(bool value) { return scalar<std::uint16_t>(value ? 1 : 0); }
  bool operator()(std::int16_t value) { return scalar(value); }
  bool operator()(std::int32_t value) { return scalar(value); }
  bool operator()(std::int64_t value) { return scalar(value); }
  bool operator()(float value) { return scalar(value); }
  bool operator()(double value) { return scalar(value); }
  bool operator()(mapi::Currency value) { return scalar(value.ten_thousandths); }
  bool operator()(FileTime value) { return scalar(value.ticks); }
  bool operator()(mapi::ErrorValue value) { return scalar(value.code); }
  bool operator()(const mapi::Guid& value) {
    Output(out).bytes(value.bytes);
    return true;
  }
  bool operator()(mapi::String8 value) {
    Output(out).bytes(as_view(value.text));
    return scalar<std::uint8_t>(0);
  }
  bool operator()(Utf16 value) {
    Output(out).bytes(value.bytes);
    return scalar<std::uint16_t>(0);
  }
  bool operator()(View value) {
    Output(out).bytes(value);
    return true;
  }
  bool operator()(const mapi::Restriction*) { return false; }
  bool operator()(const mapi::RuleActions*) { return false; }
};

template <class T>
constexpr bool is_list = false;
template <class T>
constexpr bool is_list<std::span<const T>> = !std::is_same_v<T, std::uint8_t>;

Error not_for_streams(mapi::PropertyTag tag) {
  return error(Errc::unsupported, "{} has a value that cannot stand in a FastTransfer stream", mapi::to_string(tag));
}

// Whether a value of this alternative belongs to the type; types are compared where one alternative serves several.
bool fits(mapi::PropertyTag tag, const mapi::Value& value) {
  if (tag == MetaTagIdsetGiven) return value.get<View>() != nullptr;
  using mapi::PropertyType;
  if (tag.type() == PropertyType::PtypObject) return value.get<View>() != nullptr;
  if (tag.type() == PropertyType::PtypNull) return value.get<std::monostate>() != nullptr;
  if (value.get<std::monostate>() != nullptr) return false;
  return value.type == tag.type();
}

}  // namespace

void StreamWriter::append(View bytes, bool divisible) {
  // What was taken is dropped when it is most of the buffer, so that each byte is moved at most once or twice.
  if (taken_ > 4096 && taken_ >= pending_.size() - taken_) {
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(taken_));
    taken_ = 0;
  }
  pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  written_ += bytes.size();
  if (bytes.empty()) return;
  if (divisible && !spans_.empty() && spans_.back().divisible) spans_.back().size += bytes.size();
  else spans_.push_back({bytes.size(), divisible});
}

void StreamWriter::atom(View bytes) { append(bytes, false); }
void StreamWriter::divisible(View bytes) { append(bytes, true); }

std::size_t StreamWriter::take(std::size_t room, Bytes& out) {
  std::size_t size = 0;
  while (!spans_.empty() && size < room) {
    auto& span = spans_.front();
    if (span.size <= room - size) {
      size += span.size;
      spans_.pop_front();
    } else if (span.divisible) {
      span.size -= room - size;
      size = room;
    } else {
      break;
    }
  }
  const auto first = pending_.begin() + static_cast<std::ptrdiff_t>(taken_);
  out.insert(out.end(), first, first + static_cast<std::ptrdiff_t>(size));
  taken_ += size;
  return size;
}

void StreamWriter::marker(Marker marker) {
  Bytes bytes;
  Output(bytes).scalar(static_cast<std::uint32_t>(marker));
  atom(bytes);
}

Status StreamWriter::definition(mapi::PropertyTag tag, const mapi::PropertyName* name) {
  if (value_left_ != 0) return error(Errc::internal, "a value of a FastTransfer stream is not complete");
  if (is_marker(tag.value)) return error(Errc::internal, "0x{:08x} is a marker, no property", tag.value);
  Bytes bytes;
  Output output(bytes);
  output.scalar(tag.value);
  if (tag.named()) {
    if (name == nullptr) return error(Errc::internal, "0x{:08x} has no name to write", tag.value);
    output.bytes(name->set.bytes);
    output.scalar<std::uint8_t>(name->lid ? 0 : 1);
    if (name->lid) {
      output.scalar(*name->lid);
    } else {
      output.bytes(to_utf16(name->name));
      output.scalar<std::uint16_t>(0);
    }
  }
  atom(bytes);
  return {};
}

Status StreamWriter::property(mapi::PropertyTag tag, const mapi::Value& value, const mapi::PropertyName* name) {
  const auto layout = layout_of(tag);
  if (!layout || layout->code_page != 0 || !fits(tag, value)) return not_for_streams(tag);
  const bool variable = layout->form == Layout::Form::variable || layout->form == Layout::Form::multiple_variable;
  const bool multiple = layout->form == Layout::Form::multiple_fixed || layout->form == Layout::Form::multiple_variable;
  std::vector<Bytes> values;
  const bool written = std::visit(
      [&](const auto& data) {
        using Data = std::decay_t<decltype(data)>;
        if constexpr (is_list<Data>) {
          if (!multiple) return false;
          for (const auto& element : data)
            if (!ValueBytes{values.emplace_back()}(element)) return false;
          return true;
        } else {
          return !multiple && ValueBytes{values.emplace_back()}(data);
        }
      },
      value.data);
  if (!written) return not_for_streams(tag);
  for (const auto& bytes : values)
    if (variable ? bytes.size() >= no_object_data : bytes.size() != layout->size) return not_for_streams(tag);
  if (const auto defined = definition(tag, name); !defined) return defined;
  if (multiple) repeat_length(static_cast<std::uint32_t>(values.size()));
  for (const auto& bytes : values) {
    if (variable) {
      repeat_length(static_cast<std::uint32_t>(bytes.size()));
      divisible(bytes);
    } else {
      atom(bytes);
    }
  }
  return {};
}

Status StreamWriter::binary(mapi::PropertyTag tag, View bytes) {
  return property(tag, mapi::Value{tag.type(), bytes});
}

Status StreamWriter::code_page_string(std::uint16_t id, std::uint16_t code_page, std::string_view text,
                                      const mapi::PropertyName* name) {
  if (const auto defined = definition({id, code_page_type(code_page)}, name); !defined) return defined;
  const std::uint32_t terminator = code_page == 1200 || code_page == 1201 ? 2 : 1;
  repeat_length(static_cast<std::uint32_t>(text.size()) + terminator);
  divisible(as_view(text));
  static constexpr std::uint8_t zeros[2] = {};
  divisible(View(zeros, terminator));
  return {};
}

Status StreamWriter::begin_value(mapi::PropertyTag tag, std::uint32_t size, const mapi::PropertyName* name) {
  const auto layout = layout_of(tag);
  if (!layout || layout->form != Layout::Form::variable) return not_for_streams(tag);
  if (const auto defined = definition(tag, name); !defined) return defined;
  repeat_length(size);
  value_left_ = size;
  return {};
}

Status StreamWriter::piece(View bytes) {
  if (bytes.size() > value_left_) return error(Errc::internal, "a value of a FastTransfer stream is longer than it was said to be");
  value_left_ -= static_cast<std::uint32_t>(bytes.size());
  divisible(bytes);
  return {};
}

Status StreamWriter::repeat_property(const PropDef& def, std::uint32_t count) {
  if (const auto defined = definition(def.tag, def.name ? &*def.name : nullptr); !defined) return defined;
  if (def.layout.form == Layout::Form::multiple_fixed || def.layout.form == Layout::Form::multiple_variable) repeat_length(count);
  return {};
}

void StreamWriter::repeat_fixed(View little_endian) { atom(little_endian); }
void StreamWriter::repeat_piece(View bytes) { divisible(bytes); }

void StreamWriter::repeat_length(std::uint32_t size) {
  Bytes bytes;
  Output(bytes).scalar(size);
  atom(bytes);
}

Status Repeater::marker(Marker marker) {
  writer_.marker(marker);
  return {};
}
Status Repeater::property(const PropDef& definition, std::uint32_t count) { return writer_.repeat_property(definition, count); }
Status Repeater::fixed(View little_endian) {
  writer_.repeat_fixed(little_endian);
  return {};
}
Status Repeater::begin_value(std::uint32_t size) {
  writer_.repeat_length(size);
  return {};
}
Status Repeater::piece(View bytes) {
  writer_.repeat_piece(bytes);
  return {};
}

}  // namespace mapigate::wire::fxics
