// Definitions of search folders ([MS-OXOSRCH] 2.2.1.2).
#pragma once

#include "wire/blobs/entry_lists.h"
#include "wire/blobs/values.h"

namespace mapigate::wire::blobs {

// 2.2.1.2.7 "AddressList".
struct AddressListEntry {
  static constexpr std::size_t minimum_size = 8;
  std::uint32_t Pad = 0;
  std::span<const StoredValue> Properties{};
  static void fields(auto& s, auto& v) {
    const auto n = v.template count<std::uint32_t>("PropertyCount", s.Properties.size());
    v("Pad", s.Pad);
    stored_values(v, "Property", s.Properties, n, ValueForm::stored);
  }
};

// Text behind a length of 8 bits, or of 16 where that is 255.
struct SearchText {
  std::uint8_t Length = 0;
  Utf16 Text{};
  static void fields(auto& s, auto& v, const char* length_name, const char* extended_name, const char* name) {
    v(length_name, s.Length);
    if (s.Length != 0xFF) {
      text(v, name, s.Text, s.Length);
      return;
    }
    counted_text<std::uint16_t>(v, extended_name, name, s.Text);
  }
  void set(Utf16 value) {
    Length = value.size() < 0xFF ? static_cast<std::uint8_t>(value.size()) : 0xFF;
    Text = value;
  }
};

// 2.2.1.2.8 "PidTagSearchFolderDefinition".
struct SearchFolderDefinition {
  static constexpr const char* name = "SearchFolderDefinition";
  enum : std::uint32_t {
    SFST_NUMERIC = 0x01, SFST_TEXT = 0x02, SFST_BINARY = 0x04, SFST_MRES = 0x08, SFST_FILTERSTREAM = 0x10,
    SFST_FOLDERLIST = 0x40,
  };
  std::uint32_t Version = 0x1004;
  std::uint32_t Flags = 0;
  std::uint32_t NumericSearch = 0;
  SearchText TextSearch{};
  View SkipBytes1{};
  std::uint32_t DeepSearch = 0;
  SearchText FolderList1{};
  EntryList FolderList2{};
  bool has_folder_list2 = true;
  std::span<const AddressListEntry> AddressList{};
  View SkipBytes2{};
  const mapi::Restriction* Restriction = nullptr;
  View AdvancedSearchBytes{};  // up to SkipLen3, which is then taken to be zero
  View SkipBytes3{};

  bool has(std::uint32_t flag) const { return (Flags & flag) != 0; }
  static void fields(auto& s, auto& v) {
    v("Version", s.Version);
    v("Flags", s.Flags);
    v("NumericSearch", s.NumericSearch);
    SearchText::fields(s.TextSearch, v, "TextSearchLength", "TextSearchLengthExtended", "TextSearch");
    counted_bytes<std::uint32_t>(v, "SkipLen1", "SkipBytes1", s.SkipBytes1);
    v("DeepSearch", s.DeepSearch);
    SearchText::fields(s.FolderList1, v, "FolderList1Length", "FolderList1LengthExtended", "FolderList1");
    v.template sized<std::uint32_t>("FolderList2Length", [&](auto& v) {
      const bool more = v.more(s.has_folder_list2);
      if constexpr (!std::is_const_v<std::remove_reference_t<decltype(s)>>) s.has_folder_list2 = more;
      if (more) v("FolderList2", s.FolderList2);
    });
    if (s.has(SFST_BINARY)) counted_list<std::uint32_t>(v, "AddressCount", "AddressList", s.AddressList);
    counted_bytes<std::uint32_t>(v, "SkipLen2", "SkipBytes2", s.SkipBytes2);
    if (s.has(SFST_MRES)) restriction_in(v, "Restriction", s.Restriction, RestrictionForm::stored);
    if (s.has(SFST_FILTERSTREAM)) {
      const auto left = bytes_left(v, s.AdvancedSearchBytes.size() + 4);
      v.check(left >= 4, "truncated");
      v.bytes("AdvancedSearchBytes", s.AdvancedSearchBytes, left < 4 ? 0 : left - 4);
    }
    counted_bytes<std::uint32_t>(v, "SkipLen3", "SkipBytes3", s.SkipBytes3);
  }
};

}  // namespace mapigate::wire::blobs
