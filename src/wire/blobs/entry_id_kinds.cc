#include "wire/blobs/blob_kind.h"
#include "wire/blobs/change_keys.h"
#include "wire/blobs/entry_lists.h"

namespace mapigate::wire::blobs {

std::span<const BlobKind> entry_id_kinds() {
  static constexpr BlobKind kinds[] = {
      kind<EntryId>("entry-id", "PidTagEntryId and all others: folder, message, store, address book, one-off, contact, wrapped"),
      kind<ServerId>("server-id", "values of PtypServerId: PidTagSentMailSvrEID and others"),
      kind<FlatEntryList>("flat-entry-list", "PidTagReplyRecipientEntries and the like"),
      kind<EntryList>("entry-list", "FolderList2 of search folders"),
      buildable_kind<AdditionalRenEntryIdsEx>("additional-ren-entry-ids-ex", "PidTagAdditionalRenEntryIdsEx"),
      buildable_kind<LongTermIdBlob>("long-term-id", "LongTermID"),
      buildable_kind<XID>("xid", "PidTagChangeKey, PidTagSourceKey"),
      buildable_kind<PredecessorChangeList>("pcl", "PidTagPredecessorChangeList"),
  };
  return kinds;
}

EntryId::Kind EntryId::kind_of(std::size_t size, std::uint16_t type) const {
  if (ProviderUID == address_book_provider && Flags[0] == 0) return Kind::address_book;
  if (ProviderUID == mapi::one_off_provider) return Kind::one_off;
  if (ProviderUID == contact_provider) return Kind::contact;
  if (ProviderUID == wrapped_provider) return Kind::wrapped;
  if (ProviderUID == store_provider) return Kind::store;
  // The provider of the rest is the store or the server that they belong to.
  constexpr std::size_t folder_size = 26, message_size = 50, ephemeral_size = 12;
  if (Flags[0] == 0x87 && size >= ephemeral_size) return Kind::ephemeral;
  constexpr std::uint16_t mapped_folder = 0x0005, newsgroup_folder = 0x000C, mapped_message = 0x000B;  // [MS-OXCDATA] 2.2.4
  const bool folder = type == mapi::eitLTPrivateFolder || type == mapi::eitLTPublicFolder || type == mapped_folder ||
                      type == newsgroup_folder;
  const bool message = type == mapi::eitLTPrivateMessage || type == mapi::eitLTPublicMessage || type == mapped_message;
  if (folder && size == folder_size) return Kind::folder;
  if (message && size >= message_size) return Kind::message;
  return Kind::unknown;
}

}  // namespace mapigate::wire::blobs
