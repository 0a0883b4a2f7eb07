// Mailbox names: modified UTF-7 on the wire (RFC 3501 5.1.3), UTF-8 inside.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mapigate::imap {

// Never fails: what is no modified UTF-7 stays as it is; broken UTF-8 becomes U+FFFD.
// `utf8`: the connection has UTF8=ACCEPT enabled (RFC 6855), names are UTF-8 already.
std::string decode_mailbox_name(std::string_view wire, bool utf8 = false);
std::string encode_mailbox_name(std::string_view name, bool utf8 = false);

// Outlook's users name folders "A/B" and "v1.2", and IMAP servers cannot hold that: '/' or '.' separates the parts of their names,
// '%' and '*' stand for others in LIST, and each server refuses more than that. Such a character is held as one that looks like
// it ("/" as U+2215, "." as U+2024, most as their fullwidth form, control characters as their pictures) and the invisible U+2060
// behind it. What shows a folder turns that back, so nothing has to be remembered of it: neither a restart nor the loss of all
// state changes a name, and other mail programs show nearly what was typed. U+2215 and the like without U+2060 are just
// themselves; where they have U+2060 behind them by the user's own will, it is doubled. So two names are never held as one.
enum class Replace : std::uint8_t {
  necessary,   // the separator, wildcards, control characters, blanks at both ends, names of dots alone
  separators,  // and what separates in other places: in the server's file system, say
  all,         // all ASCII but letters, digits, '-', '_' and blanks
};
// `separator`: 0 where there is none. `name` is UTF-8 and one part of the path.
std::string held_name(std::string_view name, char separator, Replace what);
std::string shown_name(std::string_view held);
std::string replaced(char c);  // what an ASCII character is held as

// As a quoted string. Precondition: no CR, LF or NUL.
std::string quote(std::string_view text);

}  // namespace mapigate::imap
