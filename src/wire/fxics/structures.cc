#include "wire/fxics/structures.h"

namespace mapigate::wire::fxics {

namespace {
constexpr std::size_t guid_size = 16;
constexpr std::size_t shortest_xid = guid_size + 1;
constexpr std::size_t longest_xid = guid_size + 8;
}  // namespace

Result<Xid> read_xid(View bytes) {
  if (bytes.size() < shortest_xid || bytes.size() > longest_xid)
    return error(Errc::malformed, "XID: has {} bytes, not 17 to 24", bytes.size());
  Xid out;
  std::copy_n(bytes.begin(), guid_size, out.NamespaceGuid.bytes.begin());
  out.LocalId = bytes.subspan(guid_size);
  return out;
}

Result<std::vector<Xid>> read_predecessor_change_list(View bytes) {
  std::vector<Xid> out;
  while (!bytes.empty()) {
    const std::size_t size = bytes[0];
    if (size > bytes.size() - 1) return error(Errc::malformed, "PredecessorChangeList: an XID of {} bytes is cut short", size);
    const auto xid = read_xid(bytes.subspan(1, size));
    if (!xid) return Error(xid.error()).within("PredecessorChangeList");
    out.push_back(*xid);
    bytes = bytes.subspan(1 + size);
  }
  return out;
}

Bytes write_predecessor_change_list(std::span<const Xid> list) {
  Bytes out;
  Output output(out);
  for (const auto& xid : list) {
    output.scalar(static_cast<std::uint8_t>(guid_size + xid.LocalId.size()));
    output.bytes(xid.NamespaceGuid.bytes);
    output.bytes(xid.LocalId);
  }
  return out;
}

}  // namespace mapigate::wire::fxics
