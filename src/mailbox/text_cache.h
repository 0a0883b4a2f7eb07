// What texts of messages begin with, as far as tables have asked for it. On the mailbox's executor.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>

#include "mapi/errors.h"
#include "mapi/ids.h"

namespace mapigate::mailbox {

class TextCache {
 public:
  struct Entry {
    std::uint64_t version = 0;  // of the content: another one is another text
    std::string text;
    mapi::ErrorCode code = mapi::ecNone;  // else there is no text to show
  };
  // Valid until the next call; null when it is not known, or of another version.
  const Entry* find(mapi::GlobalCounter message, std::uint64_t version);
  // Those that were not asked for longest go until the rest takes no more than `most_bytes`.
  void put(mapi::GlobalCounter message, Entry entry, std::size_t most_bytes);
  void clear();

 private:
  using Entries = std::list<std::pair<mapi::GlobalCounter, Entry>>;  // most recently used first
  static std::size_t size_of(const Entry& entry);
  void drop(Entries::iterator at);

  Entries entries_;
  std::unordered_map<mapi::GlobalCounter, Entries::iterator> places_;
  std::size_t bytes_ = 0;
};

}  // namespace mapigate::mailbox
