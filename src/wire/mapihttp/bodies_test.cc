#include "wire/mapihttp/bodies.h"

#include <gtest/gtest.h>

#include "wire/describe.h"
#include "wire/mapihttp/headers.h"
#include "wire/rpc/aux.h"
#include "wire/rpc/header_ext.h"
#include "wire/test_corpora.h"

namespace mapigate::wire::mapihttp {
namespace {

constexpr auto narrow = CountWidth::narrow;

Bytes hex(std::string_view text) {
  Bytes out;
  EXPECT_TRUE(from_hex(text, out));
  return out;
}

// Reads `bytes`, writes them again, and makes sure that no shorter or longer body passes.
template <class T>
void expect_exact(View bytes, CountWidth width) {
  Arena arena;
  const auto decoded = decode<T>("Body", bytes, arena, width);
  ASSERT_TRUE(decoded) << decoded.error().message;
  Bytes again;
  ASSERT_TRUE(encode("Body", *decoded, again, width));
  EXPECT_EQ(to_hex(again), to_hex(bytes));
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode<T>("Body", bytes.first(size), arena, width)) << "cut to " << size;
  again.push_back(0);
  EXPECT_FALSE(decode<T>("Body", again, arena, width));
}
template <class T>
Bytes encoded(const T& body, CountWidth width) {
  Bytes out;
  EXPECT_TRUE(encode("Body", body, out, width));
  expect_exact<T>(out, width);
  return out;
}

TEST(Bodies, ConnectRequest) {
  const auto bytes = hex("2f 6f 3d 41 00  00 00 00 00  e4 04 00 00  09 04 00 00  07 04 00 00  02 00 00 00  aa bb");
  Arena arena;
  const auto decoded = decode<Connect::Request>("Connect", bytes, arena, narrow);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->UserDn, "/o=A");
  EXPECT_EQ(decoded->DefaultCodePage, 1252u);
  EXPECT_EQ(decoded->LcidSort, 0x409u);
  EXPECT_EQ(decoded->LcidString, 0x407u);
  EXPECT_EQ(decoded->AuxiliaryBuffer.size(), 2u);
  expect_exact<Connect::Request>(bytes, narrow);
}

TEST(Bodies, ConnectResponses) {
  Arena arena;
  Connect::Response response;
  response.PollsMax = 60000;
  response.RetryCount = 6;
  response.RetryDelay = 10000;
  response.DnPrefix = "/o=A/cn=";
  response.DisplayName = to_utf16(arena, "J\xC3\xB6");
  EXPECT_EQ(to_hex(encoded(response, narrow)),
            "0000000000000000"
            "60ea000006000000"
            "10270000"
            "2f6f3d412f636e3d00"
            "4a00f6000000"
            "00000000");
  response.StatusCode = 1;  // a failure body carries nothing else
  EXPECT_EQ(to_hex(encoded(response, narrow)), "0100000000000000");
}

TEST(Bodies, TheOthersOfTheMailbox) {
  const auto bytes = Bytes{1, 2, 3};
  EXPECT_EQ(to_hex(encoded(Execute::Request{3, bytes, 0x8007, {}}, narrow)), "03000000030000000102030780000000000000");
  EXPECT_EQ(to_hex(encoded(Execute::Response{0, mapi::ecNone, 0, bytes, {}}, narrow)),
            "00000000000000000000000003000000" "010203" "00000000");
  EXPECT_EQ(to_hex(encoded(Execute::Response{7, mapi::ecNone, 0, {}, bytes}, narrow)), "0700000003000000010203");
  EXPECT_EQ(to_hex(encoded(Disconnect::Request{}, narrow)), "00000000");
  EXPECT_EQ(to_hex(encoded(Disconnect::Response{}, narrow)), "000000000000000000000000");
  EXPECT_EQ(to_hex(encoded(NotificationWait::Request{}, narrow)), "0000000000000000");
  EXPECT_EQ(to_hex(encoded(NotificationWait::Response{0, mapi::ecNone, NotificationWait::event_pending, {}}, narrow)),
            "00000000000000000100000000000000");
}

