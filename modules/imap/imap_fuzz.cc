// The stream of a server, in pieces whose sizes the input itself decides; every way of understanding a
// response; and names both ways.
#include <algorithm>
#include <cstdlib>

#include "data.h"
#include "mailbox_name.h"

using namespace mapigate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  imap::Limits limits;
  limits.response = 1 << 20;
  limits.inline_literal = 256;
  limits.literal = 1 << 16;
  limits.spool_memory = 1 << 20;
  imap::ResponseReader reader(limits);
  View left(data, size);
  std::size_t piece = size == 0 ? 1 : 1 + data[0] % 97;
  while (!left.empty()) {
    auto used = reader.feed(left.first(std::min(piece, left.size())));
    if (!used) break;
    if (*used == 0) std::abort();
    left = left.subspan(*used);
    if (!reader.complete()) continue;
    auto response = reader.parse();
    if (response) {
      const auto fetch = imap::parse_fetch(*response);
      if (fetch && *fetch && (*fetch)->body_structure != nullptr) imap::summarize_body(*(*fetch)->body_structure);
      if (auto entry = imap::parse_list(*response)) {
        const auto name = imap::decode_mailbox_name(entry->name);
        if (imap::decode_mailbox_name(imap::encode_mailbox_name(name)) != name) std::abort();
        for (const auto what : {imap::Replace::necessary, imap::Replace::separators, imap::Replace::all})
          if (imap::shown_name(imap::held_name(name, entry->separator, what)) != name) std::abort();
        imap::quote(entry->name);
      }
      imap::parse_status(*response);
      imap::parse_namespaces(*response);
      for (auto ranges : {imap::parse_search(*response), imap::parse_vanished(*response)}) {
        if (!ranges) continue;
        auto uids = imap::expand(*ranges, 1000);
        if (uids && !uids->empty() &&
            imap::expand(*imap::parse_uid_set(imap::make_uid_set(*uids)), 1000).value() != *uids)
          std::abort();
      }
    }
    reader.clear();
  }
  return 0;
}
