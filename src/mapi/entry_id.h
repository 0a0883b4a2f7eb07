// Entry ids and search keys ([MS-OXCDATA] 2.2.4 and 2.2.5, [MS-OXCMSG] 2.2.1.4).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "mapi/ids.h"

namespace mapigate::mapi {

// [MS-OXCDATA] 2.2.5.1 "One-Off EntryID Structure": 812B1FA4-BEA3-1019-9D6E-00DD010F5402 in wire order.
inline constexpr Guid one_off_provider{
    {0x81, 0x2B, 0x1F, 0xA4, 0xBE, 0xA3, 0x10, 0x19, 0x9D, 0x6E, 0x00, 0xDD, 0x01, 0x0F, 0x54, 0x02}};
// [MS-OXCDATA] 2.2.4.1: the provider of every public folder store.
inline constexpr Guid public_folder_provider{
    {0x1A, 0x44, 0x73, 0x90, 0xAA, 0x66, 0x11, 0xCD, 0x9B, 0xC8, 0x00, 0xAA, 0x00, 0x2F, 0xC4, 0x5A}};

inline constexpr std::uint16_t eitLTPrivateFolder = 0x0001, eitLTPublicFolder = 0x0003;
inline constexpr std::uint16_t eitLTPrivateMessage = 0x0007, eitLTPublicMessage = 0x0009;

// [MS-OXCDATA] 2.2.4.1 "Folder EntryID Structure", 46 bytes.
struct FolderEntryId {
  std::uint32_t Flags = 0;
  Guid ProviderUID;  // of the mailbox store (MailboxGuid), or public_folder_provider
  std::uint16_t FolderType = eitLTPrivateFolder;
  Guid DatabaseGuid;
  std::array<std::uint8_t, 6> GlobalCounter{};
  std::uint16_t Pad = 0;
  static void fields(auto& s, auto& v) {
    v("Flags", s.Flags);
    v("ProviderUID", s.ProviderUID);
    v("FolderType", s.FolderType);
    v("DatabaseGuid", s.DatabaseGuid);
    v("GlobalCounter", s.GlobalCounter);
    v("Pad", s.Pad);
  }
  bool operator==(const FolderEntryId&) const = default;
};

// [MS-OXCDATA] 2.2.4.2 "Message EntryID Structure", 70 bytes.
struct MessageEntryId {
  std::uint32_t Flags = 0;
  Guid ProviderUID;
  std::uint16_t MessageType = eitLTPrivateMessage;
  Guid FolderDatabaseGuid;
  std::array<std::uint8_t, 6> FolderGlobalCounter{};
  std::uint16_t FolderPad = 0;
  Guid MessageDatabaseGuid;
  std::array<std::uint8_t, 6> MessageGlobalCounter{};
  std::uint16_t MessagePad = 0;
  static void fields(auto& s, auto& v) {
    v("Flags", s.Flags);
    v("ProviderUID", s.ProviderUID);
    v("MessageType", s.MessageType);
    v("FolderDatabaseGuid", s.FolderDatabaseGuid);
    v("FolderGlobalCounter", s.FolderGlobalCounter);
    v("Pad", s.FolderPad);
    v("MessageDatabaseGuid", s.MessageDatabaseGuid);
    v("MessageGlobalCounter", s.MessageGlobalCounter);
    v("Pad", s.MessagePad);
  }
  bool operator==(const MessageEntryId&) const = default;
};

Bytes encode(const FolderEntryId& id);
Bytes encode(const MessageEntryId& id);
// Exactly the structure's size; anything else is malformed.
Result<FolderEntryId> parse_folder_entry_id(View bytes);
Result<MessageEntryId> parse_message_entry_id(View bytes);

// A recipient that stands in no address book. Strings are UTF-8.
struct OneOff {
  std::string DisplayName;
  std::string AddressType;
  std::string EmailAddress;
  bool operator==(const OneOff&) const = default;
};
// [MS-OXCDATA] 2.2.5.2: an entry of the address book, addressed by its distinguished name.
Bytes address_book_entry_id(std::string_view dn);
// Unicode form; marked as "no TNEF, do not look up", as fits an Internet address.
Bytes one_off_entry_id(std::string_view display_name, std::string_view email_address,
                       std::string_view address_type = "SMTP");
// Both forms; the 8-bit one is read as code page 1252.
Result<OneOff> parse_one_off_entry_id(View bytes);
bool is_one_off_entry_id(View bytes);

// "SMTP:USER@EXAMPLE.COM" with its terminating zero byte ([MS-OXCMSG] "PidTagSearchKey" of addresses).
Bytes search_key(std::string_view email_address, std::string_view address_type = "SMTP");

// [MS-OXCDATA] 2.3.3 "FlatEntryList": the value of PidTagReplyRecipientEntries.
Bytes flat_entry_list(std::span<const Bytes> entry_ids);
Result<std::vector<Bytes>> parse_flat_entry_list(View bytes);

}  // namespace mapigate::mapi
