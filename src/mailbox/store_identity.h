// The ids of a mailbox in the forms in which clients see them. One replica holds everything, so
// that RopLogon, PidTagMappingSignature, the replid map and every long-term id agree (rows L2, L4).
#pragma once

#include <map>
#include <string>

#include "mapi/entry_id.h"
#include "mapi/value.h"

namespace mapigate::mailbox {

using mapi::GlobalCounter;

// The replid of replica_guid; other stores' replicas get 6 and up.
inline constexpr std::uint16_t own_replid = 1, first_foreign_replid = 6;

inline constexpr std::uint32_t owner_rights = 0x000007FB;  // [MS-OXCPERM] 2.2.7

struct StoreIdentity {
  mapi::Guid mailbox;  // MailboxGuid: PidTagRecordKey of the store
  mapi::Guid replica;  // ReplGuid
  std::string user;    // address
  std::string display_name;
  std::string dn;         // of the user (mapi/legacy_dn.h)
  std::string server_dn;  // and of the server

  std::uint16_t smart_no_attach = 0;  // the id of PidLidSmartNoAttach here: what rows say that is named

  std::map<GlobalCounter, std::uint32_t> rights;  // of folders in which the backend does not grant all

  std::uint32_t rights_in(GlobalCounter folder) const;
  bool may_create_in(GlobalCounter folder) const { return (rights_in(folder) & 0x02) != 0; }
  bool may_edit_in(GlobalCounter folder) const { return (rights_in(folder) & 0x20) != 0; }
  std::int32_t folder_access(GlobalCounter folder) const;  // [MS-OXCFOLD] "PidTagAccess"
  std::int32_t folder_level(GlobalCounter folder) const;   // PidTagAccessLevel
  // `folder` as messages have it: hidden ones live here, whatever the backend grants.
  std::int32_t message_access(GlobalCounter folder) const;
  std::int32_t message_level(GlobalCounter folder) const;

  mapi::Id id(GlobalCounter counter) const { return counter ? mapi::Id(own_replid, counter) : mapi::Id(); }
  Bytes source_key(GlobalCounter counter) const;              // 22 bytes; PidTagChangeKey has the same form
  Bytes predecessor_change_list(GlobalCounter change) const;  // [MS-OXCFXICS] "PredecessorChangeList Structure"
  Bytes folder_entry_id(GlobalCounter folder) const;
  Bytes message_entry_id(GlobalCounter folder, GlobalCounter message) const;
  Bytes store_entry_id() const;  // [MS-OXCDATA] 2.2.4.3 "Store Object EntryID Structure"
  Bytes user_entry_id() const;   // [MS-NSPI] "PermanentEntryID"
};

using mapi::address_book_entry_id;

}  // namespace mapigate::mailbox
