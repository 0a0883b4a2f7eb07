#include "wire/blobs/values.h"

#include "mapi/properties.h"

namespace mapigate::wire::blobs {

using mapi::PropertyType;
using mapi::Restriction;
using mapi::RestrictType;
using mapi::Value;

namespace {

constexpr bool is_nickname(ValueForm form) { return form == ValueForm::nickname; }

// What fits into the union of an SPropValue and so stands there in the nickname form.
bool is_small(PropertyType type) {
  switch (type) {
    case PropertyType::PtypInteger16: case PropertyType::PtypInteger32: case PropertyType::PtypFloating32:
    case PropertyType::PtypFloating64: case PropertyType::PtypCurrency: case PropertyType::PtypFloatingTime:
    case PropertyType::PtypErrorCode: case PropertyType::PtypBoolean: case PropertyType::PtypInteger64:
    case PropertyType::PtypTime: case PropertyType::PtypNull: case PropertyType::PtypObject: return true;
    default: return false;
  }
}

// Reads or writes numbers; strings and binaries are done by hand.
template <class Make>
Value small_value(Cursor& cursor, PropertyType type, Make number_of_boolean) {
  Value out{type, {}};
  switch (type) {
    case PropertyType::PtypNull:
    case PropertyType::PtypObject: break;
    case PropertyType::PtypInteger16: out.data = cursor.scalar<std::int16_t>(); break;
    case PropertyType::PtypInteger32: out.data = cursor.scalar<std::int32_t>(); break;
    case PropertyType::PtypFloating32: out.data = cursor.scalar<float>(); break;
    case PropertyType::PtypFloating64:
    case PropertyType::PtypFloatingTime: out.data = cursor.scalar<double>(); break;
    case PropertyType::PtypCurrency: out.data = mapi::Currency{cursor.scalar<std::int64_t>()}; break;
    case PropertyType::PtypErrorCode: out.data = mapi::ErrorValue{cursor.scalar<std::uint32_t>()}; break;
    case PropertyType::PtypBoolean: out.data = number_of_boolean() != 0; break;
    case PropertyType::PtypInteger64: out.data = cursor.scalar<std::int64_t>(); break;
    case PropertyType::PtypTime: out.data = FileTime{cursor.scalar<std::uint64_t>()}; break;
    default: cursor.fail("unknown property type"); break;
  }
  return out;
}

std::size_t read_size(Cursor& cursor, ValueForm form) {
  return is_nickname(form) ? cursor.scalar<std::uint32_t>() : cursor.scalar<std::uint16_t>();
}

View read_sized(Cursor& cursor, ValueForm form) {
  const auto size = read_size(cursor, form);
  return cursor.bytes(size);
}

// Most writers count the terminator, some leave it out; it is written always. An odd size counts a byte
// that is not there.
Utf16 read_utf16(Cursor& cursor, ValueForm form) {
  auto raw = cursor.bytes(read_size(cursor, form) / 2 * 2);
  if (raw.size() >= 2 && raw[raw.size() - 1] == 0 && raw[raw.size() - 2] == 0) raw = raw.first(raw.size() - 2);
  return {raw};
}

mapi::String8 read_string8(Cursor& cursor, ValueForm form) {
  auto raw = read_sized(cursor, form);
  if (!raw.empty() && raw.back() == 0) raw = raw.first(raw.size() - 1);
  return {as_text(raw)};
}

template <class T>
std::span<const T> read_many(FieldReader& reader, ValueForm form, std::size_t minimum, auto read) {
  auto& cursor = reader.cursor();
  const auto count = read_size(cursor, form);
  if (!cursor.can_hold(count, minimum)) return {};
  const auto made = reader.arena().make_span<T>(count);
  for (auto& one : made) {
    if (!cursor.ok()) return {};
    one = read();
  }
  return made;
}

Value read_large(FieldReader& reader, PropertyType type, ValueForm form) {
  auto& cursor = reader.cursor();
  Value out{type, {}};
  const std::size_t size = is_nickname(form) ? 4 : 2;
  switch (type) {
    case PropertyType::PtypString: out.data = read_utf16(cursor, form); break;
    case PropertyType::PtypString8: out.data = read_string8(cursor, form); break;
    case PropertyType::PtypBinary: out.data = read_sized(cursor, form); break;
    case PropertyType::PtypGuid: {
      mapi::Guid guid;
      reader("PropertyValue", guid);
      out.data = guid;
      break;
    }
    case PropertyType::PtypMultipleInteger16:
      out.data = read_many<std::int16_t>(reader, form, 2, [&] { return cursor.scalar<std::int16_t>(); });
      break;
    case PropertyType::PtypMultipleInteger32:
      out.data = read_many<std::int32_t>(reader, form, 4, [&] { return cursor.scalar<std::int32_t>(); });
      break;
    case PropertyType::PtypMultipleInteger64:
      out.data = read_many<std::int64_t>(reader, form, 8, [&] { return cursor.scalar<std::int64_t>(); });
      break;
    case PropertyType::PtypMultipleTime:
      out.data = read_many<FileTime>(reader, form, 8, [&] { return FileTime{cursor.scalar<std::uint64_t>()}; });
      break;
    case PropertyType::PtypMultipleString:
      out.data = read_many<Utf16>(reader, form, size, [&] { return read_utf16(cursor, form); });
      break;
    case PropertyType::PtypMultipleString8:
      out.data = read_many<mapi::String8>(reader, form, size, [&] { return read_string8(cursor, form); });
      break;
    case PropertyType::PtypMultipleBinary:
      out.data = read_many<View>(reader, form, size, [&] { return read_sized(cursor, form); });
      break;
    default: cursor.fail("unknown property type"); break;
  }
  return out;
}

// A value of the stored form, as restrictions hold it too.
void read_stored(FieldReader& reader, mapi::TaggedValue& value) {
  auto& cursor = reader.cursor();
  reader.part(cursor.field(), value.tag, [&] { return mapi::PropertyTag(cursor.scalar<std::uint32_t>()); });
  const auto type = value.tag.type();
  const auto at = cursor.offset();
  if (is_small(type)) value.value = small_value(cursor, type, [&] { return cursor.scalar<std::uint16_t>(); });
  else value.value = read_large(reader, type, ValueForm::stored);
  reader.note(&value.value, at);
}

class ValueWriter {
 public:
  ValueWriter(FieldWriter& writer, ValueForm form) : writer_(writer), form_(form) {}

