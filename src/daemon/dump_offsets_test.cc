// That dumps say where each field stands, and show what is broken up to the field that is.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "convert/rtf.h"
#include "convert/tnef.h"
#include "daemon/dump.h"
#include "mapi/properties.h"
#include "wire/rpc/aux.h"
#include "wire/test_corpora.h"

namespace mapigate::daemon {
namespace {

using Kind = DumpOptions::Kind;
using nlohmann::json;

bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
Bytes hex(std::string_view digits) {
  Bytes out;
  EXPECT_TRUE(from_hex(digits, out));
  return out;
}
DumpOptions of_method(std::string method) {
  DumpOptions options;
  options.kind = Kind::stub;
  options.method = std::move(method);
  return options;
}

// ulFlags, cbMailboxServerDN, and a string with its three counts.
const auto rfr_stub = "00000000100000001000000000000000100000002f6f3d46697273742f636e3d73727600";

TEST(DumpOffsets, ParametersOfACall) {
  const auto bytes = hex(rfr_stub);
  auto options = of_method("RfrGetFQDNFromServerDN");
  const auto shown = dump(options, bytes, {});
  EXPECT_EQ(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "0000 ulFlags: 0\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0004 cbMailboxServerDN: 16 (0x00000010)\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0008 szMailboxServerDN: \"/o=First/cn=srv\"\n")) << shown.text;
  options.json = true;
  const auto told = json::parse(dump(options, bytes, {}).text).at("request");
  EXPECT_EQ(told.at("szMailboxServerDN").at("offset"), 8);
  EXPECT_EQ(told.at("szMailboxServerDN").at("value"), "/o=First/cn=srv");
}

TEST(DumpOffsets, ACutCallIsShownUpToTheFieldThatIs) {
  const auto bytes = hex(rfr_stub);
  const auto options = of_method("RfrGetFQDNFromServerDN");
  const auto shown = dump(options, View(bytes).first(24), {});
  EXPECT_TRUE(holds(shown.problem, "szMailboxServerDN at offset 20")) << shown.problem;
  EXPECT_TRUE(holds(shown.text, "0004 cbMailboxServerDN: 16")) << shown.text;
  EXPECT_FALSE(holds(shown.text, "szMailboxServerDN: \"")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0014 rest: 2f 6f 3d 46\n")) << shown.text;
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_NE(dump(options, View(bytes).first(size), {}).problem, "") << size;
}

// What pointers lead to stands behind all pointers, and is told where it belongs; an element that is broken is told
// as far as it was read.
TEST(DumpOffsets, WhatPointersLeadTo) {
  const auto bytes = hex("00000000100000001000000000000000000000000000000002000000"  // hRpc, Reserved, dwFlags
                         "0200000002000000" "0000020000000000"                        // two names, the second null
                         "04000200" "00000000" "05800000" "000102030405060708090a0b0c0d0e0f");
  const auto options = of_method("NspiGetIDsFromNames");
  auto shown = dump(options, bytes, {});
  EXPECT_EQ(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "0034 lID: 32773")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0038 ab: 00 01 02")) << shown.text;
  shown = dump(options, View(bytes).first(60), {});
  EXPECT_NE(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "0034 lID: 32773")) << shown.text;
  EXPECT_FALSE(holds(shown.text, "ab: ")) << shown.text;
}

TEST(DumpOffsets, AStubNeedsItsMethod) {
  EXPECT_TRUE(holds(dump(of_method("EcDoNothing"), Bytes(8), {}).problem, "no method \"EcDoNothing\""));
}

TEST(DumpOffsets, AuxiliaryBlocksFieldByField) {
  Bytes payload;
  ASSERT_TRUE(wire::rpc::write_aux(wire::rpc::server_aux_blocks(1, 2, 3, 4), payload));
  DumpOptions options;
  options.kind = Kind::object;
  options.object = "aux";
  auto shown = dump(options, payload, {});
  EXPECT_EQ(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "0003 Type: AUX_TYPE_EXORGINFO\n    0004 OrgFlags: 1\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "000c EnableFlags: 2\n    0010 ExpiryTime: 3\n")) << shown.text;

  // Cut within ExpiryTime.
  shown = dump(options, View(payload).first(18), {});
  EXPECT_TRUE(holds(shown.problem, "AUX_TYPE_CLIENT_CONTROL: ExpiryTime at offset 16: truncated")) << shown.problem;
  EXPECT_TRUE(holds(shown.text, "000c EnableFlags: 2\n    0010 rest: 03 00\n")) << shown.text;

  // A body that does not fit its block: what follows is told.
  payload[8] = 8;
  payload.erase(payload.begin() + 16, payload.begin() + 20);
  shown = dump(options, payload, {});
  EXPECT_TRUE(holds(shown.problem, "ExpiryTime at offset 16")) << shown.problem;
  EXPECT_TRUE(holds(shown.text, "EndpointCapabilityFlags: 4")) << shown.text;
  options.json = true;
  const auto told = json::parse(dump(options, payload, {}).text);
  EXPECT_EQ(told.at("AuxiliaryBlocks").at(1).at("EnableFlags").at("offset"), 12);
}

TEST(DumpOffsets, HeadsOfExtendedBuffers) {
  const auto bytes = hex("0000 0400 0200 0200 4142");
  DumpOptions options;
  options.kind = Kind::rpc_ext;
  EXPECT_TRUE(holds(dump(options, bytes, {}).text, "0002 Flags: 4\n    0004 Size: 2\n")) << dump(options, bytes, {}).text;
  const auto shown = dump(options, View(bytes).first(5), {});
  EXPECT_TRUE(holds(shown.problem, "RPC_HEADER_EXT: Size at offset 4: truncated")) << shown.problem;
  EXPECT_TRUE(holds(shown.text, "0002 Flags: 4\n")) << shown.text;
}

// A push of all six bytes; five bytes, a bitmask, a pop and a range.
const auto idset = "0100 06000000000007 050000000001 421005 50 52000000002000000000003000 00";

TEST(DumpOffsets, CommandsOfSetsOfIds) {
  const auto bytes = hex(idset);
  DumpOptions options;
  options.kind = Kind::object;
  options.object = "idset-replid";
  auto shown = dump(options, bytes, {});
  EXPECT_EQ(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "0000 REPLID: \"0x0001\"")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0002 Command: Push\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0003 CommonBytes: 00 00 00 00 00 07\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0010 StartingValue: 10\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0011 Bitmask: 05\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "adds: \"0x110, 0x111, 0x113\"")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0002 GLOBSET: \"0x7, 0x110-0x111, 0x113, 0x2000-0x3000\"")) << shown.text;

  // Cut within HighValue.
  shown = dump(options, View(bytes).first(28), {});
  EXPECT_TRUE(holds(shown.problem, "HighValue at offset 26: truncated")) << shown.problem;
  EXPECT_TRUE(holds(shown.text, "0014 LowValue: 00 00 00 00 20 00\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "001a rest: 00 00\n")) << shown.text;
  options.json = true;
  const auto told = json::parse(dump(options, bytes, {}).text).at("IDSET").at(0);
  EXPECT_EQ(told.at("commands").at(2).at("Command").at("offset"), 15);
  EXPECT_EQ(told.at("commands").at(2).at("Command").at("value").at("name"), "Bitmask");
}

TEST(DumpOffsets, ValuesOfFastTransferStreams) {
  // IncrSyncStateBegin, MetaTagIdsetGiven with a set that ends in its middle, IncrSyncStateEnd.
  const auto bytes = hex("03003A40 02011740 18000000 11111111111111111111111111111111 06000000000007 52 03003B40");
  DumpOptions options;
  options.kind = Kind::fasttransfer;
  const auto shown = dump(options, bytes, {});
  EXPECT_TRUE(holds(shown.problem, "LowValue at offset 36: truncated")) << shown.problem;
  EXPECT_TRUE(holds(shown.text, "000c REPLGUID: \"11111111")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "001d CommonBytes: 00 00 00 00 00 07\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0023 Command: Range\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "IncrSyncStateEnd")) << shown.text;
}

// Both of: a value exists, a value contains "x".
TEST(DumpOffsets, PartsOfRestrictions) {
  const auto bytes = hex("00 0200 08 1F003700 03 01000000 1F003700 1F003700 78000000");
  DumpOptions options;
  options.kind = Kind::object;
  options.object = "restriction";
  auto shown = dump(options, bytes, {});
  EXPECT_EQ(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "0003 RestrictType: ExistRestriction\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0004 PropTag: PidTagSubject")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0008 RestrictType: ContentRestriction\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0009 FuzzyLevelLow: 1\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0015 PropertyValue: \"x\"\n")) << shown.text;
  shown = dump(options, View(bytes).first(22), {});
  EXPECT_NE(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "0011 PropertyTag: PidTagSubject")) << shown.text;
  EXPECT_FALSE(holds(shown.text, "PropertyValue")) << shown.text;
}

