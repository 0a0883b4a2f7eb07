#include "wire/ndr/nspi_values.h"

#include <cstring>

#include "mapi/errors.h"

namespace mapigate::wire::ndr {

namespace {

using mapi::PropertyType;
using Union = nspi::PROP_VAL_UNION;

// Text ends at a zero, whatever the value holds.
std::string_view narrow(std::string_view text) { return text.substr(0, text.find('\0')); }
Utf16 wide(Utf16 text) {
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text.at(i) == 0) return {text.bytes.first(2 * i)};
  return text;
}

nspi::FILETIME to_filetime(FileTime time) {
  return {static_cast<std::uint32_t>(time.ticks), static_cast<std::uint32_t>(time.ticks >> 32)};
}
FileTime from_filetime(const nspi::FILETIME& time) {
  FileTime out;
  out.ticks = static_cast<std::uint64_t>(time.dwHighDateTime) << 32 | time.dwLowDateTime;
  return out;
}

nspi::Binary_r to_binary(View bytes) { return {static_cast<std::uint32_t>(bytes.size()), bytes}; }

// An array of `To`, each made from one of `from`.
template <class To, class From, class Make>
std::span<const To> each(Arena& arena, const From& from, Make make) {
  const auto out = arena.make_span<To>(from.size());
  std::size_t i = 0;
  for (const auto& one : from) out[i++] = make(one);
  return out;
}

template <std::size_t I, class Array, class T>
void set_list(Union& out, std::span<const T> items) {
  out.arm.emplace<I>(Array{static_cast<std::uint32_t>(items.size()), items});
}

// False when the value does not hold what its type says, or NDR has no arm for it.
bool set_arm(Arena& arena, const mapi::Value& value, Union& out) {
  const auto with = [&]<class T>(std::type_identity<T>, auto put) {
    const auto* held = value.get<T>();
    if (held != nullptr) put(*held);
    return held != nullptr;
  };
  switch (value.type) {
    case PropertyType::PtypInteger16: return with(std::type_identity<std::int16_t>(), [&](auto x) { out.arm.emplace<Union::i_arm>(x); });
    case PropertyType::PtypInteger32: return with(std::type_identity<std::int32_t>(), [&](auto x) { out.arm.emplace<Union::l_arm>(x); });
    case PropertyType::PtypBoolean:
      return with(std::type_identity<bool>(), [&](auto x) { out.arm.emplace<Union::b_arm>(static_cast<std::uint16_t>(x ? 1 : 0)); });
    case PropertyType::PtypErrorCode:
      return with(std::type_identity<mapi::ErrorValue>(), [&](auto x) { out.arm.emplace<Union::err_arm>(static_cast<std::int32_t>(x.code)); });
    case PropertyType::PtypString8:
      return with(std::type_identity<mapi::String8>(), [&](auto x) { out.arm.emplace<Union::lpszA_arm>(narrow(x.text)); });
    case PropertyType::PtypString: return with(std::type_identity<Utf16>(), [&](auto x) { out.arm.emplace<Union::lpszW_arm>(wide(x)); });
    case PropertyType::PtypBinary: return with(std::type_identity<View>(), [&](auto x) { out.arm.emplace<Union::bin_arm>(to_binary(x)); });
    case PropertyType::PtypTime: return with(std::type_identity<FileTime>(), [&](auto x) { out.arm.emplace<Union::ft_arm>(to_filetime(x)); });
    case PropertyType::PtypGuid:
      return with(std::type_identity<mapi::Guid>(), [&](auto x) { out.arm.emplace<Union::lpguid_arm>(arena.make<nspi::FlatUID_r>(x.bytes)); });
    case PropertyType::PtypNull:
    case PropertyType::PtypObject: out.arm.emplace<Union::lReserved_arm>(0); return true;
    case PropertyType::PtypMultipleInteger16:
      return with(std::type_identity<std::span<const std::int16_t>>(), [&](auto x) { set_list<Union::MVi_arm, nspi::ShortArray_r>(out, x); });
    case PropertyType::PtypMultipleInteger32:
      return with(std::type_identity<std::span<const std::int32_t>>(), [&](auto x) { set_list<Union::MVl_arm, nspi::LongArray_r>(out, x); });
    case PropertyType::PtypMultipleString8:
      return with(std::type_identity<std::span<const mapi::String8>>(), [&](auto x) {
        set_list<Union::MVszA_arm, nspi::StringArray_r>(
            out, each<std::optional<std::string_view>>(arena, x, [](const auto& one) { return narrow(one.text); }));
      });
    case PropertyType::PtypMultipleString:
      return with(std::type_identity<std::span<const Utf16>>(), [&](auto x) {
        set_list<Union::MVszW_arm, nspi::WStringArray_r>(out, each<std::optional<Utf16>>(arena, x, [](const auto& one) { return wide(one); }));
      });
    case PropertyType::PtypMultipleBinary:
      return with(std::type_identity<std::span<const View>>(), [&](auto x) {
        set_list<Union::MVbin_arm, nspi::BinaryArray_r>(out, each<nspi::Binary_r>(arena, x, [](const auto& one) { return to_binary(one); }));
      });
    case PropertyType::PtypMultipleTime:
      return with(std::type_identity<std::span<const FileTime>>(), [&](auto x) {
        set_list<Union::MVft_arm, nspi::DateTimeArray_r>(out, each<nspi::FILETIME>(arena, x, [](const auto& one) { return to_filetime(one); }));
      });
    case PropertyType::PtypMultipleGuid:
      return with(std::type_identity<std::span<const mapi::Guid>>(), [&](auto x) {
        set_list<Union::MVguid_arm, nspi::FlatUIDArray_r>(
            out, each<const nspi::FlatUID_r*>(arena, x, [&](const auto& one) { return arena.make<nspi::FlatUID_r>(one.bytes); }));
      });
    default: return false;
  }
}

mapi::Guid from_flat(const nspi::FlatUID_r* uid) { return uid == nullptr ? mapi::Guid() : mapi::Guid{uid->ab}; }

}  // namespace

