// Frames, packets and segments; the PDUs are in capture_pdus.cc.
#include "wire/rpc/capture.h"

#include <algorithm>
#include <list>
#include <map>

#include "base/cursor.h"

namespace mapigate::wire::rpc {
namespace {

constexpr std::size_t max_stream = std::size_t{64} << 20;

enum LinkType : std::uint32_t {
  loopback = 0, ethernet = 1, raw_ip = 101, loopback_network_order = 108, linux_cooked = 113, ipv4_only = 228,
  ipv6_only = 229, linux_cooked_2 = 276,
};

std::uint16_t big16(View bytes, std::size_t at) { return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]); }
std::uint32_t big32(View bytes, std::size_t at) { return static_cast<std::uint32_t>(big16(bytes, at)) << 16 | big16(bytes, at + 2); }

// Puts segments together in the order of their sequence numbers, whichever order they came in.
class Assembler {
 public:
  void frame(std::uint32_t link, View bytes) {
    switch (link) {
      case ethernet: {
        std::size_t at = 12;
        while (bytes.size() >= at + 4 && (big16(bytes, at) == 0x8100 || big16(bytes, at) == 0x88A8)) at += 4;  // VLAN tags
        if (bytes.size() >= at + 2) packet(bytes.subspan(at + 2));
        break;
      }
      case loopback:
      case loopback_network_order: skip(bytes, 4); break;
      case linux_cooked: skip(bytes, 16); break;
      case linux_cooked_2: skip(bytes, 20); break;
      default: packet(bytes); break;
    }
  }

  std::vector<CapturedStream> take() {
    std::vector<CapturedStream> out;
    for (const auto* flow : order_) {
      CapturedStream stream{flow->from, flow->to, {}, 0};
      // Sequence numbers wrap: they are compared with that of the first byte.
      std::multimap<std::uint32_t, View> segments;
      for (const auto& [sequence, data] : flow->segments) segments.emplace(sequence - flow->first, data);
      for (const auto& [offset, data] : segments) {
        if (offset > stream.bytes.size()) {
          stream.missing += data.size();
          continue;
        }
        const auto known = std::min<std::size_t>(stream.bytes.size() - offset, data.size());
        if (stream.bytes.size() + data.size() > max_stream) break;
        stream.bytes.insert(stream.bytes.end(), data.begin() + static_cast<std::ptrdiff_t>(known), data.end());
      }
      if (!stream.bytes.empty()) out.push_back(std::move(stream));
    }
    return out;
  }

 private:
  struct Flow {
    std::string from, to;
    std::uint32_t first = 0;
    std::vector<std::pair<std::uint32_t, View>> segments;
  };

  void skip(View bytes, std::size_t size) {
    if (bytes.size() > size) packet(bytes.subspan(size));
  }
  void packet(View bytes) {
    if (bytes.empty()) return;
    if (bytes[0] >> 4 == 4) ip4(bytes);
    else if (bytes[0] >> 4 == 6) ip6(bytes);
  }
  void ip4(View bytes) {
    if (bytes.size() < 20) return;
    const std::size_t head = (bytes[0] & 15U) * 4U, total = big16(bytes, 2);
    const bool fragment = (big16(bytes, 6) & 0x3FFF) != 0;
    // Zero where the network card was to cut the packet.
    const auto end = total == 0 ? bytes.size() : std::min<std::size_t>(total, bytes.size());
    if (head < 20 || end < head || bytes[9] != 6 || fragment) return;
    const auto address = [&](std::size_t at) { return fmt::format("{}.{}.{}.{}", bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]); };
    tcp(address(12), address(16), bytes.subspan(head, end - head));
  }
  void ip6(View bytes) {
    if (bytes.size() < 40) return;
    const auto address = [&](std::size_t at) {
      std::string out = "[";
      for (std::size_t i = 0; i < 16; i += 2) out += fmt::format("{}{:x}", i == 0 ? "" : ":", big16(bytes, at + i));
      return out + "]";
    };
    auto next = bytes[6];
    const auto end = std::min<std::size_t>(bytes.size(), 40U + big16(bytes, 4));
    std::size_t at = 40;
    // Hop-by-hop options, routing and destination options stand before what is carried.
    while ((next == 0 || next == 43 || next == 60) && at + 8 <= end) {
      next = bytes[at];
      at += 8U + bytes[at + 1] * 8U;
    }
    if (next == 6 && at < end) tcp(address(8), address(24), bytes.subspan(at, end - at));
  }
  void tcp(std::string from, std::string to, View bytes) {
    if (bytes.size() < 20) return;
    from += fmt::format(":{}", big16(bytes, 0));
    to += fmt::format(":{}", big16(bytes, 2));
    const auto sequence = big32(bytes, 4);
    const std::size_t head = (bytes[12] >> 4) * 4U;
    const bool synchronise = (bytes[13] & 0x02) != 0;
    if (head < 20 || head > bytes.size()) return;
    const auto data = bytes.subspan(head);
    auto [place, fresh] = flows_.try_emplace(from + " " + to);
    // A new connection between the same ports begins a new stream.
    if (synchronise && !fresh && !place->second.empty() && place->second.back().first != sequence + 1) fresh = true;
    auto& versions = place->second;
    if (fresh || versions.empty()) {
      auto& flow = versions.emplace_back(Flow{from, to, synchronise ? sequence + 1 : sequence, {}});
      order_.push_back(&flow);
    }
    if (!data.empty()) versions.back().segments.emplace_back(sequence, data);
  }

  std::map<std::string, std::list<Flow>> flows_;
  std::vector<const Flow*> order_;
};

