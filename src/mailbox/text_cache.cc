#include "mailbox/text_cache.h"

namespace mapigate::mailbox {

std::size_t TextCache::size_of(const Entry& entry) {
  constexpr std::size_t beside = 160;  // of the list, the map and the allocator, about
  return beside + entry.text.capacity();
}

const TextCache::Entry* TextCache::find(mapi::GlobalCounter message, std::uint64_t version) {
  const auto place = places_.find(message);
  if (place == places_.end() || place->second->second.version != version) return nullptr;
  entries_.splice(entries_.begin(), entries_, place->second);
  return &place->second->second;
}

void TextCache::put(mapi::GlobalCounter message, Entry entry, std::size_t most_bytes) {
  if (const auto old = places_.find(message); old != places_.end()) drop(old->second);
  bytes_ += size_of(entry);
  entries_.emplace_front(message, std::move(entry));
  places_[message] = entries_.begin();
  while (bytes_ > most_bytes && !entries_.empty()) drop(std::prev(entries_.end()));
}

void TextCache::drop(Entries::iterator at) {
  bytes_ -= size_of(at->second);
  places_.erase(at->first);
  entries_.erase(at);
}

void TextCache::clear() {
  entries_.clear();
  places_.clear();
  bytes_ = 0;
}

}  // namespace mapigate::mailbox