nspi::PropertyValue_r to_ndr(Arena& arena, mapi::PropertyTag tag, const mapi::Value& value) {
  nspi::PropertyValue_r out;
  auto type = value.type;
  if (!set_arm(arena, value, out.Value)) {
    type = PropertyType::PtypErrorCode;
    out.Value.arm.emplace<Union::err_arm>(static_cast<std::int32_t>(mapi::ecNotFound));
  }
  out.ulPropTag = tag.with(type).value;
  return out;
}

mapi::TaggedValue from_ndr(Arena& arena, const nspi::PropertyValue_r& value) {
  mapi::TaggedValue out;
  out.tag = mapi::PropertyTag(value.ulPropTag);
  out.value.type = out.tag.type();
  auto& data = out.value.data;
  const auto& arm = value.Value.arm;
  switch (arm.index()) {
    case Union::i_arm: data = std::get<Union::i_arm>(arm); break;
    case Union::l_arm: data = std::get<Union::l_arm>(arm); break;
    case Union::b_arm: data = std::get<Union::b_arm>(arm) != 0; break;
    case Union::lpszA_arm: data = mapi::String8{std::get<Union::lpszA_arm>(arm).value_or(std::string_view())}; break;
    case Union::bin_arm: data = View(std::get<Union::bin_arm>(arm).lpb.span()); break;
    case Union::lpszW_arm: data = std::get<Union::lpszW_arm>(arm).value_or(Utf16()); break;
    case Union::lpguid_arm: data = from_flat(std::get<Union::lpguid_arm>(arm)); break;
    case Union::ft_arm: data = from_filetime(std::get<Union::ft_arm>(arm)); break;
    case Union::err_arm: data = mapi::ErrorValue{static_cast<std::uint32_t>(std::get<Union::err_arm>(arm))}; break;
    case Union::MVi_arm: data = std::get<Union::MVi_arm>(arm).lpi.span(); break;
    case Union::MVl_arm: data = std::get<Union::MVl_arm>(arm).lpl.span(); break;
    case Union::MVszA_arm:
      data = each<mapi::String8>(arena, std::get<Union::MVszA_arm>(arm).lppszA,
                                 [](const auto& one) { return mapi::String8{one.value_or(std::string_view())}; });
      break;
    case Union::MVbin_arm:
      data = each<View>(arena, std::get<Union::MVbin_arm>(arm).lpbin, [](const auto& one) { return View(one.lpb.span()); });
      break;
    case Union::MVguid_arm: data = each<mapi::Guid>(arena, std::get<Union::MVguid_arm>(arm).lpguid, from_flat); break;
    case Union::MVszW_arm:
      data = each<Utf16>(arena, std::get<Union::MVszW_arm>(arm).lppszW, [](const auto& one) { return one.value_or(Utf16()); });
      break;
    case Union::MVft_arm: data = each<FileTime>(arena, std::get<Union::MVft_arm>(arm).lpft, from_filetime); break;
    default: break;  // PtypNull, PtypObject
  }
  return out;
}

