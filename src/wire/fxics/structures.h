// Structures that stand in values of FastTransfer streams ([MS-OXCFXICS]
// "Structures").
#pragma once

#include "wire/fields.h"

namespace mapigate::wire::fxics {

struct ProgressInformation {
  std::uint16_t Version = 0;
  std::uint16_t padding1 = 0;
  std::uint32_t FAIMessageCount = 0;
  std::uint64_t FAIMessageTotalSize = 0;
  std::uint32_t NormalMessageCount = 0;
  std::uint32_t padding2 = 0;
  std::uint64_t NormalMessageTotalSize = 0;
  static void fields(auto& s, auto& v) {
    v("Version", s.Version);
    v("padding", s.padding1);
    v("FAIMessageCount", s.FAIMessageCount);
    v("FAIMessageTotalSize", s.FAIMessageTotalSize);
    v("NormalMessageCount", s.NormalMessageCount);
    v("padding", s.padding2);
    v("NormalMessageTotalSize", s.NormalMessageTotalSize);
  }
};

struct GroupPropertyName {
  mapi::Guid GUID;
  std::uint32_t Kind = 0;
  std::uint32_t LID = 0;
  View Name;  // UTF-16
  static void fields(auto& s, auto& v) {
    v("GUID", s.GUID);
    v("Kind", s.Kind);
    v.check(s.Kind <= 1, "is neither 0 nor 1");
    if (s.Kind == 0) v("LID", s.LID);
    if (s.Kind == 1) v.template binary<std::uint32_t>("Name", s.Name);
  }
};

// A property tag, with its name if it is a named property.
struct GroupPropertyTag {
  static constexpr std::size_t minimum_size = 4;
  mapi::PropertyTag PropertyTag;
  GroupPropertyName Name;
  static void fields(auto& s, auto& v) {
    v("PropertyTag", s.PropertyTag);
    if (s.PropertyTag.named()) v("GroupPropertyName", s.Name);
  }
};

struct PropertyGroup {
  static constexpr std::size_t minimum_size = 4;
  std::span<const GroupPropertyTag> PropertyTags;
  static void fields(auto& s, auto& v) { v.template counted<std::uint32_t>("PropertyTags", s.PropertyTags); }
};

struct PropertyGroupInfo {
  std::uint32_t GroupId = 0;
  std::uint32_t Reserved = 0;
  std::span<const PropertyGroup> Groups;
  static void fields(auto& s, auto& v) {
    v("GroupId", s.GroupId);
    v("Reserved", s.Reserved);
    v.template counted<std::uint32_t>("Groups", s.Groups);
  }
};

// A string up to its terminating zero, as an element of a list.
struct ServerDN {
  static constexpr std::size_t minimum_size = 1;
  std::string_view text;
  static void fields(auto& s, auto& v) { v.sz("ServerDN", s.text); }
};

struct FolderReplicaInfo {
  std::uint32_t Flags = 0;
  std::uint32_t Depth = 0;
  mapi::LongTermId FolderLongTermId;
  std::uint32_t ServerDNCount = 0;
  std::uint32_t CheapServerDNCount = 0;
  std::span<const ServerDN> ServerDNArray;
  static void fields(auto& s, auto& v) {
    v("Flags", s.Flags);
    v("Depth", s.Depth);
    v("FolderLongTermId", s.FolderLongTermId);
    v("ServerDNCount", s.ServerDNCount);
    v("CheapServerDNCount", s.CheapServerDNCount);
    v.list("ServerDNArray", s.ServerDNArray, s.ServerDNCount);
  }
};

// GID: replica and counter, 22 bytes; stands padded to 24 in ExtendedErrorInfo.
struct PaddedGid {
  mapi::Guid ReplGuid;
  std::array<std::uint8_t, 6> GlobCnt{};
  std::uint16_t Padding = 0;
  static void fields(auto& s, auto& v) {
    v("ReplGuid", s.ReplGuid);
    v("GlobCnt", s.GlobCnt);
    v("Padding", s.Padding);
  }
};

struct ExtendedErrorInfo {
  std::uint16_t Version = 0;
  std::uint16_t Padding = 0;
  std::uint32_t ErrorCode = 0;
  PaddedGid FolderGID;
  PaddedGid MessageGID;
  std::array<std::uint8_t, 24> Reserved{};
  std::uint32_t AuxBytesCount = 0;
  std::uint32_t AuxBytesOffset = 0;  // from the start of the structure
  View rest;                         // reserved bytes, then the auxiliary blocks
  static void fields(auto& s, auto& v) {
    v("Version", s.Version);
    v("Padding", s.Padding);
    v("ErrorCode", s.ErrorCode);
    v("FolderGID", s.FolderGID);
    v("MessageGID", s.MessageGID);
    v("Reserved", s.Reserved);
    v("AuxBytesCount", s.AuxBytesCount);
    v("AuxBytesOffset", s.AuxBytesOffset);
    v.rest("AuxBytes", s.rest);
  }
};

// [MS-OXCFXICS] "XID Structure": who changed, and the change by that replica's count. Eight bytes of
// LocalId at most come from other makers of ids; ours has six.
struct Xid {
  mapi::Guid NamespaceGuid;
  View LocalId;
};
Result<Xid> read_xid(View bytes);

// [MS-OXCFXICS] "PredecessorChangeList Structure": a size byte before each XID.
Result<std::vector<Xid>> read_predecessor_change_list(View bytes);
Bytes write_predecessor_change_list(std::span<const Xid> list);

}  // namespace mapigate::wire::fxics
