// Transport Neutral Encapsulation Format ([MS-OXTNEF]): winmail.dat.
#pragma once

#include "convert/message_object.h"

namespace mapigate::convert {

struct TnefMessage {
  MessageObject message;
  std::string problem;  // why it ended before its end, with the attribute; empty when all was understood
  std::size_t bad_checksums = 0;
};
// Attributes of MAPI properties (attMsgProps, attAttachment) win over the older ones that say the same.
// Errc::malformed without the signature, Errc::limit beyond a limit; otherwise what can be had is had.
// `sink`, which may be null, is told each attribute with its properties as soon as it is read, and `start` is set to
// the offset of each field before it is told: for dumps.
Result<TnefMessage> read_tnef(View bytes, const ObjectLimits& limits = {}, wire::FieldSink* sink = nullptr,
                              std::size_t* start = nullptr);

// With attributes in the order of [MS-OXTNEF] 2.1.2. `key` ties it to the message it stands for
// (PidTagTnefCorrelationKey); strings are Unicode, code_page is declared for the rest.
Result<Bytes> write_tnef(const MessageObject& message, std::uint16_t key = 1);

}  // namespace mapigate::convert
