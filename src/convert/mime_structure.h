// The MIME structure of a message as ranges of its bytes: nothing is copied or decoded.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "convert/headers.h"

namespace mapigate::convert {

struct Entity {
  View whole;   // header and body
  View header;  // fields only, without the empty line
  View body;    // raw, transfer encoding and all
  std::vector<HeaderField> fields;
  std::string type;              // "text/plain": lower case; what the parent implies when there is no field
  std::string encoding;          // Content-Transfer-Encoding in lower case
  std::string disposition;       // "inline", "attachment" or empty
  std::string filename;          // UTF-8
  std::string content_id;        // without brackets
  std::vector<Entity> children;  // of a multipart

  bool is_text() const { return type.starts_with("text/"); }
  bool is_multipart() const { return type.starts_with("multipart/"); }
  std::string parameter(std::string_view name) const;  // of Content-Type
};

struct StructureLimits {
  unsigned max_depth;
  std::size_t max_parts;
  std::size_t max_header_bytes;
};
// Never fails. What exceeds a limit, or is a multipart without a usable boundary, stays a leaf.
Entity parse_structure(View message, const StructureLimits& limits);

// Header and body of an entity. A header ends at an empty line or at the first line that cannot be part
// of one.
void split_entity(View whole, View& header, View& body);
// The parts between the delimiter lines of `boundary`; the last of `limit` parts keeps all that follows.
std::vector<View> split_multipart(View body, std::string_view boundary, std::size_t limit);

// Undoes the transfer encoding, in pieces of at most 64 KiB. An error from `sink` ends it.
Status decode_body(const Entity& entity, const std::function<Status(View)>& sink);
// At most `limit` bytes of it.
Bytes decoded_body(const Entity& entity, std::size_t limit);

}  // namespace mapigate::convert
