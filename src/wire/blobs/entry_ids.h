// Entry ids of all kinds, taken apart ([MS-OXCDATA] 2.2.4 and 2.2.5, [MS-OXOCNTC] "Contact Address EntryID"
// and "WrappedEntryId", [MS-NSPI] 2.2.9). What code needs to build one is in mapi/entry_id.h.
#pragma once

#include <cstring>

#include "base/text.h"
#include "mapi/entry_id.h"
#include "wire/blobs/blob_fields.h"

namespace mapigate::wire::blobs {

// muidEMSAB: permanent entry ids of address books.
inline constexpr mapi::Guid address_book_provider{
    {0xDC, 0xA7, 0x40, 0xC8, 0xC0, 0x42, 0x10, 0x1A, 0xB4, 0xB9, 0x08, 0x00, 0x2B, 0x2F, 0xE1, 0x82}};
// muidContabDLL: e-mail addresses of contacts.
inline constexpr mapi::Guid contact_provider{
    {0xFE, 0x42, 0xAA, 0x0A, 0x18, 0xC7, 0x1A, 0x10, 0xE8, 0x85, 0x0B, 0x65, 0x1C, 0x24, 0x00, 0x00}};
// WAB_GUID: members of personal distribution lists.
inline constexpr mapi::Guid wrapped_provider{
    {0xC0, 0x91, 0xAD, 0xD3, 0x51, 0x9D, 0xCF, 0x11, 0xA4, 0xA9, 0x00, 0xAA, 0x00, 0x47, 0xFA, 0xA4}};
// muidStoreWrap: stores.
inline constexpr mapi::Guid store_provider{
    {0x38, 0xA1, 0xBB, 0x10, 0x05, 0xE5, 0x10, 0x1A, 0xA1, 0xBB, 0x08, 0x00, 0x2B, 0x2A, 0x56, 0xC2}};

// Any entry id. Bytes that no known provider explains are in Rest, so that all bytes read are written again.
struct EntryId {
  static constexpr const char* name = "EntryId";
  static constexpr std::size_t minimum_size = 0;
  static constexpr unsigned max_depth = 8;  // of entry ids within entry ids
  static constexpr std::string_view dll = "emsmdb.dll";  // the provider of an Exchange store
  enum class Kind : std::uint8_t { unknown, folder, message, address_book, ephemeral, one_off, contact, wrapped, store };
  enum : std::uint32_t { CONTAB_ROOT = 1, CONTAB_SUBROOT = 2, CONTAB_CONTAINER = 3, CONTAB_USER = 4, CONTAB_DISTLIST = 5 };
  enum : std::uint16_t { MAPI_UNICODE = 0x8000, MAPI_LOOKUP = 0x1000, MAPI_ONE_OFF_NO_RICH_INFO = 0x0001 };
  enum : std::uint32_t { store_v2 = 0xF32135D8, store_v3 = 0xF43246E9 };

  unsigned depth = 0;
  Kind kind = Kind::unknown;
  bool has_provider = true;  // not: fewer than 20 bytes, all in Rest
  std::array<std::uint8_t, 4> Flags{};
  mapi::Guid ProviderUID{};
  // folder, message
  std::uint16_t ObjectType = 0;
  mapi::LongTermId Folder{};
  mapi::LongTermId Message{};
  // address_book, ephemeral, contact
  std::uint32_t Version = 1;
  std::uint32_t Type = 0;
  std::string_view X500DN{};
  std::uint32_t MId = 0;
  std::uint32_t Index = 0;  // 0 to 2 the e-mail addresses, 3 to 5 the fax numbers
  mapi::Guid ContainerUID{};
  // one_off
  std::uint16_t OneOffVersion = 0;
  std::uint16_t OneOffFlags = 0;
  Utf16 DisplayName{}, AddressType{}, EmailAddress{};
  std::string_view DisplayName8{}, AddressType8{}, EmailAddress8{};
  // contact, wrapped: what it stands for
  std::uint8_t WrappedType = 0;
  const EntryId* Embedded = nullptr;
  // store
  std::uint8_t StoreVersion = 0;
  std::uint8_t StoreFlag = 0;
  View DLLFileName{};  // with its zero, filled up as dll_size() says
  std::uint32_t WrappedFlags = 0;
  mapi::Guid WrappedProviderUID{};
  std::uint32_t WrappedStoreType = 0;
  std::string_view ServerShortname{};
  bool has_mailbox_dn = true;
  std::string_view MailboxDN{};
  bool has_extension = false;  // of newer stores: Magic and what follows
  std::uint32_t Magic = 0, Size = 0, ExtensionVersion = 0, OffsetDN = 0, OffsetFQDN = 0;

