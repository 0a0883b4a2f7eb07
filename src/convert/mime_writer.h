// A MAPI message object as an Internet message ([MS-OXCMAIL] 2.1).
#pragma once

#include <map>

#include "convert/message_data.h"

namespace mapigate::convert {

struct MimeWriteOptions {
  Address from;                // for messages that name no sender
  std::string host = "localhost";  // right side of ids that are made
  bool bcc = true;             // false: the copy that leaves
  bool tnef = false;           // all of it in a winmail.dat beside its text, where that is possible
  bool attachment_properties = false;  // write what MIME has no words for, too; only into the store
  std::map<std::uint16_t, mapi::PropertyName> names;  // of the named properties in the message
  std::size_t memory_limit = std::size_t{1} << 20;    // beyond, the message is written into an unlinked file
  std::string folder = "/tmp";
};

// Sets PidTagInternetMessageId where there is none, so that the message can be found again. Blocks.
Result<ByteSource> write_mime(MessageData& message, const MimeWriteOptions& options);

// Whether write_mime() writes the property, so that reading the result back gives it again.
bool in_mime(mapi::PropertyTag tag);
// Whether changing it in a message that is stored as MIME means to write that anew. What is neither this nor
// computed is kept beside the message.
bool needs_rewrite(mapi::PropertyTag tag);

// A delivery report, read receipt or non-read receipt by its class. They leave with an empty envelope sender (RFC 3464 2, RFC 8098 3).
bool is_report(const mapi::PropertyBag& properties);
// Whom the message is for: all in its recipient table; in delivery reports that list those they are about beside others, the others.
std::vector<const MessageData::Recipient*> addressees(const MessageData& message);

std::string make_message_id(std::string_view host);
// "=?utf-8?B?…?=" where the text needs it; no line is longer than RFC 2047 allows. `used`: columns before it.
std::string encode_header(std::string_view utf8, std::size_t used);
std::string encode_address(const Address& address, std::size_t used);
std::string format_date(FileTime time);  // RFC 5322, in UTC

// What tells the sender that a message could not be delivered (RFC 3464).
struct FailedRecipient {
  std::string address, status, text;  // "5.1.1", what the server said
};
struct NonDelivery {
  Address to;                  // the sender
  std::string host, subject;   // of the message that failed
  FileTime submitted;
  std::vector<FailedRecipient> recipients;
  View header;                 // of the message that failed
  std::string message_id;      // of the report; empty: one is made
};
std::string write_non_delivery(const NonDelivery& report);

}  // namespace mapigate::convert
