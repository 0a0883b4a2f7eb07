#include "wire/rpc/pdu.h"

#include <gtest/gtest.h>

namespace mapigate::wire::rpc {
namespace {

Bytes hex(std::string_view text) {
  Bytes out;
  EXPECT_TRUE(from_hex(text, out)) << text;
  return out;
}

// [C706] 12.6.4.3: a bind to the endpoint mapper, one context, NDR.
TEST(RpcPdu, bind) {
  const auto bytes = hex("05000b03100000004800000001000000" "d016d016000000000100000000000100"
                         "0883afe11f5dc91191a408002b14a0fa03000000" "045d888aeb1cc9119fe808002b10486002000000");
  const auto pdu = read_pdu(bytes);
  ASSERT_TRUE(pdu.has_value()) << pdu.error().message;
  EXPECT_EQ(pdu->header.PTYPE, PduType::bind);
  EXPECT_EQ(pdu->header.call_id, 1u);
  EXPECT_FALSE(pdu->has_trailer);
  Arena arena;
  const auto body = decode<BindBody>("bind", pdu->body, arena, CountWidth::narrow);
  ASSERT_TRUE(body.has_value()) << body.error().message;
  EXPECT_EQ(body->max_xmit_frag, 5840);
  ASSERT_EQ(body->p_context_elem.size(), 1u);
  EXPECT_EQ(mapi::to_string(body->p_context_elem[0].abstract_syntax.if_uuid), "e1af8308-5d1f-11c9-91a4-08002b14a0fa");
  EXPECT_EQ(body->p_context_elem[0].abstract_syntax.if_version, 3);
  EXPECT_EQ(body->p_context_elem[0].transfer_syntaxes[0].if_version, 2);
  Bytes again;
  ASSERT_TRUE(encode("bind", *body, again, CountWidth::narrow).has_value());
  EXPECT_TRUE(equal(again, pdu->body));
  Bytes whole;
  ASSERT_TRUE(write_pdu(*pdu, whole).has_value());
  EXPECT_EQ(whole, bytes);
}

// The address of the server is text of any length, and what follows is aligned to four.
TEST(RpcPdu, bind_ack) {
  const auto bytes = hex("05000c03100000003c00000001000000" "d016d016f0530100" "0400" "31333500" "0000" "01000000" "00000000"
                         "045d888aeb1cc9119fe808002b10486002000000");
  const auto pdu = read_pdu(bytes);
  ASSERT_TRUE(pdu.has_value()) << pdu.error().message;
  Arena arena;
  const auto body = decode<BindAckBody>("bind_ack", pdu->body, arena, CountWidth::narrow);
  ASSERT_TRUE(body.has_value()) << body.error().message;
  EXPECT_EQ(body->assoc_group_id, 0x153f0u);
  EXPECT_EQ(as_text(body->sec_addr), std::string_view("135\0", 4));
  ASSERT_EQ(body->p_result_list.size(), 1u);
  EXPECT_EQ(body->p_result_list[0].result, 0);
}

TEST(RpcPdu, trailer) {
  Pdu pdu;
  pdu.header.PTYPE = PduType::auth3;
  const auto body = hex("0102030405"), token = hex("aabbcc");
  pdu.body = body;
  pdu.has_trailer = true;
  pdu.trailer.auth_type = 10;
  pdu.auth_value = token;
  Bytes bytes;
  ASSERT_TRUE(write_pdu(pdu, bytes).has_value());
  const auto back = read_pdu(bytes);
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_TRUE(equal(back->body, body));
  EXPECT_TRUE(equal(back->auth_value, token));
  EXPECT_EQ(back->trailer.auth_pad_length, 3);
  // Lengths that contradict each other.
  for (const std::uint8_t length : {0, 15, 34, 36}) {
    auto bad = bytes;
    bad[8] = length;
    EXPECT_FALSE(read_pdu(bad).has_value()) << static_cast<unsigned>(length);
  }
  auto bad = bytes;
  bad[10] = 200;  // auth_length
  EXPECT_FALSE(read_pdu(bad).has_value());
  bad = bytes;
  bad[bytes.size() - 3 - 8 + 2] = 9;  // auth_pad_length
  EXPECT_FALSE(read_pdu(bad).has_value());
  bad = bytes;
  bad[4] = 0;  // big-endian
  EXPECT_EQ(read_pdu(bad).error().code, Errc::unsupported);
}

}  // namespace
}  // namespace mapigate::wire::rpc
