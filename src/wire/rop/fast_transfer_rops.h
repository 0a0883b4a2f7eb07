// FastTransfer ROPs ([MS-OXCROPS] 2.2.12); semantics in [MS-OXCFXICS] 2.2.3.1.
#pragma once

#include "wire/rop/stream_rops.h"

namespace mapigate::wire {

namespace send_options {
enum : std::uint8_t { Unicode = 0x01, UseCpid = 0x02, RecoverMode = 0x04, ForceUnicode = 0x08, PartialItem = 0x10 };
// With the two that are reserved.
constexpr std::uint8_t known = 0x7F;
}

struct RopFastTransferSourceCopyMessages : Rop<RopId::RopFastTransferSourceCopyMessages> {
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    std::span<const mapi::Id> MessageIds{};
    std::uint8_t CopyFlags = 0;
    std::uint8_t SendOptions = 0;
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      message_ids(v, s.MessageIds);
      v("CopyFlags", s.CopyFlags);
      v("SendOptions", s.SendOptions);
    }
  };
};

struct RopFastTransferSourceCopyFolder : Rop<RopId::RopFastTransferSourceCopyFolder> {
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    std::uint8_t CopyFlags = 0;
    std::uint8_t SendOptions = 0;
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      v("CopyFlags", s.CopyFlags);
      v("SendOptions", s.SendOptions);
    }
  };
};

struct RopFastTransferSourceCopyTo : Rop<RopId::RopFastTransferSourceCopyTo> {
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    std::uint8_t Level = 0;
    std::uint32_t CopyFlags = 0;
    std::uint8_t SendOptions = 0;
    std::span<const mapi::PropertyTag> PropertyTags{};  // left out of the copy
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      v("Level", s.Level);
      v("CopyFlags", s.CopyFlags);
      v("SendOptions", s.SendOptions);
      property_tags(v, s.PropertyTags);
    }
  };
};

struct RopFastTransferSourceCopyProperties : Rop<RopId::RopFastTransferSourceCopyProperties> {
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    std::uint8_t Level = 0;
    std::uint8_t CopyFlags = 0;
    std::uint8_t SendOptions = 0;
    std::span<const mapi::PropertyTag> PropertyTags{};
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      v("Level", s.Level);
      v("CopyFlags", s.CopyFlags);
      v("SendOptions", s.SendOptions);
      property_tags(v, s.PropertyTags);
    }
  };
};

struct RopFastTransferSourceGetBuffer : Rop<RopId::RopFastTransferSourceGetBuffer> {
  enum : std::uint16_t { Error = 0x0000, Partial = 0x0001, NoRoom = 0x0002, Done = 0x0003 };  // TransferStatus
  struct Request {
    std::uint16_t BufferSize = 0;
    std::uint16_t MaximumBufferSize = 0;
    static void fields(auto& s, auto& v) {
      v("BufferSize", s.BufferSize);
      if (s.BufferSize == size_follows) v("MaximumBufferSize", s.MaximumBufferSize);
    }
    std::uint16_t wanted() const { return BufferSize == size_follows ? MaximumBufferSize : BufferSize; }
  };
  struct Response {
    static constexpr bool on_error = true;
    std::uint16_t TransferStatus = Error;
    std::uint16_t InProgressCount = 0;
    std::uint16_t TotalStepCount = 0;
    std::uint8_t Reserved = 0;
    View TransferBuffer{};
    std::uint32_t BackoffTime = 0;  // milliseconds; only with ecServerBusy
    static void fields(auto& s, auto& v, const ResponseContext& context) {
      v("TransferStatus", s.TransferStatus);
      v("InProgressCount", s.InProgressCount);
      v("TotalStepCount", s.TotalStepCount);
      v("Reserved", s.Reserved);
      v.template binary<std::uint16_t>("TransferBuffer", s.TransferBuffer);
      if (context.ReturnValue == mapi::ecServerBusy) v("BackoffTime", s.BackoffTime);
    }
  };
};

struct RopFastTransferDestinationConfigure : Rop<RopId::RopFastTransferDestinationConfigure> {
  struct Request {
    std::uint8_t OutputHandleIndex = 0;
    std::uint8_t SourceOperation = 0;
    std::uint8_t CopyFlags = 0;
    static void fields(auto& s, auto& v) {
      v("OutputHandleIndex", s.OutputHandleIndex);
      v("SourceOperation", s.SourceOperation);
      v("CopyFlags", s.CopyFlags);
    }
  };
};

struct PutBufferRequest {
  View TransferData{};
  static void fields(auto& s, auto& v) { v.template binary<std::uint16_t>("TransferData", s.TransferData); }
};

// Step is the width of the progress counts.
template <class Step>
struct PutBufferResponse {
  static constexpr bool on_error = true;
  std::uint16_t TransferStatus = 0;
  Step InProgressCount = 0;
  Step TotalStepCount = 0;
  std::uint8_t Reserved = 0;
  std::uint16_t BufferUsedSize = 0;
  static void fields(auto& s, auto& v) {
    v("TransferStatus", s.TransferStatus);
    v("InProgressCount", s.InProgressCount);
    v("TotalStepCount", s.TotalStepCount);
    v("Reserved", s.Reserved);
    v("BufferUsedSize", s.BufferUsedSize);
  }
};

struct RopFastTransferDestinationPutBuffer : Rop<RopId::RopFastTransferDestinationPutBuffer> {
  using Request = PutBufferRequest;
  using Response = PutBufferResponse<std::uint16_t>;
};

struct RopFastTransferDestinationPutBufferExtended : Rop<RopId::RopFastTransferDestinationPutBufferExtended> {
  using Request = PutBufferRequest;
  using Response = PutBufferResponse<std::uint32_t>;
};

struct RopTellVersion : Rop<RopId::RopTellVersion> {
  struct Request {
    std::array<std::uint8_t, 6> Version{};  // three numbers of 16 bits
    static void fields(auto& s, auto& v) { v("Version", s.Version); }
  };
};

}  // namespace mapigate::wire