TEST(DumpOffsets, AttributesOfTnef) {
  convert::MessageObject message;
  message.properties.set_string(mapi::PidTagSubject, "Quartal");
  message.properties.set_string(mapi::PidTagBody, "Zahlen");
  const auto bytes = convert::write_tnef(message).value();
  DumpOptions options;
  options.kind = Kind::object;
  options.object = "tnef";
  auto shown = dump(options, bytes, {});
  EXPECT_EQ(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "0000 TNEFSignature: ")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0006 attrLevel: 1\n    0007 attrID: attTnefVersion\n    000b attrLength: 4\n")) << shown.text;
  options.json = true;
  const auto told = json::parse(dump(options, bytes, {}).text);
  const auto& attribute = told.at("attributes").back();
  ASSERT_EQ(attribute.at("attrID").at("value").at("name"), "attMsgProps") << told.dump(1);
  const auto& property = attribute.at("properties").at(1);
  const std::size_t at = property.at("PropertyTag").at("offset");
  EXPECT_EQ(Cursor(View(bytes).subspan(at)).scalar<std::uint32_t>(), property.at("PropertyTag").at("value").at("value"));

  // Cut within the second property: the attribute is told up to its tag.
  options.json = false;
  shown = dump(options, View(bytes).first(at + 10), {});
  EXPECT_TRUE(holds(shown.problem, "attMsgProps at offset ")) << shown.problem;
  EXPECT_TRUE(holds(shown.text, "PropertyCount: 2\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "PropertyValue: \"Quartal\"\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, fmt::format("{:04x} PropertyTag: ", at))) << shown.text;
  EXPECT_TRUE(holds(shown.text, "rest: ")) << shown.text;
  // A wrong checksum is named where it stands.
  auto wrong = bytes;
  wrong[19] ^= 1;
  EXPECT_TRUE(holds(dump(options, wrong, {}).text, "problem: \"the checksum of the data is 0x")) << wrong.size();
}

// The example of [MS-OXRTFCP] 4.1.
TEST(DumpOffsets, CompressedRtf) {
  auto bytes = hex("2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0");
  DumpOptions options;
  options.kind = Kind::object;
  options.object = "rtf";
  auto shown = dump(options, bytes, {});
  EXPECT_TRUE(holds(shown.text, "0004 RAWSIZE: 43")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "000c CRC: ")) << shown.text;
  shown = dump(options, View(bytes).first(10), {});
  EXPECT_TRUE(holds(shown.problem, "COMPTYPE at offset 8: truncated")) << shown.problem;
  EXPECT_TRUE(holds(shown.text, "RAWSIZE: 43")) << shown.text;
  // What a cut or changed content holds is shown all the same.
  shown = dump(options, View(bytes).first(bytes.size() - 6), {});
  EXPECT_TRUE(holds(shown.problem, "COMPSIZE 45 does not fit")) << shown.problem;
  EXPECT_TRUE(holds(shown.text, "RTF: \"{\\\\rtf1\\\\ansi\\\\ansicpg1252\\\\pard hello")) << shown.text;
  bytes[0] = 0x29;  // without the last four bytes, which leaves the checksum wrong
  bytes.resize(bytes.size() - 4);
  shown = dump(options, bytes, {});
  EXPECT_TRUE(holds(shown.problem, " at offset ")) << shown.problem;
  EXPECT_TRUE(holds(shown.text, "hello")) << shown.text;
}

TEST(DumpOffsets, BrokenCompoundFiles) {
  auto bytes = hex("D0CF11E0A1B11AE1 00000000000000000000000000000000 3E00 0300 FEFF 0900 0600 000000000000");
  DumpOptions options;
  options.kind = Kind::object;
  options.object = "msg";
  auto shown = dump(options, bytes, {});
  EXPECT_TRUE(holds(shown.problem, "no compound file: ")) << shown.problem;
  EXPECT_TRUE(holds(shown.problem, "NumberOfDirectorySectors at offset 40: truncated")) << shown.problem;
  EXPECT_TRUE(holds(shown.text, "001e SectorShift: 9\n")) << shown.text;
  bytes[0] = 0;
  shown = dump(options, bytes, {});
  EXPECT_TRUE(holds(shown.problem, "HeaderSignature at offset 8: is not that of a compound file")) << shown.problem;
}

TEST(DumpOffsets, PropertyStreamsOfMsg) {
  const auto folder = test::corpora();
  if (!folder) GTEST_SKIP() << "no corpora: set MAPIGATE_CORPORA";
  const auto bytes = test::read_file(*folder / "email-outlook-message-perl/charset.msg");
  DumpOptions options;
  options.kind = Kind::object;
  options.object = "msg";
  const auto shown = dump(options, bytes, {});
  EXPECT_TRUE(holds(shown.text, "0010 RecipientCount: 1\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0070 PropertyTag: PidTagSubject (0x0037001e)\n      0074 Flags: 6\n      0078 Size: 33 (0x00000021)\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0000 stream: \"__substg1.0_0037001E\"\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0000 name: \"__recip_version1.0_#00000000/__properties_version1.0\"\n")) << shown.text;
}

}  // namespace
}  // namespace mapigate::daemon
