#include "wire/fxics/stream_reader.h"

#include "base/cursor.h"

namespace mapigate::wire::fxics {

namespace {

template <class T>
T scalar_of(View bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
  return value;
}

constexpr std::size_t tag_size = 4;
constexpr std::size_t length_size = 4;
constexpr std::size_t guid_and_kind = 17;

}  // namespace

Error StreamReader::wrong(std::string_view why) const {
  const auto name = meta_name_of(definition_.tag);
  return error(Errc::malformed, "FastTransfer stream: {}{}0x{:08x} at offset {}: {}", name, name.empty() ? "" : " ",
               definition_.tag.value, element_, why);
}

bool StreamReader::gather(View& bytes, std::size_t size) {
  if (atom_.size() < size) {
    const auto taken = std::min(size - atom_.size(), bytes.size());
    atom_.insert(atom_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
    bytes = bytes.subspan(taken);
    offset_ += taken;
  }
  return atom_.size() >= size;
}

Status StreamReader::feed(View bytes) {
  if (failed_) return error(Errc::malformed, "FastTransfer stream: read on after an error");
  for (bool more = true; more;) {
    const auto done = step(bytes, more);
    if (!done) {
      failed_ = true;
      return done;
    }
  }
  return {};
}

Status StreamReader::finish() {
  if (failed_) return error(Errc::malformed, "FastTransfer stream: read on after an error");
  if (state_ == State::tag && atom_.empty()) return {};
  failed_ = true;
  if (state_ == State::tag) return error(Errc::malformed, "FastTransfer stream: ends in a marker or property tag at offset {}", offset_);
  return wrong("the stream ends in it");
}

// Reads one atom, or a piece of a value. `more` becomes false when bytes are missing.
Status StreamReader::step(View& bytes, bool& more) {
  switch (state_) {
    case State::tag:
      if (atom_.empty()) element_ = offset_;
      more = gather(bytes, tag_size);
      return more ? on_tag() : Status{};
    case State::name_start: {
      more = gather(bytes, guid_and_kind);
      if (!more) return {};
      auto& name = definition_.name.emplace();
      std::copy_n(atom_.begin(), name.set.bytes.size(), name.set.bytes.begin());
      const auto kind = atom_.back();
      atom_.clear();
      if (kind > 1) return wrong("its kind of name is neither 0x00 nor 0x01");
      state_ = kind == 0 ? State::lid : State::name;
      return {};
    }
    case State::lid:
      more = gather(bytes, sizeof(std::uint32_t));
      if (!more) return {};
      definition_.name->lid = scalar_of<std::uint32_t>(atom_);
      atom_.clear();
      return begin_property();
    case State::name: {
      const auto size = atom_.size() - atom_.size() % 2 + 2;
      if (size > limits_.name_size) return wrong("its name is too long");
      more = gather(bytes, size);
      if (!more || atom_[size - 2] != 0 || atom_[size - 1] != 0) return {};
      atom_.resize(size - 2);
      definition_.name->name = to_utf8(Utf16{atom_});
      atom_.clear();
      return begin_property();
    }
    case State::count: {
      more = gather(bytes, length_size);
      if (!more) return {};
      values_left_ = scalar_of<std::uint32_t>(atom_);
      atom_.clear();
      if (values_left_ > limits_.value_count) return wrong("has too many values");
      if (const auto told = sink_.property(definition_, values_left_); !told) return told;
      return next_value();
    }
    case State::fixed: {
      more = gather(bytes, definition_.layout.size);
      if (!more) return {};
      const auto told = sink_.fixed(atom_);
      atom_.clear();
      return told ? end_of_value() : told;
    }
    case State::length: {
      more = gather(bytes, length_size);
      if (!more) return {};
      bytes_left_ = scalar_of<std::uint32_t>(atom_);
      atom_.clear();
      const auto size = bytes_left_;
      if (size == no_object_data && definition_.tag.type() == mapi::PropertyType::PtypObject) bytes_left_ = 0;
      else if (size > limits_.value_size) return wrong("is larger than allowed");
      if (const auto told = sink_.begin_value(size); !told) return told;
      state_ = State::value;
      return {};
    }
    case State::value: {
      if (bytes_left_ != 0 && bytes.empty()) {
        more = false;
        return {};
      }
      const auto taken = std::min<std::size_t>(bytes_left_, bytes.size());
      if (taken != 0) {
        if (const auto told = sink_.piece(bytes.first(taken)); !told) return told;
        bytes = bytes.subspan(taken);
        offset_ += taken;
        bytes_left_ -= static_cast<std::uint32_t>(taken);
      }
      if (bytes_left_ != 0) return {};
      const auto told = sink_.end_value();
      return told ? end_of_value() : told;
    }
  }
  return {};
}

Status StreamReader::on_tag() {
  const auto value = scalar_of<std::uint32_t>(atom_);
  atom_.clear();
  if (is_marker(value)) return sink_.marker(static_cast<Marker>(value));
  definition_ = {mapi::PropertyTag(value), {}, {}};
  const auto layout = layout_of(definition_.tag);
  if (!layout) return wrong("its type cannot stand in a stream");
  definition_.layout = *layout;
  if (!definition_.tag.named()) return begin_property();
  state_ = State::name_start;
  return {};
}

Status StreamReader::begin_property() {
  using Form = Layout::Form;
  if (definition_.layout.form == Form::multiple_fixed || definition_.layout.form == Form::multiple_variable) {
    state_ = State::count;
    return {};
  }
  values_left_ = 1;
  if (const auto told = sink_.property(definition_, 1); !told) return told;
  return next_value();
}

Status StreamReader::next_value() {
  using Form = Layout::Form;
  if (values_left_ == 0) {
    state_ = State::tag;
    return sink_.end_property();
  }
  const auto form = definition_.layout.form;
  state_ = form == Form::fixed || form == Form::multiple_fixed ? State::fixed : State::length;
  return {};
}

Status StreamReader::end_of_value() {
  --values_left_;
  return next_value();
}

Result<mapi::Value> decode_value(const PropDef& definition, View bytes) {
  using mapi::PropertyType;
  using mapi::Value;
  const auto& layout = definition.layout;
  const bool multiple = layout.form == Layout::Form::multiple_fixed || layout.form == Layout::Form::multiple_variable;
  const auto string8 = [&] {
    auto text = as_text(bytes);
    if (text.ends_with('\0')) text.remove_suffix(1);
    return Value::string8(text);
  };
  const auto string = [&] {
    auto even = bytes.first(bytes.size() - bytes.size() % 2);
    if (even.size() >= 2 && even[even.size() - 1] == 0 && even[even.size() - 2] == 0) even = even.first(even.size() - 2);
    return Value::string(Utf16{even});
  };
  if (layout.code_page != 0) return layout.code_page == 1200 ? string() : string8();
  if (definition.tag == MetaTagIdsetGiven) return Value::binary(bytes);
  const auto type = multiple ? mapi::element_type(definition.tag.type()) : definition.tag.type();
  if (layout.size > bytes.size()) return error(Errc::malformed, "value of 0x{:08x} is too short", definition.tag.value);
  switch (type) {
    case PropertyType::PtypInteger16: return Value::integer16(scalar_of<std::int16_t>(bytes));
    case PropertyType::PtypInteger32: return Value::integer32(scalar_of<std::int32_t>(bytes));
    case PropertyType::PtypInteger64: return Value::integer64(scalar_of<std::int64_t>(bytes));
    case PropertyType::PtypFloating32: return Value{type, scalar_of<float>(bytes)};
    case PropertyType::PtypFloating64:
    case PropertyType::PtypFloatingTime: return Value{type, scalar_of<double>(bytes)};
    case PropertyType::PtypCurrency: return Value{type, mapi::Currency{scalar_of<std::int64_t>(bytes)}};
    case PropertyType::PtypErrorCode: return Value::error(scalar_of<std::uint32_t>(bytes));
    case PropertyType::PtypBoolean: return Value::boolean(scalar_of<std::uint16_t>(bytes) != 0);
    case PropertyType::PtypTime: return Value::time({scalar_of<std::uint64_t>(bytes)});
    case PropertyType::PtypGuid: return Value::guid(scalar_of<mapi::Guid>(bytes));
    case PropertyType::PtypString8: return string8();
    case PropertyType::PtypString: return string();
    case PropertyType::PtypBinary:
    case PropertyType::PtypServerId: return Value{type, bytes};
    // Its data, unlike that of a ROP, stands in the stream.
    case PropertyType::PtypObject: return Value{type, bytes};
    default: return Value{type, {}};
  }
}

}  // namespace mapigate::wire::fxics