  void large(const Value& value) {
    std::visit([&](const auto& data) { this->data(data); }, value.data);
  }
  void small(const Value& value) {
    if (const auto* flag = value.get<bool>()) put<std::uint16_t>(*flag ? 1 : 0);
    else large(value);
  }

 private:
  template <class T>
  void put(const T& x) {
    writer_("PropertyValue", x);
  }
  void size(std::size_t n) {
    if (is_nickname(form_)) writer_.count<std::uint32_t>("PropertyValue", n);
    else writer_.count<std::uint16_t>("PropertyValue", n);
  }
  template <class T>
  void data(const T& x) {
    if constexpr (std::is_same_v<T, std::monostate>) {
    } else if constexpr (Scalar<T> || std::is_same_v<T, FileTime> || std::is_same_v<T, mapi::Guid>) put(x);
    else if constexpr (std::is_same_v<T, mapi::Currency>) put(x.ten_thousandths);
    else if constexpr (std::is_same_v<T, mapi::ErrorValue>) put(x.code);
    else if constexpr (std::is_same_v<T, View>) size(x.size()), writer_.rest("PropertyValue", x);
    else if constexpr (std::is_same_v<T, Utf16>) size(x.bytes.size() + 2), writer_.sz("", x);
    else if constexpr (std::is_same_v<T, mapi::String8>) size(x.text.size() + 1), writer_.sz("", x.text);
    else if constexpr (requires { typename T::element_type; }) {
      size(x.size());
      for (const auto& one : x) data(one);
    } else writer_.check(false, "PropertyValue");
  }

