// Mailbox names: modified UTF-7 on the wire (RFC 3501 5.1.3), UTF-8 inside.
#pragma once

#include <string>
#include <string_view>

namespace mapigate::imap {

// Never fails: what is no modified UTF-7 stays as it is; broken UTF-8 becomes U+FFFD.
// `utf8`: the connection has UTF8=ACCEPT enabled (RFC 6855), names are UTF-8 already.
std::string decode_mailbox_name(std::string_view wire, bool utf8 = false);
std::string encode_mailbox_name(std::string_view name, bool utf8 = false);

// As a quoted string. Precondition: no CR, LF or NUL.
std::string quote(std::string_view text);

}  // namespace mapigate::imap
