#include <gtest/gtest.h>

#include "wire/ndr/asyncemsmdb_ndr.h"
#include "wire/ndr/emsmdb_ndr.h"
#include "wire/ndr/epm_ndr.h"
#include "wire/ndr/nspi_ndr.h"
#include "wire/ndr/rfr_ndr.h"
#include "wire/ndr/tower.h"
#include "wire/rpc/header_ext.h"
#include "wire/test_corpora.h"

namespace mapigate::wire::ndr {
namespace {

Bytes hex(std::string_view text) {
  Bytes out;
  EXPECT_TRUE(from_hex(text, out)) << text;
  return out;
}

template <class T>
T decoded(View stub, Arena& arena, bool big_endian = false) {
  T out{};
  const auto done = decode("stub", stub, big_endian, arena, out);
  EXPECT_TRUE(done.has_value()) << (done ? "" : done.error().message);
  return out;
}

template <class T>
Bytes encoded(const T& in) {
  Bytes out;
  const auto done = encode("stub", in, out);
  EXPECT_TRUE(done.has_value()) << (done ? "" : done.error().message);
  return out;
}

template <class T>
std::string refusal(View stub) {
  Arena arena;
  T out{};
  const auto done = decode("stub", stub, false, arena, out);
  return done ? "" : done.error().message;
}

TEST(Ndr, interfaces) {
  EXPECT_EQ(to_string(emsmdb::interface.uuid), "a4f1db00-ca47-1067-b31f-00dd010662da");
  EXPECT_EQ(emsmdb::interface.major, 0);
  EXPECT_EQ(emsmdb::interface.minor, 81);
  EXPECT_EQ(emsmdb::EcDoConnectEx::opnum, 10);
  EXPECT_EQ(emsmdb::EcDoRpcExt2::opnum, 11);
  EXPECT_EQ(emsmdb::EcDoAsyncConnectEx::opnum, 14);
  EXPECT_EQ(to_string(asyncemsmdb::interface.uuid), "5261574a-4572-206e-b268-6b199213b4e4");
  EXPECT_EQ(asyncemsmdb::interface.minor, 1);
  EXPECT_EQ(to_string(nspi::interface.uuid), "f5cc5a18-4264-101a-8c59-08002b2f8426");
  EXPECT_EQ(nspi::interface.major, 56);
  EXPECT_EQ(nspi::NspiResolveNamesW::opnum, 20);
  EXPECT_EQ(to_string(rfr::interface.uuid), "1544f5e0-613c-11d1-93df-00c04fd7bd09");
  EXPECT_EQ(to_string(epm::interface.uuid), "e1af8308-5d1f-11c9-91a4-08002b14a0fa");
  EXPECT_EQ(epm::ept_map::opnum, 3);
}

// Encoded by impacket 0.10.
TEST(Ndr, strings_of_another_encoder) {
  const auto stub = hex("00000000100000001000000000000000100000002f6f3d46697273742f636e3d73727600");
  Arena arena;
  const auto in = decoded<rfr::RfrGetFQDNFromServerDN::In>(stub, arena);
  EXPECT_EQ(in.cbMailboxServerDN, 16u);
  EXPECT_EQ(in.szMailboxServerDN, "/o=First/cn=srv");
  EXPECT_EQ(encoded(in), stub);
}

// An array of pointers as a parameter, by hand after [C706] 14.3: size, pointers, and what they lead to, each with its own.
TEST(Ndr, names_of_properties) {
  const auto stub = hex("00000000100000001000000000000000000000000000000002000000"  // hRpc, Reserved, dwFlags
                        "0200000002000000" "0000020000000000"                        // two names, the second null
                        "04000200" "00000000" "05800000" "000102030405060708090a0b0c0d0e0f");
  Arena arena;
  const auto in = decoded<nspi::NspiGetIDsFromNames::In>(stub, arena);
  EXPECT_EQ(in.dwFlags, 2u);
  ASSERT_EQ(in.pNames.size(), 2u);
  ASSERT_NE(in.pNames[0], nullptr);
  EXPECT_EQ(in.pNames[0]->lID, 0x8005);
  ASSERT_NE(in.pNames[0]->lpguid, nullptr);
  EXPECT_EQ(in.pNames[0]->lpguid->ab[15], 0x0F);
  EXPECT_EQ(in.pNames[1], nullptr);
  EXPECT_FALSE(refusal<nspi::NspiGetIDsFromNames::In>(View(stub).first(stub.size() - 1)).empty());
  auto more = to_bytes(View(stub));
  more[28] = 3;  // one more than there are
  EXPECT_FALSE(refusal<nspi::NspiGetIDsFromNames::In>(more).empty());
}

// Encoded by impacket 0.10, with its filling bytes 0xBF; the pointers behind [unique] char** are two.
TEST(Ndr, pointers_to_pointers_of_another_encoder) {
  const auto stub = hex("000000000500000000000000050000002f6f3d7800bfbfbf000000006e1200001c9e000001000000000000000100000000");
  Arena arena;
  const auto in = decoded<rfr::RfrGetNewDSA::In>(stub, arena);
  EXPECT_EQ(in.pUserDN, "/o=x");
  EXPECT_FALSE(in.ppszUnused.has_value());
  ASSERT_TRUE(in.ppszServer.has_value() && in.ppszServer->has_value());
  EXPECT_EQ(**in.ppszServer, "");
}

TEST(Ndr, unique_structure_of_another_encoder) {
  const auto stub = hex(
      "00000000" "000000000000000000000000000000000000000000000000e40400000904000009040000" "ea820000" "01010101010101010101010101010101");
  Arena arena;
  const auto in = decoded<nspi::NspiBind::In>(stub, arena);
  EXPECT_EQ(in.pStat.CodePage, 1252u);
  EXPECT_EQ(in.pStat.SortLocale, 0x409u);
  ASSERT_NE(in.pServerGuid, nullptr);
  EXPECT_EQ(in.pServerGuid->ab[15], 1);
}

// A complete request of Outlook 2007.
TEST(Ndr, EcDoRpcExt2_of_Outlook) {
  const auto folder = test::corpora();
  if (!folder) GTEST_SKIP() << "no corpora: set MAPIGATE_CORPORA";
  const auto stub = test::read_file(*folder / "openchange-lzxpress/002_Outlook_2007_in_Tables_operations_comp.dat");
  Arena arena;
  const auto in = decoded<emsmdb::EcDoRpcExt2::In>(stub, arena);
  EXPECT_FALSE(in.pcxh.empty());
  EXPECT_EQ(in.cbIn, 338u);
  EXPECT_EQ(in.pcbOut, 0x8007u);
  const auto payloads = rpc::read_extended_buffers(in.rgbIn.span(), arena, rpc::request_limits);
  ASSERT_TRUE(payloads.has_value());
  EXPECT_EQ(payloads->front().size(), 380u);
  EXPECT_EQ(encoded(in), stub);
}

// Referents stand with the entries, the towers behind them all; the annotation has an offset and a length of its own.
TEST(Ndr, entries_with_towers) {
  Tower tower;
  tower.interface = {emsmdb::interface.uuid, 0, 81};
  tower.port = 6001;
  const auto octets = write_tower(tower);
  const epm::twr_t twr{static_cast<std::uint32_t>(octets.size()), std::span(octets)};
  const epm::ept_entry_t entries[] = {{{}, &twr, "mail"}, {{}, &twr, ""}};
  epm::ept_lookup::Out out;
  out.num_ents = 2;
  out.max_ents = 10;
  out.entries = std::span(entries);
  const auto stub = encoded(out);
  // handle 20, num_ents, max, offset, actual: then the first entry.
  EXPECT_EQ(to_hex(View(stub).subspan(24, 12)), "0a0000000000000002000000");
  EXPECT_EQ(to_hex(View(stub).subspan(52, 4)), "00000200");
  EXPECT_EQ(to_hex(View(stub).subspan(56, 13)), "00000000" "05000000" "6d61696c00");
  EXPECT_EQ(to_hex(View(stub).subspan(88, 4)), "04000200");
  Arena arena;
  const auto back = decoded<epm::ept_lookup::Out>(stub, arena);
  EXPECT_EQ(back.max_ents, 10u);
  ASSERT_EQ(back.entries.size(), 2u);
  EXPECT_EQ(back.entries[0].annotation, "mail");
  ASSERT_NE(back.entries[1].tower, nullptr);
  const auto read = read_tower(back.entries[1].tower->tower_octet_string.span());
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->port, 6001);
  EXPECT_EQ(read->interface, tower.interface);
}

// [C706] appendix L: lengths little-endian, the port big-endian.
TEST(Ndr, tower_bytes) {
  Tower tower;
  tower.interface = {epm::interface.uuid, 3, 0};
  tower.port = 135;
  tower.address = {127, 0, 0, 1};
  EXPECT_EQ(to_hex(write_tower(tower)),
            "0500" "13000d0883afe11f5dc91191a408002b14a0fa0300" "02000000"
            "13000d045d888aeb1cc9119fe808002b1048600200" "02000000"
            "01000b" "02000000" "010007" "02000087" "010009" "04007f000001");
  EXPECT_FALSE(read_tower(hex("0500")).has_value());
}

TEST(Ndr, counts_are_checked_first) {
  // A string that says it is 4 GiB long, and an array with more elements than bytes.
  EXPECT_NE(refusal<emsmdb::EcDoConnectEx::In>(hex("ffffffff00000000ffffffff2f00")), "");
  EXPECT_NE(refusal<nspi::NspiDNToMId::In>(hex(std::string(48, '0') + "00000040" "00000040" "00000200")), "");
  // pcbOut over its range: [MS-OXCRPC] BIG_RANGE_ULONG.
  emsmdb::EcDoRpcExt2::In in;
  in.pcbOut = 0x40001;
  Bytes out;
  EXPECT_FALSE(encode("stub", in, out).has_value());
  EXPECT_NE(refusal<emsmdb::EcDoRpcExt2::In>(hex(std::string(48, '0') + "00000000" "00000000" "01000400" "00000000" "00000000" "00000000")).find("pcbOut"),
            std::string::npos);
  // rgbIn and cbIn disagree.
  EXPECT_NE(refusal<emsmdb::EcDoRpcExt2::In>(hex(std::string(48, '0') + "04000000" "01020304" "05000000" "00000000" "00000000" "00000000" "00000000")).find("rgbIn"),
            std::string::npos);
}

TEST(Ndr, nesting_is_limited) {
  for (const unsigned depth : {max_depth - 4, 4 * max_depth}) {
    std::vector<nspi::Restriction_r> chain(depth);
    chain.back().rt = 8;
    chain.back().res.arm.emplace<nspi::RestrictionUnion_r::resExist_arm>();
    for (unsigned i = 0; i + 1 < depth; ++i) {
      chain[i].rt = 2;
      chain[i].res.arm.emplace<nspi::RestrictionUnion_r::resNot_arm>().lpRes = &chain[i + 1];
    }
    nspi::NspiGetMatches::In in;
    in.Filter = &chain.front();
    const auto stub = encoded(in);
    const auto refused = refusal<nspi::NspiGetMatches::In>(stub);
    if (depth < max_depth) EXPECT_EQ(refused, "");
    else EXPECT_NE(refused.find("nested"), std::string::npos);
  }
}

TEST(Ndr, union_and_arrays_round_trip) {
  Bytes name{'A', 0, 'n', 0, 'n', 0}, id{1, 2, 3};
  const std::optional<std::string_view> members[] = {"a", {}, "c"};
  nspi::PropertyValue_r values[3];
  values[0].ulPropTag = 0x3001001f;
  values[0].Value.arm.emplace<nspi::PROP_VAL_UNION::lpszW_arm>(Utf16{name});
  values[1].ulPropTag = 0x0fff0102;
  values[1].Value.arm.emplace<nspi::PROP_VAL_UNION::bin_arm>(nspi::Binary_r{3, std::span(id)});
  values[2].ulPropTag = 0x800f101e;
  values[2].Value.arm.emplace<nspi::PROP_VAL_UNION::MVszA_arm>(nspi::StringArray_r{3, std::span(members)});
  const nspi::PropertyRow_r rows[] = {{0, 3, std::span(values)}};
  const nspi::PropertyRowSet_r set{1, std::span(rows)};
  nspi::NspiQueryRows::Out out;
  out.ppRows = &set;
  const auto stub = encoded(out);
  Arena arena;
  const auto back = decoded<nspi::NspiQueryRows::Out>(stub, arena);
  ASSERT_NE(back.ppRows, nullptr);
  const auto& props = back.ppRows->aRow[0].lpProps;
  ASSERT_EQ(props.size(), 3u);
  EXPECT_EQ(to_utf8(*std::get<nspi::PROP_VAL_UNION::lpszW_arm>(props[0].Value.arm)), "Ann");
  EXPECT_TRUE(equal(std::get<nspi::PROP_VAL_UNION::bin_arm>(props[1].Value.arm).lpb.span(), id));
  EXPECT_FALSE(std::get<nspi::PROP_VAL_UNION::MVszA_arm>(props[2].Value.arm).lppszA[1].has_value());
  EXPECT_EQ(encoded(back), stub);
  for (std::size_t size = 0; size < stub.size(); ++size)
    EXPECT_NE(refusal<nspi::NspiQueryRows::Out>(View(stub).first(size)), "") << size;
}

TEST(Ndr, big_endian_clients) {
  Arena arena;
  const auto in = decoded<emsmdb::EcDoAsyncConnectEx::In>(hex("00000000" "01020304" "0506" "0708" "090a0b0c0d0e0f10"), arena, true);
  EXPECT_EQ(to_hex(in.cxh.uuid.bytes), "0403020106050807090a0b0c0d0e0f10");
}

}  // namespace
}  // namespace mapigate::wire::ndr
