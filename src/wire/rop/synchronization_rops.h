// Incremental change synchronisation ROPs ([MS-OXCROPS] 2.2.13); semantics in
// [MS-OXCFXICS] 2.2.3.2.
#pragma once

#include "wire/rop/rop_common.h"

namespace mapigate::wire {

struct RopSynchronizationConfigure : Rop<RopId::RopSynchronizationConfigure> {
  enum : std::uint8_t { Contents = 0x01, Hierarchy = 0x02 };  // SynchronizationType
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    std::uint8_t SynchronizationType = Contents;
    std::uint8_t SendOptions = 0;
    std::uint16_t SynchronizationFlags = 0;
    const mapi::Restriction* RestrictionData = nullptr;
    std::uint32_t SynchronizationExtraFlags = 0;
    std::span<const mapi::PropertyTag> PropertyTags{};
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      v("SynchronizationType", s.SynchronizationType);
      v("SendOptions", s.SendOptions);
      v("SynchronizationFlags", s.SynchronizationFlags);
      sized_restriction(v, s.RestrictionData);
      v("SynchronizationExtraFlags", s.SynchronizationExtraFlags);
      property_tags(v, s.PropertyTags);
    }
  };
};

struct RopSynchronizationImportMessageChange : Rop<RopId::RopSynchronizationImportMessageChange> {
  enum : std::uint8_t { Associated = 0x10, FailOnConflict = 0x40 };  // ImportFlag
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    std::uint8_t ImportFlag = 0;
    std::span<const mapi::TaggedValue> PropertyValues{};
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      v("ImportFlag", s.ImportFlag);
      property_values(v, s.PropertyValues);
    }
  };
  struct Response {
    mapi::Id MessageId{};  // zero on the wire
    static void fields(auto& s, auto& v) { v("MessageId", s.MessageId); }
  };
};

struct MessageReadState {
  static constexpr std::size_t minimum_size = 3;
  View MessageId{};
  bool MarkAsRead = false;
  static void fields(auto& s, auto& v) {
    v.template binary<std::uint16_t>("MessageId", s.MessageId);
    v("MarkAsRead", s.MarkAsRead);
  }
};

struct RopSynchronizationImportReadStateChanges : Rop<RopId::RopSynchronizationImportReadStateChanges> {
  struct Request {
    std::span<const MessageReadState> MessageReadStates{};
    static void fields(auto& s, auto& v) {
      v.template sized<std::uint16_t>("MessageReadStatesSize",
                                      [&](auto& v) { v.list_to_end("MessageReadStates", s.MessageReadStates); });
    }
  };
};

struct RopSynchronizationImportHierarchyChange : Rop<RopId::RopSynchronizationImportHierarchyChange> {
  struct Request {
    std::span<const mapi::TaggedValue> HierarchyValues{};
    std::span<const mapi::TaggedValue> PropertyValues{};
    static void fields(auto& s, auto& v) {
      tagged16(v, "HierarchyValueCount", "HierarchyValues", s.HierarchyValues);
      property_values(v, s.PropertyValues);
    }
  };
  struct Response {
    mapi::Id FolderId{};  // zero on the wire
    static void fields(auto& s, auto& v) { v("FolderId", s.FolderId); }
  };
};

struct RopSynchronizationImportDeletes : Rop<RopId::RopSynchronizationImportDeletes> {
  enum : std::uint8_t { Hierarchy = 0x01, HardDelete = 0x02 };  // ImportDeleteFlags
  struct Request {
    std::uint8_t ImportDeleteFlags = 0;
    std::span<const mapi::TaggedValue> PropertyValues{};
    static void fields(auto& s, auto& v) {
      v("ImportDeleteFlags", s.ImportDeleteFlags);
      property_values(v, s.PropertyValues);
    }
  };
};

struct RopSynchronizationImportMessageMove : Rop<RopId::RopSynchronizationImportMessageMove> {
  struct Request {
    View SourceFolderId{};
    View SourceMessageId{};
    View PredecessorChangeList{};
    View DestinationMessageId{};
    View ChangeNumber{};
    static void fields(auto& s, auto& v) {
      v.template binary<std::uint32_t>("SourceFolderId", s.SourceFolderId);
      v.template binary<std::uint32_t>("SourceMessageId", s.SourceMessageId);
      v.template binary<std::uint32_t>("PredecessorChangeList", s.PredecessorChangeList);
      v.template binary<std::uint32_t>("DestinationMessageId", s.DestinationMessageId);
      v.template binary<std::uint32_t>("ChangeNumber", s.ChangeNumber);
    }
  };
  struct Response {
    mapi::Id MessageId{};  // zero on the wire
    static void fields(auto& s, auto& v) { v("MessageId", s.MessageId); }
  };
};

struct RopSynchronizationUploadStateStreamBegin : Rop<RopId::RopSynchronizationUploadStateStreamBegin> {
  struct Request {
    mapi::PropertyTag StateProperty{};
    std::uint32_t TransferBufferSize = 0;
    static void fields(auto& s, auto& v) {
      v("StateProperty", s.StateProperty);
      v("TransferBufferSize", s.TransferBufferSize);
    }
  };
};

struct RopSynchronizationUploadStateStreamContinue : Rop<RopId::RopSynchronizationUploadStateStreamContinue> {
  struct Request {
    View StreamData{};
    static void fields(auto& s, auto& v) { v.template binary<std::uint32_t>("StreamData", s.StreamData); }
  };
};

struct RopSynchronizationUploadStateStreamEnd : Rop<RopId::RopSynchronizationUploadStateStreamEnd> {};

struct RopSynchronizationOpenCollector : Rop<RopId::RopSynchronizationOpenCollector> {
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    bool IsContentsCollector = false;
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      v("IsContentsCollector", s.IsContentsCollector);
    }
  };
};

struct RopSynchronizationGetTransferState : Rop<RopId::RopSynchronizationGetTransferState> {
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    static void fields(auto& s, auto& v) { v("OutputHandleIndex", s.OutputHandleIndex); }
  };
};

struct RopGetLocalReplicaIds : Rop<RopId::RopGetLocalReplicaIds> {
  struct Request {
    std::uint32_t IdCount = 0;
    static void fields(auto& s, auto& v) { v("IdCount", s.IdCount); }
  };
  struct Response {
    mapi::Guid ReplGuid{};
    std::array<std::uint8_t, 6> GlobalCount{};  // the first of the ids
    static void fields(auto& s, auto& v) {
      v("ReplGuid", s.ReplGuid);
      v("GlobalCount", s.GlobalCount);
    }
  };
};

struct LongTermIdRange {
  static constexpr std::size_t minimum_size = 48;
  mapi::LongTermId MinLongTermId{};
  mapi::LongTermId MaxLongTermId{};
  static void fields(auto& s, auto& v) {
    v("MinLongTermId", s.MinLongTermId);
    v("MaxLongTermId", s.MaxLongTermId);
  }
};

struct RopSetLocalReplicaMidsetDeleted : Rop<RopId::RopSetLocalReplicaMidsetDeleted> {
  struct Request {
    std::span<const LongTermIdRange> LongTermIdRanges{};
    static void fields(auto& s, auto& v) {
      v.template sized<std::uint16_t>("DataSize", [&](auto& v) {
        const auto n = v.template count<std::uint32_t>("LongTermIdRangeCount", s.LongTermIdRanges.size());
        v.list("LongTermIdRanges", s.LongTermIdRanges, n);
      });
    }
  };
};

}  // namespace mapigate::wire
