// Bodies of the address book endpoint's request types about tables; see bodies.h.
#pragma once

#include "wire/nspi/bodies.h"

namespace mapigate::wire::nspi {

struct GetMatches {  // 2.2.5.5
  static constexpr auto request_type = nspi::request_type::GetMatches;
  struct Request : RequestBody<Request> {
    std::uint32_t Reserved = 0;
    Optional<STAT> State;
    Optional<MinimalIdList> MinimalIds;
    std::uint32_t InterfaceOptionFlags = 0;
    Optional<const mapi::Restriction*> Filter;
    Optional<nspi::PropertyName> PropertyName;
    std::uint32_t RowCount = 0;
    TagList Columns;
    static void own_fields(auto& s, auto& v) {
      v("Reserved", s.Reserved);
      state(v, s);
      minimal_ids(v, s);
      v("InterfaceOptionFlags", s.InterfaceOptionFlags);
      optional(v, "HasFilter", "Filter", s.Filter);
      optional(v, "HasPropertyName", "PropertyName", s.PropertyName);
      v("RowCount", s.RowCount);
      columns(v, s);
    }
  };
  struct Response : ResponseBody<Response> {
    Optional<STAT> State;
    Optional<MinimalIdList> MinimalIds;
    Optional<nspi::ColumnsAndRows> ColumnsAndRows;
    static void own_fields(auto& s, auto& v) {
      state(v, s);
      minimal_ids(v, s);
      columns_and_rows(v, s);
    }
  };
};

struct GetSpecialTable {  // 2.2.5.8
  static constexpr auto request_type = nspi::request_type::GetSpecialTable;
  struct Request : RequestBody<Request> {
    std::uint32_t Flags = 0;
    Optional<STAT> State;
    Optional<std::uint32_t> Version;
    static void own_fields(auto& s, auto& v) {
      v("Flags", s.Flags);
      state(v, s);
      optional(v, "HasVersion", "Version", s.Version);
    }
  };
  struct Response : ResponseBody<Response> {
    std::uint32_t CodePage = 0;
    Optional<std::uint32_t> Version;
    Optional<std::span<const AddressBookPropertyValueList>> Rows;
    static void own_fields(auto& s, auto& v) {
      v("CodePage", s.CodePage);
      optional(v, "HasVersion", "Version", s.Version);
      optional(v, "HasRows", "Rows", s.Rows);
    }
  };
};

// QueryRows and SeekEntries answer alike.
struct RowsResponse : ResponseBody<RowsResponse> {
  Optional<STAT> State;
  Optional<nspi::ColumnsAndRows> ColumnsAndRows;
  static void own_fields(auto& s, auto& v) {
    state(v, s);
    columns_and_rows(v, s);
  }
};

struct QueryRows {  // 2.2.5.13
  static constexpr auto request_type = nspi::request_type::QueryRows;
  struct Request : RequestBody<Request> {
    std::uint32_t Flags = 0;
    Optional<STAT> State;
    MinimalIdList ExplicitTable;  // ExplicitTableCount of them
    std::uint32_t RowCount = 0;
    TagList Columns;
    static void own_fields(auto& s, auto& v) {
      v("Flags", s.Flags);
      state(v, s);
      v.template counted<std::uint32_t>("ExplicitTable", s.ExplicitTable);
      v("RowCount", s.RowCount);
      columns(v, s);
    }
  };
  using Response = RowsResponse;
};

struct ResolveNames {  // 2.2.5.14; the names are Unicode: NspiResolveNamesW
  static constexpr auto request_type = nspi::request_type::ResolveNames;
  struct Request : RequestBody<Request> {
    std::uint32_t Reserved = 0;
    Optional<STAT> State;
    TagList PropertyTags;
    Optional<std::span<const UnicodeString>> Names;
    static void own_fields(auto& s, auto& v) {
      v("Reserved", s.Reserved);
      state(v, s);
      optional(v, "HasPropertyTags", "PropertyTags", s.PropertyTags);
      optional(v, "HasNames", "Names", s.Names);
    }
  };
  struct Response : ResponseBody<Response> {
    std::uint32_t CodePage = 0;
    Optional<MinimalIdList> MinimalIds;
    Optional<nspi::ColumnsAndRows> ColumnsAndRows;
    static void own_fields(auto& s, auto& v) {
      v("CodePage", s.CodePage);
      minimal_ids(v, s);
      optional(v, "HasRowsAndPropertyTags", "ColumnsAndRows", s.ColumnsAndRows);
    }
  };
};

struct ResortRestriction {  // 2.2.5.15
  static constexpr auto request_type = nspi::request_type::ResortRestriction;
  struct Request : RequestBody<Request> {
    std::uint32_t Reserved = 0;
    Optional<STAT> State;
    Optional<MinimalIdList> MinimalIds;
    static void own_fields(auto& s, auto& v) {
      v("Reserved", s.Reserved);
      state(v, s);
      minimal_ids(v, s);
    }
  };
  struct Response : ResponseBody<Response> {
    Optional<STAT> State;
    Optional<MinimalIdList> MinimalIds;
    static void own_fields(auto& s, auto& v) {
      state(v, s);
      minimal_ids(v, s);
    }
  };
};

struct SeekEntries {  // 2.2.5.16
  static constexpr auto request_type = nspi::request_type::SeekEntries;
  struct Request : RequestBody<Request> {
    std::uint32_t Reserved = 0;
    Optional<STAT> State;
    Optional<mapi::TaggedValue> Target;
    Optional<MinimalIdList> ExplicitTable;
    TagList Columns;
    static void own_fields(auto& s, auto& v) {
      v("Reserved", s.Reserved);
      state(v, s);
      optional(v, "HasTarget", "Target", s.Target);
      optional(v, "HasExplicitTable", "ExplicitTable", s.ExplicitTable);
      columns(v, s);
    }
  };
  using Response = RowsResponse;
};

struct UpdateStat {  // 2.2.5.17
  static constexpr auto request_type = nspi::request_type::UpdateStat;
  struct Request : RequestBody<Request> {
    std::uint32_t Reserved = 0;
    Optional<STAT> State;
    std::uint8_t DeltaRequested = 0;
    static void own_fields(auto& s, auto& v) {
      v("Reserved", s.Reserved);
      state(v, s);
      v("DeltaRequested", s.DeltaRequested);
    }
  };
  struct Response : ResponseBody<Response> {
    Optional<STAT> State;
    Optional<std::int32_t> Delta;  // rows moved
    static void own_fields(auto& s, auto& v) {
      state(v, s);
      optional(v, "HasDelta", "Delta", s.Delta);
    }
  };
};

}  // namespace mapigate::wire::nspi