TEST(Bodies, SizesThatLieAreRefusedBeforeAnythingIsAllocated) {
  Arena arena;
  EXPECT_FALSE(decode<Execute::Request>("Execute", hex("00000000 ffffffff 00"), arena, narrow));
  EXPECT_FALSE(decode<Disconnect::Request>("Disconnect", hex("ffffffff"), arena, narrow));
  EXPECT_LT(arena.used(), 4096u);
}

TEST(Corpora, ExecuteBodiesComeBackAsTheyWere) {
  const auto corpora = test::corpora();
  if (!corpora) GTEST_SKIP() << "no corpora (set MAPIGATE_CORPORA)";
  const auto files = test::files_in(*corpora / "lpe-outlook16" / "mapihttp-execute-body");
  ASSERT_GE(files.size(), 9u);
  for (const auto& path : files) {
    SCOPED_TRACE(path.filename().string());
    const auto bytes = test::read_file(path);
    expect_exact<Execute::Request>(bytes, narrow);
    Arena arena;
    const auto body = decode<Execute::Request>("Execute", bytes, arena, narrow);
    ASSERT_TRUE(body);
    const auto payloads = rpc::read_extended_buffers(body->RopBuffer, arena, rpc::request_limits);
    ASSERT_TRUE(payloads) << payloads.error().message;
    EXPECT_EQ(payloads->size(), 1u);
    Bytes again;
    ASSERT_TRUE(rpc::write_extended_buffers(*payloads, {}, again));
    EXPECT_TRUE(equal(again, body->RopBuffer));
  }
}

class TextSink : public FieldSink {
 public:
  std::string said;
  void begin(const char* name) override { said += std::string(name) + ' '; }
  void end() override {}
  void begin_list(const char* name, std::size_t) override { said += std::string(name) + ' '; }
  void end_list() override {}
  void number(const char* name, std::uint64_t value, unsigned) override { said += std::string(name) + '=' + std::to_string(value) + ' '; }
  void boolean(const char* name, bool) override { said += std::string(name) + ' '; }
  void real(const char* name, double) override { said += std::string(name) + ' '; }
  void text(const char* name, std::string_view utf8) override { said += std::string(name) + '=' + std::string(utf8) + ' '; }
  void bytes(const char* name, View value) override { said += std::string(name) + '=' + to_hex(value) + ' '; }
  void symbol(const char* name, std::uint64_t, unsigned, std::string_view symbol) override {
    said += std::string(name) + '=' + std::string(symbol) + ' ';
  }
};

TEST(Describe, TellsFieldsAndAuxiliaryBlocks) {
  Bytes aux, buffer;
  ASSERT_TRUE(rpc::write_aux(rpc::server_aux_blocks(3, 0, 0, 1), aux));
  ASSERT_TRUE(rpc::write_extended_buffer(aux, true, {}, buffer));
  Connect::Request request;
  request.UserDn = "/o=A";
  request.AuxiliaryBuffer = buffer;
  Bytes body;
  ASSERT_TRUE(encode("Connect", request, body, narrow));
  TextSink sink;
  ASSERT_TRUE(describe_body(Endpoint::mailbox, request_type::Connect, true, body, sink));
  EXPECT_NE(sink.said.find("UserDn=/o=A "), std::string::npos) << sink.said;
  EXPECT_NE(sink.said.find("Type=AUX_TYPE_EXORGINFO OrgFlags=3 "), std::string::npos) << sink.said;
  EXPECT_FALSE(describe_body(Endpoint::mailbox, request_type::Connect, true, View(body).first(5), sink));
  const auto unknown = describe_body(Endpoint::mailbox, request_type::Bind, true, body, sink);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Errc::unsupported);
}

}  // namespace
}  // namespace mapigate::wire::mapihttp