  View Rest{};

  bool of_exchange() const {
    return equal_ignoring_ascii_case(as_text(DLLFileName.first(std::min(dll.size(), DLLFileName.size()))), dll);
  }

  // To be asked when Flags and ProviderUID are known, with the number of bytes behind them.
  Kind kind_of(std::size_t size, std::uint16_t type) const;

  static void fields(auto& s, auto& v) {
    follows(v, s.has_provider, 20);
    if (s.has_provider) {
      v("Flags", s.Flags);
      v("ProviderUID", s.ProviderUID);
      find_kind(s, v);
      switch (s.kind) {
        case Kind::folder: folder_fields(s, v); break;
        case Kind::message: message_fields(s, v); break;
        case Kind::address_book:
        case Kind::ephemeral: address_fields(s, v); break;
        case Kind::one_off: one_off_fields(s, v); break;
        case Kind::contact: contact_fields(s, v); break;
        case Kind::wrapped: wrapped_fields(s, v); break;
        case Kind::store: store_fields(s, v); break;
        case Kind::unknown: break;
      }
    }
    if (bytes_left(v, s.Rest.size()) != 0) v.rest("Rest", s.Rest);
  }

 private:
  template <class V>
  static void find_kind(auto& s, V& v) {
    if constexpr (ReadingVisitor<V>) {
      auto& cursor = v.cursor();
      const auto left = cursor.left();
      const auto type = left < 2 ? 0 : cursor.position()[0] | cursor.position()[1] << 8;
      s.kind = s.kind_of(left, static_cast<std::uint16_t>(type));
      v.check(s.depth < max_depth, "entry ids are nested too deeply");
    }
  }
  static void folder_fields(auto& s, auto& v) {
    v("FolderType", s.ObjectType);
    v("DatabaseGuid", s.Folder.DatabaseGuid);
    v("GlobalCounter", s.Folder.GlobalCounter);
    v("Pad", s.Folder.Pad);
  }
  static void message_fields(auto& s, auto& v) {
    v("MessageType", s.ObjectType);
    v("FolderDatabaseGuid", s.Folder.DatabaseGuid);
    v("FolderGlobalCounter", s.Folder.GlobalCounter);
    v("Pad1", s.Folder.Pad);
    v("MessageDatabaseGuid", s.Message.DatabaseGuid);
    v("MessageGlobalCounter", s.Message.GlobalCounter);
    v("Pad2", s.Message.Pad);
  }
  static void address_fields(auto& s, auto& v) {
    v("Version", s.Version);
    v("Type", s.Type);
    if (s.kind == Kind::ephemeral) v("MId", s.MId);
    else v.sz("X500DN", s.X500DN);
  }
  static void one_off_fields(auto& s, auto& v) {
    v("Version", s.OneOffVersion);
    v("Flags", s.OneOffFlags);
    if ((s.OneOffFlags & MAPI_UNICODE) != 0) {
      v.sz("DisplayName", s.DisplayName), v.sz("AddressType", s.AddressType), v.sz("EmailAddress", s.EmailAddress);
    } else {
      v.sz("DisplayName", s.DisplayName8), v.sz("AddressType", s.AddressType8), v.sz("EmailAddress", s.EmailAddress8);
    }
  }
  static void contact_fields(auto& s, auto& v) {
    v("Version", s.Version);
    v("Type", s.Type);
    if (s.Type == CONTAB_USER || s.Type == CONTAB_DISTLIST) {
      v("Index", s.Index);
      v.template sized<std::uint32_t>("EntryIDCount", [&](auto& v) { nested(v, "EntryId", s.Embedded, s.depth + 1); });
    } else if (s.Type == CONTAB_ROOT || s.Type == CONTAB_SUBROOT || s.Type == CONTAB_CONTAINER) {
      v("muidID", s.ContainerUID);
      nested(v, "EntryId", s.Embedded, s.depth + 1);
    }
  }
  static void wrapped_fields(auto& s, auto& v) {
    v("WrappedType", s.WrappedType);
    nested(v, "EmbeddedEntryId", s.Embedded, s.depth + 1);
  }
  template <class V>
  static void store_fields(auto& s, V& v) {
    v("Version", s.StoreVersion);
    v("Flag", s.StoreFlag);
    v.bytes("DLLFileName", s.DLLFileName, dll_size(v, s.DLLFileName.size()));
    v("WrappedFlags", s.WrappedFlags);
    v("WrappedProviderUID", s.WrappedProviderUID);
    if (!s.of_exchange()) return;  // what other providers put behind is their own affair
    v("WrappedType", s.WrappedStoreType);
    v.sz("ServerShortname", s.ServerShortname);
    if constexpr (ReadingVisitor<V>) s.has_mailbox_dn = v.cursor().left() != 0 && !at_extension(v.cursor());
    if (s.has_mailbox_dn) v.sz("MailboxDN", s.MailboxDN);
    if constexpr (ReadingVisitor<V>) s.has_extension = at_extension(v.cursor());
    if (!s.has_extension) return;
    v("Magic", s.Magic);
    v("Size", s.Size);
    v("ExtensionVersion", s.ExtensionVersion);
    v(s.Magic == store_v2 ? "OffsetDN" : "OffsetSmtpAddress", s.OffsetDN);
    if (s.Magic == store_v2) v("OffsetFQDN", s.OffsetFQDN);
  }
  // The specification has 14 bytes, which is what emsmdb.dll takes: the entry id that is wrapped begins at a multiple
  // of four. Behind mspst.dll, for instance, that is after 10.
  template <class V>
  static std::size_t dll_size(V& v, std::size_t otherwise) {
    if constexpr (ReadingVisitor<V>) {
      constexpr std::size_t before = 22, of_emsmdb = 14;
      const auto& cursor = v.cursor();
      const auto* zero = cursor.left() == 0 ? nullptr : std::memchr(cursor.position(), 0, std::min<std::size_t>(cursor.left(), 64));
      if (zero == nullptr) return of_emsmdb;
      const auto name = static_cast<std::size_t>(static_cast<const std::uint8_t*>(zero) - cursor.position());
      return (before + name + 1 + 3) / 4 * 4 - before;
    }
    return otherwise;
  }
  static bool at_extension(const Cursor& cursor) {
    std::uint32_t magic = 0;
    if (cursor.left() < 20) return false;
    std::memcpy(&magic, cursor.position(), sizeof magic);
    return magic == store_v2 || magic == store_v3;
  }
};

// An entry id behind its size.
template <std::unsigned_integral Size>
void sized_entry_id(auto& v, const char* size_name, const char* name, auto& id) {
  v.template sized<Size>(size_name, [&](auto& v) {
    if (v.more(id.has_provider || !id.Rest.empty())) v(name, id);
    else none(id);
  });
}
inline void none(EntryId& id) { id.has_provider = false; }
inline void none(const EntryId&) {}
using EntryIdField = EntryId;

}  // namespace mapigate::wire::blobs
