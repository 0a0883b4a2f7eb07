// Replies of a ManageSieve server (RFC 5804 1.2, 1.3, 4): lines of strings, with literals inside.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace mapigate::sieve {

inline constexpr std::size_t longest_line = 16 * 1024;  // without literals
inline constexpr std::size_t most_lines = 2000;         // of one reply

// One line: strings, quoted or literal, and bare words.
struct Token {
  enum class Kind : std::uint8_t { string, word, code } kind = Kind::word;
  std::string text;  // of a code: what stands between the parentheses
};
using Line = std::vector<Token>;

// Takes the bytes of a connection and makes lines of them.
class LineReader {
 public:
  // `largest`: of all literals of one line together.
  explicit LineReader(std::size_t largest) : largest_(largest) {}

  // Takes as much as belongs to the line; how much that was. Errc::limit or malformed ends the connection.
  Result<std::size_t> feed(View bytes);
  bool complete() const { return complete_; }
  Line take();  // and begins the next

 private:
  enum class State : std::uint8_t { between, word, quoted, escaped, literal_size, literal_end, literal, code, code_quoted, code_escaped };
  Status step(char c);
  Status begin_token(char c);

  std::size_t largest_;
  std::size_t size_ = 0, literals_ = 0;
  std::size_t wanted_ = 0;  // of the literal under way
  bool after_return_ = false, plus_seen_ = false, digit_seen_ = false;
  State state_ = State::between;
  Line line_;
  bool complete_ = false;
};

// OK, NO or BYE.
struct Completion {
  std::string status;
  std::string code;  // "QUOTA/MAXSIZE", "TAG {…}"
  std::string text;
  bool ok() const { return status == "OK"; }
};
// None: the line belongs to the data before it.
std::optional<Completion> completion_of(const Line& line);

// What a server says of itself.
struct Capabilities {
  std::vector<std::string> sasl;        // mechanisms, upper case
  std::vector<std::string> extensions;  // of SIEVE, lower case
  bool starttls = false;
  bool understood(const Line& line);
  bool has(std::string_view extension) const;
};

// A string as it may stand in a command. Errc::malformed: it holds what no script name may (RFC 5804 1.6).
std::string quoted(std::string_view text);
bool is_script_name(std::string_view name);

}  // namespace mapigate::sieve
