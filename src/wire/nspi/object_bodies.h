// Bodies of the address book endpoint's request types about single objects; see bodies.h.
#pragma once

#include "wire/nspi/bodies.h"

namespace mapigate::wire::nspi {

// Most changes say only whether they were done.
struct PlainResponse : ResponseBody<PlainResponse> {
  static void own_fields(auto&, auto&) {}
};

struct CompareMIds {  // 2.2.5.3
  static constexpr auto request_type = nspi::request_type::CompareMIds;
  struct Request : RequestBody<Request> {
    std::uint32_t Reserved = 0;
    Optional<STAT> State;
    MinimalEntryID MinimalId1{}, MinimalId2{};
    static void own_fields(auto& s, auto& v) {
      v("Reserved", s.Reserved);
      state(v, s);
      v("MinimalId1", s.MinimalId1);
      v("MinimalId2", s.MinimalId2);
    }
  };
  struct Response : ResponseBody<Response> {
    std::int32_t Result = 0;  // negative: the first stands before the second
    static void own_fields(auto& s, auto& v) { v("Result", s.Result); }
  };
};

struct DNToMId {  // 2.2.5.4
  static constexpr auto request_type = nspi::request_type::DNToMId;
  struct Request : RequestBody<Request> {
    std::uint32_t Reserved = 0;
    Optional<std::span<const DnString>> Names;
    static void own_fields(auto& s, auto& v) {
      v("Reserved", s.Reserved);
      optional(v, "HasNames", "Names", s.Names);
    }
  };
  struct Response : ResponseBody<Response> {
    Optional<MinimalIdList> MinimalIds;
    static void own_fields(auto& s, auto& v) { minimal_ids(v, s); }
  };
};

struct GetPropList {  // 2.2.5.6
  static constexpr auto request_type = nspi::request_type::GetPropList;
  struct Request : RequestBody<Request> {
    std::uint32_t Flags = 0;
    MinimalEntryID MinimalId{};
    std::uint32_t CodePage = 0;
    static void own_fields(auto& s, auto& v) {
      v("Flags", s.Flags);
      v("MinimalId", s.MinimalId);
      v("CodePage", s.CodePage);
    }
  };
  struct Response : ResponseBody<Response> {
    TagList PropertyTags;
    static void own_fields(auto& s, auto& v) { optional(v, "HasPropertyTags", "PropertyTags", s.PropertyTags); }
  };
};

struct GetProps {  // 2.2.5.7
  static constexpr auto request_type = nspi::request_type::GetProps;
  struct Request : RequestBody<Request> {
    std::uint32_t Flags = 0;
    Optional<STAT> State;
    TagList PropertyTags;
    static void own_fields(auto& s, auto& v) {
      v("Flags", s.Flags);
      state(v, s);
      optional(v, "HasPropertyTags", "PropertyTags", s.PropertyTags);
    }
  };
  struct Response : ResponseBody<Response> {
    std::uint32_t CodePage = 0;
    Optional<AddressBookPropertyValueList> PropertyValues;
    static void own_fields(auto& s, auto& v) {
      v("CodePage", s.CodePage);
      optional(v, "HasPropertyValues", "PropertyValues", s.PropertyValues);
    }
  };
};

struct GetTemplateInfo {  // 2.2.5.9
  static constexpr auto request_type = nspi::request_type::GetTemplateInfo;
  struct Request : RequestBody<Request> {
    std::uint32_t Flags = 0;
    std::uint32_t DisplayType = 0;
    Optional<std::string_view> TemplateDn;
    std::uint32_t CodePage = 0;
    std::uint32_t LocaleId = 0;
    static void own_fields(auto& s, auto& v) {
      v("Flags", s.Flags);
      v("DisplayType", s.DisplayType);
      optional(v, "HasTemplateDn", "TemplateDn", s.TemplateDn);
      v("CodePage", s.CodePage);
      v("LocaleId", s.LocaleId);
    }
  };
  struct Response : ResponseBody<Response> {
    std::uint32_t CodePage = 0;
    Optional<AddressBookPropertyValueList> Row;
    static void own_fields(auto& s, auto& v) {
      v("CodePage", s.CodePage);
      optional(v, "HasRow", "Row", s.Row);
    }
  };
};

struct ModLinkAtt {  // 2.2.5.10
  static constexpr auto request_type = nspi::request_type::ModLinkAtt;
  struct Request : RequestBody<Request> {
    std::uint32_t Flags = 0;
    mapi::PropertyTag PropertyTag;
    MinimalEntryID MinimalId{};
    Optional<std::span<const EntryId>> EntryIds;
    static void own_fields(auto& s, auto& v) {
      v("Flags", s.Flags);
      v("PropertyTag", s.PropertyTag);
      v("MinimalId", s.MinimalId);
      optional(v, "HasEntryIds", "EntryIds", s.EntryIds);
    }
  };
  using Response = PlainResponse;
};

struct ModProps {  // 2.2.5.11
  static constexpr auto request_type = nspi::request_type::ModProps;
  struct Request : RequestBody<Request> {
    std::uint32_t Reserved = 0;
    Optional<STAT> State;
    TagList PropertiesToRemove;
    Optional<AddressBookPropertyValueList> PropertyValues;
    static void own_fields(auto& s, auto& v) {
      v("Reserved", s.Reserved);
      state(v, s);
      optional(v, "HasPropertiesToRemove", "PropertiesToRemove", s.PropertiesToRemove);
      optional(v, "HasPropertyValues", "PropertyValues", s.PropertyValues);
    }
  };
  using Response = PlainResponse;
};

struct QueryColumns {  // 2.2.5.12
  static constexpr auto request_type = nspi::request_type::QueryColumns;
  struct Request : RequestBody<Request> {
    std::uint32_t Reserved = 0;
    std::uint32_t MapiFlags = 0;
    static void own_fields(auto& s, auto& v) {
      v("Reserved", s.Reserved);
      v("MapiFlags", s.MapiFlags);
    }
  };
  struct Response : ResponseBody<Response> {
    TagList Columns;
    static void own_fields(auto& s, auto& v) { columns(v, s); }
  };
};

}  // namespace mapigate::wire::nspi
