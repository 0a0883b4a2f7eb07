// The state of a synchronisation ([MS-OXCFXICS] "ICS State Properties"): what a client has, and up to which change.
#pragma once

#include <optional>
#include <vector>

#include "mailbox/message_list.h"
#include "wire/fxics/idset.h"
#include "wire/fxics/stream_writer.h"

namespace mapigate::mailbox {

struct SyncState {
  wire::fxics::ReplGuidSet given, seen, seen_fai, read;
  // Null for a tag that is none of a state.
  wire::fxics::ReplGuidSet* find(mapi::PropertyTag tag);
  void write(wire::fxics::StreamWriter& writer, bool contents) const;
};

// The last number of an unbroken row from 1 on: changes up to it need not be looked at.
mapi::GlobalCounter seen_without_gap(const wire::fxics::ReplGuidSet& set, const mapi::Guid& replica);

// What RopSynchronizationConfigure asked for, and the states before and after.
struct SyncContext {
  enum Flag : std::uint16_t {  // SynchronizationFlags
    Unicode = 0x0001, NoDeletions = 0x0002, IgnoreNoLongerInScope = 0x0004, ReadState = 0x0008, FAI = 0x0010,
    Normal = 0x0020, OnlySpecifiedProperties = 0x0080, NoForeignIdentifiers = 0x0100, Reserved = 0x1000, BestBody = 0x2000,
    IgnoreSpecifiedOnFAI = 0x4000, Progress = 0x8000,
  };
  enum ExtraFlag : std::uint32_t { Eid = 0x1, MessageSize = 0x2, CN = 0x4, OrderByDeliveryTime = 0x8 };

  bool contents = true;
  bool collector = false;  // made by RopSynchronizationOpenCollector
  mapi::GlobalCounter folder = 0;
  std::uint16_t flags = 0;
  std::uint32_t extra_flags = 0;
  std::vector<mapi::PropertyTag> tags;
  std::shared_ptr<const ListOrder> restriction;  // null: everything
  SyncState state;               // as uploaded
  std::optional<SyncState> final_state;
  bool started = false;          // the state can no longer be uploaded

  // Of the property that is being uploaded.
  std::optional<mapi::PropertyTag> uploading;
  Bytes uploaded;
};

}  // namespace mapigate::mailbox
