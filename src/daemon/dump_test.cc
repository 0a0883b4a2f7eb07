#include "daemon/dump.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "convert/rtf.h"
#include "convert/tnef.h"
#include "mapi/properties.h"
#include "wire/rop/rops.h"
#include "wire/rpc/aux.h"
#include "wire/rpc/header_ext.h"
#include "wire/rpc/lz77.h"

namespace mapigate::daemon {
namespace {

using namespace wire;
using Kind = DumpOptions::Kind;
using nlohmann::json;

// RopOpenFolder and RopGetPropertiesSpecific on what it opens.
Bytes request_payload(Arena& arena) {
  RopRequestBuffer buffer;
  RopOpenFolder::Request open;
  open.OutputHandleIndex = 1;
  open.FolderId = mapi::Id(1, 0x2a);
  RopGetPropertiesSpecific::Request get;
  const mapi::PropertyTag tags[] = {mapi::PidTagDisplayName};
  get.PropertyTags = arena.copy(std::span<const mapi::PropertyTag>(tags));
  buffer.rops = {make_request<RopOpenFolder>(arena, 0, 0, open), make_request<RopGetPropertiesSpecific>(arena, 0, 1, get)};
  buffer.handles = {7, no_handle};
  Bytes payload;
  EXPECT_TRUE(encode_requests(buffer, payload));
  return payload;
}

Bytes reply_payload(Arena& arena, View request) {
  const auto requests = decode_requests(request, arena);
  EXPECT_TRUE(requests);
  RopResponseBuffer buffer;
  RopGetPropertiesSpecific::Response got;
  const mapi::Value values[] = {mapi::Value::string(arena, "Posteingang")};
  got.RowData.values = arena.copy(std::span<const mapi::Value>(values));
  buffer.rops = {make_response<RopOpenFolder>(arena, 1, {}), make_response<RopGetPropertiesSpecific>(arena, 1, got)};
  for (int i = 0; i < 2; ++i) buffer.rops[static_cast<std::size_t>(i)].request = i;
  buffer.handles = {7, 8};
  Bytes payload;
  const auto encoded = encode_responses(buffer, payload, &*requests);
  EXPECT_TRUE(encoded) << encoded.error().message;
  return payload;
}

Bytes execute_request(View payload) {
  Bytes wrapped, body;
  EXPECT_TRUE(rpc::write_extended_buffer(payload, true, {}, wrapped));
  mapihttp::Execute::Request execute;
  execute.RopBuffer = wrapped;
  execute.MaxRopOut = 0x10008;
  EXPECT_TRUE(encode("Execute", execute, body, CountWidth::narrow));
  return body;
}

Bytes execute_reply(View payload) {
  Bytes wrapped, body;
  EXPECT_TRUE(rpc::write_extended_buffer(payload, true, {}, wrapped));
  mapihttp::Execute::Response execute;
  execute.RopBuffer = wrapped;
  EXPECT_TRUE(encode("Execute", execute, body, CountWidth::narrow));
  return body;
}

bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(Dump, ShowsTheRopsOfAnExecute) {
  Arena arena;
  const auto body = execute_request(request_payload(arena));
  const auto shown = dump({}, body, {});
  EXPECT_EQ(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "MaxRopOut: 65544")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "Flags: \"Last\"")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "RopOpenFolder")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "PidTagDisplayName")) << shown.text;
}

TEST(Dump, JsonIsOneDocument) {
  Arena arena;
  DumpOptions options;
  options.json = true;
  const auto shown = dump(options, execute_request(request_payload(arena)), {});
  const auto document = json::parse(shown.text);
  EXPECT_EQ(document.at("MaxRopOut").at("value"), 0x10008);
  EXPECT_EQ(document.at("Flags").at("offset"), 0);
  EXPECT_TRUE(holds(document.at("buffers").dump(), "RopGetPropertiesSpecific"));
}

TEST(Dump, AReplyNeedsItsRequestForRows) {
  Arena arena;
  const auto request = request_payload(arena);
  const auto body = execute_reply(reply_payload(arena, request));
  DumpOptions options;
  options.is_request = false;
  const auto paired = dump(options, body, execute_request(request));
  EXPECT_EQ(paired.problem, "");
  EXPECT_TRUE(holds(paired.text, "Posteingang")) << paired.text;
  const auto alone = dump(options, body, {});
  EXPECT_NE(alone.problem, "");
  EXPECT_TRUE(holds(alone.text, "RopOpenFolder")) << alone.text;  // what stands before is shown
  EXPECT_TRUE(holds(alone.text, "opaque: ")) << alone.text;
}

