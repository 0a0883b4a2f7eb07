#include "wire/blobs/blob_kind.h"
#include "wire/blobs/folder_blobs.h"
#include "wire/blobs/security.h"

namespace mapigate::wire::blobs {

std::span<const BlobKind> folder_kinds() {
  static constexpr BlobKind kinds[] = {
      kind<ExtendedFolderFlags>("extended-folder-flags", "PidTagExtendedFolderFlags"),
      kind<FreeBusyMonth>("free-busy", "each value of PidTagScheduleInfoFreeBusyBusy, …Away, …Tentative, …Merged"),
      kind<Tombstone>("tombstone", "deleted meetings"),
      kind<SwappedToDoData>("swapped-to-do", "PidTagSwappedToDoData"),
      kind<WebViewPersistStream>("web-view", "PidTagFolderWebViewInfo"),
      buildable_kind<GuidBlob>("guid", "PidTagReplyTemplateId, PidTagWlinkGroupHeaderID, …FolderType, …ClientID"),
      buildable_kind<WlinkOrdinal>("wlink-ordinal", "PidTagWlinkOrdinal"),
      kind<SID>("sid", "security identifiers"),
      kind<ACE>("ace", "entries of access control lists"),
      kind<ACL>("acl", "access control lists"),
      kind<SecurityDescriptor>("security-descriptor", "self-relative security descriptors"),
      kind<TransferDescriptor>("nt-security-descriptor", "PidTagNTSecurityDescriptor"),
  };
  return kinds;
}

std::string to_string(const SID& sid) {
  std::uint64_t authority = 0;
  for (const auto byte : sid.IdentifierAuthority) authority = authority << 8 | byte;
  auto out = authority > 0xFFFFFFFF ? fmt::format("S-{}-0x{:x}", sid.Revision, authority) : fmt::format("S-{}-{}", sid.Revision, authority);
  for (const auto part : sid.SubAuthority) out += fmt::format("-{}", part);
  return out;
}

std::string_view GuidBlob::meaning() const {
  struct Known {
    mapi::Guid guid;
    std::string_view meaning;
  };
  static constexpr Known known[] = {
      {folder(0x7800), "mail folder"},   {folder(0x7802), "calendar folder"}, {folder(0x7801), "contacts folder"},
      {folder(0x7803), "tasks folder"},  {folder(0x7804), "notes folder"},    {folder(0x7808), "journal folder"},
  };
  for (const auto& [one, text] : known)
    if (one == guid) return text;
  return {};
}

Bytes ordinal_between(View before, View after) {
  // Digits of base 256 behind a point: the first place with room takes the middle.
  Bytes out;
  bool bounded = !after.empty();
  for (std::size_t i = 0;; ++i) {
    const unsigned low = i < before.size() ? before[i] : 0;
    const unsigned high = bounded && i < after.size() ? after[i] : 256;
    if (high > low + 1) {
      out.push_back(static_cast<std::uint8_t>((low + high) / 2));
      return out;
    }
    out.push_back(static_cast<std::uint8_t>(low));
    if (high > low) bounded = false;  // anything below this digit is smaller than `after` from here on
    if (i >= before.size() + after.size() + 1) return out;  // `before` was not smaller
  }
}

}  // namespace mapigate::wire::blobs
