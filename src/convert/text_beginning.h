// What the text of a message begins with, from the first bytes of the message, for lists that show it.
#pragma once

#include <string>

#include "convert/byte_source.h"

namespace mapigate::convert {

struct TextBeginning {
  std::string text;      // UTF-8: the first characters of MimeMessage::text()
  bool certain = false;  // else more bytes of the message may tell more of it, or that it is another
};
// Of at most so many characters (code points). `whole`: the bytes are all of the message. Blocks for as long as reading them takes.
TextBeginning text_beginning(const ByteSource& bytes, bool whole, std::size_t characters);
// The first code points of a text.
std::string first_characters(std::string text, std::size_t count);

}  // namespace mapigate::convert
