// Captures made here, packet by packet; the bytes of the PDUs are those of [C706] chapter 12.
#include "wire/rpc/capture.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/cursor.h"

namespace mapigate::wire::rpc {
namespace {

Bytes operator+(Bytes a, View b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
Bytes big(std::uint64_t value, std::size_t size) {
  Bytes out;
  for (std::size_t i = size; i-- > 0;) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  return out;
}
Bytes little(std::uint64_t value, std::size_t size) {
  auto out = big(value, size);
  std::reverse(out.begin(), out.end());
  return out;
}

struct Side {
  std::uint8_t address;
  std::uint16_t port;
};
constexpr Side client{1, 49152}, server{2, 6001};

// Ethernet, IPv4, TCP.
Bytes packet(Side from, Side to, std::uint32_t sequence, bool synchronise, View data) {
  auto segment = big(from.port, 2) + big(to.port, 2) + big(sequence, 4) + big(0, 4) + Bytes{0x50, static_cast<std::uint8_t>(synchronise ? 2 : 16)} +
                 big(0, 6) + data;
  auto ip = Bytes{0x45, 0} + big(20 + segment.size(), 2) + big(0, 4) + Bytes{64, 6, 0, 0} + Bytes{192, 0, 2, from.address} +
            Bytes{192, 0, 2, to.address} + segment;
  return Bytes(12, 0xEE) + big(0x0800, 2) + ip;
}

Bytes pcap_of(std::span<const Bytes> packets) {
  auto out = little(0xA1B2C3D4, 4) + little(2, 2) + little(4, 2) + little(0, 8) + little(0xFFFF, 4) + little(1, 4);
  for (const auto& one : packets) out = out + little(0, 8) + little(one.size(), 4) + little(one.size(), 4) + one;
  return out;
}

Bytes pdu(std::uint8_t type, std::uint8_t flags, std::uint32_t call_id, View body, View auth = {}) {
  return Bytes{5, 0, type, flags, 0x10, 0, 0, 0} + little(16 + body.size() + auth.size(), 2) +
         little(auth.empty() ? 0 : auth.size() - 8, 2) + little(call_id, 4) + body + auth;
}
constexpr mapi::Guid emsmdb{{0x00, 0xdb, 0xf1, 0xa4, 0x47, 0xca, 0x67, 0x10, 0xb3, 0x1f, 0x00, 0xdd, 0x01, 0x06, 0x62, 0xda}};
Bytes bind_pdu() {
  return pdu(11, 3, 1, little(5840, 2) + little(5840, 2) + little(0, 4) + Bytes{1, 0, 0, 0} + little(7, 2) + Bytes{1, 0} + emsmdb.bytes +
                           little(0x51, 4) + Bytes(20, 0));
}
Bytes request_pdu(std::uint32_t call_id, std::uint8_t flags, View stub, View auth = {}) {
  return pdu(0, flags, call_id, little(stub.size(), 4) + little(7, 2) + little(11, 2) + stub, auth);
}
Bytes response_pdu(std::uint32_t call_id, std::uint8_t flags, View stub) {
  return pdu(2, flags, call_id, little(stub.size(), 4) + little(7, 2) + Bytes{0, 0} + stub);
}

std::vector<CapturedConnection> connections_of(View file) {
  const auto streams = read_capture(file);
  EXPECT_TRUE(streams) << (streams ? "" : streams.error().message);
  return streams ? rpc_connections(*streams) : std::vector<CapturedConnection>();
}

TEST(Capture, CallsInSegmentsOutOfOrder) {
  const Bytes one{1, 2, 3, 4}, two{5, 6};
  const auto asked = bind_pdu() + request_pdu(2, 1, one) + request_pdu(2, 2, two) + request_pdu(3, 3, two);
  const auto said = pdu(12, 3, 1, Bytes(8)) + response_pdu(3, 3, one) + pdu(3, 3, 2, little(0, 8) + little(0x1C010003, 4) + little(0, 4));
  const std::uint32_t near_wrap = 0xFFFFFFF0;
  const std::vector<Bytes> packets{
      packet(client, server, near_wrap - 1, true, {}), packet(server, client, 99, true, {}),
      packet(client, server, near_wrap + 60, false, View(asked).subspan(60)), packet(client, server, near_wrap, false, View(asked).first(70)),
      packet(server, client, 100, false, said)};
  const auto connections = connections_of(pcap_of(packets));
  ASSERT_EQ(connections.size(), 1u);
  EXPECT_EQ(connections[0].client, "192.0.2.1:49152");
  EXPECT_EQ(connections[0].server, "192.0.2.2:6001");
  EXPECT_EQ(connections[0].problem, "");
  const auto& calls = connections[0].calls;
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0].interface, emsmdb);
  EXPECT_EQ(calls[0].opnum, 11);
  EXPECT_EQ(calls[0].request, (Bytes{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(calls[0].fault, 0x1C010003u);
  EXPECT_EQ(calls[1].request, two);
  EXPECT_EQ(calls[1].response, one);
  EXPECT_TRUE(calls[1].has_response);
}

TEST(Capture, PcapngAndWhatAuthenticates) {
  const Bytes stub{1, 2, 3, 4};
  // Two bytes of padding, then the trailer: type, level, padding, reserved, context; then the verifier.
  const auto signed_part = Bytes{0, 0} + Bytes{10, 5, 2, 0} + little(0, 4) + Bytes(16, 0xAA);
  auto asked = bind_pdu();
  auto request = request_pdu(2, 3, stub, signed_part);
  request[10] = 16, request[11] = 0;  // auth_length: the verifier alone
  asked = asked + request;
  request[16 + 8 + 4 + 2 + 1] = 6;
  request[12] = 3;
  asked = asked + request;
  const auto frame = packet(client, server, 1, false, asked);
  const auto block = [](std::uint32_t type, const Bytes& body) {
    const auto padded = body + Bytes((4 - body.size() % 4) % 4);
    return little(type, 4) + little(padded.size() + 12, 4) + padded + little(padded.size() + 12, 4);
  };
  const auto file = block(0x0A0D0D0A, little(0x1A2B3C4D, 4) + little(1, 4) + Bytes(8, 0xFF)) + block(1, little(1, 4) + little(0, 4)) +
                    block(6, Bytes(12) + little(frame.size(), 4) + little(frame.size(), 4) + frame);
  const auto connections = connections_of(file);
  ASSERT_EQ(connections.size(), 1u);
  ASSERT_EQ(connections[0].calls.size(), 2u);
  EXPECT_FALSE(connections[0].calls[0].sealed);
  EXPECT_EQ(connections[0].calls[0].request, stub);
  EXPECT_FALSE(connections[0].calls[0].has_response);
  EXPECT_TRUE(connections[0].calls[1].sealed);
}

TEST(Capture, GapsAndOtherTrafficAreNamed) {
  const auto asked = bind_pdu() + request_pdu(2, 3, Bytes{1});
  const std::vector<Bytes> packets{packet(client, server, 1, false, asked), packet(client, server, 5000, false, Bytes(10)),
                                   packet({3, 80}, {4, 81}, 1, false, as_view("GET / HTTP/1.1\r\n\r\n"))};
  const auto connections = connections_of(pcap_of(packets));
  ASSERT_EQ(connections.size(), 1u);
  EXPECT_EQ(connections[0].calls.size(), 1u);
  EXPECT_EQ(connections[0].problem, "10 bytes stand behind a gap");
  EXPECT_FALSE(read_capture(Bytes(100)));
  EXPECT_FALSE(read_capture(Bytes(3)));
  auto file = pcap_of(packets);
  file[20] = 200;  // a link type
  EXPECT_EQ(read_capture(file).error().code, Errc::unsupported);
}

}  // namespace
}  // namespace mapigate::wire::rpc
