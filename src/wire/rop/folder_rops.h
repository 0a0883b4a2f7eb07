// Folder ROPs ([MS-OXCROPS] 2.2.4, [MS-OXCFOLD] 2.2.1).
#pragma once

#include "wire/rop/rop_common.h"

namespace mapigate::wire {

struct RopOpenFolder : Rop<RopId::RopOpenFolder> {
  enum : std::uint8_t { OpenSoftDeleted = 0x04 };  // OpenModeFlags
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    mapi::Id FolderId{};
    std::uint8_t OpenModeFlags = 0;
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      v("FolderId", s.FolderId);
      v("OpenModeFlags", s.OpenModeFlags);
    }
  };
  struct Response {
    bool HasRules = false;
    bool IsGhosted = false;
    std::uint16_t CheapServerCount = 0;
    std::span<const Text8> Servers{};
    static void fields(auto& s, auto& v) {
      v("HasRules", s.HasRules);
      v("IsGhosted", s.IsGhosted);
      if (!s.IsGhosted) return;
      const auto n = v.template count<std::uint16_t>("ServerCount", s.Servers.size());
      v("CheapServerCount", s.CheapServerCount);
      v.list("Servers", s.Servers, n);
    }
  };
};

struct RopCreateFolder : Rop<RopId::RopCreateFolder> {
  enum : std::uint8_t { Generic = 1, Search = 2 };  // FolderType
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    std::uint8_t FolderType = Generic;
    bool UseUnicodeStrings = false;
    bool OpenExisting = false;
    std::uint8_t Reserved = 0;
    AnyString DisplayName{};
    AnyString Comment{};
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      v("FolderType", s.FolderType);
      v("UseUnicodeStrings", s.UseUnicodeStrings);
      v("OpenExisting", s.OpenExisting);
      v("Reserved", s.Reserved);
      any_string(v, "DisplayName", s.DisplayName, s.UseUnicodeStrings);
      any_string(v, "Comment", s.Comment, s.UseUnicodeStrings);
    }
  };
  struct Response {
    mapi::Id FolderId{};
    bool IsExistingFolder = false;
    bool HasRules = false;
    bool IsGhosted = false;
    std::uint16_t CheapServerCount = 0;
    std::span<const Text8> Servers{};
    static void fields(auto& s, auto& v) {
      v("FolderId", s.FolderId);
      v("IsExistingFolder", s.IsExistingFolder);
      if (!s.IsExistingFolder) return;
      v("HasRules", s.HasRules);
      v("IsGhosted", s.IsGhosted);
      if (!s.IsGhosted) return;
      const auto n = v.template count<std::uint16_t>("ServerCount", s.Servers.size());
      v("CheapServerCount", s.CheapServerCount);
      v.list("Servers", s.Servers, n);
    }
  };
};

struct RopDeleteFolder : Rop<RopId::RopDeleteFolder> {
  enum : std::uint8_t { DEL_MESSAGES = 0x01, DEL_FOLDERS = 0x04, DELETE_HARD_DELETE = 0x10 };  // DeleteFolderFlags
  struct Request {
    std::uint8_t DeleteFolderFlags = 0;
    mapi::Id FolderId{};
    static void fields(auto& s, auto& v) {
      v("DeleteFolderFlags", s.DeleteFolderFlags);
      v("FolderId", s.FolderId);
    }
  };
  using Response = PartialCompletionResponse;
};

struct RopSetSearchCriteria : Rop<RopId::RopSetSearchCriteria> {
  struct Request {
    const mapi::Restriction* RestrictionData = nullptr;  // null: as it was
    std::span<const mapi::Id> FolderIds{};
    std::uint32_t SearchFlags = 0;
    static void fields(auto& s, auto& v) {
      sized_restriction(v, s.RestrictionData);
      list16(v, "FolderIdCount", "FolderIds", s.FolderIds);
      v("SearchFlags", s.SearchFlags);
    }
  };
};

struct RopGetSearchCriteria : Rop<RopId::RopGetSearchCriteria> {
  struct Request {
    bool UseUnicode = false;
    bool IncludeRestriction = false;
    bool IncludeFolders = false;
    static void fields(auto& s, auto& v) {
      v("UseUnicode", s.UseUnicode);
      v("IncludeRestriction", s.IncludeRestriction);
      v("IncludeFolders", s.IncludeFolders);
    }
  };
  struct Response {
    const mapi::Restriction* RestrictionData = nullptr;
    std::uint8_t LogonId = 0;
    std::span<const mapi::Id> FolderIds{};
    std::uint32_t SearchFlags = 0;
    static void fields(auto& s, auto& v) {
      sized_restriction(v, s.RestrictionData);
      v("LogonId", s.LogonId);
      list16(v, "FolderIdCount", "FolderIds", s.FolderIds);
      v("SearchFlags", s.SearchFlags);
    }
  };
};

