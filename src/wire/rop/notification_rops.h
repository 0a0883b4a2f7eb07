// Notification ROPs ([MS-OXCROPS] 2.2.14, [MS-OXCNOTIF] 2.2.1).
#pragma once

#include "wire/rop/rop_common.h"

namespace mapigate::wire {

// Low twelve bits of NotificationTypes and NotificationFlags.
namespace notification {
enum Type : std::uint16_t {
  NewMail = 0x0002,
  ObjectCreated = 0x0004,
  ObjectDeleted = 0x0008,
  ObjectModified = 0x0010,
  ObjectMoved = 0x0020,
  ObjectCopied = 0x0040,
  SearchComplete = 0x0080,
  TableModified = 0x0100,
  StatusObjectModified = 0x0200,
  Extended = 0x0400,
};
}  // namespace notification

struct RopRegisterNotification : Rop<RopId::RopRegisterNotification> {
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    std::uint16_t NotificationTypes = 0;
    std::uint8_t Reserved = 0;  // only with Extended
    bool WantWholeStore = false;
    mapi::Id FolderId{};
    mapi::Id MessageId{};
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      v("NotificationTypes", s.NotificationTypes);
      if ((s.NotificationTypes & notification::Extended) != 0) v("Reserved", s.Reserved);
      v("WantWholeStore", s.WantWholeStore);
      if (s.WantWholeStore) return;
      v("FolderId", s.FolderId);
      v("MessageId", s.MessageId);
    }
  };
};

// [MS-OXCNOTIF] 2.2.1.4.1.2.
struct NotificationData {
  enum : std::uint16_t {
    TypeMask = 0x0FFF,
    T = 0x1000,  // TotalMessageCount is there
    U = 0x2000,  // UnreadMessageCount is there
    S = 0x4000,  // about a message in a search folder
    M = 0x8000,  // about a message
  };
  enum TableEvent : std::uint16_t {
    TableChanged = 1, TableRowAdded = 3, TableRowDeleted = 4, TableRowModified = 5, TableRestrictionChanged = 7
  };
  static constexpr std::uint16_t all_tags = 0xFFFF;

  std::uint16_t NotificationFlags = 0;
  std::uint16_t TableEventType = 0;
  mapi::Id TableRowFolderID{};
  mapi::Id TableRowMessageID{};
  std::uint32_t TableRowInstance = 0;
  mapi::Id InsertAfterTableRowFolderID{};
  mapi::Id InsertAfterTableRowID{};
  std::uint32_t InsertAfterTableRowInstance = 0;
  View TableRowData{};  // a PropertyRow of the table's columns; see decode_notified_row
  mapi::Id FolderId{};
  mapi::Id MessageId{};
  mapi::Id ParentFolderId{};
  mapi::Id OldFolderId{};
  mapi::Id OldMessageId{};
  mapi::Id OldParentFolderId{};
  std::uint16_t TagCount = 0;  // all_tags: no Tags follow
  std::span<const mapi::PropertyTag> Tags{};
  std::uint32_t TotalMessageCount = 0;
  std::uint32_t UnreadMessageCount = 0;
  std::uint32_t MessageFlags = 0;
  bool UnicodeFlag = false;
  AnyString MessageClass{};

  std::uint16_t type() const { return NotificationFlags & TypeMask; }
  bool is(std::uint16_t types) const { return (NotificationFlags & types & TypeMask) != 0; }
  bool has(std::uint16_t flag) const { return (NotificationFlags & flag) != 0; }

  static void fields(auto& s, auto& v) {
    v("NotificationFlags", s.NotificationFlags);
    const bool message = s.has(M);
    if (s.is(notification::TableModified)) table_fields(s, v, message);
    if (!s.is(notification::TableModified | notification::StatusObjectModified | notification::Extended)) {
      v("FolderId", s.FolderId);
      if (message) v("MessageId", s.MessageId);
    }
    if (s.is(notification::ObjectCreated | notification::ObjectDeleted | notification::ObjectMoved | notification::ObjectCopied) && s.has(S) == message)
      v("ParentFolderId", s.ParentFolderId);
    if (s.is(notification::ObjectMoved | notification::ObjectCopied)) {
      v("OldFolderId", s.OldFolderId);
      if (message) v("OldMessageId", s.OldMessageId);
      else v("OldParentFolderId", s.OldParentFolderId);
    }
    if (s.is(notification::ObjectCreated | notification::ObjectModified)) {
      v("TagCount", s.TagCount);
      if (s.TagCount != all_tags) v.list("Tags", s.Tags, s.TagCount);
    }
    if (s.has(T)) v("TotalMessageCount", s.TotalMessageCount);
    if (s.has(U)) v("UnreadMessageCount", s.UnreadMessageCount);
    if (s.is(notification::NewMail)) {
      v("MessageFlags", s.MessageFlags);
      v("UnicodeFlag", s.UnicodeFlag);
      any_string(v, "MessageClass", s.MessageClass, s.UnicodeFlag);
    }
  }
  static void table_fields(auto& s, auto& v, bool message) {
    v("TableEventType", s.TableEventType);
    const bool shows_row = s.TableEventType == TableRowAdded || s.TableEventType == TableRowModified;
    if (!shows_row && s.TableEventType != TableRowDeleted) return;
    v("TableRowFolderID", s.TableRowFolderID);
    if (message) {
      v("TableRowMessageID", s.TableRowMessageID);
      v("TableRowInstance", s.TableRowInstance);
    }
    if (!shows_row) return;
    v("InsertAfterTableRowFolderID", s.InsertAfterTableRowFolderID);
    if (message) {
      v("InsertAfterTableRowID", s.InsertAfterTableRowID);
      v("InsertAfterTableRowInstance", s.InsertAfterTableRowInstance);
    }
    v.template binary<std::uint16_t>("TableRowData", s.TableRowData);
  }
};

// The row of a table event, with the columns of the table that NotificationHandle stands for.
Result<PropertyRow> decode_notified_row(View TableRowData, Arena& arena, Columns columns);

struct RopNotify : ServerRop<RopId::RopNotify> {
  struct Response {
    std::uint32_t NotificationHandle = 0;
    std::uint8_t LogonId = 0;
    wire::NotificationData NotificationData{};
    static void fields(auto& s, auto& v) {
      v("NotificationHandle", s.NotificationHandle);
      v("LogonId", s.LogonId);
      v("NotificationData", s.NotificationData);
    }
  };
};

struct RopPending : ServerRop<RopId::RopPending> {
  struct Response {
    std::uint16_t SessionIndex = 0;
    static void fields(auto& s, auto& v) { v("SessionIndex", s.SessionIndex); }
  };
};

}  // namespace mapigate::wire
