// RTS PDUs: what the two ends of RPC over HTTP say to each other between the PDUs of DCE/RPC ([MS-RPCH] 2.2.3
// and 2.2.4). One list of commands is the whole syntax; which commands with which flags make which PDU is a
// table (shapes()).
#pragma once

#include <optional>
#include <vector>

#include "wire/fields.h"

namespace mapigate::wire::rpc::rts {

// 2.2.3.5.
enum class CommandType : std::uint32_t {
  ReceiveWindowSize = 0,
  FlowControlAck = 1,
  ConnectionTimeout = 2,
  Cookie = 3,
  ChannelLifetime = 4,
  ClientKeepalive = 5,
  Version = 6,
  Empty = 7,
  Padding = 8,
  NegativeANCE = 9,
  ANCE = 10,
  ClientAddress = 11,
  AssociationGroupId = 12,
  Destination = 13,
  PingTrafficSentNotify = 14,
};

// 2.2.3.3.
enum Forward : std::uint32_t { FDClient = 0, FDInProxy = 1, FDServer = 2, FDOutProxy = 3 };

// 2.2.3.6.1.
enum Flags : std::uint16_t {
  RTS_FLAG_NONE = 0x0000,
  RTS_FLAG_PING = 0x0001,
  RTS_FLAG_OTHER_CMD = 0x0002,
  RTS_FLAG_RECYCLE_CHANNEL = 0x0004,
  RTS_FLAG_IN_CHANNEL = 0x0008,
  RTS_FLAG_OUT_CHANNEL = 0x0010,
  RTS_FLAG_EOF = 0x0020,
  RTS_FLAG_ECHO = 0x0040,
};

using RtsCookie = mapi::Guid;  // 16 bytes that mean nothing

struct Command {
  CommandType Type = CommandType::Empty;
  // Of the types that carry one number; ConnectionTimeout and ClientKeepalive are in milliseconds.
  std::uint32_t Value = 0;
  // Of Cookie, AssociationGroupId and FlowControlAck.
  RtsCookie Cookie{};
  std::uint32_t BytesReceived = 0;
  std::uint32_t AvailableWindow = 0;
  // Of Padding, or the 4 or 16 bytes of an address and the 12 behind it.
  View Data;
  View AddressPadding;

  static constexpr std::size_t minimum_size = 4;
  static void fields(auto& s, auto& v) {
    v("CommandType", s.Type);
    switch (s.Type) {
      case CommandType::ReceiveWindowSize: v("ReceiveWindowSize", s.Value); break;
      case CommandType::FlowControlAck:
        v("BytesReceived", s.BytesReceived);
        v("AvailableWindow", s.AvailableWindow);
        v("ChannelCookie", s.Cookie);
        break;
      case CommandType::ConnectionTimeout: v("ConnectionTimeout", s.Value); break;
      case CommandType::Cookie: v("Cookie", s.Cookie); break;
      case CommandType::ChannelLifetime: v("ChannelLifetime", s.Value); break;
      case CommandType::ClientKeepalive: v("ClientKeepalive", s.Value); break;
      case CommandType::Version: v("Version", s.Value); break;
      case CommandType::Padding: v.template binary<std::uint32_t>("Padding", s.Data); break;
      case CommandType::ClientAddress:
        v("AddressType", s.Value);
        v.check(s.Value <= 1, "is neither IPv4 nor IPv6");
        v.bytes("ClientAddress", s.Data, s.Value == 0 ? 4 : 16);
        v.bytes("Padding", s.AddressPadding, 12);
        break;
      case CommandType::AssociationGroupId: v("AssociationGroupId", s.Cookie); break;
      case CommandType::Destination: v("Destination", s.Value); break;
      case CommandType::PingTrafficSentNotify: v("PingTrafficSent", s.Value); break;
      case CommandType::Empty:
      case CommandType::NegativeANCE:
      case CommandType::ANCE: break;
      default: v.check(false, "is no command of RTS");
    }
  }
};

Command receive_window_size(std::uint32_t bytes);
Command flow_control_ack(std::uint32_t received, std::uint32_t window, const RtsCookie& channel);
Command connection_timeout(std::uint32_t milliseconds);
Command cookie(const RtsCookie& value);
Command channel_lifetime(std::uint32_t bytes);
Command client_keepalive(std::uint32_t milliseconds);
Command version(std::uint32_t value = 1);
Command empty();
Command negative_ance();
Command ance();
Command association_group_id(const RtsCookie& value);
Command destination(Forward to);
Command ping_traffic_sent_notify(std::uint32_t bytes);

// The common header of [C706] 12.6.1 with RTS's own two fields.
struct Pdu {
  std::uint8_t rpc_vers = 5;
  std::uint8_t rpc_vers_minor = 0;
  std::uint8_t PTYPE = 20;
  std::uint8_t pfc_flags = 3;  // first and last fragment
  std::uint32_t drep = 0x00000010;
  std::uint16_t frag_length = 0;
  std::uint16_t auth_length = 0;
  std::uint32_t call_id = 0;
  std::uint16_t Flags = 0;
  std::uint16_t NumberOfCommands = 0;
  std::span<const Command> Commands;