const nspi::PropertyRow_r* to_ndr(Arena& arena, std::span<const mapi::TaggedValue> values) {
  auto* out = arena.make<nspi::PropertyRow_r>();
  const auto cells = each<nspi::PropertyValue_r>(arena, values, [&](const auto& one) { return to_ndr(arena, one.tag, one.value); });
  out->cValues = static_cast<std::uint32_t>(cells.size());
  out->lpProps = cells;
  return out;
}

const nspi::PropertyRowSet_r* to_ndr(Arena& arena, const wire::nspi::ColumnsAndRows& rows) {
  auto* out = arena.make<nspi::PropertyRowSet_r>();
  const auto& tags = rows.Columns.PropertyTags;
  const auto made = each<nspi::PropertyRow_r>(arena, rows.RowData, [&](const auto& row) {
    const auto cells = arena.make_span<nspi::PropertyValue_r>(std::min(tags.size(), row.values.size()));
    for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = to_ndr(arena, tags[i], row.values[i]);
    return nspi::PropertyRow_r{0, static_cast<std::uint32_t>(cells.size()), cells};
  });
  out->cRows = static_cast<std::uint32_t>(made.size());
  out->aRow = made;
  return out;
}

const nspi::PropertyRowSet_r* to_ndr(Arena& arena, std::span<const wire::nspi::AddressBookPropertyValueList> rows) {
  auto* out = arena.make<nspi::PropertyRowSet_r>();
  const auto made = each<nspi::PropertyRow_r>(arena, rows, [&](const auto& row) { return *to_ndr(arena, row.PropertyValues); });
  out->cRows = static_cast<std::uint32_t>(made.size());
  out->aRow = made;
  return out;
}

const nspi::PropertyTagArray_r* to_ndr(Arena& arena, std::span<const std::uint32_t> numbers) {
  auto* out = arena.make<nspi::PropertyTagArray_r>();
  const auto own = arena.copy(numbers);
  out->cValues = static_cast<std::uint32_t>(own.size());
  out->aulPropTag = own;
  return out;
}

namespace {
Status fill(Arena& arena, const nspi::Restriction_r& from, mapi::Restriction& out);

template <class Children>
Status fill_children(Arena& arena, const Children& from, mapi::Restriction& out) {
  const auto children = arena.make_span<mapi::Restriction>(from.size());
  std::size_t i = 0;
  for (const auto& one : from)
    if (auto filled = fill(arena, one, children[i++]); !filled) return filled;
  out.children = children;
  return {};
}

Status fill_one(Arena& arena, const nspi::Restriction_r* from, mapi::Restriction& out) {
  if (from == nullptr) return error(Errc::malformed, "a restriction without what it restricts");
  return fill_children(arena, std::span(from, 1), out);
}

// The reader has limited the depth.
Status fill(Arena& arena, const nspi::Restriction_r& from, mapi::Restriction& out) {
  using Arm = nspi::RestrictionUnion_r;
  const auto& arm = from.res.arm;
  out.type = static_cast<mapi::RestrictType>(from.rt);
  const auto value = [&](const nspi::PropertyValue_r* one) -> Status {
    if (one == nullptr) return error(Errc::malformed, "a restriction without value");
    out.value = from_ndr(arena, *one);
    return {};
  };
  switch (arm.index()) {
    case Arm::resAnd_arm: return fill_children(arena, std::get<Arm::resAnd_arm>(arm).lpRes, out);
    case Arm::resOr_arm: return fill_children(arena, std::get<Arm::resOr_arm>(arm).lpRes, out);
    case Arm::resNot_arm: return fill_one(arena, std::get<Arm::resNot_arm>(arm).lpRes, out);
    case Arm::resContent_arm: {
      const auto& one = std::get<Arm::resContent_arm>(arm);
      out.FuzzyLevelLow = static_cast<std::uint16_t>(one.ulFuzzyLevel);
      out.FuzzyLevelHigh = static_cast<std::uint16_t>(one.ulFuzzyLevel >> 16);
      out.tag = mapi::PropertyTag(one.ulPropTag);
      return value(one.lpProp);
    }
    case Arm::resProperty_arm: {
      const auto& one = std::get<Arm::resProperty_arm>(arm);
      out.relop = static_cast<mapi::RelationalOperator>(one.relop);
      out.tag = mapi::PropertyTag(one.ulPropTag);
      return value(one.lpProp);
    }
    case Arm::resCompareProps_arm: {
      const auto& one = std::get<Arm::resCompareProps_arm>(arm);
      out.relop = static_cast<mapi::RelationalOperator>(one.relop);
      out.tag = mapi::PropertyTag(one.ulPropTag1);
      out.tag2 = mapi::PropertyTag(one.ulPropTag2);
      return {};
    }
    case Arm::resBitMask_arm: {
      const auto& one = std::get<Arm::resBitMask_arm>(arm);
      out.bits_must_be_set = one.relBMR != 0;
      out.tag = mapi::PropertyTag(one.ulPropTag);
      out.number = one.ulMask;
      return {};
    }
    case Arm::resSize_arm: {
      const auto& one = std::get<Arm::resSize_arm>(arm);
      out.relop = static_cast<mapi::RelationalOperator>(one.relop);
      out.tag = mapi::PropertyTag(one.ulPropTag);
      out.number = one.cb;
      return {};
    }
    case Arm::resExist_arm: out.tag = mapi::PropertyTag(std::get<Arm::resExist_arm>(arm).ulPropTag); return {};
    case Arm::resSubRestriction_arm: {
      const auto& one = std::get<Arm::resSubRestriction_arm>(arm);
      out.number = one.ulSubObject;
      return fill_one(arena, one.lpRes, out);
    }
    default: return error(Errc::malformed, "an unknown restriction");
  }
}
}  // namespace

