// Message properties that follow from header fields alone ([MS-OXCMAIL] 2.2.3.1 to 2.2.3.2.6).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapi/properties.h"
#include "mapi/property_bag.h"

namespace mapigate::convert {

struct HeaderField {
  std::string_view name;
  View value;  // raw: folded, encoded, without the final line break
};

// Splits a header block at its fields. Ends at the first empty line or at the end of `block`; lines
// that are no field are skipped; bytes after `limit` are not looked at. Borrows from `block`.
std::vector<HeaderField> split_header(View block, std::size_t limit = std::size_t{1} << 20);
// The first field of that name, ignoring case; null when there is none.
const HeaderField* find_field(const std::vector<HeaderField>& fields, std::string_view name);

// Unfolded, RFC 2047 words decoded, raw 8-bit text guessed (UTF-8, else windows-1252), no NUL and no
// control characters: UTF-8.
std::string decode_header_text(View raw);

struct Address {
  std::string name;     // UTF-8; empty when there is none
  std::string address;  // user@example.com; may be empty on broken input
  // The name, or the address for lack of one.
  const std::string& display() const { return name.empty() ? address : name; }
};
// Members of groups are listed like the others.
std::vector<Address> parse_addresses(View raw, std::size_t limit = 5000);
// RFC 5322 and the common broken forms; nullopt when there is no date in it.
std::optional<FileTime> parse_date(View raw);

// The MAPI prefix of a subject ("RE: ", at most three letters) and what follows it
// ([MS-OXCMSG] "PidTagSubjectPrefix").
struct SubjectParts {
  std::string_view prefix;
  std::string_view normalized;
};
SubjectParts split_subject(std::string_view subject);

struct HeaderOptions {
  // When the backend received the message (IMAP INTERNALDATE); without it the topmost Received field,
  // then Date, give PidTagMessageDeliveryTime.
  std::optional<FileTime> internal_date;
};

// Sender, subject, times, importance, ids and conversation from a header block: what the index of a
// mailbox keeps. Fast: tens of thousands of calls a second on one core. PidTagMessageClass is what
// the Content-Type field alone tells.
mapi::PropertyBag header_properties(View header_block, const HeaderOptions& options = {});
// The fields that header_properties() looks at: all that has to be fetched for it.
std::span<const std::string_view> index_headers();

// PidTagRecipientType values.
enum : std::int32_t { recipient_to = 1, recipient_cc = 2, recipient_bcc = 3 };
struct Recipient {
  std::int32_t type = recipient_to;
  std::string display_name;
  std::string smtp_address;
  // All a recipient row needs (row S4): type, names, address type and address, entry id, search key.
  mapi::PropertyBag properties;
  std::uint32_t row = 0;  // RowId
};
std::vector<Recipient> header_recipients(const std::vector<HeaderField>& fields);

}  // namespace mapigate::convert
