#include "transport/rpc/nspi_values.h"

#include <cstring>

#include "mapi/errors.h"

namespace mapigate::transport::rpc {

namespace {

namespace ndr = wire::ndr::nspi;
using mapi::PropertyType;
using Union = ndr::PROP_VAL_UNION;
using wire::ndr::List;

// Text ends at a zero, whatever the value holds.
std::string_view narrow(std::string_view text) { return text.substr(0, text.find('\0')); }
Utf16 wide(Utf16 text) {
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text.at(i) == 0) return {text.bytes.first(2 * i)};
  return text;
}

ndr::FILETIME to_filetime(FileTime time) {
  return {static_cast<std::uint32_t>(time.ticks), static_cast<std::uint32_t>(time.ticks >> 32)};
}
FileTime from_filetime(const ndr::FILETIME& time) {
  FileTime out;
  out.ticks = static_cast<std::uint64_t>(time.dwHighDateTime) << 32 | time.dwLowDateTime;
  return out;
}

ndr::Binary_r to_binary(View bytes) { return {static_cast<std::uint32_t>(bytes.size()), bytes}; }

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
      return with(std::type_identity<mapi::Guid>(), [&](auto x) { out.arm.emplace<Union::lpguid_arm>(arena.make<ndr::FlatUID_r>(x.bytes)); });
    case PropertyType::PtypNull:
    case PropertyType::PtypObject: out.arm.emplace<Union::lReserved_arm>(0); return true;
    case PropertyType::PtypMultipleInteger16:
      return with(std::type_identity<std::span<const std::int16_t>>(), [&](auto x) { set_list<Union::MVi_arm, ndr::ShortArray_r>(out, x); });
    case PropertyType::PtypMultipleInteger32:
      return with(std::type_identity<std::span<const std::int32_t>>(), [&](auto x) { set_list<Union::MVl_arm, ndr::LongArray_r>(out, x); });
    case PropertyType::PtypMultipleString8:
      return with(std::type_identity<std::span<const mapi::String8>>(), [&](auto x) {
        set_list<Union::MVszA_arm, ndr::StringArray_r>(
            out, each<std::optional<std::string_view>>(arena, x, [](const auto& one) { return narrow(one.text); }));
      });
    case PropertyType::PtypMultipleString:
      return with(std::type_identity<std::span<const Utf16>>(), [&](auto x) {
        set_list<Union::MVszW_arm, ndr::WStringArray_r>(out, each<std::optional<Utf16>>(arena, x, [](const auto& one) { return wide(one); }));
      });
    case PropertyType::PtypMultipleBinary:
      return with(std::type_identity<std::span<const View>>(), [&](auto x) {
        set_list<Union::MVbin_arm, ndr::BinaryArray_r>(out, each<ndr::Binary_r>(arena, x, [](const auto& one) { return to_binary(one); }));
      });
    case PropertyType::PtypMultipleTime:
      return with(std::type_identity<std::span<const FileTime>>(), [&](auto x) {
        set_list<Union::MVft_arm, ndr::DateTimeArray_r>(out, each<ndr::FILETIME>(arena, x, [](const auto& one) { return to_filetime(one); }));
      });
    case PropertyType::PtypMultipleGuid:
      return with(std::type_identity<std::span<const mapi::Guid>>(), [&](auto x) {
        set_list<Union::MVguid_arm, ndr::FlatUIDArray_r>(
            out, each<const ndr::FlatUID_r*>(arena, x, [&](const auto& one) { return arena.make<ndr::FlatUID_r>(one.bytes); }));
      });
    default: return false;
  }
}

mapi::Guid from_flat(const ndr::FlatUID_r* uid) { return uid == nullptr ? mapi::Guid() : mapi::Guid{uid->ab}; }

}  // namespace

ndr::PropertyValue_r to_ndr(Arena& arena, mapi::PropertyTag tag, const mapi::Value& value) {
  ndr::PropertyValue_r out;
  auto type = value.type;
  if (!set_arm(arena, value, out.Value)) {
    type = PropertyType::PtypErrorCode;
    out.Value.arm.emplace<Union::err_arm>(static_cast<std::int32_t>(mapi::ecNotFound));
  }
  out.ulPropTag = tag.with(type).value;
  return out;
}

