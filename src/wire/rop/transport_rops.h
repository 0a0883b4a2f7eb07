// Transport ROPs ([MS-OXCROPS] 2.2.7, [MS-OXOMSG] 2.2.3).
#pragma once

#include "wire/rop/rop_common.h"

namespace mapigate::wire {

struct RopSubmitMessage : Rop<RopId::RopSubmitMessage> {
  enum : std::uint8_t { None = 0x00, PreProcess = 0x01, NeedsSpooler = 0x02 };  // SubmitFlags
  struct Request {
    std::uint8_t SubmitFlags = None;
    static void fields(auto& s, auto& v) { v("SubmitFlags", s.SubmitFlags); }
  };
};

struct RopAbortSubmit : Rop<RopId::RopAbortSubmit> {
  struct Request {
    mapi::Id FolderId{};
    mapi::Id MessageId{};
    static void fields(auto& s, auto& v) {
      v("FolderId", s.FolderId);
      v("MessageId", s.MessageId);
    }
  };
};

struct RopGetAddressTypes : Rop<RopId::RopGetAddressTypes> {
  struct Response {
    std::span<const Text8> AddressTypes{};
    static void fields(auto& s, auto& v) {
      const auto n = v.template count<std::uint16_t>("AddressTypeCount", s.AddressTypes.size());
      v.template sized<std::uint16_t>("AddressTypeSize", [&](auto& v) { v.list("AddressTypes", s.AddressTypes, n); });
    }
  };
};

struct RopSetSpooler : Rop<RopId::RopSetSpooler> {};

struct RopSpoolerLockMessage : Rop<RopId::RopSpoolerLockMessage> {
  enum : std::uint8_t { Lock = 0x00, Unlock = 0x01, Finished = 0x02 };  // LockState
  struct Request {
    mapi::Id MessageId{};
    std::uint8_t LockState = Lock;
    static void fields(auto& s, auto& v) {
      v("MessageId", s.MessageId);
      v("LockState", s.LockState);
    }
  };
};

struct RopTransportSend : Rop<RopId::RopTransportSend> {
  struct Response {
    std::uint8_t NoPropertiesReturned = 0;
    std::span<const mapi::TaggedValue> PropertyValues{};
    static void fields(auto& s, auto& v) {
      v("NoPropertiesReturned", s.NoPropertiesReturned);
      property_values(v, s.PropertyValues);
    }
  };
};

struct RopTransportNewMail : Rop<RopId::RopTransportNewMail> {
  struct Request {
    mapi::Id MessageId{};
    mapi::Id FolderId{};
    std::string_view MessageClass{};
    std::uint32_t MessageFlags = 0;
    static void fields(auto& s, auto& v) {
      v("MessageId", s.MessageId);
      v("FolderId", s.FolderId);
      v.sz("MessageClass", s.MessageClass);
      v("MessageFlags", s.MessageFlags);
    }
  };
};

struct RopGetTransportFolder : Rop<RopId::RopGetTransportFolder> {
  struct Response {
    mapi::Id FolderId{};
    static void fields(auto& s, auto& v) { v("FolderId", s.FolderId); }
  };
};

struct RopOptionsData : Rop<RopId::RopOptionsData> {
  struct Request {
    std::string_view AddressType{};
    std::uint8_t WantWin32 = 0;
    static void fields(auto& s, auto& v) {
      v.sz("AddressType", s.AddressType);
      v("WantWin32", s.WantWin32);
    }
  };
  struct Response {
    std::uint8_t Reserved = 0;
    View OptionalInfo{};
    View HelpFile{};
    std::string_view HelpFileName{};  // only with a HelpFile
    static void fields(auto& s, auto& v) {
      v("Reserved", s.Reserved);
      v.template binary<std::uint16_t>("OptionalInfo", s.OptionalInfo);
      v.template binary<std::uint16_t>("HelpFile", s.HelpFile);
      if (!s.HelpFile.empty()) v.sz("HelpFileName", s.HelpFileName);
    }
  };
};

}  // namespace mapigate::wire
