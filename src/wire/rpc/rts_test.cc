#include "wire/rpc/rts.h"

#include <gtest/gtest.h>

#include "base/text.h"

using namespace mapigate;
using namespace mapigate::wire::rpc;

namespace {

Bytes hex(std::string text) {
  std::erase(text, ' ');
  Bytes out;
  EXPECT_TRUE(from_hex(text, out)) << text;
  return out;
}

rts::RtsCookie numbered(std::uint8_t first) {
  rts::RtsCookie out;
  for (std::size_t i = 0; i < 16; ++i) out.bytes[i] = static_cast<std::uint8_t>(first + i);
  return out;
}

const std::string vc = "000102030405060708090a0b0c0d0e0f", channel = "101112131415161718191a1b1c1d1e1f";

// [MS-RPCH] 2.2.4.2: 76 bytes, which is the Content-Length of an OUT channel request.
TEST(Rts, ConnA1) {
  const auto bytes = hex("05001403 10000000 4c00 0000 00000000 0000 0400" "06000000 01000000" "03000000" + vc + "03000000" + channel +
                         "00000000 00000400");
  ASSERT_EQ(bytes.size(), 76u);
  EXPECT_EQ(rts::write(rts::Kind::conn_a1, {rts::version(), rts::cookie(numbered(0)), rts::cookie(numbered(0x10)),
                                            rts::receive_window_size(0x40000)}),
            bytes);
  Arena arena;
  const auto pdu = rts::read(bytes, arena);
  ASSERT_TRUE(pdu) << pdu.error().message;
  EXPECT_EQ(rts::kind_of(*pdu), rts::Kind::conn_a1);
  EXPECT_EQ(pdu->Commands[2].Cookie, numbered(0x10));
  EXPECT_EQ(pdu->find(rts::CommandType::ReceiveWindowSize)->Value, 0x40000u);
}

// 2.2.4.5: 104 bytes.
TEST(Rts, ConnB1) {
  const auto bytes = hex("05001403 10000000 6800 0000 00000000 0000 0600" "06000000 01000000" "03000000" + vc + "03000000" + channel +
                         "04000000 00000040" "05000000 e0930400" "0c000000" + vc);
  EXPECT_EQ(bytes.size(), 104u);
  EXPECT_EQ(rts::write(rts::Kind::conn_b1,
                       {rts::version(), rts::cookie(numbered(0)), rts::cookie(numbered(0x10)), rts::channel_lifetime(0x40000000),
                        rts::client_keepalive(300000), rts::association_group_id(numbered(0))}),
            bytes);
}

TEST(Rts, SmallOnes) {
  EXPECT_EQ(rts::write(rts::Kind::conn_a3, {rts::connection_timeout(120000)}),
            hex("05001403 10000000 1c00 0000 00000000 0000 0100 02000000 c0d40100"));
  EXPECT_EQ(rts::write(rts::Kind::conn_c, {rts::version(), rts::receive_window_size(0x10000), rts::connection_timeout(120000)}),
            hex("05001403 10000000 2c00 0000 00000000 0000 0300 06000000 01000000 00000000 00000100 02000000 c0d40100"));
  EXPECT_EQ(rts::write(rts::Kind::echo, {}), hex("05001403 10000000 1400 0000 00000000 4000 0000"));
  EXPECT_EQ(rts::write(rts::Kind::ping, {}), hex("05001403 10000000 1400 0000 00000000 0100 0000"));
  EXPECT_EQ(rts::write(rts::Kind::out_r_a2, {rts::destination(rts::FDClient)}),
            hex("05001403 10000000 1c00 0000 00000000 0400 0100 0d000000 00000000"));
  EXPECT_EQ(rts::write(rts::Kind::out_r2_b3, {rts::ance()}), hex("05001403 10000000 1800 0000 00000000 2000 0100 0a000000"));
  EXPECT_EQ(rts::write(rts::Kind::flow_control_ack_with_destination,
                       {rts::destination(rts::FDOutProxy), rts::flow_control_ack(0x1234, 0x8000, numbered(0x10))}),
            hex("05001403 10000000 3800 0000 00000000 0200 0200 0d000000 03000000 01000000 34120000 00800000" + channel));
}

// A successor OUT channel's request is 120 bytes: A3 and, later, A11 or C1 (2.1.2.1.6).
TEST(Rts, SuccessorRequestIs120Bytes) {
  const auto a3 = rts::write(rts::Kind::out_r_a3, {rts::version(), rts::cookie(numbered(0)), rts::cookie(numbered(1)), rts::cookie(numbered(2)),
                                                   rts::receive_window_size(0x10000)});
  EXPECT_EQ(a3.size() + rts::write(rts::Kind::out_r2_c1, {rts::empty()}).size(), 120u);
  EXPECT_EQ(a3.size() + rts::write(rts::Kind::out_r1_a11, {rts::ance()}).size(), 120u);
}

TEST(Rts, ClientAddressAndPadding) {
  const auto whole = hex("05001403 10000000 5a00 0000 00000000 0800 0300" "0b000000 00000000 7f000001 000000000000000000000000"
                         "08000000 02000000 ffff" "0b000000 01000000 00000000000000000000000000000001 000000000000000000000000");
  Arena arena;
  const auto pdu = rts::read(whole, arena);
  ASSERT_TRUE(pdu) << pdu.error().message;
  EXPECT_TRUE(equal(pdu->Commands[0].Data, hex("7f000001")));
  EXPECT_EQ(pdu->Commands[2].Data.size(), 16u);
  EXPECT_FALSE(rts::kind_of(*pdu));
  Bytes again;
  ASSERT_TRUE(rts::write(*pdu, again));
  EXPECT_EQ(again, whole);
}

// Each shape can be told from all before it by what it holds, and has a name.
TEST(Rts, ShapesAreDistinct) {
  for (const auto& shape : rts::shapes()) {
    std::vector<rts::Command> commands;
    const auto address = hex("7f000001"), padding = Bytes(12);
    for (const auto type : shape.commands) {
      rts::Command command;
      command.Type = type;
      if (type == rts::CommandType::ClientAddress) command.Data = address, command.AddressPadding = padding;
      commands.push_back(command);
    }
    rts::Pdu pdu;
    pdu.Flags = shape.flags;
    pdu.NumberOfCommands = static_cast<std::uint16_t>(commands.size());
    pdu.Commands = std::span(commands);
    Bytes bytes;
    ASSERT_TRUE(rts::write(pdu, bytes)) << shape.name;
    Arena arena;
    const auto again = rts::read(bytes, arena);
    ASSERT_TRUE(again) << shape.name << again.error().message;
    EXPECT_EQ(rts::kind_of(*again), shape.kind) << shape.name;
    EXPECT_STREQ(rts::name_of(shape.kind), shape.name);
  }
}

TEST(Rts, Malformed) {
  Arena arena;
  for (const char* bad : {"05001403", "05001403 10000000 1400 0000 00000000 4000 0100",           // a command is missing
                          "05001403 10000000 1500 0000 00000000 4000 0000",                       // wrong length
                          "05001403 10000000 1800 0000 00000000 4000 0100 0f000000",              // unknown command
                          "05001403 10000000 1400 0100 00000000 4000 0000",                       // auth_length
                          "05000003 10000000 1400 0000 00000000 4000 0000",                       // a request
                          "05001403 10000000 1400 0000 00000000 4000 ffff"})
    EXPECT_FALSE(rts::read(hex(bad), arena)) << bad;
}

TEST(Rts, PduHead) {
  const auto little = rts::read_pdu_head(hex("05000003 10000000 1000 0000 01000000"));
  ASSERT_TRUE(little);
  EXPECT_EQ(little->frag_length, 16);
  EXPECT_FALSE(little->is_rts());
  const auto big = rts::read_pdu_head(hex("05001403 00000000 0014 0000 01000000"));
  ASSERT_TRUE(big);
  EXPECT_EQ(big->frag_length, 20);
  EXPECT_TRUE(big->is_rts());
  EXPECT_FALSE(rts::read_pdu_head(hex("04000003 10000000 1000 0000 01000000")));
  EXPECT_FALSE(rts::read_pdu_head(hex("05000003 10000000 0f00 0000 01000000")));
}

}  // namespace
