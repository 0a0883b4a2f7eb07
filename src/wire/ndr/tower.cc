#include "wire/ndr/tower.h"

#include "base/cursor.h"

namespace mapigate::wire::ndr {

namespace {

struct RawFloor {
  View left, right;
};

bool read_syntax(const RawFloor& floor, SyntaxId& out) {
  if (floor.left.size() != 19 || floor.left[0] != static_cast<std::uint8_t>(Floor::uuid) || floor.right.size() < 2) return false;
  std::copy_n(floor.left.begin() + 1, 16, out.uuid.bytes.begin());
  out.major = static_cast<std::uint16_t>(floor.left[17] | floor.left[18] << 8);
  out.minor = static_cast<std::uint16_t>(floor.right[0] | floor.right[1] << 8);
  return true;
}

void put16(Bytes& out, std::size_t x) {
  out.push_back(static_cast<std::uint8_t>(x));
  out.push_back(static_cast<std::uint8_t>(x >> 8));
}

void put_floor(Bytes& out, View left, View right) {
  put16(out, left.size());
  out.insert(out.end(), left.begin(), left.end());
  put16(out, right.size());
  out.insert(out.end(), right.begin(), right.end());
}

void put_syntax(Bytes& out, const SyntaxId& syntax) {
  Bytes left{static_cast<std::uint8_t>(Floor::uuid)}, right;
  left.insert(left.end(), syntax.uuid.bytes.begin(), syntax.uuid.bytes.end());
  put16(left, syntax.major);
  put16(right, syntax.minor);
  put_floor(out, left, right);
}

}  // namespace

Result<Tower> read_tower(View octets) {
  Cursor cursor(octets);
  const auto count = cursor.scalar<std::uint16_t>();
  if (!cursor.ok() || count < 3 || count > 8) return error(Errc::malformed, "tower with {} floors", count);
  std::array<RawFloor, 8> floors;
  for (unsigned i = 0; i < count; ++i) {
    floors[i].left = cursor.bytes(cursor.scalar<std::uint16_t>());
    floors[i].right = cursor.bytes(cursor.scalar<std::uint16_t>());
  }
  if (!cursor.ok()) return error(Errc::malformed, "a floor is longer than the tower");
  Tower out;
  if (!read_syntax(floors[0], out.interface) || !read_syntax(floors[1], out.transfer))
    return error(Errc::malformed, "the first floors are no interface and transfer syntax");
  for (unsigned i = 2; i < count; ++i)
    if (floors[i].left.size() != 1) return error(Errc::unsupported, "floor {} is of another kind", i + 1);
  if (count < 5) return error(Errc::unsupported, "a tower of {} floors", count);
  out.protocol = static_cast<Floor>(floors[2].left[0]);
  out.transport = static_cast<Floor>(floors[3].left[0]);
  if (out.transport != Floor::tcp && out.transport != Floor::http) return error(Errc::unsupported, "another transport");
  if (floors[3].right.size() != 2) return error(Errc::malformed, "the port has {} bytes", floors[3].right.size());
  out.port = static_cast<std::uint16_t>(floors[3].right[0] << 8 | floors[3].right[1]);  // network order
  if (floors[4].left[0] == static_cast<std::uint8_t>(Floor::ip) && floors[4].right.size() == 4)
    std::copy_n(floors[4].right.begin(), 4, out.address.begin());
  return out;
}

Bytes write_tower(const Tower& tower) {
  Bytes out;
  put16(out, 5);
  put_syntax(out, tower.interface);
  put_syntax(out, tower.transfer);
  const std::uint8_t protocol[] = {static_cast<std::uint8_t>(tower.protocol)}, minor[] = {0, 0};
  put_floor(out, protocol, minor);
  const std::uint8_t transport[] = {static_cast<std::uint8_t>(tower.transport)};
  const std::uint8_t port[] = {static_cast<std::uint8_t>(tower.port >> 8), static_cast<std::uint8_t>(tower.port)};
  put_floor(out, transport, port);
  const std::uint8_t ip[] = {static_cast<std::uint8_t>(Floor::ip)};
  put_floor(out, ip, tower.address);
  return out;
}

}  // namespace mapigate::wire::ndr
