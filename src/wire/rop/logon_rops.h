// Logon ROPs ([MS-OXCROPS] 2.2.3, [MS-OXCSTOR] 2.2.1).
#pragma once

#include "wire/rop/rop_common.h"

namespace mapigate::wire {

// The thirteen folders that a logon names ([MS-OXCSTOR] 2.2.1.1.3 and 2.2.1.1.4). The names
// are those of a mailbox; a public store has its own meanings for 1 to 9.
struct LogonFolderIds {
  enum Index : std::size_t {
    Root, DeferredAction, SpoolerQueue, IpmSubtree, Inbox, Outbox, SentItems, DeletedItems, CommonViews, Schedule,
    Search, Views, Shortcuts, count
  };
  std::array<mapi::Id, count> ids{};
  mapi::Id& operator[](std::size_t i) { return ids[i]; }
  const mapi::Id& operator[](std::size_t i) const { return ids[i]; }
  static void fields(auto& s, auto& v) {
    constexpr const char* names[] = {"Root",       "DeferredAction", "SpoolerQueue", "IpmSubtree",  "Inbox",
                                     "Outbox",     "SentItems",      "DeletedItems", "CommonViews", "Schedule",
                                     "Search",     "Views",          "Shortcuts"};
    for (std::size_t i = 0; i < count; ++i) v(names[i], s.ids[i]);
  }
};

// [MS-OXCSTOR] 2.2.1.1.3 "LogonTime", UTC.
struct LogonTime {
  std::uint8_t Seconds = 0, Minutes = 0, Hour = 0, DayOfWeek = 0, Day = 1, Month = 1;
  std::uint16_t Year = 1601;
  static void fields(auto& s, auto& v) {
    v("Seconds", s.Seconds);
    v("Minutes", s.Minutes);
    v("Hour", s.Hour);
    v("DayOfWeek", s.DayOfWeek);
    v("Day", s.Day);
    v("Month", s.Month);
    v("Year", s.Year);
  }
};

struct RopLogon : Rop<RopId::RopLogon> {
  static constexpr const char* handle_name = output_handle;
  enum : std::uint8_t { Private = 0x01, Undercover = 0x02, Ghosted = 0x04 };  // LogonFlags
  struct Request {
    std::uint8_t LogonFlags = 0;
    std::uint32_t OpenFlags = 0;
    std::uint32_t StoreState = 0;
    View Essdn{};  // with its terminating zero; empty for public folders
    static void fields(auto& s, auto& v) {
      v("LogonFlags", s.LogonFlags);
      v("OpenFlags", s.OpenFlags);
      v("StoreState", s.StoreState);
      v.template binary<std::uint16_t>("Essdn", s.Essdn);
    }
    // Without the terminator.
    std::string_view essdn() const {
      const auto text = as_text(Essdn);
      return text.substr(0, text.find('\0'));
    }
  };
  // Private mailbox and public folders, told apart by LogonFlags; with ecWrongServer the redirection.
  struct Response {
    static bool has_body(mapi::ErrorCode code) { return code == mapi::ecNone || code == mapi::ecWrongServer; }
    std::uint8_t LogonFlags = Private;
    LogonFolderIds FolderIds{};
    std::uint8_t ResponseFlags = 0;
    mapi::Guid MailboxGuid{};
    std::uint16_t ReplId = 0;
    mapi::Guid ReplGuid{};
    wire::LogonTime LogonTime{};
    std::uint64_t GwartTime = 0;
    std::uint32_t StoreState = 0;
    mapi::Guid PerUserGuid{};
    View ServerName{};  // with its terminating zero
    static void fields(auto& s, auto& v, const ResponseContext& context) {
      v("LogonFlags", s.LogonFlags);
      if (context.ReturnValue == mapi::ecWrongServer) {
        v.template binary<std::uint8_t>("ServerName", s.ServerName);
        return;
      }
      v("FolderIds", s.FolderIds);
      if ((s.LogonFlags & Private) != 0) {
        v("ResponseFlags", s.ResponseFlags);
        v("MailboxGuid", s.MailboxGuid);
        v("ReplId", s.ReplId);
        v("ReplGuid", s.ReplGuid);
        v("LogonTime", s.LogonTime);
        v("GwartTime", s.GwartTime);
        v("StoreState", s.StoreState);
      } else {
        v("ReplId", s.ReplId);
        v("ReplGuid", s.ReplGuid);
        v("PerUserGuid", s.PerUserGuid);
      }
    }
  };
};

struct RopGetReceiveFolder : Rop<RopId::RopGetReceiveFolder> {
  struct Request {
    std::string_view MessageClass{};
    static void fields(auto& s, auto& v) { v.sz("MessageClass", s.MessageClass); }
  };
  struct Response {
    mapi::Id FolderId{};
    std::string_view ExplicitMessageClass{};
    static void fields(auto& s, auto& v) {
      v("FolderId", s.FolderId);
      v.sz("ExplicitMessageClass", s.ExplicitMessageClass);
    }
  };
};

struct RopSetReceiveFolder : Rop<RopId::RopSetReceiveFolder> {
  struct Request {
    mapi::Id FolderId{};
    std::string_view MessageClass{};
    static void fields(auto& s, auto& v) {
      v("FolderId", s.FolderId);
      v.sz("MessageClass", s.MessageClass);
    }
  };
};

struct RopGetReceiveFolderTable : Rop<RopId::RopGetReceiveFolderTable> {
  // The columns of its rows: PidTagFolderId, PidTagMessageClass, PidTagLastModificationTime.
  static constexpr mapi::PropertyTag columns[] = {mapi::PropertyTag(0x67480014), mapi::PropertyTag(0x001A001E),
                                                  mapi::PropertyTag(0x30080040)};
  struct Response {
    std::span<const PropertyRow> Rows{};
    static void fields(auto& s, auto& v) {
      const auto n = v.template count<std::uint32_t>("RowCount", s.Rows.size());
      v.rows("Rows", s.Rows, n, columns);
    }
  };
};

struct RopGetStoreState : Rop<RopId::RopGetStoreState> {
  struct Response {
    std::uint32_t StoreState = 0;
    static void fields(auto& s, auto& v) { v("StoreState", s.StoreState); }
  };
};

struct RopGetOwningServers : Rop<RopId::RopGetOwningServers> {
  struct Request {
    mapi::Id FolderId{};
    static void fields(auto& s, auto& v) { v("FolderId", s.FolderId); }
  };
  struct Response {
    std::uint16_t CheapServersCount = 0;
    std::span<const Text8> OwningServers{};
    static void fields(auto& s, auto& v) {
      const auto n = v.template count<std::uint16_t>("OwningServersCount", s.OwningServers.size());
      v("CheapServersCount", s.CheapServersCount);
      v.list("OwningServers", s.OwningServers, n);
    }
  };
};

struct RopPublicFolderIsGhosted : Rop<RopId::RopPublicFolderIsGhosted> {
  struct Request {
    mapi::Id FolderId{};
    static void fields(auto& s, auto& v) { v("FolderId", s.FolderId); }
  };
  struct Response {
    bool IsGhosted = false;
    std::uint16_t CheapServersCount = 0;
    std::span<const Text8> Servers{};
    static void fields(auto& s, auto& v) {
      v("IsGhosted", s.IsGhosted);
      if (!s.IsGhosted) return;
      const auto n = v.template count<std::uint16_t>("ServersCount", s.Servers.size());
      v("CheapServersCount", s.CheapServersCount);
      v.list("Servers", s.Servers, n);
    }
  };
};

struct RopLongTermIdFromId : Rop<RopId::RopLongTermIdFromId> {
  struct Request {
    mapi::Id ObjectId{};
    static void fields(auto& s, auto& v) { v("ObjectId", s.ObjectId); }
  };
  struct Response {
    mapi::LongTermId LongTermId{};
    static void fields(auto& s, auto& v) { v("LongTermId", s.LongTermId); }
  };
};

struct RopIdFromLongTermId : Rop<RopId::RopIdFromLongTermId> {
  struct Request {
    mapi::LongTermId LongTermId{};
    static void fields(auto& s, auto& v) { v("LongTermId", s.LongTermId); }
  };
  struct Response {
    mapi::Id ObjectId{};
    static void fields(auto& s, auto& v) { v("ObjectId", s.ObjectId); }
  };
};

struct RopGetPerUserLongTermIds : Rop<RopId::RopGetPerUserLongTermIds> {
  struct Request {
    mapi::Guid DatabaseGuid{};
    static void fields(auto& s, auto& v) { v("DatabaseGuid", s.DatabaseGuid); }
  };
  struct Response {
    std::span<const mapi::LongTermId> LongTermIds{};
    static void fields(auto& s, auto& v) { list16(v, "LongTermIdCount", "LongTermIds", s.LongTermIds); }
  };
};

struct RopGetPerUserGuid : Rop<RopId::RopGetPerUserGuid> {
  struct Request {
    mapi::LongTermId LongTermId{};
    static void fields(auto& s, auto& v) { v("LongTermId", s.LongTermId); }
  };
  struct Response {
    mapi::Guid DatabaseGuid{};
    static void fields(auto& s, auto& v) { v("DatabaseGuid", s.DatabaseGuid); }
  };
};

struct RopReadPerUserInformation : Rop<RopId::RopReadPerUserInformation> {
  struct Request {
    mapi::LongTermId FolderId{};
    std::uint8_t Reserved = 0;
    std::uint32_t DataOffset = 0;
    std::uint16_t MaxDataSize = 0;
    static void fields(auto& s, auto& v) {
      v("FolderId", s.FolderId);
      v("Reserved", s.Reserved);
      v("DataOffset", s.DataOffset);
      v("MaxDataSize", s.MaxDataSize);
    }
  };
  struct Response {
    bool HasFinished = false;
    View Data{};
    static void fields(auto& s, auto& v) {
      v("HasFinished", s.HasFinished);
      v.template binary<std::uint16_t>("Data", s.Data);
    }
  };
};

struct RopWritePerUserInformation : Rop<RopId::RopWritePerUserInformation> {
  struct Request {
    bool public_logon = false;
    mapi::LongTermId FolderId{};
    bool HasFinished = false;
    std::uint32_t DataOffset = 0;
    View Data{};
    mapi::Guid ReplGuid{};  // only at offset 0 in a mailbox
    static void fields(auto& s, auto& v) {
      v("FolderId", s.FolderId);
      v("HasFinished", s.HasFinished);
      v("DataOffset", s.DataOffset);
      v.template binary<std::uint16_t>("Data", s.Data);
      if (s.DataOffset == 0 && !s.public_logon) v("ReplGuid", s.ReplGuid);
    }
  };
};

}  // namespace mapigate::wire
