#include "wire/rpc/rts.h"

#include <algorithm>

namespace mapigate::wire::rpc::rts {

namespace {

Command number(CommandType type, std::uint32_t value) {
  Command out;
  out.Type = type;
  out.Value = value;
  return out;
}

Command with_cookie(CommandType type, const RtsCookie& value) {
  Command out;
  out.Type = type;
  out.Cookie = value;
  return out;
}

}  // namespace

Command receive_window_size(std::uint32_t bytes) { return number(CommandType::ReceiveWindowSize, bytes); }
Command flow_control_ack(std::uint32_t received, std::uint32_t window, const RtsCookie& channel) {
  auto out = with_cookie(CommandType::FlowControlAck, channel);
  out.BytesReceived = received;
  out.AvailableWindow = window;
  return out;
}
Command connection_timeout(std::uint32_t milliseconds) { return number(CommandType::ConnectionTimeout, milliseconds); }
Command cookie(const RtsCookie& value) { return with_cookie(CommandType::Cookie, value); }
Command channel_lifetime(std::uint32_t bytes) { return number(CommandType::ChannelLifetime, bytes); }
Command client_keepalive(std::uint32_t milliseconds) { return number(CommandType::ClientKeepalive, milliseconds); }
Command version(std::uint32_t value) { return number(CommandType::Version, value); }
Command empty() { return number(CommandType::Empty, 0); }
Command negative_ance() { return number(CommandType::NegativeANCE, 0); }
Command ance() { return number(CommandType::ANCE, 0); }
Command association_group_id(const RtsCookie& value) { return with_cookie(CommandType::AssociationGroupId, value); }
Command destination(Forward to) { return number(CommandType::Destination, to); }
Command ping_traffic_sent_notify(std::uint32_t bytes) { return number(CommandType::PingTrafficSentNotify, bytes); }

const Command* Pdu::find(CommandType type) const {
  const auto found = std::find_if(Commands.begin(), Commands.end(), [&](const Command& one) { return one.Type == type; });
  return found == Commands.end() ? nullptr : &*found;
}

std::span<const Shape> shapes() {
  using enum CommandType;
  constexpr std::uint16_t recycle = RTS_FLAG_RECYCLE_CHANNEL, in = RTS_FLAG_IN_CHANNEL, out = RTS_FLAG_OUT_CHANNEL;
  static const std::vector<Shape> all{
      {Kind::conn_a1, "CONN/A1", 0, {Version, Cookie, Cookie, ReceiveWindowSize}},
      {Kind::conn_a2, "CONN/A2", out, {Version, Cookie, Cookie, ChannelLifetime, ReceiveWindowSize}},
      {Kind::conn_a3, "CONN/A3", 0, {ConnectionTimeout}},
      {Kind::conn_b1, "CONN/B1", 0, {Version, Cookie, Cookie, ChannelLifetime, ClientKeepalive, AssociationGroupId}},
      {Kind::conn_b2, "CONN/B2", in,
       {Version, Cookie, Cookie, ReceiveWindowSize, ConnectionTimeout, AssociationGroupId, ClientAddress}},
      {Kind::conn_b3, "CONN/B3", 0, {ReceiveWindowSize, Version}},
      {Kind::conn_c, "CONN/C2", 0, {Version, ReceiveWindowSize, ConnectionTimeout}},
      {Kind::in_r_a1, "IN_R/A1", recycle, {Version, Cookie, Cookie, Cookie}},
      {Kind::in_r1_a2, "IN_R1/A2", recycle | in, {Version, Cookie, Cookie, Cookie, ReceiveWindowSize, ConnectionTimeout}},
      {Kind::in_r1_a4, "IN_R1/A4", 0, {Destination, Version, ReceiveWindowSize, ConnectionTimeout}},
      {Kind::in_r_a5, "IN_R/A5", 0, {Cookie}},
      {Kind::in_r1_b1, "IN_R1/B1", 0, {Empty}},
      {Kind::in_r1_b2, "IN_R1/B2", 0, {ReceiveWindowSize}},
      {Kind::in_r2_a4, "IN_R2/A4", 0, {Destination}},
      {Kind::out_r_a2, "OUT_R/A2", recycle, {Destination}},
      {Kind::out_r_a3, "OUT_R/A3", recycle, {Version, Cookie, Cookie, Cookie, ReceiveWindowSize}},
      {Kind::out_r1_a4, "OUT_R1/A4", recycle | out,
       {Version, Cookie, Cookie, Cookie, ChannelLifetime, ReceiveWindowSize, ConnectionTimeout}},
      {Kind::out_r1_a6, "OUT_R1/A6", out, {Destination, Version, ConnectionTimeout}},
      {Kind::out_r_a7, "OUT_R/A7", out, {Destination, Cookie, Version}},
      {Kind::out_r_a8, "OUT_R/A8", out, {Destination, Cookie}},
      {Kind::out_r1_a11, "OUT_R1/A11", 0, {ANCE}},
      {Kind::out_r2_a6, "OUT_R2/A6", 0, {Destination, ANCE}},
      {Kind::out_r2_b2, "OUT_R2/B2", 0, {NegativeANCE}},
      {Kind::out_r2_b3, "OUT_R2/B3", RTS_FLAG_EOF, {ANCE}},
      {Kind::out_r2_c1, "OUT_R2/C1", RTS_FLAG_PING, {Empty}},
      {Kind::keep_alive, "Keep-Alive", RTS_FLAG_OTHER_CMD, {ClientKeepalive}},
      {Kind::ping_traffic_sent_notify, "Ping Traffic Sent Notify", RTS_FLAG_OTHER_CMD, {PingTrafficSentNotify}},
      {Kind::echo, "Echo", RTS_FLAG_ECHO, {}},
      {Kind::ping, "Ping", RTS_FLAG_PING, {}},
      {Kind::flow_control_ack, "FlowControlAck", RTS_FLAG_OTHER_CMD, {FlowControlAck}},
      {Kind::flow_control_ack_with_destination, "FlowControlAckWithDestination", RTS_FLAG_OTHER_CMD, {Destination, FlowControlAck}},
  };
  return all;
}

std::optional<Kind> kind_of(const Pdu& pdu) {
  const auto fits = [&](const Shape& shape) {
    return shape.flags == pdu.Flags && std::equal(shape.commands.begin(), shape.commands.end(), pdu.Commands.begin(), pdu.Commands.end(),
                                                  [](CommandType type, const Command& command) { return type == command.Type; });
  };
  for (const auto& shape : shapes())
    if (fits(shape)) return shape.kind;
  return {};
}

const char* name_of(Kind kind) {
  for (const auto& shape : shapes())
    if (shape.kind == kind) return shape.name;
  return "?";
}

Result<Pdu> read(View bytes, Arena& arena) {
  auto pdu = decode<Pdu>("RTS PDU", bytes, arena, CountWidth::wide);
  if (pdu && pdu->frag_length != bytes.size())
    return error(Errc::malformed, "RTS PDU: frag_length is {} of {} bytes", pdu->frag_length, bytes.size());
  return pdu;
}

Status write(const Pdu& pdu, Bytes& out) {
  const auto start = out.size();
  if (auto done = encode("RTS PDU", pdu, out, CountWidth::wide); !done) return done;
  const auto size = out.size() - start;
  if (size > 0xffff) return error(Errc::internal, "an RTS PDU of {} bytes", size);
  out[start + 8] = static_cast<std::uint8_t>(size);
  out[start + 9] = static_cast<std::uint8_t>(size >> 8);
  return {};
}

Bytes write(Kind kind, std::initializer_list<Command> commands) {
  Pdu pdu;
  for (const auto& shape : shapes())
    if (shape.kind == kind) pdu.Flags = shape.flags;
  pdu.Commands = std::span(commands.begin(), commands.size());
  pdu.NumberOfCommands = static_cast<std::uint16_t>(commands.size());
  Bytes out;
  if (!write(pdu, out)) out.clear();
  return out;
}

Result<PduHead> read_pdu_head(View bytes) {
  if (bytes.size() < pdu_head_size) return error(Errc::malformed, "a PDU of {} bytes", bytes.size());
  PduHead out;
  out.type = bytes[2];
  // The upper half of the data representation says in which order the two bytes of the length stand.
  const bool little = (bytes[4] & 0xf0) == 0x10;
  out.frag_length = static_cast<std::uint16_t>(little ? bytes[8] | bytes[9] << 8 : bytes[9] | bytes[8] << 8);
  if (bytes[0] != 5 || out.frag_length < pdu_head_size)
    return error(Errc::malformed, "no PDU of DCE/RPC: version {}, length {}", bytes[0], out.frag_length);
  return out;
}

}  // namespace mapigate::wire::rpc::rts