  FieldWriter& writer_;
  ValueForm form_;
};

void write_stored(FieldWriter& writer, const mapi::TaggedValue& value) {
  writer("PropertyTag", value.tag);
  ValueWriter values(writer, ValueForm::stored);
  if (is_small(value.tag.type())) values.small(value.value);
  else values.large(value.value);
}

}  // namespace

void read(FieldReader& reader, StoredValue& value, ValueForm form) {
  auto& cursor = reader.cursor();
  cursor.set_field("PropertyValue");
  if (!is_nickname(form)) return read_stored(reader, value.value);
  value.value.tag = mapi::PropertyTag(cursor.scalar<std::uint32_t>());
  value.alignment = cursor.scalar<std::uint32_t>();
  const auto remains = cursor.bytes(8);
  if (!cursor.ok()) return;
  std::memcpy(value.remains.data(), remains.data(), remains.size());
  const auto type = value.value.tag.type();
  if (is_small(type)) {
    Cursor within(remains);
    value.value.value = small_value(within, type, [&] { return within.scalar<std::uint16_t>(); });
  } else {
    value.value.value = read_large(reader, type, form);
  }
}

void write(FieldWriter& writer, const StoredValue& value, ValueForm form) {
  if (!is_nickname(form)) return write_stored(writer, value.value);
  writer("PropertyTag", value.value.tag);
  writer("dwAlignPad", value.alignment);
  auto remains = value.remains;
  ValueWriter values(writer, form);
  if (!is_small(value.value.tag.type())) {
    writer("remains", remains);
    return values.large(value.value.value);
  }
  // The value overwrites the first bytes of the union; what is behind it stays.
  const auto at = writer.size();
  values.small(value.value.value);
  const auto used = std::min<std::size_t>(writer.size() - at, remains.size());
  writer.rest("remains", View(remains).subspan(used));
}

void tell(FieldTeller& teller, const char* name, StoredValue& value, ValueForm form) {
  teller.mark();
  read(teller.reader(), value, form);
  if (teller.ok()) teller.describer().tagged(name, value.value);
}

namespace {

class RestrictionReader {
 public:
  RestrictionReader(FieldReader& reader, RestrictionForm form)
      : reader_(reader), cursor_(reader.cursor()), stored_(form == RestrictionForm::stored) {}

  void read(Restriction& out, unsigned depth) {
    if (depth >= mapi::max_restriction_depth) return cursor_.fail("restriction is nested too deeply");
    cursor_.set_field("RestrictType");
    const auto at = cursor_.offset();
    reader_.note(&out, at, Places::Of::structure);
    const auto type = small();
    if (type > static_cast<std::uint32_t>(RestrictType::CountRestriction)) return cursor_.fail("unknown restriction type");
    out.type = static_cast<RestrictType>(type);
    reader_.note(&out.type, at);
    switch (out.type) {
      case RestrictType::AndRestriction:
      case RestrictType::OrRestriction:
        cursor_.set_field("RestrictCount");
        children(out, stored_ ? cursor_.scalar<std::uint32_t>() : cursor_.scalar<std::uint16_t>(), depth);
        break;
      case RestrictType::NotRestriction: children(out, 1, depth); break;
      case RestrictType::ContentRestriction:
        part("FuzzyLevelLow", out.FuzzyLevelLow);
        part("FuzzyLevelHigh", out.FuzzyLevelHigh);
        reader_.part("PropTag", out.tag, [this] { return tag(); });
        value(out.value);
        break;
      case RestrictType::PropertyRestriction:
        reader_.part("RelOp", out.relop, [this] { return relop(); });
        reader_.part("PropTag", out.tag, [this] { return tag(); });
        value(out.value);
        break;
      case RestrictType::ComparePropertiesRestriction:
        reader_.part("RelOp", out.relop, [this] { return relop(); });
        reader_.part("PropTag", out.tag, [this] { return tag(); });
        reader_.part("PropTag2", out.tag2, [this] { return tag(); });
        break;
      case RestrictType::BitMaskRestriction:
        reader_.part("BitmapRelOp", out.bits_must_be_set, [this] { return small() != 0; });
        reader_.part("PropTag", out.tag, [this] { return tag(); });
        part("Mask", out.number);
        break;
      case RestrictType::SizeRestriction:
        reader_.part("RelOp", out.relop, [this] { return relop(); });
        reader_.part("PropTag", out.tag, [this] { return tag(); });
        part("Size", out.number);
        break;
      case RestrictType::ExistRestriction: reader_.part("PropTag", out.tag, [this] { return tag(); }); break;
      case RestrictType::SubObjectRestriction:
      case RestrictType::CountRestriction:
        part("Count", out.number);
        children(out, 1, depth);
        break;
      case RestrictType::CommentRestriction: comment(out, depth); break;
    }
  }

