// A message object as data: what a client builds up before it is saved, and what is kept of messages
// that no backend can hold.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "convert/byte_source.h"
#include "convert/mime_message.h"
#include "mapi/property_bag.h"

namespace mapigate::convert {

struct MessageData {
  struct Recipient {
    std::uint32_t row = 0;  // RowId
    std::int32_t type = recipient_to;
    mapi::PropertyBag properties;
    Recipient clone() const { return {row, type, properties.clone()}; }
  };
  struct Attachment {
    std::uint32_t number = 0;
    mapi::PropertyBag properties;  // all but the data
    ByteSource data;               // PidTagAttachDataBinary
    std::shared_ptr<MessageData> embedded;
    std::uint32_t part = 0;        // its place among the attachments of the MIME that it was read from or written into
    Attachment clone() const { return {number, properties.clone(), data, embedded, part}; }
  };

  mapi::PropertyBag properties;  // with the body that the message was written with; named ones under ids
  std::vector<Recipient> recipients;
  std::vector<Attachment> attachments;
  std::uint32_t next_attachment = 0;

  // Of an embedded message: the bytes that it was read from. They are it as long as nobody changes it.
  ByteSource original;
  Bytes digest;  // of what was read
  bool is_original() const;
  void take_as_original();  // what it is now; whoever read it added what it is called by

  MessageData clone() const;  // the data of attachments and the messages in them are shared
  Attachment* attachment(std::uint32_t number);
  const Attachment* attachment(std::uint32_t number) const;
};

// Everything of a parsed message, embedded ones included; attachments beyond `memory_limit` go to files. Blocks.
Result<MessageData> message_data(const MimeMessage& mime, std::size_t memory_limit);

// PidTagBody, PidTagHtml, PidTagRtfCompressed, PidTagNativeBody, PidTagRtfInSync, made from the one that is there
// where the message has no own; nullopt for other tags and for messages without a body.
std::optional<mapi::Value> body_of(const mapi::PropertyBag& properties, mapi::PropertyTag tag, Arena& arena);

// For storage.
Bytes serialize(const MessageData& message);
Result<MessageData> parse_message_data(View bytes);

// Name and SMTP address of a recipient or sender, by what its properties say: PidTagSmtpAddress, an
// e-mail address of type SMTP, a one-off entry id, a distinguished name of ours.
struct PersonTags {
  mapi::PropertyTag name, address_type, email_address, entry_id, smtp_address;
};
Address person(const mapi::PropertyBag& bag, const PersonTags& tags);
// Of an entry id of the address book, as long as the name in it is one of ours ([MS-OXCDATA] 2.2.5.2); else empty.
std::string address_of_entry_id(View entry_id);
Address recipient_address(const mapi::PropertyBag& recipient);
// Of a resend message: PidTagRecipientType says who is to get it again and who has it ([MS-OXOMSG] 2.2.3.1).
enum : std::uint32_t { recipient_gets_it_again = 0x10000000, recipient_has_it = 0x80000000 };
// The same in the one byte of a row ([MS-OXCMSG] 2.2.3.1.2).
std::int32_t recipient_type_of(std::uint8_t row_type);
std::uint8_t row_type_of(std::int32_t recipient_type);
// As a row wants it: every recipient has names, type, address and entry id (row S4).
Recipient complete_recipient(const MessageData::Recipient& recipient);

}  // namespace mapigate::convert