TEST(Dump, StripsThePreambleOfAReply) {
  Arena arena;
  const auto request = request_payload(arena);
  const auto body = execute_reply(reply_payload(arena, request));
  Bytes whole = to_bytes(as_view("PROCESSING\r\nPENDING\r\nDONE\r\nX-ResponseCode: 0\r\nX-ElapsedTime: 12\r\n\r\n"));
  whole.insert(whole.end(), body.begin(), body.end());
  DumpOptions options;
  options.is_request = false;
  const auto shown = dump(options, whole, execute_request(request));
  EXPECT_EQ(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "X-ElapsedTime: \"12\"")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "PENDING: 1")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "Posteingang")) << shown.text;
}

TEST(Dump, EveryCutOfABodyIsSurvivedAndNamed) {
  Arena arena;
  const auto body = execute_request(request_payload(arena));
  for (std::size_t size = 1; size < body.size(); ++size) {
    const auto cut = dump({}, View(body).first(size), {});
    EXPECT_NE(cut.problem, "") << size;
    EXPECT_TRUE(holds(cut.text, "problem: ")) << size;
  }
  const auto cut = dump({}, View(body).first(body.size() - 3), {});
  EXPECT_TRUE(holds(cut.text, "MaxRopOut: 65544")) << cut.text;  // the fields before the break
  EXPECT_TRUE(holds(cut.problem, "AuxiliaryBuffer")) << cut.problem;
  EXPECT_TRUE(holds(cut.text, "rest: 00")) << cut.text;
}

TEST(Dump, EveryCutOfABareRopBufferIsSurvived) {
  Arena arena;
  const auto payload = request_payload(arena);
  DumpOptions options;
  options.kind = Kind::rops;
  EXPECT_EQ(dump(options, payload, {}).problem, "");
  std::size_t named = 0;
  for (std::size_t size = 0; size < payload.size(); ++size) named += dump(options, View(payload).first(size), {}).problem.empty() ? 0 : 1;
  EXPECT_GE(named, payload.size() - 4);  // a cut between handles is only a shorter table
}

TEST(Dump, ShowsAnUnknownRopAsBytes) {
  const Bytes payload{0x06, 0x00, 0xFC, 0x00, 0x00, 0xAB, 0x07, 0x00, 0x00, 0x00};
  DumpOptions options;
  options.kind = Kind::rops;
  const auto shown = dump(options, payload, {});
  EXPECT_TRUE(holds(shown.problem, "at offset 2 of the ROP buffer")) << shown.problem;
  EXPECT_TRUE(holds(shown.text, "opaque: fc 00 00 ab")) << shown.text;
}

TEST(Dump, RopsHaveOffsetsAndABrokenOneIsShownUpToItsField) {
  Arena arena;
  const auto payload = request_payload(arena);
  DumpOptions options;
  options.kind = Kind::rops;
  const auto whole = dump(options, payload, {});
  EXPECT_EQ(whole.problem, "");
  EXPECT_TRUE(holds(whole.text, "0002 RopId: 2")) << whole.text;
  EXPECT_TRUE(holds(whole.text, "0006 FolderId: ")) << whole.text;
  EXPECT_TRUE(holds(whole.text, "000f RopId: 7")) << whole.text;
  // The count of the tags says two where one is.
  auto broken = payload;
  broken[0x16] = 2;
  const auto shown = dump(options, broken, {});
  EXPECT_TRUE(holds(shown.problem, "RopGetPropertiesSpecific: PropertyTags")) << shown.problem;
  EXPECT_TRUE(holds(shown.text, "0014 WantUnicode: ")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "0016 PropertyTagCount: 2")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "opaque: 07 ")) << shown.text;
  options.json = true;
  const auto parsed = json::parse(dump(options, broken, {}).text);
  EXPECT_EQ(parsed["RopGetPropertiesSpecific"]["PropertyTagCount"]["offset"], 0x16);
  EXPECT_EQ(parsed["RopGetPropertiesSpecific"]["PropertyTagCount"]["value"], 2);
}

TEST(Dump, ARestrictionIsShownUpToThePartThatIsBroken) {
  Bytes stored;  // all of: a value exists, a value contains what is cut off
  ASSERT_TRUE(from_hex("0000000002000000 080000001F003700 03000000010000001F003700", stored));
  DumpOptions options;
  options.kind = Kind::object;
  options.object = "stored-restriction";
  const auto shown = dump(options, stored, {});
  EXPECT_NE(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "AndRestriction")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "PidTagSubject")) << shown.text;
}

