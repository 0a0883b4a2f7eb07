// What a message object holds that its MIME has no words for: rows, order and properties of recipients, numbers, order and
// properties of attachments, properties of the messages within it. Whoever stores a message as MIME keeps it beside that, and
// has it given back when the MIME is read (MimeOptions::supplement). Each piece says what it was made for and is passed over
// when the MIME is another one.
#pragma once

#include "convert/message_data.h"

namespace mapigate::convert {

struct Supplement {
  struct Part {
    std::uint32_t number = 0;    // PidTagAttachNumber
    std::uint32_t position = 0;  // among the attachments of the MIME
    std::int64_t size = 0;       // PidTagAttachSize of that one
    bool message = false;        // it is an embedded message
    mapi::PropertyBag properties;
    std::shared_ptr<const Supplement> inner;  // null: nothing to be said of the embedded message
  };
  mapi::PropertyBag properties;  // those of the message itself
  std::uint64_t recipients_key = 0;
  std::vector<MessageData::Recipient> recipients;  // all or, when MIME holds them, none
  std::vector<Part> parts;                         // all or none, in the order of the message
  // The body ends without the line break that its part in the MIME has to end with.
  bool open_text = false, open_html = false;
  bool empty() const { return properties.empty() && recipients.empty() && parts.empty() && !open_text && !open_html; }
};

// What `mime`, which write_mime() made of `message`, does not give back. `with_properties`: of the message itself, too.
Supplement supplement_of(const MessageData& message, const MimeMessage& mime, bool with_properties);

Bytes serialize(const Supplement& supplement);
Result<std::shared_ptr<const Supplement>> parse_supplement(View bytes);

// Whether they are those that the supplement was made for.
bool belongs_to(const Supplement& supplement, const std::vector<Recipient>& recipients);
bool belongs_to(const Supplement& supplement, const std::vector<Attachment>& attachments);

// Whether `bag` has exactly this value.
bool has_value(const mapi::PropertyBag& bag, mapi::PropertyTag tag, const mapi::Value& value);

// The ids of all named properties in it.
void collect_named(const Supplement& supplement, std::vector<std::uint16_t>& ids);

}  // namespace mapigate::convert
