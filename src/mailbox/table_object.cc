// Places in a table whose rows change: the cursor and the bookmarks stay at their rows, or at the next ones that are left,
// so that a client that reads on misses none and sees none twice.
#include <algorithm>
#include <unordered_map>

#include "mailbox/objects.h"

namespace mapigate::mailbox {

namespace {
// So many rows in a row may go at once before a place is lost to the one before it.
constexpr std::size_t cursor_depth = 256, bookmark_depth = 16;
constexpr std::size_t lost = SIZE_MAX;
}  // namespace

TableObject::Place TableObject::place(std::size_t at, std::size_t depth) const {
  Place out;
  const auto size = rows->size();
  for (auto i = at; i < size && i < at + depth; ++i) out.following.push_back(rows->identity(i));
  for (auto i = std::min(at, size); i > 0 && out.before.size() < depth; --i) out.before.push_back(rows->identity(i - 1));
  return out;
}

TableObject::Places TableObject::places() const {
  Places out{place(position, cursor_depth), {}};
  for (const auto& [number, bookmark] : bookmarks) out.bookmarks.emplace_back(number, place(bookmark.position, bookmark_depth));
  return out;
}

void TableObject::restore(const Places& places) {
  std::unordered_map<std::uint64_t, std::size_t> where;
  const auto want = [&](const Place& place) {
    for (const auto id : place.following) where.emplace(id, lost);
    for (const auto id : place.before) where.emplace(id, lost);
  };
  want(places.cursor);
  for (const auto& [number, place] : places.bookmarks) want(place);
  for (const auto& [number, bookmark] : bookmarks)
    if (bookmark.row) where.emplace(*bookmark.row, lost);
  const auto size = rows->size();
  for (std::size_t i = 0; i < size; ++i)
    if (const auto found = where.find(rows->identity(i)); found != where.end()) found->second = i;
  const auto find = [&](const Place& place) {
    for (const auto id : place.following)
      if (where[id] != lost) return where[id];
    if (place.following.empty()) return size;  // at the end, where new rows come in before it
    for (const auto id : place.before)
      if (where[id] != lost) return where[id] + 1;
    return std::size_t{0};
  };
  // Nothing was read yet: what comes in at the beginning is read, too.
  position = places.cursor.before.empty() ? 0 : find(places.cursor);
  for (const auto& [number, place] : places.bookmarks) {
    const auto found = bookmarks.find(number);
    if (found == bookmarks.end()) continue;
    auto& bookmark = found->second;
    // Its row may be back: its category is expanded again, or it meets the restriction again.
    const auto at = bookmark.row ? where[*bookmark.row] : lost;
    bookmark.gone = bookmark.row && at == lost;
    bookmark.position = at != lost ? at : find(place);
  }
}

}  // namespace mapigate::mailbox