TEST(Dump, GivenColumnsDecodeRows) {
  Arena arena;
  RopResponseBuffer buffer;
  RopQueryRows::Response rows;
  rows.Origin = BOOKMARK_END;
  auto row = arena.make_span<PropertyRow>(1);
  const mapi::Value values[] = {mapi::Value::string(arena, "Quartal")};
  row[0].values = arena.copy(std::span<const mapi::Value>(values));
  rows.RowData = row;
  const mapi::PropertyTag columns[] = {mapi::PidTagSubject};
  auto response = make_response<RopQueryRows>(arena, 0, rows);
  response.columns = Columns(columns);
  buffer.rops = {response};
  buffer.handles = {9};
  Bytes payload;
  ASSERT_TRUE(encode_responses(buffer, payload, nullptr));
  DumpOptions options;
  options.kind = Kind::rops;
  options.is_request = false;
  EXPECT_FALSE(holds(dump(options, payload, {}).text, "Quartal"));
  options.columns = {"PidTagSubject"};
  const auto shown = dump(options, payload, {});
  EXPECT_EQ(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "Quartal")) << shown.text;
  options.columns = {"PidTagNonsense"};
  EXPECT_TRUE(holds(dump(options, payload, {}).problem, "PidTagNonsense"));
}

TEST(Dump, WalksAChainAndNamesItsOffsets) {
  Bytes chain;
  ASSERT_TRUE(rpc::write_extended_buffer(as_view("first payload"), false, {}, chain));
  const auto second = chain.size();
  ASSERT_TRUE(rpc::write_extended_buffer(as_view("second"), true, {}, chain));
  DumpOptions options;
  options.kind = Kind::rpc_ext;
  const auto shown = dump(options, chain, {});
  EXPECT_EQ(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, fmt::format("offset: {} ", second))) << shown.text;
  EXPECT_TRUE(holds(shown.text, to_hex(as_view("second"), ' '))) << shown.text;
  EXPECT_TRUE(holds(dump(options, View(chain).first(second), {}).problem, "no buffer is flagged Last"));
  EXPECT_TRUE(holds(dump(options, View(chain).first(second + 5), {}).problem, "RPC_HEADER_EXT"));
  chain.push_back(0);
  EXPECT_TRUE(holds(dump(options, chain, {}).problem, "left over"));
}

TEST(Dump, UnpacksLz77) {
  const std::string plain = "mapigate mapigate mapigate mapigate";
  Bytes stream;
  rpc::lz77_compress(as_view(plain), stream);
  DumpOptions options;
  options.kind = Kind::lz77;
  options.size = plain.size();
  const auto shown = dump(options, stream, {});
  EXPECT_EQ(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "mapigate mapigat")) << shown.text;
  options.size += 1;
  EXPECT_NE(dump(options, stream, {}).problem, "");
}

TEST(Dump, ShowsFastTransferStreams) {
  Bytes stream;
  ASSERT_TRUE(from_hex("03001240 1F000130 04000000 41000000 03003A40 03003B40 03001440", stream));
  DumpOptions options;
  options.kind = Kind::fasttransfer;
  const auto shown = dump(options, stream, {});
  EXPECT_EQ(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "element: \"folderChange\"")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "PidTagDisplayName (0x3001001f)")) << shown.text;
  stream.resize(stream.size() - 4);
  EXPECT_TRUE(holds(dump(options, stream, {}).problem, "hierarchySync: the stream ends at offset 24 where IncrSyncEnd"));
  options.json = true;
  EXPECT_TRUE(holds(dump(options, stream, {}).text, "\"marker\": \"IncrSyncStateEnd\""));
}

// Three instances of a weekly appointment, as [MS-OXOCAL] 4.1.1.1 shows one; cut off at `size`.
Bytes recurrence(std::size_t size = 80) {
  Bytes out;
  EXPECT_TRUE(from_hex("043004300B2001000000C0210000010000000000000032000000222000000C0000000000000000000000000000008020BC0C"
                       "20ADBC0C0630000009300000580200007602000000000000000000000000",
                       out));
  out.resize(size);
  return out;
}

TEST(Dump, TellsBlobsWithTheirOffsets) {
  DumpOptions options;
  options.kind = Kind::object;
  options.object = "recurrence";
  const auto shown = dump(options, recurrence(), {});
  EXPECT_EQ(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "000e Period: 1\n")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "002e StartDate: 213655680")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "date: \"2007-03-26T00:00:00\"")) << shown.text;
  options.json = true;
  const auto parsed = json::parse(dump(options, recurrence(), {}).text);
  const auto& pattern = parsed["AppointmentRecurrencePattern"]["RecurrencePattern"];
  EXPECT_EQ(pattern["WeekRecurrencePattern"]["value"], 0x32);
  EXPECT_EQ(pattern["WeekRecurrencePattern"]["offset"], 22);
}

