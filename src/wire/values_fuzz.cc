// The first byte chooses what the rest is and how wide its counts are: a value of a type, tagged values, a
// restriction, rows of columns, a property bag, a recipient row, the action of a rule. What is read is written, read again and written again: both
// writings must be the same.
#include <algorithm>
#include <cstdlib>

#include "wire/blobs/rules.h"
#include "wire/dump.h"
#include "wire/property_bag_codec.h"
#include "wire/rop/recipient_row.h"

using namespace mapigate;
using namespace mapigate::wire;

namespace {

struct AnyValue {
  mapi::PropertyType Type{};
  mapi::Value Value;
  static void fields(auto& s, auto& v) {
    v("Type", s.Type);
    v.value("Value", s.Value, s.Type);
  }
};

struct TaggedValues {
  std::span<const mapi::TaggedValue> Values;
  static void fields(auto& s, auto& v) {
    const auto n = v.template count<std::uint16_t>("Count", s.Values.size());
    v.tagged_list("Values", s.Values, n);
  }
};

struct AnyRestriction {
  const mapi::Restriction* Restriction = nullptr;
  static void fields(auto& s, auto& v) { v.restriction("Restriction", s.Restriction); }
};

struct Rows {
  std::span<const mapi::PropertyTag> ColumnSet;
  std::span<const PropertyRow> RowData;
  static void fields(auto& s, auto& v) {
    const auto columns = v.template count<std::uint8_t>("ColumnCount", s.ColumnSet.size());
    v.list("ColumnSet", s.ColumnSet, columns);
    const auto n = v.template count<std::uint16_t>("RowCount", s.RowData.size());
    v.rows("RowData", s.RowData, n, s.ColumnSet);
  }
};

void must(bool condition) {
  if (!condition) std::abort();
}

template <class T>
void check(View bytes, CountWidth width) {
  Arena arena;
  const auto first = decode<T>("structure", bytes, arena, width);
  if (!first) return;
  Bytes once, twice;
  must(encode("structure", *first, once, width).has_value());
  const auto second = decode<T>("structure", once, arena, width);
  must(second.has_value());
  must(encode("structure", *second, twice, width).has_value() && once == twice);
  TextSink text;
  FieldDescriber describer(text);
  describer("structure", *first);
  must(!text.take().empty());
}

// A recipient row says how many of the columns it has.
void recipients(View bytes) {
  static constexpr mapi::PropertyTag columns[] = {mapi::PropertyTag(0x0FFE0003), mapi::PropertyTag(0x39FE001F),
                                                  mapi::PropertyTag(0x0FFF0102)};
  Arena arena;
  const auto first = decode_recipient_row(bytes, arena, columns);
  if (!first) return;
  Bytes once, twice;
  must(encode_recipient_row(*first, once, columns).has_value());
  const auto second = decode_recipient_row(once, arena, columns);
  must(second && encode_recipient_row(*second, twice, columns) && once == twice);
}

void actions(View bytes, blobs::RuleForm form) {
  if (bytes.empty()) return;
  Arena arena;
  const auto read = blobs::action_block({bytes[0], 0, 0, bytes.subspan(1)}, arena, form);
  if (!read) return;
  const auto once = blobs::rule_action(*read, arena, form);
  must(once.has_value());
  const auto again = blobs::action_block(*once, arena, form);
  must(again.has_value());
  const auto twice = blobs::rule_action(*again, arena, form);
  must(twice && equal(twice->ActionData, once->ActionData));
}

void bags(View bytes) {
  const auto first = parse_property_bag(bytes);
  if (!first) return;
  const auto once = serialize(*first);
  const auto second = parse_property_bag(once);
  must(second && serialize(*second) == once);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const View rest(data + 1, size - 1);
  constexpr CountWidth widths[] = {CountWidth::narrow, CountWidth::wide, CountWidth::address_book};
  const auto width = widths[(data[0] >> 4) % 3];
  if (data[0] == 0xFD) return recipients(rest), 0;
  if (data[0] == 0xFE) return actions(rest, blobs::RuleForm::standard), 0;
  if (data[0] == 0xFF) return actions(rest, blobs::RuleForm::extended), 0;
  switch (data[0] % 5) {
    case 0: check<AnyValue>(rest, width); break;
    case 1: check<TaggedValues>(rest, width); break;
    case 2: check<AnyRestriction>(rest, width); break;
    case 3: check<Rows>(rest, width); break;
    default: bags(rest); break;
  }
  return 0;
}