  static void fields(auto& s, auto& v) {
    v("rpc_vers", s.rpc_vers);
    v("rpc_vers_minor", s.rpc_vers_minor);
    v("PTYPE", s.PTYPE);
    v.check(s.rpc_vers == 5 && s.PTYPE == 20, "is no RTS PDU");
    v("pfc_flags", s.pfc_flags);
    v("drep", s.drep);
    v("frag_length", s.frag_length);
    v("auth_length", s.auth_length);
    v.check(s.auth_length == 0, "must be zero in an RTS PDU");
    v("call_id", s.call_id);
    v("Flags", s.Flags);
    v("NumberOfCommands", s.NumberOfCommands);
    v.list("Commands", s.Commands, s.NumberOfCommands);
  }

  // The first of this type, or null.
  const Command* find(CommandType type) const;
};
inline constexpr std::size_t header_size = 20;

// The PDUs by name. Where the forms R1 and R2 of recycling, or two legs of one message, look the same, one name stands
// for all of them.
enum class Kind : std::uint8_t {
  conn_a1, conn_a2, conn_a3, conn_b1, conn_b2, conn_b3, conn_c,  // C1 and C2
  in_r_a1,   // IN_R1/A1 and IN_R2/A1
  in_r1_a2,
  in_r1_a4,  // and A3
  in_r_a5,   // IN_R1/A5, A6, IN_R2/A2, A5 and OUT_R2/A4
  in_r1_b1, in_r1_b2,
  in_r2_a4,  // and A3
  out_r_a2,  // OUT_R1/A1, A2 and OUT_R2/A1, A2
  out_r_a3,  // OUT_R1/A3 and OUT_R2/A3
  out_r1_a4,
  out_r1_a6,  // and A5
  out_r_a7,   // OUT_R2/A7 and OUT_R1/A7
  out_r_a8,   // OUT_R1/A8 and OUT_R2/A8
  out_r1_a11, // and A9, A10, OUT_R2/B1
  out_r2_a6,  // and A5
  out_r2_b2, out_r2_b3, out_r2_c1,
  keep_alive, ping_traffic_sent_notify, echo, ping, flow_control_ack, flow_control_ack_with_destination,
};

struct Shape {
  Kind kind;
  const char* name;
  std::uint16_t flags;
  std::vector<CommandType> commands;
};
std::span<const Shape> shapes();

// The first shape that fits; none when it is no PDU of the specification.
std::optional<Kind> kind_of(const Pdu& pdu);
const char* name_of(Kind kind);

// One whole PDU. The result borrows from `bytes` and `arena`.
Result<Pdu> read(View bytes, Arena& arena);
// Precondition: the commands are those of the kind.
Bytes write(Kind kind, std::initializer_list<Command> commands);
// Errc::internal when it does not fit its count or length.
Status write(const Pdu& pdu, Bytes& out);

// The fixed part of every PDU of DCE/RPC, as far as the transport needs it: 16 bytes are wanted.
struct PduHead {
  std::uint8_t type = 0;
  std::uint16_t frag_length = 0;
  bool is_rts() const { return type == 20; }
};
inline constexpr std::size_t pdu_head_size = 16;
// Errc::malformed for what cannot be the beginning of a PDU.
Result<PduHead> read_pdu_head(View bytes);

}  // namespace mapigate::wire::rpc::rts
