// A message as files carry it whole: .msg and TNEF.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "mapi/properties.h"
#include "mapi/property_bag.h"

namespace mapigate::wire {
class FieldSink;
}

namespace mapigate::convert {

struct MessageObject {
  struct Attachment;

  mapi::PropertyBag properties;
  std::vector<mapi::PropertyBag> recipients;
  std::vector<Attachment> attachments;
  // What ids of 0x8000 and up stand for, in this message, its recipients and attachments; embedded messages
  // have their own.
  std::map<std::uint16_t, mapi::PropertyName> names;
  unsigned code_page = 1252;  // of PtypString8 values

  // The id of a named property, which is given one if it has none. 0 when all 0x7FFE are taken.
  std::uint16_t id_of(const mapi::PropertyName& name);
  // Of a named property by its name; null when it is not there.
  const mapi::Value* find(const mapi::PropertyName& name) const;
  std::string string(mapi::PropertyTag tag) const;  // UTF-8, from either type of string
};

struct MessageObject::Attachment {
  mapi::PropertyBag properties;             // the data in PidTagAttachDataBinary
  std::unique_ptr<MessageObject> embedded;  // afEmbeddedMessage
  std::string name(unsigned code_page) const;  // long name, else the short one; UTF-8
};

// How much a reader takes from a file before it refuses the rest (Errc::limit).
struct ObjectLimits {
  unsigned max_depth = 16;  // messages within messages
  std::size_t max_attachments = 5000;
  std::size_t max_recipients = 50000;
  std::size_t max_bytes = std::size_t{512} << 20;  // of all values; streams of a file may share its sectors
};

// PidTagHtml, or what PidTagRtfCompressed encapsulates; empty when there is neither. In its own charset.
std::string html_of(const MessageObject& message);

// Properties with their names, recipients, attachments and embedded messages.
void describe(wire::FieldSink& sink, const MessageObject& message);

}  // namespace mapigate::convert