bool known_link(std::uint32_t link) {
  switch (link) {
    case loopback: case ethernet: case raw_ip: case loopback_network_order: case linux_cooked: case ipv4_only: case ipv6_only:
    case linux_cooked_2: return true;
    default: return false;
  }
}
Error unknown_link(std::uint32_t link) { return error(Errc::unsupported, "capture: link type {} is unknown", link); }

// Numbers in the byte order of whoever wrote the file.
struct Numbers {
  bool swapped = false;
  std::uint16_t two(Cursor& cursor) const {
    const auto x = cursor.scalar<std::uint16_t>();
    return swapped ? static_cast<std::uint16_t>(x << 8 | x >> 8) : x;
  }
  std::uint32_t four(Cursor& cursor) const {
    const auto x = cursor.scalar<std::uint32_t>();
    return swapped ? __builtin_bswap32(x) : x;
  }
};

// A file that was cut off counts up to there.
Status read_pcap(View file, Numbers numbers, Assembler& to) {
  Cursor cursor(file);
  cursor.skip(20);
  const auto link = numbers.four(cursor) & 0x0FFFFFFF;  // above it: length of the frame check sequence
  if (!known_link(link)) return unknown_link(link);
  while (cursor.left() >= 16) {
    cursor.skip(8);
    const auto size = numbers.four(cursor);
    cursor.skip(4);
    const auto bytes = cursor.bytes(std::min<std::size_t>(size, cursor.left()));
    to.frame(link, bytes);
  }
  return {};
}

Status read_pcapng(View file, Assembler& to) {
  enum : std::uint32_t { interface_description = 1, simple_packet = 3, enhanced_packet = 6, section_header = 0x0A0D0D0A, order_magic = 0x1A2B3C4D };
  Numbers numbers;
  std::vector<std::uint32_t> links;
  Cursor cursor(file);
  while (cursor.left() >= 12) {
    const auto* block_start = cursor.position();
    auto type = numbers.four(cursor);
    if (type == section_header) {
      Cursor ahead(View(block_start + 8, 4));
      const auto magic = ahead.scalar<std::uint32_t>();
      if (magic != order_magic && magic != __builtin_bswap32(order_magic)) return error(Errc::malformed, "capture: no byte order in a section");
      numbers.swapped = magic != order_magic;
      links.clear();
    }
    const auto size = numbers.four(cursor);
    if (size < 12 || size % 4 != 0) return error(Errc::malformed, "capture: a block of {} bytes", size);
    Cursor block(cursor.bytes(std::min<std::size_t>(size - 8, cursor.left())));
    if (type == interface_description) {
      links.push_back(numbers.two(block));
      if (!known_link(links.back())) return unknown_link(links.back());
    } else if (type == enhanced_packet) {
      const auto interface = numbers.four(block);
      block.skip(8);
      const auto captured = numbers.four(block);
      block.skip(4);
      if (interface < links.size() && block.ok()) to.frame(links[interface], block.bytes(std::min<std::size_t>(captured, block.left())));
    } else if (type == simple_packet && !links.empty()) {
      const auto whole = numbers.four(block);
      const auto room = block.left() < 4 ? 0 : block.left() - 4;
      if (block.ok()) to.frame(links[0], block.bytes(std::min<std::size_t>(whole, room)));
    }
  }
  return {};
}

}  // namespace

Result<std::vector<CapturedStream>> read_capture(View file) {
  if (file.size() < 24) return error(Errc::malformed, "capture: {} bytes are too few", file.size());
  std::uint32_t magic;
  std::memcpy(&magic, file.data(), sizeof magic);
  Assembler assembler;
  Status read;
  switch (magic) {
    case 0xA1B2C3D4: case 0xA1B23C4D: read = read_pcap(file, {false}, assembler); break;
    case 0xD4C3B2A1: case 0x4D3CB2A1: read = read_pcap(file, {true}, assembler); break;
    case 0x0A0D0D0A: read = read_pcapng(file, assembler); break;
    default: return error(Errc::malformed, "capture: neither pcap nor pcapng");
  }
  if (!read) return read.error();
  return assembler.take();
}

}  // namespace mapigate::wire::rpc
