// What an application/ms-tnef part makes of the message that carries it ([MS-OXTNEF], [MS-OXCMAIL] 2.1.3.2.26).
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "convert/mime_message.h"
#include "convert/mime_structure.h"

namespace mapigate::convert {

struct TnefContent {
  const Entity* part = nullptr;
  mapi::PropertyBag properties;                        // what is laid over the header's; strings are Unicode
  std::map<std::uint16_t, mapi::PropertyName> names;   // of the named ones among them
  mapi::PropertyBag body;                              // PidTagBody, PidTagHtml, PidTagRtfCompressed, PidTagInternetCodepage
  std::vector<Attachment> attachments;
  std::vector<ByteSource> data;                        // of each; of an embedded message its RFC 5322 bytes
  bool damaged = false;                                // the part holds more than could be read
  bool has_body() const;
};

// Null when there is none that belongs to this message: forwarded by a mailer that does not know the format, the part
// is an attachment like others. Blocks for as long as reading it takes.
std::unique_ptr<TnefContent> take_tnef(const Entity& root, std::size_t max_size);

}  // namespace mapigate::convert
