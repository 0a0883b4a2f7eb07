// Search folders ([MS-OXCFOLD] 2.2.1.4 and 3.2.5.4): what each looks for and how far it has come. What it found is kept in the
// state store as links to messages (state::links_of), so that its tables are like those of other folders and a restart
// costs nothing.
#pragma once

#include <optional>
#include <set>
#include <unordered_set>

#include "mailbox/message_list.h"

namespace mapigate::mailbox {

using mapi::GlobalCounter;

struct SearchCriteria {
  std::shared_ptr<const ListOrder> restriction;  // only its restriction counts
  std::vector<GlobalCounter> scope;  // each once, in the client's order
  bool recursive = false;
  bool once = false;     // STATIC_SEARCH
  bool indexed = false;  // CONTENT_INDEXED_SEARCH was asked for
  bool same(const SearchCriteria& other) const;
};

struct Search {
  enum class State : std::uint8_t { running, complete, stopped };
  GlobalCounter folder = 0;
  SearchCriteria criteria;
  State state = State::running;
  bool partial = false;                 // a folder could not be read
  bool unwanted = false;                // STOP_SEARCH came when it was complete: asked for again it begins anew
  GlobalCounter seen = 0;               // changes up to here have been looked at
  std::set<GlobalCounter> covered;      // folders that were looked through

  // For whom runs it.
  bool working = false, restart = false, stop = false, dirty = false;
  // Of other search folders in the scope: their contents, and which messages of these have been looked at. Nothing yet after a
  // restart: all are looked at again.
  std::set<GlobalCounter> followed;
  std::optional<std::unordered_set<GlobalCounter>> linked;

  std::string save() const;
  static Result<std::shared_ptr<Search>> load(GlobalCounter folder, const std::string& text);
};

}  // namespace mapigate::mailbox
