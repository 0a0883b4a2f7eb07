// Lists of entry ids: of recipients, of search folders, of special folders. And the ids that servers give instead.
#pragma once

#include "wire/blobs/entry_ids.h"

namespace mapigate::wire::blobs {

// [MS-OXCDATA] 2.11.1.4 "PtypServerId": the value without its size.
struct ServerId {
  static constexpr const char* name = "ServerId";
  std::uint8_t Ours = 1;
  mapi::Id FolderId{};
  mapi::Id MessageId{};  // zero: a folder
  std::uint32_t Instance = 0;
  View ClientData{};  // not Ours: as the client made it
  static void fields(auto& s, auto& v) {
    v("Ours", s.Ours);
    if (s.Ours != 1) return v.rest("ClientData", s.ClientData);
    v("FolderId", s.FolderId);
    v("MessageId", s.MessageId);
    v("Instance", s.Instance);
  }
};

// [MS-OXCDATA] 2.3.3 "FlatEntryList", the value of PidTagReplyRecipientEntries and the like.
struct FlatEntry {
  static constexpr std::size_t minimum_size = 4;
  blobs::EntryId EntryId{};
  View Padding{};  // to a multiple of four; missing behind the last one of some
  static void fields(auto& s, auto& v) {
    const auto before = bytes_left(v, 0);
    sized_entry_id<std::uint32_t>(v, "Size", "EntryId", s.EntryId);
    const auto left = bytes_left(v, 0);
    const auto missing = (4 - (before - left) % 4) % 4;
    const auto padding = padding_of(v, std::min(missing, left), s.Padding.size());
    if (padding != 0) v.bytes("Padding", s.Padding, padding);
  }
  template <class V>
  static std::size_t padding_of(V&, std::size_t read, std::size_t written) {
    return ReadingVisitor<V> ? read : written;
  }
};
struct FlatEntryList {
  static constexpr const char* name = "FlatEntryList";
  std::uint32_t cbEntries = 0;  // of all that follows
  std::span<const FlatEntry> FlatEntries{};
  static void fields(auto& s, auto& v) {
    const auto n = v.template count<std::uint32_t>("cEntries", s.FlatEntries.size());
    v("cbEntries", s.cbEntries);
    v.list("FlatEntries", s.FlatEntries, n);
  }
};

// [MS-OXOSRCH] "FolderList2": sizes first, then the entry ids; the pads are remains of pointers.
struct EntryListSize {
  static constexpr std::size_t minimum_size = 8;
  std::uint32_t EntryLength = 0;
  std::uint32_t EntryLengthPad = 0;
  static void fields(auto& s, auto& v) {
    v("EntryLength", s.EntryLength);
    v("EntryLengthPad", s.EntryLengthPad);
  }
};
struct EntryList {
  static constexpr const char* name = "EntryList";
  std::uint32_t Pad = 0;
  std::span<const EntryListSize> Sizes{};
  std::span<const EntryId> EntryIds{};
  static void fields(auto& s, auto& v) {
    const auto n = v.template count<std::uint32_t>("EntryCount", s.Sizes.size());
    v("Pad", s.Pad);
    v.list("Sizes", s.Sizes, n);
    entry_ids(s, v);
  }

 private:
  template <class V>
  static void entry_ids(auto& s, V& v) {
    if constexpr (ReadingVisitor<V>) {
      if (!v.cursor().ok()) return;
      const auto ids = v.arena().template make_span<EntryId>(s.Sizes.size());
      for (std::size_t i = 0; i < ids.size() && v.cursor().ok(); ++i) {
        v.cursor().set_field("EntryId");
        const auto* end = v.cursor().narrow(s.Sizes[i].EntryLength);
        v("EntryId", ids[i]);
        v.cursor().widen(end);
      }
      s.EntryIds = ids;
    } else {
      v.check(s.EntryIds.size() == s.Sizes.size(), "EntryIds");
      for (const auto& id : s.EntryIds) v("EntryId", id);
    }
  }
};

// [MS-OXOSFLD] 2.2.5 "PidTagAdditionalRenEntryIdsEx": entry ids of special folders, ended by PersistID 0.
struct DataElement {
  static constexpr std::size_t minimum_size = 4;
  enum : std::uint16_t { RSF_ELID_ENTRYID = 0x0001, RSF_ELID_HEADER = 0x0002 };
  std::uint16_t ElementID = 0;
  View ElementData{};
  static void fields(auto& s, auto& v) {
    v("ElementID", s.ElementID);
    counted_bytes<std::uint16_t>(v, "ElementDataSize", "ElementData", s.ElementData);
  }
};
struct PersistData {
  static constexpr std::size_t minimum_size = 4;
  enum : std::uint16_t {
    PERSIST_SENTINEL = 0x0000, RSF_PID_RSS_SUBSCRIPTION = 0x8001, RSF_PID_SEND_AND_TRACK = 0x8002,
    RSF_PID_TODO_SEARCH = 0x8004, RSF_PID_CONV_ACTIONS = 0x8006, RSF_PID_COMBINED_ACTIONS = 0x8007,
    RSF_PID_SUGGESTED_CONTACTS = 0x8008, RSF_PID_CONTACT_SEARCH = 0x8009, RSF_PID_BUDDYLIST_PDLS = 0x800A,
    RSF_PID_BUDDYLIST_CONTACTS = 0x800B,
  };
  std::uint16_t PersistID = 0;
  std::span<const DataElement> DataElements{};
  static void fields(auto& s, auto& v) {
    v("PersistID", s.PersistID);
    v.template sized<std::uint16_t>("DataElementsSize", [&](auto& v) { v.list_to_end("DataElements", s.DataElements); });
  }
};
struct AdditionalRenEntryIdsEx {
  static constexpr const char* name = "AdditionalRenEntryIdsEx";
  std::span<const blobs::PersistData> PersistData{};
  static void fields(auto& s, auto& v) { v.list_to_end("PersistData", s.PersistData); }
};

}  // namespace mapigate::wire::blobs
