#include "wire/rpc/header_ext.h"

#include <gtest/gtest.h>

#include "wire/rpc/aux.h"
#include "wire/rpc/version.h"
#include "wire/test_corpora.h"

namespace mapigate::wire::rpc {
namespace {

Bytes text_of(std::size_t size) {
  Bytes out;
  while (out.size() < size) {
    const auto line = "The quick brown fox number " + std::to_string(out.size()) + "\r\n";
    out.insert(out.end(), line.begin(), line.end());
  }
  out.resize(size);
  return out;
}
Bytes noise(std::size_t size) {
  Bytes out(size);
  std::uint32_t state = 1;
  for (auto& byte : out) byte = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return out;
}
RPC_HEADER_EXT header_of(View bytes) {
  Cursor cursor(bytes);
  Arena arena;
  FieldReader reader(cursor, arena);
  RPC_HEADER_EXT header;
  reader("RPC_HEADER_EXT", header);
  return header;
}
Result<std::vector<View>> read(View bytes, Arena& arena) { return read_extended_buffers(bytes, arena, response_limits); }

// [MS-OXCRPC] 4.3: the header of the request in "Receive Packed ROP Responses from the Server".
TEST(HeaderExt, SpecificationRequestHeader) {
  const Bytes payload(0x152, 0x5A);
  Bytes out;
  ASSERT_TRUE(write_extended_buffer(payload, true, {}, out));
  EXPECT_EQ(out.size(), 0x15Au);
  EXPECT_EQ(to_hex(View(out).first(8)), "0000040052015201");
  EXPECT_FALSE(reply_options(0x7).compress);
  EXPECT_TRUE(reply_options(Chain).compress);
  EXPECT_FALSE(reply_options(0).obfuscate);
}

TEST(HeaderExt, WritesWhatItReadsInEveryForm) {
  for (const std::size_t size : {0u, 1u, 1024u, 1025u, 32768u, 65535u}) {
    for (const bool compress : {false, true}) {
      for (const bool obfuscate : {false, true}) {
        const auto payload = text_of(size);
        Bytes out;
        ASSERT_TRUE(write_extended_buffer(payload, true, {compress, obfuscate}, out));
        const auto header = header_of(out);
        const bool small = size < min_compressed_payload;
        EXPECT_EQ((header.Flags & Compressed) != 0, compress && !small);
        EXPECT_EQ((header.Flags & XorMagic) != 0, obfuscate && size != 0 && (!compress || small));
        EXPECT_EQ(header.SizeActual, size);
        EXPECT_EQ(header.Size + header_ext_size, out.size());
        Arena arena;
        const auto read_back = read(out, arena);
        ASSERT_TRUE(read_back) << read_back.error().message;
        ASSERT_EQ(read_back->size(), 1u);
        EXPECT_TRUE(equal(read_back->front(), payload));
      }
    }
  }
}

TEST(HeaderExt, LeavesWhatDoesNotShrink) {
  const auto payload = noise(4096);
  Bytes out;
  ASSERT_TRUE(write_extended_buffer(payload, true, {true, false}, out));
  EXPECT_EQ(header_of(out).Flags, Last);
  EXPECT_TRUE(equal(View(out).subspan(8), payload));
}

TEST(HeaderExt, ObfuscatesWithA5) {
  Bytes out;
  ASSERT_TRUE(write_extended_buffer(Bytes{0x00, 0xA5, 0xFF}, true, {false, true}, out));
  EXPECT_EQ(to_hex(out), "0000060003000300a5005a");
}

TEST(HeaderExt, CompressedAndObfuscatedTogether) {
  const auto payload = text_of(3000);
  Bytes out;
  ASSERT_TRUE(write_extended_buffer(payload, true, {true, false}, out));
  for (std::size_t i = header_ext_size; i < out.size(); ++i) out[i] ^= 0xA5;
  out[2] |= XorMagic;
  Arena arena;
  const auto read_back = read(out, arena);
  ASSERT_TRUE(read_back);
  EXPECT_TRUE(equal(read_back->front(), payload));
}

TEST(HeaderExt, ChainsUpToTheLimit) {
  const auto a = text_of(2000), b = noise(10), c = text_of(0);
  const View payloads[] = {a, b, c};
  Bytes out;
  ASSERT_TRUE(write_extended_buffers(payloads, {true, false}, out));
  Arena arena;
  const auto read_back = read(out, arena);
  ASSERT_TRUE(read_back);
  ASSERT_EQ(read_back->size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(equal((*read_back)[i], payloads[i]));
  const auto refused = read_extended_buffers(out, arena, {2, 5000, 5000});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::limit);
  const auto too_much = read_extended_buffers(out, arena, {3, 5000, 2005});
  ASSERT_FALSE(too_much);
  EXPECT_EQ(too_much.error().code, Errc::limit);
}

TEST(HeaderExt, AChainOfBombsStaysBounded) {
  // 65,535 bytes out of a few: a hundred of them would be 6 MiB.
  Bytes one, chain;
  ASSERT_TRUE(write_extended_buffer(Bytes(0xFFFF, 0), false, {true, false}, one));
  EXPECT_LT(one.size(), 40u);
  for (int i = 0; i < 100; ++i) chain.insert(chain.end(), one.begin(), one.end());
  Arena arena;
  const auto refused = read(chain, arena);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::limit);
  EXPECT_LT(arena.used(), 4 * max_rop_out);
}

TEST(HeaderExt, EmptyIsAnEmptyChain) {
  Arena arena;
  const auto none = read({}, arena);
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
}

TEST(HeaderExt, RefusesEveryLieAndEveryTruncation) {
  Arena arena;
  Bytes good;
  ASSERT_TRUE(write_extended_buffer(text_of(100), true, {}, good));
  for (std::size_t size = 1; size < good.size(); ++size) EXPECT_FALSE(read(View(good).first(size), arena)) << size;
  const auto with = [&](std::size_t at, std::uint8_t value) {
    auto bytes = good;
    bytes[at] = value;
    return read(bytes, arena).has_value();
  };
  EXPECT_TRUE(with(0, 0));
  EXPECT_FALSE(with(0, 1));        // version
  EXPECT_FALSE(with(2, 0x00));     // no Last: another header should follow
  EXPECT_FALSE(with(2, 0x0C));     // unknown flag
  EXPECT_FALSE(with(4, 99));       // Size shorter than SizeActual without compression
  EXPECT_FALSE(with(6, 101));
  EXPECT_FALSE(with(2, 0x05));     // not an LZ77 stream
  auto longer = good;
  longer.push_back(0);
  EXPECT_FALSE(read(longer, arena));
  Bytes out;
  EXPECT_FALSE(write_extended_buffer(Bytes(0x10000), true, {}, out));
}

// A whole EcDoRpcExt2 request of Outlook 2007: context handle, pulFlags, then rgbIn.
TEST(HeaderExt, ReadsARequestOfOutlook2007) {
  const auto corpora = test::corpora();
  if (!corpora) GTEST_SKIP() << "no corpora (set MAPIGATE_CORPORA)";
  const auto stub = test::read_file(*corpora / "openchange-lzxpress" / "002_Outlook_2007_in_Tables_operations_comp.dat");
  ASSERT_GT(stub.size(), 0x1Cu + 0x152u);
  Arena arena;
  const auto payloads = read_extended_buffers(View(stub).subspan(0x1C, 0x152), arena, request_limits);
  ASSERT_TRUE(payloads) << payloads.error().message;
  ASSERT_EQ(payloads->size(), 1u);
  const auto payload = payloads->front();
  ASSERT_EQ(payload.size(), 0x17Cu);
  EXPECT_EQ(payload[0] | payload[1] << 8, 0x164);  // RopSize
  EXPECT_EQ(payload[2], 0x05);                     // RopGetContentsTable
  EXPECT_EQ((payload.size() - 0x164) % 4, 0u);     // whole handles
}

AuxBlock block(AuxType type, decltype(AuxBlock::body) body, AuxVersion version = AuxVersion::AUX_VERSION_1) {
  return {version, type, std::move(body), {}};
}

TEST(Aux, ServerBlocksAreTheBytesOfTheSpecification) {
  Bytes out;
  ASSERT_TRUE(write_aux(server_aux_blocks(PUBLIC_FOLDERS_ENABLED, ENABLE_COMPRESSION | ENABLE_HTTP_TUNNELING, 1000,
                                          ENDPOINT_CAPABILITIES_SINGLE_ENDPOINT),
                        out));
  EXPECT_EQ(to_hex(out, ' '), "08 00 01 17 01 00 00 00 0c 00 01 0a 0c 00 00 00 e8 03 00 00 08 00 01 48 01 00 00 00");
  Arena arena;
  const auto blocks = read_aux(out, arena);
  ASSERT_TRUE(blocks);
  ASSERT_EQ(blocks->size(), 3u);
  ASSERT_NE((*blocks)[1].get<AUX_CLIENT_CONTROL>(), nullptr);
  EXPECT_EQ((*blocks)[1].get<AUX_CLIENT_CONTROL>()->ExpiryTime, 1000u);
}

TEST(Aux, EveryStructureHasTheSizeOfItsDescription) {
  const std::pair<AuxBlock, std::size_t> sizes[] = {
      {block(AuxType::AUX_TYPE_PERF_REQUESTID, AUX_PERF_REQUESTID{}), 8},
      {block(AuxType::AUX_TYPE_PERF_SESSIONINFO, AUX_PERF_SESSIONINFO{}), 24},
      {block(AuxType::AUX_TYPE_PERF_SESSIONINFO, AUX_PERF_SESSIONINFO_V2{}, AuxVersion::AUX_VERSION_2), 28},
      {block(AuxType::AUX_TYPE_PERF_CLIENTINFO, AUX_PERF_CLIENTINFO{}), AUX_PERF_CLIENTINFO::data_offset},
      {block(AuxType::AUX_TYPE_PERF_SERVERINFO, AUX_PERF_SERVERINFO{}), AUX_PERF_SERVERINFO::data_offset},
      {block(AuxType::AUX_TYPE_PERF_PROCESSINFO, AUX_PERF_PROCESSINFO{}, AuxVersion::AUX_VERSION_2),
       AUX_PERF_PROCESSINFO::data_offset},
      {block(AuxType::AUX_TYPE_PERF_PROCESSINFO, AUX_PERF_PROCESSINFO{}), AUX_PERF_PROCESSINFO::data_offset},
      {block(AuxType::AUX_TYPE_PERF_DEFMDB_SUCCESS, AUX_PERF_DEFMDB_SUCCESS{}), 16},
      {block(AuxType::AUX_TYPE_PERF_BG_DEFGC_SUCCESS, AUX_PERF_DEFGC_SUCCESS{}), 20},
      {block(AuxType::AUX_TYPE_PERF_FG_MDB_SUCCESS, AUX_PERF_MDB_SUCCESS{}), 20},
      {block(AuxType::AUX_TYPE_PERF_FG_MDB_SUCCESS, AUX_PERF_MDB_SUCCESS_V2{}, AuxVersion::AUX_VERSION_2), 24},
      {block(AuxType::AUX_TYPE_PERF_GC_SUCCESS, AUX_PERF_GC_SUCCESS{}), 24},
      {block(AuxType::AUX_TYPE_PERF_GC_SUCCESS, AUX_PERF_GC_SUCCESS_V2{}, AuxVersion::AUX_VERSION_2), 24},
      {block(AuxType::AUX_TYPE_PERF_FAILURE, AUX_PERF_FAILURE{}), 28},
      {block(AuxType::AUX_TYPE_PERF_FAILURE, AUX_PERF_FAILURE_V2{}, AuxVersion::AUX_VERSION_2), 32},
      {block(AuxType::AUX_TYPE_OSVERSIONINFO, AUX_OSVERSIONINFO{}), 4 + 156},
      {block(AuxType::AUX_TYPE_PERF_ACCOUNTINFO, AUX_PERF_ACCOUNTINFO{}), 24},
      {block(AuxType::AUX_TYPE_SERVER_CAPABILITIES, AUX_SERVER_CAPABILITIES{}), 8},
      {block(AuxType::AUX_CLIENT_CONNECTION_INFO, AUX_CLIENT_CONNECTION_INFO{}), AUX_CLIENT_CONNECTION_INFO::data_offset},
      {block(AuxType::AUX_SERVER_SESSION_INFO, AUX_SERVER_SESSION_INFO{}), AUX_SERVER_SESSION_INFO::data_offset},
      {block(AuxType::AUX_PROTOCOL_DEVICE_IDENTIFICATION, AUX_PROTOCOL_DEVICE_IDENTIFICATION{}),
       AUX_PROTOCOL_DEVICE_IDENTIFICATION::data_offset},
  };
  for (const auto& [one, size] : sizes) {
    Bytes out, again;
    ASSERT_TRUE(write_aux({&one, 1}, out));
    EXPECT_EQ(out.size(), size) << to_string(one.Type);
    EXPECT_EQ(out[0], size) << to_string(one.Type);
    Arena arena;
    const auto blocks = read_aux(out, arena);
    ASSERT_TRUE(blocks);
    ASSERT_EQ(blocks->size(), 1u);
    EXPECT_EQ(blocks->front().body.index(), one.body.index()) << to_string(one.Type);
    ASSERT_TRUE(write_aux(*blocks, again));
    EXPECT_EQ(again, out);
    for (std::size_t cut = 1; cut < out.size(); ++cut) EXPECT_FALSE(read_aux(View(out).first(cut), arena));
  }
}

TEST(Aux, KeepsWhatItDoesNotKnow) {
  // An unknown type, a known type in an unknown version, a known type that is too short, padding.
  Bytes bytes;
  ASSERT_TRUE(from_hex("06 00 01 7f aa bb  05 00 02 17 01  05 00 01 17 01  0a 00 01 17 01 00 00 00 00 00", bytes));
  Arena arena;
  const auto blocks = read_aux(bytes, arena);
  ASSERT_TRUE(blocks);
  ASSERT_EQ(blocks->size(), 4u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NE((*blocks)[i].get<UnknownAuxBlock>(), nullptr) << i;
  ASSERT_NE((*blocks)[3].get<AUX_EXORGINFO>(), nullptr);
  EXPECT_EQ((*blocks)[3].padding.size(), 2u);
  Bytes again;
  ASSERT_TRUE(write_aux(*blocks, again));
  EXPECT_EQ(again, bytes);
}

TEST(Aux, RefusesASizeThatIsNone) {
  Arena arena;
  EXPECT_FALSE(read_aux(Bytes{0, 0, 1, 0x17}, arena));
  EXPECT_FALSE(read_aux(Bytes{3, 0, 1, 0x17}, arena));
  EXPECT_FALSE(read_aux(Bytes{5, 0, 1, 0x17}, arena));
  EXPECT_TRUE(read_aux({}, arena));
}

TEST(Aux, FindsStringsByOffset) {
  AUX_PERF_PROCESSINFO info;
  info.ProcessNameOffset = AUX_PERF_PROCESSINFO::data_offset;
  auto name = to_utf16("OUTLOOK.EXE");
  name.push_back(0), name.push_back(0);
  info.Data = name;
  EXPECT_EQ(to_utf8(aux_string(info.Data, info.data_offset, info.ProcessNameOffset)), "OUTLOOK.EXE");
  EXPECT_TRUE(aux_string(info.Data, info.data_offset, 0).empty());
  EXPECT_TRUE(aux_string(info.Data, info.data_offset, 5).empty());
  EXPECT_TRUE(aux_string(info.Data, info.data_offset, 5000).empty());
  EXPECT_TRUE(aux_string(View(name).first(8), info.data_offset, info.ProcessNameOffset).empty());  // no terminator
}

// [MS-OXCRPC] 3.1.4.1.3.1 "Version Number Comparison".
TEST(Versions, BothWireForms) {
  const Version exchange2007{8, 1, 215, 0};
  EXPECT_EQ(encode_version(exchange2007), (WireVersion{0x0801, 0x80D7, 0x0000}));
  EXPECT_EQ(normalize_version({0x0801, 0x80D7, 0x0000}), exchange2007);
  EXPECT_EQ(normalize_version({0x0006, 0x1A2B, 0x0003}), (Version{6, 0, 0x1A2B, 3}));
  const Version exchange2013{15, 0, 847, 4040};
  EXPECT_EQ(encode_version(exchange2013), (WireVersion{0x0F00, 0x834F, 4040}));
  EXPECT_EQ(normalize_version(encode_version(exchange2013)), exchange2013);
  EXPECT_LT(exchange2007, exchange2013);
  EXPECT_LT((Version{15, 0, 847, 31}), exchange2013);
}

TEST(Versions, Texts) {
  EXPECT_EQ(autodiscover_version({14, 1, 218, 0}), "738180DA");  // the example of ServerVersion (POX)
  EXPECT_EQ(parse_version("Outlook/16.0.4229.1003"), (Version{16, 0, 4229, 1003}));  // row M5
  EXPECT_EQ(parse_version("15.20"), (Version{15, 20, 0, 0}));
  for (const auto* bad : {"", "Outlook/", "x", "1.", "1.2.3.4.5", "1.70000", "1.-2", "1.2 "}) EXPECT_FALSE(parse_version(bad)) << bad;
  EXPECT_EQ(to_string(Version{15, 0, 847, 31}), "15.0.847.31");
}

}  // namespace
}  // namespace mapigate::wire::rpc
