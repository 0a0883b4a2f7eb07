// Bodies of the mailbox endpoint's request types ([MS-OXCMAPIHTTP] 2.2.4). A
// response whose StatusCode is not zero is a failure body: it has no fields
// between StatusCode and AuxiliaryBufferSize. Encode and decode with CountWidth::narrow.
#pragma once

#include "mapi/errors.h"
#include "wire/fields.h"

namespace mapigate::wire {
class FieldSink;
}

namespace mapigate::wire::blobs {
class OffsetSink;
}

namespace mapigate::wire::mapihttp {

// AuxiliaryBufferSize and AuxiliaryBuffer end each body. What Outlook and Exchange
// put there is at most 0x1008 bytes; the limit is the caller's.
void auxiliary_buffer(auto& s, auto& v) { v.template binary<std::uint32_t>("AuxiliaryBuffer", s.AuxiliaryBuffer); }

struct Connect {
  struct Request {
    std::string_view UserDn;  // legacyExchangeDN
    std::uint32_t Flags = 0;
    std::uint32_t DefaultCodePage = 0;
    std::uint32_t LcidSort = 0;
    std::uint32_t LcidString = 0;
    View AuxiliaryBuffer;
    static void fields(auto& s, auto& v) {
      v.sz("UserDn", s.UserDn);
      v("Flags", s.Flags);
      v("DefaultCodePage", s.DefaultCodePage);
      v("LcidSort", s.LcidSort);
      v("LcidString", s.LcidString);
      auxiliary_buffer(s, v);
    }
  };
  struct Response {
    std::uint32_t StatusCode = 0;
    mapi::ErrorCode ErrorCode = mapi::ecNone;
    std::uint32_t PollsMax = 0;    // milliseconds between polls
    std::uint32_t RetryCount = 0;
    std::uint32_t RetryDelay = 0;  // milliseconds
    std::string_view DnPrefix;
    Utf16 DisplayName;
    View AuxiliaryBuffer;
    static void fields(auto& s, auto& v) {
      v("StatusCode", s.StatusCode);
      if (s.StatusCode == 0) {
        v("ErrorCode", s.ErrorCode);
        v("PollsMax", s.PollsMax);
        v("RetryCount", s.RetryCount);
        v("RetryDelay", s.RetryDelay);
        v.sz("DnPrefix", s.DnPrefix);
        v.sz("DisplayName", s.DisplayName);
      }
      auxiliary_buffer(s, v);
    }
  };
};

struct Execute {
  struct Request {
    std::uint32_t Flags = 0;  // rpc::ExecuteFlags
    View RopBuffer;           // a chain of extended buffers
    std::uint32_t MaxRopOut = 0;
    View AuxiliaryBuffer;
    static void fields(auto& s, auto& v) {
      v("Flags", s.Flags);
      v.template binary<std::uint32_t>("RopBuffer", s.RopBuffer);
      v("MaxRopOut", s.MaxRopOut);
      auxiliary_buffer(s, v);
    }
  };
  struct Response {
    std::uint32_t StatusCode = 0;
    mapi::ErrorCode ErrorCode = mapi::ecNone;
    std::uint32_t Flags = 0;  // reserved, zero
    View RopBuffer;
    View AuxiliaryBuffer;
    static void fields(auto& s, auto& v) {
      v("StatusCode", s.StatusCode);
      if (s.StatusCode == 0) {
        v("ErrorCode", s.ErrorCode);
        v("Flags", s.Flags);
        v.template binary<std::uint32_t>("RopBuffer", s.RopBuffer);
      }
      auxiliary_buffer(s, v);
    }
  };
};

struct Disconnect {
  struct Request {
    View AuxiliaryBuffer;
    static void fields(auto& s, auto& v) { auxiliary_buffer(s, v); }
  };
  struct Response {
    std::uint32_t StatusCode = 0;
    mapi::ErrorCode ErrorCode = mapi::ecNone;
    View AuxiliaryBuffer;
    static void fields(auto& s, auto& v) {
      v("StatusCode", s.StatusCode);
      if (s.StatusCode == 0) v("ErrorCode", s.ErrorCode);
      auxiliary_buffer(s, v);
    }
  };
};

struct NotificationWait {
  static constexpr std::uint32_t event_pending = 0x00000001;  // of EventPending
  struct Request {
    std::uint32_t Flags = 0;  // reserved, zero
    View AuxiliaryBuffer;
    static void fields(auto& s, auto& v) {
      v("Flags", s.Flags);
      auxiliary_buffer(s, v);
    }
  };
  struct Response {
    std::uint32_t StatusCode = 0;
    mapi::ErrorCode ErrorCode = mapi::ecNone;
    std::uint32_t EventPending = 0;
    View AuxiliaryBuffer;
    static void fields(auto& s, auto& v) {
      v("StatusCode", s.StatusCode);
      if (s.StatusCode == 0) {
        v("ErrorCode", s.ErrorCode);
        v("EventPending", s.EventPending);
      }
      auxiliary_buffer(s, v);
    }
  };
};

enum class Endpoint : std::uint8_t { mailbox, address_book };

// Tells `sink` the fields of one body. An Execute's RopBuffer is bytes to it; the
// rop codec takes it from there. An auxiliary buffer is told block by block as
// well when it can be read. `request_type` is the value of X-RequestType;
// Errc::unsupported for one without body or unknown. Of a body that is malformed the
// sink is told the fields before the one that the error names, and the bytes that are left as "rest".
// With `placed`, which hands on to `sink`, the fields have their offsets in the body.
Status describe_body(Endpoint endpoint, std::string_view request_type, bool is_request, View body, FieldSink& sink,
                     blobs::OffsetSink* placed = nullptr);

}  // namespace mapigate::wire::mapihttp
