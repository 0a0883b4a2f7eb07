// Message and attachment ROPs ([MS-OXCROPS] 2.2.6, [MS-OXCMSG] 2.2.3).
#pragma once

#include "wire/rop/recipient_row.h"

namespace mapigate::wire {

struct RopOpenMessage : Rop<RopId::RopOpenMessage> {
  enum : std::uint8_t { ReadOnly = 0x00, ReadWrite = 0x01, BestAccess = 0x03, OpenSoftDeleted = 0x04 };  // OpenModeFlags
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    std::uint16_t CodePageId = 0x0FFF;  // that of the logon
    mapi::Id FolderId{};
    std::uint8_t OpenModeFlags = 0;
    mapi::Id MessageId{};
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      v("CodePageId", s.CodePageId);
      v("FolderId", s.FolderId);
      v("OpenModeFlags", s.OpenModeFlags);
      v("MessageId", s.MessageId);
    }
  };
  using Response = MessageSummary;
};

struct RopCreateMessage : Rop<RopId::RopCreateMessage> {
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    std::uint16_t CodePageId = 0x0FFF;
    mapi::Id FolderId{};
    bool AssociatedFlag = false;
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      v("CodePageId", s.CodePageId);
      v("FolderId", s.FolderId);
      v("AssociatedFlag", s.AssociatedFlag);
    }
  };
  struct Response {
    bool HasMessageId = false;
    mapi::Id MessageId{};
    static void fields(auto& s, auto& v) {
      v("HasMessageId", s.HasMessageId);
      if (s.HasMessageId) v("MessageId", s.MessageId);
    }
  };
};

struct RopSaveChangesMessage : Rop<RopId::RopSaveChangesMessage> {
  static constexpr const char* handle_name = response_handle;
  enum : std::uint8_t { KeepOpenReadOnly = 0x01, KeepOpenReadWrite = 0x02, ForceSave = 0x04 };  // SaveFlags
  struct Request {
    std::uint8_t InputHandleIndex = 0;
    std::uint8_t SaveFlags = 0;
    static void fields(auto& s, auto& v) {
      v("InputHandleIndex", s.InputHandleIndex);
      v("SaveFlags", s.SaveFlags);
    }
  };
  struct Response {
    std::uint8_t InputHandleIndex = 0;
    mapi::Id MessageId{};
    static void fields(auto& s, auto& v) {
      v("InputHandleIndex", s.InputHandleIndex);
      v("MessageId", s.MessageId);
    }
  };
};

struct RopRemoveAllRecipients : Rop<RopId::RopRemoveAllRecipients> {
  struct Request {
    std::uint32_t Reserved = 0;
    static void fields(auto& s, auto& v) { v("Reserved", s.Reserved); }
  };
};

struct RopModifyRecipients : Rop<RopId::RopModifyRecipients> {
  struct Request {
    std::span<const mapi::PropertyTag> RecipientColumns{};
    std::span<const ModifyRecipientRow> RecipientRows{};
    static void fields(auto& s, auto& v) {
      list16(v, "ColumnCount", "RecipientColumns", s.RecipientColumns);
      const auto n = v.template count<std::uint16_t>("RowCount", s.RecipientRows.size());
      v.list_in("RecipientRows", s.RecipientRows, n, s.RecipientColumns);
    }
  };
};

struct RopReadRecipients : Rop<RopId::RopReadRecipients> {
  struct Request {
    std::uint32_t RowId = 0;
    std::uint16_t Reserved = 0;
    static void fields(auto& s, auto& v) {
      v("RowId", s.RowId);
      v("Reserved", s.Reserved);
    }
  };
  struct Response {
    std::span<const ReadRecipientRow> RecipientRows{};
    static void fields(auto& s, auto& v) {
      const auto n = v.template count<std::uint8_t>("RowCount", s.RecipientRows.size());
      v.list("RecipientRows", s.RecipientRows, n);
    }
  };
};

struct RopReloadCachedInformation : Rop<RopId::RopReloadCachedInformation> {
  struct Request {
    std::uint16_t Reserved = 0;
    static void fields(auto& s, auto& v) { v("Reserved", s.Reserved); }
  };
  using Response = MessageSummary;
};

struct RopSetMessageStatus : Rop<RopId::RopSetMessageStatus> {
  struct Request {
    mapi::Id MessageId{};
    std::uint32_t MessageStatusFlags = 0;
    std::uint32_t MessageStatusMask = 0;
    static void fields(auto& s, auto& v) {
      v("MessageId", s.MessageId);
      v("MessageStatusFlags", s.MessageStatusFlags);
      v("MessageStatusMask", s.MessageStatusMask);
    }
  };
  struct Response {
    std::uint32_t MessageStatusFlags = 0;
    static void fields(auto& s, auto& v) { v("MessageStatusFlags", s.MessageStatusFlags); }
  };
};

