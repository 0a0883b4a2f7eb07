// Replies of an SMTP server (RFC 5321 4.2, RFC 3463).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mapigate::smtp {

struct Reply {
  int code = 0;                    // 250
  std::vector<std::string> lines;  // without code and separator
  bool ok() const { return code >= 200 && code < 400; }
  bool later() const { return code >= 400 && code < 500; }
  std::string text() const;    // all lines as one
  std::string status() const;  // "5.1.1" of an enhanced code, else one made of the first digit
};

// Takes one line without its end. Null: it is no line of a reply, or of another than those before.
// True: the last line.
std::optional<bool> add_line(Reply& reply, std::string_view line);

// The line of a message as it goes over the wire: a leading dot doubled, every line end CR LF, and one at the end.
std::string dot_stuffed(std::string_view message);

}  // namespace mapigate::smtp
