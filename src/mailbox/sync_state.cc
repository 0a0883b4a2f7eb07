#include "mailbox/sync_state.h"

namespace mapigate::mailbox {

namespace fxics = wire::fxics;

fxics::ReplGuidSet* SyncState::find(mapi::PropertyTag tag) {
  // The one whose type is not what it says is sent under both types.
  if (tag.id() == fxics::MetaTagIdsetGiven.id()) return &given;
  if (tag == fxics::MetaTagCnsetSeen) return &seen;
  if (tag == fxics::MetaTagCnsetSeenFAI) return &seen_fai;
  if (tag == fxics::MetaTagCnsetRead) return &read;
  return nullptr;
}

void SyncState::write(fxics::StreamWriter& writer, bool contents) const {
  writer.marker(fxics::Marker::IncrSyncStateBegin);
  // Row P11 gives the order.
  (void)writer.binary(fxics::MetaTagCnsetSeen, fxics::write_idset(seen));
  if (contents) (void)writer.binary(fxics::MetaTagCnsetSeenFAI, fxics::write_idset(seen_fai));
  (void)writer.binary(fxics::MetaTagIdsetGiven, fxics::write_idset(given));
  if (contents) (void)writer.binary(fxics::MetaTagCnsetRead, fxics::write_idset(read));
  writer.marker(fxics::Marker::IncrSyncStateEnd);
}

mapi::GlobalCounter seen_without_gap(const fxics::ReplGuidSet& set, const mapi::Guid& replica) {
  const auto* counters = set.find(replica);
  if (counters == nullptr || counters->empty()) return 0;
  const auto& first = counters->ranges().front();
  return first.low <= 1 ? first.high : 0;
}

}  // namespace mapigate::mailbox