struct RopMoveCopyMessages : Rop<RopId::RopMoveCopyMessages> {
  static constexpr const char* handle_name = source_handle;
  struct Request {
    std::uint8_t DestHandleIndex = 0;
    std::span<const mapi::Id> MessageIds{};
    bool WantAsynchronous = false;
    bool WantCopy = false;
    static void fields(auto& s, auto& v) {
      v("DestHandleIndex", s.DestHandleIndex);
      message_ids(v, s.MessageIds);
      v("WantAsynchronous", s.WantAsynchronous);
      v("WantCopy", s.WantCopy);
    }
  };
  using Response = DestinationResponse;
};

struct RopMoveFolder : Rop<RopId::RopMoveFolder> {
  static constexpr const char* handle_name = source_handle;
  struct Request {
    std::uint8_t DestHandleIndex = 0;
    bool WantAsynchronous = false;
    bool UseUnicode = false;
    mapi::Id FolderId{};
    AnyString NewFolderName{};
    static void fields(auto& s, auto& v) {
      v("DestHandleIndex", s.DestHandleIndex);
      v("WantAsynchronous", s.WantAsynchronous);
      v("UseUnicode", s.UseUnicode);
      v("FolderId", s.FolderId);
      any_string(v, "NewFolderName", s.NewFolderName, s.UseUnicode);
    }
  };
  using Response = DestinationResponse;
};

struct RopCopyFolder : Rop<RopId::RopCopyFolder> {
  static constexpr const char* handle_name = source_handle;
  struct Request {
    std::uint8_t DestHandleIndex = 0;
    bool WantAsynchronous = false;
    bool WantRecursive = false;
    bool UseUnicode = false;
    mapi::Id FolderId{};
    AnyString NewFolderName{};
    static void fields(auto& s, auto& v) {
      v("DestHandleIndex", s.DestHandleIndex);
      v("WantAsynchronous", s.WantAsynchronous);
      v("WantRecursive", s.WantRecursive);
      v("UseUnicode", s.UseUnicode);
      v("FolderId", s.FolderId);
      any_string(v, "NewFolderName", s.NewFolderName, s.UseUnicode);
    }
  };
  using Response = DestinationResponse;
};

struct EmptyFolderRequest {
  bool WantAsynchronous = false;
  bool WantDeleteAssociated = false;
  static void fields(auto& s, auto& v) {
    v("WantAsynchronous", s.WantAsynchronous);
    v("WantDeleteAssociated", s.WantDeleteAssociated);
  }
};

struct RopEmptyFolder : Rop<RopId::RopEmptyFolder> {
  using Request = EmptyFolderRequest;
  using Response = PartialCompletionResponse;
};

struct RopHardDeleteMessagesAndSubfolders : Rop<RopId::RopHardDeleteMessagesAndSubfolders> {
  using Request = EmptyFolderRequest;
  using Response = PartialCompletionResponse;
};

struct DeleteMessagesRequest {
  bool WantAsynchronous = false;
  bool NotifyNonRead = false;
  std::span<const mapi::Id> MessageIds{};
  static void fields(auto& s, auto& v) {
    v("WantAsynchronous", s.WantAsynchronous);
    v("NotifyNonRead", s.NotifyNonRead);
    message_ids(v, s.MessageIds);
  }
};

struct RopDeleteMessages : Rop<RopId::RopDeleteMessages> {
  using Request = DeleteMessagesRequest;
  using Response = PartialCompletionResponse;
};

struct RopHardDeleteMessages : Rop<RopId::RopHardDeleteMessages> {
  using Request = DeleteMessagesRequest;
  using Response = PartialCompletionResponse;
};

struct RopGetHierarchyTable : Rop<RopId::RopGetHierarchyTable> {
  // TableFlags
  enum : std::uint8_t { Depth = 0x04, DeferredErrors = 0x08, NoNotifications = 0x10, SoftDeletes = 0x20, UseUnicode = 0x40, SuppressesNotifications = 0x80 };
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    std::uint8_t TableFlags = 0;
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      v("TableFlags", s.TableFlags);
    }
  };
  using Response = RowCountResponse;
};

struct RopGetContentsTable : Rop<RopId::RopGetContentsTable> {
  // TableFlags
  enum : std::uint8_t { Associated = 0x02, DeferredErrors = 0x08, NoNotifications = 0x10, SoftDeletes = 0x20, UseUnicode = 0x40, ConversationMembers = 0x80 };
  using Request = RopGetHierarchyTable::Request;
  using Response = RowCountResponse;
};

}  // namespace mapigate::wire
