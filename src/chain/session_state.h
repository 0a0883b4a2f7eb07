// What a chain keeps for a session. Internal to src/chain.
#pragma once

#include <map>

#include "chain/call.h"
#include "chain/handle_map.h"
#include "wire/rop/trackers.h"

namespace mapigate::chain {

struct Session::State {
  // Without the columns that a RopSetColumns set nobody can decode rows. A table is known by
  // its handle, and so by the level of the chain at which the handle counts (Call::level()).
  std::map<unsigned, wire::ColumnTracker> columns;
  wire::LogonTracker logons;
  // By the place of the owning module in the chain.
  std::map<std::size_t, HandleMap> handle_maps;
};

}  // namespace mapigate::chain
