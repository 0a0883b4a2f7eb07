// Property ROPs ([MS-OXCROPS] 2.2.8, [MS-OXCPRPT] 2.2).
#pragma once

#include "wire/property_name.h"
#include "wire/rop/rop_common.h"

namespace mapigate::wire {

struct RopGetPropertiesSpecific : Rop<RopId::RopGetPropertiesSpecific> {
  struct Request {
    std::uint16_t PropertySizeLimit = 0;
    std::uint16_t WantUnicode = 0;
    std::span<const mapi::PropertyTag> PropertyTags{};
    static void fields(auto& s, auto& v) {
      v("PropertySizeLimit", s.PropertySizeLimit);
      v("WantUnicode", s.WantUnicode);
      property_tags(v, s.PropertyTags);
    }
  };
  // The request's PropertyTags are the columns of the row.
  struct Response {
    PropertyRow RowData{};
    static void fields(auto& s, auto& v, const ResponseContext& context) {
      const auto* request = context.request == nullptr ? nullptr : context.request->as<RopGetPropertiesSpecific>();
      v.check(request != nullptr, "the request is unknown");
      v.row("RowData", s.RowData, request == nullptr ? Columns{} : request->PropertyTags);
    }
  };
};

struct RopGetPropertiesAll : Rop<RopId::RopGetPropertiesAll> {
  struct Request {
    std::uint16_t PropertySizeLimit = 0;
    std::uint16_t WantUnicode = 0;
    static void fields(auto& s, auto& v) {
      v("PropertySizeLimit", s.PropertySizeLimit);
      v("WantUnicode", s.WantUnicode);
    }
  };
  struct Response {
    std::span<const mapi::TaggedValue> PropertyValues{};
    static void fields(auto& s, auto& v) { property_values(v, s.PropertyValues); }
  };
};

struct RopGetPropertiesList : Rop<RopId::RopGetPropertiesList> {
  struct Response {
    std::span<const mapi::PropertyTag> PropertyTags{};
    static void fields(auto& s, auto& v) { property_tags(v, s.PropertyTags); }
  };
};

struct SetPropertiesRequest {
  std::span<const mapi::TaggedValue> PropertyValues{};
  static void fields(auto& s, auto& v) {
    v.template sized<std::uint16_t>("PropertyValueSize", [&](auto& v) { property_values(v, s.PropertyValues); });
  }
};

struct RopSetProperties : Rop<RopId::RopSetProperties> {
  using Request = SetPropertiesRequest;
  using Response = PropertyProblemsResponse;
};

struct RopSetPropertiesNoReplicate : Rop<RopId::RopSetPropertiesNoReplicate> {
  using Request = SetPropertiesRequest;
  using Response = PropertyProblemsResponse;
};

struct DeletePropertiesRequest {
  std::span<const mapi::PropertyTag> PropertyTags{};
  static void fields(auto& s, auto& v) { property_tags(v, s.PropertyTags); }
};

struct RopDeleteProperties : Rop<RopId::RopDeleteProperties> {
  using Request = DeletePropertiesRequest;
  using Response = PropertyProblemsResponse;
};

struct RopDeletePropertiesNoReplicate : Rop<RopId::RopDeletePropertiesNoReplicate> {
  using Request = DeletePropertiesRequest;
  using Response = PropertyProblemsResponse;
};

struct RopQueryNamedProperties : Rop<RopId::RopQueryNamedProperties> {
  enum : std::uint8_t { NoStrings = 0x01, NoIds = 0x02 };  // QueryFlags
  struct Request {
    std::uint8_t QueryFlags = 0;
    bool HasGuid = false;
    mapi::Guid PropertyGuid{};
    static void fields(auto& s, auto& v) {
      v("QueryFlags", s.QueryFlags);
      v("HasGuid", s.HasGuid);
      if (s.HasGuid) v("PropertyGuid", s.PropertyGuid);
    }
  };
  struct Response {
    std::span<const std::uint16_t> PropertyIds{};
    std::span<const PropertyName> PropertyNames{};  // as many
    static void fields(auto& s, auto& v) {
      list16(v, "IdCount", "PropertyIds", s.PropertyIds);
      v.list("PropertyNames", s.PropertyNames, s.PropertyIds.size());
    }
  };
};

// A response of a copy: what could not be copied, or the null destination.
struct CopyResponse {
  static bool has_body(mapi::ErrorCode code) { return code == mapi::ecNone || code == mapi::ecDstNullObject; }
  std::span<const PropertyProblem> PropertyProblems{};
  std::uint32_t DestHandleIndex = 0;
  static void fields(auto& s, auto& v, const ResponseContext& context) {
    if (context.ReturnValue == mapi::ecDstNullObject) v("DestHandleIndex", s.DestHandleIndex);
    else property_problems(v, s.PropertyProblems);
  }
};

struct RopCopyProperties : Rop<RopId::RopCopyProperties> {
  static constexpr const char* handle_name = source_handle;
  struct Request {
    std::uint8_t DestHandleIndex = 0;
    bool WantAsynchronous = false;
    std::uint8_t CopyFlags = 0;
    std::span<const mapi::PropertyTag> PropertyTags{};
    static void fields(auto& s, auto& v) {
      v("DestHandleIndex", s.DestHandleIndex);
      v("WantAsynchronous", s.WantAsynchronous);
      v("CopyFlags", s.CopyFlags);
      property_tags(v, s.PropertyTags);
    }
  };
  using Response = CopyResponse;
};

struct RopCopyTo : Rop<RopId::RopCopyTo> {
  static constexpr const char* handle_name = source_handle;
  struct Request {
    std::uint8_t DestHandleIndex = 0;
    bool WantAsynchronous = false;
    bool WantSubObjects = false;
    std::uint8_t CopyFlags = 0;
    std::span<const mapi::PropertyTag> ExcludedTags{};
    static void fields(auto& s, auto& v) {
      v("DestHandleIndex", s.DestHandleIndex);
      v("WantAsynchronous", s.WantAsynchronous);
      v("WantSubObjects", s.WantSubObjects);
      v("CopyFlags", s.CopyFlags);
      list16(v, "ExcludedTagCount", "ExcludedTags", s.ExcludedTags);
    }
  };
  using Response = CopyResponse;
};

// While the operation goes on. When it has ended, the response is that of the operation.
struct RopProgress : Rop<RopId::RopProgress> {
  struct Request {
    bool WantCancel = false;
    static void fields(auto& s, auto& v) { v("WantCancel", s.WantCancel); }
  };
  struct Response {
    std::uint8_t LogonId = 0;
    std::uint32_t CompletedTaskCount = 0;
    std::uint32_t TotalTaskCount = 0;
    static void fields(auto& s, auto& v) {
      v("LogonId", s.LogonId);
      v("CompletedTaskCount", s.CompletedTaskCount);
      v("TotalTaskCount", s.TotalTaskCount);
    }
  };
};

struct RopGetPropertyIdsFromNames : Rop<RopId::RopGetPropertyIdsFromNames> {
  enum : std::uint8_t { GetOnly = 0x00, Create = 0x02 };  // Flags
  struct Request {
    std::uint8_t Flags = 0;
    std::span<const PropertyName> PropertyNames{};
    static void fields(auto& s, auto& v) {
      v("Flags", s.Flags);
      list16(v, "PropertyNameCount", "PropertyNames", s.PropertyNames);
    }
  };
  // ecWarnWithErrors: some names have no id; theirs is 0.
  struct Response {
    static bool has_body(mapi::ErrorCode code) { return code == mapi::ecNone || code == mapi::ecWarnWithErrors; }
    std::span<const std::uint16_t> PropertyIds{};
    static void fields(auto& s, auto& v) { list16(v, "PropertyIdCount", "PropertyIds", s.PropertyIds); }
  };
};

struct RopGetNamesFromPropertyIds : Rop<RopId::RopGetNamesFromPropertyIds> {
  struct Request {
    std::span<const std::uint16_t> PropertyIds{};
    static void fields(auto& s, auto& v) { list16(v, "PropertyIdCount", "PropertyIds", s.PropertyIds); }
  };
  struct Response {
    std::span<const PropertyName> PropertyNames{};
    static void fields(auto& s, auto& v) { list16(v, "PropertyNameCount", "PropertyNames", s.PropertyNames); }
  };
};

}  // namespace mapigate::wire
