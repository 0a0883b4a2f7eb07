// Protocol data units of connection-oriented DCE/RPC and the calls that they make up.
#include <map>
#include <set>

#include "base/cursor.h"
#include "wire/rpc/capture.h"

namespace mapigate::wire::rpc {
namespace {

enum PduType : std::uint8_t { request = 0, response = 2, fault = 3, bind = 11, bind_ack = 12, alter_context = 14, alter_context_response = 15, auth3 = 16 };
enum PduFlags : std::uint8_t { first_fragment = 0x01, last_fragment = 0x02, object_uuid = 0x80 };
constexpr std::size_t header_size = 16, auth_trailer_size = 8, max_stub = std::size_t{16} << 20;
constexpr std::uint8_t privacy = 6;  // auth_level

struct Pdu {
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  bool big_endian = false;
  std::uint32_t call_id = 0;
  bool sealed = false;
  View body;  // behind the header, without what authenticates it
};

struct Numbers {
  bool big_endian = false;
  std::uint16_t two(Cursor& cursor) const {
    const auto x = cursor.scalar<std::uint16_t>();
    return big_endian ? static_cast<std::uint16_t>(x << 8 | x >> 8) : x;
  }
  std::uint32_t four(Cursor& cursor) const {
    const auto x = cursor.scalar<std::uint32_t>();
    return big_endian ? __builtin_bswap32(x) : x;
  }
};

mapi::Guid uuid(Cursor& cursor, bool big_endian) {
  mapi::Guid out;
  const auto bytes = cursor.bytes(16);
  if (bytes.size() != 16) return out;
  std::memcpy(out.bytes.data(), bytes.data(), 16);
  if (big_endian) {
    std::swap(out.bytes[0], out.bytes[3]);
    std::swap(out.bytes[1], out.bytes[2]);
    std::swap(out.bytes[4], out.bytes[5]);
    std::swap(out.bytes[6], out.bytes[7]);
  }
  return out;
}

bool is_rpc(View stream) {
  return stream.size() >= header_size && stream[0] == 5 && stream[1] <= 1 && stream[2] <= 19 && (stream[4] == 0x10 || stream[4] == 0x00);
}

// The next PDU at the front of `stream`, which it shortens. False at the end; `problem` says why if it is none.
bool next_pdu(View& stream, Pdu& out, std::string& problem) {
  if (stream.empty()) return false;
  if (!is_rpc(stream)) {
    problem = stream.size() < header_size ? "a PDU is cut off" : "what follows is no PDU of DCE/RPC";
    return false;
  }
  out = {};
  out.type = stream[2];
  out.flags = stream[3];
  out.big_endian = (stream[4] & 0xF0) == 0;
  const Numbers numbers{out.big_endian};
  Cursor cursor(stream.subspan(8));
  const std::size_t length = numbers.two(cursor), auth = numbers.two(cursor);
  out.call_id = numbers.four(cursor);
  if (length < header_size || length > stream.size()) {
    problem = "a PDU is cut off";
    return false;
  }
  auto body = stream.subspan(header_size, length - header_size);
  stream = stream.subspan(length);
  if (auth != 0) {
    if (body.size() < auth + auth_trailer_size) {
      problem = "a PDU is smaller than what authenticates it";
      return false;
    }
    body = body.first(body.size() - auth);
    const auto trailer = body.last(auth_trailer_size);
    body = body.first(body.size() - auth_trailer_size);
    out.sealed = trailer[1] == privacy;
    const std::size_t padding = trailer[2];
    if (padding <= body.size()) body = body.first(body.size() - padding);
  }
  out.body = body;
  return true;
}

class Collector {
 public:
  explicit Collector(CapturedConnection& connection) : connection_(connection) {}

