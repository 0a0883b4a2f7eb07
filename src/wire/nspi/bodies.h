// Bodies of the address book endpoint's request types ([MS-OXCMAPIHTTP] 2.2.5),
// for CountWidth::address_book: sessions and single objects here, tables and
// searches in table_bodies.h. A Has… byte is zero when the field behind it is
// absent; `present` is what servers and clients send when it is there. As at the
// mailbox endpoint, a response with a StatusCode has nothing but that and AuxiliaryBuffer.
#pragma once

#include "mapi/errors.h"
#include "wire/nspi/nspi.h"

namespace mapigate::wire::nspi {

inline constexpr std::uint8_t present = 0xFF;

// Append and expect the pieces that bodies share.
void auxiliary_buffer(auto& s, auto& v) { v.template binary<std::uint32_t>("AuxiliaryBuffer", s.AuxiliaryBuffer); }
void optional(auto& v, const char* has_name, auto& has, const char* name, auto& field) {
  v(has_name, has);
  if (has != 0) v(name, field);
}
void optional_list(auto& v, const char* has_name, auto& has, const char* name, auto& list) {
  v(has_name, has);
  if (has != 0) v.template counted<std::uint32_t>(name, list);
}
// False after a failure body, which is then complete.
bool response_head(auto& s, auto& v) {
  v("StatusCode", s.StatusCode);
  if (s.StatusCode != 0) {
    auxiliary_buffer(s, v);
    return false;
  }
  v("ErrorCode", s.ErrorCode);
  return true;
}

struct ResponseHead {
  std::uint32_t StatusCode = 0;
  mapi::ErrorCode ErrorCode = mapi::ecNone;
  View AuxiliaryBuffer;
};

struct Bind {  // 2.2.5.1
  struct Request {
    std::uint32_t Flags = 0;  // fAnonymousLogin 0x20
    std::uint8_t HasState = 0;
    STAT State;
    View AuxiliaryBuffer;
    static void fields(auto& s, auto& v) {
      v("Flags", s.Flags);
      optional(v, "HasState", s.HasState, "State", s.State);
      auxiliary_buffer(s, v);
    }
  };
  struct Response : ResponseHead {
    mapi::Guid ServerGuid;
    static void fields(auto& s, auto& v) {
      if (!response_head(s, v)) return;
      v("ServerGuid", s.ServerGuid);
      auxiliary_buffer(s, v);
    }
  };
};

struct Unbind {  // 2.2.5.2; ErrorCode is 1 (UnbindSuccess) when all went well
  struct Request {
    std::uint32_t Reserved = 0;
    View AuxiliaryBuffer;
    static void fields(auto& s, auto& v) {
      v("Reserved", s.Reserved);
      auxiliary_buffer(s, v);
    }
  };
  struct Response : ResponseHead {
    static void fields(auto& s, auto& v) {
      if (!response_head(s, v)) return;
      auxiliary_buffer(s, v);
    }
  };
};

struct DnString {
  std::string_view Name;
  static void fields(auto& s, auto& v) { v.sz("Name", s.Name); }
};

struct DNToMId {  // 2.2.5.4
  struct Request {
    std::uint32_t Reserved = 0;
    std::uint8_t HasNames = 0;
    std::span<const DnString> Names;
    View AuxiliaryBuffer;
    static void fields(auto& s, auto& v) {
      v("Reserved", s.Reserved);
      optional_list(v, "HasNames", s.HasNames, "Names", s.Names);
      auxiliary_buffer(s, v);
    }
  };
  struct Response : ResponseHead {
    std::uint8_t HasMinimalIds = 0;
    std::span<const MinimalEntryID> MinimalIds;
    static void fields(auto& s, auto& v) {
      if (!response_head(s, v)) return;
      optional_list(v, "HasMinimalIds", s.HasMinimalIds, "MinimalIds", s.MinimalIds);
      auxiliary_buffer(s, v);
    }
  };
};

struct GetProps {  // 2.2.5.7
  struct Request {
    std::uint32_t Flags = 0;  // fSkipObjects 1, fEphID 2
    std::uint8_t HasState = 0;
    STAT State;
    std::uint8_t HasPropertyTags = 0;
    LargePropertyTagArray PropertyTags;
    View AuxiliaryBuffer;
    static void fields(auto& s, auto& v) {
      v("Flags", s.Flags);
      optional(v, "HasState", s.HasState, "State", s.State);
      optional(v, "HasPropertyTags", s.HasPropertyTags, "PropertyTags", s.PropertyTags);
      auxiliary_buffer(s, v);
    }
  };
  struct Response : ResponseHead {
    std::uint32_t CodePage = 0;
    std::uint8_t HasPropertyValues = 0;
    AddressBookPropertyValueList PropertyValues;
    static void fields(auto& s, auto& v) {
      if (!response_head(s, v)) return;
      v("CodePage", s.CodePage);
      optional(v, "HasPropertyValues", s.HasPropertyValues, "PropertyValues", s.PropertyValues);
      auxiliary_buffer(s, v);
    }
  };
};

struct GetSpecialTable {  // 2.2.5.8
  static constexpr std::uint32_t NspiAddressCreationTemplates = 0x00000002;
  static constexpr std::uint32_t NspiUnicodeStrings = 0x00000004;
  struct Request {
    std::uint32_t Flags = 0;
    std::uint8_t HasState = 0;
    STAT State;
    std::uint8_t HasVersion = 0;
    std::uint32_t Version = 0;
    View AuxiliaryBuffer;
    static void fields(auto& s, auto& v) {
      v("Flags", s.Flags);
      optional(v, "HasState", s.HasState, "State", s.State);
      optional(v, "HasVersion", s.HasVersion, "Version", s.Version);
      auxiliary_buffer(s, v);
    }
  };
  struct Response : ResponseHead {
    std::uint32_t CodePage = 0;
    std::uint8_t HasVersion = 0;
    std::uint32_t Version = 0;
    std::uint8_t HasRows = 0;
    std::span<const AddressBookPropertyValueList> Rows;  // RowsCount of them
    static void fields(auto& s, auto& v) {
      if (!response_head(s, v)) return;
      v("CodePage", s.CodePage);
      optional(v, "HasVersion", s.HasVersion, "Version", s.Version);
      optional_list(v, "HasRows", s.HasRows, "Rows", s.Rows);
      auxiliary_buffer(s, v);
    }
  };
};

}  // namespace mapigate::wire::nspi
