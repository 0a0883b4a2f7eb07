#include "mailbox/store_identity.h"

#include "base/cursor.h"

namespace mapigate::mailbox {

namespace {

Bytes guid_and_counter(const mapi::Guid& guid, GlobalCounter counter) {
  Bytes out(guid.bytes.begin(), guid.bytes.end());
  const auto bytes = mapi::counter_bytes(counter);
  out.insert(out.end(), bytes.begin(), bytes.end());
  return out;
}
void text_z(Output& out, std::string_view text) {
  out.bytes(as_view(text));
  out.scalar<std::uint8_t>(0);
}

}  // namespace

std::uint32_t StoreIdentity::rights_in(GlobalCounter folder) const {
  const auto found = rights.find(folder);
  return found == rights.end() ? owner_rights : found->second;
}
std::int32_t StoreIdentity::folder_access(GlobalCounter folder) const {
  const auto granted = rights_in(folder);
  std::int32_t out = 0x20;                  // hidden messages may be created: they live here
  if (granted & 0x100) out |= 0x01 | 0x04;  // FolderOwner: modify, delete
  if (granted & 0x01) out |= 0x02;
  if (granted & 0x80) out |= 0x08;
  if (granted & 0x02) out |= 0x10;
  return out;
}
std::int32_t StoreIdentity::folder_level(GlobalCounter folder) const { return (rights_in(folder) & (0x02 | 0x20 | 0x40 | 0x100)) != 0; }
std::int32_t StoreIdentity::message_access(GlobalCounter folder) const {
  const auto granted = rights_in(folder);  // of a hidden message's folder nothing stands in the list
  return (granted & 0x20 ? 1 : 0) | (granted & 0x01 ? 2 : 0) | (granted & 0x40 ? 4 : 0);
}
std::int32_t StoreIdentity::message_level(GlobalCounter folder) const { return may_edit_in(folder); }

Bytes StoreIdentity::source_key(GlobalCounter counter) const { return guid_and_counter(replica, counter); }
Bytes StoreIdentity::predecessor_change_list(GlobalCounter change) const {
  auto out = guid_and_counter(replica, change);
  out.insert(out.begin(), static_cast<std::uint8_t>(out.size()));
  return out;
}
Bytes StoreIdentity::folder_entry_id(GlobalCounter folder) const {
  return mapi::encode(mapi::FolderEntryId{0, mailbox, mapi::eitLTPrivateFolder, replica, mapi::counter_bytes(folder), 0});
}
Bytes StoreIdentity::message_entry_id(GlobalCounter folder, GlobalCounter message) const {
  return mapi::encode(mapi::MessageEntryId{0, mailbox, mapi::eitLTPrivateMessage, replica, mapi::counter_bytes(folder), 0,
                                           replica, mapi::counter_bytes(message), 0});
}
Bytes StoreIdentity::store_entry_id() const {
  static constexpr std::uint8_t wrapper[16] = {0x38, 0xA1, 0xBB, 0x10, 0x05, 0xE5, 0x10, 0x1A,
                                               0xA1, 0xBB, 0x08, 0x00, 0x2B, 0x2A, 0x56, 0xC2};
  static constexpr std::uint8_t mailbox_store[16] = {0x1B, 0x55, 0xFA, 0x20, 0xAA, 0x66, 0x11, 0xCD,
                                                     0x9B, 0xC8, 0x00, 0xAA, 0x00, 0x2F, 0xC4, 0x5A};
  Bytes bytes;
  Output out(bytes);
  out.scalar<std::uint32_t>(0);
  out.bytes(wrapper);
  out.scalar<std::uint16_t>(0);  // Version, Flag
  out.bytes(as_view(std::string_view("emsmdb.dll\0\0\0\0", 14)));
  out.scalar<std::uint32_t>(0);
  out.bytes(mailbox_store);
  out.scalar<std::uint32_t>(0x0000000C);
  const auto server = server_dn.rfind('=');
  text_z(out, server == std::string::npos ? server_dn : server_dn.substr(server + 1));
  text_z(out, dn);
  return bytes;
}
Bytes StoreIdentity::user_entry_id() const { return address_book_entry_id(dn); }

}  // namespace mapigate::mailbox
