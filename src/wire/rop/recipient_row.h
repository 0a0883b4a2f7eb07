// Recipient rows ([MS-OXCDATA] 2.8.3) and the structures around them.
#pragma once

#include "wire/rop/rop_common.h"

namespace mapigate::wire {

struct RecipientRow {
  // Bits of RecipientFlags as one little-endian number ([MS-OXCDATA] 2.8.3.1).
  enum : std::uint16_t {
    TypeMask = 0x0007,
    E = 0x0008,  // EmailAddress is there
    D = 0x0010,  // DisplayName is there
    T = 0x0020,  // TransmittableDisplayName is there
    S = 0x0040,  // TransmittableDisplayName is the same as DisplayName
    R = 0x0080,  // a different transport delivers
    N = 0x0100,  // does not take rich text
    U = 0x0200,  // the strings are UTF-16
    I = 0x0400,  // SimpleDisplayName is there
    O = 0x8000,  // AddressType is there, with type NoType
  };
  enum Type : std::uint16_t {
    NoType, X500DN, MsMail, SMTP, Fax, ProfessionalOfficeSystem, PersonalDistributionList1, PersonalDistributionList2
  };
  std::uint16_t RecipientFlags = 0;
  std::uint8_t AddressPrefixUsed = 0;
  std::uint8_t DisplayType = 0;
  std::string_view X500Dn{};  // "X500DN" in the specification
  View EntryId{};
  View SearchKey{};
  std::string_view AddressType{};
  AnyString EmailAddress{};
  AnyString DisplayName{};
  AnyString SimpleDisplayName{};
  AnyString TransmittableDisplayName{};
  std::uint16_t RecipientColumnCount = 0;
  PropertyRow RecipientProperties{};  // of the first RecipientColumnCount of the columns

  Type type() const { return static_cast<Type>(RecipientFlags & TypeMask); }
  bool has(std::uint16_t flag) const { return (RecipientFlags & flag) != 0; }

  static void fields(auto& s, auto& v, Columns columns) {
    v("RecipientFlags", s.RecipientFlags);
    const bool unicode = s.has(U);
    if (s.type() == X500DN) {
      v("AddressPrefixUsed", s.AddressPrefixUsed);
      v("DisplayType", s.DisplayType);
      v.sz("X500DN", s.X500Dn);
    } else if (s.type() == PersonalDistributionList1 || s.type() == PersonalDistributionList2) {
      v.template binary<std::uint16_t>("EntryID", s.EntryId);
      v.template binary<std::uint16_t>("SearchKey", s.SearchKey);
    } else if (s.type() == NoType && s.has(O)) {
      v.sz("AddressType", s.AddressType);
    }
    if (s.has(E)) any_string(v, "EmailAddress", s.EmailAddress, unicode);
    if (s.has(D)) any_string(v, "DisplayName", s.DisplayName, unicode);
    if (s.has(I)) any_string(v, "SimpleDisplayName", s.SimpleDisplayName, unicode);
    if (s.has(T)) any_string(v, "TransmittableDisplayName", s.TransmittableDisplayName, unicode);
    v("RecipientColumnCount", s.RecipientColumnCount);
    v.check(s.RecipientColumnCount <= columns.size(), "more recipient columns than the message has");
    v.row("RecipientProperties", s.RecipientProperties,
          columns.first(std::min<std::size_t>(s.RecipientColumnCount, columns.size())));
  }
};

// [MS-OXCROPS] 2.2.6.1.2.1.
struct OpenRecipientRow {
  static constexpr std::size_t minimum_size = 12;
  std::uint8_t RecipientType = 0;
  std::uint16_t CodePageId = 0;
  std::uint16_t Reserved = 0;
  wire::RecipientRow RecipientRow{};
  static void fields(auto& s, auto& v, Columns columns) {
    v("RecipientType", s.RecipientType);
    v("CodePageId", s.CodePageId);
    v("Reserved", s.Reserved);
    v.template sized<std::uint16_t>("RecipientRowSize", [&](auto& v) { wire::RecipientRow::fields(s.RecipientRow, v, columns); });
  }
};

// [MS-OXCROPS] 2.2.6.5.1.1. Without a row the recipient is deleted.
struct ModifyRecipientRow {
  static constexpr std::size_t minimum_size = 7;
  std::uint32_t RowId = 0;
  std::uint8_t RecipientType = 0;
  bool has_row = true;
  wire::RecipientRow RecipientRow{};
  static void fields(auto& s, auto& v, Columns columns) {
    v("RowId", s.RowId);
    v("RecipientType", s.RecipientType);
    v.template sized<std::uint16_t>("RecipientRowSize", [&](auto& v) {
      const bool more = v.more(s.has_row);
      if constexpr (!std::is_const_v<std::remove_reference_t<decltype(s)>>) s.has_row = more;
      if (more) wire::RecipientRow::fields(s.RecipientRow, v, columns);
    });
  }
};

// [MS-OXCROPS] 2.2.6.6.2.1. The columns of its row are those that opening the message gave.
struct ReadRecipientRow {
  static constexpr std::size_t minimum_size = 11;
  std::uint32_t RowId = 0;
  std::uint8_t RecipientType = 0;
  std::uint16_t CodePageId = 0;
  std::uint16_t Reserved = 0;
  View RecipientRow{};  // see decode_recipient_row
  static void fields(auto& s, auto& v) {
    v("RowId", s.RowId);
    v("RecipientType", s.RecipientType);
    v("CodePageId", s.CodePageId);
    v("Reserved", s.Reserved);
    v.template binary<std::uint16_t>("RecipientRow", s.RecipientRow);
  }
};

inline Result<RecipientRow> decode_recipient_row(View bytes, Arena& arena, Columns columns) {
  return decode<RecipientRow>("RecipientRow", bytes, arena, CountWidth::narrow, columns);
}
inline Status encode_recipient_row(const RecipientRow& row, Bytes& out, Columns columns) {
  return encode("RecipientRow", row, out, CountWidth::narrow, columns);
}

// What opening or reloading a message says of it.
struct MessageSummary {
  bool HasNamedProperties = false;
  TypedString SubjectPrefix{};
  TypedString NormalizedSubject{};
  std::uint16_t RecipientCount = 0;  // of the message; RecipientRows holds as many as there was room for
  std::span<const mapi::PropertyTag> RecipientColumns{};
  std::span<const OpenRecipientRow> RecipientRows{};
  static void fields(auto& s, auto& v) {
    v("HasNamedProperties", s.HasNamedProperties);
    v("SubjectPrefix", s.SubjectPrefix);
    v("NormalizedSubject", s.NormalizedSubject);
    v("RecipientCount", s.RecipientCount);
    list16(v, "ColumnCount", "RecipientColumns", s.RecipientColumns);
    const auto n = v.template count<std::uint8_t>("RowCount", s.RecipientRows.size());
    v.list_in("RecipientRows", s.RecipientRows, n, s.RecipientColumns);
  }
};

}  // namespace mapigate::wire