TEST(Dump, ShowsABrokenBlobUpToTheFieldThatIs) {
  DumpOptions options;
  options.kind = Kind::object;
  options.object = "recurrence";
  const auto shown = dump(options, recurrence(64), {});
  EXPECT_TRUE(holds(shown.problem, "StartTimeOffset")) << shown.problem;
  EXPECT_TRUE(holds(shown.text, "WriterVersion2")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "rest: 58 02")) << shown.text;
  options.object = "recurrenc";
  EXPECT_NE(dump(options, recurrence(), {}).problem, "");
}

TEST(Dump, TellsTnef) {
  convert::MessageObject message;
  message.properties.set_string(mapi::PidTagSubject, "Quartal");
  message.properties.set_integer(mapi::PropertyTag(message.id_of({mapi::PSETID_Appointment, 0x8205, {}}), mapi::PropertyType::PtypInteger32), 2);
  auto bytes = convert::write_tnef(message).value();
  DumpOptions options;
  options.kind = Kind::object;
  options.object = "tnef";
  auto shown = dump(options, bytes, {});
  EXPECT_EQ(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "PidTagSubject")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "00062002-0000-0000-c000-000000000046:0x8205")) << shown.text;
  bytes.resize(bytes.size() - 4);
  shown = dump(options, bytes, {});
  EXPECT_TRUE(holds(shown.problem, "attMsgProps")) << shown.problem;
  options.object = "msg";
  EXPECT_TRUE(holds(dump(options, bytes, {}).problem, "compound file"));
}

// [MS-OXRTFCP] 4.1 "Decompressing Compressed RTF".
TEST(Dump, TellsCompressedRtf) {
  Bytes bytes;
  ASSERT_TRUE(from_hex("2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0", bytes));
  DumpOptions options;
  options.kind = Kind::object;
  options.object = "rtf";
  auto shown = dump(options, bytes, {});
  EXPECT_EQ(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "RAWSIZE: 43")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "form: \"compressed\"")) << shown.text;
  EXPECT_TRUE(holds(shown.text, "hello world}")) << shown.text;
  shown = dump(options, convert::compress_rtf(convert::html_to_rtf("<p>Hello</p>")), {});
  EXPECT_TRUE(holds(shown.text, "HTML: \"<p>Hello</p>")) << shown.text;
  bytes.back() ^= 1;
  shown = dump(options, bytes, {});
  EXPECT_NE(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "COMPSIZE: 45")) << "the header is told before what is broken: " << shown.text;
}

TEST(Dump, TellsAuxiliaryBuffersInEitherForm) {
  const auto blocks = rpc::server_aux_blocks(1, 2, 3, 4);
  Bytes payload, wrapped;
  ASSERT_TRUE(rpc::write_aux(blocks, payload));
  ASSERT_TRUE(rpc::write_extended_buffer(payload, true, {}, wrapped));
  DumpOptions options;
  options.kind = Kind::object;
  options.object = "aux";
  for (const auto& form : {payload, wrapped}) {
    const auto shown = dump(options, form, {});
    EXPECT_EQ(shown.problem, "");
    EXPECT_TRUE(holds(shown.text, "AUX_TYPE_EXORGINFO")) << shown.text;
    EXPECT_TRUE(holds(shown.text, "EndpointCapabilityFlags: 4")) << shown.text;
  }
  options.kind = Kind::rpc_ext;
  EXPECT_TRUE(holds(dump(options, wrapped, {}).text, "EndpointCapabilityFlags: 4")) << "recognised where the kind does not say it";
  options.kind = Kind::object;
  payload.resize(payload.size() - 1);
  EXPECT_NE(dump(options, payload, {}).problem, "");
}

TEST(Dump, TellsSetsOfIds) {
  DumpOptions options;
  options.kind = Kind::object;
  options.object = "idset-replid";
  Bytes bytes;
  ASSERT_TRUE(from_hex("0100 06000000000007 52000000000010000000000020 00", bytes));
  auto shown = dump(options, bytes, {});
  EXPECT_EQ(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "GLOBSET: \"0x7, 0x10-0x20\"")) << shown.text;
  options.object = "idset";
  EXPECT_NE(dump(options, bytes, {}).problem, "") << "two bytes are no REPLGUID";
  bytes.erase(bytes.begin(), bytes.begin() + 2);
  bytes.insert(bytes.begin(), 16, 0x11);
  shown = dump(options, bytes, {});
  EXPECT_EQ(shown.problem, "");
  EXPECT_TRUE(holds(shown.text, "REPLGUID: \"11111111-1111-1111-1111-111111111111\"")) << shown.text;
}

