// User-defined fields of folders and forms ([MS-OXOCFG]) and voting buttons ([MS-OXOMSG]).
#pragma once

#include "wire/blobs/blob_fields.h"

namespace mapigate::wire::blobs {

// [MS-OXOMSG] 2.2.1.74.1 "VoteOption".
struct VoteOption {
  static constexpr std::size_t minimum_size = 33;
  std::uint32_t VerbType = 0;
  std::string_view DisplayName{};
  std::string_view MsgClsName{};
  std::string_view Internal1String{};
  std::string_view DisplayNameRepeat{};
  std::uint32_t Internal2 = 0;
  std::uint8_t Internal3 = 0;
  std::uint32_t fUseUSHeaders = 0;
  std::uint32_t Internal4 = 1;
  std::uint32_t SendBehavior = 0;
  std::uint32_t Internal5 = 2;
  std::uint32_t ID = 0;
  std::uint32_t Internal6 = 0xFFFFFFFF;
  static void fields(auto& s, auto& v) {
    v("VerbType", s.VerbType);
    counted_text<std::uint8_t>(v, "DisplayNameCount", "DisplayName", s.DisplayName);
    counted_text<std::uint8_t>(v, "MsgClsNameCount", "MsgClsName", s.MsgClsName);
    counted_text<std::uint8_t>(v, "Internal1StringCount", "Internal1String", s.Internal1String);
    counted_text<std::uint8_t>(v, "DisplayNameCountRepeat", "DisplayNameRepeat", s.DisplayNameRepeat);
    v("Internal2", s.Internal2);
    v("Internal3", s.Internal3);
    v("fUseUSHeaders", s.fUseUSHeaders);
    v("Internal4", s.Internal4);
    v("SendBehavior", s.SendBehavior);
    v("Internal5", s.Internal5);
    v("ID", s.ID);
    v("Internal6", s.Internal6);
  }
};
// [MS-OXOMSG] 2.2.1.74.2.
struct VoteOptionExtras {
  static constexpr std::size_t minimum_size = 2;
  Utf16 DisplayName{};
  Utf16 DisplayNameRepeat{};
  static void fields(auto& s, auto& v) {
    counted_text<std::uint8_t>(v, "DisplayNameCount", "DisplayName", s.DisplayName);
    counted_text<std::uint8_t>(v, "DisplayNameCountRepeat", "DisplayNameRepeat", s.DisplayNameRepeat);
  }
};
// [MS-OXOMSG] 2.2.1.74 "PidLidVerbStream".
struct VerbStream {
  static constexpr const char* name = "VerbStream";
  std::uint16_t Version = 0x0102;
  std::span<const VoteOption> VoteOptions{};
  std::uint16_t Version2 = 0x0104;
  std::span<const VoteOptionExtras> Extras{};  // as many as VoteOptions
  static void fields(auto& s, auto& v) {
    v("Version", s.Version);
    const auto n = v.template count<std::uint32_t>("Count", s.VoteOptions.size());
    v.list("VoteOption", s.VoteOptions, n);
    v("Version2", s.Version2);
    v.list("VoteOptionExtras", s.Extras, n);
  }
};

// [MS-OXOCFG] "PackedAnsiString" and "PackedUnicodeString": a length of 8 bits, or 0xFF and one of 16.
template <class Text>
struct PackedString {
  std::uint8_t Length = 0;
  Text Characters{};
  static void fields(auto& s, auto& v) {
    v("Length", s.Length);
    if (s.Length == 0xFF) counted_text<std::uint16_t>(v, "ExtendedLength", "Characters", s.Characters);
    else text(v, "Characters", s.Characters, s.Length);
  }
  void set(Text value) {
    Length = value.size() < 0xFF ? static_cast<std::uint8_t>(value.size()) : 0xFF;
    Characters = value;
  }
};
using PackedAnsiString = PackedString<std::string_view>;
using PackedUnicodeString = PackedString<Utf16>;

// One definition of PidLidPropertyDefinitionStream.
struct FieldDefinition {
  static constexpr std::size_t minimum_size = 15;
  struct SkipBlock {
    static constexpr std::size_t minimum_size = 4;
    View Content{};
    static void fields(auto& s, auto& v) { counted_bytes<std::uint32_t>(v, "Size", "Content", s.Content); }
  };
  std::uint32_t Flags = 0;
  std::uint16_t VT = 0;
  std::uint32_t DispID = 0;
  Utf16 NmidName{};
  PackedAnsiString NameAnsi{}, FormulaANSI{}, ValidationRuleANSI{}, ValidationTextANSI{}, ErrorANSI{};
  std::uint32_t InternalType = 0;
  // The first holds the name as PackedUnicodeString; without the empty one that ends them.
  std::span<const SkipBlock> SkipBlocks{};
  template <class V>
  static void fields(auto& s, V& v, std::uint16_t version) {
    v("Flags", s.Flags);
    v("VT", s.VT);
    v("DispID", s.DispID);
    counted_text<std::uint16_t>(v, "NmidNameLength", "NmidName", s.NmidName);
    v("NameAnsi", s.NameAnsi);
    v("FormulaANSI", s.FormulaANSI);
    v("ValidationRuleANSI", s.ValidationRuleANSI);
    v("ValidationTextANSI", s.ValidationTextANSI);
    v("ErrorANSI", s.ErrorANSI);
    if (version != 0x0103) return;
    v("InternalType", s.InternalType);
    if constexpr (std::is_same_v<V, FieldReader>) {
      // The first pass counts.
      const auto start = v.cursor();
      std::size_t count = 0;
      for (SkipBlock block; v.ok(); ++count) {
        v("SkipBlock", block);
        if (block.Content.empty()) break;
      }
      if (!v.ok()) return;
      v.cursor() = start;
      v.list("SkipBlock", s.SkipBlocks, count);
      end_block(v);
    } else if constexpr (TellingVisitor<V>) {
      for (SkipBlock block; v.ok();) {
        v("SkipBlock", block);
        if (block.Content.empty()) break;
      }
    } else {
      v.list("SkipBlock", s.SkipBlocks, s.SkipBlocks.size());
      end_block(v);
    }
  }

