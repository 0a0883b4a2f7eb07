// Server responses of IMAP4rev1 (RFC 3501 7, 9) and its extensions, from bytes to a tree of values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "convert/byte_source.h"

namespace mapigate::imap {

// Atom, number, string or list. Views point into the response's text or its arena.
struct Value {
  enum class Kind : std::uint8_t { nil, atom, string, list, spooled };
  Kind kind = Kind::nil;
  std::string_view text;                         // atom, string
  std::span<const Value> list;                   // list
  const convert::ByteSource* spooled = nullptr;  // a large literal; lives as long as the response

  bool is_list() const { return kind == Kind::list; }
  bool is_string() const { return kind == Kind::string || kind == Kind::atom; }
  View bytes() const { return kind == Kind::spooled ? spooled->view() : as_view(text); }
};

struct Response {
  enum class Kind : std::uint8_t { tagged, untagged, continuation };
  Kind kind = Kind::untagged;
  std::string_view tag;
  std::optional<std::uint64_t> number;  // of "* 12 FETCH …"
  std::string name;                     // upper case: OK, NO, BAD, BYE, PREAUTH, FETCH, LIST, …
  std::string code;                     // upper case, of "[CODE …]" in a status response; else empty
  std::span<const Value> code_values;
  std::string_view text;          // what a status response or continuation tells a human
  std::span<const Value> values;  // of a data response

  bool is_status() const {
    return name == "OK" || name == "NO" || name == "BAD" || name == "BYE" || name == "PREAUTH";
  }
};

struct Limits {
  std::size_t response = std::size_t{16} << 20;        // one response without its spooled literals
  std::size_t inline_literal = std::size_t{64} << 10;  // larger ones are spooled
  std::uint64_t literal = std::uint64_t{256} << 20;    // of one literal
  std::size_t literals = 64;                           // spooled ones in one response
  std::size_t spool_memory = std::size_t{1} << 20;
  std::string spool_directory = "/tmp";
};

// Cuts the stream into responses. It never waits and never reads: feed it what arrives, in pieces
// of any size.
class ResponseReader {
 public:
  explicit ResponseReader(Limits limits = {}) : limits_(std::move(limits)) {}

  // Takes bytes up to the end of one response. Returns how many; fewer than given only when complete().
  // After an error the stream cannot be followed any more.
  Result<std::size_t> feed(View bytes);
  bool complete() const { return complete_; }
  bool empty() const { return text_.empty(); }  // between two responses
  // Of the complete response; valid until clear().
  Result<Response> parse();
  void clear();

 private:
  struct Spooled {
    std::size_t offset;  // of the text after the announced size
    convert::ByteSource bytes;
  };
  Status end_line();
  Status begin_literal(std::uint64_t size);
  Status end_literal();

  Limits limits_;
  std::string text_;
  std::size_t line_ = 0;  // where the present line starts
  std::uint64_t literal_left_ = 0;
  std::optional<convert::Spool> spool_;
  std::vector<Spooled> spooled_;
  Arena arena_{4096};
  bool complete_ = false;
};

}  // namespace mapigate::imap