TEST(Dump, NamesTheRequestTypesThatThereAre) {
  DumpOptions options;
  options.endpoint = mapihttp::Endpoint::address_book;
  EXPECT_TRUE(holds(dump(options, Bytes(8), {}).problem, "--request-type takes Bind, Unbind, CompareMIds"));
}

TEST(Dump, HexLinesAreAligned) {
  EXPECT_EQ(hex_lines(as_view("Hello\n")), "0000  48 65 6c 6c 6f 0a                                Hello.\n");
}

// One PDU of DCE/RPC in one packet: Ethernet, IPv4, TCP from port 1 to port 2.
Bytes captured(std::span<const Bytes> pdus) {
  Bytes tcp(20), ip(20), frame(14), file(24);
  tcp[1] = 1, tcp[3] = 2, tcp[7] = 1, tcp[12] = 0x50;
  for (const auto& one : pdus) tcp.insert(tcp.end(), one.begin(), one.end());
  ip[0] = 0x45, ip[9] = 6;
  ip[2] = static_cast<std::uint8_t>((ip.size() + tcp.size()) >> 8), ip[3] = static_cast<std::uint8_t>(ip.size() + tcp.size());
  frame[12] = 8;
  frame.insert(frame.end(), ip.begin(), ip.end());
  frame.insert(frame.end(), tcp.begin(), tcp.end());
  Output output(file);
  output.patch(0, std::uint32_t{0xA1B2C3D4});
  output.patch(20, std::uint32_t{1});
  output.scalar<std::uint64_t>(0);
  output.scalar(static_cast<std::uint32_t>(frame.size()));
  output.scalar(static_cast<std::uint32_t>(frame.size()));
  output.bytes(frame);
  return file;
}
Bytes pdu(std::uint8_t type, View body) {
  Bytes out{5, 0, type, 3, 0x10, 0, 0, 0};
  Output output(out);
  output.scalar(static_cast<std::uint16_t>(16 + body.size()));
  output.scalar<std::uint16_t>(0);
  output.scalar<std::uint32_t>(1);
  output.bytes(body);
  return out;
}

TEST(Dump, CapturedCallsWithTheirRops) {
  Arena arena;
  Bytes bind(16 + 20 + 20);  // sizes and group; one context with its two syntaxes
  bind[8] = 1;
  bind[14] = 1;
  const mapi::Guid emsmdb = *mapi::guid_from_string("a4f1db00-ca47-1067-b31f-00dd010662da");
  std::copy(emsmdb.bytes.begin(), emsmdb.bytes.end(), bind.begin() + 16);

  Bytes chain;
  ASSERT_TRUE(rpc::write_extended_buffer(request_payload(arena), true, {}, chain));
  const auto size = static_cast<std::uint32_t>(chain.size());
  Bytes stub(8);  // alloc_hint, context, opnum
  stub[6] = 11;
  Output output(stub);
  output.bytes(Bytes(20, 0x11));  // pcxh
  output.scalar<std::uint32_t>(3);
  output.scalar(size);
  output.bytes(chain);
  while (stub.size() % 4 != 0) output.scalar<std::uint8_t>(0);
  output.scalar(size);
  output.scalar<std::uint32_t>(0x8000);
  output.scalar<std::uint32_t>(0);
  output.scalar<std::uint32_t>(0);
  output.scalar<std::uint32_t>(0x1008);

  DumpOptions options;
  options.kind = Kind::pcap;
  options.json = true;
  const std::vector<Bytes> pdus{pdu(11, bind), pdu(0, stub)};
  const auto result = dump(options, captured(pdus), {});
  EXPECT_EQ(result.problem, "");
  const auto told = json::parse(result.text);
  const auto& call = told["connections"][0]["calls"][0];
  EXPECT_EQ(call["interface"], "emsmdb");
  EXPECT_EQ(call["opnum"]["name"], "EcDoRpcExt2");
  EXPECT_EQ(call["request"]["pulFlags"]["value"], 3);
  EXPECT_EQ(call["request"]["pulFlags"]["offset"], 20);
  EXPECT_EQ(call["request"]["pcbOut"]["value"], 0x8000);
  EXPECT_EQ(call["ROP requests"].count("RopOpenFolder"), 1u) << call.dump(1);
  EXPECT_FALSE(dump(options, Bytes(40), {}).problem.empty());
}

}  // namespace
}  // namespace mapigate::daemon
