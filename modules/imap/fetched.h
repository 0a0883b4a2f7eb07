// Messages as FETCH brings them, on their way into the index.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data.h"

namespace mapigate::imap {

// A message as FETCH brought it.
struct Fetched {
  std::uint32_t uid = 0;
  std::uint32_t flags = 0;
  std::string keywords;
  FileTime received;
  std::uint64_t size = 0;
  Bytes header;
  BodySummary body;
  mapi::PropertyBag told;  // by the content, where its header and its structure do not say what it is
  bool all_told = false;   // the content was read to its end
  std::optional<bool> has_attachments{}, shows_files{};
};

// What to ask for of a message.
std::string header_items();
// What such messages are stands in their parts alone: reports ([MS-OXCMAIL] 2.2.3.7), meetings and answers to them ([MS-OXCICAL]
// 2.1.3.1.1.1), what came as TNEF, and what is nested more deeply than servers tell.
bool has_to_be_read(const Fetched& one);
// `bytes`: the message, or its beginning.
void read_content(const Bytes& bytes, Fetched* one);
std::vector<state::Message> convert_all(const std::vector<Fetched>& batch);

}  // namespace mapigate::imap