Result<mapi::Restriction> from_ndr(Arena& arena, const nspi::Restriction_r& restriction) {
  mapi::Restriction out;
  if (auto filled = fill(arena, restriction, out); !filled) return filled.error();
  return out;
}

namespace {
Status fill(Arena& arena, const mapi::Restriction& from, nspi::Restriction_r& out, unsigned depth);

template <class Many>
Status fill_many(Arena& arena, const mapi::Restriction& from, nspi::Restriction_r& out, auto arm, unsigned depth) {
  const auto made = arena.make_span<nspi::Restriction_r>(from.children.size());
  for (std::size_t i = 0; i < made.size(); ++i)
    if (auto filled = fill(arena, from.children[i], made[i], depth); !filled) return filled;
  out.res.arm.emplace<arm()>(Many{static_cast<std::uint32_t>(made.size()), made});
  return {};
}

Result<const nspi::Restriction_r*> only_child(Arena& arena, const mapi::Restriction& from, unsigned depth) {
  if (from.children.size() != 1) return error(Errc::malformed, "a restriction without what it restricts");
  auto* made = arena.make<nspi::Restriction_r>();
  if (auto filled = fill(arena, from.children[0], *made, depth); !filled) return filled.error();
  return static_cast<const nspi::Restriction_r*>(made);
}

Status fill(Arena& arena, const mapi::Restriction& from, nspi::Restriction_r& out, unsigned depth) {
  using Arm = nspi::RestrictionUnion_r;
  using mapi::RestrictType;
  if (depth > mapi::max_restriction_depth) return error(Errc::malformed, "restrictions nested too deeply");
  out.rt = static_cast<std::uint32_t>(from.type);
  auto& arm = out.res.arm;
  const auto value = [&] {
    const auto* made = arena.make<nspi::PropertyValue_r>(to_ndr(arena, from.value.tag, from.value.value));
    return static_cast<const nspi::PropertyValue_r*>(made);
  };
  switch (from.type) {
    case RestrictType::AndRestriction:
      return fill_many<nspi::AndRestriction_r>(arena, from, out, std::integral_constant<std::size_t, Arm::resAnd_arm>(), depth + 1);
    case RestrictType::OrRestriction:
      return fill_many<nspi::OrRestriction_r>(arena, from, out, std::integral_constant<std::size_t, Arm::resOr_arm>(), depth + 1);
    case RestrictType::NotRestriction: {
      const auto child = only_child(arena, from, depth + 1);
      if (!child) return child.error();
      arm.emplace<Arm::resNot_arm>(nspi::NotRestriction_r{*child});
      return {};
    }
    case RestrictType::ContentRestriction:
      arm.emplace<Arm::resContent_arm>(nspi::ContentRestriction_r{
          static_cast<std::uint32_t>(from.FuzzyLevelHigh) << 16 | from.FuzzyLevelLow, from.tag.value, value()});
      return {};
    case RestrictType::PropertyRestriction:
      arm.emplace<Arm::resProperty_arm>(nspi::PropertyRestriction_r{static_cast<std::uint32_t>(from.relop), from.tag.value, value()});
      return {};
    case RestrictType::ComparePropertiesRestriction:
      arm.emplace<Arm::resCompareProps_arm>(
          nspi::ComparePropsRestriction_r{static_cast<std::uint32_t>(from.relop), from.tag.value, from.tag2.value});
      return {};
    case RestrictType::BitMaskRestriction:
      arm.emplace<Arm::resBitMask_arm>(nspi::BitMaskRestriction_r{from.bits_must_be_set ? 1u : 0u, from.tag.value, from.number});
      return {};
    case RestrictType::SizeRestriction:
      arm.emplace<Arm::resSize_arm>(nspi::SizeRestriction_r{static_cast<std::uint32_t>(from.relop), from.tag.value, from.number});
      return {};
    case RestrictType::ExistRestriction: arm.emplace<Arm::resExist_arm>(nspi::ExistRestriction_r{0, from.tag.value, 0}); return {};
    case RestrictType::SubObjectRestriction: {
      const auto child = only_child(arena, from, depth + 1);
      if (!child) return child.error();
      arm.emplace<Arm::resSubRestriction_arm>(nspi::SubRestriction_r{from.number, *child});
      return {};
    }
    default: return error(Errc::unsupported, "the address book knows no restriction of type {}", static_cast<unsigned>(from.type));
  }
}
}  // namespace

