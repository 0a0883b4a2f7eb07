// Outlook's .msg files: a message in an OLE compound file ([MS-OXMSG]).
#pragma once

#include "convert/message_object.h"

namespace mapigate::convert {

struct MsgFile {
  MessageObject message;
  // Streams that are missing or do not fit their property, one text each; the rest was read.
  std::vector<std::string> problems;
};
// Errc::malformed when it is no compound file or holds no message, Errc::limit beyond a limit.
// `sink`, which may be null, is told the property streams entry by entry, and `start` is set to the offset of each field
// in its stream before it is told: for dumps.
Result<MsgFile> read_msg(View bytes, const ObjectLimits& limits = {}, wire::FieldSink* sink = nullptr, std::size_t* start = nullptr);

}  // namespace mapigate::convert