struct RopGetMessageStatus : Rop<RopId::RopGetMessageStatus> {
  struct Request {
    mapi::Id MessageId{};
    static void fields(auto& s, auto& v) { v("MessageId", s.MessageId); }
  };
  using Response = RopSetMessageStatus::Response;
};

struct RopSetReadFlags : Rop<RopId::RopSetReadFlags> {
  struct Request {
    bool WantAsynchronous = false;
    std::uint8_t ReadFlags = 0;
    std::span<const mapi::Id> MessageIds{};
    static void fields(auto& s, auto& v) {
      v("WantAsynchronous", s.WantAsynchronous);
      v("ReadFlags", s.ReadFlags);
      message_ids(v, s.MessageIds);
    }
  };
  using Response = PartialCompletionResponse;
};

struct RopSetMessageReadFlag : Rop<RopId::RopSetMessageReadFlag> {
  static constexpr const char* handle_name = response_handle;
  struct Request {
    bool public_logon = false;
    std::uint8_t InputHandleIndex = 0;
    std::uint8_t ReadFlags = 0;
    std::array<std::uint8_t, 24> ClientData{};  // only of a public-folder logon
    static void fields(auto& s, auto& v) {
      v("InputHandleIndex", s.InputHandleIndex);
      v("ReadFlags", s.ReadFlags);
      if (s.public_logon) v("ClientData", s.ClientData);
    }
  };
  struct Response {
    bool ReadStatusChanged = false;  // true only with a public-folder logon
    std::uint8_t LogonId = 0;
    std::array<std::uint8_t, 24> ClientData{};
    static void fields(auto& s, auto& v) {
      v("ReadStatusChanged", s.ReadStatusChanged);
      if (!s.ReadStatusChanged) return;
      v("LogonId", s.LogonId);
      v("ClientData", s.ClientData);
    }
  };
};

struct RopOpenAttachment : Rop<RopId::RopOpenAttachment> {
  enum : std::uint8_t { ReadOnly = 0x00, ReadWrite = 0x01, BestAccess = 0x03 };  // OpenAttachmentFlags
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    std::uint8_t OpenAttachmentFlags = 0;
    std::uint32_t AttachmentID = 0;
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      v("OpenAttachmentFlags", s.OpenAttachmentFlags);
      v("AttachmentID", s.AttachmentID);
    }
  };
};

struct RopCreateAttachment : Rop<RopId::RopCreateAttachment> {
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    static void fields(auto& s, auto& v) { v("OutputHandleIndex", s.OutputHandleIndex); }
  };
  struct Response {
    std::uint32_t AttachmentID = 0;
    static void fields(auto& s, auto& v) { v("AttachmentID", s.AttachmentID); }
  };
};

struct RopDeleteAttachment : Rop<RopId::RopDeleteAttachment> {
  struct Request {
    std::uint32_t AttachmentID = 0;
    static void fields(auto& s, auto& v) { v("AttachmentID", s.AttachmentID); }
  };
};

struct RopSaveChangesAttachment : Rop<RopId::RopSaveChangesAttachment> {
  static constexpr const char* handle_name = response_handle;
  using Request = RopSaveChangesMessage::Request;
};

struct RopOpenEmbeddedMessage : Rop<RopId::RopOpenEmbeddedMessage> {
  enum : std::uint8_t { ReadOnly = 0x00, ReadWrite = 0x01, Create = 0x02 };  // OpenModeFlags
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    std::uint16_t CodePageId = 0x0FFF;
    std::uint8_t OpenModeFlags = 0;
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      v("CodePageId", s.CodePageId);
      v("OpenModeFlags", s.OpenModeFlags);
    }
  };
  struct Response : MessageSummary {
    std::uint8_t Reserved = 0;
    mapi::Id MessageId{};
    static void fields(auto& s, auto& v) {
      v("Reserved", s.Reserved);
      v("MessageId", s.MessageId);
      MessageSummary::fields(s, v);
    }
  };
};

struct RopGetAttachmentTable : Rop<RopId::RopGetAttachmentTable> {
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    std::uint8_t TableFlags = 0;
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      v("TableFlags", s.TableFlags);
    }
  };
};

struct RopGetValidAttachments : Rop<RopId::RopGetValidAttachments> {
  struct Response {
    std::span<const std::uint32_t> AttachmentIdArray{};
    static void fields(auto& s, auto& v) { list16(v, "AttachmentIdCount", "AttachmentIdArray", s.AttachmentIdArray); }
  };
};

}  // namespace mapigate::wire