 private:
  static void end_block(auto& v) {
    std::uint32_t size = 0;
    v("SkipBlock", size);
    v.check(size == 0, "the blocks do not end");
  }
};
// PidLidPropertyDefinitionStream: the fields of a form or an item.
struct PropertyDefinitionStream {
  static constexpr const char* name = "PropertyDefinitionStream";
  enum : std::uint16_t { PropDefV1 = 0x0102, PropDefV2 = 0x0103 };
  std::uint16_t Version = PropDefV2;
  std::span<const FieldDefinition> FieldDefinitions{};
  static void fields(auto& s, auto& v) {
    v("Version", s.Version);
    const auto n = v.template count<std::uint32_t>("FieldDefinitionCount", s.FieldDefinitions.size());
    v.list_in("FieldDefinition", s.FieldDefinitions, n, s.Version);
  }
};

// [MS-OXOCFG] 2.2.8.1 "PidTagUserFields": the fields of a folder, first with 8-bit names, then with Unicode ones.
template <class Text>
struct FolderUserField {
  static constexpr std::size_t minimum_size = 44;
  std::uint32_t FieldType = 0;
  Text FieldName{};
  mapi::Guid PropSetGuid{};
  std::uint32_t fcapm = 0;
  std::uint32_t dwString = 0;
  std::uint32_t dwBitmap = 0;
  std::uint32_t dwDisplay = 0;
  std::uint32_t iFmt = 0;
  Utf16 wszFormula{};
  static void fields(auto& s, auto& v) {
    v("FieldType", s.FieldType);
    counted_text<std::uint16_t>(v, "FieldNameLength", "FieldName", s.FieldName);
    v("PropSetGuid", s.PropSetGuid);
    v("fcapm", s.fcapm);
    v("dwString", s.dwString);
    v("dwBitmap", s.dwBitmap);
    v("dwDisplay", s.dwDisplay);
    v("iFmt", s.iFmt);
    counted_text<std::uint16_t>(v, "wszFormulaLength", "wszFormula", s.wszFormula);
  }
};
struct FolderUserFields {
  static constexpr const char* name = "FolderUserFields";
  std::span<const FolderUserField<std::string_view>> Ansi{};
  std::span<const FolderUserField<Utf16>> Unicode{};
  static void fields(auto& s, auto& v) {
    counted_list<std::uint32_t>(v, "FieldDefinitionCount", "FolderUserFieldAnsi", s.Ansi);
    counted_list<std::uint32_t>(v, "FieldDefinitionCount", "FolderUserFieldUnicode", s.Unicode);
  }
};

}  // namespace mapigate::wire::blobs