Result<const nspi::Restriction_r*> to_ndr(Arena& arena, const mapi::Restriction& restriction) {
  auto* out = arena.make<nspi::Restriction_r>();
  if (auto filled = fill(arena, restriction, *out, 1); !filled) return filled.error();
  return static_cast<const nspi::Restriction_r*>(out);
}

std::span<const mapi::TaggedValue> from_ndr(Arena& arena, const nspi::PropertyRow_r& row) {
  return each<mapi::TaggedValue>(arena, row.lpProps, [&](const auto& one) { return from_ndr(arena, one); });
}

wire::nspi::ColumnsAndRows from_ndr(Arena& arena, const nspi::PropertyRowSet_r& rows, std::span<const mapi::PropertyTag> asked) {
  std::size_t width = asked.size();
  if (asked.empty() && rows.aRow.size() != 0) width = rows.aRow[0].lpProps.size();
  const auto columns = arena.make_span<mapi::PropertyTag>(width);
  for (std::size_t i = 0; i < width; ++i)
    columns[i] = asked.empty() ? mapi::PropertyTag(rows.aRow[0].lpProps[i].ulPropTag) : asked[i];
  const auto made = arena.make_span<PropertyRow>(rows.aRow.size());
  for (std::size_t r = 0; r < made.size(); ++r) {
    const auto cells = arena.make_span<mapi::Value>(width);
    const auto& from = rows.aRow[r].lpProps;
    for (std::size_t i = 0; i < width; ++i) {
      if (i < from.size()) cells[i] = from_ndr(arena, from[i]).value;
      auto& column = columns[i];
      if (cells[i].type == PropertyType::PtypErrorCode || cells[i].type == PropertyType::PtypUnspecified) made[r].Flag = 1;
      else if (column.type() == PropertyType::PtypErrorCode) column = column.with(cells[i].type);
      else if (column.type() != cells[i].type) column = column.with(PropertyType::PtypUnspecified);
    }
    made[r].values = cells;
  }
  return {{columns}, made};
}

nspi::STAT to_ndr(const wire::nspi::STAT& stat) {
  return {static_cast<std::uint32_t>(stat.SortType), stat.ContainerID, static_cast<std::uint32_t>(stat.CurrentRec), stat.Delta,
          stat.NumPos, stat.TotalRecs, stat.CodePage, stat.TemplateLocale, stat.SortLocale};
}

wire::nspi::STAT from_ndr(const nspi::STAT& stat) {
  wire::nspi::STAT out;
  out.SortType = static_cast<wire::nspi::SortType>(stat.SortType);
  out.ContainerID = stat.ContainerID;
  out.CurrentRec = static_cast<wire::nspi::MinimalEntryID>(stat.CurrentRec);
  out.Delta = stat.Delta;
  out.NumPos = stat.NumPos;
  out.TotalRecs = stat.TotalRecs;
  out.CodePage = stat.CodePage;
  out.TemplateLocale = stat.TemplateLocale;
  out.SortLocale = stat.SortLocale;
  return out;
}

}  // namespace mapigate::wire::ndr