  void client(View stream) {
    for (Pdu pdu; next_pdu(stream, pdu, connection_.problem);) {
      Cursor cursor(pdu.body);
      const Numbers numbers{pdu.big_endian};
      if (pdu.type == bind || pdu.type == alter_context) {
        cursor.skip(8);  // fragment sizes and association group
        const unsigned count = cursor.scalar<std::uint8_t>();
        cursor.skip(3);
        for (unsigned i = 0; i < count && cursor.ok(); ++i) {
          const auto id = numbers.two(cursor);
          const unsigned transfers = cursor.scalar<std::uint8_t>();
          cursor.skip(1);
          contexts_[id] = uuid(cursor, pdu.big_endian);
          cursor.skip(4 + std::size_t{20} * transfers);
        }
      } else if (pdu.type == request) {
        cursor.skip(4);
        const auto context = numbers.two(cursor);
        const auto opnum = numbers.two(cursor);
        if ((pdu.flags & object_uuid) != 0) cursor.skip(16);
        if (!cursor.ok()) continue;
        if ((pdu.flags & first_fragment) != 0) {
          CapturedCall call;
          call.call_id = pdu.call_id;
          call.opnum = opnum;
          call.request_big_endian = pdu.big_endian;
          if (const auto known = contexts_.find(context); known != contexts_.end()) call.interface = known->second;
          open_[pdu.call_id] = connection_.calls.size();
          connection_.calls.push_back(std::move(call));
        }
        const auto place = open_.find(pdu.call_id);
        if (place == open_.end()) continue;
        auto& call = connection_.calls[place->second];
        call.sealed = call.sealed || pdu.sealed;
        append(call.request, cursor.rest());
      }
    }
  }

  // A call id may come again once its call has ended: responses go to its calls in turn.
  void server(View stream) {
    std::map<std::uint32_t, std::vector<std::size_t>> waiting;
    for (std::size_t i = connection_.calls.size(); i-- > 0;) waiting[connection_.calls[i].call_id].push_back(i);
    for (Pdu pdu; next_pdu(stream, pdu, connection_.problem);) {
      if (pdu.type != response && pdu.type != fault) continue;
      auto& places = waiting[pdu.call_id];
      if (places.empty()) continue;
      auto& call = connection_.calls[places.back()];
      Cursor cursor(pdu.body);
      cursor.skip(8);
      call.has_response = true;
      call.response_big_endian = pdu.big_endian;
      call.sealed = call.sealed || pdu.sealed;
      if (pdu.type == fault) call.fault = Numbers{pdu.big_endian}.four(cursor);
      else if (cursor.ok()) append(call.response, cursor.rest());
      if (pdu.type == fault || (pdu.flags & last_fragment) != 0) places.pop_back();
    }
  }

 private:
  static void append(Bytes& to, View what) {
    if (to.size() + what.size() <= max_stub) to.insert(to.end(), what.begin(), what.end());
  }

  CapturedConnection& connection_;
  std::map<std::uint16_t, mapi::Guid> contexts_;
  std::map<std::uint32_t, std::size_t> open_;
};

}  // namespace

std::vector<CapturedConnection> rpc_connections(std::span<const CapturedStream> streams) {
  std::vector<CapturedConnection> out;
  std::set<const CapturedStream*> used;
  for (const auto& stream : streams) {
    // The client's direction is the one that binds or, captured later, requests.
    if (!is_rpc(stream.bytes)) continue;
    const auto type = stream.bytes[2];
    if (type != bind && type != request && type != alter_context && type != auth3) continue;
    CapturedConnection connection{stream.from, stream.to, {}, {}};
    Collector collector(connection);
    collector.client(stream.bytes);
    for (const auto& other : streams) {
      if (other.from != stream.to || other.to != stream.from || !is_rpc(other.bytes) || !used.insert(&other).second) continue;
      collector.server(other.bytes);
      break;
    }
    if (stream.missing != 0 && connection.problem.empty()) connection.problem = fmt::format("{} bytes stand behind a gap", stream.missing);
    out.push_back(std::move(connection));
  }
  return out;
}

}  // namespace mapigate::wire::rpc