mapi::TaggedValue from_ndr(Arena& arena, const ndr::PropertyValue_r& value) {
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

const ndr::PropertyRow_r* to_ndr(Arena& arena, std::span<const mapi::TaggedValue> values) {
  auto* out = arena.make<ndr::PropertyRow_r>();
  const auto cells = each<ndr::PropertyValue_r>(arena, values, [&](const auto& one) { return to_ndr(arena, one.tag, one.value); });
  out->cValues = static_cast<std::uint32_t>(cells.size());
  out->lpProps = cells;
  return out;
}

const ndr::PropertyRowSet_r* to_ndr(Arena& arena, const wire::nspi::ColumnsAndRows& rows) {
  auto* out = arena.make<ndr::PropertyRowSet_r>();
  const auto& tags = rows.Columns.PropertyTags;
  const auto made = each<ndr::PropertyRow_r>(arena, rows.RowData, [&](const auto& row) {
    const auto cells = arena.make_span<ndr::PropertyValue_r>(std::min(tags.size(), row.values.size()));
    for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = to_ndr(arena, tags[i], row.values[i]);
    return ndr::PropertyRow_r{0, static_cast<std::uint32_t>(cells.size()), cells};
  });
  out->cRows = static_cast<std::uint32_t>(made.size());
  out->aRow = made;
  return out;
}

const ndr::PropertyRowSet_r* to_ndr(Arena& arena, std::span<const wire::nspi::AddressBookPropertyValueList> rows) {
  auto* out = arena.make<ndr::PropertyRowSet_r>();
  const auto made = each<ndr::PropertyRow_r>(arena, rows, [&](const auto& row) { return *to_ndr(arena, row.PropertyValues); });
  out->cRows = static_cast<std::uint32_t>(made.size());
  out->aRow = made;
  return out;
}

const ndr::PropertyTagArray_r* to_ndr(Arena& arena, std::span<const std::uint32_t> numbers) {
  auto* out = arena.make<ndr::PropertyTagArray_r>();
  const auto own = arena.copy(numbers);
  out->cValues = static_cast<std::uint32_t>(own.size());
  out->aulPropTag = own;
  return out;
}

namespace {
Status fill(Arena& arena, const ndr::Restriction_r& from, mapi::Restriction& out);

template <class Children>
Status fill_children(Arena& arena, const Children& from, mapi::Restriction& out) {
  const auto children = arena.make_span<mapi::Restriction>(from.size());
  std::size_t i = 0;
  for (const auto& one : from)
    if (auto filled = fill(arena, one, children[i++]); !filled) return filled;
  out.children = children;
  return {};
}

Status fill_one(Arena& arena, const ndr::Restriction_r* from, mapi::Restriction& out) {
  if (from == nullptr) return error(Errc::malformed, "a restriction without what it restricts");
  return fill_children(arena, std::span(from, 1), out);
}

// The reader has limited the depth.
Status fill(Arena& arena, const ndr::Restriction_r& from, mapi::Restriction& out) {
  using Arm = ndr::RestrictionUnion_r;
  const auto& arm = from.res.arm;
  out.type = static_cast<mapi::RestrictType>(from.rt);
  const auto value = [&](const ndr::PropertyValue_r* one) -> Status {
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

Result<mapi::Restriction> from_ndr(Arena& arena, const ndr::Restriction_r& restriction) {
  mapi::Restriction out;
  if (auto filled = fill(arena, restriction, out); !filled) return filled.error();
  return out;
}

ndr::STAT to_ndr(const wire::nspi::STAT& stat) {
  return {static_cast<std::uint32_t>(stat.SortType), stat.ContainerID, static_cast<std::uint32_t>(stat.CurrentRec), stat.Delta,
          stat.NumPos, stat.TotalRecs, stat.CodePage, stat.TemplateLocale, stat.SortLocale};
}

wire::nspi::STAT from_ndr(const ndr::STAT& stat) {
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

}  // namespace mapigate::transport::rpc
