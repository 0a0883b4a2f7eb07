// Stream ROPs ([MS-OXCROPS] 2.2.9, [MS-OXCPRPT] 2.2.14 to 2.2.24).
#pragma once

#include "wire/rop/rop_common.h"

namespace mapigate::wire {

// A ByteCount or BufferSize of this value means that the real limit follows.
inline constexpr std::uint16_t size_follows = 0xBABE;

struct StreamSizeResponse {
  std::uint32_t StreamSize = 0;
  static void fields(auto& s, auto& v) { v("StreamSize", s.StreamSize); }
};

struct RopOpenStream : Rop<RopId::RopOpenStream> {
  enum : std::uint8_t { ReadOnly = 0x00, ReadWrite = 0x01, Create = 0x02 };  // OpenModeFlags
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    mapi::PropertyTag PropertyTag{};
    std::uint8_t OpenModeFlags = 0;
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      v("PropertyTag", s.PropertyTag);
      v("OpenModeFlags", s.OpenModeFlags);
    }
  };
  using Response = StreamSizeResponse;
};

struct RopReadStream : Rop<RopId::RopReadStream> {
  struct Request {
    std::uint16_t ByteCount = 0;
    std::uint32_t MaximumByteCount = 0;
    static void fields(auto& s, auto& v) {
      v("ByteCount", s.ByteCount);
      if (s.ByteCount == size_follows) v("MaximumByteCount", s.MaximumByteCount);
    }
    std::uint32_t wanted() const { return ByteCount == size_follows ? MaximumByteCount : ByteCount; }
  };
  struct Response {
    static constexpr bool on_error = true;
    View Data{};
    static void fields(auto& s, auto& v) { v.template binary<std::uint16_t>("Data", s.Data); }
  };
};

struct WriteStreamRequest {
  View Data{};
  static void fields(auto& s, auto& v) { v.template binary<std::uint16_t>("Data", s.Data); }
};
struct WriteStreamResponse {
  static constexpr bool on_error = true;
  std::uint16_t WrittenSize = 0;
  static void fields(auto& s, auto& v) { v("WrittenSize", s.WrittenSize); }
};

struct RopWriteStream : Rop<RopId::RopWriteStream> {
  using Request = WriteStreamRequest;
  using Response = WriteStreamResponse;
};

struct RopWriteAndCommitStream : Rop<RopId::RopWriteAndCommitStream> {
  using Request = WriteStreamRequest;
  using Response = WriteStreamResponse;
};

struct RopWriteStreamExtended : Rop<RopId::RopWriteStreamExtended> {
  using Request = WriteStreamRequest;
  struct Response {
    static constexpr bool on_error = true;
    std::uint32_t WrittenSize = 0;
    static void fields(auto& s, auto& v) { v("WrittenSize", s.WrittenSize); }
  };
};

struct RopCommitStream : Rop<RopId::RopCommitStream> {};

struct RopGetStreamSize : Rop<RopId::RopGetStreamSize> {
  using Response = StreamSizeResponse;
};

struct RopSetStreamSize : Rop<RopId::RopSetStreamSize> {
  struct Request {
    std::uint64_t StreamSize = 0;
    static void fields(auto& s, auto& v) { v("StreamSize", s.StreamSize); }
  };
};

struct RopSeekStream : Rop<RopId::RopSeekStream> {
  enum : std::uint8_t { FromStart = 0, FromCurrent = 1, FromEnd = 2 };  // Origin
  struct Request {
    std::uint8_t Origin = FromStart;
    std::int64_t Offset = 0;
    static void fields(auto& s, auto& v) {
      v("Origin", s.Origin);
      v("Offset", s.Offset);
    }
  };
  struct Response {
    std::uint64_t NewPosition = 0;
    static void fields(auto& s, auto& v) { v("NewPosition", s.NewPosition); }
  };
};

struct RopCopyToStream : Rop<RopId::RopCopyToStream> {
  static constexpr const char* handle_name = source_handle;
  struct Request {
    std::uint8_t DestHandleIndex = 0;
    std::uint64_t ByteCount = 0;
    static void fields(auto& s, auto& v) {
      v("DestHandleIndex", s.DestHandleIndex);
      v("ByteCount", s.ByteCount);
    }
  };
  struct Response {
    static constexpr bool on_error = true;
    std::uint32_t DestHandleIndex = 0;
    std::uint64_t ReadByteCount = 0;
    std::uint64_t WrittenByteCount = 0;
    static void fields(auto& s, auto& v, const ResponseContext& context) {
      if (context.ReturnValue == mapi::ecDstNullObject) v("DestHandleIndex", s.DestHandleIndex);
      v("ReadByteCount", s.ReadByteCount);
      v("WrittenByteCount", s.WrittenByteCount);
    }
  };
};

struct RegionRequest {
  std::uint64_t RegionOffset = 0;
  std::uint64_t RegionSize = 0;
  std::uint32_t LockFlags = 0;
  static void fields(auto& s, auto& v) {
    v("RegionOffset", s.RegionOffset);
    v("RegionSize", s.RegionSize);
    v("LockFlags", s.LockFlags);
  }
};

struct RopLockRegionStream : Rop<RopId::RopLockRegionStream> {
  using Request = RegionRequest;
};

struct RopUnlockRegionStream : Rop<RopId::RopUnlockRegionStream> {
  using Request = RegionRequest;
};

struct RopCloneStream : Rop<RopId::RopCloneStream> {
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    static void fields(auto& s, auto& v) { v("OutputHandleIndex", s.OutputHandleIndex); }
  };
};

}  // namespace mapigate::wire