 private:
  template <class T>
  void part(const char* name, T& x) {
    reader_.part(name, x, [this] { return cursor_.scalar<T>(); });
  }
  std::uint32_t small() { return stored_ ? cursor_.scalar<std::uint32_t>() : cursor_.scalar<std::uint8_t>(); }
  mapi::PropertyTag tag() { return mapi::PropertyTag(cursor_.scalar<std::uint32_t>()); }
  mapi::RelationalOperator relop() {
    const auto number = small();
    if (number > 0xFF) cursor_.fail("unknown relational operator");
    return static_cast<mapi::RelationalOperator>(number);
  }
  void value(mapi::TaggedValue& to) {
    cursor_.set_field("TaggedValue");
    if (stored_) read_stored(reader_, to);
    else reader_.tagged("TaggedValue", to);
  }
  void children(Restriction& out, std::size_t count, unsigned depth) {
    if (!cursor_.can_hold(promised_ + count, stored_ ? 8 : 3)) return;
    promised_ += count;
    const auto nodes = reader_.arena().make_span<Restriction>(count);
    for (auto& node : nodes) {
      --promised_;
      read(node, depth + 1);
      if (cursor_.ok()) continue;
      out.children = nodes.first(reader_.shown(nodes, node));
      return;
    }
    out.children = nodes;
  }
  void comment(Restriction& out, unsigned depth) {
    cursor_.set_field("TaggedValues");
    const auto count = small();
    if (!cursor_.can_hold(count, 4)) return;
    const auto values = reader_.arena().make_span<mapi::TaggedValue>(count);
    for (auto& one : values) {
      value(one);
      if (!cursor_.ok()) return;
    }
    out.values = values;
    if (cursor_.scalar<std::uint8_t>() != 0) children(out, 1, depth);
  }

  FieldReader& reader_;
  Cursor& cursor_;
  bool stored_;
  std::size_t promised_ = 0;  // that were counted and have not been read yet, on all levels
};

class RestrictionWriter {
 public:
  RestrictionWriter(FieldWriter& writer, RestrictionForm form)
      : writer_(writer), stored_(form == RestrictionForm::stored) {}

  void write(const Restriction& r) {
    small(static_cast<std::uint8_t>(r.type));
    switch (r.type) {
      case RestrictType::AndRestriction:
      case RestrictType::OrRestriction:
        if (stored_) writer_.count<std::uint32_t>("RestrictCount", r.children.size());
        else writer_.count<std::uint16_t>("RestrictCount", r.children.size());
        for (const auto& child : r.children) write(child);
        break;
      case RestrictType::NotRestriction: only_child(r); break;
      case RestrictType::ContentRestriction:
        put(r.FuzzyLevelLow);
        put(r.FuzzyLevelHigh);
        put(r.tag.value);
        value(r.value);
        break;
      case RestrictType::PropertyRestriction:
        small(static_cast<std::uint8_t>(r.relop));
        put(r.tag.value);
        value(r.value);
        break;
      case RestrictType::ComparePropertiesRestriction:
        small(static_cast<std::uint8_t>(r.relop));
        put(r.tag.value);
        put(r.tag2.value);
        break;
      case RestrictType::BitMaskRestriction:
        small(r.bits_must_be_set ? 1 : 0);
        put(r.tag.value);
        put(r.number);
        break;
      case RestrictType::SizeRestriction:
        small(static_cast<std::uint8_t>(r.relop));
        put(r.tag.value);
        put(r.number);
        break;
      case RestrictType::ExistRestriction: put(r.tag.value); break;
      case RestrictType::SubObjectRestriction:
      case RestrictType::CountRestriction:
        put(r.number);
        only_child(r);
        break;
      case RestrictType::CommentRestriction:
        writer_.check(stored_ || r.values.size() <= 0xFF, "TaggedValues");
        small(static_cast<std::uint32_t>(r.values.size()));
        for (const auto& one : r.values) value(one);
        put<std::uint8_t>(r.children.empty() ? 0 : 1);
        if (!r.children.empty()) only_child(r);
        break;
    }
  }

 private:
  template <class T>
  void put(const T& x) {
    writer_("Restriction", x);
  }
  void small(std::uint32_t number) {
    if (stored_) put(number);
    else put(static_cast<std::uint8_t>(number));
  }
  void value(const mapi::TaggedValue& from) {
    if (stored_) write_stored(writer_, from);
    else writer_.tagged("TaggedValue", from);
  }
  void only_child(const Restriction& r) {
    writer_.check(r.children.size() == 1, "Restriction");
    if (!r.children.empty()) write(r.children.front());
  }

  FieldWriter& writer_;
  bool stored_;
};

}  // namespace

void read_restriction(FieldReader& reader, const char* name, const Restriction*& restriction, RestrictionForm form) {
  reader.cursor().set_field(name);
  auto* root = reader.arena().make<Restriction>();
  RestrictionReader(reader, form).read(*root, 0);
  restriction = root;
}

void write_restriction(FieldWriter& writer, const Restriction& restriction, RestrictionForm form) {
  RestrictionWriter(writer, form).write(restriction);
}

}  // namespace mapigate::wire::blobs
