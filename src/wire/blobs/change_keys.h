// Change keys and where an object's versions come from ([MS-OXCFXICS] 2.2.2.2 and 2.2.2.3).
#pragma once

#include "mapi/ids.h"
#include "wire/blobs/blob_fields.h"

namespace mapigate::wire::blobs {

// 2.2.2.2 "XID": the value of PidTagChangeKey and, with a GlobalCounter as LocalId, of PidTagSourceKey.
struct XID {
  static constexpr const char* name = "XID";
  mapi::Guid NamespaceGuid{};
  View LocalId{};
  static void fields(auto& s, auto& v) {
    v("NamespaceGuid", s.NamespaceGuid);
    v.rest("LocalId", s.LocalId);
  }
};

// 2.2.2.3.1.
struct SizedXid {
  static constexpr std::size_t minimum_size = 1;
  blobs::XID XID{};
  static void fields(auto& s, auto& v) {
    v.template sized<std::uint8_t>("XidSize", [&](auto& v) { v("XID", s.XID); });
  }
};

// 2.2.2.3 "PredecessorChangeList".
struct PredecessorChangeList {
  static constexpr const char* name = "PredecessorChangeList";
  std::span<const SizedXid> SizedXids{};
  static void fields(auto& s, auto& v) { v.list_to_end("SizedXids", s.SizedXids); }
};

// [MS-OXCDATA] 2.2.1.3.1 "LongTermID".
struct LongTermIdBlob {
  static constexpr const char* name = "LongTermId";
  mapi::LongTermId LongTermId{};
  static void fields(auto& s, auto& v) { v("LongTermId", s.LongTermId); }
};

}  // namespace mapigate::wire::blobs
