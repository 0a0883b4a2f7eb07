// Bodies of the address book endpoint's request types that give rows; see bodies.h.
#pragma once

#include "wire/nspi/bodies.h"

namespace mapigate::wire::nspi {

struct GetMatches {  // 2.2.5.5
  struct Request {
    std::uint32_t Reserved = 0;
    std::uint8_t HasState = 0;
    STAT State;
    std::uint8_t HasMinimalIds = 0;
    std::span<const MinimalEntryID> MinimalIds;
    std::uint32_t InterfaceOptionFlags = 0;
    std::uint8_t HasFilter = 0;
    const mapi::Restriction* Filter = nullptr;
    std::uint8_t HasPropertyName = 0;
    mapi::Guid PropertyGuid;
    std::uint32_t PropertyNameId = 0;
    std::uint32_t RowCount = 0;
    std::uint8_t HasColumns = 0;
    LargePropertyTagArray Columns;
    View AuxiliaryBuffer;
    static void fields(auto& s, auto& v) {
      v("Reserved", s.Reserved);
      optional(v, "HasState", s.HasState, "State", s.State);
      optional_list(v, "HasMinimalIds", s.HasMinimalIds, "MinimalIds", s.MinimalIds);
      v("InterfaceOptionFlags", s.InterfaceOptionFlags);
      v("HasFilter", s.HasFilter);
      if (s.HasFilter != 0) v.restriction("Filter", s.Filter);
      v("HasPropertyName", s.HasPropertyName);
      if (s.HasPropertyName != 0) {
        v("PropertyGuid", s.PropertyGuid);
        v("PropertyNameId", s.PropertyNameId);
      }
      v("RowCount", s.RowCount);
      optional(v, "HasColumns", s.HasColumns, "Columns", s.Columns);
      auxiliary_buffer(s, v);
    }
  };
  struct Response : ResponseHead {
    std::uint8_t HasState = 0;
    STAT State;
    std::uint8_t HasMinimalIds = 0;
    std::span<const MinimalEntryID> MinimalIds;
    std::uint8_t HasColumnsAndRows = 0;
    nspi::ColumnsAndRows ColumnsAndRows;
    static void fields(auto& s, auto& v) {
      if (!response_head(s, v)) return;
      optional(v, "HasState", s.HasState, "State", s.State);
      optional_list(v, "HasMinimalIds", s.HasMinimalIds, "MinimalIds", s.MinimalIds);
      optional(v, "HasColumnsAndRows", s.HasColumnsAndRows, "ColumnsAndRows", s.ColumnsAndRows);
      auxiliary_buffer(s, v);
    }
  };
};

struct QueryRows {  // 2.2.5.13
  struct Request {
    std::uint32_t Flags = 0;
    std::uint8_t HasState = 0;
    STAT State;
    std::span<const MinimalEntryID> ExplicitTable;  // ExplicitTableCount of them
    std::uint32_t RowCount = 0;
    std::uint8_t HasColumns = 0;
    LargePropertyTagArray Columns;
    View AuxiliaryBuffer;
    static void fields(auto& s, auto& v) {
      v("Flags", s.Flags);
      optional(v, "HasState", s.HasState, "State", s.State);
      v.template counted<std::uint32_t>("ExplicitTable", s.ExplicitTable);
      v("RowCount", s.RowCount);
      optional(v, "HasColumns", s.HasColumns, "Columns", s.Columns);
      auxiliary_buffer(s, v);
    }
  };
  struct Response : ResponseHead {
    std::uint8_t HasState = 0;
    STAT State;
    std::uint8_t HasColumnsAndRows = 0;
    nspi::ColumnsAndRows ColumnsAndRows;
    static void fields(auto& s, auto& v) {
      if (!response_head(s, v)) return;
      optional(v, "HasState", s.HasState, "State", s.State);
      optional(v, "HasColumnsAndRows", s.HasColumnsAndRows, "ColumnsAndRows", s.ColumnsAndRows);
      auxiliary_buffer(s, v);
    }
  };
};

struct UnicodeString {
  Utf16 Name;
  static constexpr std::size_t minimum_size = 2;
  static void fields(auto& s, auto& v) { v.sz("Name", s.Name); }
};

struct ResolveNames {  // 2.2.5.14
  struct Request {
    std::uint32_t Reserved = 0;
    std::uint8_t HasState = 0;
    STAT State;
    std::uint8_t HasPropertyTags = 0;
    LargePropertyTagArray PropertyTags;
    std::uint8_t HasNames = 0;
    std::span<const UnicodeString> Names;
    View AuxiliaryBuffer;
    static void fields(auto& s, auto& v) {
      v("Reserved", s.Reserved);
      optional(v, "HasState", s.HasState, "State", s.State);
      optional(v, "HasPropertyTags", s.HasPropertyTags, "PropertyTags", s.PropertyTags);
      optional_list(v, "HasNames", s.HasNames, "Names", s.Names);
      auxiliary_buffer(s, v);
    }
  };
  struct Response : ResponseHead {
    std::uint32_t CodePage = 0;
    std::uint8_t HasMinimalIds = 0;
    std::span<const MinimalEntryID> MinimalIds;
    std::uint8_t HasColumnsAndRows = 0;  // HasRowsAndPropertyTags
    nspi::ColumnsAndRows ColumnsAndRows;
    static void fields(auto& s, auto& v) {
      if (!response_head(s, v)) return;
      v("CodePage", s.CodePage);
      optional_list(v, "HasMinimalIds", s.HasMinimalIds, "MinimalIds", s.MinimalIds);
      optional(v, "HasColumnsAndRows", s.HasColumnsAndRows, "ColumnsAndRows", s.ColumnsAndRows);
      auxiliary_buffer(s, v);
    }
  };
};

}  // namespace mapigate::wire::nspi
