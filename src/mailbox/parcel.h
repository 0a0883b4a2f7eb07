// A message on its way from one mailbox to another (mailbox_across.cc).
#pragma once

#include "convert/message_data.h"
#include "mapi/ids.h"
#include "mapi/properties.h"

namespace mapigate::mailbox {

struct Parcel {
  convert::ByteSource mime;                    // of a message in a backend: its bytes as they are,
  mapi::PropertyBag extras;                    // what stands beside them,
  std::string message_id;                      // and what its journal finds it by
  std::shared_ptr<convert::MessageData> data;  // any other message; null when it is MIME
  mapi::GlobalCounter id = 0;                  // that the other mailbox has reserved for it; 0: it gets one
  bool associated = false;
  std::uint32_t flags = 0;
  FileTime received;
  mapi::GlobalCounter change_number = 0;       // that the message had when it was packed
  // The named properties in all of it, under their ids in the mailbox it comes from.
  std::map<std::uint16_t, mapi::PropertyName> names;
};

// Ids of named properties of one mailbox, and of the same names in another.
using NamedIdMap = std::map<std::uint16_t, std::uint16_t>;
// Under the ids of the other mailbox; properties that have none there stay behind.
std::shared_ptr<convert::MessageData> renamed(const convert::MessageData& message, const NamedIdMap& ids);

}  // namespace mapigate::mailbox
