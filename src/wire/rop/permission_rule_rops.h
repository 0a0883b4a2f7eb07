// Permission ROPs ([MS-OXCROPS] 2.2.10, [MS-OXCPERM] 2.2) and rule ROPs
// ([MS-OXCROPS] 2.2.11, [MS-OXORULE] 2.2).
#pragma once

#include "wire/rop/rop_common.h"

namespace mapigate::wire {

struct OpenTableRequest {
  std::uint8_t OutputHandleIndex = 0;
  std::uint8_t TableFlags = 0;
  static void fields(auto& s, auto& v) {
    v("OutputHandleIndex", s.OutputHandleIndex);
    v("TableFlags", s.TableFlags);
  }
};

struct RopGetPermissionsTable : Rop<RopId::RopGetPermissionsTable> {
  enum : std::uint8_t { IncludeFreeBusy = 0x02 };  // TableFlags
  using Request = OpenTableRequest;
};

struct PermissionData {
  static constexpr std::size_t minimum_size = 3;
  enum : std::uint8_t { AddRow = 0x01, ModifyRow = 0x02, RemoveRow = 0x04 };
  std::uint8_t PermissionDataFlags = AddRow;
  std::span<const mapi::TaggedValue> PropertyValues{};
  static void fields(auto& s, auto& v) {
    v("PermissionDataFlags", s.PermissionDataFlags);
    property_values(v, s.PropertyValues);
  }
};

struct RopModifyPermissions : Rop<RopId::RopModifyPermissions> {
  enum : std::uint8_t { ReplaceRows = 0x01, IncludeFreeBusy = 0x02 };  // ModifyFlags
  struct Request {
    std::uint8_t ModifyFlags = 0;
    std::span<const PermissionData> PermissionsData{};
    static void fields(auto& s, auto& v) {
      v("ModifyFlags", s.ModifyFlags);
      list16(v, "ModifyCount", "PermissionsData", s.PermissionsData);
    }
  };
};

struct RopGetRulesTable : Rop<RopId::RopGetRulesTable> {
  enum : std::uint8_t { UseUnicode = 0x40 };  // TableFlags
  using Request = OpenTableRequest;
};

struct RuleData {
  static constexpr std::size_t minimum_size = 3;
  enum : std::uint8_t { ROW_ADD = 0x01, ROW_MODIFY = 0x02, ROW_REMOVE = 0x04 };
  std::uint8_t RuleDataFlags = ROW_ADD;
  std::span<const mapi::TaggedValue> PropertyValues{};
  static void fields(auto& s, auto& v) {
    v("RuleDataFlags", s.RuleDataFlags);
    property_values(v, s.PropertyValues);
  }
};

struct RopModifyRules : Rop<RopId::RopModifyRules> {
  enum : std::uint8_t { ReplaceRules = 0x01 };  // ModifyRulesFlags
  struct Request {
    std::uint8_t ModifyRulesFlags = 0;
    std::span<const RuleData> RulesData{};
    static void fields(auto& s, auto& v) {
      v("ModifyRulesFlags", s.ModifyRulesFlags);
      list16(v, "RulesCount", "RulesData", s.RulesData);
    }
  };
};

struct RopUpdateDeferredActionMessages : Rop<RopId::RopUpdateDeferredActionMessages> {
  struct Request {
    View ServerEntryId{};
    View ClientEntryId{};
    static void fields(auto& s, auto& v) {
      v.template binary<std::uint16_t>("ServerEntryId", s.ServerEntryId);
      v.template binary<std::uint16_t>("ClientEntryId", s.ClientEntryId);
    }
  };
};

}  // namespace mapigate::wire
