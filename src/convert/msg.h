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
Result<MsgFile> read_msg(View bytes, const ObjectLimits& limits = {});

}  // namespace mapigate::convert
